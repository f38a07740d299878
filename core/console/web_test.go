//go:build !notelemetry && !notelemetrypage

package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func TestThePageCountsWhatWasSentAgainOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	c := &call{settings: gather(nil), m: core.NewManager(aTool())}
	try := func(id string, unsent bool) core.Delivery {
		return core.Delivery{At: now, Unsent: unsent, Request: core.Request{IDs: []string{id}}, Counts: []core.EventCount{{Name: "build", Events: 1}}}
	}
	log := core.SentLog{Deliveries: []core.Delivery{
		try("waits", false), try("arrived", false), try("arrived", false), try("no", true), try("waits", false),
	}}
	waiting := []core.WaitingEvent{{Event: driver.Event{ID: "waits", Type: "command.invocation", Name: "build", Time: now}}}
	a := c.pageActivity(waiting, log, now)
	if len(a.Commands) != 1 || a.Commands[0].Events != 2 || a.Days[len(a.Days)-1].Events != 2 {
		t.Errorf("%+v", a.Commands)
	}
}

// examplesOf returns the page's examples by field, and what it says where there is none.
func examplesOf(t *testing.T, m *core.Manager) (examples map[string]string, none string) {
	t.Helper()
	c := &call{settings: gather(nil), ctx: t.Context(), m: m, hint: gather(nil).hints(m)}
	d, err := c.pageData(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	examples = map[string]string{}
	for _, f := range d.Fields {
		examples[f.Name] = f.Example
	}
	return examples, d.NoExample
}

func TestAFieldHasAnExampleAlsoAfterEverythingWasDelivered(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	tool := aTool()
	tool.Telemetry.Endpoint = server.URL
	tool.Telemetry.Fields = []props.Field{{Name: "edition", Type: props.OneOf("free", "pro"), Purpose: "who uses what"}}
	options := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "state")), core.WithUploadCommand("-test.run=^$")}
	m := core.NewManager(tool, options...)
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	if examples, none := examplesOf(t, m); examples["os"] != "" || none != "no event here" {
		t.Errorf("before the first event: %q, %q", examples, none)
	}
	collector, err := core.Open(tool, options...)
	if err != nil {
		t.Fatal(err)
	}
	collector.TrackCommand("build", 142, 0, map[string]string{"edition": "pro"})
	if err := collector.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	examples, none := examplesOf(t, m)
	if n := m.Status().Queue.Events; n != 0 {
		t.Fatalf("%d events wait", n)
	}
	for field, want := range map[string]string{
		"tool_name": "mytool", "os": runtime.GOOS, "name": "build", "duration_ms": "142", "exit_code": "0", "machine_id": m.Status().MachineID, "metadata.edition": "pro",
	} {
		if examples[field] != want {
			t.Errorf("%s has the example %q, want %q", field, examples[field], want)
		}
	}
	if examples["error_class"] != "" || none != "in no event here, by this name" {
		t.Errorf("a field that was not sent: %q, %q", examples["error_class"], none)
	}
}

func TestAnExampleIsFoundInTheBodyOfAVendorAndOneThatWaitsIsNewer(t *testing.T) {
	t.Parallel()
	sent := func(body string, unsent bool) core.Delivery {
		return core.Delivery{Unsent: unsent, Request: core.Request{Body: []byte(body)}}
	}
	log := core.SentLog{Deliveries: []core.Delivery{
		sent(`{"batch":[{"type":"track","name":"theirs","properties":{"name":"build","consent_id":"c","exit_code":0,"metadata":{"edition":"pro"}}}]}`, false),
		sent(`{"consent_id":"c","name":"first"}`+"\n"+`{"consent_id":"c","error_class":"timeout"}`, false),
		sent(`{"consent_id":"c","name":"taken back"}`, true),
		sent("no JSON", false),
	}}
	examples := examplesIn(view{}, nil, log)
	if examples["name"] != "first" || examples["type"] != "" || examples["exit_code"] != "0" || examples["metadata.edition"] != "pro" || examples["error_class"] != "timeout" {
		t.Errorf("%q", examples)
	}
	waiting := []core.WaitingEvent{{Event: driver.Event{ID: "waits", Type: "command.invocation", Name: "deploy", ConsentID: "c"}}}
	if examples := examplesIn(view{}, waiting, log); examples["name"] != "deploy" || examples["error_class"] != "timeout" {
		t.Errorf("with one that waits: %q", examples)
	}
}

func TestThereIsNoPageOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes of directories are not looked at")
	}
	dir := filepath.Join(t.TempDir(), "state")
	m := core.NewManager(aTool(), core.WithStateDir(dir))
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	c := &call{settings: gather(nil), ctx: t.Context(), m: m, out: screen.Screen{}, hint: gather(nil).hints(m)}
	if _, err := c.pageData(context.Background()); err != nil {
		t.Errorf("a directory of its own: %v", err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if d, err := c.pageData(context.Background()); err == nil {
		t.Errorf("one that others write to: %+v", d.Waiting)
	}
}
