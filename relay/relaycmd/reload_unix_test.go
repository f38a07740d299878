//go:build !notelemetry && unix

package relaycmd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
)

// keyed is a vendor that writes down which keys it was shown.
type keyed struct {
	*httptest.Server
	mu   sync.Mutex
	keys []string
	hold chan struct{} // where not nil, an answer waits for it, and is a failure
	came chan struct{}
}

func newKeyed(t *testing.T) *keyed {
	v := &keyed{came: make(chan struct{}, 100)}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.keys = append(v.keys, r.Header.Get("X-Key"))
		hold := v.hold
		v.mu.Unlock()
		v.came <- struct{}{}
		if hold != nil {
			<-hold
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *keyed) shown() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.keys)
}

// withKey is a file with one destination that wants a key.
const withKey = `listen: 127.0.0.1:0
database: sqlite:db/relay.db
tools:
  mytool: {destinations: [{backend: http, endpoint_file: endpoint.url, headers: {X-Key_file: key}}]}
`

// track sends one event of a tool through the relay.
func (r *running) track(tool string, n int) error {
	d := httpjson.Driver()
	settings, err := d.Resolve(map[string]string{"endpoint": r.public + events.Path})
	if err != nil {
		return err
	}
	client, err := d.Open(driver.Config{Settings: settings, Tool: tool})
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Send(r.p.Context(), []driver.Event{{
		ID: fmt.Sprintf("0193a3c0-0000-7000-8000-%012d", n), Type: "feature.used", Time: time.Now().UTC().Truncate(time.Millisecond), Tool: tool, OS: "linux", Arch: "amd64",
	}})
}

func keyedPlace(t *testing.T) (*place, *keyed, *running) {
	p, v := newPlace(t), newKeyed(t)
	p.write("endpoint.url", v.URL)
	p.write("key", "first")
	p.write("relay.yaml", withKey)
	r := p.start()
	if err := r.track("mytool", 1); err != nil {
		t.Fatal(err)
	}
	return p, v, r
}

func TestSIGHUPTakesANewKeyAndANewTool(t *testing.T) {
	t.Parallel()
	p, v, r := keyedPlace(t)
	p.write("key", "second")
	p.write("relay.yaml", withKey+"  mylogs: {destinations: [{backend: http, endpoint_file: endpoint.url, headers: {X-Key_file: key}}]}\n")
	r.signal(syscall.SIGHUP)
	r.log.expect(t, 1, "are read anew")
	for i, tool := range []string{"mytool", "mylogs"} {
		if err := r.track(tool, 2+i); err != nil {
			t.Error(err)
		}
	}
	if got := v.shown(); !slices.Equal(got, []string{"first", "second", "second"}) {
		t.Errorf("the vendor was shown %q", got)
	}
	r.stop()
}

func TestAMistakeInWhatIsReadAnewChangesNothing(t *testing.T) {
	t.Parallel()
	p, v, r := keyedPlace(t)
	for i, mistake := range []struct{ file, content, says string }{
		{"relay.yaml", "listen: 127.0.0.1:0\n", "the file could not be read anew"},
		{"relay.yaml", strings.Replace(withKey, "127.0.0.1:0", "127.0.0.1:1", 1), "listen has changed, which takes a restart"},
		{"relay.yaml", strings.Replace(withKey, "db/relay.db", "other/relay.db", 1), "database has changed, which takes a restart"},
		{"relay.yaml", withTLS + "\n" + withKey, "tls has changed, which takes a restart"},
		{"key", "", "X-Key_file: the file is empty"},
	} {
		p.write("relay.yaml", withKey)
		p.write(mistake.file, mistake.content)
		r.signal(syscall.SIGHUP)
		r.log.expect(t, 1, mistake.says)
		if err := r.track("mytool", 10+i); err != nil {
			t.Errorf("%s: %v", mistake.says, err)
		}
	}
	if got := v.shown(); len(got) != 6 || slices.ContainsFunc(got, func(key string) bool { return key != "first" }) {
		t.Errorf("the vendor was shown %q", got)
	}
	r.stop()
}

// Kubernetes and other managers of secrets replace the file, and signal nobody.
func TestAChangedKeyIsTakenUpWithoutASignal(t *testing.T) {
	t.Parallel()
	p, v, r := keyedPlace(t)
	p.write("key", "second key")
	r.log.expectWithin(t, keyPause+patience, 1, "changed keys are in use")
	if err := r.track("mytool", 2); err != nil {
		t.Error(err)
	}
	if got := v.shown(); !slices.Equal(got, []string{"first", "second key"}) {
		t.Errorf("the vendor was shown %q", got)
	}
	r.stop()
}

// One destination has the event, and the other fails when the keys have changed: what it misses is
// stored, for which the database of before has to be there still.
func TestWhatIsUnderWayWhenKeysChangeIsAnswered(t *testing.T) {
	t.Parallel()
	p, v := newPlace(t), newKeyed(t)
	p.write("endpoint.url", v.URL)
	p.write("key", "first")
	p.write("relay.yaml", strings.Replace(withKey, "[{backend: http", "[{backend: store}, {backend: http", 1))
	r := p.start()
	hold := make(chan struct{})
	v.mu.Lock()
	v.hold = hold
	v.mu.Unlock()
	answered := make(chan error)
	go func() { answered <- r.track("mytool", 2) }()
	<-v.came
	v.mu.Lock()
	v.hold = nil
	v.mu.Unlock()
	p.write("key", "second")
	r.signal(syscall.SIGHUP)
	r.log.expect(t, 1, "are read anew")
	if err := r.track("mytool", 3); err != nil { // by the new key, while the old one is in use
		t.Error(err)
	}
	close(hold)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if got := v.shown(); len(got) < 2 || !slices.Equal(got[:2], []string{"first", "second"}) {
		t.Errorf("the vendor was shown %q", got)
	}
	r.stop()
}
