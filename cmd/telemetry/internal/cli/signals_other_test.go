//go:build !unix

package cli

import "os"

var forwardedInTest = []os.Signal{os.Interrupt}
