package backends

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

const (
	// canary is in place of secrets, and must be in nothing that is said.
	canary      = "c4n4ry"
	posthogKey  = "phc_0123456789"
	elsewhere   = "http://vendor.example/x"
	loopback    = "http://127.0.0.1:9/x"
	headers     = "Telemetry.Headers"
	ofSettings  = "Telemetry.Settings"
	ofEndpoint  = ofSettings + "[endpoint]"
	ofInstance  = ofSettings + "[instance]"
	ofGroupType = ofSettings + "[group_type]"
)

type settings = map[string]string

// declaration is what an author may write, and the field that the mistake in it is in;
// empty where there is none.
type declaration struct {
	backend  string
	settings settings
	headers  map[string]string
	insecure bool
	field    string
}

// declarations are mistakes that no setting shows by itself, and next to each what is right.
var declarations = map[string]declaration{
	"posthog, of the US":                {"posthog", settings{"project_key": posthogKey}, nil, false, ""},
	"posthog, both places":              {"posthog", settings{"project_key": posthogKey, "instance": "eu", "endpoint": "https://h.example"}, nil, false, ofEndpoint},
	"posthog, half a group":             {"posthog", settings{"project_key": posthogKey, "group_type": "product"}, nil, false, ofGroupType},
	"posthog, the other half":           {"posthog", settings{"project_key": posthogKey, "group_key": "x"}, nil, false, ofGroupType},
	"posthog, plain":                    {"posthog", settings{"project_key": posthogKey, "endpoint": elsewhere}, nil, false, ofEndpoint},
	"posthog, plain and insecure":       {"posthog", settings{"project_key": posthogKey, "endpoint": elsewhere}, nil, true, ""},
	"posthog, v1's header":              {"posthog", settings{"project_key": posthogKey}, map[string]string{"authorization": canary}, false, headers},
	"posthog, a personal key":           {"posthog", settings{"project_key": posthogKey, "intake": "batch"}, map[string]string{"Authorization": canary}, false, headers},
	"posthog, a proxy's key":            {"posthog", settings{"project_key": posthogKey, "endpoint": loopback}, map[string]string{"Authorization": canary}, false, ""},
	"datadog, no key":                   {"datadog", nil, nil, false, ofSettings + "[api_key]"},
	"datadog, both keys":                {"datadog", settings{"api_key": canary, "client_token": "pub" + canary}, nil, false, ofSettings + "[client_token]"},
	"datadog, plain":                    {"datadog", settings{"endpoint": elsewhere}, nil, false, ofEndpoint},
	"datadog, a relay":                  {"datadog", settings{"endpoint": loopback}, map[string]string{"Authorization": canary}, false, ""},
	"datadog, an application key":       {"datadog", settings{"endpoint": loopback}, map[string]string{"dd-application-key": canary}, false, headers},
	"datadog, a key for a key":          {"datadog", settings{"api_key": canary}, map[string]string{"DD-API-KEY": canary}, false, headers},
	"datadog, a person's key":           {"datadog", settings{"api_key": canary}, map[string]string{"Authorization": canary}, false, headers},
	"datadog, its own header":           {"datadog", settings{"api_key": canary}, map[string]string{"accept": canary}, false, headers},
	"otlp, two spellings":               {"otlp", settings{"endpoint": loopback, "headers": "X-Key=" + canary}, map[string]string{"x-key": canary}, false, headers},
	"otlp, two headers":                 {"otlp", settings{"endpoint": loopback, "headers": "X-Key=" + canary}, map[string]string{"x-other": canary}, false, ""},
	"otlp, plain":                       {"otlp", settings{"endpoint": elsewhere}, nil, false, ofEndpoint},
	"segment, neither place":            {"segment", settings{"write_key": canary}, nil, false, ofInstance},
	"segment, both places":              {"segment", settings{"write_key": canary, "instance": "us", "endpoint": loopback}, nil, false, ofEndpoint},
	"segment, plain":                    {"segment", settings{"write_key": canary, "endpoint": elsewhere}, nil, false, ofEndpoint},
	"segment, another call":             {"segment", settings{"write_key": canary, "endpoint": "https://h.example/v1/track"}, nil, false, ofEndpoint},
	"segment, a key for a key":          {"segment", settings{"write_key": canary, "instance": "us"}, map[string]string{"authorization": canary}, false, headers},
	"segment, of the US":                {"segment", settings{"write_key": canary, "instance": "us"}, map[string]string{"X-Other": canary}, false, ""},
	"amplitude, neither place":          {"amplitude", settings{"api_key": canary}, nil, false, ofInstance},
	"amplitude, both places":            {"amplitude", settings{"api_key": canary, "instance": "us", "endpoint": loopback}, nil, false, ofEndpoint},
	"amplitude, plain":                  {"amplitude", settings{"api_key": canary, "endpoint": elsewhere}, nil, false, ofEndpoint},
	"amplitude, a secret key":           {"amplitude", settings{"api_key": canary, "instance": "us"}, map[string]string{"Authorization": canary}, false, headers},
	"amplitude, a proxy's key":          {"amplitude", settings{"api_key": canary, "endpoint": loopback}, map[string]string{"Authorization": canary}, false, ""},
	"http, plain":                       {"http", settings{"endpoint": elsewhere}, nil, false, ofEndpoint},
	"http, plain and insecure":          {"http", settings{"endpoint": elsewhere}, nil, true, ""},
	"http, the body's header":           {"http", settings{"endpoint": loopback}, map[string]string{"content-type": canary}, false, headers},
	"file, in the tool's own directory": {"file", nil, nil, false, ""},
}

// TestAMistakeIsToldBeforeAnybodyIsAskedOrRecorded goes the ways on which a tool and its
// people come to a backend.
func TestAMistakeIsToldBeforeAnybodyIsAskedOrRecorded(t *testing.T) {
	t.Parallel()
	for name, d := range declarations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tool := props.Tool{
				Name: "mytool", Version: "1.2.3", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
				Telemetry: props.TelemetryConfig{
					Backend: d.backend, Settings: d.settings, Headers: d.headers, Insecure: d.insecure,
					Drivers: []driver.Driver{amplitude.Driver(), datadog.Driver(), otlp.Driver(), posthog.Driver(), segment.Driver()},
				},
			}
			options := []core.Option{
				core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")),
				core.WithEnv(func(string) (string, bool) { return "", false }),
				core.WithPolicyFile(filepath.Join(t.TempDir(), "none")),
				core.WithUploadCommand("-test.run=^$"),
			}
			run := func(args ...string) (string, error) {
				root := &cobra.Command{Use: "mytool", SilenceErrors: true}
				root.AddCommand(&cobra.Command{Use: "build", Run: func(*cobra.Command, []string) {}})
				p := props.New(tool)
				wrong := telemetrycmd.Wire(root, p, telemetrycmd.WithCore(options...))
				if args[0] == "build" && p.Collector.Enabled() == (d.field != "") {
					t.Errorf("after Wire the collector is on: %v", p.Collector.Enabled())
				}
				var out bytes.Buffer
				root.SetOut(&out)
				root.SetErr(&out)
				root.SetArgs(args)
				if err := root.Execute(); err != nil {
					t.Errorf("%v: %v", args, err)
				}
				return out.String(), wrong
			}
			enable, _ := run("telemetry", "enable")
			_, wired := run("build")
			c, opened := core.Open(tool, options...)
			c.Track("feature.used", "x", nil)
			status, _ := run("telemetry", "status")
			waiting := core.NewManager(tool, options...).Status()

			if d.field == "" {
				if wired != nil || opened != nil || !c.Enabled() || !strings.Contains(enable, "Thank you") || !waiting.Recording {
					t.Errorf("Wire: %v; Open: %v, on: %v; status: %+v\n%s", wired, opened, c.Enabled(), waiting.Faults, enable)
				}
				return
			}
			for way, err := range map[string]error{"Wire": wired, "Open": opened} {
				var mistake *driver.ConfigError
				if !errors.As(err, &mistake) || mistake.Field != d.field {
					t.Errorf("%s returned %v, want a mistake in %s", way, err, d.field)
				} else if !strings.Contains(status, "Not recorded") || !strings.Contains(status, mistake.Field) {
					t.Errorf("status does not name the mistake:\n%s", status)
				}
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Errorf("%s shows a secret: %v", way, err)
				}
			}
			if c.Enabled() || waiting.Recording || waiting.Queue.Events > 0 {
				t.Errorf("on: %v, recording: %v, %d events wait", c.Enabled(), waiting.Recording, waiting.Queue.Events)
			}
			if strings.Contains(enable, "Thank") || strings.Contains(enable+status, canary) {
				t.Errorf("enable:\n%s\nstatus:\n%s", enable, status)
			}
		})
	}
}
