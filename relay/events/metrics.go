//go:build !notelemetry

package events

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/relay/store"
)

// The counters. Their labels are words of this package and names of the configuration, never
// anything that somebody sent, so there are few.
const (
	metricRequests          = "telemetry_relay_events_requests_total"
	metricEvents            = "telemetry_relay_events_total"
	metricErasures          = "telemetry_relay_events_erasures_total"
	metricFindings          = "telemetry_relay_events_findings_total"
	metricDestinationEvents = "telemetry_relay_destination_events_total"
	metricBatches           = "telemetry_relay_destination_batches_total"
	metricUnnamed           = "telemetry_relay_destination_unnamed_total"
	metricWarnings          = "telemetry_relay_destination_warnings_total"
	metricStored            = "telemetry_relay_waiting_stored_total"
	metricCut               = "telemetry_relay_waiting_cut_total"
	metricExpired           = "telemetry_relay_store_expired_total"
)

var helps = [][2]string{
	{metricRequests, "Answers to POST /v1/events, by outcome."},
	{metricEvents, "Events that came in, by what their sender was told: accepted, known (accepted before), rejected, or retry."},
	{metricErasures, "Requests for erasure that came as events, by what their sender was told."},
	{metricFindings, "What the gateway took out of events, mended, or refused events for, by kind."},
	{metricDestinationEvents, "Events that were sent to a destination, by its verdict."},
	{metricBatches, "Requests to a destination, by the class of its answer."},
	{metricUnnamed, "Events that a destination refused without saying which."},
	{metricWarnings, "Warnings with which a destination accepted events."},
	{metricStored, "Events that were stored for a destination that was away."},
	{metricCut, "Events that were stored for a destination and will not be sent, by reason."},
	{metricExpired, "Events that the store erased because they were older than it keeps them."},
}

// counters count what happened since the process started, by rendered name and labels.
type counters struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (c *counters) add(n int, name string, labels ...string) {
	if n <= 0 {
		return
	}
	metric := labelled(name, labels...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]uint64{}
	}
	c.n[metric] += uint64(n)
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

// Metrics writes the text format of Prometheus. The error is the database's, of which then
// some figures are missing.
func (g *Gateway) Metrics(ctx context.Context, w io.Writer) error {
	head := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	g.counts.mu.Lock()
	counts := maps.Clone(g.counts.n)
	g.counts.mu.Unlock()
	names := slices.Sorted(maps.Keys(counts))
	for _, of := range helps {
		head(of[0], "counter", of[1])
		for _, metric := range names {
			if strings.HasPrefix(metric, of[0]+"{") {
				fmt.Fprintf(w, "%s %d\n", metric, counts[metric])
			}
		}
	}
	const pause = "telemetry_relay_destination_pause_seconds"
	head(pause, "gauge", "How long a destination is left alone, 0 if it takes events.")
	for _, d := range g.all() {
		fmt.Fprintf(w, "%s %g\n", labelled(pause, "tool", d.tool, "destination", d.Name), d.away().Round(time.Second).Seconds())
	}
	const memory = "telemetry_relay_events_memory_bytes"
	head(memory, "gauge", "Bodies that are being worked on.")
	fmt.Fprintf(w, "%s %d\n", memory, g.memory.taken())

	logs, err := g.backlogs(ctx)
	const events, bytes = "telemetry_relay_waiting_events", "telemetry_relay_waiting_bytes"
	head(events, "gauge", "Events that are stored for a destination.")
	for _, b := range logs {
		fmt.Fprintf(w, "%s %d\n", labelled(events, "tool", b.tool, "destination", b.destination), b.events)
	}
	head(bytes, "gauge", "Their size.")
	for _, b := range logs {
		fmt.Fprintf(w, "%s %d\n", labelled(bytes, "tool", b.tool, "destination", b.destination), b.bytes)
	}
	return err
}

// backlog is how much is stored for a destination.
type backlog struct {
	tool, destination string
	events, bytes     int64
}

func (g *Gateway) backlogs(ctx context.Context) ([]backlog, error) {
	var logs []backlog
	err := g.cfg.DB.Read(ctx, func(tx *store.Tx) error {
		logs = nil
		return tx.Query(ctx, func(scan func(...any) error) error {
			var b backlog
			err := scan(&b.tool, &b.destination, &b.events, &b.bytes)
			logs = append(logs, b)
			return err
		}, `SELECT tool, destination, events, bytes FROM events_backlog ORDER BY tool, destination`)
	})
	return logs, err
}
