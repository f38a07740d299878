//go:build !notelemetry

// Package datadog is the backend that sends events to Datadog Log Management, as logs.
// Tool authors list it among their drivers and name it; [NewBackend] is for those who have
// no use for the collector.
//
//	Telemetry: props.TelemetryConfig{
//		Backend:  "datadog",
//		Drivers:  []driver.Driver{datadog.Driver()},
//		Settings: map[string]string{"endpoint": "https://telemetry.example.com/datadog"},
//	}
//
// # Which key
//
// The key travels with the tool to people who are not you. In this order:
//
//	relay          a small server of yours adds the API key. Set "endpoint" and no key.
//	               Nothing in the tool can be abused, the relay can refuse nonsense, and
//	               Datadog sees its address, not that of the person.
//	client_token   a token that Datadog makes for public programs (pub…). It can send logs
//	               and nothing else, so anybody can send false ones until it is revoked.
//	api_key        for tools that stay inside a company. In a shipped binary it is a risk:
//	               anybody can read it out, send whatever the account is charged for as
//	               any host or service, and revoking it stops everything else that uses it.
//
// A client token goes where Datadog's mobile SDKs take theirs, to browser-intake-… with
// DD-EVP-ORIGIN (the setting source), DD-EVP-ORIGIN-VERSION (the tool's version) and
// DD-REQUEST-ID (the ID of the first event) beside the key, and ddsource in the query. That Datadog takes it from other programs is unverified:
// try it before you ship it. This intake records the sender's address
// (network.client.ip); whether the one for API keys does is not documented. Only a relay
// keeps it from them. An application key is refused: it acts as a person.
//
// # Where an event's fields go
//
// The number is the page below that says what Datadog makes of it. Without one the name is
// ours, which is that of the canonical JSON where it has one, and means nothing to Datadog.
// Its own names have a dot in them where its pages write one: usr.id is not nested.
//
//	Type, Name       message "type: name", cut to 200 bytes [3]; event_type, event_name
//	Tool             service [3], in lower case: what is searched for, and deleted, has to be
//	                 what was sent. tool_name where that is not the same, also because the
//	                 setting "service" takes the place
//	setting source   ddsource [3]
//	MachineID        hostname [3]: Datadog deletes by host and service; usr.id [7]
//	Time             event_time, RFC 3339; timestamp or date, the log's official date (see
//	                 below) [3]
//	Version          tag version [9]; tool_version, exact
//	setting env      tag env [9]
//	Type, OS, Arch   tags event_type, os, arch, with _ for what a tag cannot hold [4]; the
//	                 exact values are attributes of the same names
//	outcome          status: info, warn or error (see below) [8]
//	DurationMS       duration, in nanoseconds [7]; duration_ms in its place where that is
//	                 beyond an int64, which is 292 years
//	ErrorClass       error.kind [7] [10]
//	Error            error.message [7] [10], only where there is a text
//	ID               event_id            ConsentID      consent_id
//	RunID            run_id              Metadata       metadata, nested
//	ExitCode         exit_code           OSVersion      os_version
//	Args, Flags      args, flags         GoVersion      go_version
//	CI, CIProvider   ci, ci_provider     Container      container
//	Interactive      interactive         Agent          agent
//	Count, Failures  count, failures     SampleRate     sample_rate
//	Truncated        truncated           Redacted       redacted
//	TimeAdjusted     time_adjusted
//	Durations        duration_buckets.le_10ms and so on to .le_300000ms and .over_300000ms:
//	                 how many runs took so long and longer than the bucket before, so that
//	                 records are merged with a sum of each
//
// Metadata stays under one key because the intake reads some names (host, status, date,
// service…) wherever a log begins with them.
//
// # Status
//
// Datadog reads status by its first letters [8]:
//
//	error   an error class, a text of an error, an exit code other than 0, failures in a
//	        folded record, or the type command.error; but for the following
//	warn    ended_unrecorded, of which it is not known whether it failed; telemetry.loss
//	info    interrupted, since who ends a command makes no error of it; everything else
//
// Error Tracking takes logs with the status error, a service, and error.kind or error.stack
// [10], so every failure with a class, which the collector gives each. It groups them by
// what they have: there is never an error.stack, which would hold paths, so no frames, no
// suspect commits and no code beside an issue, and without ExtendedCollection no text
// either. An issue is then a class of errors in a service, and says how many and in which
// versions. It has to be switched on for logs in Datadog. This is what is documented: no
// account was at hand to try it.
//
// # Late events
//
// Datadog drops a log whose date is more than 18 h past or 2 h ahead, after a 202. So in
// place of timestamp date is sent, which is the full hour 16 to 17 h ago where the event is
// older, and the next full hour where it is ahead; event_time always is when it happened. (What
// reads the format and knows timestamp alone, as VictoriaLogs does, takes the time of arrival.) Date
// depends on the hour of sending, not on the moment: a batch that is sent again within
// the hour is the same. Chart by event_time what has to be exact.
//
// # What a status means
//
//	202              accepted, whatever its body, except for a web page
//	400              with {"errors": […]}: one log spoils a request, so the batch comes
//	                 again in halves; a log that is refused alone is lost
//	413              too large: comes again in smaller batches
//	408 429, 5xx     kept; for Retry-After or X-Ratelimit-Reset, where one is given
//	401 403 407      kept, 1 h or longer: the key is wrong, the events are not
//	404, other 4xx   kept, 1 h or longer: the address or the way to it is wrong, the events are not
//	anything else    kept: another 2xx, a redirect, a 400 without that body and a 4xx with
//	                 a web page come from something in between
//
// Datadog documents that body for every refusal, and its own Agent gives logs up at 400,
// 401, 403 and 413 only. A relay that refuses a log must answer in the same form.
//
// A 202 means that the logs will be processed. Datadog knows no second delivery of a log,
// so a batch whose answer got lost is there twice: count by event_id.
//
// # What is taken of the SDK
//
// Its sites and intakes, the header of the key, and the call; never api/datadogV2, which
// takes 8 GB to compile, and never NewDefaultContext, which reads DD_SITE, DD_API_KEY and
// more from the environment. The request is carried by driverhttp: the SDK's own client
// follows redirects with the key, waits for ever and names the system in its user agent.
// Build with CGO_ENABLED=0, or the SDK links a compression library in C.
//
// # Sources
//
//	[1]  docs.datadoghq.com/api/latest/logs/#send-logs                  call, statuses, errors, limits
//	[2]  docs.datadoghq.com/agent/guide/agent-retry/                    what the Agent sends again
//	[3]  docs.datadoghq.com/logs/log_configuration/pipelines/           names that are read, dates
//	[4]  docs.datadoghq.com/getting_started/tagging/                    form of a tag
//	[5]  docs.datadoghq.com/getting_started/site/                       sites
//	[6]  docs.datadoghq.com/account_management/api-app-keys/            keys and client tokens
//	[7]  docs.datadoghq.com/standard-attributes/                        duration, usr.id, error.*
//	[8]  docs.datadoghq.com/logs/log_configuration/processors/log_status_remapper/
//	[9]  docs.datadoghq.com/getting_started/tagging/unified_service_tagging/
//	[10] docs.datadoghq.com/error_tracking/backend/logs/                what becomes an issue, and
//	     names with a dot beside nested ones
//	[11] docs.datadoghq.com/logs/explorer/search_syntax/                what a search finds unquoted
//	[12] github.com/DataDog/datadog-api-client-go v2.67.0, api/datadog  sites, header of the key
//	[13] github.com/DataDog/dd-sdk-android, LogsRequestFactory          form with a client token
package datadog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/DataDog/datadog-api-client-go/v2/api/datadog"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

const (
	// submitLog and path name the one call that is made.
	submitLog = "v2.LogsApi.SubmitLog"
	path      = "/api/v2/logs"
	// maxItems is Datadog's. maxBatch and maxItem stay 2 % and 1 % below its 5 MB and 1 MB,
	// since it does not say how it counts, and a log above the limit is cut in silence.
	maxItems = 1000
	maxBatch = 4_900_000
	maxItem  = 990_000
	// added is how much larger than its canonical encoding an event gets at most: the
	// message, at 6 bytes a byte where all is escaped (1200), five tags (538), source,
	// service and usr.id (300), names of buckets (180), other names and the date (180). A
	// test looks for worse.
	added = 2500
	// maxMessage, maxTag and maxLabel bound what is written twice or set by the author.
	// Datadog takes 200 characters of a tag and 100 of a service.
	maxMessage = 200
	maxTag     = 100
	maxLabel   = 100
	// maxAnswer is far above the {} of a 202.
	maxAnswer = 64 << 10
)

// Driver returns the driver "datadog".
func Driver() driver.Driver {
	var names []string
	for _, r := range regions() {
		names = append(names, r.name)
	}
	for _, r := range regions() {
		if !slices.Contains(names, r.site) { // of two regions one site
			names = append(names, r.site)
		}
	}
	return driver.Driver{
		Name: "datadog",
		Doc:  "sends events to Datadog Log Management",
		Accepted: "Datadog, or a relay in front of it, has taken the logs to process them; Datadog answers alike to those that it then " +
			"drops, such as over an index's daily quota",
		Settings: []driver.Setting{{
			Name:   "api_key",
			Doc:    "API key of the organisation; only for tools that stay inside it",
			Secret: true,
			Check:  checkAPIKey,
		}, {
			Name:   "client_token",
			Doc:    "client token (pub…), instead of api_key; unverified, see the package",
			Secret: true,
			Check:  checkClientToken,
		}, {
			Name:    "site",
			Doc:     "region or site of the organisation, like eu1 or datadoghq.eu",
			Default: "us1",
			Values:  names,
		}, {
			Name: "endpoint",
			Doc:  "instead of site: URL of a relay or proxy; " + path + " is added unless it is there",
			// The path may hold a key.
			Secret: true,
			// Whether plain http will do is only known in Check.
			Check: func(value string) error {
				_, err := relayURL(value, true)
				return err
			},
		}, {
			Name: "source",
			Doc:  "ddsource of every log: the name of a Datadog integration switches its pipeline on",
			// No integration has this name, so that logs are stored as they are sent.
			Default: "gotoolbase",
			Check:   checkSource,
		}, {
			Name:  "service",
			Doc:   "service of every log; the tool's name in lower case if not set",
			Check: checkLabel,
		}, {
			Name:  "env",
			Doc:   "tag env of every log, like prod; none if not set",
			Check: checkLabel,
		}},
		// Of an event that is older than the intake takes.
		Momentary: []string{"date"},
		// Datadog's limits less what the encoding here adds to the canonical one.
		Limits: driver.Limits{Events: maxItems, Bytes: maxBatch - maxItems*added, EventBytes: maxItem - added},
		Hosts:  func(settings map[string]string) []string { return driverhttp.Hosts(base(settings)) },
		Check:  check,
		Open:   open,
	}
}

// Option changes what [NewBackend] opens.
type Option func(*driver.Config)

// WithSite says where the organisation is: a region (us1, us3, us5, eu1, uk1, ap1, ap2, gov,
// us1-fed, us2-fed) or a site (datadoghq.eu). It is us1 if not set.
func WithSite(site string) Option { return with("site", site) }

// WithEndpoint sets the URL of a relay or proxy, instead of a site.
func WithEndpoint(url string) Option { return with("endpoint", url) }

// WithSource sets ddsource, "gotoolbase" if not set.
func WithSource(source string) Option { return with("source", source) }

// WithService sets the service of every log, the event's tool if not set.
func WithService(service string) Option { return with("service", service) }

// WithEnv sets the tag env of every log. There is none if not set.
func WithEnv(env string) Option { return with("env", env) }

func with(name, value string) Option {
	return func(cfg *driver.Config) { cfg.Settings[name] = value }
}

// NewBackend opens the backend without a collector. A key that begins with pub is a
// client token. Where WithEndpoint names a relay that adds the key, apiKey may be empty.
// A mistake is a [*driver.ConfigError].
func NewBackend(apiKey string, options ...Option) (driver.Backend, error) {
	key := "api_key"
	if strings.HasPrefix(apiKey, "pub") {
		key = "client_token"
	}
	cfg := driver.Config{Settings: map[string]string{key: apiKey}}
	for _, option := range options {
		option(&cfg)
	}
	return Driver().New(cfg)
}

func check(cfg driver.Config) error {
	key, token, endpoint := cfg.Settings["api_key"], cfg.Settings["client_token"], cfg.Settings["endpoint"]
	switch {
	case key != "" && token != "":
		return driver.SettingError("client_token", "api_key is set too: keep one of them")
	case key == "" && token == "" && endpoint == "":
		return driver.SettingError("api_key", "no key: set api_key or client_token, or the endpoint of a relay that adds one")
	case endpoint != "":
		if _, err := relayURL(endpoint, cfg.Insecure); err != nil {
			return driver.SettingError("endpoint", err.Error())
		}
	}
	refuse := func(problem string) error {
		return &driver.ConfigError{Field: "Telemetry.Headers", Problem: problem}
	}
	switch has := func(name string) bool { return driverhttp.HasHeader(cfg.Headers, name) }; {
	case has("DD-APPLICATION-KEY"):
		return refuse("DD-APPLICATION-KEY holds a key that acts as a person, which must not be in a tool: leave it out")
	case has("DD-API-KEY"):
		return refuse("DD-API-KEY is not to be set here: set Settings[api_key]")
	case endpoint == "" && has("Authorization"):
		return refuse("Authorization is for keys that act as a person, which must not be in a tool: leave it out")
	}
	own := []string{"Accept"}
	if token != "" {
		own = append(own, "DD-EVP-ORIGIN", "DD-EVP-ORIGIN-VERSION", "DD-REQUEST-ID")
	}
	if err := driverhttp.CheckHeaders(cfg.Headers, own...); err != nil {
		return refuse(err.Error())
	}
	return nil
}

func open(cfg driver.Config) (driver.Backend, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	settings := maps.Clone(cfg.Settings)
	u, err := base(settings)
	if err != nil {
		return nil, driver.SettingError("endpoint", err.Error())
	}
	key, token, endpoint := settings["api_key"], settings["client_token"], settings["endpoint"]
	if cfg.Transport == nil {
		cfg.Transport = driverhttp.NewTransport()
	}
	cfg.Transport = headDecides{cfg.Transport}
	carrier := carrier{driverhttp.NewClient(cfg)}

	config := sdk.NewConfiguration()
	config.HTTPClient = &http.Client{
		Transport:     carrier,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if endpoint != "" || token != "" {
		config.OperationServers[submitLog] = sdk.ServerConfigurations{{URL: u.String()}}
	}
	ctx := context.WithValue(context.Background(), sdk.ContextServerVariables, map[string]string{"site": site(settings)})
	server, err := config.ServerURLWithContext(ctx, submitLog)
	if err != nil {
		return nil, driver.SettingError("site", "not a site that Datadog's SDK knows")
	}

	b := &backend{
		client: carrier.client, sdk: sdk.NewAPIClient(config), url: server + path, query: url.Values{},
		header: map[string]string{"Content-Type": "application/json", "Accept": "application/json"},
		source: settings["source"], service: settings["service"], env: settings["env"],
	}
	if token != "" {
		key, b.token = token, true
		b.query.Set("ddsource", b.source)
		b.header["DD-EVP-ORIGIN"], b.header["DD-EVP-ORIGIN-VERSION"] = b.source, plain(cfg.Version)
	}
	if key != "" {
		ctx = context.WithValue(ctx, sdk.ContextAPIKeys, map[string]sdk.APIKey{"apiKeyAuth": {Key: key}})
		sdk.SetAuthKeys(ctx, &b.header, [2]string{"apiKeyAuth", "DD-API-KEY"})
	}
	return b, nil
}

// regions are the names of Datadog's documentation and its sites. The SDK knows the
// latter too, in a table of all calls that takes 0.1 ms to make: too much for a command
// that only lists its drivers. A test compares the two.
func regions() []struct{ name, site string } {
	return []struct{ name, site string }{
		{"us1", "datadoghq.com"}, {"us3", "us3.datadoghq.com"}, {"us5", "us5.datadoghq.com"},
		{"eu1", "datadoghq.eu"}, {"uk1", "uk1.datadoghq.com"}, {"ap1", "ap1.datadoghq.com"}, {"ap2", "ap2.datadoghq.com"},
		{"gov", "ddog-gov.com"}, {"us1-fed", "ddog-gov.com"}, {"us2-fed", "us2.ddog-gov.com"},
	}
}

func site(settings map[string]string) string {
	for _, r := range regions() {
		if r.name == settings["site"] {
			return r.site
		}
	}
	return settings["site"]
}

// base is the address that the path of the call is added to.
func base(settings map[string]string) (*url.URL, error) {
	switch site := site(settings); {
	case settings["endpoint"] != "":
		return relayURL(settings["endpoint"], true)
	case settings["client_token"] != "":
		dot := strings.LastIndexByte(site, '.')
		return &url.URL{Scheme: "https", Host: "browser-intake-" + strings.ReplaceAll(site[:dot], ".", "-") + site[dot:]}, nil
	default:
		return &url.URL{Scheme: "https", Host: "http-intake.logs." + site}, nil
	}
}

func checkAPIKey(value string) error {
	switch {
	case strings.HasPrefix(value, "pub"):
		return errors.New("that is a client token: set client_token instead")
	case strings.HasPrefix(value, "ddapp_"), strings.HasPrefix(value, "ddpat_"),
		len(value) == 40 && strings.Trim(value, "0123456789abcdef") == "": // an API key has 32 digits
		return errors.New("that is not an API key but one that acts as a person: it must not be in a tool")
	}
	return driverhttp.CheckKey(value)
}

func checkClientToken(value string) error {
	if !strings.HasPrefix(value, "pub") {
		return errors.New("not a client token: it begins with pub")
	}
	return driverhttp.CheckKey(value)
}

func checkSource(value string) error {
	switch value {
	case "browser", "android", "ios", "flutter", "react-native", "kotlin-multiplatform", "roku", "unity":
		return fmt.Errorf("%q makes Datadog record the sender's address and system: choose another name", value)
	}
	return checkLabel(value)
}

// checkLabel allows what Datadog keeps as it is and a search finds without quotes, so
// that deleting by service works.
func checkLabel(value string) error {
	wrong := func(r rune) bool { return !isPlain(r) }
	if len(value) > maxLabel || strings.ContainsFunc(value, wrong) || value[0] < 'a' {
		return fmt.Errorf("%q is not a name for Datadog: use at most %d lower case letters, digits and _-./, a letter first", value, maxLabel)
	}
	return nil
}

// relayURL makes the address that path is added to of the one that an author sets.
func relayURL(value string, insecure bool) (*url.URL, error) {
	u, err := driverhttp.CheckEndpoint(value, insecure)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, errors.New("query in the URL: put what the relay wants to see into Telemetry.Headers")
	}
	// The intake before this one, which also took the key as what follows.
	_, older := driverhttp.CutEnding(u, "/v1/input")
	_, olderWithKey := driverhttp.CutEnding(u.JoinPath(".."), "/v1/input")
	if older || olderWithKey {
		return nil, errors.New("an address of Datadog's intake before this one: leave out /v1/input and what follows, " + path + " is added, and the key is a setting")
	}
	u, _ = driverhttp.CutEnding(u, path)
	return u, nil
}

type backend struct {
	client               *driverhttp.Client
	sdk                  *sdk.APIClient
	url                  string
	query                url.Values
	header               map[string]string
	source, service, env string
	token                bool
}

func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	now := time.Now()
	items := make([]item, len(events))
	for i := range events {
		items[i] = b.item(&events[i], now)
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // or < takes 6 bytes, which the limits do not allow for
	if err := encoder.Encode(items); err != nil {
		return driver.Permanent(errors.New("datadog backend: the events cannot be encoded"))
	}
	header := maps.Clone(b.header) // the SDK writes into it
	if b.token {
		// Each request of the mobile SDKs has a UUID. This one is the same at each attempt.
		header["DD-REQUEST-ID"] = plain(events[0].ID)
	}
	request, err := b.sdk.PrepareRequest(ctx, b.url, http.MethodPost, body.Bytes(), header, b.query, nil, nil)
	if err != nil {
		return errors.New("datadog backend: the request cannot be made")
	}
	response, err := b.sdk.CallAPI(request)
	if err != nil {
		// net/http's error holds the URL; the one inside it is fit to be shown.
		if reason, ok := errors.AsType[*driverhttp.Error](err); ok {
			return fmt.Errorf("datadog backend: %w", reason)
		}
		return errors.New("datadog backend: no usable answer")
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body) // from memory
	return verdict(driverhttp.Answer{Status: response.StatusCode, Header: response.Header, Body: text}, len(events), time.Now())
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// item is a log, as the call of the SDK documents it: seven names that Datadog reads, and
// attributes.
type item struct {
	Message   string `json:"message"`
	Status    string `json:"status"`
	Source    string `json:"ddsource"`
	Service   string `json:"service,omitempty"`
	Hostname  string `json:"hostname,omitempty"`
	Tags      string `json:"ddtags,omitempty"`
	Timestamp int64  `json:"timestamp,omitempty"` // in ms, as Date is, of which a log has one
	Date      int64  `json:"date,omitempty"`

	ID           string            `json:"event_id"`
	Type         string            `json:"event_type"`
	Name         string            `json:"event_name"`
	Time         string            `json:"event_time"`
	User         string            `json:"usr.id,omitempty"`
	RunID        string            `json:"run_id,omitempty"`
	Duration     *int64            `json:"duration,omitempty"` // in ns
	DurationMS   *int64            `json:"duration_ms,omitempty"`
	ExitCode     *int              `json:"exit_code,omitempty"`
	Args         []string          `json:"args,omitempty"`
	Flags        []string          `json:"flags,omitempty"`
	ErrorKind    string            `json:"error.kind,omitempty"`
	ErrorMessage string            `json:"error.message,omitempty"`
	Tool         string            `json:"tool_name,omitempty"`
	Version      string            `json:"tool_version,omitempty"`
	OS           string            `json:"os"`
	Arch         string            `json:"arch"`
	OSVersion    string            `json:"os_version,omitempty"`
	GoVersion    string            `json:"go_version,omitempty"`
	CI           bool              `json:"ci"`
	CIProvider   string            `json:"ci_provider,omitempty"`
	Interactive  bool              `json:"interactive"`
	Agent        string            `json:"agent,omitempty"`
	Container    bool              `json:"container"`
	ConsentID    string            `json:"consent_id,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Count        int               `json:"count,omitempty"`
	Failures     int               `json:"failures,omitempty"`
	Durations    map[string]int    `json:"duration_buckets,omitempty"`
	SampleRate   int               `json:"sample_rate,omitempty"`
	Truncated    int               `json:"truncated,omitempty"`
	Redacted     int               `json:"redacted,omitempty"`
	TimeAdjusted bool              `json:"time_adjusted,omitempty"`
}

func (b *backend) item(e *driver.Event, now time.Time) item {
	i := item{
		Message: cut(e.Type+": "+e.Name, maxMessage), Status: status(e.Severity()),
		Source: b.source, Service: cmp.Or(b.service, serviceOf(e.Tool)), Hostname: e.MachineID,
		Tags: tags("event_type", e.Type, "version", e.Version, "env", b.env, "os", e.OS, "arch", e.Arch),
		ID:   e.ID, Type: e.Type, Name: e.Name, Time: e.Time.UTC().Format(time.RFC3339Nano),
		User: plain(e.MachineID), RunID: e.RunID, ExitCode: e.ExitCode, Args: e.Args, Flags: e.Flags, ErrorKind: e.ErrorClass, ErrorMessage: e.Error,
		Version: e.Version, OS: e.OS, Arch: e.Arch, OSVersion: e.OSVersion, GoVersion: e.GoVersion,
		CI: e.CI, CIProvider: e.CIProvider, Interactive: e.Interactive, Agent: e.Agent, Container: e.Container,
		ConsentID: e.ConsentID, Metadata: e.Metadata, Count: e.Count, Failures: e.Failures, Durations: buckets(e.Durations),
		SampleRate: e.SampleRate, Truncated: e.Truncated, Redacted: e.Redacted, TimeAdjusted: e.TimeAdjusted,
	}
	if i.Service != e.Tool {
		i.Tool = e.Tool
	}
	if date := officialDate(e.Time, now); date.Equal(e.Time) {
		i.Timestamp = date.UnixMilli()
	} else {
		i.Date = date.UnixMilli()
	}
	i.Duration, i.DurationMS = nanoseconds(e.DurationMS)
	return i
}

func status(s driver.Severity) string {
	switch s {
	case driver.SeverityError:
		return "error"
	case driver.SeverityWarn:
		return "warn"
	}
	return "info"
}

// serviceOf returns the service of a tool's logs: of every name that a tool may have, one
// that package deletion/datadog searches for.
func serviceOf(tool string) string {
	service := strings.ToLower(plain(tool))
	if service != "" && strings.Contains("-./", service[:1]) {
		return "_" + service[1:]
	}
	return service
}

// nanoseconds converts a duration. What does not fit is returned as it is, beside nil.
func nanoseconds(ms *int64) (ns, tooLong *int64) {
	const each = int64(time.Millisecond)
	if ms == nil || *ms > math.MaxInt64/each || *ms < math.MinInt64/each {
		return nil, ms
	}
	n := *ms * each
	return &n, nil
}

// buckets names each count of an event's durations by what it counts.
func buckets(counts []int) map[string]int {
	if len(counts) == 0 {
		return nil
	}
	named, bounds := make(map[string]int, len(counts)), driver.DurationBounds()
	for i, n := range counts {
		if i < len(bounds) {
			named[fmt.Sprintf("le_%dms", bounds[i])] = n
		} else {
			named[fmt.Sprintf("over_%dms", bounds[len(bounds)-1])] += n
		}
	}
	return named
}

// officialDate moves a time to where the intake accepts it, with an hour to spare on
// either side for a clock that is wrong and an intake that is slow. Full hours keep the
// date of a late event the same over the attempts of an hour.
func officialDate(at, now time.Time) time.Time {
	oldest, newest := now.Add(-16*time.Hour).Truncate(time.Hour), now.Add(time.Hour).Truncate(time.Hour)
	switch {
	case at.Before(oldest):
		return oldest
	case at.After(newest):
		return newest
	}
	return at
}

// tags writes pairs of names and values. A value is never empty, nor does it hold what
// separates tags: readers of the format have been seen to crash on a tag without one.
func tags(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		if value := plain(pairs[i+1]); value != "" {
			list = append(list, pairs[i]+":"+value)
		}
	}
	return strings.Join(list, ",")
}

// plain puts _ for what Datadog would replace in a tag anyway, and for a colon.
func plain(value string) string {
	return strings.Map(func(r rune) rune {
		if isPlain(r) || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, cut(value, maxTag))
}

func isPlain(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./", r)
}

// cut returns at most n bytes of s, and no half of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// verdict is the table of the package comment, for an answer to n events. No text of the
// server's goes into an error: it may repeat an event, or the key.
func verdict(a driverhttp.Answer, n int, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("datadog backend: answered %d: %s", a.Status, next) }
	switch status := a.Status; {
	case status == 202 && driverhttp.LooksLikeHTML(a):
		return say("with a web page, so the logs are not stored: log in to this network, or check Settings[endpoint]")
	case status == 202:
		return nil
	case status == 407:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the proxy wants credentials: check HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"))
	case status == 408, status == 429, status >= 500:
		err := say("Datadog asks to try again later")
		wait, asked := driverhttp.RetryAfter(a.Header, now)
		// Datadog's own header for rate limits, in seconds.
		reset, limited := driverhttp.RetryAfter(http.Header{"Retry-After": a.Header.Values("X-Ratelimit-Reset")}, now)
		if asked || limited {
			return driver.Throttled(err, max(wait, reset))
		}
		return err
	case status == 413:
		return driver.TooLarge(say("the batch is too large"))
	case status >= 400 && driverhttp.LooksLikeHTML(a):
		return say("with a web page, so this is not Datadog: log in to this network, or check Settings[endpoint]")
	case status == 400 && !documented(a.Body):
		return say("but not as Datadog would: check Settings[endpoint], or what is in between")
	case status == 400:
		return driver.Refused(say("Datadog does not take one of the logs: report the mapping as wrong"), n)
	case status == 401, status == 403:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the key is refused: check that it is valid and belongs to Settings[site]"))
	case status >= 400:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("no logs are taken at this address: check Settings[endpoint]"))
	case status >= 300:
		return say("redirects are not followed, since they would take the key along: check Settings[site] or Settings[endpoint]")
	}
	return say("only 202 is an acceptance: log in to this network, or check Settings[endpoint]")
}

// documented reports whether the body of a refusal is the one that Datadog documents: a
// list of errors, of which the intake sends objects and its gateway texts.
func documented(body []byte) bool {
	var refusal struct {
		Errors []json.RawMessage `json:"errors"`
	}
	return json.Unmarshal(body, &refusal) == nil && len(refusal.Errors) > 0
}

// carrier is the SDK's transport: it has driverhttp make the exchange, which is one
// attempt within the context's time, compressed where that pays, and whose errors hold
// no secret.
type carrier struct{ client *driverhttp.Client }

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body) // from memory
	if err != nil {
		return nil, err
	}
	header := r.Header.Clone()
	header.Del("User-Agent")     // that of the SDK names the system; driverhttp's does not
	header.Del("Content-Length") // of the body before it was compressed
	answer, err := c.client.Post(r.Context(), driverhttp.Request{URL: r.URL.String(), Header: header, Body: body, Gzip: true})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: answer.Status, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(answer.Body)), Request: r,
	}, nil
}

// headDecides lets a 202 count whose body is cut or too long. To driverhttp no answer is
// whole without its body, but this one says nothing more, and what Datadog has accepted
// must not come a second time.
type headDecides struct{ next http.RoundTripper }

func (h headDecides) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.next.RoundTrip(r)
	if err != nil || resp == nil || resp.StatusCode != http.StatusAccepted || resp.Body == nil {
		return resp, err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, nil
}

// CloseIdleConnections is what driverhttp's Close calls.
func (h headDecides) CloseIdleConnections() {
	if t, ok := h.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
