//go:build !notelemetry

package datadog

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/deletion/internal/vendorhttp"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

const host = "0dd5a1ad0dd5a1ad0dd5a1ad0dd5a1ad"

// recorded is a request as Datadog's client recorded it, without what is personal in it.
const recorded = `{"id":"753","type":"deletion_request","attributes":{"created_at":"2026-08-21T11:47:59.580494865Z","created_by":"operator@example.com",` +
	`"from_time":1672527600000,"indexes":["index-1"],"is_created":false,"org_id":321813,"product":"logs","query":"host:` + host + ` service:xyz",` +
	`"starting_at":"0001-01-01T00:00:00Z","status":"pending","to_time":1704063600000,"total_unrestricted":0,"updated_at":"2026-08-21T11:47:59.580494865Z"}}`

func TestARecordedRequestIsRead(t *testing.T) {
	t.Parallel()
	e, ok := readOne(vendorhttp.Answer{Whole: true, Body: []byte(`{"data":` + recorded + `,"meta":{"product":"logs"}}`)})
	want := entry{
		id: 753, subject: subject{host, "xyz"}, status: "pending",
		from: time.UnixMilli(1672527600000).UTC(), to: time.UnixMilli(1704063600000).UTC(),
		created: time.Date(2026, 8, 21, 11, 47, 59, 580494865, time.UTC),
	}
	if !ok || e != want {
		t.Errorf("got %+v, %t\nwant %+v", e, ok, want)
	}
}

func TestASearchIsReadAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]subject{
		"host:" + host + " service:a":           {host, "a"},
		" service:a\t host:" + host + "\n":      {host, "a"},
		`service:"a" AND host:"` + host + `"`:   {host, "a"},
		"":                                      {},
		"*":                                     {},
		"host:" + host:                          {},
		"service:a":                             {},
		"host:" + host + " OR service:a":        {},
		"host:" + host + " service:a*":          {},
		"host:" + host + " service:a service:b": {},
		"host:" + host + " host:" + host + " service:a": {},
		"host:" + host + " -service:a":                  {},
		"NOT host:" + host + " service:a":               {},
		"(host:" + host + " service:a)":                 {},
		"host:" + host + " service:a error":             {},
		"host: " + host + " service:a":                  {},
		"HOST:" + host + " service:a":                   {},
		`host:"` + host + ` service:a`:                  {},
		"host:" + host[:31] + " service:a":              {},
		"host:" + strings.ToUpper(host) + " service:a":  {},
	} {
		if got := readQuery(query); got != want {
			t.Errorf("%q: got %+v, want %+v", query, got, want)
		}
	}
}

// FuzzReadQuery: what is read is what a search for it would be read as, so nothing that
// means more than one machine passes.
func FuzzReadQuery(f *testing.F) {
	for _, q := range []string{"host:" + host + " service:xyz", `service:"a" AND host:"` + host + `"`, "host:x OR *", `"`, ":", "host:" + host + " service:a\u2028*"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		// It is cut into words, and what has the form of one is looked at once more.
		fuzzing.Allocs(t, len(query), 8<<10, 64, func() { readQuery(query) })
		s := readQuery(query)
		if s == (subject{}) {
			return
		}
		if (deletion.Request{MachineID: s.host}).Validate() != nil || !servicePattern.MatchString(s.service) || readQuery(s.query()) != s {
			t.Errorf("%q is read as %+v", query, s)
		}
		rest := strings.ReplaceAll(query, s.service, "")
		if strings.ContainsAny(rest, "*?()-|~\\") || strings.Contains(rest, "OR") || strings.Contains(rest, "NOT") {
			t.Errorf("%q is more than %+v", query, s)
		}
	})
}

// FuzzReadEntry: whatever is said, a request has a number that can be asked for again, and
// times that can be stored.
func FuzzReadEntry(f *testing.F) {
	for _, s := range []string{recorded, `{}`, `null`, `{"id":1e2}`, `{"id":-1}`, `{"id":"9223372036854775807","attributes":{"from_time":9223372036854775807}}`,
		`{"id":"9999999999999999999"}`, `{"id":1,"attributes":{"created_at":"9999-12-31T23:59:59Z","starting_at":[],"to_time":{},"status":null}}`,
		`{"id":"1","attributes":null}`, `{"id":"1","attributes":{"from_time":-5}}`, `{"id":"1","attributes":{"product":"rum"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		// A few fields are read, each of which may be a text or a number.
		fuzzing.Allocs(t, len(raw), 16<<10, 64, func() { readEntry(raw) })
		e, ok := readEntry(raw)
		if !ok {
			if e != (entry{}) {
				t.Errorf("half an entry: %+v", e)
			}
			return
		}
		if again, ok := readID(strconv.FormatInt(e.id, 10)); !ok || again != e.id || e.id < 1 {
			t.Errorf("the number %d", e.id)
		}
		if e.stage() < unknown || e.stage() > failed {
			t.Errorf("the stage %d", e.stage())
		}
		if e.from.UnixMilli() < 0 && !e.from.IsZero() || e.to.UnixMilli() < 0 && !e.to.IsZero() {
			t.Errorf("the window %v to %v", e.from, e.to)
		}
		if _, err := json.Marshal(deletion.Receipt{CancelUntil: e.cancelUntil()}); err != nil {
			t.Errorf("a receipt that cannot be stored: %v", err)
		}
	})
}

// FuzzReadAnswers: an answer is read as one thing at most, and never one that lists errors
// or was cut.
func FuzzReadAnswers(f *testing.F) {
	for _, s := range []string{
		`{"data":` + recorded + `,"meta":{"product":"logs"}}`, `{"data":[` + recorded + `],"meta":{"next_page":"x","count_status":{"pending":1}}}`,
		`{"meta":{"status":"done","elapsed":3},"data":{"buckets":[{"by":{},"computes":{"c0":5}}]}}`, `{"meta":{"status":"done"},"data":{"buckets":[]}}`,
		`{"errors":["Forbidden"]}`, `{"errors":[{"status":"412","code":"INVALID_ID","title":"INVALID_ID","detail":"INVALID_ID"}]}`,
		`{"data":[],"meta":{"next_page":7}}`, `[]`, `"`, `{"meta":{"status":"done"},"data":{"buckets":[{"computes":{"c0":9007199254740993}}]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a := vendorhttp.Answer{Status: http.StatusOK, Body: body, Whole: true}
		// An entry of two bytes is one to be read, and a structure of 160, in slices that double.
		fuzzing.Allocs(t, len(body), 16<<10, 1<<10, func() { readPage(a); readOne(a); readCount(a); readErrors(body) })
		_, one := readOne(a)
		p, list := readPage(a)
		n, count := readCount(a)
		refusal := len(readErrors(body)) > 0
		if one && list || one && count || list && count || refusal && (one || list || count) {
			t.Errorf("one %t, list %t, count %t, refusal %t", one, list, count, refusal)
		}
		if n < 0 || n > math.MaxInt64/2 || !count && n != 0 {
			t.Errorf("the count %d, %t", n, count)
		}
		if len(p.next) > maxNext || !list && len(p.entries) > 0 {
			t.Errorf("the page %+v, %t", p, list)
		}
		a.Whole = false
		_, one = readOne(a)
		_, list = readPage(a)
		_, count = readCount(a)
		if one || list || count {
			t.Errorf("cut, it is one %t, list %t, count %t", one, list, count)
		}
	})
}
