//go:build !windows && !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package detect

// answersAsTerminal does not know: nothing is recorded on most of these systems.
func answersAsTerminal(uintptr) bool { return false }
