//go:build !notelemetry

package deletions

import (
	"context"
	"slices"

	"github.com/gotoolbase/telemetry/relay/store"
)

// buckets is how many networks have a turn of their own. Two that share a bucket share its
// turns.
const buckets = 4096

// queue gives deletions that are due their turns at one vendor of one tool: one of each network
// that waits, then a second one of each, and so on. A vendor takes so many calls an hour; who
// makes up pairs of key and ID as fast as the limits let them waits behind themselves, and
// everybody else for as many calls as there are networks that have something waiting.
//
// A network is known by the number of its bucket, which is a hash with a key of the process
// that took the request. It is stored until the vendor has taken it, and means nothing without
// that key. Requests of the operator's own are in bucket 0, and come first.
//
// Turns are numbers: they begin at that of the first deletion that has one, and each of a bucket
// is behind its last one. What the last ones were is known to this process alone: after a
// restart each bucket begins anew, which is as fair.
type queue struct {
	lane  [2]string // tool and vendor
	last  [buckets + 1]int64
	ahead int64 // the turn that was claimed last
	odd   bool  // who gets the odd call
}

const (
	// admitAtOnce is how many get their turns in one transaction, so that it takes some
	// milliseconds, and admitRounds how many transactions there are before some are asked for.
	admitAtOnce = 500
	admitRounds = 20
)

// admit gives those that are due their turns, and reports whether there may be more of them.
func (q *queue) admit(ctx context.Context, db *store.DB, now millis) (more bool, err error) {
	last := map[int64]int64{}
	n := 0
	err = db.Write(ctx, func(tx *store.Tx) error {
		clear(last)
		type row struct{ number, position, bucket int64 }
		var rows []row
		if err := tx.Query(ctx, func(scan func(...any) error) error {
			var r row
			err := scan(&r.number, &r.position, &r.bucket)
			rows = append(rows, r)
			return err
		}, `SELECT deletion, position, bucket FROM deletion_vendors
			WHERE tool = ? AND vendor = ? AND todo = 1 AND next <= ? ORDER BY next LIMIT 500`+tx.SkipLocked(), q.lane[0], q.lane[1], int64(now)); err != nil {
			return err
		}
		first := q.ahead + 1
		if _, err := tx.One(ctx, []any{&first}, `SELECT turn FROM deletion_vendors
			WHERE tool = ? AND vendor = ? AND turn > 0 ORDER BY turn LIMIT 1`, q.lane[0], q.lane[1]); err != nil {
			return err
		}
		for _, r := range rows {
			turn := first
			if r.bucket > 0 && r.bucket <= buckets {
				turn = max(first, q.last[r.bucket]+1, last[r.bucket]+1)
				last[r.bucket] = turn
			}
			if _, err := tx.Exec(ctx, `UPDATE deletion_vendors SET todo = 2, turn = ? WHERE deletion = ? AND position = ?`,
				turn, r.number, r.position); err != nil {
				return err
			}
		}
		n = len(rows)
		return nil
	})
	if err != nil {
		return false, err
	}
	for bucket, turn := range last {
		q.last[bucket] = turn
	}
	return n == admitAtOnce, nil
}

// key names a row of deletion_vendors.
type key struct{ number, position int64 }

// claim takes what is to be done next, for a holder and until a time by the ledger's clock. It
// takes as many as there are calls, which are shared by what is to be asked and what is to be
// followed up, the odd one by turns: or a vendor that has much to do would never be asked what
// it did. Where a call can ask for several, bulk says for how many. Rows that another process
// is claiming are passed over, and those that this one is busy with: it could not write an answer
// down for so long that its lease is over.
func (q *queue) claim(ctx context.Context, db *store.DB, holder string, busy map[key]*lane, now, until millis, calls, bulk int) (jobs []job, err error) {
	ahead := q.ahead
	q.odd = !q.odd
	err = db.Write(ctx, func(tx *store.Tx) error {
		jobs, ahead = nil, q.ahead
		turns := map[key]int64{}
		read := func(to *[]key) func(scan func(...any) error) error {
			return func(scan func(...any) error) error {
				var k key
				var turn int64
				err := scan(&k.number, &k.position, &turn)
				*to, turns[k] = append(*to, k), turn
				return err
			}
		}
		var asks, follows []key
		// Of those that have the same turn, who came first is first.
		if err := tx.Query(ctx, read(&asks), `SELECT deletion, position, turn FROM deletion_vendors
			WHERE tool = ? AND vendor = ? AND turn > 0 ORDER BY turn, deletion LIMIT ?`+tx.SkipLocked(), q.lane[0], q.lane[1], max(calls, bulk)); err != nil {
			return err
		}
		for _, what := range []todo{follow, again} {
			if err := tx.Query(ctx, read(&follows), `SELECT deletion, position, turn FROM deletion_vendors
				WHERE tool = ? AND vendor = ? AND todo = ? AND todo > 0 AND next <= ? ORDER BY next LIMIT ?`+tx.SkipLocked(),
				q.lane[0], q.lane[1], int64(what), int64(now), calls); err != nil {
				return err
			}
		}
		held := func(k key) bool { return busy[k] != nil }
		for _, k := range share(slices.DeleteFunc(asks, held), slices.DeleteFunc(follows, held), calls, bulk, q.odd) {
			r, err := one(ctx, tx, `number = ?`, k.number)
			if err != nil {
				return err
			}
			if r == nil || int(k.position) >= len(r.vendors) {
				continue // somebody has changed the tables by hand, which Verify tells
			}
			j := job{key: k, request: r, vendor: r.vendors[k.position], doing: r.vendors[k.position].todo}
			if j.doing == ready {
				j.doing = ask
			}
			if _, err := tx.Exec(ctx, `UPDATE deletion_vendors SET todo = ?, turn = 0, next = ?, holder = ? WHERE deletion = ? AND position = ?`,
				int64(j.doing), int64(until), holder, k.number, k.position); err != nil {
				return err
			}
			ahead = max(ahead, turns[k])
			jobs = append(jobs, j)
		}
		return nil
	})
	if err == nil {
		q.ahead = ahead
	}
	return jobs, err
}

// share picks from what is to be asked and what is to be followed up.
func share(asks, follows []key, calls, bulk int, odd bool) []key {
	most := calls / 2 // of follow-ups, while there is something to be asked
	if odd {
		most = (calls + 1) / 2
	}
	least := calls - most
	if bulk > 1 {
		least = 1
	}
	n := min(len(follows), max(most, calls-min(len(asks), least)))
	some := follows[:n]
	if bulk > 1 {
		if n == calls {
			return some
		}
		return append(slices.Clone(some), asks[:min(len(asks), bulk)]...)
	}
	return append(slices.Clone(some), asks[:min(len(asks), calls-n)]...)
}

// next returns when there is something to do, by the ledger's clock, and whether there is.
func (q *queue) next(ctx context.Context, db *store.DB) (at millis, due bool, err error) {
	var next [4]*int64
	err = db.Read(ctx, func(tx *store.Tx) error {
		const first = `(SELECT next FROM deletion_vendors WHERE tool = ? AND vendor = ? AND todo > 0 AND todo = ? ORDER BY next LIMIT 1)`
		_, err := tx.One(ctx, []any{&next[0], &next[1], &next[2], &next[3]}, `SELECT `+first+`, `+first+`, `+first+`,
			(SELECT 0 FROM deletion_vendors WHERE tool = ? AND vendor = ? AND turn > 0 LIMIT 1)`,
			q.lane[0], q.lane[1], int64(ask), q.lane[0], q.lane[1], int64(follow), q.lane[0], q.lane[1], int64(again), q.lane[0], q.lane[1])
		return err
	})
	for _, n := range next {
		if n != nil && (!due || millis(*n) < at) {
			at, due = millis(*n), true
		}
	}
	return at, due, err
}

// giveBack has something that was claimed done at a time, by whoever comes first then.
func giveBack(ctx context.Context, db *store.DB, holder string, at millis, keys ...key) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		for _, k := range keys {
			if _, err := tx.Exec(ctx, `UPDATE deletion_vendors SET next = ?, holder = '' WHERE deletion = ? AND position = ? AND holder = ?`,
				int64(at), k.number, k.position, holder); err != nil {
				return err
			}
		}
		return nil
	})
}
