package posthogstore_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	sdk "github.com/posthog/posthog-go"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/interop/posthogstore"
)

// value decodes JSON to the value it stands for. Numbers keep their digits: a float64
// would make two large integers equal that are not.
func value(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %.500s", err, text)
	}
}

// bodyOf returns what our backend sends for the events.
func bodyOf(t *testing.T, events []driver.Event) []byte {
	t.Helper()
	s := &posthogstore.Store{}
	if err := open(t, s, nil).Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	requests := s.Requests()
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	return requests[0].Body
}

// forEachBatch runs check on plain events, on the barest one and on random ones.
func forEachBatch(t *testing.T, check func(t *testing.T, events []driver.Event)) {
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		bare := driver.Event{
			ID: "01890a5d-ac96-774b-bcce-b302099a8057", Type: "t", Time: time.UnixMilli(1).UTC(), MachineID: machine,
			DurationMS: new(int64(1<<53 + 1)), ExitCode: new(-1), Args: []string{}, Metadata: map[string]string{},
		}
		check(t, append(eventsAt(time.Now(), 3), bare))
	})
	t.Run("random", func(t *testing.T) {
		t.Parallel()
		r := random(t)
		for range 10 {
			check(t, randomEvents(r, 1+r.IntN(100)))
		}
	})
}

func TestTheSDKsTypesReadAllOfARequest(t *testing.T) {
	t.Parallel()
	forEachBatch(t, func(t *testing.T, events []driver.Event) {
		var request struct {
			APIKey string            `json:"api_key"`
			SentAt time.Time         `json:"sent_at"`
			Batch  []json.RawMessage `json:"batch"`
		}
		d := json.NewDecoder(bytes.NewReader(bodyOf(t, events)))
		d.DisallowUnknownFields()
		if err := d.Decode(&request); err != nil || request.APIKey != projectKey || len(request.Batch) != len(events) {
			t.Fatalf("%d events under the key %q, %v", len(request.Batch), request.APIKey, err)
		}
		if ago := time.Since(request.SentAt); ago < 0 || ago > time.Minute {
			t.Errorf("sent_at was %v ago", ago)
		}
		for i, raw := range request.Batch {
			var capture sdk.CaptureInApi
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields()
			d.UseNumber()
			if err := d.Decode(&capture); err != nil {
				t.Fatalf("%v in %s", err, raw)
			}
			e := events[i]
			if capture.Uuid != e.ID || capture.Event != e.Type || capture.DistinctId != e.MachineID || !capture.Timestamp.Equal(e.Time) ||
				capture.Properties["event_name"] != e.Name {
				t.Fatalf("event %d is read as %+v", i, capture)
			}
			again, err := json.Marshal(capture)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			value(t, again, &got)
			value(t, raw, &want)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("the SDK's type encodes event %d as\n%s\ninstead of\n%s", i, again, raw)
			}
		}
	})
}

// bodies is a transport that keeps what it was given, and accepts it.
type bodies struct{ list [][]byte }

func (b *bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	b.list = append(b.list, body)
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, err
}

type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Logf(string, ...any)   {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// The differences between our request and that of the SDK alone, given the same events,
// are these and no other.
var (
	// What the SDK adds of its own making: the system to its exact release.
	removed = []string{"$go_version", "$os_version", "$os_distro"}
	// Without it PostHog takes the address of the connection.
	added = map[string]any{"$ip": "0.0.0.0"}
	// The SDK puts its own values over the caller's: ours are the event's system, and us.
	replaced = []string{"$os", "$lib", "$lib_version"}
)

func TestTheSDKAloneSendsTheSameButForAShortList(t *testing.T) {
	t.Parallel()
	forEachBatch(t, func(t *testing.T, events []driver.Event) {
		transport := &bodies{}
		client, err := sdk.NewWithConfig(projectKey, sdk.Config{
			Endpoint: "https://posthog.example.com", Transport: transport, Logger: silent{}, IsServer: sdk.Ptr(false),
			BatchSize: len(events), Interval: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if err := client.Enqueue(captureOf(e)); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := client.Close(); err != nil || len(transport.list) != 1 {
			t.Fatalf("%d requests, %v", len(transport.list), err)
		}
		var ours, theirs map[string]any
		value(t, bodyOf(t, events), &ours)
		value(t, transport.list[0], &theirs)

		if _, there := ours["sent_at"]; !there {
			t.Error("no sent_at")
		}
		delete(ours, "sent_at")
		ourBatch, theirBatch := ours["batch"].([]any), theirs["batch"].([]any)
		if len(ourBatch) != len(events) || len(theirBatch) != len(events) {
			t.Fatalf("%d events, theirs %d", len(ourBatch), len(theirBatch))
		}
		seen := map[string]bool{}
		for i := range events {
			our := ourBatch[i].(map[string]any)["properties"].(map[string]any)
			their := theirBatch[i].(map[string]any)["properties"].(map[string]any)
			for _, name := range removed {
				if _, there := our[name]; there {
					t.Errorf("event %d has %s", i, name)
				}
				_, there := their[name]
				seen[name] = seen[name] || there
				delete(their, name)
			}
			for name, want := range added {
				if their[name] != nil || our[name] != want {
					t.Errorf("event %d: %s is %v, theirs %v", i, name, our[name], their[name])
				}
				delete(our, name)
			}
			if our["$os"] != events[i].OS || our["$lib"] != "github.com/gotoolbase/telemetry" {
				t.Errorf("event %d: $os is %v, want %q; $lib is %v", i, our["$os"], events[i].OS, our["$lib"])
			}
			for _, name := range replaced {
				if _, there := their[name]; !there {
					t.Errorf("the SDK does not add %s any more", name)
				}
				their[name] = our[name]
			}
			if !reflect.DeepEqual(our, their) {
				names := maps.Clone(our)
				maps.Copy(names, their)
				for _, name := range slices.Sorted(maps.Keys(names)) {
					if !reflect.DeepEqual(our[name], their[name]) {
						t.Errorf("event %d, %q: %#v, theirs %#v", i, name, our[name], their[name])
					}
				}
			}
		}
		if !reflect.DeepEqual(ours, theirs) {
			t.Errorf("beside the properties:\nours   %v\ntheirs %v", ours, theirs)
		}
		if !seen["$go_version"] { // the rest depends on the system
			t.Error("the SDK does not add $go_version any more")
		}
	})
}

// captureOf maps an event as the backend's documentation says, a second time.
func captureOf(e driver.Event) sdk.Capture {
	p := sdk.NewProperties().Set("event_name", e.Name).Set("tool_name", e.Tool).Set("$os", e.OS).Set("arch", e.Arch).
		Set("ci", e.CI).Set("interactive", e.Interactive).Set("container", e.Container)
	for name, v := range map[string]any{
		"tool_version": e.Version, "os_version": e.OSVersion, "go_version": e.GoVersion, "error": e.Error, "consent_id": e.ConsentID, "truncated": e.Truncated,
		"duration_ms": e.DurationMS, "exit_code": e.ExitCode, "ci_provider": e.CIProvider, "agent": e.Agent, "run_id": e.RunID,
		"$session_id": e.RunID, "error_class": e.ErrorClass, "count": e.Count, "failures": e.Failures, "sample_rate": e.SampleRate,
		"redacted": e.Redacted, "time_adjusted": e.TimeAdjusted, "flags": e.Flags, "durations": e.Durations,
	} {
		if !reflect.ValueOf(v).IsZero() {
			p.Set(name, v)
		}
	}
	if len(e.Args) > 0 {
		p.Set("args", e.Args)
	}
	for key, v := range e.Metadata {
		p.Set(propertyOf(key), v)
	}
	return sdk.Capture{Uuid: e.ID, Event: e.Type, DistinctId: e.MachineID, Timestamp: e.Time, Properties: p}
}

// The control of the tests that look for an address: with the SDK as it comes the store
// holds one, and a place.
func TestTheSDKAloneHasItsAddressStored(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{}
	server := serve(t, s)
	client, err := sdk.NewWithConfig(projectKey, sdk.Config{Endpoint: server.URL, Logger: silent{}, DisableGeoIP: sdk.Ptr(false)})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Enqueue(captureOf(eventsAt(time.Now(), 1)[0])); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	rows := s.Rows()
	if len(rows) != 1 || rows[0].Properties["$ip"] != "127.0.0.1" || rows[0].Properties["$geoip_country_code"] == nil {
		t.Errorf("stored %+v", rows)
	}
}
