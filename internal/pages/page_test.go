package pages

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the repository, seen from the directory in which the tests run.
const root = "../.."

// page is a Markdown file.
type page struct {
	path   string // from the root
	text   string
	prose  []string // its lines, blocks left empty
	blocks []*block
	// notes are those of the whole page.
	notes []note
	wrong []string
}

// block is a fenced block.
type block struct {
	language, info string // the first word after the fence, and the rest of that line
	lines          []string
	at             int // the line of its fence, from 1
	notes          []note
	// follows says that nothing stands between it and the block before.
	follows bool
}

func (b *block) text() string { return strings.Join(b.lines, "\n") + "\n" }

// note is a comment for the tests: the words "held by", "from" or "not run:", and what comes after.
type note struct{ kind, of string }

var (
	fence   = regexp.MustCompile("^( *)(```+)(.*)$")
	comment = regexp.MustCompile(`^<!-- (held by|from|not run:) (\S.*?) -->$`)
)

// parse reads a page. Blocks that are indented by four spaces and have no fence are text.
func parse(path, text string) *page {
	p := &page{path: path, text: text}
	var (
		b        *block
		end      string // the fence that ends b
		indent   string
		notes    []note
		sections bool // the first ## was there
		between  bool // something stands between here and the block before
	)
	for i, line := range strings.Split(text, "\n") {
		if b != nil {
			if strings.TrimSpace(line) == end {
				p.blocks, b = append(p.blocks, b), nil
			} else {
				b.lines = append(b.lines, strings.TrimPrefix(line, indent))
			}
			p.prose = append(p.prose, "")
			continue
		}
		if m := fence.FindStringSubmatch(line); m != nil && len(m[1]) < 4 {
			language, info, _ := strings.Cut(strings.TrimSpace(m[3]), " ")
			b, indent, end = &block{language: language, info: info, at: i + 1, notes: notes, follows: len(p.blocks) > 0 && !between}, m[1], m[2]
			notes, between = nil, false
			p.prose = append(p.prose, "")
			continue
		}
		p.prose = append(p.prose, line)
		if m := comment.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			notes = append(notes, note{m[1], m[2]})
			continue
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		between = true
		if len(notes) > 0 && sections {
			p.fault(i+1, "the comment before this is of no block")
		} else {
			p.notes = append(p.notes, notes...)
		}
		notes = nil
		sections = sections || strings.HasPrefix(line, "## ")
	}
	if b != nil {
		p.fault(b.at, "a block that does not end")
	}
	if len(notes) > 0 {
		p.fault(len(p.prose), "the comment at the end is of no block")
	}
	return p
}

func (p *page) fault(line int, format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf("%s:%d: %s", p.path, line, fmt.Sprintf(format, args...)))
}

// about returns what a note of a kind says of a block, by itself or for all of its page.
func (p *page) about(b *block, kind string) string {
	for _, notes := range [][]note{b.notes, p.notes} {
		for _, n := range notes {
			if n.kind == kind {
				return n.of
			}
		}
	}
	return ""
}

// left says that this package has nothing to do with a block.
func (p *page) left(b *block) bool {
	return p.about(b, "held by") != "" || p.about(b, "not run:") != ""
}

// first returns the name of a file that the first line of a block is: "# name" or "// name".
func (b *block) first() string {
	if len(b.lines) == 0 {
		return ""
	}
	m := regexp.MustCompile(`^(?:#|//) ([\w./-]+\.\w+|Dockerfile|Makefile)$`).FindStringSubmatch(b.lines[0])
	if m == nil || !filepath.IsLocal(m[1]) {
		return ""
	}
	return m[1]
}

// file is the name under which a reader keeps a block, "" where it is none to keep.
func (p *page) file(b *block) string {
	from := p.about(b, "from")
	switch name := b.first(); {
	case b.language == "go" && !b.whole():
		return ""
	case name != "":
		return name
	case from != "" && (b.language == "go" || b.language == "sh"):
		return path.Base(from)
	case b.language == "go":
		return cmp.Or(b.info, "main.go")
	}
	return ""
}

// read returns every page of the repository.
func read(t *testing.T) []*page {
	t.Helper()
	var pages []*page
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		path, err = filepath.Rel(root, path)
		pages = append(pages, parse(filepath.ToSlash(path), strings.ReplaceAll(string(text), "\r\n", "\n")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) == 0 {
		t.Fatal("there is no page")
	}
	return pages
}
