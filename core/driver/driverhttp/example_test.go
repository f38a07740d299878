//go:build !notelemetry

package driverhttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// vendor is a backend. What a status means is its own; the client makes one attempt of it.
type vendor struct {
	client *driverhttp.Client
	url    string
}

func (b vendor) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	answer, err := b.client.Post(ctx, driverhttp.Request{
		URL:    b.url,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   driver.AppendJSONArray(nil, events),
	})
	if err != nil {
		return fmt.Errorf("vendor: %w", err)
	}
	switch answer.Status {
	case http.StatusAccepted:
		return nil
	case http.StatusTooManyRequests:
		wait, _ := driverhttp.RetryAfter(answer.Header, time.Now())
		return driver.Throttled(errors.New("vendor: too many requests"), wait)
	}
	return fmt.Errorf("vendor: unexpected status %d", answer.Status)
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()

	b := vendor{client: driverhttp.NewClient(driver.Config{Tool: "mytool"}), url: server.URL}
	defer b.client.Close()
	err := b.Send(context.Background(), []driver.Event{{Name: "build"}})
	fmt.Println(driver.Classify(err), driver.Wait(err), err)
	// Output: throttled 1m0s vendor: too many requests
}

// A driver's Check says what is wrong at the author's desk, without repeating what may hold a key.
func ExampleCheckEndpoint() {
	_, err := driverhttp.CheckEndpoint("telemetry.example.com/?key=0123456789", false)
	fmt.Println(err)
	// Output: no scheme: write an absolute URL like https://telemetry.example.com/v1/events
}
