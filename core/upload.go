package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/detach"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

const (
	// inlineBudget is what an upload may cost a command that cannot leave it to a
	// background process.
	inlineBudget = time.Second
	// backgroundLimit ends the background process whatever happens: a backend that hangs
	// must not gather processes.
	backgroundLimit = time.Minute
	// backgroundWait is how long the background process waits for another one to end.
	backgroundWait = 2 * time.Second
	// longRun is when a command counts as one that runs for long and uploads from inside.
	longRun = 30 * time.Second
)

// ErrWait is returned, wrapped with the time, by Flush where the server asked for a
// pause that is not over.
var ErrWait = errors.New("the server asked not to be called yet")

// Close ends this run's recording and, where one is due, starts an upload that nobody
// waits for. A deletion request that is due is made in the same way, also where telemetry
// is off. It does no network and takes no time, with two exceptions: in continuous
// integration and in a container, where a background process would die with the
// command, it sends for at most one second; and a backend that reaches no network is
// called right here. A Track after Close works.
func (c *Collector) Close(ctx context.Context) error {
	in := c.in
	owed := c.owes && in.outbox().Due()
	recorded, localOnly := false, false
	if c.on.Load() {
		c.mu.Lock()
		c.stopInside()
		c.seal()
		recorded, localOnly = c.recorded, c.localOnly
		c.recorded = false
		c.mu.Unlock()
	}
	if !recorded {
		if owed {
			return in.eraseSoon(ctx)
		}
		return nil
	}
	// Consent need not be read once more here: whatever sends reads it again.
	s, err := in.selectBackend(localOnly)
	if err != nil {
		return err
	}
	due := delivery.Due(in.dir, in.now())
	if s.driver.Local || in.vanishes() && (due || delivery.ReadNotes(in.dir).Failures == 0) {
		ctx, cancel := context.WithTimeout(ctx, inlineBudget)
		defer cancel()
		if owed {
			_ = in.eraseSoon(ctx) // what goes wrong with it is for status to tell
		}
		return within(ctx, inlineBudget, func(ctx context.Context) error {
			_, err := in.send(ctx, nil, 0)
			switch {
			case errors.Is(err, state.ErrBusy): // what we recorded waits for the next delivery
				return nil
			case errors.Is(err, delivery.ErrNotAllowed), errors.Is(err, delivery.ErrWithdrawn):
				return nil
			}
			return err
		})
	}
	if !due {
		if owed {
			return in.eraseSoon(ctx)
		}
		return nil
	}
	// Until the background process sets the time itself, no other command starts one.
	delivery.Postpone(in.dir, in.now().Add(backgroundLimit))
	return in.startBackground()
}

func (in *installation) startBackground() error {
	exe, err := os.Executable()
	if err == nil {
		err = detach.Start(exe, in.upload, in.tool.Name, in.lookup, consent.EnvName(in.tool.Name))
	}
	if err != nil {
		return fmt.Errorf("starting the upload: %w", state.Bare(err))
	}
	return nil
}

// eraseSoon sees to the deletion requests that are due, where there are no events to go
// with them: telemetry may be off, the person's request is made all the same.
func (in *installation) eraseSoon(ctx context.Context) error {
	if in.vanishes() {
		return within(ctx, inlineBudget, func(ctx context.Context) error { return in.workOutbox(ctx, false, nil) })
	}
	if err := in.outbox().Postpone(in.now().Add(backgroundLimit)); err != nil {
		return err
	}
	return in.startBackground()
}

// within runs work and returns when it is done or the budget is spent, whichever comes
// first: also if a backend does not heed its context.
func within(ctx context.Context, budget time.Duration, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// vanishes reports whether what we start would end with this command: in a CI job, and
// in a container whose first process is our parent or ourselves.
func (in *installation) vanishes() bool {
	if consent.InCI(in.lookup) || in.upload == nil {
		return true
	}
	if os.Getpid() != 1 && os.Getppid() != 1 {
		return false
	}
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	_, kubernetes := in.lookup("KUBERNETES_SERVICE_HOST")
	return kubernetes || os.Getpid() == 1
}

// send delivers what waits, once. It returns state.ErrBusy where another process is
// doing so and did not end within wait.
func (in *installation) send(ctx context.Context, progress func(done, total int), wait time.Duration) (delivery.Report, error) {
	decision := in.decide()
	if !decision.Enabled {
		return delivery.Report{}, delivery.ErrNotAllowed
	}
	s, err := in.selectBackend(decision.LocalOnly)
	if err != nil {
		return delivery.Report{}, err
	}
	id, err := in.identify()
	if err != nil {
		return delivery.Report{}, err
	}
	backend, err := in.open(s)
	if err != nil {
		return delivery.Report{}, err
	}
	defer backend.Close()
	sender := delivery.Sender{
		Dir:        in.dir,
		Queue:      in.queue(),
		Backend:    backend,
		Limits:     s.driver.Limits,
		AtMostOnce: in.tool.Telemetry.DeliveryMode == props.DeliveryAtMostOnce,
		Allowed: func() error {
			switch now := in.decide(); {
			case now.Withdrawn:
				return delivery.ErrWithdrawn
			case !now.Enabled || now.LocalOnly != decision.LocalOnly:
				return delivery.ErrNotAllowed
			}
			if s.driver.Local {
				return nil // what stays here needs nobody to erase it
			}
			return in.noteSending(id)
		},
		MachineID: id,
		OSVersion: identity.OSVersion(),
		Interval:  in.interval(),
		Now:       in.now,
		Progress:  progress,
	}
	return sender.Run(ctx, wait)
}

// flush is send for somebody who waits: not before the time that the server asked for.
func (in *installation) flush(ctx context.Context, progress func(done, total int)) (delivery.Report, error) {
	if until := delivery.ReadNotes(in.dir).WaitUntil; in.now().Before(until) {
		return delivery.Report{WaitUntil: until}, fmt.Errorf("%w, until %s", ErrWait, until.Local().Format(time.DateTime))
	}
	const patience = 10 * time.Second // a background process is at it and will be done
	return in.send(ctx, progress, patience)
}

// isBackground reports whether this is the process that Close starts.
func (in *installation) isBackground() bool {
	tool, marked := in.lookup(detach.Marker)
	return marked && tool == in.tool.Name
}

// runBackground delivers what waits and ends the process.
func (in *installation) runBackground() {
	detach.CloseInherited()
	time.AfterFunc(backgroundLimit, func() { os.Exit(1) })
	ctx, cancel := context.WithTimeout(context.Background(), backgroundLimit*9/10)
	defer cancel()
	// Erasing first: it was asked for, and events can wait.
	failed := in.outbox().Pending() && in.workOutbox(ctx, false, nil) != nil
	if _, err := in.send(ctx, nil, backgroundWait); err != nil && !errors.Is(err, delivery.ErrNotAllowed) {
		failed = true
	}
	if failed {
		os.Exit(1) // nobody looks; status tells what went wrong
	}
	os.Exit(0)
}

// insideUpload uploads from a command that runs for long.
type insideUpload struct {
	timer  *time.Timer
	cancel context.CancelFunc
}

// startInside is called with c.mu held, at the first event since Open or Close.
func (c *Collector) startInside() {
	ctx, cancel := context.WithCancel(context.Background())
	up := &insideUpload{cancel: cancel}
	up.timer = time.AfterFunc(longRun, func() { c.uploadInside(ctx, up) })
	c.inside = up
}

func (c *Collector) stopInside() {
	if c.inside != nil {
		c.inside.timer.Stop()
		c.inside.cancel()
		c.inside = nil
	}
}

func (c *Collector) uploadInside(ctx context.Context, up *insideUpload) {
	if delivery.Due(c.in.dir, c.in.now()) && c.on.Load() && ctx.Err() == nil {
		c.mu.Lock()
		c.seal()
		c.mu.Unlock()
		if _, err := c.in.send(ctx, nil, 0); errors.Is(err, delivery.ErrWithdrawn) {
			c.on.Store(false)
			return
		}
	}
	if ctx.Err() == nil {
		up.timer.Reset(max(delivery.NextAt(c.in.dir).Sub(c.in.now()), longRun))
	}
}
