//go:build !plan9 && !windows

package core

import "syscall"

// errno is what the system answers.
type errno = syscall.Errno

var timeoutErrnos = []errno{syscall.ETIMEDOUT}

// networkErrnos are of the network wherever they are met.
var networkErrnos = []errno{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH}
