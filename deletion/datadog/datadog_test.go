//go:build !notelemetry

package datadog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	backend "github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/datadog"
	standin "github.com/gotoolbase/telemetry/internal/standin/datadog"
)

const (
	tool      = "mytool"
	machine   = "0dd5a1ad0dd5a1ad0dd5a1ad0dd5a1ad"
	other     = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"
	canary    = "c4n4ry"
	day       = 24 * time.Hour
	retention = 15 * day
	query     = "host:" + machine + " service:" + tool
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

func TestKeepsTheContract(t *testing.T) {
	t.Parallel()
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Vendor: datadog.Vendor(), State: deletion.Acknowledged,
		Settings: func(endpoint string) map[string]string {
			return map[string]string{"endpoint": endpoint, "retention": "15d", "api_key": standin.APIKey, "application_key": standin.ApplicationKey}
		},
		// A Datadog that knows no request yet, each time.
		Accept: func(r conformance.Request) conformance.Answer {
			return answerOf(standin.New(standin.Options{}), r)
		},
		NotAccepted: []conformance.Answer{
			{Status: 200, Type: "text/html", Body: "<html><body>Log in to the hotel's network</body></html>"},
			{Status: 200, Body: `{"errors":["Forbidden"]}`},
			{Status: 200, Body: `{"data":[],"errors":["Forbidden"]}`},
			{Status: 200, Body: `{"data":[],"meta":{}}`}, // an empty list, also where something was to be made
			{Status: 200, Body: `{}`},
			{Status: 202},
			{Status: 204},
		},
		Decode: func(r conformance.Request) (string, error) {
			if r.Method == http.MethodGet {
				return "", nil // looks for what was asked before
			}
			var body struct {
				Data struct {
					Attributes struct{ Query map[string]string }
				}
			}
			err := json.Unmarshal(r.Body, &body)
			return body.Data.Attributes.Query["host"], err
		},
		Statuses: map[int]driver.Class{
			400: driver.ClassPermanent, 412: driver.ClassPermanent, 401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 429: driver.ClassThrottled, 500: driver.ClassUnknown, 503: driver.ClassUnknown, 307: driver.ClassUnknown, 204: driver.ClassUnknown,
		},
		Refusal: conformance.Answer{Body: `{"errors":["Forbidden"]}`},
		Progress: []conformance.Progress{
			{Name: "pending", Answer: progress(standin.Request{Status: standin.Pending}), Want: deletion.Acknowledged},
			{Name: "under way", Answer: progress(standin.Request{Status: standin.InProgress}), Want: deletion.Acknowledged},
			{Name: "completed", Answer: progress(standin.Request{Status: standin.Completed}), Want: deletion.Verified},
			{Name: "completed, and logs came in later", Answer: progress(standin.Request{Status: standin.Completed}, suiteLog("sampletool")), Err: deletion.ErrUnknownReceipt},
			{Name: "completed, and logs are under another service", Answer: progress(standin.Request{Status: standin.Completed}, suiteLog("othertool")), Want: deletion.Refused},
			{Name: "cancelled", Answer: progress(standin.Request{Status: standin.Cancelled}), Want: deletion.Refused},
			{Name: "failed", Answer: progress(standin.Request{Status: "failed"}), Want: deletion.Refused},
			{Name: "failed, of Datadog's own", Answer: progress(standin.Request{Status: "failed", ErrorCategory: "internal_error"})},
			{Name: "a word of tomorrow's", Answer: progress(standin.Request{Status: "dreamt"}), Want: deletion.Acknowledged},
			{Name: "another machine's", Answer: progress(standin.Request{Query: "host:" + other + " service:sampletool"}), Err: deletion.ErrUnknownReceipt},
		},
		Left: func(records *int) func(conformance.Request) conformance.Answer {
			listed := progress(standin.Request{Status: standin.Completed})
			return func(r conformance.Request) conformance.Answer {
				switch {
				case r.Method == http.MethodGet:
					return listed(r)
				case records == nil:
					return conformance.Answer{Body: `{"meta":{"status":"done"},"data":{"buckets":[{"by":{},"computes":{}}]}}`}
				}
				return conformance.Answer{Body: fmt.Sprintf(`{"meta":{"status":"done"},"data":{"buckets":[{"by":{},"computes":{"c0":%d}}]}}`, *records)}
			}
		},
		TakesKey: func(conformance.Request) bool { return false },
	})
}

// progress is what Datadog says of the first request that it was asked for, that of the
// suite's in February.
func progress(r standin.Request, logs ...standin.Log) func(conformance.Request) conformance.Answer {
	asked := time.Date(2026, 2, 3, 4, 5, 7, 0, time.UTC)
	r.From, r.To, r.CreatedAt = asked.Add(-retention), asked, asked
	if r.Query == "" {
		r.Query = "host:" + machine + " service:sampletool"
	}
	return func(q conformance.Request) conformance.Answer {
		vendor := standin.New(standin.Options{})
		vendor.AddRequest(r)
		vendor.Store(logs...)
		return answerOf(vendor, q)
	}
}

// suiteLog is one of the machine for which the suite asks.
func suiteLog(service string) standin.Log {
	return standin.Log{Host: machine, Service: service, Message: "late", Date: time.Now().Add(-time.Hour)}
}

func answerOf(vendor *standin.Server, r conformance.Request) conformance.Answer {
	asked, got := httptest.NewRequest(r.Method, r.URL, bytes.NewReader(r.Body)), httptest.NewRecorder()
	asked.Header = r.Header.Clone()
	vendor.ServeHTTP(got, asked)
	return conformance.Answer{Status: got.Code, Type: got.Header().Get("Content-Type"), Body: got.Body.String()}
}

// org is an organisation at Datadog, with a clock that stands still.
type org struct {
	*standin.Server
	url string
}

func newOrg(t *testing.T, o standin.Options) org {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s := standin.New(o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return org{s, server.URL}
}

func (o org) requestor(t *testing.T, change func(*datadog.Config)) *datadog.Requestor {
	t.Helper()
	cfg := datadog.Config{APIKey: standin.APIKey, ApplicationKey: standin.ApplicationKey, Retention: retention, Endpoint: o.url, Now: o.Now}
	if change != nil {
		change(&cfg)
	}
	r, err := datadog.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fact is what was found under a name.
func fact(f deletion.Found, name string) any {
	i := slices.IndexFunc(f.Facts, func(f deletion.Fact) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return f.Facts[i].Value
}

// request is one that was made a minute ago.
func (o org) request() deletion.Request {
	return deletion.Request{Tool: tool, MachineID: machine, RequestedAt: o.Now().Add(-time.Minute)}
}

// ask makes the request, which has to succeed.
func (o org) ask(t *testing.T, r *datadog.Requestor) deletion.Receipt {
	t.Helper()
	receipt, err := r.RequestDeletion(t.Context(), o.request())
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// finish lets Datadog delete.
func (o org) finish() {
	o.Advance(standin.CancelWindow)
	o.Run()
	o.Run()
}

// logs stores logs of a machine.
func (o org) logs(n int, host, service string) {
	for range n {
		o.Store(standin.Log{Host: host, Service: service})
	}
}

// roundTripper is a transport in between.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheCallsAreTheDocumentedOnesAndNothingElse(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	receipt := o.ask(t, r)
	want := deletion.Receipt{State: deletion.Acknowledged, ID: "753", MachineID: machine, At: noon.Add(-time.Minute),
		Detail: "Datadog deletes the logs after ten days, in which the request can be cancelled.", CancelUntil: noon.Add(10 * day)}
	if !reflect.DeepEqual(receipt, want) {
		t.Errorf("got %+v\nwant %+v", receipt, want)
	}
	calls := o.Calls()
	if len(calls) != 3 {
		t.Fatalf("%d calls: %+v", len(calls), calls)
	}
	for i, want := range []struct {
		method, path string
		query        url.Values
		body         string
	}{
		{"GET", "/api/v2/deletion/requests", url.Values{"product": {"logs"}, "query": {query}}, ""},
		{"GET", "/api/v2/deletion/requests", url.Values{"product": {"logs"}}, ""},
		{"POST", "/api/v2/deletion/data/logs", url.Values{}, fmt.Sprintf(`{"data":{"attributes":{"displayed_total":0,"from":%d,`+
			`"query":{"host":%q,"service":%q},"to":%d},"type":"create_deletion_req"}}`,
			noon.Add(-retention-2*day).UnixMilli(), machine, tool, noon.UnixMilli())},
	} {
		got := calls[i]
		if got.Method != want.method || got.Path != want.path || !reflect.DeepEqual(got.Query, want.query) || string(got.Body) != want.body {
			t.Errorf("call %d: got %s %s %v %s\nwant %+v", i, got.Method, got.Path, got.Query, got.Body, want)
		}
		header := http.Header{"Accept": {"application/json"}, "User-Agent": {"gotoolbase-telemetry"},
			"Dd-Api-Key": {standin.APIKey}, "Dd-Application-Key": {standin.ApplicationKey}}
		if want.body != "" {
			header.Set("Content-Type", "application/json")
			header.Set("Content-Length", strconv.Itoa(len(want.body)))
		}
		if !reflect.DeepEqual(got.Header, header) {
			t.Errorf("call %d: got the headers %v\nwant %v", i, got.Header, header)
		}
	}
	o.ask(t, r)
	if got := o.Calls()[3].Header; !reflect.DeepEqual(got, calls[0].Header) {
		t.Errorf("after a POST, a GET has the headers %v", got)
	}
}

func TestWhatTheBackendSentIsDeletedAndNothingElse(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{Now: time.Now}) // the backend goes by the clock of the machine
	b, err := backend.NewBackend(standin.APIKey, backend.WithEndpoint(o.url))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var events []driver.Event
	for i, host := range []string{machine, machine, other, machine} {
		events = append(events, driver.Event{ID: fmt.Sprint(i), Type: "command.invocation", Name: "a", Time: time.Now().Add(-time.Duration(i) * 10 * time.Hour),
			Tool: tool, OS: "linux", Arch: "amd64", MachineID: host})
	}
	if err := b.Send(t.Context(), events); err != nil || len(o.Stored(machine)) != 3 || len(o.Stored(other)) != 1 {
		t.Fatalf("%v, and the logs %+v", err, o.Logs())
	}
	r := o.requestor(t, nil)
	o.Advance(time.Minute)
	if found, err := r.Find(t.Context(), machine); err != nil || fact(found, "logs") != int64(3) || fact(found, "logs_of_other_services") != int64(0) {
		t.Fatalf("found %+v, %v", found, err)
	}
	receipt := o.ask(t, r)
	for _, step := range []struct {
		pass   time.Duration
		state  deletion.State
		detail string
		left   int
	}{
		{0, deletion.Acknowledged, "Datadog deletes the logs after ten days, in which the request can be cancelled.", 3},
		{10*day - time.Minute, deletion.Acknowledged, "Datadog deletes the logs after ten days, in which the request can be cancelled.", 3},
		{time.Minute, deletion.Acknowledged, "Datadog is deleting the logs.", 3},
		{0, deletion.Verified, "Datadog stores no logs of this machine.", 0},
	} {
		o.Advance(step.pass)
		o.Run()
		var err error
		if receipt, err = r.Status(t.Context(), receipt); err != nil || receipt.State != step.state || receipt.Detail != step.detail {
			t.Fatalf("after %v the receipt is %+v, %v; want %q", step.pass, receipt, err, step.state)
		}
		if n := len(o.Stored(machine)); n != step.left || len(o.Stored(other)) != 1 {
			t.Fatalf("after %v there are %d logs, want %d: %+v", step.pass, n, step.left, o.Logs())
		}
	}
	if receipt.MachineID != machine || receipt.At.IsZero() || receipt.ID != "753" || !receipt.CancelUntil.IsZero() {
		t.Errorf("the last receipt is %+v", receipt)
	}
	before := len(o.Calls())
	if again, err := r.Status(t.Context(), receipt); err != nil || again.State != deletion.Verified || len(o.Calls()) != before {
		t.Errorf("what was verified was asked for again: %+v, %v", again, err)
	}
}

func TestTheSameRequestIsMadeOnce(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	req, r := o.request(), o.requestor(t, nil)
	first := o.ask(t, r)
	o.Advance(3 * day)
	o.Run()
	for name, r := range map[string]*datadog.Requestor{"the same": r, "a new one": o.requestor(t, nil)} {
		receipt, err := r.RequestDeletion(t.Context(), req)
		if err != nil || receipt.ID != first.ID || receipt.State != deletion.Acknowledged || !receipt.CancelUntil.Equal(noon.Add(10*day)) {
			t.Errorf("%s: got %+v, %v", name, receipt, err)
		}
	}
	if n := len(o.Requests()); n != 1 {
		t.Errorf("%d requests were made", n)
	}
}

func TestTheSameRequestAtTheSameTimeIsMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := org{standin.New(standin.Options{}), "https://proxy.example"}
		var waits atomic.Bool
		r := o.requestor(t, func(c *datadog.Config) {
			c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && waits.CompareAndSwap(false, true) {
					synctest.Wait() // until the others have come as far as they can
				}
				if r.Body == nil {
					r.Body = http.NoBody // as a server gets it
				}
				got := httptest.NewRecorder()
				o.ServeHTTP(got, r)
				return got.Result(), nil
			})
		})
		var all sync.WaitGroup
		for _, id := range []string{machine, machine, machine, machine, other, other} {
			all.Go(func() {
				if _, err := r.RequestDeletion(t.Context(), deletion.Request{Tool: tool, MachineID: id, RequestedAt: o.Now()}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var queries []string
		for _, r := range o.Requests() {
			queries = append(queries, r.Query)
		}
		if slices.Sort(queries); !slices.Equal(queries, []string{query, "host:" + other + " service:" + tool}) {
			t.Errorf("the requests are %q", queries)
		}
	})
}

func TestWaitingForAnotherOfTheSameEndsWithTheContext(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	arrived := make(chan struct{})
	var once sync.Once
	r := o.requestor(t, func(c *datadog.Config) {
		c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			once.Do(func() { close(arrived) })
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
	})
	first, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.RequestDeletion(first, o.request())
		done <- err
	}()
	<-arrived
	second, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := r.RequestDeletion(second, o.request()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second: %v", err)
	}
	end()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "listing the requests") {
		t.Errorf("the first: %v", err)
	}
}

func TestAClockThatIsAheadOrMissingMakesNoMoreRequests(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]time.Time{"a year ahead": noon.Add(365 * day), "none": {}} {
		o := newOrg(t, standin.Options{})
		r := o.requestor(t, nil)
		for range 3 {
			if _, err := r.RequestDeletion(t.Context(), deletion.Request{Tool: tool, MachineID: machine, RequestedAt: at}); err != nil {
				t.Fatal(err)
			}
			o.Advance(time.Hour)
		}
		if n := len(o.Requests()); n != 1 {
			t.Errorf("%s: %d requests were made", name, n)
		}
	}
}

func TestWithoutATimeOnlyTheLastDayCounts(t *testing.T) {
	t.Parallel()
	for age, made := range map[time.Duration]int{day: 1, day + time.Millisecond: 2} {
		o := newOrg(t, standin.Options{})
		o.AddRequest(standin.Request{Query: query, From: noon.Add(-2 * retention), To: noon.Add(-age)})
		if _, err := o.requestor(t, nil).RequestDeletion(t.Context(), deletion.Request{Tool: tool, MachineID: machine}); err != nil {
			t.Fatal(err)
		}
		if n := len(o.Requests()); n != made {
			t.Errorf("with one of %v ago there are %d requests, want %d", age, n, made)
		}
	}
}

func TestAFractionOfAMillisecondMakesNoSecondRequest(t *testing.T) {
	t.Parallel()
	at := noon.Add(123456 * time.Nanosecond)
	o := newOrg(t, standin.Options{Now: func() time.Time { return at }})
	r := o.requestor(t, nil)
	for range 2 {
		if _, err := r.RequestDeletion(t.Context(), deletion.Request{Tool: tool, MachineID: machine, RequestedAt: at}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(o.Requests()); n != 1 {
		t.Errorf("%d requests were made", n)
	}
}

// What is there already is taken for the request, or not.
func TestARequestThatCoversTheWindowIsTakenForIt(t *testing.T) {
	t.Parallel()
	asked := noon.Add(-time.Minute)
	good := standin.Request{Query: query, From: noon.Add(-retention), To: asked}
	for name, c := range map[string]struct {
		change func(*standin.Request)
		taken  bool
		detail string
	}{
		"pending":          {func(*standin.Request) {}, true, "ten days"},
		"a wider window":   {func(r *standin.Request) { r.From, r.To = time.UnixMilli(0), noon.Add(time.Hour) }, true, "ten days"},
		"in progress":      {func(r *standin.Request) { r.Status = "in progress" }, true, "is deleting"},
		"In_Progress":      {func(r *standin.Request) { r.Status = "In_Progress" }, true, "is deleting"},
		"an unknown state": {func(r *standin.Request) { r.Status = "pondering" }, true, "not document"},
		"joined otherwise": {func(r *standin.Request) { r.Query = "service:" + tool + " host:" + machine }, true, "ten days"},
		"with an AND":      {func(r *standin.Request) { r.Query = "service:" + tool + " AND host:" + machine }, true, "ten days"},
		"in quotes":        {func(r *standin.Request) { r.Query = `host:"` + machine + `" service:"` + tool + `"` }, true, "ten days"},
		"ends too early":   {func(r *standin.Request) { r.To = asked.Add(-time.Millisecond) }, false, ""},
		"begins too late":  {func(r *standin.Request) { r.From = noon.Add(-retention + time.Millisecond) }, false, ""},
		"cancelled":        {func(r *standin.Request) { r.Status = "canceled" }, false, ""},
		"failed":           {func(r *standin.Request) { r.Status = "failed" }, false, ""},
		"another machine":  {func(r *standin.Request) { r.Query = "host:" + other + " service:" + tool }, false, ""},
		"another service":  {func(r *standin.Request) { r.Query = "host:" + machine + " service:mytool2" }, false, ""},
		"a narrower one":   {func(r *standin.Request) { r.Query += " status:error" }, false, ""},
		"an OR":            {func(r *standin.Request) { r.Query = "host:" + machine + " OR service:" + tool }, false, ""},
		"the service only": {func(r *standin.Request) { r.Query = "service:" + tool }, false, ""},
		"another product":  {func(r *standin.Request) { r.Product = "rum" }, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, standin.Options{})
			there := good
			c.change(&there)
			id := strconv.FormatInt(o.AddRequest(there), 10)
			receipt := o.ask(t, o.requestor(t, nil))
			if taken := receipt.ID == id; taken != c.taken || o.Count(standin.Create) != map[bool]int{true: 0, false: 1}[c.taken] {
				t.Errorf("got %+v after %d requests, want it taken: %t", receipt, o.Count(standin.Create), c.taken)
			}
			if receipt.State != deletion.Acknowledged || !strings.Contains(receipt.Detail, c.detail) {
				t.Errorf("got %+v", receipt)
			}
		})
	}
}

func TestOneThatWaitsIsRatherTakenThanOneThatIsDone(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	there := standin.Request{Query: query, From: noon.Add(-2 * retention), To: noon}
	id := o.AddRequest(there)
	there.Status = standin.Completed
	o.AddRequest(there)
	if receipt := o.ask(t, o.requestor(t, nil)); receipt.ID != fmt.Sprint(id) {
		t.Errorf("got %+v, want the request %d", receipt, id)
	}
}

func TestTheListIsReadToWhereTheRequestCanBe(t *testing.T) {
	t.Parallel()
	newer := func(o org, n int) {
		for range n {
			o.AddRequest(standin.Request{Query: "host:" + other + " service:" + tool, To: noon, CreatedAt: noon})
		}
	}
	t.Run("past the first page, whatever order Datadog joins a search in", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, standin.Options{PageSize: 2, ServiceFirst: true})
		r := o.requestor(t, nil)
		first := o.ask(t, r)
		newer(o, 7)
		before := len(o.Calls())
		if again := o.ask(t, r); again.ID != first.ID || o.Count(standin.Create) != 1 {
			t.Errorf("got %+v after %+v", again, first)
		}
		calls := o.Calls()[before:]
		if len(calls) != 5 { // one by its search, which finds nothing, and four pages
			t.Fatalf("%d calls", len(calls))
		}
		for _, c := range calls[2:] {
			if len(c.Query) != 1 || c.Query.Get("next_page") == "" {
				t.Errorf("a later page was asked for with %v", c.Query)
			}
		}
	})
	t.Run("not to where everything is older than the request", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, standin.Options{PageSize: 2})
		for i := range 10 {
			o.AddRequest(standin.Request{Query: "host:" + other + " service:" + tool, CreatedAt: noon.Add(time.Duration(i-20) * day)})
		}
		newer(o, 3)
		o.ask(t, o.requestor(t, nil))
		if n := o.Count(standin.List); n != 3 { // one by its search, and two pages
			t.Errorf("%d pages were read", n)
		}
	})
	t.Run("on, where the list is in another order", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, standin.Options{PageSize: 2})
		covering := standin.Request{Query: "service:" + tool + " host:" + machine, From: noon.Add(-retention), To: noon, CreatedAt: noon}
		id := o.AddRequest(covering)
		for range 2 {
			o.AddRequest(standin.Request{CreatedAt: noon.Add(-20 * day)})
		}
		// As if the oldest came first.
		r := o.requestor(t, func(c *datadog.Config) { c.Transport = turned{} })
		if receipt := o.ask(t, r); receipt.ID != fmt.Sprint(id) {
			t.Errorf("got %+v, want the request %d", receipt, id)
		}
	})
	t.Run("a few pages alone, where a thousand others are in hand", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, standin.Options{})
		newer(o, 1203)
		o.ask(t, o.requestor(t, nil))
		if n := o.Count(standin.List); n != 5 {
			t.Errorf("%d pages were read", n)
		}
	})
	t.Run("not without an end", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, standin.Options{PageSize: 1, ServiceFirst: true})
		r := o.requestor(t, nil)
		newer(o, 45)
		receipt := o.ask(t, r)
		if n := o.Count(standin.List); n != 5 { // one by its search, and four pages
			t.Errorf("%d pages were read", n)
		}
		newer(o, 45)
		if _, err := r.Status(t.Context(), receipt); err == nil || errors.Is(err, deletion.ErrUnknownReceipt) || driver.Classify(err) != driver.ClassUnknown {
			t.Errorf("of a request that may be there, the status is %v", err)
		}
		if _, err := r.Find(t.Context(), machine); err != nil {
			t.Errorf("a look gives up: %v", err)
		}
	})
}

// turned turns each page of the list around.
type turned struct{}

func (turned) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet {
		return resp, err
	}
	defer resp.Body.Close()
	var page map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return nil, err
	}
	slices.Reverse(page["data"].([]any))
	text, err := json.Marshal(page)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, err
}

func TestWhatIsDoneAndLeftNothingIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r, req := o.requestor(t, nil), o.request()
	o.logs(3, machine, tool)
	first := o.ask(t, r)
	o.finish()
	receipt, err := r.RequestDeletion(t.Context(), req)
	if err != nil || receipt.State != deletion.Verified || receipt.ID != first.ID || receipt.MachineID != machine || !receipt.At.Equal(req.RequestedAt) {
		t.Errorf("got %+v, %v", receipt, err)
	}
	if n := len(o.Requests()); n != 1 {
		t.Errorf("%d requests were made", n)
	}
}

func TestLogsThatCameTooLateAreAskedForAgain(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r, req := o.requestor(t, nil), o.request()
	first := o.ask(t, r)
	// One is dated ahead, as one from a clock that is: the window has ended before it.
	o.Store(standin.Log{Host: machine, Service: tool, Date: noon.Add(time.Hour)})
	o.finish()
	o.logs(1, machine, tool)
	_, err := r.Status(t.Context(), first)
	remains, ok := errors.AsType[*deletion.RemainsError](err)
	if !ok || remains.Events != 2 || !errors.Is(err, deletion.ErrUnknownReceipt) || driver.Classify(err) != driver.ClassUnknown {
		t.Fatalf("the status is %v", err)
	}
	var second deletion.Receipt
	for range 2 { // also if that is asked for twice
		if second, err = r.RequestDeletion(t.Context(), req); err != nil || second.State != deletion.Acknowledged || second.ID == first.ID {
			t.Fatalf("made again, it is %+v, %v", second, err)
		}
	}
	if n := len(o.Requests()); n != 2 {
		t.Errorf("%d requests were made", n)
	}
	o.finish()
	if last, err := r.Status(t.Context(), second); err != nil || last.State != deletion.Verified || len(o.Stored(machine)) != 0 {
		t.Errorf("in the end it is %+v, %v", last, err)
	}
}

// What a request says of its window is Datadog's word. If that were all that is counted, a
// window that begins too late would hold nothing.
func TestAllThatIsKeptIsCountedWhateverTheWindow(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	receipt := o.ask(t, r)
	o.finish()
	o.logs(2, machine, tool)
	for _, from := range []time.Time{noon.Add(9 * day), noon.Add(400 * day)} {
		o.Edit(753, func(r *standin.Request) { r.From = from })
		_, err := r.Status(t.Context(), receipt)
		if remains, ok := errors.AsType[*deletion.RemainsError](err); !ok || remains.Events != 2 {
			t.Errorf("with a window from %v the status is %v", from, err)
		}
	}
}

func TestLogsOutsideTheIndexesCount(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	receipt := o.ask(t, r)
	o.finish()
	for _, tier := range []string{"flex", "online-archives"} {
		o.Store(standin.Log{Host: machine, Service: tool, Tier: tier})
	}
	_, err := r.Status(t.Context(), receipt)
	if remains, ok := errors.AsType[*deletion.RemainsError](err); !ok || remains.Events != 2 {
		t.Errorf("the status is %v", err)
	}
}

// If the window of a request were all that is counted, a log that is older than somebody
// thinks would be left by a deletion that is called verified.
func TestWhatIsOlderThanTheRetentionIsNotTakenForDeleted(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	o.Store(standin.Log{Host: machine, Service: tool, Date: noon.Add(-retention - 5*day)})
	if n, err := r.Count(t.Context(), machine); n != 1 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
	receipt := o.ask(t, r)
	o.finish()
	if got, err := r.Status(t.Context(), receipt); err != nil || got.State != deletion.Refused || !strings.Contains(got.Detail, "set retention longer") {
		t.Errorf("got %+v, %v", got, err)
	}
	right := o.requestor(t, func(c *datadog.Config) { c.Retention = 30 * day })
	receipt = o.ask(t, right)
	o.finish()
	if got, err := right.Status(t.Context(), receipt); err != nil || got.State != deletion.Verified {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWithoutPermissionToReadItIsTold(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{Permissions: []string{"logs_delete_data"}})
	r, req := o.requestor(t, nil), o.request()
	receipt := o.ask(t, r)
	o.finish()
	byStatus, err := r.Status(t.Context(), receipt)
	again, errAgain := r.RequestDeletion(t.Context(), req)
	for _, got := range []deletion.Receipt{byStatus, again} {
		if got.State != deletion.Acknowledged || got.ID != receipt.ID || !strings.Contains(got.Detail, "not counted") || !strings.Contains(got.Detail, "logs_read_data") {
			t.Errorf("got %+v, %v, %v", got, err, errAgain)
		}
	}
	_, err = r.Find(t.Context(), machine)
	if !errors.Is(err, deletion.ErrKey) || driver.Wait(err) != time.Hour || !strings.Contains(err.Error(), "logs_read_data") || strings.Contains(err.Error(), "logs_delete_data") {
		t.Errorf("a look ends with %v", err)
	}
}

func TestAWrongServiceDoesNotPassForADeletion(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	o.logs(3, machine, "fleet")
	r := o.requestor(t, nil)
	if found, err := r.Find(t.Context(), machine); err != nil || fact(found, "logs") != int64(0) || fact(found, "logs_of_other_services") != int64(3) {
		t.Errorf("found %+v, %v", found, err)
	}
	receipt := o.ask(t, r)
	o.finish()
	got, err := r.Status(t.Context(), receipt)
	if err != nil || got.State != deletion.Refused || !strings.Contains(got.Detail, "check which") {
		t.Errorf("got %+v, %v", got, err)
	}
	right := o.requestor(t, func(c *datadog.Config) { c.Service = "fleet" })
	receipt = o.ask(t, right)
	o.finish()
	if got, err := right.Status(t.Context(), receipt); err != nil || got.State != deletion.Verified || o.Requests()[1].Query != "host:"+machine+" service:fleet" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFindTellsWhatARequestWouldDeleteAndChangesNothing(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{ServiceFirst: true})
	r := o.requestor(t, nil)
	o.logs(4, machine, tool)
	o.logs(2, machine, "elsewhere")
	o.logs(8, other, tool)
	o.Store(standin.Log{Host: machine, Service: tool, Date: noon.Add(-retention - 3*day)}) // which no request reaches
	o.ask(t, r)
	o.AddRequest(standin.Request{Query: query, Status: standin.InProgress})
	for _, status := range []string{standin.Completed, standin.Cancelled, "failed"} {
		o.AddRequest(standin.Request{Query: query, Status: status})
	}
	made, stored := len(o.Requests()), len(o.Logs())
	found, err := r.Find(t.Context(), machine)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, receipt := range found.Requests {
		if receipt.State != deletion.Acknowledged || receipt.MachineID != machine {
			t.Errorf("got %+v", receipt)
		}
		ids = append(ids, receipt.ID)
	}
	if fact(found, "service") != tool || fact(found, "logs") != int64(5) || fact(found, "logs_of_other_services") != int64(2) ||
		fact(found, "from") != noon.Add(-retention-2*day) || found.Nothing ||
		!slices.Equal(ids, []string{"754"}) { // by its search, which finds the one that is joined alike
		t.Errorf("found %+v", found)
	}
	if len(o.Requests()) != made || len(o.Logs()) != stored || o.Count(standin.Create) != 1 || o.Count(standin.Cancel) != 0 {
		t.Error("looking changed something")
	}
	// Without that one, it is the one that was asked for here.
	o.Edit(754, func(r *standin.Request) { r.Status = standin.Completed })
	o.AddRequest(standin.Request{Query: "host:" + other + " service:" + tool})
	if found, err := r.Find(t.Context(), machine); err != nil || len(found.Requests) != 1 || found.Requests[0].ID != "753" {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := r.Find(t.Context(), "*"); !errors.Is(err, deletion.ErrInvalidID) {
		t.Errorf("a look for everybody: %v", err)
	}
}

// The words are not documented, except the first and the one for cancelled.
func TestWhatAStatusComesTo(t *testing.T) {
	t.Parallel()
	var zero time.Time
	until := noon.Add(10 * day)
	for status, want := range map[string]struct {
		state  deletion.State
		detail string
		until  time.Time
		err    error
	}{
		"pending":            {deletion.Acknowledged, "ten days", until, nil},
		" Upcoming ":         {deletion.Acknowledged, "ten days", until, nil},
		"In Progress":        {deletion.Acknowledged, "is deleting", zero, nil},
		"in-progress":        {deletion.Acknowledged, "is deleting", zero, nil},
		"running":            {deletion.Acknowledged, "is deleting", zero, nil},
		"completed":          {deletion.Verified, "no logs", zero, nil},
		"Done":               {deletion.Verified, "no logs", zero, nil},
		"canceled":           {deletion.Refused, "cancelled at Datadog", zero, nil},
		"cancelled":          {deletion.Refused, "cancelled at Datadog", zero, nil},
		"failed":             {deletion.Refused, "could not", zero, nil},
		"error":              {deletion.Refused, "could not", zero, nil},
		"failed INVALID":     {deletion.Refused, "could not", zero, nil},
		"failed INTERNAL":    {"", "", zero, datadog.ErrFailing},
		"error timeout":      {"", "", zero, datadog.ErrFailing},
		"":                   {deletion.Acknowledged, "not document", zero, nil},
		"completed-ish":      {deletion.Acknowledged, "not document", zero, nil},
		"partially complete": {deletion.Acknowledged, "not document", zero, nil},
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, standin.Options{})
			r := o.requestor(t, nil)
			receipt := o.ask(t, r)
			word, category, failed := strings.Cut(status, " ")
			if !failed || !strings.HasPrefix(word, "fail") && word != "error" {
				word, category = status, ""
			}
			o.Edit(753, func(r *standin.Request) {
				r.Status, r.ErrorCategory, r.CustomerMessage = word, category, canary
			})
			got, err := r.Status(t.Context(), receipt)
			if !errors.Is(err, want.err) || (err != nil) != (want.err != nil) || driver.Classify(err) > driver.ClassUnknown || got.State != want.state ||
				!strings.Contains(got.Detail, want.detail) || !got.CancelUntil.Equal(want.until) {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			if strings.Contains(fmt.Sprint(got, err), canary) {
				t.Errorf("Datadog's words are repeated: %+v, %v", got, err)
			}
		})
	}
}

func TestUntilWhenItCanBeCancelledIsWhatDatadogSets(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	receipt := o.ask(t, r)
	o.Edit(753, func(r *standin.Request) { r.StartingAt = noon.Add(2 * time.Hour) }) // as in a recording of 2025
	if got, err := r.Status(t.Context(), receipt); err != nil || !got.CancelUntil.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestStatusKnowsOnlyTheRequestOfItsReceipt(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{PageSize: 2})
	r := o.requestor(t, nil)
	o.AddRequest(standin.Request{Query: "host:" + other + " service:" + tool})
	o.AddRequest(standin.Request{Query: "host:" + machine}) // of all services
	receipt := o.ask(t, r)
	for range 5 {
		o.AddRequest(standin.Request{})
	}
	if got, err := r.Status(t.Context(), receipt); err != nil || got.ID != "755" {
		t.Errorf("further down the list: %+v, %v", got, err)
	}
	for _, id := range []string{"753", "754", "1", "999", "", "0", "-1", "0755", "755 ", "7x", "99999999999999999999", "755/cancel"} {
		if _, err := r.Status(t.Context(), deletion.Receipt{State: deletion.Acknowledged, ID: id, MachineID: machine}); !errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("the number %q: %v", id, err)
		}
	}
	if _, err := r.Status(t.Context(), deletion.Receipt{ID: "755"}); !errors.Is(err, deletion.ErrInvalidID) {
		t.Errorf("a receipt of nobody's: %v", err)
	}
	o.Forget(755)
	before := o.Count(standin.List)
	if _, err := r.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("what Datadog forgot: %v", err)
	}
	if n := o.Count(standin.List) - before; n != 4 { // one by its search
		t.Errorf("%d pages were read for what is not on the third any more", n)
	}
}

func TestWithAServiceStatusAsksForItsSearchFirst(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{PageSize: 1})
	r := o.requestor(t, func(c *datadog.Config) { c.Service = tool })
	receipt := o.ask(t, r)
	for range 9 {
		o.AddRequest(standin.Request{})
	}
	before := o.Count(standin.List)
	if _, err := r.Status(t.Context(), receipt); err != nil || o.Count(standin.List) != before+1 {
		t.Errorf("%v after %d calls", err, o.Count(standin.List)-before)
	}
}

func TestCancelTakesARequestBack(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	receipt := o.ask(t, r)
	want := deletion.Receipt{State: deletion.Refused, ID: "753", Detail: "The request was cancelled at Datadog.", MachineID: machine, At: receipt.At}
	for range 2 {
		if got, err := r.Cancel(t.Context(), receipt); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if o.Requests()[0].Status != standin.Cancelled {
		t.Errorf("the request is %+v", o.Requests()[0])
	}
	if got, err := r.Status(t.Context(), receipt); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("its status is %+v, %v", got, err)
	}
	// Who asks once more wants it after all.
	if again := o.ask(t, r); again.ID != "754" || again.State != deletion.Acknowledged {
		t.Errorf("asked for again, it is %+v", again)
	}
}

func TestCancelSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	receipt := o.ask(t, r)
	with := func(id string) deletion.Receipt { return deletion.Receipt{ID: id, MachineID: machine} }
	for _, id := range []string{"999", "-1", "", "753/cancel"} {
		if _, err := r.Cancel(t.Context(), with(id)); !errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("the number %q: %v", id, err)
		}
	}
	if _, err := r.Cancel(t.Context(), deletion.Receipt{ID: "753", MachineID: "*"}); !errors.Is(err, deletion.ErrInvalidID) {
		t.Errorf("a receipt of nobody's: %v", err)
	}
	for _, body := range []string{
		``, `{}`, `null`, `{"data":{"id":"753","attributes":{"status":"pending"}}}`, `{"data":{"id":"754","attributes":{"status":"canceled"}}}`,
		`{"data":{"id":"753","attributes":{"status":"canceled"}},"errors":["no"]}`,
	} {
		o.Break(standin.Cancel, standin.Fault{Status: 200, Body: body})
		if _, err := r.Cancel(t.Context(), receipt); driver.Classify(err) != driver.ClassUnknown {
			t.Errorf("after %s: %v", body, err)
		}
	}
	o.Repair(standin.Cancel)
	o.finish()
	if _, err := r.Cancel(t.Context(), receipt); driver.Classify(err) != driver.ClassPermanent || errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("too late: %v", err)
	}
}

// A request whose answer got lost is found, and not made again.
func TestALostAnswerMakesNoSecondRequest(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]standin.Fault{
		"no body":        {Status: 200},
		"no JSON":        {Status: 200, Body: `ok`},
		"half of it":     {Status: 200, Body: `{"data":{"id":"75`},
		"broken off":     {Status: 200, Header: http.Header{"Content-Length": {"500"}}, Body: `{"data":{"id":"999","attributes":{"query":"` + query + `"}}}`},
		"no number":      {Status: 200, Body: `{"data":{"id":"","attributes":{"status":"pending"}}}`},
		"a word":         {Status: 200, Body: `{"data":{"id":"seven"}}`},
		"nobody's":       {Status: 200, Body: `{"data":{"id":"999","attributes":{"status":"pending","query":""}}}`},
		"somebody's":     {Status: 202, Body: `{"data":{"id":"999","attributes":{"query":"host:` + other + ` service:mytool"}}}`},
		"errors besides": {Status: 201, Body: `{"data":{"id":"999","attributes":{"query":"` + query + `"}},"errors":["x"]}`},
		"far too much":   {Status: 200, Body: `{"data":{"id":"999","attributes":{"query":"` + query + `"}}}` + strings.Repeat(" ", 256<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, standin.Options{})
			f.Done = true
			o.Break(standin.Create, f)
			if receipt := o.ask(t, o.requestor(t, nil)); receipt.ID != "753" || receipt.State != deletion.Acknowledged || o.Count(standin.Create) != 1 {
				t.Errorf("got %+v after %d requests", receipt, o.Count(standin.Create))
			}
		})
	}
	t.Run("no answer at all", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, standin.Options{})
		r := o.requestor(t, nil)
		o.Break(standin.Create, standin.Fault{Done: true, Drop: true})
		if _, err := r.RequestDeletion(t.Context(), o.request()); driver.Classify(err) != driver.ClassUnknown {
			t.Errorf("the first: %v", err)
		}
		o.Repair(standin.Create)
		if receipt := o.ask(t, r); receipt.ID != "753" || o.Count(standin.Create) != 1 {
			t.Errorf("the second: %+v after %d requests", receipt, o.Count(standin.Create))
		}
	})
}

func TestWhatCannotBeFoundAfterALostAnswerIsLookedForTheNextTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		made bool
		list standin.Fault
	}{
		"the list fails":        {true, standin.Fault{Status: 503, Header: http.Header{"Retry-After": {"60"}}}},
		"the list is throttled": {true, standin.Fault{Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"60"}}}},
		"the list is refused":   {true, standin.Fault{Status: 403, Body: `{"errors":["Forbidden"]}`}},
		"the list is behind":    {true, standin.Fault{Status: 200, Body: `{"data":[]}`}},
		"it was not made":       {false, standin.Fault{Status: 200, Body: `{"data":[]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, standin.Options{})
			o.Break(standin.Create, standin.Fault{Status: 200, Body: "?", Done: c.made})
			r := o.requestor(t, func(cfg *datadog.Config) {
				cfg.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := http.DefaultTransport.RoundTrip(r)
					if r.Method == http.MethodPost {
						o.Break(standin.List, c.list)
					}
					return resp, err
				})
			})
			_, err := r.RequestDeletion(t.Context(), o.request())
			if driver.Classify(err) != driver.ClassUnknown || driver.Wait(err) != 0 || o.Count(standin.Create) != 1 {
				t.Errorf("%v after %d requests", err, o.Count(standin.Create))
			}
			o.Repair(standin.List)
			o.Repair(standin.Create)
			if receipt := o.ask(t, r); receipt.ID != "753" || len(o.Requests()) != 1 {
				t.Errorf("the next time: %+v of %d requests", receipt, len(o.Requests()))
			}
		})
	}
}

func TestAListThatCannotBeReadIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"data":null}`, `{"data":{}}`, `{"data":[],"errors":["x"]}`, `{"data":["x"]}`, `{"data":[{"number":753}]}`,
		`{"data":[{"id":"x"}]}`, `{"data":[]`, `{"data":[],"meta":{"next_page":"` + strings.Repeat("x", 5<<10) + `"}}`,
		`{"data":[]}` + strings.Repeat(" ", 256<<10),
	} {
		o := newOrg(t, standin.Options{})
		o.Break(standin.List, standin.Fault{Status: 200, Body: body})
		_, err := o.requestor(t, nil).RequestDeletion(t.Context(), o.request())
		if driver.Classify(err) != driver.ClassUnknown || o.Count(standin.Create) != 0 {
			t.Errorf("%.60s: %v after %d requests", body, err, o.Count(standin.Create))
		}
	}
	for _, status := range []int{203, 206, 226} {
		o := newOrg(t, standin.Options{})
		o.Break(standin.List, standin.Fault{Status: status, Body: `{"data":[]}`})
		_, err := o.requestor(t, nil).RequestDeletion(t.Context(), o.request())
		if driver.Classify(err) != driver.ClassUnknown || o.Count(standin.Create) != 0 {
			t.Errorf("with status %d: %v after %d requests", status, err, o.Count(standin.Create))
		}
	}
}

// endless is a body without an end.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func (*endless) Close() error { return nil }

func TestOfAnAnswerWithoutEndNoMoreIsReadThanDatadogHasToSay(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	body := &endless{}
	r := o.requestor(t, func(c *datadog.Config) {
		c.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body}, nil
		})
	})
	if _, err := r.RequestDeletion(t.Context(), o.request()); err == nil || body.read > 1<<20 {
		t.Errorf("%d bytes were read: %v", body.read, err)
	}
}

func TestNothingIsSentUnderAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, func(c *datadog.Config) {
		c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s was called", r.URL.Path)
			return nil, r.Context().Err()
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	receipt := deletion.Receipt{ID: "753", MachineID: machine}
	_, asked := r.RequestDeletion(ctx, o.request())
	_, followed := r.Status(ctx, receipt)
	_, cancelled := r.Cancel(ctx, receipt)
	_, found := r.Find(ctx, machine)
	for _, err := range []error{asked, followed, cancelled, found} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

func TestOneOddRequestInTheListHidesNoOther(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	o.Break(standin.List, standin.Fault{Status: 200, Body: fmt.Sprintf(`{"data":[17,{"id":"x"},{"id":"8","attributes":[]},`+
		`{"id":"7","attributes":{"product":"rum","query":%[1]q,"status":"pending","from_time":0,"to_time":%[2]d}},`+
		`{"id":9,"attributes":{"query":%[1]q,"status":"pending","from_time":"0","to_time":"%[2]d","created_at":7}}]}`, query, noon.UnixMilli())})
	if receipt := o.ask(t, o.requestor(t, nil)); receipt.ID != "9" || !receipt.CancelUntil.IsZero() || o.Count(standin.Create) != 0 {
		t.Errorf("got %+v", receipt)
	}
}

func TestACountThatIsNotToTheEndVerifiesNothing(t *testing.T) {
	t.Parallel()
	const done = `"meta":{"status":"done"}`
	for _, body := range []string{
		``, `{}`, `{` + done + `}`, `{"data":{"buckets":[]}}`, `{"meta":{"status":"timeout"},"data":{"buckets":[]}}`,
		`{"meta":{"status":"done","warnings":[{"code":"x"}]},"data":{"buckets":[]}}`, `{` + done + `,"data":{"buckets":null}}`,
		`{` + done + `,"data":{"buckets":[{}]}}`, `{` + done + `,"data":{"buckets":[{"computes":{"c0":null}}]}}`,
		`{` + done + `,"data":{"buckets":[{"computes":{"c1":0}}]}}`, `{` + done + `,"data":{"buckets":[{"computes":{"c0":-1}}]}}`,
		`{` + done + `,"data":{"buckets":[{"computes":{"c0":0.5}}]}}`, `{` + done + `,"data":{"buckets":[{"computes":{"c0":1e300}}]}}`, `{` + done + `,"data":{"buckets":[{"computes":{"c0":"0"}}]}}`,
		`{` + done + `,"data":{"buckets":[{"computes":{"c0":0}},{"computes":{"c0":0}}]}}`, `{` + done + `,"data":{"buckets":[]},"errors":["x"]}`,
	} {
		o := newOrg(t, standin.Options{})
		r := o.requestor(t, nil)
		receipt := o.ask(t, r)
		o.finish()
		o.Break(standin.Aggregate, standin.Fault{Status: 200, Body: body})
		if got, err := r.Status(t.Context(), receipt); driver.Classify(err) != driver.ClassUnknown || errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
		o.Break(standin.Aggregate, standin.Fault{Status: 200, Body: `{` + done + `,"data":{"buckets":[{"by":{},"computes":{"c0":0}}]}}`})
		if got, err := r.Status(t.Context(), receipt); err != nil || got.State != deletion.Verified {
			t.Errorf("a zero in so many words: %+v, %v", got, err)
		}
	}
}

// The table is the one of the package comment, written out once more.
func TestWhatAnAnswerMeans(t *testing.T) {
	t.Parallel()
	const (
		long   = `{"errors":[{"status":"4","code":"` + canary + `","title":"` + canary + `","detail":"` + standin.ApplicationKey + `"}]}`
		simple = `{"errors":["` + canary + `"]}`
		plain  = canary + standin.APIKey
		page   = "<html>" + canary
	)
	rows := []struct {
		statuses []int
		body     string
		class    driver.Class
		wait     time.Duration
		asked    bool // a wait that is asked for is respected
		says     string
	}{
		{[]int{400, 412}, long, driver.ClassPermanent, 0, false, "does not take"},
		{[]int{400, 412}, simple, driver.ClassPermanent, 0, false, "does not take"},
		{[]int{400, 412}, plain, driver.ClassUnknown, 0, false, "not as Datadog"},
		{[]int{401, 403}, long, driver.ClassThrottled, time.Hour, false, "permission logs_"},
		{[]int{401, 403}, plain, driver.ClassThrottled, time.Hour, false, "belong to this site"},
		{[]int{404}, plain, driver.ClassThrottled, time.Hour, false, "check the address"},
		{[]int{407}, plain, driver.ClassThrottled, time.Hour, false, "HTTPS_PROXY"},
		{[]int{408}, simple, driver.ClassUnknown, 0, true, "asks to try again"},
		{[]int{429}, simple, driver.ClassThrottled, time.Minute, true, "too many requests"},
		{[]int{500, 502, 503, 504}, simple, driver.ClassUnknown, 0, true, "Datadog failed"},
		{[]int{204, 206}, simple, driver.ClassUnknown, 0, false, "not what Datadog documents"},
		{[]int{402, 405, 409, 413, 422, 451}, simple, driver.ClassThrottled, time.Hour, false, "does not do this here"},
		{[]int{301, 302, 303, 307, 308}, simple, driver.ClassUnknown, 0, false, "redirects are not followed"},
		{[]int{200, 400, 401, 403, 404, 412}, page, driver.ClassUnknown, 0, false, "web page"},
	}
	o := newOrg(t, standin.Options{})
	r := o.requestor(t, nil)
	receipt := o.ask(t, r)
	o.Edit(753, func(r *standin.Request) { r.Status = standin.Completed })
	someone := deletion.Request{Tool: tool, MachineID: other, RequestedAt: noon}
	calls := map[standin.Endpoint]func() error{
		standin.List:      func() error { _, err := r.RequestDeletion(t.Context(), someone); return err },
		standin.Create:    func() error { _, err := r.RequestDeletion(t.Context(), someone); return err },
		standin.Cancel:    func() error { _, err := r.Cancel(t.Context(), receipt); return err },
		standin.Aggregate: func() error { _, err := r.Find(t.Context(), machine); return err },
	}
	for endpoint, call := range calls {
		for _, row := range rows {
			for _, status := range row.statuses {
				for _, header := range []http.Header{{}, {"Retry-After": {"90"}}, {"X-Ratelimit-Reset": {"90"}},
					{"Retry-After": {"30"}, "X-Ratelimit-Reset": {"90"}}, {"Retry-After": {"90"}, "X-Ratelimit-Reset": {"30"}},
					{"Retry-After": {canary}, "X-Ratelimit-Reset": {canary}}} {
					header.Set("Location", "https://elsewhere.example/"+canary)
					body := row.body
					if status == 204 {
						body = ""
					}
					o.Break(endpoint, standin.Fault{Status: status, Header: header, Body: body})
					before := o.Count(endpoint)
					err := call()
					class, wait := row.class, row.wait
					if row.asked && (header.Get("Retry-After") == "90" || header.Get("X-Ratelimit-Reset") == "90") {
						class, wait = driver.ClassThrottled, 90*time.Second
					}
					if driver.Classify(err) != class || driver.Wait(err) != wait || o.Count(endpoint) != before+1 {
						t.Errorf("%s %d %v %.20s: got %v (%v, %v) after %d calls, want %v, %v", endpoint, status, header, body,
							err, driver.Classify(err), driver.Wait(err), o.Count(endpoint)-before, class, wait)
						continue
					}
					answer, ok := errors.AsType[*deletion.AnswerError](err)
					if !ok || answer.Status != status || !strings.Contains(err.Error(), row.says) || errors.Is(err, deletion.ErrUnknownReceipt) {
						t.Errorf("%s %d: got %v, want %q", endpoint, status, err, row.says)
					}
					if refused := status == 401 || status == 403; errors.Is(err, deletion.ErrKey) != (refused && row.body != page) {
						t.Errorf("%s %d: got %v", endpoint, status, err)
					}
					for _, secret := range []string{canary, standin.APIKey, standin.ApplicationKey, machine, other} {
						if strings.Contains(err.Error(), secret) {
							t.Errorf("%s %d: the error holds %s: %v", endpoint, status, secret, err)
						}
					}
				}
			}
		}
		o.Repair(endpoint)
	}
	if n := len(o.Requests()); n != 1 {
		t.Errorf("%d requests were made", n)
	}
}

func TestARefusalNamesWhatToSwitchOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		org standin.Options
		key string
	}{
		"a wrong API key":                {standin.Options{APIKey: "other"}, "the key is refused"},
		"a wrong application key":        {standin.Options{ApplicationKey: "other"}, "the key is refused"},
		"no permission":                  {standin.Options{Permissions: []string{"logs_read_data"}}, "logs_delete_data"},
		"an organisation without switch": {standin.Options{SwitchedOff: true}, "Logs Data Deletion"},
	} {
		o := newOrg(t, c.org)
		_, err := o.requestor(t, nil).RequestDeletion(t.Context(), o.request())
		if !errors.Is(err, deletion.ErrKey) || driver.Wait(err) != time.Hour || !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutAnAnswerNothingIsKnown(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []standin.Endpoint{standin.List, standin.Create} {
		o := newOrg(t, standin.Options{})
		r := o.requestor(t, nil)
		o.Break(endpoint, standin.Fault{Drop: true})
		if _, err := r.RequestDeletion(t.Context(), o.request()); driver.Classify(err) != driver.ClassUnknown || !strings.Contains(err.Error(), "no usable answer") ||
			strings.Contains(err.Error(), machine) {
			t.Errorf("%s: %v", endpoint, err)
		}
		o.Break(endpoint, standin.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := r.RequestDeletion(ctx, o.request()); !errors.Is(err, context.DeadlineExceeded) || driver.Classify(err) != driver.ClassUnknown {
			t.Errorf("%s: %v", endpoint, err)
		}
		cancel()
	}
}

func TestACallEndsAlsoWhereNobodySaysWhen(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	calls := 0
	r := o.requestor(t, func(c *datadog.Config) {
		c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			calls++
			if at, ok := r.Context().Deadline(); !ok || time.Until(at) > 20*time.Second {
				t.Errorf("%s may last until %v", r.URL.Path, at)
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	})
	o.ask(t, r)
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
}

func TestWhatIsNoServiceIsAskedForNowhere(t *testing.T) {
	t.Parallel()
	o := newOrg(t, standin.Options{})
	o.logs(1, other, "another")
	for _, name := range []string{"*", "my*", "a b", "a OR *", "a:b", `a"b`, "-a", ".a", "/a", "a\n", "a)", "(a", "ä", "mytoo\u212a", strings.Repeat("a", 101)} {
		_, err := datadog.New(datadog.Config{APIKey: standin.APIKey, ApplicationKey: standin.ApplicationKey, Retention: retention, Tool: name})
		if wrong, ok := errors.AsType[*driver.ConfigError](err); !ok || wrong.Field != "Settings[service]" || strings.Contains(err.Error(), "*") {
			t.Errorf("%q: %v", name, err)
		}
	}
	r := o.requestor(t, nil)
	if _, err := r.RequestDeletion(t.Context(), deletion.Request{Tool: tool, MachineID: "x OR *"}); !errors.Is(err, deletion.ErrInvalidID) {
		t.Errorf("everybody: %v", err)
	}
	if n := len(o.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	for _, name := range []string{"a", "0", "_", "a.b-c_d/e", "MyTool", strings.Repeat("a", 100)} {
		r := o.requestor(t, func(c *datadog.Config) { c.Tool = name })
		if _, err := r.RequestDeletion(t.Context(), deletion.Request{Tool: name, MachineID: machine, RequestedAt: noon}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The backend itself sends, under every name that a tool may have (which core decides), and
// what it sent is found and asked for.
func TestWhateverTheBackendSendsCanBeDeleted(t *testing.T) {
	t.Parallel()
	var names []string
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	for _, c := range letters {
		names = append(names, "a"+string(c), "My"+string(c)+"Tool", strings.Repeat("x"+string(c), 32))
		if c != '-' && c != '.' {
			names = append(names, string(c), string(c)+"Z9")
		}
	}
	for _, service := range []string{"", "fleet", "a/b.c-d_e", "x" + strings.Repeat("/", 99)} {
		tools := names
		if service != "" {
			tools = []string{"MyTool"}
		}
		for _, name := range tools {
			sent := serviceOf(t, service, name)
			o := newOrg(t, standin.Options{})
			o.Store(standin.Log{Host: machine, Service: sent, Date: noon.Add(-time.Hour)})
			r := o.requestor(t, func(c *datadog.Config) { c.Service, c.Tool = service, name })
			found, err := r.Find(t.Context(), machine)
			if err != nil || fact(found, "logs") != int64(1) || fact(found, "logs_of_other_services") != int64(0) {
				t.Errorf("%q is sent as %q: found %+v, %v", name, sent, found, err)
			}
			_, err = r.RequestDeletion(t.Context(), deletion.Request{Tool: name, MachineID: machine, RequestedAt: noon})
			if err != nil || len(o.Requests()) != 1 || o.Requests()[0].Query != "host:"+machine+" service:"+sent {
				t.Errorf("%q is sent as %q: asked for %+v, %v", name, sent, o.Requests(), err)
			}
		}
	}
}

// serviceOf returns the service of a log as the backend sends it.
func serviceOf(t *testing.T, service, tool string) string {
	t.Helper()
	var logs []struct{ Service, Hostname string }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&logs); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	b, err := backend.NewBackend("", backend.WithEndpoint(server.URL), backend.WithService(service))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Send(t.Context(), []driver.Event{{ID: "1", Type: "a", Time: noon, Tool: tool, MachineID: machine}}); err != nil {
		t.Fatal(err)
	}
	if len(logs) != 1 || logs[0].Hostname != machine {
		t.Fatalf("sent %+v", logs)
	}
	return logs[0].Service
}

func TestEachSiteHasItsHost(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]string{
		"": "api.datadoghq.com", "us1": "api.datadoghq.com", "us3": "api.us3.datadoghq.com", "us5": "api.us5.datadoghq.com",
		"eu1": "api.datadoghq.eu", "uk1": "api.uk1.datadoghq.com", "ap1": "api.ap1.datadoghq.com", "ap2": "api.ap2.datadoghq.com",
		"gov": "api.ddog-gov.com", "us1-fed": "api.ddog-gov.com", "us2-fed": "api.us2.ddog-gov.com",
		"datadoghq.com": "api.datadoghq.com", "us3.datadoghq.com": "api.us3.datadoghq.com", "us5.datadoghq.com": "api.us5.datadoghq.com",
		"datadoghq.eu": "api.datadoghq.eu", "uk1.datadoghq.com": "api.uk1.datadoghq.com", "ap1.datadoghq.com": "api.ap1.datadoghq.com",
		"ap2.datadoghq.com": "api.ap2.datadoghq.com", "ddog-gov.com": "api.ddog-gov.com", "us2.ddog-gov.com": "api.us2.ddog-gov.com",
	} {
		var asked string
		r, err := datadog.New(datadog.Config{Site: site, APIKey: standin.APIKey, ApplicationKey: standin.ApplicationKey, Retention: retention,
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.Scheme + "://" + r.URL.Host
				return nil, errors.New("not connected")
			})})
		if err != nil {
			t.Errorf("%q: %v", site, err)
			continue
		}
		_, err = r.RequestDeletion(t.Context(), deletion.Request{Tool: tool, MachineID: machine, RequestedAt: noon})
		if asked != "https://"+want || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q asks %s, want %s: %v", site, asked, want, err)
		}
	}
	// Every region of the backend is one here.
	d := backend.Driver()
	for _, s := range d.Settings {
		for _, site := range s.Values {
			if _, err := datadog.New(datadog.Config{Site: site, APIKey: standin.APIKey, ApplicationKey: standin.ApplicationKey, Retention: retention}); s.Name == "site" && err != nil {
				t.Errorf("the backend's %q: %v", site, err)
			}
		}
	}
}

func TestAMistakeIsAnErrorThatNamesTheField(t *testing.T) {
	t.Parallel()
	for field, changes := range map[string][]func(*datadog.Config){
		"site": {func(c *datadog.Config) { c.Site = "eu" }, func(c *datadog.Config) { c.Site = "evil.example" }, func(c *datadog.Config) { c.Site = "EU1" }},
		"api_key": {func(c *datadog.Config) { c.APIKey = "" }, func(c *datadog.Config) { c.APIKey += "\n" + canary },
			func(c *datadog.Config) { c.APIKey = "pub" + canary }, func(c *datadog.Config) { c.APIKey = c.ApplicationKey },
			func(c *datadog.Config) { c.APIKey = "ddapp_" + canary }, func(c *datadog.Config) { c.APIKey = "ddpat_" + canary },
			func(c *datadog.Config) { c.APIKey = "ä" + canary }},
		"application_key": {func(c *datadog.Config) { c.ApplicationKey = "" }, func(c *datadog.Config) { c.ApplicationKey = c.APIKey },
			func(c *datadog.Config) { c.ApplicationKey = " " + canary }, func(c *datadog.Config) { c.ApplicationKey = "pub" + canary }},
		"service": {func(c *datadog.Config) { c.Service = "*" }, func(c *datadog.Config) { c.Service = "a OR *" }, func(c *datadog.Config) { c.Service = "A" }},
		"retention": {func(c *datadog.Config) { c.Retention = 0 }, func(c *datadog.Config) { c.Retention = 15 },
			func(c *datadog.Config) { c.Retention = -day }, func(c *datadog.Config) { c.Retention = 11 * 366 * day }},
		"tiers": {func(c *datadog.Config) { c.Tiers = []string{"indexes", "archives"} }},
		"endpoint": {func(c *datadog.Config) { c.Endpoint = "http://proxy.example" }, func(c *datadog.Config) { c.Endpoint = "proxy.example" },
			func(c *datadog.Config) { c.Endpoint = "https://u:" + canary + "@proxy.example" },
			func(c *datadog.Config) { c.Endpoint = "https://proxy.example/?key=" + canary }, func(c *datadog.Config) { c.Endpoint = "https://proxy.example/?" }},
	} {
		for i, change := range changes {
			cfg := datadog.Config{APIKey: standin.APIKey, ApplicationKey: standin.ApplicationKey, Retention: retention}
			change(&cfg)
			_, err := datadog.New(cfg)
			mistake, ok := errors.AsType[*driver.ConfigError](err)
			if !ok || mistake.Field != "Settings["+field+"]" {
				t.Errorf("%s %d: %v", field, i, err)
				continue
			}
			for _, secret := range []string{canary, standin.APIKey, standin.ApplicationKey} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s %d: the error holds %s: %v", field, i, secret, err)
				}
			}
		}
	}
}

func TestThatARetentionIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	if _, err := datadog.New(datadog.Config{APIKey: standin.APIKey, ApplicationKey: standin.ApplicationKey}); err == nil || !strings.Contains(err.Error(), "required") {
		t.Errorf("got %v", err)
	}
}

func TestAnEndpointKeepsItsPath(t *testing.T) {
	t.Parallel()
	var asked []string
	r, err := datadog.New(datadog.Config{APIKey: standin.APIKey, ApplicationKey: standin.ApplicationKey, Retention: retention, Site: "eu1",
		Endpoint: "https://proxy.example/dd/", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.Host+r.URL.Path)
			return nil, errors.New("not connected")
		})})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.RequestDeletion(t.Context(), deletion.Request{Tool: tool, MachineID: machine, RequestedAt: noon})
	if err == nil || !slices.Equal(asked, []string{"proxy.example/dd/api/v2/deletion/requests"}) {
		t.Errorf("asked %q: %v", asked, err)
	}
}

func TestTheEnvironmentIsNotRead(t *testing.T) {
	for _, name := range []string{"DD_SITE", "DD_API_KEY", "DD_APP_KEY", "DD_SERVICE"} {
		t.Setenv(name, canary)
	}
	o := newOrg(t, standin.Options{})
	o.ask(t, o.requestor(t, nil))
	calls := o.Calls()
	if len(calls) == 0 || strings.Contains(fmt.Sprint(calls), canary) {
		t.Errorf("the calls are %+v", calls)
	}
	if _, err := datadog.New(datadog.Config{Retention: retention}); err == nil {
		t.Error("the keys are optional")
	}
}
