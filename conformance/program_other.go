//go:build !unix

package conformance

import "os/exec"

func ownGroup(*exec.Cmd) {}

func groupLives(*exec.Cmd) bool { return false }

func endGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
