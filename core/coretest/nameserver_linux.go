package coretest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// setUp is a shell's: in namespaces of its own the machine's name server is one on loopback,
// where packets to its address (RFC 5737) are lost without a word. Then the command runs.
const setUp = `mount --bind "$1" /etc/resolv.conf && ip link set lo up && ip route add 192.0.2.0/24 dev lo && shift && exec "$@"`

// resolvConf has a background process give up soon, which would outlive the test by ten
// seconds otherwise; but later than the second of a command that sends itself.
const resolvConf = "nameserver 192.0.2.53\noptions timeout:2 attempts:1\n"

// deadNameServer is a network without a proxy whose name server says nothing.
func deadNameServer() (*stage, error) {
	file, err := os.CreateTemp("", "resolv-")
	if err != nil {
		return nil, fmt.Errorf("make a resolv.conf: %w", err)
	}
	_, err = file.WriteString(resolvConf)
	if closed := file.Close(); err == nil {
		err = closed
	}
	s := &stage{
		wrap:  []string{"unshare", "--map-root-user", "--mount", "--net", "sh", "-c", setUp, "sh", file.Name()},
		close: func() { os.Remove(file.Name()) },
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("write a resolv.conf: %w", err)
	}
	if out, err := exec.Command(s.wrap[0], append(s.wrap[1:], "true")...).CombinedOutput(); err != nil {
		s.close()
		return nil, notHere(fmt.Sprintf("unshare and ip of Linux set it up: %v: %s", err, strings.TrimSpace(string(out))))
	}
	return s, nil
}
