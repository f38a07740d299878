package state

import (
	"os"
	"time"
)

// Stamp tells cheaply whether a file changed: as long as two stamps are the same, no process
// replaced or rewrote the file in between. The zero Stamp means that there is no file.
//
// A file that changed less than fresh ago gets a stamp that is the same as no other, because
// a second change within one tick of the file system's clock could not be seen in it.
type Stamp struct {
	modified int64 // in nanoseconds
	size     int64
	file     uint64 // its number in the file system, 0 where there is none
	fresh    bool
}

// Same reports whether two stamps are of the same file, which did not change in between.
func (s Stamp) Same(other Stamp) bool { return s == other && !s.fresh }

// fresh is above the ticks of the clocks that stamp files: 1–10 ms on Linux, up to 16 ms on
// Windows. FAT and some network file systems count in seconds; a change there that keeps
// the size may be seen late.
const fresh = 20 * time.Millisecond

// Stamp returns the stamp of a file. It costs one system call.
func (d Dir) Stamp(name string) Stamp {
	info, err := os.Lstat(d.Join(name))
	if err != nil {
		return Stamp{}
	}
	s := Stamp{modified: info.ModTime().UnixNano(), size: info.Size(), file: fileNumber(info)}
	// A time to come is that of a clock which was turned back, or of another machine's.
	s.fresh = time.Now().UnixNano()-s.modified < int64(fresh)
	return s
}
