//go:build !linux && !windows

package detach

import "os"

// Outlives reports whether a process that we start lives on when we end. Only the first
// process of a jail or a container takes the others with it.
func Outlives(func(string) (string, bool)) bool { return os.Getpid() != 1 }
