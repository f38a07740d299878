//go:build !notelemetry && unix

package relaycmd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks are the parts of a page in a language, or files for the reader to write.
var blocks = regexp.MustCompile("(?m)^```(sh|yaml)\n((?s:.*?))^```$")

// The page is followed as a reader would: in one shell, its files written where they stand and
// its commands run in their order. What differs are the ports, and where the programs come from.
func TestThePageThatSaysHowToRunTheGatewayIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/how-to/run-the-gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(bin, "telemetry-relay")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/gotoolbase/telemetry/cmd/telemetry").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(page)
	for _, port := range []string{"8443", "9090"} {
		text = strings.ReplaceAll(text, "127.0.0.1:"+port, "127.0.0.1:"+freePort(t))
	}
	script := "set -euo pipefail\n"
	for i, m := range blocks.FindAllStringSubmatch(text, -1) {
		language, content := m[1], m[2]
		switch name, found := strings.CutPrefix(strings.SplitN(content, "\n", 2)[0], "# "); {
		case language == "yaml" && found:
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		case language == "yaml":
			t.Errorf("a file of the page has no name:\n%s", content)
		case strings.HasPrefix(content, "go install "):
			script += "command -v telemetry-relay\n" // it is this checkout's
		default:
			script += fmt.Sprintf("echo '== block %d'\n%s", i, content)
			if strings.Contains(content, "/metrics") {
				script += "curl --silent --fail " + regexp.MustCompile(`http://\S*/metrics`).FindString(content) + " > metrics\n"
			}
		}
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), errs.String())
	}
	for _, want := range []string{
		"The relay would run.", `{"ledger":"ok","worker":"ok"}`, `telemetry_relay_events_total{tool="mytool",outcome="accepted"} 1`,
		"\tmytool\tacknowledged\t", "Ledger: as it was written",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if made, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !bytes.Contains(made, []byte("feature.used")) {
		t.Errorf("the report does not have the event: %v, %d bytes", err, len(made))
	}
	if !strings.Contains(errs.String(), "are read anew") {
		t.Errorf("SIGHUP did nothing:\n%s", errs.String())
	}
	checkAlerts(t, filepath.Join(dir, "metrics"))
}

// checkAlerts holds the rules for Prometheus to the metrics that there are, and both to promtool
// where it is.
func checkAlerts(t *testing.T, served string) {
	t.Helper()
	metrics, err := os.ReadFile(served)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`telemetry_relay_\w+`).FindAllString(string(rules), -1)
	if len(names) == 0 {
		t.Error("the alerts name no metric")
	}
	for _, name := range names {
		if !bytes.Contains(metrics, []byte("# TYPE "+name+" ")) {
			t.Errorf("an alert waits for %s, which is not served", name)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("TELEMETRY_TEST_PROMTOOL") == "required" {
			t.Error("there is no promtool")
		}
		return
	}
	if out, err := exec.Command(promtool, "check", "rules", "../../deploy/alerts.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = bytes.NewReader(metrics)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// freePort is one that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
