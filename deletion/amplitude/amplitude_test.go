//go:build !notelemetry

package amplitude_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	backend "github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/amplitude"
	standin "github.com/gotoolbase/telemetry/internal/standin/amplitude"
)

const (
	machine = "0dd5a1ad0dd5a1ad0dd5a1ad0dd5a1ad"
	other   = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"
	day     = 24 * time.Hour
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// known are the devices of the users that the suite was told of: a deletion names the user alone.
type known struct {
	mu      sync.Mutex
	devices map[int64]string
}

func (k *known) meet(device string) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := standin.IDOf(device)
	k.devices[id] = device
	return id
}

func (k *known) device(id int64) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.devices[id]
}

func TestTheVendorKeepsTheContract(t *testing.T) {
	t.Parallel()
	everybody := &known{devices: map[int64]string{}}
	// Each request is answered by a new stand-in, which knows whom the request is about.
	serve := func(r conformance.Request, prepare func(s *standin.Server, device string)) conformance.Answer {
		u, err := url.Parse(r.URL)
		if err != nil {
			return conformance.Answer{Status: 400}
		}
		devices := []string{u.Query().Get("user")}
		if ids, _ := named(r); len(ids) > 0 {
			devices = nil
			for _, id := range ids {
				devices = append(devices, everybody.device(id))
			}
		}
		vendor := standin.New(func() time.Time { return noon })
		for _, device := range devices {
			var id int64
			if _, err := fmt.Sscan(device, &id); err == nil && len(device) < 32 {
				device = everybody.device(id)
			}
			if device == "" {
				device = machine
			}
			everybody.meet(device)
			prepare(vendor, device)
		}
		asked, got := httptest.NewRequest(r.Method, r.URL, bytes.NewReader(r.Body)), httptest.NewRecorder()
		asked.Header = r.Header.Clone()
		vendor.ServeHTTP(got, asked)
		return conformance.Answer{Status: got.Code, Type: got.Header().Get("Content-Type"), Body: got.Body.String()}
	}
	batch := func(status string) func(*standin.Server, string) {
		return func(s *standin.Server, device string) {
			s.Put(standin.Batch{Day: "2026-02-16", Status: status, IDs: []int64{standin.IDOf(machine)}})
		}
	}
	there := func(s *standin.Server, device string) { s.Store(device) }
	progress := func(prepare ...func(*standin.Server, string)) func(conformance.Request) conformance.Answer {
		return func(r conformance.Request) conformance.Answer {
			return serve(r, func(s *standin.Server, device string) {
				for _, p := range prepare {
					p(s, device)
				}
			})
		}
	}
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Vendor: amplitude.Vendor(), State: deletion.Acknowledged,
		Settings: func(endpoint string) map[string]string {
			return map[string]string{"endpoint": endpoint, "api_key": standin.APIKey, "secret_key": standin.SecretKey}
		},
		Accept: progress(there),
		NotAccepted: []conformance.Answer{
			{Status: 200, Body: `{"matches":[{"amplitude_id":0}]}`},
			{Status: 200, Body: `{"day":"2026-02-16","status":"staging","amplitude_ids":[]}`},
			{Status: 200, Body: `{"error":{"message":"no"}}`},
			{Status: 200, Body: `[]`},
			{Status: 204},
		},
		Decode: func(r conformance.Request) (string, error) {
			ids, err := named(r)
			if err != nil || len(ids) == 0 {
				return "", err
			}
			device := everybody.device(ids[0])
			if len(ids) > 1 || device == "" {
				return "", fmt.Errorf("not the user of one: %v", ids)
			}
			return device, nil
		},
		DecodeAll: func(r conformance.Request) (devices []string, err error) {
			ids, err := named(r)
			for _, id := range ids {
				devices = append(devices, everybody.device(id))
			}
			return devices, err
		},
		Statuses: map[int]driver.Class{
			400: driver.ClassPermanent, 401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 429: driver.ClassThrottled, 500: driver.ClassUnknown, 503: driver.ClassUnknown, 307: driver.ClassUnknown, 204: driver.ClassUnknown,
		},
		Refusal: conformance.Answer{Body: `{"error":{"message":"no"}}`},
		Progress: []conformance.Progress{
			{Name: "staging", Answer: progress(there, batch(standin.Staging)), Want: deletion.Acknowledged},
			{Name: "submitted", Answer: progress(there, batch(standin.Submitted)), Want: deletion.Acknowledged},
			{Name: "done", Answer: progress(batch(standin.Done)), Want: deletion.Verified},
			{Name: "done, and something came in later", Answer: progress(there, batch(standin.Done)), Err: deletion.ErrUnknownReceipt},
			{Name: "not in a batch of that day", Answer: progress(there), Err: deletion.ErrUnknownReceipt},
			{Name: "a word of tomorrow's", Answer: progress(there, batch("dreamt"))},
		},
		Left: func(records *int) func(conformance.Request) conformance.Answer {
			return func(r conformance.Request) conformance.Answer {
				switch {
				case strings.Contains(r.URL, "/deletions/"):
					return progress(batch(standin.Done))(r)
				case records == nil:
					return conformance.Answer{Body: `{"type":"match_user_or_device_id"}`}
				case *records == 0:
					return conformance.Answer{Body: `{"matches":[],"type":"match_user_or_device_id"}`}
				case strings.Contains(r.URL, "/usersearch"):
					return conformance.Answer{Body: fmt.Sprintf(`{"matches":[{"user_id":null,"amplitude_id":%d}]}`, standin.IDOf(machine))}
				}
				return conformance.Answer{Body: fmt.Sprintf(`{"userData":{"user_id":null,"num_events":%d,"device_ids":[%q]}}`, *records, machine)}
			}
		},
		TakesKey: func(conformance.Request) bool { return false },
	})
}

// named returns the users whom a request of the vendor's asks to delete.
func named(r conformance.Request) ([]int64, error) {
	if r.Method != http.MethodPost {
		return nil, nil
	}
	var body struct {
		IDs []int64 `json:"amplitude_ids"`
	}
	err := json.Unmarshal(r.Body, &body)
	return body.IDs, err
}

// project is one at Amplitude, and what asks it.
type project struct {
	*standin.Server
	requestor interface {
		deletion.Bulk
		deletion.Follower
		deletion.Finder
		deletion.Counter
		deletion.Canceller
	}
}

func newProject(t *testing.T) project {
	t.Helper()
	p := project{Server: standin.New(func() time.Time { return noon })}
	server := httptest.NewServer(p.Server)
	t.Cleanup(server.Close)
	r, err := amplitude.Vendor().Requestor(deletion.VendorConfig{
		Settings: map[string]string{"endpoint": server.URL, "api_key": standin.APIKey, "secret_key": standin.SecretKey}, Tool: "mytool", Now: p.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	var ok bool
	if p.requestor, ok = r.(interface {
		deletion.Bulk
		deletion.Follower
		deletion.Finder
		deletion.Counter
		deletion.Canceller
	}); !ok {
		t.Fatalf("%T does not do all that it should", r)
	}
	return p
}

func request(id string) deletion.Request {
	return deletion.Request{Tool: "mytool", MachineID: id, RequestedAt: noon}
}

// mustAcknowledge makes a request that Amplitude takes.
func (p project) mustAcknowledge(t *testing.T, id string) deletion.Receipt {
	t.Helper()
	receipt, err := p.requestor.RequestDeletion(t.Context(), request(id))
	if err != nil || receipt.State != deletion.Acknowledged || receipt.MachineID != id || !receipt.At.Equal(noon) {
		t.Fatalf("%+v, %v", receipt, err)
	}
	return receipt
}

func (p project) mustBe(t *testing.T, receipt deletion.Receipt, want deletion.State, detail string) deletion.Receipt {
	t.Helper()
	now, err := p.requestor.Status(t.Context(), receipt)
	if err != nil || now.State != want || now.ID != receipt.ID || !strings.Contains(now.Detail, detail) {
		t.Fatalf("%+v, %v, want it %s with a word of %q", now, err, want, detail)
	}
	return now
}

// What the backend itself sends is what is searched for and deleted.
func TestWhatTheBackendSentIsDeletedAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	intake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Events []struct {
				Device string `json:"device_id"`
				User   string `json:"user_id"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		for _, e := range body.Events {
			if e.User != "" {
				t.Errorf("sent a user_id %q", e.User)
			}
			p.Store(e.Device)
		}
		fmt.Fprintf(w, `{"code":200,"events_ingested":%d}`, len(body.Events))
	}))
	defer intake.Close()
	b, err := backend.Driver().Open(driver.Config{Settings: map[string]string{"endpoint": intake.URL, "api_key": "k"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i, id := range []string{machine, machine, other} {
		if err := b.Send(t.Context(), []driver.Event{{ID: fmt.Sprintf("event-%d", i), Type: "a", Time: noon, MachineID: id}}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := p.requestor.Count(t.Context(), machine); n != 2 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
	receipt := p.mustAcknowledge(t, machine)
	if receipt.ID != fmt.Sprintf("%d/2026-02-16", standin.IDOf(machine)) || !receipt.CancelUntil.Equal(time.Date(2026, 2, 13, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the receipt is %+v", receipt)
	}
	p.mustBe(t, receipt, deletion.Acknowledged, "2026-02-16")
	p.Advance(11 * day)
	p.Run()
	if now := p.mustBe(t, receipt, deletion.Acknowledged, "is deleting"); !now.CancelUntil.IsZero() {
		t.Errorf("it could be cancelled until %v", now.CancelUntil)
	}
	p.Advance(2 * day)
	p.Run()
	p.mustBe(t, receipt, deletion.Verified, "no user")
	if left := p.Users(); len(left) != 1 || left[0].Devices[0] != other {
		t.Errorf("left are %+v", left)
	}
	p.Store(machine)
	_, err = p.requestor.Status(t.Context(), receipt)
	if remains, ok := errors.AsType[*deletion.RemainsError](err); !ok || remains.Events != 1 {
		t.Errorf("with an event that came in later: %v", err)
	}
}

func TestOfNobodyItIsKnownAnHourLater(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.Advance(day) // since they asked
	receipt := p.mustAcknowledge(t, machine)
	if n := p.Count("POST deletions/users"); n != 0 {
		t.Errorf("asked %d times to delete nobody", n)
	}
	p.mustBe(t, receipt, deletion.Acknowledged, "once more")
	p.Advance(time.Hour)
	p.mustBe(t, receipt, deletion.Verified, "no user")
	p.Store(machine)
	if _, err := p.requestor.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("once there is somebody: %v", err)
	}
}

func TestManyAreOneRequestAndOneOfThemSpoilsNone(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	const third = "abcdefabcdefabcdefabcdefabcdefab"
	p.Store(machine)
	p.Store(other)
	p.Identify(other, "somebody@example.com", "phone")
	p.Store(third)
	outcomes, err := p.requestor.RequestDeletions(t.Context(), []deletion.Request{request(machine), request("*"), request(other), request(third)})
	if err != nil || len(outcomes) != 4 {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	foreign, _ := errors.AsType[*deletion.ForeignIDsError](outcomes[2].Err)
	if outcomes[0].Err != nil || !errors.Is(outcomes[1].Err, deletion.ErrInvalidID) || foreign == nil || foreign.Others != 2 || outcomes[3].Err != nil ||
		driver.Classify(outcomes[2].Err) != driver.ClassPermanent || outcomes[0].Receipt.MachineID != machine || outcomes[3].Receipt.MachineID != third {
		t.Errorf("%+v", outcomes)
	}
	if list := p.Batches(); len(list) != 1 || len(list[0].IDs) != 2 || p.Count("POST deletions/users") != 1 || p.requestor.MaxBulk() > 100 {
		t.Errorf("asked for %+v", list)
	}
	// Once Amplitude asks to wait, it is left alone.
	p.Answers("GET usersearch", func(*http.Request) (int, string) { return http.StatusTooManyRequests, `{}` })
	before := p.Count("")
	outcomes, _ = p.requestor.RequestDeletions(t.Context(), []deletion.Request{request(machine), request(third)})
	if p.Count("") != before+1 || driver.Wait(outcomes[0].Err) != time.Minute || driver.Wait(outcomes[1].Err) != time.Minute {
		t.Errorf("%d calls, and %+v", p.Count("")-before, outcomes)
	}
}

// A search also finds user_ids that begin so. Whoever is found has to have the device.
func TestWhoeverDoesNotHaveTheDeviceIsNotDeleted(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.Store("phone")
	p.Identify("phone", machine+"-is-my-name")
	if receipt, err := p.requestor.RequestDeletion(t.Context(), request(machine)); err == nil {
		t.Errorf("%+v", receipt)
	}
	if n, err := p.requestor.Count(t.Context(), machine); err == nil {
		t.Errorf("counted %d", n)
	}
	if n := p.Count("POST deletions/users"); n != 0 {
		t.Error("somebody else was to be deleted")
	}
}

func TestARequestCanBeTakenBackUntilItsBatchIsClosed(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.Store(machine)
	p.Store(other)
	mine, theirs := p.mustAcknowledge(t, machine), p.mustAcknowledge(t, other)
	back, err := p.requestor.Cancel(t.Context(), mine)
	if err != nil || back.State != deletion.Refused || back.ID != mine.ID || back.MachineID != machine {
		t.Errorf("%+v, %v", back, err)
	}
	if list := p.Batches(); len(list[0].IDs) != 1 || list[0].IDs[0] != standin.IDOf(other) {
		t.Errorf("the batch is %+v", list)
	}
	if _, err := p.requestor.Status(t.Context(), mine); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("afterwards: %v", err)
	}
	p.Advance(11 * day)
	p.Run()
	if _, err := p.requestor.Cancel(t.Context(), theirs); driver.Classify(err) != driver.ClassPermanent {
		t.Errorf("too late: %v", err)
	}
	for _, id := range []string{"", "1", "1/", "x/2026-02-16", "01/2026-02-16", "1/2026-02-16/x", "-1/2026-02-16", "1,/2026-02-16", "nothing-"} {
		for _, err := range []error{
			func() error {
				_, err := p.requestor.Cancel(t.Context(), deletion.Receipt{ID: id, MachineID: machine})
				return err
			}(),
			func() error {
				_, err := p.requestor.Status(t.Context(), deletion.Receipt{ID: id, MachineID: machine})
				return err
			}(),
		} {
			if !errors.Is(err, deletion.ErrUnknownReceipt) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
}

func TestFindTellsWhatIsThereAndChangesNothing(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	if found, err := p.requestor.Find(t.Context(), machine); err != nil || !found.Nothing || found.Requests == nil {
		t.Errorf("%+v, %v", found, err)
	}
	p.Store(machine)
	p.Store(machine)
	receipt := p.mustAcknowledge(t, machine)
	found, err := p.requestor.Find(t.Context(), machine)
	if err != nil || found.Nothing || len(found.Requests) != 1 || found.Requests[0].ID != receipt.ID || found.Requests[0].CancelUntil.IsZero() {
		t.Fatalf("%+v, %v", found, err)
	}
	i := slices.IndexFunc(found.Facts, func(f deletion.Fact) bool { return f.Name == "events" })
	if i < 0 || found.Facts[i].Value != int64(2) {
		t.Errorf("%+v", found.Facts)
	}
	if n := p.Count("POST deletions/users") + p.Count("DELETE deletions/users"); n != 1 {
		t.Errorf("looking changed something: %d calls", n)
	}
}

func TestAMistakeInASettingIsNamedAndNotRepeated(t *testing.T) {
	t.Parallel()
	for field, settings := range map[string]map[string]string{
		"instance":   {"api_key": "a", "secret_key": "b"},
		"endpoint":   {"api_key": "a", "secret_key": "b", "endpoint": "http://h.example"},
		"api_key":    {"instance": "eu", "secret_key": "b"},
		"secret_key": {"instance": "eu", "api_key": "a", "secret_key": "c4n4ry "},
	} {
		_, err := amplitude.Vendor().Requestor(deletion.VendorConfig{Settings: settings})
		if wrong, ok := errors.AsType[*driver.ConfigError](err); !ok || wrong.Field != "Settings["+field+"]" || strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for instance, host := range map[string]string{"us": "amplitude.com", "eu": "analytics.eu.amplitude.com"} {
		if got := amplitude.Vendor().Hosts(map[string]string{"instance": instance}); !slices.Equal(got, []string{host}) {
			t.Errorf("%s is %q", instance, got)
		}
	}
}
