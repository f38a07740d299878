//go:build !linux && !darwin

package telemetrycmd

// These need a pseudo-terminal.
func (w *world) looks()     {}
func (w *world) looksHeld() {}
