//go:build linux

package torture

// anyWeather is what the variables of commands say.
var anyWeather = [][]string{nil, nil, nil, {inCI}, {inCI}, {variableYes}, {variableLocal}, {doNotTrack}}

// everyEnd lets commands end in all ways, beside each other and beside senders that are killed.
func everyEnd(w *world) {
	w.enabled()
	plans := w.crowd("c", 24, anyWeather...)
	for i, p := range plans {
		if w.random.IntN(5) == 0 {
			plans[i] = w.flush(p.id)
		}
	}
	w.atOnce(4, plans...)
	if w.random.IntN(2) == 0 {
		w.killSenders()
	}
	w.atOnce(4, w.crowd("d", 8, anyWeather...)...)
}
