//go:build !unix && !notelemetry

package pgtest

import "os/exec"

// supported: servers are ended by signals, which are not everywhere.
const supported = false

func own(string) error     { return nil }
func asPostgres(*exec.Cmd) {}
