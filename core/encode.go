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
	constant []byte // from tool_name to run_id
	second   int64  // the Unix time that clock holds
	clock    []byte // "2026-11-22T10:00:00"
	pairs    []pair // reused
}

// pair is a key and a value of an event's metadata.
type pair struct {
	key   *metadataKey
	value string
}

// metadataKey is what is known of a key: tools use the same few again and again.
type metadataKey struct {
	name   string // scrubbed
	quoted string // as JSON, with the colon
	cut    bool   // the author's was longer
	secret bool   // its values are never kept
}

func newMetadataKey(name string) *metadataKey {
	cut := 0
	key := &metadataKey{name: scrubbed(name, maxKey, &cut), secret: redact.SecretName(name)}
	key.cut = cut > 0
	key.quoted = string(append(driver.AppendJSONString(nil, key.name), ':'))
	return key
}

func newEncoder(tool props.Tool, run detect.Context, runID string) *encoder {
	b := append([]byte(nil), `,"tool_name":`...)
	b = driver.AppendJSONString(b, tool.Name)
	optional := func(name, value string) {
		if value != "" {
			b = driver.AppendJSONString(append(b, `,"`+name+`":`...), value)
		}
	}
	optional("tool_version", tool.Version)
	b = append(b, `,"os":"`+runtime.GOOS+`","arch":"`+runtime.GOARCH+`","go_version":"`+runtime.Version()+`"`...)
	b = strconv.AppendBool(append(b, `,"ci":`...), run.CI)
	optional("ci_provider", run.CIProvider)
	b = strconv.AppendBool(append(b, `,"interactive":`...), run.Interactive)
	optional("agent", run.Agent)
	b = strconv.AppendBool(append(b, `,"container":`...), run.Container)
	optional("run_id", runID)
	return &encoder{constant: b, pairs: make([]pair, 0, maxMetadata)}
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
	if e.timed {
		b = append(b, `,"duration_ms":`...)
		b = strconv.AppendInt(b, e.durationMS, 10)
		b = append(b, `,"exit_code":`...)
		b = strconv.AppendInt(b, int64(e.exitCode), 10)
	}
	b = appendList(b, `,"args":[`, e.args)
	b = appendList(b, `,"flags":[`, e.flags)
	if e.errMsg != "" {
		b = append(b, `,"error":`...)
		b = driver.AppendJSONString(b, e.errMsg)
	}
	if e.class != "" {
		b = append(b, `,"error_class":`...)
		b = driver.AppendJSONString(b, string(e.class))
	}
	return append(b, enc.constant...)
}

func appendList(b []byte, key string, list []string) []byte {
	for i, s := range list {
		if i == 0 {
			b = append(b, key...)
		} else {
			b = append(b, ',')
		}
		b = driver.AppendJSONString(b, s)
	}
	if len(list) > 0 {
		b = append(b, ']')
	}
	return b
}

// appendEnd appends the metadata in enc.pairs, which are sorted, and closes the event.
func (enc *encoder) appendEnd(b []byte, cut, redacted int) []byte {
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
	if cut > 0 {
		b = append(b, `,"truncated":`...)
		b = strconv.AppendInt(b, int64(cut), 10)
	}
	if redacted > 0 {
		b = append(b, `,"redacted":`...)
		b = strconv.AppendInt(b, int64(redacted), 10)
	}
	return append(b, '}')
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

// appendTime appends UTC in whole milliseconds. The second is formatted once.
func (enc *encoder) appendTime(b []byte, now time.Time) []byte {
	if second := now.Unix(); second != enc.second || enc.clock == nil {
		enc.second = second
		enc.clock = now.UTC().AppendFormat(enc.clock[:0], "2006-01-02T15:04:05")
	}
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

// recordedFields are the fields of an event that the tool itself fills in: every one of
// driver.Event but arguments and error texts, which the author has to allow.
var recordedFields = []string{
	"id", "type", "name", "timestamp", "duration_ms", "exit_code", "flags", "error_class", "tool_name", "tool_version", "os", "arch",
	"os_version", "go_version", "ci", "ci_provider", "interactive", "agent", "container", "run_id", "machine_id", "consent_id",
	"metadata", "count", "failures", "durations", "sample_rate", "truncated", "redacted", "time_adjusted",
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
