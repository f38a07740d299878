package core

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/redact"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// Caps of what an author hands over. They bound an event to some 40 KiB, which every
// vendor takes, and the time that Track can take whatever it is given.
const (
	maxMetadata = 32
	maxKey      = 64
	maxValue    = 1024
	maxName     = 256
	maxError    = 512
	maxFlags    = 32
	maxFlag     = 64
)

// minRoom is the room in a slot below which another one is taken: most events are smaller.
const minRoom = 2 << 10

// Collector records events. It implements props.Collector, and may be used by several
// goroutines at once. The zero value and nil are not usable; Open always returns one
// that is.
type Collector struct {
	in *installation
	on atomic.Bool
	// owes says that deletion requests may be pending, whether telemetry is on or not.
	owes bool
	// opened is the receipt of the answer that stood then, "" if there was none.
	opened string
	// debug is set where events are shown in place of being recorded.
	debug *debugLog

	mu       sync.Mutex
	slot     *slot   // what is written to, nil before the first event
	granted  grant   // under which the last slot was taken, or the last start noted
	taking   *taking // a slot that is being taken, where locks are slow
	local    bool    // the last slot was for this machine only
	scrub    *redact.Scrubber
	static   []pair // the author's Metadata, scrubbed and sorted, where nothing is declared
	keys     map[string]*metadataKey
	specs    map[props.EventType]*spec // of declared events that were recorded
	recorded bool                      // something was, since Open or Close
	single   bool                      // so was something that is not folded
	crowded  bool                      // the queue was found filling up
	unstored unstored                  // events that the disk did not take
	lost     map[string]int            // events that were not recorded, by reason, not yet reported
	retryAt  time.Time                 // not before this after a failure
	// uncountable says that losses could not be written down.
	uncountable bool
	inside      *insideUpload // for a command that runs for long

	// running are the notes of the commands that run. A file that nothing refers to is closed,
	// which would look as if its command's process had ended. slowLocks says that no more are
	// made.
	running   map[*slot]bool
	slowLocks bool

	run     string // its ID, "" before it is needed
	encoder *encoder
	line    []byte // of the event being recorded, reused
}

var _ props.Collector = (*Collector)(nil)

// retryDelay is how long a collector waits after the disk refused an event: a burst on
// a full disk must not cost the command a failing system call each.
const retryDelay = time.Second

// Open returns the collector of a tool. It is never nil: without a yes, or
// something is wrong, it does nothing. The error, a *driver.ConfigError, reports a
// mistake in what the author declared, a receiver without the feature among them; the tool
// can go on with the collector all the same. Nothing is written, and no network is used.
//
// With TELEMETRY_DEBUG=log in the environment the collector prints to stderr what it would
// record, also without a yes, and Close says where that is nothing. Then nothing is
// stored and no host is contacted.
//
// In the background process that a collector of the same tool started, Open delivers
// what waits and ends the process. Call it before the tool does anything of its own.
func Open(tool props.Tool, options ...Option) (*Collector, error) {
	return newInstallation(tool, options).open()
}

func (in *installation) open() (*Collector, error) {
	c := &Collector{in: in}
	if in.debugs() {
		c.debug = newDebugLog(in)
	}
	if !in.tool.Features.Enabled(props.TelemetryCmd) {
		c.debug.nothing("the tool's author has not turned telemetry on")
		return c, in.forgottenFeature()
	}
	if omitted {
		c.debug.nothing("this program was built without telemetry")
		return c, nil
	}
	if isBackground(in) {
		runBackground(in) // does not return
	}
	c.owes = in.dirErr == nil && c.debug == nil
	if err := in.check(); err != nil {
		c.debug.nothing("the tool's declaration has a mistake")
		return c, err
	}
	decision := in.decide()
	c.opened = decision.Stored.Receipt
	if in.dirErr != nil {
		c.debug.nothing(in.dirErr.Error())
		return c, nil
	}
	if !decision.Enabled && c.debug == nil {
		return c, nil
	}
	if !decision.LocalOnly {
		switch s, err := in.selectBackend(); {
		case err != nil:
			c.debug.nothing(err.Error())
			return c, err
		case s.reachesNobody():
			c.debug.nothing("the tool names no receiver")
			return c, nil
		}
	}
	c.on.Store(true)
	return c, nil
}

// Enabled reports whether events are recorded.
func (c *Collector) Enabled() bool { return c.on.Load() }

// BackendInfo says where events go, whether or not they are recorded.
func (c *Collector) BackendInfo() props.BackendInfo {
	if c.in.decide().LocalOnly {
		return localLog().info()
	}
	s, err := c.in.selectBackend()
	if err != nil {
		return props.Discard{}.BackendInfo()
	}
	return s.info()
}

// Track records an event; see props.Collector.
func (c *Collector) Track(eventType props.EventType, name string, extra map[string]string) {
	if !c.on.Load() {
		return
	}
	c.record(event{kind: eventType, name: name}, extra)
}

// TrackCommand records that a command ran; see props.Collector.
func (c *Collector) TrackCommand(name string, durationMs int64, exitCode int, extra map[string]string) {
	if !c.on.Load() {
		return
	}
	c.record(event{
		kind: props.EventCommandInvocation, name: name, timed: true, durationMS: durationMs, exitCode: exitCode,
		class: classOfExitCode(exitCode),
	}, extra)
}

// TrackCommandExtended is TrackCommand with arguments and error; see props.Collector.
func (c *Collector) TrackCommandExtended(name string, args []string, durationMs int64, exitCode int, errMsg string, extra map[string]string) {
	if !c.on.Load() {
		return
	}
	if !c.in.tool.Telemetry.ExtendedCollection {
		args, errMsg = nil, ""
	}
	c.record(event{
		kind: props.EventCommandInvocation, name: name, timed: true, durationMS: durationMs, exitCode: exitCode,
		args: args, errMsg: errMsg, class: classOfExitCode(exitCode),
	}, extra)
}

// event is what a caller of Track says.
type event struct {
	id         string // "" for a new one
	kind       props.EventType
	name       string
	timed      bool // it is a command's: kind is ours, durationMS and exitCode mean something
	durationMS int64
	exitCode   int
	args       []string
	flags      []string
	errMsg     string
	class      props.ErrorClass
	note       *slot // that the command runs, nil where there is none
	folded     bool  // it is recorded as a record of one
	sampleRate int
}

// record completes, scrubs and stores one event.
func (c *Collector) record(input event, extra map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.complete(&input) {
		return
	}
	now := c.in.now()
	err := c.ready(now, minRoom)
	if errors.Is(err, errOff) {
		return
	}
	if err == nil && input.note != nil && input.note.receipt.ID != c.slot.receipt.ID && input.note.ended(c.in) {
		return
	}
	if err == nil && input.timed && input.note == nil && c.beganBeforeANo(now.Add(-time.Duration(input.durationMS)*time.Millisecond), c.slot.receipt) {
		return
	}
	inMemory := err != nil && c.mayKeepInMemory()
	if err != nil && !inMemory {
		c.lose(spool.LossUnwritten, 1)
		c.countLost()
		return
	}
	var count tally
	if loss := c.admit(&input, extra, now, &count); loss != "" {
		c.lose(loss, 1)
		c.countLost()
		return
	}
	if len(input.args) > 0 {
		var argsCut, argsRedacted int
		input.args, argsCut, argsRedacted = c.scrubber().Args(input.args, strings.Fields(input.name)...)
		count.cut, count.redacted = count.cut+argsCut, count.redacted+argsRedacted
	}
	if len(input.flags) > 0 {
		input.flags = count.scrubbedFlags(input.flags)
	}
	if input.errMsg != "" {
		text, cut := c.scrubber().ErrorText(input.errMsg, maxError)
		count.add(input.errMsg, text, cut)
		input.errMsg = text
	}
	c.line = c.encoder.appendEvent(c.line[:0], now, &input)
	c.line = append(c.encoder.appendEnd(c.line, &input, count), '\n')
	if inMemory {
		if c.debug != nil {
			c.debug.show(c.line)
		} else {
			c.unstored.add(c.in, c.line)
		}
		return
	}
	if err := c.store(now); err != nil {
		c.lose(spool.LossUnwritten, 1)
		c.countLost()
		return
	}
	c.single = c.single || !input.folded
	if !c.recorded {
		c.recorded = true
		c.startInside()
	}
}

// beganBeforeANo reports whether a command that began at that time did so under a yes that a no
// has ended since: a no takes back also what began before it, whatever was said after. The times
// of answers are kept in whole seconds. Of a command that was noted when it began its note tells.
// now is the receipt that it would be recorded under.
func (c *Collector) beganBeforeANo(began time.Time, now consent.Receipt) bool {
	if c.opened == "" || now.ID == c.opened || !began.Before(now.At.Add(time.Second)) {
		return false
	}
	_, err := c.in.store().InForce(c.opened)
	return errors.Is(err, consent.ErrRetired)
}

// complete says how an event is recorded as the author declares it. It returns false where
// its run is one that sampling leaves out.
func (c *Collector) complete(e *event) bool {
	e.sampleRate = c.in.sampleRate(e.kind)
	if e.sampleRate > 1 && !isSampled(c.runID(), e.sampleRate) {
		c.debug.sampled(e.sampleRate)
		return false
	}
	if e.folded = c.in.folds(e.kind); e.folded {
		e.args, e.errMsg = nil, ""
	}
	return true
}

// store appends the line to the slot, or to the next one if it does not fit.
func (c *Collector) store(now time.Time) error {
	err := c.slot.writer.Append(c.line)
	if errors.Is(err, spool.ErrFull) {
		c.crowded = true
		c.seal()
		if err := c.ready(now, len(c.line)); err != nil {
			if errors.Is(err, spool.ErrFull) {
				c.retryAt = time.Time{} // too large for any slot: that says nothing of the next
			}
			return err
		}
		err = c.slot.writer.Append(c.line)
	}
	if err != nil {
		c.failed(now)
	}
	return err
}

// mayKeepInMemory reports whether an event that the disk does not take may be of use yet:
// where a slot is only late it is stored then, and where this command sends by itself
// anyhow, it need not be stored.
func (c *Collector) mayKeepInMemory() bool {
	if c.debug == nil && (c.unstored.full() || c.taking == nil && !c.sendsUnstored()) {
		return false
	}
	if c.encoder == nil {
		c.prepare()
	}
	return true
}

// tally counts what of an event is not as the author gave it.
type tally struct{ cut, redacted int }

// add counts a value of which kept is what was kept.
func (t *tally) add(value, kept string, cut bool) {
	if cut {
		t.cut++
	}
	if redact.Replaced(value, kept, cut) {
		t.redacted++
	}
}

// nameless is a Scrubber that knows no names, and is never changed. Made where it is used,
// it would be allocated.
var nameless redact.Scrubber

// scrubbed returns a name of the author's without what it must not hold. The names of the
// person are left in it: where an account is called "build", the command `build` is not
// that person.
func (t *tally) scrubbed(name string, limit int) string {
	kept, cut := nameless.Value(name, limit)
	t.add(name, kept, cut)
	return kept
}

// scrubbedFlags returns names of flags as they may be kept: without dashes before them, and
// without a value that the caller handed over as well. What is no name is left out.
func (t *tally) scrubbedFlags(names []string) []string {
	list := make([]string, 0, min(len(names), maxFlags))
	for _, given := range names {
		name, value, _ := strings.Cut(strings.TrimLeft(given, "-"), "=")
		if len(list) == maxFlags || !isFlagName(name) {
			t.cut++
			continue
		}
		if value != "" {
			t.redacted++
		}
		list = append(list, t.scrubbed(name, maxFlag))
	}
	return list
}

func isFlagName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:", r)
	}) < 0
}

// admit leaves of an event's type, name and metadata what may be kept, the metadata in the
// encoder. It returns why there is no event left, "" if there is.
func (c *Collector) admit(input *event, extra map[string]string, now time.Time, count *tally) (loss string) {
	config := &c.in.tool.Telemetry
	if !declares(config) {
		input.name = count.scrubbed(input.name, maxName)
		if !input.timed { // else the type is one of ours
			input.kind = props.EventType(count.scrubbed(string(input.kind), maxName))
		}
		if input.kind == "" {
			return spool.LossInvalid
		}
		c.putScrubbed(extra, count)
	} else {
		if input.kind == "" {
			return spool.LossInvalid
		}
		today := c.encoder.date(now)
		s := c.spec(input.kind, today)
		if s == nil {
			return spool.LossUndeclared
		}
		input.name = s.keepName(input.name, count)
		c.encoder.pairs = c.encoder.pairs[:0]
		c.putDeclared(s, today, config.Metadata, count)
		c.putDeclared(s, today, extra, count)
	}
	for _, p := range c.encoder.pairs {
		if p.cut || p.key.count.cut > 0 {
			count.cut++
		}
		if p.redacted || p.key.count.redacted > 0 {
			count.redacted++
		}
	}
	return ""
}

// putScrubbed puts the author's pairs and the call's, which win, into the encoder.
func (c *Collector) putScrubbed(extra map[string]string, count *tally) {
	c.encoder.pairs = append(c.encoder.pairs[:0], c.static...)
	allowed := c.in.tool.Telemetry.MetadataKeys
	for name, value := range extra {
		if allowed != nil && !slices.Contains(allowed, name) || !c.encoder.put(c.pair(name, value)) {
			count.cut++
		}
	}
}

// pair returns what may be kept of a pair that is not declared.
func (c *Collector) pair(name, value string) pair {
	key := c.key(name)
	if key.named && len(value) <= maxShort {
		return c.shortPair(key, value)
	}
	if key.secret {
		return pair{key: key, value: redact.Secret, redacted: value != redact.Secret}
	}
	return c.scrubbedPair(key, value, maxValue)
}

func (c *Collector) scrubbedPair(key *metadataKey, value string, limit int) pair {
	kept, cut := c.scrubber().Value(value, limit)
	return pair{key: key, value: kept, cut: cut, redacted: redact.Replaced(value, kept, cut)}
}

// maxKnownKeys bounds the memory of a tool that makes up its keys.
const maxKnownKeys = 256

func (c *Collector) key(name string) *metadataKey {
	key := c.keys[name]
	if key == nil {
		key = newMetadataKey(name)
		key.named = slices.Contains(c.in.tool.Telemetry.MetadataKeys, name)
		if len(c.keys) < maxKnownKeys {
			c.keys[name] = key
		}
	}
	return key
}

// ready sees that there is a slot with that much room, under a receipt that still holds.
// It returns errOff where nothing may be recorded, and another error where the disk has no
// slot.
func (c *Collector) ready(now time.Time, room int) error {
	if c.slot != nil && c.stillHolds(now) {
		return nil
	}
	if !c.on.Load() {
		return errOff
	}
	if c.debug != nil {
		return errDebug
	}
	if c.taking == nil && now.Before(c.retryAt) && c.retryAt.Sub(now) <= retryDelay {
		return errWaiting
	}
	slot, err := c.takeSlot(room)
	switch {
	case err == nil:
	case errors.Is(err, errOff):
		c.on.Store(false)
		return err
	case errors.Is(err, errRetaken): // answers come one after the other, but the disk is well
		return err
	default:
		c.failed(now)
		return err
	}
	c.slot, c.granted, c.local = slot, slot.grant, slot.receipt.Local
	c.crowded = c.crowded || slot.writer.Crowded
	if c.encoder == nil {
		c.prepare()
	}
	c.storeUnstored()
	c.countLost()
	return nil
}

// sendsUnstored reports whether events can be sent that are not stored.
func (c *Collector) sendsUnstored() bool {
	return !c.in.decide().LocalOnly && background{c.in}.vanishes()
}

// storeUnstored stores what was kept in memory while the disk took nothing.
func (c *Collector) storeUnstored() {
	lines := c.takeUnstored()
	for i, line := range lines {
		if c.slot.writer.Append(line) != nil {
			c.lose(spool.LossUnwritten, len(lines)-i)
			return
		}
		c.recorded, c.single = true, true
	}
}

// takeUnstored returns what was kept in memory, if the answer is still the one of then.
func (c *Collector) takeUnstored() [][]byte {
	lines, holds := c.unstored.take(c.in)
	if !holds {
		c.lose(spool.LossWithdrawn, len(lines))
		return nil
	}
	return lines
}

// sendUnstored sends what was kept in memory, or counts it as lost.
func (c *Collector) sendUnstored(ctx context.Context) {
	if c.taking != nil && c.taking.watch.Wait(c.taking.done) {
		_ = c.ready(c.in.now(), minRoom) // the slot has come after all, and takes it
	}
	lines := c.takeUnstored()
	if len(lines) == 0 {
		return
	}
	if !c.sendsUnstored() || !(&uploader{installation: c.in}).sendUnstored(ctx, lines) {
		c.lose(spool.LossUnwritten, len(lines))
	}
}

// stillHolds reports whether the slot may be written to: it was not erased, and its
// receipt still is the one to record under. It gives the slot back if not.
func (c *Collector) stillHolds(now time.Time) bool {
	if !c.slot.shouldLook(now) {
		return true
	}
	gone, err := c.slot.look(c.in)
	if err == nil {
		return true
	}
	if gone > 0 && errors.Is(err, errRetaken) {
		c.lose(spool.LossWithdrawn, gone)
	}
	c.seal()
	if errors.Is(err, errOff) {
		c.on.Store(false)
	}
	return false
}

// taking is a slot that is being taken.
type taking struct {
	watch state.Watch
	done  chan struct{}
	slot  *slot
	err   error
}

// takeSlot takes a slot, without waiting for slow locks. One that comes too late serves a
// later event, and what was recorded meanwhile, if the answer is still the one of then.
func (c *Collector) takeSlot(room int) (*slot, error) {
	if c.taking != nil {
		return c.takeLateSlot(room)
	}
	t, known := &taking{done: make(chan struct{})}, c.granted
	go func() {
		t.slot, t.err = takeSlot(c.in, (*spool.Queue).Writer, room, known, &t.watch)
		close(t.done)
	}()
	if !t.watch.Wait(t.done) {
		c.taking = t
		return nil, state.ErrBusy
	}
	return t.slot, t.err
}

func (c *Collector) takeLateSlot(room int) (*slot, error) {
	t := c.taking
	select {
	case <-t.done:
	default:
		return nil, state.ErrBusy
	}
	c.taking = nil
	if t.err != nil {
		return nil, t.err
	}
	if _, err := t.slot.look(c.in); err != nil {
		t.slot.release()
		return c.takeSlot(room)
	}
	return t.slot, nil
}

// errWaiting says that the disk has just refused an event.
var errWaiting = errors.New("the disk took no event a moment ago")

// failed keeps the next events from the disk for a moment.
func (c *Collector) failed(now time.Time) {
	c.retryAt = now.Add(retryDelay)
	c.seal()
}

func (c *Collector) lose(reason string, n int) {
	if c.debug != nil {
		c.debug.leave(reason)
		return
	}
	if c.lost == nil {
		c.lost = map[string]int{}
	}
	c.lost[reason] += n
}

// saveLost writes down what was lost.
func (c *Collector) saveLost() {
	for reason, n := range c.lost {
		if n > 0 && spool.AddLosses(c.in.dir, reason, n) == nil {
			delete(c.lost, reason)
		}
	}
}

// countLost writes down at once what was lost: this process may be killed. Where that fails, or
// locks are slow, it is left for the end.
func (c *Collector) countLost() {
	if c.taking == nil && !c.uncountable {
		c.saveLost()
		c.uncountable = len(c.lost) > 0
	}
}

// prepare is what only a process that records needs.
func (c *Collector) prepare() {
	c.line = make([]byte, 0, 1024)
	c.keys, c.specs = map[string]*metadataKey{}, map[props.EventType]*spec{}
	c.running = map[*slot]bool{}
	c.encoder = newEncoder(c.in.tool, c.in.context(), c.runID())
	if config := &c.in.tool.Telemetry; !declares(config) {
		for name, value := range config.Metadata {
			c.encoder.put(c.pair(name, value))
		}
		c.static = slices.Clone(c.encoder.pairs)
	}
}

// scrubber is asked for what may hold anything. Many events hold nothing of the kind, and to know
// whom to look for it takes the system's files.
func (c *Collector) scrubber() *redact.Scrubber {
	if c.scrub == nil {
		c.scrub = newScrubber(c.in.lookup)
	}
	return c.scrub
}

// newScrubber returns a scrubber that knows the person and the machine.
func newScrubber(lookup func(string) (string, bool)) *redact.Scrubber {
	home, _ := lookup("HOME")
	if home == "" {
		home, _ = lookup("USERPROFILE")
	}
	names := identity.UserName()
	for _, variable := range []string{"USER", "LOGNAME", "SUDO_USER", "DOAS_USER", "USERNAME"} { // others under su and sudo
		name, _ := lookup(variable)
		names += " " + name
	}
	host, _ := os.Hostname()
	return redact.New(home, names, host, identity.FullName())
}

// seal gives the slot back, so that it can be sent.
func (c *Collector) seal() {
	if c.slot != nil {
		c.slot.release()
		c.slot = nil
	}
}

// Close ends this run's recording and, where one is due, starts an upload that nobody
// waits for. A deletion request that is due is made in the same way, also where telemetry
// is off. It does no network and takes no time, with two exceptions: where a background
// process would not outlive the command, as in continuous integration and in a container,
// or does not work, it sends for at most one second, and not more often than every minute;
// and a backend that reaches no network is called right here. A Track after Close works.
func (c *Collector) Close(ctx context.Context) error {
	if c.debug != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.debug.close()
		return nil
	}
	u := &uploader{installation: c.in}
	owed := c.owes && c.in.outbox().Due() && c.in.dir.Check() == nil
	recorded, local, mayWait := false, false, false
	if c.on.Load() {
		c.mu.Lock()
		c.stopInside()
		c.sendUnstored(ctx)
		c.seal()
		c.saveLost()
		c.in.addGaps(0)
		recorded, local, mayWait = c.recorded, c.local, !c.single && !c.crowded
		c.recorded, c.single, c.crowded = false, false, false
		c.mu.Unlock()
	}
	if recorded {
		return u.afterRecording(ctx, local, mayWait, owed)
	}
	if owed {
		return u.deleteSoon(ctx)
	}
	return nil
}

// Drop erases everything that waits, unsent, and records nothing more in this process.
func (c *Collector) Drop() error {
	c.on.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopInside()
	c.seal()
	if c.in.dirErr != nil || c.debug != nil {
		return nil
	}
	_, err := c.in.queue().Erase()
	return err
}

// Flush sends everything that waits and waits for it; see props.Collector.
func (c *Collector) Flush(ctx context.Context) error {
	if !c.on.Load() || c.debug != nil {
		return nil
	}
	c.mu.Lock()
	c.sendUnstored(ctx)
	c.seal()
	c.saveLost()
	c.mu.Unlock()
	_, err := (&uploader{installation: c.in}).flush(ctx, nil)
	return err
}

// startInside is called with c.mu held, at the first event since Open or Close.
func (c *Collector) startInside() {
	ctx, cancel := context.WithCancel(context.Background())
	up := &insideUpload{cancel: cancel}
	up.timer = time.AfterFunc(longRun, func() { c.uploadInside(ctx, up) })
	c.inside = up
}

func (c *Collector) stopInside() {
	if c.inside != nil {
		c.inside.timer.Stop()
		c.inside.cancel()
		c.inside = nil
	}
}

// uploadInside uploads from a command that runs for long.
func (c *Collector) uploadInside(ctx context.Context, up *insideUpload) {
	if delivery.Due(c.in.dir, c.in.now()) && c.on.Load() && ctx.Err() == nil {
		c.mu.Lock()
		c.seal()
		c.mu.Unlock()
		u := &uploader{installation: c.in, daily: !background{c.in}.vanishes()}
		if _, err := u.send(ctx, nil, 0); errors.Is(err, delivery.ErrWithdrawn) || errors.Is(err, delivery.ErrDisowned) {
			c.on.Store(false)
			return
		}
	}
	if ctx.Err() == nil {
		up.timer.Reset(max(delivery.NextAt(c.in.dir).Sub(c.in.now()), longRun))
	}
}

// insideUpload is the timer of such uploads.
type insideUpload struct {
	timer  *time.Timer
	cancel context.CancelFunc
}
