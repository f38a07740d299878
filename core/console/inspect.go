package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) inspect() *Command {
	var next, raw, web *bool
	var format *outputFormat
	c := s.command("inspect", "Show what waits, exactly as it will go out",
		"Show what waits to be sent, exactly as it will go out: one event a line on a terminal,\n"+
			"one JSON object a line in a pipe.\n\n"+
			"With --next it shows the request that would be sent next, with secrets masked, and\n"+
			"with --raw only the bytes of its body. Nothing is sent, nothing is changed, and nobody\n"+
			"is contacted. What a single command would record is shown by TELEMETRY_DEBUG=log.\n\n"+
			"With --web it shows all of this, what was sent and what was decided on a page that\n"+
			"only this machine can open. It ends when you close it, or after ten minutes.",
		func(c *call) error {
			switch {
			case *web && (*next || *raw || *format == formatJSON):
				return &UsageError{c.errorf("--web is a page with all of it, and goes with nothing else")}
			case *web:
				return c.web()
			case *raw && !*next:
				return &UsageError{c.errorf("--raw goes with --next")}
			case *raw && *format == formatJSON:
				return &UsageError{c.errorf("--raw prints bytes and --output json does not: give one of them")}
			case *raw:
				return c.nextBytes()
			case *next:
				return c.next(*format)
			}
			return c.inspect(*format)
		},
		"inspect", "inspect --web", "inspect --next", "inspect --next --raw | gunzip", "inspect --output json")
	c.SuggestFor = []string{"show"}
	format = c.addOutput()
	next = c.addBool("next", "", "show the request that would be sent next")
	web = c.addBool("web", "", "show everything on a page in your browser, from this machine alone")
	raw = c.addBool("raw", "", "with --next: print its body as it goes over the wire, and nothing else")
	return c
}

func (c *call) inspect(format outputFormat) error {
	uploading := c.look().uploading()
	stop := c.pausing()
	waiting, err := c.m.Waiting(c.ctx)
	stop()
	if err != nil {
		return c.previewError(err)
	}
	if format == formatJSON {
		list := []core.ExportWaiting{}
		for _, w := range waiting {
			list = append(list, w.Export())
		}
		return screen.WriteJSON(c.out, struct {
			summaryJSON
			Waiting []core.ExportWaiting `json:"waiting"`
		}{c.look().summary(), list})
	}
	remarks := c.waitingRemarks(waiting)
	if uploading && len(waiting) == 0 {
		remarks = append(remarks, c.tookAll())
	}
	if !c.out.Terminal {
		for _, w := range waiting {
			if _, err := fmt.Fprintf(c.out, "%s\n", plaintext.JSON(w.Event.AppendJSON(nil))); err != nil {
				return err
			}
		}
	} else {
		c.showWaiting(waiting)
	}
	c.remark(remarks)
	return nil
}

// uploading reports whether a process is sending, for which a preview waits.
func (v view) uploading() bool { return v.Uploading || v.Underway }

// tookAll says why nothing is left to be shown: what waited when the person asked has gone out, or
// was given up, while they waited.
func (c *call) tookAll() string {
	return c.text("An upload was under way, and nothing waits any more. What it sent: %s", c.hint("log"))
}

// pausing tells a person who waits what for: a preview does not look while a process delivers.
func (c *call) pausing() (stop func()) {
	return new(progress).show(c.settings, c.err, c.text("Waiting for a process that is sending"), c.events)
}

// waitingRemarks says where events are not shown to the letter as they will go out.
func (c *call) waitingRemarks(waiting []core.WaitingEvent) []string {
	n := 0
	for _, w := range waiting {
		if w.OfSending {
			n++
		}
	}
	lines := c.timeRemarks(n)
	if slices.ContainsFunc(waiting, func(w core.WaitingEvent) bool { return w.Event.MachineID == "" && !w.Gone }) {
		lines = append(lines, c.text("There is no machine ID yet: the first upload makes it, and every event goes out with it."))
	}
	return lines
}

// timeRemarks says of how many events the time is not known yet.
func (s *settings) timeRemarks(events int) []string {
	if events == 0 {
		return nil
	}
	return []string{s.count(events, "The time of %d event is still to come, by the clock of this machine: it goes out with the time of sending in its place, and marked so.",
		"The times of %d events are still to come, by the clock of this machine: they go out with the time of sending in their place, and marked so.")}
}

// showWaiting prints a line for each event, under where it goes.
func (c *call) showWaiting(waiting []core.WaitingEvent) {
	if len(waiting) == 0 {
		c.say("Nothing waits.")
		if v := c.look(); v.state() != stateOn && v.state() != stateLocal {
			c.say("Telemetry of %[1]s is off. What a command would record: TELEMETRY_DEBUG=log %[1]s …", v.tool)
		}
		return
	}
	var headings []string
	under := map[string][]core.WaitingEvent{}
	for _, w := range waiting {
		h := c.whereTo(w)
		if under[h] == nil {
			headings = append(headings, h)
		}
		under[h] = append(under[h], w)
	}
	for _, h := range headings {
		c.out.Line(screen.Bold, h)
		for _, w := range under[h] {
			c.showEvent(w.Event)
		}
		fmt.Fprintln(c.out)
	}
	c.showShared(waiting)
	c.out.Line(screen.Plain, c.count(len(waiting), "%[1]d event. With every field, as JSON: %[2]s",
		"%[1]d events. With every field, as JSON: %[2]s", c.hint("inspect --output json")))
}

// whereTo says where an event goes, and when.
func (c *call) whereTo(w core.WaitingEvent) string {
	receiver := screen.Clean(w.Receiver)
	switch {
	case w.Gone:
		return c.text("Never sent (%s):", screen.Clean(w.Keep))
	case w.Keep != "":
		return c.text("Not sent now (%s):", screen.Clean(w.Keep))
	case w.Held:
		return c.text("Held by a command that is running, for %s:", receiver)
	case w.Stays:
		return c.text("Stays on this machine:")
	case !w.Until.IsZero():
		return c.text("To %[1]s, not before %[2]s:", receiver, screen.When(w.Until))
	}
	return c.text("To %s, with the next upload:", receiver)
}

// showEvent prints an event in one line, without what all have in common. What it was, how long it
// took and how it ended is there in any width: first the day goes for it, then the type where there
// is a name, then the time.
func (c *call) showEvent(e driver.Event) {
	var what []string
	for _, word := range []string{e.Name, countWord(e.Count)} {
		if word != "" {
			what = append(what, word)
		}
	}
	if e.DurationMS != nil {
		what = append(what, fmt.Sprintf("%d ms", *e.DurationMS))
	}
	if e.ExitCode != nil {
		what = append(what, c.text("exit %d", *e.ExitCode))
	}
	kind := e.Type
	if e.Name != "" {
		kind = ""
	}
	at, line := e.Time.Local(), func(words ...string) string {
		words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
		return "  " + screen.Clean(strings.Join(append(words, what...), "  "))
	}
	for _, shown := range []string{
		line(at.Format("01-02 15:04:05"), e.Type), line(at.Format(time.TimeOnly), e.Type), line(at.Format(time.TimeOnly), kind), line(kind),
	} {
		if screen.Width(shown) <= c.out.Columns {
			fmt.Fprintln(c.out, screen.Cut(shown+screen.Clean(details(e)), c.out.Columns))
			return
		}
	}
	c.out.Item("  ", line(kind))
}

// countWord is how many calls a record stands for, "" where it is one.
func countWord(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("×%d", n)
}

// details is what else an event holds, for the end of its line.
func details(e driver.Event) string {
	words := []string{""}
	if e.ErrorClass != "" {
		words = append(words, e.ErrorClass)
	}
	for _, flag := range e.Flags {
		words = append(words, "--"+flag)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Metadata)) {
		words = append(words, key+"="+e.Metadata[key])
	}
	return strings.Join(words, "  ")
}

// showShared says what nearly all events have in common, once.
func (c *call) showShared(waiting []core.WaitingEvent) {
	shared := func(of func(driver.Event) string) string {
		all := map[string]bool{}
		for _, w := range waiting {
			all[of(w.Event)] = true
		}
		if len(all) > 1 {
			return c.text("%d different ones", len(all))
		}
		return cmp.Or(of(waiting[0].Event), c.text("none yet"))
	}
	machineID := shared(func(e driver.Event) string { return e.MachineID })
	receipt := shared(func(e driver.Event) string { return e.ConsentID[:min(len(e.ConsentID), receiptDigits)] })
	c.out.Line(screen.Plain, c.text("Machine ID: %[1]s; receipt: %[2]s", machineID, receipt))
	c.out.Line(screen.Plain, c.text("Context: %s", shared(c.contextWords)))
}

// contextWords says what ran a command, and where.
func (c *call) contextWords(e driver.Event) string {
	var words []string
	if e.CI {
		words = append(words, strings.TrimSpace("CI "+e.CIProvider))
	}
	if e.Agent != "" {
		words = append(words, c.text("agent %s", e.Agent))
	}
	if e.Container {
		words = append(words, c.text("container"))
	}
	if len(words) == 0 {
		return c.text("no CI, agent or container")
	}
	return strings.Join(words, c.text(", "))
}

// previewError says why nothing can be shown, in words for the person who asked.
func (c *call) previewError(err error) error {
	if unsent, ok := errors.AsType[*core.UnsentError](err); ok {
		if at, waits := c.nextDeletionRequest(); waits {
			return c.errorf("no event would be sent: %[1]w; but a deletion request is, with the first command after %[2]s; see %[3]s",
				unsent, screen.When(at), c.hint("reset --status"))
		}
		return c.errorf("nothing would be sent: %[1]w; see %[2]s", unsent, c.hint("status"))
	}
	if errors.Is(err, core.ErrBusy) {
		return c.errorf("%w and changes what waits at this moment; try again", c.inWords(core.ErrBusy))
	}
	return flat{err}
}

// nextDeletionRequest is when a deletion request is made that could not be handed over.
func (c *call) nextDeletionRequest() (at time.Time, waits bool) {
	all, _ := c.m.Deletions()
	for _, e := range all {
		if e.Open() && !e.Next.IsZero() && (!waits || e.Next.Before(at)) {
			at, waits = e.Next, true
		}
	}
	return at, waits
}

// nextRequest is what would be sent next.
func (c *call) nextRequest() (core.Request, error) {
	uploading := c.look().uploading()
	stop := c.pausing()
	r, err := c.m.Next(c.ctx)
	stop()
	switch {
	case uploading && errors.Is(err, core.ErrNothingWaits):
		return r, errors.New(c.tookAll())
	case err != nil:
		return r, c.previewError(err)
	}
	return r, nil
}

// nextBytes prints the body of the next request as it goes over the wire, and on standard
// error where it is not that to the letter.
func (c *call) nextBytes() error {
	r, err := c.nextRequest()
	if err != nil {
		return err
	}
	if r.NotKept != "" {
		return c.errorf("its bytes cannot be shown: %s", screen.Clean(r.NotKept))
	}
	if err := c.printBytes(r, "inspect --next --raw"); err != nil {
		return err
	}
	for _, line := range c.requestRemarks(r) {
		c.err.Line(screen.Plain, line)
	}
	return nil
}

// printBytes prints a body, on a terminal only if that is text. command is how the person got
// here, for one that is not.
func (c *call) printBytes(r core.Request, command string) error {
	body := r.Body
	if c.out.Terminal {
		switch encoding := r.Header.Get("Content-Encoding"); {
		case encoding == "gzip" && !r.BodyMasked:
			return c.errorf("the body is compressed; to read it: %s", c.hint(command+" | gunzip"))
		case encoding != "" && !r.BodyMasked, !utf8.Valid(body):
			return c.errorf("the body is no text; to keep its bytes: %s", c.hint(command+" > body"))
		}
		body = cleanLines(body)
		if !bytes.HasSuffix(body, []byte("\n")) {
			body = append(body, '\n') // or the shell's prompt is behind it
		}
	}
	_, err := c.out.Write(body)
	return err
}

// cleanLines makes a body fit for a terminal and leaves its lines.
func cleanLines(body []byte) []byte {
	lines := strings.Split(string(body), "\n")
	for i := range lines {
		lines[i] = screen.Clean(lines[i])
	}
	return []byte(strings.Join(lines, "\n"))
}

func (c *call) next(format outputFormat) error {
	r, err := c.nextRequest()
	if err != nil {
		return err
	}
	if format == formatJSON {
		return screen.WriteJSON(c.out, struct {
			summaryJSON
			Request nextJSON `json:"request"`
		}{c.look().summary(), nextJSON{r.Export(), r.Local, r.OfSending, r.ExampleID}})
	}
	c.showRequest(r, "inspect --next --raw")
	return nil
}

// nextJSON is the request that would be made.
type nextJSON struct {
	core.ExportWire
	Local     bool   `json:"local,omitempty"`
	OfSending int    `json:"times_of_sending,omitempty"`
	ExampleID string `json:"example_machine_id,omitempty"`
}

// showRequest prints a request for people: its head, and its body as far as that is readable.
// raw is the command that prints the bytes.
func (c *call) showRequest(r core.Request, raw string) {
	c.showHead(r)
	text, err := r.Readable()
	switch {
	case err != nil:
		fmt.Fprintln(c.out)
		c.out.Line(screen.Plain, screen.Clean(err.Error()))
	case text != "":
		fmt.Fprintf(c.out, "\n%s\n", cleanLines(indented([]byte(text))))
	}
	remarks := c.requestRemarks(r)
	if err == nil && r.NotKept == "" && !r.BodyMasked && text != string(r.Body) {
		remarks = append(remarks, c.text("The body is shown decoded. Its bytes: %s", c.hint(raw)))
	}
	if len(remarks) > 0 {
		fmt.Fprintln(c.out)
		for _, line := range remarks {
			c.out.Line(screen.Plain, line)
		}
	}
}

// requestRemarks says where what is shown is not to the letter what goes out.
func (c *call) requestRemarks(r core.Request) (lines []string) {
	switch {
	case r.NotKept != "":
		lines = append(lines, c.text("The bytes are not shown: %s.", screen.Clean(r.NotKept)))
	case r.BodyMasked:
		lines = append(lines, c.text("The body holds a secret, which is masked here."))
	}
	if len(r.Momentary) > 0 {
		lines = append(lines, c.text("Of the moment of sending, so other when it is sent: %s.", strings.Join(r.Momentary, ", ")))
	}
	lines = append(lines, c.timeRemarks(r.OfSending)...)
	if r.ExampleID != "" {
		lines = append(lines, c.text("There is no machine ID yet: the first upload makes it, and %s stands in its place here.", r.ExampleID))
	}
	return lines
}

func (c *call) showHead(r core.Request) {
	switch {
	case r.Local:
		c.say("Nothing leaves this machine. What the backend writes or prints:")
	case r.Method != "":
		fmt.Fprintf(c.out, "%s %s\n", r.Method, screen.Clean(r.URL))
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			for _, value := range r.Header[name] {
				fmt.Fprintf(c.out, "%s: %s\n", name, screen.Clean(value))
			}
		}
	default:
		fmt.Fprintf(c.out, "%s %s\n", r.Network, screen.Clean(r.Address))
	}
}

// indented is JSON with line breaks: of several values, one after the other. What is no JSON
// stays as it is.
func indented(text []byte) []byte {
	var out bytes.Buffer
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			if out.Len() == 0 || decoder.More() {
				return text
			}
			return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
		}
		if json.Indent(&out, value, "", "  ") != nil {
			return text
		}
		out.WriteByte('\n')
	}
}
