package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// flushTimeout is how long somebody waits who wants to see it done.
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
	timeout = c.Flags.Duration("timeout", flushTimeout, "how long it may take")
	return c
}

func (c *call) flush(format outputFormat, timeout time.Duration) error {
	if timeout <= 0 {
		return &UsageError{errors.New("--timeout must be more than 0, such as 30s or 2m")}
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	before := c.m.Status()
	receiver := before.Backend.String()
	var at progress
	at.set(0, before.Queue.Events)
	stop := at.show(c.err, "Sending to "+receiver, events)
	report, err := c.m.Flush(ctx, at.set)
	stop()
	v := c.look()
	if err != nil {
		report.Kept = v.Queue.Events
		err = c.flushError(ctx, err, v, timeout)
	}
	if err == nil && report.Left != "" && report.Kept > 0 {
		err = fmt.Errorf("%s not sent: %s", screen.Count(report.Kept, "event was", "events were"), screen.Clean(report.Left))
	}
	if err == nil && report.Paced > 0 && report.Kept > 0 {
		err = fmt.Errorf("%s not sent yet: %s", screen.Count(report.Kept, "event was", "events were"), paceWords(report.Paced, report.PacedUntil))
	}
	if format == formatJSON {
		j := flushJSON{
			summaryJSON: v.summary(), Sent: report.Sent, Stayed: report.Stayed, NotSent: report.Left, Kept: report.Kept, Lost: report.Lost, Refusal: report.Refusal, Unreported: report.Unreported, Running: report.Running,
			Warned: v.warningsJSON(report.Warned), PerMinute: report.Paced, PacedUntil: report.PacedUntil.UTC(),
		}
		if err != nil {
			j.Problem = err.Error()
		}
		if writeErr := screen.WriteJSON(c.out, j); writeErr != nil {
			return writeErr
		}
		return err
	}
	printFlush(c.out, receiver, report, err == nil)
	for _, line := range v.warnings(report.Warned) {
		fmt.Fprintf(c.out, "With a warning: %s.\n", line)
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

	NotSent string `json:"not_sent,omitempty"`
	Problem string `json:"problem,omitempty"`

	Warned     []warningJSON `json:"warned,omitempty"`
	PerMinute  int           `json:"per_minute,omitempty"`
	PacedUntil time.Time     `json:"paced_until,omitzero"`
}

func printFlush(out io.Writer, receiver string, report core.FlushReport, complete bool) {
	if report.Sent > 0 {
		fmt.Fprintf(out, "Sent %s to %s.\n", events(report.Sent), receiver)
	}
	if report.Stayed > 0 {
		fmt.Fprintf(out, "Put %s into the log on this machine.\n", events(report.Stayed))
	}
	if report.Sent+report.Stayed+report.Lost+report.Unreported+report.Running == 0 && report.Left == "" && complete {
		fmt.Fprintln(out, "Nothing was waiting to be sent.")
	}
	if report.Lost > 0 {
		fmt.Fprintf(out, "Lost %s%s.\n", events(report.Lost), lossWords(report.LostBy))
	}
	if n := report.Unreported; n > 0 {
		fmt.Fprintf(out, "%s refused, so the receiver does not know of these; that is not sent again.\n",
			screen.Count(n, "report of earlier losses was", "reports of earlier losses were"))
	}
	if report.Refusal != "" {
		fmt.Fprintf(out, "Refused because: %s\n", screen.Clean(report.Refusal))
	}
	if report.Running > 0 {
		fmt.Fprintf(out, "%s still running; what it holds is sent later.\n",
			screen.Count(report.Running, "command is", "commands are"))
	}
}

// flushError says what stopped a flush, in words for whoever typed it.
func (c *call) flushError(ctx context.Context, err error, v view, timeout time.Duration) error {
	kept := ""
	if n := v.Queue.Events; n > 0 {
		kept = "; " + screen.Count(n, "event is", "events are") + " kept and sent later"
	}
	switch {
	case errors.Is(err, core.ErrOff) && v.Queue.Events > 0:
		return fmt.Errorf("%w, so %s not sent; decided by %s", core.ErrOff, screen.Count(v.Queue.Events, "event is", "events are"), v.decider())
	case errors.Is(err, core.ErrOff):
		return fmt.Errorf("%w, and nothing waits; %s", core.ErrOff, v.onHint(c.hint, false))
	case errors.Is(err, core.ErrBusy):
		return fmt.Errorf("%w and sends what waits; see %s", core.ErrBusy, c.hint("status"))
	case errors.Is(err, core.ErrWait):
		return fmt.Errorf("%w%s", err, kept)
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not done within %v (see --timeout)%s", timeout, kept)
	}
	return fmt.Errorf("%w%s", flat{err}, kept)
}

func (s *commands) upload() *Command {
	// Nobody looks: status tells how it went.
	c := s.command("upload", "Send what waits, in the background", "Send what waits, in the background.",
		func(c *call) error { return c.m.Upload(c.ctx) })
	c.Hidden = true
	return c
}
