//go:build !notelemetry

// Package httpjson is the backend that posts events to a server of the author's own:
// the body is one JSON array of the canonical encoding of [driver.Event], the answer's
// status says what became of it. Tool authors name it "http", or set
// TelemetryConfig.Endpoint.
//
// # What a status means
//
// The meanings are those of RFC 9110, section 15, of RFC 6585 (429) and of RFC 8470
// (425), read from the side of a sender that can wait for a month but cannot repair
// what it has stored.
//
//	200 201 202 204                accepted, but for the events that the body names
//	207                            each event as the body says, which has to be of the form
//	                               below: kept without it
//	400 409 422                    the server has read the batch and does not want it: the
//	                               events that the body names are lost; if it names none,
//	                               the batch comes again in halves, and an event that is
//	                               refused alone is lost
//	413                            too large: comes again in smaller batches
//	408 425 429, every 5xx         kept; where Retry-After is given, for that long at least
//	401 403 407                    kept, 1 h or longer: the key is wrong, the events are not
//	415                            kept, 1 h or longer: the server cannot read the form (see below)
//	404, every other 4xx           kept, 1 h or longer: the address or the way to it is wrong, the
//	                               events are not
//	3xx                            kept; never followed, since the new place would be
//	                               sent the headers' keys
//	511, anything else             kept
//
// A web page comes from something in between or from another site, which has not looked
// at the events: networks where one has to log in answer with one and a 200, filters of
// companies with one and a 403. The challenge of AWS's firewall, a 202, is one too. So with a page every 2xx and 4xx means that the batch is
// kept, but for 407, 408, 413, 425 and 429, which say the same from whatever is in between
// (nginx has a page for 413). A server that refuses events must not do it with a page.
//
// # How a server refuses single events
//
// It names them in the body, which holds nothing else:
//
//	{"rejected": ["0193a3c0-0000-7000-8000-000000000001"]}
//
// Together with 200, 201 or 202 that says that all others are stored. With 400, 409 or 422
// it says that none is, and the others come again. What is named does not come again. A
// body of any other form says nothing, and neither does one that names an event which was
// not in the batch, or one twice: then the status alone counts.
//
// # What the server has to do
//
// Unpack a body that says Content-Encoding: gzip, which those above 1 KiB do unless
// the setting "compression" is "none"; many web frameworks leave that to their users.
// Store the whole batch before it answers 2xx. Tell events apart by their id, since a
// batch whose answer got lost comes again. conformance.RunIntake holds a server to all of it.
//
// The backend may be used by several goroutines at once. No error of it holds a piece
// of the server's answer, which might repeat an event.
package httpjson

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

const (
	// maxEvents keeps the work of one request within what a small server stores in one
	// transaction.
	maxEvents = 500
	// maxBatch leaves room for commas and brackets below 1 MiB, which is nginx's default
	// for client_max_body_size and so the smallest bound that servers commonly have.
	maxBatch = 1_000_000
	// maxEvent is far above what a command has to say, and fits into the TEXT column of
	// MySQL, the narrowest among the common databases.
	maxEvent = 64<<10 - 1
)

// Driver returns the driver "http".
func Driver() driver.Driver {
	return driver.Driver{
		Name:     "http",
		Doc:      "posts events as a JSON array to a server of your own",
		Accepted: "the server at this address has answered that it took the events; what it then does with them is not known here",
		Settings: []driver.Setting{{
			Name:     "endpoint",
			Doc:      "URL to post to, like https://telemetry.example.com/v1/events",
			Required: true,
			// The query may hold a key.
			Secret: true,
			// Whether plain http will do is only known in Check.
			Check: func(value string) error {
				_, err := driverhttp.CheckEndpoint(value, true)
				return err
			},
		}, {
			Name:    "compression",
			Doc:     "gzip, or none for a server that cannot unpack it",
			Default: "gzip",
			Values:  []string{"gzip", "none"},
		}},
		Limits: driver.Limits{Events: maxEvents, Bytes: maxBatch, EventBytes: maxEvent},
		Hosts: func(settings map[string]string) []string {
			return driverhttp.Hosts(driverhttp.CheckEndpoint(settings["endpoint"], true))
		},
		Check: check,
		Open:  open,
	}
}

// Option changes what [NewBackend] opens.
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

// WithCompression chooses how bodies are sent: "gzip" or "none".
func WithCompression(compression string) Option {
	return func(cfg *driver.Config) { cfg.Settings["compression"] = compression }
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
	if _, err := driverhttp.CheckEndpoint(cfg.Settings["endpoint"], cfg.Insecure); err != nil {
		return driver.SettingError("endpoint", err.Error())
	}
	if err := driverhttp.CheckHeaders(cfg.Headers); err != nil {
		return &driver.ConfigError{Field: "Telemetry.Headers", Problem: err.Error()}
	}
	return nil
}

func open(cfg driver.Config) (driver.Backend, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	return &backend{
		client:   driverhttp.NewClient(cfg),
		endpoint: cfg.Settings["endpoint"],
		gzip:     cfg.Settings["compression"] != "none",
	}, nil
}

type backend struct {
	client   *driverhttp.Client
	endpoint string
	gzip     bool
}

func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	answer, err := b.client.Post(ctx, driverhttp.Request{
		URL:    b.endpoint,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   driver.AppendJSONArray(nil, events),
		Gzip:   b.gzip,
	})
	if err != nil {
		return fmt.Errorf("http backend: %w", err)
	}
	return verdict(answer, events, time.Now())
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// verdict is the table of the package comment, for an answer to a batch.
func verdict(a driverhttp.Answer, events []driver.Event, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("http backend: answered %d: %s", a.Status, next) }
	class := a.Status / 100
	switch {
	case a.Status == 408, a.Status == 425, a.Status == 429:
		return driverhttp.Later(a, now, 0, say("the server asks to try again"))
	case a.Status == 407:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the proxy wants credentials: check HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"))
	case a.Status == 413:
		return driver.TooLarge(say("the batch is too large"))
	case a.Status == 511:
		return say("log in to this network")
	case class == 5:
		return driverhttp.Later(a, now, 0, say("the server failed"))
	case class == 3:
		return say("set Endpoint to the new address, redirects are not followed")
	case (class == 2 || class == 4) && driverhttp.LooksLikeHTML(a):
		return say("with a web page, so the events are not stored: log in to this network, or check Endpoint and Headers")
	}
	switch a.Status {
	case 200, 201, 202, 204:
		if others, named, ok := rejected(a.Body, events); ok {
			return &driver.Partial{Accepted: others, Rejected: named, Err: say("the server refuses single events")}
		}
		return nil
	case 207:
		if has, not, ok := settled(a.Body, events); ok {
			wait, _ := driverhttp.RetryAfter(a.Header, now)
			return &driver.Partial{Accepted: has, Rejected: not, Wait: wait, Err: say("the server has not got all events yet")}
		}
	case 400, 409, 422:
		err := say("the server does not take these events: compare what it expects with the event schema")
		if _, named, ok := rejected(a.Body, events); ok {
			return &driver.Partial{Rejected: named, Err: err}
		}
		return driver.Refused(err, len(events))
	case 401, 403:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the credentials are refused: check Headers"))
	case 415:
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("the server cannot read JSON or gzip: see Settings[compression]"))
	}
	if class == 4 {
		return driverhttp.Later(a, now, driverhttp.RepairWait, say("no events are taken at this address: check Endpoint"))
	}
	return say("not an answer to a POST: check Endpoint")
}

// rejected reads the list of the package comment. ok says that body is one, with at least
// one event in it; others are the IDs of the rest of the batch.
func rejected(body []byte, events []driver.Event) (others, named []string, ok bool) {
	lists, rest, ok := lists(body, events, "rejected")
	if !ok {
		return nil, nil, false
	}
	for i := range events {
		if rest[events[i].ID] {
			others = append(others, events[i].ID)
		}
	}
	return others, lists["rejected"], true
}

// settled reads the two lists of a 207.
func settled(body []byte, events []driver.Event) (accepted, rejected []string, ok bool) {
	lists, _, ok := lists(body, events, "accepted", "rejected")
	return lists["accepted"], lists["rejected"], ok
}

// lists reads a JSON object that holds nothing but lists of IDs, under some of these names. ok
// says that body is one: at least one event is named, none is named twice, and none that is
// not of the batch. rest are the events that are not named.
func lists(body []byte, events []driver.Event, names ...string) (lists map[string][]string, rest map[string]bool, ok bool) {
	rest = make(map[string]bool, len(events))
	for i := range events {
		rest[events[i].ID] = true
	}
	take := func(token string) bool {
		after, found := bytes.CutPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte(token))
		if found {
			body = after
		}
		return found
	}
	text := func() string {
		if !take(`"`) {
			return ""
		}
		text, after, _ := bytes.Cut(body, []byte(`"`))
		body = after
		return string(text)
	}
	lists = make(map[string][]string, len(names))
	named := 0
	if !take("{") {
		return nil, nil, false
	}
	for more := true; more; more = take(",") {
		name := text()
		if _, twice := lists[name]; twice || !slices.Contains(names, name) || !take(":") || !take("[") {
			return nil, nil, false
		}
		lists[name] = []string{}
		if take("]") {
			continue
		}
		for more := true; more; more = take(",") {
			id := text()
			if !rest[id] {
				return nil, nil, false
			}
			delete(rest, id)
			lists[name] = append(lists[name], id)
			named++
		}
		if !take("]") {
			return nil, nil, false
		}
	}
	if named == 0 || !take("}") || len(bytes.TrimLeft(body, " \t\r\n")) > 0 {
		return nil, nil, false
	}
	return lists, rest, true
}
