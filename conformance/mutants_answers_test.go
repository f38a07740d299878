package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
)

// judging is a model whose judge looks at an answer first. done says that err is its verdict.
func judging(look func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) (err error, done bool)) model {
	return model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
		if err, done := look(b, e, r, text); done {
			return err
		}
		return b.verdict(e, r, text)
	}}
}

// onStatuses is onStatus for several of them.
func onStatuses(mark func(error) error, statuses ...int) model {
	return judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, _ []byte) (error, bool) {
		return mark(errModel), slices.Contains(statuses, r.StatusCode)
	})
}

func answerMutants() []mutant {
	accept := func(error) error { return nil }
	return slices.Concat(statusMutants(accept), bodyMutants(), pageMutants(), warningMutants(), []mutant{
		broken("waits-on-429-and-503-only", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, _ []byte) (error, bool) {
			return errModel, r.StatusCode >= 500 && r.StatusCode != 503
		}), "delivery/retry-after-with-failures delivery/retry-after-with-any-status"),
		broken("reads-a-failure-to-its-end", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			resp, err := b.client.Do(r)
			if err == nil && resp.StatusCode >= 400 { // for the text of the error
				text, err := io.ReadAll(resp.Body)
				if err != nil {
					return nil, err
				}
				resp.Body = io.NopCloser(bytes.NewReader(text[:min(len(text), 64<<10)]))
			}
			return resp, err
		}}, "delivery/endless-failure"),
		broken("the-reason-phrase-in-the-error", model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			err := b.verdict(e, r, text)
			if r.StatusCode == 418 { // so that the class stays
				return fmt.Errorf("model: answered %s: %w", r.Status, err)
			}
			return err
		}}, "privacy/no-event-in-errors privacy/no-secret-in-errors"),
		broken("event-in-the-error-of-a-cancelled-send", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			err := b.deliver(ctx, events)
			if errors.Is(ctx.Err(), context.Canceled) {
				return fmt.Errorf("sending %q: %w", events[0].Name, ctx.Err())
			}
			return err
		}}, "privacy/no-event-in-errors"),
	})
}

func statusMutants(accept func(error) error) []mutant {
	permanent := driver.Permanent
	return []mutant{
		broken("a-207-is-accepted", onStatuses(accept, 207), "delivery/other-2xx delivery/page-with-any-2xx-not-accepted"),
		broken("a-304-is-accepted", onStatuses(accept, 304), "delivery/other-3xx"),
		broken("a-305-loses-the-batch", onStatuses(permanent, 305), "delivery/other-3xx"),
		broken("an-unknown-4xx-loses-the-batch", onStatuses(permanent, 402, 405, 406, 409, 410, 411, 412, 415, 416, 417, 418, 422, 423, 424, 426, 428, 451), `
			delivery/4xx-about-the-way delivery/other-4xx delivery/web-page-not-refused`),
		broken("too-early-loses-the-batch", onStatuses(permanent, 425), "delivery/4xx-about-the-way delivery/other-4xx delivery/web-page-not-refused"),
		broken("a-405-refuses-events", judging(func(_ *modelBackend, e []driver.Event, r *http.Response, text []byte) (error, bool) {
			return driver.Refused(errModel, len(e)), r.StatusCode == 405 && !isPage(r, text)
		}), "delivery/4xx-about-the-way"),
		broken("only-known-5xx-are-kept", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, _ []byte) (error, bool) {
			return permanent(errModel), r.StatusCode > 500 && !slices.Contains([]int{500, 502, 503, 504}, r.StatusCode)
		}), "delivery/edge-5xx delivery/other-5xx delivery/web-page-not-refused"),
		broken("what-an-edge-says-is-permanent", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, text []byte) (error, bool) {
			return permanent(errModel), r.StatusCode > 511 && strings.HasPrefix(string(text), "error")
		}), "delivery/edge-5xx"),
		broken("panics-at-a-status-without-a-name", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, _ []byte) (error, bool) {
			_ = strings.Fields(http.StatusText(r.StatusCode))[0]
			return nil, false
		}), `
			delivery/other-3xx
			delivery/edge-5xx delivery/one-attempt delivery/other-4xx delivery/other-5xx delivery/web-page-not-refused delivery/retry-after-with-any-status`),
		broken("reads-the-first-head", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			first := 0
			resp, err := b.client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { first = code; return nil },
			})))
			if err == nil && first > 0 {
				resp.StatusCode = first
			}
			return resp, err
		}}, "delivery/interim-answers"),
		broken("goes-on-in-any-protocol", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			resp, err := b.client.Do(r)
			if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
				resp.StatusCode = http.StatusOK
			}
			return resp, err
		}}, "delivery/switched-protocols"),
	}
}

func bodyMutants() []mutant {
	const ok = `"status":"ok"`
	return []mutant{
		broken("busy-loses-the-batch", judging(func(_ *modelBackend, _ []driver.Event, _ *http.Response, text []byte) (error, bool) {
			return driver.Permanent(errModel), strings.Contains(string(text), "busy")
		}), "delivery/answers-as-documented"),
		broken("looks-for-ok-in-the-text", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, text []byte) (error, bool) {
			said := string(text)
			return nil, r.StatusCode == 200 && strings.Contains(said, ok) && !strings.Contains(said, "quota") && !strings.Contains(said, "rejected")
		}), "delivery/changed-acceptance delivery/warnings-counted"),
		broken("any-status-but-a-bad-one", judging(func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) (error, bool) {
			var said map[string]any
			err := json.Unmarshal(text, &said)
			return nil, r.StatusCode == 200 && err == nil && len(said) == 1 && said["status"] != "busy" && said["result"] == nil
		}), "delivery/changed-acceptance"),
		broken("no-status-is-ok", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, text []byte) (error, bool) {
			return nil, r.StatusCode == 200 && string(text) == "{}"
		}), "delivery/emptied-acceptance"),
		broken("takes-ids-for-36-bytes", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, text []byte) (error, bool) {
			if _, list, found := strings.Cut(string(text), `"rejected":["`); found {
				_ = list[:36]
			}
			return nil, false
		}), "delivery/mutated-answers delivery/partial-names-the-batch"),
		broken("a-refusal-that-says-ok-is-accepted", judging(func(_ *modelBackend, _ []driver.Event, _ *http.Response, text []byte) (error, bool) {
			return nil, string(text) == `{"errors":[]}`
		}), "delivery/mutated-answers"),
		broken("names-what-was-not-sent", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, text []byte) (error, bool) {
			var said struct{ Rejected []string }
			err := json.Unmarshal(text, &said)
			return &driver.Partial{Rejected: said.Rejected, Err: errModel}, r.StatusCode == 400 && err == nil && len(said.Rejected) > 0
		}), "delivery/partial-names-the-batch"),
		broken("verdicts-on-ten-at-most", judging(func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) (error, bool) {
			err := b.verdict(e, r, text)
			if partial, ok := asPartial(err); ok {
				partial.Accepted = partial.Accepted[:min(len(partial.Accepted), 10)]
				partial.Rejected = partial.Rejected[:min(len(partial.Rejected), 10)]
			}
			return err, true
		}), "delivery/partial-names-events delivery/warnings-counted"),
		broken("one-event-has-no-verdict-of-its-own", judging(func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) (error, bool) {
			err := b.verdict(e, r, text)
			return errModel, len(e) == 1 && driver.Classify(err) == driver.ClassPartial
		}), "delivery/partial-names-events"),
	}
}

func pageMutants() []mutant {
	typed := func(r *http.Response) bool { return strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") }
	return []mutant{
		statusAlone("knows-a-page-with-a-200-only", func(r *http.Response, _ []byte) bool { return r.StatusCode == 200 && typed(r) }, `
			delivery/html-not-accepted
			delivery/challenge-not-accepted
			delivery/page-of-any-type delivery/page-with-any-2xx-not-accepted`),
		statusAlone("knows-a-page-by-its-type-only", func(r *http.Response, _ []byte) bool { return typed(r) }, "delivery/html-not-accepted delivery/challenge-not-accepted delivery/page-of-any-type"),
		statusAlone("knows-a-page-by-its-first-byte", func(_ *http.Response, text []byte) bool { return bytes.HasPrefix(text, []byte("<")) }, `
			delivery/challenge-not-accepted
			delivery/html-not-accepted delivery/page-of-any-type`),
		broken("reads-a-page-for-its-status", judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, text []byte) (error, bool) {
			return nil, r.StatusCode == 200 && !typed(r) && bytes.HasPrefix(text, []byte("\ufeff"))
		}), "delivery/html-not-accepted delivery/page-of-any-type delivery/page-with-any-2xx-not-accepted"),
		broken("a-page-behind-a-byte-order-mark-refuses", judging(func(_ *modelBackend, e []driver.Event, r *http.Response, text []byte) (error, bool) {
			return driver.Refused(errModel, len(e)), r.StatusCode == 400 && bytes.HasPrefix(text, []byte("\ufeff"))
		}), "delivery/page-of-any-type delivery/web-page-not-refused"),
	}
}

// statusAlone is a vendor all of whose 2xx are acceptances, and a backend that knows some
// pages.
func statusAlone(name string, known func(*http.Response, []byte) bool, fails string) mutant {
	s := modelSubject(judging(func(_ *modelBackend, _ []driver.Event, r *http.Response, text []byte) (error, bool) {
		if r.StatusCode/100 != 2 {
			return nil, false
		}
		if known(r, text) {
			return errModel, true
		}
		return nil, true
	}))
	s.BodyDecides, s.NotAccepted, s.Answers, s.Partial = false, nil, nil, nil
	s.Statuses[202], s.Statuses[204] = driver.ClassAccepted, driver.ClassAccepted
	return mutant{name: name, subject: s, fails: fails}
}

// remarked is a backend that makes something else of the vendor's remarks on a batch.
func remarked(name string, change func(partial *driver.Partial, events []driver.Event) error, fails string) mutant {
	return broken(name, model{judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
		err := b.verdict(e, r, text)
		if partial, ok := asPartial(err); ok && len(partial.Warnings) > 0 {
			return change(partial, e)
		}
		return err
	}}, fails)
}

// warningMutants hear remarks and say something else.
func warningMutants() []mutant {
	const nobody = "belongs_to_nobody"
	nameless := func(p *driver.Partial) []string {
		return p.Accepted[len(p.Accepted)-min(p.Warnings[nobody], len(p.Accepted)):]
	}
	without := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(other, id) })
	}
	return []mutant{
		remarked("does-not-hear-remarks", func(p *driver.Partial, _ []driver.Event) error {
			p.Warnings = nil
			return p
		}, "delivery/warnings-counted"),
		remarked("a-remark-is-a-failure", func(p *driver.Partial, _ []driver.Event) error {
			p.Err = errModel
			return p
		}, "delivery/warnings-counted"),
		remarked("remarks-in-the-vendors-words", func(p *driver.Partial, _ []driver.Event) error {
			p.Warnings = map[string]int{"nameless": p.Warnings[nobody]}
			return p
		}, "delivery/warnings-counted"),
		remarked("counts-a-remark-once", func(p *driver.Partial, _ []driver.Event) error {
			p.Warnings = map[string]int{nobody: 1}
			return p
		}, "delivery/warnings-counted"),
		remarked("a-remark-is-a-refusal", func(p *driver.Partial, _ []driver.Event) error {
			p.Rejected = append(p.Rejected, nameless(p)...)
			p.Accepted = without(p.Accepted, p.Rejected)
			return p
		}, "delivery/partial-names-events delivery/warnings-counted"),
		remarked("names-only-what-was-remarked-on", func(p *driver.Partial, _ []driver.Event) error {
			p.Accepted = nameless(p)
			return p
		}, "delivery/partial-names-events delivery/warnings-counted"),
		remarked("names-nobody", func(p *driver.Partial, _ []driver.Event) error {
			p.Accepted = nil
			return p
		}, "delivery/partial-names-the-batch delivery/partial-names-events delivery/warnings-counted"),
		broken("remarks-without-a-word", model{describe: func(d *driver.Driver) { d.Warnings[0].Doc = "" }}, "driver/warnings-explained"),
		broken("remarks-as-a-sentence", model{describe: func(d *driver.Driver) {
			d.Warnings = append(d.Warnings, driver.Warning{Name: "Belongs to nobody", Doc: "x"})
		}}, "driver/warnings-explained"),
	}
}
