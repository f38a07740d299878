package coretest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/props"
)

// plain is what examples/plain declares.
func plain() props.Tool {
	return props.Tool{
		Name: "plain", Version: "1.0.0", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://analytics.example.com/events", Controller: "the people who build this example"},
	}
}

func TestARealProgramFindsThePersonsAnswerInItsHome(t *testing.T) {
	t.Parallel()
	binary := coretest.Build(t, "../../examples/plain")
	other := plain()
	other.Telemetry.Endpoint = "https://elsewhere.example.com/events"
	for name, tt := range map[string]struct {
		options []coretest.HomeOption
		state   string
		by      string
	}{
		"nobody was asked":          {nil, "undecided", "nobody"},
		"yes":                       {[]coretest.HomeOption{coretest.SaidYes(plain())}, "on", "your answer"},
		"no":                        {[]coretest.HomeOption{coretest.SaidNo(plain())}, "off", "your answer"},
		"yes to another receiver":   {[]coretest.HomeOption{coretest.SaidYes(other)}, "undecided", "nobody"},
		"no, and later a yes to it": {[]coretest.HomeOption{coretest.SaidNo(plain()), coretest.SaidYes(plain())}, "on", "your answer"},
	} {
		cmd := exec.Command(binary, "telemetry", "status", "--output", "json")
		cmd.Env = coretest.PlantHome(t, tt.options...).Environ()
		out, err := cmd.Output()
		var status struct {
			State string `json:"state"`
			By    string `json:"decided_by"`
		}
		if err == nil {
			err = json.Unmarshal(out, &status)
		}
		if err != nil || status.State != tt.state || status.By != tt.by {
			t.Errorf("%s: status says %s (%v)", name, out, err)
		}
	}
}

func TestWhatAProgramWouldRecordIsReadFromIt(t *testing.T) {
	t.Parallel()
	binary := coretest.Build(t, "../../examples/plain")
	home := coretest.PlantHome(t)
	for _, options := range [][]coretest.HomeOption{nil, {coretest.SaidYes(plain())}} {
		home = coretest.PlantHome(t, options...)
		var out, errs bytes.Buffer
		cmd := exec.Command(binary, "greet", "-loud", "world")
		cmd.Stdout, cmd.Stderr = &out, &errs
		home.Recorded(cmd).Only(t, "greet").With(t, "greet", "exit_code=0", "flags=loud", "ci=false")
		if out.String() != "HELLO WORLD!\n" || strings.Contains(errs.String(), "{") {
			t.Errorf("it printed %q and %q", &out, &errs)
		}
	}
	cmd := exec.Command(binary, "greet")
	cmd.Env = []string{"CI=true"}
	home.Recorded(cmd).With(t, "greet", "exit_code=2", "ci=true")
	home.Recorded(exec.Command(binary, "telemetry", "status")).None(t)
	if sh, err := exec.LookPath("sh"); err == nil { // a line of progress need not end
		var errs bytes.Buffer
		cmd := exec.Command(sh, "-c", `printf 'progress 50%%' >&2; exec "$@"`, "sh", binary, "greet", "-loud", "world")
		cmd.Stderr = &errs
		home.Recorded(cmd).Only(t, "greet").With(t, "greet", "exit_code=0")
		if !strings.HasPrefix(errs.String(), "progress 50%") || strings.Contains(errs.String(), "{") {
			t.Errorf("it printed %q", &errs)
		}
	}
}

func TestAnEnvironmentHoldsNothingOfTheMachines(t *testing.T) { // not parallel: it sets variables
	for _, name := range []string{"DO_NOT_TRACK", "TELEMETRY_ENABLED", "PLAIN_TELEMETRY", "CI", "TF_BUILD", "CLAUDECODE", "SECRET_TOKEN"} {
		t.Setenv(name, "1")
	}
	home := coretest.PlantHome(t)
	for _, pair := range home.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if value == "1" {
			t.Errorf("it holds %s", pair)
		}
		if strings.HasPrefix(name, "XDG_") && !strings.HasPrefix(value, home.Dir+string(filepath.Separator)) {
			t.Errorf("%s is not in the home", pair)
		}
	}
}

func TestTheProcessLivesInTheHomeUntilTheTestIsOver(t *testing.T) { // not parallel: it sets variables
	spoken := []string{"DO_NOT_TRACK", "TELEMETRY_LOCAL", "PLAIN_TELEMETRY", "CI", "GITHUB_ACTIONS", "TF_BUILD", "CLAUDECODE"}
	for _, name := range append(spoken, "KEPT") {
		t.Setenv(name, "1")
	}
	before := os.Getenv("HOME")
	t.Run("inside", func(t *testing.T) {
		home := coretest.PlantHome(t)
		home.Setenv()
		if os.Getenv("HOME") != home.Dir || os.Getenv("LocalAppData") == "" {
			t.Errorf("HOME is %s", os.Getenv("HOME"))
		}
		for _, pair := range os.Environ() {
			if name, _, _ := strings.Cut(pair, "="); slices.Contains(spoken, name) {
				t.Errorf("%s is still set", name)
			}
		}
		if os.Getenv("KEPT") != "1" {
			t.Error("what says nothing of telemetry is gone")
		}
	})
	if os.Getenv("HOME") != before || os.Getenv("DO_NOT_TRACK") != "1" || os.Getenv("CI") != "1" {
		t.Error("the environment is not as it was")
	}
}
