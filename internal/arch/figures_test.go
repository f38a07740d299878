package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// limits are the figures of pages that are limits of the code: each with the place where it stands
// there, so that one does not change without the other.
var limits = []struct{ page, figure, file, code string }{
	{"docs/explanation/delivery.md", "20 ms", "core/internal/state/watch.go", "const LockPatience = 20 * time.Millisecond"},
	{"docs/explanation/delivery.md", "1 MiB", "core/internal/spool/running.go", "runningShare = 16"}, // times minSlot
	{"docs/explanation/delivery.md", "1 MiB", "core/internal/spool/spool.go", "minSlot, minSlots = 64 << 10, 4"},
	{"docs/explanation/delivery.md", "8 KiB", "core/internal/spool/running.go", "maxRunning = 8 << 10"},
	{"docs/explanation/gateway.md", "1 MiB", "relay/events/decode.go", "maxBody = 1 << 20"},
	{"docs/explanation/gateway.md", "8 MiB", "core/installation.go", "defaultQueueBytes = 8 << 20"},
	{"docs/explanation/gateway.md", "64 KiB", "relay/events/decode.go", "maxEventBytes = 64<<10 - 1"},
	{"docs/explanation/gateway.md", "64 MiB", "relay/events/gateway.go", "{&cfg.Limits.Memory, 64 << 20}"},
	{"docs/explanation/gateway.md", "256 MiB", "relay/events/gateway.go", "{&cfg.Limits.WaitingBytes, 256 << 20}"},
	{"docs/explanation/gateway.md", "10 ms", "relay/events/destination.go", "linger = 10 * time.Millisecond"},
	{"docs/explanation/report.md", "2.2 %", "relay/report/sketch.go", "sketchSize = 2048"}, // 1/√2048
	{"docs/reference/files.md", "256 KiB", "core/consent/history.go", "historyCap = 256 << 10"},
	{"docs/reference/files.md", "1 MiB", "core/ledger.go", "sentCap = 1 << 20"},
	{"docs/reference/protocol.md", "1 KiB", "core/driver/driverhttp/driverhttp.go", "minGzip = 1 << 10"},
	{"docs/reference/tool-file.md", "8 MiB", "core/installation.go", "defaultQueueBytes = 8 << 20"},
}

// figure is a number with a unit of time, of size or of speed, or a comparison.
var figure = regexp.MustCompile(`(^|[^\w.,-])(\d[\d ]*(?:\.\d+)? ?(?:ns|µs|ms|KiB|MiB|GiB|kB|KB|MB|GB|events/s|requests/s|×|%))(?:\W|$)`)

// What is measured is measured by a command, which writes a page of docs/measurements. So a figure
// that stands elsewhere is a limit of the code or quotes such a page, and is not typed from memory.
// Blocks are not looked at: what they say is compiled, or printed by the commands before them.
func TestEachFigureIsALimitOfTheCodeOrStandsInAPageThatACommandWrote(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	stated := map[string]bool{}
	for _, l := range limits {
		stated[l.page+" "+l.figure] = true
		// Constants of a block are aligned.
		if !strings.Contains(strings.Join(strings.Fields(read(l.file)), " "), l.code) {
			t.Errorf("%s has no %q any more: %s says %s", l.file, l.code, l.page, l.figure)
		}
		if !strings.Contains(read(l.page), l.figure) {
			t.Errorf("%s says %s no more", l.page, l.figure)
		}
	}
	measured, pages := map[string]bool{}, []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		name, err := filepath.Rel(root, path)
		if name = filepath.ToSlash(name); strings.HasPrefix(name, "docs/measurements/") && filepath.Base(name) != "README.md" {
			for _, m := range figure.FindAllStringSubmatch(read(name), -1) {
				measured[m[2]] = true
			}
			return err
		}
		pages = append(pages, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	for _, page := range pages {
		prose := blocks.ReplaceAllString(read(page), "")
		for _, m := range figure.FindAllStringSubmatch(prose, -1) {
			if found := m[2]; !stated[page+" "+found] && !measured[found] {
				t.Errorf("%s says %s: neither a limit that is listed here nor a figure of a page in docs/measurements", page, found)
			}
		}
	}
}
