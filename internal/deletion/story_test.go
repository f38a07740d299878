// Package deletion holds tests alone: the whole way of a person's wish to be forgotten,
// from `mytool telemetry reset` through the relay to the vendor and back to a receipt that
// says "verified", and every place where it can stop.
//
// Months pass in them: all sides share the clock of a synctest bubble, and calls go from
// one to the other without a network. The same with real processes is in the demo.
package deletion

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	amplitudebackend "github.com/gotoolbase/telemetry/backends/amplitude"
	datadogbackend "github.com/gotoolbase/telemetry/backends/datadog"
	posthogbackend "github.com/gotoolbase/telemetry/backends/posthog"
	segmentbackend "github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/amplitude"
	"github.com/gotoolbase/telemetry/deletion/datadog"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
	"github.com/gotoolbase/telemetry/deletion/posthog"
	"github.com/gotoolbase/telemetry/deletion/segment"
	standinamplitude "github.com/gotoolbase/telemetry/internal/standin/amplitude"
	standindatadog "github.com/gotoolbase/telemetry/internal/standin/datadog"
	standinposthog "github.com/gotoolbase/telemetry/internal/standin/posthog"
	standinsegment "github.com/gotoolbase/telemetry/internal/standin/segment"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

// The hosts of the world.
const (
	relayHost     = "relay.example.com"
	posthogHost   = "posthog.example.com"
	datadogHost   = "datadog.example.com"
	amplitudeHost = "amplitude.example.com"
	segmentHost   = "segment.example.com"
)

// world is everybody: the vendors, the operator's relay and one person's machine.
type world struct {
	t         *testing.T
	posthog   *standinposthog.Server
	datadog   *standindatadog.Server
	amplitude *standinamplitude.Server
	segment   *standinsegment.Server
	database  string
	relay     *deletions.Relay
	stop      func() // the relay, as on a shutdown
	keys      struct{ posthog, datadog string }

	tool    props.Tool
	options []core.Option
	manager *core.Manager

	mu     sync.Mutex
	answer map[string]http.HandlerFunc // a host's, instead of its own
	gone   map[string]bool             // hosts that do not answer at all
}

// live runs a story in a bubble, with a tool that reports to the given backend.
func live(t *testing.T, backend string, story func(w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))) // a Monday
		w := &world{
			t: t, database: "sqlite:" + filepath.Join(t.TempDir(), "data", "relay.db"),
			answer: map[string]http.HandlerFunc{}, gone: map[string]bool{},
		}
		w.posthog = standinposthog.New(standinposthog.Options{Queues: true})
		w.datadog = standindatadog.New(standindatadog.Options{})
		w.amplitude, w.segment = standinamplitude.New(nil), standinsegment.New()
		w.posthog.Capture(canary, time.Now())
		w.amplitude.Store(canary)
		w.datadog.Store(standindatadog.Log{Host: canary, Service: "mytool", Date: time.Now(), Received: time.Now()})
		w.keys.posthog, w.keys.datadog = "phx_standin", standindatadog.ApplicationKey
		w.install(backend)
		w.openRelay()
		defer func() { w.stop() }()
		story(w)
	})
}

// RoundTrip takes a request to whoever has the host.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	handler, replaced := w.answer[r.URL.Host]
	gone := w.gone[r.URL.Host]
	w.mu.Unlock()
	if gone {
		return nil, errors.New("connection refused")
	}
	recorder := httptest.NewRecorder()
	incoming := r.Clone(r.Context())
	if incoming.Body == nil {
		incoming.Body = http.NoBody // as a server has it
	}
	incoming.RemoteAddr, incoming.RequestURI = "192.0.2.1:1234", r.URL.RequestURI()
	switch {
	case replaced:
		handler(recorder, incoming)
	case r.URL.Host == relayHost:
		w.relay.ServeHTTP(recorder, incoming)
	case r.URL.Host == posthogHost:
		w.posthog.ServeHTTP(recorder, incoming)
	case r.URL.Host == datadogHost:
		w.datadog.ServeHTTP(recorder, incoming)
	case r.URL.Host == amplitudeHost:
		w.amplitude.ServeHTTP(recorder, incoming)
	case r.URL.Host == segmentHost:
		w.segment.ServeHTTP(recorder, incoming)
	default:
		w.t.Errorf("somebody called %s", r.URL.Host)
		return nil, errors.New("no such host")
	}
	return recorder.Result(), nil
}

// away makes a host unreachable, or reachable again.
func (w *world) away(host string, is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[host] = is
}

// answers makes a host answer every call alike, until nil.
func (w *world) answers(host string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.answer, host)
	if h != nil {
		w.answer[host] = h
	}
}

// install puts the tool on the person's machine; the person says yes.
func (w *world) install(backend string) {
	w.t.Helper()
	through := func(d driver.Driver) driver.Driver {
		open := d.Open
		d.Open = func(c driver.Config) (driver.Backend, error) { c.Transport = w; return open(c) }
		return d
	}
	settings := map[string]map[string]string{
		"posthog":   {"project_key": "phc_public", "endpoint": "https://" + posthogHost},
		"datadog":   {"api_key": standindatadog.APIKey, "endpoint": "https://" + datadogHost},
		"amplitude": {"api_key": standinamplitude.APIKey, "endpoint": "https://" + amplitudeHost},
		"segment":   {"write_key": "public", "endpoint": "https://" + segmentHost},
	}
	w.tool = props.Tool{
		Name: "mytool", Version: "1.2.3",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Backend: backend, Settings: settings[backend],
			Drivers:           []driver.Driver{through(posthogbackend.Driver()), through(datadogbackend.Driver()), through(amplitudebackend.Driver()), through(segmentbackend.Driver())},
			DeletionRequestor: httpjson.Requestor{Endpoint: "https://" + relayHost + "/v1/deletions", Transport: w},
			PrivacyURL:        "https://example.com/privacy",
		},
	}
	w.options = []core.Option{
		core.WithStateDir(filepath.Join(w.t.TempDir(), "telemetry")),
		core.WithEnv(func(string) (string, bool) { return "", false }),
		core.WithPolicyFile(filepath.Join(w.t.TempDir(), "none")),
	}
	w.manager = core.NewManager(w.tool, w.options...)
	if err := w.manager.Enable(false, ""); err != nil {
		w.t.Fatal(err)
	}
}

// canary is a machine of the operator's, of which both vendors keep something.
var canary = strings.Repeat("ca9a9e00", 4)

// look opens the ledger as a command does.
func (w *world) look(see func(l *deletions.Ledger)) {
	w.t.Helper()
	db := must(store.Open(context.Background(), w.database, deletions.Schema()))
	defer db.Close()
	see(deletions.NewLedger(db))
}

// deletions is what is in the ledger.
func (w *world) deletions() (all []deletions.Deletion) {
	w.t.Helper()
	w.look(func(l *deletions.Ledger) {
		if err := l.List(context.Background(), deletions.Filter{}, func(e deletions.Deletion) error { all = append(all, e); return nil }); err != nil {
			w.t.Fatal(err)
		}
	})
	return all
}

// openRelay starts the operator's relay on the ledger that there is.
func (w *world) openRelay() {
	w.t.Helper()
	vendors := []deletions.Vendor{{Name: "posthog", Requestor: must(posthog.Vendor().Requestor(deletion.VendorConfig{
		Tool: "mytool", Transport: w,
		Settings: map[string]string{"endpoint": "https://" + posthogHost, "project": "12345", "key": w.keys.posthog},
	}))}}
	switch w.tool.Telemetry.Backend {
	case "amplitude":
		vendors = []deletions.Vendor{{Name: "amplitude", Requestor: must(amplitude.Vendor().Requestor(deletion.VendorConfig{
			Tool: "mytool", Transport: w,
			Settings: map[string]string{"endpoint": "https://" + amplitudeHost, "api_key": standinamplitude.APIKey, "secret_key": standinamplitude.SecretKey},
		}))}}
	case "segment":
		vendors = []deletions.Vendor{{Name: "segment", Requestor: must(segment.Vendor().Requestor(deletion.VendorConfig{
			Tool: "mytool", Transport: w, Settings: map[string]string{"endpoint": "https://" + segmentHost, "token": standinsegment.Token},
		}))}}
	case "datadog":
		vendors = []deletions.Vendor{{Name: "datadog", Requestor: must(datadog.Vendor().Requestor(deletion.VendorConfig{
			Tool: "mytool", Transport: w,
			Settings: map[string]string{
				"endpoint": "https://" + datadogHost, "retention": "90d", "api_key": standindatadog.APIKey, "application_key": w.keys.datadog,
			},
		}))}}
	}
	for i := range vendors {
		vendors[i].Canary = canary
	}
	db := must(store.Open(context.Background(), w.database, deletions.Schema()))
	w.relay = must(deletions.New(deletions.Config{Ledger: deletions.NewLedger(db), Tools: map[string][]deletions.Vendor{"mytool": vendors}}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.relay.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := errors.Join(<-ended, db.Close()); err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("the relay ended with %v", err)
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// use is a command of the tool, run by the person.
func (w *world) use() {
	w.t.Helper()
	c, err := core.Open(w.tool, w.options...)
	if err != nil {
		w.t.Fatal(err)
	}
	c.TrackCommand("build", 142, 0, nil)
	if err := c.Close(w.t.Context()); err != nil && w.manager.Decision().Enabled {
		w.t.Fatal(err)
	}
}

// pass lets days go by: the person uses the tool four times a day, Datadog works on what
// it was asked every day, and PostHog sweeps on Sundays.
func (w *world) pass(days int) {
	w.t.Helper()
	for range days {
		for range 4 {
			time.Sleep(6 * time.Hour)
			synctest.Wait()
			w.use()
		}
		w.datadog.Run()
		w.amplitude.Run()
		w.segment.Run()
		if time.Now().Weekday() == time.Sunday {
			w.posthog.Sweep()
		}
	}
}

// says runs one of the `telemetry` commands and returns what the person reads, with the
// exit code.
func (w *world) says(args ...string) (string, int) {
	w.t.Helper()
	root := &cobra.Command{Use: "mytool", SilenceErrors: true}
	root.AddCommand(telemetrycmd.New(w.manager))
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"telemetry"}, args...))
	err := root.Execute()
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), telemetrycmd.ExitCode(err)
}

// person fails unless the person's request is in a state, and reset --status says words.
func (w *world) person(state deletion.State, words ...string) {
	w.t.Helper()
	all, err := w.manager.Deletions()
	if err != nil || len(all) != 1 || all[0].State != state {
		w.t.Fatalf("on %s the person's request is %+v (%v), want it %s", time.Now().Format(time.DateOnly), all, err, state)
	}
	text, _ := w.says("reset", "--status")
	for _, word := range words {
		if !strings.Contains(text, word) {
			w.t.Errorf("the person is not told %q but\n%s", word, text)
		}
	}
}

// operator fails unless the only deletion in the ledger is in a state, and its vendor's
// problem holds words.
func (w *world) operator(state deletion.State, words ...string) deletions.Deletion {
	w.t.Helper()
	all := w.deletions()
	if len(all) != 1 || all[0].State != state {
		w.t.Fatalf("on %s the ledger has %+v, want one deletion, %s", time.Now().Format(time.DateOnly), all, state)
	}
	for _, word := range words {
		if problem := all[0].Vendors[0].Problem; !strings.Contains(problem, word) {
			w.t.Errorf("the operator is not told %q but %q", word, problem)
		}
	}
	return all[0]
}

// left is how much the vendor stores under the machine ID.
func (w *world) left(id string) int {
	n := 0
	switch w.tool.Telemetry.Backend {
	case "datadog":
		n = len(w.datadog.Stored(id))
	case "amplitude":
		for _, u := range w.amplitude.Users() {
			if slices.Contains(u.Devices, id) {
				n += u.Events
			}
		}
	case "segment":
		for _, m := range w.segment.Messages() {
			if m.UserID == id {
				n++
			}
		}
	default:
		n = w.posthog.Events(id)
	}
	return n
}

// reset uses the tool for a while and resets. It returns the machine ID.
func (w *world) reset() string {
	w.t.Helper()
	w.pass(2)
	id := w.manager.Status().MachineID
	if n := w.left(id); n != 8 {
		w.t.Fatalf("the vendor stores %d events, want 8", n)
	}
	if text, code := w.says("reset"); code != 0 && !strings.Contains(text, "NOT handed over") {
		w.t.Fatalf("reset: exit code %d\n%s", code, text)
	}
	return id
}

// forgotten fails unless all is done, everywhere.
func (w *world) forgotten(id string) {
	w.t.Helper()
	if n := w.left(id); n != 0 {
		w.t.Errorf("the vendor still stores %d events", n)
	}
	w.operator(deletion.Verified)
	w.person(deletion.Verified, "That nothing is left under this machine ID was verified.")
	if s := w.manager.Status(); s.MachineID != "" || s.Decision.Enabled || s.Queue.Events != 0 {
		w.t.Errorf("the machine still knows an identity or events: %+v", s)
	}
	w.look(func(l *deletions.Ledger) {
		if a, err := l.Verify(context.Background()); err != nil || a.Damaged > 0 {
			w.t.Errorf("the ledger's chain: %+v, %v", a, err)
		}
	})
}

func TestAResetReachesTheVendorAndComesBackVerified(t *testing.T) {
	for _, backend := range []string{"posthog", "datadog", "amplitude"} {
		t.Run(backend, func(t *testing.T) {
			live(t, backend, func(w *world) {
				id := w.reset()
				w.person(deletion.Acknowledged, "will be deleted")
				w.operator(deletion.Acknowledged)
				w.pass(30)
				w.forgotten(id)
				if err := w.manager.Enable(false, ""); err != nil {
					w.t.Fatal(err)
				}
				w.pass(1)
				if again := w.manager.Status().MachineID; again == id || w.left(id) != 0 || w.left(again) != 4 {
					w.t.Errorf("after a new yes events arrive under %s, which was %s", again, id)
				}
			})
		})
	}
}

// Segment deletes, and cannot be asked how much is left: a person has the last word.
func TestWhereNothingCanBeCountedAPersonClosesTheDeletion(t *testing.T) {
	live(t, "segment", func(w *world) {
		id := w.reset()
		w.operator(deletion.Acknowledged)
		w.pass(30)
		if n := w.left(id); n != 0 {
			w.t.Errorf("the vendor still stores %d events", n)
		}
		e := w.operator(deletion.Acknowledged)
		if v := e.Vendors[0]; v.State != deletion.Manual || !strings.Contains(v.Receipt.Detail, "close it by hand") || !e.NeedsPerson() {
			w.t.Errorf("the operator sees %+v", e)
		}
		w.person(deletion.Acknowledged)
		if n := len(w.segment.Regulations()); n != 1 {
			w.t.Errorf("%d regulations were made", n)
		}
	})
}

func TestOthersKeepWhatIsTheirs(t *testing.T) {
	for _, backend := range []string{"posthog", "datadog"} {
		t.Run(backend, func(t *testing.T) {
			live(t, backend, func(w *world) {
				other := strings.Repeat("0dd5a1ad", 4)
				for range 5 {
					w.posthog.Capture(other, time.Now())
					w.datadog.Store(standindatadog.Log{Host: other, Service: "mytool", Date: time.Now(), Received: time.Now()})
				}
				id := w.reset()
				w.pass(30)
				w.forgotten(id)
				if n := w.left(other); n != 5 {
					w.t.Errorf("of somebody else's 5 events %d are left", n)
				}
			})
		})
	}
}

func TestWhereItStopsSomebodyIsToldAndItGoesOn(t *testing.T) {
	fail := func(status int, header, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(status)
		}
	}
	for name, story := range map[string]func(w *world){
		"the relay is down for a week": func(w *world) {
			w.away(relayHost, true)
			id := w.reset()
			w.person(deletion.Requested, "NOT handed over yet", "reset --resume", "https://example.com/privacy")
			if text, code := w.says("reset", "--resume"); code != 1 || !strings.Contains(text, "1 deletion request is still open") {
				w.t.Errorf("--resume: exit code %d\n%s", code, text)
			}
			w.pass(7)
			w.person(deletion.Requested)
			w.away(relayHost, false)
			w.pass(30)
			w.forgotten(id)
		},
		"the relay wants an hour": func(w *world) {
			w.answers(relayHost, fail(429, "Retry-After", "3600"))
			id := w.reset()
			w.person(deletion.Requested)
			w.answers(relayHost, nil)
			w.pass(30)
			w.forgotten(id)
		},
		"the network has a portal": func(w *world) {
			w.answers(relayHost, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.Write([]byte("<html>Welcome to the hotel</html>")) //nolint:errcheck // a recorder
			})
			id := w.reset()
			w.person(deletion.Requested, "log in to this network")
			w.answers(relayHost, nil)
			w.pass(30)
			w.forgotten(id)
		},
		"the relay loses its ledger": func(w *world) {
			id := w.reset()
			w.stop()
			file, _ := store.File(w.database)
			if err := os.RemoveAll(filepath.Dir(file)); err != nil {
				w.t.Fatal(err)
			}
			w.openRelay()
			w.pass(30)
			w.forgotten(id)
		},
		"the relay is restarted all the time": func(w *world) {
			id := w.reset()
			for range 40 {
				w.stop()
				w.openRelay()
				w.pass(1)
			}
			w.forgotten(id)
		},
		"the operator's key is refused": func(w *world) {
			w.keys.posthog = "phx_expired"
			w.stop()
			w.openRelay()
			id := w.reset()
			w.pass(3)
			w.person(deletion.Acknowledged)
			w.operator(deletion.Acknowledged, "key is refused")
			w.keys.posthog = "phx_standin"
			w.stop()
			w.openRelay()
			w.pass(30)
			w.forgotten(id)
		},
		"the vendor wants an hour": func(w *world) {
			w.posthog.Break(standinposthog.Persons, standinposthog.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}, Calls: 3})
			id := w.reset()
			w.pass(30)
			w.forgotten(id)
		},
		"the vendor is broken for days": func(w *world) {
			w.away(posthogHost, false)
			w.posthog.Break(standinposthog.BulkDelete, standinposthog.Fault{Status: 502})
			id := w.reset()
			w.pass(5)
			w.operator(deletion.Acknowledged, "502")
			w.posthog.Repair(standinposthog.BulkDelete)
			w.pass(30)
			w.forgotten(id)
		},
		"a failure hides in a 202": func(w *world) {
			w.posthog.Break(standinposthog.BulkDelete, standinposthog.Fault{Status: 202, Calls: 2,
				Body: `{"persons_found":1,"persons_deleted":0,"events_queued_for_deletion":false,"deletion_errors":["timeout"]}`})
			id := w.reset()
			w.pass(30)
			w.forgotten(id)
		},
		"the answer to the deletion is lost": func(w *world) {
			w.posthog.Break(standinposthog.BulkDelete, standinposthog.Fault{Drop: true, Done: true, Calls: 1})
			id := w.reset()
			w.pass(30)
			w.forgotten(id)
		},
		"events come in after the request": func(w *world) {
			id := w.reset()
			w.pass(3) // the vendor has been asked by now
			w.posthog.Capture(id, time.Now())
			w.pass(6)
			w.person(deletion.Acknowledged)
			w.pass(30)
			w.forgotten(id)
		},
		"the sweep does not come": func(w *world) {
			id := w.reset()
			for range 20 {
				time.Sleep(24 * time.Hour)
				w.use()
			}
			if n := w.left(id); n != 8 {
				w.t.Errorf("%d events are left, want 8", n)
			}
			w.person(deletion.Acknowledged)
			w.operator(deletion.Acknowledged)
			w.pass(14)
			w.forgotten(id)
		},
	} {
		t.Run(name, func(t *testing.T) { live(t, "posthog", story) })
	}
}

func TestARefusalWaitsForAPerson(t *testing.T) {
	t.Run("a profile with other IDs", func(t *testing.T) {
		live(t, "posthog", func(w *world) {
			id := w.reset()
			w.posthog.Alias(id, "somebody-else")
			w.pass(14)
			w.operator(deletion.Refused, "other IDs (1)")
			w.person(deletion.Refused, "REFUSED", "reset --resume", "https://example.com/privacy")
			if n := w.left(id); n != 8 {
				w.t.Errorf("%d events are left, want 8: nothing may be deleted with somebody else's", n)
			}
		})
	})
	t.Run("a deletion that somebody cancelled", func(t *testing.T) {
		live(t, "datadog", func(w *world) {
			id := w.reset()
			w.pass(3)
			entry := w.operator(deletion.Acknowledged)
			if until := entry.Vendors[0].Receipt.CancelUntil; until.IsZero() {
				w.t.Error("the receipt has no cancel window")
			}
			for _, r := range w.datadog.Requests() {
				w.datadog.Edit(r.ID, func(r *standindatadog.Request) { r.Status = standindatadog.Cancelled })
			}
			w.pass(14)
			w.operator(deletion.Refused)
			w.person(deletion.Refused)
			// The operator has it taken up again, and the person, who does nothing but use the
			// tool, is told.
			w.look(func(l *deletions.Ledger) {
				if err := l.Retry(entry.ID); err != nil {
					w.t.Fatal(err)
				}
			})
			w.pass(3)
			w.person(deletion.Acknowledged)
			w.pass(30)
			w.forgotten(id)
		})
	})
}

func TestSomebodyElsesIDIsNotDeleted(t *testing.T) {
	live(t, "posthog", func(w *world) {
		w.pass(2)
		victim := w.manager.Status().MachineID
		thief := [deletion.KeyBytes]byte{1, 2, 3}
		for _, forged := range []deletion.Request{
			{MachineID: victim, DeletionKey: strings.Repeat("ab", deletion.KeyBytes)},
			{MachineID: victim},
			{MachineID: victim, DeletionKey: victim + victim},
			{MachineID: deletion.MachineID(thief), DeletionKey: victim + victim},
		} {
			forged.Tool, forged.RequestedAt = "mytool", time.Now()
			receipt, err := httpjson.Requestor{Endpoint: "https://" + relayHost + "/v1/deletions", Transport: w}.RequestDeletion(w.t.Context(), forged)
			if driver.Classify(err) != driver.ClassPermanent {
				w.t.Errorf("a forged request came to %+v, %v; want a refusal", receipt, err)
			}
		}
		w.pass(30)
		if all := w.deletions(); len(all) != 0 {
			w.t.Errorf("the ledger has %+v", all)
		}
		if n := w.left(victim); n != 8+120 {
			w.t.Errorf("%d events are left, want all 128", n)
		}
		if n := w.posthog.Count(standinposthog.Persons); n != 0 {
			w.t.Errorf("the vendor was asked %d times", n)
		}
	})
}
