// Package toolfile reads a props.Tool from a YAML file whose keys are the names of the
// Go fields. It is for tools and scripts that embed or ship such a file, and for
// cmd/telemetry; a tool that declares itself in Go needs none of it.
//
//	Name: mytool
//	Version: 1.2.3
//	Telemetry:
//	  Backend: posthog
//	  Settings: {project_key: phc_x, instance: eu}
//	  UploadInterval: 10m
//	  Controller: Example Ltd
//	  Contact: privacy@example.com
//	  Retention: 14 months
//	  Purpose: to find out which formats matter
//	  Events:
//	    - Type: export.finished
//	      Purpose: which formats matter
//	      Until: 2027-06-30
//	      Fields:
//	        - {Name: format, Type: {OneOf: [json, csv]}, Purpose: what was asked for}
//	        - {Name: rows, Type: {Buckets: [10, 100, 1000]}}
//	        - {Name: compressed, Type: Bool}
//
// The type of a field is Number, Bool, Version or Text, {OneOf: [VALUE, …]} or
// {Buckets: [BOUND, …]}, as the functions of package props.
//
// The file is the author's word, so it is read strictly: whatever is unknown, twice
// there or of another kind is an error that names the line, the key and what would be
// right, and repeats no value, which may be a secret. Nothing in it is expanded:
// "${HOME}" stays as it is written, since no endpoint and no key may come from the
// environment of the person who runs the tool.
package toolfile

import (
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

// document is what is known of such files. 64 KiB is far above what a declaration with a
// long notice takes.
var document = strictyaml.Document{
	Max:     64,
	Empty:   "the file is empty: it needs at least a Name",
	One:     "one file declares one tool",
	Plain:   "not a plain file: the background upload could not read it again",
	Example: "Name: mytool",
}

// Error is a mistake in a file: its Line, the path of its Key, and its Problem, which says
// what is wrong and what would be right.
type Error = strictyaml.Error

// Load reads the tool declared in the file at path, which is a plain one: the
// background upload reads it again. See Parse.
func Load(path string, drivers ...driver.Driver) (props.Tool, error) {
	data, err := document.Read(path)
	if err != nil {
		return props.Tool{}, err
	}
	return Parse(data, drivers...)
}

// Parse reads the tool declared in data. drivers become Telemetry.Drivers, which is
// code and cannot stand in a file. Telemetry is on as a feature unless the file says
// "Features: {telemetry: false}": that the person is asked first does not depend on it.
// The errors are *Error; what a driver makes of its settings is core.Open's to say.
func Parse(data []byte, drivers ...driver.Driver) (props.Tool, error) {
	root, err := document.Parse(data)
	if err != nil {
		return props.Tool{}, err
	}
	tool := props.Tool{Features: props.SetFeatures(props.Enable(props.TelemetryCmd))}
	if err := strictyaml.Fields(root, "", toolFields(&tool)); err != nil {
		return props.Tool{}, err
	}
	tool.Telemetry.Drivers = drivers
	return tool, nil
}
