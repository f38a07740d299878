//go:build linux

package torture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockShifted is the command that runs another one whose clock is off by that much. Only that
// process is concerned: what it starts in the background has the machine's clock, as after
// somebody has set it.
func clockShifted(by time.Duration) []string {
	return []string{os.Args[0], "shifted", strconv.FormatInt(int64(by/time.Second), 10)}
}

// shiftedClock changes what the kernel says of the time.
type shiftedClock struct {
	by    int64           // seconds
	reads map[int]uintptr // by thread, where the answer to the call goes that it is in
}

// at is called where a thread stands before or after a call.
func (s shiftedClock) at(thread int) {
	const realtime = 0 // CLOCK_REALTIME of linux/time.h
	switch c := callOf(thread); {
	case c.op == callEntry && c.number == syscall.SYS_CLOCK_GETTIME && c.args[0] == realtime:
		s.reads[thread] = uintptr(c.args[1])
	case c.op == callExit && s.reads[thread] != 0:
		seconds := make([]byte, 8)
		if _, err := syscall.PtracePeekData(thread, s.reads[thread], seconds); err == nil {
			binary.NativeEndian.PutUint64(seconds, binary.NativeEndian.Uint64(seconds)+uint64(s.by))
			_, _ = syscall.PtracePokeData(thread, s.reads[thread], seconds)
		}
		delete(s.reads, thread)
	}
}

// hideVDSO makes a program that has just been started ask the kernel for the time. It would read
// that from a page of its own memory, where nobody sees it: AT_SYSINFO_EHDR of the auxiliary
// vector, see getauxval(3), says where, and is made an entry that says nothing.
func hideVDSO(pid int) error {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return err
	}
	// After the name, which ends with the last parenthesis, the 26th field is where the stack
	// begins: the arguments, the environment and the vector, see proc_pid_stat(5).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	address, err := strconv.ParseUint(fields[25], 10, 64)
	if err != nil {
		return err
	}
	const word = 8
	read := func() (uint64, error) {
		b := make([]byte, word)
		_, err := syscall.PtracePeekData(pid, uintptr(address), b)
		address += word
		return binary.NativeEndian.Uint64(b), err
	}
	for nulls := 0; nulls < 2; { // behind the arguments and behind the environment
		value, err := read()
		if err != nil {
			return err
		}
		if value == 0 {
			nulls++
		}
	}
	const end, ignored, sysinfoEHDR = 0, 1, 33
	for {
		kind, err := read()
		if err != nil {
			return err
		}
		switch kind {
		case end:
			return fmt.Errorf("the kernel names no page for the time")
		case sysinfoEHDR:
			b := make([]byte, word)
			binary.NativeEndian.PutUint64(b, ignored)
			_, err := syscall.PtracePokeData(pid, uintptr(address-word), b)
			return err
		}
		if _, err := read(); err != nil {
			return err
		}
	}
}
