// Conformancereport holds every backend and deletion requestor of this module to the
// contract and writes conformance/REPORT.md. Run it with `make conformance-report` from
// the root of the module. With -packages it only names the packages that it tests, all of
// whose tests it runs: who runs it need not run them again.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/conformance"
)

const (
	module = "github.com/gotoolbase/telemetry"
	suite  = module + "/conformance"
	scores = "conformance/testdata/mutants.txt"
	output = "conformance/REPORT.md"
)

func main() {
	only := flag.Bool("packages", false, "print the packages that are tested, and test nothing")
	flag.Parse()
	if err := run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "conformancereport:", err)
		os.Exit(1)
	}
}

func run(only bool) error {
	packages, err := tested()
	if err != nil {
		return err
	}
	if only {
		fmt.Println(strings.Join(packages, "\n"))
		return nil
	}
	dir, err := os.MkdirTemp("", "conformancereport")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Of the suite's own tests only the requestor that is in no package of its own, and
	// whether the score is that of the mutants. That each of them fails what it names takes
	// long, and go test ./conformance shows it.
	if err := test(dir, "^TestTheEventRequestorKeepsTheContract$|^TestTheMutationScore", suite); err != nil {
		return err
	}
	if err := test(dir, ".", packages...); err != nil {
		return err
	}
	reports, err := read(dir)
	if err != nil {
		return err
	}
	mutants, err := os.ReadFile(scores)
	if err != nil {
		return err
	}
	return os.WriteFile(output, []byte(render(reports, string(mutants))), 0o644)
}

// tested lists the packages that hold a backend or a requestor of this module to the
// contract. Others use the suite too: its examples, and what is built around it.
func tested() ([]string, error) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the packages: %w", err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		path, imports := words[0]+"/", words[1:]
		if slices.Contains(imports, suite) && (strings.HasPrefix(path, suite+"/backends/") || strings.HasPrefix(path, module+"/deletion/")) {
			list = append(list, words[0])
		}
	}
	return list, nil
}

func test(dir, names string, packages ...string) error {
	cmd := exec.Command("go", slices.Concat([]string{"test", "-count=1", "-shuffle=on", "-run", names}, packages, []string{"-report", dir})...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	return nil
}

func read(dir string) ([]conformance.Report, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no test has written a report")
	}
	var reports []conformance.Report
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var r conformance.Report
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("reading the report %s: %w", filepath.Base(name), err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}
