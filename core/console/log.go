package console

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) log() *Command {
	var since *string
	var raw, verify *bool
	var format *outputFormat
	c := s.command("log", "Show what was sent",
		"Show what was sent from here: when, to whom, how many events, and what the receiver\n"+
			"answered. With the number of an entry it shows that one whole.\n\n"+
			"The log is a file on this machine, and yours: reset erases it. It is cut at 1 MiB, the\n"+
			"oldest first. Each entry holds a digest of the one before; --verify looks whether all\n"+
			"fit together. The exit code is then 1 if they do not.\n\n"+
			"What is sent while nothing can be stored here is in no log; TELEMETRY_DEBUG=log shows\n"+
			"what a command would send.",
		func(c *call) error {
			from, err := c.sinceOf(*since)
			switch {
			case err != nil:
				return err
			case *verify && (*raw || *since != "" || len(c.args) > 0):
				return &UsageError{c.errorf("--verify looks at the whole log and goes with nothing but --output")}
			case *raw && *format == formatJSON:
				return &UsageError{c.errorf("--raw prints bytes and --output json does not: give one of them")}
			case *verify:
				return c.verifyLog(*format)
			}
			return c.log(from, *raw, *format)
		},
		"log", "log --since 24h", "log 12", "log 12 --raw | gunzip", "log --verify")
	c.Args, c.MaxArgs = s.text("[NUMBER]"), 1
	format = c.addOutput()
	since = c.Flags.String("since", "", s.text("only what was sent since then: a `time` such as 24h, 7d or 2026-02-03"))
	raw = c.addBool("raw", "", "print the bodies as they went over the wire, and nothing else")
	verify = c.addBool("verify", "", "look whether every entry is as it was written")
	return c
}

// sinceOf reads --since: a duration, with d for days, or a date, with or without a time.
func (c *call) sinceOf(text string) (time.Time, error) {
	now := c.m.Status().At
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &UsageError{c.errorf("--since takes a time such as 24h, 7d, 2026-02-03 or 2026-02-03 14:00, not %q", text)}
}

func (c *call) log(since time.Time, raw bool, format outputFormat) error {
	log, err := c.m.Sent(since)
	if err != nil {
		return flat{err}
	}
	if len(c.args) > 0 {
		if log.Deliveries, err = c.entry(log.Deliveries); err != nil {
			return err
		}
	}
	switch {
	case format == formatJSON:
		return screen.WriteJSON(c.out, c.look().logJSON(log))
	case raw:
		for _, d := range log.Deliveries {
			if d.NotKept != "" {
				return c.errorf("the body of entry %[1]d was not kept: %[2]s", d.N, screen.Clean(d.NotKept))
			}
			if err := c.printBytes(d.Request); err != nil {
				return err
			}
		}
		return nil
	case len(c.args) > 0:
		c.showDelivery(log.Deliveries[0])
		return nil
	}
	c.forColumns().showLog(log)
	return nil
}

// entry returns the delivery that an argument names.
func (c *call) entry(all []core.Delivery) ([]core.Delivery, error) {
	n, err := strconv.Atoi(c.args[0])
	if err != nil {
		return nil, &UsageError{c.errorf("%q is not the number of an entry; they are in the first column of %s", c.args[0], c.hint("log"))}
	}
	for i, d := range all {
		if d.N == n {
			return all[i : i+1], nil
		}
	}
	return nil, c.errorf("there is no entry %[1]d; see %[2]s", n, c.hint("log"))
}

func (c *call) showLog(log core.SentLog) {
	var rows [][]screen.Cell
	for _, d := range log.Deliveries {
		answer, colour := c.answerOf(d)
		rows = append(rows, []screen.Cell{
			screen.Same(strconv.Itoa(d.N), screen.Plain),
			{Short: screen.When(d.At), Full: d.At.UTC().Format(time.RFC3339)},
			screen.Same(d.Backend+" ("+d.Host+")", screen.Plain),
			{Short: c.events(d.Events), Full: strconv.Itoa(d.Events)},
			{Short: c.size(int64(d.Size)), Full: strconv.Itoa(d.Size)},
			screen.Same(answer, colour),
		})
	}
	switch {
	case len(rows) > 0:
		c.out.Grid([]string{c.text("NO"), c.text("SENT"), c.text("RECEIVER"), c.text("EVENTS"), c.text("SIZE"), c.text("ANSWER")}, rows)
	case c.out.Terminal:
		c.say("Nothing is in the log.")
	}
	c.remark(c.logRemarks(log))
	if c.out.Terminal && len(rows) > 0 {
		c.say("One of them whole: %s", c.hint("log "+c.text("NO")))
	}
}

// remark says what is to be said of a list: in a pipe, beside it.
func (c *call) remark(lines []string) {
	to := c.out
	if !c.out.Terminal {
		to = c.err
	}
	for _, line := range lines {
		to.Line(screen.Plain, line)
	}
}

// answerOf says what became of a delivery.
func (c *call) answerOf(d core.Delivery) (string, screen.Colour) {
	status := ""
	if d.Status > 0 {
		status = " (" + strconv.Itoa(d.Status) + ")"
	}
	switch {
	case d.Unsent:
		return c.text("not sent: a no came before"), screen.Plain
	case !d.Answered:
		return c.text("not known"), screen.Red
	case d.Class == "accepted":
		return c.text("accepted") + status, screen.Green
	}
	return screen.Clean(c.text(d.Class)) + status, screen.Red
}

// logRemarks says where the log is not whole.
func (c *call) logRemarks(log core.SentLog) (lines []string) {
	if log.Cut > 0 {
		lines = append(lines, c.text("%[1]d older entries were cut, of %[2]s to %[3]s: the log holds 1 MiB.", log.Cut, screen.When(log.CutFrom), screen.When(log.CutTo)))
	}
	if log.Bytes == 0 && log.Gaps == 0 && log.Mismatch == nil {
		if n := c.look().Delivered; n > 0 {
			lines = append(lines, c.count(n, "Of %d event that was delivered nothing is in the log: it was erased from it, or went to no other machine.",
				"Of %d events that were delivered nothing is in the log: they were erased from it, or went to no other machine."))
		}
	}
	lines = append(lines, c.gapRemarks(log.Gaps, log.Unlogged)...)
	if log.Torn {
		lines = append(lines, c.text("The last entry is torn: a process was killed while it wrote it, and did not send that."))
	}
	if log.Mismatch != nil {
		lines = append(lines, screen.Clean(log.Mismatch.Error()))
	}
	return lines
}

// gapRemarks says what the log lacks, and goes on to lack.
func (s *settings) gapRemarks(gaps int, unlogged bool) (lines []string) {
	if gaps > 0 {
		lines = append(lines, s.count(gaps, "%d request was sent and could not be written into the log.", "%d requests were sent and could not be written into the log."))
	}
	if unlogged {
		lines = append(lines, s.text("What is sent now can be written into no log, and is not counted; TELEMETRY_DEBUG=log shows what a command would send."))
	}
	return lines
}

func (c *call) showDelivery(d core.Delivery) {
	answer, colour := c.answerOf(d)
	rows := []screen.Row{
		{Label: c.text("Entry"), Value: strconv.Itoa(d.N)},
		{Label: c.text("Sent"), Value: screen.When(d.At)},
		{Label: c.text("Receiver"), Value: screen.Clean(d.Backend + " (" + d.Host + ")")},
		{Label: c.text("Events"), Value: strconv.Itoa(d.Events)},
		{Label: c.text("Answer"), Value: answer, Colour: colour},
	}
	if d.Reason != "" {
		rows = append(rows, screen.Row{Label: c.text("Because"), Value: screen.Clean(d.Reason)})
	}
	if d.Answer != "" {
		rows = append(rows, screen.Row{Label: c.text("It said"), Value: screen.Clean(d.Answer)})
	}
	for _, id := range d.Receipts {
		rows = append(rows, screen.Row{Label: c.text("Recorded under"), Value: c.text("receipt %[1]s; see %[2]s", id, c.hint("receipts"))})
	}
	c.out.Table(rows)
	fmt.Fprintln(c.out)
	c.showRequest(d.Request)
}

// logJSON is the log as a program reads it.
type logJSON struct {
	summaryJSON
	Deliveries []deliveryJSON `json:"deliveries"`
	Cut        int            `json:"cut"`
	CutFrom    time.Time      `json:"cut_from,omitzero"`
	CutTo      time.Time      `json:"cut_to,omitzero"`
	Gaps       int            `json:"not_logged"`
	Unlogged   bool           `json:"unlogged,omitempty"`
	Torn       bool           `json:"torn,omitempty"`
	Bytes      int64          `json:"bytes"`
	Mismatch   string         `json:"mismatch,omitempty"`
}

type deliveryJSON struct {
	N        int       `json:"number"`
	At       time.Time `json:"at"`
	Backend  string    `json:"backend"`
	Host     string    `json:"host"`
	Receipts []string  `json:"receipts"`
	requestJSON
	Answered  bool   `json:"answered"`
	Unsent    bool   `json:"not_sent,omitempty"`
	Status    int    `json:"status,omitempty"`
	Class     string `json:"class,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Answer    string `json:"answer,omitempty"`
	TookMS    int64  `json:"took_ms"`
	GapBefore int    `json:"not_logged_before,omitempty"`
}

func (v view) logJSON(log core.SentLog) logJSON {
	j := logJSON{
		summaryJSON: v.summary(), Deliveries: []deliveryJSON{}, Cut: log.Cut, CutFrom: log.CutFrom.UTC(), CutTo: log.CutTo.UTC(),
		Gaps: log.Gaps, Unlogged: log.Unlogged, Torn: log.Torn, Bytes: log.Bytes,
	}
	if log.Mismatch != nil {
		j.Mismatch = log.Mismatch.Error()
	}
	for _, d := range log.Deliveries {
		j.Deliveries = append(j.Deliveries, deliveryJSON{
			N: d.N, At: d.At.UTC(), Backend: d.Backend, Host: d.Host, Receipts: append([]string{}, d.Receipts...), requestJSON: toRequestJSON(d.Request),
			Answered: d.Answered, Unsent: d.Unsent, Status: d.Status, Class: d.Class, Reason: d.Reason, Answer: d.Answer,
			TookMS: d.Took.Milliseconds(), GapBefore: d.GapBefore,
		})
	}
	return j
}

// verifyLog says whether the log is as it was written.
func (c *call) verifyLog(format outputFormat) error {
	log, err := c.m.Sent(time.Time{})
	if err == nil && log.Mismatch != nil {
		err = log.Mismatch
	}
	if format == formatJSON {
		j := c.look().logJSON(log)
		if writeErr := screen.WriteJSON(c.out, struct {
			summaryJSON
			Requests int    `json:"requests"`
			Fits     bool   `json:"fits"`
			Mismatch string `json:"mismatch,omitempty"`
			Cut      int    `json:"cut"`
			Gaps     int    `json:"not_logged"`
			Unlogged bool   `json:"unlogged,omitempty"`
		}{j.summaryJSON, len(log.Deliveries), err == nil, j.Mismatch, log.Cut, log.Gaps, log.Unlogged}); writeErr != nil {
			return writeErr
		}
		return err
	}
	if errors.As(err, new(*core.SentMismatch)) {
		return c.errorf("%w: it was changed, or damaged", err)
	}
	if err != nil {
		return flat{err}
	}
	c.out.Line(screen.Plain, c.count(len(log.Deliveries), "The log is as it was written: %d request.", "The log is as it was written: %d requests."))
	for _, line := range c.logRemarks(log) {
		c.out.Line(screen.Plain, line)
	}
	c.say("There is no key in it: this shows damage and careless changes, not somebody who works out the digests as well.")
	c.say("What is sent while nothing can be stored here is in no log.")
	return nil
}
