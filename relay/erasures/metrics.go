package erasures

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// counters count what happened since the process started, by rendered name and labels.
// The labels are words of this program and names of the configuration: there are few.
type counters struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (c *counters) add(metric string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]uint64{}
	}
	c.n[metric]++
}

// labelled renders a metric's name with its labels.
func labelled(name string, labels ...string) string {
	var b strings.Builder
	b.WriteString(name + "{")
	for i := 0; i < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i] + `="` + labelEscapes.Replace(labels[i+1]) + `"`)
	}
	b.WriteByte('}')
	return b.String()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

const (
	metricRequests = "telemetry_relay_requests_total"
	metricAttempts = "telemetry_relay_vendor_attempts_total"
)

// writeMetrics writes the text format of Prometheus.
func (r *Relay) writeMetrics(w io.Writer) {
	head := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }

	r.counters.mu.Lock()
	counts := maps.Clone(r.counters.n)
	r.counters.mu.Unlock()
	for _, of := range [][2]string{
		{metricRequests, "Answers to tools: to requests and to looks at receipts, by outcome."},
		{metricAttempts, "Calls of vendors: erase asks, status follows up."},
	} {
		name, help := of[0], of[1]
		head(name, "counter", help)
		for _, metric := range slices.Sorted(maps.Keys(counts)) {
			if strings.HasPrefix(metric, name+"{") {
				fmt.Fprintf(w, "%s %d\n", metric, counts[metric])
			}
		}
	}

	now := r.ledger.elapsed()
	erasures := map[stateCount]int{}
	oldest := map[string]time.Duration{}
	halted := map[[2]string]int{}
	for tool, vendors := range r.tools {
		for _, state := range []deletion.State{deletion.Acknowledged, deletion.Verified, deletion.Refused} {
			erasures[stateCount{tool, state}] = 0
		}
		oldest[tool] = 0
		for _, v := range vendors {
			halted[[2]string{tool, v.Name}] = 0
		}
	}
	r.ledger.mu.RLock()
	maps.Copy(erasures, r.ledger.book.counts)
	for e := range r.ledger.book.open {
		for i := range e.vendors {
			v := &e.vendors[i]
			if v.halted() {
				halted[[2]string{e.key.tool, v.name}]++
			}
			if r.verifiable(e.key.tool, v) {
				oldest[e.key.tool] = max(oldest[e.key.tool], now-e.received)
			}
		}
	}
	failing, size := r.ledger.failing != nil, r.ledger.bytes
	r.ledger.mu.RUnlock()

	const numbers = "telemetry_relay_erasures"
	head(numbers, "gauge", "Erasures in the ledger, by what the person is told.")
	for _, c := range slices.SortedFunc(maps.Keys(erasures), func(a, b stateCount) int {
		return cmp.Or(cmp.Compare(a.tool, b.tool), cmp.Compare(a.state, b.state))
	}) {
		fmt.Fprintf(w, "%s %d\n", labelled(numbers, "tool", c.tool, "state", string(c.state)), erasures[c])
	}
	const age = "telemetry_relay_oldest_unverified_seconds"
	head(age, "gauge", "Since when the oldest erasure waits that is not verified; those aside that only wait for a vendor that never confirms.")
	for _, tool := range slices.Sorted(maps.Keys(oldest)) {
		fmt.Fprintf(w, "%s %d\n", labelled(age, "tool", tool), int64(oldest[tool].Seconds()))
	}
	const persons = "telemetry_relay_needs_person"
	head(persons, "gauge", "Erasures that a vendor refuses or leaves to a person: nothing goes on before somebody acts.")
	for _, key := range slices.SortedFunc(maps.Keys(halted), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(w, "%s %d\n", labelled(persons, "tool", key[0], "vendor", key[1]), halted[key])
	}
	const writable = "telemetry_relay_ledger_writable"
	head(writable, "gauge", "0 if the last line could not be written.")
	fmt.Fprintf(w, "%s %d\n", writable, map[bool]int{false: 1}[failing])
	const bytes = "telemetry_relay_ledger_bytes"
	head(bytes, "gauge", "Size of the ledger.")
	fmt.Fprintf(w, "%s %d\n", bytes, size)
	const torn = "telemetry_relay_ledger_torn_lines"
	head(torn, "gauge", "1 if this process found a half-written line when it started, and set it aside.")
	fmt.Fprintf(w, "%s %d\n", torn, r.ledger.tornLines)
}
