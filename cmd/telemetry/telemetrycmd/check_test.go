package telemetrycmd

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A word that somebody mistyped must not send anything, so what users have cannot check.
func TestOnlyABuildOfTheAuthorsChecksItsReceiver(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("telemetry", "enable")
	if _, stderr, code := h.run("telemetry", "status", "--check"); code != exitUsage || !strings.Contains(stderr, "-tags telemetrycheck") {
		t.Errorf("code %d, %s", code, stderr)
	}
	if help := h.must("telemetry", "status", "--help"); strings.Contains(help, "--check") {
		t.Errorf("help offers --check:\n%s", help)
	}
	if testing.Short() {
		t.Skip("builds a tool")
	}
	tool := filepath.Join(t.TempDir(), "mytool")
	build := exec.Command("go", "build", "-tags", "telemetrycheck", "-o", tool, "github.com/gotoolbase/telemetry/examples/mytool")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	status := exec.Command(tool, "telemetry", "status", "--check")
	status.Env = []string{"HOME=" + t.TempDir()}
	out, err := status.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nothing is sent without a yes") {
		t.Errorf("%v\n%s", err, out)
	}
}
