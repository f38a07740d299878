//go:build !notelemetry

package datadog

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/internal/vendorhttp"
)

// entry is a request in Datadog's list.
type entry struct {
	id int64
	// subject is zero where the search is not one that is made here.
	subject          subject
	from, to         time.Time
	created, starts  time.Time
	status, category string
}

// stage is what a status comes to. Datadog calls it a string and lists no values.
type stage int

const (
	unknown stage = iota
	waiting
	running
	completed
	undone
	failed
)

// stages are the words that Datadog recorded (pending, canceled), those of its pages, and
// what else means the same.
var stages = map[string]stage{
	"pending": waiting, "upcoming": waiting, "scheduled": waiting, "queued": waiting, "created": waiting,
	"in progress": running, "inprogress": running, "running": running, "started": running, "processing": running, "deleting": running,
	"completed": completed, "complete": completed, "done": completed, "finished": completed, "succeeded": completed, "success": completed, "deleted": completed,
	"canceled": undone, "cancelled": undone,
	"failed": failed, "failure": failed, "error": failed, "rejected": failed, "aborted": failed,
}

func (e entry) stage() stage {
	return stages[strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(strings.TrimSpace(e.status)))]
}

// mayPass reports whether a failure sounds like Datadog's own. The categories are not
// documented; with any other one a person has to look.
func (e entry) mayPass() bool {
	return passing.MatchString(e.category)
}

var passing = regexp.MustCompile(`(?i)internal|time.?out|temporar|transient|unavailable|system`)

// before reports whether a request is known to have been made before a time.
func (e entry) before(t time.Time) bool { return !e.created.IsZero() && e.created.Before(t) }

// cancelUntil is when the deletion starts, which Datadog sets some minutes after it took
// the request; until then, what is documented. It is zero if nothing is known.
func (e entry) cancelUntil() time.Time {
	switch {
	case e.starts.After(e.created):
		return e.starts
	case e.created.IsZero():
		return time.Time{}
	}
	return e.created.Add(cancelWindow)
}

// text is a string or a number. Anything else is empty: one odd field must not hide a
// request.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	var n json.Number
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case json.Unmarshal(b, &n) == nil:
		*t = text(n)
	default:
		*t = ""
	}
	return nil
}

func (t text) time() time.Time {
	at, err := time.Parse(time.RFC3339Nano, string(t))
	if err != nil || at.Year() > 9000 { // of which ten days on could be no JSON any more
		return time.Time{}
	}
	return at.UTC()
}

func (t text) millis() time.Time {
	ms, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil || ms < 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

var idPattern = regexp.MustCompile(`\A[1-9][0-9]{0,18}\z`)

// readID reads the number of a request in its only form.
func readID(s string) (int64, bool) {
	if !idPattern.MatchString(s) {
		return 0, false
	}
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil
}

// readEntry reads a request, by as little as names it. It is false for one without a number
// or of another product.
func readEntry(raw json.RawMessage) (entry, bool) {
	var item struct {
		ID         text
		Attributes struct {
			Query, Status, Product text
			From                   text `json:"from_time"`
			To                     text `json:"to_time"`
			Created                text `json:"created_at"`
			Starting               text `json:"starting_at"`
			Category               text `json:"error_category"`
		}
	}
	if json.Unmarshal(raw, &item) != nil {
		return entry{}, false
	}
	a := item.Attributes
	id, ok := readID(string(item.ID))
	if !ok || a.Product != "" && a.Product != "logs" {
		return entry{}, false
	}
	return entry{
		id: id, subject: readQuery(string(a.Query)), from: a.From.millis(), to: a.To.millis(),
		created: a.Created.time(), starts: a.Starting.time(), status: string(a.Status), category: string(a.Category),
	}, true
}

// readQuery reads a search of exactly one host and one service, in any order. Any other
// search is no person's.
func readQuery(query string) subject {
	var s subject
	for _, term := range strings.Fields(query) {
		name, value, _ := strings.Cut(term, ":")
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		switch {
		case term == "AND":
		case name == "host" && s.host == "" && (deletion.Request{MachineID: value}).Validate() == nil:
			s.host = value
		case name == "service" && s.service == "" && servicePattern.MatchString(value):
			s.service = value
		default:
			return subject{}
		}
	}
	if s.host == "" || s.service == "" {
		return subject{}
	}
	return s
}

// readOne reads an answer about one request. One that lists errors is none.
func readOne(a vendorhttp.Answer) (entry, bool) {
	var said struct {
		Data   json.RawMessage
		Errors []json.RawMessage
	}
	if !a.Decode(&said) || len(said.Errors) > 0 {
		return entry{}, false
	}
	return readEntry(said.Data)
}

// page is a piece of the list.
type page struct {
	entries []entry
	// next is how to ask for the next one, empty if this is the last.
	next string
}

// maxNext bounds it: what Datadog recorded has 102 bytes, and it becomes part of a URL.
const maxNext = 4 << 10

// readPage reads a piece of the list. It is false where there is no list, or one of which
// nothing can be read: taking that for an empty one would make a request each time.
func readPage(a vendorhttp.Answer) (page, bool) {
	var said struct {
		Data []json.RawMessage
		Meta struct {
			Next text `json:"next_page"`
		}
		Errors []json.RawMessage
	}
	if !a.Decode(&said) || said.Data == nil || len(said.Errors) > 0 || len(said.Meta.Next) > maxNext {
		return page{}, false
	}
	p := page{next: string(said.Meta.Next)}
	for _, raw := range said.Data {
		if e, ok := readEntry(raw); ok {
			p.entries = append(p.entries, e)
		}
	}
	return p, len(said.Data) == 0 || len(p.entries) > 0
}

// readCount reads a number of logs. It is false where Datadog did not count to the end:
// that nothing is there has to be said in so many words.
func readCount(a vendorhttp.Answer) (int64, bool) {
	var said struct {
		Meta struct {
			Status   string
			Warnings []json.RawMessage
		}
		Data struct {
			Buckets []struct {
				Computes map[string]*float64
			}
		}
		Errors []json.RawMessage
	}
	if !a.Decode(&said) || said.Meta.Status != "done" || len(said.Meta.Warnings) > 0 || len(said.Errors) > 0 ||
		said.Data.Buckets == nil || len(said.Data.Buckets) > 1 {
		return 0, false
	}
	if len(said.Data.Buckets) == 0 {
		return 0, true // recorded where nothing matched
	}
	n := said.Data.Buckets[0].Computes["c0"]
	const most = 1 << 53 // what a JSON number holds exactly
	if n == nil || *n < 0 || *n > most || *n != math.Trunc(*n) {
		return 0, false
	}
	return int64(*n), true
}

// readErrors reads the codes of a refusal, which is a list of sentences, or of objects.
func readErrors(body []byte) (codes []string) {
	var said struct{ Errors []json.RawMessage }
	_ = json.Unmarshal(body, &said) // what is no JSON holds none
	for _, raw := range said.Errors {
		var e struct{ Code text }
		if json.Unmarshal(raw, &e) == nil && e.Code != "" {
			codes = append(codes, string(e.Code))
		}
	}
	return codes
}
