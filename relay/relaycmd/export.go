//go:build !notelemetry

package relaycmd

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/relay/deletions"
)

func (s surroundings) export(ledger *ledgerPlace) *cobra.Command {
	var format, signKey, signature string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write all deletions to stdout, for an auditor",
		Long: "Write deletions to stdout, for an auditor. As json, each is an object on a line of its\n" +
			"own, with all that happened; as csv, there is a line for each vendor of each deletion,\n" +
			"with how far it is. All times are in UTC.\n\n" +
			"It holds machine IDs, which are pseudonyms of persons, and no key. In csv, what a\n" +
			"spreadsheet would take for a formula has a ' in front. That the ledger is as it was\n" +
			"written is for verify to say.\n\n" +
			"With --sign, a second file says what was written when, with the hash of it and the head\n" +
			"of the ledger, signed with an Ed25519 key: see keygen and verify-export.",
		Example: "  " + program + " deletions export --config relay.yaml > deletions.jsonl\n" +
			"  " + program + " deletions export --config relay.yaml --format csv --tool mytool > deletions.csv\n" +
			"  " + program + " deletions export --config relay.yaml --sign audit.key --signature deletions.sig > deletions.jsonl",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	only := addFilter(cmd, ledger)
	addChoice(cmd, &format, "format", "f", "json", "how to write them", "json", "csv")
	cmd.Flags().StringVar(&signKey, "sign", "", "the file with the private key to sign with")
	cmd.Flags().StringVar(&signature, "signature", "", "the file that the signature is written to")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if (signKey == "") != (signature == "") {
			return usage("--sign and --signature go together: the key, and the file that the signature is written to")
		}
		if err := ledger.checkFilter(*only); err != nil {
			return err
		}
		if signature != "" {
			at, err := ledger.url()
			if err != nil {
				return err
			}
			reads := inputs{"--sign": signKey}
			reads.addPlace(ledger.config, at)
			if err := reads.spare("--signature", signature); err != nil {
				return err
			}
		}
		seal, err := newSeal(signKey)
		if err != nil {
			return usage("--sign: %w", err)
		}
		return ledger.with(cmd.Context(), func(l *deletions.Ledger) error {
			audit, err := l.Head(cmd.Context())
			if err != nil {
				return err
			}
			only.Steps = format == "json"
			n, err := writeDeletions(io.MultiWriter(cmd.OutOrStdout(), seal), format, func(f func(deletions.Deletion) error) error {
				return l.List(cmd.Context(), *only, f)
			})
			if err != nil || signKey == "" {
				return err
			}
			return seal.write(signature, statement{Deletions: n, Format: format, State: string(only.State), Tool: only.Tool, MachineID: only.MachineID, ExportedAt: s.now().UTC(), Lines: audit.Lines, Head: audit.Head})
		})
	}
	return cmd
}

// writeDeletions writes what each calls it with, and returns how many that were.
func writeDeletions(w io.Writer, format string, each func(func(deletions.Deletion) error) error) (n int64, err error) {
	if format == "csv" {
		out := csv.NewWriter(w)
		if err := out.Write(csvHeading); err != nil {
			return 0, err
		}
		if err := each(func(e deletions.Deletion) error { n++; return writeRows(out, e) }); err != nil {
			return n, err
		}
		out.Flush()
		return n, out.Error()
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	err = each(func(e deletions.Deletion) error {
		n++
		return encoder.Encode(documentJSON{schemaVersion, toDeletionJSON(e)})
	})
	return n, err
}

var csvHeading = []string{
	"deletion_id", "tool", "machine_id", "state", "requested_at", "received_at", "verified_at",
	"vendor", "vendor_state", "vendor_state_since", "attempts", "receipts_lost",
	"receipt_id", "receipt_detail", "receipt_url", "cancel_until", "problem", "due_at",
}

func writeRows(out *csv.Writer, e deletions.Deletion) error {
	for _, v := range e.Vendors {
		line := []string{
			e.ID, e.Tool, e.MachineID, string(e.State), stamp(e.RequestedAt), stamp(e.ReceivedAt), stamp(e.VerifiedAt),
			v.Name, string(v.State), stamp(v.Since), strconv.FormatInt(v.Attempts, 10), strconv.FormatInt(v.Lost, 10),
			v.Receipt.ID, v.Receipt.Detail, v.Receipt.URL, stamp(v.Receipt.CancelUntil), v.Problem, stamp(e.DueAt),
		}
		for i := range line {
			line[i] = noFormula(line[i])
		}
		if err := out.Write(line); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
	return nil
}

// noFormula makes a cell that no spreadsheet runs: a vendor, or who asked it, could have
// written one.
func noFormula(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
