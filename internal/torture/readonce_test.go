//go:build linux

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// What a disk, or a process that has too many files open, refuses once is not damaged, and no
// reason to give anything up.
func TestAFileThatCannotBeReadOnceCostsNothing(t *testing.T) {
	t.Parallel()
	tool := built(t)
	for _, name := range []string{"delivery", "consent", "identity", "decisions.head", "sent.log.head", "queue/0000.events2"} {
		for _, command := range []string{"telemetry flush", "telemetry enable", "work"} {
			t.Run(name+" by "+command, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, tool, newRandom(1))
				w.in.behave()
				w.enabled()
				w.run(w.work("sent-", 3, "close", inCI))
				w.run(w.work("waiting-", 3, "exit"))
				w.awaitEnd()
				path := filepath.Join(w.dir, filepath.FromSlash(name))
				if _, err := os.Stat(path); err != nil {
					t.Fatal(err)
				}
				for i := range 8 {
					call := []string{"openat", "read"}[i%2]
					under := append(injected(t, call, fmt.Sprintf("error=EIO:when=%d", 1+i/2)), "-P", path)
					id := "x" + strconv.Itoa(i) + "-"
					p := map[string]plan{"telemetry flush": w.flush(id), "telemetry enable": w.switching(id, "enable"), "work": w.work(id, 1, "exit")}[command]
					p.under, p.faulty = under, true
					w.atOnce(1, p)
					w.run(w.work("c"+strconv.Itoa(i)+"-", 1, "exit"))
				}
				w.h.capped, w.uncounted = command == "work", command == "work" // which is off where it cannot read the answer
				for _, sentence := range w.verdict() {
					t.Error(sentence)
				}
			})
		}
	}
}
