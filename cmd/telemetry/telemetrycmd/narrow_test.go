//go:build linux || darwin

package telemetrycmd

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// onTerminal runs a command on a terminal that is so wide, and returns what it shows.
func (h *home) onTerminal(columns uint16, args ...string) string {
	h.t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		h.t.Skipf("no terminals here: %v", err)
	}
	defer ptmx.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 40, Cols: columns}); err != nil {
		h.t.Fatal(err)
	}
	shown := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(ptmx)
		shown <- string(all)
	}()
	err = console.Run(h.t.Context(), h.manager(), args, console.WithStreams(console.Streams{In: strings.NewReader(""), Out: tty, Err: tty}))
	tty.Close()
	text := strings.ReplaceAll(<-shown, "\r\n", "\n")
	if err != nil {
		text += "mytool: " + err.Error() + "\n"
	}
	return text
}

// narrow are states whose sentences are long.
var narrow = map[string]func(t *testing.T) *home{
	"undecided": newHome,
	"paced": func(t *testing.T) *home {
		h := newVendorHome(t)
		h.record(8)
		h.run("telemetry", "flush")
		return h
	},
	"failing": func(t *testing.T) *home {
		h := newHome(t)
		h.must("telemetry", "enable")
		h.record(2)
		h.answers(http.StatusServiceUnavailable, "Retry-After", "3600")
		h.run("telemetry", "flush")
		h.env["CI"] = "1"
		return h
	},
	"refused": func(t *testing.T) *home {
		h, _ := newStubbornHome(t)
		h.record(3)
		h.run("telemetry", "flush")
		return h
	},
	"held": func(t *testing.T) *home {
		h := newHome(t)
		h.must("telemetry", "enable")
		h.record(2)
		h.env["DO_NOT_TRACK"] = "1"
		return h
	},
	"erased": func(t *testing.T) *home {
		h := newHome(t)
		h.tool.Telemetry.DeletionRequestor = follower{&deletion.Receipt{State: deletion.Manual, Detail: "Write to privacy@example.com."}}
		h.sendOne()
		h.run("telemetry", "reset", "--yes")
		return h
	},
	"wrong": newWrong,
	"vendor_accepted": func(t *testing.T) *home {
		h := newHome(t)
		d := vendor()
		d.Accepted, d.Warnings = "the intake has taken the events, no more", nil
		d.Open = func(driver.Config) (driver.Backend, error) { return &stubborn{}, nil }
		h.tool.Telemetry.Backend, h.tool.Telemetry.Endpoint, h.tool.Telemetry.Settings = "vendor", "", nil
		h.tool.Telemetry.Drivers = []driver.Driver{d}
		h.sendOne()
		h.now = h.now.Add(-time.Hour)
		return h
	},
}

// A word that is longer than the terminal, such as a path that people copy, is left whole.
func TestStatusFitsANarrowTerminal(t *testing.T) {
	const columns = 40
	for name, state := range narrow {
		t.Run(name, func(t *testing.T) {
			h := state(t)
			h.env["NO_COLOR"] = "1"
			plain := h.onTerminal(columns, "status")
			for line := range strings.Lines(plain) {
				line = strings.TrimSuffix(line, "\n")
				if screen.Width(line) > columns && len(strings.Fields(line)) > 1 {
					t.Errorf("%d columns: %s", screen.Width(line), line)
				}
			}
			if strings.Contains(plain, "\x1b") {
				t.Errorf("NO_COLOR has colours: %q", plain)
			}
			delete(h.env, "NO_COLOR")
			h.env["TERM"] = "dumb"
			if dumb := h.onTerminal(columns, "status"); dumb != plain {
				t.Errorf("TERM=dumb differs from NO_COLOR:\n%s", dumb)
			}
			h.env["TERM"] = "xterm"
			if coloured := h.onTerminal(columns, "status"); !strings.Contains(coloured, "\x1b[") || withoutColour(coloured) != plain {
				t.Errorf("in colour:\n%s", coloured)
			}
			golden(t, "narrow_status_"+name, h.scrub(plain))
		})
	}
}

func withoutColour(text string) string {
	for _, c := range []screen.Colour{screen.Bold, screen.Red, screen.Green, "\x1b[0m"} {
		text = strings.ReplaceAll(text, string(c), "")
	}
	return text
}

// recorded tracks what happened, which waits.
func (h *home) recorded(what func(c *core.Collector)) {
	h.t.Helper()
	c, err := core.Open(h.tool, h.core()...)
	if err != nil {
		h.t.Fatal(err)
	}
	what(c)
	if err := c.Flush(cancelled()); err == nil {
		h.t.Fatal("a flush without time succeeded")
	}
}

func TestInAnyWidthTheNameTheDurationAndTheExitCodeOfAnEventAreShown(t *testing.T) {
	h := newHome(t)
	h.env["NO_COLOR"] = "1"
	h.must("telemetry", "enable")
	h.recorded(func(c *core.Collector) {
		c.TrackCommand("remote add", 1234, 3, map[string]string{"format": "json"})
		c.Track("feature.used", "", nil)
	})
	for columns, want := range map[uint16]string{
		80: "  02-03 14:05:06  command.invocation  remote add  1234 ms  exit 3  other  forma…\n",
		70: "  02-03 14:05:06  command.invocation  remote add  1234 ms  exit 3  ot…\n",
		62: "  14:05:06  command.invocation  remote add  1234 ms  exit 3  …\n",
		40: "  14:05:06  remote add  1234 ms  exit 3…\n",
		30: "  remote add  1234 ms  exit 3…\n",
		20: "  remote add 1234 ms\n  exit 3\n",
	} {
		text := h.fits(columns, "inspect")
		if !strings.Contains(text, want) {
			t.Errorf("%d columns:\n%s\nwant\n%s", columns, text, want)
		}
		if !strings.Contains(text, "  feature.used\n") {
			t.Errorf("%d columns, of an event without a name:\n%s", columns, text)
		}
	}
}

func TestUnderTheListIsSaidOnceWhatTheEventsHaveInCommon(t *testing.T) {
	h := newHome(t)
	h.env["NO_COLOR"] = "1"
	h.env["CI"], h.env["GITHUB_ACTIONS"], h.env["MYTOOL_TELEMETRY"] = "true", "true", "on"
	build := func(c *core.Collector) { c.TrackCommand("build", 1, 0, nil) }
	h.recorded(build)
	h.recorded(build)
	waiting, err := h.manager().Waiting(t.Context())
	if err != nil || len(waiting) != 2 {
		t.Fatalf("%v, %v", waiting, err)
	}
	receipt := waiting[0].Event.ConsentID
	text := h.onTerminal(80, "inspect")
	if strings.Count(text, "Machine ID: "+waiting[0].Event.MachineID+"; receipt: "+receipt[:8]+"\n") != 1 || !strings.Contains(text, "\nContext: CI github-actions") {
		t.Errorf("two of one job:\n%s", text)
	}
	delete(h.env, "CI")
	delete(h.env, "GITHUB_ACTIONS")
	h.env["MYTOOL_TELEMETRY"] = ""
	h.must("telemetry", "enable")
	h.recorded(build)
	text = h.onTerminal(80, "inspect")
	if !strings.Contains(text, "; receipt: 2 different ones\n") || !strings.Contains(text, "\nContext: 2 different ones\n") ||
		!strings.Contains(text, "Machine ID: "+h.manager().Status().MachineID) {
		t.Errorf("two of a job and one of a person:\n%s", text)
	}
}
