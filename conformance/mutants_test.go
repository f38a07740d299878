package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/stdout"
	"github.com/gotoolbase/telemetry/core/driver"
)

// modelState is for mutants that remember.
type modelState struct {
	sending sync.RWMutex
	mu      sync.Mutex
	kept    []driver.Event
	files   []*os.File
	last    error
	answers int
	n       atomic.Int64
}

// mutant is a backend with one thing wrong with it, and the checks that must say so: all
// of them, and no other.
type mutant struct {
	name    string
	kind    string // set by mutants
	subject Subject
	fails   string // IDs; a trailing * stands for a group
	may     string // what may fail too, by an accident of timing
	serial  bool   // its flaw is in what backends share, so checks must not run at once
	shipped bool   // its flaw shows only without Config.Transport, or in what is left of a process
	meets   string // what has to be made for the flaw to show, beside what fails
}

// sample are the checks in which a mutant of the process is met: all of them, for each,
// would cost more than everything else and show no more.
func (m mutant) sample() []string {
	if !m.shipped {
		return nil
	}
	return append(strings.Fields(m.fails+" "+m.meets), "delivery/200-as-documented")
}

func broken(name string, m model, fails string) mutant {
	return mutant{name: name, subject: modelSubject(m), fails: fails}
}

// orFails adds checks that may fail too, by an accident of timing.
func (m mutant) orFails(may string) mutant {
	m.may = may
	return m
}

func mutants() []mutant {
	return slices.Concat(
		ofKind("delivery", deliveryMutants()),
		ofKind("answers", answerMutants()),
		ofKind("fidelity", fidelityMutants()),
		ofKind("batches", batchMutants()),
		ofKind("context", contextMutants()),
		ofKind("privacy", privacyMutants()),
		ofKind("lifecycle", lifecycleMutants()),
		ofKind("local", localMutants()),
		ofKind("instances", instanceMutants()),
		ofKind("shipped", shippedMutants()),
		ofKind("sockets", socketMutants()),
		ofKind("reference", referenceMutants()),
	)
}

func ofKind(kind string, list []mutant) []mutant {
	for i := range list {
		list[i].kind = kind
	}
	return list
}

func mutantNamed(t *testing.T, name string) mutant {
	t.Helper()
	for _, m := range mutants() {
		if m.name == name {
			return m
		}
	}
	t.Fatalf("no mutant is called %s", name)
	return mutant{}
}

func TestTheModelKeepsTheContract(t *testing.T) {
	t.Parallel()
	Run(t, modelSubject(model{}))
}

func TestEveryMutantFailsExactlyItsChecks(t *testing.T) {
	t.Parallel()
	proven := map[string]bool{}
	ran := 0
	list := mutants()
	if testing.Short() { // the first of each kind, to see that the suite sees at all
		list = slices.CompactFunc(list, func(a, b mutant) bool { return a.kind == b.kind })
	}
	// Mostly they wait for deadlines, so ten keep two processors busy. Sixteen kept them so
	// busy that the collector gave up a lock, and a check failed that should not.
	const mutantsAtOnce = 10
	turn := make(chan struct{}, mutantsAtOnce)
	reports := make([]func() Report, len(list))
	for i, m := range list {
		name := t.Name() + "/" + m.name
		reports[i] = sync.OnceValue(func() Report {
			turn <- struct{}{}
			defer func() { <-turn }()
			return verify(&m.subject, options{reach: reachTest(name), name: name, serial: m.serial, unshipped: !m.shipped, shippedOnly: m.shipped, sample: m.sample(), fewProcesses: true, seed: 1})
		})
		if !playing() && selected(name) {
			go reports[i]()
		}
	}
	for i, m := range list {
		t.Run(m.name, func(t *testing.T) {
			if playing() {
				playChild(t.Name(), &m.subject)
				return
			}
			report := reports[i]()
			for _, problem := range report.Problems {
				t.Error(problem)
			}
			got, want := report.Failures(), expand(t, m.fails)
			slices.Sort(got)
			for _, id := range got {
				if !slices.Contains(want, id) && !slices.Contains(expand(t, m.may), id) {
					t.Errorf("fails %s, which it should pass:\n%s", id, resultOf(report, id))
				}
			}
			for _, id := range want {
				if !slices.Contains(got, id) {
					t.Errorf("passes %s, which it should fail", id)
				}
			}
			if t.Failed() {
				t.Logf("fails exactly in %v:\n%s", report.Took, strings.Join(got, " "))
			}
			ran++
			for _, id := range want {
				proven[id] = slices.Contains(got, id) || proven[id]
			}
		})
	}
	if ran < len(mutants()) {
		return // only some were asked for
	}
	for _, c := range Checks() {
		if !proven[c.ID] {
			t.Errorf("%s is unproven: no mutant fails it, so nobody knows whether it can fail; add one", c.ID)
		}
	}
}

// selected reports whether -run selects the subtest.
func selected(name string) bool {
	patterns := strings.Split(flag.Lookup("test.run").Value.String(), "/")
	for i, part := range strings.Split(name, "/") {
		if i < len(patterns) {
			if matched, err := regexp.MatchString(patterns[i], part); err != nil || !matched {
				return false
			}
		}
	}
	return true
}

func resultOf(r Report, id string) string {
	for _, result := range r.Results {
		if result.ID == id {
			return result.String()
		}
	}
	return ""
}

// expand returns the IDs that a list means.
func expand(t *testing.T, list string) []string {
	t.Helper()
	var ids []string
	for _, word := range strings.Fields(list) {
		found := false
		for _, c := range Checks() {
			if prefix, group := strings.CutSuffix(word, "*"); c.ID == word || group && strings.HasPrefix(c.ID, prefix) {
				ids, found = append(ids, c.ID), true
			}
		}
		if !found {
			t.Errorf("%s is no check", word)
		}
	}
	return ids
}

var errModel = errors.New("model: failed")

func deliveryMutants() []mutant {
	return []mutant{
		broken("swallows-errors", model{
			broken: func(*modelBackend, *http.Request, error) error { return nil },
			judge:  func(*modelBackend, []driver.Event, *http.Response, []byte) error { return nil },
		}, `
			delivery/retry-after-with-failures
			delivery/closed-before-answer delivery/closed-in-head delivery/each-its-own-deadline delivery/each-its-own-verdict
			delivery/challenge-not-accepted
			delivery/4xx-about-the-way delivery/answers-as-documented delivery/changed-acceptance delivery/edge-5xx
			delivery/emptied-acceptance delivery/endless-failure delivery/interim-answers delivery/mutated-answers
			delivery/other-2xx delivery/other-3xx delivery/other-4xx delivery/other-5xx delivery/page-of-any-type
			delivery/page-with-any-2xx-not-accepted
			collector/400-costs-one-event collector/413-splits collector/random-failures delivery/202-as-documented
			delivery/204-as-documented delivery/400-as-documented delivery/401-as-documented delivery/403-as-documented
			delivery/404-as-documented delivery/408-as-documented delivery/413-as-documented delivery/429-keeps-batch
			delivery/500-as-documented delivery/502-keeps-batch delivery/503-keeps-batch delivery/504-keeps-batch
			delivery/cancelled-before delivery/cancelled-during delivery/certificate-of-another-host delivery/cut-answer-not-accepted
			delivery/endless-answer delivery/expired-certificate delivery/garbage-answer-not-accepted delivery/hang-before-answer
			delivery/hang-in-answer delivery/hang-while-connecting delivery/html-not-accepted delivery/late-answer
			delivery/lookalike-not-accepted delivery/lookalike-not-refused delivery/partial-names-events delivery/warnings-counted delivery/redirect-not-followed
			delivery/refused-keeps-batch delivery/reset-before-answer delivery/reset-in-answer delivery/reset-in-request
			delivery/reset-on-connect delivery/retry-after-absurd delivery/retry-after-date delivery/retry-after-seconds
			delivery/slow-answer delivery/unknown-authority delivery/web-page-not-refused lifecycle/close-during-send`),
		broken("everything-is-permanent", model{
			broken: func(*modelBackend, *http.Request, error) error { return driver.Permanent(errModel) },
			judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
				return driver.Permanent(b.verdict(e, r, text))
			},
		}, `
			delivery/retry-after-with-failures
			delivery/closed-before-answer delivery/closed-in-head delivery/each-its-own-deadline delivery/each-its-own-verdict
			delivery/challenge-not-accepted
			delivery/4xx-about-the-way delivery/answers-as-documented delivery/edge-5xx delivery/endless-failure
			delivery/interim-answers delivery/other-2xx delivery/other-3xx delivery/other-4xx delivery/other-5xx
			delivery/page-of-any-type delivery/page-with-any-2xx-not-accepted
			collector/random-failures delivery/202-as-documented delivery/204-as-documented delivery/401-as-documented
			delivery/403-as-documented delivery/404-as-documented delivery/408-as-documented delivery/429-keeps-batch
			delivery/500-as-documented delivery/502-keeps-batch delivery/503-keeps-batch delivery/504-keeps-batch
			delivery/cancelled-before delivery/cancelled-during delivery/certificate-of-another-host delivery/cut-answer-not-accepted
			delivery/endless-answer delivery/expired-certificate delivery/garbage-answer-not-accepted delivery/hang-before-answer
			delivery/hang-in-answer delivery/hang-while-connecting delivery/html-not-accepted delivery/late-answer
			delivery/lookalike-not-accepted delivery/lookalike-not-refused delivery/redirect-not-followed delivery/refused-keeps-batch
			delivery/reset-before-answer delivery/reset-in-answer delivery/reset-in-request delivery/reset-on-connect
			delivery/retry-after-absurd delivery/retry-after-date delivery/retry-after-seconds delivery/slow-answer
			delivery/unknown-authority delivery/web-page-not-refused`),
		broken("everything-is-unmarked", model{
			judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
				if b.verdict(e, r, text) != nil {
					return errModel
				}
				return nil
			},
		}, `
			delivery/retry-after-with-failures
			delivery/answers-as-documented delivery/interim-answers delivery/retry-after-with-any-status
			collector/400-costs-one-event collector/413-splits delivery/400-as-documented delivery/401-as-documented
			delivery/403-as-documented delivery/404-as-documented delivery/413-as-documented delivery/partial-names-events delivery/warnings-counted
			delivery/retry-after-absurd delivery/retry-after-date delivery/retry-after-seconds`),
		broken("429-is-permanent", onStatus(429, driver.Permanent), `
			delivery/endless-failure delivery/other-4xx delivery/web-page-not-refused
			collector/random-failures delivery/429-keeps-batch delivery/retry-after-absurd delivery/retry-after-date
			delivery/retry-after-seconds`),
		broken("503-is-permanent", onStatus(503, driver.Permanent), `
			delivery/each-its-own-verdict
			delivery/endless-failure delivery/interim-answers delivery/other-5xx delivery/web-page-not-refused
			collector/random-failures delivery/503-keeps-batch delivery/retry-after-date delivery/retry-after-seconds`),
		broken("413-is-permanent", onStatus(413, driver.Permanent), `
			delivery/each-its-own-verdict
			delivery/other-4xx
			delivery/web-page-not-refused collector/413-splits delivery/413-as-documented`),
		broken("413-alone-is-permanent", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			if r.StatusCode == 413 {
				return driver.Refused(errModel, len(e))
			}
			return b.verdict(e, r, text)
		}}, "delivery/other-4xx delivery/413-as-documented delivery/web-page-not-refused"),
		broken("400-loses-the-batch", onStatus(400, driver.Permanent), `
			delivery/answers-as-documented delivery/interim-answers delivery/other-4xx delivery/page-of-any-type
			collector/400-costs-one-event delivery/400-as-documented delivery/lookalike-not-refused delivery/partial-names-events
			delivery/web-page-not-refused`),
		broken("400-alone-is-too-large", onStatus(400, driver.TooLarge), `
			delivery/answers-as-documented delivery/other-4xx delivery/page-of-any-type
			delivery/400-as-documented delivery/lookalike-not-refused delivery/partial-names-events delivery/web-page-not-refused`),
		broken("any-400-is-the-vendors", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if r.StatusCode == 400 && driver.Classify(err) == driver.ClassUnknown {
				return driver.Refused(err, len(e))
			}
			return err
		}}, "delivery/page-of-any-type delivery/lookalike-not-refused delivery/web-page-not-refused"),
		broken("404-of-a-portal-is-permanent", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			if r.StatusCode == 404 && isPage(r, text) {
				return driver.Permanent(errModel)
			}
			return b.verdict(e, r, text)
		}}, "delivery/web-page-not-refused"),
		broken("names-in-a-400-are-not-read", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if r.StatusCode == 400 && driver.Classify(err) == driver.ClassPartial {
				return driver.Refused(errModel, len(e))
			}
			return err
		}}, "delivery/partial-names-events"),
		broken("any-2xx-is-accepted", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			if r.StatusCode/100 == 2 {
				return nil
			}
			return b.verdict(e, r, text)
		}}, `
			delivery/challenge-not-accepted
			delivery/answers-as-documented delivery/changed-acceptance delivery/emptied-acceptance delivery/other-2xx
			delivery/page-of-any-type delivery/page-with-any-2xx-not-accepted
			collector/random-failures delivery/202-as-documented delivery/204-as-documented delivery/endless-answer
			delivery/garbage-answer-not-accepted delivery/html-not-accepted delivery/lookalike-not-accepted
			delivery/partial-names-events delivery/warnings-counted`),
		broken("partial-is-success", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if driver.Classify(err) == driver.ClassPartial {
				return nil
			}
			return err
		}}, "delivery/mutated-answers delivery/partial-names-events delivery/warnings-counted"),
		broken("partial-mixes-up-the-lists", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if partial, ok := asPartial(err); ok {
				partial.Accepted, partial.Rejected = partial.Rejected, partial.Accepted
			}
			return err
		}}, "delivery/partial-names-the-batch delivery/partial-names-events delivery/warnings-counted"),
		broken("cut-answer-is-accepted", model{read: func(r io.Reader) ([]byte, error) {
			text, err := io.ReadAll(io.LimitReader(r, 64<<10))
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return []byte(`{"status":"ok"}`), nil
			}
			return text, err
		}}, "delivery/cut-answer-not-accepted"),
		broken("ignores-retry-after", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			r.Header.Del("Retry-After")
			return b.verdict(e, r, text)
		}}, `
			delivery/retry-after-with-failures
			delivery/retry-after-with-any-status
			delivery/retry-after-absurd delivery/retry-after-date delivery/retry-after-seconds`),
		broken("retry-after-wraps-around", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if seconds, convErr := strconv.ParseInt(r.Header.Get("Retry-After"), 10, 64); convErr == nil && err != nil {
				return driver.Throttled(errModel, time.Duration(seconds)*time.Second)
			}
			return err
		}}, "delivery/retry-after-absurd"),
		broken("sits-out-retry-after", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			if wait, ok := modelWait(r.Header.Get("Retry-After")); ok {
				select {
				case <-time.After(wait):
				case <-r.Request.Context().Done():
				}
			}
			return b.verdict(e, r, text)
		}}, `
			delivery/retry-after-with-failures
			delivery/retry-after-absurd delivery/retry-after-date delivery/retry-after-seconds
			delivery/retry-after-with-any-status`),
		broken("retries-inside", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			err := b.deliver(ctx, events)
			for i := 0; i < 2 && driver.Classify(err) == driver.ClassUnknown && ctx.Err() == nil; i++ {
				err = b.deliver(ctx, events)
			}
			return err
		}}, "delivery/one-attempt delivery/redirect-not-followed"),
		broken("net-http-may-send-again", model{request: func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
			r.Body, _ = r.GetBody()
			r.Header["Idempotency-Key"] = nil // which tells net/http that it may, and is not sent
		}}, "delivery/one-attempt"),
		broken("follows-redirects", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
			r.Body, _ = r.GetBody()
			return (&http.Client{Transport: b.client.Transport}).Do(r)
		}}, "delivery/redirect-not-followed privacy/keys-stay-on-redirect"),
		broken("redirect-is-accepted", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			if r.StatusCode/100 == 3 {
				return nil
			}
			return b.verdict(e, r, text)
		}}, "delivery/endless-failure delivery/other-3xx delivery/redirect-not-followed"),
		broken("drops-one-sends-another-twice", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			changed := slices.Clone(events)
			if len(changed) > 2 {
				changed[1] = changed[2]
			}
			return b.deliver(ctx, changed)
		}}, `
			delivery/partial-names-the-batch
			collector/400-costs-one-event collector/eight-processes collector/killed-after-answer collector/oversized-event
			collector/random-failures delivery/concurrent-sends delivery/every-event-once delivery/largest-batch
			delivery/partial-names-events delivery/warnings-counted delivery/same-ids-again fidelity/every-field fidelity/metadata-empty-and-huge fidelity/numbers
			fidelity/reserved-names fidelity/times
			delivery/batch-sizes delivery/equal-events delivery/escaped-batch fidelity/every-type fidelity/longest
			fidelity/mixed-batch fidelity/nothing-made-up fidelity/old-and-ahead `+otherSamples),
		broken("sorts-by-id-backwards", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			sorted := slices.Clone(events)
			slices.SortFunc(sorted, func(a, b driver.Event) int { return strings.Compare(b.ID, a.ID) })
			return b.deliver(ctx, sorted)
		}}, "delivery/order-kept delivery/batch-sizes"),
		broken("sends-empty-batches", model{send: (*modelBackend).post}, "delivery/empty-batch"),
		broken("new-id-per-attempt", model{item: func(i *modelItem) {
			i.ID = fmt.Sprintf("%08x%s", time.Now().UnixNano()&0xffffffff, i.ID[8:])
		}}, `
			collector/killed-after-answer collector/random-failures delivery/concurrent-sends delivery/every-event-once
			delivery/keeps-nothing delivery/largest-batch delivery/partial-names-events delivery/warnings-counted delivery/same-ids-again lifecycle/config-copied
			lifecycle/instances-are-independent lifecycle/send-after-close privacy/everything-explained privacy/same-in-any-environment
			delivery/batch-sizes delivery/control-character-in-version delivery/equal-events delivery/escaped-batch
			delivery/any-name-and-version fidelity/every-type fidelity/longest fidelity/mixed-batch fidelity/nothing-made-up
			fidelity/old-and-ahead lifecycle/many-sends delivery/only-the-moment-differs `+otherSamples),
		broken("time-of-sending-as-event-time", model{item: func(i *modelItem) { i.Time = time.Now().UTC().Format(time.RFC3339Nano) }}, `
			delivery/same-content-again delivery/only-the-moment-differs
			collector/killed-after-answer collector/random-failures delivery/same-ids-again privacy/everything-explained
			privacy/same-in-any-environment fidelity/*`),
		broken("limits-beyond-the-vendors", model{describe: func(d *driver.Driver) {
			d.Limits = driver.Limits{Events: 1000, Bytes: 300_000, EventBytes: 250_000}
		}}, "delivery/largest-batch delivery/escaped-batch"),
		broken("ignores-its-context", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			return b.deliver(context.WithoutCancel(ctx), events)
		}}, `
			delivery/each-its-own-deadline delivery/keeps-nothing
			delivery/endless-failure
			delivery/cancelled-before delivery/cancelled-during delivery/hang-before-answer delivery/hang-in-answer
			delivery/hang-while-connecting delivery/late-answer delivery/one-attempt delivery/slow-answer lifecycle/close-during-send`),
		broken("ignores-its-context-while-connecting", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			attempt, cancel := context.WithCancel(context.WithoutCancel(ctx))
			defer cancel()
			return b.deliver(httptrace.WithClientTrace(attempt, &httptrace.ClientTrace{
				GotConn: func(httptrace.GotConnInfo) { context.AfterFunc(ctx, cancel) },
			}), events)
		}}, "delivery/hang-while-connecting"),
		broken("reads-an-endless-answer", model{read: io.ReadAll}, "delivery/endless-failure delivery/endless-answer"),
		broken("coalesces-sends", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			b.state.mu.Lock()
			b.state.kept = append(b.state.kept, events...)
			b.state.mu.Unlock()
			time.Sleep(5 * time.Millisecond)
			b.state.mu.Lock()
			all := b.state.kept
			b.state.kept = nil
			b.state.mu.Unlock()
			return b.deliver(ctx, all)
		}}, "delivery/each-its-own-verdict delivery/concurrent-sends"),
		broken("sorts-in-place", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			slices.SortFunc(events, func(a, b driver.Event) int { return strings.Compare(a.ID, b.ID) })
			return b.deliver(ctx, events)
		}}, "delivery/batch-untouched"),
		broken("keeps-the-slice", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			b.state.mu.Lock()
			all := slices.Concat(b.state.kept, events)
			b.state.mu.Unlock()
			err := b.deliver(ctx, all)
			b.state.mu.Lock()
			if b.state.kept = nil; err != nil {
				b.state.kept = events
			}
			b.state.mu.Unlock()
			return err
		}}, `
			delivery/answers-as-documented delivery/partial-names-the-batch
			collector/400-costs-one-event delivery/400-as-documented delivery/partial-names-events delivery/warnings-counted collector/413-splits delivery/keeps-nothing delivery/same-ids-again`).
			// Of several Sends at once one may begin when another has failed, and send its batch, too.
			orFails("delivery/each-its-own-verdict delivery/concurrent-sends"),
		broken("accepts-first-delivers-later", model{
			send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
				b.state.mu.Lock()
				before := b.state.kept
				b.state.kept = copyEvents(events)
				b.state.mu.Unlock()
				_ = b.deliver(ctx, before)
				return nil
			},
			close: func(b *modelBackend) error {
				b.state.mu.Lock()
				before := b.state.kept
				b.state.kept = nil
				b.state.mu.Unlock()
				ctx, cancel := context.WithTimeout(context.Background(), patient(2*time.Second)) // less than slack
				defer cancel()
				_ = b.deliver(ctx, before)
				b.client.CloseIdleConnections()
				return nil
			},
		}, `
			delivery/retry-after-with-failures
			delivery/closed-before-answer delivery/closed-in-head delivery/each-its-own-deadline delivery/each-its-own-verdict
			delivery/challenge-not-accepted
			delivery/4xx-about-the-way delivery/answers-as-documented delivery/changed-acceptance delivery/edge-5xx
			delivery/emptied-acceptance delivery/endless-failure delivery/interim-answers delivery/mutated-answers
			delivery/other-2xx delivery/other-3xx delivery/other-4xx delivery/other-5xx delivery/page-of-any-type
			delivery/page-with-any-2xx-not-accepted delivery/switched-protocols
			collector/400-costs-one-event collector/413-splits collector/consent-withdrawn collector/random-failures
			delivery/202-as-documented delivery/204-as-documented delivery/400-as-documented delivery/401-as-documented
			delivery/403-as-documented delivery/404-as-documented delivery/408-as-documented delivery/413-as-documented
			delivery/429-keeps-batch delivery/500-as-documented delivery/502-keeps-batch delivery/503-keeps-batch
			delivery/504-keeps-batch delivery/cancelled-before delivery/cancelled-during delivery/certificate-of-another-host
			delivery/concurrent-sends delivery/cut-answer-not-accepted delivery/endless-answer delivery/every-event-once
			delivery/expired-certificate delivery/garbage-answer-not-accepted delivery/hang-before-answer delivery/hang-in-answer
			delivery/hang-while-connecting delivery/html-not-accepted delivery/keeps-nothing delivery/largest-batch delivery/late-answer
			delivery/lookalike-not-accepted delivery/lookalike-not-refused delivery/partial-names-events delivery/warnings-counted delivery/redirect-not-followed
			delivery/refused-keeps-batch delivery/reset-before-answer delivery/reset-in-answer delivery/reset-in-request
			delivery/reset-on-connect delivery/retry-after-absurd delivery/retry-after-date delivery/retry-after-seconds
			delivery/slow-answer delivery/unknown-authority delivery/web-page-not-refused lifecycle/close-during-send
			lifecycle/config-copied lifecycle/instances-are-independent lifecycle/open-and-close-are-silent lifecycle/send-after-close
			delivery/batch-sizes delivery/equal-events delivery/escaped-batch fidelity/every-type fidelity/longest
			fidelity/mixed-batch fidelity/nothing-made-up fidelity/old-and-ahead lifecycle/many-sends `+otherSamples),
		broken("panics-at-a-server-error", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			if r.StatusCode == 500 {
				panic("unexpected status")
			}
			return b.verdict(e, r, text)
		}}, `
			delivery/retry-after-with-failures
			delivery/batch-untouched delivery/same-content-again lifecycle/close-twice lifecycle/open-and-close-are-silent
			delivery/endless-failure delivery/other-5xx
			delivery/web-page-not-refused delivery/500-as-documented delivery/one-attempt`),
		httpMutant("drops-config-headers", func(c *driver.Config) { c.Headers = nil }, "delivery/headers-added driver/headers-kept-or-refused"),
	}
}

// onStatus changes what one status means.
func onStatus(status int, mark func(error) error) model {
	return model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
		if r.StatusCode == status {
			return mark(errModel)
		}
		return b.verdict(e, r, text)
	}}
}

// httpSubject is the http backend, whose own conformance test describes it in full.
func httpSubject() Subject {
	return Subject{
		Driver:   httpjson.Driver(),
		Settings: func(endpoint string) map[string]string { return map[string]string{"endpoint": endpoint + "/v1"} },
		Headers:  map[string]string{"Authorization": "Bearer 0123456789secret"},
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: driver.ClassAccepted, 204: driver.ClassAccepted,
			400: driver.ClassTooLarge, 401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 413: driver.ClassTooLarge, 429: driver.ClassUnknown,
			500: driver.ClassUnknown, 502: driver.ClassUnknown, 503: driver.ClassUnknown, 504: driver.ClassUnknown,
		},
		Decode: func(r Request) ([]Received, error) { return decodeCanonical(r.Body) },
		Constants: []string{"/v1", "gotoolbase-telemetry", "id", "type", "name", "timestamp", "duration_ms", "exit_code", "args", "error",
			"tool_name", "tool_version", "os", "arch", "os_version", "go_version", "machine_id", "consent_id", "metadata", "truncated",
			"flags", "error_class", "ci", "ci_provider", "interactive", "agent", "container", "run_id", "count", "failures", "durations",
			"sample_rate", "redacted", "time_adjusted"},
	}
}

// ofHTTP is the driver http with a change.
func ofHTTP(name string, change func(*driver.Driver), fails string) mutant {
	s := httpSubject()
	change(&s.Driver)
	return mutant{name: name, subject: s, fails: fails}
}

func httpMutant(name string, change func(*driver.Config), fails string) mutant {
	s := httpSubject()
	open := s.Driver.Open
	s.Driver.Open = func(c driver.Config) (driver.Backend, error) {
		change(&c)
		return open(c)
	}
	return mutant{name: name, subject: s, fails: fails}
}

// decodeCanonical reads rows or an array of the canonical encoding.
func decodeCanonical(b []byte) ([]Received, error) {
	type item struct {
		ID           string            `json:"id"`
		Type         string            `json:"type"`
		Name         string            `json:"name"`
		Time         time.Time         `json:"timestamp"`
		DurationMS   *int64            `json:"duration_ms"`
		ExitCode     *int              `json:"exit_code"`
		Args         []string          `json:"args"`
		Flags        []string          `json:"flags"`
		Error        string            `json:"error"`
		ErrorClass   string            `json:"error_class"`
		Tool         string            `json:"tool_name"`
		Version      string            `json:"tool_version"`
		OS           string            `json:"os"`
		Arch         string            `json:"arch"`
		OSVersion    string            `json:"os_version"`
		GoVersion    string            `json:"go_version"`
		CI           bool              `json:"ci"`
		CIProvider   string            `json:"ci_provider"`
		Interactive  bool              `json:"interactive"`
		Agent        string            `json:"agent"`
		Container    bool              `json:"container"`
		RunID        string            `json:"run_id"`
		MachineID    string            `json:"machine_id"`
		ConsentID    string            `json:"consent_id"`
		Metadata     map[string]string `json:"metadata"`
		Count        int               `json:"count"`
		Failures     int               `json:"failures"`
		Durations    []int             `json:"durations"`
		SampleRate   int               `json:"sample_rate"`
		Truncated    int               `json:"truncated"`
		Redacted     int               `json:"redacted"`
		TimeAdjusted bool              `json:"time_adjusted"`
	}
	var list []Received
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var rows []item
		if bytes.HasPrefix(b, []byte("[")) {
			if err := d.Decode(&rows); err == io.EOF {
				return list, nil
			} else if err != nil {
				return nil, err
			}
		} else {
			var row item
			if err := d.Decode(&row); err == io.EOF {
				return list, nil
			} else if err != nil {
				return nil, err
			}
			rows = []item{row}
		}
		for _, r := range rows {
			list = append(list, Received(r))
		}
	}
}

func fidelityMutants() []mutant {
	return []mutant{
		broken("drops-duration-and-exit-code", model{item: func(i *modelItem) { i.Duration, i.Exit = nil, nil }}, everySample+"fidelity/error-class"),
		broken("exit-code-0-is-none", model{item: func(i *modelItem) {
			if i.Exit != nil && *i.Exit == 0 {
				i.Exit = nil
			}
		}}, `
			delivery/same-content-again
			fidelity/every-field fidelity/metadata-empty-and-huge fidelity/reserved-names fidelity/times fidelity/zero-and-absent
			fidelity/longest fidelity/mixed-batch fidelity/nothing-made-up fidelity/old-and-ahead`),
		broken("numbers-are-floats", model{item: func(i *modelItem) {
			if i.Duration != nil {
				d := int64(float64(*i.Duration))
				i.Duration = &d
			}
		}}, "fidelity/numbers"),
		broken("times-in-seconds", model{item: func(i *modelItem) { i.Time = strings.TrimSuffix(strings.SplitN(i.Time, ".", 2)[0], "Z") + "Z" }}, "delivery/same-content-again delivery/same-ids-again fidelity/*"),
		broken("drops-the-consent-id", model{item: func(i *modelItem) { i.Consent = "" }}, "delivery/same-content-again collector/consent-id fidelity/*"),
		broken("consent-id-of-the-first-event", consents(func(list []driver.Event) {
			for i := range list {
				list[i].ConsentID = list[0].ConsentID
			}
		}), `
			delivery/same-content-again
			fidelity/every-field fidelity/invalid-utf8 fidelity/metadata-empty-and-huge fidelity/numbers fidelity/reserved-names fidelity/times fidelity/zero-and-absent
			fidelity/every-type fidelity/longest fidelity/mixed-batch fidelity/nothing-made-up fidelity/old-and-ahead
			fidelity/context fidelity/error-class fidelity/flags`),
		broken("consent-ids-swapped", consents(func(list []driver.Event) {
			last := len(list) - 1
			list[0].ConsentID, list[last].ConsentID = list[last].ConsentID, list[0].ConsentID
		}), `
			delivery/same-content-again
			fidelity/every-field fidelity/invalid-utf8 fidelity/metadata-empty-and-huge fidelity/numbers fidelity/reserved-names fidelity/times fidelity/zero-and-absent
			fidelity/every-type fidelity/longest fidelity/nothing-made-up fidelity/old-and-ahead
			fidelity/context fidelity/error-class fidelity/flags`),
		broken("truncates-values", model{item: func(i *modelItem) {
			i.Meta = maps.Clone(i.Meta)
			for k, v := range i.Meta {
				i.Meta[k] = v[:min(len(v), 1024)]
			}
		}}, "fidelity/metadata-empty-and-huge"),
		broken("keeps-only-ascii", model{item: func(i *modelItem) {
			i.Meta = maps.Clone(i.Meta)
			for k, v := range i.Meta {
				i.Meta[k] = strings.Map(func(r rune) rune {
					if r > 0x7f && r != '\ufffd' {
						return '?'
					}
					return r
				}, v)
			}
		}}, "fidelity/unicode"),
		broken("refuses-invalid-utf8", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			for _, e := range events {
				if strings.ToValidUTF8(e.Name+e.Error, "") != e.Name+e.Error {
					return driver.Permanent(errModel)
				}
			}
			return b.deliver(ctx, events)
		}}, "fidelity/invalid-utf8"),
		broken("metadata-at-the-top-level", model{item: func(i *modelItem) {
			i.extra = map[string]any{}
			for k, v := range i.Meta {
				if k != "colour" && k != "format" && k != "pad" {
					i.extra[k] = v
				}
			}
		}}, `
			fidelity/reserved-names
			fidelity/every-type collector/400-costs-one-event collector/413-splits collector/oversized-event`),
	}
}

// consents sends a batch whose consent IDs were changed.
func consents(change func([]driver.Event)) model {
	return model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
		changed := slices.Clone(events)
		if len(changed) > 0 {
			change(changed)
		}
		return b.deliver(ctx, changed)
	}}
}

func privacyMutants() []mutant {
	// Read when it is sent, since the child plants it after the mutants were made.
	hostname := func() string { name, _ := os.Hostname(); return name }
	machine := func() string { id, _ := os.ReadFile("/etc/machine-id"); return strings.TrimSpace(string(id)) }
	return []mutant{
		broken("hostname-in-a-header", model{request: func(r *http.Request) { r.Header.Set("X-Host", hostname()) }}, "privacy/everything-explained privacy/no-planted-value privacy/same-in-any-environment"),
		broken("hashed-hostname", model{body: func(b map[string]any, _ []driver.Event) {
			digest := sha256.Sum256([]byte(hostname()))
			b["sent_at"] = hexOf(digest[:])
		}}, "privacy/no-digest-of-planted-value"),
		broken("hashed-user-cut-to-eight-bytes", model{body: func(b map[string]any, _ []driver.Event) {
			sum := sha256.Sum256([]byte(os.Getenv("USER")))
			b["sent_at"] = base64.StdEncoding.EncodeToString(append([]byte("pad"), sum[:8]...))
		}}, "privacy/no-digest-of-planted-value"),
		broken("machine-id-in-the-body", model{body: func(b map[string]any, _ []driver.Event) { b["device"] = machine() }}, "privacy/everything-explained privacy/no-planted-value privacy/same-in-any-environment"),
		broken("reads-otel-variables", model{body: func(b map[string]any, _ []driver.Event) {
			if v := os.Getenv("OTEL_RESOURCE_ATTRIBUTES"); v != "" {
				b["resource"] = v
			}
		}}, "privacy/no-planted-value privacy/same-in-any-environment"),
		broken("sends-its-arguments-in-base64", model{body: func(b map[string]any, _ []driver.Event) {
			b["sent_at"] = base64.URLEncoding.EncodeToString([]byte(strings.Join(os.Args, " ")))
		}}, "privacy/no-planted-value"),
		broken("sends-the-working-directory-escaped", model{request: func(r *http.Request) {
			dir, _ := os.Getwd()
			r.URL.RawQuery = "d=" + url.QueryEscape(url.QueryEscape(dir))
		}}, "privacy/everything-explained privacy/no-planted-value privacy/same-in-any-environment"),
		broken("environment-changes-a-number", model{body: func(b map[string]any, _ []driver.Event) { b["event"] = len(os.Getenv("DD_TAGS")) % 2 }}, "privacy/same-in-any-environment"),
		broken("invents-a-field", model{item: func(i *modelItem) { i.extra = map[string]any{"session": "0c9e"} }}, "privacy/everything-explained"),
		broken("metadata-overrides-the-ip-switch", model{body: func(b map[string]any, events []driver.Event) {
			for _, e := range events {
				if v, ok := e.Metadata["$ip"]; ok {
					b["store_ip"] = v
				}
			}
		}}, "privacy/ip-storage-off"),
		broken("stores-the-ip", model{body: func(b map[string]any, _ []driver.Event) { b["store_ip"] = true }}, "privacy/ip-storage-off"),
		broken("key-in-the-error", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if r.StatusCode == 400 {
				return fmt.Errorf("key %s: %w", b.key, err)
			}
			return err
		}}, "privacy/no-secret-in-errors"),
		broken("server-text-in-the-error", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if r.StatusCode == 400 {
				return fmt.Errorf("%w: %s", err, text)
			}
			return err
		}}, "privacy/no-event-in-errors privacy/no-secret-in-errors"),
		broken("logs-to-the-terminal", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if err != nil && playing() { // else the test's own output is full of it
				fmt.Fprintln(os.Stderr, "telemetry:", err)
			}
			return err
		}}, "privacy/prints-nothing"),
		broken("contacts-another-host", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if len(events) > 0 && b.state.n.Add(1) == 1 {
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://flags.intake.example/v2/batch", nil)
				if resp, err := b.client.Transport.RoundTrip(r); err == nil {
					resp.Body.Close()
				}
			}
			return b.deliver(ctx, events)
		}}, `
			delivery/each-its-own-verdict delivery/same-content-again delivery/only-the-moment-differs driver/hosts-follow-settings
			collector/400-costs-one-event collector/413-splits collector/consent-id collector/eight-processes
			collector/killed-after-answer collector/oversized-event collector/random-failures delivery/concurrent-sends
			delivery/every-event-once delivery/keeps-nothing delivery/largest-batch delivery/one-attempt delivery/order-kept
			delivery/partial-names-events delivery/warnings-counted delivery/redirect-not-followed delivery/same-ids-again lifecycle/config-copied
			lifecycle/instances-are-independent lifecycle/send-after-close privacy/declared-hosts-only privacy/everything-explained
			privacy/ip-storage-off fidelity/*
			delivery/batch-sizes delivery/control-character-in-version delivery/equal-events delivery/escaped-batch
			delivery/any-name-and-version lifecycle/many-sends`),
		broken("names-no-hosts", model{describe: func(d *driver.Driver) { d.Hosts = nil }}, `
			collector/400-costs-one-event collector/413-splits collector/consent-id collector/consent-withdrawn
			collector/eight-processes collector/killed-after-answer collector/oversized-event collector/random-failures
			driver/local-or-hosts`),
		broken("plain-http", model{request: func(r *http.Request) { r.URL.Scheme = "http" }}, `
			delivery/retry-after-with-failures
			delivery/each-its-own-deadline
			delivery/answers-as-documented delivery/interim-answers delivery/retry-after-with-any-status
			collector/400-costs-one-event collector/413-splits collector/consent-id collector/consent-withdrawn
			collector/eight-processes collector/killed-after-answer collector/oversized-event collector/random-failures
			delivery/200-as-documented delivery/400-as-documented delivery/401-as-documented delivery/403-as-documented
			delivery/404-as-documented delivery/413-as-documented delivery/cancelled-during delivery/concurrent-sends
			delivery/every-event-once delivery/largest-batch delivery/partial-names-events delivery/warnings-counted delivery/retry-after-absurd
			delivery/retry-after-date delivery/retry-after-seconds lifecycle/close-during-send lifecycle/config-copied
			lifecycle/instances-are-independent lifecycle/no-file-left-open privacy/no-digest-of-planted-value privacy/no-planted-value
			privacy/plain-text-refused privacy/prints-nothing privacy/same-in-any-environment fidelity/*
			delivery/batch-sizes delivery/control-character-in-version delivery/equal-events delivery/escaped-batch
			delivery/any-name-and-version lifecycle/many-sends`),
		httpMutant("takes-http-addresses", func(c *driver.Config) { c.Insecure = true }, "privacy/plain-text-refused"),
		broken("keeps-cookies", model{open: func(c *driver.Config) error {
			jar, _ := cookiejar.New(nil)
			c.Transport = cookieTransport{c.Transport, jar}
			return nil
		}}, "privacy/no-cookies"),
		broken("no-words", model{describe: func(d *driver.Driver) { d.Doc = "" }}, "driver/described"),
		broken("default-region-on-a-typo", model{
			describe: func(d *driver.Driver) { d.Settings[0].Values = nil },
			open: func(c *driver.Config) error {
				if c.Settings["region"] != "eu" {
					c.Settings["region"] = "us"
				}
				return nil
			},
		}, "driver/mistake-is-an-error"),
		broken("nameless-error-on-a-typo", model{
			describe: func(d *driver.Driver) { d.Settings[0].Values = nil },
			open: func(c *driver.Config) error {
				if c.Settings["region"] != "eu" && c.Settings["region"] != "us" {
					return errors.New("no such region")
				}
				return nil
			},
		}, "driver/error-names-field"),
		broken("two-settings-that-only-open-tells", model{
			describe: func(d *driver.Driver) {
				d.Settings = append(d.Settings, driver.Setting{Name: "relay", Doc: "instead of region eu: URL of a relay"})
			},
			open: func(c *driver.Config) error {
				if c.Settings["relay"] != "" {
					return &driver.ConfigError{Field: "Telemetry.Settings[relay]", Problem: "region is set too: keep one of them"}
				}
				return nil
			},
		}, "driver/mistakes-told-before"),
		ofHTTP("a-header-that-only-open-tells", func(d *driver.Driver) {
			d.Check = func(driver.Config) error { return nil }
		}, "driver/mistakes-told-before"),
		ofHTTP("its-own-header-over-the-authors", func(d *driver.Driver) {
			open := d.Open
			d.Open = func(c driver.Config) (driver.Backend, error) {
				headers := map[string]string{}
				maps.Copy(headers, c.Headers)
				headers["User-Agent"] = "gotoolbase-telemetry"
				c.Headers = headers
				return open(c)
			}
		}, "driver/headers-kept-or-refused"),
	}
}

type cookieTransport struct {
	http.RoundTripper
	jar http.CookieJar
}

func (c cookieTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, cookie := range c.jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		c.jar.SetCookies(r.URL, resp.Cookies())
	}
	return resp, err
}

func (c cookieTransport) CloseIdleConnections() {
	c.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

func lifecycleMutants() []mutant {
	return []mutant{
		broken("calls-home-on-open", model{open: func(c *driver.Config) error {
			ctx, cancel := context.WithTimeout(context.Background(), patient(10*time.Second))
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+c.Settings["region"]+".intake.example/v2/batch", nil)
			r.Close = true // or whether the connection is used again would depend on the moment
			if resp, err := c.Transport.RoundTrip(r); err == nil {
				resp.Body.Close()
			}
			return nil
		}}, `
			delivery/same-content-again delivery/only-the-moment-differs
			collector/400-costs-one-event collector/413-splits collector/consent-id collector/eight-processes
			collector/killed-after-answer collector/oversized-event collector/random-failures delivery/cancelled-before
			delivery/certificate-of-another-host delivery/concurrent-sends delivery/empty-batch delivery/every-event-once
			delivery/expired-certificate delivery/largest-batch delivery/order-kept delivery/same-ids-again delivery/unknown-authority
			lifecycle/config-copied lifecycle/instances-are-independent lifecycle/open-and-close-are-silent lifecycle/send-after-close
			privacy/everything-explained privacy/ip-storage-off fidelity/*
			delivery/batch-sizes delivery/control-character-in-version delivery/equal-events delivery/escaped-batch
			delivery/any-name-and-version lifecycle/many-sends`),
		broken("flushes-on-close", model{
			send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
				err := b.deliver(ctx, events)
				b.state.mu.Lock()
				if b.state.kept = nil; err != nil {
					b.state.kept = copyEvents(events)
				}
				b.state.mu.Unlock()
				return err
			},
			close: func(b *modelBackend) error {
				b.state.mu.Lock()
				kept := b.state.kept
				b.state.kept = nil
				b.state.mu.Unlock()
				ctx, cancel := context.WithTimeout(context.Background(), patient(2*time.Second))
				defer cancel()
				_ = b.deliver(ctx, kept)
				b.client.CloseIdleConnections()
				return nil
			},
		}, "delivery/keeps-nothing collector/random-failures lifecycle/open-and-close-are-silent"),
		broken("second-close-fails", model{close: func(b *modelBackend) error {
			b.client.CloseIdleConnections()
			if b.state.n.Add(1) > 1 {
				return errors.New("model: already closed")
			}
			return nil
		}}, "lifecycle/close-twice"),
		broken("close-waits-for-send", model{
			send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
				b.state.sending.RLock()
				defer b.state.sending.RUnlock()
				return b.deliver(ctx, events)
			},
			close: func(b *modelBackend) error {
				b.state.sending.Lock()
				defer b.state.sending.Unlock()
				b.client.CloseIdleConnections()
				return nil
			},
		}, "lifecycle/close-during-send"),
		broken("nil-after-close", model{
			send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
				if b.state.n.Load() > 0 {
					return nil
				}
				return b.deliver(ctx, events)
			},
			close: func(b *modelBackend) error {
				b.state.n.Add(1)
				b.client.CloseIdleConnections()
				return nil
			},
		}, "lifecycle/send-after-close"),
		broken("leaks-a-goroutine", model{open: func(*driver.Config) error {
			go func() { time.Sleep(time.Minute) }()
			return nil
		}}, "lifecycle/no-goroutine-left"),
		broken("leaves-connections", model{close: func(*modelBackend) error { return nil }}, "lifecycle/no-connection-left"),
		broken("leaks-a-file", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			f, err := os.Open(os.DevNull)
			if err == nil {
				leaked.mu.Lock()
				leaked.files = append(leaked.files, f) // or the collector of garbage closes it
				leaked.mu.Unlock()
			}
			return b.deliver(ctx, events)
		}}, "lifecycle/no-file-left-open"),
		keepsTheMaps("lifecycle/config-copied"),
		lastOpenedWins("lifecycle/instances-are-independent"),
	}
}

// keepsTheMaps reads the configuration when it sends.
func keepsTheMaps(fails string) mutant {
	s := httpSubject()
	open := s.Driver.Open
	s.Driver.Open = func(c driver.Config) (driver.Backend, error) {
		if _, err := open(c); err != nil {
			return nil, err
		}
		return &lateBackend{config: c, open: open}, nil
	}
	return mutant{name: "keeps-the-maps", subject: s, fails: fails}
}

type lateBackend struct {
	config driver.Config
	open   func(driver.Config) (driver.Backend, error)
}

func (b *lateBackend) Send(ctx context.Context, events []driver.Event) error {
	backend, err := b.open(b.config)
	if err != nil {
		return err
	}
	defer backend.Close()
	return backend.Send(ctx, events)
}

func (b *lateBackend) Close() error { return nil }

// lastOpenedWins has one client for all its backends.
func lastOpenedWins(fails string) mutant {
	var last atomic.Pointer[http.Client]
	return mutant{name: "last-opened-wins", serial: true, fails: fails, subject: modelSubject(model{
		opened:   func(b *modelBackend) { last.Store(b.client) },
		exchange: func(_ *modelBackend, r *http.Request) (*http.Response, error) { return last.Load().Do(r) },
	})}
}

// leaked is where a mutant leaves its files.
var leaked modelState

func localMutants() []mutant {
	local := func(name string, change func(*driver.Config), fails string) mutant {
		s := Subject{Driver: stdout.Driver(), Read: func(o Output) ([]Received, error) { return decodeCanonical(o.Stdout) },
			Constants: httpSubject().Constants}
		open := s.Driver.Open
		s.Driver.Open = func(c driver.Config) (driver.Backend, error) {
			change(&c)
			return open(c)
		}
		return mutant{name: name, subject: s, fails: fails}
	}
	return []mutant{
		local("stdout-accepts-what-it-cannot-write", func(c *driver.Config) { c.Stdout = deafWriter{c.Stdout} }, "delivery/local-failure"),
		local("stdout-phones-home", func(c *driver.Config) { c.Stdout = phoningWriter{c.Stdout, c.Transport} }, `
			collector/random-failures delivery/concurrent-sends delivery/keeps-nothing delivery/largest-batch driver/local-or-hosts
			privacy/everything-explained`),
		local("stdout-prints-to-the-terminal", func(c *driver.Config) {
			if playing() {
				c.Stdout = io.MultiWriter(c.Stdout, os.Stdout)
			}
		}, "privacy/prints-nothing"),
	}
}

// phoningWriter tells somebody that something was written.
type phoningWriter struct {
	io.Writer
	transport http.RoundTripper
}

func (w phoningWriter) Write(b []byte) (int, error) {
	r, _ := http.NewRequest(http.MethodPost, "https://collect.example/v1", bytes.NewReader(b))
	if resp, err := w.transport.RoundTrip(r); err == nil {
		resp.Body.Close()
	}
	return w.Writer.Write(b)
}

// deafWriter does not hear of failures.
type deafWriter struct{ io.Writer }

func (d deafWriter) Write(b []byte) (int, error) {
	_, _ = d.Writer.Write(b)
	return len(b), nil
}
