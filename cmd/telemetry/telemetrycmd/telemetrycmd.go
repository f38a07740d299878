// Package telemetrycmd gives a cobra tool its telemetry: Wire records every command by
// itself and asks the person once, New makes the `telemetry` commands with which they
// look, change their mind and are forgotten. Tool authors read it; a tool without cobra uses
// package console, which this one is made of.
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
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/cobrahelp"
)

// Option changes what Wire, New, Commands and Ask do. Tools rarely need one.
type Option func(*options)

type options struct {
	core            []core.Option
	console         []console.Option
	machineReadable func(*cobra.Command) bool
	errorClass      func(error) props.ErrorClass
	args            []string // the process's; nil means os.Args
}

// WithCore passes options on to core.Open and core.NewManager.
func WithCore(with ...core.Option) Option {
	return func(o *options) { o.core = append(o.core, with...) }
}

// WithConsole passes options on to the question and the commands, such as
// console.WithMessages, which translates them.
func WithConsole(with ...console.Option) Option {
	return func(o *options) { o.console = append(o.console, with...) }
}

// WithMachineReadable adds the author's rule to those that find out whether another
// program reads the output of a command: then the person is asked nothing.
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

func gather(list []Option) *options {
	o := &options{}
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

// New returns the `telemetry` command with those of package console under it.
func New(m *core.Manager, list ...Option) *cobra.Command {
	group, add := newGroup(m, list...)
	add()
	return group
}

// newGroup returns New's command, and what adds its help and the commands under it.
func newGroup(m *core.Manager, list ...Option) (group *cobra.Command, add func()) {
	name := m.Tool().Name
	path := func() string { return name + " " + groupName }
	group = &cobra.Command{
		Use:         groupName,
		Short:       console.Summary(name, gather(list).console...),
		Annotations: map[string]string{groupMark: "yes"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return console.Unknown(console.Commands(nil, gather(list).console...), args[0], gather(list).console...)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// The hooks of the tool's own root do not run for these commands: a person who says no
		// must not need a working configuration or a login for it. See also keepFromOurs;
		// nothing keeps cobra from what was given to cobra.OnInitialize.
		PersistentPreRun:  func(*cobra.Command, []string) {},
		PersistentPostRun: func(*cobra.Command, []string) {},
	}
	group.SetFlagErrorFunc(asUsageError)
	cobrahelp.Fit(group)
	requireNothing(group)
	return group, func() {
		_, group.Long = console.Group(name, gather(list).console...)
		group.Example = "  " + path() + " status\n  " + path() + " disable"
		group.AddCommand(Commands(path, func() (*core.Manager, error) { return m, nil }, list...)...)
	}
}

// Commands returns the commands of New without the group around them, for a program
// that learns only when it runs which tool it is about. path tells how people call
// them, for help and hints, such as "mytool telemetry"; it is asked before flags are
// parsed and again after.
func Commands(path func() string, open func() (*core.Manager, error), list ...Option) []*cobra.Command {
	list = append(list, WithConsole(console.WithPath(path)))
	var commands []*cobra.Command
	for _, c := range console.Commands(open, gather(list).console...) {
		commands = append(commands, face(c, path))
	}
	return commands
}

// CheckCommand returns the command `check`, which sends one marked event to the declared
// backend and says what the receiver answers. It is for authors, in a program of theirs: a
// tool that users have should not offer it. path and open are those of Commands.
func CheckCommand(path func() string, open func() (*core.Manager, error), list ...Option) *cobra.Command {
	list = append(list, WithConsole(console.WithPath(path)))
	return face(console.Check(open, gather(list).console...), path)
}

// face makes a cobra command of one of the console's.
func face(c *console.Command, path func() string) *cobra.Command {
	cmd := &cobra.Command{
		Use:        strings.TrimSpace(c.Name + " " + c.Args),
		Aliases:    c.Aliases,
		SuggestFor: c.SuggestFor,
		Short:      c.Summary,
		Long:       c.Help,
		Hidden:     c.Hidden,
		// No person reads what goes wrong in the background.
		SilenceErrors:     c.Hidden,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	switch {
	case c.Complete != nil:
		cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) (list []string, _ cobra.ShellCompDirective) {
			if len(args) == 0 {
				list = c.Complete()
			}
			return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		}
	case c.MaxArgs > 0:
		cmd.ValidArgsFunction = nil // the shell completes files
	}
	for _, example := range c.Examples {
		cmd.Example += "  " + path() + " " + example + "\n"
	}
	cmd.Example = strings.TrimSuffix(cmd.Example, "\n")
	for _, f := range c.List() {
		addFlag(cmd, f)
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > c.MaxArgs {
			if c.MaxArgs > 0 {
				return UsageError(fmt.Errorf("%s takes %s, but was given %q as well", cmd.CommandPath(), c.Args, args[c.MaxArgs]))
			}
			return UsageError(fmt.Errorf("%s takes no arguments, but was given %q", cmd.CommandPath(), args[0]))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true // from here on an error says by itself what is wrong
		return c.Run(contextOf(cmd), streamsOf(cmd), args)
	}
	cmd.SetFlagErrorFunc(asUsageError)
	cobrahelp.Fit(cmd)
	requireNothing(cmd)
	return cmd
}

// addFlag adds a flag of the console's, with its completions.
func addFlag(cmd *cobra.Command, f console.Flag) {
	added := pflag.PFlagFromGoFlag(f.Flag)
	added.Shorthand, added.Hidden = f.Letter, f.Hidden
	if kind, usage := pflag.UnquoteUsage(added); usage != added.Usage { // a shell shows quotes as they are
		added.Usage, added.Value = usage, namedValue{added.Value, kind}
	}
	cmd.Flags().AddFlag(added)
	if f.Choices == nil {
		return
	}
	complete := cobra.FixedCompletions(f.Choices, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
		panic(err) // the flag was added some lines above
	}
}

// namedValue is a value whose kind help shows.
type namedValue struct {
	pflag.Value
	kind string
}

func (v namedValue) Type() string { return v.kind }

func streamsOf(cmd *cobra.Command) console.Streams {
	return console.Streams{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
}

// contextOf is never nil, also where a test calls RunE itself.
func contextOf(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}
