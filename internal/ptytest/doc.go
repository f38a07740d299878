//go:build !linux && !darwin

// Package ptytest runs programs on a pseudo-terminal, where tests do that.
package ptytest
