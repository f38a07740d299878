// Package core is the collector: it records what a tool does, on disk and only with
// the user's yes, and has it sent without being felt. Tool authors call [Open] once,
// early in main, and the methods of the Collector after that; with cobra,
// telemetrycmd.Wire does the rest. [NewManager] is the user's side of the same
// installation: what `mytool telemetry …` does.
//
// # The way of an event
//
//	Track          closed fields + the author's metadata, scrubbed       collector.go
//	  └ encode     once, as one JSON line                                driver.Event.AppendJSON
//	     └ append  to this process's slot of the queue: it is durable    internal/spool
//	Close          is an upload due? then start one, and do not wait     upload.go, internal/detach
//	  └ child      takes the one-uploader lock, reads consent again      internal/delivery
//	     └ Send    one attempt a batch, within the driver's limits       core/driver, backends/…
//	        └ ack  settled in the queue; anything else is kept, counted
//	               or waited for, as the error's class says
package core
