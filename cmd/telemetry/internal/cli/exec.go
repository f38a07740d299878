package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// What shells end with where there was no command to run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

// endedError says how the command that exec ran has ended. Main prints nothing for it.
type endedError struct {
	code   int
	signal os.Signal // that the process is to end by as well, nil for none
}

func (e *endedError) Error() string { return fmt.Sprintf("exit code %d", e.code) }
func (e *endedError) ExitCode() int { return e.code }

// end ends the process by the signal, or returns the exit code to end with.
func (e *endedError) end() int {
	if e.signal != nil {
		raise(e.signal)
	}
	return e.code
}

func (p *program) exec() *cobra.Command {
	var name string
	var in script
	cmd := &cobra.Command{
		Use: "exec [--name NAME] [--meta KEY=VALUE] -- COMMAND [ARGUMENT...]",
		// What follows the command is the command's.
		DisableFlagsInUseLine: true,
		Short:                 "Run a command and record its name, duration and exit code",
		Long: "Run a command and record its name, duration and exit code. Its arguments are not\n" +
			"recorded, and no name of a file: a command that is found through PATH has the name\n" +
			"of a program, and any other is recorded as \"command\" unless --name says more.\n\n" +
			"The command has the terminal, the pipes and the environment of this\n" +
			"program and is sent the signals that this program is sent; SIGINT and SIGQUIT only\n" +
			"where they do not come from the keyboard, which reaches the command by itself.\n\n" +
			"The exit code is the command's own, 128+n if signal n ended it, 127 if it was not\n" +
			"found and 126 if it could not be run.\n\n" + scriptHelp + " Then the\n" +
			"command is not run.",
		Example: "  telemetry --config mytool.yaml exec -- make all\n" +
			"  telemetry --config mytool.yaml exec --name build -- ./build.sh --fast\n" +
			"  # where this program may not be installed\n" +
			"  run() { if command -v telemetry >/dev/null; then telemetry --config mytool.yaml exec -- \"$@\"; else \"$@\"; fi; }\n" +
			"  run make all",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				return telemetrycmd.UsageError(errors.New("exec needs a command to run"))
			}
			return nil
		},
		// Without arguments the shell completes commands and files by itself.
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the command belongs to it
	cmd.Flags().StringVar(&name, "name", "", "record this name")
	in.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("name") && strings.TrimSpace(name) == "" {
			if err := in.tolerate(telemetrycmd.UsageError(errors.New("--name is empty"))); err != nil {
				return err
			}
			name = unnamed
		}
		collector, err := in.open(cmd, p)
		if err != nil {
			return err
		}
		metadata, err := in.metadata()
		if err != nil {
			return err
		}
		child := exec.Command(args[0], args[1:]...)
		if errors.Is(child.Err, exec.ErrDot) && runtime.GOOS != "windows" {
			child.Err = nil // a PATH with "." in it: a shell would run it, too
		}
		child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
		if name == "" {
			name = nameOf(child, args[0])
		}
		run := props.Discard{}.Command(name)
		err = runForwarding(child, func() { run = collector.Command(name) }) // so that it is told also if we are killed
		if child.ProcessState == nil {
			complain(fmt.Errorf("%s: %w", args[0], cannotRun(err)))
			return &endedError{code: codeOf(err)}
		}
		ended := &endedError{code: telemetrycmd.ExitCode(err), signal: signalToRaise(child.ProcessState)}
		for key, value := range metadata {
			run.Annotate(key, value)
		}
		run.Done(props.Outcome{ExitCode: ended.code})
		_ = collector.Close(cmd.Context()) // status tells what went wrong
		return ended
	}
	return cmd
}

// codeOf is the exit code of a command that could not be started.
func codeOf(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	return exitCannotRun
}

// cannotRun is why, as a shell says it.
func cannotRun(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("command not found")
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	return plaintext.Cause(err)
}
