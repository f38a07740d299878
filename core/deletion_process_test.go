package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
)

// resettable is a tool whose events and deletion requests go to two paths of a server.
func resettable(server string) props.Tool {
	tool := toolFor(server + "/events")
	tool.Telemetry.UploadInterval = time.Millisecond
	tool.Telemetry.DeletionRequestor = httpjson.Requestor{Endpoint: server + "/deletions"}
	return tool
}

// runReset is `reset` in a process of its own.
func runReset(dir, server string) {
	m := core.NewManager(resettable(server), core.WithStateDir(dir))
	if _, err := m.Reset(context.Background(), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// authority takes events and deletion requests, and remembers the latter.
type authority struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/deletions" {
			return
		}
		var body struct {
			ID  string `json:"machine_id"`
			Key string `json:"deletion_key"`
			At  string `json:"requested_at"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !deletion.Proves(body.Key, body.ID) {
			http.Error(w, "no proof", http.StatusForbidden)
			return
		}
		a.mu.Lock()
		a.asked = append(a.asked, body.ID+" "+body.At)
		a.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"id":%q,"state":"acknowledged"}`, body.ID[:8])
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *authority) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.asked...)
}

func TestAResetThatIsKilledAnywhereLosesNoRequest(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for round := range 12 {
		dir := filepath.Join(t.TempDir(), "telemetry")
		options := []core.Option{core.WithStateDir(dir), environment(nil)}
		tool := resettable(a.URL)
		m := core.NewManager(tool, options...)
		if err := m.Enable(false, ""); err != nil {
			t.Fatal(err)
		}
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		id := m.Status().MachineID
		before := len(a.requests())
		const kills = 4
		for range kills {
			cmd := exec.Command(os.Args[0], "reset", dir, a.URL)
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// From before main to after the answer.
			timer := time.AfterFunc(time.Duration(random.Int64N(int64(25*time.Millisecond))), func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait() // killed, or done before
			timer.Stop()
		}
		if m.Status().MachineID != "" { // every one of them was killed before it began
			if _, err := m.Reset(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		all, err := m.Resume(t.Context(), nil)
		if err != nil || len(all) != 1 || all[0].MachineID != id || all[0].State != deletion.Acknowledged {
			t.Fatalf("round %d: %+v, %v; want one acknowledged request for %s", round, all, err, id)
		}
		asked := a.requests()[before:]
		if len(asked) == 0 || len(asked) > kills+2 {
			t.Errorf("round %d: asked %d times", round, len(asked))
		}
		for _, one := range asked {
			if one != asked[0] || !strings.HasPrefix(one, id+" ") {
				t.Errorf("round %d: %q is another request than %q", round, one, asked[0])
			}
		}
	}
}

func TestALaterCommandsBackgroundProcessMakesTheRequestWhileTelemetryIsOff(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := said(t, a.URL)
	tool := resettable(a.URL)
	options := []core.Option{core.WithStateDir(dir), environment(nil)}
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // before anybody could be asked
	m := core.NewManager(tool, options...)
	report, err := m.Reset(ended, nil)
	if len(report.Requests) != 1 || report.Requests[0].State != deletion.Requested || len(a.requests()) != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	started := time.Now()
	if err := command(dir, "reset:"+a.URL, 1).Run(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the command took %v", time.Since(started))
	for deadline := time.Now().Add(20 * time.Second); only(t, m).State != deletion.Acknowledged; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no background process made the request: %+v", only(t, m))
		}
	}
	if s := m.Status(); s.Queue.Events != 0 || s.MachineID != "" {
		t.Errorf("telemetry is off, and yet: %+v", s)
	}
	if _, err := os.Stat(filepath.Join(dir, "queue", "0000.events2")); err == nil {
		t.Error("an event was recorded")
	}
}
