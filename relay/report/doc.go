//go:build !notelemetry

// Package report counts what comes in, and makes a page of it: how many installations are
// active, what they run, how that ends and how long it takes, and who comes back. It is for
// the gateway's program, and for those who build one of their own.
//
//	rollups, err := report.Open(ctx, db, report.Options{})   // db was opened with report.Schema()
//	go rollups.Run(ctx)                                      // writes, every ten seconds
//	rollups.Add("mytool", events, time.Now())                // once they are accepted
//
//	data, err := report.Read(ctx, db, "mytool", time.Now())
//	page := data.Page(report.PageOptions{K: 5})
//	err = page.WriteHTML(w)
//
// [Counter] counts events from files instead, by the same rules.
//
// # What is kept
//
// Counts of days and weeks (UTC, weeks begin on Monday): events, how many of them ended and
// failed, a histogram of durations, and how many installations there were. The last needs to
// know which were seen before. For that a window, which is a day, a week, or a week with the
// eight after it, has a random key of its own, and what is kept of an installation is a few
// bytes of a keyed hash (HMAC) of its ID. Three days after its end, which is for what comes
// late, a window is closed: the hashes become numbers and the key is erased. Nothing is added
// to it then, so what was published of it stays as it was. docs/explanation/report.md says more.
//
// # What is guaranteed
//
// A batch is written in one transaction and once, also where the end of a transaction is not
// known. What a process that is killed had not written, at most ten seconds of counts, is
// missing. An event that comes twice is counted once where the same process saw it among its
// last 65 536 events or more; another replica counts it again. Installations are never
// counted twice. Counts are no evidence: what was deleted, and shown to be, is in the ledger.
package report
