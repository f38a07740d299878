//go:build linux

package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
)

// The test binary is also every process of the torture: `actor ROLE ID DIR ENDPOINT SEED`.
const actorArgs = 6

// actor is one process, seen from inside.
type actor struct {
	id, dir, endpoint string
	random            *rand.Rand
}

// act plays the role that the arguments name and does not return.
func act(args []string) {
	seed, err := strconv.ParseUint(args[5], 10, 64)
	if err != nil {
		panic(err)
	}
	a := actor{id: args[2], dir: args[3], endpoint: args[4], random: rand.New(rand.NewPCG(seed, 0))}
	say("ready")
	switch args[1] {
	case "record":
		a.record()
	case "send":
		a.send()
	case "switch":
		a.change()
	case "background":
		a.background()
	case "status":
		s := a.manager().Status()
		say("recording", s.Recording, s.Faults)
	default:
		panic("no such role")
	}
	os.Exit(0)
}

// say prints one line at once: what was said before a kill is known.
func say(words ...any) { os.Stdout.WriteString(fmt.Sprintln(words...)) }

func wall() int64 { return time.Now().UnixNano() }

// declared is what the author of the tool declares. The header tells the intake which
// process sends: a background process has that of the command that started it.
func declared(endpoint, id string) props.Tool {
	mode := props.DeliveryAtLeastOnce
	if slices.Contains(os.Environ(), atMostOnce) {
		mode = props.DeliveryAtMostOnce
	}
	return props.Tool{
		Name:     "sometool",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Endpoint:       endpoint,
			Headers:        map[string]string{actorHeader: id},
			UploadInterval: time.Millisecond,
			DeliveryMode:   mode,
			MaxQueueBytes:  int64(orSet("CAP", 0)),
		},
	}
}

// atMostOnce makes a process deliver so.
const atMostOnce = "MODE=at_most_once"

const actorHeader = "X-Actor"

func (a actor) tool() props.Tool { return declared(a.endpoint, a.id) }

func (a actor) options() []core.Option {
	return []core.Option{core.WithStateDir(a.dir), core.WithUploadCommand("actor", "background", a.id, a.dir, a.endpoint, "0")}
}

func (a actor) manager() *core.Manager { return core.NewManager(a.tool(), a.options()...) }

// pause gives other processes a chance, mostly a short one.
func (a actor) pause() {
	switch a.random.IntN(8) {
	case 0:
		time.Sleep(upTo(a.random, 4*time.Millisecond))
	case 1, 2:
		time.Sleep(upTo(a.random, 400*time.Microsecond))
	}
}

// How a recorder ends besides being killed.
const exitCode, panicCode, failCode = 9, 2, 3

// exitCodes are those of processes that may end so: also with 1, which says that a command of
// telemetry was hindered, and with 128 and the signal that a command has caught.
var exitCodes = []int{0, exitCode, panicCode, failCode, 1, 128 + int(syscall.SIGTERM), 128 + int(syscall.SIGHUP)}

// almostASecond is when the second of a command that sends by itself may be over.
const almostASecond = 900 * time.Millisecond

func (a actor) record() {
	say("open", wall())
	c, err := core.Open(a.tool(), a.options()...)
	if err != nil {
		say("broken", strconv.Quote(err.Error()))
		os.Exit(1)
	}
	for i := range orSet("EVENTS", 1+a.random.IntN(40)) {
		before := wall()
		c.Track("feature.used", "x", map[string]string{callKey: eventKey(a.id, i)})
		say("track", i, before, wall())
		if d, err := time.ParseDuration(os.Getenv("PAUSE")); err == nil {
			time.Sleep(d)
		} else if os.Getenv("HURRY") == "" {
			a.pause()
		}
	}
	switch orSet("END", a.random.IntN(8)) {
	case 0:
		os.Exit(exitCode)
	case 1:
		panic("a command that fails")
	case 2:
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	if err := c.Close(context.Background()); err != nil {
		say("unsure", strconv.Quote(err.Error())) // its second is over, perhaps in the middle of an attempt
	}
	say("closed", wall())
}

// callKey is the metadata by which an event is known again: Track does not tell its ID.
const callKey = "call"

// orSet returns what a test wants instead of chance.
func orSet(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

func eventKey(id string, i int) string { return id + "e" + strconv.Itoa(i) }

func (a actor) send() {
	m := a.manager()
	for range orSet("SENDS", 1+a.random.IntN(6)) {
		var err error
		if a.random.IntN(2) == 0 {
			_, err = m.Flush(context.Background(), nil)
		} else {
			err = m.Upload(context.Background())
		}
		if errors.Is(err, context.DeadlineExceeded) {
			say("unsure", strconv.Quote(err.Error()))
		}
		time.Sleep(upTo(a.random, 3*time.Millisecond))
	}
}

// What a switch of consent can be.
const (
	toYes   = "yes"
	toLocal = "local"
	toNo    = "no"
	toReset = "reset"
)

func (a actor) change() {
	kinds := strings.Split(os.Getenv("SWITCHES"), ",")
	for range orSet("TIMES", 1+a.random.IntN(16)) {
		a.once(kinds[a.random.IntN(len(kinds))])
		a.pause()
	}
}

// once changes the answer once and says when that began, when it was done, how it went, and
// which receipt was the stored answer's afterwards.
func (a actor) once(kind string) {
	m := a.manager()
	say("begin", kind, wall())
	var err error
	sending := false
	switch kind {
	case toYes:
		err = m.Enable(false, "")
	case toLocal:
		err = m.Enable(true, "")
	case toNo:
		var r core.DisableReport
		r, err = m.Disable(context.Background())
		sending = r.Sending
	case toReset:
		_, err = m.Reset(context.Background(), nil)
	}
	done := wall()
	outcome := "done"
	if errors.Is(err, core.ErrChanged) {
		outcome = "changed"
	} else if err != nil {
		outcome = "failed:" + strings.Join(strings.Fields(err.Error()), "_")
	}
	receipt, local := "-", false
	if stored := m.Stored(); stored.Receipt != "" {
		receipt, local = stored.Receipt, stored.Answer == consent.AnswerLocal
	}
	say("end", done, outcome, sending, receipt, local, wall())
}

// background is what a command starts when an upload is due. It has no output: it tells
// that it runs in a file.
func (a actor) background() {
	f, err := os.OpenFile(a.dir+backgroundLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintln(f, a.id, os.Getpid())
		f.Close()
	}
	_, _ = core.Open(a.tool(), a.options()...) // delivers and ends the process
}

// backgroundLog is appended to the name of the state directory.
const backgroundLog = ".background"

// upTo returns a random time below most.
func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}
