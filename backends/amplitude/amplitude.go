//go:build !notelemetry

// Package amplitude sends events to Amplitude's Batch Event Upload API. Tool authors list
// amplitude.Driver() among their drivers and name it "amplitude".
//
// # Sources
//
//	[batch]    https://amplitude.com/docs/apis/analytics/batch-event-upload
//	[v2]       https://amplitude.com/docs/apis/analytics/http-v2, whose events and answers are the same
//	[retries]  https://amplitude.com/docs/apis/analytics/http-api-batching-retries
//	[user]     https://amplitude.com/docs/get-started/user-property-definitions
//	[backfill] https://www.docs.developers.amplitude.com/analytics/data-backfill-guide
//
// # What is sent
//
// A POST of {"api_key": …, "events": […]} to /batch [batch]:
//
//	our field               theirs                                    source
//	ID                      insert_id: deduplicated by it for 7 days  [batch] Event properties
//	MachineID, else ID      device_id: one of it and user_id is       [batch]
//	                        required, of 5 characters or more
//	Type                    event_type                                [batch]
//	Time                    time: milliseconds since 1970             [batch]
//	RunID                   session_id: when the session began, in    [batch]
//	                        milliseconds since 1970; and
//	                        event_properties.run_id
//	Version                 app_version                               [batch]
//	OS, OSVersion           os_name, os_version                       [batch]
//	Name, Tool, Arch, and   event_properties, by the names of our     [batch]: any key, values
//	what is not named       JSON                                      may be arrays and objects
//	Metadata                event_properties.metadata
//	-                       $skip_user_properties_sync: true          [batch], [backfill]
//
// session_id is the time that a run's ID holds. A record of several runs has none.
//
// There is no user_id and there are no user_properties, and $skip_user_properties_sync keeps
// Amplitude from making properties of a user of what the event says [backfill]. A type that
// Amplitude reserves (what begins with "$", such as $identify [batch], or with "[Amplitude]"
// [v2]) is sent as "other", and is then in event_properties.type. A field that names the
// library is not documented, so none is sent.
//
// # The sender's address
//
// Amplitude takes it from the field ip, where "$remote" stands for that of the request
// [batch]; of what is sent by another program than its client libraries it finds out nothing
// itself [user]. The field is not sent. There is no switch beside it but one that Amplitude's
// support sets for a project [batch].
//
// # What is answered
//
//	200    accepted, with the code again and the number of events [batch]. That number does
//	       not decide: whether it counts what was sent before is not documented.
//	400    nothing was accepted. Where events are named by their place in the batch, the others
//	       are to be sent again [retries]: those with missing or invalid fields or IDs, and
//	       those of devices that Amplitude has silenced [batch], will never be taken. Where the
//	       key is missing or wrong [v2], no event is lost.
//	413    too large: in halves [batch]
//	429    too many events of one device: the request is rejected as a whole [batch]. To be
//	       tried again after 30 s [v2]; for a device beyond its daily quota, when that has
//	       events left [batch], which is looked at every hour.
//	5xx    unknown, to be tried again; after a 503 nothing was accepted [v2]
//	other  not documented
//
// # Limits
//
// A request may have 20 MB and 2000 events [batch]; bodies may be compressed [v2]. A device
// may send 1000 events a second, over 30 s, which are 60 000 a minute [batch]; and 500 000 a
// day, once Amplitude takes it for one that spams [batch]. A text may have 1024 characters
// [v2], and the collector lets none through that has more.
package amplitude

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

const (
	// throttled is how long a device that was too fast has to pause [v2].
	throttled = 30 * time.Second
	// exhausted is how long a device is left alone whose daily quota is used up: Amplitude counts that
	// in steps of an hour [batch].
	exhausted = time.Hour
	// perMinute is what a device may send [batch].
	perMinute = 60_000
)

// Driver returns the driver "amplitude".
func Driver() driver.Driver {
	return driver.Driver{
		Name:     "amplitude",
		Doc:      "sends events to Amplitude",
		Accepted: "Amplitude's intake has accepted the events; it does not say that they are stored",
		Settings: []driver.Setting{{
			Name:     "api_key",
			Doc:      "the project's API key",
			Required: true,
			Secret:   true,
			Check:    driverhttp.CheckKey,
		}, {
			Name:   "instance",
			Doc:    "where Amplitude keeps the project: us or eu",
			Values: []string{"us", "eu"},
		}, {
			Name: "endpoint",
			Doc:  "instead of instance: URL of a proxy in front of Amplitude",
			// The path may hold a key.
			Secret: true,
		}},
		// Far below Amplitude's 20 MB: what is lost on the way is sent again as a whole.
		Limits: driver.Limits{Events: 1000, Bytes: 900_000, PerMinute: perMinute},
		Hosts:  func(settings map[string]string) []string { return driverhttp.Hosts(address(settings, true)) },
		Check:  check,
		Open:   open,
	}
}

// Option changes what [NewBackend] opens.
type Option func(*driver.Config)

// WithInstance says where Amplitude keeps the project: "us" or "eu".
func WithInstance(instance string) Option {
	return func(cfg *driver.Config) { cfg.Settings["instance"] = instance }
}

// WithEndpoint sets the URL of a proxy in front of Amplitude, instead of an instance.
func WithEndpoint(url string) Option {
	return func(cfg *driver.Config) { cfg.Settings["endpoint"] = url }
}

// NewBackend opens the backend without a collector. WithInstance or WithEndpoint is needed. A
// mistake is a [*driver.ConfigError].
func NewBackend(apiKey string, options ...Option) (driver.Backend, error) {
	cfg := driver.Config{Settings: map[string]string{"api_key": apiKey}}
	for _, option := range options {
		option(&cfg)
	}
	return Driver().New(cfg)
}

func check(cfg driver.Config) error {
	if _, err := address(cfg.Settings, cfg.Insecure); err != nil {
		return err
	}
	refuse := func(problem string) error { return &driver.ConfigError{Field: "Telemetry.Headers", Problem: problem} }
	if cfg.Settings["instance"] != "" && driverhttp.HasHeader(cfg.Headers, "Authorization") {
		return refuse("Authorization is for the project's secret key, which must not be in a tool: leave it out")
	}
	if err := driverhttp.CheckHeaders(cfg.Headers); err != nil {
		return refuse(err.Error())
	}
	return nil
}

func open(cfg driver.Config) (driver.Backend, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	u, err := address(cfg.Settings, cfg.Insecure)
	if err != nil {
		return nil, err
	}
	return &backend{client: driverhttp.NewClient(cfg), url: u.String(), key: cfg.Settings["api_key"]}, nil
}

// hosts are Amplitude's [batch].
var hosts = map[string]string{"us": "api2.amplitude.com", "eu": "api.eu.amplitude.com"}

// address is where batches are posted.
func address(settings map[string]string, insecure bool) (*url.URL, error) {
	instance, endpoint := settings["instance"], settings["endpoint"]
	switch {
	case instance != "" && endpoint != "":
		return nil, driver.SettingError("endpoint", "instance is set as well: keep one of them")
	case instance == "" && endpoint == "":
		return nil, driver.SettingError("instance", "not set: us or eu, or an endpoint in place of it")
	case instance != "":
		return &url.URL{Scheme: "https", Host: hosts[instance], Path: "/batch"}, nil
	}
	u, err := driverhttp.CheckEndpoint(endpoint, insecure)
	if err != nil {
		return nil, driver.SettingError("endpoint", err.Error())
	}
	for _, other := range []string{"/2/httpapi", "/httpapi", "/identify", "/groupidentify"} {
		if _, is := driverhttp.CutEnding(u, other); is {
			return nil, driver.SettingError("endpoint", "the address of another API of Amplitude's: leave out "+other)
		}
	}
	base, _ := driverhttp.CutEnding(u, "/batch")
	return base.JoinPath("batch"), nil
}

type backend struct {
	client   *driverhttp.Client
	url, key string
}

// Send makes one attempt.
func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	batch := upload{Key: b.key, Events: make([]event, len(events))}
	for i, e := range events {
		batch.Events[i] = newEvent(e)
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // six bytes for each < are no use to anybody
	if err := encoder.Encode(batch); err != nil {
		return driver.Permanent(errors.New("amplitude backend: the batch cannot be encoded"))
	}
	answer, err := b.client.Post(ctx, driverhttp.Request{
		URL:    b.url,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   body.Bytes(),
		Gzip:   true,
	})
	if err != nil {
		return fmt.Errorf("amplitude backend: %w", err)
	}
	return verdict(answer, events, time.Now())
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

type upload struct {
	Key    string  `json:"api_key"`
	Events []event `json:"events"`
}

type event struct {
	InsertID   string     `json:"insert_id"`
	DeviceID   string     `json:"device_id"`
	EventType  string     `json:"event_type"`
	Time       int64      `json:"time"`
	SessionID  int64      `json:"session_id,omitempty"`
	AppVersion string     `json:"app_version,omitempty"`
	OSName     string     `json:"os_name"`
	OSVersion  string     `json:"os_version,omitempty"`
	SkipSync   bool       `json:"$skip_user_properties_sync"`
	Properties properties `json:"event_properties"`
}

type properties struct {
	Type         *string           `json:"type,omitempty"`
	Name         string            `json:"name,omitempty"`
	DurationMS   *int64            `json:"duration_ms,omitempty"`
	ExitCode     *int              `json:"exit_code,omitempty"`
	Args         []string          `json:"args,omitempty"`
	Flags        []string          `json:"flags,omitempty"`
	Error        string            `json:"error,omitempty"`
	ErrorClass   string            `json:"error_class,omitempty"`
	Tool         string            `json:"tool_name"`
	Arch         string            `json:"arch"`
	GoVersion    string            `json:"go_version,omitempty"`
	CI           bool              `json:"ci"`
	CIProvider   string            `json:"ci_provider,omitempty"`
	Interactive  bool              `json:"interactive"`
	Agent        string            `json:"agent,omitempty"`
	Container    bool              `json:"container"`
	RunID        string            `json:"run_id,omitempty"`
	ConsentID    string            `json:"consent_id,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Count        int               `json:"count,omitempty"`
	Failures     int               `json:"failures,omitempty"`
	Durations    []int             `json:"durations,omitempty"`
	SampleRate   int               `json:"sample_rate,omitempty"`
	Truncated    int               `json:"truncated,omitempty"`
	Redacted     int               `json:"redacted,omitempty"`
	TimeAdjusted bool              `json:"time_adjusted,omitempty"`
}

func newEvent(e driver.Event) event {
	out := event{
		InsertID: e.ID, DeviceID: cmp.Or(e.MachineID, e.ID), EventType: e.Type, Time: e.Time.UnixMilli(), SessionID: began(e.RunID),
		AppVersion: e.Version, OSName: e.OS, OSVersion: e.OSVersion, SkipSync: true,
		Properties: properties{
			Name: e.Name, DurationMS: e.DurationMS, ExitCode: e.ExitCode, Args: e.Args, Flags: e.Flags, Error: e.Error, ErrorClass: e.ErrorClass,
			Tool: e.Tool, Arch: e.Arch, GoVersion: e.GoVersion, CI: e.CI, CIProvider: e.CIProvider, Interactive: e.Interactive, Agent: e.Agent,
			Container: e.Container, RunID: e.RunID, ConsentID: e.ConsentID, Metadata: e.Metadata, Count: e.Count, Failures: e.Failures,
			Durations: e.Durations, SampleRate: e.SampleRate, Truncated: e.Truncated, Redacted: e.Redacted, TimeAdjusted: e.TimeAdjusted,
		},
	}
	if e.Type == "" || strings.HasPrefix(e.Type, "$") || strings.HasPrefix(e.Type, "[Amplitude]") {
		out.EventType, out.Properties.Type = "other", &e.Type
	}
	return out
}

// began is the time in a run's ID, a version 7 UUID: milliseconds since 1970 in its first
// twelve digits. It is 0, which is not sent, for an event without one.
func began(run string) int64 {
	const digits = len("01234567-89ab-")
	if len(run) < digits {
		return 0
	}
	at, _ := strconv.ParseInt(strings.ReplaceAll(run[:digits], "-", ""), 16, 64)
	return at
}

// answer is what Amplitude says in a body.
type answer struct {
	Code         int    `json:"code"`
	Ingested     *int   `json:"events_ingested"`
	MissingField string `json:"missing_field"`
	Error        string `json:"error"`
	// By the name of a field, which events it is of: their places in the batch.
	Invalid   map[string][]int `json:"events_with_invalid_fields"`
	Missing   map[string][]int `json:"events_with_missing_fields"`
	ShortIDs  map[string][]int `json:"events_with_invalid_id_lengths"`
	Silenced  []int            `json:"silenced_events"`
	Throttled []int            `json:"throttled_events"`
	// By device, how many events it has sent.
	Exhausted map[string]json.Number `json:"exceeded_daily_quota_devices"`
}

// verdict is the table of the package comment, for a batch. No text of the server's goes
// into an error: it may repeat an event, or the key.
func verdict(a driverhttp.Answer, events []driver.Event, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("amplitude backend: answered %d: %s", a.Status, next) }
	var said answer
	understood := json.Unmarshal(a.Body, &said) == nil && said.Code == a.Status
	switch {
	case a.Status == http.StatusRequestEntityTooLarge:
		return driver.TooLarge(say("the batch is too large"))
	case driverhttp.LooksLikeHTML(a):
		return driverhttp.Later(a, now, 0, say("with a web page, which is not Amplitude's: log in to this network, or check Settings[endpoint]"))
	case a.Status == http.StatusOK:
		if understood && said.Ingested != nil && *said.Ingested >= 0 && *said.Ingested <= len(events) {
			return nil
		}
		return driverhttp.Later(a, now, 0, say("but not as Amplitude would, so the events are not known to be stored: check Settings[endpoint], or what is in between"))
	case a.Status == http.StatusTooManyRequests:
		return driverhttp.Later(a, now, said.wait(throttled), say("Amplitude asks to try again later"))
	case a.Status == http.StatusBadRequest:
		if understood {
			return said.refusal(a, events, now, say)
		}
		return driverhttp.Later(a, now, 0, say("but not as Amplitude would: check Settings[endpoint], or what is in between"))
	case a.Status == http.StatusRequestTimeout:
		return driverhttp.Later(a, now, 0, say("Amplitude asks to try again"))
	case a.Status/100 == 4:
		// An address can be repaired, lost events cannot.
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("no events are taken at this address: check Settings[endpoint]"))
	case a.Status/100 == 5:
		return driverhttp.Later(a, now, 0, say("Amplitude failed"))
	}
	return driverhttp.Later(a, now, 0, say("only 200 is an acceptance: log in to this network, or check Settings[endpoint]"))
}

// wait is how long to wait, at least, before what was not rejected is sent again.
func (s *answer) wait(least time.Duration) time.Duration {
	switch {
	case len(s.Exhausted) > 0:
		return exhausted
	case len(s.Throttled) > 0:
		return max(least, throttled)
	}
	return least
}

// refusal is what a 400 means. Nothing of the batch was taken.
func (s *answer) refusal(a driverhttp.Answer, events []driver.Event, now time.Time, say func(string) error) error {
	if s.MissingField == "api_key" || strings.HasPrefix(s.Error, "Invalid API key") {
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the key is refused: check Settings[api_key] and Settings[instance]"))
	}
	named := make([]bool, len(events))
	lists := [][]int{s.Silenced}
	for _, fields := range []map[string][]int{s.Invalid, s.Missing, s.ShortIDs} {
		for _, places := range fields {
			lists = append(lists, places)
		}
	}
	for _, places := range lists {
		for _, i := range places {
			if i < 0 || i >= len(events) {
				return driverhttp.Later(a, now, 0, say("for events of another batch, so it is not known what became of these"))
			}
			named[i] = true
		}
	}
	err := say("Amplitude does not take an event of the batch")
	partial := &driver.Partial{Err: err, Wait: s.wait(0)}
	for i, e := range events {
		if named[i] {
			partial.Rejected = append(partial.Rejected, e.ID)
		}
	}
	switch {
	case len(partial.Rejected) > 0:
		return partial
	case partial.Wait > 0:
		return driverhttp.Later(a, now, partial.Wait, say("Amplitude asks to try again later"))
	}
	return driver.Refused(err, len(events))
}
