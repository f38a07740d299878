//go:build !notelemetry

package relaycmd

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/internal/standin/datadog"
	"github.com/gotoolbase/telemetry/internal/standin/posthog"
)

// atPostHog and atDataDog are the flags by which a vendor is asked.
func (p *place) atPostHog(who person, more ...string) []string {
	return append([]string{"delete", "--machine-id", who.id, "--vendor", "posthog",
		"--endpoint", p.postHogURL, "--project", "12345", "--key-file", "posthog.key"}, more...)
}

func (p *place) atDataDog(who person, more ...string) []string {
	return append([]string{"delete", "--machine-id", who.id, "--vendor", "datadog", "--tool", "mytool", "--endpoint", p.dataDogURL,
		"--retention", "15d", "--api-key-file", "api.key", "--application-key-file", "application.key"}, more...)
}

// told is a transcript without the times and numbers of the day.
func (p *place) told(args ...string) string {
	p.Helper()
	text := times.ReplaceAllString(p.transcript(args...), "TIME")
	return looks.ReplaceAllString(uuids.ReplaceAllString(text, "PROFILE"), "nothing-TIME")
}

func TestADeletionByHandSaysWhatItIsAndDoes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who, nobody, foreign := somebody(1), somebody(2), somebody(3)
	p.postHog.Capture(who.id, time.Now())
	p.postHog.Capture(foreign.id, time.Now())
	p.postHog.Alias(foreign.id, "somebody@example.com")
	early := somebody(4)
	p.postHog.CapturePersonless(early.id, time.Now())
	for range 3 {
		p.dataDog.Store(datadog.Log{Host: who.id, Service: "mytool"})
	}
	p.dataDog.Store(datadog.Log{Host: foreign.id, Service: "another"})

	golden(t, "delete_posthog_dry_run", p.told(p.atPostHog(who, "--dry-run")...))
	golden(t, "delete_posthog_dry_run_json", p.told(p.atPostHog(who, "--dry-run", "--output", "json")...))
	golden(t, "delete_posthog_dry_run_foreign", p.told(p.atPostHog(foreign, "--dry-run")...))
	golden(t, "delete_posthog_dry_run_nobody", p.told(p.atPostHog(nobody, "--dry-run")...))
	golden(t, "delete_datadog_dry_run", p.told(p.atDataDog(who, "--dry-run")...))
	golden(t, "delete_datadog_dry_run_elsewhere", p.told(p.atDataDog(foreign, "--dry-run")...))
	golden(t, "delete_datadog_dry_run_nobody", p.told(p.atDataDog(nobody, "--dry-run", "-o", "json")...))
	golden(t, "delete_posthog_no_terminal", p.told(p.atPostHog(who)...))
	if n := p.postHog.Count(posthog.BulkDelete) + p.dataDog.Count(datadog.Create); n > 0 {
		t.Fatalf("looking has deleted %d times", n)
	}

	golden(t, "delete_posthog", p.told(p.atPostHog(who, "--yes")...))
	golden(t, "delete_posthog_foreign", p.told(p.atPostHog(foreign, "--yes")...))
	golden(t, "delete_posthog_too_early", p.told(p.atPostHog(early, "--yes")...))
	golden(t, "delete_posthog_nothing", p.told(p.atPostHog(nobody, "--yes", "--requested-at", "2026-01-02T03:04:05Z")...))
	golden(t, "delete_datadog", p.told(p.atDataDog(who, "--yes")...))
	golden(t, "delete_datadog_status_all", p.told(p.atDataDog(who, "--status")...))
	golden(t, "delete_datadog_status", p.told(p.atDataDog(who, "--status", "753")...))
	golden(t, "delete_datadog_cancel", p.told(p.atDataDog(who, "--cancel", "753", "--yes")...))
	golden(t, "delete_datadog_cancelled", p.told(p.atDataDog(who, "--status", "753", "-o", "json")...))
	golden(t, "delete_datadog_status_left", p.told(p.atDataDog(who, "--status")...))
	golden(t, "delete_datadog_unknown", p.told(p.atDataDog(who, "--status", "999")...))
}

// command is the last line of what a run printed under a label, to be typed as it is.
func command(t *testing.T, out, label string) []string {
	t.Helper()
	found := regexp.MustCompile(`(?m)` + label + `: telemetry-relay (.*)$`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("there is no %q in\n%s", label, out)
	}
	return strings.Fields(found[1])
}

func TestTheCommandThatIsPrintedFollowsUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who := somebody(1)
	p.postHog.Capture(who.id, time.Now().Add(-3*time.Hour))
	out := p.must(p.atPostHog(who, "--yes", "--requested-at", time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339))...)
	follow := command(t, out, "How far it is")
	if out := p.must(follow...); !strings.HasPrefix(out, "State: acknowledged\n") {
		t.Errorf("before the sweep: %s", out)
	}
	p.postHog.Sweep()
	// It is not said before what was sent last would be visible.
	if out := p.must(follow...); !strings.HasPrefix(out, "State: acknowledged\n") {
		t.Errorf("at once after the sweep: %s", out)
	}
	// What came in later has to be asked for anew, and the command for that is there.
	p.postHog.Capture(who.id, time.Now())
	_, errs, code := p.run(follow...)
	if code != 1 || !strings.Contains(errs, "the request has to be made again") {
		t.Errorf("code %d, %s", code, errs)
	}
	p.fails(2, "there is no terminal to ask at: add --yes", command(t, errs, "ask again")...)

	who = somebody(2)
	p.dataDog.Store(datadog.Log{Host: who.id, Service: "mytool"})
	out = p.must(p.atDataDog(who, "--yes")...)
	back := command(t, out, "To take it back")
	p.fails(2, "there is no terminal to ask at", back...)
	if out := p.must(append(back, "--yes")...); !strings.HasPrefix(out, "State: refused\n") {
		t.Errorf("taken back: %s", out)
	}
	if out := p.fails(1, "is not going to be deleted", command(t, out, "How far it is")...); !strings.HasPrefix(out, "State: refused\n") {
		t.Errorf("afterwards: %s", out)
	}
}

func TestWaitStaysUntilTheDataIsGone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who := somebody(1)
	p.dataDog.Store(datadog.Log{Host: who.id, Service: "mytool"})
	p.dataDog.Break(datadog.List, datadog.Fault{Status: http.StatusServiceUnavailable, Body: `{"errors":["down"]}`, Calls: 1})
	out, errs := newLines(), newLines()
	cmd := p.command(p.atDataDog(who, "--yes", "--wait", "--every", "5ms")...)
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	errs.expect(t, 1, "Datadog failed; asking again in 5ms")
	out.expect(t, 1, "State: acknowledged")
	p.dataDog.Run()
	p.dataDog.Advance(datadog.CancelWindow)
	p.dataDog.Run()
	p.dataDog.Run()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %q", err, errs.with(""))
	}
	if n := len(out.with("State: verified")); n != 1 || p.dataDog.Count(datadog.Create) != 1 {
		t.Errorf("asked %d times, %q", p.dataDog.Count(datadog.Create), out.with(""))
	}
}

func TestWhatTheVendorRefusesIsExitCodeOne(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who := somebody(1)
	p.postHog.Capture(who.id, time.Now())
	for name, test := range map[string]struct {
		fault posthog.Fault
		want  string
	}{
		"key":  {posthog.Fault{Status: http.StatusUnauthorized, Body: "{}"}, "the key is refused"},
		"down": {posthog.Fault{Status: http.StatusBadGateway, Body: "{}"}, "to ask again, which is safe: telemetry-relay delete --machine-id "},
		"busy": {posthog.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"90"}}, Body: "{}"}, "not before 1m30s have passed: telemetry-relay delete "},
		"no":   {posthog.Fault{Status: http.StatusBadRequest, Body: "{}"}, "PostHog does not take the request\n"},
		"gone": {posthog.Fault{Drop: true}, "check the address and the network"},
	} {
		p.postHog.Break(posthog.BulkDelete, test.fault)
		if out := p.fails(1, test.want, p.atPostHog(who, "--yes")...); out != "" {
			t.Errorf("%s: printed %q", name, out)
		}
	}
	if p.postHog.HasProfile(who.id) == false {
		t.Error("the profile is gone")
	}
}

func TestAKeyMayComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("delete", "--machine-id", somebody(1).id, "--vendor", "posthog", "--endpoint", p.postHogURL, "--project", "12345",
		"--key-env", "POSTHOG_KEY", "--dry-run")
}

func TestWrongUseOfDeleteAsksNobody(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who := somebody(1)
	base := strings.Join(p.atPostHog(who), " ")
	for line, want := range map[string]string{
		"delete":                        "--machine-id is required",
		"delete --machine-id " + who.id: "--vendor is required: amplitude, datadog, posthog or segment",
		"delete --machine-id " + who.id + " --vendor mixpanel":                 "must be amplitude, datadog, posthog or segment",
		"delete --machine-id ABC --vendor posthog":                             "--machine-id: not a machine ID of 32 lower-case hexadecimal characters",
		"delete --machine-id " + strings.ToUpper(who.id) + " --vendor posthog": "--machine-id: not a machine ID",
		base + " x":                                   "a receipt goes with --status or --cancel",
		base + " --status a b":                        "there is one receipt at a time",
		base + " --status --dry-run":                  "give one of them",
		base + " --dry-run --wait":                    "--wait goes with a deletion or with --status",
		base + " --status --wait":                     "--status --wait takes the receipt",
		base + " --cancel":                            "--cancel takes the receipt",
		base + " --cancel x":                          "posthog cannot take a request back",
		base + " --site eu1":                          "--site is for datadog and not for posthog",
		base + " --api-key-file x":                    "--api-key-file is for amplitude or datadog and not for posthog",
		base + " --requested-at yesterday":            "--requested-at must be a time that is over",
		base + " --requested-at 2099-01-01T00:00:00Z": "--requested-at must be a time that is over",
		base + " --wait --every 0s":                   "--every must be above zero",
		base + " --config x":                          "unknown flag: --config",
		base + " --project mine":                      "--project: not a project ID",
		base + " --instance eu":                       "--endpoint: instance is set as well",
		base + " --key-env POSTHOG_KEY":               "--key-env: the key is to be in a file as well",
		base + " --key-file none":                     "--key-file: cannot read the file: ",
		base + " --key-file api.key --yes":            "--key-file: not a personal API key",
		"delete --machine-id " + who.id + " --vendor posthog --instance eu --project 1":                                                 "--key-file: not set: name the file that holds the key",
		"delete --machine-id " + who.id + " --vendor posthog --instance eu --project 1 --key-env " + postHogKey:                         "--key-env: the environment has no such variable",
		"delete --machine-id " + who.id + " --vendor datadog --retention 15d":                                                           "--api-key-file: not set",
		"delete --machine-id " + who.id + " --vendor datadog --tool mytool --api-key-env POSTHOG_KEY --application-key-env POSTHOG_KEY": "--retention: required by vendor",
	} {
		if out := p.fails(2, want, strings.Fields(line)...); out != "" {
			t.Errorf("%s: printed %q", line, out)
		}
	}
	if n := len(p.postHog.Calls()) + len(p.dataDog.Calls()); n > 0 {
		t.Errorf("the vendors were called %d times", n)
	}
	_, err := os.Stat(p.path("none"))
	if err == nil {
		t.Error("a file was made")
	}
}
