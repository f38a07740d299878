package conformance

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// isolate gives a child a host name and mounts of its own, so that both can be planted,
// and if asked a network. Where that is not permitted the start fails, and is repeated
// without.
func isolate(cmd *exec.Cmd, network bool) {
	flags := uintptr(syscall.CLONE_NEWUSER | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS)
	if network {
		flags |= syscall.CLONE_NEWNET
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  flags,
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
	if o.Network && loopbackUp() == nil {
		done = append(done, plantedNetwork)
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

// loopbackUp makes 127.0.0.1 work in a network that has just been made.
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	request := struct { // struct ifreq of netdevice(7)
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// backlog sets how many connections wait to be taken by a listener.
func backlog(l *net.TCPListener, n int) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), n) })
	return errors.Join(err, failed)
}

// traffic is what the kernel counted in the network of this process.
type traffic map[string]int

// trafficNow reads the counters of proc_net_snmp: all of this process where it has a
// network of its own.
func trafficNow() traffic {
	t := traffic{}
	text, _ := os.ReadFile("/proc/self/net/snmp")
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(names) != len(fields) || names[0] != fields[0] {
			names = fields // a line of names comes before one of numbers
			continue
		}
		for i, value := range fields[1:] {
			t[fields[0]+names[i+1]], _ = strconv.Atoi(value)
		}
	}
	text, _ = os.ReadFile("/proc/self/net/snmp6")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, " "); ok {
			t[name], _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return t
}

// startedProcesses reports whether this process has children, or had some that have been
// waited for.
func startedProcesses() bool {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage) == nil && usage.Maxrss > 0 {
		return true
	}
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range tasks {
		if text, err := os.ReadFile(name); err == nil && len(text) > 0 {
			return true
		}
	}
	return false
}

// processesOf finds the processes that have left the group of a program, by a directory of
// the program's own in their environment. None have "".
func processesOf(dir string) (pids []int) {
	if dir == "" {
		return nil
	}
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		text, err := os.ReadFile(name) // those of other users cannot be read
		if err != nil || !bytes.Contains(text, []byte("="+dir+"/")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func umask() int {
	mask := syscall.Umask(0o077)
	syscall.Umask(mask)
	return mask
}
