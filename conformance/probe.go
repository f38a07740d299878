package conformance

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// probe is what a check has in its hands: the subject, a vendor of its own, and a place
// for findings.
type probe struct {
	*session
	label  string
	server *server
	wire   *wire
	stdout *output
	dir    string

	mu       sync.Mutex
	attempt  context.Context // of the last Send or request
	findings []Finding
	opened   []driver.Backend // while there is a watcher, which wants all of them closed
	over     bool
}

// endpoint is where the suite's server is said to be. The name is reserved for tests
// (RFC 6761) and never looked up.
const endpoint = "https://intake.vendor.test"

func newProbe(s *session) (*probe, error) {
	roots, err := trustedRoots()
	if err != nil {
		return nil, err
	}
	server, err := newServer()
	if err != nil {
		return nil, err
	}
	p := &probe{session: s, label: fmt.Sprintf("probe %016x", rand.Uint64()), server: server, stdout: &output{}}
	server.batch = func(x *exchange) []Received {
		list, _ := p.decode(x)
		return list
	}
	p.wire = newWire(server.addr(), server.sockets.Addr().String(), roots)
	p.dir, err = s.tempDir()
	if s.watcher != nil {
		p.wire.shipped, p.wire.refusals = true, &s.watcher.refused
		s.watcher.leadTo(p.wire)
	}
	p.accept()
	return p, err
}

// accept makes the vendor take everything.
func (p *probe) accept() { p.server.reactWith(answer(p.subject.Accepted)) }

// hangs makes the vendor answer nothing, and tells of the first request.
func (p *probe) hangs() <-chan struct{} {
	reached := make(chan struct{}, 1)
	p.server.reactWith(func(x *exchange) bool {
		select {
		case reached <- struct{}{}:
		default:
		}
		return hang(x)
	})
	return reached
}

func (p *probe) close() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.wire.close()
	p.server.close()
}

// failf records a finding, with the last exchange.
func (p *probe) failf(format string, args ...any) {
	f := Finding{Message: fmt.Sprintf(format, args...)}
	if seen := p.server.seen(); len(seen) > 0 {
		f.Exchange = seen[len(seen)-1].dump()
	}
	p.report(f)
}

// failOnly records a finding that no exchange explains.
func (p *probe) failOnly(format string, args ...any) {
	p.report(Finding{Message: fmt.Sprintf(format, args...)})
}

const enoughFindings = 8 // more would hide the first

func (p *probe) report(f Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && len(p.findings) < enoughFindings {
		p.findings = append(p.findings, f)
	}
}

func (p *probe) found() []Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.findings)
}

// output is a Config.Stdout that several goroutines may use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	fail error
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return 0, o.fail
	}
	return o.text.Write(b)
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.text.Bytes())
}

// config is what the backend is opened with.
func (p *probe) config(settings map[string]string) driver.Config {
	c := driver.Config{
		Settings: settings, Headers: p.subject.Headers, Tool: toolName, Version: toolVersion, Stdout: p.stdout, Dir: p.dir,
	}
	p.wire.setIn(&c)
	return c
}

// transport is what a requestor is opened with, nil as production has it.
func (p *probe) transport() http.RoundTripper {
	if p.watcher != nil {
		return nil
	}
	return p.wire
}

// attempts is how many requests were made so far. Behind a proxy, those on a connection
// that is there already show only where they arrive.
func (p *probe) attempts() int { return max(len(p.wire.asked()), len(p.server.seen())) }

// open opens the backend, or records why it cannot.
func (p *probe) open() (driver.Backend, bool) {
	b, err := p.tryOpen(p.subject.settings(endpoint), func(*driver.Config) {})
	if err != nil {
		p.failOnly("the backend cannot be opened with the subject's settings: %v", err)
		return nil, false
	}
	return b, true
}

func (p *probe) tryOpen(settings map[string]string, change func(*driver.Config)) (b driver.Backend, err error) {
	resolved, err := p.subject.Driver.Resolve(settings)
	if err != nil {
		return nil, err
	}
	config := p.config(resolved)
	change(&config)
	p.watcher.leadTo(p.wire)
	defer func() {
		if v := recover(); v != nil {
			p.failOnly("Open panicked: %v\n%s", v, debug.Stack())
			err = fmt.Errorf("calling Open: panic: %v", v)
		}
	}()
	b, err = p.subject.Driver.Open(config)
	if p.watcher != nil && err == nil {
		p.mu.Lock()
		p.opened = append(p.opened, b)
		p.mu.Unlock()
	}
	p.hear(err)
	return b, err
}

// Deadlines. The short one ends an attempt that the suite keeps from succeeding; the
// long one never ends one that can succeed. slack is what a backend may take beyond its
// deadline: far more than it needs, because machines stall.
func shortTime() time.Duration { return patient(300 * time.Millisecond) }
func longTime() time.Duration  { return patient(30 * time.Second) }
func slack() time.Duration     { return patient(5 * time.Second) }

// within waits for done, for no longer than limit. That is counted in turns of the
// caller's own: a machine that holds up what is waited for holds up the caller as well, so
// that a limit is longer where the machine is busy.
func within[T any](done <-chan T, limit time.Duration) (value T, ok bool) {
	const turn = 20 * time.Millisecond
	timer := time.NewTimer(turn)
	defer timer.Stop()
	for passed := time.Duration(0); passed < limit; passed += turn {
		select {
		case value = <-done:
			return value, true
		case <-timer.C:
			timer.Reset(turn)
		}
	}
	return value, false
}

// verdict is what became of one call of Send.
type verdict struct {
	err   error
	class driver.Class
	// late says that Send had not returned when deadline and slack were over.
	late bool
}

func (v verdict) String() string {
	switch {
	case v.late:
		return "not returned"
	case v.err == nil:
		return "nil"
	}
	return fmt.Sprintf("%v (%s)", v.err, v.class)
}

// accepted reports whether the collector would take the batch for delivered.
func (v verdict) accepted() bool { return !v.late && v.class == driver.ClassAccepted }

// kept reports whether the collector would send the batch again as it is.
func (v verdict) kept() bool {
	return !v.late && (v.class == driver.ClassUnknown || v.class == driver.ClassThrottled)
}

func (p *probe) attempting(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempt = ctx
}

// overtime waits until the attempt's deadline is over, and for a while after. By the
// clock alone, a machine that stalls for that long would have both end at once.
func (p *probe) overtime(x *exchange) bool {
	p.mu.Lock()
	ctx := p.attempt
	p.mu.Unlock()
	if ctx == nil {
		return x.wait(2 * shortTime())
	}
	select {
	case <-ctx.Done():
		return x.wait(shortTime())
	case <-x.server.closed:
		return false
	}
}

// send calls Send with a deadline that it should not need. Each datagram goes to the suite over
// a connection of its own, which takes long where a machine is busy.
func (p *probe) send(b driver.Backend, events []driver.Event) verdict {
	limit := longTime()
	if datagrams(p.subject) == "" {
		limit += time.Duration(len(events)) * shortTime()
	}
	return p.sendWithin(b, events, limit)
}

// sendWithin calls Send, and records it if that panics or returns too late.
func (p *probe) sendWithin(b driver.Backend, events []driver.Event, limit time.Duration) verdict {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return p.sendUnder(ctx, b, events, limit+slack())
}

// sendUnder is sendWithin for a context of the check's own.
func (p *probe) sendUnder(ctx context.Context, b driver.Backend, events []driver.Event, limit time.Duration) verdict {
	p.watcher.leadTo(p.wire)
	p.watcher.sends(events)
	p.attempting(ctx)
	defer p.settle()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				p.failf("Send panicked: %v\n%s", v, debug.Stack())
				done <- fmt.Errorf("Send panicked: %v", v)
			}
		}()
		err := b.Send(ctx, events)
		p.hear(err)
		done <- err
	}()
	err, ok := within(done, limit)
	if !ok {
		p.failf("Send had not returned %v after its context had ended", slack())
		return verdict{late: true}
	}
	v := verdict{err: err, class: driver.Classify(err)}
	if partial, named := asPartial(err); named && partial != nil && v.class == driver.ClassAccepted && !sameSet(partial.Accepted, eventIDs(events)) {
		v.class = driver.ClassPartial // the collector goes by the lists, and keeps the others
	}
	return v
}

// batch returns the first n sample events.
func (p *probe) batch(n int) []driver.Event { return sampleEvents(p.base, 0, n) }

// filled is an answer with the body that it has for the first n sample events.
func (p *probe) filled(a Answer, n int) Answer {
	if a.Body == "" && a.Of != nil {
		var batch []Received
		for _, e := range p.batch(n) {
			batch = append(batch, received(e))
		}
		a.Body = a.Of(batch)
	}
	return a
}

// decode reads an exchange as the vendor does.
func (p *probe) decode(x *exchange) ([]Received, bool) {
	if x.problem != "" {
		p.failf("%s", x.problem)
		return nil, false
	}
	read := p.reader(x)
	if read == nil {
		p.failf("something arrived over a network that the subject does not declare")
		return nil, false
	}
	list, err := read(x.Request)
	if err != nil {
		p.failf("the vendor cannot read the request: %v", err)
		return nil, false
	}
	return list, true
}

// reader is what the subject reads an exchange with, nil if it declares nothing for it.
func (p *probe) reader(x *exchange) func(Request) ([]Received, error) {
	switch {
	case !x.socket:
		return p.subject.Decode
	case p.subject.Socket != nil:
		return func(r Request) ([]Received, error) { return p.subject.Socket.decode(r.Body) }
	}
	return nil
}

// arrived returns everything that the vendor, or the local output, has got so far.
func (p *probe) arrived() ([]Received, bool) {
	p.settle()
	if p.subject.Driver.Local {
		if p.subject.Discards {
			return nil, true
		}
		list, err := p.subject.Read(Output{Stdout: p.stdout.bytes(), Dir: p.dir})
		if err != nil {
			p.failOnly("what was delivered cannot be read: %v\n%s", err, printable(p.stdout.bytes(), 2000))
		}
		return list, err == nil
	}
	var all []Received
	for _, x := range p.server.seen() {
		list, ok := p.decode(x)
		if !ok {
			return nil, false
		}
		all = append(all, list...)
	}
	return all, true
}

// expect compares what arrived with what should have, in any order, and returns it.
func (p *probe) expect(want []driver.Event) (got []Received, ok bool) {
	if p.subject.Discards {
		return nil, false
	}
	if got, ok = p.arrived(); !ok {
		return nil, false
	}
	count := map[string]int{}
	for _, r := range got {
		count[r.ID]++
	}
	for _, e := range want {
		switch n := count[e.ID]; {
		case n == 0:
			p.failf("event %s (%q) did not arrive", e.ID, e.Name)
		case n > 1:
			p.failf("event %s (%q) arrived %d times", e.ID, e.Name, n)
		}
		delete(count, e.ID)
	}
	for id, n := range count {
		p.failf("event %q arrived %d times and was never sent", id, n)
	}
	return got, true
}
