//go:build !notelemetry

package events_test

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// one posts an event past the firewall and returns what the destination got, nil if nothing.
func one(t *testing.T, tool events.Tool, e driver.Event) (got *driver.Event, g *gateway) {
	t.Helper()
	tool.Destinations = []events.Destination{standIn("vendor", func(_ context.Context, list []driver.Event) error {
		got = new(driver.Event)
		*got = list[0]
		got.Metadata = maps.Clone(list[0].Metadata)
		return nil
	})}
	g = serve(t, events.Config{Tools: map[string]events.Tool{"mytool": tool}})
	err := g.client().Send(t.Context(), []driver.Event{e})
	if p := partial(err); err != nil && (p == nil || !slices.Equal(p.Rejected, []string{e.ID})) {
		t.Fatalf("got %v", err)
	}
	return got, g
}

// declared is a tool whose author declares what its events may hold.
func declared() *props.Tool {
	return &props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{
		Events: []props.EventSpec{
			{Type: "export.finished", Names: []string{"scheduled"}, Fields: []props.Field{
				{Name: "format", Type: props.OneOf("json", "csv")},
				{Name: "rows", Type: props.Buckets(10, 100)},
				{Name: "took", Type: props.Number()},
				{Name: "compressed", Type: props.Bool()},
				{Name: "schema", Type: props.Version()},
				{Name: "note", Type: props.Text()},
				{Name: "old", Type: props.Bool(), Until: "2020-01-01"},
			}},
			{Type: "import.finished", Until: "2020-01-01"},
		},
		Fields:       []props.Field{{Name: "edition", Type: props.OneOf("home", "team")}},
		ErrorClasses: []props.ErrorClass{"quota_exceeded"},
	}}
}

func TestWhatTheAuthorDeclaresPassesAsItIs(t *testing.T) {
	t.Parallel()
	e := event()
	e.Type, e.Name, e.ErrorClass, e.Flags = "export.finished", "scheduled", "quota_exceeded", []string{"force"}
	e.Metadata = map[string]string{"format": "csv", "rows": "10-99", "took": "1.5", "compressed": "true", "schema": "1.20.0-rc.1", "note": "two words", "edition": "team"}
	e.CI, e.CIProvider, e.Agent, e.Truncated = true, "github-actions", "codex", 2
	e.Version, e.GoVersion, e.Flags = "v1.2.3-rc.1+4f (devel)", "go1.26rc1", []string{"force", "dry-run", "no.proxy", "größe"}
	got, g := one(t, events.Tool{Declared: declared()}, e)
	if got == nil || string(got.AppendJSON(nil)) != string(e.AppendJSON(nil)) {
		t.Errorf("got %+v", got)
	}
	if text := g.metrics(); strings.Contains(text, "telemetry_relay_events_findings_total{") {
		t.Errorf("something was found:\n%s", text)
	}
}

func TestWhatTheAuthorDoesNotDeclareStaysHere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*driver.Event)
		kind   string
		cut    int
		gone   func(driver.Event) bool
	}{
		"a key":               {func(e *driver.Event) { e.Metadata["host"] = "c4n4ry" }, "metadata_key", 1, nil},
		"a key of yesterday":  {func(e *driver.Event) { e.Metadata["old"] = "true" }, "metadata_key", 1, nil},
		"a value":             {func(e *driver.Event) { e.Metadata["format"] = "c4n4ry" }, "metadata_value", 1, nil},
		"a count":             {func(e *driver.Event) { e.Metadata["rows"] = "42" }, "metadata_value", 1, nil},
		"a number":            {func(e *driver.Event) { e.Metadata["took"] = "0123456789012345" }, "metadata_value", 1, nil},
		"a flag":              {func(e *driver.Event) { e.Metadata["compressed"] = "yes" }, "metadata_value", 1, nil},
		"a version":           {func(e *driver.Event) { e.Metadata["schema"] = "192.168.1.1" }, "metadata_value", 1, nil},
		"a long text":         {func(e *driver.Event) { e.Metadata["note"] = strings.Repeat("é", 33) + "c4n4ry" }, "text", 1, func(e driver.Event) bool { return len(e.Metadata["note"]) == 64 }},
		"a name":              {func(e *driver.Event) { e.Name = "c4n4ry" }, "name", 1, func(e driver.Event) bool { return e.Name == "" }},
		"arguments":           {func(e *driver.Event) { e.Args = []string{"c4n4ry"} }, "field", 1, nil},
		"an error text":       {func(e *driver.Event) { e.Error = "c4n4ry" }, "field", 1, nil},
		"an error class":      {func(e *driver.Event) { e.ErrorClass = "c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.ErrorClass == "other" }},
		"a system":            {func(e *driver.Event) { e.OS = "c4n4ry's machine" }, "word", 1, nil},
		"an agent":            {func(e *driver.Event) { e.Agent = "c4n4ry " }, "word", 1, nil},
		"a system's version":  {func(e *driver.Event) { e.OSVersion = "/home/c4n4ry/secret" }, "word", 1, func(e driver.Event) bool { return e.OSVersion == "" }},
		"the name of a host":  {func(e *driver.Event) { e.OSVersion = "c4n4ry-laptop.example.com" }, "word", 1, func(e driver.Event) bool { return e.OSVersion == "" }},
		"a host's number":     {func(e *driver.Event) { e.OSVersion = "c4n4ry-laptop.example.com 12.1" }, "word", 1, func(e driver.Event) bool { return e.OSVersion == "" }},
		"a number of letters": {func(e *driver.Event) { e.OSVersion = "debian c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.OSVersion == "" }},
		"three words":         {func(e *driver.Event) { e.OSVersion = "debian 12 c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.OSVersion == "" }},
		"a processor":         {func(e *driver.Event) { e.Arch = "c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.Arch == "other" }},
		"an address":          {func(e *driver.Event) { e.Arch = "10.1.2.3" }, "word", 1, func(e driver.Event) bool { return e.Arch == "other" }},
		"a CI system":         {func(e *driver.Event) { e.CIProvider = "c4n4ry-ci" }, "word", 1, func(e driver.Event) bool { return e.CIProvider == "other" }},
		"a word for agents":   {func(e *driver.Event) { e.Agent = "c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.Agent == "other" }},
		"a Go of its own":     {func(e *driver.Event) { e.GoVersion = "go1.26.1-c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.GoVersion == "go1.26.1" }},
		"no Go at all":        {func(e *driver.Event) { e.GoVersion = "c4n4ry@example.com" }, "word", 1, func(e driver.Event) bool { return e.GoVersion == "" }},
		"a version of one":    {func(e *driver.Event) { e.Version = "1.0 c4n4ry@example.com" }, "word", 1, func(e driver.Event) bool { return e.Version == "" }},
		"a flag's value":      {func(e *driver.Event) { e.Flags = []string{"a", "password=c4n4ry", "b"} }, "word", 1, func(e driver.Event) bool { return slices.Equal(e.Flags, []string{"a", "b"}) }},
		"a path for a flag":   {func(e *driver.Event) { e.Flags = []string{"/home/c4n4ry/x"} }, "word", 1, func(e driver.Event) bool { return len(e.Flags) == 0 }},
		"a run":               {func(e *driver.Event) { e.RunID = "c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.RunID == "" }},
		"a consent":           {func(e *driver.Event) { e.ConsentID = "c4n4ry" }, "word", 1, func(e driver.Event) bool { return e.ConsentID == "" }},
		"a version's name":    {func(e *driver.Event) { e.Version = strings.Repeat("x", 256) + "c4n4ry" }, "text", 1, nil},
		"flags":               {func(e *driver.Event) { e.Flags = append(slices.Repeat([]string{"f"}, 32), "c4n4ry") }, "field", 1, nil},
		"buckets":             {func(e *driver.Event) { e.Durations = make([]int, 99) }, "field", 1, func(e driver.Event) bool { return e.Durations == nil }},
	} {
		e := event()
		e.Type, e.Name, e.Metadata = "export.finished", "", map[string]string{"edition": "team"}
		c.change(&e)
		got, g := one(t, events.Tool{Declared: declared()}, e)
		if got == nil {
			t.Errorf("%s: the event did not pass", name)
			continue
		}
		if text := string(got.AppendJSON(nil)); strings.Contains(text, "c4n4ry") || got.Truncated != c.cut || got.Metadata["edition"] != "team" ||
			c.gone != nil && !c.gone(*got) {
			t.Errorf("%s: got %s", name, text)
		}
		if text := g.metrics(); !strings.Contains(text, `telemetry_relay_events_findings_total{tool="mytool",kind="`+c.kind+`"} 1`) || strings.Contains(text, "c4n4ry") {
			t.Errorf("%s: not counted as %s:\n%s", name, c.kind, text)
		}
	}
}

func TestAnEventThatMustNotBeIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*driver.Event)
		kind   string
	}{
		"a type that is not declared": {func(e *driver.Event) { e.Type = "export.started" }, "type"},
		"a type of yesterday":         {func(e *driver.Event) { e.Type = "import.finished" }, "type"},
		"no type":                     {func(e *driver.Event) { e.Type = "" }, "form"},
		"a machine":                   {func(e *driver.Event) { e.MachineID = strings.ToUpper(strings.Repeat("ab", 16)) }, "machine_id"},
		"a machine's name":            {func(e *driver.Event) { e.MachineID = "laptop-of-jane" }, "machine_id"},
		"a time long past":            {func(e *driver.Event) { e.Time = time.Now().Add(-101 * 24 * time.Hour) }, "time_past"},
		"more failures than calls":    {func(e *driver.Event) { e.Count, e.Failures = 2, 5 }, "form"},
		"failures of one call":        {func(e *driver.Event) { e.Failures = 1 }, "form"},
		"more durations than calls":   {func(e *driver.Event) { e.Count, e.Durations = 2, []int{1, 2} }, "form"},
		"more calls than there are":   {func(e *driver.Event) { e.Count, e.SampleRate = 1e9, 1e9 }, "form"},
		"a little more than that":     {func(e *driver.Event) { e.Count, e.SampleRate = 5e8+1, 2 }, "form"},
		"a telephone number's code":   {func(e *driver.Event) { *e.ExitCode = 491701234567 }, "form"},
		"a code below 32 bits":        {func(e *driver.Event) { *e.ExitCode = math.MinInt32 - 1 }, "form"},
		"more cut than there is":      {func(e *driver.Event) { e.Truncated = 123456789 }, "form"},
		"more scrubbed than there is": {func(e *driver.Event) { e.Redacted = 123456789 }, "form"},
		"a time before its beginning": {func(e *driver.Event) { *e.DurationMS = -5 }, "form"},
		"a time without end":          {func(e *driver.Event) { *e.DurationMS = 1e18 }, "form"},
		"no time":                     {func(e *driver.Event) { e.Time = time.Time{} }, "form"},
		"what no vendor takes":        {func(e *driver.Event) { e.Metadata = map[string]string{"note": strings.Repeat("x", 65536)} }, "size"},
	} {
		e := event()
		e.Type = "export.finished"
		c.change(&e)
		got, g := one(t, events.Tool{Declared: declared()}, e)
		if got != nil {
			t.Errorf("%s: it passed: %+v", name, got)
		}
		if text := g.metrics(); !strings.Contains(text, `telemetry_relay_events_findings_total{tool="mytool",kind="`+c.kind+`"} 1`) {
			t.Errorf("%s: not counted as %s:\n%s", name, c.kind, text)
		}
	}
}

func TestATimeAheadBecomesThatOfArrival(t *testing.T) {
	t.Parallel()
	for ahead, moved := range map[time.Duration]bool{0: false, time.Minute: false, 5 * time.Minute: true, 5 * 365 * 24 * time.Hour: true} {
		e := event()
		e.Time = e.Time.Add(ahead)
		got, _ := one(t, events.Tool{}, e)
		if got == nil || got.TimeAdjusted != moved || moved == got.Time.Equal(e.Time) || moved && time.Since(got.Time).Abs() > time.Minute {
			t.Errorf("%v ahead: got %+v", ahead, got)
		}
	}
}

// The author may say that a tool keeps its events for longer than tools do.
func TestWhatAToolKeepsLongIsNotTooOld(t *testing.T) {
	t.Parallel()
	tool := declared()
	tool.Telemetry.MaxEventAge = 200 * 24 * time.Hour
	e := event()
	e.Type, e.Time = "export.finished", e.Time.Add(-150*24*time.Hour)
	if got, _ := one(t, events.Tool{Declared: tool}, e); got == nil {
		t.Error("it was refused")
	}
}

func TestWithoutADeclarationTheClosedListOfFieldsCounts(t *testing.T) {
	t.Parallel()
	e := event()
	e.Type, e.Name, e.Error, e.Args, e.ErrorClass = "anything", "at all", "text", []string{"a"}, "own_class"
	e.Metadata = map[string]string{"any": "value", strings.Repeat("k", 65): "x", "long": strings.Repeat("x", 1025)}
	got, _ := one(t, events.Tool{}, e)
	if got == nil || got.Name != "at all" || got.Error != "text" || len(got.Args) != 1 || got.ErrorClass != "own_class" ||
		got.Metadata["any"] != "value" || len(got.Metadata) != 2 || len(got.Metadata["long"]) != 1024 || got.Truncated != 2 {
		t.Errorf("got %+v", got)
	}
}

// What no database keeps in a text must not hold up the texts of others.
func textsAreTexts(t *testing.T, db *store.DB) {
	g := serve(t, events.Config{DB: db}, kept(t, db, nil))
	text := string(driver.AppendJSONArray(nil, batch(1)))
	for _, name := range []string{`\u0000`, `a\ud800b`, "\xff\xfe", `\ud83d\ude00`} {
		serial := batch(1)[0].ID
		body := strings.Replace(text, `"name":"remote add"`, `"name":"`+name+`"`, 1)
		body = strings.Replace(body, text[8:44], serial, 1)
		if resp := g.post([]byte(body)); resp.StatusCode != 204 {
			t.Errorf("%q: %d", name, resp.StatusCode)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM events WHERE id = ?`, serial); n != 1 {
			t.Errorf("%q: %d rows", name, n)
		}
	}
}

func TestADeclarationWithAMistakeIsNotUsed(t *testing.T) {
	t.Parallel()
	db, _ := database(t)
	bad, other := declared(), declared()
	bad.Telemetry.Events[0].Type = ""
	other.Name = "other"
	to := []events.Destination{standIn("vendor", nil)}
	for name, tool := range map[string]events.Tool{
		"a mistake":       {Declared: bad, Destinations: to},
		"of another tool": {Declared: other, Destinations: to},
		"no destination":  {},
		"two of a name":   {Destinations: append(to, to...)},
		"one without":     {Destinations: []events.Destination{standIn("", nil)}},
	} {
		if _, err := events.New(events.Config{DB: db, Tools: map[string]events.Tool{"mytool": tool}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
