// Otlpproto is hello with one log record sent with the generated types of OTLP and net/http.
package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	fmt.Println("hello")
	body, err := proto.Marshal(&collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{EventName: "hello"}}}},
	}}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	if answer, err := http.Post("https://telemetry.example.com/v1/logs", "application/x-protobuf", bytes.NewReader(body)); err == nil {
		answer.Body.Close()
	}
}
