package schemafile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core"
)

// Page is the name of the file that Markdown is for.
const Page = "TELEMETRY.md"

// Markdown returns a page for the people who use the tool.
func Markdown(s core.Schema) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# What %s may send\n\n", s.Tool)
	fmt.Fprintf(&b, "Nothing is sent unless you say yes. Then events may be sent that hold what is below, and nothing else.\n"+
		"It is what version %d of the notice is about: when there is more, you are asked again.\n\n", s.NoticeVersion)
	fmt.Fprintf(&b, "This page is made by `%s telemetry schema --output markdown`; do not edit it.\n\n", s.Tool)
	if s.Controller != (core.Controller{}) {
		b.WriteString("## Who asks, and for what\n\n")
		who := controllerRows(s.Controller)
		table(&b, []string{"", ""}, len(who), func(i int) []string { return who[i] })
		b.WriteString("\n")
	}
	b.WriteString("## Events\n\n")
	table(&b, []string{"type", "for", "names", "when"}, len(s.Events), func(i int) []string {
		e := s.Events[i]
		return []string{code(e.Type), e.Purpose, Names(e), When(e)}
	})
	if !s.Declared {
		b.WriteString("\nThere may be events of other types as well.\n")
	}
	for _, e := range s.Events {
		if len(e.Fields) > 0 {
			fmt.Fprintf(&b, "\n### Metadata of `%s`\n\n", e.Type)
			metadata(&b, e.Fields)
		}
	}
	if len(s.Metadata) > 0 || s.AnyKey {
		b.WriteString("\n### Metadata of any event\n\n")
		if len(s.Metadata) > 0 {
			metadata(&b, s.Metadata)
		}
		if s.AnyKey {
			b.WriteString("There may be other details as well, without what looks like a secret, a path or a name.\n")
		}
	}
	b.WriteString("\n## Fields of every event\n\n")
	table(&b, []string{"field", "for", "value", "present"}, len(s.Fields), func(i int) []string {
		f := s.Fields[i]
		return []string{code(f.Name), f.Purpose, Words(f), f.Present}
	})
	return []byte(b.String())
}

// controllerRows leaves out what the author does not say.
func controllerRows(c core.Controller) [][]string {
	rows := [][]string{{"who", c.Name}, {"for what", c.Purpose}, {"kept for", c.Retention}, {"contact", c.Contact}}
	return slices.DeleteFunc(rows, func(row []string) bool { return row[1] == "" })
}

func metadata(b *strings.Builder, fields []core.SchemaField) {
	table(b, []string{"key", "for", "value", "when"}, len(fields), func(i int) []string {
		f := fields[i]
		return []string{code(f.Name), f.Purpose, Words(f), Period(f.Since, f.Until)}
	})
}

func code(text string) string { return "`" + text + "`" }

func table(b *strings.Builder, heading []string, rows int, row func(i int) []string) {
	// Keeps the author's words from ending a cell or becoming markup.
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ")
	line := func(cells []string) {
		b.WriteByte('|')
		for _, c := range cells {
			b.WriteString(strings.TrimRight(" "+cell.Replace(c), " ") + " |")
		}
		b.WriteByte('\n')
	}
	line(heading)
	b.WriteString(strings.Repeat("|---", len(heading)) + "|\n")
	for i := range rows {
		line(row(i))
	}
}
