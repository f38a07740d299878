package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// install copies the program to a path, as an installer does.
func install(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(binary)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, content, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// names waits for so many events and returns their names, sorted.
func (p *place) names(n int) (names []string) {
	p.t.Helper()
	for range n {
		names = append(names, p.next().Name)
	}
	slices.Sort(names)
	return names
}

// Programs of Windows end with any number of 32 bits: faults with those above 0xC0000000.
func TestExecPassesOnTheExitCodesOfWindows(t *testing.T) {
	for code, class := range map[uint32]string{
		0xC000013A: "interrupted", // Ctrl-C, or the console was closed
		0xC0000005: "other",       // access violation
		1<<32 - 1:  "other",       // exit(-1) of C
	} {
		p := newPlace(t)
		p.must("enable")
		cmd := p.command("exec", "--name", "child", "--", os.Args[0])
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=exit %d", helperSwitch, code))
		err := cmd.Run()
		if exited, is := errors.AsType[*exec.ExitError](err); !is || uint32(exited.ExitCode()) != code {
			t.Errorf("%#x: %v", code, err)
		}
		if e := p.next(); e.ExitCode == nil || int64(*e.ExitCode) != int64(code) || e.ErrorClass != class {
			t.Errorf("%#x: recorded %+v, want the class %q", code, e, class)
		}
		p.settle()
	}
}

func TestATelemetryLifeInAProfileWithSpacesAndOtherScripts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Имя Фамилия 山田 太郎 & Söhne (2)")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := newPlaceIn(t, dir)
	p.program = filepath.Join(dir, "Program Files (x86)", "Мой инструмент", "my tool.exe")
	install(t, p.program)
	p.must("enable")
	if out, kept := p.must("status"), filepath.Join(dir, "home", "mytool", "telemetry"); !strings.Contains(out, "Kept in: "+kept+"\r\n") && !strings.Contains(out, "Kept in: "+kept+"\n") {
		t.Errorf("%s\nwant it kept in %s", out, kept)
	}
	p.must("track", "feature.used", "one")
	if e := p.next(); e.Name != "one" {
		t.Errorf("arrived: %+v", e)
	}
	p.settle()
	p.must("track", "feature.used", "two")
	if out := p.must("disable"); !strings.Contains(out, "The event that was waiting to be sent is erased.") {
		t.Errorf("disable: %s", out)
	}
	p.must("reset")
	if e := p.next(); e.Type != "data.deletion_request" {
		t.Errorf("arrived: %+v", e)
	}
}

func TestWithoutLocalAppDataNothingIsRecordedAndThatIsSaid(t *testing.T) {
	p := newPlace(t)
	p.env = slices.DeleteFunc(p.env, func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == "LocalAppData"
	})
	if _, errs, code := outcome(p.command("enable")); code != 1 || !strings.Contains(errs, "LocalAppData") {
		t.Errorf("enable: code %d, %q", code, errs)
	}
	if out := p.must("track", "feature.used", "x"); out != "" {
		t.Errorf("track printed %q", out)
	}
	cmd := p.command("exec", "--", os.Args[0])
	cmd.Env = append(cmd.Env, helperSwitch+"=exit 3")
	if out, errs, code := outcome(cmd); code != 3 || out+errs != "" {
		t.Errorf("exec: code %d, %q, %q", code, out, errs)
	}
	if out := p.must("status"); !strings.Contains(out, "LocalAppData") {
		t.Errorf("status: %s", out)
	}
	p.stateless()
}

func TestARunningProgramIsReplaced(t *testing.T) {
	p := newPlace(t)
	p.program = filepath.Join(p.dir, "bin", "tool.exe")
	install(t, p.program)
	p.must("enable")
	cmd := p.command("exec", "--name", "old", "--", os.Args[0])
	cmd.Env = append(cmd.Env, helperSwitch+"=cat 0")
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
	if _, err := io.WriteString(in, "it runs"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("it runs"))); err != nil {
		t.Fatal(err)
	}
	old := p.program + ".old"
	if err := os.Rename(p.program, old); err != nil {
		t.Fatal(err)
	}
	install(t, p.program)
	p.must("track", "feature.used", "new")
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	p.settle()
	if names := p.names(2); !slices.Equal(names, []string{"new", "old"}) {
		t.Errorf("arrived: %q", names)
	}
	for end := time.Now().Add(patience); os.Remove(old) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the old program cannot be deleted: something of it still runs")
		}
	}
}

func TestOfManyProcessesAtOnceEveryEventArrivesOnce(t *testing.T) {
	p := newPlace(t)
	p.must("enable")
	var started []*exec.Cmd
	var want []string
	for i := range 12 {
		name := fmt.Sprintf("process-%02d", i)
		cmd := p.command("track", "feature.used", name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		started, want = append(started, cmd), append(want, name)
	}
	for _, cmd := range started {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	p.settle()
	if names := p.names(len(want)); !slices.Equal(names, want) {
		t.Errorf("arrived: %q", names)
	}
	if len(p.events) > 0 {
		t.Errorf("and again %+v", <-p.events)
	}
}
