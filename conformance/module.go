package conformance

import (
	"os/exec"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// Module says which code was run.
type Module struct {
	// Path is empty where the program was built without modules.
	Path string `json:"path"`
	// Version is "(devel)" where the code comes from a working copy.
	Version string `json:"version"`
	// Commit is the whole ID or its first twelve digits, empty if it is not known.
	Commit string `json:"commit,omitempty"`
	// Modified says that the working copy had changes that are in no commit.
	Modified bool `json:"modified,omitempty"`
}

// ownModule is the module of the suite.
func ownModule() Module { return moduleOfPackage(reflect.TypeFor[Report]().PkgPath()) }

// moduleOf returns the module in which a function was written.
func moduleOf(function any) Module {
	v := reflect.ValueOf(function)
	if v.Kind() != reflect.Func || v.IsNil() {
		return Module{}
	}
	return moduleOfPackage(packageOf(runtime.FuncForPC(v.Pointer()).Name()))
}

// packageOf takes the package's path off a function's name. In the path's last element
// the compiler escapes dots, so that the first one ends it.
func packageOf(function string) string {
	last := strings.LastIndex(function, "/") + 1
	name, _, _ := strings.Cut(function[last:], ".")
	return strings.ReplaceAll(function[:last]+name, "%2e", ".")
}

func moduleOfPackage(path string) Module {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Module{}
	}
	return findModule(info, path)
}

func findModule(info *debug.BuildInfo, path string) Module {
	// Tests outside of a package have its path and a suffix.
	path = strings.TrimSuffix(path, "_test")
	holds := func(m *debug.Module) bool {
		return path == m.Path || strings.HasPrefix(path, m.Path+"/")
	}
	var found *debug.Module
	for _, m := range info.Deps {
		if holds(m) && (found == nil || len(m.Path) > len(found.Path)) {
			found = m
		}
	}
	if holds(&info.Main) && (found == nil || len(info.Main.Path) > len(found.Path)) || path == "main" {
		m := Module{Path: info.Main.Path, Version: info.Main.Version}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				m.Commit = s.Value
			case "vcs.modified":
				m.Modified = s.Value == "true"
			}
		}
		return m
	}
	if found == nil {
		return Module{}
	}
	m := Module{Path: found.Path, Version: found.Version}
	if r := found.Replace; r != nil {
		m.Version = r.Version
		if r.Version == "" {
			m.Version = "(devel)" // a folder of this machine, whose name is nobody's business
		}
	}
	if commit := pseudoVersion.FindStringSubmatch(m.Version); commit != nil {
		m.Commit = commit[1]
	}
	return m
}

// pseudoVersion is the end of a version that Go makes of a commit without a tag.
var pseudoVersion = regexp.MustCompile(`[.-]\d{14}-([0-9a-f]{12})(?:\+incompatible)?$`)

// workingCopy completes the modules of a test, which go test builds without a word on the
// commit. A test runs in its package's folder.
func workingCopy(modules ...*Module) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	commit, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return // no git, or no repository
	}
	changes, err := exec.Command("git", "status", "--porcelain").Output()
	for _, m := range modules {
		if m.Path == info.Main.Path && m.Commit == "" {
			m.Commit, m.Modified = strings.TrimSpace(string(commit)), err != nil || len(changes) > 0
		}
	}
}
