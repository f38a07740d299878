package core_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// declared is what an author's package declares.
func declared() props.Tool {
	return props.Tool{
		Name:      "mytool",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://telemetry.example.com/v1/events"},
	}
}

// A tool opens the collector early in main, records its command, and closes it last. Nothing is
// recorded before the person has said yes.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	collector, err := core.Open(declared(), core.WithStateDir(dir)) // a tool leaves the option out
	if err != nil {
		fmt.Println(err) // a mistake in what was declared; the tool goes on
	}
	command := collector.Command("build")
	command.Done(props.Outcome{})
	fmt.Println(collector.Enabled(), collector.Close(context.Background()))
	// Output: false <nil>
}

// The schema is everything that may be sent, made of what the author declares.
func ExampleNewSchema() {
	tool := declared()
	tool.Telemetry.Events = []props.EventSpec{{
		Type: "export.finished", Purpose: "which formats matter",
		Fields: []props.Field{{Name: "rows", Type: props.Buckets(10, 100)}},
	}}
	schema, err := core.NewSchema(tool)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, event := range schema.Events {
		for _, field := range event.Fields {
			fmt.Println(event.Type, field.Name, field.Values)
		}
	}
	// Output:
	// export.finished rows [0-9 10-99 100+]
	// data.deletion_request deletion_key []
	// telemetry.loss count []
}

// A manager is the person's side: here a tool asks how things stand.
func ExampleManager_Status() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	unset := func(string) (string, bool) { return "", false }
	manager := core.NewManager(declared(), core.WithStateDir(dir), core.WithEnv(unset), core.WithPolicyFile(dir+"/none"))
	status := manager.Status()
	fmt.Println(status.Recording, status.Decision.Undecided, status.Backend.Hosts)
	// Output: false true [telemetry.example.com]
}

// A program ends with the code that its error carries.
func ExampleExitCode() {
	fmt.Println(core.ExitCode(nil), core.ExitCode(os.ErrNotExist), core.ExitCode(context.Canceled))
	// Output: 0 1 130
}
