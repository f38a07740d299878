package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/detach"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	// backgroundLimit ends the background process whatever happens: a backend that hangs
	// must not gather processes.
	backgroundLimit = time.Minute
	// backgroundWait is how long the background process waits for another one to end.
	backgroundWait = 2 * time.Second
	// maxFailedStarts in a row, the tool sends from inside instead. A day later it tries the
	// background again.
	maxFailedStarts = 3
	retryStarts     = 24 * time.Hour

	// startedName is a file whose time is that of the last start, backgroundName what the
	// process noted of itself.
	startedName    = "background-started"
	backgroundName = "background"
)

// background starts the process that delivers while no person waits, is that process, and
// notices where it does not work.
//
//	command   startedName is set to now, then the process is started
//	process   notes that it began, delivers, notes that it ended
//	command   the next one that is about to start one sees a start without a beginning, or
//	          a beginning without an end, and counts it
type background struct{ *installation }

// notes is what is known of the background processes so far.
type backgroundNotes struct {
	began, ended time.Time
	// counted is the start that failed last, as far as it was counted, failures how many did
	// in a row, and problem why.
	counted  time.Time
	failures int
	problem  string
	// off is when the last process found telemetry off, although a command had started it, and
	// offBy the layer that said so to it.
	off   time.Time
	offBy string
}

func (b background) readNotes() (n backgroundNotes) {
	r, err := b.dir.ReadRecord(backgroundName)
	if err != nil {
		return n
	}
	when := func(key string) time.Time {
		ns, _ := strconv.ParseInt(r[key], 10, 64)
		if ns == 0 {
			return time.Time{}
		}
		return time.Unix(0, ns)
	}
	n.began, n.ended, n.counted, n.off = when("began"), when("ended"), when("counted"), when("off")
	n.offBy = r["off_by"]
	n.failures, _ = strconv.Atoi(r["failures"])
	n.problem = r["problem"]
	return n
}

func (b background) writeNotes(n backgroundNotes) error {
	r := state.Record{"failures": strconv.Itoa(n.failures), "problem": n.problem}
	for key, t := range map[string]time.Time{"began": n.began, "ended": n.ended, "counted": n.counted, "off": n.off} {
		if !t.IsZero() {
			r[key] = strconv.FormatInt(t.UnixNano(), 10)
		}
	}
	if n.offBy != "" {
		r["off_by"] = n.offBy
	}
	return b.dir.WriteRecord(backgroundName, r)
}

// judged returns the notes with the last start judged: it worked, it failed, or it is too
// early to tell. fresh says that this start was not counted before.
func (b background) judged() (n backgroundNotes, fresh bool) {
	n = b.readNotes()
	started := b.dir.Time(startedName)
	// A file system may keep times more coarsely than we note them.
	const coarse = 2 * time.Second
	if started.IsZero() || b.now().Sub(started) < backgroundLimit || !started.After(n.counted) {
		return n, false
	}
	switch {
	case n.began.Before(started.Add(-coarse)):
		n.problem = "the background process that was to send events on " + started.Local().Format(time.DateTime+" MST") +
			" never began, or could not note it: can the program be started on its own, with another working directory and without the variables of your shell?"
	case n.ended.Before(n.began):
		n.problem = "the background process that began to send events on " + n.began.Local().Format(time.DateTime+" MST") + " was ended before it was done, or could not note that it was"
	default:
		return n, false
	}
	n.failures++
	n.counted = started
	return n, true
}

// forget removes what is known of the background processes.
func (b background) forget() error {
	return errors.Join(b.dir.Remove(startedName), b.dir.Remove(backgroundName))
}

// problem says what is wrong with the background processes, "" if nothing is known to be.
func (b background) problem() string {
	const instead = " events are sent from the commands themselves, for at most a second"
	if _, err := os.Executable(); err != nil {
		return "no background process can be started, because the program cannot find out where it lies: is /proc hidden? Until that is mended" + instead
	}
	n, _ := b.judged()
	if n.problem == "" || n.failures < maxFailedStarts {
		return n.problem
	}
	problem := n.problem + "; after " + strconv.Itoa(n.failures) + " such failures"
	again := b.dir.Time(startedName).Add(retryStarts)
	if !again.After(b.now()) {
		return problem + " events were sent from the commands themselves, and the next command tries a background process again"
	}
	return problem + instead + "; a background process is tried again after " + again.Local().Format(time.DateTime+" MST")
}

// foundOff says that the last process found telemetry off after an answer of that time, "" if
// it did not.
func (b background) foundOff(since time.Time) string {
	n := b.readNotes()
	if n.off.IsZero() || n.off.Before(since) {
		return ""
	}
	return "the background process found telemetry off on " + n.off.Local().Format(time.DateTime+" MST") + ", because of " + n.offBy +
		", and sent nothing: it does not get all variables of your shell"
}

// errMarked: what we started must not start another one. A test binary, or a tool that does not
// know the arguments, runs from its beginning there.
var errMarked = errors.New("this is a background process itself")

// start starts the process and returns at once.
func (b background) start() error {
	if n, fresh := b.judged(); fresh {
		_ = b.writeNotes(n)
	}
	started := b.now()
	_ = b.dir.SetTime(startedName, started)
	exe, err := os.Executable()
	if detach.Marked() {
		err = errMarked
	}
	if err == nil {
		err = detach.Process{
			Exe: exe, Args: b.upload, Tool: b.tool.Name, Input: b.declaration(),
			Lookup: b.lookup, Also: []string{consent.EnvName(b.name()), identifier(b).variable()},
		}.Start()
	}
	if err != nil {
		err = plaintext.Bare(err)
		n := b.readNotes()
		n.failures++
		n.counted, n.problem = started, "the background process could not be started: "+err.Error()
		_ = b.writeNotes(n) // where that fails too, status finds out by itself
		return fmt.Errorf("starting the upload: %w", err)
	}
	return nil
}

// vanishes reports whether what we start would end with this command, or does not work.
func (b background) vanishes() bool { return b.inside() != "" }

// inside returns why a command sends by itself, "" where it starts a background process: in a
// CI job, in a container or a sandbox whose first process ends with the command, where the last
// starts have failed, and where the process could not be told where to send.
func (b background) inside() Inside {
	switch {
	case consent.InCI(b.lookup):
		return InsideCI
	case b.upload == nil:
		return InsideTest
	case detach.Marked(): // or a program that takes no notice of its arguments would start itself for ever
		return InsideTest
	case !detach.Outlives(b.lookup):
		return InsideShortLived
	}
	if _, err := os.Executable(); err != nil {
		return InsideNoProgram
	}
	n, _ := b.judged()
	if n.failures >= maxFailedStarts && b.now().Sub(b.dir.Time(startedName)) < retryStarts {
		return InsideFailures
	}
	if len(b.declaration()) > detach.MaxInput {
		return InsideDeclaration
	}
	return ""
}

// declaration is what the author of this process declared, for the background process: its own
// may be made from variables that it does not get. It goes through a pipe, because it holds
// keys. The administrator's policy is read by that process itself, and comes first there too.
func (b background) declaration() []byte {
	own, err := b.selectDeclared()
	if err != nil {
		return nil // nothing can be sent, by whichever process
	}
	r := state.Record{"backend": own.driver.Name, "insecure": strconv.FormatBool(b.tool.Telemetry.Insecure)}
	for name, value := range own.settings {
		r["setting."+name] = inOneLine(value)
	}
	for name, value := range b.tool.Telemetry.Headers {
		r["header."+name] = inOneLine(value)
	}
	return r.Encode()
}

// inOneLine returns a value as a line of a record can hold it, such as a certificate, and
// fromOneLine undoes that. What fits as it is stays as it is.
func inOneLine(value string) string {
	if plaintext.Clean(value) != value || strings.HasPrefix(value, `"`) { // a record cleans what it holds
		return strconv.QuoteToASCII(value)
	}
	return value
}

func fromOneLine(line string) string {
	if value, err := strconv.Unquote(line); err == nil && strings.HasPrefix(line, `"`) {
		return value
	}
	return line
}

// adoptDeclaration takes over what the command that started us sends to. What may go there
// is still for the receipts to say.
func (b background) adoptDeclaration(data []byte) {
	r, err := state.ParseRecord(data)
	if err != nil {
		return
	}
	config := &b.tool.Telemetry
	config.Backend, config.Endpoint, config.OTelEndpoint = r["backend"], "", ""
	config.Insecure = r["insecure"] == "true"
	config.Settings, config.Headers = map[string]string{}, map[string]string{}
	for key, value := range r {
		if name, ok := strings.CutPrefix(key, "setting."); ok {
			config.Settings[name] = fromOneLine(value)
		}
		if name, ok := strings.CutPrefix(key, "header."); ok {
			config.Headers[name] = fromOneLine(value)
		}
	}
}

// isBackground reports whether this is the process that a command started.
func isBackground(in *installation) bool {
	tool, marked := in.lookup(detach.Marker)
	return marked && tool == in.tool.Name
}

// runBackground delivers what waits and ends the process.
func runBackground(in *installation) {
	time.AfterFunc(backgroundLimit, func() { os.Exit(1) })
	b := background{in}
	n := b.readNotes()
	n.began = b.now()
	noted := b.writeNotes(n) == nil
	detach.CloseInherited()
	b.adoptDeclaration(detach.ReadInput())
	ctx, cancel := context.WithTimeout(context.Background(), backgroundLimit*9/10)
	defer cancel()
	// Deleting first: it was asked for, and events can wait.
	failed := in.outbox().Pending() && (&deleter{installation: in}).work(ctx, false, nil) != nil
	_, err := (&uploader{installation: in, daily: true}).send(ctx, nil, backgroundWait)
	n.off, n.offBy = time.Time{}, ""
	switch {
	case errors.Is(err, delivery.ErrNotAllowed):
		n.off, n.offBy = b.now(), in.decide().Decider
	case err != nil:
		failed = true
	}
	n.ended, n.failures, n.problem = b.now(), 0, ""
	if !noted || b.readNotes().began.Equal(n.began) { // else a reset has forgotten this process
		_ = b.writeNotes(n)
	}
	if failed {
		os.Exit(1) // no caller looks; status tells what went wrong
	}
	os.Exit(0)
}
