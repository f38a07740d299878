// Package posthogstore is a PostHog for tests: an intake that refuses what PostHog's
// refuses, and a table that keeps what PostHog would keep of the rest. Tests ask it what
// became of an event, not only what was sent.
//
// It does as these say, and knows nothing of our backend:
//
//	PostHog/posthog, rust/capture: v0_request.rs, v0_endpoint.rs, token.rs (what is
//	refused, and with which status), src/v1 (the same of capture v1, and its verdicts), rust/common/types: event.rs (distinct_id),
//	timestamp.rs (correction of a clock), posthog/models/event/sql.py (which copies are
//	one row), posthog/models/person (what a deletion takes); posthog.com/docs/api/capture
package posthogstore

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxBody       = 20 << 20
	maxEvent      = 1_000_000 // Kafka's limit of a message
	maxKey        = 64
	maxDistinctID = 200
	maxFuture     = 23 * time.Hour
)

// Row is an event as it is stored.
type Row struct {
	UUID, Event, DistinctID string
	// Time is the event's, corrected by what the sender's clock is wrong.
	Time time.Time
	// Properties has json.Number for numbers.
	Properties map[string]any
	// Person is whom the event belongs to, empty if to nobody. Only what belongs to
	// somebody can be deleted.
	Person string
	// InsertedAt is when it was stored.
	InsertedAt time.Time
}

// Store is an intake and its table: an http.Handler for a server, and an
// http.RoundTripper for where there must be no network.
type Store struct {
	// Now is PostHog's clock, time.Now if nil.
	Now func() time.Time
	// Latency is how long a request is under way to RoundTrip.
	Latency time.Duration
	// Poison, where not nil, says which events the older intake refuses for reasons of its own,
	// and Judge what capture v1 says of one, the zero value for nothing in particular.
	Poison func(event string) bool
	Judge  func(event string) Verdict
	// OverQuota drops everything: capture v1 says so, the older intake does not.
	OverQuota bool
	// PerMinute is how many events of one distinct_id have a person within any minute, 0 for
	// all of them. Capture v1 warns of those that have none, the older intake does not.
	PerMinute int

	mu       sync.Mutex
	arrived  map[string][]time.Time // by distinct_id
	next     []Behaviour
	inserted []Row
	answers  int
	requests []Request
}

// Request is one that arrived, its body unpacked if it could be.
type Request struct {
	Path string
	Body []byte
	// Rows is how many events of it were stored.
	Rows int
}

// Behaviour answers one request. take does what the intake does with it: it stores the
// events and returns what is to be answered.
type Behaviour func(w http.ResponseWriter, r *http.Request, take func() (status int, body string))

// Then says how the next requests are answered, one each. After them, and without a call,
// the intake works.
func (s *Store) Then(next ...Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, next...)
}

// Work is the intake as it should be.
func Work(w http.ResponseWriter, _ *http.Request, take func() (int, string)) {
	status, body := take()
	reply(w, status, "application/json", body)
}

// LoseAnswer stores the events, and the connection ends before the answer.
func LoseAnswer(_ http.ResponseWriter, _ *http.Request, take func() (int, string)) {
	take()
	panic(http.ErrAbortHandler)
}

// LoseRequest ends the connection without having done anything.
func LoseRequest(http.ResponseWriter, *http.Request, func() (int, string)) {
	panic(http.ErrAbortHandler)
}

// QuotaLimited drops the events and says so, in a success.
func QuotaLimited(w http.ResponseWriter, _ *http.Request, _ func() (int, string)) {
	reply(w, http.StatusOK, "application/json", `{"status":"Ok","quota_limited":["events"]}`)
}

// Portal is a network that wants a login before it lets anything through.
func Portal(w http.ResponseWriter, _ *http.Request, _ func() (int, string)) {
	reply(w, http.StatusOK, "text/html; charset=utf-8", "<!doctype html><title>Welcome to our Wi-Fi</title>")
}

// Say answers with what is no answer of PostHog's, from something that stands in its place.
func Say(status int, body string) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ func() (int, string)) {
		reply(w, status, "application/json", body)
	}
}

// Redirect sends the client to another path of the same server.
func Redirect(status int) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ func() (int, string)) {
		w.Header().Set("Location", "/elsewhere/")
		reply(w, status, "text/plain", "")
	}
}

// Refuse answers with a status, and a Retry-After unless that is empty.
func Refuse(status int, retryAfter string) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ func() (int, string)) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		reply(w, status, "text/plain", "try later")
	}
}

// Hang closes arrived when the request is there, and never answers.
func Hang(arrived chan<- struct{}) Behaviour {
	return func(_ http.ResponseWriter, r *http.Request, _ func() (int, string)) {
		close(arrived)
		<-r.Context().Done()
	}
}

func reply(w http.ResponseWriter, status int, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// ServeHTTP implements http.Handler.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Read before anything else: only then does a server notice that a client has gone.
	packed, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	body, decodeErr := unpack(r, packed)
	s.mu.Lock()
	behave := Behaviour(Work)
	if len(s.next) > 0 {
		behave, s.next = s.next[0], s.next[1:]
	}
	n := len(s.requests)
	s.requests = append(s.requests, Request{Path: r.URL.Path, Body: body})
	s.mu.Unlock()
	behave(w, r, func() (int, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Method != http.MethodPost || r.URL.Path != "/batch/" && r.URL.Path != v1Path {
			return http.StatusNotFound, "not found"
		}
		if r.URL.Path == v1Path {
			status, answer, rows := s.readV1(r, body, decodeErr)
			s.requests[n].Rows = len(rows)
			s.inserted = append(s.inserted, rows...)
			return status, answer
		}
		rows, refused := s.read(r, body, decodeErr)
		if refused != nil {
			return refused.status, refused.reason
		}
		if s.OverQuota {
			rows = nil
		}
		s.requests[n].Rows = len(rows)
		s.inserted = append(s.inserted, rows...)
		s.answers++
		if s.answers%2 == 0 {
			return http.StatusOK, `{"status":1}` // as older ones answer
		}
		return http.StatusOK, `{"status":"Ok"}`
	})
}

// clientAddress is the address of who uses RoundTrip. It belongs to documentation.
const clientAddress = "203.0.113.77"

// RoundTrip implements http.RoundTripper without a network, as tests need whose clock is
// not the system's.
func (s *Store) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	defer r.Body.Close()
	time.Sleep(s.Latency)
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			answer, err = nil, io.ErrUnexpectedEOF
		default:
			panic(p)
		}
	}()
	w := httptest.NewRecorder()
	arriving := r.Clone(r.Context())
	arriving.RemoteAddr = net.JoinHostPort(clientAddress, "49152")
	s.ServeHTTP(w, arriving)
	return w.Result(), nil
}

func unpack(r *http.Request, packed []byte) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" && r.URL.Query().Get("compression") != "gzip" {
		return packed, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// refusal is of the whole batch: there is no other.
type refusal struct {
	status int
	reason string
}

type batch struct {
	APIKey *string `json:"api_key"`
	Token  *string `json:"token"`
	SentAt string  `json:"sent_at"`
	Batch  []json.RawMessage
}

type event struct {
	UUID       string         `json:"uuid"`
	Event      *string        `json:"event"`
	DistinctID any            `json:"distinct_id"`
	Timestamp  string         `json:"timestamp"`
	APIKey     string         `json:"api_key"`
	Token      string         `json:"token"`
	Properties map[string]any `json:"properties"`
}

// read is called with s.mu held.
func (s *Store) read(r *http.Request, body []byte, decodeErr error) ([]Row, *refusal) {
	bad := func(reason string) ([]Row, *refusal) { return nil, &refusal{http.StatusBadRequest, reason} }
	if decodeErr != nil {
		return bad("invalid gzip data")
	}
	if len(body) > maxBody {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "event too big"}
	}
	var b batch
	if err := decode(body, &b); err != nil {
		return bad("invalid JSON")
	}
	if len(b.Batch) == 0 {
		return bad("empty batch")
	}
	keys := map[string]bool{}
	for _, key := range []*string{b.APIKey, b.Token} {
		if key != nil {
			keys[*key] = true
		}
	}
	now := s.now()
	sentAt, sentErr := time.Parse(time.RFC3339Nano, b.SentAt)
	var rows []Row
	for _, raw := range b.Batch {
		var e event
		if err := decode(raw, &e); err != nil || e.Event == nil {
			return bad("invalid event")
		}
		if e.UUID != "" && !isUUID(e.UUID) {
			return bad("invalid UUID")
		}
		token, _ := e.Properties["token"].(string)
		for _, key := range []string{e.APIKey, e.Token, token} {
			if key != "" {
				keys[key] = true
			}
		}
		id, ok := distinctID(e)
		if *e.Event == "" || !ok || s.Poison != nil && s.Poison(*e.Event) {
			return bad("event without name or distinct_id")
		}
		if len(raw) > maxEvent {
			continue // in silence
		}
		row := Row{UUID: e.UUID, Event: *e.Event, DistinctID: id, Properties: e.Properties, InsertedAt: now}
		if row.UUID == "" {
			row.UUID = fmt.Sprint("made by the intake: ", len(s.inserted)+len(rows))
		}
		if row.Properties == nil {
			row.Properties = map[string]any{}
		}
		known := sentErr == nil && row.Properties["$ignore_sent_at"] != true
		row.Time = corrected(e.Timestamp, sentAt, known, now)
		row = s.row(r, row)
		if s.tooFast(id, now) {
			row.Person = ""
		}
		rows = append(rows, row)
	}
	if len(keys) != 1 {
		return nil, &refusal{http.StatusUnauthorized, "no API key, or several"}
	}
	for key := range keys {
		if malformed(key) {
			return nil, &refusal{http.StatusUnauthorized, "invalid API key"}
		}
	}
	return rows, nil
}

func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

// malformed reports whether a key cannot be one. An unknown one is taken: the intake does
// not look it up.
func malformed(key string) bool {
	key = strings.TrimSpace(key)
	ascii := !strings.ContainsFunc(key, func(r rune) bool { return r == 0 || r >= utf8.RuneSelf })
	return key == "" || len(key) > maxKey || !ascii || strings.HasPrefix(key, "phx_")
}

func isUUID(s string) bool {
	digits, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil && len(digits) == 16
}

func distinctID(e event) (string, bool) {
	id := e.DistinctID
	if id == nil {
		id = e.Properties["distinct_id"]
	}
	if id == nil {
		return "", false
	}
	text, ok := id.(string)
	if !ok {
		encoded, err := json.Marshal(id)
		if err != nil {
			return "", false
		}
		text = string(encoded)
	}
	text = strings.ReplaceAll(text, "\x00", "\ufffd")
	if strings.TrimSpace(text) == "" {
		return "", false
	}
	if runes := []rune(text); len(runes) > maxDistinctID {
		text = string(runes[:maxDistinctID])
	}
	return text, true
}

func corrected(timestamp string, sentAt time.Time, sent bool, now time.Time) time.Time {
	at, err := time.Parse(time.RFC3339Nano, timestamp)
	switch {
	case err != nil:
		return now
	case sent:
		at = at.Add(now.Sub(sentAt))
	}
	at = at.UTC()
	if at.Sub(now) > maxFuture {
		at = now
	}
	if at.Year() < 0 || at.Year() > 9999 {
		at = time.Unix(0, 0).UTC()
	}
	return at
}

// Inserted returns all that was ever stored, copies included.
func (s *Store) Inserted() []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Row(nil), s.inserted...)
}

// Rows returns the table once it has merged: a ReplacingMergeTree, in which of several
// rows with the same UUID, event, distinct_id and UTC day the last one stays.
func (s *Store) Rows() []Row {
	return s.merged(func(r Row) any {
		return [4]string{r.Time.Format(time.DateOnly), r.Event, r.DistinctID, r.UUID}
	})
}

// RowsOfTheNativeJSONTable returns the same for the table with native JSON that is to
// replace it, whose key has the time to the microsecond where the old one has the day.
func (s *Store) RowsOfTheNativeJSONTable() []Row {
	return s.merged(func(r Row) any {
		return [4]string{r.Time.Truncate(time.Microsecond).Format(time.RFC3339Nano), r.Event, r.DistinctID, r.UUID}
	})
}

func (s *Store) merged(key func(Row) any) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []Row
	at := map[any]int{}
	for _, r := range s.inserted {
		k := key(r)
		if i, there := at[k]; there {
			rows[i] = r
			continue
		}
		at[k] = len(rows)
		rows = append(rows, r)
	}
	return rows
}

// Requests returns what arrived.
func (s *Store) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Delete deletes a person's events, as an operator asks for at a time: those that are of a
// later time, or came later, stay. It returns how many rows went.
func (s *Store) Delete(distinctID string, asked time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []Row
	for _, r := range s.inserted {
		if r.Person != "person of "+distinctID || r.Time.After(asked) || r.InsertedAt.After(asked) {
			kept = append(kept, r)
		}
	}
	deleted := len(s.inserted) - len(kept)
	s.inserted = kept
	return deleted
}
