package page

import (
	"bufio"
	"context"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/internal/guard"
)

const (
	// maxRequest is how large a request may be, all of it: a browser's is about 1 KiB.
	maxRequest = 16 << 10
	// maxTarget is how long the part of it after the host may be: a search of 200 bytes, each
	// written as three.
	maxTarget = 1 << 10
	// A request has to be there, and an answer taken, within these.
	readLimit  = 5 * time.Second
	writeLimit = 30 * time.Second
	// loadLimit is how long the caller may take to find out what to show.
	loadLimit = 20 * time.Second

	folderLength = 10
	cookieName   = "telemetry"
	beatName     = "beat"
)

// server is one page that is served. net/http's own server would do what is in this file and
// more, and be 350 KiB in every tool: of it only the reader of requests is used.
type server struct {
	load    func(context.Context) (Data, error)
	options Options
	// host is the only name that we answer to.
	host string
	// folder is the path that everything is under, and the cookie's: browsers send a cookie
	// to all ports of a host, and other servers of this machine are not to see it.
	folder string
	// token opens the page once, session is the cookie's value from then on.
	token, session string
	life           life
	strangers      strangers

	mu   sync.Mutex
	used bool
	// loading is held while load runs.
	loading sync.Mutex
}

// serve answers one request and ends the connection. A browser on the same machine does not
// notice the difference, and nothing is left to wait for a second one.
func (s *server) serve(ctx context.Context, conn net.Conn) {
	conn.SetDeadline(time.Now().Add(readLimit))
	request, err := http.ReadRequest(bufio.NewReader(io.LimitReader(conn, maxRequest)))
	a := refusal(http.StatusBadRequest, "This is no request that the page understands.")
	if err == nil {
		if s.known(request) {
			s.strangers.remove(conn)
		}
		a = guard.Ask(refusal(http.StatusInternalServerError, "The page could not be made."),
			func() answer { return s.answer(ctx, request) })
	}
	conn.SetDeadline(time.Now().Add(writeLimit))
	a.write(conn, s.options.Translate, err == nil && request.Method == http.MethodHead)
	linger(conn)
}

// linger lets the other side read the answer before the connection ends: what is closed with
// something unread in it is reset, and the answer lost.
func linger(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	conn.SetReadDeadline(time.Now().Add(time.Second))
	io.CopyN(io.Discard, conn, 256<<10)
}

// answer decides who is let in, and to what.
func (s *server) answer(ctx context.Context, r *http.Request) answer {
	if refused, no := s.refuse(r); no {
		return refused
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	name, ours := strings.CutPrefix(path, "/"+s.folder+"/")
	switch {
	case !ours:
		return refusal(http.StatusNotFound, "There is no such page.")
	case same(name, s.token):
		return s.enter(r)
	case name != "" && name != beatName:
		return refusal(http.StatusNotFound, "There is no such page.")
	case !s.known(r):
		return refusal(http.StatusForbidden, "This browser was not let in. Run the command again, and open the address that it prints.")
	case s.life.over() == TimeUp:
		return refusal(http.StatusGone, "The time of this page is over. Run the command again.")
	case name == beatName:
		if !fetchedAs(r, "iframe") {
			return refusal(http.StatusForbidden, "This is not to be asked for in this way.")
		}
		s.life.sign(true)
		return beat()
	case !fetchedAs(r, "document"):
		return refusal(http.StatusForbidden, "This is not to be asked for in this way.")
	}
	s.life.sign(false)
	return s.look(ctx, query)
}

// refuse turns away what no browser sends of its own that was given our address: requests
// under another name, which a rebound domain has, from another site, or to change something.
func (s *server) refuse(r *http.Request) (answer, bool) {
	origin, site := r.Header.Values("Origin"), r.Header.Get("Sec-Fetch-Site")
	switch {
	case r.Host != s.host:
		return refusal(http.StatusMisdirectedRequest, "This is not the name of this page."), true
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return refusal(http.StatusMethodNotAllowed, "This page can only be read."), true
	case len(r.RequestURI) > maxTarget:
		return refusal(http.StatusRequestURITooLong, "The address is too long."), true
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return refusal(http.StatusRequestEntityTooLarge, "This page can only be read."), true
	case len(origin) > 1 || len(origin) == 1 && origin[0] != "http://"+s.host,
		site != "" && site != "none" && site != "same-origin":
		return refusal(http.StatusForbidden, "Other sites cannot see this page."), true
	}
	return answer{}, false
}

// enter lets the first browser in that has the token. One that is in already is sent on.
func (s *server) enter(r *http.Request) answer {
	if r.Method == http.MethodHead || r.Header.Get("Sec-Purpose") != "" {
		return refusal(http.StatusForbidden, "This address works once, for somebody who looks.")
	}
	s.mu.Lock()
	first := !s.used
	s.used = true
	s.mu.Unlock()
	if !first && !s.known(r) {
		return refusal(http.StatusGone, "This address was used already. If that was not you, somebody else has seen the page. Run the command again.")
	}
	s.life.sign(false)
	page := "/" + s.folder + "/"
	return answer{status: http.StatusSeeOther, location: page,
		cookie: cookieName + "=" + s.session + "; Path=" + page + "; HttpOnly; SameSite=Strict"}
}

// known reports whether a browser was let in. Other servers of this machine may have set
// cookies of the same name, so all of them are looked at.
func (s *server) known(r *http.Request) bool {
	for _, c := range r.CookiesNamed(cookieName) {
		if same(c.Value, s.session) {
			return true
		}
	}
	return false
}

// same compares in a time that does not tell how much of a secret was right.
func same(given, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(secret)) == 1
}

// fetchedAs reports whether a browser that says what it asks for asks for that.
func fetchedAs(r *http.Request, want string) bool {
	got := r.Header.Get("Sec-Fetch-Dest")
	return got == "" || got == want
}

// look makes the page.
func (s *server) look(ctx context.Context, query string) answer {
	s.loading.Lock()
	defer s.loading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	data, err := s.load(ctx)
	if err != nil {
		a := refusal(http.StatusInternalServerError, "What the page shows cannot be read:")
		a.detail = err.Error()
		return a
	}
	v := &view{Data: data, query: readQuery(query), markup: &markup{tr: s.options.Translate},
		lang: s.options.Language, ends: s.life.began.Add(Limit)}
	return answer{status: http.StatusOK, kind: "text/html", body: v.document()}
}
