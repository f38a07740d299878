package conformance

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// The suite hands Config.Transport over, as the collector does. A program that opens a
// backend itself does not, so a driver that trusts any certificate, or follows redirects, on
// nil alone would pass. Therefore every check
// is made once more in a process that has no Transport: there the environment names a
// proxy and a certificate authority of the suite's. Two backends at once could not be
// told apart behind it, so checks follow one another, and what a check leaves behind in
// the process can be laid at its door.

// shippedParts is how many such processes share the checks. They mostly wait for deadlines: with
// three a backend takes a second longer, and none takes less of the processor.
const shippedParts = 5

// lingering is how long a process goes on after its last Send, for what is sent behind the
// caller's back. What was sent earlier has been waited for longer.
func lingering() time.Duration { return patient(1200 * time.Millisecond) }

// shippedRun is the checks as they are made elsewhere.
type shippedRun struct {
	session *session
	done    sync.WaitGroup

	ended chan struct{} // closed when all of it is done, nil if there is nothing to do

	mu        sync.Mutex
	found     map[string][]Finding
	variables []string // that the backend looked up
	problem   string
}

// runShipped starts the processes, and does not wait for them.
func (s *session) runShipped(checks []Check) *shippedRun {
	v := &shippedRun{session: s, found: map[string][]Finding{}}
	if s.options.unshipped || s.options.short || s.subject.program != nil {
		return v
	}
	var ids, last []string
	for _, c := range checks {
		switch {
		case c.do == nil || c.where == here || slices.ContainsFunc(c.needs, func(n need) bool { return n(s.subject) != "" }):
		case c.lingers: // or the next check would meet a connection that has just been cut
			last = append(last, c.ID)
		default:
			ids = append(ids, c.ID)
		}
	}
	ids, parts := append(ids, last...), shippedParts
	// The first of them goes on for longest after the failures that tempt to try again.
	if i := slices.Index(ids, checkBackground); i >= 0 {
		ids = slices.Insert(slices.Delete(ids, i, i+1), 0, checkBackground)
	}
	if s.options.sample != nil {
		parts = 1
		const every = 6
		n := 0
		ids = slices.DeleteFunc(ids, func(id string) bool { n++; return n%every != 0 && !slices.Contains(s.options.sample, id) })
	}
	for i := range parts {
		var share []string
		for j := i; j < len(ids); j += parts {
			share = append(share, ids[j])
		}
		v.done.Go(func() { v.part(i, share, nil) })
	}
	v.ended = make(chan struct{})
	go func() {
		defer close(v.ended)
		v.done.Wait()
		v.withVariables(ids)
	}()
	return v
}

// withVariables sets the variables that the backend looked up, which may be what makes it
// print, or send elsewhere: once to something to be recognised, and once to a switch's yes.
func (v *shippedRun) withVariables(ids []string) {
	variables := slices.DeleteFunc(unique(v.variables), func(name string) bool { return slices.Contains(places, name) })
	if len(variables) == 0 || v.problem != "" {
		return
	}
	few := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return !slices.Contains([]string{"delivery/every-event-once", "delivery/200-as-documented", "delivery/503-keeps-batch", "delivery/400-as-documented",
			"privacy/everything-explained", "privacy/declared-hosts-only", "fidelity/every-field", "delivery/reset-before-answer"}, id)
	})
	for i, value := range []string{fmt.Sprintf("cnryread%06x", v.session.seed&0xffffff), "1"} {
		var set []string
		for _, name := range variables {
			set = append(set, name+"="+value)
		}
		v.done.Go(func() { v.part(shippedParts+i, few, set) })
	}
	v.done.Wait()
}

// part makes some of the checks in a process of their own, with some variables set.
func (v *shippedRun) part(number int, ids, set []string) {
	if err := v.process(number, ids, set); err != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.problem = err.Error()
	}
}

func (v *shippedRun) process(number int, ids, set []string) error {
	s := v.session
	p, err := newProbe(s)
	if err != nil {
		return err
	}
	defer p.close()
	plants, err := s.plantSurroundings(fmt.Sprintf("s%d", number))
	if err != nil {
		return err
	}
	plants.environment = append(plants.environment, set...)
	for _, assignment := range set {
		if name, value, _ := strings.Cut(assignment, "="); len(value) > 1 {
			plants.canaries = append(plants.canaries, canary{"the variable " + name, value, value})
		}
	}
	own, err := s.tempDir()
	if err != nil {
		return err
	}
	o := orders{
		Role: roleShipped, Dir: own, Checks: ids, Canaries: plants.canaries, Quiet: plants.folders,
		MachineID: plants.machine, Hostname: plants.host, Network: true, Seed: s.seed,
	}
	var args []string
	read := filepath.Join(own, "read")
	if s.options.name != "" { // a test binary, which can say what it reads
		args = []string{"-test.testlogfile=" + read, fmt.Sprintf("-conformance.patience=%g", *flags.patience)}
	}
	c, err := p.start(o, plants.environment, plants.cwd, append(args, plants.argument)...)
	if err != nil {
		return fmt.Errorf("a child process could not be started: %w", err)
	}
	account, err := c.wait(patient(4 * time.Minute))
	if err != nil {
		return err
	}
	if account.Problem != "" {
		return fmt.Errorf("the backend could not be run without Config.Transport: %s", account.Problem)
	}
	for _, note := range account.Notes {
		s.note("%s", note)
	}
	for _, text := range account.Said {
		s.hear(errors.New(text))
	}
	if runtime.GOOS != "linux" || !slices.Contains(account.Planted, plantedNetwork) {
		s.note("the system gives no process a network of its own: a connection past the standard library's defaults would not be seen")
	}
	var variables []string
	if readings, err := os.ReadFile(read); err == nil && set == nil {
		account.Found[checkReads], variables = strayReads(string(readings), own)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.variables = append(v.variables, variables...)
	for id, findings := range account.Found {
		for _, f := range findings {
			if set != nil {
				f.Message = "with variables set that it reads: " + f.Message
			}
			if !slices.ContainsFunc(v.found[id], func(o Finding) bool { return o.Message == f.Message }) {
				v.found[id] = append(v.found[id], f)
			}
		}
	}
	return nil
}

// wait lasts until the processes have ended.
func (v *shippedRun) wait() {
	if v.ended != nil {
		<-v.ended
	}
}

// addTo adds what the processes found.
func (v *shippedRun) addTo(results []Result) {
	for i := range results {
		r := &results[i]
		found := v.found[r.ID]
		if c, ok := findCheck(r.ID); ok && c.where == shipped && r.Outcome != Skipped {
			switch {
			case v.session.subject.program != nil: // which is always as it shippedParts
			case v.session.options.short:
				r.Outcome, r.Reason = Skipped, "-short leaves out the processes without Config.Transport"
			case v.session.options.unshipped:
				r.Outcome, r.Reason = Skipped, "the checks were made in this process only"
			case v.problem != "":
				found = append(found, Finding{Message: v.problem})
			}
		}
		r.Findings = append(r.Findings, found[:min(len(found), enoughFindings)]...)
	}
}

const roleShipped = "ship"

// childAsShipped makes checks in this process, which was planted, and watches it.
func childAsShipped(o *orders, s *Subject) (a account) {
	a.Planted = plant(o)
	time.Local = time.FixedZone("CNRYZONE", 5*3600+45*60) // where no machine of a build farm is
	shared := &session{subject: s, options: options{serial: true, fewProcesses: true, reach: reachAgain(), name: o.Name}, seed: o.Seed, base: o.Base}
	w, err := newWatcher(o, s)
	if err != nil {
		return account{Problem: err.Error()}
	}
	shared.watcher, w.alone = w, slices.Contains(a.Planted, plantedNetwork)
	if problem := w.warmUp(shared); problem != "" {
		return account{Problem: problem}
	}
	a.Found = w.found
	started := time.Now()
	for i, id := range o.Checks {
		c, known := findCheck(id)
		if !known {
			continue
		}
		// Events of one check have the time of no other, so that one that comes late shows.
		// No number of days or hours, by which checks make events older, is a multiple of it.
		const apart = 71_003 * time.Millisecond
		shared.base = o.Base.Add(-time.Duration(i+1) * apart)
		w.begins(c)
		r := shared.make(c)
		w.ends(c)
		for _, f := range r.Findings {
			f.Message = "without Config.Transport: " + f.Message
			w.report(id, f)
		}
	}
	w.lingers(shared)
	if len(o.Checks) > 0 && o.Checks[0] == checkBackground {
		w.waitsUntil(shared, started.Add(patient(3500*time.Millisecond)))
	}
	shared.cleanup()
	for _, text := range shared.heard() {
		if plain, _ := w.searcher.search([]byte(text)); len(plain) > 0 {
			w.report(checkSecrets, Finding{Message: "without Config.Transport: an error holds " + strings.Join(plain, ", ")})
		}
	}
	a.Notes, a.Said = shared.notes(), shared.heard()
	return a
}

// newWatcher makes this process one in which production's way leads to the suite.
func newWatcher(o *orders, s *Subject) (*watcher, error) {
	way, err := newProxy(nil)
	if err != nil {
		return nil, err
	}
	a, err := trusted()
	if err != nil {
		return nil, err
	}
	roots := filepath.Join(o.Dir, "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		return nil, err
	}
	password := canary{"the proxy's password", fmt.Sprintf("cnrypass%06x", o.Seed&0xffffff), fmt.Sprintf("cnrypass%06x", o.Seed&0xffffff)}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		os.Setenv(name, strings.Replace(way.url(), "//", "//somebody:"+password.Value+"@", 1))
	}
	o.Canaries = append(o.Canaries, password)
	os.Setenv("SSL_CERT_FILE", roots)
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		// There the system is asked, not a file.
		os.Setenv("GODEBUG", "x509usefallbackroots=1")
		pool := x509.NewCertPool()
		pool.AddCert(a.cert)
		if err := setFallbackRoots(pool); err != nil {
			return nil, err
		}
	}
	w := &watcher{
		proxy: way, subject: s, files: o.Dir, quiet: o.Quiet, found: map[string][]Finding{}, sent: map[string]string{}, stdout: os.Stdout, stderr: os.Stderr,
		searcher: newSearcher(o.Canaries),
	}
	w.setTripwires()
	return w, nil
}

// setFallbackRoots makes the panic of a second call, which a package that brings
// certificates along has made the first, an error.
func setFallbackRoots(pool *x509.CertPool) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the suite's certificates cannot be trusted here: %v", v)
		}
	}()
	x509.SetFallbackRoots(pool)
	return nil
}

// setTripwires notes who goes past the proxy by what the standard library offers to all.
func (w *watcher) setTripwires() {
	note := func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.strays = append(w.strays, fmt.Sprintf(format, args...))
	}
	way := w.proxy.addr
	if transport, ok := http.DefaultTransport.(*http.Transport); ok {
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != way {
				note("a connection to %s was opened, past the proxy", address)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(context.Context, string, string) (net.Conn, error) {
		note("a name was looked up")
		return nil, net.UnknownNetworkError("none in the suite")
	}
}

// warmUp lets the process and its libraries open what they open once. Anything else that
// is done once, by the first that is opened, is seen here.
func (w *watcher) warmUp(s *session) string {
	first := Check{ID: "the first Open and Send"}
	w.begins(first)
	defer func() {
		w.before.files = openFiles()
		w.ends(first)
	}()
	p, err := newProbe(s)
	if err != nil {
		return err.Error()
	}
	defer p.close()
	b, ok := p.open()
	if !ok {
		return p.found()[0].Message
	}
	v := p.send(b, sampleEvents(s.base.Add(-time.Hour), 0, 1))
	p.closeInTime(b)
	if network(s.subject) == "" && !v.late && v.err != nil && p.attempts() == 0 {
		// Nearly every check would say so in words of its own.
		return fmt.Sprintf("no request came through the proxy that the environment names: Send returned %v", v)
	}
	_ = os.Getenv(markEnv)
	settles(func() bool { return w.proxy.clients() == 0 })
	w.proxy.hangUp()
	w.goroutines("during " + first.ID + ": ")
	return ""
}

// sendsInBackground makes a backend fail in the ways after which one may try again
// behind the caller's back. Whatever comes later is seen by the watcher.
func sendsInBackground(p *probe) {
	for _, f := range backgroundFailures(connected(p.subject) == "") {
		b, ok := p.open()
		if !ok {
			return
		}
		f(p, b)
	}
	p.wire.dialServer()
	p.accept()
}

// backgroundFailures are those ways. A vendor can hang only where there is a connection.
func backgroundFailures(hangs bool) []func(*probe, driver.Backend) {
	reacting := func(r func(*probe) reaction, limit func() time.Duration) func(*probe, driver.Backend) {
		return func(p *probe, b driver.Backend) {
			p.server.reactWith(r(p))
			p.sendWithin(b, p.batch(2), limit())
		}
	}
	status := func(code int) func(*probe, driver.Backend) {
		return reacting(func(p *probe) reaction { return answer(p.answerWith(code)) }, longTime)
	}
	list := []func(*probe, driver.Backend){
		status(503), status(429), status(400), status(413), status(500), status(502), status(504),
		reacting(func(p *probe) reaction { return answer(p.subject.Accepted) }, longTime),
		reacting(func(*probe) reaction { return drop }, longTime),
		func(p *probe, b driver.Backend) { // nobody there
			p.wire.dialWith(refuse)
			p.send(b, p.batch(2))
			p.wire.dialServer()
		},
	}
	if !hangs {
		return list
	}
	return append(list,
		reacting(func(*probe) reaction { return hang }, func() time.Duration { return shortTime() / 3 }),
		func(p *probe, b driver.Backend) { // cancelled
			ctx, cancel := context.WithCancel(context.Background())
			p.server.reactWith(func(x *exchange) bool { cancel(); return hang(x) })
			p.sendUnder(ctx, b, p.batch(2), longTime())
			cancel()
		})
}

// lingers waits for what the backends of all checks, and some that are still open, send
// without being called.
func (w *watcher) lingers(s *session) {
	if w.subject.Driver.Local {
		return
	}
	s.base, w.now = s.base.Add(-time.Hour), "the last Sends"
	w.ticks()
	p, err := newProbe(s)
	if err != nil {
		return
	}
	defer p.close()
	sendsInBackground(p)
	// What was under way when Send gave up has arrived when the connections are gone.
	settles(func() bool { return p.quiet() })
	q, err := newProbe(s)
	if err != nil {
		return
	}
	defer q.close()
	before := p.attempts()
	time.Sleep(lingering())
	if n := p.attempts() - before; n > 0 {
		w.report(checkBackground, Finding{Message: fmt.Sprintf("%d requests were made after all Sends had returned, on connections that were open", n)})
	}
	for _, u := range q.wire.asked() {
		w.report(checkBackground, Finding{Message: "a connection to " + u.Host + " was made after all Sends had returned"})
	}
	p.mu.Lock()
	opened := p.opened
	p.mu.Unlock()
	for _, b := range opened {
		q.closeInTime(b)
	}
}

// waitsUntil goes on looking for what is sent without being asked for.
func (w *watcher) waitsUntil(s *session, end time.Time) {
	p, err := newProbe(s)
	if err != nil {
		return
	}
	defer p.close()
	time.Sleep(time.Until(end))
	for _, u := range p.wire.asked() {
		w.report(checkBackground, Finding{Message: "a connection to " + u.Host + " was made seconds after all Sends had returned"})
	}
}

// ticks looks for timers that go on although everything is closed: each time, one that has
// a function to call starts a goroutine.
func (w *watcher) ticks() {
	started := func() uint64 {
		sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
		if metrics.Read(sample); sample[0].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return sample[0].Value.Uint64()
	}
	const long = 1100 * time.Millisecond // a second is the commonest of periods
	var n uint64
	for range 3 { // a timer goes on, and what the runtime starts for itself does not
		before := started()
		time.Sleep(long)
		if n = started() - before; n == 0 {
			return
		}
	}
	w.report(checkLeft, Finding{Message: fmt.Sprintf("%d goroutines were started within %v after everything was closed: a timer is left", n, long)})
}

// quiet reports whether nothing has arrived for a while.
func (p *probe) quiet() bool {
	n := p.attempts()
	time.Sleep(50 * time.Millisecond)
	return p.attempts() == n
}
