//go:build linux

package torture

import (
	"fmt"
	"os"
	"path/filepath"
)

// straysLieAround puts 100 000 files that are nobody's where the tool keeps its own.
func straysLieAround(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.enabled()
	w.atOnce(3, w.crowd("c", 4, anyWeather...)...)
	forms := []string{
		"%d", "stray-%d", "%04d.events2.bak", "queue/%d", "queue/%04d.events3", "queue/stray-%d.running.old", "receipts/%d", "receipts/%032x.tmp",
		".%d.tmp", "deletion-%d", "sent-%d", ".probe.%d.tmp.old", "local/%d",
	}
	for i := range 100_000 {
		path := filepath.Join(w.dir, fmt.Sprintf(forms[w.random.IntN(len(forms))], i))
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if os.IsNotExist(err) {
			continue // a folder that the tool has not needed yet
		}
		if err != nil {
			w.t.Fatal(err)
		}
		f.Close()
	}
	w.atOnce(3, w.crowd("d", 8, anyWeather...)...)
	w.answer("again", []string{"disable", "enable"}[w.random.IntN(2)])
	w.answer("on", "enable")
	w.atOnce(3, w.crowd("e", 8, anyWeather...)...)
}
