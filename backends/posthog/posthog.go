//go:build !notelemetry

// Package posthog is the backend that sends events to PostHog, the cloud's or one's
// own. Tool authors name it "posthog".
//
//	Telemetry: props.TelemetryConfig{
//		Backend:  "posthog",
//		Drivers:  []driver.Driver{posthog.Driver()},
//		Settings: map[string]string{"project_key": "phc_…", "instance": "eu"},
//	}
//
// What PostHog then shows, and the steps to retention, a funnel and a failure rate, are in
// docs/how-to/posthog.md.
//
// # What becomes of an event
//
//	driver.Event        PostHog
//	ID                  uuid
//	Type                event; "other" for one of PostHog's own, which begins with $ and may
//	                    join persons, with properties.event_type
//	MachineID           distinct_id; the event's own ID where there is none
//	Time                timestamp
//	RunID               $session_id and properties.run_id
//	ConsentID           properties.consent_id
//	Name                properties.event_name
//	Tool, Version       properties.tool_name, .tool_version
//	OS, OSVersion       properties.$os, .os_version (a family, "debian 12")
//	Arch, GoVersion     properties.arch, .go_version
//	CI, CIProvider      properties.ci, .ci_provider
//	Interactive, Agent  properties.interactive, .agent
//	Container           properties.container
//	DurationMS          properties.duration_ms
//	ExitCode            properties.exit_code
//	ErrorClass          properties.error_class
//	Flags, Args, Error  properties.flags, .args, .error
//	Count, Failures     properties.count, .failures
//	Durations           properties.durations, in the buckets of driver.DurationBounds
//	SampleRate          properties.sample_rate
//	Truncated, Redacted properties.truncated, .redacted
//	TimeAdjusted        properties.time_adjusted
//	Metadata            properties, each under its own key, or under metadata_<key>
//	-                   properties.$ip = "0.0.0.0", .$geoip_disable = true
//	-                   properties.$lib, .$lib_version: this module, and the version of this table
//	-                   the time of sending, in the batch and with v1 in a header too: PostHog
//	                    corrects a wrong clock with it
//	-                   with v1 the headers PostHog-Sdk-Info (this module), -Attempt (1) and
//	                    -Request-Id (random, of one request)
//
// Metadata is merged into the properties, because PostHog's filters and breakdowns offer
// properties and not what is nested in them. A key that has a meaning of its own gets the
// prefix metadata_, so that no author's value can stand where ours, PostHog's or the
// sender's identity is read: the names above, whatever begins with $, the names token and
// distinct_id, which the intake also looks for in there, and whatever begins with
// metadata_, so that no two keys become one.
//
// PostHog counts a $session_id in its sessions if it is a UUID of version 7, not later than
// the session's first event and less than 24 hours before its last one. A run's ID is one.
//
// Nothing else is sent. The SDK adds the Go version and the exact release and distribution of
// the system, its own name, and in places its own value over ours; all of it is taken out
// again before a byte leaves.
//
// # Two intakes
//
//	v1      POST /i/v1/analytics/events, PostHog's present one, which says of each event what
//	        became of it. The default for instance us and eu, which serve it.
//	batch   POST /batch/, the older one, which answers Ok to what it drops. The default for
//	        endpoint: v1 is served only where a PostHog of one's own enables it, and a proxy
//	        may let only the older paths through.
//
// Set intake to v1 beside an endpoint that serves it: `telemetry status --check` tells. One
// that does not answers 404 or, where the path is known and leads nowhere, 503; both are kept
// and say so, and name the setting.
//
// # What an answer of v1 means
//
//	2xx with a verdict for each event
//	  ok                                 accepted
//	  warning                            accepted, and counted by the name of the warning
//	  drop                               lost, with PostHog's reason
//	  retry                              kept, for as long as Retry-After says, or 1 s
//	  no verdict, two, one unknown       kept
//	2xx that names an event of no batch  kept: it is no answer to this batch
//	2xx with anything else               kept: a captive portal, or another site
//	400 about events (duplicate_event_uuid, request_parsing_error …)
//	                                     one event spoils a batch, so the batch comes again
//	                                     in halves; an event that is refused alone is lost
//	400 with another code                kept, 1 h: about headers, or a body that was changed
//	                                     on the way
//	400 with anything else               kept: not PostHog's words
//	401 402 403 404, every other 4xx     kept, 1 h or longer: key, plan, intake or address are wrong,
//	                                     the events are not
//	408 425 429, every 5xx               kept; where Retry-After is given, for that long; but a
//	                                     429 with billing_limit_exceeded 1 h
//	413                                  too large: comes again in smaller batches
//	3xx, the rest                        kept; a redirect is never followed
//	2xx, 4xx with a web page             kept; but for 408, 413, 425 and 429, which say the
//	                                     same from there
//
// The verdicts are those of the SDK, which takes what it does not know, and what is missing,
// for accepted. So an event counts as accepted or dropped where both agree, the SDK and the
// answer as it is read here.
//
// # What an answer of batch means
//
//	2xx with {"status": "Ok"} or 1       accepted, which is what PostHog says on receipt
//	the same with quota_limited          kept, 1 h: PostHog has dropped the events
//	400 with a text                      one event spoils a batch, as above
//	400 with nothing                     kept
//	everything else                      as above
//
// This intake may drop events over quota, or for an unknown key, and still answer Ok. That
// cannot be seen from here. The other one tells, but for an unknown key.
//
// # Warnings
//
// person_processing_disabled says that PostHog kept the event and no person behind it. It
// does that where one distinct_id sends about 5000 events a minute for a while, which is why
// Limits.PerMinute is less. PostHog deletes events by the person whom they belong to, so such
// an event may stay when the person is deleted. An operator may switch persons off for an ID
// in PostHog without any warning; whether events are left is what deletion/posthog looks at.
//
// # Addresses and keys
//
// PostHog takes the sender's address from the connection unless $ip holds another, and an
// empty one does not count; so it holds 0.0.0.0, and no place is looked up. What PostHog's
// own servers log of a connection is theirs. Switch on "Discard client IP data" in the
// project as well: the two do not depend on each other.
//
// A project key is meant to be public. A person who has it can write events and read none. With v1
// it is in the header Authorization, which Telemetry.Headers then cannot hold.
//
// # Persons and groups
//
// PostHog keeps a profile for each distinct_id, which costs more than events without one.
// It stays on: PostHog deletes events by the person whom they belong to, so events without
// a profile could not be deleted on request. An event without a machine ID, which the
// collector sends where it can store none, is nobody's to have deleted, and gets no profile:
// $process_person_profile is false.
//
// The setting person_properties puts os, arch and tool_version on the profile as well, as
// the last event had them, so that persons can be filtered by what they use now. It is off
// where an author does not ask for it: breakdowns need only the event's own properties, and
// what is not kept of a person need not be deleted. There is no other property of a person.
//
// group_type and group_key put every event of the tool into one group, such as product and
// its name, where several tools share a project. They are the author's words, and the same
// for everybody. A group is not a person: deleting either leaves the other.
//
// # What the SDK does to a process
//
// Linking this package links the SDK. On macOS its init opens the program's own executable
// and keeps it open, consent or not, and the first event that is sent runs sw_vers from
// PATH. On Linux it reads /etc/os-release. What they find out is taken out of the request,
// but the SDK has no switch for it; the collector sends from a process of its own, so that
// a command waits for none of it. The SDK's log, retries and redirects are off.
//
// # Sources
//
//   - posthog-go v1.27.0: capture.go, capture_v1.go and capture_v1_send.go (what it adds, its
//     verdicts), posthog.go (batches, retries)
//   - posthog-go, docs/migration-v2.md: who serves v1, 402 for billing, what is checked per event
//   - PostHog/posthog, rust/capture/src/v1: error.rs (statuses and codes), analytics/types.rs
//     (verdicts, options, what becomes of PostHog-Sdk-Info), analytics/process.rs,
//     analytics/constants.rs and quota_limiter_shim.rs (reasons), context.rs (headers)
//   - https://posthog.com/docs/api/capture: batch, uuid, sent_at, size of a request
//   - https://posthog.com/docs/data/sessions: what a $session_id must be
//   - https://posthog.com/docs/data/ingestion-warnings and PostHog/posthog.com, pull request
//     18299: 5000 events a minute of one distinct_id
//   - PostHog/posthog, rust/capture: api.rs and v0_endpoint.rs (statuses, the texts of
//     refusals, status and quota_limited), payload/decompression.rs (gzip), and rust/common/types/event.rs
//     (token and distinct_id among the properties)
//   - PostHog/posthog, posthog/models/event/sql.py: copies are merged by uuid, event,
//     distinct_id and day. All are the same at every attempt, but for an event within
//     moments of midnight (UTC), whose corrected time may fall on either day. The newer
//     table for native JSON also merges by the time itself, which the time of sending makes
//     differ by the moments between two attempts: there a lost answer leaves two rows with one
//     uuid. Without it wrong clocks would stay wrong, and an event from the future would
//     escape its deletion, so it stays: count uuids
package posthog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/posthog/posthog-go"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

const (
	// maxEvents and maxBatch keep a batch below 500 000 bytes as the SDK encodes it, where
	// that would make two requests of it: an event grows by 1100 bytes at most, but for
	// characters that the SDK escapes and the canonical encoding does not. A batch that is
	// full of those is refused before it is sent.
	maxEvents = 130
	maxBatch  = 350_000
	// maxEvent leaves room below the same 500 000 bytes for an event in which every
	// character is escaped, which makes six of it.
	maxEvent = 64<<10 - 1
	// perMinute is four fifths of what PostHog documents for one distinct_id, which is about
	// 5000: its servers count in windows of their own, and what waits on the way arrives later
	// and closer together than it left.
	perMinute = 4000
	// maxGroupType and maxGroupKey are more than names of products have, and little in each
	// event.
	maxGroupType, maxGroupKey = 40, 100
)

// The intakes.
const (
	intakeV1    = "v1"
	intakeBatch = "batch"
)

// Driver returns the driver "posthog".
func Driver() driver.Driver {
	return driver.Driver{
		Name: "posthog",
		Doc:  "sends events to PostHog Cloud (US or EU) or a PostHog of your own",
		Accepted: "PostHog's intake has taken the events, no more: it may answer alike to those that it drops, under a key that it does not know and, " +
			"with the older intake, over the project's quota",
		Warnings: warnings(),
		Settings: []driver.Setting{{
			Name:     "project_key",
			Doc:      "the project's key, which begins with phc_",
			Required: true,
			Secret:   true,
			Check:    checkKey,
		}, {
			Name: "instance",
			// No Default: whether it was set has to be seen beside an endpoint.
			Doc:    "PostHog Cloud's region, us or eu; us if there is no endpoint either",
			Values: []string{"us", "eu"},
		}, {
			Name: "endpoint",
			Doc:  "instead of instance: URL of a PostHog of your own or of a proxy, like https://posthog.example.com",
			// The path may hold a key.
			Secret: true,
			// Whether plain http will do is only known in Check.
			Check: func(value string) error { return checkEndpoint(value, true) },
		}, {
			Name: "intake",
			// No Default: it depends on whether there is an endpoint.
			Doc:    "PostHog's way in: v1, which says of each event what became of it, or the older batch; v1 for an instance, batch for an endpoint",
			Values: []string{intakeV1, intakeBatch},
		}, {
			Name:    "person_properties",
			Doc:     "on also keeps os, arch and tool_version on the person's profile, as the last event had them",
			Default: "off",
			Values:  []string{"on", "off"},
		}, {
			Name:  "group_type",
			Doc:   "type of the group that all events of the tool belong to, like product; with group_key",
			Check: checkGroupType,
		}, {
			Name:  "group_key",
			Doc:   "the group that all events of the tool belong to, like the name of the product; with group_type",
			Check: checkGroupKey,
		}},
		Limits: driver.Limits{Events: maxEvents, Bytes: maxBatch, EventBytes: maxEvent, PerMinute: perMinute},
		// created_at is the SDK's time of sending in v1, sent_at ours in the older intake.
		Momentary: []string{requestIDHeader, sentAtHeader, "created_at", "sent_at"},
		Hosts: func(settings map[string]string) []string {
			return driverhttp.Hosts(driverhttp.CheckEndpoint(endpoint(settings), true))
		},
		Check: check,
		Open:  open,
	}
}

// Option changes what [NewBackend] opens.
type Option func(*driver.Config)

// WithInstance chooses PostHog Cloud's region: "us" or "eu".
func WithInstance(instance string) Option {
	return func(cfg *driver.Config) { cfg.Settings["instance"] = instance }
}

// WithEndpoint sets the URL of a PostHog of one's own or of a proxy, instead of an instance.
func WithEndpoint(url string) Option {
	return func(cfg *driver.Config) { cfg.Settings["endpoint"] = url }
}

// WithIntake chooses PostHog's way in: "v1" or "batch".
func WithIntake(intake string) Option {
	return func(cfg *driver.Config) { cfg.Settings["intake"] = intake }
}

// NewBackend opens the backend without a collector. It sends to the US unless an option says
// otherwise. A mistake is a [*driver.ConfigError].
func NewBackend(projectKey string, options ...Option) (driver.Backend, error) {
	cfg := driver.Config{Settings: map[string]string{"project_key": projectKey}}
	for _, option := range options {
		option(&cfg)
	}
	return Driver().New(cfg)
}

func check(cfg driver.Config) error {
	own := cfg.Settings["endpoint"]
	if own != "" {
		if err := checkEndpoint(own, cfg.Insecure); err != nil {
			return driver.SettingError("endpoint", err.Error())
		}
		if cfg.Settings["instance"] != "" {
			return driver.SettingError("endpoint", "instance is set as well: keep one of them")
		}
	}
	if (cfg.Settings["group_type"] == "") != (cfg.Settings["group_key"] == "") {
		return driver.SettingError("group_type", "group_type and group_key go together: set both or none")
	}
	refuse := func(problem string) error {
		return &driver.ConfigError{Field: "Telemetry.Headers", Problem: problem}
	}
	var taken []string
	switch {
	case intake(cfg.Settings) == intakeV1:
		taken = ownHeaders
	case own == "" && driverhttp.HasHeader(cfg.Headers, "Authorization"):
		return refuse("Authorization is for PostHog's personal keys, which must not be in a program that others run: leave it out")
	}
	if err := driverhttp.CheckHeaders(cfg.Headers, taken...); err != nil {
		return refuse(err.Error())
	}
	return nil
}

func open(cfg driver.Config) (driver.Backend, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	b := &backend{
		client:   driverhttp.NewClient(cfg),
		endpoint: endpoint(cfg.Settings),
		key:      cfg.Settings["project_key"],
		v1:       intake(cfg.Settings) == intakeV1,
		persons:  cfg.Settings["person_properties"] == "on",
	}
	if kind := cfg.Settings["group_type"]; kind != "" {
		b.groups = map[string]string{kind: cfg.Settings["group_key"]}
	}
	return b, nil
}

// maxKey is what PostHog's capture takes: longer ones are answered 401.
const maxKey = 64

// checkKey refuses by name the keys that give away a project's data. No error of it
// repeats the key.
func checkKey(key string) error {
	switch {
	case strings.HasPrefix(key, "phx_"):
		return errors.New("a personal API key (phx_), which reads and changes what is in PostHog and must not be in a program that others run: use the project's key, which begins with phc_")
	case strings.HasPrefix(key, "phs_"):
		return errors.New("a project's secret key (phs_), which must not be in a program that others run: use the project's key, which begins with phc_")
	case !strings.HasPrefix(key, "phc_") || len(key) == len("phc_"):
		return errors.New("not a project key: it begins with phc_ and is in PostHog under Settings, Project")
	case strings.ContainsFunc(key, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-'
	}):
		return errors.New("not a project key: it has letters, digits and underscores only; was a space or a line break copied with it?")
	case len(key) > maxKey:
		return errors.New("not a project key: it is longer than the 64 characters that PostHog takes")
	}
	return nil
}

// intakePaths are the paths of PostHog's intake, older ones among them. What ends in one is an
// address that was copied from PostHog's documentation, to which another would be added.
var intakePaths = []string{"/batch", "/capture", "/e", "/engage", "/i/v0/e", "/i/v1/analytics/events", "/track"}

func checkEndpoint(value string, insecure bool) error {
	u, err := driverhttp.CheckEndpoint(value, insecure)
	if err != nil {
		return err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return errors.New("query in the URL: leave out ? and what follows, the intake's path is added at the end")
	}
	for _, known := range intakePaths {
		if _, is := driverhttp.CutEnding(u, known); is {
			return fmt.Errorf("the URL ends in %s/, a path of PostHog's intake: leave that out, the path is added at the end (see the setting intake)", known)
		}
	}
	return nil
}

func checkGroupType(value string) error {
	for _, r := range value {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return errors.New("not a group type: it has small letters, digits, _ and - only, like product")
		}
	}
	if len(value) > maxGroupType {
		return fmt.Errorf("too long: a group type has %d characters at most", maxGroupType)
	}
	return nil
}

func checkGroupKey(value string) error {
	switch {
	case len(value) > maxGroupKey:
		return fmt.Errorf("too long: a group key has %d bytes at most", maxGroupKey)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("not a group key: it holds a control character, or is no UTF-8")
	}
	return nil
}

// endpoint returns the URL of the intake, without a slash at its end.
func endpoint(settings map[string]string) string {
	switch own := settings["endpoint"]; {
	case own != "":
		return strings.TrimRight(own, "/")
	case settings["instance"] == "eu":
		return "https://eu.i.posthog.com"
	}
	return "https://us.i.posthog.com"
}

// intake is the one that the settings choose.
func intake(settings map[string]string) string {
	switch {
	case settings["intake"] != "":
		return settings["intake"]
	case settings["endpoint"] != "":
		return intakeBatch
	}
	return intakeV1
}

// Who sends, for PostHog's $lib and $lib_version. The version is that of the table in the
// package comment: its first number grows where a property changes its meaning, its second
// where one is added. Which release of a tool sent an event is in tool_version.
const (
	libName    = "github.com/gotoolbase/telemetry"
	libVersion = "1.0.0"
)

type backend struct {
	client        *driverhttp.Client
	endpoint, key string
	v1, persons   bool
	groups        map[string]string // nil for none
}

// Send has the SDK encode the batch and make one attempt.
// The SDK's client lives as long as the call: it has goroutines and a queue in memory,
// and neither may outlive the verdict.
func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	n := len(events)
	if n == 0 {
		return nil
	}
	if slices.ContainsFunc(events, unfit) {
		return driver.Refused(errors.New("posthog backend: an event has no type or time, or an ID that is no UUID"), n)
	}
	var answer driverhttp.Answer // written before the attempt ends, read after
	prepare, mode := b.batchRequest, posthog.CaptureModeLegacy
	if b.v1 {
		prepare, mode = b.v1Request, posthog.CaptureModeAnalyticsV1
	}
	attempt := b.client.OneAttempt(ctx,
		func(r *http.Request) (driverhttp.Request, error) { return prepare(r, events) },
		func(a driverhttp.Answer) error {
			answer = a
			return b.verdict(a, n, time.Now())
		})
	told := &callback{attempt: attempt, n: n, verdicts: map[string]string{}}
	client, err := posthog.NewWithConfig(b.key, posthog.Config{
		Endpoint:    b.endpoint,
		CaptureMode: mode,
		MaxRetries:  posthog.Ptr(0), // of what PostHog asks to be sent again
		Transport:   attempt,
		Callback:    told,
		Logger:      silent{}, // or it writes to the person's terminal
		IsServer:    posthog.Ptr(false),
		// One batch, and queues that are allocated up front no longer than it is.
		BatchSize:           n,
		MaxQueueSize:        n,
		MaxEnqueuedRequests: n,
		// Flush decides when, and ctx how long.
		Interval:           time.Hour,
		BatchUploadTimeout: time.Hour,
	})
	if err != nil {
		return errors.New("posthog backend: the SDK refuses its configuration")
	}
	for i := range events {
		e := &events[i]
		if err = client.Enqueue(posthog.Capture{
			Uuid: e.ID, Event: eventName(e), DistinctId: cmp.Or(e.MachineID, e.ID), Timestamp: e.Time,
			Properties: b.sdkProperties(e),
		}); err != nil {
			break // what is missing then keeps the request from being sent
		}
	}
	// Without a deadline: the attempt ends with ctx.
	_ = client.FlushWithContext(context.Background())
	// All is done by now. A context that has ended saves Close a tick of 100 ms, for
	// which it waits if the last goroutine has not quite ended.
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = client.CloseWithContext(over)
	err = attempt.Err()
	if err == nil && b.v1 {
		err = settle(events, answer, told.all(), time.Now())
	}
	if err != nil {
		return fmt.Errorf("posthog backend: %w", err)
	}
	return nil
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// unfit reports whether the intake would refuse e, and the whole batch with it, or the
// SDK would put something of its own making in the place of an ID or a time.
func unfit(e driver.Event) bool {
	return e.Type == "" || e.Time.IsZero() || !isUUID(e.ID)
}

// isUUID reports whether s is a UUID in the form of 36 lower-case characters.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// ours is the one property that the SDK is given, with all of an event's in it. Whatever
// is beside it in the SDK's request is not ours and is left out; see [wrapped].
const ours = "ours"

// other is the event in place of one that PostHog would act on.
const other = "other"

// isPostHogs reports whether PostHog has a meaning for a type: $create_alias, for one, joins two
// persons.
func isPostHogs(eventType string) bool { return strings.HasPrefix(eventType, "$") }

func eventName(e *driver.Event) string {
	if isPostHogs(e.Type) {
		return other
	}
	return e.Type
}

// sdkProperties are what the SDK is given. What it lifts out of the properties with v1 is
// beside ours.
func (b *backend) sdkProperties(e *driver.Event) posthog.Properties {
	p := b.properties(e)
	given := posthog.Properties{ours: p}
	for _, name := range []string{sessionID, personProfile} {
		if value, there := p[name]; there && b.v1 {
			given[name] = value
			delete(p, name)
		}
	}
	return given
}

const (
	sessionID     = "$session_id"
	personProfile = "$process_person_profile"
)

// properties is the table of the package comment.
func (b *backend) properties(e *driver.Event) map[string]any {
	p := map[string]any{
		// An address that is no one's: for one that is empty PostHog takes the sender's.
		"$ip":            "0.0.0.0",
		"$geoip_disable": true,
		"$lib":           libName,
		"$lib_version":   libVersion,
		"event_name":     e.Name,
		"tool_name":      e.Tool,
		"$os":            e.OS,
		"arch":           e.Arch,
		"ci":             e.CI,
		"interactive":    e.Interactive,
		"container":      e.Container,
	}
	text := func(key, value string) {
		if value != "" {
			p[key] = value
		}
	}
	number := func(key string, value int) {
		if value != 0 {
			p[key] = value
		}
	}
	if isPostHogs(e.Type) {
		p["event_type"] = e.Type
	}
	text("tool_version", e.Version)
	text("os_version", e.OSVersion)
	text("go_version", e.GoVersion)
	text("ci_provider", e.CIProvider)
	text("agent", e.Agent)
	text("run_id", e.RunID)
	text(sessionID, e.RunID)
	text("error", e.Error)
	text("error_class", e.ErrorClass)
	text("consent_id", e.ConsentID)
	number("count", e.Count)
	number("failures", e.Failures)
	number("sample_rate", e.SampleRate)
	number("truncated", e.Truncated)
	number("redacted", e.Redacted)
	if len(e.Flags) > 0 {
		p["flags"] = e.Flags
	}
	if len(e.Args) > 0 {
		p["args"] = e.Args
	}
	if len(e.Durations) > 0 {
		p["durations"] = e.Durations
	}
	if e.DurationMS != nil {
		p["duration_ms"] = *e.DurationMS
	}
	if e.ExitCode != nil {
		p["exit_code"] = *e.ExitCode
	}
	if e.TimeAdjusted {
		p["time_adjusted"] = true
	}
	if b.groups != nil {
		p["$groups"] = b.groups
	}
	switch {
	case e.MachineID == "":
		p[personProfile] = false
	case b.persons:
		p["$set"] = person(e)
	}
	for key, value := range e.Metadata {
		if reserved(key) {
			key = metadataPrefix + key
		}
		p[key] = value
	}
	return p
}

// person is all that is kept on the profile of a person.
func person(e *driver.Event) map[string]string {
	p := map[string]string{"os": e.OS, "arch": e.Arch}
	if e.Version != "" {
		p["tool_version"] = e.Version
	}
	return p
}

const metadataPrefix = "metadata_"

// reserved reports whether a key of the author's would mean something else as a property.
func reserved(key string) bool {
	switch key {
	case "event_type", "event_name", "tool_name", "tool_version", "arch", "os_version", "go_version", "ci", "ci_provider", "interactive",
		"agent", "container", "run_id", "duration_ms", "exit_code", "flags", "args", "error", "error_class", "consent_id",
		"count", "failures", "durations", "sample_rate", "truncated", "redacted", "time_adjusted": // ours
		return true
	case "token", "distinct_id": // read by the intake
		return true
	}
	return strings.HasPrefix(key, "$") || strings.HasPrefix(key, metadataPrefix)
}

// fits reports what is wrong with the SDK's request for a batch. The SDK makes several of
// one that is too large for it, and leaves out an event that is. One Send is one request, or
// none.
func fits[P any](sdk []item[P], events []driver.Event) error {
	if !slices.EqualFunc(sdk, events, func(i item[P], e driver.Event) bool { return i.UUID == e.ID }) {
		return driver.Refused(errors.New("the batch does not fit into one request of the SDK's"), len(events))
	}
	return nil
}

// item is an event on the wire. P is what it has as properties.
type item[P any] struct {
	UUID       string `json:"uuid"`
	Event      string `json:"event"`
	DistinctID string `json:"distinct_id"`
	Timestamp  string `json:"timestamp"`
	// SessionID and Options are v1's.
	SessionID  string          `json:"session_id,omitempty"`
	Options    json.RawMessage `json:"options,omitempty"`
	Properties P               `json:"properties"`
}

// wrapped is what the SDK makes of the properties: ours in one of them, beside its own.
type wrapped struct {
	Ours json.RawMessage `json:"ours"`
}

// unwrap returns the events without what the SDK adds to them.
func unwrap(sdk []item[wrapped]) []item[json.RawMessage] {
	list := make([]item[json.RawMessage], len(sdk))
	for n, i := range sdk {
		list[n] = item[json.RawMessage]{i.UUID, i.Event, i.DistinctID, i.Timestamp, i.SessionID, i.Options, i.Properties.Ours}
	}
	return list
}

// encode returns the JSON text of a body, with <, > and & as they are.
func encode(body any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, errors.New("the request cannot be encoded")
	}
	return text.Bytes(), nil
}

// callback is a posthog.Callback for the n events of an attempt. The SDK calls it from
// goroutines of its own, which may be late.
type callback struct {
	attempt *driverhttp.OneAttempt
	n       int

	mu       sync.Mutex
	verdicts map[string]string // by event ID: what the SDK makes of the answer
}

// Success implements posthog.Callback.
func (c *callback) Success(m posthog.APIMessage) { c.note(m, resultOK) }

// Failure implements posthog.Callback: of an event that makes no request because it is too
// large for the SDK, of one with a verdict of its own, or of all of them.
func (c *callback) Failure(m posthog.APIMessage, err error) {
	if errors.Is(err, posthog.ErrMessageTooBig) {
		c.attempt.Fail(driver.Refused(errors.New("an event is too large for the SDK"), c.n))
	}
	if own, ok := errors.AsType[*posthog.CaptureEventError](err); ok {
		c.note(m, own.Result)
	}
}

func (c *callback) note(m posthog.APIMessage, verdict string) {
	if sent, ok := m.(posthog.CaptureInApi); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.verdicts[sent.Uuid] = verdict
	}
}

// all returns the verdicts so far.
func (c *callback) all() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.verdicts)
}

// silent is a posthog.Logger.
type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Logf(string, ...any)   {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// verdict is what an answer means to a batch of n events as a whole, as the tables of the
// package comment have it.
func (b *backend) verdict(a driverhttp.Answer, n int, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("answered %d: %s", a.Status, next) }
	switch a.Status {
	case 429:
		if b.v1 && errorCode(a) == unpaid {
			return driverhttp.Later(a, now, driverhttp.RepairWait, say("PostHog wants to be paid: check the project's plan"))
		}
		return driverhttp.Later(a, now, 0, say("PostHog asks to try again"))
	case 408, 425:
		return driverhttp.Later(a, now, 0, say("PostHog asks to try again"))
	case 413:
		return driver.TooLarge(say("the batch is too large"))
	}
	if a.Status/100 == 4 && driverhttp.LooksLikeHTML(a) {
		return say("with a web page, so this is not PostHog: log in to this network, or check Settings[endpoint]")
	}
	switch a.Status {
	case 400:
		if b.v1 {
			return refusedV1(a, n, say)
		}
		return refusedBatch(a, n, say)
	case 401, 403:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the key is refused: check Settings[project_key] and its region"))
	case 402:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("PostHog wants to be paid: check the project's plan"))
	}
	switch a.Status / 100 {
	case 2:
		if driverhttp.LooksLikeHTML(a) {
			return say("with a web page, so the events are not known to be stored: log in to this network, or check Settings[endpoint]")
		}
		if b.v1 {
			return answeredV1(a, say)
		}
		return acknowledged(a, say)
	case 3:
		return say("redirects are not followed: check Settings[endpoint], or log in to this network")
	case 4:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("no events are taken at this address: check Settings[endpoint]"+b.otherIntake()))
	case 5:
		return driverhttp.Later(a, now, 0, say("PostHog failed"+b.otherIntake()))
	}
	return say("not an answer to a POST: check Settings[endpoint]")
}

// otherIntake says what else may be wrong where a PostHog is asked that may not serve v1.
func (b *backend) otherIntake() string {
	if b.v1 && !strings.HasSuffix(b.endpoint, ".i.posthog.com") {
		return "; a PostHog of one's own may not serve v1: then set Settings[intake] to batch"
	}
	return ""
}
