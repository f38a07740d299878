package core_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/internal/detach"
)

// slowServer keeps its first request until it is told to answer, and accepts the others.
type slowServer struct {
	*httptest.Server
	got      chan struct{} // a request came
	answer   chan int      // the status of the first answer
	requests atomic.Int32
}

func newSlowServer(t *testing.T) *slowServer {
	s := &slowServer{got: make(chan struct{}, 10), answer: make(chan int, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		first := s.requests.Add(1) == 1
		s.got <- struct{}{}
		if first {
			if status, said := <-s.answer; said {
				w.WriteHeader(status)
			}
		}
	}))
	t.Cleanup(func() {
		close(s.answer) // or Close would wait for a test that has failed
		s.Close()
	})
	return s
}

func (s *slowServer) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.got:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived")
	}
}

// The background process is that of a command, and gets its answer when the reset is through.
func TestAnUploadThatGoesOnDuringAResetBringsNothingBack(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"accepted": http.StatusOK, "failed": http.StatusServiceUnavailable, "refused": http.StatusBadRequest} {
		for _, yes := range []bool{false, true} {
			if yes {
				name += " after another yes"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				server := newSlowServer(t)
				dir := said(t, server.URL)
				notDue(t, dir)
				if err := command(dir, server.URL, 1).Run(); err != nil {
					t.Fatal(err)
				}
				sender := command(dir, server.URL, 0, detach.Marker+"=sometool")
				if err := sender.Start(); err != nil {
					t.Fatal(err)
				}
				server.wait(t)
				options := []core.Option{core.WithStateDir(dir), environment(nil), core.WithUploadCommand("die")}
				m := core.NewManager(processTool(server.URL), options...)
				id := m.Status().MachineID
				report, err := m.Reset(t.Context(), nil)
				if err != nil || !report.Sending || len(report.Requests) != 1 || report.Requests[0].MachineID != id || report.Requests[0].Open() {
					t.Errorf("%+v, %v", report, err)
				}
				server.wait(t) // for the deletion request
				want := 0
				if yes {
					if err := m.Enable(false, ""); err != nil {
						t.Fatal(err)
					}
					c := open(t, processTool(server.URL), options)
					c.Track("feature.used", "x", nil)
					if err := c.Flush(t.Context()); err != nil { // beside the other sender
						t.Fatal(err)
					}
					want = 1
				}
				before, log := m.Status(), sentLog(t, m)
				server.answer <- status
				_ = sender.Wait() // whatever its end is called
				after := m.Status()
				if after.Delivered != want || len(after.Lost) > 0 || after.Problem != before.Problem || after.MachineID == id || after.Background != "" ||
					!after.LastDelivered.Equal(before.LastDelivered) || !after.LastAttempt.Equal(before.LastAttempt) || !after.NextUpload.Equal(before.NextUpload) {
					t.Errorf("status was\n%+v\nand is\n%+v", before, after)
				}
				for _, name := range []string{"delivery", "next-upload", "background"} {
					if _, err := os.Stat(filepath.Join(dir, name)); err == nil && !(yes && name != "background") {
						t.Errorf("%s is there again", name)
					}
				}
				if now := sentLog(t, m); len(log) != 1+want || len(now) != len(log) || now[0].AnswerN != log[0].AnswerN || now[0].Status != http.StatusOK {
					t.Errorf("the log was\n%+v\nand is\n%+v", log, now)
				}
				if n := int(server.requests.Load()); n != 2+want {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

func sentLog(t *testing.T, m *core.Manager) []core.Delivery {
	t.Helper()
	log, err := m.Sent(time.Time{})
	if err != nil || log.Mismatch != nil || log.Torn || log.Gaps > 0 {
		t.Errorf("%+v, %v", log, err)
	}
	return log.Deliveries
}
