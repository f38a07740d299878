//go:build !notelemetry

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// readers is how many look at an SQLite database at once; writing takes turns anyway.
const readers = 8

type sqliteEngine struct {
	path string
	// opened are the files that connections have open, by name: the database, its journal and
	// the journal's index.
	opened map[string]os.FileInfo
	// held is a connection that is open for as long as the database is: with the last one SQLite
	// removes the journal, and the next makes another.
	held *sql.Conn
}

func openSQLite(file string) (*DB, error) {
	if file == "" {
		return nil, ErrURL
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("finding the database: %w", err)
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the database's directory: %w", unavailable(err))
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("looking at the database's directory: %w", unavailable(err))
	}
	if !info.IsDir() || OpenToOthers(info) {
		return nil, fmt.Errorf("%s: %w", dir, ErrUnsafe)
	}
	// SQLite makes its other files with the mode of this one.
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", unavailable(err))
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("opening the database: %w", unavailable(err))
	}
	// FULL syncs the journal with each commit, so what was acknowledged survives a power cut.
	// What is deleted is overwritten, since some of it says who was where; see Scrub.
	const pragmas = "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_pragma=secure_delete(1)"
	address := (&url.URL{Scheme: "file", Path: filepath.ToSlash(file)}).String()
	write, err := sql.Open("sqlite", address+"?"+pragmas+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", unavailable(err))
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", address+"?"+pragmas+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", unavailable(err)), write.Close())
	}
	read.SetMaxOpenConns(readers + 1)
	e := &sqliteEngine{path: file}
	if err := e.hold(read); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", unavailable(err)), read.Close(), write.Close())
	}
	return &DB{read: read, write: write, engine: e}, nil
}

// hold opens a connection for good, and looks which files it has open.
func (e *sqliteEngine) hold(pool *sql.DB) (err error) {
	ctx := context.Background() // the file's wait is bounded by busy_timeout
	if e.held, err = pool.Conn(ctx); err != nil {
		return err
	}
	var tables int // the journal is opened by the first that reads
	err = e.held.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&tables)
	e.opened = map[string]os.FileInfo{}
	for _, file := range []string{e.path, e.path + "-wal", e.path + "-shm"} {
		if err == nil {
			e.opened[file], err = os.Stat(file)
		}
	}
	if err != nil {
		return errors.Join(err, e.held.Close())
	}
	return nil
}

// close gives the held connection back. A DB may be closed twice, as a *sql.DB may.
func (e *sqliteEngine) close() error {
	if err := e.held.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

func (*sqliteEngine) name() string                  { return "sqlite" }
func (*sqliteEngine) translate(query string) string { return query }
func (*sqliteEngine) skipLocked() string            { return "" }

func (*sqliteEngine) columns() *strings.Replacer {
	return strings.NewReplacer("SERIAL", "INTEGER PRIMARY KEY AUTOINCREMENT")
}

func (*sqliteEngine) again(err error) bool {
	said, ok := errors.AsType[*sqlite.Error](err)
	return ok && (said.Code()&0xff == lib.SQLITE_BUSY || said.Code()&0xff == lib.SQLITE_LOCKED)
}

// unknown: a sync that failed says nothing of what is on the disk.
func (*sqliteEngine) unknown(error) bool { return true }

// present reports an error where one of the files was moved away or replaced: SQLite would go on
// writing into what nobody finds any more.
func (e *sqliteEngine) present() error {
	for file, opened := range e.opened {
		if now, err := os.Stat(file); err != nil || !os.SameFile(now, opened) {
			return ErrReplaced
		}
	}
	return nil
}

// lockSchema has nothing to do: a writing transaction is alone from its beginning.
func (*sqliteEngine) lockSchema(context.Context, *sql.Tx) error { return nil }
