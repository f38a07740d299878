// Clockd says what time it is over HTTP. It is a long-running server with telemetry: it asks
// nobody, prints nothing of telemetry, and sends while it runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

var tool = props.Tool{
	Name:     "clockd",
	Version:  "1.0.0",
	Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
	Telemetry: props.TelemetryConfig{
		Endpoint: "http://127.0.0.1:8443/v1/events",
		Fold:     true, // one record a day of what is alike, however many requests there are
	},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "clockd:", err)
	}
	os.Exit(core.ExitCode(err))
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "telemetry":
		return console.Run(ctx, core.NewManager(tool), args[1:])
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, args[1])
	}
	return &console.UsageError{Err: errors.New("there are serve ADDRESS and telemetry")}
}

// serve opens telemetry and never asks: nobody sits at a daemon. It records where there is a yes.
func serve(ctx context.Context, address string) error {
	telemetry, err := core.Open(tool)
	if err != nil {
		log.Printf("telemetry is off: %v", err) // a mistake in the declaration; the server goes on
	}
	defer finish(telemetry)
	server := &http.Server{Addr: address, Handler: handler(telemetry), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Shutdown(context.WithoutCancel(ctx))
	}
}

func handler(telemetry props.Collector) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /time", func(w http.ResponseWriter, _ *http.Request) {
		defer telemetry.Command("time").End(nil)
		fmt.Fprintln(w, time.Now().Format(time.TimeOnly))
	})
	return mux
}

// finish sends what is left, for two seconds at most: a service manager waits for the end, and what
// is not sent by then is on disk for the next start.
func finish(telemetry props.Collector) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = telemetry.Flush(ctx)
	_ = telemetry.Close(ctx)
}
