// Otelsdk is hello with one log record sent by the OpenTelemetry SDK over OTLP/HTTP. It is
// measured by `make size`.
package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	ctx := context.Background()
	exporter, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL("https://telemetry.example.com/v1/logs"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	provider := sdk.NewLoggerProvider(sdk.WithProcessor(sdk.NewBatchProcessor(exporter)))
	fmt.Println("hello")
	var record log.Record
	record.SetEventName("hello")
	provider.Logger("hello").Emit(ctx, record)
	_ = provider.Shutdown(ctx)
}
