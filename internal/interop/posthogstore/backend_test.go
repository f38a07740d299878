package posthogstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/interop/posthogstore"
)

const (
	projectKey = "phc_0123456789abcdefghij"
	machine    = "abababababababababababababababab"
)

// open opens our backend as the collector does, for a server or, without a network, with
// the store as transport. It uses the older intake, which is an endpoint's default.
func open(t *testing.T, s *posthogstore.Store, server *httptest.Server) driver.Backend {
	t.Helper()
	return openIntake(t, s, server, "")
}

func openIntake(t *testing.T, s *posthogstore.Store, server *httptest.Server, intake string) driver.Backend {
	t.Helper()
	settings := map[string]string{"project_key": projectKey, "endpoint": "https://posthog.example.com", "intake": intake}
	cfg := driver.Config{Tool: "mytool", Version: "v1.2.3", Transport: s}
	if server != nil {
		settings["endpoint"], cfg.Transport = server.URL, nil
	}
	d := posthog.Driver()
	resolved, err := d.Resolve(settings)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Settings = resolved
	b, err := d.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func serve(t *testing.T, s *posthogstore.Store) *httptest.Server {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

func eventsAt(at time.Time, n int) []driver.Event {
	events := make([]driver.Event, n)
	for i := range events {
		events[i] = driver.Event{
			ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i), Type: "command.invocation", Name: fmt.Sprint("remote add ", i),
			Time: at.UTC().Truncate(time.Millisecond), DurationMS: new(int64(142)), ExitCode: new(0), Args: []string{"--depth", "3"},
			Flags: []string{"depth"}, Error: "no such remote", ErrorClass: "not_found",
			Tool: "mytool", Version: "v1.2.3", OS: "linux", Arch: "amd64", OSVersion: "debian 12", GoVersion: "go1.26",
			CI: true, CIProvider: "github-actions", Agent: "codex", Container: true, RunID: "01890a5d-ac96-7aaa-8bbb-0123456789ab",
			MachineID: machine, ConsentID: strings.Repeat("cd", 16), Metadata: map[string]string{"format": "json"}, Truncated: 1,
		}
	}
	return events
}

var seedFlag = flag.Uint64("seed", 0, "makes the random events of an earlier run")

// random returns a source, and tells how to have the same one again.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("the same events again: -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

var pieces = []string{
	"a", "Z", "9", "word", " ", "_", "-", ".", ":", ",", `"`, `\`, "<", ">", "&", "'", "{", "]", "\x00", "\x1f", "\n", "\t", "\x7f",
	"\u2028", "\u2029", "\ufeff", "\ufffd", "é", "e\u0301", "中", "🙂", "\U0010ffff", "null", "1e400", "$ip", "$set",
}

func text(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// metadataKeys are those with which an author could get in the way of PostHog or of us.
var metadataKeys = []string{
	"$ip", "$geoip_disable", "$process_person_profile", "$set", "$set_once", "$unset", "$groups", "$lib", "$os", "$ignore_sent_at",
	"$cookieless_mode", "$session_id", "$anon_distinct_id", "token", "distinct_id", "event_name", "tool_name", "os_version", "args",
	"error", "truncated", "metadata_x", "metadata_$ip", "x", "timestamp", "uuid", "api_key", "sent_at", "",
}

func randomEvents(r *rand.Rand, n int) []driver.Event {
	events := eventsAt(time.Now(), n)
	for i := range events {
		e := &events[i]
		e.ID = fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", r.Uint32(), r.Uint32N(1<<16), r.Uint32N(1<<12), r.Uint32N(1<<12), r.Uint64N(1<<48))
		e.Time = e.Time.Add(-time.Duration(r.Int64N(int64(20 * 24 * time.Hour)))).Truncate(time.Millisecond)
		e.Type, e.Name, e.Error = "t"+text(r, 10), text(r, 20), text(r, 40)
		e.Tool, e.Version, e.OS, e.Arch = text(r, 4), text(r, 4), text(r, 2), text(r, 2)
		e.OSVersion, e.GoVersion = text(r, 3), text(r, 3)
		e.MachineID = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		e.Truncated, e.Redacted, e.Count, e.Failures, e.SampleRate = r.IntN(3), r.IntN(3), r.IntN(3), r.IntN(3), r.IntN(3)
		e.CI, e.Interactive, e.Container, e.TimeAdjusted = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
		e.Flags, e.Durations, e.Agent, e.CIProvider, e.ErrorClass = nil, nil, "", "", ""
		if r.IntN(2) == 0 {
			e.Flags, e.Durations, e.Agent, e.CIProvider, e.ErrorClass = []string{"a" + text(r, 3)}, []int{r.IntN(9), 1}, text(r, 3), text(r, 3), text(r, 3)
		}
		e.DurationMS, e.ExitCode = nil, nil
		if r.IntN(2) == 0 {
			e.DurationMS, e.ExitCode = new(int64(r.Uint64())), new(int(r.Uint32())-math.MaxInt32)
		}
		e.Args, e.Metadata = nil, map[string]string{}
		for range r.IntN(4) {
			e.Args = append(e.Args, text(r, 5))
		}
		for range r.IntN(8) {
			e.Metadata[metadataKeys[r.IntN(len(metadataKeys))]] = text(r, 10)
		}
		for range r.IntN(3) {
			e.Metadata[text(r, 5)] = text(r, 10)
		}
	}
	return events
}

// documented is the list of properties in the package comment of the backend.
var documented = []string{
	"$ip", "$geoip_disable", "event_name", "tool_name", "tool_version", "$os", "os_version", "arch", "go_version", "duration_ms",
	"exit_code", "args", "error", "consent_id", "truncated", "$lib", "$lib_version", "$session_id", "run_id", "ci", "ci_provider",
	"interactive", "agent", "container", "error_class", "flags", "count", "failures", "durations", "sample_rate", "redacted",
	"time_adjusted",
}

// propertyOf is where the package comment puts a pair of the author's.
func propertyOf(key string) string {
	if slices.Contains(documented, key) || key == "token" || key == "distinct_id" ||
		strings.HasPrefix(key, "$") || strings.HasPrefix(key, "metadata_") {
		return "metadata_" + key
	}
	return key
}

var address = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b|\b[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){3,7}\b|::1`)

func TestNoAddressAndNothingUndocumentedIsStored(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, intake string, events []driver.Event, lookForAddresses bool) {
		s := &posthogstore.Store{}
		if err := openIntake(t, s, serve(t, s), intake).Send(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		rows := s.Rows()
		if len(rows) != len(events) {
			t.Fatalf("%d rows of %d events", len(rows), len(events))
		}
		for i, row := range rows {
			e := events[i]
			if row.UUID != e.ID || row.Event != e.Type || row.DistinctID != e.MachineID || row.Properties["event_name"] != e.Name {
				t.Fatalf("row %d is %+v, of %s", i, row, e.AppendJSON(nil))
			}
			if row.Properties["$ip"] != "0.0.0.0" || row.Properties["$geoip_disable"] != true {
				t.Fatalf("row %d: $ip %v, $geoip_disable %v", i, row.Properties["$ip"], row.Properties["$geoip_disable"])
			}
			properties := maps.Clone(row.Properties)
			for key, value := range e.Metadata {
				if got := properties[propertyOf(key)]; got != value {
					t.Fatalf("row %d: metadata %q became %q: %q, want %q", i, key, propertyOf(key), got, value)
				}
				delete(properties, propertyOf(key))
			}
			for name := range properties {
				if !slices.Contains(documented, name) {
					t.Fatalf("row %d has the property %q", i, name)
				}
			}
			if row.Person != "person of "+e.MachineID {
				t.Fatalf("row %d belongs to %q and could not be deleted", i, row.Person)
			}
			text, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			if lookForAddresses {
				for _, found := range address.FindAllString(string(text), -1) {
					if found != "0.0.0.0" {
						t.Fatalf("row %d holds the address %s: %s", i, found, text)
					}
				}
			}
		}
	}
	for _, intake := range []string{"v1", "batch"} {
		t.Run("plain events, "+intake, func(t *testing.T) {
			t.Parallel()
			check(t, intake, eventsAt(time.Now(), 50), true)
		})
		t.Run("random events, "+intake, func(t *testing.T) {
			t.Parallel()
			r := random(t)
			for range 10 {
				check(t, intake, randomEvents(r, 1+r.IntN(100)), false) // which hold anything, also what looks like one
			}
		})
	}
}

func TestEveryEventCanBeDeletedByItsPerson(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"a clock that is right": 0, "a clock 3 h ahead": 3 * time.Hour, "a clock 30 h ahead": 30 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, intake := range []string{"v1", "batch"} {
				s := &posthogstore.Store{Now: func() time.Time { return time.Now().Add(-skew) }}
				if err := openIntake(t, s, serve(t, s), intake).Send(t.Context(), eventsAt(time.Now(), 20)); err != nil {
					t.Fatal(err)
				}
				for _, row := range s.Rows() {
					if late := time.Now().Add(-skew).Sub(row.Time); late < 0 || late > time.Minute {
						t.Errorf("%s: stored as %v before now", intake, late)
					}
				}
				if deleted := s.Delete(machine, s.Now()); deleted != 20 || len(s.Inserted()) != 0 {
					t.Errorf("%s: %d deleted, %d left", intake, deleted, len(s.Inserted()))
				}
			}
		})
	}
}

func TestOneRowIsLeftHoweverOftenAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{}
	server := serve(t, s)
	events := eventsAt(time.Now().UTC().Truncate(24*time.Hour).Add(12*time.Hour-24*time.Hour), 100)
	s.Then(posthogstore.LoseAnswer, posthogstore.LoseAnswer, posthogstore.LoseRequest, posthogstore.LoseAnswer)
	one := open(t, s, server)
	for attempt := range 4 {
		backend := one
		if attempt >= 2 {
			backend = open(t, s, server) // of the next run of the tool
		}
		if err := backend.Send(t.Context(), events); driver.Classify(err) != driver.ClassUnknown {
			t.Fatalf("attempt %d: %v", attempt, err)
		}
	}
	if err := open(t, s, server).Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if inserted, rows := len(s.Inserted()), len(s.Rows()); inserted != 400 || rows != 100 {
		t.Errorf("%d rows of %d insertions, want 100 of 400", rows, inserted)
	}
	if requests := len(s.Requests()); requests != 5 {
		t.Errorf("%d requests, want 5: who sends again by itself?", requests)
	}
}

// In the bubble of synctest a clock goes on when all wait: it begins at midnight (UTC) of
// the first of January 2000, and Sleep only sets it.
func lostOnceThen(t *testing.T, at, again time.Time, latencies [2]time.Duration, check func(*posthogstore.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &posthogstore.Store{}
		s.Then(posthogstore.LoseAnswer)
		events := eventsAt(at, 10)
		for i, moment := range []time.Time{at, again} {
			time.Sleep(time.Until(moment))
			s.Latency = latencies[i]
			err := open(t, s, nil).Send(t.Context(), events)
			if want := []driver.Class{driver.ClassUnknown, driver.ClassAccepted}[i]; driver.Classify(err) != want {
				t.Fatalf("attempt %d: %v", i, err)
			}
		}
		if inserted := len(s.Inserted()); inserted != 20 {
			t.Fatalf("%d insertions, want 20", inserted)
		}
		check(s)
	})
}

var midnight = time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)

func TestALateResendIsTheSameRow(t *testing.T) {
	t.Parallel()
	noon := midnight.Add(-12 * time.Hour)
	for name, tt := range map[string]struct{ at, again time.Time }{
		"later the same day":                   {noon, noon.Add(9 * time.Hour)},
		"the next day":                         {noon, noon.Add(20 * time.Hour)},
		"29 days later":                        {noon, noon.Add(29 * 24 * time.Hour)},
		"on either side of midnight":           {midnight.Add(-time.Second), midnight.Add(time.Hour)},
		"right after midnight, then next noon": {midnight.Add(time.Second), midnight.Add(12 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lostOnceThen(t, tt.at, tt.again, [2]time.Duration{80 * time.Millisecond, 20 * time.Millisecond}, func(s *posthogstore.Store) {
				if rows := len(s.Rows()); rows != 10 {
					t.Errorf("%d rows of 10 events", rows)
				}
			})
		})
	}
}

// The limit that the backend's documentation tells. What PostHog stores is the event's
// time and the time that the request was under way, so it is another at every attempt:
// where midnight lies between the two, there are two rows.
func TestAnEventWithinARequestsTimeOfMidnightMayBeStoredTwice(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before    time.Duration // midnight
		latencies [2]time.Duration
		rows      int
	}{
		"slow, then quick":               {50 * time.Millisecond, [2]time.Duration{80 * time.Millisecond, 20 * time.Millisecond}, 20},
		"quick, then slow":               {50 * time.Millisecond, [2]time.Duration{20 * time.Millisecond, 80 * time.Millisecond}, 20},
		"both within the day":            {100 * time.Millisecond, [2]time.Duration{80 * time.Millisecond, 20 * time.Millisecond}, 10},
		"both after it":                  {10 * time.Millisecond, [2]time.Duration{80 * time.Millisecond, 20 * time.Millisecond}, 10},
		"the same time under way, twice": {50 * time.Millisecond, [2]time.Duration{80 * time.Millisecond, 80 * time.Millisecond}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := midnight.Add(-tt.before)
			lostOnceThen(t, at, at.Add(time.Hour), tt.latencies, func(s *posthogstore.Store) {
				if rows := len(s.Rows()); rows != tt.rows {
					t.Errorf("%d rows of 10 events, want %d", rows, tt.rows)
				}
			})
		})
	}
}

// PostHog's table with native JSON has the time in its key. There a copy is another row
// at any time of the day, unless both requests were under way for the same time to the
// microsecond: sent_at, which corrects wrong clocks, is what makes the times differ.
func TestInTheNativeJSONTableAResendIsASecondRow(t *testing.T) {
	t.Parallel()
	noon := midnight.Add(-12 * time.Hour)
	for name, tt := range map[string]struct {
		latencies [2]time.Duration
		rows      int
	}{
		"a millisecond apart":     {[2]time.Duration{20 * time.Millisecond, 21 * time.Millisecond}, 20},
		"the same time under way": {[2]time.Duration{20 * time.Millisecond, 20 * time.Millisecond}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lostOnceThen(t, noon, noon.Add(time.Hour), tt.latencies, func(s *posthogstore.Store) {
				if rows := len(s.RowsOfTheNativeJSONTable()); rows != tt.rows {
					t.Errorf("%d rows of 10 events, want %d", rows, tt.rows)
				}
			})
		})
	}
}

// sendInHalves does with a batch what the contract says of ClassTooLarge. It returns the
// IDs of the events that were given up.
func sendInHalves(t *testing.T, b driver.Backend, events []driver.Event) (lost []string) {
	t.Helper()
	err := b.Send(t.Context(), events)
	switch class := driver.Classify(err); {
	case class == driver.ClassAccepted:
		return nil
	case class == driver.ClassTooLarge && len(events) > 1:
		half := len(events) / 2
		return append(sendInHalves(t, b, events[:half]), sendInHalves(t, b, events[half:])...)
	case class == driver.ClassPermanent && len(events) == 1:
		return []string{events[0].ID}
	}
	t.Fatalf("%d events: %v (%v)", len(events), err, driver.Classify(err))
	return nil
}

// It is nobody's, and PostHog refuses a batch for an event that names no one.
func TestAnEventWithoutAMachineIDIsStoredWithTheOthers(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{}
	events := eventsAt(time.Now(), 16)
	events[5].MachineID = ""
	if lost := sendInHalves(t, open(t, s, serve(t, s)), events); len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
	if rows, requests := len(s.Rows()), len(s.Requests()); rows != 16 || requests != 1 {
		t.Errorf("%d rows after %d requests, want 16 after 1", rows, requests)
	}
}

func TestAPoisonedEventCostsItselfAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		poison   func(*driver.Event)
		requests int // one at each step down, or one less at the end where the backend sees it itself
	}{
		"refused by the intake":         {func(e *driver.Event) { e.Type = "poison" }, 9},
		"a machine ID that is a blank":  {func(e *driver.Event) { e.MachineID = " " }, 9},
		"with an ID that PostHog fails": {func(e *driver.Event) { e.ID = "01890a5d-ac96-774b-bcce-zzzzzzzzzzzz" }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &posthogstore.Store{Poison: func(event string) bool { return event == "poison" }}
			events := eventsAt(time.Now(), 16)
			tt.poison(&events[5])
			lost := sendInHalves(t, open(t, s, serve(t, s)), events)
			if !slices.Equal(lost, []string{events[5].ID}) {
				t.Errorf("lost %v", lost)
			}
			if inserted, rows := len(s.Inserted()), len(s.Rows()); inserted != 15 || rows != 15 {
				t.Errorf("%d rows of %d insertions, want 15 of 15", rows, inserted)
			}
			if got := len(s.Requests()); got != tt.requests {
				t.Errorf("%d requests, want %d", got, tt.requests)
			}
		})
	}
}

func TestWhatIsNotStoredIsNotAccepted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		behaviour posthogstore.Behaviour
		class     driver.Class
		wait      time.Duration
	}{
		"quota":                    {posthogstore.QuotaLimited, driver.ClassThrottled, time.Hour},
		"captive portal":           {posthogstore.Portal, driver.ClassUnknown, 0},
		"another site":             {posthogstore.Say(200, `{"message":"hello"}`), driver.ClassUnknown, 0},
		"a status that is not Ok":  {posthogstore.Say(200, `{"status":"error"}`), driver.ClassUnknown, 0},
		"a proxy without a body":   {posthogstore.Say(200, ""), driver.ClassUnknown, 0},
		"redirect 302":             {posthogstore.Redirect(302), driver.ClassUnknown, 0},
		"redirect 307":             {posthogstore.Redirect(307), driver.ClassUnknown, 0},
		"redirect 308":             {posthogstore.Redirect(308), driver.ClassUnknown, 0},
		"429 with a wait":          {posthogstore.Refuse(429, "120"), driver.ClassThrottled, 2 * time.Minute},
		"429":                      {posthogstore.Refuse(429, ""), driver.ClassUnknown, 0},
		"503 with a wait":          {posthogstore.Refuse(503, "7"), driver.ClassThrottled, 7 * time.Second},
		"503":                      {posthogstore.Refuse(503, ""), driver.ClassUnknown, 0},
		"a request that gets lost": {posthogstore.LoseRequest, driver.ClassUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &posthogstore.Store{}
			backend := open(t, s, serve(t, s))
			events := eventsAt(time.Now(), 30)
			s.Then(tt.behaviour)
			err := backend.Send(t.Context(), events)
			if driver.Classify(err) != tt.class || driver.Wait(err) != tt.wait {
				t.Errorf("%v: %v, wait %v; want %v, %v", err, driver.Classify(err), driver.Wait(err), tt.class, tt.wait)
			}
			if inserted := len(s.Inserted()); inserted != 0 {
				t.Fatalf("%d events were stored", inserted)
			}
			if err := backend.Send(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			requests := s.Requests()
			if len(requests) != 2 || requests[0].Path != "/batch/" || requests[1].Path != "/batch/" || len(s.Rows()) != 30 || len(s.Inserted()) != 30 {
				t.Errorf("%d requests, %d rows of %d insertions", len(requests), len(s.Rows()), len(s.Inserted()))
			}
		})
	}
}

// receive ends a test that would wait for ever. Nothing is measured against it.
func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func TestAnIntakeThatHangsIsLeftWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{}
	backend := open(t, s, serve(t, s))
	arrived := make(chan struct{})
	s.Then(posthogstore.Hang(arrived))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- backend.Send(ctx, eventsAt(time.Now(), 3)) }()
	receive(t, "the request", arrived)
	cancel()
	if err := receive(t, "the end of Send", sent); driver.Classify(err) != driver.ClassUnknown {
		t.Errorf("%v: %v", err, driver.Classify(err))
	}
	if inserted := len(s.Inserted()); inserted != 0 {
		t.Errorf("%d events were stored", inserted)
	}
	if err := backend.Send(t.Context(), eventsAt(time.Now(), 3)); err != nil || len(s.Rows()) != 3 {
		t.Errorf("afterwards: %v, %d rows", err, len(s.Rows()))
	}
}

// The intake knows keys only by their form. What it takes for malformed is no fault of
// the events.
func TestTheLongestKeyThatWeTakeIsTheLongestThatTheIntakeTakes(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{}
	server := serve(t, s)
	b, err := posthog.NewBackend("phc_"+strings.Repeat("a", 60), posthog.WithEndpoint(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Send(t.Context(), eventsAt(time.Now(), 3)); err != nil || len(s.Rows()) != 3 {
		t.Errorf("with 64 characters: %v, %d rows", err, len(s.Rows()))
	}
	var mistake *driver.ConfigError
	if _, err := posthog.NewBackend("phc_"+strings.Repeat("a", 61), posthog.WithEndpoint(server.URL)); !errors.As(err, &mistake) {
		t.Errorf("with 65 characters: %v, want a mistake in the declaration: the intake would answer 401 for ever", err)
	}
}

func TestTheLargestBatchIsStoredWhole(t *testing.T) {
	t.Parallel()
	limits := posthog.Driver().Limits
	s := &posthogstore.Store{}
	backend := open(t, s, serve(t, s))
	events := eventsAt(time.Now(), limits.Events)
	size := 0
	for i := range events {
		missing := limits.Bytes/limits.Events - len(events[i].AppendJSON(nil))
		events[i].Metadata["x"] = strings.Repeat("x", missing-len(`,"x":""`))
		size += len(events[i].AppendJSON(nil))
	}
	if size > limits.Bytes || size < limits.Bytes-10*limits.Events {
		t.Fatalf("a batch of %d bytes", size)
	}
	if err := backend.Send(t.Context(), events); err != nil || len(s.Requests()) != 1 || len(s.Rows()) != limits.Events {
		t.Errorf("%v, %d rows in %d requests", err, len(s.Rows()), len(s.Requests()))
	}
	one := eventsAt(time.Now(), 1)
	one[0].ID = "01890a5d-ac96-774b-bcce-ffffffffffff"
	one[0].Error = ""
	one[0].Error = strings.Repeat("\x01", (limits.EventBytes-len(one[0].AppendJSON(nil))-len(`,"error":""`))/6)
	if err := backend.Send(t.Context(), one); err != nil || len(s.Rows()) != limits.Events+1 {
		t.Errorf("an event of %d bytes: %v, %d rows", len(one[0].AppendJSON(nil)), err, len(s.Rows()))
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{}
	events := eventsAt(time.Now(), 1)
	events[0].DurationMS, events[0].ExitCode, events[0].Truncated = new(int64(math.MaxInt64)), new(-1), 1<<53+1
	if err := open(t, s, serve(t, s)).Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	p := s.Rows()[0].Properties
	got := []any{p["duration_ms"], p["exit_code"], p["truncated"]}
	if want := []any{json.Number("9223372036854775807"), json.Number("-1"), json.Number("9007199254740993")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

var _ http.RoundTripper = (*posthogstore.Store)(nil)
