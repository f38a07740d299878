// Package manpage makes the manual page of a program of this module from its commands' own help,
// so that the two cannot differ. With the build tag manpages a program has a command that prints
// its page; what people install is built without, and links none of this.
package manpage

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Page returns the manual page of a program with all of its commands, in the language of
// man(7). It names no version, and of the days none but that of the source, if it is known: the same
// commit is the same bytes.
func Page(root *cobra.Command, day time.Time) []byte {
	root.InitDefaultVersionFlag() // which is added as a command runs
	p := &page{program: root.Name()}
	date := ""
	if !day.IsZero() {
		date = day.UTC().Format(time.DateOnly)
	}
	fmt.Fprintf(&p.out, ".TH %s 1 %q \"\" \"User Commands\"\n", strings.ToUpper(p.program), date)
	p.out.WriteString(".SH NAME\n")
	p.line(p.program + " - " + lowerFirst(root.Short))
	p.out.WriteString(".SH SYNOPSIS\n")
	p.usage(root)
	p.out.WriteString(".SH DESCRIPTION\n")
	p.prose(root.Long)
	if flags := root.NonInheritedFlags(); flags.HasAvailableFlags() {
		p.out.WriteString(".SH OPTIONS\n")
		p.flags(flags)
	}
	if root.HasAvailableSubCommands() {
		p.out.WriteString(".SH COMMANDS\n")
		p.commands(root)
	}
	if root.Example != "" {
		p.out.WriteString(".SH EXAMPLES\n")
		p.verbatim(root.Example)
	}
	return p.out.Bytes()
}

type page struct {
	program string
	out     bytes.Buffer
}

func (p *page) commands(parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "help" {
			continue
		}
		p.out.WriteString(".SS ")
		p.line(strings.TrimPrefix(cmd.CommandPath(), p.program+" "))
		if cmd.Name() == "completion" {
			// What cobra says of each shell is that shell's own page, and a package has put the
			// scripts where they belong.
			p.prose(cmd.Short + ": bash, zsh, fish or powershell.")
			continue
		}
		p.usage(cmd)
		p.out.WriteString(".PP\n")
		p.prose(cmp.Or(cmd.Long, cmd.Short))
		p.flags(cmd.NonInheritedFlags())
		if cmd.Example != "" {
			p.out.WriteString(".PP\n")
			p.verbatim(cmd.Example)
		}
		p.commands(cmd)
	}
}

// usage is how a command is called, as its help has it.
func (p *page) usage(cmd *cobra.Command) {
	if cmd.Runnable() {
		p.line(cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		if cmd.Runnable() {
			p.out.WriteString(".br\n")
		}
		p.line(cmd.CommandPath() + " COMMAND")
	}
}

func (p *page) flags(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, about := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		p.out.WriteString(".TP\n.B ")
		p.line(name)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" {
			about += " (default " + f.DefValue + ")"
		}
		p.line(about)
	})
}

// prose fills paragraphs to the width of the reader's screen, and leaves lines that are set in
// as they are: they are lists and commands.
func (p *page) prose(text string) {
	filled := true
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.out.WriteString(".PP\n")
		}
		for line := range strings.Lines(paragraph) {
			switch asIs := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"); {
			case asIs && filled:
				p.out.WriteString(".nf\n")
				filled = false
			case !asIs && !filled:
				p.out.WriteString(".fi\n")
				filled = true
			}
			p.line(strings.TrimRight(line, " \t\n"))
		}
		if !filled {
			p.out.WriteString(".fi\n")
			filled = true
		}
	}
}

func (p *page) verbatim(text string) {
	p.out.WriteString(".nf\n")
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		p.line(strings.TrimRight(line, "\n"))
	}
	p.out.WriteString(".fi\n")
}

// literally spares what roff would read as its own: a backslash begins an escape, a hyphen may
// be set as a dash that no shell takes, and quotes are made curly.
var literally = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// line writes one line of text. A dot at its beginning would be a request.
func (p *page) line(text string) {
	text = literally.Replace(text)
	if strings.HasPrefix(text, ".") {
		p.out.WriteString(`\&`)
	}
	p.out.WriteString(text + "\n")
}

// lowerFirst is how a line of NAME begins.
func lowerFirst(s string) string { return strings.ToLower(s[:min(len(s), 1)]) + s[min(len(s), 1):] }
