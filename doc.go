// Package telemetry is the root of a module for opt-in telemetry in command-line tools, and holds
// nothing but this page. Start where you are:
//
//	You                                      read
//	write a tool in Go                       core/props, what a tool declares
//	  with cobra                             cmd/telemetry/telemetrycmd
//	  with package flag, or another library  core/console
//	  without a line for it                  core
//	  and test it                            core/coretest
//	write a tool in another language, or     cmd/telemetry, a program, and
//	scripts                                  core/toolfile, the file that it reads
//	choose where events go                   backends/posthog, backends/datadog, backends/otlp,
//	                                         backends/segment, backends/amplitude,
//	                                         backends/httpjson, backends/file,
//	                                         backends/stdout, backends/noop
//	write a backend                          core/driver, the contract;
//	                                         core/driver/driverhttp and core/driver/drivernet,
//	                                         the clients; conformance, the tests
//	  in another language                    cmd/telemetry-conformance
//	have data deleted from within a tool      deletion, deletion/httpjson
//	write a requestor for a vendor           deletion, with deletion/posthog, deletion/datadog,
//	                                         deletion/segment and deletion/amplitude as
//	                                         examples; conformance
//	run a gateway                            cmd/telemetry-relay, a program
//	  with a list of vendors of your own     relay/relaycmd
//	  within a service of your own           relay/events, relay/deletions, relay/opendsr,
//	                                         relay/report, relay/store
//	want to know who may decide, and how     core/consent
//	change this module                       CONTRIBUTING.md and docs/explanation/design.md
//
// A tool links the backends that it lists and none of the others; core itself needs only the
// standard library.
package telemetry
