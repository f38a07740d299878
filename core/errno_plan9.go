package core

import "syscall"

type errno = syscall.ErrorString

const errnoTimedOut errno = "connection timed out"

var networkErrnos []errno
