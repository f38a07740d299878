package schemafile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
)

// Lock is the name of the lock file.
const Lock = "telemetry.lock"

// locked returns what of a schema a lock file holds: not the words for people, and not what
// a new version of this module may add to the lists that are its own, of which only the
// fields are in anybody's terms.
func locked(s core.Schema) core.Schema {
	s.Fields, s.Metadata = wordless(s.Fields), wordless(s.Metadata)
	for i, f := range s.Fields {
		if f.Name != "error_class" { // which the author can add to
			s.Fields[i] = core.SchemaField{Name: f.Name}
		}
	}
	s.Events = slices.DeleteFunc(slices.Clone(s.Events), func(e core.SchemaEvent) bool { return e.Bare })
	for i := range s.Events {
		s.Events[i].Purpose, s.Events[i].Fields = "", wordless(s.Events[i].Fields)
	}
	return s
}

func wordless(fields []core.SchemaField) []core.SchemaField {
	fields = slices.Clone(fields)
	for i := range fields {
		fields[i].Purpose, fields[i].Present = "", ""
	}
	return fields
}

// Findings is what Check has to say.
type Findings struct {
	// Problems say what to mend, and how. Warnings say what will be one.
	Problems, Warnings []string
	// Written are the names of the files that were made anew.
	Written []string
}

func (f *Findings) problem(format string, args ...any) {
	f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
}

// Check compares the lock file in dir, and the page if there is one, with a schema. With
// update it makes them anew, but not where more may be sent than the lock file says and the
// notice version is still the same. remedy says how to call it with update. The error is
// of reading or writing a file.
func Check(dir string, s core.Schema, update bool, remedy string) (Findings, error) {
	var found Findings
	found.expiries(s)
	is, err := read(dir, Lock)
	if err != nil {
		return found, err
	}
	now := locked(s)
	want, err := indented(now)
	if err != nil {
		return found, err
	}
	var changes []change
	if is != nil {
		var before core.Schema
		if err := json.Unmarshal(is, &before); err != nil {
			found.problem("%s cannot be read: %v; restore it from your repository", Lock, err)
			return found, nil
		}
		changes = compare(before, now)
		if problem := forbidden(before, now, changes, remedy); problem != "" {
			found.problem("%s", problem)
			return found, nil
		}
	}
	stale := fmt.Sprintf("%s is not up to date%s\nTo make it anew: %s", Lock, listed(changes), remedy)
	if is == nil {
		stale = fmt.Sprintf("there is no %s, which tells what people have said yes to. To make it: %s", Lock, remedy)
	}
	if err := found.hold(dir, Lock, is, want, update, stale); err != nil {
		return found, err
	}
	page, err := read(dir, Page)
	if err != nil || page == nil {
		return found, err
	}
	return found, found.hold(dir, Page, page, Markdown(s), update, fmt.Sprintf("%s is not up to date. To make it anew: %s", Page, remedy))
}

// read returns the content of a file, nil if there is none.
func read(dir, name string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), err // as Git has it on Windows
}

// hold compares a file with what it should be, or makes it so.
func (f *Findings) hold(dir, name string, is, want []byte, update bool, stale string) error {
	switch {
	case bytes.Equal(is, want):
		return nil
	case !update:
		f.problem("%s", stale)
		return nil
	}
	f.Written = append(f.Written, name)
	return os.WriteFile(filepath.Join(dir, name), want, 0o644)
}

// forbidden says what is wrong where more may be sent than before and nobody is asked, "" if
// nothing is.
func forbidden(before, now core.Schema, changes []change, remedy string) string {
	wider := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return !c.wider })
	switch {
	case now.NoticeVersion < before.NoticeVersion:
		return fmt.Sprintf("NoticeVersion is %d, and %s says that it was %d. It only ever goes up: people who said yes to a higher one are not asked again",
			now.NoticeVersion, Lock, before.NoticeVersion)
	case len(wider) == 0:
		return ""
	case now.NoticeVersion == before.NoticeVersion:
		return fmt.Sprintf("%s may send more than version %d of its notice says%s\n"+
			"Say so in Telemetry.Notice and raise NoticeVersion to %d, so that people are asked again. Then: %s",
			now.Tool, before.NoticeVersion, listed(wider), before.NoticeVersion+1, remedy)
	}
	var early []change
	for _, c := range wider {
		if 0 < c.since && c.since <= before.NoticeVersion {
			early = append(early, change{text: fmt.Sprintf("%s: Since is %d", c.text, c.since)})
		}
	}
	if len(early) > 0 {
		return fmt.Sprintf("Since names a notice version that did not say so%s\nWhat is new has Since: %d", listed(early), now.NoticeVersion)
	}
	return ""
}

func listed(changes []change) string {
	var b strings.Builder
	for i, c := range changes {
		if i == 0 {
			b.WriteByte(':')
		}
		b.WriteString("\n  - " + c.text)
	}
	return b.String()
}

// warnBefore is how long before its last day something is spoken of: time for a release.
const warnBefore = 30 * 24 * time.Hour

// expiries finds what is no longer recorded, and what soon will not be.
func (f *Findings) expiries(s core.Schema) {
	look := func(what, until string) {
		last, err := time.Parse(time.DateOnly, until)
		switch {
		case err != nil: // there is none
		case s.Ended(until):
			f.problem("%s was declared until %s and is no longer recorded. Remove it; or give it a later Until, if it is still needed, and raise NoticeVersion", what, until)
		case !last.After(s.At.Add(warnBefore)):
			f.Warnings = append(f.Warnings, fmt.Sprintf("%s is declared until %s: after that day it is not recorded, and this test fails", what, until))
		}
	}
	for _, field := range s.Metadata {
		look("the metadata "+field.Name, field.Until)
	}
	for _, e := range s.Events {
		look("the event "+e.Type, e.Until)
		for _, field := range e.Fields {
			look("the metadata "+field.Name+" of "+e.Type, field.Until)
		}
	}
}
