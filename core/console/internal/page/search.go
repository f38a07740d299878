package page

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// maxSearch is how many bytes of a search are looked for. No person types more.
const maxSearch = 200

// query is what the person asked to see.
type query struct {
	search string
	// sent and waiting are the pages of the two long lists, from 1.
	sent, waiting int
}

// readQuery takes of a request's query what it understands, and the first page for the rest.
func readQuery(raw string) query {
	values, _ := url.ParseQuery(raw) // what it could read
	page := func(name string) int {
		n, err := strconv.Atoi(values.Get(name))
		if err != nil || n < 1 {
			return 1
		}
		return n
	}
	search := strings.TrimSpace(plaintext.Clean(cut(values.Get("q"), maxSearch)))
	return query{search: search, sent: page("sent"), waiting: page("waiting")}
}

// link is the address of another part of the same view.
func (q query) link(section string) string {
	values := url.Values{}
	if q.search != "" {
		values.Set("q", q.search)
	}
	if q.sent > 1 {
		values.Set("sent", strconv.Itoa(q.sent))
	}
	if q.waiting > 1 {
		values.Set("waiting", strconv.Itoa(q.waiting))
	}
	return "?" + values.Encode() + "#" + section
}

// found returns the deliveries that hold what was searched for.
func found(all []Delivery, search string) []Delivery {
	if search == "" {
		return all
	}
	var list []Delivery
	for _, d := range all {
		for _, text := range []string{d.To, d.Status, d.Receipt, moment(d.At), d.Body} {
			if index(text, search) >= 0 {
				list = append(list, d)
				break
			}
		}
	}
	return list
}

// marked writes text with each place marked at which what was searched for stands.
func (m *markup) marked(text, search string) {
	for search != "" {
		at := index(text, search)
		if at < 0 {
			break
		}
		m.escape(plaintext.Clean(text[:at]))
		m.b.WriteString("<mark>")
		m.escape(plaintext.Clean(text[at : at+len(search)]))
		m.b.WriteString("</mark>")
		text = text[at+len(search):]
	}
	m.escape(plaintext.Clean(text))
}

// index is strings.Index with the letters of ASCII alike in both cases. Those of other
// alphabets change their length with their case, and the place has to be that in text.
// Nothing is found of an empty search.
func index(text, search string) int {
	if search == "" {
		return -1
	}
	lower, upper := lowered(search[0]), search[0]
	if 'a' <= lower && lower <= 'z' {
		upper = lower - 'a' + 'A'
	}
	for i := 0; i+len(search) <= len(text); i++ {
		if (text[i] == lower || text[i] == upper) && equalFold(text[i:i+len(search)], search) {
			return i
		}
	}
	return -1
}

func equalFold(a, b string) bool {
	for i := range len(a) {
		if lowered(a[i]) != lowered(b[i]) {
			return false
		}
	}
	return true
}

func lowered(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// pager is one page of a long list.
type pager struct{ page, pages, from, to, total int }

func paged(total, each, page int) pager {
	pages := max(1, (total+each-1)/each)
	page = min(page, pages)
	from := (page - 1) * each
	return pager{page, pages, from, min(from+each, total), total}
}

// pager writes the way to the pages before and after. at returns the view at another page.
func (m *markup) pager(p pager, label, section string, at func(page int) query) {
	if p.pages == 1 {
		return
	}
	m.add(`<nav class="pager" aria-label="{}">`, label)
	m.add(`<span>{}</span>`, m.say("%s to %s of %s", number(p.from+1), number(p.to), number(p.total)))
	if p.page > 1 {
		m.add(`<a href="{}" rel="prev">{}</a>`, at(p.page-1).link(section), m.say("Newer"))
	}
	if p.page < p.pages {
		m.add(`<a href="{}" rel="next">{}</a>`, at(p.page+1).link(section), m.say("Older"))
	}
	m.add(`</nav>`)
}
