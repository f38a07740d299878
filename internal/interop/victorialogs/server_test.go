package victorialogs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// deadline is for anything that is waited for. It is only reached when something is
// wrong.
const deadline = 30 * time.Second

// victoriaLogs is the program, built by TestMain.
var victoriaLogs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "victorialogs-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		victoriaLogs = filepath.Join(dir, "victoria-logs")
		if err := build("", victoriaLogs, "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-logs"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// build builds a program of the module that dir is in.
func build(dir, exe, program string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", exe}, flags...), program)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", program, err, out)
	}
	return nil
}

// server is a VictoriaLogs on this machine, which can be away.
type server struct {
	t    *testing.T
	dir  string
	addr string // the same after a restart
	cmd  *exec.Cmd
	gone chan error // has what ended cmd
	log  *buffer
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.stop()
		}
	})
	return s
}

// start runs the server and returns when it answers.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(victoriaLogs,
		"-httpListenAddr="+s.addr, "-storageDataPath="+s.dir, "-retentionPeriod=30d",
		"-memory.allowedBytes=256MB") // of a machine that others use as well
	s.cmd.Env = []string{"TZ=UTC"}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.log, s.gone = &buffer{}, make(chan error, 1)
	listening := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(stderr)
		for {
			line, err := lines.ReadString('\n')
			_, _ = s.log.Write([]byte(line))
			if _, after, found := strings.Cut(line, "started server at http://"); found {
				listening <- strings.TrimRight(after, "/\n")
			}
			if err != nil {
				break
			}
		}
		s.gone <- s.cmd.Wait() // only now: it closes the pipe
	}()
	select {
	case s.addr = <-listening:
	case err := <-s.gone:
		s.cmd = nil
		s.t.Fatalf("VictoriaLogs has ended: %v\n%s", err, s.log)
	case <-time.After(deadline):
		_ = s.cmd.Process.Kill()
		<-s.gone
		s.cmd = nil
		s.t.Fatalf("VictoriaLogs does not begin to listen\n%s", s.log)
	}
}

// stop asks the server to end, as an administrator does: what it has answered for is on
// its disk afterwards. (After SIGKILL the last 10 s would be gone.)
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Error(err)
	}
	select {
	case err := <-s.gone:
		if err != nil {
			s.t.Errorf("VictoriaLogs ended with %v\n%s", err, s.log)
		}
	case <-time.After(deadline):
		s.t.Errorf("VictoriaLogs does not end\n%s", s.log)
		_ = s.cmd.Process.Kill()
		<-s.gone
	}
	s.cmd = nil
}

func (s *server) url(path string) string { return "http://" + s.addr + path }

// row is a log as VictoriaLogs has it: pairs of strings.
type row map[string]string

// query returns what LogsQL finds.
func (s *server) query(logsQL string) []row {
	s.t.Helper()
	s.get("/internal/force_flush") // what was taken in is visible from here on
	var rows []row
	decoder := json.NewDecoder(bytes.NewReader(s.get("/select/logsql/query?query=" + url.QueryEscape(logsQL))))
	for {
		var r row
		if err := decoder.Decode(&r); errors.Is(err, io.EOF) {
			return rows
		} else if err != nil {
			s.t.Fatal(err)
		}
		// Which rows are kept side by side is the store's own business.
		delete(r, "_stream")
		delete(r, "_stream_id")
		rows = append(rows, r)
	}
}

// one returns the only log with a value.
func (s *server) one(field, value string) row {
	s.t.Helper()
	rows := s.query(fmt.Sprintf("%q:=%q", field, value))
	if len(rows) != 1 {
		s.t.Fatalf("%d logs have %s %s, want one: %v", len(rows), field, value, rows)
	}
	return rows[0]
}

func (s *server) get(path string) []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s %v", path, response.StatusCode, body, err)
	}
	return body
}

// client keeps no connection: a server that restarts is met anew.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// buffer is written by one goroutine and read by another.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
