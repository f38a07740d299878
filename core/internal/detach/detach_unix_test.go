//go:build unix && !aix && !solaris

package detach

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// session is what getsid returns for this process. It leads its session exactly if it may
// not begin another one.
func session() int {
	if _, err := syscall.Setsid(); err == syscall.EPERM {
		return os.Getpid()
	}
	return -1
}

// A pipe that our parent left open ends when the command does, though the background
// process lives on: somebody may be reading it to its end.
func TestWhatWasLeftOpenForTheCommandIsClosed(t *testing.T) {
	// Not parallel: other processes that are started meanwhile would inherit it as well.
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil { // stays open over an exec
		t.Fatal(err)
	}
	syscall.CloseOnExec(ends[0])
	reader := os.NewFile(uintptr(ends[0]), "pipe")
	defer reader.Close()
	_, done := run(t, nil)
	defer done()
	if err := syscall.Close(ends[1]); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := reader.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("something was written to it")
		}
	case <-time.After(10 * time.Second):
		t.Error("it is still open in the background process")
	}
}
