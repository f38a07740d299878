// Package urfavecli gives a tool with urfave/cli its telemetry: the commands under telemetry,
// the question, and a record of each other command.
//
//	urfavecli.Wire(root, manager) // last, when all commands are in the tree
//	err := root.Run(ctx, os.Args)
//
// Recorded are a command's path, how long its Action ran, the names of its flags that were set,
// the exit code and the class of its error. What urfave/cli refuses before the Action is not.
// Every error of the telemetry commands has a method ExitCode where that is not 1, so
// urfave/cli ends the process with it as with its own.
package urfavecli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v3"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// Command returns the command telemetry, with all of its own under it.
func Command(m *core.Manager, options ...console.Option) *cli.Command {
	summary, help := console.Group(m.Tool().Name, options...)
	group := &cli.Command{Name: "telemetry", Usage: summary, Description: fitted(help), OnUsageError: usage}
	list := console.Commands(func() (*core.Manager, error) { return m, nil }, options...)
	group.Action = func(_ context.Context, cmd *cli.Command) error {
		if cmd.Args().Present() {
			return console.Unknown(list, cmd.Args().First(), options...)
		}
		return cli.ShowSubcommandHelp(cmd)
	}
	for _, c := range list {
		command := &cli.Command{
			Name: c.Name, Aliases: c.Aliases, Usage: c.Summary, Description: fitted(c.Help), ArgsUsage: c.Args, Hidden: c.Hidden, OnUsageError: usage,
			ShellComplete: func(ctx context.Context, cmd *cli.Command) { complete(ctx, cmd, c) },
			Action: func(ctx context.Context, cmd *cli.Command) error {
				return c.Run(ctx, streams(cmd), cmd.Args().Slice())
			},
		}
		for _, f := range c.List() {
			command.Flags = append(command.Flags, flagOf(f))
		}
		group.Commands = append(group.Commands, command)
	}
	return group
}

// fitted sets those paragraphs anew whose lines are too wide for a terminal of 80 columns:
// urfave/cli moves each line three columns in, and breaks none.
func fitted(help string) string {
	const room = 80 - 3
	paragraphs := strings.Split(help, "\n\n")
	for i, p := range paragraphs {
		wide := func(line string) bool { return utf8.RuneCountInString(line) > room }
		if !slices.ContainsFunc(strings.Split(p, "\n"), wide) {
			continue
		}
		var lines []string
		for _, word := range strings.Fields(p) {
			if last := len(lines) - 1; last >= 0 && !wide(lines[last]+" "+word) {
				lines[last] += " " + word
			} else {
				lines = append(lines, word)
			}
		}
		paragraphs[i] = strings.Join(lines, "\n")
	}
	return strings.Join(paragraphs, "\n\n")
}

func flagOf(f console.Flag) cli.Flag {
	letters := strings.Split(f.Letter, "")
	if !f.Bool {
		return &cli.GenericFlag{Name: f.Name, Aliases: letters, Usage: f.Usage, Hidden: f.Hidden, Value: f.Value.(flag.Getter)}
	}
	return &cli.BoolFlag{Name: f.Name, Aliases: letters, Usage: f.Usage, Hidden: f.Hidden, HideDefault: true,
		Action: func(_ context.Context, _ *cli.Command, on bool) error { return f.Value.Set(strconv.FormatBool(on)) }}
}

func usage(_ context.Context, _ *cli.Command, err error, _ bool) error {
	return &console.UsageError{Err: err}
}

func streams(cmd *cli.Command) console.Streams {
	root := cmd.Root()
	return console.Streams{In: root.Reader, Out: root.Writer, Err: root.ErrWriter}
}

// complete prints the values that the flag before the cursor takes, or what there is to show by its
// number, else what urfave/cli does. The shell's function adds a word of its own at the end.
func complete(ctx context.Context, cmd *cli.Command, c *console.Command) {
	before := os.Args[max(0, len(os.Args)-2)]
	for _, f := range c.List() {
		if f.Choices == nil || before != "--"+f.Name && before != "-"+f.Letter {
			continue
		}
		offer(cmd, f.Choices)
		return
	}
	if c.Complete != nil && !cmd.Args().Present() && !strings.HasPrefix(before, "-") {
		offer(cmd, c.Complete())
		return
	}
	cli.DefaultCompleteWithFlags(ctx, cmd)
}

// offer prints words in the form that the shell's function reads.
func offer(cmd *cli.Command, words []string) {
	for _, word := range words {
		fmt.Fprintln(cmd.Root().Writer, strings.Replace(word, "\t", ":", 1))
	}
}

// Wire has each command of a tree record itself, and the first one ask, and adds the command
// telemetry. What is added to the tree later is not recorded: that is where commands belong
// that a person named.
func Wire(root *cli.Command, m *core.Manager, options ...console.Option) {
	wrap(root, m, m.Tool().Name, options)
	root.Commands = append(root.Commands, Command(m, options...))
}

func wrap(cmd *cli.Command, m *core.Manager, path string, options []console.Option) {
	for _, c := range cmd.Commands {
		wrap(c, m, strings.TrimPrefix(path+" "+c.Name, m.Tool().Name+" "), options)
	}
	if do := cmd.Action; do != nil {
		cmd.Action = func(ctx context.Context, cmd *cli.Command) error {
			with := append([]console.Option{console.WithStreams(streams(cmd))}, options...)
			return console.Record(ctx, m, path, set(cmd), func(props.Collector) error { return do(ctx, cmd) }, with...)
		}
	}
}

// set returns the names of the flags that were set, as they are declared and without values:
// the command's own, then those of its parents.
func set(cmd *cli.Command) (names []string) {
	for _, c := range cmd.Lineage() {
		for _, f := range c.Flags {
			name := f.Names()[0]
			if visible, ok := f.(cli.VisibleFlag); ok && visible.IsVisible() && c.IsSet(name) && name != "help" && name != "version" {
				names = append(names, name)
			}
		}
	}
	return names
}
