package datadog

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// client talks to a stand-in whose clock stands still.
type client struct {
	*Server
	url string
}

func open(t *testing.T, o Options) client {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s := New(o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return client{s, server.URL}
}

// do makes a call with the keys, and headers in pairs.
func (c client) do(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("DD-API-KEY", APIKey)
	r.Header.Set("DD-APPLICATION-KEY", ApplicationKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func asking(query string, from, to time.Time) string {
	return fmt.Sprintf(`{"data":{"type":"create_deletion_req","attributes":{"displayed_total":0,"from":%d,"to":%d,"query":%s}}}`, from.UnixMilli(), to.UnixMilli(), query)
}

// ask asks for a deletion of the last day.
func (c client) ask(t *testing.T, query string) {
	t.Helper()
	if status, text := c.do(t, "POST", "/api/v2/deletion/data/logs", asking(query, noon.Add(-24*time.Hour), noon)); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
}

func TestARequestLooksLikeARecordedOne(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	status, text := c.do(t, "POST", "/api/v2/deletion/data/logs",
		`{"data":{"attributes":{"from":1672527600000,"query":{"service":"xyz","host":"abc"},"to":1704063600000}}}`)
	item := func(status string) string {
		return `{"attributes":{"created_at":"2026-02-03T12:00:00Z","created_by":"operator@example.com","from_time":1672527600000,` +
			`"is_created":false,"org_id":321813,"product":"logs","query":"host:abc service:xyz","starting_at":"0001-01-01T00:00:00Z",` +
			`"status":"` + status + `","to_time":1704063600000,"total_unrestricted":0,"updated_at":"2026-02-03T12:00:00Z"},"id":"753","type":"deletion_request"}`
	}
	if want := `{"data":` + item("pending") + `,"meta":{"product":"logs"}}`; status != 200 || text != want {
		t.Errorf("made: %d\n%s\nwant\n%s", status, text, want)
	}
	status, text = c.do(t, "GET", "/api/v2/deletion/requests", "")
	if want := `{"data":[` + item("pending") + `],"meta":{"count_product":{"logs":1},"count_status":{"pending":1}}}`; status != 200 || text != want {
		t.Errorf("listed: %d\n%s\nwant\n%s", status, text, want)
	}
	for range 2 {
		status, text = c.do(t, "PUT", "/api/v2/deletion/requests/753/cancel", "")
		if want := `{"data":` + item("canceled") + `,"meta":{"product":"logs","request_status":"canceled"}}`; status != 200 || text != want {
			t.Errorf("cancelled: %d\n%s\nwant\n%s", status, text, want)
		}
	}
}

func TestWhatIsWrongIsRefusedAsRecorded(t *testing.T) {
	t.Parallel()
	const (
		create  = "/api/v2/deletion/data/logs"
		invalid = `{"errors":[{"code":"INVALID_BODY","detail":"INVALID_BODY","status":"412","title":"INVALID_BODY"}]}`
		unknown = `{"errors":[{"code":"INVALID_ID","detail":"INVALID_ID","status":"412","title":"INVALID_ID"}]}`
		noInt   = `{"errors":[{"detail":"invalid parameter \"id\" in \"path\"; expected type \"int\"","status":"400","title":"Invalid Parameter"}]}`
	)
	c := open(t, Options{})
	for _, tt := range []struct {
		method, path, body string
		status             int
		text               string // "" for any
	}{
		{"POST", create, asking(`{}`, noon, noon.Add(1e9)), 412, invalid},
		{"POST", create, asking(`{"host":"a"}`, noon, noon), 412, invalid},
		{"POST", create, `{"data":{"attributes":{"from":1,"query":{"host":"a"}}}}`, 412, invalid},
		{"POST", create, `[]`, 400, ""},
		{"POST", create, asking(`"host:a"`, noon, noon.Add(1e9)), 400, ""},
		{"POST", "/api/v2/deletion/data/rum", asking(`{"host":"a"}`, noon, noon.Add(1e9)), 400, ""},
		{"PUT", "/api/v2/deletion/requests/-1/cancel", "", 412, unknown},
		{"PUT", "/api/v2/deletion/requests/753/cancel", "", 412, unknown},
		{"PUT", "/api/v2/deletion/requests/x/cancel", "", 400, noInt},
		{"GET", "/api/v2/deletion/requests?page_size=x", "", 400, ""},
		{"GET", "/api/v2/deletion/requests?page_size=0", "", 400, ""},
		{"GET", "/api/v2/deletion/requests?next_page=%21", "", 400, ""},
		{"POST", "/api/v2/logs/analytics/aggregate", `{}`, 400, ""},
		{"POST", "/api/v2/logs/analytics/aggregate", `{"compute":[{"aggregation":"count"}],"filter":{"from":"now","to":"now-15m"}}`, 400, ""},
		{"POST", "/api/v2/logs/analytics/aggregate", `{"compute":[{"aggregation":"count"}],"filter":{"from":"1","to":"now","storage_tier":"shelf"}}`, 400, ""},
		{"POST", "/api/v2/logs", `[7]`, 400, ""},
		{"GET", "/api/v2/logs", "", 404, `{"errors":["Not found"]}`},
		{"DELETE", "/api/v2/deletion/requests/753", "", 404, `{"errors":["Not found"]}`},
	} {
		status, text := c.do(t, tt.method, tt.path, tt.body)
		if status != tt.status || tt.text != "" && text != tt.text || !json.Valid([]byte(text)) {
			t.Errorf("%s %s %s: got %d %s, want %d %s", tt.method, tt.path, tt.body, status, text, tt.status, tt.text)
		}
	}
	if n := len(c.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestEachCallWantsItsKeysAndPermission(t *testing.T) {
	t.Parallel()
	calls := map[Endpoint]struct{ method, path, body string }{
		Intake:    {"POST", "/api/v2/logs", `[{"message":"m"}]`},
		Create:    {"POST", "/api/v2/deletion/data/logs", asking(`{"host":"a"}`, noon, noon.Add(1e9))},
		List:      {"GET", "/api/v2/deletion/requests", ""},
		Cancel:    {"PUT", "/api/v2/deletion/requests/753/cancel", ""},
		Aggregate: {"POST", "/api/v2/logs/analytics/aggregate", `{"compute":[{"aggregation":"count"}],"filter":{"from":"1","to":"now"}}`},
	}
	all := []Endpoint{Intake, Create, List, Cancel, Aggregate}
	for name, tt := range map[string]struct {
		options Options
		headers []string
		refused []Endpoint
		status  int
	}{
		"nothing wrong":         {Options{}, nil, nil, 0},
		"no API key":            {Options{}, []string{"DD-API-KEY", ""}, all, 401},
		"a wrong one":           {Options{APIKey: "x"}, nil, all, 401},
		"no application key":    {Options{}, []string{"DD-APPLICATION-KEY", ""}, []Endpoint{Create, List, Cancel, Aggregate}, 403},
		"may not delete":        {Options{Permissions: []string{"logs_read_data"}}, nil, []Endpoint{Create, List, Cancel}, 403},
		"may not read":          {Options{Permissions: []string{"logs_delete_data"}}, nil, []Endpoint{Aggregate}, 403},
		"deletion switched off": {Options{SwitchedOff: true}, nil, []Endpoint{Create, List, Cancel}, 403},
	} {
		c := open(t, tt.options)
		for _, e := range all {
			c.AddRequest(Request{}) // or there would be none to cancel
			want := tt.status
			switch {
			case !slices.Contains(tt.refused, e) && e == Intake:
				want = 202
			case !slices.Contains(tt.refused, e):
				want = 200
			case e == Intake:
				want = 403
			}
			if status, text := c.do(t, calls[e].method, calls[e].path, calls[e].body, tt.headers...); status != want {
				t.Errorf("%s: %s is answered %d %s, want %d", name, e, status, text, want)
			}
		}
	}
	c := open(t, Options{})
	c.Change(func(o *Options) { o.SwitchedOff = true })
	if status, _ := c.do(t, "GET", "/api/v2/deletion/requests", ""); status != 403 {
		t.Errorf("switched off later: %d", status)
	}
}

func TestTheIntakeTakesLogsAndDropsOldOnesInSilence(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	body := fmt.Sprintf(`[{"message":"1","hostname":"a","service":"s","timestamp":%d},{"message":"2","hostname":"a"},`+
		`{"message":"old","timestamp":%d},{"message":"ahead","timestamp":%d},{"message":"3","host":"b","timestamp":%d}]`,
		noon.Add(-time.Hour).UnixMilli(), noon.Add(-18*time.Hour-1e6).UnixMilli(), noon.Add(2*time.Hour+1e6).UnixMilli(), noon.Add(2*time.Hour).UnixMilli())
	if status, text := c.do(t, "POST", "/api/v2/logs", body); status != 202 || text != "{}" {
		t.Fatalf("%d %s", status, text)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(`{"message":"4","hostname":"a"}`))
	_ = w.Close()
	if status, text := c.do(t, "POST", "/api/v2/logs", packed.String(), "Content-Encoding", "gzip"); status != 202 {
		t.Fatalf("%d %s", status, text)
	}
	if status, _ := c.do(t, "POST", "/api/v2/logs", "not gzip", "Content-Encoding", "gzip"); status != 400 {
		t.Errorf("what is not gzip: %d", status)
	}
	var got []string
	for _, l := range c.Logs() {
		got = append(got, l.Message+l.Host+l.Service+l.Date.Format("15:04"))
	}
	if want := []string{"1as11:00", "2a12:00", "3b14:00", "4a12:00"}; !slices.Equal(got, want) || c.Dropped() != 2 || len(c.Stored("a")) != 3 {
		t.Errorf("stored are %q, want %q; %d were dropped", got, want, c.Dropped())
	}
	many := "[" + strings.TrimSuffix(strings.Repeat(`{"message":"x"},`, 1001), ",") + "]"
	for _, body := range []string{many, `[{"message":"` + strings.Repeat("x", 5_000_000) + `"}]`} {
		if status, _ := c.do(t, "POST", "/api/v2/logs", body); status != 413 || len(c.Logs()) != 4 {
			t.Errorf("%d bytes: %d, and %d logs", len(body), status, len(c.Logs()))
		}
	}
}

func TestARequestWaitsRunsAndDeletesWhatMatches(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	at := noon.Add(-time.Hour)
	c.Store(Log{Host: "a", Service: "s", Date: at, Message: "1"}, Log{Host: "a", Service: "s", Date: at, Tier: "flex", Message: "2"},
		Log{Host: "a", Service: "t", Date: at, Message: "3"}, Log{Host: "b", Service: "s", Date: at, Message: "4"},
		Log{Host: "a", Service: "s", Date: noon.Add(1), Message: "5"}, Log{Host: "a", Service: "s", Date: noon.Add(-25 * time.Hour), Message: "6"})
	c.ask(t, `{"host":"a","service":"s"}`)
	c.ask(t, `{"host":"a","service":"s"}`) // asking twice makes two
	if status, _ := c.do(t, "PUT", "/api/v2/deletion/requests/754/cancel", ""); status != 200 {
		t.Fatalf("cancelling: %d", status)
	}
	expect := func(when, status string, went, want int) {
		t.Helper()
		if r := c.Requests(); went != want || r[0].Status != status || r[1].Status != Cancelled || r[0].Total != 2 || !r[0].StartingAt.Equal(noon.Add(CancelWindow)) {
			t.Errorf("%s %d logs went, want %d: %+v", when, went, want, r)
		}
	}
	expect("at once", Pending, c.Run(), 0)
	c.Advance(CancelWindow - 1)
	expect("just before its time", Pending, c.Run(), 0)
	c.Advance(1)
	c.Store(Log{Host: "a", Service: "s", Date: at, Message: "7"}) // before it is done
	expect("after ten days", InProgress, c.Run(), 0)
	if status, text := c.do(t, "PUT", "/api/v2/deletion/requests/753/cancel", ""); status != 412 || !strings.Contains(text, "INVALID_STATUS") {
		t.Errorf("cancelling too late: %d %s", status, text)
	}
	expect("then", Completed, c.Run(), 3)
	expect("once more", Completed, c.Run(), 0)
	var left []string
	for _, l := range c.Logs() {
		left = append(left, l.Message)
	}
	if !slices.Equal(left, []string{"3", "4", "5", "6"}) {
		t.Errorf("left are %q", left)
	}
}

// What makes a careless requestor dangerous.
func TestAStrayWordInAQueryMeansMore(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]string{
		`{"host":"a","service":"s"}`:      {"b", "c"},
		`{"host":"a"}`:                    {"b", "c"},
		`{"host":"a OR *"}`:               nil,
		`{"host":"x","service":"s OR *"}`: nil,
		`{"host":"*"}`:                    nil,
		`{"host":"a OR host:b"}`:          {"c"},
		`{"host":"a AND service:s"}`:      {"b", "c"},
		`{"host":"\"a\""}`:                {"b", "c"},
		`{"host":"a*","service":"t"}`:     {"a", "b", "c"},
		`{"service":"s message"}`:         nil,
		`{"service":"s words"}`:           {"a", "b", "c"},
		`{"team":"x"}`:                    {"a", "b", "c"},
	} {
		c := open(t, Options{})
		for _, host := range []string{"a", "b", "c"} {
			c.Store(Log{Host: host, Service: "s", Message: "message"})
		}
		c.ask(t, query)
		c.Advance(CancelWindow)
		c.Run()
		c.Run()
		var left []string
		for _, l := range c.Logs() {
			left = append(left, l.Host)
		}
		if !slices.Equal(left, want) {
			t.Errorf("%s leaves %q, want %q", query, left, want)
		}
	}
}

func TestTheListHasPagesAndForgetsItsFilters(t *testing.T) {
	t.Parallel()
	c := open(t, Options{PageSize: 2})
	for i := range 9 {
		c.AddRequest(Request{Query: []string{"x", "y", "x"}[i%3], Status: []string{Pending, Completed}[i%2]})
	}
	c.AddRequest(Request{Product: "rum", Query: "x"})
	read := func(query string) (ids []string, pages int) {
		for {
			status, text := c.do(t, "GET", "/api/v2/deletion/requests?"+query, "")
			var page struct {
				Data []struct{ ID string }
				Meta struct {
					Next   string         `json:"next_page"`
					Status map[string]int `json:"count_status"`
				}
			}
			if err := json.Unmarshal([]byte(text), &page); status != 200 || err != nil || page.Meta.Status[Completed] != 4 {
				t.Fatalf("%d %s: %v", status, text, err)
			}
			for _, d := range page.Data {
				ids = append(ids, d.ID)
			}
			pages++
			if page.Meta.Next == "" {
				return ids, pages
			}
			query = "status=nothing&query=nothing&page_size=99&next_page=" + page.Meta.Next
		}
	}
	for query, want := range map[string]struct {
		ids   string
		pages int
	}{
		"":                               {"762 761 760 759 758 757 756 755 754 753", 5},
		"product=logs":                   {"761 760 759 758 757 756 755 754 753", 5},
		"product=logs&query=x":           {"761 759 758 756 755 753", 3},
		"query=y&status=pending":         {"757", 1},
		"status=completed&page_size=100": {"760 758 756 754", 1},
		"query=z":                        {"", 1},
	} {
		if ids, pages := read(query); strings.Join(ids, " ") != want.ids || pages != want.pages {
			t.Errorf("%q lists %q on %d pages, want %+v", query, ids, pages, want)
		}
	}
}

func TestACountIsOfOneSearchOneWindowAndOneTier(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	c.Store(Log{Host: "a", Service: "s"}, Log{Host: "a", Service: "t"}, Log{Host: "a", Service: "s", Tier: "flex"}, Log{Host: "b", Service: "s"},
		Log{Host: "a", Service: "s", Date: noon.Add(-time.Hour)})
	for filter, want := range map[string]string{
		`"query":"host:a service:s","from":"1","to":"now"`:                        `[{"by":{},"computes":{"c0":2}}]`,
		`"query":"host:a","from":"1","to":"now","storage_tier":"indexes"`:         `[{"by":{},"computes":{"c0":3}}]`,
		`"query":"host:a","from":"1","to":"now","storage_tier":"flex"`:            `[{"by":{},"computes":{"c0":1}}]`,
		`"query":"host:a","from":"1","to":"now","storage_tier":"online-archives"`: `[]`,
		`"from":"1","to":"now"`: `[{"by":{},"computes":{"c0":4}}]`,
		fmt.Sprintf(`"query":"host:a service:s","from":"1","to":"%d"`, noon.UnixMilli()-1): `[{"by":{},"computes":{"c0":1}}]`,
		`"query":"host:c","from":"1","to":"now"`:                                           `[]`,
	} {
		status, text := c.do(t, "POST", "/api/v2/logs/analytics/aggregate", `{"compute":[{"aggregation":"count","type":"total"}],"filter":{`+filter+`}}`)
		if status != 200 || !strings.HasPrefix(text, `{"data":{"buckets":`+want+`},"meta":{"elapsed":3,`) || !strings.HasSuffix(text, `"status":"done"}}`) {
			t.Errorf("%s: %d %s, want %s", filter, status, text, want)
		}
	}
}

func TestAFaultStrikesItsCallAsOftenAsItShould(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	c.Break(Create, Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}, "X-Ratelimit-Reset": {"9"}}, Body: `{"errors":["Too many requests"]}`, Calls: 2})
	for i, want := range []int{429, 429, 200} {
		if status, _ := c.do(t, "POST", "/api/v2/deletion/data/logs", asking(`{"host":"a"}`, noon, noon.Add(1e9))); status != want || len(c.Requests()) != i/2 {
			t.Errorf("call %d: %d, and %d requests", i, status, len(c.Requests()))
		}
		if status, _ := c.do(t, "GET", "/api/v2/deletion/requests", ""); status != 200 {
			t.Errorf("another call: %d", status)
		}
	}
	c.Break(Create, Fault{Status: 503, Done: true})
	for range 3 {
		if status, _ := c.do(t, "POST", "/api/v2/deletion/data/logs", asking(`{"host":"a"}`, noon, noon.Add(1e9))); status != 503 {
			t.Errorf("until it is repaired: %d", status)
		}
	}
	c.Repair(Create)
	if n := len(c.Requests()); n != 4 {
		t.Errorf("%d requests were made, want those too whose answer went wrong", n)
	}
	if n := c.Count(Create); n != 6 || c.Count(List) != 3 {
		t.Errorf("%d and %d calls", n, c.Count(List))
	}
	if call := c.Calls()[0]; call.Status != 429 || call.Method != "POST" || call.Path != "/api/v2/deletion/data/logs" || !call.At.Equal(noon) ||
		call.Header.Get("DD-API-KEY") != APIKey || !bytes.HasPrefix(call.Body, []byte(`{"data"`)) {
		t.Errorf("the call was %+v", call)
	}
}

func TestAnAnswerCanBeCutOrStayAway(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	get := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, "GET", c.url+"/api/v2/deletion/requests", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		return err
	}
	c.Break(List, Fault{Drop: true})
	if err := get(t.Context()); err == nil {
		t.Error("a cut connection gave an answer")
	}
	c.Break(List, Fault{Status: 200, Header: http.Header{"Content-Length": {"99"}}, Body: `{"data"`})
	if err := get(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half an answer: %v", err)
	}
	c.Break(List, Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer that stays away: %v", err)
	}
}

func TestRequestsCanBeSetUpAndChanged(t *testing.T) {
	t.Parallel()
	c := open(t, Options{ServiceFirst: true})
	id := c.AddRequest(Request{Query: "host:a", ErrorCategory: "x", CustomerMessage: "y", From: noon, To: noon})
	if !c.Edit(id, func(r *Request) { r.Status = "failed" }) || c.Edit(id+1, func(*Request) {}) {
		t.Error("what can be changed is not what is there")
	}
	want := []Request{{ID: id, Product: "logs", Query: "host:a", From: noon, To: noon, Status: "failed", ErrorCategory: "x", CustomerMessage: "y", CreatedAt: noon, UpdatedAt: noon}}
	if got := c.Requests(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if _, text := c.do(t, "GET", "/api/v2/deletion/requests", ""); !strings.Contains(text, `"customer_message":"y"`) || !strings.Contains(text, `"error_category":"x"`) {
		t.Errorf("listed: %s", text)
	}
	c.Forget(id)
	c.ask(t, `{"host":"a","service":"s"}`)
	if got := c.Requests(); len(got) != 1 || got[0].ID != id+1 || got[0].Query != "service:s host:a" {
		t.Errorf("the next is %+v", got)
	}
}

func TestManyMayUseItAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t, Options{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c.do(t, "POST", "/api/v2/logs", `[{"message":"m","hostname":"a"}]`)
			c.do(t, "POST", "/api/v2/deletion/data/logs", asking(`{"host":"a"}`, noon.Add(-1e9), noon))
			c.Break(List, Fault{Status: 503, Calls: 1})
			c.do(t, "GET", "/api/v2/deletion/requests", "")
			c.do(t, "POST", "/api/v2/logs/analytics/aggregate", `{"compute":[{"aggregation":"count"}],"filter":{"from":"1","to":"now"}}`)
			c.Advance(time.Duration(i))
			c.Run()
			c.Edit(753, func(r *Request) { r.Total++ })
		})
	}
	all.Wait()
	if len(c.Requests()) != 8 || len(c.Logs()) != 8 || len(c.Calls()) != 32 || c.Now().Sub(noon) != 28 {
		t.Errorf("%d requests, %d logs, %d calls at %v", len(c.Requests()), len(c.Logs()), len(c.Calls()), c.Now())
	}
}
