//go:build linux

package torture

// serverMisbehaves lets the receiver do what no sender can do anything about.
func serverMisbehaves(w *world) {
	moods := []mood{hangs, drips, resets, isLate, all413, all400, threeWays}
	w.in.mood = moods[w.random.IntN(len(moods))]
	w.t.Logf("the server %s", w.in.mood)
	w.h.capped = w.in.mood == all400 // what is refused for good is counted
	w.enabled()
	w.atOnce(6, w.crowd("c", 10, anyWeather...)...)
	flush := w.flush("f")
	flush.args = append(flush.args, "--timeout", "2s")
	flush.faulty = true // its time may be over in the middle of an attempt
	w.run(flush)
	w.atOnce(6, w.crowd("d", 6, nil, []string{inCI})...)
	if w.random.IntN(2) == 0 {
		w.killSenders()
	}
}
