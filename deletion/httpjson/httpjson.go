//go:build !notelemetry

// Package httpjson is the requestor that posts deletion requests to a server of the
// author's own: telemetry-relay, or any that takes the same JSON. Tool authors
// set it as TelemetryConfig.DeletionRequestor:
//
//	DeletionRequestor: httpjson.Requestor{Endpoint: "https://telemetry.example.com/v1/deletions"},
//
// # The request
//
// A POST of
//
//	{"machine_id": "…", "deletion_key": "…", "tool": "mytool", "requested_at": "2026-11-22T20:15:00Z"}
//
// A server deletes only if deletion_key proves machine_id, as deletion.Proves does: an ID
// is in every event, so an operator who reads events knows it. The same request may come again.
//
// # The answer
//
//	200 201 202  with {"state": "acknowledged" or "verified" or "refused", "id": "…"}: so it
//	             is; the id can be asked for with GET <endpoint>/<id>, answered alike
//	200 201 202 204  with nothing, or other JSON: Delivered, and no more will be known
//	400 403 413 422  with {"error": "…"}: refused. Without it no caller knows who
//	             answered, and a captive portal's 403 refuses nothing: asked again
//	401 404 405  asked again after 1 h: the address or a header is wrong, the request is not
//	429 5xx      asked again, not before Retry-After
//	3xx, pages   asked again; redirects are not followed, since the new place would be
//	             sent the key
package httpjson

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	// maxID and maxDetail bound what a server can put into a person's state file and on
	// their terminal: an ID of any kind, two lines of text.
	maxID, maxDetail = 128, 200
)

// Requestor posts to one endpoint. It keeps no connection open between two calls.
type Requestor struct {
	// Endpoint is the URL to post to: https, or http to this machine.
	Endpoint string
	// Headers go with every request. The values are secrets, as far as anything in a
	// program that is handed out can be one; the endpoint needs none, because the
	// request proves itself.
	Headers map[string]string
	// Insecure allows http to other machines, for tests. The deletion key could be read on
	// its way.
	Insecure bool
	// Transport carries the requests, nil meaning driverhttp.NewTransport().
	Transport driver.RoundTripper
}

var _ deletion.Follower = Requestor{}

// Check returns a *driver.ConfigError where Endpoint or Headers cannot be used.
func (r Requestor) Check() error {
	u, err := driverhttp.CheckEndpoint(r.Endpoint, r.Insecure)
	if err != nil {
		// It names the fields of a declaration, which this one has too.
		return &driver.ConfigError{Field: "Requestor.Endpoint", Problem: strings.ReplaceAll(err.Error(), "Telemetry.", "Requestor.")}
	}
	// A relay serves one path and would answer 404 or 405 to these.
	switch path := u.EscapedPath(); {
	case path != "/" && strings.HasSuffix(path, "/"):
		return &driver.ConfigError{Field: "Requestor.Endpoint", Problem: "the path ends in a slash; that of a relay does not: leave it out"}
	case strings.Contains(path, "//"):
		return &driver.ConfigError{Field: "Requestor.Endpoint", Problem: "two slashes in a row in the path: leave one out"}
	}
	if err := driverhttp.CheckHeaders(r.Headers); err != nil {
		return &driver.ConfigError{Field: "Requestor.Headers", Problem: err.Error()}
	}
	return nil
}

// RequestDeletion posts the request.
func (r Requestor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	if err := errors.Join(req.Validate(), r.Check()); err != nil {
		return deletion.Receipt{}, err
	}
	body, err := json.Marshal(map[string]string{
		"machine_id": req.MachineID, "deletion_key": req.DeletionKey,
		"tool": req.Tool, "requested_at": req.RequestedAt.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return deletion.Receipt{}, err
	}
	client := r.client(req.Tool)
	defer client.Close()
	answer, err := client.Post(ctx, driverhttp.Request{
		URL: r.Endpoint, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
	})
	if err != nil {
		return deletion.Receipt{}, fmt.Errorf("asking for the deletion: %w", err)
	}
	return r.read(answer, time.Now(), req.DeletionKey)
}

// Status asks what became of a request.
func (r Requestor) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	if receipt.ID == "" {
		return receipt, nil // the server gave nothing to ask by
	}
	if err := r.Check(); err != nil {
		return receipt, err
	}
	u, err := url.Parse(r.Endpoint)
	if err != nil {
		return receipt, err
	}
	client := r.client("")
	defer client.Close()
	answer, err := client.Get(ctx, driverhttp.Request{URL: u.JoinPath(url.PathEscape(receipt.ID)).String()})
	if err != nil {
		return receipt, fmt.Errorf("asking for the state of the deletion: %w", err)
	}
	if said, ok := parse(answer); ok && answer.Status == http.StatusNotFound && said.Error == "unknown_receipt" {
		return receipt, fmt.Errorf("asking for the state of the deletion: %w", deletion.ErrUnknownReceipt)
	}
	now, err := r.read(answer, time.Now(), "")
	if err != nil {
		return receipt, err
	}
	if now.ID != receipt.ID {
		return receipt, errors.New("asking for the state of the deletion: the answer is about another request")
	}
	return now, nil
}

func (r Requestor) client(tool string) *driverhttp.Client {
	return driverhttp.NewClient(driver.Config{Headers: r.Headers, Insecure: r.Insecure, Transport: r.Transport, Tool: tool})
}

// said is what a server can say in JSON.
type said struct {
	ID, State, Detail, Error string
	CancelUntil              time.Time `json:"cancel_until"`
}

func parse(a driverhttp.Answer) (said, bool) {
	var s said
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if kind != "application/json" || json.Unmarshal(a.Body, &s) != nil {
		return said{}, false
	}
	return s, true
}

// read is the table of the package comment.
func (r Requestor) read(a driverhttp.Answer, now time.Time, deletionKey string) (deletion.Receipt, error) {
	s, isJSON := parse(a)
	fail := func(next string) error { return fmt.Errorf("the deletion endpoint answered %d: %s", a.Status, next) }
	switch a.Status {
	case 200, 201, 202, 204:
		switch {
		case len(a.Body) > 0 && !json.Valid(a.Body), driverhttp.LooksLikeHTML(a):
			return deletion.Receipt{}, fail("with a page instead of a receipt: log in to this network, or check the endpoint")
		case s.Error != "":
			return deletion.Receipt{}, fail("with an error inside")
		}
		receipt := deletion.Receipt{
			State: deletion.Delivered, CancelUntil: s.CancelUntil,
			ID: plaintext.Cut(r.withoutKeys(s.ID, deletionKey), maxID), Detail: plaintext.Cut(r.withoutKeys(s.Detail, deletionKey), maxDetail),
		}
		switch state := deletion.State(s.State); state {
		case deletion.Acknowledged, deletion.Verified, deletion.Refused:
			receipt.State = state
		}
		return receipt, nil
	case 400, 403, 413, 422:
		if reason, known := refusals[s.Error]; known {
			return deletion.Receipt{}, driver.Permanent(fail(reason))
		} else if isJSON && s.Error != "" {
			return deletion.Receipt{}, driver.Permanent(fail("the request is refused"))
		}
		return deletion.Receipt{}, fail("but not as a deletion endpoint would: log in to this network, or check the endpoint")
	case 401, 404, 405, 407, 410, 415:
		return deletion.Receipt{}, driver.Throttled(fail("no deletion requests are taken at this address: check the endpoint and its headers"), driverhttp.RepairWait)
	}
	err := fail("try again later")
	if a.Status/100 == 3 {
		err = fail("redirects are not followed, set the endpoint to the new address")
	}
	if wait, ok := driverhttp.RetryAfter(a.Header, now); ok {
		err = driver.Throttled(err, wait)
	}
	return deletion.Receipt{}, err
}

// refusals are those that a relay names. What else a server says is not repeated: it
// could be the key.
var refusals = map[string]string{
	"proof_mismatch":  "the deletion key does not belong to the machine ID",
	"invalid_request": "the request is not one that the endpoint can read",
}

// minKey is how long what is looked for in a receipt has to be: "Bearer", and shorter words
// than that, are no keys.
const minKey = 8

// withoutKeys returns text, or nothing if the server repeats a key in it: a receipt is
// stored and shown.
func (r Requestor) withoutKeys(text, deletionKey string) string {
	keys := []string{deletionKey}
	for _, value := range r.Headers {
		keys = append(keys, strings.Fields(value)...)
	}
	if slices.ContainsFunc(keys, func(key string) bool { return len(key) >= minKey && strings.Contains(text, key) }) {
		return ""
	}
	return text
}
