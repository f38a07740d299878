//go:build linux

package torture

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// bitsFlip damages any file that the tool writes, in any way, and uses every command on what is left.
func bitsFlip(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.h.capped, w.h.damaged, w.untold = true, true, true
	w.enabled()
	w.run(w.work("l-", 3, "exit", variableLocal))
	w.run(w.work("y-", 3, "exit", variableYes))
	w.run(w.flush("f"))
	if w.random.IntN(3) == 0 {
		w.answer("r", "reset")
		w.answer("r", "enable")
	}
	w.run(w.work("w-", 3, "exit"))
	w.run(w.work("c-", 3, "close", inCI))
	for i := range 6 {
		w.awaitEnd()
		name := w.damageOne()
		w.t.Logf("%d: %s", i, name)
		// Of lines of the queue, notes of deliveries and what counts losses nothing else knows.
		if strings.HasPrefix(name, "queue") || strings.HasPrefix(name, "delivery") || strings.HasPrefix(name, "losses") || strings.HasPrefix(name, "local") {
			w.uncounted = true
		}
		for range 3 {
			w.anyCommand(strconv.Itoa(i))
		}
	}
}

// damageOne damages a file of the state directory and returns its name.
func (w *world) damageOne() string {
	var files []string
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		w.t.Fatalf("nothing to damage: %v", err)
	}
	path := files[w.random.IntN(len(files))]
	content, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	at := 0
	if len(content) > 0 {
		at = w.random.IntN(len(content))
	}
	switch w.random.IntN(6) {
	case 0:
		content = content[:at]
	case 1:
		clear(content[at:])
	case 2:
		content = append(content, "damage"...)
	case 3:
		content = slices.Insert(content, at, content[:at]...)
	default:
		if len(content) > 0 {
			content[at] ^= 1 << w.random.IntN(8)
		}
	}
	w.overwrite(path, content)
	name, err := filepath.Rel(w.dir, path)
	if err != nil {
		w.t.Fatal(err)
	}
	return name
}

// anyCommand runs one of the tool's commands, which may say that something is wrong, and no more.
func (w *world) anyCommand(round string) {
	commands := [][]string{
		{"status"}, {"status", "--explain"}, {"status", "--output", "json"}, {"log"}, {"log", "--verify"}, {"inspect"}, {"inspect", "--next"},
		{"export"}, {"receipts"}, {"schema"}, {"reset", "--status"}, {"reset", "--resume"},
	}
	id := "x" + round + "-" + strconv.Itoa(len(w.h.events)) + "-"
	switch n := w.random.IntN(len(commands) + 6); {
	case n < len(commands):
		_, _ = w.telemetry(id, commands[n]...)
	case n == len(commands):
		w.answer(id, []string{"enable", "disable", "enable"}[w.random.IntN(3)])
	case n == len(commands)+1:
		w.run(w.flush(id))
	default:
		w.run(w.work(id, 2, "close", []string{inCI, "X=1", variableLocal}[w.random.IntN(3)]))
	}
}
