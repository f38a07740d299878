// Plain is examples/mytool without telemetry: the benchmark builds it from the files of
// mytool, with this one instead of main.go, and without build.go and burst.go.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:           "mytool",
		Short:         "A small tool that shows what telemetry looks like",
		Version:       "dev",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newCount(), newFail(), newSleep())
	root.AddCommand(more()...)
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "mytool:", err)
		os.Exit(1)
	}
}
