//go:build !windows && !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package tty

import (
	"context"
	"os"
	"time"
)

// answersAsTerminal does not know: nothing is recorded on most of these systems, and nobody
// is asked.
func answersAsTerminal(uintptr) bool { return false }

func columnsOf(uintptr) int { return 0 }

func endsLine(c byte) bool { return c == '\n' }

func waitReadable(ctx context.Context, _ *os.File, _ bool, _ *time.Duration) error { return ctx.Err() }

// TypedAhead does not know either.
func TypedAhead(*os.File) bool { return false }

// InForeground does not know either.
func InForeground(*os.File) bool { return true }
