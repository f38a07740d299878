package core_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// runTool is a small tool in a process of its own: it records count events, prints the
// number of each when Track has returned, and closes. In the background process that it
// starts, which is told nothing but these arguments, Open does not return.
func runTool(dir, endpoint, count string) {
	tool := processTool(endpoint)
	c, err := core.Open(tool, core.WithStateDir(dir), core.WithUploadCommand("tool", dir, endpoint, "0"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	n, _ := strconv.Atoi(count)
	for i := range n {
		c.Track("feature.used", "x", nil)
		os.Stdout.WriteString(strconv.Itoa(i) + "\n")
	}
	if os.Getenv("ABANDON") != "" {
		os.Exit(abandonedCode) // as if it were killed
	}
	if err := c.Close(context.Background()); err != nil && os.Getenv("CI") == "" {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const abandonedCode = 9

// processTool is the tool of runTool: with an endpoint "spy:URL" its backend reports
// what the process that sends can see, with "reset:URL" it is resettable.
func processTool(endpoint string) props.Tool {
	if name, fromEnvironment := strings.CutPrefix(endpoint, "env:"); fromEnvironment {
		endpoint = os.Getenv(name)
	}
	tool := toolFor(endpoint)
	tool.Telemetry.UploadInterval = time.Millisecond
	if url, spied := strings.CutPrefix(endpoint, "spy:"); spied {
		tool.Telemetry = props.TelemetryConfig{Backend: "spy", Drivers: []driver.Driver{spyDriver(url)}, UploadInterval: time.Millisecond}
	}
	if endpoint == "kill:" { // whoever sends is killed in the middle of it
		tool.Telemetry = props.TelemetryConfig{Backend: "kill", Drivers: []driver.Driver{{
			Name: "kill", Hosts: somewhere, Open: func(driver.Config) (driver.Backend, error) { return killer{}, nil },
		}}}
	}
	if server, resets := strings.CutPrefix(endpoint, "reset:"); resets {
		return resettable(server)
	}
	return tool
}

type sight struct {
	Env, Args, Files []string
	Dir              string
	Session          bool
}

func spyDriver(url string) driver.Driver {
	return driver.Driver{Name: "spy", Hosts: somewhere, Open: func(c driver.Config) (driver.Backend, error) {
		transport, _ := any(c.Transport).(http.RoundTripper) // which it is not to a build without telemetry
		return spy{url, transport}, nil
	}}
}

type spy struct {
	url       string
	transport http.RoundTripper
}

type killer struct{}

func (killer) Close() error { return nil }

func (killer) Send(context.Context, []driver.Event) error {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	return err
}

func (s spy) Close() error { return nil }

func (s spy) Send(ctx context.Context, _ []driver.Event) error {
	see := sight{Env: os.Environ(), Args: os.Args}
	see.Dir, _ = os.Getwd()
	names, _ := os.ReadDir("/proc/self/fd")
	for _, name := range names {
		if name.Name() == "0" {
			continue // what the command handed over, which has ended
		}
		if target, err := os.Readlink("/proc/self/fd/" + name.Name()); err == nil {
			see.Files = append(see.Files, target)
		}
	}
	body, _ := json.Marshal(see)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// said makes an installation for runTool whose user said yes, and returns its directory.
func said(t testing.TB, endpoint string) string {
	t.Helper()
	root, err := os.MkdirTemp("", "said-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a background process may still be at work in it
		for deadline := time.Now().Add(30 * time.Second); os.RemoveAll(root) != nil; {
			if time.Now().After(deadline) {
				t.Error("a background process is still at work")
				return
			}
		}
	})
	dir := filepath.Join(root, "telemetry")
	m := core.NewManager(processTool(endpoint), core.WithStateDir(dir), environment(nil))
	if err := m.Answer(consent.AnswerYes, m.Stored(), ""); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command is a process of runTool. Its environment is empty but for env.
func command(dir, endpoint string, count int, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "tool", dir, endpoint, strconv.Itoa(count))
	cmd.Env = append([]string{"SystemRoot=" + os.Getenv("SystemRoot")}, env...)
	cmd.Stderr = os.Stderr
	return cmd
}

func waiting(t testing.TB, dir, endpoint string) int {
	t.Helper()
	return core.NewManager(processTool(endpoint), core.WithStateDir(dir), environment(nil)).Status().Queue.Events
}

func TestABackgroundProcessDeliversAfterTheCommandHasEnded(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	if err := command(dir, in.URL, 3).Run(); err != nil {
		t.Fatal(err)
	}
	in.wait(t)
	if got := len(in.received()); got != 3 {
		t.Errorf("%d events arrived, want 3", got)
	}
}

func TestTheBackgroundProcessCarriesNothingOfTheUsersShell(t *testing.T) {
	t.Parallel()
	seen := make(chan sight, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var s sight
		_ = json.NewDecoder(r.Body).Decode(&s)
		seen <- s
	}))
	defer server.Close()
	endpoint := "spy:" + server.URL
	dir := said(t, endpoint)
	someRun := runAt(time.Now())
	cmd := command(dir, endpoint, 1, "AWS_SECRET_ACCESS_KEY=canary", "OTEL_RESOURCE_ATTRIBUTES=canary", "DD_API_KEY=canary",
		"HOME="+t.TempDir(), "SOMETOOL_TELEMETRY=on", "NO_PROXY=127.0.0.1", runVariable+"="+someRun)
	cmd.Dir = t.TempDir()
	r, w, err := os.Pipe() // as the shell's `3>…`, which must not be held open
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		cmd.ExtraFiles = []*os.File{w}
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var s sight
	select {
	case s = <-seen:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived")
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Error(err)
	}
	all := strings.Join(s.Env, "\n")
	if strings.Contains(all, "canary") || strings.Contains(all, someRun) || !strings.Contains(all, "SOMETOOL_TELEMETRY=on") || !strings.Contains(all, "NO_PROXY=") {
		t.Errorf("its environment is\n%s", all)
	}
	if s.Dir != filepath.VolumeName(s.Dir)+string(filepath.Separator) {
		t.Errorf("it works in %s", s.Dir)
	}
	if len(s.Args) != 5 || slices.ContainsFunc(s.Args, func(a string) bool { return strings.Contains(a, "feature.used") }) {
		t.Errorf("its arguments are %q", s.Args)
	}
	for _, file := range s.Files {
		if strings.HasPrefix(file, "pipe:") {
			t.Errorf("it holds a pipe: %v", s.Files)
		}
	}
}

func TestEightCommandsAtOnceSendABacklogOnce(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	for range 5 {
		if err := command(dir, in.URL, 50).Run(); err != nil {
			t.Fatal(err)
		}
	}
	if got := waiting(t, dir, in.URL); got != 250 {
		t.Fatalf("%d events wait, want 250", got)
	}
	if err := os.Remove(filepath.Join(dir, "next-upload")); err != nil {
		t.Fatal(err)
	}
	var all []*exec.Cmd
	for range 8 {
		cmd := command(dir, in.URL, 50)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	// Some slots were still held when the first background process looked.
	for deadline := time.Now().Add(30 * time.Second); ; {
		m := core.NewManager(processTool(in.URL), core.WithStateDir(dir), environment(nil))
		if _, err := m.Flush(t.Context(), nil); err == nil && m.Status().Queue.Events == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events still wait", waiting(t, dir, in.URL))
		}
	}
	seen := map[string]int{}
	for _, e := range in.received() {
		seen[e.ID]++
	}
	if len(in.received()) != 650 || len(seen) != 650 {
		t.Errorf("%d events arrived, %d of them different; want 650", len(in.received()), len(seen))
	}
}

func TestEveryReturnedEventArrivesThoughCommandsAreKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts many processes")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	in := newIntake(t)
	dir := said(t, in.URL)
	returned := 0
	for range 15 {
		cmd := command(dir, in.URL, 1_000_000)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		for stop := random.IntN(300); stop >= 0; stop-- {
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			returned++
		}
		cmd.Process.Kill() //nolint:errcheck // it runs
		for {
			if _, err := lines.ReadString('\n'); err != nil {
				break
			}
			returned++
		}
		cmd.Wait() //nolint:errcheck // it was killed
	}
	m := core.NewManager(processTool(in.URL), core.WithStateDir(dir), environment(nil))
	const kills = 15
	r, err := m.Flush(t.Context(), nil)
	if err != nil || r.Lost > kills {
		t.Fatalf("%+v, %v", r, err)
	}
	arrived := 0
	for _, e := range in.received() {
		if e.Type != string(props.EventLoss) {
			arrived++
		}
	}
	// Killed after the write of an event and before that of its number, a process has
	// recorded one more than it said. Killed inside the write, it has torn a line of which
	// it had said nothing: that is the loss.
	if arrived < returned || arrived > returned+kills {
		t.Errorf("%d events arrived, %d were returned", arrived, returned)
	}
}

func TestACommandEndsAtOnceWhateverTheNetworkDoes(t *testing.T) {
	t.Parallel()
	hang, arrived := make(chan struct{}), make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-hang
	}))
	t.Cleanup(server.Close)
	dir := said(t, server.URL)
	t.Cleanup(func() { close(hang) })
	cmd := command(dir, server.URL, 1)
	out, err := cmd.StdoutPipe() // also held open by whatever inherits it
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(out)
		done <- errors.Join(err, cmd.Wait())
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second): // the background process would hang for 20 s and more
		t.Fatal("the command waits for the network")
	}
	// Commands that end in the next minute start no second one.
	m := core.NewManager(processTool(server.URL), core.WithStateDir(dir), environment(nil))
	if next := m.Status().NextUpload; time.Until(next) < 30*time.Second {
		t.Errorf("the next upload may start at %v", next)
	}
	select {
	case <-arrived: // the background process is the one that waits
	case <-time.After(20 * time.Second):
		t.Error("nothing was sent")
	}
}

func TestSudoInAForeignHomeLeavesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	home := t.TempDir()
	if err := os.Chown(home, 4242, 4242); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, ".local", "state", "sometool", "telemetry")
	cmd := command(dir, "http://127.0.0.1:1/", 3, "SOMETOOL_TELEMETRY=on", "HOME="+home)
	if out, err := cmd.Output(); err != nil || strings.Count(string(out), "\n") != 3 {
		t.Errorf("%s, %v", out, err)
	}
	if list := files(home); len(list) != 0 {
		t.Errorf("made %v", list)
	}
}
