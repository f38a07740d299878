package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newFail() *cobra.Command {
	var code int
	cmd := &cobra.Command{
		Use:   "fail",
		Short: "Fail with an exit code of your choice",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case code < 0 || code > 255:
				return fmt.Errorf("--code %d: an exit code is from 0 to 255", code)
			case code == 0:
				return nil
			}
			return failure(code)
		},
	}
	cmd.Flags().IntVar(&code, "code", 1, "the exit code")
	return cmd
}

// failure is an error that brings its exit code; telemetrycmd.ExitCode finds it.
type failure int

func (f failure) Error() string { return fmt.Sprintf("failed with code %d, as you asked", int(f)) }
func (f failure) ExitCode() int { return int(f) }
