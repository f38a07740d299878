// Package version says which version of this module a program is of.
package version

import (
	"runtime/debug"
	"strings"
)

// commitDigits are enough to find a commit by, and are what forges show.
const commitDigits = 12

// String is what --version prints after the program's name: the version, the commit where the
// program was built from a repository, and the Go it was built with. All of it is from what Go
// writes into a program, so a build needs no flags to have it right.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" {
		version = "unknown"
	}
	details := []string{info.GoVersion}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && setting.Value != "" {
			details = append([]string{"commit " + setting.Value[:min(len(setting.Value), commitDigits)]}, details...)
		}
	}
	return version + " (" + strings.Join(details, ", ") + ")"
}
