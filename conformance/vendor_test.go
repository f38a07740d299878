package conformance

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
)

func readVendor(t *testing.T, path ...string) Vendor {
	t.Helper()
	v, err := ReadVendor(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The same table that serves telemetry-conformance serves a test in Go.
func TestAGoBackendIsVerifiedWithAVendorFile(t *testing.T) {
	t.Parallel()
	s := readVendor(t, "testdata", "httpjson.yaml").Subject(httpjson.Driver())
	report := verify(&s, options{
		only: regexp.MustCompile(`^(driver|fidelity)/|-as-documented$|^delivery/(partial-names-events|headers-added|largest-batch)$|^privacy/everything-explained$`),
	})
	if !report.OK() || len(report.Results) < 25 {
		t.Errorf("%d checks:\n%s", len(report.Results), report)
	}
	for _, r := range report.Results {
		if r.Outcome == Skipped && !strings.Contains(r.Reason, "Local") && !strings.Contains(r.Reason, "Socket") {
			t.Errorf("%s was skipped: %s", r.ID, r.Reason)
		}
	}
	s.Statuses[400] = driver.ClassPermanent
	report = verify(&s, options{only: regexp.MustCompile("^delivery/400-as-documented$")})
	if got := report.Failures(); !slices.Equal(got, []string{"delivery/400-as-documented"}) {
		t.Errorf("with another table: failed %q", got)
	}
}

func TestASubjectOwnsItsTable(t *testing.T) {
	t.Parallel()
	v := readVendor(t, "testdata", "httpjson.yaml")
	s := v.Subject(httpjson.Driver())
	s.Statuses[200] = driver.ClassPermanent
	s.Headers["Authorization"] = "changed"
	s.Constants[0] = "changed"
	s = v.Subject(httpjson.Driver())
	if s.Statuses[200] != driver.ClassAccepted || s.Headers["Authorization"] == "changed" || slices.Contains(s.Constants, "changed") {
		t.Error("a change of a subject changed the vendor")
	}
}

func TestEveryFieldOfReceivedHasANameInVendorFiles(t *testing.T) {
	t.Parallel()
	var want, got, names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[driver.Event]()) {
		want = append(want, f.Name)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	var canonical []string
	for _, f := range eventFields() {
		got, canonical = append(got, f.in), append(canonical, f.name)
	}
	if !sameSet(got, want) || !sameSet(canonical, names) {
		t.Errorf("vendor files know %q as %q,\nevents have %q as %q", got, canonical, want, names)
	}
}

// strange is a vendor that uses everything that a request can be described with.
const strange = `
name: strange
doc: posts events to a strange vendor
hosts: [in.strange.example]
request:
  method: PUT
  path: /bulk
  headers: {x-key: "k 1"}
  body: {meta.version: 2, meta.store_ip: false, meta.source: tool}
  events: data.items
  no_ip: {event: context.ip, is: "none"}
  fields:
    id: uid
    type: [labels, event.type]
    name: what
    timestamp: {at: at, form: unix_ms}
    duration_ms: {at: took, form: text}
    exit_code: {at: code, form: number}
    args: argv
    tool_name: by.0
    tool_version: by.1
    os: by.2
    arch: by.3
    os_version: by.4
    go_version: by.5
    machine_id: who
    consent_id: under
    metadata: labels2
    truncated: cut
    flags: with
    error_class: [labels, class]
    ci: {at: run.ci, form: text}
    interactive: run.tty
    run_id: run.id
    count: n
    durations: {at: spread, form: text}
omits: {error: no place for texts, ci_provider: nor this, agent: nor this, container: nor this, failures: nor this, sample_rate: nor this, redacted: nor this, time_adjusted: nor this}
statuses: {2xx: accepted, 3xx: again, 4xx: throttled, 413: too_large, 5xx: throttled, 500: permanent}
`

func TestARequestIsReadAsTheFileDescribes(t *testing.T) {
	t.Parallel()
	v, err := parseVendor([]byte(strange))
	if err != nil {
		t.Fatal(err)
	}
	s := v.Subject(driver.Driver{})
	good := Request{Method: "PUT", URL: "https://in.strange.example/bulk?x=1", Header: map[string][]string{"X-Key": {"k 1"}},
		Body: []byte(`{"meta":{"version":2,"store_ip":false,"source":"tool"},"data":{"items":[{"uid":"1","labels":{"event.type":"t","class":"usage"},"what":"n","at":1700000000123,` +
			`"took":"-5","code":9007199254740993,"argv":["a",""],"by":["tool","v1","linux","arm64"],"who":"m","under":null,"labels2":{"k":"v"},"context":{"ip":"none"},` +
			`"with":["b","a"],"run":{"ci":"true","tty":false,"id":"r"},"n":2147483647,"spread":["0","2","0"]}]}}`)}
	got, err := s.Decode(good)
	took, code := int64(-5), 9007199254740993
	want := Received{ID: "1", Type: "t", Name: "n", Time: time.UnixMilli(1700000000123), DurationMS: &took, ExitCode: &code,
		Args: []string{"a", ""}, Tool: "tool", Version: "v1", OS: "linux", Arch: "arm64", MachineID: "m", Metadata: map[string]string{"k": "v"},
		Flags: []string{"b", "a"}, ErrorClass: "usage", CI: true, RunID: "r", Count: math.MaxInt32, Durations: []int{0, 2, 0}}
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
	}
	if err := s.NoIP(good); err != nil {
		t.Errorf("the address is not stored, and NoIP says %v", err)
	}
	if s.Statuses[299] != driver.ClassAccepted || s.Statuses[413] != driver.ClassTooLarge || s.Statuses[500] != driver.ClassPermanent || s.Statuses[599] != driver.ClassThrottled {
		t.Errorf("statuses %v", s.Statuses)
	}
	for _, word := range []string{"meta", "version", "store_ip", "2", "tool", "data", "items", "event.type", "/bulk", "X-Key", "k 1", "context", "none", "uid"} {
		if !slices.Contains(s.Constants, word) {
			t.Errorf("the file says %q, and it is no constant", word)
		}
	}
	for name, change := range map[string]func(*Request){
		"another method":            func(r *Request) { r.Method = "POST" },
		"another path":              func(r *Request) { r.URL = "https://in.strange.example/bulk/" },
		"another key":               func(r *Request) { r.Header = map[string][]string{"X-Key": {"k 2"}} },
		"a constant is a text":      replaced(`"version":2`, `"version":"2"`),
		"a constant is missing":     replaced(`"store_ip":false,`, ``),
		"a constant is another":     replaced(`"source":"tool"`, `"source":"me"`),
		"the list is elsewhere":     replaced(`"items"`, `"item"`),
		"no JSON":                   replaced(`{"meta"`, `{meta`),
		"two values":                replaced(`{"meta"`, `{}{"meta"`),
		"a number for a text":       replaced(`"uid":"1"`, `"uid":1`),
		"a text for a number":       replaced(`"code":9007199254740993`, `"code":"1"`),
		"a number that is a text":   replaced(`"took":"-5"`, `"took":-5`),
		"half a millisecond":        replaced(`"took":"-5"`, `"took":"1.5"`),
		"a time as a text":          replaced(`"at":1700000000123`, `"at":"1700000000123"`),
		"an argument is a number":   replaced(`["a",""]`, `["a",1]`),
		"arguments are a text":      replaced(`["a",""]`, `"a"`),
		"metadata is a list":        replaced(`{"k":"v"}`, `["k"]`),
		"metadata holds a number":   replaced(`{"k":"v"}`, `{"k":1}`),
		"a flag is a number":        replaced(`["b","a"]`, `["b",1]`),
		"a truth for its text":      replaced(`"ci":"true"`, `"ci":true`),
		"another text for a truth":  replaced(`"ci":"true"`, `"ci":"yes"`),
		"a text for a truth":        replaced(`"tty":false`, `"tty":"false"`),
		"a number for a truth":      replaced(`"tty":false`, `"tty":0`),
		"half an event":             replaced(`"n":2147483647`, `"n":0.5`),
		"buckets are one number":    replaced(`["0","2","0"]`, `2`),
		"a bucket is a number":      replaced(`["0","2","0"]`, `["0",2,"0"]`),
		"an event that is no event": replaced(`"items":[{`, `"items":[1,{`),
	} {
		r := good
		if change(&r); reflect.DeepEqual(r, good) {
			t.Fatalf("%s: nothing is changed", name)
		}
		if got, err := s.Decode(r); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
	stored := good
	replaced(`"ip":"none"`, `"ip":"full"`)(&stored)
	if err := s.NoIP(stored); err == nil {
		t.Error("the address is stored, and NoIP says nothing")
	}
}

func replaced(old, by string) func(*Request) {
	return func(r *Request) { r.Body = []byte(strings.Replace(string(r.Body), old, by, 1)) }
}

func TestTimesAreReadInEveryForm(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 890e6, time.UTC)
	for form, text := range map[string]string{
		"rfc3339": `"2026-03-04T06:06:07.890+01:00"`, "unix": "1772600767.89", "unix_ms": "1772600767890",
		"unix_us": "1772600767890000", "unix_ns": "1772600767890000000",
	} {
		values, err := jsonValues([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var r Received
		if err := readTime(&r, values[0], form); err != nil || !r.Time.Equal(at) {
			t.Errorf("%s: %v, %v", form, r.Time, err)
		}
	}
}

func TestLinesAndSingleEventsAreRead(t *testing.T) {
	t.Parallel()
	lines, err := parseVendor([]byte(strings.NewReplacer("  events: data.items\n", "  format: ndjson\n",
		"  body: {meta.version: 2, meta.store_ip: false, meta.source: tool}\n", "").Replace(strange)))
	if err != nil {
		t.Fatal(err)
	}
	single, err := parseVendor([]byte(strings.NewReplacer("  events: data.items\n", "",
		"  body: {meta.version: 2, meta.store_ip: false, meta.source: tool}\n", "").Replace(strange)))
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Method: "PUT", URL: "https://in.strange.example/bulk", Header: map[string][]string{"X-Key": {"k 1"}}}
	r.Body = []byte("{\"uid\":\"1\"}\n{\"uid\":\"2\"}\n")
	if got, err := lines.Subject(driver.Driver{}).Decode(r); err != nil || !slices.Equal(receivedIDs(got), []string{"1", "2"}) {
		t.Errorf("lines: %v, %v", got, err)
	}
	r.Body = []byte(`{"uid":"1"}`)
	if got, err := single.Subject(driver.Driver{}).Decode(r); err != nil || !slices.Equal(receivedIDs(got), []string{"1"}) {
		t.Errorf("one event: %v, %v", got, err)
	}
}

func TestAMixedVerdictNamesEventsOfAnyBatch(t *testing.T) {
	t.Parallel()
	m := mixed{
		answer:   Answer{Body: `{"n":{{count}},"bad":["{{id 2}}"]}`},
		rejected: choice{numbers: []int{2}}, accepted: choice{others: true},
	}.verdicts()
	batch := []Received{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}}
	for n, want := range map[int]struct {
		body               string
		rejected, accepted []string
	}{
		1: {`{"n":1,"bad":["a"]}`, []string{"a"}, nil},
		2: {`{"n":2,"bad":["b"]}`, []string{"b"}, []string{"a"}},
		4: {`{"n":4,"bad":["b"]}`, []string{"b"}, []string{"a", "c", "d"}},
	} {
		verdict := m.Want(batch[:n])
		if body := m.Answer(batch[:n]).Body; body != want.body || !slices.Equal(verdict.Rejected, want.rejected) || !slices.Equal(verdict.Accepted, want.accepted) {
			t.Errorf("of %d: %s, %+v", n, body, verdict)
		}
	}
}

func TestAMistakeInAVendorFileIsNamedWithFileLineAndKey(t *testing.T) {
	t.Parallel()
	good := strings.TrimPrefix(strange, "\n")
	for name, test := range map[string]struct{ old, new, want string }{
		"unknown key":            {"doc:", "docs:", `:2: docs: unknown key; did you mean "doc"?`},
		"no name":                {"name: strange\n", "", ": name: not set"},
		"no hosts":               {"hosts: [in.strange.example]\n", "", ": hosts: not set"},
		"no class":               {"2xx: accepted", "2xx: ok", ":37: statuses.2xx: not a class: accepted, again"},
		"no status":              {"2xx: accepted", "2yy: accepted", ":37: statuses.2yy: not a status from 200 to 599"},
		"a row is missing":       {"4xx: throttled, ", "", ":37: statuses: no row for 400"},
		"a refusal accepts":      {"4xx: throttled", "4xx: accepted", ":37: statuses.4xx: only 2xx can be an acceptance"},
		"a 503 loses":            {"5xx: throttled", "5xx: permanent", ":37: statuses.5xx: no vendor judges a batch with a 502"},
		"a field is left out":    {"    args: argv\n", "", ":4: request: fields has no place for args"},
		"a field and no field":   {"omits: {error", "omits: {args", ":36: omits: args has a place in request.fields"},
		"an unknown field":       {"    args: argv\n", "    argv: argv\n", `:18: request.fields.argv: unknown key; did you mean "args"?`},
		"an unknown omission":    {"omits: {error", "omits: {errors", ":36: omits.errors: no field of an event"},
		"no reason":              {"no place for texts", `""`, ":36: omits.error: needs a reason"},
		"an unknown form":        {"form: unix_ms", "form: epoch", ":15: request.fields.timestamp: not one of its forms: rfc3339, unix"},
		"a form for a text":      {"name: what", "name: {at: what, form: text}", ":14: request.fields.name: not one of its forms: it has none"},
		"a name that is a path":  {"name: ", "name: ../../", ":1: name: is not lower case"},
		"no place":               {"{at: at, form: unix_ms}", "{form: unix_ms}", ":15: request.fields.timestamp: needs at"},
		"an empty name in it":    {"data.items", "data..items", ":9: request.events: must be a name, or names with dots"},
		"another form of body":   {"  events: data.items", "  format: xml", ":9: request.format: must be json or ndjson"},
		"an idle switch":         {"{event: context.ip, is: \"none\"}", "{is: none}", ":10: request.no_ip: needs body, event or header"},
		"a setting, no value":    {"request:", "settings: {key: {doc: a key}}\nrequest:", ":4: settings.key: needs a value"},
		"an odd answer":          {"omits:", "accepted: {status: 99}\nomits:", ":36: accepted: the status is not between 200 and 599"},
		"an odd verdict":         {"omits:", "partial: [{name: x, answer: {body: '{{id two}}'}}]\nomits:", ":36: partial[0]: the answer's body has a {{…}}"},
		"a verdict on no event":  {"omits:", "partial: [{name: x, rejected: [4]}]\nomits:", ":36: partial[0].rejected: must be between 1 and 3"},
		"everybody is the other": {"omits:", "partial: [{name: x, rejected: others, accepted: others}]\nomits:", ":36: partial[0]: accepted and rejected cannot both"},
		"an answer, no class":    {"omits:", "answers: [{name: x, answer: {status: 200}}]\nomits:", ":36: answers[0]: needs a name, for the report, and the class"},
		"an idle window":         {"omits:", "window: {past: 24h}\nomits:", ":36: window: needs past, the greatest age of an event, and the reason"},
		"an odd window":          {"omits:", "window: {past: 1w}\nomits:", ":36: window.past: must be a duration with its unit"},
		"not YAML":               {"name: strange", "name: [", ":2: not valid YAML"},
		"an anchor":              {"name: strange", "name: &x strange", ":1: name: anchors and aliases"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(good, test.old) {
				t.Fatalf("there is no %q to be spoilt", test.old)
			}
			file := filepath.Join(t.TempDir(), "vendor.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(good, test.old, test.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadVendor(file)
			var wrong *VendorError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "vendor.yaml"+test.want) {
				t.Errorf("got %v, want vendor.yaml%s", err, test.want)
			}
		})
	}
	if _, err := ReadVendor(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a file that is not there: %v", err)
	}
}

func TestNoCheckThatIsLeftOutOnProgramsIsUnknown(t *testing.T) {
	t.Parallel()
	for _, id := range ofTheWay {
		if c, _ := findCheck(id); c.where != shipped || c.do == nil {
			t.Errorf("%s is no check that is made as production runs a backend", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(notOfPrograms)) {
		if _, known := findCheck(id); !known {
			t.Errorf("%s is no check", id)
		}
		if !strings.Contains(notOfPrograms[id], "declare") {
			t.Errorf("%s is left out because %q, which names nothing that is declared", id, notOfPrograms[id])
		}
	}
}

// fenced returns the blocks of WIRE.md in a language.
func fenced(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("WIRE.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, found[1])
	}
	return blocks
}

func TestTheVendorFileOfTheReferenceIsReadAndHasEveryKey(t *testing.T) {
	t.Parallel()
	blocks := fenced(t, "yaml")
	if len(blocks) != 1 {
		t.Fatalf("%d files", len(blocks))
	}
	v, err := parseVendor([]byte(blocks[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := v.Subject(driver.Driver{})
	if s.NoIP == nil || !slices.Equal(s.FreeForm, []string{"label"}) || len(s.Partial) != 1 || !slices.Equal(s.Partial[0].Sizes, []int{1, 2, 3, 50}) ||
		len(s.Answers) != 1 || s.Answers[0].Class != driver.ClassThrottled || s.Window.Past != 48*time.Hour || s.Settings("https://x.example")["endpoint"] != "https://x.example/v1/logs" {
		t.Errorf("read as %+v", s)
	}
	for _, f := range (&vendorReader{}).fields() {
		if !regexp.MustCompile(`(?m)^` + f.Name + `:`).MatchString(blocks[0]) {
			t.Errorf("it does not show %s", f.Name)
		}
	}
}

func TestEveryLineOfTheTranscriptIsOneOfTheProtocol(t *testing.T) {
	t.Parallel()
	blocks := fenced(t, "text")
	if len(blocks) != 1 {
		t.Fatalf("%d transcripts", len(blocks))
	}
	for line := range strings.Lines(blocks[0]) {
		text, ours := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "→ ")
		if ours {
			var l toProgram
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(&l); err != nil || strings.TrimSuffix(string(l.encode()), "\n") != text {
				t.Errorf("%v: we would write\n%sand not\n%s", err, l.encode(), text)
			}
			continue
		}
		text, theirs := strings.CutPrefix(text, "← ")
		l, err := readLine([]byte(text))
		if !theirs || err != nil || l.Sent != nil && l.Sent.problem() != "" {
			t.Errorf("%v: not a line of the protocol: %s", err, text)
		}
	}
	e := sampleEvent(sampleBase, 0)
	if !strings.Contains(blocks[0], string(e.AppendJSON(nil))) {
		t.Errorf("the transcript has another event than\n%s", e.AppendJSON(nil))
	}
}

func TestWhatIsNotSetIsToldAsEmptyAndNotAsNull(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]toProgram{
		`{"open":{"settings":{},"headers":{},"tool":"t","version":""}}`: opening(driver.Config{Tool: "t"}),
		`{"send":{"id":1,"deadline_ms":0,"events":[]}}`:                 {Send: &sendLine{ID: 1, Events: canonical(nil)}},
	} {
		if got := string(l.encode()); got != want+"\n" {
			t.Errorf("got %swant %s", got, want)
		}
	}
}

func TestALineThatIsNoneOfTheProtocolIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "sending", "{}", "[]", "null", `{"opened":null}`, `{"closed":false}`, `{"opened":{}} x`, `{"opened":{},"closed":true}`,
		`{"opened":{"limit":1}}`, `{"sent":{"id":"1","class":"accepted"}}`, `{"sent":{"id":1,"class":"accepted","retry":true}}`, `{"ready":true}`,
	} {
		if l, err := readLine([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", text, l)
		}
	}
	for _, l := range []sentLine{
		{Class: ""}, {Class: "ok"}, {Class: "Accepted"}, {Class: "again", WaitMS: 1}, {Class: "accepted", Accepted: []string{"a"}},
		{Class: "refused", Rejected: []string{}}, {Class: "permanent", Unnamed: 1}, {Class: "partial", Unnamed: -1},
	} {
		if l.problem() == "" || driver.Classify(l.verdict(2)) != driver.ClassUnknown {
			t.Errorf("%+v is an answer, of class %v", l, driver.Classify(l.verdict(2)))
		}
	}
}

func TestEachClassIsTheErrorThatTheContractHasForIt(t *testing.T) {
	t.Parallel()
	for class, want := range map[string][2]driver.Class{ // of a batch of one, and of two
		"accepted": {driver.ClassAccepted, driver.ClassAccepted}, "again": {driver.ClassUnknown, driver.ClassUnknown},
		"throttled": {driver.ClassThrottled, driver.ClassThrottled}, "too_large": {driver.ClassTooLarge, driver.ClassTooLarge},
		"refused": {driver.ClassPermanent, driver.ClassTooLarge}, "permanent": {driver.ClassPermanent, driver.ClassPermanent},
		"partial": {driver.ClassPartial, driver.ClassPartial},
	} {
		for n, want := range want {
			err := sentLine{Class: class, Error: "why"}.verdict(n + 1)
			if got := driver.Classify(err); got != want {
				t.Errorf("%s of %d events is %v, want %v", class, n+1, got, want)
			}
			if err != nil && !strings.Contains(err.Error(), "why") {
				t.Errorf("%s: the error is %v", class, err)
			}
		}
	}
	for wait, want := range map[int64]time.Duration{37_000: 37 * time.Second, math.MaxInt64: 100 * 365 * 24 * time.Hour, -1: 0} {
		if got := driver.Wait(sentLine{Class: "throttled", WaitMS: wait}.verdict(1)); got < want || wait < 1<<40 && got > want {
			t.Errorf("wait_ms %d is %v", wait, got)
		}
	}
}
