//go:build !plan9

package core

import (
	"context"
	"errors"
	"strings"
	"syscall"
)

// endedBySignal returns the number of the signal that ended another program, 0 where err is
// of none. What os/exec returns is asked for by its methods: core does not link that package.
func endedBySignal(err error) int {
	var exited interface{ Sys() any }
	if !errors.As(err, &exited) {
		return 0
	}
	status, ok := exited.Sys().(interface {
		Signaled() bool
		Signal() syscall.Signal
	})
	if !ok || !status.Signaled() {
		return 0
	}
	return int(status.Signal())
}

// cancelledBySignal returns the number of the signal that ended the context which err tells
// of, 0 where it does not say. signal.NotifyContext gives it as the cause, in words only.
func cancelledBySignal(err error) int {
	if !errors.Is(err, context.Canceled) {
		return 0
	}
	for _, n := range endingSignals {
		if strings.HasSuffix(err.Error(), syscall.Signal(n).String()+" signal received") {
			return n
		}
	}
	return 0
}
