package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

func collectorChecks() []Check {
	const long = 4 * time.Minute
	kept := []need{keepsSomething}
	return []Check{
		{ID: "collector/random-failures", Level: Must, watchdog: long, needs: kept,
			Sentence: "Behind the real queue, whatever fails in whatever order: no event is lost, and one arrives twice only with the same ID and only after an unknown outcome.", do: randomFailures},
		{ID: "collector/killed-after-answer", Level: Must, where: here, watchdog: long, needs: kept,
			Sentence: "A process that is killed between the vendor's answer and the end of its work loses nothing, and what is sent again has the same IDs and times.", do: killedAfterAnswer},
		{ID: "collector/eight-processes", Level: Must, where: here, watchdog: long, slow: true, needs: kept,
			Sentence: "Eight processes that record and deliver at the same time deliver every event exactly once.", do: eightProcesses},
		{ID: "collector/consent-withdrawn", Level: Must, watchdog: long,
			Sentence: "When consent is withdrawn in the middle of a delivery, nothing is sent after the batch that was under way.", do: consentWithdrawn},
		{ID: "collector/consent-id", Level: Must, watchdog: long, needs: kept,
			Sentence: "An event arrives with the ID of the decision under which it was recorded, and after a new decision with another.", do: consentIDs},
		{ID: "collector/413-splits", Level: Must, watchdog: long, needs: []need{splits},
			Sentence: "A batch that is too large comes again in smaller ones, down to the event that the vendor does not want; its neighbours arrive.", do: splitBatches},
		{ID: "collector/400-costs-one-event", Level: Must, watchdog: long, needs: []need{spoilt},
			Sentence: "Where one event spoils a batch, that event is lost and reported, and its neighbours arrive once.", do: spoiltBatch},
		{ID: "collector/oversized-event", Level: Must, watchdog: long, needs: kept,
			Sentence: "An event above the driver's limit is refused without an attempt and without touching its neighbours.", do: oversizedEvent},
	}
}

// rig is a tool whose telemetry goes through the real collector to the subject.
type rig struct {
	tool    props.Tool
	state   string
	skipped atomic.Int64 // hours that the tool's clock is ahead
	printed string       // the file that is Config.Stdout
}

// newRig makes a tool in the directory state. around, where not nil, goes around every
// Send.
func newRig(s *Subject, state string, w *wire, limits driver.Limits, around func(ctx context.Context, send func() error) error) *rig {
	r := &rig{state: state, printed: filepath.Join(state, "printed")}
	d := s.Driver
	d.Name = "conformance-" + d.Name // the built-in ones have their names already
	if limits.Events > 0 {
		d.Limits.Events = limits.Events
	}
	if limits.EventBytes > 0 {
		d.Limits.EventBytes = limits.EventBytes
	}
	d.Open = func(c driver.Config) (driver.Backend, error) {
		w.setIn(&c)
		c.Stdout, c.Dir = appendTo(r.printed), filepath.Join(state, "files")
		b, err := s.Driver.Open(c)
		if err != nil || around == nil {
			return b, err
		}
		return surrounded{b, around}, nil
	}
	r.tool = props.Tool{
		Name: toolName, Version: toolVersion, Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Backend: d.Name, Drivers: []driver.Driver{d}, Settings: s.settings(endpoint), Headers: s.Headers,
			MaxEventAge: 10 * 365 * 24 * time.Hour, // the clock is turned on by days
		},
	}
	return r
}

func (r *rig) options() []core.Option {
	return []core.Option{
		core.WithStateDir(filepath.Join(r.state, "telemetry")),
		core.WithEnv(func(string) (string, bool) { return "", false }),
		core.WithPolicyFile(filepath.Join(r.state, "no-policy")),
		core.WithUploadCommand("-test.run=^$"), // a process that does nothing, should one be started
		core.WithClock(func() time.Time { return time.Now().Add(time.Duration(r.skipped.Load()) * time.Hour) }),
	}
}

func (r *rig) manager() *core.Manager { return core.NewManager(r.tool, r.options()...) }

// track records events and leaves them waiting. They can be delivered when the returned
// collector has been sealed, or its process has ended.
func (r *rig) track(first, count int, size int) (*core.Collector, error) {
	c, err := core.Open(r.tool, r.options()...)
	if err != nil {
		return nil, err
	}
	if !c.Enabled() {
		return nil, errors.New("the collector is off")
	}
	for n := first; n < first+count; n++ {
		extra := map[string]string{"n": fmt.Sprint(n)}
		for i := 0; i < size; i += 1000 {
			extra[fmt.Sprint("pad-", i)] = strings.Repeat("word ", 200)
		}
		c.TrackCommand(fmt.Sprint("event ", n), int64(n), 0, extra)
	}
	return c, nil
}

// surrounded is a backend with something around its Send.
type surrounded struct {
	driver.Backend
	around func(context.Context, func() error) error
}

func (s surrounded) Send(ctx context.Context, events []driver.Event) error {
	return s.around(ctx, func() error { return s.Backend.Send(ctx, events) })
}

// appendTo is a writer that several processes may use at once.
type appendTo string

func (path appendTo) Write(b []byte) (int, error) {
	f, err := os.OpenFile(string(path), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Write(b)
}

// newRig makes a rig whose consent is given.
func (p *probe) newRig(limits driver.Limits, around func(context.Context, func() error) error) (*rig, bool) {
	r := newRig(p.subject, p.dir, p.wire, limits, around)
	if err := r.manager().Enable(false, ""); err != nil {
		p.failOnly("consent could not be stored: %v", err)
		return nil, false
	}
	return r, true
}

// delivered is everything that has arrived through a rig, but for the collector's own
// reports of losses, which are counted.
func (p *probe) delivered(r *rig) (list []Received, losses int, ok bool) {
	all, ok := p.arrivedAt(r)
	for _, e := range all {
		if strings.HasPrefix(e.Type, "telemetry.") {
			losses++
		} else {
			list = append(list, e)
		}
	}
	return list, losses, ok
}

func (p *probe) arrivedAt(r *rig) ([]Received, bool) {
	if !p.subject.Driver.Local || p.subject.Discards {
		return p.arrived()
	}
	text, err := os.ReadFile(r.printed)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.failOnly("%v", err)
		return nil, false
	}
	list, err := p.subject.Read(Output{Stdout: text, Dir: filepath.Join(r.state, "files")})
	if errors.Is(err, os.ErrNotExist) {
		return nil, true // nothing yet
	}
	if err != nil {
		p.failOnly("what was delivered cannot be read: %v", err)
	}
	return list, err == nil
}

// flush delivers what waits.
func (r *rig) flush(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := r.manager().Flush(ctx, nil)
	return err
}

// tracks lets another process record events and deliver.
func (p *probe) tracks(first, count int) (*child, error) {
	return p.start(orders{Role: "track", State: p.dir, First: first, Count: count}, keptEnvironment(), "")
}

// tracked records events that then wait.
func (p *probe) tracked(r *rig, first, count, size int) bool {
	err := errors.New("a Flush under a cancelled context returned nil, three times")
	for range 3 {
		c, failed := r.track(first, count, size)
		if failed != nil {
			err = failed
			break
		}
		// A Flush that is cancelled hands the events over and sends nothing. (Close would
		// deliver where the backend is local or the machine a container.)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if c.Flush(ctx) != nil {
			return true
		}
		// Nothing waits: on a machine as busy as this the collector gave up the lock, and the events.
	}
	p.failOnly("the collector could not record: %v", err)
	return false
}

func childTracks(o *orders, s *Subject) (a account) {
	w, err := o.wire()
	if err != nil {
		return account{Problem: err.Error()}
	}
	r := newRig(s, o.State, w, driver.Limits{}, nil)
	c, err := r.track(o.First, o.Count, 0)
	if err != nil {
		return account{Problem: err.Error()}
	}
	// As a command does at its end, or what a slow lock keeps in memory would go with it.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Flush(ended)
	// Another one may be delivering: what it leaves, the last one takes.
	if err := r.flush(longTime()); err != nil {
		a.Errors = append(a.Errors, err.Error())
	}
	return a
}

// childIsStranded delivers, and waits to be killed once the vendor has accepted a batch
// that the queue still holds.
func childIsStranded(o *orders, s *Subject) account {
	w, err := o.wire()
	if err != nil {
		return account{Problem: err.Error()}
	}
	r := newRig(s, o.State, w, driver.Limits{}, func(_ context.Context, send func() error) error {
		err := send()
		if err == nil {
			_ = os.WriteFile(filepath.Join(o.State, strandedMark), nil, 0o600)
			select {}
		}
		return err
	})
	err = r.flush(longTime())
	return account{Problem: fmt.Sprint("no batch was accepted: ", err)}
}

const strandedMark = "stranded"

// judge says what is wrong with what arrived of n events.
func (p *probe) judge(n int, list []Received, unknown map[string]bool) {
	ids := map[string][]string{}
	count := map[string]int{}
	times := map[string]time.Time{}
	for _, e := range list {
		if count[e.ID]++; count[e.ID] == 1 {
			ids[e.Name] = append(ids[e.Name], e.ID)
			times[e.ID] = e.Time
		} else if !times[e.ID].Equal(e.Time) {
			p.failf("%q came again with another time: %v, then %v", e.Name, times[e.ID], e.Time)
		}
	}
	for i := range n {
		name := fmt.Sprint("event ", i)
		switch of := ids[name]; {
		case len(of) == 0:
			p.failf("%q is lost", name)
		case len(of) > 1:
			p.failf("%q was sent under %d IDs: %q", name, len(of), of)
		case count[of[0]] > 1 && !unknown[of[0]]:
			p.failf("%q arrived %d times, although its acceptance was answered", name, count[of[0]])
		}
		delete(ids, name)
	}
	for name := range ids {
		p.failf("%q arrived, which nobody recorded", name)
	}
}

func randomFailures(p *probe) {
	const events, rounds, goodRounds = 60, 60, 20
	r, ok := p.newRig(driver.Limits{Events: 4}, p.failLocally())
	if !ok || !p.tracked(r, 0, events, 0) {
		return
	}
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(p.seed, 0))
	unknown := map[string]bool{}
	var taken []Received
	round, spent := 0, 0
	// Every kind of failure once or more, whatever the seed.
	first := append(random.Perm(8), random.Perm(8)...)
	// A backend that has used up the whole time of some deliveries would do it for minutes.
	good := func() bool { return round >= rounds-goodRounds || spent >= 2 && len(first) == 0 }
	p.server.set(func(s *server) {
		s.greet = func(c *net.TCPConn) bool {
			mu.Lock()
			defer mu.Unlock()
			if !good() && random.IntN(8) == 0 {
				reset(c)
				return false
			}
			return true
		}
		s.react = func(x *exchange) bool {
			mu.Lock()
			defer mu.Unlock()
			list, _ := p.decode(x)
			choice := random.IntN(8)
			if len(first) > 0 {
				choice, first = first[0], first[1:]
			}
			if good() {
				choice = 0
			}
			switch choice {
			case 3:
				return answer(p.answerWith(503))(x)
			case 4:
				a := p.answerWith(429)
				a.Header = http.Header{"Retry-After": {"60"}}
				return answer(a)(x)
			case 5:
				return drop(x) // the vendor had not looked at it
			case 6:
				taken = append(taken, list...)
				for _, e := range list {
					unknown[e.ID] = true
				}
				return drop(x)
			case 7:
				return answer(Answer{Type: "text/html", Body: portal})(x)
			}
			taken = append(taken, list...)
			return answer(p.subject.Accepted)(x)
		}
	})
	for waiting := true; waiting && round < rounds; {
		limit, started := patient(10*time.Second), time.Now()
		_ = r.flush(limit) // its errors are the point
		r.skipped.Add(25)  // beyond every wait
		waiting = r.manager().Status().Queue.Events > 0
		mu.Lock()
		if round++; time.Since(started) >= limit {
			spent++
			for _, e := range taken { // an answer that came too late was none
				unknown[e.ID] = true
			}
		}
		mu.Unlock()
	}
	if waits := r.manager().Status().Queue.Events; waits > 0 {
		p.failf("%d events still wait after %d deliveries to a vendor that accepts everything", waits, goodRounds)
	}
	mu.Lock()
	list := slices.DeleteFunc(taken, func(e Received) bool { return strings.HasPrefix(e.Type, "telemetry.") })
	mu.Unlock()
	if p.subject.Driver.Local {
		list, _, _ = p.delivered(r)
	}
	p.judge(events, list, unknown)
	if len(p.found()) > 0 {
		p.failOnly("replay this order of failures with -conformance.seed=%d", p.seed)
	}
}

// failLocally makes a delivery that reaches no network fail now and then.
func (p *probe) failLocally() func(context.Context, func() error) error {
	if !p.subject.Driver.Local {
		return nil
	}
	random := rand.New(rand.NewPCG(p.seed, 1))
	failed := 0
	return func(ctx context.Context, send func() error) error {
		if failed < 20 && random.IntN(2) == 0 {
			failed++
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx.Err()
		}
		return send()
	}
}

func killedAfterAnswer(p *probe) {
	const events = 6
	r, ok := p.newRig(driver.Limits{}, nil)
	if !ok || !p.tracked(r, 0, events, 0) {
		return
	}
	c, err := p.start(orders{Role: "stranded", State: p.dir}, keptEnvironment(), "")
	if err != nil {
		p.failOnly("a child process could not be started: %v", err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	for stranded := false; !stranded; {
		select {
		case err := <-ended:
			p.failf("the delivering process ended before a batch was accepted: %v\n%s", err, c.stderr.String())
			return
		case <-time.After(10 * time.Millisecond):
			_, err := os.Stat(filepath.Join(p.dir, strandedMark))
			stranded = err == nil
		case <-p.wire.over:
			_ = c.cmd.Process.Kill()
			return
		}
	}
	_ = c.cmd.Process.Kill()
	<-ended
	list, _, _ := p.delivered(r)
	unknown := map[string]bool{}
	for _, e := range list {
		unknown[e.ID] = true // nobody wrote the answer down
	}
	if err := r.flush(longTime()); err != nil {
		p.failf("the next process could not deliver: %v", err)
	}
	if list, _, ok = p.delivered(r); ok {
		p.judge(events, list, unknown)
	}
}

func eightProcesses(p *probe) {
	const each = 12
	processes := 8
	if p.options.fewProcesses {
		processes = 2
	}
	r, ok := p.newRig(driver.Limits{}, nil)
	if !ok {
		return
	}
	var children []*child
	for i := range processes {
		c, err := p.tracks(i*each, each)
		if err != nil {
			p.failOnly("a child process could not be started: %v", err)
			break
		}
		children = append(children, c)
	}
	for _, c := range children {
		if a, err := c.wait(patient(90 * time.Second)); err != nil {
			p.failOnly("%v", err)
		} else if a.Problem != "" {
			p.failOnly("a process could not record: %s", a.Problem)
		}
	}
	r.skipped.Add(25)
	// What a process could not write, because the machine kept it from its slot for longer
	// than a person's command waits, the collector has counted. No backend has seen it.
	unwritten := r.manager().Status().Lost["unwritten"]
	if err := r.flush(longTime()); err != nil {
		p.failf("what the processes left could not be delivered: %v", err)
	}
	list, _, ok := p.delivered(r)
	if !ok {
		return
	}
	for n := range processes * each {
		name := fmt.Sprint("event ", n)
		if unwritten > 0 && !slices.ContainsFunc(list, func(e Received) bool { return e.Name == name }) {
			unwritten--
			list = append(list, Received{ID: name, Name: name})
			p.note("the machine is too busy for its processes to record: the collector counted what it could not write")
		}
	}
	p.judge(processes*each, list, nil)
}

func consentWithdrawn(p *probe) {
	var r *rig
	var ok bool
	var sends, requests int
	r, ok = p.newRig(driver.Limits{Events: 4}, func(_ context.Context, send func() error) error {
		sends++
		if sends == 2 {
			// Disable would wait seconds for the delivery that is under way, which is this one.
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := r.manager().Disable(ended); err != nil {
				p.failOnly("consent could not be withdrawn: %v", err)
			}
		}
		err := send()
		p.settle()
		requests = len(p.server.seen())
		return err
	})
	if !ok || !p.tracked(r, 0, 20, 0) {
		return
	}
	_ = r.flush(longTime())
	if sends != 2 {
		p.failf("%d batches were handed to the backend, consent was withdrawn during the second", sends)
	}
	if !p.tracksNothing(r) {
		p.failOnly("events are recorded after consent was withdrawn")
	}
	_ = r.flush(longTime())
	time.Sleep(shortTime() / 3) // for what is done behind the collector's back
	if n := len(p.server.seen()) - requests; n > 0 {
		p.failf("%d requests arrived after consent had been withdrawn and the last Send had returned", n)
	}
	if n := r.manager().Status().Queue.Events; n > 0 {
		p.failOnly("%d events still wait after consent was withdrawn", n)
	}
}

func consentIDs(p *probe) {
	const each = 2
	r, ok := p.newRig(driver.Limits{}, nil)
	if !ok {
		return
	}
	var want []string
	for round := range 2 {
		if round > 0 {
			_, err := r.manager().Disable(context.Background())
			if err == nil {
				err = r.manager().Enable(false, "")
			}
			if err != nil {
				p.failOnly("a person could not decide anew: %v", err)
				return
			}
			r.skipped.Add(25)
		}
		want = append(want, r.manager().Stored().Receipt)
		if !p.tracked(r, round*each, each, 0) {
			return
		}
		if err := r.flush(longTime()); err != nil {
			p.failf("what was recorded could not be delivered: %v", err)
		}
	}
	if want[0] == want[1] {
		p.failOnly("two decisions have the same ID")
	}
	list, _, ok := p.delivered(r)
	if !ok {
		return
	}
	arrived := map[string]string{}
	for _, e := range list {
		arrived[e.Name] = e.ConsentID
	}
	for n := range 2 * each {
		name := fmt.Sprint("event ", n)
		if id, there := arrived[name]; !there {
			p.failf("%q did not arrive", name)
		} else if id != want[n/each] {
			p.failf("%q arrived with the consent ID %q, want %q", name, id, want[n/each])
		}
	}
}

func (p *probe) tracksNothing(r *rig) bool {
	c, err := core.Open(r.tool, r.options()...)
	return err == nil && !c.Enabled()
}

func splitBatches(p *probe) {
	const events, poison = 9, 5
	r, ok := p.newRig(driver.Limits{}, nil)
	if !ok || !p.tracked(r, 0, events, 0) {
		return
	}
	var mu sync.Mutex
	var taken []Received
	p.server.reactWith(func(x *exchange) bool {
		list, _ := p.decode(x)
		bad := slices.ContainsFunc(list, func(e Received) bool { return e.Name == fmt.Sprint("event ", poison) })
		if len(list) > 2 || bad {
			return answer(p.answerWith(http.StatusRequestEntityTooLarge))(x)
		}
		mu.Lock()
		taken = append(taken, list...)
		mu.Unlock()
		return answer(p.subject.Accepted)(x)
	})
	for range 3 {
		_ = r.flush(longTime())
		r.skipped.Add(25)
	}
	mu.Lock()
	defer mu.Unlock()
	list := slices.DeleteFunc(taken, func(e Received) bool { return strings.HasPrefix(e.Type, "telemetry.") })
	// The refused one is what may be missing; the judge wants all.
	list = append(list, Received{ID: "refused", Name: fmt.Sprint("event ", poison)})
	p.judge(events, list, nil)
}

func spoiltBatch(p *probe) {
	const events, poison, rounds = 9, 5, 8
	r, ok := p.newRig(driver.Limits{}, nil)
	if !ok || !p.tracked(r, 0, events, 0) {
		return
	}
	var mu sync.Mutex
	var taken []Received
	p.server.reactWith(func(x *exchange) bool {
		list, _ := p.decode(x)
		if slices.ContainsFunc(list, func(e Received) bool { return e.Name == fmt.Sprint("event ", poison) }) {
			return answer(p.answerWith(http.StatusBadRequest))(x)
		}
		mu.Lock()
		taken = append(taken, list...)
		mu.Unlock()
		return answer(p.subject.Accepted)(x)
	})
	for range rounds {
		_ = r.flush(longTime())
		r.skipped.Add(25)
		if r.manager().Status().Queue.Events == 0 {
			break
		}
	}
	if n := r.manager().Status().Queue.Events; n > 0 {
		p.failf("%d events still wait, the one that the vendor does not want among them", n)
	}
	mu.Lock()
	defer mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(taken), func(e Received) bool { return strings.HasPrefix(e.Type, "telemetry.") })
	if len(list) == len(taken) {
		p.failf("the loss of the event that the vendor does not want was not reported")
	}
	p.judge(events, append(list, Received{ID: "refused", Name: fmt.Sprint("event ", poison)}), nil)
}

func oversizedEvent(p *probe) {
	r, ok := p.newRig(driver.Limits{EventBytes: 6000}, nil)
	if !ok || !p.tracked(r, 0, 3, 0) || !p.tracked(r, 3, 1, 10_000) || !p.tracked(r, 4, 3, 0) {
		return
	}
	for range 2 { // the second brings the report of the loss
		if err := r.flush(longTime()); err != nil {
			p.failf("the neighbours of an event above the limit could not be delivered: %v", err)
			return
		}
		r.skipped.Add(25)
	}
	list, losses, ok := p.delivered(r)
	if !ok {
		return
	}
	if slices.ContainsFunc(list, func(e Received) bool { return e.Name == "event 3" }) {
		p.failf("an event above the driver's EventBytes was sent")
	}
	if losses == 0 {
		p.failf("the loss of an event above the limit was not reported")
	}
	p.judge(7, append(list, Received{ID: "refused", Name: "event 3"}), nil)
}
