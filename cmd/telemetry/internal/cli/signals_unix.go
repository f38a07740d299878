//go:build unix

package cli

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/gotoolbase/telemetry/internal/tty"
)

// forwarded are the signals by which a program is told something. The others are for
// the process itself (SIGSTOP, SIGCONT) or sent by the terminal to all that it concerns
// (SIGTSTP, SIGWINCH).
var forwarded = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
}

// runForwarding runs the command and hands on what signals come meanwhile. started is called
// when it runs.
func runForwarding(child *exec.Cmd, started func()) error {
	signals := make(chan os.Signal, 16)
	for _, s := range forwarded {
		// One that is ignored, as under nohup, must stay so for the command, too.
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				if !fromKeyboard(s) {
					_ = child.Process.Signal(s) // it may have ended just now
				}
			case <-ended:
				return
			}
		}
	}()
	started()
	return child.Wait()
}

// fromKeyboard reports whether a signal is one that a terminal sends to every process
// of its foreground group, so that the command, being in our group, has it already. A
// second one would be taken for the impatience of a person who presses Ctrl-C twice.
func fromKeyboard(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	return tty.InForeground(terminal)
}

// signalToRaise returns the signal that ended the command, if the shell that called us
// should see us end by it as well: it stops a script whose command was interrupted. Of
// other signals the exit code tells; Go's runtime would print its own stacks for some.
func signalToRaise(state *os.ProcessState) os.Signal {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return nil
	}
	switch s := status.Signal(); s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM:
		return s
	}
	return nil
}

// raise ends this process by a signal. It returns if that did not work, as where the
// signal is ignored.
func raise(s os.Signal) {
	number, ok := s.(syscall.Signal)
	if !ok || signal.Ignored(s) {
		return
	}
	signal.Reset(s)
	if syscall.Kill(os.Getpid(), number) == nil {
		time.Sleep(time.Second) // it is on its way
	}
}
