//go:build !notelemetry

package report_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/relay/report"
)

// A file of the file backend becomes a page for its author's own eyes.
func Example() {
	events := `{"id":"1","type":"command.invocation","name":"build","timestamp":"2026-11-24T09:30:00Z","tool_name":"mytool","os":"linux","arch":"amd64","ci":false,"interactive":true,"container":false,"machine_id":"0123456789abcdef0123456789abcdef"}`
	counter := report.NewCounter(report.Query{Now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)})
	if err := counter.Read("events.ndjson", strings.NewReader(events)); err != nil {
		fmt.Println(err)
		return
	}
	data, err := counter.Data()
	if err != nil {
		fmt.Println(err)
		return
	}
	page := data.Page(report.PageOptions{K: 1})
	if chart, found := page.Chart("commands"); found {
		if err := chart.WriteCSV(os.Stdout); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// command,events,share,installations
	// build,1,1.000000,1
}
