// Package segment stands in for Segment where the real one cannot be asked: in the tests of what
// deletes and in tests of whole programs. It keeps messages in memory and plays the part of the
// Public API by which an operator has them deleted:
//
//	POST /v1/batch           messages come in
//	POST /regulations        ask for a deletion
//	GET  /regulations/:id    how far it is
//
// What is particular about Segment is particular here: it deletes by userId and passes over what
// has an anonymousId alone; asking twice makes two regulations; one may be about many people.
// What was asked for is done by [Server.Run] alone.
//
// # Sources
//
//	docs.segmentapis.com/tag/Deletion-and-Suppression          calls, statuses
//	segmentio/public-api-sdk-go, api/model_regulation.go and others   bodies
package segment

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Token is the one that is taken.
const Token = "sgp_5tand1n70k3n"

// Statuses of a regulation.
const (
	Initialized    = "INITIALIZED"
	Running        = "RUNNING"
	Finished       = "FINISHED"
	Failed         = "FAILED"
	Invalid        = "INVALID"
	NotSupported   = "NOT_SUPPORTED"
	PartialSuccess = "PARTIAL_SUCCESS"
)

// Message is one that Segment holds.
type Message struct{ UserID, AnonymousID string }

// Regulation is a request of an operator's.
type Regulation struct {
	ID, Type, Status string
	UserIDs          []string
	CreatedAt        time.Time
}

// Server is a Segment. Its methods may be called while it serves.
type Server struct {
	mu          sync.Mutex
	messages    []Message
	regulations []*Regulation
	suppressed  []string
	calls       int
	// answer replaces the next answers, for a test of one that is not true.
	answer func(r *http.Request) (status int, header http.Header, body string)
}

// New makes one that holds nothing.
func New() *Server { return &Server{} }

// Store takes messages in, unless their user is suppressed.
func (s *Server) Store(messages ...Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(messages)
}

func (s *Server) store(messages []Message) {
	for _, m := range messages {
		if m.UserID == "" || !slices.Contains(s.suppressed, m.UserID) {
			s.messages = append(s.messages, m)
		}
	}
}

// Messages are those that are there.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Regulations are those that were asked for, the oldest first.
func (s *Server) Regulations() (list []Regulation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.regulations {
		list = append(list, *r)
	}
	return list
}

// Calls is how many calls were made.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Answers has all calls answered so, until nil.
func (s *Server) Answers(answer func(r *http.Request) (status int, header http.Header, body string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// Set gives a regulation a status.
func (s *Server) Set(id, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.find(id); r != nil {
		r.Status = status
	}
}

// Run takes each regulation a step further.
func (s *Server) Run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.regulations {
		switch r.Status {
		case Initialized:
			r.Status = Running
		case Running:
			s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return m.UserID != "" && slices.Contains(r.UserIDs, m.UserID) })
			r.Status = Finished
		}
	}
}

func (s *Server) find(id string) *Regulation {
	for _, r := range s.regulations {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// maxBody bounds a request, so that a test that went wild does not take all memory.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		http.Error(w, `{"errors":[{"type":"unreadable"}]}`, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	w.Header().Set("Content-Type", "application/json")
	if s.answer != nil {
		status, header, text := s.answer(r)
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return
	}
	status, said := s.handle(r, body)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(said)
}

// read returns the body, unpacked.
func read(r *http.Request) ([]byte, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = unpacked
	}
	return io.ReadAll(io.LimitReader(body, maxBody))
}

func refuse(kind, message string) map[string]any {
	return map[string]any{"errors": []any{map[string]string{"type": kind, "message": message}}}
}

func (s *Server) handle(r *http.Request, body []byte) (int, map[string]any) {
	id, one := strings.CutPrefix(r.URL.Path, "/regulations/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/batch": // under whichever key
		var batch struct{ Batch []Message }
		if json.Unmarshal(body, &batch) != nil {
			return http.StatusBadRequest, refuse("invalid", "not a batch")
		}
		s.store(batch.Batch)
		return http.StatusOK, map[string]any{"success": true}
	case r.Header.Get("Authorization") != "Bearer "+Token:
		return http.StatusUnauthorized, refuse("unauthorized", "the token is not known")
	case r.Method == http.MethodPost && r.URL.Path == "/regulations":
		return s.create(body)
	case r.Method == http.MethodGet && one:
		g := s.find(id)
		if g == nil {
			return http.StatusNotFound, refuse("not-found", "resource not found")
		}
		return http.StatusOK, map[string]any{"data": map[string]any{"regulation": map[string]any{
			"id": g.ID, "workspaceId": "9aQ1Lj62S4bomZKLF4DPqW", "overallStatus": g.Status, "createdAt": g.CreatedAt.UTC().Format(time.RFC3339), "streamStatus": []any{},
		}}}
	}
	return http.StatusNotFound, refuse("not-found", "resource not found")
}

// create makes a regulation, however many of its kind there are.
func (s *Server) create(body []byte) (int, map[string]any) {
	var asked struct {
		Type    string   `json:"regulationType"`
		Subject string   `json:"subjectType"`
		IDs     []string `json:"subjectIds"`
	}
	const most = 5000
	if json.Unmarshal(body, &asked) != nil || asked.Subject != "USER_ID" || len(asked.IDs) == 0 || len(asked.IDs) > most ||
		asked.Type != "SUPPRESS_WITH_DELETE" && asked.Type != "DELETE_ONLY" {
		return http.StatusUnprocessableEntity, refuse("validation", "validation failure")
	}
	g := &Regulation{ID: fmt.Sprintf("1qJkfE1tpwvQcklImGksLN%05d", len(s.regulations)+1), Type: asked.Type, Status: Initialized, UserIDs: asked.IDs, CreatedAt: time.Now()}
	s.regulations = append(s.regulations, g)
	if asked.Type == "SUPPRESS_WITH_DELETE" {
		s.suppressed = append(s.suppressed, asked.IDs...)
	}
	return http.StatusOK, map[string]any{"data": map[string]string{"regulateId": g.ID}}
}
