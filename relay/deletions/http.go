//go:build !notelemetry

package deletions

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	pathDeletions = "/v1/deletions"
	// formerPath is the one of tools that were built before 0.1.0.
	formerPath = "/v1/erasures"
	// maxBody is 20 times what a request takes.
	maxBody = 4 << 10
	// bodyTimeout is for a body that fits into one packet, over the worst of networks.
	bodyTimeout = 10 * time.Second
	// diskWait is the Retry-After while the ledger cannot be written: somebody has to
	// make room.
	diskWait = time.Minute
	// healthTime is what a probe waits at most.
	healthTime = 5 * time.Second
	// maxClaim is how far back the time may be that a tool names; tools give up long before.
	maxClaim = 365 * 24 * time.Hour
)

// NewServer returns a server for h with the bounds that a service on the open network
// needs: nobody holds a connection by being slow, or all of them by opening many, and headers
// are small. It logs nothing, since what net/http logs has addresses in it.
func NewServer(h http.Handler) *http.Server { return newServer(h, maxConns) }

func newServer(h http.Handler, most int) *http.Server {
	c := &conns{max: most, all: map[net.Conn]struct{}{}}
	return &http.Server{
		Handler:           h,
		ConnState:         c.watch,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5*time.Second + bodyTimeout,
		WriteTimeout:      time.Minute, // a disk that is busy may take long to sync
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
}

// ServeHTTP answers tools.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.public(w, req) }

// Admin returns the handler for /healthz and /metrics, which are nobody's business on the
// network that tools come from.
func (r *Relay) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", r.health)
	mux.HandleFunc("/metrics", r.metrics)
	return mux
}

// refusal is an answer that is no receipt.
type refusal struct {
	status int
	word   string
	wait   time.Duration
}

var (
	errInvalid     = &refusal{status: http.StatusBadRequest, word: "invalid_request"}
	errProof       = &refusal{status: http.StatusForbidden, word: "proof_mismatch"}
	errUnknownTool = &refusal{status: http.StatusNotFound, word: "unknown_tool"}
	errNoReceipt   = &refusal{status: http.StatusNotFound, word: "unknown_receipt"}
	errNoPath      = &refusal{status: http.StatusNotFound, word: "not_found"}
	errMethod      = &refusal{status: http.StatusMethodNotAllowed, word: "method_not_allowed"}
	errTooLarge    = &refusal{status: http.StatusRequestEntityTooLarge, word: "too_large"}
	errMediaType   = &refusal{status: http.StatusUnsupportedMediaType, word: "unsupported_media_type"}
	errNoLedger    = &refusal{status: http.StatusServiceUnavailable, word: "ledger_unavailable", wait: diskWait}
)

// said is a receipt on the wire.
type said struct {
	ID          string         `json:"id"`
	State       deletion.State `json:"state"`
	Detail      string         `json:"detail"`
	RequestedAt time.Time      `json:"requested_at"`
	VerifiedAt  time.Time      `json:"verified_at,omitzero"`
}

func (r *Relay) public(w http.ResponseWriter, req *http.Request) {
	path := req.URL.Path
	if rest, former := strings.CutPrefix(path, formerPath); former {
		path = pathDeletions + rest
	}
	id, one := strings.CutPrefix(path, pathDeletions+"/")
	var status int
	var told Receipt
	var no *refusal
	doing := "other"
	switch {
	case one:
		doing = "look"
		status, told, no = r.look(w, req, id)
	case path == pathDeletions:
		doing = "request"
		status, told, no = r.accept(w, req)
	default:
		no = errNoPath
	}
	outcome := map[int]string{http.StatusAccepted: "accepted", http.StatusOK: "known"}[status]
	if no != nil {
		outcome = no.word
	}
	r.counters.Add(1, metricRequests, "doing", doing, "outcome", outcome)
	if no != nil {
		if no.wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((no.wait+time.Second-1)/time.Second)))
		}
		answer(w, no.status, map[string]string{"error": no.word})
		return
	}
	answer(w, status, said{told.ID, told.State, told.Detail, told.RequestedAt, told.VerifiedAt})
}

func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"internal"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever is gone asks again
}

func (r *Relay) look(w http.ResponseWriter, req *http.Request, id string) (int, Receipt, *refusal) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return 0, Receipt{}, errMethod
	}
	if no := r.limit(rates.Address(req, r.proxies), costLook); no != nil {
		return 0, Receipt{}, no
	}
	told, err := r.Receipt(req.Context(), id)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return 0, Receipt{}, errNoLedger
	case err != nil:
		return 0, Receipt{}, errNoReceipt
	}
	return http.StatusOK, told, nil
}

func (r *Relay) limit(address string, cost float64) *refusal {
	if wait := r.limiter.take(address, cost); wait > 0 {
		return &refusal{http.StatusTooManyRequests, "rate_limited", wait}
	}
	return nil
}

func (r *Relay) accept(w http.ResponseWriter, req *http.Request) (int, Receipt, *refusal) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return 0, Receipt{}, errMethod
	}
	asked, no := readRequest(w, req)
	if no != nil {
		return 0, Receipt{}, no
	}
	if _, known := r.tools[asked.Tool]; !known {
		return 0, Receipt{}, errUnknownTool
	}
	// Before the limit: a hash is cheaper than its table, and what is forged must not use up
	// what honest requests need.
	if !deletion.Proves(asked.DeletionKey, asked.MachineID) {
		return 0, Receipt{}, errProof
	}
	from := rates.Address(req, r.proxies)
	if no := r.limit(from, costRequest); no != nil {
		return 0, Receipt{}, no
	}
	told, err := r.Request(req.Context(), Demand{
		Tool: asked.Tool, MachineID: asked.MachineID, DeletionKey: asked.DeletionKey,
		RequestedAt: asked.at(r.now()), bucket: r.limiter.bucket(from),
	})
	switch {
	case err != nil:
		return 0, Receipt{}, errNoLedger // the ledger has logged why
	case told.New:
		return http.StatusAccepted, told, nil
	}
	return http.StatusOK, told, nil
}

// asked is a request on the wire.
type asked struct {
	MachineID   string `json:"machine_id"`
	DeletionKey string `json:"deletion_key"`
	FormerKey   string `json:"erasure_key"` // the same, of tools that were built before 0.1.0
	Tool        string `json:"tool"`
	// RequestedAt may be anything: no deletion fails for a clock.
	RequestedAt any `json:"requested_at"`
}

// at is when the person asked, as far as that can be believed.
func (a asked) at(now time.Time) time.Time {
	now = now.UTC().Truncate(time.Millisecond)
	text, _ := a.RequestedAt.(string)
	claimed, err := time.Parse(time.RFC3339, text)
	if err != nil || claimed.After(now) || now.Sub(claimed) > maxClaim {
		return now
	}
	return claimed.UTC().Truncate(time.Millisecond)
}

func readRequest(w http.ResponseWriter, req *http.Request) (a asked, no *refusal) {
	if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return a, errMediaType
	}
	if req.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // or the server reads on for a while
		return a, errTooLarge
	}
	// NewServer sees to this too; a server of somebody else's may not. Where it is not
	// possible there is no connection to wait on.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return a, errTooLarge
	}
	if err != nil || json.Unmarshal(body, &a) != nil {
		return a, errInvalid
	}
	a.DeletionKey = cmp.Or(a.DeletionKey, a.FormerKey)
	if (deletion.Request{MachineID: a.MachineID}).Validate() != nil || !isKey(a.DeletionKey) || a.Tool == "" {
		return a, errInvalid
	}
	return a, nil
}

func isKey(s string) bool {
	return len(s) == 2*deletion.KeyBytes && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// health answers whether requests can be taken and are worked on.
func (r *Relay) health(w http.ResponseWriter, req *http.Request) {
	if !looking(w, req) {
		return
	}
	parts := map[string]string{"ledger": "ok", "worker": "ok"}
	status := http.StatusOK
	ctx, cancel := context.WithTimeout(req.Context(), healthTime)
	defer cancel()
	if err := r.ledger.problem(ctx); err != nil {
		parts["ledger"], status = "cannot be written", http.StatusServiceUnavailable
	}
	if !r.running.Load() {
		parts["worker"], status = "does not run", http.StatusServiceUnavailable
	}
	answer(w, status, parts)
}

func (r *Relay) metrics(w http.ResponseWriter, req *http.Request) {
	if !looking(w, req) {
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	r.writeMetrics(req.Context(), w)
}

func looking(w http.ResponseWriter, req *http.Request) bool {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	answer(w, http.StatusMethodNotAllowed, map[string]string{"error": errMethod.word})
	return false
}
