//go:build linux

package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// older are commits after which something that is stored has another form.
var older = []struct{ commit, what string }{
	{"81961c1^", "queue files hold no notes of commands that run"},
	{"afa0526^", "there are no receipts"},
}

// versionsTakeTurns lets an older version of the tool and this one use one directory, as where a
// person goes back, or has both.
func versionsTakeTurns(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	n := w.random.IntN(len(older))
	program, err := olderTool(w.t, n)
	if err != nil {
		w.t.Skip("needs the history of this repository, and its modules: ", err)
	}
	w.t.Logf("before %s: %s", older[n].commit, older[n].what)
	before := w.install(program, "sometool-before")
	now := w.tool
	// Each counts what it knows of, so that sums are nobody's; see docs/explanation/design.md, "Versions".
	w.h.capped, w.h.damaged, w.uncounted, w.untold = true, true, true, true
	for i := range 6 {
		w.tool = now
		if w.random.IntN(2) == 0 {
			w.tool = before
		}
		round := strconv.Itoa(i)
		if i == 0 || w.random.IntN(4) == 0 {
			w.answer("a"+round, []string{"enable", "enable", "disable", "enable"}[w.random.IntN(4)])
		}
		w.atOnce(1, w.crowd("c"+round+"-", 3, nil, []string{inCI}, []string{variableYes})...)
		w.run(w.flush("f" + round))
		w.awaitEnd()
	}
	w.tool = now
}

// olderTool builds the tool of here with the module as it was.
func olderTool(t *testing.T, n int) (path string, err error) {
	dir, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	archive := exec.Command("git", "-C", "../..", "archive", older[n].commit)
	unpack := exec.Command("tar", "-x", "-C", dir, "--exclude=internal/torture")
	var complaints bytes.Buffer
	archive.Stderr, unpack.Stderr = &complaints, &complaints
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		return "", err
	}
	if err := unpack.Start(); err != nil {
		return "", err
	}
	if err := archive.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, complaints.String())
	}
	if err := unpack.Wait(); err != nil {
		return "", fmt.Errorf("%w: %s", err, complaints.String())
	}
	tool := filepath.Join(dir, "internal", "torture", "tool")
	source, err := os.ReadFile("tool/main.go")
	if err == nil {
		err = os.MkdirAll(tool, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(tool, "main.go"), source, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(tool, "execute.go"), []byte(executeBefore), 0o600)
	}
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "sometool-before")
	build := exec.Command("go", "build", "-o", path, "./internal/torture/tool")
	build.Dir, build.Env = dir, static()
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
}

// executeBefore stands for execute.go in versions that record a command in cobra's hooks.
const executeBefore = `package main

import "github.com/spf13/cobra"

func execute(root *cobra.Command) int {
	if root.Execute() != nil {
		return 3
	}
	return 0
}
`
