package core_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// declaredTool declares an event of its own, what goes with commands, and what goes with
// everything.
func declaredTool() props.Tool {
	tool := someTool()
	tool.Telemetry.NoticeVersion = 2
	tool.Telemetry.Fields = []props.Field{
		{Name: "edition", Type: props.OneOf("free", "pro")},
		{Name: "engine", Type: props.Version()},
	}
	tool.Telemetry.Events = []props.EventSpec{
		{Type: "export.finished", Purpose: "which formats matter", Names: []string{"scheduled", "by hand"}, Fields: []props.Field{
			{Name: "format", Type: props.OneOf("json", "csv"), Since: 2},
			{Name: "rows", Type: props.Buckets(10, 100, 1000)},
			{Name: "compressed", Type: props.Bool()},
			{Name: "ratio", Type: props.Number()},
			{Name: "note", Type: props.Text()},
		}},
		{Type: "trial", Until: "2027-06-30", Fields: []props.Field{{Name: "day", Type: props.Number(), Until: "2027-01-31"}}},
		{Type: props.EventCommandInvocation, Fields: []props.Field{
			{Name: "auth_method", Type: props.OneOf("oauth", "password", "token")},
		}},
	}
	return tool
}

// delivered ends a run and returns what was delivered of it.
func delivered(t *testing.T, home *coretest.Home, c *core.Collector, want int) []driver.Event {
	t.Helper()
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := home.Events()
	if len(events) != want {
		t.Fatalf("%d events were delivered, want %d: %+v", len(events), want, events)
	}
	return events
}

func TestWhatIsDeclaredIsKeptAsItIsAndTheRestIsLeftOutAndCounted(t *testing.T) {
	t.Parallel()
	tool := declaredTool()
	tool.Telemetry.Metadata = map[string]string{"edition": "pro", "engine": "not a version"}
	home := coretest.New(t, tool)
	c := home.Collector()
	c.Track("export.finished", "scheduled", map[string]string{
		"format": "csv", "rows": "0042", "compressed": "T", "ratio": "+1.50", "note": "token ghp_0123456789abcdefghijABCDEFGHIJ012345", "engine": "v2.1.0+zoe",
	})
	c.Track("export.finished", "anything", map[string]string{"format": "xml", "rows": "-1", "compressed": "maybe", "ratio": "a lot", "edition": "gold", "auth_method": "oauth"})
	c.TrackCommand("login", 1, 0, map[string]string{"auth_method": "oauth", "format": "csv"})
	c.Command("login").Annotate("auth_method", "password").Annotate("user", "zoe").Done(props.Outcome{})
	c.Track(props.EventFeatureUsed, "anything", nil)
	events := delivered(t, home, c, 5)
	for i, want := range []struct {
		name            string
		metadata        map[string]string
		truncated, reds int
	}{
		{"scheduled", map[string]string{"edition": "pro", "engine": "2.1.0", "format": "csv", "rows": "10-99", "compressed": "true", "ratio": "1.5", "note": "token <secret>"}, 1, 1},
		{"", map[string]string{"edition": "pro"}, 8, 0},
		{"login", map[string]string{"edition": "pro", "auth_method": "oauth"}, 2, 0},
		{"login", map[string]string{"edition": "pro", "auth_method": "password"}, 2, 0},
		{"anything", map[string]string{"edition": "pro"}, 1, 0},
	} {
		e := events[i]
		if e.Name != want.name || !maps.Equal(e.Metadata, want.metadata) || e.Truncated != want.truncated || e.Redacted != want.reds {
			t.Errorf("event %d is %q with %v, %d left out and %d redacted\nwant %+v", i, e.Name, e.Metadata, e.Truncated, e.Redacted, want)
		}
	}
}

func TestAnEventThatIsNotDeclaredIsALossWithAReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	home := coretest.New(t, declaredTool())
	c := home.Collector()
	for range 3 {
		c.Track("import.finished", "scheduled", nil)
	}
	c.Track("", "scheduled", nil)
	if status := home.Manager().Status(); status.Lost["undeclared"] != 3 || status.Lost["invalid"] != 1 || status.Queue.Events != 0 {
		t.Errorf("%v are lost, %d wait", status.Lost, status.Queue.Events)
	}
	c.Track("export.finished", "", nil)
	reasons := map[string]string{}
	for _, e := range delivered(t, home, c, 3) {
		if e.Type == string(props.EventLoss) {
			reasons[e.Name] = e.Metadata["count"]
		}
	}
	if !maps.Equal(reasons, map[string]string{"undeclared": "3", "invalid": "1"}) {
		t.Errorf("reported as lost: %v", reasons)
	}
}

// What is not declared may be anything, such as what a person typed.
func TestWhatIsNotDeclaredIsWrittenNowhere(t *testing.T) {
	t.Parallel()
	const canary = "canary-7"
	tool := declaredTool()
	tool.Telemetry.Metadata = map[string]string{"edition": canary}
	home := coretest.New(t, tool)
	c := home.Collector()
	c.Track(canary, canary, map[string]string{canary: canary})
	c.Track("export.finished", canary, map[string]string{"format": canary, "rows": canary, "compressed": canary, "ratio": canary, canary: "x", "engine": canary})
	c.TrackCommand("login", 1, 0, map[string]string{canary: canary, "auth_method": canary})
	c.Command("login").Annotate("auth_method", canary).Annotate(canary, "oauth").Done(props.Outcome{})
	c.Track("export.finished", "", map[string]string{"note": "witness"}) // the search finds what is written
	dir := home.Manager().Status().StateDir
	search := func() (witness bool) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			witness = witness || strings.Contains(string(content), "witness")
			if strings.Contains(string(content), canary) || strings.Contains(path, canary) {
				t.Errorf("%s holds the canary:\n%s", filepath.Base(path), content)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return witness
	}
	if !search() {
		t.Fatal("the search finds nothing of what was recorded")
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	home.Events()
	search()
	for _, e := range home.Events() {
		if line := string(e.AppendJSON(nil)); strings.Contains(line, canary) {
			t.Errorf("the canary was sent: %s", line)
		}
	}
}

func TestADeclarationEndsAfterItsLastDay(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC)
	tool := declaredTool()
	tool.Telemetry.MaxEventAge = 365 * 24 * time.Hour
	home := coretest.New(t, tool, core.WithClock(func() time.Time { return now }))
	c := home.Collector()
	track := func(at time.Time) {
		now = at
		c.Track("trial", "", map[string]string{"day": "3"})
	}
	track(now)
	track(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC))
	track(time.Date(2027, 6, 30, 23, 59, 59, 0, time.FixedZone("", 3600)))
	track(time.Date(2027, 6, 30, 23, 59, 59, 0, time.FixedZone("", -3600))) // the first of July in UTC
	events := delivered(t, home, c, 4)
	for i, want := range []struct {
		day  string
		left int
	}{{"3", 0}, {"", 1}, {"", 1}} {
		if e := events[i]; e.Type != "trial" || e.Metadata["day"] != want.day || e.Truncated != want.left {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if e := events[3]; e.Name != "undeclared" || e.Metadata["count"] != "1" {
		t.Errorf("%+v", e)
	}
}

func TestADeclarationOfNothingForbidsAllOfTheAuthorsOwn(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.Events = []props.EventSpec{}
	home := coretest.New(t, tool)
	c := home.Collector()
	c.Track("own", "", nil)
	c.TrackCommand("count", 1, 0, extra)
	if e := delivered(t, home, c, 2)[0]; e.Name != "count" || len(e.Metadata) != 0 || e.Truncated != len(extra) {
		t.Errorf("%+v", e)
	}
}

// Neither what is declared nor what is not makes the caller pay.
func TestTrackingWhatIsDeclaredAllocatesNothing(t *testing.T) { // not parallel: others allocate
	tool := declaredTool()
	tool.Telemetry.MaxQueueBytes = 1 << 30
	tool.Telemetry.Metadata = map[string]string{"edition": "pro"}
	// By this clock the slot is not looked at again meanwhile, which costs system calls.
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	c := open(t, tool, append(enabled(t, tool, nil), core.WithClock(func() time.Time {
		now = now.Add(time.Nanosecond)
		return now
	})))
	pairs := map[string]string{"format": "csv", "rows": "42", "compressed": "T", "ratio": "1.50", "note": "some words", "engine": "v1.2", "undeclared": "x"}
	if n := testing.AllocsPerRun(200, func() { c.Track("export.finished", "scheduled", pairs) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMistakesInADeclarationAreNamed(t *testing.T) {
	t.Parallel()
	many := make([]props.Field, 31)
	for i := range many {
		many[i] = props.Field{Name: "f" + strings.Repeat("x", i), Type: props.Bool()}
	}
	event := func(e props.EventSpec) func(*props.TelemetryConfig) {
		return func(c *props.TelemetryConfig) { c.Events = append(c.Events, e) }
	}
	fields := func(list ...props.Field) func(*props.TelemetryConfig) {
		return event(props.EventSpec{Type: "own", Fields: list})
	}
	of := func(t props.FieldType) func(*props.TelemetryConfig) { return fields(props.Field{Name: "f", Type: t}) }
	words := func(n int) (list []string) {
		for i := range n {
			list = append(list, strings.Repeat("x", i%60+1)+string(rune('a'+i/60)))
		}
		return list
	}
	for name, test := range map[string]struct {
		change      func(*props.TelemetryConfig)
		field, says string
	}{
		"no type":              {event(props.EventSpec{}), "Telemetry.Events[3].Type", "must be 1 to 64 letters"},
		"a type with a space":  {event(props.EventSpec{Type: "a b"}), "Telemetry.Events[3].Type", "must be 1 to 64 letters"},
		"a long type":          {event(props.EventSpec{Type: props.EventType(strings.Repeat("x", 65))}), "Telemetry.Events[3].Type", "must be 1 to 64 letters"},
		"a type twice":         {event(props.EventSpec{Type: "trial"}), "Telemetry.Events[3].Type", `"trial" is declared twice`},
		"our loss":             {event(props.EventSpec{Type: props.EventLoss}), "Telemetry.Events[3].Type", `"telemetry.loss" is the collector's own`},
		"our prefix":           {event(props.EventSpec{Type: "telemetry.mine"}), "Telemetry.Events[3].Type", `"telemetry.mine" is the collector's own`},
		"our deletion request": {event(props.EventSpec{Type: props.EventDeletionRequest}), "Telemetry.Events[3].Type", `"data.deletion_request" is the collector's own`},
		"too many events":      {func(c *props.TelemetryConfig) { c.Events = make([]props.EventSpec, 101) }, "Telemetry.Events", "has 101 events"},
		"no names":             {event(props.EventSpec{Type: "own", Names: []string{}}), "Telemetry.Events[3].Names", "is an empty set"},
		"a name twice":         {event(props.EventSpec{Type: "own", Names: []string{"a", "a"}}), "Telemetry.Events[3].Names", `"a" is listed twice`},
		"a name of two lines":  {event(props.EventSpec{Type: "own", Names: []string{"a\nb"}}), "Telemetry.Events[3].Names", "name 1 is not"},
		"a bad date":           {event(props.EventSpec{Type: "own", Until: "2027-06-31"}), "Telemetry.Events[3].Until", "is not a date like"},
		"another form of date": {event(props.EventSpec{Type: "own", Until: "30.6.2027"}), "Telemetry.Events[3].Until", "is not a date like"},
		"a notice to come":     {event(props.EventSpec{Type: "own", Since: 3}), "Telemetry.Events[3].Since", "is notice version 3, but NoticeVersion is 2"},
		"a negative notice":    {event(props.EventSpec{Type: "own", Since: -1}), "Telemetry.Events[3].Since", "is notice version -1"},
		"a long purpose":       {event(props.EventSpec{Type: "own", Purpose: strings.Repeat("x", 161)}), "Telemetry.Events[3].Purpose", "is not at most 160 bytes"},
		"a purpose that draws": {fields(props.Field{Name: "f", Type: props.Bool(), Purpose: "\x1b[31m"}), "Telemetry.Events[3].Fields[0].Purpose", "is not at most 160 bytes"},
		"a field without name": {fields(props.Field{Type: props.Bool()}), "Telemetry.Events[3].Fields[0].Name", "must be 1 to 64 letters"},
		"a field with a slash": {fields(props.Field{Name: "a/b", Type: props.Bool()}), "Telemetry.Events[3].Fields[0].Name", "must be 1 to 64 letters"},
		"a field twice":        {fields(props.Field{Name: "f", Type: props.Bool()}, props.Field{Name: "f", Type: props.Text()}), "Telemetry.Events[3].Fields[1].Name", `"f" is declared twice`},
		"a field of all":       {fields(props.Field{Name: "edition", Type: props.Bool()}), "Telemetry.Events[3].Fields[0].Name", `"edition" is declared twice`},
		"a built-in field":     {fields(props.Field{Name: "os", Type: props.Bool()}), "Telemetry.Events[3].Fields[0].Name", `"os" is a field that the collector fills in`},
		"too many fields":      {fields(many...), "Telemetry.Events[3].Fields", "makes 33 fields with those of every event; 32 fit"},
		"too many for all":     {func(c *props.TelemetryConfig) { c.Fields = append(c.Fields, many...) }, "Telemetry.Fields", "makes 33 fields"},
		"no kind":              {of(props.FieldType{}), "Telemetry.Events[3].Fields[0].Type", "is not set"},
		"a kind of no kind":    {of(props.FieldType{Kind: "date"}), "Telemetry.Events[3].Fields[0].Type", `"date" is no kind of value`},
		"values of a number":   {of(props.FieldType{Kind: props.KindNumber, Values: []string{"1"}}), "Telemetry.Events[3].Fields[0].Type", "has values or bounds"},
		"an empty set":         {of(props.OneOf()), "Telemetry.Events[3].Fields[0].Type", "is an empty set"},
		"a value twice":        {of(props.OneOf("a", "b", "a")), "Telemetry.Events[3].Fields[0].Type", `"a" is listed twice`},
		"an empty value":       {of(props.OneOf("a", "")), "Telemetry.Events[3].Fields[0].Type", "value 2 is not 1 to 64 bytes"},
		"a long value":         {of(props.OneOf(strings.Repeat("x", 65))), "Telemetry.Events[3].Fields[0].Type", "value 1 is not 1 to 64 bytes"},
		"a value with a space": {of(props.OneOf("a ")), "Telemetry.Events[3].Fields[0].Type", "value 1 is not 1 to 64 bytes"},
		"no UTF-8":             {of(props.OneOf("\xff")), "Telemetry.Events[3].Fields[0].Type", "value 1 is not 1 to 64 bytes"},
		"too many values":      {of(props.OneOf(words(101)...)), "Telemetry.Events[3].Fields[0].Type", "has 101 values"},
		"no bounds":            {of(props.Buckets()), "Telemetry.Events[3].Fields[0].Type", "has 0 bounds"},
		"falling bounds":       {of(props.Buckets(10, 10)), "Telemetry.Events[3].Fields[0].Type", "bound 2 is 10"},
		"a bound below one":    {of(props.Buckets(0, 10)), "Telemetry.Events[3].Fields[0].Type", "bound 1 is 0"},
		"keys beside fields":   {func(c *props.TelemetryConfig) { c.MetadataKeys = []string{"format"} }, "Telemetry.MetadataKeys", "lists keys, and so do Events and Fields"},
		"an undeclared pair":   {func(c *props.TelemetryConfig) { c.Metadata = map[string]string{"plan": "a"} }, "Telemetry.Metadata", `"plan" is not declared; add it to Fields`},
	} {
		tool := declaredTool()
		test.change(&tool.Telemetry)
		c, err := core.Open(tool, enabled(t, declaredTool(), nil)...)
		var config *driver.ConfigError
		if !errors.As(err, &config) || config.Field != test.field || !strings.HasPrefix(config.Problem, test.says) {
			t.Errorf("%s: %v", name, err)
		}
		if c.Enabled() {
			t.Errorf("%s: it records", name)
		}
		if _, err := core.NewManager(tool).Schema(); !errors.As(err, &config) || config.Field != test.field {
			t.Errorf("%s: the schema says %v", name, err)
		}
	}
	if _, err := core.Open(declaredTool(), enabled(t, declaredTool(), nil)...); err != nil {
		t.Errorf("without a mistake: %v", err)
	}
}

func TestAYesToADeclarationIsToNothingWider(t *testing.T) {
	t.Parallel()
	changed := func(change func(*props.TelemetryConfig)) props.Tool {
		tool := declaredTool()
		change(&tool.Telemetry)
		return tool
	}
	undeclared := func(c *props.TelemetryConfig) { c.Events, c.Fields = nil, nil }
	for name, c := range map[string]struct {
		said, now props.Tool
		asks      []string
	}{
		"the same":    {declaredTool(), declaredTool(), nil},
		"a new event": {declaredTool(), changed(func(c *props.TelemetryConfig) { c.Events = append(c.Events, props.EventSpec{Type: "own"}) }), []string{"the events own"}},
		"a new field": {declaredTool(), changed(func(c *props.TelemetryConfig) {
			c.Events[1].Fields = append(c.Events[1].Fields, props.Field{Name: "plan", Type: props.Bool()})
		}), []string{"the metadata plan"}},
		"a new field of all": {declaredTool(), changed(func(c *props.TelemetryConfig) {
			c.Fields = append(c.Fields, props.Field{Name: "plan", Type: props.Bool()})
		}), []string{"the metadata plan"}},
		"fewer":              {declaredTool(), changed(func(c *props.TelemetryConfig) { c.Events = c.Events[:1] }), nil},
		"no declaration now": {declaredTool(), changed(undeclared), []string{"events of any type", "metadata under any key"}},
		"only keys now": {declaredTool(), changed(func(c *props.TelemetryConfig) {
			undeclared(c)
			c.MetadataKeys = []string{"format"}
		}), []string{"events of any type"}},
		"no declaration then": {changed(undeclared), declaredTool(), nil},
	} {
		d := core.NewManager(c.now, enabled(t, c.said, nil)...).Decision()
		if got := strings.Join(d.Beyond, "; "); got != strings.Join(c.asks, "; ") || d.Enabled != (c.asks == nil) {
			t.Errorf("%s: enabled %v, new: %q", name, d.Enabled, got)
		}
	}
}

func TestANamedKeyKeepsShortValuesWhateverItMeans(t *testing.T) {
	t.Parallel()
	const uuid = "3f2c8a10-7a10-4c3e-8f21-0123456789ab"
	named := map[string]string{
		"run_id": uuid, "session": "interactive", "auth_method": "oauth", "key_count": "3", "session_id": uuid, "password_used": "true", "secret_store": "vault",
	}
	gone := map[string]string{ // still, whoever named the key
		"token": "ghp_0123456789abcdefghijABCDEFGHIJ012345", "dir": "/home/zoe/secret", "by": "zoe@example.com", "password": "the one that I use everywhere since I was a child, and which is long: hunter2",
	}
	tool := someTool()
	tool.Telemetry.MetadataKeys = []string{}
	pairs := map[string]string{"not_named": "x"}
	for _, list := range []map[string]string{named, gone} {
		for key, value := range list {
			tool.Telemetry.MetadataKeys = append(tool.Telemetry.MetadataKeys, key)
			pairs[key] = value
		}
	}
	home := coretest.New(t, tool)
	c := home.Collector()
	c.Track("feature.used", "x", pairs)
	e := delivered(t, home, c, 1)[0]
	for key, value := range named {
		if e.Metadata[key] != value {
			t.Errorf("%s: %q was kept as %q", key, value, e.Metadata[key])
		}
	}
	for key, value := range gone {
		if got := e.Metadata[key]; got == value || !strings.Contains(got, "<") {
			t.Errorf("%s: %q was kept as %q", key, value, got)
		}
	}
	if e.Truncated != 1 || e.Redacted != len(gone) {
		t.Errorf("%d left out, %d redacted; want 1 and %d", e.Truncated, e.Redacted, len(gone))
	}
}

func TestWhateverTheScrubberReplacedIsCounted(t *testing.T) {
	t.Parallel()
	const token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
	command := func(args []string, err string) func(*core.Collector) {
		return func(c *core.Collector) { c.TrackCommandExtended("login", args, 1, 0, err, nil) }
	}
	meta := func(pairs map[string]string) func(*core.Collector) {
		return func(c *core.Collector) { c.Track("feature.used", "x", pairs) }
	}
	for name, test := range map[string]struct {
		static          map[string]string
		track           func(*core.Collector)
		truncated, reds int
	}{
		"nothing":                              {nil, meta(map[string]string{"format": "json"}), 0, 0},
		"a value":                              {nil, meta(map[string]string{"note": token, "format": "json"}), 0, 1},
		"a secret's key":                       {nil, meta(map[string]string{"password": "x"}), 0, 1},
		"a key":                                {nil, meta(map[string]string{token: "x"}), 0, 1},
		"a key and its value":                  {nil, meta(map[string]string{token: token}), 0, 1},
		"a value, cut":                         {nil, meta(map[string]string{"note": strings.Repeat("some words ", 200)}), 1, 0},
		"a value, cut and more":                {nil, meta(map[string]string{"note": token + strings.Repeat(" some words", 200)}), 1, 1},
		"of every event":                       {map[string]string{"note": token, "channel": "stable"}, meta(nil), 0, 1},
		"of every event, replaced by the call": {map[string]string{"note": token}, meta(map[string]string{"note": "x"}), 0, 0},
		"a name":                               {nil, func(c *core.Collector) { c.Track("feature.used", token, nil) }, 0, 1},
		"a type":                               {nil, func(c *core.Collector) { c.Track(props.EventType(token), "x", nil) }, 0, 1},
		"a flag":                               {nil, func(c *core.Collector) { c.Command("x").Flags("format", token).Done(props.Outcome{}) }, 0, 1},
		"arguments":                            {nil, command([]string{"login", "--verbose", "zoe", "--token", token}, ""), 0, 2},
		"many arguments":                       {nil, command(strings.Fields(strings.Repeat("-v ", 40)), ""), 8, 0},
		"one argument too many":                {nil, command(strings.Fields(strings.Repeat("-v ", 33)), ""), 1, 0},
		"an error":                             {nil, command(nil, "no such token "+token), 0, 1},
		"an error, cut":                        {nil, command(nil, strings.Repeat("went wrong ", 60)), 1, 0},
		"an error, cut and more":               {nil, command(nil, token+" "+strings.Repeat("went wrong ", 60)), 1, 1},
	} {
		tool := someTool()
		tool.Telemetry.ExtendedCollection = true
		tool.Telemetry.Metadata = test.static
		home := coretest.New(t, tool)
		c := home.Collector()
		test.track(c)
		if e := delivered(t, home, c, 1)[0]; e.Truncated != test.truncated || e.Redacted != test.reds {
			t.Errorf("%s: %d truncated and %d redacted, want %d and %d: %s", name, e.Truncated, e.Redacted, test.truncated, test.reds, e.AppendJSON(nil))
		}
	}
}
