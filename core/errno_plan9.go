package core

import "syscall"

type errno = syscall.ErrorString

var timeoutErrnos = []errno{"connection timed out"}

var networkErrnos []errno
