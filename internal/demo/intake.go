package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// event is what the story needs to know of one; raw is how it arrived.
type event struct {
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Name      string            `json:"name"`
	Time      time.Time         `json:"timestamp"`
	ExitCode  *int              `json:"exit_code"`
	MachineID string            `json:"machine_id"`
	Metadata  map[string]string `json:"metadata"`

	Flags       []string `json:"flags"`
	ErrorClass  string   `json:"error_class"`
	Interactive bool     `json:"interactive"`
	Agent       string   `json:"agent"`
	RunID       string   `json:"run_id"`

	raw json.RawMessage
}

// arrival is one request.
type arrival struct {
	method, path string
	header       http.Header
	body         []byte // unpacked
	events       []event
	answered     bool
}

// intake is a server like the one that a tool's author runs: it takes events in and
// appends them to a file. It can be away, and it can be cut off in mid-request.
type intake struct {
	address  string
	arrivals chan arrival

	mu      sync.Mutex
	file    *os.File
	server  *http.Server
	cutOff  bool
	problem error
}

func newIntake(file *os.File) *intake {
	return &intake{
		address:  "127.0.0.1:0", // the system chooses, once
		arrivals: make(chan arrival, 1000),
		file:     file,
	}
}

// up makes the intake reachable, at the same address every time.
func (in *intake) up() error {
	listener, err := net.Listen("tcp", in.address)
	if err != nil {
		return err
	}
	in.address = listener.Addr().String()
	in.server = &http.Server{Handler: in, ReadHeaderTimeout: deadline}
	go in.server.Serve(listener) //nolint:errcheck // ends with down
	return nil
}

// down refuses connections from now on.
func (in *intake) down() error { return in.server.Close() }

// setCutOff makes every request end without an answer, after it was taken in.
func (in *intake) setCutOff(on bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.cutOff = on
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in.mu.Lock()
	defer in.mu.Unlock()
	a, err := read(r)
	if err != nil {
		in.problem = err
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if _, err := in.file.Write(append(a.body, '\n')); err != nil {
		in.problem = err
		http.Error(w, "not stored", http.StatusInternalServerError)
		return
	}
	a.answered = !in.cutOff
	in.arrivals <- a
	if in.cutOff {
		panic(http.ErrAbortHandler) // the connection ends here
	}
	w.WriteHeader(http.StatusAccepted)
}

// limit is more than any body here has.
const limit = 1 << 20

func unpack(packed []byte) ([]byte, error) {
	unpacker, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(unpacker, limit))
}

func read(r *http.Request) (arrival, error) {
	a := arrival{method: r.Method, path: r.URL.Path, header: r.Header}
	packed, err := io.ReadAll(io.LimitReader(r.Body, limit))
	if err != nil {
		return a, err
	}
	a.body = packed
	if r.Header.Get("Content-Encoding") == "gzip" {
		if a.body, err = unpack(packed); err != nil {
			return a, err
		}
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(a.body, &raws); err != nil {
		return a, fmt.Errorf("the body is not a JSON array: %w", err)
	}
	for _, raw := range raws {
		e, err := parseEvent(raw)
		if err != nil {
			return a, err
		}
		a.events = append(a.events, e)
	}
	return a, nil
}

func parseEvent(raw []byte) (event, error) {
	e := event{raw: bytes.Clone(raw)}
	err := json.Unmarshal(raw, &e)
	return e, err
}

// next waits for a request.
func (in *intake) next(ctx context.Context) (arrival, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	select {
	case a := <-in.arrivals:
		return a, nil
	case <-ctx.Done():
		in.mu.Lock()
		defer in.mu.Unlock()
		return arrival{}, errors.Join(errors.New("no request reached the intake"), in.problem)
	}
}

// rest returns the requests that have arrived and were not asked for yet.
func (in *intake) rest() []arrival {
	var list []arrival
	for {
		select {
		case a := <-in.arrivals:
			list = append(list, a)
		default:
			return list
		}
	}
}

// stored returns how often each event ID stands in the intake's file.
func (in *intake) stored() (map[string]int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	content, err := os.ReadFile(in.file.Name())
	if err != nil {
		return nil, err
	}
	times := map[string]int{}
	for line := range bytes.Lines(content) {
		var batch []event
		if err := json.Unmarshal(line, &batch); err != nil {
			return nil, err
		}
		for _, e := range batch {
			times[e.ID]++
		}
	}
	return times, nil
}
