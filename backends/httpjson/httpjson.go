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
//	200 201 202 204                accepted, except where the answer is a web page: that
//	                               is a captive portal or another site, so kept
//	408 425 429, every 5xx         kept; where Retry-After is given, for that long at least
//	401 403 407                    kept, 1 h: the key is wrong, the events are not
//	404 405 410 421                kept, 1 h: the address is wrong, the events are not
//	415                            kept, 1 h: the server cannot read the form (see below)
//	413                            too large: comes again in smaller batches
//	3xx                            kept; never followed, since the new place would be
//	                               sent the headers' keys
//	400 422, every other 4xx       permanent: the server has read the batch and does not
//	                               want it
//	anything else                  kept
//
// # What the server has to do
//
// Unpack a body that says Content-Encoding: gzip, which those above 1 KiB do unless
// the setting "compression" is "none"; many web frameworks leave that to their users.
// Store the whole batch before it answers 2xx. Tell events apart by their id, since a
// batch whose answer got lost comes again.
//
// The backend may be used by several goroutines at once. No error of it holds a piece
// of the server's answer, which might repeat an event.
package httpjson

import (
	"context"
	"fmt"
	"net/http"
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
	// repairWait is how long a wrong key or address is left alone. It takes a new release
	// of the tool to repair, or an hour of work on the server.
	repairWait = time.Hour
)

// Driver returns the driver "http".
func Driver() driver.Driver {
	return driver.Driver{
		Name: "http",
		Doc:  "posts events as a JSON array to a server of your own",
		Settings: []driver.Setting{{
			Name:     "endpoint",
			Doc:      "URL to post to, like https://telemetry.example.com/v1/events",
			Required: true,
			// The query may hold a key.
			Secret: true,
			// Whether plain http will do is only known in Open.
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
			u, err := driverhttp.CheckEndpoint(settings["endpoint"], true)
			if err != nil {
				return nil
			}
			return []string{u.Host}
		},
		Open: open,
	}
}

func open(cfg driver.Config) (driver.Backend, error) {
	endpoint := cfg.Settings["endpoint"]
	if _, err := driverhttp.CheckEndpoint(endpoint, cfg.Insecure); err != nil {
		return nil, &driver.ConfigError{Field: "Telemetry.Settings[endpoint]", Problem: err.Error()}
	}
	if err := driverhttp.CheckHeaders(cfg.Headers); err != nil {
		return nil, &driver.ConfigError{Field: "Telemetry.Headers", Problem: err.Error()}
	}
	return &backend{
		client:   driverhttp.NewClient(cfg),
		endpoint: endpoint,
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
	return verdict(answer, time.Now())
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// verdict is the table of the package comment.
func verdict(a driverhttp.Answer, now time.Time) error {
	say := func(next string) error { return fmt.Errorf("http backend: answered %d: %s", a.Status, next) }
	switch a.Status {
	case 200, 201, 202, 204:
		if driverhttp.LooksLikeHTML(a) {
			return say("with a web page, so the events are not stored: log in to this network, or check Endpoint")
		}
		return nil
	case 408, 425, 429:
		return later(a, now, say("the server asks to try again"))
	case 401, 403:
		return driver.Throttled(say("the credentials are refused: check Headers"), repairWait)
	case 407:
		return driver.Throttled(say("the proxy wants credentials: check HTTPS_PROXY"), repairWait)
	case 404, 405, 410, 421:
		return driver.Throttled(say("no events are taken at this address: check Endpoint"), repairWait)
	case 415:
		return driver.Throttled(say("the server cannot read JSON or gzip: see Settings[compression]"), repairWait)
	case 413:
		return driver.TooLarge(say("the batch is too large"))
	}
	switch a.Status / 100 {
	case 3:
		return say("set Endpoint to the new address, redirects are not followed")
	case 4:
		return driver.Permanent(say("the server does not take these events: compare what it expects with the event schema"))
	case 5:
		return later(a, now, say("the server failed"))
	}
	return say("not an answer to a POST: check Endpoint")
}

// later marks err with the wait that the answer asks for, if it does.
func later(a driverhttp.Answer, now time.Time, err error) error {
	if wait, ok := driverhttp.RetryAfter(a.Header, now); ok {
		return driver.Throttled(err, wait)
	}
	return err
}
