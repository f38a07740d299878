package core_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/drivernet"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// receiver is how a backend of this module is led to a server.
type receiver struct {
	driver   *driver.Driver // nil for those built in
	backend  string
	settings map[string]string // besides the endpoint
	accepts  func(body []byte) string
	status   int
}

const secretKey = "cnrykey0123456789abcdef0123456789"

// receivers has every folder of backends that leaves the machine: a test holds it to that.
func receivers() map[string]receiver {
	pointer := func(d driver.Driver) *driver.Driver { return &d }
	says := func(text string) func([]byte) string { return func([]byte) string { return text } }
	all := map[string]receiver{
		"httpjson":       {backend: "http", accepts: says(""), status: 202},
		"httpjson plain": {backend: "http", settings: map[string]string{"compression": "none"}, accepts: says(""), status: 202},
		"datadog":        {pointer(datadog.Driver()), "datadog", map[string]string{"api_key": "0123456789abcdef0123456789abcdef"}, says(`{}`), 202},
		"otlp":           {pointer(otlp.Driver()), "otlp", map[string]string{"headers": "api-key=" + secretKey}, says(""), 200},
		"segment":        {pointer(segment.Driver()), "segment", map[string]string{"write_key": secretKey}, says(`{"success":true}`), 200},
		"amplitude": {pointer(amplitude.Driver()), "amplitude", map[string]string{"api_key": secretKey}, func(body []byte) string {
			return fmt.Sprintf(`{"code":200,"events_ingested":%d}`, bytes.Count(body, []byte(`"insert_id"`)))
		}, 200},
	}
	addPostHog(all)
	return all
}

func TestEveryBackendThatLeavesTheMachineIsPreviewed(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir("../backends")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		_, there := receivers()[folder.Name()]
		if out := slices.Contains(notHere, folder.Name()); there == out {
			t.Errorf("backends/%s is not among the receivers of this test", folder.Name())
		}
	}
}

// captured is a request as a server sees it.
type captured struct {
	method, url string
	header      http.Header
	body        []byte
}

// captures is a server that keeps every request, and accepts all but the first failures.
type captures struct {
	*httptest.Server
	receiver receiver
	mu       sync.Mutex
	all      []captured
	failures int
}

func capture(t testing.TB, r receiver) *captures {
	c := &captures{receiver: r}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *captures) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	header := r.Header.Clone()
	header.Set("Host", r.Host)
	c.mu.Lock()
	c.all = append(c.all, captured{r.Method, "http://" + r.Host + r.URL.String(), header, body})
	fails := c.failures > 0
	c.failures--
	c.mu.Unlock()
	if fails {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if c.receiver.backend == "otlp" {
		w.Header().Set("Content-Type", "application/x-protobuf")
	}
	w.WriteHeader(c.receiver.status)
	_, _ = io.WriteString(w, c.receiver.accepts(plainBody(header, body)))
}

func (c *captures) requests() []captured {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

func (r receiver) tool(url string) props.Tool {
	tool := someTool()
	tool.Telemetry.Backend = r.backend
	tool.Telemetry.Settings = map[string]string{"endpoint": url + "/cnrypath"}
	maps.Copy(tool.Telemetry.Settings, r.settings)
	tool.Telemetry.Headers = map[string]string{"X-Proxy-Value": "cnryheader"}
	if r.driver != nil {
		tool.Telemetry.Drivers = []driver.Driver{*r.driver}
	}
	return tool
}

func plainBody(header http.Header, body []byte) []byte {
	if header.Get("Content-Encoding") == "gzip" {
		if r, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(r)
		}
	}
	return body
}

// still puts a word in the place of what is of the moment, in JSON.
func still(body string, momentary []string) string {
	for _, name := range momentary {
		body = regexp.MustCompile(`"`+name+`":("[^"]*"|[0-9]+)`).ReplaceAllString(body, `"`+name+`":"*"`)
	}
	return body
}

func recordCommands(t testing.TB, tool props.Tool, options []core.Option, n int) {
	t.Helper()
	c, err := core.Open(tool, options...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c.TrackCommand("build", int64(i%7), i%2, map[string]string{"format": fmt.Sprint("f", i%5)})
	}
	release(t, c, core.NewManager(tool, options...).Status().StateDir)
}

// release has a collector give back what it holds, without sending it.
func release(t testing.TB, c *core.Collector, dir string) {
	t.Helper()
	name, later := filepath.Join(dir, "next-upload"), time.Now().Add(time.Hour)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), os.Chtimes(name, later, later), c.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}

// snapshot is every file of a directory, with its content, mode and time.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var content []byte
		if !entry.IsDir() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), " ", string(content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatIsPreviewedIsWhatThenGoesOut(t *testing.T) {
	t.Parallel()
	for name, r := range receivers() {
		for _, c := range []struct {
			events           int
			folded, failures bool
		}{{1, false, false}, {3, false, false}, {600, false, false}, {3, true, false}, {600, true, true}, {3, false, true}} {
			t.Run(fmt.Sprintf("%s %d folded %v after a failure %v", name, c.events, c.folded, c.failures), func(t *testing.T) {
				t.Parallel()
				server := capture(t, r)
				tool := r.tool(server.URL)
				tool.Telemetry.Fold = c.folded
				options := enabled(t, tool, map[string]string{})
				recordCommands(t, tool, options, c.events)
				m := core.NewManager(tool, options...)
				if c.failures {
					server.failures = 1
					if _, err := m.Flush(t.Context(), nil); err == nil {
						t.Fatal("the server refused, and the flush does not say so")
					}
				}
				before := len(server.requests())
				dir := m.Status().StateDir
				was := snapshot(t, dir)
				shown, err := m.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				waiting, err := m.Waiting(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if now := snapshot(t, dir); !maps.Equal(was, now) {
					t.Errorf("the state directory has changed:\n%v\n%v", slices.Sorted(maps.Keys(was)), slices.Sorted(maps.Keys(now)))
				}
				if n := len(server.requests()); n != before {
					t.Fatalf("%d requests were made for the preview", n-before)
				}
				if _, err := m.Flush(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				compare(t, shown, server.requests()[before])
				log, err := m.Sent(time.Time{})
				if err != nil || log.Mismatch != nil || len(log.Deliveries) != len(server.requests()) {
					t.Fatalf("%d deliveries are logged of %d: %v, %v", len(log.Deliveries), len(server.requests()), err, log.Mismatch)
				}
				compare(t, log.Deliveries[before].Request, server.requests()[before])
				kept, err := os.ReadFile(filepath.Join(dir, "sent.log"))
				if err != nil || bytes.Contains(kept, []byte(secretKey)) || bytes.Contains(kept, []byte("cnryheader")) {
					t.Errorf("a secret is in the log, or there is none: %v", err)
				}
				if d := log.Deliveries[before]; !d.Answered || d.Class != "accepted" || d.Status != r.status || len(d.Receipts) != 1 {
					t.Errorf("the answer is logged as %+v", d)
				}
				for i, id := range shown.IDs {
					if !slices.ContainsFunc(waiting, func(w core.WaitingEvent) bool { return w.Event.ID == id }) || log.Deliveries[before].IDs[i] != id {
						t.Fatalf("event %d is in the request, and not among those that wait or were sent", i)
					}
				}
				if !c.folded && len(waiting) != c.events || c.folded && len(waiting) > 10 || len(waiting) == 0 {
					t.Errorf("%d events wait of %d", len(waiting), c.events)
				}
			})
		}
	}
}

// compare holds a request that was shown to the one that arrived.
func compare(t *testing.T, shown core.Request, got captured) {
	t.Helper()
	if shown.Method != got.method || !strings.HasPrefix(got.url, strings.SplitAfter(shown.URL, "//")[0]) || len(shown.IDs) == 0 || shown.Events != len(shown.IDs) {
		t.Errorf("%s %s with %d events was shown, and %s %s arrived", shown.Method, shown.URL, shown.Events, got.method, got.url)
	}
	momentary := func(name string) bool { return slices.Contains(shown.Momentary, name) }
	for name := range got.header {
		text := shown.Header.Get(name)
		switch {
		case text == core.Masked || momentary(name):
		case name == "Content-Length" && slices.ContainsFunc(shown.Momentary, func(n string) bool { return strings.Contains(n, "_") }):
			// the length of what was compressed is of the moment too
		case text != got.header.Get(name):
			t.Errorf("header %s: %q was shown, and %q arrived", name, text, got.header.Get(name))
		}
	}
	for name := range shown.Header {
		if got.header.Get(name) == "" && name != "Host" {
			t.Errorf("header %s was shown and did not arrive", name)
		}
	}
	plain := string(plainBody(got.header, got.body))
	for _, name := range shown.Momentary {
		if shown.OfSending == 0 && got.header.Get(name) == "" && !strings.Contains(plain, strconv.Quote(name)) {
			t.Errorf("%s is said to be of the moment of sending, and is not in the request", name)
		}
	}
	moment := still(plain, shown.Momentary) != plain
	sum := sha256.Sum256(got.body)
	if same := shown.Digest == hex.EncodeToString(sum[:]) && shown.Size == len(got.body); !same && !moment {
		t.Error("other bytes arrived than were shown")
	}
	if !shown.BodyMasked && !moment && shown.NotKept == "" && !bytes.Equal(shown.Body, got.body) {
		t.Error("the body is not the one on the wire")
	}
	if shown.NotKept != "" {
		return
	}
	text, err := shown.Readable()
	if err != nil {
		t.Fatal(err)
	}
	if shown.Header.Get("Content-Type") == "application/x-protobuf" {
		plain, err = otlp.Driver().Readable([]byte(plain))
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := strings.ReplaceAll(plain, "phc_"+secretKey, core.Masked); still(text, shown.Momentary) != strings.ReplaceAll(still(want, shown.Momentary), secretKey, core.Masked) {
		t.Errorf("the body reads\n%.300s\nand arrived as\n%.300s", text, want)
	}
	everything := shown.URL + fmt.Sprint(shown.Header) + text + string(shown.Body)
	for _, secret := range []string{secretKey, "cnryheader", "cnrypath", "0123456789abcdef0123456789abcdef"} {
		if strings.Contains(everything, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}

func TestAPreviewTellsWhichTimesAreThoseOfSending(t *testing.T) {
	t.Parallel()
	for name, r := range receivers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := &clock{now: time.Now()}
			server := capture(t, r)
			tool := r.tool(server.URL)
			options := append(enabled(t, tool, nil), core.WithClock(now.Now))
			recordCommands(t, tool, options, 1)
			now.add(time.Hour)
			recordCommands(t, tool, options, 2)
			now.add(-30 * time.Minute) // of which the clock has become aware
			m := core.NewManager(tool, options...)
			look := func(want int) core.Request {
				shown, err := m.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				waiting, err := m.Waiting(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ahead := 0
				for _, w := range waiting {
					if w.OfSending {
						ahead++
					}
				}
				if named := slices.Contains(shown.Momentary, "timestamp"); shown.OfSending != want || ahead != want || want > 0 && !named {
					t.Errorf("%d of the request and %d of those that wait go out with the time of sending, want %d; of the moment are %v",
						shown.OfSending, ahead, want, shown.Momentary)
				}
				return shown
			}
			shown := look(2)
			now.add(time.Second)
			server.failures = 1
			if _, err := m.Flush(t.Context(), nil); err == nil {
				t.Fatal("the server refused, and the flush does not say so")
			}
			got := server.requests()[0]
			text, err := shown.Readable()
			plain := string(plainBody(got.header, got.body))
			if r.driver == nil && (err != nil || text == plain || still(text, shown.Momentary) != still(plain, shown.Momentary)) {
				t.Errorf("shown was\n%s\nand\n%s\narrived, %v", text, plain, err)
			}
			// From the first attempt on, an event has the time of that.
			now.add(time.Second)
			shown = look(0)
			now.add(time.Second)
			if _, err := m.Flush(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			compare(t, shown, server.requests()[1])
		})
	}
}

func TestALookThatIsHeldUpIsNoBatchOnItsWay(t *testing.T) {
	t.Parallel()
	for _, looking := range []bool{false, true} {
		t.Run(fmt.Sprint(looking), func(t *testing.T) {
			t.Parallel()
			s := newSending(t)
			s.send()
			release, err := delivery.Pause(t.Context(), state.At(s.dir), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			scratch := filepath.Join(s.dir, ".preview-1.tmp")
			if err := os.Mkdir(scratch, 0o700); err != nil {
				t.Fatal(err)
			}
			if looking {
				if err := os.WriteFile(filepath.Join(scratch, "copying"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if report, err := s.m.Disable(t.Context()); err != nil || report.Sending == looking {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

func TestACopyThatALookLeftBehindGoesWithTheNextLook(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.send()
	left := filepath.Join(s.dir, ".preview-1.tmp")
	old := time.Now().Add(-2 * time.Minute)
	if err := errors.Join(os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, "identity"), nil, 0o600), os.Chtimes(left, old, old)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.m.Waiting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

func TestWhyNothingWouldBeSentIsSaid(t *testing.T) {
	t.Parallel()
	server := capture(t, receivers()["httpjson"])
	tool := receivers()["httpjson"].tool(server.URL)
	next := func(options []core.Option) error {
		_, err := core.NewManager(tool, options...).Next(t.Context())
		var unsent *core.UnsentError
		if !errors.As(err, &unsent) {
			t.Errorf("%v is no UnsentError", err)
		}
		return err
	}
	empty := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "t")), environment(map[string]string{})}
	if err := next(empty); !errors.Is(err, core.ErrUndecided) {
		t.Errorf("undecided: %v", err)
	}
	options := enabled(t, tool, map[string]string{})
	if err := next(options); !errors.Is(err, core.ErrNothingWaits) {
		t.Errorf("nothing waits: %v", err)
	}
	c, err := core.Open(tool, options...)
	if err != nil {
		t.Fatal(err)
	}
	c.Track("own", "event", nil)
	if err := next(options); !errors.Is(err, core.ErrHeld) {
		t.Errorf("held by a command: %v", err)
	}
	waiting, err := core.NewManager(tool, options...).Waiting(t.Context())
	if err != nil || len(waiting) != 1 || !waiting[0].Held || waiting[0].Event.MachineID == "" || waiting[0].Event.ConsentID == "" {
		t.Errorf("held by a command: %+v, %v", waiting, err)
	}
	release(t, c, core.NewManager(tool, options...).Status().StateDir)
	if err := next(append(slices.Clone(options), environment(map[string]string{"TELEMETRY_LOCAL": "1"}))); !errors.Is(err, core.ErrLocal) {
		t.Errorf("local only: %v", err)
	}
	if err := next(append(slices.Clone(options), environment(map[string]string{"DO_NOT_TRACK": "1"}))); !errors.Is(err, core.ErrOff) {
		t.Errorf("off: %v", err)
	}
	waiting, err = core.NewManager(tool, append(slices.Clone(options), environment(map[string]string{"DO_NOT_TRACK": "1"}))...).Waiting(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].Keep != core.ErrOff.Error() {
		t.Errorf("off: %+v, %v", waiting, err)
	}
	other := tool
	other.Telemetry.Settings = map[string]string{"endpoint": "http://127.0.0.2:1/other"}
	waiting, err = core.NewManager(other, options...).Waiting(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].Keep == "" || !strings.HasPrefix(waiting[0].Receiver, "http (127.0.0.1") {
		t.Errorf("for another receiver: %+v, %v", waiting, err)
	}
	if _, err := core.NewManager(other, options...).Next(t.Context()); !errors.Is(err, core.ErrKept) {
		t.Errorf("for another receiver: %v", err)
	}
	if n := len(server.requests()); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestAWaitThatTheServerAskedForIsSaid(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	in.answer = func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	tool := toolFor(in.URL)
	options := enabled(t, tool, map[string]string{})
	recordCommands(t, tool, options, 1)
	m := core.NewManager(tool, options...)
	_, _ = m.Flush(t.Context(), nil)
	_, err := m.Next(t.Context())
	var unsent *core.UnsentError
	if !errors.As(err, &unsent) || !errors.Is(err, core.ErrWait) || time.Until(unsent.Until) < 50*time.Minute {
		t.Errorf("%v", err)
	}
	waiting, err := m.Waiting(t.Context())
	if err != nil || len(waiting) != 1 || !waiting[0].Until.Equal(unsent.Until) {
		t.Errorf("%+v, %v", waiting, err)
	}
}

func TestWhatIsTooOldIsSaidToBeDropped(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, map[string]string{}), core.WithClock(now.Now))
	m := core.NewManager(tool, options...)
	recordCommands(t, tool, options, 2)
	now.add(31 * 24 * time.Hour)
	s := m.Status()
	if s.Queue.Events != 2 || !slices.Equal(s.Held, []core.Held{{Why: core.HeldExpired, Events: 2}}) {
		t.Errorf("%d events wait, held %+v", s.Queue.Events, s.Held)
	}
	waiting, err := m.Waiting(t.Context())
	if err != nil || len(waiting) != 2 || !waiting[0].Gone || waiting[0].Keep != "expired" || waiting[0].Event.ConsentID == "" {
		t.Errorf("%+v, %v", waiting, err)
	}
	if _, err := m.Next(t.Context()); !errors.Is(err, core.ErrKept) || !strings.Contains(err.Error(), "too old") {
		t.Errorf("%v", err)
	}
	if r, err := m.Flush(t.Context(), nil); err != nil || r.LostBy["expired"] != 2 || r.Sent != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWhatWouldStayOnThisMachineIsShownAndNotWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log", "events.ndjson")
	ran := false
	stranger := driver.Driver{Name: "stranger", Local: true, Open: func(driver.Config) (driver.Backend, error) {
		ran = true
		return nil, errors.New("it was opened")
	}}
	for _, name := range []string{"stdout", "stranger", "file"} { // the last one is then written
		var settings map[string]string
		if name == "file" {
			settings = map[string]string{"path": path}
		}
		tool := someTool()
		tool.Telemetry.Backend, tool.Telemetry.Settings, tool.Telemetry.Drivers = name, settings, []driver.Driver{stranger}
		var printed bytes.Buffer
		options := append(enabled(t, tool, map[string]string{}), core.WithStdout(&printed))
		m := core.NewManager(tool, options...)
		c, err := core.Open(tool, options...)
		if err != nil {
			t.Fatal(err)
		}
		c.Track("own", "first", nil)
		c.Track("own", "second", nil)
		leave(t, c, m.Status().StateDir)
		r, err := m.Next(t.Context())
		if err != nil || !r.Local || r.Events != 2 || !strings.Contains(string(r.Body), r.IDs[1]) || (r.NotKept == "") == (name == "stranger") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := os.Lstat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) || printed.Len() > 0 || ran {
			t.Fatalf("%s: something was written or run: %v, %q, %v", name, err, printed.String(), ran)
		}
		if name == "stranger" {
			continue
		}
		if _, err := m.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		got := printed.Bytes()
		if name == "file" {
			got, _ = os.ReadFile(path)
		}
		if !bytes.Equal(got, r.Body) {
			t.Errorf("%s: %q was shown and %q written", name, r.Body, got)
		}
	}
}

// leave leaves the one slot of a collector as a process does that is killed.
func leave(t *testing.T, c *core.Collector, dir string) {
	t.Helper()
	slot := filepath.Join(dir, "queue", "0000.events2")
	content, err := os.ReadFile(slot)
	if err := errors.Join(err, c.Drop(), os.WriteFile(slot, content, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// network is a backend without HTTP.
func network(address string) driver.Driver {
	return driver.Driver{Name: "line", Hosts: func(map[string]string) []string { return []string{"127.0.0.1"} },
		Open: func(c driver.Config) (driver.Backend, error) { return lineBackend{c, address}, nil }}
}

type lineBackend struct {
	config  driver.Config
	address string
}

func (l lineBackend) Send(ctx context.Context, events []driver.Event) error {
	conn, err := drivernet.Dial(ctx, l.config, l.address)
	if err != nil {
		return err
	}
	return drivernet.WriteStream(ctx, conn, append(driver.AppendJSONArray(nil, events), '\n'))
}

func (lineBackend) Close() error { return nil }

func TestWhatGoesOverAConnectionIsShownOrSaidToBeEncrypted(t *testing.T) {
	t.Parallel()
	for address, encrypted := range map[string]bool{"tcp://127.0.0.1:9": false, "tls://127.0.0.1:9": true} {
		tool := someTool()
		tool.Telemetry.Backend, tool.Telemetry.Drivers = "line", []driver.Driver{network(address)}
		options := enabled(t, tool, map[string]string{})
		recordCommands(t, tool, options, 2)
		r, err := core.NewManager(tool, options...).Next(t.Context())
		if err != nil || r.Network != "tcp" || r.Address != "127.0.0.1:9" || r.Events != 2 || (r.NotKept != "") != encrypted ||
			strings.HasSuffix(string(r.Body), "\n") == encrypted || !strings.Contains(string(r.Body), r.IDs[1]) {
			t.Errorf("%s: %+v, %v", address, r, err)
		}
	}
}

func TestALeftoverOfAPreviewIsErasedByANo(t *testing.T) {
	t.Parallel()
	tool := toolFor(newIntake(t).URL)
	options := enabled(t, tool, map[string]string{})
	m := core.NewManager(tool, options...)
	left := filepath.Join(m.Status().StateDir, ".preview-1.tmp", "queue")
	if err := errors.Join(os.MkdirAll(left, 0o700), os.WriteFile(filepath.Join(left, "0000.events2"), []byte("canary"), 0o600)); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Dir(left), old, old); err != nil {
		t.Fatal(err)
	}
	if faults := m.Status().Faults; len(faults) != 1 || !strings.Contains(faults[0], "left a copy") {
		t.Errorf("status says %q", faults)
	}
	if _, err := m.Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Dir(left)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// A look copies what waits into the user's cache where the state directory takes nothing.
func TestALeftoverInTheCacheIsErasedByANo(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	env := map[string]string{"HOME": home, "LocalAppData": home}
	cache := state.LocateCache(func(name string) (string, bool) { value, set := env[name]; return value, set })
	tool := toolFor(newIntake(t).URL)
	m := core.NewManager(tool, enabled(t, tool, env)...)
	left, _, err := state.At(m.Status().StateDir).ScratchElsewhere(cache)
	if err != nil {
		t.Fatal(err)
	}
	others, _, err := state.At(t.TempDir()).ScratchElsewhere(cache)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy of this directory: %v", err)
	}
	if _, err := os.Lstat(others.Path()); err != nil {
		t.Errorf("a copy of another directory: %v", err)
	}
}

func TestALeftoverOfAPreviewIsErasedByTheNextSender(t *testing.T) {
	t.Parallel()
	tool := toolFor(newIntake(t).URL)
	options := enabled(t, tool, map[string]string{})
	m := core.NewManager(tool, options...)
	left, old := filepath.Join(m.Status().StateDir, ".preview-1.tmp"), time.Now().Add(-time.Hour)
	if err := errors.Join(os.MkdirAll(filepath.Join(left, "queue"), 0o700), os.Chtimes(left, old, old)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestAPreviewWithoutAMachineIDMakesNone(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "t")), environment(map[string]string{"TELEMETRY_ENABLED": "1"})}
	recordCommands(t, tool, options, 1)
	m := core.NewManager(tool, options...)
	r, err := m.Next(t.Context())
	if err != nil || r.ExampleID == "" || !strings.Contains(string(r.Body), r.ExampleID) {
		t.Errorf("%+v, %v", r, err)
	}
	waiting, err := m.Waiting(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].Event.MachineID != "" {
		t.Errorf("%+v, %v", waiting, err)
	}
	if id := m.Status().MachineID; id != "" {
		t.Errorf("there is a machine ID: %s", id)
	}
}

func TestAPreviewShowsTheMachineIDThatWasHandedOn(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	variable, value, err := core.NewManager(tool, enabled(t, tool, nil)...).Identity()
	if err != nil {
		t.Fatal(err)
	}
	options := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "t")), environment(map[string]string{"TELEMETRY_ENABLED": "1", variable: value})}
	recordCommands(t, tool, options, 1)
	m := core.NewManager(tool, options...)
	id := m.Status().MachineID
	waiting, err := m.Waiting(t.Context())
	if err != nil || len(waiting) != 1 || id == "" || waiting[0].Event.MachineID != id {
		t.Errorf("status says %s, what waits %+v, %v", id, waiting, err)
	}
	r, err := m.Next(t.Context())
	if err != nil || r.ExampleID != "" || !strings.Contains(string(r.Body), id) {
		t.Errorf("%+v, %v", r, err)
	}
}

// A home that was copied has an identity, and the first delivery makes another one.
func TestAPreviewDoesNotShowAnIDThatIsYetToBeMadeAsTheOneThereIs(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	dir := filepath.Join(t.TempDir(), "t")
	options := []core.Option{core.WithStateDir(dir), environment(map[string]string{"TELEMETRY_ENABLED": "1"})}
	recordCommands(t, tool, options, 1)
	var ids identity.Identities
	if _, _, err := ids.Take(identity.Signals{MachineID: "that of another machine", User: "zoe"}); err != nil {
		t.Fatal(err)
	}
	if err := identity.NewStore(state.At(dir)).Save(ids); err != nil {
		t.Fatal(err)
	}
	m := core.NewManager(tool, options...)
	if id := m.Status().MachineID; id != "" {
		t.Fatalf("the ID of another machine is this one's: %s", id)
	}
	waiting, err := m.Waiting(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].Event.MachineID != "" {
		t.Errorf("%+v, %v", waiting, err)
	}
	if r, err := m.Next(t.Context()); err != nil || r.ExampleID == "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestARateThatIsUsedUpIsSaid(t *testing.T) {
	t.Parallel()
	slow := httpjson.Driver()
	slow.Name, slow.Limits.PerMinute = "slow", 2
	r := receiver{driver: &slow, backend: "slow", accepts: func([]byte) string { return "" }, status: 202}
	server := capture(t, r)
	tool := r.tool(server.URL)
	options := enabled(t, tool, map[string]string{})
	recordCommands(t, tool, options, 3)
	m := core.NewManager(tool, options...)
	if shown, err := m.Next(t.Context()); err != nil || shown.Events != 2 {
		t.Errorf("before anything was sent: %d events, %v", shown.Events, err)
	}
	if _, err := m.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err := m.Next(t.Context())
	unsent, is := errors.AsType[*core.UnsentError](err)
	if !is || !errors.Is(err, core.ErrPaced) || !unsent.Until.Equal(m.Status().PacedUntil) {
		t.Errorf("%v", err)
	}
	if waiting, err := m.Waiting(t.Context()); err != nil || len(waiting) != 1 {
		t.Errorf("%+v, %v", waiting, err)
	}
}
