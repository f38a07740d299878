package main

import (
	"io"
	"strings"
	"testing"
)

// said is what go test prints of these events.
func said(events ...string) io.Reader {
	return strings.NewReader(`{"Action":"` + strings.Join(events, "\"}\n{\"Action\":\"") + "\"}\n")
}

const inCore = `","Package":"` + module + `core`

func TestWhatFailsIsComparedWithTheList(t *testing.T) {
	t.Parallel()
	passes, fails, skips := "pass"+inCore+`","Test":"TestA`, "fail"+inCore+`","Test":"TestA`, "skip"+inCore+`","Test":"TestA`
	subtest, other := "fail"+inCore+`","Test":"TestA/sub`, "pass"+inCore+`","Test":"TestB`
	ended, failed := "pass"+inCore, "fail"+inCore
	for name, c := range map[string]struct {
		events        []string
		list, problem string
	}{
		"all pass":                                   {[]string{passes, ended}, "", ""},
		"one fails":                                  {[]string{fails, failed}, "", "core TestA fails:\n"},
		"a listed one fails":                         {[]string{fails, failed}, "cannot core TestA: links", ""},
		"a subtest of a listed one does":             {[]string{subtest, fails, failed}, "cannot core TestA: links", ""},
		"a listed subtest fails":                     {[]string{subtest, fails, failed}, "cannot core TestA/sub: links", ""},
		"another subtest fails":                      {[]string{subtest, fails, failed}, "cannot core TestA/more: links", "core TestA/sub fails:\n"},
		"a listed one passes":                        {[]string{passes, ended}, "cannot core TestA: links", "core TestA is listed as what Wine cannot do, and did not fail: pass"},
		"a listed one is skipped":                    {[]string{skips, ended}, "cannot core TestA: links", "core TestA is listed as what Wine cannot do, and did not fail: skip"},
		"a listed one is gone":                       {[]string{other, ended}, "cannot core TestA: links", "core TestA is listed as what Wine cannot do, and was not run"},
		"its package was not run":                    {nil, "cannot core TestA: links", ""},
		"the package breaks off":                     {[]string{passes, failed}, "", "core did not come to its end:\n"},
		"the package breaks off beside a listed one": {[]string{"run" + inCore + `","Test":"TestB`, fails, failed}, "cannot core TestA: links", "core did not come to its end:\n"},
		"it cannot be built":                         {[]string{`build-output","Output":"no such thing`}, "", "no such thing"},
	} {
		l, err := parseList(c.list)
		if err != nil {
			t.Fatal(err)
		}
		events := said(c.events...)
		if c.events == nil {
			events = strings.NewReader("")
		}
		r, err := readResults(events, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(r.problems(l.Cannot, nil), "\n"); !strings.HasPrefix(got, c.problem) || (got == "") != (c.problem == "") {
			t.Errorf("%s: %q, want %q", name, got, c.problem)
		}
	}
}

func TestTheListIsWellFormedAndSaysWhy(t *testing.T) {
	t.Parallel()
	if _, err := parseList(testsList); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"cannot core TestA", "cannot TestA: links", "never core TestA: links", "long core TestA: x\ncannot core TestA: y"} {
		if l, err := parseList(wrong); err == nil {
			t.Errorf("%q is read as %v", wrong, l)
		}
	}
}

func TestWhatIsNotToBeRunIsLeftOutByName(t *testing.T) {
	t.Parallel()
	l, err := parseList("long core TestB: x\nsometimes core TestA/sub: y")
	for all, want := range map[bool]string{false: "^TestA$/^sub$|^TestB$", true: "^TestA$/^sub$"} {
		if got := l.skip(all); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestWhatPassesByItselfIsNoProblem(t *testing.T) {
	t.Parallel()
	fails, passes := "fail"+inCore+`","Test":"TestA`, "pass"+inCore+`","Test":"TestA`
	first, err := readResults(said(fails, "fail"+inCore), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for how, want := range map[string]int{passes: 0, fails: 1} {
		again, err := readResults(said(how), io.Discard)
		if got := first.problems(nil, again); err != nil || len(got) != want {
			t.Errorf("%v, %v; want %d", got, err, want)
		}
	}
}
