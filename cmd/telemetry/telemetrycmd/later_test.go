package telemetrycmd

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core/props"
)

// calledWith says which arguments the process has, whatever the tree is given.
func calledWith(args ...string) Option {
	return func(o *options) { o.args = append([]string{}, args...) }
}

// twoCommands is a tool with a command, and with a flag whose shorthand is that of one of ours.
func twoCommands() *cobra.Command {
	root := &cobra.Command{Use: "mytool"}
	root.PersistentFlags().StringSliceP("output", "o", nil, "")
	root.AddCommand(&cobra.Command{Use: "build", Aliases: []string{"b"}, RunE: func(cmd *cobra.Command, args []string) error {
		fmt.Fprintf(cmd.OutOrStdout(), "built %q\n", args)
		return nil
	}})
	return root
}

func TestTheCommandsAreLeftOutOfRunsThatHaveNothingToDoWithThem(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"build":                         false,
		"b x y":                         false,
		"build --output status":         false,
		"":                              true, // help, of a root that does nothing itself
		"telemetry":                     true,
		"telemetry status":              true,
		"--output x telemetry":          true,
		"TELEMETRY status":              true, // cobra.EnableCaseInsensitive
		"tele status":                   true, // cobra.EnablePrefixMatching
		"help telemetry":                true,
		"help":                          true,
		"--help":                        true,
		"build -h":                      true,
		"completion bash":               true,
		"__complete te":                 true,
		"__complete telemetry status -": true,
		"__completeNoDesc ":             true,
	} {
		h, root := newHome(t), twoCommands()
		if err := Wire(root, props.New(h.tool), WithCore(h.core()...), calledWith(strings.Fields(line)...)); err != nil {
			t.Fatal(err)
		}
		if got := child(root, groupName).HasSubCommands(); got != want {
			t.Errorf("mytool %s: the commands are there: %t", line, got)
		}
	}
	h, root := newHome(t), oneCommand()
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...), calledWith()); err != nil {
		t.Fatal(err)
	}
	if child(root, groupName).HasSubCommands() {
		t.Error("the commands are there in a tool that does something without arguments")
	}
}

// A tool may give its tree other arguments than the process has: where it expands people's own
// words, or is called from another program.
func TestACommandThatWasLeftOutAnswersAsIfItHadBeenThere(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"telemetry", "telemetry --help", "telemetry status", "telemetry status --output json", "telemetry -o x status",
		"-o x telemetry status --explain", "telemetry status --help", "telemetry statu", "telemetry status --typo", "telemetry disable now",
		"telemetry --typo", "telemetry schema -o json", "build telemetry", "telemetri",
	} {
		for name, change := range map[string]func(*cobra.Command){
			"":            func(*cobra.Command) {},
			"traverse":    func(root *cobra.Command) { root.TraverseChildren = true },
			"silent":      func(root *cobra.Command) { root.SilenceErrors, root.SilenceUsage = true, true },
			"required":    func(root *cobra.Command) { _ = root.MarkPersistentFlagRequired("output") },
			"by Execute":  nil,
			"errors only": func(root *cobra.Command) { root.SilenceUsage = true },
		} {
			h := newHome(t)
			said := func(args ...string) string {
				root, out := twoCommands(), &bytes.Buffer{}
				if change != nil {
					change(root)
				}
				if err := Wire(root, props.New(h.tool), WithCore(h.core()...), calledWith(args...)); err != nil {
					t.Fatal(err)
				}
				root.SetArgs(strings.Fields(line))
				root.SetOut(out)
				root.SetErr(out)
				if change == nil {
					return fmt.Sprint(Execute(root), "\n", out)
				}
				err := root.Execute()
				return fmt.Sprint(ExitCode(err), " ", err, "\n", out)
			}
			if whole, later := said("telemetry"), said("build"); later != whole {
				t.Errorf("%s, mytool %s:\n%s\nwhere the commands are there from the start:\n%s", name, line, later, whole)
			}
		}
	}
}

func TestWholeAddsWhatWasLeftOutOnce(t *testing.T) {
	t.Parallel()
	pages := func(args ...string) []string {
		h, root := newHome(t), twoCommands()
		if err := Wire(root, props.New(h.tool), WithCore(h.core()...), calledWith(args...)); err != nil {
			t.Fatal(err)
		}
		Whole(child(root, "build"))
		Whole(root)
		var all []string
		var walk func(*cobra.Command)
		walk = func(cmd *cobra.Command) {
			all = append(all, cmd.CommandPath()+"\n"+cmd.Short+"\n"+cmd.Long+"\n"+cmd.Example+"\n"+cmd.UsageString())
			for _, c := range cmd.Commands() {
				walk(c)
			}
		}
		walk(root)
		return all
	}
	if whole, later := pages("telemetry"), pages("build"); !slices.Equal(whole, later) {
		t.Errorf("%d commands where they are there from the start, and %d others with Whole", len(whole), len(later))
	}
	Whole(twoCommands()) // a tree without telemetry stays as it is
}
