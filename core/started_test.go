package core_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// endings are how a process of runCommand ends while a command runs in it.
func endings() map[string]func() {
	all := map[string]func(){
		"os.Exit": func() { os.Exit(abandonedCode) },
		"a panic in a goroutine": func() {
			go panic("outside of the command")
			select {}
		},
		"SIGKILL": func() {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			panic(err)
		},
	}
	maps.Copy(all, systemEndings)
	return all
}

const (
	endsWell = "ends when it is told to"
	isNested = "os.Exit in a nested command"
	isMany   = "os.Exit with a hundred commands at once"
	sends    = "sends what waits"
	loops    = "runs one command after the other"
	lingers  = "waits without telemetry"
	// lingering is what a process says that does.
	lingering = "lingers"
)

// runCommand is a tool in a process of its own. Its command says that it runs, and then ends as
// it is told.
func runCommand(dir, endpoint, how string) {
	switch how {
	case lingers:
		os.Stdout.WriteString(lingering + "\n")
		os.Stdin.Read(make([]byte, 1)) //nolint:errcheck // its end is as good
		os.Exit(abandonedCode)
	case loops:
		runCommands(dir, endpoint)
	case sends:
		_, err := manager(processTool(endpoint), dir, nil).Flush(context.Background(), nil)
		if err != nil && !errors.Is(err, core.ErrBusy) {
			panic(err)
		}
		os.Exit(0)
	}
	c, err := core.Open(processTool(endpoint), core.WithStateDir(dir), core.WithUploadCommand("tool", dir, endpoint, "0"))
	if err != nil {
		panic(err)
	}
	var failed error
	command := c.Command("remote add")
	switch how {
	case isNested:
		c.Command("inner")
		how = "os.Exit"
	case isMany:
		for range 99 {
			c.Command("remote add")
		}
		how = "os.Exit"
	}
	os.Stdout.WriteString("runs\n")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		panic(err)
	}
	if end := endings()[how]; end != nil {
		end()
	}
	command.End(&failed)
	if err := c.Close(context.Background()); err != nil {
		panic(err)
	}
	os.Stdout.WriteString("ended\n")
	os.Exit(0)
}

// runCommands runs commands until it is killed, and tells the name of each that has ended.
func runCommands(dir, endpoint string) {
	c, err := core.Open(processTool(endpoint), core.WithStateDir(dir))
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		name := fmt.Sprint(os.Getenv("ROUND"), " ", i)
		c.Command(name).End(nil)
		os.Stdout.WriteString(name + "\n")
	}
}

// runner is a process of runCommand.
type runner struct {
	*testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// starts starts a process and returns when its command runs. It ends as it is told once it
// is let go.
func starts(t *testing.T, dir, endpoint, how string, env ...string) *runner {
	t.Helper()
	return startsUnder(t, nil, dir, endpoint, how, env...)
}

// startsUnder is starts with another program that runs it.
func startsUnder(t *testing.T, under []string, dir, endpoint, how string, env ...string) *runner {
	t.Helper()
	args := append(slices.Clone(under), os.Args[0], "command", dir, endpoint, how)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append([]string{"SystemRoot=" + os.Getenv("SystemRoot")}, env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) //nolint:errcheck // most have ended
	r := &runner{t, cmd, in, bufio.NewReader(out)}
	r.says("runs")
	return r
}

// says waits for a line of the process.
func (r *runner) says(want string) {
	r.Helper()
	if line, err := r.out.ReadString('\n'); line != want+"\n" {
		r.Fatalf("%q, %v; want %q", line, err, want)
	}
}

// goes lets the process go on.
func (r *runner) goes() {
	r.Helper()
	if _, err := r.in.Write([]byte{'\n'}); err != nil {
		r.Fatal(err)
	}
}

// ends lets the process go and waits for its end.
func (r *runner) ends() error {
	r.Helper()
	r.goes()
	if err := r.in.Close(); err != nil {
		r.Fatal(err)
	}
	return r.cmd.Wait()
}

// dies is ends for a process that does not end well.
func (r *runner) dies() {
	r.Helper()
	if r.ends() == nil {
		r.Fatal("it ended well")
	}
}

func isUnrecorded(e driver.Event) bool {
	return e.Type == string(props.EventCommandInvocation) && e.ErrorClass == string(props.ErrorUnrecorded) &&
		e.DurationMS == nil && e.ExitCode == nil
}

func TestACommandThatEndsUnrecordedIsReportedByALaterRun(t *testing.T) {
	t.Parallel()
	for how := range endings() {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			in := newIntake(t)
			dir := said(t, in.URL)
			notDue(t, dir)
			before := time.Now().Truncate(time.Millisecond)
			r := starts(t, dir, in.URL, how, "GITHUB_ACTIONS=true", "CI=true", "GEMINI_CLI=1")
			running := time.Now()
			r.dies()
			for range 2 {
				mustFlush(t, manager(processTool(in.URL), dir, nil))
			}
			got := in.received()
			if len(got) != 1 || !isUnrecorded(got[0]) {
				t.Fatalf("%+v", got)
			}
			e := got[0]
			if e.Name != "remote add" || e.Tool != "sometool" || e.CIProvider != "github-actions" || e.Agent != "gemini-cli" || !e.CI || e.Interactive {
				t.Errorf("%+v", e)
			}
			if e.Time.Before(before) || e.Time.After(running) || e.TimeAdjusted || len(e.RunID) != 36 || e.ID == e.RunID {
				t.Errorf("began at %v, which was between %v and %v; run %q", e.Time, before, running, e.RunID)
			}
			if s := manager(processTool(in.URL), dir, nil).Status(); s.TotalLost() != 0 || s.Queue.Events != 0 || s.Queue.Damaged != 0 {
				t.Errorf("%v lost, %+v", s.Lost, s.Queue)
			}
		})
	}
}

// Killed before its event, between that and the removal of its start, or after both: what is
// sent of a command is one thing.
func TestWhereverAProcessIsKilledEachCommandIsReportedOnce(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	ended := map[string]bool{}
	const rounds = 20
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "command", dir, in.URL, loops)
		cmd.Env = []string{"SystemRoot=" + os.Getenv("SystemRoot"), fmt.Sprint("ROUND=", round)}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		for first := true; ; first = false {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			ended[strings.TrimSuffix(line, "\n")] = true
			if first { // at whatever it is doing then
				time.AfterFunc(time.Duration(random.Int64N(int64(2*time.Millisecond))), func() { cmd.Process.Kill() }) //nolint:errcheck // it runs
			}
		}
		cmd.Wait() //nolint:errcheck // it was killed
	}
	m := manager(processTool(in.URL), dir, nil)
	for range 2 {
		mustFlush(t, m)
	}
	seen, unrecorded := map[string]driver.Event{}, 0
	for _, e := range in.received() {
		if e.Type == string(props.EventLoss) {
			continue
		}
		if was, twice := seen[e.Name]; twice {
			t.Errorf("%q is there twice: %+v and %+v", e.Name, was, e)
		}
		if seen[e.Name] = e; isUnrecorded(e) {
			unrecorded++
			if ended[e.Name] {
				t.Errorf("%q had ended", e.Name)
			}
		}
	}
	for name := range ended {
		if _, found := seen[name]; !found {
			t.Errorf("%q had ended and is not there", name)
		}
	}
	// A kill hits one command, or none.
	if unrecorded > rounds || len(seen) < len(ended) || len(seen) > len(ended)+rounds {
		t.Errorf("%d ended, %d are there, %d of them unrecorded, after %d kills", len(ended), len(seen), unrecorded, rounds)
	}
	t.Logf("%d commands, %d unrecorded", len(seen), unrecorded)
}

func TestWithinOneRunEachCommandIsReported(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	starts(t, dir, in.URL, isNested).dies()
	mustFlush(t, manager(processTool(in.URL), dir, nil))
	var names []string
	for _, e := range in.received() {
		names = append(names, e.Name)
		if !isUnrecorded(e) || e.RunID != in.received()[0].RunID {
			t.Errorf("%+v", e)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"inner", "remote add"}) {
		t.Errorf("%q", names)
	}
}

func TestACommandThatStillRunsIsNotReportedHoweverLongItDoes(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	r := starts(t, dir, in.URL, endsWell)
	for _, days := range []int{0, 20, 100} {
		later := core.WithClock(func() time.Time { return time.Now().AddDate(0, 0, days) })
		m := core.NewManager(processTool(in.URL), core.WithStateDir(dir), environment(nil), later)
		if report := mustFlush(t, m); report.Sent+report.Kept+report.Lost+report.Running != 0 {
			t.Errorf("after %d days: %+v", days, report)
		}
	}
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	mustFlush(t, manager(processTool(in.URL), dir, nil))
	got := in.received()
	if len(got) != 1 || got[0].ErrorClass != "" || got[0].ExitCode == nil || *got[0].ExitCode != 0 || got[0].DurationMS == nil {
		t.Errorf("%+v", got)
	}
}

func TestALaterCommandIsRecordedWhileOneThatNeverEndsRuns(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	starts(t, dir, in.URL, endsWell)
	starts(t, dir, in.URL, "os.Exit").dies()
	if err := starts(t, dir, in.URL, endsWell).ends(); err != nil {
		t.Fatal(err)
	}
	mustFlush(t, manager(processTool(in.URL), dir, nil))
	if got := in.received(); len(got) != 2 || isUnrecorded(got[0]) == isUnrecorded(got[1]) {
		t.Errorf("%+v", got)
	}
}

func TestUploadsAtOnceReportItOnce(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	const commands = 5
	for range commands {
		starts(t, dir, in.URL, "os.Exit").dies()
	}
	var all []*exec.Cmd
	for range 6 {
		cmd := exec.Command(os.Args[0], "command", dir, in.URL, sends)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	seen := map[string]bool{}
	for _, e := range in.received() {
		seen[e.ID] = true
	}
	if len(in.received()) != commands || len(seen) != commands {
		t.Errorf("%d arrived, %d of them different; want %d", len(in.received()), len(seen), commands)
	}
}

func TestMoreCommandsAtOnceThanCanBeNotedCostNothing(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	starts(t, dir, in.URL, isMany).dies()
	if r := mustFlush(t, manager(processTool(in.URL), dir, nil)); r.Sent != 64 || r.Lost != 0 {
		t.Errorf("%+v, want the 64 that there is room for", r)
	}
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	var all []props.Invocation
	for range 100 {
		all = append(all, c.Command("many"))
	}
	for _, one := range all {
		one.End(nil)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(in.received()) - 64; got != 100 {
		t.Errorf("%d of 100 were recorded", got)
	}
}

// What a no, a reset or Drop erases is also what is known of commands that run.
func TestWhatErasesReachesCommandsThatRun(t *testing.T) {
	t.Parallel()
	for what, erase := range map[string]func(t *testing.T, m *core.Manager, c *core.Collector) error{
		"disable": func(t *testing.T, m *core.Manager, _ *core.Collector) error {
			_, err := m.Disable(t.Context())
			return err
		},
		"reset": func(t *testing.T, m *core.Manager, _ *core.Collector) error {
			_, err := m.Reset(t.Context(), nil)
			return err
		},
		"Drop": func(_ *testing.T, _ *core.Manager, c *core.Collector) error { return c.Drop() },
	} {
		for _, how := range []string{endsWell, "os.Exit", "SIGKILL"} {
			t.Run(what+", then it "+how, func(t *testing.T) {
				t.Parallel()
				in := newIntake(t)
				dir := said(t, in.URL)
				notDue(t, dir)
				m := manager(processTool(in.URL), dir, nil)
				c := open(t, processTool(in.URL), []core.Option{core.WithStateDir(dir), environment(nil)})
				starts(t, dir, in.URL, "os.Exit").dies()
				r := starts(t, dir, in.URL, how)
				if n := holding(t, dir, "remote add"); n != 2 {
					t.Fatalf("%d files hold a command", n)
				}
				if err := erase(t, m, c); err != nil {
					t.Fatal(err)
				}
				if n := holding(t, dir, "remote add"); n != 0 {
					t.Errorf("%d files still hold a command", n)
				}
				if err := r.ends(); (err == nil) != (how == endsWell) {
					t.Fatal(err)
				}
				if what == "Drop" {
					return // which does not reach into other processes: they record on
				}
				if n := holding(t, dir, "remote add"); n != 0 {
					t.Errorf("%d files hold a command that ended after the no", n)
				}
				if err := m.Enable(false, ""); err != nil {
					t.Fatal(err)
				}
				if r := mustFlush(t, m); r.Sent+r.Lost != 0 || in.postCount() != 0 {
					t.Errorf("%+v, %d posts", r, in.postCount())
				}
			})
		}
	}
}

// holding is how many files below dir hold a text.
func holding(t *testing.T, dir, text string) (n int) {
	t.Helper()
	for _, path := range files(dir) {
		if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, []byte(text)) {
			n++
		}
	}
	return n
}

func TestDropInTheCommandItselfTakesItsStart(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	command := c.Command("remote add")
	if err := c.Drop(); err != nil {
		t.Fatal(err)
	}
	command.End(nil)
	c.Command("another").End(nil)
	if n := holding(t, stateDir(options), "command.invocation"); n != 0 {
		t.Errorf("%d files hold a command", n)
	}
}

func TestAStartNotedForThisMachineStaysThere(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	m := manager(processTool(in.URL), dir, nil)
	r := starts(t, dir, in.URL, "SIGKILL", "TELEMETRY_LOCAL=1")
	mustFlush(t, m) // nothing but the start names its receipt, which must be there afterwards
	r.dies()
	if report := mustFlush(t, m); report.Stayed != 1 || report.Lost != 0 || in.postCount() != 0 || logged(t, dir) != 1 {
		t.Errorf("%+v, %d posts, %d in the log", report, in.postCount(), logged(t, dir))
	}
}

func TestACommandThatBeganTooLongAgoHasExpired(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	starts(t, dir, in.URL, "os.Exit").dies()
	later := core.WithClock(func() time.Time { return time.Now().AddDate(0, 0, 31) })
	m := core.NewManager(processTool(in.URL), core.WithStateDir(dir), environment(nil), later)
	if r := mustFlush(t, m); r.LostBy["expired"] != 1 || r.Sent != 0 {
		t.Errorf("%+v", r)
	}
}

// A power cut ends every command, and may cut what says that it ran anywhere.
func TestAfterAPowerCutAWholeStartIsReportedAndATornOneIsNoLoss(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	starts(t, dir, in.URL, endsWell)
	start, err := os.ReadFile(filepath.Join(dir, "queue", "00.running"))
	if err != nil || !bytes.HasSuffix(start, []byte("}\n")) {
		t.Fatalf("%q, %v", start, err)
	}
	for cut := 0; cut <= len(start); cut += 1 + (len(start)-cut-1)/10 {
		copied := filepath.Join(t.TempDir(), "telemetry")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		restrict(t, copied)
		if err := os.WriteFile(filepath.Join(copied, "queue", "00.running"), start[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		if cut >= len(start)-1 {
			want = 1
		}
		m := manager(processTool(in.URL), copied, nil)
		if r := mustFlush(t, m); r.Sent != want || r.Lost != 0 || m.Status().TotalLost() != 0 || m.Status().Queue.Damaged != 0 {
			t.Errorf("cut to %d of %d bytes: %+v, %v lost", cut, len(start), r, m.Status().Lost)
		}
	}
}

// restrict makes what was copied private again.
func restrict(t *testing.T, dir string) {
	t.Helper()
	for _, path := range append(files(dir), dir) {
		info, err := os.Stat(path)
		if err == nil {
			err = os.Chmod(path, info.Mode().Perm()&0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStartIsPrivateAndInTheStateDirectory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there the profile's access list decides")
	}
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	starts(t, dir, in.URL, endsWell, "HOME="+home, "TMPDIR="+home, "XDG_STATE_HOME="+home)
	for _, path := range files(dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
	}
	if list := files(home); len(list) != 0 {
		t.Errorf("made %v", list)
	}
}

func TestManyCommandsAtOnceAreEachRecordedOnce(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	const goroutines, each = 8, 25
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				c.Command(fmt.Sprintf("c%d-%d", g, i)).Annotate("k", "v").End(nil)
			}
		})
	}
	wg.Wait()
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range in.received() {
		if e.ErrorClass != "" || seen[e.Name] {
			t.Errorf("%+v", e)
		}
		seen[e.Name] = true
	}
	if len(seen) != goroutines*each {
		t.Errorf("%d of %d are there", len(seen), goroutines*each)
	}
}

func TestTheStartHoldsWhatEveryEventOfTheToolHolds(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.Metadata = map[string]string{"edition": "free", "api_key": "canary"}
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	command := c.Command("build canary@example.com").Annotate("format", "json").Flags("all").Args("x")
	defer command.End(nil)
	start, err := os.ReadFile(filepath.Join(stateDir(options), "queue", "00.running"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(start); !strings.Contains(s, `"edition":"free"`) || strings.Contains(s, "canary") || strings.Contains(s, "json") || !strings.Contains(s, `"build <email>"`) {
		t.Errorf("%s", s)
	}
}

// Nobody can end it any more, but it may still run.
func TestACommandThatItsCallerForgetsIsNotReportedWhileItsProcessLives(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.Command("forgotten")
	for range 3 {
		runtime.GC()
		mustFlush(t, core.NewManager(tool, options...))
	}
	if got := in.received(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	runtime.KeepAlive(c)
}

func TestOfASampleOnlyTheRunsInItNoteTheirStarts(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.SampleRate = 3
	seen := map[bool]bool{}
	for run := 0; len(seen) < 2; run++ {
		if run > 1000 {
			t.Fatalf("of a thousand runs none is %v in the sample", !seen[true])
		}
		options := enabled(t, tool, nil)
		c := open(t, tool, options)
		command := c.Command("build")
		noted := holding(t, stateDir(options), "ended_unrecorded")
		rated := holding(t, stateDir(options), `"sample_rate":3`)
		command.End(nil)
		recorded := core.NewManager(tool, options...).Status().Queue.Events
		if noted != recorded || rated != recorded {
			t.Fatalf("%d starts are noted, %d with their rate, and %d commands recorded", noted, rated, recorded)
		}
		seen[recorded == 1] = true
	}
}

func TestWhereCallsAreFoldedUnrecordedEndsAreToo(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := foldingTool(in.URL)
	options := enabled(t, tool, nil)
	dir := filepath.Join(stateDir(options), "queue")
	c := open(t, tool, options)
	var copies [][]byte
	for range 3 { // as three runs leave them that are killed
		command := c.Command("build")
		content, err := os.ReadFile(filepath.Join(dir, "00.running"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "run_id") {
			t.Errorf("a record of one call names its run: %s", content)
		}
		copies = append(copies, content)
		command.End(nil)
	}
	for i, content := range copies {
		// The commands were recorded, under these IDs: here they were not.
		content = bytes.Replace(content, []byte(`{"id":"0`), []byte(`{"id":"f`), 1)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.running", i)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, e := range in.received() {
		counts[e.ErrorClass] += 100*e.Count + 1
	}
	if counts[""] != 301 || counts["ended_unrecorded"] != 301 || len(counts) != 2 {
		t.Errorf("%v, want one record of three calls for each outcome: %+v", counts, in.received())
	}
}

// A no takes back what began before it, whatever is said after: also where both are said while a
// command is just being noted.
func TestANoAndAYesBetweenAnyTwoStepsOfACommandKeepItFromBeingRecorded(t *testing.T) {
	t.Parallel()
	during := 0
	for step, answered := 1, true; answered; step++ {
		answered = false
		tool := someTool()
		options := enabled(t, tool, nil)
		other := core.NewManager(tool, options...)
		reads, opened := 0, false
		c, err := core.Open(tool, append(options, core.WithClock(func() time.Time {
			if opened {
				if reads++; reads == step {
					answered = true
					if err := errors.Join(other.Answer(consent.AnswerNo, other.Stored(), ""), other.Answer(consent.AnswerYes, other.Stored(), "")); err != nil {
						t.Error(err)
					}
				}
			}
			return time.Now()
		}))...)
		if err != nil {
			t.Fatal(err)
		}
		opened = true
		command := c.Command("export")
		command.End(nil)
		opened = false
		_ = c.Close(t.Context())
		waiting, err := core.NewManager(tool, options...).Waiting(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case !answered && len(waiting) != 1:
			t.Errorf("without a no: %d events wait", len(waiting))
		case answered && len(waiting) > 0:
			t.Errorf("a no and a yes at reading %d of the clock: %+v waits", step, waiting[0].Event)
		case answered:
			during++
		}
	}
	if during < 2 {
		t.Errorf("a no came %d times while a command ran: the clock is no measure of the steps any more", during)
	}
}
