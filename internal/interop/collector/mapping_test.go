package collector

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/core/driver"
)

const schema = "https://opentelemetry.io/schemas/1.44.0"

// happened is when the events of these tests did.
var happened = time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)

func id(n int) string { return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", n) }

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = id(i)
	}
	return list
}

// plain has what every event has.
func plain(n int) driver.Event {
	return driver.Event{
		ID: id(n), Type: "feature.used", Name: "export", Time: happened.Add(time.Duration(n) * time.Millisecond),
		Tool: "mytool", Version: "1.2.3", OS: "linux", Arch: "amd64", MachineID: strings.Repeat("ab", 16), ConsentID: strings.Repeat("cd", 16),
	}
}

func batch(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		list[i] = plain(i)
	}
	return list
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
	e.Metadata = map[string]string{"format": "table", "empty": "", "service.name": "theirs"}
	return e
}

// resource is what holds for the records of a version of mytool.
func resource(version string) map[string]any {
	return map[string]any{
		"service.name":           "mytool",
		"service.version":        version,
		"telemetry.sdk.name":     "github.com/gotoolbase/telemetry",
		"telemetry.sdk.language": "go",
		"telemetry.sdk.version":  "3",
	}
}

// plainRecord is what plain(n) has to arrive as.
func plainRecord(n int) arrived {
	at := happened.Add(time.Duration(n) * time.Millisecond)
	return arrived{
		Resource: resource("1.2.3"), SchemaURL: schema, ScopeSchemaURL: schema,
		Scope: "github.com/gotoolbase/telemetry", ScopeVersion: "3",
		EventName: "feature.used", Body: "feature.used: export",
		Severity: plog.SeverityNumberInfo, SeverityText: "INFO", Time: at, Observed: at,
		Attributes: map[string]any{
			"log.record.uid":          id(n),
			"app.installation.id":     strings.Repeat("ab", 16),
			"gotoolbase.consent.id":   strings.Repeat("cd", 16),
			"gotoolbase.event.type":   "feature.used",
			"gotoolbase.event.name":   "export",
			"process.executable.name": "mytool",
			"process.interactive":     false,
			"gotoolbase.ci":           false,
			"gotoolbase.container":    false,
			"os.type":                 "linux",
			"host.arch":               "amd64",
		},
	}
}

// fullRecord is what full(n) has to arrive as: the table of the backend's documentation,
// written out.
func fullRecord(n int) arrived {
	r := plainRecord(n)
	r.EventName, r.Body = "command.invocation", "command.invocation: remote add"
	r.Severity, r.SeverityText = plog.SeverityNumberError, "ERROR"
	maps.Copy(r.Attributes, map[string]any{
		"gotoolbase.event.type":              "command.invocation",
		"gotoolbase.event.name":              "remote add",
		"gotoolbase.duration_ms":             int64(1234),
		"process.exit.code":                  int64(3),
		"error.type":                         "not_found",
		"gotoolbase.args":                    []any{"--force", "", "größe"},
		"gotoolbase.flags":                   []any{"force"},
		"exception.message":                  "no such remote",
		"session.id":                         id(900),
		"process.interactive":                true,
		"gotoolbase.ci":                      true,
		"gotoolbase.ci_provider":             "github-actions",
		"gotoolbase.agent":                   "codex",
		"gotoolbase.container":               true,
		"gotoolbase.count":                   int64(7),
		"gotoolbase.failures":                int64(3),
		"gotoolbase.durations.bucket_counts": []any{int64(5), int64(0), int64(2)},
		"gotoolbase.durations.explicit_bounds_ms": []any{int64(10), int64(25), int64(50), int64(100), int64(250), int64(500), int64(1000),
			int64(2500), int64(5000), int64(10_000), int64(30_000), int64(60_000), int64(300_000)},
		"gotoolbase.sample_rate":           int64(10),
		"gotoolbase.redacted":              int64(1),
		"gotoolbase.time_adjusted":         true,
		"os.version":                       "debian 12",
		"process.runtime.name":             "go",
		"process.runtime.version":          "go1.26",
		"gotoolbase.metadata.format":       "table",
		"gotoolbase.metadata.empty":        "",
		"gotoolbase.metadata.service.name": "theirs",
		"gotoolbase.truncated":             int64(2),
	})
	return r
}

// compare reports each way in which what arrived is not what it should be.
func compare(t *testing.T, got, want []arrived) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records arrived, want %d", len(got), len(want))
	}
	for i := range want {
		if reflect.DeepEqual(got[i], want[i]) {
			continue
		}
		g, w := reflect.ValueOf(got[i]), reflect.ValueOf(want[i])
		for f := range g.NumField() {
			name := fmt.Sprintf("record %d: %s", i, g.Type().Field(f).Name)
			switch have, wanted := g.Field(f).Interface(), w.Field(f).Interface(); wanted := wanted.(type) {
			case map[string]any:
				comparePairs(t, name, have.(map[string]any), wanted)
			default:
				if !reflect.DeepEqual(have, wanted) {
					t.Errorf("%s is %#v, want %#v", name, have, wanted)
				}
			}
		}
	}
}

func comparePairs(t *testing.T, of string, got, want map[string]any) {
	t.Helper()
	all := maps.Clone(got)
	maps.Copy(all, want)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		have, has := got[key]
		wanted, due := want[key]
		switch {
		case !has:
			t.Errorf("%s: %s is missing, want %#v", of, key, wanted)
		case !due:
			t.Errorf("%s: %s is there, as %#v", of, key, have)
		case !reflect.DeepEqual(have, wanted):
			t.Errorf("%s: %s is %#v, want %#v", of, key, have, wanted)
		}
	}
}

func mustSend(t *testing.T, b driver.Backend, events []driver.Event) {
	t.Helper()
	if err := b.Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func TestAnEventArrivesFieldByField(t *testing.T) {
	t.Parallel()
	r := listen(t)
	b, _ := r.open(nil)
	mustSend(t, b, []driver.Event{full(0), plain(1)})
	compare(t, r.records(), []arrived{fullRecord(0), plainRecord(1)})
}

func TestAFailureIsMarkedAndASuccessIsNot(t *testing.T) {
	t.Parallel()
	zero, negative, interrupted := 0, -1, 130
	events := batch(5)
	events[0].ExitCode = &zero
	events[1].ExitCode = &negative
	events[2].Error = "boom"
	events[3].ExitCode, events[3].ErrorClass = &interrupted, "interrupted"
	events[4].ErrorClass = "ended_unrecorded"
	r := listen(t)
	b, _ := r.open(nil)
	mustSend(t, b, events)
	want := []arrived{plainRecord(0), plainRecord(1), plainRecord(2), plainRecord(3), plainRecord(4)}
	want[0].Attributes["process.exit.code"] = int64(0)
	want[1].Attributes["process.exit.code"] = int64(-1)
	want[1].Attributes["error.type"] = "_OTHER"
	want[2].Attributes["exception.message"] = "boom"
	want[2].Attributes["error.type"] = "_OTHER"
	want[3].Attributes["process.exit.code"] = int64(130)
	want[3].Attributes["error.type"] = "interrupted"
	want[4].Attributes["error.type"] = "ended_unrecorded"
	want[1].Severity, want[1].SeverityText = plog.SeverityNumberError, "ERROR"
	want[2].Severity, want[2].SeverityText = plog.SeverityNumberError, "ERROR"
	want[4].Severity, want[4].SeverityText = plog.SeverityNumberWarn, "WARN"
	compare(t, r.records(), want)
}

func TestNamesOfTheConventionsThatAnAuthorAddsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	r := listen(t)
	b, _ := r.open(map[string]string{"resource": "service.namespace=acme,deployment.environment.name=production", "conventions": "vcs.provider.name"})
	e := plain(0)
	e.Metadata = map[string]string{"vcs.provider.name": "github", "db.system.name": "sqlite"}
	mustSend(t, b, []driver.Event{e})
	want := plainRecord(0)
	want.Resource["service.namespace"], want.Resource["deployment.environment.name"] = "acme", "production"
	want.Attributes["vcs.provider.name"], want.Attributes["gotoolbase.metadata.db.system.name"] = "github", "sqlite"
	compare(t, r.records(), []arrived{want})
}

func TestPlatformsAreSpeltAsTheConventionsDo(t *testing.T) {
	t.Parallel()
	spelt := []struct{ goos, goarch, system, arch string }{
		{"dragonfly", "amd64", "dragonflybsd", "amd64"},
		{"windows", "386", "windows", "x86"},
		{"linux", "arm", "linux", "arm32"},
		{"darwin", "arm64", "darwin", "arm64"},
	}
	var events []driver.Event
	var want []arrived
	for i, s := range spelt {
		e, record := plain(i), plainRecord(i)
		e.OS, e.Arch = s.goos, s.goarch
		record.Attributes["os.type"], record.Attributes["host.arch"] = s.system, s.arch
		events, want = append(events, e), append(want, record)
	}
	r := listen(t)
	b, _ := r.open(nil)
	mustSend(t, b, events)
	compare(t, r.records(), want)
}

func TestEachVersionOfTheToolIsAResource(t *testing.T) {
	t.Parallel()
	events, want := batch(4), []arrived{plainRecord(0), plainRecord(1), plainRecord(2), plainRecord(3)}
	events[2].Version, events[3].Version = "2.0.0", ""
	want[2].Resource, want[2].OfResource = resource("2.0.0"), 1
	want[3].Resource, want[3].OfResource = resource(""), 2
	delete(want[3].Resource, "service.version")
	r := listen(t)
	b, _ := r.open(nil)
	mustSend(t, b, events)
	compare(t, r.records(), want)
}

func TestAnotherServiceLeavesTheProcessItsName(t *testing.T) {
	t.Parallel()
	r := listen(t)
	b, _ := r.open(map[string]string{"service": "devtools"})
	mustSend(t, b, batch(1))
	want := plainRecord(0)
	want.Resource["service.name"] = "devtools"
	compare(t, r.records(), []arrived{want})
}

func TestEveryFormOfTheEndpointLeadsToTheLogs(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/v1/logs", "/v1/logs/", "//V1//logs"} {
		t.Run("path "+path, func(t *testing.T) {
			t.Parallel()
			r := listen(t)
			b, w := r.open(map[string]string{"endpoint": "http://" + r.addr + path})
			mustSend(t, b, batch(1))
			compare(t, r.records(), []arrived{plainRecord(0)})
			if got := w.last(t).Path; got != "/v1/logs" {
				t.Errorf("posted to %s", got)
			}
		})
	}
}

func TestAFullBatchArrivesWholeInOrderAndCompressed(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	limits := otlp.Driver().Limits
	events, want := batch(limits.Events), make([]arrived, limits.Events)
	var size int64
	for i := range events {
		key, value := text(random, 20), text(random, 200)
		events[i].Metadata = map[string]string{key: value}
		want[i] = plainRecord(i)
		want[i].Attributes["gotoolbase.metadata."+key] = value
		size += int64(len(events[i].AppendJSON(nil)))
	}
	r := listen(t)
	b, w := r.open(nil)
	mustSend(t, b, events)
	compare(t, r.records(), want)
	x := w.last(t)
	if w.count() != 1 || x.Header.Get("Content-Encoding") != "gzip" || x.Length >= size/2 {
		t.Errorf("%d requests, the last with Content-Encoding %q and %d bytes for events of %d bytes: want one, gzip, and less than half",
			w.count(), x.Header.Get("Content-Encoding"), x.Length, size)
	}
}

// text makes up to n characters, of all planes and with those that formats trip over.
func text(random *rand.Rand, n int) string {
	const awkward = "\x00\n\t\"\\<>&=,;%\u2028\u0085\ufffd\ufeff"
	var b strings.Builder
	for range 1 + random.IntN(n) {
		switch r := rune(random.IntN(0x20000)); {
		case r < 0x8000:
			b.WriteRune(' ' + r%95)
		case r < 0x9000:
			all := []rune(awkward)
			b.WriteRune(all[int(r)%len(all)])
		case utf8.ValidRune(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestOneByteThatIsNoUTF8DoesNotKeepTheBatchFromArriving(t *testing.T) {
	t.Parallel()
	broken := full(1)
	broken.Name = "re\xffmote"
	broken.Args = []string{"\xc3("}
	broken.Error = "\xe2\x28\xa1"
	broken.Version = "1.2\xc0.3"
	broken.Metadata = map[string]string{"ke\xf0y": "val\xedue"}
	r := listen(t)
	b, _ := r.open(nil)
	mustSend(t, b, []driver.Event{plain(0), broken, plain(2)})

	mended := fullRecord(1)
	mended.Body, mended.OfResource, mended.Resource = "command.invocation: re\ufffdmote", 1, resource("1.2\ufffd.3")
	maps.DeleteFunc(mended.Attributes, func(key string, _ any) bool { return strings.HasPrefix(key, "gotoolbase.metadata.") })
	mended.Attributes["gotoolbase.event.name"] = "re\ufffdmote"
	mended.Attributes["gotoolbase.args"] = []any{"\ufffd("}
	mended.Attributes["exception.message"] = "\ufffd(\ufffd"
	mended.Attributes["gotoolbase.metadata.ke\ufffdy"] = "val\ufffdue"
	last := plainRecord(2)
	last.OfResource = 2
	compare(t, r.records(), []arrived{plainRecord(0), mended, last})
}

func TestTheWorstBatchOfTheDriversLimitsIsTaken(t *testing.T) {
	t.Parallel()
	// Metadata of short keys and values grows most on its way from JSON to OTLP.
	limits := otlp.Driver().Limits
	var events []driver.Event
	for size := 0; len(events) < limits.Events; {
		e := plain(len(events))
		e.Metadata = map[string]string{}
		for k := range 40 {
			e.Metadata[string(rune('0'+k))] = "v"
		}
		if size += len(e.AppendJSON(nil)); size > limits.Bytes {
			break
		}
		events = append(events, e)
	}
	r := listen(t)
	b, _ := r.open(nil)
	mustSend(t, b, events)
	if got, want := r.uids(), ids(len(events)); !slices.Equal(got, want) {
		t.Errorf("%d events arrived, want %d in order", len(got), len(want))
	}
	for _, a := range r.records() {
		if len(a.Attributes) != 11+40 {
			t.Fatalf("a record has %d attributes, want 51", len(a.Attributes))
		}
	}
}
