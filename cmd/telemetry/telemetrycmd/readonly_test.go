package telemetrycmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// readOnly makes the state directory one in which nothing can be stored, and reports whether it
// could: nobody keeps the superuser out of a directory but a file system of its own.
func (h *home) readOnly() bool {
	h.t.Helper()
	dir := h.dir
	switch {
	case runtime.GOOS == "windows":
		return false
	case os.Geteuid() != 0:
		if err := os.Chmod(h.dir, 0o500); err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
		return true
	case runtime.GOOS != "linux":
		return false
	}
	// What is there is bound over itself, and then kept from being written to.
	if exec.Command("mount", "--bind", h.dir, h.dir).Run() != nil {
		return false
	}
	h.t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return exec.Command("mount", "-o", "remount,ro,bind", h.dir).Run() == nil
}

// readOnlyButQueue makes the state directory one in which nothing new can be stored, while the
// queue takes events, and reports whether it could.
func (h *home) readOnlyButQueue() bool {
	h.t.Helper()
	if !h.readOnly() {
		return false
	}
	if os.Geteuid() != 0 {
		return true
	}
	queue := filepath.Join(h.dir, "queue")
	if exec.Command("mount", "--bind", queue, queue).Run() != nil {
		h.writable()
		return false
	}
	return exec.Command("mount", "-o", "remount,rw,bind", queue).Run() == nil
}

// writable undoes readOnly.
func (h *home) writable() {
	if os.Geteuid() != 0 {
		_ = os.Chmod(h.dir, 0o700)
		return
	}
	_ = exec.Command("umount", "-l", filepath.Clean(h.dir)).Run() // with what is mounted in it
}
