package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gotoolbase/telemetry/core/console/internal/page/samples"
)

// violation is what axe finds.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML string }
}

// axe is the checker's source.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(os.Getenv("AXE"))
	if err != nil {
		t.Fatal("AXE does not name axe.min.js: use `make web`, which fetches it")
	}
	return string(source)
}

func TestAxeFindsWhatIsWrong(t *testing.T) {
	ctx := chromium(t)
	do(t, ctx, chromedp.Navigate(`data:text/html,<title>x</title><img src="data:,"><p style="color:%23eee;background:white">pale`),
		chromedp.Evaluate[chromedp.Void](axe(t)))
	found := map[string]bool{}
	for _, v := range ask[[]violation](t, ctx, "axe.run().then(r=>r.violations)") {
		found[v.ID] = true
	}
	if !found["image-alt"] || !found["color-contrast"] || !found["html-has-lang"] {
		t.Errorf("found only %v", found)
	}
}

func TestThePageIsFitForEverybodyAtEveryWidthInLightAndDark(t *testing.T) {
	source := axe(t)
	for name, data := range fixtures {
		t.Run(name, func(t *testing.T) {
			ctx := chromium(t)
			content := data()
			for _, s := range screens() {
				// The checker keeps the tab so busy that the page may count as closed meanwhile.
				address, _ := served(t, content)
				s.set(t, ctx)
				open(t, ctx, address)
				if name == "typical" {
					picture(t, ctx, fmt.Sprintf("%s-%d-%s-closed", name, s.width, s.theme))
				}
				// What is folded is looked at as well, one of each kind.
				do(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d,i)=>{d.open=d.closest("figure")||!d.closest("li")?.previousElementSibling})`))
				picture(t, ctx, fmt.Sprintf("%s-%d-%s", name, s.width, s.theme))
				if over := ask[[]string](t, ctx, overflowing); len(over) > 0 {
					t.Errorf("%d px: wider than the window: %.300q", s.width, over)
				}
				do(t, ctx, chromedp.Evaluate[chromedp.Void](source))
				violations := ask[[]violation](t, ctx, `axe.run({resultTypes:["violations"]}).then(r=>r.violations.map(v=>({ID:v.id,Impact:v.impact,Help:v.help,Nodes:v.nodes.slice(0,3).map(n=>({HTML:n.html}))})))`)
				for _, v := range violations {
					t.Logf("%d px, %s: %s (%s): %s %.300v", s.width, s.theme, v.ID, v.Impact, v.Help, v.Nodes)
					if v.Impact == "serious" || v.Impact == "critical" {
						t.Errorf("%d px, %s: %s", s.width, s.theme, v.ID)
					}
				}
				if title := ask[string](t, ctx, "document.title"); !strings.HasPrefix(title, "Telemetry of ") {
					t.Errorf("the title became %.100q", title)
				}
				if n := ask[int](t, ctx, `document.querySelectorAll("script,img,[onfocus],[onerror],[style]").length`); n != 0 {
					t.Errorf("%d elements come from a text", n)
				}
			}
		})
	}
}

// overflowing names what makes the page wider than the window.
const overflowing = `(()=>{const w=document.documentElement.clientWidth;
if(document.documentElement.scrollWidth<=w&&document.body.scrollWidth<=w)return [];
return ["page "+document.documentElement.scrollWidth].concat([...document.querySelectorAll("body *")].filter(e=>e.getBoundingClientRect().right>w+1&&!e.closest(".scroll,pre,.skip")).slice(0,5).map(e=>e.tagName+"."+e.className))})()`

func TestNamesInTheTableOfFieldsAreWhole(t *testing.T) {
	ctx := chromium(t)
	for _, width := range []int64{360, 768, 1600} {
		address, _ := served(t, samples.Typical())
		screen{width, "light"}.set(t, ctx)
		open(t, ctx, address)
		if broken := ask[[]string](t, ctx, brokenNames); len(broken) > 0 {
			t.Errorf("%d px: broken in the middle: %q", width, broken)
		}
		if cut := ask[[]string](t, ctx, cutCaptions); len(cut) > 0 {
			t.Errorf("%d px: cut at the edge: %q", width, cut)
		}
	}
}

// brokenNames are words of the table of fields, such as a type, that stand on two lines. What is on
// this machine, the last column, may: an ID is longer than any column.
const brokenNames = `(()=>{const broken=[];
for(const cell of document.querySelectorAll(".of-fields tbody th,.of-fields td:not(:last-child)")){
const walk=document.createTreeWalker(cell,NodeFilter.SHOW_TEXT);
for(let n;n=walk.nextNode();)for(const m of n.data.matchAll(/[\w.]+/g)){
const r=document.createRange();r.setStart(n,m.index);r.setEnd(n,m.index+m[0].length);
if(new Set([...r.getClientRects()].map(b=>b.top)).size>1)broken.push(m[0])}}
return broken})()`

// cutCaptions are captions of tables that go on where a person has to scroll to.
const cutCaptions = `[...document.querySelectorAll("caption")].filter(c=>{const r=document.createRange();r.selectNodeContents(c);
return r.getBoundingClientRect().right>document.documentElement.clientWidth}).map(c=>c.textContent)`
