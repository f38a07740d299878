package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/rootcmd"
)

// moved is a command of operators that was here once: a crontab or a unit file may still call
// it, and is told its new name, whatever else it says.
func moved(name, now string) *cobra.Command {
	return &cobra.Command{
		Use: name, Hidden: true, DisableFlagParsing: true, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			return &rootcmd.Mistake{Err: fmt.Errorf("what was telemetry %s is telemetry-relay %s now, a program of its own", name, now)}
		},
	}
}
