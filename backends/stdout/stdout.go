// Package stdout is the backend that prints events for a person to read: the canonical
// JSON of [driver.Event], indented, one object after the other. Tool authors name it
// "stdout" while they work on their tool. Nothing leaves the machine.
package stdout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Driver returns the driver "stdout". It prints to Config.Stdout, and nowhere if that
// is nil.
func Driver() driver.Driver {
	return driver.Driver{
		Name:  "stdout",
		Doc:   "prints events as indented JSON, for work on a tool",
		Local: true,
		Open: func(cfg driver.Config) (driver.Backend, error) {
			if cfg.Stdout == nil {
				return &backend{out: io.Discard}, nil
			}
			return &backend{out: cfg.Stdout}, nil
		},
	}
}

type backend struct {
	mu  sync.Mutex // held while writing: batches do not mix
	out io.Writer
}

// Send prints the batch in one Write. That lasts as long as the writer makes it last:
// a pipe that no process reads cannot be given up.
func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	var line, text []byte
	for i := range events {
		line = events[i].AppendJSON(line[:0])
		text = append(appendIndented(text, line), '\n')
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stdout backend: %w", err)
	}
	if _, err := b.out.Write(text); err != nil {
		// A redirected output is a file, whose name is nobody's business.
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err
		}
		return fmt.Errorf("stdout backend: cannot write: %w", err)
	}
	return nil
}

func (b *backend) Close() error { return nil }

// appendIndented appends compact JSON to dst with two spaces for each level. It is
// what json.Indent makes of it (a test holds the two together), without the 276 KiB
// that encoding/json adds to a binary. src must be valid.
func appendIndented(dst, src []byte) []byte {
	var (
		depth            int
		inString, opened bool // opened: the byte before was { or [
	)
	newline := func() {
		dst = append(dst, '\n')
		for range depth {
			dst = append(dst, ' ', ' ')
		}
	}
	for i := 0; i < len(src); i++ {
		c := src[i]
		if inString {
			dst = append(dst, c)
			switch c {
			case '\\':
				i++
				dst = append(dst, src[i])
			case '"':
				inString = false
			}
			continue
		}
		if c == '}' || c == ']' {
			depth--
			if !opened {
				newline()
			}
		} else if opened {
			newline()
		}
		opened = false
		dst = append(dst, c)
		switch c {
		case '{', '[':
			depth++
			opened = true
		case ',':
			newline()
		case ':':
			dst = append(dst, ' ')
		case '"':
			inString = true
		}
	}
	return dst
}
