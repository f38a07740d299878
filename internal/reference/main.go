//go:build !notelemetry

// Reference writes the parts of docs/reference that the code knows: every command's help, every
// field of a declaration and of an event, every backend and vendor with its settings. They stand
// between two comments in pages that people write. `make reference` runs it; its test fails where a
// page is not what it would write.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// parts are what is written where a page names it.
var parts = map[string]func(root string) (string, error){
	"tool":                   structure("core/props/props.go", "Tool"),
	"configuration":          structure("core/props/telemetry.go", "TelemetryConfig"),
	"an event's declaration": structure("core/props/events.go", "EventSpec"),
	"a field's declaration":  structure("core/props/events.go", "Field"),
	"event":                  structure("core/driver/event.go", "Event"),
	"backends":               backends,
	"vendors":                vendors,
	"telemetry commands":     ofTheTool,
	"telemetry":              program("telemetry", "ask", "check", "exec", "track"),
	"telemetry-relay":        program("telemetry-relay"),
	"telemetry-conformance":  program("telemetry-conformance"),
}

func run(root string) error {
	pages, err := written(root)
	if err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

var part = regexp.MustCompile(`(?s)(<!-- make reference: ([^\n]+) -->\n).*?(<!-- end -->\n)`)

// written returns the pages of reference as they have to be.
func written(root string) (map[string]string, error) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "reference", "*.md"))
	if err != nil {
		return nil, err
	}
	pages, used := map[string]string{}, map[string]bool{}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var wrong error
		text := part.ReplaceAllStringFunc(string(content), func(old string) string {
			m := part.FindStringSubmatch(old)
			write := parts[m[2]]
			if write == nil {
				wrong = fmt.Errorf("%s: there is no part %q", name, m[2])
				return old
			}
			used[m[2]] = true
			now, err := write(root)
			if err != nil {
				wrong = fmt.Errorf("%s: %s: %w", name, m[2], err)
				return old
			}
			return m[1] + "\n" + strings.TrimSpace(now) + "\n\n" + m[3]
		})
		if wrong != nil {
			return nil, wrong
		}
		pages[name] = text
	}
	for name := range parts {
		if !used[name] {
			return nil, fmt.Errorf("no page has the part %q", name)
		}
	}
	return pages, nil
}

var link = regexp.MustCompile(`\[([A-Z][\w.]*|\w+\.[A-Z][\w.]*)\]`)

// structure returns the fields of a struct with their comments, by the names that they have in
// JSON where they have some.
func structure(file, name string) func(root string) (string, error) {
	return func(root string) (string, error) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(file)), nil, parser.ParseComments)
		if err != nil {
			return "", err
		}
		fields := find(f, name)
		if fields == nil {
			return "", fmt.Errorf("%s has no struct %s", file, name)
		}
		var w strings.Builder
		names, comment := "", "" // a comment is of the fields up to the next one
		flush := func() {
			if names != "" {
				w.WriteString(item(names + ": " + comment))
			}
			names = ""
		}
		for _, field := range fields.List {
			for i, id := range field.Names {
				if field.Doc != nil && i == 0 {
					flush()
					comment = told(field.Doc.Text(), id.Name)
				}
				shown, always := id.Name, ""
				if tag := inJSON(field); tag != "" {
					var rest string
					shown, rest, _ = strings.Cut(tag, ",")
					if rest == "" {
						always = ", always there"
					}
				}
				if names != "" {
					names += ", "
				}
				names += fmt.Sprintf("`%s` (%s%s)", shown, typeOf(field.Type), always)
			}
		}
		flush()
		return namedAsInJSON(w.String(), fields), nil
	}
}

// inJSON is the tag of a field for JSON, empty where there is none.
func inJSON(field *ast.Field) string {
	if field.Tag == nil {
		return ""
	}
	return reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
}

var inner = regexp.MustCompile(`.[A-Z]`)

// namedAsInJSON has comments speak of a field by its name in JSON, where its name in Go is no word.
func namedAsInJSON(text string, fields *ast.FieldList) string {
	for _, field := range fields.List {
		name, _, _ := strings.Cut(inJSON(field), ",")
		if name != "" && inner.MatchString(field.Names[0].Name) && len(field.Names[0].Name) > len("ID") {
			text = regexp.MustCompile(`\b`+field.Names[0].Name+`\b`).ReplaceAllString(text, "`"+name+"`")
		}
	}
	return text
}

// find returns the fields of a struct of a file.
func find(f *ast.File, name string) *ast.FieldList {
	for _, d := range f.Decls {
		decl, is := d.(*ast.GenDecl)
		if !is {
			continue
		}
		for _, s := range decl.Specs {
			if spec, is := s.(*ast.TypeSpec); is && spec.Name.Name == name {
				if t, is := spec.Type.(*ast.StructType); is {
					return t.Fields
				}
			}
		}
	}
	return nil
}

// told is a comment as a text of a page: its paragraphs follow one another, and the name that it
// begins with is left out, which stands there already.
func told(comment, name string) string {
	text := link.ReplaceAllString(strings.Join(strings.Fields(comment), " "), "`$1`")
	named := regexp.MustCompile(`^` + name + ` (?:and \w+ )?(?:(?:is|are) )?`)
	rest := named.ReplaceAllString(text, "")
	if rest == text || strings.HasPrefix(rest, "n ") { // a letter that stands for a number stays small
		return text
	}
	return capital(rest)
}

// item is an entry of a list, in lines for a terminal.
func item(text string) string {
	const columns = 110
	var w strings.Builder
	line := "-"
	for _, word := range strings.Fields(text) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			w.WriteString(line + "\n")
			line = " "
		}
		line += " " + word
	}
	return w.String() + line + "\n"
}

// typeOf says a type of Go in words for those who write YAML or JSON.
func typeOf(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return typeOf(t.X)
	case *ast.ArrayType:
		return "list of " + typeOf(t.Elt)
	case *ast.MapType:
		return "names and values"
	case *ast.SelectorExpr:
		switch t.Sel.Name {
		case "Time", "Duration":
			return strings.ToLower(t.Sel.Name)
		}
		return "`" + t.X.(*ast.Ident).Name + "." + t.Sel.Name + "`"
	case *ast.Ident:
		switch {
		case t.Name == "string":
			return "text"
		case t.Name == "bool":
			return "yes or no"
		case strings.HasPrefix(t.Name, "int"):
			return "number"
		}
		return "`" + t.Name + "`"
	}
	return "value"
}
