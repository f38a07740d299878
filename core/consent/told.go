package consent

import "time"

// GeneralVariable is the variable that turns on the telemetry of every tool that knows
// it. Other products use the name for themselves.
const GeneralVariable = "TELEMETRY_ENABLED"

// toldName is the file that says when the person was told what GeneralVariable does here.
const toldName = "told"

// ByGeneralVariable reports whether nothing but GeneralVariable made this decision a yes:
// then it may have been set for another product, by a person who never heard of this one.
func (d Decision) ByGeneralVariable() bool {
	for _, layer := range d.Layers {
		if layer.Verdict == Yes && layer.Name != GeneralVariable {
			return false
		}
	}
	return d.Enabled
}

// NoteTold notes that the person was told, with those terms and the text shown, that
// GeneralVariable turned the tool's telemetry on, which d says.
func (s Store) NoteTold(d Decision, terms Terms, shown string, at time.Time) error {
	if err := s.writeNote(toldName, terms, at); err != nil {
		return err
	}
	s.noteShown(d, terms, shown, at)
	return nil
}

// Told reports whether the person was told so with these terms or wider ones. A note that
// cannot be read does not count: they are told once more.
func (s Store) Told(terms Terms) bool {
	shown, _, err := s.readNote(toldName)
	return err == nil && len(terms.Beyond(shown, false)) == 0
}
