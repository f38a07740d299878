package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
)

// Intake is a server that takes what the http backend posts: a gateway, or a few lines in
// front of a database. The package comment of backends/httpjson is what it is held to.
type Intake struct {
	// Open starts one that has nothing.
	Open func() (*OpenIntake, error)
	// Tool is one whose events it takes. Empty means "mytool".
	Tool string
	// Refused makes an event one that it never takes. nil means that it takes all.
	Refused func(*driver.Event)
}

// OpenIntake is a server that runs.
type OpenIntake struct {
	// Endpoint is where events are posted, by plain http on this machine.
	Endpoint string
	// Stored returns the IDs of the events that it has, or has handed on, each as often as it
	// did.
	Stored func() []string
	// Away makes that it can keep nothing until back is called. nil means that this cannot be
	// tried.
	Away func() (back func())
	// Close ends it.
	Close func()
}

// intakeTime bounds each exchange: far above what a server takes that is busy.
const intakeTime = 30 * time.Second

// intakeChecks are what an intake is held to.
var intakeChecks = []struct {
	name string
	run  func(*intakeProbe)
}{
	{"what it accepts it has", acceptedIsStored},
	{"what comes again it has once", againIsOnce},
	{"each of many clients gets an answer of its own", manyClients},
	{"what it never takes it names, and has the rest", refusedIsNamed},
	{"what it cannot keep it does not accept", awayIsNotAccepted},
	{"what is no batch it does not accept, whatever its size", noBatch},
	{"half a batch leaves nothing", halfABatch},
}

// RunIntake holds a server to the contract of the http backend's other side.
func RunIntake(t *testing.T, in Intake) {
	t.Helper()
	for _, c := range intakeChecks {
		t.Run(c.name, func(t *testing.T) {
			for _, problem := range verifyIntake(in, c.run) {
				t.Error(problem)
			}
		})
	}
}

// VerifyIntake is RunIntake outside of a test. It returns what is wrong, none if nothing is.
func VerifyIntake(in Intake) []string {
	var problems []string
	for _, c := range intakeChecks {
		for _, problem := range verifyIntake(in, c.run) {
			problems = append(problems, c.name+": "+problem)
		}
	}
	return problems
}

func verifyIntake(in Intake, check func(*intakeProbe)) []string {
	opened, err := in.Open()
	if err != nil {
		return []string{"it cannot be opened: " + err.Error()}
	}
	defer opened.Close()
	p := &intakeProbe{Intake: in, OpenIntake: opened}
	if p.Tool == "" {
		p.Tool = "mytool"
	}
	check(p)
	return p.problems
}

// intakeProbe is one check of one server.
type intakeProbe struct {
	Intake
	*OpenIntake
	mu       sync.Mutex
	events   int
	problems []string
}

func (p *intakeProbe) failf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// batch makes events that have not been sent.
func (p *intakeProbe) batch(n int) []driver.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]driver.Event, n)
	for i := range list {
		p.events++
		list[i] = driver.Event{
			ID: fmt.Sprintf("0193a3c0-0000-7000-8000-%012x", p.events), Type: "command.invocation", Name: "remote add",
			Time: time.Now().UTC().Truncate(time.Millisecond), Tool: p.Tool, Version: "1.0.0", OS: "linux", Arch: "amd64",
			MachineID: "0123456789abcdef0123456789abcdef",
		}
	}
	return list
}

// send posts a batch as a tool does.
func (p *intakeProbe) send(list []driver.Event, compression string) error {
	b, err := httpjson.Driver().Open(driver.Config{Settings: map[string]string{"endpoint": p.Endpoint, "compression": compression}, Tool: p.Tool})
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), intakeTime)
	defer cancel()
	return b.Send(ctx, list)
}

// has compares what the server has with what it should have.
func (p *intakeProbe) has(when string, want []driver.Event) {
	ids := make([]string, len(want))
	for i := range want {
		ids[i] = want[i].ID
	}
	slices.Sort(ids)
	if got := slices.Sorted(slices.Values(p.Stored())); !slices.Equal(got, ids) {
		p.failf("%s: it has %d events, want %d, each once", when, len(got), len(ids))
	}
}

func acceptedIsStored(p *intakeProbe) {
	var all []driver.Event
	for _, compression := range []string{"none", "gzip"} {
		for _, size := range []int{1, 3, 500} {
			list := p.batch(size)
			all = append(all, list...)
			if err := p.send(list, compression); err != nil {
				p.failf("%d events, compression %s: %v", size, compression, err)
				return
			}
			p.has(fmt.Sprintf("%d events, compression %s", size, compression), all)
		}
	}
}

func againIsOnce(p *intakeProbe) {
	list := p.batch(7)
	for range 3 {
		if err := p.send(list, "gzip"); err != nil {
			p.failf("%v", err)
		}
	}
	p.has("after three times", list)
}

func manyClients(p *intakeProbe) {
	var all []driver.Event
	var wg sync.WaitGroup
	for n := range 20 {
		list := p.batch(5)
		all = append(all, list...)
		wg.Go(func() {
			if err := p.send(list, "gzip"); err != nil {
				p.failf("client %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	p.has("after all", all)
}

func refusedIsNamed(p *intakeProbe) {
	if p.Refused == nil {
		return
	}
	list := p.batch(5)
	p.Refused(&list[1])
	p.Refused(&list[3])
	var taken, rejected []string
	rest := list
	// It may say so at once, or of halves that come one after the other.
	for len(rest) > 0 {
		n := len(rest)
		err := p.send(rest, "gzip")
		for driver.Classify(err) == driver.ClassTooLarge && n > 1 {
			n /= 2
			err = p.send(rest[:n], "gzip")
		}
		partial, named := errors.AsType[*driver.Partial](err)
		switch {
		case err == nil:
			for _, e := range rest[:n] {
				taken = append(taken, e.ID)
			}
			rest = rest[n:]
		case driver.Classify(err) == driver.ClassPermanent && n == 1:
			rejected, rest = append(rejected, rest[0].ID), rest[1:]
		case named && len(partial.Accepted)+len(partial.Rejected) > 0:
			taken, rejected = append(taken, partial.Accepted...), append(rejected, partial.Rejected...)
			rest = slices.DeleteFunc(slices.Clone(rest), func(e driver.Event) bool {
				return slices.Contains(partial.Accepted, e.ID) || slices.Contains(partial.Rejected, e.ID)
			})
		default:
			p.failf("it neither takes nor refuses %d events: %v", len(rest), err)
			return
		}
	}
	if !sameSet(rejected, []string{list[1].ID, list[3].ID}) || !sameSet(taken, []string{list[0].ID, list[2].ID, list[4].ID}) {
		p.failf("it took %d events and refused %d, want 3 and the 2 that it never takes", len(taken), len(rejected))
	}
	p.has("afterwards", []driver.Event{list[0], list[2], list[4]})
}

func awayIsNotAccepted(p *intakeProbe) {
	if p.Away == nil {
		return
	}
	back := p.Away()
	list := p.batch(3)
	err := p.send(list, "gzip")
	if class := driver.Classify(err); class != driver.ClassUnknown && class != driver.ClassThrottled {
		p.failf("while it can keep nothing it answers %v (%v)", err, class)
	}
	back()
	for deadline := time.Now().Add(intakeTime); ; time.Sleep(100 * time.Millisecond) {
		if err = p.send(list, "gzip"); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		p.failf("when it can again: %v", err)
	}
	p.has("when it can again", list)
}

// intakeCanary is in everything that is no batch, and must not come back.
const intakeCanary = "c4n4ry-of-the-body"

// bomb is 64 MB of nothing.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 64<<20)) // a buffer takes all
	_ = z.Close()
	return b.Bytes()
})

func noBatch(p *intakeProbe) {
	for name, c := range map[string]struct {
		method, contentType, coding string
		body                        []byte
		kept                        bool // it may not say that the events are at fault
	}{
		"no JSON":                {"POST", "application/json", "", []byte(intakeCanary), false},
		"nothing":                {"POST", "application/json", "", nil, false},
		"half of an array":       {"POST", "application/json", "", []byte(`[{"id":"` + intakeCanary), false},
		"not packed":             {"POST", "application/json", "gzip", []byte(intakeCanary), false},
		"a bomb":                 {"POST", "application/json", "gzip", bomb(), false},
		"a coding of tomorrow":   {"POST", "application/json", "c4n4ry", []byte(`[]`), true},
		"a method that is none":  {"GET", "", "", nil, true},
		"twenty megabytes plain": {"POST", "application/json", "", bytes.Repeat([]byte(" "), 20<<20), false},
	} {
		req, err := http.NewRequest(c.method, p.Endpoint, bytes.NewReader(c.body))
		if err != nil {
			p.failf("%s: %v", name, err)
			return
		}
		req.Header.Set("Content-Type", c.contentType)
		if c.coding != "" {
			req.Header.Set("Content-Encoding", c.coding)
		}
		client := &http.Client{Timeout: intakeTime, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			if name == "twenty megabytes plain" {
				continue // it may hang up on who sends so much
			}
			p.failf("%s: no answer: %v", name, err)
			continue
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		switch {
		case resp.StatusCode < 400 || resp.StatusCode > 599:
			p.failf("%s: it answers %d", name, resp.StatusCode)
		case c.kept && slices.Contains([]int{400, 409, 422}, resp.StatusCode):
			p.failf("%s: it answers %d, which would lose the events of a tool that is not at fault", name, resp.StatusCode)
		case strings.Contains(string(text), intakeCanary):
			p.failf("%s: the answer repeats the body", name)
		}
	}
	p.has("afterwards", nil)
}

func halfABatch(p *intakeProbe) {
	u, err := url.Parse(p.Endpoint)
	if err != nil {
		p.failf("%v", err)
		return
	}
	conn, err := net.DialTimeout("tcp", u.Host, intakeTime)
	if err != nil {
		p.failf("%v", err)
		return
	}
	body := driver.AppendJSONArray(nil, p.batch(4))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		u.RequestURI(), u.Host, len(body), body[:len(body)*3/4])
	conn.Close()
	list := p.batch(2)
	if err := p.send(list, "gzip"); err != nil {
		p.failf("afterwards: %v", err)
	}
	p.has("afterwards", list)
}
