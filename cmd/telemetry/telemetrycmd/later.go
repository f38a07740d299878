package telemetrycmd

import (
	"flag"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// To make the commands under `telemetry` costs every run, also where telemetry is off, and hardly
// any has a use for them. So Wire adds the group alone where the process was called for something
// else.

// Whole adds the commands under `telemetry` to a tree that Wire has wired, unless they are there.
// It is for a command that walks the tree, such as one that writes a page for every command:
// Wire leaves them out of runs whose arguments have to do with neither them nor help.
func Whole(root *cobra.Command) {
	if w := wiringOf(root.Root()); w != nil && w.addCommands != nil {
		w.addCommands()
	}
}

// mayNeedCommands reports whether a run may come to the telemetry commands or show them. In doubt it
// says yes: an author may expand words of their own to others, but not these to any.
func (o *options) mayNeedCommands(root *cobra.Command) bool {
	args := o.args
	if args == nil {
		if flag.Lookup("test.v") != nil { // a test gives the tree arguments that are not the process's
			return true
		}
		args = os.Args[1:]
	}
	if len(args) == 0 {
		return !root.Runnable() // it shows help
	}
	for _, arg := range args {
		switch arg {
		case "-h", "--help", "help", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
			return true
		}
		// See cobra.EnablePrefixMatching and cobra.EnableCaseInsensitive.
		if arg != "" && len(arg) <= len(groupName) && strings.EqualFold(arg, groupName[:len(arg)]) {
			return true
		}
	}
	return false
}

// postpone has a group, which has no commands yet, get them by add when it is called all the
// same: with arguments of root.SetArgs, which no caller can ask cobra for.
func (w *wiring) postpone(root, group *cobra.Command, add func()) {
	args, run := group.Args, group.RunE
	w.addCommands = func() {
		w.addCommands = nil
		group.DisableFlagParsing, group.Args, group.RunE = false, args, run
		add()
		w.giveWay(root)
	}
	group.DisableFlagParsing, group.Args = true, cobra.ArbitraryArgs
	group.RunE = func(cmd *cobra.Command, args []string) error {
		w.addCommands()
		root := cmd.Root()
		root.SetArgs(append([]string{cmd.Name()}, args...))
		err := root.ExecuteContext(contextOf(cmd))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true // cobra has just printed them
		return err
	}
}
