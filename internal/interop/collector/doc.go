// Package collector lets the receiver of the OpenTelemetry Collector, which runs inside
// of the tests, read what the otlp backend sends, and lets the backend read what that
// receiver answers when the pipeline behind it is full, broken or away.
package collector
