//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package identity

func machineID() string { return "" }

func osVersion() string { return "" }
