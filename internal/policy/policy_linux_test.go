package policy

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// etcVariable makes the test binary the program that puts a directory of the test in the
// place of /etc, and then becomes the tool.
const etcVariable = "TEST_ETC"

func TestMain(m *testing.M) {
	if etc := os.Getenv(etcVariable); etc != "" {
		fmt.Fprintln(os.Stderr, become(etc))
		os.Exit(noNamespaces)
	}
	os.Exit(m.Run())
}

// noNamespaces is the exit code of a process that may not have an /etc of its own.
const noNamespaces = 99

func become(etc string) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount(etc, "/etc", "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	return syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// receiver takes everything, and counts connections and what came over them.
type receiver struct {
	*httptest.Server
	mu          sync.Mutex
	connections int
	paths       []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.paths = append(r.paths, q.URL.Path)
	}))
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.connections++
		}
	}
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) count() (connections, requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections, len(r.paths)
}

// machine is a computer with an administrator, on which examples/mytool is installed.
type machine struct {
	t            *testing.T
	exe, etc     string
	home         string
	author, corp *receiver
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, author: newReceiver(t), corp: newReceiver(t), home: home(t), etc: t.TempDir()}
	m.exe = filepath.Join(t.TempDir(), "mytool")
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", "telemetrycheck,vendors", "-ldflags",
		"-X main.interval=1ms -X main.endpoint="+m.author.URL+"/events -X main.deletions="+m.author.URL+"/deletions",
		"-o", m.exe, "github.com/gotoolbase/telemetry/examples/mytool")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Mkdir(filepath.Join(m.etc, "mytool"), 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

// home is a directory in which a background process may still be at work when a test ends.
func home(t *testing.T) string {
	dir, err := os.MkdirTemp("", "policy-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(30 * time.Second); os.RemoveAll(dir) != nil; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("a background process is still at work")
				return
			}
		}
	})
	return dir
}

// says writes a policy below /etc, and removes it if it is empty.
func (m *machine) says(path, policy string) {
	m.t.Helper()
	err := os.WriteFile(filepath.Join(m.etc, path), []byte(policy), 0o644)
	if policy == "" {
		err = os.Remove(filepath.Join(m.etc, path))
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// run runs the tool and returns what it printed and its exit code. env is added to that of a
// person at a terminal, or a job.
func (m *machine) run(env string, args ...string) (out string, code int) {
	m.t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{m.exe}, args...)...)
	cmd.Env = []string{etcVariable + "=" + m.etc, "HOME=" + m.home, "PATH=" + os.Getenv("PATH")}
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	text, err := cmd.CombinedOutput()
	code = cmd.ProcessState.ExitCode()
	if cmd.ProcessState == nil || code == noNamespaces {
		m.t.Skipf("no namespaces here: %v %s", err, text)
	}
	return string(text), code
}

func (m *machine) must(env string, args ...string) string {
	m.t.Helper()
	out, code := m.run(env, args...)
	if code != 0 {
		m.t.Fatalf("%s mytool %v: exit code %d\n%s", env, args, code, out)
	}
	return out
}

const toolPolicy, everyPolicy = "mytool/telemetry-policy", "telemetry-policy"

func TestTheAuthorsVendorIsNotContactedWhereThePolicyNamesAnother(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	// Before there is a policy, something goes to the author, as everywhere.
	m.must("", "telemetry", "enable")
	m.must("", "sleep", "0")
	m.must("", "telemetry", "flush") // what a background process does not do
	before, _ := m.author.count()
	if before == 0 {
		t.Fatal("the author's receiver was not contacted without a policy: the count says nothing")
	}
	m.says(toolPolicy, "on\nreceiver http "+m.corp.URL+"/v1/events\n")
	m.must("", "telemetry", "enable") // shows to whom

	reached := 0
	each := func(what string, run func()) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; {
			run() // again where a process that was started before still delivers
			if _, requests := m.corp.count(); requests > reached {
				reached = requests
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the company's receiver was not contacted", what)
			}
		}
		if n, _ := m.author.count(); n != before {
			t.Fatalf("%s: %d connections to the author's receiver", what, n-before)
		}
	}
	each("the background process", func() { m.must("", "sleep", "0") })
	each("a job", func() { m.must("CI=true", "sleep", "0") })
	// A job's delivery was less than a minute ago, so nothing but these commands sends.
	each("flush", func() { m.must("CI=true", "burst", "1"); m.must("", "telemetry", "flush") })
	each("upload", func() { m.must("CI=true", "burst", "1"); m.must("", "telemetry", "upload") })
	each("check", func() { m.must("", "telemetry", "status", "--check") })
	var out string
	each("reset", func() {
		if text, _ := m.run("", "telemetry", "reset", "--yes"); out == "" {
			out = text
		}
	})
	for _, want := range []string{"NOT everybody who has to delete data has the request yet", "policy does not let the tool contact now", m.author.Listener.Addr().String()} {
		if !strings.Contains(out, want) {
			t.Errorf("reset does not say %q:\n%s", want, out)
		}
	}
	// The request for what the author has is kept, and nothing makes it behind the policy.
	m.run("", "telemetry", "reset", "--resume")
	m.run("", "telemetry", "upload") // telemetry is off now
	m.must("CI=true", "sleep", "0")
	m.must("", "telemetry", "status")
	if n, _ := m.author.count(); n != before {
		t.Errorf("%d connections to the author's receiver", n-before)
	}
	m.says(toolPolicy, "")
	if out := m.must("", "telemetry", "reset", "--resume"); !strings.Contains(out, "handed over") {
		t.Errorf("without the policy:\n%s", out)
	}
	if n, _ := m.author.count(); n == before {
		t.Error("without the policy, nobody made the request to the author")
	}
}

func TestAPersonSeesWhoSetTheReceiver(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.says(everyPolicy, "receiver http "+m.corp.URL+"/v1/events\n")
	corp := m.corp.Listener.Addr().String()
	for args, want := range map[string]string{
		"telemetry status":               "http (" + corp + "), set by the administrator's policy",
		"telemetry status --explain":     "it names a receiver in the place of the tool's own (the one for all tools)",
		"telemetry status --output json": `"set_by_policy": true`,
		"telemetry enable":               "It is sent to " + corp + ", set by this machine's administrator in the place of the tool's own receiver",
	} {
		// A notice and a table have breaks where a terminal ends.
		if out := strings.Join(strings.Fields(m.must("", strings.Fields(args)...)), " "); !strings.Contains(out, want) {
			t.Errorf("%s does not say %q:\n%s", args, want, out)
		}
	}
	if out := strings.Join(strings.Fields(m.must("", "telemetry", "enable")), " "); !strings.Contains(out, "to show this machine's administrator what matters") {
		t.Errorf("the notice says for whom it is:\n%s", out)
	}
	m.says(everyPolicy, "")
	if out := m.must("", "telemetry", "status"); !strings.Contains(out, "what you said yes to has changed") || strings.Contains(out, corp+"), set by the administrator's policy\n") {
		t.Errorf("without the policy:\n%s", out)
	}
	for receiver, want := range map[string]string{
		"otlp " + m.corp.URL:    "Receiver: otlp (" + corp + "), set by the administrator's policy",
		"posthog " + m.corp.URL: `the backend "posthog" cannot be used with that address alone: Telemetry.Settings[project_key]: required`,
	} {
		m.says(everyPolicy, "on\nreceiver "+receiver)
		if out := m.must("", "telemetry", "status"); !strings.Contains(out, want) {
			t.Errorf("%s: status does not say %q:\n%s", receiver, want, out)
		}
	}
	m.says(everyPolicy, "on\nreceiver nosuch "+m.corp.URL+"\n")
	if out := m.must("", "telemetry", "status"); !strings.Contains(out, "names a receiver that cannot be used") || !strings.Contains(out, `"nosuch" is not linked into mytool`) {
		t.Errorf("with a receiver that is not linked:\n%s", out)
	}
	if out := m.must("", "sleep", "0"); out != "" {
		t.Errorf("a command says %q", out)
	}
	a, _ := m.author.count()
	if c, _ := m.corp.count(); a+c != 0 {
		t.Errorf("%d connections to the author's receiver, %d to the company's", a, c)
	}
}
