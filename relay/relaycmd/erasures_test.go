//go:build !notelemetry

package relaycmd

import (
	"context"
	"encoding/csv"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/internal/standin/datadog"
	"github.com/gotoolbase/telemetry/relay/erasures"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// clock is one that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// formula is what a spreadsheet would run.
const formula = `=HYPERLINK("https://example.com")`

// history is a ledger with one erasure of each kind, made by a relay whose clock is set:
// what it says is the same in every run, but for IDs.
type history struct {
	*place
	ids []string
}

func newHistory(t *testing.T) *history {
	t.Helper()
	c := &clock{at: noon}
	h := &history{place: placeAt(t, c.now)}
	s := surroundings{lookup: func(string) (string, bool) { return "", false }, now: c.now}
	h.declare("# all at their places")
	cfg, err := loadConfig(h.path("relay.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	vendors, err := s.openAll(cfg)
	if err != nil {
		t.Fatal(err)
	}
	vendors[formula] = vendors["mytool"]
	ledger, err := erasures.OpenLedger(cfg.ledger)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	log := newLines()
	r, err := erasures.New(erasures.Config{
		Ledger: ledger, Tools: vendors, Quiet: cfg.quiet, Limit: cfg.limit, Now: c.now, Log: slog.New(slog.NewJSONHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	post := func(tool string, n int) {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, "/v1/erasures", strings.NewReader(strings.ReplaceAll(body("TOOL", somebody(n)), "TOOL", strings.ReplaceAll(tool, `"`, `\"`))))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != http.StatusAccepted {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		_, rest, _ := strings.Cut(w.Body.String(), `"id":"`)
		h.ids = append(h.ids, rest[:32])
	}
	running, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(running) }()

	// Acknowledged by PostHog, and by Datadog with ten days to cancel.
	h.postHog.Capture(somebody(1).id, noon.Add(-time.Hour))
	post("mytool", 1)
	log.expect(t, 1, inHand)
	c.set(noon.Add(24 * time.Hour))
	h.dataDog.Store(datadog.Log{Host: somebody(2).id, Service: "mylogs"})
	post("mylogs", 2)
	log.expect(t, 2, inHand)
	// Refused, since the profile is somebody else's as well.
	c.set(noon.Add(48 * time.Hour))
	h.postHog.Capture(somebody(3).id, noon)
	h.postHog.Alias(somebody(3).id, "somebody@example.com")
	post(formula, 3)
	log.expect(t, 1, "a vendor refuses")
	// Verified: somebody has asked Datadog before.
	c.set(noon.Add(72 * time.Hour))
	h.dataDog.AddRequest(datadog.Request{Query: "host:" + somebody(4).id + " service:mylogs", Status: datadog.Completed, From: noon.AddDate(-1, 0, 0), To: c.now().Add(time.Hour)})
	post("mylogs", 4)
	log.expect(t, 1, "a vendor has erased")
	// A vendor that is down.
	c.set(noon.Add(96 * time.Hour))
	h.dataDog.Break(datadog.List, datadog.Fault{Status: http.StatusServiceUnavailable, Body: `{"errors":["down"]}`})
	post("mylogs", 5)
	log.expect(t, 1, "a call of a vendor failed")
	// One that came in when the relay was about to end.
	c.set(noon.Add(120 * time.Hour))
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	post("big", 6)
	return h
}

// later is when the operator looks.
var later = noon.Add(125*time.Hour + 10*time.Minute)

// about is a time that depends on a die.
var about = regexp.MustCompile(`(about |"next_attempt":\s*")\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)`)

func (h *history) scrub(text string) string {
	for i, id := range h.ids {
		name := "ERASURE-" + string(rune('1'+i))
		text = strings.ReplaceAll(text, id, (name + strings.Repeat("-", 32))[:32])
		text = strings.ReplaceAll(text, id[:shortID], (name + strings.Repeat("-", 32))[:shortID])
	}
	return h.place.scrub(about.ReplaceAllString(text, "${1}SOON"))
}

func (h *history) transcript(args ...string) string {
	h.Helper()
	out, errs, code := h.inProcess(later, nil, append(args, "--ledger", h.path("ledger"))...)
	return h.scrub(transcript(args, out, errs, code))
}

func TestTheLedgerIsToldToPeopleAndPrograms(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for name, line := range map[string]string{
		"list":           "list",
		"list_json":      "list --output json",
		"list_refused":   "list --state refused",
		"list_tool":      "list --tool mylogs",
		"list_machine":   "list --machine-id " + somebody(4).id,
		"list_none":      "list --tool nobodys",
		"list_none_json": "list --tool nobodys --output json",
		"export":         "export",
		"export_csv":     "export --format csv",
		"export_tool":    "export --format csv --tool big",
		"verify":         "verify",
		"show_json":      "show " + h.ids[1] + " --output json",
		"retry_json":     "retry " + h.ids[2] + " --output json",
		"retry_none":     "retry " + h.ids[3],
		"repair_whole":   "repair",
		"show_nobodys":   "show ffffffffffffffffffffffffffffffff",
	} {
		golden(t, "erasures_"+name, h.transcript(append([]string{"erasures"}, strings.Fields(line)...)...))
	}
	for i, name := range []string{"acknowledged", "cancellable", "refused", "verified", "failing", "waiting"} {
		golden(t, "erasures_show_"+name, h.transcript("erasures", "show", h.ids[i]))
	}
}

// A cell that begins so is a formula to a spreadsheet, and its text may be a stranger's.
func TestNoCellOfTheCSVIsAFormula(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
		"": "", "posthog": "posthog", "a=1": "a=1", "'=1": "'=1",
	} {
		if got := noFormula(cell); got != want {
			t.Errorf("%q became %q, want %q", cell, got, want)
		}
	}
	h := newHistory(t)
	out := h.must("erasures", "export", "--ledger", "ledger", "--format", "csv")
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(records) != 8 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if got := records[3][1]; got != "'"+formula {
		t.Errorf("the tool is %q", got)
	}
	for _, record := range records {
		for _, cell := range record {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("there is the cell %q", cell)
			}
		}
	}
}

func TestIDsAreCompletedWithWhatTheyAreAndRetryOffersWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	all := h.completes("erasures", "show", "--ledger", "ledger", "")
	if strings.Count(all, "\n") != len(h.ids)+1 || !strings.HasPrefix(all, h.ids[5]+"\tbig, acknowledged, 2026-11-27 12:00:00 UTC\n") {
		t.Errorf("show: %s", all)
	}
	if got := h.completes("erasures", "retry", "--ledger", "ledger", ""); !strings.HasPrefix(got, h.ids[2]+"\t") || strings.Count(got, "\n") != 2 {
		t.Errorf("retry: %s", got)
	}
	if got := h.completes("erasures", "list", "--ledger", "ledger", "--tool", ""); got != formula+"\nbig\nmylogs\nmytool\n:4\n" {
		t.Errorf("tools: %s", got)
	}
	if got := h.completes("erasures", "show", "--ledger", "none", ""); got != ":36\n" {
		t.Errorf("without a ledger: %s", got)
	}
}

// A vendor that is asked less than it was may be asked for nothing at all.
func TestLookingAtTheLedgerChangesNothingAndAsksNobody(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	calls := len(h.postHog.Calls()) + len(h.dataDog.Calls())
	before := h.must("erasures", "verify", "--ledger", "ledger")
	for _, line := range []string{"list", "show " + h.ids[0], "export", "verify", "list --output json"} {
		h.must(append([]string{"erasures", "--ledger", "ledger"}, strings.Fields(line)...)...)
	}
	if after := h.must("erasures", "verify", "--ledger", "ledger"); after != before {
		t.Errorf("the ledger was\n%s and is\n%s", before, after)
	}
	if n := len(h.postHog.Calls()) + len(h.dataDog.Calls()); n != calls {
		t.Errorf("the vendors were called %d times", n-calls)
	}
}
