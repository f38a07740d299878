package core

import (
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/journal"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Whatever an entry of the log of what was sent says: what is shown of it is text in one line,
// no number is below zero, and what was counted is what would be written.
func FuzzADelivery(f *testing.F) {
	f.Add(methodField, "POST", headerField, "Host: a.example\r\nContent-Type: application/json", countsField, "3 build\n1 feature.used x\n", tookField, "120")
	f.Add(urlField, "https://a.example/\x1b[31m", packedField, "H4sIAAAA", bodyField, "[]", statusField, "-5")
	f.Add(tookField, "9223372036854775807", sizeField, "-1", countsField, "9223372036854775807 a\n9223372036854775807 b\n", headerField, ": \r\n: ")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2, key3, value3, key4, value4 string) {
		e := journal.Entry{N: 1, At: time.Unix(1770120000, 0), Fields: state.Record{key1: value1, key2: value2, key3: value3, key4: value4}}
		var d Delivery
		// Fields are cleaned, which copies them; a line of counts or of headers of two bytes is a
		// structure, and a map's.
		fuzzing.Allocs(t, len(value1)+len(value2)+len(value3)+len(value4), 32<<10, 192, func() {
			d = deliveryOf(e)
			d.answer(e)
		})
		for _, text := range []string{d.Host, d.Method, d.URL, d.Backend, d.Reason, d.Answer, d.Class, strings.Join(d.Receipts, " ")} {
			if plaintext.Clean(text) != text {
				t.Errorf("%q is shown", text)
			}
		}
		for name, values := range d.Header {
			if plaintext.Clean(name) != name || plaintext.Clean(strings.Join(values, "")) != strings.Join(values, "") {
				t.Errorf("the header %q: %q is shown", name, values)
			}
		}
		if d.GapBefore < 0 || d.Size < 0 || d.Events < 0 || d.Status < 0 || d.Took < 0 {
			t.Errorf("%+v", d)
		}
		for _, c := range d.Counts {
			if c.Events <= 0 || c.Events > delivery.MostCounted {
				t.Errorf("%+v", d.Counts)
			}
		}
	})
}

// Whatever is sent, its counts are read as they are written.
func FuzzCounts(f *testing.F) {
	f.Add("build", string(props.EventCommandInvocation), 3)
	f.Add("a\nb", "feature.used", 0)
	f.Add(" \x1b ", "", -1)
	f.Fuzz(func(t *testing.T, name, kind string, count int) {
		text := encodeCounts([]driver.Event{{Name: name, Type: kind, Count: count}, {Name: "other", Type: string(props.EventCommandInvocation)}})
		total := 0
		for _, c := range decodeCounts(text) {
			total += c.Events
		}
		if want := min(max(count, 1), delivery.MostCounted) + 1; total != want {
			t.Errorf("%q says %d events, want %d", text, total, want)
		}
	})
}

// Whatever comes through the pipe from the command that started a background process: a setting
// that was handed over is the one that was declared.
func FuzzDeclarationHandedOver(f *testing.F) {
	f.Add("write_key", "abc", "Authorization", "Bearer x", []byte{})
	f.Add("certificate", "-----BEGIN\nMII\n", "X", "\"quoted\"", []byte("format=1\nbackend=x\nsetting.a=\"\\x\n.\n"))
	f.Fuzz(func(t *testing.T, setting, value, header, headerValue string, raw []byte) {
		var in installation
		b := background{&in}
		// A record is cut into lines and made a map; settings and headers are two more.
		fuzzing.Allocs(t, len(raw), 16<<10, 256, func() { b.adoptDeclaration(raw) })

		name := plaintext.Clean(setting)
		r := state.Record{"backend": "x", "setting." + name: inOneLine(value), "header.h": inOneLine(headerValue)}
		if name == "" || strings.ContainsAny(name, "=\n") {
			return
		}
		b.adoptDeclaration(r.Encode())
		config := in.tool.Telemetry
		if config.Backend != "x" || config.Settings[name] != value || config.Headers["h"] != headerValue {
			t.Errorf("%q=%q and %q were handed over as %q and %q", name, value, headerValue, config.Settings, config.Headers)
		}
	})
}
