//go:build !notelemetry

package deletions

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/internal/metrics"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	metricRequests = "telemetry_relay_requests_total"
	metricAttempts = "telemetry_relay_vendor_attempts_total"
)

// writeMetrics writes the text format of Prometheus.
func (r *Relay) writeMetrics(ctx context.Context, w io.Writer) {
	head := func(name, kind, help string) { metrics.Head(w, name, kind, help) }
	r.counters.Write(w, [][2]string{
		{metricRequests, "Answers to tools: to requests and to looks at receipts, by outcome."},
		{metricAttempts, "Calls of vendors: delete asks, status follows up."},
	})

	g, err := r.gauges(ctx)
	const up = "telemetry_relay_ledger_writable"
	head(up, "gauge", "0 if the ledger cannot be read, or the last step could not be written.")
	fmt.Fprintf(w, "%s %d\n", up, number(err == nil && !r.ledger.fails()))
	if err != nil {
		return // rather no number than a wrong one
	}
	const numbers = "telemetry_relay_deletions"
	head(numbers, "gauge", "Deletions in the ledger, by their state.")
	for _, t := range slices.SortedFunc(maps.Keys(g.totals), func(a, b total) int {
		return cmp.Or(cmp.Compare(a.tool, b.tool), cmp.Compare(a.state, b.state))
	}) {
		fmt.Fprintf(w, "%s %d\n", metrics.Labelled(numbers, "tool", t.tool, "state", string(t.state)), g.totals[t])
	}
	const age = "telemetry_relay_oldest_unverified_seconds"
	head(age, "gauge", "Since when the oldest deletion waits that is not verified; those aside that only wait for a vendor that never confirms.")
	for _, tool := range slices.Sorted(maps.Keys(g.oldest)) {
		fmt.Fprintf(w, "%s %d\n", metrics.Labelled(age, "tool", tool), g.oldest[tool])
	}
	r.watched.mu.Lock()
	canaries, damaged := maps.Clone(r.watched.canaries), r.watched.damaged
	r.watched.mu.Unlock()
	lanes := func(name, help string, values map[[2]string]int64) {
		head(name, "gauge", help)
		for _, key := range slices.SortedFunc(maps.Keys(values), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
			fmt.Fprintf(w, "%s %d\n", metrics.Labelled(name, "tool", key[0], "vendor", key[1]), values[key])
		}
	}
	lanes("telemetry_relay_needs_person", "Deletions that a vendor refuses or leaves to a person: nothing goes on before somebody acts.", g.halted)
	found := map[[2]string]int64{}
	for lane, is := range canaries {
		found[lane] = number(is)
	}
	lanes("telemetry_relay_canary_found", "1 if the vendor has the known machine; else nothing is called verified there.", found)
	for _, one := range []struct {
		name, help string
		value      int64
	}{
		{"telemetry_relay_due_within_a_week", "Deletions that are not known to be done, and have to be within a week or had to be before.", g.soon},
		{"telemetry_relay_overdue", "Deletions that are not known to be done, and had to be.", g.over},
		{"telemetry_relay_ledger_lines", "Steps in the ledger.", g.lines},
		{"telemetry_relay_ledger_damaged_places", "Places of the evidence that were not as they were written when it was read last, once a day.", damaged},
	} {
		head(one.name, "gauge", one.help)
		fmt.Fprintf(w, "%s %d\n", one.name, one.value)
	}
}

// gauges are what the ledger says.
type gauges struct {
	totals            map[total]int64
	oldest            map[string]int64
	halted            map[[2]string]int64
	soon, over, lines int64
}

func (r *Relay) gauges(ctx context.Context) (g gauges, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	err = r.ledger.db.Read(ctx, func(tx *store.Tx) (err error) {
		g, err = r.readGauges(ctx, tx)
		return err
	})
	return g, err
}

func (r *Relay) readGauges(ctx context.Context, tx *store.Tx) (gauges, error) {
	g := gauges{totals: map[total]int64{}, oldest: map[string]int64{}, halted: map[[2]string]int64{}}
	for tool, vendors := range r.tools {
		for _, state := range []deletion.State{deletion.Acknowledged, deletion.Verified, deletion.Refused} {
			g.totals[total{tool, state}] = 0
		}
		g.oldest[tool] = 0
		for _, v := range vendors {
			g.halted[[2]string{tool, v.Name}] = 0
		}
	}
	if err := tx.Query(ctx, func(scan func(...any) error) error {
		var t total
		var n int64
		err := scan(&t.tool, &t.state, &n)
		g.totals[t] = n
		return err
	}, `SELECT tool, state, n FROM deletion_totals`); err != nil {
		return g, err
	}
	for tool := range r.tools {
		var oldest int64
		found, err := tx.One(ctx, []any{&oldest}, `SELECT received FROM deletions WHERE tool = ? AND is_waiting = 1 ORDER BY received LIMIT 1`, tool)
		if err != nil {
			return g, err
		}
		if found {
			g.oldest[tool] = max(0, int64(r.now().Sub(store.FromMillis(oldest)).Seconds()))
		}
	}
	if err := tx.Query(ctx, func(scan func(...any) error) error {
		var lane [2]string
		var n int64
		err := scan(&lane[0], &lane[1], &n)
		g.halted[lane] = n
		return err
	}, `SELECT tool, vendor, COUNT(*) FROM deletion_vendors WHERE state IN ('refused', 'manual') GROUP BY tool, vendor`); err != nil {
		return g, err
	}
	if _, err := tx.One(ctx, []any{&g.soon, &g.over}, dueQuery, store.Millis(r.now()), store.Millis(r.now().Add(dueSoon))); err != nil {
		return g, err
	}
	h, err := readHead(ctx, tx)
	g.lines = h.seq
	return g, err
}

// dueQuery counts what is due before two times.
const dueQuery = `SELECT COUNT(*), COALESCE(SUM(CASE WHEN due < ? THEN 1 ELSE 0 END), 0) FROM deletions WHERE is_open = 1 AND due < ?`
