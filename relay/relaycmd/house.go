//go:build !notelemetry

package relaycmd

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/relay/erasures"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
	"github.com/gotoolbase/telemetry/relay/store"
)

// house is what runs: erasures, events, or both. What a file does not speak of is nil.
type house struct {
	db      *store.DB
	ledger  *erasures.Ledger
	relay   *erasures.Relay
	gateway *events.Gateway
	proxies []netip.Prefix
	end     func() // of the destinations
}

// openTime bounds how long the database may take to answer at the start.
const openTime = time.Minute

// tryOpening reads all keys and declarations, and finds what is wrong with them.
func (s surroundings) tryOpening(c *config) error {
	if _, err := s.openAll(c, nil); err != nil {
		return err
	}
	if len(c.database) > 0 {
		if _, err := s.database(c); err != nil {
			return err
		}
	}
	tools, end, err := s.openEvents(c, nil)
	if err != nil {
		return err
	}
	defer end()
	_, err = events.New(events.Config{Tools: tools})
	return relayMistake(err)
}

// openHouse makes what the file speaks of.
func (s surroundings) openHouse(ctx context.Context, c *config, log *slog.Logger) (h *house, err error) {
	h = &house{proxies: c.proxies, end: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if len(c.database) > 0 {
		url, err := s.database(c)
		if err != nil {
			return h, err
		}
		ctx, cancel := context.WithTimeout(ctx, openTime)
		defer cancel()
		if h.db, err = store.Open(ctx, url, events.Schema()); err != nil {
			if errors.Is(err, store.ErrURL) || errors.Is(err, store.ErrUnsafe) {
				return h, rootcmd.InFile(err)
			}
			return h, err
		}
	}
	if c.erases() {
		vendors, err := s.openAll(c, h.db)
		if err != nil {
			return h, err
		}
		if h.ledger, err = erasures.OpenLedger(c.ledger); err != nil {
			return h, ledgerProblem(err, c.ledger)
		}
		h.relay, err = erasures.New(erasures.Config{
			Ledger: h.ledger, Tools: vendors, Quiet: c.quiet, Poll: c.poll, Limit: c.limit,
			TrustForwarded: true, // of forwarded alone
			Log:            log, Now: s.now,
		})
		if err != nil {
			return h, relayMistake(err)
		}
	}
	tools, end, err := s.openEvents(c, h.db)
	if err != nil {
		return h, err
	}
	h.end = end
	if len(tools) == 0 {
		return h, nil
	}
	h.gateway, err = events.New(events.Config{
		DB: h.db, Tools: tools, Limits: c.eventLimits, Proxies: c.proxies, Log: log, Now: s.now,
	})
	return h, relayMistake(err)
}

func (h *house) close() error {
	h.end()
	var problems []error
	if h.ledger != nil {
		problems = append(problems, h.ledger.Close())
	}
	if h.db != nil {
		problems = append(problems, h.db.Close())
	}
	return errors.Join(problems...)
}

// run works until ctx ends.
func (h *house) run(ctx context.Context) error {
	sending := make(chan error, 1)
	if h.gateway != nil {
		go func() { sending <- h.gateway.Run(ctx) }()
	} else {
		sending <- nil
	}
	if h.relay == nil {
		return <-sending
	}
	return errors.Join(h.relay.Run(ctx), <-sending)
}

// public is for tools.
func (h *house) public() http.Handler {
	mux := http.NewServeMux()
	if h.relay != nil {
		mux.Handle("/", h.forwarded(h.relay.Public()))
	}
	if h.gateway != nil {
		mux.Handle(events.Path, h.gateway)
		mux.Handle(events.Path+"/", h.gateway)
	}
	return mux
}

// admin is for operators.
func (h *house) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", h.health)
	mux.HandleFunc("/metrics", h.metrics)
	return mux
}

func (h *house) all() http.Handler {
	public, admin := h.public(), h.admin()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/healthz" || req.URL.Path == "/metrics" {
			admin.ServeHTTP(w, req)
			return
		}
		public.ServeHTTP(w, req)
	})
}

// databaseTime bounds how long the database may take to say that it is there.
const databaseTime = 5 * time.Second

// health asks the database first: without it, no events can be taken.
func (h *house) health(w http.ResponseWriter, req *http.Request) {
	if h.db != nil {
		ctx, cancel := context.WithTimeout(req.Context(), databaseTime)
		defer cancel()
		if h.db.Ping(ctx) != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"database":"cannot be used"}` + "\n"))
			return
		}
	}
	if h.relay != nil {
		h.relay.Admin().ServeHTTP(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
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

// forwarded leaves in X-Forwarded-For the address that a request comes from and nothing else,
// so that nobody chooses whom their request counts for.
func (h *house) forwarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		address, ok := rates.Client(req, h.proxies)
		req.Header.Del("X-Forwarded-For")
		if ok {
			req.Header.Set("X-Forwarded-For", address.String())
		}
		next.ServeHTTP(w, req)
	})
}
