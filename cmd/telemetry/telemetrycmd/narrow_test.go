//go:build linux || darwin

package telemetrycmd

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

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
	for _, c := range []screen.Colour{screen.Bold, screen.Red, screen.Green, "\x1b[2m", "\x1b[0m"} {
		text = strings.ReplaceAll(text, string(c), "")
	}
	return text
}
