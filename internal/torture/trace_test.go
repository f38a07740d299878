//go:build linux

package torture

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"unsafe"
)

// changing are the calls that change what others see: files, their times and locks, and
// what goes to the network. Killed before any other call, a process leaves what it leaves
// killed before the next of these.
var changing = []uint64{
	syscall.SYS_WRITE, syscall.SYS_FTRUNCATE, syscall.SYS_MKDIRAT, syscall.SYS_RENAMEAT, syscall.SYS_UNLINKAT,
	syscall.SYS_UTIMENSAT, syscall.SYS_FSYNC, syscall.SYS_FLOCK, syscall.SYS_READ,
	syscall.SYS_OPENAT, syscall.SYS_PWRITE64, syscall.SYS_CONNECT,
}

// killBefore is the command that runs another one and kills it before the nth of the
// changing calls of all its threads. (strace counts for each thread and each call.)
func killBefore(n int) []string { return []string{os.Args[0], "killed", strconv.Itoa(n)} }

// stallBefore is the command that runs another one and lets it stand still before the nth of
// those calls, says "stalled", and goes on when its standard input ends.
func stallBefore(n int) []string { return []string{os.Args[0], "stalled", strconv.Itoa(n)} }

// notTraced is the exit code where the kernel does not let us.
const notTraced = 77

// runTraced is killBefore or stallBefore in its own process, which ends as the other one did.
func runTraced(what, nth string, args []string) {
	left, err := strconv.Atoi(nth)
	if err != nil {
		panic(err)
	}
	runtime.LockOSThread() // the tracer is this thread
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(notTraced)
	}
	pid := cmd.Process.Pid
	const options = syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACESYSGOOD | ptraceExitKill
	if _, err := wait(pid); err != nil || syscall.PtraceSetOptions(pid, options) != nil {
		os.Exit(notTraced)
	}
	clock := shiftedClock{by: int64(left), reads: map[int]uintptr{}}
	if what == "shifted" {
		if err := hideVDSO(pid); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(notTraced)
		}
	}
	if syscall.PtraceSyscall(pid, 0) != nil {
		os.Exit(notTraced)
	}
	for {
		thread, status := waitAny()
		switch {
		case thread == pid && status.Exited():
			os.Exit(status.ExitStatus())
		case thread == pid && status.Signaled():
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case !status.Stopped():
			continue // a thread has ended
		}
		signal := 0
		switch stop := status.StopSignal(); {
		case stop == syscall.SIGTRAP|callStop && what == "shifted":
			clock.at(thread)
		case stop == syscall.SIGTRAP|callStop:
			if isChanging(thread) {
				left--
			}
			if left == 0 && what == "killed" {
				syscall.Kill(pid, syscall.SIGKILL)
				continue
			}
			if left == 0 {
				left = -1
				say("stalled")
				_, _ = io.Copy(io.Discard, os.Stdin)
			}
		case stop == syscall.SIGTRAP, stop == syscall.SIGSTOP: // a new thread
		default:
			signal = int(stop)
		}
		_ = syscall.PtraceSyscall(thread, signal) // it may have been killed since
	}
}

const (
	// callStop marks the stop at a system call, see PTRACE_O_TRACESYSGOOD in ptrace(2).
	callStop = 0x80
	// These are from linux/ptrace.h and not in package syscall.
	ptraceExitKill       = 0x100000
	ptraceGetSyscallInfo = 0x420e
)

func wait(pid int) (status syscall.WaitStatus, err error) {
	_, err = syscall.Wait4(pid, &status, syscall.WALL, nil)
	return status, err
}

func waitAny() (thread int, status syscall.WaitStatus) {
	for {
		thread, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			os.Exit(notTraced)
		}
		return thread, status
	}
}

// isChanging reports whether a thread stands before one of the changing calls. What it says
// to the test does not count.
func isChanging(thread int) bool {
	c := callOf(thread)
	return c.op == callEntry && !(c.number == syscall.SYS_WRITE && c.args[0] == 1) && slices.Contains(changing, c.number)
}

// call is ptrace_syscall_info of linux/ptrace.h.
type call struct {
	op     uint8
	_      [3]uint8
	_      uint32
	_      [2]uint64
	number uint64
	args   [6]uint64
}

// What op is where a thread stands before or after a call.
const callEntry, callExit = 1, 2

// callOf returns the call that a thread stands at, none if it has been killed since.
func callOf(thread int) (c call) {
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(thread), unsafe.Sizeof(c), uintptr(unsafe.Pointer(&c)), 0, 0)
	if errno != 0 {
		return call{}
	}
	return c
}
