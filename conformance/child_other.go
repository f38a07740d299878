//go:build !linux

package conformance

import (
	"errors"
	"net"
	"os/exec"
)

// isolate does nothing where a process cannot have a host name of its own.
func isolate(*exec.Cmd, bool) {}

func plant(*orders) []string { return nil }

// traffic is what the kernel counted, where it counts for one process.
type traffic map[string]int

func trafficNow() traffic { return nil }

func startedProcesses() bool { return false }

func umask() int { return 0 }

func backlog(*net.TCPListener, int) error { return errors.ErrUnsupported }

func processesOf(string) []int { return nil }
