//go:build linux && !notelemetry

// Recording writes the picture of README: a real mytool on a pseudo-terminal, whose user is asked,
// says yes, and looks at what waits. `make recording` writes docs/recording.cast, for asciinema, and
// docs/recording.svg, which a forge shows. What the tool printed stands in both word for word, but
// for the home, IDs and times, which are other ones in each run: so a test can hold both to the tool.
package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
)

const (
	columns, rows = 80, 24
	// patience is how long is waited for what the tool has to do.
	patience = time.Minute
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	if err := run(ctx, "docs"); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	scenes, err := record(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "recording.cast"), cast(scenes), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "recording.svg"), picture(scenes), 0o644)
}

// scene is a command, and what was on the terminal then: what it printed, what was typed as an
// answer, and what came after that.
type scene struct{ command, shown, answer, after string }

// record lives through the story with a tool that is built for it.
func record(ctx context.Context) ([]scene, error) {
	dir, err := os.MkdirTemp("/tmp", "r") // short, so that no line breaks for its sake
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // best effort: a background process of the tool may still be at its end
	in, err := newIntake(dir)
	if err != nil {
		return nil, err
	}
	defer in.close()
	s := &stage{ctx: ctx, dir: dir, env: append(in.env(), "HOME="+dir, "PATH=/usr/bin:/bin", "TERM=xterm", "NO_COLOR=1", "TZ=UTC", "LC_ALL=C.UTF-8")}
	if err := s.build(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("Milk, bread and\na stamp.\n"), 0o600); err != nil {
		return nil, err
	}
	s.play("mytool count notes.txt", "y\r")
	s.until("the first event was taken", func() bool { return in.batches.Load() > 0 })
	s.until("the upload was noted", func() bool {
		out, err := s.command("telemetry", "status").Output()
		return err == nil && strings.Contains(string(out), "Delivered: 1 event")
	})
	s.play("mytool count notes.txt", "")
	s.play("mytool telemetry inspect", "")
	s.play("mytool telemetry status", "")
	return s.scenes, s.err
}

// stage is where the tool runs. The first error ends the story.
type stage struct {
	ctx    context.Context
	dir    string
	env    []string
	scenes []scene
	err    error
}

func (s *stage) build() error {
	cmd := exec.CommandContext(s.ctx, "go", "build", "-o", filepath.Join(s.dir, "mytool"),
		"-ldflags", "-X main.version=1.4.0 -X main.endpoint=https://telemetry.example.com/v1/events",
		"github.com/gotoolbase/telemetry/examples/mytool")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building mytool: %w: %s", err, out)
	}
	return nil
}

func (s *stage) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, filepath.Join(s.dir, "mytool"), args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *stage) until(what string, is func() bool) {
	for end := time.Now().Add(patience); s.err == nil && !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.err = fmt.Errorf("waiting until %s: it did not happen", what)
		}
	}
}

// play runs a command on a terminal and types the answer to a question, if there is one.
func (s *stage) play(line, answer string) {
	if s.err != nil {
		return
	}
	shown, after, err := s.onTerminal(strings.Fields(line)[1:], answer)
	if err != nil {
		s.err = fmt.Errorf("%s: %w", line, err)
		return
	}
	s.scenes = append(s.scenes, scene{line, s.steady(shown), strings.TrimSuffix(answer, "\r"), s.steady(after)})
}

// onTerminal returns what was on the terminal before the answer and after it.
func (s *stage) onTerminal(args []string, answer string) (shown, after string, err error) {
	cmd := s.command(args...)
	terminal, err := pty.StartWithAttrs(cmd, &pty.Winsize{Cols: columns, Rows: 2 * rows}, &syscall.SysProcAttr{Setsid: true, Setctty: true})
	if err != nil {
		return "", "", err
	}
	defer terminal.Close()
	var text strings.Builder
	asked := -1
	for buffer := make([]byte, 4096); ; {
		n, err := terminal.Read(buffer)
		text.Write(buffer[:n])
		if answer != "" && asked < 0 && strings.HasSuffix(text.String(), "] ") {
			asked = text.Len()
			if _, err := io.WriteString(terminal, answer); err != nil {
				return "", "", err
			}
		}
		if err != nil { // EIO: the program has ended
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		return "", "", err
	}
	if answer == "" {
		return text.String(), "", nil
	}
	if asked < 0 {
		return "", "", errors.New("nothing was asked: " + text.String())
	}
	_, after, _ = strings.Cut(text.String()[asked:], "\r\n") // the answer, which the terminal shows
	return text.String()[:asked], after, nil
}

var (
	ids    = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	times  = regexp.MustCompile(`\b20\d\d-\d\d-\d\d([ T])\d\d:\d\d(:\d\d(\.\d+)?)?`)
	clocks = regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`)
	dates  = regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`)
	sizes  = regexp.MustCompile(`\b\d+ bytes on disk\b`)
	spans  = regexp.MustCompile(`\b\d+ ms\b`)
	// Where a background process would not outlive the command, as in a container, status says so.
	place = regexp.MustCompile(`(?m)^Sent by +the commands themselves.*\n(?: {21}.*\n)*`)
	// So does inspect.
	around = regexp.MustCompile(`(?m)^Context: container\b`)
	short  = regexp.MustCompile(`receipt: [0-9a-f]{8}\b`)
	system = regexp.MustCompile(`\b(debian|ubuntu|alpine|fedora) [\d.]+`)
)

// steady replaces what is another one in each run or on each machine.
func (s *stage) steady(text string) string {
	text = strings.ReplaceAll(text, s.dir, "/home/ana")
	text = ids.ReplaceAllString(text, "7c2f61a09be84d53a1f0c6d29e8b4730")
	text = times.ReplaceAllString(text, "2026-05-04${1}09:30")
	text = dates.ReplaceAllString(text, "2026-05-04")
	text = clocks.ReplaceAllString(text, "09:30")
	text = sizes.ReplaceAllString(text, "391 bytes on disk")
	text = spans.ReplaceAllString(text, "3 ms")
	text = place.ReplaceAllString(text, "")
	text = around.ReplaceAllString(text, "Context: no CI, agent or container")
	text = short.ReplaceAllString(text, "receipt: e41b07c9")
	return system.ReplaceAllString(text, "debian 12")
}

// intake is the receiver, and a proxy that leads to it whatever host is meant: so the tool sends
// as it would, and nothing leaves the machine.
type intake struct {
	server, proxy *httptest.Server
	authority     string
	batches       atomic.Int64
}

func newIntake(dir string) (*intake, error) {
	in := &intake{authority: filepath.Join(dir, "authority.pem")}
	in.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		in.batches.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	in.proxy = httptest.NewServer(http.HandlerFunc(in.connect))
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: in.server.Certificate().Raw})
	return in, os.WriteFile(in.authority, certificate, 0o600)
}

func (in *intake) env() []string {
	return []string{"HTTPS_PROXY=" + in.proxy.URL, "SSL_CERT_FILE=" + in.authority}
}

func (in *intake) close() {
	in.proxy.Close()
	in.server.Close()
}

func (in *intake) connect(w http.ResponseWriter, r *http.Request) {
	to, err := net.Dial("tcp", in.server.Listener.Addr().String())
	if r.Method != http.MethodConnect || err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	fmt.Fprint(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
}
