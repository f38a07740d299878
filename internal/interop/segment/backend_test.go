package segment

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	ours "github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/segmentio/analytics-go/v3"
)

// wire is the way to Segment: it keeps what is posted and answers as Segment does.
type wire struct{ body []byte }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.body = body
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"success": true}`)), Request: r}, nil
}

// What Segment's own types have no place for, Segment has none for either: a name of ours
// that they do not know is an error here.
func TestTheSDKsTypesReadEveryFieldThatBackendsSegmentSends(t *testing.T) {
	t.Parallel()
	var w wire
	d := ours.Driver()
	b, err := d.Open(driver.Config{Settings: map[string]string{"instance": "us", "write_key": "k"}, Transport: &w})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	e := driver.Event{
		ID: "01920000-0000-7000-8000-000000000001", Type: "command.invocation", Name: "remote add", Time: time.UnixMilli(1_700_000_000_123).UTC(),
		Tool: "mytool", Version: "v1.2.3", OS: "linux", OSVersion: "debian 12", Arch: "arm64", MachineID: "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e",
	}
	if err := b.Send(t.Context(), []driver.Event{e}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Batch []analytics.Track `json:"batch"`
	}
	read := json.NewDecoder(bytes.NewReader(w.body))
	read.DisallowUnknownFields()
	if err := read.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, w.body)
	}
	if len(got.Batch) != 1 {
		t.Fatalf("the SDK reads %d calls", len(got.Batch))
	}
	call := got.Batch[0]
	if err := call.Validate(); err != nil {
		t.Error(err)
	}
	if call.Type != "track" || call.MessageId != e.ID || call.UserId != e.MachineID || call.AnonymousId != "" || call.Event != e.Type || !call.Timestamp.Equal(e.Time) {
		t.Errorf("the SDK reads %+v", call)
	}
	c := call.Context
	if c == nil || c.App.Name != e.Tool || c.App.Version != e.Version || c.OS.Name != e.OS || c.OS.Version != e.OSVersion ||
		c.Library.Name == "" || !c.IP.Equal(net.IPv4zero) || c.Direct || len(c.Traits) > 0 {
		t.Errorf("the SDK reads the context %+v", c)
	}
	if call.Properties["name"] != e.Name || call.Properties["arch"] != e.Arch {
		t.Errorf("the SDK reads the properties %v", call.Properties)
	}
}
