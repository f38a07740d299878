package conformance

import (
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// socketChecks are the clauses that only make sense where there is no HTTP.
func socketChecks() []Check {
	return []Check{
		{ID: "driver/says-what-is-unacknowledged", Level: Must, needs: []need{socket},
			Sentence: "Where the vendor acknowledges nothing, Driver.Accepted tells the people who run a tool.", do: saysUnacknowledged},
		{ID: "delivery/one-attempt-over-a-socket", Level: Must, needs: []need{socket},
			Sentence: "Over TCP and UDP, too, Send makes at most one attempt, whatever becomes of it.", do: oneAttemptOverASocket},
		{ID: "delivery/hang-in-stream", Level: Must, needs: []need{stream},
			Sentence: "The deadline holds while the receiver of a stream does not read.", do: hangInStream},
		{ID: "delivery/datagram-not-taken", Level: Must, needs: []need{datagrams},
			Sentence: "An event whose datagram the system does not take is kept.", do: datagramNotTaken},
		{ID: "privacy/plain-socket-refused", Level: Must, needs: []need{socket},
			Sentence: "Over TCP and UDP nothing is sent in plain text to another machine, unless the author set Insecure.", do: plainSocketRefused},
	}
}

func saysUnacknowledged(p *probe) {
	if p.subject.Driver.Accepted == "" {
		p.failOnly("Driver.Accepted is empty: people are not told that an accepted batch may be lost (%s)", p.subject.Socket.Unacknowledged)
	}
}

func oneAttemptOverASocket(p *probe) {
	const events = 3
	try := func(what string, limit time.Duration, arrange func()) {
		b, ok := p.open()
		if !ok {
			return
		}
		defer b.Close()
		arrange()
		dials, arrivals := len(p.wire.asked()), len(p.server.seen())
		p.sendWithin(b, p.batch(events), limit)
		if n := len(p.wire.asked()) - dials; n > 1 {
			p.failOnly("%s: %d connections were made", what, n)
		}
		count := map[string]int{}
		for _, x := range p.server.seen()[arrivals:] {
			list, ok := p.decode(x)
			if !ok {
				return
			}
			for _, id := range receivedIDs(list) {
				if count[id]++; count[id] == 2 {
					p.failf("%s: event %s was sent again", what, id)
				}
			}
		}
	}
	try("a vendor that accepts", longTime(), func() {})
	try("a failure after everything was read", longTime(), func() { p.server.reactWith(drop) })
	if stream(p.subject) == "" {
		try("a vendor that does not end the connection", shortTime(), func() { p.server.reactWith(hang) })
	}
	try("a reset in the middle", longTime(), func() { p.server.set(func(s *server) { s.readLimit = 64 }) })
	try("a refused connection", longTime(), func() { p.wire.dialWith(refuse) })
}

func hangInStream(p *probe) {
	const small = 4 << 10 // or the system takes what the receiver does not read
	p.wire.dialWith(dialSmall(p.wire.dialSocket, small))
	p.server.set(func(s *server) {
		s.stall = true
		s.greet = func(c *net.TCPConn) bool { return c.SetReadBuffer(small) == nil }
	})
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	limits := effective(p.subject.Driver.Limits)
	var batch []driver.Event
	for room := limits.Bytes; room > limits.EventBytes && len(batch) < limits.Events; room -= limits.EventBytes {
		batch = append(batch, paddedWith(p.base, len(batch), limits.EventBytes, "x"))
	}
	if v := p.sendWithin(b, batch, shortTime()); !v.late && !v.kept() {
		p.failOnly("a receiver that does not read: Send returned %v, want the batch kept", v)
	}
}

func datagramNotTaken(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	// One of three, as when a buffer is full or a network has gone for a moment.
	for refused := range 3 {
		batch := sampleEvents(p.base, 10*refused, 3)
		p.server.reactWith(func(x *exchange) bool {
			list, _ := p.decode(x)
			return !slices.Contains(receivedIDs(list), batch[refused].ID)
		})
		v := p.send(b, batch)
		partial, named := asPartial(v.err)
		kept := v.kept() || named && partial.Unnamed == 0 && !slices.Contains(partial.Accepted, batch[refused].ID) && len(partial.Rejected) == 0
		if !v.late && !kept {
			p.failf("the system did not take the datagram of event %d of 3: Send returned %v, want it kept", refused+1, v)
		}
	}
}

func plainSocketRefused(p *probe) {
	for _, address := range []string{endpoint, strings.Replace(endpoint, "https:", "http:", 1)} {
		b, err := p.tryOpen(p.subject.settings(address), func(*driver.Config) {})
		if err != nil {
			continue // which is the way to refuse
		}
		p.sendWithin(b, p.batch(2), longTime())
		b.Close()
	}
	for _, address := range p.wire.plainText() {
		if !isLoopback(address) {
			p.failf("plain text was sent to %s, and Config.Insecure is not set", address)
		}
	}
}

// isLoopback reports whether host:port is on this machine.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback())
}
