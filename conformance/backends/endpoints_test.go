// Package backends holds no code: its tests are about all backends at once.
package backends

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	requestor "github.com/gotoolbase/telemetry/deletion/httpjson"
)

// documented are the paths at which vendors' pages show that events are taken, so that
// authors copy them into an endpoint together with the host.
var documented = []string{
	"/batch/", "/capture/", "/e/", "/i/v0/e/", "/i/v1/analytics/events", // PostHog
	"/api/v2/logs", "/v1/input", "/v1/input/0123456789abcdef", // Datadog
	"/v1/batch", "/v1/track", "/v1/import", "/batch", "/2/httpapi", "/groupidentify", // Segment and its kin, Amplitude
	"/v1/logs", "/v1/traces", "/v1/metrics", // OTLP
	"/v1/events", "/v1/deletions", // the http backend and the relay
}

// spellings are how the same path may be written.
func spellings(path string) []string {
	bare := strings.TrimRight(path, "/")
	return []string{bare, bare + "/", bare + "//", "/" + bare, strings.ReplaceAll(bare, "/", "//"), strings.ToUpper(bare), "/prefix" + bare}
}

// sender is what posts to an endpoint.
type sender struct {
	// path is what is added to an endpoint; empty where it is the whole address.
	path string
	// whole is an ending to which nothing is added, "" where there is none but path.
	whole string
	// own are the vendor's endings that name another place than path, which have to be refused.
	own []string
	// send opens with an endpoint and makes one attempt. What the server's answer means is not
	// looked at.
	send func(t *testing.T, endpoint string) error
}

func viaDriver(d driver.Driver, settings map[string]string) func(*testing.T, string) error {
	return func(t *testing.T, endpoint string) error {
		with := map[string]string{"endpoint": endpoint}
		for name, value := range settings {
			with[name] = value
		}
		resolved, err := d.Resolve(with)
		if err != nil {
			return err
		}
		b, err := d.Open(driver.Config{Settings: resolved, Tool: "mytool"})
		if err != nil {
			return err
		}
		_ = b.Send(t.Context(), []driver.Event{{ID: "01890a5d-ac96-774b-bcce-b302099a8057", Type: "a.b", Name: "c", Time: time.Now(), Tool: "mytool"}})
		return b.Close()
	}
}

var senders = map[string]sender{
	"datadog": {"/api/v2/logs", "", []string{"/v1/input", "/v1/input/0123456789abcdef"}, viaDriver(datadog.Driver(), nil)},
	"otlp":    {"/v1/logs", "", []string{"/v1/traces", "/v1/metrics"}, viaDriver(otlp.Driver(), nil)},
	"http":    {"", "", nil, viaDriver(httpjson.Driver(), nil)},
	"posthog": {"/batch/", "", []string{"/track", "/batch/", "/capture/", "/e/", "/i/v0/e/", "/i/v1/analytics/events"},
		viaDriver(posthog.Driver(), map[string]string{"project_key": "phc_0123456789"})},
	"segment":   {"/v1/batch", "/batch", []string{"/v1/track", "/v1/import"}, viaDriver(segment.Driver(), map[string]string{"write_key": "k"})},
	"amplitude": {"/batch", "", []string{"/2/httpapi", "/groupidentify"}, viaDriver(amplitude.Driver(), map[string]string{"api_key": "k"})},
	"deletion/httpjson": {"", "", nil, func(t *testing.T, endpoint string) error {
		r := requestor.Requestor{Endpoint: endpoint}
		if err := r.Check(); err != nil {
			return err
		}
		_, _ = r.RequestDeletion(t.Context(), deletion.Request{Tool: "mytool", MachineID: strings.Repeat("ab", 16), RequestedAt: time.Now()})
		return nil
	}},
}

// arrival is a server that keeps the paths of what arrives.
type arrival struct {
	*httptest.Server
	mu    sync.Mutex
	paths []string
}

func listen(t *testing.T) *arrival {
	t.Helper()
	a := &arrival{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.paths = append(a.paths, r.URL.EscapedPath())
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(a.Close)
	return a
}

// take returns what arrived since it was called last.
func (a *arrival) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	paths := a.paths
	a.paths = nil
	return paths
}

func segments(path string) []string {
	return strings.FieldsFunc(strings.ToLower(path), func(r rune) bool { return r == '/' })
}

// clean is a path without what does not make it another one to a person: case and slashes.
func clean(path string) string { return "/" + strings.Join(segments(path), "/") }

func TestAnEndingThatAVendorDocumentsIsUnderstoodOrNamedAndNeverDoubled(t *testing.T) {
	t.Parallel()
	for name, s := range senders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := listen(t)
			var wrong []string
			fail := func(endpoint, problem string) { wrong = append(wrong, endpoint+": "+problem) }
			for _, ending := range append([]string{""}, documented...) {
				for _, path := range spellings(ending) {
					refusedIn := endsInOne(s.own, ending)
					err := s.send(t, server.URL+path)
					got := server.take()
					if mistake, ok := errors.AsType[*driver.ConfigError](err); ok {
						switch {
						case len(got) > 0:
							fail(path, "refused and sent")
						case !strings.HasSuffix(mistake.Field, "[endpoint]") && !strings.HasSuffix(mistake.Field, ".Endpoint"), !strings.Contains(mistake.Problem, "leave"):
							fail(path, "the error does not say what to write: "+err.Error())
						case !refusedIn && s.path != "":
							fail(path, "refused, and is none of the vendor's: "+err.Error())
						}
						continue
					}
					if err != nil || len(got) != 1 {
						t.Fatalf("%s: %v, and %d requests arrived", path, err, len(got))
					}
					if refusedIn {
						fail(path, "another place of the vendor's is taken, and "+got[0]+" arrives")
						continue
					}
					want := clean(path)
					added := s.path != "" && !strings.HasSuffix(want, clean(s.path)) && (s.whole == "" || !strings.HasSuffix(want, s.whole))
					if added {
						want = clean(path + s.path)
					}
					if clean(got[0]) != want || added && !strings.HasSuffix(got[0], s.path) {
						fail(path, got[0]+" arrives, want "+want)
					}
				}
			}
			if wrong != nil {
				t.Error(strings.Join(wrong, "\n"))
			}
		})
	}
}

func endsInOne(list []string, path string) bool {
	for _, ending := range list {
		if strings.HasSuffix(clean(path), clean(ending)) {
			return true
		}
	}
	return false
}
