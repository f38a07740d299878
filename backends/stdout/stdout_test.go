package stdout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

func open(t *testing.T, out io.Writer) driver.Backend {
	t.Helper()
	b, err := Driver().Open(driver.Config{Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func event(id string) driver.Event {
	duration := int64(12)
	return driver.Event{
		ID: id, Type: "command.invocation", Name: `remote "add" {[,:]}\`, Tool: "mytool", OS: "linux", Arch: "amd64",
		Time: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), DurationMS: &duration,
		Args: []string{"a", "b\\"}, Metadata: map[string]string{"k": "v\n", "<": "&"},
	}
}

// writer keeps what each Write was given.
type writer struct {
	writes []string
	err    error
}

func (w *writer) Write(p []byte) (int, error) {
	w.writes = append(w.writes, string(p))
	return len(p), w.err
}

func TestABatchIsOneWriteOfIndentedObjects(t *testing.T) {
	t.Parallel()
	if d := Driver(); d.Name != "stdout" || !d.Local || d.Hosts != nil {
		t.Errorf("driver %+v", d)
	}
	var out writer
	b := open(t, &out)
	if err := b.Send(t.Context(), []driver.Event{event("1"), event("2")}); err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for _, id := range []string{"1", "2"} {
		e := event(id)
		if err := json.Indent(&want, e.AppendJSON(nil), "", "  "); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
	}
	if len(out.writes) != 1 || out.writes[0] != want.String() {
		t.Errorf("wrote\n%s\nwant\n%s", strings.Join(out.writes, "|"), &want)
	}
}

func TestNothingIsPrintedForNothingOrAfterTheEnd(t *testing.T) {
	t.Parallel()
	var out writer
	b := open(t, &out)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Send(done, nil); err != nil {
		t.Errorf("no events: %v", err)
	}
	if err := b.Send(done, []driver.Event{event("1")}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if len(out.writes) != 0 {
		t.Errorf("wrote %q", out.writes)
	}
}

func TestWithoutAnOutputEventsAreDiscarded(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	if err := b.Send(t.Context(), []driver.Event{event("1")}); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestAFailedWriteIsUnknownAndNamesNoFile(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"pipe": io.ErrClosedPipe,
		"file": fmt.Errorf("wrapped: %w", &fs.PathError{Op: "write", Path: "/home/c4n4ry/out", Err: syscall.EPIPE}),
	} {
		err := open(t, &writer{err: cause}).Send(t.Context(), []driver.Event{event("1")})
		if driver.Classify(err) != driver.ClassUnknown || strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("%s: got %v", name, err)
		}
		if !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s: the cause is lost in %v", name, err)
		}
	}
}

func TestBatchesOfSeveralGoroutinesDoNotMix(t *testing.T) {
	t.Parallel()
	var out writer // not safe for concurrent use: the race detector watches
	b := open(t, &out)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := b.Send(t.Context(), []driver.Event{event(fmt.Sprint(i))}); err != nil {
				t.Error(err)
			}
			b.Close()
		})
	}
	all.Wait()
	if len(out.writes) != 8 {
		t.Errorf("%d writes", len(out.writes))
	}
}

func FuzzIndentEqualsEncodingJSON(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `[{}]`, `{"a":[],"b":{}}`, `"{\"\\"`, `[1,[2,[3]],null]`, `{"a\"b":"c,d:e"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var compact, want bytes.Buffer
		if json.Compact(&compact, src) != nil {
			t.Skip()
		}
		if err := json.Indent(&want, compact.Bytes(), "", "  "); err != nil {
			t.Fatal(err)
		}
		if got := appendIndented(nil, compact.Bytes()); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("got\n%s\nwant\n%s", got, &want)
		}
	})
}
