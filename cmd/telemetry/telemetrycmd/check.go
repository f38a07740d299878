package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/internal/screen"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
)

// checkTimeout is more than an attempt is given by the collector.
const checkTimeout = 30 * time.Second

// CheckCommand returns the command `check`, which sends one marked event to the declared
// backend and says what the receiver answers. It is for authors, in a program of theirs: a
// tool that users have should not offer it. path and open are those of Commands.
func CheckCommand(path func() string, open func() (*core.Manager, error), list ...Option) *cobra.Command {
	set := &commandSet{path: path, open: open, options: gather(list)}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Send one marked event, and say what the receiver answers",
		Long: "Send one event of the type telemetry.check to the declared receiver, and say what it\n" +
			"answers: whether key, address and region are right. It needs a yes, as any event does,\n" +
			"and goes out under the same machine ID, so that reset has it erased too.\n\n" +
			"The exit code is 0 if the receiver has accepted it.",
		Example:           "  " + set.hint("check") + "\n  " + set.hint("check --output json"),
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.SetFlagErrorFunc(asUsageError)
	format := addOutput(cmd)
	cmd.RunE = set.run(func(cmd *cobra.Command, m *core.Manager) error { return set.check(cmd, m, *format) })
	return cmd
}

// addCheckFlag adds --check to status. A build for users has it too, hidden, to say how an
// author gets one that does it.
func addCheckFlag(cmd *cobra.Command) *bool {
	check := cmd.Flags().Bool("check", false, "send one marked event, and say what the receiver answers")
	if !mayCheck {
		if err := cmd.Flags().MarkHidden("check"); err != nil {
			panic(err) // the flag was added a line above
		}
	}
	return check
}

var errNoCheck = errors.New("this build sends no event to check its receiver; authors have one that does: go run -tags telemetrycheck")

// check sends the event and shows the answer. The error says that it was not accepted, or
// why none was sent.
func (s *commandSet) check(cmd *cobra.Command, m *core.Manager, format outputFormat) error {
	ctx, cancel := context.WithTimeout(contextOf(cmd), checkTimeout)
	defer cancel()
	v := look(m)
	var at progress
	stop := at.show(screen.New(cmd.ErrOrStderr(), m.Lookup), "Sending one event to "+v.receiver(), events)
	report, err := m.Check(ctx)
	stop()
	switch {
	case errors.Is(err, core.ErrOff):
		return fmt.Errorf("%w, and nothing is sent without a yes, not even to check; to turn it on: %s", core.ErrOff, s.hint("enable"))
	case errors.Is(err, core.ErrLocal):
		return fmt.Errorf("%w; to have events sent: %s", core.ErrLocal, s.hint("enable"))
	case errors.Is(err, core.ErrBusy):
		return fmt.Errorf("%w at this moment; try again", core.ErrBusy)
	case err != nil:
		return err
	}
	if report.Class != driver.ClassAccepted {
		err = fmt.Errorf("the event was not accepted by %s", v.receiver())
	}
	if format == formatJSON {
		j := checkJSON{
			summaryJSON: v.summary(), Backend: v.backend(), EventID: report.Event.ID, EventType: report.Event.Type,
			Answer: report.Class.String(), Reason: report.Reason,
			WaitSeconds: int64(report.Wait / time.Second), TookMS: report.Took.Milliseconds(),
		}
		if writeErr := screen.WriteJSON(cmd.OutOrStdout(), j); writeErr != nil {
			return writeErr
		}
		return err
	}
	screen.New(cmd.OutOrStdout(), m.Lookup).Table(checkRows(v, report))
	return err
}

type checkJSON struct {
	summaryJSON
	Backend   backendJSON `json:"backend"`
	EventID   string      `json:"event_id"`
	EventType string      `json:"event_type"`
	// Answer is "accepted", "unknown", "throttled", "permanent", "too large" or "partial".
	Answer      string `json:"answer"`
	Reason      string `json:"reason,omitempty"`
	WaitSeconds int64  `json:"wait_seconds,omitempty"`
	TookMS      int64  `json:"took_ms"`
}

func checkRows(v view, report core.CheckReport) []screen.Row {
	answer := screen.Row{Label: "Answer", Value: answerWords[report.Class], Colour: screen.Red}
	if report.Class == driver.ClassAccepted {
		answer.Colour = screen.Green
	}
	rows := []screen.Row{
		{Label: "Receiver", Value: v.receiver()},
		{Label: "Event", Value: report.Event.Type + ", " + report.Event.ID},
		answer,
	}
	if report.Reason != "" {
		rows = append(rows, screen.Row{Label: "Because", Value: screen.Clean(report.Reason)})
	}
	if report.Wait > 0 {
		rows = append(rows, screen.Row{Label: "It asks to wait", Value: report.Wait.Round(time.Second).String()})
	}
	for _, w := range report.Warnings {
		rows = append(rows, screen.Row{Label: "With a warning", Value: screen.Clean(w.Doc), Colour: screen.Red})
	}
	if report.Class == driver.ClassAccepted && v.Backend.Accepted != "" {
		rows = append(rows, screen.Row{Label: "Which means", Value: screen.Clean(v.Backend.Accepted)})
	}
	return append(rows, screen.Row{Label: "It took", Value: report.Took.Round(time.Millisecond).String()})
}

// answerWords says what an answer means to events.
var answerWords = map[driver.Class]string{
	driver.ClassAccepted:  "accepted",
	driver.ClassUnknown:   "not known to have arrived; events are kept and sent again",
	driver.ClassThrottled: "not taken now; events are kept and sent later",
	driver.ClassPermanent: "refused for good; such events are lost, and counted",
	driver.ClassTooLarge:  "refused as too large, or for something in it",
	driver.ClassPartial:   "taken in part",
}
