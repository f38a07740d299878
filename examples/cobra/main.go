// Hello greets. It is a tool with cobra, and with telemetry.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
)

var tool = props.Tool{
	Name:      "hello",
	Version:   "1.0.0",
	Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
	Telemetry: props.TelemetryConfig{Endpoint: "http://127.0.0.1:8443/v1/events"},
}

func main() {
	root := &cobra.Command{Use: "hello", Short: "Hello greets"}
	root.AddCommand(newGreet())
	if err := telemetrycmd.Wire(root, props.New(tool)); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err) // a mistake in the declaration; the tool goes on
	}
	os.Exit(telemetrycmd.Execute(root))
}

func newGreet() *cobra.Command {
	var loud bool
	cmd := &cobra.Command{
		Use:   "greet NAME",
		Short: "Greet somebody",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			end := "."
			if loud {
				end = "!"
			}
			fmt.Fprintln(cmd.OutOrStdout(), "Hello, "+args[0]+end)
			return nil
		},
	}
	cmd.Flags().BoolVar(&loud, "loud", false, "greet with an exclamation mark")
	return cmd
}
