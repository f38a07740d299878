package telemetrycmd

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// toolSwitch makes the test binary a small tool; see TestMain. Its value is the state
// directory. The other variables say what the author declared.
const (
	toolSwitch   = "SMALL_TOOL"
	toolEndpoint = "SMALL_TOOL_ENDPOINT"
	toolNotice   = "SMALL_TOOL_NOTICE"
	toolVersion  = "SMALL_TOOL_NOTICE_VERSION"
	toolPatience = "SMALL_TOOL_PATIENCE"
	toolFeature  = "SMALL_TOOL_FEATURE"
	toolLaunch   = "SMALL_TOOL_LAUNCH" // start this tool as a job in the background
	toolDeadline = "SMALL_TOOL_DEADLINE"
	toolPlain    = "SMALL_TOOL_PLAIN" // without Execute
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
	if own, set := strings.CutPrefix(tool.Telemetry.Endpoint, "setting:"); set {
		tool.Telemetry = props.TelemetryConfig{Backend: "http", Settings: map[string]string{"endpoint": own}}
	}
	if os.Getenv(toolFeature) == "off" {
		tool.Features = props.Features{}
	}
	tool.Telemetry.NoticeVersion, _ = strconv.Atoi(os.Getenv(toolVersion))
	patience, err := time.ParseDuration(os.Getenv(toolPatience))
	if err != nil {
		patience = time.Minute
	}
	options := []Option{WithConsole(console.WithPatience(patience)), WithCore(
		core.WithStateDir(dir),
		core.WithPolicyFile(filepath.Join(dir, "no such policy")),
		core.WithUploadCommand("-test.run=^$"),
	)}
	p := props.New(tool)
	root := smallRoot()
	initial := &cobra.Command{Use: "init", RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Println("making a project")
		return Ask(cmd, core.NewManager(tool, gather(options).core...), options...)
	}}
	AddSkipFlag(initial, core.NewManager(tool, gather(options).core...))
	root.AddCommand(initial)
	if err := Wire(root, p, options...); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	ctx, stop := smallContext()
	defer stop()
	if os.Getenv(toolPlain) != "" {
		return ExitCode(root.ExecuteContext(ctx))
	}
	return ExecuteContext(ctx, root)
}

func smallRoot() *cobra.Command {
	root := &cobra.Command{Use: "mytool"}
	root.PersistentFlags().String("output", "text", "")
	hello := func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "hello") }
	ran := func(cmd *cobra.Command, _ []string) error {
		fmt.Printf("the tool's own context says: %v\n", cmd.Context().Err())
		return nil
	}
	echo := func(*cobra.Command, []string) {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Printf("the tool read %q, %v\n", line, err)
	}
	plumbing := &cobra.Command{Use: "plumbing", Run: hello}
	NeverRecord(plumbing)
	root.AddCommand(
		plumbing,
		&cobra.Command{Use: "hello", Run: hello},
		&cobra.Command{Use: "echo", Run: echo},
		&cobra.Command{Use: "handles-signals", RunE: ran, PostRun: hello},
		&cobra.Command{Use: "handles-signals-run", Run: func(cmd *cobra.Command, args []string) { _ = ran(cmd, args) }, PostRun: hello},
		&cobra.Command{Use: "fails-early", PreRunE: func(*cobra.Command, []string) error { return coded(7) }, Run: hello},
		// Something is done before the question, until the test says that it is done.
		&cobra.Command{Use: "busy-before", PreRunE: func(*cobra.Command, []string) error {
			fmt.Println("busy")
			_, err := os.NewFile(3, "gate").Read(make([]byte, 1))
			return err
		}, Run: echo},
		&cobra.Command{Use: "ignores-hangup", PreRun: func(*cobra.Command, []string) { signal.Ignore(syscall.SIGHUP) }, Run: hello},
	)
	return root
}

// smallContext is the context of the whole tool, which some tools bind to signals or to
// the time that they may take.
func smallContext() (context.Context, context.CancelFunc) {
	ctx := context.Background()
	if limit, err := time.ParseDuration(os.Getenv(toolDeadline)); err == nil {
		return context.WithTimeout(ctx, limit)
	}
	if len(os.Args) > 1 && (strings.HasPrefix(os.Args[1], "handles-signals") || os.Args[1] == "init") {
		return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	}
	return ctx, func() {}
}

// launch runs the tool in a process group of its own, as a shell does with "mytool &".
func launch() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), toolLaunch+"=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	inOwnGroup(cmd)
	return ExitCode(cmd.Run())
}
