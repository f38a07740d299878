//go:build !unix

package spool

import "os"

func write(f *os.File, b []byte) (int, error) { return f.Write(b) }
