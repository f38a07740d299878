//go:build !unix

package core_test

var systemEndings map[string]func()
