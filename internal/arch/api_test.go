package arch

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// public reports whether others can import the package. What is under examples is there to be
// read, and nobody is told to build on it.
func (p pkg) public() bool {
	path := "/" + strings.TrimPrefix(p.ImportPath, module) + "/"
	return p.own() && p.Name != "main" && len(p.GoFiles) > 0 &&
		!strings.Contains(path, "/internal/") && !under(p.ImportPath, "examples")
}

// TestExportedSymbolsAreTheReviewedOnes makes a new promise to those who import us a line in a
// diff: one file a package, one line a symbol.
func TestExportedSymbolsAreTheReviewedOnes(t *testing.T) {
	t.Parallel()
	all, err := graphs()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{} // file name, list
	for path, p := range all["linux"] {
		if p.public() {
			name := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
			got[strings.ReplaceAll(cmp.Or(name, "telemetry"), "/", "-")+".txt"] = exported(t, all, path)
		}
	}
	const dir = "testdata/api"
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		for name, list := range got {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(list), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	reviewed, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range reviewed {
		if _, ok := got[file.Name()]; !ok {
			t.Errorf("%s is the list of a package that is not there any more", file.Name())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if diff := difference(string(want), got[name]); diff != "" {
			t.Errorf("%s: other symbols than reviewed:\n%sif that is meant: go test ./internal/arch -update, and tell it in CHANGELOG.md", name, diff)
		}
	}
}

// What the root's page leads to is all that there is, and nothing that is not.
func TestTheRootsPageLeadsToEveryPublicPackage(t *testing.T) {
	t.Parallel()
	all, err := graphs()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`[a-zA-Z]+(?:[/-][a-zA-Z.-]+)*`).FindAllString(string(page), -1)
	for path, p := range all["linux"] {
		name := strings.TrimPrefix(path, module+"/")
		if p.public() && path != module && !slices.Contains(words, name) {
			t.Errorf("it does not name %s", name)
		}
	}
	for _, word := range words {
		if strings.Contains(word, "/") && word != "github.com/gotoolbase/telemetry" {
			if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(strings.TrimRight(word, ".")))); err != nil {
				t.Errorf("it names %s, which is not there", word)
			}
		}
	}
}

// exported lists what a package exports, with the systems where not all have it.
func exported(t *testing.T, all map[string]graph, path string) string {
	t.Helper()
	where := map[string][]string{}
	for _, goos := range systems {
		p := all[goos][path]
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				for _, symbol := range symbols(decl) {
					where[symbol] = append(where[symbol], goos)
				}
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# What %s exports.\n", path)
	for _, symbol := range slices.Sorted(maps.Keys(where)) {
		b.WriteString(symbol)
		if on := where[symbol]; len(on) < len(systems) {
			fmt.Fprintf(&b, " (%s)", strings.Join(on, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// symbols are the lines of what a declaration exports. Names of parameters are left out: a
// better one breaks nobody.
func symbols(decl ast.Decl) []string {
	var lines []string
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		switch {
		case !decl.Name.IsExported():
		case decl.Recv == nil:
			lines = append(lines, "func "+decl.Name.Name+signature(decl.Type))
		default:
			if on := source(decl.Recv.List[0].Type); ast.IsExported(strings.TrimLeft(on, "*")) {
				lines = append(lines, "func ("+on+") "+decl.Name.Name+signature(decl.Type))
			}
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() {
						lines = append(lines, strings.TrimSpace(decl.Tok.String()+" "+name.Name+" "+source(spec.Type)))
					}
				}
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					lines = append(lines, typeSymbols(spec)...)
				}
			}
		}
	}
	return lines
}

func typeSymbols(spec *ast.TypeSpec) []string {
	name := "type " + spec.Name.Name + parameters(spec.TypeParams)
	var lines []string
	member := func(kind string, field *ast.Field) {
		if len(field.Names) == 0 {
			lines = append(lines, name+" "+kind+", "+source(field.Type))
		}
		for _, n := range field.Names {
			if !n.IsExported() {
				continue
			}
			text := n.Name + " " + source(field.Type)
			if f, isFunc := field.Type.(*ast.FuncType); isFunc && kind == "interface" {
				text = n.Name + signature(f)
			}
			lines = append(lines, name+" "+kind+", "+text)
		}
	}
	switch of := spec.Type.(type) {
	case *ast.StructType:
		lines = append(lines, name+" struct")
		for _, field := range of.Fields.List {
			member("struct", field)
		}
	case *ast.InterfaceType:
		lines = append(lines, name+" interface")
		for _, method := range of.Methods.List {
			member("interface", method)
		}
	default:
		if spec.Assign.IsValid() {
			name += " ="
		}
		lines = append(lines, name+" "+source(spec.Type))
	}
	return lines
}

func signature(f *ast.FuncType) string {
	unnamed := func(list *ast.FieldList) []string {
		var types []string
		if list != nil {
			for _, field := range list.List {
				types = append(types, slices.Repeat([]string{source(field.Type)}, max(len(field.Names), 1))...)
			}
		}
		return types
	}
	text := parameters(f.TypeParams) + "(" + strings.Join(unnamed(f.Params), ", ") + ")"
	switch results := unnamed(f.Results); len(results) {
	case 0:
		return text
	case 1:
		return text + " " + results[0]
	default:
		return text + " (" + strings.Join(results, ", ") + ")"
	}
}

func parameters(list *ast.FieldList) string {
	if list == nil {
		return ""
	}
	var all []string
	for _, field := range list.List {
		for _, name := range field.Names {
			all = append(all, name.Name+" "+source(field.Type))
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// source is a type as it is written, in one line.
func source(expr ast.Expr) string {
	if expr == nil {
		return ""
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), expr); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
