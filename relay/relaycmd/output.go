//go:build !notelemetry

package relaycmd

import "time"

// schemaVersion is that of docs/reference/relay-output.schema.json, and the first field of each
// document that a command prints. It grows when a field gets another meaning or goes.
const schemaVersion = 1

// output is a kind of document.
type output struct {
	name string // in the schema
	doc  string // which command prints it
	of   any
}

// outputs are all that commands print for programs. Their names, and those of their fields, are stable.
func outputs() []output {
	return []output{
		{"check", "serve --check", checkJSON{}},
		{"deletions_list", "deletions list", listJSON{}},
		{"deletion", "deletions show, and a line of deletions export", documentJSON{}},
		{"deletions_add", "deletions add", addedJSON{}},
		{"deletions_retry", "deletions retry", retriedJSON{}},
		{"deletions_verify", "deletions verify", auditJSON{}},
		{"deletions_verify_export", "deletions verify-export", signedJSON{}},
		{"delete", "delete, also with --cancel, --wait and --status RECEIPT", requestedJSON{}},
		{"delete_found", "delete --dry-run and --status without a receipt", foundJSON{}},
		{"migrate", "migrate", importedJSON{}},
	}
}

// documentJSON is a deletion by itself.
type documentJSON struct {
	SchemaVersion int `json:"schema_version"`
	deletionJSON
}

// listJSON is what writeList writes, a deletion at a time.
type listJSON struct {
	SchemaVersion int            `json:"schema_version"`
	Deletions     []deletionJSON `json:"deletions"`
}

type addedJSON struct {
	SchemaVersion int    `json:"schema_version"`
	ID            string `json:"id"`
	// New is false where the ledger had it already.
	New   bool      `json:"new"`
	DueAt time.Time `json:"due_at"`
}

type retriedJSON struct {
	SchemaVersion int    `json:"schema_version"`
	ID            string `json:"id"`
	// Vendors are asked again.
	Vendors []string `json:"vendors"`
}

// signedJSON is what a signature says of an export that is as it was signed.
type signedJSON struct {
	SchemaVersion int `json:"schema_version"`
	statement
}

type requestedJSON struct {
	SchemaVersion int    `json:"schema_version"`
	MachineID     string `json:"machine_id"`
	Tool          string `json:"tool,omitempty"`
	Vendor        string `json:"vendor"`
	// RequestedAt is to be said again when the same is asked for once more.
	RequestedAt time.Time   `json:"requested_at,omitzero"`
	Receipt     receiptJSON `json:"receipt"`
}

// importedJSON is what was taken over of a ledger in a file.
type importedJSON struct {
	SchemaVersion int    `json:"schema_version"`
	Lines         int64  `json:"lines"`
	Deletions     int64  `json:"deletions"`
	Head          string `json:"head"`
	// TornBytes are of a last line that was never written to its end.
	TornBytes int64 `json:"torn_bytes"`
}
