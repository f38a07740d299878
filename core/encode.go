package core

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/detect"
	"github.com/gotoolbase/telemetry/core/internal/redact"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/props"
)

// encoder writes events as driver.Event.AppendJSON does, byte for byte (a test holds
// the two together), without making an Event first: what is the same for all events of
// a process is encoded once. That halves the cost of Track.
type encoder struct {
	constant []byte // from tool_name to container
	run      []byte // run_id
	second   int64  // the Unix time that clock holds
	clock    []byte // "2026-11-22T10:00:00"
	today    string // "2026-11-22"
	pairs    []pair // reused
	bounds   []int64
}

// pair is a key and a value of an event's metadata.
type pair struct {
	key           *metadataKey
	value         string
	cut, redacted bool // the author's was another one
}

// metadataKey is what is known of a key: tools use the same few again and again.
type metadataKey struct {
	name   string // scrubbed
	quoted string // as JSON, with the colon
	count  tally  // of what scrubbing did to the name
	secret bool   // its values are never kept, unless the author named it
	named  bool   // in MetadataKeys
}

func newMetadataKey(name string) *metadataKey {
	var count tally
	key := declaredKey(count.scrubbed(name, maxKey))
	key.count, key.secret = count, redact.SecretName(name)
	return key
}

// declaredKey returns the key of a declared field, whose form was checked.
func declaredKey(name string) *metadataKey {
	return &metadataKey{name: name, quoted: string(append(driver.AppendJSONString(nil, name), ':'))}
}

func newEncoder(tool props.Tool, where detect.Context, runID string) *encoder {
	b := append([]byte(nil), `,"tool_name":`...)
	b = driver.AppendJSONString(b, tool.Name)
	optional := func(name, value string) {
		if value != "" {
			b = driver.AppendJSONString(append(b, `,"`+name+`":`...), value)
		}
	}
	optional("tool_version", tool.Version)
	b = append(b, `,"os":"`+runtime.GOOS+`","arch":"`+runtime.GOARCH+`","go_version":"`+runtime.Version()+`"`...)
	b = strconv.AppendBool(append(b, `,"ci":`...), where.CI)
	optional("ci_provider", where.CIProvider)
	b = strconv.AppendBool(append(b, `,"interactive":`...), where.Interactive)
	optional("agent", where.Agent)
	b = strconv.AppendBool(append(b, `,"container":`...), where.Container)
	run := driver.AppendJSONString([]byte(`,"run_id":`), runID)
	return &encoder{constant: b, run: run, pairs: make([]pair, 0, maxMetadata), bounds: driver.DurationBounds()}
}

// appendEvent appends everything but the metadata and what follows it.
func (enc *encoder) appendEvent(b []byte, now time.Time, e *event) []byte {
	b = append(b, `{"id":"`...)
	if e.id == "" {
		b = appendID(b, now)
	} else {
		b = append(b, e.id...)
	}
	if e.timed {
		b = append(b, `","type":"`+string(props.EventCommandInvocation)+`","name":`...)
	} else {
		b = append(b, `","type":`...)
		b = driver.AppendJSONString(b, string(e.kind))
		b = append(b, `,"name":`...)
	}
	b = driver.AppendJSONString(b, e.name)
	b = append(b, `,"timestamp":"`...)
	b = enc.appendTime(b, now)
	b = append(b, '"')
	if e.timed && !e.folded {
		b = append(b, `,"duration_ms":`...)
		b = strconv.AppendInt(b, e.durationMS, 10)
	}
	if e.timed {
		b = append(b, `,"exit_code":`...)
		b = strconv.AppendInt(b, int64(e.exitCode), 10)
	}
	if len(e.args) > 0 {
		b = driver.AppendJSONStrings(append(b, `,"args":`...), e.args)
	}
	if len(e.flags) > 0 {
		b = driver.AppendJSONStrings(append(b, `,"flags":`...), e.flags)
	}
	if e.errMsg != "" {
		b = append(b, `,"error":`...)
		b = driver.AppendJSONString(b, e.errMsg)
	}
	if e.class != "" {
		b = append(b, `,"error_class":`...)
		b = driver.AppendJSONString(b, string(e.class))
	}
	b = append(b, enc.constant...)
	if e.folded {
		return b
	}
	return append(b, enc.run...)
}

// appendEnd appends the metadata in enc.pairs, which are sorted, and what follows it, and
// closes the event.
func (enc *encoder) appendEnd(b []byte, e *event, count tally) []byte {
	for i, p := range enc.pairs {
		if i == 0 {
			b = append(b, `,"metadata":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, p.key.quoted...)
		b = driver.AppendJSONString(b, p.value)
	}
	if len(enc.pairs) > 0 {
		b = append(b, '}')
	}
	if e.folded {
		b = enc.appendRecordOfOne(b, e)
	}
	if e.sampleRate > 1 {
		b = append(b, `,"sample_rate":`...)
		b = strconv.AppendInt(b, int64(e.sampleRate), 10)
	}
	if count.cut > 0 {
		b = append(b, `,"truncated":`...)
		b = strconv.AppendInt(b, int64(count.cut), 10)
	}
	if count.redacted > 0 {
		b = append(b, `,"redacted":`...)
		b = strconv.AppendInt(b, int64(count.redacted), 10)
	}
	return append(b, '}')
}

// appendRecordOfOne appends what records are added up by.
func (enc *encoder) appendRecordOfOne(b []byte, e *event) []byte {
	b = append(b, `,"count":1`...)
	if !e.timed {
		return b
	}
	if e.exitCode != 0 {
		b = append(b, `,"failures":1`...)
	}
	b = append(b, `,"durations":[`...)
	bucket := 0
	for bucket < len(enc.bounds) && e.durationMS > enc.bounds[bucket] {
		bucket++
	}
	for i := range len(enc.bounds) + 1 {
		if i > 0 {
			b = append(b, ',')
		}
		if i == bucket {
			b = append(b, '1')
		} else {
			b = append(b, '0')
		}
	}
	return append(b, ']')
}

// put adds a pair to enc.pairs, replacing one with the same key. It reports whether
// there was room.
func (enc *encoder) put(p pair) bool {
	at := len(enc.pairs)
	for at > 0 && enc.pairs[at-1].key.name >= p.key.name {
		at--
	}
	if at < len(enc.pairs) && enc.pairs[at].key.name == p.key.name {
		enc.pairs[at] = p
		return true
	}
	if len(enc.pairs) == maxMetadata {
		return false
	}
	enc.pairs = append(enc.pairs, p)
	for i := len(enc.pairs) - 1; i > at; i-- {
		enc.pairs[i] = enc.pairs[i-1]
	}
	enc.pairs[at] = p
	return true
}

// setClock formats the second of now once.
func (enc *encoder) setClock(now time.Time) {
	if second := now.Unix(); second != enc.second || enc.clock == nil {
		enc.second = second
		enc.clock = now.UTC().AppendFormat(enc.clock[:0], "2006-01-02T15:04:05")
	}
}

// date returns the day of now, in UTC.
func (enc *encoder) date(now time.Time) string {
	enc.setClock(now)
	if day := enc.clock[:len(time.DateOnly)]; string(day) != enc.today {
		enc.today = string(day)
	}
	return enc.today
}

// appendTime appends UTC in whole milliseconds.
func (enc *encoder) appendTime(b []byte, now time.Time) []byte {
	enc.setClock(now)
	b = append(b, enc.clock...)
	if ms := now.Nanosecond() / int(time.Millisecond); ms > 0 {
		b = append(b, '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10))
		for b[len(b)-1] == '0' { // as RFC3339Nano has it
			b = b[:len(b)-1]
		}
	}
	return append(b, 'Z')
}

// appendID appends a version 7 UUID (RFC 9562): 48 bits of milliseconds, 74 random bits.
// They come from the runtime's ChaCha8 generator, which the system seeds: as good at
// never repeating as asking the system each time, at a fifth of the cost.
func appendID(b []byte, now time.Time) []byte {
	var id [16]byte
	random := rand.Uint64()
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|0x7000|random>>52)
	binary.BigEndian.PutUint64(id[8:], 1<<63|rand.Uint64()>>2)
	const digits = "0123456789abcdef"
	text := [36]byte{8: '-', 13: '-', 18: '-', 23: '-'}
	for i, at := range [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		text[at], text[at+1] = digits[id[i]>>4], digits[id[i]&0xf]
	}
	return append(b, text[:]...)
}

// complete fills in the fields of an event of our own that no caller gives. Such an event
// is of no run.
func (in *installation) complete(e *driver.Event) {
	now, run := in.now(), in.context()
	e.ID = string(appendID(nil, now))
	e.Time = now.UTC().Truncate(time.Millisecond)
	e.Tool, e.Version = in.tool.Name, in.tool.Version
	e.OS, e.Arch, e.GoVersion = runtime.GOOS, runtime.GOARCH, runtime.Version()
	e.CI, e.CIProvider, e.Interactive, e.Agent, e.Container = run.CI, run.CIProvider, run.Interactive, run.Agent, run.Container
}

// lossLine encodes the event that says that others were lost.
func (in *installation) lossLine(loss spool.Loss) []byte {
	e := driver.Event{
		Type:     string(props.EventLoss),
		Name:     loss.Reason,
		Metadata: map[string]string{"count": strconv.Itoa(loss.Count)},
	}
	in.complete(&e)
	return append(e.AppendJSON(nil), '\n')
}
