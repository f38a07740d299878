//go:build !notelemetry

package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
	"github.com/gotoolbase/telemetry/relay/store"
)

var update = flag.Bool("update", false, "rewrite testdata")

const week = 7 * 24 * time.Hour

// clock is a time that a test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// engines runs a test on each database.
func engines(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.Start(t).Database())
	})
}

// private is a directory of its owner's alone, as a database wants it.
func private(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, report.Schema())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func rollups(t testing.TB, db *store.DB, now func() time.Time) *report.Rollups {
	t.Helper()
	r, err := report.Open(t.Context(), db, report.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func flush(t testing.TB, r *report.Rollups) {
	t.Helper()
	if err := r.Flush(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, db *store.DB, q report.Query) *report.Data {
	t.Helper()
	d, err := report.Read(t.Context(), db, q)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// events are those of a sample.
func events(seed uint64, weeks, installations int) []driver.Event {
	var list []driver.Event
	samples.Events(seed, weeks, installations, func(e driver.Event) { list = append(list, e) })
	return list
}

// counted counts events as from a file.
func counted(t testing.TB, q report.Query, list []driver.Event) *report.Data {
	t.Helper()
	c := report.NewCounter(q)
	if err := c.Read("events", bytes.NewReader(ndjson(list))); err != nil {
		t.Fatal(err)
	}
	d, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ndjson(list []driver.Event) []byte {
	var b []byte
	for i := range list {
		b = append(list[i].AppendJSON(b), '\n')
	}
	return b
}

// tables are the charts of a page as CSV, by name.
func tables(t testing.TB, p *report.Page) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, c := range p.Charts {
		var b strings.Builder
		if err := c.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		all[c.Name] = b.String()
	}
	return all
}

// rows are the lines of a CSV without the names of its columns, by the first column.
func rows(t testing.TB, text string) (names []string, by map[string]map[string]string) {
	t.Helper()
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	by = map[string]map[string]string{}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		if by[line[0]] != nil {
			t.Fatalf("%q stands there twice", line[0])
		}
		by[line[0]] = row
		names = append(names, line[0])
	}
	return names, by
}

func pageOf(t testing.TB, p *report.Page) string {
	t.Helper()
	var b strings.Builder
	if err := p.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is another one; the first difference: %s", name, difference(string(want), got))
	}
}

func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\nwant %.400s\ngot  %.400s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines for %d", len(b), len(a))
}

// same compares tables.
func same(t *testing.T, want, got map[string]string) {
	t.Helper()
	var names []string
	for name := range want {
		names = append(names, name)
	}
	for name := range got {
		if _, both := want[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		t.Error("there is nothing to compare")
	}
	for _, name := range names {
		if want[name] != got[name] {
			t.Errorf("%s: %s", name, difference(want[name], got[name]))
		}
	}
}
