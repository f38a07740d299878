//go:build !notelemetry

package events

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever is announced and whatever comes, a body is what came, and takes no more than that in
// room and in memory.
func FuzzReadAll(f *testing.F) {
	f.Add("", int64(0), false)
	f.Add(strings.Repeat("a", firstRead+1), int64(firstRead+1), true)
	f.Add("short", int64(maxBody), false)
	f.Add("long", int64(2), false)
	f.Add("of no length", int64(-1), true)
	f.Fuzz(func(t *testing.T, body string, length int64, slowly bool) {
		if length > maxBody || len(body) > maxBody || length >= 0 && int64(len(body)) > length {
			t.Skip("a server refuses it, and reads no further than what is announced")
		}
		m := newMemory(4 * maxBody)
		var text string
		var err error
		// What is read is doubled each time, and copied once into a string.
		fuzzing.Allocs(t, len(body), 8*firstRead, 8, func() {
			r := io.Reader(strings.NewReader(body))
			if slowly {
				r = iotest.HalfReader(r)
			}
			room := m.room("a")
			defer room.close()
			text, err = readAll(r, length, room)
			if room.size > 2*int64(len(body))+firstRead {
				t.Errorf("%d bytes take room for %d", len(body), room.size)
			}
		})
		whole := length < 0 || int64(len(body)) == length
		if whole != (err == nil) || err == nil && text != body {
			t.Errorf("%d bytes of %d are read as %d, %v", len(body), length, len(text), err)
		}
		if m.all != 0 || len(m.each) != 0 {
			t.Errorf("%d bytes are not given back", m.all)
		}
	})
}

// Whatever comes packed, no more is unpacked than a body may hold, and that is what the
// standard library makes of it.
func FuzzUnpack(f *testing.F) {
	pack := func(text []byte) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(text); err != nil {
			f.Fatal(err)
		}
		if err := z.Close(); err != nil {
			f.Fatal(err)
		}
		return b.String()
	}
	f.Add(pack([]byte("[]")))
	f.Add(pack(make([]byte, 64<<10))) // a whole bomb has a test of its own, and would leave time for little else
	f.Add(pack(nil) + pack([]byte("x")))
	f.Add(pack([]byte("cut"))[:20])
	f.Add("")
	f.Fuzz(func(t *testing.T, packed string) {
		var text string
		var err error
		// A few bytes are unpacked to a thousand times as many, so the bound is that of a body: a
		// buffer that doubles until there takes four times that, a string one more.
		fuzzing.Allocs(t, len(packed), 8*maxBody, 16, func() { text, err = unpack(packed) })
		if len(text) > maxBody+1 {
			t.Fatalf("%d bytes are unpacked", len(text))
		}
		z, zerr := gzip.NewReader(strings.NewReader(packed))
		var want []byte
		if zerr == nil {
			want, zerr = io.ReadAll(io.LimitReader(z, maxBody+1))
		}
		if (err == nil) != (zerr == nil) || err == nil && text != string(want) {
			t.Errorf("%q is %d bytes, %v; compress/gzip: %d, %v", packed, len(text), err, len(want), zerr)
		}
	})
}
