package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

// Whatever a program prints, a line is one thing of the protocol or none.
func FuzzReadLine(f *testing.F) {
	for _, line := range []string{
		`{"opened":{"concurrent":true,"limits":{"events":10,"bytes":1000,"event_bytes":100}}}`, `{"error":{"field":"Settings[x]","problem":"not set"}}`,
		`{"sent":{"id":1,"class":"accepted"}}`, `{"sent":{"id":1,"class":"partial","accepted":["a"],"rejected":["b"],"wait_ms":-5}}`, `{"closed":true}`,
		`{"closed":true,"sent":{}}`, `{}`, `null`, `{"closed":true}{}`, `{"sent":{"class":"partial","unnamed":-1}}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var l fromProgram
		var err error
		// encoding/json has a buffer for a stream; an ID of three bytes has a header of 16.
		fuzzing.Allocs(t, len(line), 8<<10, 64, func() { l, err = readLine(line) })
		if err != nil {
			return
		}
		things := 0
		for _, there := range []bool{l.Opened != nil, l.Error != nil, l.Sent != nil, l.Closed} {
			if there {
				things++
			}
		}
		if things != 1 {
			t.Errorf("%q is %d things", line, things)
		}
		if l.Sent != nil {
			l.Sent.problem()
		}
	})
}

// Whatever a vendor's file says, it is refused with a line, or holds a vendor with a name.
func FuzzVendorFile(f *testing.F) {
	for _, name := range []string{filepath.Join("testdata", "httpjson.yaml")} {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
		f.Add([]byte(strings.Replace(string(content), "statuses:", "statuses:\n  2xx: again\n", 1)))
	}
	for _, text := range []string{"name: x\n", "name: x\nlimits: {events: -1}\n", "statuses: {999: again}\n", "- x\n", "partial: [{name: a, rejected: [0]}]\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v Vendor
		var err error
		// As for every file of YAML: a node of 160 bytes of each two, in slices that double.
		fuzzing.Allocs(t, len(data), 256<<10, 1<<10, func() { v, err = parseVendor(data) })
		if err == nil {
			if v.name == "" {
				t.Errorf("%q is a vendor without a name", data)
			}
			return
		}
		if _, ok := errors.AsType[*strictyaml.Error](err); !ok {
			t.Errorf("%q is refused with %v, which names no place", data, err)
		}
	})
}
