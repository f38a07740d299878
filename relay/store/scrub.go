//go:build !notelemetry

package store

import "context"

// Scrub takes what was deleted out of the files as well, as far as this process can. SQLite
// overwrites it in its file with each transaction, and here the copies of old pages in the
// journal are dropped, but for a reader who is at it. PostgreSQL does the same with what
// nobody sees any more in its own time (autovacuum), and its journal is its operator's.
func (db *DB) Scrub(ctx context.Context) error {
	if db.Engine() != "sqlite" {
		return nil
	}
	var busy, pages, moved int
	row := db.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return unavailable(row.Scan(&busy, &pages, &moved))
}
