package console_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// manager returns that of a tool whose state is in dir. A tool leaves the options out.
func manager(dir string) *core.Manager {
	tool := props.Tool{
		Name:      "mytool",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://telemetry.example.com/v1/events"},
	}
	unset := func(string) (string, bool) { return "", false }
	return core.NewManager(tool, core.WithStateDir(dir), core.WithEnv(unset), core.WithPolicyFile(dir+"/none"))
}

func build(props.Collector) error { return nil }

// A tool without a command library has the word telemetry run here, and its own commands recorded.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	main := func(args ...string) int {
		ctx, m := context.Background(), manager(dir)
		switch args[0] {
		case "telemetry":
			err = console.Run(ctx, m, args[1:])
		case "build":
			err = console.Record(ctx, m, "build", nil, build)
		}
		return core.ExitCode(err)
	}
	fmt.Println(main("build"), main("telemetry", "no-such-command"))
	// Output: 0 2
}

// A command library gets the commands one by one.
func ExampleCommands() {
	open := func() (*core.Manager, error) { return manager("unused"), nil }
	for _, command := range console.Commands(open) {
		if !command.Hidden {
			fmt.Println(command.Name)
		}
	}
	// Output:
	// enable
	// disable
	// status
	// schema
	// inspect
	// log
	// receipts
	// export
	// reset
	// flush
	// share
}

// A test of the author's keeps a translation complete.
func ExampleMessages_Check() {
	missing, unknown := console.Messages{"Thank you": "Danke"}.Check()
	fmt.Println(len(missing) > 0, unknown)
	// Output: true [Thank you]
}
