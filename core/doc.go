// Package core is the collector: it records what a tool does, on disk and only with
// the user's yes, and has it sent without being felt. Tool authors call [Open] once,
// early in main, and the methods of the Collector after that; with cobra,
// telemetrycmd.Wire does the rest. [NewManager] is the user's side of the same
// installation: what `mytool telemetry …` does.
//
// # The way of an event
//
//	Command          a note that it runs, which becomes its event if
//	                 nothing else does                                     started.go, internal/spool
//	Track, End       is the slot still ours, and its receipt in force?     slot.go, consent
//	  ├ (first)      decide → receipt → a slot whose head names it         consent, internal/spool
//	  ├ scrub        closed fields + the author's metadata                 collector.go, internal/redact
//	  └ append       one JSON line to the slot: it is durable              encode.go, internal/spool
//	Close            is an upload due? then start one, and do not wait     collector.go, background.go
//	  └ process      notes that it began, takes the one-uploader lock      background.go, internal/delivery
//	     └ route     where may this slot go? its receipt says, and the
//	                 present answer still has to allow it                  upload.go
//	        └ Send   noted first, then one attempt a batch                 core/driver, backends/…
//	           └ ack settled in the queue; anything else is kept, counted
//	                 or waited for, as the error's class says
//
// A receipt is a decision as it was made: who decided, for which receiver and which fields,
// and whether events may leave this machine (see package consent). What is stored knows its
// receipt, so no later process has to guess under which promise it was recorded.
package core
