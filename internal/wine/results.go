package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

//go:embed tests.txt
var testsList string

const module = "github.com/gotoolbase/telemetry/"

// name is a test of a package of this module.
type name struct{ pkg, test string }

func (n name) String() string { return n.pkg + " " + n.test }

// parent is the test that a subtest belongs to.
func (n name) parent() (name, bool) {
	i := strings.LastIndexByte(n.test, '/')
	if i < 0 {
		return name{}, false
	}
	return name{n.pkg, n.test[:i]}, true
}

// list is what is known of tests under Wine, each with its reason.
type list struct {
	// Cannot are those that fail because of Wine.
	Cannot map[name]string
	// Sometimes are those that fail now and then because of Wine, which are not run. Long are
	// those that take too long there to be run each time.
	Sometimes, Long map[name]string
}

// parseList reads lines like "cannot core/consent TestX: the reason".
func parseList(text string) (list, error) {
	l := list{map[name]string{}, map[name]string{}, map[name]string{}}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		test, reason, _ := strings.Cut(line, ": ")
		words := strings.Fields(test)
		if len(words) != 3 || reason == "" {
			return list{}, fmt.Errorf("line %d of the list is not like \"cannot package Test: reason\"", i+1)
		}
		kind, n := words[0], name{words[1], words[2]}
		if l.Cannot[n]+l.Sometimes[n]+l.Long[n] != "" {
			return list{}, fmt.Errorf("line %d of the list has %s again", i+1, n)
		}
		switch kind {
		case "cannot":
			l.Cannot[n] = reason
		case "sometimes":
			l.Sometimes[n] = reason
		case "long":
			l.Long[n] = reason
		default:
			return list{}, fmt.Errorf("line %d of the list begins with neither cannot nor sometimes nor long", i+1)
		}
	}
	return l, nil
}

// skip is what go test -skip takes to leave out the tests that are not to be run. No two packages
// have one of the same name: that is what the names are for.
func (l list) skip(all bool) string {
	out := slices.Collect(maps.Keys(l.Sometimes))
	if !all {
		out = slices.AppendSeq(out, maps.Keys(l.Long))
	}
	slices.SortFunc(out, byName)
	var patterns []string
	for _, n := range out {
		patterns = append(patterns, "^"+strings.ReplaceAll(n.test, "/", "$/^")+"$")
	}
	return strings.Join(patterns, "|")
}

func byName(a, b name) int { return strings.Compare(a.String(), b.String()) }

// results is what go test said, test by test.
type results struct {
	ended  map[name]string // pass, fail or skip; "" for one that has only begun
	output map[name]*strings.Builder
	whole  map[string]string // of packages, in the same words
	broken []string          // what the compiler said
}

// readResults reads what go test -json prints, and tells of each package when it is done.
func readResults(in io.Reader, progress io.Writer) (*results, error) {
	r := &results{ended: map[name]string{}, output: map[name]*strings.Builder{}, whole: map[string]string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var event struct {
			Action, Package, Test, Output string
			Elapsed                       float64
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("go test said what is no JSON: %.200s", lines.Text())
		}
		n := name{strings.TrimPrefix(event.Package, module), event.Test}
		switch event.Action {
		case "output":
			if r.output[n] == nil {
				r.output[n] = &strings.Builder{}
			}
			r.output[n].WriteString(event.Output)
		case "build-output":
			r.broken = append(r.broken, event.Output)
		case "run":
			r.ended[n] = ""
		case "pass", "fail", "skip":
			if event.Test != "" {
				r.ended[n] = event.Action
				continue
			}
			r.whole[n.pkg] = event.Action
			fmt.Fprintf(progress, "%s\t%s\t%.1fs\n", event.Action, n.pkg, event.Elapsed)
		}
	}
	return r, lines.Err()
}

// unexpected returns the tests that fail and are not listed, without those of which only
// subtests do.
func (r *results) unexpected(listed map[name]string) (list []name) {
	failedBelow := map[name]bool{}
	for n, how := range r.ended {
		for p, ok := n.parent(); how == "fail" && ok; p, ok = p.parent() {
			failedBelow[p] = true
		}
	}
	for n, how := range r.ended {
		expected := how != "fail" || failedBelow[n]
		for p, ok := n, true; ok && !expected; p, ok = p.parent() {
			expected = listed[p] != ""
		}
		if !expected {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, byName)
	return list
}

// brokenOff returns the packages of which some tests have begun and not ended, or that failed
// without a test that did.
func (r *results) brokenOff() (packages []string) {
	for _, pkg := range slices.Sorted(maps.Keys(r.whole)) {
		failures, begun := 0, 0
		for n, how := range r.ended {
			switch {
			case n.pkg == pkg && how == "fail":
				failures++
			case n.pkg == pkg && how == "":
				begun++
			}
		}
		if r.whole[pkg] == "fail" && failures == 0 || begun > 0 {
			packages = append(packages, pkg)
		}
	}
	return packages
}

// problems compares what happened with what is listed. Tests that did fail and have passed when
// they were run again by themselves are no problem.
func (r *results) problems(listed map[name]string, again *results) []string {
	problems := slices.Clone(r.broken)
	for _, n := range r.unexpected(listed) {
		if again == nil || again.ended[n] != "pass" {
			problems = append(problems, fmt.Sprintf("%s fails:\n%s", n, r.output[n]))
		}
	}
	for _, pkg := range r.brokenOff() {
		problems = append(problems, fmt.Sprintf("%s did not come to its end:\n%s", pkg, r.output[name{pkg, ""}]))
	}
	for _, n := range slices.SortedFunc(maps.Keys(listed), byName) {
		switch how, known := r.ended[n]; {
		case !known && r.whole[n.pkg] != "":
			problems = append(problems, fmt.Sprintf("%s is listed as what Wine cannot do, and was not run", n))
		case known && how != "fail":
			problems = append(problems, fmt.Sprintf("%s is listed as what Wine cannot do, and did not fail: %s", n, how))
		}
	}
	return problems
}
