package gotoolbase_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/contrib/gotoolbase"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	deletionhttp "github.com/gotoolbase/telemetry/deletion/httpjson"
)

// toolEnv holds the folder, the endpoint and the edition for which the test's own binary is a tool
// that tracks two events and flushes.
const toolEnv = "GOTOOLBASE_TEST_TOOL"

func TestMain(m *testing.M) {
	if args, is := os.LookupEnv(toolEnv); is {
		parts := strings.Split(args, "|")
		dir := parts[0]
		c := &collector{backend: gotoolbase.NewBackend[Event](options(dir, parts[1])), dir: dir, buffer: tracked()}
		c.buffer[0].Metadata["edition"] = parts[2]
		if err := c.Flush(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// machineID is one of go-tool-base's.
const machineID = "00c0ffee00c0ffee"

func tracked() []Event {
	at := time.Date(2026, 11, 22, 20, 15, 0, 123456789, time.UTC)
	return []Event{{
		Timestamp: at, Type: EventCommandInvocation, Name: "remote add", MachineID: machineID, ToolName: "mytool", Version: "1.2.3",
		OS: "linux", Arch: "amd64", GoVersion: "go1.26", OSVersion: "6.8.0-canary-kernel", Args: []string{"add", "<origin>"},
		Error: "no such remote", Metadata: map[string]string{"edition": "oss"},
	}, {
		Timestamp: at.Add(time.Second), Type: EventFeatureUsed, Name: "cache", MachineID: machineID, ToolName: "mytool", Version: "1.2.3",
		OS: "linux", Arch: "amd64", GoVersion: "go1.26",
	}}
}

func options(dir, endpoint string) gotoolbase.Options {
	return gotoolbase.Options{
		Driver: httpjson.Driver(), Settings: map[string]string{"endpoint": endpoint}, Tool: "mytool", Version: "1.2.3", Dir: dir,
		Timeout: time.Hour, // the machine may be as slow as it likes
	}
}

// intake is a vendor on loopback.
type intake struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
	// answer may be changed while it serves.
	answer func(w http.ResponseWriter, body []byte)
}

func newIntake(t *testing.T, answer func(http.ResponseWriter, []byte)) *intake {
	in := &intake{answer: answer}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var reader io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			reader = unpacked
		}
		body, err := io.ReadAll(reader)
		if err != nil {
			t.Error(err)
		}
		in.mu.Lock()
		in.bodies = append(in.bodies, body)
		answer := in.answer
		in.mu.Unlock()
		answer(w, body)
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *intake) answers(answer func(http.ResponseWriter, []byte)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answer = answer
}

// requests returns the events of each request.
func (in *intake) requests(t *testing.T) (requests [][]driver.Event) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, body := range in.bodies {
		var events []driver.Event
		if err := json.Unmarshal(body, &events); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		requests = append(requests, events)
	}
	return requests
}

func status(code int) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, _ []byte) { w.WriteHeader(code) }
}

func ids(events []driver.Event) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func wantWaiting(t *testing.T, dir string, want int) {
	t.Helper()
	if files := spillFiles(dir); len(files) != want {
		t.Errorf("%d files wait, want %d", len(files), want)
	}
}

func TestAnEventArrivesNameByName(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	dir := t.TempDir()
	if err := gotoolbase.NewBackend[Event](options(dir, in.URL)).Send(t.Context(), tracked()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 0)
	got := in.requests(t)[0]
	zero, none := int64(0), 0
	for i := range got {
		if got[i].ID == "" {
			t.Errorf("event %d has no ID", i)
		}
		got[i].ID = ""
	}
	pseudonym := gotoolbase.MachineID("mytool", machineID)
	at := time.Date(2026, 11, 22, 20, 15, 0, 123000000, time.UTC)
	want := []driver.Event{{
		Type: "command.invocation", Name: "remote add", Time: at, DurationMS: &zero, ExitCode: &none, Args: []string{"add", "<origin>"},
		Error: "no such remote", Tool: "mytool", Version: "1.2.3", OS: "linux", Arch: "amd64", GoVersion: "go1.26",
		MachineID: pseudonym, Metadata: map[string]string{"edition": "oss"},
	}, {
		Type: "feature.used", Name: "cache", Time: at.Add(time.Second), Tool: "mytool", Version: "1.2.3", OS: "linux", Arch: "amd64",
		GoVersion: "go1.26", MachineID: pseudonym,
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// A field that go-tool-base gains has to be given a place, or be left out on purpose.
func TestEachFieldIsMappedOrLeftOutOnPurpose(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	b := gotoolbase.NewBackend[Event](options(t.TempDir(), in.URL))
	fields := reflect.TypeFor[Event]()
	for i := range fields.NumField() {
		e := Event{ToolName: "mytool"}
		const canary = "canary-5d41"
		switch f := reflect.ValueOf(&e).Elem().Field(i); f.Interface().(type) {
		case string, EventType:
			if fields.Field(i).Name == "ToolName" {
				continue
			}
			f.SetString(canary)
		case int, int64:
			f.SetInt(74123)
		case []string:
			f.Set(reflect.ValueOf([]string{canary}))
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{"key": canary}))
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)))
		default:
			t.Fatalf("no value for %s", fields.Field(i).Name)
		}
		if err := b.Send(t.Context(), []Event{e}); err != nil {
			t.Fatal(err)
		}
		in.mu.Lock()
		body := string(in.bodies[len(in.bodies)-1])
		in.mu.Unlock()
		want := map[string]bool{"OSVersion": false, "MachineID": false}
		arrived := strings.Contains(body, canary) || strings.Contains(body, "74123") || strings.Contains(body, "2031-01-02")
		if wanted, named := want[fields.Field(i).Name]; arrived != (wanted || !named) {
			t.Errorf("%s: arrived is %t, in %s", fields.Field(i).Name, arrived, body)
		}
	}
}

func TestNothingOfTheMachineGoesOutThatTheEventDoesNotSay(t *testing.T) {
	t.Parallel()
	var heads bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.Write(&heads); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "canary-home")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	o := options(dir, server.URL)
	o.Settings["compression"] = "none"
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), tracked()); err != nil {
		t.Fatal(err)
	}
	server.Close()
	for _, canary := range []string{"canary-home", "canary-kernel", machineID} {
		if strings.Contains(heads.String(), canary) {
			t.Errorf("%s went out: %s", canary, heads.String())
		}
	}
}

func TestABatchThatFailsIsSentByTheNextCommandWithTheSameIDs(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(503))
	dir := t.TempDir()
	first := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir, buffer: tracked()}
	if err := first.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 1)
	// The file stays while the vendor is away, and is no second one.
	second := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir}
	if err := second.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 1)
	in.answers(status(200))
	third := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir}
	if err := third.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 0)
	requests := in.requests(t)
	if len(requests) != 3 {
		t.Fatalf("%d requests, want 3", len(requests))
	}
	for _, again := range requests[1:] {
		if !reflect.DeepEqual(again, requests[0]) {
			t.Errorf("got %+v, want what came first: %+v", again, requests[0])
		}
	}
}

func tool(dir, endpoint, edition string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), toolEnv+"="+dir+"|"+endpoint+"|"+edition)
	return cmd
}

func TestProcessesThatShareAFolderLoseNothing(t *testing.T) {
	t.Parallel()
	var accepted sync.Map // editions
	accept := func(_ http.ResponseWriter, body []byte) {
		var events []driver.Event
		if err := json.Unmarshal(body, &events); err != nil {
			t.Error(err)
		}
		accepted.Store(events[0].Metadata["edition"], true)
	}
	var requests atomic.Int64
	in := newIntake(t, func(w http.ResponseWriter, body []byte) {
		if requests.Add(1)%2 == 1 {
			w.WriteHeader(503)
			return
		}
		accept(w, body)
	})
	dir := t.TempDir()
	const processes = 8
	var running sync.WaitGroup
	for i := range processes {
		running.Go(func() {
			// An attempt that fails is no error: what it was for waits.
			if out, err := tool(dir, in.URL, fmt.Sprint(i)).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	running.Wait()
	in.answers(accept)
	c := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 0)
	for i := range processes {
		if _, arrived := accepted.Load(fmt.Sprint(i)); !arrived {
			t.Errorf("the events of process %d did not arrive", i)
		}
	}
}

func TestAKilledToolLosesNothing(t *testing.T) {
	t.Parallel()
	arrived, killed := make(chan struct{}), make(chan struct{})
	in := newIntake(t, func(http.ResponseWriter, []byte) { close(arrived); <-killed })
	dir := t.TempDir()
	cmd := tool(dir, in.URL, "oss")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	close(killed)
	wantWaiting(t, dir, 1)
	in.answers(status(200))
	again := tool(dir, in.URL, "oss")
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantWaiting(t, dir, 0)
	requests := in.requests(t)
	if len(requests) < 2 || !reflect.DeepEqual(ids(requests[0]), ids(requests[1])) {
		t.Errorf("got %+v, want the first batch again", requests)
	}
}

func TestASpillFileOfGoToolBaseIsSentAndGone(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	dir := t.TempDir()
	data, err := json.Marshal(tracked())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "telemetry-spill-1795378500000000000-0.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	in.answers(status(503))
	c := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 1)
	in.answers(status(200))
	c.backend = gotoolbase.NewBackend[Event](options(dir, in.URL))
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 0)
	if requests := in.requests(t); len(requests) != 2 || !reflect.DeepEqual(requests[0], requests[1]) {
		t.Errorf("got %+v, want the same batch twice", requests)
	}
}

func TestACommandWaitsForOneAttemptHoweverManyFilesWait(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(503))
	dir := t.TempDir()
	for _, e := range tracked() {
		c := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir}
		if err := c.backend.Send(t.Context(), []Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	wantWaiting(t, dir, 2)
	before := len(in.requests(t))
	e := tracked()[0]
	e.Name = "later"
	c := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir, buffer: []Event{e}}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 3)
	if made := len(in.requests(t)) - before; made != 1 {
		t.Errorf("%d requests, want 1", made)
	}
}

func TestOnlyTheNewestBatchesWait(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(503))
	dir := t.TempDir()
	b := gotoolbase.NewBackend[Event](options(dir, in.URL))
	for i := range 60 {
		e := tracked()[0]
		e.Name = fmt.Sprintf("command-%02d", i)
		if err := b.Send(t.Context(), []Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	wantWaiting(t, dir, 50)
	oldest, err := os.ReadFile(spillFiles(dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(oldest), "command-10") {
		t.Errorf("the oldest is %s, want command-10", oldest)
	}
}

func TestAFolderThatCannotBeWrittenStopsNoEvent(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	o := options(filepath.Join(t.TempDir(), "canary-missing"), in.URL)
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), tracked()); err != nil {
		t.Error(err)
	}
	in.answers(status(503))
	err := gotoolbase.NewBackend[Event](o).Send(t.Context(), tracked())
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v, want an error without the folder", err)
	}
}

func TestANoErasesWhatWaits(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(503))
	dir := t.TempDir()
	c := &collector{backend: gotoolbase.NewBackend[Event](options(dir, in.URL)), dir: dir, buffer: tracked()}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Drop() // which `telemetry disable` calls
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, and %v", left, err)
	}
}

func TestWhatMayBeSentOnceIsNotKept(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(503))
	dir := t.TempDir()
	o := options(dir, in.URL)
	o.AtMostOnce = true
	c := &collector{backend: gotoolbase.NewBackend[Event](o), dir: dir, atMostOnce: true, buffer: tracked()}
	if err := c.Flush(t.Context()); err == nil {
		t.Error("no error of a batch that is lost")
	}
	wantWaiting(t, dir, 0)
}

func TestWhatStaysLocalIsLoggedAndNotSent(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	dir := t.TempDir()
	o := options(dir, in.URL)
	o.LocalOnly = true
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), tracked()); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "telemetry.log"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(log), "\n"); lines != 2 {
		t.Errorf("%d lines, want 2: %s", lines, log)
	}
	if n := len(in.requests(t)); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
	wantWaiting(t, dir, 0)
}

func TestEventsOfAnotherToolAreLeftToIt(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	dir := t.TempDir()
	events := tracked()
	events[1].ToolName = "canary-tool"
	err := gotoolbase.NewBackend[Event](options(dir, in.URL)).Send(t.Context(), events)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v, want an error without content", err)
	}
	if n := len(in.requests(t)); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

func TestARefusedEventIsToldAndTheOthersArrive(t *testing.T) {
	t.Parallel()
	in := newIntake(t, func(w http.ResponseWriter, body []byte) {
		var events []driver.Event
		if err := json.Unmarshal(body, &events); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string][]string{"rejected": {events[0].ID}}); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	refused := 0
	o := options(dir, in.URL)
	o.Refused = func(n int, _ error) { refused += n }
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), tracked()); err != nil {
		t.Fatal(err)
	}
	if refused != 1 {
		t.Errorf("%d events told as refused, want 1", refused)
	}
	wantWaiting(t, dir, 0)
}

func TestABatchThatIsTooLargeComesInHalvesAndWhatIsLeftWaits(t *testing.T) {
	t.Parallel()
	in := newIntake(t, func(w http.ResponseWriter, body []byte) {
		switch {
		case bytes.Contains(body, []byte("remote add")) && bytes.Contains(body, []byte("cache")):
			w.WriteHeader(413)
		case bytes.Contains(body, []byte("cache")):
			w.WriteHeader(503)
		}
	})
	dir := t.TempDir()
	if err := gotoolbase.NewBackend[Event](options(dir, in.URL)).Send(t.Context(), tracked()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, dir, 1)
	kept, err := os.ReadFile(spillFiles(dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(kept), "remote add") || !strings.Contains(string(kept), "cache") {
		t.Errorf("%s waits, want the event that did not arrive alone", kept)
	}
}

func TestBatchesKeepToTheDriversLimits(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	o := options(t.TempDir(), in.URL)
	var events []Event
	for range 2*o.Driver.Limits.Events + 1 {
		events = append(events, tracked()[1])
	}
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, request := range in.requests(t) {
		if len(request) > o.Driver.Limits.Events {
			t.Errorf("%d events in a batch", len(request))
		}
		for _, id := range ids(request) {
			seen[id] = true
		}
	}
	if len(seen) != len(events) {
		t.Errorf("%d IDs of %d equal events", len(seen), len(events))
	}
}

func TestAnEventThatIsTooLargeIsRefusedAndTheOthersArrive(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(200))
	refused := 0
	o := options(t.TempDir(), in.URL)
	o.Refused = func(n int, _ error) { refused += n }
	events := append(tracked(), tracked()[0])
	events[1].Error = strings.Repeat("x", o.Driver.Limits.EventBytes)
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	arrived := 0
	for _, request := range in.requests(t) {
		arrived += len(request)
	}
	if refused != 1 || arrived != 2 {
		t.Errorf("%d refused and %d arrived, want 1 and 2", refused, arrived)
	}
	wantWaiting(t, o.Dir, 0)
}

// attempts is a driver that counts them and fails with err.
func attempts(n *int, err error) driver.Driver {
	return driver.Driver{Name: "attempts", Open: func(driver.Config) (driver.Backend, error) { return failing{n, err}, nil }}
}

type failing struct {
	n   *int
	err error
}

func (f failing) Send(context.Context, []driver.Event) error { *f.n++; return f.err }
func (f failing) Close() error                               { return nil }

func TestAServiceTriesAgainWhenTheWaitIsOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		wait time.Duration
	}{
		"a failure":            {errors.New("away"), time.Minute},
		"a wait":               {driver.Throttled(errors.New("busy"), 5*time.Minute), 5 * time.Minute},
		"a wait without limit": {driver.Throttled(errors.New("busy"), 1000*time.Hour), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				made := 0
				o := options(dir, "")
				o.Driver, o.Settings = attempts(&made, test.err), nil
				b := gotoolbase.NewBackend[Event](o)
				send := func(want int) {
					t.Helper()
					_ = b.Send(t.Context(), tracked()) // the first is kept, the others are there already
					if made != want {
						t.Errorf("%d attempts, want %d", made, want)
					}
				}
				send(1)
				time.Sleep(test.wait - time.Nanosecond)
				send(1)
				time.Sleep(time.Nanosecond)
				send(2)
			})
		})
	}
}

func TestAVendorsDriverStandsBehindIt(t *testing.T) {
	t.Parallel()
	in := newIntake(t, func(w http.ResponseWriter, _ []byte) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"success": true}`)
	})
	o := options(t.TempDir(), in.URL)
	o.Driver, o.Settings = segment.Driver(), map[string]string{"write_key": "key", "endpoint": in.URL}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), tracked()); err != nil {
		t.Fatal(err)
	}
	wantWaiting(t, o.Dir, 0)
	if body := string(in.bodies[0]); !strings.Contains(body, `"version":"1.2.3"`) || !strings.Contains(body, gotoolbase.MachineID("mytool", machineID)) {
		t.Errorf("Segment got %s", body)
	}
}

func TestAMistakeIsTheErrorOfEachSendAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	good := options(t.TempDir(), "https://telemetry.example.com")
	for field, spoil := range map[string]func(*gotoolbase.Options){
		"Options.Tool":                 func(o *gotoolbase.Options) { o.Tool = "" },
		"Options.Dir":                  func(o *gotoolbase.Options) { o.Dir = "" },
		"Options.Driver":               func(o *gotoolbase.Options) { o.Driver = driver.Driver{} },
		"Telemetry.Settings[endpoint]": func(o *gotoolbase.Options) { o.Settings = nil },
	} {
		o := good
		spoil(&o)
		b := gotoolbase.NewBackend[Event](o)
		for _, err := range []error{o.Check(), b.Send(t.Context(), tracked())} {
			if mistake, ok := errors.AsType[*driver.ConfigError](err); !ok || mistake.Field != field {
				t.Errorf("got %v, want a mistake in %s", err, field)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	wantWaiting(t, good.Dir, 0)
}

func TestAToolsMachineIDIsItsOwn(t *testing.T) {
	t.Parallel()
	if gotoolbase.MachineID("mytool", machineID) == gotoolbase.MachineID("another", machineID) {
		t.Error("two tools share a machine ID")
	}
}

func TestADeletionIsProvedAndNamesWhatWasSent(t *testing.T) {
	t.Parallel()
	in := newIntake(t, status(503))
	dir := t.TempDir()
	o := options(dir, in.URL)
	if err := gotoolbase.NewBackend[Event](o).Send(t.Context(), tracked()); err != nil {
		t.Fatal(err)
	}
	sent := in.requests(t)[0][0].MachineID
	in.answers(func(w http.ResponseWriter, body []byte) {
		var request struct {
			MachineID   string `json:"machine_id"`
			DeletionKey string `json:"deletion_key"`
			Tool        string
		}
		if err := json.Unmarshal(body, &request); err != nil {
			t.Error(err)
		}
		if request.MachineID != sent || request.Tool != "mytool" || !deletion.Proves(request.DeletionKey, sent) {
			t.Errorf("got %s, want a proof for %s", body, sent)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"state": "acknowledged"}`)
	})
	var r DeletionRequestor = gotoolbase.NewRequestor(o, deletionhttp.Requestor{Endpoint: in.URL})
	if err := r.RequestDeletion(t.Context(), machineID); err != nil {
		t.Error(err)
	}
	wantWaiting(t, dir, 0)
}

func TestADeletionThatNobodyTookIsAnErrorWithoutTheKey(t *testing.T) {
	t.Parallel()
	var key string
	receipts := map[string]func(deletion.Request) (deletion.Receipt, error){
		"a failure": func(deletion.Request) (deletion.Receipt, error) { return deletion.Receipt{}, errors.New("away") },
		"a refusal": func(deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{State: deletion.Refused, Detail: "no"}, nil
		},
		"a mail": func(r deletion.Request) (deletion.Receipt, error) {
			key = r.DeletionKey
			return deletion.Email{To: "privacy@example.com"}.RequestDeletion(t.Context(), r)
		},
	}
	for name, answer := range receipts {
		var finish deletion.Receipt
		o := options(t.TempDir(), "")
		o.Finish = func(r deletion.Receipt) { finish = r }
		err := gotoolbase.NewRequestor(o, deletion.Func(func(_ context.Context, r deletion.Request) (deletion.Receipt, error) { return answer(r) })).
			RequestDeletion(t.Context(), machineID)
		if err == nil {
			t.Errorf("%s is no error", name)
			continue
		}
		if name == "a mail" && (strings.Contains(err.Error(), key) || !strings.Contains(finish.URL, key)) {
			t.Errorf("the error is %v, the link %q", err, finish.URL)
		}
	}
}
