// Package arch holds no code: its tests keep the arrows between the packages of this
// module and the lists of what the programs link.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

const module = "github.com/gotoolbase/telemetry"

// pkg is what `go list` tells about a package, tests left out.
type pkg struct {
	ImportPath string
	Name, Dir  string
	GoFiles    []string
	Standard   bool
	Imports    []string
	// Deps is everything that is linked with it.
	Deps   []string
	Module *struct{ Path string }
}

func (p pkg) own() bool { return p.Module != nil && p.Module.Path == module }

// graph is this module's packages and all that they need, by import path.
type graph map[string]pkg

// list asks once for each build what this module is made of there.
func list(goos, tags string) (graph, error) {
	cmd := exec.Command("go", "list", "-tags="+tags, "-deps", "-json=ImportPath,Name,Dir,GoFiles,Standard,Imports,Deps,Module", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, problems.String())
	}
	g := graph{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err != nil {
			return nil, err
		}
		g[p.ImportPath] = p
	}
}

// systems are those whose lists are kept. Linux stands for the other Unixes.
var systems = []string{"linux", "darwin", "windows"}

var graphs = sync.OnceValues(func() (map[string]graph, error) {
	// go test does not see what go list reads, and would hold on to a cached "ok". It does
	// see directories that the test itself reads.
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all := map[string]graph{}
	for _, goos := range systems {
		for _, tags := range []string{"", withVendors} {
			g, err := list(goos, tags)
			if err != nil {
				return nil, err
			}
			all[goos+tags] = g
		}
	}
	return all, nil
})

// withVendors is the tag under which examples/mytool links every vendor's backend.
const withVendors = "vendors"

// eachBuild runs a check for the graph of each system, with and without vendors.
func eachBuild(t *testing.T, check func(t *testing.T, g graph)) {
	t.Helper()
	all, err := graphs()
	if err != nil {
		t.Fatal(err)
	}
	for _, build := range slices.Sorted(maps.Keys(all)) {
		t.Run(build, func(t *testing.T) { check(t, all[build]) })
	}
}

// under reports whether path is one of roots or inside one. Roots are relative to the
// module; a root that ends in "!" stands for itself alone.
func under(path string, roots ...string) bool {
	for _, root := range roots {
		root, alone := strings.CutSuffix(root, "!")
		root = module + "/" + root
		if path == root || !alone && strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

// packages returns this module's packages under roots, and fails where a root has none:
// a check of nothing would hold for ever.
func (g graph) packages(t *testing.T, roots ...string) []pkg {
	t.Helper()
	var found []pkg
	for _, root := range roots {
		n := len(found)
		for _, path := range slices.Sorted(maps.Keys(g)) {
			if g[path].own() && under(path, root) {
				found = append(found, g[path])
			}
		}
		if len(found) == n {
			t.Errorf("there is no package under %s: correct the list in this test", root)
		}
	}
	return found
}

// builtIn are the backends that every tool links through core.
var builtIn = []string{"backends/noop", "backends/stdout", "backends/file", "backends/httpjson"}

// optional are packages below core that a tool links only if its author imports them.
var optional = []string{"core/toolfile", "core/coretest", "core/console"}

func TestCoreNeedsOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, slices.Concat(builtIn, []string{"core", "deletion!"})...) {
			if under(p.ImportPath, optional...) {
				continue // what core needed of them would be found in core's own Deps
			}
			for _, dep := range p.Deps {
				if !g[dep].Standard && !g[dep].own() {
					t.Errorf("%s needs %s, which every tool would then link", p.ImportPath, dep)
				}
			}
		}
	})
}

// The commands of a tool without cobra cost it no module, and a tool without commands nothing.
func TestTheConsoleNeedsOnlyTheStandardLibraryAndCoreDoesNotLinkIt(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, dep := range g.packages(t, "core/console!")[0].Deps {
			if !g[dep].Standard && !g[dep].own() {
				t.Errorf("it needs %s", dep)
			}
		}
		for _, p := range g.packages(t, "core!", "core/coretest", "backends", "deletion") {
			if slices.Contains(p.Deps, module+"/core/console") {
				t.Errorf("%s links it", p.ImportPath)
			}
		}
	})
}

func TestBackendsKnowOnlyTheDriverContract(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, "backends") {
			for _, dep := range p.Deps {
				if g[dep].own() && !under(dep, "core/driver", "backends") {
					t.Errorf("%s needs %s; a backend uses core/driver and nothing else of this module", p.ImportPath, dep)
				}
			}
		}
	})
}

func TestTheDriverContractStandsAlone(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, "core/driver") {
			for _, dep := range p.Deps {
				if g[dep].own() && !under(dep, "core/driver") {
					t.Errorf("%s needs %s", p.ImportPath, dep)
				}
			}
		}
	})
}

func TestDeletionKnowsOnlyTheDriverContract(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, "deletion") {
			for _, dep := range p.Deps {
				if g[dep].own() && !under(dep, "core/driver", "deletion", "internal/plaintext") {
					t.Errorf("%s needs %s", p.ImportPath, dep)
				}
			}
		}
	})
}

func TestOnlyProgramsKnowCobra(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for path, p := range g {
			if p.own() && slices.Contains(p.Imports, "github.com/spf13/cobra") &&
				!under(path, "cmd", "relay/relaycmd", "internal/rootcmd", "internal/cobrahelp", "internal/manpage", "examples", "internal/demo", "internal/bench", "internal/torture/tool") {
				t.Errorf("%s imports cobra", path)
			}
		}
	})
}

// What helps tests brings package testing with it, and coretest a maker of certificates.
func TestNoProgramLinksWhatIsForTests(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, forTests := range []string{"core/coretest", "internal/fuzzing"} {
			g.packages(t, forTests)
			for path, p := range g {
				if p.own() && slices.Contains(p.Imports, module+"/"+forTests) {
					t.Errorf("%s imports %s", path, forTests)
				}
			}
		}
	})
}

// forTools are the packages under deletion that tools may link. Any other one is taken
// for a vendor's.
var forTools = []string{"deletion!", "deletion/httpjson"}

// The page is for a person who asks for it: what records and sends is no larger for it.
func TestOnlyTheCommandsLinkThePage(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		g.packages(t, "core/console/internal/page!")
		for _, p := range g.packages(t, "core!", "core/driver", "core/props", "core/consent", "core/internal", "backends", "deletion") {
			for _, dep := range p.Deps {
				if under(dep, "core/console") {
					t.Errorf("%s needs %s", p.ImportPath, dep)
				}
			}
		}
	})
}

// What stands in for the content of the page is for its tests.
func TestOnlyTestsKnowThePagesSamples(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		const samples = "core/console/internal/page/samples"
		g.packages(t, samples)
		for path, p := range g {
			if p.own() && slices.Contains(p.Imports, module+"/"+samples) {
				t.Errorf("%s imports %s", path, samples)
			}
		}
	})
}

// A vendor's deletion API takes a key that may erase anybody's data: no such call, and
// no place for such a key, is in what users install.
func TestShippedToolsCannotReachAVendorsDeletion(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, "core", "backends", "cmd/telemetry", "examples") {
			for _, dep := range p.Deps {
				if under(dep, "relay") || under(dep, "deletion") && !under(dep, forTools...) {
					t.Errorf("%s needs %s, which is for operators", p.ImportPath, dep)
				}
			}
		}
	})
}

// What the list of packages says, the file itself has to say too: neither the addresses
// at which a vendor erases, nor anything of the form of a key for them.
func TestABuildOfMytoolHoldsNoVendorsDeletionAndNoKeyForOne(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mytool")
	build := exec.Command("go", "build", "-buildvcs=false", "-tags="+withVendors, "-o", file, "./examples/mytool")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte("data.deletion_request")) {
		t.Error("the search finds nothing: what every tool holds is not there")
	}
	for _, address := range []string{"bulk_delete", "deletion_status", "deletion/data/logs", "deletion/requests", "deletions/users", "/regulations", "api.segmentapis.com"} {
		if bytes.Contains(content, []byte(address)) {
			t.Errorf("it holds %q, an address at which a vendor erases", address)
		}
	}
	if keys := regexp.MustCompile(`ph[xs]_[0-9A-Za-z]{8,}`).FindAll(content, -1); len(keys) > 0 {
		t.Errorf("it holds %d private keys of PostHog", len(keys))
	}
}

// withoutTelemetry is the tag that leaves telemetry out of a tool.
const withoutTelemetry = "notelemetry"

// What such a tool does not link it cannot call, whatever a constant says.
func TestAToolWithoutTelemetryLinksNoNetworkClientAndNoVendor(t *testing.T) {
	t.Parallel()
	for _, goos := range systems {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			g, err := list(goos, withoutTelemetry+","+withVendors)
			if err != nil {
				t.Fatal(err)
			}
			all, err := graphs()
			if err != nil {
				t.Fatal(err)
			}
			for _, program := range []string{"examples/mytool", "cmd/telemetry"} {
				deps, ordinary := g[module+"/"+program].Deps, all[goos+withVendors][module+"/"+program].Deps
				for _, banned := range []string{"net/http", "crypto/tls", "crypto/x509"} {
					if !slices.Contains(ordinary, banned) {
						t.Errorf("the search finds nothing: an ordinary %s does not link %s", program, banned)
					}
					if slices.Contains(deps, banned) {
						t.Errorf("without telemetry, %s links %s", program, banned)
					}
				}
				for _, dep := range deps {
					if d := g[dep]; !d.Standard && !d.own() && !slices.Contains(forCommands, d.Module.Path) {
						t.Errorf("without telemetry, %s links %s", program, dep)
					}
				}
			}
		})
	}
}

// forCommands are the modules that a command line needs, with telemetry or without.
var forCommands = []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/inconshreveable/mousetrap",
	"golang.org/x/sys", "go.yaml.in/yaml/v3"}

// The suite links testing and every encoding that a request may have: it is for tests, and
// for the one program that is made of it.
func TestShippedToolsLinkNothingOfTheConformanceSuite(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		if !slices.Contains(g.packages(t, "cmd/telemetry-conformance!")[0].Deps, module+"/conformance") {
			t.Error("the search finds nothing: the suite's own program does not link it")
		}
		for _, p := range g.packages(t, "core", "backends", "deletion", "cmd/telemetry", "examples") {
			for _, dep := range p.Deps {
				if under(dep, "conformance") {
					t.Errorf("%s needs %s", p.ImportPath, dep)
				}
			}
		}
	})
}

// What stands in for a vendor is for tests and demonstrations: linked into anything else
// it could be taken for the vendor.
func TestOnlyTestsAndTheDemoKnowTheStandIns(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		g.packages(t, "internal/standin")
		for path, p := range g {
			if !p.own() || under(path, "internal/standin", "internal/demo") {
				continue
			}
			for _, dep := range p.Imports {
				if under(dep, "internal/standin") {
					t.Errorf("%s imports %s", path, dep)
				}
			}
		}
	})
}

// tooBig are packages of the standard library that core does without, for the size of
// every tool: encoding/json alone is 276 KiB.
var tooBig = []string{"encoding/json", "encoding/gob", "encoding/xml", "html/template", "text/template", "regexp", "testing"}

func TestCoreLinksNothingBig(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, append(builtIn, "core!", "core/driver", "core/props", "core/consent")...) {
			for _, big := range tooBig {
				if slices.Contains(p.Deps, big) {
					t.Errorf("%s links %s", p.ImportPath, big)
				}
			}
		}
	})
}

// Logging would reach the user's terminal, and a process that is started for the sake
// of telemetry is started in one place only, by core/internal/detach.
func TestCoreNeitherLogsNorRunsPrograms(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, append(builtIn, "core")...) {
			if under(p.ImportPath, optional...) {
				continue
			}
			for _, banned := range append(tooBig, "log", "log/slog", "os/exec") {
				if slices.Contains(p.Imports, banned) {
					t.Errorf("%s imports %s", p.ImportPath, banned)
				}
			}
		}
	})
}

// What a backend cannot see it cannot send: no environment, no host name, no files.
func TestBackendsHaveNoAccessToTheMachine(t *testing.T) {
	t.Parallel()
	eachBuild(t, func(t *testing.T, g graph) {
		for _, p := range g.packages(t, "backends", "core/driver") {
			if under(p.ImportPath, "backends/file") {
				continue // it writes one
			}
			banned := []string{"os", "os/exec", "os/user", "runtime/debug", "path/filepath"}
			if !under(p.ImportPath, "core/driver") {
				banned = append(banned, "syscall") // of which driverhttp needs the error numbers and the proxy variables
			}
			for _, banned := range banned {
				if slices.Contains(p.Imports, banned) {
					t.Errorf("%s imports %s", p.ImportPath, banned)
				}
			}
		}
	})
}

// TestLinkedPackagesAreTheReviewedOnes makes a new dependency a line in a diff.
func TestLinkedPackagesAreTheReviewedOnes(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]struct{ root, tags string }{
		"deps-core.txt":            {"core", ""},
		"deps-telemetry.txt":       {"cmd/telemetry", ""},
		"deps-telemetry-relay.txt": {"cmd/telemetry-relay", ""},
		"deps-mytool.txt":          {"examples/mytool", ""},
		"deps-mytool-vendors.txt":  {"examples/mytool", withVendors},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := graphs()
			if err != nil {
				t.Fatal(err)
			}
			got := linked(t, all, of.root, of.tags)
			file := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := difference(string(want), got); diff != "" {
				t.Errorf("%s links other packages than reviewed:\n%sif that is meant: go test ./internal/arch -update", of.root, diff)
			}
		})
	}
}

// linked lists the packages from outside the standard library and this module that a
// package needs, under their modules, with the systems where not all need them.
func linked(t *testing.T, all map[string]graph, root, tags string) string {
	t.Helper()
	where := map[[2]string][]string{} // module, package
	for _, goos := range systems {
		g := all[goos+tags]
		p, ok := g[module+"/"+root]
		if !ok {
			t.Fatalf("there is no package %s", root)
		}
		for _, dep := range p.Deps {
			if d := g[dep]; !d.Standard && !d.own() {
				key := [2]string{d.Module.Path, dep}
				where[key] = append(where[key], goos)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# What %s links besides the standard library and this module.\n", root)
	last := ""
	for _, key := range slices.SortedFunc(maps.Keys(where), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if key[0] != last {
			fmt.Fprintf(&b, "module %s\n", key[0])
			last = key[0]
		}
		fmt.Fprintf(&b, "  %s", key[1])
		if on := where[key]; len(on) < len(systems) {
			fmt.Fprintf(&b, " (%s)", strings.Join(on, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// difference returns the lines that only one of two sorted lists has.
func difference(want, got string) string {
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for _, line := range wanted {
		if !slices.Contains(found, line) {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	for _, line := range found {
		if !slices.Contains(wanted, line) {
			fmt.Fprintf(&b, "+ %s\n", line)
		}
	}
	return b.String()
}
