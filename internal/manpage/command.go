//go:build manpages

package manpage

import (
	"os"

	"github.com/spf13/cobra"
)

// AddCommand gives a program the hidden command that prints its own page.
func AddCommand(root *cobra.Command) {
	root.AddCommand(&cobra.Command{
		Use: "manpage", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := os.Stdout.Write(Page(cmd.Root()))
			return err
		},
	})
}
