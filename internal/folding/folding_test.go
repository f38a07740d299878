package folding

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// A day lasts about a second here: pause is between the calls of a process, and interval in
// the place of the ten minutes between two uploads.
const pause, interval = 2 * time.Millisecond, 40 * time.Millisecond

// page is where `make fold` has the figures written. How long something took decides nothing.
var page = flag.String("page", "", "write what ten thousand calls cost to this file")

// setting is what all processes of a tool have in common. It goes through their arguments.
type setting struct {
	Dir, Endpoint string
	Fold          bool
	Seed          uint64
	// Day is which one it is, and Noon, Began where its clock stands and since when. Those who
	// may live until the next day look into a file.
	Day         int
	Noon, Began time.Time
}

func (s setting) calendar() string { return s.Dir + ".day" }

// turn begins a day.
func (s *setting) turn(t *testing.T, day int) {
	t.Helper()
	s.Day = day
	next := s.calendar() + ".next"
	if err := errors.Join(os.WriteFile(next, []byte(strconv.Itoa(day)), 0o600), os.Rename(next, s.calendar())); err != nil {
		t.Fatal(err)
	}
}

// The test binary is also every process of the tool.
func TestMain(m *testing.M) {
	if len(os.Args) >= 3 && os.Args[1] == "tool" {
		var s setting
		if err := json.Unmarshal([]byte(os.Args[2]), &s); err != nil {
			panic(err)
		}
		if len(os.Args) == 6 {
			s.work(number(os.Args[3]), number(os.Args[4]), number(os.Args[5]))
		}
		s.upload()
	}
	os.Exit(m.Run())
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func (s setting) now() time.Time {
	return s.Noon.Add(time.Duration(s.Day)*24*time.Hour + time.Since(s.Began))
}

func (s setting) arguments() []string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return []string{"tool", string(text)}
}

func (s setting) tool() props.Tool {
	return props.Tool{
		Name: "sometool", Version: "1.2.3",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: s.Endpoint, UploadInterval: interval, Fold: s.Fold},
	}
}

func (s setting) options() []core.Option {
	return []core.Option{core.WithStateDir(s.Dir), core.WithClock(s.now), core.WithUploadCommand(s.arguments()...)}
}

// call is one call of a command, and what its process does after it was recorded.
type call struct {
	name     string
	outcome  props.Outcome
	duration int64
	killed   bool
}

// call returns what a process calls as its number i. It is the same whoever asks.
func (s setting) call(process, i int) call {
	random := rand.New(rand.NewPCG(s.Seed, uint64(process)<<32|uint64(i)))
	c := call{
		name:     []string{"build", "test", "test", "test", "remote add"}[random.IntN(5)],
		duration: random.Int64N(2000),
		killed:   random.IntN(200) == 0,
	}
	if random.IntN(10) == 0 {
		c.outcome = props.Outcome{ExitCode: 1 + random.IntN(2)}
	}
	return c
}

// work makes the calls from to to-1, each as a process of its own would, and prints what
// each took. It does not return.
func (s setting) work(process, from, to int) {
	out := bufio.NewWriter(os.Stdout)
	for i := from; i < to; i++ {
		call := s.call(process, i)
		start := time.Now()
		c, err := core.Open(s.tool(), s.options()...)
		if err != nil {
			panic(err)
		}
		c.TrackCommand(call.name, call.duration, call.outcome.ExitCode, nil)
		if call.killed {
			fmt.Fprintln(out, i, 0, 0)
			out.Flush()
			kill(os.Getpid())
			select {}
		}
		atEnd := time.Now()
		if err := c.Close(context.Background()); err != nil {
			panic(err)
		}
		fmt.Fprintln(out, i, time.Since(start).Nanoseconds(), time.Since(atEnd).Nanoseconds())
		time.Sleep(pause)
	}
	out.Flush()
	os.Exit(0)
}

func kill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may have ended
	}
}

// upload is the background process, or one that flushes. It has no output: it tells that it
// runs in a file.
func (s setting) upload() {
	f, err := os.OpenFile(s.log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintln(f, os.Getpid())
		f.Close()
	}
	options := append(s.options(), core.WithClock(func() time.Time {
		day, err := os.ReadFile(s.calendar())
		if err != nil {
			panic(err)
		}
		s.Day = number(string(day))
		return s.now()
	}))
	if os.Getenv("FLUSH") != "" {
		_, _ = core.NewManager(s.tool(), options...).Flush(context.Background(), nil)
		os.Exit(0)
	}
	_, _ = core.Open(s.tool(), options...) // delivers and ends the process
	panic("not marked as the background process")
}

// log lists the background processes that were started.
func (s setting) log() string { return s.Dir + ".background" }

func (s setting) background() (pids []int) {
	text, _ := os.ReadFile(s.log())
	for _, pid := range strings.Fields(string(text)) {
		pids = append(pids, number(pid))
	}
	return pids
}

// receiver remembers what arrives: each ID once, and whether copies are the same.
type receiver struct {
	*httptest.Server
	mu              sync.Mutex
	random          *rand.Rand // nil takes everything
	events          map[string]driver.Event
	arrived         int // events, copies included
	requests, bytes int
	differ          []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{events: map[string]driver.Event{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // its sender was killed
	}
	events, err := decode(body, request.Header.Get("Content-Encoding"))
	if err != nil {
		http.Error(w, "not events", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	answer := 0
	if r.random != nil {
		answer = r.random.IntN(8)
	}
	r.requests++
	r.bytes += len(body)
	for _, e := range events {
		if answer == 1 {
			break // not stored
		}
		if before, known := r.events[e.ID]; known && !reflect.DeepEqual(before, e) {
			r.differ = append(r.differ, fmt.Sprintf("%+v\n%+v", before, e))
		}
		r.events[e.ID] = e
		r.arrived++
	}
	r.mu.Unlock()
	switch answer {
	case 1:
		w.WriteHeader(http.StatusServiceUnavailable)
	case 2:
		panic(http.ErrAbortHandler) // stored, and nobody is told
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func decode(body []byte, encoding string) (events []driver.Event, err error) {
	var plain io.Reader = bytes.NewReader(body)
	if encoding == "gzip" {
		if plain, err = gzip.NewReader(plain); err != nil {
			return nil, err
		}
	}
	return events, json.NewDecoder(plain).Decode(&events)
}

// total adds up what arrived, by command, exit code and day, as a receiver does.
func (r *receiver) total() map[string]int {
	totals := map[string]int{}
	for _, e := range r.events {
		totals[fmt.Sprint(e.Name, " ", *e.ExitCode, " ", e.Time.Format(time.DateOnly))] += max(e.Count, 1)
	}
	return totals
}

// times is what commands took, from Open to the end of Close, and their Close alone.
type times struct{ whole, end []time.Duration }

const days = 3

// begin returns a setting whose person said yes.
func begin(t *testing.T, endpoint string, fold bool, seed uint64) setting {
	t.Helper()
	root, err := os.MkdirTemp("", "folding-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a background process may still be at work in it
		for end := time.Now().Add(time.Minute); os.RemoveAll(root) != nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	now := time.Now()
	s := setting{
		Dir: filepath.Join(root, "telemetry"), Endpoint: endpoint, Fold: fold, Seed: seed,
		Noon: now.UTC().Truncate(24 * time.Hour).Add(12 * time.Hour), Began: now,
	}
	if err := core.NewManager(s.tool(), s.options()...).Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	return s
}

// day lets eight processes make calls on one day, each those from to to-1 of its own.
func (s setting) day(t *testing.T, from, to int) (took times) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for process := range 8 {
		wg.Go(func() {
			for next := from; next < to; {
				args := append(s.arguments(), fmt.Sprint(process), fmt.Sprint(next), fmt.Sprint(to))
				cmd := exec.Command(os.Args[0], args...)
				cmd.Env = []string{"HOME=" + s.Dir, "LocalAppData=" + s.Dir, "SystemRoot=" + os.Getenv("SystemRoot")}
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				mu.Lock()
				last := next - 1
				for line := range strings.Lines(string(out)) {
					var whole, end int64
					if _, err := fmt.Sscan(line, &last, &whole, &end); err != nil {
						t.Errorf("%q: %v", line, err)
					}
					if end > 0 {
						took.whole, took.end = append(took.whole, time.Duration(whole)), append(took.end, time.Duration(end))
					}
				}
				mu.Unlock()
				if last < next || err != nil && !s.call(process, last).killed {
					t.Errorf("process %d ended at call %d: %v", process, last, err)
					return
				}
				next = last + 1
			}
		})
	}
	wg.Wait()
	return took
}

// want is what must arrive, by command, exit code and day.
func (s setting) want(calls int) map[string]int {
	totals := map[string]int{}
	for process := range 8 {
		for i := range calls {
			call := s.call(process, i)
			at := s.Noon.Add(time.Duration(i*days/calls) * 24 * time.Hour)
			totals[fmt.Sprint(call.name, " ", call.outcome.ExitCode, " ", at.Format(time.DateOnly))]++
		}
	}
	return totals
}

// calls makes all calls of all days, and brings away what waits in the end, after what is to
// be done before that.
func (s *setting) calls(t *testing.T, calls int, r *receiver, before func()) (took times) {
	t.Helper()
	for n := range days {
		s.turn(t, n)
		day := s.day(t, (s.Day*calls+days-1)/days, ((s.Day+1)*calls+days-1)/days)
		took.whole, took.end = append(took.whole, day.whole...), append(took.end, day.end...)
	}
	before()
	r.mu.Lock()
	r.random = nil
	r.mu.Unlock()
	m := core.NewManager(s.tool(), s.options()...)
	for end := time.Now().Add(30 * time.Second); ; {
		report, err := m.Flush(t.Context(), nil)
		if err == nil && report.Kept == 0 {
			break
		}
		if err != nil && !errors.Is(err, core.ErrBusy) || time.Now().After(end) {
			t.Fatalf("%+v, %v", report, err)
		}
	}
	if status := m.Status(); status.TotalLost() > 0 || len(status.Faults) > 0 {
		t.Errorf("lost %v, wrong is %v", status.Lost, status.Faults)
	}
	return took
}

// check holds what arrived to what was called.
func (r *receiver) check(t *testing.T, want map[string]int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := r.total(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, two := range r.differ {
		t.Errorf("the same ID, and not the same event:\n%s", two)
	}
}

func median(list []time.Duration) time.Duration { return quantile(list, 50) }

func quantile(list []time.Duration, percent int) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[(len(list)-1)*percent/100]
}

func TestTenThousandCallsOfEightProcessesArriveWithOneTotalWhetherFoldedOrNot(t *testing.T) {
	const calls = 1250
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var table strings.Builder
	say := func(format string, args ...any) {
		t.Logf(format, args...)
		fmt.Fprintf(&table, format+"\n", args...)
	}
	var columns [2][]string
	for i, fold := range []bool{false, true} {
		r := newReceiver(t)
		s := begin(t, r.URL, fold, seed)
		took := s.calls(t, calls, r, func() {})
		r.check(t, s.want(calls))
		if r.arrived != len(r.events) {
			t.Errorf("fold %v: %d events arrive and %d copies, though nothing failed", fold, len(r.events), r.arrived-len(r.events))
		}
		if fold && len(r.events) > 8*calls/10 {
			t.Errorf("%d events arrive for %d calls", len(r.events), 8*calls)
		}
		micros := func(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d.Nanoseconds())/1000) }
		columns[i] = []string{
			strconv.Itoa(r.arrived), strconv.Itoa(r.requests), fmt.Sprintf("%.1f", float64(r.bytes)/1024), strconv.Itoa(len(s.background())),
			micros(median(took.whole)), micros(median(took.end)), micros(quantile(took.end, 99)),
		}
	}
	say("| %d calls by 8 processes on %d days | an event a call | `Fold` |", 8*calls, days)
	say("|---|--:|--:|")
	for i, name := range []string{
		"events on the wire", "requests", "KiB on the wire, compressed", "background processes",
		"`Open`, `TrackCommand`, `Close`, median", "`Close`, median", "`Close`, 99th percentile",
	} {
		say("| %s | %s | %s |", name, columns[0][i], columns[1][i])
	}
	if *page == "" || t.Failed() {
		return
	}
	text := fmt.Sprintf("# What folding saves\n\n`make fold` writes this page: nothing in it is typed. A day is about a second there, and %d ms stand for the ten minutes\n"+
		"between two uploads, so how many records arrive differs a little from run to run.\n\n%s, %s/%s, %d processors, %s, seed %d.\n\n%s",
		interval.Milliseconds(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly), seed, table.String())
	if err := os.WriteFile(*page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whoever sends is killed at any moment, and the receiver answers as it likes: copies are the
// same, and each call counts once.
func TestWhenSendersAreKilledEachCallStillCountsOnce(t *testing.T) {
	const calls = 250
	for _, fold := range []bool{false, true} {
		seed := uint64(time.Now().UnixNano())
		t.Logf("fold %v, seed %d", fold, seed)
		r := newReceiver(t)
		r.random = rand.New(rand.NewPCG(seed, 1))
		s := begin(t, r.URL, fold, seed)
		s.turn(t, 0)
		stop, killed := make(chan struct{}), make(chan int)
		go func(s setting) {
			random := rand.New(rand.NewPCG(seed, 2))
			n := 0
			for {
				select {
				case <-stop:
					killed <- n
					return
				default:
				}
				if s.sendAndDie(t, random) {
					n++
				}
			}
		}(s)
		s.calls(t, calls, r, func() { close(stop); t.Logf("%d senders were killed", <-killed) })
		r.check(t, s.want(calls))
		if !fold && r.arrived == len(r.events) {
			t.Error("no event arrived twice: not the test that was meant")
		}
	}
}

// sendAndDie starts a process that sends, as a person or a command does, and kills it in the
// middle, if it is not done before.
func (s setting) sendAndDie(t *testing.T, random *rand.Rand) (killed bool) {
	cmd := exec.Command(os.Args[0], s.arguments()...)
	cmd.Env = []string{"HOME=" + s.Dir, "LocalAppData=" + s.Dir, "SystemRoot=" + os.Getenv("SystemRoot"), "FLUSH=1"}
	if random.IntN(2) == 0 {
		cmd.Env[3] = "GOTOOLBASE_TELEMETRY_UPLOAD=sometool" // as package detach marks it
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return false
	}
	timer := time.AfterFunc(time.Duration(random.Int64N(int64(60*time.Millisecond))), func() { kill(cmd.Process.Pid) })
	var ended *exec.ExitError
	killed = errors.As(cmd.Wait(), &ended) && !ended.Exited()
	timer.Stop()
	return killed
}
