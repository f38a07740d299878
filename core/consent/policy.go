package consent

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Policy is the administrator's word for every user of a machine.
type Policy struct {
	Verdict Verdict
	Local   bool
	// Detail is what was found, in words.
	Detail string
}

// PolicyPath returns where an administrator puts the policy of a tool: a file of one
// word, off, on or local. Ordinary users cannot write there.
func PolicyPath(tool string, lookup func(string) (string, bool)) string {
	const name = "telemetry-policy"
	switch runtime.GOOS {
	case "windows":
		dir, _ := lookup("ProgramData")
		if !filepath.IsAbs(dir) {
			dir = `C:\ProgramData`
		}
		return filepath.Join(dir, tool, name)
	case "darwin", "ios":
		return filepath.Join("/Library/Application Support", tool, name)
	}
	return filepath.Join("/etc", tool, name)
}

// ReadPolicy reads the policy file. A file that cannot be read or understood forbids:
// an administrator who put one there meant to restrict something.
func ReadPolicy(path string) Policy {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Policy{Detail: "none"}
	}
	unreadable := Policy{Verdict: No, Detail: "cannot be read, which counts as no"}
	if err != nil {
		return unreadable
	}
	defer f.Close()
	const enough = 64 // longer than any word that is allowed
	data, err := io.ReadAll(io.LimitReader(f, enough))
	if err != nil {
		return unreadable
	}
	switch strings.ToLower(strings.TrimSpace(string(data))) {
	case "off":
		return Policy{Verdict: No, Detail: "off"}
	case "on":
		return Policy{Verdict: Yes, Detail: "on"}
	case "local":
		return Policy{Local: true, Detail: "local: what is recorded stays on this machine"}
	}
	return Policy{Verdict: No, Detail: "neither off, on nor local, which counts as no"}
}
