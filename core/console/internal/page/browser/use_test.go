package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/console/internal/page/samples"
)

// numbered gives each thing that can be used a number, and returns how many there are.
const numbered = `(()=>{let n=0;for(const e of document.querySelectorAll("a[href],summary,input,button,[tabindex='0']"))
if(e.checkVisibility())e.dataset.n=n++;return n})()`

// focused says which of them has the focus, and whether that is seen.
const focused = `(()=>{const e=document.activeElement,s=getComputedStyle(e);
return {N:e.dataset.n===undefined?-1:+e.dataset.n,Seen:s.outlineStyle!="none"&&parseFloat(s.outlineWidth)>=2,What:e.outerHTML.slice(0,80)}})()`

func TestTheTabKeyReachesEverythingInOrderAndTheFocusIsSeen(t *testing.T) {
	ctx := chromium(t)
	address, _ := served(t, samples.Typical())
	open(t, ctx, address)
	n := ask[int](t, ctx, numbered)
	if n < 50 {
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

func TestTheKeyboardSkipsToTheContentAndUnfolds(t *testing.T) {
	ctx := chromium(t)
	address, _ := served(t, samples.Typical())
	open(t, ctx, address)
	do(t, ctx, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	if at := ask[string](t, ctx, "document.activeElement.id"); at != "main" {
		t.Errorf("the focus is at %q", at)
	}
	do(t, ctx, chromedp.Focus("#waiting summary"), chromedp.KeyEvent(kb.Enter))
	if !ask[bool](t, ctx, `document.querySelector("#waiting pre").checkVisibility()`) {
		t.Error("the event is not shown")
	}
}

func TestItWorksWithoutJavaScript(t *testing.T) {
	ctx := chromium(t)
	address, _ := served(t, samples.Typical())
	call(t, ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	open(t, ctx, address)
	if _, err := chromedp.RunResponse(ctx, chromedp.SendKeys("#q", "503"+kb.Enter)); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.WaitReady("#sent mark, #sent .empty, #sent [role=status]"))
	found := get(t, ctx, chromedp.OuterHTML("#sent"))
	if !strings.Contains(found, "in 5 of 64 deliveries") || strings.Contains(found, "200, accepted") {
		t.Errorf("the search shows %.2000s", found)
	}
	if at := get(t, ctx, chromedp.Location()); !strings.HasSuffix(at, "/?q=503#sent") {
		t.Errorf("it is at %s", at)
	}
	if _, err := chromedp.RunResponse(ctx, chromedp.Click("#sent [role=status] a")); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.RunResponse(ctx, chromedp.Click("#sent .pager a[rel=next]")); err != nil {
		t.Fatal(err)
	}
	call(t, ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{}) // which pictures need
	picture(t, ctx, "second-page")
	if second := get(t, ctx, chromedp.OuterHTML("#sent")); !strings.Contains(second, "11 to 20 of 64") {
		t.Errorf("the second page is %.2000s", second)
	}
}

// It takes as long as it takes: the real clock decides here, as it does for a person.
func TestItLivesAsLongAsThePageIsOpenAndEndsWhenItIsClosed(t *testing.T) {
	t.Parallel()
	ctx := chromium(t)
	address, ended := served(t, samples.Typical())
	tab, end := chromedp.NewContext(ctx)
	defer end()
	open(t, tab, address)
	entries := get(t, tab, chromedp.NavigationEntries())
	before := len(entries.Entries)
	select {
	case ending := <-ended:
		t.Fatalf("it ended as %q while the page was open", ending)
	case <-time.After(40 * time.Second):
	}
	entries = get(t, tab, chromedp.NavigationEntries())
	if len(entries.Entries) != before {
		t.Errorf("the frame wrote to the history: %d entries were %d", len(entries.Entries), before)
	}
	if err := chromedp.Cancel(tab); err != nil {
		t.Fatal(err)
	}
	select {
	case ending := <-ended:
		if ending != page.Closed {
			t.Errorf("it ended as %q", ending)
		}
	case <-time.After(90 * time.Second):
		t.Error("it goes on without the page")
	}
}
