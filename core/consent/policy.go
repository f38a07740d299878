package consent

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Policy is the administrator's word for every user of a machine.
type Policy struct {
	Verdict Verdict
	Local   bool
	// Detail is what was found, in words.
	Detail string
}

// PolicyPaths returns where an administrator puts a policy: a file of one word, off, on or
// local, for one tool or for all. Ordinary users cannot write there.
func PolicyPaths(tool string, lookup func(string) (string, bool)) []string {
	const name = "telemetry-policy"
	dir := "/etc"
	switch runtime.GOOS {
	case "windows":
		dir, _ = lookup("ProgramData")
		if !filepath.IsAbs(dir) {
			dir = `C:\ProgramData`
		}
	case "darwin", "ios":
		dir = "/Library/Application Support"
	}
	return []string{filepath.Join(dir, tool, name), filepath.Join(dir, name)}
}

// ReadPolicies reads the policy files. Any no decides, then any yes does; local of one of
// them restricts the yes of the other.
func ReadPolicies(paths ...string) Policy {
	all := Policy{Detail: "none"}
	for i, path := range paths {
		p, found := readPolicy(path)
		if !found {
			continue
		}
		if i > 0 {
			p.Detail += " (the one for all tools)"
		}
		switch {
		case all.Verdict == No:
		case p.Verdict == No:
			all = p
		default:
			if p.Verdict == Yes {
				all.Verdict = Yes
			}
			all.Local = all.Local || p.Local
			if all.Detail == "none" {
				all.Detail = p.Detail
			} else {
				all.Detail += "; " + p.Detail
			}
		}
	}
	return all
}

// readPolicy reads one file. Whatever is there under the name and cannot be read or
// understood forbids, a link to nowhere included: an administrator who put it there meant
// to restrict something.
func readPolicy(path string) (p Policy, found bool) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return Policy{}, false // a parent that is a file has no policy in it either
	}
	unreadable := Policy{Verdict: No, Detail: "cannot be read, which counts as no"}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return unreadable, true // opening a pipe would wait for a writer
	}
	f, err := os.Open(path)
	if err != nil {
		return unreadable, true
	}
	defer f.Close()
	const enough = 64 // longer than any word that is allowed
	data, err := io.ReadAll(io.LimitReader(f, enough+1))
	if err != nil || len(data) > enough { // what lies behind may restrict
		return unreadable, true
	}
	switch strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff"))) {
	case "off":
		return Policy{Verdict: No, Detail: "off"}, true
	case "on":
		return Policy{Verdict: Yes, Detail: "on"}, true
	case "local":
		return Policy{Local: true, Detail: "local: what is recorded stays on this machine"}, true
	}
	return Policy{Verdict: No, Detail: "neither off, on nor local, which counts as no"}, true
}
