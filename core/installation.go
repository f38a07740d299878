package core

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/outbox"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Option changes what Open and NewManager take from their surroundings. Tools need
// none of them; tests and unusual layouts do.
type Option func(*environment)

// environment is where a tool runs: everything that its author does not declare.
type environment struct {
	lookup func(string) (string, bool)
	now    func() time.Time
	dir    string
	policy []string
	upload []string
	stdout io.Writer
}

// WithStateDir keeps the tool's telemetry in dir instead of the user's state directory.
// In a test binary it is also what wakes telemetry up: without it nothing is recorded
// there, so that no test suite fills a production store.
func WithStateDir(dir string) Option { return func(s *environment) { s.dir = dir } }

// WithEnv reads environment variables from lookup instead of os.LookupEnv.
func WithEnv(lookup func(string) (string, bool)) Option {
	return func(s *environment) { s.lookup = lookup }
}

// WithClock tells the time from now instead of time.Now.
func WithClock(now func() time.Time) Option { return func(s *environment) { s.now = now } }

// WithPolicyFile reads the administrator's policy from path instead of the system's
// place for it.
func WithPolicyFile(path string) Option {
	return func(s *environment) { s.policy = []string{path} }
}

// WithUploadCommand says with which arguments this executable runs Manager.Upload, or
// calls Open. The default is "telemetry", "upload". In a test binary there is none: there
// Close sends from the command itself, and starts no copy of the tests.
func WithUploadCommand(args ...string) Option {
	return func(s *environment) { s.upload = args }
}

// WithStdout is where the stdout backend prints instead of os.Stdout.
func WithStdout(w io.Writer) Option { return func(s *environment) { s.stdout = w } }

// installation is one tool on one machine for one user: what the author declared, where
// it runs, and the directory where its telemetry lives. It holds nothing open.
type installation struct {
	environment
	tool   props.Tool
	dir    state.Dir
	dirErr error // the directory is unknown, or not to be used
	// preview, where not nil, opens the backends of a copy that is looked at: nothing leaves it.
	preview *preview
	// uncounted is how many requests went out of this process that could be written into no log,
	// and not be counted yet either.
	uncounted atomic.Int64
	pinned    atomic.Pointer[pin]
	// declared is what selectDeclared has found: what an author declares stays as it is.
	declared atomic.Pointer[declared]
	// kept names what keeps everything on this machine, as the last decision found it.
	kept atomic.Pointer[string]
}

func newInstallation(tool props.Tool, options []Option) *installation {
	in := &installation{tool: cleaned(tool), environment: environment{
		lookup: os.LookupEnv,
		now:    time.Now,
		stdout: os.Stdout,
	}}
	for _, option := range options {
		option(&in.environment)
	}
	if in.upload == nil && !inTestBinary() {
		in.upload = []string{"telemetry", "upload"}
	}
	path := in.environment.dir
	switch {
	case path != "":
	case inTestBinary():
		in.dirErr = errAsleep
	default:
		path, in.dirErr = state.Locate(in.name(), in.lookup)
	}
	in.dir = state.At(path)
	if in.policy == nil {
		in.policy = consent.PolicyPaths(in.name(), in.lookup)
	}
	return in
}

// cleaned returns what an author declares with the texts fit to be shown that commands show
// where the declaration has a mistake, too. They may come from a file, or from what built the
// tool.
func cleaned(tool props.Tool) props.Tool {
	config := &tool.Telemetry
	for _, text := range []*string{&tool.Name, &tool.Version, &config.Installation, &config.PrivacyURL} {
		*text = plaintext.Clean(*text)
	}
	config.Notice = plaintext.Lines(config.Notice)
	config.ErrorClasses = slices.Clone(config.ErrorClasses)
	for i, class := range config.ErrorClasses {
		config.ErrorClasses[i] = props.ErrorClass(plaintext.Clean(string(class)))
	}
	return tool
}

// errAsleep explains why nothing is recorded in a test binary.
var errAsleep = errors.New("this is a test binary, where telemetry sleeps unless core.WithStateDir is given")

// testBinary is the answer of inTestBinary, which stays the same as long as a process lives:
// several installations ask, and to read what is known of the build takes a while.
var testBinary struct {
	asked sync.Once
	is    bool
}

// inTestBinary asks the build: the main package of a test binary is made by `go test` and named
// after the tested one. Where that is a main package itself, the build does not tell, and the
// program's name and arguments do, or that a test is what calls. (testing.Testing would link the
// testing package into every tool.)
func inTestBinary() bool {
	testBinary.asked.Do(func() {
		info, ok := debug.ReadBuildInfo()
		testBinary.is = ok && strings.HasSuffix(info.Path, ".test") || startedAsTest(os.Args) || calledByTest()
	})
	return testBinary.is
}

// startedAsTest reports whether a program has the name that `go test` gives, or its arguments.
func startedAsTest(args []string) bool {
	if len(args) == 0 {
		return false
	}
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(args[0])), ".exe")
	return strings.HasSuffix(name, ".test") ||
		slices.ContainsFunc(args[1:], func(arg string) bool { return strings.HasPrefix(arg, "-test.") })
}

// calledByTest reports whether the testing package is among those that led here.
func calledByTest() bool {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "testing.") {
			return true
		}
		if !more {
			return false
		}
	}
}

// name is what people know the installation by: the tool, or what several tools share.
func (in *installation) name() string {
	if shared := in.tool.Telemetry.Installation; shared != "" {
		return shared
	}
	return in.tool.Name
}

func (in *installation) store() consent.Store { return consent.NewStore(in.dir.Path()) }

// terms are what the author declares and the receiver that the policy may name, as people are
// told it.
func (in *installation) terms() consent.Terms {
	config := in.tool.Telemetry
	who := in.controller()
	t := consent.Terms{
		Tool:          in.name(),
		Backend:       noop.Driver().Name,
		Fields:        recordedFields(),
		AnyEvent:      !declares(&config),
		AnyKey:        !declares(&config) && config.MetadataKeys == nil,
		MetadataKeys:  slices.AppendSeq(slices.Clone(config.MetadataKeys), maps.Keys(config.Metadata)),
		Extended:      config.ExtendedCollection,
		Controller:    who.Name,
		Purpose:       who.Purpose,
		Retention:     who.Retention,
		NoticeVersion: config.NoticeVersion,
		NoticeDigest:  consent.DigestText(config.Notice),
	}
	fields := config.Fields
	for _, e := range config.Events {
		if !isShared(e.Type) {
			t.Events = append(t.Events, string(e.Type))
		}
		fields = slices.Concat(fields, e.Fields)
	}
	for _, f := range fields {
		t.MetadataKeys = append(t.MetadataKeys, f.Name)
	}
	// With a mistake in the declaration there is no receiver: a yes now is no yes to the one
	// that it names when it is mended.
	if s, err := in.selectBackend(); err == nil {
		t.Backend, t.Hosts, t.Pinned = s.driver.Name, s.info().Hosts, s.pinned
	}
	return t
}

// decide finds out what every layer says now.
func (in *installation) decide() consent.Decision {
	input := consent.Input{
		Feature: in.tool.Features.Enabled(props.TelemetryCmd),
		Omitted: omitted,
		Tool:    in.name(),
		Lookup:  in.lookup,
		Policy:  in.readPolicy(),
	}
	if in.dirErr == nil {
		input.Stored = in.store().Load()
	}
	if input.Stored.Answer != consent.AnswerNone { // else nothing depends on the terms
		input.Terms = in.terms()
	}
	decision := consent.Decide(input)
	by := decision.KeptBy()
	if was := in.kept.Load(); was == nil || *was != by {
		in.kept.Store(new(by))
	}
	return decision
}

// keptBy names what keeps everything on this machine, "" if nothing does. Like the receiver of
// selectBackend it is as the last decision found it: a person is shown what that leads to, and
// their yes is to that, whatever has changed while they read.
func (in *installation) keptBy() string {
	if in.kept.Load() == nil {
		in.decide()
	}
	return *in.kept.Load()
}

const (
	// defaultQueueBytes holds about 20 000 events: months of a busy tool whose server is
	// never reached.
	defaultQueueBytes = 8 << 20
	// defaultEventAge: what is older no longer tells how a tool is used.
	defaultEventAge = 30 * 24 * time.Hour
	// defaultInterval bounds a busy shell to six uploads an hour.
	defaultInterval = 10 * time.Minute
)

func (in *installation) queue() *spool.Queue {
	config := in.tool.Telemetry
	return &spool.Queue{
		Dir:      in.dir,
		MaxBytes: orDefault(config.MaxQueueBytes, defaultQueueBytes),
		MaxAge:   orDefault(config.MaxEventAge, defaultEventAge),
		Now:      in.now,
		LossLine: in.lossLine,
	}
}

// eraseWaiting removes every event that waits, what was set aside of the queue, and copies of it.
func (in *installation) eraseWaiting() (int, error) {
	erased, err := in.queue().Erase()
	return erased, errors.Join(err, in.dir.Remove(delivery.AsideName), in.dir.RemoveScratch(state.LocateCache(in.lookup)))
}

// forgetDamaged removes the files that were set aside. Those of the identity and of deletion requests
// say what could not be asked for, and stay.
func (in *installation) forgetDamaged() (failed error) {
	for _, name := range in.dir.Damaged() {
		if !strings.HasPrefix(name, "identity") && !strings.HasPrefix(name, "deletion-") {
			failed = errors.Join(failed, in.dir.RemoveAll(name))
		}
	}
	return failed
}

// waiting is how many events wait, as far as that can be seen.
func (in *installation) waiting() int {
	stats, _ := in.queue().Stats()
	return stats.Total()
}

// forget removes what was logged on this machine, adding to erased how many events that were, and the
// trouble with background processes.
func (in *installation) forget(erased *int) error {
	n := in.stayed()
	err := in.dir.RemoveAll(localDir)
	if err == nil {
		*erased += n
	}
	return errors.Join(err, background{in}.forget())
}

// stayed is how many events are in the log on this machine, as far as that can be read. Of a line
// that cannot, it is one.
func (in *installation) stayed() (n int) {
	dir := state.At(in.dir.Join(localDir))
	for _, name := range []string{file.LogName + ".1", file.LogName} {
		content, _ := dir.ReadUpTo(name, maxLocalLog)
		for line := range bytes.Lines(content) {
			if line = bytes.TrimSuffix(line, []byte{'\n'}); len(line) > 0 { // see the file backend
				n += spool.Events(line)
			}
		}
	}
	return n
}

func (in *installation) interval() time.Duration {
	return orDefault(in.tool.Telemetry.UploadInterval, defaultInterval)
}

func (in *installation) outbox() outbox.Box { return outbox.Box{Dir: in.dir, Now: in.now} }

func orDefault[T int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// forgottenFeature is the mistake of an author who declares where events go and does not
// turn the feature on. Turned off by name, it is none.
func (in *installation) forgottenFeature() error {
	config := in.tool.Telemetry
	if in.tool.Features.Says(props.TelemetryCmd) || config.Backend == "" && config.Endpoint == "" && config.OTelEndpoint == "" {
		return nil
	}
	return &driver.ConfigError{Field: "Features", Problem: "Telemetry names a receiver, but the feature is not on; " +
		"add props.Enable(props.TelemetryCmd), or props.Disable(props.TelemetryCmd) to leave it off"}
}

// check returns the first mistake in what the author declared, as a *driver.ConfigError.
func (in *installation) check() error {
	config := in.tool.Telemetry
	if err := checkName("Name", in.tool.Name); err != nil {
		return err
	}
	if config.Installation != "" {
		if err := checkName("Telemetry.Installation", config.Installation); err != nil {
			return err
		}
	}
	switch config.DeliveryMode {
	case "", props.DeliveryAtLeastOnce, props.DeliveryAtMostOnce:
	default:
		return &driver.ConfigError{Field: "Telemetry.DeliveryMode", Problem: fmt.Sprintf("%q is neither %q nor %q",
			config.DeliveryMode, props.DeliveryAtLeastOnce, props.DeliveryAtMostOnce)}
	}
	for field, negative := range map[string]bool{
		"MaxQueueBytes":  config.MaxQueueBytes < 0,
		"MaxEventAge":    config.MaxEventAge < 0,
		"UploadInterval": config.UploadInterval < 0,
		"NoticeVersion":  config.NoticeVersion < 0,
		"SampleRate":     config.SampleRate < 0,
	} {
		if negative {
			return &driver.ConfigError{Field: "Telemetry." + field, Problem: "is negative; leave it 0 for the default"}
		}
	}
	if len(config.Metadata) > maxMetadata {
		return &driver.ConfigError{Field: "Telemetry.Metadata", Problem: fmt.Sprintf("has %d pairs; %d fit in an event", len(config.Metadata), maxMetadata)}
	}
	if err := checkClasses(config.ErrorClasses); err != nil {
		return err
	}
	if err := checkDeclared(&config); err != nil {
		return err
	}
	if err := checkController(&config); err != nil {
		return err
	}
	if err := driverhttp.CheckHeaders(config.Headers); err != nil {
		return &driver.ConfigError{Field: "Telemetry.Headers", Problem: err.Error()}
	}
	if r, ok := config.DeletionRequestor.(interface{ Check() error }); ok {
		if err := r.Check(); err != nil {
			return &driver.ConfigError{Field: "Telemetry.DeletionRequestor", Problem: err.Error()}
		}
	}
	_, err := in.selectDeclared()
	return err
}

// checkName keeps a name usable as a folder and a variable on every system.
func checkName(field, name string) error {
	const longest = 64
	bad := name == "" || len(name) > longest || name[0] == '.' || name[0] == '-'
	for _, c := range name {
		bad = bad || !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.')
	}
	if bad {
		return &driver.ConfigError{Field: field, Problem: fmt.Sprintf("must be 1 to %d letters, digits, '-', '_' or '.', not beginning with '-' or '.'", longest)}
	}
	return nil
}
