//go:build !notelemetry

package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
)

func TestWhatWasCommittedIsThereAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t)
	url := s.Database()
	count := func() (n int) {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		if _, err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS kept (n INT)"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "INSERT INTO kept VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 1 {
		t.Fatalf("%d rows in a new database, want the one that was added", n)
	}
	s.Kill()
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("a server that was killed answers")
	}
	s.Start()
	if n := count(); n != 2 {
		t.Errorf("%d rows after a kill and a start, want 2", n)
	}
}
