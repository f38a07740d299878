//go:build !notelemetry

// Package segment sends events to Segment, RudderStack, Jitsu, or another service that takes the
// HTTP tracking API that these three share. Tool authors list segment.Driver() among their
// drivers and name it "segment".
//
// # Sources
//
//	[http]    https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/server/http-api
//	[common]  https://www.twilio.com/docs/segment/connections/spec/common
//	[track]   https://www.twilio.com/docs/segment/connections/spec/track
//	[region]  https://www.twilio.com/docs/segment/guides/regional-segment
//	[privacy] https://www.twilio.com/docs/segment/privacy/user-deletion-and-suppression
//	[rudder-privacy] https://www.rudderstack.com/docs/api/user-suppression-api
//	[ip]      https://segment.com/docs/connections/sources/catalog/libraries/mobile/ios, "Can I anonymize IP addresses?"
//	[python]  https://segment.com/docs/connections/sources/catalog/libraries/server/python
//	[rudder]  https://www.rudderstack.com/docs/api/http-api, gateway/openapi.yaml and gateway/handle.go of github.com/rudderlabs/rudder-server
//	[jitsu]   ingest/router.go and ingest/router_batch_handler.go of github.com/jitsucom/bulker
//
// Jitsu documents the address for one event (https://jitsu.com/docs/sending-data/http); that
// it takes /v1/batch, and what it answers there, is said by its source alone.
//
// # What is sent
//
// A POST of {"batch": […]} to /v1/batch, with the write key as user name of Basic
// authentication and no password [http, rudder, jitsu]. Each event is a track call:
//
//	our field               theirs                           source
//	-                       type: "track"                    [http] Batch
//	ID                      messageId: deduplicated by it,   [http] Errors
//	                        fewer than 100 characters
//	MachineID               userId, by which alone Segment   [http] Errors, [privacy]
//	                        and RudderStack delete            [rudder-privacy]
//	ID, without MachineID   anonymousId: one of userId and   [http] Errors
//	                        anonymousId is required
//	Type                    event                            [http] Track, [track]
//	Time                    timestamp, ISO 8601              [common] Timestamps
//	Tool, Version           context.app.name, .version       [common] Context
//	OS, OSVersion           context.os.name, .version        [common] Context
//	-                       context.library.name             [common] Context
//	-                       context.ip: "0.0.0.0"            [ip]
//	Name, Arch, and what    properties, by the names of      [track] Properties: any
//	is not named above      our JSON                         key may be used
//	Metadata                properties.metadata
//
// There is no identify call and there are no traits, so that no person has a profile that says
// anything of them. A type
// that Jitsu refuses as the name of a track call (more than 64 bytes; "--", ";", "=" or "/*"
// in it) is sent as "other", and is then in properties.type.
//
// No sentAt is sent: with one, Segment moves the time of each event by what it takes for the
// error of this machine's clock [common]. What becomes of timestamp without it is not
// documented, but for imports of old data, which are told to set timestamp alone [http].
//
// # The sender's address
//
// Segment stores it for client libraries, for this API where context.direct is true [http],
// which it is not here, and never where context.ip is set [ip]. RudderStack puts it into
// request_ip of each event, unless the event has one [rudder, handle.go]: an event for an
// endpoint has, with the same value. Jitsu sets requestIp whatever the event says, and
// context.ip too under a key of type browser [jitsu]: only a server of its operator's in
// front can hide the address from it.
//
// # What is answered
//
//	200    accepted. Segment answers so to everything that is JSON and not too large, also
//	       to a wrong write key and to events that it then drops [http] Errors; what its body
//	       says is not documented. RudderStack says OK [rudder]. Jitsu says {"ok": false} with
//	       the message IDs of those that it did not take [jitsu]; they are kept, since what
//	       it finds wrong in an event itself is never sent.
//	400    broken JSON or too large, with a message [http]; events without ID [rudder].
//	       RudderStack also has one for the header Authorization [rudder], which costs no event.
//	401    unknown write key [rudder, jitsu]; 404: the source is switched off [rudder]
//	413    too large [rudder]
//	429    later; Retry-After says when, in seconds [http]
//	other  not documented
//
// # Limits
//
// A request may have 500 KB and 2500 events of 32 KB each [http]; RudderStack takes 4 MB and
// the same 32 KB [rudder]; Jitsu's are not documented. Whether KB means 1000 bytes or 1024,
// and whether they are counted before compression, is not documented: the smaller is meant
// here. Bodies are compressed for Segment, whose own library can [python], and not for an
// endpoint. A rate for one machine is not documented; for a workspace it is 1000 requests a
// second [http].
package segment

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// Driver returns the driver "segment".
func Driver() driver.Driver {
	return driver.Driver{
		Name: "segment",
		Doc:  "sends events to Segment, RudderStack or Jitsu",
		Accepted: "the intake has taken the events, no more: Segment's answers alike under a write key that it does not know and to " +
			"events that it drops; the source's debugger shows what arrived",
		Settings: []driver.Setting{{
			Name:     "write_key",
			Doc:      "the source's write key",
			Required: true,
			Secret:   true,
			Check:    driverhttp.CheckKey,
		}, {
			Name:   "instance",
			Doc:    "where Segment keeps the workspace: us or eu",
			Values: []string{"us", "eu"},
		}, {
			Name: "endpoint",
			Doc:  "instead of instance: URL of a RudderStack data plane, of a Jitsu, or of a proxy",
			// The path may hold a key.
			Secret: true,
		}},
		// An event grows by some 200 bytes here: below 500 000 bytes a request and 32 000 an
		// event, whatever its texts.
		Limits: driver.Limits{Events: 400, Bytes: 390_000, EventBytes: 31_500},
		Hosts:  func(settings map[string]string) []string { return driverhttp.Hosts(address(settings, true)) },
		Check:  check,
		Open:   open,
	}
}

// Option changes what [NewBackend] opens.
type Option func(*driver.Config)

// WithInstance says where Segment keeps the workspace: "us" or "eu".
func WithInstance(instance string) Option {
	return func(cfg *driver.Config) { cfg.Settings["instance"] = instance }
}

// WithEndpoint sets the URL of a RudderStack data plane, of a Jitsu or of a proxy, instead of an
// instance.
func WithEndpoint(url string) Option {
	return func(cfg *driver.Config) { cfg.Settings["endpoint"] = url }
}

// NewBackend opens the backend without a collector. WithInstance or WithEndpoint is needed. A
// mistake is a [*driver.ConfigError].
func NewBackend(writeKey string, options ...Option) (driver.Backend, error) {
	cfg := driver.Config{Settings: map[string]string{"write_key": writeKey}}
	for _, option := range options {
		option(&cfg)
	}
	return Driver().New(cfg)
}

func check(cfg driver.Config) error {
	if _, err := address(cfg.Settings, cfg.Insecure); err != nil {
		return err
	}
	if err := driverhttp.CheckHeaders(cfg.Headers, "Authorization"); err != nil {
		return &driver.ConfigError{Field: "Telemetry.Headers", Problem: err.Error()}
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
	return &backend{
		client:  driverhttp.NewClient(cfg),
		url:     u.String(),
		auth:    "Basic " + base64.StdEncoding.EncodeToString([]byte(cfg.Settings["write_key"]+":")),
		segment: cfg.Settings["instance"] != "",
	}, nil
}

// hosts are Segment's own [region]. In [http] the second is another one, which elsewhere is
// that of Segment's management API.
var hosts = map[string]string{"us": "api.segment.io", "eu": "events.eu1.segmentapis.com"}

// address is where batches are posted.
func address(settings map[string]string, insecure bool) (*url.URL, error) {
	instance, endpoint := settings["instance"], settings["endpoint"]
	switch {
	case instance != "" && endpoint != "":
		return nil, driver.SettingError("endpoint", "instance is set as well: keep one of them")
	case instance == "" && endpoint == "":
		return nil, driver.SettingError("instance", "not set: us or eu, or an endpoint in place of it")
	case instance != "":
		return &url.URL{Scheme: "https", Host: hosts[instance], Path: "/v1/batch"}, nil
	}
	u, err := driverhttp.CheckEndpoint(endpoint, insecure)
	if err != nil {
		return nil, driver.SettingError("endpoint", err.Error())
	}
	for _, call := range []string{"track", "identify", "page", "screen", "group", "alias", "import"} {
		if _, is := driverhttp.CutEnding(u, call); is {
			return nil, driver.SettingError("endpoint", "the address of another call: leave out /v1 and what follows")
		}
	}
	if base, whole := driverhttp.CutEnding(u, "batch"); whole {
		return base.JoinPath("batch"), nil
	}
	base, _ := driverhttp.CutEnding(u, "v1")
	return base.JoinPath("v1", "batch"), nil
}

type backend struct {
	client    *driverhttp.Client
	url, auth string
	segment   bool // and not an endpoint
}

// Send makes one attempt.
func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	batch := make([]track, len(events))
	for i, e := range events {
		batch[i] = b.track(e)
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // six bytes for each < would be beyond the limits
	if err := encoder.Encode(map[string][]track{"batch": batch}); err != nil {
		return driver.Permanent(errors.New("segment backend: the batch cannot be encoded"))
	}
	answer, err := b.client.Post(ctx, driverhttp.Request{
		URL:    b.url,
		Header: http.Header{"Authorization": {b.auth}, "Content-Type": {"application/json"}},
		Body:   body.Bytes(),
		Gzip:   b.segment,
	})
	if err != nil {
		return fmt.Errorf("segment backend: %w", err)
	}
	return verdict(answer, events, time.Now())
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// track is a call of the tracking API, which is an event.
type track struct {
	Type        string     `json:"type"`
	MessageID   string     `json:"messageId"`
	UserID      string     `json:"userId,omitempty"`
	AnonymousID string     `json:"anonymousId,omitempty"`
	Event       string     `json:"event"`
	Timestamp   time.Time  `json:"timestamp"`
	RequestIP   string     `json:"request_ip,omitempty"`
	Context     about      `json:"context"`
	Properties  properties `json:"properties"`
}

// about is a call's context.
type about struct {
	App     product `json:"app"`
	OS      product `json:"os"`
	Library product `json:"library"`
	IP      string  `json:"ip"`
}

type product struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
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

// noIP is in the place of the sender's address, which is then not stored.
const noIP = "0.0.0.0"

func (b *backend) track(e driver.Event) track {
	t := track{
		Type: "track", MessageID: e.ID, UserID: e.MachineID, Event: e.Type, Timestamp: e.Time.UTC(),
		Context: about{
			App: product{e.Tool, e.Version}, OS: product{e.OS, e.OSVersion}, Library: product{Name: "gotoolbase-telemetry"}, IP: noIP,
		},
		Properties: properties{
			Name: e.Name, DurationMS: e.DurationMS, ExitCode: e.ExitCode, Args: e.Args, Flags: e.Flags, Error: e.Error, ErrorClass: e.ErrorClass,
			Arch: e.Arch, GoVersion: e.GoVersion, CI: e.CI, CIProvider: e.CIProvider, Interactive: e.Interactive, Agent: e.Agent,
			Container: e.Container, RunID: e.RunID, ConsentID: e.ConsentID, Metadata: e.Metadata, Count: e.Count, Failures: e.Failures,
			Durations: e.Durations, SampleRate: e.SampleRate, Truncated: e.Truncated, Redacted: e.Redacted, TimeAdjusted: e.TimeAdjusted,
		},
	}
	if e.MachineID == "" {
		t.AnonymousID = e.ID
	}
	if !isEventName(e.Type) {
		t.Event, t.Properties.Type = "other", &e.Type
	}
	if !b.segment {
		t.RequestIP = noIP
	}
	return t
}

// isEventName reports whether Jitsu takes a type as the name of a track call.
func isEventName(kind string) bool {
	const longest = 64
	for _, refused := range []string{"--", ";", "=", "/*"} {
		if strings.Contains(kind, refused) {
			return false
		}
	}
	return kind != "" && len(kind) <= longest
}

// verdict is the table of the package comment, for a batch.
func verdict(a driverhttp.Answer, events []driver.Event, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("segment backend: answered %d: %s", a.Status, next) }
	switch {
	case a.Status == http.StatusRequestEntityTooLarge:
		return driver.TooLarge(say("the batch is too large"))
	case driverhttp.LooksLikeHTML(a):
		return driverhttp.Later(a, now, 0, say("with a web page, which is not the API's: log in to this network, or check Settings[endpoint]"))
	case a.Status == http.StatusOK:
		return taken(a, events, now, say)
	case a.Status == http.StatusBadRequest && len(a.Body) == 0: // theirs has a message
		return driverhttp.Later(a, now, 0, say("but not as the API would: check Settings[endpoint], or what is in between"))
	case a.Status == http.StatusBadRequest && !isAboutKey(a.Body):
		return driver.Refused(say("an event of the batch is not taken"), len(events))
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooManyRequests:
		return driverhttp.Later(a, now, 0, say("the receiver asks to try again later"))
	case a.Status/100 == 4:
		// Key and address can be repaired, lost events cannot.
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("no events are taken: check Settings[write_key] and Settings[endpoint]"))
	case a.Status/100 == 5:
		return driverhttp.Later(a, now, 0, say("the receiver failed"))
	}
	return driverhttp.Later(a, now, 0, say("only 200 is an acceptance: log in to this network, or check Settings[endpoint]"))
}

// isAboutKey reports whether a 400 is RudderStack's for a key and not for the events. It
// compares all of the text: one that repeats an event may have these words in it.
func isAboutKey(body []byte) bool {
	said := string(bytes.TrimSpace(body))
	return said == "Invalid Authorization Header" || said == "Missing Authorization Header"
}

// taken reads a 200: who answers with JSON may say that not everything was taken.
func taken(a driverhttp.Answer, events []driver.Event, now time.Time, say func(string) error) error {
	var said struct {
		OK      *bool    `json:"ok"`
		Success *bool    `json:"success"`
		Errors  []string `json:"errors"`
	}
	_ = json.Unmarshal(a.Body, &said) // what is no JSON, or other JSON, says nothing against it
	if (said.OK == nil || *said.OK) && (said.Success == nil || *said.Success) {
		return nil
	}
	left := map[string]bool{}
	for _, text := range said.Errors {
		text, _ = strings.CutPrefix(text, "Message ID: ")
		id, _, _ := strings.Cut(text, ":")
		left[id] = true
	}
	partial := &driver.Partial{Err: say("not all events of the batch were taken")}
	for _, e := range events {
		if !left[e.ID] {
			partial.Accepted = append(partial.Accepted, e.ID)
		}
	}
	// An answer that names none, all, or others than those of this batch accepts nothing.
	if len(left) == 0 || len(partial.Accepted) == 0 || len(partial.Accepted)+len(left) != len(events) {
		return driverhttp.Later(a, now, 0, say("with a no that does not name what was taken of this batch"))
	}
	return partial
}
