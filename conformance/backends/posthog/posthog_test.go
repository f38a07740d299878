package posthog_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

// base is what both intakes have in common.
func base(name, intake string) conformance.Subject {
	return conformance.Subject{
		Name:   name,
		Driver: posthog.Driver(),
		Settings: func(endpoint string) map[string]string {
			return map[string]string{"project_key": "phc_0123456789secret", "endpoint": endpoint, "intake": intake}
		},
		Headers: map[string]string{"X-Proxy-Key": "0123456789proxy"},
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: driver.ClassAccepted, 204: driver.ClassUnknown,
			400: driver.ClassTooLarge, // one bad event refuses the whole batch
			401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 413: driver.ClassTooLarge, 429: driver.ClassUnknown,
			500: driver.ClassUnknown, 502: driver.ClassUnknown, 503: driver.ClassUnknown, 504: driver.ClassUnknown,
		},
		BodyDecides: true,
		Decode: func(r conformance.Request) ([]conformance.Received, error) {
			if strings.HasSuffix(r.URL, "/batch/") { // also of the other subject, which tries every setting
				return decodeBatch(r)
			}
			return decodeV1(r)
		},
		NoIP: noIP,
		Constants: []string{"gotoolbase-telemetry", "batch", "uuid", "event", "distinct_id", "timestamp", "properties",
			"event_name", "tool_name", "tool_version", "$os", "os_version", "arch", "go_version", "ci", "ci_provider", "interactive", "agent", "container",
			"run_id", "duration_ms", "exit_code", "flags", "args", "error", "error_class", "consent_id",
			"count", "failures", "durations", "sample_rate", "truncated", "redacted", "time_adjusted",
			"$lib", "github.com/gotoolbase/telemetry", "$lib_version", "1.0.0", "$ip", "0.0.0.0", "$geoip_disable", "$set", "os"},
		// The SDK's own bound of a request, which is far below the intakes'.
		Limits: driver.Limits{Bytes: 500_000},
		// The group's key is whatever the author calls it.
		FreeForm: []string{"group_key"},
	}
}

// Statuses, acknowledgement and quota are those of PostHog's API documentation
// (https://posthog.com/docs/api/capture) and of its intake's source, rust/capture.
func TestConformanceOfBatch(t *testing.T) {
	s := base("posthog batch", "batch")
	s.Refusal = conformance.Answer{Type: "text/plain; charset=utf-8", Body: "event submitted without a distinct_id"}
	s.NotRefused = []conformance.Answer{{Status: 400}}
	s.Accepted = conformance.Answer{Status: 200, Body: `{"status":"Ok"}`}
	s.NotAccepted = []conformance.Answer{
		{Body: `{"status":"Ok","quota_limited":["events"]}`},
		{Body: `{"status":1,"quota_limited":["events"]}`},
		{Body: `{"status":0}`},
		{Body: `{"result":"Ok"}`},
	}
	s.Answers = []conformance.Meaning{
		{Name: "the older acknowledgement", Answer: conformance.Answer{Body: `{"status":1}`}, Class: driver.ClassAccepted},
		{Name: "no quota is used up", Answer: conformance.Answer{Body: `{"status":"Ok","quota_limited":[]}`}, Class: driver.ClassAccepted},
		{Name: "the quota is used up", Answer: conformance.Answer{Body: `{"status":"Ok","quota_limited":["events","recordings"]}`}, Class: driver.ClassThrottled},
		{Name: "the plan has to be paid", Answer: conformance.Answer{Status: 402, Body: `{"type":"billing","code":"payment_required"}`}, Class: driver.ClassThrottled},
		{Name: "the token is missing", Answer: conformance.Answer{Status: 401, Body: `{"type":"authentication_error","code":"invalid_api_key"}`}, Class: driver.ClassThrottled},
	}
	s.Constants = append(s.Constants, "/batch/", "api_key", "sent_at", "$session_id", "$process_person_profile")
	s.Varies = map[string]string{"sent_at": "the time of sending, with which PostHog corrects a wrong clock"}
	conformance.Run(t, s)
}

// verdicts is an answer of capture v1: the n-th event has the n-th verdict, and those behind
// the last one, its own.
func verdicts(list ...string) func([]conformance.Received) string {
	return func(batch []conformance.Received) string {
		var members []string
		for i, r := range batch {
			if verdict := list[min(i, len(list)-1)]; verdict != "" {
				members = append(members, `"`+r.ID+`":`+verdict)
			}
		}
		return `{"results":{` + strings.Join(members, ",") + `}}`
	}
}

const (
	ok       = `{"result":"ok"}`
	noPerson = `{"result":"warning","details":"person_processing_disabled"}`
	dropped  = `{"result":"drop","details":"event_too_big"}`
	again    = `{"result":"retry","details":"not_persisted"}`
)

// Verdicts, statuses and codes are those of PostHog's source, rust/capture/src/v1: error.rs
// and analytics/response.rs, and of posthog-go's docs/migration-v2.md.
func TestConformanceOfV1(t *testing.T) {
	s := base("posthog v1", "v1")
	code := func(word string) string {
		return `{"error":"` + word + `","error_description":"as its description has it","error_uri":"https://posthog.com/docs/api"}`
	}
	s.Refusal = conformance.Answer{Body: code("request_parsing_error")}
	s.NotRefused = []conformance.Answer{
		{Status: 400},
		{Status: 400, Type: "text/plain", Body: "event submitted without a distinct_id"},
		{Status: 400, Body: code("missing_required_headers")},
		{Status: 400, Body: code("request_decoding_error")},
		{Status: 400, Body: `{"message":"bad request"}`},
	}
	s.Accepted = conformance.Answer{Status: 200, Of: verdicts(ok)}
	s.NotAccepted = []conformance.Answer{
		{Body: `{"status":"Ok"}`},
		{Body: `{"results":{}}`},
		{Body: `{"results":null}`},
		{Body: `{"results":[{"result":"ok"}]}`},
		{Body: `{"results":{"01920000-dead-7bad-8bad-0123456789ab":{"result":"ok"}}}`},
		{Of: verdicts(`{"result":"OK"}`)},
		{Of: verdicts(`{"status":"ok"}`)},
		{Of: verdicts(again)},
		{Of: verdicts(`{"result":"ok","result":"retry"}`)},
		{Of: func(batch []conformance.Received) string {
			return strings.Replace(verdicts(ok)(batch), `{"results":{`, `{"results":{"01920000-dead-7bad-8bad-0123456789ab":{"result":"ok"},`, 1)
		}},
	}
	s.Answers = []conformance.Meaning{
		{Name: "all events are dropped", Answer: conformance.Answer{Of: verdicts(dropped)}, Class: driver.ClassPermanent},
		{Name: "all events come again", Answer: conformance.Answer{Of: verdicts(again), Header: http.Header{"Retry-After": {"1"}}}, Class: driver.ClassThrottled},
		{Name: "an event is there twice", Answer: conformance.Answer{Status: 400, Body: code("duplicate_event_uuid")}, Class: driver.ClassTooLarge},
		{Name: "headers are missing", Answer: conformance.Answer{Status: 400, Body: code("missing_required_headers")}, Class: driver.ClassThrottled},
		{Name: "the plan has to be paid", Answer: conformance.Answer{Status: 402, Body: code("billing_limit_exceeded")}, Class: driver.ClassThrottled},
		{Name: "the key is none", Answer: conformance.Answer{Status: 401, Body: code("invalid_api_token")}, Class: driver.ClassThrottled},
		{Name: "nothing is behind the path", Answer: conformance.Answer{Status: 503, Body: code("service_unavailable")}, Class: driver.ClassUnknown},
	}
	mixed := func(name string, want func(ids []string) driver.Partial, list ...string) conformance.Verdicts {
		return conformance.Verdicts{
			Name: name,
			Answer: func(batch []conformance.Received) conformance.Answer {
				return conformance.Answer{Body: verdicts(list...)(batch)}
			},
			Want: func(batch []conformance.Received) driver.Partial {
				return want([]string{batch[0].ID, batch[1].ID, batch[2].ID})
			},
			Sizes: []int{3},
		}
	}
	s.Partial = []conformance.Verdicts{
		mixed("one is dropped", func(id []string) driver.Partial {
			return driver.Partial{Accepted: []string{id[0], id[2]}, Rejected: []string{id[1]}}
		}, ok, dropped, ok),
		mixed("one comes again", func(id []string) driver.Partial { return driver.Partial{Accepted: id[:2]} }, ok, ok, again),
		mixed("one is missing", func(id []string) driver.Partial { return driver.Partial{Accepted: []string{id[0], id[2]}} }, ok, "", ok),
		mixed("one has a verdict that nobody knows", func(id []string) driver.Partial { return driver.Partial{Accepted: id[1:]} }, `{"result":"fine"}`, ok, ok),
		mixed("one has two verdicts", func(id []string) driver.Partial { return driver.Partial{Accepted: id[:2]} }, ok, ok, `{"result":"drop","result":"ok"}`),
		mixed("one is accepted as nobody's", func(id []string) driver.Partial {
			return driver.Partial{Accepted: id, Warnings: map[string]int{"person_processing_disabled": 1}}
		}, ok, noPerson, ok),
		mixed("all are accepted as nobody's", func(id []string) driver.Partial {
			return driver.Partial{Accepted: id, Warnings: map[string]int{"person_processing_disabled": 3}}
		}, noPerson),
		mixed("a warning that nobody knows", func(id []string) driver.Partial {
			return driver.Partial{Accepted: id, Warnings: map[string]int{"unknown_warning": 1}}
		}, ok, ok, `{"result":"warning","details":"something new"}`),
		mixed("each verdict once", func(id []string) driver.Partial {
			return driver.Partial{Accepted: id[:1], Rejected: id[1:2], Warnings: map[string]int{"person_processing_disabled": 1}}
		}, noPerson, dropped, again),
	}
	s.Constants = append(s.Constants, "/i/v1/analytics/events", "created_at", "session_id", "options", "process_person_profile", "Authorization",
		"Bearer phc_0123456789secret", "Posthog-Sdk-Info", "github.com/gotoolbase/telemetry/1.0.0", "Posthog-Attempt", "1",
		"Posthog-Request-Id", "Posthog-Request-Timestamp")
	s.Varies = map[string]string{
		"created_at":                "the time of sending, in whole seconds",
		"Posthog-Request-Timestamp": "the time of sending, with which PostHog corrects a wrong clock",
		"Posthog-Request-Id":        "random, made by the SDK for each request",
	}
	conformance.Run(t, s)
}

func decodeBatch(r conformance.Request) ([]conformance.Received, error) {
	var b struct {
		Key    string    `json:"api_key"`
		SentAt time.Time `json:"sent_at"`
		Batch  []item    `json:"batch"`
	}
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return nil, err
	}
	if b.Key != "phc_0123456789secret" || b.SentAt.IsZero() {
		return nil, errors.New("no api_key, or no sent_at")
	}
	return decode(b.Batch)
}

func decodeV1(r conformance.Request) ([]conformance.Received, error) {
	for _, name := range []string{"Posthog-Sdk-Info", "Posthog-Attempt", "Posthog-Request-Id", "User-Agent"} { // required
		if r.Header.Get(name) == "" {
			return nil, errors.New("no " + name)
		}
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer phc_0123456789") {
		return nil, errors.New("no key")
	}
	if _, err := time.Parse(time.RFC3339, r.Header.Get("Posthog-Request-Timestamp")); err != nil {
		return nil, err
	}
	var b struct {
		CreatedAt time.Time `json:"created_at"`
		Batch     []item    `json:"batch"`
	}
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return nil, err
	}
	if b.CreatedAt.IsZero() {
		return nil, errors.New("no created_at")
	}
	return decode(b.Batch)
}

// item is an event as both intakes document it.
type item struct {
	UUID       string                     `json:"uuid"`
	Event      string                     `json:"event"`
	DistinctID string                     `json:"distinct_id"`
	Timestamp  time.Time                  `json:"timestamp"`
	SessionID  string                     `json:"session_id"`
	Options    map[string]any             `json:"options"`
	Properties map[string]json.RawMessage `json:"properties"`
}

// decode reads the documented JSON with names of its own.
func decode(batch []item) ([]conformance.Received, error) {
	var events []conformance.Received
	for _, item := range batch {
		e := conformance.Received{ID: item.UUID, Type: item.Event, Time: item.Timestamp, MachineID: item.DistinctID}
		anonymous := string(item.Properties["$process_person_profile"]) == "false" || item.Options["process_person_profile"] == false
		if anonymous && e.MachineID == e.ID {
			e.MachineID = "" // PostHog calls that an anonymous event
		}
		delete(item.Properties, "$process_person_profile")
		var err error
		take := func(name string, into any) {
			if raw, there := item.Properties[name]; there {
				err = errors.Join(err, json.Unmarshal(raw, into))
				delete(item.Properties, name)
			}
		}
		take("event_type", &e.Type)
		take("event_name", &e.Name)
		take("duration_ms", &e.DurationMS)
		take("exit_code", &e.ExitCode)
		take("flags", &e.Flags)
		take("args", &e.Args)
		take("error", &e.Error)
		take("error_class", &e.ErrorClass)
		take("tool_name", &e.Tool)
		take("tool_version", &e.Version)
		take("$os", &e.OS)
		take("arch", &e.Arch)
		take("os_version", &e.OSVersion)
		take("go_version", &e.GoVersion)
		take("ci", &e.CI)
		take("ci_provider", &e.CIProvider)
		take("interactive", &e.Interactive)
		take("agent", &e.Agent)
		take("container", &e.Container)
		take("run_id", &e.RunID)
		take("consent_id", &e.ConsentID)
		take("count", &e.Count)
		take("failures", &e.Failures)
		take("durations", &e.Durations)
		take("sample_rate", &e.SampleRate)
		take("truncated", &e.Truncated)
		take("redacted", &e.Redacted)
		take("time_adjusted", &e.TimeAdjusted)
		session := item.SessionID
		take("$session_id", &session)
		if session != e.RunID {
			err = errors.Join(err, errors.New("the session is not the run"))
		}
		if raw, there := item.Properties["$set"]; there { // of the profile, and of what the event says
			person := map[string]string{}
			err = errors.Join(err, json.Unmarshal(raw, &person))
			if !maps.Equal(person, map[string]string{"os": e.OS, "arch": e.Arch, "tool_version": e.Version}) {
				err = errors.Join(err, errors.New("$set holds something else"))
			}
			delete(item.Properties, "$set")
		}
		var fixed struct{ ip, noGeo, lib, version any }
		take("$ip", &fixed.ip)
		take("$geoip_disable", &fixed.noGeo)
		take("$lib", &fixed.lib)
		take("$lib_version", &fixed.version)
		if fixed.lib != "github.com/gotoolbase/telemetry" || fixed.version == "" {
			err = errors.Join(err, errors.New("$lib is not this module"))
		}
		e.Metadata = map[string]string{}
		for key := range maps.Clone(item.Properties) {
			var value string
			take(key, &value)
			e.Metadata[strings.TrimPrefix(key, "metadata_")] = value
		}
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// noIP is what the intake does: it puts the connection's address where $ip is missing
// or means false, and looks the place up unless it is told not to.
func noIP(r conformance.Request) error {
	var b struct {
		Batch []item `json:"batch"`
	}
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return err
	}
	for _, item := range b.Batch {
		if string(item.Properties["$ip"]) != `"0.0.0.0"` || string(item.Properties["$geoip_disable"]) != "true" {
			return errors.New("$ip is not 0.0.0.0, or $geoip_disable is not true")
		}
	}
	return nil
}
