//go:build !notelemetry

package relaycmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// row is one of a table. Vendors have a say in most values, so all are cleaned.
func row(label, value string, c screen.Colour) screen.Row {
	return screen.Row{Label: label, Value: screen.Clean(value), Colour: c}
}

// usage is a mistake in how a command was called.
func usage(format string, args ...any) error {
	return telemetrycmd.UsageError(fmt.Errorf(format, args...))
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments, but was given %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// choice is a flag that takes one of some words.
type choice struct {
	value *string
	words []string
}

func (c choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}
func (c choice) Type() string { return strings.Join(c.words, "|") }

func (c choice) Set(word string) error {
	for _, known := range c.words {
		if word == known {
			*c.value = word
			return nil
		}
	}
	return errors.New("must be " + strings.Join(c.words[:len(c.words)-1], ", ") + " or " + c.words[len(c.words)-1])
}

// addChoice adds a flag that takes one of some words, and is the given one at first.
func addChoice(cmd *cobra.Command, to *string, name, short, first, help string, words ...string) {
	*to = first
	cmd.Flags().VarP(choice{to, words}, name, short, help)
	complete(cmd, name, words...)
}

// complete offers words for a flag.
func complete(cmd *cobra.Command, flag string, words ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)))
}

// must is for errors that say that a flag is not there which was added just before.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// addOutput adds --output.
func addOutput(cmd *cobra.Command) *string {
	format := new(string)
	addChoice(cmd, format, "output", "o", "text", "for people or for programs", "text", "json")
	return format
}

// quote makes a word fit for a shell.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n\"'$&;|<>()*?[]#~\\`!{}") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
