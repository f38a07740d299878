package posthogstore_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/internal/interop/posthogstore"
)

// These tests are of the store itself: what it would not do would prove nothing of a
// backend.

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func atNoon() *posthogstore.Store {
	return &posthogstore.Store{Now: func() time.Time { return noon }}
}

// post returns the status and the text of an answer.
func post(t *testing.T, s *posthogstore.Store, header http.Header, body string) (int, string) {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/batch/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// item is one event of a batch, with more fields if need be.
func item(more string) string {
	return `{"uuid":"01890a5d-ac96-774b-bcce-b302099a8057","event":"e","distinct_id":"d","timestamp":"2026-11-22T11:00:00Z","properties":{}` + more + `}`
}

func TestTheIntakeRefusesAWholeBatchForOneFault(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, `{"api_key":"phc_a","batch":[`+item("")+`]}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	packedHeader := http.Header{"Content-Encoding": {"gzip"}}
	for name, tt := range map[string]struct {
		status int
		header http.Header
		body   string
	}{
		"good":                 {200, nil, `{"api_key":"phc_a","batch":[` + item("") + `]}`},
		"good, compressed":     {200, packedHeader, packed.String()},
		"good, the same key":   {200, nil, `{"api_key":"phc_a","batch":[` + item(`,"token":"phc_a"`) + `]}`},
		"broken gzip":          {400, packedHeader, packed.String()[:packed.Len()/2]},
		"no gzip":              {400, packedHeader, `{"api_key":"phc_a","batch":[` + item("") + `]}`},
		"broken JSON":          {400, nil, `{"api_key":"phc_a","batch":[` + item("")},
		"empty batch":          {400, nil, `{"api_key":"phc_a","batch":[]}`},
		"no distinct_id":       {400, nil, `{"api_key":"phc_a","batch":[` + item("") + `,{"event":"e"}]}`},
		"empty distinct_id":    {400, nil, `{"api_key":"phc_a","batch":[` + item("") + `,` + item(`,"distinct_id":""`) + `]}`},
		"blank distinct_id":    {400, nil, `{"api_key":"phc_a","batch":[` + item("") + `,` + item(`,"distinct_id":" \t"`) + `]}`},
		"no event":             {400, nil, `{"api_key":"phc_a","batch":[` + item("") + `,{"distinct_id":"d"}]}`},
		"empty event":          {400, nil, `{"api_key":"phc_a","batch":[` + item("") + `,` + item(`,"event":""`) + `]}`},
		"no UUID":              {400, nil, `{"api_key":"phc_a","batch":[` + item("") + `,` + item(`,"uuid":"x"`) + `]}`},
		"no key":               {401, nil, `{"batch":[` + item("") + `]}`},
		"empty key":            {401, nil, `{"api_key":" ","batch":[` + item("") + `]}`},
		"personal key":         {401, nil, `{"api_key":"phx_a","batch":[` + item("") + `]}`},
		"long key":             {401, nil, `{"api_key":"phc_` + strings.Repeat("a", 61) + `","batch":[` + item("") + `]}`},
		"key beyond ASCII":     {401, nil, `{"api_key":"phc_é","batch":[` + item("") + `]}`},
		"two keys":             {401, nil, `{"api_key":"phc_a","batch":[` + item(`,"token":"phc_b"`) + `]}`},
		"a key among the rest": {401, nil, `{"api_key":"phc_a","batch":[` + strings.Replace(item(""), `"properties":{}`, `"properties":{"token":"phc_b"}`, 1) + `]}`},
	} {
		s := atNoon()
		status, text := post(t, s, tt.header, tt.body)
		stored := 0
		if tt.status == 200 {
			stored = 1
		}
		if status != tt.status || len(s.Inserted()) != stored {
			t.Errorf("%s: answered %d %q and stored %d, want %d and %d", name, status, text, len(s.Inserted()), tt.status, stored)
		}
	}
}

func TestTheIntakeAnswersInBothOfPostHogsWays(t *testing.T) {
	t.Parallel()
	s := atNoon()
	seen := map[string]int{}
	for range 4 {
		_, text := post(t, s, nil, `{"api_key":"phc_a","batch":[`+item("")+`]}`)
		seen[text]++
	}
	if want := map[string]int{`{"status":"Ok"}`: 2, `{"status":1}`: 2}; !reflect.DeepEqual(seen, want) {
		t.Errorf("answered %v", seen)
	}
}

func TestWhatTheStoreMakesOfAnEvent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 201)
	for name, tt := range map[string]struct {
		sentAt string
		more   string
		want   func(posthogstore.Row) any
		is     any
	}{
		"no $ip":              {"", ``, func(r posthogstore.Row) any { return r.Properties["$ip"] }, "127.0.0.1"},
		"an empty $ip":        {"", `,"properties":{"$ip":""}`, func(r posthogstore.Row) any { return r.Properties["$ip"] }, "127.0.0.1"},
		"$ip null":            {"", `,"properties":{"$ip":null}`, func(r posthogstore.Row) any { return r.Properties["$ip"] }, "127.0.0.1"},
		"$ip false":           {"", `,"properties":{"$ip":false}`, func(r posthogstore.Row) any { return r.Properties["$ip"] }, "127.0.0.1"},
		"another $ip":         {"", `,"properties":{"$ip":"0.0.0.0"}`, func(r posthogstore.Row) any { return r.Properties["$ip"] }, "0.0.0.0"},
		"a place":             {"", ``, func(r posthogstore.Row) any { return r.Properties["$geoip_country_code"] }, "XX"},
		"no place":            {"", `,"properties":{"$geoip_disable":true}`, func(r posthogstore.Row) any { return r.Properties["$geoip_country_code"] }, nil},
		"a person":            {"", ``, func(r posthogstore.Row) any { return r.Person }, "person of d"},
		"nobody":              {"", `,"properties":{"$process_person_profile":false}`, func(r posthogstore.Row) any { return r.Person }, ""},
		"a long distinct_id":  {"", `,"distinct_id":"` + long + `"`, func(r posthogstore.Row) any { return len([]rune(r.DistinctID)) }, 200},
		"a distinct_id below": {"", `,"distinct_id":null,"properties":{"distinct_id":7}`, func(r posthogstore.Row) any { return r.DistinctID }, "7"},
		"no sent_at":          {"", ``, func(r posthogstore.Row) any { return r.Time }, noon.Add(-time.Hour)},
		"a clock 3 h ahead":   {"2026-11-22T15:00:00Z", ``, func(r posthogstore.Row) any { return r.Time }, noon.Add(-4 * time.Hour)},
		"a clock 3 h behind":  {"2026-11-22T09:00:00Z", ``, func(r posthogstore.Row) any { return r.Time }, noon.Add(2 * time.Hour)},
		"an ignored sent_at": {"2026-11-22T09:00:00Z", `,"properties":{"$ignore_sent_at":true}`,
			func(r posthogstore.Row) any { return r.Time }, noon.Add(-time.Hour)},
		"no time":             {"", `,"timestamp":"never"`, func(r posthogstore.Row) any { return r.Time }, noon},
		"22 h ahead":          {"", `,"timestamp":"2026-11-23T10:00:00Z"`, func(r posthogstore.Row) any { return r.Time }, noon.Add(22 * time.Hour)},
		"24 h ahead":          {"", `,"timestamp":"2026-11-23T12:00:00Z"`, func(r posthogstore.Row) any { return r.Time }, noon},
		"before the calendar": {"2026-11-23T12:00:00Z", `,"timestamp":"0000-01-01T00:00:00Z"`, func(r posthogstore.Row) any { return r.Time }, time.Unix(0, 0).UTC()},
	} {
		s := atNoon()
		status, text := post(t, s, nil, fmt.Sprintf(`{"api_key":"phc_a","sent_at":%q,"batch":[%s]}`, tt.sentAt, item(tt.more)))
		rows := s.Rows()
		if status != 200 || len(rows) != 1 {
			t.Errorf("%s: answered %d %q, %d rows", name, status, text, len(rows))
			continue
		}
		if got := tt.want(rows[0]); got != tt.is {
			t.Errorf("%s: %v, want %v", name, got, tt.is)
		}
	}
}

func TestALargeEventIsDroppedInSilence(t *testing.T) {
	t.Parallel()
	s := atNoon()
	large := item(`,"properties":{"x":"` + strings.Repeat("x", 1_000_000) + `"}`)
	status, _ := post(t, s, nil, `{"api_key":"phc_a","batch":[`+large+`,`+item("")+`]}`)
	if status != 200 || len(s.Rows()) != 1 {
		t.Errorf("answered %d, %d rows, want 1", status, len(s.Rows()))
	}
}

func TestCopiesAreOneRowWithTheSameUUIDNamePersonAndDay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		more              string
		rows, rowsOfTimes int
	}{
		"the same":         {``, 1, 1},
		"other properties": {`,"properties":{"x":1}`, 1, 1},
		"another time":     {`,"timestamp":"2026-11-22T11:00:00.000001Z"`, 1, 2},
		"another day":      {`,"timestamp":"2026-11-21T11:00:00Z"`, 2, 2},
		"another event":    {`,"event":"f"`, 2, 2},
		"another person":   {`,"distinct_id":"f"`, 2, 2},
		"another UUID":     {`,"uuid":"01890a5d-ac96-774b-bcce-b302099a8058"`, 2, 2},
	} {
		s := atNoon()
		status, _ := post(t, s, nil, `{"api_key":"phc_a","batch":[`+item("")+`,`+item(tt.more)+`]}`)
		if status != 200 || len(s.Inserted()) != 2 || len(s.Rows()) != tt.rows || len(s.RowsOfTheNativeJSONTable()) != tt.rowsOfTimes {
			t.Errorf("%s: answered %d, %d rows of %d, %d in the other table; want %d and %d",
				name, status, len(s.Rows()), len(s.Inserted()), len(s.RowsOfTheNativeJSONTable()), tt.rows, tt.rowsOfTimes)
		}
	}
}

func TestADeletionTakesAPersonsEventsUpToItsTime(t *testing.T) {
	t.Parallel()
	s := atNoon()
	status, _ := post(t, s, nil, `{"api_key":"phc_a","batch":[`+item("")+`,`+item(`,"distinct_id":"other"`)+`,`+
		item(`,"timestamp":"2026-11-22T12:00:01Z"`)+`,`+item(`,"properties":{"$process_person_profile":false}`)+`]}`)
	if status != 200 {
		t.Fatalf("answered %d", status)
	}
	if deleted := s.Delete("d", noon.Add(-time.Second)); deleted != 0 {
		t.Errorf("%d events were deleted that came later", deleted)
	}
	if deleted := s.Delete("d", noon); deleted != 1 || len(s.Inserted()) != 3 {
		t.Errorf("%d deleted, %d left", deleted, len(s.Inserted()))
	}
}
