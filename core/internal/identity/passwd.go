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

// fullName is the first part of the account's comment field, which is the person's name by
// convention.
func fullName() string {
	name, _, _ := strings.Cut(passwdField(os.DirFS("/"), os.Getuid(), 4), ",")
	return name
}

// passwdName returns the name of the first account of passwd(5) that has this number.
func passwdName(fsys fs.FS, uid int) string { return passwdField(fsys, uid, 0) }

// passwdField returns a field of that account: 0 is its name, 4 the comment.
func passwdField(fsys fs.FS, uid, field int) string {
	want := strconv.Itoa(uid)
	for line := range strings.SplitSeq(readHead(fsys, "etc/passwd"), "\n") {
		if fields := strings.Split(line, ":"); len(fields) > 3 && fields[2] == want && field < len(fields) {
			return fields[field]
		}
	}
	return ""
}
