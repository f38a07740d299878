package conformance

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

func fidelityChecks() []Check {
	fidelity := []need{keepsSomething}
	return []Check{
		{ID: "fidelity/every-field", Level: Must, needs: fidelity,
			Sentence: "Every field of an event arrives under the name that the vendor documents.", do: func(p *probe) {
				p.roundTrip(p.batch(3)...)
			}},
		{ID: "fidelity/zero-and-absent", Level: Must, needs: fidelity,
			Sentence: "An exit code or a duration of 0 arrives as 0, and one that is absent does not arrive.", do: zeroAndAbsent},
		{ID: "fidelity/numbers", Level: Must, needs: fidelity,
			Sentence: "Numbers arrive exactly, also negative ones and those that a floating-point number cannot hold.", do: numbers},
		{ID: "fidelity/times", Level: Must, needs: fidelity,
			Sentence: "Times arrive to the millisecond.", do: times},
		{ID: "fidelity/metadata-empty-and-huge", Level: Must, needs: fidelity,
			Sentence: "No metadata, empty values, many pairs and values of thousands of bytes arrive as they were.", do: metadataSizes},
		{ID: "fidelity/unicode", Level: Must, needs: fidelity,
			Sentence: "Every plane of Unicode arrives, in values and in keys, and so do quotes, brackets and control characters.", do: unicodePlanes},
		{ID: "fidelity/invalid-utf8", Level: Must, needs: fidelity,
			Sentence: "Bytes that are no UTF-8 are replaced by U+FFFD and do not keep the batch from arriving.", do: invalidUTF8},
		{ID: "fidelity/reserved-names", Level: Must, needs: fidelity,
			Sentence: "Metadata whose keys mean something to a vendor arrives as metadata and changes nothing else.", do: reservedMetadata},
	}
}

// roundTrip sends events in one batch and compares what arrives.
func (p *probe) roundTrip(events ...driver.Event) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	if v := p.send(b, events); !v.accepted() {
		p.failf("Send returned %v", v)
		return
	}
	got, ok := p.arrived()
	if !ok {
		return
	}
	for n, e := range events {
		i := slices.IndexFunc(got, func(r Received) bool { return r.ID == e.ID })
		if i < 0 {
			if n >= len(got) {
				continue
			}
			// A lost ID is another check's to find; what else is lost is found here.
			i, got[n].ID = n, e.ID
		}
		for _, d := range p.subject.differences(got[i], e) {
			p.failf("%s", d)
		}
	}
}

func zeroAndAbsent(p *probe) {
	zero, absent := sampleEvent(p.base, 1), sampleEvent(p.base, 2)
	*zero.ExitCode, *zero.DurationMS = 0, 0
	lean(&absent)
	absent.Interactive = false
	absent.Version, absent.OSVersion, absent.GoVersion, absent.ConsentID, absent.RunID = "", "", "", "", ""
	p.roundTrip(zero, absent)
}

func numbers(p *probe) {
	var events []driver.Event
	for i, n := range []int64{1, -1, 255, 1<<31 - 1, 1<<53 + 1, 1<<62 + 1} {
		e := sampleEvent(p.base, i)
		*e.DurationMS = n
		*e.ExitCode = int(int32(n % (1 << 31)))
		events = append(events, e)
	}
	// Windows has exit codes of 32 bits without a sign, where an int has room for them.
	codes := []uint32{math.MaxUint32, 0xc000013a, 1 << 31}
	for i, n := range []int64{math.MaxInt64, math.MinInt64, -(1 << 53) - 1} {
		e := sampleEvent(p.base, len(events))
		*e.DurationMS, *e.ExitCode, e.Truncated = n, int(codes[i]), math.MaxInt32-i
		e.Count, e.Failures, e.Redacted, e.SampleRate = math.MaxInt32-10-i, math.MaxInt32-20-i, math.MaxInt32-30-i, math.MaxInt32-40-i
		e.Durations = []int{math.MaxInt32 - 50 - i, 0, 1}
		events = append(events, e)
	}
	p.roundTrip(events...)
}

func times(p *probe) {
	var events []driver.Event
	for i, ms := range []int{0, 1, 10, 999} {
		e := sampleEvent(p.base, i)
		e.Time = p.base.Truncate(time.Second).Add(-time.Second).Add(time.Duration(ms) * time.Millisecond)
		events = append(events, e)
	}
	p.roundTrip(events...)
}

func metadataSizes(p *probe) {
	none, empty, many, huge := sampleEvent(p.base, 1), sampleEvent(p.base, 2), sampleEvent(p.base, 3), sampleEvent(p.base, 4)
	none.Metadata = nil
	empty.Metadata = map[string]string{"empty": "", "space": " ", "text": "null", "number": "0017", "truth": "true", "list": "[1]"}
	many.Metadata = map[string]string{}
	for i := range 32 { // as many as the collector lets through
		many.Metadata[fmt.Sprintf("key-%02d-%s", i, strings.Repeat("k", 50))] = fmt.Sprint("value ", i)
	}
	huge.Metadata = map[string]string{"huge": strings.Repeat("0123456789abcdef", effective(p.subject.Driver.Limits).EventBytes/2/16)}
	p.roundTrip(none, empty, many, huge)
}

func unicodePlanes(p *probe) {
	e := sampleEvent(p.base, 1)
	e.Metadata = map[string]string{}
	for plane := rune(0); plane <= 0x10; plane++ {
		first, last := plane<<16, plane<<16|0xfffd
		if plane == 0 {
			first = 'ß'
		}
		e.Metadata[fmt.Sprintf("plane-%d", plane)] = string([]rune{first, first + 0x41, first | 0x1f600&0xffff, last})
	}
	e.Metadata["schlüssel-鍵-🔑"] = "in a key"
	e.Name = "naïve café 名前 \U0001f9ea"
	e.Error = "quotes \" ' ` backslash \\ brackets <>{}[] &amp; % line\nbreak\ttab \u2028 \u2029 \u0085 bell\a nul\x00 del\x7f"
	e.Metadata["controls"] = "red \x1b[31m line\r\nline\n bell\a back\b form\f"
	e.Args = []string{"", "--", "a b", "\u202eright to left\u202c", "e\u0301", "\ufeffmark"}
	p.roundTrip(e)
}

func invalidUTF8(p *probe) {
	bad, good := sampleEvent(p.base, 1), sampleEvent(p.base, 2)
	bad.Name = "cut \xc3"
	bad.Error = "surrogate \xed\xa0\x80, overlong \xc0\xaf, lone \x80\xff"
	bad.Args, bad.Flags = []string{"\xfe", "fine"}, []string{"\xfd", "fine"}
	bad.Metadata = map[string]string{"value": "a\xffb", "k\xc3ey": "v"}
	p.roundTrip(bad, good)
	if got, ok := p.arrived(); ok && len(got) != 2 {
		p.failf("%d of 2 events arrived", len(got))
	}
}

// reservedNames mean something to one vendor or another. The list is literal: names that
// a backend knows of are the ones that it would not forget.
var reservedNames = []string{
	"$ip", "$set", "$set_once", "$geoip_disable", "$process_person_profile", "$lib", "$lib_version", "$os", "$groups", "$insert_id",
	"api_key", "apiKey", "token", "distinct_id", "uuid", "event", "properties", "batch", "sent_at", "historical_migration",
	"ddtags", "ddsource", "hostname", "host", "service", "status", "severity", "level", "syslog.hostname", "dd.trace_id",
	"message", "timestamp", "@timestamp", "_timestamp", "date", "published_date", "time", "_time", "_msg",
	"service.name", "log.record.uid", "app.installation.id", "event.name", "error.type", "process.exit.code", "telemetry.sdk.name",
	"id", "name", "type", "tool_name", "machine_id", "consent_id", "gotoolbase.consent.id", "exit_code", "duration_ms", "metadata", "truncated", "args", "error",
	"flags", "error_class", "ci", "ci_provider", "interactive", "agent", "container", "run_id", "session_id", "$session_id", "session.id",
	"count", "failures", "durations", "sample_rate", "redacted", "time_adjusted", "duration", "usr.id", "error.kind", "error.message", "exception.message",
	"env", "process.executable.name", "anonymousId", "userId", "messageId", "insert_id", "device_id", "event_type", "event_properties", "user_properties",
	"os", "os_version", "arch", "go_version", "version", "tool_version", "ip", "user", "user_id", "email", "__proto__", "constructor",
}

func reservedEvents(p *probe) []driver.Event {
	var events []driver.Event
	const pairs = 32 // as many as the collector lets through
	for i := 0; i < len(reservedNames); i += pairs {
		e := sampleEvent(p.base, i/pairs)
		e.Metadata = map[string]string{}
		for j, name := range reservedNames[i:min(i+pairs, len(reservedNames))] {
			e.Metadata[name] = fmt.Sprint("authors-", i+j)
		}
		events = append(events, e)
	}
	return events
}

func reservedMetadata(p *probe) {
	events := reservedEvents(p)
	// Where a field is absent, a name like the field's must not fill it.
	for i := range len(events) {
		bare := sampleEvent(p.base, 50+i)
		lean(&bare)
		bare.Metadata = events[i].Metadata
		bare.Version, bare.OSVersion, bare.GoVersion, bare.ConsentID, bare.RunID = "", "", "", "", ""
		events = append(events, bare)
	}
	p.roundTrip(events...)
}
