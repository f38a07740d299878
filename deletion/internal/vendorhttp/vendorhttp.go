//go:build !notelemetry

// Package vendorhttp is the HTTP client of the vendors under deletion: one call, one answer,
// and what it means where the vendor's documentation does not say otherwise.
//
//	2xx of the call            its JSON is read
//	400, and those of the call Permanent, where it is JSON: what is in between refuses no request
//	404, where the call says   a deletion.ErrUnknownReceipt, where it is JSON
//	401 403                    Throttled, 1 h, deletion.ErrKey
//	407                        Throttled, 1 h: the proxy
//	every other 4xx            Throttled, 1 h: address, project or plan
//	408 425 429 5xx            Throttled, for Retry-After or what else the vendor says; else
//	                           unmarked, but 429 for 1 min
//	3xx, a web page, anything else   unmarked; a redirect is never followed
//	no answer                  unmarked
package vendorhttp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
)

const (
	// callTime bounds one call. Vendors answer within a second; a request for a hundred
	// persons, or a count over years of events, takes several.
	callTime = 20 * time.Second
	// maxAnswer bounds an answer. A page of a hundred requests takes 20 KiB, a profile with a
	// thousand IDs 40.
	maxAnswer = 256 << 10
	// busyWait is for a 429 that does not say how long: vendors count by the minute.
	busyWait = time.Minute
)

// Client asks one vendor. It may be used by several goroutines at once.
type Client struct {
	// Vendor is its name for people, such as "PostHog", and Package the prefix of errors, such
	// as "posthog".
	Vendor, Package string
	// Base is what the paths of calls are appended to. It ends in no slash.
	Base *url.URL
	// Header is sent with each call, the keys in it.
	Header http.Header
	// KeyHint follows ErrKey in an error: what to check. A call may have one of its own.
	KeyHint string
	// Reset reads when a limit or a quota is a new one, where a vendor has a header for that
	// beside Retry-After. It may be nil.
	Reset     func(header http.Header, now time.Time) (time.Duration, bool)
	transport http.RoundTripper
	now       func() time.Time
}

// New makes a client with the transport and the clock of a configuration. It contacts nothing.
func New(c Client, cfg deletion.VendorConfig) *Client {
	if c.transport = cfg.Transport; c.transport == nil {
		own := driverhttp.NewTransport()
		// A count over months of events takes longer than an intake may; callTime bounds it.
		own.ResponseHeaderTimeout = callTime
		c.transport = own
	}
	if c.now = cfg.Now; c.now == nil {
		c.now = time.Now
	}
	base := *c.Base
	base.Path, base.RawPath = strings.TrimRight(base.Path, "/"), ""
	c.Base = &base
	return &c
}

// Now is the time.
func (c *Client) Now() time.Time { return c.now() }

// Endpoint checks the URL of a vendor's API that is not the usual one: https, or http to this
// machine, without a user's name and without a query. The error is the mistake in the setting
// "endpoint".
func Endpoint(endpoint string) (*url.URL, error) {
	refuse := func(problem string) (*url.URL, error) { return nil, Mistake("endpoint", problem) }
	if u, err := url.Parse(endpoint); err == nil && u.User != nil {
		return refuse("user name or password in the URL: the key is all that is needed")
	}
	u, err := driverhttp.CheckEndpoint(endpoint, true)
	if err != nil {
		return refuse(err.Error())
	}
	switch _, plain := driverhttp.CheckEndpoint(endpoint, false); {
	case plain != nil:
		return refuse("plain http:// to another machine would show the key: use https://")
	case u.RawQuery != "" || u.ForceQuery:
		return refuse("query in the URL: leave out ? and what follows")
	}
	return u, nil
}

// Address returns where a vendor is that has several instances: one of hosts, or an endpoint
// of one's own in place of it.
func Address(settings map[string]string, hosts map[string]string) (*url.URL, error) {
	instance, endpoint := settings["instance"], settings["endpoint"]
	switch {
	case instance != "" && endpoint != "":
		return nil, Mistake("endpoint", "instance is set as well: keep one of them")
	case endpoint != "":
		return Endpoint(endpoint)
	case instance == "":
		return nil, Mistake("instance", "not set: us or eu, or an endpoint in place of it")
	}
	return &url.URL{Scheme: "https", Host: hosts[instance]}, nil
}

// Mistake is one in a setting.
func Mistake(setting, problem string) error {
	return &driver.ConfigError{Field: "Settings[" + setting + "]", Problem: problem}
}

// Call is a request to a vendor.
type Call struct {
	// Doing is for errors, such as "looking up the profile".
	Doing        string
	Method, Path string
	Query        url.Values
	Body         any
	// Want are the statuses that mean success.
	Want []int
	// Refusals are the statuses beside 400 by which the vendor refuses this very request, and
	// Cause, where not nil, finds what errors.Is is to find in such an error.
	Refusals []int
	Cause    func(body []byte) error
	// Missing says that a 404 is about what the path names.
	Missing bool
	// KeyHint is that of the client if empty.
	KeyHint string
}

// OK is what most calls want.
var OK = []int{http.StatusOK}

// Answer is one that is no refusal.
type Answer struct {
	Status int
	Body   []byte
	// Whole is false where it broke off, for the reason in broken, or was too long to be one.
	Whole  bool
	broken error
}

// Decode reads its JSON. It is false where that is not whole, or other JSON.
func (a Answer) Decode(into any) bool { return a.Whole && json.Unmarshal(a.Body, into) == nil }

// Do makes a call once and decodes the answer.
func (c *Client) Do(ctx context.Context, call Call, into any) error {
	a, err := c.Exchange(ctx, call)
	switch {
	case err != nil:
		return err
	case a.broken != nil:
		return c.Errorf("%s: %w", call.Doing, a.broken)
	case !a.Decode(into):
		return c.Undocumented(call.Doing, a.Status)
	}
	return nil
}

// Exchange makes a call once. What came back may not be whole, of which Do makes an error.
func (c *Client) Exchange(ctx context.Context, call Call) (Answer, error) {
	a, header, err := c.exchange(ctx, call)
	if err != nil {
		return Answer{}, c.Errorf("%s: %w", call.Doing, err)
	}
	if err := c.judge(call, a, header); err != nil {
		return Answer{}, err
	}
	return a, nil
}

// longestReset bounds what Reset says, as driverhttp.RetryAfter is bounded: a quota of a day is
// the longest that these vendors have, and a wait of a year is a date misread.
const longestReset = 24 * time.Hour

// judge is the table of the package comment. What a server says decides nothing but whether it
// is the vendor, and is not repeated: it could be a key.
func (c *Client) judge(call Call, a Answer, header http.Header) error {
	say := func(problem string) error { return c.answered(call, a.Status, problem, nil) }
	later := func(wait time.Duration, err error) error {
		asked, told := driverhttp.RetryAfter(header, c.now())
		if c.Reset != nil {
			if reset, ok := c.Reset(header, c.now()); ok {
				asked, told = max(asked, min(reset, longestReset)), true
			}
		}
		if told {
			wait = asked
		} else if wait == 0 {
			return err
		}
		return driver.Throttled(err, wait)
	}
	refused := a.Status == http.StatusBadRequest || slices.Contains(call.Refusals, a.Status)
	switch status := a.Status; {
	case status == http.StatusTooManyRequests:
		return later(busyWait, say("too many requests"))
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return later(0, say(c.Vendor+" asks to try again"))
	case status >= 500:
		return later(0, say(c.Vendor+" failed"))
	case driverhttp.LooksLikeHTML(driverhttp.Answer{Status: status, Header: header, Body: a.Body}):
		return say("with a web page, so this is not " + c.Vendor + "'s API: check the address, or what is in between")
	case status == http.StatusNotFound && call.Missing && a.isObject():
		return c.answered(call, status, c.Vendor+" does not know it", deletion.ErrUnknownReceipt)
	case refused && a.isObject():
		var cause error
		if call.Cause != nil {
			cause = call.Cause(a.Body)
		}
		return driver.Permanent(c.answered(call, status, c.Vendor+" does not take the request", cause))
	case refused:
		return say("but not as " + c.Vendor + " would: check the address, or what is in between")
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return driver.Throttled(c.answered(call, status, deletion.ErrKey.Error()+": "+cmp.Or(call.KeyHint, c.KeyHint), deletion.ErrKey), driverhttp.RepairWait)
	case status == http.StatusProxyAuthRequired:
		return driver.Throttled(say("the proxy wants credentials: check HTTPS_PROXY"), driverhttp.RepairWait)
	case status >= 400:
		return driver.Throttled(say(c.Vendor+" does not do this here: check the address, the project and the plan"), driverhttp.RepairWait)
	case status >= 300:
		return say("redirects are not followed, since they would take the key along: check the address")
	case !slices.Contains(call.Want, status):
		return c.Undocumented(call.Doing, status)
	}
	return nil
}

func (a Answer) isObject() bool {
	var object map[string]json.RawMessage
	return a.Decode(&object)
}

// Undocumented says that an answer cannot be understood.
func (c *Client) Undocumented(doing string, status int) error {
	return c.answered(Call{Doing: doing}, status, "not what "+c.Vendor+" documents", nil)
}

// Errorf makes an error that names the package.
func (c *Client) Errorf(format string, args ...any) error {
	return fmt.Errorf(c.Package+" deletion: "+format, args...)
}

func (c *Client) answered(call Call, status int, problem string, cause error) error {
	return c.Errorf("%w", &deletion.AnswerError{Doing: call.Doing, Status: status, Problem: problem, Cause: cause})
}

// exchange makes a call. Its errors say that there was no answer. They are a
// [*driverhttp.Error], made of the host and sentences written here: those of net/http hold
// the URL, and with it the ID.
func (c *Client) exchange(parent context.Context, call Call) (Answer, http.Header, error) {
	ctx, cancel := context.WithTimeout(parent, callTime)
	defer cancel()
	broken := func(err error) error {
		e := &driverhttp.Error{Host: c.Base.Host, Problem: "no usable answer: check the address and the network"}
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			e.Problem, e.Cause = "cancelled before an answer arrived", context.Canceled
		case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
			e.Problem, e.Cause = "no whole answer in time", context.DeadlineExceeded
		}
		return e
	}
	if ctx.Err() != nil {
		return Answer{}, nil, broken(ctx.Err())
	}
	var body io.Reader
	if call.Body != nil {
		text, err := json.Marshal(call.Body)
		if err != nil {
			return Answer{}, nil, broken(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(call.Method, http.MethodGet), c.Base.String()+call.Path, body)
	if err != nil {
		return Answer{}, nil, broken(err)
	}
	req.URL.RawQuery = call.Query.Encode()
	req.Header = c.Header.Clone()
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "gotoolbase-telemetry")
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// The transport is called without an http.Client around it, which would follow
	// redirects, keep cookies and put the URL into its errors. Where a kept connection
	// turns out to be closed it repeats a look-up, but a POST only if nothing was sent of it.
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return Answer{}, nil, broken(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if ctx.Err() != nil { // also from a transport that does not end with its context
		return Answer{}, nil, broken(ctx.Err())
	}
	a := Answer{Status: resp.StatusCode, Body: text, Whole: err == nil && len(text) <= maxAnswer}
	if err != nil {
		a.broken = broken(err)
	}
	return a, resp.Header, nil
}
