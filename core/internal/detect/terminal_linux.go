package detect

import "syscall"

const getAttributes = syscall.TCGETS
