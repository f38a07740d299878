//go:build manpages

package manpage

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// AddCommand gives a program the hidden command that prints its own page, with the day that
// SOURCE_DATE_EPOCH says: the clock's would make another page of the same source tomorrow. What it
// means is in reproducible-builds.org/specs/source-date-epoch.
func AddCommand(root *cobra.Command) {
	root.AddCommand(&cobra.Command{
		Use: "manpage", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var day time.Time
			if seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
				day = time.Unix(seconds, 0)
			}
			_, err := os.Stdout.Write(Page(cmd.Root(), day))
			return err
		},
	})
}
