// Package amplitude stands in for Amplitude where the real one cannot be asked: in the tests of
// what deletes and in tests of whole programs. It keeps users in memory and plays the part of the
// APIs by which an operator has them deleted:
//
//	POST   /batch                                events come in
//	GET    /api/2/usersearch                     who has a device
//	GET    /api/2/useractivity                   what is known of a user
//	POST   /api/2/deletions/users                ask for deletions
//	GET    /api/2/deletions/users                the batches
//	DELETE /api/2/deletions/users/:id/:day       think better of one
//
// What is particular about Amplitude is particular here: it deletes by its own numbers; what is
// asked for waits in a batch of its day, which cannot be changed in its last three days; what
// comes in after a batch makes a new user; a search finds the beginnings of user_ids too. A batch
// is taken further by [Server.Run] alone, one step a call, once its day has come.
//
// Time is the caller's: nothing here waits, and the clock is moved by [Server.Advance].
//
// # Sources
//
//	amplitude.com/docs/apis/analytics/user-privacy     calls, batches, bodies
//	amplitude.com/docs/apis/analytics/dashboard-rest   search and look-up
package amplitude

import (
	"compress/gzip"
	"encoding/json"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The keys that are taken.
const (
	APIKey    = "5tand1n0ap1key0000000000000000aa"
	SecretKey = "5tand1n0secretkey0000000000000bb"
)

// Statuses of a batch.
const (
	Staging   = "staging"
	Submitted = "submitted"
	Done      = "done"
)

const (
	// ahead is how many days after its first request a batch runs, frozen how many before that
	// it cannot be changed any more.
	ahead, frozen = 13, 3
	// most is how many users go into one request.
	most = 100
	// maxBody bounds a request, so that a test that went wild does not take all memory.
	maxBody = 1 << 20
)

// User is one of Amplitude's.
type User struct {
	ID      int64
	UserID  string
	Devices []string
	Events  int
}

// Batch is a deletion job.
type Batch struct {
	Day, Status string
	IDs         []int64
}

// Server is a project at Amplitude. Its methods may be called while it serves.
type Server struct {
	mu      sync.Mutex
	now     func() time.Time
	shift   time.Duration
	users   []*User
	batches []*Batch
	born    int64
	calls   map[string]int
	// answer replaces the answers to calls whose path ends so.
	answer map[string]func(r *http.Request) (int, string)
}

// New makes one that has nobody, with a clock, time.Now if nil.
func New(now func() time.Time) *Server {
	if now == nil {
		now = time.Now
	}
	return &Server{now: now, calls: map[string]int{}, answer: map[string]func(*http.Request) (int, string){}}
}

// IDOf is the number of the first user that has a device.
func IDOf(device string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(device))
	return 356_000_000_000 + int64(h.Sum32())
}

// Store takes an event of a device in.
func (s *Server) Store(device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(device)
}

func (s *Server) store(device string) {
	for _, u := range s.users {
		if slices.Contains(u.Devices, device) {
			u.Events++
			return
		}
	}
	s.users = append(s.users, &User{ID: IDOf(device) + s.born, Devices: []string{device}, Events: 1})
}

// Identify makes the user of a device one with a user_id and more devices.
func (s *Server) Identify(device, userID string, more ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if slices.Contains(u.Devices, device) {
			u.UserID, u.Devices = userID, append(u.Devices, more...)
		}
	}
}

// Users are those that are there.
func (s *Server) Users() (list []User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		list = append(list, *u)
	}
	return list
}

// Batches are all of them, the oldest first.
func (s *Server) Batches() (list []Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		list = append(list, *b)
	}
	return list
}

// Put adds a batch as it is.
func (s *Server) Put(b Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, &b)
}

// Count is how many calls were made of a method and a path, such as "GET usersearch", and of all
// for "".
func (s *Server) Count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call != "" {
		return s.calls[call]
	}
	n := 0
	for _, calls := range s.calls {
		n += calls
	}
	return n
}

// Answers has calls of a method and a path answered so, until nil.
func (s *Server) Answers(call string, answer func(r *http.Request) (status int, body string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer[call] = answer
}

// Advance moves the clock.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shift += d
}

// Now is the time there.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time()
}

func (s *Server) time() time.Time { return s.now().Add(s.shift).UTC() }

// Run takes each batch a step further whose time has come.
func (s *Server) Run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		day, err := time.Parse(time.DateOnly, b.Day)
		if err != nil {
			continue
		}
		switch {
		case b.Status == Staging && !s.time().Before(day.AddDate(0, 0, -frozen)):
			b.Status = Submitted
		case b.Status == Submitted && !s.time().Before(day):
			s.users = slices.DeleteFunc(s.users, func(u *User) bool { return slices.Contains(b.IDs, u.ID) })
			s.born++ // whoever comes in now is a new user
			b.Status = Done
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		http.Error(w, `{"error":{"message":"the body cannot be read"}}`, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/api/2/")
	call := r.Method + " " + path
	if r.Method == http.MethodDelete {
		call = "DELETE deletions/users"
	}
	s.calls[call]++
	w.Header().Set("Content-Type", "application/json")
	if answer := s.answer[call]; answer != nil {
		status, text := answer(r)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return
	}
	status, said := s.handle(call, path, r, body)
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

func refuse(message string) map[string]any {
	return map[string]any{"error": map[string]string{"message": message}}
}

// takeIn stores events, under whichever key.
func (s *Server) takeIn(body []byte) (int, any) {
	var batch struct {
		Events []struct {
			Device string `json:"device_id"`
		} `json:"events"`
	}
	if json.Unmarshal(body, &batch) != nil {
		return http.StatusBadRequest, refuse("invalid request")
	}
	for _, e := range batch.Events {
		s.store(e.Device)
	}
	return http.StatusOK, map[string]any{"code": http.StatusOK, "events_ingested": len(batch.Events)}
}

func (s *Server) handle(call, path string, r *http.Request, body []byte) (int, any) {
	if call == "POST /batch" {
		return s.takeIn(body)
	}
	if key, secret, ok := r.BasicAuth(); !ok || key != APIKey || secret != SecretKey {
		return http.StatusUnauthorized, refuse("invalid keys")
	}
	switch call {
	case "GET usersearch":
		matches := []any{}
		for _, u := range s.users {
			if asked := r.URL.Query().Get("user"); slices.Contains(u.Devices, asked) || u.UserID != "" && strings.HasPrefix(u.UserID, asked) {
				matches = append(matches, map[string]any{"amplitude_id": u.ID, "user_id": orNull(u.UserID)})
			}
		}
		return http.StatusOK, map[string]any{"matches": matches, "type": "match_user_or_device_id"}
	case "GET useractivity":
		id, _ := strconv.ParseInt(r.URL.Query().Get("user"), 10, 64)
		for _, u := range s.users {
			if u.ID == id {
				return http.StatusOK, map[string]any{"events": []any{}, "userData": map[string]any{
					"canonical_amplitude_id": u.ID, "user_id": orNull(u.UserID), "num_events": u.Events, "device_ids": u.Devices,
				}}
			}
		}
		return http.StatusBadRequest, refuse("no such user")
	case "POST deletions/users":
		return s.create(body)
	case "GET deletions/users":
		from, to := r.URL.Query().Get("start_day"), r.URL.Query().Get("end_day")
		list := []any{}
		for _, b := range s.batches {
			if b.Day >= from && b.Day <= to {
				list = append(list, b.json())
			}
		}
		return http.StatusOK, list
	case "DELETE deletions/users":
		words := strings.Split(path, "/")
		if len(words) != 4 {
			return http.StatusNotFound, refuse("no such call")
		}
		id, _ := strconv.ParseInt(words[2], 10, 64)
		for _, b := range s.batches {
			switch {
			case b.Day != words[3] || !slices.Contains(b.IDs, id):
			case b.Status != Staging:
				return http.StatusBadRequest, refuse("the job cannot be modified")
			default:
				b.IDs = slices.DeleteFunc(b.IDs, func(other int64) bool { return other == id })
				return http.StatusOK, b.json()
			}
		}
		return http.StatusNotFound, refuse("no such job")
	}
	return http.StatusNotFound, refuse("no such call")
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (b *Batch) json() map[string]any {
	ids := []any{}
	for _, id := range b.IDs {
		ids = append(ids, map[string]any{"amplitude_id": id, "requested_on_day": b.Day, "requester": "telemetry-relay"})
	}
	return map[string]any{"day": b.Day, "status": b.Status, "amplitude_ids": ids}
}

// create puts users into the batch that takes some, or makes one.
func (s *Server) create(body []byte) (int, any) {
	var asked struct {
		IDs    []int64 `json:"amplitude_ids"`
		Ignore string  `json:"ignore_invalid_id"`
	}
	if json.Unmarshal(body, &asked) != nil || len(asked.IDs) == 0 || len(asked.IDs) > most {
		return http.StatusBadRequest, refuse("invalid request")
	}
	var known []int64
	for _, id := range asked.IDs {
		if slices.ContainsFunc(s.users, func(u *User) bool { return u.ID == id }) {
			known = append(known, id)
		} else if asked.Ignore != "true" {
			return http.StatusBadRequest, refuse("invalid ids")
		}
	}
	i := slices.IndexFunc(s.batches, func(b *Batch) bool { return b.Status == Staging })
	if i < 0 {
		i = len(s.batches)
		s.batches = append(s.batches, &Batch{Day: s.time().AddDate(0, 0, ahead).Format(time.DateOnly), Status: Staging})
	}
	b := s.batches[i]
	for _, id := range known {
		if !slices.Contains(b.IDs, id) {
			b.IDs = append(b.IDs, id)
		}
	}
	said := Batch{Day: b.Day, Status: b.Status, IDs: known}
	return http.StatusOK, said.json()
}
