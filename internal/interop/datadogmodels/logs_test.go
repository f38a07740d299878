package datadogmodels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV2"

	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/core/driver"
)

// The settings that change what a log holds.
var variants = map[string]map[string]string{
	"as it comes":         {"api_key": apiKey},
	"service and source":  {"api_key": apiKey, "service": "fleet", "source": "cli", "env": "prod"},
	"with a client token": {"client_token": "pubfedcba9876543210", "site": "eu1"},
}

// sourceOf is the ddsource that the settings of a variant ask for.
func sourceOf(settings map[string]string) string {
	if source := settings["source"]; source != "" {
		return source
	}
	return "gotoolbase"
}

// forEachBatch runs check on the hand-picked events and on random ones, for each variant.
func forEachBatch(t *testing.T, check func(t *testing.T, settings map[string]string, events []driver.Event)) {
	for name, settings := range variants {
		t.Run(name+", hand-picked", func(t *testing.T) {
			t.Parallel()
			check(t, settings, handPicked())
		})
		t.Run(name+", random", func(t *testing.T) {
			t.Parallel()
			r := random(t)
			for range 10 {
				check(t, settings, randomEvents(r, 1+r.IntN(100)))
			}
		})
	}
}

func TestDatadogsModelReadsAllOfAnEvent(t *testing.T) {
	t.Parallel()
	forEachBatch(t, func(t *testing.T, settings map[string]string, events []driver.Event) {
		sent, _ := capture(t, settings, events)
		var logs []datadogV2.HTTPLogItem
		if err := json.Unmarshal(sent.body, &logs); err != nil || len(logs) != len(events) {
			t.Fatalf("%d logs of %d events, %v", len(logs), len(events), err)
		}
		for i, log := range logs {
			// Where the model does not fit it keeps the log there, without an error.
			if log.UnparsedObject != nil {
				t.Fatalf("event %d does not fit the model: %v", i, log.UnparsedObject)
			}
			got, want := eventOf(t, settings, log), normal(events[i])
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("event %d:\ngot  %s\nwant %s", i, got.AppendJSON(nil), want.AppendJSON(nil))
			}
		}
		again, err := json.Marshal(logs)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "encoded again by the model", list(t, again, len(events)), list(t, sent.body, len(events)))
	})
}

// normal is an event whose empty collections are nil: in JSON there is no difference.
func normal(e driver.Event) driver.Event {
	if len(e.Args) == 0 {
		e.Args = nil
	}
	if len(e.Metadata) == 0 {
		e.Metadata = nil
	}
	if len(e.Flags) == 0 {
		e.Flags = nil
	}
	if len(e.Durations) == 0 {
		e.Durations = nil
	}
	return e
}

// eventOf reads an event back out of Datadog's model. What it does not know of is an
// error, so that nothing travels unnoticed.
func eventOf(t *testing.T, settings map[string]string, log datadogV2.HTTPLogItem) driver.Event {
	t.Helper()
	rest := maps.Clone(log.AdditionalProperties)
	take := func(name string, into any) {
		t.Helper()
		attribute, there := rest[name]
		if !there {
			return
		}
		delete(rest, name)
		// Numbers are json.Number in the model, so nothing is lost on this way.
		text, err := json.Marshal(attribute)
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Errorf("attribute %s: %v", name, err)
		}
	}
	e := driver.Event{Tool: log.GetService(), MachineID: log.GetHostname()}
	if service := settings["service"]; service != "" {
		if log.GetService() != service {
			t.Errorf("service %q", log.GetService())
		}
		e.Tool = ""
	}
	take("tool_name", &e.Tool) // where it is not the service
	var user, status string
	take("usr.id", &user)
	take("status", &status)
	if user != e.MachineID {
		t.Errorf("usr.id %q of the host %q", user, e.MachineID)
	}
	take("event_id", &e.ID)
	take("event_type", &e.Type)
	take("event_name", &e.Name)
	take("event_time", &e.Time)
	var ns *int64
	take("duration", &ns)
	take("duration_ms", &e.DurationMS)
	if ns != nil {
		e.DurationMS = new(*ns / 1e6)
	}
	take("exit_code", &e.ExitCode)
	take("args", &e.Args)
	take("flags", &e.Flags)
	take("error.kind", &e.ErrorClass)
	take("error.message", &e.Error)
	take("run_id", &e.RunID)
	take("ci", &e.CI)
	take("ci_provider", &e.CIProvider)
	take("interactive", &e.Interactive)
	take("agent", &e.Agent)
	take("container", &e.Container)
	take("count", &e.Count)
	take("failures", &e.Failures)
	take("sample_rate", &e.SampleRate)
	take("redacted", &e.Redacted)
	take("time_adjusted", &e.TimeAdjusted)
	var named map[string]int
	take("duration_buckets", &named)
	for _, bucket := range buckets[:len(named)] {
		e.Durations = append(e.Durations, named[bucket])
	}
	take("tool_version", &e.Version)
	take("os", &e.OS)
	take("arch", &e.Arch)
	take("os_version", &e.OSVersion)
	take("go_version", &e.GoVersion)
	take("consent_id", &e.ConsentID)
	take("metadata", &e.Metadata)
	take("truncated", &e.Truncated)
	var timestamp, date int64
	take("timestamp", &timestamp)
	take("date", &date)
	if (timestamp == 0) == (date == 0) || timestamp != 0 && timestamp != e.Time.UnixMilli() {
		t.Errorf("timestamp %d and date %d of an event of %v", timestamp, date, e.Time)
	}
	date += timestamp
	if status != statusOf(e) {
		t.Errorf("status %q of %s", status, e.AppendJSON(nil))
	}
	if len(rest) > 0 {
		t.Errorf("attributes that are no event's: %v", rest)
	}
	if log.GetDdsource() != sourceOf(settings) || !strings.HasPrefix(e.Type+": "+e.Name, log.Message) || log.Message == "" {
		t.Errorf("ddsource %q, message %q", log.GetDdsource(), log.Message)
	}
	// The intake drops what is further away, after it has accepted it.
	if age := time.Since(time.UnixMilli(date)); age > 18*time.Hour || age < -2*time.Hour {
		t.Errorf("official date %v from now", -age)
	}
	return e
}

// buckets are the names of a folded event's durations, in their order.
var buckets = []string{"le_10ms", "le_25ms", "le_50ms", "le_100ms", "le_250ms", "le_500ms", "le_1000ms", "le_2500ms", "le_5000ms", "le_10000ms",
	"le_30000ms", "le_60000ms", "le_300000ms", "over_300000ms"}

// statusOf is the outcome as the backend's documentation has it.
func statusOf(e driver.Event) string {
	switch {
	case e.ErrorClass == "interrupted":
		return "info"
	case e.ErrorClass == "ended_unrecorded" || e.Type == "telemetry.loss":
		return "warn"
	case e.ErrorClass != "" || e.Error != "" || e.ExitCode != nil && *e.ExitCode != 0 || e.Failures > 0 || e.Type == "command.error":
		return "error"
	}
	return "info"
}

// The mapping is written here a second time, from the documentation and into Datadog's
// types, so that a mistake in the names or in the form of ours would be a difference.
func TestWhatDatadogsModelEncodesOfTheSameEventsIsWhatWeSend(t *testing.T) {
	t.Parallel()
	forEachBatch(t, func(t *testing.T, settings map[string]string, events []driver.Event) {
		sent, now := capture(t, settings, events)
		theirs, err := json.Marshal(logsOf(settings, events, now))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "our request", list(t, sent.body, len(events)), list(t, theirs, len(events)))
	})
}

func logsOf(settings map[string]string, events []driver.Event, now time.Time) []datadogV2.HTTPLogItem {
	logs := make([]datadogV2.HTTPLogItem, len(events))
	for i, e := range events {
		log := datadogV2.NewHTTPLogItem(atMost(200, e.Type+": "+e.Name))
		log.SetDdsource(sourceOf(settings))
		log.AdditionalProperties = map[string]any{
			"event_id":    e.ID,
			"event_type":  e.Type,
			"event_name":  e.Name,
			"event_time":  e.Time,
			"os":          e.OS,
			"arch":        e.Arch,
			"ci":          e.CI,
			"interactive": e.Interactive,
			"container":   e.Container,
			"status":      statusOf(e),
		}
		set := func(name string, value any) {
			if !reflect.ValueOf(value).IsZero() {
				log.AdditionalProperties[name] = value
			}
		}
		name := "timestamp"
		if date := acceptable(e.Time, now); !date.Equal(e.Time) {
			name = "date"
		}
		set(name, acceptable(e.Time, now).UnixMilli())
		// The tool as a tag's value, in lower case and with nothing first that a search reads.
		service := strings.ToLower(notInATag.ReplaceAllString(atMost(100, e.Tool), "_"))
		if service != "" && strings.ContainsAny(service[:1], "-./") {
			service = "_" + service[1:]
		}
		if settings["service"] != "" {
			service = settings["service"]
		}
		if service != e.Tool {
			set("tool_name", e.Tool)
		}
		if service != "" {
			log.SetService(service)
		}
		if e.MachineID != "" {
			log.SetHostname(e.MachineID)
			set("usr.id", e.MachineID)
		}
		var tags []string
		for _, tag := range [][2]string{{"event_type", e.Type}, {"version", e.Version}, {"env", settings["env"]}, {"os", e.OS}, {"arch", e.Arch}} {
			if tag[1] != "" {
				tags = append(tags, tag[0]+":"+notInATag.ReplaceAllString(atMost(100, tag[1]), "_"))
			}
		}
		if tags != nil {
			log.SetDdtags(strings.Join(tags, ","))
		}
		if ms := e.DurationMS; ms != nil && (*ms > math.MaxInt64/1_000_000 || *ms < math.MinInt64/1_000_000) {
			set("duration_ms", ms)
		} else if ms != nil {
			set("duration", new(*ms*1_000_000))
		}
		set("exit_code", e.ExitCode)
		set("error.kind", e.ErrorClass)
		set("error.message", e.Error)
		set("run_id", e.RunID)
		set("ci_provider", e.CIProvider)
		set("agent", e.Agent)
		set("count", e.Count)
		set("failures", e.Failures)
		set("sample_rate", e.SampleRate)
		set("redacted", e.Redacted)
		set("time_adjusted", e.TimeAdjusted)
		if len(e.Flags) > 0 {
			set("flags", e.Flags)
		}
		if len(e.Durations) > 0 {
			named := map[string]int{}
			for i, n := range e.Durations {
				named[buckets[i]] = n
			}
			set("duration_buckets", named)
		}
		set("tool_version", e.Version)
		set("os_version", e.OSVersion)
		set("go_version", e.GoVersion)
		set("consent_id", e.ConsentID)
		set("truncated", e.Truncated)
		if len(e.Args) > 0 {
			set("args", e.Args)
		}
		if len(e.Metadata) > 0 {
			set("metadata", e.Metadata)
		}
		logs[i] = *log
	}
	return logs
}

// notInATag is what Datadog documents to replace in a tag, and the colon, which would end
// the tag's name a second time.
var notInATag = regexp.MustCompile(`[^A-Za-z0-9_./-]`)

// atMost returns the whole characters among the first n bytes.
func atMost(n int, s string) string {
	end := 0
	for i, r := range s {
		if i+len(string(r)) > n {
			break
		}
		end = i + len(string(r))
	}
	return s[:end]
}

// acceptable is the date of a log that the intake neither drops as too old nor as too far
// ahead: a full hour, 16 to 17 hours ago or the next one.
func acceptable(at, now time.Time) time.Time {
	hour := now.Truncate(time.Hour)
	if late := hour.Add(-16 * time.Hour); at.Before(late) {
		return late
	}
	if next := hour.Add(time.Hour); at.After(next) {
		return next
	}
	return at
}

// A comparison by way of float64 would let a wrong digit through.
func TestTheComparisonSeesOneDigit(t *testing.T) {
	t.Parallel()
	a, b := value(t, []byte(`[{"n":9007199254740993}]`)), value(t, []byte(`[{"n":9007199254740992}]`))
	if reflect.DeepEqual(a, b) {
		t.Error("two integers above 2^53 are taken for one")
	}
}

// theirClient is Datadog's client for one site, or for a server instead of it.
func theirClient(site, server string, transport http.RoundTripper) (context.Context, *datadogV2.LogsApi) {
	cfg := sdk.NewConfiguration()
	cfg.HTTPClient = &http.Client{Transport: transport}
	if server != "" {
		cfg.OperationServers["v2.LogsApi.SubmitLog"] = sdk.ServerConfigurations{{URL: server}}
	}
	ctx := context.WithValue(context.Background(), sdk.ContextAPIKeys, map[string]sdk.APIKey{"apiKeyAuth": {Key: apiKey}})
	ctx = context.WithValue(ctx, sdk.ContextServerVariables, map[string]string{"site": site})
	return ctx, datadogV2.NewLogsApi(sdk.NewAPIClient(cfg))
}

func TestSubmitLogMakesTheRequestThatWeMake(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprint("gzip ", compressed), func(t *testing.T) {
			t.Parallel()
			events := handPicked()[:7] // whose date is their time, whatever the hour
			theirs := datadogV2.NewSubmitLogOptionalParameters()
			if compressed {
				theirs.WithContentEncoding(datadogV2.CONTENTENCODING_GZIP)
			} else {
				events = events[:1] // too small to be worth it
			}
			ourSide, theirSide := &recorder{}, &recorder{}
			ourServer, theirServer := httptest.NewServer(ourSide), httptest.NewServer(theirSide)
			defer ourServer.Close()
			defer theirServer.Close()

			backend := open(t, nil, map[string]string{"api_key": apiKey, "endpoint": ourServer.URL})
			if err := backend.Send(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			ctx, api := theirClient("datadoghq.com", theirServer.URL, nil)
			_, answer, err := api.SubmitLog(ctx, logsOf(variants["as it comes"], events, time.Now()), *theirs)
			if err != nil || answer.StatusCode != http.StatusAccepted {
				t.Fatalf("%v, %v", answer, err)
			}

			our, their := ourSide.only(t), theirSide.only(t)
			if our.method != their.method || our.url != their.url || our.url != "/api/v2/logs" {
				t.Errorf("%s %s, theirs %s %s", our.method, our.url, their.method, their.url)
			}
			// The rest of the headers is net/http's, and the user agent: theirs names the
			// system, ours does not.
			for _, name := range []string{"Dd-Api-Key", "Content-Type", "Accept", "Content-Encoding"} {
				if !reflect.DeepEqual(our.header[name], their.header[name]) {
					t.Errorf("%s: %q, theirs %q", name, our.header[name], their.header[name])
				}
			}
			if our.header.Get("Dd-Api-Key") != apiKey || our.header.Get("Content-Encoding") == "gzip" != compressed {
				t.Errorf("headers %v", our.header)
			}
			for name := range our.header {
				if _, both := their.header[name]; !both {
					t.Errorf("only we send %s", name)
				}
			}
			wantSame(t, "body", list(t, our.body, len(events)), list(t, their.body, len(events)))
		})
	}
}

func TestEverySiteIsTheAddressThatSubmitLogGoesTo(t *testing.T) {
	t.Parallel()
	names := map[string]string{ // the names of Datadog's documentation
		"us1": "datadoghq.com", "us3": "us3.datadoghq.com", "us5": "us5.datadoghq.com", "eu1": "datadoghq.eu", "ap1": "ap1.datadoghq.com",
		"ap2": "ap2.datadoghq.com", "uk1": "uk1.datadoghq.com", "gov": "ddog-gov.com", "us1-fed": "ddog-gov.com", "us2-fed": "us2.ddog-gov.com",
	}
	var sites []string
	for _, s := range datadog.Driver().Settings {
		if s.Name == "site" {
			sites = s.Values
		}
	}
	if len(sites) < len(names) {
		t.Fatalf("sites %v", sites)
	}
	events := handPicked()[:1]
	for _, site := range sites {
		sent, _ := capture(t, map[string]string{"api_key": apiKey, "site": site}, events)
		theirName := site
		if name := names[site]; name != "" {
			theirName = name
		}
		theirs := &recorder{}
		ctx, api := theirClient(theirName, "", theirs)
		if _, _, err := api.SubmitLog(ctx, []datadogV2.HTTPLogItem{*datadogV2.NewHTTPLogItem("x")}); err != nil {
			t.Errorf("%s: %v", site, err)
			continue
		}
		their := theirs.only(t)
		if sent.url != their.url {
			t.Errorf("%s: we post to %s, SubmitLog to %s", site, sent.url, their.url)
		}
		u, err := url.Parse(sent.url)
		settings, resolveErr := datadog.Driver().Resolve(map[string]string{"api_key": apiKey, "site": site})
		if err != nil || resolveErr != nil || !slices.Equal(datadog.Driver().Hosts(settings), []string{u.Host}) {
			t.Errorf("%s: hosts %v, but posts to %s (%v, %v)", site, datadog.Driver().Hosts(settings), sent.url, err, resolveErr)
		}
	}
}

// What SubmitLog makes of an answer is no oracle: it takes every status below 300 for an
// acceptance, and a 202 whose body is not JSON for a failure, which would send accepted
// logs a second time.
func TestWhereWeReadAnAnswerDifferentlyThanSubmitLog(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status       int
		body         string
		ours         driver.Class
		theirsAccept bool
	}{
		{202, `{}`, driver.ClassAccepted, true},
		{200, `{}`, driver.ClassUnknown, true},
		{202, `O`, driver.ClassAccepted, false},
		{400, `{"errors":[{"detail":"d","status":"400","title":"t"}]}`, driver.ClassTooLarge, false},
		{403, `{"errors":["Forbidden"]}`, driver.ClassThrottled, false},
		{413, `{"errors":[]}`, driver.ClassTooLarge, false},
		{503, `{"errors":[]}`, driver.ClassUnknown, false},
	} {
		t.Run(fmt.Sprint(tt.status, " ", tt.body), func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			defer s.Close()
			ctx, api := theirClient("datadoghq.com", s.URL, nil)
			_, answer, err := api.SubmitLog(ctx, []datadogV2.HTTPLogItem{*datadogV2.NewHTTPLogItem("x")})
			if answer == nil || answer.StatusCode != tt.status || (err == nil) != tt.theirsAccept {
				t.Errorf("SubmitLog: %v, %v", answer, err)
			}
			if model, typed := errors.AsType[sdk.GenericOpenAPIError](err); tt.status == 400 {
				// The model of the errors fits what we take for a refusal.
				if list, ok := model.ErrorModel.(datadogV2.HTTPLogErrors); !typed || !ok || len(list.Errors) != 1 || list.Errors[0].GetDetail() != "d" {
					t.Errorf("SubmitLog's error %#v", err)
				}
			}
			err = open(t, nil, map[string]string{"api_key": apiKey, "endpoint": s.URL}).Send(t.Context(), handPicked()[:2])
			if driver.Classify(err) != tt.ours {
				t.Errorf("ours: %v, want %v", err, tt.ours)
			}
		})
	}
}
