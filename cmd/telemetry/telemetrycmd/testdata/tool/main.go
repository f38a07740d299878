// Mytool is what the tests of ends and of canaries run as a process. The variables say what
// its author declared.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

func main() { os.Exit(run()) }

func run() int {
	p := props.New(props.Tool{
		Name:     "mytool",
		Version:  "1.2.3",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Endpoint:           os.Getenv("TOOL_ENDPOINT"),
			Settings:           map[string]string{"compression": "none"},
			ExtendedCollection: os.Getenv("TOOL_EXTENDED") == "yes",
		},
	})
	root := newRoot(p)
	switch os.Getenv("TOOL_DIFFICULT") {
	case "yes":
		makeDifficult(root)
	case "exit without a context":
		telemetrycmd.Exit(new(cobra.Command).Context(), 7) // as where a test calls a RunE itself
	}
	state := os.Getenv("TOOL_STATE")
	if err := telemetrycmd.Wire(root, p, telemetrycmd.WithCore(core.WithStateDir(state), core.WithPolicyFile(state+".policy"))); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if os.Getenv("TOOL_EXECUTE") == "no" {
		return telemetrycmd.ExitCode(root.ExecuteContext(ctx))
	}
	return telemetrycmd.ExecuteContext(ctx, root)
}

// makeDifficult has the tool require of all commands what it can. The two that it changes
// are global, so it needs a process of its own.
func makeDifficult(root *cobra.Command) {
	cobra.EnableTraverseRunHooks = true
	pflag.CommandLine.StringP("opt", "o", "", "")
	root.PersistentFlags().String("token", "", "")
	if err := root.MarkPersistentFlagRequired("token"); err != nil {
		panic(err)
	}
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return errors.New("the hook before asks to log in") }
	root.PersistentPostRun = func(*cobra.Command, []string) { fmt.Println("the hook after") }
}

func newRoot(p *props.Props) *cobra.Command {
	root := &cobra.Command{Use: "mytool"}
	root.PersistentFlags().String("profile", "", "")
	done := func(*cobra.Command, []string) {}

	deploy := &cobra.Command{Use: "deploy [TARGET]", Args: cobra.MaximumNArgs(1), Run: done}
	deploy.Flags().StringP("token", "t", "", "")
	deploy.Flags().IntP("number", "n", 0, "")
	deploy.Flags().BoolP("quiet", "q", false, "")
	remote := &cobra.Command{Use: "remote"}
	remote.AddCommand(&cobra.Command{Use: "add NAME", Args: cobra.ExactArgs(1), Run: done})

	// wait waits for the context, and fails with what err makes of its end.
	wait := func(err func(context.Context) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, _ []string) error {
			fmt.Println("ready")
			<-cmd.Context().Done()
			return err(cmd.Context())
		}
	}
	exits := &cobra.Command{Use: "exit CODE", RunE: func(cmd *cobra.Command, args []string) error {
		code, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		telemetrycmd.Annotate(cmd.Context(), "format", "json")
		go telemetrycmd.Exit(cmd.Context(), code)
		select {} // only Exit ends it
	}}
	root.AddCommand(deploy, remote, exits,
		&cobra.Command{Use: "strict", Args: cobra.NoArgs, Run: done},
		&cobra.Command{Use: "valid", ValidArgs: []string{"x"}, Args: cobra.OnlyValidArgs, Run: done},
		&cobra.Command{Use: "pass", DisableFlagParsing: true, Run: done},
		&cobra.Command{Use: "wait", RunE: wait(func(ctx context.Context) error { return fmt.Errorf("wrapped: %w", ctx.Err()) })},
		&cobra.Command{Use: "wait-cause", RunE: wait(context.Cause)},
		&cobra.Command{Use: "wait-own", RunE: wait(func(context.Context) error { return errors.New("it was aborted") })},
		&cobra.Command{Use: "wait-well", RunE: wait(func(context.Context) error { return nil })},
		&cobra.Command{Use: "sh SCRIPT", RunE: func(_ *cobra.Command, args []string) error {
			return exec.Command("sh", "-c", args[0]).Run()
		}},
		&cobra.Command{Use: "calls-exit CODE", RunE: func(cmd *cobra.Command, args []string) error {
			exits.SetContext(cmd.Context())
			return exits.RunE(exits, args)
		}},
		&cobra.Command{Use: "exit-in-hook", PreRun: func(cmd *cobra.Command, _ []string) { telemetrycmd.Exit(cmd.Context(), 5) }, Run: done},
		// The test sees with this one that it would see a leak.
		&cobra.Command{Use: "leak TEXT", Run: func(_ *cobra.Command, args []string) {
			p.Collector.Track(props.EventFeatureUsed, args[0], nil)
		}},
	)
	return root
}
