package tty

import (
	"context"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// answersAsTerminal asks for what only a console has. A terminal of Cygwin or MSYS is a pipe
// and none to Windows.
func answersAsTerminal(fd uintptr) bool {
	var mode uint32
	return syscall.GetConsoleMode(syscall.Handle(fd), &mode) == nil
}

// kernel32 is one of the libraries that Windows loads from its own directory only.
func kernel32(name string) *syscall.LazyProc {
	return syscall.NewLazyDLL("kernel32.dll").NewProc(name)
}

func columnsOf(fd uintptr) int {
	// CONSOLE_SCREEN_BUFFER_INFO: size, cursor, attributes, window (left, top, right, bottom),
	// greatest size.
	var info [11]int16
	ok, _, _ := kernel32("GetConsoleScreenBufferInfo").Call(fd, uintptr(unsafe.Pointer(&info)))
	if ok == 0 {
		return 0
	}
	const left, right = 5, 7
	return int(info[right]-info[left]) + 1
}

func endsLine(c byte) bool { return c == '\n' }

// waitReadable returns nil when somebody has begun to type a line, or has begun to before.
// The console hands out whole lines, and shows what is typed only while it is read from:
// so patience is for the first key, and a line that was begun is waited for.
func waitReadable(ctx context.Context, in *os.File, begun bool, left *time.Duration) error {
	for ; ; *left -= glance {
		if err := ctx.Err(); err != nil || begun {
			return err
		}
		if *left <= 0 {
			return os.ErrDeadlineExceeded
		}
		if keyWaits(in) {
			return nil
		}
		time.Sleep(glance)
	}
}

// TypedAhead reports whether a key waits to be read.
func TypedAhead(in *os.File) bool { return keyWaits(in) }

// InForeground is true: Windows has no jobs.
func InForeground(*os.File) bool { return true }

// inputRecord is INPUT_RECORD with the KEY_EVENT_RECORD in it.
type inputRecord struct {
	event                            uint16
	_                                uint16
	down                             int32
	repeat, keyCode, scanCode, char_ uint16
	control                          uint32
}

// keyWaits looks into the console's input without taking from it. Of the other events,
// such as the release of the key that started the command, there are always some.
func keyWaits(in *os.File) bool {
	const keyEvent = 1
	peek := kernel32("PeekConsoleInputW")
	var records [128]inputRecord
	var n uint32
	if !control(in, func(fd uintptr) {
		// Where it fails, n stays 0.
		_, _, _ = peek.Call(fd, uintptr(unsafe.Pointer(&records[0])), uintptr(len(records)), uintptr(unsafe.Pointer(&n)))
	}) {
		return false
	}
	for _, r := range records[:n] {
		if r.event == keyEvent && r.down != 0 && r.char_ != 0 {
			return true
		}
	}
	return false
}
