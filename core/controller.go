package core

import (
	"fmt"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Controller is who asks for the data, and for what, as the author declares it: one line of
// plain text each, empty where the author does not say.
type Controller struct {
	Name      string `json:"name,omitempty"`
	Contact   string `json:"contact,omitempty"`
	Purpose   string `json:"purpose,omitempty"`
	Retention string `json:"retention,omitempty"`
}

// maxWords bounds each of them: two lines on a terminal.
const maxWords = 160

// controller is fit to be shown and stored, also where check refuses what is declared.
func controller(config *props.TelemetryConfig) Controller {
	line := func(text string) string { return plaintext.Line(strings.TrimSpace(text), maxWords) }
	return Controller{line(config.Controller), line(config.Contact), line(config.Purpose), line(config.Retention)}
}

// controller is who asks for what this installation sends. Under a receiver that the
// administrator's policy names it is not the author, and the policy does not say who it is.
func (in *installation) controller() Controller {
	if in.pin().named {
		return Controller{}
	}
	return controller(&in.tool.Telemetry)
}

func checkController(config *props.TelemetryConfig) error {
	for _, f := range []struct{ name, text string }{
		{"Controller", config.Controller}, {"Contact", config.Contact}, {"Retention", config.Retention}, {"Purpose", config.Purpose},
	} {
		if plaintext.Line(f.text, maxWords) != f.text {
			return &driver.ConfigError{Field: "Telemetry." + f.name, Problem: fmt.Sprintf("is not at most %d bytes of plain text in one line", maxWords)}
		}
	}
	return nil
}

// AuthorWarnings says what is no mistake in the declaration and should be mended before
// people are asked, one sentence each. They are for the tool's author: show them where only
// authors look.
func (m *Manager) AuthorWarnings() []string {
	own, err := m.in.selectBackend()
	if err != nil || own.driver.Local || own.pinned || controller(&m.in.tool.Telemetry).Name != "" {
		return nil
	}
	return []string{"Telemetry.Controller is not set, so people are asked for a yes and not told to whom: " +
		"name the person, company or project that answers for what goes to " + own.info().String()}
}
