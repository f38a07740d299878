//go:build !notelemetry

// Package deletions is the operator's side of deletion: the service to which the tools of one
// organisation send a person's `reset`. It checks that a request comes from the
// installation itself, answers with a receipt, writes all that happens into a ledger, and
// asks the vendors until each has shown that the data is gone.
//
// Read it if you run that service from a program of your own, or change telemetry-relay. It is
// not for tools: it holds requestors with keys that can delete anybody's data. Tools send their
// requests with deletion/httpjson, and need only package deletion.
//
//	db, err := store.Open(ctx, "sqlite:/var/lib/telemetry/relay.db", deletions.Schema())
//	...
//	defer db.Close()
//	r, err := deletions.New(deletions.Config{
//		Ledger: deletions.NewLedger(db),
//		Tools:  map[string][]deletions.Vendor{"mytool": {{Name: "posthog", Requestor: posthog, Canary: id}}},
//		Log:    slog.Default(),
//	})
//	...
//	server := deletions.NewServer(r)
//	server.Addr = "localhost:8080"
//	go server.ListenAndServe()
//	err = r.Run(ctx) // until ctx ends; then server.Shutdown
//
// # The protocol
//
//	POST /v1/deletions
//	{"machine_id": "<32 hex>", "deletion_key": "<64 hex>", "tool": "mytool", "requested_at": "<RFC 3339>"}
//
//	202  accepted: {"id": "…", "state": "acknowledged", "detail": "…", "requested_at": "…"}
//	200  accepted before: the same receipt in its present state; no vendor is asked again
//	400  invalid_request          403  proof_mismatch          404  unknown_tool
//	405  method_not_allowed       413  too_large               415  unsupported_media_type
//	429  rate_limited, 503 ledger_unavailable: come back after Retry-After
//
//	GET /v1/deletions/<id>
//
//	200  the receipt; state is acknowledged, verified (with "verified_at") or refused
//	404  unknown_receipt: ask again with a POST
//
// Refusals are {"error": "<word>"}. A receipt is refused while a vendor refuses: the
// operator has to act, and after Ledger.Retry it is acknowledged again. requested_at is only
// repeated in the receipt: a tool's clock decides nothing here. A request that comes when
// nothing is under way any more begins a new deletion, since something was sent since.
//
// Relay.Admin serves GET /healthz (200 or 503) and GET /metrics (Prometheus' text format), which
// are nobody's business on the network that tools come from.
//
// # What is known, and where
//
// A deletion key is compared and forgotten. Machine IDs are in the ledger, which keeps
// them as evidence that the deletion was asked for and done, and nowhere else: not in logs
// and not in metrics. Addresses are hashed with a key of this process for the rate limit, and
// are neither stored nor logged; of the hash, 12 bits are stored until a vendor has taken the
// request, so that all networks have their turns. A receipt's ID is random and tells only the
// state.
//
// # The ledger
//
// It is in a database, SQLite or PostgreSQL; Schema lists the tables. What happened is in
// deletion_steps, which is only added to: a line of JSON each, with its number ("seq") and the
// SHA-256 of the line before it ("prev"). The present state of each deletion is beside it, written
// in the same transaction, and so are the numbers for the metrics. Ledger.Verify holds the lines
// against the chain and the states against the lines, so that whatever was changed, moved or
// removed shows. What does not show is that somebody wrote the whole ledger anew: who wants to
// see that too keeps the head somewhere else. A relay logs it once a day.
//
// A request is answered when it is durable. That a vendor is going to be asked is durable before
// it is, and what it said right after. So whatever is killed when, nothing that was acknowledged
// is forgotten, and a vendor is asked a second time only for what it was being asked when the
// process died. Requests and answers that come at the same time share a transaction.
//
// # Several processes
//
// Any number of relays may use one database. Each claims what is due for ten minutes, with locks
// on the rows; what a process had when it died is anybody's after that. A call takes two minutes
// at most, and an answer that comes after another process has taken over is dropped and told. A
// vendor that wants no call for a while is left alone by all.
//
// # Turns
//
// Everybody can make up a machine ID with its key, and a vendor takes so many calls an hour. So
// deletions that are due are asked for by turns: one of each network that has some waiting, then a
// second one of each. Who makes up many waits behind themselves. A forged proof is charged to
// nobody's limit. Where the vendor's requestor is a deletion.Bulk, those whose turn it is share a
// call.
//
// # Verified
//
// A deletion is verified when every vendor says that it has deleted, and
//
//	canary   a machine is found there that is known to be there, looked up at the start and once
//	         a day: with a key for the wrong project, nothing would be found of anybody
//	count    the vendor counts nothing of this one any more, where it can count
//	later    a week later it is counted once more; if something came in late, that is told, and
//	         the vendor is asked again
//
// A vendor that can neither find nor count is believed. What a person deleted by hand is Done and
// not verified, with who says so and how.
//
// # Time
//
// Vendors are asked after a quiet period (Config.Quiet). Such waits, and leases, go by a clock of
// the ledger's own, which counts the time that passes while a relay runs and does not see when a
// machine's clock is set. What passed while no relay ran is known from the machine's clock
// alone: it counts for nothing where that went backwards, and for half a quiet period at most
// where it went forwards. So a clock that is wrong by years when a relay starts shortens a wait by
// half a period at most, once for each start, and one that is put back never does. The price: a
// relay that was down for longer than that half waits so much longer. Due dates are dates, and go
// by the machine's clock.
//
// The times that vendors get are never before any time that the ledger holds already. So a
// clock that was ahead for a while makes them late, which spares no data; early ones might.
package deletions
