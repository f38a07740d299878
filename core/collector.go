package core

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/redact"
	"github.com/gotoolbase/telemetry/core/internal/spool"
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
)

// Collector records events. It implements props.Collector, and may be used by several
// goroutines at once. The zero value and nil are not usable; Open always returns one
// that is.
type Collector struct {
	in *installation
	on atomic.Bool
	// owes says that deletion requests may be pending, whether telemetry is on or not.
	owes bool

	mu        sync.Mutex
	writer    *spool.Writer
	scrub     *redact.Scrubber
	declared  []pair // the author's Metadata, scrubbed and sorted
	keys      map[string]*metadataKey
	localOnly bool          // what consent said when the slot was taken
	recorded  bool          // something was, since Open or Close
	unwritten int           // events that the disk did not take
	retryAt   time.Time     // not before this after a failure
	inside    *insideUpload // for a command that runs for long

	encoder *encoder
	line    []byte // of the event being recorded, reused
}

var _ props.Collector = (*Collector)(nil)

// retryDelay is how long a collector waits after the disk refused an event: a burst on
// a full disk must not cost the command a failing system call each.
const retryDelay = time.Second

// Open returns the collector of a tool. It is never nil: where nobody has said yes, or
// something is wrong, it does nothing. The error, a *driver.ConfigError, reports a
// mistake in what the author declared; the tool can go on with the collector all the
// same. Nothing is written, and no network is used.
//
// In the background process that a collector of the same tool started, Open delivers
// what waits and ends the process. Call it before the tool does anything of its own.
func Open(tool props.Tool, options ...Option) (*Collector, error) {
	in := newInstallation(tool, options)
	c := &Collector{in: in}
	if !tool.Features.Enabled(props.TelemetryCmd) || omitted {
		return c, nil
	}
	if in.isBackground() {
		in.runBackground() // does not return
	}
	c.owes = in.dirErr == nil
	if err := in.check(); err != nil {
		return c, err
	}
	decision := in.decide()
	if !decision.Enabled || in.dirErr != nil {
		return c, nil
	}
	// With the noop backend there is nobody to record for.
	if s, err := in.selectBackend(decision.LocalOnly); err != nil || s.driver.Name == "noop" {
		return c, err
	}
	c.on.Store(true)
	return c, nil
}

// Enabled reports whether events are recorded.
func (c *Collector) Enabled() bool { return c.on.Load() }

// BackendInfo says where events go, whether or not they are recorded.
func (c *Collector) BackendInfo() props.BackendInfo {
	s, err := c.in.selectBackend(c.in.decide().LocalOnly)
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
		args: args, errMsg: errMsg,
	}, extra)
}

// event is what a caller of Track says.
type event struct {
	kind       props.EventType
	name       string
	timed      bool // it is a command's: kind is ours, durationMS and exitCode mean something
	durationMS int64
	exitCode   int
	args       []string
	errMsg     string
}

// record completes, scrubs and stores one event.
func (c *Collector) record(said event, extra map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.in.now()
	if !c.ready(now) {
		return
	}
	cut := 0
	said.name = scrubbed(said.name, maxName, &cut)
	if !said.timed { // else the type is one of ours
		said.kind = props.EventType(scrubbed(string(said.kind), maxName, &cut))
	}
	if len(said.args) > 0 {
		var argsCut int
		said.args, argsCut = c.scrub.Args(said.args, strings.Fields(said.name)...)
		cut += argsCut
	}
	if said.errMsg != "" {
		var errCut bool
		if said.errMsg, errCut = c.scrub.ErrorText(said.errMsg, maxError); errCut {
			cut++
		}
	}
	cut += c.mergeMetadata(extra)
	c.line = c.encoder.appendEvent(c.line[:0], now, &said)
	c.line = append(c.encoder.appendEnd(c.line, cut), '\n')
	if err := c.writer.Append(c.line); err != nil {
		c.failed(now)
		return
	}
	if !c.recorded {
		c.recorded = true
		c.startInside()
	}
}

// scrubbed returns a name of the author's without what it must not hold, adding 1 to cut
// if it was cut. The names of the person are left in it: where an account is called
// "build", the command `build` is not that person.
func scrubbed(name string, limit int, cut *int) string {
	out, wasCut := (&redact.Scrubber{}).Value(name, limit)
	if wasCut {
		*cut++
	}
	return out
}

// mergeMetadata puts the author's pairs and the call's, which win, into the encoder and
// returns how many were cut or left out.
func (c *Collector) mergeMetadata(extra map[string]string) (cut int) {
	c.encoder.pairs = append(c.encoder.pairs[:0], c.declared...)
	allowed := c.in.tool.Telemetry.MetadataKeys
	for name, value := range extra {
		if allowed != nil && !slices.Contains(allowed, name) {
			cut++
			continue
		}
		key := c.key(name)
		if key.secret {
			value = redact.Secret
		}
		value, valueCut := c.scrub.Value(value, maxValue)
		if !c.encoder.put(pair{key, value}) || key.cut || valueCut {
			cut++
		}
	}
	return cut
}

// maxKnownKeys bounds the memory of a tool that makes up its keys.
const maxKnownKeys = 256

func (c *Collector) key(name string) *metadataKey {
	key := c.keys[name]
	if key == nil {
		key = newMetadataKey(name)
		if len(c.keys) < maxKnownKeys {
			c.keys[name] = key
		}
	}
	return key
}

// ready sees to it that there is a slot to write to, and that consent still holds where
// a new one had to be taken.
func (c *Collector) ready(now time.Time) bool {
	if c.writer != nil && !c.writer.Full() {
		return true
	}
	if now.Before(c.retryAt) && c.retryAt.Sub(now) <= retryDelay {
		c.unwritten++
		return false
	}
	c.seal()
	if err := c.in.dir.Create(); err != nil {
		c.failed(now)
		return false
	}
	writer, err := c.in.queue().Writer()
	if err != nil {
		c.failed(now)
		return false
	}
	// The slot first, then the question: whoever withdraws consent stores the no before
	// deleting the slots, so either we see the no or our slot is deleted under us.
	decision := c.in.decide()
	if !decision.Enabled {
		writer.Close()
		if decision.Withdrawn {
			_, _ = c.in.queue().Erase()
		}
		c.on.Store(false)
		return false
	}
	c.writer, c.localOnly = writer, decision.LocalOnly
	if c.scrub == nil {
		c.prepare()
	}
	if c.unwritten > 0 {
		if writer.Append(c.in.lossLine(spool.Loss{Reason: spool.LossUnwritten, Count: c.unwritten})) == nil {
			c.unwritten = 0
		}
	}
	return true
}

// failed counts an event that could not be stored, to be reported when one can.
func (c *Collector) failed(now time.Time) {
	c.unwritten++
	c.retryAt = now.Add(retryDelay)
	c.seal()
}

// prepare is what only a process that records needs.
func (c *Collector) prepare() {
	c.scrub = c.in.scrubber()
	c.line = make([]byte, 0, 1024)
	c.keys = map[string]*metadataKey{}
	c.encoder = newEncoder(c.in.tool)
	for name, value := range c.in.tool.Telemetry.Metadata {
		key := c.key(name)
		if key.secret {
			value = redact.Secret
		}
		value, _ = c.scrub.Value(value, maxValue)
		c.encoder.put(pair{key, value})
	}
	c.declared = slices.Clone(c.encoder.pairs)
}

func (in *installation) scrubber() *redact.Scrubber {
	home, _ := in.lookup("HOME")
	if home == "" {
		home, _ = in.lookup("USERPROFILE")
	}
	user, _ := in.lookup("USER") // differs from the account under su and sudo: take out both
	host, _ := os.Hostname()
	return redact.New(home, user+" "+identity.UserName(), host)
}

// seal gives the slot back, so that it can be sent.
func (c *Collector) seal() {
	if c.writer != nil {
		c.writer.Close()
		c.writer = nil
	}
}

// Drop erases everything that waits, unsent, and records nothing more in this process.
func (c *Collector) Drop() error {
	c.on.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopInside()
	c.seal()
	if c.in.dirErr != nil {
		return nil
	}
	_, err := c.in.queue().Erase()
	return err
}

// Flush sends everything that waits and waits for it; see props.Collector.
func (c *Collector) Flush(ctx context.Context) error {
	if !c.on.Load() {
		return nil
	}
	c.mu.Lock()
	c.seal()
	c.mu.Unlock()
	_, err := c.in.flush(ctx, nil)
	return err
}

// lossLine encodes the event that says that others were lost.
func (in *installation) lossLine(loss spool.Loss) []byte {
	e := driver.Event{
		Type:     string(props.EventLoss),
		Name:     loss.Reason,
		Metadata: map[string]string{"count": strconv.Itoa(loss.Count)},
	}
	in.complete(&e, in.now())
	return append(e.AppendJSON(nil), '\n')
}
