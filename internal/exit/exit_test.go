package exit

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// program is cmd/telemetry, built once.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "exit-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "telemetry.exe") // a name that every system runs
	if out, err := exec.Command("go", "build", "-o", program, "github.com/gotoolbase/telemetry/cmd/telemetry").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s\n", err, out)
		return 1
	}
	flag.Parse()
	// The cells wait for networks, not for processors.
	if err := flag.Set("test.parallel", "12"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// place is where a command runs.
type place struct {
	name string
	env  []string
	// wrap is a program that runs the command in surroundings of its own.
	wrap     []string
	terminal bool
	// inside says that commands send by themselves there, offline that there is no network.
	inside, offline bool
}

var places = []place{
	{name: "in a pipe"},
	{name: "on a terminal", terminal: true},
	{name: "in CI", env: []string{"CI=true"}, inside: true},
	{name: "in a sandbox with processes of its own", wrap: []string{"unshare", "-pf", "--mount-proc", "--kill-child"}, inside: true},
	{name: "in a container, below its shell", wrap: []string{"unshare", "-pf", "--mount-proc", "sh", "-c", `"$@"; exit $?`, "sh"}, inside: true},
	{name: "in an agent's sandbox without a network", wrap: []string{"unshare", "-n"}, env: []string{"CLAUDECODE=1"}, offline: true},
}

// cell is a place in a weather.
type cell struct {
	*testing.T
	place  place
	server *server
	home   string
	config string
}

func newCell(t *testing.T, p place, w weather) *cell {
	t.Helper()
	if p.terminal && runtime.GOOS == "windows" {
		t.Skip("needs a pseudo-terminal")
	}
	if len(p.wrap) > 0 {
		if runtime.GOOS != "linux" {
			t.Skip("needs namespaces of Linux")
		}
		if out, err := exec.Command(p.wrap[0], append(p.wrap[1:], "true")...).CombinedOutput(); err != nil {
			t.Skipf("%v: %s", err, out)
		}
	}
	root, err := os.MkdirTemp("", "cell-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a background process may still be at work in it
		for end := time.Now().Add(time.Minute); os.RemoveAll(root) != nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	c := &cell{T: t, place: p, server: play(t, w), home: root, config: filepath.Join(root, "tool.yaml")}
	text := "Name: mytool\nTelemetry:\n  Endpoint: " + c.server.endpoint + "\n"
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := c.command(place{}, "enable").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return c
}

func (c *cell) command(p place, args ...string) *exec.Cmd {
	line := append(append(append([]string{}, p.wrap...), program, "--config", c.config), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append([]string{
		"HOME=" + c.home, "LocalAppData=" + c.home, "SystemRoot=" + os.Getenv("SystemRoot"), "PATH=" + os.Getenv("PATH"), "TERM=xterm",
	}, p.env...)
	return cmd
}

// track records one event in the cell's place, and returns what was printed and how long it
// took.
func (c *cell) track() (printed string, took time.Duration) {
	c.Helper()
	cmd := c.command(c.place, "track", "feature.used", "x")
	start := time.Now()
	var out bytes.Buffer
	var err error
	if c.place.terminal {
		var terminal *os.File
		if terminal, err = pty.Start(cmd); err == nil {
			_, _ = io.Copy(&out, terminal) // ends with an error when the command does
			err = errors.Join(cmd.Wait(), terminal.Close())
		}
	} else {
		cmd.Stdout, cmd.Stderr = &out, &out // pipes: whatever holds them open is waited for
		err = cmd.Run()
	}
	if err != nil {
		c.Errorf("a command failed: %v, %s", err, &out)
	}
	return out.String(), time.Since(start)
}

// told is what the cell's status says.
type told struct {
	Queue struct {
		Events int `json:"events"`
	} `json:"queue"`
	Delivered   int       `json:"delivered"`
	Lost        int       `json:"lost"`
	LastAttempt time.Time `json:"last_attempt"`
	NextUpload  time.Time `json:"next_upload"`
	Problem     string    `json:"problem"`
}

func (c *cell) status() (s told) {
	c.Helper()
	out, err := c.command(place{}, "status", "--output", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		c.Fatal(err)
	}
	return s
}

// settled is the status once no process is sending any more.
func (c *cell) settled() (s told) {
	c.Helper()
	const attempt = 20 * time.Second // what a background process gives a server
	for end := time.Now().Add(attempt + 10*time.Second); ; time.Sleep(50 * time.Millisecond) {
		s = c.status()
		cutOff := strings.Contains(s.Problem, "cut off")
		// A batch counts as delivered a moment before it no longer waits.
		whole := s.Delivered+s.Queue.Events+s.Lost == commands
		if !s.LastAttempt.IsZero() && whole && (!cutOff || c.place.inside) || time.Now().After(end) {
			return s
		}
	}
}

const commands = 10

func TestTheEndOfACommandCostsNothingInAnyWeatherAnywhere(t *testing.T) {
	t.Parallel()
	for i, w := range weathers {
		for j, p := range places {
			if testing.Short() && (i+j)%4 != 0 {
				continue
			}
			t.Run(w.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				c := newCell(t, p, w)
				var later time.Duration
				for i := range commands {
					printed, took := c.track()
					if printed != "" {
						t.Errorf("command %d printed %q", i+1, printed)
					}
					if i > 0 {
						later += took
					}
				}
				// That no command waits shows in the requests below. This only catches one that hangs.
				if mean := later / (commands - 1); mean > 5*time.Second {
					t.Errorf("after the first, a command takes %v", mean)
				}
				c.holds(w)
			})
		}
	}
}

// holds checks what became of the events of ten commands.
func (c *cell) holds(w weather) {
	c.Helper()
	s := c.settled()
	requests, arrived, most := c.server.seen()
	if s.Delivered+s.Queue.Events+s.Lost != commands || s.Lost > 0 {
		c.Errorf("%d delivered, %d waiting and %d lost, of %d", s.Delivered, s.Queue.Events, s.Lost, commands)
	}
	if s.LastAttempt.IsZero() || s.NextUpload.Sub(s.LastAttempt) < 10*time.Second {
		c.Errorf("the last attempt was at %v, the next may be at %v", s.LastAttempt, s.NextUpload)
	}
	// One attempt within the interval, also if it was refused or cut off; a batch that is too
	// large may come again in smaller ones, a few times.
	if requests > 1 && !w.splits || requests > 12 {
		c.Errorf("%d requests", requests)
	}
	if most > 1 && !w.splits || most > 5 {
		c.Errorf("an event was sent %d times", most)
	}
	switch delivers := w.arrives && !c.place.offline && !(c.place.inside && w.unknown); {
	case delivers && (s.Delivered == 0 || s.Delivered != arrived):
		c.Errorf("%d events arrived and %d were delivered", arrived, s.Delivered)
	case !delivers && s.Delivered > 0:
		c.Errorf("%d events count as delivered", s.Delivered)
	case !delivers && s.Problem == "":
		c.Errorf("status does not say what went wrong")
	}
}
