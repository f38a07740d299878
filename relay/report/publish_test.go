//go:build !notelemetry

package report_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
)

// small is a week of some machines in groups of all sizes, with names that stand in no page
// by chance.
func small(r *rand.Rand) []driver.Event {
	var list []driver.Event
	monday := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for machine := range r.IntN(60) {
		for range 1 + r.IntN(3) {
			// Products of two make small groups as likely as large ones.
			command, version := r.IntN(1+r.IntN(9)), r.IntN(1+r.IntN(9))
			list = append(list, driver.Event{ID: strconv.Itoa(len(list)), Type: "command.invocation", Name: fmt.Sprintf("zcommand%d", command), Version: fmt.Sprintf("zversion%d", version),
				Time: monday.Add(time.Duration(r.IntN(7*24*3600)) * time.Second), Tool: "x", OS: "linux", MachineID: strconv.Itoa(machine), CI: r.IntN(9) == 0, Count: r.IntN(3)})
		}
	}
	return list
}

func TestNoGroupOfFewerThanKCanBeTakenFromAPublishedPage(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	shown, merged, hidden := 0, 0, 0
	for range 300 {
		list, k := small(r), 2+r.IntN(8)
		if len(list) == 0 {
			continue
		}
		page := counted(t, report.Query{Now: samples.Now, Weeks: 3}, list).Page(report.PageOptions{K: k})
		all, text := tables(t, page), pageOf(t, page)
		for name, of := range map[string]func(driver.Event) string{
			"commands": func(e driver.Event) string { return e.Name },
			"versions": func(e driver.Event) string { return e.Version },
		} {
			machines, calls := map[string]map[string]bool{}, map[string]int{}
			for _, e := range list {
				value := of(e)
				if machines[value] == nil {
					machines[value] = map[string]bool{}
				}
				if !e.CI { // jobs make no group larger
					machines[value][e.MachineID] = true
				}
				calls[value] += max(e.Count, 1)
			}
			if all[name] == "" {
				together := map[string]bool{}
				for _, m := range machines {
					for machine := range m {
						together[machine] = true
					}
				}
				if len(together) >= k {
					t.Errorf("k %d: all %d machines together are left out of %s", k, len(together), name)
				}
				hidden++
			}
			names, by := map[string]bool{}, map[string]map[string]string{}
			if all[name] != "" {
				_, by = rows(t, all[name])
			}
			for value, row := range by {
				if value == "(other)" {
					continue
				}
				names[value] = true
				shown++
				if len(machines[value]) < k {
					t.Errorf("k %d: %s, a group of %d, is shown", k, value, len(machines[value]))
				}
				if want := calls[value] / k * k; row["events"] != strconv.Itoa(want) {
					t.Errorf("%s: %s events, want %d", value, row["events"], want)
				}
			}
			rest, together := 0, map[string]bool{}
			for value, m := range machines {
				if names[value] {
					continue
				}
				if strings.Contains(text, value) {
					t.Errorf("k %d: %s is in the page, though not in %s", k, value, name)
				}
				rest += calls[value]
				for machine := range m {
					together[machine] = true
				}
			}
			if all[name] != "" && rest > 0 {
				merged++
				if len(together) < k {
					t.Errorf("k %d: the sum less what is shown of %s is that of %d machines", k, name, len(together))
				}
				if got := by["(other)"]; got["events"] != strconv.Itoa(rest/k*k) || got["installations"] != strconv.Itoa(len(together)/k*k) {
					t.Errorf("k %d: the others of %s are %v, want those of %d events of %d machines", k, name, got, rest, len(together))
				}
			}
		}
		// Charts are of the same installations, so one taken from another must say nothing either.
		for name, text := range all {
			_, by := rows(t, text)
			for value, row := range by {
				for _, column := range []string{"installations", "jobs", "events", "failures", "ended"} {
					if n, err := strconv.Atoi(row[column]); err == nil && n%k != 0 {
						t.Errorf("k %d: %s: %s: %d %s", k, name, value, n, column)
					}
				}
			}
		}
	}
	if shown < 100 || merged < 100 || hidden < 5 {
		t.Errorf("only %d groups were shown, %d put together and %d left out", shown, merged, hidden)
	}
}

func TestWhoCameBackIsShownOnlyWhereNeitherTheyNorTheOthersAreFew(t *testing.T) {
	t.Parallel()
	const k = 5
	monday := time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)
	for back, want := range map[int]string{0: "", 4: "", 5: "0.250000", 15: "0.750000", 16: "", 20: ""} {
		var list []driver.Event
		for machine := range 20 {
			for w := range 2 {
				if w == 0 || machine < back {
					list = append(list, driver.Event{ID: fmt.Sprint(machine, w), Type: "feature.used", Time: monday.Add(time.Duration(w) * week), Tool: "x", MachineID: strconv.Itoa(machine)})
				}
			}
		}
		list = append(list, driver.Event{ID: "last", Type: "feature.used", Time: samples.Now, Tool: "x", MachineID: "y"})
		got := ""
		if text := tables(t, counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: k}))["retention"]; text != "" {
			_, by := rows(t, text)
			got = by["2026-10-05"]["week_1"]
		}
		if got != want {
			t.Errorf("%d of 20 came back: %q, want %q", back, got, want)
		}
	}
}

// Whoever keeps all pages learns of whole weeks and days only, and nothing of one that was
// shown before.
func TestPagesOfTwoDaysDifferByWholeWindowsOnly(t *testing.T) {
	t.Parallel()
	list := inOrder(events(8, 5, 40))
	c := &clock{t: list[0].Time}
	db := open(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	r := rollups(t, db, c.now)
	active, commands := map[string]string{}, map[string]string{}
	published, today := 0, ""
	for _, e := range list {
		if day := e.Time.Format(time.DateOnly); day != today {
			today = day
			c.set(e.Time)
			flush(t, r)
			d, err := report.Read(t.Context(), db, report.Query{Now: c.now(), Weeks: 1})
			if err != nil && !errors.Is(err, report.ErrNoTool) { // there is none on the first day
				t.Fatal(err)
			}
			all := tables(t, d.Page(report.PageOptions{}))
			if all["active-by-day"] != "" {
				_, by := rows(t, all["active-by-day"])
				for d, row := range by {
					if before, known := active[d]; known && before != row["installations"] {
						t.Errorf("%s was %s, and on %s is %s", d, before, today, row["installations"])
					}
					active[d] = row["installations"]
				}
			}
			if all["active-by-week"] != "" {
				names, _ := rows(t, all["active-by-week"])
				if before, known := commands[names[0]]; known && before != all["commands"] {
					t.Errorf("the commands of %s are others on %s", names[0], today)
				}
				commands[names[0]] = all["commands"]
				published++
			}
		}
		r.Add(e.Tool, []driver.Event{e}, c.now())
	}
	if len(active) < 20 || len(commands) < 2 || published < 10 {
		t.Errorf("only %d days and %d weeks were published, %d times", len(active), len(commands), published)
	}
}

// A number that k hides is no zero: under it may be four, and put together with others, more.
func TestWhatIsHiddenIsNotShownAsNobody(t *testing.T) {
	t.Parallel()
	monday := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	var list []driver.Event
	for w, machines := range []int{6, 4} {
		for machine := range 20 {
			name := "often"
			if machine < machines {
				name = "seldom"
			}
			list = append(list, driver.Event{ID: fmt.Sprint(w, machine), Type: "command.invocation", Name: name, Time: monday.Add(time.Duration(w) * week), Tool: "x", MachineID: strconv.Itoa(machine)})
		}
	}
	for k, want := range map[int]string{1: "4", 5: ""} {
		page := counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: k})
		_, by := rows(t, tables(t, page)["commands"])
		if got := by["seldom"]; got["events"] == "" || got["installations"] != want {
			t.Errorf("k %d: %v, want %q installations", k, got, want)
		}
		if c, _ := page.Chart("commands"); k > 1 && !strings.Contains(strings.Join(c.Notes, " "), "A dash: ") {
			t.Errorf("no note says what a dash is: %q", c.Notes)
		}
	}
}

// What is counted with jobs has no crowd to hide a name in, so the list has to be closed here
// too: a file may come from anywhere.
func TestARunnerOfNoKnownNameIsNotNamed(t *testing.T) {
	t.Parallel()
	var list []driver.Event
	for machine := range 12 {
		e := driver.Event{ID: strconv.Itoa(machine), Type: "feature.used", Time: samples.Now.AddDate(0, 0, -14), Tool: "x", MachineID: strconv.Itoa(machine)}
		if machine%2 == 0 {
			e.CI, e.CIProvider = true, "acme-secret-ci"
		} else {
			e.Agent = "acme-secret-agent"
		}
		known := e
		known.ID += "k"
		if known.CI {
			known.CIProvider = "gitlab-ci"
		} else {
			known.Agent = "claude-code"
		}
		list = append(list, e, known)
	}
	for _, k := range []int{1, 5} {
		page := counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: k})
		names, by := rows(t, tables(t, page)["runners"])
		twelve, six := strconv.Itoa(12/k*k), strconv.Itoa(6/k*k)
		if len(names) != 3 || by["(further)"]["events"] != twelve || by["gitlab-ci"]["events"] != six || by["claude-code"]["events"] != six {
			t.Errorf("k %d: %v", k, by)
		}
		if text := pageOf(t, page); strings.Contains(text, "acme") || !strings.Contains(text, "further names") {
			t.Errorf("k %d: %s", k, text)
		}
	}
}

// A spreadsheet may take away what is not seen, read the wide signs as the narrow ones, and
// begin a cell at a semicolon, as it does where a comma is the decimal sign.
func TestNoCellOfACSVIsAFormulaToASpreadsheet(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"=1+1": "'=1+1", "@x": "'@x", "x;=1+1": "x;'=1+1", "x; -1": "x; '-1", "\uff1d1+1": "'\uff1d1+1", "\u200b=1": "\u200b'=1", "\u00a0+1": "'+1",
		"remote add -x": "remote add -x", "a=b": "a=b", "x;y": "x;y", "1.0-rc1": "1.0-rc1", "a,-b": "a,-b",
	}
	var list []driver.Event
	for name := range want {
		list = append(list, driver.Event{ID: name, Type: "command.invocation", Name: name, Time: samples.Now, Tool: "x", MachineID: "m"})
	}
	_, by := rows(t, tables(t, counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: 1}))["commands"])
	for name, cell := range want {
		if by[cell] == nil {
			t.Errorf("%q is not %q", name, cell)
		}
	}
	if t.Failed() {
		t.Logf("%q", by)
	}
}
