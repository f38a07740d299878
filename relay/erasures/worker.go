package erasures

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// pace is how fast a relay works.
type pace struct {
	// attempt bounds one call of a requestor, which may be several requests.
	attempt time.Duration
	// grace is how long calls may take to end when Run is told to. Process managers wait
	// for 30 seconds or longer before they kill.
	grace time.Duration
	// firstRetry and lastRetry are the waits after a failure, doubling in between: from a
	// hiccup to an outage, in which four calls a day are enough.
	firstRetry, lastRetry time.Duration
	// firstPoll and lastPoll are the waits between two follow-ups: vendors take from hours
	// to weeks.
	firstPoll, lastPoll time.Duration
	// maxWait caps what a vendor may ask for.
	maxWait time.Duration
	// disk is the pause before a line that must not be lost is tried again.
	disk time.Duration
	// signals is how often the relay looks for what Retry left.
	signals time.Duration
}

var defaultPace = pace{
	attempt: 2 * time.Minute, grace: 20 * time.Second, firstRetry: time.Minute, lastRetry: 6 * time.Hour,
	firstPoll: 6 * time.Hour, lastPoll: 24 * time.Hour, maxWait: 24 * time.Hour, disk: 5 * time.Second, signals: time.Minute,
}

const (
	// atOnce is how many calls of one vendor of one tool run at the same time. Each has
	// its own: one that hangs holds up no other.
	atOnce = 4
	// maxLost is how often a vendor may not know its receipt. It can be right a few times:
	// PostHog's says so where something came in after the request, once a week at most.
	maxLost = 10
	// conflictWait is the pause where the same machine is being erased at a vendor of the
	// same name for another tool.
	conflictWait = time.Second
)

// notConfigured is the problem of an erasure whose vendor is not in Config.Tools.
const notConfigured = "this vendor is not configured any more: configure it again, under the same name"

// retryWait is the wait after so many failures in a row: doubling, and up to half as long
// again, so that not all come back at once.
func (p pace) retryWait(failures int) time.Duration {
	d := min(p.firstRetry<<min(failures, 16), p.lastRetry*2/3)
	return d + rand.N(d/2+1)
}

// pollWait is the wait for the next follow-up so long after the vendor took the request.
// The older it is, the less an hour matters.
func (p pace) pollWait(age time.Duration) time.Duration {
	d := min(max(age/4, p.firstPoll), p.lastPoll*5/6)
	return d + rand.N(d/5+1)
}

// wanted returns the wait that an error of a vendor asks for, 0 if it does not: at least as
// long as after a first failure, or a vendor that says "in a second" would fill the ledger.
func (p pace) wanted(err error) time.Duration {
	wait := driver.Wait(err)
	if wait <= 0 {
		return 0
	}
	return min(max(wait, p.firstRetry), p.maxWait)
}

// lane is the work for one vendor of one tool.
type lane struct {
	tool, vendor string
	requestor    deletion.Requestor // nil if it is not configured any more
	jobs         jobs
	running      int
	hold         time.Duration // no call before, by the ledger's clock: the vendor said so
}

func (l *lane) follower() (deletion.Follower, bool) {
	f, ok := l.requestor.(deletion.Follower)
	return f, ok
}

// job is what is to be done next for one erasure at one vendor.
type job struct {
	erasure *erasure
	vendor  int
	due     time.Duration
}

// jobs is a heap, what is due first on top, then what came first.
type jobs []job

func (j jobs) Len() int      { return len(j) }
func (j jobs) Swap(a, b int) { j[a], j[b] = j[b], j[a] }
func (j *jobs) Push(x any)   { *j = append(*j, x.(job)) }
func (j jobs) Less(a, b int) bool {
	return cmp.Or(cmp.Compare(j[a].due, j[b].due), cmp.Compare(j[a].erasure.number, j[b].erasure.number)) < 0
}

func (j *jobs) Pop() any {
	last := (*j)[len(*j)-1]
	*j = (*j)[:len(*j)-1]
	return last
}

// result is what a call came to.
type result struct {
	lane *lane
	job  job
	// next is when there is more to do, if more says so.
	next time.Duration
	more bool
	// hold is until when the vendor wants no call at all.
	hold time.Duration
}

// worker is the state of Run. Its fields are used by Run's goroutine alone, but for what
// the calls need, which does not change.
type worker struct {
	*Relay
	lanes map[[2]string]*lane
	busy  map[string]bool // machine ID and vendor of the calls that run
	calls context.Context //nolint:containedctx // it is that of a run
	done  chan result
	gone  chan struct{}
}

// Run asks vendors and follows up, from where the last run stopped, until ctx ends. Calls
// that run then get 20 seconds to end; the error says if some did not, which are made again
// by the next run.
func (r *Relay) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("the relay runs already")
	}
	defer r.running.Store(false)
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	w := &worker{
		Relay: r, lanes: map[[2]string]*lane{}, busy: map[string]bool{},
		calls: calls, done: make(chan result), gone: make(chan struct{}),
	}
	defer close(w.gone)
	w.resume()
	w.takeUp()
	signals := time.NewTicker(r.pace.signals)
	defer signals.Stop()
	for ctx.Err() == nil {
		next := w.start()
		select {
		case <-ctx.Done():
		case <-r.wake:
			w.greet()
		case d := <-w.done:
			w.finish(d)
		case <-next:
		case <-signals.C:
			w.takeUp()
		}
	}
	return w.stop(cancel)
}

// stop waits for the calls that run, and then for those that are cut off.
func (w *worker) stop(cancel func()) error {
	running := len(w.busy)
	wait := func(d time.Duration) {
		for over := time.After(d); running > 0; running-- {
			select {
			case <-w.done:
			case <-over:
				return
			}
		}
	}
	wait(w.pace.grace)
	cut := running
	cancel()
	// Requestors return soon after their context ends.
	wait(w.pace.grace / 10)
	// What has passed since the last line counts in full at the next start, but for this
	// nobody would know. An error is logged, and makes waits longer.
	_, _, _ = w.ledger.append(entry{Event: stopped})
	if cut > 0 {
		return fmt.Errorf("%d calls of vendors took too long to end, and are made again by the next run", cut)
	}
	return nil
}

// resume takes up everything that is open.
func (w *worker) resume() {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	w.ledger.book.fresh = nil
	for e := range w.ledger.book.open {
		w.add(e)
	}
}

// greet takes up what came in.
func (w *worker) greet() {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for _, e := range w.ledger.book.fresh {
		w.add(e)
	}
	w.ledger.book.fresh = nil
}

// add puts what there is to do for an erasure into the lanes. The ledger's mu is held.
func (w *worker) add(e *erasure) {
	for i := range e.vendors {
		v := &e.vendors[i]
		l := w.lane(e.key.tool, v.name)
		if _, follows := l.follower(); v.state != deletion.Requested && l.requestor != nil && !follows {
			continue
		}
		if v.state == deletion.Verified || v.halted() {
			continue
		}
		heap.Push(&l.jobs, job{e, i, v.next})
	}
}

func (w *worker) lane(tool, vendor string) *lane {
	key := [2]string{tool, vendor}
	if w.lanes[key] == nil {
		l := &lane{tool: tool, vendor: vendor}
		if i := slices.IndexFunc(w.tools[tool], func(v Vendor) bool { return v.Name == vendor }); i >= 0 {
			l.requestor = w.tools[tool][i].Requestor
		} else {
			w.log.Error("erasures wait for a vendor that is not configured any more", "tool", tool, "vendor", vendor)
		}
		w.lanes[key] = l
	}
	return w.lanes[key]
}

// verifiable reports whether it can still become known that a vendor has erased.
func (r *Relay) verifiable(tool string, v *vendorState) bool {
	if v.state == deletion.Verified {
		return false
	}
	i := slices.IndexFunc(r.tools[tool], func(o Vendor) bool { return o.Name == v.name })
	if v.state == deletion.Requested || v.halted() || i < 0 {
		return true
	}
	_, follows := r.tools[tool][i].Requestor.(deletion.Follower)
	return follows
}

// start starts what is due and returns a channel that tells when something else will be.
func (w *worker) start() <-chan time.Time {
	now := w.ledger.elapsed()
	next := time.Duration(-1)
	for _, l := range w.lanes {
		for l.running < atOnce && len(l.jobs) > 0 {
			due := max(l.jobs[0].due, l.hold)
			if due > now {
				if next < 0 || due < next {
					next = due
				}
				break
			}
			j := heap.Pop(&l.jobs).(job)
			key := w.busyKey(l, j)
			if w.busy[key] {
				j.due = now + conflictWait
				heap.Push(&l.jobs, j)
				continue
			}
			w.busy[key] = true
			l.running++
			go func() {
				select {
				case w.done <- w.work(l, j):
				case <-w.gone:
				}
			}()
		}
	}
	if next < 0 {
		return nil
	}
	return time.After(next - now)
}

func (w *worker) busyKey(l *lane, j job) string { return j.erasure.machineID() + " " + l.vendor }

func (w *worker) finish(d result) {
	d.lane.running--
	delete(w.busy, w.busyKey(d.lane, d.job))
	d.lane.hold = max(d.lane.hold, d.hold)
	if d.more {
		d.job.due = d.next
		heap.Push(&d.lane.jobs, d.job)
	}
}

// takeUp sees to what Retry left.
func (w *worker) takeUp() {
	files, err := os.ReadDir(w.ledger.dir)
	if err != nil {
		w.log.Error("looking for what the operator wants tried again", "error", err)
	}
	for _, f := range files {
		name, isRetry := strings.CutPrefix(f.Name(), retryPrefix)
		if !isRetry {
			continue
		}
		file := filepath.Join(w.ledger.dir, f.Name())
		id, _ := parseID(name)
		e := w.ledger.find(id)
		if e == nil {
			w.log.Warn("there is no such erasure to be tried again", "erasure", oneLine(name))
			os.Remove(file)
			continue
		}
		var halted []int
		w.ledger.mu.RLock()
		for i := range e.vendors {
			if e.vendors[i].halted() {
				halted = append(halted, i)
			}
		}
		w.ledger.mu.RUnlock()
		if len(halted) > 0 {
			if _, _, err := w.ledger.append(entry{Event: retried, ID: e.id}); err != nil {
				continue // the file is still there next time
			}
		}
		os.Remove(file)
		for _, i := range halted {
			heap.Push(&w.lane(e.key.tool, e.vendors[i].name).jobs, job{e, i, 0})
		}
		w.log.Info("the operator has an erasure tried again", "erasure", e.id, "vendors", len(halted))
	}
}

// work makes one call and writes down what it came to.
func (w *worker) work(l *lane, j job) result {
	w.ledger.mu.RLock()
	v := j.erasure.vendors[j.vendor]
	w.ledger.mu.RUnlock()
	line := entry{ID: j.erasure.id, Vendor: l.vendor}
	again := func(wait time.Duration) result {
		return result{lane: l, job: j, next: w.ledger.elapsed() + wait, more: true}
	}
	if l.requestor == nil {
		if v.problem != notConfigured {
			line.Event, line.Problem, line.Wait = failed, notConfigured, inMillis(w.pace.lastRetry)
			_ = w.ledger.persist(w.calls, line, w.pace.disk) // if not, the next start says so again
		}
		return again(w.pace.lastRetry)
	}
	doing := "erase"
	if v.state != deletion.Requested {
		doing = "status"
	} else if _, _, err := w.ledger.append(entry{Event: asking, ID: line.ID, Vendor: l.vendor}); err != nil {
		return again(w.pace.firstRetry)
	}
	got, err := w.call(l, j, v)
	if err != nil && w.calls.Err() != nil {
		return result{lane: l, job: j} // cut off by ourselves, which says nothing of the vendor
	}
	if err == nil {
		line.Receipt = stored(got)
		if text, e := json.Marshal(line.Receipt); e != nil || len(text) > maxReceipt {
			line.Receipt, err = nil, errors.New("the vendor's receipt is none that the ledger can hold")
		}
	}
	var outcome string
	if doing == "erase" {
		outcome = w.onErase(l, v, err, &line)
	} else {
		outcome = w.onStatus(j, v, err, &line)
	}
	w.counters.add(labelled(metricAttempts, "tool", l.tool, "vendor", l.vendor, "call", doing, "outcome", outcome))
	done := result{lane: l, job: j, more: true}
	if wait := w.pace.wanted(err); wait > 0 {
		done.hold = w.ledger.elapsed() + wait
	}
	if line.Event == "" { // nothing new
		done.next = w.ledger.elapsed() + line.Wait.duration()
		return done
	}
	if line.Problem != "" {
		line.Problem = describe(line.Problem, j.erasure.machineID())
	}
	if err := w.ledger.persist(w.calls, line, w.pace.disk); err != nil {
		return result{lane: l, job: j} // the next run asks again
	}
	w.tell(l, j, line)
	w.ledger.mu.RLock()
	defer w.ledger.mu.RUnlock()
	now := &j.erasure.vendors[j.vendor]
	_, follows := l.follower()
	done.next = now.next
	done.more = now.state == deletion.Requested || follows && now.state != deletion.Verified && !now.halted()
	return done
}

// onErase says what an answer to a request comes to.
func (w *worker) onErase(l *lane, v vendorState, err error, line *entry) (outcome string) {
	switch class := driver.Classify(err); {
	case err == nil:
		line.Event = answered
		if _, follows := l.follower(); follows && waits(line.Receipt.State) {
			line.Wait = inMillis(w.pace.pollWait(0))
		}
		return string(handedOver(line.Receipt.State))
	case class == driver.ClassPermanent || class == driver.ClassTooLarge:
		line.Event, line.Problem = refused, err.Error()
		return "refused"
	}
	line.Event, line.Problem = failed, err.Error()
	if wait := w.pace.wanted(err); wait > 0 {
		line.Wait = inMillis(wait)
		return "throttled"
	}
	line.Wait = inMillis(w.pace.retryWait(v.failures))
	return "failed"
}

// onStatus says what an answer to a follow-up comes to. Without an Event there is nothing
// to write down.
func (w *worker) onStatus(j job, v vendorState, err error, line *entry) (outcome string) {
	line.Wait = inMillis(max(w.pace.pollWait(w.ledger.elapsed()-v.asked), w.pace.wanted(err)))
	switch {
	case err == nil:
		if v.receipt == nil || !line.Receipt.equal(*v.receipt) || v.problem != "" {
			line.Event = checked
		}
		if !waits(line.Receipt.State) {
			line.Wait = 0
		}
		return string(handedOver(line.Receipt.State))
	case errors.Is(err, deletion.ErrUnknownReceipt):
		line.Event, line.Problem = lost, err.Error()
		line.Wait = inMillis(w.pace.wanted(err))
		if v.lost+1 >= maxLost {
			line.Event, line.Wait = refused, 0
			line.Problem = fmt.Sprintf("asked %d times, and there is no such receipt or something is left every time: %v", v.attempts, err)
		}
		return "lost"
	}
	// The request stands: what cannot be learned is only how far it is.
	if text := describe(err.Error(), j.erasure.machineID()); text != v.problem {
		line.Event, line.Problem = failed, err.Error()
	}
	if w.pace.wanted(err) > 0 {
		return "throttled"
	}
	return "failed"
}

func waits(s deletion.State) bool {
	s = handedOver(s)
	return s == deletion.Delivered || s == deletion.Acknowledged
}

// call calls the vendor once. A requestor that panics has failed, no more: it may be a
// stranger's.
func (w *worker) call(l *lane, j job, v vendorState) (got deletion.Receipt, err error) {
	ctx, cancel := context.WithTimeout(w.calls, w.pace.attempt)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = errors.New("the requestor panicked")
		}
	}()
	if v.state != deletion.Requested {
		f, _ := l.follower() // or there would be no job
		return f.Status(ctx, v.receipt.receipt())
	}
	return l.requestor.RequestDeletion(ctx, deletion.Request{
		Tool: l.tool, MachineID: j.erasure.machineID(), RequestedAt: j.erasure.boundAt(w.now()),
	})
}

// boundAt is the RequestedAt that vendors get, some of which erase and look up to that
// time. It is the relay's and not the tool's: one that a wrong clock puts years back would
// spare everything. It is only in the future if the clock was ahead when the request came,
// and then the present does, since the quiet period is over.
func (e *erasure) boundAt(now time.Time) time.Time {
	if now.After(epoch) && now.Before(e.asOf) {
		return now.UTC()
	}
	return e.asOf
}

// tell logs what a person may have to know.
func (w *worker) tell(l *lane, j job, line entry) {
	about := []any{"erasure", line.ID, "tool", l.tool, "vendor", l.vendor}
	if line.Problem != "" {
		about = append(about, "problem", line.Problem)
	}
	switch {
	case line.Event == refused:
		w.log.Error("a vendor refuses an erasure: a person has to act", about...)
	case line.Event == lost:
		w.log.Warn("a vendor does not know its receipt, or something is left: it is asked again", about...)
	case line.Event == failed:
		w.log.Warn("a call of a vendor failed, and is made again", append(about, "wait", line.Wait.duration().Round(time.Second))...)
	case line.Receipt == nil:
	case line.Receipt.State == deletion.Refused, line.Receipt.State == deletion.Manual:
		w.log.Error("a vendor leaves an erasure to a person", append(about, "detail", describe(line.Receipt.Detail, j.erasure.machineID()))...)
	case line.Receipt.State == deletion.Verified:
		w.log.Info("a vendor has erased", about...)
	default:
		w.log.Info("a vendor has an erasure in hand", about...)
	}
}
