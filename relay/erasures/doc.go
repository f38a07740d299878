//go:build !notelemetry

// Package erasures is the operator's side of erasure: the service to which the tools of one
// organisation send a person's `reset`. It checks that a request comes from the
// installation itself, answers with a receipt, writes all that happens into a ledger, and
// asks the vendors until each has shown that the data is gone.
//
// Read it if you run that service from a program of your own, or change `telemetry
// relay`. It is not for tools: it holds requestors with keys that can erase anybody's
// data. Tools send their requests with deletion/httpjson, and need only package deletion.
//
//	ledger, err := relay.OpenLedger("/var/lib/erasures")
//	...
//	defer ledger.Close()
//	r, err := relay.New(relay.Config{
//		Ledger: ledger,
//		Tools:  map[string][]relay.Vendor{"mytool": {{Name: "posthog", Requestor: posthog}}},
//		Log:    slog.Default(),
//	})
//	...
//	server := relay.NewServer(r)
//	server.Addr = "localhost:8080"
//	go server.ListenAndServe()
//	err = r.Run(ctx) // until ctx ends; then server.Shutdown
//
// # The protocol
//
//	POST /v1/erasures
//	{"machine_id": "<32 hex>", "erasure_key": "<64 hex>", "tool": "mytool", "requested_at": "<RFC 3339>"}
//
//	202  accepted: {"id": "…", "state": "acknowledged", "detail": "…", "requested_at": "…"}
//	200  accepted before: the same receipt in its present state; no vendor is asked again
//	400  invalid_request          403  proof_mismatch          404  unknown_tool
//	405  method_not_allowed       413  too_large               415  unsupported_media_type
//	429  rate_limited, 503 ledger_unavailable: come back after Retry-After
//
//	GET /v1/erasures/<id>
//
//	200  the receipt; state is acknowledged, verified (with "verified_at") or refused
//	404  unknown_receipt: ask again with a POST
//
// Refusals are {"error": "<word>"}. A receipt is refused while a vendor refuses: the
// operator has to act, and after Retry it is acknowledged again. requested_at is only
// repeated in the receipt: a tool's clock decides nothing here.
//
// GET /healthz answers 200 or 503, GET /metrics in Prometheus' text format. Relay serves
// all of it; where the metrics are nobody's business, serve Public and Admin separately.
//
// # What is known, and where
//
// An erasure key is compared and forgotten. Machine IDs are in the ledger, which keeps
// them as evidence that the erasure was asked for and done, and nowhere else: not in logs
// and not in metrics. Addresses are hashed with a key of this process for the rate limit,
// and are neither stored nor logged. A receipt's ID is random and tells only the state.
//
// # The ledger
//
// One file of JSON lines that is only appended to. A line holds its number ("seq"), the
// SHA-256 of the line before it ("prev"), and a checksum of itself ("crc"), so that a line
// that was changed, moved or removed shows, and which. What does not show is that lines
// are missing at the very end, or that somebody wrote the whole file anew: who wants to see
// that too keeps the Head that Verify returns somewhere else.
//
// A request is answered when its line is on the disk. That a vendor is going to be asked is
// on the disk before it is, and what it said right after. So whatever is killed when,
// nothing that was acknowledged is forgotten, and at worst a vendor is asked a second time
// for what it was being asked when the process died.
//
// An erasure with one vendor takes four lines, 1.3 KB in all (each further vendor 0.9 KB),
// and half a kilobyte of memory. A failed attempt takes another 0.5 KB; there are at most
// six a day once a vendor has been away for some hours. So a million erasures are 1.3 GB
// on disk and 15 seconds at a start, and there is no compaction.
//
// # Time
//
// Vendors are asked after a quiet period (Config.Quiet). Such waits go by a clock of the
// ledger's own, which counts the time that passes while the relay runs and does not see
// when the machine's clock is set. What passed while no relay ran is known from the
// machine's clock alone: it counts for nothing where that went backwards, and for half a
// quiet period at most where it went forwards. So a clock that is wrong by years when the
// relay starts shortens a wait by half a period at most, once for each start, and one that
// is put back never does. The price: a relay that was down, or was killed after hours in
// which it had nothing to write, for longer than that half, waits so much longer.
//
// The times that vendors get are never before any time that the ledger holds already. So a
// clock that was ahead for a while makes them late, which spares no data; early ones might.
package erasures
