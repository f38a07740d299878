package console

import (
	"errors"
	"fmt"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) enable() *Command {
	var local *bool
	var format *outputFormat
	c := s.command("enable", "Say yes to sending usage data",
		"Say yes to sending usage data, and show what it holds and where it goes.\n\n"+
			"A no from elsewhere, such as DO_NOT_TRACK or the administrator's policy, still\n"+
			"counts: the yes is then stored for later, and the exit code is 0.",
		func(c *call) error { return c.enable(*local, *format) },
		"enable", "enable --local")
	c.Aliases, c.SuggestFor = []string{"on"}, []string{"opt-in", "optin", "start", "yes"}
	format = c.addOutput()
	local = c.addBool("local", "", "keep everything on this machine, to see it without sending it")
	return c
}

// enable shows on a terminal what the yes is to before it stores it.
func (c *call) enable(local bool, format outputFormat) error {
	shown := ""
	if format == formatText {
		shown = c.shownBefore(local)
		if _, err := fmt.Fprintf(c.out, "%s\n", shown); err != nil {
			return c.errorf("what the yes is to could not be shown (%w), so it is not stored", plaintext.Bare(err))
		}
		if c.unseen() {
			shown = "" // a script says yes, and the history that nothing was shown
		}
	}
	err := c.m.Enable(local, shown)
	v := c.look()
	saidYes := v.stored.Answer == consent.AnswerLocal || v.stored.Answer == consent.AnswerYes && !local
	switch {
	case errors.Is(err, core.ErrChanged):
		return c.errorf("another answer was stored at the same moment and stands; see %s", c.hint("status"))
	case err != nil && saidYes && v.Recording:
		return c.errorf("a yes is stored, but something is wrong: %[1]w; see %[2]s", flat{err}, c.hint("status"))
	case err != nil && saidYes:
		return c.errorf("the yes is stored, but nothing can be recorded yet: %[1]w; see %[2]s", flat{err}, c.hint("status"))
	case err != nil:
		return c.errorf("the yes could not be stored, so nothing is collected: %[1]w; once that is mended: %[2]s", flat{err}, c.hint("enable"))
	}
	if format == formatJSON {
		return screen.WriteJSON(c.out, struct {
			summaryJSON
			Backend   backendJSON `json:"backend"`
			MachineID string      `json:"machine_id,omitempty"`
		}{v.summary(), v.backend(), v.MachineID})
	}
	switch v.state() {
	case stateOn:
		c.out.Line(screen.Green, c.text("Telemetry of %s is on. Thank you.", v.tool))
	case stateLocal:
		c.out.Line(screen.Green, c.text("Telemetry of %s is on, and stays on this machine.", v.tool))
		if by := v.Decision.KeptBy(); by != "" && !local {
			c.say("The yes is to that, because of %[1]s, and stays so without it. To send: say yes again then, with %[2]s", c.text(by), c.hint("enable"))
		}
	default:
		c.out.Line(screen.Bold, c.text("The yes is stored, but telemetry of %[1]s stays off: %[2]s.", v.tool, c.whyOff(v)))
	}
	if v.MachineID != "" {
		c.say("Machine ID: %s", v.MachineID)
	}
	return nil
}

// shownBefore is the notice of what a yes would be to.
func (c *call) shownBefore(local bool) string {
	status := c.m.Status()
	status.Backend, status.LocalLog = c.m.ReceiverAfter(local)
	return c.notice(c.out, c.m.Tool(), status, c.hint("disable"))
}

// whyOff says what is in the way of a yes.
func (c *call) whyOff(v view) string {
	switch {
	case !v.Decision.Enabled:
		return c.text("decided by %s", v.decider())
	case len(v.Faults) > 0:
		return screen.Clean(v.Faults[0])
	}
	return c.text("the tool names no receiver")
}
