package page

import (
	"net/url"
	"testing"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Whatever a browser asks for, it is a search of a line and a page that there is, and the link to
// it asks for the same.
func FuzzReadQuery(f *testing.F) {
	for _, raw := range []string{"", "q=count&sent=2&waiting=3", "sent=-1&waiting=99999999999999999999", "q=%00%1b%5b31m", "q=%zz&sent=2", "sent=9223372036854775807"} {
		f.Add(raw, 45)
	}
	f.Fuzz(func(t *testing.T, raw string, total int) {
		var q query
		// net/url makes a map of it, and an entry of two bytes has a slice of its own.
		fuzzing.Allocs(t, len(raw), 4<<10, 128, func() { q = readQuery(raw) })
		if len(q.search) > maxSearch || plaintext.Clean(q.search) != q.search || q.sent < 1 || q.waiting < 1 {
			t.Errorf("%q is %+v", raw, q)
		}
		link, err := url.Parse(q.link("sent"))
		if err != nil {
			t.Fatalf("%q is linked as what is no address: %v", raw, err)
		}
		if again := readQuery(link.RawQuery); again != q {
			t.Errorf("%q is %+v, and its link %+v", raw, q, again)
		}
		total = max(0, total%1e6)
		if p := paged(total, 20, q.sent); p.from < 0 || p.from > p.to || p.to > total || p.page < 1 || p.page > p.pages {
			t.Errorf("page %d of %d is %+v", q.sent, total, p)
		}
	})
}
