package consent_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/consent"
)

// shown is what people say yes to in these tests.
func shown() consent.Terms {
	return consent.Terms{
		Tool: "my-tool", Backend: "http", Hosts: []string{"a.example.com", "b.example.com"},
		Controller: "Example Ltd", Purpose: "to count commands", Retention: "14 months",
		Fields: []string{"version", "os", "arch"}, Events: []string{"exported", "imported"}, MetadataKeys: []string{"format", "mode"},
		NoticeVersion: 2, NoticeDigest: consent.DigestText("the words"),
	}
}

// accepted is a store in which somebody said yes to terms, as a later process reads it.
func accepted(t *testing.T, answer consent.Answer, terms consent.Terms) (consent.Store, consent.Stored) {
	t.Helper()
	store := consent.NewStore(filepath.Join(t.TempDir(), "telemetry"))
	if err := store.Yes(consent.Past{At: noon, Decided: answer, By: consent.SourceQuestion, Terms: terms}, store.Load()); err != nil {
		t.Fatal(err)
	}
	return store, store.Load()
}

// with returns the terms with a change.
func with(change func(*consent.Terms)) consent.Terms {
	terms := shown()
	change(&terms)
	return terms
}

func TestWhereMoreIsDeclaredThanWasShownNobodyHasSaidYes(t *testing.T) {
	t.Parallel()
	_, stored := accepted(t, consent.AnswerYes, shown())
	_, toNobody := accepted(t, consent.AnswerYes, with(func(d *consent.Terms) { d.Backend, d.Hosts = "noop", nil }))
	for name, c := range map[string]struct {
		stored consent.Stored
		terms  consent.Terms
		want   string
	}{
		"another receiver": {stored, with(func(d *consent.Terms) { d.Backend = "otlp" }),
			"the receiver: otlp (a.example.com, b.example.com), not http (a.example.com, b.example.com)"},
		"another host": {stored, with(func(d *consent.Terms) { d.Hosts = []string{"a.example.com", "c.example.com"} }),
			"the receiver: http (a.example.com, c.example.com), not http (a.example.com, b.example.com)"},
		"a host more": {stored, with(func(d *consent.Terms) { d.Hosts = append(d.Hosts, "c.example.com") }),
			"the receiver: http (a.example.com, b.example.com, c.example.com), not http (a.example.com, b.example.com)"},
		"somebody after nobody": {toNobody, shown(), "the receiver: http (a.example.com, b.example.com), not nobody"},
		"another tool":          {stored, with(func(d *consent.Terms) { d.Tool = "other" }), "the tool: other, not my-tool"},
		"a field":               {stored, with(func(d *consent.Terms) { d.Fields = append(d.Fields, "shell", "cpu") }), "the fields cpu, shell"},
		"a key":                 {stored, with(func(d *consent.Terms) { d.MetadataKeys = append(d.MetadataKeys, "plan") }), "the metadata plan"},
		"a key for another":     {stored, with(func(d *consent.Terms) { d.MetadataKeys = []string{"plan"} }), "the metadata plan"},
		"any key":               {stored, with(func(d *consent.Terms) { d.MetadataKeys, d.AnyKey = nil, true }), "metadata under any key"},
		"an event":              {stored, with(func(d *consent.Terms) { d.Events = append(d.Events, "trial") }), "the events trial"},
		"any event":             {stored, with(func(d *consent.Terms) { d.AnyEvent = true }), "events of any type"},
		"arguments":             {stored, with(func(d *consent.Terms) { d.Extended = true }), "arguments and error texts"},
		"a newer notice":        {stored, with(func(d *consent.Terms) { d.NoticeVersion = 4 }), "the notice, version 4 after 2"},
		"another controller":    {stored, with(func(d *consent.Terms) { d.Controller = "Buyer Inc" }), "the controller: Buyer Inc, not Example Ltd"},
		"a controller who is named no longer": {stored, with(func(d *consent.Terms) { d.Controller = "" }),
			"the controller: nobody named, not Example Ltd"},
		"another purpose": {stored, with(func(d *consent.Terms) { d.Purpose = "to sell more" }), "the purpose: to sell more, not to count commands"},
		"a purpose that is said no longer": {stored, with(func(d *consent.Terms) { d.Purpose = "" }),
			"the purpose: not said, not to count commands"},
		"kept longer":                 {stored, with(func(d *consent.Terms) { d.Retention = "2 years" }), "how long it is kept: 2 years, not 14 months"},
		"kept for nobody knows long":  {stored, with(func(d *consent.Terms) { d.Retention = "as needed" }), "how long it is kept: as needed, not 14 months"},
		"no word on how long is kept": {stored, with(func(d *consent.Terms) { d.Retention = "" }), "how long it is kept: not said, not 14 months"},
		"another controller in a name that draws": {stored, with(func(d *consent.Terms) { d.Controller = "Bad\x1b[2J\u202eLtd\nanswer=yes" }),
			"the controller: Bad [2J Ltd answer=yes, not Example Ltd"},
		"several at once": {stored, with(func(d *consent.Terms) { d.Extended = true; d.Fields = append(d.Fields, "shell") }),
			"the fields shell; arguments and error texts"},
	} {
		d := decide(consent.Input{Stored: c.stored, Terms: c.terms})
		if d.Enabled || !d.Undecided || d.Withdrawn || strings.Join(d.Beyond, "; ") != c.want {
			t.Errorf("%s: enabled %v, undecided %v, beyond %q; want %q", name, d.Enabled, d.Undecided, d.Beyond, c.want)
		}
		if last := d.Layers[len(d.Layers)-1]; !strings.HasSuffix(last.Detail, "but the tool now declares more: "+c.want) {
			t.Errorf("%s: the answer's layer says %q", name, last.Detail)
		}
		// Another layer may still say yes, and the person is told what is new all the same.
		d = decide(consent.Input{Stored: c.stored, Terms: c.terms}, "MY_TOOL_TELEMETRY=on")
		if !d.Enabled || d.Source != consent.SourceVariable || len(d.Beyond) == 0 {
			t.Errorf("%s, and the variable says yes: %+v", name, d)
		}
	}
}

func TestAYesCoversWhatIsLessOrTheSameInOtherWords(t *testing.T) {
	t.Parallel()
	_, stored := accepted(t, consent.AnswerYes, shown())
	_, toAnyEvent := accepted(t, consent.AnswerYes, with(func(d *consent.Terms) { d.Events, d.AnyEvent = nil, true }))
	_, toUnnamed := accepted(t, consent.AnswerYes, with(func(d *consent.Terms) { d.Controller, d.Purpose, d.Retention = "", "", "" }))
	_, toAnyKey := accepted(t, consent.AnswerYes, with(func(d *consent.Terms) { d.MetadataKeys, d.AnyKey, d.Extended = nil, true, true }))
	for name, c := range map[string]struct {
		stored consent.Stored
		terms  consent.Terms
	}{
		"the same":     {stored, shown()},
		"fewer hosts":  {stored, with(func(d *consent.Terms) { d.Hosts = d.Hosts[1:] })},
		"nobody":       {stored, with(func(d *consent.Terms) { d.Backend, d.Hosts = "noop", nil })},
		"fewer fields": {stored, with(func(d *consent.Terms) { d.Fields = d.Fields[:1] })},
		"fewer keys":   {stored, with(func(d *consent.Terms) { d.MetadataKeys = d.MetadataKeys[:1] })},
		"fewer events": {stored, with(func(d *consent.Terms) { d.Events = d.Events[1:] })},
		"no events":    {stored, with(func(d *consent.Terms) { d.Events = nil })},
		"no keys":      {stored, with(func(d *consent.Terms) { d.MetadataKeys = nil })},
		"an older notice, as of an older version of the tool": {stored, with(func(d *consent.Terms) { d.NoticeVersion = 1 })},
		"other words under the same version":                  {stored, with(func(d *consent.Terms) { d.NoticeDigest = consent.DigestText("others") })},
		"another order, and twice": {stored, with(func(d *consent.Terms) {
			slices.Reverse(d.Hosts)
			slices.Reverse(d.Fields)
			d.MetadataKeys = []string{"mode", "format", "mode"}
		})},
		"kept less long, in months":                           {stored, with(func(d *consent.Terms) { d.Retention = "1 month" })},
		"kept less long, in days":                             {stored, with(func(d *consent.Terms) { d.Retention = "90 days" })},
		"a first word on who asks, for what and for how long": {toUnnamed, shown()},
		"some keys instead of any":                            {toAnyKey, shown()},
		"some events instead of any":                          {toAnyEvent, shown()},
		"any event, as before":                                {toAnyEvent, with(func(d *consent.Terms) { d.AnyEvent = true })},
	} {
		d := decide(consent.Input{Stored: c.stored, Terms: c.terms})
		if !d.Enabled || d.LocalOnly || len(d.Beyond) > 0 || d.Source != consent.SourceQuestion || !d.Since.Equal(noon) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestForAYesToThisMachineOnlyTheReceiverIsNoMatter(t *testing.T) {
	t.Parallel()
	_, stored := accepted(t, consent.AnswerLocal, shown())
	d := decide(consent.Input{Stored: stored, Terms: with(func(d *consent.Terms) { d.Backend, d.Hosts = "otlp", []string{"c.example.com"} })})
	if !d.Enabled || !d.LocalOnly || len(d.Beyond) > 0 {
		t.Errorf("another receiver: %+v", d)
	}
	d = decide(consent.Input{Stored: stored, Terms: with(func(d *consent.Terms) { d.Extended = true })})
	if d.Enabled || !d.Undecided || !d.LocalOnly || len(d.Beyond) != 1 {
		t.Errorf("arguments: %+v", d)
	}
	// What another layer then allows stays on this machine as well.
	d = decide(consent.Input{Stored: stored, Terms: with(func(d *consent.Terms) { d.Extended = true })}, "TELEMETRY_ENABLED=1")
	if !d.Enabled || !d.LocalOnly {
		t.Errorf("arguments, and the variable says yes: %+v", d)
	}
}

// oddNames are names that an author may well declare, and that a file of lines and commas
// cannot hold as they are.
var oddNames = []string{
	"a,b", "a b", "größe", "a=b", "a\nb=c", "\x00", "\x1b[31m", "\xff\xfe", `"a"`, `"a\x2cb"`, `\x2c`, `"\"a\""`, "`a`", "*", "#", "'", "sha256:00",
	"[fe80::1%eth0]:4318", strings.Repeat("x", 128), strings.Repeat("x", 129), strings.Repeat("é", 64), strings.Repeat("\xff", 128), strings.Repeat("y", 100_000),
}

func TestAYesToOddNamesIsAYesToThem(t *testing.T) {
	t.Parallel()
	for _, name := range oddNames {
		for where, change := range map[string]func(*consent.Terms){
			"key":   func(d *consent.Terms) { d.MetadataKeys = append(d.MetadataKeys, name) },
			"host":  func(d *consent.Terms) { d.Hosts = append(d.Hosts, name) },
			"field": func(d *consent.Terms) { d.Fields = append(d.Fields, name) },
			"tool":  func(d *consent.Terms) { d.Tool = name },
		} {
			terms := with(change)
			store, stored := accepted(t, consent.AnswerYes, terms)
			d := decide(consent.Input{Stored: stored, Terms: terms})
			if !d.Enabled || len(d.Beyond) > 0 {
				t.Errorf("%s %.20q: to be asked again for %.60q", where, name, d.Beyond)
			}
			if d := decide(consent.Input{Stored: stored, Terms: shown()}); where != "tool" && !d.Enabled {
				t.Errorf("%s %.20q: without it, to be asked again for %.60q", where, name, d.Beyond)
			}
			receipt, err := store.InForce(stored.Receipt)
			if err != nil || !terms.SameReceiver(receipt.Terms) || receipt.Terms.Digest() != terms.Digest() {
				t.Errorf("%s %.20q: its receipt says %.100q, %v", where, name, fmt.Sprint(receipt.Terms), err)
			}
			// Under a variable, too, there is one receipt and not one for each command.
			byVariable := consent.Decision{Enabled: true, Source: consent.SourceVariable}
			first, err1 := store.Record(byVariable, terms, noon)
			again, err2 := store.Record(byVariable, terms, noon)
			if err1 != nil || err2 != nil || first.ID != again.ID {
				t.Errorf("%s %.20q: %v, %v, and two receipts for the same", where, name, err1, err2)
			}
		}
	}
}

func TestOddNamesAreToldApart(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2][]string{
		{{"a,b"}, {"a", "b"}},
		{{"a b"}, {"a  b"}},
		{{"a"}, {`"a"`}},
		{{strings.Repeat("x", 129)}, {strings.Repeat("x", 130)}},
		{{"\xff"}, {"\xfe"}},
	} {
		for _, p := range [][2][]string{pair, {pair[1], pair[0]}} {
			_, stored := accepted(t, consent.AnswerYes, with(func(d *consent.Terms) { d.MetadataKeys = p[0] }))
			terms := with(func(d *consent.Terms) { d.MetadataKeys = p[1] })
			if d := decide(consent.Input{Stored: stored, Terms: terms}); d.Enabled || terms.Digest() == stored.Terms.Digest() {
				t.Errorf("a yes to %.30q counts as one to %.30q", p[0], p[1])
			}
		}
	}
	// A key named like the sign for all keys is one key.
	_, stored := accepted(t, consent.AnswerYes, with(func(d *consent.Terms) { d.MetadataKeys = []string{"*"} }))
	if d := decide(consent.Input{Stored: stored, Terms: shown()}); d.Enabled || stored.Terms.AnyKey {
		t.Errorf("a yes to one key counts as one to any: %+v", stored.Terms)
	}
}

func TestAsManyNamesAsAnAuthorLikesCanBeSaidYesTo(t *testing.T) {
	t.Parallel()
	for _, n := range []int{200, 201, 1000} {
		for _, name := range []string{"key-%04d", "key %04d", strings.Repeat("\xff", 124) + "%04d"} {
			var keys []string
			for i := range n {
				keys = append(keys, fmt.Sprintf(name, i))
			}
			terms := with(func(d *consent.Terms) { d.MetadataKeys = slices.Clone(keys) })
			_, stored := accepted(t, consent.AnswerYes, terms)
			slices.Reverse(terms.MetadataKeys)
			if d := decide(consent.Input{Stored: stored, Terms: terms}); !d.Enabled {
				t.Errorf("%d like %.10q: to be asked again for %.60q", n, name, d.Beyond)
			}
			terms.MetadataKeys[0] = "another"
			if d := decide(consent.Input{Stored: stored, Terms: terms}); d.Enabled {
				t.Errorf("%d like %.10q: a yes to them counts as one to others", n, name)
			}
		}
	}
}

func TestWhatIsNewIsToldWithoutControlCharacters(t *testing.T) {
	t.Parallel()
	_, stored := accepted(t, consent.AnswerYes, shown())
	d := decide(consent.Input{Stored: stored, Terms: with(func(d *consent.Terms) {
		d.MetadataKeys, d.Hosts, d.Fields = []string{"\x1b[31m", "ok"}, []string{"\n"}, []string{"\x9b31m"}
	})})
	if text := strings.Join(d.Beyond, ""); len(d.Beyond) != 3 || strings.ContainsAny(text, "\n\x1b\u009b") {
		t.Errorf("%q", text)
	}
}

// At a vendor's host every customer has an account of their own.
func TestWhatWasRecordedForOneControllerIsNotGivenToAnother(t *testing.T) {
	t.Parallel()
	unnamed := with(func(d *consent.Terms) { d.Controller = "" })
	another := with(func(d *consent.Terms) { d.Controller = "Buyer Inc" })
	for name, c := range map[string]struct {
		now, receipt consent.Terms
		same         bool
	}{
		"the same controller":                      {shown(), shown(), true},
		"the same, in a receipt that names nobody": {shown(), unnamed, true},
		"another one":                              {another, shown(), false},
		"one who is named no longer":               {unnamed, shown(), false},
		"the same with another purpose":            {with(func(d *consent.Terms) { d.Purpose = "others" }), shown(), true},
	} {
		if got := c.now.SameReceiver(c.receipt); got != c.same {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Receipts are found by the digest of their terms, also those that an older version made.
func TestTermsThatNameNobodyHaveTheDigestOfBefore(t *testing.T) {
	t.Parallel()
	unnamed := with(func(d *consent.Terms) { d.Controller, d.Purpose, d.Retention = "", "", "" })
	const before = "7c11006f9a9d9e4942d07371cfeca184"
	if got := unnamed.Digest(); got != before {
		t.Errorf("digest %s, before it was %s", got, before)
	}
	if shown().Digest() == before {
		t.Error("terms that name a controller have the same digest")
	}
}

func TestWhatTheTermsNoLongerHoldIsListedToo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now  consent.Terms
		want string
	}{
		"the same":     {shown(), ""},
		"more":         {with(func(d *consent.Terms) { d.Extended = true; d.Hosts = append(d.Hosts, "c.example.com") }), ""},
		"fewer keys":   {with(func(d *consent.Terms) { d.MetadataKeys = []string{"mode"} }), "the metadata format"},
		"another key":  {with(func(d *consent.Terms) { d.MetadataKeys = []string{"mode", "plan"} }), "the metadata format"},
		"fewer events": {with(func(d *consent.Terms) { d.Events = nil }), "the events exported, imported"},
		"another purpose, which is something more": {with(func(d *consent.Terms) { d.Purpose = "others" }), ""},
	} {
		if got := strings.Join(c.now.Without(shown(), false), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
