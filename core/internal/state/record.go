package state

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Record is the content of a small file: lines of key=value, the first being the
// format, the last a dot. People can read it; a cut or a flipped bit shows. (JSON would
// cost every tool 276 KiB of encoding/json, nearly all that the core may add.)
type Record map[string]string

const (
	recordHead = "format=1"
	recordTail = "."
	// sumField holds the checksum of all other lines, and sumMark says that there is one: so
	// no single damaged place makes a file look like one of a version without checksums,
	// which are still read. Such versions read ours, too: to them these are keys like others.
	sumField = "checksum"
	sumMark  = "checksummed"
)

// Encode returns the file content. Keys and values hold no newline, keys no '='.
func (r Record) Encode() []byte {
	lines := r.lines()
	lines = append(lines, sumMark+"=yes", sumField+"="+checksum(lines))
	return []byte(recordHead + "\n" + strings.Join(lines, "\n") + "\n" + recordTail + "\n")
}

func (r Record) lines() []string {
	lines := make([]string, 0, len(r)+2)
	for _, key := range slices.Sorted(maps.Keys(r)) {
		lines = append(lines, key+"="+r[key])
	}
	return lines
}

// checksum is FNV-1a with 64 bits: every step is reversible, so no single byte that changed
// goes unnoticed. (The tables of a CRC are made when a program starts, also where telemetry
// is off.)
func checksum(lines []string) string {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for _, line := range lines {
		for i := range len(line) {
			sum = (sum ^ uint64(line[i])) * prime
		}
		sum = (sum ^ '\n') * prime
	}
	return strconv.FormatUint(sum, 16)
}

// ParseRecord reads what Encode wrote, or a version without checksums, and returns
// ErrCorrupt for anything else.
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
	sum, summed := r[sumField]
	mark, marked := r[sumMark]
	delete(r, sumField)
	delete(r, sumMark)
	if (summed || marked) && (mark != "yes" || sum != checksum(r.lines())) {
		return nil, ErrCorrupt
	}
	clean := make(Record, len(r)) // it is shown, and another program may have written it
	for key, value := range r {
		clean[plaintext.Clean(key)] = plaintext.Clean(value)
	}
	return clean, nil
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
