package detach

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// addressName is the variable that makes TestChild a background process which reports to
// that address.
const addressName = "DETACH_TEST_ADDRESS"

// childReport is what a background process finds.
type childReport struct {
	Env, Args []string
	Dir       string
	Input     []byte
	Output    string // what kind of file its standard output is
	PID, SID  int    // SID is 0 where there are no sessions
}

func TestChild(t *testing.T) {
	address, set := os.LookupEnv(addressName)
	if !set {
		t.Skip("not a child")
	}
	CloseInherited()
	report := childReport{Env: os.Environ(), Args: os.Args[1:], Input: ReadInput(), PID: os.Getpid(), SID: session()}
	report.Dir, _ = os.Getwd()
	if info, err := os.Stdout.Stat(); err == nil {
		report.Output = info.Mode().Type().String()
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(report); err != nil {
		t.Fatal(err)
	}
	conn.Read(make([]byte, 1)) //nolint:errcheck // lives until the test has seen enough
}

// run starts a background process and returns what it finds, while it lives until done.
func run(t *testing.T, input []byte, env ...string) (report childReport, done func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, addressName+"="+listener.Addr().String(), "SystemRoot="+os.Getenv("SystemRoot"))
	p := Process{
		Exe: exe, Args: []string{"-test.run=^TestChild$"}, Tool: "my-tool", Lookup: from(env...), Also: []string{addressName}, Input: input,
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	const patience = 20 * time.Second
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(conn).Decode(&report); err != nil {
		t.Fatal(err)
	}
	return report, func() { conn.Close() }
}

// from is an environment of name=value pairs.
func from(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, pair := range pairs {
			if n, value, _ := strings.Cut(pair, "="); n == name {
				return value, true
			}
		}
		return "", false
	}
}

// passedToday is a copy on purpose: made from the list of the package it could not tell that
// a variable was added, or is gone.
var passedToday = []string{
	"HOME", "XDG_STATE_HOME", "LocalAppData", "ProgramData", "SystemRoot", "USERPROFILE",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"DO_NOT_TRACK", "TELEMETRY_ENABLED", "TELEMETRY_LOCAL", "CI",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "LIBPATH",
}

func TestOnlyWhatIsNeededOfTheEnvironmentIsPassedOn(t *testing.T) {
	t.Parallel()
	canary, err := filepath.Abs("/canary") // a path is changed where it is none from the root
	if err != nil {
		t.Fatal(err)
	}
	anything := func(string) (string, bool) { return canary, true }
	var names []string
	for _, pair := range (Process{Tool: "my-tool", Lookup: anything, Also: []string{"MY_TOOL_TELEMETRY"}}).environment() {
		name, value, _ := strings.Cut(pair, "=")
		if name != Marker && value != canary || name == Marker && value != "my-tool" {
			t.Errorf("%s=%s", name, value)
		}
		names = append(names, name)
	}
	want := append([]string{Marker, "MY_TOOL_TELEMETRY"}, passedToday...)
	if runtime.GOOS == "windows" {
		want = append(want, "Path")
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("passed on are %v, want %v", names, want)
	}
}

func TestWhatIsNotSetStaysSoAndWhatIsEmptyToo(t *testing.T) {
	t.Parallel()
	env := Process{Tool: "t", Lookup: from("HOME=/home/jane", "DO_NOT_TRACK=", "SSL_CERT_DIR=", "HTTP_PROXY=a\x00b", "SECRET=canary")}.environment()
	if want := []string{Marker + "=t", "HOME=/home/jane", "DO_NOT_TRACK=", "SSL_CERT_DIR="}; !slices.Equal(env, want) {
		t.Errorf("%q, want %q", env, want)
	}
}

func TestPathsAreMadeAbsolute(t *testing.T) {
	t.Parallel()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	abs := filepath.Dir(dir)
	here := func(name string) string { return filepath.Join(dir, name) }
	list := func(parts ...string) string { return strings.Join(parts, string(filepath.ListSeparator)) }
	for name, c := range map[string]struct{ value, want string }{
		"SSL_CERT_FILE":     {"c.pem", here("c.pem")},
		"SSL_CERT_DIR":      {list("certs", abs, "../more"), list(here("certs"), abs, here("../more"))},
		"LD_LIBRARY_PATH":   {list("", "lib", ""), list("", here("lib"), "")},
		"DYLD_LIBRARY_PATH": {abs, abs},
		"LIBPATH":           {".", dir},
		"HTTPS_PROXY":       {"proxy:3128", "proxy:3128"}, // not a path
	} {
		env := Process{Lookup: from(name + "=" + c.value)}.environment()
		if want := name + "=" + c.want; !slices.Contains(env, want) {
			t.Errorf("%s=%s became %q, want %s", name, c.value, env[1:], want)
		}
	}
}

// SSL_CERT_FILE is one file, whatever its name is.
func TestAFilesNameIsNoList(t *testing.T) {
	t.Parallel()
	name := "a" + string(filepath.ListSeparator) + "b.pem"
	want, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	if env := (Process{Lookup: from("SSL_CERT_FILE=" + name)}).environment(); env[1] != "SSL_CERT_FILE="+want {
		t.Errorf("%q, want %s", env[1], want)
	}
}

func TestInputArrivesWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	all := make([]byte, MaxInput)
	for i := range all {
		all[i] = byte(i)
	}
	for name, c := range map[string]struct{ input, want []byte }{
		"none":                  {nil, nil},
		"bytes":                 {[]byte("a=\x00\xff\r\n"), []byte("a=\x00\xff\r\n")},
		"as much as is allowed": {all, all},
		"more":                  {append(bytes.Clone(all), 'x'), nil},
	} {
		report, done := run(t, c.input)
		if !bytes.Equal(report.Input, c.want) {
			t.Errorf("%s: %d bytes arrive, want %d", name, len(report.Input), len(c.want))
		}
		done()
	}
}

func TestTheProcessHasNothingOfOurs(t *testing.T) {
	t.Parallel()
	report, done := run(t, nil, "HOME=/home/jane", "AWS_SECRET_ACCESS_KEY=canary", "SSL_CERT_FILE=c.pem")
	defer done()
	if strings.Contains(strings.Join(report.Env, "\n"), "canary") || !slices.Contains(report.Env, Marker+"=my-tool") || !slices.Contains(report.Env, "HOME=/home/jane") {
		t.Errorf("its environment is %q", report.Env)
	}
	if filepath.Dir(report.Dir) != report.Dir {
		t.Errorf("it works in %s", report.Dir)
	}
	if !slices.Equal(report.Args, []string{"-test.run=^TestChild$"}) {
		t.Errorf("its arguments are %q", report.Args)
	}
	if runtime.GOOS != "windows" && (report.SID != report.PID || !strings.HasPrefix(report.Output, "D")) {
		t.Errorf("process %d in session %d, with output to a %s", report.PID, report.SID, report.Output)
	}
}

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	if err := (Process{Exe: filepath.Join(t.TempDir(), "none"), Lookup: from()}).Start(); err == nil {
		t.Error("it was started")
	}
}
