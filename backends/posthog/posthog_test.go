//go:build !notelemetry

package posthog_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	sdk "github.com/posthog/posthog-go"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	key    = "phc_S3cr3tS3cr3tS3cr3t"
	canary = "c4n4ry"
	host   = "https://eu.i.posthog.com"
	run    = "01890a5d-ac96-7aaa-8bbb-0123456789ab"
)

// intakes are the paths of both, by the setting.
var intakes = map[string]string{"v1": "/i/v1/analytics/events", "batch": "/batch/"}

// patient ends a test that would hang. Nothing is ever measured against it.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open resolves the settings as the collector does, and opens.
func open(t testing.TB, cfg driver.Config, settings map[string]string) (driver.Backend, error) {
	t.Helper()
	d := posthog.Driver()
	var err error
	if cfg.Settings, err = d.Resolve(settings); err != nil {
		return nil, err
	}
	b, err := d.Open(cfg)
	if err == nil {
		t.Cleanup(func() { b.Close() })
	}
	return b, err
}

// mock is a PostHog in the EU that answers the older intake as respond says.
func mock(t testing.TB, respond httpmock.Responder) (driver.Backend, *httpmock.MockTransport) {
	t.Helper()
	return mockOf(t, map[string]string{"intake": "batch"}, respond)
}

// mockOf is one for a backend with more settings than the key and the instance.
func mockOf(t testing.TB, settings map[string]string, respond httpmock.Responder) (driver.Backend, *httpmock.MockTransport) {
	t.Helper()
	transport := httpmock.NewMockTransport()
	transport.RegisterResponder("POST", host+intakes[cmp.Or(settings["intake"], "v1")], respond)
	settings = maps.Clone(settings)
	settings["project_key"], settings["instance"] = key, "eu"
	b, err := open(t, driver.Config{Tool: "mytool", Version: "v1", Transport: transport}, settings)
	if err != nil {
		t.Fatal(err)
	}
	return b, transport
}

// each runs a test for both intakes.
func each(t *testing.T, test func(t *testing.T, settings map[string]string)) {
	for intake := range intakes {
		t.Run(intake, func(t *testing.T) {
			t.Parallel()
			test(t, map[string]string{"intake": intake})
		})
	}
}

// accept takes everything, in the words of the intake that is asked.
func accept(r *http.Request) (*http.Response, error) {
	text, err := body(r)
	if err != nil {
		return nil, err
	}
	return acceptance(r.URL.Path, text)
}

func acceptance(path string, text []byte) (*http.Response, error) {
	var sent request
	if err := json.Unmarshal(text, &sent); err != nil {
		return nil, err
	}
	if path == intakes["batch"] {
		return httpmock.NewStringResponse(200, `{"status":"Ok"}`), nil
	}
	results := map[string]map[string]string{}
	for _, e := range sent.Batch {
		results[e.UUID] = map[string]string{"result": "ok"}
	}
	return httpmock.NewJsonResponse(200, map[string]any{"results": results})
}

// request is what both intakes are sent.
type request struct {
	SentAt    string `json:"sent_at"`
	CreatedAt string `json:"created_at"`
	Batch     []struct {
		UUID       string         `json:"uuid"`
		DistinctID string         `json:"distinct_id"`
		Options    map[string]any `json:"options"`
		Properties map[string]any `json:"properties"`
	} `json:"batch"`
}

// recorder accepts, and keeps the last request and its text.
func recorder(t testing.TB, settings map[string]string) (b driver.Backend, got *request, text *[]byte, header *http.Header) {
	got, text, header = new(request), new([]byte), new(http.Header)
	b, _ = mockOf(t, settings, func(r *http.Request) (*http.Response, error) {
		var err error
		*text, err = body(r)
		*got, *header = request{}, r.Header.Clone()
		if err := errors.Join(err, json.Unmarshal(*text, got)); err != nil {
			return nil, err
		}
		return acceptance(r.URL.Path, *text)
	})
	return b, got, text, header
}

// body returns what a request carries, unpacked.
func body(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	unpacked, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unpacked)
}

func events(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		duration, exit := int64(i+1234), i
		list[i] = driver.Event{
			ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i), Type: "command.invocation", Name: "remote " + canary,
			Time: time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC), DurationMS: &duration, ExitCode: &exit,
			Args: []string{"--x"}, Flags: []string{"force"}, Error: "<failed> & \u2028", ErrorClass: "timeout",
			Tool: "mytool", Version: "v1", OS: "plan9", Arch: "mips", OSVersion: "debian 12", GoVersion: "go1.2",
			CI: true, CIProvider: "github-actions", Interactive: true, Agent: "codex", Container: true, RunID: run,
			MachineID: strings.Repeat("ab", 16), ConsentID: strings.Repeat("cd", 16), Metadata: map[string]string{"k": "v"},
			Count: 3, Failures: 2, Durations: []int{1, 0, 2}, SampleRate: 10, Truncated: 1, Redacted: 4, TimeAdjusted: true,
		}
	}
	return list
}

// What the SDK adds or overwrites ($os, $os_version, $os_distro, $go_version, its own $lib…)
// would be in the comparison.
func TestOneEventIsTheseBytes(t *testing.T) {
	t.Parallel()
	const properties = `"$ip":"0.0.0.0","$geoip_disable":true,"$lib":"github.com/gotoolbase/telemetry","$lib_version":"1.0.0",
		"event_name":"remote c4n4ry","tool_name":"mytool","tool_version":"v1","$os":"plan9","os_version":"debian 12","arch":"mips","go_version":"go1.2",
		"ci":true,"ci_provider":"github-actions","interactive":true,"agent":"codex","container":true,"run_id":"` + run + `",
		"duration_ms":1234,"exit_code":0,"flags":["force"],"args":["--x"],"error":"<failed> & \u2028","error_class":"timeout",
		"count":3,"failures":2,"durations":[1,0,2],"sample_rate":10,"truncated":1,"redacted":4,"time_adjusted":true,
		"consent_id":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd","k":"v"`
	const head = `"uuid":"01890a5d-ac96-774b-bcce-000000000000","event":"command.invocation",
		"distinct_id":"abababababababababababababababab","timestamp":"2026-02-03T04:05:06.789Z"`
	want := map[string]string{
		"batch": `{"api_key":"phc_S3cr3tS3cr3tS3cr3t","sent_at":"NOW","batch":[{` + head + `,
			"properties":{"$session_id":"` + run + `",` + properties + `}}]}`,
		"v1": `{"created_at":"NOW","batch":[{` + head + `,"session_id":"` + run + `","options":{},"properties":{` + properties + `}}]}`,
	}
	each(t, func(t *testing.T, settings map[string]string) {
		before := time.Now().Add(-2 * time.Second)
		now := func(stamp string) {
			if at, err := time.Parse(time.RFC3339, stamp); err != nil || at.Before(before) || at.After(time.Now().Add(time.Second)) {
				t.Errorf("%q is not the time of sending", stamp)
			}
		}
		b, got, text, header := recorder(t, settings)
		if err := b.Send(patient(t), events(1)); err != nil {
			t.Fatal(err)
		}
		now(cmp.Or(got.SentAt, got.CreatedAt))
		wantHeader := map[string]string{"Content-Type": "application/json", "User-Agent": "mytool/v1 gotoolbase-telemetry"}
		if settings["intake"] == "v1" {
			now(header.Get("PostHog-Request-Timestamp"))
			if id := header.Get("PostHog-Request-Id"); len(id) != 36 {
				t.Errorf("request ID %q", id)
			}
			header.Del("PostHog-Request-Timestamp")
			header.Del("PostHog-Request-Id")
			wantHeader["Authorization"], wantHeader["Posthog-Attempt"] = "Bearer "+key, "1"
			wantHeader["Posthog-Sdk-Info"] = "github.com/gotoolbase/telemetry/1.0.0"
		}
		for name := range *header {
			if header.Get(name) != wantHeader[name] {
				t.Errorf("%s: %q, want %q", name, header.Get(name), wantHeader[name])
			}
		}
		if len(*header) != len(wantHeader) {
			t.Errorf("headers %v", *header)
		}
		stamped := bytes.Replace(*text, []byte(cmp.Or(got.SentAt, got.CreatedAt)), []byte("NOW"), 1)
		var gotValue, wantValue any
		if err := errors.Join(json.Unmarshal(stamped, &gotValue), json.Unmarshal([]byte(want[settings["intake"]]), &wantValue)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(gotValue, wantValue) {
			t.Errorf("got %s\nwant %s", stamped, want[settings["intake"]])
		}
	})
}

// The table is the one of the package comment, written out once more: deriving it from
// the code would find no mistake in it.
func TestEveryStatusMeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	const (
		unknown   = driver.ClassUnknown
		throttled = driver.ClassThrottled
		tooLarge  = driver.ClassTooLarge
	)
	for _, r := range []struct {
		status   int
		one, two driver.Class
		wait     time.Duration // without a Retry-After
		asked    bool          // a Retry-After is respected, not only where it is longer than wait
		says     string
	}{
		{200, unknown, unknown, 0, false, "acknowledgement"}, // of a body that acknowledges nothing
		{201, unknown, unknown, 0, false, "acknowledgement"},
		{299, unknown, unknown, 0, false, "acknowledgement"},
		{301, unknown, unknown, 0, false, "redirect"}, {302, unknown, unknown, 0, false, "redirect"},
		{303, unknown, unknown, 0, false, "redirect"}, {304, unknown, unknown, 0, false, "redirect"},
		{307, unknown, unknown, 0, false, "redirect"}, {308, unknown, unknown, 0, false, "redirect"},
		{400, driver.ClassPermanent, tooLarge, 0, false, "one of the events"},
		{401, throttled, throttled, time.Hour, false, "project_key"}, {403, throttled, throttled, time.Hour, false, "project_key"},
		{402, throttled, throttled, time.Hour, false, "plan"},
		{404, throttled, throttled, time.Hour, false, "endpoint"}, {405, throttled, throttled, time.Hour, false, "endpoint"},
		{407, throttled, throttled, time.Hour, false, ""}, {418, throttled, throttled, time.Hour, false, ""},
		{413, tooLarge, tooLarge, 0, false, "too large"},
		{408, unknown, unknown, 0, true, ""}, {425, unknown, unknown, 0, true, ""}, {429, unknown, unknown, 0, true, ""},
		{500, unknown, unknown, 0, true, ""}, {502, unknown, unknown, 0, true, ""}, {503, unknown, unknown, 0, true, ""},
		{504, unknown, unknown, 0, true, ""}, {599, unknown, unknown, 0, true, ""},
		{600, unknown, unknown, 0, false, "endpoint"},
	} {
		for _, n := range []int{1, 2} {
			for _, after := range []string{"", "90", time.Now().Add(48 * time.Hour).UTC().Format(http.TimeFormat), canary} {
				b, transport := mock(t, func(*http.Request) (*http.Response, error) {
					answer := httpmock.NewStringResponse(r.status, `{"echo":"`+canary+key+`"}`)
					answer.Header.Set("Retry-After", after)
					answer.Header.Set("Location", "https://"+canary+".example.com/")
					return answer, nil
				})
				err := b.Send(patient(t), events(n))
				class, wait := r.one, r.wait
				if n > 1 {
					class = r.two
				}
				if (r.asked || r.wait > 0) && after != "" && after != canary {
					const longest = 24 * time.Hour // that driverhttp lets through
					class, wait = throttled, max(r.wait, longest)
					if after == "90" {
						wait = max(r.wait, 90*time.Second)
					}
				}
				if driver.Classify(err) != class || driver.Wait(err) != wait {
					t.Errorf("%d, %d events, Retry-After %q: %v, wait %v (%v), want %v, wait %v",
						r.status, n, after, driver.Classify(err), driver.Wait(err), err, class, wait)
				}
				if calls := transport.GetTotalCallCount(); calls != 1 {
					t.Errorf("%d: %d requests", r.status, calls)
				}
				if text := fmt.Sprint(err); !strings.Contains(text, fmt.Sprint("answered ", r.status)) || !strings.Contains(text, r.says) ||
					strings.Contains(text, canary) || strings.Contains(text, key) {
					t.Errorf("%d: says %q, want %q and no secret", r.status, text, r.says)
				}
			}
		}
	}
}

func TestOnlyPostHogsAcknowledgementIsAccepted(t *testing.T) {
	t.Parallel()
	const page = "<html>log in</html>"
	for _, tt := range []struct {
		status int
		body   string
		want   driver.Class
	}{
		{200, `{"status":"Ok"}`, driver.ClassAccepted},
		{200, `{"status":1}`, driver.ClassAccepted},
		{202, `{"status":"Ok"}`, driver.ClassAccepted},
		{200, ` {"status":"Ok","quota_limited":[],"more":{}} `, driver.ClassAccepted},
		{200, `{"status":"Ok","quota_limited":null}`, driver.ClassAccepted},
		{200, `{"status":"Ok","quota_limited":["events"]}`, driver.ClassThrottled},
		{200, `{"status":1,"quota_limited":["events","recordings"]}`, driver.ClassThrottled},
		{200, `{"status":1,"quota_limited":true}`, driver.ClassThrottled},
		{200, page, driver.ClassUnknown},
		{200, ``, driver.ClassUnknown},
		{204, ``, driver.ClassUnknown},
		{200, `{}`, driver.ClassUnknown},
		{200, `1`, driver.ClassUnknown},
		{200, `"Ok"`, driver.ClassUnknown},
		{200, `null`, driver.ClassUnknown},
		{200, `[{"status":1}]`, driver.ClassUnknown},
		{200, `{"status":0}`, driver.ClassUnknown},
		{200, `{"status":true}`, driver.ClassUnknown},
		{200, `{"status":"error"}`, driver.ClassUnknown},
		{200, `{"status":"Ok"`, driver.ClassUnknown},
		{200, `{"status":"Ok"}{`, driver.ClassUnknown},
	} {
		b, _ := mock(t, func(*http.Request) (*http.Response, error) {
			return httpmock.NewStringResponse(tt.status, tt.body), nil
		})
		if err := b.Send(patient(t), events(2)); driver.Classify(err) != tt.want {
			t.Errorf("%d %s: got %v, want %v", tt.status, tt.body, err, tt.want)
		}
	}
}

// Login pages, filters and proxies answer with any status, and some without a body.
func TestARefusalThatIsNotPostHogsKeepsTheBatch(t *testing.T) {
	t.Parallel()
	const page = "<!DOCTYPE html><title>c4n4ry</title>"
	for status := 400; status < 600; status++ {
		for _, body := range []string{page, "", "\n"} {
			b, _ := mock(t, func(*http.Request) (*http.Response, error) { return httpmock.NewStringResponse(status, body), nil })
			for _, n := range []int{1, 2} {
				err := b.Send(patient(t), events(n))
				class := driver.Classify(err)
				kept := class == driver.ClassUnknown || class == driver.ClassThrottled && body != page
				if status == 413 { // nginx in front of a PostHog of one's own: what it says of the size is true
					kept = class == driver.ClassTooLarge
				}
				if !kept || strings.Contains(err.Error(), canary) || status/100 == 4 && body == page && !retried(status) &&
					status != 413 && !strings.Contains(err.Error(), "web page") {
					t.Errorf("%d %q to %d events: %v (%v)", status, body, n, err, class)
				}
			}
		}
	}
	// What PostHog's capture says is a text.
	for _, text := range []string{"event submitted without a distinct_id", "invalid event could not be processed"} {
		b, _ := mock(t, func(*http.Request) (*http.Response, error) { return httpmock.NewStringResponse(400, text), nil })
		for n, want := range map[int]driver.Class{1: driver.ClassPermanent, 2: driver.ClassTooLarge} {
			if err := b.Send(patient(t), events(n)); driver.Classify(err) != want {
				t.Errorf("%q to %d events: %v (%v), want %v", text, n, err, driver.Classify(err), want)
			}
		}
	}
}

// retried are the statuses that ask to try again, whoever sends them.
func retried(status int) bool { return status == 408 || status == 425 || status == 429 }

func TestWhatNobodyAnsweredIsUnknown(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"refused": syscall.ECONNREFUSED, "reset": syscall.ECONNRESET, "cut": io.ErrUnexpectedEOF, "any": errors.New(canary + key),
	} {
		b, transport := mock(t, func(*http.Request) (*http.Response, error) { return nil, failure })
		err := b.Send(patient(t), events(2))
		if driver.Classify(err) != driver.ClassUnknown || transport.GetTotalCallCount() != 1 ||
			strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v after %d requests", name, err, transport.GetTotalCallCount())
		}
	}
	var answered atomic.Bool
	b, _ := mock(t, func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		answered.Store(true)
		return accept(r)
	})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Send(short, events(2)); driver.Classify(err) != driver.ClassUnknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("late answer: %v", err)
	}
}

func TestNoEventsAreNoRequest(t *testing.T) {
	t.Parallel()
	b, transport := mock(t, accept)
	if err := b.Send(t.Context(), nil); err != nil || transport.GetTotalCallCount() != 0 {
		t.Errorf("%v, %d requests", err, transport.GetTotalCallCount())
	}
}

// PostHog refuses a batch for one of these, and the SDK puts a random UUID or the
// present where none is.
func TestAnEventThatSpoilsABatchIsNotSent(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*driver.Event){
		"no type":     func(e *driver.Event) { e.Type = "" },
		"no time":     func(e *driver.Event) { e.Time = time.Time{} },
		"no ID":       func(e *driver.Event) { e.ID = "" },
		"no UUID":     func(e *driver.Event) { e.ID = "01890a5d-ac96-774b-bcce-00000000000g" },
		"braced UUID": func(e *driver.Event) { e.ID = "{" + e.ID + "}" },
		"capitals":    func(e *driver.Event) { e.ID = strings.ToUpper(e.ID) },
	} {
		for intake := range intakes {
			b, transport := mockOf(t, map[string]string{"intake": intake}, accept)
			for n, want := range map[int]driver.Class{1: driver.ClassPermanent, 3: driver.ClassTooLarge} {
				batch := events(n)
				spoil(&batch[n-1])
				if err := b.Send(patient(t), batch); driver.Classify(err) != want || strings.Contains(err.Error(), canary) {
					t.Errorf("%s, %d events: %v, want %v", name, n, err, want)
				}
			}
			if transport.GetTotalCallCount() != 0 {
				t.Errorf("%s: %d requests", name, transport.GetTotalCallCount())
			}
		}
	}
}

// The intake wants a distinct_id, and the SDK too. Nobody can ask for the deletion of an event
// that has no machine ID, so there must be no profile of a person behind it either.
func TestAnEventWithoutAMachineIDIsNobodys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings map[string]string) {
		settings["person_properties"] = "on"
		b, got, _, _ := recorder(t, settings)
		batch := events(2)
		batch[0].MachineID = ""
		if err := b.Send(patient(t), batch); err != nil || len(got.Batch) != 2 {
			t.Fatalf("%v, %d events", err, len(got.Batch))
		}
		for i, e := range got.Batch {
			profile := e.Properties["$process_person_profile"]
			if settings["intake"] == "v1" {
				if profile != nil {
					t.Errorf("event %d: what v1 has an option for is a property too", i)
				}
				profile = e.Options["process_person_profile"]
			}
			nobodys := i == 0
			if nobodys && (e.DistinctID != batch[i].ID || profile != false || e.Properties["$set"] != nil) ||
				!nobodys && (e.DistinctID != batch[i].MachineID || profile != nil || e.Properties["$set"] == nil) {
				t.Errorf("event %d: distinct_id %q, profile %v, person %v", i, e.DistinctID, profile, e.Properties["$set"])
			}
		}
	})
}

// The closed list of what a profile holds is three words long.
func TestPersonPropertiesAndGroupsAreWhatTheAuthorChose(t *testing.T) {
	t.Parallel()
	for intake := range intakes {
		for _, tt := range []struct {
			settings    map[string]string
			set, groups any
		}{
			{map[string]string{}, nil, nil},
			{map[string]string{"person_properties": "off"}, nil, nil},
			{map[string]string{"person_properties": "on"}, map[string]any{"os": "plan9", "arch": "mips", "tool_version": "v1"}, nil},
			{map[string]string{"group_type": "product", "group_key": "My Tool"}, nil, map[string]any{"product": "My Tool"}},
		} {
			tt.settings["intake"] = intake
			b, got, _, _ := recorder(t, tt.settings)
			if err := b.Send(patient(t), events(1)); err != nil {
				t.Fatal(err)
			}
			if p := got.Batch[0].Properties; !reflect.DeepEqual(p["$set"], tt.set) || !reflect.DeepEqual(p["$groups"], tt.groups) || p["$set_once"] != nil {
				t.Errorf("%v: $set %v, $groups %v", tt.settings, p["$set"], p["$groups"])
			}
		}
	}
}

func TestMetadataOverwritesNothing(t *testing.T) {
	t.Parallel()
	each(t, metadataOverwritesNothing)
}

func metadataOverwritesNothing(t *testing.T, settings map[string]string) {
	b, got, _, _ := recorder(t, settings)
	if err := b.Send(patient(t), events(1)); err != nil {
		t.Fatal(err)
	}
	plain := got.Batch[0].Properties
	// Every name that is sent, what PostHog knows, and one that is meant to meet a prefix.
	batch := events(1)
	batch[0].Metadata = map[string]string{"k": "v", "metadata_exit_code": canary}
	for name := range plain {
		if name != "k" {
			batch[0].Metadata[name] = canary
		}
	}
	for _, name := range []string{"$set", "$set_once", "$process_person_profile", "$groups", "$lib", "$session_id", "$", "token", "distinct_id"} {
		batch[0].Metadata[name] = canary
	}
	if err := b.Send(patient(t), batch); err != nil {
		t.Fatal(err)
	}
	mixed := got.Batch[0].Properties
	for name, value := range plain {
		if !reflect.DeepEqual(mixed[name], value) {
			t.Errorf("%s is %v, want %v", name, mixed[name], value)
		}
	}
	for name := range batch[0].Metadata {
		if name != "k" && mixed["metadata_"+name] != canary {
			t.Errorf("%s has not become metadata_%s", name, name)
		}
	}
	if len(mixed) != len(plain)+len(batch[0].Metadata)-1 {
		t.Errorf("%d properties of %d and %d pairs: %v", len(mixed), len(plain), len(batch[0].Metadata), slices.Sorted(maps.Keys(mixed)))
	}
}

// The SDK would make several requests of these, or drop an event.
func TestWhatTheSDKWouldSplitIsNotSent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n, size int
		want    driver.Class
	}{{20, 20_000, driver.ClassTooLarge}, {2, 90_000, driver.ClassTooLarge}, {1, 90_000, driver.ClassPermanent}, {1, 65_000, driver.ClassAccepted}} {
		for intake := range intakes {
			b, transport := mockOf(t, map[string]string{"intake": intake}, accept)
			batch := events(tt.n)
			for i := range batch {
				batch[i].Metadata["k"] = strings.Repeat("<", tt.size) // six bytes each for the SDK
			}
			err := b.Send(patient(t), batch)
			if calls := transport.GetTotalCallCount(); driver.Classify(err) != tt.want || calls > 0 != (err == nil) {
				t.Errorf("%s, %d events of %d bytes: %v after %d requests, want %v", intake, tt.n, tt.size, err, calls, tt.want)
			}
		}
	}
}

// The arithmetic of the limits: the most that the SDK adds to an event, as often as it can.
func TestTheLargestBatchIsOneRequest(t *testing.T) {
	t.Parallel()
	limits := posthog.Driver().Limits
	if limits.Bytes > 450_000 || limits.EventBytes > limits.Bytes {
		t.Errorf("limits %+v", limits)
	}
	batch := events(limits.Events)
	for i := range batch {
		batch[i].Error = ""
		batch[i].Metadata = map[string]string{}
		for j := range 32 {
			batch[i].Metadata[fmt.Sprint("$", j)] = "" // gets the prefix
		}
		if missing := limits.Bytes/limits.Events - len(batch[i].AppendJSON(nil)); missing > 0 {
			batch[i].Name += strings.Repeat("x", missing)
		}
	}
	each(t, func(t *testing.T, settings map[string]string) {
		settings["person_properties"] = "on"
		settings["group_type"], settings["group_key"] = strings.Repeat("x", 40), strings.Repeat("\"", 100)
		b, transport := mockOf(t, settings, accept)
		if err := b.Send(patient(t), batch); err != nil || transport.GetTotalCallCount() != 1 {
			t.Errorf("%v after %d requests", err, transport.GetTotalCallCount())
		}
	})
}

// Not parallel: it looks at every goroutine of the process.
func TestSendLeavesNothingOfTheSDKBehind(t *testing.T) {
	hang := func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
	unavailable := func(*http.Request) (*http.Response, error) { return httpmock.NewStringResponse(503, ""), nil }
	retry := func(r *http.Request) (*http.Response, error) {
		return httpmock.NewStringResponse(200, answerV1(toRetry, toRetry, toRetry)), nil
	}
	for name, respond := range map[string]httpmock.Responder{"accepted": accept, "failed": unavailable, "hung": hang, "to be sent again": retry} {
		b, _ := mockOf(t, map[string]string{}, respond)
		older, _ := mock(t, respond)
		for i := range 6 {
			if i%2 == 0 {
				b, older = older, b
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			b.Send(ctx, events(3))
			cancel()
		}
		var stacks string
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			buf := make([]byte, 1<<20)
			if stacks = string(buf[:runtime.Stack(buf, true)]); !strings.Contains(stacks, "posthog-go") {
				break
			}
		}
		if strings.Contains(stacks, "posthog-go") {
			t.Errorf("%s: a goroutine is left\n%s", name, stacks)
		}
	}
}

func TestAMistakeInTheDeclarationNamesFieldAndFix(t *testing.T) {
	t.Parallel()
	const keyField, endpointField = "Telemetry.Settings[project_key]", "Telemetry.Settings[endpoint]"
	for name, tt := range map[string]struct {
		settings    map[string]string
		headers     map[string]string
		insecure    bool
		field, says string // empty: no mistake
	}{
		"key alone":             {map[string]string{"project_key": key}, nil, false, "", ""},
		"key and region":        {map[string]string{"project_key": key, "instance": "eu"}, nil, false, "", ""},
		"endpoint":              {map[string]string{"project_key": key, "endpoint": "https://h/ingest/"}, nil, false, "", ""},
		"http on loopback":      {map[string]string{"project_key": key, "endpoint": "http://127.0.0.1:1"}, nil, false, "", ""},
		"http, insecure":        {map[string]string{"project_key": key, "endpoint": "http://h"}, nil, true, "", ""},
		"http":                  {map[string]string{"project_key": key, "endpoint": "http://h/" + canary}, nil, false, endpointField, "https://"},
		"no key":                {nil, nil, false, keyField, "required"},
		"personal key":          {map[string]string{"project_key": "phx_" + canary}, nil, false, keyField, "a personal API key (phx_)"},
		"secret key":            {map[string]string{"project_key": "phs_" + canary}, nil, false, keyField, "secret key (phs_)"},
		"no project key":        {map[string]string{"project_key": canary}, nil, false, keyField, "begins with phc_"},
		"nothing but phc_":      {map[string]string{"project_key": "phc_"}, nil, false, keyField, "begins with phc_"},
		"key beyond all length": {map[string]string{"project_key": "phc_" + strings.Repeat("x", 61)}, nil, false, keyField, "64 characters"},
		"key with line end":     {map[string]string{"project_key": "phc_" + canary + "\n"}, nil, false, keyField, "line break"},
		"key with space":        {map[string]string{"project_key": " phc_" + canary}, nil, false, keyField, "begins with phc_"},
		"unknown instance":      {map[string]string{"project_key": key, "instance": "eu1"}, nil, false, "Telemetry.Settings[instance]", "us, eu"},
		"instance in capitals":  {map[string]string{"project_key": key, "instance": "EU"}, nil, false, "Telemetry.Settings[instance]", "us, eu"},
		"region and endpoint":   {map[string]string{"project_key": key, "instance": "eu", "endpoint": "https://h"}, nil, false, endpointField, "keep one"},
		"the older intake":      {map[string]string{"project_key": key, "intake": "batch"}, nil, false, "", ""},
		"unknown intake":        {map[string]string{"project_key": key, "intake": "v2"}, nil, false, "Telemetry.Settings[intake]", "v1, batch"},
		"group":                 {map[string]string{"project_key": key, "group_type": "product", "group_key": "My Tool"}, nil, false, "", ""},
		"half a group":          {map[string]string{"project_key": key, "group_key": "My Tool"}, nil, false, "Telemetry.Settings[group_type]", "both or none"},
		"the other half":        {map[string]string{"project_key": key, "group_type": "product"}, nil, false, "Telemetry.Settings[group_type]", "both or none"},
		"group type":            {map[string]string{"project_key": key, "group_type": "My Product", "group_key": "x"}, nil, false, "Telemetry.Settings[group_type]", "small letters"},
		"long group type":       {map[string]string{"project_key": key, "group_type": strings.Repeat("x", 41), "group_key": "x"}, nil, false, "Telemetry.Settings[group_type]", "40"},
		"long group key":        {map[string]string{"project_key": key, "group_type": "x", "group_key": strings.Repeat("x", 101)}, nil, false, "Telemetry.Settings[group_key]", "100"},
		"torn group key":        {map[string]string{"project_key": key, "group_type": "x", "group_key": "a\nb"}, nil, false, "Telemetry.Settings[group_key]", "control"},
		"persons":               {map[string]string{"project_key": key, "person_properties": "yes"}, nil, false, "Telemetry.Settings[person_properties]", "on, off"},
		"v1's Authorization":    {map[string]string{"project_key": key}, map[string]string{"authorization": canary}, false, "Telemetry.Headers", "Authorization is set by the backend"},
		"v1's attempt":          {map[string]string{"project_key": key}, map[string]string{"PostHog-Attempt": canary}, false, "Telemetry.Headers", "Posthog-Attempt is set by the backend"},
		"a proxy's of batch":    {map[string]string{"project_key": key, "endpoint": "https://h"}, map[string]string{"Authorization": canary}, false, "", ""},
		"a personal key":        {map[string]string{"project_key": key, "intake": "batch"}, map[string]string{"authorization": canary}, false, "Telemetry.Headers", "personal keys"},
		"query":                 {map[string]string{"project_key": key, "endpoint": "https://h/?" + canary}, nil, false, endpointField, "query"},
		"not a URL":             {map[string]string{"project_key": key, "endpoint": "c4n4ry:%"}, nil, false, endpointField, "https://"},
		"unknown setting":       {map[string]string{"project_key": key, "region": canary}, nil, false, "Telemetry.Settings[region]", "project_key, instance, endpoint, intake, person_properties, group_type, group_key"},
		"torn header":           {map[string]string{"project_key": key}, map[string]string{"X-Key": canary + "\n"}, false, "Telemetry.Headers", "X-Key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, driver.Config{Headers: tt.headers, Insecure: tt.insecure}, tt.settings)
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var config *driver.ConfigError
			if !errors.As(err, &config) || config.Field != tt.field || !strings.Contains(config.Problem, tt.says) ||
				strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), key) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheDriverTellsItsHost(t *testing.T) {
	t.Parallel()
	d := posthog.Driver()
	for host, settings := range map[string]map[string]string{
		"us.i.posthog.com":         {},
		"eu.i.posthog.com":         {"instance": "eu"},
		"posthog.example.com:8443": {"endpoint": "https://posthog.example.com:8443/ingest/"},
	} {
		settings["project_key"] = key
		resolved, err := d.Resolve(settings)
		if got := d.Hosts(resolved); err != nil || !slices.Equal(got, []string{host}) {
			t.Errorf("%v: got %v, %v, want %s", settings, got, err, host)
		}
	}
}

func TestNewBackendForDirectUse(t *testing.T) {
	t.Parallel()
	var path atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.Path)
		io.WriteString(w, `{"status":1}`)
	}))
	defer s.Close()
	b, err := posthog.NewBackend(key, posthog.WithEndpoint(s.URL+"/ingest/"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Send(patient(t), events(3)); err != nil || path.Load() != "/ingest/batch/" {
		t.Errorf("%v, posted to %v", err, path.Load())
	}
	for name, make := range map[string]func() (driver.Backend, error){
		"region": func() (driver.Backend, error) { return posthog.NewBackend(key, posthog.WithInstance("eu1")) },
		"key":    func() (driver.Backend, error) { return posthog.NewBackend("phx_" + canary) },
		"plain":  func() (driver.Backend, error) { return posthog.NewBackend(key, posthog.WithEndpoint("http://h")) },
	} {
		var config *driver.ConfigError
		if b, err := make(); b != nil || !errors.As(err, &config) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, %v", name, b, err)
		}
	}
	if b, err := posthog.NewBackend(key, posthog.WithInstance("eu")); err != nil {
		t.Error(err)
	} else {
		b.Close()
	}
}

// answering is a transport that costs nothing, so that what is measured is this package,
// or the SDK.
type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) { return accept(r) }

func BenchmarkSend100(b *testing.B) {
	backend, err := open(b, driver.Config{Tool: "mytool", Version: "v1", Transport: answering{}}, map[string]string{"project_key": key})
	if err != nil {
		b.Fatal(err)
	}
	batch := events(100)
	b.ReportAllocs()
	for b.Loop() {
		if err := backend.Send(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareSDK100 is the same batch through the SDK as its documentation shows it,
// but with a Flush, without which Close takes 100 ms, and with no log.
func BenchmarkBareSDK100(b *testing.B) {
	batch := events(100)
	for name, compression := range map[string]sdk.CompressionMode{"plain": sdk.CompressionNone, "gzip": sdk.CompressionGzip} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				client, err := sdk.NewWithConfig(key, sdk.Config{Transport: answering{}, Logger: quiet{}, Compression: compression})
				if err != nil {
					b.Fatal(err)
				}
				for _, e := range batch {
					p := sdk.NewProperties().Set("$ip", "0.0.0.0").Set("event_name", e.Name).Set("tool_name", e.Tool).Set("tool_version", e.Version).
						Set("$os", e.OS).Set("arch", e.Arch).Set("os_version", e.OSVersion).Set("go_version", e.GoVersion).
						Set("duration_ms", *e.DurationMS).Set("exit_code", *e.ExitCode).Set("args", e.Args).Set("error", e.Error).Set("truncated", e.Truncated)
					for k, v := range e.Metadata {
						p.Set(k, v)
					}
					if err := client.Enqueue(sdk.Capture{Uuid: e.ID, Event: e.Type, DistinctId: e.MachineID, Timestamp: e.Time, Properties: p}); err != nil {
						b.Fatal(err)
					}
				}
				if err := errors.Join(client.Flush(), client.Close()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type quiet struct{}

func (quiet) Debugf(string, ...any) {}
func (quiet) Logf(string, ...any)   {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// $create_alias joins two persons, $identify makes somebody of another.
func TestATypeThatPostHogActsOnIsNoEventOfPostHogs(t *testing.T) {
	t.Parallel()
	for _, intake := range []string{"batch", "v1"} {
		for eventType, want := range map[string]string{
			"$create_alias": "other", "$identify": "other", "$merge_dangerously": "other", "$set": "other", "export.finished": "export.finished",
		} {
			var sent struct {
				Batch []struct {
					Event      string
					Properties map[string]any
				}
			}
			b, _ := mockOf(t, map[string]string{"intake": intake}, func(r *http.Request) (*http.Response, error) {
				text, err := body(r)
				if err := errors.Join(err, json.Unmarshal(text, &sent)); err != nil {
					t.Error(err)
				}
				return httpmock.NewStringResponse(503, ""), nil
			})
			list := events(1)
			list[0].Type, list[0].Metadata = eventType, map[string]string{"alias": "victim", "event_type": "authors"}
			_ = b.Send(patient(t), list)
			if len(sent.Batch) != 1 || sent.Batch[0].Event != want {
				t.Fatalf("%s at %s: %+v", eventType, intake, sent)
			}
			told := sent.Batch[0].Properties["event_type"]
			if want == "other" && told != eventType || want != "other" && told != nil || sent.Batch[0].Properties["metadata_event_type"] != "authors" {
				t.Errorf("%s at %s: %+v", eventType, intake, sent.Batch[0].Properties)
			}
		}
	}
}
