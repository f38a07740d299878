package telemetrycmd

import (
	"context"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// vendor is a receiver with a rate, which takes everything and warns of every second event.
func vendor() driver.Driver {
	return driver.Driver{
		Name:   "vendor",
		Limits: driver.Limits{Events: 2, PerMinute: 3},
		Hosts:  func(map[string]string) []string { return []string{"vendor.example"} },
		Warnings: []driver.Warning{
			{Name: "nobodys", Doc: "kept as nobody's", NotErasable: true},
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
