package noop_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/core/driver"
)

func TestEverythingIsAcceptedUntilTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	d := noop.Driver()
	if d.Name != "noop" || !d.Local || d.Hosts != nil || len(d.Settings) != 0 {
		t.Errorf("driver %+v", d)
	}
	b, err := d.Open(driver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	events := []driver.Event{{ID: "a"}, {}}
	for name, tt := range map[string]struct {
		ctx    context.Context
		events []driver.Event
		want   error
	}{
		"a batch":                {t.Context(), events, nil},
		"no events":              {t.Context(), nil, nil},
		"a batch, cancelled":     {done, events, context.Canceled},
		"no events to give up":   {done, nil, nil},
		"a batch again, as ever": {t.Context(), events, nil},
	} {
		if err := b.Send(tt.ctx, tt.events); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
