//go:build !notelemetry

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// without builds the program with the lines of main.go left out that name a package, and
// returns its path.
func without(t *testing.T, names ...string) (program string) {
	t.Helper()
	content, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	source := string(content)
	for _, name := range names {
		lines := regexp.MustCompile(`(?m)^\s*(` + name + `\.Driver\(\),|"\S*/backends/` + name + `")\n`)
		if strings.HasPrefix(name, "delete") {
			lines = regexp.MustCompile(`(?m)^\s*(` + name + `\.Vendor\(\),|` + name + ` "\S*")\n`)
		}
		if n := len(lines.FindAllString(source, -1)); n != 2 {
			t.Fatalf("%s is in %d lines of main.go, want an import and an item of a list", name, n)
		}
		source = lines.ReplaceAllString(source, "")
	}
	dir := t.TempDir()
	replaced, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	here, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {here: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{replaced: source, overlay: string(text)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "telemetry-relay.exe") // a name that every system runs
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-overlay", overlay, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// What is not in the lists of main.go, the program cannot reach: no host of the vendor is in it,
// none is contacted, and whoever names the vendor is told which ones there are.
func TestAVendorThatIsNotListedIsNotInTheProgram(t *testing.T) {
	t.Parallel()
	whole := without(t)
	for _, test := range []struct {
		vendor string
		// hosts are of its deletion API alone, all of everything of it.
		hosts, all []string
		others     []string
		settings   []string
	}{
		{"posthog", []string{"us.posthog.com", "eu.posthog.com", "bulk_delete"}, []string{"posthog.com"}, []string{"amplitude", "datadog", "segment"},
			[]string{"project: '1'", "key_file: key"}},
		{"datadog", []string{"/api/v2/deletion/data/logs"}, []string{"datadoghq"}, []string{"amplitude", "posthog", "segment"},
			[]string{"retention: 15d", "api_key_file: key", "application_key_file: key"}},
		{"segment", []string{"eu1.api.segmentapis.com"}, []string{"segmentapis.com", "segment.io"}, []string{"amplitude", "datadog", "posthog"},
			[]string{"token_file: key"}},
		{"amplitude", []string{"analytics.eu.amplitude.com"}, []string{"amplitude.com"}, []string{"datadog", "posthog", "segment"},
			[]string{"api_key_file: key", "secret_key_file: key"}},
	} {
		t.Run(test.vendor, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && test.vendor != "posthog" {
				t.Skip("one of the kind is enough")
			}
			unable := without(t, "delete"+test.vendor)
			none := without(t, "delete"+test.vendor, test.vendor)
			read := func(program string) []byte {
				content, err := os.ReadFile(program)
				if err != nil {
					t.Fatal(err)
				}
				return content
			}
			ordinary, noVendor, nothing := read(whole), read(unable), read(none)
			for _, host := range test.hosts {
				if !bytes.Contains(ordinary, []byte(host)) {
					t.Errorf("the search finds nothing: %q is not in the whole program", host)
				}
				if bytes.Contains(noVendor, []byte(host)) {
					t.Errorf("without the vendor's line, %q is in the program", host)
				}
			}
			for _, host := range test.all {
				if !bytes.Contains(ordinary, []byte(host)) {
					t.Errorf("the search finds nothing: %q is not in the whole program", host)
				}
				if bytes.Contains(nothing, []byte(host)) {
					t.Errorf("without both lines, %q is in the program", host)
				}
			}

			var calls atomic.Int32
			vendor := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
			defer vendor.Close()
			dir := t.TempDir()
			file := "listen: 127.0.0.1:0\ndatabase: sqlite:relay.db\ntools: {mytool: {deletions: [{vendor: " + test.vendor +
				", endpoint: '" + vendor.URL + "', " + strings.Join(test.settings, ", ") + "}]}}\n"
			for name, content := range map[string]string{"relay.yaml": file, "key": "secret"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			run := func(args ...string) (string, int) {
				cmd := exec.Command(unable, args...)
				cmd.Dir = dir
				out, _ := cmd.CombinedOutput()
				return string(out), cmd.ProcessState.ExitCode()
			}
			id := strings.Repeat("0dd5a1ad", 4)
			for _, args := range [][]string{
				{"delete", "--machine-id", id, "--vendor", test.vendor, "--endpoint", vendor.URL, "--yes"},
				{"serve", "--config", "relay.yaml", "--check"},
				{"serve", "--config", "relay.yaml"},
			} {
				out, code := run(args...)
				if code != 2 {
					t.Errorf("%q: code %d, %s", args[:1], code, out)
				}
				for _, other := range test.others {
					if !strings.Contains(out, other) {
						t.Errorf("%q: it is not told that there is %s: %s", args[:1], other, out)
					}
				}
			}
			if n := calls.Load(); n > 0 {
				t.Errorf("the vendor was contacted %d times", n)
			}
		})
	}
}
