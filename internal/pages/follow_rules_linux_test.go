//go:build !notelemetry

package pages

import (
	"strings"
	"testing"
)

func TestAPageWhoseCommandsDoSomethingElseIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"a command that fails":          {"'''sh\necho before\nfalse\n'''\n", "page.md:1: a command fails: exit status 1\nbefore"},
		"a pipe that fails":             {"'''sh\nfalse | true\n'''\n", "a command fails"},
		"a variable that nobody set":    {"'''sh\necho $NOBODY\n'''\n", "a command fails"},
		"other output":                  {"'''sh\necho one\n'''\n\n'''text\ntwo\n'''\n", "page.md:5: the commands before it print\none"},
		"less output":                   {"'''sh\necho one\n'''\n'''text\none\ntwo\n'''\n", "print\none"},
		"more output":                   {"'''sh\necho one; echo two\n'''\n'''text\none\n'''\n", "print\none\ntwo"},
		"other output further down":     {"'''sh\necho one\n'''\nWords.\n'''console\ntwo\n'''\n", "print\none"},
		"a program that is not ours":    {"'''sh\ngo install example.com/cmd/nothing@latest\n'''\n", "a command fails"},
		"a file that comes later":       {"'''sh\ncat a.yaml\n'''\n'''yaml\n# a.yaml\na: b\n'''\n", "a command fails"},
		"another shell's second block":  {"'''sh\nx=1\n'''\n'''sh\n[ $x = 2 ]\n'''\n", "page.md:4: a command fails"},
		"output that is other by a bit": {"'''sh\necho 1 event in 2 ms\n'''\n'''text\n2 events in 3 ms\n'''\n", "print\n1 event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(parse("page.md", fenced(test.text)).followed(t), "\n"); !strings.Contains(got, test.want) {
				t.Errorf("%q is not in\n%s", test.want, got)
			}
		})
	}
}

func TestAPageWhoseCommandsDoWhatItSaysIsLeftInPeace(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"output":                     "'''sh\necho one; echo two >&2\n'''\n'''text\none\ntwo\n'''\n",
		"output with parts left out": "'''sh\nseq 9; echo one two three\n'''\n'''text\n1\n…\n9\none … three\n'''\n",
		"what differs each time":     "'''sh\ndate -u +%Y-%m-%dT%H:%M:%SZ; cat /proc/sys/kernel/random/uuid; echo 12.5 ms\n'''\n'''text\n2026-01-02T03:04:05Z\n01a218a8-d416-786d-ac11-d12a3f3993fb\n1 s\n'''\n",
		"text that is no output":     "'''sh\necho one\n'''\nWords.\n'''text\ntwo\n'''\n",
		"files, one shell":           "'''yaml\n# a/b.yaml\nx: y\n'''\n'''sh\ncd a\n'''\nWords.\n'''sh\ncat b.yaml\n'''\n'''text\n# a/b.yaml\nx: y\n'''\n",
		"JSON without its name":      "'''json\n// a.json\n{}\n'''\n'''sh\ncat a.json\n'''\n'''text\n{}\n'''\n",
		"what is not run":            "## A\n<!-- not run: it fails -->\n'''sh\nfalse\n'''\n'''sh\ntrue\n'''\n",
		"a script of the repository": "<!-- from examples/shell/backup.sh -->\n'''sh\n#!/bin/sh\nexit 3\n'''\n'''sh\n./backup.sh || echo $?\n'''\n'''text\n3\n'''\n",
		"a port, the same each time": "'''sh\necho 127.0.0.1:8443\necho localhost:8443\n'''\n'''text\n127.0.0.1:8443\nlocalhost:8443\n'''\n",
		"a server that is left":      "'''sh\nsleep 1000 &\n'''\n",
		"a program of ours":          "'''sh\ngo install github.com/gotoolbase/telemetry/cmd/telemetry@latest\ntelemetry --help\n'''\n'''text\n…\n'''\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, wrong := range parse("page.md", fenced(text)).followed(t) {
				t.Error(wrong)
			}
		})
	}
}
