//go:build linux

package torture

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gotoolbase/telemetry/core/driver"
)

// intake is the receiver: an HTTP server that remembers every request that reached it
// whole, and that misbehaves as servers do.
type intake struct {
	*httptest.Server
	mu     sync.Mutex
	random *rand.Rand
	// calm says that everything is taken, and calmed is closed as soon as that is so.
	calm     bool
	calmed   chan struct{}
	mood     mood
	requests []request
}

// mood is how an intake answers before it is calm.
type mood string

const (
	moody     mood = "moody" // something else each time, mostly well
	hangs     mood = "hangs"
	drips     mood = "drips"
	resets    mood = "resets"
	isLate    mood = "is late"
	all413    mood = "answers 413"
	all400    mood = "answers 400"
	isFine    mood = "is fine"
	threeWays mood = "hangs, resets and is late"
)

// request is one batch that arrived, whatever was answered.
type request struct {
	actor string
	// at is when its last byte reached this machine's network stack. The sender may have
	// been killed since, and this process may have come to read it much later.
	at     int64
	events []driver.Event
	answer string
	// digest is the SHA-256 of its body as it came over the wire, in hexadecimal.
	digest string
}

// What the intake answers.
const (
	taken    = "taken"     // 202
	lost     = "lost"      // stored, but the connection breaks before the answer
	failed   = "failed"    // 503, not stored
	tooLarge = "too large" // 413, not stored
	refused  = "refused"   // 400, not stored
	reset    = "reset"     // as lost, by a reset of the connection
	dripped  = "dripped"   // as taken, a byte at a time
	hung     = "hung"      // nothing, not stored
)

// largestBatch is what the intake takes at once, so that a slot becomes several batches
// and a no can come between them.
const largestBatch = 8

func newIntake(t testing.TB, random *rand.Rand) *intake {
	in := &intake{random: random, mood: moody, calmed: make(chan struct{})}
	in.Server = httptest.NewUnstartedServer(in)
	listener, err := listenStamped()
	if err != nil {
		t.Fatal(err)
	}
	in.Listener.Close()
	in.Listener = listener
	in.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	in.Start()
	t.Cleanup(in.Close)
	return in
}

type connKey struct{}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	events, digest, err := decode(r)
	if err != nil {
		return // cut off: its sender was killed in the middle of it
	}
	at := r.Context().Value(connKey{}).(*stampedConn).last.Load()
	answer, delay := in.choose(len(events))
	kept := request{actor: r.Header.Get(actorHeader), at: at, events: events, answer: answer, digest: digest}
	switch answer {
	case reset:
		kept.answer = lost
	case dripped:
		kept.answer = taken
	case hung:
		kept.answer = failed
	}
	in.mu.Lock()
	n := len(in.requests)
	in.requests = append(in.requests, kept)
	in.mu.Unlock()
	if !in.wait(r, delay) && kept.answer == taken {
		in.unanswered(n)
	}
	switch answer {
	case taken:
		w.WriteHeader(http.StatusAccepted)
	case lost:
		panic(http.ErrAbortHandler)
	case failed:
		w.WriteHeader(http.StatusServiceUnavailable)
	case tooLarge:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case refused:
		w.WriteHeader(http.StatusBadRequest)
	case hung:
		in.wait(r, time.Hour)
		panic(http.ErrAbortHandler)
	case reset:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.(*stampedConn).Conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	case dripped:
		if !in.drip(w, r) {
			in.unanswered(n)
		}
	}
}

// wait reports whether the sender was still there after the delay, or when the intake became calm.
func (in *intake) wait(r *http.Request, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-in.calmed:
	case <-r.Context().Done():
	}
	return r.Context().Err() == nil
}

// unanswered notes that what was to be said of a request did not reach its sender.
func (in *intake) unanswered(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.requests[n].answer = lost
}

// drip answers a byte at a time, and reports whether the sender read to the end.
func (in *intake) drip(w http.ResponseWriter, r *http.Request) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	for _, b := range []byte("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") {
		if _, err := conn.Write([]byte{b}); err != nil {
			return false
		}
		select {
		case <-time.After(25 * time.Millisecond): // 1.7 s in all: more than a command in CI has
		case <-in.calmed:
		}
	}
	return true
}

// decode returns the events of a request and the digest of its body.
func decode(r *http.Request) (events []driver.Event, digest string, err error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(raw)
	data := raw
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, "", err
		}
		if data, err = io.ReadAll(unpacked); err != nil {
			return nil, "", err
		}
	}
	return events, hex.EncodeToString(sum[:]), json.Unmarshal(data, &events)
}

func (in *intake) choose(events int) (answer string, delay time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if events > largestBatch {
		return tooLarge, 0
	}
	now := in.mood
	if in.calm {
		now = isFine
	}
	if now == threeWays {
		now = []mood{hangs, resets, isLate}[in.random.IntN(3)]
	}
	switch now {
	case isFine:
		return taken, 0
	case hangs:
		return hung, 0
	case drips:
		return dripped, 0
	case resets:
		return reset, 0
	case isLate:
		return taken, time.Second + upTo(in.random, time.Second)
	case all413:
		return tooLarge, 0
	case all400:
		return refused, 0
	}
	switch in.random.IntN(12) {
	case 0:
		return lost, 0
	case 1:
		return failed, 0
	case 2:
		return taken, upTo(in.random, 30*time.Millisecond)
	case 3, 4:
		return taken, upTo(in.random, 3*time.Millisecond)
	}
	return taken, 0
}

// behave makes the intake take everything from now on.
func (in *intake) behave() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.calm {
		in.calm = true
		close(in.calmed)
	}
}

func (in *intake) all() []request {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]request(nil), in.requests...)
}

// stampedListener accepts connections on which the kernel stamps what arrives. Which came
// first, a batch or the return of a `disable`, could not be told from when this process
// comes to read the batch.
type stampedListener struct{ net.Listener }

func listenStamped() (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
		})
		return errors.Join(err, controlErr)
	}}
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return stampedListener{l}, nil
}

func (l stampedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	return &stampedConn{Conn: c, raw: raw}, nil
}

type stampedConn struct {
	net.Conn
	raw  syscall.RawConn
	last atomic.Int64 // when the last byte that was read had arrived
}

func (c *stampedConn) Read(b []byte) (n int, err error) {
	control := make([]byte, 64)
	controlLength := 0
	waitErr := c.raw.Read(func(fd uintptr) bool {
		n, controlLength, _, _, err = syscall.Recvmsg(int(fd), b, control, 0)
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, os.NewSyscallError("recvmsg", err)
	case n == 0:
		return 0, io.EOF
	}
	c.last.Store(stamp(control[:controlLength]))
	return n, nil
}

// unstamped counts reads that the kernel did not stamp: they have the time of the reading.
var unstamped atomic.Int64

func stamp(control []byte) int64 {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err == nil {
		for _, m := range messages {
			if m.Header.Level == syscall.SOL_SOCKET && m.Header.Type == syscall.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(syscall.Timespec{})) {
				return (*syscall.Timespec)(unsafe.Pointer(&m.Data[0])).Nano()
			}
		}
	}
	unstamped.Add(1)
	return wall()
}
