//go:build !notelemetry

package relaycmd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/store"
)

// used are events of two weeks ago, of seven machines.
func used(tool string) []byte {
	at := time.Now().UTC().AddDate(0, 0, -15)
	var text []byte
	for machine := range 7 {
		code := machine / 6
		e := driver.Event{ID: fmt.Sprintf("%s-%d", tool, machine), Type: "command.invocation", Name: "build", Time: at, Tool: tool, Version: "1.2.3", OS: "linux", Arch: "amd64",
			MachineID: fmt.Sprintf("%032x", machine), ExitCode: &code}
		text = append(e.AppendJSON(text), '\n')
	}
	return text
}

// zipped are they in a file that is compressed.
func zipped(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	if _, err := z.Write(used("mytool")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// result is what a command said, and how it ended.
type result struct {
	stdout, stderr string
	code           int
}

// reporting runs the command in a folder of its own, with files in it.
func reporting(t *testing.T, files map[string][]byte) (dir string, run func(args ...string) result) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func(args ...string) result {
		var out, errs bytes.Buffer
		cmd := exec.Command(binary, append([]string{"report"}, args...)...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
		_ = cmd.Run() // its exit code is what is looked at
		return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	}
}

func TestReportMakesAPageAndTablesOfFiles(t *testing.T) {
	t.Parallel()
	dir, run := reporting(t, map[string][]byte{"a.ndjson": used("mytool"), "b.ndjson.gz": zipped(t)})
	// The same events twice, as files and their copies have them.
	if r := run("--from", "a.ndjson", "b.ndjson.gz", "--out", "page.html", "--csv", "numbers"); r.code != 0 || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	page, err := os.ReadFile(filepath.Join(dir, "page.html"))
	if err != nil || !bytes.Contains(page, []byte("How mytool is used")) || !bytes.Contains(page, []byte("“build” is 100")) {
		t.Errorf("%v %s", err, page)
	}
	numbers, err := os.ReadFile(filepath.Join(dir, "numbers", "commands.csv"))
	if want := "command,events,share,installations\nbuild,5,1.000000,"; err != nil || !strings.HasPrefix(string(numbers), want) {
		t.Errorf("%v %q", err, numbers)
	}
	if r := run("--from", "a.ndjson", "--out", "-", "--k", "8"); r.code != 0 || strings.Contains(r.stdout, "build") || !strings.Contains(r.stderr, "no day that is closed had 8 installations") {
		t.Errorf("a group of seven is shown for a k of eight: %+v", r)
	}
	if r := run("--from", "a.ndjson", "--out", "mine.html", "--k", "1"); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{"page.html": 0o644, "mine.html": 0o600} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v, want %v", name, info, err, want)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReportReadsWhatTheGatewayCounted(t *testing.T) {
	t.Parallel()
	dir, run := reporting(t, nil)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := "sqlite:" + filepath.Join(dir, "db", "relay.db")
	if r := run("--database", address, "--out", "-"); r.code != 2 || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("a database that is not there: %+v", r)
	}
	db, err := store.Open(t.Context(), address, report.Schema())
	if err != nil {
		t.Fatal(err)
	}
	counts, err := report.Open(t.Context(), db, report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := run("--database", address, "--out", "-"); r.code != 0 || !strings.Contains(r.stderr, "there was no event") || !strings.Contains(r.stdout, "telemetry flush") {
		t.Errorf("an empty one: %+v", r)
	}
	counts.Add("mytool", []driver.Event{{ID: "1", Type: "feature.used", Name: "watch", Time: time.Now(), MachineID: "m"}}, time.Now())
	if err := counts.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := run("--database", address, "--out", "-", "--k", "1"); r.code != 0 || !strings.Contains(r.stdout, "feature.used watch") {
		t.Errorf("%+v", r)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReportSaysWhatIsWrongWithALineOrTheCommandLine(t *testing.T) {
	t.Parallel()
	bad := append(used("mytool"), "{\"id\":\"c0ffee\n"...)
	_, run := reporting(t, map[string][]byte{"bad.ndjson": bad, "a.ndjson": used("a"), "b.ndjson": used("b"), "cut.gz": zipped(t)[:60], "none.gz": {0x1f, 0x8b, 0}})
	for _, c := range []struct {
		args string
		want string
	}{
		{"--from bad.ndjson --out x.html", "bad.ndjson: line 8: no JSON object on a line of its own: no JSON at byte"},
		{"--from nothing.ndjson --out x.html", "--from: nothing.ndjson: no such file"},
		{"--from cut.gz --out x.html", "cut.gz: after line 0: "},
		{"--from cut.gz --out x.html --skip-damaged", "cut.gz: after line 0: "},
		{"--from none.gz --out x.html", "none.gz: "},
		{"--from . --out x.html", "--from: . is a folder"},
		{"--from a.ndjson b.ndjson --out x.html", "--tool is required, as there are several: a, b"},
		{"--from a.ndjson --tool b --out x.html", `nothing was counted of --tool "b"`},
		{"--out x.html", "--from, --config or --database is required"},
		{"a.ndjson --out x.html", `"a.ndjson" is no flag`},
		{"--from a.ndjson", "--out or --csv is required"},
		{"--from a.ndjson --database sqlite:x --out x.html", "keep one of them"},
		{"--from a.ndjson --out x.html --k 0", "--k is a number from 1 to 1024"},
		{"--from a.ndjson --out x.html --weeks 54", "--weeks is a number from 1 to 53"},
		{"--database mysql://x --out x.html", "a database is sqlite:FILE or postgres://"},
	} {
		r := run(strings.Fields(c.args)...)
		if runtime.GOOS == "windows" && strings.Contains(c.want, "no such file") {
			c.want = "--from: nothing.ndjson: "
		}
		if r.code != 2 || !strings.Contains(r.stderr, c.want) || strings.Contains(r.stderr, "c0ffee") {
			t.Errorf("%s: %+v, want %q", c.args, r, c.want)
		}
	}
	if r := run("--from", "bad.ndjson", "--out", "-", "--skip-damaged"); r.code != 0 || !strings.Contains(r.stderr, "left out: 1 lines that are no events, beside 7 that are") {
		t.Errorf("%+v", r)
	}
}

// What was counted would be gone, with its page in its place.
func TestAReportIsNotWrittenOverItsEvents(t *testing.T) {
	t.Parallel()
	events := used("mytool")
	dir, run := reporting(t, map[string][]byte{"a.ndjson": events})
	if err := os.Symlink("a.ndjson", filepath.Join(dir, "link.html")); err != nil {
		t.Skip(err)
	}
	for _, out := range []string{"a.ndjson", "./a.ndjson", "link.html"} {
		if r := run("--from", "a.ndjson", "--out", out); r.code != 2 || !strings.Contains(r.stderr, "would be overwritten") {
			t.Errorf("--out %s: %+v", out, r)
		}
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "a.ndjson")); err != nil || !bytes.Equal(kept, events) {
		t.Errorf("the events are others: %v", err)
	}
}
