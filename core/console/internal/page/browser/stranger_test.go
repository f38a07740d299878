package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/console/internal/page/samples"
)

// attacks are what a page of another origin tries that knows our address, but for the
// token: a port can be guessed, and the folder may have been seen somewhere. Each says "read"
// if it got something.
const attacks = `(async()=>{
const target=%q, results={};
const wait=(e,yes,no)=>new Promise(done=>{e.addEventListener(yes,()=>done("read"));e.addEventListener(no,()=>done("refused"));setTimeout(()=>done("nothing"),3000)});
for(const mode of ["cors","no-cors","same-origin"])
 for(const method of ["GET","POST"])
  results["fetch "+mode+" "+method]=await fetch(target,{mode,method,credentials:"include"}).then(async r=>r.ok||(await r.text()).length?"read":"refused",()=>"refused");
const add=(name,set)=>{const e=document.createElement(name);set(e);document.body.append(e);return e};
for(const path of ["","beat"]){
 results["img "+path]=await wait(add("img",e=>e.src=target+path),"load","error");
 results["script "+path]=await wait(add("script",e=>e.src=target+path),"load","error");
 results["style "+path]=await wait(add("link",e=>{e.rel="stylesheet";e.href=target+path}),"load","error");
 results["object "+path]=await wait(add("object",e=>e.data=target+path),"load","error");
 const frame=add("iframe",e=>e.src=target+path);
 await wait(frame,"load","error");
 let seen="refused";
 try{if(frame.contentDocument&&frame.contentDocument.body.innerHTML)seen="read"}catch{}
 if(frame.contentWindow.length>0)seen="read";
 results["iframe "+path]=seen;
}
const inner=add("iframe",e=>e.name="form");
const form=add("form",e=>{e.method="post";e.action=target;e.target="form"});
form.submit();
await wait(inner,"load","error");
let seen="refused";
try{if(inner.contentDocument&&inner.contentDocument.body.innerHTML)seen="read"}catch{}
results["form"]=seen;
return results})()`

func TestAPageOfAnotherOriginGetsNothing(t *testing.T) {
	ctx := chromium(t, chromedp.Flag("host-resolver-rules", "MAP rebound.example 127.0.0.1"))
	var looks atomic.Int32
	address, _ := servedBy(t, func(context.Context) (page.Data, error) {
		looks.Add(1)
		return samples.Typical(), nil
	})
	open(t, ctx, address) // in this browser the person is let in
	folder := get(t, ctx, chromedp.Location())
	var leaked atomic.Value
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookies := r.Header.Get("Cookie"); cookies != "" {
			leaked.Store(cookies)
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>stranger</title><body>`)
	}))
	defer stranger.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(stranger.URL, "http://"), ":")

	tab, end := chromedp.NewContext(ctx)
	defer end()
	for _, origin := range []string{stranger.URL, "http://localhost:" + port, "http://rebound.example:" + port} {
		if title := func() string { do(t, tab, chromedp.Navigate(origin)); return get(t, tab, chromedp.Title()) }(); title != "stranger" {
			t.Fatalf("%s: the stranger's page is not there: %q", origin, title)
		}
		results := ask[map[string]string](t, tab, fmt.Sprintf(attacks, folder))
		if len(results) < 15 {
			t.Errorf("only %d attacks were made", len(results))
		}
		for attack, result := range results {
			if result == "read" {
				t.Errorf("%s: %s got something", origin, attack)
			}
		}
		// A link on the stranger's page.
		response, err := chromedp.RunResponse(tab, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("void(location=%q)", folder)))
		if err != nil || response.Status != http.StatusForbidden {
			t.Errorf("%s: a link: %v, %v", origin, response, err)
		}
	}
	if n := looks.Load(); n != 1 {
		t.Errorf("the page was made %d times, for one look of the person", n)
	}
	if cookie := leaked.Load(); cookie != nil {
		t.Errorf("another server of this machine was sent %q", cookie)
	}
	// And the person still sees it.
	open(t, ctx, folder)
}

// The attacks would be noticed if they worked: they are made against a server that lets them.
func TestTheAttacksReadWhatIsNotShut(t *testing.T) {
	ctx := chromium(t)
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>open</title><body><iframe></iframe>content`)
	}))
	defer open.Close()
	do(t, ctx, chromedp.Navigate(open.URL))
	results := ask[map[string]string](t, ctx, fmt.Sprintf(attacks, open.URL+"/"))
	for _, attack := range []string{"fetch cors GET", "fetch cors POST", "iframe ", "form", "object "} {
		if results[attack] != "read" {
			t.Errorf("%q is %q", attack, results[attack])
		}
	}
}

func TestAReboundNameIsRefused(t *testing.T) {
	ctx := chromium(t, chromedp.Flag("host-resolver-rules", "MAP rebound.example 127.0.0.1"))
	address, _ := served(t, samples.Typical())
	rebound, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	rebound.Host = "rebound.example:" + rebound.Port()
	response, err := chromedp.RunResponse(ctx, chromedp.Navigate(rebound.String()))
	if err != nil || response.Status != http.StatusMisdirectedRequest {
		t.Errorf("%v, %v", response, err)
	}
	open(t, ctx, address) // which was not used up
}
