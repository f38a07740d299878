//go:build !unix && !windows

package identity

func userName() string { return "" }

func fullName() string { return "" }
