//go:build !notelemetry

package relaycmd

import (
	"context"
	"encoding/csv"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/internal/standin/datadog"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
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

// history is a ledger with one deletion of each kind, made by a relay whose clock is set:
// what it says is the same in every run, but for IDs.
type history struct {
	*place
	ids []string
}

func newHistory(t *testing.T) *history {
	t.Helper()
	c := &clock{at: noon}
	h := &history{place: placeAt(t, c.now)}
	s := surroundings{lookup: func(string) (string, bool) { return "", false }, now: c.now, vendors: reachable()}
	h.declare("# all at their places")
	cfg, err := s.loadConfig(h.path("relay.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	vendors, err := s.openAll(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	vendors[formula] = vendors["mytool"]
	db, err := store.Open(t.Context(), cfg.database, deletions.Schema())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log := newLines()
	r, err := deletions.New(deletions.Config{
		Ledger: deletions.NewLedger(db), Tools: vendors, Quiet: cfg.quiet, Limit: cfg.limit, Now: c.now, Log: slog.New(slog.NewJSONHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	post := func(tool string, n int) {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, "/v1/deletions", strings.NewReader(strings.ReplaceAll(body("TOOL", somebody(n)), "TOOL", strings.ReplaceAll(tool, `"`, `\"`))))
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
	log.expect(t, 1, "a vendor has deleted")
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
		name := "DELETION-" + string(rune('1'+i))
		text = strings.ReplaceAll(text, id, (name + strings.Repeat("-", 32))[:32])
		text = strings.ReplaceAll(text, id[:shortID], (name + strings.Repeat("-", 32))[:shortID])
	}
	return h.place.scrub(about.ReplaceAllString(text, "${1}SOON"))
}

func (h *history) transcript(args ...string) string {
	h.Helper()
	out, errs, code := h.inProcess(later, nil, append(args, "--database", "sqlite:"+h.path("data/relay.db"))...)
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
		"retry_none":     "retry " + h.ids[3],
		"show_nobodys":   "show ffffffffffffffffffffffffffffffff",
	} {
		golden(t, "deletions_"+name, h.transcript(append([]string{"deletions"}, strings.Fields(line)...)...))
	}
	for i, name := range []string{"acknowledged", "cancellable", "refused", "verified", "failing", "waiting"} {
		golden(t, "deletions_show_"+name, h.transcript("deletions", "show", h.ids[i]))
	}
	golden(t, "deletions_retry_json", h.transcript("deletions", "retry", h.ids[2], "--output", "json"))
	if out, _, _ := h.inProcess(later, nil, "deletions", "show", h.ids[2], "--config", h.path("relay.yaml")); !strings.Contains(out, "\nState: acknowledged\n") {
		t.Errorf("once it is tried again, show says\n%s", out)
	}
}

func TestWhatIsDoneByHandSaysWhoAndWhy(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	const config = "relay.yaml"
	h.must("deletions", "done", h.ids[2], "--config", config, "--by", "alice", "--why", "split the profile and deleted it")
	h.fails(1, "nothing is left to be done for this deletion", "deletions", "done", h.ids[2], "--config", config, "--by", "alice", "--why", "again")
	out := h.must("deletions", "show", h.ids[2], "--config", config)
	for _, want := range []string{"\nState: done\n", "\tdone\t\tby alice: split the profile and deleted it\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("show has no %q:\n%s", want, out)
		}
	}
	if out := h.must("deletions", "list", "--config", config, "--state", "done"); !strings.HasPrefix(out, h.ids[2]) || strings.Count(out, "\n") != 1 {
		t.Errorf("list: %s", out)
	}
	h.must("deletions", "verify", "--config", config)
}

func TestARequestThatCameByMailIsTaken(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	args := []string{"deletions", "add", "--config", "relay.yaml", "--tool", "mytool", "--machine-id", somebody(1).id, "--by", "alice", "--why", "letter of 3 May"}
	if out := p.must(args...); !strings.HasPrefix(out, "It is in the ledger, and due by ") {
		t.Errorf("add: %s", out)
	}
	if out := p.must(args...); !strings.HasPrefix(out, "It was in the ledger already, ") {
		t.Errorf("add, once more: %s", out)
	}
	p.fails(2, "--tool: the relay's file has no such tool", append(args, "--tool", "nobodys")...)
	p.fails(2, "--machine-id: not a machine ID", append(args, "--machine-id", "alice")...)
	p.fails(2, "name the ticket or the letter that says more", append(args, "--by", strings.Repeat("x", 301))...)
	p.fails(2, "--requested-at must be a time that is over", append(args, "--requested-at", "tomorrow")...)
	early := time.Now().Add(-28 * 24 * time.Hour).UTC()
	due := early.AddDate(0, 0, 30).Format("2006-01-02")
	if out := p.must(append(args, "--requested-at", early.Format(time.RFC3339))...); !strings.HasPrefix(out, "It was in the ledger already, and due by "+due) {
		t.Errorf("add, by an older letter: %s", out)
	}
	p.fails(1, "to be done by", "deletions", "list", "--config", "relay.yaml", "--due=7d")
	p.postHog.Capture(somebody(1).id, time.Now())
	r := p.start()
	r.log.expect(t, 1, inHand)
	r.stop()
	if out := p.must("deletions", "export", "--config", "relay.yaml"); !strings.Contains(out, `"event":"received","by":"alice","why":"letter of 3 May"`) {
		t.Errorf("export: %s", out)
	}
}

func TestWhatIsDueIsListedWithAnExitCodeForAJob(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	run := func(now time.Time, flags ...string) (int, int) {
		out, _, code := h.inProcess(now, nil, append([]string{"deletions", "list", "--database", "sqlite:" + h.path("data/relay.db")}, flags...)...)
		return strings.Count(out, "\n"), code
	}
	for _, c := range []struct {
		after       time.Duration
		flag        string
		lines, code int
	}{
		{0, "--due", 0, 0}, {23*24*time.Hour - time.Second, "--due", 0, 0}, {23*24*time.Hour + time.Second, "--due", 1, 1},
		{23*24*time.Hour + time.Second, "--due=1d", 0, 0}, {29 * 24 * time.Hour, "--due", 5, 1}, // one of six is verified
	} {
		if lines, code := run(noon.Add(c.after), c.flag); lines != c.lines || code != c.code {
			t.Errorf("%v after the first, %s lists %d with code %d; want %d and %d", c.after, c.flag, lines, code, c.lines, c.code)
		}
	}
}

func TestALongListComesInPages(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	var all []string
	for after := ""; len(all) <= len(h.ids); {
		out := h.must("deletions", "list", "--config", "relay.yaml", "--limit", "2", "--after", after)
		if out == "" {
			break
		}
		for line := range strings.Lines(out) {
			after, _, _ = strings.Cut(line, "\t")
			all = append(all, after)
		}
	}
	if !slices.Equal(all, h.ids) {
		t.Errorf("page by page there are %v, want %v", all, h.ids)
	}
	h.fails(2, "--after: there is no deletion with this ID", "deletions", "list", "--config", "relay.yaml", "--after", "0f0f")
}

func TestAnExportIsSignedAndChecked(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.must("deletions", "keygen", "audit.key")
	h.must("deletions", "keygen", "other.key")
	h.fails(1, "cannot write audit.key", "deletions", "keygen", "audit.key")
	if info, err := os.Stat(h.path("audit.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is %v, %v", info.Mode(), err)
	}
	for _, input := range []string{"audit.key", "relay.yaml", "data/relay.db"} {
		h.fails(2, "would be overwritten", "deletions", "export", "--config", "relay.yaml", "--sign", "audit.key", "--signature", input)
	}
	some := h.must("deletions", "export", "--config", "relay.yaml", "--tool", "mytool", "--state", "verified", "--sign", "audit.key", "--signature", "some.sig")
	h.write("some", some)
	if says := h.must("deletions", "verify-export", "some", "--signature", "some.sig", "--public-key-file", "audit.key.pub"); !strings.Contains(says, "\nWhich: only those with the state verified and the tool mytool\n") {
		t.Errorf("a part: %s", says)
	}
	for _, format := range []string{"json", "csv"} {
		out := h.must("deletions", "export", "--config", "relay.yaml", "--format", format, "--sign", "audit.key", "--signature", "export.sig")
		h.write("export", out)
		check := []string{"deletions", "verify-export", "export", "--signature", "export.sig", "--public-key-file", "audit.key.pub"}
		if says := h.must(check...); !strings.HasPrefix(says, "Export: as it was signed\nDeletions: 6\nWhich: all that the ledger had\n") {
			t.Errorf("%s: %s", format, says)
		}
		h.fails(1, "the signature is not that of this key", append(check, "--public-key-file", "other.key.pub")...)
		h.write("export", strings.Replace(out, "acknowledged", "verified", 1))
		h.fails(1, "export is not what was exported", check...)
		signature, err := os.ReadFile(h.path("export.sig"))
		if err != nil {
			t.Fatal(err)
		}
		h.write("export", out)
		h.write("export.sig", strings.Replace(string(signature), `"deletions":6`, `"deletions":5`, 1))
		h.fails(1, "the signature is not that of this key", check...)
	}
	h.fails(2, "--sign: not a private key", "deletions", "export", "--config", "relay.yaml", "--sign", "posthog.key", "--signature", "x")
}

func TestALedgerOfFilesIsTakenOverOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	from, err := filepath.Abs("../deletions/testdata/ledger")
	if err != nil {
		t.Fatal(err)
	}
	if out := p.must("migrate", "--from-ledger", from, "--config", "relay.yaml"); !strings.HasPrefix(out, "Taken over: 5 deletions\nLines: 40\n") {
		t.Errorf("migrate: %s", out)
	}
	p.must("deletions", "verify", "--config", "relay.yaml")
	p.fails(1, "is not empty", "migrate", "--from-ledger", from, "--config", "relay.yaml")
	p.fails(1, "there is no ledger.jsonl in the directory", "migrate", "--from-ledger", p.dir, "--database", "sqlite:other/relay.db")
	for _, dir := range []string{"damaged", "cut"} {
		if err := os.Mkdir(p.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.write("damaged/ledger.jsonl", "{\"x\":1}\n")
	p.fails(1, "line 1 of the ledger: it is not as it was written", "migrate", "--from-ledger", p.path("damaged"), "--database", "sqlite:other/relay.db")
	p.write("cut/ledger.jsonl", "")
	p.fails(1, "the ledger.jsonl in the directory is empty", "migrate", "--from-ledger", p.path("cut"), "--database", "sqlite:other/relay.db")
	if _, err := os.Stat(p.path("other")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a database was made for nothing: %v", err)
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
	out := h.must("deletions", "export", "--database", "sqlite:data/relay.db", "--format", "csv")
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
	all := h.completes("deletions", "show", "--database", "sqlite:data/relay.db", "")
	if strings.Count(all, "\n") != len(h.ids)+1 || !strings.HasPrefix(all, h.ids[5]+"\tbig, acknowledged, 2026-11-27 12:00:00 UTC\n") {
		t.Errorf("show: %s", all)
	}
	if got := h.completes("deletions", "retry", "--database", "sqlite:data/relay.db", ""); !strings.HasPrefix(got, h.ids[2]+"\t") || strings.Count(got, "\n") != 2 {
		t.Errorf("retry: %s", got)
	}
	if got := h.completes("deletions", "list", "--database", "sqlite:data/relay.db", "--tool", ""); got != formula+"\nbig\nmylogs\nmytool\n:4\n" {
		t.Errorf("tools: %s", got)
	}
	if got := h.completes("deletions", "show", "--database", "sqlite:none", ""); got != ":36\n" {
		t.Errorf("without a ledger: %s", got)
	}
}

// A vendor that is asked less than it was may be asked for nothing at all.
func TestLookingAtTheLedgerChangesNothingAndAsksNobody(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	calls := len(h.postHog.Calls()) + len(h.dataDog.Calls())
	before := h.must("deletions", "verify", "--database", "sqlite:data/relay.db")
	for _, line := range []string{"list", "show " + h.ids[0], "export", "verify", "list --output json"} {
		h.must(append([]string{"deletions", "--database", "sqlite:data/relay.db"}, strings.Fields(line)...)...)
	}
	if after := h.must("deletions", "verify", "--database", "sqlite:data/relay.db"); after != before {
		t.Errorf("the ledger was\n%s and is\n%s", before, after)
	}
	if n := len(h.postHog.Calls()) + len(h.dataDog.Calls()); n != calls {
		t.Errorf("the vendors were called %d times", n-calls)
	}
}

// A job that looks for what is due must not be told that nothing is because its tool is mistyped.
func TestAFilterThatIsMistypedIsTold(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for _, command := range []string{"list", "export"} {
		h.fails(2, "--machine-id: not a machine ID", "deletions", command, "--machine-id", "xx", "--database", "sqlite:data/relay.db")
	}
}
