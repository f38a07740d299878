// Package guard calls what somebody else wrote: telemetry never breaks the tool.
package guard

// Ask returns what ask returns, and otherwise where that panics, as many methods of errors
// do whose pointer is nil.
func Ask[T any](otherwise T, ask func() T) (answer T) {
	defer func() {
		if recover() != nil {
			answer = otherwise
		}
	}()
	return ask()
}
