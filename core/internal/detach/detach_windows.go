package detach

import "syscall"

// createNoWindow keeps a console from flashing up; see CreateProcess, process creation
// flags, in Microsoft's documentation.
const createNoWindow = 0x08000000

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		HideWindow:    true,
		CreationFlags: createNoWindow | syscall.CREATE_NEW_PROCESS_GROUP,
	}
}

// CloseInherited does nothing: Go lets a process inherit only the handles it names.
func CloseInherited() {}
