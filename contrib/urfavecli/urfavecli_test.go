package urfavecli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "example")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "example.exe") // which Windows needs
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer server.Close()
		build := exec.Command("go", "build", "-ldflags", "-X main.endpoint="+server.URL, "-o", binary, "./example")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// person runs the example in a home of its own.
type person struct {
	t    *testing.T
	home string
}

func newPerson(t *testing.T) person {
	p := person{t, t.TempDir()}
	// A background process may still be at work in the home: flush waits for one that sends,
	// and one that comes later ends soon.
	t.Cleanup(func() {
		p.run("telemetry", "flush")
		for limit := time.Now().Add(20 * time.Second); os.RemoveAll(p.home) != nil && time.Now().Before(limit); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	return p
}

func (p person) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{
		"HOME=" + p.home, "XDG_STATE_HOME=" + filepath.Join(p.home, "state"), "LocalAppData=" + p.home, "USERPROFILE=" + p.home,
		"PATH=" + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot"), "TERM=xterm",
	}
	return cmd
}

func (p person) run(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := p.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// recorded returns what stayed on this machine, after a yes to that.
func (p person) recorded() string {
	p.t.Helper()
	if _, errs, code := p.run("telemetry", "flush"); code != 0 {
		p.t.Fatal(errs)
	}
	var log []byte
	_ = filepath.WalkDir(p.home, func(path string, _ os.DirEntry, err error) error {
		if err == nil && filepath.Base(path) == "events.ndjson" {
			log, err = os.ReadFile(path)
		}
		return err
	})
	return string(log)
}

var commands = []string{"enable", "disable", "status", "schema", "reset", "flush", "share", "inspect", "log", "receipts"}

func TestEveryCommandIsThereWithItsFlagsItsHelpAndItsExitCodes(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	all, _, _ := p.run("telemetry", "--help")
	for _, name := range commands {
		help, errs, code := p.run("telemetry", name, "--help")
		if !strings.Contains(all, name) || !strings.Contains(help, "example telemetry "+name) || !strings.Contains(help, "--output") || !strings.Contains(help, "-o") || code != 0 || errs != "" {
			t.Errorf("%s: code %d, %q, help:\n%s", name, code, errs, help)
		}
	}
	if strings.Contains(all, "upload") {
		t.Errorf("what is not for people is listed:\n%s", all)
	}
	for _, args := range []string{"status -o json", "status --output=json", "schema --output markdown", "status --explain", "log --since 24h -o json", "export", "flush --timeout 2s"} {
		if out, _, code := p.run(append([]string{"telemetry"}, strings.Fields(args)...)...); code != 0 && args[:5] != "flush" || out == "" && args[:5] != "flush" {
			t.Errorf("%s: code %d, %q", args, code, out)
		}
	}
	for _, args := range []string{"status -o xml", "status --colour", "status extra", "flush --timeout 1x", "bogus"} {
		if out, errs, code := p.run(append([]string{"telemetry"}, strings.Fields(args)...)...); code != usageCode(args) || out != "" || !strings.HasPrefix(errs, "example: ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: code %d, printed %q and %q", args, code, out, errs)
		}
	}
	if _, _, code := p.run("telemetry", "flush"); code != 1 { // there is no yes
		t.Errorf("a flush without a yes ends with %d", code)
	}
}

func usageCode(string) int { return 2 }

func TestOnAndOffAreCommandsAndNearWordsNameTheOneThatIsMeant(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for word, meant := range map[string]string{"yes": "enable", "opt-in": "enable", "stop": "disable", "erase": "reset", "show": "status or inspect"} {
		out, errs, code := p.run("telemetry", word)
		if want := fmt.Sprintf("example: unknown command %q; did you mean %s?\n", word, meant); code != 2 || out != "" || errs != want {
			t.Errorf("%s: code %d, %q, %q", word, code, out, errs)
		}
	}
	if entries, err := os.ReadDir(p.home); err != nil || len(entries) > 0 {
		t.Errorf("a word that is no command left %v, %v", entries, err)
	}
	for _, args := range [][]string{{"on", "--local"}, {"off"}} {
		out, errs, code := p.run(append([]string{"telemetry"}, args...)...)
		if !strings.Contains(out, "Telemetry of example is "+args[0]) || errs != "" || code != 0 {
			t.Errorf("%s: code %d, %q, %q", args, code, out, errs)
		}
	}
	if all, _, _ := p.run("telemetry", "--help"); strings.Contains(all, "opt-in") {
		t.Errorf("a word that is no command is listed:\n%s", all)
	}
}

func TestACommandIsRecordedByItsPathAndTheNamesOfItsFlags(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	if _, errs, code := p.run("telemetry", "enable", "--local"); code != 0 {
		t.Fatal(errs)
	}
	if out, errs, code := p.run("remote", "add", "-f", "--branch", "secret-branch", "secret-name"); out != "added\n" || errs != "" || code != 0 {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
	_, _, failed := p.run("remote", "add")
	log := p.recorded()
	if strings.Count(log, "\n") != 2 || !strings.Contains(log, `"name":"remote add"`) || !strings.Contains(log, `"exit_code":0,"flags":["fetch","branch"]`) ||
		!strings.Contains(log, failure) || strings.Contains(log, "secret") {
		t.Errorf("recorded (the second ended with %d):\n%s", failed, log)
	}
	if runtime.GOOS == "linux" && strings.Contains(log, `"type":"telemetry`) {
		t.Errorf("a telemetry command recorded itself:\n%s", log)
	}
}

const failure = `"exit_code":3,"error_class":"other"`

func TestWithoutAYesNothingIsRecordedOrMade(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	if out, errs, code := p.run("remote", "add", "x"); out != "added\n" || errs != "" || code != 0 {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
	if entries, err := os.ReadDir(p.home); err != nil || len(entries) > 0 {
		t.Errorf("the home holds %v, %v", entries, err)
	}
}

func TestWhatACommandDoesIsToldInLinesThatFitATerminal(t *testing.T) {
	p := newPerson(t)
	for _, command := range []string{"", "enable", "disable", "status", "schema", "inspect", "log", "receipts", "export", "reset", "flush", "share"} {
		out, _, _ := p.run(strings.Fields("telemetry " + command + " --help")...)
		_, told, found := strings.Cut(out, "DESCRIPTION:\n")
		told, _, ends := strings.Cut(told, "OPTIONS:")
		if !found || !ends {
			t.Errorf("%q shows\n%s", command, out)
		}
		told, _, _ = strings.Cut(told, "COMMANDS:")
		for line := range strings.Lines(told) {
			if len(line) > len("\n")+80 {
				t.Errorf("%q shows a line of %d columns: %s", command, len(line)-1, line)
			}
		}
	}
}
