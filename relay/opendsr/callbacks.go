//go:build !notelemetry

package opendsr

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	// pause is between two looks at whether statuses have changed. Deletions take days.
	pause = time.Minute
	// page is how many requests one look is about, and how many calls one round makes.
	page = 100
	// callTime bounds one call, and lease the time in which no other replica makes it.
	callTime = 15 * time.Second
	lease    = page * callTime
	// firstRetry doubles up to lastRetry, for giveUp: a month, after which the person has
	// been answered in another way.
	firstRetry = time.Minute
	lastRetry  = 6 * time.Hour
	giveUp     = 30 * 24 * time.Hour
)

func (e *Endpoint) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Run calls controllers back until ctx ends. Several replicas may run: a call is made by one
// of them, and again only if that one died or the call failed.
func (e *Endpoint) Run(ctx context.Context) error {
	timer := time.NewTicker(pause)
	defer timer.Stop()
	for ctx.Err() == nil {
		if err := e.round(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Log.Error("controllers could not be called back", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-timer.C:
		}
	}
	return nil
}

// round looks for changes, and makes the calls that are due.
func (e *Endpoint) round(ctx context.Context) error {
	if err := e.look(ctx); err != nil {
		return err
	}
	calls, err := e.claim(ctx)
	if err != nil {
		return err
	}
	for _, c := range calls {
		if ctx.Err() != nil {
			return nil // the lease gives them back
		}
		if err := e.call(ctx, c); err != nil {
			return err
		}
	}
	if len(calls) == page {
		e.poke()
	}
	return nil
}

// look notes which statuses have changed.
func (e *Endpoint) look(ctx context.Context) error {
	now := e.now()
	var due []*kept
	err := e.cfg.DB.Write(ctx, func(tx *store.Tx) error {
		due = nil
		err := tx.Query(ctx, func(scan func(...any) error) error {
			k := &kept{}
			due = append(due, k)
			return scan(&k.controller, &k.id)
		}, `SELECT controller, request FROM opendsr_requests WHERE look_at > 0 AND look_at <= ? ORDER BY look_at LIMIT ?`+tx.SkipLocked(),
			store.Millis(now), page)
		if err != nil {
			return err
		}
		for _, k := range due {
			if _, err := tx.Exec(ctx, `UPDATE opendsr_requests SET look_at = ? WHERE controller = ? AND request = ?`,
				store.Millis(now.Add(pause)), k.controller, k.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for requests to tell of: %w", err)
	}
	for _, one := range due {
		k, err := e.find(ctx, one.controller, one.id)
		if err != nil {
			return err
		}
		is := k.status()
		if is == k.told {
			continue
		}
		err = e.cfg.DB.Write(ctx, func(tx *store.Tx) error { return tell(ctx, tx, k, is, store.Millis(now)) })
		if err != nil {
			return fmt.Errorf("noting a new status: %w", err)
		}
	}
	return nil
}

// callback is one call that is due.
type callback struct {
	controller, request, url, status string
	attempts                         int
	since                            time.Time
}

// claim takes the calls that are due, for as long as the lease lasts.
func (e *Endpoint) claim(ctx context.Context) ([]callback, error) {
	now := e.now()
	var due []callback
	err := e.cfg.DB.Write(ctx, func(tx *store.Tx) error {
		due = nil
		err := tx.Query(ctx, func(scan func(...any) error) error {
			var c callback
			var since int64
			err := scan(&c.controller, &c.request, &c.url, &c.status, &c.attempts, &since)
			c.since = store.FromMillis(since)
			due = append(due, c)
			return err
		}, `SELECT controller, request, url, status, attempts, since FROM opendsr_callbacks
			WHERE call_at > 0 AND call_at <= ? ORDER BY call_at LIMIT ?`+tx.SkipLocked(), store.Millis(now), page)
		if err != nil {
			return err
		}
		for _, c := range due {
			if _, err := tx.Exec(ctx, `UPDATE opendsr_callbacks SET call_at = ? WHERE controller = ? AND request = ? AND url = ?`,
				store.Millis(now.Add(lease)), c.controller, c.request, c.url); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for calls to make: %w", err)
	}
	return due, nil
}

// call makes one call, and notes what came of it.
func (e *Endpoint) call(ctx context.Context, c callback) error {
	k, err := e.find(ctx, c.controller, c.request)
	if err != nil {
		return err
	}
	answer := e.status(k)
	answer.Callback, answer.Status = c.url, c.status
	next, allowed := int64(0), e.mayCall(c)
	ok := allowed && e.post(ctx, c.url, answer)
	now := e.now()
	switch {
	case !allowed:
		e.cfg.Log.Warn("a controller is not called any more: the configuration does not name its host", "controller", c.controller, "request", c.request)
	case !ok:
		next = store.Millis(now.Add(min(firstRetry<<min(c.attempts, 16), lastRetry)))
		if now.Sub(c.since) > giveUp {
			next = 0
			e.cfg.Log.Error("a controller was not reached for a month, and is not called any more", "controller", c.controller, "request", c.request)
		}
	}
	err = e.cfg.DB.Write(ctx, func(tx *store.Tx) error {
		// A status that came up meanwhile has a call of its own.
		_, err := tx.Exec(ctx, `UPDATE opendsr_callbacks SET attempts = attempts + 1, call_at = ?
			WHERE controller = ? AND request = ? AND url = ? AND status = ? AND since = ?`,
			next, c.controller, c.request, c.url, c.status, store.Millis(c.since))
		return err
	})
	if err != nil {
		return fmt.Errorf("noting a call: %w", err)
	}
	return nil
}

// mayCall reports whether a URL is still one of its controller's, which the configuration may
// have changed since it was given.
func (e *Endpoint) mayCall(c callback) bool {
	u, err := url.Parse(c.url)
	i := slices.IndexFunc(e.cfg.Controllers, func(o Controller) bool { return o.ID == c.controller })
	return err == nil && i >= 0 && slices.Contains(e.cfg.Controllers[i].CallbackHosts, u.Host)
}

// post reports whether a controller has taken a call.
func (e *Endpoint) post(ctx context.Context, url string, s status) bool {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	body, err := json.Marshal(s)
	if err != nil {
		return false
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if err := e.sign(header, body); err != nil {
		e.cfg.Log.Error("a call could not be signed", "error", err)
		return false
	}
	answer, err := e.client.Post(ctx, driverhttp.Request{URL: url, Header: header, Body: body})
	if err != nil || answer.Status/100 != 2 || driverhttp.LooksLikeHTML(answer) {
		e.cfg.Log.Warn("a controller was not reached, and is called again", "controller", s.Controller, "request", s.ID)
		return false
	}
	return true
}
