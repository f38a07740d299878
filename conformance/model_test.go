package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// The model is a vendor that has everything a check can ask for, and a backend for it
// that keeps the contract. Mutants replace one of its parts.
//
// Its documentation: POST https://<region>.intake.example/v2/batch with the header X-Key
// and the body
//
//	{"sent_at": time, "store_ip": false, "events": [{"uuid", "kind", "event", "at", "ms", "exit",
//	 "argv", "error", "tool", "version", "os", "arch", "os_version", "go", "subject", "consent", "props", "cut"}]}
//
// answers 200 and {"status":"ok"}, or {"status":"busy"} where it has not taken them. With "rejected":[uuid] the others were taken; with
// "quota":"exceeded" none was. "nameless":[uuid] are among those that were taken, and belong
// to nobody. 400 and {"errors":[text]} refuses a batch for one event in
// it, 400 and {"rejected":[uuid]} says for which. At most 100 events and 200 000 bytes.
type model struct {
	// describe changes the driver, open what Open is given.
	describe func(*driver.Driver)
	open     func(*driver.Config) error
	opened   func(*modelBackend)
	// send goes around the good Send.
	send func(b *modelBackend, ctx context.Context, events []driver.Event) error
	// item and body change what is encoded, request the request.
	item    func(*modelItem)
	body    func(map[string]any, []driver.Event)
	request func(*http.Request)
	// escape makes the JSON fit for a web page.
	escape bool
	// exchange replaces the call of the client, read how much of the answer is read.
	exchange func(b *modelBackend, r *http.Request) (*http.Response, error)
	read     func(io.Reader) ([]byte, error)
	// broken makes an error of a failed exchange, judge of an answer.
	broken func(b *modelBackend, r *http.Request, err error) error
	judge  func(b *modelBackend, events []driver.Event, r *http.Response, text []byte) error
	// close replaces Close.
	close func(*modelBackend) error
}

type modelItem struct {
	ID           string            `json:"uuid"`
	Type         string            `json:"kind"`
	Name         string            `json:"event"`
	Time         string            `json:"at"`
	Duration     *int64            `json:"ms,omitempty"`
	Exit         *int              `json:"exit,omitempty"`
	Args         []string          `json:"argv,omitempty"`
	Error        string            `json:"error,omitempty"`
	Tool         string            `json:"tool"`
	Version      string            `json:"version,omitempty"`
	OS           string            `json:"os"`
	Arch         string            `json:"arch"`
	OSVersion    string            `json:"os_version,omitempty"`
	Go           string            `json:"go,omitempty"`
	Machine      string            `json:"subject"`
	Consent      string            `json:"consent,omitempty"`
	Flags        []string          `json:"flags,omitempty"`
	Class        string            `json:"error_class,omitempty"`
	CI           bool              `json:"ci"`
	CIProvider   string            `json:"ci_provider,omitempty"`
	Interactive  bool              `json:"interactive"`
	Agent        string            `json:"agent,omitempty"`
	Container    bool              `json:"container"`
	Run          string            `json:"run_id,omitempty"`
	Count        int               `json:"count,omitempty"`
	Failures     int               `json:"failures,omitempty"`
	Durations    []int             `json:"durations,omitempty"`
	SampleRate   int               `json:"sample_rate,omitempty"`
	Redacted     int               `json:"redacted,omitempty"`
	TimeAdjusted bool              `json:"time_adjusted,omitempty"`
	Meta         map[string]string `json:"props,omitempty"`
	Truncated    int               `json:"cut,omitempty"`
	// extra is added at the top level.
	extra map[string]any
}

type modelBackend struct {
	model
	url, key, region string
	tool, version    string
	client           *http.Client
	state            modelState
}

func (m model) driver() driver.Driver {
	d := driver.Driver{
		Name: "model", Doc: "a vendor that exists in tests only",
		Settings: []driver.Setting{
			{Name: "region", Doc: "us or eu", Required: true, Values: []string{"us", "eu"}},
			{Name: "key", Doc: "the project's key", Required: true, Secret: true, Check: checkModelKey},
		},
		Warnings:  []driver.Warning{{Name: "belongs_to_nobody", Doc: "the event is stored, and will not be found by the machine ID", NotDeletable: true}},
		Limits:    driver.Limits{Events: 100, Bytes: 150_000, EventBytes: 20_000},
		Momentary: []string{"sent_at"},
		Hosts:     func(s map[string]string) []string { return []string{s["region"] + ".intake.example"} },
		Open: func(c driver.Config) (driver.Backend, error) {
			if m.open != nil {
				if err := m.open(&c); err != nil {
					return nil, err
				}
			}
			b := &modelBackend{model: m, key: c.Settings["key"], region: c.Settings["region"], tool: c.Tool, version: c.Version}
			b.url = "https://" + b.region + ".intake.example/v2/batch"
			b.client = &http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			if m.opened != nil {
				m.opened(b)
			}
			return b, nil
		},
	}
	if m.describe != nil {
		m.describe(&d)
	}
	return d
}

// checkModelKey refuses a key that no header can hold.
func checkModelKey(key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' }) {
		return errors.New("holds a control character")
	}
	return nil
}

func (b *modelBackend) Send(ctx context.Context, events []driver.Event) error {
	if b.send != nil {
		return b.send(b, ctx, events)
	}
	return b.deliver(ctx, events)
}

func (b *modelBackend) deliver(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	return b.post(ctx, events)
}

func (b *modelBackend) post(ctx context.Context, events []driver.Event) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, bytes.NewReader(b.encode(events)))
	if err != nil {
		return errors.New("model: no request can be made")
	}
	r.GetBody = nil
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", strings.Map(printableOnly, b.tool+"/"+b.version))
	r.Header.Set("X-Key", b.key)
	if b.request != nil {
		b.request(r)
	}
	exchange := func(_ *modelBackend, r *http.Request) (*http.Response, error) { return b.client.Do(r) }
	if b.exchange != nil {
		exchange = b.exchange
	}
	resp, err := exchange(b, r)
	if err != nil {
		if b.broken != nil {
			return b.broken(b, r, err)
		}
		return errors.New("model: no answer")
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return errors.New("model: answered 101") // its body has no end, and no deadline
	}
	read := func(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, 64<<10)) }
	if b.read != nil {
		read = b.read
	}
	text, err := read(resp.Body)
	if err != nil {
		if b.broken != nil {
			return b.broken(b, r, err)
		}
		return errors.New("model: the answer is cut")
	}
	if b.judge != nil {
		return b.judge(b, events, resp, text)
	}
	return b.verdict(events, resp, text)
}

func (b *modelBackend) verdict(events []driver.Event, resp *http.Response, text []byte) error {
	err := fmt.Errorf("model: answered %d", resp.StatusCode)
	switch status := resp.StatusCode; {
	case status == 200:
		return b.accepted(events, text)
	case status == 413:
		return driver.TooLarge(err)
	case status == 408, status == 429, status >= 500:
		if wait, ok := modelWait(resp.Header.Get("Retry-After")); ok {
			return driver.Throttled(err, wait)
		}
		return err
	case status >= 400 && isPage(resp, text):
		return err
	case status == 400:
		return b.refused(err, events, text)
	case status >= 400:
		return driver.Throttled(err, time.Hour)
	}
	return err
}

func isPage(resp *http.Response, text []byte) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || bytes.HasPrefix(text, []byte("<"))
}

func (b *modelBackend) refused(err error, events []driver.Event, text []byte) error {
	var said struct{ Errors, Rejected []string }
	_ = json.Unmarshal(text, &said)
	switch rejected := sentAmong(said.Rejected, events); {
	case len(rejected) > 0:
		return &driver.Partial{Rejected: rejected, Err: err}
	case len(said.Errors) > 0:
		return driver.Refused(err, len(events))
	}
	return err // not a word of the vendor's
}

func (b *modelBackend) accepted(events []driver.Event, text []byte) error {
	var said struct {
		Status, Quota      string
		Rejected, Nameless []string
	}
	err := json.Unmarshal(text, &said)
	rejected, nameless := sentAmong(said.Rejected, events), sentAmong(said.Nameless, events)
	both := slices.ContainsFunc(nameless, func(id string) bool { return slices.Contains(rejected, id) })
	switch {
	case err != nil, said.Status != "ok", both, len(rejected) < len(said.Rejected), len(nameless) < len(said.Nameless):
		return errors.New("model: not a word of the vendor's")
	case said.Quota != "":
		return driver.Throttled(errors.New("model: the quota is used up"), time.Hour)
	case len(rejected)+len(nameless) == 0:
		return nil
	}
	partial := &driver.Partial{Rejected: rejected}
	if len(rejected) > 0 {
		partial.Err = errors.New("model: some were refused")
	}
	if len(nameless) > 0 {
		partial.Warnings = map[string]int{"belongs_to_nobody": len(nameless)}
	}
	for _, e := range events {
		if !slices.Contains(rejected, e.ID) {
			partial.Accepted = append(partial.Accepted, e.ID)
		}
	}
	return partial
}

// sentAmong returns those IDs that are in the batch, each once.
func sentAmong(ids []string, events []driver.Event) []string {
	var list []string
	for _, e := range events {
		if slices.Contains(ids, e.ID) {
			list = append(list, e.ID)
		}
	}
	return list
}

func modelWait(value string) (time.Duration, bool) {
	const longest = 24 * time.Hour
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), longest), true
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || seconds < 0 {
		return 0, false
	}
	return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second)), true
}

func (b *modelBackend) Close() error {
	if b.close != nil {
		return b.close(b)
	}
	b.client.CloseIdleConnections()
	return nil
}

func (b *modelBackend) encode(events []driver.Event) []byte {
	items := []json.RawMessage{}
	for _, e := range events {
		item := modelItem{
			ID: e.ID, Type: e.Type, Name: e.Name, Time: e.Time.Format(time.RFC3339Nano), Duration: e.DurationMS, Exit: e.ExitCode,
			Args: e.Args, Error: e.Error, Tool: e.Tool, Version: e.Version, OS: e.OS, Arch: e.Arch, OSVersion: e.OSVersion,
			Go: e.GoVersion, Machine: e.MachineID, Consent: e.ConsentID, Meta: e.Metadata, Truncated: e.Truncated,
			Flags: e.Flags, Class: e.ErrorClass, CI: e.CI, CIProvider: e.CIProvider, Interactive: e.Interactive, Agent: e.Agent,
			Container: e.Container, Run: e.RunID, Count: e.Count, Failures: e.Failures, Durations: e.Durations, SampleRate: e.SampleRate,
			Redacted: e.Redacted, TimeAdjusted: e.TimeAdjusted,
		}
		if b.item != nil {
			b.item(&item)
		}
		text := b.marshal(item)
		if item.extra != nil {
			var all map[string]any
			d := json.NewDecoder(bytes.NewReader(text))
			d.UseNumber()
			_ = d.Decode(&all)
			for k, v := range item.extra {
				all[k] = v
			}
			text = b.marshal(all)
		}
		items = append(items, text)
	}
	body := map[string]any{"sent_at": time.Now().UTC().Format(time.RFC3339Nano), "store_ip": false, "events": items}
	if b.body != nil {
		b.body(body, events)
	}
	return b.marshal(body)
}

// marshal is json.Marshal without what makes JSON safe to stand in a web page and six
// times as large. Values of texts and numbers cannot fail.
func (b *modelBackend) marshal(v any) []byte {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(b.escape)
	_ = e.Encode(v)
	return text.Bytes()
}

// printableOnly leaves out what no header can hold.
func printableOnly(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// modelSubject describes the model to the suite, from the model's documentation.
func modelSubject(m model) Subject {
	const ok = `{"status":"ok"}`
	return Subject{
		Driver:   m.driver(),
		Settings: func(string) map[string]string { return map[string]string{"region": "eu", "key": "mk-0123456789abcdef"} },
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: driver.ClassUnknown, 204: driver.ClassUnknown,
			400: driver.ClassTooLarge, 401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 413: driver.ClassTooLarge, 429: driver.ClassUnknown,
			500: driver.ClassUnknown, 502: driver.ClassUnknown, 503: driver.ClassUnknown, 504: driver.ClassUnknown,
		},
		Accepted:    Answer{Body: ok},
		BodyDecides: true,
		NotAccepted: []Answer{{Body: `{"status":"ok","quota":"exceeded"}`}},
		NotRefused:  []Answer{{Status: 400}, {Status: 400, Type: "text/plain", Body: "Bad Request"}},
		Answers: []Meaning{
			{Name: "the intake is busy", Answer: Answer{Body: `{"status":"busy"}`}, Class: driver.ClassUnknown},
			{Name: "an event has no name", Answer: Answer{Status: 400, Body: `{"errors":["event 2 has no name"]}`}, Class: driver.ClassTooLarge},
		},
		Partial: []Verdicts{{
			Name:   "the second is rejected",
			Answer: func(b []Received) Answer { return Answer{Body: `{"status":"ok","rejected":["` + b[1].ID + `"]}`} },
			Want: func(b []Received) driver.Partial {
				return driver.Partial{Accepted: []string{b[0].ID, b[2].ID}, Rejected: []string{b[1].ID}}
			},
		}, {
			Name:   "the second spoils the batch",
			Answer: func(b []Received) Answer { return Answer{Status: 400, Body: `{"rejected":["` + b[1].ID + `"]}`} },
			Want:   func(b []Received) driver.Partial { return driver.Partial{Rejected: []string{b[1].ID}} },
		}, {
			Name: "the first is taken, the others are rejected", Sizes: []int{1, 2, 3, 50},
			Answer: func(b []Received) Answer {
				text, _ := json.Marshal(map[string]any{"status": "ok", "rejected": receivedIDs(b[1:])})
				return Answer{Body: string(text)}
			},
			Want: func(b []Received) driver.Partial {
				return driver.Partial{Accepted: receivedIDs(b[:1]), Rejected: receivedIDs(b[1:])}
			},
		}, {
			Name: "all are rejected", Sizes: []int{1, 2, 50},
			Answer: func(b []Received) Answer {
				text, _ := json.Marshal(map[string]any{"rejected": receivedIDs(b)})
				return Answer{Status: 400, Body: string(text)}
			},
			Want: func(b []Received) driver.Partial { return driver.Partial{Rejected: receivedIDs(b)} },
		}, {
			Name: "all but the first belong to nobody", Sizes: []int{2, 3, 50},
			Answer: func(b []Received) Answer {
				text, _ := json.Marshal(map[string]any{"status": "ok", "nameless": receivedIDs(b[1:])})
				return Answer{Body: string(text)}
			},
			Want: func(b []Received) driver.Partial {
				return driver.Partial{Accepted: receivedIDs(b), Warnings: map[string]int{"belongs_to_nobody": len(b) - 1}}
			},
		}, {
			Name: "one belongs to nobody, one is rejected", Sizes: []int{2, 3},
			Answer: func(b []Received) Answer {
				return Answer{Body: `{"status":"ok","nameless":["` + b[0].ID + `"],"rejected":["` + b[1].ID + `"]}`}
			},
			Want: func(b []Received) driver.Partial {
				return driver.Partial{Accepted: append(receivedIDs(b[:1]), receivedIDs(b[2:])...), Rejected: receivedIDs(b[1:2]), Warnings: map[string]int{"belongs_to_nobody": 1}}
			},
		}},
		Decode: decodeModel,
		Limits: driver.Limits{Events: 100, Bytes: 200_000},
		Constants: []string{"eu.intake.example", "/v2/batch", "X-Key", "sent_at", "store_ip", "events", "uuid", "kind", "event", "at", "ms",
			"exit", "argv", "error", "tool", "version", "os", "arch", "os_version", "go", "subject", "consent", "props", "cut",
			"flags", "error_class", "ci", "ci_provider", "interactive", "agent", "container", "run_id", "count", "failures", "durations",
			"sample_rate", "redacted", "time_adjusted"},
		Varies: map[string]string{"sent_at": "the time of sending"},
		NoIP: func(r Request) error {
			var body struct {
				StoreIP *bool `json:"store_ip"`
			}
			if err := json.Unmarshal(r.Body, &body); err != nil || body.StoreIP == nil || *body.StoreIP {
				return errors.New("store_ip is not false")
			}
			return nil
		},
	}
}

func decodeModel(r Request) ([]Received, error) {
	var body struct {
		Events []struct {
			ID           string            `json:"uuid"`
			Type         string            `json:"kind"`
			Name         string            `json:"event"`
			Time         time.Time         `json:"at"`
			DurationMS   *int64            `json:"ms"`
			ExitCode     *int              `json:"exit"`
			Args         []string          `json:"argv"`
			Flags        []string          `json:"flags"`
			Error        string            `json:"error"`
			ErrorClass   string            `json:"error_class"`
			Tool         string            `json:"tool"`
			Version      string            `json:"version"`
			OS           string            `json:"os"`
			Arch         string            `json:"arch"`
			OSVersion    string            `json:"os_version"`
			GoVersion    string            `json:"go"`
			CI           bool              `json:"ci"`
			CIProvider   string            `json:"ci_provider"`
			Interactive  bool              `json:"interactive"`
			Agent        string            `json:"agent"`
			Container    bool              `json:"container"`
			RunID        string            `json:"run_id"`
			MachineID    string            `json:"subject"`
			ConsentID    string            `json:"consent"`
			Metadata     map[string]string `json:"props"`
			Count        int               `json:"count"`
			Failures     int               `json:"failures"`
			Durations    []int             `json:"durations"`
			SampleRate   int               `json:"sample_rate"`
			Truncated    int               `json:"cut"`
			Redacted     int               `json:"redacted"`
			TimeAdjusted bool              `json:"time_adjusted"`
		} `json:"events"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil, err
	}
	var list []Received
	for _, e := range body.Events {
		list = append(list, Received(e))
	}
	return list, nil
}
