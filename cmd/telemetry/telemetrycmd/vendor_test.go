package telemetrycmd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// vendor is a receiver with a rate, which takes everything and warns of every second event.
func vendor() driver.Driver {
	return driver.Driver{
		Name:   "vendor",
		Limits: driver.Limits{Events: 2, PerMinute: 3},
		Hosts:  func(map[string]string) []string { return []string{"vendor.example"} },
		Warnings: []driver.Warning{
			{Name: "nobodys", Doc: "kept as nobody's", NotDeletable: true},
			{Name: "late", Doc: "came late, so it counts for the day of its arrival"},
		},
		Open: func(driver.Config) (driver.Backend, error) { return warner{}, nil },
	}
}

type warner struct{}

func (warner) Send(_ context.Context, events []driver.Event) error {
	verdicts := &driver.Partial{Warnings: map[string]int{}}
	for i, e := range events {
		verdicts.Accepted = append(verdicts.Accepted, e.ID)
		verdicts.Warnings[[]string{"nobodys", "late"}[i%2]]++
	}
	return verdicts
}

func (warner) Close() error { return nil }

func newVendorHome(t *testing.T) *home {
	h := newHome(t)
	h.tool.Telemetry.Backend, h.tool.Telemetry.Endpoint, h.tool.Telemetry.Settings = "vendor", "", nil
	h.tool.Telemetry.Drivers = []driver.Driver{vendor()}
	h.must("telemetry", "enable")
	return h
}

func TestFlushAndStatusSayWhatTheRateKeepsAndUntilWhen(t *testing.T) {
	h := newVendorHome(t)
	h.record(8)
	golden(t, "flush_paced", h.transcript("telemetry", "flush"))
	golden(t, "status_paced", h.transcript("telemetry", "status"))
	golden(t, "flush_paced_too_early_json", h.transcript("telemetry", "flush", "-o", "json"))
	golden(t, "status_paced_json", h.transcript("telemetry", "status", "-o", "json"))
	h.now = h.now.Add(time.Minute)
	golden(t, "flush_paced_later", h.transcript("telemetry", "flush"))
}

func TestStatusAndResetSayWhatAWarningMeans(t *testing.T) {
	h := newVendorHome(t)
	h.record(3)
	h.must("telemetry", "flush")
	golden(t, "status_warned", h.transcript("telemetry", "status"))
	golden(t, "reset_warned", h.transcript("telemetry", "reset"))
	golden(t, "reset_status_warned", h.transcript("telemetry", "reset", "--status"))
	golden(t, "status_after_warned_reset", h.transcript("telemetry", "status"))
}

func TestResetCountsInJSONWhatMayStay(t *testing.T) {
	h := newVendorHome(t)
	h.record(3)
	h.must("telemetry", "flush")
	golden(t, "status_warned_json", h.transcript("telemetry", "status", "-o", "json"))
	golden(t, "reset_warned_json", h.transcript("telemetry", "reset", "-o", "json"))
}

// Another version of the tool may send elsewhere, and know other warnings.
func TestAWarningOfAnotherReceiverIsShownWithoutItsMeaning(t *testing.T) {
	h := newVendorHome(t)
	h.record(3)
	h.must("telemetry", "flush")
	other := vendor()
	other.Warnings = nil
	h.tool.Telemetry.Drivers = []driver.Driver{other}
	golden(t, "status_warned_by_another", h.transcript("telemetry", "status"))
}

// stubborn drops whatever it is sent and says why, until a test changes that.
type stubborn struct{ err error }

func (s *stubborn) Send(context.Context, []driver.Event) error { return s.err }

func (*stubborn) Close() error { return nil }

func newStubbornHome(t *testing.T) (*home, *stubborn) {
	h, s := newHome(t), &stubborn{driver.Permanent(errors.New("answered 200: of 3 events 0 accepted, 3 dropped (billing_limit_exceeded)"))}
	h.tool.Telemetry.Backend, h.tool.Telemetry.Endpoint, h.tool.Telemetry.Settings = "vendor", "", nil
	d := vendor()
	d.Limits, d.Accepted = driver.Limits{}, "stored within a minute, not counted yet"
	d.Open = func(driver.Config) (driver.Backend, error) { return s, nil }
	h.tool.Telemetry.Drivers = []driver.Driver{d}
	h.must("telemetry", "enable")
	return h, s
}

func TestWhyEventsWereRefusedIsSaidWhereTheyAreCounted(t *testing.T) {
	h, s := newStubbornHome(t)
	h.record(3)
	golden(t, "flush_refused", h.transcript("telemetry", "flush"))
	golden(t, "status_refused", h.transcript("telemetry", "status"))
	golden(t, "status_refused_json", h.transcript("telemetry", "status", "-o", "json"))
	golden(t, "flush_refused_report", h.transcript("telemetry", "flush"))
	h.record(2)
	golden(t, "flush_refused_json", h.transcript("telemetry", "flush", "-o", "json"))
	golden(t, "flush_refused_report_json", h.transcript("telemetry", "flush", "-o", "json"))
	s.err = nil
	h.record(1)
	h.must("telemetry", "flush")
	golden(t, "status_refused_no_more", h.transcript("telemetry", "status"))
}

func TestWhatMayStayIsSaidUntilItIsVerified(t *testing.T) {
	states := []deletion.State{deletion.Refused, deletion.Manual, deletion.Acknowledged, deletion.Verified}
	for _, first := range states {
		h := newVendorHome(t)
		receipt := deletion.Receipt{State: first}
		h.tool.Telemetry.DeletionRequestor = follower{&receipt}
		h.record(3)
		h.must("telemetry", "flush")
		out, _, _ := h.run("telemetry", "reset")
		says(t, first, "reset", out)
		out, _, _ = h.run("telemetry", "reset", "--status")
		says(t, first, "reset --status", out)
		out, _, _ = h.run("telemetry", "status")
		says(t, first, "status", out)
		for _, args := range [][]string{{"reset", "--status"}, {"status"}} {
			out, _, _ := h.run(append([]string{"telemetry", "-o", "json"}, args...)...)
			if strings.Contains(out, `"not_deletable": 2`) != (first != deletion.Verified) {
				t.Errorf("%s: %v says\n%s", first, args, out)
			}
		}
		receipt.State = deletion.Verified
		h.run("telemetry", "reset", "--resume")
		out, _, _ = h.run("telemetry", "reset", "--status")
		says(t, deletion.Verified, "after "+string(first)+", reset --status", out)
	}
}

// says looks whether it is said that events may stay: in every state but the last.
func says(t *testing.T, state deletion.State, command, out string) {
	t.Helper()
	if strings.Contains(out, "2 events may stay") != (state != deletion.Verified) || strings.Contains(out, "was verified.") && strings.Contains(out, "may stay") {
		t.Errorf("%s: %s says\n%s", state, command, out)
	}
}

// follower answers with a receipt that the test sets.
type follower struct{ receipt *deletion.Receipt }

func (f follower) RequestDeletion(context.Context, deletion.Request) (deletion.Receipt, error) {
	return *f.receipt, nil
}

func (f follower) Status(context.Context, deletion.Receipt) (deletion.Receipt, error) {
	return *f.receipt, nil
}
