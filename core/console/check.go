package console

import (
	"context"
	"errors"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// checkTimeout is more than an attempt is given by the collector.
const checkTimeout = 30 * time.Second

func (s *commands) checkCommand() *Command {
	var format *outputFormat
	c := s.command("check", "Send one marked event, and say what the receiver answers",
		"Send one event of the type telemetry.check to the declared receiver, and say what it\n"+
			"answers: whether key, address and region are right. It needs a yes, as any event does,\n"+
			"and goes out under the same machine ID, so that reset has it deleted too.\n\n"+
			"The exit code is 0 if the receiver has accepted it.",
		func(c *call) error { return c.check(*format) },
		"check", "check --output json")
	format = c.addOutput()
	return c
}

// addCheckFlag adds --check to status. A build for users has it too, hidden, to say how an
// author gets one that does it.
func (c *Command) addCheckFlag() *bool {
	if !mayCheck {
		c.HiddenFlags = append(c.HiddenFlags, "check")
	}
	return c.addBool("check", "", "send one marked event, and say what the receiver answers")
}

// checkHelp is what help says of --check, where it is offered.
func (s *settings) checkHelp() string {
	if !mayCheck {
		return ""
	}
	return "\n\n" + s.text("With --check it sends one event of the type telemetry.check to the declared receiver and\n"+
		"says what that answers, if you have said yes. The exit code is 0 if it was accepted.")
}

// check sends the event and shows the answer. The error says that it was not accepted, or
// why none was sent.
func (c *call) check(format outputFormat) error {
	ctx, cancel := context.WithTimeout(c.ctx, checkTimeout)
	defer cancel()
	v := c.look()
	var at progress
	stop := at.show(c.settings, c.err, c.text("Sending one event to %s", v.receiver()), c.events)
	report, err := c.m.Check(ctx)
	stop()
	j := checkJSON{summaryJSON: v.summary(), Backend: v.backend(), Warnings: c.m.AuthorWarnings()}
	switch {
	case err != nil:
		err = c.checkError(err, v)
	default:
		j.checkAnswer = &checkAnswer{
			EventID: report.Event.ID, EventType: report.Event.Type,
			Answer: report.Class.String(), Reason: report.Reason, Warned: v.warningsJSON(report.Warned),
			WaitSeconds: int64(report.Wait / time.Second), TookMS: report.Took.Milliseconds(),
		}
		if report.Class != driver.ClassAccepted {
			err = c.errorf("the event was not accepted by %s", v.receiver())
		}
	}
	if format == formatJSON {
		if err != nil {
			j.Problem = err.Error()
		}
		if writeErr := screen.WriteJSON(c.out, j); writeErr != nil {
			return writeErr
		}
		return err
	}
	for _, warning := range j.Warnings {
		c.err.Line(screen.Plain, c.text("Warning for the tool's author: %s", screen.Clean(warning)))
	}
	if j.checkAnswer != nil {
		c.out.Table(checkRows(v, report))
	}
	return err
}

// checkError says why no event was sent, in words for the author who typed it.
func (c *call) checkError(err error, v view) error {
	switch {
	case errors.Is(err, core.ErrOff):
		return c.errorf("%[1]w, and nothing is sent without a yes, not even to check; %[2]s", c.inWords(core.ErrOff), v.onHint(c.hint, true))
	case errors.Is(err, core.ErrLocal):
		if by, ok := v.Decision.Overrules(); ok {
			return c.errorf("%[1]w; decided by %[2]s, whatever you answer", c.inWords(core.ErrLocal), c.layerWords(by))
		}
		return c.errorf("%[1]w; to have events sent: %[2]s", c.inWords(core.ErrLocal), c.hint("enable"))
	case errors.Is(err, core.ErrBusy):
		return c.errorf("%w at this moment; try again", c.inWords(core.ErrBusy))
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
	answer := screen.Row{Label: v.text("Answer"), Value: v.text(answerWords()[report.Class]), Colour: screen.Red}
	if report.Class == driver.ClassAccepted {
		answer.Colour = screen.Green
	}
	rows := []screen.Row{
		{Label: v.text("Receiver"), Value: v.receiver()},
		{Label: v.text("Event"), Value: report.Event.Type + ", " + report.Event.ID},
		answer,
	}
	if report.Reason != "" {
		rows = append(rows, screen.Row{Label: v.text("Because"), Value: screen.Clean(report.Reason)})
	}
	if report.Wait > 0 {
		rows = append(rows, screen.Row{Label: v.text("It asks to wait"), Value: report.Wait.Round(time.Second).String()})
	}
	for _, line := range v.warnings(report.Warned) {
		rows = append(rows, screen.Row{Label: v.text("With a warning"), Value: line, Colour: screen.Red})
	}
	if report.Class == driver.ClassAccepted && v.Backend.Accepted != "" {
		rows = append(rows, screen.Row{Label: v.text("Which means"), Value: screen.Clean(v.Backend.Accepted)})
	}
	return append(rows, screen.Row{Label: v.text("It took"), Value: report.Took.Round(time.Millisecond).String()})
}

// answerWords says what a receiver made of events. What becomes of these is not in it: that is as
// the author delivers, and a no or another answer may have come since.
func answerWords() map[driver.Class]string {
	return map[driver.Class]string{
		driver.ClassAccepted:  "accepted",
		driver.ClassUnknown:   "not known to have arrived",
		driver.ClassThrottled: "not taken at that time",
		driver.ClassPermanent: "refused for good",
		driver.ClassTooLarge:  "refused as too large, or for something in it",
		driver.ClassPartial:   "taken in part",
	}
}
