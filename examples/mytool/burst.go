package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core/props"
)

// newBurst makes the command that shows what "on disk when Track returns" means: kill it
// at any moment, and every event that it has said it tracked is delivered later.
func newBurst(p *props.Props) *cobra.Command {
	var every time.Duration
	cmd := &cobra.Command{
		Use:     "burst N",
		Short:   "Track N events and tell when each is safe",
		Example: "  mytool burst 100 --pause 10ms",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil || n < 0 {
				return fmt.Errorf("%q is not a number of events", args[0])
			}
			for i := 1; i <= n; i++ {
				p.Collector.Track(props.EventFeatureUsed, "burst", map[string]string{"i": strconv.Itoa(i)})
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "tracked %d\n", i); err != nil {
					return err
				}
				if err := pause(cmd.Context(), every); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&every, "pause", 0, "time to wait after each event")
	return cmd
}
