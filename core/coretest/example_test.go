package coretest_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/props"
)

// tool is what an author's package declares.
func tool() props.Tool {
	return props.Tool{
		Name:      "mytool",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://analytics.example.com/events"},
	}
}

// In a test, t is the test's own.
var t *testing.T

// A command that is given a collector is held to what it records.
func Example() {
	home := coretest.New(t, tool())
	home.Collector().TrackCommand("export", 12, 3, map[string]string{"format": "json"})
	home.Events().Only(t, "export").With(t, "export", "exit_code=3", "format=json")
}

// A command that a person has not allowed anything records nothing.
func ExampleEvents_None() {
	home := coretest.New(t, tool())
	_, _ = home.Manager().Disable(t.Context())
	home.Events().None(t)
}

// The program as it is released ends as fast as without telemetry, whatever the network does.
func ExampleExitBudget() {
	coretest.ExitBudget(t, coretest.Build(t, "."), 50*time.Millisecond, "export", "--format", "json")
}

// Two weathers are enough while one is at work on them.
func ExampleExit() {
	coretest.Exit{
		Binary: coretest.Build(t, "."), Args: []string{"export"}, Env: []string{"EXPORT_DIR=" + t.TempDir()},
		Budget: 50 * time.Millisecond, InCI: time.Second, Weathers: []string{"never answers", "black hole"},
	}.Check(t)
}

// A program gets a home of its own, in which the person has said yes to what tool declares.
func ExamplePlantHome() {
	cmd := exec.Command(coretest.Build(t, "."), "telemetry", "status")
	cmd.Env = coretest.PlantHome(t, coretest.SaidYes(tool())).Environ()
	_ = cmd.Run()
}

// Code that reads the environment of the test itself finds the home there.
func ExamplePlantedHome_Setenv() {
	coretest.PlantHome(t).Setenv()
	_ = os.Getenv("HOME") // a new directory, removed with the test
}

// What a command sends is in a file that is read in reviews.
func ExampleGolden() {
	home := coretest.New(t, tool())
	home.Collector().TrackCommand("export", 12, 0, nil)
	coretest.Golden(t, "testdata/export.ndjson", home.Events())
}

// The program as it is released says itself what it would send.
func ExamplePlantedHome_Recorded() {
	home := coretest.PlantHome(t)
	events := home.Recorded(exec.Command(coretest.Build(t, "."), "export", "--format", "json"))
	coretest.Golden(t, "testdata/export.ndjson", events)
}

// A test that goes to the network by mistake fails and says where it went.
func ExampleNoNetwork() {
	coretest.NoNetwork(t)
}

// One line for all tests of a package, parallel ones among them.
func ExampleRunWithoutNetwork() {
	testMain := func(m *testing.M) { os.Exit(coretest.RunWithoutNetwork(m)) }
	_ = testMain
}
