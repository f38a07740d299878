package pages

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/toolfile"
)

func TestEveryBlockIsHeldOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	for _, p := range read(t) {
		p.checkBlocks()
		p.report(t)
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	pages := read(t)
	for _, p := range pages {
		p.wrong = nil
		p.checkLinks(pages)
		p.report(t)
	}
}

func (p *page) report(t *testing.T) {
	t.Helper()
	for _, w := range p.wrong {
		t.Error(w)
	}
}

// languages are those of which more is asked, and those that are there to be read.
var languages = []string{
	"go", "sh", "console", "text", "yaml", "json",
	"diff", "dockerfile", "ini", "powershell", "python", "sql", "toml",
}

// checkBlocks looks at all that can be seen without running anything.
func (p *page) checkBlocks() {
	for i, b := range p.blocks {
		for _, n := range slices.Concat(b.notes, p.notes) {
			p.checkNote(b, n)
		}
		from := p.about(b, "from")
		switch {
		case b.language == "":
			p.fault(b.at, "a block without a language: write ```text for what is none")
		case !slices.Contains(languages, b.language):
			p.fault(b.at, "%q is not among the languages of blocks: %s", b.language, strings.Join(languages, ", "))
		case p.left(b):
		case from != "":
			p.mustOccur(b, from)
		case b.language == "go" && !b.whole():
			if from = b.info; from == "" {
				p.fault(b.at, "an excerpt that names no file: write <!-- from examples/plain/main.go --> before it, or give it a package clause")
			} else {
				p.mustOccur(b, from)
			}
		case b.language == "console" && !slices.ContainsFunc(p.blocks[:i], p.run):
			p.fault(b.at, "no commands before it print this")
		case b.language == "yaml":
			p.checkYAML(b)
		case b.language == "json":
			p.checkJSON(b)
		case slices.Contains([]string{"python", "sql", "powershell"}, b.language) && b.first() == "":
			p.fault(b.at, "a program in %s that nothing runs: name its file in the first line and run it, or say which test holds it", b.language)
		}
	}
}

// checkNote holds a comment to being true and needed.
func (p *page) checkNote(b *block, n note) {
	switch n.kind {
	case "held by":
		test, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(n.of)))
		if err != nil || !strings.HasSuffix(n.of, "_test.go") {
			p.fault(b.at, "held by %s: there is no such test", n.of)
		} else if !strings.Contains(string(test), path.Base(p.path)) {
			p.fault(b.at, "held by %s: it does not name this page", n.of)
		}
	case "not run:":
		if b.language == "text" && !b.follows && slices.Contains(b.notes, n) {
			p.fault(b.at, "not run: a ```text block is not run anyway")
		}
	}
}

// leftOut are lines of an excerpt that stand for others.
var leftOut = []string{"…", "// …", "# …", "...", "// ..."}

// whole says that a block of Go is a file.
func (b *block) whole() bool {
	return b.language == "go" && clause.MatchString(b.text()) && !slices.ContainsFunc(bare(b.lines), func(line string) bool {
		return slices.Contains(leftOut, line)
	})
}

var clause = regexp.MustCompile(`(?m)^package (\w+)$`)

// run says that the commands of a block are run.
func (p *page) run(b *block) bool {
	return b.language == "sh" && !p.left(b) && p.about(b, "from") == ""
}

// mustOccur holds a block to a file: its lines are there, in their order, and next to one
// another but where "…" or "..." leaves some out. How far they are indented does not matter. What a
// reader keeps as a file is all of it.
func (p *page) mustOccur(b *block, file string) {
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		p.fault(b.at, "from %s: there is no such file", file)
		return
	}
	lines := bare(strings.Split(string(content), "\n"))
	if p.file(b) != "" && !slices.Equal(lines, bare(b.lines)) {
		p.fault(b.at, "this is not all of %s, or not the same", file)
		return
	}
	var part []string
	for _, line := range append(bare(b.lines), "…") {
		if !slices.Contains(leftOut, line) {
			part = append(part, line)
			continue
		}
		at := find(lines, part)
		if at < 0 {
			p.fault(b.at, "this does not stand in %s, or not in this order:\n%s", file, strings.Join(part, "\n"))
			return
		}
		lines, part = lines[at+len(part):], nil
	}
}

// bare returns lines without what is around them, and without empty ones.
func bare(lines []string) []string {
	var all []string
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func find(lines, part []string) int {
	for i := range len(lines) - len(part) + 1 {
		if slices.Equal(lines[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// checkYAML reads a block as what reads it does. A gateway's file is read by a test of relaycmd.
func (p *page) checkYAML(b *block) {
	keys := map[string]any{}
	if err := yaml.Unmarshal([]byte(b.text()), &keys); err != nil {
		p.fault(b.at, "%v", err)
		return
	}
	_, tool := keys["Name"]
	_, gateway := keys["listen"]
	switch {
	case tool:
		if _, err := toolfile.Parse([]byte(b.text()), amplitude.Driver(), datadog.Driver(), otlp.Driver(), posthog.Driver(), segment.Driver()); err != nil {
			p.fault(b.at, "not a tool's file: %v", err)
		}
	case !gateway && b.first() == "":
		p.fault(b.at, "neither a tool's file nor a gateway's: name its file in the first line, or say why it is not run")
	}
}

func (p *page) checkJSON(b *block) {
	text := b.text()
	if b.first() != "" {
		_, text, _ = strings.Cut(text, "\n")
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	for {
		var value any
		if err := decoder.Decode(&value); err == io.EOF {
			return
		} else if err != nil {
			p.fault(b.at, "not JSON: %v", err)
			return
		}
	}
}

var (
	inline  = regexp.MustCompile("(`+)[^`].*?(`+)")
	link    = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)`)
	defined = regexp.MustCompile(`^ {0,3}\[[^\]^]+\]: +<?(\S+?)>?(?: |$)`)
	tag     = regexp.MustCompile(`<(?:a|img|source)\b[^>]*\b(?:href|src|srcset)="([^"]+)"`)
	heading = regexp.MustCompile(`^#{1,6} +(.*?)(?: +#+)?$`)
)

func (p *page) checkLinks(pages []*page) {
	for i, line := range p.prose {
		if strings.HasPrefix(line, "    ") {
			continue // text
		}
		line = inline.ReplaceAllString(line, "")
		for _, form := range []*regexp.Regexp{link, defined, tag} {
			for _, m := range form.FindAllStringSubmatch(line, -1) {
				if problem := p.follow(m[1], pages); problem != "" {
					p.fault(i+1, "%s: %s", m[1], problem)
				}
			}
		}
	}
}

// follow returns why a link leads nowhere. What others than this repository have is not looked at.
func (p *page) follow(target string, pages []*page) string {
	u, err := url.Parse(target)
	if err != nil {
		return "not a link"
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	if strings.HasPrefix(u.Path, "/") {
		return "begins at a root that a forge and a checkout do not share"
	}
	to := p.path
	if u.Path != "" {
		to = path.Join(path.Dir(p.path), u.Path)
		if !filepath.IsLocal(filepath.FromSlash(to)) {
			return "leaves the repository"
		}
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
			return "there is no such file"
		}
	}
	if u.Fragment == "" {
		return ""
	}
	for _, other := range pages {
		if other.path == to {
			if !slices.Contains(other.anchors(), u.Fragment) {
				return "the page has no such heading"
			}
			return ""
		}
	}
	return "" // a line of a file
}

// anchors are the names under which a forge has the headings of a page.
func (p *page) anchors() []string {
	var all []string
	for _, line := range p.prose {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		text := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(m[1], "$1")
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
				return unicode.ToLower(r)
			}
			return -1
		}, text)
		unique := name
		for n := 1; slices.Contains(all, unique); n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		all = append(all, unique)
	}
	return all
}

// The programs of all pages are vetted together, in a module that is not this one. One that is a
// part of a file of this repository is compiled there.
func TestEveryProgramCompiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stranger(t, dir)
	where := map[string]string{} // of each folder, its page
	for n, p := range read(t) {
		taken := map[string]int{}
		for _, b := range p.blocks {
			if !b.whole() || p.left(b) || p.about(b, "from") != "" {
				continue
			}
			name := p.file(b)
			// A second main.go of a page is another program.
			folder := fmt.Sprintf("page%d_%d", n, taken[name])
			taken[name]++
			where[folder] = fmt.Sprintf("%s:%d", p.path, b.at)
			write(t, filepath.Join(dir, folder, name), b.text())
		}
	}
	if len(where) == 0 {
		return
	}
	cmd := exec.Command("go", "vet", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "PWD="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		text := string(out)
		for folder, page := range where {
			text = strings.ReplaceAll(text, folder+string(filepath.Separator), page+": ")
		}
		t.Errorf("%v\n%s", err, text)
	}
}

// stranger makes a module that knows this one from here, and all others as this one does.
func stranger(t *testing.T, dir string) {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), "module example.com/reader\n\n"+regexp.MustCompile(`(?m)^go .*$`).FindString(string(mod))+
		"\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+here+"\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.sum"), string(sums))
}

const module = "github.com/gotoolbase/telemetry"

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
