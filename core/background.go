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

// background starts the process that delivers while nobody waits, is that process, and
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
	n.began, n.ended, n.counted = when("began"), when("ended"), when("counted")
	n.failures, _ = strconv.Atoi(r["failures"])
	n.problem = r["problem"]
	return n
}

func (b background) writeNotes(n backgroundNotes) error {
	r := state.Record{"failures": strconv.Itoa(n.failures), "problem": n.problem}
	for key, t := range map[string]time.Time{"began": n.began, "ended": n.ended, "counted": n.counted} {
		if !t.IsZero() {
			r[key] = strconv.FormatInt(t.UnixNano(), 10)
		}
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
		n.problem = "the background process that was to send events on " + started.Local().Format(time.DateTime) +
			" never began: can the program be started on its own, with another working directory and without the variables of your shell?"
	case n.ended.Before(n.began):
		n.problem = "the background process that began to send events on " + n.began.Local().Format(time.DateTime) + " was ended before it was done"
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
	if n.problem != "" && n.failures >= maxFailedStarts {
		return n.problem + "; after " + strconv.Itoa(n.failures) + " such failures" + instead
	}
	return n.problem
}

// start starts the process and returns at once.
func (b background) start() error {
	if n, fresh := b.judged(); fresh {
		_ = b.writeNotes(n)
	}
	started := b.now()
	_ = b.dir.SetTime(startedName, started)
	exe, err := os.Executable()
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

// vanishes reports whether what we start would end with this command, or does not work: in
// a CI job, in a container or a sandbox whose first process ends with the command, and
// where the last starts have failed.
func (b background) vanishes() bool {
	if consent.InCI(b.lookup) || b.upload == nil || !detach.Outlives(b.lookup) {
		return true
	}
	if _, err := os.Executable(); err != nil {
		return true
	}
	n, _ := b.judged()
	return n.failures >= maxFailedStarts && b.now().Sub(b.dir.Time(startedName)) < retryStarts
}

// declaration is where this process sends to, for the background process: its own may be
// made from variables that it does not get. It goes through a pipe, because it holds keys.
func (b background) declaration() []byte {
	own, err := b.selectBackend()
	if err != nil {
		return nil
	}
	r := state.Record{"backend": own.driver.Name, "insecure": strconv.FormatBool(b.tool.Telemetry.Insecure)}
	for name, value := range own.settings {
		r["setting."+name] = value
	}
	for name, value := range b.tool.Telemetry.Headers {
		r["header."+name] = value
	}
	for key, value := range r {
		if plaintext.Clean(key+value) != key+value || strings.Contains(key, "=") {
			return nil // a record would not give it back as it is
		}
	}
	return r.Encode()
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
			config.Settings[name] = value
		}
		if name, ok := strings.CutPrefix(key, "header."); ok {
			config.Headers[name] = value
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
	_ = b.writeNotes(n)
	detach.CloseInherited()
	b.adoptDeclaration(detach.ReadInput())
	ctx, cancel := context.WithTimeout(context.Background(), backgroundLimit*9/10)
	defer cancel()
	// Erasing first: it was asked for, and events can wait.
	failed := in.outbox().Pending() && (&eraser{installation: in}).work(ctx, false, nil) != nil
	if _, err := (&uploader{installation: in, daily: true}).send(ctx, nil, backgroundWait); err != nil && !errors.Is(err, delivery.ErrNotAllowed) {
		failed = true
	}
	n.ended, n.failures, n.problem = b.now(), 0, ""
	_ = b.writeNotes(n)
	if failed {
		os.Exit(1) // nobody looks; status tells what went wrong
	}
	os.Exit(0)
}
