//go:build !notelemetry

package relaycmd

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/relay/erasures"
)

// auditJSON is what verify says. Its names are stable.
type auditJSON struct {
	Whole bool `json:"whole"`
	// Lines and Head are of the whole lines before the damage, if there is any.
	Lines       int64     `json:"lines"`
	Head        string    `json:"head"`
	LastAt      time.Time `json:"last_at,omitzero"`
	TornBytes   int64     `json:"torn_bytes"`
	DamagedLine int64     `json:"damaged_line,omitempty"`
	Damage      string    `json:"damage,omitempty"`
}

func (s surroundings) verify(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hold the ledger against its chain of hashes",
		Long: "Hold the ledger against its chain of hashes: a line that was changed, moved or removed\n" +
			"shows, and which. The exit code is then 1.\n\n" +
			"What does not show is that lines are missing at the very end, or that the whole file\n" +
			"was written anew. Who wants to see that too keeps the number of lines and the head\n" +
			"somewhere else: the same number of lines has the same head for ever.",
		Example:           "  telemetry-relay erasures verify --ledger /var/lib/erasures",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := ledger.find()
		if err != nil {
			return err
		}
		audit, err := erasures.Verify(dir)
		damage, damaged := errors.AsType[*erasures.DamageError](err)
		if err != nil && !damaged {
			return ledger.problem(err, dir)
		}
		j := auditJSON{Whole: !damaged, Lines: audit.Lines, Head: audit.Head, LastAt: audit.LastAt.UTC(), TornBytes: audit.TornBytes}
		if damaged {
			j.DamagedLine, j.Damage = damage.Line, damage.Err.Error()
		}
		if *format == "json" {
			return errors.Join(screen.WriteJSON(cmd.OutOrStdout(), j), ledger.problem(err, dir))
		}
		out := s.screen(cmd.OutOrStdout())
		rows := []screen.Row{row("Ledger", "as it was written", screen.Green), row("Lines", fmt.Sprint(j.Lines), screen.Plain)}
		if damaged {
			rows = []screen.Row{row("Ledger", "DAMAGED", screen.Red), row("Damaged line", fmt.Sprint(j.DamagedLine), screen.Red), row("Lines before it", fmt.Sprint(j.Lines), screen.Plain)}
		}
		rows = append(rows, row("Head", j.Head, screen.Plain))
		if !j.LastAt.IsZero() {
			rows = append(rows, row("Last line", screen.When(j.LastAt), screen.Plain))
		}
		if j.TornBytes > 0 {
			rows = append(rows, row("Half a line", fmt.Sprintf("%s at the end: a write that was cut off, or is just going on", screen.Count(j.TornBytes, "byte", "bytes")), screen.Plain))
		}
		out.Table(rows)
		return ledger.problem(err, dir)
	}
	return cmd
}

func (s surroundings) retry(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry ID",
		Short: "Have those vendors asked again that need a person",
		Long: "Have those vendors asked again that refused an erasure or left it to a person, once\n" +
			"that person has seen to it. The relay takes it up within a minute if it runs, else\n" +
			"when it starts. The first four characters of the ID will do.",
		Example:           "  telemetry-relay erasures retry 4f2a --ledger /var/lib/erasures",
		Args:              oneID,
		ValidArgsFunction: ledger.completeID(erasures.Erasure.NeedsPerson),
	}
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := ledger.one(args[0])
		if err != nil {
			return err
		}
		if !e.NeedsPerson() {
			return fmt.Errorf("nothing is left to a person here: %s", ledger.hint("show", e.ID[:shortID]))
		}
		dir, err := ledger.find()
		if err != nil {
			return err
		}
		if err := erasures.Retry(dir, e.ID); err != nil {
			return ledger.problem(err, dir)
		}
		var vendors []string
		for _, v := range e.Vendors {
			if v.NeedsPerson() {
				vendors = append(vendors, v.Name)
			}
		}
		if *format == "json" {
			return screen.WriteJSON(cmd.OutOrStdout(), struct {
				ID      string   `json:"id"`
				Vendors []string `json:"vendors"`
			}{e.ID, vendors})
		}
		out := s.screen(cmd.OutOrStdout())
		for _, v := range vendors {
			fmt.Fprintf(out, "%s is asked again: within a minute if the relay runs, else when it starts.\n", screen.Clean(v))
		}
		fmt.Fprintf(out, "How it goes on: %s\n", ledger.hint("show", e.ID[:shortID]))
		return nil
	}
	return cmd
}

func (s surroundings) repair(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Make a damaged ledger usable, by setting aside what is damaged",
		Long: "Make a damaged ledger usable: set aside the lines that are damaged, and number and\n" +
			"chain the others anew, with a last line that says so. The ledger as it was stays\n" +
			"beside it. A backup that is whole is better: this is for where there is none.\n\n" +
			"Nobody is erased by mistake. What may happen is that a tool does not find its receipt\n" +
			"and asks again, and that a vendor is asked twice.\n\n" +
			"The relay must not run. Run this as the user whom the relay runs as, who has to own\n" +
			"the new file. A ledger that is not damaged is left as it is.",
		Example:           "  telemetry-relay erasures repair --ledger /var/lib/erasures",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := ledger.find()
		if err != nil {
			return err
		}
		audit, err := erasures.Verify(dir)
		damage, damaged := errors.AsType[*erasures.DamageError](err)
		if err != nil && !damaged {
			return ledger.problem(err, dir)
		}
		if damaged && !*yes {
			says := fmt.Sprintf("Line %d of the ledger is damaged: %v. The %s before it are whole.\nIf there is a backup, restore that instead.",
				damage.Line, damage.Err, screen.Count(audit.Lines, "line", "lines"))
			if err := s.confirm(cmd, says, "Set the damaged lines aside?"); err != nil {
				return err
			}
		}
		d, err := erasures.AcceptDamage(dir)
		if err != nil {
			return ledger.problem(err, dir)
		}
		if *format == "json" {
			return screen.WriteJSON(cmd.OutOrStdout(), struct {
				Repaired bool   `json:"repaired"`
				Kept     int    `json:"lines_kept"`
				SetAside int    `json:"lines_set_aside"`
				Original string `json:"original,omitempty"`
			}{d.Original != "", d.Kept, d.SetAside, d.Original})
		}
		out := s.screen(cmd.OutOrStdout())
		if d.Original == "" {
			fmt.Fprintln(out, "The ledger is not damaged, and was left as it is.")
			return nil
		}
		out.Table([]screen.Row{
			row("Ledger", "usable again", screen.Green),
			row("Kept", screen.Count(d.Kept, "line", "lines"), screen.Plain),
			row("Set aside", screen.Count(d.SetAside, "line", "lines"), screen.Plain),
			row("As it was", d.Original, screen.Plain),
		})
		return nil
	}
	return cmd
}
