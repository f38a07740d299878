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
	// opened is the file that connections have open.
	opened os.FileInfo
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
	opened, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
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
	read.SetMaxOpenConns(readers)
	return &DB{read, write, &sqliteEngine{file, opened}}, nil
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

// present reports an error where the file was moved away or replaced: SQLite would go on writing
// into what nobody finds any more.
func (e *sqliteEngine) present() error {
	now, err := os.Stat(e.path)
	if err == nil && os.SameFile(now, e.opened) {
		return nil
	}
	return ErrReplaced
}

// lockSchema has nothing to do: a writing transaction is alone from its beginning.
func (*sqliteEngine) lockSchema(context.Context, *sql.Tx) error { return nil }
