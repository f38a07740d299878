package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newSleep() *cobra.Command {
	return &cobra.Command{
		Use:     "sleep DURATION",
		Short:   "Do nothing for a while",
		Example: "  mytool sleep 1.5s",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := time.ParseDuration(args[0])
			if err != nil || d < 0 {
				return fmt.Errorf("%q is not a duration; try 300ms, 1.5s or 2m", args[0])
			}
			return pause(cmd.Context(), d)
		},
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
