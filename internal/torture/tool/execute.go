//go:build linux

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
)

// execute stands alone because older versions have nothing of the kind.
func execute(root *cobra.Command) int {
	return telemetrycmd.Execute(root, func(err error) { fmt.Fprintln(os.Stderr, "sometool:", err) })
}
