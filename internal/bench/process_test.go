// Package bench measures telemetry from outside: what it adds to a real process of
// examples/mytool. Run it with `make bench PKG=./internal/bench`.
package bench

import (
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkProcess runs `mytool sleep 0` in turn with two programs that do the same
// without telemetry, one of which can post over net/http as mytool can. It reports, in
// milliseconds, the median time of the plain program and the medians of the differences:
// of net/http to the plain program, and of mytool to each.
//
// In the cases named "child", an upload is due in every run, so that each starts a
// background process. That one is waited for between the runs and not measured.
func BenchmarkProcess(b *testing.B) {
	f := newFixture(b)
	for _, c := range []struct {
		name    string
		consent bool
		env     []string
		due     bool
		weather weather
	}{
		{name: "off", env: []string{"DO_NOT_TRACK=1"}},
		{name: "undecided"},
		{name: "on", consent: true},
		{name: "child/answering", consent: true, due: true, weather: answering},
		{name: "child/hanging", consent: true, due: true, weather: hanging},
		{name: "child/refusing", consent: true, due: true, weather: refusing},
	} {
		b.Run(c.name, func(b *testing.B) {
			home := b.TempDir()
			exe := f.patient
			if c.due {
				exe = f.eager
			}
			env := append(f.env(home), c.env...)
			f.server.set(b, answering)
			if c.consent {
				run(b, env, exe, "telemetry", "enable")
				run(b, env, exe, "sleep", "0") // the first upload, which is always due
				waitForUpload(b, home)
			}
			f.server.set(b, c.weather)
			var plain, overPlain, netHTTP, overNetHTTP []time.Duration
			programs := [...]string{f.plain, f.netHTTP, exe}
			for first := 0; b.Loop(); first++ {
				var took [len(programs)]time.Duration
				for i := range programs {
					if !c.due { // each comes after each other as often; a child disturbs what comes next
						i = (first + i) % len(programs)
					}
					took[i] = run(b, env, programs[i], "sleep", "0")
				}
				plain = append(plain, took[0])
				netHTTP = append(netHTTP, took[1]-took[0])
				overPlain = append(overPlain, took[2]-took[0])
				overNetHTTP = append(overNetHTTP, took[2]-took[1])
				if c.due {
					f.server.letGo()
					waitForUpload(b, home)
				}
			}
			b.ReportMetric(0, "ns/op") // of all three and the waiting: it says nothing
			b.ReportMetric(median(plain), "plain-ms")
			b.ReportMetric(median(netHTTP), "net/http-ms")
			b.ReportMetric(median(overPlain), "over-plain-ms")
			b.ReportMetric(median(overNetHTTP), "over-net/http-ms")
		})
	}
}

func median(list []time.Duration) float64 {
	slices.Sort(list)
	return float64(list[len(list)/2]) / float64(time.Millisecond)
}

// fixture is the programs, built once, and the server that mytool reports to.
type fixture struct {
	plain, netHTTP string
	patient, eager string // mytool, with an upload due every hour and in every run
	server         *server
}

func newFixture(b *testing.B) *fixture {
	b.Helper()
	dir := b.TempDir()
	f := &fixture{server: newServer(b)}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		b.Fatal(err)
	}
	build := func(name, ldflags string, replace map[string]string) string {
		exe := filepath.Join(dir, name)
		overlay, err := json.Marshal(map[string]any{"Replace": replace})
		if err != nil {
			b.Fatal(err)
		}
		overlayFile := exe + ".json"
		if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command("go", "build", "-trimpath", "-overlay", overlayFile, "-ldflags", "-s -w "+ldflags, "-o", exe, "./examples/mytool")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("building %s: %v\n%s", name, err, out)
		}
		return exe
	}
	// without is mytool's files with its telemetry taken out, and a command more.
	without := func(more string) map[string]string {
		tool, twin := filepath.Join(root, "examples", "mytool"), filepath.Join(root, "internal", "bench", "testdata")
		return map[string]string{
			filepath.Join(tool, "main.go"):  filepath.Join(twin, "plain.go"),
			filepath.Join(tool, "more.go"):  filepath.Join(twin, more),
			filepath.Join(tool, "build.go"): "",
			filepath.Join(tool, "burst.go"): "",
		}
	}
	flags := "-X main.endpoint=http://" + f.server.address + "/events -X main.interval="
	f.plain = build("plain", "", without("bare.go"))
	f.netHTTP = build("nethttp", "", without("nethttp.go"))
	f.patient = build("patient", flags+"1h", nil)
	f.eager = build("eager", flags+"1ns", nil)
	return f
}

// env is the whole environment of the processes.
func (f *fixture) env(home string) []string {
	return []string{"HOME=" + home, "XDG_STATE_HOME=" + home, "LocalAppData=" + home, "SystemRoot=" + os.Getenv("SystemRoot")}
}

// run returns how long a process took, from before its start until it was reaped.
func run(b *testing.B, env []string, exe string, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command(exe, args...)
	cmd.Env = env
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		b.Fatalf("%s %q: %v", filepath.Base(exe), args, err)
	}
	return took
}

// waitForUpload waits until the background process has written down when the next
// upload may be. Before that the time is a minute away: set by the command, so that no
// other one starts a second process.
func waitForUpload(b *testing.B, home string) {
	b.Helper()
	var file string
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, _ error) error {
		if filepath.Base(path) == "next-upload" {
			file = path
		}
		return nil
	})
	if err != nil || file == "" {
		b.Fatalf("no upload was started: %v", err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		info, err := os.Stat(file)
		if err != nil {
			b.Fatal(err)
		}
		if away := time.Until(info.ModTime()); away < 30*time.Second || away > 30*time.Minute {
			return
		}
	}
	b.Fatal("the upload did not end")
}

// weather is how the server behaves.
type weather int32

const (
	answering weather = iota
	hanging           // accepts the connection and never answers
	refusing          // nobody listens
)

type server struct {
	address string
	now     atomic.Int32
	http    *http.Server
	release chan struct{} // lets go of one request that hangs
}

func newServer(b *testing.B) *server {
	b.Helper()
	s := &server{address: "127.0.0.1:0", release: make(chan struct{})}
	s.listen(b)
	b.Cleanup(func() { s.http.Close() })
	return s
}

func (s *server) listen(b *testing.B) {
	b.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		b.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.http = &http.Server{Handler: s}
	go s.http.Serve(listener) //nolint:errcheck // ends with Close
}

func (s *server) set(b *testing.B, w weather) {
	b.Helper()
	if weather(s.now.Swap(int32(w))) == refusing {
		s.listen(b)
	}
	if w == refusing {
		s.http.Close()
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if weather(s.now.Load()) == hanging {
		<-s.release
		panic(http.ErrAbortHandler) // ends the connection without an answer
	}
	w.WriteHeader(http.StatusAccepted)
}

// letGo ends the request that hangs, so that the next run finds no other process.
func (s *server) letGo() {
	if weather(s.now.Load()) != hanging {
		return
	}
	select {
	case s.release <- struct{}{}:
	case <-time.After(30 * time.Second):
	}
}
