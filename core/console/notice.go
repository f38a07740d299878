package console

import (
	"maps"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// fieldWords says in words what each field of an event holds, by its JSON name. A test
// holds it against driver.Event, so that the notice names all that is sent.
var fieldWords = []struct{ fields, words string }{
	{"type name flags", "what happened, such as which command ran and with which flags, but not with what values"},
	{"timestamp duration_ms exit_code error_class", "when, how long it took, its exit code and, in a word, what went wrong"},
	{"tool_name tool_version go_version", "the tool, its version and the Go version it was built with"},
	{"os os_version arch container", "the kind of operating system and processor, and whether it is a container"},
	{"ci ci_provider interactive agent", "whether a person, a coding agent or a build system ran it, and which of these"},
	{"machine_id", "a machine ID, which stands for you in this tool only"},
	{"id run_id consent_id", "random numbers that mark the report, the run and your answer"},
	{"truncated redacted time_adjusted count failures durations sample_rate",
		"about the report itself: what was cut or taken out, whether your clock was wrong, how many uses it counts"},
	{"metadata", ""}, // metadataWords
	{"args error", ""},
}

// Notice returns what a person reads before they say yes: what changed since an earlier yes,
// the author's text, the list of what is sent, where it goes, and how to stop it. It ends with
// a line break.
func Notice(m *core.Manager, options ...Option) string {
	s := gather(options)
	return s.notice(screen.Screen{}, m.Tool(), m.Status(), s.hints(m)("disable"))
}

// notice is Notice as wide as a screen. No author can leave anything out of it: their own text
// stands beside the list, never instead of it.
func (s *settings) notice(on screen.Screen, tool props.Tool, status core.Status, disable string) string {
	var b strings.Builder
	page := screen.Screen{Writer: &b, Columns: on.Columns}
	if changes := status.Decision.Beyond; len(changes) > 0 {
		page.Paragraph(s.text("You said yes before. New since then:"))
		for _, change := range changes {
			page.Item("  - ", change)
		}
		b.WriteString("\n")
	}
	if text := strings.TrimSpace(tool.Telemetry.Notice); text != "" {
		page.Text(text)
		b.WriteString("\n")
	}
	s.fieldList(page, tool, status.Pinned)
	b.WriteString("\n")
	page.Paragraph(s.destination(status))
	if shared := tool.Telemetry.Installation; shared != "" && shared != tool.Name {
		page.Paragraph(s.text("Your answer is for %[1]s and for every other tool that shares %[2]s.", tool.Name, shared))
	}
	for _, row := range s.whoAsks(status.Controller) {
		page.Paragraph(s.text("%[1]s: %[2]s", row.Label, row.Value))
	}
	if url := tool.Telemetry.PrivacyURL; url != "" {
		page.Paragraph(s.text("Privacy policy: %s", screen.Clean(url)))
	}
	page.Paragraph(s.text("To turn it off at any time: %s", disable))
	return b.String()
}

// whoAsks says who answers for the data, and for what it is asked, as far as the author says.
func (s *settings) whoAsks(c core.Controller) (rows []screen.Row) {
	for _, row := range []screen.Row{
		{Label: s.text("Who asks"), Value: c.Name},
		{Label: s.text("What for"), Value: c.Purpose},
		{Label: s.text("Kept for"), Value: c.Retention},
		{Label: s.text("Questions to"), Value: c.Contact},
	} {
		if row.Value != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// fieldList says what a report holds.
func (s *settings) fieldList(page screen.Screen, tool props.Tool, pinned bool) {
	config := tool.Telemetry
	if pinned {
		page.Paragraph(s.text("%s can report how it is used, to show this machine's administrator what matters. Each report holds:", tool.Name))
	} else {
		page.Paragraph(s.text("%s can report how it is used, to show its authors what matters. Each report holds:", tool.Name))
	}
	shared := config.Installation != "" && config.Installation != tool.Name
	for _, f := range fieldWords {
		switch {
		case f.fields == "machine_id" && shared:
			page.Item("  - ", s.text("a machine ID, which stands for you in all tools that share %s", config.Installation))
		case f.words != "":
			page.Item("  - ", s.text(f.words))
		}
	}
	page.Item("  - ", s.metadataWords(config))
	if config.ExtendedCollection {
		page.Item("  - ", s.text("the command's arguments and its error message, without what looks like a secret or a path"))
		page.Paragraph(s.text("Nothing else is in it: no file names or contents, and neither your name nor your computer's."))
		return
	}
	page.Paragraph(s.text("Nothing else is in it: no arguments, no error messages, no file names or contents, and neither your name nor your computer's."))
}

// metadataWords says what the author's own pairs are, as far as the declaration tells.
func (s *settings) metadataWords(config props.TelemetryConfig) string {
	keys := slices.Concat(slices.Collect(maps.Keys(config.Metadata)), config.MetadataKeys)
	fields := config.Fields
	for _, e := range config.Events {
		fields = slices.Concat(fields, e.Fields)
	}
	for _, f := range fields {
		keys = append(keys, f.Name)
	}
	if config.MetadataKeys == nil && config.Events == nil && config.Fields == nil {
		return s.text("details that the tool adds, such as an output format")
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) == 0 {
		return s.text("no details beyond these")
	}
	return s.text("the details %s", screen.Clean(strings.Join(keys, ", ")))
}

// destination says where events go, with what the receiver learns besides.
func (s *settings) destination(status core.Status) string {
	switch b := status.Backend; {
	case len(b.Hosts) > 0 && status.Pinned:
		return s.text("It is sent to %s, set by this machine's administrator in the place of the tool's own receiver, under a pseudonym. Like any server, the receiver sees the IP address that you connect from; it is not part of the data.",
			screen.Clean(strings.Join(b.Hosts, ", ")))
	case len(b.Hosts) > 0:
		return s.text("It is sent to %s, under a pseudonym. Like any server, the receiver sees the IP address that you connect from; it is not part of the data.",
			screen.Clean(strings.Join(b.Hosts, ", ")))
	case status.Omitted:
		return s.text("It is sent nowhere: this build is one without telemetry.")
	case b.Name == "noop" && status.Unusable != "":
		return s.text("It is sent nowhere, because something is wrong: %s. When that is mended, you are asked again.", screen.Clean(status.Unusable))
	case b.Name == "noop":
		return s.text("It is sent nowhere: the tool names no receiver.")
	case b.Local && status.LocalLog != "":
		return s.text("It stays on this machine, in %s.", screen.Clean(status.LocalLog))
	case b.Local:
		return s.text("It stays on this machine.")
	default:
		return s.text("It is sent by the backend %s, under a pseudonym.", b.Name)
	}
}

// turnedOn is what a person reads once whose telemetry is on because of a variable that
// is not the tool's own.
func (s *settings) turnedOn(on screen.Screen, tool string, status core.Status, hint func(string) string) string {
	var b strings.Builder
	page := screen.Screen{Writer: &b, Columns: on.Columns}
	// Scripts without spaces have none between sentences either.
	page.Paragraph(s.text("%[1]s %[2]s", s.text("Telemetry of %s is on, because %s is set.", tool, consent.GeneralVariable), s.destination(status)))
	page.Paragraph(s.text("To turn it off: %s", hint("disable")))
	page.Paragraph(s.text("To have it on for %[1]s only: %[2]s=on instead of %[3]s", tool, consent.EnvName(tool), consent.GeneralVariable))
	return b.String()
}
