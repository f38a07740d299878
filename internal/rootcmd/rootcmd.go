// Package rootcmd is what the programs telemetry and telemetry-relay have in common: their
// version, how their help is laid out, how they refuse an unknown command, how they say what went
// wrong, and with which exit code.
package rootcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/internal/cobrahelp"
	"github.com/gotoolbase/telemetry/internal/manpage"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/version"
)

const exitUsage = 2

// Prepare makes cmd a program's root, whose errors are for Report to print.
func Prepare(cmd *cobra.Command) {
	cmd.Version = version.String()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return telemetrycmd.UsageError(err) })
	cmd.Args = noSuchCommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if name := cmd.Name(); name == cobra.ShellCompRequestCmd || name == cobra.ShellCompNoDescRequestCmd {
			unquote(cmd.Root())
		}
	}
	cmd.SetHelpCommand(help())
	cobrahelp.Fit(cmd)
	manpage.AddCommand(cmd)
}

// unquote takes off the quotes by which help finds the kind of a flag's value: a shell that
// completes shows them as they are.
func unquote(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	for _, c := range cmd.Commands() {
		unquote(c)
	}
}

// help is cobra's command of that name, which ends with 0 for a command that there is none of.
func help() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		Long:  "Help about any command: what it does, and its flags.",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return telemetrycmd.UsageError(err)
			}
			if err := noSuchCommand(about, rest); err != nil {
				return err
			}
			about.InitDefaultHelpFlag() // which are added as a command runs
			about.InitDefaultVersionFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var list []cobra.Completion
			if about, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range about.Commands() {
					if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), begun) {
						list = append(list, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	if similar := meant(cmd, args[0]); len(similar) > 0 {
		text += "; did you mean " + strings.Join(similar, " or ") + "?"
	}
	return telemetrycmd.UsageError(errors.New(text))
}

// meant returns the names of the commands that people look for under a word, or else of those
// that it is a slip of.
func meant(cmd *cobra.Command, word string) (names []string) {
	for _, c := range cmd.Commands() {
		if slices.Contains(c.SuggestFor, strings.ToLower(word)) {
			names = append(names, c.Name())
		}
	}
	if len(names) > 0 {
		return names
	}
	cmd.SuggestionsMinimumDistance = min(len(word)/2, 2) // of three letters two others are no typo
	return cmd.SuggestionsFor(word)
}

// Report prints the error that cmd ended with, unless cmd has said it, and returns the exit
// code.
func Report(cmd *cobra.Command, err error) int {
	code := telemetrycmd.ExitCode(err)
	if err == nil || cmd != cmd.Root() && cmd.SilenceErrors {
		return code
	}
	stderr := cmd.ErrOrStderr()
	Complain(stderr, cmd.Root().Name(), err)
	if code == exitUsage && !errors.As(err, new(*Mistake)) {
		screen.New(stderr, os.LookupEnv).Line(screen.Plain, cmd.CommandPath()+" --help tells how it is used.")
	}
	return code
}

// Complain is how everything that goes wrong is said. An error may repeat what was typed or
// what a file holds.
func Complain(stderr io.Writer, program string, err error) {
	screen.New(stderr, os.LookupEnv).Line(screen.Plain, program+": "+err.Error())
}

// Mistake is one that is not in the command line but in what it names, such as a file: its
// exit code is that of a wrong flag, and there is no pointing at the command's help.
type Mistake struct{ Err error }

func (e *Mistake) Error() string { return e.Err.Error() }
func (e *Mistake) Unwrap() error { return e.Err }

// ExitCode is that of a wrong flag.
func (e *Mistake) ExitCode() int { return exitUsage }

// InFile is a mistake in the file that --config names, or that file's absence.
func InFile(err error) error { return &Mistake{fmt.Errorf("--config: %w", err)} }
