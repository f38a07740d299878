package redact

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample is a line of the corpus in testdata.
type sample struct {
	line  string   // Where it stands, for a failure.
	where string   // "both", "value", "error" or "args".
	kind  string   // What is counted together.
	known bool     // That it fails.
	gone  []string // What must not stay. Without any, the text must stay as it is.
	text  string
}

// corpusFields reads the lines of a file of testdata, whose fields are separated by tabs.
func corpusFields(t *testing.T, name string, fields int) (lines [][]string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		line = strings.NewReplacer("¦", "", "␤", "\n").Replace(line)
		f := strings.SplitN(line, "\t", fields)
		if len(f) != fields {
			t.Fatalf("%s:%d has %d fields, not %d", name, i+1, len(f), fields)
		}
		lines = append(lines, append([]string{fmt.Sprintf("%s:%d", name, i+1)}, f...))
	}
	return lines
}

// tokenFrames are where a token is met; its place is taken by the %.
var tokenFrames = []string{
	"%", "token % was refused", "(%)", "\"%\"", "a=%&b=1", "x:%", "x%3D%", "[%]", "failed:\n%\n", "$%", "%.", "<a>%</a>", "{\"x\":\"%\"}", "'%'",
}

// mustGo returns the texts that must lose something.
func mustGo(t *testing.T) (all []sample) {
	t.Helper()
	for _, f := range corpusFields(t, "secrets.tsv", 3) {
		kind, known := strings.CutPrefix(f[1], "!")
		kind, _, _ = strings.Cut(kind, " ")
		where := "both"
		if kind == "error" || kind == "args" {
			where = kind
		}
		all = append(all, sample{f[0], where, kind, known, strings.Split(f[2], "|"), f[3]})
	}
	for _, f := range corpusFields(t, "tokens.tsv", 2) {
		_, known := strings.CutPrefix(f[1], "!")
		for _, frame := range tokenFrames {
			at := strings.LastIndexByte(frame, '%')
			all = append(all, sample{f[0], "both", "token", known, []string{f[2]}, frame[:at] + f[2] + frame[at+1:]})
		}
	}
	return all
}

// mustStay returns the texts that must stay as they are.
func mustStay(t *testing.T) (all []sample) {
	t.Helper()
	for _, f := range corpusFields(t, "ordinary.tsv", 3) {
		all = append(all, sample{line: f[0], where: f[1], kind: f[2], text: f[3]})
	}
	return all
}

// corpusScrubber knows the person whom the corpus tells of.
func corpusScrubber() *Scrubber {
	return New("/home/zoe.canary", "zcanary", "Canary-Box.corp.example", "Zoe Canary")
}

// wrong returns what scrubbing did wrong with a sample: one sentence for each way in.
func (c *sample) wrong(s *Scrubber) (wrong []string) {
	const limit = 4096
	outs := map[string]string{}
	if c.where == "both" || c.where == "value" {
		outs["Value"], _ = s.Value(c.text, limit)
	}
	if c.where == "both" || c.where == "error" {
		outs["ErrorText"], _ = s.ErrorText(c.text, limit)
	}
	if c.where == "args" {
		args, _, _ := s.Args(strings.Fields(c.text))
		outs["Args"] = strings.Join(args, " ")
	}
	for how, out := range outs {
		if c.gone == nil {
			if out != strings.NewReplacer("\n", " ", "\t", " ").Replace(c.text) {
				wrong = append(wrong, fmt.Sprintf("%s: %s(%q) is %q", c.line, how, c.text, out))
			}
			continue
		}
		for _, part := range c.gone {
			if strings.Contains(strings.ToLower(out), strings.ToLower(part)) {
				wrong = append(wrong, fmt.Sprintf("%s: %s(%q) is %q: %q stays", c.line, how, c.text, out, part))
				break
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

func TestWhatTheCorpusSaysMustGoGoesAndTheRestStays(t *testing.T) {
	t.Parallel()
	s := corpusScrubber()
	for _, c := range append(mustGo(t), mustStay(t)...) {
		switch wrong := c.wrong(s); {
		case c.known && wrong == nil:
			t.Errorf("%s: %q is known to stay and goes; take its ! away", c.line, c.text)
		case !c.known && wrong != nil:
			t.Error(strings.Join(wrong, "\n"))
		}
	}
}

// TestReport prints, by kind, how much of the corpus is right: see make redact-report.
func TestReport(t *testing.T) {
	s := corpusScrubber()
	for _, list := range []struct {
		name    string
		samples []sample
	}{{"must go", mustGo(t)}, {"must stay", mustStay(t)}} {
		all, right := map[string]int{}, map[string]int{}
		for _, c := range list.samples {
			for _, kind := range []string{c.kind, ""} {
				all[kind]++
				if c.wrong(s) == nil {
					right[kind]++
				}
			}
		}
		for _, kind := range slices.Sorted(maps.Keys(all)) {
			name := kind
			if kind == "" {
				name = list.name
			}
			fmt.Fprintf(t.Output(), "%-12s %5d of %5d  %5.1f %%\n", name, right[kind], all[kind], 100*float64(right[kind])/float64(all[kind]))
		}
	}
}
