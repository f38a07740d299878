package conformance

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/klauspost/compress/zstd"
)

// noopSubject is the cheapest that there is.
func noopSubject() Subject { return Subject{Driver: noop.Driver(), Discards: true} }

func verifyHere(t *testing.T, s Subject) Report {
	t.Helper()
	if playing() {
		playChild(t.Name(), &s)
		t.SkipNow()
	}
	return verify(&s, options{reach: reachTest(t.Name()), name: t.Name()})
}

func TestAKnownFailureMustStillFail(t *testing.T) {
	t.Parallel()
	s := noopSubject()
	s.Driver.Doc = ""
	s.KnownFailures = map[string]string{
		"driver/described":     "nobody has found the words",
		"delivery/empty-batch": "it used to fail",
	}
	report := verifyHere(t, s)
	if got := report.Failures(); !slices.Equal(got, []string{"delivery/empty-batch"}) || report.OK() {
		t.Errorf("failed %q, OK %v", got, report.OK())
	}
	for _, r := range report.Results {
		if r.ID == "driver/described" && (r.Outcome != Known || r.Reason != "nobody has found the words" || len(r.Findings) == 0) {
			t.Errorf("the known failure is %+v", r)
		}
		if r.ID == "delivery/empty-batch" && !strings.Contains(r.Findings[0].Message, "take it off the list") {
			t.Errorf("the stale one says %q", r.Findings)
		}
	}
}

func TestASkipNamesWhatWasDeclared(t *testing.T) {
	t.Parallel()
	report := verifyHere(t, noopSubject())
	if !report.OK() {
		t.Fatalf("%s", report)
	}
	for _, r := range report.Results {
		if r.Outcome == Skipped && !strings.Contains(r.Reason, "declare") {
			t.Errorf("%s is skipped because %q", r.ID, r.Reason)
		}
	}
	if !strings.Contains(report.String(), "skipped delivery/429-keeps-batch (must)") || report.Declared["discards"] == "" {
		t.Errorf("the report does not list what was skipped:\n%s", report)
	}
}

func TestAShouldIsReportedAndFailsNothing(t *testing.T) {
	t.Parallel()
	r := Report{Results: []Result{{ID: "a/b", Level: Should, Outcome: Failed}}}
	if !r.OK() || len(r.Failures()) != 1 {
		t.Errorf("OK %v, failures %q", r.OK(), r.Failures())
	}
	r.Results[0].Level = Must
	if r.OK() {
		t.Error("a must that failed is OK")
	}
}

func TestAReportIsJSONInAFileNamedAfterTheDriver(t *testing.T) {
	t.Parallel()
	report := verifyHere(t, noopSubject())
	dir := filepath.Join(t.TempDir(), "new")
	if err := report.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "noop.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil || len(back.Results) != len(Checks()) || back.Results[0].Sentence == "" || back.Seed != report.Seed {
		t.Errorf("%v: %s", err, text)
	}
}

func TestASubjectThatExcusesItselfIsAProblem(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Subject){
		"no driver":          func(s *Subject) { s.Driver = driver.Driver{} },
		"no Decode":          func(s *Subject) { s.Decode = nil },
		"a row is missing":   func(s *Subject) { delete(s.Statuses, 503) },
		"a redirect accepts": func(s *Subject) { s.Statuses[302] = driver.ClassAccepted },
		"503 is permanent":   func(s *Subject) { s.Statuses[503] = driver.ClassPermanent },
		"an Answer of 500 accepts": func(s *Subject) {
			s.Answers = []Meaning{{Name: "x", Answer: Answer{Status: 500}, Class: driver.ClassAccepted}}
		},
		"an Answer of 429 loses": func(s *Subject) {
			s.Answers = []Meaning{{Name: "x", Answer: Answer{Status: 429}, Class: driver.ClassPermanent}}
		},
		"an Answer is partial":  func(s *Subject) { s.Answers = []Meaning{{Name: "x", Class: driver.ClassPartial}} },
		"the ID is left out":    func(s *Subject) { s.Omits = map[string]string{"ID": "no place"} },
		"no such field":         func(s *Subject) { s.Omits = map[string]string{"Colour": "no place"} },
		"no reason":             func(s *Subject) { s.Omits = map[string]string{"Args": ""} },
		"no reason to vary":     func(s *Subject) { s.Varies = map[string]string{"x": ""} },
		"no such known failure": func(s *Subject) { s.KnownFailures = map[string]string{"delivery/nonsense": "because"} },
		"failure, no reason":    func(s *Subject) { s.KnownFailures = map[string]string{"delivery/order-kept": ""} },
		"window, no reason":     func(s *Subject) { s.Window = &Window{Past: time.Hour} },
		"Discards and Read": func(s *Subject) {
			s.Driver = noop.Driver()
			s.Discards = true
			s.Read = func(Output) ([]Received, error) { return nil, nil }
		},
		"neither of them": func(s *Subject) { s.Driver = noop.Driver() },
	} {
		s := httpSubject()
		change(&s)
		if report := verify(&s, options{}); len(report.Problems) == 0 || report.OK() {
			t.Errorf("%s: no problem", name)
		}
	}
	if s := httpSubject(); len(s.check()) > 0 {
		t.Errorf("a good one has problems: %q", s.check())
	}
}

// The suite's search is all that stands between a leak and a pass.
func TestACanaryIsFoundBeneathEveryWrapping(t *testing.T) {
	t.Parallel()
	const secret = "cnry-Secret_0123"
	canaries := []canary{{What: "it", Value: "/home/" + secret, Token: secret}}
	zip := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(s))
		w.Close()
		return b.String()
	}
	zst := func(s string) string {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		return string(w.EncodeAll([]byte(s), nil))
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	escaped := ""
	for _, c := range secret {
		escaped += `\u00` + hex.EncodeToString([]byte{byte(c)})
	}
	for name, text := range map[string]string{
		"plain": "x" + secret + "x", "upper case": strings.ToUpper(secret), "gzip": "head\r\n\r\n" + zip("a "+secret),
		"base64": `{"a":"` + b64("padding "+secret) + `"}`, "base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(secret + "\xff\xfe??>>")),
		"hex": "id=" + hex.EncodeToString([]byte("pad"+secret)), "escaped URL": url.QueryEscape(url.QueryEscape(strings.ReplaceAll("/"+secret, "_", "_"))),
		"JSON": `{"a":"` + escaped + `"}`, "gzip in base64": b64(zip(secret)), "base64 in base64 in gzip": zip(b64(b64("x" + secret))),
		"protobuf": "\x0a\x10" + secret,
		"zstd":     "head\r\n\r\n" + zst("a "+secret) + "tail", "zstd in base64": b64(zst(secret)), "gzip in zstd": zst(zip(secret)),
	} {
		if plain, _ := search([]byte(text), canaries); len(plain) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	for name, digest := range map[string][]byte{
		"of the token":      func() []byte { d := sha256.Sum256([]byte(secret)); return d[:] }(),
		"of the value":      func() []byte { d := sha256.Sum256([]byte("/home/" + secret)); return d[:] }(),
		"with a line break": func() []byte { d := sha256.Sum256([]byte(secret + "\n")); return d[:] }(),
	} {
		for how, text := range map[string]string{
			"raw": string(digest), "cut": "x" + string(digest[:8]), "hex": hex.EncodeToString(digest), "upper hex, cut": strings.ToUpper(hex.EncodeToString(digest[:8])),
			"base64": b64(string(digest)), "hex in gzip": zip(hex.EncodeToString(digest[:16])),
		} {
			if _, digests := search([]byte(text), canaries); len(digests) == 0 {
				t.Errorf("the digest %s, %s: not found", name, how)
			}
		}
	}
	if plain, _ := search([]byte("\x28\xb5\x2f\xfd????"), nil); len(plain) == 0 {
		t.Error("what looks like zstd and cannot be unpacked passes as searched")
	}
	if plain, digests := search([]byte(`{"id":"0193b2f0-1d2a-7000-8000-000000000001","b":"c29tZXRoaW5nIGVsc2U="}`), canaries); len(plain)+len(digests) > 0 {
		t.Errorf("found what is not there: %q %q", plain, digests)
	}
}

func TestWhatIsNotExplainedIsFound(t *testing.T) {
	t.Parallel()
	s := modelSubject(model{})
	events := sampleEvents(sampleBase, 0, 2)
	e := events[1]
	good := Request{
		Method: "POST", URL: "https://eu.intake.example/v2/batch",
		Header: map[string][]string{"X-Key": {"mk-0123456789abcdef"}, "User-Agent": {toolName + "/" + toolVersion}, "Content-Length": {"17"}},
	}
	for body, strange := range map[string]string{
		`{"events":[{"uuid":"` + e.ID + `","ms":70002,"event":"remote add-1"}]}`: "",
		`{"sent_at":"2026-01-01T00:00:00Z","events":2}`:                          "",
		`{"events":"tool:` + toolName + `,version:` + toolVersion + `"}`:         "",
		`{"event":"{\"at\":` + "70001" + `}"}`:                                   "",
		`{"session":1}`:                                                          "session",
		`{"events":4711}`:                                                        "4711",
		`{"event":"green-1x"}`:                                                   "green-1x",
		`{"event":"xgreen-1"}`:                                                   "xgreen-1",
		`{"event":"{\"pid\":1}"}`:                                                "pid",
		`{"event":"green-1"} junk`:                                               "junk",
		"\x0a\x07green-1":                                                        "",
		"\x0a\x0d\x0a\x07green-1\x10\xf2\xa2\x04":                                "", // nested, with the number 70002
		"\x0a\x07green-7":                                                        "green-7",
		"\x10\x85\x24":                                                           "4613",
		"plain words":                                                            "is explained by no event",
		"\xa1\x00\x08green-1\x01\xff\x7f":                                        "", // a binary form of somebody's
		"\xa1\x00\x08green-1\x06my-host\xff":                                     "host",
	} {
		x := newExplainer(&s, events)
		r := good
		r.Body = []byte(body)
		if body[0] == '\x0a' || body[0] == '\x10' { // a field of protobuf
			r.Header = http.Header(r.Header).Clone()
			r.Header.Set("Content-Type", "application/x-protobuf")
		}
		x.request(r)
		if all := strings.Join(x.strange, "\n"); (strange == "") != (all == "") || !strings.Contains(all, strange) {
			t.Errorf("%q: found %q, want %q", body, all, strange)
		}
	}
	for name, change := range map[string]func(*Request){
		"host": func(r *Request) { r.URL = "https://other.example/v2/batch" }, "path": func(r *Request) { r.URL += "/me" },
		"query": func(r *Request) { r.URL += "?u=me" }, "header": func(r *Request) { r.Header = map[string][]string{"X-Me": {"1"}} },
		"header's value": func(r *Request) { r.Header = map[string][]string{"User-Agent": {toolName + " (linux; my-host)"}} },
	} {
		x := newExplainer(&s, events)
		r := good
		r.Body = []byte(`{}`)
		change(&r)
		if x.request(r); len(x.strange) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestACheckThatHangsIsEndedByItsWatchdog(t *testing.T) {
	t.Parallel()
	s := httpSubject()
	shared := &session{subject: &s, base: sampleBase}
	defer shared.cleanup()
	forever := make(chan struct{})
	defer close(forever)
	r := shared.make(Check{ID: "x/y", Level: Must, watchdog: time.Second, do: func(*probe) { <-forever }})
	s.conclude(&r)
	if r.Outcome != Failed || !strings.Contains(r.Findings[0].Message, "did not end") || !strings.Contains(r.Findings[0].Message, "TestACheckThatHangs") {
		t.Errorf("got %+v", r)
	}
}

func TestAFailurePrintsTheExchangeAndTheBytes(t *testing.T) {
	t.Parallel()
	m := mutantNamed(t, "429-is-permanent")
	shared := &session{subject: &m.subject, base: sampleBase}
	defer shared.cleanup()
	c, _ := findCheck("delivery/429-keeps-batch")
	r := shared.make(c)
	m.subject.conclude(&r)
	text := r.String()
	for _, want := range []string{"failed delivery/429-keeps-batch (must): After a status 429", "want unknown", "POST /v2/batch HTTP/1.1", `"events":[{"uuid"`, "← HTTP/1.1 429 Too Many Requests"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

// sampleBase is a time of events.
var sampleBase = time.Date(2026, 3, 4, 5, 6, 7, 890e6, time.UTC)
