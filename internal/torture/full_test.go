//go:build linux

package torture

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// disk is a file system of that kind for the state of the world.
func (w *world) disk(options string) (path string) {
	w.t.Helper()
	path = w.stage.disk(w.t, options)
	w.move(path)
	return path
}

// diskFull fills a real disk to the last block or the last file, and makes room again.
func diskFull(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.h.capped = true
	w.fromMemory = true
	options := []string{"size=256k", "size=1m", "size=1m,nr_inodes=100"}[w.random.IntN(3)]
	path := w.disk(options)
	w.t.Log(options)
	w.enabled()
	for i := range 3 {
		round := strconv.Itoa(i)
		w.atOnce(3, w.crowd("c"+round+"-", 4, anyWeather...)...)
		empty := w.fillMost(path)
		w.atOnce(3, w.crowd("d"+round+"-", 8, anyWeather...)...)
		w.run(w.flush("f" + round))
		if w.random.IntN(3) == 0 {
			w.answer("a"+round, []string{"disable", "enable"}[w.random.IntN(2)])
		}
		empty()
	}
}

// fillMost fills a disk but for up to three blocks, and with files where it has a number of those,
// and returns what makes room again.
func (w *world) fillMost(disk string) (empty func()) {
	w.t.Helper()
	folder := filepath.Join(disk, "filler")
	if err := os.Mkdir(folder, 0o700); err != nil {
		w.t.Fatal(err)
	}
	remove := fill(w.t, folder)
	if left := int64(w.random.IntN(4) * 4096); left > 0 {
		if info, err := os.Stat(filepath.Join(folder, "filler")); err == nil && info.Size() > left {
			err := os.Truncate(filepath.Join(folder, "filler"), info.Size()-left)
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for i := range 100 {
		f, err := os.OpenFile(filepath.Join(folder, strconv.Itoa(i)), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			break // no more files, or no room for their names
		}
		f.Close()
	}
	return func() {
		remove()
		if err := os.RemoveAll(folder); err != nil {
			w.t.Fatal(err)
		}
	}
}

// quotaReached lets the person's quota be reached while others may still write.
func quotaReached(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.h.capped, w.fromMemory = true, true
	var under []string
	if path, err := w.quotaDisk(); err == nil {
		under = []string{"setpriv", "--bounding-set=-sys_resource"}
		defer w.fillMost(path)()
	} else {
		w.t.Logf("%v; the answers of one are given to single processes instead", err)
		under = injected(w.t, "write,pwrite64,mkdirat", fmt.Sprintf("error=EDQUOT:when=%d+", 1+w.random.IntN(8)))
	}
	w.enabled()
	w.atOnce(3, w.crowd("c", 4, anyWeather...)...)
	plans := w.crowd("d", 6, anyWeather...)
	plans = append(plans, w.flush("f"))
	for i := range plans {
		plans[i].under, plans[i].faulty = under, true
		plans[i].kill = plans[i].kill * 8 // it begins later
		if slices.Contains(plans[i].args, "wait") {
			plans[i].args = w.work(plans[i].id, 3, "close").args
		}
	}
	w.atOnce(3, plans...)
	w.answerUnder(under, "a", []string{"disable", "enable"}[w.random.IntN(2)])
	w.atOnce(3, w.crowd("e", 4, anyWeather...)...)
}

// quotaDisk is a file system with a quota for its only user, whom the superuser's right to exceed
// it has to be taken from.
func (w *world) quotaDisk() (path string, err error) {
	path = w.t.TempDir()
	if err := syscall.Mount("none", path, "tmpfs", 0, "usrquota,usrquota_block_hardlimit=128k"); err != nil {
		return "", fmt.Errorf("no disk with a quota: %w", err)
	}
	w.t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	if err := exec.Command("setpriv", "--bounding-set=-sys_resource", "true").Run(); err != nil {
		return "", errors.Join(errors.New("no way to hold the superuser to a quota"), err)
	}
	w.move(path)
	return path, nil
}

// readOnly remounts the disk while commands and senders are at work, and back.
func readOnly(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.fromMemory = true
	w.h.capped, w.uncounted = true, true // where nothing can be written, nothing can be counted
	path := w.disk("size=4m")
	remount := func(flags uintptr) bool {
		err := syscall.Mount("none", path, "tmpfs", syscall.MS_REMOUNT|flags, "")
		if err != nil && !errors.Is(err, syscall.EBUSY) { // held open for writing
			w.t.Fatal(err)
		}
		return err == nil
	}
	w.enabled()
	for i := range 4 {
		round := strconv.Itoa(i)
		w.atOnce(3, w.crowd("c"+round+"-", 4, anyWeather...)...)
		if w.random.IntN(2) == 0 {
			w.killSenders()
		} else {
			w.awaitEnd()
		}
		if !remount(syscall.MS_RDONLY) {
			continue
		}
		plans := w.crowd("d"+round+"-", 4, anyWeather...)
		for i := range plans {
			plans[i].faulty = true
		}
		w.atOnce(3, plans...)
		flush := w.flush("f" + round)
		flush.faulty = true
		w.run(flush)
		if c := w.answer("a"+round, "disable"); c.sure {
			w.problem("said: a no is stored on a disk that cannot be written to")
		}
		w.awaitEnd()
		remount(0)
	}
}
