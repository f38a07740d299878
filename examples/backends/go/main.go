// A backend for Acme as a program of its own, which sends several batches at once and hears
// a cancel while it does: see conformance/WIRE.md. It needs the standard library only.
// (A backend in Go is better written as a driver.Driver: docs/how-to/write-a-backend.md.)
//
//	go build -o acme ./examples/backends/go
//	go run ./cmd/telemetry-conformance --vendor examples/backends/acme.yaml -- ./acme
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	out := output{json.NewEncoder(os.Stdout), new(sync.Mutex)}
	in := bufio.NewReader(os.Stdin)
	var b *backend
	var sends sync.WaitGroup
	for { // until the input ends: whoever started this is gone
		text, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var line input
		if json.Unmarshal(text, &line) != nil {
			os.Exit(1)
		}
		switch {
		case line.Open != nil:
			var wrong *settingError
			if b, wrong = open(*line.Open); wrong != nil {
				out.say(map[string]any{"error": wrong})
				return
			}
			limits := map[string]int{"events": 1000, "bytes": 900_000}
			out.say(map[string]any{"opened": map[string]any{"concurrent": true, "limits": limits}})
		case line.Send != nil:
			ctx := b.begin(*line.Send)
			sends.Go(func() {
				said := b.send(ctx, line.Send.Events)
				b.end(line.Send.ID)
				said.ID = line.Send.ID
				out.say(map[string]any{"sent": said})
			})
		case line.Cancel != nil:
			b.end(line.Cancel.ID)
		case line.Close:
			b.endAll()
			sends.Wait()
			out.say(map[string]any{"closed": true})
			return
		}
	}
}

type input struct {
	Open   *opening
	Send   *sending
	Cancel *struct{ ID int }
	Close  bool
}

type opening struct {
	Settings, Headers map[string]string
	Tool, Version     string
}

type sending struct {
	ID         int
	DeadlineMS int64 `json:"deadline_ms"`
	Events     []event
}

// sent is a verdict.
type sent struct {
	ID     int    `json:"id"`
	Class  string `json:"class"`
	WaitMS int64  `json:"wait_ms,omitempty"`
	Error  string `json:"error,omitempty"`
}

type settingError struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

// output is standard output, to which several sends may write.
type output struct {
	*json.Encoder
	*sync.Mutex
}

func (o output) say(line any) {
	o.Lock()
	defer o.Unlock()
	if o.Encode(line) != nil {
		os.Exit(1) // nobody reads
	}
}

// event is an event as the suite hands it over, log what Acme calls one.
type event struct {
	ID, Type, Name, Timestamp, Error, OS, Arch string
	DurationMS                                 *int64            `json:"duration_ms"`
	ExitCode                                   *int              `json:"exit_code"`
	Args                                       []string          `json:"args"`
	Flags                                      []string          `json:"flags"`
	ErrorClass                                 string            `json:"error_class"`
	Tool                                       string            `json:"tool_name"`
	Version                                    string            `json:"tool_version"`
	OSVersion                                  string            `json:"os_version"`
	GoVersion                                  string            `json:"go_version"`
	RunID                                      string            `json:"run_id"`
	MachineID                                  string            `json:"machine_id"`
	ConsentID                                  string            `json:"consent_id"`
	Metadata                                   map[string]string `json:"metadata"`
	SampleRate                                 int               `json:"sample_rate"`
	Truncated                                  int               `json:"truncated"`
	Redacted                                   int               `json:"redacted"`
	TimeAdjusted                               bool              `json:"time_adjusted"`
	circumstances
	folded
}

// circumstances are those of a run; Acme has them in an object of their own.
type circumstances struct {
	CI          bool   `json:"ci"`
	CIProvider  string `json:"ci_provider,omitempty"`
	Interactive bool   `json:"interactive"`
	Agent       string `json:"agent,omitempty"`
	Container   bool   `json:"container"`
}

// folded is what an event holds that stands for several.
type folded struct {
	Count     int   `json:"count,omitempty"`
	Failures  int   `json:"failures,omitempty"`
	Durations []int `json:"durations,omitempty"`
}

type log struct {
	UID      string            `json:"uid"`
	Kind     string            `json:"kind"`
	Message  string            `json:"message"`
	Time     string            `json:"time"`
	Duration *int64            `json:"duration_ms,omitempty"`
	Exit     *int              `json:"exit,omitempty"`
	Args     []string          `json:"args,omitempty"`
	Flags    []string          `json:"flags,omitempty"`
	Error    string            `json:"error,omitempty"`
	Class    string            `json:"error_class,omitempty"`
	App      string            `json:"app"`
	Version  string            `json:"version,omitempty"`
	Platform []string          `json:"platform"`
	Install  string            `json:"install,omitempty"`
	Consent  string            `json:"consent,omitempty"`
	Run      string            `json:"run,omitempty"`
	Context  circumstances     `json:"context"`
	Folded   folded            `json:"folded,omitzero"`
	OneIn    int               `json:"one_in,omitempty"`
	Cut      int               `json:"cut,omitempty"`
	Redacted int               `json:"redacted,omitempty"`
	Adjusted bool              `json:"time_adjusted,omitempty"`
	Extra    map[string]string `json:"extra,omitempty"`
}

type backend struct {
	client *http.Client
	url    string
	header http.Header

	mu      sync.Mutex
	cancels map[int]context.CancelFunc
}

func open(o opening) (*backend, *settingError) {
	region := o.Settings["region"]
	if region != "us" && region != "eu" {
		return nil, &settingError{"region", "not one of us, eu"}
	}
	header := http.Header{
		"Acme-Key":     {o.Settings["key"]},
		"Content-Type": {"application/json"},
		"User-Agent":   {headerText(o.Tool + "/" + o.Version)},
	}
	for name, value := range o.Headers {
		if header.Get(name) != "" {
			return nil, &settingError{"headers", "one of them is set by the backend, or there twice: leave it out"}
		}
		header.Set(name, value)
	}
	for name := range header {
		if header.Get(name) != headerText(header.Get(name)) {
			field := "headers"
			if name == "Acme-Key" {
				field = "key"
			}
			return nil, &settingError{field, "not a text that a header can hold"}
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // knows HTTPS_PROXY and SSL_CERT_FILE
	return &backend{
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		url:    "https://" + region + ".acme.example/v1/logs", header: header, cancels: map[int]context.CancelFunc{},
	}, nil
}

// headerText is what of a text a header can hold.
func headerText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
}

// begin starts the clock of a send.
func (b *backend) begin(s sending) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.DeadlineMS)*time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancels[s.ID] = cancel
	return ctx
}

// end cancels a send, or lets go of one that is over.
func (b *backend) end(id int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel := b.cancels[id]; cancel != nil {
		cancel()
		delete(b.cancels, id)
	}
}

func (b *backend) endAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, cancel := range b.cancels {
		cancel()
	}
}

// send makes one attempt. Everything that goes wrong on the way means that the batch comes
// again. No text of the client's or the server's goes into an error: it may hold the key.
func (b *backend) send(ctx context.Context, events []event) sent {
	if len(events) == 0 {
		return sent{Class: "accepted"}
	}
	logs := make([]log, len(events))
	for i, e := range events {
		logs[i] = log{
			UID: e.ID, Kind: e.Type, Message: e.Name, Time: e.Timestamp, Duration: e.DurationMS, Exit: e.ExitCode,
			Args: e.Args, Flags: e.Flags, Error: e.Error, Class: e.ErrorClass, App: e.Tool, Version: e.Version,
			Platform: []string{e.OS, e.Arch, e.OSVersion, e.GoVersion}, Install: e.MachineID, Consent: e.ConsentID,
			Run: e.RunID, Context: e.circumstances, Folded: e.folded, OneIn: e.SampleRate,
			Cut: e.Truncated, Redacted: e.Redacted, Adjusted: e.TimeAdjusted, Extra: e.Metadata,
		}
	}
	noAnswer := sent{Class: "again", Error: "acme: no answer"}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // or a "<" takes six bytes, and a batch more than Acme takes
	if encoder.Encode(logs) != nil {
		return sent{Class: "permanent", Error: "acme: the events cannot be encoded"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, &body)
	if err != nil {
		return noAnswer
	}
	r.GetBody = nil // or net/http would send again by itself when a kept connection breaks
	r.Header = b.header.Clone()
	resp, err := b.client.Do(r)
	if err != nil {
		return noAnswer
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 {
		return noAnswer // what comes after a 101 has no end
	}
	const enough = 64 << 10 // of what Acme has to say
	text, err := io.ReadAll(io.LimitReader(resp.Body, enough))
	if err != nil {
		return noAnswer
	}
	return verdict(resp, text)
}

// verdict is Acme's table.
func verdict(resp *http.Response, text []byte) sent {
	status := resp.StatusCode
	answered := sent{Class: "again", Error: fmt.Sprintf("acme: answered %d", status)}
	page := resp.Header.Get("X-Amzn-Waf-Action") != "" || strings.Contains(strings.ToLower(resp.Header.Get("Content-Type")), "html") ||
		strings.HasPrefix(strings.TrimLeft(string(text), " \t\r\n\f\v\ufeff"), "<")
	switch {
	case status == 202 && !page:
		return sent{Class: "accepted"}
	case status == 413:
		answered.Class = "too_large"
	case status == 408, status == 429, status >= 500:
		if wait, err := retryAfter(resp.Header.Get("Retry-After")); err == nil {
			answered.Class, answered.WaitMS = "throttled", wait.Milliseconds()
		}
	case page, status < 400: // the login page of a network, a redirect: not Acme
	case status == 400:
		answered.Class = "refused"
	default: // a wrong key or address can be repaired, lost events cannot
		answered.Class, answered.WaitMS = "throttled", time.Hour.Milliseconds()
	}
	return answered
}

func retryAfter(value string) (time.Duration, error) {
	const longest = 30 * 24 * time.Hour
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), longest), nil
	}
	seconds, err := strconv.ParseUint(value, 10, 64)
	if errors.Is(err, strconv.ErrRange) || seconds > uint64(longest/time.Second) {
		return longest, nil
	}
	return time.Duration(seconds) * time.Second, err
}
