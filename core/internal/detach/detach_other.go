//go:build !unix && !windows

package detach

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

// CloseInherited does nothing where there is nothing to inherit.
func CloseInherited() {}
