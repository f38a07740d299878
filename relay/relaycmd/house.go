//go:build !notelemetry

package relaycmd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/opendsr"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/store"
)

// house is what runs: deletions, events, or both. What a file does not speak of is nil.
type house struct {
	db      *store.DB
	relay   *deletions.Relay
	gateway *events.Gateway
	opendsr *opendsr.Endpoint
	rollups *report.Rollups // of what the gateway accepts
	end     func()          // of the destinations
	now     func() time.Time
}

// tryOpening reads all keys and declarations, and finds what is wrong with them. What it
// returns asks nobody.
func (s surroundings) tryOpening(c *config) (map[string][]deletions.Vendor, error) {
	vendors, err := s.openAll(c, nil)
	if err != nil {
		return nil, err
	}
	tools, end, err := s.openEvents(c, nil)
	if err != nil {
		return nil, err
	}
	defer end()
	if _, _, err := s.readOpenDSR(c); err != nil {
		return nil, err
	}
	_, err = events.New(events.Config{Tools: tools})
	return vendors, relayMistake(err)
}

// openHouse makes what the file speaks of.
func (s surroundings) openHouse(ctx context.Context, c *config, log *slog.Logger) (h *house, err error) {
	h = &house{end: func() {}, now: s.now}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.db, err = store.Open(ctx, c.database, deletions.Schema(), events.Schema(), report.Schema(), opendsr.Schema()); err != nil {
		return h, databaseProblem(err, c.database)
	}
	tools, end, err := s.openEvents(c, h.db)
	if err != nil {
		return h, err
	}
	h.end = end
	if len(tools) > 0 {
		if h.rollups, err = report.Open(ctx, h.db, report.Options{Now: s.now, Log: log}); err != nil {
			return h, err
		}
	}
	ledger := deletions.NewLedger(h.db)
	if c.deletes() {
		vendors, err := s.openAll(c, h.db)
		if err != nil {
			return h, err
		}
		for _, t := range c.tools {
			if tool := t.name; t.counted() {
				vendors[tool] = append(vendors[tool], deletions.Vendor{Name: report.RequestorName, Requestor: h.rollups.Requestor(tool), Own: true})
			}
		}
		h.relay, err = deletions.New(deletions.Config{
			Ledger: ledger, Tools: vendors, Quiet: c.quiet, Poll: c.poll, Due: c.due, Limit: c.limit,
			Proxies: c.proxies, Log: log, Now: s.now,
		})
		if err != nil {
			return h, relayMistake(err)
		}
		for name, t := range tools {
			if len(vendors[name]) > 0 {
				t.Delete = h.request
				tools[name] = t
			}
		}
	}
	controllers, speaks, err := s.readOpenDSR(c)
	if err != nil {
		return h, err
	}
	if speaks {
		controllers.DB, controllers.Relay, controllers.Log = h.db, h.relay, log
		if h.opendsr, err = opendsr.New(controllers); err != nil {
			return h, relayMistake(err)
		}
	}
	if len(tools) == 0 {
		return h, nil
	}
	h.gateway, err = events.New(events.Config{
		DB: h.db, Tools: tools, Deleted: ledger.Deleted, Limits: c.eventLimits, Proxies: c.proxies, Log: log, Now: s.now,
		Accepted: func(tool string, accepted []driver.Event) { h.rollups.Add(tool, accepted, s.now()) },
	})
	return h, relayMistake(err)
}

// request takes a deletion request that came as an event.
func (h *house) request(ctx context.Context, req deletion.Request) error {
	_, err := h.relay.Request(ctx, deletions.Demand{
		Tool: req.Tool, MachineID: req.MachineID, DeletionKey: req.DeletionKey, RequestedAt: req.RequestedAt,
	})
	if errors.Is(err, deletions.ErrProof) || errors.Is(err, deletions.ErrNobody) { // a wrong key, or none
		return driver.Permanent(err)
	}
	return err
}

func (h *house) close() error {
	h.end()
	if h.opendsr != nil {
		h.opendsr.Close()
	}
	if h.db == nil {
		return nil
	}
	var counted error
	if h.rollups != nil { // of the answers that were under way when it was to end
		ctx, cancel := context.WithTimeout(context.Background(), databaseTime)
		defer cancel()
		counted = h.rollups.Flush(ctx)
	}
	return errors.Join(counted, h.db.Close())
}

// run works until ctx ends.
func (h *house) run(ctx context.Context) error {
	sending := make(chan error, 1)
	if h.gateway != nil {
		go func() {
			counting := make(chan struct{})
			go func() {
				defer close(counting)
				h.rollups.Run(ctx)
			}()
			err := h.gateway.Run(ctx)
			<-counting
			sending <- err
		}()
	} else {
		sending <- nil
	}
	calling := make(chan error, 1)
	if h.opendsr != nil {
		go func() { calling <- h.opendsr.Run(ctx) }()
	} else {
		calling <- nil
	}
	var deleting error
	if h.relay != nil {
		deleting = h.relay.Run(ctx)
	}
	return errors.Join(deleting, <-sending, <-calling)
}

// public is for tools.
func (h *house) public() http.Handler {
	mux := http.NewServeMux()
	if h.relay != nil {
		mux.Handle("/", h.relay)
	}
	if h.opendsr != nil {
		mux.Handle(opendsr.Path, h.opendsr)
	}
	if h.gateway != nil {
		mux.Handle(events.Path, h.gateway)
		mux.Handle(events.Path+"/", h.gateway)
	}
	return mux
}

// admin is for operators, who say where it is by an address. A page in somebody's browser can have
// a name of its own lead here, and would then read the report of a machine that it is on.
func (h *house) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", live)
	mux.HandleFunc("/healthz", h.health)
	mux.HandleFunc("/metrics", h.metrics)
	if h.rollups != nil {
		page := report.Handler(h.db, h.now)
		mux.Handle("/report", page)
		mux.Handle("/report/", page)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !byAddress(req.Host) && reachedLocally(req) {
			http.Error(w, "say localhost or the address: a name may be somebody else's", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// byAddress reports whether a request names this machine by its address, or as localhost.
func byAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// reachedLocally reports whether a request came to an address that only this machine has.
func reachedLocally(req *http.Request) bool {
	at, is := req.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return is && isLoopback(at.String())
}

// databaseTime bounds how long the database may take to say that it is there.
const databaseTime = 5 * time.Second

// live answers that the process does. Whether it can work, /healthz says: a database that is away
// is no reason to start the process anew.
func live(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }

// health is the relay's, which asks the database; where there is none, the database's own.
func (h *house) health(w http.ResponseWriter, req *http.Request) {
	if h.relay != nil {
		h.relay.Admin().ServeHTTP(w, req)
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), databaseTime)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	if h.db.Ping(ctx) != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"database":"cannot be used"}` + "\n"))
		return
	}
	_, _ = w.Write([]byte(`{"database":"ok"}` + "\n"))
}

func (h *house) metrics(w http.ResponseWriter, req *http.Request) {
	if h.relay != nil {
		h.relay.Admin().ServeHTTP(w, req)
	}
	if h.gateway != nil && req.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		ctx, cancel := context.WithTimeout(req.Context(), databaseTime)
		defer cancel()
		_ = h.gateway.Metrics(ctx, w) // what is missing is what waits, which health is about
	}
}
