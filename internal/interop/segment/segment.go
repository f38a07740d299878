// Package segment sends events to Segment with Segment's own SDK: docs/how-to/write-a-backend.md
// shows by it what an SDK takes. Tools use backends/segment, which has none; the tests here
// let the SDK's types read what that one sends.
package segment

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/segmentio/analytics-go/v3"
)

// Driver returns the driver "segment".
func Driver() driver.Driver {
	return driver.Driver{
		Name:      "segment",
		Doc:       "sends events to Segment",
		Momentary: []string{"sentAt"},
		Accepted:  "Segment answers alike to events under a write key that it does not know",
		Settings:  []driver.Setting{{Name: "write_key", Doc: "the source's write key", Required: true, Secret: true}},
		// Below the SDK's 500 000 bytes a request and 32 000 an event, which it would split
		// and leave out. What grows beyond them when the SDK escapes it is refused below.
		Limits: driver.Limits{Events: 250, Bytes: 400_000, EventBytes: 30_000},
		Hosts:  func(map[string]string) []string { return []string{"api.segment.io"} },
		Open: func(c driver.Config) (driver.Backend, error) {
			return &backend{client: driverhttp.NewClient(c), key: c.Settings["write_key"]}, nil
		},
	}
}

type backend struct {
	client *driverhttp.Client
	key    string
}

// Send makes a client of the SDK's for this batch alone: it has goroutines and a queue in
// memory, and neither may outlive the verdict.
func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	n := len(events)
	if n == 0 {
		return nil
	}
	attempt := b.client.OneAttempt(ctx,
		func(r *http.Request) (driverhttp.Request, error) { return request(r, n) },
		func(a driverhttp.Answer) error { return verdict(a, n) })
	sdk, err := analytics.NewWithConfig(b.key, analytics.Config{
		Endpoint:  "https://api.segment.io",
		Transport: attempt,
		Callback:  dropped{attempt, n},
		Logger:    silent{},  // or it writes events to the person's terminal
		BatchSize: n,         // one request
		Interval:  time.Hour, // Close decides when
	})
	if err != nil {
		return errors.New("segment: the SDK refuses its configuration")
	}
	for _, e := range events {
		m, err := message(e)
		if err == nil {
			err = sdk.Enqueue(m)
		}
		if err != nil {
			attempt.Fail(driver.Refused(errors.New("the SDK refuses an event"), n))
		}
	}
	_ = sdk.Close() // which waits until the SDK is done
	if err := attempt.Err(); err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	return nil
}

// message is an event with everything that has no field of its own as a property, by the
// names of our JSON.
func message(e driver.Event) (analytics.Track, error) {
	var p analytics.Properties
	d := json.NewDecoder(bytes.NewReader(e.AppendJSON(nil)))
	d.UseNumber() // or large ones lose their last digits
	if err := d.Decode(&p); err != nil {
		return analytics.Track{}, errors.New("an event cannot be read")
	}
	for _, name := range []string{"id", "machine_id", "type", "timestamp"} {
		delete(p, name)
	}
	// The SDK invents an ID and a time where there are none. Segment wants somebody.
	return analytics.Track{MessageId: e.ID, AnonymousId: cmp.Or(e.MachineID, e.ID), Event: e.Type, Timestamp: e.Time, Properties: p}, nil
}

// request makes the request that is sent of the SDK's: its events, without the random ID
// and the SDK's own name that it adds, and without the zone of this machine's clock.
func request(r *http.Request, n int) (driverhttp.Request, error) {
	var body struct {
		SentAt time.Time         `json:"sentAt"`
		Batch  []json.RawMessage `json:"batch"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return driverhttp.Request{}, errors.New("the SDK's request cannot be read")
	}
	if len(body.Batch) != n {
		return driverhttp.Request{}, driver.Refused(errors.New("the batch does not fit into one request of the SDK's"), n)
	}
	body.SentAt = body.SentAt.UTC()
	text, err := json.Marshal(body)
	if err != nil {
		return driverhttp.Request{}, errors.New("the request cannot be encoded")
	}
	return driverhttp.Request{
		URL:    "https://api.segment.io/v1/batch",
		Header: http.Header{"Authorization": r.Header["Authorization"], "Content-Type": {"application/json"}},
		Body:   text,
	}, nil
}

// verdict is Segment's table, for a batch of n events.
func verdict(a driverhttp.Answer, n int) error {
	err := fmt.Errorf("answered %d", a.Status)
	var said struct {
		Success bool `json:"success"`
	}
	switch {
	case a.Status == 200:
		if json.Unmarshal(a.Body, &said) == nil && said.Success {
			return nil
		}
		return err
	case a.Status == 413:
		return driver.TooLarge(err)
	case a.Status == 408, a.Status == 429, a.Status >= 500:
		if wait, ok := driverhttp.RetryAfter(a.Header, time.Now()); ok {
			return driver.Throttled(err, wait)
		}
		return err
	case driverhttp.LooksLikeHTML(a):
		return err
	case a.Status == 400:
		return driver.Refused(err, n)
	case a.Status >= 400:
		return driver.Throttled(err, time.Hour)
	}
	return err
}

func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// dropped is the SDK's callback for the n events of an attempt.
type dropped struct {
	attempt *driverhttp.OneAttempt
	n       int
}

func (d dropped) Success(analytics.Message) {} // what is accepted is known already

func (d dropped) Failure(_ analytics.Message, err error) {
	if errors.Is(err, analytics.ErrMessageTooBig) {
		d.attempt.Fail(driver.Refused(errors.New("an event is too large for the SDK"), d.n))
	}
}

type silent struct{}

func (silent) Logf(string, ...any)   {}
func (silent) Errorf(string, ...any) {}
