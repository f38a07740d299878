//go:build !notelemetry

package events

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gotoolbase/telemetry/relay/internal/metrics"
	"github.com/gotoolbase/telemetry/relay/store"
)

// The counters. Their labels are words of this package and names of the configuration, never
// anything that somebody sent, so there are few.
const (
	metricRequests          = "telemetry_relay_events_requests_total"
	metricEvents            = "telemetry_relay_events_total"
	metricDeletions         = "telemetry_relay_events_deletions_total"
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
	{metricDeletions, "Deletion requests that came as events, by what their sender was told."},
	{metricFindings, "What the gateway took out of events, mended, or refused events for, by kind."},
	{metricDestinationEvents, "Events that were sent to a destination, by its verdict."},
	{metricBatches, "Requests to a destination, by the class of its answer."},
	{metricUnnamed, "Events that a destination refused without saying which."},
	{metricWarnings, "Warnings with which a destination accepted events."},
	{metricStored, "Events that were stored for a destination that was away."},
	{metricCut, "Events that were stored for a destination and will not be sent, by reason."},
	{metricExpired, "Events that the store deleted because they were older than it keeps them."},
}

// Metrics writes the text format of Prometheus. The error is the database's, of which then
// some figures are missing.
func (g *Gateway) Metrics(ctx context.Context, w io.Writer) error {
	head := func(name, kind, help string) { metrics.Head(w, name, kind, help) }
	g.counts.Write(w, helps)
	const pause = "telemetry_relay_destination_pause_seconds"
	head(pause, "gauge", "How long a destination is left alone, 0 if it takes events.")
	for _, d := range g.all() {
		fmt.Fprintf(w, "%s %g\n", metrics.Labelled(pause, "tool", d.tool, "destination", d.Name), d.away().Round(time.Second).Seconds())
	}
	const memory = "telemetry_relay_events_memory_bytes"
	head(memory, "gauge", "Bodies that are being worked on.")
	fmt.Fprintf(w, "%s %d\n", memory, g.memory.taken())

	logs, err := g.backlogs(ctx)
	const events, bytes = "telemetry_relay_waiting_events", "telemetry_relay_waiting_bytes"
	head(events, "gauge", "Events that are stored for a destination.")
	for _, b := range logs {
		fmt.Fprintf(w, "%s %d\n", metrics.Labelled(events, "tool", b.tool, "destination", b.destination), b.events)
	}
	head(bytes, "gauge", "Their size.")
	for _, b := range logs {
		fmt.Fprintf(w, "%s %d\n", metrics.Labelled(bytes, "tool", b.tool, "destination", b.destination), b.bytes)
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
