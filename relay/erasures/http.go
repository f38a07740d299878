package erasures

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

const (
	pathErasures = "/v1/erasures"
	// maxBody is 20 times what a request takes.
	maxBody = 4 << 10
	// bodyTimeout is for a body that fits into one packet, over the worst of networks.
	bodyTimeout = 10 * time.Second
	// diskWait is the Retry-After while the ledger cannot be written: somebody has to
	// make room.
	diskWait = time.Minute
	// maxClaim is how far back the time may be that a tool names; tools give up long before.
	maxClaim = 365 * 24 * time.Hour
)

// NewServer returns a server for h with the bounds that a service on the open network
// needs: nobody holds a connection by being slow, and headers are small. It logs nothing,
// since what net/http logs has addresses in it.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5*time.Second + bodyTimeout,
		WriteTimeout:      time.Minute, // a disk that is busy may take long to sync
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
}

// ServeHTTP answers tools, /healthz and /metrics.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case "/healthz":
		r.health(w, req)
	case "/metrics":
		r.metrics(w, req)
	default:
		r.public(w, req)
	}
}

// Public returns the handler for tools alone.
func (r *Relay) Public() http.Handler { return http.HandlerFunc(r.public) }

// Admin returns the handler for /healthz and /metrics alone.
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
	id, one := strings.CutPrefix(req.URL.Path, pathErasures+"/")
	var status int
	var told receipt
	var no *refusal
	doing := "other"
	switch {
	case one:
		doing = "look"
		status, told, no = r.look(w, req, id)
	case req.URL.Path == pathErasures:
		doing = "request"
		status, told, no = r.accept(w, req)
	default:
		no = errNoPath
	}
	outcome := map[int]string{http.StatusAccepted: "accepted", http.StatusOK: "known"}[status]
	if no != nil {
		outcome = no.word
	}
	r.counters.add(labelled(metricRequests, "doing", doing, "outcome", outcome))
	if no != nil {
		if no.wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((no.wait+time.Second-1)/time.Second)))
		}
		answer(w, no.status, map[string]string{"error": no.word})
		return
	}
	answer(w, status, said{told.id.String(), told.state, detail(told), told.claimed, told.verified})
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

// detail is the sentence for the person.
func detail(told receipt) string {
	switch {
	case told.state == deletion.Verified:
		return "The data is gone from all services that held it."
	case told.state == deletion.Refused:
		return fmt.Sprintf("A service that holds the data refused to erase it: the people who run %s have to see to it.", told.tool)
	case told.handedOver:
		return "The services that hold the data were asked to erase it, and some have not confirmed that it is gone."
	case told.quiet >= time.Hour:
		return fmt.Sprintf("The data will be erased, after %d hours in which the last of it may still come in.", int(told.quiet.Hours()))
	}
	return "The data will be erased."
}

func (r *Relay) look(w http.ResponseWriter, req *http.Request, id string) (int, receipt, *refusal) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return 0, receipt{}, errMethod
	}
	if no := r.limit(req, costLook); no != nil {
		return 0, receipt{}, no
	}
	parsed, ok := parseID(id)
	if !ok {
		return 0, receipt{}, errNoReceipt
	}
	e := r.ledger.find(parsed)
	if e == nil {
		return 0, receipt{}, errNoReceipt
	}
	return http.StatusOK, r.ledger.receipt(e), nil
}

func (r *Relay) limit(req *http.Request, cost float64) *refusal {
	if wait := r.limiter.take(address(req, r.trustForwarded), cost); wait > 0 {
		return &refusal{http.StatusTooManyRequests, "rate_limited", wait}
	}
	return nil
}

func (r *Relay) accept(w http.ResponseWriter, req *http.Request) (int, receipt, *refusal) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return 0, receipt{}, errMethod
	}
	// Before anything is read: this is what a flood meets.
	if no := r.limit(req, costRequest); no != nil {
		return 0, receipt{}, no
	}
	asked, no := readRequest(w, req)
	if no != nil {
		return 0, receipt{}, no
	}
	vendors, known := r.tools[asked.Tool]
	if !known {
		return 0, receipt{}, errUnknownTool
	}
	if !deletion.Proves(asked.ErasureKey, asked.MachineID) {
		return 0, receipt{}, errProof
	}
	// From here on there is no key.
	line := entry{
		Event: received, ID: newReceiptID(), Tool: asked.Tool, MachineID: asked.MachineID, Proof: "verified",
		RequestedAt: asked.at(r.now()), Wait: inMillis(r.quiet),
	}
	for _, v := range vendors {
		line.Vendors = append(line.Vendors, v.Name)
	}
	e, fresh, err := r.ledger.append(line)
	if err != nil {
		return 0, receipt{}, errNoLedger // the ledger has logged why
	}
	if !fresh {
		return http.StatusOK, r.ledger.receipt(e), nil
	}
	r.poke()
	return http.StatusAccepted, r.ledger.receipt(e), nil
}

// asked is a request on the wire.
type asked struct {
	MachineID  string `json:"machine_id"`
	ErasureKey string `json:"erasure_key"`
	Tool       string `json:"tool"`
	// RequestedAt may be anything: no erasure fails for a clock.
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
	if (deletion.Request{MachineID: a.MachineID}).Validate() != nil || !isKey(a.ErasureKey) || a.Tool == "" {
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
	if err := r.ledger.problem(); err != nil {
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
	r.writeMetrics(w)
}

func looking(w http.ResponseWriter, req *http.Request) bool {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	answer(w, http.StatusMethodNotAllowed, map[string]string{"error": errMethod.word})
	return false
}
