//go:build !notelemetry

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// The suite runs this executable again as a child, which is then the command.
func TestMain(m *testing.M) {
	if os.Getenv("CONFORMANCE_CHILD") != "" || os.Getenv(asCommand) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// asCommand makes this executable the command.
const asCommand = "TELEMETRY_CONFORMANCE_AS_COMMAND"

const acme = "../../examples/backends/acme.yaml"

// command runs the command in this process.
func command(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return out.String(), errs.String(), code
}

// python is the interpreter, without what may be around it to choose one.
var python = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

func needsPython(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the example in Python ends its attempts with SIGALRM, which Windows has not")
	}
	path, err := python()
	if err != nil {
		t.Skip("there is no python3 on this machine, in which the example is written")
	}
	return path
}

// verify runs checks on a program and returns the report.
func verify(t *testing.T, checks string, program ...string) (conformance.Report, int) {
	t.Helper()
	out, errs, code := command(append([]string{"--vendor", acme, "--output", "json", "--run", checks, "--"}, program...)...)
	var report conformance.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("exit code %d: %v\n%s%s", code, err, out, errs)
	}
	return report, code
}

func buildExample(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "acme")
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", file, "../../examples/backends/go").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

func TestTheExampleInPythonKeepsTheContract(t *testing.T) {
	t.Parallel()
	keepsTheContract(t, needsPython(t), "../../examples/backends/python/acme.py")
}

func TestTheExampleInGoKeepsTheContract(t *testing.T) {
	t.Parallel()
	keepsTheContract(t, buildExample(t))
}

func keepsTheContract(t *testing.T, program ...string) {
	t.Helper()
	checks := "."
	if testing.Short() {
		checks = "^(driver|fidelity|privacy|lifecycle|program)/"
	}
	report, code := verify(t, checks, program...)
	if code != exitKept || len(report.Failures()) > 0 {
		t.Fatalf("exit code %d\n%s", code, report)
	}
	concurrent := len(program) == 1
	for _, r := range report.Results {
		if r.Outcome == conformance.Skipped && !strings.Contains(r.Reason, "declare") && !strings.Contains(r.Reason, "hosts of its own") {
			t.Errorf("%s is skipped because %q", r.ID, r.Reason)
		}
		if r.ID == "delivery/cancelled-during" && (r.Outcome == conformance.Passed) != concurrent {
			t.Errorf("%s %s: %s", r.ID, r.Outcome, r.Reason)
		}
		if r.ID == "privacy/no-planted-value" && r.Outcome != conformance.Passed {
			t.Errorf("%s %s", r.ID, r.Outcome)
		}
	}
}

// mutant is the example in Python with one thing wrong with it, and the checks that must
// say so: all of them, and none of the others that are made.
type mutant struct {
	name     string
	old, new string
	fails    []string
}

// innocent are checks that each mutant has to pass, unless it is said to fail them.
var innocent = []string{"delivery/202-as-documented", "fidelity/every-field", "delivery/503-keeps-batch",
	"program/(ends|speaks|does|quiet|keeps|leaves).*"}

func mutants() []mutant {
	list := pythonMutants()
	if runtime.GOOS == "linux" { // elsewhere nothing tells whose a process is that has left its group
		list = append(list, mutant{name: "leaves-a-daemon", old: `        elif "send" in line:`,
			new:   `        elif "send" in line:` + "\n            __import__('subprocess').Popen([\"sleep\", \"60\"], stdin=-3, stdout=-3, stderr=-3, start_new_session=True)",
			fails: []string{"program/leaves-no-process"}})
	}
	return list
}

func pythonMutants() []mutant {
	const (
		sending = `        elif "send" in line:`
		closing = "            say({\"closed\": True})\n            return\n"
		said    = `say({"sent": {"id": send["id"], **acme.send(send["events"], send["deadline_ms"])}})`
	)
	return []mutant{
		{name: "retries", old: said, new: `said = acme.send(send["events"], send["deadline_ms"])
            if said["class"] == "again":
                said = acme.send(send["events"], send["deadline_ms"])
            say({"sent": {"id": send["id"], **said}})`,
			fails: []string{"delivery/one-attempt"}},
		{name: "follows-redirects", old: "build_opener(NoRedirects)", new: "build_opener()",
			fails: []string{"delivery/redirect-not-followed", "privacy/keys-stay-on-redirect"}},
		{name: "accepts-any-2xx", old: "status == 202", new: "status < 300",
			fails: []string{"delivery/200-as-documented", "delivery/other-2xx"}},
		{name: "takes-a-page-for-an-answer", old: "status == 202 and not page", new: "status == 202",
			fails: []string{"delivery/page-of-any-type"}},
		{name: "a-429-loses-the-batch", old: "in (408, 429)", new: "== 408",
			fails: []string{"delivery/429-keeps-batch", "delivery/retry-after-seconds"}},
		{name: "forgets-the-headers", old: "{**headers, ", new: "{",
			fails: []string{"delivery/headers-added"}},
		{name: "prints-the-key", old: `        self.url =`, new: `        print("opened with", settings["key"], file=sys.stderr)
        self.url =`,
			fails: []string{"privacy/prints-nothing", "program/quiet-on-stderr"}},
		{name: "says-the-key-in-an-error", old: `"error": "acme: no answer"`, new: `"error": f"acme: no answer to {self.headers}"`,
			fails: []string{"privacy/no-secret-in-errors"}},
		{name: "sends-the-host-name", old: `{tool}/{version}"`, new: `{tool}/{version} ({__import__('socket').gethostname()})"`,
			fails: []string{"privacy/everything-explained"}},
		{name: "sends-the-user", old: `{tool}/{version}"`, new: `{tool}/{version} {__import__('os').environ.get('USER', '')}"`,
			fails: []string{"privacy/no-planted-value", "privacy/same-in-any-environment"}},
		{name: "sends-its-own-path", old: `{tool}/{version}"`, new: `{tool}/{version} {__file__}"`,
			fails: []string{"privacy/no-planted-value", "privacy/everything-explained"}},
		{name: "ignores-the-deadline", old: "deadline_ms / 1000)", new: "0)",
			fails: []string{"delivery/hang-before-answer", "delivery/late-answer"}},
		{name: "trusts-any-certificate", old: "build_opener(NoRedirects)",
			new:   "build_opener(NoRedirects, urllib.request.HTTPSHandler(context=__import__('ssl')._create_unverified_context()))",
			fails: []string{"delivery/unknown-authority", "delivery/expired-certificate"}},
		{name: "takes-any-region", old: `not in ("us", "eu")`, new: `is None`,
			fails: []string{"driver/mistake-is-an-error"}},
		{name: "loses-zeros", old: "if value is not None}", new: "if value}",
			fails: []string{"fidelity/zero-and-absent", "fidelity/every-field"}},

		{name: "tries-again-in-the-background", old: "        except Exception:", new: `        except Exception:
            def again():
                try:
                    self.client.open(request)
                except Exception:
                    pass
            __import__('threading').Timer(1, again).start()`,
			fails: []string{"program/nothing-in-the-background"}},
		{name: "prints-to-stdout", old: sending, new: sending + "\n            print(\"sending\")",
			fails: []string{"program/speaks-the-protocol"}},
		{name: "answers-twice", old: said, new: said + "\n            say({\"sent\": {\"id\": send[\"id\"], \"class\": \"accepted\"}})",
			fails: []string{"program/speaks-the-protocol"}},
		{name: "makes-up-a-class", old: `{"class": "again", "error": error}`, new: `{"class": "retry", "error": error}`,
			fails: []string{"program/speaks-the-protocol"}},
		{name: "dies-of-a-reset", old: "except Exception:", new: "except TimeoutError:",
			fails: []string{"program/does-not-end-before", "program/quiet-on-stderr"}},
		{name: "closes-without-a-word", old: closing, new: "            return\n",
			fails: []string{"program/ends-when-told"}},
		{name: "stays-after-close", old: closing, new: closing[:strings.Index(closing, "return")] + "__import__('time').sleep(3600)\n",
			fails: []string{"program/ends-when-told"}},
		{name: "stays-after-an-error", old: `"problem": wrong.args[1]}})` + "\n                return", new: `"problem": wrong.args[1]}})` + "\n                __import__('time').sleep(3600)",
			fails: []string{"program/ends-when-told"}},
		{name: "outlives-its-input", old: closing, new: closing + "    __import__('time').sleep(3600)\n",
			fails: []string{"program/ends-with-its-input"}},
		{name: "keeps-a-log", old: sending, new: sending + "\n            open(\"acme.log\", \"a\").write(text.decode())",
			fails: []string{"program/keeps-no-event", "program/leaves-no-file"}},
		{name: "keeps-a-cache", old: sending, new: sending + "\n            open(__import__('os').path.expanduser(\"~/.acme\"), \"w\").close()",
			fails: []string{"program/leaves-no-file"}},
		{name: "leaves-a-process", old: sending,
			new:   sending + "\n            __import__('subprocess').Popen([\"sleep\", \"60\"], stdin=-3, stdout=-3, stderr=-3)",
			fails: []string{"program/leaves-no-process"}},
	}
}

func TestEveryMutantInPythonFailsExactlyItsChecks(t *testing.T) {
	if testing.Short() {
		t.Skip("some thousand processes")
	}
	t.Parallel()
	interpreter := needsPython(t)
	text, err := os.ReadFile("../../examples/backends/python/acme.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(string(text), m.old) {
				t.Fatalf("the example has no %q", m.old)
			}
			file := filepath.Join(t.TempDir(), "acme.py")
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			checks := "^(" + strings.Join(append(slices.Clone(m.fails), innocent...), "|") + ")$"
			if m.name == "dies-of-a-reset" {
				checks += "|^delivery/reset-before-answer$"
			}
			if m.name == "stays-after-an-error" {
				checks += "|^driver/mistake-is-an-error$"
			}
			report, code := verify(t, checks, interpreter, file)
			got := report.Failures()
			slices.Sort(got)
			want := slices.Sorted(slices.Values(m.fails))
			if !slices.Equal(got, want) {
				t.Errorf("fails %q, want %q\n%s", got, want, report)
			}
			if report.OK() != (code == exitKept) {
				t.Errorf("exit code %d, OK %v", code, report.OK())
			}
		})
	}
}

// A check of programs that no mutant fails may be one that cannot fail.
func TestEveryCheckOfProgramsFailsOnAMutant(t *testing.T) {
	t.Parallel()
	for _, c := range conformance.ProgramChecks() {
		if !slices.ContainsFunc(mutants(), func(m mutant) bool { return slices.Contains(m.fails, c.ID) }) {
			t.Errorf("no mutant fails %s", c.ID)
		}
	}
}

func TestAProgramThatCannotBeVerifiedIsExitCodeTwo(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("name: acme\nstatuses: {200: fine}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	this, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no vendor":            {[]string{"--", this}, "--vendor is required"},
		"no program":           {[]string{"--vendor", acme}, "no program is named: write it last, after --"},
		"no such program":      {[]string{"--vendor", acme, "--", "./no-such-program"}, "the program cannot be started"},
		"no such file":         {[]string{"--vendor", "none.yaml", "--", this}, "the vendor file: cannot read the file"},
		"a mistake in it":      {[]string{"--vendor", broken, "--", this}, "broken.yaml:2: statuses.200: not a class"},
		"no such check":        {[]string{"--vendor", acme, "--run", "^nothing$", "--", this}, "--run matches no check"},
		"no expression":        {[]string{"--vendor", acme, "--run", "(", "--", this}, "--run is no regular expression"},
		"no such output":       {[]string{"--vendor", acme, "--output", "xml", "--", this}, "--output is \"xml\", not text or json"},
		"no patience":          {[]string{"--vendor", acme, "--patience", "0", "--", this}, "--patience is not above zero"},
		"no such flag":         {[]string{"--vendors", acme}, "unknown flag: --vendors"},
		"it speaks otherwise":  {[]string{"--vendor", acme, "--", this, "-test.run=^$"}, "the program cannot be used with the settings of the vendor file: the program is gone: it ended with exit code 0"},
		"it ends with a fault": {[]string{"--vendor", acme, "--", this, "-test.nosuchflag"}, "the program is gone: it ended: exit status 2\n"},
		"and it says why":      {[]string{"--vendor", acme, "--", this, "-test.nosuchflag"}, "flag provided but not defined: -test.nosuchflag"},
	} {
		out, errs, code := command(test.args...)
		if code != exitUsage || !strings.HasPrefix(errs, "telemetry-conformance: ") || !strings.Contains(errs, test.want) || out != "" {
			t.Errorf("%s: exit code %d, %q, %q, want %q", name, code, out, errs, test.want)
		}
	}
}

// A program that forgets to empty its buffer is a common one.
func TestAProgramThatSaysNothingIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	this, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// It waits for its input and has nothing to say to it, since the command reads none.
	cmd := exec.Command(this, "--vendor", acme, "--patience", "0.02", "--", this, "-test.run=^TestThatReadsItsInputAndSaysNothing$")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), `the program had not said {"opened":…} after 600ms; does it empty its buffer after each line?`) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestThatReadsItsInputAndSaysNothing(t *testing.T) {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
}

func TestATerminalGetsWhatFailedAndCountsOfTheRest(t *testing.T) {
	t.Parallel()
	report := conformance.Report{Subject: "acme", Seed: 7, Notes: []string{"a note"}, Results: []conformance.Result{
		{ID: "delivery/one", Level: conformance.Must, Outcome: conformance.Passed},
		{ID: "delivery/two", Level: conformance.Must, Outcome: conformance.Failed, Sentence: "It holds.", Findings: []conformance.Finding{{Message: "it does not"}}},
		{ID: "privacy/one", Level: conformance.Must, Outcome: conformance.Skipped, Reason: "declared"},
	}}
	var b bytes.Buffer
	write(screen.Screen{Writer: &b, Terminal: true, Colour: true}, report)
	plain := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(b.String(), "")
	const want = "failed delivery/two (must): It holds.\n    - it does not\n\n" +
		"CHECKS    PASSED  FAILED  SKIPPED  KNOWN\ndelivery  1       1\nprivacy                   1\na note\n\nThe program does not keep the contract. 0s, --seed 7\n"
	if plain != want || !strings.Contains(b.String(), "\x1b[31mfailed delivery/two") {
		t.Errorf("got\n%q\nwant\n%q", plain, want)
	}
}

func TestTheListNamesEveryCheck(t *testing.T) {
	t.Parallel()
	out, errs, code := command("--list")
	if code != exitKept || errs != "" || strings.Count(out, "\n") != len(allChecks()) || !strings.HasPrefix(out, "driver/described\tmust\tA driver has a name") {
		t.Errorf("exit code %d, %q\n%s", code, errs, out)
	}
	out, _, _ = command("--list", "--run", "^program/")
	if strings.Count(out, "\n") != len(conformance.ProgramChecks()) {
		t.Errorf("of programs:\n%s", out)
	}
}

func TestTheReportIsWrittenForPeopleAndForPrograms(t *testing.T) {
	t.Parallel()
	program, dir := buildExample(t), t.TempDir()
	out, errs, code := command("--vendor", acme, "--run", "^delivery/(200|202|partial)", "--seed", "7", "--report", dir, "--", program)
	if code != exitKept || errs != "" || !strings.Contains(out, "acme: 2 passed, 0 failed, 2 skipped, 0 known failures in ") || !strings.Contains(out, "seed 7\n") {
		t.Errorf("exit code %d, %q\n%s", code, errs, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "acme.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report conformance.Report
	if err := json.Unmarshal(text, &report); err != nil || report.Seed != 7 || len(report.Results) != 4 {
		t.Errorf("%v: %s", err, text)
	}
}

// An argument that names a file has to mean the same in every directory that the suite
// starts the program in.
func TestArgumentsThatNameFilesAreMadeAbsolute(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := absolute([]string{"go", "run", "main.go", "-v", "testdata", "."})
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(got[0]) || !slices.Equal(got[1:], []string{"run", here, "-v", "testdata", "."}) {
		t.Errorf("got %q", got)
	}
}

var example = regexp.MustCompile(`(?m)^    go run \./cmd/telemetry-conformance --vendor (\S+) -- `)

func TestTheFilesThatTheExamplesNameAreThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/backends/python/acme.py")
	if err != nil {
		t.Fatal(err)
	}
	named := example.FindStringSubmatch(string(text))
	if named == nil {
		t.Fatal("the example does not say how it is verified")
	}
	if _, err := os.Stat(filepath.Join("../..", named[1])); err != nil {
		t.Error(err)
	}
}
