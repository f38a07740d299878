package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// reports serves the pages of the operator's report, which the tests of that package hold to
// what it writes. They are files to be put anywhere, so nothing here imports what makes them.
func reports(t *testing.T) (base string, names []string) {
	t.Helper()
	folder := filepath.Join("..", "..", "..", "..", "..", "relay", "report", "testdata")
	files, err := filepath.Glob(filepath.Join(folder, "*.html"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".html"))
	}
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(server.Close)
	return server.URL, names
}

func TestAReportIsFitForEverybodyAtEveryWidthInLightAndDark(t *testing.T) {
	source := axe(t)
	base, names := reports(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			ctx := chromium(t)
			for _, s := range append(screens(), screen{1400, "light"}) {
				s.set(t, ctx)
				open(t, ctx, base+"/"+name+".html")
				picture(t, ctx, fmt.Sprintf("report-%s-%d-%s", name, s.width, s.theme))
				do(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d=>d.open=true)`))
				if over := ask[[]string](t, ctx, overflowing); len(over) > 0 {
					t.Errorf("%d px: wider than the window: %.300q", s.width, over)
				}
				do(t, ctx, chromedp.Evaluate[chromedp.Void](source))
				violations := ask[[]violation](t, ctx, `axe.run({resultTypes:["violations"]}).then(r=>r.violations.map(v=>({ID:v.id,Impact:v.impact,Help:v.help,Nodes:v.nodes.slice(0,3).map(n=>({HTML:n.html}))})))`)
				for _, v := range violations {
					t.Errorf("%d px, %s: %s (%s): %s %.300v", s.width, s.theme, v.ID, v.Impact, v.Help, v.Nodes)
				}
				if n := ask[int](t, ctx, `document.querySelectorAll("script,img,iframe,[onload],[onerror],[style]").length`); n != 0 {
					t.Errorf("%d elements come from a text", n)
				}
				// Its own policy lets the style sheet in, and nothing was loaded beside the page.
				if margin := ask[string](t, ctx, `getComputedStyle(document.body).marginTop`); margin != "0px" {
					t.Errorf("the style sheet does not count: the margin is %s", margin)
				}
				if loaded := ask[[]string](t, ctx, `performance.getEntriesByType("resource").map(r=>r.name).filter(n=>!n.startsWith("data:"))`); len(loaded) > 0 {
					t.Errorf("it loads %q", loaded)
				}
			}
		})
	}
}

func TestTheTabKeyReachesEverythingInAReportAndTheFocusIsSeen(t *testing.T) {
	ctx := chromium(t)
	base, _ := reports(t)
	open(t, ctx, base+"/operator.html")
	n := ask[int](t, ctx, numbered)
	if n < 25 {
		t.Fatalf("only %d things can be used", n)
	}
	for i := range n {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		got := ask[struct {
			N    int
			Seen bool
			What string
		}](t, ctx, focused)
		if got.N != i || !got.Seen {
			t.Fatalf("after %d times: %+v", i+1, got)
		}
	}
}

func TestEachChartOfAReportHasItsNumbersInATableAndInACSV(t *testing.T) {
	ctx := chromium(t)
	base, _ := reports(t)
	open(t, ctx, base+"/published.html")
	charts := ask[[]struct {
		ID   string
		Rows int
		File string
		CSV  string
	}](t, ctx, `Promise.all([...document.querySelectorAll("main section")].map(async s=>{const a=s.querySelector("a[download]");
return {ID:s.id,Rows:s.querySelectorAll("tbody tr").length,File:a.download,CSV:atob(a.href.split("base64,")[1])}}))`)
	var names []string
	for _, c := range charts {
		names = append(names, c.ID)
		if lines := strings.Count(c.CSV, "\n"); c.File != c.ID+".csv" || c.Rows == 0 || lines-1 < c.Rows {
			t.Errorf("%s: %d rows in the table, %d lines in %s", c.ID, c.Rows, lines, c.File)
		}
	}
	for _, want := range []string{"active-by-day", "active-by-week", "commands", "failures-by-command", "failures-by-version", "durations", "versions", "systems", "who", "retention"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no chart %s", want)
		}
	}
}

func TestNoNumberOfAReportIsBeyondTheEdgeOfAPhone(t *testing.T) {
	base, _ := reports(t)
	ctx := chromium(t)
	for _, width := range []int64{320, 360, 400, 560} {
		screen{width, "light"}.set(t, ctx)
		open(t, ctx, base+"/operator.html")
		// The table of those who come back has a column a week and that of durations a drawing: people
		// scroll in them.
		beyond := ask[[]string](t, ctx, `[...document.querySelectorAll("section .scroll")].filter(s=>!s.closest("details")&&!s.closest(".heat,.histograms")&&s.scrollWidth>s.clientWidth)
			.map(s=>s.closest("section").querySelector("h2").textContent+": "+(s.scrollWidth-s.clientWidth))`)
		if len(beyond) > 0 {
			t.Errorf("%d px: %q", width, beyond)
		}
		if broken := ask[[]string](t, ctx, brokenWords); len(broken) > 0 {
			t.Errorf("%d px: broken in the middle: %q", width, broken)
		}
	}
}

// brokenWords are names in the first columns of tables that stand on two lines.
const brokenWords = `(()=>{const broken=[];
for(const cell of document.querySelectorAll("section tbody th")){
const walk=document.createTreeWalker(cell,NodeFilter.SHOW_TEXT);
for(let n;n=walk.nextNode();)for(const m of n.data.matchAll(/[\w.]+/g)){
const r=document.createRange();r.setStart(n,m.index);r.setEnd(n,m.index+m[0].length);
if(new Set([...r.getClientRects()].map(b=>b.top)).size>1)broken.push(m[0])}}
return broken})()`
