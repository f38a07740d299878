package console

import (
	"errors"
	"fmt"
	"slices"
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
			"With the number of one, or eight characters of its receipt or more, it prints that one\n"+
			"whole, with the text that was shown.",
		func(c *call) error { return c.receipts(*format) },
		"receipts", "receipts 2", "receipts --output json")
	c.Complete = s.completing((*call).completeDecisions)
	c.Args, c.MaxArgs = s.text("[NUMBER]"), 1
	format = c.addOutput()
	return c
}

func (c *call) receipts(format outputFormat) error {
	all, err := c.m.Decisions()
	cannot := c.cannotStore(all)
	switch {
	case err == nil || len(all.List) > 0:
	case cannot != nil && c.look().Nowhere: // then there is no place where one could be
		return c.errorf("no decision is stored here, and none can be: %w", flat{cannot})
	default:
		return flat{err}
	}
	chosen := 0
	if len(c.args) > 0 {
		var wrong error
		if chosen, wrong = c.chosenDecision(all); wrong != nil {
			return wrong
		}
	}
	switch {
	case format == formatJSON:
		j := c.look().receiptsJSON(all)
		if cannot != nil {
			j.CannotStore = cannot.Error()
		}
		if chosen > 0 {
			j.Decisions = j.Decisions[chosen-1 : chosen]
		}
		if writeErr := screen.WriteJSON(c.out, j); writeErr != nil {
			return writeErr
		}
	case chosen > 0:
		c.showDecision(all.List[chosen-1], chosen)
		c.remark(c.historyRemarks(all))
	default:
		c.forColumns().showDecisions(all, cannot)
	}
	if err != nil {
		return flat{err}
	}
	return nil
}

// cannotStore returns why there is no decision and can be none, nil where there is one or can be. It
// does not try.
func (c *call) cannotStore(all core.Decisions) error {
	if len(all.List)+all.Cut+all.Missing > 0 {
		return nil
	}
	err := c.m.Writable()
	if errors.Is(err, errors.ErrUnsupported) { // where it cannot be known without trying
		return nil
	}
	return err
}

// completeDecisions lists the latest decisions for a shell.
func (c *call) completeDecisions() (list []string) {
	all, _ := c.m.Decisions()
	for i, d := range slices.Backward(all.List) {
		if len(list) == maxOffered {
			break
		}
		answer, _ := c.decidedWords(d.Past)
		list = append(list, fmt.Sprintf("%d\t%s, %s", i+1, whenKnown(d.At), answer))
	}
	return list
}

// chosenDecision returns the number of the decision that an argument names: by that, or by
// the beginning of its receipt, as much of it as the list shows or more, of which several decisions
// may have the same. Less of it would be taken for a number now and then.
func (c *call) chosenDecision(all core.Decisions) (int, error) {
	arg := c.args[0]
	n, err := strconv.Atoi(arg)
	if err == nil && 1 <= n && n <= len(all.List) && strconv.Itoa(n) == arg { // "07" begins a receipt
		return n, nil
	}
	found, one := 0, true
	for i, d := range slices.Backward(all.List) {
		if len(arg) >= receiptDigits && strings.HasPrefix(d.Receipt, arg) {
			one = one && (found == 0 || d.Receipt == all.List[found-1].Receipt)
			found = i + 1
		}
	}
	if found > 0 && one {
		return found, nil
	}
	if err != nil && len(arg) < receiptDigits {
		return 0, &UsageError{c.errorf("%q is not the number of a decision, nor a receipt; they are in the first and last column of %s", arg, c.hint("receipts"))}
	}
	if all.Cut > 0 {
		return 0, c.errorf("there is no decision %[1]s among those that are left; older ones were cut: see %[2]s", screen.Clean(arg), c.hint("receipts"))
	}
	return 0, c.errorf("there is no decision %[1]s; see %[2]s", screen.Clean(arg), c.hint("receipts"))
}

func (c *call) showDecisions(all core.Decisions, cannot error) {
	var rows [][]screen.Cell
	for i, d := range all.List {
		answer, colour := c.decidedWords(d.Past)
		who := screen.Same(scopeOf(d.Past), screen.Plain)
		switch {
		case d.Decided == consent.AnswerLocal:
			answer, who = c.text("yes"), screen.Same(c.text("this machine only"), screen.Plain)
		case who.Full != "" && len(d.Terms.Hosts) > 0:
			who.Short = strings.Join(d.Terms.Hosts, ", ")
		}
		rows = append(rows, []screen.Cell{
			screen.Same(strconv.Itoa(i+1), screen.Plain),
			{Short: whenShort(d.At), Full: rfc3339(d.At)},
			screen.Same(answer, colour),
			screen.Same(c.decidedBy(d.Past), screen.Plain),
			who,
			{Short: d.Receipt[:min(len(d.Receipt), receiptDigits)], Full: d.Receipt},
		})
	}
	switch {
	case len(rows) > 0:
		c.out.Grid([]string{c.text("NO"), c.text("DECIDED"), c.text("WHAT"), c.text("BY"), c.text("FOR"), c.text("RECEIPT")}, rows)
	case cannot != nil:
		c.remark([]string{c.text("No decision is stored here, and none can be: %s", screen.Clean(cannot.Error()))})
	case c.out.Terminal:
		c.say("Nothing was decided yet.")
	}
	c.remark(append(c.sinceRemarks(all.List), c.historyRemarks(all)...))
	if c.out.Terminal && len(rows) > 0 {
		c.say("One of them whole, with what was shown: %s", c.hint("receipts "+c.text("NO")))
	}
}

// sinceRemarks says what this version would send more or less than was said then. What is the same
// of several decisions is said once: mostly that is the last release's.
func (c *call) sinceRemarks(list []core.PastDecision) (lines []string) {
	var more, less changes
	for i, d := range list {
		more.add(i+1, d.More)
		less.add(i+1, d.Less)
	}
	for _, what := range more.texts {
		since := more.since[what]
		lines = append(lines, c.count(len(since), "New since decision %[2]s: %[3]s", "New since decisions %[2]s: %[3]s", strings.Join(since, ", "), screen.Clean(what)))
	}
	for _, what := range less.texts {
		since := less.since[what]
		lines = append(lines, c.count(len(since), "Gone since decision %[2]s: %[3]s", "Gone since decisions %[2]s: %[3]s", strings.Join(since, ", "), screen.Clean(what)))
	}
	return lines
}

// changes are texts, in the order in which they came up, with the numbers of the decisions that
// each is about.
type changes struct {
	texts []string
	since map[string][]string
}

func (ch *changes) add(n int, texts []string) {
	if ch.since == nil {
		ch.since = map[string][]string{}
	}
	for _, text := range texts {
		if ch.since[text] == nil {
			ch.texts = append(ch.texts, text)
		}
		ch.since[text] = append(ch.since[text], strconv.Itoa(n))
	}
}

// historyRemarks says where the history is not whole.
func (c *call) historyRemarks(all core.Decisions) (lines []string) {
	if all.Cut > 0 {
		lines = append(lines, c.count(all.Cut, "%[1]d older decision was cut, of %[2]s.", "%[1]d older decisions were cut, of %[2]s to %[3]s.",
			screen.When(all.CutFrom), screen.When(all.CutTo)))
	}
	if all.Missing > 0 {
		lines = append(lines, c.count(all.Missing, "%d answer was given of which nothing more is known.", "%d answers were given of which nothing more is known."))
	}
	if all.Problem != "" {
		lines = append(lines, c.text("The history is not as it was written: %s", screen.Clean(all.Problem)))
	}
	return lines
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

func whenShort(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return t.Local().Format("2006-01-02 15:04")
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
		for _, row := range c.whoAsks(core.Controller{Name: d.Terms.Controller, Purpose: d.Terms.Purpose, Retention: d.Terms.Retention}) {
			add(row.Label, screen.Clean(row.Value))
		}
		fields := d.Terms.Fields
		if d.Terms.Extended {
			fields = append(slices.Clone(fields), "args", "error")
			slices.Sort(fields)
		}
		add(c.text("Fields"), strings.Join(fields, ", "))
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
	Missing int `json:"missing"`
	// CannotStore is why there can be none, where there is none.
	CannotStore string `json:"cannot_store,omitempty"`
	Problem     string `json:"problem,omitempty"`
}

type decisionJSON struct {
	N int `json:"n"`
	core.ExportPast
}

func (v view) receiptsJSON(all core.Decisions) receiptsJSON {
	j := receiptsJSON{
		summaryJSON: v.summary(), Decisions: []decisionJSON{}, Cut: all.Cut, CutFrom: all.CutFrom.UTC(), CutTo: all.CutTo.UTC(),
		Missing: all.Missing, Problem: all.Problem,
	}
	for i, d := range all.List {
		j.Decisions = append(j.Decisions, decisionJSON{i + 1, d.Export()})
	}
	return j
}
