//go:build linux

package torture

import (
	"maps"
	"slices"
	"strconv"
)

// senderKilled kills senders before any of their calls, one after the other.
func senderKilled(w *world) {
	w.in.mood = []mood{isFine, moody, resets}[w.random.IntN(3)]
	w.enabled()
	w.atOnce(3, w.crowd("c", 8, anyWeather...)...)
	for i := range 8 {
		p := w.flush("v" + strconv.Itoa(i))
		p.under = killBefore(1 + w.random.IntN(250))
		w.run(p)
		w.run(w.work("w"+strconv.Itoa(i), 3, "close"))
	}
}

// commandKilled does so with commands that send by themselves.
func commandKilled(w *world) {
	w.in.mood = []mood{isFine, moody, resets}[w.random.IntN(3)]
	w.enabled()
	for i := range 8 {
		p := w.work("v"+strconv.Itoa(i), 4, ends[w.random.IntN(8)], anyWeather[w.random.IntN(len(anyWeather))]...)
		p.under = killBefore(1 + w.random.IntN(200))
		w.run(p)
	}
}

// sceneKilled and sceneStalled play one of the scenes that TORTURE=every-call plays whole.
func sceneKilled(w *world) {
	scenes := killScenes()
	names := slices.Sorted(maps.Keys(scenes))
	name := names[w.random.IntN(len(names))]
	n := 1 + w.random.IntN(200)
	w.t.Logf("%s, killed before call %d", name, n)
	s := scenes[name]
	s.killed(w.t, n)
}

func sceneStalled(w *world) {
	scenes := stallScenes()
	s := scenes[w.random.IntN(len(scenes))]
	n := 1 + w.random.IntN(150)
	w.t.Logf("%s, standing still before call %d", s.name, n)
	s.stalled(w.t, n, s.others)
}
