// Mytool is the tool of the quick start: a few commands and one line of telemetry.
//
//	go build -ldflags "-X main.endpoint=https://telemetry.example.org/events" ./examples/mytool
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
)

func main() { os.Exit(run()) }

func run() int {
	tool, err := declare(built())
	if err != nil {
		complain(fmt.Errorf("telemetry is off: %w", err))
	}
	p := props.New(tool)
	root := newRoot(p)
	if err := telemetrycmd.Wire(root, p); err != nil {
		complain(fmt.Errorf("telemetry is off: %w", err))
	}
	return telemetrycmd.Execute(root, complain)
}

// complain prints an error, which may be several joined ones.
func complain(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(os.Stderr, "mytool:", strings.TrimSuffix(line, "\n"))
	}
}

func newRoot(p *props.Props) *cobra.Command {
	root := &cobra.Command{
		Use:           "mytool",
		Short:         "A small tool that shows what telemetry looks like",
		Version:       p.Tool.Version,
		SilenceErrors: true, // main prints them
		SilenceUsage:  true,
	}
	root.AddCommand(newCount(), newFail(), newSleep(), newBurst(p))
	return root
}
