package erasures

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// Damage is what AcceptDamage did.
type Damage struct {
	// Kept and SetAside count lines. Those that are set aside are damaged, half written, or
	// about an erasure whose first line is.
	Kept, SetAside int
	// Original is the file that has the ledger as it was, empty if it was not damaged.
	Original string
}

// AcceptDamage makes a ledger that OpenLedger calls damaged usable again: it sets aside the
// lines that are damaged and numbers and chains the others anew, with a last line that says
// so. The ledger as it was stays beside it. Nobody is erased by mistake: a line that is not
// as it was written is not believed. What may happen is that a tool, not finding its
// receipt, asks again, and that a vendor is asked twice. A ledger that is not damaged is
// left as it is.
func AcceptDamage(dir string) (Damage, error) {
	l, err := takeLedger(dir)
	if err != nil {
		return Damage{}, err
	}
	defer l.Close()
	path := filepath.Join(dir, ledgerName)
	_, err = read(dir, newBook().apply)
	if _, damaged := errors.AsType[*DamageError](err); !damaged {
		return Damage{}, err
	}
	original, hash, err := keep(path)
	if err != nil {
		return Damage{}, fmt.Errorf("keeping the ledger as it is: %w", err)
	}
	d := Damage{Original: original}
	if err := d.rewrite(path, hash); err != nil {
		return Damage{}, fmt.Errorf("writing the ledger anew: %w", err)
	}
	return d, nil
}

// keep copies a ledger to a name that is free, and returns it with the file's hash.
func keep(path string) (name, hash string, err error) {
	from, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer from.Close()
	var to *os.File
	for n := 1; ; n++ {
		name = path + ".damaged-" + strconv.Itoa(n)
		if to, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode); err == nil {
			break
		}
		if !errors.Is(err, os.ErrExist) {
			return "", "", err
		}
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, sum), from)
	if err == nil {
		err = to.Sync()
	}
	return name, hex.EncodeToString(sum.Sum(nil)), errors.Join(err, to.Close())
}

// rewrite replaces the ledger by its good lines.
func (d *Damage) rewrite(path, hash string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	good, torn, err := goodLines(from)
	if err := errors.Join(err, from.Close()); err != nil {
		return err
	}
	if torn > 0 {
		d.SetAside++
	}
	var out bytes.Buffer
	b, at := newBook(), end{head: firstPrev, at: epoch, wall: epoch}
	put := func(e entry) error {
		e.Seq, e.Prev = at.seq+1, at.head
		line, err := encode(e)
		if err != nil {
			return err
		}
		out.Write(append(line, '\n'))
		at = end{0, e.Seq, hashOf(line), e.At, e.wall(), e.Clock.duration(), 0}
		return nil
	}
	for _, line := range good {
		if line == nil {
			d.SetAside++
			continue
		}
		if at.seq == 0 && line.Event != created {
			if err := put(entry{At: line.At, Clock: line.Clock, Event: created, Format: format}); err != nil {
				return err
			}
		}
		switch err := b.apply(*line); {
		case errors.Is(err, ErrNewer):
			return err
		case err != nil:
			d.SetAside++
			continue
		}
		d.Kept++
		if err := put(*line); err != nil {
			return err
		}
	}
	if at.seq == 0 {
		if err := put(entry{At: epoch, Event: created, Format: format}); err != nil {
			return err
		}
	}
	last := entry{At: at.at, Clock: inMillis(at.clock), Event: repaired, SetAside: d.SetAside, Original: hash}
	if at.wall.Before(at.at) {
		last.Wall = at.wall
	}
	if err := put(last); err != nil {
		return err
	}
	temp := path + ".new"
	if err := writeDurably(temp, out.Bytes()); err != nil {
		os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// goodLines returns a ledger's lines, with nil for those that are not to be believed: one
// whose checksum is wrong, and one that the next line says was another when it was written.
func goodLines(r io.Reader) (lines []*entry, torn int64, err error) {
	var hash string // of the last of them
	torn, err = eachLine(r, func(line []byte) error {
		e, err := decode(line)
		if err != nil {
			lines, hash = append(lines, nil), ""
			return nil
		}
		if n := len(lines); n > 0 && lines[n-1] != nil && lines[n-1].Seq+1 == e.Seq && e.Prev != hash {
			lines[n-1] = nil
		}
		lines, hash = append(lines, &e), hashOf(line)
		return nil
	})
	return lines, torn, err
}

func writeDurably(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
