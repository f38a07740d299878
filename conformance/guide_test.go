package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var codeBlock = regexp.MustCompile("(?ms)^```go (\\S+)\n(.*?)^```$")

// excerpts are parts of files that are compiled and run elsewhere: segment.go in a module
// that has the SDK.
var excerpts = map[string]string{
	"address.go": filepath.Join("..", "backends", "segment", "segment.go"),
	"later.go":   filepath.Join("..", "backends", "amplitude", "amplitude.go"),
	"segment.go": filepath.Join("..", "internal", "interop", "segment", "segment.go"),
	"syslog.go":  filepath.Join("..", "core", "driver", "drivernet", "example_test.go"),
}

func TestTheExcerptsOfTheGuideAreWhatIsRun(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "docs", "how-to", "write-a-backend.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, block := range codeBlock.FindAllStringSubmatch(string(guide), -1) {
		file := excerpts[block[1]]
		if file == "" {
			continue
		}
		found[block[1]] = true
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), block[2]) {
			t.Errorf("this is not in %s:\n%s", file, block[2])
		}
	}
	if len(found) != len(excerpts) {
		t.Errorf("the guide has excerpts of %v only", found)
	}
}

// The code of the guide is what a stranger copies: it has to compile, and to be green, in
// a module that is not this one.
func TestTheCodeOfTheGuidePassesInAModuleOfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module")
	}
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "docs", "how-to", "write-a-backend.md"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := 0
	for _, block := range codeBlock.FindAllStringSubmatch(string(guide), -1) {
		if excerpts[block[1]] == "" {
			write(block[1], block[2])
			files++
		}
	}
	if files != 2 {
		t.Fatalf("the guide has %d whole files, want 2", files)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	goLine := regexp.MustCompile(`(?m)^go .*$`).FindString(string(mod))
	write("go.mod", "module example.com/acme\n\n"+goLine+"\n\nrequire github.com/gotoolbase/telemetry v0.0.0\n\n"+
		"replace github.com/gotoolbase/telemetry => "+root+"\n")
	if sums, err := os.ReadFile(filepath.Join(root, "go.sum")); err == nil {
		write("go.sum", string(sums))
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "PWD="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("vet", ".")
	if out := run("test", "-count=1", "-v", "-run", "TestConformance", "."); !strings.Contains(out, "PASS: TestConformance/privacy/no-planted-value") {
		t.Errorf("it passes without having run:\n%s", out)
	}

	// The same backend once more, without a test around it.
	if err := os.Mkdir(filepath.Join(dir, "verify"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("verify/main.go", verifier)
	if out := run("run", "./verify"); !strings.Contains(out, "OK: false") || !strings.Contains(out, "skipped delivery/partial-names-events") ||
		!strings.Contains(out, "failed fidelity/every-field (must)") || strings.Contains(out, "failed collector/eight-processes") ||
		strings.Contains(out, "failed privacy/no-planted-value") {
		t.Errorf("Verify in a program prints:\n%s", out)
	}
}

// verifier is a program with a decoder that reads nothing but what the collector's checks
// need.
const verifier = `package main

import (
	"encoding/json"
	"fmt"
	"time"

	"example.com/acme"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

func main() {
	const again, later, split = driver.ClassUnknown, driver.ClassThrottled, driver.ClassTooLarge
	report := conformance.Verify(conformance.Subject{
		Driver:   acme.Driver(),
		Settings: func(string) map[string]string { return map[string]string{"region": "eu", "key": "wk-0123456789"} },
		Statuses: map[int]driver.Class{
			200: again, 202: driver.ClassAccepted, 204: again, 400: split, 401: later, 403: later, 404: later, 408: again,
			413: split, 429: again, 500: again, 502: again, 503: again, 504: again,
		},
		Accepted: conformance.Answer{Status: 202, Body: "{}"},
		Decode: func(r conformance.Request) (events []conformance.Received, err error) {
			var logs []struct {
				UID, Message string
				Time         time.Time
			}
			err = json.Unmarshal(r.Body, &logs)
			for _, l := range logs {
				events = append(events, conformance.Received{ID: l.UID, Name: l.Message, Time: l.Time})
			}
			return events, err
		},
	})
	fmt.Print(report)
	fmt.Println("OK:", report.OK())
}
`
