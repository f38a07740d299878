package telemetrycmd

import (
	"context"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// waitReadable returns nil when somebody has begun to type a line, or has begun to before.
// The console hands out whole lines, and shows what is typed only while it is read from:
// so patience is for the first key, and a line that was begun is waited for.
func waitReadable(ctx context.Context, in *os.File, begun bool, patience time.Duration) error {
	for left := patience; ; left -= glance {
		if err := ctx.Err(); err != nil || begun {
			return err
		}
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		if keyWaits(in) {
			return nil
		}
		time.Sleep(glance)
	}
}

// typedAhead reports whether a key waits to be read.
func typedAhead(in *os.File) bool { return keyWaits(in) }

func inForeground(*os.File) bool { return true }

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
	raw, err := in.SyscallConn()
	if err != nil {
		return false
	}
	peek := windows.NewLazySystemDLL("kernel32.dll").NewProc("PeekConsoleInputW")
	var records [128]inputRecord
	var n uint32
	err = raw.Control(func(fd uintptr) {
		// Where it fails, n stays 0.
		_, _, _ = peek.Call(fd, uintptr(unsafe.Pointer(&records[0])), uintptr(len(records)), uintptr(unsafe.Pointer(&n)))
	})
	if err != nil {
		return false
	}
	for _, r := range records[:n] {
		if r.event == keyEvent && r.down != 0 && r.char_ != 0 {
			return true
		}
	}
	return false
}
