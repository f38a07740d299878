package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/deletion"
)

// resetPatience is how long the deletion requests may take: a person is looking.
const resetPatience = 30 * time.Second

var errNothingChanged = errors.New("nothing was changed")

func (s *commandSet) reset() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Turn telemetry off, erase it here and ask for the deletion of what was sent",
		Long: "Turn telemetry off, erase what is kept here, ask the receiver to delete what was\n" +
			"sent, and forget the machine ID: a later yes gets a new one.\n\n" +
			"It says of each request how far it came. Those that could not be handed over are\n" +
			"kept and made again by the next reset, and the exit code is 1. On a terminal it\n" +
			"asks before it begins, because it cannot be undone.",
		Example: "  " + s.hint("reset") + "\n  " + s.hint("reset --yes --output json"),
	}
	format := addOutput(cmd)
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.RunE = s.run(func(cmd *cobra.Command, m *core.Manager) error {
		before := look(m)
		if !*yes && before.somethingToReset() && !s.confirmReset(cmd, before.tool) {
			return errNothingChanged
		}
		ctx, cancel := context.WithTimeout(contextOf(cmd), resetPatience)
		defer cancel()
		report, err := m.Reset(ctx)
		if err == nil && !report.Off && m.Decision().Enabled {
			// Nothing is stored here, but a variable or the policy says yes.
			report.Erased, err = m.Disable()
			report.Off = err == nil
		}
		if err != nil && !report.Off {
			return s.notStored(before, err)
		}
		after := look(m)
		if *format == formatJSON {
			if writeErr := writeJSON(cmd.OutOrStdout(), resetResult(after, report)); writeErr != nil {
				return writeErr
			}
		} else {
			s.printReset(newScreen(cmd.OutOrStdout(), m.Lookup), m, before, report, err == nil)
		}
		if err != nil {
			return fmt.Errorf("telemetry is off, but the reset is not complete (%w); to try again: %s", flat{err}, s.hint("reset"))
		}
		if n := pending(report); n > 0 {
			return fmt.Errorf("%s not handed over; to try again: %s",
				count(n, "deletion request was", "deletion requests were"), s.hint("reset"))
		}
		return nil
	})
	return cmd
}

func (v view) somethingToReset() bool {
	return v.MachineID != "" || v.Pending > 0 || v.Queue.Events > 0
}

// confirmReset asks, where there is somebody to ask: a script said what it wants.
func (s *commandSet) confirmReset(cmd *cobra.Command, tool string) bool {
	in, asked := cmd.InOrStdin().(*os.File)
	terminal, shown := cmd.ErrOrStderr().(*os.File)
	if !asked || !shown || !isTerminal(in) || !isTerminal(terminal) {
		return true
	}
	var b strings.Builder
	paragraph(&b, "This turns telemetry of "+tool+" off, erases what waits here and asks for the deletion of what was sent. It cannot be undone.")
	fmt.Fprint(terminal, b.String())
	return askYesNo(contextOf(cmd), in, terminal, "Go on?", s.patience) == saidYes
}

func pending(report core.ResetReport) int {
	n := 0
	for _, request := range report.Requests {
		if request.Err != nil && !errors.Is(request.Err, core.ErrLocal) {
			n++
		}
	}
	return n
}

func (s *commandSet) printReset(out screen, m *core.Manager, before view, report core.ResetReport, complete bool) {
	if !report.Off {
		fmt.Fprintf(out, "Nothing to reset: %s has stored nothing here, and nothing was ever sent from here.\n", before.tool)
		return
	}
	fmt.Fprintf(out, "%s %s\n", out.paint(bold, "Telemetry of "+before.tool+" is off."), erasedWords(report.Erased))
	if len(report.Requests) == 0 && complete {
		fmt.Fprintln(out, "Nothing was ever sent from here, so there is nothing to ask the receiver to delete.")
	}
	for _, request := range report.Requests {
		fmt.Fprintf(out, "\nData under the machine ID %s:\n", request.MachineID)
		for _, line := range s.requestLines(m, before, request) {
			fmt.Fprintf(out, "  %s\n", line)
		}
	}
}

// requestLines says what became of one request, and no more than is known.
func (s *commandSet) requestLines(m *core.Manager, before view, request core.ResetRequest) []string {
	switch {
	case errors.Is(request.Err, core.ErrLocal):
		return []string{"It was kept on this machine only, so there is nobody to ask."}
	case request.Err != nil:
		lines := []string{
			"The deletion request was NOT handed over: " + clean(flat{request.Err}.Error()),
			"It is kept. To try again: " + s.hint("reset"),
		}
		if url := m.Tool().Telemetry.PrivacyURL; url != "" {
			lines = append(lines, "Or ask the authors, naming the machine ID: "+url)
		}
		return lines
	}
	receipt := request.Receipt
	receiver := "the receiver"
	if len(before.Backend.Hosts) > 0 {
		receiver = before.Backend.String()
	}
	if m.Tool().Telemetry.DeletionRequestor != nil {
		receiver = "the authors" // who may have another way than the backend
	}
	var lines []string
	switch receipt.State {
	case deletion.Delivered:
		lines = append(lines, "The deletion request was handed over to "+receiver+". Whether it has been acted on is not known here.")
	case deletion.Acknowledged:
		lines = append(lines, "The deletion request was handed over to "+receiver+", with the answer that the data will be deleted.")
	case deletion.Verified:
		lines = append(lines, "The data is deleted. That it is gone was verified.")
	case deletion.Manual:
		lines = append(lines, "The deletion request is NOT complete: you have to finish it yourself.")
	default:
		lines = append(lines, "The deletion request was handed over to "+receiver+", in the state "+clean(string(receipt.State))+".")
	}
	if receipt.Detail != "" {
		lines = append(lines, clean(receipt.Detail))
	}
	if receipt.ID != "" {
		lines = append(lines, "Its ID, should you ask about it: "+clean(receipt.ID))
	}
	return lines
}

type resetJSON struct {
	summaryJSON
	Erased   int           `json:"erased"`
	Requests []requestJSON `json:"requests"`
}

type requestJSON struct {
	MachineID string `json:"machine_id"`
	// State is that of the receipt, "pending" where the request was not handed over and
	// "local" where there was nobody to ask.
	State  string `json:"state"`
	ID     string `json:"id,omitempty"`
	Detail string `json:"detail,omitempty"`
	Error  string `json:"error,omitempty"`
}

func resetResult(v view, report core.ResetReport) resetJSON {
	j := resetJSON{summaryJSON: v.summary(), Erased: report.Erased, Requests: []requestJSON{}}
	for _, request := range report.Requests {
		r := requestJSON{MachineID: request.MachineID}
		switch {
		case errors.Is(request.Err, core.ErrLocal):
			r.State = "local"
		case request.Err != nil:
			r.State, r.Error = "pending", request.Err.Error()
		default:
			r.State, r.ID, r.Detail = string(request.Receipt.State), request.Receipt.ID, request.Receipt.Detail
		}
		j.Requests = append(j.Requests, r)
	}
	return j
}
