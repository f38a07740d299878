package main

import (
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func program(deps ...*debug.Module) *debug.BuildInfo {
	return &debug.BuildInfo{
		GoVersion: "go1.26.8", Path: "github.com/gotoolbase/telemetry/cmd/telemetry",
		Main: debug.Module{Path: "github.com/gotoolbase/telemetry", Version: "v0.1.0"}, Deps: deps,
	}
}

func TestAModuleIsListedWithItsLicenceAndWithGo(t *testing.T) {
	t.Parallel()
	doc, err := describe(program(
		&debug.Module{Path: "github.com/spf13/cobra", Version: "v1.10.2"},
		&debug.Module{Path: "go.yaml.in/yaml/v3", Version: "v3.0.6+odd"}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range doc.Components {
		text := c.PURL + " " + c.Licences[0].Expression
		if id := c.Licences[0].Licence; id != nil {
			text = c.PURL + " " + id.ID
		}
		got = append(got, text)
	}
	want := []string{"pkg:golang/std@1.26.8 BSD-3-Clause", "pkg:golang/github.com/spf13/cobra@v1.10.2 Apache-2.0",
		"pkg:golang/go.yaml.in/yaml/v3@v3.0.6%2Bodd Apache-2.0 AND MIT"}
	if !slices.Equal(got, want) {
		t.Errorf("listed are %q", got)
	}
	if c := doc.Metadata.Component; c.Name != "telemetry" || c.Version != "v0.1.0" {
		t.Errorf("the program is %s %s", c.Name, c.Version)
	}
}

func TestWhatNobodyReviewedAndWhatIsReplacedIsRefused(t *testing.T) {
	t.Parallel()
	for want, module := range map[string]*debug.Module{
		"has not been reviewed": {Path: "example.com/new", Version: "v1.0.0"},
		"is replaced":           {Path: "github.com/spf13/cobra", Version: "v1.10.2", Replace: &debug.Module{Path: "../cobra"}},
	} {
		if _, err := describe(program(module)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", module.Path, err)
		}
	}
}
