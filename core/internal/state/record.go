package state

import (
	"maps"
	"slices"
	"strings"
)

// Record is the content of a small file: lines of key=value, the first being the
// format, the last a dot. People can read it; a cut or a stray byte shows. (JSON would
// cost every tool 276 KiB of encoding/json, nearly all that the core may add.)
type Record map[string]string

const (
	recordHead = "format=1"
	recordTail = "."
)

// Encode returns the file content. Keys and values hold no newline, keys no '='.
func (r Record) Encode() []byte {
	var b strings.Builder
	b.WriteString(recordHead + "\n")
	for _, key := range slices.Sorted(maps.Keys(r)) {
		b.WriteString(key + "=" + r[key] + "\n")
	}
	b.WriteString(recordTail + "\n")
	return []byte(b.String())
}

// ParseRecord reads what Encode wrote and returns ErrCorrupt for anything else.
func ParseRecord(data []byte) (Record, error) {
	lines := strings.Split(string(data), "\n")
	if n := len(lines); n < 3 || lines[0] != recordHead || lines[n-2] != recordTail || lines[n-1] != "" {
		return nil, ErrCorrupt
	}
	r := Record{}
	for _, line := range lines[1 : len(lines)-2] {
		key, value, found := strings.Cut(line, "=")
		if _, twice := r[key]; !found || key == "" || twice || strings.ContainsAny(line, "\x00\r") {
			return nil, ErrCorrupt
		}
		r[key] = value
	}
	return r, nil
}

// ReadRecord reads the record in a file; see ReadFile and ParseRecord for the errors.
func (d Dir) ReadRecord(name string) (Record, error) {
	data, err := d.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return ParseRecord(data)
}

// WriteRecord replaces the record in a file.
func (d Dir) WriteRecord(name string, r Record) error { return d.WriteFile(name, r.Encode()) }
