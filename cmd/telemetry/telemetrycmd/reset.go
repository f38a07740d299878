package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/internal/screen"
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
		Long: "Turn telemetry off, erase what is kept here, ask for the deletion of what was sent,\n" +
			"and forget the machine ID: a later yes gets a new one.\n\n" +
			"It says of each request how far it came. Those that could not be handed over are\n" +
			"kept, and later commands make them again in the background, also while telemetry\n" +
			"is off; the exit code is then 1. On a terminal it asks before it begins, because\n" +
			"it cannot be undone.",
		Example: "  " + s.hint("reset") + "\n  " + s.hint("reset --status") + "\n  " + s.hint("reset --resume") + "\n  " + s.hint("reset --yes --output json"),
	}
	format := addOutput(cmd)
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	status := cmd.Flags().Bool("status", false, "show how far the deletion requests came, and change nothing")
	resume := cmd.Flags().Bool("resume", false, "take the deletion requests up again now, and reset nothing else")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if *status && *resume {
			return UsageError(errors.New("--status changes nothing and --resume does: give one of them"))
		}
		return noArgs(cmd, args)
	}
	cmd.RunE = s.run(func(cmd *cobra.Command, m *core.Manager) error {
		out := screen.New(cmd.OutOrStdout(), m.Lookup)
		switch {
		case *status:
			return s.resetStatus(out, m, *format)
		case *resume:
			return s.resetResume(cmd, out, m, *format)
		}
		before := look(m)
		if !*yes && before.somethingToReset() {
			if err := confirmReset(cmd, before.tool); err != nil {
				return err
			}
		}
		var report core.ResetReport
		err := s.asking(cmd, m, func(ctx context.Context, tell func(done, total int)) (err error) {
			report, err = m.Reset(ctx, tell)
			return err
		})
		if err == nil && !report.Off && m.Decision().Enabled {
			// Nothing is stored here, but a variable or the policy says yes.
			var no core.DisableReport
			no, err = m.Disable(contextOf(cmd))
			report.Erased, report.Off = no.Erased, no.Off
		}
		if err != nil && !report.Off {
			return s.notStored(before, err)
		}
		if *format == formatJSON {
			j := resetJSON{look(m).summary(), report.Erased, notErasable(report.Requests), report.Unknown, erasuresJSON(report.Requests)}
			if writeErr := screen.WriteJSON(out, j); writeErr != nil {
				return writeErr
			}
		} else {
			s.printReset(out, m, before, report, err == nil)
		}
		s.openMail(out, m, *format, report.Requests)
		if err != nil {
			return fmt.Errorf("telemetry is off, but the reset is not complete (%w); to try again: %s", flat{err}, s.hint("reset"))
		}
		if n := len(report.Unknown); n > 0 {
			err = fmt.Errorf("%s not be read, so nobody could be asked to delete what may have been sent under it",
				screen.Count(n, "identity could", "identities could"))
		}
		return errors.Join(err, s.stillOpen(report.Requests))
	})
	return cmd
}

// asking runs work, which asks others, within the time that a person waits, and shows
// how far it is.
func (s *commandSet) asking(cmd *cobra.Command, m *core.Manager, work func(ctx context.Context, tell func(done, total int)) error) error {
	ctx, cancel := context.WithTimeout(contextOf(cmd), resetPatience)
	defer cancel()
	var p progress
	defer p.show(screen.New(cmd.ErrOrStderr(), m.Lookup), "Asking for the deletion", requests)()
	return work(ctx, p.set)
}

func (s *commandSet) resetStatus(out screen.Screen, m *core.Manager, format outputFormat) error {
	all, err := m.Erasures()
	return errors.Join(s.showErasures(out, m, format, all), err)
}

func (s *commandSet) resetResume(cmd *cobra.Command, out screen.Screen, m *core.Manager, format outputFormat) error {
	var all []core.Erasure
	err := s.asking(cmd, m, func(ctx context.Context, tell func(done, total int)) (err error) {
		all, err = m.Resume(ctx, tell)
		return err
	})
	if err := s.showErasures(out, m, format, all); err != nil {
		return err
	}
	s.openMail(out, m, format, all)
	if err != nil {
		return fmt.Errorf("%w; to try again: %s", flat{err}, s.hint("reset --resume"))
	}
	return s.stillOpen(all)
}

func requests(n int) string { return screen.Count(n, "request", "requests") }

// stillOpen is the error of a command after which somebody does not have their request.
func (s *commandSet) stillOpen(all []core.Erasure) error {
	n := 0
	for _, e := range all {
		if e.Open() {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%s not handed over; to try again: %s",
		screen.Count(n, "deletion request was", "deletion requests were"), s.hint("reset --resume"))
}

func (v view) somethingToReset() bool {
	return v.MachineID != "" || v.Queue.Events > 0
}

// confirmPatience is for somebody who has just typed the command and reads what it does.
const confirmPatience = time.Minute

// confirmReset asks, where there is somebody to ask: a script said what it wants. The
// error says that the person does not want it, or that the command ended meanwhile.
func confirmReset(cmd *cobra.Command, tool string) error {
	in, asked := cmd.InOrStdin().(*os.File)
	terminal, shown := cmd.ErrOrStderr().(*os.File)
	if !asked || !shown || !screen.IsTerminal(in) || !screen.IsTerminal(terminal) {
		return nil
	}
	var b strings.Builder
	paragraph(&b, "This turns telemetry of "+tool+" off, erases what waits here and asks for the deletion of what was sent. It cannot be undone.")
	fmt.Fprint(terminal, b.String())
	said, err := askYesNo(contextOf(cmd), in, terminal, "Go on?", confirmPatience)
	if err == nil && said != saidYes {
		err = errNothingChanged
	}
	return err
}

func (s *commandSet) printReset(out screen.Screen, m *core.Manager, before view, report core.ResetReport, complete bool) {
	if !report.Off {
		fmt.Fprintf(out, "Nothing to reset: %s has stored nothing here, so nothing here tells of data elsewhere.\n", before.tool)
		return
	}
	fmt.Fprintf(out, "%s %s\n", out.Paint(screen.Bold, "Telemetry of "+before.tool+" is off."), erasedWords(report.Erased, report.Arrived))
	for _, name := range report.Unknown {
		fmt.Fprintf(out, "\nAn identity was damaged and is kept as %s.\n", name)
		fmt.Fprintln(out, "Whether anything was sent under it is not known here. Only the authors can look:")
		fmt.Fprintln(out, "give them that file, which holds the key.")
		if url := m.Tool().Telemetry.PrivacyURL; url != "" {
			fmt.Fprintf(out, "The authors: %s\n", url)
		}
	}
	if len(report.Requests)+len(report.Unknown) == 0 && complete {
		fmt.Fprintln(out, nothingToAsk(before.Erasures))
	}
	if variable, _, err := m.Identity(); err == nil {
		fmt.Fprintf(out, "%s is set: unset it, since nothing is sent under an ID that is being erased.\n", variable)
	}
	for _, e := range report.Requests {
		fmt.Fprintf(out, "\nData sent under the machine ID %s:\n", e.MachineID)
		for _, line := range s.erasureWords(m, e) {
			fmt.Fprintf(out, "  %s\n", line)
		}
		if e.NotErasable > 0 && before.MachineID == e.MachineID {
			for _, w := range before.Backend.Warnings {
				if w.NotErasable && before.Warned[w.Name] > 0 {
					fmt.Fprintf(out, "    %s: %s\n", events(before.Warned[w.Name]), screen.Clean(w.Doc))
				}
			}
		}
	}
}

// nothingToAsk says why nobody is asked to delete anything: no more than is known here.
func nothingToAsk(before []core.Erasure) string {
	for i := len(before) - 1; i >= 0; i-- {
		if e := before[i]; e.State == deletion.Verified {
			return "Nothing was sent since the last reset. That earlier data is gone was verified on " +
				screen.When(e.Reached[deletion.Verified]) + "."
		}
	}
	return "Nothing is stored here under which anything was sent, so there is nobody to ask to delete it."
}

type resetJSON struct {
	summaryJSON
	Erased int `json:"erased"`
	// NotErasable is how many of the events that were sent may stay all the same, the greatest
	// number of a request.
	NotErasable int           `json:"not_erasable,omitempty"`
	Unknown     []string      `json:"damaged_identities,omitempty"`
	Requests    []erasureJSON `json:"requests"`
}

// notErasable is the greatest number of events that one of the requests may not reach. Their
// sum may count an event for several IDs.
func notErasable(all []core.Erasure) (n int) {
	for _, e := range all {
		n = max(n, e.NotErasable)
	}
	return n
}
