package telemetrycmd

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// toolSwitch makes the test binary a small tool; see TestMain. Its value is the state
// directory. The other variables say what the author declared.
const (
	toolSwitch   = "SMALL_TOOL"
	toolEndpoint = "SMALL_TOOL_ENDPOINT"
	toolNotice   = "SMALL_TOOL_NOTICE"
	toolPatience = "SMALL_TOOL_PATIENCE"
	toolFeature  = "SMALL_TOOL_FEATURE"
	toolLaunch   = "SMALL_TOOL_LAUNCH" // start this tool as a job in the background
)

func smallTool() int {
	if os.Getenv(toolLaunch) != "" {
		return launch()
	}
	dir := os.Getenv(toolSwitch)
	tool := props.Tool{
		Name:      "mytool",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: os.Getenv(toolEndpoint), Notice: os.Getenv(toolNotice)},
	}
	if os.Getenv(toolFeature) == "off" {
		tool.Features = props.Features{}
	}
	patience, err := time.ParseDuration(os.Getenv(toolPatience))
	if err != nil {
		patience = time.Minute
	}
	options := []Option{withPatience(patience), WithCore(
		core.WithStateDir(dir),
		core.WithPolicyFile(filepath.Join(dir, "no such policy")),
		core.WithUploadCommand("-test.run=^$"),
	)}
	p := props.New(tool)

	root := &cobra.Command{Use: "mytool", SilenceUsage: true}
	root.PersistentFlags().String("output", "text", "")
	root.AddCommand(
		&cobra.Command{Use: "hello", Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "hello") }},
		&cobra.Command{Use: "echo", Run: func(cmd *cobra.Command, _ []string) {
			line, err := bufio.NewReader(os.Stdin).ReadString('\n')
			fmt.Printf("the tool read %q, %v\n", line, err)
		}},
		&cobra.Command{Use: "handles-signals", Run: func(cmd *cobra.Command, _ []string) {
			fmt.Printf("the tool's own context says: %v\n", cmd.Context().Err())
		}},
	)
	initial := &cobra.Command{Use: "init", RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Println("making a project")
		return Ask(cmd, core.NewManager(tool, gather(options).core...), options...)
	}}
	AddSkipFlag(initial, core.NewManager(tool, gather(options).core...))
	root.AddCommand(initial)
	if err := Wire(root, p, options...); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	ctx := context.Background()
	if len(os.Args) > 1 && os.Args[1] == "handles-signals" {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
	}
	return ExitCode(root.ExecuteContext(ctx))
}

// launch runs the tool in a process group of its own, as a shell does with "mytool &".
func launch() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), toolLaunch+"=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	inOwnGroup(cmd)
	return ExitCode(cmd.Run())
}
