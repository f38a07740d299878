//go:build !notelemetry && !unix

package relaycmd

import (
	"os"
)

var reloads []os.Signal
