package main

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contents is what files can hold; every rule of wc is hit by one of them.
var contents = map[string]string{
	"empty":               "",
	"no newline":          "one two",
	"plain":               "one two\nthree\n",
	"blank lines":         "\n\n \n\t\n",
	"every white space":   "a b\tc\nd\ve\ff\rg",
	"carriage returns":    "one\r\ntwo\r\n",
	"utf-8":               "größe naïve 東京\n",
	"invalid utf-8":       "a\xffb \xc3( x\xe2\x28\xa1\n",
	"zero bytes":          "a\x00b\x00 c\n",
	"white space at ends": "  a  \n  ",
}

// oddities are contents with words of unprintable bytes alone. GNU wc has counted those
// since 9.5, and did not before.
var oddities = map[string]string{
	"utf-8 punctuation alone": "a \u2192 b\n",
	"bytes alone":             "\xff \x80\x81 \x01 \x00 x\n",
	"no-break space":          "a \u00a0 b\n",
	"noise":                   noise(100_000),
}

func noise(n int) string {
	random := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = random.Read(b) // never fails
	return string(b)
}

func TestAWordHasAPrintableCharacter(t *testing.T) {
	t.Parallel()
	for content, want := range map[string][2]counts{ // as bytes, as UTF-8
		"":                          {{0, 0, 0}, {0, 0, 0}},
		"one two":                   {{0, 2, 7}, {0, 2, 7}},
		"one two\nthree\n":          {{2, 3, 14}, {2, 3, 14}},
		"a b\tc\nd\ve\ff\rg":        {{1, 7, 13}, {1, 7, 13}},
		"a\xffb \xc3( x\xe2\x28\n":  {{1, 3, 11}, {1, 3, 11}},
		"a\x00b c":                  {{0, 2, 5}, {0, 2, 5}},
		"\xff \x80\x81 \x01 \x00 x": {{0, 1, 10}, {0, 1, 10}},
		"a \u2192 b":                {{0, 2, 7}, {0, 3, 7}},
		"a\u3000b":                  {{0, 1, 5}, {0, 2, 5}},
		"\ufffd":                    {{0, 0, 3}, {0, 1, 3}},
	} {
		for i, utf8 := range []bool{false, true} {
			got, err := counter{utf8: utf8}.read(strings.NewReader(content))
			if err != nil || got != want[i] {
				t.Errorf("%q, UTF-8 %t: got %+v, %v, want %+v", content, utf8, got, err, want[i])
			}
		}
	}
}

func TestTheLocaleSaysWhatACharacterIs(t *testing.T) {
	t.Parallel()
	for env, want := range map[[3]string]bool{ // LC_ALL, LC_CTYPE, LANG
		{}:                            false,
		{"", "", "en_US.UTF-8"}:       true,
		{"", "", "de_DE.utf8"}:        true,
		{"C", "", "en_US.UTF-8"}:      false,
		{"", "C", "en_US.UTF-8"}:      false,
		{"C.UTF-8", "POSIX", "POSIX"}: true,
		{"", "", "de_DE.ISO-8859-1"}:  false,
		{"", "pl_PL.UTF-8@euro", "C"}: true,
	} {
		names := map[string]string{"LC_ALL": env[0], "LC_CTYPE": env[1], "LANG": env[2]}
		if got := localeIsUTF8(func(name string) string { return names[name] }); got != want {
			t.Errorf("%v: %t, want %t", env, got, want)
		}
	}
}

// wc runs the real one and returns the fields of each line of its output.
func wc(t *testing.T, locale, stdin string, args ...string) [][]string {
	t.Helper()
	path, err := exec.LookPath("wc")
	if err != nil {
		t.Skip("there is no wc on this system to compare with")
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"LC_ALL=" + locale}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("wc %q: %v", args, err)
	}
	return fields(string(out))
}

func ours(t *testing.T, locale, stdin string, args ...string) [][]string {
	t.Helper()
	c := counter{stdin: strings.NewReader(stdin), utf8: localeIsUTF8(func(string) string { return locale })}
	var out bytes.Buffer
	if err := c.count(&out, args); err != nil {
		t.Fatalf("count %q: %v", args, err)
	}
	return fields(out.String())
}

// fields leaves the widths of the columns aside, which differ between the systems' wc.
func fields(text string) [][]string {
	var rows [][]string
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

func same(a, b [][]string) bool { return slices.EqualFunc(a, b, slices.Equal) }

func TestCountAgreesWithTheSystemsWc(t *testing.T) {
	t.Parallel()
	all := map[string]string{}
	for name, content := range contents {
		all[name] = content
	}
	if wc(t, "C", "\xff", "-w")[0][0] == "0" {
		for name, content := range oddities {
			all[name] = content
		}
	} else {
		t.Log("this wc counts words without a printable character: those contents are left out")
	}
	dir := t.TempDir()
	var paths []string
	for name, content := range all {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	cases := map[string]struct {
		stdin string
		args  []string
	}{
		"several files, with a total": {"", paths},
		"one file twice":              {"", []string{paths[0], paths[0]}},
		"standard input":              {"from a pipe\n", nil},
		"- among files":               {"from a pipe\n", []string{paths[1], "-", paths[2]}},
		"- alone":                     {"from a pipe", []string{"-"}},
		"- twice":                     {"from a pipe\n", []string{"-", "-"}},
	}
	for _, path := range paths {
		cases[filepath.Base(path)] = struct {
			stdin string
			args  []string
		}{"", []string{path}}
	}
	for name, c := range cases {
		for _, locale := range []string{"C", "C.UTF-8"} {
			if got, want := ours(t, locale, c.stdin, c.args...), wc(t, locale, c.stdin, c.args...); !same(got, want) {
				t.Errorf("%s, locale %s:\n got %q\nwant %q", name, locale, got, want)
			}
		}
	}
}

func TestCountGoesOnAfterAFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, missing := filepath.Join(dir, "good"), filepath.Join(dir, "missing")
	if err := os.WriteFile(good, []byte("one two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := counter{}.count(&out, []string{missing, good, dir})
	if !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), missing) != 1 || !strings.Contains(err.Error(), dir) {
		t.Errorf("error is %q, want one line for each of two files", err)
	}
	want := [][]string{{"1", "2", "8", good}, {"1", "2", "8", "total"}}
	if got := fields(out.String()); !same(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCountAlignsItsColumns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small, big := filepath.Join(dir, "small"), filepath.Join(dir, "big")
	for path, size := range map[string]int{small: 1, big: 1000} {
		if err := os.WriteFile(path, bytes.Repeat([]byte{'\n'}, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := (counter{}).count(&out, []string{small, big}); err != nil {
		t.Fatal(err)
	}
	want := "   1    0    1 " + small + "\n1000    0 1000 " + big + "\n1001    0 1001 total\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestCountReportsOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	if err := (counter{stdin: strings.NewReader("x")}).count(brokenWriter{}, nil); err == nil {
		t.Error("no error")
	}
}
