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

// guide is a page whose code a stranger copies: whole files, and excerpts of files that are
// compiled and run elsewhere.
type guide struct {
	page     string // of docs/how-to
	module   string
	files    int
	excerpts map[string]string
}

var (
	backendGuide = guide{
		page: "write-a-backend.md", module: "example.com/acme", files: 2,
		excerpts: map[string]string{
			"address.go": filepath.Join("..", "backends", "segment", "segment.go"),
			"segment.go": filepath.Join("..", "internal", "interop", "segment", "segment.go"),
			"syslog.go":  filepath.Join("..", "core", "driver", "drivernet", "example_test.go"),
		},
	}
	requestorGuide = guide{
		page: "write-a-deletion-requestor.md", module: "example.com/acmedeletion", files: 3,
		excerpts: map[string]string{"example_test.go": filepath.Join("..", "relay", "relaycmd", "example_test.go")},
	}
)

// blocks returns the blocks of Go, with the name of each.
func (g guide) blocks(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "how-to", g.page))
	if err != nil {
		t.Fatal(err)
	}
	return codeBlock.FindAllStringSubmatch(string(text), -1)
}

func TestTheExcerptsOfTheGuidesAreWhatIsRun(t *testing.T) {
	t.Parallel()
	for _, g := range []guide{backendGuide, requestorGuide} {
		found := map[string]bool{}
		for _, block := range g.blocks(t) {
			file := g.excerpts[block[1]]
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
		if len(found) != len(g.excerpts) {
			t.Errorf("%s has excerpts of %v only", g.page, found)
		}
	}
}

// readersModule is a module that is not this one, with the files of a guide in it.
type readersModule struct {
	*testing.T
	dir string
}

func (g guide) inItsModule(t *testing.T) readersModule {
	t.Helper()
	s := readersModule{t, t.TempDir()}
	files := 0
	for _, block := range g.blocks(t) {
		if g.excerpts[block[1]] == "" {
			s.write(block[1], block[2])
			files++
		}
	}
	if files != g.files {
		t.Fatalf("%s has %d whole files, want %d", g.page, files, g.files)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	goLine := regexp.MustCompile(`(?m)^go .*$`).FindString(string(mod))
	s.write("go.mod", "module "+g.module+"\n\n"+goLine+"\n\nrequire github.com/gotoolbase/telemetry v0.0.0\n\n"+
		"replace github.com/gotoolbase/telemetry => "+root+"\n")
	if sums, err := os.ReadFile(filepath.Join(root, "go.sum")); err == nil {
		s.write("go.sum", string(sums))
	}
	return s
}

func (s readersModule) write(name, text string) {
	s.Helper()
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
}

func (s readersModule) run(args ...string) string {
	s.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "PWD="+s.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The code of the guide is what a stranger copies: it has to compile, and to be green.
func TestTheCodeOfTheGuideToRequestorsPassesInAModuleOfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module")
	}
	t.Parallel()
	s := requestorGuide.inItsModule(t)
	s.run("vet", "./...")
	if out := s.run("test", "-count=1", "-v", "-run", "TestConformance", "."); !strings.Contains(out, "PASS: TestConformance/deletion/verified-needs-zero") ||
		!strings.Contains(out, "PASS: TestConformance/deletion/no-planted-value") {
		t.Errorf("it passes without having run:\n%s", out)
	}
}

func TestTheCodeOfTheGuidePassesInAModuleOfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module")
	}
	t.Parallel()
	s := backendGuide.inItsModule(t)
	s.run("vet", ".")
	if out := s.run("test", "-count=1", "-v", "-run", "TestConformance", "."); !strings.Contains(out, "PASS: TestConformance/privacy/no-planted-value") {
		t.Errorf("it passes without having run:\n%s", out)
	}

	// The same backend once more, without a test around it.
	s.write("verify/main.go", verifier)
	if out := s.run("run", "./verify"); !strings.Contains(out, "OK: false") || !strings.Contains(out, "skipped delivery/partial-names-events") ||
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
