package coretest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/detach"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// PlantedHome is the home of a person who has just been given an account: an empty directory,
// and an environment in which nothing says yes or no and nothing says that it is a build job.
type PlantedHome struct {
	// Dir is the directory. It is removed with the test.
	Dir string

	t      testing.TB
	places map[string]string
}

// HomeOption changes what is in a planted home.
type HomeOption func(*PlantedHome)

// SaidYes has the person said yes to all that tool declares. A program that declares more, or
// another receiver, asks again: declare here what is built into it. A program that is run in the
// home then sends to that receiver, as it does for people: unless it is run by Recorded, or with
// TELEMETRY_LOCAL=1.
func SaidYes(tool props.Tool) HomeOption { return answered(tool, consent.AnswerYes) }

// SaidNo has the person said no to tool.
func SaidNo(tool props.Tool) HomeOption { return answered(tool, consent.AnswerNo) }

func answered(tool props.Tool, answer consent.Answer) HomeOption {
	return func(h *PlantedHome) {
		h.t.Helper()
		name := tool.Telemetry.Installation
		if name == "" {
			name = tool.Name
		}
		dir, err := state.Locate(name, h.lookup)
		if err != nil {
			h.t.Fatal(err)
		}
		m := core.NewManager(tool, core.WithStateDir(dir), core.WithEnv(h.lookup), core.WithPolicyFile(filepath.Join(h.Dir, "no policy")))
		if err := m.Answer(answer, m.Stored(), ""); err != nil {
			h.t.Fatal(err)
		}
	}
}

// PlantHome returns a new home. Without an option the person has not been asked. It changes nothing of
// the test's own environment, so parallel tests may each have one; see Environ and Setenv.
//
// An administrator's policy in /etc (on macOS /Library) is where no variable leads: it holds
// in a planted home as well.
func PlantHome(t testing.TB, options ...HomeOption) *PlantedHome {
	t.Helper()
	return plantIn(t, t.TempDir(), options...)
}

func plantIn(t testing.TB, dir string, options ...HomeOption) *PlantedHome {
	t.Helper()
	h := &PlantedHome{Dir: dir, t: t, places: map[string]string{"HOME": dir, "USERPROFILE": dir}}
	for name, below := range map[string]string{
		"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state",
		"XDG_CACHE_HOME": ".cache", "XDG_RUNTIME_DIR": ".run",
		"AppData": "AppData/Roaming", "LocalAppData": "AppData/Local", "ProgramData": "ProgramData",
	} {
		place := filepath.Join(dir, filepath.FromSlash(below))
		if err := os.MkdirAll(place, 0o700); err != nil { // what XDG asks of the last
			t.Fatal(err)
		}
		h.places[name] = place
	}
	for _, option := range options {
		option(h)
	}
	return h
}

func (h *PlantedHome) lookup(name string) (string, bool) {
	value, ok := h.places[name]
	return value, ok
}

// kept are the variables without which programs do not start or find no others, and where they
// may put what is for a moment.
var kept = []string{"PATH", "SystemRoot", "SystemDrive", "PATHEXT", "ComSpec", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}

// Environ returns the whole environment of a program that runs in the home, for exec.Cmd.Env.
// Of the test's own it has what a program needs to start, and nothing else: no token, and no
// setting of the machine. What the program needs beside, the caller appends.
func (h *PlantedHome) Environ() []string {
	var env []string
	for _, name := range kept {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range h.places {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// Setenv has the test's own process live in the home until the test is over, for code that
// reads the environment. Every variable that may say yes or no to telemetry, or that a build
// job or a coding agent runs the test, is unset. All others stay.
//
// The environment is the whole process's, so a parallel test cannot have this: as with
// testing.T.Setenv, it panics. go build takes its cache from HOME unless GOCACHE is set: call
// Build first.
func (h *PlantedHome) Setenv() {
	h.t.Helper()
	for name, value := range h.places {
		h.t.Setenv(name, value)
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if speaks(name) {
			h.t.Setenv(name, "") // which puts it back in the end
			if err := os.Unsetenv(name); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}

// speaks tells the variables that decide something about telemetry or say who runs a command.
func speaks(name string) bool {
	if runtime.GOOS == "windows" {
		name = strings.ToUpper(name) // there they are the same in any case
	}
	return name == "DO_NOT_TRACK" || name == detach.Marker ||
		strings.HasPrefix(name, "TELEMETRY_") && name != updateVariable && name != goldenVariable ||
		strings.HasSuffix(name, "_TELEMETRY") || slices.ContainsFunc(consent.Signs(), func(sign string) bool {
		return name == sign || runtime.GOOS == "windows" && name == strings.ToUpper(sign)
	})
}

// eventBegins is how an event begins as JSON: driver.Event has its ID first.
const eventBegins = `{"id":`

// Recorded runs a command in the home and returns what it would record, whether the person has
// said yes or not: with TELEMETRY_DEBUG=log the program prints that to its standard error and
// stores and sends nothing. Its IDs say when they are made.
//
// What cmd.Env holds is kept, and comes last. What the command prints beside goes where
// cmd.Stdout and cmd.Stderr say. That it ends with an error is part of what is recorded, and
// fails no test; that it cannot be started does.
func (h *PlantedHome) Recorded(cmd *exec.Cmd) Events {
	h.t.Helper()
	cmd.Env = append(append(h.Environ(), cmd.Env...), "TELEMETRY_DEBUG=log")
	printed, passOn := &bytes.Buffer{}, cmd.Stderr
	cmd.Stderr = printed
	if err := cmd.Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			h.t.Fatal(err)
		}
	}
	var events Events
	for line := range bytes.Lines(printed.Bytes()) {
		// What a tool printed last, such as its progress, need not end its line.
		before, rest, begins := bytes.Cut(line, []byte(eventBegins))
		event, err := record.Parse(bytes.TrimSpace(append([]byte(eventBegins), rest...)))
		if begins && err == nil {
			events, line = append(events, event), before
		}
		if passOn != nil && len(line) > 0 {
			if _, err := passOn.Write(line); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return events
}

// Build builds the program in a package, such as "." or "./cmd/mytool", with further flags of
// go build, such as "-ldflags=-X main.version=1.2.3", and returns the file. It is removed with
// the test.
func Build(t testing.TB, pkg string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	args := append(append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...), pkg)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	made, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 {
		t.Fatalf("go build: %s is %d programs; name one", pkg, len(made))
	}
	return filepath.Join(dir, made[0].Name())
}
