package console

import (
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// layerNames are the names of layers that are words, not variables, and "nobody". A test
// holds them to what Decide returns.
var layerNames = []string{"the tool", "this build", "the administrator's policy", "your answer", "nobody"}

// layerDetails are what Decide and ReadPolicies say was found in a layer, as far as that is a
// sentence without an error or another sentence in it; %s is a day. A test holds them to core.
var layerDetails = []string{
	"its author has not turned telemetry on", "has telemetry, off until you say yes",
	"built without telemetry", "can record",
	"none", "off", "on", "local: what is recorded stays on this machine", "cannot be read, which counts as no",
	"it names a receiver in the place of the tool's own", "on, and it names a receiver in the place of the tool's own",
	"neither off, on, local nor a receiver, which counts as no",
	"not set", "set", "set to no", "set to yes", "set to something that is neither on nor off, which counts as no",
	"set: what is recorded stays on this machine",
	"none yet", "no, without a date: an empty file, as a full disk leaves it",
	"no, on %s", "yes, on %s", "yes, on this machine only, on %s",
}

// layerWords names a layer with what was found there.
func (s *settings) layerWords(layer consent.Layer) string {
	return s.text("%[1]s (%[2]s)", s.text(layer.Name), s.detailWords(layer.Detail))
}

// detailWords translates what was found in a layer, if it is one of layerDetails.
func (s *settings) detailWords(detail string) string {
	if cut := len(detail) - len(time.DateOnly); cut > 0 {
		if translated, ok := s.messages[detail[:cut]+"%s"]; ok {
			return screen.Clean(strings.Replace(translated, "%s", detail[cut:], 1))
		}
	}
	return screen.Clean(s.text(detail))
}

// layers are the rows of everything that has a say.
func (v view) layers() []screen.Row {
	rows := make([]screen.Row, len(v.Decision.Layers))
	for i, layer := range v.Decision.Layers {
		r := screen.Row{Label: v.text(layer.Name), Value: v.detailWords(layer.Detail)}
		switch layer.Verdict {
		case consent.Yes:
			r.Colour = screen.Green
		case consent.No:
			r.Colour = screen.Red
		}
		if verdict := string(layer.Verdict); !strings.HasPrefix(layer.Detail, verdict) {
			r.Value = v.text("%[1]s: %[2]s", v.text(verdict), r.Value)
		}
		if layer.Name == v.Decision.Decider {
			r.Value = v.text("%s  <- decided", r.Value)
		}
		rows[i] = r
	}
	return rows
}
