//go:build !notelemetry

package events_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
	"github.com/gotoolbase/telemetry/relay/store"
)

// onEachEngine is what both databases are held to.
var onEachEngine = []struct {
	name string
	test func(*testing.T, *store.DB)
}{
	{"what a destination misses is stored and sent later in order", whatADestinationMissesIsStoredAndSentLaterInOrder},
	{"replicas share what waits", replicasShareWhatWaits},
	{"the oldest of what waits goes first and is counted", theOldestOfWhatWaitsGoesFirstAndIsCounted},
	{"what waits too long is deleted and counted", whatWaitsTooLongIsDeletedAndCounted},
	{"what waits for a destination that is not in the file is said", whatWaitsForADestinationThatIsNotInTheFileIsSaid},
	{"what waits of a machine that is deleted meanwhile is not sent", whatWaitsOfAMachineThatIsDeletedMeanwhileIsNotSent},
	{"a team without a vendor has its events in the database", aTeamWithoutAVendorHasItsEventsInTheDatabase},
	{"the store forgets what is older than it keeps", theStoreForgetsWhatIsOlderThanItKeeps},
	{"deleting from the store is verified at once", deletingFromTheStoreIsVerifiedAtOnce},
	{"texts are texts", textsAreTexts},
	{"the five questions of the page have answers", theFiveQuestionsHaveAnswers},
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	for _, c := range onEachEngine {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db, _ := database(t)
			c.test(t, db)
		})
	}
}

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	for _, c := range onEachEngine {
		t.Run(c.name, func(t *testing.T) {
			db, err := store.Open(context.Background(), server.Database(), events.Schema())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			c.test(t, db)
		})
	}
}

// The queries are those of the page, as they stand there.
func theFiveQuestionsHaveAnswers(t *testing.T, db *store.DB) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "explanation", "gateway.md"))
	if err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, part := range strings.Split(string(page), "```sql\n")[1:] {
		query, _, _ := strings.Cut(part, "```")
		queries = append(queries, query)
	}
	// 2026-11-22 is day 20779.
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var list []driver.Event
	add := func(n int, change func(*driver.Event)) {
		for range n {
			e := event()
			e.Name, e.Time = "build", at
			change(&e)
			list = append(list, e)
		}
	}
	took := func(e *driver.Event, ms int64) { e.DurationMS = &ms }
	exit := func(e *driver.Event, code int) { e.ExitCode = &code }
	for n := range 20 {
		add(1, func(e *driver.Event) { took(e, int64(100+n)); e.MachineID = machine(n % 3) })
	}
	add(1, func(e *driver.Event) { exit(e, 1); took(e, 5000); e.Version, e.ErrorClass = "2.0.0", "network" })
	add(1, func(e *driver.Event) {
		exit(e, 130)
		e.DurationMS = nil
		e.Version, e.ErrorClass = "2.0.0", "interrupted"
	})
	add(1, func(e *driver.Event) {
		e.Name, e.Count, e.Failures, e.DurationMS, e.MachineID, e.Agent = "test", 40, 10, nil, machine(9), "codex"
		e.Time = at.Add(-24 * time.Hour)
	})
	add(1, func(e *driver.Event) {
		e.Name, e.CI, e.MachineID, e.DurationMS = "old", true, "", nil
		e.Time = at.Add(-40 * 24 * time.Hour)
	})
	add(1, func(e *driver.Event) { e.Tool, e.Name = "other", "other" })
	if err := kept(t, db, nil).Backend.Send(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"20739 0", "20778 1", "20779 3"},
		{"test 40 1", "build 22 3"},
		{"build 2.0.0 1 100.0", "test 1.0.0 40 25.0", "build 1.0.0 20 0.0", "old 1.0.0 1 0.0"},
		{"build 110 119"},
		{"1.0.0 4 1 40 20", "2.0.0 1 0 0 2"},
	}
	if len(queries) != len(want) {
		t.Fatalf("the page has %d queries, want %d", len(queries), len(want))
	}
	for i, query := range queries {
		var got []string
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			got = nil
			return tx.Query(t.Context(), func(scan func(...any) error) error {
				row := make([]any, strings.Count(strings.SplitN(want[i][0], "\n", 2)[0], " ")+1)
				to := make([]any, len(row))
				for j := range row {
					to[j] = &row[j]
				}
				err := scan(to...)
				text := fmt.Sprintln(row...)
				got = append(got, strings.TrimSpace(text))
				return err
			}, query)
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
		for j := range got {
			got[j] = tidy(got[j])
		}
		for j := range want[i] {
			want[i][j] = tidy(want[i][j])
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s\ngives %q, want %q", query, got, want[i])
		}
	}
}

// tidy writes 25.0 as 25: the engines differ there.
func tidy(row string) string {
	fields := strings.Fields(row)
	for i, f := range fields {
		if strings.Count(f, ".") == 1 {
			fields[i] = strings.TrimSuffix(f, ".0")
		}
	}
	return strings.Join(fields, " ")
}
