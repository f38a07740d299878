//go:build !notelemetry

package relaycmd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/relay/erasures"
)

// ledgerPlace is the ledger that the commands are about.
type ledgerPlace struct{ dir, config string }

// find returns the ledger's directory.
func (l *ledgerPlace) find() (string, error) {
	switch {
	case l.dir != "" && l.config != "":
		return "", usage("--ledger and --config both name a ledger: keep one of them")
	case l.dir != "":
		return l.dir, nil
	case l.config == "":
		return "", usage("--ledger is required: the relay's ledger, which is a directory; or --config, the relay's file")
	}
	c, err := loadConfig(l.config)
	if err != nil {
		return "", err
	}
	return c.ledger, nil
}

// hint is a command about this ledger, as people type it.
func (l *ledgerPlace) hint(words ...string) string {
	text := "telemetry-relay erasures " + strings.Join(words, " ")
	if l.dir != "" {
		return text + " --ledger " + quote(l.dir)
	}
	return text + " --config " + quote(l.config)
}

// read returns what is in the ledger. With an error that it is damaged comes what is
// before the damage.
func (l *ledgerPlace) read() ([]erasures.Erasure, error) {
	dir, err := l.find()
	if err != nil {
		return nil, err
	}
	list, err := erasures.ReadLedger(dir)
	return list, l.problem(err, dir)
}

func (l *ledgerPlace) problem(err error, dir string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usage("there is no ledger in %s: no relay has run there", quote(dir))
	}
	return ledgerProblem(err, dir)
}

// one finds an erasure by its ID, or by the start of it, which is what list shows.
func (l *ledgerPlace) one(id string) (erasures.Erasure, error) {
	list, err := l.read()
	var damage *erasures.DamageError
	if err != nil && !errors.As(err, &damage) {
		return erasures.Erasure{}, err
	}
	var matches []erasures.Erasure
	for _, e := range list {
		if strings.HasPrefix(e.ID, id) {
			matches = append(matches, e)
		}
	}
	switch {
	case len(matches) == 1:
		return matches[0], nil // whatever is wrong with the ledger, list and verify tell
	case len(matches) > 1:
		return erasures.Erasure{}, usage("%d erasures have an ID that begins so: give more of it", len(matches))
	case err != nil:
		return erasures.Erasure{}, err
	}
	return erasures.Erasure{}, usage("there is no such erasure; those that there are: %s", l.hint("list"))
}

// oneID checks the argument of a command that takes an ID.
func oneID(cmd *cobra.Command, args []string) error {
	const shortest = 4
	switch {
	case len(args) != 1:
		return usage("%s takes the ID of an erasure, but was given %d words", cmd.CommandPath(), len(args))
	case len(args[0]) < shortest || len(args[0]) > 32 || strings.Trim(args[0], "0123456789abcdef") != "":
		return usage("not an ID: it has 32 hexadecimal characters, of which the first %d or more will do", shortest)
	}
	return nil
}

// completeID offers the IDs of those erasures that a command is for.
func (l *ledgerPlace) completeID(wanted func(erasures.Erasure) bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, _ := l.read() // what can be read
		var words []string
		for _, e := range slices.Backward(list) { // the newest are asked about most
			if wanted(e) {
				words = append(words, e.ID+"\t"+e.Tool+", "+string(e.State)+", "+screen.When(e.ReceivedAt))
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func (s surroundings) erasures() *cobra.Command {
	ledger := &ledgerPlace{}
	group := &cobra.Command{
		Use:   "erasures",
		Short: "Look into the ledger of a relay, and take up what needs a person",
		Long: "Look into the ledger of a relay, which is the record of every erasure that was asked\n" +
			"for: who asked when, what each vendor said, and when the data was known to be gone.\n\n" +
			"Only repair needs the relay to be stopped. The ledger is the relay's user's alone:\n" +
			"run these commands as that user.",
		Example: "  telemetry-relay erasures list --ledger /var/lib/erasures --state refused\n" +
			"  telemetry-relay erasures show 4f2a --config relay.yaml",
		SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
			if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
				text += "; did you mean " + strings.Join(similar, " or ") + "?"
			}
			return usage("%s", text)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := group.PersistentFlags()
	flags.StringVar(&ledger.dir, "ledger", "", "the relay's ledger, a directory")
	must(group.MarkPersistentFlagDirname("ledger"))
	flags.StringVar(&ledger.config, "config", "", "the relay's YAML file, which names the ledger")
	must(group.MarkPersistentFlagFilename("config", "yaml", "yml"))
	group.AddCommand(
		s.list(ledger), s.show(ledger), s.export(ledger), s.verify(ledger), s.retry(ledger), s.repair(ledger),
	)
	return group
}

// filter is which erasures are shown.
type filter struct{ state, tool, machineID string }

// addFilter adds the flags of a filter.
func addFilter(cmd *cobra.Command, l *ledgerPlace) *filter {
	f := &filter{}
	states := []string{string(deletion.Acknowledged), string(deletion.Verified), string(deletion.Refused)}
	cmd.Flags().Var(choice{&f.state, states}, "state", "only those in this state")
	complete(cmd, "state",
		"acknowledged\tnot all vendors have erased yet", "verified\tthe data is gone", "refused\ta vendor refuses")
	cmd.Flags().StringVar(&f.tool, "tool", "", "only those of this tool")
	must(cmd.RegisterFlagCompletionFunc("tool", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		list, _ := l.read() // what can be read
		var tools []string
		for _, e := range list {
			tools = append(tools, e.Tool)
		}
		slices.Sort(tools)
		return slices.Compact(tools), cobra.ShellCompDirectiveNoFileComp
	}))
	cmd.Flags().StringVar(&f.machineID, "machine-id", "", "only those of the machine with this ID")
	must(cmd.RegisterFlagCompletionFunc("machine-id", cobra.NoFileCompletions))
	return f
}

func (f *filter) of(list []erasures.Erasure) []erasures.Erasure {
	return slices.DeleteFunc(list, func(e erasures.Erasure) bool {
		return f.state != "" && f.state != string(e.State) || f.tool != "" && f.tool != e.Tool ||
			f.machineID != "" && f.machineID != e.MachineID
	})
}

func (s surroundings) list(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List erasures, the oldest first",
		Long: "List erasures, the oldest first. In a pipe there is a line for each, with its ID, tool,\n" +
			"state, machine ID, time of receipt, age and vendors between tabs.\n\n" +
			"An erasure is acknowledged until every vendor has shown that the data is gone, which\n" +
			"makes it verified. It is refused while a vendor refuses.",
		Example: "  telemetry-relay erasures list --ledger /var/lib/erasures\n" +
			"  telemetry-relay erasures list --ledger /var/lib/erasures --state refused --tool mytool --output json",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	only := addFilter(cmd, ledger)
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, problem := ledger.read()
		if list == nil && problem != nil {
			return problem
		}
		list = only.of(list)
		if *format == "json" {
			j := struct {
				Erasures []erasureJSON `json:"erasures"`
			}{[]erasureJSON{}}
			for _, e := range list {
				one := toErasureJSON(e)
				one.Steps = nil
				j.Erasures = append(j.Erasures, one)
			}
			return errors.Join(screen.WriteJSON(cmd.OutOrStdout(), j), problem)
		}
		s.printList(s.screen(cmd.OutOrStdout()), ledger, list)
		return problem
	}
	return cmd
}

// Enough of an ID to tell some millions of them apart.
const shortID = 12

func (s surroundings) printList(out screen.Screen, ledger *ledgerPlace, list []erasures.Erasure) {
	var rows [][]screen.Cell
	waiting := ""
	for _, e := range list {
		var vendors []string
		for _, v := range e.Vendors {
			vendors = append(vendors, v.Name+" "+string(v.State))
		}
		if e.NeedsPerson() {
			waiting = cmp.Or(waiting, e.ID)
		}
		old := age(s.now().Sub(e.ReceivedAt))
		rows = append(rows, []screen.Cell{
			{Short: e.ID[:shortID], Full: e.ID},
			screen.Same(e.Tool, screen.Plain),
			screen.Same(string(e.State), stateColour(e.State, e.NeedsPerson())),
			{Short: e.MachineID[:shortID], Full: e.MachineID},
			{Short: screen.When(e.ReceivedAt), Full: e.ReceivedAt.UTC().Format("2006-01-02T15:04:05Z")},
			screen.Same(old, screen.Plain),
			screen.Same(strings.Join(vendors, ", "), screen.Plain),
		})
	}
	if len(list) == 0 && out.Terminal {
		fmt.Fprintln(out, "There are none.")
		return
	}
	out.Grid([]string{"ID", "TOOL", "STATE", "MACHINE", "RECEIVED", "AGE", "VENDORS"}, rows)
	if waiting != "" && out.Terminal {
		fmt.Fprintf(out, "\nSome wait for you. What to do: %s\n", ledger.hint("show", waiting[:shortID]))
	}
}

func stateColour(state deletion.State, needsPerson bool) screen.Colour {
	switch {
	case needsPerson:
		return screen.Red
	case state == deletion.Verified:
		return screen.Green
	}
	return screen.Plain
}

// age is a duration in the one unit that matters.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s" // somebody's clock was ahead
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
