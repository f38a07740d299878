//go:build linux

package torture

// fiftyAtOnce is a script that starts the tool for each of its files.
func fiftyAtOnce(w *world) {
	w.enabled()
	w.atOnce(50, w.crowd("c", 50, nil, nil, []string{inCI})...)
	w.atOnce(50, w.crowd("d", 50, nil, nil, []string{inCI})...)
}
