package victorialogs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// secret is the name of a file that mytool counts. No event may hold it.
const secret = "private-letter.txt"

// tool is examples/mytool, built for one server, with a home of its own.
type tool struct {
	t    *testing.T
	exe  string
	dir  string // the working directory
	home string
	env  []string

	mu  sync.Mutex
	ran map[string]int // events that have to arrive, by what they say
}

// install builds mytool such that its events go to a target. An upload is due all the
// time, so that every command that finds none under way starts a process for it.
func install(t *testing.T, backend string, settings map[string]string) *tool {
	t.Helper()
	dir := t.TempDir()
	m := &tool{
		t: t, exe: filepath.Join(dir, "mytool"), dir: filepath.Join(dir, "work"), home: filepath.Join(dir, "home"), ran: map[string]int{},
	}
	for _, d := range []string{m.dir, m.home} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.dir, secret), []byte("Dear Ada,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		pairs = append(pairs, name+"="+settings[name])
	}
	flags := "-X main.version=1.0.0 -X main.interval=1ms -X main.backend=" + backend + " -X main.settings=" + strings.Join(pairs, ",")
	// In its own module, so with the dependencies that people get.
	const root = "../../.."
	if err := build(root, m.exe, "./examples/mytool", "-buildvcs=false", "-tags", "vendors", "-ldflags", flags); err != nil {
		t.Fatal(err)
	}
	// Nothing of the real surroundings: no CI, in which a command would send by itself, no
	// DO_NOT_TRACK, no TELEMETRY_ENABLED, no proxy, no other home.
	m.env = []string{
		"HOME=" + m.home,
		"XDG_STATE_HOME=" + filepath.Join(m.home, "state"),
		"XDG_CONFIG_HOME=" + filepath.Join(m.home, "config"),
		"XDG_CACHE_HOME=" + filepath.Join(m.home, "cache"),
		"PATH=" + os.Getenv("PATH"),
		"LC_ALL=C.UTF-8",
	}
	// A program that runs cannot be opened for writing, on Linux at least. That tells when
	// the last background process has ended and its home can be removed.
	t.Cleanup(func() {
		poll(t, "the last background process had ended", func() bool {
			f, err := os.OpenFile(m.exe, os.O_WRONLY, 0)
			if err == nil {
				f.Close()
			}
			return !errors.Is(err, syscall.ETXTBSY)
		})
	})
	return m
}

func (m *tool) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, m.exe, args...)
	cmd.Dir, cmd.Env = m.dir, m.env
	return cmd
}

// try runs a command and returns how it ended.
func (m *tool) try(args ...string) (stdout, stderr string, code int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd := m.command(ctx, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		m.t.Errorf("mytool %v: %v", args, errors.Join(err, ctx.Err()))
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
}

// run runs a command that has to end with a code and, apart from an error of its own,
// in silence.
func (m *tool) run(code int, args ...string) (stdout string) {
	m.t.Helper()
	stdout, stderr, got := m.try(args...)
	if got != code || code == 0 && stderr != "" {
		m.t.Errorf("mytool %v ended with %d, want %d: %s%s", args, got, code, stdout, stderr)
	}
	return stdout
}

// count, fail and burst run a command and note which events have to come of it.
func (m *tool) count() {
	m.t.Helper()
	m.run(0, "count", secret)
	m.expect("command.invocation", "count", "0", "")
}

func (m *tool) fail(code int) {
	m.t.Helper()
	m.run(code, "fail", "--code", strconv.Itoa(code))
	m.expect("command.invocation", "fail", strconv.Itoa(code), "")
}

func (m *tool) burst(n int) {
	m.t.Helper()
	m.run(0, "burst", strconv.Itoa(n))
	m.expectBurst(n)
}

func (m *tool) expectBurst(n int) {
	for i := 1; i <= n; i++ {
		m.expect("feature.used", "burst", "", strconv.Itoa(i))
	}
	m.expect("command.invocation", "burst", "0", "")
}

func (m *tool) expect(kind, name, exit, i string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ran[says(kind, name, exit, i)]++
}

func says(kind, name, exit, i string) string {
	return fmt.Sprintf("%s %q exit code %q i %q", kind, name, exit, i)
}

// startBurst starts a burst that runs for a while, and returns when it has tracked the
// first events. What it returns waits for its end.
func (m *tool) startBurst(n int, pause time.Duration) (wait func()) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	cmd := m.command(ctx, "burst", strconv.Itoa(n), "--pause", pause.String())
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		m.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 1; i <= 3; i++ {
		if want := fmt.Sprintf("tracked %d", i); !lines.Scan() || lines.Text() != want {
			m.t.Errorf("burst printed %q, want %q", lines.Text(), want)
		}
	}
	return func() {
		m.t.Helper()
		defer cancel()
		for lines.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			m.t.Errorf("burst: %v", err)
		}
		m.expectBurst(n)
	}
}

// status is of `telemetry status --output json`.
type status struct {
	State     string `json:"state"`
	MachineID string `json:"machine_id"`
	StateDir  string `json:"state_dir"`
	Delivered int    `json:"delivered"`
	Lost      int    `json:"lost"`
	Queue     struct {
		Events int `json:"events"`
	} `json:"queue"`
}

func (m *tool) status() (s status) {
	m.t.Helper()
	if err := json.Unmarshal([]byte(m.run(0, "telemetry", "status", "--output", "json")), &s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

// waiting reads the event IDs in the queue's own files, so that what is said of them
// rests on no word of the tool's. Among them may be some that have been delivered.
func (m *tool) waiting(stateDir string) []string {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(stateDir, "queue", "[0-9]*"))
	if err != nil {
		m.t.Fatal(err)
	}
	var list []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			m.t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			if line[0] != '{' {
				continue // marks
			}
			var e struct{ ID string }
			if err := json.Unmarshal(line, &e); err != nil {
				m.t.Fatalf("%v: %s", err, line)
			}
			list = append(list, e.ID)
		}
	}
	return list
}

func poll(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain until %s", deadline, what)
		}
	}
}

func TestEveryEventOfAToolIsStoredOnceThroughARestart(t *testing.T) {
	t.Parallel()
	for _, to := range targets() {
		t.Run(to.driver.Name, func(t *testing.T) {
			t.Parallel()
			s, dir := serve(t), t.TempDir()
			m := install(t, to.driver.Name, to.settings(s, dir))
			m.count() // before anybody was asked, so of no event
			clear(m.ran)
			m.run(0, "telemetry", "enable")

			// The store is there. The first command's upload has to come without a flush.
			m.count()
			var now status
			poll(t, "the first event was delivered in the background", func() bool {
				now = m.status()
				return now.Delivered == 1 && now.Queue.Events == 0
			})
			if now.State != "on" || now.MachineID == "" {
				t.Errorf("status says %+v, want telemetry on", now)
			}
			m.fail(3)
			m.burst(5)

			// It goes away while commands run and uploads are under way.
			wait := m.startBurst(60, 5*time.Millisecond)
			s.stop()
			var running sync.WaitGroup
			for n := range 8 {
				running.Go(func() {
					if n%2 == 0 {
						m.count()
					} else {
						m.fail(n)
					}
				})
			}
			running.Wait()
			wait()
			m.burst(20)
			kept := m.waiting(now.StateDir)
			if !to.driver.Local {
				m.run(1, "telemetry", "flush")
				kept = m.waiting(now.StateDir)
				// The burst of 60, the eight, the burst of 20.
				if least := 61 + 8 + 21; m.status().Queue.Events < least || len(kept) < least {
					t.Errorf("status says that %d events wait, and %d are in the queue's files; want at least %d",
						m.status().Queue.Events, len(kept), least)
				}
			}

			// It comes back, at the same place.
			s.start()
			m.count()
			m.burst(3)
			m.run(0, "telemetry", "flush")
			m.fail(0)
			m.run(0, "telemetry", "flush")
			if to.collect != nil {
				to.collect(s, dir)
			}

			rows := s.query("*")
			times, have := map[string]int{}, map[string]int{}
			for _, r := range rows {
				c := to.columns
				times[r[c.id]]++
				have[says(r[c.kind], r[c.name], r[c.exit], r[c.i])]++
				if r[c.machine] != now.MachineID || r[c.version] != "1.0.0" {
					t.Errorf("a log is of machine %q and version %q, want %q and 1.0.0", r[c.machine], r[c.version], now.MachineID)
				}
				for column, value := range r {
					for _, forbidden := range []string{secret, m.home, m.dir} {
						if strings.Contains(value, forbidden) {
							t.Errorf("%s of a log holds %s: %q", column, forbidden, value)
						}
					}
				}
			}
			total := 0
			for _, n := range m.ran {
				total += n
			}
			if len(times) != total || len(rows) != total {
				t.Errorf("%d logs with %d IDs are stored, want %d of each", len(rows), len(times), total)
			}
			for _, id := range kept {
				if times[id] != 1 {
					t.Errorf("event %s, which waited while the store was away, is stored %d times", id, times[id])
				}
			}
			if !reflect.DeepEqual(have, m.ran) {
				t.Errorf("stored is\n%v,\nwant\n%v", have, m.ran)
			}
			if end := m.status(); end.Delivered != total || end.Lost != 0 || end.Queue.Events != 0 {
				t.Errorf("status says %+v, want %d delivered, none lost and none waiting", end, total)
			}
		})
	}
}
