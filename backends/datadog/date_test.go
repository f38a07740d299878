//go:build !notelemetry

package datadog

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// The intake drops what is more than 18 h past or more than 2 h ahead.
func TestTheOfficialDateIsOneThatTheIntakeAccepts(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
	clock := func(h, m, s, ms int) time.Time {
		return day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second + time.Duration(ms)*time.Millisecond)
	}
	now := clock(20, 59, 59, 999)
	for _, tt := range []struct{ at, want time.Time }{
		{now, now},
		{clock(20, 0, 0, 1), clock(20, 0, 0, 1)},
		{clock(4, 0, 0, 0), clock(4, 0, 0, 0)},
		{clock(3, 59, 59, 999), clock(4, 0, 0, 0)},
		{day.AddDate(0, -1, 0), clock(4, 0, 0, 0)},
		{time.Time{}, clock(4, 0, 0, 0)},
		{clock(21, 0, 0, 0), clock(21, 0, 0, 0)},
		{clock(21, 0, 0, 1), clock(21, 0, 0, 0)},
		{day.AddDate(100, 0, 0), clock(21, 0, 0, 0)},
	} {
		if got := officialDate(tt.at, now); !got.Equal(tt.want) {
			t.Errorf("%v: got %v, want %v", tt.at, got, tt.want)
		}
	}
	// At any moment there is at least an hour to spare, and the date is the one of the hour.
	old, ahead := day.AddDate(0, -1, 0), day.AddDate(0, 1, 0)
	for now := day; now.Before(day.Add(3 * time.Hour)); now = now.Add(7*time.Minute + 13*time.Millisecond) {
		past, future := officialDate(old, now), officialDate(ahead, now)
		if now.Sub(past) > 17*time.Hour || now.Sub(past) < 16*time.Hour || future.Sub(now) > time.Hour || future.Before(now) {
			t.Errorf("at %v: %v to %v", now, past, future)
		}
		if hour := now.Truncate(time.Hour); !past.Equal(officialDate(old, hour)) || !future.Equal(officialDate(ahead, hour)) {
			t.Errorf("at %v: another date than at %v", now, hour)
		}
	}
	// Where the machine's clock is set does not matter.
	zone := time.FixedZone("", 5*3600+45*60)
	if got := officialDate(old.In(zone), now.In(zone)); !got.Equal(clock(4, 0, 0, 0)) {
		t.Errorf("in another zone: %v", got)
	}
}

// What is shown before it is sent is what is sent, but for what the driver names.
func TestOnlyWhatTheDriverNamesIsOfTheMomentOfSending(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 3, 20, 30, 0, 0, time.UTC)
	fields := func(at, now time.Time) (fields map[string]any) {
		text, err := json.Marshal((&backend{}).item(&driver.Event{ID: "a", Type: "b", Name: "c", Time: at}, now))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		return fields
	}
	for _, at := range []time.Time{now, now.AddDate(0, 0, -7), now.AddDate(0, 0, 7)} {
		before, after := fields(at, now), fields(at, now.Add(2*time.Hour))
		if before["date"] == nil == (before["timestamp"] == nil) {
			t.Errorf("%v has not one date: %v", at, before)
		}
		for name, value := range before {
			if of := slices.Contains(Driver().Momentary, name); (after[name] != value) != of {
				t.Errorf("%s of %v is of the moment: %v, and the driver says %v", name, at, after[name] != value, of)
			}
		}
	}
}
