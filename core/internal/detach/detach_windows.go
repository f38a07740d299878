package detach

import (
	"os"
	"syscall"
)

// createNoWindow keeps a console from flashing up; see CreateProcess, process creation
// flags, in Microsoft's documentation.
const createNoWindow = 0x08000000

func start(exe string, argv []string, dir string, env []string, in, null *os.File) error {
	process, err := os.StartProcess(exe, argv, &os.ProcAttr{
		Dir: dir, Env: env, Files: []*os.File{in, null, null}, Sys: attributes(breakaway()),
	})
	if err != nil {
		return err
	}
	return process.Release()
}

// attributes are those of a process that Ctrl-C in our console does not reach, and that shows no
// window: neither a console nor the first one that it opens.
func attributes(more uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		HideWindow:    true,
		CreationFlags: createNoWindow | syscall.CREATE_NEW_PROCESS_GROUP | more,
	}
}

// CloseInherited does nothing: Go lets a process inherit only the handles it names.
func CloseInherited() {}
