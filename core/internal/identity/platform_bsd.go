//go:build dragonfly || freebsd || netbsd || openbsd

package identity

import (
	"os"
	"runtime"
	"syscall"
)

func machineID() string {
	// A system that does not know a name answers with an error and an empty value.
	for _, name := range []string{"kern.hostuuid", "hw.uuid", "machdep.dmi.system-uuid"} {
		value, _ := syscall.Sysctl(name)
		if id := cleanID(value); id != "" {
			return id
		}
	}
	return cleanID(readHead(os.DirFS("/"), "etc/hostid"))
}

func osVersion() string {
	release, _ := syscall.Sysctl("kern.osrelease")
	return family(runtime.GOOS, release)
}
