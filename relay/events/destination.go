//go:build !notelemetry

package events

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/relay/internal/metrics"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
)

const (
	// linger is how long events wait for others to share a request with, while a request is
	// under way: with none, they go at once, so under load batches are what came in during the
	// last one. A CI job that sends inline loses a hundredth of a second.
	linger = 10 * time.Millisecond
	// maxSending is how many requests of one destination are under way: enough that one that
	// takes long does not hold up the others, and few enough that under load batches fill up.
	maxSending = 4
	// queueTime, sendTime and twice databaseTime together stay below the 20 s after which a tool
	// gives up waiting for an answer, so it gets one. What waited longer than queueTime for its
	// turn was not tried, and is asked for again.
	queueTime = 3 * time.Second
	sendTime  = 12 * time.Second
	// trips is how many failures in a row make a destination count as away. One alone may be
	// an event's fault, or a connection's.
	trips = 3
	// Pauses double from minPause. What the vendor asks for counts beyond maxPause, but after
	// maxAsked it is looked at again: tools come back by themselves much later.
	minPause = time.Second
	maxPause = time.Minute
	maxAsked = time.Hour
	// maxHalvings is how often a batch is halved of which the destination has taken nothing:
	// then something on the way refuses everything, whatever its size.
	maxHalvings = 12
)

// verdict is what became of an event at a destination.
type verdict uint8

const (
	later verdict = iota // not known to be there
	has
	never // refused for good
)

func (v verdict) String() string { return [...]string{"retry", "accepted", "rejected"}[v] }

// Destination is where the events of a tool go.
type Destination struct {
	// Name tells a tool's destinations apart, in metrics and in what is stored. It stays.
	Name string
	// Driver's Limits bound a batch, and its Warnings are counted.
	Driver driver.Driver
	// Backend was opened by the Driver. The caller closes it after the Gateway is done.
	Backend driver.Backend
}

// destination joins the events of many clients into batches of one destination.
type destination struct {
	Destination
	tool   string
	log    *slog.Logger
	counts *metrics.Counters
	// machines holds how many events each machine sends, where the vendor has a bound for that.
	machines *rates.Table

	mu      sync.Mutex
	queue   []item
	bytes   int // of the queue
	sending int
	timer   *time.Timer
	pause   pause
}

// item is an event that waits for its batch.
type item struct {
	share *share
	at    int // in the share
	bytes int
	since time.Time
}

// share is what one client sent to one destination.
type share struct {
	events   []driver.Event
	verdicts []verdict
	wait     time.Duration
	left     int // without a verdict
	done     chan struct{}
}

// pause says whether a destination is away.
type pause struct {
	failures int
	until    time.Time
}

func newDestination(tool string, d Destination, cfg *Config, counts *metrics.Counters) *destination {
	made := &destination{Destination: d, tool: tool, log: cfg.Log, counts: counts}
	if n := d.Driver.Limits.PerMinute; n > 0 {
		// What is saved up and what comes in within a minute together are n.
		made.machines = rates.New(rates.Rate{PerSecond: float64(n) / 120, Burst: max(n/2, 1)})
	}
	return made
}

// limits are the driver's, and the gateway's own where the driver has none.
func (d *destination) limits() (events, bytes int) {
	l := d.Driver.Limits
	events, bytes = maxEvents, maxBody
	if l.Events > 0 {
		events = min(events, l.Events)
	}
	if l.Bytes > 0 {
		bytes = min(bytes, l.Bytes)
	}
	return events, bytes
}

// submit queues the events of a client. When the share's done is closed, each has a verdict.
func (d *destination) submit(events []driver.Event, sizes []int) *share {
	s := &share{events: events, verdicts: make([]verdict, len(events)), left: len(events), done: make(chan struct{})}
	now := time.Now()
	_, most := d.limits()
	d.mu.Lock()
	defer d.mu.Unlock()
	if wait := d.pause.until.Sub(now); wait > 0 { // before a machine is charged for it
		for i := range events {
			s.settle(i, later, wait)
		}
		return s
	}
	for i := range events {
		switch limit := d.Driver.Limits.EventBytes; {
		case limit > 0 && sizes[i] > limit, sizes[i] > most:
			s.settle(i, never, 0)
			continue
		case d.machines != nil && events[i].MachineID != "":
			if wait := d.machines.Take(events[i].MachineID); wait > 0 {
				s.settle(i, later, wait)
				continue
			}
		}
		d.queue = append(d.queue, item{s, i, sizes[i], now})
		d.bytes += sizes[i]
	}
	d.pump()
	return s
}

// settle is called under the destination's lock, once for each event.
func (s *share) settle(i int, v verdict, wait time.Duration) {
	s.verdicts[i] = v
	if v == later {
		s.wait = max(s.wait, wait)
	}
	if s.left--; s.left == 0 {
		close(s.done)
	}
}

// pump sends what is due. It is called under the lock, whenever something has changed.
func (d *destination) pump() {
	now := time.Now()
	most, room := d.limits()
	for len(d.queue) > 0 {
		first := now.Sub(d.queue[0].since)
		if d.pause.until.After(now) || first >= queueTime {
			wait := max(d.pause.until.Sub(now), minPause)
			n := len(d.queue)
			if !d.pause.until.After(now) {
				n = 1
			}
			for _, it := range d.cut(n) {
				it.share.settle(it.at, later, wait)
			}
			continue
		}
		free := maxSending
		if d.pause.failures >= trips {
			free = 1 // to see whether it is back
		}
		full := len(d.queue) >= most || d.bytes >= room
		if d.sending < free && (full || d.sending == 0 || first >= linger) {
			n, sum := 0, 0
			for n < min(len(d.queue), most) && (n == 0 || sum+d.queue[n].bytes <= room) {
				sum += d.queue[n].bytes
				n++
			}
			d.sending++
			go d.send(d.cut(n))
			continue
		}
		next := queueTime - first
		if d.sending < free {
			next = linger - first
		}
		d.arm(next)
		return
	}
}

// arm has pump called after a time.
func (d *destination) arm(after time.Duration) {
	if d.timer != nil {
		d.timer.Reset(after)
		return
	}
	d.timer = time.AfterFunc(after, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.pump()
	})
}

// cut takes the first n out of the queue.
func (d *destination) cut(n int) []item {
	batch := slices.Clone(d.queue[:n])
	clear(d.queue[:n])
	d.queue = d.queue[n:]
	for _, it := range batch {
		d.bytes -= it.bytes
	}
	if len(d.queue) == 0 {
		d.queue = nil
	}
	return batch
}

func (d *destination) send(batch []item) {
	events := make([]driver.Event, len(batch))
	for i, it := range batch {
		events[i] = it.share.events[it.at]
	}
	// It does not end with a client's request: a batch is many clients', and an attempt that is
	// cut off leaves nobody knowing whether the vendor has the events.
	ctx, cancel := context.WithTimeout(context.Background(), sendTime)
	defer cancel()
	verdicts, wait := d.deliver(ctx, events)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, it := range batch {
		it.share.settle(it.at, verdicts[i], wait)
	}
	d.sending--
	d.pump()
}

// deliver sends a batch, in halves where it has to be, and returns what became of each event,
// and how long to wait with those that are to be sent again.
func (d *destination) deliver(ctx context.Context, events []driver.Event) ([]verdict, time.Duration) {
	a := attempt{d: d, events: events, verdicts: make([]verdict, len(events))}
	a.part(ctx, 0, len(events))
	if len(a.alone) > 0 && !a.took && a.err == nil {
		a.err = errRefusesAll
	}
	if a.took {
		for _, i := range a.alone {
			a.verdicts[i] = never // the vendor takes others, so these are too large
		}
	}
	var n [3]int
	for _, v := range a.verdicts {
		n[v]++
	}
	for v, n := range n {
		d.counts.Add(n, metricDestinationEvents, "tool", d.tool, "destination", d.Name, "outcome", verdict(v).String())
	}
	return a.verdicts, d.noted(a.err)
}

var (
	errRefusesAll = errors.New("everything is refused as too large, whatever its size")
	errPanic      = errors.New("the backend panicked")
)

// attempt is the delivery of one batch.
type attempt struct {
	d        *destination
	events   []driver.Event
	verdicts []verdict
	took     bool // something was taken
	halvings int
	alone    []int // refused as too large, each in a batch of its own
	err      error // for which the rest was not tried
}

// part sends the events from one to before another.
func (a *attempt) part(ctx context.Context, from, to int) {
	err := a.d.try(ctx, a.events[from:to])
	fill := func(v verdict) {
		for i := from; i < to; i++ {
			a.verdicts[i] = v
		}
	}
	switch driver.Classify(err) {
	case driver.ClassAccepted:
		a.took = true
		fill(has)
		a.warned(err)
	case driver.ClassPartial:
		a.took = true
		a.partial(err, from, to)
	case driver.ClassPermanent:
		fill(never)
	case driver.ClassTooLarge:
		a.halve(ctx, from, to)
	default:
		a.err = err
	}
}

func (a *attempt) halve(ctx context.Context, from, to int) {
	if to-from == 1 {
		size, limits := len(a.events[from].AppendJSON(nil)), a.d.Driver.Limits
		if nearly(size, limits.EventBytes) || nearly(size, limits.Bytes) {
			a.verdicts[from] = never
		} else {
			a.alone = append(a.alone, from)
		}
		return
	}
	if a.halvings++; a.halvings > maxHalvings && !a.took {
		a.err = errRefusesAll
		return
	}
	half := (from + to) / 2
	a.part(ctx, from, half)
	if a.err == nil {
		a.part(ctx, half, to)
	}
}

// nearly says that a size comes near a limit, so that an answer may be about it.
func nearly(size, limit int) bool { return limit > 0 && size > limit/2 }

func (a *attempt) partial(err error, from, to int) {
	partial, _ := errors.AsType[*driver.Partial](err)
	said := make(map[string]verdict, to-from)
	rest := later
	switch {
	case partial.Unnamed >= to-from:
		rest = never
	case partial.Unnamed > 0:
		rest = has // all are settled, and which of them were refused nobody knows
	}
	a.d.counts.Add(partial.Unnamed, metricUnnamed, "tool", a.d.tool, "destination", a.d.Name)
	for _, id := range partial.Accepted {
		said[id] = has
	}
	for _, id := range partial.Rejected {
		said[id] = never
	}
	for i := from; i < to; i++ {
		v, named := said[a.events[i].ID]
		if !named {
			v = rest
		}
		if a.verdicts[i] = v; v == later {
			a.err = err
		}
	}
	a.warned(err)
}

// warned counts what the vendor warned of.
func (a *attempt) warned(err error) {
	partial, ok := errors.AsType[*driver.Partial](err)
	if !ok || partial == nil {
		return
	}
	for name, n := range partial.Warnings {
		if !slices.ContainsFunc(a.d.Driver.Warnings, func(w driver.Warning) bool { return w.Name == name }) {
			name = "other"
		}
		a.d.counts.Add(n, metricWarnings, "tool", a.d.tool, "destination", a.d.Name, "warning", name)
	}
}

// try makes one attempt. A backend that panics has not said that it has the events. What it
// panicked with may hold some of them, so it is not repeated.
func (d *destination) try(ctx context.Context, events []driver.Event) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
		d.counts.Add(1, metricBatches, "tool", d.tool, "destination", d.Name, "outcome", driver.Classify(err).String())
	}()
	return d.Backend.Send(ctx, slices.Clone(events))
}

// noted remembers whether the destination is there, and returns how long to wait before it is
// asked again.
func (d *destination) noted(err error) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	was := d.pause
	if err == nil {
		d.pause = pause{}
		if was.failures >= trips {
			d.log.Info("a destination takes events again", "tool", d.tool, "destination", d.Name)
		}
		return 0
	}
	asked := min(driver.Wait(err), maxAsked)
	d.pause.failures++
	if driver.Classify(err) == driver.ClassPartial && asked == 0 {
		d.pause.failures = was.failures // it is there, and took some
	}
	wait := max(asked, minPause)
	if d.pause.failures >= trips {
		pause := minPause << min(d.pause.failures-trips, 10)
		wait = max(asked, min(pause, maxPause))
		wait += rand.N(wait/4 + 1) // else all that were sent away come back at once
	}
	if asked > 0 || d.pause.failures >= trips {
		if until := now.Add(wait); until.After(d.pause.until) {
			d.pause.until = until
		}
	}
	if was.failures < trips && d.pause.failures >= trips || asked > 0 && !was.until.After(now) {
		d.log.Warn("a destination takes no events", "tool", d.tool, "destination", d.Name,
			"class", driver.Classify(err).String(), "again_in", wait.Round(time.Second).String(), "error", plaintext.Line(err.Error(), maxLogged))
	}
	return wait
}

// maxLogged is a line of a log. Errors of backends hold no event content, keys or addresses of
// clients; that is their contract.
const maxLogged = 200

// away returns how long the destination is to be left alone.
func (d *destination) away() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(time.Until(d.pause.until), 0)
}
