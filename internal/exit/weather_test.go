package exit

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// weather is what a network does to a request, and what may come of an event in it.
type weather struct {
	name string
	// answer is how the server answers; nil where there is none that listens.
	answer func(http.ResponseWriter, *http.Request)
	// arrives says that events are delivered, unknown that the receiver may have them though
	// nobody was told so.
	arrives, unknown bool
	// splits says that a batch may be tried again in smaller ones at once.
	splits bool
}

func accept(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// after waits, or until the client is gone, and then answers.
func after(d time.Duration, answer func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		answer(w, r)
	}
}

var weathers = []weather{
	{name: "answers at once", answer: accept, arrives: true},
	{name: "answers after 0.3 s", answer: after(300*time.Millisecond, accept), arrives: true},
	{name: "answers after 1.5 s", answer: after(1500*time.Millisecond, accept), arrives: true, unknown: true},
	{name: "never answers", answer: after(time.Hour, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), unknown: true},
	{name: "resets", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, unknown: true},
	{name: "refuses connections"},
	{name: "calls everything too large", answer: status(http.StatusRequestEntityTooLarge), splits: true},
	{name: "asks to wait", answer: status(http.StatusServiceUnavailable, "Retry-After", "3600")},
	{name: "is a captive portal", answer: status(http.StatusFound, "Location", "http://portal.invalid/login")},
}

// server plays one weather and remembers what it was asked.
type server struct {
	endpoint string

	mu       sync.Mutex
	requests int
	copies   map[string]int // by event ID
}

func play(t *testing.T, w weather) *server {
	t.Helper()
	s := &server{copies: map[string]int{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.endpoint = "http://" + listener.Addr().String() + "/events"
	if w.answer == nil {
		listener.Close()
		return s
	}
	h := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.note(r)
		w.answer(rw, r)
	})}
	go h.Serve(listener) //nolint:errcheck // ends with the test
	t.Cleanup(func() { h.Close() })
	return s
}

func (s *server) note(r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return
		}
		body = unzipped
	}
	var events []struct {
		ID string `json:"id"`
	}
	err := json.NewDecoder(body).Decode(&events)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if err == nil {
		for _, e := range events {
			s.copies[e.ID]++
		}
	}
}

func (s *server) seen() (requests, events, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.copies {
		most = max(most, n)
	}
	return s.requests, len(s.copies), most
}
