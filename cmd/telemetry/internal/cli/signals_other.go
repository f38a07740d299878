//go:build !unix

package cli

import (
	"os"
	"os/exec"
	"os/signal"
)

// runForwarding runs the command. Ctrl-C reaches every process of a console by itself,
// so all there is to do is to outlive it.
func runForwarding(child *exec.Cmd) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	return child.Run()
}

func signalToRaise(*os.ProcessState) os.Signal { return nil }

func raise(os.Signal) {}
