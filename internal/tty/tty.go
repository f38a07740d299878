// Package tty knows terminals, with nothing but the standard library: whether a file is one,
// how wide it is, and how to wait for a line of a person without taking what is not meant
// for us. It changes no mode of a terminal: a command that is killed would leave it changed.
package tty

import (
	"context"
	"io"
	"os"
	"time"
)

// Is reports whether of, a reader or a writer, is a terminal. Most files that are none are no
// device, which is the cheaper question; the null device is one.
func Is(of any) bool {
	f, ok := of.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	answers := false
	return control(f, func(fd uintptr) { answers = answersAsTerminal(fd) }) && answers
}

// Drops reports whether to, a writer, is the null device. What a program finds as its standard
// output where that was closed is one too: Go opens it in the place of what is missing.
func Drops(to any) bool {
	f, ok := to.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	null, nullErr := os.Stat(os.DevNull)
	return err == nil && nullErr == nil && os.SameFile(info, null)
}

// Width returns how many columns a terminal has, 0 where that is not known.
func Width(of any) int {
	f, ok := of.(*os.File)
	if !ok {
		return 0
	}
	columns := 0
	control(f, func(fd uintptr) { columns = columnsOf(fd) })
	return columns
}

// control calls do with the descriptor of a file. It does not use Fd, which would put the
// file into blocking mode under the program that reads it later.
func control(f *os.File, do func(fd uintptr)) bool {
	raw, err := f.SyscallConn()
	return err == nil && raw.Control(do) == nil
}

// glance is how often a wait looks whether its context has ended: when somebody presses
// Ctrl-C and the tool handles that signal itself, it must seem at once.
const glance = 50 * time.Millisecond

// Glance waits so long for the end of a context: what a signal does to the terminal may be
// seen before what it does to ctx. It reports whether ctx has ended.
func Glance(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(glance):
		return false
	}
}

// maxLine bounds a line that is read. The rest of a longer one is read and forgotten.
const maxLine = 80

// ReadLine reads one line and not a byte more: what follows is the tool's to read. It
// reads byte by byte, in this goroutine, only when there is something to read, so that
// nothing is left behind that would swallow input after it has given up. It gives up where
// the line has not ended within the time of patience, however much of it comes: a program
// that types and never presses Enter would hold the tool for ever. The error is that of ctx,
// of the file, or os.ErrDeadlineExceeded.
func ReadLine(ctx context.Context, in *os.File, patience time.Duration) (string, error) {
	var line []byte
	var b [1]byte
	left := patience
	for begun := false; ; begun = true {
		if err := waitReadable(ctx, in, begun, &left); err != nil {
			return "", err
		}
		switch n, err := in.Read(b[:]); {
		case err != nil:
			return "", err
		case n == 0:
			return "", io.EOF
		}
		switch c := b[0]; {
		case endsLine(c):
			return string(line), nil
		case len(line) < maxLine:
			line = append(line, c)
		}
	}
}
