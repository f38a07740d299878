package console

import (
	"fmt"

	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) share() *Command {
	var format *outputFormat
	c := s.command("share", "Print what gives a container of yours the same machine ID",
		"Print the variable that gives another installation of yours the machine ID of this\n"+
			"one: a container, say, which would count as another person at every start.\n\n"+
			"The value is a secret. Who has it can have everything deleted that was sent under\n"+
			"the ID. It is no yes: that still takes an answer or a variable of its own.",
		func(c *call) error { return c.share(*format) })
	c.Examples = []string{"share"}
	format = c.addOutput()
	return c
}

func (c *call) share(format outputFormat) error {
	variable, value, err := c.m.Identity()
	if err != nil {
		return c.errorf("nothing to share: %[1]w; see %[2]s", err, c.hint("status"))
	}
	if format == formatJSON {
		return screen.WriteJSON(c.out, struct {
			versionJSON
			Variable string `json:"variable"`
			Value    string `json:"value"`
		}{versionJSON{schemaVersion}, variable, value})
	}
	fmt.Fprintf(c.out, "%s=%s\n", variable, value)
	return nil
}
