//go:build !notelemetry

package report

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/relay/store"
)

// Handler shows the page of what is counted in a database, as it is now: for the operator,
// with groups of one installation, so it belongs behind the address that others do not reach.
// It is mounted at a path and at what is below it:
//
//	admin.Handle("/report", h)
//	admin.Handle("/report/", h)
//
// Below it, NAME.csv is what a chart is drawn from. In the query, tool=NAME chooses one of
// several, weeks=N says how far back it looks, and k=5 shows what could be published.
func Handler(db *store.DB, now func() time.Time) http.Handler {
	if now == nil {
		now = time.Now
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this page is only looked at", http.StatusMethodNotAllowed)
			return
		}
		q, k, err := parseQuery(r.URL.Query(), now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		serve(w, r, db, q, k)
	})
}

func parseQuery(values url.Values, now time.Time) (q Query, k int, err error) {
	q, k = Query{Tool: values.Get("tool"), Now: now}, 1
	for _, number := range []struct {
		name string
		to   *int
		most int
	}{{"weeks", &q.Weeks, MaxWeeks}, {"k", &k, MaxK}} {
		text := values.Get(number.name)
		if text == "" {
			continue
		}
		if *number.to, err = strconv.Atoi(text); err != nil || *number.to < 1 || *number.to > number.most {
			return q, k, errors.New(number.name + " is a number from 1 to " + strconv.Itoa(number.most))
		}
	}
	return q, k, nil
}

// MaxK is the greatest size that a group may be asked to have. Up to twice as many
// installations are counted exactly.
const MaxK = sketchSize / 2

func serve(w http.ResponseWriter, r *http.Request, db *store.DB, q Query, k int) {
	d, err := Read(r.Context(), db, q)
	var many *TooManyError
	if errors.As(err, &many) {
		q.Tool = many.Tools[0]
		d, err = Read(r.Context(), db, q)
	}
	if err != nil && !errors.Is(err, ErrNoTool) {
		http.Error(w, "the counts cannot be read now", http.StatusServiceUnavailable)
		return
	}
	base, name := strings.TrimSuffix(r.URL.Path, "/"), ""
	if path.Ext(base) == ".csv" {
		base, name = path.Dir(base), strings.TrimSuffix(path.Base(base), ".csv")
	}
	link := func(to, tool string, k int) string {
		values := url.Values{"tool": {tool}}
		if q.Weeks > 0 {
			values.Set("weeks", strconv.Itoa(q.Weeks))
		}
		if k > 1 {
			values.Set("k", strconv.Itoa(k))
		}
		return (&url.URL{Path: to, RawQuery: values.Encode()}).String()
	}
	o := PageOptions{K: k, FirstEvent: FirstEvent, CSVLink: func(name string) string { return link(base+"/"+name+".csv", d.Tool, k) }}
	if len(d.Tools) > 1 || !slices.Contains(d.Tools, d.Tool) {
		for _, tool := range d.Tools {
			o.Links = append(o.Links, Link{tool, link(base, tool, k), tool == d.Tool})
		}
	}
	if slices.Contains(d.Tools, d.Tool) {
		if k > 1 {
			o.Links = append(o.Links, Link{"All, for the operator", link(base, d.Tool, 1), false})
		} else {
			o.Links = append(o.Links, Link{"As it can be published", link(base, d.Tool, DefaultK), false})
		}
	}
	page := d.Page(o)
	var b bytes.Buffer
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", policy+"; frame-ancestors 'none'")
	if name != "" {
		c, found := page.Chart(name)
		if !found {
			http.Error(w, "there is no such chart, or nothing in it yet", http.StatusNotFound)
			return
		}
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		h.Set("Content-Disposition", `attachment; filename="`+c.Name+`.csv"`)
		err = c.WriteCSV(&b)
	} else {
		h.Set("Content-Type", "text/html; charset=utf-8")
		err = page.WriteHTML(&b)
	}
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.Bytes()))
}

// FirstEvent is what to type to see a first event.
const FirstEvent = `mytool telemetry enable
mytool anything
mytool telemetry flush`
