// Check is a module of its own so that what reads licences and documents of releases is no
// dependency of anybody who uses this project.
module github.com/gotoolbase/telemetry/release/check

go 1.26.0

require (
	github.com/CycloneDX/cyclonedx-go v0.9.3
	github.com/google/licensecheck v0.3.1
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.1
	go.yaml.in/yaml/v3 v3.0.6
)

require golang.org/x/text v0.14.0 // indirect
