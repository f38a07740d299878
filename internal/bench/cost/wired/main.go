// Wired is plain with telemetry and its commands.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
)

var endpoint string // -ldflags "-X main.endpoint=…" sets it

func main() {
	p := props.New(props.Tool{
		Name:      "hello",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: endpoint},
	})
	root := &cobra.Command{Use: "hello"}
	root.AddCommand(&cobra.Command{Use: "world", Run: func(*cobra.Command, []string) { fmt.Println("hello") }})
	if err := telemetrycmd.Wire(root, p); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(telemetrycmd.ExitCode(root.Execute()))
}
