package toolfile_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/core/toolfile"
)

func ExampleParse() {
	tool, err := toolfile.Parse([]byte(`
Name: mytool
Telemetry:
  Endpoint: https://telemetry.example.com/v1/events
  Controller: Example Ltd
  UploadInterval: 10m
`))
	fmt.Println(tool.Name, tool.Telemetry.UploadInterval, err)
	// Output: mytool 10m0s <nil>
}

// A mistake names the line and the key, and repeats no value.
func ExampleParse_mistake() {
	_, err := toolfile.Parse([]byte("Name: mytool\nTelemetry:\n  EndPoint: https://telemetry.example.com\n"))
	fmt.Println(err)
	// Output: line 3: Telemetry.EndPoint: unknown key; did you mean "Endpoint"?
}
