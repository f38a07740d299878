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
	// Pinned says that it names a receiver, in the place of the author's, or means to. Receiver
	// is that one, zero where it cannot be understood.
	Pinned   bool
	Receiver Receiver
	// Detail is what was found, in words.
	// Unknown says that a file could not be read or understood: it is not known whether it names a
	// receiver in the place of the author's.
	Unknown bool
	Detail  string
}

// Receiver is who a policy has events sent to.
type Receiver struct {
	// Backend names the driver, Endpoint is the value of its setting "endpoint".
	Backend, Endpoint string
}

// PolicyPaths returns where an administrator puts a policy, for one tool or for all. Ordinary
// users cannot write there. docs/reference/policy.md says what it may hold.
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
// them restricts the yes of the other. The first that names a receiver does so for all.
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
		all.Unknown = all.Unknown || p.Unknown
		if !all.Pinned {
			all.Pinned, all.Receiver = p.Pinned, p.Receiver
		}
		switch {
		case all.Verdict == No:
		case p.Verdict == No:
			all.Verdict, all.Local, all.Detail = No, false, p.Detail
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

// maxPolicy is longer than any policy that is allowed: two words and an address.
const maxPolicy = 4 << 10

// readPolicy reads one file. Whatever is there under the name and cannot be read or
// understood forbids, a link to nowhere included: an administrator who put it there meant
// to restrict something.
func readPolicy(path string) (p Policy, found bool) {
	unreadable := Policy{Verdict: No, Unknown: true, Detail: "cannot be read, which counts as no"}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		dir := filepath.Dir(path)
		if _, err := os.Lstat(dir); err == nil {
			if _, err = os.Stat(dir); err != nil {
				return unreadable, true // the folder is a link to nowhere
			}
		}
		return Policy{}, false // a parent that is a file has no policy in it either
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return unreadable, true // opening a pipe would wait for a writer
	}
	f, err := os.Open(path)
	if err != nil {
		return unreadable, true
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err != nil || len(data) > maxPolicy { // what lies behind may restrict
		unreadable.Pinned = pins(string(data))
		return unreadable, true
	}
	return parsePolicy(string(data)), true
}

// policyWord returns what the first line of a policy says.
func policyWord(word string) (p Policy, said bool) {
	switch word {
	case "off":
		return Policy{Verdict: No, Detail: "off"}, true
	case "on":
		return Policy{Verdict: Yes, Detail: "on"}, true
	case "local":
		return Policy{Local: true, Detail: "local: what is recorded stays on this machine"}, true
	}
	return Policy{}, false
}

// parsePolicy reads a policy: a word, a line that names a receiver, or the one above the
// other. Versions that know only the word take a file with the line for a no.
func parsePolicy(text string) Policy {
	first, rest, more := strings.Cut(strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")), "\n")
	p, said := policyWord(strings.ToLower(strings.TrimSpace(first)))
	if said && !more {
		return p
	}
	if !said && !more {
		rest = first
	}
	receiver, ok := parseReceiver(rest)
	if !ok || !said && more {
		return Policy{Verdict: No, Unknown: true, Pinned: pins(text), Detail: "neither off, on, local nor a receiver, which counts as no"}
	}
	p.Pinned, p.Receiver = true, receiver
	if said {
		p.Detail += ", and "
	}
	p.Detail += "it names a receiver in the place of the tool's own"
	return p
}

const receiverWord = "receiver"

// parseReceiver reads a line like "receiver http https://collector.corp.example/v1/events".
func parseReceiver(line string) (Receiver, bool) {
	words := strings.Fields(line)
	if len(words) != 3 || strings.Contains(line, "\n") || words[0] != receiverWord {
		return Receiver{}, false
	}
	r := Receiver{Backend: words[1], Endpoint: words[2]}
	ok := len(r.Backend) <= 64 // no driver's name is nearly as long, and it is shown on terminals
	for _, c := range r.Backend {
		ok = ok && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_')
	}
	for _, c := range r.Endpoint {
		ok = ok && ' ' < c && c < 0x7f
	}
	return r, ok
}

// pins reports whether a text that is not understood means to name a receiver.
func pins(text string) bool { return strings.Contains(strings.ToLower(text), receiverWord) }
