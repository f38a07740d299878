//go:build !notelemetry

package relaycmd

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The metrics are those of a gateway that takes events and deletes. promtool reads both where it is.
func TestTheAlertsWaitForMetricsThatAreServed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("relay.yaml", "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ndatabase: sqlite:db/relay.db\ntools:\n  mytool:\n    destinations: [{backend: store}]\n    deletions: [{vendor: store}]\n")
	r := p.start()
	r.post("mytool", somebody(1))
	code, metrics := get(t, http.DefaultClient, r.url(forAdmin)+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("metrics: %d %s", code, metrics)
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
		if !strings.Contains(metrics, "# TYPE "+name+" ") {
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
	check.Stdin = strings.NewReader(metrics)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
