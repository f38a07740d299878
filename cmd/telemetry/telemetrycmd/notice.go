package telemetrycmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
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

// extendedWords says what ExtendedCollection adds.
const extendedWords = "the command's arguments and its error message, without what looks like a secret or a path"

// notice is what a person reads before they say yes: the author's text or the general
// one, and below it what no author can leave out: where the data goes and how to stop.
func notice(tool props.Tool, s core.Status, disable string) string {
	var b strings.Builder
	if changes := s.Decision.Beyond; len(changes) > 0 {
		paragraph(&b, "You said yes before. New since then:")
		for _, change := range changes {
			bullet(&b, change)
		}
		b.WriteString("\n")
	}
	if text := strings.TrimSpace(tool.Telemetry.Notice); text != "" {
		b.WriteString(text + "\n")
	} else {
		generalNotice(&b, tool)
	}
	b.WriteString("\n")
	paragraph(&b, destination(s))
	if url := tool.Telemetry.PrivacyURL; url != "" {
		fmt.Fprintf(&b, "Privacy policy: %s\n", url)
	}
	fmt.Fprintf(&b, "To turn it off at any time: %s\n", disable)
	return b.String()
}

func generalNotice(b *strings.Builder, tool props.Tool) {
	config := tool.Telemetry
	paragraph(b, tool.Name+" can report how it is used, to show its authors what matters. Each report holds:")
	var items []string
	for _, f := range fieldWords {
		if f.words != "" {
			items = append(items, f.words)
		}
	}
	items = append(items, metadataWords(config))
	never := "no file names or contents, and neither your name nor your computer's"
	if config.ExtendedCollection {
		items = append(items, extendedWords)
	} else {
		never = "no arguments, no error messages, " + never
	}
	for _, item := range items {
		bullet(b, item)
	}
	paragraph(b, "Nothing else is in it: "+never+".")
}

// metadataWords says what the author's own pairs are, as far as the declaration tells.
func metadataWords(config props.TelemetryConfig) string {
	keys := slices.Concat(slices.Collect(maps.Keys(config.Metadata)), config.MetadataKeys)
	fields := config.Fields
	for _, e := range config.Events {
		fields = slices.Concat(fields, e.Fields)
	}
	for _, f := range fields {
		keys = append(keys, f.Name)
	}
	if config.MetadataKeys == nil && config.Events == nil && config.Fields == nil {
		return "details that the tool adds, such as an output format"
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) == 0 {
		return "no details beyond these"
	}
	return "the details " + strings.Join(keys, ", ")
}

// destination says where events go, with what the receiver learns besides.
func destination(s core.Status) string {
	switch {
	case len(s.Backend.Hosts) > 0:
		return "It is sent to " + strings.Join(s.Backend.Hosts, ", ") +
			", under a pseudonym. Like any server, the receiver sees the IP address that you connect from; it is not part of the data."
	case s.Backend.Name == "noop":
		return "It is sent nowhere: the tool names no receiver."
	case s.Backend.Local && s.LocalLog != "":
		return "It stays on this machine, in " + s.LocalLog + "."
	case s.Backend.Local:
		return "It stays on this machine."
	}
	return "It is sent by the backend " + s.Backend.Name + ", under a pseudonym."
}

// turnedOn is what a person reads once whose telemetry is on because of a variable that
// is not the tool's own.
func turnedOn(tool string, s core.Status) string {
	var b strings.Builder
	paragraph(&b, "Telemetry of "+tool+" is on, because "+consent.GeneralVariable+" is set. "+destination(s))
	fmt.Fprintf(&b, "To turn it off: %s telemetry disable\n", tool)
	fmt.Fprintf(&b, "To have it on for %s only: %s=on instead of %s\n", tool, consent.EnvName(tool), consent.GeneralVariable)
	return b.String()
}

// lineWidth fits the narrowest terminal in common use.
const lineWidth = 78

// paragraph writes text with line breaks, bullet with a mark before it.
func paragraph(b *strings.Builder, text string) { wrapped(b, "", text) }
func bullet(b *strings.Builder, text string)    { wrapped(b, "  - ", text) }

func wrapped(b *strings.Builder, mark, text string) {
	b.WriteString(mark)
	used := 0
	for _, word := range strings.Fields(plaintext.Clean(text)) {
		n := utf8.RuneCountInString(word)
		if used > 0 && len(mark)+used+1+n > lineWidth {
			b.WriteString("\n" + strings.Repeat(" ", len(mark)))
			used = 0
		}
		if used > 0 {
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	b.WriteByte('\n')
}
