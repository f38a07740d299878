package posthogstore

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	v1Path       = "/i/v1/analytics/events"
	maxEventName = 200
)

// Verdict is what capture v1 says of an event.
type Verdict struct {
	Result  string `json:"result"`
	Details string `json:"details,omitempty"`
}

// TooFast is the warning with which an event is kept that came too fast after the others of
// its distinct_id.
var TooFast = Verdict{"warning", "person_processing_disabled"}

type v1Event struct {
	UUID       string          `json:"uuid"`
	Event      string          `json:"event"`
	DistinctID string          `json:"distinct_id"`
	Timestamp  string          `json:"timestamp"`
	SessionID  *string         `json:"session_id"`
	Options    json.RawMessage `json:"options"`
	Properties json.RawMessage `json:"properties"`
}

// codeBody is how v1 says what is wrong with a request.
func codeBody(code string) string {
	return `{"error":"` + code + `","error_description":"","error_uri":"https://posthog.com/docs/api"}`
}

// readV1 is called with s.mu held. It returns the status, the body and, where there are
// verdicts, the rows to store.
func (s *Store) readV1(r *http.Request, body []byte, decodeErr error) (status int, answer string, rows []Row) {
	refuse := func(status int, code string) (int, string, []Row) { return status, codeBody(code), nil }
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case r.Header.Get("Authorization") == "":
		return refuse(http.StatusUnauthorized, "missing_authorization")
	case !strings.EqualFold(scheme, "Bearer"):
		return refuse(http.StatusBadRequest, "invalid_header_value")
	case malformed(key):
		return refuse(http.StatusUnauthorized, "invalid_api_token")
	}
	for _, name := range []string{"PostHog-Sdk-Info", "PostHog-Attempt", "PostHog-Request-Id", "PostHog-Request-Timestamp", "Content-Type", "User-Agent"} {
		if r.Header.Get(name) == "" {
			return refuse(http.StatusBadRequest, "missing_required_headers")
		}
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	sentAt, err := time.Parse(time.RFC3339Nano, r.Header.Get("PostHog-Request-Timestamp"))
	switch {
	case strings.TrimSpace(kind) != "application/json":
		return refuse(http.StatusUnsupportedMediaType, "unsupported_content_type")
	case err != nil, !isUUID(r.Header.Get("PostHog-Request-Id")):
		return refuse(http.StatusBadRequest, "invalid_header_value")
	case decodeErr != nil:
		return refuse(http.StatusBadRequest, "request_decoding_error")
	case len(body) > maxBody:
		return refuse(http.StatusRequestEntityTooLarge, "payload_too_large")
	}
	var b struct {
		CreatedAt *string           `json:"created_at"`
		Batch     []json.RawMessage `json:"batch"`
	}
	if decode(body, &b) != nil || b.CreatedAt == nil {
		return refuse(http.StatusBadRequest, "request_parsing_error")
	}
	if len(b.Batch) == 0 {
		return refuse(http.StatusBadRequest, "empty_batch")
	}
	if _, err := time.Parse(time.RFC3339, *b.CreatedAt); err != nil {
		return refuse(http.StatusBadRequest, "invalid_batch")
	}
	events := make([]v1Event, len(b.Batch))
	seen := map[string]bool{}
	for i, raw := range b.Batch {
		if decode(raw, &events[i]) != nil {
			return refuse(http.StatusBadRequest, "request_parsing_error")
		}
		id := strings.TrimSpace(events[i].UUID)
		switch {
		case id == "":
			return refuse(http.StatusBadRequest, "missing_event_uuid")
		case !isUUID(id):
			return refuse(http.StatusBadRequest, "invalid_event_uuid")
		case seen[id]:
			return refuse(http.StatusBadRequest, "duplicate_event_uuid")
		}
		seen[id] = true
	}
	if s.OverQuota {
		return refuse(http.StatusPaymentRequired, "billing_limit_exceeded")
	}
	results := map[string]Verdict{}
	for i, e := range events {
		row, verdict := s.judge(r, e, sentAt)
		if len(b.Batch[i]) > maxEvent {
			verdict = Verdict{"drop", "event_too_big"}
		}
		results[e.UUID] = verdict
		if verdict.Result == "ok" || verdict.Result == "warning" {
			rows = append(rows, row)
		}
	}
	text, _ := json.Marshal(map[string]any{"results": results}) // strings can be encoded
	return http.StatusOK, string(text), rows
}

// judge is what becomes of one event.
func (s *Store) judge(r *http.Request, e v1Event, sentAt time.Time) (Row, Verdict) {
	now := s.now()
	id := strings.TrimSpace(e.DistinctID)
	drop := func(why string) (Row, Verdict) { return Row{}, Verdict{"drop", why} }
	_, timeErr := time.Parse(time.RFC3339Nano, e.Timestamp)
	properties := map[string]any{}
	var options struct {
		NoSkew  bool  `json:"disable_skew_correction"`
		Profile *bool `json:"process_person_profile"`
	}
	switch {
	case e.Event == "":
		return drop("missing_event_name")
	case len(e.Event) > maxEventName:
		return drop("event_name_too_long")
	case id == "":
		return drop("missing_distinct_id")
	case len(id) > maxDistinctID:
		return drop("distinct_id_too_large")
	case timeErr != nil:
		return drop("invalid_event_timestamp")
	case len(e.Properties) > 0 && (e.Properties[0] != '{' || decode(e.Properties, &properties) != nil):
		return drop("malformed_event_properties")
	case len(e.Options) > 0 && !bytes.Equal(e.Options, []byte("null")) && json.Unmarshal(e.Options, &options) != nil:
		return drop("invalid_options")
	}
	// What v1 has a place of its own for is a property of what is stored.
	if e.SessionID != nil {
		properties["$session_id"] = *e.SessionID
	}
	if options.Profile != nil {
		properties["$process_person_profile"] = *options.Profile
	}
	if info := r.Header.Get("PostHog-Sdk-Info"); strings.Contains(info, "/") {
		at := strings.LastIndex(info, "/")
		properties["$lib"], properties["$lib_version"] = info[:at], info[at+1:]
	}
	row := s.row(r, Row{UUID: e.UUID, Event: e.Event, DistinctID: id, Properties: properties, InsertedAt: now})
	row.Time = corrected(e.Timestamp, sentAt, !options.NoSkew, now)
	verdict := Verdict{Result: "ok"}
	if s.Judge != nil {
		verdict = cmp.Or(s.Judge(e.Event), verdict)
	}
	if verdict.Result == "ok" && s.tooFast(id, now) {
		verdict = TooFast
	}
	if verdict == TooFast {
		row.Person = ""
	}
	return row, verdict
}

// row completes what both intakes store.
func (s *Store) row(r *http.Request, row Row) Row {
	// An address that is empty, null or false is none, so the connection's is taken.
	switch ip := row.Properties["$ip"]; ip {
	case nil, "", false, json.Number("0"):
		row.Properties["$ip"], _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	if row.Properties["$geoip_disable"] != true {
		row.Properties["$geoip_country_code"] = "XX"
	}
	if row.Properties["$process_person_profile"] != false {
		row.Person = "person of " + row.DistinctID
	}
	return row
}

// tooFast counts an event of a distinct_id, and reports whether there were too many within
// the last minute.
func (s *Store) tooFast(id string, now time.Time) bool {
	if s.PerMinute == 0 {
		return false
	}
	if s.arrived == nil {
		s.arrived = map[string][]time.Time{}
	}
	recent := s.arrived[id]
	for len(recent) > 0 && now.Sub(recent[0]) >= time.Minute {
		recent = recent[1:]
	}
	s.arrived[id] = append(recent, now)
	return len(recent) >= s.PerMinute
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC()
	}
	return time.Now().UTC()
}

// VerdictsOf changes what the intake says of the events of a batch, and leaves what it does.
func VerdictsOf(change func(results map[string]Verdict)) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, take func() (int, string)) {
		status, body := take()
		var b struct {
			Results map[string]Verdict `json:"results"`
		}
		if status == http.StatusOK && json.Unmarshal([]byte(body), &b) == nil {
			change(b.Results)
			text, _ := json.Marshal(b)
			body = string(text)
		}
		reply(w, status, "application/json", body)
	}
}

// String is for the messages of tests.
func (v Verdict) String() string { return fmt.Sprint(v.Result, " ", v.Details) }
