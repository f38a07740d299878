package core

// Plan 9 has notes in place of signals, and no numbers for them.
func endedBySignal(error) int     { return 0 }
func cancelledBySignal(error) int { return 0 }
