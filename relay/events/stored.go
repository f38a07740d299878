//go:build !notelemetry

package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

// Schema is the tables of this package, for store.Open. docs/explanation/gateway.md says what those of
// them are that an operator reads.
func Schema() store.Schema {
	return store.Schema{Name: "events", Steps: []string{
		`CREATE TABLE events (
			tool TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL,
			at BIGINT NOT NULL, received BIGINT NOT NULL,
			machine_id TEXT NOT NULL, run_id TEXT NOT NULL,
			tool_version TEXT NOT NULL, os TEXT NOT NULL, arch TEXT NOT NULL,
			ci BIGINT NOT NULL, agent TEXT NOT NULL,
			error_class TEXT NOT NULL, exit_code BIGINT, duration_ms BIGINT,
			calls BIGINT NOT NULL, failed BIGINT NOT NULL,
			event TEXT NOT NULL,
			PRIMARY KEY (tool, id))`,
		`CREATE INDEX events_at ON events (tool, at)`,
		`CREATE INDEX events_machine ON events (tool, machine_id)`,
		`CREATE TABLE events_waiting (
			seq SERIAL,
			tool TEXT NOT NULL, destination TEXT NOT NULL, id TEXT NOT NULL, machine_id TEXT NOT NULL,
			stored BIGINT NOT NULL, bytes BIGINT NOT NULL, event TEXT NOT NULL,
			UNIQUE (tool, destination, id))`,
		`CREATE INDEX events_waiting_order ON events_waiting (tool, destination, seq)`,
		`CREATE INDEX events_waiting_machine ON events_waiting (tool, destination, machine_id)`,
		`CREATE TABLE events_backlog (
			tool TEXT NOT NULL, destination TEXT NOT NULL, events BIGINT NOT NULL, bytes BIGINT NOT NULL,
			leased BIGINT NOT NULL, holder TEXT NOT NULL,
			PRIMARY KEY (tool, destination))`,
		// How many rows were ever deleted, and how many of them before the file was written anew.
		`CREATE TABLE events_deleted (one BIGINT PRIMARY KEY, gone BIGINT NOT NULL, rewritten BIGINT NOT NULL)`,
		`INSERT INTO events_deleted (one, gone, rewritten) VALUES (1, 0, 0)`,
	}}
}

// deleted takes down that rows are gone of which an SQLite file may hold copies.
func deleted(ctx context.Context, tx *store.Tx, n int64) error {
	if n == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE events_deleted SET gone = gone + ? WHERE one = 1`, n)
	return err
}

// rewrite writes the file anew, unless nothing was deleted since that was done: who asks for
// deletions of machines that never sent anything has no work done. An attempt that failed leaves
// it to the next one.
func rewrite(ctx context.Context, db *store.DB) error {
	var rows, rewritten int64
	if err := db.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.One(ctx, []any{&rows, &rewritten}, `SELECT gone, rewritten FROM events_deleted WHERE one = 1`)
		return err
	}); err != nil || rows == rewritten {
		return err
	}
	if err := db.Rewrite(ctx); err != nil {
		return err
	}
	return db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE events_deleted SET rewritten = ? WHERE one = 1 AND rewritten < ?`, rows, rows)
		return err
	})
}

// StoreName is what an operator writes for the gateway's own database, as a destination and as
// a vendor.
const StoreName = "store"

// StoreDriver returns the driver "store", which keeps events as rows of the database: one an
// event, whatever comes again. The database was opened with Schema.
func StoreDriver(db *store.DB) driver.Driver {
	return driver.Driver{
		Name:  StoreName,
		Doc:   "keeps events in the gateway's own database",
		Local: true,
		Settings: []driver.Setting{{
			Name:    "retention",
			Doc:     "how many days events are kept after they happened, such as 90d; without it, for good",
			Default: "",
			Check: func(value string) error {
				_, err := days(value)
				return err
			},
		}},
		Limits: driver.Limits{EventBytes: maxEventBytes},
		Open: func(cfg driver.Config) (driver.Backend, error) {
			s := &stored{db: db}
			if text := cfg.Settings["retention"]; text != "" {
				var err error
				if s.retention, err = days(text); err != nil {
					return nil, driver.SettingError("retention", err.Error())
				}
			}
			return s, nil
		},
	}
}

// days reads a number of days.
func days(value string) (time.Duration, error) {
	number, unit := value, ""
	if i := len(value) - 1; i > 0 {
		number, unit = value[:i], value[i:]
	}
	n, err := strconv.Atoi(number)
	if err != nil || unit != "d" || n < 1 || n > 36500 {
		return 0, errors.New("must be whole days, such as 90d")
	}
	return time.Duration(n) * 24 * time.Hour, nil
}

// stored is the backend.
type stored struct {
	db        *store.DB
	retention time.Duration // 0: for good
}

// Send stores the events. That an event is there already is an acceptance.
func (s *stored) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	now := store.Millis(time.Now())
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		for part := range slices.Chunk(events, rowsAtOnce) {
			args := make([]any, 0, storedColumns*len(part))
			for i := range part {
				args = appendRow(args, &part[i], now)
			}
			if _, err := tx.Exec(ctx, `INSERT INTO events (tool, id, type, name, at, received, machine_id, run_id, tool_version, os, arch, ci, agent,
				error_class, exit_code, duration_ms, calls, failed, event) VALUES `+rowsOf(len(part), storedColumns)+
				` ON CONFLICT (tool, id) DO NOTHING`, args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Close does nothing: the database is the caller's.
func (s *stored) Close() error { return nil }

const storedColumns = 19

func appendRow(args []any, e *driver.Event, now int64) []any {
	calls := int64(max(e.Count, 1)) * int64(max(e.SampleRate, 1))
	failed := int64(e.Failures) * int64(max(e.SampleRate, 1))
	if e.Count == 0 && e.ExitCode != nil && *e.ExitCode != 0 {
		failed = calls
	}
	ci := 0
	if e.CI {
		ci = 1
	}
	var exit, duration any
	if e.ExitCode != nil {
		exit = int64(*e.ExitCode)
	}
	if e.DurationMS != nil {
		duration = *e.DurationMS
	}
	return append(args, e.Tool, e.ID, e.Type, e.Name, store.Millis(e.Time), now, e.MachineID, e.RunID, e.Version, e.OS, e.Arch, ci, e.Agent,
		e.ErrorClass, exit, duration, calls, failed, string(e.AppendJSON(nil)))
}

// expire deletes events that are older than they are kept.
func (s *stored) expire(ctx context.Context, tool string, now time.Time) (int, error) {
	if s.retention == 0 {
		return 0, nil
	}
	oldest, total := store.Millis(now.Add(-s.retention)), 0
	for {
		var n int64
		err := s.db.Write(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(ctx, `DELETE FROM events WHERE tool = ? AND id IN (SELECT id FROM events WHERE tool = ? AND at < ? LIMIT ?)`,
				tool, tool, oldest, sweptAtOnce)
			if err != nil {
				return err
			}
			return deleted(ctx, tx, n)
		})
		total += int(n)
		if err != nil || n < sweptAtOnce {
			return total, err
		}
	}
}

// StoreVendor returns the vendor "store", which deletes what the gateway's own database holds of
// a machine: events that were stored, and those that wait for a destination.
func StoreVendor(db *store.DB) deletion.Vendor {
	return deletion.Vendor{
		Name:  StoreName,
		Doc:   "the gateway's own database",
		Hosts: func(map[string]string) []string { return nil },
		Open: func(cfg deletion.VendorConfig) (deletion.Requestor, error) {
			return &deleter{db, cfg.Tool}, nil
		},
	}
}

// deleter deletes what there is of a tool's machines. It is a Follower, a Finder, a Counter
// and a Bulk.
type deleter struct {
	db   *store.DB
	tool string
}

// RequestDeletion deletes, and counts in the same transaction what is left, so that what it
// returns is verified: also that no copy is left in an SQLite file.
func (e *deleter) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	outcomes, err := e.RequestDeletions(ctx, []deletion.Request{req})
	if err != nil {
		return deletion.Receipt{}, err
	}
	return outcomes[0].Receipt, outcomes[0].Err
}

// MaxBulk is how many share the writing of the file, which takes much longer than each does.
func (e *deleter) MaxBulk() int { return 100 }

// RequestDeletions does so for several.
func (e *deleter) RequestDeletions(ctx context.Context, requests []deletion.Request) ([]deletion.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	outcomes := make([]deletion.Outcome, len(requests))
	asked := false
	for i, req := range requests {
		out := &outcomes[i]
		if out.Err = req.Validate(); out.Err != nil {
			continue
		}
		var deleted, left int64
		if deleted, left, out.Err = e.delete(ctx, req.MachineID); out.Err != nil {
			continue
		}
		asked = true
		r := deletion.Receipt{State: deletion.Acknowledged, MachineID: req.MachineID, At: req.RequestedAt}
		out.Receipt = judged(r, left, fmt.Sprintf("%d events were deleted from the gateway's database, and none is left", deleted))
	}
	if !asked {
		return outcomes, nil
	}
	if err := rewrite(ctx, e.db); err != nil {
		return nil, fmt.Errorf("writing the gateway's database anew without what was deleted: %w", err)
	}
	return outcomes, nil
}

// delete deletes what there is of a machine, and counts what is left.
func (e *deleter) delete(ctx context.Context, machineID string) (gone, left int64, err error) {
	err = e.db.Write(ctx, func(tx *store.Tx) error {
		rows, err := tx.Exec(ctx, `DELETE FROM events WHERE tool = ? AND machine_id = ?`, e.tool, machineID)
		if err == nil {
			err = deleted(ctx, tx, rows)
		}
		if err != nil {
			return err
		}
		var names []string
		if err := tx.Query(ctx, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, name)
			return err
		}, `SELECT destination FROM events_backlog WHERE tool = ?`, e.tool); err != nil {
			return err
		}
		gone = rows
		for _, name := range names {
			n, err := remove(ctx, tx, e.tool, name, `machine_id = ?`, machineID)
			if err != nil {
				return err
			}
			gone += n
		}
		left, err = e.count(ctx, tx, machineID)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("deleting from the gateway's database: %w", err)
	}
	return gone, left, nil
}

// judged is a receipt after a count.
func judged(r deletion.Receipt, left int64, detail string) deletion.Receipt {
	r.State, r.Detail = deletion.Verified, detail
	if left > 0 {
		r.State, r.Detail = deletion.Acknowledged, fmt.Sprintf("%d events are left in the gateway's database", left)
	}
	return r
}

// Status counts again. What is there once more has to be deleted once more.
func (e *deleter) Status(ctx context.Context, r deletion.Receipt) (deletion.Receipt, error) {
	left, err := e.Count(ctx, r.MachineID)
	switch {
	case err != nil:
		return r, err
	case left > 0:
		return r, fmt.Errorf("%w: %d events are there", deletion.ErrUnknownReceipt, left)
	}
	return judged(r, left, r.Detail), nil
}

// Count counts what is stored and what waits.
func (e *deleter) Count(ctx context.Context, machineID string) (n int64, err error) {
	if err := (deletion.Request{MachineID: machineID}).Validate(); err != nil {
		return 0, err
	}
	err = e.db.Read(ctx, func(tx *store.Tx) (err error) {
		n, err = e.count(ctx, tx, machineID)
		return err
	})
	return n, err
}

func (e *deleter) count(ctx context.Context, tx *store.Tx, machineID string) (int64, error) {
	var n int64
	_, err := tx.One(ctx, []any{&n}, `SELECT (SELECT COUNT(*) FROM events WHERE tool = ? AND machine_id = ?) +
		(SELECT COUNT(*) FROM events_waiting WHERE tool = ? AND machine_id = ?)`, e.tool, machineID, e.tool, machineID)
	return n, err
}

// Find says how many events there are, and of when.
func (e *deleter) Find(ctx context.Context, machineID string) (deletion.Found, error) {
	n, err := e.Count(ctx, machineID)
	if err != nil || n == 0 {
		return deletion.Found{Nothing: err == nil}, err
	}
	found := deletion.Found{Facts: []deletion.Fact{{Name: "events", Label: "Events", Value: n}}}
	var first, last int64
	err = e.db.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.One(ctx, []any{&first, &last}, `SELECT COALESCE(MIN(at), 0), COALESCE(MAX(at), 0) FROM events WHERE tool = ? AND machine_id = ?`, e.tool, machineID)
		return err
	})
	if err == nil && last > 0 {
		found.Facts = append(found.Facts,
			deletion.Fact{Name: "first", Label: "First", Value: store.FromMillis(first)},
			deletion.Fact{Name: "last", Label: "Last", Value: store.FromMillis(last)})
	}
	return found, err
}
