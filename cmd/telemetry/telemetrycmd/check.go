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

// checkHelp is what help says of --check, where it is offered.
func checkHelp() string {
	if !mayCheck {
		return ""
	}
	return "\n\nWith --check it sends one event of the type telemetry.check to the declared receiver and\n" +
		"says what that answers, if you have said yes. The exit code is 0 if it was accepted."
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
	j := checkJSON{summaryJSON: v.summary(), Backend: v.backend(), Warnings: m.AuthorWarnings()}
	switch {
	case err != nil:
		err = s.checkError(err, v)
	default:
		j.checkAnswer = &checkAnswer{
			EventID: report.Event.ID, EventType: report.Event.Type,
			Answer: report.Class.String(), Reason: report.Reason, Warned: v.warningsJSON(report.Warned),
			WaitSeconds: int64(report.Wait / time.Second), TookMS: report.Took.Milliseconds(),
		}
		if report.Class != driver.ClassAccepted {
			err = fmt.Errorf("the event was not accepted by %s", v.receiver())
		}
	}
	if format == formatJSON {
		if err != nil {
			j.Problem = err.Error()
		}
		if writeErr := screen.WriteJSON(cmd.OutOrStdout(), j); writeErr != nil {
			return writeErr
		}
		return err
	}
	for _, warning := range j.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "Warning for the tool's author: "+screen.Clean(warning))
	}
	if j.checkAnswer != nil {
		screen.New(cmd.OutOrStdout(), m.Lookup).Table(checkRows(v, report))
	}
	return err
}

// checkError says why no event was sent, in words for whoever typed it.
func (s *commandSet) checkError(err error, v view) error {
	switch {
	case errors.Is(err, core.ErrOff):
		return fmt.Errorf("%w, and nothing is sent without a yes, not even to check; %s", core.ErrOff, v.onHint(s.hint, true))
	case errors.Is(err, core.ErrLocal):
		if by, ok := v.Decision.Overrules(); ok {
			return fmt.Errorf("%w; decided by %s, whatever you answer", core.ErrLocal, layerWords(by))
		}
		return fmt.Errorf("%w; to have events sent: %s", core.ErrLocal, s.hint("enable"))
	case errors.Is(err, core.ErrBusy):
		return fmt.Errorf("%w at this moment; try again", core.ErrBusy)
	}
	return err
}

// checkJSON is what check says in JSON. Its names are stable.
type checkJSON struct {
	summaryJSON
	Backend backendJSON `json:"backend"`
	*checkAnswer
	// Warnings are for the tool's author: core.Manager.AuthorWarnings.
	Warnings []string `json:"warnings,omitempty"`
	// Problem is why the event was not accepted, or why none was sent.
	Problem string `json:"problem,omitempty"`
}

// checkAnswer is there if an event was sent.
type checkAnswer struct {
	EventID   string `json:"event_id"`
	EventType string `json:"event_type"`
	// Answer is "accepted", "unknown", "throttled", "permanent", "too large" or "partial".
	Answer      string        `json:"answer"`
	Reason      string        `json:"reason,omitempty"`
	Warned      []warningJSON `json:"warned,omitempty"`
	WaitSeconds int64         `json:"wait_seconds,omitempty"`
	TookMS      int64         `json:"took_ms"`
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
	for _, line := range v.warnings(report.Warned) {
		rows = append(rows, screen.Row{Label: "With a warning", Value: line, Colour: screen.Red})
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
