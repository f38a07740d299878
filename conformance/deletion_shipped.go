package conformance

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

const checkShippedRequestor = "deletion/as-shipped"

// shipped makes requests without a transport, as production does, in a process in which
// the environment names a proxy and a certificate authority of the suite's. A requestor
// that cannot be opened so, or whose subject puts something in the transport's place, is
// not judged.
func (s *DeletionSubject) shipped(o *orders) (found []Finding) {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t.Proxy = http.ProxyFromEnvironment
	}
	if os.MkdirAll(o.Dir, 0o700) != nil {
		return nil
	}
	w, err := newWatcher(o, &Subject{})
	if err != nil {
		return nil
	}
	shared := &session{subject: &Subject{}, base: time.Now().UTC(), watcher: w}
	defer shared.cleanup()
	try := func(what string, limit time.Duration, arrange func(*probe), judge func(*probe, asked) string) bool {
		p, err := newProbe(shared)
		if err != nil {
			return false
		}
		defer p.close()
		s.accept(p)
		arrange(p)
		a := s.request(p, limit, plannedRequest())
		if problem := judge(p, a); problem != "" && !a.late {
			found = append(found, Finding{Message: what + ": " + problem})
			return false
		}
		return true
	}
	works := try("an honest vendor", longTime(), func(*probe) {}, func(p *probe, a asked) string {
		if a.err != nil || len(p.server.seen()) == 0 {
			return "no way through the proxy"
		}
		return ""
	})
	if found = nil; !works {
		return nil
	}
	refused := func(p *probe, a asked) string {
		if a.err == nil {
			return fmt.Sprintf("no error, and the state %q", a.receipt.State)
		}
		if n := len(p.server.seen()); n > 0 {
			return fmt.Sprintf("%d requests were sent", n)
		}
		return ""
	}
	for _, f := range faults() {
		if f.trust {
			try(f.sentence, f.limit(), f.arrange, refused)
		}
	}
	for _, status := range []int{301, 307, 308} {
		try(fmt.Sprint("a redirect with status ", status), longTime(), func(p *probe) {
			p.server.reactWith(answer(Answer{Status: status, Header: http.Header{"Location": {elsewhere + "/here"}}}))
		}, func(p *probe, a asked) string {
			for _, u := range p.wire.asked() {
				if "https://"+u.Host == elsewhere {
					return "it was followed"
				}
			}
			return ""
		})
	}
	w.strays = nil
	w.proxy.refuses("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	try("a proxy that refuses", longTime(), func(*probe) {}, refused)
	for _, stray := range w.strays {
		found = append(found, Finding{Message: "a proxy that refuses: " + stray})
	}
	return found
}
