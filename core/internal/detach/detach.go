// Package detach starts the background process that uploads, such that nobody waits
// for it and nothing of the command lives on in it.
package detach

import (
	"os"
	"path/filepath"
	"strings"
)

// Marker is the environment variable that tells a process that it is the background
// one, by the name of its tool. It is also the guard against starting another from it.
const Marker = "GOTOOLBASE_TELEMETRY_UPLOAD"

// passed lists the variables that the background process needs: where the user's files
// are, how to reach the network, and every variable that may say no. Nothing else of
// the user's shell reaches it.
var passed = []string{
	"HOME", "XDG_STATE_HOME", "LocalAppData", "ProgramData", "SystemRoot", "USERPROFILE",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
	"DO_NOT_TRACK", "TELEMETRY_ENABLED", "TELEMETRY_LOCAL", "CI",
}

// Start runs exe with args in the background and returns at once. The process has no
// terminal, none of our files and pipes, the root as its working directory (so that no
// directory of the user's is kept busy) and of our environment only what it needs, with
// the variables in also. It is reaped if we live on.
func Start(exe string, args []string, tool string, lookup func(string) (string, bool), also ...string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	env := []string{Marker + "=" + tool}
	for _, name := range append(passed[:len(passed):len(passed)], also...) {
		if value, set := lookup(name); set && !strings.Contains(value, "\x00") {
			env = append(env, name+"="+value)
		}
	}
	root := filepath.VolumeName(exe) + string(filepath.Separator)
	return start(exe, append([]string{exe}, args...), root, env, null)
}
