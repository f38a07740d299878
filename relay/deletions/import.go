//go:build !notelemetry

package deletions

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gotoolbase/telemetry/relay/store"
)

// Ledgers used to be a file of JSON lines in a directory. This reads them, once.

var (
	// ErrNotEmpty: the ledger in the database has something already, so none can be imported.
	ErrNotEmpty = errors.New("the ledger in the database is not empty: a ledger of files is imported before anything else")
	// ErrNoFile: there is no ledger in the directory.
	ErrNoFile = errors.New("there is no ledger.jsonl in the directory")
	// ErrNoLines: the ledger in the directory is empty.
	ErrNoLines = errors.New("the ledger.jsonl in the directory is empty: restore it from a backup; if nobody ever asked, there is nothing to take over")
)

const (
	ledgerName = "ledger.jsonl"
	// retryPrefix begins the name of a file by which a relay was told to try a deletion again.
	retryPrefix = "retry-"
	// maxLine is far above what was ever written, and bounds what naming another file costs.
	maxLine = 1 << 20
)

// Imported is what Import took over.
type Imported struct {
	Lines, Deletions int64
	// Head is the hash of the last line, which is that of the ledger in the database now.
	Head string
	// TornBytes followed the last whole line: a write that was cut off, which nobody was told of.
	TornBytes int64
}

func openFile(dir string) (*os.File, error) {
	file, err := os.Open(filepath.Join(dir, ledgerName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoFile
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return file, nil
}

// Import takes over a ledger that was a file, with its lines as they are: heads that were kept
// of it stay true. The relay that wrote it must have ended. It is all taken over, or nothing;
// the file stays as it is. Errors wrap ErrNoFile, ErrNoLines, ErrNotEmpty, store.ErrNewer,
// store.ErrUnavailable, or name the line that is damaged.
func (l *Ledger) Import(ctx context.Context, dir string) (Imported, error) {
	file, err := openFile(dir)
	if err != nil {
		return Imported{}, err
	}
	defer file.Close()
	var done Imported
	err = l.db.Write(ctx, func(tx *store.Tx) error {
		done = Imported{}
		b, err := l.open(ctx, tx)
		if err != nil {
			return err
		}
		if b.seq > 0 {
			return ErrNotEmpty
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		b.head = head{hash: firstPrev}
		if done.TornBytes, err = eachLine(file, func(line []byte) error {
			fresh, err := b.take(ctx, line)
			done.Deletions += fresh
			if err != nil {
				return fmt.Errorf("line %d of the ledger: %w", b.seq+1, err)
			}
			return nil
		}); err != nil {
			return err
		}
		if done.Lines, done.Head = b.seq, b.hash; b.seq == 0 {
			return ErrNoLines
		}
		return b.flush(ctx)
	})
	if err != nil {
		return Imported{}, err
	}
	return done, l.retryAll(dir)
}

// retryAll does what the relay was told to and did not come to.
func (l *Ledger) retryAll(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for what is to be tried again: %w", err)
	}
	for _, f := range files {
		id, is := strings.CutPrefix(f.Name(), retryPrefix)
		if !is {
			continue
		}
		if err := l.Retry(id); err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrNothingLeft) {
			return err
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// take takes over a line, and returns 1 if it begins a deletion.
func (b *batch) take(ctx context.Context, line []byte) (fresh int64, err error) {
	const damaged = "it is not as it was written: restore the file from a backup, or have the program that wrote it repair it"
	// The last field is a checksum of what is before it.
	const head, tail = `,"crc":"`, `"}`
	body := len(line) - len(head) - 8 - len(tail)
	if line == nil || body < 0 || string(line[body:]) != fmt.Sprintf("%s%08x%s", head, crc32.Checksum(line[:body], castagnoli), tail) {
		return 0, errors.New(damaged)
	}
	var e entry
	if err := json.Unmarshal(line, &e); err != nil || e.Seq != b.seq+1 || e.Prev != b.hash {
		return 0, errors.New(damaged)
	}
	number := int64(0)
	switch e.Event {
	case "created", "started", "stopped", "writable", "repaired":
	case received:
		r, err := begin(e)
		if err != nil {
			return 0, err
		}
		number, fresh = e.Seq, 1
		if err := b.insert(ctx, r); err != nil {
			return 0, err
		}
	case asking, answered, checked, failed, refused, lost, retried:
		r, err := one(ctx, b.Tx, `id = ?`, e.ID)
		if err != nil {
			return 0, err
		}
		if r == nil {
			return 0, errors.New("it is about a deletion that no line before it has")
		}
		number = r.number
		if err := b.apply(ctx, r, e); err != nil {
			return 0, err
		}
	default:
		return 0, store.ErrNewer
	}
	b.seq, b.hash, b.at, b.wall, b.clock = e.Seq, hashOf(line), e.At, e.wall(), e.Clock
	if b.lines = append(b.lines, e.Seq, number, string(line)); len(b.lines) >= 3000 {
		return fresh, b.flushLines(ctx)
	}
	return fresh, nil
}

// eachLine calls f with every whole line, without its newline, and with nil for one that is
// longer than maxLine. It returns how many bytes at the end belong to no whole line.
func eachLine(r io.Reader, f func(line []byte) error) (torn int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	length := int64(0)
	for {
		part, err := in.ReadSlice('\n')
		length += int64(len(part))
		if length <= maxLine {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return length, nil
		case err != nil:
			return length, err
		}
		whole := bytes.TrimSuffix(line, []byte{'\n'})
		if length > maxLine {
			whole = nil
		}
		if err := f(whole); err != nil {
			return 0, err
		}
		line, length = line[:0], 0
	}
}
