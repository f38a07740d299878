package omitted

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// build builds a program of this module.
func build(t *testing.T, pkg, tags, ldflags string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "program.exe") // a name that every system runs
	cmd := exec.Command("go", "build", "-buildvcs=false", "-tags", tags, "-ldflags", ldflags, "-o", exe, "github.com/gotoolbase/telemetry/"+pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return exe
}

func TestABuildWithoutTelemetryHoldsNoWayToAnybody(t *testing.T) {
	t.Parallel()
	network := []string{"net/http.", "crypto/tls.", "crypto/x509."}
	for _, program := range []struct {
		pkg, tags string
		vendors   []string
	}{
		{"examples/mytool", "", nil},
		{"examples/mytool", "vendors", []string{"posthog.com", "datadoghq.com", "opentelemetry"}},
		{"cmd/telemetry", "", []string{"posthog.com", "datadoghq.com", "opentelemetry", "segment.io", "amplitude.com"}},
	} {
		t.Run(program.pkg+" "+program.tags, func(t *testing.T) {
			t.Parallel()
			read := func(tags string) []byte {
				content, err := os.ReadFile(build(t, program.pkg, tags, ""))
				if err != nil {
					t.Fatal(err)
				}
				return content
			}
			ordinary, without := read(program.tags), read("notelemetry,"+program.tags)
			for _, what := range append(network, program.vendors...) {
				if !bytes.Contains(ordinary, []byte(what)) {
					t.Errorf("the search finds nothing: %q is not in the ordinary build", what)
				}
				if bytes.Contains(without, []byte(what)) {
					t.Errorf("%q is in the build without telemetry", what)
				}
			}
			t.Logf("%d KiB, without telemetry %d KiB", len(ordinary)>>10, len(without)>>10)
		})
	}
}

// receiver takes everything, and counts connections.
func receiver(t *testing.T) (*httptest.Server, *atomic.Int64) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, &connections
}

func TestABuildWithoutTelemetryCleansUpWhatAnOrdinaryOneLeft(t *testing.T) {
	t.Parallel()
	server, connections := receiver(t)
	flags := "-X main.endpoint=" + server.URL + "/events"
	ordinary := build(t, "examples/mytool", "vendors", flags)
	without := build(t, "examples/mytool", "notelemetry,vendors", flags)
	home := t.TempDir()
	exits := func(want int, exe, args string) string {
		t.Helper()
		cmd := exec.Command(exe, strings.Fields(args)...)
		// In a job nothing is left to a process in the background, and a minute lies between two deliveries.
		cmd.Env = []string{"CI=true", "HOME=" + home, "LocalAppData=" + home, "PATH=" + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot")}
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("mytool %s: exit code %d\n%s", args, code, out)
		}
		return strings.Join(strings.Fields(string(out)), " ") // a notice has breaks
	}
	says := func(args string, code int, words ...string) {
		t.Helper()
		out := exits(code, without, args)
		for _, want := range words {
			if !strings.Contains(out, want) {
				t.Errorf("mytool %s does not say %q:\n%s", args, want, out)
			}
		}
	}
	exits(0, ordinary, "telemetry enable")
	exits(0, ordinary, "burst 1")
	exits(0, ordinary, "burst 2")
	reached := connections.Load()
	if reached == 0 {
		t.Fatal("the ordinary build sent nothing: there is nothing to clean up")
	}
	const by = "this build (built without telemetry)"
	says("telemetry status", 0, "off", by, "Waiting: 3 events", "Receiver: none")
	says("telemetry status --explain", 0, "no: built without telemetry <- decided")
	says("telemetry status --output json", 0, `"state": "off"`, `"decided_by": "this build"`)
	says("telemetry schema", 0, "command.invocation")
	says("telemetry share", 0, "MYTOOL_TELEMETRY_IDENTITY=")
	says("telemetry flush", 1, by)
	says("burst 3", 0, "tracked 3")
	says("telemetry status", 0, "Waiting: 3 events")
	says("telemetry disable", 0, "The 3 events that were waiting to be sent are erased.")
	says("telemetry enable", 0, "The yes is stored, but telemetry of mytool stays off: decided by "+by, "It is sent nowhere: this build is one without telemetry.")
	const held = "cannot contact: another build has to ask"
	says("telemetry reset --yes", 1, "NOT handed over yet", held, "It is kept until then.", "1 deletion request is still open")
	says("telemetry reset --status", 0, held)
	says("telemetry reset --resume", 1, held)
	says("burst 1", 0)
	if n := connections.Load(); n != reached {
		t.Errorf("the build without telemetry made %d connections", n-reached)
	}
	if out := exits(0, ordinary, "telemetry reset --resume"); !strings.Contains(out, "was handed over to http") {
		t.Errorf("the ordinary build does not make the request:\n%s", out)
	}
	// A yes that was said to nobody is none to the receiver of an ordinary build.
	exits(0, without, "telemetry enable")
	if out := exits(0, ordinary, "telemetry status"); !strings.Contains(out, "what you said yes to has changed") {
		t.Errorf("the ordinary build:\n%s", out)
	}
}
