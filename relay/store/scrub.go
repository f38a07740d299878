//go:build !notelemetry

package store

import (
	"context"
	"errors"
)

var errRead = errors.New("the journal is being read, and holds what was deleted until later")

// Scrub takes what was deleted out of the files as well, as far as this process can. SQLite
// overwrites it in its file with each transaction, and here the copies of old pages in the
// journal are dropped; while somebody reads those, that fails and is to be tried again.
// PostgreSQL does the same with what nobody sees any more in its own time (autovacuum), and its
// journal is its operator's.
func (db *DB) Scrub(ctx context.Context) error {
	if db.Engine() != "sqlite" {
		return nil
	}
	var busy, pages, moved int
	row := db.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	err := row.Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 {
		err = errRead
	}
	return unavailable(err)
}

// Rewrite does what Scrub does, and writes an SQLite file anew before that. SQLite overwrites what
// is deleted, but not the copies that it left in its pages when it moved rows about, so only this
// shows that nothing is left. It takes about half a minute for a gigabyte, as much free space
// again as the file is large, and nobody writes meanwhile.
func (db *DB) Rewrite(ctx context.Context) error {
	if db.Engine() == "sqlite" {
		if _, err := db.write.ExecContext(ctx, "VACUUM"); err != nil {
			return unavailable(err)
		}
	}
	return db.Scrub(ctx)
}
