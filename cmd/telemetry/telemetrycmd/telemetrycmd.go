// Package telemetrycmd gives a cobra tool its telemetry: Wire records every command by
// itself and asks the person once, New makes the `telemetry` commands with which they
// look, change their mind and are forgotten. Tool authors read it; a tool without cobra
// uses package core, and its Manager for commands of its own.
//
//	p := props.New(tool)
//	root := newRoot(p)
//	err := telemetrycmd.Wire(root, p) // last, when all commands are in the tree
//	os.Exit(telemetrycmd.Execute(root))
//
// # What is recorded
//
// One event for each command that is run:
//
//   - its path without the root ("remote add"), the root's own name for the root, or what
//     RecordAs says;
//   - how long it ran: with Execute from its first hook to its last, else its RunE, and 0
//     where it never came so far;
//   - its exit code, by ExitCode, and with Execute what that returns;
//   - the names of the flags that were set when its first hook began, as the author declared
//     them and in that order: the command's own, then those of its parents. Never a value.
//     Left out are hidden and deprecated flags, those given to ExcludeFlags, cobra's own
//     --help and --version, and --skip-telemetry;
//   - where something went wrong, the class of the error: what WithErrorClass says, or the
//     error's method TelemetryClass() string; else usage, interrupted, or what the standard
//     library knows of it; see props.ErrorClass;
//   - what Annotate adds, as metadata.
//
// Only where the author set ExtendedCollection there are also the positional arguments and
// the error's text, both scrubbed, and neither after a usage error: a misspelt word may be
// anything, and cobra's text repeats it.
//
// A panic is recorded with exit code 2 and goes on as it would.
//
// # What only Execute sees
//
// Wire alone sees what a command's hooks before it and its RunE return. With Execute in place
// of root.Execute the event tells how the execution ended: what PostRun made of it, and
// what cobra refused, which are unknown commands and flags, wrong arguments, required flags
// and groups of flags. Those have the name of the deepest command that was recognised
// ("remote" for `mytool remote tpyo`), the class usage unless their error brings another one,
// and nothing of what was typed. So has a group that is called without one of its commands,
// which cobra answers with help and exit code 0.
//
// # What is not recorded
//
// Help, version, shell completion and the telemetry commands, what NeverRecord is said of,
// and commands that are added to the tree after Wire: that is where those belong which a
// person named, such as aliases and plugins. A panic before the first hook, in a validator of
// arguments or in cobra.OnInitialize, has no command yet.
//
// A command that ends the process itself, by os.Exit, is not recorded by this run: return an
// error with an ExitCode method instead, or call Exit. See props.Collector for what a later
// run says of it.
package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// Option changes what Wire, New, Commands and Ask do. Tools rarely need one.
type Option func(*options)

type options struct {
	core            []core.Option
	machineReadable func(*cobra.Command) bool
	patience        time.Duration
	errorClass      func(error) props.ErrorClass
	openURL         func(lookup func(string) (string, bool), link string) error
}

// WithCore passes options on to core.Open and core.NewManager.
func WithCore(with ...core.Option) Option {
	return func(o *options) { o.core = append(o.core, with...) }
}

// WithMachineReadable adds the author's rule to those that find out whether another
// program reads the output of a command: then nobody is asked anything.
func WithMachineReadable(rule func(*cobra.Command) bool) Option {
	return func(o *options) { o.machineReadable = rule }
}

// WithErrorClass gives errors a class that they cannot bring themselves by a method
// TelemetryClass() string: one of package props, or of Telemetry.ErrorClasses. rule is called
// with what a command returned, never nil, and only where something is recorded; for "", and where it
// panics, the class is found as without it.
func WithErrorClass(rule func(error) props.ErrorClass) Option {
	return func(o *options) { o.errorClass = rule }
}

// withPatience is how long the question waits, for tests.
func withPatience(d time.Duration) Option { return func(o *options) { o.patience = d } }

// withOpener is what opens a link instead of the person's desktop, for tests.
func withOpener(open func(lookup func(string) (string, bool), link string) error) Option {
	return func(o *options) { o.openURL = open }
}

// defaultPatience is time enough to find out what the notice is about and to type one
// letter. Somebody who reads it to the end may need longer and loses nothing: nothing is
// collected, and enable shows it again. A machine where nobody sits loses it once.
const defaultPatience = 20 * time.Second

func gather(list []Option) *options {
	o := &options{patience: defaultPatience, openURL: openOnDesktop}
	for _, option := range list {
		option(o)
	}
	return o
}

// groupMark is the annotation of the `telemetry` command, wiredMark of those that Wire
// records: they make calling Wire twice harmless.
const (
	groupMark = "telemetrycmd.group"
	wiredMark = "telemetrycmd.wired"
)

// New returns the `telemetry` command with enable, disable, status, schema, reset, flush
// and share under it, and the hidden upload.
func New(m *core.Manager, list ...Option) *cobra.Command {
	name := m.Tool().Name
	path := func() string { return name + " " + groupName }
	group := &cobra.Command{
		Use:   groupName,
		Short: "Look at and change what " + name + " reports about its use",
		Long: "Look at and change what " + name + " reports about its use.\n\n" +
			"Nothing is collected unless you say yes, and you can change your mind at any time.",
		Example:                    "  " + path() + " status\n  " + path() + " disable",
		Annotations:                map[string]string{groupMark: "yes"},
		SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return UsageError(unknownCommand(cmd, args[0]))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// The hooks of the tool's own root do not run for these commands: whoever says no
		// must not need a working configuration or a login for it. See also keepFromOurs;
		// nothing keeps cobra from what was given to cobra.OnInitialize.
		PersistentPreRun:  func(*cobra.Command, []string) {},
		PersistentPostRun: func(*cobra.Command, []string) {},
	}
	group.SetFlagErrorFunc(asUsageError)
	requireNothing(group)
	group.AddCommand(Commands(path, func() (*core.Manager, error) { return m, nil }, list...)...)
	return group
}

// Commands returns the commands of New without the group around them, for a program
// that learns only when it runs which tool it is about. path tells how people call
// them, for help and hints, such as "mytool telemetry"; it is asked before flags are
// parsed and again after.
func Commands(path func() string, open func() (*core.Manager, error), list ...Option) []*cobra.Command {
	set := &commandSet{path: path, open: open, options: gather(list)}
	commands := []*cobra.Command{
		set.enable(), set.disable(), set.status(), set.schema(), set.reset(), set.flush(), set.share(), set.upload(),
	}
	for _, cmd := range commands {
		if cmd.Args == nil {
			cmd.Args = noArgs
		}
		cmd.ValidArgsFunction = cobra.NoFileCompletions
		cmd.SetFlagErrorFunc(asUsageError)
		requireNothing(cmd)
	}
	return commands
}

// commandSet is what the commands share.
type commandSet struct {
	path func() string
	open func() (*core.Manager, error)
	*options
}

// hint names one of the commands as people type it.
func (s *commandSet) hint(command string) string { return s.path() + " " + command }

// run makes the RunE of a command: from here on an error is no mistake in how the
// command was called, so the usage is not shown with it.
func (s *commandSet) run(do func(cmd *cobra.Command, m *core.Manager) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		m, err := s.open()
		if err != nil {
			return err
		}
		return do(cmd, m)
	}
}

// contextOf is never nil, also where a test calls RunE itself.
func contextOf(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return UsageError(fmt.Errorf("%s takes no arguments, but was given %q", cmd.CommandPath(), args[0]))
}

func unknownCommand(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q for %q", name, cmd.CommandPath())
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		return errors.New(text + "; did you mean " + strings.Join(similar, " or ") + "?")
	}
	return errors.New(text)
}

// outputFormat is what a command prints.
type outputFormat string

const (
	formatText outputFormat = "text"
	formatJSON outputFormat = "json"
)

// formatWords say what formats are for, in completions.
var formatWords = map[outputFormat]string{
	formatText: "for people", formatJSON: "for programs", formatMarkdown: "for a page", formatJSONSchema: "to check events with",
}

// formatFlag is the flag --output. As a flag.Value it refuses what is not among its formats
// when flags are parsed, which is a usage error.
type formatFlag struct {
	format  *outputFormat
	formats []string
}

func (f formatFlag) String() string { return string(*f.format) }
func (f formatFlag) Type() string   { return strings.Join(f.formats, "|") }

func (f formatFlag) Set(value string) error {
	if !slices.Contains(f.formats, value) {
		last := len(f.formats) - 1
		return errors.New("must be " + strings.Join(f.formats[:last], ", ") + " or " + f.formats[last])
	}
	*f.format = outputFormat(value)
	return nil
}

// addOutput adds --output to a command, with formats beside text and JSON.
func addOutput(cmd *cobra.Command, others ...outputFormat) *outputFormat {
	format := formatText
	flag := formatFlag{format: &format}
	var completions []string
	for _, f := range append([]outputFormat{formatText, formatJSON}, others...) {
		flag.formats = append(flag.formats, string(f))
		completions = append(completions, string(f)+"\t"+formatWords[f])
	}
	cmd.Flags().VarP(flag, "output", "o", "for people or for programs")
	complete := cobra.FixedCompletions(completions, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err) // the flag was added two lines above
	}
	return &format
}
