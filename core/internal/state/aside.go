package state

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// damagedSuffix marks a file that could not be read and was set aside, a number may follow.
const damagedSuffix = ".damaged"

// maxAside is how many damaged files of one name are kept: the first ones hold what was
// lost, and a disk that goes on damaging files tells nothing new.
const maxAside = 9

// Unusable reports whether an error of reading a file says that the file is of no use to us: what is
// in it is damaged, or it cannot be ours, or we may not read it. Any other one, such as of a disk
// that does not answer or of too many open files, may be over the next time.
func Unusable(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsafe) || errors.Is(err, ErrForeign) || errors.Is(err, fs.ErrPermission)
}

// SetAside renames a damaged file, so that a person can look at it and a whole one can take
// its place. It returns the new name. Where there are too many already, it is removed and
// the name empty.
func (d Dir) SetAside(name string) (aside string, err error) {
	for i := range maxAside {
		aside = name + damagedSuffix
		if i > 0 {
			aside += "." + strconv.Itoa(i)
		}
		if _, err := os.Lstat(d.Join(aside)); errors.Is(err, fs.ErrNotExist) {
			return aside, d.Rename(name, aside)
		}
	}
	return "", d.Remove(name)
}

// WasSetAside reports whether a file of that name is kept that was set aside.
func (d Dir) WasSetAside(name string) bool {
	_, err := os.Lstat(d.Join(name + damagedSuffix)) // the first one: the others came after it
	return err == nil
}

// Damaged lists the names of the files that were set aside.
func (d Dir) Damaged() []string {
	entries, _ := os.ReadDir(d.path)
	var names []string
	for _, entry := range entries {
		if strings.Contains(entry.Name(), damagedSuffix) {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names
}

// Empty makes a file empty, or makes an empty one. Unlike WriteFile that needs no space on
// a full disk.
func (d Dir) Empty(name string) error {
	f, err := openEmpty(d.Join(name))
	if err != nil {
		return plaintext.Bare(err)
	}
	return f.Close()
}
