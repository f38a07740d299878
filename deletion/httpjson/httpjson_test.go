//go:build !notelemetry

package httpjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
)

func TestKeepsTheContract(t *testing.T) {
	t.Parallel()
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Name: "deletion-httpjson", State: deletion.Acknowledged, Secrets: []string{"secret-of-the-relay"},
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			return httpjson.Requestor{Endpoint: endpoint + "/v1/deletions", Transport: transport,
				Headers: map[string]string{"Authorization": "Bearer secret-of-the-relay"}}, nil
		},
		Accept: func(conformance.Request) conformance.Answer {
			return conformance.Answer{Status: 202, Type: "application/json", Body: `{"id":"r1","state":"acknowledged"}`}
		},
		NotAccepted: []conformance.Answer{
			{Status: 200, Type: "text/html", Body: "<html><body>Log in to the hotel's network</body></html>"},
			{Status: 202, Type: "application/json", Body: `{"error":"ledger_unavailable"}`},
		},
		Decode: func(r conformance.Request) (string, error) {
			var body struct {
				ID string `json:"machine_id"`
			}
			if r.Method == http.MethodGet {
				return "", nil
			}
			err := json.Unmarshal(r.Body, &body)
			return body.ID, err
		},
		Statuses: map[int]driver.Class{
			400: driver.ClassPermanent, 403: driver.ClassPermanent, 413: driver.ClassPermanent, 422: driver.ClassPermanent,
			401: driver.ClassThrottled, 404: driver.ClassThrottled, 405: driver.ClassThrottled,
			429: driver.ClassUnknown, 500: driver.ClassUnknown, 503: driver.ClassUnknown, 301: driver.ClassUnknown,
		},
		Refusal: conformance.Answer{Type: "application/json", Body: `{"error":"proof_mismatch"}`},
		Progress: []conformance.Progress{
			{Name: "in hand", Answer: saying(200, `{"id":"r1","state":"acknowledged"}`), Want: deletion.Acknowledged},
			{Name: "gone", Answer: saying(200, `{"id":"r1","state":"verified"}`), Want: deletion.Verified},
			{Name: "refused", Answer: saying(200, `{"id":"r1","state":"refused","detail":"the vendor cannot"}`), Want: deletion.Refused},
			{Name: "a word of tomorrow's", Answer: saying(200, `{"id":"r1","state":"dreamt"}`), Want: deletion.Delivered},
			{Name: "another's", Answer: saying(200, `{"id":"r2","state":"acknowledged"}`)},
			{Name: "nobody's", Answer: saying(200, `{"state":"verified"}`)},
			{Name: "lost", Answer: saying(404, `{"error":"unknown_receipt"}`), Err: deletion.ErrUnknownReceipt},
		},
		RequestedAt: func(r conformance.Request) (time.Time, error) {
			var body struct {
				At time.Time `json:"requested_at"`
			}
			if r.Method == http.MethodGet {
				return body.At, nil
			}
			err := json.Unmarshal(r.Body, &body)
			return body.At, err
		},
		TakesKey: func(r conformance.Request) bool { return r.Method == http.MethodPost },
		Hosts:    theEndpoint,
	})
}

func saying(status int, body string) func(conformance.Request) conformance.Answer {
	return func(conformance.Request) conformance.Answer {
		return conformance.Answer{Status: status, Type: "application/json", Body: body}
	}
}

func theEndpoint(endpoint string) []string { return []string{strings.TrimPrefix(endpoint, "https://")} }

const endpoint = "https://relay.example.com/v1/deletions"

func request() deletion.Request {
	return deletion.Request{
		Tool: "mytool", MachineID: strings.Repeat("0dd5a1ad", 4), DeletionKey: strings.Repeat("e2a5ecaf", 8),
		RequestedAt: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
	}
}

// answering is a requestor whose relay always answers alike.
func answering(status int, contentType, body string, header http.Header) httpjson.Requestor {
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		resp := httpmock.NewStringResponse(status, body)
		resp.Header = header.Clone()
		if resp.Header == nil {
			resp.Header = http.Header{}
		}
		if contentType != "" {
			resp.Header.Set("Content-Type", contentType)
		}
		return resp, nil
	})
	return httpjson.Requestor{Endpoint: endpoint, Transport: mock}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	t.Parallel()
	const kind = "application/json"
	for name, c := range map[string]struct {
		status     int
		kind, body string
		header     http.Header
		state      deletion.State
		class      driver.Class
		wait       time.Duration
	}{
		"acknowledged":                {202, kind, `{"id":"r1","state":"acknowledged"}`, nil, deletion.Acknowledged, 0, 0},
		"acknowledged, with charset":  {200, kind + "; charset=utf-8", `{"id":"r1","state":"acknowledged"}`, nil, deletion.Acknowledged, 0, 0},
		"already verified":            {200, kind, `{"id":"r1","state":"verified"}`, nil, deletion.Verified, 0, 0},
		"refused later":               {200, kind, `{"id":"r1","state":"refused"}`, nil, deletion.Refused, 0, 0},
		"a state that we do not know": {200, kind, `{"id":"r1","state":"dreamt"}`, nil, deletion.Delivered, 0, 0},
		"a server of the reference":   {204, "", "", nil, deletion.Delivered, 0, 0},
		"text":                        {200, "text/plain", "Please log in to this network.", nil, "", driver.ClassUnknown, 0},
		"JSON that is cut":            {200, kind, `{"id":"r1"`, nil, "", driver.ClassUnknown, 0},
		"JSON of a server's own":      {200, kind + "; charset=utf-8", `["taken"]`, nil, deletion.Delivered, 0, 0},
		"an empty 200":                {200, "text/plain", "", nil, deletion.Delivered, 0, 0},
		"a page":                      {200, "text/html", "<html>", nil, "", driver.ClassUnknown, 0},
		"a page that hides it":        {200, "", "hello", nil, "", driver.ClassUnknown, 0},
		"an error inside a 200":       {200, kind, `{"error":"x"}`, nil, "", driver.ClassUnknown, 0},
		"206":                         {206, kind, `{"state":"acknowledged"}`, nil, "", driver.ClassUnknown, 0},
		"a forged proof":              {403, kind, `{"error":"proof_mismatch"}`, nil, "", driver.ClassPermanent, 0},
		"a request it cannot read":    {400, kind, `{"error":"invalid_request"}`, nil, "", driver.ClassPermanent, 0},
		"a refusal of its own":        {422, kind, `{"error":"because"}`, nil, "", driver.ClassPermanent, 0},
		"a portal's 403":              {403, "text/html", "<html>", nil, "", driver.ClassUnknown, 0},
		"a proxy's bare 400":          {400, "", "", nil, "", driver.ClassUnknown, 0},
		"unauthorised":                {401, "", "", nil, "", driver.ClassThrottled, time.Hour},
		"another path":                {404, kind, `{"error":"unknown_tool"}`, nil, "", driver.ClassThrottled, time.Hour},
		"slow down":                   {429, kind, `{"error":"rate_limited"}`, http.Header{"Retry-After": {"90"}}, "", driver.ClassThrottled, 90 * time.Second},
		"a full disk":                 {503, kind, `{"error":"ledger_unavailable"}`, http.Header{"Retry-After": {"60"}}, "", driver.ClassThrottled, time.Minute},
		"broken":                      {500, "", "", nil, "", driver.ClassUnknown, 0},
		"moved":                       {308, "", "", http.Header{"Location": {"https://elsewhere.example.com"}}, "", driver.ClassUnknown, 0},
	} {
		receipt, err := answering(c.status, c.kind, c.body, c.header).RequestDeletion(t.Context(), request())
		if receipt.State != c.state || driver.Classify(err) != c.class || driver.Wait(err) != c.wait {
			t.Errorf("%s: the state is %q, the class %v with a wait of %v; want %q, %v, %v (%v)",
				name, receipt.State, driver.Classify(err), driver.Wait(err), c.state, c.class, c.wait, err)
		}
	}
}

func TestTheRequestIsTheDocumentedOne(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	var got map[string]string
	mock.RegisterResponder("POST", endpoint, func(r *http.Request) (*http.Response, error) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("not JSON: %v, %q", err, r.Header.Get("Content-Type"))
		}
		return httpmock.NewStringResponse(204, ""), nil
	})
	if _, err := (httpjson.Requestor{Endpoint: endpoint, Transport: mock}).RequestDeletion(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"machine_id": request().MachineID, "deletion_key": request().DeletionKey, "tool": "mytool", "requested_at": "2026-02-03T04:05:06Z",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if len(got) != 4 {
		t.Errorf("the request says more than it needs to: %v", got)
	}
}

func TestStatusFollowsTheReceipt(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	answer := httpmock.NewStringResponder(500, "")
	mock.RegisterResponder("GET", endpoint+"/r1", func(r *http.Request) (*http.Response, error) { return answer(r) })
	say := func(status int, body string) {
		answer = httpmock.ResponderFromResponse(&http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: httpmock.NewRespBodyFromString(body),
		})
	}
	r := httpjson.Requestor{Endpoint: endpoint, Transport: mock}
	receipt := deletion.Receipt{State: deletion.Acknowledged, ID: "r1"}

	say(200, `{"id":"r1","state":"verified","detail":"gone\u001b[31m from everywhere"}`)
	now, err := r.Status(t.Context(), receipt)
	if err != nil || now.State != deletion.Verified || now.Detail != "gone [31m from everywhere" {
		t.Errorf("the receipt is %+v with the error %v", now, err)
	}
	say(200, `{"id":"r2","state":"verified"}`)
	if now, err := r.Status(t.Context(), receipt); err == nil {
		t.Errorf("another request's state was taken for ours: %+v", now)
	}
	say(404, `{"error":"unknown_receipt"}`)
	if _, err := r.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("the error is %v, want ErrUnknownReceipt", err)
	}
	say(404, `not found`)
	if _, err := r.Status(t.Context(), receipt); err == nil || errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("the error is %v: a 404 of whoever it is says nothing of the receipt", err)
	}
	nameless := deletion.Receipt{State: deletion.Delivered}
	if now, err := r.Status(t.Context(), nameless); err != nil || now.State != deletion.Delivered {
		t.Errorf("a receipt without an ID became %+v with the error %v", now, err)
	}
}

func TestNoKeyThatTheServerRepeatsIsInAReceipt(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"id":     `{"id":"` + request().DeletionKey + `","state":"acknowledged"}`,
		"detail": `{"id":"r1","state":"acknowledged","detail":"asked with ` + request().DeletionKey + `"}`,
		"header": `{"id":"r1","state":"acknowledged","detail":"asked with secret-of-the-relay"}`,
	} {
		r := answering(202, "application/json", body, nil)
		r.Headers = map[string]string{"Authorization": "secret-of-the-relay"}
		receipt, err := r.RequestDeletion(t.Context(), request())
		if text := fmt.Sprintf("%+v", receipt); err != nil || strings.Contains(text, request().DeletionKey) || strings.Contains(text, "secret-of-the-relay") {
			t.Errorf("%s: the receipt is %+v with the error %v", name, receipt, err)
		}
	}
}

func TestAnEndpointThatCannotBeUsedIsAMistakeOfTheAuthors(t *testing.T) {
	t.Parallel()
	for _, r := range []httpjson.Requestor{
		{}, {Endpoint: "http://relay.example.com/"}, {Endpoint: "relay"}, {Endpoint: "https://user:pass@relay.example.com/"},
		{Endpoint: endpoint, Headers: map[string]string{"X": "a\nb"}},
	} {
		var mistake *driver.ConfigError
		if err := r.Check(); !errors.As(err, &mistake) {
			t.Errorf("%q with %v: the error is %v, want a ConfigError", r.Endpoint, r.Headers, err)
		} else if strings.Contains(err.Error(), "Telemetry.") {
			t.Errorf("%q: the error names a field that a Requestor does not have: %v", r.Endpoint, err)
		}
		if _, err := r.RequestDeletion(t.Context(), request()); err == nil {
			t.Errorf("%q was posted to", r.Endpoint)
		}
	}
}

func TestAnAddressWithASlashTooManyIsNamed(t *testing.T) {
	t.Parallel()
	for address, fine := range map[string]bool{
		"https://relay.example.com/v1/deletions": true, "https://relay.example.com/v1/deletions/": false, "https://relay.example.com/": true,
		"https://relay.example.com": true, "https://relay.example.com//": false, "https://relay.example.com//v1/deletions": false,
		"https://relay.example.com/v1/deletions/?a=1": false, "https://relay.example.com/v1/deletions?a=/": true,
	} {
		if err := (httpjson.Requestor{Endpoint: address}).Check(); (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
	}
}
