package telemetrycmd_test

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
)

var (
	root, cmd, login, plumbing cobra.Command
	p                          = props.New(props.Tool{Name: "mytool"})
	errQuota                   = errors.New("the quota is used up")
)

func Example() {
	err := telemetrycmd.Wire(&root, p) // last, when all commands are in the tree
	_ = err                            // a mistake in what was declared; the tool goes on
	os.Exit(telemetrycmd.Execute(&root))
}

func ExampleExecuteContext() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code := telemetrycmd.ExecuteContext(ctx, &root) // 130 where Ctrl-C ended it
	_ = code
}

func ExampleExecute_silenceErrors() {
	root.SilenceErrors = true
	complain := func(err error) { os.Stderr.WriteString("mytool: " + err.Error() + "\n") }
	os.Exit(telemetrycmd.Execute(&root, complain))
}

func ExampleAnnotate() {
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		telemetrycmd.Annotate(cmd.Context(), "format", "json")
		return nil
	}
}

func ExampleExit() {
	cmd.Run = func(cmd *cobra.Command, _ []string) {
		go telemetrycmd.Exit(cmd.Context(), 3) // in place of os.Exit(3)
	}
}

func ExampleWithErrorClass() {
	_ = telemetrycmd.Wire(&root, p, telemetrycmd.WithErrorClass(func(err error) props.ErrorClass {
		if errors.Is(err, errQuota) {
			return "quota_exceeded" // which Telemetry.ErrorClasses lists
		}
		return "" // found out as without the rule
	}))
}

func ExampleExcludeFlags() {
	telemetrycmd.ExcludeFlags(&login, "as-guest")
}

func ExampleNeverRecord() {
	telemetrycmd.NeverRecord(&plumbing) // and whatever is under it
}

func ExampleRecordAs() {
	telemetrycmd.RecordAs(&login, "session start")
}
