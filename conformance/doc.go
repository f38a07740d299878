// Package conformance is the driver contract as a program. Authors of backends and of
// deletion requestors read it; tool authors and people who run a tool need none of it.
//
// A backend's test describes the backend once, as a [Subject], and hands it to [Run].
// The suite plays the vendor: it owns the server, every fault on the way to it, the
// environment that must not leak, and a real collector in front.
//
//	Subject   the driver, what the vendor's documentation says, how a request is read
//	   └ Run   every check on its own server, several at a time, each with a watchdog
//	        ├ delivery/    nil only on acceptance, one attempt, deadlines, every event once
//	        ├ fidelity/    every field arrives as it was
//	        ├ privacy/     nothing arrives that the event does not explain
//	        ├ lifecycle/   nothing is left behind
//	        ├ driver/      the driver says of itself what is true
//	        └ collector/   the same behind the real queue: failures, kills, eight processes
//
// A requestor's test describes it as a [DeletionSubject] and hands it to [RunDeletion]: the
// checks deletion/ try every status, fault and mangled answer at each of its calls, most of
// them on a transport in memory, and once more in planted surroundings.
//
// A server that takes what the http backend posts, such as a gateway, is described as an
// [Intake] and handed to [RunIntake].
//
// # What a pass means
//
// A finding is a broken promise: no check fails on a backend that keeps the contract,
// whatever its vendor does, on however slow a machine. The reverse does not hold: a suite
// sees what it looks at. Each check is known to fail on at least one broken backend, or the
// tests of this package fail, and REPORT.md counts those backends.
//
// # What may not be asserted
//
// How fast a backend is; how many connections it uses, unless each Send leaves one; what its
// errors say, beyond what they must not; which of several right classes a vendor's answer
// has, which is the subject's to say, from the vendor's documentation.
//
// # As it ships
//
// The collector hands every backend a Config.Transport, as the suite does in this process.
// Programs that open a backend themselves hand over none, and what it does then with
// certificates, redirects and proxies is its own affair. So every check is made twice: here,
// through a Config.Transport of the suite's, and in another process without, where the
// environment names a proxy and a certificate authority of the suite's and everything else
// in it is planted. There one check follows the other, so that what each leaves behind can
// be laid at its door:
//
//	watched                         where                   what is not seen
//	goroutines, connections, files  everywhere              timers that fire less than once a second
//	what is printed                 everywhere
//	variables and files read        in tests, by the log    what is read with package syscall
//	                                of what a test reads
//	files written                   in the home, cache,     files elsewhere, unless package os
//	                                temporary and working   opens them
//	                                directories
//	processes started               Linux
//	connections, datagrams          Linux, where a process  elsewhere, what does not use
//	                                may have a network of   http.DefaultTransport or
//	                                its own                 net.DefaultResolver
//	state of the process            everywhere              handlers of signals, but for the
//	                                                        first
//	requests without a Send         everywhere              those that come after the process's
//	                                                        end, some seconds later
//
// A variable that a backend looks up is then set, and some checks are made again.
//
// Beside these, the environment is planted in a process whose requests are compared with
// those from here, and one is killed between an answer and the deletion of what it
// acknowledged. All of them are the test binary again, which comes back to the same Run by
// the test's name. A test therefore does nothing costly before it calls Run.
//
// # Other languages
//
// [VerifyProgram] verifies a backend that is a program of its own, in any language, with a
// vendor that [ReadVendor] reads from a file; the program cmd/telemetry-conformance does so.
// The program is one more driver to the suite: each Open starts a process, whose only way to
// the vendor is a proxy. WIRE.md has the protocol and the file.
//
// # Versions
//
// The contract has a version, [ContractVersion], whose comment says what raises it; every
// [Check] says which version brought it, and an ID never changes its meaning. CHANGELOG.md
// beside this file is the contract's, REPORT.md what our own backends do about it.
//
// # Flags
//
//	-report DIR               write DIR/<subject>.json, which report.schema.json describes
//	-short                    leave out the checks that wait for seconds or start many
//	                          processes; they are skipped, and the report says so
//	-conformance.seed N       replay a run of the random failures
//	-conformance.patience F   multiply every deadline, for a slow machine
package conformance
