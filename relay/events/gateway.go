//go:build !notelemetry

// Package events is the gateway's way for events: it takes what the http backend of tools
// posts, holds it to the tool's declaration, and hands it on. It is for the operator's program;
// nothing of it is in a tool.
//
//	gateway, err := events.New(events.Config{
//		DB:     db, // opened with events.Schema()
//		Tools:  map[string]events.Tool{"mytool": {Declared: &tool, Destinations: destinations}},
//		Deleted: ledger.Deleted,
//	})
//	mux.Handle("/v1/events", gateway)
//	go gateway.Run(ctx)
//
// # Whose the answer is
//
// The answer is the vendor's: the http backend learns that an event is accepted when each
// destination has it, and that it is rejected when one has refused it for good. Until then the
// event is in the queue of the person's machine, where it is safe and costs nothing. Where a
// tool has several destinations and some of them have an event, the others get it out of the
// gateway's database, so that the tool does not send twice to those that have it.
//
// # What is joined
//
// The events of many clients share a request to a destination. Each client gets the verdict of
// its own; a client that is gone when the verdict comes sends again, and an event whose ID was
// accepted is accepted again without a destination being asked.
package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/internal/metrics"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
	"github.com/gotoolbase/telemetry/relay/store"
)

// Config is what a Gateway is made of.
type Config struct {
	// DB is a database that was opened with the Schema of this package. It stays the caller's.
	DB *store.DB
	// Tools are those whose events are taken, by name.
	Tools map[string]Tool
	// Deleted returns which of these machine IDs of a tool were deleted, or are being deleted. Their
	// events are refused, so that none revives what is gone. nil means that there are none.
	Deleted func(ctx context.Context, tool string, machineIDs []string) (map[string]bool, error)
	// Accepted is told of the events that were accepted, each once as far as this process knows:
	// as they went on, mended. It keeps nothing of them, and returns soon. nil means that nobody
	// wants to know.
	Accepted func(tool string, events []driver.Event)
	// Limits bound what strangers can make the gateway do.
	Limits Limits
	// Proxies are whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// Log is told when a destination goes away and comes back, and when events are lost to one. It gets no address, header, body
	// or machine ID. nil means that nothing is logged.
	Log *slog.Logger
	// Now is the clock, nil meaning time.Now.
	Now func() time.Time
}

// Tool is a tool whose events are taken.
type Tool struct {
	// Declared is what the tool's author declares, as the tool itself does. Events are held to
	// it. nil means that they may hold what driver.Event has.
	Declared *props.Tool
	// Destinations are where the events go: at least one.
	Destinations []Destination
	// Delete takes a deletion request that comes as an event, of a tool whose author named
	// nobody to ask: a data.deletion_request then goes to no destination, since it holds a key.
	// Its errors are classed as those of a deletion.Requestor. nil means that such an event is
	// one like any other.
	Delete func(ctx context.Context, req deletion.Request) error
}

// Rate is how often something may happen: Burst times at once, and then PerSecond as time passes.
type Rate = rates.Rate

// Limits bound what strangers can make the gateway do. What is zero has the default.
type Limits struct {
	// PerAddress is how many requests are taken of one IPv4 address or one IPv6 /64. Zero means
	// 1000 at once and then 20 a second: a tool uploads every ten minutes, but a company or a
	// CI system shares an address among thousands.
	PerAddress Rate
	// Memory is how many bytes of bodies are worked on at once. Zero means 64 MiB: the
	// 64 largest that there are, or some 30 000 of a usual size; in memory an event takes up
	// to four times as much. One address has a quarter of it at most.
	Memory int64
	// WaitingBytes and WaitingAge bound what is stored for one destination that is away; the
	// oldest go first. Zero means 256 MiB and 7 days: half a million events, and a vendor's
	// worst outage.
	WaitingBytes int64
	WaitingAge   time.Duration
}

// Gateway takes events. Make one with New.
type Gateway struct {
	cfg       Config
	tools     map[string]*tool
	addresses *rates.Table
	// deleting bounds the deletion requests of an address, which everybody can make up with
	// a key: people delete rarely, but an office shares an address.
	deleting *rates.Table
	counts   metrics.Counters
	losses   losses
	memory   *memory
	recent   recent
	// holder is this process in the database.
	holder string
}

// tool is one whose events are taken.
type tool struct {
	name         string
	contract     *contract
	destinations []*destination
	delete       func(context.Context, deletion.Request) error
}

// New makes a Gateway. It contacts nobody. A mistake in the configuration is a
// *driver.ConfigError.
func New(cfg Config) (*Gateway, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Limits.PerAddress == (rates.Rate{}) {
		cfg.Limits.PerAddress = rates.Rate{PerSecond: 20, Burst: 1000}
	}
	for _, limit := range []struct {
		of     *int64
		normal int64
	}{
		{&cfg.Limits.Memory, 64 << 20}, {&cfg.Limits.WaitingBytes, 256 << 20}, {(*int64)(&cfg.Limits.WaitingAge), int64(7 * 24 * time.Hour)},
	} {
		if *limit.of == 0 {
			*limit.of = limit.normal
		}
	}
	g := &Gateway{cfg: cfg, tools: map[string]*tool{}, addresses: rates.New(cfg.Limits.PerAddress), holder: newHolder()}
	g.memory = newMemory(cfg.Limits.Memory)
	g.deleting = rates.New(rates.Rate{PerSecond: 1. / 60, Burst: 20})
	for name, t := range cfg.Tools {
		wrong := func(format string, args ...any) error {
			return &driver.ConfigError{Field: "Tools[" + name + "]", Problem: fmt.Sprintf(format, args...)}
		}
		if len(t.Destinations) == 0 {
			return nil, wrong("has no destination: events would be lost")
		}
		if t.Declared != nil && t.Declared.Name != name {
			return nil, wrong("has the declaration of another tool")
		}
		contract, err := newContract(name, t.Declared)
		if err != nil {
			return nil, err
		}
		made := &tool{name: name, contract: contract, delete: t.Delete}
		for _, d := range t.Destinations {
			if d.Name == "" || slices.ContainsFunc(made.destinations, func(o *destination) bool { return o.Name == d.Name }) {
				return nil, wrong("has two destinations of one name, or one without: what is stored for one could go to the other")
			}
			made.destinations = append(made.destinations, newDestination(name, d, &cfg, &g.counts))
		}
		g.tools[name] = made
	}
	return g, nil
}

// all returns the destinations of all tools, in the order of their names.
func (g *Gateway) all() []*destination {
	var all []*destination
	for _, t := range g.tools {
		all = append(all, t.destinations...)
	}
	slices.SortFunc(all, func(a, b *destination) int {
		return strings.Compare(a.tool+"\x00"+a.Name, b.tool+"\x00"+b.Name)
	})
	return all
}

// ruling is what a client is told about its events.
type ruling struct {
	accepted, rejected, retry []string
	wait                      time.Duration
}

func (r *ruling) add(v verdict, id string) {
	switch v {
	case has:
		r.accepted = append(r.accepted, id)
	case never:
		r.rejected = append(r.rejected, id)
	default:
		r.retry = append(r.retry, id)
	}
}

// unknownToolWait is how long the events of a tool that is not configured are kept by their
// senders: somebody has to name it in the file.
const unknownToolWait = time.Hour

// take finds out what becomes of the events of one request, which is from an address.
func (g *Gateway) take(ctx context.Context, list []received, from string) (ruling, error) {
	var r ruling
	for len(list) > 0 {
		name := list[0].event.Tool
		of, rest := apart(list, name)
		list = rest
		t, known := g.tools[name]
		if !known {
			for _, e := range of {
				r.add(later, e.event.ID)
			}
			r.wait = max(r.wait, unknownToolWait)
			g.counts.Add(len(of), metricEvents, "tool", "", "outcome", "unknown_tool")
			continue
		}
		if err := g.takeOf(ctx, t, of, from, &r); err != nil {
			return ruling{}, err
		}
	}
	return r, nil
}

// apart splits off the events of a tool: mostly all are of one.
func apart(list []received, tool string) (of, rest []received) {
	another := slices.IndexFunc(list, func(e received) bool { return e.event.Tool != tool })
	if another < 0 {
		return list, nil
	}
	of = slices.Clone(list[:another])
	for _, e := range list[another:] {
		if e.event.Tool == tool {
			of = append(of, e)
		} else {
			rest = append(rest, e)
		}
	}
	return of, rest
}

// takeOf does so for those of one tool.
func (g *Gateway) takeOf(ctx context.Context, t *tool, list []received, from string, r *ruling) error {
	if t.delete != nil {
		list = g.deletionsOf(ctx, t, list, from, r)
	}
	screened, err := g.screen(ctx, t, list, r)
	if err != nil {
		return err
	}
	known := 0
	events := slices.DeleteFunc(screened, func(e driver.Event) bool {
		if !g.recent.has(t.name, e.ID) {
			return false
		}
		r.add(has, e.ID)
		known++
		return true
	})
	g.counts.Add(known, metricEvents, "tool", t.name, "outcome", "known")
	if len(events) == 0 {
		return nil
	}
	verdicts, wait := g.forward(ctx, t, events)
	r.wait = max(r.wait, wait)
	var n [3]int
	var accepted []driver.Event
	for i, v := range verdicts {
		n[v]++
		r.add(v, events[i].ID)
		if v == has && g.recent.add(t.name, events[i].ID) {
			accepted = append(accepted, events[i])
		}
	}
	for v, n := range n {
		g.counts.Add(n, metricEvents, "tool", t.name, "outcome", verdict(v).String())
	}
	if len(accepted) > 0 && g.cfg.Accepted != nil {
		g.cfg.Accepted(t.name, accepted)
	}
	return nil
}

// deletionsOf hands on the deletion requests among events, and returns the others.
func (g *Gateway) deletionsOf(ctx context.Context, t *tool, list []received, from string, r *ruling) []received {
	return slices.DeleteFunc(list, func(e received) bool {
		if e.event.Type != string(props.EventDeletionRequest) {
			return false
		}
		v := later
		if wait := g.deleting.Take(from); wait > 0 {
			r.wait = max(r.wait, wait)
		} else {
			err := t.delete(ctx, deletion.Request{
				Tool: t.name, MachineID: e.event.MachineID, DeletionKey: cmp.Or(e.event.Metadata[deletion.KeyField], e.event.Metadata[deletion.FormerKeyField]), RequestedAt: e.event.Time,
			})
			switch {
			case err == nil:
				v = has
			case driver.Classify(err) == driver.ClassPermanent, errors.Is(err, deletion.ErrInvalidID):
				v = never
			}
			r.wait = max(r.wait, driver.Wait(err))
		}
		r.add(v, e.event.ID)
		g.counts.Add(1, metricDeletions, "tool", t.name, "outcome", v.String())
		return true
	})
}

// screen returns those events that may go on.
func (g *Gateway) screen(ctx context.Context, t *tool, list []received, r *ruling) ([]driver.Event, error) {
	counts := map[finding]int{}
	s := screening{t.contract, g.cfg.Now(), func(f finding) { counts[f]++ }}
	passed := make([]driver.Event, 0, len(list))
	refused := 0
	refuse := func(id string, f finding) {
		counts[f]++
		refused++
		r.add(never, id)
	}
	seen := make(map[string]bool, len(list))
	machines := map[string]bool{} // whether it was deleted
	for i := range list {
		e := &list[i]
		if seen[e.event.ID] {
			continue // one verdict is for both
		}
		seen[e.event.ID] = true
		if f := s.screen(e); f != "" {
			refuse(e.event.ID, f)
			continue
		}
		passed = append(passed, e.event)
		if e.event.MachineID != "" {
			machines[e.event.MachineID] = false
		}
	}
	if err := g.deleted(ctx, t.name, machines); err != nil {
		return nil, err
	}
	passed = slices.DeleteFunc(passed, func(e driver.Event) bool {
		if !machines[e.MachineID] {
			return false
		}
		refuse(e.ID, refusedDeleted)
		return true
	})
	for f, n := range counts {
		g.counts.Add(n, metricFindings, "tool", t.name, "kind", string(f))
	}
	g.counts.Add(refused, metricEvents, "tool", t.name, "outcome", never.String())
	return passed, nil
}

// errUnknownDeletions: an event whose machine may have been deleted is not taken.
var errUnknownDeletions = errors.New("who was deleted is not known now")

// deleted marks those machines that were deleted.
func (g *Gateway) deleted(ctx context.Context, tool string, machines map[string]bool) error {
	if len(machines) == 0 || g.cfg.Deleted == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	deleted, err := g.cfg.Deleted(ctx, tool, slices.Sorted(maps.Keys(machines)))
	if err != nil {
		return fmt.Errorf("%w: %w", errUnknownDeletions, err)
	}
	for id := range machines {
		machines[id] = deleted[id]
	}
	return nil
}

// forward hands events to each destination and returns what becomes of each event: the worst of
// its verdicts, except that one destination having it is enough for the others to get it later.
func (g *Gateway) forward(ctx context.Context, t *tool, events []driver.Event) ([]verdict, time.Duration) {
	sizes := make([]int, len(events))
	var encoded []byte
	for i := range events {
		encoded = events[i].AppendJSON(encoded[:0])
		sizes[i] = len(encoded)
	}
	shares := make([]*share, len(t.destinations))
	for i, d := range t.destinations {
		shares[i] = d.submit(events, sizes)
	}
	var wait time.Duration
	for _, s := range shares {
		<-s.done
		wait = max(wait, s.wait)
	}
	verdicts := make([]verdict, len(events))
	var missed []missing
	for i := range events {
		somewhere, refused, away := false, false, 0
		for _, s := range shares {
			switch s.verdicts[i] {
			case has:
				somewhere = true
			case never:
				refused = true
			default:
				away++
			}
		}
		switch {
		case away > 0 && !somewhere:
			continue // nobody has it: the sender keeps it
		case refused:
			verdicts[i] = never
		default:
			verdicts[i] = has
		}
		if away > 0 {
			for j, s := range shares {
				if s.verdicts[i] == later {
					missed = append(missed, missing{t.destinations[j], i})
				}
			}
		}
	}
	if len(missed) == 0 {
		return verdicts, wait
	}
	if err := g.keep(ctx, t, events, missed); err != nil {
		g.cfg.Log.Error("what a destination misses could not be stored; the senders keep it", "tool", t.name, "error", err)
		for _, m := range missed {
			verdicts[m.event] = later
		}
	}
	return verdicts, wait
}

// missing is an event that a destination does not have.
type missing struct {
	destination *destination
	event       int
}

// recent remembers the IDs of the last events that were accepted, so that what a client sends
// again, whose answer was lost, goes nowhere twice. It forgets the older half when it is full.
type recent struct {
	mu       sync.Mutex
	now, old map[recentKey]struct{}
}

type recentKey struct{ tool, id string }

// maxRecent is some minutes of a busy gateway, and 16 MB with the generation before.
const maxRecent = 1 << 16

func (r *recent) has(tool, id string) bool {
	key := recentKey{tool, id}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, now := r.now[key]
	_, old := r.old[key]
	return now || old
}

// add reports whether the ID is new.
func (r *recent) add(tool, id string) bool {
	key := recentKey{tool, strings.Clone(id)} // of a body, of which the rest is not to be kept
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.now[key]; known {
		return false
	}
	if _, known := r.old[key]; known {
		return false
	}
	if r.now == nil || len(r.now) == maxRecent {
		r.now, r.old = make(map[recentKey]struct{}), r.now
	}
	r.now[key] = struct{}{}
	return true
}
