package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// isolate gives a child a host name and mounts of its own, so that both can be planted.
// Where that is not permitted the start fails, and is repeated without.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// plant changes the host name and the machine ID of this process, if it was isolated.
func plant(o *orders) (done []string) {
	if o.Hostname == "" {
		return nil
	}
	if syscall.Sethostname([]byte(o.Hostname)) == nil {
		done = append(done, "host name")
	}
	file := filepath.Join(filepath.Dir(o.Result), "machine-id")
	if os.WriteFile(file, []byte(o.MachineID+"\n"), 0o600) != nil {
		return done
	}
	for _, place := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if syscall.Mount(file, place, "", syscall.MS_BIND, "") == nil {
			done = append(done, place)
		}
	}
	return done
}
