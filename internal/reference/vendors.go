//go:build !notelemetry

package main

import (
	"fmt"
	"strings"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/backends/stdout"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	deleteamplitude "github.com/gotoolbase/telemetry/deletion/amplitude"
	deletedatadog "github.com/gotoolbase/telemetry/deletion/datadog"
	deleteposthog "github.com/gotoolbase/telemetry/deletion/posthog"
	deletesegment "github.com/gotoolbase/telemetry/deletion/segment"
)

// backends returns what each driver says of itself.
func backends(string) (string, error) {
	var w strings.Builder
	for _, d := range []driver.Driver{
		httpjson.Driver(), file.Driver(), stdout.Driver(), noop.Driver(),
		amplitude.Driver(), datadog.Driver(), otlp.Driver(), posthog.Driver(), segment.Driver(),
	} {
		fmt.Fprintf(&w, "### %s\n\n%s.\n", d.Name, capital(strings.TrimSuffix(d.Doc, ".")))
		settings(&w, d.Settings, "")
		if d.Accepted != "" {
			fmt.Fprintf(&w, "\nWhat acceptance means: %s.\n", strings.TrimSuffix(d.Accepted, "."))
		}
		for _, warning := range d.Warnings {
			fmt.Fprintf(&w, "\nWarning `%s`: %s.\n", warning.Name, strings.TrimSuffix(warning.Doc, "."))
		}
		if limits := limits(d.Limits); limits != "" {
			fmt.Fprintf(&w, "\nAt most: %s.\n", limits)
		}
		w.WriteString("\n")
	}
	return w.String(), nil
}

// vendors returns what each vendor that erases says of itself.
func vendors(string) (string, error) {
	var w strings.Builder
	for _, v := range []deletion.Vendor{deleteamplitude.Vendor(), deletedatadog.Vendor(), deleteposthog.Vendor(), deletesegment.Vendor()} {
		fmt.Fprintf(&w, "### Deletion at %s\n\n%s.\n", v.Name, capital(strings.TrimSuffix(v.Doc, ".")))
		settings(&w, v.Settings, "_file` or `%s_env")
		w.WriteString("\n")
	}
	return w.String(), nil
}

// settings writes a table. secret is how the name of a secret one goes on.
func settings(w *strings.Builder, list []driver.Setting, secret string) {
	if len(list) == 0 {
		return
	}
	w.WriteString("\n| setting | what it is | |\n|---|---|---|\n")
	for _, s := range list {
		var notes []string
		if s.Required {
			notes = append(notes, "required")
		}
		if s.Default != "" {
			notes = append(notes, "default `"+s.Default+"`")
		}
		if len(s.Values) > 0 {
			notes = append(notes, "one of `"+strings.Join(s.Values, "`, `")+"`")
		}
		name := s.Name
		if s.Secret {
			notes = append(notes, "secret")
			if secret != "" {
				name += fmt.Sprintf(secret, s.Name)
			}
		}
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", name, strings.ReplaceAll(s.Doc, "|", "\\|"), strings.Join(notes, "; "))
	}
}

func limits(l driver.Limits) string {
	var all []string
	for _, one := range []struct {
		n    int
		what string
	}{
		{l.Events, "events in a request"}, {l.Bytes, "bytes in a request"},
		{l.EventBytes, "bytes in an event"}, {l.PerMinute, "events in a minute from one installation"},
	} {
		if one.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	return strings.Join(all, ", ")
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
