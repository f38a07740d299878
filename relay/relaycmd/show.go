//go:build !notelemetry

package relaycmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/relay/deletions"
)

// deletionJSON is one deletion. Its names are stable.
type deletionJSON struct {
	ID        string `json:"id"`
	Tool      string `json:"tool"`
	MachineID string `json:"machine_id"`
	// State is "acknowledged", "verified", "refused", "done" or "cancelled".
	State string `json:"state"`
	// RequestedAt is what the person's machine said.
	RequestedAt time.Time    `json:"requested_at,omitzero"`
	ReceivedAt  time.Time    `json:"received_at"`
	DueAt       time.Time    `json:"due_at"`
	VerifiedAt  time.Time    `json:"verified_at,omitzero"`
	NeedsPerson bool         `json:"needs_person"`
	NextAttempt time.Time    `json:"next_attempt,omitzero"`
	Vendors     []vendorJSON `json:"vendors"`
	Steps       []stepJSON   `json:"steps,omitempty"`
}

type vendorJSON struct {
	Name string `json:"name"`
	// State is "requested", "delivered", "acknowledged", "verified", "refused", "manual", "done"
	// or "cancelled".
	State       string       `json:"state"`
	Since       time.Time    `json:"since"`
	Attempts    int64        `json:"attempts"`
	Lost        int64        `json:"lost,omitempty"`
	Receipt     *receiptJSON `json:"receipt,omitempty"`
	Problem     string       `json:"problem,omitempty"`
	NeedsPerson bool         `json:"needs_person"`
	NextAttempt time.Time    `json:"next_attempt,omitzero"`
	// HeldUntil is until when it is not called at all, and CanaryProblem why nothing is called
	// verified there.
	HeldUntil     time.Time `json:"held_until,omitzero"`
	CanaryProblem string    `json:"canary_problem,omitempty"`
}

type receiptJSON struct {
	ID          string        `json:"id,omitempty"`
	State       string        `json:"state,omitempty"`
	Detail      string        `json:"detail,omitempty"`
	URL         string        `json:"url,omitempty"`
	CancelUntil time.Time     `json:"cancel_until,omitzero"`
	Parts       []receiptJSON `json:"parts,omitempty"`
}

type stepJSON struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Vendor string    `json:"vendor,omitempty"`
	State  string    `json:"state,omitempty"`
	Detail string    `json:"detail,omitempty"`
	By     string    `json:"by,omitempty"`
	Why    string    `json:"why,omitempty"`
	// RequestedAt is since when who asked says that it was to be deleted.
	RequestedAt time.Time `json:"requested_at,omitzero"`
}

func toReceiptJSON(r deletion.Receipt) receiptJSON {
	j := receiptJSON{ID: r.ID, State: string(r.State), Detail: r.Detail, URL: r.URL, CancelUntil: r.CancelUntil.UTC()}
	for _, part := range r.Parts {
		j.Parts = append(j.Parts, toReceiptJSON(part))
	}
	return j
}

// hasReceipt reports whether a vendor gave one.
func hasReceipt(r deletion.Receipt) bool {
	return r.State != "" || r.ID != "" || r.Detail != "" || r.URL != "" || len(r.Parts) > 0
}

func toDeletionJSON(e deletions.Deletion) deletionJSON {
	j := deletionJSON{
		ID: e.ID, Tool: e.Tool, MachineID: e.MachineID, State: string(e.State), RequestedAt: e.RequestedAt.UTC(),
		ReceivedAt: e.ReceivedAt.UTC(), DueAt: e.DueAt.UTC(), VerifiedAt: e.VerifiedAt.UTC(), NeedsPerson: e.NeedsPerson(), NextAttempt: e.NextAttempt.UTC(),
	}
	for _, v := range e.Vendors {
		one := vendorJSON{Name: v.Name, State: string(v.State), Since: v.Since.UTC(), Attempts: v.Attempts, Lost: v.Lost,
			Problem: v.Problem, NeedsPerson: v.NeedsPerson(), NextAttempt: v.NextAttempt.UTC(),
			HeldUntil: v.HeldUntil.UTC(), CanaryProblem: v.Canary}
		if hasReceipt(v.Receipt) {
			receipt := toReceiptJSON(v.Receipt)
			one.Receipt = &receipt
		}
		j.Vendors = append(j.Vendors, one)
	}
	for _, s := range e.Steps {
		j.Steps = append(j.Steps, stepJSON{s.At.UTC(), s.Event, s.Vendor, string(s.State), s.Detail, s.By, s.Why, s.RequestedAt.UTC()})
	}
	return j
}

func (s surroundings) show(ledger *ledgerPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show one deletion: how far each vendor is, and all that happened",
		Long:              "Show one deletion: how far each vendor is, what to do where a person has to act, and\nall that happened. The first four characters of the ID will do.",
		Example:           "  telemetry-relay deletions show 4f2a --config relay.yaml",
		Args:              oneID,
		ValidArgsFunction: ledger.completeID(func(deletions.Deletion) bool { return true }),
	}
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return ledger.with(cmd.Context(), func(l *deletions.Ledger) error {
			e, err := ledger.one(cmd.Context(), l, args[0])
			if err != nil {
				return err
			}
			if *format == "json" {
				return screen.WriteJSON(cmd.OutOrStdout(), documentJSON{schemaVersion, toDeletionJSON(e)})
			}
			s.printDeletion(s.screen(cmd.OutOrStdout()), ledger, e)
			return nil
		})
	}
	return cmd
}

func (s surroundings) printDeletion(out screen.Screen, ledger *ledgerPlace, e deletions.Deletion) {
	says := "by the clock of the person's machine"
	if len(e.Steps) > 0 && e.Steps[0].By != "" {
		says = "says " + e.Steps[0].By
	}
	rows := []screen.Row{
		row("Deletion", e.ID, screen.Bold),
		row("Tool", e.Tool, screen.Plain),
		row("Machine ID", e.MachineID, screen.Plain),
		row("State", string(e.State), stateColour(e.State, e.NeedsPerson())),
		row("Requested", screen.When(e.RequestedAt)+", "+says, screen.Plain),
		row("Received", screen.When(e.ReceivedAt), screen.Plain),
	}
	if e.Open {
		due, colour := "by "+screen.When(e.DueAt), screen.Plain
		if !e.DueAt.After(s.now()) {
			due, colour = due+", which is over: OVERDUE", screen.Red
		}
		rows = append(rows, row("Due", due, colour))
	}
	if !e.VerifiedAt.IsZero() {
		rows = append(rows, row("Verified", screen.When(e.VerifiedAt), screen.Plain))
	}
	out.Table(rows)
	for _, v := range e.Vendors {
		fmt.Fprintf(out, "\n%s\n", out.Paint(screen.Bold, screen.Clean(v.Name)))
		out.Table(s.vendorRows(ledger, e, v))
	}
	fmt.Fprintf(out, "\n%s\n", out.Paint(screen.Bold, "What happened"))
	var steps [][]screen.Cell
	for _, step := range e.Steps {
		text := string(step.State)
		if step.Detail != "" {
			text = strings.TrimPrefix(text+": "+step.Detail, ": ")
		}
		if step.By != "" {
			text = strings.TrimPrefix(text+", by "+step.By+": "+step.Why, ", ")
			if !step.RequestedAt.IsZero() && !step.RequestedAt.Equal(step.At) {
				text += ", asked " + screen.When(step.RequestedAt)
			}
		}
		steps = append(steps, []screen.Cell{
			{Short: screen.When(step.At), Full: step.At.UTC().Format(time.RFC3339)}, screen.Same(step.Event, screen.Plain), screen.Same(step.Vendor, screen.Plain), screen.Same(text, screen.Plain),
		})
	}
	out.Grid([]string{"WHEN", "EVENT", "VENDOR", "WHAT IT CAME TO"}, steps)
}

func (s surroundings) vendorRows(ledger *ledgerPlace, e deletions.Deletion, v deletions.VendorState) (rows []screen.Row) {
	add := func(label, value string, c screen.Colour) { rows = append(rows, row(label, value, c)) }
	add("State", string(v.State)+" since "+screen.When(v.Since), stateColour(v.State, v.NeedsPerson()))
	if v.Attempts > 0 {
		add("Asked", screen.Count(v.Attempts, "time", "times"), screen.Plain)
	}
	if v.Lost > 0 {
		add("Receipt lost", screen.Count(v.Lost, "time", "times"), screen.Plain)
	}
	rows = append(rows, receiptRows(v.Receipt)...)
	for i, part := range v.Receipt.Parts {
		add("Part", fmt.Sprintf("%d is %s", i+1, part.State), screen.Plain)
		rows = append(rows, receiptRows(part)...)
	}
	if v.Problem != "" && v.Problem != v.Receipt.Detail {
		add("Problem", v.Problem, screen.Red)
	}
	if v.Canary != "" {
		add("Canary", v.Canary, screen.Red)
	}
	if !v.HeldUntil.IsZero() {
		add("Held", "it is not called for anybody until "+screen.When(v.HeldUntil)+", as it asked for or since it refused the key; a start of the relay ends that, or: "+
			ledger.hint("retry", e.ID[:shortID]), screen.Red)
	}
	switch {
	case v.NeedsPerson():
		add("What to do", "See to what the vendor says, then have it asked again: "+ledger.hint("retry", e.ID[:shortID]), screen.Bold)
		add("Or", "Delete it by hand, and say so: "+ledger.hint("done", e.ID[:shortID], "--by WHO", "--why HOW"), screen.Bold)
	case v.State == deletion.Verified && !v.NextAttempt.IsZero():
		add("Next", "it is counted once more about "+screen.When(v.NextAttempt), screen.Plain)
	case v.State == deletion.Verified, v.State == deletions.Done, v.State == deletions.Cancelled:
	case v.NextAttempt.IsZero():
		add("Next", "nothing: it took the request, and cannot be asked how far it is", screen.Plain)
	case !v.NextAttempt.After(s.now()):
		add("Next", "as soon as a relay runs", screen.Plain)
	case v.State == deletion.Requested:
		add("Next", "it is asked about "+screen.When(v.NextAttempt), screen.Plain)
	default:
		add("Next", "it is asked how far it is about "+screen.When(v.NextAttempt), screen.Plain)
	}
	return rows
}

func receiptRows(r deletion.Receipt) (rows []screen.Row) {
	add := func(label, value string) { rows = append(rows, row(label, value, screen.Plain)) }
	if r.ID != "" {
		add("Receipt", r.ID)
	}
	if r.Detail != "" {
		add("It says", r.Detail)
	}
	if r.URL != "" {
		add("Link", r.URL)
	}
	if !r.CancelUntil.IsZero() {
		add("Cancellable", "there, until "+screen.When(r.CancelUntil))
	}
	return rows
}
