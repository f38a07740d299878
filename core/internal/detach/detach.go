// Package detach starts the background process that uploads, such that no person waits
// for it and nothing of the command lives on in it.
package detach

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Marker is the environment variable that tells a process that it is the background
// one, by the name of its tool. It is also the guard against starting another from it.
const Marker = "GOTOOLBASE_TELEMETRY_UPLOAD"

// Marked reports whether this process, or one that it descends from, was started by Start: by
// its own environment, whatever a test has in place of that.
func Marked() bool {
	_, marked := os.LookupEnv(Marker)
	return marked
}

// passed lists the variables that the background process needs: where the user's files
// are, how to reach the network, and every variable that may say no. Nothing else of
// the user's shell reaches it.
var passed = []string{
	"HOME", "XDG_STATE_HOME", "LocalAppData", "ProgramData", "SystemRoot", "USERPROFILE",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"DO_NOT_TRACK", "TELEMETRY_ENABLED", "TELEMETRY_LOCAL", "CI",
}

// file holds a path, and paths lists those that hold lists of them: certificates to trust,
// and what a program needs to find its libraries. The process works in another directory, so
// they are made absolute.
const file = "SSL_CERT_FILE"

var paths = []string{
	"SSL_CERT_DIR",
	"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "LIBPATH",
}

// Process is what is started.
type Process struct {
	// Exe is the program, Args are its arguments.
	Exe  string
	Args []string
	// Tool marks the process as this tool's background process.
	Tool string
	// Lookup reads our environment, Also names variables to pass beside the usual ones.
	Lookup func(string) (string, bool)
	Also   []string
	// Input is what the process reads on its standard input: at most MaxInput bytes.
	Input []byte
}

// MaxInput is what a pipe of every system holds, so that writing never waits for the
// process that is to read.
const MaxInput = 4096

// Start runs p in the background and returns at once. The process has no terminal, none of
// our files and pipes but its input, the root as its working directory (so that no
// directory of the user's is kept busy) and of our environment only what it needs. It is
// reaped if we live on.
func (p Process) Start() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	if len(p.Input) <= MaxInput {
		_, err = out.Write(p.Input)
	}
	if closeErr := out.Close(); err != nil || closeErr != nil {
		return errors.Join(err, closeErr)
	}
	root := filepath.VolumeName(p.Exe) + string(filepath.Separator)
	return start(p.Exe, append([]string{p.Exe}, p.Args...), root, p.environment(), in, null)
}

func (p Process) environment() []string {
	env := []string{Marker + "=" + p.Tool}
	pass := func(name string, change func(string) string) {
		if value, set := p.Lookup(name); set && !strings.Contains(value, "\x00") {
			env = append(env, name+"="+change(value))
		}
	}
	for _, name := range append(passed[:len(passed):len(passed)], p.Also...) {
		pass(name, func(value string) string { return value })
	}
	pass(file, absolute)
	for _, name := range paths {
		pass(name, allAbsolute)
	}
	if runtime.GOOS == "windows" {
		pass("Path", allAbsolute) // libraries are looked for there
	}
	return env
}

// absolute makes a path absolute. An empty one stays empty.
func absolute(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// allAbsolute makes each path of a list absolute.
func allAbsolute(list string) string {
	parts := filepath.SplitList(list)
	for i, part := range parts {
		parts[i] = absolute(part)
	}
	return strings.Join(parts, string(filepath.ListSeparator))
}

// ReadInput returns what Process.Input gave to this process.
func ReadInput() []byte {
	data, err := io.ReadAll(io.LimitReader(os.Stdin, MaxInput))
	if err != nil {
		return nil
	}
	return data
}
