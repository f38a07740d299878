package driver

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
)

// Driver describes one kind of backend and opens it. It is a plain value: copy it,
// wrap it, put it in a list. A Driver must be usable by several goroutines at once.
type Driver struct {
	// Name is what an author writes as TelemetryConfig.Backend: lower case, no spaces.
	Name string
	// Doc is one sentence for people choosing a backend.
	Doc string
	// Settings declares what TelemetryConfig.Settings may hold. Anything else there is
	// an error, so that a misspelt setting is never ignored.
	Settings []Setting
	// Limits bounds one call of Send.
	Limits Limits
	// Accepted says in one sentence what an accepted batch does not mean, where the vendor
	// answers alike to events that it does not keep; status shows it.
	Accepted string
	// Warnings lists those with which the vendor may accept an event. Partial.Warnings counts
	// them by name, and status shows what they mean.
	Warnings []Warning
	// Momentary names the fields of a body and the headers whose values are those of the moment
	// of sending, such as its time or the number of the attempt. What is sent but for them
	// depends on the events and the configuration alone, so that it can be shown before.
	Momentary []string
	// Readable, where not nil, makes a body readable that is no text, after its
	// Content-Encoding is undone. Where it is nil, bodies are JSON or other text.
	Readable func(body []byte) (string, error)
	// Local says that no network is involved. The collector then delivers from the
	// command itself, without a child process.
	Local bool
	// Hosts lists every host (host or host:port) that a backend opened with these
	// settings may contact, but for the proxy that the person has set. It is called with
	// resolved settings, and may return none for those that Check refuses. nil means none,
	// which only a Local driver has: no person is asked for a yes to a host that is not known.
	Hosts func(settings map[string]string) []string
	// Check, where not nil, returns the first mistake that no setting shows by itself:
	// settings that exclude or need one another, an address that Config.Insecure does not
	// allow, a header that is not the author's to set. The error is a [*ConfigError]. The
	// collector calls it at each start of a tool, before it asks, records or thanks for
	// anything, so it contacts nothing, reads no file and allocates little; Config.Settings
	// has been resolved, and Transport, Dial, RootCAs and Stdout are not set. Open calls it
	// too, and refuses nothing else that an author can mend.
	Check func(Config) error
	// Open makes a backend. It contacts nothing, starts no goroutine and reads no
	// environment variable. Config.Settings has been resolved.
	Open func(Config) (Backend, error)
}

// Setting is one key that a driver understands.
type Setting struct {
	Name string
	// Doc is one sentence, with the unit or form of the value.
	Doc string
	// Required settings have no default: leaving one out is an error.
	Required bool
	// Default is used where the author set nothing.
	Default string
	// Secret values appear in no error, log or status.
	Secret bool
	// Values, where not empty, lists everything that is allowed.
	Values []string
	// Check, where not nil, rejects a value. Its error says what is wrong and what
	// would be right, and repeats the value only if that is not secret.
	Check func(value string) error
}

// Warning is what a vendor warns of when it accepts an event.
type Warning struct {
	// Name is a word of lower-case letters, digits and underscores: the driver's own, never
	// a text that a server sent.
	Name string
	// Doc says in one sentence, for the people who run a tool, what became of such an event.
	Doc string
	// NotDeletable says that the vendor may not find the event again when the data of its
	// machine ID is to be deleted, so that no deletion request may promise that.
	NotDeletable bool
}

// Limits bounds a batch, and how many events go out. Zero means that the collector's own bound applies. Sizes
// are those of the canonical JSON encoding, so a driver whose own encoding is larger
// declares less than its vendor allows.
type Limits struct {
	// Events is the greatest number of events of one batch.
	Events int
	// Bytes is the greatest size of one batch: the sum of its events, without what the
	// driver puts between and around them.
	Bytes int
	// EventBytes is the greatest size of one event. A larger one is refused as
	// permanent without an attempt.
	EventBytes int
	// PerMinute is the greatest number of events that one installation sends within any 60
	// seconds, whichever of its processes does it, those included of which nobody knows
	// whether they arrived. The collector keeps the rest for later, and never makes one batch
	// of more. Zero means that there is no such bound.
	PerMinute int
}

// Config is what a backend is opened with. The backend owns none of the maps: it
// copies what it keeps.
type Config struct {
	// Settings are resolved: known names only, defaults filled in, values checked.
	Settings map[string]string
	// Headers are added to every request by drivers that speak HTTP, and checked by their
	// Check. The values are secrets.
	Headers map[string]string
	// Insecure allows what is not encrypted, http:// among it, to hosts other than loopback.
	Insecure bool
	// Tool and Version name the program that sends, as its author declared it. Version may
	// be any text, a line break at its end included.
	Tool, Version string
	// Transport carries every request of the backend. nil means
	// driverhttp.NewTransport(). The collector always sets it, to one that writes down what
	// goes out and is otherwise the same; tests set it where the wire is theirs.
	Transport RoundTripper
	// Dial makes every connection of a backend that does not speak HTTP: network is tcp or
	// udp, address host:port. A connection of tcp has a method CloseWrite. nil means that of
	// a [net.Dialer]. It is set where Transport is.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// RootCAs are whom a backend trusts that speaks TLS over Dial. nil means those of the
	// system. Tests set it.
	RootCAs *CertPool
	// Stdout is where a driver that prints does so. nil means nowhere.
	Stdout io.Writer
	// Dir is a directory of this tool's alone (0700, created on demand by the driver)
	// for drivers that write files. Empty means that there is none.
	Dir string
}

// Backend delivers events. Send may be called by several goroutines at once.
type Backend interface {
	// Send makes one attempt to deliver the batch and reports what became of it, as
	// the package comment says. It returns soon after ctx ends, also while connecting,
	// and neither changes nor keeps the slice or anything in it after it returned. An
	// empty batch returns nil without an attempt.
	Send(ctx context.Context, events []Event) error
	// Close releases what the backend holds: connections, goroutines, files. It sends
	// nothing. It may be called twice and while Send runs, which then fails or
	// completes; it always returns at once.
	Close() error
}

// ConfigError is a mistake in what a tool's author declared. It names the field and
// the fix, and never holds the value of a secret.
type ConfigError struct {
	// Field is the path of the field, for example "Telemetry.Settings[instance]".
	Field string
	// Problem says what is wrong, and what would be right.
	Problem string
}

func (e *ConfigError) Error() string { return e.Field + ": " + e.Problem }

// SettingError returns the [*ConfigError] of a setting of a driver's.
func SettingError(name, problem string) error {
	return &ConfigError{Field: "Telemetry.Settings[" + name + "]", Problem: problem}
}

// Resolve checks settings against the declaration and returns a new map with the
// defaults filled in. The error is a [*ConfigError].
func (d Driver) Resolve(settings map[string]string) (map[string]string, error) {
	resolved, err := ResolveSettings(fmt.Sprintf("backend %q", d.Name), d.Settings, settings)
	if wrong, ok := err.(*ConfigError); ok {
		wrong.Field = "Telemetry." + wrong.Field
	}
	return resolved, err
}

// New resolves cfg.Settings and opens a backend with the rest of cfg as it is, for a program that
// does not go through the collector. The error is a [*ConfigError].
func (d Driver) New(cfg Config) (Backend, error) {
	var err error
	if cfg.Settings, err = d.Resolve(cfg.Settings); err != nil {
		return nil, err
	}
	return d.Open(cfg)
}

// ResolveSettings checks settings against what who declares, such as `backend "http"`, and
// returns a new map with the defaults filled in. The error is a [*ConfigError] whose Field is
// "Settings[name]".
func ResolveSettings(who string, declared []Setting, settings map[string]string) (map[string]string, error) {
	resolved := make(map[string]string, len(declared))
	for _, s := range declared {
		field := "Settings[" + s.Name + "]"
		value, set := settings[s.Name]
		if !set || value == "" {
			if s.Required {
				return nil, &ConfigError{field, fmt.Sprintf("required by %s: %s", who, s.Doc)}
			}
			value = s.Default
			if value == "" {
				continue
			}
		}
		if len(s.Values) > 0 && !slices.Contains(s.Values, value) {
			problem := "not one of " + strings.Join(s.Values, ", ")
			if !s.Secret {
				problem = fmt.Sprintf("%q is %s", value, problem)
			}
			return nil, &ConfigError{field, problem}
		}
		if s.Check != nil {
			if err := s.Check(value); err != nil {
				return nil, &ConfigError{field, err.Error()}
			}
		}
		resolved[s.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.ContainsFunc(declared, func(s Setting) bool { return s.Name == name }) {
			return nil, &ConfigError{"Settings[" + name + "]", fmt.Sprintf("unknown to %s, which takes %s", who, names(declared))}
		}
	}
	return resolved, nil
}

func names(settings []Setting) string {
	if len(settings) == 0 {
		return "none"
	}
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}
