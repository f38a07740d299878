package props

// Invocation is a command that runs. Its methods may be called by several goroutines at
// once. What is told after it was recorded is ignored, as is a second End or Done.
type Invocation interface {
	// Flags adds names of flags that were set: the author's own words, without dashes and
	// without values. Call it once, in the order in which the command declares them.
	Flags(names ...string) Invocation
	// Args adds arguments. They are scrubbed, and dropped unless the author set
	// ExtendedCollection, and after a usage error: a misspelt word may be anything.
	Args(args ...string) Invocation
	// Annotate adds a pair to the event's metadata, as extra of Track does. The last value of
	// a key wins.
	Annotate(key, value string) Invocation
	// End records the command with what *err says, as Done does with an Outcome that has
	// only Err; err may be nil. Deferred directly, as Collector.Command shows, it sees a panic too: that is
	// recorded with exit code 2 and the class ErrorPanic, and goes on. runtime.Goexit is not
	// seen: it looks like a return.
	End(err *error)
	// Done records the command with an outcome that the caller knows better.
	Done(Outcome)
}

// Outcome is how a command ended.
type Outcome struct {
	// Err is what it returned, nil after a success. Its text is recorded only with
	// ExtendedCollection, scrubbed, and not after a usage error, whose text repeats what was
	// typed.
	Err error
	// ExitCode is what the process ends with. 0 with an Err means what core.ExitCode makes
	// of it.
	ExitCode int
	// Class is what went wrong, from the list below or from TelemetryConfig.ErrorClasses;
	// anything else is recorded as ErrorOther. Empty means that Err tells: what its method
	// TelemetryClass() string returns, or else what the standard library knows of it, or else
	// the exit code: 128+n is ErrorInterrupted where n is a signal that ends processes.
	Class ErrorClass
}

// ErrorClass says in one word what went wrong. It is recorded whether or not the author set
// ExtendedCollection, so it is from a closed list: the one below, and what the author lists
// in TelemetryConfig.ErrorClasses.
type ErrorClass string

// The classes that every tool shares.
const (
	// ErrorUsage is a mistake in how a command was called: an unknown flag or command, wrong
	// arguments.
	ErrorUsage ErrorClass = "usage"
	// ErrorInterrupted says that the person, or the program that ran the tool, ended it: not a failure.
	ErrorInterrupted ErrorClass = "interrupted"
	ErrorTimeout     ErrorClass = "timeout"
	ErrorPermission  ErrorClass = "permission"
	ErrorNotFound    ErrorClass = "not_found"
	ErrorNetwork     ErrorClass = "network"
	ErrorPanic       ErrorClass = "panic"
	// ErrorUnrecorded says that the process ended before the command was recorded: by
	// os.Exit, by a signal, by running another program in its place, or by a panic outside
	// of the command. Whether it did its work is not known.
	ErrorUnrecorded ErrorClass = "ended_unrecorded"
	ErrorOther      ErrorClass = "other"
)

// ErrorClasses returns the classes that every tool shares.
func ErrorClasses() []ErrorClass {
	return []ErrorClass{ErrorUsage, ErrorInterrupted, ErrorTimeout, ErrorPermission, ErrorNotFound,
		ErrorNetwork, ErrorPanic, ErrorUnrecorded, ErrorOther}
}

type discarded struct{}

func (d discarded) Flags(...string) Invocation         { return d }
func (d discarded) Args(...string) Invocation          { return d }
func (d discarded) Annotate(string, string) Invocation { return d }
func (discarded) End(*error)                           {}
func (discarded) Done(Outcome)                         {}
