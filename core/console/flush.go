package console

import (
	"context"
	"errors"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// flushTimeout is how long a person waits who wants to see it done.
const flushTimeout = 30 * time.Second

func (s *commands) flush() *Command {
	var timeout *time.Duration
	var format *outputFormat
	c := s.command("flush", "Send now what waits",
		"Send now what waits, and say what became of it. Without it, events are sent in the\n"+
			"background, now and then.\n\n"+
			"The exit code is 1 if something stopped it; what was not sent is kept.",
		func(c *call) error { return c.flush(*format, *timeout) },
		"flush", "flush --timeout 2m --output json")
	format = c.addOutput()
	timeout = c.Flags.Duration("timeout", flushTimeout, s.text("how long it may take"))
	return c
}

func (c *call) flush(format outputFormat, timeout time.Duration) error {
	if timeout <= 0 {
		return &UsageError{c.errorf("--timeout must be more than 0, such as 30s or 2m")}
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	before := c.m.Status()
	receiver := c.backendWords(before.Backend)
	var at progress
	at.set(0, before.Queue.Events)
	stop := at.show(c.settings, c.err, c.text("Sending to %s", receiver), c.events)
	report, err := c.m.Flush(ctx, at.set)
	stop()
	v := c.look()
	if done := report.Sent + report.Stayed + report.Kept + report.Lost + report.Unreported + report.Running; err == nil && done == 0 && v.state() == stateUndecided {
		err = core.ErrOff // the yes that there was would have let out what was recorded under it
	}
	if err != nil {
		report.Kept = v.Queue.Events
		err = c.flushError(ctx, err, v, max(report.Kept-report.Reports, 0), timeout)
	}
	if err == nil && report.Left != "" && v.QueueUnknown {
		err = c.errorf("what still waits is not known, but some of it was not sent: %[1]s; see %[2]s", screen.Clean(report.Left), c.hint("status"))
	}
	if err == nil && report.Left != "" && report.Kept > 0 {
		err = c.countErrorf(report.Kept, "%[1]d event was not sent: %[2]s; see %[3]s", "%[1]d events were not sent: %[2]s; see %[3]s", screen.Clean(report.Left), c.hint("status"))
	}
	if err == nil && report.Paced > 0 && report.Kept > 0 {
		err = c.countErrorf(report.Kept, "%[1]d event was not sent yet: %[2]s", "%[1]d events were not sent yet: %[2]s", c.paceWords(report.Paced, report.PacedUntil))
	}
	if format == formatJSON {
		j := flushJSON{
			summaryJSON: v.summary(), Sent: report.Sent, Stayed: report.Stayed, NotSent: report.Left, Kept: report.Kept, Lost: report.Lost, Refusal: report.Refusal, Unreported: report.Unreported, Running: report.Running,
			Warned: v.warningsJSON(report.Warned), PerMinute: report.Paced, PacedUntil: report.PacedUntil.UTC(), QueueUnknown: v.QueueUnknown,
		}
		if err != nil {
			j.Problem = err.Error()
		}
		if writeErr := screen.WriteJSON(c.out, j); writeErr != nil {
			return writeErr
		}
		return err
	}
	c.printFlush(receiver, report, err == nil)
	for _, line := range v.warnings(report.Warned) {
		c.say("With a warning: %s.", line)
	}
	return err
}

type flushJSON struct {
	summaryJSON
	Sent    int    `json:"sent"`
	Stayed  int    `json:"kept_here"`
	Kept    int    `json:"kept"`
	Lost    int    `json:"lost"`
	Running int    `json:"held_by_running_commands"`
	Refusal string `json:"refusal,omitempty"`
	// Unreported is how many reports of earlier losses were refused.
	Unreported int `json:"loss_reports_refused,omitempty"`

	// QueueUnknown says that it is not known what waits, so that Kept says nothing.
	QueueUnknown bool `json:"queue_unknown,omitempty"`

	NotSent string `json:"not_sent,omitempty"`
	Problem string `json:"problem,omitempty"`

	Warned     []warningJSON `json:"warned,omitempty"`
	PerMinute  int           `json:"per_minute,omitempty"`
	PacedUntil time.Time     `json:"paced_until,omitzero"`
}

func (c *call) printFlush(receiver string, report core.FlushReport, complete bool) {
	if report.Sent > 0 {
		c.out.Line(screen.Plain, c.count(report.Sent, "Sent %[1]d event to %[2]s.", "Sent %[1]d events to %[2]s.", receiver))
	}
	if report.Stayed > 0 {
		c.out.Line(screen.Plain, c.count(report.Stayed, "Put %d event into the log on this machine.", "Put %d events into the log on this machine."))
	}
	if report.Sent+report.Stayed+report.Lost+report.Unreported+report.Running == 0 && report.Left == "" && complete {
		c.say("Nothing was waiting to be sent.")
	}
	if report.Lost > 0 {
		c.out.Line(screen.Plain, c.count(report.Lost, "Lost %[1]d event: %[2]s.", "Lost %[1]d events: %[2]s.", c.lossWords(report.LostBy, nil)))
	}
	if n := report.Unreported; n > 0 {
		c.out.Line(screen.Plain, c.count(n, "%d report of earlier losses was refused, so the receiver does not know of these; that is not sent again.",
			"%d reports of earlier losses were refused, so the receiver does not know of these; that is not sent again."))
	}
	if report.Refusal != "" {
		c.say("Refused because: %s", screen.Clean(report.Refusal))
	}
	if report.Running > 0 {
		c.out.Line(screen.Plain, c.count(report.Running, "%d command is still running; what it holds is sent later.",
			"%d commands are still running; what they hold is sent later."))
	}
}

// flushError says what stopped a flush, in words for the person who typed it; n events are kept, beside
// reports of those that are not.
func (c *call) flushError(ctx context.Context, err error, v view, n int, timeout time.Duration) error {
	kept := func(err error) error {
		if n == 0 {
			return err
		}
		return c.countErrorf(n, "%[2]w; %[1]d event is kept and sent later", "%[2]w; %[1]d events are kept and sent later", err)
	}
	switch {
	case v.QueueUnknown:
		return c.errorf("nothing was sent, and what waits is not known: %[1]w; see %[2]s", flat{err}, c.hint("status"))
	case errors.Is(err, core.ErrOff) && n > 0:
		return c.countErrorf(n, "%[2]w, so %[1]d event is not sent; decided by %[3]s", "%[2]w, so %[1]d events are not sent; decided by %[3]s",
			c.inWords(core.ErrOff), v.decider())
	case errors.Is(err, core.ErrOff):
		return c.errorf("%[1]w, and nothing waits; %[2]s", c.inWords(core.ErrOff), v.onHint(c.hint, false))
	case errors.Is(err, core.ErrBusy):
		return c.errorf("%[1]w and sends what waits; see %[2]s", c.inWords(core.ErrBusy), c.hint("status"))
	case errors.Is(err, core.ErrWait):
		return kept(err)
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return kept(c.errorf("not done within %v (see --timeout)", timeout))
	}
	return kept(flat{err})
}

func (s *commands) upload() *Command {
	// No person looks: status tells how it went.
	c := s.command("upload", "Send what waits, in the background", "Send what waits, in the background.",
		func(c *call) error { return c.m.Upload(c.ctx) })
	c.Hidden = true
	return c
}
