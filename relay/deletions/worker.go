//go:build !notelemetry

package deletions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

// pace is how fast a relay works.
type pace struct {
	// attempt bounds one call of a requestor, which may be several requests.
	attempt time.Duration
	// lease is for how long work is claimed. What dies in the meantime gives it back then. It is
	// far above what asking and writing the answer down takes, or two would ask.
	lease time.Duration
	// grace is how long calls may take to end when Run is told to. Process managers wait for
	// 30 seconds or longer before they kill.
	grace time.Duration
	// firstRetry and lastRetry are the waits after a failure, doubling in between: from a
	// hiccup to an outage, in which four calls a day are enough.
	firstRetry, lastRetry time.Duration
	// firstPoll and lastPoll are the waits between two follow-ups: vendors take from hours
	// to weeks.
	firstPoll, lastPoll time.Duration
	// lastLook is when what was verified is counted once more: by then the slowest of a
	// vendor's places shows what came in late.
	lastLook time.Duration
	// maxWait caps what a vendor may ask for.
	maxWait time.Duration
	// disk is the pause before something that must not be lost is written again.
	disk time.Duration
	// look is how often the relay looks for what other processes left in the database.
	look time.Duration
	// note is how often it is taken down how late it is, where nothing else is.
	note time.Duration
	// watch is how often the canaries, the due dates and the evidence are looked at.
	watch time.Duration
}

var defaultPace = pace{
	attempt: 2 * time.Minute, lease: 10 * time.Minute, grace: 20 * time.Second, firstRetry: time.Minute, lastRetry: 6 * time.Hour,
	firstPoll: 6 * time.Hour, lastPoll: 24 * time.Hour, lastLook: 7 * 24 * time.Hour, maxWait: 24 * time.Hour,
	disk: 5 * time.Second, look: time.Minute, note: time.Hour, watch: 24 * time.Hour,
}

const (
	// atOnce is how many calls of one vendor of one tool run at the same time in a process.
	// Each vendor has its own: one that hangs holds up no other.
	atOnce = 4
	// maxLost is how often a vendor may not know its receipt. It can be right a few times:
	// PostHog's says so where something came in after the request, once a week at most.
	maxLost = 10
)

// errTaken: another run works on it.
var errTaken = errors.New("another process has taken it over")

// retryWait is the wait after so many failures in a row: doubling, and up to half as long
// again, so that not all come back at once.
func (p pace) retryWait(failures int64) time.Duration {
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
	queue
	Vendor
	running int    // calls
	hold    millis // no call before, by the ledger's clock: the vendor said so
	// at is when there is something to do, if due says that there is, unless that is stale.
	at         millis
	due, stale bool
	// canary says that the known machine was looked up, and nextCanary when that is to be done
	// again.
	canary     bool
	nextCanary millis
	// soonCanary is that where the vendor could not be asked.
	soonCanary millis
}

func (l *lane) tool() string { return l.lane[0] }

func (l *lane) follows() bool { _, ok := l.Requestor.(deletion.Follower); return ok }

// job is one thing to be done for one deletion at one vendor.
type job struct {
	key
	request *requestState
	vendor  vendorState
	doing   todo
}

// result is what a call came to.
type result struct {
	lane *lane
	keys []key
	// hold is until when the vendor wants no call at all.
	hold millis
	// canary says that it was the known machine that was looked up, and away that the vendor
	// could not be asked.
	canary, away bool
}

// worker is the state of Run. Its fields are used by Run's goroutine alone, but for what
// the calls need, which does not change.
type worker struct {
	*Relay
	holder string // the name of this run, for what it claims
	lanes  []*lane
	// missing are the lanes of vendors that are not configured any more.
	missing map[[2]string]bool
	busy    map[key]*lane
	calls   context.Context //nolint:containedctx // it is that of a run
	done    chan result
	gone    chan struct{}
	// away says that the database does not answer.
	away bool
	// begun says that no vendor is left alone any more for what was before this run.
	begun bool
	// seen is how many steps there were when it was looked last: more of them may mean more to do.
	seen int64
	// nextWatch is when the due dates and the evidence are looked at again.
	nextWatch millis
}

// Run asks vendors and follows up, from where the last run of any process stopped, until ctx
// ends. Calls that run then get 20 seconds to end; the error says if some did not, which are
// made again by the next run.
func (r *Relay) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("the relay runs already")
	}
	defer r.running.Store(false)
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	w := &worker{
		Relay: r, holder: newReceiptID(), busy: map[key]*lane{}, missing: map[[2]string]bool{}, seen: -1,
		calls: calls, done: make(chan result), gone: make(chan struct{}),
	}
	defer close(w.gone)
	for tool, vendors := range r.tools {
		for _, v := range vendors {
			w.lanes = append(w.lanes, &lane{queue: queue{lane: [2]string{tool, v.Name}}, Vendor: v})
		}
	}
	for next := time.Now(); ctx.Err() == nil; {
		if !time.Now().Before(next) {
			next = time.Now().Add(w.work())
		}
		select {
		case <-ctx.Done():
		case <-w.wake: // what came in is due after the quiet period, and no sooner
			next = earlier(next, time.Now().Add(w.quiet))
		case d := <-w.done:
			w.finish(d)
			next = time.Now()
		case <-time.After(time.Until(next)):
		}
	}
	return w.stop(cancel)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// work starts what is due, and returns how long there is nothing more to start.
func (w *worker) work() time.Duration {
	wait, err := w.startAll()
	switch {
	case err != nil && !w.away:
		w.log.Error("no vendor is asked until the ledger can be read and written", "error", err)
	case err == nil && w.away:
		w.log.Info("vendors are asked again")
	}
	if w.away = err != nil; w.away {
		return w.pace.disk
	}
	return max(wait, 0)
}

func (w *worker) startAll() (time.Duration, error) {
	if err := w.visit(); err != nil {
		return 0, err
	}
	wait := w.pace.look
	for _, l := range w.lanes {
		next, err := w.start(l)
		if err != nil {
			return 0, err
		}
		wait = min(wait, next)
	}
	return wait, nil
}

// visit looks at what other processes left, and at what is looked at once a day. Now and then it
// takes down how late it is.
func (w *worker) visit() error {
	if w.ledger.behind(w.pace.note) {
		if err := w.ledger.tick(); err != nil {
			return err
		}
	}
	a, err := w.ledger.Head(w.calls)
	if err != nil {
		return err
	}
	if !w.begun {
		if err := w.begin(); err != nil {
			return err
		}
		w.begun = true
	}
	if a.Lines != w.seen {
		if err := w.takeUp(); err != nil {
			return err
		}
		w.seen = a.Lines
		for _, l := range w.lanes {
			l.stale = true
		}
	}
	if now := w.ledger.elapsed(); now >= w.nextWatch {
		w.nextWatch = now + inMillis(w.pace.watch)
		w.watch(w.calls)
	}
	return nil
}

// begin ends the time in which vendors were to be left alone: a start is what follows on another
// key. Where it is not, the first call brings it back.
func (w *worker) begin() error {
	return w.ledger.db.Write(w.calls, func(tx *store.Tx) error {
		for _, l := range w.lanes {
			if _, err := tx.Exec(w.calls, `INSERT INTO deletion_lanes (tool, vendor, hold, canary) VALUES (?, ?, 0, '')
				ON CONFLICT (tool, vendor) DO UPDATE SET hold = 0`, l.lane[0], l.lane[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// takeUp reads what vendors told other processes, and says of which deletions the vendor is not
// configured any more. Those stay due, for the day on which it is.
func (w *worker) takeUp() error {
	return w.ledger.db.Read(w.calls, func(tx *store.Tx) error {
		return tx.Query(w.calls, func(scan func(...any) error) error {
			var of [2]string
			var hold millis
			var waits int64
			if err := scan(&of[0], &of[1], &hold, &waits); err != nil {
				return err
			}
			i := slices.IndexFunc(w.lanes, func(l *lane) bool { return l.lane == of })
			if i >= 0 {
				w.lanes[i].hold = hold // which a person may have ended
			} else if waits > 0 && !w.missing[of] {
				w.missing[of] = true
				w.log.Error("deletions wait for a vendor that is not configured any more", "tool", of[0], "vendor", of[1])
			}
			return nil
		}, `SELECT tool, vendor, hold, CASE WHEN EXISTS
			(SELECT 1 FROM deletion_vendors v WHERE v.tool = l.tool AND v.vendor = l.vendor AND v.todo > 0) THEN 1 ELSE 0 END FROM deletion_lanes l`)
	})
}

// start starts what is due in a lane, and returns how long there is nothing more to start.
func (w *worker) start(l *lane) (time.Duration, error) {
	now := w.ledger.elapsed()
	if l.hold > now {
		return (l.hold - now).duration(), nil
	}
	if l.running >= atOnce {
		return w.pace.look, nil // or when a call ends
	}
	if l.Canary != "" && l.looks() && now >= l.nextCanary {
		l.nextCanary = now + inMillis(w.pace.watch)
		l.soonCanary = now + inMillis(w.pace.firstPoll)
		l.running++
		go w.send(func() result { return w.lookUpCanary(l) })
	}
	if l.Canary != "" && l.looks() && !l.canary {
		return w.pace.look, nil // until it is known what the vendor's answers are worth
	}
	if l.stale {
		var err error
		if l.at, l.due, err = l.next(w.calls, w.ledger.db); err != nil {
			return 0, err
		}
		l.stale = false
	}
	if !l.due {
		return w.pace.look, nil
	}
	if l.at > now {
		return (l.at - now).duration(), nil
	}
	l.stale = true
	for n, more := 0, true; more && n < admitRounds; n++ {
		var err error
		if more, err = l.admit(w.calls, w.ledger.db, now); err != nil {
			return 0, err
		}
	}
	most := 1
	if b, ok := l.Requestor.(deletion.Bulk); ok {
		most = b.MaxBulk()
	}
	jobs, err := l.claim(w.calls, w.ledger.db, w.holder, w.busy, now, now+inMillis(w.pace.lease), atOnce-l.running, most)
	if err != nil || len(jobs) == 0 {
		return w.pace.look, err
	}
	var asking []job
	for _, j := range jobs {
		w.busy[j.key] = l
		if j.doing == ask {
			asking = append(asking, j)
		} else {
			w.call(l, []job{j})
		}
	}
	if _, bulk := l.Requestor.(deletion.Bulk); bulk && len(asking) > 0 {
		w.call(l, asking)
	} else {
		for _, j := range asking {
			w.call(l, []job{j})
		}
	}
	if l.running >= atOnce {
		return w.pace.look, nil
	}
	return 0, nil // there may be more
}

func (w *worker) call(l *lane, jobs []job) {
	l.running++
	go w.send(func() result { return w.do(l, jobs) })
}

func (w *worker) send(f func() result) {
	select {
	case w.done <- f():
	case <-w.gone:
	}
}

func (w *worker) finish(d result) {
	d.lane.running--
	d.lane.stale = true
	for _, k := range d.keys {
		delete(w.busy, k)
	}
	d.lane.hold = max(d.lane.hold, d.hold)
	d.lane.canary = d.lane.canary || d.canary
	if d.away {
		d.lane.nextCanary = d.lane.soonCanary
	}
}

// stop waits for the calls that run, and then for those that are cut off.
func (w *worker) stop(cancel func()) error {
	running := func() (n int) {
		for _, l := range w.lanes {
			n += l.running
		}
		return n
	}
	wait := func(d time.Duration) {
		for over := time.After(d); running() > 0; {
			select {
			case d := <-w.done:
				w.finish(d)
			case <-over:
				return
			}
		}
	}
	wait(w.pace.grace)
	cut := running()
	cancel()
	// Requestors return soon after their context ends.
	wait(w.pace.grace / 10)
	ctx, end := context.WithTimeout(context.Background(), maxWrite)
	defer end()
	if keys := slices.Collect(maps.Keys(w.busy)); len(keys) > 0 {
		// An error is logged, and then the lease says when they are taken up.
		if err := giveBack(ctx, w.ledger.db, w.holder, w.ledger.elapsed(), keys...); err != nil {
			w.log.Error("giving back what was under way", "error", err)
		}
	}
	// What has passed since the last write counts in full at the next start, but for this
	// nobody would know. An error is logged, and makes waits longer.
	_ = w.ledger.tick()
	if cut > 0 {
		return fmt.Errorf("%d calls of vendors took too long to end, and are made again by the next run", cut)
	}
	return nil
}

// do makes one call and writes down what it came to. It returns when that is durable.
func (w *worker) do(l *lane, jobs []job) result {
	done := result{lane: l}
	for _, j := range jobs {
		done.keys = append(done.keys, j.key)
	}
	began := time.Now()
	if jobs[0].doing == ask {
		var err error
		if jobs, err = w.asking(jobs); err != nil || len(jobs) == 0 {
			return done // the lease says when they are tried again
		}
	}
	if time.Since(began) > w.pace.lease-2*w.pace.attempt {
		return done // the database took so long that another may have them by now
	}
	// What is left of the lease is for writing down.
	counting, end := context.WithDeadline(w.calls, began.Add(w.pace.lease/2))
	defer end()
	var err error
	for i, out := range w.ask(l, jobs) {
		left := int64(0)
		if out.Err == nil && out.Receipt.State == deletion.Verified {
			left, out.Err = w.count(counting, l, jobs[i].request.machine)
		}
		if out.Err != nil && w.calls.Err() != nil {
			// This one and those after it were cut off by ourselves, which says nothing of the
			// vendor. They are given back.
			done.keys = nil
			for _, j := range jobs[:i] {
				done.keys = append(done.keys, j.key)
			}
			return done
		}
		if failed := w.settle(l, jobs[i], out, left); w.pace.wanted(failed) > w.pace.wanted(err) {
			err = failed
		}
	}
	if wait := w.pace.wanted(err); wait > 0 {
		done.hold = w.ledger.elapsed() + inMillis(wait)
		w.tellHold(l, done.hold)
	}
	return done
}

// tellHold lets other processes know that a vendor wants no call.
func (w *worker) tellHold(l *lane, until millis) {
	err := w.ledger.db.Write(w.calls, func(tx *store.Tx) error {
		_, err := tx.Exec(w.calls, `UPDATE deletion_lanes SET hold = ? WHERE tool = ? AND vendor = ? AND hold < ?`,
			int64(until), l.lane[0], l.lane[1], int64(until))
		return err
	})
	if err != nil {
		w.log.Error("telling other processes that a vendor wants to be left alone", "error", err)
	}
}

// asking writes down that vendors are about to be asked, and returns those of the jobs that
// are still this run's.
func (w *worker) asking(jobs []job) (own []job, err error) {
	err = w.ledger.write(func(ctx context.Context, b *batch) error {
		own = nil
		for _, j := range jobs {
			r, v, err := w.mine(ctx, b, j)
			if err != nil {
				return err
			}
			if v == nil || v.state != deletion.Requested {
				continue
			}
			if err := b.advance(ctx, r, &entry{Event: asking, Vendor: v.name}); err != nil {
				return err
			}
			j.vendor = *v
			own = append(own, j)
		}
		return nil
	})
	return own, err
}

// mine reads a deletion anew, and its vendor if this run still holds it.
func (w *worker) mine(ctx context.Context, b *batch, j job) (*requestState, *vendorState, error) {
	r, err := one(ctx, b.Tx, `number = ?`, j.key.number)
	if err != nil || r == nil || int(j.position) >= len(r.vendors) {
		return r, nil, err
	}
	if v := &r.vendors[j.position]; v.holder == w.holder {
		return r, v, nil
	}
	return r, nil, nil
}

// record writes down a step of a job, unless another process has taken it over.
func (w *worker) record(j job, e entry) error {
	e.Vendor = j.vendor.name
	err := w.ledger.persist(w.calls, func(ctx context.Context, b *batch) error {
		r, v, err := w.mine(ctx, b, j)
		if err != nil {
			return err
		}
		if v == nil {
			return errTaken
		}
		e := e
		return b.advance(ctx, r, &e)
	}, w.pace.disk)
	if errors.Is(err, errTaken) {
		w.log.Warn("what a vendor answered came too late: another process has taken the deletion over, or a person has", "deletion", j.request.id)
	}
	return err
}

// ask makes one call of the vendor for each job, or one for all if there are several.
func (w *worker) ask(l *lane, jobs []job) []deletion.Outcome {
	ctx, cancel := context.WithTimeout(w.calls, w.pace.attempt)
	defer cancel()
	if bulk, ok := l.Requestor.(deletion.Bulk); ok && len(jobs) > 1 {
		var requests []deletion.Request
		for _, j := range jobs {
			requests = append(requests, w.request(j))
		}
		var outcomes []deletion.Outcome
		err := guarded(func() (err error) { outcomes, err = bulk.RequestDeletions(ctx, requests); return err })
		if err == nil && len(outcomes) != len(jobs) {
			err = errors.New("the requestor answered for another number of requests than it was given")
		}
		if err != nil {
			outcomes = slices.Repeat([]deletion.Outcome{{Err: err}}, len(jobs))
		}
		return outcomes
	}
	var out deletion.Outcome
	j := jobs[0]
	out.Err = guarded(func() (err error) {
		switch j.doing {
		case ask:
			out.Receipt, err = l.Requestor.RequestDeletion(ctx, w.request(j))
		case follow:
			if f, ok := l.Requestor.(deletion.Follower); ok && j.vendor.receipt != nil {
				out.Receipt, err = f.Status(ctx, j.vendor.receipt.receipt())
			} else if j.vendor.receipt != nil {
				out.Receipt = j.vendor.receipt.receipt()
			}
		case again:
			out.Receipt = j.vendor.receipt.receipt()
		}
		return err
	})
	return []deletion.Outcome{out}
}

// guarded calls a requestor. One that panics has failed, no more: it may be a stranger's.
func guarded(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the requestor panicked")
		}
	}()
	return f()
}

func (w *worker) request(j job) deletion.Request {
	return deletion.Request{Tool: j.request.tool, MachineID: j.request.machine, RequestedAt: j.request.boundAt(w.now())}
}

// boundAt is the RequestedAt that vendors get, some of which delete and look up to that
// time. It is the relay's and not the tool's: one that a wrong clock puts years back would
// spare everything. It is only in the future if the clock was ahead when the request came,
// and then the present does, since the quiet period is over.
func (r *requestState) boundAt(now time.Time) time.Time {
	if now.After(epoch) && now.Before(r.bound) {
		return now.UTC()
	}
	return r.bound
}

// settle writes down what one job came to, with so many events left where the vendor says that it
// has deleted. It returns the vendor's error.
func (w *worker) settle(l *lane, j job, out deletion.Outcome, left int64) error {
	var e entry
	err := out.Err
	if err == nil {
		e.Receipt = stored(out.Receipt)
		if text, failed := json.Marshal(e.Receipt); failed != nil || len(text) > maxReceipt {
			e.Receipt, err = nil, errors.New("the vendor's receipt is none that the ledger can hold")
		}
	}
	var call, outcome string
	switch j.doing {
	case ask:
		call, outcome = "delete", w.onDelete(l, j, left, err, &e)
	case follow:
		call, outcome = "status", w.onStatus(l, j, left, err, &e)
	default:
		call, outcome = "count", w.onCount(j, left, err, &e)
	}
	w.counters.Add(1, metricAttempts, "tool", l.tool(), "vendor", l.Name, "call", call, "outcome", outcome)
	if e.Event == "" { // nothing new
		_ = giveBack(w.calls, w.ledger.db, w.holder, w.ledger.elapsed()+e.Wait, j.key) // if not, the lease says when
		return err
	}
	if e.Problem != "" {
		e.Receipt, e.Problem = nil, describe(e.Problem, j.request.machine)
	}
	if w.record(j, e) == nil {
		e.Wait = max(e.Wait, inMillis(w.pace.wanted(err)))
		w.tell(l, j, e)
	}
	return err
}

// onDelete says what an answer to a request comes to.
func (w *worker) onDelete(l *lane, j job, left int64, err error, e *entry) (outcome string) {
	switch class := driver.Classify(err); {
	case err == nil && left > 0:
		return w.onLeft(j, left, e)
	case err == nil:
		e.Event = answered
		e.Wait = w.after(l, e.Receipt.State, 0)
		return string(handedOver(e.Receipt.State))
	case class == driver.ClassPermanent || class == driver.ClassTooLarge:
		e.Event, e.Problem = refused, err.Error()
		return "refused"
	}
	e.Event, e.Problem = failed, err.Error()
	if w.pace.wanted(err) > 0 {
		e.Wait = inMillis(w.pace.firstRetry) // none is called before the vendor's hold ends
		return "throttled"
	}
	e.Wait = inMillis(w.pace.retryWait(j.vendor.failures))
	return "failed"
}

// after is the wait for the next look at a vendor that is in a state, 0 if there is none.
func (w *worker) after(l *lane, s deletion.State, age time.Duration) millis {
	switch s = handedOver(s); {
	case s == deletion.Verified:
		if _, counts := l.Requestor.(deletion.Counter); counts {
			return inMillis(w.pace.lastLook)
		}
	case l.follows() && (s == deletion.Delivered || s == deletion.Acknowledged):
		return inMillis(w.pace.pollWait(age))
	}
	return 0
}

// onStatus says what an answer to a follow-up comes to. Without an Event there is nothing
// to write down.
func (w *worker) onStatus(l *lane, j job, left int64, err error, e *entry) (outcome string) {
	age := (w.ledger.elapsed() - j.vendor.asked).duration()
	e.Wait = inMillis(max(w.pace.pollWait(age), w.pace.wanted(err)))
	switch {
	case err == nil && left > 0:
		return w.onLeft(j, left, e)
	case err == nil:
		if j.vendor.receipt == nil || !e.Receipt.equal(*j.vendor.receipt) || j.vendor.problem != "" {
			e.Event = checked
			e.Wait = w.after(l, e.Receipt.State, age)
		}
		return string(handedOver(e.Receipt.State))
	case errors.Is(err, deletion.ErrUnknownReceipt):
		w.onLost(j, err, e)
		return "lost"
	}
	// The request stands: what cannot be learned is only how far it is.
	if text := describe(err.Error(), j.request.machine); text != j.vendor.problem {
		e.Event, e.Problem = failed, err.Error()
	}
	if w.pace.wanted(err) > 0 {
		return "throttled"
	}
	return "failed"
}

// onCount says what the last look at a vendor that had deleted comes to.
func (w *worker) onCount(j job, left int64, err error, e *entry) (outcome string) {
	*e = entry{Receipt: e.Receipt}
	switch {
	case err != nil:
		e.Wait = inMillis(max(w.pace.lastRetry, w.pace.wanted(err)))
		if text := describe(err.Error(), j.request.machine); text != j.vendor.problem {
			e.Event, e.Problem = failed, err.Error()
		}
		return "failed"
	case left > 0:
		e.Event, e.Problem = reopened, fmt.Sprintf("it had deleted, and later %d events were there: they came in late", left)
		return "left"
	}
	e.Event, e.Receipt = confirmed, nil
	return string(deletion.Verified)
}

// onLeft is for a vendor that says that it has deleted, and still counts something.
func (w *worker) onLeft(j job, left int64, e *entry) (outcome string) {
	w.onLost(j, fmt.Errorf("it says that it has deleted, and counts %d events", left), e)
	if e.Event == lost {
		e.Wait = inMillis(w.pace.firstPoll)
	}
	return "left"
}

func (w *worker) onLost(j job, err error, e *entry) {
	e.Event, e.Problem = lost, err.Error()
	e.Wait = inMillis(w.pace.wanted(err))
	if j.vendor.lost+1 >= maxLost {
		e.Event, e.Wait = refused, 0
		e.Problem = fmt.Sprintf("asked %d times, and there is no such receipt or something is left every time: %v", j.vendor.attempts, err)
	}
}

// tell logs what a person may have to know.
func (w *worker) tell(l *lane, j job, e entry) {
	about := []any{"deletion", j.request.id, "tool", l.tool(), "vendor", l.Name}
	if e.Problem != "" {
		about = append(about, "problem", e.Problem)
	}
	switch {
	case e.Event == refused:
		w.log.Error("a vendor refuses a deletion: a person has to act", about...)
	case e.Event == reopened:
		w.log.Error("something of a deletion that was verified is there again: the vendor is asked again", about...)
	case e.Event == lost:
		w.log.Warn("a vendor does not know its receipt, or something is left: it is asked again", about...)
	case e.Event == failed:
		w.log.Warn("a call of a vendor failed, and is made again", append(about, "wait", e.Wait.duration().Round(time.Second).String())...)
	case e.Event == confirmed:
		w.log.Info("a vendor has nothing of a deletion, as of a while later", about...)
	case e.Receipt == nil:
	case e.Receipt.State == deletion.Refused, e.Receipt.State == deletion.Manual:
		w.log.Error("a vendor leaves a deletion to a person", append(about, "detail", describe(e.Receipt.Detail, j.request.machine))...)
	case e.Receipt.State == deletion.Verified:
		w.log.Info("a vendor has deleted", about...)
	default:
		w.log.Info("a vendor has a deletion in hand", about...)
	}
}
