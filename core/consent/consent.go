// Package consent answers two questions: may this tool record, and who said so; and where
// may go what was recorded earlier? The first is Decide, a pure function of what was found.
// The second is a [Receipt]: a decision as it was made, with the terms that were shown. Every
// event belongs to one. Store keeps the answer and the receipts. Tool authors meet this
// package through `mytool telemetry status`; read it to learn who may decide, and how.
//
// Any no decides. Without one, any yes does. Silence is no, and a yes is to what was shown:
// where the tool declares more, the person has not been asked yet.
package consent

import (
	"fmt"
	"strings"
	"time"
)

// Verdict is what one layer says.
type Verdict string

const (
	// Silent: the layer leaves it to the others.
	Silent Verdict = ""
	// Yes: the layer allows telemetry.
	Yes Verdict = "yes"
	// No: the layer forbids it, whatever the others say.
	No Verdict = "no"
)

// Layer is one place where a decision can come from.
type Layer struct {
	// Name says which: "DO_NOT_TRACK", "your answer".
	Name string
	// Verdict is what it says.
	Verdict Verdict
	// Local says that events may be recorded but must stay on this machine. It restricts
	// a yes and never makes one.
	Local bool
	// Detail is what was found there, in words, such as "not set".
	Detail string
}

// Decision is the answer with its reasons.
type Decision struct {
	// Enabled says that events may be recorded.
	Enabled bool
	// LocalOnly says that they must not leave this machine.
	LocalOnly bool
	// Undecided says that no layer has said anything yet, so the person may be asked.
	Undecided bool
	// Withdrawn says that the person's own stored answer is no: what still waits is to be
	// erased, not only kept from being sent.
	Withdrawn bool
	// Beyond lists what the tool declares now and did not when the person said yes. Then
	// they are to be asked again, and nothing is recorded; what was recorded under that yes
	// may still go where it said.
	Beyond []string
	// Decider is the name of the layer that decided, "nobody" where none did, and Source the
	// kind of it.
	Decider string
	Source  Source
	// Since is when the person said yes, zero where another layer did.
	Since time.Time
	// Layers are all of them, in order of precedence.
	Layers []Layer
	// Stored is the person's own answer, as it was looked at.
	Stored Stored
}

// Overrules returns the layer that a yes of the person cannot change: one that says no or,
// where none does, one that keeps everything on this machine.
func (d Decision) Overrules() (by Layer, ok bool) {
	for _, layer := range d.Layers {
		switch {
		case layer.Name == layerAnswer:
		case layer.Verdict == No:
			return layer, true
		case layer.Local && !ok:
			by, ok = layer, true
		}
	}
	return by, ok
}

// KeptBy names the layer other than the person's answer that keeps everything on this machine,
// "" if none does.
func (d Decision) KeptBy() string {
	for _, layer := range d.Layers {
		if layer.Local && layer.Name != layerAnswer {
			return layer.Name
		}
	}
	return ""
}

// Input is everything that a decision depends on.
type Input struct {
	// Feature says that the tool's author turned telemetry on as a feature.
	Feature bool
	// Omitted says that the tool was built without telemetry.
	Omitted bool
	// Tool is the tool's name, for its own variable.
	Tool string
	// Lookup reads an environment variable, as os.LookupEnv does.
	Lookup func(string) (string, bool)
	// Policy is what the administrator's file says.
	Policy Policy
	// Stored is what the person said, Terms what they would be told today. A yes without a
	// receipt, from an older version, is taken as one to Terms as far as the notice allows.
	Stored Stored
	Terms  Terms
}

// Decide weighs all layers. It reads nothing but its input.
func Decide(in Input) Decision {
	d := Decision{Decider: "nobody", Stored: in.Stored, Withdrawn: in.Stored.Answer == AnswerNo, Layers: []Layer{
		in.featureLayer(),
		in.buildLayer(),
		in.policyLayer(),
		in.doNotTrackLayer(),
		in.switchLayer(GeneralVariable),
		in.switchLayer(EnvName(in.Tool)),
		in.localLayer(),
		in.storedLayer(),
	}}
	for _, layer := range d.Layers {
		if layer.Verdict == No {
			d.Decider = layer.Name
			return d
		}
	}
	for _, layer := range d.Layers {
		d.LocalOnly = d.LocalOnly || layer.Local
		if layer.Verdict == Yes && !d.Enabled {
			d.Enabled = true
			d.Decider = layer.Name
		}
	}
	switch d.Decider {
	case layerAnswer:
		d.Since, d.Source = in.Stored.At, in.Stored.By
		if in.Stored.Receipt == "" {
			d.Source = SourceUpgrade
		}
	case layerPolicy:
		d.Source = SourcePolicy
	default:
		d.Source = SourceVariable
	}
	d.Undecided = !d.Enabled
	d.Beyond = in.beyond()
	return d
}

// beyond is what is declared beyond the stored yes, if there is one.
func (in Input) beyond() []string {
	s := in.Stored
	if !s.saidYes() {
		return nil
	}
	if s.Receipt == "" {
		if s.Notice < in.Terms.NoticeVersion {
			return []string{fmt.Sprintf("the notice, version %d after %d", in.Terms.NoticeVersion, s.Notice)}
		}
		return nil
	}
	return in.Terms.Beyond(s.Terms, s.Answer == AnswerLocal)
}

const (
	layerAnswer = "your answer"
	layerPolicy = "the administrator's policy"
)

func (in Input) featureLayer() Layer {
	if !in.Feature {
		return Layer{Name: "the tool", Verdict: No, Detail: "its author has not turned telemetry on"}
	}
	return Layer{Name: "the tool", Detail: "has telemetry, off until you say yes"}
}

func (in Input) buildLayer() Layer {
	if in.Omitted {
		return Layer{Name: "this build", Verdict: No, Detail: "built without telemetry"}
	}
	return Layer{Name: "this build", Detail: "can record"}
}

func (in Input) policyLayer() Layer {
	return Layer{Name: layerPolicy, Verdict: in.Policy.Verdict, Local: in.Policy.Local, Detail: in.Policy.Detail}
}

// doNotTrackLayer follows the cautious reading of donottrack.sh: any value that does
// not plainly say "no" opts out.
func (in Input) doNotTrackLayer() Layer {
	const name = "DO_NOT_TRACK"
	value, set := in.Lookup(name)
	if !set || value == "" {
		return Layer{Name: name, Detail: "not set"}
	}
	if saysOff(value) {
		return Layer{Name: name, Detail: "set to no"}
	}
	return Layer{Name: name, Verdict: No, Detail: "set"}
}

// switchLayer reads a variable that can say yes and no. A value that says neither is a
// no: the person who set it meant something, and only a yes must be unmistakable.
func (in Input) switchLayer(name string) Layer {
	value, set := in.Lookup(name)
	switch {
	case !set || value == "":
		return Layer{Name: name, Detail: "not set"}
	case saysOn(value):
		return Layer{Name: name, Verdict: Yes, Detail: "set to yes"}
	case saysOff(value):
		return Layer{Name: name, Verdict: No, Detail: "set to no"}
	}
	return Layer{Name: name, Verdict: No, Detail: "set to something that is neither on nor off, which counts as no"}
}

func (in Input) localLayer() Layer {
	const name = "TELEMETRY_LOCAL"
	value, set := in.Lookup(name)
	if !set || value == "" || saysOff(value) {
		return Layer{Name: name, Detail: "not set"}
	}
	return Layer{Name: name, Local: true, Detail: "set: what is recorded stays on this machine"}
}

func (in Input) storedLayer() Layer {
	layer := Layer{Name: layerAnswer}
	switch s := in.Stored; {
	case s.Unseen:
		layer.Verdict, layer.Detail = No, "not known, which counts as no: "+s.Err.Error()
	case s.Err != nil:
		layer.Verdict, layer.Detail = No, "stored, but it cannot be read: "+s.Err.Error()
	case s.Answer == AnswerNone:
		layer.Detail = "none yet"
	case s.Answer == AnswerNo && s.At.IsZero():
		layer.Verdict, layer.Detail = No, "no, without a date: an empty file, as a full disk leaves it"
	case s.Answer == AnswerNo:
		layer.Verdict, layer.Detail = No, "no, on "+s.At.Format(time.DateOnly)
	case len(in.beyond()) > 0:
		layer.Local = s.Answer == AnswerLocal
		layer.Detail = "yes, on " + s.At.Format(time.DateOnly) + ", but the tool now declares more: " + strings.Join(in.beyond(), "; ")
	case s.Answer == AnswerLocal:
		layer.Verdict, layer.Local, layer.Detail = Yes, true, "yes, on this machine only, on "+s.At.Format(time.DateOnly)
	default:
		layer.Verdict, layer.Detail = Yes, "yes, on "+s.At.Format(time.DateOnly)
	}
	return layer
}

// EnvName returns the name of a tool's own variable: MY_TOOL_TELEMETRY for "my-tool".
func EnvName(tool string) string {
	name := []byte(strings.ToUpper(tool))
	for i, c := range name {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			name[i] = '_'
		}
	}
	return string(name) + "_TELEMETRY"
}

func saysOn(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "1", "true", "yes", "on":
		return true
	}
	return false
}

func saysOff(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "0", "false", "no", "off":
		return true
	}
	return false
}
