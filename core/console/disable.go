package console

import (
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) disable() *Command {
	var eraseLog *bool
	var format *outputFormat
	c := s.command("disable", "Say no, and erase what has not been sent",
		"Say no to sending usage data, and erase what has not been sent.\n\n"+
			"What was sent before stays with the receiver; reset asks for its deletion. The log of\n"+
			"what was sent stays on this machine, for you to look at, unless --erase-log is given.",
		func(c *call) error { return c.disable(*format, *eraseLog) },
		"disable", "disable --erase-log")
	c.Aliases, c.SuggestFor = []string{"off"}, []string{"no", "opt-out", "optout", "stop"}
	format = c.addOutput()
	eraseLog = c.addBool("erase-log", "", "erase the log of what was sent, too")
	return c
}

func (c *call) disable(format outputFormat, eraseLog bool) error {
	report, err := c.m.Disable(c.ctx)
	var logErr error
	before := c.look().Log.Requests
	if report.Off && eraseLog {
		stop := c.pausing()
		logErr = c.m.EraseSent(c.ctx)
		stop()
	}
	v := c.look()
	if !report.Off {
		return c.notStored(v, err)
	}
	if format == formatJSON {
		if writeErr := screen.WriteJSON(c.out, struct {
			summaryJSON
			Erased    int  `json:"erased"`
			NotErased int  `json:"not_erased,omitempty"`
			Arrived   int  `json:"arrived,omitempty"`
			Sending   bool `json:"still_sending,omitempty"`
			Logged    int  `json:"log_entries_kept"`
		}{v.summary(), report.Erased, report.NotErased, report.Arrived, report.Sending, v.Log.Requests}); writeErr != nil {
			return writeErr
		}
	} else {
		c.saidNo(v.tool, report.Erased, report.Arrived, report.NotErased, err == nil)
		if report.Sending {
			c.say("A batch is still on its way and may arrive; nothing is sent after it.")
		}
		if v.LocalLog != "" {
			c.say("What stayed on this machine is in %s; reset erases it.", v.LocalLog)
		}
		switch {
		case eraseLog && logErr == nil && before > 0:
			c.say("The log of what was sent is erased.")
		case v.Log.Requests > 0 && v.Log.Requests == v.Log.Unsent:
			c.say("A request that did not go out any more is in the log on this machine; to look at it: %[1]s. To erase it: %[2]s", c.hint("log"), c.hint("disable --erase-log"))
		case v.Log.Requests > 0:
			c.say("What was sent is still in the log on this machine; to look at it: %[1]s. To erase it: %[2]s", c.hint("log"), c.hint("disable --erase-log"))
		}
		switch {
		case v.Delivered > 0, (v.DeliveriesUnknown || v.DeliveriesGone) && v.Sent:
			c.say("What was sent before stays with the receiver. To ask for its deletion: %s", c.hint("reset"))
		case v.Sent:
			c.say("What an upload that failed brought all the same stays with the receiver. To ask for its deletion: %s", c.hint("reset"))
		}
	}
	if err != nil {
		return c.errorf("the no is stored and nothing more is sent, but not all that waited could be erased: %[1]w; to try again: %[2]s", flat{err}, c.hint("disable"))
	}
	if logErr != nil {
		return c.errorf("the no is stored, but the log of what was sent could not be erased: %[1]w; to try again: %[2]s", flat{logErr}, c.hint("disable --erase-log"))
	}
	return nil
}

// notStored is the error of a no that did not reach the disk, with another way to say
// it.
func (c *call) notStored(v view, err error) error {
	if err == nil {
		err = c.errorf("it cannot be read back")
	}
	return c.errorf("the no could not be stored (%[1]w); set %[2]s=off in your environment instead", flat{err}, consent.EnvName(v.tool))
}

// saidNo says that telemetry is off, and what became of what waited: n events are erased, and
// so many of a batch that was on its way have arrived, and others are left. complete says that
// nothing went wrong, so that what is not counted was not there.
func (c *call) saidNo(tool string, n, arrived, left int, complete bool) {
	c.out.Line(screen.Bold, c.text("Telemetry of %s is off.", tool))
	switch {
	case n > 0:
		c.out.Line(screen.Plain, c.count(n, "The event that was waiting to be sent is erased.", "The %d events that were waiting to be sent are erased."))
	case arrived == 0 && left == 0 && complete:
		c.say("Nothing was waiting to be sent.")
	}
	if left > 0 {
		c.out.Line(screen.Plain, c.count(left, "%d event could not be erased, and is not sent.", "%d events could not be erased, and are not sent."))
	}
	if arrived > 0 {
		c.out.Line(screen.Plain, c.count(arrived, "%d event was on the way and arrived.", "%d events were on the way and arrived."))
	}
}
