package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/console"
)

// ask puts the question in the name of a script.
func (p *program) ask() *cobra.Command {
	var in script
	cmd := &cobra.Command{
		Use:   "ask",
		Short: "Ask once whether usage data may be sent, if there is somebody to ask",
		Long: "Ask whether usage data may be sent, for a script to call before its work.\n\n" +
			"The question is put once, and only where nobody has decided yet and a person sits at\n" +
			"the terminal: standard input, output and error are one, the script is its foreground\n" +
			"job, and neither a build system nor a coding agent runs it. Elsewhere nothing is\n" +
			"printed and nothing is read. A question that nobody answers is over after 20 seconds,\n" +
			"and is not put again until what is collected changes.\n\n" +
			"The exit code is 0 whatever the answer, also where it could not be stored and where the\n" +
			"file is missing or wrong, so that a script under set -e goes on; with --strict a wrong\n" +
			"file is an error. Ctrl-C ends it as it ends any program.",
		Example:           "  telemetry --config mytool.yaml ask",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return telemetrycmd.UsageError(fmt.Errorf("ask takes no arguments, but was given %q", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("config") {
				return telemetrycmd.UsageError(errNoConfig)
			}
			m, err := p.manager()
			if err != nil {
				return in.tolerate(err)
			}
			_, err = console.Ask(cmd.Context(), m, console.WithPath(p.path))
			if err != nil && !errors.As(err, new(*console.InterruptedError)) {
				complain(err)
				return nil
			}
			return err
		},
	}
	in.addStrict(cmd)
	return cmd
}
