// Package consent answers one question: may this tool record and send, and who said
// so? Deciding is a pure function of what was found; finding is in Gather; the stored
// answer is in Store. Tool authors meet it through `mytool telemetry status`.
//
// Any no decides. Without one, any yes does. Silence is no.
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
	// Undecided says that nobody has said anything yet, so the person may be asked.
	Undecided bool
	// Withdrawn says that the person's own stored answer is no: what still waits is to be
	// erased, not only kept from being sent.
	Withdrawn bool
	// Decider is the name of the layer that decided, "nobody" where none did.
	Decider string
	// Since is when the person said yes, zero where another layer did.
	Since time.Time
	// Layers are all of them, in order of precedence.
	Layers []Layer
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
	// Stored is what the person said, NoticeVersion what they would be told today.
	Stored        Stored
	NoticeVersion int
}

// Decide weighs all layers. It reads nothing but its input.
func Decide(in Input) Decision {
	d := Decision{Decider: "nobody", Withdrawn: in.Stored.Answer == AnswerNo, Layers: []Layer{
		in.featureLayer(),
		in.buildLayer(),
		in.policyLayer(),
		in.doNotTrackLayer(),
		in.switchLayer("TELEMETRY_ENABLED"),
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
	if d.Decider == layerAnswer {
		d.Since = in.Stored.At
	}
	d.Undecided = !d.Enabled
	return d
}

const layerAnswer = "your answer"

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
	return Layer{Name: "the administrator's policy", Verdict: in.Policy.Verdict, Local: in.Policy.Local, Detail: in.Policy.Detail}
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
// no: whoever set it meant something, and only a yes must be unmistakable.
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
	case s.Err != nil:
		layer.Verdict, layer.Detail = No, "stored, but it cannot be read: "+s.Err.Error()
	case s.Answer == AnswerNone:
		layer.Detail = "not asked yet"
	case s.Answer == AnswerNo:
		layer.Verdict, layer.Detail = No, "no, on "+s.At.Format(time.DateOnly)
	case s.Notice < in.NoticeVersion:
		layer.Local = s.Answer == AnswerLocal
		layer.Detail = fmt.Sprintf("yes, but to version %d of the notice, which is now %d", s.Notice, in.NoticeVersion)
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

// InCI reports whether the process runs in continuous integration, where nobody can
// be asked and nothing outlives the job.
func InCI(lookup func(string) (string, bool)) bool {
	value, set := lookup("CI")
	return set && value != "" && !saysOff(value)
}
