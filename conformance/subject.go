package conformance

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Subject is a backend under test, with what its vendor's documentation says. All of it
// is written out in the test: a table or a decoder borrowed from the backend would find
// no mistake in it.
type Subject struct {
	// Name is for the report, the driver's if empty: a driver with several tests has a report
	// of each.
	Name string
	// Driver is the backend.
	Driver driver.Driver
	// Settings returns what a tool's author would declare. endpoint is an https URL
	// without a path, for drivers that are told where to send; others ignore it. nil
	// means none.
	Settings func(endpoint string) map[string]string
	// Headers are set as Config.Headers, whose values are secrets. nil means that the
	// driver has no use for them.
	Headers map[string]string

	// Statuses is the vendor's table: what an answer with this status means to a batch of
	// several events, without a Retry-After. It has a row for each of [SuiteStatuses], and
	// for what else the documentation names. Where it says TooLarge, the event that is alone is
	// refused for good, but for 413, of which only the collector knows what it says of one
	// event. Drivers that reach no network have none.
	//
	// The suite answers with every other status too. What has no row is what HTTP makes of it
	// (RFC 9110, section 15): a 4xx is kept or has the class of 400, a 5xx is kept or has that
	// of 500, a 3xx is kept, and a 2xx is an acceptance only where 200, 202 and 204 all are.
	Statuses map[int]driver.Class
	// Refusal is the form in which the vendor refuses, to which the checks add the status.
	// The zero value is a JSON object with a list "errors".
	Refusal Answer
	// Accepted is what the vendor answers when it has taken a batch. The zero value is 200
	// with an empty body.
	Accepted Answer
	// BodyDecides says that acceptance is in the answer's body, so that one that is cut or
	// cannot be read is none.
	BodyDecides bool
	// NotAccepted lists answers that look like acceptance and are none, such as an
	// exhausted quota reported with a 200. The batch must be kept.
	NotAccepted []Answer
	// NotRefused lists answers that look like the vendor's refusal and are none, such as a
	// 400 without the body that the vendor documents: they come from something in between,
	// so the batch must be kept. Web pages need not be listed.
	NotRefused []Answer
	// Answers lists answers whose body decides what they mean, beside those above, such as a
	// code of an error in a 200.
	Answers []Meaning
	// Partial lists answers with more than one verdict, if the vendor gives any.
	Partial []Verdicts

	// Decode reads a request as the vendor documents that it is read, with types of its
	// own.
	Decode func(Request) ([]Received, error)
	// Read is Decode for a driver that reaches no network: it returns everything that was
	// delivered so far.
	Read func(Output) ([]Received, error)
	// Socket describes a vendor that is not reached over HTTP, instead of Decode and
	// Statuses. nil means HTTP.
	Socket *Socket
	// Discards says that a driver that reaches no network keeps nothing.
	Discards bool
	// Unordered says that the order within a batch is not kept.
	Unordered bool
	// Limits are the vendor's own, zero where it has none. Bytes are those of a body before
	// compression, or of a datagram.
	Limits driver.Limits

	// Constants lists every text on the wire that comes from no event, setting or header:
	// names of fields and headers, paths, fixed values. Anything else is a finding.
	Constants []string
	// Varies lists names of fields and headers whose values differ from request to request
	// for a stated reason, such as the time of sending.
	Varies map[string]string
	// Omits lists fields of [Received] that the vendor has no place for, each with the
	// reason. ID, Name, Time, MachineID and ConsentID cannot be left out.
	Omits map[string]string
	// Window is set where the vendor takes only events of a certain age, and the backend
	// moves the time of others into it. nil means that it takes any.
	Window *Window
	// NoIP says why a request does not switch off the storage of the sender's address, nil
	// if it does. nil here means that the vendor has no such switch.
	NoIP func(Request) error
	// FreeForm lists settings that may hold any text, so that no value is a mistake.
	FreeForm []string

	// KnownFailures lists checks that fail, each with the reason. They are run and must
	// still fail, or the entry is stale and fails the run.
	KnownFailures map[string]string

	// program is the backend, where it is a process of its own.
	program *program
}

func (s *Subject) name() string { return cmp.Or(s.Name, s.Driver.Name) }

// Window is the time of events that a vendor takes, seen from the time of sending.
type Window struct {
	Past, Ahead time.Duration
	// Reason says where the vendor documents it.
	Reason string
}

// holds reports whether an event of that time is taken by a window that is wider by margin
// on both sides.
func (w *Window) holds(t time.Time, margin time.Duration) bool {
	now := time.Now()
	return !t.Before(now.Add(-w.Past-margin)) && !t.After(now.Add(w.Ahead+margin))
}

// Received is an event as the vendor reads it: [driver.Event] without its JSON names,
// so that a test has to write down the vendor's. What the vendor is not told is the zero
// value, so a truth that is left out is false. Of Durations, buckets at the end that hold
// nothing may be there or not.
type Received struct {
	ID         string
	Type       string
	Name       string
	Time       time.Time
	DurationMS *int64
	ExitCode   *int
	Args       []string
	Flags      []string
	Error      string
	ErrorClass string
	Tool       string
	Version    string
	OS         string
	Arch       string
	OSVersion  string
	GoVersion  string

	CI          bool
	CIProvider  string
	Interactive bool
	Agent       string
	Container   bool
	RunID       string

	MachineID string
	ConsentID string
	Metadata  map[string]string

	Count        int
	Failures     int
	Durations    []int
	SampleRate   int
	Truncated    int
	Redacted     int
	TimeAdjusted bool
}

// Request is what arrived at the vendor.
type Request struct {
	Method string
	// URL is absolute, with the host that the request named.
	URL    string
	Header http.Header
	// Body has been unpacked as Content-Encoding says.
	Body []byte
	// Raw is everything as it came over the connection.
	Raw []byte
}

// Output is what a driver that reaches no network has left so far.
type Output struct {
	// Stdout was written to Config.Stdout.
	Stdout []byte
	// Dir was Config.Dir.
	Dir string
}

// Answer is what the vendor sends back.
type Answer struct {
	// Status is 200 if zero.
	Status int
	// Type is the Content-Type, application/json if empty and there is a body.
	Type   string
	Header http.Header
	Body   string
	// Of makes the body of the batch that arrived, where the vendor names its events. It is
	// not called if Body is set.
	Of func(batch []Received) string
}

// Meaning is an answer with what the vendor's documentation says that it means.
type Meaning struct {
	// Name is for the report.
	Name   string
	Answer Answer
	// Class is that to a batch of several events, as in [Subject.Statuses].
	Class driver.Class
}

// Verdicts is an answer that says different things of different events.
type Verdicts struct {
	// Name is for the report.
	Name string
	// Sizes are the batches, by their number of events, for which Answer and Want are made.
	// Empty means three, so that they may name the second event and the third; a batch of
	// fifty then gets the same answer, and only the events that it names are looked at. Where
	// they go over the batch that they are given, {1, 2, 3, 50} finds most.
	Sizes []int
	// Answer makes the answer to a batch.
	Answer func(batch []Received) Answer
	// Want is what the backend has to make of it; Wait and Err are not compared. Where all
	// of a batch is accepted without Warnings nil is as good, and where all of it is rejected,
	// Permanent. Warnings are those of Driver.Warnings.
	Want func(batch []Received) driver.Partial
}

// SuiteStatuses returns the statuses for which a subject's table must have a row.
func SuiteStatuses() []int {
	return []int{200, 202, 204, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504}
}

// A need is a capability that a check cannot do without. It returns why the subject
// does not have it, or "".
type need func(*Subject) string

func network(s *Subject) string {
	if s.Driver.Local {
		return "the driver declares Local: it reaches no network"
	}
	if s.Socket != nil {
		return "the subject declares Socket: its vendor is not reached over HTTP"
	}
	return ""
}

func local(s *Subject) string {
	if !s.Driver.Local {
		return "the driver does not declare Local"
	}
	return ""
}

func keepsSomething(s *Subject) string {
	if s.Discards {
		return "the subject declares Discards: nothing is kept"
	}
	return ""
}

func partialVerdicts(s *Subject) string {
	if len(s.Partial) == 0 {
		return "the subject declares no Partial: its vendor gives one verdict a batch"
	}
	return ""
}

func remarks(s *Subject) string {
	if len(s.Driver.Warnings) == 0 {
		return "the driver declares no Warnings: its vendor remarks on nothing that it accepts"
	}
	return ""
}

func lookalikes(s *Subject) string {
	if len(s.NotAccepted) == 0 {
		return "the subject declares no NotAccepted"
	}
	return ""
}

func falseRefusals(s *Subject) string {
	if len(s.NotRefused) == 0 {
		return "the subject declares no NotRefused"
	}
	return ""
}

func meanings(s *Subject) string {
	if len(s.Answers) == 0 {
		return "the subject declares no Answers"
	}
	return ""
}

// spoilt says that one event spoils a batch.
func spoilt(s *Subject) string {
	if why := network(s); why != "" {
		return why
	}
	if s.Statuses[http.StatusBadRequest] != driver.ClassTooLarge {
		return "the subject's table does not declare that a 400 makes smaller batches"
	}
	return ""
}

func bodyDecides(s *Subject) string {
	if !s.BodyDecides {
		return "the subject does not declare BodyDecides: the status alone is the acceptance"
	}
	return ""
}

func ipSwitch(s *Subject) string {
	if s.NoIP == nil {
		return "the subject declares no NoIP: its vendor has no switch"
	}
	return ""
}

// checkable says that the driver is in this process.
func checkable(s *Subject) string {
	if s.program != nil {
		return "a program declares no Check: it is asked nothing before it is opened"
	}
	return ""
}

func headers(s *Subject) string {
	if len(s.Headers) == 0 {
		return "the subject declares no Headers"
	}
	return ""
}

func endpointSetting(s *Subject) string {
	if !s.takesEndpoint() {
		return "the driver has hosts of its own: no setting follows the endpoint"
	}
	return ""
}

func splits(s *Subject) string {
	if why := network(s); why != "" {
		return why
	}
	if s.Statuses[http.StatusRequestEntityTooLarge] != driver.ClassTooLarge {
		return "the subject's table does not make a 413 smaller batches"
	}
	return ""
}

// ordered is the reverse of Unordered.
func ordered(s *Subject) string {
	if s.Unordered {
		return "the subject declares Unordered"
	}
	return keepsSomething(s)
}

// takesEndpoint finds out whether the settings follow the endpoint.
func (s *Subject) takesEndpoint() bool {
	a, b := s.settings("https://a.example"), s.settings("https://b.example")
	for name, value := range a {
		if b[name] != value {
			return true
		}
	}
	return false
}

func (s *Subject) settings(endpoint string) map[string]string {
	if s.Settings == nil {
		return nil
	}
	return s.Settings(endpoint)
}

// secrets are the values that no error and no log may hold.
func (s *Subject) secrets(endpoint string) []string {
	var list []string
	settings := s.settings(endpoint)
	for _, declared := range s.Driver.Settings {
		// An endpoint is a secret for what an author may add to it; the suite's is none.
		if value := settings[declared.Name]; declared.Secret && value != "" && !s.followsEndpoint(declared.Name) {
			list = append(list, value)
		}
	}
	for _, value := range s.Headers {
		list = append(list, value)
	}
	return list
}

// followsEndpoint reports whether the named setting is made of the endpoint.
func (s *Subject) followsEndpoint(name string) bool {
	return s.settings("https://a.example")[name] != s.settings("https://b.example")[name]
}

// check returns what is wrong with the subject itself.
func (s *Subject) check() []string {
	var wrong []string
	say := func(ok bool, problem string) {
		if !ok {
			wrong = append(wrong, problem)
		}
	}
	say(s.Driver.Name != "" && s.Driver.Open != nil, "Subject.Driver has no Name or no Open: hand over the value that the package's Driver() returns")
	switch {
	case s.Socket != nil:
		say(!s.Driver.Local && s.Decode == nil && s.Statuses == nil, "Subject.Socket is set beside what belongs to HTTP or to a driver that reaches no network")
		s.Socket.check(say)
	case s.Driver.Local:
		say(s.Discards != (s.Read != nil), "a driver that reaches no network needs Subject.Read, which returns what was delivered, or Subject.Discards")
	default:
		say(s.Decode != nil, "Subject.Decode is missing: read the request as the vendor documents, with types of its own")
		for _, status := range SuiteStatuses() {
			_, known := s.Statuses[status]
			say(known, fmt.Sprintf("Subject.Statuses has no row for %d: write down what the vendor's documentation says of it", status))
		}
	}
	for status, class := range s.Statuses {
		say(class != driver.ClassAccepted || status/100 == 2, fmt.Sprintf("Subject.Statuses accepts a %d: only 2xx can be an acceptance", status))
		say(class == driver.ClassUnknown || class == driver.ClassThrottled || !slices.Contains(alwaysKept, status),
			fmt.Sprintf("Subject.Statuses gives a %d the class %s: no vendor judges a batch with it, so it is kept", status, class))
	}
	for _, m := range s.Answers {
		status := m.Answer.status()
		say(m.Class != driver.ClassAccepted || status/100 == 2, fmt.Sprintf("Subject.Answers accepts %s, a %d: only 2xx can be an acceptance", m.Name, status))
		say(m.Class == driver.ClassUnknown || m.Class == driver.ClassThrottled || !slices.Contains(alwaysKept, status),
			fmt.Sprintf("Subject.Answers gives %s, a %d, the class %s: no vendor judges a batch with it, so it is kept", m.Name, status, m.Class))
		say(m.Class != driver.ClassPartial, "Subject.Answers makes "+m.Name+" partial: describe it in Partial, which says what becomes of each event")
	}
	for _, field := range []string{"ID", "Name", "Time", "MachineID", "ConsentID"} {
		_, omitted := s.Omits[field]
		say(!omitted, "Subject.Omits lists "+field+", which no backend can do without")
	}
	for field, reason := range s.Omits {
		_, exists := reflect.TypeFor[Received]().FieldByName(field)
		say(exists, "Subject.Omits lists "+field+", which is no field of Received")
		say(reason != "", "Subject.Omits gives no reason for "+field)
	}
	for name, reason := range s.Varies {
		say(reason != "", "Subject.Varies gives no reason for "+name)
	}
	say(s.Window == nil || s.Window.Reason != "", "Subject.Window gives no reason")
	for id, reason := range s.KnownFailures {
		_, exists := findCheck(id)
		say(exists, "Subject.KnownFailures lists "+id+", which is no check")
		say(reason != "", "Subject.KnownFailures gives no reason for "+id)
	}
	return wrong
}
