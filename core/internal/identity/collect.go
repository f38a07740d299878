package identity

import (
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
)

// Collect reads the signals of this machine and account. It never fails, starts no
// process and asks no network; what cannot be read is empty.
func Collect() Signals {
	host, _ := os.Hostname()
	// On an error there are no interfaces, and then no address.
	interfaces, _ := net.Interfaces()
	mac, madeUp := firstMAC(interfaces)
	return Signals{
		MachineID: machineID(),
		MAC:       mac,
		MadeUpMAC: madeUp,
		Host:      hostName(host),
		User:      UserName(),
	}
}

// UserName returns the account's name as the system knows it, empty if it cannot say.
// The environment is not asked: $USER changes under sudo and is missing under cron.
func UserName() string { return userName() }

// FullName returns the name of the person whose account it is, as far as the system says so
// without a process, a network or a directory server; else it is empty.
func FullName() string { return fullName() }

// OSVersion returns the system's family and major version, such as "debian 12" or
// "macos 15", empty if unknown: lower-case letters, digits, dot, hyphen and one space, at
// most 32 bytes. It reads a small file or a few system values at each call.
func OSVersion() string { return osVersion() }

// firstMAC returns the address of the interface that is most likely to be there next
// time: a burned-in one before one that software made up, then the lowest index.
// Whether an interface is up does not count, or aeroplane mode would change the ID.
func firstMAC(interfaces []net.Interface) (mac string, madeUp bool) {
	var best net.Interface
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 || len(i.HardwareAddr) != 6 || transient(i) {
			continue
		}
		if best.HardwareAddr == nil || before(i, best) {
			best = i
		}
	}
	if best.HardwareAddr == nil {
		return "", false
	}
	return best.HardwareAddr.String(), locallyAdministered(best)
}

func before(a, b net.Interface) bool {
	if local := locallyAdministered(a); local != locallyAdministered(b) {
		return !local
	}
	return a.Index < b.Index
}

// locallyAdministered addresses are made up by software. Virtual machines keep
// theirs, so they serve where there is nothing better.
func locallyAdministered(i net.Interface) bool { return i.HardwareAddr[0]&2 != 0 }

// transient interfaces come and go, or get another address at every start.
func transient(i net.Interface) bool {
	mac := i.HardwareAddr
	switch {
	case mac[0]&1 != 0: // A group's address, no machine's.
		return true
	case mac[0] == 0 && mac[1] == 0 && mac[2] == 0: // Nobody's.
		return true
	case mac[0] == 0x02 && mac[1] == 0x42: // Docker's, made from the container's IP.
		return true
	}
	name := strings.ToLower(i.Name)
	for _, prefix := range []string{
		"docker", "veth", "br-", "bridge", "virbr", "vnet", "vmnet", "vboxnet", "vethernet", "lxc", "lxd", "cni",
		"flannel", "cali", "cilium", "podman", "tun", "tap", "utun", "wg", "tailscale", "zt", "ppp", "ifb", "dummy",
		"awdl", "llw", "ap", "anpi", "bond", "team", "macvlan", "nlmon",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// hostName returns a host's name without its domain, which changes with the network.
// The names that containers are given change at every start and are no signal.
func hostName(name string) string {
	name, _, _ = strings.Cut(strings.ToLower(name), ".")
	if len(name) == 12 && strings.Trim(name, "0123456789abcdef") == "" {
		return ""
	}
	return name
}

// cleanID returns a machine ID in one form, and nothing for one that is no ID: the
// word "uninitialized" of a fresh image, or the same digit throughout.
func cleanID(text string) string {
	id := strings.ToLower(strings.TrimSpace(strings.TrimRight(text, "\x00")))
	digits := strings.ReplaceAll(id, "-", "")
	if len(digits) != 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return ""
	}
	if strings.Count(digits, digits[:1]) == len(digits) {
		return ""
	}
	return digits
}

// maxFile bounds what is read of any file here. The largest is /etc/passwd: a few
// thousand accounts. What lies behind is not found, which is no error.
const maxFile = 256 << 10

// readHead returns the first maxFile bytes of a file, and nothing if it cannot be
// read.
func readHead(fsys fs.FS, name string) string {
	f, err := fsys.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return ""
	}
	return string(b)
}

// major returns the first number of a version: "24" of "24.05" or "24-RELEASE". A
// number of more than four digits is a date or a build, which is finer than a family.
func major(version string) string {
	n := 0
	for n < len(version) && version[n] >= '0' && version[n] <= '9' {
		n++
	}
	if n > 4 {
		return ""
	}
	return version[:n]
}

// family joins a system's name and its major version.
func family(name, version string) string {
	if number := major(version); name != "" && number != "" {
		return name + " " + number
	}
	return name
}
