package detect

import "syscall"

// answersAsTerminal asks for what only a console has. A terminal of Cygwin or MSYS is a pipe
// and none to Windows.
func answersAsTerminal(fd uintptr) bool {
	var mode uint32
	return syscall.GetConsoleMode(syscall.Handle(fd), &mode) == nil
}
