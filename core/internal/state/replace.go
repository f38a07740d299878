//go:build !windows

package state

import "os"

// Files are replaced and deleted whether others have them open or not.

func rename(from, to string) error { return os.Rename(from, to) }

func remove(path string) error { return os.Remove(path) }

func removeAll(path string) error { return os.RemoveAll(path) }

func inUse(error) bool { return false }
