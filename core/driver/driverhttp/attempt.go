//go:build !notelemetry

package driverhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// OneAttempt is the transport of a vendor's SDK that retries, batches and answers by
// itself. It is made for one call of Send, as is the SDK's client around it:
//
//	attempt := b.client.OneAttempt(ctx, prepare, verdict)
//	client := sdk.New(sdk.Config{Transport: attempt})
//	for _, e := range events {
//		client.Enqueue(message(e))
//	}
//	client.Close() // which waits until the SDK is done
//	return attempt.Err()
//
// The SDK encodes, and nothing more: the first request that it makes is sent, through the
// client, under the context of Send. What becomes of it is kept for Err. The SDK is shown
// the vendor's answer where that is an acceptance, and an empty 200 where it is none or
// there is no answer, so that it meets no redirect, nothing to repeat, no Retry-After to
// sit out and no text to print. A second request is never sent.
type OneAttempt struct {
	ctx     context.Context // of Send, which SDKs do not pass on
	client  *Client
	prepare func(*http.Request) (Request, error)
	verdict func(Answer) error

	mu   sync.Mutex // held while the request is under way
	made bool
	over bool
	err  error
}

// OneAttempt makes the transport. prepare makes of the SDK's request the one that is sent:
// its own headers and body, without what the SDK adds to them. It looks whether the whole
// batch is in it, since an SDK may make several requests of one that it finds too large
// and leave out an event that is. Its error keeps the request from being sent, and is
// Err's. verdict is what an answer means, nil for an acceptance.
func (c *Client) OneAttempt(ctx context.Context, prepare func(*http.Request) (Request, error), verdict func(Answer) error) *OneAttempt {
	return &OneAttempt{ctx: ctx, client: c, prepare: prepare, verdict: verdict, err: errors.New("the SDK made no request")}
}

// RoundTrip implements [http.RoundTripper].
func (a *OneAttempt) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	shown := Answer{Status: http.StatusOK}
	switch {
	case a.over:
		return nil, errors.New("the attempt is over")
	case !a.made:
		a.made = true
		var answer Answer
		if answer, a.err = a.send(r); a.err == nil {
			shown = answer
		}
	case a.err == nil:
		// It has more of the batch, or did not understand that the vendor has it.
		a.err = errors.New("the SDK made a second request, which was not sent")
	}
	if shown.Header == nil {
		shown.Header = http.Header{}
	}
	return &http.Response{
		Status: fmt.Sprint(shown.Status, " ", http.StatusText(shown.Status)), StatusCode: shown.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: shown.Header, ContentLength: int64(len(shown.Body)), Body: io.NopCloser(bytes.NewReader(shown.Body)), Request: r,
	}, nil
}

func (a *OneAttempt) send(r *http.Request) (Answer, error) {
	request, err := a.prepare(r)
	if err != nil {
		return Answer{}, err
	}
	answer, err := a.client.Post(a.ctx, request)
	if err == nil {
		err = a.verdict(answer)
	}
	if err == nil && a.ctx.Err() != nil { // from a transport that does not end with its context
		err = fmt.Errorf("answered too late: %w", a.ctx.Err())
	}
	return answer, err
}

// Fail says that the SDK keeps an event to itself, as it tells in a callback or when it is
// handed one. err is then Err's, unless a request has been made.
func (a *OneAttempt) Fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.made && !a.over {
		a.err = err
	}
}

// Err returns what became of the batch, for Send to return: nil where the vendor accepted
// it. It waits for a request that is under way, and from then on none is sent.
func (a *OneAttempt) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	return a.err
}
