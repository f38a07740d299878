//go:build !notelemetry

package opendsr

import "github.com/gotoolbase/telemetry/relay/store"

// Schema is the tables of this package.
func Schema() store.Schema {
	return store.Schema{Name: "opendsr", Steps: []string{
		// told is the status that the callbacks are about, and look_at when it is looked whether
		// that is still so, 0 once it cannot change any more.
		`CREATE TABLE opendsr_requests (
			controller TEXT NOT NULL, request TEXT NOT NULL,
			received BIGINT NOT NULL, expected BIGINT NOT NULL, digest BLOB NOT NULL,
			told TEXT NOT NULL, look_at BIGINT NOT NULL,
			PRIMARY KEY (controller, request))`,
		`CREATE INDEX opendsr_looks ON opendsr_requests (look_at)`,
		`CREATE TABLE opendsr_erasures (
			controller TEXT NOT NULL, request TEXT NOT NULL, tool TEXT NOT NULL, receipt TEXT NOT NULL,
			PRIMARY KEY (controller, request, receipt))`,
		// status is what is to be told, and call_at when, 0 once it was told or given up.
		`CREATE TABLE opendsr_callbacks (
			controller TEXT NOT NULL, request TEXT NOT NULL, url TEXT NOT NULL,
			status TEXT NOT NULL, attempts BIGINT NOT NULL, since BIGINT NOT NULL, call_at BIGINT NOT NULL,
			PRIMARY KEY (controller, request, url))`,
		`CREATE INDEX opendsr_calls ON opendsr_callbacks (call_at)`,
		`ALTER TABLE opendsr_erasures RENAME TO opendsr_deletions`,
	}}
}
