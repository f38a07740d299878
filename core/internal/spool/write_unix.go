//go:build unix

package spool

import (
	"os"
	"syscall"
)

// write is f.Write without the bookkeeping that lets files be used by several goroutines
// and be waited for: a tenth of the cost of recording an event. A Writer is used by one
// goroutine at a time, and its file is a plain one.
func write(f *os.File, b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(f.Fd()), b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
