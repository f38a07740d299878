package conformance_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

// intake is a small server that keeps the contract, but for what is wrong with it.
type intake struct {
	wrong string
	mu    sync.Mutex
	ids   []string
	away  bool
	busy  atomic.Int32
}

func (in *intake) keep(list []driver.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, e := range list {
		in.ids = append(in.ids, e.ID)
	}
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && in.wrong != "takes any method" {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body := io.Reader(r.Body)
	switch coding := r.Header.Get("Content-Encoding"); {
	case coding == "gzip" && in.wrong != "does not unpack":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = z
	case coding != "" && coding != "gzip":
		if in.wrong == "blames the events" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(body, most+1))
	if len(text) > most {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var list []driver.Event
	if in.wrong == "stores half a batch" && err != nil {
		for part := string(text); ; {
			end := strings.LastIndex(part, "},{")
			if end < 0 {
				return
			}
			if part = part[:end] + "}]"; json.Unmarshal([]byte(part), &list) == nil {
				in.keep(list)
				return
			}
			part = part[:end]
		}
	}
	if in.wrong == "forgets under load" {
		busy := in.busy.Add(1) > 1
		time.Sleep(20 * time.Millisecond) // for the others to come
		in.busy.Add(-1)
		if busy {
			return
		}
	}
	if wrong := json.Unmarshal(text, &list); (err != nil || wrong != nil) && in.wrong != "accepts anything" {
		w.WriteHeader(http.StatusBadRequest)
		if in.wrong == "repeats the body" {
			_, _ = w.Write(text)
		}
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.away {
		if in.wrong == "accepts what it cannot keep" {
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	rejected := []string{}
	for i, e := range list {
		switch {
		case e.Name == "bad":
			rejected = append(rejected, e.ID)
			if in.wrong != "stores what it refuses" {
				continue
			}
		case in.wrong == "forgets one of many" && i == 100:
			continue
		}
		if !slices.Contains(in.ids, e.ID) || in.wrong == "stores twice" {
			in.ids = append(in.ids, e.ID)
		}
	}
	if len(rejected) > 0 && in.wrong != "does not say what it refuses" {
		_ = json.NewEncoder(w).Encode(map[string][]string{"rejected": rejected})
	}
}

func (in *intake) stored() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.ids)
}

func (in *intake) be(away bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.away = away
}

func intakeWith(wrong string) conformance.Intake {
	return conformance.Intake{
		Open: func() (*conformance.OpenIntake, error) {
			in := &intake{wrong: wrong}
			s := httptest.NewServer(in)
			return &conformance.OpenIntake{
				Endpoint: s.URL + "/v1/events", Stored: in.stored, Close: s.Close,
				Away: func() func() { in.be(true); return func() { in.be(false) } },
			}, nil
		},
		Refused: func(e *driver.Event) { e.Name = "bad" },
	}
}

func TestAnHonestIntakePasses(t *testing.T) {
	t.Parallel()
	conformance.RunIntake(t, intakeWith(""))
}

func TestEveryCheckOfAnIntakeFindsABrokenOne(t *testing.T) {
	t.Parallel()
	for wrong, check := range map[string]string{
		"does not unpack":              "what it accepts it has",
		"forgets one of many":          "what it accepts it has",
		"stores twice":                 "what comes again it has once",
		"does not say what it refuses": "what it never takes it names",
		"stores what it refuses":       "what it never takes it names",
		"forgets under load":           "each of many clients gets an answer of its own",
		"stores half a batch":          "half a batch leaves nothing",
		"accepts what it cannot keep":  "what it cannot keep it does not accept",
		"accepts anything":             "what is no batch it does not accept",
		"takes any method":             "what is no batch it does not accept",
		"blames the events":            "what is no batch it does not accept",
		"repeats the body":             "what is no batch it does not accept",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			problems := conformance.VerifyIntake(intakeWith(wrong))
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, check) }) {
				t.Errorf("%s does not find it, but %q", check, problems)
			}
		})
	}
}
