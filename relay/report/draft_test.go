//go:build !notelemetry

package report

import (
	"os"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
)

func TestDraft(t *testing.T) {
	c := NewCounter(Query{Now: samples.Now})
	n := 0
	samples.Events(1, 14, 400, func(e driver.Event) { n++; line := e.AppendJSON(nil); if p := c.line(line); p != "" { t.Fatal(p) } })
	d, err := c.Data()
	if err != nil { t.Fatal(err) }
	t.Log(n)
	for _, k := range []int{1, 5} {
		f, _ := os.Create("/tmp/report-" + string(rune('0'+k)) + ".html")
		if err := d.Page(PageOptions{K: k}).WriteHTML(f); err != nil { t.Fatal(err) }
		f.Close()
	}
	e, _ := NewCounter(Query{Now: samples.Now}).Data()
	f, _ := os.Create("/tmp/report-empty.html")
	e.Page(PageOptions{FirstEvent: FirstEvent}).WriteHTML(f)
	f.Close()
}
