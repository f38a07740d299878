//go:build !notelemetry

package otlp_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

const (
	canary   = "c4n4ry"
	endpoint = "https://otlp.example.com"
	intake   = endpoint + "/v1/logs"
	protobuf = "application/x-protobuf"
)

// full is an event with every field set.
func full(n int) driver.Event {
	duration, exit := int64(1234), 3
	return driver.Event{
		ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", n), Type: "command.invocation", Name: "remote add",
		Time: time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC), DurationMS: &duration, ExitCode: &exit,
		Args: []string{"--force", "", "c"}, Error: "no such remote", Tool: "mytool", Version: "v1.2.3", OS: "linux", Arch: "amd64",
		OSVersion: "debian 12", GoVersion: "go1.26", MachineID: strings.Repeat("ab", 16), ConsentID: strings.Repeat("cd", 16),
		Flags: []string{"force", "depth"}, ErrorClass: "not_found", CI: true, CIProvider: "github-actions", Interactive: true, Agent: "codex", Container: true,
		RunID:    "01890a5d-ac96-774b-bcce-b302099a0000",
		Metadata: map[string]string{"format": "table", "colour": "green", "empty": ""}, Count: 7, Failures: 3, Durations: []int{5, 0, 2}, SampleRate: 10,
		Truncated: 2, Redacted: 1, TimeAdjusted: true,
	}
}

func batch(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		list[i] = full(i)
	}
	return list
}

// receiver is a transport that answers at the intake and nowhere else, and keeps what
// it was sent.
type receiver struct {
	*httpmock.MockTransport
	requests []*http.Request
	bodies   [][]byte // unpacked
}

func newReceiver(tb testing.TB, url string, answer func() *http.Response) *receiver {
	r := &receiver{MockTransport: httpmock.NewMockTransport()}
	r.RegisterResponder("POST", url, func(q *http.Request) (*http.Response, error) {
		var body io.Reader = q.Body
		if q.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				tb.Errorf("not gzip: %v", err)
				return nil, err
			}
		}
		plain, err := io.ReadAll(body)
		if err != nil {
			tb.Errorf("reading the request: %v", err)
		}
		r.requests, r.bodies = append(r.requests, q), append(r.bodies, plain)
		return answer(), nil
	})
	return r
}

// decoded returns what arrived last.
func (r *receiver) decoded(tb testing.TB) []*logs.ResourceLogs {
	tb.Helper()
	if len(r.bodies) == 0 {
		tb.Fatal("no request arrived")
	}
	var request collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(r.bodies[len(r.bodies)-1], &request); err != nil {
		tb.Fatal(err)
	}
	return request.ResourceLogs
}

func reply(status int, contentType, body string) func() *http.Response {
	return func() *http.Response {
		resp := httpmock.NewStringResponse(status, body)
		if contentType != "" {
			resp.Header.Set("Content-Type", contentType)
		}
		return resp
	}
}

var success = reply(200, protobuf, "\n\x00")

// open resolves the settings as the collector does, and opens.
func open(tb testing.TB, transport http.RoundTripper, change func(*driver.Config)) (driver.Backend, error) {
	tb.Helper()
	cfg := driver.Config{Tool: "mytool", Version: "v1", Settings: map[string]string{"endpoint": endpoint}, Transport: transport}
	if change != nil {
		change(&cfg)
	}
	d := otlp.Driver()
	var err error
	if cfg.Settings, err = d.Resolve(cfg.Settings); err != nil {
		return nil, err
	}
	b, err := d.Open(cfg)
	if err == nil {
		tb.Cleanup(func() { b.Close() })
	}
	return b, err
}

func mustOpen(tb testing.TB, transport http.RoundTripper, change func(*driver.Config)) driver.Backend {
	tb.Helper()
	b, err := open(tb, transport, change)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// send returns what a receiver gets of the events.
func send(t *testing.T, change func(*driver.Config), events ...driver.Event) []*logs.ResourceLogs {
	t.Helper()
	r := newReceiver(t, intake, success)
	if err := mustOpen(t, r, change).Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	return r.decoded(t)
}

// pairs makes attributes readable: name to value, as OTLP's JSON has it.
func pairs(t *testing.T, attributes []*common.KeyValue) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, a := range attributes {
		if _, twice := m[a.Key]; twice {
			t.Errorf("%s is there twice", a.Key)
		}
		text, err := protojson.Marshal(a.Value)
		if err != nil {
			t.Fatal(err)
		}
		// protojson puts spaces in at random, so that nobody relies on its output.
		m[a.Key] = strings.ReplaceAll(strings.ReplaceAll(string(text), ": ", ":"), ", ", ",")
	}
	return m
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if value, there := got[name]; !there || value != want[name] {
			t.Errorf("%s is %s, want %s", name, cmp.Or(value, "missing"), want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, expected := want[name]; !expected {
			t.Errorf("%s = %s is there, unexpected", name, got[name])
		}
	}
}

func TestFullEventLeavesNoFieldOut(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(full(1))
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("full() does not set %s: the mapping of it goes untested", v.Type().Field(i).Name)
		}
	}
}

// The tables here are the ones of the package comment, written out once more: deriving
// them from the code would find no mistake in it.
func TestEveryFieldHasItsPlace(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, intake, success)
	b := mustOpen(t, r, func(cfg *driver.Config) { cfg.Headers = map[string]string{"X-Key": "k"} })
	if err := b.Send(t.Context(), []driver.Event{full(1)}); err != nil {
		t.Fatal(err)
	}
	if h := r.requests[0].Header; h.Get("Content-Type") != protobuf || h.Get("X-Key") != "k" || h.Get("User-Agent") != "mytool/v1 gotoolbase-telemetry" {
		t.Errorf("headers %v", h)
	}
	groups := r.decoded(t)
	if len(groups) != 1 || len(groups[0].ScopeLogs) != 1 || len(groups[0].ScopeLogs[0].LogRecords) != 1 {
		t.Fatalf("got %v", groups)
	}
	scope, record := groups[0].ScopeLogs[0], groups[0].ScopeLogs[0].LogRecords[0]
	const schema = "https://opentelemetry.io/schemas/1.44.0"
	if groups[0].SchemaUrl != schema || scope.SchemaUrl != schema || scope.Scope.Name != "github.com/gotoolbase/telemetry" || scope.Scope.Version != "3" {
		t.Errorf("schemas %q, %q, scope %v", groups[0].SchemaUrl, scope.SchemaUrl, scope.Scope)
	}
	same(t, pairs(t, groups[0].Resource.Attributes), map[string]string{
		"service.name":           `{"stringValue":"mytool"}`,
		"service.version":        `{"stringValue":"v1.2.3"}`,
		"telemetry.sdk.name":     `{"stringValue":"github.com/gotoolbase/telemetry"}`,
		"telemetry.sdk.language": `{"stringValue":"go"}`,
		"telemetry.sdk.version":  `{"stringValue":"3"}`,
	})
	same(t, pairs(t, record.Attributes), map[string]string{
		"log.record.uid":                     `{"stringValue":"01890a5d-ac96-774b-bcce-000000000001"}`,
		"app.installation.id":                `{"stringValue":"abababababababababababababababab"}`,
		"gotoolbase.consent.id":              `{"stringValue":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"}`,
		"gotoolbase.event.type":              `{"stringValue":"command.invocation"}`,
		"gotoolbase.event.name":              `{"stringValue":"remote add"}`,
		"gotoolbase.duration_ms":             `{"intValue":"1234"}`,
		"process.exit.code":                  `{"intValue":"3"}`,
		"error.type":                         `{"stringValue":"not_found"}`,
		"exception.message":                  `{"stringValue":"no such remote"}`,
		"session.id":                         `{"stringValue":"01890a5d-ac96-774b-bcce-b302099a0000"}`,
		"process.executable.name":            `{"stringValue":"mytool"}`,
		"process.interactive":                `{"boolValue":true}`,
		"gotoolbase.flags":                   `{"arrayValue":{"values":[{"stringValue":"force"},{"stringValue":"depth"}]}}`,
		"gotoolbase.ci":                      `{"boolValue":true}`,
		"gotoolbase.ci_provider":             `{"stringValue":"github-actions"}`,
		"gotoolbase.agent":                   `{"stringValue":"codex"}`,
		"gotoolbase.container":               `{"boolValue":true}`,
		"gotoolbase.count":                   `{"intValue":"7"}`,
		"gotoolbase.failures":                `{"intValue":"3"}`,
		"gotoolbase.durations.bucket_counts": `{"arrayValue":{"values":[{"intValue":"5"},{"intValue":"0"},{"intValue":"2"}]}}`,
		"gotoolbase.durations.explicit_bounds_ms": `{"arrayValue":{"values":[{"intValue":"10"},{"intValue":"25"},{"intValue":"50"},{"intValue":"100"},` +
			`{"intValue":"250"},{"intValue":"500"},{"intValue":"1000"},{"intValue":"2500"},{"intValue":"5000"},{"intValue":"10000"},` +
			`{"intValue":"30000"},{"intValue":"60000"},{"intValue":"300000"}]}}`,
		"gotoolbase.sample_rate":     `{"intValue":"10"}`,
		"gotoolbase.redacted":        `{"intValue":"1"}`,
		"gotoolbase.time_adjusted":   `{"boolValue":true}`,
		"gotoolbase.args":            `{"arrayValue":{"values":[{"stringValue":"--force"},{"stringValue":""},{"stringValue":"c"}]}}`,
		"os.type":                    `{"stringValue":"linux"}`,
		"os.version":                 `{"stringValue":"debian 12"}`,
		"host.arch":                  `{"stringValue":"amd64"}`,
		"process.runtime.name":       `{"stringValue":"go"}`,
		"process.runtime.version":    `{"stringValue":"go1.26"}`,
		"gotoolbase.truncated":       `{"intValue":"2"}`,
		"gotoolbase.metadata.colour": `{"stringValue":"green"}`,
		"gotoolbase.metadata.empty":  `{"stringValue":""}`,
		"gotoolbase.metadata.format": `{"stringValue":"table"}`,
	})
	const at = 1770091506789000000 // 2026-02-03T04:05:06.789Z
	if record.TimeUnixNano != at || record.ObservedTimeUnixNano != at {
		t.Errorf("times %d and %d, want %d", record.TimeUnixNano, record.ObservedTimeUnixNano, int64(at))
	}
	if record.EventName != "command.invocation" || record.Body.GetStringValue() != "command.invocation: remote add" {
		t.Errorf("event name %q, body %v", record.EventName, record.Body)
	}
}

func TestWhatAnEventDoesNotHaveMakesNoAttribute(t *testing.T) {
	t.Parallel()
	zeroDuration, zeroExit := int64(0), 0
	for name, tt := range map[string]struct {
		event driver.Event
		want  map[string]string
		body  string
	}{
		"nothing": {driver.Event{ID: "1", Type: "a.b", OS: "linux"}, map[string]string{
			"log.record.uid": `{"stringValue":"1"}`, "gotoolbase.event.type": `{"stringValue":"a.b"}`, "os.type": `{"stringValue":"linux"}`,
		}, "a.b"},
		"zero is a value, and no failure": {driver.Event{ID: "1", Name: "n", DurationMS: &zeroDuration, ExitCode: &zeroExit}, map[string]string{
			"log.record.uid": `{"stringValue":"1"}`, "gotoolbase.event.name": `{"stringValue":"n"}`,
			"gotoolbase.duration_ms": `{"intValue":"0"}`, "process.exit.code": `{"intValue":"0"}`,
		}, ": n"},
		"an error without an exit code is a failure": {driver.Event{ID: "1", Type: "a", Error: "e"}, map[string]string{
			"log.record.uid": `{"stringValue":"1"}`, "gotoolbase.event.type": `{"stringValue":"a"}`,
			"exception.message": `{"stringValue":"e"}`, "error.type": `{"stringValue":"_OTHER"}`,
		}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := send(t, nil, tt.event)[0]
			record := group.ScopeLogs[0].LogRecords[0]
			for _, always := range []string{"process.interactive", "gotoolbase.ci", "gotoolbase.container"} {
				tt.want[always] = `{"boolValue":false}`
			}
			same(t, pairs(t, record.Attributes), tt.want)
			if record.Body.GetStringValue() != tt.body {
				t.Errorf("body %v, want %q", record.Body, tt.body)
			}
			if resource := pairs(t, group.Resource.Attributes); resource["service.version"] != "" || resource["service.name"] != "" {
				t.Errorf("resource %v", resource)
			}
		})
	}
}

func TestPlatformsAreSpeltAsTheConventionsDo(t *testing.T) {
	t.Parallel()
	for _, tt := range [][4]string{
		{"darwin", "arm64", "darwin", "arm64"}, {"windows", "386", "windows", "x86"}, {"linux", "arm", "linux", "arm32"},
		{"dragonfly", "amd64", "dragonflybsd", "amd64"}, {"freebsd", "ppc64", "freebsd", "ppc64"}, {"linux", "riscv64", "linux", "riscv64"},
	} {
		got := pairs(t, send(t, nil, driver.Event{ID: "1", Type: "a", OS: tt[0], Arch: tt[1]})[0].ScopeLogs[0].LogRecords[0].Attributes)
		if got["os.type"] != `{"stringValue":"`+tt[2]+`"}` || got["host.arch"] != `{"stringValue":"`+tt[3]+`"}` {
			t.Errorf("%s/%s arrived as %s, %s", tt[0], tt[1], got["os.type"], got["host.arch"])
		}
	}
}

func TestAClockBefore1970IsNoTimeInTheFuture(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{time.Unix(-1, 0), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)} {
		e := full(1)
		e.Time = at
		if got := send(t, nil, e)[0].ScopeLogs[0].LogRecords[0].TimeUnixNano; got != 0 {
			t.Errorf("%v arrived as %v", at, time.Unix(0, int64(got)))
		}
	}
}

func TestEachVersionHasAResourceOfItsOwn(t *testing.T) {
	t.Parallel()
	events := batch(6)
	for i, version := range []string{"v1", "v1", "v2", "v2", "v2", "v1"} {
		events[i].Version = version
	}
	events[5].Tool = "other"
	var got []string
	for _, group := range send(t, nil, events...) {
		resource := pairs(t, group.Resource.Attributes)
		line := resource["service.name"] + resource["service.version"]
		for _, record := range group.ScopeLogs[0].LogRecords {
			uid := pairs(t, record.Attributes)["log.record.uid"]
			line += " " + uid[len(uid)-3:len(uid)-2]
		}
		got = append(got, line)
	}
	want := []string{
		`{"stringValue":"mytool"}{"stringValue":"v1"} 0 1`,
		`{"stringValue":"mytool"}{"stringValue":"v2"} 2 3 4`,
		`{"stringValue":"other"}{"stringValue":"v1"} 5`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestServiceTakesTheToolsPlaceAndTheProcessKeepsItsName(t *testing.T) {
	t.Parallel()
	for service, want := range map[string]string{"": "mytool", "mytool": "mytool", "acme-clis": "acme-clis"} {
		group := send(t, func(cfg *driver.Config) { cfg.Settings["service"] = service }, full(1))[0]
		name := pairs(t, group.Resource.Attributes)["service.name"]
		process := pairs(t, group.ScopeLogs[0].LogRecords[0].Attributes)["process.executable.name"]
		if name != `{"stringValue":"`+want+`"}` || process != `{"stringValue":"mytool"}` {
			t.Errorf("service %q: got %s of the process %s", service, name, process)
		}
	}
}

func TestTheSeverityIsTheOutcome(t *testing.T) {
	t.Parallel()
	zero, one := 0, 1
	for _, tt := range []struct {
		number logs.SeverityNumber
		text   string
		class  string // error.type
		event  driver.Event
	}{
		{9, "INFO", "", driver.Event{}},
		{9, "INFO", "", driver.Event{ExitCode: &zero}},
		{9, "INFO", "interrupted", driver.Event{ErrorClass: "interrupted", ExitCode: &one}},
		{13, "WARN", "ended_unrecorded", driver.Event{ErrorClass: "ended_unrecorded"}},
		{13, "WARN", "", driver.Event{Type: "telemetry.loss"}},
		{17, "ERROR", "usage", driver.Event{ErrorClass: "usage"}},
		{17, "ERROR", "other", driver.Event{ErrorClass: "other", ExitCode: &one}},
		{17, "ERROR", "_OTHER", driver.Event{ExitCode: &one}},
		{17, "ERROR", "_OTHER", driver.Event{Error: "no such remote"}},
		{17, "ERROR", "_OTHER", driver.Event{Type: "command.error"}},
		{17, "ERROR", "_OTHER", driver.Event{Count: 5, Failures: 1}},
	} {
		record := send(t, nil, tt.event)[0].ScopeLogs[0].LogRecords[0]
		want := ""
		if tt.class != "" {
			want = `{"stringValue":"` + tt.class + `"}`
		}
		if got := pairs(t, record.Attributes)["error.type"]; record.SeverityNumber != tt.number || record.SeverityText != tt.text || got != want {
			t.Errorf("%+v: severity %d %q, error.type %s", tt.event, record.SeverityNumber, record.SeverityText, got)
		}
	}
}

func TestAnAuthorAddsWhatHoldsForTheBuildToTheResource(t *testing.T) {
	t.Parallel()
	const build = "6cff0a7e-cefc-4668-96f5-1273d8b334d0"
	got := pairs(t, send(t, func(cfg *driver.Config) {
		cfg.Settings["resource"] = "service.namespace=Acme,deployment.environment.name=production,telemetry.distro.name=acme/cli,telemetry.distro.version=v1.0+x,app.build_id=" + build
	}, full(1))[0].Resource.Attributes)
	same(t, got, map[string]string{
		"service.name":                `{"stringValue":"mytool"}`,
		"service.version":             `{"stringValue":"v1.2.3"}`,
		"telemetry.sdk.name":          `{"stringValue":"github.com/gotoolbase/telemetry"}`,
		"telemetry.sdk.language":      `{"stringValue":"go"}`,
		"telemetry.sdk.version":       `{"stringValue":"3"}`,
		"service.namespace":           `{"stringValue":"Acme"}`,
		"deployment.environment.name": `{"stringValue":"production"}`,
		"telemetry.distro.name":       `{"stringValue":"acme/cli"}`,
		"telemetry.distro.version":    `{"stringValue":"v1.0+x"}`,
		"app.build_id":                `{"stringValue":"` + build + `"}`,
	})
}

func TestMetadataThatAnAuthorMeansAsTheConventionsDoHasTheirNames(t *testing.T) {
	t.Parallel()
	e := full(1)
	e.Metadata = map[string]string{"vcs.provider.name": "github", "db.system.name": "", "cloud.provider": "aws", "process.exit.code": "9", "x": "y"}
	got := pairs(t, send(t, func(cfg *driver.Config) { cfg.Settings["conventions"] = "vcs.provider.name,db.system.name" }, e)[0].ScopeLogs[0].LogRecords[0].Attributes)
	for name, want := range map[string]string{
		"vcs.provider.name": `{"stringValue":"github"}`, "db.system.name": `{"stringValue":""}`,
		"gotoolbase.metadata.cloud.provider": `{"stringValue":"aws"}`, "gotoolbase.metadata.process.exit.code": `{"stringValue":"9"}`,
		"gotoolbase.metadata.x": `{"stringValue":"y"}`, "process.exit.code": `{"intValue":"3"}`,
		"cloud.provider": "", "gotoolbase.metadata.vcs.provider.name": "",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// No name that an author may list is one that the backend sets, or of a kind that can name a
// person, a machine, a repository or a run.
func TestTheListsOfNamesHoldNothingThatIsTakenOrTells(t *testing.T) {
	t.Parallel()
	group := send(t, nil, full(1))[0]
	taken := pairs(t, group.ScopeLogs[0].LogRecords[0].Attributes)
	maps.Copy(taken, pairs(t, group.Resource.Attributes))
	all := append(listed(t, "conventions", "?"), listed(t, "resource", "?=1")...)
	if len(all) != 18+5 {
		t.Errorf("%d names: %q", len(all), all)
	}
	for _, name := range all {
		if taken[name] != "" {
			t.Errorf("%s is set by the backend", name)
		}
		for _, tells := range []string{"host.", "user", "url", ".path", ".address", "pipeline.name", "repository", "owner", ".id", "message", "device", "geo.", "session"} {
			if strings.Contains(name, tells) {
				t.Errorf("%s may be listed", name)
			}
		}
	}
}

// listed returns the names of a setting, which its error names.
func listed(t *testing.T, setting, wrong string) []string {
	t.Helper()
	_, err := open(t, newReceiver(t, intake, success), func(cfg *driver.Config) { cfg.Settings[setting] = wrong })
	_, names, found := strings.Cut(fmt.Sprint(err), ": \"?\" is none of the ")
	_, names, _ = strings.Cut(names, ": ")
	if !found {
		t.Fatal(err)
	}
	return strings.Split(names, ", ")
}

func TestInvalidUTF8IsMendedInEveryField(t *testing.T) {
	t.Parallel()
	const bad, good = "a\xff\xfeb\xc3", "a\ufffdb\ufffd"
	e := full(1)
	for _, field := range []*string{&e.ID, &e.Type, &e.Name, &e.Error, &e.Tool, &e.Version, &e.OS, &e.Arch, &e.OSVersion, &e.GoVersion, &e.MachineID, &e.ConsentID,
		&e.ErrorClass, &e.CIProvider, &e.Agent, &e.RunID} {
		*field = bad
	}
	e.Args, e.Flags, e.Metadata = []string{bad}, []string{bad}, map[string]string{bad: bad}
	groups := send(t, func(cfg *driver.Config) { cfg.Settings["service"] = "s" + bad }, e)
	record := groups[0].ScopeLogs[0].LogRecords[0]
	resource, attributes := pairs(t, groups[0].Resource.Attributes), pairs(t, record.Attributes)
	if resource["service.name"] != `{"stringValue":"s`+good+`"}` {
		t.Errorf("service %s", resource["service.name"])
	}
	for _, value := range []string{attributes["process.executable.name"], attributes["error.type"], attributes["gotoolbase.ci_provider"],
		attributes["gotoolbase.agent"], attributes["session.id"], resource["service.version"], attributes["log.record.uid"],
		attributes["os.type"], attributes["os.version"], attributes["host.arch"], attributes["process.runtime.version"], attributes["app.installation.id"], attributes["gotoolbase.consent.id"],
		attributes["gotoolbase.event.name"], attributes["exception.message"], attributes["gotoolbase.metadata."+good]} {
		if value != `{"stringValue":"`+good+`"}` {
			t.Errorf("got %s", value)
		}
	}
	if record.EventName != good || !strings.Contains(attributes["gotoolbase.args"], good) || !strings.Contains(attributes["gotoolbase.flags"], good) {
		t.Errorf("event name %q, arguments %s, flags %s", record.EventName, attributes["gotoolbase.args"], attributes["gotoolbase.flags"])
	}
}

func TestGzipWhereItPays(t *testing.T) {
	t.Parallel()
	whole := full(1)
	short := driver.Event{ID: whole.ID, Type: whole.Type, Name: whole.Name, Time: whole.Time, Tool: whole.Tool, Version: whole.Version, OS: whole.OS,
		Arch: whole.Arch, MachineID: whole.MachineID, RunID: whole.RunID}
	for _, tt := range []struct {
		events   []driver.Event
		encoding string
	}{{[]driver.Event{short}, ""}, {batch(2), "gzip"}, {batch(100), "gzip"}} {
		r := newReceiver(t, intake, success)
		if err := mustOpen(t, r, nil).Send(t.Context(), tt.events); err != nil {
			t.Fatal(err)
		}
		n, got, plain, sent := len(tt.events), r.requests[0].Header.Get("Content-Encoding"), len(r.bodies[0]), int(r.requests[0].ContentLength)
		t.Logf("%d events: %d bytes, sent as %d", n, plain, sent)
		if got != tt.encoding || sent > plain || sent == plain && tt.encoding != "" {
			t.Errorf("%d events: %d bytes sent as %q in %d, want %q", n, plain, got, sent, tt.encoding)
		}
	}
}

func TestNoEventsAreNoRequest(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, intake, success)
	if err := mustOpen(t, r, nil).Send(t.Context(), nil); err != nil || len(r.requests) != 0 {
		t.Errorf("%v after %d requests", err, len(r.requests))
	}
}

// Metadata of one-letter keys and values grows most on the way from JSON to OTLP.
func TestTheWorstBatchFitsBehindACollector(t *testing.T) {
	t.Parallel()
	const most = 1_000_000
	limits := otlp.Driver().Limits
	// A folded one, of which the bounds are on the wire too.
	crowded := driver.Event{Count: 1, Durations: []int{1}, Failures: 1, SampleRate: 2, Truncated: 1, Redacted: 1, TimeAdjusted: true, Metadata: map[string]string{}}
	for i := range 32 { // as many as the collector lets through
		crowded.Metadata[string(rune('A'+i))] = "v"
	}
	var events []driver.Event
	for size := 0; len(events) < limits.Events; events = append(events, crowded) {
		crowded.Version = fmt.Sprint(len(events) % 2) // a resource for each of them
		if size += len(crowded.AppendJSON(nil)); size > limits.Bytes {
			break
		}
	}
	r := newReceiver(t, intake, success)
	value := strings.Repeat("a", 100)
	if err := mustOpen(t, r, func(cfg *driver.Config) {
		cfg.Settings["resource"] = "service.namespace=" + value + ",deployment.environment.name=" + value + ",telemetry.distro.name=" + value +
			",telemetry.distro.version=" + value + ",app.build_id=" + value
	}).Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %d bytes", len(events), len(r.bodies[0]))
	if len(r.bodies[0]) > most {
		t.Errorf("%d events make %d bytes, want at most %d", len(events), len(r.bodies[0]), most)
	}
}

const (
	accepted  = driver.ClassAccepted
	unknown   = driver.ClassUnknown
	throttled = driver.ClassThrottled
	permanent = driver.ClassPermanent
	tooLarge  = driver.ClassTooLarge
	partial   = driver.ClassPartial
)

func TestEveryStatusMeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	special := map[int]driver.Class{
		400: tooLarge, 422: tooLarge, 413: tooLarge, 407: unknown, 408: unknown, 429: unknown,
	}
	for status := 200; status < 700; status++ {
		want, known := special[status]
		switch {
		case known:
		case status < 300:
			want = accepted
		case status < 400, status >= 500:
			want = unknown
		default:
			want = throttled
		}
		body := canary
		if status < 300 {
			body = "" // the answer of a receiver that has all
		}
		r := newReceiver(t, intake, reply(status, "text/plain", body))
		err := mustOpen(t, r, nil).Send(t.Context(), batch(2))
		if got := driver.Classify(err); got != want || len(r.requests) != 1 {
			t.Errorf("%d is %v (%v) after %d requests, want %v", status, got, err, len(r.requests), want)
		}
		if want == throttled && driver.Wait(err) != time.Hour {
			t.Errorf("%d: wait %v, want 1h", status, driver.Wait(err))
		}
	}
}

// A 500 is final by the specification, and what proxies say when they fail.
func TestARefusalIsTheReceiversOnlyInItsForm(t *testing.T) {
	t.Parallel()
	const status = "\x08\x03\x12\x06c4n4ry" // google.rpc.Status: InvalidArgument and a message
	for _, tt := range []struct {
		status     int
		kind, body string
		one, two   driver.Class
	}{
		{400, protobuf, status, permanent, tooLarge}, {400, "application/json", `{"code":3}`, permanent, tooLarge},
		{400, "text/plain; charset=utf-8", "json encoding isn't supported", permanent, tooLarge}, {422, protobuf, status, permanent, tooLarge},
		{500, protobuf, status, permanent, tooLarge}, {500, "Application/JSON; charset=utf-8", `{"code":13}`, permanent, tooLarge},
		{400, "text/html", "", unknown, unknown}, {400, "", "<html>", unknown, unknown}, {400, protobuf, "", unknown, unknown},
		{422, "", "", unknown, unknown}, {500, "text/plain", "Internal Server Error", unknown, unknown}, {500, "", "", unknown, unknown},
		{500, protobuf, "", unknown, unknown}, {500, protobuf, "<html>", unknown, unknown}, {501, protobuf, status, unknown, unknown},
		{413, "text/html", "<html>", tooLarge, tooLarge}, {404, "text/html", "<html>", unknown, unknown}, {404, protobuf, status, throttled, throttled},
		{403, "text/html", "<html>", unknown, unknown}, {451, "", "<html>", unknown, unknown}, {521, "", "error code: 521", unknown, unknown},
	} {
		for n, want := range map[int]driver.Class{1: tt.one, 2: tt.two} {
			r := newReceiver(t, intake, reply(tt.status, tt.kind, tt.body))
			if err := mustOpen(t, r, nil).Send(t.Context(), batch(n)); driver.Classify(err) != want || strings.Contains(err.Error(), canary) {
				t.Errorf("%d %q %q to %d events: %v (%v), want %v", tt.status, tt.kind, tt.body, n, err, driver.Classify(err), want)
			}
		}
	}
}

func TestAWebPageIsNoRefusal(t *testing.T) {
	t.Parallel()
	for status := 400; status < 600; status++ {
		for _, n := range []int{1, 2} {
			r := newReceiver(t, intake, reply(status, "text/html", "<title>"+canary))
			err := mustOpen(t, r, nil).Send(t.Context(), batch(n))
			if class := driver.Classify(err); class != unknown && (status != 413 || class != tooLarge) {
				t.Errorf("%d with a page to %d events: %v (%v)", status, n, err, class)
			}
		}
	}
}

func TestRetryAfterInBothForms(t *testing.T) {
	t.Parallel()
	for _, status := range []int{408, 429, 500, 502, 503, 504, 599} {
		for value, want := range map[string]time.Duration{
			"37":         37 * time.Second,
			"0":          0,
			"9999999999": 24 * time.Hour,
			time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat): 10 * time.Minute,
		} {
			r := newReceiver(t, intake, func() *http.Response {
				resp := httpmock.NewStringResponse(status, "")
				resp.Header.Set("Retry-After", value)
				return resp
			})
			err := mustOpen(t, r, nil).Send(t.Context(), batch(2))
			wait := driver.Wait(err)
			if driver.Classify(err) != throttled || wait > want || wait < want-time.Minute {
				t.Errorf("%d, %q: %v with a wait of %v, want %v", status, value, err, wait, want)
			}
		}
	}
	// Elsewhere it says nothing.
	r := newReceiver(t, intake, func() *http.Response {
		resp := httpmock.NewStringResponse(400, canary)
		resp.Header.Set("Retry-After", "37")
		return resp
	})
	if err := mustOpen(t, r, nil).Send(t.Context(), batch(2)); driver.Classify(err) != tooLarge || driver.Wait(err) != 0 {
		t.Errorf("400: %v", err)
	}
}

func TestTheAnswerDecides(t *testing.T) {
	t.Parallel()
	rejected := func(n int64, message string) string {
		b, err := proto.Marshal(&collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{RejectedLogRecords: n, ErrorMessage: message}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const json = "application/json"
	for name, tt := range map[string]struct {
		contentType, body string
		class             driver.Class
		rejected          int
	}{
		"nothing at all":                 {"", "", accepted, 0},
		"the real receiver's":            {protobuf, "\n\x00", accepted, 0},
		"a field of a later version":     {protobuf, "\x1a\x03abc", accepted, 0},
		"without a type":                 {"", "\n\x00", accepted, 0},
		"as bytes":                       {"application/octet-stream", "\n\x00", accepted, 0},
		"a warning":                      {protobuf, rejected(0, canary), accepted, 0},
		"one rejected":                   {protobuf, rejected(1, canary), partial, 1},
		"all rejected, with parameters":  {"Application/X-Protobuf; charset=utf-8", rejected(3, canary), partial, 3},
		"more rejected than there were":  {protobuf, rejected(1<<62, canary), partial, 3},
		"less than none rejected":        {protobuf, rejected(-1, canary), unknown, 0},
		"cut":                            {protobuf, rejected(1, canary)[:6], unknown, 0},
		"garbage":                        {protobuf, "\xff\xfe" + canary, unknown, 0},
		"an empty object":                {json, "{}", accepted, 0},
		"an object of another type":      {"text/plain", " {}\n", accepted, 0},
		"an object without a type":       {"", "{}", accepted, 0},
		"null":                           {json, `{"partialSuccess":null}`, accepted, 0},
		"an empty partial success":       {json, `{"partialSuccess":{}}`, accepted, 0},
		"a warning in JSON":              {json, `{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"` + canary + `"}}`, accepted, 0},
		"rejected as a string":           {json + "; charset=utf-8", `{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"` + canary + `"}}`, partial, 2},
		"rejected as a number":           {json, `{"partialSuccess":{"rejectedLogRecords":2}}`, partial, 2},
		"rejected as neither":            {json, `{"partialSuccess":{"rejectedLogRecords":"many"}}`, unknown, 0},
		"negative":                       {json, `{"partialSuccess":{"rejectedLogRecords":"-2"}}`, unknown, 0},
		"beyond 64 bits":                 {json, `{"partialSuccess":{"rejectedLogRecords":99999999999999999999}}`, unknown, 0},
		"another shape":                  {json, `{"partialSuccess":"` + canary + `"}`, unknown, 0},
		"cut JSON":                       {json, `{"partialSuccess":{`, unknown, 0},
		"two objects":                    {json, `{}{}`, unknown, 0},
		"a list":                         {json, `[]`, unknown, 0},
		"null alone":                     {json, `null`, unknown, 0},
		"a text":                         {"text/plain", "OK", unknown, 0},
		"a text that reads as protobuf":  {"text/plain", "accepted!", unknown, 0},
		"protobuf of another type":       {json, "\n\x00", unknown, 0},
		"a web page":                     {"text/html; charset=utf-8", "<html>" + canary, unknown, 0},
		"a web page without a body":      {"text/html", "", unknown, 0},
		"a web page that says otherwise": {protobuf, "\n<!doctype html>" + canary, unknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, intake, reply(200, tt.contentType, tt.body))
			err := mustOpen(t, r, nil).Send(t.Context(), batch(3))
			if got := driver.Classify(err); got != tt.class {
				t.Errorf("got %v (%v), want %v", got, err, tt.class)
			}
			if p, ok := errors.AsType[*driver.Partial](err); ok && (p.Unnamed != tt.rejected || p.Accepted != nil || p.Rejected != nil) {
				t.Errorf("got %+v, want %d rejected", p, tt.rejected)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats the server: %v", err)
			}
		})
	}
}

func TestErrorsHoldNoSecretAndNothingOfTheServers(t *testing.T) {
	t.Parallel()
	base := endpoint + "/" + canary + "?key=" + canary
	for status := 200; status < 600; status++ {
		r := newReceiver(t, "=~^"+endpoint, reply(status, "text/plain", canary))
		b := mustOpen(t, r, func(cfg *driver.Config) {
			cfg.Settings["endpoint"], cfg.Settings["headers"] = base, "X-A="+canary
			cfg.Headers = map[string]string{"X-B": canary}
		})
		if err := b.Send(t.Context(), batch(1)); err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%d: %v", status, err)
		}
	}
	dead := httpmock.NewMockTransport() // its own error holds the URL
	err := mustOpen(t, dead, func(cfg *driver.Config) { cfg.Settings["endpoint"] = base }).Send(t.Context(), batch(1))
	if driver.Classify(err) != unknown || strings.Contains(err.Error(), canary) {
		t.Errorf("no connection: %v", err)
	}
}

func TestTheEndpointIsABaseOrTheWholeAddress(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://h.example":                       "https://h.example/v1/logs",
		"https://h.example/":                      "https://h.example/v1/logs",
		"https://h.example:4318":                  "https://h.example:4318/v1/logs",
		"https://h.example/otlp":                  "https://h.example/otlp/v1/logs",
		"https://h.example/otlp/":                 "https://h.example/otlp/v1/logs",
		"https://h.example/insert/opentelemetry":  "https://h.example/insert/opentelemetry/v1/logs",
		"https://h.example/v1/logs":               "https://h.example/v1/logs",
		"https://h.example/otlp/v1/logs/":         "https://h.example/otlp/v1/logs",
		"https://h.example/otlp/V1//Logs//":       "https://h.example/otlp/v1/logs",
		"https://h.example/a%2Fb?key=1":           "https://h.example/a%2Fb/v1/logs?key=1",
		"https://h.example/v1/logs?key=1":         "https://h.example/v1/logs?key=1",
		"https://h.example/xv1/logs":              "https://h.example/xv1/logs/v1/logs",
		"http://127.0.0.1:4318":                   "http://127.0.0.1:4318/v1/logs",
		"http://localhost:4318/v1/logs":           "http://localhost:4318/v1/logs",
		"https://h.example/v1/tracesque/v1/logs/": "https://h.example/v1/tracesque/v1/logs",
	} {
		r := newReceiver(t, "=~^http", success)
		b := mustOpen(t, r, func(cfg *driver.Config) { cfg.Settings["endpoint"] = base })
		if err := b.Send(t.Context(), batch(1)); err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		if got := r.requests[0].URL.String(); got != want {
			t.Errorf("%s: posted to %s, want %s", base, got, want)
		}
		if hosts := otlp.Driver().Hosts(map[string]string{"endpoint": base}); !slices.Equal(hosts, []string{r.requests[0].URL.Host}) {
			t.Errorf("%s: Hosts says %q", base, hosts)
		}
	}
}

func TestHeadersOfBothKindsGoOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]http.Header{
		"":                                  {},
		"X-A=1":                             {"X-A": {"1"}},
		"x-a=1,X-B=2":                       {"X-A": {"1"}, "X-B": {"2"}},
		" X-A = 1 , X-B = 2 ":               {"X-A": {"1"}, "X-B": {"2"}},
		"Authorization=Basic%20aWQ6a2V5+/=": {"Authorization": {"Basic aWQ6a2V5+/="}},
		"Authorization=Basic aWQ6a2V5Cg==":  {"Authorization": {"Basic aWQ6a2V5Cg=="}},
		"X-A=one%2Ctwo%25":                  {"X-A": {"one,two%"}},
	} {
		r := newReceiver(t, intake, success)
		b := mustOpen(t, r, func(cfg *driver.Config) {
			cfg.Settings["headers"], cfg.Headers = text, map[string]string{"X-Scope": "s"}
		})
		if err := b.Send(t.Context(), []driver.Event{{ID: "1", Type: "a.b"}}); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := r.requests[0].Header.Clone()
		for _, name := range []string{"Content-Type", "User-Agent", "X-Scope"} {
			if got.Get(name) == "" {
				t.Errorf("%q: no %s", text, name)
			}
			got.Del(name)
		}
		if !maps.EqualFunc(got, want, slices.Equal[[]string]) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestMistakesAreNamedAndSecretsAreNot(t *testing.T) {
	t.Parallel()
	const endpointField, headersField, configHeaders = "Telemetry.Settings[endpoint]", "Telemetry.Settings[headers]", "Telemetry.Headers"
	const resourceField, conventionsField = "Telemetry.Settings[resource]", "Telemetry.Settings[conventions]"
	setting := func(name, value string) func(*driver.Config) {
		return func(cfg *driver.Config) { cfg.Settings[name] = value }
	}
	for name, tt := range map[string]struct {
		change      func(*driver.Config)
		field, says string
	}{
		"no endpoint":            {setting("endpoint", ""), endpointField, "required"},
		"no URL":                 {setting("endpoint", canary), endpointField, "absolute URL"},
		"http to elsewhere":      {setting("endpoint", "http://h.example/"+canary), endpointField, "Insecure"},
		"a password in it":       {setting("endpoint", "https://u:"+canary+"@h.example"), endpointField, "Telemetry.Headers"},
		"the address for traces": {setting("endpoint", endpoint+"/"+canary+"/v1/traces"), endpointField, "another signal"},
		"and metrics":            {setting("endpoint", endpoint+"/V1//metrics/"), endpointField, "another signal"},
		"a resource of no list":  {setting("resource", "host.name="+canary), resourceField, "service.namespace"},
		"one of the backend's":   {setting("resource", "service.name=x"), resourceField, "none of the attributes"},
		"a pair twice":           {setting("resource", "service.namespace=a,service.namespace=b"), resourceField, "twice"},
		"no value":               {setting("resource", "service.namespace="), resourceField, "1 to 100"},
		"a sentence":             {setting("resource", "service.namespace=a "+canary), resourceField, "1 to 100"},
		"an address":             {setting("resource", "service.namespace="+canary+"@example.com"), resourceField, "1 to 100"},
		"a path":                 {setting("resource", "service.namespace=/home/"+canary), resourceField, "first"},
		"a long value":           {setting("resource", "service.namespace="+strings.Repeat("a", 101)), resourceField, "1 to 100"},
		"no pair at the end":     {setting("resource", "service.namespace=a,"), resourceField, "none of the attributes"},
		"a name of no list":      {setting("conventions", "vcs.repository.url.full"), conventionsField, "vcs.provider.name"},
		"a name with a space":    {setting("conventions", "vcs.provider.name, db.system.name"), conventionsField, "none of the names"},
		"a name listed twice":    {setting("conventions", "vcs.ref.type,vcs.ref.type"), conventionsField, "twice"},
		"a key without a name":   {setting("headers", canary), headersField, "pair 1: write name=value"},
		"a padded key":           {setting("headers", canary+"=="), headersField, "pair 1: write name=value"},
		"an empty pair":          {setting("headers", "X-A="+canary+","), headersField, "pair 2: write name=value"},
		"no escape":              {setting("headers", "X-A="+canary+"%zz"), headersField, "%25"},
		"a line break":           {setting("headers", "X-A="+canary+"%0A"), headersField, "line break"},
		"the backend's own":      {setting("headers", "content-type="+canary), headersField, "set by the backend"},
		"a name that is none":    {setting("headers", "X A"+canary+"="+canary), headersField, "pair 1: not a header"},
		"a name twice":           {setting("headers", "X-A="+canary+",X-A="+canary), headersField, "pair 2: not a header"},
		"in both kinds": {func(cfg *driver.Config) {
			cfg.Settings["headers"], cfg.Headers = "X-A="+canary, map[string]string{"X-A": canary}
		}, configHeaders, "keep one"},
		"in both kinds, spelt differently": {func(cfg *driver.Config) {
			cfg.Settings["headers"], cfg.Headers = "X-A="+canary, map[string]string{"x-a": canary}
		}, configHeaders, "keep one"},
		"a line break in a header": {func(cfg *driver.Config) { cfg.Headers = map[string]string{"X-A": canary + "\n"} }, configHeaders, "X-A"},
		"a misspelt setting":       {setting("heades", canary), "Telemetry.Settings[heades]", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, newReceiver(t, intake, success), tt.change)
			config, ok := errors.AsType[*driver.ConfigError](err)
			if !ok || config.Field != tt.field || !strings.Contains(config.Problem, tt.says) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v, want %s with %q and no canary", err, tt.field, tt.says)
			}
		})
	}
}

func TestNewBackendTakesOptions(t *testing.T) {
	t.Parallel()
	headers := map[string]string{"X-A": "1"}
	b, err := otlp.NewBackend(endpoint, otlp.WithHeaders(headers), otlp.WithHeaders(map[string]string{"X-B": "2"}), otlp.WithService("acme"),
		otlp.WithResource(map[string]string{"service.namespace": "a", "app.build_id": "b"}), otlp.WithConventions("vcs.ref.type", "cloud.provider"))
	if err != nil {
		t.Fatal(err)
	}
	if len(headers) != 1 {
		t.Errorf("the caller's map was changed: %v", headers)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	const plain = "http://collector.internal:4318"
	if _, err := otlp.NewBackend(plain); err == nil {
		t.Error("plain http to another machine is taken without WithInsecure")
	}
	if b, err := otlp.NewBackend(plain, otlp.WithInsecure()); err != nil {
		t.Error(err)
	} else {
		b.Close()
	}
	for _, wrong := range []otlp.Option{otlp.WithResource(map[string]string{"host.name": "a"}), otlp.WithConventions("host.name")} {
		if _, err := otlp.NewBackend(endpoint, wrong); err == nil {
			t.Error("a mistake in an option was taken")
		}
	}
	for _, wrong := range []string{"", "otlp.example.com", endpoint + "/v1/traces"} {
		if _, err := otlp.NewBackend(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestTheSameBatchMakesTheSameBytes(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, intake, reply(503, "", ""))
	for range 5 { // each with a backend of its own, as in another process
		mustOpen(t, r, nil).Send(t.Context(), batch(20))
	}
	for i, body := range r.bodies {
		if !bytes.Equal(body, r.bodies[0]) {
			t.Errorf("attempt %d differs from the first", i+1)
		}
	}
}

// shellVariables are those that OpenTelemetry's SDKs and exporters, gRPC and protobuf read.
var shellVariables = strings.Fields(`
	OTEL_SDK_DISABLED OTEL_ENTITIES OTEL_RESOURCE_ATTRIBUTES OTEL_SERVICE_NAME OTEL_LOG_LEVEL OTEL_PROPAGATORS OTEL_CONFIG_FILE
	OTEL_EXPERIMENTAL_CONFIG_FILE OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_TRACES_EXPORTER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER
	OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_ATTRIBUTE_COUNT_LIMIT OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT
	OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_EXPORT_TIMEOUT OTEL_BLRP_MAX_QUEUE_SIZE OTEL_BLRP_MAX_EXPORT_BATCH_SIZE OTEL_GO_X_OBSERVABILITY
	OTEL_GO_X_RESOURCE OTEL_GO_X_SELF_OBSERVABILITY OTEL_SEMCONV_STABILITY_OPT_IN OTEL_RESOURCE_DETECTORS
	OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_LOGS_ENDPOINT OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_LOGS_HEADERS
	OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_LOGS_PROTOCOL OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_LOGS_COMPRESSION
	OTEL_EXPORTER_OTLP_TIMEOUT OTEL_EXPORTER_OTLP_LOGS_TIMEOUT OTEL_EXPORTER_OTLP_INSECURE OTEL_EXPORTER_OTLP_LOGS_INSECURE
	OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE OTEL_EXPORTER_OTLP_CLIENT_KEY OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY
	OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE
	GRPC_PROXY GRPC_TRACE GRPC_VERBOSITY GRPC_GO_LOG_SEVERITY_LEVEL GRPC_GO_LOG_VERBOSITY_LEVEL GRPC_GO_LOG_FORMATTER GRPC_GO_IGNORE_TXT_ERRORS
	GRPC_XDS_BOOTSTRAP GRPC_BINARY_LOG_FILTER GRPC_ENFORCE_ALPN_ENABLED GRPC_CONFIG_FILE
	USER LOGNAME HOSTNAME COMPUTERNAME HTTP_USER_AGENT`)

// A process each, since much is read when a program starts.
func TestNoVariableOfTheShellHasAnyEffect(t *testing.T) {
	const child = "OTLP_TEST_PRINT_REQUEST"
	if os.Getenv(child) != "" {
		r := newReceiver(t, intake, success)
		b := mustOpen(t, r, func(cfg *driver.Config) { cfg.Headers = map[string]string{"X-Key": "k"} })
		if err := b.Send(t.Context(), batch(3)); err != nil {
			t.Fatal(err)
		}
		q := r.requests[0]
		fmt.Printf("request: %s %s %v %s\n", q.Method, q.URL, q.Header, hex.EncodeToString(r.bodies[0]))
		return
	}
	t.Parallel()
	run := func(env ...string) string {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
		cmd.Env = append(env, child+"=1")
		for _, name := range []string{"SystemRoot", "GOCOVERDIR"} { // without which no process starts, or a covered one complains
			if value, set := os.LookupEnv(name); set {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			t.Fatalf("%v\n%s%s", err, out, &stderr)
		}
		_, request, found := strings.Cut(string(out), "request: ")
		if !found {
			t.Fatalf("no request:\n%s", out)
		}
		request, _, _ = strings.Cut(request, "\n")
		return request
	}
	plain := run()
	for _, value := range []string{canary, "host.name=" + canary + ",service.name=" + canary, "http://" + canary + ".example:4318", "true", "1"} {
		var env []string
		for _, name := range shellVariables {
			env = append(env, name+"="+value)
		}
		if got := run(env...); got != plain {
			t.Errorf("every variable set to %q:\n got %s\nwant %s", value, got, plain)
		}
	}
}

// answering is a transport that costs next to nothing.
type answering struct {
	status            int
	contentType, body string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	header := http.Header{}
	if a.contentType != "" {
		header.Set("Content-Type", a.contentType)
	}
	return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// FuzzAnswer holds the reading of answers to what the official types make of them.
func FuzzAnswer(f *testing.F) {
	for _, contentType := range []string{"", protobuf, "application/json", "text/plain", "text/html"} {
		for _, body := range []string{"", "\n\x00", "\n\x08\x08\x02\x12\x04full", "\n\x02\x08\x03", "{}", `{"partialSuccess":{"rejectedLogRecords":"2"}}`,
			`{"partialSuccess":{"rejectedLogRecords":2,"errorMessage":"x"}}`, "[]", "OK", "<html>", "\xff", "\n\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
			f.Add(contentType, body)
		}
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		const n = 3
		b := mustOpen(t, answering{200, contentType, body}, nil)
		var err error
		// A request with its models and a copy; of the answer two fields are read.
		fuzzing.Allocs(t, len(body), 1<<20, 64, func() { err = b.Send(t.Context(), batch(n)) })
		class := driver.Classify(err)
		var binary, text collector.ExportLogsServiceResponse
		isBinary := proto.Unmarshal([]byte(body), &binary) == nil
		isText := protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(body), &text) == nil
		counts := []int64{}
		if isBinary {
			counts = append(counts, binary.GetPartialSuccess().GetRejectedLogRecords())
		}
		if isText {
			counts = append(counts, text.GetPartialSuccess().GetRejectedLogRecords())
		}
		switch class {
		case accepted:
			// encoding/json forgives more than protobuf's JSON does; that it reads as an
			// object with nothing rejected is in the tests above.
			if body != "" && !slices.Contains(counts, 0) && !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
				t.Errorf("%q is accepted", body)
			}
			if strings.HasPrefix(contentType, "text/html") {
				t.Error("a web page is accepted")
			}
		case partial:
			p, _ := errors.AsType[*driver.Partial](err)
			if p == nil || p.Unnamed < 1 || p.Unnamed > n || p.Accepted != nil || p.Rejected != nil {
				t.Errorf("got %+v", p)
			}
		case unknown:
			if contentType == protobuf && isBinary && counts[0] >= 0 && !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n\ufeff"), "{") &&
				!strings.HasPrefix(strings.TrimLeft(body, " \t\r\n\ufeff"), "<") {
				t.Errorf("%q is an answer, got %v", body, err)
			}
		default:
			t.Errorf("%q is %v", body, class)
		}
	})
}

func BenchmarkSend100(b *testing.B) {
	backend := mustOpen(b, answering{200, protobuf, "\n\x00"}, nil)
	events := batch(100)
	for i := range events { // what is typical: no arguments and no error text
		events[i].Args, events[i].Error, events[i].Truncated = nil, "", 0
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := backend.Send(b.Context(), events); err != nil {
			b.Fatal(err)
		}
	}
}
