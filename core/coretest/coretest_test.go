package coretest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/props"
)

func TestEventsComeBackToTheTest(t *testing.T) {
	t.Parallel()
	home := coretest.New(t, props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{Endpoint: "https://never.example"}})
	c := home.Collector()
	c.TrackCommand("count", 1, 0, nil)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Track(props.EventFeatureUsed, "export", nil)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := home.Events()
	if len(events) != 2 || events[0].Name != "count" || events[1].Name != "export" {
		t.Errorf("%+v", events)
	}
	if err := c.Drop(); err != nil || len(home.Events()) != 2 {
		t.Errorf("%v, %+v", err, home.Events())
	}
}

// One that is left out by chance would have a test pass by chance.
func TestEveryRunIsRecordedWhateverTheSample(t *testing.T) {
	t.Parallel()
	home := coretest.New(t, props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{Endpoint: "https://never.example", SampleRate: 1_000_000}})
	home.Collector().TrackCommand("count", 1, 0, nil)
	if events := home.Events(); len(events) != 1 || events[0].SampleRate != 0 {
		t.Errorf("%+v", events)
	}
}

// A command that runs for long sends while it runs, on the clock of the bubble.
func TestALongCommandUploadsFromInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		home := coretest.New(t, props.Tool{Name: "server", Telemetry: props.TelemetryConfig{UploadInterval: 10 * time.Minute}})
		c := home.Collector()
		delivered := func() int { return home.Manager().Status().Delivered }
		c.Track(props.EventFeatureUsed, "start", nil)
		time.Sleep(29 * time.Second) // the bubble's clock
		synctest.Wait()
		if got := delivered(); got != 0 {
			t.Errorf("after 29 s %d events were sent: it is no long command yet", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := delivered(); got != 1 {
			t.Errorf("after 31 s %d events were sent, want 1", got)
		}
		for range 3 {
			c.Track(props.EventFeatureUsed, "work", nil)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if got := delivered(); got != 1 {
			t.Errorf("%d events were sent though the interval is not over", got)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if got := delivered(); got != 4 {
			t.Errorf("after the interval %d events were sent, want 4", got)
		}
		// A withdrawal reaches it too.
		c.Track(props.EventFeatureUsed, "more", nil)
		if _, err := home.Manager().Disable(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		c.Track(props.EventFeatureUsed, "after", nil)
		if got := len(home.Events()); got != 4 {
			t.Errorf("%d events were sent in all, want 4", got)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
