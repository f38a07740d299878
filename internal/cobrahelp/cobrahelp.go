// Package cobrahelp fits the help that cobra writes to a terminal. It is for those who maintain the
// commands of tools and the programs of this module.
package cobrahelp

import (
	"bytes"
	"os"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/screen"
)

// Fit has the help of a command, and of those under it, break its lines between words on a terminal
// that is narrower than they are, which cobra's leaves to the terminal. The help is that of the
// command's parent, if it has one; where that has colours of its own, it is left alone.
func Fit(own *cobra.Command) {
	own.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		help := new(cobra.Command).HelpFunc()
		if parent := own.Parent(); parent != nil {
			help = parent.HelpFunc()
		}
		out := cmd.OutOrStdout()
		on := screen.New(out, os.LookupEnv)
		if !on.Terminal {
			help(cmd, args)
			return
		}
		var text bytes.Buffer
		cmd.SetOut(&text)
		defer cmd.SetOut(out)
		help(cmd, args)
		if bytes.ContainsRune(text.Bytes(), '\x1b') {
			_, _ = text.WriteTo(out)
			return
		}
		on.Help(text.String())
	})
}
