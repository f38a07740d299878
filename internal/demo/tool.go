package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/creack/pty"
)

// tool is a program, built for this demonstration, with a home of its own.
type tool struct {
	exe  string
	dir  string // the working directory
	home string
	env  []string
}

// build compiles a program of this module. arguments are go build's.
func build(ctx context.Context, dir, pkg string, arguments ...string) (*tool, error) {
	name := filepath.Base(pkg)
	t := &tool{
		exe:  filepath.Join(dir, name+".exe"), // a name that every system runs
		dir:  filepath.Join(dir, name+"-work"),
		home: filepath.Join(dir, name+"-home"),
	}
	for _, d := range []string{t.dir, t.home} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	arguments = append(append([]string{"build", "-o", t.exe}, arguments...), "github.com/gotoolbase/telemetry/"+pkg)
	if out, err := exec.CommandContext(ctx, "go", arguments...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	// Nothing of the real surroundings: no CI, no DO_NOT_TRACK, no other home.
	t.env = []string{
		"HOME=" + t.home,
		"USER=" + user,
		"PATH=" + os.Getenv("PATH"),
		"TERM=xterm",
		"LC_ALL=C.UTF-8",
	}
	return t, nil
}

func (t *tool) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.exe, args...)
	cmd.Dir, cmd.Env = t.dir, t.env
	return cmd
}

// result is what a command did, as its caller sees it.
type result struct {
	stdout, stderr string
	code           int
}

func (r result) output() string { return r.stdout + r.stderr }

// run runs a command as a script does: no terminal.
func (t *tool) run(ctx context.Context, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	cmd := t.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
		return r, nil // for the story to judge
	}
	return r, err
}

// runOnTerminal runs a command on a pseudo-terminal, types an answer where the output
// ends in prompt, and returns all that the screen showed.
func (t *tool) runOnTerminal(ctx context.Context, prompt, answer string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	cmd := t.command(ctx, args...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 90})
	if err != nil {
		return "", fmt.Errorf("a pseudo-terminal: %w", err)
	}
	defer terminal.Close()
	var screen strings.Builder
	answered := false
	buffer := make([]byte, 4096)
	for {
		n, err := terminal.Read(buffer)
		screen.Write(buffer[:n])
		if !answered && strings.HasSuffix(strings.TrimRight(screen.String(), " "), prompt) {
			answered = true
			if _, err := io.WriteString(terminal, answer+"\n"); err != nil {
				return "", err
			}
		}
		if err != nil {
			break // the command has ended; Linux says EIO, others EOF
		}
	}
	text := strings.ReplaceAll(screen.String(), "\r\n", "\n")
	if err := cmd.Wait(); err != nil {
		return text, err
	}
	if !answered {
		return text, errors.New("it asked nothing")
	}
	return text, nil
}

// burst is a running `mytool burst`. It prints into a file: what is in there was
// printed, whoever reads it when.
type burst struct {
	cmd  *exec.Cmd
	file string
}

func (t *tool) startBurst(ctx context.Context, args ...string) (*burst, error) {
	out, err := os.CreateTemp(filepath.Dir(t.exe), "burst-*.txt")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := t.command(ctx, append([]string{"burst"}, args...)...)
	cmd.Stdout = out
	return &burst{cmd, out.Name()}, cmd.Start()
}

// tracked returns how many events it has said are safe.
func (b *burst) tracked() (int, error) {
	printed, err := os.ReadFile(b.file)
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(string(printed)) {
		if want := fmt.Sprintf("tracked %d\n", n+1); line != want {
			return n, fmt.Errorf("burst printed %q, not %q", line, want)
		}
		n++
	}
	return n, nil
}

// await waits until it has tracked n events.
func (b *burst) await(n int) error {
	return poll("burst went on", func() (bool, error) {
		now, err := b.tracked()
		return now >= n, err
	})
}

// kill ends it with SIGKILL.
func (b *burst) kill() error {
	if err := b.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = b.cmd.Wait() // "signal: killed"
	return nil
}

// poll waits until something is so.
func poll(what string, so func() (bool, error)) error {
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if yes, err := so(); yes || err != nil {
			return err
		}
	}
	return fmt.Errorf("waited %s in vain until %s", deadline, what)
}

// status is what the story reads from `telemetry status --output json`.
type status struct {
	State     string `json:"state"` // on, on_local, off, undecided
	MachineID string `json:"machine_id"`
	StateDir  string `json:"state_dir"`
	Delivered int    `json:"delivered"`
	Queue     struct {
		Events int `json:"events"`
	} `json:"queue"`
}

func (t *tool) status(ctx context.Context) (status, error) {
	var s status
	r, err := t.run(ctx, "telemetry", "status", "--output", "json")
	if err != nil {
		return s, err
	}
	if r.code != 0 || r.stderr != "" {
		return s, fmt.Errorf("status ended with %d: %s", r.code, r.stderr)
	}
	return s, json.Unmarshal([]byte(r.stdout), &s)
}

// queued reads the events in the queue's own files, so that no claim about them rests
// on the tool's word alone. It must run while nothing is being delivered.
func queued(stateDir string) ([]event, error) {
	var list []event
	files, err := filepath.Glob(filepath.Join(stateDir, "queue", "[0-9]*.events*"))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		waiting := map[int]event{} // by where they begin
		at := 0
		for line := range bytes.Lines(content) {
			switch line[0] {
			case '{':
				if waiting[at], err = parseEvent(bytes.TrimSpace(line)); err != nil {
					return nil, err
				}
			case '=':
				if line[1] == '@' {
					break // the latest time that an event of the slot may have
				}
				// These byte ranges have been delivered.
				for span := range strings.SplitSeq(strings.TrimSpace(string(line[1:])), ",") {
					var from, to int
					if _, err := fmt.Sscanf(span, "%d-%d", &from, &to); err != nil {
						return nil, err
					}
					for begin := range waiting {
						if from <= begin && begin < to {
							delete(waiting, begin)
						}
					}
				}
			}
			at += len(line)
		}
		for _, e := range waiting {
			list = append(list, e)
		}
	}
	return list, err
}

// files lists everything below dir.
func files(dir string) ([]string, error) {
	var list []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			list = append(list, path)
		}
		return err
	})
	return list, err
}
