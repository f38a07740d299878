// Package bench measures the otlp backend beside the exporter of the OpenTelemetry SDK.
// Run it in internal/interop with `go test -run '^$' -bench . ./bench`.
package bench

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/core/driver"
)

const endpoint = "https://otlp.example.com"

// receiver is a transport that accepts everything and keeps what came last.
type receiver struct{ body bytes.Buffer }

func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	defer q.Body.Close()
	r.body.Reset()
	_, err := r.body.ReadFrom(q.Body)
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/x-protobuf"}},
		Body:       io.NopCloser(strings.NewReader("\n\x00")), // as the Collector answers
		Request:    q,
	}, err
}

// decoded is what came last; both sides have to compress it.
func (r *receiver) decoded(tb testing.TB) *collector.ExportLogsServiceRequest {
	tb.Helper()
	z, err := gzip.NewReader(&r.body)
	if err != nil {
		tb.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	var request collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(plain, &request); err != nil {
		tb.Fatal(err)
	}
	return &request
}

// BenchmarkBatch sends 100 events through the backend and the same content through the
// exporter, gzip on both, in turn, so that what else the machine does meets both. It
// reports medians, and the times as multiples of the backend's.
//
// "export" is handed records that exist. "emit" makes them first through a logger, as a
// tool has to; it is the one that does what the backend does, which makes its records of
// events.
func BenchmarkBatch(b *testing.B) {
	r := &receiver{}
	backend, err := otlp.NewBackend(endpoint, func(cfg *driver.Config) { cfg.Transport = r })
	if err != nil {
		b.Fatal(err)
	}
	events := batch(100)
	exporter, err := otlploghttp.New(b.Context(),
		otlploghttp.WithEndpointURL(endpoint+"/v1/logs"),
		otlploghttp.WithHTTPClient(&http.Client{Transport: r}),
		otlploghttp.WithCompression(otlploghttp.GzipCompression))
	if err != nil {
		b.Fatal(err)
	}
	if err := backend.Send(b.Context(), events); err != nil {
		b.Fatal(err)
	}
	ours := r.decoded(b)
	records := recordsOf(b, ours)
	if err := exporter.Export(b.Context(), records); err != nil {
		b.Fatal(err)
	}
	if theirs := r.decoded(b); contents(theirs) != contents(ours) {
		b.Fatalf("they send different things: the exporter\n%s\nthe backend\n%s", contents(theirs), contents(ours))
	}

	export := func(records []sdk.Record) error { return exporter.Export(b.Context(), records) }
	sides := [...]struct {
		name          string
		send          func() error
		times         []time.Duration
		bytes, allocs []uint64
	}{
		{name: "backend", send: func() error { return backend.Send(b.Context(), events) }},
		{name: "export", send: func() error { return export(records) }},
		{name: "emit", send: func() error { return export(recordsOf(b, ours)) }},
	}
	var before, after runtime.MemStats
	for first := 0; b.Loop(); first++ {
		for i := range sides {
			side := &sides[(first+i)%len(sides)]
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := side.send()
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != nil {
				b.Fatal(err)
			}
			side.times = append(side.times, took)
			side.bytes = append(side.bytes, after.TotalAlloc-before.TotalAlloc)
			side.allocs = append(side.allocs, after.Mallocs-before.Mallocs)
		}
	}
	b.ReportMetric(0, "ns/op") // of all and the measuring: it says nothing
	for _, side := range sides {
		b.ReportMetric(float64(median(side.times).Microseconds()), side.name+"-µs")
		b.ReportMetric(float64(median(side.bytes))/1024, side.name+"-KiB")
		b.ReportMetric(float64(median(side.allocs)), side.name+"-allocs")
		b.ReportMetric(float64(median(side.times))/float64(median(sides[0].times)), side.name+"-ratio")
	}
}

func median[T time.Duration | uint64](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}

// batch is what commands record without ExtendedCollection.
func batch(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		duration, exit := int64(1234+i), i%2
		list[i] = driver.Event{
			ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i), Type: "command.invocation", Name: "remote add",
			Time: time.Date(2026, 2, 3, 4, 5, i%60, 789e6, time.UTC), DurationMS: &duration, ExitCode: &exit,
			Tool: "mytool", Version: "v1.2.3", OS: "linux", Arch: "amd64", OSVersion: "debian 12", GoVersion: "go1.26",
			MachineID: strings.Repeat("ab", 16), Metadata: map[string]string{"format": "table", "colour": "green"},
		}
	}
	return list
}

// recordsOf makes the records that say what a request of the backend's says.
func recordsOf(tb testing.TB, r *collector.ExportLogsServiceRequest) (records []sdk.Record) {
	tb.Helper()
	from := r.ResourceLogs[0]
	scope := from.ScopeLogs[0]
	records = make([]sdk.Record, 0, len(scope.LogRecords))
	provider := sdk.NewLoggerProvider(
		sdk.WithResource(resource.NewWithAttributes(from.SchemaUrl, attributes(from.Resource.Attributes)...)),
		sdk.WithProcessor(keep{&records}))
	logger := provider.Logger(scope.Scope.Name, log.WithInstrumentationVersion(scope.Scope.Version), log.WithSchemaURL(scope.SchemaUrl))
	for _, l := range scope.LogRecords {
		var record log.Record
		record.SetTimestamp(time.Unix(0, int64(l.TimeUnixNano)))
		record.SetObservedTimestamp(time.Unix(0, int64(l.ObservedTimeUnixNano)))
		record.SetSeverity(log.Severity(l.SeverityNumber))
		record.SetSeverityText(l.SeverityText)
		record.SetEventName(l.EventName)
		record.SetBody(attribute.StringValue(l.Body.GetStringValue()))
		record.AddAttributes(attributes(l.Attributes)...)
		logger.Emit(tb.Context(), record)
	}
	return records
}

func attributes(list []*common.KeyValue) []attribute.KeyValue {
	to := make([]attribute.KeyValue, 0, len(list))
	for _, kv := range list {
		switch value := kv.Value.Value.(type) {
		case *common.AnyValue_IntValue:
			to = append(to, attribute.Int64(kv.Key, value.IntValue))
		case *common.AnyValue_BoolValue:
			to = append(to, attribute.Bool(kv.Key, value.BoolValue))
		default:
			to = append(to, attribute.String(kv.Key, kv.Value.GetStringValue()))
		}
	}
	return to
}

// keep is a processor that keeps what it is given.
type keep struct{ records *[]sdk.Record }

func (k keep) OnEmit(_ context.Context, r *sdk.Record) error {
	*k.records = append(*k.records, r.Clone())
	return nil
}
func (keep) Enabled(context.Context, sdk.EnabledParameters) bool { return true }
func (keep) Shutdown(context.Context) error                      { return nil }
func (keep) ForceFlush(context.Context) error                    { return nil }

// contents lists the records with their attributes in order: the exporter sorts them.
func contents(r *collector.ExportLogsServiceRequest) string {
	var b strings.Builder
	for _, of := range r.ResourceLogs {
		for _, scope := range of.ScopeLogs {
			for _, l := range scope.LogRecords {
				slices.SortFunc(l.Attributes, func(a, b *common.KeyValue) int { return strings.Compare(a.Key, b.Key) })
				fmt.Fprintln(&b, l)
			}
		}
	}
	return b.String()
}
