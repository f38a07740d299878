//go:build !notelemetry

package events

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// loss is why events that were accepted do not reach a destination.
type loss struct{ tool, destination, reason string }

// losses are those that are not logged yet.
type losses struct {
	mu sync.Mutex
	n  map[loss]int
}

// lost counts events that were accepted and are not sent. That somebody was deleted is no loss.
func (g *Gateway) lost(n int, of loss) {
	if n <= 0 {
		return
	}
	g.counts.Add(n, metricCut, "tool", of.tool, "destination", of.destination, "reason", of.reason)
	if of.reason == "deleted" {
		return
	}
	g.losses.mu.Lock()
	defer g.losses.mu.Unlock()
	if g.losses.n == nil {
		g.losses.n = map[loss]int{}
	}
	g.losses.n[of] += n
}

// tell logs what was lost since the last time, and reports whether there was something.
func (l *losses) tell(log *slog.Logger) bool {
	l.mu.Lock()
	n := l.n
	l.n = nil
	l.mu.Unlock()
	for _, of := range slices.SortedFunc(maps.Keys(n), func(a, b loss) int {
		return cmp.Or(cmp.Compare(a.tool, b.tool), cmp.Compare(a.destination, b.destination), cmp.Compare(a.reason, b.reason))
	}) {
		log.Error("events that were accepted were lost to a destination", "tool", of.tool, "destination", of.destination, "reason", of.reason, "events", n[of])
	}
	return len(n) > 0
}

// sendsTo reports whether the configuration has a destination.
func (g *Gateway) sendsTo(tool, name string) bool {
	t, known := g.tools[tool]
	return known && slices.ContainsFunc(t.destinations, func(d *destination) bool { return d.Name == name })
}
