package version

import (
	"runtime/debug"
	"testing"
)

func TestAVersionIsToldWithItsCommitAndItsGo(t *testing.T) {
	t.Parallel()
	module := debug.Module{Path: "github.com/gotoolbase/telemetry", Version: "v0.1.0"}
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	for _, c := range []struct {
		what string
		info debug.BuildInfo
		want string
	}{
		{"of a release", debug.BuildInfo{GoVersion: "go1.26.8", Main: module, Settings: []debug.BuildSetting{commit}}, "v0.1.0 (commit 0123456789ab, go1.26.8)"},
		{"from the module proxy, which has no commits", debug.BuildInfo{GoVersion: "go1.26.8", Main: module}, "v0.1.0 (go1.26.8)"},
		{"of a tool that does not say", debug.BuildInfo{GoVersion: "go1.26.8"}, "unknown (go1.26.8)"},
	} {
		if got := describe(&c.info); got != c.want {
			t.Errorf("%s: %q, not %q", c.what, got, c.want)
		}
	}
}
