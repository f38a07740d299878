//go:build !notelemetry

package datadog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	sdk "github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/jarcoal/httpmock"

	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	apiKey = "0123456789abcdef0123456789abcdef"
	token  = "pubfedcba9876543210fedcba9876543210"
	intake = "https://http-intake.logs.datadoghq.com/api/v2/logs"
	canary = "c4n4ry"
)

// vendor answers every POST to its address, and keeps what it was sent.
type vendor struct {
	*httpmock.MockTransport
	mu     sync.Mutex
	header []http.Header
	bodies []string
	urls   []string
}

func newVendor(address string, answer httpmock.Responder) *vendor {
	v := &vendor{MockTransport: httpmock.NewMockTransport()}
	v.RegisterResponder(http.MethodPost, address, func(r *http.Request) (*http.Response, error) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				return nil, err
			}
			body = unpacked
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		v.mu.Lock()
		v.header, v.bodies, v.urls = append(v.header, r.Header), append(v.bodies, string(text)), append(v.urls, r.URL.String())
		v.mu.Unlock()
		return answer(r)
	})
	return v
}

var accepted = httpmock.NewStringResponder(202, "{}")

// answering is a status with headers, and a body that repeats what must not be said.
func answering(status int, header ...string) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) {
		resp := httpmock.NewStringResponse(status, `{"errors":["`+canary+`"]}`)
		for i := 0; i < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

// open resolves the settings as the collector does, and opens.
func open(t testing.TB, cfg driver.Config, settings map[string]string) (driver.Backend, error) {
	t.Helper()
	d := datadog.Driver()
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

func mustOpen(t testing.TB, transport http.RoundTripper, settings map[string]string) driver.Backend {
	t.Helper()
	b, err := open(t, driver.Config{Tool: "mytool", Version: "v1.2.3", Transport: transport}, settings)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func withKey() map[string]string { return map[string]string{"api_key": apiKey} }

func event() driver.Event {
	duration, exit := int64(1234), 3
	return driver.Event{
		ID: "01890a5d-ac96-774b-bcce-b302099a8057", Type: "command.invocation", Name: "remote add",
		Time: time.Now().UTC().Truncate(time.Millisecond), DurationMS: &duration, ExitCode: &exit,
		Args: []string{"--force"}, Error: "no <remote>", Tool: "mytool", Version: "v1.2.3+dirty", OS: "linux", Arch: "amd64",
		OSVersion: "debian 12", GoVersion: "go1.26", MachineID: strings.Repeat("ab", 16), ConsentID: strings.Repeat("cd", 16),
		Flags: []string{"force"}, ErrorClass: "not_found", CI: true, CIProvider: "github-actions", Interactive: true, Agent: "codex", Container: true,
		RunID:    "01890a5d-ac96-774b-bcce-b302099a0000",
		Metadata: map[string]string{"host": "a", "colour": "green"}, Count: 7, Failures: 3, Durations: []int{5, 0, 2}, SampleRate: 10,
		Truncated: 2, Redacted: 1, TimeAdjusted: true,
	}
}

// small is an event that is not worth compressing.
func small() driver.Event {
	e := event()
	return driver.Event{ID: e.ID, Type: e.Type, Name: e.Name, Time: e.Time, Tool: e.Tool, MachineID: e.MachineID}
}

func TestTheEventOfTheseTestsHasEveryField(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(event())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("event() does not set %s: the mapping of it goes untested", v.Type().Field(i).Name)
		}
	}
}

func batch(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		list[i] = event()
		list[i].ID = fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i)
	}
	return list
}

// send delivers one event and returns the log as it arrived.
func send(t testing.TB, settings map[string]string, e driver.Event) (text string, log map[string]any) {
	t.Helper()
	v := newVendor(intake, accepted)
	if err := mustOpen(t, v, settings).Send(t.Context(), []driver.Event{e}); err != nil {
		t.Fatal(err)
	}
	var logs []map[string]any
	if err := json.Unmarshal([]byte(v.bodies[0]), &logs); err != nil || len(logs) != 1 {
		t.Fatalf("%v: %s", err, v.bodies[0])
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(v.bodies[0]), "["), "]"), logs[0]
}

func TestAnEventArrivesAsTheTableSays(t *testing.T) {
	t.Parallel()
	e := event()
	text, _ := send(t, map[string]string{"api_key": apiKey, "env": "prod"}, e)
	want := fmt.Sprintf(`{"message":"command.invocation: remote add","status":"error","ddsource":"gotoolbase","service":"mytool",`+
		`"hostname":"abababababababababababababababab","ddtags":"event_type:command.invocation,version:v1.2.3_dirty,env:prod,os:linux,arch:amd64",`+
		`"timestamp":%d,"event_id":"01890a5d-ac96-774b-bcce-b302099a8057","event_type":"command.invocation","event_name":"remote add",`+
		`"event_time":%q,"usr.id":"abababababababababababababababab","run_id":"01890a5d-ac96-774b-bcce-b302099a0000",`+
		`"duration":1234000000,"exit_code":3,"args":["--force"],"flags":["force"],"error.kind":"not_found","error.message":"no <remote>",`+
		`"tool_version":"v1.2.3+dirty","os":"linux","arch":"amd64","os_version":"debian 12","go_version":"go1.26",`+
		`"ci":true,"ci_provider":"github-actions","interactive":true,"agent":"codex","container":true,`+
		`"consent_id":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd","metadata":{"colour":"green","host":"a"},"count":7,"failures":3,`+
		`"duration_buckets":{"le_10ms":5,"le_25ms":0,"le_50ms":2},"sample_rate":10,"truncated":2,"redacted":1,"time_adjusted":true}`,
		e.Time.UnixMilli(), e.Time.Format(time.RFC3339Nano))
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	bare := driver.Event{ID: "1", Type: "a", Name: "b", Time: e.Time, Tool: "mytool", OS: "linux", Arch: "arm64"}
	_, log := send(t, map[string]string{"api_key": apiKey, "service": "fleet", "source": "cli"}, bare)
	if got, want := slices.Sorted(maps.Keys(log)), []string{"arch", "ci", "container", "ddsource", "ddtags",
		"event_id", "event_name", "event_time", "event_type", "interactive", "message", "os", "service", "status", "timestamp", "tool_name"}; !slices.Equal(got, want) {
		t.Errorf("a bare event has %v, want %v", got, want)
	}
	if log["service"] != "fleet" || log["tool_name"] != "mytool" || log["ddsource"] != "cli" {
		t.Errorf("got %v", log)
	}
}

func TestARequestHasTheDocumentedFormAndNothingElse(t *testing.T) {
	t.Parallel()
	common := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"mytool/v1.2.3 gotoolbase-telemetry"}}
	with := func(more http.Header) http.Header {
		h := common.Clone()
		maps.Copy(h, more)
		return h
	}
	evp := http.Header{"Dd-Api-Key": {token}, "Dd-Evp-Origin": {"cli"}, "Dd-Evp-Origin-Version": {"v1.2.3"}, "Dd-Request-Id": {event().ID}}
	for _, tt := range []struct {
		settings map[string]string
		url      string
		header   http.Header
	}{
		{withKey(), intake, with(http.Header{"Dd-Api-Key": {apiKey}})},
		{map[string]string{"client_token": token, "site": "eu1", "source": "cli"},
			"https://browser-intake-datadoghq.eu/api/v2/logs?ddsource=cli", with(evp)},
		{map[string]string{"endpoint": "https://relay.example.com/dd/"}, "https://relay.example.com/dd/api/v2/logs", common},
		{map[string]string{"endpoint": "http://127.0.0.1:9428/insert/datadog", "api_key": apiKey},
			"http://127.0.0.1:9428/insert/datadog/api/v2/logs", with(http.Header{"Dd-Api-Key": {apiKey}})},
		{map[string]string{"endpoint": "https://relay.example.com", "client_token": token, "source": "cli"},
			"https://relay.example.com/api/v2/logs?ddsource=cli", with(evp)},
	} {
		v := newVendor(tt.url, accepted)
		if err := mustOpen(t, v, tt.settings).Send(t.Context(), []driver.Event{small()}); err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if len(v.urls) != 1 || v.urls[0] != tt.url || !reflect.DeepEqual(v.header[0], tt.header) {
			t.Errorf("got %v %v\nwant %v %v", v.urls, v.header, tt.url, tt.header)
		}
	}
}

func TestABatchIsOneRequestAndCompressedWhereThatPays(t *testing.T) {
	t.Parallel()
	for n, encoding := range map[int]string{0: "", 1: "", 1000: "gzip"} {
		v := newVendor(intake, accepted)
		events := batch(n)
		if n == 1 {
			id := events[0].ID
			events[0] = small()
			events[0].ID = id
		}
		if err := mustOpen(t, v, withKey()).Send(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if len(v.urls) > 0 {
				t.Error("no events made a request")
			}
			continue
		}
		var logs []struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal([]byte(v.bodies[0]), &logs); err != nil || len(logs) != n || len(v.urls) != 1 {
			t.Fatalf("%d events: %d logs in %d requests, %v", n, len(logs), len(v.urls), err)
		}
		for i, e := range batch(n) {
			if logs[i].ID != e.ID {
				t.Fatalf("log %d is %s", i, logs[i].ID)
			}
		}
		if got := v.header[0].Get("Content-Encoding"); got != encoding {
			t.Errorf("%d events: Content-Encoding %q, want %q", n, got, encoding)
		}
	}
}

// The table is the one of the package comment, written out once more.
func TestEveryStatusMeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	rows := []struct {
		statuses []int
		class    driver.Class
		wait     time.Duration
		asked    bool // a wait that is asked for is respected
		says     string
	}{
		{[]int{202}, driver.ClassAccepted, 0, false, ""},
		{[]int{200, 201, 203, 204, 206, 299}, driver.ClassUnknown, 0, false, "only 202"},
		{[]int{300, 301, 302, 303, 304, 307, 308}, driver.ClassUnknown, 0, false, "redirects are not followed"},
		{[]int{401, 403}, driver.ClassThrottled, time.Hour, false, "Settings[site]"},
		{[]int{407}, driver.ClassThrottled, time.Hour, false, "HTTPS_PROXY"},
		{[]int{408, 429, 500, 502, 503, 504, 511, 599}, driver.ClassUnknown, 0, true, "later"},
		{[]int{413}, driver.ClassTooLarge, 0, false, "too large"},
		{[]int{400}, driver.ClassTooLarge, 0, false, "one of the logs"},
		{[]int{402, 404, 405, 406, 409, 411, 414, 415, 422, 431, 451, 499}, driver.ClassThrottled, time.Hour, false, "Settings[endpoint]"},
	}
	for _, row := range rows {
		for _, status := range row.statuses {
			for _, header := range [][]string{nil, {"Retry-After", "90"}, {"X-Ratelimit-Reset", "90"}, {"Retry-After", canary, "X-Ratelimit-Reset", canary}} {
				v := newVendor(intake, answering(status, append(header, "Location", "https://elsewhere.example/"+canary)...))
				err := mustOpen(t, v, withKey()).Send(t.Context(), batch(2))
				class, wait := row.class, row.wait
				if row.asked && header != nil && header[1] == "90" {
					class, wait = driver.ClassThrottled, 90*time.Second
				}
				if driver.Classify(err) != class || driver.Wait(err) != wait || v.GetTotalCallCount() != 1 {
					t.Errorf("%d %v: %v, wait %v, %d calls (%v), want %v, wait %v",
						status, header, driver.Classify(err), driver.Wait(err), v.GetTotalCallCount(), err, class, wait)
				}
				if err != nil && (!strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), fmt.Sprint("answered ", status))) {
					t.Errorf("%d: says %q, want %q", status, err, row.says)
				}
				mute(t, err)
			}
		}
	}
}

// Datadog refuses a whole request because of one log in it, and documents how it does.
func TestARefusalIsDatadogsOnlyInItsDocumentedForm(t *testing.T) {
	t.Parallel()
	const page = "<html>c4n4ry</html>"
	reply := func(status int, body string) httpmock.Responder {
		return func(*http.Request) (*http.Response, error) { return httpmock.NewStringResponse(status, body), nil }
	}
	for _, body := range []string{
		`{"errors":[{"status":"400","title":"Bad Request","detail":"c4n4ry"}]}`, `{"errors":["c4n4ry"],"more":1}`,
	} {
		for n, want := range map[int]driver.Class{1: driver.ClassPermanent, 2: driver.ClassTooLarge} {
			err := mustOpen(t, newVendor(intake, reply(400, body)), withKey()).Send(t.Context(), batch(n))
			if driver.Classify(err) != want {
				t.Errorf("%s to %d events: %v (%v), want %v", body, n, err, driver.Classify(err), want)
			}
			mute(t, err)
		}
	}
	for status := 400; status < 600; status++ {
		for _, body := range []string{page, "", `{}`, `{"errors":[]}`, `{"errors":null}`, `{"errors":"c4n4ry"}`, `{"errors":["c4n4ry"`, `[]`, "Bad Request c4n4ry"} {
			for _, n := range []int{1, 2} {
				err := mustOpen(t, newVendor(intake, reply(status, body)), withKey()).Send(t.Context(), batch(n))
				class := driver.Classify(err)
				kept := class == driver.ClassUnknown || class == driver.ClassThrottled
				if status == 413 { // a relay of one's own has an nginx in front
					kept = class == driver.ClassTooLarge
				}
				if !kept || body == page && status == 403 && !strings.Contains(err.Error(), "web page") {
					t.Errorf("%d %q to %d events: %v (%v)", status, body, n, err, class)
				}
				mute(t, err)
			}
		}
	}
}

// mute fails if an error says what it must not.
func mute(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{canary, apiKey, token, "://", "/api/v2", event().ID, event().Name, event().MachineID, event().ConsentID} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q holds %q", err, secret)
		}
	}
}

func TestOfTwoWaitsTheLongerCounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		after, reset string
		want         time.Duration
	}{
		{"90", "30", 90 * time.Second}, {"30", "90", 90 * time.Second}, {"-5", "30", 30 * time.Second}, {"30", "-5", 30 * time.Second},
		{"", "99999999999999999999", 24 * time.Hour}, {"0", "", 0}, {"", "soon", 0},
	} {
		v := newVendor(intake, answering(429, "Retry-After", tt.after, "X-Ratelimit-Reset", tt.reset))
		if err := mustOpen(t, v, withKey()).Send(t.Context(), batch(1)); err == nil || driver.Wait(err) != tt.want {
			t.Errorf("%+v: %v, wait %v", tt, err, driver.Wait(err))
		}
	}
}

// broken is a body that ends with an error.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
func (broken) Close() error { return nil }

func TestA202CountsWhateverItsBodyButForAWebPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, kind string
		body       io.ReadCloser
		want       driver.Class
	}{
		{"documented", "application/json", io.NopCloser(strings.NewReader("{}")), driver.ClassAccepted},
		{"empty", "", http.NoBody, driver.ClassAccepted},
		{"none", "", nil, driver.ClassAccepted},
		{"not JSON", "text/plain", io.NopCloser(strings.NewReader("ok")), driver.ClassAccepted},
		{"cut", "application/json", broken{strings.NewReader("{")}, driver.ClassAccepted},
		{"endless", "application/json", io.NopCloser(endless{}), driver.ClassAccepted},
		{"page by type", "text/html; charset=utf-8", http.NoBody, driver.ClassUnknown},
		{"page by body", "application/json", broken{strings.NewReader("\n<html>" + canary)}, driver.ClassUnknown},
	} {
		v := newVendor(intake, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 202, Header: http.Header{"Content-Type": {tt.kind}}, Body: tt.body}, nil
		})
		err := mustOpen(t, v, withKey()).Send(t.Context(), batch(1))
		if driver.Classify(err) != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		mute(t, err)
	}
	// Where the body does not arrive, another status is no answer.
	v := newVendor(intake, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 400, Header: http.Header{}, Body: broken{strings.NewReader("{")}}, nil
	})
	if err := mustOpen(t, v, withKey()).Send(t.Context(), batch(1)); driver.Classify(err) != driver.ClassUnknown {
		t.Errorf("a 400 that is cut: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestWhatGoesWrongOnTheWayKeepsTheBatchAndSaysNoSecret(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	hang := func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		answer httpmock.Responder
		is     error
	}{
		{"refused", t.Context(), httpmock.NewErrorResponder(&url.Error{Op: "Post", URL: intake + canary, Err: errors.New(canary)}), nil},
		{"closed", t.Context(), httpmock.NewErrorResponder(io.EOF), io.ErrUnexpectedEOF},
		{"nothing at all", t.Context(), func(*http.Request) (*http.Response, error) { return nil, nil }, nil},
		{"cancelled before", cancelled, accepted, context.Canceled},
		{"too late", late, hang, context.DeadlineExceeded},
	} {
		err := mustOpen(t, newVendor(intake, tt.answer), withKey()).Send(tt.ctx, batch(2))
		if driver.Classify(err) != driver.ClassUnknown || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v", tt.name, err)
		}
		mute(t, err)
	}
}

func TestTheSDKKnowsEverySite(t *testing.T) {
	t.Parallel()
	config := sdk.NewConfiguration()
	known := config.OperationServers["v2.LogsApi.SubmitLog"][0].Variables["site"].EnumValues
	// The client-token hosts are those of Datadog's mobile SDKs; uk1 and us2 follow their rule.
	rows := []struct{ site, key, token string }{
		{"datadoghq.com", "http-intake.logs.datadoghq.com", "browser-intake-datadoghq.com"},
		{"us3.datadoghq.com", "http-intake.logs.us3.datadoghq.com", "browser-intake-us3-datadoghq.com"},
		{"us5.datadoghq.com", "http-intake.logs.us5.datadoghq.com", "browser-intake-us5-datadoghq.com"},
		{"datadoghq.eu", "http-intake.logs.datadoghq.eu", "browser-intake-datadoghq.eu"},
		{"uk1.datadoghq.com", "http-intake.logs.uk1.datadoghq.com", "browser-intake-uk1-datadoghq.com"},
		{"ap1.datadoghq.com", "http-intake.logs.ap1.datadoghq.com", "browser-intake-ap1-datadoghq.com"},
		{"ap2.datadoghq.com", "http-intake.logs.ap2.datadoghq.com", "browser-intake-ap2-datadoghq.com"},
		{"ddog-gov.com", "http-intake.logs.ddog-gov.com", "browser-intake-ddog-gov.com"},
		{"us2.ddog-gov.com", "http-intake.logs.us2.ddog-gov.com", "browser-intake-us2-ddog-gov.com"},
	}
	var listed []string
	for _, row := range rows {
		listed = append(listed, row.site)
	}
	if slices.Sort(listed); !slices.Equal(listed, slices.Sorted(slices.Values(known))) {
		t.Errorf("the SDK knows %v, this test %v", known, listed)
	}
	regions := map[string]string{"": "datadoghq.com", "us1": "datadoghq.com", "us3": "us3.datadoghq.com", "us5": "us5.datadoghq.com",
		"eu1": "datadoghq.eu", "uk1": "uk1.datadoghq.com", "ap1": "ap1.datadoghq.com", "ap2": "ap2.datadoghq.com",
		"gov": "ddog-gov.com", "us1-fed": "ddog-gov.com", "us2-fed": "us2.ddog-gov.com"}
	for _, site := range known {
		regions[site] = site
	}
	for region, site := range regions {
		row := rows[slices.IndexFunc(rows, func(r struct{ site, key, token string }) bool { return r.site == site })]
		for _, settings := range []map[string]string{{"api_key": apiKey, "site": region}, {"client_token": token, "site": region}} {
			host := row.key
			if settings["client_token"] != "" {
				host = row.token
			}
			v := newVendor("=~^https://"+strings.ReplaceAll(host, ".", `\.`)+"/api/v2/logs", accepted)
			if err := mustOpen(t, v, settings).Send(t.Context(), batch(1)); err != nil {
				t.Errorf("%s %s: %v", region, host, err)
			}
			resolved, _ := datadog.Driver().Resolve(settings)
			if hosts := datadog.Driver().Hosts(resolved); !slices.Equal(hosts, []string{host}) {
				t.Errorf("%s: Hosts %v, want %s", region, hosts, host)
			}
		}
	}
}

func TestAMistakeIsAnErrorThatNamesTheField(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings map[string]string
		field    string
		says     string
	}{
		{nil, "api_key", "relay"},
		{map[string]string{"site": "eu1"}, "api_key", "client_token"},
		{map[string]string{"api_key": apiKey, "client_token": token}, "client_token", "keep one"},
		{map[string]string{"api_key": token}, "api_key", "client_token"},
		{map[string]string{"api_key": canary + "\n"}, "api_key", "line break"},
		{map[string]string{"api_key": " " + canary}, "api_key", "space"},
		{map[string]string{"api_key": "ddapp_" + canary}, "api_key", "as a person"},
		{map[string]string{"api_key": "ddpat_" + canary}, "api_key", "as a person"},
		{map[string]string{"api_key": strings.Repeat("0a1b", 10)}, "api_key", "as a person"},
		{map[string]string{"client_token": canary}, "client_token", "pub"},
		{map[string]string{"client_token": "pub" + canary + "\x00"}, "client_token", "line break"},
		{map[string]string{"api_key": apiKey, "site": "eu"}, "site", "eu1"},
		{map[string]string{"api_key": apiKey, "site": "EU1"}, "site", "datadoghq.eu"},
		{map[string]string{"api_key": apiKey, "site": "datadoghq.co"}, "site", "datadoghq.com"},
		{map[string]string{"api_key": apiKey, "region": "eu1"}, "region", "site"},
		{map[string]string{"api_key": apiKey, "source": "browser"}, "source", "address"},
		{map[string]string{"api_key": apiKey, "source": "android"}, "source", "address"},
		{map[string]string{"api_key": apiKey, "source": "ios"}, "source", "address"},
		{map[string]string{"api_key": apiKey, "source": "flutter"}, "source", "address"},
		{map[string]string{"api_key": apiKey, "source": "Browser"}, "source", "lower case"},
		{map[string]string{"api_key": apiKey, "source": "1st"}, "source", "letter first"},
		{map[string]string{"api_key": apiKey, "service": "my tool"}, "service", "lower case"},
		{map[string]string{"api_key": apiKey, "service": `a" OR *`}, "service", "lower case"},
		{map[string]string{"api_key": apiKey, "service": strings.Repeat("a", 101)}, "service", "100"},
		{map[string]string{"endpoint": "http://relay.example.com"}, "endpoint", "https://"},
		{map[string]string{"endpoint": "https://relay.example.com?key=" + canary}, "endpoint", "Headers"},
		{map[string]string{"endpoint": "https://" + canary + ":x@relay.example.com"}, "endpoint", "credentials"},
		{map[string]string{"endpoint": canary}, "endpoint", "absolute"},
		{map[string]string{"endpoint": "https://relay.example.com/v1/input"}, "endpoint", "leave out /v1/input"},
		{map[string]string{"endpoint": "https://relay.example.com/V1//input/"}, "endpoint", "leave out /v1/input"},
		{map[string]string{"endpoint": "https://relay.example.com/v1/input/" + canary}, "endpoint", "the key is a setting"},
		{map[string]string{"api_key": apiKey, "env": "Prod"}, "env", "lower case"},
	} {
		_, err := open(t, driver.Config{}, tt.settings)
		var config *driver.ConfigError
		if !errors.As(err, &config) || config.Field != "Telemetry.Settings["+tt.field+"]" || !strings.Contains(config.Problem, tt.says) {
			t.Errorf("%v: got %v", tt.settings, err)
		}
		if err != nil && (strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), apiKey)) {
			t.Errorf("%q holds a secret", err)
		}
	}
	_, err := open(t, driver.Config{Headers: map[string]string{"X": canary + "\n"}}, withKey())
	var config *driver.ConfigError
	if !errors.As(err, &config) || config.Field != "Telemetry.Headers" || strings.Contains(err.Error(), canary) {
		t.Errorf("a header: %v", err)
	}
	if _, err := open(t, driver.Config{Insecure: true}, map[string]string{"endpoint": "http://relay.example.com"}); err != nil {
		t.Errorf("Insecure allows plain http: %v", err)
	}
	// A driver's Open may be called by hand, where no site is no reason to guess one.
	if _, err := datadog.Driver().Open(driver.Config{Settings: map[string]string{"api_key": apiKey, "site": "datadoghq.example"}}); !errors.As(err, &config) {
		t.Errorf("a site that the SDK does not know: %v", err)
	}
}

func TestNewBackendTakesItsOptions(t *testing.T) {
	t.Parallel()
	var got http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, body = r.Header, nil
		body, _ = io.ReadAll(r.Body)
		if r.URL.Path != "/dd/api/v2/logs" {
			t.Errorf("sent to %s", r.URL)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	for key, header := range map[string]string{apiKey: apiKey, token: token, "": ""} {
		b, err := datadog.NewBackend(key, datadog.WithSite("eu1"), datadog.WithSource("cli"), datadog.WithService("fleet"),
			datadog.WithEnv("prod"), datadog.WithEndpoint(server.URL+"/dd"))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Send(t.Context(), []driver.Event{small()}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := b.Send(t.Context(), batch(1)); driver.Classify(err) != driver.ClassUnknown {
			t.Errorf("Send after Close: %v", err)
		}
		if got.Get("DD-API-KEY") != header || got.Get("User-Agent") != "gotoolbase-telemetry" ||
			!bytes.Contains(body, []byte(`"ddsource":"cli","service":"fleet"`)) || !bytes.Contains(body, []byte(`,env:prod"`)) {
			t.Errorf("got %v %s", got, body)
		}
	}
	for _, wrong := range [][]datadog.Option{{datadog.WithSite("eu")}, {datadog.WithSource("ios")}, {datadog.WithService("A")}, {datadog.WithEnv("A")}, {datadog.WithEndpoint("http://x.example")}} {
		if _, err := datadog.NewBackend(apiKey, wrong...); err == nil {
			t.Error("a mistake in an option was taken")
		}
	}
	if _, err := datadog.NewBackend(""); err == nil {
		t.Error("no key was taken")
	}
}

func TestATagAlwaysHasNameAndValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"a,b:c": "a_b_c", "solo,": "solo_", "ü b\x00": "__b_", "A/b-c_d.9": "A/b-c_d.9", ",": "_", ":": "_", "\xff": "_",
		strings.Repeat("a", 300): strings.Repeat("a", 100), strings.Repeat("é", 51): strings.Repeat("_", 50),
	} {
		e := event()
		e.Type, e.Version, e.OS, e.Arch = value, value, value, value
		_, log := send(t, withKey(), e)
		if got := log["ddtags"]; got != "event_type:"+want+",version:"+want+",os:"+want+",arch:"+want {
			t.Errorf("%q: got %v", value, got)
		}
		if valid := strings.ToValidUTF8(value, "\ufffd"); log["event_type"] != valid || log["tool_version"] != valid || log["os"] != valid || log["arch"] != valid {
			t.Errorf("%q: the exact values are %v", value, log)
		}
	}
	e := event()
	e.Type, e.Version, e.OS, e.Arch = "", "", "linux", ""
	if _, log := send(t, withKey(), e); log["ddtags"] != "os:linux" {
		t.Errorf("without values: %v", log["ddtags"])
	}
}

func TestTheStatusIsTheOutcome(t *testing.T) {
	t.Parallel()
	zero, one := 0, 1
	for want, events := range map[string][]driver.Event{
		"info":  {{}, {ExitCode: &zero}, {ErrorClass: "interrupted", ExitCode: &one}},
		"warn":  {{ErrorClass: "ended_unrecorded"}, {Type: "telemetry.loss"}},
		"error": {{ExitCode: &one}, {ErrorClass: "usage"}, {Error: "no such remote"}, {Type: "command.error"}, {Failures: 1}},
	} {
		for _, e := range events {
			e.Time = time.Now()
			if _, log := send(t, withKey(), e); log["status"] != want {
				t.Errorf("%+v: status %v, want %s", e, log["status"], want)
			}
		}
	}
}

// What Datadog's page on Error Tracking asks of a log; what it wants beside it is not sent.
func TestAFailedCommandIsAnErrorOfErrorTracking(t *testing.T) {
	t.Parallel()
	failed := event()
	failed.Error = "" // as without ExtendedCollection
	_, log := send(t, withKey(), failed)
	if log["status"] != "error" || log["service"] != "mytool" || log["error.kind"] != "not_found" {
		t.Errorf("status %v, service %v, error.kind %v", log["status"], log["service"], log["error.kind"])
	}
	for _, name := range []string{"error", "error.message", "error.stack"} {
		if value, there := log[name]; there {
			t.Errorf("%s is %v", name, value)
		}
	}
}

func TestADurationIsInNanosecondsWhereTheyFit(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt64 / 1_000_000
	for _, ms := range []int64{0, 1, -1, 1234, most, -most, most + 1, -most - 1, math.MaxInt64, math.MinInt64} {
		e := event()
		e.DurationMS = &ms
		text, log := send(t, withKey(), e)
		_, ns := log["duration"]
		_, exact := log["duration_ms"]
		want := fmt.Sprintf(`,"duration":%d000000,`, ms)
		if ms == 0 {
			want = `,"duration":0,`
		}
		if ms > most || ms < -most {
			want = fmt.Sprintf(`,"duration_ms":%d,`, ms)
		}
		if ns == exact || !strings.Contains(text, want) {
			t.Errorf("%d ms: duration %v, duration_ms %v, want %s", ms, log["duration"], log["duration_ms"], want)
		}
	}
}

func TestEachBucketOfFoldedDurationsHasItsName(t *testing.T) {
	t.Parallel()
	e := event()
	e.Durations = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	_, log := send(t, withKey(), e)
	want := map[string]any{"le_10ms": 1., "le_25ms": 2., "le_50ms": 3., "le_100ms": 4., "le_250ms": 5., "le_500ms": 6., "le_1000ms": 7.,
		"le_2500ms": 8., "le_5000ms": 9., "le_10000ms": 10., "le_30000ms": 11., "le_60000ms": 12., "le_300000ms": 13., "over_300000ms": 14.}
	if got := log["duration_buckets"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAServiceIsInLowerCaseAndTheToolKeepsItsName(t *testing.T) {
	t.Parallel()
	for tool, want := range map[string][2]any{
		"mytool": {"mytool", nil}, "MyTool": {"mytool", "MyTool"}, "_9.x-Y": {"_9.x-y", "_9.x-Y"}, "my tool": {"my_tool", "my tool"},
		"-x": {"_x", "-x"}, "ÄB": {"_b", "ÄB"}, strings.Repeat("A", 200): {strings.Repeat("a", 100), strings.Repeat("A", 200)}, "": {nil, nil},
	} {
		e := event()
		e.Tool = tool
		if _, log := send(t, withKey(), e); log["service"] != want[0] || log["tool_name"] != want[1] {
			t.Errorf("%q: service %v, tool_name %v, want %v", tool, log["service"], log["tool_name"], want)
		}
	}
}

func TestTheMessageIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x", strings.Repeat("é", 300), strings.Repeat("x", 181) + "😀" + "y", "\xff" + strings.Repeat("\x80", 400)} {
		e := event()
		e.Name = name
		_, log := send(t, withKey(), e)
		message, whole := log["message"].(string), "command.invocation: "+name
		if len(whole) <= 200 && message != whole || !utf8.ValidString(message) || utf8.ValidString(name) && !strings.HasPrefix(whole, message) ||
			len(whole) > 200 && utf8.ValidString(name) && len(message) < 197 {
			t.Errorf("%q is %q", whole, message)
		}
	}
}

// growth is how much larger than its canonical encoding an event is on the wire.
func growth(t testing.TB, e driver.Event) int {
	text, _ := send(t, map[string]string{"api_key": apiKey, "source": strings.Repeat("s", 100), "service": strings.Repeat("s", 100),
		"env": strings.Repeat("e", 100)}, e)
	return len(text) + len(",") - len(e.AppendJSON(nil))
}

// The limits say how much the canonical encoding grows, so nothing may grow more.
func TestNoEventGrowsBeyondWhatTheLimitsAllow(t *testing.T) {
	t.Parallel()
	limits := datadog.Driver().Limits
	if limits != (driver.Limits{Events: 1000, Bytes: 2_400_000, EventBytes: 987_500}) {
		t.Errorf("limits %+v", limits)
	}
	const added = 2500
	if limits.Bytes+limits.Events*added > 4_900_000 || limits.EventBytes+added > 990_000 {
		t.Errorf("limits %+v leave no room for %d bytes more of each event", limits, added)
	}
	worst := 0
	for _, s := range []string{"", "a", "\x00", "\xff", "\u2028", "<", `"`, "é", "😀", "\x7f", "A"} {
		for _, n := range []int{1, 90, 200, 5000} {
			long := strings.Repeat(s, n)
			texts := driver.Event{ID: long, Type: long, Name: long, Time: time.Now().AddDate(0, 0, -9), Tool: long, OS: long, Arch: long, MachineID: long}
			worst = max(worst, growth(t, texts))
			worst = max(worst, growth(t, everything(long, 0)))
			tagged := everything(long, 1)
			tagged.Type, tagged.Version, tagged.OS, tagged.Arch = strings.Repeat("a", 100), strings.Repeat("a", 100), strings.Repeat("a", 100), strings.Repeat("a", 100)
			worst = max(worst, growth(t, tagged))
		}
	}
	t.Logf("the worst of them grows by %d bytes", worst)
	if worst > added {
		t.Errorf("an event grows by %d bytes, the limits allow for %d", worst, added)
	}
}

// everything is an event with a text and a number in every field.
func everything(s string, n int64) driver.Event {
	exit, counts := int(n), make([]int, len(driver.DurationBounds())+1)
	for i := range counts {
		counts[i] = int(n)
	}
	return driver.Event{ID: s, Type: s, Name: s, Time: time.Now().AddDate(0, 0, -9), DurationMS: &n, ExitCode: &exit, Args: []string{s}, Flags: []string{s},
		Error: s, ErrorClass: s, Tool: s, Version: s, OS: s, Arch: s, OSVersion: s, GoVersion: s, CIProvider: s, Agent: s, RunID: s, MachineID: s, ConsentID: s,
		Metadata: map[string]string{s: s}, Count: int(n), Failures: int(n), Durations: counts, SampleRate: int(n), Truncated: int(n), Redacted: int(n), TimeAdjusted: true}
}

func FuzzGrowth(f *testing.F) {
	f.Add("a\x00", "b\xff", "c<", 300, int64(1))
	f.Fuzz(func(t *testing.T, a, b, c string, n int, ms int64) {
		n = max(1, n%400)
		a, b, c = strings.Repeat(a, n%7+1), strings.Repeat(b, n%11+1), strings.Repeat(c, n%13+1)
		e := everything(a, ms)
		e.Time, e.Type, e.Name, e.Args, e.Error, e.OS, e.Metadata = time.UnixMilli(ms%253402300800000).UTC(), b, c, []string{a, b}, c, c, map[string]string{b: c}
		if ms < 0 {
			e.Time = time.Time{}
		}
		if got := growth(t, e); got > 2500 {
			t.Errorf("grows by %d bytes", got)
		}
	})
}

// Not parallel: it sets the environment.
func TestDatadogsVariablesChangeNothing(t *testing.T) {
	for _, name := range []string{"DD_API_KEY", "DD_APP_KEY", "DD_SITE", "DD_HOSTNAME", "DD_HOST", "DD_TAGS", "DD_ENV", "DD_SERVICE", "DD_VERSION",
		"DD_URL", "DD_LOGS_CONFIG_LOGS_DD_URL", "DD_BEARER_TOKEN", "DD_TEST_SITE", "AWS_ACCESS_KEY_ID", "HOSTNAME", "USER"} {
		t.Setenv(name, canary)
	}
	v := newVendor(intake, accepted)
	if err := mustOpen(t, v, withKey()).Send(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprint(v.urls, v.header, v.bodies); strings.Contains(all, canary) {
		t.Errorf("the environment is on the wire: %s", all)
	}
}

// The bare SDK posts the same logs to the same transport, in the way of its own examples.
func BenchmarkSend100(b *testing.B) {
	events := batch(100)
	transport := func() http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return nil, err
			}
			return &http.Response{StatusCode: 202, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
		})
	}
	b.Run("backend", func(b *testing.B) {
		backend := mustOpen(b, transport(), withKey())
		b.ReportAllocs()
		for b.Loop() {
			if err := backend.Send(b.Context(), events); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare SDK", func(b *testing.B) {
		config := sdk.NewConfiguration()
		config.HTTPClient = &http.Client{Transport: transport()}
		client := sdk.NewAPIClient(config)
		ctx := context.WithValue(b.Context(), sdk.ContextAPIKeys, map[string]sdk.APIKey{"apiKeyAuth": {Key: apiKey}})
		b.ReportAllocs()
		for b.Loop() {
			logs := make([]map[string]any, len(events))
			for i, e := range events {
				logs[i] = map[string]any{
					"message": e.Type + ": " + e.Name, "ddsource": "gotoolbase", "service": e.Tool, "hostname": e.MachineID,
					"ddtags": "event_type:" + e.Type + ",version:" + e.Version + ",os:" + e.OS + ",arch:" + e.Arch, "timestamp": e.Time.UnixMilli(), "status": "error",
					"event_id": e.ID, "event_type": e.Type, "event_name": e.Name, "event_time": e.Time, "duration_ms": e.DurationMS,
					"exit_code": e.ExitCode, "args": e.Args, "error": e.Error, "tool_version": e.Version, "os": e.OS, "arch": e.Arch,
					"os_version": e.OSVersion, "go_version": e.GoVersion, "consent_id": e.ConsentID, "metadata": e.Metadata, "truncated": e.Truncated,
				}
			}
			base, err := config.ServerURLWithContext(ctx, "v2.LogsApi.SubmitLog")
			if err != nil {
				b.Fatal(err)
			}
			header := map[string]string{"Content-Type": "application/json", "Accept": "application/json", "Content-Encoding": "gzip"}
			sdk.SetAuthKeys(ctx, &header, [2]string{"apiKeyAuth", "DD-API-KEY"})
			request, err := client.PrepareRequest(ctx, base+"/api/v2/logs", http.MethodPost, &logs, header, url.Values{}, url.Values{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			response, err := client.CallAPI(request)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := sdk.ReadBody(response); err != nil || response.StatusCode != 202 {
				b.Fatal(err, response.Status)
			}
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What a command pays for listing the driver, and what the sending process pays.
func BenchmarkDriver(b *testing.B) {
	b.Run("Driver", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			datadog.Driver()
		}
	})
	b.Run("Open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := datadog.NewBackend(apiKey); err != nil {
				b.Fatal(err)
			}
		}
	})
}
