// Package datadog stands in for Datadog where the real one cannot be asked: in the tests
// of what deletes, in tests of whole programs and in demonstrations. It keeps logs in
// memory and plays the part of Datadog's API by which an operator has them deleted:
//
//	POST /api/v2/logs                            logs come in
//	POST /api/v2/deletion/data/logs              ask for a deletion
//	GET  /api/v2/deletion/requests               the requests so far
//	PUT  /api/v2/deletion/requests/:id/cancel    think better of one
//	POST /api/v2/logs/analytics/aggregate        how many logs are there
//
// What is particular about Datadog is particular here: asking twice makes two requests; a
// request waits for ten days in which it can be cancelled; its query is a log search, in
// which a stray OR means everybody; the intake answers 202 to a log that it drops for its
// date; the list forgets the filters of its first page on the second. What has started is
// taken further by [Server.Run] alone, one step a call.
//
// Bodies are written like those that Datadog recorded for its client. Where its
// documentation says nothing, the comments here say so.
//
// Time is the caller's: nothing here waits, and the clock is [Options].Now, moved by
// [Server.Advance].
//
// # Sources
//
//	docs.datadoghq.com/api/latest/data-deletion/ and /api/latest/logs/     calls, statuses
//	docs.datadoghq.com/account_management/delete_data/                     ten days, the switch
//	DataDog/datadog-api-client-go, tests/scenarios/cassettes               recorded bodies
package datadog

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are what a stand-in is made with. The zero value of each field is usable.
type Options struct {
	// APIKey and ApplicationKey are the keys that are taken, those of this package if empty.
	APIKey, ApplicationKey string
	// Permissions are what the application key may do, everything that is needed if nil:
	// "logs_delete_data", "logs_read_data".
	Permissions []string
	// SwitchedOff says that the organisation has not switched on Logs Data Deletion.
	SwitchedOff bool
	// ServiceFirst joins a query as "service:… host:…". Datadog documents no order; what
	// it recorded has the host first.
	ServiceFirst bool
	// PageSize is how long a page of the list is by default, 50 if zero.
	PageSize int
	// Now is the time there, time.Now if nil.
	Now func() time.Time
}

// The keys of a stand-in without any.
const (
	APIKey         = "0123456789abcdef0123456789abcdef"
	ApplicationKey = "0123456789abcdef0123456789abcdef01234567"
)

// What Datadog documents, or has recorded.
const (
	// CancelWindow is how long a request can be cancelled.
	CancelWindow = 10 * 24 * time.Hour
	// oldest and newest are how far a log's date may be from the present.
	oldest, newest = 18 * time.Hour, 2 * time.Hour
	// maxLogs and maxPayload bound what is sent at once.
	maxLogs, maxPayload = 1000, 5_000_000
	pageSize            = 50
	// firstID is the one of a recording.
	firstID = 753
	// org is too.
	org = 321813
	// maxBody bounds a request, so that a test that went wild does not take all memory.
	maxBody = 20 << 20
)

// The statuses of a request that the stand-in sets itself.
const (
	Pending    = "pending"
	InProgress = "in progress"
	Completed  = "completed"
	Cancelled  = "canceled"
)

// Endpoint is one of the calls.
type Endpoint string

// The calls.
const (
	Intake    Endpoint = "intake"
	Create    Endpoint = "create"
	List      Endpoint = "list"
	Cancel    Endpoint = "cancel"
	Aggregate Endpoint = "aggregate"
)

// Fault is what goes wrong with a call.
type Fault struct {
	// Status, Header and Body are answered instead of what is true. The body is said to be
	// JSON unless Header has a Content-Type. With a Content-Length above the body's, the
	// connection is cut in the middle of it.
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
	Path     string
	Query    url.Values
	Header   http.Header
	// Body has been unpacked.
	Body []byte
	// Status is what was answered, 0 where the connection was cut.
	Status int
}

// Log is one that is stored.
type Log struct {
	Host, Service, Message string
	// Date is the official one, by which logs are searched and deleted.
	Date time.Time
	// Received is when it came in.
	Received time.Time
	// Tier is where it is kept: "indexes" (also if empty), "flex" or "online-archives".
	Tier string
	// Raw is the log as it was sent, nil for one of [Server.Store].
	Raw json.RawMessage
}

// Request is a deletion that was asked for.
type Request struct {
	ID int64
	// Product is "logs".
	Product string
	// Query is the search as Datadog joined it.
	Query string
	// From and To are the window of dates.
	From, To time.Time
	// Status is a word of Datadog's, of which not all are documented.
	Status string
	// ErrorCategory and CustomerMessage are what Datadog says of a failure.
	ErrorCategory, CustomerMessage string
	CreatedAt                      time.Time
	// StartingAt is when the deletion starts, zero until Datadog has looked at the request.
	StartingAt time.Time
	UpdatedAt  time.Time
	// Total is how many logs there were when it had.
	Total int
}

// Server is the stand-in. It may be used by several goroutines at once.
type Server struct {
	mu       sync.Mutex
	options  Options
	ahead    time.Duration
	logs     []Log
	dropped  int
	requests []*Request // the oldest first
	lastID   int64
	faults   map[Endpoint]*Fault
	calls    []Call
}

// New makes a stand-in without logs.
func New(o Options) *Server {
	o.APIKey = cmp.Or(o.APIKey, APIKey)
	o.ApplicationKey = cmp.Or(o.ApplicationKey, ApplicationKey)
	o.PageSize = cmp.Or(o.PageSize, pageSize)
	if o.Permissions == nil {
		o.Permissions = []string{"logs_delete_data", "logs_read_data"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{options: o, faults: map[Endpoint]*Fault{}, lastID: firstID - 1}
}

// Change changes what an administrator can: keys, permissions, the switch.
func (s *Server) Change(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

// Now is the time there.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time { return s.options.Now().Add(s.ahead) }

// Advance moves the clock. It starts nothing: see [Server.Run].
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// Run takes each request a step further, if it is time: Datadog has looked at a new one and
// knows when it starts; one whose ten days are over is in progress; one that was is
// completed, and the logs that match are gone, whenever they came in. It returns how many
// logs went.
func (s *Server) Run() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, before := s.now(), len(s.logs)
	for _, r := range s.requests {
		if r.Status == Pending && r.StartingAt.IsZero() {
			r.StartingAt, r.Total, r.UpdatedAt = r.CreatedAt.Add(CancelWindow), s.count(r.Query, r.From, r.To, ""), now
		}
		switch {
		case r.Status == Pending && !r.StartingAt.After(now):
			r.Status = InProgress
		case r.Status == InProgress:
			s.logs = slices.DeleteFunc(s.logs, func(l Log) bool { return l.matches(r.Query, r.From, r.To, "") })
			r.Status = Completed
		default:
			continue
		}
		r.UpdatedAt = now
	}
	return before - len(s.logs)
}

// Store stores logs as they are, whatever their dates. One without a date has the present.
func (s *Server) Store(logs ...Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range logs {
		if l.Received.IsZero() {
			l.Received = s.now()
		}
		if l.Date.IsZero() {
			l.Date = l.Received
		}
		s.logs = append(s.logs, l)
	}
}

// Logs returns all logs, in the order in which they came in.
func (s *Server) Logs() []Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logs)
}

// Stored returns the logs of a host.
func (s *Server) Stored(host string) []Log {
	return slices.DeleteFunc(s.Logs(), func(l Log) bool { return l.Host != host })
}

// Dropped returns how many logs were answered with a 202 and dropped for their date.
func (s *Server) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Requests returns all requests, the oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Request
	for _, r := range s.requests {
		list = append(list, *r)
	}
	return list
}

// AddRequest adds a request as somebody else would have left it, and returns its ID. What
// it leaves out is as in a new one.
func (s *Server) AddRequest(r Request) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Product, r.Status = cmp.Or(r.Product, "logs"), cmp.Or(r.Status, Pending)
	if r.CreatedAt.IsZero() {
		r.CreatedAt = s.now()
	}
	if r.UpdatedAt.IsZero() {
		r.UpdatedAt = r.CreatedAt
	}
	return s.add(r).ID
}

func (s *Server) add(r Request) *Request {
	s.lastID++
	r.ID = s.lastID
	s.requests = append(s.requests, &r)
	return &r
}

// Edit changes a request, as Datadog might. It reports whether there is such a request.
func (s *Server) Edit(id int64, change func(*Request)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.request(id)
	if r != nil {
		change(r)
	}
	return r != nil
}

// Forget removes a request, as Datadog does some time after it is over.
func (s *Server) Forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = slices.DeleteFunc(s.requests, func(r *Request) bool { return r.ID == id })
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

func (s *Server) request(id int64) *Request {
	for _, r := range s.requests {
		if r.ID == id {
			return r
		}
	}
	return nil
}

func (s *Server) count(query string, from, to time.Time, tier string) int {
	n := 0
	for _, l := range s.logs {
		if l.matches(query, from, to, tier) {
			n++
		}
	}
	return n
}

// matches says whether a search finds the log: terms are joined by AND unless OR is between
// them, * stands for anything. An empty tier means all.
func (l Log) matches(query string, from, to time.Time, tier string) bool {
	if l.Date.Before(from) || l.Date.After(to) || tier != "" && tier != cmp.Or(l.Tier, "indexes") {
		return false
	}
	return slices.ContainsFunc(strings.Split(query, " OR "), func(part string) bool {
		for _, term := range strings.Fields(part) {
			if term == "AND" {
				continue
			}
			name, want, isTerm := strings.Cut(term, ":")
			has := map[string]string{"host": l.Host, "service": l.Service}[name]
			if !isTerm {
				want, has = name, l.Message
			}
			prefix, any := strings.CutSuffix(strings.Trim(want, `"`), "*")
			if has != prefix && (!any || !strings.HasPrefix(has, prefix)) {
				return false
			}
		}
		return true
	})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		http.Error(w, `{"errors":["the body cannot be read"]}`, http.StatusBadRequest)
		return
	}
	endpoint := which(r)
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
	s.calls = append(s.calls, Call{Endpoint: endpoint, At: s.now(), Method: r.Method, Path: r.URL.Path,
		Query: r.URL.Query(), Header: r.Header.Clone(), Body: body, Status: said.status})
	s.mu.Unlock()
	if said.status == 0 {
		panic(http.ErrAbortHandler)
	}
	kind := "application/json"
	if endpoint == Create || endpoint == List || endpoint == Cancel {
		kind = "application/vnd.api+json"
	}
	w.Header().Set("Content-Type", kind)
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

const (
	intakePath    = "/api/v2/logs"
	createPath    = "/api/v2/deletion/data/"
	requestsPath  = "/api/v2/deletion/requests"
	aggregatePath = "/api/v2/logs/analytics/aggregate"
)

// which returns the call, "" for none.
func which(r *http.Request) Endpoint {
	path := r.URL.Path
	switch {
	case r.Method == http.MethodPost && path == intakePath:
		return Intake
	case r.Method == http.MethodPost && strings.HasPrefix(path, createPath):
		return Create
	case r.Method == http.MethodGet && path == requestsPath:
		return List
	case r.Method == http.MethodPut && strings.HasPrefix(path, requestsPath+"/") && strings.HasSuffix(path, "/cancel"):
		return Cancel
	case r.Method == http.MethodPost && path == aggregatePath:
		return Aggregate
	}
	return ""
}

// reply is an answer; a zero status cuts the connection.
type reply struct {
	status int
	header http.Header
	body   string
}

func answer(status int, body any) reply {
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("an answer of the stand-in cannot be written: %v", err))
	}
	return reply{status: status, body: string(text)}
}

// refuse is an error as the gateway writes it.
func refuse(status int, text string) reply {
	return answer(status, map[string]any{"errors": []string{text}})
}

// refuseAs is an error as the deletion API writes it.
func refuseAs(status int, code, title, detail string) reply {
	e := map[string]string{"status": fmt.Sprint(status), "title": title, "detail": detail}
	if code != "" {
		e["code"] = code
	}
	return answer(status, map[string]any{"errors": []any{e}})
}
