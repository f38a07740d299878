//go:build !notelemetry

package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

// auditJSON is what verify says. Its names are stable.
type auditJSON struct {
	SchemaVersion int `json:"schema_version"`
	// Whole says that the ledger is as it was written.
	Whole     bool      `json:"whole"`
	Lines     int64     `json:"lines"`
	Head      string    `json:"head"`
	LastAt    time.Time `json:"last_at,omitzero"`
	Deletions int64     `json:"deletions"`
	// DamagedPlaces is how many there are, and Damage says what is wrong at the first of them.
	DamagedPlaces int64    `json:"damaged_places,omitempty"`
	Damage        []string `json:"damage,omitempty"`
}

func (s surroundings) verify(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hold the ledger against its chain of hashes",
		Long: "Hold the ledger against its chain of hashes: a step that was changed, moved or removed\n" +
			"shows, and which, and so does a deletion whose state is not the one to which its steps\n" +
			"led. The exit code is then 1. A relay does the same once a day, and logs it.\n\n" +
			"What does not show is that somebody wrote the whole ledger anew. Who wants to see that\n" +
			"too keeps the number of lines and the head somewhere else, such as the relay's log: the\n" +
			"same number of lines has the same head for ever.",
		Example:           "  " + program + " deletions verify --config relay.yaml",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return ledger.with(cmd.Context(), func(l *deletions.Ledger) error {
			a, err := l.Verify(cmd.Context())
			if err != nil {
				return err
			}
			if a.Damaged > 0 {
				err = errors.New("the ledger is not as it was written: restore it from a backup, or keep it as the evidence that somebody changed it")
			}
			j := auditJSON{SchemaVersion: schemaVersion, Whole: a.Damaged == 0, Lines: a.Lines, Head: a.Head, LastAt: a.LastAt.UTC(), Deletions: a.Deletions, DamagedPlaces: a.Damaged}
			for _, d := range a.Damage {
				j.Damage = append(j.Damage, d.String())
			}
			if *format == "json" {
				return errors.Join(screen.WriteJSON(cmd.OutOrStdout(), j), err)
			}
			rows := []screen.Row{row("Ledger", "as it was written", screen.Green)}
			if a.Damaged > 0 {
				rows = []screen.Row{row("Ledger", "DAMAGED, in "+screen.Count(a.Damaged, "place", "places"), screen.Red)}
			}
			for _, d := range j.Damage {
				rows = append(rows, row("Damage", d, screen.Red))
			}
			rows = append(rows, row("Lines", fmt.Sprint(j.Lines), screen.Plain), row("Deletions", fmt.Sprint(j.Deletions), screen.Plain), row("Head", j.Head, screen.Plain))
			if !j.LastAt.IsZero() {
				rows = append(rows, row("Last line", screen.When(j.LastAt), screen.Plain))
			}
			s.screen(cmd.OutOrStdout()).Table(rows)
			return err
		})
	}
	return cmd
}

func (s surroundings) retry(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry ID",
		Short: "Have those vendors asked again where something went wrong",
		Long: "Have those vendors asked again that refused a deletion or left it to a person, and those\n" +
			"that would be tried again later, once somebody has seen to it, such as to a key. A relay\n" +
			"takes it up within a minute if one runs, else when it starts. The first four characters\n" +
			"of the ID will do.",
		Example:           "  " + program + " deletions retry 4f2a --config relay.yaml",
		Args:              oneID,
		ValidArgsFunction: ledger.completeID(deletions.Deletion.NeedsPerson),
	}
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var e deletions.Deletion
		if err := ledger.with(cmd.Context(), func(l *deletions.Ledger) (err error) {
			if e, err = ledger.one(cmd.Context(), l, args[0]); err != nil {
				return err
			}
			if err = l.Retry(e.ID); errors.Is(err, deletions.ErrNothingLeft) {
				return fmt.Errorf("nothing is left to a person here: %s", ledger.hint("show", e.ID[:shortID]))
			}
			return err
		}); err != nil {
			return err
		}
		var vendors []string
		for _, v := range e.Vendors {
			if v.Failing() {
				vendors = append(vendors, v.Name)
			}
		}
		if *format == "json" {
			return screen.WriteJSON(cmd.OutOrStdout(), retriedJSON{schemaVersion, e.ID, vendors})
		}
		out := s.screen(cmd.OutOrStdout())
		for _, v := range vendors {
			out.Line(screen.Plain, v+" is asked again: within a minute if a relay runs, else when it starts.")
		}
		out.Line(screen.Plain, "How it goes on: "+ledger.hint("show", e.ID[:shortID]))
		return nil
	}
	return cmd
}

// evidence is a flag whose text goes into the ledger, which keeps no more of one than this: what
// is longer is refused rather than cut.
type evidence string

const maxEvidence = 300

func (e *evidence) String() string { return string(*e) }
func (e *evidence) Type() string   { return "string" }

func (e *evidence) Set(text string) error {
	if len(text) > maxEvidence {
		return fmt.Errorf("has %d bytes, and the ledger keeps %d: name the ticket or the letter that says more", len(text), maxEvidence)
	}
	*e = evidence(text)
	return nil
}

// vouching adds the flags that say who does something and why.
func vouching(cmd *cobra.Command) (by, why *string) {
	by, why = new(string), new(string)
	cmd.Flags().Var((*evidence)(by), "by", "who does it, such as a name or a ticket's queue")
	cmd.Flags().Var((*evidence)(why), "why", "why, such as what was done at the vendor, or the date of a letter")
	must(cmd.RegisterFlagCompletionFunc("by", cobra.NoFileCompletions))
	must(cmd.RegisterFlagCompletionFunc("why", cobra.NoFileCompletions))
	return by, why
}

func (s surroundings) done(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "done ID --by WHO --why HOW",
		Short: "Say that a deletion was done by hand",
		Long: "Write into the ledger that a person has deleted by hand what the vendors did not. Nobody\n" +
			"is asked for it any more. It is a state of its own and not verified, since nothing has\n" +
			"shown it: the person who asked is told that you say so. Where the vendor can be asked,\n" +
			"retry has it looked at again, and is better.",
		Example:           "  " + program + ` deletions done 4f2a --config relay.yaml --by alice --why "split the profile at PostHog and deleted it"`,
		Args:              oneID,
		ValidArgsFunction: ledger.completeID(func(e deletions.Deletion) bool { return e.Open }),
	}
	by, why := vouching(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *by == "" || *why == "" {
			return usage("--by and --why are required: %w", deletions.ErrNobody)
		}
		return ledger.with(cmd.Context(), func(l *deletions.Ledger) error {
			e, err := ledger.one(cmd.Context(), l, args[0])
			if err != nil {
				return err
			}
			if err := l.Done(e.ID, *by, *why); err != nil {
				return err
			}
			s.screen(cmd.OutOrStdout()).Line(screen.Plain, "It is written down: "+ledger.hint("show", e.ID[:shortID]))
			return nil
		})
	}
	return cmd
}

func (s surroundings) add(ledger *ledgerPlace) *cobra.Command {
	var tool, machineID, requestedAt string
	cmd := &cobra.Command{
		Use:   "add --config FILE --tool TOOL --machine-id ID --by WHO --why HOW",
		Short: "Take a request into the ledger that came by mail",
		Long: "Take a request into the ledger that did not come from a tool, such as by mail: who\n" +
			"takes it vouches for it, since there is no proof. The tool's vendors are those of the\n" +
			"relay's file, and are asked as for any other.",
		Example: "  " + program + ` deletions add --config relay.yaml --tool mytool --machine-id 0b5c… --by alice --why "letter of 3 May"`,
		Args:    noArgs,
	}
	cmd.Flags().StringVar(&tool, "tool", "", "the tool whose data is to be deleted")
	cmd.Flags().StringVar(&machineID, "machine-id", "", "the machine ID, which mytool telemetry status shows")
	cmd.Flags().StringVar(&requestedAt, "requested-at", "", "when the person asked, as RFC 3339; now without it")
	for _, name := range []string{"tool", "machine-id", "requested-at"} {
		must(cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions))
	}
	by, why := vouching(cmd)
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *by == "" || *why == "" {
			return usage("--by and --why are required: %w", deletions.ErrNobody)
		}
		if ledger.config == "" {
			return usage("--config is required: the relay's file, which says who has the tool's data")
		}
		if (deletion.Request{MachineID: machineID}).Validate() != nil {
			return usage("--machine-id: %w", deletion.ErrInvalidID)
		}
		c, err := s.loadConfig(ledger.config)
		if err != nil {
			return err
		}
		terms, err := c.terms(tool)
		if err != nil {
			return err
		}
		demand := deletions.Demand{Tool: tool, MachineID: machineID, By: *by, Why: *why}
		if requestedAt != "" {
			if demand.RequestedAt, err = time.Parse(time.RFC3339, requestedAt); err != nil || demand.RequestedAt.After(s.now()) {
				return usage("--requested-at must be a time that is over, such as 2026-05-03T12:00:00Z")
			}
		}
		db, err := store.Open(cmd.Context(), c.database, deletions.Schema())
		if err != nil {
			return databaseProblem(err, c.database)
		}
		told, err := deletions.NewLedger(db).Add(demand, terms)
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
		if *format == "json" {
			return screen.WriteJSON(cmd.OutOrStdout(), addedJSON{schemaVersion, told.ID, told.New, told.DueAt.UTC()})
		}
		says := "It is in the ledger"
		if !told.New {
			says = "It was in the ledger already"
		}
		s.screen(cmd.OutOrStdout()).Line(screen.Plain, fmt.Sprintf("%s, and due by %s: %s", says, screen.When(told.DueAt), ledger.hint("show", told.ID[:shortID])))
		return nil
	}
	return cmd
}

// tryImport takes a ledger over into a database that is thrown away.
func tryImport(ctx context.Context, from string) (err error) {
	dir, err := os.MkdirTemp("", "telemetry-relay-*")
	if err != nil {
		return fmt.Errorf("trying to take over the ledger: %w", plaintext.Cause(err))
	}
	defer func() { err = errors.Join(err, plaintext.Bare(os.RemoveAll(dir))) }()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "try.db"), deletions.Schema())
	if err != nil {
		return fmt.Errorf("trying to take over the ledger: %w", err)
	}
	_, err = deletions.NewLedger(db).Import(ctx, from)
	return errors.Join(err, db.Close())
}

func (s surroundings) migrate() *cobra.Command {
	var from string
	place := &ledgerPlace{load: s.loadConfig}
	cmd := &cobra.Command{
		Use:   "migrate --from-ledger DIRECTORY --config FILE",
		Short: "Take over a ledger that was a directory of files",
		Long: "Take over a ledger as earlier versions kept it, in a directory, into the database: once,\n" +
			"before anything else is in it. End the relay that wrote it first. All of it is taken\n" +
			"over, with its chain of hashes, or nothing; the directory stays as it is.",
		Example:           "  " + program + " migrate --from-ledger /var/lib/deletions --config relay.yaml",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&from, "from-ledger", "", "the directory of the ledger")
	must(cmd.MarkFlagDirname("from-ledger"))
	cmd.Flags().StringVar(&place.database, "database", "", "the database: sqlite:FILE, or postgres://USER@HOST/NAME without a password")
	must(cmd.RegisterFlagCompletionFunc("database", cobra.NoFileCompletions))
	cmd.Flags().StringVar(&place.config, "config", "", "the relay's YAML file, which names the database")
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if from == "" {
			return usage("--from-ledger is required: the directory of the ledger")
		}
		at, err := place.url()
		if err != nil {
			return err
		}
		if err := tryImport(cmd.Context(), from); err != nil { // before a database is made for nothing
			return err
		}
		db, err := store.Open(cmd.Context(), at, deletions.Schema())
		if err != nil {
			return databaseProblem(err, at)
		}
		done, err := deletions.NewLedger(db).Import(context.WithoutCancel(cmd.Context()), from)
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
		if *format == "json" {
			return screen.WriteJSON(cmd.OutOrStdout(), importedJSON{schemaVersion, done.Lines, done.Deletions, done.Head, done.TornBytes})
		}
		s.screen(cmd.OutOrStdout()).Table([]screen.Row{
			row("Taken over", screen.Count(done.Deletions, "deletion", "deletions"), screen.Green),
			row("Lines", fmt.Sprint(done.Lines), screen.Plain),
			row("Head", done.Head, screen.Plain),
		})
		return nil
	}
	return cmd
}
