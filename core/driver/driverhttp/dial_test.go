//go:build !notelemetry

package driverhttp

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// A dial outlives its request as net/http has it, by the request's values and without its end.
func TestADialEndsWithTheRequestThatItIsFor(t *testing.T) {
	t.Parallel()
	dialing, ended := make(chan struct{}), make(chan error, 1)
	transport := NewTransport()
	transport.DialContext = dialFor(&net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		close(dialing)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}})
	client := NewClient(driver.Config{Transport: transport})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-dialing
		cancel()
	}()
	if _, err := client.Post(ctx, Request{URL: "http://127.0.0.1:9/", Body: []byte("{}")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-ended:
	case <-time.After(8 * time.Second): // the dialer gives up by itself after 10
		t.Error("the dial goes on")
	}
}
