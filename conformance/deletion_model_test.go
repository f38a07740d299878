package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// desk is a requestor that keeps the contract and uses all of it: it looks a person up,
// asks for the deletion, follows it, and counts what is left. Mutants replace its parts.
//
//	GET  /people?id=<machine ID>   200 {"records": 3}
//	POST /deletions                 202 {"id": "r1", "state": "queued", "note": "…"}
//	GET  /deletions/<id>            200 the same; 404 {"error": "unknown"}
//	GET  /people?id=…              once it is done: how many records are left
type desk struct {
	endpoint string
	client   *http.Client

	exchange func(d *desk, ctx context.Context, method, path string, body []byte) (deskAnswer, error)
	prepare  func(*http.Request)
	body     func(req deletion.Request) map[string]any
	judge    func(a deskAnswer, want int) error
	receipt  func(req deletion.Request, a deskAnswer) deletion.Receipt
	state    func(string) (deletion.State, bool)
	records  func(text []byte) (int, error)
	request  func(d *desk, ctx context.Context, req deletion.Request) (deletion.Receipt, error)
	status   func(d *desk, ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error)
	// remembered is for mutants that keep something.
	remembered *deskMemory
}

type deskAnswer struct {
	status int
	header http.Header
	text   []byte
}

// said is what an answer says. State is one of queued, running, done, rejected.
type deskSaid struct{ ID, State, Note, Error string }

func newDesk(endpoint string, transport http.RoundTripper) *desk {
	return &desk{
		endpoint: endpoint,
		client:   &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		exchange: (*desk).once, prepare: func(*http.Request) {}, judge: judgeDesk, receipt: deskReceipt, state: deskState, records: deskRecords,
		request: (*desk).ask, status: (*desk).follow, remembered: &deskMemory{},
		body: func(req deletion.Request) map[string]any {
			return map[string]any{"machine_id": req.MachineID, "deletion_key": req.DeletionKey, "requested_at": req.RequestedAt.UTC().Format(time.RFC3339)}
		},
	}
}

func (d *desk) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	return d.request(d, ctx, req)
}

func (d *desk) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	return d.status(d, ctx, receipt)
}

func (d *desk) ask(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	if err := req.Validate(); err != nil {
		return deletion.Receipt{}, err
	}
	if _, err := d.left(ctx, req.MachineID); err != nil {
		return deletion.Receipt{}, err
	}
	body, _ := json.Marshal(d.body(req))
	a, err := d.exchange(d, ctx, http.MethodPost, "/deletions", body)
	if err == nil {
		err = d.judge(a, http.StatusAccepted)
	}
	if err != nil {
		return deletion.Receipt{}, err
	}
	r := d.receipt(req, a)
	if r.State == "" {
		return deletion.Receipt{}, errors.New("desk: it is not said what becomes of the request")
	}
	return r, nil
}

func (d *desk) left(ctx context.Context, id string) (int, error) {
	a, err := d.exchange(d, ctx, http.MethodGet, "/people?id="+id, nil)
	if err == nil {
		err = d.judge(a, http.StatusOK)
	}
	if err != nil {
		return 0, err
	}
	return d.records(a.text)
}

func (d *desk) follow(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	a, err := d.exchange(d, ctx, http.MethodGet, "/deletions/"+url.PathEscape(receipt.ID), nil)
	if err != nil {
		return receipt, err
	}
	var said deskSaid
	if a.status == http.StatusNotFound && json.Unmarshal(a.text, &said) == nil && said.Error == "unknown" {
		return receipt, fmt.Errorf("desk: %w", deletion.ErrUnknownReceipt)
	}
	if err := d.judge(a, http.StatusOK); err != nil {
		return receipt, err
	}
	now := d.receipt(deletion.Request{MachineID: receipt.MachineID, RequestedAt: receipt.At}, a)
	if now.ID != receipt.ID || now.State == "" {
		return receipt, errors.New("desk: the answer is about something else")
	}
	if now.State == deletion.Verified {
		switch n, err := d.left(ctx, receipt.MachineID); {
		case err != nil:
			return receipt, err
		case n > 0:
			return receipt, fmt.Errorf("desk: something came in later: %w", deletion.ErrUnknownReceipt)
		}
	}
	return now, nil
}

func (d *desk) once(ctx context.Context, method, path string, body []byte) (deskAnswer, error) {
	return d.read(ctx, method, path, body, 64<<10)
}

// read makes one call, and reads no more of the answer than limit.
func (d *desk) read(ctx context.Context, method, path string, body []byte, limit int64) (deskAnswer, error) {
	if !strings.HasPrefix(d.endpoint, "https://") {
		return deskAnswer{}, errors.New("desk: not https")
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.endpoint+path, content)
	if err != nil {
		return deskAnswer{}, errors.New("desk: no request can be made of it")
	}
	req.Header.Set("Authorization", "Bearer "+operatorKey)
	req.Header.Set("User-Agent", "desk")
	d.prepare(req)
	resp, err := d.client.Do(req)
	if err != nil {
		return deskAnswer{}, errors.New("desk: no answer")
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return deskAnswer{}, errors.New("desk: no whole answer")
	}
	return deskAnswer{resp.StatusCode, resp.Header, text}, nil
}

func judgeDesk(a deskAnswer, want int) error {
	if a.status == want {
		return nil
	}
	err := fmt.Errorf("desk: answered %d", a.status)
	if wait, ok := driverhttp.RetryAfter(a.header, time.Now()); ok {
		return driver.Throttled(err, wait)
	}
	var said deskSaid
	if a.status == http.StatusForbidden && json.Unmarshal(a.text, &said) == nil && said.Error == "no such proof" {
		return driver.Permanent(err)
	}
	return err
}

func deskReceipt(req deletion.Request, a deskAnswer) deletion.Receipt {
	var said deskSaid
	if json.Unmarshal(a.text, &said) != nil || said.ID == "" {
		return deletion.Receipt{}
	}
	state, known := deskState(said.State)
	if !known {
		state = deletion.Delivered
	}
	return deletion.Receipt{State: state, ID: plaintext.Line(said.ID, 64), Detail: plaintext.Line(said.Note, 200), MachineID: req.MachineID, At: req.RequestedAt}
}

func deskState(word string) (deletion.State, bool) {
	state, known := map[string]deletion.State{
		"queued": deletion.Acknowledged, "running": deletion.Acknowledged, "done": deletion.Verified, "rejected": deletion.Refused,
	}[word]
	return state, known
}

// deskRecords reads how many records there are. Not saying it is not saying zero.
func deskRecords(text []byte) (int, error) {
	var said struct{ Records *int }
	if json.Unmarshal(text, &said) != nil || said.Records == nil || *said.Records < 0 {
		return 0, errors.New("desk: it is not said how many there are")
	}
	return *said.Records, nil
}

// deskSubject describes the other side of desk.
func deskSubject(change func(*desk)) DeletionSubject {
	people := func(records string) func(Request) (Answer, bool) {
		return func(r Request) (Answer, bool) {
			return Answer{Body: records}, strings.Contains(r.URL, "/people")
		}
	}
	three := people(`{"records":3}`)
	status := func(body string) func(Request) Answer {
		return func(r Request) Answer {
			if a, is := three(r); is {
				return a
			}
			return Answer{Body: body}
		}
	}
	return DeletionSubject{
		Name: "desk", State: deletion.Acknowledged, Secrets: []string{operatorKey},
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			d := newDesk(endpoint, transport)
			change(d)
			return d, nil
		},
		Accept: func(r Request) Answer {
			if a, is := three(r); is {
				return a
			}
			if r.Method == http.MethodGet {
				return Answer{Body: `{"id":"r1","state":"queued"}`}
			}
			return Answer{Status: 202, Body: `{"id":"r1","state":"queued","note":"within ten days"}`}
		},
		NotAccepted: []Answer{{Status: 202, Body: `{"error":"no"}`}},
		Decode: func(r Request) (string, error) {
			if r.Method == http.MethodGet {
				return "", nil
			}
			var body struct {
				ID string `json:"machine_id"`
			}
			err := json.Unmarshal(r.Body, &body)
			return body.ID, err
		},
		Statuses: map[int]driver.Class{403: driver.ClassPermanent, 400: driver.ClassUnknown, 404: driver.ClassUnknown, 429: driver.ClassUnknown, 503: driver.ClassUnknown},
		Refusal:  Answer{Body: `{"error":"no such proof"}`},
		Progress: []Progress{
			{Name: "queued", Answer: status(`{"id":"r1","state":"queued"}`), Want: deletion.Acknowledged},
			{Name: "running", Answer: status(`{"id":"r1","state":"running","note":"half of it"}`), Want: deletion.Acknowledged},
			{Name: "rejected", Answer: status(`{"id":"r1","state":"rejected"}`), Want: deletion.Refused},
			{Name: "another word", Answer: status(`{"id":"r1","state":"dreamt"}`), Want: deletion.Delivered},
			{Name: "another request", Answer: status(`{"id":"r2","state":"queued"}`)},
			{Name: "unknown there", Answer: func(Request) Answer { return Answer{Status: 404, Body: `{"error":"unknown"}`} }, Err: deletion.ErrUnknownReceipt},
			{Name: "done", Answer: deskLeft(new(int)), Want: deletion.Verified},
		},
		Left: deskLeft,
		RequestedAt: func(r Request) (time.Time, error) {
			var body struct {
				At time.Time `json:"requested_at"`
			}
			if r.Method == http.MethodGet {
				return time.Time{}, nil
			}
			err := json.Unmarshal(r.Body, &body)
			return body.At, err
		},
		TakesKey: func(r Request) bool { return r.Method == http.MethodPost },
		Hosts:    func(endpoint string) []string { return []string{strings.TrimPrefix(endpoint, "https://")} },
	}
}

// deskLeft is the other side once it is done.
func deskLeft(records *int) func(Request) Answer {
	return func(r Request) Answer {
		if !strings.Contains(r.URL, "/people") {
			return Answer{Body: `{"id":"r1","state":"done"}`}
		}
		body, _ := json.Marshal(map[string]*int{"records": records})
		return Answer{Body: string(body)}
	}
}
