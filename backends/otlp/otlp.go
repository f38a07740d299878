//go:build !notelemetry

// Package otlp is the backend that sends events as OpenTelemetry log records, to a
// Collector or to any store that takes OTLP over HTTP: Grafana Cloud, a Datadog Agent,
// VictoriaLogs. Tool authors list otlp.Driver() among their drivers and set
// TelemetryConfig.OTelEndpoint.
//
// # Settings
//
//	endpoint  base URL, as vendors' pages show it for OTEL_EXPORTER_OTLP_ENDPOINT, or the
//	          whole address of logs; https, or http to this machine. TelemetryConfig's
//	          OTelEndpoint sets it too.
//	headers   as those pages show it for OTEL_EXPORTER_OTLP_HEADERS, such as
//	          Authorization=Basic%20aWQ6a2V5; adds to TelemetryConfig.Headers
//	service   service.name, the tool's name if left out
//	resource  attributes of the resource, like
//	          service.namespace=acme,deployment.environment.name=production; from a closed
//	          list, see below
//	conventions
//	          keys of metadata that are names of the semantic conventions, like
//	          vcs.provider.name,db.system.name; from a closed list, see below
//
// A key in a program that people download is a key that they can read: give it the right
// to write logs and no other, or send to a Collector of your own that adds the key.
//
// # What becomes of an event
//
// Every event is one log record with an event name. Names of the semantic conventions
// are those of version 1.44.0; what they have no name for is under "gotoolbase.", as the
// canonical JSON calls it. The number is the page below that says so.
//
//	event        OTLP                                       stability of the name
//	ID           attribute log.record.uid [3]               development
//	RunID        attribute session.id [4]                   development
//	Type         EventName [1], gotoolbase.event.type       stable, ours
//	Name         attribute gotoolbase.event.name            ours
//	Type, Name   body "type: name" [1]                      stable
//	Time         TimeUnixNano and ObservedTimeUnixNano [1]  stable
//	outcome      SeverityNumber and SeverityText [2]:       stable
//	             9 INFO, 13 WARN, 17 ERROR, see below
//	DurationMS   attribute gotoolbase.duration_ms, integer  ours
//	ExitCode     attribute process.exit.code, integer [5]   release candidate
//	ErrorClass   attribute error.type [6]; "_OTHER" where   stable
//	             something failed and has no class
//	Error        attribute exception.message [7], only      stable
//	             where there is a text
//	Args, Flags  attributes gotoolbase.args and .flags,     ours
//	             lists of strings
//	Tool         resource service.name [8],                 stable
//	             attribute process.executable.name [5]      release candidate
//	Version      resource service.version [8]               stable
//	OS           attribute os.type [9]                      development
//	OSVersion    attribute os.version [9]                   development
//	Arch         attribute host.arch [10]                   development
//	GoVersion    attribute process.runtime.version [5],     release candidate
//	             with process.runtime.name "go"
//	Interactive  attribute process.interactive [5], boolean release candidate
//	CI, CIProvider attributes gotoolbase.ci, boolean, and   ours
//	             gotoolbase.ci_provider
//	Agent        attribute gotoolbase.agent                 ours
//	Container    attribute gotoolbase.container, boolean    ours
//	MachineID    attribute app.installation.id [11]         development
//	ConsentID    attribute gotoolbase.consent.id            ours
//	Metadata     attribute gotoolbase.metadata.<key>, or    ours
//	             <key> where the setting conventions has it as [12] says
//	Count, Failures attributes gotoolbase.count and         ours
//	             gotoolbase.failures, integers
//	Durations    attributes gotoolbase.durations.           ours
//	             bucket_counts and .explicit_bounds_ms,
//	             lists of integers: named, counted and
//	             merged as OTLP's histograms are [13]
//	SampleRate, Truncated, Redacted                         ours
//	             attributes gotoolbase.sample_rate,
//	             .truncated and .redacted, integers
//	TimeAdjusted attribute gotoolbase.time_adjusted,        ours
//	             boolean, only where true
//
// The resource names what sends by telemetry.sdk.name (this module), .language and .version
// (of this table), as does the scope of the records [8].
//
// What an event does not have makes no attribute. The type is there twice because some
// stores drop EventName. Values that the conventions spell in a way of their own are
// spelt so: os.type "dragonflybsd", host.arch "x86" and "arm32". The name of the
// executable is the one that the author declared: what a person calls the file is theirs.
// Of whether the process is connected to an interactive shell, as the conventions have it,
// the tool knows that standard input and standard error are terminals.
// Platform, installation and process are attributes of the record, not of the resource: the
// Collector's resourcedetection processor overwrites a resource with the Collector's own
// machine, and some stores make an index, with a price, of every resource.
//
// ERROR is a failure: an error class, a text of an error, an exit code other than 0,
// failures in a folded record, or the type command.error. WARN is what ended_unrecorded, of
// which it is not known whether it failed, and telemetry.loss get. INFO is everything else,
// also what a person interrupted; error.type then is "interrupted".
//
// # What has no name in the conventions
//
// cicd.* has names for pipelines, runs, tasks and workers, and none for the system that
// runs them [14]; those that it has would say whose pipeline it is. container.* has names
// that identify a container or its image, and one for the runtime, which a tool inside
// cannot tell [15]. There is none for a coding agent.
//
// # Names that an author may add
//
// Resource attributes are the same for everybody who has the build. A value has up to 100
// letters, digits and _-./+, a letter or digit first. No name is taken that could hold a
// person, a machine or a place: host.*, user.*, service.instance.id and so on.
//
//	app.build_id                 development
//	deployment.environment.name  stable
//	service.namespace            stable
//	telemetry.distro.name        stable
//	telemetry.distro.version     stable
//
// The setting conventions says that the author means what the conventions mean by a key of
// metadata. Its names say of what kind something was, never which one. All are strings in
// the conventions, as metadata are; none is one that the backend sets.
//
//	cicd.pipeline.action.name    cicd.pipeline.task.type
//	cloud.platform               cloud.provider
//	container.runtime.name       db.system.name
//	feature_flag.key             feature_flag.provider.name
//	feature_flag.result.reason   feature_flag.result.variant
//	http.request.method          messaging.system
//	network.protocol.name        network.protocol.version
//	network.transport            rpc.system.name
//	vcs.provider.name            vcs.ref.type
//
// # What an answer means
//
// The meanings are those of the OTLP specification, but for the rows marked with *.
//
//	2xx, empty or nothing rejected  accepted; a warning in it changes nothing
//	2xx, n records rejected         settled, n lost: it is not said which, and the
//	                                specification forbids to send the batch again
//	2xx, web page or unreadable     kept: a captive portal or something else in between
//	429 502 503 504                 kept; where Retry-After is given, for that long at least
//	400 422, and 500 in OTLP      * the batch comes again in halves, which are other requests
//	                                than the one that must not be repeated; a record that is
//	                                refused alone is lost. A Collector refuses all records
//	                                for one, and what is above its max_request_body_size too
//	413                             too large: comes again in smaller batches
//	401 403                       * kept, 1 h or longer: the key is wrong, the events are not
//	404, every other 4xx          * kept, 1 h or longer: the address is wrong, the events are not
//	408, every other 5xx          * kept: of what is in between and fails, not of the receiver
//	407 511                       * kept: of the network in between
//	3xx                             kept; never followed, since the new place would be
//	                                sent the headers' keys
//	anything else                   kept
//
// The specification wants the rows with a * to be given up, and means receivers: their
// refusals have a Status in protobuf or JSON, or at least a text. A web page, an empty 400
// and a 500 in any other form come from something in between, which has not looked at the
// records, so with them the batch is kept; a 413 counts from there too.
//
// Acceptance is that of one hop: a Collector answers before a store behind it has the
// records. A batch whose answer got lost comes again, so stores should tell records
// apart by log.record.uid.
//
// OTLP cannot delete. The operator of the store deletes the records with the
// app.installation.id that a person asks to have deleted.
//
// # What has no effect
//
// No OTEL_ variable is read: those of the shell belong to the programs that a person
// develops, and name their receivers and keys. There is no SDK, no detector and no gRPC
// in this package.
//
// # Sources
//
//   - OTLP: https://opentelemetry.io/docs/specs/otlp/, sections OTLP/HTTP Request and
//     OTLP/HTTP Response
//   - types: https://github.com/open-telemetry/opentelemetry-proto, collector/logs/v1
//     and logs/v1 (both stable), in the build without gRPC, go.opentelemetry.io/proto/slim/otlp
//   - [1] https://opentelemetry.io/docs/specs/otel/logs/data-model/, and for events
//     https://opentelemetry.io/docs/specs/semconv/general/events/
//   - [2] https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
//
// and of https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0, below docs:
//
//	[3]  registry/attributes/log.md       [4]  registry/attributes/session.md
//	[5]  registry/attributes/process.md   [6]  registry/attributes/error.md
//	[7]  exceptions/exceptions-logs.md    [8]  registry/attributes/service.md
//	[9]  registry/attributes/os.md        [10] registry/attributes/host.md
//	[11] registry/attributes/app.md       [12] registry/attributes/README.md
//	[14] registry/attributes/cicd.md      [15] registry/attributes/container.md
//
// and [13] of opentelemetry-proto, metrics/v1, HistogramDataPoint.
package otlp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// SemConvVersion is the version of OpenTelemetry's semantic conventions that the names
// of attributes follow. It goes out as the schema URL, so that a Collector can translate
// names that change later.
const SemConvVersion = "1.44.0"

const (
	schemaURL = "https://opentelemetry.io/schemas/" + SemConvVersion
	// sdkName must not be "opentelemetry", which is reserved for its own SDKs.
	sdkName = "github.com/gotoolbase/telemetry"
	// sdkVersion goes up when the mapping of the package comment changes.
	sdkVersion = "3"
	// own is the prefix of names that the conventions do not have.
	own = "gotoolbase."
)

const (
	// maxEvents is what the SDKs of OpenTelemetry send at once, so what receivers are used to.
	maxEvents = 512
	// maxBatch keeps the worst case below 1,000,000 bytes, which Kafka exporters behind a
	// Collector take: metadata of one-letter keys and values grows from 8 bytes of JSON to
	// 30 of OTLP, and where versions alternate there is a resource for each event. A receiver
	// itself takes 20 MiB.
	maxBatch = 200 << 10
	// maxValue is the length of a resource attribute's value: what others take for a name.
	maxValue = 100
	// maxEvent leaves room for the names of attributes below 64 KiB, which is what Loki
	// (and so Grafana Cloud) takes as structured metadata of one line.
	maxEvent = 60_000
)

// Driver returns the driver "otlp".
func Driver() driver.Driver {
	return driver.Driver{
		Name: "otlp",
		Doc:  "sends events as OpenTelemetry log records over OTLP/HTTP",
		Accepted: "the receiver at this address has taken the records; a Collector answers before the store behind it has them, " +
			"and a store may drop what it finds too old",
		Settings: []driver.Setting{{
			Name:     "endpoint",
			Doc:      "base URL of the receiver, like https://otlp.example.com; /v1/logs is added unless it is there",
			Required: true,
			// The query may hold a key.
			Secret: true,
			// Whether plain http will do is only known in Check.
			Check: func(value string) error {
				_, err := logsURL(value, true)
				return err
			},
		}, {
			Name:   "headers",
			Doc:    "headers of every request, like name=value,name2=value2; in a value, write %2C for a comma and %25 for a percent sign",
			Secret: true,
			Check: func(value string) error {
				_, err := parseHeaders(value)
				return err
			},
		}, {
			Name: "service",
			Doc:  "service.name of the records, the tool's name if left out",
		}, {
			Name: "resource",
			Doc:  "attributes of the resource, like service.namespace=acme,deployment.environment.name=production",
			Check: func(value string) error {
				_, err := parseResource(value)
				return err
			},
		}, {
			Name: "conventions",
			Doc:  "keys of metadata that are names of the semantic conventions, like vcs.provider.name,db.system.name",
			Check: func(value string) error {
				_, err := parseConventions(value)
				return err
			},
		}},
		Limits: driver.Limits{Events: maxEvents, Bytes: maxBatch, EventBytes: maxEvent},
		Hosts: func(settings map[string]string) []string {
			return driverhttp.Hosts(logsURL(settings["endpoint"], true))
		},
		Check:    check,
		Open:     open,
		Readable: readable,
	}
}

// Option changes what [NewBackend] makes.
type Option func(*driver.Config)

// WithHeaders adds headers to every request. Their values are secrets.
func WithHeaders(headers map[string]string) Option {
	return func(cfg *driver.Config) {
		if cfg.Headers == nil {
			cfg.Headers = map[string]string{}
		}
		maps.Copy(cfg.Headers, headers)
	}
}

// WithService sets service.name, which is the tool's name otherwise.
func WithService(name string) Option {
	return func(cfg *driver.Config) { cfg.Settings["service"] = name }
}

// WithResource adds attributes to the resource: see the package comment for their names.
func WithResource(attributes map[string]string) Option {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		pairs = append(pairs, name+"="+attributes[name])
	}
	return func(cfg *driver.Config) { cfg.Settings["resource"] = strings.Join(pairs, ",") }
}

// WithConventions lists keys of metadata that mean what the semantic conventions mean by
// them: see the package comment for those that there may be.
func WithConventions(keys ...string) Option {
	return func(cfg *driver.Config) { cfg.Settings["conventions"] = strings.Join(keys, ",") }
}

// WithInsecure allows plain http:// to hosts other than loopback.
func WithInsecure() Option {
	return func(cfg *driver.Config) { cfg.Insecure = true }
}

// NewBackend opens the backend without a collector. A mistake is a [*driver.ConfigError].
func NewBackend(endpoint string, options ...Option) (driver.Backend, error) {
	cfg := driver.Config{Settings: map[string]string{"endpoint": endpoint}}
	for _, option := range options {
		option(&cfg)
	}
	return Driver().New(cfg)
}

func check(cfg driver.Config) error {
	_, _, err := destination(cfg)
	return err
}

func open(cfg driver.Config) (driver.Backend, error) {
	u, headers, err := destination(cfg)
	if err != nil {
		return nil, err
	}
	cfg.Headers = headers
	b := &backend{url: u.String(), service: cfg.Settings["service"]}
	if b.resource, err = parseResource(cfg.Settings["resource"]); err != nil {
		return nil, driver.SettingError("resource", err.Error())
	}
	if b.conventions, err = parseConventions(cfg.Settings["conventions"]); err != nil {
		return nil, driver.SettingError("conventions", err.Error())
	}
	b.client = driverhttp.NewClient(cfg)
	return b, nil
}

// destination is where logs are posted and with which headers, or the mistake in that.
func destination(cfg driver.Config) (*url.URL, map[string]string, error) {
	u, err := logsURL(cfg.Settings["endpoint"], cfg.Insecure)
	if err != nil {
		return nil, nil, driver.SettingError("endpoint", err.Error())
	}
	headers, err := parseHeaders(cfg.Settings["headers"])
	if err != nil {
		return nil, nil, driver.SettingError("headers", err.Error())
	}
	// Both kinds of headers go out. A name that is in both is refused as in either one:
	// which of two keys is the right one only the author knows.
	for name, value := range cfg.Headers {
		if _, twice := headers[name]; twice {
			return nil, nil, &driver.ConfigError{Field: "Telemetry.Headers", Problem: "a name is in Settings[headers] too: keep one"}
		}
		headers[name] = value
	}
	if err := driverhttp.CheckHeaders(headers); err != nil {
		return nil, nil, &driver.ConfigError{Field: "Telemetry.Headers", Problem: err.Error()}
	}
	return u, headers, nil
}

// logsURL makes the address that logs are posted to of the one that an author sets.
func logsURL(endpoint string, insecure bool) (*url.URL, error) {
	u, err := driverhttp.CheckEndpoint(endpoint, insecure)
	if err != nil {
		return nil, err
	}
	for _, signal := range []string{"/v1/traces", "/v1/metrics", "/v1development/profiles"} {
		// Such a place answers 404 or 400 to logs, which is final.
		if _, found := driverhttp.CutEnding(u, signal); found {
			return nil, errors.New("the address of another signal: leave out what begins with /v1")
		}
	}
	// Without a slash at the end, which some receivers answer with a 404.
	base, _ := driverhttp.CutEnding(u, "/v1/logs")
	return base.JoinPath("v1", "logs"), nil
}

// parseHeaders reads the form of OTEL_EXPORTER_OTLP_HEADERS, which is what vendors'
// pages show: pairs with commas between them, values with percent escapes. Its errors
// count pairs and repeat nothing: where a name is missing, a key stands in its place.
func parseHeaders(text string) (map[string]string, error) {
	headers := map[string]string{}
	if text == "" {
		return headers, nil
	}
	for i, pair := range strings.Split(text, ",") {
		name, escaped, _ := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		// A plus sign stays one: it is common in keys.
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if err != nil {
			return nil, fmt.Errorf("pair %d: a percent sign begins no escape: write it as %%25", i+1)
		}
		if strings.Trim(value, "=") == "" {
			return nil, fmt.Errorf("pair %d: write name=value, and a comma inside of a value as %%2C", i+1)
		}
		if _, twice := headers[name]; twice || driverhttp.CheckHeaders(map[string]string{name: value}) != nil {
			return nil, fmt.Errorf("pair %d: not a header that can be added: is the name there twice, "+
				"is it set by the backend (Content-Type), or was a line break copied along?", i+1)
		}
		headers[name] = value
	}
	return headers, nil
}

// resourceNames are the attributes that an author may add to the resource.
func resourceNames() []string {
	return []string{"app.build_id", "deployment.environment.name", "service.namespace", "telemetry.distro.name", "telemetry.distro.version"}
}

// parseResource reads pairs with commas between them, and returns them in the order of
// their names.
func parseResource(text string) ([][2]string, error) {
	var pairs [][2]string
	if text == "" {
		return nil, nil
	}
	for _, pair := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case !slices.Contains(resourceNames(), name):
			return nil, fmt.Errorf("%q is none of the attributes that may be added: %s", name, strings.Join(resourceNames(), ", "))
		case slices.ContainsFunc(pairs, func(p [2]string) bool { return p[0] == name }):
			return nil, fmt.Errorf("%s is there twice: keep one", name)
		case !isResourceValue(value):
			return nil, fmt.Errorf("the value of %s: use 1 to %d letters, digits and _-./+, a letter or digit first", name, maxValue)
		}
		pairs = append(pairs, [2]string{name, value})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return pairs, nil
}

// isResourceValue has no room for an address, a path with a home in it or a sentence.
func isResourceValue(s string) bool {
	if s == "" || len(s) > maxValue || strings.Contains("_-./+", s[:1]) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("_-./+", r)
	})
}

// conventionNames are the keys of metadata that an author may mean as the conventions do.
func conventionNames() []string {
	return []string{
		"cicd.pipeline.action.name", "cicd.pipeline.task.type", "cloud.platform", "cloud.provider", "container.runtime.name", "db.system.name",
		"feature_flag.key", "feature_flag.provider.name", "feature_flag.result.reason", "feature_flag.result.variant", "http.request.method",
		"messaging.system", "network.protocol.name", "network.protocol.version", "network.transport", "rpc.system.name", "vcs.provider.name", "vcs.ref.type",
	}
}

// parseConventions reads names with commas between them.
func parseConventions(text string) (map[string]bool, error) {
	keys := map[string]bool{}
	if text == "" {
		return keys, nil
	}
	for _, key := range strings.Split(text, ",") {
		if !slices.Contains(conventionNames(), key) {
			return nil, fmt.Errorf("%q is none of the names that may be listed: %s", key, strings.Join(conventionNames(), ", "))
		}
		if keys[key] {
			return nil, fmt.Errorf("%s is there twice: keep one", key)
		}
		keys[key] = true
	}
	return keys, nil
}

type backend struct {
	client       *driverhttp.Client
	url, service string
	resource     [][2]string
	conventions  map[string]bool
}

func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	body, err := proto.Marshal(b.request(events))
	if err != nil {
		// Only what is beyond 2 GiB or not UTF-8 cannot be encoded, and text has been mended.
		return driver.Permanent(errors.New("otlp backend: the batch cannot be encoded"))
	}
	answer, err := b.client.Post(ctx, driverhttp.Request{
		URL:    b.url,
		Header: http.Header{"Content-Type": {"application/x-protobuf"}},
		Body:   body,
		Gzip:   true, // every receiver has to understand it
	})
	if err != nil {
		return fmt.Errorf("otlp backend: %w", err)
	}
	return verdict(answer, len(events), time.Now())
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// request makes one ResourceLogs of each run of events from the same version. Events of
// two versions that alternate make more of them, but stay in order.
func (b *backend) request(events []driver.Event) *collector.ExportLogsServiceRequest {
	r := &collector.ExportLogsServiceRequest{}
	for len(events) > 0 {
		first := &events[0]
		n := slices.IndexFunc(events, func(e driver.Event) bool { return e.Tool != first.Tool || e.Version != first.Version })
		if n < 0 {
			n = len(events)
		}
		records := make([]*logs.LogRecord, n)
		for i := range records {
			records[i] = b.record(&events[i])
		}
		r.ResourceLogs = append(r.ResourceLogs, &logs.ResourceLogs{
			Resource:  &resource.Resource{Attributes: b.program(first)},
			ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: sdkName, Version: sdkVersion}, LogRecords: records, SchemaUrl: schemaURL}},
			SchemaUrl: schemaURL,
		})
		events = events[n:]
	}
	return r
}

// attributes collects pairs of a resource or of a record.
type attributes []*common.KeyValue

// program returns the resource: the tool, and by what it sends.
func (b *backend) program(e *driver.Event) attributes {
	a := make(attributes, 0, 5+len(b.resource))
	a.text("service.name", cmp.Or(b.service, e.Tool))
	a.text("service.version", e.Version)
	a.text("telemetry.sdk.name", sdkName)
	a.text("telemetry.sdk.language", "go")
	a.text("telemetry.sdk.version", sdkVersion)
	for _, pair := range b.resource {
		a.text(pair[0], pair[1])
	}
	return a
}

// record returns the log record of an event.
func (b *backend) record(e *driver.Event) *logs.LogRecord {
	const most = 31 // of them, apart from metadata
	a := make(attributes, 0, most+len(e.Metadata))
	a.text("log.record.uid", e.ID)
	a.text("session.id", e.RunID)
	a.text("app.installation.id", e.MachineID)
	a.text(own+"consent.id", e.ConsentID)
	a.text(own+"event.type", e.Type)
	a.text(own+"event.name", e.Name)
	if e.DurationMS != nil {
		a.number(own+"duration_ms", *e.DurationMS)
	}
	a.text("process.executable.name", e.Tool)
	if e.ExitCode != nil {
		a.number("process.exit.code", int64(*e.ExitCode))
	}
	severity := e.Severity()
	switch {
	case e.ErrorClass != "":
		a.text("error.type", e.ErrorClass)
	case severity == driver.SeverityError:
		// The conventions' value for all others makes failures countable in any store.
		a.text("error.type", "_OTHER")
	}
	a.text("exception.message", e.Error)
	a.texts(own+"args", e.Args)
	a.texts(own+"flags", e.Flags)
	a.text("os.type", osType(e.OS))
	a.text("os.version", e.OSVersion)
	a.text("host.arch", hostArch(e.Arch))
	if e.GoVersion != "" {
		a.text("process.runtime.name", "go")
		a.text("process.runtime.version", e.GoVersion)
	}
	a.boolean("process.interactive", e.Interactive)
	a.boolean(own+"ci", e.CI)
	a.text(own+"ci_provider", e.CIProvider)
	a.text(own+"agent", e.Agent)
	a.boolean(own+"container", e.Container)
	a.count(own+"count", e.Count)
	a.count(own+"failures", e.Failures)
	if len(e.Durations) > 0 {
		a.add(own+"durations.bucket_counts", listOf(e.Durations, numberValue))
		a.add(own+"durations.explicit_bounds_ms", listOf(driver.DurationBounds(), numberValue))
	}
	a.count(own+"sample_rate", e.SampleRate)
	a.count(own+"truncated", e.Truncated)
	a.count(own+"redacted", e.Redacted)
	if e.TimeAdjusted {
		a.boolean(own+"time_adjusted", true)
	}
	// Sorted, so that the same events make the same bytes.
	for _, key := range slices.Sorted(maps.Keys(e.Metadata)) {
		name := key
		if !b.conventions[key] {
			name = own + "metadata." + mend(key)
		}
		// An empty value is the author's, and stays.
		a.add(name, stringValue(e.Metadata[key]))
	}

	body := e.Type // the line that people read
	if e.Name != "" {
		body += ": " + e.Name
	}
	// The moment when the event was recorded is the moment when it happened. It must not be
	// that of sending, or a batch that comes again would differ. A clock before 1970 would
	// come out as the year 2554.
	at := uint64(max(e.Time.UnixNano(), 0))
	number, text := severityOf(severity)
	return &logs.LogRecord{
		TimeUnixNano:         at,
		ObservedTimeUnixNano: at,
		SeverityNumber:       number,
		SeverityText:         text,
		EventName:            mend(e.Type),
		Body:                 stringValue(body),
		Attributes:           a,
	}
}

func severityOf(s driver.Severity) (logs.SeverityNumber, string) {
	switch s {
	case driver.SeverityError:
		return logs.SeverityNumber_SEVERITY_NUMBER_ERROR, "ERROR"
	case driver.SeverityWarn:
		return logs.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	}
	return logs.SeverityNumber_SEVERITY_NUMBER_INFO, "INFO"
}

// text adds a value unless it is empty.
func (a *attributes) text(key, value string) {
	if value != "" {
		a.add(key, stringValue(value))
	}
}

func (a *attributes) number(key string, value int64) {
	a.add(key, numberValue(value))
}

// count adds a number unless it is 0.
func (a *attributes) count(key string, n int) {
	if n != 0 {
		a.number(key, int64(n))
	}
}

func (a *attributes) boolean(key string, value bool) {
	a.add(key, &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: value}})
}

// texts adds a list unless it is empty.
func (a *attributes) texts(key string, list []string) {
	if len(list) > 0 {
		a.add(key, listOf(list, stringValue))
	}
}

func (a *attributes) add(key string, value *common.AnyValue) {
	*a = append(*a, &common.KeyValue{Key: key, Value: value})
}

// listOf makes an attribute's value of several.
func listOf[T any](list []T, value func(T) *common.AnyValue) *common.AnyValue {
	values := make([]*common.AnyValue, len(list))
	for i, v := range list {
		values[i] = value(v)
	}
	return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: values}}}
}

func numberValue[T int | int64](n T) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(n)}}
}

// stringValue makes one allocation where the two types alone would make two: nine of
// ten values are strings.
func stringValue(s string) *common.AnyValue {
	v := &struct {
		any  common.AnyValue
		text common.AnyValue_StringValue
	}{}
	v.text.StringValue = mend(s)
	v.any.Value = &v.text
	return &v.any
}

// mend replaces what is not UTF-8: one such byte would make the whole batch impossible
// to encode.
func mend(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// osType and hostArch spell Go's names as the conventions do, which they require where
// they have a name. The other names are the same, or have no counterpart.
func osType(goos string) string {
	if goos == "dragonfly" {
		return "dragonflybsd"
	}
	return goos
}

func hostArch(goarch string) string {
	switch goarch {
	case "386":
		return "x86"
	case "arm":
		return "arm32"
	}
	return goarch
}

// readable returns a body in OTLP's JSON, but for the IDs, which here are base64 as protobuf has
// them: the records of this backend have none.
func readable(body []byte) (string, error) {
	var request collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return "", errors.New("otlp backend: the body is no request of OTLP")
	}
	text, err := protojson.Marshal(&request)
	var compact bytes.Buffer
	if err == nil {
		err = json.Compact(&compact, text) // protojson puts spaces in by chance
	}
	if err != nil {
		return "", errors.New("otlp backend: the body cannot be written as JSON")
	}
	return compact.String(), nil
}

// verdict is the table of the package comment, for an answer to a batch of n events. No
// text of the server's goes into an error: it may repeat an event, or a key.
func verdict(a driverhttp.Answer, n int, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("otlp backend: answered %d: %s", a.Status, next) }
	switch a.Status {
	case 407, 511:
		return say("the network wants credentials: log in to it, or check HTTPS_PROXY, HTTP_PROXY or ALL_PROXY")
	case 408, 429:
		return driverhttp.Later(a, now, 0, say("the receiver asks to try again"))
	case 413:
		return driver.TooLarge(say("the batch is too large"))
	}
	class := a.Status / 100
	if (class == 2 || class == 4) && driverhttp.LooksLikeHTML(a) {
		return say("with a web page, so the events are not stored: log in to this network, or check the endpoint")
	}
	switch {
	case class == 2:
		rejected, ok := readAnswer(a)
		switch {
		case !ok:
			return say("but not in OTLP, so the events may not be stored: check the endpoint")
		case rejected > 0:
			// More than there were is a mistake of the server's.
			return &driver.Partial{Unnamed: int(min(rejected, int64(n))), Err: say("the receiver rejected records of the batch")}
		}
		return nil
	case class == 3:
		return say("set the endpoint to the new address, redirects are not followed")
	case refusal(a):
		return driver.Refused(say("the receiver does not take these events: see its log"), n)
	case a.Status == 400, a.Status == 422:
		return say("without a reason, so not by a receiver of OTLP: check the endpoint, and what is in between")
	case a.Status == 401, a.Status == 403:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the credentials are refused: check Headers"))
	case class == 4:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("no events are taken at this address: check the endpoint"))
	case class == 5:
		return driverhttp.Later(a, now, 0, say("the receiver, or what is in between, failed"))
	}
	return say("not an answer to a POST: check the endpoint")
}

// refusal reports whether a receiver has judged the records. 500 is what a Collector
// answers where its pipeline will never take them, and anything else where it breaks.
func refusal(a driverhttp.Answer) bool {
	switch a.Status {
	case 400, 422:
		return len(a.Body) > 0
	case 500:
		kind := mediaType(a)
		return len(a.Body) > 0 && !driverhttp.LooksLikeHTML(a) && (kind == "application/x-protobuf" || kind == "application/json")
	}
	return false
}

func mediaType(a driverhttp.Answer) string {
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// readAnswer returns how many records the receiver says that it rejected, and whether
// the answer can be read. A message that comes with it is for people at the receiver. A
// partial success that is present but empty is what a Collector sends for success, so
// only the count decides.
func readAnswer(a driverhttp.Answer) (rejected int64, ok bool) {
	body := bytes.TrimLeft(a.Body, " \t\r\n")
	switch {
	case len(a.Body) == 0:
		return 0, true
	case bytes.HasPrefix(body, []byte("{")):
		// Some receivers answer in JSON whatever they were asked in. No answer in protobuf
		// begins like this: it would be a group, which the format has given up.
		var answer struct {
			PartialSuccess struct {
				// A number, or as protobuf's JSON has it, a string of one.
				RejectedLogRecords json.Number `json:"rejectedLogRecords"`
			} `json:"partialSuccess"`
		}
		if json.Unmarshal(body, &answer) != nil {
			return 0, false
		}
		if count := answer.PartialSuccess.RejectedLogRecords; count != "" {
			var err error
			if rejected, err = count.Int64(); err != nil {
				return 0, false
			}
		}
	case slices.Contains([]string{"", "application/x-protobuf", "application/protobuf", "application/octet-stream"}, mediaType(a)):
		var answer collector.ExportLogsServiceResponse
		if proto.Unmarshal(a.Body, &answer) != nil {
			return 0, false
		}
		rejected = answer.GetPartialSuccess().GetRejectedLogRecords()
	default:
		// Much that is text can be read as protobuf.
		return 0, false
	}
	return rejected, rejected >= 0
}
