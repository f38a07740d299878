package toolfile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

// whole sets every key that a file may hold.
const whole = `# what this tool is
Name: mytool
Version: 1.10
Features: {telemetry: true}
Telemetry:
  Backend: posthog
  Settings: {project_key: phc_x, instance: eu, sampling: 0.50, flush: true}
  Endpoint: https://analytics.example.com/events?key=${KEY}
  OTelEndpoint: https://otlp.example.com
  Headers:
    Authorization: Bearer $TOKEN
  Insecure: true
  Installation: suite
  DeliveryMode: at_most_once
  ExtendedCollection: true
  Events:
    - Type: export.finished
      Purpose: which formats matter
      Names: [scheduled, by hand]
      Since: 2
      Until: 2027-06-30
      Fold: true
      Fields:
        - {Name: format, Type: {OneOf: [json, csv]}, Purpose: what was asked for, Since: 3, Until: 2027-01-31}
        - {Name: rows, Type: {Buckets: [10, 100, 1000]}}
        - {Name: compressed, Type: Bool}
    - Type: command.invocation
  Fields:
    - {Name: edition, Type: Text}
    - {Name: engine, Type: Version}
    - {Name: cores, Type: Number}
  Metadata: {channel: stable}
  MetadataKeys: [format, shell]
  ErrorClasses: [quota_exceeded, not_logged_in]
  DeletionRequestor:
    Endpoint: https://relay.example.com/v1/deletions
    Headers: {X-Relay: $TOKEN}
    Email: privacy@example.com
  Controller: Example Ltd, Bergen
  Contact: privacy@example.com
  Retention: 14 months
  Purpose: to find out which commands matter
  Notice: |
    We count commands.
    Nothing else.
  NoticeVersion: 3
  PrivacyURL: https://example.com/privacy
  MaxQueueBytes: 8MiB
  MaxEventAge: 30d
  UploadInterval: 10m
  Fold: true
  SampleRate: 20
`

func TestEveryKeyIsReadAsItIsWrittenAndNothingIsExpanded(t *testing.T) {
	t.Setenv("KEY", "from the environment")
	t.Setenv("TOKEN", "from the environment")
	fake := driver.Driver{Name: "posthog"}
	tool, err := Parse([]byte(whole), fake)
	if err != nil {
		t.Fatal(err)
	}
	if len(tool.Telemetry.Drivers) != 1 || tool.Telemetry.Drivers[0].Name != "posthog" {
		t.Errorf("Drivers = %v, want the one handed over", tool.Telemetry.Drivers)
	}
	if !tool.Features.Enabled(props.TelemetryCmd) {
		t.Error("the telemetry feature is off")
	}
	tool.Telemetry.Drivers, tool.Features = nil, props.Features{}
	want := props.Tool{Name: "mytool", Version: "1.10", Telemetry: props.TelemetryConfig{
		Backend:            "posthog",
		Settings:           map[string]string{"project_key": "phc_x", "instance": "eu", "sampling": "0.50", "flush": "true"},
		Endpoint:           "https://analytics.example.com/events?key=${KEY}",
		OTelEndpoint:       "https://otlp.example.com",
		Headers:            map[string]string{"Authorization": "Bearer $TOKEN"},
		Insecure:           true,
		Installation:       "suite",
		DeliveryMode:       props.DeliveryAtMostOnce,
		ExtendedCollection: true,
		Events: []props.EventSpec{
			{Type: "export.finished", Purpose: "which formats matter", Names: []string{"scheduled", "by hand"}, Since: 2, Until: "2027-06-30", Fold: true, Fields: []props.Field{
				{Name: "format", Type: props.OneOf("json", "csv"), Purpose: "what was asked for", Since: 3, Until: "2027-01-31"},
				{Name: "rows", Type: props.Buckets(10, 100, 1000)},
				{Name: "compressed", Type: props.Bool()},
			}},
			{Type: "command.invocation"},
		},
		Fields: []props.Field{
			{Name: "edition", Type: props.Text()}, {Name: "engine", Type: props.Version()}, {Name: "cores", Type: props.Number()},
		},
		Metadata:     map[string]string{"channel": "stable"},
		MetadataKeys: []string{"format", "shell"},
		ErrorClasses: []props.ErrorClass{"quota_exceeded", "not_logged_in"},
		DeletionRequestor: deletion.Several{
			httpjson.Requestor{Endpoint: "https://relay.example.com/v1/deletions", Headers: map[string]string{"X-Relay": "$TOKEN"}},
			deletion.Email{To: "privacy@example.com"},
		},
		Controller:     "Example Ltd, Bergen",
		Contact:        "privacy@example.com",
		Retention:      "14 months",
		Purpose:        "to find out which commands matter",
		Notice:         "We count commands.\nNothing else.\n",
		NoticeVersion:  3,
		PrivacyURL:     "https://example.com/privacy",
		MaxQueueBytes:  8 << 20,
		MaxEventAge:    720 * time.Hour,
		UploadInterval: 10 * time.Minute,
		Fold:           true,
		SampleRate:     20,
	}}
	if !reflect.DeepEqual(tool, want) {
		t.Errorf("got  %+v\nwant %+v", tool, want)
	}
}

const aliasProblem = "anchors and aliases (& and *) are not read here; quote a value that begins with one of them"

// A field that is added to props must be given a key here, or a reason why it has none.
func TestEveryFieldOfPropsHasAKey(t *testing.T) {
	compare := func(of any, fields []strictyaml.Field) {
		t.Helper()
		var want, got []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
			want = append(want, f.Name)
		}
		for _, f := range fields {
			got = append(got, f.Name)
			if (f.Read == nil) == (f.Why == "") {
				t.Errorf("%s needs either a reader or a reason", f.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("keys   %v\nfields %v", got, want)
		}
	}
	compare(props.Tool{}, toolFields(&props.Tool{}))
	compare(props.TelemetryConfig{}, telemetryFields(&props.TelemetryConfig{}))
	compare(props.EventSpec{}, eventFields(&props.EventSpec{}))
	compare(props.Field{}, fieldFields(&props.Field{}))
	for _, f := range slices.Concat(toolFields(&props.Tool{}), telemetryFields(&props.TelemetryConfig{}), eventFields(&props.EventSpec{}), fieldFields(&props.Field{})) {
		if f.Read != nil && !strings.Contains(whole, f.Name+":") {
			t.Errorf("the test file sets no %s", f.Name)
		}
	}
}

func TestTheTelemetryFeatureIsOnUnlessTheFileSaysOtherwise(t *testing.T) {
	for text, want := range map[string]bool{
		"Name: mytool":                                true,
		"Name: mytool\nFeatures: {}":                  true,
		"Name: mytool\nFeatures: {telemetry: true}":   true,
		"Name: mytool\nFeatures: {telemetry: false}":  false,
		"Name: mytool\nFeatures:\n  telemetry: False": false,
	} {
		tool, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := tool.Features.Enabled(props.TelemetryCmd); got != want {
			t.Errorf("%q: telemetry is %v", text, got)
		}
	}
}

func TestAnEmptyListOfMetadataKeysAllowsNoneRatherThanAll(t *testing.T) {
	tool, err := Parse([]byte("Name: mytool\nTelemetry: {MetadataKeys: []}"))
	if err != nil || tool.Telemetry.MetadataKeys == nil {
		t.Errorf("MetadataKeys = %#v, err %v", tool.Telemetry.MetadataKeys, err)
	}
}

func TestAnEmptyListOfEventsDeclaresThatThereAreNone(t *testing.T) {
	tool, err := Parse([]byte("Name: mytool\nTelemetry: {Events: [], Fields: []}"))
	if err != nil || tool.Telemetry.Events == nil || tool.Telemetry.Fields == nil {
		t.Errorf("%#v, %#v, err %v", tool.Telemetry.Events, tool.Telemetry.Fields, err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"8388608": 8 << 20, "8MiB": 8 << 20, "8 MiB": 8 << 20, "'8 KiB'": 8 << 10, "2GiB": 2 << 30, "0": 0, "-1": -1,
	} {
		tool, err := Parse([]byte("Telemetry: {MaxQueueBytes: " + text + "}"))
		if got := tool.Telemetry.MaxQueueBytes; err != nil || got != want {
			t.Errorf("%s = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"8MB", "8M", "8.5MiB", "MiB", "8 bytes", "9223372036854775807KiB", "1e6", "[8]"} {
		if _, err := Parse([]byte("Telemetry: {MaxQueueBytes: " + text + "}")); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

// secret stands in every place of the table below where a file may hold one.
const secret = "phc_5ecr3t"

func TestMistakesAreNamedWithLineAndKeyAndWithoutTheValue(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":               {"", "the file is empty: it needs at least a Name"},
		"only a comment":      {"# nothing\n", "the file is empty: it needs at least a Name"},
		"only a marker":       {"---\n", "the file is empty: it needs at least a Name"},
		"a word":              {secret, `line 1: the file must hold keys with values, such as "Name: mytool"`},
		"a list":              {"- " + secret, `line 1: the file must hold keys with values, such as "Name: mytool"`},
		"two documents":       {"Name: a\n---\nName: b\n", "line 2: a second document begins here; one file declares one tool"},
		"broken second":       {"Name: a\n---\n[" + secret, "line 2: not valid YAML, here or in the next line: did not find expected ',' or ']'"},
		"a tab":               {"Telemetry:\n\tEndpoint: " + secret, "line 2: not valid YAML: found character that cannot start any token (indent with spaces, not tabs, and quote a value that begins with @, % or `)"},
		"not closed":          {"Name: [" + secret, "line 1: not valid YAML, here or in the next line: did not find expected ',' or ']'"},
		"a misspelt key":      {"Name: a\nTelemetry:\n  Bakcend: " + secret, `line 3: Telemetry.Bakcend: unknown key; did you mean "Backend"?`},
		"another case":        {"name: " + secret, `line 1: name: unknown key; did you mean "Name"?`},
		"snake case":          {"Telemetry: {upload_interval: 10m}", `line 1: Telemetry.upload_interval: unknown key; did you mean "UploadInterval"?`},
		"a strange key":       {"Tracking: " + secret, "line 1: Tracking: unknown key; known here are Name, Version, Features, Telemetry"},
		"a long key":          {strings.Repeat("k", 100) + ": 1", "line 1: " + strings.Repeat("k", 40) + "…: unknown key; known here are Name, Version, Features, Telemetry"},
		"a key that draws":    {"\"\\e[31mName\": 1", "line 1:  [31mName: unknown key; known here are Name, Version, Features, Telemetry"},
		"a key twice":         {"Name: a\nVersion: 1\nName: " + secret, "line 3: Name: stands here a second time; the first is in line 1"},
		"a setting twice":     {"Telemetry:\n  Settings:\n    key: a\n    key: " + secret, "line 4: Telemetry.Settings.key: stands here a second time; the first is in line 3"},
		"a merge":             {"<<: {Name: " + secret + "}", "line 1: <<: unknown key; known here are Name, Version, Features, Telemetry"},
		"an anchor":           {"Name: &" + secret + " a", "line 1: Name: " + aliasProblem},
		"an alias":            {"Name: &x a\nVersion: *x", "line 1: Name: " + aliasProblem},
		"an unquoted star":    {"Telemetry:\n  Headers:\n    Authorization: *" + secret, aliasProblem},
		"a tag":               {"Name: !!binary " + secret, "line 1: Name: tags (!) are not read here; quote a value that begins with one"},
		"a key that is a map": {"{a: b}: " + secret, "line 1: a key must be a word"},
		"no value":            {"Name:\nVersion: 1", "line 1: Name: has no value; remove the key to leave it unset"},
		"null":                {"Name: null", "line 1: Name: has no value; remove the key to leave it unset"},
		"a list for a word":   {"Name: [" + secret + "]", "line 1: Name: must be a single value"},
		"a word for a map":    {"Telemetry: " + secret, "line 1: Telemetry: must hold keys with values, one a line and indented"},
		"a word for a list":   {"Telemetry: {MetadataKeys: " + secret + "}", "line 1: Telemetry.MetadataKeys: must be a list, such as [format, shell]"},
		"a map in settings":   {"Telemetry: {Settings: {key: {a: " + secret + "}}}", "line 1: Telemetry.Settings.key: must be a single value"},
		"a map in a list":     {"Telemetry: {MetadataKeys: [{a: " + secret + "}]}", "line 1: Telemetry.MetadataKeys: must be a single value"},
		"events in a map":     {"Telemetry: {Events: {Type: " + secret + "}}", "line 1: Telemetry.Events: must be a list, such as - Type: export.finished"},
		"a misspelt event":    {"Telemetry:\n  Events:\n    - {Typ: " + secret + "}", `line 3: Telemetry.Events[0].Typ: unknown key; did you mean "Type"?`},
		"a field twice":       {"Telemetry: {Fields: [{Name: a}, {Name: a, Name: " + secret + "}]}", "line 1: Telemetry.Fields[1].Name: stands here a second time; the first is in line 1"},
		"an unknown type":     {"Telemetry: {Fields: [{Name: a, Type: " + secret + "}]}", "line 1: Telemetry.Fields[0].Type: must be Number, Bool, Version, Text, {OneOf: [json, csv]} or {Buckets: [10, 100]}"},
		"a lower-case type":   {"Telemetry: {Fields: [{Name: a, Type: bool}]}", "line 1: Telemetry.Fields[0].Type: must be Number, Bool, Version, Text, {OneOf: [json, csv]} or {Buckets: [10, 100]}"},
		"a set without list":  {"Telemetry: {Fields: [{Name: a, Type: {OneOf: " + secret + "}}]}", "line 1: Telemetry.Fields[0].Type.OneOf: must be a list, such as [json, csv]"},
		"two types":           {"Telemetry: {Fields: [{Name: a, Type: {OneOf: [a], Buckets: [1]}}]}", "line 1: Telemetry.Fields[0].Type: must be Number, Bool, Version, Text, {OneOf: [json, csv]} or {Buckets: [10, 100]}"},
		"bounds of words":     {"Telemetry: {Fields: [{Name: a, Type: {Buckets: [" + secret + "]}}]}", "line 1: Telemetry.Fields[0].Type.Buckets: must be whole numbers"},
		"an anchored type":    {"Telemetry: {Fields: [{Name: a, Type: &x {OneOf: [" + secret + "]}}]}", "line 1: Telemetry.Fields[0].Type: " + aliasProblem},
		"not a bool":          {"Telemetry: {Insecure: yes}", "line 1: Telemetry.Insecure: must be true or false"},
		"not a number":        {"Telemetry: {NoticeVersion: " + secret + "}", "line 1: Telemetry.NoticeVersion: must be a whole number"},
		"a bare number":       {"Telemetry: {UploadInterval: 600}", "line 1: Telemetry.UploadInterval: must be a duration with its unit, such as 30s, 10m, 24h or 15d"},
		"weeks":               {"Telemetry: {MaxEventAge: 30w}", "line 1: Telemetry.MaxEventAge: must be a duration with its unit, such as 30s, 10m, 24h or 15d"},
		"megabytes":           {"Telemetry: {MaxQueueBytes: 8MB}", "line 1: Telemetry.MaxQueueBytes: must be a number of bytes, such as 8388608 or 8MiB (KiB, MiB, GiB)"},
		"drivers":             {"Telemetry: {Drivers: [posthog]}", "line 1: Telemetry.Drivers: drivers are code: list them in the program that reads this file, and name one as Backend"},
		"a bare requestor":    {"Telemetry: {DeletionRequestor: mail}", "line 1: Telemetry.DeletionRequestor: must hold keys with values, one a line and indented"},
		"an idle requestor":   {"Telemetry: {DeletionRequestor: {Headers: {a: b}}}", "line 1: Telemetry.DeletionRequestor: needs an Endpoint or an Email; without DeletionRequestor, a data.deletion_request event goes to the backend"},
		"a wrong address":     {"Telemetry: {DeletionRequestor: {Email: " + secret + "}}", "line 1: Telemetry.DeletionRequestor: email: To is not one plain address, like privacy@example.com"},
		"an unknown feature":  {"Features: {tracking: true}", `line 1: Features.tracking: unknown feature; known here is "telemetry"`},
		"huge":                {"Name: a #" + strings.Repeat("x", document.Max<<10), "the file is larger than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if err == nil {
				t.Fatal("no error")
			}
			if err.Error() != test.want {
				t.Errorf("\ngot  %s\nwant %s", err, test.want)
			}
			var ours *Error
			if !errors.As(err, &ours) {
				t.Errorf("%T is not an *Error", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("the error repeats a value")
			}
		})
	}
}

// Nine lines that would stand for a billion values, if anything followed them.
func TestABombIsRefusedAtItsFirstAnchor(t *testing.T) {
	var b strings.Builder
	b.WriteString("a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c <= 'j'; c++ {
		b.WriteString(string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "*" + string(c-1) + "]\n")
	}
	for _, text := range []string{b.String(), "Telemetry:\n  Settings: &x {a: *x}", strings.Repeat("[", document.Max<<10), strings.Repeat("{a: ", (document.Max<<10)/4)} {
		start := time.Now()
		if _, err := Parse([]byte(text)); err == nil {
			t.Error("accepted")
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	}
}

func TestLoadNamesTheCauseWithoutThePath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mytool.yaml")
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if tool, err := Load(path); err != nil || tool.Name != "mytool" {
		t.Errorf("Load = %q, %v", tool.Name, err)
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, 10<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot read the file: no such file or directory",
		dir:                             "not a plain file: the background upload could not read it again",
		big:                             "the file is larger than 64 KiB",
	} {
		_, err := Load(path)
		if err == nil || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		} else if runtime.GOOS != "windows" && err.Error() != want {
			t.Errorf("%s: got %q, want %q", filepath.Base(path), err, want)
		}
	}
}

// Whatever the file holds, an answer comes back; and an error is one line that fits a
// terminal.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("Name: a\n---\nName: b"))
	f.Add([]byte("Telemetry:\n  Settings: &x {a: *x}"))
	f.Add([]byte("? [a]\n: !!binary |\n  aGk="))
	f.Add([]byte("\xff\xfeN\x00a\x00m\x00e\x00:\x00 \x00x\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The YAML parser has buffers of some KiB and makes a node of 160 bytes of each two that it
		// reads, whose slices double.
		fuzzing.Allocs(t, len(data), 128<<10, 1<<10, func() { _, _ = Parse(data) })
		tool, err := Parse(data)
		if err == nil {
			if again, err := Parse(data); err != nil || !reflect.DeepEqual(again.Telemetry, tool.Telemetry) {
				t.Errorf("read again: %+v, %v", again, err)
			}
			return
		}
		text := err.Error()
		if !utf8.ValidString(text) || len(text) > 500 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("not fit for a terminal: %q", text)
		}
	})
}
