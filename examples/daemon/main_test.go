//go:build unix && !notelemetry

package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asDaemon makes the test binary clockd, which sends to the address that it holds.
const asDaemon = "CLOCKD_ENDPOINT"

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(asDaemon); endpoint != "" {
		tool.Telemetry.Endpoint = endpoint
		main()
	}
	os.Exit(m.Run())
}

// program returns a file that is the test binary under the tool's own name: under that of a test
// binary, telemetry sleeps.
func program(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "clockd")
	if os.Link(exe, file) == nil {
		return file
	}
	// Another file system. A process of its own writes it: a file that this one has open to be
	// written could not be run while a copy of that handle is on its way to another child.
	if out, err := exec.Command("cp", exe, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// operator runs a clockd that has a home of its own, and the server that it sends to.
type operator struct {
	t    *testing.T
	exe  string
	home string
	url  string

	mu       sync.Mutex
	received bytes.Buffer
}

func newOperator(t *testing.T) *operator {
	o := &operator{t: t, exe: program(t), home: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if _, err := io.Copy(&o.received, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

func (o *operator) command(args ...string) *exec.Cmd {
	cmd := exec.Command(o.exe, args...)
	cmd.Env = []string{asDaemon + "=" + o.url, "HOME=" + o.home, "XDG_STATE_HOME=" + o.home}
	return cmd
}

func (o *operator) run(args ...string) string {
	o.t.Helper()
	out, err := o.command(args...).CombinedOutput()
	if err != nil {
		o.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// serve starts the daemon and returns how to ask it, and how to stop it and see what it printed.
func (o *operator) serve() (ask func(), stop func() string) {
	o.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := o.command("serve", address)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = cmd.Process.Kill() })
	ask = func() {
		o.t.Helper()
		ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
		defer cancel()
		for {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/time", nil)
			if err != nil {
				o.t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err == nil {
				response.Body.Close()
				return
			}
			if ctx.Err() != nil {
				o.t.Fatal(err)
			}
		}
	}
	return ask, func() string {
		o.t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			o.t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			o.t.Errorf("it ends with %v", err)
		}
		return printed.String()
	}
}

func (o *operator) got() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.received.String()
}

func TestADaemonSendsWhatItHasWhenItIsStoppedAndPrintsNothing(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.run("telemetry", "enable")
	ask, stop := o.serve()
	ask()
	if printed := stop(); printed != "" {
		t.Errorf("it printed %q", printed)
	}
	if got := o.got(); !strings.Contains(got, `"name":"time"`) {
		t.Errorf("received: %q", got)
	}
}

func TestADaemonRecordsNothingWithoutAYes(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	ask, stop := o.serve()
	ask()
	if printed := stop(); printed != "" || o.got() != "" {
		t.Errorf("it printed %q and sent %q", printed, o.got())
	}
}

func TestANoCountsWhileTheDaemonRuns(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.run("telemetry", "enable")
	ask, stop := o.serve()
	ask()
	o.run("telemetry", "disable")
	ask()
	stop()
	if got := o.got(); got != "" {
		t.Errorf("received: %q", got)
	}
}

func TestAYesCountsFromTheNextStart(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	ask, stop := o.serve()
	ask()
	o.run("telemetry", "enable")
	ask()
	if stop(); o.got() != "" {
		t.Errorf("received: %q", o.got())
	}
	ask, stop = o.serve()
	ask()
	if stop(); !strings.Contains(o.got(), `"name":"time"`) {
		t.Errorf("received: %q", o.got())
	}
}
