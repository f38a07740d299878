//go:build !notelemetry && !notelemetrypage

package console

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
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
