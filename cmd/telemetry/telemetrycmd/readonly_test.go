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
	switch {
	case runtime.GOOS == "windows":
		return false
	case os.Geteuid() != 0:
		if err := os.Chmod(h.dir, 0o500); err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { _ = os.Chmod(h.dir, 0o700) })
		return true
	case runtime.GOOS != "linux":
		return false
	}
	// What is there is bound over itself, and then kept from being written to.
	if exec.Command("mount", "--bind", h.dir, h.dir).Run() != nil {
		return false
	}
	h.t.Cleanup(func() { _ = exec.Command("umount", "-l", h.dir).Run() })
	return exec.Command("mount", "-o", "remount,ro,bind", h.dir).Run() == nil
}

// writable undoes readOnly.
func (h *home) writable() {
	if os.Geteuid() != 0 {
		_ = os.Chmod(h.dir, 0o700)
		return
	}
	_ = exec.Command("umount", "-l", filepath.Clean(h.dir)).Run()
}
