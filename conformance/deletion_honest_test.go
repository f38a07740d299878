package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// honest makes calls as its author would, and nothing else of the contract than what is
// written: its errors are plain ones.
type honest struct {
	endpoint string
	client   *http.Client
}

func (h honest) call(ctx context.Context, method, path, kind, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.endpoint+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("honest: no request")
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, nil, errors.New("honest: no answer")
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, text, err
}

// honestSubject is one that describes as little as a subject may.
func honestSubject(name string, state deletion.State, do func(h honest, ctx context.Context, req deletion.Request) (deletion.Receipt, error)) DeletionSubject {
	return DeletionSubject{
		Name: name, State: state,
		Open: func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			h := honest{endpoint, &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
			return deletion.Func(func(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				if err := errors.Join(req.Validate(), ctx.Err()); err != nil {
					return deletion.Receipt{}, err
				}
				return do(h, ctx, req)
			}), nil
		},
		Decode: func(r Request) (string, error) {
			if id := machineIDs.FindString(r.URL + " " + string(r.Body)); id != "" {
				return id, nil
			}
			return "", nil
		},
	}
}

var machineIDs = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

var errNo = errors.New("honest: refused")

func TestHonestRequestorsPassHoweverTheyWork(t *testing.T) {
	t.Parallel()
	done := func(status, want int, err error, state deletion.State) (deletion.Receipt, error) {
		if err != nil || status != want {
			return deletion.Receipt{}, errNo
		}
		return deletion.Receipt{State: state}, nil
	}
	answers := func(s DeletionSubject, list map[string]Answer) DeletionSubject {
		s.Accept = func(r Request) Answer {
			for part, a := range list {
				if strings.Contains(r.Method+" "+r.URL, part) {
					return a
				}
			}
			return Answer{Status: 404}
		}
		return s
	}
	for _, s := range []DeletionSubject{
		answers(honestSubject("get with a query, 204", deletion.Delivered, func(h honest, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
			status, _, err := h.call(ctx, "GET", "/forget?who="+req.MachineID, "", "")
			return done(status, 204, err, deletion.Delivered)
		}), map[string]Answer{"/forget": {Status: 204}}),
		answers(honestSubject("201 alone", deletion.Acknowledged, func(h honest, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
			status, _, err := h.call(ctx, "PUT", "/tickets/"+req.MachineID, "text/plain", "forget "+req.MachineID)
			return done(status, 201, err, deletion.Acknowledged)
		}), map[string]Answer{"/tickets/": {Status: 201}}),
		answers(honestSubject("token first, then a form", deletion.Acknowledged, func(h honest, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
			var said struct{ Token string }
			status, text, err := h.call(ctx, "POST", "/token", "application/x-www-form-urlencoded", "grant_type=client_credentials")
			if err != nil || status != 200 || json.Unmarshal(text, &said) != nil || said.Token == "" {
				return deletion.Receipt{}, errNo
			}
			form := url.Values{"id": {req.MachineID}, "token": {said.Token}, "sent": {time.Now().Format(time.RFC3339Nano)}}.Encode()
			status, _, err = h.call(ctx, "POST", "/delete", "application/x-www-form-urlencoded", form)
			if status == 401 { // it has run out
				if status, _, err = h.call(ctx, "POST", "/token", "application/x-www-form-urlencoded", "grant_type=client_credentials&again=1"); status == 200 {
					status, _, err = h.call(ctx, "POST", "/delete", "application/x-www-form-urlencoded", form)
				}
			}
			return done(status, 202, err, deletion.Acknowledged)
		}), map[string]Answer{"/token": {Body: `{"token":"t-1"}`}, "/delete": {Status: 202, Body: `{}`}}),
		answers(honestSubject("deleted at once, and says how many", deletion.Verified, func(h honest, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
			var said struct {
				Deleted *int
				Left    *int
			}
			status, text, err := h.call(ctx, "DELETE", "/machines/"+req.MachineID, "", "")
			if err != nil || status != 200 || json.Unmarshal(text, &said) != nil || said.Left == nil || *said.Left != 0 {
				return deletion.Receipt{}, errNo
			}
			return deletion.Receipt{State: deletion.Verified, Detail: fmt.Sprint(said.Deleted != nil)}, nil
		}), map[string]Answer{"/machines/": {Body: `{"deleted":12,"left":0}`}}),
		answers(honestSubject("details are asked for, and can be done without", deletion.Acknowledged, func(h honest, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
			status, _, err := h.call(ctx, "POST", "/delete", "application/json", `{"id":"`+req.MachineID+`"}`)
			receipt, err := done(status, 200, err, deletion.Acknowledged)
			if err == nil {
				if status, _, err := h.call(ctx, "GET", "/when", "", ""); err == nil && status == 200 {
					receipt.Detail = "It takes a day."
				}
			}
			return receipt, err
		}), map[string]Answer{"/delete": {Body: `{"queued":true}`}, "/when": {Body: `{"days":1}`}}),
		answers(honestSubject("two regions", deletion.Delivered, func(h honest, ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
			for _, region := range []string{"eu", "us"} {
				status, _, err := h.call(ctx, "POST", "/"+region+"/delete", "application/json", `{"id":"`+req.MachineID+`"}`)
				if _, err := done(status, 200, err, deletion.Delivered); err != nil {
					return deletion.Receipt{}, err
				}
			}
			return deletion.Receipt{State: deletion.Delivered}, nil
		}), map[string]Answer{"/delete": {Body: `{"queued":true}`}}),
	} {
		// A status alone decides for most of them, so pages are told apart by their first byte.
		open := s.Open
		s.Open = func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
			return open(endpoint, roundTrip(func(r *http.Request) (*http.Response, error) {
				resp, err := transport.RoundTrip(r)
				if err != nil {
					return nil, err
				}
				first := make([]byte, 4)
				n, _ := io.ReadFull(resp.Body, first)
				if slices.ContainsFunc([]string{"<", "\ufeff"}, func(page string) bool { return strings.HasPrefix(string(first[:n]), page) }) {
					resp.Body.Close()
					return nil, errNo
				}
				resp.Body = rewound{io.MultiReader(strings.NewReader(string(first[:n])), resp.Body), resp.Body}
				return resp, nil
			}))
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			RunDeletion(t, s)
		})
	}
}

// rewound is a body of which a part has been looked at.
type rewound struct {
	io.Reader
	io.Closer
}

// What VerifyDeletion finds in planted surroundings is about the subject that it was given,
// also where several have one name.
func TestVerifyDeletionComesBackToTheCallThatIsMeant(t *testing.T) {
	t.Parallel()
	const inside = "CONFORMANCE_TEST_VERIFIES"
	if !playing() && os.Getenv(inside) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inside+"=1")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		return
	}
	leaks := deskSubject(func(d *desk) {
		d.prepare = func(r *http.Request) { r.Header.Set("X-From", os.Getenv("GITHUB_ACTOR")) }
	})
	for _, c := range []struct {
		subject DeletionSubject
		want    []string
	}{{deskSubject(func(*desk) {}), nil}, {leaks, []string{"deletion/no-planted-value"}}} {
		report := VerifyDeletion(c.subject)
		if got := report.Failures(); !slices.Equal(got, c.want) || strings.Contains(strings.Join(report.Notes, "\n"), "could not be made") {
			t.Errorf("it fails %q, want %q: %s%q", got, c.want, report, report.Notes)
		}
	}
}
