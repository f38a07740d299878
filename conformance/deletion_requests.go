package conformance

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// requestChecks are about what is sent.
func requestChecks(s *DeletionSubject, ts *trials) []Check {
	on := func(do func(*DeletionSubject, *trials, *probe)) func(*probe) { return func(p *probe) { do(s, ts, p) } }
	sends := []need{s.sends}
	return []Check{
		{ID: "deletion/many-in-a-row", Level: Must, needs: sends, do: on(manyInARow),
			Sentence: "One requestor asks for each of many IDs, as often as for one alone, and hands out no other's receipt."},
		{ID: "deletion/many-at-once", Level: Must, needs: sends, do: on(manyAtOnce),
			Sentence: "One requestor that is asked for many IDs at the same time, by as many goroutines, does the same for each of them."},
		{ID: "deletion/requested-at", Level: Must, needs: sends, do: on(requestedAt),
			Sentence: "Where the other side takes the time of the request, that is when the person asked, also in the second attempt, and in UTC: a zone says where they live."},
		{ID: "deletion/erasure-key-where-taken", Level: Must, needs: []need{func(*Subject) string {
			if s.TakesKey == nil {
				return "the subject declares no TakesKey"
			}
			return ""
		}}, do: on(keyWhereTaken),
			Sentence: "The deletion key goes where the other side asks for it, and nowhere else."},
		{ID: "deletion/declared-hosts-only", Level: Must, needs: sends, do: on(hostsOnly),
			Sentence: "Only the endpoint is contacted, or the hosts that the subject names, whatever is answered."},
		{ID: "deletion/plain-text-refused", Level: Must, needs: append(sends, func(*Subject) string {
			if s.Hosts == nil {
				return "the subject declares no Hosts"
			}
			return ""
		}), do: on(plainTextIsRefused),
			Sentence: "Nothing is sent over plain http to another machine: it would show the keys, and who wants to be forgotten."},
		{ID: "deletion/no-cookies", Level: Must, needs: sends, do: on(noCookiesKept),
			Sentence: "What a server sets is not sent back: cookies would connect a person's requests."},
		{ID: "deletion/user-agent-names-no-system", Level: Should, needs: sends, do: on(userAgentIsPlain),
			Sentence: "The user agent names a program, not the machine's system, processor or Go version."},
	}
}

// ids are n machine IDs. Each but the first differs from another one in the last character
// alone, so that whatever cuts or buckets them mixes them up.
func ids(seed uint64, n int) []string {
	list := make([]string, n)
	for i := range list {
		sum := md5.Sum(fmt.Appendf(nil, "%d %d", seed, i/2))
		id := []byte(hex.EncodeToString(sum[:]))
		id[31] = "0123456789abcdef"[i%2]
		list[i] = string(id)
	}
	return list
}

// requestOf is a request for an ID, each at a time and with a key of its own.
func requestOf(id string, n int) deletion.Request {
	req := plannedRequest()
	req.MachineID = id
	key := sha256.Sum256([]byte("the key of " + id))
	req.DeletionKey = hex.EncodeToString(key[:])
	req.RequestedAt = req.RequestedAt.Add(time.Duration(n) * time.Hour)
	return req
}

// asksFor counts the calls that ask for each ID.
func (s *DeletionSubject) asksFor(calls []*call) map[string]int {
	named := map[string]int{}
	for _, c := range calls {
		if id, err := s.Decode(c.Request); err == nil && id != "" {
			named[id]++
		}
	}
	return named
}

// alone finds out how often an ID is asked for by a requestor that is asked for nothing
// else, 0 if the subject's other side does not know that ID.
func (s *DeletionSubject) alone(req deletion.Request) int {
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	requestor, err := s.Open(endpoint, w)
	if err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	if a := survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, req) }); a.err != nil {
		return 0
	}
	return s.asksFor(w.seen())[req.MachineID]
}

const manyIDs = 24

func manyInARow(s *DeletionSubject, _ *trials, p *probe) { s.many(p, 1) }
func manyAtOnce(s *DeletionSubject, _ *trials, p *probe) { s.many(p, manyIDs) }

// many asks one requestor for many IDs, by so many goroutines.
func (s *DeletionSubject) many(p *probe, goroutines int) {
	list := ids(p.seed, manyIDs)
	// What is asked for by a requestor alone, one by one: also of a requestor that keeps
	// something for the whole process, the first ID is asked for.
	usual := s.alone(requestOf(ids(p.seed+1, 1)[0], 0))
	if usual == 0 {
		p.note("the subject's Accept knows one machine ID, so many at once were not tried")
		return
	}
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	requestor, ok := s.open(p, w)
	if !ok {
		return
	}
	got := make([]answered, len(list))
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	next := make(chan int, len(list))
	for i := range list {
		next <- i
	}
	close(next)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range next {
				got[i] = survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, requestOf(list[i], i)) })
			}
		})
	}
	all.Wait()
	named := s.asksFor(w.seen())
	for i, id := range list {
		req := requestOf(id, i)
		switch r := got[i].receipt; {
		case got[i].err != nil:
			p.failOnly("for %s, one of %d: %v", id, len(list), got[i].err)
		case named[id] != usual:
			p.failOnly("%s was asked for %d times, want %d", id, named[id], usual)
		case r.State != s.State:
			p.failOnly("for %s the state is %q, want %q", id, r.State, s.State)
		case r.MachineID != "" && r.MachineID != id, !r.At.IsZero() && !r.At.Equal(req.RequestedAt):
			p.failOnly("the receipt for %s is about %s, asked for at %s", id, r.MachineID, r.At)
		}
		delete(named, id)
	}
	for id, n := range named {
		p.failOnly("%q was asked for %d times, and nobody wanted that", id, n)
	}
	s.mixed(p, list, w.seen())
}

// mixed finds calls that hold something of two people.
func (s *DeletionSubject) mixed(p *probe, list []string, calls []*call) {
	for _, c := range calls {
		held := slices.DeleteFunc(slices.Clone(list), func(id string) bool { return !strings.Contains(string(c.Raw), id) })
		for i, id := range list {
			if key := requestOf(id, i).DeletionKey; strings.Contains(string(c.Raw), key) && !slices.Contains(held, id) {
				held = append(held, id)
			}
		}
		if len(held) > 1 {
			p.report(Finding{Message: fmt.Sprintf("one request is about %q", held), Exchange: c.dump()})
		}
	}
}

func requestedAt(s *DeletionSubject, _ *trials, p *probe) {
	req := plannedRequest()
	req.RequestedAt = time.Date(2026, 2, 3, 1, 35, 6, 0, time.FixedZone("", 5*3600+45*60)) // the day before, in UTC
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	requestor, ok := s.open(p, w)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	for range 2 {
		survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, req) })
	}
	told := 0
	for _, c := range w.seen() {
		var times []time.Time
		if s.RequestedAt != nil {
			at, err := s.RequestedAt(c.Request)
			if err != nil {
				p.report(Finding{Message: "the time of the request cannot be read: " + err.Error(), Exchange: c.dump()})
			} else if !at.IsZero() {
				times = append(times, at)
				if _, offset := at.Zone(); offset != 0 {
					p.report(Finding{Message: fmt.Sprintf("the time %s is not in UTC", at.Format(time.RFC3339)), Exchange: c.dump()})
				}
			}
		} else {
			times = namedTimes(c.Request)
		}
		told += len(times)
		for _, at := range times {
			if at.Sub(req.RequestedAt).Abs() >= time.Second {
				p.report(Finding{Message: fmt.Sprintf("the request says that it was made at %s, want %s", at.UTC().Format(time.RFC3339), req.RequestedAt.UTC().Format(time.RFC3339)), Exchange: c.dump()})
			}
		}
	}
	if s.RequestedAt != nil && told == 0 {
		p.failOnly("no request says when the person asked")
	}
}

// namedTimes returns the times in a request's query, form or JSON that are called as in
// package deletion, and so can mean nothing else.
func namedTimes(r Request) []time.Time {
	var found []time.Time
	add := func(name string, value any) {
		text, isText := value.(string)
		if strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name)) != "requestedat" || !isText {
			return
		}
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			found = append(found, at)
		}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				add(name, value)
				walk(value)
			}
		case []any:
			for _, value := range v {
				walk(value)
			}
		}
	}
	var body any
	if json.Unmarshal(r.Body, &body) == nil {
		walk(body)
	}
	queries := []string{string(r.Body)}
	if u, err := url.Parse(r.URL); err == nil {
		queries = append(queries, u.RawQuery)
	}
	for _, query := range queries {
		if values, err := url.ParseQuery(query); err == nil {
			for name := range values {
				add(name, values.Get(name))
			}
		}
	}
	return found
}

func keyWhereTaken(s *DeletionSubject, ts *trials, p *probe) {
	key := canariesOf("the deletion key", []string{plannedRequest().DeletionKey})
	sent := false
	for _, t := range ts.all(p) {
		for _, c := range t.calls {
			plain, digests := search(c.searchable(), key)
			takes := s.TakesKey(c.Request)
			sent = sent || takes && len(plain) > 0
			if takes {
				if len(plain) == 0 {
					p.report(Finding{Message: t.String() + ": the request has no deletion key, and could be anybody's", Exchange: c.dump()})
				}
				continue
			}
			for _, found := range append(plain, digests...) {
				p.report(Finding{Message: t.String() + ": a request that takes no key holds " + found, Exchange: c.dump()})
			}
		}
		if len(p.found()) > 0 {
			return
		}
	}
}

func (c *call) searchable() []byte { return (&exchange{Request: c.Request}).searchable() }

func hostsOnly(s *DeletionSubject, ts *trials, p *probe) {
	own := strings.TrimPrefix(endpoint, "https://")
	contacted := map[string]*call{}
	for _, t := range ts.all(p) {
		for _, c := range t.calls {
			if u, err := url.Parse(c.URL); err == nil {
				contacted[u.Host] = c
			}
		}
	}
	allowed := []string{own}
	if s.Hosts != nil {
		allowed = s.Hosts(endpoint)
	} else if contacted[own] == nil {
		return // it has hosts of its own, which nobody has named
	}
	for host, c := range contacted {
		if !slices.Contains(allowed, host) && !strings.HasPrefix(elsewhere, "https://"+host) {
			p.report(Finding{Message: fmt.Sprintf("%s was contacted, want no other than %q", host, allowed), Exchange: c.dump()})
		}
	}
}

func plainTextIsRefused(s *DeletionSubject, _ *trials, p *probe) {
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	requestor, err := s.Open("http"+strings.TrimPrefix(endpoint, "https"), w)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	a := survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, plannedRequest()) })
	for _, c := range w.seen() {
		if strings.HasPrefix(c.URL, "http:") {
			p.report(Finding{Message: fmt.Sprintf("a request was made over plain http (the error is %v)", a.err), Exchange: c.dump()})
		}
	}
}

func noCookiesKept(s *DeletionSubject, _ *trials, p *probe) {
	const mark = "c00k1e-0f-the-su1te"
	w := newScript(func(_ int, r Request) reply {
		a := s.acceptance(r)
		a.Header = a.Header.Clone()
		if a.Header == nil {
			a.Header = http.Header{}
		}
		a.Header.Set("Set-Cookie", "id="+mark+"; Path=/")
		a.Header.Set("Etag", `"`+mark+`"`)
		return reply{Answer: a}
	})
	defer w.close()
	requestor, ok := s.open(p, w)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	for range 2 {
		a := survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, plannedRequest()) })
		if f, can := requestor.(deletion.Follower); can && a.err == nil {
			survived(func() (deletion.Receipt, error) { return f.Status(ctx, a.receipt) })
		}
	}
	for _, c := range w.seen() {
		if strings.Contains(string(c.searchable()), mark) {
			p.report(Finding{Message: "a request holds what an earlier answer set", Exchange: c.dump()})
		}
	}
}

func userAgentIsPlain(_ *DeletionSubject, ts *trials, p *probe) {
	words := []string{runtime.GOOS, runtime.GOARCH, runtime.Version()}
	if runtime.GOARCH == "amd64" {
		words = append(words, "x86_64")
	}
	for _, t := range ts.all(p) {
		for _, c := range t.calls {
			agent := c.Header.Get("User-Agent")
			for _, word := range words {
				if regexp.MustCompile(`(?i)(^|[^a-z0-9])` + regexp.QuoteMeta(word) + `($|[^a-z0-9])`).MatchString(agent) {
					p.report(t.finding("the user agent %q says %q", agent, word))
					return
				}
			}
		}
	}
}
