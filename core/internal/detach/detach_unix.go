//go:build unix

package detach

import (
	"os"
	"strconv"
	"syscall"
)

// start puts the process into a session of its own: closing the terminal or pressing
// Ctrl-C does not reach it. It goes below os.StartProcess, whose first call starts a
// second process to find out what the kernel can do: a quarter of a millisecond.
func start(exe string, argv []string, dir string, env []string, in, null *os.File) error {
	fd := null.Fd()
	pid, err := syscall.ForkExec(exe, argv, &syscall.ProcAttr{
		Dir: dir, Env: env, Files: []uintptr{in.Fd(), fd, fd}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return err
	}
	go func() { // so that no zombie stays while we live on
		var status syscall.WaitStatus
		for {
			if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
				return
			}
		}
	}()
	return nil
}

// CloseInherited closes the files that our parent's parent left open for the command,
// such as the write end of a pipe: the program that reads it must not wait for us. Call it first
// thing in the background process, before it opens anything of its own.
func CloseInherited() {
	dir, err := os.Open("/dev/fd") // /proc/self/fd on Linux
	if err != nil {
		return
	}
	names, _ := dir.Readdirnames(-1)
	own := int(dir.Fd())
	dir.Close()
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= 2 || fd == own {
			continue
		}
		// Files that Go's runtime opened for itself close on exec; those that were handed
		// down over an exec cannot.
		if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
			syscall.Close(fd)
		}
	}
}
