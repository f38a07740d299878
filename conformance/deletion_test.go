package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// The one requestor that exists so far, through the http backend.
func TestTheEventRequestorKeepsTheContract(t *testing.T) {
	t.Parallel()
	RunDeletion(t, DeletionSubject{
		Name:  "deletion-event",
		State: deletion.Delivered,
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			backend, err := httpjson.Driver().Open(driver.Config{
				Settings: map[string]string{"endpoint": endpoint + "/v1"}, Transport: transport, Tool: toolName,
				Headers: map[string]string{"Authorization": "Bearer secret-of-the-intake"},
			})
			if err != nil {
				return nil, err
			}
			return deletion.Event(backend, func(e *driver.Event) { e.ID, e.Time = sampleID(time.Now(), 1), time.Now().UTC() }), nil
		},
		Secrets: []string{"secret-of-the-intake"},
		Decode: func(r Request) (string, error) {
			var events []struct {
				Type    string `json:"type"`
				Machine string `json:"machine_id"`
			}
			if err := json.Unmarshal(r.Body, &events); err != nil {
				return "", err
			}
			if len(events) != 1 || events[0].Type != "data.deletion_request" {
				return "", fmt.Errorf("not one deletion request: %+v", events)
			}
			return events[0].Machine, nil
		},
	})
}

// requestor is one that keeps the contract, with parts that mutants replace. It posts
// {"delete": id, "proof": key}; the other side answers 202 and {"queued": 1}.
type requestor struct {
	endpoint string
	client   *http.Client
	check    func(id string) error
	body     func(deletion.Request) any
	broken   func(error) (deletion.Receipt, error)
	judge    func(r *requestor, req deletion.Request, status int, text []byte) (deletion.Receipt, error)
	ctx      func(context.Context) context.Context
}

var pseudonym = regexp.MustCompile(`\A[0-9a-f]{32}\z`)

const operatorKey = "op-0123456789abcdef"

func (r *requestor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	if err := r.check(req.MachineID); err != nil {
		return deletion.Receipt{}, err
	}
	body, _ := json.Marshal(r.body(req))
	post, _ := http.NewRequestWithContext(r.ctx(ctx), http.MethodPost, r.endpoint+"/delete", bytes.NewReader(body))
	post.Header.Set("X-Operator", operatorKey)
	resp, err := r.client.Do(post)
	if err != nil {
		return r.broken(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return r.broken(err)
	}
	return r.judge(r, req, resp.StatusCode, text)
}

func (r *requestor) verdict(_ deletion.Request, status int, text []byte) (deletion.Receipt, error) {
	var said struct{ Queued int }
	if status != 202 || json.Unmarshal(text, &said) != nil || said.Queued != 1 {
		return deletion.Receipt{}, fmt.Errorf("requestor: answered %d", status)
	}
	return deletion.Receipt{State: deletion.Acknowledged}, nil
}

// following is a requestor that can tell how far a request is.
type following struct {
	*requestor
	read func(status int, text []byte) (deletion.Receipt, error)
}

func (f *following) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	get, _ := http.NewRequestWithContext(f.ctx(ctx), http.MethodGet, f.endpoint+"/status", nil)
	get.Header.Set("X-Operator", operatorKey)
	resp, err := f.client.Do(get)
	if err != nil {
		return f.broken(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return f.broken(err)
	}
	return f.read(resp.StatusCode, text)
}

func (f *following) state(status int, text []byte) (deletion.Receipt, error) {
	var said struct{ State deletion.State }
	if status != 200 || json.Unmarshal(text, &said) != nil || said.State == "" {
		return deletion.Receipt{}, fmt.Errorf("requestor: answered %d", status)
	}
	return deletion.Receipt{State: said.State}, nil
}

// followingSubject changes what only Status does.
func followingSubject(change func(*following)) DeletionSubject {
	s := requestorSubject(func(*requestor) {})
	open := s.Open
	s.Open = func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
		r, err := open(endpoint, transport)
		if err != nil {
			return nil, err
		}
		// A copy, so that what is changed for Status is not for RequestDeletion.
		own := *r.(*requestor)
		f := &following{requestor: &own}
		f.read = f.state
		change(f)
		return struct {
			deletion.Requestor
			follow
		}{r, f}, nil
	}
	return s
}

// follow is the half of a Follower that following is taken for.
type follow interface {
	Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error)
}

func requestorSubject(change func(*requestor)) DeletionSubject {
	return DeletionSubject{
		Name: "requestor", State: deletion.Acknowledged, Secrets: []string{operatorKey},
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			r := &requestor{
				endpoint: endpoint,
				client:   &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
				check: func(id string) error {
					if !pseudonym.MatchString(id) {
						return errors.New("requestor: not a machine ID")
					}
					return nil
				},
				body: func(req deletion.Request) any {
					return map[string]string{"delete": req.MachineID, "proof": req.DeletionKey}
				},
				broken: func(error) (deletion.Receipt, error) { return deletion.Receipt{}, errors.New("requestor: no answer") },
				judge:  (*requestor).verdict,
				ctx:    func(ctx context.Context) context.Context { return ctx },
			}
			change(r)
			return r, nil
		},
		Accept:      func(Request) Answer { return Answer{Status: 202, Body: `{"queued":1}`} },
		NotAccepted: []Answer{{Status: 202, Body: `{"queued":0}`}},
		Decode: func(r Request) (string, error) {
			var body struct{ Delete string }
			err := json.Unmarshal(r.Body, &body)
			return body.Delete, err
		},
	}
}

func TestTheModelRequestorKeepsTheContract(t *testing.T) {
	t.Parallel()
	RunDeletion(t, requestorSubject(func(*requestor) {}))
}

func TestAModelThatFollowsKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := followingSubject(func(*following) {})
	s.Name = "requestor that follows"
	RunDeletion(t, s)
}

// requestorMutants are those of the plain requestor, which tells no classes of errors apart.
func requestorMutants() []deletionMutant {
	list := []struct {
		name   string
		change func(*requestor)
		fails  string
	}{
		{"gives-up-with-nil", func(r *requestor) { // as the reference does
			r.broken = func(error) (deletion.Receipt, error) { return deletion.Receipt{State: deletion.Acknowledged}, nil }
		}, "cancelled-during each-its-own-deadline as-shipped cancelled-before never-without-acknowledgement"},
		{"any-status-will-do", func(r *requestor) {
			r.judge = func(*requestor, deletion.Request, int, []byte) (deletion.Receipt, error) {
				return deletion.Receipt{State: deletion.Acknowledged}, nil
			}
		}, "lookalike-not-accepted never-without-acknowledgement retry-after"},
		{"202-will-do", func(r *requestor) {
			r.judge = func(r *requestor, req deletion.Request, status int, text []byte) (deletion.Receipt, error) {
				if status == 202 {
					return deletion.Receipt{State: deletion.Acknowledged}, nil
				}
				return r.verdict(req, status, text)
			}
		}, "lookalike-not-accepted never-without-acknowledgement"},
		{"claims-that-it-is-verified", func(r *requestor) {
			r.judge = func(r *requestor, req deletion.Request, status int, text []byte) (deletion.Receipt, error) {
				receipt, err := r.verdict(req, status, text)
				receipt.State = deletion.Verified
				return receipt, err
			}
		}, "accepted-is-told many-at-once many-in-a-row may-be-repeated never-better-than-the-answer"},
		{"sends-any-id", func(r *requestor) { r.check = func(string) error { return nil } }, "id-validated"},
		{"trims-the-id", func(r *requestor) {
			r.check = func(id string) error {
				if !regexp.MustCompile(`(?m)^[0-9a-f]{31,}$`).MatchString(strings.TrimSpace(id)) {
					return errors.New("requestor: not a machine ID")
				}
				return nil
			}
		}, "id-validated"},
		{"deletes-the-tool", func(r *requestor) {
			r.body = func(req deletion.Request) any { return map[string]string{"delete": req.Tool} }
		}, "names-the-id"},
		{"works-once", func(r *requestor) {
			asked := false
			good := r.check
			r.check = func(id string) error {
				if asked {
					return errors.New("requestor: already asked")
				}
				asked = true
				return good(id)
			}
		}, "many-at-once many-in-a-row may-be-repeated"},
		{"ignores-its-context", func(r *requestor) { r.ctx = context.WithoutCancel },
			"cancelled-during each-its-own-deadline cancelled-before deadline never-without-acknowledgement"},
		{"server-text-in-the-error", func(r *requestor) {
			r.judge = func(r *requestor, req deletion.Request, status int, text []byte) (deletion.Receipt, error) {
				receipt, err := r.verdict(req, status, text)
				if err != nil {
					err = fmt.Errorf("%w: %s", err, text)
				}
				return receipt, err
			}
		}, "no-secret-in-errors"},
		{"follows-redirects", func(r *requestor) { r.client.CheckRedirect = nil },
			"as-shipped keys-stay-on-redirect one-attempt"},
	}
	statusList := []struct {
		name   string
		change func(*following)
		fails  string
	}{
		{"none-and-it-follows", func(*following) {}, ""},
		{"status-believes-any-answer", func(f *following) {
			f.read = func(int, []byte) (deletion.Receipt, error) { return deletion.Receipt{State: deletion.Verified}, nil }
		}, "status-needs-an-answer status-never-better-than-the-answer"},
		{"status-takes-silence-for-done", func(f *following) {
			f.broken = func(error) (deletion.Receipt, error) { return deletion.Receipt{State: deletion.Verified}, nil }
		}, "status-deadline status-needs-an-answer status-never-better-than-the-answer"},
		{"status-404-is-gone", func(f *following) { // whoever answered
			f.read = func(status int, text []byte) (deletion.Receipt, error) {
				if status == 404 {
					return deletion.Receipt{State: deletion.Verified}, nil
				}
				return f.state(status, text)
			}
		}, "status-needs-an-answer status-never-better-than-the-answer"},
		{"status-ignores-its-context", func(f *following) { f.ctx = context.WithoutCancel }, "status-deadline status-needs-an-answer"},
		{"status-repeats-the-server", func(f *following) {
			f.read = func(status int, text []byte) (deletion.Receipt, error) {
				receipt, err := f.state(status, text)
				if err != nil {
					err = fmt.Errorf("%w: %s", err, text)
				}
				return receipt, err
			}
		}, "status-no-secret-in-errors"},
	}
	var all []deletionMutant
	for _, m := range list {
		all = append(all, deletionMutant{m.name, requestorSubject(m.change), m.fails})
	}
	for _, m := range statusList {
		all = append(all, deletionMutant{m.name, followingSubject(m.change), m.fails})
	}
	return all
}
