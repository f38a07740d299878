package schemafile

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// today is within thirty days of nothing that base declares.
var today = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func base() props.Tool {
	return props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{
		NoticeVersion: 3,
		Purpose:       "to count",
		Retention:     "30 days",
		ErrorClasses:  []props.ErrorClass{"quota"},
		Fields:        []props.Field{{Name: "edition", Type: props.OneOf("free", "pro")}},
		Events: []props.EventSpec{
			{Type: "exported", Purpose: "a|b", Names: []string{"by hand", "scheduled"}, Since: 2, Until: "2027-06-30", Fields: []props.Field{
				{Name: "format", Type: props.OneOf("json", "csv"), Since: 2, Until: "2027-01-31"},
				{Name: "rows", Type: props.Buckets(10, 100, 1000)},
				{Name: "ratio", Type: props.Number()},
				{Name: "quick", Type: props.Bool()},
				{Name: "note", Type: props.Text()},
			}},
			{Type: props.EventCommandInvocation, Fields: []props.Field{{Name: "auth", Type: props.OneOf("oauth", "token")}}},
		},
	}}
}

func schemaOf(t testing.TB, tool props.Tool, at time.Time) core.Schema {
	t.Helper()
	s, err := core.NewManager(tool, core.WithClock(func() time.Time { return at })).Schema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const remedy = "UPDATE"

// check calls Check in a directory whose lock file is of the first tool.
func check(t *testing.T, before, now props.Tool, at time.Time, update bool) (found Findings, dir string) {
	t.Helper()
	dir = t.TempDir()
	if _, err := Check(dir, schemaOf(t, before, today), true, remedy); err != nil {
		t.Fatal(err)
	}
	found, err := Check(dir, schemaOf(t, now, at), update, remedy)
	if err != nil {
		t.Fatal(err)
	}
	return found, dir
}

// Each way in which more may be sent, and each in which it may be less.
func TestWhateverIsWiderNeedsANewNoticeAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	const wider, narrower, same = "wider", "narrower", "same"
	format := func(c *props.TelemetryConfig) *props.Field { return &c.Events[0].Fields[0] }
	rows := func(c *props.TelemetryConfig) *props.Field { return &c.Events[0].Fields[1] }
	ratio := func(c *props.TelemetryConfig) *props.Field { return &c.Events[0].Fields[2] }
	undeclared := func(c *props.TelemetryConfig) { c.Events, c.Fields = nil, nil }
	keys := func(names ...string) func(*props.TelemetryConfig) {
		return func(c *props.TelemetryConfig) { undeclared(c); c.MetadataKeys = append([]string{}, names...) }
	}
	is := func(*props.TelemetryConfig) {}
	who := func(name string) func(*props.TelemetryConfig) {
		return func(c *props.TelemetryConfig) { c.Controller = name }
	}
	for name, test := range map[string]struct {
		before, now func(*props.TelemetryConfig)
		is, says    string
	}{
		"the same":             {is, is, same, ""},
		"other words":          {is, func(c *props.TelemetryConfig) { c.Events[0].Purpose, format(c).Purpose = "x", "y" }, same, ""},
		"a new event":          {is, func(c *props.TelemetryConfig) { c.Events = append(c.Events, props.EventSpec{Type: "own"}) }, wider, "the event own is new"},
		"an event less":        {is, func(c *props.TelemetryConfig) { c.Events = c.Events[1:] }, narrower, "the event exported is gone"},
		"a new name":           {is, func(c *props.TelemetryConfig) { c.Events[0].Names = []string{"by hand", "scheduled", "again"} }, wider, "the event exported may also have the name again"},
		"a name less":          {is, func(c *props.TelemetryConfig) { c.Events[0].Names = nil }, narrower, "the event exported has fewer names"},
		"a set of names":       {is, func(c *props.TelemetryConfig) { c.Events[1].Names = []string{"login"} }, narrower, "the event command.invocation has fewer names"},
		"no set of names":      {func(c *props.TelemetryConfig) { c.Events[1].Names = []string{"login"} }, is, wider, "the event command.invocation may have any name"},
		"a longer event":       {is, func(c *props.TelemetryConfig) { c.Events[0].Until = "2027-07-01" }, wider, "the event exported is recorded until 2027-07-01, not 2027-06-30"},
		"an event for ever":    {is, func(c *props.TelemetryConfig) { c.Events[0].Until = "" }, wider, "the event exported is recorded until further notice, not 2027-06-30"},
		"a shorter event":      {is, func(c *props.TelemetryConfig) { c.Events[0].Until = "2027-02-01" }, narrower, "the event exported is recorded until 2027-02-01"},
		"an event with an end": {is, func(c *props.TelemetryConfig) { c.Events[1].Until = "2027-02-01" }, narrower, "the event command.invocation is recorded until 2027-02-01, not further notice"},
		"a new field": {is, func(c *props.TelemetryConfig) {
			c.Events[0].Fields = append(c.Events[0].Fields, props.Field{Name: "new", Type: props.Bool()})
		}, wider, "the metadata new of exported is new"},
		"a field less": {is, func(c *props.TelemetryConfig) { c.Events[0].Fields = c.Events[0].Fields[:4] }, narrower, "the metadata note of exported is gone"},
		"a known field elsewhere": {is, func(c *props.TelemetryConfig) {
			c.Events[1].Fields = append(c.Events[1].Fields, props.Field{Name: "format", Type: format(c).Type})
		}, wider, "the metadata format of command.invocation is new"},
		"a field of all": {is, func(c *props.TelemetryConfig) {
			c.Fields = append(c.Fields, props.Field{Name: "new", Type: props.Bool()})
		}, wider, "the metadata new is new"},
		"a field of all, now of one": {is, func(c *props.TelemetryConfig) {
			c.Events[1].Fields = append(c.Events[1].Fields, c.Fields...)
			c.Fields = nil
		},
			narrower, "the metadata edition is gone"},
		"a new value":          {is, func(c *props.TelemetryConfig) { format(c).Type = props.OneOf("json", "xml", "csv") }, wider, "the metadata format of exported may also be xml"},
		"another value":        {is, func(c *props.TelemetryConfig) { format(c).Type = props.OneOf("json", "xml") }, wider, "may also be xml"},
		"a value less":         {is, func(c *props.TelemetryConfig) { format(c).Type = props.OneOf("json") }, narrower, "has fewer values"},
		"another order":        {is, func(c *props.TelemetryConfig) { format(c).Type = props.OneOf("csv", "json") }, narrower, "is not up to date"},
		"text for a set":       {is, func(c *props.TelemetryConfig) { format(c).Type = props.Text() }, wider, "is text, up to 64 bytes, not one of json, csv"},
		"a set for text":       {is, func(c *props.TelemetryConfig) { c.Events[0].Fields[4].Type = props.OneOf("json") }, narrower, "is json, not text"},
		"a version for a set":  {is, func(c *props.TelemetryConfig) { format(c).Type = props.Version() }, wider, "is a version, not one of"},
		"a number for a bool":  {is, func(c *props.TelemetryConfig) { c.Events[0].Fields[3].Type = props.Number() }, wider, "is a number, not true or false"},
		"a set for a bool":     {is, func(c *props.TelemetryConfig) { c.Events[0].Fields[3].Type = props.OneOf("true") }, narrower, "has fewer values"},
		"another set for one":  {is, func(c *props.TelemetryConfig) { c.Events[0].Fields[3].Type = props.OneOf("true", "maybe") }, wider, "may also be maybe"},
		"finer buckets":        {is, func(c *props.TelemetryConfig) { rows(c).Type = props.Buckets(10, 50, 100, 1000) }, wider, "has the buckets 0-9, 10-49, 50-99, 100-999, 1000+"},
		"other buckets":        {is, func(c *props.TelemetryConfig) { rows(c).Type = props.Buckets(10, 200) }, wider, "has the buckets 0-9, 10-199, 200+"},
		"coarser buckets":      {is, func(c *props.TelemetryConfig) { rows(c).Type = props.Buckets(100) }, narrower, "has the buckets 0-99, 100+"},
		"a number for buckets": {is, func(c *props.TelemetryConfig) { rows(c).Type = props.Number() }, wider, "is a number, not a count"},
		"buckets for a number": {is, func(c *props.TelemetryConfig) { ratio(c).Type = props.Buckets(1) }, narrower, "is a count, as 0, 1+, not a number"},
		"a longer field":       {is, func(c *props.TelemetryConfig) { format(c).Until = "2027-02-01" }, wider, "the metadata format of exported is recorded until 2027-02-01, not 2027-01-31"},
		"a shorter field":      {is, func(c *props.TelemetryConfig) { format(c).Until = "2027-01-01" }, narrower, "is recorded until 2027-01-01"},
		"no folding":           {func(c *props.TelemetryConfig) { c.Events[0].Fold = true }, is, wider, "the event exported is no longer folded"},
		"folding":              {is, func(c *props.TelemetryConfig) { c.Fold = true }, narrower, "the event command.invocation is folded"},
		"more of the runs":     {func(c *props.TelemetryConfig) { c.SampleRate = 10 }, func(c *props.TelemetryConfig) { c.SampleRate = 2 }, wider, "one run of 2 is recorded, not one run of 10"},
		"all of the runs":      {func(c *props.TelemetryConfig) { c.SampleRate = 10 }, is, wider, "every run is recorded, not one run of 10"},
		"fewer of the runs":    {is, func(c *props.TelemetryConfig) { c.SampleRate = 10 }, narrower, "one run of 10 is recorded"},
		"arguments and errors": {is, func(c *props.TelemetryConfig) { c.ExtendedCollection = true }, wider, "the field args is new"},
		"no arguments":         {func(c *props.TelemetryConfig) { c.ExtendedCollection = true }, is, narrower, "the field args is gone"},
		"a class of errors":    {is, func(c *props.TelemetryConfig) { c.ErrorClasses = append(c.ErrorClasses, "disk") }, wider, "the field error_class may also be disk"},
		"another controller":   {who("Example Ltd"), who("Buyer Inc"), wider, "the controller: Buyer Inc, not Example Ltd"},
		"nobody named now":     {who("Example Ltd"), is, wider, "the controller: nobody named, not Example Ltd"},
		"a controller now":     {is, who("Example Ltd"), narrower, "who asks and for what is said in other words"},
		"another purpose":      {is, func(c *props.TelemetryConfig) { c.Purpose = "to sell more" }, wider, "the purpose: to sell more, not to count"},
		"kept longer":          {is, func(c *props.TelemetryConfig) { c.Retention = "90 days" }, wider, "how long it is kept: 90 days, not 30 days"},
		"kept less long":       {is, func(c *props.TelemetryConfig) { c.Retention = "2 weeks" }, narrower, "is said in other words"},
		"another contact":      {is, func(c *props.TelemetryConfig) { c.Contact = "privacy@example.com" }, narrower, "is said in other words"},
		"no declaration now":   {is, undeclared, wider, "events and metadata are no longer declared"},
		"only keys now":        {is, keys("format"), wider, "events and metadata are no longer declared"},
		"a declaration now":    {undeclared, is, narrower, "events and metadata are declared now"},
		"declared keys now":    {keys("edition", "format", "rows", "ratio", "quick", "note", "auth"), is, narrower, "events and metadata are declared now"},
		"more than the keys":   {keys("edition", "format", "rows", "ratio", "quick", "auth"), is, wider, "the metadata note of exported is new"},
		"another key":          {keys("a"), keys("a", "b"), wider, "the metadata b is new"},
		"a key less":           {keys("a", "b"), keys("a"), narrower, "the metadata b is gone"},
		"any key":              {keys("a"), undeclared, wider, "there may be metadata under any key"},
		"no longer any key":    {undeclared, keys("a"), narrower, "is not up to date"},
	} {
		before, now := base(), base()
		test.before(&before.Telemetry)
		test.now(&now.Telemetry)
		found, _ := check(t, before, now, today, false)
		text := strings.Join(found.Problems, "\n")
		got := same
		switch {
		case strings.Contains(text, "may send more than version 3 of its notice says"):
			got = wider
		case strings.Contains(text, "is not up to date"):
			got = narrower
		case text != "":
			got = text
		}
		if got != test.is || !strings.Contains(text, test.says) {
			t.Errorf("%s is %s:\n%s\nwant %s, %q", name, got, text, test.is, test.says)
		}
		// To make the files anew does not get around a notice.
		found, dir := check(t, before, now, today, true)
		if refused := len(found.Problems) > 0; refused != (test.is == wider) || refused == (len(found.Written) > 0) && test.is != same {
			t.Errorf("%s: made anew %q, problems %q", name, found.Written, found.Problems)
		}
		if test.is != wider {
			if again, err := Check(dir, schemaOf(t, now, today), false, remedy); err != nil || again.Problems != nil {
				t.Errorf("%s, made anew: %v, %q", name, err, again.Problems)
			}
		}
		// With a new notice it only has to be taken over.
		now.Telemetry.NoticeVersion++
		if found, _ := check(t, before, now, today, true); found.Problems != nil || !slices.Equal(found.Written, []string{Lock}) {
			t.Errorf("%s, with a new notice: %q, made anew %q", name, found.Problems, found.Written)
		}
		if found, _ := check(t, before, now, today, false); len(found.Problems) != 1 || !strings.Contains(found.Problems[0], "is not up to date") {
			t.Errorf("%s, with a new notice that was not taken over: %q", name, found.Problems)
		}
	}
}

func TestANoticeVersionOnlyGoesUp(t *testing.T) {
	t.Parallel()
	now := base()
	now.Telemetry.NoticeVersion = 2
	for _, update := range []bool{false, true} {
		if found, _ := check(t, base(), now, today, update); len(found.Problems) != 1 || found.Written != nil ||
			!strings.Contains(found.Problems[0], "NoticeVersion is 2, and telemetry.lock says that it was 3") {
			t.Errorf("%q, made anew %q", found.Problems, found.Written)
		}
	}
}

func TestWhatIsNewCannotSayThatItIsOld(t *testing.T) {
	t.Parallel()
	for since, wrong := range map[int]bool{0: false, 2: true, 3: true, 4: false} {
		now := base()
		now.Telemetry.NoticeVersion = 4
		now.Telemetry.Events = append(now.Telemetry.Events, props.EventSpec{Type: "own", Since: since})
		found, _ := check(t, base(), now, today, true)
		if refused := len(found.Problems) > 0; refused != wrong || refused && !strings.Contains(found.Problems[0], "What is new has Since: 4") {
			t.Errorf("since %d: %q", since, found.Problems)
		}
	}
}

func TestWhatExpiresIsToldThirtyDaysBefore(t *testing.T) {
	t.Parallel()
	for day, want := range map[string]struct{ problems, warnings int }{
		"2026-12-31": {0, 0}, // "format" ends on January 31st, the event on June 30th
		"2027-01-02": {0, 1},
		"2027-01-31": {0, 1},
		"2027-02-01": {1, 0},
		"2027-06-15": {1, 1},
		"2027-07-01": {2, 0},
	} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		found, _ := check(t, base(), base(), at.Add(time.Hour), false)
		if len(found.Problems) != want.problems || len(found.Warnings) != want.warnings {
			t.Errorf("%s: problems %q, warnings %q", day, found.Problems, found.Warnings)
		}
		if want.problems == 1 && !strings.HasPrefix(found.Problems[0], "the metadata format of exported was declared until 2027-01-31 and is no longer recorded") {
			t.Errorf("%s: %q", day, found.Problems)
		}
	}
}

func TestFilesAreMadeAndHeld(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), schemaOf(t, base(), today)
	ask := func(update bool) Findings {
		t.Helper()
		found, err := Check(dir, s, update, remedy)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found := ask(false); len(found.Problems) != 1 || found.Problems[0] != "there is no telemetry.lock, which tells what people have said yes to. To make it: UPDATE" {
		t.Errorf("%q", found.Problems)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it wrote without being asked to: %v, %v", entries, err)
	}
	if found := ask(true); found.Problems != nil || !slices.Equal(found.Written, []string{Lock}) {
		t.Errorf("%+v", found)
	}
	if found := ask(true); found.Problems != nil || found.Written != nil {
		t.Errorf("the second time: %+v", found)
	}
	write(Page, "# Old\n")
	if found := ask(false); len(found.Problems) != 1 || found.Problems[0] != "TELEMETRY.md is not up to date. To make it anew: UPDATE" {
		t.Errorf("%q", found.Problems)
	}
	if found := ask(true); !slices.Equal(found.Written, []string{Page}) || ask(false).Problems != nil {
		t.Errorf("%+v", found)
	}
	for _, name := range []string{Lock, Page} { // as Git may check them out on Windows
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, strings.ReplaceAll(string(content), "\n", "\r\n"))
	}
	if found := ask(false); found.Problems != nil {
		t.Errorf("with other line ends: %q", found.Problems)
	}
	write(Lock, "<<<<<<< ours")
	for _, update := range []bool{false, true} {
		if found := ask(update); len(found.Problems) != 1 || !strings.Contains(found.Problems[0], "telemetry.lock cannot be read") {
			t.Errorf("%+v", found)
		}
	}
}

// A lock file holds nothing that a new version of this module changes by itself, but fields.
func TestALockFileHoldsNoListsThatAreNotTheAuthors(t *testing.T) {
	t.Parallel()
	_, dir := check(t, base(), base(), today, false)
	content, err := os.ReadFile(filepath.Join(dir, Lock))
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{
		"github-actions": false, "claude-code": false, "queue_full": false, "whether it ran": false,
		`"agent"`: true, `"quota"`: true, `"10-99"`: true, "2027-01-31": true,
	} {
		if bytes.Contains(content, []byte(word)) != want {
			t.Errorf("%s is in it: %v", word, !want)
		}
	}
}

func TestThePageNamesEverything(t *testing.T) {
	t.Parallel()
	tool := base()
	s := schemaOf(t, tool, today)
	page := string(Markdown(s))
	for _, f := range s.Fields {
		if !strings.Contains(page, "| `"+f.Name+"` | "+f.Purpose+" |") {
			t.Errorf("the field %s is not on it", f.Name)
		}
	}
	for _, row := range []string{
		"| `exported` | a\\|b | by hand, scheduled | since notice 2, until 2027-06-30 |",
		"### Metadata of `exported`", "| `format` | | one of json, csv | since notice 2, until 2027-01-31 |", "| `rows` | | a count, as 0-9, 10-99, 100-999, 1000+ | |",
		"### Metadata of any event", "| `edition` | | one of free, pro | |", "| `auth` |", "| for what | to count |", "| kept for | 30 days |", "version 3 of the notice",
	} {
		if !strings.Contains(page, row) {
			t.Errorf("the page lacks %s:\n%s", row, page)
		}
	}
	if strings.Contains(page, "| who |") || strings.Contains(page, "| contact |") {
		t.Error("it has rows for what the author does not say")
	}
	if strings.Contains(page, "other types") || strings.Contains(page, "other details") {
		t.Error("it speaks of what is not declared")
	}
	tool.Telemetry.Events, tool.Telemetry.Fields = nil, nil
	page = string(Markdown(schemaOf(t, tool, today)))
	if !strings.Contains(page, "other types") || !strings.Contains(page, "other details") {
		t.Errorf("it does not say that there may be more:\n%s", page)
	}
}

// What the schema accepts and refuses is for internal/interop/schema, which has a validator.
func TestTheJSONSchemaIsJSONAndClosed(t *testing.T) {
	t.Parallel()
	text, err := JSONSchema(schemaOf(t, base(), today))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Schema               string `json:"$schema"`
		AdditionalProperties *bool
		Properties           map[string]any
		Required             []string
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.AdditionalProperties == nil || *schema.AdditionalProperties || schema.Schema != "https://json-schema.org/draft/2020-12/schema" ||
		len(schema.Properties) < 28 || !slices.Contains(schema.Required, "ci") || slices.Contains(schema.Required, "machine_id") {
		t.Errorf("%s", text)
	}
}
