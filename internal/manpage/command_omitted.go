//go:build !manpages

package manpage

import "github.com/spf13/cobra"

// AddCommand does nothing in a program that people install.
func AddCommand(*cobra.Command) {}
