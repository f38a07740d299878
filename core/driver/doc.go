// Package driver is the contract between the collector and a backend: the one
// package that a backend author reads. Tool authors need only the Driver values
// that backend packages export; people who run a tool need none of it.
//
// # The contract in six sentences
//
// Send makes at most one attempt at delivery and never retries. A nil error means
// that the vendor has every event of the batch. An unmarked error means "not known
// to be delivered": the collector keeps the batch and sends it again later with the
// same event IDs and timestamps. [Permanent] means that these bytes will never be
// accepted. [Throttled] is an unmarked error with a wait, which the collector caps.
// [Partial] names the events that were accepted and those that never will be, and
// [TooLarge] asks for smaller batches; where one event spoils a batch, [Refused] says
// which of the two holds.
//
// # Who does what
//
//	                    collector                      backend
//	consent             reads it again before Send     never asks
//	durability          keeps events until settled     keeps nothing after Send returns
//	retry, backoff      decides, across processes      never; one attempt
//	splitting           keeps batches within Limits    says TooLarge when that was not enough
//	rate                keeps below PerMinute          declares it where the vendor has one
//	deadline            sets it on the context         honours it, also while connecting
//	identity, time      fixed before Send, stable      passes them on unchanged
//	environment         reads what consent needs       reads none of it, nor the host's names
//	                                                   (proxies: driverhttp.NewTransport does)
//	context of a run    finds out, when it records     passes it on: what sends is another process
//	folding, sampling   adds up before Send            passes Count and SampleRate on, as one event
//	words of lists      has the lists, which grow      passes on those that it does not know
//	errors              reported by status             hold no secret and no event content
//
// A vendor may accept an event and warn of something, as of one that no person will be able to
// have deleted. Then Send returns a Partial that accepts, with the Warnings that the driver
// declares: the collector counts them, and people are told what they mean.
//
// Which status of the vendor's means what is the backend's to say: OTLP forbids
// sending again after a 500, Datadog and PostHog expect it. Not every answer is the
// vendor's. Login pages of networks, filters of companies and proxies answer too, with
// any status: a refusal loses events only if it is one of those with which the vendor
// judges events, in the form in which the vendor does it. All else is an unmarked error
// or Throttled. Nor is a web page ever an acceptance, whatever its status, or the 202 with
// which a cloud's firewall challenges a client.
//
// # What an event does not have
//
// An event without a class of error, an agent or a run arrives without: no "unknown", no
// session that the backend makes up. Where a vendor insists on a name or a person, they are
// made of the event itself, such as its ID. What is false may be left out, as may buckets at
// the end of Durations that hold nothing; an exit code and a duration of 0 may not. A vendor
// that has no place for a field goes without it, and the backend's conformance test says so,
// with the reason.
//
// # Vendors that do not answer
//
// Syslog over TCP and StatsD over UDP have no answer that could be an acceptance. There a
// nil error means the most that can be known, and Driver.Accepted says what it does not:
//
//	TCP    the receiver ended the connection in order, after the backend had written
//	       everything and ended its own side. That the system took the bytes is not
//	       enough: a reset throws them away.
//	UDP    the system took every datagram whole. Whether one arrived is not known.
//
// What is not encrypted goes to this machine only, unless Config.Insecure is set. All else
// is as over HTTP: one attempt, the deadline also while the receiver does not read, nothing
// kept. An event that is larger than the vendor's messages may be is never cut: it is
// refused, by the driver's Limits or as Rejected. Package drivernet does most of it.
//
// # Mistakes of authors
//
// Resolve tells those in one setting, Driver.Check those that no setting shows by itself. The
// collector asks both whenever a tool starts: with a mistake telemetry is off, no person is asked
// or thanked, and status names it. What only Open told would be found when events are sent, by
// people who can mend nothing. So a driver whose Open returns a [ConfigError] has a Check that
// returns it too; one body serves both.
//
// A driver is a value. A tool lists the drivers that it links, and
// TelemetryConfig.Backend picks one of them by name. There is no registry and no
// blank import, so the list in main is the list of vendors that a binary can reach.
package driver
