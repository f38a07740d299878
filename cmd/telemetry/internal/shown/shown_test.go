// Package shown holds the tests of what a person is shown, by the built programs, in their
// terminal and in the files that they may look into.
package shown

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	// What the programs are built of, so that go test does not take an old result for theirs.
	_ "github.com/gotoolbase/telemetry/cmd/telemetry/internal/cli"
	"github.com/gotoolbase/telemetry/core/driver"
	_ "github.com/gotoolbase/telemetry/relay/relaycmd"
)

// built is the directory of the programs, and endpoint is where mytool sends to: nobody
// listens there, so whatever is sent fails.
var built string

const endpoint = "http://127.0.0.1:1/events"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "shown")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		built = dir
		for _, program := range []string{"cmd/telemetry", "cmd/telemetry-relay", "examples/mytool"} {
			build := exec.Command("go", "build", "-ldflags", "-X main.endpoint="+endpoint, "-o", executable(filepath.Base(program)),
				"github.com/gotoolbase/telemetry/"+program)
			if out, err := build.CombinedOutput(); err != nil {
				panic(string(out))
			}
		}
		return m.Run()
	}())
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(built, name)
}

// home is a person's home, with a tool file in it and the receiver that this names.
type home struct {
	*testing.T
	dir    string
	env    []string
	server *httptest.Server
	calls  atomic.Int32
	// spoiled says that the test wrote into files of ours.
	spoiled bool
}

func newHome(t *testing.T, answer http.HandlerFunc) *home {
	t.Helper()
	h := &home{T: t, dir: t.TempDir()}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.calls.Add(1)
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(h.server.Close)
	h.env = []string{
		"HOME=" + h.dir, "XDG_STATE_HOME=" + h.path("state"), "LocalAppData=" + h.path("state"), "USERPROFILE=" + h.dir,
		"PATH=" + built + string(os.PathListSeparator) + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot"), "GORACE=atexit_sleep_ms=0",
		"CI=true", // no background process goes on after a test, and commands send from inside
	}
	h.declare("")
	return h
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

// declare writes the tool file, with more of its Telemetry.
func (h *home) declare(more string) {
	h.write("tool.yaml", "Name: acme\nVersion: 1.2.3\nTelemetry:\n  Endpoint: "+h.server.URL+"\n"+more)
}

func (h *home) write(name, text string) string {
	h.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o700); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
	return h.path(name)
}

// run runs a program and returns what reaches the terminal.
func (h *home) run(program string, args ...string) (stdout, stderr string, code int) {
	h.Helper()
	return h.with(nil, program, args...)
}

// with is run with variables.
func (h *home) with(env []string, program string, args ...string) (stdout, stderr string, code int) {
	h.Helper()
	cmd := exec.Command(executable(program), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = h.dir, append(h.env[:len(h.env):len(h.env)], env...), &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		h.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// telemetry runs the program for scripts with the tool file.
func (h *home) telemetry(args ...string) (shown string) {
	h.Helper()
	out, errs, _ := h.run("telemetry", append([]string{"--config", "tool.yaml"}, args...)...)
	return out + errs
}

// files returns everything below the home: names, times, modes and contents.
func (h *home) files() string {
	h.Helper()
	var all strings.Builder
	err := filepath.WalkDir(h.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%s %v %v\n", path, info.Mode(), info.ModTime())
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&all, "%s\n", text)
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return all.String()
}

// firstEvent returns the first event of a batch that the http backend sent.
func firstEvent(r *http.Request) (e driver.Event, ok bool) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			return e, false
		}
	}
	var batch []driver.Event
	if err := json.NewDecoder(body).Decode(&batch); err != nil || len(batch) == 0 {
		return e, false
	}
	return batch[0], true
}
