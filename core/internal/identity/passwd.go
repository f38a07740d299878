//go:build unix && !darwin

package identity

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// userName looks the account up in /etc/passwd itself. Package os/user would ask the
// C library where cgo is on, which may ask a directory server: another name than a
// build without cgo finds, and a wait.
func userName() string { return passwdName(os.DirFS("/"), os.Getuid()) }

// passwdName returns the first account of passwd(5) that has this number.
func passwdName(fsys fs.FS, uid int) string {
	want := strconv.Itoa(uid)
	for line := range strings.SplitSeq(readHead(fsys, "etc/passwd"), "\n") {
		name, rest, _ := strings.Cut(line, ":")
		_, rest, _ = strings.Cut(rest, ":")
		number, _, ok := strings.Cut(rest, ":")
		if ok && number == want {
			return name
		}
	}
	return ""
}
