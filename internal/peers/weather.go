//go:build linux

package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// weather is what becomes of a request.
type weather struct {
	name  string
	short string // for the chart
	// answer answers a request; nil where nobody does.
	answer func(w http.ResponseWriter, gone <-chan struct{})
	hole   bool // connections are neither taken nor refused
	silent bool // the name server says nothing
}

var fair = weather{name: "200 at once", short: "200", answer: accept}

var weathers = []weather{
	fair,
	{name: "200 after 300 ms", short: "200, 300 ms", answer: func(w http.ResponseWriter, gone <-chan struct{}) {
		wait(300*time.Millisecond, gone)
		accept(w, gone)
	}},
	{name: "accepts and hangs", short: "hangs", answer: func(_ http.ResponseWriter, gone <-chan struct{}) {
		wait(time.Hour, gone)
		panic(http.ErrAbortHandler)
	}},
	{name: "refused", short: "refused"},
	{name: "black hole", short: "black hole", hole: true},
	{name: "500", short: "500", answer: func(w http.ResponseWriter, _ <-chan struct{}) { w.WriteHeader(http.StatusInternalServerError) }},
	{name: "429, Retry-After 30", short: "429", answer: func(w http.ResponseWriter, _ <-chan struct{}) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	}},
	{name: "silent name server", short: "silent DNS", answer: accept, silent: true},
}

func accept(w http.ResponseWriter, _ <-chan struct{}) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}")
}

func wait(d time.Duration, gone <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-gone:
	}
}

// intake is a server on a port of its own, which stays its own in every weather: a port that is
// let go of would be given to somebody else's connection.
type intake struct {
	port     int
	socket   int
	fillers  []int
	server   *http.Server
	mu       sync.Mutex
	now      weather
	changed  chan struct{} // closed when the weather changes, which ends what hangs
	arrivals map[string]int
}

// backlog is what listen is given: enough for a burst of everybody at once.
const backlog = 128

func newIntake(w weather) (*intake, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	in := &intake{socket: socket, now: w, changed: make(chan struct{}), arrivals: map[string]int{}}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		in.close()
		return nil, fmt.Errorf("binding a port: %w", err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		in.close()
		return nil, fmt.Errorf("asking for the port: %w", err)
	}
	in.port = name.(*syscall.SockaddrInet4).Port
	switch {
	case w.hole:
		err = in.fill()
	case w.answer != nil:
		err = in.serve()
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// fill makes the port a black hole: Linux answers no SYN to a socket whose queue is full.
func (in *intake) fill() error {
	if err := syscall.Listen(in.socket, 0); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	for range 4 {
		filler, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("making a socket: %w", err)
		}
		in.fillers = append(in.fillers, filler)
		err = syscall.Connect(filler, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: in.port})
		if err != nil && !errors.Is(err, syscall.EINPROGRESS) {
			return fmt.Errorf("filling the queue: %w", err)
		}
	}
	return nil
}

func (in *intake) serve() error {
	if err := syscall.Listen(in.socket, backlog); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	file := os.NewFile(uintptr(in.socket), "intake")
	listener, err := net.FileListener(file)
	in.socket = -1
	file.Close() // the listener has a duplicate
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	in.server = &http.Server{Handler: in}
	go in.server.Serve(listener) //nolint:errcheck // ends with close
	return nil
}

// clear makes the weather fair, on the same port.
func (in *intake) clear() error {
	in.mu.Lock()
	in.now = fair
	close(in.changed)
	in.changed = make(chan struct{})
	in.mu.Unlock()
	in.closeFillers()
	if in.server == nil {
		return in.serve()
	}
	return nil
}

func (in *intake) closeFillers() {
	for _, filler := range in.fillers {
		syscall.Close(filler)
	}
	in.fillers = nil
}

func (in *intake) close() {
	in.closeFillers()
	if in.server != nil {
		in.mu.Lock()
		close(in.changed)
		in.changed = make(chan struct{})
		in.mu.Unlock()
		in.server.Close()
	}
	if in.socket >= 0 {
		syscall.Close(in.socket)
	}
}

// number is what an event of ours looks like in any encoding; see numbers.
var number = regexp.MustCompile(`7[0-9]{13}`)

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if unzipped, err := gzip.NewReader(r.Body); err == nil {
			body = unzipped
		}
	}
	content, err := io.ReadAll(body)
	in.mu.Lock()
	now, changed := in.now, in.changed
	in.mu.Unlock()
	answered := &recorder{ResponseWriter: w, status: http.StatusOK}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-changed:
		case <-r.Context().Done():
		}
	}()
	now.answer(answered, gone)
	// What is answered with an error did not arrive, whoever sent it.
	if err != nil || answered.status != http.StatusOK {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, id := range number.FindAllString(string(content), -1) {
		in.arrivals[id]++
	}
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// arrived is how often an event came.
func (in *intake) arrived(id string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.arrivals[id]
}
