package conformance

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

func lifecycleChecks() []Check {
	return []Check{
		{ID: "lifecycle/open-and-close-are-silent", Level: Must,
			Sentence: "Neither Open nor Close contacts anybody or writes anything, also after a Send that failed.", do: silentEnds},
		{ID: "lifecycle/close-twice", Level: Must,
			Sentence: "Close may be called twice, and says nothing the second time.", do: closeTwice},
		{ID: "lifecycle/close-during-send", Level: Must, needs: []need{connected},
			Sentence: "Close returns at once while Send runs, which then fails or completes.", do: closeDuringSend},
		{ID: "lifecycle/send-after-close", Level: Must,
			Sentence: "A Send after Close fails or delivers, and does not claim what it did not do.", do: sendAfterClose},
		{ID: "lifecycle/no-goroutine-left", Level: Must,
			Sentence: "After Close no goroutine is left.", do: noGoroutineLeft},
		{ID: "lifecycle/no-connection-left", Level: Must, needs: []need{anyNetwork},
			Sentence: "After Close no connection is left.", do: noConnectionLeft},
		{ID: "lifecycle/no-file-left-open", Level: Must, where: here, watchdog: 4 * time.Minute,
			Sentence: "After Close no file is left open.", do: noFileLeft},
		{ID: "lifecycle/config-copied", Level: Must,
			Sentence: "The maps of the configuration are the caller's again after Open.", do: configCopied},
		{ID: "lifecycle/instances-are-independent", Level: Must, needs: []need{keepsSomething},
			Sentence: "Two backends of one driver do not share anything.", do: independentInstances},
	}
}

func silentEnds(p *probe) {
	nothing := func(when string, requests int) {
		time.Sleep(shortTime() / 6) // for what is done behind the caller's back
		if n := p.attempts() - requests; n > 0 {
			p.failf("%s made %d requests", when, n)
		}
		if n := len(p.stdout.bytes()); n > 0 && p.subject.Driver.Local {
			p.failOnly("%s printed %q", when, p.stdout.bytes())
		}
		if files, err := os.ReadDir(p.dir); err != nil || len(files) > 0 {
			p.failOnly("%s wrote files: %v %v", when, files, err)
		}
	}
	b, ok := p.open()
	if !ok {
		return
	}
	nothing("Open", 0)
	if p.subject.Driver.Local {
		p.closeInTime(b)
		nothing("Close", 0)
		return
	}
	p.closeInTime(b)
	// Each failure has a backend of its own, and all of them are closed before the wait.
	var failed []driver.Backend
	for _, react := range p.failing() {
		b, ok := p.open()
		if !ok {
			return
		}
		p.server.reactWith(react)
		p.send(b, p.batch(2))
		p.accept()
		failed = append(failed, b)
	}
	requests := p.attempts()
	for _, b := range failed {
		p.closeInTime(b)
	}
	nothing("Close after a failure", requests)
}

// failing are the ways in which a vendor that is reached does not take a batch.
func (p *probe) failing() []reaction {
	list := []reaction{drop}
	for _, status := range []int{302, 400, 401, 413, 429, 500, 502, 503, 504} {
		list = append(list, answer(p.answerWith(status)))
	}
	return list
}

// closeInTime calls Close and does not wait for it long.
func (p *probe) closeInTime(b driver.Backend) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				p.failf("Close panicked: %v", v)
				done <- nil
			}
		}()
		err := b.Close()
		p.hear(err)
		done <- err
	}()
	err, ok := within(done, slack())
	if !ok {
		p.failf("Close had not returned after %v", slack())
	}
	return err
}

func closeTwice(p *probe) {
	for _, react := range append(p.failing(), answer(p.subject.Accepted)) {
		b, ok := p.open()
		if !ok {
			return
		}
		p.server.reactWith(react)
		p.send(b, p.batch(2))
		for _, when := range []string{"the first", "the second"} {
			if err := p.closeInTime(b); err != nil {
				p.failOnly("%s Close returned %v", when, err)
			}
		}
		if p.subject.Driver.Local || len(p.found()) > 0 {
			return
		}
	}
}

func closeDuringSend(p *probe) {
	const atOnce = time.Second // hundreds of times what it takes to close a connection
	late := thrice(atOnce, func() bool {
		b, ok := p.open()
		if !ok {
			return false
		}
		return p.closesWhileSending(b)
	})
	if late {
		p.failf("Close took longer than %v while Send ran, three times", atOnce)
	}
}

// closesWhileSending closes b while Send waits for an answer, and reports whether Close
// returned.
func (p *probe) closesWhileSending(b driver.Backend) bool {
	waiting := p.hangs()
	// Longer than Close may take, so that a Close which waits for Send shows.
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	sent := make(chan verdict, 1)
	go func() { sent <- p.sendUnder(ctx, b, p.batch(2), longTime()+slack()) }()
	select {
	case <-waiting:
	case v := <-sent:
		p.failf("Send returned %v before an answer", v)
		return false
	}
	p.closeInTime(b)
	closed := len(p.found()) == 0
	cancel()
	if v, ok := within(sent, slack()); !ok {
		p.failf("Send had not returned %v after Close and after its context was cancelled", slack())
	} else if v.accepted() {
		p.failf("Send returned nil without an answer")
	}
	return closed
}

func sendAfterClose(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	p.closeInTime(b)
	batch := p.batch(2)
	v := p.send(b, batch)
	switch {
	case v.late:
	case v.accepted():
		p.expect(batch)
	case !v.kept():
		p.failf("Send after Close returned %v, want the batch kept", v)
	}
}

// used opens a backend, lets it meet success and failure, and closes it.
func (p *probe) used() bool {
	b, ok := p.open()
	if !ok {
		return false
	}
	p.send(b, p.batch(3))
	if !p.subject.Driver.Local {
		p.server.reactWith(answer(p.answerWith(503)))
		p.send(b, p.batch(3))
		p.server.reactWith(answer(p.answerWith(400)))
		p.send(b, p.batch(3))
		p.server.reactWith(drop)
		p.send(b, p.batch(3))
		p.accept()
		p.send(b, p.batch(3))
	}
	p.closeInTime(b)
	return true
}

// settles waits for something that ends by itself, and reports whether it did.
func settles(done func() bool) bool { return settlesWithin(patient(5*time.Second), done) }

func settlesWithin(limit time.Duration, done func() bool) bool {
	// In turns for the reason that within has, and ever longer ones: looking costs something.
	turn := 5 * time.Millisecond
	for passed := time.Duration(0); !done(); passed += turn {
		if passed >= limit {
			return false
		}
		turn = min(2*turn, 100*time.Millisecond)
		time.Sleep(turn)
	}
	return true
}

func noGoroutineLeft(p *probe) {
	if !p.used() {
		return
	}
	p.wire.CloseIdleConnections() // whose absence is another check's to find
	var left string
	if !settles(func() bool { left = labelled(p.label); return strings.Count(left, " @ ") <= 1 }) { // one is this check
		p.failOnly("goroutines are left:\n%s", left)
	}
}

func noConnectionLeft(p *probe) {
	if !p.used() {
		return
	}
	if !settles(func() bool { return p.wire.open() == 0 }) {
		p.failOnly("%d connections are left", p.wire.open())
	}
}

func configCopied(p *probe) {
	var config driver.Config
	b, err := p.tryOpen(p.subject.settings(endpoint), func(c *driver.Config) {
		headers := map[string]string{}
		for k, v := range c.Headers {
			headers[k] = v
		}
		if c.Headers != nil {
			c.Headers = headers
		}
		config = *c
	})
	if err != nil {
		p.failOnly("the backend cannot be opened: %v", err)
		return
	}
	defer b.Close()
	for name := range config.Settings {
		config.Settings[name] = reused
	}
	for name := range config.Headers {
		config.Headers[name] = reused
	}
	config.Settings["later"] = reused
	batch := p.batch(2)
	if v := p.send(b, batch); !v.accepted() {
		p.failf("after the configuration's maps had been changed, Send returned %v", v)
	}
	for _, u := range p.wire.asked() {
		if strings.Contains(u.String(), reused) {
			p.failf("the settings were read after Open: %s", u)
		}
	}
	for _, x := range p.server.seen() {
		if strings.Contains(string(x.Raw)+string(x.Body), reused) {
			p.failf("the configuration was read after Open")
		}
	}
	p.expect(batch)
}

func independentInstances(p *probe) {
	other, err := newProbe(p.session)
	if err != nil {
		p.failOnly("the suite could not prepare a second vendor: %v", err)
		return
	}
	defer other.close()
	first, ok := p.open()
	if !ok {
		return
	}
	second, ok := other.open()
	if !ok {
		return
	}
	defer second.Close()
	mine, theirs := p.batch(2), sampleEvents(p.base, 50, 2)
	p.send(first, mine)
	p.closeInTime(first)
	if v := other.send(second, theirs); !v.accepted() {
		p.failf("after another backend of the driver was closed, Send returned %v", v)
	}
	p.expect(mine)
	other.expect(theirs)
	for _, f := range other.found() {
		p.report(f)
	}
}

func asPartial(err error) (*driver.Partial, bool) {
	var partial *driver.Partial
	ok := errors.As(err, &partial)
	return partial, ok
}

func noFileLeft(p *probe) {
	pl, ok := p.plantedRun()
	if !ok {
		return
	}
	if pl.account.FilesAfter > pl.account.FilesBefore {
		p.failOnly("%d files were open before three rounds of Open, Send and Close, and %d after:\n%s",
			pl.account.FilesBefore, pl.account.FilesAfter, strings.Join(pl.account.Open, "\n"))
	}
}
