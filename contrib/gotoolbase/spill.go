package gotoolbase

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// spillPattern is what go-tool-base's collector sends again at a Flush and removes at a Drop.
	spillPattern = "telemetry-spill-*.json"
	// unfinishedPattern must not match it: a file that is read while it is written is taken for
	// a broken one there, and removed.
	unfinishedPattern = ".telemetry-spill-*.unfinished"
	// maxFiles is how many batches wait: a command leaves one behind, so a person who is
	// offline for fifty commands loses nothing, and the first command after that makes no more
	// than fifty requests. The oldest go first, as in go-tool-base.
	maxFiles = 50
	// abandoned is after how long an unfinished file is left over from a process that was
	// killed: a write takes less by far.
	abandoned = time.Hour
	// nameBytes of a hash tell the contents of fifty files apart, and keep names short.
	nameBytes = 8
	// logName is that of go-tool-base's log of events that stay on this machine.
	logName = "telemetry.log"
)

// spilled is a batch on disk. The zero value is one that is not.
type spilled struct {
	path string
	// before says that it was there already, so that go-tool-base has read it and keeps it
	// unless Send returns nil.
	before bool
}

// store puts the batch into a spill file. The name follows from the content: the same batch is
// the same file at each attempt.
func store[E any](dir string, events []E) (spilled, error) {
	body, err := json.Marshal(events)
	if err != nil {
		return spilled{}, fmt.Errorf("encoding events: %w", err)
	}
	sum := sha256.Sum256(body)
	// The time is in front so that files sort by age, as go-tool-base's own do.
	if existing := waiting(dir, fmt.Sprintf("telemetry-spill-*-%x.json", sum[:nameBytes])); len(existing) > 0 {
		return spilled{existing[0], true}, nil
	}
	makeRoom(dir)
	path := filepath.Join(dir, fmt.Sprintf("telemetry-spill-%d-%x.json", time.Now().UnixNano(), sum[:nameBytes]))
	if err := write(dir, path, body); err != nil {
		return spilled{}, fmt.Errorf("keeping events: %w", withoutPath(err))
	}
	return spilled{path, false}, nil
}

// keep is what Send returns of events that wait in s because of err.
func (s spilled) keep(err error) error {
	if s.before {
		return err
	}
	return nil
}

func (s spilled) remove() {
	if s.path != "" {
		// One that cannot be removed is sent again, with the same IDs.
		_ = os.Remove(s.path)
	}
}

// write makes path appear with all of body or not at all.
func write(dir, path string, body []byte) error {
	f, err := os.CreateTemp(dir, unfinishedPattern) // 0600, as go-tool-base's
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// makeRoom removes the oldest files beyond maxFiles, the coming one counted, and what processes
// that were killed left unfinished. What cannot be removed is tried again at the next batch.
func makeRoom(dir string) {
	files := waiting(dir, spillPattern)
	for _, file := range files[:max(len(files)-maxFiles+1, 0)] {
		_ = os.Remove(file)
	}
	for _, file := range waiting(dir, unfinishedPattern) {
		if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(file)
		}
	}
}

// erase removes everything that waits.
func erase(dir string) error {
	var problems []error
	for _, file := range append(waiting(dir, spillPattern), waiting(dir, unfinishedPattern)...) {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("erasing what waits: %w", withoutPath(err)))
		}
	}
	return errors.Join(problems...)
}

// waiting returns the files in dir whose names match pattern, the oldest first. A folder's own
// name may hold what means something in a pattern, so only the names in it are matched.
func waiting(dir, pattern string) []string {
	entries, _ := os.ReadDir(dir) // sorted; where nothing can be read, nothing is known to wait
	var files []string
	for _, entry := range entries {
		if match, _ := filepath.Match(pattern, entry.Name()); match {
			files = append(files, filepath.Join(dir, entry.Name()))
		}
	}
	return files
}

// appendLog does what go-tool-base's file backend does.
func appendLog[E any](dir string, events []E) error {
	var lines []byte
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encoding an event: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	f, err := os.OpenFile(filepath.Join(dir, logName), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(lines)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("logging events: %w", withoutPath(err))
	}
	return nil
}

// withoutPath leaves a person's folders out of an error that may be logged.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		return link.Err
	}
	return err
}
