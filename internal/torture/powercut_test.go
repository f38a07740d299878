//go:build linux

package torture

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// powerCut takes the power away at any call of a command, a sender or an answer: what is on the
// disk then is all that a later tool finds. The kernel may not have written all of what was not
// synced: then ends are missing, or are zeros.
func powerCut(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.enabled()
	w.atOnce(3, w.crowd("c", 5, anyWeather...)...)
	synced := w.random.IntN(2) == 0
	if !synced {
		w.h.capped, w.h.damaged, w.uncounted, w.untold = true, true, true, true
	}
	for i := range 4 {
		w.awaitEnd()
		round := strconv.Itoa(i)
		var victim plan
		switch w.random.IntN(3) {
		case 0:
			victim = w.flush("v" + round)
		default:
			victim = w.work("v"+round+"-", 4, ends[w.random.IntN(8)], inCI)
		}
		victim.under = stallBefore(1 + w.random.IntN(160))
		victim.cut = true
		from, to := filepath.Dir(filepath.Dir(w.dir)), filepath.Join(w.root, "state"+round)
		victim.meanwhile = func() {
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				w.problem("%v", err)
			}
			w.keepTimes(from, to)
		}
		w.run(victim)
		w.awaitEnd()
		if _, err := os.Stat(to); err == nil {
			w.move(to)
			if !synced {
				w.loseWhatIsNotSynced()
			}
		}
		w.atOnce(3, w.crowd("d"+round+"-", 3, anyWeather...)...)
	}
}

// keepTimes makes the copy of a folder as old as that is, and as private: times are what some
// files hold.
func (w *world) keepTimes(from, to string) {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		copied := filepath.Join(to, strings.TrimPrefix(path, from))
		if err := os.Chmod(copied, info.Mode().Perm()); err != nil {
			return err
		}
		return os.Chtimes(copied, info.ModTime(), info.ModTime())
	})
	if err != nil {
		w.problem("%v", err)
	}
}

// loseWhatIsNotSynced cuts files of which docs/explanation/design.md does not say that they are synced, or
// makes their ends zeros, as file systems do that write a length before the content.
func (w *world) loseWhatIsNotSynced() {
	for _, pattern := range []string{"queue/*", "sent.log", "local/*"} {
		paths, err := filepath.Glob(filepath.Join(w.dir, pattern))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil || len(content) == 0 || w.random.IntN(2) == 0 {
				continue
			}
			at := w.random.IntN(len(content))
			if w.random.IntN(2) == 0 {
				content = content[:at]
			} else {
				clear(content[at:])
			}
			w.overwrite(path, content)
		}
	}
}

// overwrite changes a file behind the tool's back, but not its time.
func (w *world) overwrite(path string, content []byte) {
	w.t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err == nil {
		err = os.Chtimes(path, info.ModTime(), info.ModTime())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
