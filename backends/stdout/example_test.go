package stdout_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/backends/stdout"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// The backend is built in: a tool names it, and the collector opens it.
func Example() {
	tool := props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{Backend: "stdout"}}

	backend, err := stdout.Driver().Open(driver.Config{Tool: tool.Name, Stdout: os.Stdout})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	err = backend.Send(context.Background(), []driver.Event{{
		ID: "0193b2f0-1d2a-7000-8000-000000000001", Type: "command.invocation", Name: "build",
		Time: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Tool: tool.Name, OS: "linux", Arch: "amd64",
	}})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {
	//   "id": "0193b2f0-1d2a-7000-8000-000000000001",
	//   "type": "command.invocation",
	//   "name": "build",
	//   "timestamp": "2026-11-25T12:00:00Z",
	//   "tool_name": "mytool",
	//   "os": "linux",
	//   "arch": "amd64",
	//   "ci": false,
	//   "interactive": false,
	//   "container": false
	// }
}
