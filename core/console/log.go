package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) log() *Command {
	var since *string
	var raw, verify *bool
	var format *outputFormat
	c := s.command("log", "Show what was sent",
		"Show what was sent from here: when, to whom, how many events, and what the receiver\n"+
			"answered. With the number of an entry it shows that one whole: each request has one,\n"+
			"and each answer.\n\n"+
			"The log is a file on this machine, and yours. It is cut at 1 MiB, the oldest first; reset\n"+
			"erases it. A deletion request that goes out as an event is in a new one, and one that the\n"+
			"authors' own requestor makes is in none.\n"+
			"Each entry holds a digest of the one before; --verify looks whether all fit together.\n"+
			"The exit code is then 1 if they do not.\n\n"+
			"What is sent while nothing can be stored here is in no log; TELEMETRY_DEBUG=log shows\n"+
			"what a command would send.",
		func(c *call) error {
			from, err := c.sinceOf(*since)
			switch {
			case err != nil:
				return err
			case *verify && (*raw || *since != "" || len(c.args) > 0):
				return &UsageError{c.errorf("--verify looks at the whole log and goes with nothing but --output")}
			case len(c.args) > 0 && *since != "":
				return &UsageError{c.errorf("--since is for the whole log, and a number for one entry: give one of them")}
			case *raw && *format == formatJSON:
				return &UsageError{c.errorf("--raw prints bytes and --output json does not: give one of them")}
			case *verify:
				return c.verifyLog(*format)
			}
			return c.log(from, *raw, *format)
		},
		"log", "log --since 24h", "log 12", "log 12 --raw | gunzip", "log --verify")
	c.Complete = s.completing((*call).completeDeliveries)
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
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
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
	case raw && len(c.args) > 0:
		return c.rawDelivery(log.Deliveries[0])
	case raw:
		return c.rawLog(log)
	case len(c.args) > 0:
		c.showDelivery(log.Deliveries[0])
		return nil
	}
	c.forColumns().showLog(log, since)
	return nil
}

// rawDelivery prints the body of one entry.
func (c *call) rawDelivery(d core.Delivery) error {
	if d.NotKept != "" {
		return c.errorf("the body of entry %[1]d was not kept: %[2]s", d.N, screen.Clean(d.NotKept))
	}
	if err := c.printBytes(d.Request, fmt.Sprintf("log %d --raw", d.N)); err != nil {
		return err
	}
	if d.BodyMasked {
		c.err.Line(screen.Plain, c.text("The body holds a secret, which is masked here."))
	}
	if d.Unsent {
		c.err.Line(screen.Plain, c.text("It did not go out: a no came before."))
	}
	return nil
}

// rawLog prints the bodies that went out and are kept as they were. The error says that there
// are others.
func (c *call) rawLog(log core.SentLog) error {
	left := 0
	for _, d := range log.Deliveries {
		switch {
		case d.Unsent:
		case d.NotKept != "" || d.BodyMasked:
			left++
		default:
			if err := c.printBytes(d.Request, "log --raw"); err != nil {
				return err
			}
		}
	}
	if left > 0 {
		return errors.New(c.count(left, "%[1]d body is not printed, because its bytes are not in the log; see %[2]s NO",
			"%[1]d bodies are not printed, because their bytes are not in the log; see %[2]s NO", c.hint("log")))
	}
	return nil
}

// completeDeliveries lists the latest entries for a shell.
func (c *call) completeDeliveries() (list []string) {
	log, err := c.m.Sent(time.Time{})
	if err != nil {
		return nil
	}
	for _, d := range slices.Backward(log.Deliveries) {
		if len(list) == maxOffered {
			break
		}
		list = append(list, fmt.Sprintf("%d\t%s, %s", d.N, screen.When(d.At), c.events(d.Events)))
	}
	return list
}

// entry returns the delivery that an argument names, by its own number or that of its answer.
func (c *call) entry(all []core.Delivery) ([]core.Delivery, error) {
	n, err := strconv.Atoi(c.args[0])
	if err != nil {
		return nil, &UsageError{c.errorf("%q is not the number of an entry; they are in the first column of %s", c.args[0], c.hint("log"))}
	}
	for i, d := range all {
		if d.N == n || d.AnswerN == n {
			return all[i : i+1], nil
		}
	}
	return nil, c.errorf("there is no request with the number %[1]d in the log; see %[2]s", n, c.hint("log"))
}

func (c *call) showLog(log core.SentLog, since time.Time) {
	heading := []string{"NO", c.text("SENT"), c.text("TO"), c.text("EVENTS"), c.text("SIZE"), c.text("ANSWER")}
	var rows [][]screen.Cell
	for _, d := range log.Deliveries {
		answer, colour := c.answerOf(d)
		rows = append(rows, []screen.Cell{
			screen.Same(strconv.Itoa(d.N), screen.Plain),
			{Short: d.At.Local().Format("2006-01-02 15:04"), Full: d.At.UTC().Format(time.RFC3339)},
			{Short: d.Host, Full: d.Backend + " (" + d.Host + ")"},
			screen.Same(strconv.Itoa(d.Events), screen.Plain),
			{Short: c.size(int64(d.Size)), Full: strconv.Itoa(d.Size)},
			screen.Same(answer, colour),
		})
	}
	if len(rows) > 0 {
		c.out.Grid(heading, rows)
	} else if c.out.Terminal {
		c.sayEmpty(log, since)
	}
	c.remark(c.logRemarks(log))
	if c.out.Terminal && len(rows) > 0 {
		c.say("One of them whole: %s", c.hint("log "+c.text("NO")))
	}
}

// sayEmpty says why nothing is listed.
func (c *call) sayEmpty(log core.SentLog, since time.Time) {
	switch v := c.look(); {
	case log.Mismatch != nil:
		return // nothing of it can be read, which is said
	case v.Log.Requests > 0:
		c.say("The log has nothing that was sent since %s.", screen.When(since))
	case v.LocalLog != "" && v.Stayed > 0:
		c.say("Nothing is in the log. What stayed on this machine is in %s", screen.Clean(v.LocalLog))
	default:
		c.say("Nothing is in the log.")
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

// sentWords says in a word or two what a receiver made of a request; answerWords says what
// that means.
func sentWords() map[driver.Class]string {
	return map[driver.Class]string{
		driver.ClassAccepted:  "accepted",
		driver.ClassUnknown:   "failed",
		driver.ClassThrottled: "not now",
		driver.ClassPermanent: "refused",
		driver.ClassTooLarge:  "refused",
		driver.ClassPartial:   "taken in part",
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
	}
	class, known := classOf(d)
	switch {
	case !known:
		return screen.Clean(d.Class) + status, screen.Red
	case class == driver.ClassAccepted:
		return c.text(sentWords()[class]) + status, screen.Green
	}
	return c.text(sentWords()[class]) + status, screen.Red
}

// classOf returns what the collector made of an answer: the log has it in a word, which is
// another one where a later version wrote it.
func classOf(d core.Delivery) (driver.Class, bool) {
	for class := range sentWords() {
		if d.Answered && class.String() == d.Class {
			return class, true
		}
	}
	return 0, false
}

// logRemarks says where the log is not whole.
func (c *call) logRemarks(log core.SentLog) (lines []string) {
	if log.Cut > 0 {
		// Their numbers count on, so that is one of the list's, and no number of requests.
		lines = append(lines, c.text("The entries up to %[1]d were cut, of %[2]s to %[3]s: the log holds 1 MiB.", log.Cut, screen.When(log.CutFrom), screen.When(log.CutTo)))
	}
	if log.Bytes == 0 && log.Gaps == 0 && log.Mismatch == nil {
		if v := c.look(); v.DeliveriesGone || v.DeliveriesUnknown && !v.Unseen {
			lines = append(lines, c.text("Whether anything was delivered before is not known: the notes of deliveries are gone or damaged."))
		}
	}
	if n := log.Before; n > 0 {
		lines = append(lines, c.count(n, "Of %d event that was delivered nothing is in the log: it was erased from it, or went to no other machine.",
			"Of %d events that were delivered nothing is in the log: they were erased from it, or went to no other machine."))
	}
	lines = append(lines, c.gapRemarks(log.Gaps, log.Unlogged)...)
	switch {
	case log.Mismatch != nil:
		lines = append(lines, c.text("The log is not as it was written, it was changed or damaged: entry %[1]d %[2]s.", log.Mismatch.Entry, screen.Clean(log.Mismatch.Problem)))
	case log.Torn:
		lines = append(lines, c.text("The last entry is torn: a process was killed while it wrote it, and did not send that."))
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
		{Label: c.text("Events"), Value: kindsOf(d)},
		{Label: c.text("Size"), Value: c.size(int64(d.Size))},
		{Label: c.text("Answer"), Value: answer, Colour: colour},
	}
	switch class, known := classOf(d); {
	case !known, d.Unsent, class == driver.ClassAccepted:
	case class == driver.ClassPermanent: // a sender tries parts of a batch before it gives any up
		rows = append(rows, screen.Row{Label: c.text("Which means"), Value: c.text("refused; what was given up for that, status counts as lost")})
	default:
		rows = append(rows, screen.Row{Label: c.text("Which means"), Value: c.text(answerWords()[class])})
	}
	if d.Reason != "" {
		rows = append(rows, screen.Row{Label: c.text("Because"), Value: screen.Clean(d.Reason)})
	}
	if d.Answer != "" {
		rows = append(rows, screen.Row{Label: c.text("It said"), Value: screen.Clean(d.Answer)})
	}
	for _, id := range d.Receipts {
		rows = append(rows, screen.Row{Label: c.text("Recorded under"), Value: screen.Clean(id)})
	}
	c.out.Table(rows)
	fmt.Fprintln(c.out)
	c.showRequest(d.Request, fmt.Sprintf("log %d --raw", d.N))
	for _, id := range d.Receipts {
		c.say("What the yes was to: %s", c.hint("receipts "+screen.Clean(id[:min(len(id), receiptDigits)])))
	}
}

// kindsOf says how many events a request held, and of which kinds.
func kindsOf(d core.Delivery) string {
	var kinds []string
	for _, kind := range d.Counts {
		kinds = append(kinds, fmt.Sprintf("%d × %s", kind.Events, cmp.Or(screen.Clean(kind.Name), "…")))
	}
	if len(kinds) == 0 {
		return strconv.Itoa(d.Events)
	}
	return fmt.Sprintf("%d (%s)", d.Events, strings.Join(kinds, ", "))
}

// logJSON is the log as a program reads it.
type logJSON struct {
	summaryJSON
	Deliveries []core.ExportDelivery `json:"deliveries"`
	Cut        int                   `json:"cut"`
	CutFrom    time.Time             `json:"cut_from,omitzero"`
	CutTo      time.Time             `json:"cut_to,omitzero"`
	Gaps       int                   `json:"gaps"`
	Before     int                   `json:"delivered_before,omitempty"`
	Unlogged   bool                  `json:"unlogged,omitempty"`
	Torn       bool                  `json:"torn,omitempty"`
	Bytes      int64                 `json:"bytes"`
	Mismatch   string                `json:"problem,omitempty"`
}

func (v view) logJSON(log core.SentLog) logJSON {
	j := logJSON{
		summaryJSON: v.summary(), Deliveries: []core.ExportDelivery{}, Cut: log.Cut, CutFrom: log.CutFrom.UTC(), CutTo: log.CutTo.UTC(),
		Gaps: log.Gaps, Before: log.Before, Unlogged: log.Unlogged, Torn: log.Torn, Bytes: log.Bytes,
	}
	if log.Mismatch != nil {
		j.Mismatch = log.Mismatch.Error()
	}
	for _, d := range log.Deliveries {
		j.Deliveries = append(j.Deliveries, d.Export())
	}
	return j
}

// verifyJSON is what a look at the whole log finds.
type verifyJSON struct {
	summaryJSON
	Requests int    `json:"requests"`
	Fits     bool   `json:"fits"`
	Mismatch string `json:"problem,omitempty"`
	Cut      int    `json:"cut"`
	Gaps     int    `json:"gaps"`
	Before   int    `json:"delivered_before,omitempty"`
	Unlogged bool   `json:"unlogged,omitempty"`
}

// verifyLog says whether the log is as it was written.
func (c *call) verifyLog(format outputFormat) error {
	log, err := c.m.Sent(time.Time{})
	if err != nil {
		return flat{err}
	}
	if log.Mismatch != nil {
		err = c.errorf("the log is not as it was written, it was changed or damaged: entry %[1]d %[2]s", log.Mismatch.Entry, screen.Clean(log.Mismatch.Problem))
	}
	if format == formatJSON {
		j := c.look().logJSON(log)
		if writeErr := screen.WriteJSON(c.out, verifyJSON{j.summaryJSON, len(log.Deliveries), err == nil, j.Mismatch, log.Cut, log.Gaps, log.Before, log.Unlogged}); writeErr != nil {
			return writeErr
		}
		return err
	}
	if err != nil {
		return err
	}
	if len(log.Deliveries) == 0 && log.Cut == 0 {
		c.say("Nothing is in the log.")
		c.remark(c.logRemarks(log))
		if c.look().state() != stateUndecided {
			c.say("What is sent while nothing can be stored here is in no log.")
		}
		return nil
	}
	c.out.Line(screen.Plain, c.count(len(log.Deliveries), "The log is as it was written: %d request.", "The log is as it was written: %d requests."))
	for _, line := range c.logRemarks(log) {
		c.out.Line(screen.Plain, line)
	}
	c.say("There is no key in it: this shows damage and careless changes, not somebody who works out the digests as well.")
	c.say("What is sent while nothing can be stored here is in no log.")
	return nil
}
