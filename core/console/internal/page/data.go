package page

import "time"

// Data is everything that the page shows, as the caller has found it. Texts may be anything:
// they are cleaned, escaped and cut here. Texts that are sentences are in the reader's
// language already. A zero time is shown as a dash, an empty list as a sentence that says so.
type Data struct {
	// Tool is the name that the person types, Version the tool's own.
	Tool, Version string
	// At is when all of this was so.
	At    time.Time
	State State
	// MachineID is the pseudonym that events go out under, empty while there is none, and
	// StateDir where everything is kept.
	MachineID, StateDir string
	Receiver            Receiver
	// Delivered counts the events that were taken since the last reset, Lost those that were
	// given up.
	Delivered, Lost int
	// DeliveriesUnknown says that these cannot be counted, and WaitingUnknown that what waits
	// cannot.
	DeliveriesUnknown, WaitingUnknown bool
	// Problems are losses, warnings and faults, the most important first.
	Problems []Problem
	Fields   []Field
	// FieldsNote says what the list of fields does not, such as that any key may be added.
	FieldsNote string
	Waiting    Waiting
	Sent       Sent
	Activity   Activity
	// NoExample says why a field has no example.
	NoExample string
	// Decisions are the receipts, newest first.
	Decisions []Decision
	// Deletions are the deletion requests, newest first.
	Deletions []Deletion
	// Controls are the commands that change something. The page itself changes nothing.
	Controls []Control
}

// Tone says how a state is meant, beside its words.
type Tone int

// The tones.
const (
	Neutral Tone = iota
	Good
	Caution
	Bad
)

// State is whether telemetry is on, and who decided it.
type State struct {
	// Words are those of the status command, such as "on, this machine only".
	Words string
	Tone  Tone
	// Decider names the layer that decided, with what was found there.
	Decider string
	// Since is when the person said yes.
	Since  time.Time
	Layers []Layer
}

// Layer is one that has a say.
type Layer struct {
	Name string
	// Verdict is its word, such as "yes", "no" or "silent", and Tone how to show it.
	Verdict string
	Tone    Tone
	Detail  string
	// Decided marks the one that decided.
	Decided bool
}

// Receiver is who gets the events.
type Receiver struct {
	// Name is the backend's, with Hosts the hosts that it may contact, none for a local one.
	Name  string
	Hosts []string
	// Local says that events stay on this machine.
	Local bool
	// Accepted says what the receiver's yes to an event means.
	Accepted string
	// Controller is who answers for the data, Contact how to reach them.
	Controller, Contact string
	Purpose, Retention  string
	// PrivacyURL is linked where it begins with http:// or https://, and shown anyhow.
	PrivacyURL string
}

// Field is one that an event may have.
type Field struct {
	// Name is the field's or, for metadata, the key's; Group says whose it is, such as
	// "every event" or the event's type.
	Name, Group string
	// Type says what a value may be, Meaning what it is for.
	Type, Meaning string
	// Example is a value as this machine would send it, empty where there is none.
	Example string
}

// Waiting is what was recorded and has not been sent.
type Waiting struct {
	// Total counts all, also those that are not in Events. Bytes is the size on disk.
	Total int
	Bytes int64
	// Why says in a sentence what they wait for.
	Why    string
	Events []Event
}

// Event is one that waits.
type Event struct {
	At   time.Time
	Name string
	// JSON is the event as it will go out.
	JSON string
	// To is where it goes, Why what it waits for if that is other than Waiting.Why.
	To, Why string
}

// Sent is the log of what was sent.
type Sent struct {
	// Total counts all deliveries of the log, also those that are not in Deliveries.
	Total int
	// Deliveries are the newest first. The search looks at these.
	Deliveries []Delivery
	// Notes say what the log does not hold any more and whether its chain is whole.
	Notes []Note
}

// Note is a sentence about the log.
type Note struct {
	Tone Tone
	Text string
}

// Delivery is one request and what became of it.
type Delivery struct {
	At time.Time
	// To is the receiver, Events how many the request held.
	To     string
	Events int
	// Status is what the receiver answered, in words.
	Status string
	Tone   Tone
	// Body is the request's, readable: JSON is laid out, anything else shown as lines.
	Body string
	// Receipt is the ID of the decision that it was sent under.
	Receipt string
}

// Activity is what the charts show.
type Activity struct {
	// Days are in order and without gaps, Commands the most used first.
	Days     []Day
	Commands []CommandCount
	// Note says what was counted, such as "events of the log and those that wait".
	Note string
}

// Day is how many events one day had.
type Day struct {
	Date   time.Time
	Events int
}

// CommandCount is how many events one command had.
type CommandCount struct {
	Name   string
	Events int
}

// Decision is a receipt: who decided what, when, and what was shown then.
type Decision struct {
	ID string
	At time.Time
	// By is who decided and how, Answer what: "yes", "no", "this machine only".
	By, Answer string
	Tone       Tone
	// Scope is what it was a yes to, such as the receiver.
	Scope string
	// InForce says that it holds now.
	InForce bool
	// Shown is the text that was shown then.
	Shown string
	// Differs says what the present build would send more or less than that.
	Differs []string
}

// Deletion is a request for the deletion of what was sent.
type Deletion struct {
	MachineID string
	// State is how far it came, in words.
	State string
	Tone  Tone
	// Steps are the states that were reached, in order.
	Steps []Step
	// Detail says what is still to be known, such as what may stay.
	Detail string
}

// Step is a state of a request and when it was reached.
type Step struct {
	Name string
	At   time.Time
}

// Problem is something that a person should know.
type Problem struct {
	Tone Tone
	// Title is a word or two, Text a sentence.
	Title, Text string
}

// Control is a command to type.
type Control struct {
	// Line is the command, Effect what it does.
	Line, Effect string
}
