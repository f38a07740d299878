package page

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	stdhtml "html"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

var update = flag.Bool("update", false, "rewrite texts.go")

func english(text string) string { return text }

// show returns the document for a query.
func show(d Data, query string) string {
	return (&view{Data: d, query: readQuery(query), markup: &markup{tr: english}, lang: "en", ends: time.Now()}).document()
}

func TestAValueIsEscapedCleanedAndCut(t *testing.T) {
	t.Parallel()
	m := &markup{tr: english}
	m.add(`<a href="{}">{}</a>`, `"'<>&{}`, "a\nb\u202ec"+strings.Repeat("é", maxValue))
	want := `<a href="&#34;&#39;&lt;&gt;&amp;{}">a b c` + strings.Repeat("é", (maxValue-5)/2) + `…</a>`
	if got := m.b.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestJSONIsLaidOutForReading(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":[1,true],"b":{},"c":[ ],"d":"x, {y} \" z"}`: "{\n  \"a\": [\n    1,\n    true\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": \"x, {y} \\\" z\"\n}",
		`{"a":"cut off he`: "{\n  \"a\": \"cut off he",
		`]]}{`:             "\n]\n]\n}{\n  ",
	} {
		m := &markup{tr: english}
		m.json(in, "")
		if got := text(m.b.String()); got != want {
			t.Errorf("%s:\n%q\nwant\n%q", in, got, want)
		}
	}
}

var tag = regexp.MustCompile(`<[^>]*>`)

// text is what a reader sees of markup.
func text(markup string) string { return stdhtml.UnescapeString(tag.ReplaceAllString(markup, "")) }

func FuzzJSONLosesNothingAndAddsNoMarkup(f *testing.F) {
	f.Add(`{"a":[1,"<script>",{}],"b":"\u202e"}`, "scr")
	f.Add("[[[\xff\x00<", "\xff")
	f.Fuzz(func(t *testing.T, in, search string) {
		// Each byte may become an element of its own, in a text that doubles.
		fuzzing.Allocs(t, len(in), 16<<10, 512, func() { (&markup{tr: english}).json(in, search) })
		m := &markup{tr: english}
		m.json(in, search)
		got := m.b.String()
		for _, found := range tag.FindAllString(got, -1) {
			if !slices.Contains([]string{"<span>", `<span class="n">`, `<span class="k">`, "</span>", "<mark>", "</mark>"}, found) {
				t.Errorf("%q became %q", in, found)
			}
		}
		// A search may end inside of a character that is not valid.
		if search == "" && bare(text(got)) != bare(plaintext.Clean(in)) {
			t.Errorf("%q became %q", in, text(got))
		}
	})
}

// bare is text without spaces, and without question marks, of which a row of invalid bytes
// becomes one or several.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '?' {
			return -1
		}
		return r
	}, text)
}

func deliveries(bodies ...string) Data {
	d := Data{Tool: "mytool"}
	for i, body := range bodies {
		d.Sent.Deliveries = append(d.Sent.Deliveries, Delivery{To: fmt.Sprint("sink-", i), Status: "200", Body: body})
	}
	d.Sent.Total = len(bodies)
	return d
}

func TestANumberThatIsNotKnownIsNone(t *testing.T) {
	t.Parallel()
	html := show(Data{DeliveriesUnknown: true, WaitingUnknown: true}, "")
	head, _, _ := strings.Cut(html, "</header>")
	if n := strings.Count(head, "not known"); n != 3 || strings.Contains(html, "Nothing waits.") {
		t.Errorf("%d of 3 numbers are said not to be known", n)
	}
}

func TestTheLogIsSearched(t *testing.T) {
	t.Parallel()
	d := deliveries(`{"name":"Build"}`, `{"name":"test"}`, "not JSON, a build\nof lines", strings.Repeat("x", maxBody)+"build")
	got := show(d, "q=bUiLd")
	for _, want := range []string{`&#34;<mark>Build</mark>&#34;`, `a <mark>build</mark>` + "\nof lines", "Found “bUiLd” in 3 of 4 deliveries", `value="bUiLd"`, "in the part that is cut"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if strings.Contains(got, "sink-1") {
		t.Error("what was not found is there")
	}
	if got := show(d, "q=nothing+like+it"); !strings.Contains(got, "in 0 of 4") || strings.Contains(got, "sink-") {
		t.Error("a search without a result shows something")
	}
	if got := show(d, "q=%3Cscript%3E%22+x"); strings.Contains(got, "<script") || !strings.Contains(got, `value="&lt;script&gt;&#34; x"`) {
		t.Error("the search itself is taken for markup")
	}
}

func TestTheLogIsShownInPages(t *testing.T) {
	t.Parallel()
	bodies := make([]string, 25)
	for i := range bodies {
		bodies[i] = "build"
	}
	d := deliveries(bodies...)
	for query, want := range map[string][]string{
		"":                 {"1 to 10 of 25", `href="?sent=2#sent" rel="next"`},
		"sent=2&q=build":   {"11 to 20 of 25", `href="?q=build#sent" rel="prev"`, `href="?q=build&amp;sent=3#sent" rel="next"`},
		"sent=3":           {"21 to 25 of 25"},
		"sent=99999999999": {"21 to 25 of 25"},
		"sent=-1":          {"1 to 10 of 25"},
		"sent=x;%zz":       {"1 to 10 of 25"},
	} {
		got := show(d, query)
		for _, want := range want {
			if !strings.Contains(got, want) {
				t.Errorf("%q: there is no %q", query, want)
			}
		}
	}
}

func TestOnlyAnAddressOfTheWebIsLinked(t *testing.T) {
	t.Parallel()
	for address, linked := range map[string]bool{
		"https://example.com/privacy": true, "http://example.com": true,
		"javascript:alert(1)": false, "data:text/html,x": false, " https://example.com": false, "mailto:a@example.com": false,
	} {
		got := show(Data{Receiver: Receiver{PrivacyURL: address}}, "")
		if strings.Contains(got, `href="`+address+`" target="_blank" rel="noopener noreferrer"`) != linked || !strings.Contains(got, address) {
			t.Errorf("%s: linked, or not there", address)
		}
	}
}

func TestHeadingsAreInOrder(t *testing.T) {
	t.Parallel()
	d := deliveries("x")
	d.Decisions = []Decision{{}}
	d.Activity = Activity{Days: []Day{{}}, Commands: []CommandCount{{}}}
	level := 0
	for _, h := range regexp.MustCompile(`<h([1-6])`).FindAllStringSubmatch(show(d, ""), -1) {
		n, _ := strconv.Atoi(h[1])
		if n > level+1 || n == 1 && level > 0 {
			t.Errorf("h%d after h%d", n, level)
		}
		level = n
	}
	if level == 0 {
		t.Error("there is no heading")
	}
}

// said are the texts that the source says, found where they stand.
func said(t *testing.T) map[string]bool {
	t.Helper()
	texts := map[string]bool{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			at := -1
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				if f.Sel.Name == "say" {
					at = 0
				}
			case *ast.Ident:
				if f.Name == "refusal" {
					at = 1
				}
			}
			if at < 0 {
				return true
			}
			literal, ok := call.Args[at].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: a text that is no literal cannot be listed", file.Name())
				return true
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			texts[value] = true
			return true
		})
	}
	return texts
}

func TestTextsAreAllThatThePageSays(t *testing.T) {
	t.Parallel()
	want := slices.Sorted(maps.Keys(said(t)))
	if *update {
		var b strings.Builder
		b.WriteString("package page\n\n// Texts returns what the page says in its own words, for who translates it: see\n// Options.Translate. Tests write it and hold it to the source.\nfunc Texts() []string {\n\treturn []string{\n")
		for _, text := range want {
			fmt.Fprintf(&b, "\t\t%q,\n", text)
		}
		b.WriteString("\t}\n}\n")
		if err := os.WriteFile("texts.go", []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := Texts(); !slices.Equal(got, want) {
		t.Errorf("texts.go is not what is said; go test ./core/console/internal/page -run Texts -args -update")
	}
}
