//go:build !notelemetry

package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/internal/rootcmd"
)

// keyPause is between two looks at whether key files have changed. Kubernetes takes about a
// minute to put a new secret in place.
const keyPause = 30 * time.Second

// service is what stands behind the doors. A house is opened with the file and the keys as they
// were then; for others a new house is opened beside it and takes over, and the old one is closed
// when it has answered what it was asked. That both are at work for a while is what the database
// allows to any two processes.
type service struct {
	s    surroundings
	path string // of the file
	cert *certificate
	log  *slog.Logger

	mu   sync.RWMutex // for now: whoever comes in is counted before it can change
	now  *tenant
	file *config
	keys string
	// ended is what each house came to that is not in use any more.
	ended sync.WaitGroup
}

// tenant is a house that is in use.
type tenant struct {
	*house
	public, admin http.Handler
	guests        sync.WaitGroup // requests
	end           context.CancelFunc
	done          chan error
}

// start opens the first house. ctx ends nothing of it but a start that takes too long; see stop.
func (v *service) start(ctx context.Context, c *config) error {
	v.file, v.keys = c, c.keyState()
	t, err := v.move(ctx, c)
	v.now = t
	return err
}

// move opens a house and begins its work.
func (v *service) move(ctx context.Context, c *config) (*tenant, error) {
	h, err := v.s.openHouse(ctx, c, v.log)
	if err != nil {
		return nil, err
	}
	t := &tenant{house: h, public: h.public(), admin: h.admin(), done: make(chan error, 1)}
	var work context.Context
	work, t.end = context.WithCancel(context.WithoutCancel(ctx))
	go func() { t.done <- h.run(work) }()
	return t, nil
}

// leave ends a house, once nobody is in it any more. The error is of its work.
func (t *tenant) leave() error {
	t.guests.Wait()
	t.end()
	return errors.Join(<-t.done, t.close())
}

// handler serves by the house that is in use when a request comes.
func (v *service) handler(of func(*tenant) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.RLock()
		t := v.now
		t.guests.Add(1)
		v.mu.RUnlock()
		defer t.guests.Done()
		of(t).ServeHTTP(w, r)
	})
}

func (v *service) public() http.Handler {
	return v.handler(func(t *tenant) http.Handler { return t.public })
}

func (v *service) admin() http.Handler {
	return v.handler(func(t *tenant) http.Handler { return t.admin })
}

// replace has a house with today's keys take over. If it cannot be opened, all stays as it is.
func (v *service) replace(ctx context.Context, c *config) error {
	if v.cert != nil {
		if err := v.cert.reload(); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	}
	t, err := v.move(ctx, c)
	if err != nil {
		return err
	}
	v.mu.Lock()
	old := v.now
	v.now, v.file = t, c
	v.mu.Unlock()
	v.ended.Go(func() {
		if err := old.leave(); err != nil {
			v.log.Warn("work under the keys before ended late, and is done again", "error", err)
		}
	})
	return nil
}

// reload reads the file anew, and the keys.
func (v *service) reload(ctx context.Context) {
	c, err := v.s.loadConfig(v.path)
	if err == nil {
		err = v.file.fixed(c)
	}
	if err == nil {
		v.keys = c.keyState()
		err = v.replace(ctx, c)
	}
	if err != nil {
		v.log.Error("the file could not be read anew, and what was read before stays in use", "error", err)
		return
	}
	v.log.Info("the file, its keys and the certificate are read anew")
}

// lookAtKeys has changed keys taken up.
func (v *service) lookAtKeys(ctx context.Context) {
	keys := v.file.keyState()
	if keys == v.keys {
		return
	}
	v.keys = keys // also of those that do not work: they are looked at again when they change again
	c := *v.file
	err := v.s.findDatabase(&c)
	if err == nil {
		err = v.replace(ctx, &c)
	}
	if err != nil {
		v.log.Error("changed keys cannot be used, and those before stay in use", "error", err)
		return
	}
	v.log.Info("changed keys are in use")
}

// watch takes up new keys, and on a signal the file, until the function that it returns is
// called. The signal is listened for when watch returns: before that it would end the process.
func (v *service) watch(ctx context.Context) (end func()) {
	signals := make(chan os.Signal, 1)
	for _, s := range reloads {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { v.takeUp(ctx, signals) })
	return func() {
		cancel()
		watching.Wait()
		signal.Stop(signals)
	}
}

func (v *service) takeUp(ctx context.Context, signals <-chan os.Signal) {
	ticks := time.NewTicker(keyPause)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			v.bounded(ctx, v.reload)
		case <-ticks.C:
			v.bounded(ctx, v.lookAtKeys)
		}
	}
}

// bounded brings a change to its end also where the service is to end meanwhile, but not for
// longer than a database takes that is there.
func (v *service) bounded(ctx context.Context, change func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTime)
	defer cancel()
	change(ctx)
}

// stop ends the work, while requests may still be answered, and returns what it came to.
func (v *service) stop() error {
	v.now.end()
	err := <-v.now.done
	v.now.done <- nil
	return err
}

// close gives up what is left when nobody is answered any more.
func (v *service) close() error {
	v.ended.Wait()
	return v.now.leave()
}

// fixed is what is wrong with a file that is read anew: what it may not change.
func (c *config) fixed(next *config) error {
	for _, part := range []struct {
		name    string
		changed bool
	}{
		{"listen", c.listen != next.listen}, {"admin", c.admin != next.admin}, {"database", c.databases["database"] != next.databases["database"]},
		{"tls", c.certificate != next.certificate || c.key != next.key},
	} {
		if part.changed {
			return rootcmd.InFile(fmt.Errorf("%s has changed, which takes a restart", part.name))
		}
	}
	return nil
}

// keyState changes when one of the files changes that hold keys.
func (c *config) keyState() string {
	files := map[string]bool{}
	add := func(values map[string]string) {
		for name, file := range values {
			if strings.HasSuffix(name, inFile) && file != "" {
				files[c.path(file)] = true
			}
		}
	}
	add(c.databases)
	for _, t := range c.tools {
		for _, v := range t.vendors {
			add(v.values)
		}
		for _, d := range t.destinations {
			add(d.values)
			add(d.headers)
		}
	}
	add(c.opendsr.files())
	add(map[string]string{"certificate" + inFile: c.certificate, "key" + inFile: c.key})
	var state strings.Builder
	for _, file := range slices.Sorted(maps.Keys(files)) {
		info, err := os.Stat(file) // of what a link leads to: that is how Kubernetes puts new ones in place
		if err != nil {
			fmt.Fprintln(&state, file, "is not there")
			continue
		}
		fmt.Fprintln(&state, file, info.Size(), info.ModTime().UnixNano())
	}
	return state.String()
}
