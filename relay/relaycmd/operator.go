//go:build !notelemetry

// Package relaycmd holds the commands for those who run a tool and answer for its data:
// `telemetry relay` takes requests for erasure and works on them, `telemetry erasures`
// looks into its ledger, `telemetry erase` has one machine's data erased by hand. It is
// for people who maintain that program.
//
// The keys that these commands need can erase anybody's data. They are read from files and
// variables that the operator names; there is no flag and no key of a file to hold one, and
// no message repeats what might be one in the wrong place.
package relaycmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// Commands returns the commands, to be added to the root.
func Commands() []*cobra.Command { return surroundings{os.LookupEnv, time.Now}.commands() }

// surroundings are what commands know of the world, but for files.
type surroundings struct {
	lookup func(string) (string, bool)
	now    func() time.Time
}

func (s surroundings) screen(w io.Writer) screen.Screen { return screen.New(w, s.lookup) }

// row is one of a table. Vendors have a say in most values, so all are cleaned.
func row(label, value string, c screen.Colour) screen.Row {
	return screen.Row{Label: label, Value: screen.Clean(value), Colour: c}
}

func (s surroundings) commands() []*cobra.Command {
	return []*cobra.Command{s.relay(), s.erasures(), s.erase()}
}

// FileError is a mistake in a relay's file. What stands in the command line is right, so
// there is no pointing at the command's help.
type FileError struct{ err error }

func (e *FileError) Error() string { return "--config: " + e.err.Error() }
func (e *FileError) Unwrap() error { return e.err }

// ExitCode is that of a wrong flag.
func (e *FileError) ExitCode() int { return 2 }

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
