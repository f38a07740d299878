package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/core"
)

// receivers are the backends that leave the machine, with the settings that each needs beside
// its endpoint.
var receivers = map[string]string{
	"http": "", "otlp": "", "datadog": "api_key=0123456789abcdef0123456789abcdef", "posthog": "project_key=phc_0123456789",
	"segment": "write_key=0123456789", "amplitude": "api_key=0123456789abcdef",
}

// receiver fails until it is opened, and keeps the first body from then on.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	open bool
	body []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case !r.open:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.body == nil:
			r.body = body
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// binary is the built tool, with a home of its own.
type binary struct {
	t    *testing.T
	path string
	home string
}

func newBinary(t *testing.T, flags string) *binary {
	t.Helper()
	dir := t.TempDir()
	b := &binary{t, filepath.Join(dir, "mytool"), filepath.Join(dir, "home")}
	if runtime.GOOS == "windows" {
		b.path += ".exe"
	}
	build := exec.Command("go", "build", "-tags", "vendors", "-ldflags", flags, "-o", b.path, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(b.home, 0o700); err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs the tool and returns what it prints, and its exit code.
func (b *binary) run(args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	cmd := exec.Command(b.path, args...)
	cmd.Env = []string{
		"HOME=" + b.home, "XDG_STATE_HOME=" + filepath.Join(b.home, "state"), "LOCALAPPDATA=" + b.home, "AppData=" + b.home, "USERPROFILE=" + b.home,
		"TMPDIR=" + b.home, "TEMP=" + b.home, "PATH=" + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot"),
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		b.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (b *binary) must(args ...string) string {
	b.t.Helper()
	out, errs, code := b.run(args...)
	if code != 0 {
		b.t.Fatalf("%v: exit code %d\n%s%s", args, code, out, errs)
	}
	return out
}

// The command prints what then arrives, to the byte. Where a vendor's protocol has a secret in
// the body, or something of the moment, the command says so, and the rest is the same.
func TestWhatTheToolShowsIsWhatItThenSends(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the tool for each backend")
	}
	t.Parallel()
	for name, settings := range receivers {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			flags := "-X main.version=1.2.3 -X main.backend=" + name
			if name == "http" {
				flags += " -X main.endpoint=" + r.URL + "/events"
			} else {
				flags += " -X main.endpoint= -X main.settings=" + strings.Trim("endpoint="+r.URL+","+settings, ",")
			}
			b := newBinary(t, flags)
			b.must("telemetry", "enable")
			for range 3 {
				b.must("count")
			}
			b.must("burst", "20")
			shown, errs, code := b.run("telemetry", "inspect", "--next", "--raw")
			if code != 0 || shown == "" {
				t.Fatalf("exit code %d, %q\n%s", code, shown, errs)
			}
			var next struct {
				Request struct {
					Momentary []string
				}
			}
			if err := json.Unmarshal([]byte(b.must("telemetry", "inspect", "--next", "--output", "json")), &next); err != nil {
				t.Fatal(err)
			}
			r.mu.Lock()
			r.open = true
			r.mu.Unlock()
			_, _, _ = b.run("telemetry", "flush") // what the receiver should have said does not matter
			r.mu.Lock()
			arrived := string(r.body)
			r.mu.Unlock()
			_, secret, _ := strings.Cut(settings, "=")
			masked := strings.Contains(shown, core.Masked)
			if len(next.Request.Momentary) == 0 && !masked {
				if shown != arrived {
					t.Errorf("shown\n%q\narrived\n%q", shown, arrived)
				}
				return
			}
			for _, moment := range next.Request.Momentary {
				if !strings.Contains(errs, moment) {
					t.Errorf("%q is not named: %s", moment, errs)
				}
			}
			if masked && !strings.Contains(errs, "holds a secret") {
				t.Errorf("that it is masked is not said: %s", errs)
			}
			want := still(t, arrived, next.Request.Momentary)
			if masked {
				want = strings.ReplaceAll(want, secret, core.Masked)
			}
			if got := still(t, shown, next.Request.Momentary); got != want {
				t.Errorf("shown\n%s\narrived\n%s", got, want)
			}
		})
	}
}

// still returns a body as text, without what is of the moment.
func still(t *testing.T, body string, momentary []string) string {
	t.Helper()
	if strings.HasPrefix(body, "\x1f\x8b") {
		r, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		body = string(plain)
	}
	if body == "" {
		t.Error("nothing arrived")
	}
	for _, name := range momentary {
		body = regexp.MustCompile(`"`+name+`":("[^"]*"|[0-9]+)`).ReplaceAllString(body, `"`+name+`":"*"`)
	}
	return body
}
