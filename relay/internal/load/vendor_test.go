//go:build linux && !notelemetry

package load

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// vendor takes what the http backend posts, and remembers when each event came.
type vendor struct {
	*httptest.Server
	mu   sync.Mutex
	came map[string][]time.Time
	full bool // answers 429
}

func newVendor(t *testing.T) *vendor {
	v := &vendor{came: map[string][]time.Time{}}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = z
	}
	var batch []struct{ ID string }
	if json.NewDecoder(body).Decode(&batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.full {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	now := time.Now()
	for _, e := range batch {
		v.came[e.ID] = append(v.came[e.ID], now)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (v *vendor) setFull(full bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.full = full
}

// times returns when each event came.
func (v *vendor) times() map[string][]time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make(map[string][]time.Time, len(v.came))
	for id, times := range v.came {
		all[id] = times
	}
	return all
}

// world makes events and people out of a seed.
type world struct {
	seed uint64
	mu   sync.Mutex
	n    uint64
}

func newWorld(t *testing.T) *world {
	w := &world{seed: uint64(time.Now().UnixNano())}
	if *seed != 0 {
		w.seed = *seed
	}
	t.Logf("seed %d", w.seed)
	return w
}

func (w *world) next() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	return w.n
}

// hash is the nth thing of a kind.
func (w *world) hash(kind byte, n uint64) [32]byte {
	b := binary.BigEndian.AppendUint64([]byte{kind}, w.seed)
	return sha256.Sum256(binary.BigEndian.AppendUint64(b, n))
}

// machines is how many installations the events are of.
const machines = 1000

// batch makes events that just happened.
func (w *world) batch(n int) []driver.Event {
	list := make([]driver.Event, n)
	names := []string{"build", "test", "remote add", "sync", "status"}
	for i := range list {
		h := w.hash('e', w.next())
		exit, took := 0, int64(binary.BigEndian.Uint16(h[20:]))
		if h[19] < 20 {
			exit = 1
		}
		m := w.hash('m', uint64(binary.BigEndian.Uint16(h[16:]))%machines)
		list[i] = driver.Event{
			ID:   fmt.Sprintf("01a2%04x-%04x-7%03x-8%03x-%012x", h[0:2], h[2:4], uint16(h[4])<<4|uint16(h[5])>>4, uint16(h[6])<<4|uint16(h[7])>>4, h[8:14]),
			Type: "command.invocation", Name: names[int(h[18])%len(names)], Time: time.Now().UTC().Truncate(time.Millisecond),
			ExitCode: &exit, DurationMS: &took, Tool: "mytool", Version: "1.0.0", OS: "linux", Arch: "amd64", OSVersion: "debian 12", GoVersion: "go1.26",
			RunID: "01a2a3c0-0000-7000-8000-" + hex.EncodeToString(h[14:20]), MachineID: hex.EncodeToString(m[:16]), ConsentID: strings.Repeat("c", 32), Interactive: true,
		}
	}
	return list
}

// person is an installation that asks to be forgotten.
type person struct{ key, id string }

func (w *world) person() person {
	h := w.hash('p', w.next())
	key := [deletion.KeyBytes]byte(h[:deletion.KeyBytes])
	return person{hex.EncodeToString(key[:]), deletion.MachineID(key)}
}

// demand is what it posts. Forged, the key is another's.
func (p person) demand() string {
	return fmt.Sprintf(`{"machine_id":%q,"deletion_key":%q,"tool":"mytool"}`, p.id, p.key)
}

func ids(list []driver.Event) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].ID
	}
	return names
}

// pick returns one of a list, at random.
func pick[T any](list []T) T { return list[rand.IntN(len(list))] }
