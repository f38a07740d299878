package telemetrycmd

import (
	"net/http"
	"strings"
	"testing"
)

// Telemetry is off then, and something goes out all the same.
func TestInspectTellsOfADeletionRequestThatWaits(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.sendOne()
	h.answers(http.StatusInternalServerError)
	_, _, _ = h.run("telemetry", "reset", "--yes") // the request cannot be handed over
	_, errs, code := h.run("telemetry", "inspect", "--next")
	if code == 0 || !strings.Contains(errs, "but a deletion request is, with the first command after ") {
		t.Errorf("code %d, %q", code, errs)
	}
}

func TestAReceiptListsArgumentsAndErrorsWhereTheyAreSent(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.tool.Telemetry.ExtendedCollection = true
	h.must("telemetry", "enable")
	if out := h.must("telemetry", "receipts", "1"); !strings.Contains(out, "agent, arch, args,") || !strings.Contains(out, "durations, error, error_class") {
		t.Errorf("it lists\n%s", out)
	}
}

// A receiver that refuses everything may be wrong, so events wait for it all the same.
func TestTheLogCallsNothingLostThatIsKept(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("telemetry", "enable")
	h.record(1)
	h.answers(http.StatusBadRequest)
	_, _, _ = h.run("telemetry", "flush")
	out := h.must("telemetry", "log", "1")
	if strings.Contains(out, "for good") || !strings.Contains(out, "status counts as lost") {
		t.Errorf("it says\n%s", out)
	}
}

// The earlier yes was to this receiver, so who asks for it by hand gets it.
func TestStatusSaysWhatBecomesOfEventsOfAnEarlierYes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("telemetry", "enable")
	h.record(2)
	h.tool.Telemetry.ExtendedCollection = true
	out := h.must("telemetry", "status")
	if !strings.Contains(out, "what you said yes to has changed") || !strings.Contains(out, "goes with: mytool telemetry flush") {
		t.Errorf("it says\n%s", out)
	}
	if out := h.must("telemetry", "flush"); !strings.Contains(out, "Sent 2 events") {
		t.Errorf("it did not: %s", out)
	}
}

// Two digits of a receipt are those of a number as well, of which the person means the one or the other.
func TestADecisionIsNotFoundByLessOfItsReceiptThanTheListShows(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("telemetry", "enable")
	receipt := h.manager().Stored().Receipt
	for _, n := range []int{2, 4, 7} {
		if out, _, code := h.run("telemetry", "receipts", receipt[:n]); code == 0 {
			t.Errorf("%d characters find\n%s", n, out)
		}
	}
	if out := h.must("telemetry", "receipts", receipt[:8]); !strings.Contains(out, receipt) {
		t.Errorf("eight find\n%s", out)
	}
}
