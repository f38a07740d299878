package datadog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
)

const (
	// callTime bounds one call. Datadog answers within a second; a count over months of logs
	// takes several.
	callTime = 20 * time.Second
	// maxAnswer bounds an answer. The 50 requests of a recorded page take 25 KiB.
	maxAnswer = 256 << 10
	// repairWait is how long wrong keys, or a wrong site, are left alone: it takes somebody to
	// repair them.
	repairWait = time.Hour
)

// errUnknownID says that Datadog knows no request of a number.
var errUnknownID = errors.New("Datadog knows no such request")

func undocumented(doing string, status int) error {
	return fmt.Errorf("datadog deletion: %w", &deletion.AnswerError{Doing: doing, Status: status, Problem: "not what Datadog documents"})
}

// call is one of Datadog's API.
type call struct {
	// doing is for errors.
	doing        string
	method, path string
	query        url.Values
	body         any
	// reads says that it takes another permission than the calls that delete.
	reads bool
}

// exchange makes a call once, and an error of whatever is not a success. Without a whole
// answer that is a [*driverhttp.Error], made of the host and sentences written here: those
// of net/http hold the URL, and with it the ID.
func (r *requestor) exchange(parent context.Context, c call) (answer, error) {
	ctx, cancel := context.WithTimeout(parent, callTime)
	defer cancel()
	fail := func(err error) (answer, error) {
		return answer{}, r.broken(ctx, c.doing, err)
	}
	if ctx.Err() != nil {
		return fail(ctx.Err())
	}
	header := maps.Clone(r.header) // the SDK writes into it
	var body any
	if c.body != nil {
		text, err := json.Marshal(c.body)
		if err != nil {
			return fail(err)
		}
		header["Content-Type"], body = "application/json", text
	}
	request, err := r.sdk.PrepareRequest(ctx, r.base+c.path, c.method, body, header, c.query, nil, nil)
	if err != nil {
		return fail(err)
	}
	resp, err := r.sdk.CallAPI(request)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if ctx.Err() != nil {
		return fail(ctx.Err())
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: text, whole: err == nil && len(text) <= maxAnswer}
	return a, r.judge(c, a)
}

// broken says that there was no answer.
func (r *requestor) broken(ctx context.Context, doing string, err error) error {
	e := &driverhttp.Error{Host: r.host, Problem: "no usable answer"}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Problem, e.Cause = "cancelled before an answer arrived", context.Canceled
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		e.Problem, e.Cause = "no whole answer in time", context.DeadlineExceeded
	}
	return fmt.Errorf("datadog deletion: %s: %w", doing, e)
}

// judge is the table of the package comment. What a server says decides nothing but whether
// it is Datadog, and is not repeated: it could be a key.
func (r *requestor) judge(c call, a answer) error {
	say := func(problem string) error {
		return fmt.Errorf("datadog deletion: %w", &deletion.AnswerError{Doing: c.doing, Status: a.status, Problem: problem})
	}
	switch status := a.status; {
	case driverhttp.LooksLikeHTML(driverhttp.Answer{Status: status, Header: a.header, Body: a.body}):
		return say("with a web page, so this is not Datadog's API: check the address, or what is in between")
	case status == 200, status == 201, status == 202:
		return nil
	case status == 400, status == 412:
		codes, ok := readErrors(a)
		if !ok {
			return say("but not as Datadog would: check the address, or what is in between")
		}
		refused := &deletion.AnswerError{Doing: c.doing, Status: status, Problem: "Datadog does not take the request"}
		if slices.Contains(codes, "INVALID_ID") {
			refused.Cause = errUnknownID
		}
		return driver.Permanent(fmt.Errorf("datadog deletion: %w", refused))
	case status == 401, status == 403:
		return driver.Throttled(fmt.Errorf("datadog deletion: %w",
			&deletion.AnswerError{Doing: c.doing, Status: status, Problem: c.refused(), Cause: deletion.ErrKey}), repairWait)
	case status == 404:
		return driver.Throttled(say("there is no such call: check the site, or the endpoint"), repairWait)
	case status == 407:
		return driver.Throttled(say("the proxy wants credentials: check HTTPS_PROXY"), repairWait)
	case status == 408, status == 429, status >= 500:
		err := say("Datadog asks to try again later")
		now := r.now()
		wait, asked := driverhttp.RetryAfter(a.header, now)
		// Datadog's own header for rate limits, in seconds.
		reset, limited := driverhttp.RetryAfter(http.Header{"Retry-After": a.header.Values("X-Ratelimit-Reset")}, now)
		if asked || limited {
			return driver.Throttled(err, max(wait, reset))
		}
		return err
	case status >= 300 && status < 400:
		return say("redirects are not followed, since they would take the keys along: check the address")
	}
	return say("not what Datadog documents")
}

// refused says what to check where the keys are refused. Datadog does not say which it is.
func (c call) refused() string {
	check := "the keys are refused: check that both belong to this site, "
	if c.reads {
		return check + "and that the application key's owner has the permission logs_read_data"
	}
	return check + "that the application key's owner has the permission logs_delete_data, " +
		"and that Logs Data Deletion is switched on in the organisation's preferences"
}

// readErrors reads a refusal of Datadog's: a list of sentences, or of objects with a code.
func readErrors(a answer) (codes []string, ok bool) {
	var said struct{ Errors []json.RawMessage }
	if !a.decode(&said) {
		return nil, false
	}
	for _, raw := range said.Errors {
		var e struct{ Code text }
		if json.Unmarshal(raw, &e) == nil && e.Code != "" {
			codes = append(codes, string(e.Code))
		}
	}
	return codes, len(said.Errors) > 0
}
