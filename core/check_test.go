package core_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
)

func TestANoBetweenAnyTwoStepsOfACheckKeepsItFromSending(t *testing.T) {
	t.Parallel()
	before := 0
	for step, answered := 1, true; answered; step++ {
		answered = false
		in := newIntake(t)
		tool := toolFor(in.URL)
		options := enabled(t, tool, nil)
		other := core.NewManager(tool, options...)
		reads, arrived := 0, 0
		m := core.NewManager(tool, append(options, core.WithClock(func() time.Time {
			if reads++; reads == step {
				answered, arrived = true, in.postCount()
				if err := other.Answer(consent.AnswerNo, other.Stored(), ""); err != nil {
					t.Error(err)
				}
			}
			return time.Now()
		}))...)
		_, err := m.Check(t.Context())
		switch posts := in.postCount(); {
		case !answered && (err != nil || posts != 1):
			t.Errorf("without a no: %d posts, %v", posts, err)
		case answered && posts != arrived:
			t.Errorf("a no at reading %d of the clock: %d posts before it and %d in the end, %v", step, arrived, posts, err)
		case answered && arrived == 0:
			before++
			if !errors.Is(err, core.ErrOff) {
				t.Errorf("a no at reading %d of the clock: %v", step, err)
			}
		}
	}
	if before < 2 {
		t.Errorf("a no came %d times before the event was sent: the clock is no measure of the steps any more", before)
	}
}

func TestAFlushThatANoStopsSaysThatTelemetryIsOff(t *testing.T) {
	t.Parallel()
	var m *core.Manager
	var posts atomic.Int32
	in := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		posts.Add(1)
		if err := m.Answer(consent.AnswerNo, m.Stored(), ""); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge) // so there would be another post
	}))
	t.Cleanup(in.Close)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	m = core.NewManager(tool, options...)
	c := open(t, tool, append(options, core.WithUploadCommand("die")))
	c.Track("feature.used", "x", nil)
	c.Track("feature.used", "y", nil)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Flush(t.Context(), nil); !errors.Is(err, core.ErrOff) || posts.Load() != 1 {
		t.Errorf("%d posts, %v", posts.Load(), err)
	}
}

func TestWhatACheckAloneHasSentIsErased(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	m := core.NewManager(tool, enabled(t, tool, nil)...)
	if _, err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	got := in.received()
	if len(got) != 2 || got[0].Type != string(props.EventCheck) || got[1].Type != string(props.EventDeletionRequest) || got[1].MachineID != got[0].MachineID {
		t.Errorf("arrived: %+v", got)
	}
}
