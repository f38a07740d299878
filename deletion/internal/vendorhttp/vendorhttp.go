// Package vendorhttp is the HTTP client of the vendors under deletion: one call, one answer,
// and what it means where the vendor's documentation does not say otherwise.
//
//	2xx of the call            its JSON is read
//	400, and those of the call Permanent, where it is no web page
//	404, where the call says   a deletion.ErrUnknownReceipt, if the answer is JSON
//	401 403                    Throttled, 1 h, deletion.ErrKey
//	407                        Throttled, 1 h: the proxy
//	every other 4xx            Throttled, 1 h: address, project or plan
//	408 425 429                Throttled, for Retry-After; 429 else until the quota is a new
//	                           one, or for 1 min
//	5xx                        unmarked, or Throttled for Retry-After
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
	// repairWait is how long a wrong key, project or address is left alone: it takes
	// somebody to repair it.
	repairWait = time.Hour
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
	// KeyHint follows ErrKey in an error: what to check.
	KeyHint string
	// Reset is the header in which a 429 says when a quota is a new one, as RFC 3339 has it,
	// empty where there is none.
	Reset     string
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

// CheckKey refuses what no key has in it, and repeats nothing of it.
func CheckKey(key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("holds a space, a line break or another character that no key has: copy it once more")
	}
	return nil
}

// Call is a request to a vendor.
type Call struct {
	// Doing is for errors, such as "looking up the profile".
	Doing        string
	Method, Path string
	Query        url.Values
	Body         any
	// Want is the one status that means success.
	Want int
	// Refusals are the statuses beside 400 by which the vendor refuses this very request.
	Refusals []int
	// Missing says that a 404 is about what the path names.
	Missing bool
}

// Do makes a call once and decodes the answer.
func (c *Client) Do(ctx context.Context, call Call, into any) error {
	status, header, text, err := c.exchange(ctx, call)
	if err != nil {
		return c.Errorf("%s: %w", call.Doing, err)
	}
	say := func(problem string) error { return c.answered(call, status, problem, nil) }
	later := func(wait time.Duration, err error) error {
		if asked, ok := driverhttp.RetryAfter(header, c.now()); ok {
			wait = asked
		} else if wait == 0 {
			return err
		}
		return driver.Throttled(err, wait)
	}
	switch {
	case status == http.StatusTooManyRequests:
		wait := busyWait
		if reset, err := time.Parse(time.RFC3339, header.Get(c.Reset)); err == nil {
			wait = max(wait, reset.Sub(c.now()))
		}
		return later(wait, say("too many requests"))
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return later(0, say(c.Vendor+" asks to try again"))
	case status >= 500:
		return later(0, say(c.Vendor+" failed"))
	case driverhttp.LooksLikeHTML(driverhttp.Answer{Status: status, Header: header, Body: text}):
		return say("with a web page, so this is not " + c.Vendor + "'s API: check the address, or what is in between")
	case status == http.StatusNotFound && call.Missing && isObject(text):
		return c.answered(call, status, c.Vendor+" does not know it", deletion.ErrUnknownReceipt)
	case status == http.StatusBadRequest, slices.Contains(call.Refusals, status):
		return driver.Permanent(say(c.Vendor + " does not take the request"))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return driver.Throttled(c.answered(call, status, deletion.ErrKey.Error()+": "+c.KeyHint, deletion.ErrKey), repairWait)
	case status == http.StatusProxyAuthRequired:
		return driver.Throttled(say("the proxy wants credentials: check HTTPS_PROXY"), repairWait)
	case status >= 400:
		return driver.Throttled(say(c.Vendor+" does not do this here: check the address, the project and the plan"), repairWait)
	case status >= 300:
		return say("redirects are not followed: check the address")
	case status != call.Want || len(text) > maxAnswer || json.Unmarshal(text, into) != nil:
		return c.Undocumented(call.Doing, status)
	}
	return nil
}

func isObject(text []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(text, &object) == nil
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

// exchange makes a call. Its errors say that there was no whole answer. They are a
// [*driverhttp.Error], made of the host and sentences written here: those of net/http hold
// the URL, and with it the ID.
func (c *Client) exchange(parent context.Context, call Call) (int, http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(parent, callTime)
	defer cancel()
	broken := func(err error) (int, http.Header, []byte, error) {
		e := &driverhttp.Error{Host: c.Base.Host, Problem: "no usable answer: check the address and the network"}
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
	if call.Body != nil {
		text, err := json.Marshal(call.Body)
		if err != nil {
			return broken(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(call.Method, http.MethodGet), c.Base.String()+call.Path, body)
	if err != nil {
		return broken(err)
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
		return broken(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || ctx.Err() != nil { // from a transport that does not end with its context
		return broken(err)
	}
	return resp.StatusCode, resp.Header, text, nil
}
