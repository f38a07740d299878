package detach

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// firstNamespace is the PID namespace that the kernel starts with: PROC_PID_INIT_INO in
// include/linux/proc_ns.h.
const firstNamespace = "pid:[4026531836]"

// inits are programs that stay the first process of a namespace for as long as a person
// works in it: system containers, WSL, and the reapers of long-lived ones.
var inits = []string{"systemd", "init", "openrc-init", "runit", "s6-svscan", "launchd"}

// Outlives reports whether a process that we start lives on when we and our parents end.
// In a PID namespace all processes are killed when the first one ends, and in a container
// or a sandbox that may be the command itself or what runs it.
func Outlives(lookup func(string) (string, bool)) bool {
	if os.Getpid() == 1 {
		return false
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err == nil && namespace == firstNamespace {
		return true
	}
	if err == nil {
		// A sandbox may show the /proc of the machine around it, whose first process is not the
		// one that we end with. It knows us by another number.
		if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
			return false
		}
		comm, err := os.ReadFile("/proc/1/comm")
		name, _, _ := strings.Cut(strings.TrimSpace(string(comm)), " ")
		return err == nil && slices.Contains(inits, name)
	}
	if os.Getppid() != 1 {
		return true
	}
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return false
		}
	}
	_, kubernetes := lookup("KUBERNETES_SERVICE_HOST")
	return !kubernetes
}
