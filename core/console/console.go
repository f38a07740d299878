// Package console is the person's side of telemetry in a terminal: the notice, the question,
// and the commands with which they look, change their mind and are forgotten. It needs the
// standard library and core, and no command library. Authors of tools with cobra use package
// telemetrycmd, which is made of this; authors of other tools read on.
//
//	m := core.NewManager(tool)
//	if len(os.Args) > 1 && os.Args[1] == "telemetry" {
//		err := console.Run(ctx, m, os.Args[2:])
//		if err != nil {
//			fmt.Fprintln(os.Stderr, "mytool:", err)
//		}
//		os.Exit(core.ExitCode(err))
//	}
//	err := console.Record(ctx, m, "build", nil, func(c props.Collector) error { return build() })
//
// [Record] puts the question before the first command and records each. A command library gets
// the telemetry commands one by one from [Commands], each with its flags as a flag.FlagSet:
// contrib/ has adapters for urfave/cli and kong, each a module of its own, and examples/plain
// is a tool with none of them.
//
// # When the question is put
//
// [Ask] puts it if there is no decision yet and a person to make it: a terminal on
// standard input, output and error, whose foreground job the command is; no continuous
// integration and no coding agent, by their variables; nothing typed ahead; no deadline that
// the question could use up; a receiver that an answer leads to, and a place to store it. It
// is put once: a question that was not answered is not put again until what is collected
// changes. Where a command prints for another program the author says [WithoutQuestion].
package console

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// Option changes what Run, Commands and Ask do. Tools rarely need one.
type Option func(*settings)

// settings are what the options say.
type settings struct {
	streams  Streams
	path     func() string
	messages Messages
	patience time.Duration
	unasked  bool
	openURL  func(lookup func(string) (string, bool), link string) error
}

// Streams are what a command reads and writes. What is nil is the process's own.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

func (s Streams) complete() Streams {
	if s.In == nil {
		s.In = os.Stdin
	}
	if s.Out == nil {
		s.Out = os.Stdout
	}
	if s.Err == nil {
		s.Err = os.Stderr
	}
	return s
}

// WithStreams is where Run and Ask read and write instead of the process's own streams.
func WithStreams(s Streams) Option { return func(o *settings) { o.streams = s } }

// WithPath says how people call the group of commands, for help and hints. The default is the
// tool's name and "telemetry". It is asked each time, so it may change when flags are parsed.
func WithPath(path func() string) Option { return func(o *settings) { o.path = path } }

// WithMessages translates what is printed.
func WithMessages(m Messages) Option { return func(o *settings) { o.messages = m } }

// WithPatience is how long the question waits for an answer instead of 20 seconds.
func WithPatience(d time.Duration) Option { return func(o *settings) { o.patience = d } }

// WithoutQuestion says that the person is not to be asked or told anything by this command, such as one
// that was called with --json. Another command asks.
func WithoutQuestion() Option { return func(o *settings) { o.unasked = true } }

// WithOpener opens a link, such as a prepared mail, instead of the person's desktop.
func WithOpener(open func(lookup func(string) (string, bool), link string) error) Option {
	return func(o *settings) { o.openURL = open }
}

// defaultPatience is time enough to find out what the notice is about and to type one
// letter. A person who reads it to the end may need longer and loses nothing: nothing is
// collected, and enable shows it again. A machine without a person in front of it loses it once.
const defaultPatience = 20 * time.Second

func gather(list []Option) *settings {
	s := &settings{patience: defaultPatience, openURL: openOnDesktop}
	for _, option := range list {
		option(s)
	}
	return s
}

// hints returns how people call a command of the group.
func (s *settings) hints(m *core.Manager) func(command string) string {
	return func(command string) string {
		if s.path != nil {
			return s.path() + " " + command
		}
		return m.Tool().Name + " telemetry " + command
	}
}

// Run runs one of the commands; args are what follows the word telemetry. Without args, and
// with --help or help, it prints what there is. It prints no error: the caller does, and ends
// with core.ExitCode of it, which is 2 for an [*UsageError].
func Run(ctx context.Context, m *core.Manager, args []string, options ...Option) error {
	s := gather(options)
	streams := s.streams.complete()
	on := out(streams.Out, m)
	list := Commands(func() (*core.Manager, error) { return m, nil }, options...)
	if len(args) == 0 || isHelp(args[0]) {
		if len(args) > 1 && args[0] == "help" {
			if c := find(list, args[1]); c != nil {
				c.printHelp(on, s.hints(m))
				return nil
			}
		}
		s.printGroup(on, m.Tool().Name, list, s.hints(m))
		return nil
	}
	c := find(list, args[0])
	if c == nil {
		return Unknown(list, args[0], options...)
	}
	c.Flags.Init(c.Name, flag.ContinueOnError)
	c.Flags.SetOutput(io.Discard)
	rest, err := parse(c.Flags, args[1:])
	if errors.Is(err, flag.ErrHelp) {
		c.printHelp(on, s.hints(m))
		return nil
	}
	if err != nil {
		return &UsageError{err}
	}
	return c.Run(ctx, streams, rest)
}

func isHelp(arg string) bool {
	return arg == "help" || arg == "-h" || arg == "-help" || arg == "--help"
}

// parse parses flags that stand before, between and behind arguments. "--" ends them.
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		left := flags.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

func find(list []*Command, name string) *Command {
	for _, c := range list {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

// Group returns what the commands are for, in a line and in a paragraph.
func Group(tool string, options ...Option) (summary, help string) {
	return gather(options).group(tool)
}

// Summary returns the line of Group alone, for what needs the paragraph in few runs.
func Summary(tool string, options ...Option) string { return gather(options).summary(tool) }

func (s *settings) summary(tool string) string {
	return s.text("Look at and change what %s reports about its use", tool)
}

func (s *settings) group(tool string) (summary, help string) {
	return s.summary(tool), s.text("Look at and change what %s reports about its use.\n\n"+
		"Nothing is collected unless you say yes, and you can change your mind at any time.", tool)
}

// printGroup prints what commands there are.
func (s *settings) printGroup(on screen.Screen, tool string, list []*Command, hint func(string) string) {
	_, help := s.group(tool)
	on.Text(fmt.Sprintf("%s\n\n%s\n  %s\n\n%s\n", help, s.text("Usage:"), hint(s.text("COMMAND [FLAGS]")), s.text("Commands:")))
	width := 0
	for _, c := range list {
		width = max(width, len(c.Name))
	}
	for _, c := range list {
		name := fmt.Sprintf("  %-*s  ", width, c.Name)
		switch {
		case c.Hidden:
		case on.Terminal:
			on.Item(name, c.Summary)
		default:
			fmt.Fprintln(on, name+c.Summary)
		}
	}
	fmt.Fprintln(on)
	on.Line(screen.Plain, s.text("More about one of them: %s", hint("help "+s.text("COMMAND"))))
}

// out is a screen on a stream.
func out(w io.Writer, m *core.Manager) screen.Screen { return screen.New(w, m.Lookup) }
