// Package page serves one document about an installation to the person who runs the tool:
// to the browser on this machine that was given its address, and to no other. It only
// shows what it is given, needs no script and loads nothing from elsewhere.
package page

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Limit is how long a page is served at most.
const Limit = 10 * time.Minute

// Options are what a caller may want to be different. The zero value is English and the real
// clock, and no person is told the address.
type Options struct {
	// Ready is called once, from Serve, with the address to open. It works once, and a program that
	// has it first has the page: it goes to the person's terminal or browser only. Serve
	// notices no ending before Ready returns.
	Ready func(address string)
	// Translate returns a text of Texts in the reader's language; values keep their verbs
	// (%s) and their order. Language is its tag for the document, such as "de".
	Translate func(text string) string
	Language  string
	// Now is the clock that the limit is measured by.
	Now func() time.Time
}

// Ending says why a page is no longer served.
type Ending string

// The endings.
const (
	Closed    Ending = "closed"    // the person closed the page
	TimeUp    Ending = "time_up"   // Limit is over
	Cancelled Ending = "cancelled" // the context ended
)

const (
	// watchEvery is how often the ending is looked for. The clock is asked instead of a timer
	// set, because a timer stands still while the machine sleeps.
	watchEvery = time.Second
	// maxStrangers is how many connections there may be at once that have not shown that they
	// are the person's browser: browsers open six. With one more, the oldest is ended: who only
	// holds connections open must not keep the person out.
	maxStrangers = 32
)

// Serve serves the page on loopback at a port that the system chooses, until the person
// closes it, Limit is over or ctx ends, and says which it was. load is called for each look
// at the page, never twice at once; its context ends with the serving. The error says that
// the page could not be served at all.
func Serve(ctx context.Context, load func(context.Context) (Data, error), o Options) (Ending, error) {
	listener, err := listen()
	if err != nil {
		return "", fmt.Errorf("listening on this machine: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Translate == nil {
		o.Translate, o.Language = func(text string) string { return text }, "en"
	}
	s := &server{
		load: load, options: o,
		host: listener.Addr().String(), folder: rand.Text()[:folderLength], token: rand.Text(), session: rand.Text(),
		life: life{now: o.Now, began: o.Now()},
	}
	serving, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	failed := make(chan error, 1)
	running.Go(func() { failed <- s.accept(serving, listener, &running) })
	if o.Ready != nil {
		o.Ready("http://" + s.host + "/" + s.folder + "/" + s.token)
	}
	ending, err := s.watch(ctx, failed)
	stop()
	listener.Close()
	running.Wait()
	return ending, err
}

// listen takes the IPv6 loopback only where there is no other.
func listen() (net.Listener, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		return listener, nil
	}
	other, err6 := net.Listen("tcp6", "[::1]:0")
	if err6 != nil {
		return nil, errors.Join(err, err6)
	}
	return other, nil
}

// accept answers connections, each once, until serving ends.
func (s *server) accept(serving context.Context, listener net.Listener, running *sync.WaitGroup) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		s.strangers.add(conn)
		running.Go(func() {
			defer s.strangers.remove(conn)
			defer conn.Close()
			ended := context.AfterFunc(serving, func() { conn.Close() })
			defer ended()
			s.serve(serving, conn)
		})
	}
}

// strangers are the connections of which it is not yet known whose they are, oldest first. Its
// methods may be called by several goroutines.
type strangers struct {
	mu   sync.Mutex
	list []net.Conn
}

func (s *strangers) add(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= maxStrangers {
		s.list[0].Close()
		s.list = s.list[1:]
	}
	s.list = append(s.list, conn)
}

// remove forgets a connection that is over, or the person's.
func (s *strangers) remove(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(c net.Conn) bool { return c == conn })
}

// watch returns when and why the page is over.
func (s *server) watch(ctx context.Context, failed <-chan error) (Ending, error) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return Cancelled, nil
		case err := <-failed:
			if ctx.Err() != nil {
				return Cancelled, nil
			}
			return "", fmt.Errorf("serving on this machine: %w", err)
		case <-ticker.C:
			if ending := s.life.over(); ending != "" {
				return ending, nil
			}
		}
	}
}

// life is how long a page is served. Its methods may be called by several goroutines.
type life struct {
	now   func() time.Time
	began time.Time

	mu sync.Mutex
	// beating says that a browser keeps the page's frame alive; seen is when it, or any
	// request of it, was there last.
	beating bool
	seen    time.Time
}

// beatEvery is how often the page's frame is loaded again, and gone how long after the last
// sign of it the page counts as closed: a browser that is busy with something else leaves
// some out, and a page that ends while it is read is worse than one that ends late.
const (
	beatEvery = 5 * time.Second
	gone      = 30 * time.Second
)

// sign notes that the browser is there.
func (l *life) sign(beat bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beating = l.beating || beat
	l.seen = l.now()
}

// over returns why the page is over, or nothing.
func (l *life) over() Ending {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	switch {
	case passed(l.began, now) >= Limit:
		return TimeUp
	case l.beating && passed(l.seen, now) >= gone:
		return Closed
	}
	return ""
}

// passed is the time between two looks at the clock: that of the running machine, and that
// on the wall where it is longer, because the machine slept.
func passed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
