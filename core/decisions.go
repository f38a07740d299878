package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
)

// PastDecision is a decision as it was made, and how it compares with what would be sent now.
type PastDecision struct {
	consent.Past
	// More lists, in words for people, what the present build declares that was not declared
	// then, and Less what was and no longer is. Both are nil where the terms of then are not
	// known. A decision for this machine only is compared without the receiver.
	More, Less []string
}

// Decisions is the history of what was decided, until the last reset.
type Decisions struct {
	// List is in the order in which they were made, whatever the clock said, oldest first.
	List []PastDecision
	// Cut is how many older ones were cut for the size of the file, of the times from CutFrom
	// to CutTo.
	Cut            int
	CutFrom, CutTo time.Time
	// Missing is how many answers were given in between or before of which nothing is known: the
	// history could not be written or was removed, or an older version of the tool has none.
	Missing int
	// Behind says that there is a history and the present answer is not in it.
	Behind bool
	// Problem says where the history is not as it was written, "" if it is.
	Problem string
}

// Decisions returns every decision since the last reset: the answers, with what was shown, and
// the variables and policies under which something was recorded. It changes nothing. Nothing
// depends on the history: an answer that could not be put into it counts all the same, and is
// the last in the list, marked Unrecorded. The error says that the history cannot be read,
// and comes with what else is known.
func (m *Manager) Decisions() (Decisions, error) {
	if err := ignoreMissing(m.mayLook()); err != nil {
		return Decisions{}, err
	}
	h, err := m.in.store().History()
	if err != nil {
		err = fmt.Errorf("the history of decisions cannot be read: %w", err)
	}
	d := Decisions{Cut: h.Cut, CutFrom: h.CutFrom, CutTo: h.CutTo, Missing: h.Missing, Behind: h.Behind, Problem: h.Problem}
	now := m.in.terms()
	for _, past := range h.Decisions {
		p := PastDecision{Past: past}
		if past.Terms.Tool != "" {
			local := past.Decided == consent.AnswerLocal
			p.More, p.Less = now.Beyond(past.Terms, local), now.Without(past.Terms, local)
		}
		d.List = append(d.List, p)
	}
	return d, err
}

// lookAtDecisions tells what is wrong with the receipts and the history.
func (m *Manager) lookAtDecisions(fault func(error)) {
	broken := m.in.store().Broken()
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		if err := broken[name]; err != nil {
			fault(fmt.Errorf("the receipt %s cannot be read: %w", name, err))
		} else {
			fault(fmt.Errorf("a file was damaged and is set aside as %s", name))
		}
	}
	d, err := m.Decisions()
	fault(err)
	if d.Problem != "" {
		fault(fmt.Errorf("the history of decisions is not as it was written: %s", d.Problem))
	}
	if d.Behind {
		fault(errors.New("the present answer counts, and is not in the history of decisions: " +
			"that could not be written, or an older version of the tool stored the answer"))
	}
}
