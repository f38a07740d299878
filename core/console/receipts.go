package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func (s *commands) receipts() *Command {
	var format *outputFormat
	c := s.command("receipts", "Show what was decided, by whom, and what was shown then",
		"Show every decision about telemetry since the last reset: when, who decided, what for,\n"+
			"and what this version would send more or less than was said then.\n\n"+
			"With the number of one it prints that one whole, with the text that was shown.",
		func(c *call) error { return c.receipts(*format) },
		"receipts", "receipts 2", "receipts --output json")
	c.Args, c.MaxArgs = s.text("[NUMBER]"), 1
	format = c.addOutput()
	return c
}

func (c *call) receipts(format outputFormat) error {
	all, err := c.m.Decisions()
	if err != nil && len(all.List) == 0 {
		return flat{err}
	}
	if format == formatJSON {
		if writeErr := screen.WriteJSON(c.out, c.look().receiptsJSON(all)); writeErr != nil {
			return writeErr
		}
		return err
	}
	if len(c.args) > 0 {
		n, convErr := strconv.Atoi(c.args[0])
		switch {
		case convErr != nil:
			return &UsageError{c.errorf("%q is not the number of a decision; they are in the first column of %s", c.args[0], c.hint("receipts"))}
		case n < 1 || n > len(all.List):
			return c.errorf("there is no decision %[1]d; see %[2]s", n, c.hint("receipts"))
		}
		c.showDecision(all.List[n-1], n)
		return nil
	}
	c.forColumns().showDecisions(all)
	return err
}

func (c *call) showDecisions(all core.Decisions) {
	var rows [][]screen.Cell
	for i, d := range all.List {
		answer, colour := c.decidedWords(d.Past)
		rows = append(rows, []screen.Cell{
			screen.Same(strconv.Itoa(i+1), screen.Plain),
			{Short: whenKnown(d.At), Full: rfc3339(d.At)},
			screen.Same(answer, colour),
			screen.Same(c.decidedBy(d.Past), screen.Plain),
			screen.Same(scopeOf(d.Past), screen.Plain),
			{Short: d.Receipt[:min(len(d.Receipt), receiptDigits)], Full: d.Receipt},
		})
	}
	switch {
	case len(rows) > 0:
		c.out.Grid([]string{c.text("NO"), c.text("DECIDED"), c.text("WHAT"), c.text("BY"), c.text("FOR"), c.text("RECEIPT")}, rows)
	case c.out.Terminal:
		c.say("Nothing was decided yet.")
	}
	if !c.out.Terminal {
		return
	}
	if all.Cut > 0 {
		c.say("%[1]d older decisions were cut, of %[2]s to %[3]s.", all.Cut, screen.When(all.CutFrom), screen.When(all.CutTo))
	}
	if all.Missing > 0 {
		c.out.Line(screen.Plain, c.count(all.Missing, "%d answer was given of which nothing more is known.", "%d answers were given of which nothing more is known."))
	}
	if all.Problem != "" {
		c.say("The history is not as it was written: %s", screen.Clean(all.Problem))
	}
	if len(rows) > 0 {
		c.say("One of them whole, with what was shown: %s", c.hint("receipts "+c.text("NO")))
	}
}

// receiptDigits are enough to tell a person's receipts apart.
const receiptDigits = 8

// decidedWords says what was decided.
func (c *call) decidedWords(p consent.Past) (string, screen.Colour) {
	switch {
	case p.Decided == consent.AnswerNo:
		return c.text("no"), screen.Red
	case p.Decided == consent.AnswerLocal && p.RestrictedBy != "":
		return c.text("yes, kept on this machine by %s", screen.Clean(c.text(p.RestrictedBy))), screen.Green
	case p.Decided == consent.AnswerLocal:
		return c.text("yes, on this machine only"), screen.Green
	}
	return c.text("yes"), screen.Green
}

// decidedBy says who decided, and how.
func (c *call) decidedBy(p consent.Past) string {
	switch p.By {
	case consent.SourceQuestion:
		return c.text("you, at the question")
	case consent.SourceCommand:
		return c.text("you, by a command")
	case consent.SourceUpgrade:
		return c.text("you, with an older version")
	}
	if p.Decider == "" {
		return c.text("not known")
	}
	return screen.Clean(c.text(p.Decider))
}

// scopeOf names who was to get the events.
func scopeOf(p consent.Past) string {
	if p.Decided == consent.AnswerNo || p.Decided == consent.AnswerLocal || p.Terms.Tool == "" {
		return ""
	}
	return screen.Clean(p.Terms.Receiver())
}

func whenKnown(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return screen.When(t)
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (c *call) showDecision(d core.PastDecision, n int) {
	answer, colour := c.decidedWords(d.Past)
	rows := []screen.Row{
		{Label: c.text("Decision"), Value: strconv.Itoa(n)},
		{Label: c.text("Decided"), Value: whenKnown(d.At)},
		{Label: c.text("What"), Value: answer, Colour: colour},
		{Label: c.text("By"), Value: c.decidedBy(d.Past)},
	}
	add := func(label, value string) {
		if value != "" {
			rows = append(rows, screen.Row{Label: label, Value: value})
		}
	}
	add(c.text("For"), scopeOf(d.Past))
	add(c.text("Receipt"), d.Receipt)
	if d.Terms.Tool != "" {
		add(c.text("Fields"), strings.Join(d.Terms.Fields, ", "))
		add(c.text("Metadata"), keysOf(d.Terms))
	}
	for _, more := range d.More {
		rows = append(rows, screen.Row{Label: c.text("New since then"), Value: screen.Clean(more), Colour: screen.Red})
	}
	for _, less := range d.Less {
		add(c.text("Gone since then"), screen.Clean(less))
	}
	if d.Unrecorded {
		add(c.text("Known from"), c.text("the stored answer alone"))
	}
	c.out.Table(rows)
	fmt.Fprintln(c.out)
	switch {
	case d.Shown != "":
		c.out.Line(screen.Bold, c.text("What was shown:"))
		c.out.Text(d.Shown)
	case d.ShownKnown:
		c.say("Nothing was shown.")
	default:
		c.say("What was shown is not known.")
	}
}

func keysOf(t consent.Terms) string {
	if t.AnyKey {
		return "*"
	}
	return screen.Clean(strings.Join(t.MetadataKeys, ", "))
}

// receiptsJSON is the history as a program reads it.
type receiptsJSON struct {
	summaryJSON
	Decisions []decisionJSON `json:"decisions"`
	Cut       int            `json:"cut"`
	CutFrom   time.Time      `json:"cut_from,omitzero"`
	CutTo     time.Time      `json:"cut_to,omitzero"`
	// Missing counts answers of which nothing is known.
	Missing int    `json:"missing"`
	Problem string `json:"problem,omitempty"`
}

type decisionJSON struct {
	At time.Time `json:"at,omitzero"`
	// Decided is "yes", "no" or "local", By "question", "command", "variable", "policy" or "upgrade".
	Decided      string     `json:"decided"`
	By           string     `json:"by"`
	Decider      string     `json:"decider,omitempty"`
	RestrictedBy string     `json:"restricted_by,omitempty"`
	Receipt      string     `json:"receipt,omitempty"`
	Terms        *termsJSON `json:"terms,omitempty"`
	More         []string   `json:"more_now,omitempty"`
	Less         []string   `json:"less_now,omitempty"`
	// Shown is left out where nobody knows what was shown, and empty if nothing was.
	Shown      *string `json:"shown,omitempty"`
	Unrecorded bool    `json:"from_the_stored_answer,omitempty"`
}

type termsJSON struct {
	Tool          string   `json:"tool"`
	Backend       string   `json:"backend"`
	Hosts         []string `json:"hosts"`
	Fields        []string `json:"fields"`
	Events        []string `json:"events,omitempty"`
	AnyEvent      bool     `json:"any_event,omitempty"`
	MetadataKeys  []string `json:"metadata_keys,omitempty"`
	AnyKey        bool     `json:"any_key,omitempty"`
	Extended      bool     `json:"extended,omitempty"`
	NoticeVersion int      `json:"notice_version"`
}

func (v view) receiptsJSON(all core.Decisions) receiptsJSON {
	j := receiptsJSON{
		summaryJSON: v.summary(), Decisions: []decisionJSON{}, Cut: all.Cut, CutFrom: all.CutFrom.UTC(), CutTo: all.CutTo.UTC(),
		Missing: all.Missing, Problem: all.Problem,
	}
	for _, d := range all.List {
		one := decisionJSON{
			At: d.At.UTC(), Decided: string(d.Decided), By: string(d.By), Decider: d.Decider, RestrictedBy: d.RestrictedBy, Receipt: d.Receipt,
			More: d.More, Less: d.Less, Unrecorded: d.Unrecorded,
		}
		if t := d.Terms; t.Tool != "" {
			one.Terms = &termsJSON{
				t.Tool, t.Backend, append([]string{}, t.Hosts...), append([]string{}, t.Fields...), t.Events, t.AnyEvent, t.MetadataKeys, t.AnyKey, t.Extended, t.NoticeVersion,
			}
		}
		if d.ShownKnown {
			one.Shown = &d.Shown
		}
		j.Decisions = append(j.Decisions, one)
	}
	return j
}
