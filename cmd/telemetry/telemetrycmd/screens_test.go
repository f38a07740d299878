//go:build linux || darwin

package telemetrycmd

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// hostileAnswer is what no receiver should answer, and one may.
const hostileAnswer = "\x1b[31mno\x07 \u009b31m \u202eevil\u2028\n\nand more"

// screens are states of an installation, with the commands that show them.
var screens = []struct {
	name     string
	state    func(h *home)
	commands []string
}{
	{"undecided", func(*home) {}, []string{"inspect", "inspect --next", "inspect --next --raw", "log", "log 1", "log --verify", "log --raw", "receipts", "receipts 1"}},
	{"waiting", func(h *home) {
		h.must("telemetry", "enable")
		h.record(1)
	}, []string{"inspect", "inspect --next", "inspect --next --raw", "log", "receipts", "receipts 1", "receipts 2", "receipts x"}},
	{"sent", func(h *home) { h.sendOne() }, []string{
		"inspect", "inspect --next", "log", "log 1", "log 1 --raw", "log --raw", "log --verify", "log 3", "log x", "log --since 24h", "log --since 2026-02-03T15:00",
		"log --since soon", "log 1 --since 24h", "log --verify --raw", "disable --erase-log", "log"}},
	{"answers", func(h *home) {
		h.sendOne()
		h.now = h.now.Add(time.Hour)
		h.record(1)
		h.answers(http.StatusServiceUnavailable)
		h.run("telemetry", "flush")
		h.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(hostileAnswer))
		}
		h.now = h.now.Add(time.Hour)
		h.run("telemetry", "flush")
	}, []string{"log", "log 3", "log 5"}},
	{"compressed", func(h *home) {
		h.tool.Telemetry.Settings = nil
		h.must("telemetry", "enable")
		h.record(9)
		h.must("telemetry", "flush")
		h.record(9)
	}, []string{"inspect --next --raw", "log 1 --raw"}},
	{"off", func(h *home) {
		h.must("telemetry", "enable")
		h.record(1)
		h.env["DO_NOT_TRACK"] = "1"
	}, []string{"inspect", "inspect --next", "receipts"}},
	{"here", func(h *home) {
		h.must("telemetry", "enable", "--local")
		h.record(1)
	}, []string{"inspect", "inspect --next", "log", "receipts", "receipts 1"}},
	{"kept_here", func(h *home) {
		h.must("telemetry", "enable", "--local")
		h.record(1)
		h.must("telemetry", "flush")
	}, []string{"inspect", "log"}},
	{"held", func(h *home) {
		h.must("telemetry", "enable")
		c, err := core.Open(h.tool, h.core()...)
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { _ = c.Flush(cancelled()) })
		c.TrackCommand("build", 142, 0, nil)
	}, []string{"inspect", "inspect --next"}},
	{"asked_to_wait", func(h *home) {
		h.must("telemetry", "enable")
		h.record(1)
		h.answers(http.StatusTooManyRequests, "Retry-After", "60")
		h.run("telemetry", "flush")
	}, []string{"inspect", "inspect --next", "log"}},
	{"both", func(h *home) { // what goes out and what stays, by turns
		for range 2 {
			h.must("telemetry", "enable")
			h.record(1)
			h.must("telemetry", "enable", "--local")
			h.record(1)
			h.now = h.now.Add(time.Minute)
		}
	}, []string{"inspect", "receipts"}},
	{"wider", func(h *home) {
		h.sendOne()
		h.record(1)
		h.tool.Telemetry.ExtendedCollection = true
	}, []string{"inspect", "receipts", "receipts 1"}},
	{"by_variable", func(h *home) {
		h.env["MYTOOL_TELEMETRY"] = "on"
		h.record(1)
	}, []string{"receipts", "receipts 1"}},
	{"after_a_no", func(h *home) {
		h.sendOne()
		h.must("telemetry", "disable")
	}, []string{"inspect", "log", "receipts", "disable"}},
	{"after_a_reset", func(h *home) {
		h.sendOne()
		h.must("telemetry", "reset", "--yes")
	}, []string{"inspect", "log", "receipts", "receipts 1"}},
	{"changed", func(h *home) {
		h.sendOne()
		h.edit("sent.log", "POST", "PUT")
		h.edit("decisions", "command", "question")
	}, []string{"log", "log 1", "log --verify", "receipts"}},
	{"damaged", func(h *home) {
		h.sendOne()
		h.edit("sent.log", "", "noise\n")
		h.edit("decisions", "", "noise\n")
	}, []string{"log", "log --verify", "receipts"}},
	{"gaps", func(h *home) {
		h.sendOne()
		h.setTime("sent.gaps", time.Unix(3, 0))
	}, []string{"log", "log --verify"}},
	{"torn", func(h *home) {
		h.sendOne()
		h.tear()
	}, []string{"log", "log --verify"}},
	{"wrong_declaration", func(h *home) {
		h.sendOne()
		h.record(1)
		h.tool.Telemetry.Backend = "nosuch"
	}, []string{"inspect", "inspect --next", "log", "receipts"}},
	{"unusable_state", func(h *home) {
		h.sendOne()
		if err := os.Chmod(h.dir, 0o777); err != nil {
			h.t.Fatal(err)
		}
	}, []string{"inspect", "inspect --next", "log", "receipts", "export", "disable --erase-log"}},
}

// edit changes a file of the state directory, "" for all of it.
func (h *home) edit(name, old, to string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	content, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	text := to
	if old != "" {
		if text = strings.Replace(string(content), old, to, 1); text == string(content) {
			h.t.Fatalf("%s has no %q", name, old)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// machine is what differs between the machines that tests run on.
var machine = []struct {
	found *regexp.Regexp
	put   string
}{
	{regexp.MustCompile(`(?m)^ *"(os_version|container)": .*\n`), ""},
	{regexp.MustCompile(`(?m)^Context: (container|no CI, agent or container)$`), "Context: CONTEXT"},
	{regexp.MustCompile(`"os_version":"[^"]*",|"container":(true|false),`), ""},
	{regexp.MustCompile(`("(?:os|arch|go_version)": ?)"[^"]*"`), `$1"…"`},
	{regexp.MustCompile(`Content-Length: \d+`), "Content-Length: N"},
	{regexp.MustCompile(`\b\d{3} bytes`), "NNN bytes"},
	{regexp.MustCompile(`\tSERVER\)\t1\t\d+`), "\tSERVER)\t1\tSIZE"},
	{regexp.MustCompile(`\bSERVER\)\t1\t\d+\t`), "SERVER)\t1\tSIZE\t"},
	{regexp.MustCompile(`\b[0-9a-f]{8}\b`), "RECEIPT."},
}

func (h *home) scrubAll(text string) string {
	text = h.scrub(text)
	for _, m := range machine {
		text = m.found.ReplaceAllString(text, m.put)
	}
	return text
}

// TestEachScreenIsWhatAPersonReads shows each state on a terminal and in a pipe.
func TestEachScreenIsWhatAPersonReads(t *testing.T) {
	for _, test := range screens {
		t.Run(test.name, func(t *testing.T) {
			h := newHome(t)
			h.env["NO_COLOR"] = "1"
			test.state(h)
			var shown strings.Builder
			for _, line := range test.commands {
				args := strings.Fields(line)
				changes := args[0] == "disable"
				if !changes { // the pipe's is in the golden file
					h.fits(40, args...)
				}
				if args[0] != "export" {
					shown.WriteString("80 columns $ mytool telemetry " + line + "\n" + h.fits(80, args...))
				}
				if !changes && test.name != "compressed" {
					piped := h.transcript(append([]string{"telemetry"}, args...)...)
					if plaintext.Lines(strings.ReplaceAll(piped, "\t", "")) != strings.ReplaceAll(piped, "\t", "") {
						t.Errorf("%s has control characters in a pipe: %q", line, piped)
					}
					shown.WriteString("pipe " + piped)
				}
			}
			golden(t, "screen_"+test.name, h.scrubAll(shown.String()))
		})
	}
}

// fits runs a command on a terminal, and holds what it shows to its width and to what a
// terminal may be sent. Words that are longer, such as a path, and the lines of a body may be wider.
func (h *home) fits(columns uint16, args ...string) string {
	h.t.Helper()
	text := h.onTerminal(columns, args...)
	if plaintext.Lines(text) != text {
		h.t.Errorf("%v shows control characters: %q", args, text)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		body := strings.HasPrefix(line, "mytool: ") || strings.Contains(line, `"`) || strings.Contains(line, ": ") || len(strings.Fields(line)) == 2 || strings.HasPrefix(line, "POST ")
		if screen.Width(line) > int(columns) && len(strings.Fields(line)) > 1 && !body {
			h.t.Errorf("%v: %d columns: %s", args, screen.Width(line), line)
		}
	}
	return text
}

// A log that is cut at its size says so, and of a body that it does not keep it says why.
func TestALogThatWasCutSaysSo(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.env["NO_COLOR"] = "1"
	h.must("telemetry", "enable")
	for range 30 {
		h.now = h.now.Add(time.Minute)
		h.record(100)
		h.must("telemetry", "flush")
	}
	log, err := h.manager().Sent(time.Time{})
	if err != nil || log.Cut == 0 {
		t.Fatalf("%d entries are cut, %v", log.Cut, err)
	}
	// In the numbers that the list has, which count answers as well.
	cut := fmt.Sprintf("The entries up to %d were cut, of 2026-02-03 14:06:06 UTC to ", log.Cut)
	onScreen := h.onTerminal(80, "log")
	_, piped, code := h.run("telemetry", "log")
	for _, text := range []string{onScreen, piped} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), cut) || !strings.Contains(text, "1 MiB") {
			t.Errorf("it says %q", text)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out, errs, code := h.run("telemetry", "log", "--verify"); code != 0 || !strings.Contains(out, "as it was written") || !strings.Contains(out, "were cut") {
		t.Errorf("%s%s, exit code %d", out, errs, code)
	}
	if out, errs, code := h.run("telemetry", "log", "1"); code != 1 || !strings.Contains(errs, "no request with the number 1") {
		t.Errorf("%s%s, exit code %d", out, errs, code)
	}
}

func TestTheListOfDecisionsSaysWhatIsSentMoreAndLessThanWasSaidThen(t *testing.T) {
	h := newHome(t)
	h.env["NO_COLOR"] = "1"
	h.tool.Telemetry.Controller, h.tool.Telemetry.Purpose = "Example Ltd", "to find faults"
	h.tool.Telemetry.MetadataKeys = []string{"format", "shell"}
	h.must("telemetry", "enable")
	h.must("telemetry", "disable")
	said := func() (texts []string) {
		_, piped, code := h.run("telemetry", "receipts")
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
		for _, columns := range []uint16{40, 80, 120} {
			texts = append(texts, h.fits(columns, "receipts"))
		}
		return append(texts, piped)
	}
	const more, less = "New since", "Gone since"
	for _, text := range said() {
		if strings.Contains(text, more) || strings.Contains(text, less) {
			t.Errorf("of what is as it was it says %q", text)
		}
	}
	h.tool.Telemetry.Controller, h.tool.Telemetry.Purpose = "Buyer Inc", "to sell more"
	h.tool.Telemetry.MetadataKeys = []string{"format", "plan"}
	h.must("telemetry", "enable", "--local")
	for _, text := range said() {
		text = strings.Join(strings.Fields(text), " ")
		for _, want := range []string{
			"New since decisions 1, 2: the controller: Buyer Inc, not Example Ltd",
			"New since decisions 1, 2: the purpose: to sell more, not to find faults",
			"New since decisions 1, 2: the metadata plan",
			"Gone since decisions 1, 2: the metadata shell",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q: %s", want, text)
			}
		}
	}
	h.tool.Telemetry.MetadataKeys = []string{"format", "plan", "colour"}
	for _, text := range said() {
		text = strings.Join(strings.Fields(text), " ")
		if !strings.Contains(text, "New since decision 3: the metadata colour") || !strings.Contains(text, "New since decisions 1, 2: the metadata colour, plan") {
			t.Errorf("it says %s", text)
		}
	}
}
