package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
)

// explainer knows every text and number that may be in a request, and finds what else
// is there.
type explainer struct {
	texts   map[string]bool
	numbers map[string]bool
	varies  map[string]string
	strange []string
	// protobufOnly says that what looks like protobuf is no other binary form.
	protobufOnly bool
}

// standard is what HTTP itself puts into a request to an API.
var standard = []string{
	"Host", "Content-Length", "Content-Type", "Content-Encoding", "User-Agent", "Accept", "Accept-Encoding", "POST", "PUT",
	"application/json", "application/x-ndjson", "application/x-protobuf", "charset=utf-8", "gzip", "*/*", "https", "/",
	// Clients of other languages than Go say these too.
	"Connection", "close", "keep-alive", "identity", "deflate", "zstd", "Transfer-Encoding", "chunked", "Basic", "Bearer",
	"application/x-www-form-urlencoded",
}

// layouts are the forms in which a vendor may want the time of an event, in UTC.
var layouts = []string{
	time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000Z07:00", "2006-01-02T15:04:05.000000000Z07:00",
	"2006-01-02T15:04:05-07:00", "2006-01-02T15:04:05.000-07:00", "2006-01-02T15:04:05.000000-07:00", "2006-01-02T15:04:05.999999999-07:00",
	"2006-01-02T15:04:05.000-0700", "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", "2006-01-02T15:04:05.000", "2006-01-02T15:04:05.000000",
	time.DateTime, time.DateTime + ".000", time.DateTime + ".000000", time.DateTime + " UTC", time.DateTime + ".000 UTC", time.DateTime + ".999999999 -0700 MST",
	time.DateOnly, "20060102T150405Z", "20060102T150405.000Z", "20060102", time.RFC1123, time.RFC1123Z, http.TimeFormat, time.RFC850, time.ANSIC, time.UnixDate,
}

func newExplainer(s *Subject, events []driver.Event) *explainer {
	x := &explainer{texts: map[string]bool{}, numbers: map[string]bool{}, varies: s.Varies}
	text := func(list ...string) {
		for _, t := range list {
			x.texts[sameText(t)] = true
		}
	}
	text(standard...)
	text(s.Constants...)
	text(toolName, toolVersion)
	text("true", "false") // which say no more than that their name is there
	for _, c := range s.Constants {
		x.numbers[c] = true
	}
	u, err := url.Parse(endpoint)
	if err == nil {
		text(endpoint, u.Host)
	}
	settings := s.settings(endpoint)
	if resolved, err := s.Driver.Resolve(settings); err == nil {
		settings = resolved
	}
	text(slices.Collect(maps.Values(settings))...)
	if s.Driver.Hosts != nil {
		text(s.Driver.Hosts(settings)...)
	}
	for _, value := range settings {
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			text(u.Host, u.Path, u.RawQuery)
		}
	}
	for name, value := range s.Headers {
		text(name, value, http.CanonicalHeaderKey(name))
	}
	number := func(n int64) { x.numbers[fmt.Sprint(n)] = true }
	for n := range len(events) + 1 {
		number(int64(n)) // a count of events
	}
	for _, e := range events {
		text(e.ID, e.Type, e.Name, e.Error, e.Tool, e.Version, e.OS, e.Arch, e.OSVersion, e.GoVersion, e.MachineID, e.ConsentID)
		text(e.ErrorClass, e.CIProvider, e.Agent, e.RunID)
		text(e.Args...)
		text(e.Flags...)
		text(slices.Collect(maps.Keys(e.Metadata))...)
		text(slices.Collect(maps.Values(e.Metadata))...)
		for _, layout := range layouts {
			text(e.Time.UTC().Format(layout))
		}
		number(e.Time.Unix())
		number(e.Time.UnixMilli())
		number(e.Time.UnixMicro())
		number(e.Time.UnixNano())
		number(idTime(e.RunID)) // when a session began
		for _, n := range append([]int{e.Truncated, e.Redacted, e.Count, e.Failures, e.SampleRate}, e.Durations...) {
			number(int64(n))
		}
		sum := int64(0)
		for _, n := range e.Durations { // as cumulative histograms have it
			sum += int64(n)
			number(sum)
		}
		if e.DurationMS != nil {
			number(*e.DurationMS)
			number(*e.DurationMS * 1e6) // in nanoseconds
		}
		if e.ExitCode != nil {
			number(int64(*e.ExitCode))
		}
	}
	return x
}

// idTime is the time that a version 7 UUID holds, in milliseconds since 1970, 0 without one.
func idTime(id string) int64 {
	digits := strings.ReplaceAll(id, "-", "")
	ms, _ := strconv.ParseInt(digits[:min(12, len(digits))], 16, 64)
	return ms
}

func (x *explainer) fault(where, what string) {
	if message := fmt.Sprintf("%s: %s is explained by no event and no declared constant", where, short(what)); !slices.Contains(x.strange, message) {
		x.strange = append(x.strange, message)
	}
}

// request explains a whole request.
func (x *explainer) request(r Request) {
	if u, err := url.Parse(r.URL); err != nil {
		x.fault("the URL", r.URL)
	} else {
		x.text("the URL's host", u.Host)
		x.text("the URL's path", u.Path)
		for name, values := range u.Query() {
			x.text("a name in the query", name)
			for _, value := range values {
				x.text("the query's "+name, value)
			}
		}
	}
	for name, values := range r.Header {
		x.text("the name of a header", name)
		if _, varies := x.varies[name]; varies || name == "Content-Length" {
			continue // net/http checks the latter
		}
		for _, value := range values {
			x.text("header "+name, value)
		}
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(r.Body))
		if err == nil {
			for name, values := range form {
				x.text("a name in the form", name)
				for _, value := range values {
					x.value(name, value)
				}
			}
			return
		}
	}
	x.protobufOnly = strings.Contains(r.Header.Get("Content-Type"), "protobuf")
	x.body(r.Body)
}

// body explains JSON, a row of JSON values, or protobuf; another binary form by the texts in
// it, since the numbers of one that is not known cannot be told from its lengths; anything
// else is one text.
func (x *explainer) body(b []byte) {
	if values, err := jsonValues(b); err == nil {
		for _, v := range values {
			x.json("the body", v)
		}
		return
	}
	before := len(x.strange)
	if x.protobuf("the body", b, 0) && (x.protobufOnly || len(x.strange) == before) {
		return
	}
	if bytes.ContainsFunc(b, isBinary) {
		x.strange = x.strange[:before]
		x.binary(b)
		return
	}
	x.text("the body", string(b))
}

// isBinary reports what no text holds.
func isBinary(r rune) bool {
	return r == utf8.RuneError || r < ' ' && r != '\n' && r != '\r' && r != '\t'
}

// binary takes what is known out of b, the longest first, and finds words in the rest.
func (x *explainer) binary(b []byte) {
	const shortest = 4 // of a word that is not there by chance
	rest := bytes.Clone(b)
	for _, known := range slices.SortedFunc(maps.Keys(x.texts), func(a, b string) int { return len(b) - len(a) }) {
		if len(known) >= shortest {
			rest = bytes.ReplaceAll(rest, []byte(known), []byte{0})
		}
	}
	for _, word := range bytes.FieldsFunc(rest, func(r rune) bool { return r == utf8.RuneError || r < utf8.RuneSelf && !wordByte(byte(r)) }) {
		if len(word) >= shortest {
			x.fault("the body", string(word))
		}
	}
}

// jsonValues reads one JSON value or several in a row.
func jsonValues(b []byte) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var list []any
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

func (x *explainer) json(where string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			x.text("a name in "+where, key)
			if _, varies := x.varies[key]; !varies {
				x.json(key, v[key])
			}
		}
	case []any:
		for _, item := range v {
			x.json(where, item)
		}
	case json.Number:
		x.number(where, v.String())
	case string:
		x.value(where, v)
	}
	// A bool or a null says no more than that its name is there, and that was declared.
}

// value explains a text that may itself be JSON.
func (x *explainer) value(where, s string) {
	if x.known(s) {
		return
	}
	if values, err := jsonValues([]byte(s)); err == nil && len(values) == 1 {
		switch v := values[0].(type) {
		case map[string]any, []any:
			x.json(where, v)
			return
		case json.Number:
			x.number(where, v.String())
			return
		}
	}
	x.fault(where, s)
}

func (x *explainer) number(where, n string) {
	if f, err := strconv.ParseFloat(n, 64); err == nil && !x.numbers[n] {
		// 3.0 and 3e0 are 3, and 1.5e9 seconds are a time.
		n = strconv.FormatFloat(f, 'f', -1, 64)
		if !x.numbers[n] && x.numbers[fmt.Sprint(int64(math.Round(f*1000)))] {
			return
		}
	}
	if !x.numbers[n] && !x.known(n) {
		x.fault(where, n)
	}
}

func (x *explainer) text(where, s string) {
	if !x.known(s) && !x.known(base64Token.ReplaceAllStringFunc(s, unbase64)) {
		x.fault(where, s)
	}
}

// base64Token is a word of a header that may be base64, as that of Basic authentication.
var base64Token = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}={0,2}`)

func unbase64(token string) string {
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if plain, err := encoding.DecodeString(strings.TrimRight(token, "=")); err == nil && utf8.Valid(plain) {
			return string(plain)
		}
	}
	return token
}

// known reports whether s consists of known texts, with anything but letters and digits
// between them.
func (x *explainer) known(s string) bool {
	s = sameText(s)
	if x.texts[s] || x.numbers[s] {
		return true
	}
	if len(s) > 1<<16 {
		return false
	}
	reached := make([]bool, len(s)+1)
	reached[0] = true
	for i := range len(s) {
		if !reached[i] {
			continue
		}
		if !wordByte(s[i]) {
			reached[i+1] = true
		}
		if i > 0 && wordByte(s[i-1]) {
			continue // in the middle of a word
		}
		fits := func(t string) {
			if t != "" && strings.HasPrefix(s[i:], t) && (i+len(t) == len(s) || !wordByte(s[i+len(t)]) || !wordByte(t[len(t)-1])) {
				reached[i+len(t)] = true
			}
		}
		for t := range x.texts {
			fits(t)
		}
		for t := range x.numbers {
			fits(t)
		}
	}
	return reached[len(s)]
}

func wordByte(c byte) bool {
	return c >= utf8.RuneSelf || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// protobuf explains b as a message, and reports false where it is none.
func (x *explainer) protobuf(where string, b []byte, depth int) bool {
	const deepest = 16
	if len(b) == 0 || depth > deepest {
		return len(b) == 0
	}
	type field struct {
		name  string
		wire  uint64
		n     uint64
		bytes []byte
	}
	var fields []field
	for len(b) > 0 {
		tag, size := binary.Uvarint(b)
		if size <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return false
		}
		b = b[size:]
		f := field{name: fmt.Sprintf("%s.%d", where, tag>>3), wire: tag & 7}
		switch f.wire {
		case 0:
			if f.n, size = binary.Uvarint(b); size <= 0 {
				return false
			}
			b = b[size:]
		case 1:
			if len(b) < 8 {
				return false
			}
			f.n, b = binary.LittleEndian.Uint64(b), b[8:]
		case 5:
			if len(b) < 4 {
				return false
			}
			f.n, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		case 2:
			length, size := binary.Uvarint(b)
			if size <= 0 || length > uint64(len(b)-size) {
				return false
			}
			f.bytes, b = b[size:size+int(length)], b[size+int(length):]
		default:
			return false
		}
		fields = append(fields, f)
	}
	for _, f := range fields {
		if f.wire != 2 {
			zigzag := int64(f.n>>1) ^ -int64(f.n&1) // sint64
			if n := fmt.Sprint(int64(f.n)); !x.numbers[n] && !x.numbers[fmt.Sprint(zigzag)] && !x.numbers[fmt.Sprint(math.Float64frombits(f.n))] {
				x.fault(f.name, n)
			}
			continue
		}
		if utf8.Valid(f.bytes) && x.known(string(f.bytes)) {
			continue
		}
		before := len(x.strange)
		if x.protobuf(f.name, f.bytes, depth+1) {
			continue
		}
		x.strange = x.strange[:before]
		x.fault(f.name, string(f.bytes))
	}
	return true
}
