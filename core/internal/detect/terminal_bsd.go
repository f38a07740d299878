//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package detect

import "syscall"

const getAttributes = syscall.TIOCGETA
