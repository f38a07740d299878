//go:build linux

package torture

import (
	"fmt"
	"slices"
	"strconv"
)

// failing are the calls that the disk answers, and what it may answer.
var (
	failing = []string{"openat", "write", "pwrite64", "ftruncate", "fsync", "renameat", "unlinkat", "utimensat", "mkdirat", "newfstatat", "fstat", "getdents64", "linkat", "fchmod"}
	errnos  = []string{"EIO", "EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EMFILE"}
)

// oneFails is the command that runs another one in each of whose threads the nth call of a kind
// fails. looks says that this is a call by which answers and policies are found.
func (w *world) oneFails() (under []string, looks bool) {
	call, errno := failing[w.random.IntN(len(failing))], errnos[w.random.IntN(len(errnos))]
	looks = slices.Contains([]string{"openat", "newfstatat", "fstat", "getdents64"}, call)
	return injected(w.t, call, fmt.Sprintf("error=%s:when=%d", errno, 1+w.random.IntN(20))), looks
}

// callsFail lets single calls of commands, senders and answers fail.
func callsFail(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.h.capped, w.fromMemory = true, true // what could not be stored is counted, or sent
	w.enabled()
	for i := range 10 {
		under, looks := w.oneFails()
		id := "v" + strconv.Itoa(i) + "-"
		var p plan
		switch w.random.IntN(7) {
		case 0, 1:
			p = w.flush(id)
		case 2:
			answers := [][]string{{"enable"}, {"enable", "--local"}, {"disable"}, {"disable"}}
			p = w.switching(id, answers[w.random.IntN(len(answers))]...)
		default:
			p = w.work(id, 1+w.random.IntN(6), ends[w.random.IntN(8)], anyWeather[w.random.IntN(len(anyWeather))]...)
		}
		p.under, p.faulty, p.blinded = under, true, looks
		w.t.Log(p.args, p.env, under[len(under)-1])
		w.atOnce(1, p)
		w.run(w.work("w"+strconv.Itoa(i)+"-", 2, "close"))
		if w.random.IntN(4) == 0 {
			w.run(w.flush("f" + strconv.Itoa(i)))
		}
	}
}
