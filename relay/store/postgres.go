//go:build !notelemetry

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connections is how many one process has to a PostgreSQL, whose default for all is 100.
const connections = 16

// connectTimeout is far above what a server in the same network takes, and below what a tool
// waits for its answer.
const connectTimeout = 5 * time.Second

// schemaLock is the number of the advisory lock under which tables are changed: "telemetr".
const schemaLock = 0x74656c656d657472

type postgresEngine struct{}

func openPostgres(url string) (*DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, ErrURL // what pgx says repeats the address
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return &DB{read: db, write: db, engine: postgresEngine{}}, nil
}

func (postgresEngine) name() string                  { return "postgres" }
func (postgresEngine) translate(query string) string { return numbered(query) }
func (postgresEngine) skipLocked() string            { return " FOR UPDATE SKIP LOCKED" }

func (postgresEngine) columns() *strings.Replacer {
	return strings.NewReplacer("BLOB", "BYTEA", "SERIAL", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
}

// again is for conflicts of transactions: serialization_failure and deadlock_detected.
// https://www.postgresql.org/docs/15/errcodes-appendix.html
func (postgresEngine) again(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (said.Code == "40001" || said.Code == "40P01")
}

// unknown: a server that says why it failed has not committed, unless it says that it is going
// away (class 57P), which may cross the commit.
func (postgresEngine) unknown(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || strings.HasPrefix(said.Code, "57P")
}

func (postgresEngine) present() error { return nil }
func (postgresEngine) close() error   { return nil }

func (postgresEngine) lockSchema(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
		return fmt.Errorf("waiting to change the tables: %w", err)
	}
	return nil
}
