package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestACheckSendsOneMarkedEventAndSaysWhatTheReceiverAnswers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("enable")
	p.must("track", "feature.used", "waits") // a check is not in its way
	p.next()
	p.settle()
	out := p.must("check")
	e := p.next()
	if e.Type != "telemetry.check" || e.Name != "check" || len(e.MachineID) != 32 {
		t.Errorf("arrived: %+v", e)
	}
	for _, want := range []string{"http (127.0.0.1:", "telemetry.check, ", "accepted"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// What was sent can be erased.
	p.must("reset")
	if e := p.next(); e.Type != "data.deletion_request" {
		t.Errorf("arrived: %+v", e)
	}
}

func TestACheckNeedsAYesToThisReceiver(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	refused := func(when, want string) {
		t.Helper()
		out, errs, code := outcome(p.command("check"))
		if code != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: code %d, stdout %q, stderr %q, want %q", when, code, out, errs, want)
		}
		if len(p.events) > 0 {
			t.Errorf("%s: arrived %+v", when, <-p.events)
		}
	}
	refused("nobody asked", "not even to check")
	p.stateless()
	p.must("enable", "--local")
	refused("local", "stays on this machine")
	p.must("disable")
	refused("a no", "not even to check")
	p.must("enable")
	p.env = append(p.env, "DO_NOT_TRACK=1")
	refused("a variable", "not even to check")
	p.env = p.env[:len(p.env)-1]
	p.declare("Name: mytool\nTelemetry:\n  Endpoint: http://127.0.0.1:1/\n")
	refused("another receiver", "not even to check")
}

func TestACheckSaysWhyAnEventIsNotTaken(t *testing.T) {
	t.Parallel()
	const key = "Bearer planted-secret-key"
	for status, want := range map[int]struct{ text, answer string }{
		http.StatusUnauthorized:       {"not taken at that time", "throttled"},
		http.StatusServiceUnavailable: {"not known to have arrived", "unknown"},
		http.StatusBadRequest:         {"refused", "permanent"},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"error":"` + key + `"}`))
			}))
			defer vendor.Close()
			p.declare("Name: mytool\nTelemetry:\n  Endpoint: " + vendor.URL + "\n  Headers: {Authorization: " + key + "}\n")
			p.must("enable")
			for _, args := range [][]string{{"check"}, {"check", "--output", "json"}} {
				out, errs, code := outcome(p.command(args...))
				if code != 1 || !strings.Contains(errs, "was not accepted by http") {
					t.Errorf("code %d, stderr %q", code, errs)
				}
				if strings.Contains(out+errs, "planted") {
					t.Errorf("the key or the server's text is shown:\n%s%s", out, errs)
				}
				if len(args) == 1 {
					if !strings.Contains(out, want.text) {
						t.Errorf("no %q in\n%s", want.text, out)
					}
					continue
				}
				var answer struct{ Answer, Reason string }
				if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Answer != want.answer || answer.Reason == "" {
					t.Errorf("%v, %s", err, out)
				}
			}
		})
	}
}

func TestAPauseIsOverWhenACheckWasAccepted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var tired atomic.Bool
	tired.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if tired.Load() {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(server.Close)
	p.declare("Name: mytool\nTelemetry:\n  Controller: the test\n  Endpoint: " + server.URL + "\n")
	p.must("enable")
	p.env = append(p.env, "CI=1") // then no process sends beside the commands here
	p.must("track", "feature.used", "waits")
	const paused = "\nPaused: what waits is not sent before "
	if out := p.must("status"); !strings.Contains(out, paused) || !strings.Contains(out, "\nAttempts: 1 has failed") {
		t.Errorf("status:\n%s", out)
	}
	if _, _, code := outcome(p.command("check")); code != 1 {
		t.Errorf("a check that is throttled: code %d", code)
	}
	if out := p.must("status"); !strings.Contains(out, paused) {
		t.Errorf("status after a check that was not accepted:\n%s", out)
	}
	tired.Store(false)
	p.must("check")
	if out := p.must("status"); strings.Contains(out, "Paused") || strings.Contains(out, "failed") || !strings.Contains(out, "\nNext upload: with the next command\n") {
		t.Errorf("status after an accepted check:\n%s", out)
	}
	if out := p.must("flush"); !strings.HasPrefix(out, "Sent 1 event to ") {
		t.Errorf("flush: %s", out)
	}
}
