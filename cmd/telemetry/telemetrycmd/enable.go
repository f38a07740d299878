package telemetrycmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/internal/screen"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
)

func (s *commandSet) enable() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "enable",
		Short: "Say yes to sending usage data",
		Long: "Say yes to sending usage data, and show what it holds and where it goes.\n\n" +
			"A no from elsewhere, such as DO_NOT_TRACK or the administrator's policy, still\n" +
			"counts: the yes is then stored for later, and the exit code is 0.",
		Example: "  " + s.hint("enable") + "\n  " + s.hint("enable --local"),
	}
	format := addOutput(cmd)
	local := cmd.Flags().Bool("local", false, "keep everything on this machine, to see it without sending it")
	cmd.RunE = s.run(func(cmd *cobra.Command, m *core.Manager) error {
		answer := consent.AnswerYes
		if *local {
			answer = consent.AnswerLocal
		}
		err := m.Enable(*local, "") // the notice comes after it
		v := look(m)
		switch {
		case errors.Is(err, core.ErrChanged):
			return fmt.Errorf("another answer was stored at the same moment and stands; see %s", s.hint("status"))
		case err != nil && v.stored.Answer == answer:
			return fmt.Errorf("the yes is stored, but nothing can be recorded yet: %w", flat{err})
		case err != nil:
			return fmt.Errorf("the yes could not be stored, so nothing is collected: %w", flat{err})
		}
		if *format == formatJSON {
			return screen.WriteJSON(cmd.OutOrStdout(), struct {
				summaryJSON
				Backend   backendJSON `json:"backend"`
				MachineID string      `json:"machine_id,omitempty"`
			}{v.summary(), v.backend(), v.MachineID})
		}
		out := screen.New(cmd.OutOrStdout(), m.Lookup)
		switch v.state() {
		case stateOn:
			fmt.Fprintf(out, "%s Thank you.\n", out.Paint(screen.Green, "Telemetry of "+v.tool+" is on."))
		case stateLocal:
			fmt.Fprintf(out, "%s\n", out.Paint(screen.Green, "Telemetry of "+v.tool+" is on, and stays on this machine."))
			if !*local {
				fmt.Fprintf(out, "The yes is stored; what restricts it: %s\n", s.hint("status --explain"))
			}
		default:
			fmt.Fprintf(out, "The yes is stored, but %s: %s.\n", out.Paint(screen.Bold, "telemetry of "+v.tool+" stays off"), v.whyOff())
		}
		fmt.Fprintf(out, "\n%s", notice(m.Tool(), v.Status, s.hint("disable")))
		if v.MachineID != "" {
			fmt.Fprintf(out, "Machine ID: %s\n", v.MachineID)
		}
		return nil
	})
	return cmd
}

// whyOff says what is in the way of a yes.
func (v view) whyOff() string {
	switch {
	case !v.Decision.Enabled:
		return "decided by " + v.decider()
	case len(v.Faults) > 0:
		return screen.Clean(v.Faults[0])
	}
	return "the tool names no receiver"
}

func (s *commandSet) disable() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disable",
		Short: "Say no, and erase what has not been sent",
		Long: "Say no to sending usage data, and erase what has not been sent.\n\n" +
			"What was sent before stays with the receiver; reset asks for its deletion.",
		Example: "  " + s.hint("disable"),
	}
	format := addOutput(cmd)
	cmd.RunE = s.run(func(cmd *cobra.Command, m *core.Manager) error {
		report, err := m.Disable(contextOf(cmd))
		v := look(m)
		if !report.Off {
			return s.notStored(v, err)
		}
		if *format == formatJSON {
			if writeErr := screen.WriteJSON(cmd.OutOrStdout(), struct {
				summaryJSON
				Erased  int  `json:"erased"`
				Arrived int  `json:"arrived,omitempty"`
				Sending bool `json:"still_sending,omitempty"`
			}{v.summary(), report.Erased, report.Arrived, report.Sending}); writeErr != nil {
				return writeErr
			}
		} else {
			out := screen.New(cmd.OutOrStdout(), m.Lookup)
			fmt.Fprintf(out, "%s %s\n", out.Paint(screen.Bold, "Telemetry of "+v.tool+" is off."), erasedWords(report.Erased, report.Arrived))
			if report.Sending {
				fmt.Fprintln(out, "A batch is still on its way and may arrive; nothing is sent after it.")
			}
			if v.LocalLog != "" {
				fmt.Fprintf(out, "What stayed on this machine is in %s; reset deletes it.\n", v.LocalLog)
			}
			switch {
			case v.Delivered > 0:
				fmt.Fprintf(out, "What was sent before stays with the receiver. To ask for its deletion: %s\n", s.hint("reset"))
			case v.Sent:
				fmt.Fprintf(out, "What an upload that failed brought all the same stays with the receiver. To ask for its deletion: %s\n", s.hint("reset"))
			}
		}
		if err != nil {
			return fmt.Errorf("the no is stored and nothing more is sent, but not all that waited could be erased: %w", flat{err})
		}
		return nil
	})
	return cmd
}

// notStored is the error of a no that did not reach the disk, with another way to say
// it.
func (s *commandSet) notStored(v view, err error) error {
	if err == nil {
		err = errors.New("it cannot be read back")
	}
	return fmt.Errorf("the no could not be stored (%w); set %s=off in your environment instead", flat{err}, consent.EnvName(v.tool))
}

// erasedWords says what became of what waited: n events are erased, and so many of a batch that
// was on its way have arrived.
func erasedWords(n, arrived int) string {
	late := ""
	if arrived > 0 {
		late = fmt.Sprintf("%s on the way and arrived.", screen.Count(arrived, "event was", "events were"))
	}
	switch {
	case n == 0 && arrived > 0:
		return late
	case n == 0:
		return "Nothing was waiting to be sent."
	case n == 1:
		return strings.TrimSpace("The event that was waiting to be sent is erased. " + late)
	}
	return strings.TrimSpace(fmt.Sprintf("The %d events that were waiting to be sent are erased. ", n) + late)
}
