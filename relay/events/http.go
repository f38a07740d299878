//go:build !notelemetry

package events

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
)

// Path is where tools post their events.
const Path = "/v1/events"

const (
	// bodyTimeout is for 1 MiB over a line of 100 KB/s.
	bodyTimeout = 10 * time.Second
	// databaseTime bounds what one request asks of the database: who was deleted, and at the end
	// to keep what a destination misses.
	databaseTime = 2 * time.Second
	// busyWait is the Retry-After of a gateway that has its hands full: some seconds, since
	// what it works on is done in as many.
	busyWait = 5 * time.Second
)

// refusal is an answer that is about no event.
type refusal struct {
	status int
	word   string
	wait   time.Duration
}

var (
	errMethod    = &refusal{status: http.StatusMethodNotAllowed, word: "method_not_allowed"}
	errPath      = &refusal{status: http.StatusNotFound, word: "not_found"}
	errMediaType = &refusal{status: http.StatusUnsupportedMediaType, word: "unsupported_media_type"}
	errTooLarge  = &refusal{status: http.StatusRequestEntityTooLarge, word: "too_large"}
	errInvalid   = &refusal{status: http.StatusBadRequest, word: "invalid_request"}
	// errIncomplete: the client has gone, or is too slow.
	errIncomplete = &refusal{status: http.StatusRequestTimeout, word: "incomplete"}
	errBusy       = &refusal{status: http.StatusServiceUnavailable, word: "busy", wait: busyWait}
	errDatabase   = &refusal{status: http.StatusServiceUnavailable, word: "database_unavailable", wait: busyWait}
)

// ServeHTTP answers POST /v1/events as the package comment of backends/httpjson says.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	// Nothing here depends on who asks but this, of which a hash is kept.
	from := rates.Address(req, g.cfg.Proxies)
	if wait := g.addresses.Take(from); wait > 0 {
		g.refuse(w, &refusal{http.StatusTooManyRequests, "rate_limited", wait})
		return
	}
	room := g.memory.room(from)
	defer room.close()
	body, no := g.read(w, req, room)
	if no != nil {
		g.refuse(w, no)
		return
	}
	list, err := decode(body)
	if err != nil {
		g.refuse(w, errInvalid)
		return
	}
	// What a client has sent is settled whether or not it waits for the answer: it sends again
	// what it knows nothing of.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), queueTime+sendTime+2*databaseTime)
	defer cancel()
	r, err := g.take(ctx, list, from)
	if err != nil {
		g.cfg.Log.Error("events are not taken", "error", err)
		g.refuse(w, errDatabase)
		return
	}
	g.answer(w, r)
}

func (g *Gateway) refuse(w http.ResponseWriter, no *refusal) {
	g.counts.Add(1, metricRequests, "outcome", no.word)
	if no == errMethod {
		w.Header().Set("Allow", http.MethodPost)
	}
	if no.wait > 0 {
		w.Header().Set("Retry-After", seconds(no.wait))
	}
	reply(w, no.status, []byte(`{"error":"`+no.word+`"}`))
}

// answer tells a client about its events.
func (g *Gateway) answer(w http.ResponseWriter, r ruling) {
	outcome, status := "accepted", http.StatusNoContent
	var body []byte
	switch {
	case len(r.retry) > 0:
		w.Header().Set("Retry-After", seconds(max(r.wait, minPause)))
		if outcome, status = "partial", http.StatusMultiStatus; len(r.accepted)+len(r.rejected) > 0 {
			body = append(body, `{"accepted":`...)
			body = driver.AppendJSONStrings(body, r.accepted)
			body = append(body, `,"rejected":`...)
			body = append(driver.AppendJSONStrings(body, r.rejected), '}')
		} else if outcome, status, body = "retry", http.StatusServiceUnavailable, []byte(`{"error":"unavailable"}`); r.wait == unknownToolWait {
			outcome = "unknown_tool"
		}
	case len(r.rejected) > 0:
		if outcome, status = "partial", http.StatusOK; len(r.accepted) == 0 {
			outcome, status = "rejected", http.StatusUnprocessableEntity
		}
		body = append(driver.AppendJSONStrings([]byte(`{"rejected":`), r.rejected), '}')
	}
	g.counts.Add(1, metricRequests, "outcome", outcome)
	reply(w, status, body)
}

func reply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Cache-Control", "no-store")
	if body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever is gone sends again
}

// seconds rounds up: who comes back early is sent away again.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// read returns the body, unpacked, for which it takes room.
func (g *Gateway) read(w http.ResponseWriter, req *http.Request, room *room) (body string, no *refusal) {
	if req.URL.Path != Path && req.URL.Path != Path+"/" {
		return "", errPath
	}
	if req.Method != http.MethodPost {
		return "", errMethod
	}
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	coding := strings.ToLower(strings.TrimSpace(req.Header.Get("Content-Encoding")))
	if err != nil || kind != "application/json" || coding != "" && coding != "identity" && coding != "gzip" {
		return "", errMediaType
	}
	if req.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // or the server reads on for a while
		return "", errTooLarge
	}
	// A server may have no deadline of its own; where none can be set there is no connection.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	text, err := readAll(http.MaxBytesReader(w, req.Body, maxBody), req.ContentLength, room)
	switch _, tooLarge := errors.AsType[*http.MaxBytesError](err); {
	case tooLarge:
		return "", errTooLarge
	case errors.Is(err, errFull):
		w.Header().Set("Connection", "close")
		return "", errBusy
	case err != nil:
		return "", errIncomplete
	}
	if coding == "gzip" {
		if text, err = unpack(text); err != nil {
			return "", errInvalid
		}
		if len(text) > maxBody {
			return "", errTooLarge
		}
		if !room.resize(int64(len(text))) {
			return "", errBusy
		}
	}
	return text, nil
}

// firstRead is what a body takes before any of it is there: a usual one, packed, is not larger.
const firstRead = 4 << 10

// readAll reads a body. It takes room as the body comes in, not as its length is announced: who
// announces much and sends nothing holds up nobody.
func readAll(r io.Reader, length int64, room *room) (string, error) {
	if length < 0 {
		length = maxBody + 1 // MaxBytesReader stops before
	}
	var text []byte
	for size := min(length, firstRead); ; size = min(length, 2*size) {
		if !room.resize(size) {
			return "", errFull
		}
		had := len(text)
		text = append(make([]byte, 0, size), text...)[:size]
		n, err := io.ReadFull(r, text[had:])
		switch {
		case (err == io.EOF || err == io.ErrUnexpectedEOF) && length > maxBody: // of a length that was not told
			return string(text[:had+n]), nil
		case err != nil:
			return "", err
		case size == length:
			return string(text), nil
		}
	}
}

// unpackers are used again: one takes 40 KB.
var unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// unpack undoes gzip, and stops where the result is larger than a body may be.
func unpack(packed string) (string, error) {
	z := unpackers.Get().(*gzip.Reader)
	defer unpackers.Put(z)
	if err := z.Reset(strings.NewReader(packed)); err != nil {
		return "", err
	}
	var b bytes.Buffer
	b.Grow(min(8*len(packed), maxBody) + bytes.MinRead)
	if _, err := io.Copy(&b, io.LimitReader(z, maxBody+1)); err != nil {
		return "", err
	}
	return b.String(), nil
}
