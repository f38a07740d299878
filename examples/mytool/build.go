package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
)

// Whoever builds the tool sets these with -ldflags "-X main.endpoint=… -X main.version=…".
// Whoever runs it cannot: where events go is not for an environment variable to say.
var (
	version   = "dev"
	endpoint  = "https://analytics.example.com/events"
	backend   string // "" follows from endpoint
	settings  string // of the backend: k=v,k=v
	interval  string // between two uploads, as in 10m
	deletions string // URL that deletion requests are posted to; "" sends them as events
)

// build is what was set, so that the functions below do not depend on it.
type build struct{ version, endpoint, backend, settings, interval, deletions string }

func built() build { return build{version, endpoint, backend, settings, interval, deletions} }

// events are all that mytool records beside the commands that ran. Whoever adds one, or a
// value, is told by TestWhatIsSentIsWhatTheNoticeSays what else there is to do.
var events = []props.EventSpec{{
	Type:    props.EventFeatureUsed,
	Purpose: "burst shows that no event is lost",
	Names:   []string{"burst"},
	Fields: []props.Field{
		{Name: "i", Type: props.Number(), Purpose: "which event of the burst it is"},
	},
}}

// declare says what mytool is. Where the build is wrong it returns, with the error, a
// tool that reports to nobody; the telemetry commands are there all the same, for
// whoever wants to say no.
func declare(b build) (props.Tool, error) {
	tool := props.Tool{
		Name:     "mytool",
		Version:  b.version,
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
	}
	pairs, err := parseSettings(b.settings)
	if err != nil {
		return tool, err
	}
	every, err := parseInterval(b.interval)
	if err != nil {
		return tool, err
	}
	tool.Telemetry = props.TelemetryConfig{
		Controller:     "the people who build this example",
		Contact:        "https://example.com/privacy",
		Retention:      "90 days",
		Purpose:        "to show what an author learns of a tool and what not",
		NoticeVersion:  1,
		Events:         events,
		Endpoint:       b.endpoint,
		Backend:        b.backend,
		Drivers:        vendors,
		Settings:       pairs,
		UploadInterval: every,
	}
	if b.deletions != "" {
		tool.Telemetry.DeletionRequestor = httpjson.Requestor{Endpoint: b.deletions}
	}
	return tool, nil
}

// parseSettings reads k=v,k=v. A value may hold "=" but no comma. What is not a pair is
// not repeated in the error: it may be half of a key.
func parseSettings(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	pairs := map[string]string{}
	for i, pair := range strings.Split(text, ",") {
		key, value, found := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		if !found || key == "" {
			return nil, fmt.Errorf("main.settings: part %d is not k=v; build with -X main.settings=k=v,k=v", i+1)
		}
		if _, twice := pairs[key]; twice {
			return nil, fmt.Errorf("main.settings: %q is set twice; leave one out", key)
		}
		pairs[key] = strings.TrimSpace(value)
	}
	return pairs, nil
}

func parseInterval(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	every, err := time.ParseDuration(text)
	if err != nil || every <= 0 {
		return 0, fmt.Errorf("main.interval: %q is not a duration above 0; build with -X main.interval=10m", text)
	}
	return every, nil
}
