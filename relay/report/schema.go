//go:build !notelemetry

package report

import "github.com/gotoolbase/telemetry/relay/store"

// Schema is the tables of this package, for store.Open.
//
// What an operator may want to query is report_cells, of windows that are closed: a row is one
// value of one dimension in one window, with its counts. While a window is open, its
// installations are in report_sketches, and -1 in report_cells.
func Schema() store.Schema {
	return store.Schema{Name: "report", Steps: []string{
		// seal is the window's key, and empty once it is closed. turns counts who locked the row.
		`CREATE TABLE report_windows (
			kind TEXT NOT NULL,
			start BIGINT NOT NULL,
			closes BIGINT NOT NULL,
			closed BIGINT NOT NULL,
			turns BIGINT NOT NULL,
			seal BLOB NOT NULL,
			PRIMARY KEY (kind, start))`,
		`CREATE TABLE report_cells (
			tool TEXT NOT NULL,
			kind TEXT NOT NULL,
			start BIGINT NOT NULL,
			dimension TEXT NOT NULL,
			value TEXT NOT NULL,
			events BIGINT NOT NULL,
			ended BIGINT NOT NULL,
			failures BIGINT NOT NULL,
			ms_10 BIGINT NOT NULL, ms_25 BIGINT NOT NULL, ms_50 BIGINT NOT NULL, ms_100 BIGINT NOT NULL,
			ms_250 BIGINT NOT NULL, ms_500 BIGINT NOT NULL, ms_1000 BIGINT NOT NULL, ms_2500 BIGINT NOT NULL,
			ms_5000 BIGINT NOT NULL, ms_10000 BIGINT NOT NULL, ms_30000 BIGINT NOT NULL, ms_60000 BIGINT NOT NULL,
			ms_300000 BIGINT NOT NULL, ms_more BIGINT NOT NULL,
			installations BIGINT NOT NULL,
			tail BIGINT NOT NULL,
			PRIMARY KEY (kind, start, tool, dimension, value))`,
		`CREATE TABLE report_sketches (
			tool TEXT NOT NULL,
			kind TEXT NOT NULL,
			start BIGINT NOT NULL,
			dimension TEXT NOT NULL,
			value TEXT NOT NULL,
			hashes BLOB NOT NULL,
			PRIMARY KEY (kind, start, tool, dimension, value))`,
		// What a process wrote last: a batch whose end was not known is not written again.
		`CREATE TABLE report_writers (
			id TEXT PRIMARY KEY,
			batch BIGINT NOT NULL,
			at BIGINT NOT NULL)`,
	}}
}

// counted are the columns of report_cells that are added up.
const counted = `events, ended, failures, ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_30000, ms_60000, ms_300000, ms_more`

const addCell = `INSERT INTO report_cells (tool, kind, start, dimension, value, ` + counted + `, installations, tail)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, -1, -1)
	ON CONFLICT (kind, start, tool, dimension, value) DO UPDATE SET
	events = report_cells.events + excluded.events, ended = report_cells.ended + excluded.ended,
	failures = report_cells.failures + excluded.failures,
	ms_10 = report_cells.ms_10 + excluded.ms_10, ms_25 = report_cells.ms_25 + excluded.ms_25,
	ms_50 = report_cells.ms_50 + excluded.ms_50, ms_100 = report_cells.ms_100 + excluded.ms_100,
	ms_250 = report_cells.ms_250 + excluded.ms_250, ms_500 = report_cells.ms_500 + excluded.ms_500,
	ms_1000 = report_cells.ms_1000 + excluded.ms_1000, ms_2500 = report_cells.ms_2500 + excluded.ms_2500,
	ms_5000 = report_cells.ms_5000 + excluded.ms_5000, ms_10000 = report_cells.ms_10000 + excluded.ms_10000,
	ms_30000 = report_cells.ms_30000 + excluded.ms_30000, ms_60000 = report_cells.ms_60000 + excluded.ms_60000,
	ms_300000 = report_cells.ms_300000 + excluded.ms_300000, ms_more = report_cells.ms_more + excluded.ms_more`

// args are the values of a group and what is counted of it, in the order of the columns.
func (n numbers) args(g group) []any {
	list := []any{g.tool, string(g.kind), g.start, string(g.dim), g.value, n.events, n.ended, n.failures}
	for _, v := range n.buckets {
		list = append(list, v)
	}
	return list
}

// scanned are pointers to what is counted, in the order of the columns.
func (n *numbers) scanned() []any {
	list := []any{&n.events, &n.ended, &n.failures}
	for i := range n.buckets {
		list = append(list, &n.buckets[i])
	}
	return list
}
