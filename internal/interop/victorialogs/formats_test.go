package victorialogs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	datadogKey = "0123456789abcdef0123456789abcdef"
	posthogKey = "phc_interop"
)

// target is a backend that can be brought to deliver to VictoriaLogs.
type target struct {
	driver driver.Driver
	// settings leads the backend to s. dir is for those that write files.
	settings func(s *server, dir string) map[string]string
	// collect, where not nil, brings what is in dir to s.
	collect func(s *server, dir string)
	columns columns
}

// columns says under which names VictoriaLogs has what a backend has sent.
type columns struct{ id, kind, name, exit, i, machine, version string }

func targets() []target {
	return []target{{
		driver: otlp.Driver(),
		settings: func(s *server, _ string) map[string]string {
			return map[string]string{"endpoint": s.url("/insert/opentelemetry")}
		},
		columns: columns{"log.record.uid", "gotoolbase.event.type", "gotoolbase.event.name", "process.exit.code",
			"gotoolbase.metadata.i", "app.installation.id", "service.version"},
	}, {
		driver: datadog.Driver(),
		settings: func(s *server, _ string) map[string]string {
			return map[string]string{"endpoint": s.datadog(datadogKey), "api_key": datadogKey}
		},
		columns: columns{"event_id", "event_type", "event_name", "exit_code", "metadata.i", "hostname", "tool_version"},
	}, {
		driver: posthog.Driver(),
		settings: func(s *server, _ string) map[string]string {
			return map[string]string{"endpoint": s.posthog(posthogKey), "project_key": posthogKey}
		},
		columns: columns{"uuid", "_msg", "properties.event_name", "properties.exit_code", "properties.i", "distinct_id", "properties.tool_version"},
	}, {
		driver: httpjson.Driver(),
		settings: func(s *server, _ string) map[string]string {
			return map[string]string{"endpoint": s.array()}
		},
		columns: columns{"id", "_msg", "name", "exit_code", "metadata.i", "machine_id", "tool_version"},
	}, {
		driver: file.Driver(),
		settings: func(_ *server, dir string) map[string]string {
			return map[string]string{"path": filepath.Join(dir, "events.ndjson")}
		},
		collect: func(s *server, dir string) {
			s.t.Helper()
			lines, err := os.ReadFile(filepath.Join(dir, "events.ndjson"))
			if err != nil {
				s.t.Fatal(err)
			}
			status, _, answer, err := s.forward(jsonLines("type", "timestamp"), lines)
			if err != nil || status != 200 {
				s.t.Fatalf("inserting the file: %d %s %v", status, answer, err)
			}
		},
		columns: columns{"id", "_msg", "name", "exit_code", "metadata.i", "machine_id", "tool_version"},
	}}
}

// open opens a driver as the collector of package core does.
func open(t *testing.T, d driver.Driver, settings map[string]string) driver.Backend {
	t.Helper()
	resolved, err := d.Resolve(settings)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Open(driver.Config{Settings: resolved, Tool: "mytool", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func id(n int) string { return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", n) }

// machine is the machine ID in these tests, consent the ID of the person's decision.
var machine, consent = strings.Repeat("ab", 16), strings.Repeat("cd", 16)

// plain has what every event has. It is of now, since a store has no room for the past.
func plain(n int) driver.Event {
	return driver.Event{
		ID: id(n), Type: "feature.used", Name: "export", Time: time.Now().UTC().Truncate(time.Millisecond),
		Tool: "mytool", Version: "1.2.3", OS: "linux", Arch: "amd64", MachineID: machine, ConsentID: consent,
	}
}

// full has every field.
func full(n int) driver.Event {
	duration, exit := int64(1234), 3
	e := plain(n)
	e.Type, e.Name = "command.invocation", "remote add"
	e.DurationMS, e.ExitCode = &duration, &exit
	e.Args, e.Error = []string{"--force", "", "größe"}, "no such remote"
	e.OSVersion, e.GoVersion, e.Truncated, e.Redacted, e.TimeAdjusted = "debian 12", "go1.26", 2, 1, true
	e.Flags, e.ErrorClass, e.RunID = []string{"force"}, "not_found", id(900)
	e.CI, e.CIProvider, e.Interactive, e.Agent, e.Container = true, "github-actions", true, "codex", true
	e.Count, e.Failures, e.Durations, e.SampleRate = 7, 3, []int{5, 0, 2}, 10
	e.Metadata = map[string]string{"format": "table", "empty": "", "a.b": "<x>\n"}
	return e
}

func batch(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		list[i] = plain(i)
	}
	return list
}

// stored is what plain and full have to be stored as: documentation of each backend,
// written out, as far as a store goes that makes a string of everything, keeps no empty
// values and, of OTLP, no event name.
func stored(backend string, e driver.Event) row {
	at := e.Time.Format(time.RFC3339Nano)
	if backend == "file" {
		backend = "http" // the same canonical JSON
	}
	always := map[string]row{
		"otlp": {
			"_time": at, "_msg": e.Type + ": " + e.Name, "severity": "INFO",
			"log.record.uid": e.ID, "app.installation.id": machine, "gotoolbase.consent.id": consent,
			"gotoolbase.event.type": e.Type, "gotoolbase.event.name": e.Name,
			"os.type": "linux", "host.arch": "amd64",
			"service.name": "mytool", "service.version": "1.2.3",
			"telemetry.sdk.name": "github.com/gotoolbase/telemetry", "telemetry.sdk.language": "go", "telemetry.sdk.version": "3",
			"process.executable.name": "mytool", "process.interactive": "false", "gotoolbase.ci": "false", "gotoolbase.container": "false",
		},
		"datadog": {
			"_time": at, "_msg": e.Type + ": " + e.Name, "ddsource": "gotoolbase", "service": "mytool", "hostname": machine,
			"event_id": e.ID, "event_type": e.Type, "event_name": e.Name, "event_time": at, "consent_id": consent, "usr.id": machine, "version": "1.2.3",
			"tool_version": "1.2.3", "os": "linux", "arch": "amd64", "ci": "false", "interactive": "false", "container": "false", "status": "info",
		},
		"http": {
			"_time": at, "_msg": e.Type, "id": e.ID, "name": e.Name,
			"tool_name": "mytool", "tool_version": "1.2.3", "os": "linux", "arch": "amd64", "machine_id": machine, "consent_id": consent,
			"ci": "false", "interactive": "false", "container": "false",
		},
		"posthog": {
			"_time": at, "_msg": e.Type, "uuid": e.ID, "distinct_id": machine,
			"properties.event_name": e.Name, "properties.tool_name": "mytool", "properties.tool_version": "1.2.3",
			"properties.$os": "linux", "properties.arch": "amd64", "properties.consent_id": consent,
			"properties.$ip": "0.0.0.0", "properties.$geoip_disable": "true",
			"properties.$lib": "github.com/gotoolbase/telemetry", "properties.$lib_version": "1.0.0",
			"properties.ci": fmt.Sprint(e.CI), "properties.interactive": fmt.Sprint(e.Interactive), "properties.container": fmt.Sprint(e.Container),
		},
	}
	inFull := map[string]row{
		"otlp": {
			"severity": "ERROR", "session.id": id(900), "gotoolbase.duration_ms": "1234", "process.exit.code": "3", "error.type": "not_found",
			"gotoolbase.args": `["--force","","größe"]`, "gotoolbase.flags": `["force"]`, "exception.message": "no such remote",
			"process.interactive": "true", "gotoolbase.ci": "true", "gotoolbase.ci_provider": "github-actions", "gotoolbase.agent": "codex",
			"gotoolbase.container": "true", "gotoolbase.count": "7", "gotoolbase.failures": "3", "gotoolbase.sample_rate": "10",
			"gotoolbase.durations.bucket_counts":      "[5,0,2]",
			"gotoolbase.durations.explicit_bounds_ms": "[10,25,50,100,250,500,1000,2500,5000,10000,30000,60000,300000]",
			"gotoolbase.redacted":                     "1", "gotoolbase.time_adjusted": "true",
			"os.version": "debian 12", "process.runtime.name": "go", "process.runtime.version": "go1.26",
			"gotoolbase.metadata.format": "table", "gotoolbase.metadata.a.b": "<x>\n", "gotoolbase.truncated": "2",
		},
		"datadog": {
			"status": "error", "duration": "1234000000", "error.kind": "not_found", "error.message": "no such remote",
			"duration_buckets.le_10ms": "5", "duration_buckets.le_25ms": "0", "duration_buckets.le_50ms": "2",
		},
		"http": {"duration_ms": "1234", "error_class": "not_found", "error": "no such remote", "durations": "[5,0,2]"},
		"posthog": {
			"properties.duration_ms": "1234", "properties.exit_code": "3",
			"properties.args": `["--force","","größe"]`, "properties.error": "no such remote",
			"properties.os_version": "debian 12", "properties.go_version": "go1.26",
			"properties.format": "table", "properties.a.b": "<x>\n", "properties.truncated": "2", "properties.redacted": "1",
			"properties.$session_id": id(900), "properties.run_id": id(900), "properties.agent": "codex", "properties.ci_provider": "github-actions",
			"properties.flags": `["force"]`, "properties.error_class": "not_found", "properties.time_adjusted": "true",
			"properties.count": "7", "properties.failures": "3", "properties.durations": "[5,0,2]", "properties.sample_rate": "10",
		},
	}
	for _, ours := range []string{"http", "datadog"} {
		maps.Copy(inFull[ours], row{
			"run_id": id(900), "exit_code": "3", "args": `["--force","","größe"]`, "flags": `["force"]`, "os_version": "debian 12", "go_version": "go1.26",
			"ci": "true", "ci_provider": "github-actions", "interactive": "true", "agent": "codex", "container": "true",
			"metadata.format": "table", "metadata.a.b": "<x>\n", "count": "7", "failures": "3", "sample_rate": "10",
			"truncated": "2", "redacted": "1", "time_adjusted": "true",
		})
	}
	r := always[backend]
	if e.Args != nil {
		maps.Copy(r, inFull[backend])
	}
	return r
}

func TestAnEventIsStoredFieldByField(t *testing.T) {
	t.Parallel()
	for _, to := range targets() {
		t.Run(to.driver.Name, func(t *testing.T) {
			t.Parallel()
			s, dir := serve(t), t.TempDir()
			b := open(t, to.driver, to.settings(s, dir))
			events := []driver.Event{full(0), plain(1)}
			if err := b.Send(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			if to.collect != nil {
				to.collect(s, dir)
			}
			for _, e := range events {
				got, want := s.one(to.columns.id, e.ID), stored(to.driver.Name, e)
				for _, column := range slices.Sorted(maps.Keys(got)) {
					if got[column] != want[column] {
						t.Errorf("%s: %s is %q, want %q", e.Type, column, got[column], want[column])
					}
				}
				for _, column := range slices.Sorted(maps.Keys(want)) {
					if _, has := got[column]; !has {
						t.Errorf("%s: %s is missing, want %q", e.Type, column, want[column])
					}
				}
			}
			if all := s.query("*"); len(all) != len(events) {
				t.Errorf("%d logs are stored, want %d", len(all), len(events))
			}
		})
	}
}

func TestTheLargestBatchIsStoredWhole(t *testing.T) {
	t.Parallel()
	for _, to := range targets() {
		if to.driver.Local {
			continue // its batches are bounded by bytes alone
		}
		t.Run(to.driver.Name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			events := batch(to.driver.Limits.Events)
			if err := open(t, to.driver, to.settings(s, "")).Send(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			times := map[string]int{}
			for _, r := range s.query("*") {
				times[r[to.columns.id]]++
			}
			want := map[string]int{}
			for _, e := range events {
				want[e.ID] = 1
			}
			if !reflect.DeepEqual(times, want) {
				t.Errorf("of %d events %d are stored, want each once", len(want), len(times))
			}
		})
	}
}

func TestABatchOutlivesARestartOfTheStore(t *testing.T) {
	t.Parallel()
	for _, to := range targets() {
		if to.driver.Local {
			continue // nothing between it and its file can be away
		}
		t.Run(to.driver.Name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			b := open(t, to.driver, to.settings(s, ""))
			events := batch(4)
			if err := b.Send(t.Context(), events[:2]); err != nil {
				t.Fatal(err)
			}
			s.stop()
			if err := b.Send(t.Context(), events[2:]); driver.Classify(err) != driver.ClassUnknown {
				t.Errorf("while the store is away %v is %v, want unknown", err, driver.Classify(err))
			}
			s.start()
			if err := b.Send(t.Context(), events[2:]); err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				s.one(to.columns.id, e.ID)
			}
		})
	}
}

func TestDatadogGetsALateEventUnderADateThatItTakes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	late := plain(0)
	late.Time = late.Time.Add(-3 * 24 * time.Hour)
	before := time.Now()
	b := open(t, datadog.Driver(), map[string]string{"endpoint": s.datadog(datadogKey), "api_key": datadogKey})
	if err := b.Send(t.Context(), []driver.Event{late}); err != nil {
		t.Fatal(err)
	}
	r := s.one("event_id", late.ID)
	ms, err := strconv.ParseInt(r["date"], 10, 64)
	if age := before.Sub(time.UnixMilli(ms)); err != nil || age < 16*time.Hour-time.Minute || age > 17*time.Hour {
		t.Errorf("the log's date is %s, %v before it was sent, want 16 to 17 hours", r["date"], age)
	}
	// This store knows timestamp alone, so to it the log is of the moment it came in.
	if arrived, err := time.Parse(time.RFC3339Nano, r["_time"]); err != nil || before.Sub(arrived) > time.Minute {
		t.Errorf("it is filed under %s, %v", r["_time"], err)
	}
	if want := late.Time.Format(time.RFC3339Nano); r["event_time"] != want {
		t.Errorf("event_time is %s, want %s", r["event_time"], want)
	}
}

// What Datadog takes, VictoriaLogs refuses in the middle of the batch. That makes it the
// one real server that answers 400 to our bytes, and it does so in a text, which is not how
// Datadog refuses: so the batch is kept.
func TestARefusalThatIsNotInDatadogsFormKeepsTheBatch(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b := open(t, datadog.Driver(), map[string]string{"endpoint": s.url("/insert/datadog"), "api_key": datadogKey})
	if err := b.Send(t.Context(), []driver.Event{plain(0), full(1), plain(2)}); driver.Classify(err) != driver.ClassUnknown {
		t.Errorf("%v is %v, want unknown", err, driver.Classify(err))
	}
	// The first fault is in the first event: each has a boolean.
	if rows := s.query("*"); len(rows) != 0 {
		t.Errorf("%v is stored, want nothing", rows)
	}
}
