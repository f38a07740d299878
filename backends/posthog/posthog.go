// Package posthog is the backend that sends events to PostHog, the cloud's or one's
// own. Tool authors name it "posthog".
//
//	Telemetry: props.TelemetryConfig{
//		Backend:  "posthog",
//		Drivers:  []driver.Driver{posthog.Driver()},
//		Settings: map[string]string{"project_key": "phc_…", "instance": "eu"},
//	}
//
// # What becomes of an event
//
//	driver.Event        PostHog
//	ID                  uuid
//	Type                event
//	MachineID           distinct_id; the event's own ID where there is none
//	Time                timestamp
//	ConsentID           properties.consent_id
//	Name                properties.event_name
//	Tool, Version       properties.tool_name, .tool_version
//	OS, OSVersion       properties.$os, .os_version (a family, "debian 12")
//	Arch, GoVersion     properties.arch, .go_version
//	DurationMS          properties.duration_ms
//	ExitCode            properties.exit_code
//	Args, Error         properties.args, .error
//	Truncated           properties.truncated
//	Metadata            properties, each under its own key, or under metadata_<key>
//	-                   properties.$ip = "0.0.0.0", .$geoip_disable = true
//	-                   sent_at, once a batch: PostHog corrects a wrong clock with it
//
// Metadata is merged into the properties, because PostHog's filters and breakdowns offer
// properties and not what is nested in them. A key that has a meaning of its own gets the
// prefix metadata_, so that no author's value can stand where ours, PostHog's or the
// sender's identity is read: the names above, whatever begins with $, the names token and
// distinct_id, which the intake also looks for in there, and whatever begins with
// metadata_, so that no two keys become one.
//
// Nothing else is sent. The SDK adds its name, the Go version and the exact release and
// distribution of the system, and puts its own value over $os; all of it is taken out
// again before a byte leaves.
//
// # What an answer means
//
//	2xx with {"status": "Ok"} or 1       accepted, which is what PostHog says on receipt
//	the same with quota_limited          kept, 1 h: PostHog has dropped the events
//	2xx with anything else               kept: a captive portal, or another site
//	400 with a text                      one event spoils a batch, so the batch comes again
//	                                     in halves; an event that is refused alone is lost
//	413                                  too large: comes again in smaller batches
//	401 402 403 404, every other 4xx     kept, 1 h: key, plan or address are wrong, the
//	                                     events are not
//	408 425 429, every 5xx               kept; where Retry-After is given, for that long
//	3xx, the rest                        kept; a redirect is never followed
//	4xx with a web page, empty 400       kept: PostHog's capture says in a text what is
//	                                     wrong with an event, so something in between
//	                                     answered; but for 408, 413, 425 and 429, which say
//	                                     the same from there
//
// PostHog may drop events over quota, or for an unknown key, and still answer Ok. That
// cannot be seen from here.
//
// # Addresses and keys
//
// PostHog takes the sender's address from the connection unless $ip holds another, and an
// empty one does not count; so it holds 0.0.0.0, and no place is looked up. What PostHog's
// own servers log of a connection is theirs. Switch on "Discard client IP data" in the
// project as well: the two do not depend on each other.
//
// A project key is meant to be public. Whoever has it can write events and read none.
//
// # Persons
//
// PostHog keeps a profile for each distinct_id, which costs more than events without one.
// It stays on: PostHog deletes events by the person whom they belong to, so events without
// a profile could not be erased on request. No property of a person is ever set. An event
// without a machine ID, which the collector sends where it can store none, is nobody's to
// have erased, and gets no profile: $process_person_profile is false.
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
//   - posthog-go v1.27.0: capture.go (properties that it adds), posthog.go (batches, retries)
//   - https://posthog.com/docs/api/capture: batch, uuid, sent_at, size of a request
//   - PostHog/posthog, rust/capture: api.rs and v0_endpoint.rs (statuses, the texts of
//     refusals, status and quota_limited), payload/decompression.rs (gzip), and rust/common/types/event.rs
//     (token and distinct_id among the properties)
//   - PostHog/posthog, posthog/models/event/sql.py: copies are merged by uuid, event,
//     distinct_id and day. All are the same at every attempt, but for an event within
//     moments of midnight (UTC), whose corrected time may fall on either day. The newer
//     table for native JSON also merges by the time itself, which sent_at makes differ by
//     the moments between two attempts: there a lost answer leaves two rows with one uuid.
//     Without sent_at wrong clocks would stay wrong, and an event from the future would
//     escape its erasure, so it stays: count uuids
package posthog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posthog/posthog-go"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

const (
	// maxEvents and maxBatch keep a batch below 500 000 bytes as the SDK encodes it, where
	// that would make two requests of it: an event grows by 600 bytes at most, but for
	// characters that the SDK escapes and the canonical encoding does not. A batch that is
	// full of those is refused in [backend.request].
	maxEvents = 250
	maxBatch  = 350_000
	// maxEvent leaves room below the same 500 000 bytes for an event in which every
	// character is escaped, which makes six of it.
	maxEvent = 64<<10 - 1
	// repairWait is how long a wrong key or address, or an exhausted quota, is left alone.
	// It takes a new release of the tool to repair, or somebody with the account.
	repairWait = time.Hour
)

// Driver returns the driver "posthog".
func Driver() driver.Driver {
	return driver.Driver{
		Name:     "posthog",
		Doc:      "sends events to PostHog Cloud (US or EU) or a PostHog of your own",
		Accepted: "PostHog answers alike to events that it drops, over the project's quota or under a key that it does not know",
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
			Doc:  "URL of a PostHog of your own or of a proxy, instead of instance, like https://posthog.example.com",
			// Whether plain http will do is only known in Open.
			Check: func(value string) error { return checkEndpoint(value, true) },
		}},
		Limits: driver.Limits{Events: maxEvents, Bytes: maxBatch, EventBytes: maxEvent},
		Hosts: func(settings map[string]string) []string {
			u, err := driverhttp.CheckEndpoint(endpoint(settings), true)
			if err != nil {
				return nil
			}
			return []string{u.Host}
		},
		Open: open,
	}
}

// Option changes a setting of [NewBackend].
type Option func(settings map[string]string)

// WithInstance chooses PostHog Cloud's region: "us" or "eu".
func WithInstance(region string) Option {
	return func(settings map[string]string) { settings["instance"] = region }
}

// WithEndpoint names a PostHog of one's own, or a proxy.
func WithEndpoint(url string) Option {
	return func(settings map[string]string) { settings["endpoint"] = url }
}

// NewBackend makes a backend for direct use, without a collector. It sends to the US
// unless an option says otherwise. A mistake is a [*driver.ConfigError].
func NewBackend(projectKey string, options ...Option) (driver.Backend, error) {
	settings := map[string]string{"project_key": projectKey}
	for _, option := range options {
		option(settings)
	}
	resolved, err := Driver().Resolve(settings)
	if err != nil {
		return nil, err
	}
	return open(driver.Config{Settings: resolved})
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

func checkEndpoint(value string, insecure bool) error {
	u, err := driverhttp.CheckEndpoint(value, insecure)
	if err == nil && (u.RawQuery != "" || u.ForceQuery) {
		err = errors.New("query in the URL: leave out ? and what follows, /batch/ is added at the end")
	}
	return err
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

func open(cfg driver.Config) (driver.Backend, error) {
	if own := cfg.Settings["endpoint"]; own != "" {
		const field = "Telemetry.Settings[endpoint]"
		if err := checkEndpoint(own, cfg.Insecure); err != nil {
			return nil, &driver.ConfigError{Field: field, Problem: err.Error()}
		}
		if cfg.Settings["instance"] != "" {
			return nil, &driver.ConfigError{Field: field, Problem: "instance is set as well: keep one of them"}
		}
	}
	if err := driverhttp.CheckHeaders(cfg.Headers); err != nil {
		return nil, &driver.ConfigError{Field: "Telemetry.Headers", Problem: err.Error()}
	}
	return &backend{
		client:   driverhttp.NewClient(cfg),
		endpoint: endpoint(cfg.Settings),
		key:      cfg.Settings["project_key"],
	}, nil
}

type backend struct {
	client        *driverhttp.Client
	endpoint, key string
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
	attempt := b.client.OneAttempt(ctx,
		func(r *http.Request) (driverhttp.Request, error) { return b.request(r, events) },
		func(a driverhttp.Answer) error { return verdict(a, n, time.Now()) })
	client, err := posthog.NewWithConfig(b.key, posthog.Config{
		Endpoint:  b.endpoint,
		Transport: attempt,
		Callback:  dropped{attempt, n},
		Logger:    silent{}, // or it writes to the person's terminal
		IsServer:  posthog.Ptr(false),
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
			Uuid: e.ID, Event: e.Type, DistinctId: cmp.Or(e.MachineID, e.ID), Timestamp: e.Time,
			Properties: posthog.Properties{ours: properties(e)},
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
	if err := attempt.Err(); err != nil {
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

// properties is the table of the package comment.
func properties(e *driver.Event) map[string]any {
	p := map[string]any{
		// An address that is no one's: for one that is empty PostHog takes the sender's.
		"$ip":            "0.0.0.0",
		"$geoip_disable": true,
		"event_name":     e.Name,
		"tool_name":      e.Tool,
		"$os":            e.OS,
		"arch":           e.Arch,
	}
	optional := func(key, value string) {
		if value != "" {
			p[key] = value
		}
	}
	if e.MachineID == "" {
		p["$process_person_profile"] = false
	}
	optional("tool_version", e.Version)
	optional("os_version", e.OSVersion)
	optional("go_version", e.GoVersion)
	optional("error", e.Error)
	optional("consent_id", e.ConsentID)
	if len(e.Args) > 0 {
		p["args"] = e.Args
	}
	if e.DurationMS != nil {
		p["duration_ms"] = *e.DurationMS
	}
	if e.ExitCode != nil {
		p["exit_code"] = *e.ExitCode
	}
	if e.Truncated != 0 {
		p["truncated"] = e.Truncated
	}
	for key, value := range e.Metadata {
		if reserved(key) {
			key = metadataPrefix + key
		}
		p[key] = value
	}
	return p
}

const metadataPrefix = "metadata_"

// reserved reports whether a key of the author's would mean something else as a property.
func reserved(key string) bool {
	switch key {
	case "event_name", "tool_name", "tool_version", "arch", "os_version", "go_version",
		"duration_ms", "exit_code", "args", "error", "consent_id", "truncated": // ours
		return true
	case "token", "distinct_id": // read by the intake
		return true
	}
	return strings.HasPrefix(key, "$") || strings.HasPrefix(key, metadataPrefix)
}

// body is that of a batch. P is what its events have as properties.
type body[P any] struct {
	APIKey string    `json:"api_key"`
	SentAt time.Time `json:"sent_at"`
	Batch  []item[P] `json:"batch"`
}

type item[P any] struct {
	UUID       string `json:"uuid"`
	Event      string `json:"event"`
	DistinctID string `json:"distinct_id"`
	Timestamp  string `json:"timestamp"`
	Properties P      `json:"properties"`
}

// wrapped is what the SDK makes of the properties: ours in one of them, beside its own.
type wrapped struct {
	Ours json.RawMessage `json:"ours"`
}

// request makes the request that is sent out of the SDK's: the same fields, the properties
// that are ours, and the time of sending.
func (b *backend) request(r *http.Request, events []driver.Event) (driverhttp.Request, error) {
	var sdk body[wrapped]
	if err := json.NewDecoder(r.Body).Decode(&sdk); err != nil {
		return driverhttp.Request{}, errors.New("the SDK's request cannot be read")
	}
	// The SDK makes several requests of a batch that is too large for it, and leaves out
	// an event that is. One Send is one request, or none.
	if !slices.EqualFunc(sdk.Batch, events, func(i item[wrapped], e driver.Event) bool { return i.UUID == e.ID }) {
		return driverhttp.Request{}, driver.Refused(errors.New("the batch does not fit into one request of the SDK's"), len(events))
	}
	sent := body[json.RawMessage]{APIKey: sdk.APIKey, SentAt: time.Now().UTC(), Batch: make([]item[json.RawMessage], len(sdk.Batch))}
	for n, i := range sdk.Batch {
		sent.Batch[n] = item[json.RawMessage]{i.UUID, i.Event, i.DistinctID, i.Timestamp, i.Properties.Ours}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(sent); err != nil {
		return driverhttp.Request{}, errors.New("the request cannot be encoded")
	}
	return driverhttp.Request{
		URL:    b.endpoint + "/batch/",
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   text.Bytes(),
		Gzip:   true,
	}, nil
}

// dropped is a posthog.Callback for the n events of an attempt.
type dropped struct {
	attempt *driverhttp.OneAttempt
	n       int
}

// Success implements posthog.Callback. What is accepted is known already.
func (dropped) Success(posthog.APIMessage) {}

// Failure implements posthog.Callback: an event too large for the SDK makes no request.
func (d dropped) Failure(_ posthog.APIMessage, err error) {
	if errors.Is(err, posthog.ErrMessageTooBig) {
		d.attempt.Fail(driver.Refused(errors.New("an event is too large for the SDK"), d.n))
	}
}

// silent is a posthog.Logger.
type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Logf(string, ...any)   {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// verdict is the table of the package comment, for an answer to a batch of n events.
func verdict(a driverhttp.Answer, n int, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("answered %d: %s", a.Status, next) }
	switch a.Status {
	case 408, 425, 429:
		return later(a, now, say("PostHog asks to try again"))
	case 413:
		return driver.TooLarge(say("the batch is too large"))
	}
	if a.Status/100 == 4 && driverhttp.LooksLikeHTML(a) {
		return say("with a web page, so this is not PostHog: log in to this network, or check Settings[endpoint]")
	}
	switch a.Status {
	case 400:
		if len(bytes.TrimSpace(a.Body)) == 0 {
			return say("without a reason, so this is not PostHog: check Settings[endpoint], and what is in between")
		}
		return driver.Refused(say("PostHog does not take one of the events"), n)
	case 401, 403:
		return driver.Throttled(say("the key is refused: check Settings[project_key] and its region"), repairWait)
	case 402:
		return driver.Throttled(say("PostHog wants to be paid: check the project's plan"), repairWait)
	}
	switch a.Status / 100 {
	case 2:
		return acknowledged(a, say)
	case 3:
		return say("redirects are not followed: check Settings[endpoint], or log in to this network")
	case 4:
		return driver.Throttled(say("no events are taken at this address: check Settings[endpoint]"), repairWait)
	case 5:
		return later(a, now, say("PostHog failed"))
	}
	return say("not an answer to a POST: check Settings[endpoint]")
}

// acknowledged reads the body of a 2xx, which alone says whether PostHog has the events.
func acknowledged(a driverhttp.Answer, say func(string) error) error {
	var body struct {
		Status       any             `json:"status"`
		QuotaLimited json.RawMessage `json:"quota_limited"`
	}
	if err := json.Unmarshal(a.Body, &body); err != nil || body.Status != "Ok" && body.Status != 1.0 {
		return say("without PostHog's acknowledgement, so the events are not stored: log in to this network, or check Settings[endpoint]")
	}
	switch string(body.QuotaLimited) {
	case "", "null", "[]", "false":
		return nil
	}
	return driver.Throttled(say("the project's quota is used up, and PostHog has dropped the events"), repairWait)
}

// later marks err with the wait that the answer asks for, if it does.
func later(a driverhttp.Answer, now time.Time, err error) error {
	if wait, ok := driverhttp.RetryAfter(a.Header, now); ok {
		return driver.Throttled(err, wait)
	}
	return err
}
