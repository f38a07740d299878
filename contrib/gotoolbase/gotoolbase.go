// Package gotoolbase puts the drivers and deletion requestors of this module behind the
// interfaces of go-tool-base's pkg/telemetry. It is for authors of tools that are built on
// go-tool-base and stay with its telemetry; docs/how-to/from-go-tool-base.md is for those who
// move. In the declaration of a tool it is two lines:
//
//	Telemetry: props.TelemetryConfig{
//		Backend:           func(p *props.Props) any { return gotoolbase.NewBackend[telemetry.Event](to(p)) },
//		DeletionRequestor: func(p *props.Props) any { return gotoolbase.NewRequestor(to(p), eraser) },
//	}
//
// beside what any tool has to say of its vendor:
//
//	var eraser = httpjson.Requestor{Endpoint: "https://telemetry.example.com/v1/deletions"}
//
//	func to(p *props.Props) gotoolbase.Options {
//		return gotoolbase.Options{
//			Driver:    posthog.Driver(),
//			Settings:  map[string]string{"project_key": "phc_…", "instance": "eu"},
//			Tool:      p.Tool.Name,
//			Version:   version,
//			Dir:       telemetry.ResolveDataDir(p),
//			LocalOnly: localOnly(p), // telemetry.local_only of the config, or TELEMETRY_LOCAL
//		}
//	}
//
// # Whose yes it is
//
// The person's yes is go-tool-base's: to its question, kept in its config. It is no yes to the
// text that package core shows, so core's collector, queue and background process are not used:
// they send only under a receipt of core's, and to write one here would put words into a
// person's mouth. This package sends only inside Send, which go-tool-base calls only while its
// answer is yes.
//
// What cannot be sent is kept in go-tool-base's own spill files, in its folder and its format.
// So its collector is what sends them again, its `telemetry disable` and `telemetry reset` are
// what erase them, and there is no second queue that would outlive a no.
//
// # What a tool gains
//
//	durability  events are on disk before the first attempt, and stay there until the vendor has
//	            them: go-tool-base alone loses a batch whose process is killed in the middle of
//	            the attempt, and in earlier versions one whose attempt fails
//	waiting     a vendor that is away costs a command one attempt: alone one for each batch that
//	            waits
//	identity    each event has an ID, the same at each attempt; the machine ID is another one for
//	            each tool, so that receivers cannot follow a machine from tool to tool
//	vendors     each driver, with its own reading of the vendor's answers, halves of batches that
//	            are too large, and partial answers
//	deletion     each requestor, with a key that proves the request
//	local only  is kept to: go-tool-base alone prefers a Backend of the author's to it
//
// # What only the move to core gives
//
// A command still waits for the network at its end, for at most [Timeout] where nothing answers. A vendor's wait
// and Limits.PerMinute are not remembered from process to process. DO_NOT_TRACK and an
// administrator's policy are not asked. A no that is written into the config by hand sends nothing,
// and leaves what waits where it is until a reset or another yes. A deletion is not followed
// until it is verified. The deletion key follows from go-tool-base's machine ID, which other tools
// of the machine know and send to their own vendors: it keeps out those who read this tool's
// events, and not those. Events are scrubbed by go-tool-base's rules alone.
//
// # What becomes of an event
//
//	go-tool-base          driver.Event
//	-                     ID, of the event's content
//	Timestamp             Time
//	Type, Name            Type, Name
//	MachineID             MachineID, through [MachineID]
//	ToolName, Version     Tool, Version: version becomes tool_version
//	OS, Arch, GoVersion   OS, Arch, GoVersion
//	OSVersion             nothing: a kernel's release singles out machines
//	DurationMs, ExitCode  DurationMS, ExitCode: of a command.invocation also where they are 0,
//	                      of others where they are not
//	Args, Error           Args, Error
//	Metadata              Metadata
//
// Events of one content, time in nanoseconds included, are told apart by their order in a batch.
package gotoolbase

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// Timeout is how long one Send or RequestDeletion takes at most: that of go-tool-base's own HTTP
// backend, because a command waits for it as long.
const Timeout = 5 * time.Second

// pause is how long nothing is tried after a failure, unless the vendor asks for more: a command
// is over by then, and a service tries again soon. maxPause bounds what the vendor asks for, so
// that no answer stops a service for good.
const pause, maxPause = time.Minute, time.Hour

// Published is go-tool-base's telemetry.Event as pkg/telemetry/telemetry.go declares it, with
// EventType for T. It is declared here because the module's path differs from version to
// version: so one adapter serves all of them, and a field that is new there fails the build
// instead of being left out in silence.
type Published[T ~string] = struct {
	Timestamp  time.Time         `json:"timestamp"`
	Type       T                 `json:"type"`
	Name       string            `json:"name"`
	MachineID  string            `json:"machine_id"`
	ToolName   string            `json:"tool_name"`
	Version    string            `json:"version"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	GoVersion  string            `json:"go_version"`
	OSVersion  string            `json:"os_version"`
	DurationMs int64             `json:"duration_ms,omitempty"`
	ExitCode   int               `json:"exit_code,omitempty"`
	Args       []string          `json:"args,omitempty"`
	Error      string            `json:"error,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
}

// Options says where events go, and in whose name.
type Options struct {
	// Driver is the kind of backend. Settings, Headers and Insecure are for it, as those of
	// props.TelemetryConfig are here.
	Driver   driver.Driver
	Settings map[string]string
	Headers  map[string]string
	Insecure bool
	// Tool and Version are those of go-tool-base's props.Tool.
	Tool, Version string
	// Dir is what go-tool-base's ResolveDataDir returns, ResolveDataDirFromProps in later
	// versions: the folder of its spill files, and of its log of what stays local.
	Dir string
	// AtMostOnce says that the tool's DeliveryMode is DeliveryAtMostOnce: nothing is kept, and
	// what is not known to be delivered is an error.
	AtMostOnce bool
	// LocalOnly says that the person's yes is to events that stay on this machine. They are
	// then written where go-tool-base writes them, and the driver is not asked.
	LocalOnly bool
	// Refused, where not nil, is told how many events the vendor will never take, and why.
	// Such events are gone: Send does not return the error, or go-tool-base would send a file of
	// them for ever.
	Refused func(events int, err error)
	// Finish, where not nil, is told of a deletion that the person has to finish, such as by
	// sending a mail: show them Detail and URL, and log neither, because the URL may hold the
	// deletion key.
	Finish func(deletion.Receipt)
	// Timeout is how long one call takes at most, 0 meaning the constant [Timeout].
	Timeout time.Duration
	// Transport carries the requests, nil meaning driverhttp.NewTransport(). Tests set it.
	Transport driver.RoundTripper
}

// Check returns the first mistake in the options. Call it in a test: a running tool has nobody
// to tell, and each Send returns it.
func (o Options) Check() error {
	_, err := o.open()
	return err
}

func (o Options) open() (driver.Backend, error) {
	switch {
	case o.Tool == "":
		return nil, &driver.ConfigError{Field: "Options.Tool", Problem: "is empty: give the name of props.Tool"}
	case o.Dir == "":
		return nil, &driver.ConfigError{Field: "Options.Dir", Problem: "is empty: give what telemetry.ResolveDataDir returns"}
	case o.Driver.Open == nil:
		return nil, &driver.ConfigError{Field: "Options.Driver", Problem: "is empty: give one, such as posthog.Driver()"}
	}
	settings, err := o.Driver.Resolve(o.Settings)
	if err != nil {
		return nil, err
	}
	config := driver.Config{
		Settings: settings, Headers: o.Headers, Insecure: o.Insecure, Tool: o.Tool, Version: o.Version, Transport: o.Transport,
	}
	if o.Driver.Check != nil {
		if err := o.Driver.Check(config); err != nil {
			return nil, err
		}
	}
	return o.Driver.Open(config)
}

// Backend is a telemetry.Backend of go-tool-base. It may be used by several goroutines at once.
type Backend[E ~Published[T], T ~string] struct {
	options Options
	backend driver.Backend
	mistake error
	// until is when the next attempt may be made after one that failed, in Unix nanoseconds.
	// go-tool-base still hands over its spill files one by one, and a command is to wait for one
	// attempt and not for each.
	until atomic.Int64
}

// NewBackend returns a backend for the events of go-tool-base's package telemetry: its Event is
// E, and T follows. A mistake in the options is what each Send returns; see [Options.Check].
func NewBackend[E ~Published[T], T ~string](o Options) *Backend[E, T] {
	backend, err := o.open()
	return &Backend[E, T]{options: o, backend: backend, mistake: err}
}

// errAnotherTool tells of a spill file of another tool: go-tool-base puts them all into the
// system's temporary folder where a tool has no config file. That tool's yes is not this one's.
var errAnotherTool = errors.New("events of another tool, which are left to it")

// Send returns nil where the driver's vendor has the events, has refused them for good, or
// where they are on disk to be sent again by the next Flush.
func (b *Backend[E, T]) Send(ctx context.Context, events []E) error {
	if b.mistake != nil || len(events) == 0 {
		return b.mistake
	}
	published := make([]Published[T], len(events))
	for i, e := range events {
		published[i] = Published[T](e)
		if name := published[i].ToolName; name != "" && name != b.options.Tool {
			return errAnotherTool
		}
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(b.options.Timeout, Timeout))
	defer cancel()
	switch {
	case b.options.LocalOnly:
		return appendLog(b.options.Dir, published)
	case b.options.AtMostOnce:
		_, err := b.deliver(ctx, published)
		return err
	}
	kept, storing := store(b.options.Dir, published)
	rest, err := b.deliver(ctx, published)
	switch {
	case len(rest) == 0:
		kept.remove()
		return nil
	case storing != nil:
		return errors.Join(storing, err)
	case len(rest) < len(published):
		// What is left gets a file of its own before the one with all of them goes.
		if _, err := store(b.options.Dir, rest); err != nil {
			return kept.keep(err)
		}
		kept.remove()
		return nil
	}
	return kept.keep(err)
}

// Close releases connections. What waits is on disk.
func (b *Backend[E, T]) Close() error {
	if b.backend == nil {
		return nil
	}
	return b.backend.Close()
}

// deliver makes one attempt for each batch that the driver's limits allow, and returns the events
// that are not settled with the last error.
func (b *Backend[E, T]) deliver(ctx context.Context, published []Published[T]) (rest []Published[T], err error) {
	events, ids, err := b.convert(published)
	if err != nil {
		return published, err
	}
	settled := make(map[string]bool, len(events))
	err = b.send(ctx, events, settled)
	for i, id := range ids {
		if !settled[id] {
			rest = append(rest, published[i])
		}
	}
	return rest, err
}

// errPaused is what is said of events that are kept without an attempt.
var errPaused = errors.New("an attempt before has failed")

func (b *Backend[E, T]) send(ctx context.Context, events []driver.Event, settled map[string]bool) error {
	var last error
	for len(events) > 0 {
		n := b.fits(events)
		batch := events[:max(n, 1)]
		events = events[len(batch):]
		if n == 0 {
			b.refuse(batch, errors.New("an event is larger than the vendor takes"), settled)
			continue
		}
		if time.Now().UnixNano() < b.until.Load() {
			return errors.Join(last, errPaused)
		}
		err := b.backend.Send(ctx, batch)
		switch driver.Classify(err) {
		case driver.ClassAccepted:
			settle(batch, settled)
			continue
		case driver.ClassPermanent:
			b.refuse(batch, err, settled)
			continue
		case driver.ClassTooLarge:
			if len(batch) > 1 {
				half := len(batch) / 2
				err = errors.Join(b.send(ctx, batch[:half], settled), b.send(ctx, batch[half:], settled))
			}
		case driver.ClassPartial:
			b.settlePartial(batch, err, settled)
			if driver.Wait(err) > 0 {
				b.pause(err)
			}
		default:
			b.pause(err)
		}
		if err != nil {
			last = err
		}
	}
	return last
}

func (b *Backend[E, T]) pause(err error) {
	wait := min(max(driver.Wait(err), pause), maxPause)
	b.until.Store(time.Now().Add(wait).UnixNano())
}

func (b *Backend[E, T]) settlePartial(batch []driver.Event, err error, settled map[string]bool) {
	partial, _ := errors.AsType[*driver.Partial](err)
	if partial.Unnamed > 0 {
		settle(batch, settled)
		b.tell(partial.Unnamed, err)
		return
	}
	var rejected []driver.Event
	for _, e := range batch {
		switch {
		case slices.Contains(partial.Rejected, e.ID):
			rejected = append(rejected, e)
		case slices.Contains(partial.Accepted, e.ID):
			settled[e.ID] = true
		}
	}
	if len(rejected) > 0 {
		b.refuse(rejected, err, settled)
	}
}

func settle(batch []driver.Event, settled map[string]bool) {
	for _, e := range batch {
		settled[e.ID] = true
	}
}

func (b *Backend[E, T]) refuse(batch []driver.Event, err error, settled map[string]bool) {
	settle(batch, settled)
	b.tell(len(batch), err)
}

func (b *Backend[E, T]) tell(events int, err error) {
	if b.options.Refused != nil {
		b.options.Refused(events, err)
	}
}

// fits returns how many of the first events make a batch within the driver's limits, 0 where the
// first one alone is larger than they allow.
func (b *Backend[E, T]) fits(events []driver.Event) int {
	limits := b.options.Driver.Limits
	size := 0
	var buf []byte
	for i := range events {
		buf = events[i].AppendJSON(buf[:0])
		size += len(buf)
		switch {
		case limits.EventBytes > 0 && len(buf) > limits.EventBytes,
			limits.Bytes > 0 && size > limits.Bytes,
			limits.Events > 0 && i == limits.Events,
			limits.PerMinute > 0 && i == limits.PerMinute:
			return i
		}
	}
	return len(events)
}

// commandInvocation is go-tool-base's EventCommandInvocation, which its TrackCommand records.
const commandInvocation = "command.invocation"

// convert is the table of the package comment. ids are those of events, in their order.
func (b *Backend[E, T]) convert(published []Published[T]) (events []driver.Event, ids []string, err error) {
	seen := make(map[[sha256.Size]byte]uint32)
	for _, p := range published {
		content, err := json.Marshal(p)
		if err != nil {
			return nil, nil, fmt.Errorf("encoding an event: %w", err)
		}
		sum := sha256.Sum256(content)
		id := eventID(p.Timestamp, sum, seen[sum])
		seen[sum]++
		e := driver.Event{
			ID: id, Type: text(string(p.Type)), Name: text(p.Name), Time: p.Timestamp.UTC().Truncate(time.Millisecond),
			Tool: text(b.options.Tool), Version: text(p.Version), OS: text(p.OS), Arch: text(p.Arch), GoVersion: text(p.GoVersion),
			Error: text(p.Error),
		}
		if p.MachineID != "" {
			e.MachineID = MachineID(b.options.Tool, p.MachineID)
		}
		if p.DurationMs != 0 || p.Type == commandInvocation {
			e.DurationMS = &p.DurationMs
		}
		if p.ExitCode != 0 || p.Type == commandInvocation {
			e.ExitCode = &p.ExitCode
		}
		for _, arg := range p.Args {
			e.Args = append(e.Args, text(arg))
		}
		if len(p.Metadata) > 0 {
			e.Metadata = make(map[string]string, len(p.Metadata))
			for k, v := range p.Metadata {
				e.Metadata[text(k)] = text(v)
			}
		}
		events, ids = append(events, e), append(ids, id)
	}
	return events, ids, nil
}

// text is valid UTF-8, as drivers expect.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// eventID has the form of a version 7 UUID: the time of the event, and in the place of chance the
// event's content with its number among equal ones, so that each attempt gives the same.
func eventID(t time.Time, content [sha256.Size]byte, number uint32) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(content[:], number))
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(t.UnixMilli(), 0)))
	u := sum[:16]
	copy(u, ms[2:])
	u[6] = 0x70 | u[6]&0x0f
	u[8] = 0x80 | u[8]&0x3f
	h := hex.EncodeToString(u)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// MachineID returns the pseudonym under which a tool's events go out: of go-tool-base's machine
// ID and the tool's name, in the form that deletion requestors know. Nobody can tell the one from the
// other.
func MachineID(tool, machineID string) string {
	return deletion.MachineID(deletionKey(tool, machineID))
}

func deletionKey(tool, machineID string) [deletion.KeyBytes]byte {
	return sha256.Sum256([]byte("go-tool-base\x00" + tool + "\x00" + machineID))
}

// Requestor is a telemetry.DeletionRequestor of go-tool-base.
type Requestor struct {
	options   Options
	requestor deletion.Requestor
}

// NewRequestor returns one that asks r for what the Backend of the same options has sent.
func NewRequestor(o Options, r deletion.Requestor) *Requestor {
	return &Requestor{options: o, requestor: r}
}

// RequestDeletion deletes what waits on this machine, and asks for the rest to be deleted. nil
// means that the request was handed over and not refused. A deletion that
// the person has to finish is an error, because go-tool-base says "sent" of everything else.
func (r *Requestor) RequestDeletion(ctx context.Context, machineID string) error {
	// go-tool-base does this too, but not where telemetry is off already.
	erasing := erase(r.options.Dir)
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.options.Timeout, Timeout))
	defer cancel()
	key := deletionKey(r.options.Tool, machineID)
	receipt, err := r.requestor.RequestDeletion(ctx, deletion.Request{
		Tool: r.options.Tool, MachineID: deletion.MachineID(key), DeletionKey: hex.EncodeToString(key[:]), RequestedAt: time.Now().UTC(),
	})
	switch {
	case err != nil:
		return errors.Join(erasing, fmt.Errorf("requesting the deletion: %w", err))
	case receipt.State == deletion.Refused:
		return errors.Join(erasing, fmt.Errorf("the deletion was refused: %s", receipt.Detail))
	case receipt.State == deletion.Manual:
		if r.options.Finish != nil {
			r.options.Finish(receipt)
		}
		return errors.Join(erasing, fmt.Errorf("the deletion has to be finished by hand: %s", receipt.Detail))
	}
	return erasing
}
