//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package core_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
)

// stateFiles are the names that docs/reference/files.md lists, as they are in an installation that has sent.
func stateFiles(t *testing.T, dir string) []string {
	t.Helper()
	names := []string{
		"unanswered", "told", "unreadable", "sent.gaps", "sent.before", "logged", "noted", "next-deletion", "next-folds", "background", "background-started",
		"losses-unwritten", "identity.unused", "consent.damaged", "deletion-00000000000000000000000000000000", "local/events.ndjson",
		"local", "queue", "receipts", "queue/00.running", "queue/0000", "queue/0000.events",
	}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A pipe has no end until somebody writes into it, which nobody does.
func TestAPipeInThePlaceOfAFileHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	installed := func() string {
		dir := said(t, in.URL)
		abandoned(t, dir, in.URL, 1)
		mustFlush(t, manager(processTool(in.URL), dir, nil))
		abandoned(t, dir, in.URL, 1)
		return dir
	}
	for _, name := range stateFiles(t, installed()) {
		dir := installed()
		names := []string{name}
		if filepath.Dir(name) == "receipts" { // a random one
			files, err := filepath.Glob(filepath.Join(dir, "receipts", "*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%v, %v", files, err)
			}
			names = nil
			for _, file := range files {
				names = append(names, "receipts/"+filepath.Base(file))
			}
		}
		for _, name := range names {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Dir(path), 0o700), syscall.Mkfifo(path, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		doing := make(chan string, 20)
		go func() {
			defer close(doing)
			m := manager(processTool(in.URL), dir, nil)
			for what, do := range everything(t, m) {
				doing <- what
				do()
			}
		}()
		what := ""
		for open := true; open; {
			select {
			case next, ok := <-doing:
				if open = ok; ok {
					what = next
				}
			case <-time.After(time.Minute): // far more than a deletion request may take
				t.Fatalf("%s as a pipe: %s hangs", name, what)
			}
		}
	}
}

// everything is what a person can do, in an order in which each finds something.
func everything(t *testing.T, m *core.Manager) func(yield func(string, func()) bool) {
	ctx := t.Context()
	list := []struct {
		what string
		do   func()
	}{
		{"status", func() { m.Status() }},
		{"inspect", func() { _, _ = m.Waiting(ctx) }},
		{"inspect --next", func() { _, _ = m.Next(ctx) }},
		{"log", func() { _, _ = m.Sent(time.Time{}) }},
		{"receipts", func() { _, _ = m.Decisions() }},
		{"export", func() { _, _ = m.Export(ctx, true) }},
		{"share", func() { _, _, _ = m.Identity() }},
		{"the question", func() { m.Unanswered(); m.Told(); _ = m.NoteUnanswered(); _ = m.NoteTold("") }},
		{"recording", func() {
			if c, err := core.Open(m.Tool(), core.WithStateDir(m.Status().StateDir), environment(nil)); err == nil {
				c.Track("feature.used", "x", nil)
				_ = c.Close(ctx)
			}
		}},
		{"flush", func() { _, _ = m.Flush(ctx, nil) }},
		{"reset --status", func() { _, _ = m.Deletions() }},
		{"disable", func() { _, _ = m.Disable(ctx) }},
		{"enable", func() { _ = m.Enable(false, "") }},
		{"reset", func() { _, _ = m.Reset(ctx, nil) }},
		{"reset --resume", func() { _, _ = m.Resume(ctx, nil) }},
	}
	return func(yield func(string, func()) bool) {
		for _, one := range list {
			if !yield(one.what, one.do) {
				return
			}
		}
	}
}

// A person who looks into the directory finds each file of it in the page.
func TestThePageOfFilesNamesEachFileOfAnInstallation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "reference", "files.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| in the state directory |")
	if !found {
		t.Fatal("the page has no table of the state directory")
	}
	var listed []*regexp.Regexp
	for _, row := range regexp.MustCompile(`(?m)^\| (.+?) \| `).FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			form := regexp.QuoteMeta(name[1])
			for of, by := range map[string]string{`<\w+>`: `\w+`, `\\\*`: `[^/]+`, `0+`: `\d+`, `/$`: `(/\w+)?`} {
				form = regexp.MustCompile(of).ReplaceAllLiteralString(form, by)
			}
			listed = append(listed, regexp.MustCompile("^"+form+"$"))
		}
	}
	in := newIntake(t)
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 1)
	mustFlush(t, manager(processTool(in.URL), dir, nil))
	abandoned(t, dir, in.URL, 1)
	names := stateFiles(t, dir)
	of := func(name string) bool {
		return slices.ContainsFunc(listed, func(form *regexp.Regexp) bool { return form.MatchString(name) })
	}
	for _, name := range names {
		// Folders are named with what is in them, and slots of earlier versions are read and not made.
		if !of(name) && !slices.Contains([]string{"local", "queue", "queue/0000", "queue/0000.events"}, name) {
			t.Errorf("the page does not name %s", name)
		}
	}
}
