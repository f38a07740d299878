package core_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
)

// A command whose background processes never come to their work notices, says so, and
// sends from inside in the end.
func TestABackgroundProcessThatNeverBeginsIsToldAndDoneWithout(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	tool.Telemetry.UploadInterval = 2 * time.Minute
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, nil), core.WithClock(now.Now), core.WithUploadCommand("die"))
	m := core.NewManager(tool, options...)
	run := func() {
		t.Helper()
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		now.add(3 * time.Minute)
	}
	for i := range 3 {
		if s := m.Status(); i == 0 && s.Background != "" || i > 0 && !strings.Contains(s.Background, "never began") {
			t.Errorf("after %d runs status says %q", i, s.Background)
		}
		run()
	}
	if in.postCount() != 0 {
		t.Fatalf("%d posts before the starts have failed three times", in.postCount())
	}
	run()
	if s := m.Status(); len(in.received()) != 4 || !strings.Contains(s.Background, "from the commands themselves") {
		t.Errorf("%d events arrived, status says %q", len(in.received()), s.Background)
	}
}

// A background process that begins and is killed before its end is told too.
func TestABackgroundProcessThatIsKilledIsTold(t *testing.T) {
	t.Parallel()
	dir := said(t, "kill:")
	if err := command(dir, "kill:", 1).Run(); err != nil {
		t.Fatal(err)
	}
	later := func() time.Time { return time.Now().Add(2 * time.Minute) }
	m := core.NewManager(processTool("kill:"), core.WithStateDir(dir), environment(nil), core.WithClock(later))
	for deadline := time.Now().Add(20 * time.Second); ; {
		s := m.Status()
		if strings.Contains(s.Background, "was ended before it was done") && s.Problem != "" {
			if s.Queue.Events != 1 || s.LastAttempt.IsZero() {
				t.Errorf("%+v", s)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("status says %q, and of the attempt %q", s.Background, s.Problem)
		}
	}
}

func TestWhereCommandsSendByThemselvesAReadOnlyDiskLosesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a file system of its own")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := []core.Option{
		core.WithStateDir(filepath.Join(disk, "telemetry")), environment(map[string]string{"CI": "1", "SOMETOOL_TELEMETRY": "on"}),
	}
	c := open(t, tool, options)
	for range 3 {
		c.Track("feature.used", "x", nil)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	got := in.received()
	if len(got) != 3 || got[0].MachineID != "" || len(got[0].ConsentID) != 32 {
		t.Errorf("%+v arrived", got)
	}
}

func TestStatusFindsOutThatTheDiskIsFull(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a small file system of its own")
	}
	small := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", small).Run() })
	tool := someTool()
	m := core.NewManager(tool, core.WithStateDir(filepath.Join(small, "telemetry")), environment(nil))
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	if s := m.Status(); len(s.Faults) > 0 {
		t.Errorf("%v", s.Faults)
	}
	_ = os.WriteFile(filepath.Join(small, "ballast"), make([]byte, 1<<20), 0o600) // as much as fits
	before := files(small)
	s := m.Status()
	if len(s.Faults) != 1 || !strings.Contains(s.Faults[0], "no space left") || !s.Unstored {
		t.Errorf("status says %v, unstored %v", s.Faults, s.Unstored)
	}
	if after := files(small); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("it left something behind: %v", after)
	}
	// A no is effective there all the same.
	if r, err := m.Disable(t.Context()); err != nil || !r.Off || m.Decision().Enabled {
		t.Errorf("%+v, %v", r, err)
	}
}
