// Package posthog stands in for PostHog where the real one cannot be asked: in the tests
// of what deletes, in tests of whole programs and in demonstrations. It keeps events and
// profiles in memory and plays the part of PostHog's API by which an operator has them
// deleted:
//
//	POST /i/v1/analytics/events                         events come in, and each is answered
//	POST /batch/                                        the same, for older clients
//	GET  /api/projects/:id/persons/?distinct_id=        whose profile is it
//	POST /api/projects/:id/persons/bulk_delete/         delete
//	GET  /api/projects/:id/persons/deletion_status/     how far is it
//	POST /api/projects/:id/query/                       how many events are there
//
// What is particular about PostHog is particular here: events outlive their profile until
// a weekly sweep, which is [Server.Sweep] here; the sweep passes over what came in after
// the request; failures hide in a 202; events without a profile cannot be deleted; a query
// may answer from a cache. How events are taken in is kept simple.
//
// Time is the caller's: nothing here waits or looks at a clock of its own.
//
// # Sources
//
// PostHog/posthog: posthog/api/person.py and posthog/models/person/bulk_delete.py (the
// calls), posthog/models/async_deletion (rows and sweep), rust/capture (events).
package posthog

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options are what a stand-in is made with. The zero value of each field is usable.
type Options struct {
	// Project is the project's number, 12345 if zero.
	Project int
	// Key is the personal key that is taken, "phx_standin" if empty.
	Key string
	// Scopes are what the key may do, everything that is needed if nil: "person:read",
	// "person:write", "query:read".
	Scopes []string
	// Now is the time there, time.Now if nil.
	Now func() time.Time
	// Queues makes it the newest generation, which deletes profiles in the background,
	// [ProfileDelay] after the request. The one before deletes them during the call.
	Queues bool
	// OverQuota drops events: capture v1 says so, the older intake does not.
	OverQuota bool
	// PersonCalls and Deletes bound the calls of a minute, 0 for no bound. PostHog's are
	// [PersonCalls] and [Deletes].
	PersonCalls, Deletes int
}

// What PostHog documents and others have measured.
const (
	PersonCalls  = 240
	Deletes      = 480
	ProfileDelay = 3 * time.Minute
	// keepRows is how long a row whose deletion is done remains visible.
	keepRows = 90 * 24 * time.Hour
	// maxIDs is how many profiles may be deleted in one call.
	maxIDs = 1000
	// pageSize is the default of a listing.
	pageSize = 100
	// maxBody bounds a request, so that a test that went wild does not take all memory.
	maxBody = 20 << 20
)

// Endpoint is one of the calls.
type Endpoint string

// The calls, each with the scope that it needs.
const (
	Persons        Endpoint = "persons"
	BulkDelete     Endpoint = "bulk_delete"
	DeletionStatus Endpoint = "deletion_status"
	Query          Endpoint = "query"
	Batch          Endpoint = "batch"
	CaptureV1      Endpoint = "capture_v1"
)

// Fault is what goes wrong with a call.
type Fault struct {
	// Status, Header and Body are answered instead of what is true. The body is said to be
	// JSON unless Header has a Content-Type.
	Status int
	Header http.Header
	Body   string
	// Drop cuts the connection instead of answering.
	Drop bool
	// Hang answers nothing until the client gives up.
	Hang bool
	// Done lets the call do its work before its answer goes wrong.
	Done bool
	// Calls is how many calls it strikes, 0 for all until [Server.Repair].
	Calls int
}

// Call is one that was made.
type Call struct {
	Endpoint Endpoint
	At       time.Time
	Method   string
	Query    url.Values
	// Body has been unpacked.
	Body []byte
	// Status is what was answered, 0 where the connection was cut.
	Status int
}

// Deletion is a row of deletion_status.
type Deletion struct {
	PersonUUID string
	CreatedAt  time.Time
	// VerifiedAt is zero while the deletion is pending.
	VerifiedAt time.Time
}

// Pending reports whether the sweep is still to come.
func (d Deletion) Pending() bool { return d.VerifiedAt.IsZero() }

// Event is one that is stored.
type Event struct {
	UUID, Name, DistinctID string
	Timestamp, InsertedAt  time.Time
	// PersonUUID is set also where there is no such profile.
	PersonUUID string
	Properties map[string]any
}

// Server is the stand-in. It may be used by several goroutines at once.
type Server struct {
	options Options

	mu        sync.Mutex
	events    []Event
	persons   []*person
	deletions []Deletion
	faults    map[Endpoint]*Fault
	calls     []Call
	counted   map[Endpoint]window
	cached    map[string]int
	nextID    int
}

type person struct {
	id          int
	uuid        string
	distinctIDs []string
	created     time.Time
	// gone is from when on there is no such profile, zero for never.
	gone time.Time
	// stays is a profile that cannot be deleted.
	stays bool
}

// window counts calls of one minute.
type window struct {
	from  time.Time
	calls int
}

// New makes a stand-in without events.
func New(o Options) *Server {
	if o.Project == 0 {
		o.Project = 12345
	}
	if o.Key == "" {
		o.Key = "phx_standin"
	}
	if o.Scopes == nil {
		o.Scopes = []string{"person:read", "person:write", "query:read"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{options: o, faults: map[Endpoint]*Fault{}, counted: map[Endpoint]window{}, cached: map[string]int{}}
}

// Capture stores an event that happened at a time, and makes its profile if there is none.
func (s *Server) Capture(distinctID string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	s.store(Event{UUID: uuid5(fmt.Sprint("event ", s.nextID)), Name: "command.invocation", DistinctID: distinctID, Timestamp: at})
}

// CapturePersonless stores an event that has no profile, as $process_person_profile does.
func (s *Server) CapturePersonless(distinctID string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	s.store(Event{UUID: uuid5(fmt.Sprint("event ", s.nextID)), Name: "command.invocation", DistinctID: distinctID, Timestamp: at,
		Properties: map[string]any{"$process_person_profile": false}})
}

// Alias gives the profile of a distinct ID another one, as identifying somebody does.
func (s *Server) Alias(distinctID, another string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.personOf(distinctID)
	if p == nil {
		p = s.newPerson(distinctID)
	}
	p.distinctIDs = append(p.distinctIDs, another)
}

// KeepProfile makes deleting the profile of a distinct ID fail, or work again.
func (s *Server) KeepProfile(distinctID string, stays bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.personOf(distinctID); p != nil {
		p.stays = stays
	}
}

// Sweep is what happens at the weekend: the events of each pending deletion go, but for
// those that are dated or came in after the request, and the row is completed. It returns
// how many events went.
func (s *Server) Sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, before := s.options.Now(), len(s.events)
	for i := range s.deletions {
		d := &s.deletions[i]
		if !d.Pending() {
			continue
		}
		s.events = slices.DeleteFunc(s.events, func(e Event) bool {
			return e.PersonUUID == d.PersonUUID && !e.Timestamp.After(d.CreatedAt) && !e.InsertedAt.After(d.CreatedAt)
		})
		d.VerifiedAt = now
	}
	s.deletions = slices.DeleteFunc(s.deletions, func(d Deletion) bool {
		return !d.Pending() && now.Sub(d.VerifiedAt) > keepRows
	})
	return before - len(s.events)
}

// Events returns how many events are stored under a distinct ID.
func (s *Server) Events(distinctID string) int { return len(s.Stored(distinctID)) }

// Stored returns the events that are stored under a distinct ID.
func (s *Server) Stored(distinctID string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.eventsOf(distinctID)
}

// HasProfile reports whether a distinct ID has a profile.
func (s *Server) HasProfile(distinctID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.personOf(distinctID) != nil
}

// Deletions returns the rows of deletion_status, the oldest first.
func (s *Server) Deletions() []Deletion {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deletions)
}

// AddDeletion adds a row as an earlier request would have left it.
func (s *Server) AddDeletion(d Deletion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deletions = append(s.deletions, d)
}

// Break makes a call go wrong.
func (s *Server) Break(e Endpoint, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[e] = &f
}

// Repair undoes Break.
func (s *Server) Repair(e Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.faults, e)
}

// Calls returns what was called, the calls that went wrong included.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count returns how often a call was made.
func (s *Server) Count(e Endpoint) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Endpoint == e {
			n++
		}
	}
	return n
}

// PersonUUID returns the UUID that PostHog derives for the profile of a distinct ID.
func (s *Server) PersonUUID(distinctID string) string {
	return uuid5(fmt.Sprintf("%d:%s", s.options.Project, distinctID))
}

// namespace is PostHog's for profiles.
const namespace = "932979b465c3442484670b66ec27bc22"

// uuid5 is RFC 9562's version 5 in PostHog's namespace.
func uuid5(name string) string {
	space, _ := hex.DecodeString(namespace)
	sum := sha1.Sum(append(space, name...))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (s *Server) eventsOf(distinctID string) []Event {
	var list []Event
	for _, e := range s.events {
		if e.DistinctID == distinctID {
			list = append(list, e)
		}
	}
	return list
}

func (s *Server) alive(p *person) bool {
	return p.gone.IsZero() || s.options.Now().Before(p.gone)
}

func (s *Server) personOf(distinctID string) *person {
	for _, p := range s.persons {
		if s.alive(p) && slices.Contains(p.distinctIDs, distinctID) {
			return p
		}
	}
	return nil
}

func (s *Server) newPerson(distinctID string) *person {
	s.nextID++
	p := &person{id: s.nextID, uuid: s.PersonUUID(distinctID), distinctIDs: []string{distinctID}, created: s.options.Now()}
	s.persons = append(s.persons, p)
	return p
}

// captureV1 takes events in, and answers each. Their times are corrected by what the client's
// clock is wrong.
func (s *Server) captureV1(r *http.Request, body []byte) reply {
	refuse := func(status int, code string) reply {
		return answer(status, map[string]any{"error": code, "error_description": code, "error_uri": "https://posthog.com/docs/api"})
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer phc_") {
		return refuse(401, "invalid_api_token")
	}
	sentAt, err := time.Parse(time.RFC3339Nano, r.Header.Get("PostHog-Request-Timestamp"))
	if err != nil || r.Header.Get("PostHog-Sdk-Info") == "" || r.Header.Get("PostHog-Attempt") == "" || r.Header.Get("PostHog-Request-Id") == "" {
		return refuse(400, "missing_required_headers")
	}
	var b struct {
		CreatedAt time.Time `json:"created_at"`
		Batch     []struct {
			UUID       string         `json:"uuid"`
			Event      string         `json:"event"`
			DistinctID string         `json:"distinct_id"`
			Timestamp  time.Time      `json:"timestamp"`
			SessionID  string         `json:"session_id"`
			Options    map[string]any `json:"options"`
			Properties map[string]any `json:"properties"`
		} `json:"batch"`
	}
	if json.Unmarshal(body, &b) != nil || b.CreatedAt.IsZero() {
		return refuse(400, "request_parsing_error")
	}
	if len(b.Batch) == 0 {
		return refuse(400, "empty_batch")
	}
	results := map[string]map[string]string{}
	for _, e := range b.Batch {
		switch _, twice := results[e.UUID]; {
		case e.UUID == "":
			return refuse(400, "missing_event_uuid")
		case twice:
			return refuse(400, "duplicate_event_uuid")
		}
		results[e.UUID] = nil
	}
	if s.options.OverQuota {
		return refuse(402, "billing_limit_exceeded")
	}
	now := s.options.Now()
	for _, e := range b.Batch {
		switch {
		case e.Event == "":
			results[e.UUID] = map[string]string{"result": "drop", "details": "missing_event_name"}
			continue
		case e.DistinctID == "":
			results[e.UUID] = map[string]string{"result": "drop", "details": "missing_distinct_id"}
			continue
		}
		results[e.UUID] = map[string]string{"result": "ok"}
		if e.Properties == nil {
			e.Properties = map[string]any{}
		}
		if e.SessionID != "" {
			e.Properties["$session_id"] = e.SessionID
		}
		if profile, there := e.Options["process_person_profile"]; there {
			e.Properties["$process_person_profile"] = profile
		}
		s.store(Event{UUID: e.UUID, Name: e.Event, DistinctID: e.DistinctID, Timestamp: now.Add(e.Timestamp.Sub(sentAt)), Properties: e.Properties})
	}
	return answer(200, map[string]any{"results": results})
}

// store keeps an event unless it is a copy: of the same UUID, name, distinct ID and day.
func (s *Server) store(e Event) {
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	if slices.ContainsFunc(s.events, func(old Event) bool {
		return old.UUID == e.UUID && old.Name == e.Name && old.DistinctID == e.DistinctID && day(old.Timestamp) == day(e.Timestamp)
	}) {
		return
	}
	e.InsertedAt, e.PersonUUID = s.options.Now(), s.PersonUUID(e.DistinctID)
	if p := s.personOf(e.DistinctID); p != nil {
		e.PersonUUID = p.uuid
	} else if e.Properties["$process_person_profile"] != false {
		s.newPerson(e.DistinctID)
	}
	s.events = append(s.events, e)
}

// reply is an answer; a zero status cuts the connection.
type reply struct {
	status int
	header http.Header
	body   string
}

func answer(status int, body any) reply {
	text, _ := json.Marshal(body) // of maps, strings and numbers
	return reply{status: status, body: string(text)}
}

// refuse is an error as Django REST framework and PostHog write it.
func refuse(status int, kind, code, detail string) reply {
	return answer(status, map[string]any{"type": kind, "code": code, "detail": detail, "attr": nil})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		http.Error(w, `{"detail":"the body cannot be read"}`, http.StatusBadRequest)
		return
	}
	endpoint := s.endpoint(r)
	fault := s.strike(endpoint)
	var said reply
	if fault == nil || fault.Done {
		said = s.handle(endpoint, r, body)
	}
	if fault != nil {
		if fault.Hang {
			<-r.Context().Done()
		}
		said = reply{status: fault.Status, header: fault.Header, body: fault.Body}
		if fault.Drop || fault.Hang {
			said.status = 0
		}
	}
	s.mu.Lock()
	s.calls = append(s.calls, Call{Endpoint: endpoint, At: s.options.Now(), Method: r.Method, Query: r.URL.Query(), Body: body, Status: said.status})
	s.mu.Unlock()
	if said.status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	for name, values := range said.header {
		w.Header()[name] = values
	}
	w.WriteHeader(said.status)
	_, _ = io.WriteString(w, said.body)
}

func read(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
		return body, err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(unpacked, maxBody))
}

// strike returns what goes wrong with this call, if anything does.
func (s *Server) strike(e Endpoint) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[e]
	if f == nil {
		return nil
	}
	if f.Calls == 1 {
		delete(s.faults, e)
	} else if f.Calls > 1 {
		f.Calls--
	}
	struck := *f
	return &struck
}

// endpoint returns which call it is, "" for none.
func (s *Server) endpoint(r *http.Request) Endpoint {
	base := fmt.Sprintf("/api/projects/%d/", s.options.Project)
	switch r.Method + " " + r.URL.Path {
	case "POST /batch/":
		return Batch
	case "POST /i/v1/analytics/events":
		return CaptureV1
	case "GET " + base + "persons/":
		return Persons
	case "POST " + base + "persons/bulk_delete/":
		return BulkDelete
	case "GET " + base + "persons/deletion_status/":
		return DeletionStatus
	case "POST " + base + "query/":
		return Query
	}
	return ""
}

func (s *Server) handle(e Endpoint, r *http.Request, body []byte) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e {
	case Batch:
		return s.batch(body)
	case CaptureV1:
		return s.captureV1(r, body)
	}
	if r.Header.Get("Authorization") != "Bearer "+s.options.Key {
		return refuse(401, "authentication_error", "authentication_failed", "Invalid personal API key.")
	}
	if e == "" {
		return refuse(404, "invalid_request", "not_found", "Not found.")
	}
	scope := map[Endpoint]string{Persons: "person:read", DeletionStatus: "person:read", BulkDelete: "person:write", Query: "query:read"}[e]
	if !slices.Contains(s.options.Scopes, scope) {
		return refuse(403, "authentication_error", "permission_denied", "API key missing required scope '"+scope+"'")
	}
	if said, over := s.limit(e); over {
		return said
	}
	switch e {
	case Persons:
		return s.listPersons(r.URL.Query())
	case BulkDelete:
		return s.bulkDelete(body)
	case DeletionStatus:
		return s.deletionStatus(r.URL)
	}
	return s.query(body)
}

// limit counts a call, by the minute; deletes are counted on their own.
func (s *Server) limit(e Endpoint) (reply, bool) {
	most := s.options.PersonCalls
	switch e {
	case BulkDelete:
		most = s.options.Deletes
	case DeletionStatus:
		e = Persons
	}
	if most == 0 || e == Query {
		return reply{}, false
	}
	now := s.options.Now()
	counted := s.counted[e]
	if now.Sub(counted.from) >= time.Minute {
		counted = window{from: now}
	}
	counted.calls++
	s.counted[e] = counted
	if counted.calls <= most {
		return reply{}, false
	}
	wait := counted.from.Add(time.Minute).Sub(now)
	said := refuse(429, "throttled_error", "throttled", "Request was throttled.")
	said.header = http.Header{"Retry-After": {strconv.Itoa(int((wait + time.Second - 1) / time.Second))}}
	return said, true
}

// batch takes events in. With sent_at, their times are corrected by the difference to the
// time here.
func (s *Server) batch(body []byte) reply {
	var b struct {
		APIKey string    `json:"api_key"`
		SentAt time.Time `json:"sent_at"`
		Batch  []struct {
			UUID       string         `json:"uuid"`
			Event      string         `json:"event"`
			DistinctID string         `json:"distinct_id"`
			Timestamp  time.Time      `json:"timestamp"`
			Properties map[string]any `json:"properties"`
		} `json:"batch"`
	}
	if json.Unmarshal(body, &b) != nil || len(b.Batch) == 0 {
		return reply{status: 400, header: http.Header{"Content-Type": {"text/plain"}}, body: "malformed batch"}
	}
	if !strings.HasPrefix(b.APIKey, "phc_") {
		return reply{status: 401, header: http.Header{"Content-Type": {"text/plain"}}, body: "invalid project key"}
	}
	for _, e := range b.Batch {
		if e.DistinctID == "" || e.Event == "" {
			return reply{status: 400, header: http.Header{"Content-Type": {"text/plain"}}, body: "event without distinct_id or name"}
		}
	}
	now := s.options.Now()
	if s.options.OverQuota {
		return answer(200, map[string]any{"status": "Ok"})
	}
	for _, e := range b.Batch {
		at := e.Timestamp
		if !b.SentAt.IsZero() {
			at = now.Add(e.Timestamp.Sub(b.SentAt))
		}
		s.store(Event{UUID: e.UUID, Name: e.Event, DistinctID: e.DistinctID, Timestamp: at, Properties: e.Properties})
	}
	return answer(200, map[string]any{"status": "Ok"})
}

func (s *Server) listPersons(query url.Values) reply {
	results := []any{}
	for _, p := range s.persons {
		if s.alive(p) && (!query.Has("distinct_id") || slices.Contains(p.distinctIDs, query.Get("distinct_id"))) {
			results = append(results, map[string]any{"id": p.id, "uuid": p.uuid, "distinct_ids": p.distinctIDs,
				"name": p.distinctIDs[0], "properties": map[string]any{}, "created_at": stamp(p.created)})
		}
	}
	return answer(200, map[string]any{"results": results, "next": nil, "previous": nil})
}

func (s *Server) bulkDelete(body []byte) reply {
	var b struct {
		IDs         []string `json:"ids"`
		DistinctIDs []string `json:"distinct_ids"`
		Events      bool     `json:"delete_events"`
		Recordings  bool     `json:"delete_recordings"`
		Keep        bool     `json:"keep_person"`
	}
	switch err := json.Unmarshal(body, &b); {
	case err != nil:
		return refuse(400, "validation_error", "parse_error", "JSON parse error")
	case len(b.IDs) > 0 && len(b.DistinctIDs) > 0:
		return refuse(400, "validation_error", "invalid_input", "You must provide either distinct_ids or ids, not both")
	case len(b.IDs) == 0 && len(b.DistinctIDs) == 0:
		return refuse(400, "validation_error", "invalid_input", "You need to specify either distinct_ids or ids")
	case len(b.IDs) > maxIDs || len(b.DistinctIDs) > maxIDs:
		return refuse(400, "validation_error", "invalid_input", "You can only pass 1000 ids in one call")
	}
	now := s.options.Now()
	var found []*person
	for _, p := range s.persons {
		named := slices.Contains(b.IDs, p.uuid) || slices.ContainsFunc(p.distinctIDs, func(id string) bool { return slices.Contains(b.DistinctIDs, id) })
		if named && s.alive(p) {
			found = append(found, p)
		}
	}
	deleted, failed := 0, []any{}
	for _, p := range found {
		switch {
		case b.Keep:
		case p.stays:
			failed = append(failed, map[string]any{"person_uuid": p.uuid})
		default:
			deleted++
			if p.gone.IsZero() {
				p.gone = now
				if s.options.Queues {
					p.gone = now.Add(ProfileDelay)
				}
			}
		}
		// A row that is pending stays as it is, and so does its time.
		if b.Events && !slices.ContainsFunc(s.deletions, func(d Deletion) bool { return d.PersonUUID == p.uuid && d.Pending() }) {
			s.deletions = append(s.deletions, Deletion{PersonUUID: p.uuid, CreatedAt: now})
		}
	}
	said := map[string]any{
		"persons_found":                  len(found),
		"persons_deleted":                deleted,
		"events_queued_for_deletion":     b.Events && len(found) > 0,
		"recordings_queued_for_deletion": b.Recordings && len(found) > 0,
		"deletion_errors":                failed,
	}
	if s.options.Queues {
		said["persons_deleted"], said["persons_queued_for_deletion"] = 0, deleted
	}
	return answer(202, said)
}

func (s *Server) deletionStatus(u *url.URL) reply {
	query := u.Query()
	status := query.Get("status")
	if !slices.Contains([]string{"", "pending", "completed", "all"}, status) {
		return refuse(400, "validation_error", "invalid_choice", "not a valid choice")
	}
	limit, offset := number(query.Get("limit"), pageSize), number(query.Get("offset"), 0)
	rows := []any{}
	for _, d := range slices.Backward(s.deletions) {
		if only := query.Get("person_uuid"); only != "" && only != d.PersonUUID ||
			status == "pending" && !d.Pending() || status == "completed" && d.Pending() {
			continue
		}
		row := map[string]any{"person_uuid": d.PersonUUID, "created_at": stamp(d.CreatedAt), "status": "pending", "delete_verified_at": nil}
		if !d.Pending() {
			row["status"], row["delete_verified_at"] = "completed", stamp(d.VerifiedAt)
		}
		rows = append(rows, row)
	}
	page := rows[min(offset, len(rows)):min(offset+limit, len(rows))]
	said := map[string]any{"count": len(rows), "next": nil, "previous": nil, "results": page}
	if offset+limit < len(rows) {
		query.Set("offset", strconv.Itoa(offset+limit))
		said["next"] = "https://posthog.test" + u.Path + "?" + query.Encode()
	}
	return answer(200, said)
}

// number reads a bound of a listing.
func number(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxIDs {
		return otherwise
	}
	return n
}

// stamp writes a time as Django does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// asking are the two queries that are understood, with a placeholder for the distinct ID.
var asking = regexp.MustCompile(`(?i)^\s*select\s+(count\(\)|max\(created_at\))\s+from\s+events\s+where\s+distinct_id\s*=\s*\{(\w+)\}\s*$`)

func (s *Server) query(body []byte) reply {
	var b struct {
		Query struct {
			Kind   string         `json:"kind"`
			Query  string         `json:"query"`
			Values map[string]any `json:"values"`
		} `json:"query"`
		Refresh string `json:"refresh"`
	}
	if json.Unmarshal(body, &b) != nil || b.Query.Kind != "HogQLQuery" {
		return refuse(400, "validation_error", "invalid_input", "not a query")
	}
	placeholder := asking.FindStringSubmatch(b.Query.Query)
	if placeholder == nil {
		return refuse(400, "validation_error", "invalid_input", "not a query that this stand-in knows")
	}
	id, ok := b.Query.Values[placeholder[2]].(string)
	if !ok {
		return refuse(400, "validation_error", "invalid_input", "Unresolved placeholder")
	}
	if placeholder[1] != "count()" {
		var last time.Time // of no event it is 1970, as ClickHouse has it
		for _, e := range s.eventsOf(id) {
			if e.InsertedAt.After(last) {
				last = e.InsertedAt
			}
		}
		return answer(200, map[string]any{"results": [][]string{{stamp(last)}}, "columns": []string{"max(created_at)"}, "is_cached": false})
	}
	// Without force_blocking, what was counted last is said once more.
	n, cached := s.cached[id]
	if cached = cached && b.Refresh != "force_blocking"; !cached {
		n = len(s.eventsOf(id))
		s.cached[id] = n
	}
	return answer(200, map[string]any{"results": [][]int{{n}}, "columns": []string{"count()"}, "is_cached": cached})
}
