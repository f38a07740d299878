package driverhttp

import "syscall"

// systemError is what system calls fail with.
type systemError = syscall.ErrorString
