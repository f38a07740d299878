// Otel records with the OpenTelemetry SDK over OTLP/HTTP, as the example of otlploghttp does.
package main

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"

	"github.com/gotoolbase/telemetry/internal/peers/program"
)

func main() {
	program.Main(func(endpoint string) (program.Peer, error) {
		ctx := context.Background()
		exporter, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(endpoint+"/v1/logs"))
		if err != nil {
			return program.Peer{}, err
		}
		provider := sdk.NewLoggerProvider(sdk.WithProcessor(sdk.NewBatchProcessor(exporter)))
		logger := provider.Logger("mytool")
		return program.Peer{
			Track: func(id string) {
				var record log.Record
				record.SetEventName("build")
				record.AddAttributes(attribute.Int("duration_ms", 142), attribute.Int("exit_code", 0),
					attribute.String("format", "csv"), attribute.Int("rows", 1200), attribute.String("event_number", id))
				logger.Emit(ctx, record)
			},
			Close: func() { _ = provider.Shutdown(ctx) },
		}, nil
	})
}
