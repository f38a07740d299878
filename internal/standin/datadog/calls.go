package datadog

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *Server) handle(e Endpoint, r *http.Request, body []byte) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e == "" {
		return refuse(http.StatusNotFound, "Not found")
	}
	if r.Header.Get("DD-API-KEY") != s.options.APIKey {
		// The intake and the API differ in this.
		if e == Intake {
			return refuse(http.StatusForbidden, "Forbidden")
		}
		return refuse(http.StatusUnauthorized, "Unauthorized")
	}
	permission := map[Endpoint]string{Create: "logs_delete_data", List: "logs_delete_data", Cancel: "logs_delete_data", Aggregate: "logs_read_data"}[e]
	switch {
	case e == Intake:
		return s.takeIn(body)
	case r.Header.Get("DD-APPLICATION-KEY") != s.options.ApplicationKey,
		!slices.Contains(s.options.Permissions, permission),
		s.options.SwitchedOff && e != Aggregate:
		return refuse(http.StatusForbidden, "Forbidden")
	case e == Create:
		return s.create(strings.TrimPrefix(r.URL.Path, createPath), body)
	case e == List:
		return s.list(r.URL.Query())
	case e == Cancel:
		return s.cancel(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, requestsPath+"/"), "/cancel"))
	default:
		return s.aggregate(body)
	}
}

// takeIn stores logs. What it drops for its date, it drops in silence.
func (s *Server) takeIn(body []byte) reply {
	if len(body) > maxPayload {
		return refuse(http.StatusRequestEntityTooLarge, "Payload Too Large")
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) != nil {
		list = []json.RawMessage{body} // one log may come alone
	}
	if len(list) > maxLogs {
		return refuse(http.StatusRequestEntityTooLarge, "Payload Too Large")
	}
	var logs []Log
	now := s.now()
	for _, raw := range list {
		var log struct {
			Message, Service, Hostname, Host string
			Timestamp, Date                  json.Number
		}
		if err := json.Unmarshal(raw, &log); err != nil {
			return refuse(http.StatusBadRequest, "Bad Request")
		}
		l := Log{Host: cmp.Or(log.Hostname, log.Host), Service: log.Service, Message: log.Message, Date: now, Received: now, Raw: raw}
		if ms, err := cmp.Or(log.Timestamp, log.Date).Int64(); err == nil {
			l.Date = time.UnixMilli(ms).UTC()
		}
		logs = append(logs, l)
	}
	for _, l := range logs {
		if now.Sub(l.Date) > oldest || l.Date.Sub(now) > newest {
			s.dropped++
			continue
		}
		s.logs = append(s.logs, l)
	}
	return reply{status: http.StatusAccepted, body: "{}"}
}

// create makes a request, however many of its kind there are.
func (s *Server) create(product string, body []byte) reply {
	var asked struct {
		Data struct {
			Attributes struct {
				From, To *int64
				Query    map[string]string
			}
		}
	}
	if json.Unmarshal(body, &asked) != nil {
		return refuseAs(http.StatusBadRequest, "", "Invalid Parameter", "the body is not JSON of the expected form")
	}
	a := asked.Data.Attributes
	switch {
	case product != "logs":
		return refuseAs(http.StatusBadRequest, "", "Invalid Parameter", `invalid parameter "product" in "path"`)
	case len(a.Query) == 0, a.From == nil, a.To == nil, *a.From >= *a.To:
		// Recorded for an empty query; for a window the wrong way round nothing is documented.
		return refuseAs(http.StatusPreconditionFailed, "INVALID_BODY", "INVALID_BODY", "INVALID_BODY")
	}
	var terms []string
	for name, value := range a.Query {
		terms = append(terms, name+":"+value)
	}
	slices.Sort(terms)
	if s.options.ServiceFirst {
		slices.Reverse(terms)
	}
	now := s.now()
	r := s.add(Request{Product: product, Query: strings.Join(terms, " "), From: time.UnixMilli(*a.From).UTC(),
		To: time.UnixMilli(*a.To).UTC(), Status: Pending, CreatedAt: now, UpdatedAt: now})
	return answer(http.StatusOK, map[string]any{"data": r.item(), "meta": map[string]any{"product": "logs"}})
}

// item is a request as Datadog writes it, without displayed_total as in older recordings.
func (r *Request) item() map[string]any {
	attributes := map[string]any{
		"created_at": stamp(r.CreatedAt), "created_by": "operator@example.com", "from_time": r.From.UnixMilli(),
		"is_created": !r.StartingAt.IsZero(), "org_id": org, "product": r.Product, "query": r.Query, "starting_at": stamp(r.StartingAt),
		"status": r.Status, "to_time": r.To.UnixMilli(), "total_unrestricted": r.Total, "updated_at": stamp(r.UpdatedAt),
	}
	if r.ErrorCategory != "" {
		attributes["error_category"] = r.ErrorCategory
	}
	if r.CustomerMessage != "" {
		attributes["customer_message"] = r.CustomerMessage
	}
	return map[string]any{"id": strconv.FormatInt(r.ID, 10), "type": "deletion_request", "attributes": attributes}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// page is what a recorded next_page holds, in base64.
type page struct {
	Products      []string
	Query, Status string
	PageSize      int
	LastItemID    int64 `json:"LastItemId"`
}

func (s *Server) list(q url.Values) reply {
	p := page{Query: q.Get("query"), Status: q.Get("status"), PageSize: s.options.PageSize}
	if product := q.Get("product"); product != "" {
		p.Products = []string{product}
	}
	if size := q.Get("page_size"); size != "" {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return refuseAs(http.StatusBadRequest, "", "Invalid Parameter", `invalid parameter "page_size" in "query"; expected type "int"`)
		}
		p.PageSize = n
	}
	if next := q.Get("next_page"); next != "" {
		// The rest of the query elements are ignored.
		text, err := base64.RawStdEncoding.DecodeString(next)
		if err != nil || json.Unmarshal(text, &p) != nil {
			return refuseAs(http.StatusBadRequest, "", "Invalid Parameter", `invalid parameter "next_page" in "query"`)
		}
	}
	items := []any{}
	statuses, products := map[string]int{}, map[string]int{}
	meta := map[string]any{"count_status": statuses, "count_product": products}
	for _, r := range slices.Backward(s.requests) {
		statuses[r.Status]++
		products[r.Product]++
		switch {
		case p.LastItemID != 0 && r.ID >= p.LastItemID,
			len(p.Products) > 0 && !slices.Contains(p.Products, r.Product),
			p.Query != "" && p.Query != r.Query, // how it compares is not documented
			p.Status != "" && p.Status != r.Status,
			meta["next_page"] != nil:
		case len(items) == p.PageSize:
			text, _ := json.Marshal(p) // of strings and numbers
			meta["next_page"] = base64.RawStdEncoding.EncodeToString(text)
		default:
			items = append(items, r.item())
			if len(items) == p.PageSize {
				p.LastItemID = r.ID
			}
		}
	}
	return answer(http.StatusOK, map[string]any{"data": items, "meta": meta})
}

func (s *Server) cancel(id string) reply {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return refuseAs(http.StatusBadRequest, "", "Invalid Parameter", `invalid parameter "id" in "path"; expected type "int"`)
	}
	r := s.request(n)
	if r == nil {
		return refuseAs(http.StatusPreconditionFailed, "INVALID_ID", "INVALID_ID", "INVALID_ID")
	}
	switch r.Status {
	case Cancelled:
	case Pending:
		r.Status, r.UpdatedAt = Cancelled, s.now()
	default:
		// What Datadog says when it is too late is not documented.
		return refuseAs(http.StatusPreconditionFailed, "INVALID_STATUS", "INVALID_STATUS", "INVALID_STATUS")
	}
	return answer(http.StatusOK, map[string]any{"data": r.item(), "meta": map[string]any{"product": r.Product, "request_status": Cancelled}})
}

// aggregate counts logs. It knows the one kind of question that has one number for an
// answer.
func (s *Server) aggregate(body []byte) reply {
	var asked struct {
		Compute []struct{ Aggregation, Type string }
		Filter  struct {
			Query, From, To string
			Tier            string `json:"storage_tier"`
		}
	}
	if json.Unmarshal(body, &asked) != nil || len(asked.Compute) != 1 || asked.Compute[0].Aggregation != "count" ||
		cmp.Or(asked.Compute[0].Type, "total") != "total" {
		return refuse(http.StatusBadRequest, "Bad Request")
	}
	f := asked.Filter
	from, errFrom := s.moment(f.From)
	to, errTo := s.moment(f.To)
	tier := cmp.Or(f.Tier, "indexes")
	if errFrom != nil || errTo != nil || !slices.Contains([]string{"indexes", "flex", "online-archives"}, tier) {
		return refuse(http.StatusBadRequest, "Bad Request")
	}
	buckets := []any{}
	if n := s.count(cmp.Or(f.Query, "*"), from, to, tier); n > 0 {
		buckets = append(buckets, map[string]any{"by": map[string]any{}, "computes": map[string]any{"c0": n}})
	}
	return answer(http.StatusOK, map[string]any{
		"meta": map[string]any{"elapsed": 3, "request_id": fmt.Sprintf("standin-%d", len(s.calls)), "status": "done"},
		"data": map[string]any{"buckets": buckets},
	})
}

// moment reads a time as searches write it, of which the stand-in knows two forms.
func (s *Server) moment(text string) (time.Time, error) {
	if text == "now" {
		return s.now(), nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms), err
}
