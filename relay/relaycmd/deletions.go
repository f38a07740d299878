//go:build !notelemetry

package relaycmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

// ledgerPlace is the ledger that the commands are about.
type ledgerPlace struct {
	database, config string
	load             func(path string) (*config, error)
}

// url returns that of the ledger's database.
func (l *ledgerPlace) url() (string, error) {
	switch {
	case l.database != "" && l.config != "":
		return "", usage("--database and --config both name a ledger: keep one of them")
	case l.database != "":
		if u, err := url.Parse(l.database); err == nil && u.User != nil {
			if _, has := u.User.Password(); has {
				return "", usage("--database: a password on a command line can be read by others: use --config, and database_file in that file")
			}
		}
		return l.database, nil
	case l.config == "":
		return "", usage("--config is required: the relay's file; or --database, where its ledger is")
	}
	c, err := l.load(l.config)
	if err != nil {
		return "", err
	}
	return c.database, nil
}

// with opens the ledger, and closes it when f has returned.
func (l *ledgerPlace) with(ctx context.Context, f func(*deletions.Ledger) error) error {
	at, err := l.url()
	if err != nil {
		return err
	}
	if file, is := store.File(at); is {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return usage("there is no ledger in %s: no relay has run there", quote(file))
		}
	}
	db, err := store.Open(ctx, at, deletions.Schema())
	if err != nil {
		return databaseProblem(err, at)
	}
	return errors.Join(f(deletions.NewLedger(db)), db.Close())
}

// hint is a command about this ledger, as people type it.
func (l *ledgerPlace) hint(words ...string) string {
	text := program + " deletions " + strings.Join(words, " ")
	if l.database != "" {
		return text + " --database " + quote(l.database)
	}
	return text + " --config " + quote(l.config)
}

// one finds a deletion by its ID, or by the start of it, which is what list shows.
func (l *ledgerPlace) one(ctx context.Context, ledger *deletions.Ledger, id string) (deletions.Deletion, error) {
	matches, err := ledger.Find(ctx, id)
	switch {
	case err != nil:
		return deletions.Deletion{}, err
	case len(matches) == 1:
		return matches[0], nil
	case len(matches) > 1:
		return deletions.Deletion{}, usage("several deletions have an ID that begins so: give more of it")
	}
	return deletions.Deletion{}, usage("there is no such deletion; those that there are: %s", l.hint("list"))
}

// oneID checks the argument of a command that takes an ID.
func oneID(cmd *cobra.Command, args []string) error {
	const shortest = 4
	switch {
	case len(args) != 1:
		return usage("%s takes the ID of a deletion, but was given %d words", cmd.CommandPath(), len(args))
	case len(args[0]) < shortest || len(args[0]) > 32 || strings.Trim(args[0], "0123456789abcdef") != "":
		return usage("not an ID: it has 32 hexadecimal characters, of which the first %d or more will do", shortest)
	}
	return nil
}

// completeID offers the IDs of those deletions that a command is for, among the newest, which
// are asked about most.
func (l *ledgerPlace) completeID(wanted func(deletions.Deletion) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		_ = l.with(cmd.Context(), func(ledger *deletions.Ledger) error { // what can be read
			return ledger.List(cmd.Context(), deletions.Filter{Newest: true, Limit: 1000}, func(e deletions.Deletion) error {
				if wanted(e) {
					words = append(words, e.ID+"\t"+e.Tool+", "+string(e.State)+", "+screen.When(e.ReceivedAt))
				}
				return nil
			})
		})
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func (s surroundings) deletions() *cobra.Command {
	ledger := &ledgerPlace{load: s.loadConfig}
	group := &cobra.Command{
		Use:     "deletions",
		Aliases: []string{"erasures"}, // what it was called before 0.1.0
		Short:   "Look into the ledger of a relay, and take up what needs a person",
		Long: "Look into the ledger of a relay, which is the record of every deletion that was asked\n" +
			"for: who asked when, what each vendor said, and when the data was known to be gone.\n\n" +
			"All of it works while relays run. A database that is a file is the relay's user's\n" +
			"alone: run these commands as that user.",
		Example: "  " + program + " deletions list --config relay.yaml --state refused\n" +
			"  " + program + " deletions show 4f2a --database sqlite:/var/lib/telemetry/relay.db",
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
	flags.StringVar(&ledger.database, "database", "", "the relay's database: sqlite:FILE, or postgres://USER@HOST/NAME without a password")
	must(group.RegisterFlagCompletionFunc("database", cobra.NoFileCompletions))
	flags.StringVar(&ledger.config, "config", "", "the relay's YAML file, which names the database")
	must(group.MarkPersistentFlagFilename("config", "yaml", "yml"))
	group.AddCommand(
		s.list(ledger), s.show(ledger), s.add(ledger), s.retry(ledger), s.done(ledger),
		s.export(ledger), s.verifyExport(), s.keygen(), s.verify(ledger),
	)
	return group
}

// addFilter adds the flags of a filter.
func addFilter(cmd *cobra.Command, l *ledgerPlace) *deletions.Filter {
	f := &deletions.Filter{}
	states := []string{string(deletion.Acknowledged), string(deletion.Verified), string(deletion.Refused), string(deletions.Done), string(deletions.Cancelled)}
	cmd.Flags().Var(choice{(*string)(&f.State), states}, "state", "only those in this state")
	complete(cmd, "state",
		"acknowledged\tnot all vendors have deleted yet", "verified\tthe data is gone", "refused\ta vendor refuses",
		"done\tsomebody says that it was deleted by hand", "cancelled\tit was taken back")
	cmd.Flags().StringVar(&f.Tool, "tool", "", "only those of this tool")
	must(cmd.RegisterFlagCompletionFunc("tool", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var tools []string
		_ = l.with(cmd.Context(), func(ledger *deletions.Ledger) error { // what can be read
			totals, _, err := ledger.Totals(cmd.Context(), time.Time{})
			for _, t := range totals {
				tools = append(tools, t.Tool)
			}
			return err
		})
		slices.Sort(tools)
		return slices.Compact(tools), cobra.ShellCompDirectiveNoFileComp
	}))
	cmd.Flags().StringVar(&f.MachineID, "machine-id", "", "only those of the machine with this ID")
	must(cmd.RegisterFlagCompletionFunc("machine-id", cobra.NoFileCompletions))
	return f
}

// checkFilter refuses what would find nothing because it is mistyped: a job that looks for what is
// due would say for ever that nothing is.
func (l *ledgerPlace) checkFilter(f deletions.Filter) error {
	if f.MachineID != "" && (deletion.Request{MachineID: f.MachineID}).Validate() != nil {
		return usage("--machine-id: %w", deletion.ErrInvalidID)
	}
	if f.Tool == "" || l.config == "" {
		return nil
	}
	c, err := l.load(l.config)
	if err == nil {
		_, err = c.terms(f.Tool)
	}
	return err
}

// onePage is how many a terminal gets that did not say how many it wants.
const onePage = 100

// duration is a flag that takes days too.
type duration struct{ value *time.Duration }

func (d duration) String() string {
	if d.value == nil || *d.value == 0 {
		return ""
	}
	return d.value.String()
}
func (d duration) Type() string { return "duration" }

func (d duration) Set(text string) (err error) {
	*d.value, err = strictyaml.ParseDuration(text)
	return err
}

func (s surroundings) list(ledger *ledgerPlace) *cobra.Command {
	var due time.Duration
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List deletions, the oldest first",
		Long: "List deletions, the oldest first: on a terminal the first 100, elsewhere all. In a pipe\n" +
			"there is a line for each, with its ID, tool, state, machine ID, time of receipt, age and\n" +
			"vendors between tabs.\n\n" +
			"A deletion is acknowledged until every vendor has shown that the data is gone, which\n" +
			"makes it verified. It is refused while a vendor refuses, and done where a person has said\n" +
			"so.\n\n" +
			"With --due, only those that are not known to be deleted and have to be within that time, or\n" +
			"had to be before; if there is one, the exit code is 1, for a job that tells somebody.",
		Example: "  " + program + " deletions list --config relay.yaml\n" +
			"  " + program + " deletions list --config relay.yaml --due=7d\n" +
			"  " + program + " deletions list --config relay.yaml --state refused --tool mytool --output json",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	only := addFilter(cmd, ledger)
	cmd.Flags().Var(duration{&due}, "due", "only those that have to be done within this time, 7d without a value")
	cmd.Flags().Lookup("due").NoOptDefVal = "7d"
	must(cmd.RegisterFlagCompletionFunc("due", cobra.NoFileCompletions))
	cmd.Flags().IntVar(&only.Limit, "limit", 0, "how many at most, 0 for all")
	must(cmd.RegisterFlagCompletionFunc("limit", cobra.NoFileCompletions))
	cmd.Flags().StringVar(&only.After, "after", "", "only those behind the one with this ID")
	must(cmd.RegisterFlagCompletionFunc("after", cobra.NoFileCompletions))
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if only.Limit < 0 {
			return usage("--limit must not be below zero")
		}
		if err := ledger.checkFilter(*only); err != nil {
			return err
		}
		if cmd.Flags().Changed("due") {
			only.DueBefore = s.now().Add(due)
		}
		out := s.screen(cmd.OutOrStdout())
		if *format == "text" && out.Terminal && !cmd.Flags().Changed("limit") {
			only.Limit = onePage
		}
		listed := 0
		err := ledger.with(cmd.Context(), func(l *deletions.Ledger) (err error) {
			if *format == "json" {
				listed, err = writeList(cmd, l, *only)
			} else {
				listed, err = s.listText(cmd, out, ledger, l, *only)
			}
			return err
		})
		switch {
		case errors.Is(err, deletions.ErrUnknown):
			return usage("--after: there is no deletion with this ID")
		case err == nil && listed > 0 && cmd.Flags().Changed("due"):
			return fmt.Errorf("%s to be done by %s, or had to be before", screen.Count(listed, "deletion has", "deletions have"), screen.When(only.DueBefore))
		}
		return err
	}
	return cmd
}

// writeList writes a listJSON, a deletion at a time.
func writeList(cmd *cobra.Command, l *deletions.Ledger, only deletions.Filter) (listed int, err error) {
	out := cmd.OutOrStdout()
	between := fmt.Sprintf("{\n  \"schema_version\": %d,\n  \"deletions\": [", schemaVersion)
	err = l.List(cmd.Context(), only, func(e deletions.Deletion) error {
		listed++
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("    ", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(toDeletionJSON(e)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s\n    %s", between, plaintext.JSON(bytes.TrimRight(b.Bytes(), "\n")))
		between = ","
		return err
	})
	if err != nil {
		return listed, err
	}
	if listed == 0 {
		_, err = fmt.Fprintf(out, "%s]\n}\n", between)
	} else {
		_, err = fmt.Fprint(out, "\n  ]\n}\n")
	}
	return listed, err
}

// listText writes a line for each, and on a terminal a table of all.
func (s surroundings) listText(cmd *cobra.Command, out screen.Screen, place *ledgerPlace, l *deletions.Ledger, only deletions.Filter) (listed int, err error) {
	heading := []string{"ID", "TOOL", "STATE", "MACHINE", "RECEIVED", "AGE", "VENDORS"}
	var rows [][]screen.Cell
	waiting, last := "", ""
	err = l.List(cmd.Context(), only, func(e deletions.Deletion) error {
		listed++
		last = e.ID
		if e.NeedsPerson() {
			waiting = cmp.Or(waiting, e.ID)
		}
		if rows = append(rows, s.listRow(e)); !out.Terminal {
			out.Grid(heading, rows)
			rows = rows[:0]
		}
		return nil
	})
	if err != nil || !out.Terminal {
		return listed, err
	}
	if listed == 0 {
		fmt.Fprintln(out, "There are none.")
		return 0, nil
	}
	out.Grid(heading, rows)
	if waiting != "" {
		fmt.Fprintln(out)
		out.Line(screen.Plain, "Some wait for you. What to do: "+place.hint("show", waiting[:shortID]))
	}
	if listed == only.Limit {
		fmt.Fprintln(out)
		out.Line(screen.Plain, "There may be more: "+place.hint("list", "--after", last))
	}
	return listed, nil
}

func (s surroundings) listRow(e deletions.Deletion) []screen.Cell {
	var vendors []string
	for _, v := range e.Vendors {
		vendors = append(vendors, v.Name+" "+string(v.State))
	}
	return []screen.Cell{
		{Short: e.ID[:shortID], Full: e.ID},
		screen.Same(e.Tool, screen.Plain),
		screen.Same(string(e.State), stateColour(e.State, e.NeedsPerson())),
		{Short: e.MachineID[:shortID], Full: e.MachineID},
		{Short: screen.When(e.ReceivedAt), Full: e.ReceivedAt.UTC().Format("2006-01-02T15:04:05Z")},
		screen.Same(age(s.now().Sub(e.ReceivedAt)), screen.Plain),
		screen.Same(strings.Join(vendors, ", "), screen.Plain),
	}
}

// Enough of an ID to tell some millions of them apart.
const shortID = 12

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
