package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// scratchPrefix and tempSuffix are around the name of a scratch directory, so that RemoveTemp
// takes it for what it is.
const scratchPrefix, tempSuffix = ".preview-", ".tmp"

// Scratch makes a private directory inside this one, for a copy of it that is looked at and
// thrown away, and deletes those that were left behind. The times of this directory stay as
// they are, also when remove is called.
func (d Dir) Scratch() (scratch Dir, remove func(), err error) {
	before, err := os.Stat(d.path)
	if err != nil {
		return Dir{}, nil, plaintext.Bare(err)
	}
	d.RemoveTemp()
	path, err := os.MkdirTemp(d.path, scratchPrefix+"*"+tempSuffix) // it is 0700
	if err != nil {
		return Dir{}, nil, plaintext.Bare(err)
	}
	untouched := func() { _ = os.Chtimes(d.path, time.Time{}, before.ModTime()) }
	untouched()
	return At(path), func() {
		_ = os.RemoveAll(path)
		untouched()
	}, nil
}

// ScratchElsewhere is Scratch for a directory that takes nothing: in the user's cache.
func (d Dir) ScratchElsewhere(cache Dir) (scratch Dir, remove func(), err error) {
	if err := cache.Create(); err != nil {
		return Dir{}, nil, err
	}
	_ = d.removeElsewhere(cache, time.Minute)
	path, err := os.MkdirTemp(cache.path, d.elsewhere()+"*"+tempSuffix) // it is 0700
	if err != nil {
		return Dir{}, nil, plaintext.Bare(err)
	}
	return At(path), func() { _ = os.RemoveAll(path) }, nil
}

// elsewhere is what the names of this directory's scratch directories begin with elsewhere.
func (d Dir) elsewhere() string {
	sum := sha256.Sum256([]byte(d.path))
	return "telemetry" + scratchPrefix + hex.EncodeToString(sum[:8]) + "-"
}

// removeElsewhere deletes those of its scratch directories elsewhere that are so old.
func (d Dir) removeElsewhere(cache Dir, age time.Duration) (failed error) {
	if cache.Check() != nil {
		return nil // nothing was made there
	}
	entries, _ := os.ReadDir(cache.path)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), d.elsewhere()) {
			continue
		}
		if info, err := entry.Info(); err == nil && info.IsDir() && time.Since(info.ModTime()) >= age {
			failed = errors.Join(failed, cache.RemoveAll(entry.Name()))
		}
	}
	return failed
}

// Scratches lists the scratch directories that are there.
func (d Dir) Scratches() []string {
	entries, _ := os.ReadDir(d.path)
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, scratchPrefix) && strings.HasSuffix(name, tempSuffix) {
			names = append(names, name)
		}
	}
	return names
}

// RemoveScratch deletes every scratch directory, those in the user's cache too, also one that is in use.
func (d Dir) RemoveScratch(cache Dir) error {
	failed := d.removeElsewhere(cache, 0)
	for _, name := range d.Scratches() {
		failed = errors.Join(failed, d.RemoveAll(name))
	}
	return failed
}

// CopyTo copies the files that are wanted into another directory, with their times: some
// files say what they have to say by those. wanted is given the path of each file and folder
// relative to d. Links are left out, and so is what disappears meanwhile.
func (d Dir) CopyTo(to Dir, wanted func(path string, folder bool) bool) error {
	return fs.WalkDir(os.DirFS(d.path), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), path == ".":
			return nil
		case err != nil:
			return plaintext.Bare(err)
		case !wanted(path, entry.IsDir()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		from, into := d.Join(filepath.FromSlash(path)), to.Join(filepath.FromSlash(path))
		if entry.IsDir() {
			return plaintext.Bare(os.Mkdir(into, dirMode))
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		content, err := readAny(from)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = os.WriteFile(into, content, fileMode)
		}
		if err == nil { // trusted as far as the file is, and to be worked on also where that one may only be read
			err = os.Chmod(into, info.Mode().Perm()|fileMode)
		}
		if err == nil {
			err = os.Chtimes(into, info.ModTime(), info.ModTime())
		}
		return plaintext.Bare(err)
	})
}

// readAny reads a plain file also if others may write to it.
func readAny(path string) ([]byte, error) {
	f, err := OpenAny(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
