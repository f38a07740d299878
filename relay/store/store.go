//go:build !notelemetry

// Package store is the gateway's database: SQLite in a file for one machine, PostgreSQL for
// several. It opens one, brings its tables up to date and runs transactions; what is in the
// tables is each package's own, which hands its Schema to Open. It is for the packages under
// relay, and for who writes another one.
//
// Queries are written once, for both: placeholders are question marks, times are whole
// milliseconds since 1970 in a BIGINT, and what differs in a schema is one of the words
// that [Schema] lists.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

var (
	// ErrUnavailable: the database cannot be reached or written now. What was to be written
	// is not in it.
	ErrUnavailable = errors.New("the database cannot be used now")
	// ErrUnknown: the connection broke while a transaction was being committed, so what was
	// to be written may be in the database. It wraps ErrUnavailable.
	ErrUnknown = fmt.Errorf("%w: the end of a transaction is not known", ErrUnavailable)
	// ErrReplaced: a file of an SQLite database, or of its journal, was moved, removed or replaced
	// while it was open. It wraps ErrUnavailable, and stays until the program is started again.
	ErrReplaced = fmt.Errorf("%w: its file was moved or replaced, so start this program again", ErrUnavailable)
	// ErrNewer: a later version of this program has changed the tables. They are left alone.
	ErrNewer = errors.New("a later version of this program wrote to the database: use that")
	// ErrUnsafe: others than its owner, and the process's own group, may enter its directory.
	ErrUnsafe = errors.New("the database holds who asked to be forgotten, and has to be in a directory of its owner's alone (0700)")
	// ErrURL: the address is of no kind that is known here.
	ErrURL = errors.New("a database is sqlite:FILE or postgres://USER@HOST/NAME")
)

// Schema is the tables of one package.
type Schema struct {
	// Name is that package's, and stays.
	Name string
	// Steps lead from no table to today's. Each is run once, in order, in a transaction; one
	// that was released is never changed. In them BLOB is what holds bytes, and SERIAL a
	// primary key that counts up, never gives a number twice and may leave some out.
	Steps []string
}

// DB is an open database. It may be used by several goroutines at once.
type DB struct {
	read, write *sql.DB
	engine      engine
	// failed says that the last transaction that was to write could not.
	failed atomic.Bool
}

// engine is what differs between the two.
type engine interface {
	// translate makes a query of one in the words of this package.
	translate(query string) string
	// unknown says of an error of a commit that the transaction may be in the database.
	unknown(err error) bool
	// present returns an error where what connections write to is not the database any more.
	present() error
	// columns makes the types that the words of a schema stand for.
	columns() *strings.Replacer
	// skipLocked ends a SELECT that claims rows which no other process has claimed.
	skipLocked() string
	// again says that a transaction failed for another one, and may succeed now.
	again(err error) bool
	// lockSchema lets one process at a time change tables.
	lockSchema(ctx context.Context, tx *sql.Tx) error
	name() string
	// close gives back what the engine itself has open.
	close() error
}

// Open opens the database that url names, makes it if it is a file that is not there, and
// brings the tables up to date. Errors wrap ErrURL, ErrUnsafe, ErrNewer or ErrUnavailable and
// hold no password.
func Open(ctx context.Context, url string, schemas ...Schema) (*DB, error) {
	var db *DB
	var err error
	switch kind, rest, _ := strings.Cut(url, ":"); kind {
	case "sqlite":
		db, err = openSQLite(rest)
	case "postgres", "postgresql":
		db, err = openPostgres(url)
	default:
		return nil, ErrURL
	}
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, schemas); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close gives the connections back. Transactions that run fail.
func (db *DB) Close() error {
	if db.read == db.write {
		return db.write.Close()
	}
	return errors.Join(db.engine.close(), db.read.Close(), db.write.Close())
}

// Engine is "sqlite" or "postgres", for people.
func (db *DB) Engine() string { return db.engine.name() }

// probe is the row of the table schemas that Ping writes. No package is called that.
const probe = "(probe)"

// probeBytes is what Ping writes into a file where the last transaction failed: a full disk may
// have room for a row, and none for what is to be stored.
const probeBytes = 256 << 10

// Ping says whether the database answers, has its tables and can be written: it writes a row.
func (db *DB) Ping(ctx context.Context) error {
	failed := db.failed.Load()
	return db.Write(ctx, func(tx *Tx) error {
		if failed && db.Engine() == "sqlite" {
			large := probe + strings.Repeat(" ", probeBytes)
			if _, err := tx.Exec(ctx, `INSERT INTO schemas (name, steps) VALUES (?, 0)`, large); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `DELETE FROM schemas WHERE name = ?`, large); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO schemas (name, steps) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET steps = excluded.steps`,
			probe, Millis(time.Now()))
		return err
	})
}

// File returns the path of the file that url names, and whether it names one.
func File(url string) (string, bool) { return strings.CutPrefix(url, "sqlite:") }

// Tx is a transaction. It is one goroutine's, and over when the function returns that got it.
type Tx struct {
	tx     *sql.Tx
	engine engine
}

// Write runs f in a transaction that may write, and commits it if f returns nil. f runs again
// where another transaction was in the way, so it changes nothing but the database. An error
// that wraps ErrUnavailable is the database's; any other is f's own.
func (db *DB) Write(ctx context.Context, f func(*Tx) error) error {
	err := db.run(ctx, db.write, nil, f)
	if err == nil {
		db.failed.Store(false)
	} else if errors.Is(err, ErrUnavailable) {
		db.failed.Store(true)
	}
	return err
}

// Read runs f on one unchanging state of the database. It waits for no writer.
func (db *DB) Read(ctx context.Context, f func(*Tx) error) error {
	return db.run(ctx, db.read, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, f)
}

// attempts is how often a transaction is begun that others are in the way of. Waits between
// them double from some milliseconds, so all take about a second.
const attempts = 8

func (db *DB) run(ctx context.Context, pool *sql.DB, o *sql.TxOptions, f func(*Tx) error) error {
	for attempt := 0; ; attempt++ {
		err := db.once(ctx, pool, o, f)
		if err == nil || !db.engine.again(err) || attempt+1 == attempts {
			return err
		}
		wait := time.Duration(4<<attempt) * time.Millisecond
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait + rand.N(wait)):
		}
	}
}

func (db *DB) once(ctx context.Context, pool *sql.DB, o *sql.TxOptions, f func(*Tx) error) error {
	if db.engine.name() == "sqlite" {
		o = nil // its readers are apart, and a transaction of one reads one state
	}
	if err := db.engine.present(); err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, o)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing is left to roll back after a commit
	if err := f(&Tx{tx, db.engine}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		if db.engine.again(err) || !db.engine.unknown(err) {
			return unavailable(err)
		}
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if pool == db.write {
		return db.engine.present() // what was committed elsewhere is not acknowledged
	}
	return nil
}

// unavailable marks what the database said, which is not the caller's mistake.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// SkipLocked ends a SELECT in a writing transaction that claims rows which no other process
// is claiming: " FOR UPDATE SKIP LOCKED", or nothing where there is one writer at a time.
func (tx *Tx) SkipLocked() string { return tx.engine.skipLocked() }

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := tx.tx.ExecContext(ctx, tx.engine.translate(query), args...)
	if err != nil {
		return 0, unavailable(err)
	}
	n, err := result.RowsAffected()
	return n, unavailable(err)
}

// Query calls row for each row of the answer; row calls its scan once, with a pointer for
// each column. It stops at row's first error and returns it.
func (tx *Tx) Query(ctx context.Context, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := tx.tx.QueryContext(ctx, tx.engine.translate(query), args...)
	if err != nil {
		return unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return unavailable(rows.Err())
}

// One reads the one row of an answer, and reports whether there is one.
func (tx *Tx) One(ctx context.Context, to []any, query string, args ...any) (bool, error) {
	err := tx.tx.QueryRowContext(ctx, tx.engine.translate(query), args...).Scan(to...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, unavailable(err)
}

// Millis is t as tables hold it, 0 for the zero time. FromMillis undoes it.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis returns the time in UTC that tables hold as ms.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// upToDate reports whether migrate has nothing to do. Commands look into a database while
// others write to it, and need no turn for that.
func (db *DB) upToDate(ctx context.Context, schemas []Schema) bool {
	done := map[string]int{}
	err := db.Read(ctx, func(tx *Tx) error {
		return tx.Query(ctx, func(scan func(...any) error) error {
			var name string
			var steps int
			err := scan(&name, &steps)
			done[name] = steps
			return err
		}, `SELECT name, steps FROM schemas`)
	})
	for _, s := range schemas {
		if steps, found := done[s.Name]; !found || steps != len(s.Steps) {
			return false
		}
	}
	return err == nil
}

// migrate brings the tables up to date.
func (db *DB) migrate(ctx context.Context, schemas []Schema) error {
	if db.upToDate(ctx, schemas) {
		return nil
	}
	return db.Write(ctx, func(tx *Tx) error {
		if err := db.engine.lockSchema(ctx, tx.tx); err != nil {
			return unavailable(err)
		}
		if _, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS schemas (name TEXT PRIMARY KEY, steps BIGINT NOT NULL)`); err != nil {
			return err
		}
		for _, s := range schemas {
			done := 0
			if _, err := tx.One(ctx, []any{&done}, `SELECT steps FROM schemas WHERE name = ?`, s.Name); err != nil {
				return err
			}
			if done > len(s.Steps) {
				return fmt.Errorf("%w: %s is at %d of %d", ErrNewer, s.Name, done, len(s.Steps))
			}
			for _, step := range s.Steps[done:] {
				if _, err := tx.tx.ExecContext(ctx, db.engine.columns().Replace(step)); err != nil {
					return fmt.Errorf("making the tables of %s: %w", s.Name, unavailable(err))
				}
			}
			if _, err := tx.Exec(ctx, `INSERT INTO schemas (name, steps) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET steps = excluded.steps`, s.Name, len(s.Steps)); err != nil {
				return err
			}
		}
		return nil
	})
}

// numbered writes the placeholders as PostgreSQL does. A question mark in a text of a query
// would be one too: values are arguments here, so there is none.
func numbered(query string) string {
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
