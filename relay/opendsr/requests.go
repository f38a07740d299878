//go:build !notelemetry

package opendsr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

var (
	errOther   = errors.New("the ID is another request's")
	errTooLate = errors.New("somebody was asked already")
	errOthers  = errors.New("others asked for it too")
	// errCancelled: what was taken back does not begin again.
	errCancelled = errors.New("it was cancelled")
)

// The statuses of section 8.
const (
	pending    = "pending"
	inProgress = "in_progress"
	completed  = "completed"
	cancelled  = "cancelled"
)

// kept is a request as it is in the database, with what became of its deletions.
type kept struct {
	controller, id     string
	received, expected time.Time
	told               string
	deletions          []part
}

// part is one of its deletions.
type part struct {
	tool, receipt string
	now           deletions.Receipt
}

// status is what the deletions come to.
func (k *kept) status() string {
	done, begun, gone := true, false, true
	for _, p := range k.deletions {
		// What a person did by hand is done; that it is gone is only known where it is verified.
		done = done && (p.now.Own == deletion.Verified || p.now.Own == deletions.Done)
		begun = begun || p.now.Asked
		gone = gone && p.now.Own == deletions.Cancelled
	}
	switch {
	case gone:
		return cancelled
	case done:
		return completed
	case begun:
		return inProgress
	}
	return pending
}

func (e *Endpoint) status(k *kept) status {
	list := []map[string]any{}
	for _, p := range k.deletions {
		list = append(list, map[string]any{"tool": p.tool, "receipt": p.receipt, "state": p.now.State, "detail": p.now.Detail})
	}
	return status{
		Controller: k.controller, Expected: k.expected, ID: k.id, Status: k.status(), APIVersion: apiVersion,
		Extensions: map[string]any{e.cfg.Domain: map[string]any{"deletions": list}},
	}
}

// by and why are what the ledger says of such a deletion.
func by(controller, request string) string {
	return "OpenDSR controller " + controller + ", request " + request
}

const why = "a privacy system vouches for the person"

// enter has every deletion of a request in the ledger, and then the request kept. What is
// asked for again, as after an answer that got lost, changes nothing.
func (e *Endpoint) enter(ctx context.Context, from *Controller, r *request) (*kept, error) {
	digest := r.digest()
	old, err := e.known(ctx, from.ID, r.ID, digest)
	if old != nil && old.told == cancelled {
		return nil, errCancelled
	}
	if err != nil || old != nil {
		return old, err
	}
	now := e.now()
	k := &kept{controller: from.ID, id: r.ID, received: now, expected: now.Add(e.cfg.Due), told: pending}
	for _, tool := range r.tools {
		for _, machine := range r.machines {
			receipt, err := e.cfg.Relay.Request(ctx, deletions.Demand{
				Tool: tool, MachineID: machine, RequestedAt: r.submitted, By: by(from.ID, r.ID), Why: why,
			})
			if err != nil {
				return nil, fmt.Errorf("entering a deletion in the ledger: %w", err)
			}
			k.deletions = append(k.deletions, part{tool, receipt.ID, receipt})
		}
	}
	err = e.cfg.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO opendsr_requests (controller, request, received, expected, digest, told, look_at)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (controller, request) DO NOTHING`,
			k.controller, k.id, store.Millis(k.received), store.Millis(k.expected), digest[:], pending, store.Millis(now))
		if err != nil || n == 0 {
			return err // of two at once the first is kept
		}
		for _, p := range k.deletions {
			if _, err := tx.Exec(ctx, `INSERT INTO opendsr_deletions (controller, request, tool, receipt) VALUES (?, ?, ?, ?)`,
				k.controller, k.id, p.tool, p.receipt); err != nil {
				return err
			}
		}
		for _, url := range r.Callbacks {
			if _, err := tx.Exec(ctx, `INSERT INTO opendsr_callbacks (controller, request, url, status, attempts, since, call_at)
				VALUES (?, ?, ?, ?, 0, ?, ?)`, k.controller, k.id, url, pending, store.Millis(now), store.Millis(now)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keeping a controller's request: %w", err)
	}
	e.poke()
	return e.known(ctx, from.ID, r.ID, digest)
}

// known returns the request with an ID, nil if there is none. Its error is errOther if that
// is another one.
func (e *Endpoint) known(ctx context.Context, controller, id string, digest [32]byte) (*kept, error) {
	k := &kept{controller: controller, id: id}
	var was []byte
	found := false
	err := e.cfg.DB.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = k.load(ctx, tx, &was)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking for a controller's request: %w", err)
	case !found:
		return nil, nil
	case !bytes.Equal(was, digest[:]):
		return nil, errOther
	}
	return k, nil
}

// load reads a request's row and deletions.
func (k *kept) load(ctx context.Context, tx *store.Tx, digest *[]byte) (bool, error) {
	var received, expected int64
	found, err := tx.One(ctx, []any{&received, &expected, digest, &k.told},
		`SELECT received, expected, digest, told FROM opendsr_requests WHERE controller = ? AND request = ?`, k.controller, k.id)
	if err != nil || !found {
		return false, err
	}
	k.received, k.expected = store.FromMillis(received), store.FromMillis(expected)
	k.deletions = nil
	return true, tx.Query(ctx, func(scan func(...any) error) error {
		var p part
		if err := scan(&p.tool, &p.receipt); err != nil {
			return err
		}
		k.deletions = append(k.deletions, p)
		return nil
	}, `SELECT tool, receipt FROM opendsr_deletions WHERE controller = ? AND request = ? ORDER BY tool, receipt`, k.controller, k.id)
}

// find returns a request with what became of it. Its error wraps errUnknown if there is none.
func (e *Endpoint) find(ctx context.Context, controller, id string) (*kept, error) {
	k := &kept{controller: controller, id: id}
	var digest []byte
	found := false
	err := e.cfg.DB.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = k.load(ctx, tx, &digest)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for a controller's request: %w", err)
	}
	if !found {
		return nil, errUnknown
	}
	for i := range k.deletions {
		p := &k.deletions[i]
		if p.now, err = e.cfg.Relay.Receipt(ctx, p.receipt); err != nil {
			return nil, fmt.Errorf("looking for a deletion: %w", err)
		}
	}
	return k, nil
}

// takeBack cancels a request that nobody has acted on.
func (e *Endpoint) takeBack(ctx context.Context, controller, id string) error {
	k, err := e.find(ctx, controller, id)
	if err != nil {
		return err
	}
	switch k.status() {
	case cancelled:
		return nil
	case pending:
	default:
		return errTooLate
	}
	var receipts []string
	for _, p := range k.deletions {
		receipts = append(receipts, p.receipt)
	}
	// All or none: a request of which a part is deleted was not cancelled.
	err = e.cfg.Relay.Cancel(receipts, by(controller, id), why)
	switch {
	case errors.Is(err, deletions.ErrTooLate):
		return errTooLate
	case errors.Is(err, deletions.ErrOthers):
		return errOthers
	}
	if err != nil {
		return fmt.Errorf("cancelling deletions: %w", err)
	}
	now := store.Millis(e.now())
	err = e.cfg.DB.Write(ctx, func(tx *store.Tx) error { return tell(ctx, tx, k, cancelled, now) })
	if err != nil {
		return fmt.Errorf("cancelling a controller's request: %w", err)
	}
	e.poke()
	return nil
}

// tell has a new status called out.
func tell(ctx context.Context, tx *store.Tx, k *kept, now string, at int64) error {
	next := at
	if now == completed || now == cancelled {
		next = 0
	}
	if _, err := tx.Exec(ctx, `UPDATE opendsr_requests SET told = ?, look_at = ? WHERE controller = ? AND request = ?`, now, next, k.controller, k.id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE opendsr_callbacks SET status = ?, attempts = 0, since = ?, call_at = ? WHERE controller = ? AND request = ?`,
		now, at, at, k.controller, k.id)
	return err
}
