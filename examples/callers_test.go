// Package examples holds no code of its own: its tests run what calls the program telemetry from
// outside Go, against the real program.
package examples

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// programs is the folder of the program telemetry; see TestMain.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "callers")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		programs = dir
		build := exec.Command("go", "build", "-buildvcs=false", "-o", dir+string(filepath.Separator), "github.com/gotoolbase/telemetry/cmd/telemetry")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		// go test sees neither what go build reads nor what bash and python3 do, and would hold on
		// to a cached "ok". It does see directories that the test itself reads.
		for _, read := range []string{"github-action", "python", "../backends", "../cmd/telemetry", "../core", "../deletion", "../internal"} {
			err := filepath.WalkDir(filepath.FromSlash(read), func(_ string, _ fs.DirEntry, err error) error { return err })
			if err != nil {
				panic(err)
			}
		}
		return m.Run()
	}())
}

type event struct {
	Type       string
	Name       string
	DurationMS *int64 `json:"duration_ms"`
	ExitCode   *int   `json:"exit_code"`
	CIProvider string `json:"ci_provider"`
	Metadata   map[string]string
}

// job is a home of its own with a declared tool, and what its receiver got.
type job struct {
	t      *testing.T
	dir    string
	env    []string
	events chan event
}

func newJob(t *testing.T) *job {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the callers are run by bash and python3, which Windows does not have")
	}
	j := &job{t: t, dir: t.TempDir(), events: make(chan event, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Error(err)
				return
			}
		}
		var batch []event
		if err := json.NewDecoder(body).Decode(&batch); err != nil {
			t.Error(err)
		}
		for _, e := range batch {
			j.events <- e
		}
	}))
	t.Cleanup(server.Close)
	config := "Name: mytool\nTelemetry:\n  Controller: the test\n  Endpoint: " + server.URL + "\n"
	if err := os.WriteFile(filepath.Join(j.dir, "mytool.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	j.env = []string{
		"HOME=" + j.dir, "XDG_STATE_HOME=" + filepath.Join(j.dir, "state"),
		"PATH=" + programs + string(filepath.ListSeparator) + os.Getenv("PATH"), "CI=true",
	}
	return j
}

// run returns what the command printed and its exit code.
func (j *job) run(env []string, name string, args ...string) (string, int) {
	j.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = j.dir, append(j.env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		j.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// received are the events that arrived: each caller has flushed before it ended.
func (j *job) received() []event {
	var all []event
	for {
		select {
		case e := <-j.events:
			all = append(all, e)
		default:
			return all
		}
	}
}

const script = `
import sys
sys.path.insert(0, sys.argv[1])
import telemetry
usage = telemetry.Telemetry("mytool.yaml", *sys.argv[2:])
usage.ask()
usage.track("feature.used", "dark-mode", theme="sepia", kind="a", name="b")
with usage.command("build"):
    print("building")
try:
    with usage.command("deploy"):
        sys.exit(256 + 3)
except SystemExit:
    pass
usage.flush()
`

func (j *job) python(env []string, more ...string) string {
	j.t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		j.t.Skip("there is no python3 on this machine")
	}
	wrapper, err := filepath.Abs("python")
	if err != nil {
		j.t.Fatal(err)
	}
	out, code := j.run(append(env, "PYTHONDONTWRITEBYTECODE=1"), "python3", append([]string{"-c", script, wrapper}, more...)...)
	if code != 0 {
		j.t.Fatalf("code %d\n%s", code, out)
	}
	return out
}

func TestAToolInPythonRecordsWhatItDoes(t *testing.T) {
	t.Parallel()
	j := newJob(t)
	if out := j.python([]string{"MYTOOL_TELEMETRY=1"}); out != "building\n" {
		t.Errorf("printed %q", out)
	}
	got := j.received()
	if len(got) != 3 {
		t.Fatalf("%d events arrived: %v", len(got), got)
	}
	if e := got[0]; e.Type != "feature.used" || e.Name != "dark-mode" || e.Metadata["theme"] != "sepia" || e.Metadata["kind"] != "a" || e.Metadata["name"] != "b" {
		t.Errorf("the feature is %v", e)
	}
	for i, want := range map[int]event{1: {Name: "build"}, 2: {Name: "deploy", ExitCode: new(3)}} {
		e := got[i]
		if e.Type != "command.invocation" || e.Name != want.Name || e.DurationMS == nil || e.ExitCode == nil {
			t.Errorf("the command is %v", e)
			continue
		}
		if want.ExitCode != nil && *e.ExitCode != *want.ExitCode {
			t.Errorf("its exit code is %d", *e.ExitCode)
		}
	}
}

func TestAToolInPythonIsLeftAloneWithoutAYesAndWithoutTheProgram(t *testing.T) {
	t.Parallel()
	for what, more := range map[string][]string{"without a yes": nil, "without the program": {"no-such-program"}} {
		j := newJob(t)
		if out := j.python(nil, more...); out != "building\n" {
			t.Errorf("%s: printed %q", what, out)
		}
		if got := j.received(); len(got) > 0 {
			t.Errorf("%s: %v arrived", what, got)
		}
		if entries, err := os.ReadDir(j.dir); err != nil || len(entries) != 1 {
			t.Errorf("%s: the home holds %v, %v", what, entries, err)
		}
	}
}

// action runs the one step of action.yml as a runner does: the inputs put into its expressions,
// and the text of run given to bash as a file.
func (j *job) action(env []string, inputs map[string]string) (string, int) {
	j.t.Helper()
	content, err := os.ReadFile("github-action/action.yml")
	if err != nil {
		j.t.Fatal(err)
	}
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Run, Shell string
				Env        map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(content, &action); err != nil {
		j.t.Fatal(err)
	}
	if len(action.Runs.Steps) != 1 || action.Runs.Steps[0].Shell != "bash" {
		j.t.Fatalf("the steps are %v", action.Runs.Steps)
	}
	for name := range inputs {
		if _, ok := action.Inputs[name]; !ok {
			j.t.Fatalf("there is no input %s", name)
		}
	}
	step := action.Runs.Steps[0]
	here, err := filepath.Abs("github-action")
	if err != nil {
		j.t.Fatal(err)
	}
	env = append(env, "GITHUB_ACTIONS=true", "GITHUB_ACTION_PATH="+here, "GITHUB_OUTPUT="+filepath.Join(j.dir, "output"))
	expression := regexp.MustCompile(`\$\{\{ inputs\.([a-z-]+) \}\}`)
	for name, value := range step.Env {
		value = expression.ReplaceAllStringFunc(value, func(found string) string {
			input := expression.FindStringSubmatch(found)[1]
			if given, ok := inputs[input]; ok {
				return given
			}
			return action.Inputs[input].Default
		})
		if strings.Contains(value, "${{") {
			j.t.Fatalf("%s has an expression that is not of an input: %s", name, value)
		}
		env = append(env, name+"="+value)
	}
	file := filepath.Join(j.dir, "step.sh")
	if err := os.WriteFile(file, []byte(step.Run), 0o600); err != nil {
		j.t.Fatal(err)
	}
	return j.run(env, "bash", "--noprofile", "--norc", "-eo", "pipefail", file)
}

func TestTheActionRecordsACommandThatIsAllowedAndEndsAsItDoes(t *testing.T) {
	t.Parallel()
	j := newJob(t)
	out, code := j.action(nil, map[string]string{
		"config": "mytool.yaml", "name": "nightly build", "enabled": "true",
		"run": "echo \"it's ${TELEMETRY_ENABLED-undecided}\"\nfalse | cat\necho not reached",
	})
	if code != 1 || out != "it's undecided\n" {
		t.Errorf("code %d, printed %q", code, out)
	}
	got := j.received()
	if len(got) != 1 || got[0].Name != "nightly build" || got[0].ExitCode == nil || *got[0].ExitCode != 1 || got[0].CIProvider != "github-actions" {
		t.Errorf("%v arrived", got)
	}
	if output, err := os.ReadFile(filepath.Join(j.dir, "output")); err != nil || string(output) != "exit-code=1\n" {
		t.Errorf("its output is %q, %v", output, err)
	}
}

func TestTheActionRunsTheCommandAlsoWhereNothingIsRecorded(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		env     []string
		enabled string
	}{
		"nobody said yes":          {nil, ""},
		"the person said no":       {[]string{"DO_NOT_TRACK=1"}, "true"},
		"the job says no":          {[]string{"TELEMETRY_ENABLED=0"}, "true"},
		"the job says it in words": {[]string{"TELEMETRY_ENABLED=Off"}, "true"},
		"the program is not there": {[]string{"PATH=/usr/bin:/bin"}, "true"},
	} {
		j := newJob(t)
		inputs := map[string]string{"config": "mytool.yaml", "name": "build", "run": "echo $0 built; exit 7"}
		if c.enabled != "" {
			inputs["enabled"] = c.enabled
		}
		if out, code := j.action(c.env, inputs); code != 7 || out != "bash built\n" {
			t.Errorf("%s: code %d, printed %q", what, code, out)
		}
		if got := j.received(); len(got) > 0 {
			t.Errorf("%s: %v arrived", what, got)
		}
	}
}
