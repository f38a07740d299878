//go:build !notelemetry

package relaycmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/relay/store"
)

// maxSecret is far above a key's or a private key's size, and bounds what naming the wrong
// file costs.
const maxSecret = 64 << 10

// readSecret reads a file that nobody may read but its owner and the process's own group. The error holds the path only
// where there is such a file: else somebody may have written the key in its place.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", plaintext.Cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the file: %w", plaintext.Cause(err))
	case info.IsDir():
		return nil, errors.New("cannot read the file: it is a directory")
	case store.OpenToOthers(info):
		return nil, fmt.Errorf("others than its owner may get at it (mode %#o), which is no place for a key: chmod 600 %s, or give it the group of this process and chmod 440",
			info.Mode().Perm(), quote(path))
	}
	secret, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", plaintext.Cause(err))
	}
	if len(secret) > maxSecret {
		return nil, errors.New("the file is too large to be a key")
	}
	return secret, nil
}

// keyFromFile reads a key, without the newline that editors put behind it.
func keyFromFile(path string) (string, error) {
	secret, err := readSecret(path)
	if err != nil {
		return "", err
	}
	key := strings.TrimRight(string(secret), "\r\n")
	if key == "" {
		return "", errors.New("the file is empty")
	}
	return key, nil
}

func keyFromEnv(lookup func(string) (string, bool), name string) (string, error) {
	key, _ := lookup(name)
	if key == "" {
		return "", errors.New("the environment has no such variable, or an empty one; what belongs here is the variable's name and not the key")
	}
	return key, nil
}
