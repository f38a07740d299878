package props

import (
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// TelemetryConfig is the author's word on telemetry. The person who runs the tool
// decides only whether there is any: nothing here can be set from their environment,
// configuration or working directory.
//
// Events go to the first that applies: the local log, where the person chose that;
// Backend; OTelEndpoint; Endpoint. With none of them nothing is recorded.
type TelemetryConfig struct {
	// Backend names one of Drivers, or one of the built-in noop, stdout, file, http.
	Backend string
	// Drivers lists what this binary can reach besides the built-in ones, for example
	// posthog.Driver().
	Drivers []driver.Driver
	// Settings are the backend's, as its driver declares them. An unknown name is an
	// error.
	Settings map[string]string

	// Endpoint is the URL that the http backend posts JSON to.
	Endpoint string
	// OTelEndpoint is the base URL of an OTLP/HTTP receiver. It needs the otlp driver
	// among Drivers.
	OTelEndpoint string
	// Headers go with every request of backends that speak HTTP. Values are secrets. A header
	// that the backend sets itself, or that holds a key which must not be in a tool, is an error.
	Headers map[string]string
	// Insecure allows http:// to hosts other than loopback.
	Insecure bool

	// Installation names what several tools share: one answer, one machine ID, one queue.
	// Tools that share must declare the same receiver. Empty means the tool's own name.
	Installation string

	// DeliveryMode is DeliveryAtLeastOnce unless set.
	DeliveryMode DeliveryMode
	// ExtendedCollection allows arguments and error texts in events, scrubbed. Meant for
	// tools inside one organisation, whose users know.
	ExtendedCollection bool
	// Events declares the events of the tool's own, and what goes with those that every tool
	// shares. Fields declares metadata that any event may hold. Where one of them is not nil,
	// everything is declared: an event of another type is dropped and counted as lost, a key
	// or a value that is not declared is left out and counted in the event, and neither is
	// written anywhere. The types that every tool shares are always recorded.
	Events []EventSpec
	Fields []Field
	// Metadata is added to every event. With Events or Fields, Fields has to declare its keys.
	Metadata map[string]string
	// MetadataKeys, where not nil, lists the only keys that Track's extra may hold; others
	// are left out and counted in the event. Values are scrubbed, but not for the sake of
	// their key: "session" and "auth_method" are kept, and so are a UUID and a number. Fields
	// says more of a key, so there cannot be both.
	MetadataKeys []string
	// ErrorClasses are classes of the tool's own that an error may have, beside those of
	// ErrorClass: short words, such as "quota_exceeded". An error has the one that its method
	// TelemetryClass() string returns.
	ErrorClasses []ErrorClass
	// DeletionRequestor asks for a machine's data to be deleted. nil sends a
	// data.deletion_request event through the backend.
	DeletionRequestor deletion.Requestor

	// Controller is who decides what the data is for and answers for it: a person, a company,
	// a project. Where events leave the machine and no controller is named, people cannot know whom
	// they say yes to; Manager.AuthorWarnings tells the author so.
	Controller string
	// Contact is where people reach the Controller about their data: a mail address or a URL.
	Contact string
	// Retention is how long the receiver keeps what it gets, as a number and a unit where that
	// can be: "90 days", "14 months".
	Retention string
	// Purpose is what the data is for, in one line: "to find out which commands matter".
	//
	// A yes is to the Controller and the Purpose that were named, and to no longer Retention:
	// another one, or none any more, and people are asked again. Naming one for the first time
	// asks no person again. Each is one line of at most 160 bytes.
	Purpose string

	// Notice is what people read before they are asked: what is collected, and why. Empty
	// means a general text. NoticeVersion goes up when it says something new: a yes to an
	// older version no longer counts, and people are asked again.
	Notice        string
	NoticeVersion int
	// PrivacyURL is where the whole policy stands; shown with the notice.
	PrivacyURL string

	// MaxQueueBytes caps what waits on disk; the oldest events go first. 0 means 8 MiB:
	// about 20 000 events, months of a busy tool that never reaches its server.
	MaxQueueBytes int64
	// MaxEventAge is how long an event waits before it is dropped. 0 means 30 days: what
	// is older no longer tells how a tool is used.
	MaxEventAge time.Duration
	// UploadInterval is the least time between two uploads. 0 means 10 minutes.
	UploadInterval time.Duration

	// Fold keeps, in place of an event for each call, one record for each command, outcome and
	// day of UTC (and version, context, flags and metadata): with Count, Failures and Durations
	// of driver.Event, and without what tells one call from another: its run, its exact time and
	// duration, and, whatever ExtendedCollection says, arguments and error text. Who receives
	// several records of a kind adds them up. The first call of a day is delivered as soon as
	// any event, the others of that day once it is over, with the first of another day, or by
	// a flush. Events of other types are folded where EventSpec.Fold says so.
	Fold bool
	// SampleRate n records one run in n, chosen at random, with all that it does, and notes n in
	// each event. 0 and 1 record every run. What is not recorded is no loss.
	SampleRate int
}

// DeliveryMode says what happens where it is unknown whether a batch arrived.
type DeliveryMode string

const (
	// DeliveryAtLeastOnce sends such a batch again, with the same event IDs.
	DeliveryAtLeastOnce DeliveryMode = "at_least_once"
	// DeliveryAtMostOnce gives it up: no duplicate, but possibly a loss.
	DeliveryAtMostOnce DeliveryMode = "at_most_once"
)
