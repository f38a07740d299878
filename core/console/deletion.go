package console

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// deletionWords says what became of one request, no more than is known, and what the
// person can do where that is anything.
func (c *call) deletionWords(e core.Deletion) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, c.text(format, args...)) }
	receiver := orElse(e.Receiver, c.receiver())
	if e.Partly() {
		lines = c.partlyWords(e, receiver)
	}
	switch e.State {
	case deletion.Requested:
		problem := orElse(e.Problem, c.text("there was no time to"))
		if e.Partly() {
			say("NOT everybody who has to delete data has the request yet: %s", problem)
		} else {
			say("The deletion request was NOT handed over yet: %s", problem)
		}
		if e.Held {
			say("It is kept until then.")
			return slices.Concat(lines, c.askTheAuthors("Or ask the authors, naming the machine ID: %s"), c.stayWords(e))
		}
		say("It is kept, and later commands make it again, also while telemetry is off.")
		say("To try again now: %s", c.hint("reset --resume"))
		return slices.Concat(lines, c.askTheAuthors("Or ask the authors, naming the machine ID: %s"), c.stayWords(e))
	case deletion.Refused:
		say("The deletion request was REFUSED: %s", orElse(strings.TrimSpace(e.Problem+" "+e.Receipt.Detail), c.text("nobody said why")))
		say("It is kept. To ask again: %s", c.hint("reset --resume"))
		return slices.Concat(lines, c.askTheAuthors("Or ask the authors, naming the machine ID: %s"), c.stayWords(e))
	case deletion.Delivered:
		say("The deletion request was handed over to %s. Whether it has been acted on is not known here.", receiver)
	case deletion.Acknowledged:
		say("The deletion request was handed over to %s, with the answer that the data will be deleted.", receiver)
	case deletion.Verified:
		say("The data is deleted. That nothing is left under this machine ID was verified.")
	case deletion.Manual:
		say("The deletion request is NOT complete: you have to finish it yourself.")
	default:
		say("The deletion request was handed over to %[1]s, in the state %[2]s.", receiver, screen.Clean(c.text(string(e.State))))
	}
	lines = append(lines, c.answerWords(e.Receipt)...)
	if e.State == deletion.Delivered || e.State == deletion.Manual {
		lines = append(lines, c.askTheAuthors("To know more, ask the authors, naming the machine ID: %s")...)
	}
	if e.Problem != "" {
		say("The last look at it failed: %s", screen.Clean(e.Problem))
	}
	if e.State != deletion.Verified && !e.Next.IsZero() {
		say("How it goes on: %s", c.hint("reset --status"))
	}
	return append(lines, c.stayWords(e)...)
}

// partlyWords says who has a request that others do not have yet.
func (c *call) partlyWords(e core.Deletion, receiver string) []string {
	first := c.text("The deletion request was handed over to %[1]s, in the state %[2]s.", receiver, screen.Clean(c.text(string(e.Receipt.State))))
	switch {
	case len(e.Receipt.Parts) > 0:
		first = c.text("The deletion request was made to several:")
	case e.Receipt.State == deletion.Manual:
		first = c.text("The deletion request is NOT complete: you have to finish it yourself.")
	}
	return append([]string{first}, c.answerWords(e.Receipt)...)
}

// mayStay says how many events a request may not reach.
func (s *settings) mayStay(e core.Deletion) string {
	return s.text("%s may stay all the same", s.events(e.NotDeletable))
}

// stayWords says it with the reason, where there are any. Nothing is said of them once nothing
// is left under the machine ID: that is looked for by the ID, which these events have too.
func (c *call) stayWords(e core.Deletion) []string {
	if e.NotDeletable == 0 {
		return nil
	}
	return []string{c.text("%s: they were accepted with a warning that the receiver may not find them again.", c.mayStay(e))}
}

// receiver names the receiver that was asked.
func (c *call) receiver() string {
	if c.m.Tool().Telemetry.DeletionRequestor != nil {
		return c.text("the authors") // who may have another way than the backend
	}
	if b := c.m.Status().Backend; len(b.Hosts) > 0 {
		return b.String()
	}
	return c.text("the receiver")
}

// askTheAuthors is what a person can always do, if the authors say where.
func (c *call) askTheAuthors(ask string) []string {
	if url := c.m.Tool().Telemetry.PrivacyURL; url != "" {
		return []string{c.text(ask, url)}
	}
	return nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return screen.Clean(text)
}

// answerWords is what was answered, by each of several if they were.
func (c *call) answerWords(r deletion.Receipt) []string {
	lines := c.receiptWords(r)
	for i, part := range r.Parts {
		lines = append(lines, fmt.Sprintf("%d. %s", i+1, screen.Clean(c.text(string(part.State)))))
		for _, line := range c.receiptWords(part) {
			lines = append(lines, "   "+line)
		}
	}
	return lines
}

func (c *call) receiptWords(r deletion.Receipt) (lines []string) {
	if r.Detail != "" {
		lines = append(lines, screen.Clean(r.Detail))
	}
	lines = append(lines, c.mail(r.URL)...)
	if r.ID != "" {
		lines = append(lines, c.text("Its ID, should you ask about it: %s", screen.Clean(r.ID)))
	}
	if !r.CancelUntil.IsZero() {
		lines = append(lines, c.text("There it can be cancelled until %s.", screen.When(r.CancelUntil)))
	}
	return lines
}

// mail shows the mail behind a mailto: link, to be sent from any program and any machine.
// Another link is shown as it is.
func (c *call) mail(link string) []string {
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "mailto" {
		return []string{screen.Clean(link)}
	}
	lines := []string{c.text("To: %s", screen.Clean(u.Opaque)), c.text("Subject: %s", screen.Clean(u.Query().Get("subject"))), ""}
	for line := range strings.Lines(strings.ReplaceAll(u.Query().Get("body"), "\r\n", "\n")) {
		lines = append(lines, screen.Clean(strings.TrimSuffix(line, "\n")))
	}
	for i := range lines {
		lines[i] = strings.TrimRight("| "+lines[i], " ")
	}
	return lines
}

// openMail opens the first prepared mail in the person's own program, where there is
// a person in front of a desktop. It was printed all the same.
func (c *call) openMail(format outputFormat, all []core.Deletion) {
	if !c.out.Terminal || format != formatText {
		return
	}
	for _, e := range all {
		for _, r := range append([]deletion.Receipt{e.Receipt}, e.Receipt.Parts...) {
			if r.State == deletion.Manual && strings.HasPrefix(r.URL, "mailto:") {
				if c.openURL(c.m.Lookup, r.URL) == nil {
					fmt.Fprintln(c.out)
					c.say("The mail was opened in your mail program. It is sent when you send it.")
				}
				return
			}
		}
	}
}

var errNoDesktop = errors.New("there is no desktop")

// openOnDesktop hands a link to the person's desktop and does not wait for what it does.
func openOnDesktop(lookup func(string) (string, bool), link string) error {
	set := func(names ...string) bool {
		for _, name := range names {
			if value, _ := lookup(name); value != "" {
				return true
			}
		}
		return false
	}
	var cmd *exec.Cmd
	switch {
	case set("SSH_CONNECTION", "CI"):
		return errNoDesktop // whatever opened would open elsewhere
	case runtime.GOOS == "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", link)
	case runtime.GOOS == "darwin":
		cmd = exec.Command("open", link)
	case set("DISPLAY", "WAYLAND_DISPLAY"):
		cmd = exec.Command("xdg-open", link)
	default:
		return errNoDesktop
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// showDeletions prints how far every request came. With an error there may be others.
func (c *call) showDeletions(format outputFormat, all []core.Deletion, err error) error {
	if format == formatJSON {
		return screen.WriteJSON(c.out, struct {
			versionJSON
			Tool     string         `json:"tool"`
			Requests []deletionJSON `json:"requests"`
			// Unknown says that not all of them could be read.
			Unknown bool `json:"requests_unknown,omitempty"`
		}{versionJSON{schemaVersion}, c.m.Tool().Name, deletionsJSON(all), err != nil})
	}
	if len(all) == 0 && err == nil {
		c.say("There is no deletion request of %s on this machine.", c.m.Tool().Name)
	}
	for i, e := range all {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		c.out.Line(screen.Bold, c.text("Data sent under the machine ID %s:", e.MachineID))
		c.out.Table(c.deletionRows(e))
		for _, line := range c.deletionWords(e) {
			c.out.Text(line)
		}
	}
	return nil
}

// steps are the states in the order in which they are shown.
var steps = []deletion.State{
	deletion.Requested, deletion.Delivered, deletion.Acknowledged, deletion.Verified, deletion.Refused, deletion.Manual,
}

func (c *call) deletionRows(e core.Deletion) (rows []screen.Row) {
	for _, state := range steps {
		if at := e.Reached[state]; !at.IsZero() {
			colour := screen.Plain
			if state == e.State {
				colour = screen.Bold
			}
			rows = append(rows, screen.Row{Label: c.text(string(state)), Value: screen.When(at), Colour: colour})
		}
	}
	if !e.Next.IsZero() {
		rows = append(rows, screen.Row{Label: c.text("next look"), Value: c.text("with the first command after %s", screen.When(e.Next))})
	}
	return rows
}

// deletionJSON is one deletion request. Its names are stable.
type deletionJSON struct {
	MachineID string `json:"machine_id"`
	// State is "requested", "delivered", "acknowledged", "verified", "refused" or "manual".
	State          string    `json:"state"`
	RequestedAt    time.Time `json:"requested_at,omitzero"`
	DeliveredAt    time.Time `json:"delivered_at,omitzero"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
	VerifiedAt     time.Time `json:"verified_at,omitzero"`
	RefusedAt      time.Time `json:"refused_at,omitzero"`
	ManualAt       time.Time `json:"manual_at,omitzero"`
	receiptJSON
	// Receiver is who has taken it, the last one of several; Partly says that others have not.
	Receiver string `json:"receiver,omitempty"`
	Partly   bool   `json:"handed_over_in_part,omitempty"`
	// NotDeletable is how many events the request may not reach; see core.Deletion.
	NotDeletable int `json:"not_deletable,omitempty"`

	Attempts int       `json:"attempts,omitempty"`
	Problem  string    `json:"problem,omitempty"`
	NextAt   time.Time `json:"next_at,omitzero"`
	// Parts are the receipts of several requestors.
	Parts []partJSON `json:"parts,omitempty"`
}

type receiptJSON struct {
	ID          string    `json:"id,omitempty"`
	Detail      string    `json:"detail,omitempty"`
	URL         string    `json:"url,omitempty"`
	CancelUntil time.Time `json:"cancel_until,omitzero"`
}

type partJSON struct {
	State string `json:"state"`
	receiptJSON
}

func toReceiptJSON(r deletion.Receipt) receiptJSON {
	return receiptJSON{r.ID, r.Detail, r.URL, r.CancelUntil.UTC()}
}

func deletionsJSON(all []core.Deletion) []deletionJSON {
	list := []deletionJSON{} // [] rather than null
	for _, e := range all {
		at := func(s deletion.State) time.Time { return e.Reached[s].UTC() }
		j := deletionJSON{
			MachineID: e.MachineID, State: string(e.State),
			RequestedAt: at(deletion.Requested), DeliveredAt: at(deletion.Delivered), AcknowledgedAt: at(deletion.Acknowledged),
			VerifiedAt: at(deletion.Verified), RefusedAt: at(deletion.Refused), ManualAt: at(deletion.Manual),
			receiptJSON: toReceiptJSON(e.Receipt), Receiver: e.Receiver, Partly: e.Partly(), NotDeletable: e.NotDeletable, Attempts: e.Attempts, Problem: e.Problem, NextAt: e.Next.UTC(),
		}
		for _, part := range e.Receipt.Parts {
			j.Parts = append(j.Parts, partJSON{string(part.State), toReceiptJSON(part)})
		}
		list = append(list, j)
	}
	return list
}
