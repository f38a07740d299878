//go:build linux && !notelemetry

package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childFloor makes the test binary the floor: a server that reads bodies and drops them, which
// is the least that anything can do with them. It also stands for a vendor.
const childFloor = "LOAD_TEST_FLOOR"

func TestMain(m *testing.M) {
	if os.Getenv(childFloor) != "" {
		runFloor()
	}
	code := m.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
	os.Exit(code)
}

func runFloor() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("http://" + listener.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // the test has ended
	}()
	err = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// floor starts one and returns its address.
func floor(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFloor+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// programDir is where it is built, to be removed at the end.
var programDir string

// program builds telemetry-relay, once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "load-program-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "telemetry-relay")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "github.com/gotoolbase/telemetry/cmd/telemetry-relay").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func built(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// interrupt ends a relay as a process manager does.
var interrupt os.Signal = syscall.SIGTERM

// relay is a telemetry-relay.
type relay struct {
	t        *testing.T
	dir      string // of its file and its log
	cmd      *exec.Cmd
	ended    chan struct{}
	url      string
	admin    string
	starting time.Duration // until it was healthy
}

// start runs one with a configuration, to which it adds where to listen. Files are those that
// the configuration names.
func start(t *testing.T, config string, files map[string]string) *relay {
	t.Helper()
	r := &relay{t: t, dir: t.TempDir()}
	r.write("relay.yaml", "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n"+config)
	for name, content := range files {
		r.write(name, content)
	}
	r.start()
	t.Cleanup(func() { r.end(os.Kill) })
	return r
}

func (r *relay) write(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// patience is for what is waited for. It is only reached when something is wrong.
const patience = 3 * time.Minute

// start runs it, also again.
func (r *relay) start() {
	r.t.Helper()
	began := time.Now()
	r.cmd = exec.Command(built(r.t), "serve", "--config", "relay.yaml", "--log", "json")
	r.cmd.Dir = r.dir
	log, err := os.OpenFile(filepath.Join(r.dir, "relay.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.cmd.Stderr = write
	err = r.cmd.Start()
	write.Close()
	if err != nil {
		r.t.Fatal(err)
	}
	r.ended = make(chan struct{})
	cmd, ended := r.cmd, r.ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ends is the test's wish
	}()
	lines := bufio.NewScanner(read)
	r.url, r.admin = "", ""
	for r.admin == "" && lines.Scan() {
		var said struct{ Msg, URL, For string }
		fmt.Fprintln(log, lines.Text())
		if json.Unmarshal(lines.Bytes(), &said) != nil || said.Msg != "listening" {
			continue
		}
		if r.url == "" {
			r.url = said.URL
		} else {
			r.admin = said.URL
		}
	}
	if r.admin == "" {
		content, _ := os.ReadFile(log.Name())
		r.t.Fatalf("the relay does not listen: %s", content)
	}
	rest, err := os.OpenFile(log.Name(), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	go func() {
		defer rest.Close()
		defer read.Close()
		for lines.Scan() {
			fmt.Fprintln(rest, lines.Text())
		}
	}()
	await(r.t, "the relay is healthy", func() bool { return r.healthy() })
	r.starting = time.Since(began)
}

func (r *relay) healthy() bool {
	resp, err := http.Get(r.admin + "/healthz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// end ends it, and returns when it has.
func (r *relay) end(with os.Signal) {
	_ = r.cmd.Process.Signal(with) // it may have ended
	<-r.ended
}

// operate runs another command of the program, and returns what it printed and used.
func (r *relay) operate(args ...string) (out []byte, took time.Duration, rss int64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, built(r.t), args...)
	cmd.Dir = r.dir
	var printed bytes.Buffer
	cmd.Stdout = &printed
	began := time.Now()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	// What the system says at the end is as much as the test had when it started the command.
	over, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			if _, most := memoryOf(cmd.Process.Pid); most > 0 {
				rss = most
			}
			select {
			case <-over:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	err := cmd.Wait()
	took = time.Since(began)
	close(over)
	<-looked
	if err != nil {
		r.t.Fatalf("%v: %v", args, err)
	}
	return printed.Bytes(), took, rss
}

// memory returns how much of the relay is in memory now, and was at most.
func (r *relay) memory() (now, most int64) { return memoryOf(r.cmd.Process.Pid) }

// memoryOf returns zeros where there is no such process any more.
func memoryOf(process int) (now, most int64) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			now = n << 10
		case "VmHWM:":
			most = n << 10
		}
	}
	return now, most
}

// worked returns how long processors worked for it.
func (r *relay) worked() time.Duration {
	r.t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // what Linux tells programs, whatever its own is
	return time.Duration(user+system) * tick
}

// await waits for something that another process brings about.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}
