package translations

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// tables are the tables by the files that hold them.
var tables = map[string]console.Messages{"german.go": German, "japanese.go": Japanese}

// listed is the list of all texts.
const listed = "../../core/console/messages.txt"

func TestEveryTextIsTranslated(t *testing.T) {
	t.Parallel()
	for file, table := range tables {
		missing, unknown := table.Check()
		for _, text := range missing {
			t.Errorf("core/console prints a text that examples/translations/%s does not translate; add it there, where core/console/messages.txt has it:\n\t%s: \"\",",
				file, strconv.Quote(text))
		}
		for _, text := range unknown {
			t.Errorf("examples/translations/%s translates what core/console no longer prints, or with other verbs; correct or delete it:\n\t%s: %s",
				file, strconv.Quote(text), strconv.Quote(table[text]))
		}
	}
}

// The order makes it easy to see a table beside the list.
func TestTheTablesAreInTheOrderOfTheList(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(listed)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(content)) {
		text, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
	}
	for file, table := range tables {
		want := slices.DeleteFunc(slices.Clone(want), func(text string) bool { return table[text] == "" })
		for i, key := range keysIn(t, file) {
			if i >= len(want) || key != want[i] {
				t.Errorf("%s: entry %d is %q; the list has %q there", file, i+1, key, want[min(i, len(want)-1)])
				break
			}
		}
	}
}

// keysIn returns the keys of the table in a file.
func keysIn(t *testing.T, name string) (keys []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		pair, is := n.(*ast.KeyValueExpr)
		if is {
			keys = append(keys, constant(t, pair.Key))
		}
		return !is
	})
	if len(keys) == 0 {
		t.Fatalf("%s has no table", name)
	}
	return keys
}

func constant(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return constant(t, e.X) + constant(t, e.Y)
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	}
	t.Fatalf("a key is %T and no string", e)
	return ""
}

// alike are texts that are the same in the other language.
var alike = map[string][]string{
	"german.go": {
		", ", "%[1]s: %[2]s", "%[1]s %[2]s", "%[1]s (%[2]s)", "%[1]s, in %[2]s", "%s …", "ID", "NAME",
	},
	"japanese.go": {"ID", "[y/N]", "%s …"},
}

func TestNothingIsLeftInEnglish(t *testing.T) {
	t.Parallel()
	for file, table := range tables {
		for text, translation := range table {
			if same := text == translation; same != slices.Contains(alike[file], text) {
				t.Errorf("%s: %q is %q", file, text, translation)
			}
		}
	}
}

// names are what people type or look for as it is: flags, variables, files, addresses.
var names = regexp.MustCompile("--[a-z]+(-[a-z]+)*|[A-Z]+_[A-Z_]+(=[a-z]+)?|=off|=on|[A-Za-z/.]+\\.(md|json|check|com/[a-z/]+)|go run .*|MiB|Ctrl|[0-9]{4}-[0-9]{2}-[0-9]{2}|`")

func TestWhatPeopleTypeIsNotTranslated(t *testing.T) {
	t.Parallel()
	found := 0
	for file, table := range tables {
		for text, translation := range table {
			for _, name := range names.FindAllString(text, -1) {
				found++
				if name == "Ctrl" && file == "german.go" {
					name = "Strg" // the word on German keyboards
				}
				if strings.Count(translation, name) < strings.Count(text, name) {
					t.Errorf("%s: %q lacks %s", file, translation, name)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("%d names were looked for", found)
	}
}

func TestNoAnswerIsBothYesAndNo(t *testing.T) {
	t.Parallel()
	for file, table := range tables {
		yes, no := strings.Fields("y yes "+table["y yes"]), strings.Fields("n no "+table["n no"])
		for _, word := range yes {
			if slices.Contains(no, word) {
				t.Errorf("%s: %q is both", file, word)
			}
		}
		if letter := strings.ToLower(table["[y/N]"][1:2]); !slices.Contains(yes, letter) || !strings.Contains(table["Please type y or n."], letter) {
			t.Errorf("%s: the question offers %q", file, letter)
		}
	}
}

// A help is printed with its own line breaks: no line is wider than the widest English one.
func TestHelpIsNoWiderThanInEnglish(t *testing.T) {
	t.Parallel()
	widest := func(text string) (n int) {
		for line := range strings.Lines(text) {
			n = max(n, screen.Width(strings.TrimSuffix(line, "\n")))
		}
		return n
	}
	limit := 0
	for text := range German {
		if strings.Contains(text, "\n") {
			limit = max(limit, widest(text))
		}
	}
	for file, table := range tables {
		for text, translation := range table {
			if strings.Contains(text, "\n") && widest(translation) > limit {
				t.Errorf("%s: %d columns, not %d:\n%s", file, widest(translation), limit, translation)
			}
		}
	}
}

func TestTheLanguageIsThatOfTheFirstVariableThatIsSet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		env  map[string]string
		want console.Messages
	}{
		{nil, nil},
		{map[string]string{"LANG": "de_AT.UTF-8"}, German},
		{map[string]string{"LANG": "ja_JP.utf8"}, Japanese},
		{map[string]string{"LANG": "de"}, German},
		{map[string]string{"LANG": "de_DE@euro"}, German},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, Japanese},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8"}, nil},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}, German},
		{map[string]string{"LANG": "ja_JP.eucJP"}, nil},
		{map[string]string{"LANG": "den_CA"}, nil},
	} {
		got := For(func(name string) (string, bool) { value, set := test.env[name]; return value, set })
		if got["en"] != test.want["en"] {
			t.Errorf("%v: %q, want %q", test.env, got["en"], test.want["en"])
		}
	}
}
