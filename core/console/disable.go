package console

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) disable() *Command {
	var format *outputFormat
	c := s.command("disable", "Say no, and erase what has not been sent",
		"Say no to sending usage data, and erase what has not been sent.\n\n"+
			"What was sent before stays with the receiver; reset asks for its deletion.",
		func(c *call) error { return c.disable(*format) },
		"disable")
	format = c.addOutput()
	return c
}

func (c *call) disable(format outputFormat) error {
	report, err := c.m.Disable(c.ctx)
	v := c.look()
	if !report.Off {
		return notStored(v, err)
	}
	if format == formatJSON {
		if writeErr := screen.WriteJSON(c.out, struct {
			summaryJSON
			Erased  int  `json:"erased"`
			Arrived int  `json:"arrived,omitempty"`
			Sending bool `json:"still_sending,omitempty"`
		}{v.summary(), report.Erased, report.Arrived, report.Sending}); writeErr != nil {
			return writeErr
		}
	} else {
		fmt.Fprintf(c.out, "%s %s\n", c.out.Paint(screen.Bold, "Telemetry of "+v.tool+" is off."), erasedWords(report.Erased, report.Arrived))
		if report.Sending {
			fmt.Fprintln(c.out, "A batch is still on its way and may arrive; nothing is sent after it.")
		}
		if v.LocalLog != "" {
			fmt.Fprintf(c.out, "What stayed on this machine is in %s; reset deletes it.\n", v.LocalLog)
		}
		switch {
		case v.Delivered > 0:
			fmt.Fprintf(c.out, "What was sent before stays with the receiver. To ask for its deletion: %s\n", c.hint("reset"))
		case v.Sent:
			fmt.Fprintf(c.out, "What an upload that failed brought all the same stays with the receiver. To ask for its deletion: %s\n", c.hint("reset"))
		}
	}
	if err != nil {
		return fmt.Errorf("the no is stored and nothing more is sent, but not all that waited could be erased: %w", flat{err})
	}
	return nil
}

// notStored is the error of a no that did not reach the disk, with another way to say
// it.
func notStored(v view, err error) error {
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
