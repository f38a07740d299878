package console

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/tty"
)

// Command is one of the commands, for a command library to hang into its tree.
type Command struct {
	// Name is what people type, Args how its arguments are shown, "" where it takes none.
	Name, Args string
	// Aliases are other words that run it, such as on for enable. Completions leave them out.
	Aliases []string
	// SuggestFor are words that people try and that run nothing: [Unknown] answers them with
	// Name. A word for a yes, a no or a deletion is never taken for one.
	SuggestFor []string
	// Summary is a line, Help what --help says, in paragraphs.
	Summary, Help string
	// Examples are arguments that work, such as "status --explain".
	Examples []string
	// Hidden says that it is not for people.
	Hidden bool
	// Flags are its flags, to be parsed before Run is called; List tells them to a library that
	// parses by itself. One of a single letter is the short form of the one that has the same
	// Value. Each Value is a flag.Getter. HiddenFlags names those that are not shown.
	Flags       *flag.FlagSet
	HiddenFlags []string
	// Run runs it with the arguments that are left. It prints no error. A mistake in the call is
	// an *UsageError. A nil stream is the process's own.
	Run func(ctx context.Context, s Streams, args []string) error
	// MaxArgs is how many arguments it takes. Complete returns what a first one may be, for a
	// shell that completes it: each with a tab and what it is, newest first. It is nil where that
	// is no list of ours.
	MaxArgs  int
	Complete func() []string

	set *settings
}

// Flag is a flag of a command, with what command libraries want to know of it.
type Flag struct {
	*flag.Flag
	// Letter is its short form, "" if it has none.
	Letter string
	// Bool says that it takes no value, Hidden that it is not shown.
	Bool, Hidden bool
	// Choices are the values that it takes, each followed by a tab and what it is for, nil
	// where any value does.
	Choices []string
}

// List returns the command's flags, each once.
func (c *Command) List() (list []Flag) {
	letters := map[flag.Value]string{}
	c.Flags.VisitAll(func(f *flag.Flag) {
		if len(f.Name) == 1 {
			letters[f.Value] = f.Name
		}
	})
	c.Flags.VisitAll(func(f *flag.Flag) {
		if len(f.Name) == 1 {
			return
		}
		one := Flag{Flag: f, Letter: letters[f.Value], Hidden: slices.Contains(c.HiddenFlags, f.Name)}
		_, one.Bool = f.Value.(flag.Getter).Get().(bool)
		if format, ok := f.Value.(*formatFlag); ok {
			for _, value := range format.formats {
				one.Choices = append(one.Choices, string(value)+"\t"+c.set.text(formatWords()[value]))
			}
		}
		list = append(list, one)
	})
	return list
}

// printHelp prints what --help says.
func (c *Command) printHelp(on screen.Screen, hint func(string) string) {
	text := c.set.text
	w := &strings.Builder{}
	usage := c.Name
	if c.Args != "" {
		usage += " " + c.Args
	}
	fmt.Fprintf(w, "%s\n\n%s\n  %s %s\n", c.Help, text("Usage:"), hint(usage), text("[FLAGS]"))
	if len(c.Aliases) > 0 {
		fmt.Fprintf(w, "\n%s\n", text("Aliases:"))
		for _, alias := range c.Aliases {
			fmt.Fprintf(w, "  %s\n", hint(alias))
		}
	}
	if len(c.Examples) > 0 {
		fmt.Fprintf(w, "\n%s\n", text("Examples:"))
		for _, example := range c.Examples {
			fmt.Fprintf(w, "  %s\n", hint(example))
		}
	}
	fmt.Fprintf(w, "\n%s\n", text("Flags:"))
	for _, f := range c.List() {
		if f.Hidden {
			continue
		}
		kind, usage := flag.UnquoteUsage(f.Flag)
		if format, ok := f.Value.(*formatFlag); ok {
			kind = format.Type()
		}
		letter := "    "
		if f.Letter != "" {
			letter = "-" + f.Letter + ", "
		}
		fmt.Fprintf(w, "  %s--%s\n        %s\n", letter, strings.TrimSpace(f.Name+" "+kind), usage)
	}
	on.Help(w.String())
}

// commands is what the commands of one list share.
type commands struct {
	*settings
	open func() (*core.Manager, error)
}

// call is one call of a command.
type call struct {
	*settings
	ctx  context.Context
	m    *core.Manager
	in   io.Reader
	out  screen.Screen // standard output
	err  screen.Screen // standard error
	hint func(command string) string
	args []string
}

// Commands returns the commands that people have, and the hidden upload. open returns the manager when one of them runs, for a program that learns
// only then which tool it is about. Each list is for one execution at a time.
func Commands(open func() (*core.Manager, error), options ...Option) []*Command {
	set := &commands{gather(options), open}
	return []*Command{
		set.enable(), set.disable(), set.status(), set.schema(), set.inspect(), set.log(), set.receipts(), set.export(),
		set.reset(), set.flush(), set.share(), set.upload(),
	}
}

// Check returns the command check, which sends one marked event to the declared backend and
// says what the receiver answers. It is for authors, in a program of theirs: a tool that users
// have should not offer it.
func Check(open func() (*core.Manager, error), options ...Option) *Command {
	set := &commands{gather(options), open}
	return set.checkCommand()
}

// notedWriter keeps the first error, which most of what prints does not look at: a list that
// was cut off by a full disk must not look like a whole one.
type notedWriter struct {
	io.Writer
	err error
}

func (w *notedWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// maxOffered is how many numbers a shell is offered: more than a screen of them is no help.
const maxOffered = 20

// completing makes a Complete. Whatever is wrong, a shell is offered nothing and told nothing.
func (s *commands) completing(list func(*call) []string) func() []string {
	return func() []string {
		m, err := s.open()
		if err != nil {
			return nil
		}
		return list(&call{settings: s.settings, ctx: context.Background(), m: m, hint: s.hints(m)})
	}
}

// command makes a command without flags of its own; do is what it does.
func (s *commands) command(name, summary, help string, do func(c *call) error, examples ...string) *Command {
	c := &Command{set: s.settings, Name: name, Summary: s.text(summary), Help: s.text(help), Examples: examples, Flags: flag.NewFlagSet(name, flag.ContinueOnError)}
	c.Run = func(ctx context.Context, streams Streams, args []string) error {
		if len(args) > c.MaxArgs {
			return &UsageError{c.tooMany(args)}
		}
		m, err := s.open()
		if err != nil {
			return err
		}
		streams = streams.complete()
		printed := out(streams.Out, m)
		noted := &notedWriter{Writer: printed.Writer}
		printed.Writer = noted
		err = do(&call{
			settings: s.settings, ctx: ctx, m: m, in: streams.In, out: printed, err: out(streams.Err, m),
			hint: s.hints(m), args: args,
		})
		if err == nil && noted.err != nil {
			err = s.errorf("what is printed did not arrive: %w", plaintext.Bare(noted.err))
		}
		return err
	}
	return c
}

// unseen reports whether no person can have seen what was printed.
func (c *call) unseen() bool {
	noted, ok := c.out.Writer.(*notedWriter)
	return ok && tty.Drops(noted.Writer)
}

// unheard reports whether something that was printed did not arrive.
func (c *call) unheard() bool {
	noted, ok := c.out.Writer.(*notedWriter)
	return ok && noted.err != nil
}

func (c *Command) tooMany(args []string) error {
	if c.MaxArgs == 0 {
		return c.set.errorf("%[1]s takes no arguments, but was given %[2]q", c.Name, args[0])
	}
	return c.set.errorf("%[1]s takes %[2]s, but was given %[3]q as well", c.Name, c.Args, args[c.MaxArgs])
}

// outputFormat is what a command prints.
type outputFormat string

const (
	formatText outputFormat = "text"
	formatJSON outputFormat = "json"
)

// formatWords say what formats are for, in completions.
func formatWords() map[outputFormat]string {
	return map[outputFormat]string{
		formatText: "for people", formatJSON: "for programs", formatMarkdown: "for a page", formatJSONSchema: "to check events with",
	}
}

// formatFlag is the flag --output. As a flag.Value it refuses what is not among its formats
// when flags are parsed, which is a usage error.
type formatFlag struct {
	format  outputFormat
	formats []outputFormat
}

func (f *formatFlag) String() string { return string(f.format) }

// Get is what flag.Getter asks for, which some command libraries need.
func (f *formatFlag) Get() any { return string(f.format) }

// Type is what pflag asks for.
func (f *formatFlag) Type() string { return strings.Join(f.names(), "|") }

func (f *formatFlag) names() []string {
	names := make([]string, len(f.formats))
	for i, format := range f.formats {
		names[i] = string(format)
	}
	return names
}

func (f *formatFlag) Set(value string) error {
	if !slices.Contains(f.formats, outputFormat(value)) {
		names := f.names()
		last := len(names) - 1
		if last == 0 {
			return errors.New("must be " + names[0])
		}
		return errors.New("must be " + strings.Join(names[:last], ", ") + " or " + names[last])
	}
	f.format = outputFormat(value)
	return nil
}

// addOutput adds --output to a command, with formats beside text and JSON.
func (c *Command) addOutput(others ...outputFormat) *outputFormat {
	return c.addOutputOf(c.set.text("for people or for programs"), append([]outputFormat{formatText, formatJSON}, others...)...)
}

// addOutputOf adds --output with these formats alone, the first where none is given.
func (c *Command) addOutputOf(usage string, formats ...outputFormat) *outputFormat {
	f := &formatFlag{format: formats[0], formats: formats}
	c.Flags.Var(f, "output", usage)
	c.Flags.Var(f, "o", "")
	return &f.format
}

// addBool adds a flag that is given or not; letter is its short form, "" for none.
func (c *Command) addBool(name, letter, usage string) *bool {
	value := c.Flags.Bool(name, false, c.set.text(usage))
	if letter != "" {
		c.Flags.Var(c.Flags.Lookup(name).Value, letter, "")
	}
	return value
}
