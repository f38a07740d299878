package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/internal/screen"
	"github.com/gotoolbase/telemetry/core"
)

const (
	flushTimeout = 30 * time.Second
	// progressAfter is when a person begins to wonder, progressEvery how often they look.
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

func (s *commandSet) flush() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flush",
		Short: "Send now what waits",
		Long: "Send now what waits, and say what became of it. Without it, events are sent in the\n" +
			"background, now and then.\n\n" +
			"The exit code is 1 if something stopped it; what was not sent is kept.",
		Example: "  " + s.hint("flush") + "\n  " + s.hint("flush --timeout 2m --output json"),
	}
	format := addOutput(cmd)
	timeout := cmd.Flags().Duration("timeout", flushTimeout, "how long it may take")
	cmd.RunE = s.run(func(cmd *cobra.Command, m *core.Manager) error {
		if *timeout <= 0 {
			return UsageError(errors.New("--timeout must be more than 0, such as 30s or 2m"))
		}
		ctx, cancel := context.WithTimeout(contextOf(cmd), *timeout)
		defer cancel()
		before := m.Status()
		receiver := before.Backend.String()
		var at progress
		at.set(0, before.Queue.Events)
		stop := at.show(screen.New(cmd.ErrOrStderr(), m.Lookup), "Sending to "+receiver, events)
		report, err := m.Flush(ctx, at.set)
		stop()
		v := look(m)
		if err != nil {
			report.Kept = v.Queue.Events
			err = s.flushError(ctx, err, v, *timeout)
		}
		if err == nil && report.Left != "" && report.Kept > 0 {
			err = fmt.Errorf("%s not sent: %s", screen.Count(report.Kept, "event was", "events were"), screen.Clean(report.Left))
		}
		if err == nil && report.Paced > 0 && report.Kept > 0 {
			err = fmt.Errorf("%s not sent yet: %s", screen.Count(report.Kept, "event was", "events were"), paceWords(report.Paced, report.PacedUntil))
		}
		if *format == formatJSON {
			j := flushJSON{
				summaryJSON: v.summary(), Sent: report.Sent, Stayed: report.Stayed, NotSent: report.Left, Kept: report.Kept, Lost: report.Lost, Refusal: report.Refusal, Unreported: report.Unreported, Running: report.Running,
				Warned: v.warningsJSON(report.Warned), PerMinute: report.Paced, PacedUntil: report.PacedUntil.UTC(),
			}
			if err != nil {
				j.Problem = err.Error()
			}
			if writeErr := screen.WriteJSON(cmd.OutOrStdout(), j); writeErr != nil {
				return writeErr
			}
			return err
		}
		printFlush(cmd.OutOrStdout(), receiver, report, err == nil)
		for _, line := range v.warnings(report.Warned) {
			fmt.Fprintf(cmd.OutOrStdout(), "With a warning: %s.\n", line)
		}
		return err
	})
	return cmd
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
func (s *commandSet) flushError(ctx context.Context, err error, v view, timeout time.Duration) error {
	kept := ""
	if n := v.Queue.Events; n > 0 {
		kept = "; " + screen.Count(n, "event is", "events are") + " kept and sent later"
	}
	switch {
	case errors.Is(err, core.ErrOff) && v.Queue.Events > 0:
		return fmt.Errorf("%w, so %s not sent; decided by %s", core.ErrOff, screen.Count(v.Queue.Events, "event is", "events are"), v.decider())
	case errors.Is(err, core.ErrOff):
		return fmt.Errorf("%w, and nothing waits; %s", core.ErrOff, v.onHint(s.hint, false))
	case errors.Is(err, core.ErrBusy):
		return fmt.Errorf("%w and sends what waits; see %s", core.ErrBusy, s.hint("status"))
	case errors.Is(err, core.ErrWait):
		return fmt.Errorf("%w%s", err, kept)
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not done within %v (see --timeout)%s", timeout, kept)
	}
	return fmt.Errorf("%w%s", flat{err}, kept)
}

func (s *commandSet) upload() *cobra.Command {
	return &cobra.Command{
		Use:    "upload",
		Short:  "Send what waits, in the background",
		Hidden: true,
		// Nobody looks: status tells how it went.
		SilenceErrors: true,
		RunE: s.run(func(cmd *cobra.Command, m *core.Manager) error {
			return m.Upload(contextOf(cmd))
		}),
	}
}

// progress is how far something is.
type progress struct{ done, total atomic.Int64 }

func (p *progress) set(done, total int) {
	p.done.Store(int64(done))
	p.total.Store(int64(total))
}

// show draws the progress on a terminal once it takes long, until the returned function
// is called. Elsewhere it draws nothing.
func (p *progress) show(out screen.Screen, doing string, unit func(int) string) (stop func()) {
	if !out.Terminal {
		return func() {}
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		timer := time.NewTimer(progressAfter)
		defer timer.Stop()
		drawn := false
		for {
			select {
			case <-quit:
				if drawn && out.Colour {
					fmt.Fprint(out, "\r\x1b[K")
				}
				return
			case <-timer.C:
			}
			text := doing + " …"
			if total := p.total.Load(); total > 0 {
				text = fmt.Sprintf("%s: %d of %s …", doing, p.done.Load(), unit(int(total)))
			}
			switch {
			case out.Colour:
				fmt.Fprint(out, "\r\x1b[K", text)
			case !drawn: // a terminal that cannot go back to the start of a line
				fmt.Fprintln(out, text)
			}
			drawn = true
			timer.Reset(progressEvery)
		}
	}()
	return func() { close(quit); <-gone }
}
