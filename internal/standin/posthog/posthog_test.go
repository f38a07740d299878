//go:build !notelemetry

package posthog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	backend "github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/standin/posthog"
)

type vendor struct {
	*posthog.Server
	url string

	mu  sync.Mutex
	now time.Time
}

func (v *vendor) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

func (v *vendor) advance(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = v.now.Add(d)
}

func open(t *testing.T, options posthog.Options) *vendor {
	t.Helper()
	v := &vendor{now: time.Date(2026, 2, 2, 5, 0, 0, 0, time.UTC)}
	options.Now = v.Now
	v.Server = posthog.New(options)
	server := httptest.NewServer(v.Server)
	t.Cleanup(server.Close)
	v.url = server.URL
	return v
}

// call makes a call with the key and returns status, JSON and headers.
func (v *vendor) call(t *testing.T, method, path, body string) (int, map[string]any, http.Header) {
	t.Helper()
	return v.callAs(t, "phx_standin", method, path, body)
}

func (v *vendor) callAs(t *testing.T, key, method, path, body string) (int, map[string]any, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	_ = json.Unmarshal(text, &said) // not every answer is JSON
	return resp.StatusCode, said, resp.Header
}

const (
	project = "/api/projects/12345/"
	bulk    = project + "persons/bulk_delete/"
	status  = project + "persons/deletion_status/"
	query   = project + "query/"
)

func count(id, refresh string) string {
	return `{"query":{"kind":"HogQLQuery","query":"SELECT count() FROM events WHERE distinct_id = {id}","values":{"id":"` + id + `"}},"refresh":"` + refresh + `"}`
}

func TestTheBackendsEventsArriveOnce(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	b, err := backend.NewBackend("phc_standin", backend.WithEndpoint(v.url))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	events := []driver.Event{
		{ID: "01890a5d-ac96-774b-bcce-000000000001", Type: "command.invocation", Name: "deploy", MachineID: "machine", Time: time.Now(), Args: []string{strings.Repeat("x", 4000)}},
		{ID: "01890a5d-ac96-774b-bcce-000000000002", Type: "command.invocation", Name: "deploy", MachineID: "another", Time: time.Now()},
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := b.Send(ctx, events); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	stored := v.Stored("machine")
	if len(stored) != 1 || v.Events("another") != 1 || !v.HasProfile("machine") || v.HasProfile("nobody") {
		t.Fatalf("stored %+v", stored)
	}
	// sent_at makes up for the difference between this machine's clock and the one there.
	if e := stored[0]; e.UUID != events[0].ID || e.Properties["event_name"] != "deploy" || v.Now().Sub(e.Timestamp).Abs() > time.Minute {
		t.Errorf("stored %+v", e)
	}
	if n := v.Count(posthog.Batch); n != 2 {
		t.Errorf("%d batches were noted, want 2", n)
	}
}

func TestCaptureV1AnswersForEachEvent(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	b, err := backend.NewBackend("phc_standin", backend.WithEndpoint(v.url), backend.WithIntake("v1"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	events := []driver.Event{
		{ID: "01890a5d-ac96-774b-bcce-000000000001", Type: "command.invocation", Name: "deploy", MachineID: "machine", Time: time.Now()},
		{ID: "01890a5d-ac96-774b-bcce-000000000002", Type: "command.invocation", Name: "deploy", Time: time.Now()},
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := b.Send(ctx, events); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	stored := v.Stored("machine")
	if len(stored) != 1 || !v.HasProfile("machine") || v.Events(events[1].ID) != 1 || v.HasProfile(events[1].ID) {
		t.Fatalf("stored %+v", stored)
	}
	if e := stored[0]; e.UUID != events[0].ID || v.Now().Sub(e.Timestamp).Abs() > time.Minute {
		t.Errorf("stored %+v", e)
	}
	if n := v.Count(posthog.CaptureV1); n != 2 {
		t.Errorf("%d requests were noted, want 2", n)
	}
	if got, _, _ := v.call(t, "POST", "/i/v1/analytics/events", `{"created_at":"2026-02-02T05:00:00Z","batch":[]}`); got != 401 {
		t.Errorf("without a key: %d", got)
	}
}

func TestOverQuotaOnlyCaptureV1SaysSo(t *testing.T) {
	t.Parallel()
	for intake, want := range map[string]driver.Class{"v1": driver.ClassThrottled, "batch": driver.ClassAccepted} {
		v := open(t, posthog.Options{OverQuota: true})
		b, err := backend.NewBackend("phc_standin", backend.WithEndpoint(v.url), backend.WithIntake(intake))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err = b.Send(ctx, []driver.Event{{ID: "01890a5d-ac96-774b-bcce-000000000001", Type: "e", MachineID: "machine", Time: time.Now()}})
		cancel()
		if driver.Classify(err) != want || v.Events("machine") != 0 {
			t.Errorf("%s: %v, %d events", intake, err, v.Events("machine"))
		}
		b.Close()
	}
}

func TestABatchThatIsWrongIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	good := `{"uuid":"1","event":"e","distinct_id":"machine","timestamp":"2026-02-02T05:00:00Z"}`
	for body, want := range map[string]int{
		`{"api_key":"phc_x","batch":[]}`:                                       400,
		`{"api_key":"phc_x","batch":[` + good + `,{"event":"e"}]}`:             400,
		`{"api_key":"phc_x","batch":[` + good + `,{"distinct_id":"machine"}]}`: 400,
		`not JSON`: 400,
		`{"api_key":"phx_standin","batch":[` + good + `]}`: 401,
		`{"api_key":"phc_x","batch":[` + good + `]}`:       200,
	} {
		if got, _, _ := v.call(t, "POST", "/batch/", body); got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
	if n := v.Events("machine"); n != 1 {
		t.Errorf("%d events, want that of the good batch", n)
	}
}

func TestTheSweepTakesWhatWasThereBeforeTheRequest(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	v.Capture("machine", v.Now().Add(-time.Hour))
	v.Capture("machine", v.Now())
	v.Capture("machine", v.Now().Add(time.Second)) // dated after it
	v.Capture("another", v.Now())
	v.CapturePersonless("personless", v.Now())
	code, said, _ := v.call(t, "POST", bulk, `{"distinct_ids":["machine","personless"],"delete_events":true}`)
	if code != 202 || said["persons_found"] != 1.0 || said["persons_deleted"] != 1.0 || said["events_queued_for_deletion"] != true {
		t.Fatalf("answered %d, %v", code, said)
	}
	if _, there := said["persons_queued_for_deletion"]; there {
		t.Error("this generation does not queue profiles")
	}
	v.advance(time.Second)
	v.Capture("machine", v.Now().Add(-time.Hour)) // stored after it
	if n := v.Events("machine"); n != 4 {
		t.Fatalf("%d events before the sweep, want 4", n)
	}
	if n := v.Sweep(); n != 2 || v.Events("machine") != 2 || v.Events("another") != 1 || v.Events("personless") != 1 {
		t.Errorf("%d events went, %d %d %d are left", n, v.Events("machine"), v.Events("another"), v.Events("personless"))
	}
	if n := v.Sweep(); n != 0 {
		t.Errorf("a second sweep takes %d", n)
	}
}

func TestTheNewestGenerationDeletesProfilesInTheBackground(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{Queues: true})
	v.Capture("machine", v.Now())
	for range 2 {
		if _, said, _ := v.call(t, "POST", bulk, `{"ids":["`+v.PersonUUID("machine")+`"],"delete_events":true}`); said["persons_deleted"] != 0.0 || said["persons_queued_for_deletion"] != 1.0 {
			t.Errorf("answered %v", said)
		}
		v.advance(posthog.ProfileDelay - 1)
	}
	if v.HasProfile("machine") {
		t.Error("the second request has put the deletion off")
	}
}

func TestAPendingRowKeepsItsTime(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	first := v.Now()
	for range 2 {
		v.Capture("machine", v.Now())
		v.call(t, "POST", bulk, `{"distinct_ids":["machine"],"delete_events":true}`)
		v.advance(time.Hour)
	}
	rows := v.Deletions()
	if len(rows) != 1 || !rows[0].CreatedAt.Equal(first) || !rows[0].Pending() {
		t.Fatalf("the rows are %+v", rows)
	}
	v.Sweep()
	v.Capture("machine", v.Now())
	v.call(t, "POST", bulk, `{"distinct_ids":["machine"],"delete_events":true}`)
	if rows = v.Deletions(); len(rows) != 2 || rows[0].Pending() || !rows[1].Pending() {
		t.Errorf("after the sweep the rows are %+v", rows)
	}
	v.Sweep()
	v.advance(91 * 24 * time.Hour)
	v.Sweep()
	if rows = v.Deletions(); len(rows) != 0 {
		t.Errorf("after 90 days the rows are %+v", rows)
	}
}

func TestAProfileThatStaysIsToldInA202(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	v.Capture("machine", v.Now())
	v.KeepProfile("machine", true)
	code, said, _ := v.call(t, "POST", bulk, `{"distinct_ids":["machine"],"delete_events":true}`)
	if code != 202 || fmt.Sprint(said["deletion_errors"]) != "[map[person_uuid:"+v.PersonUUID("machine")+"]]" || !v.HasProfile("machine") {
		t.Errorf("answered %d, %v", code, said)
	}
}

func TestTheStatusIsListedNewestFirstAndInPages(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	for i := range 5 {
		d := posthog.Deletion{PersonUUID: "p", CreatedAt: v.Now().Add(time.Duration(i) * time.Minute)}
		if i < 3 {
			d.VerifiedAt = v.Now()
		}
		v.AddDeletion(d)
	}
	v.AddDeletion(posthog.Deletion{PersonUUID: "q", CreatedAt: v.Now()})
	minutes := func(query string) (list []string, next any) {
		code, said, _ := v.call(t, "GET", status+query, "")
		if code != 200 {
			return []string{fmt.Sprint(code)}, nil
		}
		for _, row := range said["results"].([]any) {
			r := row.(map[string]any)
			list = append(list, r["created_at"].(string)[14:16]+r["status"].(string)[:1])
		}
		return list, said["next"]
	}
	for query, want := range map[string][]string{
		"":                                       {"00p", "04p", "03p", "02c", "01c", "00c"},
		"?person_uuid=p&status=all":              {"04p", "03p", "02c", "01c", "00c"},
		"?person_uuid=p&status=pending":          {"04p", "03p"},
		"?person_uuid=p&status=completed":        {"02c", "01c", "00c"},
		"?person_uuid=p&limit=2&offset=2":        {"02c", "01c"},
		"?person_uuid=p&limit=2&offset=4":        {"00c"},
		"?person_uuid=p&offset=9":                nil,
		"?person_uuid=p&status=nonsense":         {"400"},
		"?person_uuid=p&limit=100000&offset=-10": {"04p", "03p", "02c", "01c", "00c"},
	} {
		got, next := minutes(query)
		if !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
		if strings.HasSuffix(query, "offset=2") != (next != nil) {
			t.Errorf("%q: the next page is %v", query, next)
		}
	}
}

func TestACountMayBeACachedOne(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	v.Capture("machine", v.Now())
	for _, tt := range []struct{ refresh, want string }{
		{"blocking", "[[1]] false"}, {"blocking", "[[1]] true"}, {"force_blocking", "[[2]] false"}, {"blocking", "[[2]] true"},
	} {
		_, said, _ := v.call(t, "POST", query, count("machine", tt.refresh))
		if got := fmt.Sprint(said["results"], " ", said["is_cached"]); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.refresh, got, tt.want)
		}
		if tt.want == "[[1]] false" {
			v.Capture("machine", v.Now())
		}
	}
}

func TestWhatIsNotDocumentedIsRefused(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{Scopes: []string{"person:read"}})
	all := open(t, posthog.Options{})
	many := `{"distinct_ids":["` + strings.Repeat(`x","`, 1000) + `x"]}`
	for _, tt := range []struct {
		v                       *vendor
		key, method, path, body string
		want                    int
	}{
		{v, "", "GET", project + "persons/", "", 401},
		{v, "phx_another", "GET", "/api/projects/1/persons/", "", 401},
		{v, "phx_standin", "GET", "/api/projects/1/persons/", "", 404},
		{v, "phx_standin", "GET", bulk, "", 404},
		{v, "phx_standin", "GET", project + "persons/", "", 200},
		{v, "phx_standin", "GET", status, "", 200},
		{v, "phx_standin", "POST", bulk, `{"distinct_ids":["x"]}`, 403},
		{v, "phx_standin", "POST", query, count("x", ""), 403},
		{all, "phx_standin", "POST", bulk, `{"distinct_ids":["x"]}`, 202},
		{all, "phx_standin", "POST", bulk, `{}`, 400},
		{all, "phx_standin", "POST", bulk, `{"ids":["x"],"distinct_ids":["x"]}`, 400},
		{all, "phx_standin", "POST", bulk, many, 400},
		{all, "phx_standin", "POST", bulk, `nonsense`, 400},
		{all, "phx_standin", "POST", query, `{}`, 400},
		{all, "phx_standin", "POST", query, strings.Replace(count("x", ""), "{id}", "'x'", 1), 400},
		{all, "phx_standin", "POST", query, strings.Replace(count("x", ""), "{id}", "{another}", 1), 400},
		{all, "phx_standin", "POST", query, count("x", ""), 200},
	} {
		got, said, _ := tt.v.callAs(t, tt.key, tt.method, tt.path, tt.body)
		if got != tt.want || got >= 400 && said["detail"] == "" {
			t.Errorf("%s %s %s with %q: %d, %v, want %d", tt.method, tt.path, tt.body, tt.key, got, said, tt.want)
		}
	}
}

func TestCallsAreLimitedByTheMinute(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{PersonCalls: 2, Deletes: 1})
	for _, tt := range []struct {
		method, path string
		want         int
		wait         string
	}{
		{"GET", project + "persons/", 200, ""}, {"GET", status, 200, ""}, {"GET", status, 429, "50"}, {"GET", project + "persons/", 429, "50"},
		{"POST", bulk, 400, ""}, {"POST", bulk, 429, "60"}, {"POST", query, 400, ""},
	} {
		got, _, header := v.call(t, tt.method, tt.path, "{}")
		if got != tt.want || header.Get("Retry-After") != tt.wait {
			t.Errorf("%s %s: %d and %q, want %d and %q", tt.method, tt.path, got, header.Get("Retry-After"), tt.want, tt.wait)
		}
		if v.Count(posthog.Persons) == 1 && v.Count(posthog.DeletionStatus) == 0 {
			v.advance(10 * time.Second)
		}
	}
	v.advance(time.Minute)
	if got, _, _ := v.call(t, "GET", status, ""); got != 200 {
		t.Errorf("a minute later: %d", got)
	}
}

func TestAFaultStrikesItsCallAsOftenAsItSays(t *testing.T) {
	t.Parallel()
	v := open(t, posthog.Options{})
	v.Capture("machine", v.Now())
	v.Break(posthog.BulkDelete, posthog.Fault{Status: 503, Header: http.Header{"Retry-After": {"7"}}, Calls: 2})
	v.Break(posthog.Persons, posthog.Fault{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>"})
	delete := `{"distinct_ids":["machine"],"delete_events":true}`
	for range 2 {
		if got, _, header := v.call(t, "POST", bulk, delete); got != 503 || header.Get("Retry-After") != "7" || !v.HasProfile("machine") {
			t.Errorf("answered %d", got)
		}
	}
	for range 3 {
		if _, said, header := v.call(t, "GET", project+"persons/", ""); said != nil || header.Get("Content-Type") != "text/html" {
			t.Errorf("answered %v", said)
		}
	}
	v.Repair(posthog.Persons)
	if _, said, _ := v.call(t, "GET", project+"persons/?distinct_id=machine", ""); len(said["results"].([]any)) != 1 {
		t.Errorf("once repaired: %v", said)
	}
	v.Break(posthog.BulkDelete, posthog.Fault{Drop: true, Done: true, Calls: 1})
	req, err := http.NewRequestWithContext(t.Context(), "POST", v.url+bulk, strings.NewReader(delete))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer phx_standin")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("the connection was not cut: %d", resp.StatusCode)
	}
	if v.HasProfile("machine") || len(v.Deletions()) != 1 {
		t.Error("what was asked for was not done")
	}
	var log []string
	for _, c := range v.Calls() {
		log = append(log, fmt.Sprint(c.Endpoint, " ", c.Status))
	}
	want := []string{"bulk_delete 503", "bulk_delete 503", "persons 200", "persons 200", "persons 200", "persons 200", "bulk_delete 0"}
	if !slices.Equal(log, want) {
		t.Errorf("the log is %q, want %q", log, want)
	}
}

func TestAHangingCallEndsWithItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := posthog.New(posthog.Options{})
		v.Break(posthog.Query, posthog.Fault{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		var ended any
		go func() {
			defer func() { ended = recover() }()
			v.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", query, strings.NewReader("{}")))
		}()
		synctest.Wait()
		if ended != nil {
			t.Errorf("it ended with %v before its client did", ended)
		}
		cancel()
		synctest.Wait()
		if ended != http.ErrAbortHandler {
			t.Errorf("it ended with %v", ended)
		}
	})
}

// As PostHog Cloud derived them for a published trial in September 2026.
func TestThePersonOfAnIDIsTheOneThatPostHogDerives(t *testing.T) {
	t.Parallel()
	if got := posthog.New(posthog.Options{Project: 280817}).PersonUUID("6e9a624b-9339-4d07-8c46-8cd05dfa04e1"); got != "51410cf7-1a40-508b-ba2b-68727dca2a9b" {
		t.Errorf("derived %s", got)
	}
}
