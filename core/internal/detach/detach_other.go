//go:build !unix && !windows

package detach

import (
	"errors"
	"os"
)

func start(string, []string, string, []string, *os.File, *os.File) error {
	return errors.ErrUnsupported
}

// CloseInherited does nothing where there is nothing to inherit.
func CloseInherited() {}
