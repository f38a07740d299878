//go:build !notelemetry

package segment_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	backend "github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/segment"
	standin "github.com/gotoolbase/telemetry/internal/standin/segment"
)

const machine, other = "0dd5a1ad0dd5a1ad0dd5a1ad0dd5a1ad", "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

func TestTheVendorKeepsTheContract(t *testing.T) {
	t.Parallel()
	said := func(status string) func(conformance.Request) conformance.Answer {
		return func(r conformance.Request) conformance.Answer {
			id := r.URL[strings.LastIndexByte(r.URL, '/')+1:]
			return conformance.Answer{Body: `{"data":{"regulation":{"id":"` + id + `","overallStatus":"` + status + `","createdAt":"2026-02-03T04:05:07Z","streamStatus":[]}}}`}
		}
	}
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Vendor: segment.Vendor(), State: deletion.Acknowledged,
		Settings: func(endpoint string) map[string]string {
			return map[string]string{"endpoint": endpoint, "token": standin.Token}
		},
		Accept: func(r conformance.Request) conformance.Answer {
			asked, got := httptest.NewRequest(r.Method, r.URL, bytes.NewReader(r.Body)), httptest.NewRecorder()
			asked.Header = r.Header.Clone()
			vendor := standin.New()
			vendor.ServeHTTP(httptest.NewRecorder(), regulation(r)) // so that there is one to be asked about
			vendor.ServeHTTP(got, asked)
			return conformance.Answer{Status: got.Code, Type: got.Header().Get("Content-Type"), Body: got.Body.String()}
		},
		NotAccepted: []conformance.Answer{
			{Status: 200, Body: `{"data":{}}`},
			{Status: 200, Body: `{"data":{"regulateId":null}}`},
			{Status: 200, Body: `{"errors":[{"type":"validation"}]}`},
			{Status: 201, Body: `{"data":{"regulateId":"1qJkfE1tpwvQcklImGksLN629wn"}}`},
			{Status: 204},
		},
		Decode: func(r conformance.Request) (string, error) {
			list, err := named(r)
			if err != nil || len(list) == 0 {
				return "", err
			}
			if len(list) > 1 {
				return "", fmt.Errorf("not one: %q", list)
			}
			return list[0], nil
		},
		DecodeAll: named,
		Statuses: map[int]driver.Class{
			400: driver.ClassPermanent, 422: driver.ClassPermanent, 401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 429: driver.ClassThrottled, 500: driver.ClassUnknown, 503: driver.ClassUnknown, 307: driver.ClassUnknown, 204: driver.ClassUnknown,
		},
		Refusal: conformance.Answer{Body: `{"errors":[{"type":"validation","message":"no"}]}`},
		Progress: []conformance.Progress{
			{Name: "initialized", Answer: said("INITIALIZED"), Want: deletion.Acknowledged},
			{Name: "running", Answer: said("RUNNING"), Want: deletion.Acknowledged},
			{Name: "finished", Answer: said("FINISHED"), Want: deletion.Manual},
			{Name: "failed", Answer: said("FAILED"), Want: deletion.Refused},
			{Name: "a part", Answer: said("PARTIAL_SUCCESS"), Want: deletion.Refused},
			{Name: "not supported", Answer: said("NOT_SUPPORTED"), Want: deletion.Refused},
			{Name: "invalid", Answer: said("INVALID"), Want: deletion.Refused},
			{Name: "a word of tomorrow's", Answer: said("DREAMT")},
			{Name: "another's", Answer: func(conformance.Request) conformance.Answer {
				return conformance.Answer{Body: `{"data":{"regulation":{"id":"x","overallStatus":"RUNNING"}}}`}
			}},
			{Name: "not known any more", Err: deletion.ErrUnknownReceipt, Answer: func(conformance.Request) conformance.Answer {
				return conformance.Answer{Status: 404, Body: `{"errors":[{"type":"not-found"}]}`}
			}},
		},
		TakesKey: func(conformance.Request) bool { return false },
	})
}

// named returns the userIds in a request of the vendor's.
func named(r conformance.Request) ([]string, error) {
	if r.Method == http.MethodGet {
		return nil, nil
	}
	var body struct {
		Subject string   `json:"subjectType"`
		IDs     []string `json:"subjectIds"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil, err
	}
	if body.Subject != "USER_ID" {
		return nil, fmt.Errorf("not by userId: %s", body.Subject)
	}
	return body.IDs, nil
}

func regulation(r conformance.Request) *http.Request {
	asked := httptest.NewRequest(http.MethodPost, "https://segment.test/regulations",
		strings.NewReader(`{"regulationType":"DELETE_ONLY","subjectType":"USER_ID","subjectIds":["`+other+`"]}`))
	asked.Header = r.Header.Clone()
	return asked
}

// workspace is one at Segment, and what asks it.
type workspace struct {
	*standin.Server
	url string
}

func newWorkspace(t *testing.T) workspace {
	t.Helper()
	s := standin.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return workspace{s, server.URL}
}

func (w workspace) open(t *testing.T, settings map[string]string) deletion.Bulk {
	t.Helper()
	all := map[string]string{"endpoint": w.url, "token": standin.Token}
	for name, value := range settings {
		all[name] = value
	}
	r, err := segment.Vendor().Requestor(deletion.VendorConfig{Settings: all, Tool: "mytool", Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return r.(deletion.Bulk)
}

func request(id string) deletion.Request {
	return deletion.Request{Tool: "mytool", MachineID: id, RequestedAt: noon}
}

// What the backend itself sends is what a regulation reaches.
func TestWhatTheBackendSentIsDeletedAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	var sent []standin.Message
	intake := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Batch []standin.Message }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		sent = append(sent, body.Batch...)
	}))
	defer intake.Close()
	b, err := backend.Driver().Open(driver.Config{Settings: map[string]string{"endpoint": intake.URL, "write_key": "k"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, e := range []driver.Event{{ID: "1", Type: "a", Time: noon, MachineID: machine}, {ID: "2", Type: "a", Time: noon, MachineID: other}, {ID: "3", Type: "a", Time: noon}} {
		if err := b.Send(t.Context(), []driver.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	w.Store(sent...)
	r := w.open(t, nil)
	receipt, err := r.RequestDeletion(t.Context(), request(machine))
	if err != nil || receipt.State != deletion.Acknowledged || receipt.MachineID != machine || !receipt.At.Equal(noon) {
		t.Fatalf("%+v, %v", receipt, err)
	}
	for _, want := range []deletion.State{deletion.Acknowledged, deletion.Manual} {
		w.Run()
		now, err := r.(deletion.Follower).Status(t.Context(), receipt)
		if err != nil || now.State != want || now.ID != receipt.ID || now.MachineID != machine {
			t.Errorf("%+v, %v, want it %s", now, err, want)
		}
	}
	w.Store(standin.Message{UserID: machine}) // of a process that was forgotten
	if left := w.Messages(); len(left) != 2 || left[0].UserID != other || left[1].UserID != "" || left[1].AnonymousID != "3" {
		t.Errorf("left are %+v", left)
	}
}

func TestManyAreOneRegulation(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	r := w.open(t, map[string]string{"regulation": "DELETE_ONLY"})
	outcomes, err := r.RequestDeletions(t.Context(), []deletion.Request{request(machine), request("*"), request(other)})
	if err != nil || len(outcomes) != 3 || !errors.Is(outcomes[1].Err, deletion.ErrInvalidID) || outcomes[0].Err != nil || outcomes[2].Err != nil ||
		outcomes[0].Receipt.MachineID != machine || outcomes[2].Receipt.MachineID != other {
		t.Errorf("%+v, %v", outcomes, err)
	}
	if list := w.Regulations(); len(list) != 1 || list[0].Type != "DELETE_ONLY" || !slices.Equal(list[0].UserIDs, []string{machine, other}) {
		t.Errorf("asked for %+v", list)
	}
	if r.MaxBulk() > 5000 {
		t.Errorf("%d at once are more than Segment takes", r.MaxBulk())
	}
	before := w.Calls()
	if outcomes, err := r.RequestDeletions(t.Context(), []deletion.Request{request("*")}); err != nil || !errors.Is(outcomes[0].Err, deletion.ErrInvalidID) || w.Calls() != before {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

func TestAQuotaThatIsUsedUpIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	r := w.open(t, nil)
	for reset, want := range map[string]time.Duration{"2026-02-04T11:00:00Z": 23 * time.Hour, "": time.Minute, "soon": time.Minute, "2026-02-03T11:00:00Z": time.Minute} {
		w.Answers(func(*http.Request) (int, http.Header, string) {
			return http.StatusTooManyRequests, http.Header{"X-Regulation-Ratelimit-Quota-Reset": {reset}}, `{"errors":[]}`
		})
		if _, err := r.RequestDeletion(t.Context(), request(machine)); driver.Wait(err) != want {
			t.Errorf("%q: %v is waited, want %v", reset, driver.Wait(err), want)
		}
	}
}

func TestOnlyAReceiptOfSegmentsIsAskedAbout(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	f := w.open(t, nil).(deletion.Follower)
	for _, id := range []string{"", "a/../b", "a b", "a?x=y", strings.Repeat("a", 129)} {
		if _, err := f.Status(t.Context(), deletion.Receipt{ID: id, MachineID: machine}); !errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if w.Calls() != 0 {
		t.Errorf("%d calls were made", w.Calls())
	}
	if _, err := f.Status(t.Context(), deletion.Receipt{ID: "gone", MachineID: machine}); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("one that is gone: %v", err)
	}
}

func TestAMistakeInASettingIsNamedAndNotRepeated(t *testing.T) {
	t.Parallel()
	for field, settings := range map[string]map[string]string{
		"instance":   {"token": "t"},
		"endpoint":   {"token": "t", "instance": "us", "endpoint": "https://h.example"},
		"token":      {"instance": "eu", "token": "c4n4ry\n"},
		"regulation": {"instance": "eu", "token": "t", "regulation": "UNSUPPRESS"},
	} {
		_, err := segment.Vendor().Requestor(deletion.VendorConfig{Settings: settings})
		if wrong, ok := errors.AsType[*driver.ConfigError](err); !ok || wrong.Field != "Settings["+field+"]" || strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for instance, host := range map[string]string{"us": "api.segmentapis.com", "eu": "eu1.api.segmentapis.com"} {
		if got := segment.Vendor().Hosts(map[string]string{"instance": instance}); !slices.Equal(got, []string{host}) {
			t.Errorf("%s is %q", instance, got)
		}
	}
}
