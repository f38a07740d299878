package telemetrycmd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/console"
)

// full is a standard output that takes nothing.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func (h *home) printsTo(out io.Writer, args ...string) error {
	h.t.Helper()
	return console.Run(h.t.Context(), h.manager(), args, console.WithStreams(console.Streams{In: strings.NewReader(""), Out: out, Err: io.Discard}))
}

func TestAYesToWhatCouldNotBeShownIsNotStored(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if err := h.printsTo(full{}, "enable"); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	if stored := h.manager().Stored(); stored.Answer != consent.AnswerNone {
		t.Errorf("stored is %q", stored.Answer)
	}
}

func TestWhatCannotBePrintedIsAFailure(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.sendOne()
	h.record(1)
	for _, line := range []string{"status", "inspect", "inspect --next", "inspect --next --raw", "log", "log 1", "log --raw", "log --verify", "receipts", "receipts 1", "export", "schema"} {
		if err := h.printsTo(full{}, strings.Fields(line)...); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestAnExportLeavesWhatIsThereAsItIs(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.sendOne()
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept.json")
	if err := os.WriteFile(kept, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := []string{kept, dir}
	if link := filepath.Join(dir, "link"); os.Symlink(filepath.Join(dir, "nowhere"), link) == nil {
		taken = append(taken, link)
	}
	for _, path := range taken {
		if _, errs, code := h.run("telemetry", "export", path); code != 1 || !strings.Contains(errs, "is there already") {
			t.Errorf("%s: %d, %s", path, code, errs)
		}
	}
	if content, err := os.ReadFile(kept); string(content) != "mine" {
		t.Errorf("the file is now %q, %v", content, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != len(taken)-1 {
		t.Errorf("there is now %v", entries)
	}
	if out, errs, code := h.run("telemetry", "export", filepath.Join(dir, "no", "such.json")); code != 1 || strings.Contains(errs, dir) {
		t.Errorf("%d, %s%s", code, out, errs)
	}

	fresh := filepath.Join(dir, "fresh.json")
	if out := h.must("telemetry", "export", fresh); !strings.Contains(out, "Written to "+fresh) {
		t.Errorf("it says %q", out)
	}
	if info, err := os.Stat(fresh); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	written, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"telemetry", "export"}, {"telemetry", "export", "-"}} {
		if printed := h.must(args...); printed != string(written) || !json.Valid(written) {
			t.Errorf("%v prints\n%s\nand wrote\n%s", args, printed, written)
		}
	}
	if _, err := os.Stat("-"); err == nil {
		t.Error("there is a file called -")
	}
}

// Ctrl-C is how many end the page. Its exit code is that of the signal.
func TestThePageEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	served, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- console.Run(ctx, h.manager(), []string{"inspect", "--web"}, console.WithStreams(console.Streams{In: strings.NewReader(""), Out: printed, Err: io.Discard}))
		printed.Close()
	}()
	first := make([]byte, 1)
	if _, err := served.Read(first); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, served) }()
	cancel(errors.New("interrupt signal received")) // as signal.NotifyContext does
	err := <-ended
	if _, interrupted := errors.AsType[*console.InterruptedError](err); !interrupted || core.ExitCode(err) != 130 {
		t.Errorf("%v, exit code %d", err, core.ExitCode(err))
	}
	if entries, _ := os.ReadDir(h.dir); len(entries) > 0 {
		t.Errorf("looking left %v", entries)
	}
}
