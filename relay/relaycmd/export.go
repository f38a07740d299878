//go:build !notelemetry

package relaycmd

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/relay/erasures"
)

func (s surroundings) export(ledger *ledgerPlace) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write all erasures to stdout, for an auditor",
		Long: "Write erasures to stdout, for an auditor. As json, each is an object on a line of its\n" +
			"own, with all that happened; as csv, there is a line for each vendor of each erasure,\n" +
			"with how far it is. All times are in UTC.\n\n" +
			"It holds machine IDs, which are pseudonyms of persons, and no key. In csv, what a\n" +
			"spreadsheet would take for a formula has a ' in front. That the ledger is as it was\n" +
			"written is for verify to say.",
		Example: "  telemetry-relay erasures export --ledger /var/lib/erasures > erasures.jsonl\n" +
			"  telemetry-relay erasures export --ledger /var/lib/erasures --format csv --tool mytool > erasures.csv",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	only := addFilter(cmd, ledger)
	addChoice(cmd, &format, "format", "f", "json", "how to write them", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, problem := ledger.read()
		if list == nil && problem != nil {
			return problem
		}
		write := writeLines
		if format == "csv" {
			write = writeCSV
		}
		return errors.Join(write(cmd.OutOrStdout(), only.of(list)), problem)
	}
	return cmd
}

func writeLines(w io.Writer, list []erasures.Erasure) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, e := range list {
		if err := encoder.Encode(toErasureJSON(e)); err != nil {
			return err
		}
	}
	return nil
}

var csvHeading = []string{
	"erasure_id", "tool", "machine_id", "state", "requested_at", "received_at", "verified_at",
	"vendor", "vendor_state", "vendor_state_since", "attempts", "receipts_lost",
	"receipt_id", "receipt_detail", "receipt_url", "cancel_until", "problem",
}

func writeCSV(w io.Writer, list []erasures.Erasure) error {
	out := csv.NewWriter(w)
	lines := [][]string{csvHeading}
	for _, e := range list {
		for _, v := range e.Vendors {
			lines = append(lines, []string{
				e.ID, e.Tool, e.MachineID, string(e.State), stamp(e.RequestedAt), stamp(e.ReceivedAt), stamp(e.VerifiedAt),
				v.Name, string(v.State), stamp(v.Since), strconv.Itoa(v.Attempts), strconv.Itoa(v.Lost),
				v.Receipt.ID, v.Receipt.Detail, v.Receipt.URL, stamp(v.Receipt.CancelUntil), v.Problem,
			})
		}
	}
	for _, line := range lines {
		for i := range line {
			line[i] = noFormula(line[i])
		}
	}
	return out.WriteAll(lines) // which flushes
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
