package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

func instanceChecks() []Check {
	return []Check{
		{ID: "driver/opens-with-little", Level: Must,
			Sentence: "Open does not panic where the tool has no headers, no name, no version, no directory and nowhere to print.", do: opensWithLittle},
		{ID: "driver/hosts-follow-settings", Level: Must, needs: []need{network},
			Sentence: "With every value that a setting may have, Hosts names the hosts that are contacted, whatever it was asked before.", do: hostsFollowSettings},
		{ID: "driver/broken-endpoint-is-an-error", Level: Must, needs: []need{network, endpointSetting},
			Sentence: "An endpoint that is no address is an error of Open, and not the default.", do: brokenEndpoints},
		{ID: "delivery/each-its-own-deadline", Level: Must, needs: []need{network},
			Sentence: "The deadline of a Send holds while another Send of the same backend waits.", do: ownDeadline},
		{ID: "delivery/each-its-own-verdict", Level: Must, needs: []need{network},
			Sentence: "Of several Sends at once, each returns what the vendor said of its own batch.", do: ownVerdict},
		{ID: "delivery/same-content-again", Level: Must, needs: []need{network},
			Sentence: "A batch that is sent again is the same in every field, whatever the vendor answered before.", do: sameContentAgain},
		{ID: "delivery/only-the-moment-differs", Level: Must, needs: []need{network},
			Sentence: "A batch that is sent again, at another moment or by another backend of the driver, makes the same request but for the headers and fields that Driver.Momentary names, so that what is shown before is what goes out.", do: onlyTheMoment},
		{ID: "lifecycle/instances-have-their-own-secrets", Level: Must, needs: []need{network},
			Sentence: "Two backends of one driver send each its own keys and headers.", do: ownSecrets},
	}
}

func opensWithLittle(p *probe) {
	for _, change := range []func(*driver.Config){
		func(c *driver.Config) { c.Headers = nil },
		func(c *driver.Config) { c.Headers = map[string]string{} },
		func(c *driver.Config) { c.Tool, c.Version = "", "" },
		func(c *driver.Config) { c.Stdout, c.Dir = nil, "" },
		func(c *driver.Config) { *c = driver.Config{Settings: c.Settings, Transport: c.Transport, Dial: c.Dial} },
	} {
		if b, err := p.tryOpen(p.subject.settings(endpoint), change); err == nil {
			p.closeInTime(b)
		}
	}
}

// variants are the subject's settings, and the same with each other value that a setting
// declares.
func (s *Subject) variants() []map[string]string {
	list := []map[string]string{s.settings(endpoint)}
	for _, declared := range s.Driver.Settings {
		for _, value := range declared.Values {
			settings := maps.Clone(s.settings(endpoint))
			if settings == nil {
				settings = map[string]string{}
			}
			if settings[declared.Name] != value {
				settings[declared.Name] = value
				list = append(list, settings)
			}
		}
	}
	return list
}

func hostsFollowSettings(p *probe) {
	if p.subject.Driver.Hosts == nil {
		return // another check says so
	}
	seen := 0
	for _, settings := range append(p.subject.variants(), p.subject.settings(endpoint)) {
		resolved, err := p.subject.Driver.Resolve(settings)
		if err != nil {
			continue
		}
		hosts := p.subject.Driver.Hosts(resolved)
		b, err := p.tryOpen(settings, func(*driver.Config) {})
		if err != nil {
			continue // values that exclude each other
		}
		p.send(b, p.batch(2))
		p.closeInTime(b)
		asked := p.wire.asked()
		for _, u := range asked[min(seen, len(asked)):] {
			if !slices.Contains(hosts, u.Host) {
				p.failf("%s was contacted, where Hosts names %q", u.Host, hosts)
			}
		}
		seen = len(asked)
	}
}

func brokenEndpoints(p *probe) {
	for _, wrong := range []string{"not an address", "https://", "https:/intake.vendor.test", "://intake.vendor.test", "https://intake.vendor.test:port"} {
		settings, ok := p.subject.trySettings(wrong)
		if !ok || maps.Equal(settings, p.subject.settings(endpoint)) {
			continue
		}
		b, err := p.tryOpen(settings, func(*driver.Config) {})
		if err == nil {
			p.closeInTime(b)
			p.failOnly("the endpoint %q is taken without an error", wrong)
		}
	}
}

// trySettings is settings for an address that a subject need not be able to take apart.
func (s *Subject) trySettings(endpoint string) (settings map[string]string, ok bool) {
	defer func() { ok = recover() == nil }()
	return s.settings(endpoint), true
}

// occupied opens a backend one of whose Sends waits for an answer until release is called.
func (p *probe) occupied() (b driver.Backend, release func(), ok bool) {
	b, ok = p.open()
	if !ok {
		return nil, nil, false
	}
	reached := p.hangs()
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	sent := make(chan verdict, 1)
	go func() { sent <- p.sendUnder(ctx, b, p.batch(2), longTime()+slack()) }()
	release = func() { cancel(); <-sent }
	select {
	case <-reached:
		return b, release, true
	case v := <-sent:
		cancel()
		b.Close()
		p.failf("Send returned %v before there was an answer", v)
		return nil, nil, false
	}
}

func ownDeadline(p *probe) {
	b, release, ok := p.occupied()
	if !ok {
		return
	}
	defer b.Close()
	defer release()
	// It may wait for its turn, so that nothing arrives; what it may not is forget the time.
	if v := p.sendWithin(b, sampleEvents(p.base, 10, 2), shortTime()); !v.late && !v.kept() {
		p.failf("Send without an answer, while another one waits, returned %v, want the batch kept", v)
	}
}

func ownVerdict(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	const senders, size, rounds = 6, 3, 3
	statuses := []int{p.subject.Accepted.status(), 503, 413}
	p.server.reactWith(func(x *exchange) bool {
		list, _ := p.decode(x)
		if len(list) == 0 {
			return drop(x)
		}
		status := statuses[sampleNumber(list[0])/size%len(statuses)]
		if status == p.subject.Accepted.status() {
			return answer(p.subject.Accepted)(x)
		}
		return answer(p.answerWith(status))(x)
	})
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for round := range rounds {
				number := i*rounds + round
				v := p.send(b, sampleEvents(p.base, number*size, size))
				want := driver.ClassAccepted
				if status := statuses[number%len(statuses)]; status != p.subject.Accepted.status() {
					want = p.subject.Statuses[status]
				}
				if !v.late && v.class != want && !v.kept() { // which may be its own word, while it rests after a failure
					p.failf("one of %d Sends at once, answered with status %d, returned %v, want %v", senders, statuses[number%len(statuses)], v, want)
				}
			}
		})
	}
	all.Wait()
}

// sampleNumber is the number of a sample event, by its name.
func sampleNumber(r Received) int {
	var n int
	_, _ = fmt.Sscanf(r.Name, "remote add-%d", &n)
	return n
}

func sameContentAgain(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	batch := p.batch(3)
	for _, react := range []reaction{
		answer(p.answerWith(503)), answer(p.answerWith(429)), answer(p.answerWith(500)), drop, answer(p.answerWith(400)), answer(p.answerWith(413)),
		answer(p.subject.Accepted),
	} {
		p.server.reactWith(react)
		p.send(b, batch)
	}
	for i, x := range p.server.seen() {
		got, ok := p.decode(x)
		if !ok {
			return
		}
		for _, r := range got {
			if at := slices.IndexFunc(batch, func(e driver.Event) bool { return e.ID == r.ID }); at >= 0 {
				for _, d := range p.subject.differences(r, batch[at]) {
					p.failf("attempt %d: %s", i+1, d)
				}
			}
		}
	}
}

// isMomentary reports whether a field or header may be of the moment of sending. A program has
// no driver that says so: what its vendor file lets vary is.
func (s *Subject) isMomentary(name string) bool {
	same := func(m string) bool { return strings.EqualFold(m, name) } // a header's name is the same in capitals
	if s.program != nil {
		return slices.ContainsFunc(slices.Collect(maps.Keys(s.Varies)), same)
	}
	return slices.ContainsFunc(s.Driver.Momentary, same)
}

// onlyTheMoment sends a batch three times: twice through one backend, more than a second
// apart, and once through another one.
func onlyTheMoment(p *probe) {
	const apart = 1100 * time.Millisecond // times of sending have whole seconds at most
	batch := p.batch(3)
	for i := range 2 {
		b, ok := p.open()
		if !ok {
			return
		}
		p.send(b, batch)
		if i == 0 {
			time.Sleep(apart)
			p.send(b, batch)
		}
		p.closeInTime(b)
	}
	var first []string
	for i, x := range p.server.seen() {
		r := x.Request
		if readable := p.subject.Driver.Readable; readable != nil {
			text, err := readable(r.Body)
			if err != nil {
				p.failf("Driver.Readable does not read the body of request %d: %v", i+1, err)
				return
			}
			r.Body = []byte(text)
		}
		now := normal(r, p.subject.isMomentary)
		if i == 0 {
			first = now
			continue
		}
		for _, line := range now {
			if !slices.Contains(first, line) {
				p.failf("request %d has %s, which the first with the same events has not, and Driver.Momentary does not name it", i+1, short(line))
			}
		}
		for _, line := range first {
			if !slices.Contains(now, line) {
				p.failf("the first request has %s, which request %d with the same events has not, and Driver.Momentary does not name it", short(line), i+1)
			}
		}
	}
}

// othersKey is a secret of the same form: digits and letters are replaced by others.
func othersKey(secret string) string {
	other := []byte(secret)
	for i := len(other) - 1; i >= 0 && i > len(other)-5; i-- {
		switch c := other[i]; {
		case c >= '0' && c <= '8', c >= 'a' && c < 'f', c >= 'g' && c < 'z', c >= 'A' && c < 'F', c >= 'G' && c < 'Z':
			other[i]++
		case c == '9':
			other[i] = '0'
		case c == 'f':
			other[i] = 'a'
		case c == 'F':
			other[i] = 'A'
		}
	}
	return string(other)
}

func ownSecrets(p *probe) {
	mine := p.subject.settings(endpoint)
	theirs := maps.Clone(mine)
	for _, declared := range p.subject.Driver.Settings {
		if declared.Secret && theirs[declared.Name] != "" && !p.subject.followsEndpoint(declared.Name) {
			theirs[declared.Name] = othersKey(theirs[declared.Name])
		}
	}
	headers := map[string]string{}
	for name, value := range p.subject.Headers {
		headers[name] = othersKey(value)
	}
	if maps.Equal(mine, theirs) && maps.Equal(headers, p.subject.Headers) {
		return // nothing is secret
	}
	first, ok := p.open()
	if !ok {
		return
	}
	defer first.Close()
	second, err := p.tryOpen(theirs, func(c *driver.Config) {
		if len(headers) > 0 {
			c.Headers = headers
		}
	})
	if err != nil {
		return // a key that its form shows to be none
	}
	defer second.Close()
	for i, b := range []driver.Backend{first, second, first} {
		foreign := append(valuesOnlyIn(theirs, mine), valuesOnlyIn(headers, p.subject.Headers)...)
		if b == second {
			foreign = append(valuesOnlyIn(mine, theirs), valuesOnlyIn(p.subject.Headers, headers)...)
		}
		before := len(p.server.seen())
		p.send(b, sampleEvents(p.base, 10*i, 2))
		for _, x := range p.server.seen()[before:] {
			plain, _ := search(x.searchable(), canariesOf("a secret of another backend", foreign))
			for _, found := range plain {
				p.report(Finding{Message: "a request holds " + found, Exchange: x.dump()})
			}
		}
	}
}

// valuesOnlyIn are those of a map that another one has not under the same names.
func valuesOnlyIn(m, other map[string]string) (list []string) {
	for name, value := range m {
		if other[name] != value {
			list = append(list, value)
		}
	}
	return list
}

// thrice reports whether something takes longer than limit each of three times: once, or
// twice, it may be the machine that stalls.
func thrice(limit time.Duration, do func() bool) bool {
	for range 3 {
		started := time.Now()
		if !do() || time.Since(started) < limit {
			return false
		}
	}
	return true
}
