package conformance

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// The checks whose findings the watcher makes, whatever check is under way.
const (
	checkLeft       = "lifecycle/nothing-left-on-any-path"
	checkProcess    = "lifecycle/process-untouched"
	checkBackground = "lifecycle/nothing-in-the-background"
	checkBeside     = "privacy/nothing-beside-the-transport"
	checkPrints     = "privacy/prints-nothing"
	checkSecrets    = "privacy/no-secret-in-errors"
	checkPlanted    = "privacy/no-planted-value"
	checkDigest     = "privacy/no-digest-of-planted-value"
	checkReads      = "privacy/reads-nothing-of-the-machine"
)

func watcherChecks() []Check {
	return []Check{
		{ID: checkLeft, Level: Must, where: shipped,
			Sentence: "After Close no goroutine, connection or file is left, whatever the vendor answered and whatever went wrong."},
		{ID: checkProcess, Level: Must, where: shipped,
			Sentence: "What belongs to the whole process is the tool's: environment, working directory, time zone, signals, loggers, the default HTTP client."},
		{ID: checkBackground, Level: Must, where: shipped, needs: []need{anyNetwork}, do: sendsInBackground,
			Sentence: "Nothing is sent once Send has returned, in no number of seconds, also after a failure, a deadline or a cancel."},
		{ID: checkBeside, Level: Must, where: shipped,
			Sentence: "Nothing happens beside the one request: no other connection, no name looked up, no process started, no file written."},
		{ID: checkReads, Level: Should, where: shipped,
			Sentence: "No variable and no file is read but those that Go's networking reads: a backend is configured by its author."},
	}
}

// watcher looks at a process in which a backend runs as it ships, while one check after
// the other is made, and sees what the checks themselves do not look at. What a session
// and a probe call of it may be called on a nil watcher, which sees nothing.
type watcher struct {
	proxy    *proxy
	subject  *Subject
	files    string   // the directory of the suite's own files
	quiet    []string // directories in which nothing may appear
	searcher *searcher
	stdout   *os.File // the process's, as they were at the start
	stderr   *os.File

	refused atomic.Int64 // connections that the suite itself tried in vain

	mu     sync.Mutex
	found  map[string][]Finding // by the ID of the check
	strays []string             // addresses and names, noted by the tripwires

	before  state
	traffic traffic           // before, in a network of this process's own, and nil elsewhere
	alone   bool              // whether it has such a network
	stalled bool              // whether the suite made connections fail that it cannot count
	now     string            // the check that is made
	sent    map[string]string // which check sent the event with an ID
}

// ownFiles is where the suite makes its directories, "" for the system's place.
func (w *watcher) ownFiles() string {
	if w == nil {
		return ""
	}
	return w.files
}

// leadTo makes the backend reach wire, whatever host it asks for.
func (w *watcher) leadTo(wire *wire) {
	if w != nil {
		w.proxy.leadTo(wire)
	}
}

func (w *watcher) report(id string, f Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.found[id]) < enoughFindings && !slices.ContainsFunc(w.found[id], func(o Finding) bool { return o.Message == f.Message }) {
		w.found[id] = append(w.found[id], f)
	}
}

// state is what belongs to the process as a whole.
type state struct {
	printed     [2]int64
	environment []string
	directory   string
	values      map[string]any
	transport   transportState
	goroutines  []string
	files       []string
	children    bool
}

// transportState is what an http.Transport would do for others than the backend.
type transportState struct {
	proxy, dial, dialTLS uintptr
	insecure             bool
	roots                *x509.CertPool
	conns                [3]int
	waits                [4]time.Duration
	off                  [3]bool
	sizes                [3]int64
}

func stateOf(t http.RoundTripper) transportState {
	transport, ok := t.(*http.Transport)
	if !ok {
		return transportState{}
	}
	pointer := func(f any) uintptr { return reflect.ValueOf(f).Pointer() }
	s := transportState{proxy: pointer(transport.Proxy), dial: pointer(transport.DialContext), dialTLS: pointer(transport.DialTLSContext)}
	if c := transport.TLSClientConfig; c != nil { // which using it makes
		s.insecure, s.roots = c.InsecureSkipVerify, c.RootCAs
	}
	s.conns = [3]int{transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost}
	s.waits = [4]time.Duration{transport.IdleConnTimeout, transport.ResponseHeaderTimeout, transport.TLSHandshakeTimeout, transport.ExpectContinueTimeout}
	s.off = [3]bool{transport.DisableKeepAlives, transport.DisableCompression, transport.ForceAttemptHTTP2}
	s.sizes = [3]int64{transport.MaxResponseHeaderBytes, int64(transport.WriteBufferSize), int64(transport.ReadBufferSize)}
	return s
}

// look takes the state of the process.
func (w *watcher) look() state {
	s := state{environment: os.Environ(), goroutines: foreignGoroutines(), files: openFiles(), children: startedProcesses()}
	slices.Sort(s.environment)
	s.directory, _ = os.Getwd()
	for i, f := range []*os.File{w.stdout, w.stderr} {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			s.printed[i] = info.Size()
		}
	}
	s.values = map[string]any{
		"time.Local": time.Local, "os.Stdout": os.Stdout, "os.Stderr": os.Stderr, "os.Stdin": os.Stdin, "the umask": umask(),
		"http.DefaultClient": *http.DefaultClient, "http.DefaultTransport": http.DefaultTransport, "net.DefaultResolver": net.DefaultResolver,
		"the standard logger": [3]any{log.Writer(), log.Flags(), log.Prefix()}, "slog.Default": slog.Default(),
		"runtime.GOMAXPROCS": runtime.GOMAXPROCS(0), "os.Args": strings.Join(os.Args, "\x00"),
	}
	s.transport = stateOf(http.DefaultTransport)
	return s
}

// begins takes the state before a check.
func (w *watcher) begins(c Check) {
	w.before, w.now = w.look(), c.ID
	if w.alone {
		w.traffic = trafficNow()
	}
	_ = os.Getenv(markEnv + c.ID)
	w.refused.Store(0)
	w.stalled = false
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strays = nil
}

// looks closes what the check opened and looks for what is left of it, while the vendor
// is still there.
func (w *watcher) looks(c Check, p *probe) {
	if w == nil {
		return
	}
	p.mu.Lock()
	opened := p.opened
	p.mu.Unlock()
	for _, b := range opened {
		p.closeInTime(b)
	}
	_ = os.Getenv(markEnv) // what is read from here on is the suite's
	during := "during " + c.ID + ": "
	if c.lingers {
		w.proxy.hangUp()
	}
	if !w.settles(func() bool { return w.proxy.clients() == 0 }) {
		w.report(checkLeft, Finding{Message: fmt.Sprintf("%s%d connections are left after Close", during, w.proxy.clients())})
	}
	w.goroutines(during)
	if !w.subject.Driver.Local {
		if made := filesIn(p.dir); len(made) > 0 && !strings.HasPrefix(c.ID, "collector/") {
			w.report(checkBeside, Finding{Message: during + "files were written into Config.Dir, without declaring Local: " + strings.Join(made, ", ")})
		}
	}
	w.searches(during, p)
}

// goroutines looks for those that are left.
func (w *watcher) goroutines(during string) {
	var left []string
	if !w.settles(func() bool { left = others(w.before.goroutines, foreignGoroutines()); return len(left) == 0 }) {
		w.report(checkLeft, Finding{Message: fmt.Sprintf("%s%d goroutines are left after Close:\n%s", during, len(left), strings.Join(left, "\n\n"))})
	}
}

// settles waits for something that ends by itself, not so long for what never does.
func (w *watcher) settles(done func() bool) bool {
	w.mu.Lock()
	sure := len(w.found[checkLeft]) > 1
	w.mu.Unlock()
	if sure {
		return settlesWithin(patient(100*time.Millisecond), done)
	}
	return settles(done)
}

// others are the stacks of the goroutines in after that are not in before.
func others(before, after []string) (list []string) {
	number := func(stack string) string { n, _, _ := strings.Cut(stack, " ["); return n }
	for _, stack := range after {
		if !slices.ContainsFunc(before, func(s string) bool { return number(s) == number(stack) }) {
			list = append(list, stack)
		}
	}
	return list
}

// foreignGoroutines are the stacks of the goroutines that are neither the suite's nor the
// runtime's.
func foreignGoroutines() []string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	var list []string
	for i, stack := range strings.Split(string(all), "\n\n") {
		const suite = "github.com/gotoolbase/telemetry/conformance."
		own := i == 0 || strings.Contains(stack, "testing.(*T).Run") || strings.Contains(stack, "testing.(*M).") ||
			strings.Contains(stack, "testing.tRunner.func") || strings.Contains(stack, "testing.runTests")
		for _, mine := range []string{"(*server).", "(*proxy).", "splice", "(*session).", "childAsShipped", "playChild"} {
			own = own || strings.Contains(stack, suite+mine)
		}
		if !own {
			list = append(list, stack)
		}
	}
	return list
}

// sends notes whose events these are.
func (w *watcher) sends(events []driver.Event) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range events {
		w.sent[events[i].ID] = w.now
	}
}

// recognizes finds events of a check that is long over.
func (w *watcher) recognizes(during string, p *probe, x *exchange) {
	read := p.reader(x)
	if read == nil || x.problem != "" {
		return
	}
	defer func() { _ = recover() }() // a decoder that panics is another check's to find
	list, _ := read(x.Request)
	w.mu.Lock()
	var late string
	for _, r := range list {
		if check, known := w.sent[r.ID]; known && check != w.now {
			late = check
		}
	}
	w.mu.Unlock()
	if late != "" {
		w.report(checkBackground, Finding{Message: during + "an event of " + late + " was sent, long after that had ended", Exchange: x.dump()})
	}
}

// searches looks for what was planted in everything that arrived.
func (w *watcher) searches(during string, p *probe) {
	const enough = 6 << 10 // to search beneath the wrappings of large batches would take seconds
	for _, x := range p.server.seen() {
		text := x.searchable()
		w.recognizes(during, p, x)
		if len(text) > enough {
			lower := bytes.ToLower(text)
			for i, token := range w.searcher.tokens {
				if bytes.Contains(lower, token) {
					w.report(checkPlanted, Finding{during + "a request holds " + w.searcher.canaries[i].What, x.dump()})
				}
			}
			continue
		}
		plain, digests := w.searcher.search(text)
		for _, what := range plain {
			w.report(checkPlanted, Finding{during + "a request holds " + what, x.dump()})
		}
		for _, what := range digests {
			w.report(checkDigest, Finding{during + "a request holds " + what, x.dump()})
		}
	}
}

// ends compares the state after a check with that before it.
func (w *watcher) ends(c Check) {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t.CloseIdleConnections() // a backend that shares it would meet a connection that was cut
	}
	w.proxy.hangUp()
	during := "during " + c.ID + ": "
	var files []string // one look decides: in a second one, the proxy may be taking a connection that was given up
	settled := w.settles(func() bool { files = openFiles(); return len(files) <= len(w.before.files) })
	after := w.look()
	beside := func(format string, args ...any) {
		w.report(checkBeside, Finding{Message: during + fmt.Sprintf(format, args...)})
	}
	if !settled {
		w.report(checkLeft, Finding{Message: during + "files are left open:\n" + strings.Join(added(w.before.files, files), "\n")})
	}
	for i, name := range []string{"standard output", "standard error"} {
		if n := after.printed[i] - w.before.printed[i]; n > 0 {
			w.report(checkPrints, Finding{Message: fmt.Sprintf("%s%d bytes were printed to the process's %s", during, n, name)})
		}
	}
	for _, line := range w.before.differences(after) {
		w.report(checkProcess, Finding{Message: during + line})
	}
	for _, dir := range w.quiet {
		for _, name := range filesIn(dir) {
			beside("a file was written: %s", name)
			_ = os.RemoveAll(filepath.Join(dir, name))
		}
	}
	if strings.HasPrefix(c.ID, "collector/") {
		return // the collector starts processes
	}
	if after.children && !w.before.children {
		beside("a process was started")
	}
	w.mu.Lock()
	strays := w.strays
	w.mu.Unlock()
	for _, stray := range strays {
		beside("%s", stray)
	}
	if w.alone {
		refused := int(w.refused.Load())
		if w.stalled {
			refused = -1
		}
		for _, line := range w.traffic.strange(trafficNow(), refused) {
			beside("%s", line)
		}
	}
}

// strange is what the counters say that the suite cannot explain: each of its connections
// was taken by the suite as well, but for those that it had refused. Where their number is
// not known, it is negative.
func (t traffic) strange(after traffic, refused int) (list []string) {
	grown := func(name string) int { return after[name] - t[name] }
	if n := grown("Tcp:ActiveOpens") - grown("Tcp:PassiveOpens") - refused; n > 0 && refused >= 0 {
		list = append(list, fmt.Sprintf("%d connections were tried, past the proxy", n))
	}
	if n := grown("Udp:OutDatagrams") + grown("Udp6OutDatagrams"); n > 0 {
		list = append(list, fmt.Sprintf("%d datagrams were sent", n))
	}
	if n := grown("Ip:OutNoRoutes") + grown("Ip6OutNoRoutes"); n > 0 {
		list = append(list, fmt.Sprintf("other machines were called %d times, past the proxy", n))
	}
	return list
}

// differences are what changed between two states.
func (s state) differences(after state) (list []string) {
	for _, line := range added(s.environment, after.environment) {
		list = append(list, fmt.Sprintf("the environment has %q", line))
	}
	for _, line := range added(after.environment, s.environment) {
		list = append(list, fmt.Sprintf("the environment has no longer %q", line))
	}
	if s.directory != after.directory {
		list = append(list, "the working directory is another")
	}
	for name, value := range s.values {
		if !reflect.DeepEqual(pinned(value), pinned(after.values[name])) {
			list = append(list, name+" is another")
		}
	}
	if s.transport != after.transport {
		list = append(list, "http.DefaultTransport was changed")
	}
	slices.Sort(list)
	return list
}

// pinned makes values comparable by identity: two pointers are the same only if they
// point to the same thing.
func pinned(v any) any {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer {
		return r.Pointer()
	}
	if client, ok := v.(http.Client); ok {
		return fmt.Sprintf("%p %p %p %v", client.Transport, client.CheckRedirect, client.Jar, client.Timeout)
	}
	if list, ok := v.([3]any); ok {
		return fmt.Sprintf("%p %v %v", list[0], list[1], list[2])
	}
	return v
}

// added is what the second list has and the first has not.
func added(before, after []string) (list []string) {
	for _, line := range after {
		if !slices.Contains(before, line) {
			list = append(list, line)
		}
	}
	return list
}

// filesIn names everything below dir.
func filesIn(dir string) (names []string) {
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if name, relErr := filepath.Rel(dir, path); err == nil && relErr == nil && name != "." {
			names = append(names, name)
		}
		return nil
	})
	return names
}
