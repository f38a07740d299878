package posthog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

const (
	// callTime bounds one call. PostHog answers within a second; a request that deletes a
	// hundred profiles, or counts over years of events, takes several.
	callTime = 20 * time.Second
	// maxAnswer bounds an answer. A page of a hundred rows takes 20 KiB, a profile with a
	// thousand IDs 40.
	maxAnswer = 256 << 10
	// repairWait is how long a wrong key, project or address is left alone: it takes
	// somebody to repair it.
	repairWait = time.Hour
	// busyWait is for a 429 that does not say how long: PostHog counts by the minute.
	busyWait = time.Minute
)

// AnswerError is an answer that is not the one that PostHog documents for success. It
// holds nothing of the answer's text.
type AnswerError struct {
	// Doing is what was asked, such as "looking up the profile".
	Doing   string
	Status  int
	Problem string
	// Cause is [ErrKey] or nil.
	Cause error
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s: answered %d: %s", e.Doing, e.Status, e.Problem)
}

func (e *AnswerError) Unwrap() error { return e.Cause }

func undocumented(doing string, status int) error {
	return fmt.Errorf("posthog deletion: %w", &AnswerError{Doing: doing, Status: status, Problem: "not what PostHog documents"})
}

// call is a request to PostHog.
type call struct {
	// doing is for errors.
	doing        string
	method, path string
	query        url.Values
	body         any
	// want is the one status that means success.
	want int
}

// do makes a call once and decodes the answer.
func (r *Requestor) do(ctx context.Context, c call, into any) error {
	status, header, text, err := r.exchange(ctx, c)
	if err != nil {
		return fmt.Errorf("posthog deletion: %s: %w", c.doing, err)
	}
	say := func(problem string) error {
		return fmt.Errorf("posthog deletion: %w", &AnswerError{Doing: c.doing, Status: status, Problem: problem})
	}
	later := func(wait time.Duration, err error) error {
		if asked, ok := driverhttp.RetryAfter(header, r.now()); ok {
			wait = asked
		} else if wait == 0 {
			return err
		}
		return driver.Throttled(err, wait)
	}
	switch {
	case status == http.StatusTooManyRequests:
		return later(busyWait, say("too many requests"))
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return later(0, say("PostHog asks to try again"))
	case status >= 500:
		return later(0, say("PostHog failed"))
	case driverhttp.LooksLikeHTML(driverhttp.Answer{Status: status, Header: header, Body: text}):
		return say("with a web page, so this is not PostHog's API: check the address, or what is in between")
	case status == http.StatusBadRequest:
		return driver.Permanent(say("PostHog does not take the request"))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return driver.Throttled(fmt.Errorf("posthog deletion: %w",
			&AnswerError{Doing: c.doing, Status: status, Problem: ErrKey.Error(), Cause: ErrKey}), repairWait)
	case status >= 400:
		return driver.Throttled(say("PostHog does not do this here: check the project, the address and the plan"), repairWait)
	case status >= 300:
		return say("redirects are not followed: check the address")
	case status != c.want || len(text) > maxAnswer || json.Unmarshal(text, into) != nil:
		return say("not what PostHog documents")
	}
	return nil
}

// exchange makes a call. Its errors say that there was no whole answer. They are a
// [*driverhttp.Error], made of the host and sentences written here: those of net/http hold
// the URL, and with it the ID.
func (r *Requestor) exchange(parent context.Context, c call) (int, http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(parent, callTime)
	defer cancel()
	broken := func(err error) (int, http.Header, []byte, error) {
		e := &driverhttp.Error{Host: r.host, Problem: "no usable answer: check the address and the network"}
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			e.Problem, e.Cause = "cancelled before an answer arrived", context.Canceled
		case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
			e.Problem, e.Cause = "no whole answer in time", context.DeadlineExceeded
		}
		return 0, nil, nil, e
	}
	if ctx.Err() != nil {
		return broken(ctx.Err())
	}
	var body io.Reader
	if c.body != nil {
		text, err := json.Marshal(c.body)
		if err != nil {
			return broken(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, r.base+c.path, body)
	if err != nil {
		return broken(err)
	}
	req.URL.RawQuery = c.query.Encode()
	req.Header = http.Header{
		"Accept":        {"application/json"},
		"Authorization": {"Bearer " + r.key},
		"User-Agent":    {"gotoolbase-telemetry"},
	}
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// The transport is called without an http.Client around it, which would follow
	// redirects, keep cookies and put the URL into its errors. Where a kept connection
	// turns out to be closed it repeats a look-up, but a POST only if nothing was sent of it.
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return broken(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || ctx.Err() != nil { // from a transport that does not end with its context
		return broken(err)
	}
	return resp.StatusCode, resp.Header, text, nil
}
