package page_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/console/internal/page/samples"
)

// clock is one that stands until it is moved.
type clock struct{ offset atomic.Int64 }

var began = time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC)

func (c *clock) now() time.Time                  { return began.Add(time.Duration(c.offset.Load())) }
func (c *clock) move(d time.Duration)            { c.offset.Add(int64(d)) }
func typical(context.Context) (page.Data, error) { return samples.Typical(), nil }

// served is a page that is served while a test runs.
type served struct {
	t *testing.T
	// host is its name with the port, folder the path of everything, and entrance the path
	// that lets a browser in.
	host, folder, entrance string
	clock                  *clock
	cancel                 context.CancelFunc
	ended                  chan page.Ending
}

func serve(t *testing.T, load func(context.Context) (page.Data, error)) *served {
	t.Helper()
	return serveWith(t, load, page.Options{})
}

// serveWith is serve with options, of which it sets the clock and Ready.
func serveWith(t *testing.T, load func(context.Context) (page.Data, error), options page.Options) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &served{t: t, clock: &clock{}, cancel: cancel, ended: make(chan page.Ending, 1)}
	ready := make(chan string, 1)
	options.Now, options.Ready = s.clock.now, func(address string) { ready <- address }
	var running sync.WaitGroup
	running.Go(func() {
		ending, err := page.Serve(ctx, load, options)
		if err != nil {
			t.Error(err)
		}
		s.ended <- ending
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	address, err := url.Parse(<-ready)
	if err != nil {
		t.Fatal(err)
	}
	s.host, s.entrance = address.Host, address.Path
	s.folder = s.entrance[:strings.LastIndex(s.entrance, "/")+1]
	return s
}

// reply is what came back for a request.
type reply struct {
	status int
	header http.Header
	body   string
}

// say sends a request as it stands, with the host in the place of HOST.
func (s *served) say(request string) reply {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.host)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	request = strings.ReplaceAll(strings.ReplaceAll(request, "\n", "\r\n"), "HOST", s.host)
	if _, err := io.WriteString(conn, request+"\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.60q: %v", request, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

// enter lets a browser in, and returns the header with its cookie.
func (s *served) enter() string {
	s.t.Helper()
	got := s.say("GET " + s.entrance + " HTTP/1.1\nHost: HOST")
	cookie, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	if got.status != http.StatusSeeOther || cookie == "" || got.header.Get("Location") != s.folder {
		s.t.Fatalf("not let in: %+v", got)
	}
	return "\nCookie: " + cookie
}

func TestTheAddressWorksOnceAndTheCookieFromThen(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	if got := s.say("GET " + s.folder + " HTTP/1.1\nHost: HOST"); got.status != http.StatusForbidden {
		t.Errorf("before the entrance: %d", got.status)
	}
	for _, early := range []string{"HEAD " + s.entrance + " HTTP/1.1\nHost: HOST", "GET " + s.entrance + " HTTP/1.1\nHost: HOST\nSec-Purpose: prefetch"} {
		if got := s.say(early); got.status != http.StatusForbidden || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%.4s: %+v", early, got)
		}
	}
	cookie := s.enter()
	if got := s.say("GET " + s.entrance + " HTTP/1.1\nHost: HOST"); got.status != http.StatusGone || got.header.Get("Set-Cookie") != "" || !strings.Contains(got.body, "used already") {
		t.Errorf("the second time: %+v", got)
	}
	if got := s.say("GET " + s.entrance + " HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusSeeOther {
		t.Errorf("the second time by who is in: %d", got.status)
	}
	for range 2 {
		if got := s.say("GET " + s.folder + "?q=build HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusOK || !strings.Contains(got.body, "Telemetry of mytool") {
			t.Errorf("with the cookie: %d", got.status)
		}
	}
	head := s.say("HEAD " + s.folder + " HTTP/1.1\nHost: HOST" + cookie)
	if head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d, %d bytes", head.status, len(head.body))
	}
	if got := s.say("GET " + s.folder + " HTTP/1.1\nHost: HOST\nCookie: telemetry=of-another-server; telemetry=" + strings.Split(cookie, "=")[1]); got.status != http.StatusOK {
		t.Errorf("beside a cookie of another server: %d", got.status)
	}
}

func TestTheCookieIsForNobodyElse(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	got := s.say("GET " + s.entrance + " HTTP/1.1\nHost: HOST").header.Get("Set-Cookie")
	for _, attribute := range []string{"; HttpOnly", "; SameSite=Strict", "; Path=" + s.folder} {
		if !strings.Contains(got, attribute) {
			t.Errorf("%q lacks %q", got, attribute)
		}
	}
	if len(s.folder) < 10 || strings.Contains(s.folder, strings.Split(got, "=")[1][:8]) {
		t.Errorf("the folder %s tells the session", s.folder)
	}
}

func TestWhatNoBrowserOfThePersonSendsIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	cookie := s.enter() // so that nothing below is refused for the lack of it
	page := "GET " + s.folder + " HTTP/1.1\nHost: HOST" + cookie
	for name, test := range map[string]struct {
		request string
		want    int
	}{
		"nothing wrong":            {page, http.StatusOK},
		"our own origin":           {page + "\nOrigin: http://HOST\nSec-Fetch-Site: same-origin\nSec-Fetch-Dest: document", http.StatusOK},
		"typed":                    {page + "\nSec-Fetch-Site: none\nSec-Fetch-Dest: document", http.StatusOK},
		"another host":             {strings.Replace(page, "HOST", "evil.example", 1), http.StatusMisdirectedRequest},
		"another host, our port":   {strings.Replace(page, "HOST", "evil.example:"+strings.Split(s.host, ":")[1], 1), http.StatusMisdirectedRequest},
		"our host without a port":  {strings.Replace(page, "HOST", "127.0.0.1", 1), http.StatusMisdirectedRequest},
		"localhost":                {strings.Replace(page, "HOST", "localhost:"+strings.Split(s.host, ":")[1], 1), http.StatusMisdirectedRequest},
		"our host and a dot":       {strings.Replace(page, "HOST", "127.0.0.1.:"+strings.Split(s.host, ":")[1], 1), http.StatusMisdirectedRequest},
		"no host":                  {"GET " + s.folder + " HTTP/1.0" + cookie, http.StatusMisdirectedRequest},
		"a proxy's request":        {"GET http://evil.example" + s.folder + " HTTP/1.1\nHost: HOST" + cookie, http.StatusMisdirectedRequest},
		"a proxy's request for us": {"GET http://HOST" + s.folder + " HTTP/1.1\nHost: HOST" + cookie, http.StatusNotFound},
		"another origin":           {page + "\nOrigin: http://evil.example", http.StatusForbidden},
		"no origin in particular":  {page + "\nOrigin: null", http.StatusForbidden},
		"two origins":              {page + "\nOrigin: http://HOST\nOrigin: http://evil.example", http.StatusForbidden},
		"another port":             {page + "\nOrigin: http://127.0.0.1:1", http.StatusForbidden},
		"another site":             {page + "\nSec-Fetch-Site: cross-site", http.StatusForbidden},
		"another port's page":      {page + "\nSec-Fetch-Site: same-site", http.StatusForbidden},
		"in a frame":               {page + "\nSec-Fetch-Site: same-origin\nSec-Fetch-Dest: iframe", http.StatusForbidden},
		"by a script":              {page + "\nSec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty", http.StatusForbidden},
		"the frame as a page":      {"GET " + s.folder + "beat HTTP/1.1\nHost: HOST\nSec-Fetch-Dest: document" + cookie, http.StatusForbidden},
		"the frame by a stranger":  {"GET " + s.folder + "beat HTTP/1.1\nHost: HOST", http.StatusForbidden},
		"POST":                     {strings.Replace(page, "GET", "POST", 1) + "\nContent-Length: 3\n\na=b", http.StatusMethodNotAllowed},
		"POST at the entrance":     {"POST " + s.entrance + " HTTP/1.1\nHost: HOST\nContent-Length: 0", http.StatusMethodNotAllowed},
		"PUT":                      {strings.Replace(page, "GET", "PUT", 1), http.StatusMethodNotAllowed},
		"DELETE":                   {strings.Replace(page, "GET", "DELETE", 1), http.StatusMethodNotAllowed},
		"OPTIONS":                  {strings.Replace(page, "GET", "OPTIONS", 1), http.StatusMethodNotAllowed},
		"CONNECT":                  {"CONNECT HOST HTTP/1.1\nHost: HOST" + cookie, http.StatusMethodNotAllowed},
		"TRACE":                    {strings.Replace(page, "GET", "TRACE", 1), http.StatusMethodNotAllowed},
		"a body":                   {page + "\nContent-Length: 3\n\na=b", http.StatusRequestEntityTooLarge},
		"a body in pieces":         {page + "\nTransfer-Encoding: chunked\n\n0", http.StatusRequestEntityTooLarge},
		"a long address":           {"GET " + s.folder + "?q=" + strings.Repeat("a", 2000) + " HTTP/1.1\nHost: HOST" + cookie, http.StatusRequestURITooLong},
		"far too long headers":     {page + "\nX: " + strings.Repeat("a", 17<<10), http.StatusBadRequest},
		"no HTTP":                  {"\x16\x03\x01", http.StatusBadRequest},
		"the root":                 {"GET / HTTP/1.1\nHost: HOST" + cookie, http.StatusNotFound},
		"no slash":                 {"GET " + strings.TrimSuffix(s.folder, "/") + " HTTP/1.1\nHost: HOST" + cookie, http.StatusNotFound},
		"a way up":                 {"GET " + s.folder + "../../etc/passwd HTTP/1.1\nHost: HOST" + cookie, http.StatusNotFound},
		"a hidden way up":          {"GET " + s.folder + "%2e%2e/%2e%2e/etc/passwd HTTP/1.1\nHost: HOST" + cookie, http.StatusNotFound},
		"a way round":              {"GET /x/.." + s.folder + " HTTP/1.1\nHost: HOST" + cookie, http.StatusNotFound},
		"two slashes":              {"GET /" + s.folder + " HTTP/1.1\nHost: HOST" + cookie, http.StatusNotFound},
		"favicon.ico":              {"GET /favicon.ico HTTP/1.1\nHost: HOST", http.StatusNotFound},
		"a wrong token":            {"GET " + s.folder + "AAAAAAAAAAAAAAAAAAAAAAAAAA HTTP/1.1\nHost: HOST", http.StatusNotFound},
		"a part of the token":      {"GET " + s.entrance[:len(s.entrance)-1] + " HTTP/1.1\nHost: HOST", http.StatusNotFound},
		"a wrong cookie":           {"GET " + s.folder + " HTTP/1.1\nHost: HOST\nCookie: telemetry=AAAAAAAAAAAAAAAAAAAAAAAAAA", http.StatusForbidden},
		"an empty cookie":          {"GET " + s.folder + " HTTP/1.1\nHost: HOST\nCookie: telemetry=", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.say(test.request)
			if got.status != test.want {
				t.Errorf("%d, want %d: %.100s", got.status, test.want, got.body)
			}
			if test.want != http.StatusOK && (strings.Contains(got.body, "mytool") || got.header.Get("Set-Cookie") != "" || got.body == "") {
				t.Errorf("a refusal says %.200q", got.body)
			}
		})
	}
}

func TestEveryAnswerIsShutAgainstOthers(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	cookie := s.enter()
	for _, path := range []string{s.folder, s.folder + "beat", "/"} {
		got := s.say("GET " + path + " HTTP/1.1\nHost: HOST" + cookie)
		ancestors, frames := "'none'", "DENY"
		if strings.HasSuffix(path, "beat") {
			ancestors, frames = "'self'", "SAMEORIGIN"
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": frames,
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := got.header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
		policy := got.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || !strings.HasSuffix(policy, "frame-ancestors "+ancestors) ||
			strings.Contains(policy, "unsafe") || strings.Contains(policy, "script") {
			t.Errorf("%s: %s", path, policy)
		}
		if len(got.header.Values("Access-Control-Allow-Origin")) > 0 {
			t.Errorf("%s is shared", path)
		}
	}
}

func TestItListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	host, port, err := net.SplitHostPort(serve(t, typical).host)
	if err != nil || !net.ParseIP(host).IsLoopback() || port == "0" {
		t.Errorf("%s, %s, %v", host, port, err)
	}
}

func TestWhoHoldsConnectionsOpenKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	cookie := s.enter()
	var slow []net.Conn
	for range 300 { // far more than there may be at once
		conn, err := net.Dial("tcp", s.host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost:", s.folder)
		slow = append(slow, conn)
	}
	for range 3 {
		if got := s.say("GET " + s.folder + " HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusOK {
			t.Errorf("behind them: %d", got.status)
		}
	}
	// The oldest was ended for the others, without a word; the newest was waited for until its own limit.
	for i, want := range map[int]string{0: "", len(slow) - 1: "HTTP/1.1 400"} {
		slow[i].SetReadDeadline(time.Now().Add(20 * time.Second))
		answer, err := io.ReadAll(slow[i])
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("number %d is still held", i)
		} else if status, _, _ := strings.Cut(string(answer), " Bad"); status != want {
			t.Errorf("number %d got %.40q, %v", i, answer, err)
		}
	}
}

func (s *served) wait(want page.Ending) {
	s.t.Helper()
	select {
	case got := <-s.ended:
		if got != want {
			s.t.Errorf("it ended as %q, want %q", got, want)
		}
	case <-time.After(30 * time.Second):
		s.t.Fatal("it does not end")
	}
	if conn, err := net.Dial("tcp", s.host); err == nil {
		conn.Close()
		s.t.Error("it still listens")
	}
}

func TestItEndsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	cookie := s.enter()
	s.clock.move(page.Limit - time.Millisecond)
	s.say("GET " + s.folder + "beat HTTP/1.1\nHost: HOST" + cookie) // somebody looks to the end
	if got := s.say("GET " + s.folder + " HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusOK {
		t.Errorf("just before: %d", got.status)
	}
	s.clock.move(time.Millisecond)
	s.wait(page.TimeUp)
}

func TestItEndsAfterTenMinutesAlsoIfNobodyCame(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	s.clock.move(page.Limit)
	s.wait(page.TimeUp)
}

func TestItEndsWhenThePageIsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	cookie := s.enter()
	got := s.say("GET " + s.folder + "beat HTTP/1.1\nHost: HOST" + cookie)
	if got.status != http.StatusOK || got.header.Get("Refresh") != "5" {
		t.Errorf("the frame: %+v", got)
	}
	s.clock.move(29 * time.Second) // some are missing
	if got := s.say("GET " + s.folder + "?q=a HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusOK {
		t.Errorf("while it is looked at: %d", got.status)
	}
	s.clock.move(29 * time.Second) // and some since that search
	if got := s.say("GET " + s.folder + "beat HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusOK {
		t.Errorf("after a search: %d", got.status)
	}
	s.clock.move(30 * time.Second)
	s.wait(page.Closed)
}

func TestABrowserWithoutFramesHasTheTenMinutes(t *testing.T) {
	t.Parallel()
	s := serve(t, typical)
	cookie := s.enter()
	s.clock.move(page.Limit - time.Second)
	conn, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The ending is looked for every second, and a client that says nothing is given up after
	// five: what is answered then was not ended meanwhile.
	io.ReadAll(conn)
	if got := s.say("GET " + s.folder + " HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusOK {
		t.Errorf("%d", got.status)
	}
	s.cancel()
	s.wait(page.Cancelled)
}

func TestItEndsWithItsContextAlsoWhileItLoads(t *testing.T) {
	t.Parallel()
	loading := make(chan struct{})
	s := serve(t, func(ctx context.Context) (page.Data, error) {
		close(loading)
		<-ctx.Done()
		return page.Data{}, ctx.Err()
	})
	cookie := s.enter()
	conn, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s%s\r\n\r\n", s.folder, s.host, strings.ReplaceAll(cookie, "\n", "\r\n"))
	<-loading
	s.cancel()
	s.wait(page.Cancelled)
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	failed := serve(t, func(context.Context) (page.Data, error) { return page.Data{}, errors.New("no\x1b[31m luck") })
	if got := failed.say("GET " + failed.folder + " HTTP/1.1\nHost: HOST" + failed.enter()); got.status != http.StatusInternalServerError || !strings.Contains(got.body, "no [31m luck") {
		t.Errorf("%+v", got)
	}
	panicked := serve(t, func(context.Context) (page.Data, error) { panic("no luck") })
	cookie := panicked.enter()
	for range 2 { // and goes on
		if got := panicked.say("GET " + panicked.folder + " HTTP/1.1\nHost: HOST" + cookie); got.status != http.StatusInternalServerError || strings.Contains(got.body, "luck") {
			t.Errorf("%+v", got)
		}
	}
}

func TestThereIsOneLoadAtATime(t *testing.T) {
	t.Parallel()
	var at, most atomic.Int32
	s := serve(t, func(context.Context) (page.Data, error) {
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		return samples.Typical(), nil
	})
	cookie := s.enter()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { s.say("GET " + s.folder + " HTTP/1.1\nHost: HOST" + cookie) })
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
}
