package telemetrycmd

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The telemetry commands are guests in the tool's tree. Here is what keeps them from
// changing what the tool did, and the tool from keeping a person from saying no.

// groupName is the one word that a tool gives up.
const groupName = "telemetry"

// children is cmd.Commands, which sorts the tree in place: of two commands with the same
// alias cobra runs the first, and it suggests commands in their order.
func children(cmd *cobra.Command) []*cobra.Command {
	c := *cmd
	c.RemoveCommand() // none: it only gives the copy a list of its own
	return c.Commands()
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range children(cmd) {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// answersTo reports whether cobra may take a word for cmd.
func answersTo(cmd *cobra.Command, word string) bool {
	return cmd.Name() == word || cobra.EnableCaseInsensitive && strings.EqualFold(cmd.Name(), word) || cmd.HasAlias(word)
}

// isOurs reports whether cmd is one of the telemetry commands.
func isOurs(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		if c.Annotations[groupMark] != "" {
			return true
		}
	}
	return false
}

// keepFromOurs has a tool's persistent hook not run for the telemetry commands, for which
// cobra.EnableTraverseRunHooks would run it in spite of their own.
func keepFromOurs(withError hookE, without hook) (hookE, hook) {
	keptE, kept := withError, without
	if withError != nil {
		keptE = func(cmd *cobra.Command, args []string) error {
			if isOurs(cmd) {
				return nil
			}
			return withError(cmd, args)
		}
	}
	if without != nil {
		kept = func(cmd *cobra.Command, args []string) {
			if !isOurs(cmd) {
				without(cmd, args)
			}
		}
	}
	return keptE, kept
}

// requireNothing frees a command from the required flags and the groups of flags that it
// inherits from the tool. cobra looks for them between PreRun and RunE, and not in a command
// that parses its flags itself.
func requireNothing(cmd *cobra.Command) {
	run := cmd.RunE
	cmd.PreRun = func(cmd *cobra.Command, _ []string) { cmd.DisableFlagParsing = true }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.DisableFlagParsing = false
		return run(cmd, args)
	}
}

// giveWay adapts the telemetry commands to what the tool added since.
func (w *wiring) giveWay(root *cobra.Command) {
	if w.notAlone != nil && hasOthers(root) {
		w.notAlone()
		w.notAlone = nil
	}
	if group := child(root, groupName); group != nil && mayClash(root) {
		giveUpShorthands(group)
		for _, c := range children(group) {
			giveUpShorthands(c)
		}
	}
}

// mayClash reports whether root hands on a flag that one of ours may clash with. Most tools'
// have none, and this is looked at in every run.
func mayClash(root *cobra.Command) (may bool) {
	look := func(f *pflag.Flag) { may = may || f.Shorthand != "" || f.Name == "help" }
	visitAsDeclared(pflag.CommandLine, look)
	visitAsDeclared(root.PersistentFlags(), look)
	return may
}

// giveUpShorthands takes from a command's own flags the shorthands that an inherited flag of
// another name has: cobra panics where it merges them. Of two flags with the same name the
// command's own counts, whatever their types are.
func giveUpShorthands(cmd *cobra.Command) {
	inherited := map[string]string{} // names by shorthand
	help := "bool"                   // the type of the help flag
	note := func(f *pflag.Flag) {
		if f.Shorthand != "" {
			inherited[f.Shorthand] = f.Name
		}
		if f.Name == "help" {
			help = f.Value.Type()
		}
	}
	visitAsDeclared(pflag.CommandLine, note) // cobra has them inherited too
	cmd.VisitParents(func(p *cobra.Command) { visitAsDeclared(p.PersistentFlags(), note) })
	isTaken := func(name, shorthand string) bool {
		other, there := inherited[shorthand]
		return there && other != name
	}
	var own []*pflag.Flag
	clash := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		own = append(own, f)
		clash = clash || isTaken(f.Name, f.Shorthand)
	})
	if clash {
		// A set of flags has no way to forget a shorthand.
		cmd.ResetFlags()
		if normalize := cmd.GlobalNormalizationFunc(); normalize != nil {
			cmd.SetGlobalNormalizationFunc(normalize)
		}
		for _, f := range own {
			if isTaken(f.Name, f.Shorthand) {
				f.Shorthand = ""
			}
			cmd.Flags().AddFlag(f)
		}
	}
	if (help != "bool" || isTaken("help", "h")) && cmd.Flags().Lookup("help") == nil {
		cmd.Flags().Bool("help", false, "help for "+cmd.Name()) // cobra's own has -h
	}
}

// nobody is the name of a command that no caller can run: no argument of a process has a NUL
// in it.
const nobody = "\x00"

// keepAlone lets a tool of one command take its words as it did before it had the group. To
// a root that has a command cobra adds `help` and `completion`, takes any other word for a
// mistake, and completes commands in place of files.
func (w *wiring) keepAlone(root, group *cobra.Command) {
	args, hidden := root.Args, root.CompletionOptions.HiddenDefaultCmd
	if args == nil {
		root.Args = cobra.ArbitraryArgs // which nil means without commands
	}
	// It works when it is called, as without commands, where nothing shows it.
	root.CompletionOptions.HiddenDefaultCmd = true
	help := &cobra.Command{Use: nobody, Hidden: true}
	root.SetHelpCommand(help)
	w.notAlone = func() {
		root.Args, root.CompletionOptions.HiddenDefaultCmd = args, hidden
		root.RemoveCommand(help)
		root.SetHelpCommand(nil) // cobra makes its own
	}

	// A shell asks for completions by a command whose only hooks are root's.
	hide := func(cmd *cobra.Command, args []string) {
		if cmd.Name() != cobra.ShellCompRequestCmd || w.notAlone == nil || len(args) == 0 {
			return
		}
		if found, _, _ := root.Find(args[:len(args)-1]); found != root {
			return
		}
		run := cmd.Run
		cmd.Run = func(cmd *cobra.Command, args []string) {
			root.RemoveCommand(group, help)
			defer root.AddCommand(group)
			run(cmd, args)
		}
	}
	if pre := root.PersistentPreRunE; pre != nil {
		root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
			hide(cmd, args)
			return pre(cmd, args)
		}
		return
	}
	pre := root.PersistentPreRun
	root.PersistentPreRun = func(cmd *cobra.Command, args []string) {
		hide(cmd, args)
		if pre != nil {
			pre(cmd, args)
		}
	}
}

// hasOthers reports whether root has commands beside the telemetry ones and cobra's.
func hasOthers(root *cobra.Command) bool {
	for _, c := range children(root) {
		switch c.Name() {
		case groupName, nobody, "completion", cobra.ShellCompRequestCmd:
		default:
			return true
		}
	}
	return false
}
