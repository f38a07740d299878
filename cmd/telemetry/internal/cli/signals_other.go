//go:build !unix

package cli

import (
	"os"
	"os/exec"
	"os/signal"
)

// runForwarding runs the command. Ctrl-C reaches every process of a console by itself,
// so all there is to do is to outlive it. started is called when it runs.
func runForwarding(child *exec.Cmd, started func()) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return err
	}
	started()
	return child.Wait()
}

func signalToRaise(*os.ProcessState) os.Signal { return nil }

func raise(os.Signal) {}
