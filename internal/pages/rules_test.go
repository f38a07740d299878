package pages

import (
	"strings"
	"testing"
)

// fenced writes a page whose fences are ”' in place of ```.
func fenced(text string) string { return strings.ReplaceAll(text, "'''", "```") }

func TestAPageThatIsWrongIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"no language":                       {"'''\nx\n'''\n", "page.md:1: a block without a language"},
		"a language of nobody":              {"'''klingon\nx\n'''\n", `"klingon" is not among the languages`},
		"a block that does not end":         {"# A\n'''sh\ntrue\n", "page.md:2: a block that does not end"},
		"an excerpt of nothing":             {"'''go\nx := 1\n'''\n", "an excerpt that names no file"},
		"an excerpt of a missing file":      {"<!-- from nowhere.go -->\n'''go\nx := 1\n'''\n", "from nowhere.go: there is no such file"},
		"an excerpt that is not there":      {"<!-- from internal/pages/doc.go -->\n'''go\nx := 1\n'''\n", "does not stand in internal/pages/doc.go"},
		"an excerpt in another order":       {"<!-- from examples/flag/main.go -->\n'''go\n\"flag\"\n…\n\"context\"\n'''\n", "or not in this order"},
		"an excerpt with a line left out":   {"<!-- from examples/flag/main.go -->\n'''go\n\"context\"\n\"fmt\"\n'''\n", "does not stand in"},
		"a program that differs":            {"<!-- from examples/flag/main.go -->\n'''go\npackage main\n\nfunc main() {}\n'''\n", "this is not all of examples/flag/main.go"},
		"a script that differs":             {"<!-- from examples/shell/backup.sh -->\n'''sh\nset -eu\n'''\n", "this is not all of"},
		"output of no commands":             {"'''console\nx\n'''\n", "no commands before it print this"},
		"no YAML":                           {"'''yaml\na: [\n'''\n", "yaml:"},
		"YAML of nobody":                    {"'''yaml\na: b\n'''\n", "neither a tool's file nor a gateway's"},
		"a mistake in a tool's file":        {"'''yaml\nName: x\nTelemetri: {}\n'''\n", "not a tool's file"},
		"no JSON":                           {"'''json\n{\"a\": }\n'''\n", "not JSON"},
		"a query that nothing runs":         {"'''sql\nSELECT 1\n'''\n", "a program in sql that nothing runs"},
		"held by no test":                   {"<!-- held by internal/none_test.go -->\n'''sh\nfalse\n'''\n", "there is no such test"},
		"held by what is no test":           {"<!-- held by internal/pages/doc.go -->\n'''sh\nfalse\n'''\n", "there is no such test"},
		"held by a test that knows nothing": {"<!-- held by conformance/guide_test.go -->\n'''sh\nfalse\n'''\n", "it does not name this page"},
		"an excuse that nothing needs":      {"## A\n<!-- not run: no reason -->\n'''text\nx\n'''\n", "is not run anyway"},
		"an excuse for prose":               {"## A\n\n<!-- not run: no reason -->\n\nWords.\n", "is of no block"},
		"an excuse at the end":              {"## A\n\n<!-- not run: no reason -->\n", "is of no block"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parse("page.md", fenced(test.text))
			p.checkBlocks()
			if got := strings.Join(p.wrong, "\n"); strings.Count(got, "page.md:") != 1 || !strings.Contains(got, test.want) {
				t.Errorf("%q is not all of\n%s", test.want, got)
			}
		})
	}
}

func TestAPageThatIsRightIsLeftInPeace(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a program":                         "'''go\npackage main\n\nfunc main() {}\n'''\n",
		"an excerpt":                        "<!-- from examples/flag/main.go -->\n'''go\nimport (\n    …\n    \"flag\"\n'''\n",
		"an excerpt, named in its fence":    "'''go examples/flag/main.go\nvar tool = props.Tool{\n    // …\n}\n'''\n",
		"a page that a test holds":          "# A\n\n<!-- held by internal/pages/rules_test.go -->\n\nWords.\n\n'''sh\nfalse\n'''\n## B\n'''sql\nx\n'''\n",
		"a block that cannot be run":        "## A\n\n<!-- not run: needs Kubernetes -->\n\n'''sh\nkubectl\n'''\n",
		"a tool's file":                     "'''yaml\nName: x\n'''\n",
		"a file with a name":                "'''yaml\n# deploy/a.yaml\na: b\n'''\n",
		"JSON, a value a line, with a name": "'''json\n// a.json\n{}\n[1]\n'''\n",
		"a block in a list":                 "- A\n\n  '''text\n  x\n  '''\n",
		"a block of four spaces":            "A:\n\n    '''\n",
		"a fence that holds another":        "````text\n```\n````\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parse("docs/page.md", fenced(text))
			p.checkBlocks()
			for _, w := range p.wrong {
				t.Error(w)
			}
		})
	}
}

func TestALinkThatLeadsNowhereIsFound(t *testing.T) {
	t.Parallel()
	other := parse("internal/pages/doc.go", "# There\n") // a file that is there
	p := parse("internal/pages/page.md", "# The page, and *its* `code`\n## Twice\n## Twice\n"+
		"[a](doc.go) [b](#twice-1) [c](#the-page-and-its-code) ![d](../../README.md) [e](https://example.com/x#y)\n"+
		"`[f](nowhere.md)`\n\n    [g](nowhere.md)\n\n[h]: doc.go#there\n<img src=\"doc.go\">\n")
	if p.checkLinks([]*page{p, other}); len(p.wrong) > 0 {
		t.Errorf("found: %q", p.wrong)
	}
	for link, want := range map[string]string{
		"[a](nowhere.md)":         "page.md:1: nowhere.md: there is no such file",
		"[a](#nowhere)":           "no such heading",
		"[a](doc.go#nowhere)":     "no such heading",
		"[a](/README.md)":         "begins at a root",
		"[a](../../../x)":         "leaves the repository",
		"[a]: nowhere.md":         "there is no such file",
		`<img src="nowhere.svg">`: "there is no such file",
		`![a](nowhere.svg "b")`:   "there is no such file",
	} {
		p := parse("internal/pages/page.md", link+"\n")
		if p.checkLinks([]*page{p, other}); len(p.wrong) != 1 || !strings.Contains(p.wrong[0], want) {
			t.Errorf("%s: %q", link, p.wrong)
		}
	}
}
