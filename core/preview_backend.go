package core

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/backends/stdout"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/internal/wire"
)

// preview opens backends that lead nowhere, and keeps the first request of the one that
// events go to.
type preview struct {
	dir     state.Dir
	request *Request
	stays   bool // something was for the log on this machine alone
	began   time.Time
}

// ofSending reports whether an event has the time of this preview, and will have another one
// when it is sent: what an attempt was made of has the time of that one.
func (p *preview) ofSending(e driver.Event) bool { return e.TimeAdjusted && !e.Time.Before(p.began) }

// open opens a backend of a copy. A driver that stays on this machine and is not one of ours
// might do anything, so it is not run: its events are shown.
func (p *preview) open(s selection, config driver.Config) (driver.Backend, error) {
	if !s.driver.Local {
		tap := &wire.Tap{}
		config.Transport, config.Dial = tap.Transport(wire.Nowhere{}), tap.Dial(wire.DialNowhere)
		backend, err := s.driver.Open(config)
		if err != nil {
			return nil, err
		}
		return &previewBackend{Backend: backend, preview: p, selection: s, secrets: s.secrets(config.Headers), tap: tap}, nil
	}
	if s.settings == nil { // the log of what stays here, which no author sets
		return takesAll(func([]driver.Event) { p.stays = true }), nil
	}
	return takesAll(func(events []driver.Event) { p.show(s, config, events) }), nil
}

// show keeps what a local backend would write.
func (p *preview) show(s selection, config driver.Config, events []driver.Event) {
	if p.request != nil {
		return
	}
	r := Request{Local: true}
	p.hold(&r, events)
	var printed strings.Builder
	switch s.driver.Name {
	case file.Driver().Name:
		config.Settings = nil // the path: it is written into the copy
		config.Dir = p.dir.Join(localDir)
	case stdout.Driver().Name:
		config.Stdout = &printed
	default:
		r.Body, r.NotKept = driver.AppendJSONArray(nil, events), "only the backend knows what it makes of the events, and it was not run"
		p.request = &r
		return
	}
	backend, err := s.driver.Open(config)
	if err == nil {
		err = errors.Join(backend.Send(context.Background(), events), backend.Close())
	}
	if r.Body = []byte(printed.String()); s.driver.Name == file.Driver().Name && err == nil {
		r.Body, err = os.ReadFile(filepath.Join(config.Dir, file.LogName))
	}
	if err != nil {
		r.Body, r.NotKept = driver.AppendJSONArray(nil, events), "the copy could not be written"
	}
	r.Size, r.Digest = len(r.Body), digestOf(r.Body)
	p.request = &r
}

// hold notes the events of a request.
func (p *preview) hold(r *Request, events []driver.Event) {
	r.Events = len(events)
	for _, e := range events {
		r.IDs = append(r.IDs, e.ID)
		r.machineID = e.MachineID
		if p.ofSending(e) {
			r.OfSending++
		}
	}
	if r.OfSending > 0 && !slices.Contains(r.Momentary, "timestamp") {
		r.Momentary = slices.Concat(r.Momentary, []string{"timestamp"})
	}
}

// previewBackend is a backend of the network that reaches no host.
type previewBackend struct {
	driver.Backend
	preview   *preview
	selection selection
	secrets   secrets
	tap       *wire.Tap
}

// Send has the backend make its request, and keeps the first.
func (b *previewBackend) Send(ctx context.Context, events []driver.Event) error {
	var mu sync.Mutex
	var first *wire.Exchange
	b.tap.Out = func(x *wire.Exchange) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case first == nil:
			first = x
		case x.Method == "" && x.Network == first.Network && x.Address == first.Address:
			first.Body = append(first.Body, x.Body...) // more of the same connection
		}
		return nil
	}
	err := b.Backend.Send(ctx, events)
	mu.Lock()
	defer mu.Unlock()
	if b.preview.request != nil || first == nil && err != nil {
		return errors.Join(err, wire.ErrNowhere)
	}
	var r Request
	if first != nil {
		r = newRequest(first, b.secrets, b.selection.driver)
	}
	if first == nil || first.Hidden {
		r.Body = driver.AppendJSONArray(nil, events)
		r.NotKept = "the backend encrypts its connection itself, so these are the events that it is given"
		r.Size, r.Digest, r.readable = 0, "", nil
	}
	b.preview.hold(&r, events)
	b.preview.request = &r
	return wire.ErrNowhere
}
