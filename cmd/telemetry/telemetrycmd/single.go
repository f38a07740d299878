package telemetrycmd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Annotations by which an author says something about a single command.
const (
	neverMark    = "telemetrycmd.never"
	nameMark     = "telemetrycmd.name"
	excludedMark = "telemetrycmd.excluded"
)

// NeverRecord has a command, and those under it, not recorded, and the person not asked by it.
func NeverRecord(cmd *cobra.Command) { mark(cmd, neverMark, "yes") }

// RecordAs has a command recorded under a name in place of its path. The commands under it
// keep their paths.
func RecordAs(cmd *cobra.Command, name string) { mark(cmd, nameMark, name) }

// ExcludeFlags has flags left out of what is recorded, by their names without dashes, for a
// command and those under it. Wire returns an error for a name that none of them has.
// Hidden flags and deprecated ones are left out by themselves. A flag that is added after
// Wire is recorded as any other, so exclude one that a person named, such as one for each
// variable of their template.
func ExcludeFlags(cmd *cobra.Command, names ...string) {
	mark(cmd, excludedMark, strings.Join(append(strings.Fields(cmd.Annotations[excludedMark]), names...), " "))
}

func mark(cmd *cobra.Command, key, value string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[key] = value
}

func isNeverRecorded(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		if c.Annotations[neverMark] != "" {
			return true
		}
	}
	return false
}

// recordedName is the command's path without the root as it was when the tree was wired, or
// the tool's name, unless its author gave it another one.
func recordedName(cmd *cobra.Command) string {
	return cmp.Or(cmd.Annotations[nameMark], cmd.Annotations[wiredMark])
}

// flagNames returns the names of the flags that were set and may be recorded, as they were
// declared: the command's own, its persistent ones, then those of its parents in turn. It is
// never nil.
func flagNames(cmd *cobra.Command) []string {
	names := []string{}
	for c := cmd; c != nil; c = c.Parent() {
		// cobra merges the persistent ones of all parents into Flags, sorted.
		isPersistent := func(f *pflag.Flag) bool {
			for p := c; p != nil; p = p.Parent() {
				if p.PersistentFlags().Lookup(f.Name) == f {
					return true
				}
			}
			return false
		}
		add := func(f *pflag.Flag) {
			if isRecordable(cmd, f) && !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
		visitAsDeclared(c.Flags(), func(f *pflag.Flag) {
			if !isPersistent(f) {
				add(f)
			}
		})
		visitAsDeclared(c.PersistentFlags(), add)
	}
	return names
}

// visitAsDeclared is VisitAll in the order of declaration, which SortFlags changes.
func visitAsDeclared(set *pflag.FlagSet, visit func(*pflag.Flag)) {
	declared := *set
	declared.SortFlags = false
	declared.VisitAll(visit)
}

// isRecordable reports whether a flag was set and its name may be recorded with cmd.
func isRecordable(cmd *cobra.Command, f *pflag.Flag) bool {
	if !f.Changed || f.Hidden || f.Name == skipFlag || f.Annotations[cobra.FlagSetByCobraAnnotation] != nil {
		return false
	}
	for c := cmd; c != nil; c = c.Parent() {
		if slices.Contains(strings.Fields(c.Annotations[excludedMark]), f.Name) {
			return false
		}
	}
	return true
}

// unknownExclusions returns an error for each name given to ExcludeFlags in the tree of cmd
// that is no flag's.
func unknownExclusions(cmd *cobra.Command) error {
	var all []error
	for _, name := range strings.Fields(cmd.Annotations[excludedMark]) {
		inherited := false
		cmd.VisitParents(func(p *cobra.Command) { inherited = inherited || p.PersistentFlags().Lookup(name) != nil })
		if !inherited && !declaresFlag(cmd, name) {
			all = append(all, fmt.Errorf("ExcludeFlags: %q has no flag --%s, and no command under it has; it may be misspelt", cmd.CommandPath(), name))
		}
	}
	for _, c := range children(cmd) {
		all = append(all, unknownExclusions(c))
	}
	return errors.Join(all...)
}

// declaresFlag reports whether cmd or a command under it declares a flag.
func declaresFlag(cmd *cobra.Command, name string) bool {
	if cmd.Flags().Lookup(name) != nil || cmd.PersistentFlags().Lookup(name) != nil {
		return true
	}
	return slices.ContainsFunc(children(cmd), func(c *cobra.Command) bool { return declaresFlag(c, name) })
}
