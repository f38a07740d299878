//go:build !notelemetry

package report_test

import (
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
)

// served serves a report as an admin address does.
func served(t *testing.T, list ...driver.Event) string {
	t.Helper()
	db := open(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	now := func() time.Time { return samples.Now }
	r := rollups(t, db, now)
	for _, e := range list {
		r.Add(e.Tool, []driver.Event{e}, samples.Now)
	}
	flush(t, r)
	mux := http.NewServeMux()
	h := report.Handler(db, now)
	mux.Handle("/report", h)
	mux.Handle("/report/", h)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func first(tool string) driver.Event {
	return driver.Event{ID: "of " + tool, Type: "command.invocation", Name: "build", Time: samples.Now, Tool: tool, MachineID: "m", OS: "linux", Interactive: true}
}

func TestTheOperatorSeesAFirstEventAndItsNumbers(t *testing.T) {
	t.Parallel()
	base := served(t, first("my tool"))
	answer, page := get(t, base+"/report")
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, "How my tool is used") || !strings.Contains(page, "not to be published") {
		t.Fatalf("%d %s", answer.StatusCode, page)
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || !strings.HasSuffix(policy, "; frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	links := regexp.MustCompile(`href="(/report/[^"]+\.csv[^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 6 {
		t.Errorf("only %d tables", len(links))
	}
	for _, l := range links {
		answer, text := get(t, base+html.UnescapeString(l[1]))
		if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/csv") || !strings.Contains(text, ",") {
			t.Errorf("%s: %d, %s, %q", l[1], answer.StatusCode, kind, text)
		}
	}
	// The same as it can be published: nothing yet.
	if _, page := get(t, base+"/report?k=5"); !strings.Contains(page, "Nothing may be shown yet") || strings.Contains(page, "build") {
		t.Error(page)
	}
}

func TestOfSeveralToolsTheFirstIsShownAndTheOthersAreLinked(t *testing.T) {
	t.Parallel()
	base := served(t, first("beta"), first("alpha"))
	_, page := get(t, base+"/report/")
	if !strings.Contains(page, "How alpha is used") || !strings.Contains(page, `href="/report?tool=beta"`) {
		t.Error(page)
	}
	if _, page := get(t, base+"/report?tool=beta"); !strings.Contains(page, "How beta is used") {
		t.Error(page)
	}
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	base := served(t)
	if answer, page := get(t, base+"/report"); answer.StatusCode != http.StatusOK || !strings.Contains(page, "No event has come in yet") {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
	for path, want := range map[string]int{"/report/nothing.csv": 404, "/report?k=0": 400, "/report?k=x": 400, "/report?weeks=-1": 400, "/report?weeks=53": 200, "/report?weeks=54": 400, "/report?k=99999": 400, "/report?tool=nobody": 200} {
		if answer, text := get(t, base+path); answer.StatusCode != want {
			t.Errorf("%s: %d, want %d: %s", path, answer.StatusCode, want, text)
		}
	}
	answer, err := http.Post(base+"/report", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", answer.StatusCode)
	}
}
