package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/tty"
)

// resetPatience is how long the deletion requests may take: a person is looking.
const resetPatience = 30 * time.Second

func (s *commands) reset() *Command {
	var yes, status, resume *bool
	var format *outputFormat
	c := s.command("reset", "Turn telemetry off, erase it here and ask for the deletion of what was sent",
		"Turn telemetry off, erase what is kept here, ask for the deletion of what was sent,\n"+
			"and forget the machine ID: a later yes gets a new one. The log of what was sent and the\n"+
			"history of decisions are erased too, but for the no of this reset.\n\n"+
			"It says of each request how far it came. Those that could not be handed over are\n"+
			"kept, and later commands make them again in the background, also while telemetry\n"+
			"is off; the exit code is then 1. On a terminal it asks before it begins, because\n"+
			"it cannot be undone.",
		func(c *call) error {
			switch {
			case *status && *resume:
				return &UsageError{c.errorf("--status changes nothing and --resume does: give one of them")}
			case *status:
				return c.resetStatus(*format)
			case *resume:
				return c.resetResume(*format)
			}
			return c.reset(*format, *yes)
		},
		"reset", "reset --status", "reset --resume", "reset --yes --output json")
	c.SuggestFor = []string{"delete", "erase", "forget"}
	format = c.addOutput()
	yes = c.addBool("yes", "y", "do not ask")
	status = c.addBool("status", "", "show how far the deletion requests came, and change nothing")
	resume = c.addBool("resume", "", "take the deletion requests up again now, and reset nothing else")
	return c
}

func (c *call) reset(format outputFormat, yes bool) error {
	before := c.look()
	if !yes && before.somethingToReset() {
		if err := c.confirmReset(before.tool); err != nil {
			return err
		}
	}
	var report core.ResetReport
	err := c.asking(func(ctx context.Context, tell func(done, total int)) (err error) {
		report, err = c.m.Reset(ctx, tell)
		return err
	})
	if err == nil && !report.Off && c.m.Decision().Enabled {
		// Nothing is stored here, but a variable or the policy says yes.
		var no core.DisableReport
		no, err = c.m.Disable(c.ctx)
		report.Erased, report.NotErased, report.Off = no.Erased, no.NotErased, no.Off
	}
	if err != nil && !report.Off {
		return c.notStored(before, err)
	}
	if format == formatJSON {
		j := resetJSON{c.look().summary(), report.Erased, report.NotErased, report.LogErased, report.DecisionsErased, report.LocalErased, report.Sending,
			notDeletable(report.Requests), report.Unknown, report.Lost, report.LostIDs, deletionsJSON(report.Requests)}
		if writeErr := screen.WriteJSON(c.out, j); writeErr != nil {
			return writeErr
		}
	} else {
		c.printReset(before, report, err == nil)
	}
	c.openMail(format, report.Requests)
	if err != nil {
		return c.errorf("telemetry is off, but the reset is not complete (%[1]w); to try again: %[2]s", flat{err}, c.hint("reset"))
	}
	if n := len(report.Unknown); n > 0 {
		err = c.countErrorf(n, "%d identity could not be read, so nobody could be asked to delete what may have been sent under it",
			"%d identities could not be read, so nobody could be asked to delete what may have been sent under them")
	}
	if report.Lost {
		err = errors.Join(err, c.errorf("an identity is gone, so nobody could be asked to delete what was sent under it"))
	}
	return errors.Join(err, c.stillOpen(report.Requests))
}

// asking runs work, which asks others, within the time that a person waits, and shows
// how far it is.
func (c *call) asking(work func(ctx context.Context, tell func(done, total int)) error) error {
	ctx, cancel := context.WithTimeout(c.ctx, resetPatience)
	defer cancel()
	var p progress
	defer p.show(c.settings, c.err, c.text("Asking for the deletion"), func(n int) string { return c.count(n, "%d request", "%d requests") })()
	return work(ctx, p.set)
}

func (c *call) resetStatus(format outputFormat) error {
	all, err := c.m.Deletions()
	if err := c.showDeletions(format, all, err); err != nil {
		return err
	}
	if err != nil {
		return c.errorf("not every deletion request can be looked at: %[1]w; see %[2]s", flat{err}, c.hint("status"))
	}
	return nil
}

func (c *call) resetResume(format outputFormat) error {
	var all []core.Deletion
	err := c.asking(func(ctx context.Context, tell func(done, total int)) (err error) {
		all, err = c.m.Resume(ctx, tell)
		return err
	})
	if err := c.showDeletions(format, all, err); err != nil {
		return err
	}
	c.openMail(format, all)
	if err != nil {
		return c.errorf("%[1]w; see %[2]s, and to try again: %[3]s", flat{err}, c.hint("status"), c.hint("reset --resume"))
	}
	return c.stillOpen(all)
}

// stillOpen is the error of a command after which a receiver does not have its request.
func (c *call) stillOpen(all []core.Deletion) error {
	open := slices.DeleteFunc(slices.Clone(all), func(e core.Deletion) bool { return !e.Open() })
	n := len(open)
	switch {
	case n == 0:
		return nil
	case !slices.ContainsFunc(open, func(e core.Deletion) bool { return !e.Partly() }):
		return c.countErrorf(n, "%[1]d deletion request was not handed over to everybody; to try again: %[2]s",
			"%[1]d deletion requests were not handed over to everybody; to try again: %[2]s", c.hint("reset --resume"))
	}
	return c.countErrorf(n, "%[1]d deletion request is still open; to try again: %[2]s",
		"%[1]d deletion requests are still open; to try again: %[2]s", c.hint("reset --resume"))
}

func (v view) somethingToReset() bool {
	return v.MachineID != "" || v.Queue.Events > 0 || v.Log.Requests > 0
}

func (c *call) lostIDs(report core.ResetReport) {
	for _, id := range report.LostIDs {
		c.out.Text("  " + screen.Clean(id))
	}
}

// confirmPatience is for a person who has just typed the command and reads what it does.
const confirmPatience = time.Minute

// confirmReset asks, where there is a person to ask: a script said what it wants. The
// error says that the person does not want it, or that the command ended meanwhile.
func (c *call) confirmReset(tool string) error {
	in, asked := c.in.(*os.File)
	if !asked || !tty.Is(in) || !c.err.Terminal {
		return nil
	}
	c.err.Paragraph(c.text("This turns telemetry of %s off, erases what waits and what stayed here, the log of what was sent and the history of decisions, and asks for the deletion of what was sent. It cannot be undone.", tool))
	said, err := c.askYesNo(c.ctx, in, c.err, c.text("Go on?"), confirmPatience)
	if err == nil && said != saidYes {
		err = c.errorf("nothing was changed")
	}
	return err
}

func (c *call) printReset(before view, report core.ResetReport, complete bool) {
	if !report.Off {
		c.say("Nothing to reset: %s has stored nothing here, so nothing here tells of data elsewhere.", before.tool)
		return
	}
	c.saidNo(before.tool, report.Erased, report.Arrived, report.NotErased, complete)
	if n := report.LocalErased; n > 0 {
		c.out.Line(screen.Plain, c.count(n, "The event that stayed on this machine is erased.", "The %d events that stayed on this machine are erased."))
	}
	if report.LogErased > 0 {
		c.say("The log of what was sent is erased.")
	}
	if report.DecisionsErased > 0 {
		c.say("The history of decisions is erased, and begins anew with this no.")
	}
	if report.Sending {
		c.say("A batch is still on its way. It may arrive after the request for its deletion, and nothing here will tell whether it did.")
	}
	for _, name := range report.Unknown {
		fmt.Fprintln(c.out)
		c.say("An identity was damaged and is kept as %s.", name)
		c.say("Whether anything was sent under it is not known here. Only the authors can look: give them that file, which holds the key.")
		c.sayAuthors()
	}
	switch {
	case report.Lost:
		fmt.Fprintln(c.out)
		c.say("An identity under which something was sent is gone, and with it the key that proves a deletion request. Only the authors can look: ask them, naming the machine ID.")
		if len(report.LostIDs) == 0 {
			c.say("The machine ID is not known here: the log of what was sent does not name it.")
		}
		c.lostIDs(report)
		c.sayAuthors()
	case len(report.LostIDs) > 0:
		c.say("The log of what was sent named these machine IDs, which may be of it: tell the authors.")
		c.lostIDs(report)
	}
	if len(report.Requests)+len(report.Unknown) == 0 && !report.Lost && complete {
		c.out.Line(screen.Plain, c.nothingToAsk(before.Deletions))
	}
	if report.Variable != "" {
		c.say("%s is set: unset it, since nothing is sent under an ID that is being deleted.", report.Variable)
	}
	for _, e := range report.Requests {
		fmt.Fprintln(c.out)
		c.say("Data sent under the machine ID %s:", e.MachineID)
		for _, line := range c.deletionWords(e) {
			c.out.Text("  " + line)
		}
		if e.NotDeletable > 0 && before.MachineID == e.MachineID {
			for _, w := range before.Declared.Warnings {
				if w.NotDeletable && before.Warned[w.Name] > 0 {
					c.out.Text("    " + c.text("%[1]s: %[2]s", c.events(before.Warned[w.Name]), screen.Clean(w.Doc)))
				}
			}
		}
	}
}

// sayAuthors says where the authors are found.
func (c *call) sayAuthors() {
	if url := c.m.Tool().Telemetry.PrivacyURL; url != "" {
		c.say("The authors: %s", url)
	}
}

// nothingToAsk says why no receiver is asked to delete anything: no more than is known here.
func (c *call) nothingToAsk(before []core.Deletion) string {
	for i := len(before) - 1; i >= 0; i-- {
		if e := before[i]; e.State == deletion.Verified {
			return c.text("Nothing was sent since the last reset. That earlier data is gone was verified on %s.",
				screen.When(e.Reached[deletion.Verified]))
		}
	}
	return c.text("Nothing is stored here under which anything was sent, so there is nobody to ask to delete it.")
}

type resetJSON struct {
	summaryJSON
	Erased    int `json:"erased"`
	NotErased int `json:"not_erased,omitempty"`
	// LogErased and DecisionsErased are how much the log of what was sent and the history held
	// that are erased.
	LogErased       int `json:"log_entries_erased"`
	DecisionsErased int `json:"decisions_erased"`
	// LocalErased is how many events had stayed here.
	LocalErased int `json:"local_erased"`
	// Sending says that a batch was still on its way.
	Sending bool `json:"still_sending,omitempty"`
	// NotDeletable is how many of the events that were sent may stay all the same, the greatest
	// number of a request.
	NotDeletable int            `json:"not_deletable,omitempty"`
	Unknown      []string       `json:"damaged_identities,omitempty"`
	Lost         bool           `json:"identity_lost,omitempty"`
	LostIDs      []string       `json:"lost_machine_ids,omitempty"`
	Requests     []deletionJSON `json:"requests"`
}

// notDeletable is the greatest number of events that one of the requests may not reach. Their
// sum may count an event for several IDs.
func notDeletable(all []core.Deletion) (n int) {
	for _, e := range all {
		n = max(n, e.NotDeletable)
	}
	return n
}
