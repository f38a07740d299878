package detach

import (
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"
)

// consoleName is the variable that makes TestConsole a process which prints what it finds.
const consoleName = "DETACH_TEST_CONSOLE"

// consoleReport is what a process finds of windows.
type consoleReport struct {
	// Window is that of its console, 0 for none. Hidden says that it is to hide its own.
	Window uintptr
	Hidden bool
}

// startupInfo returns what Windows was told of the windows of this process.
func startupInfo() (info syscall.StartupInfo) {
	kernel32 := syscall.NewLazyDLL("kernel32.dll")
	_, _, _ = kernel32.NewProc("GetStartupInfoW").Call(uintptr(unsafe.Pointer(&info)))
	return info
}

func TestConsole(t *testing.T) {
	if os.Getenv(consoleName) == "" {
		t.Skip("not a child")
	}
	var report consoleReport
	report.Window, _, _ = syscall.NewLazyDLL("kernel32.dll").NewProc("GetConsoleWindow").Call()
	info := startupInfo()
	report.Hidden = info.Flags&syscall.STARTF_USESHOWWINDOW != 0 && info.ShowWindow == syscall.SW_HIDE
	if err := json.NewEncoder(os.Stderr).Encode(report); err != nil {
		t.Fatal(err)
	}
}

func TestTheBackgroundProcessShowsNoWindow(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestConsole$")
	cmd.Env = append(os.Environ(), consoleName+"=yes")
	cmd.SysProcAttr = attributes(0)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var report consoleReport
	if err := json.NewDecoder(stderr).Decode(&report); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if report.Window != 0 || !report.Hidden {
		t.Errorf("%+v", report)
	}
}

func TestTheBackgroundProcessHasAConsoleAndAGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	const breakawayFromJob = 0x01000000
	for _, more := range []uint32{0, breakawayFromJob} {
		if got, want := attributes(more).CreationFlags, createNoWindow|syscall.CREATE_NEW_PROCESS_GROUP|more; got != want {
			t.Errorf("the flags are %#x, want %#x", got, want)
		}
	}
}
