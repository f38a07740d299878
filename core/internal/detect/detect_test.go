package detect

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The test binary is also the program that says how it runs; see terminal_unix_test.go.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "interactive" {
		fmt.Println(Detect(os.LookupEnv).Interactive)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// surroundings is an environment of name=value pairs.
func surroundings(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, pair := range pairs {
			if have, value, _ := strings.Cut(pair, "="); have == name {
				return value, true
			}
		}
		return "", false
	}
}

const canary = "jane@example.com"

// containerSigns is a copy of what the list must hold.
var containerSigns = []string{
	"container", "KUBERNETES_SERVICE_HOST", "CODESPACES", "REMOTE_CONTAINERS", "ECS_CONTAINER_METADATA_URI_V4",
	"AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE",
}

func TestAContainerIsKnownByEachOfItsVariablesAndFiles(t *testing.T) {
	t.Parallel()
	if !reflect.DeepEqual(containerVariables, containerSigns) {
		t.Errorf("%q, in the copy %q", containerVariables, containerSigns)
	}
	if want := []string{"/.dockerenv", "/run/.containerenv"}; !reflect.DeepEqual(containerFiles, want) {
		t.Errorf("%q, in the copy %q", containerFiles, want)
	}
	none := filepath.Join(t.TempDir(), "none")
	there := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range containerSigns {
		if !inContainer(surroundings(name+"="+canary), []string{none}) {
			t.Errorf("%s is not seen", name)
		}
		if inContainer(surroundings(name+"="), []string{none}) {
			t.Errorf("%s is seen, though it is empty", name)
		}
	}
	if inContainer(surroundings("PATH=/bin"), []string{none, none}) {
		t.Error("nothing says that this is a container")
	}
	if !inContainer(surroundings(), []string{none, there}) {
		t.Error("the file is not seen")
	}
}

func TestTheContextIsThatOfTheVariables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  []string
		want Context
	}{
		"a person's shell": {[]string{"PATH=/bin", "TERM=xterm"}, Context{}},
		"a job":            {[]string{"CI=true", "GITHUB_ACTIONS=true"}, Context{CI: true, CIProvider: "github-actions"}},
		"an unknown job":   {[]string{"CI=1"}, Context{CI: true}},
		"an agent":         {[]string{"CODEX_CI=1"}, Context{Agent: "codex"}},
		"an agent in a job": {[]string{"CI=true", "GITLAB_CI=true", "CLAUDECODE=1", "container=podman"},
			Context{CI: true, CIProvider: "gitlab-ci", Agent: "claude-code", Container: true}},
		"who says that it is no job": {[]string{"CI=false", "GITHUB_ACTIONS=true"}, Context{}},
	} {
		got := Detect(surroundings(c.env...))
		got.Interactive = false                              // of the tests
		c.want.Container = got.Container || c.want.Container // so are the files
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// Whatever stands in the environment, nothing of it comes out.
func TestNoValueOfTheEnvironmentIsReturned(t *testing.T) {
	t.Parallel()
	asked := map[string]bool{}
	Detect(func(name string) (string, bool) { asked[name] = true; return "1", name == "CI" })
	const most = 50 // of the signs of all tables
	if len(asked) < most {
		t.Fatalf("only %d variables were looked up", len(asked))
	}
	for name := range asked {
		if got := fmt.Sprint(Detect(surroundings(name+"="+canary, "CI=1"))); strings.Contains(got, canary) {
			t.Errorf("%s: %s", name, got)
		}
	}
	everything := func(string) (string, bool) { return canary, true }
	if got := fmt.Sprint(Detect(everything)); strings.Contains(got, canary) {
		t.Error(got)
	}
}

// Detect beside its floor, the same look-ups and questions to the system.
func BenchmarkDetect(b *testing.B) {
	var names []string
	Detect(func(name string) (string, bool) { names = append(names, name); return "", false })
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			for _, name := range names {
				os.LookupEnv(name)
			}
			for _, path := range containerFiles {
				_, _ = os.Lstat(path)
			}
			_, _ = os.Stdin.Stat()
		}
		b.ReportMetric(float64(len(names)), "look-ups")
	})
	b.Run("detect", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Detect(os.LookupEnv)
		}
	})
}
