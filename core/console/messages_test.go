package console

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/driver"
)

var update = flag.Bool("update", false, "rewrite messages.txt and the golden files")

// textArguments are the arguments of the functions that take texts.
var textArguments = map[string][]int{
	"text": {0}, "errorf": {0}, "say": {0}, "count": {1, 2}, "command": {1, 2}, "addBool": {2}, "askTheAuthors": {0},
	"isOneOf": {1}, "couldNotStore": {1}, "countErrorf": {1, 2},
}

// textsInCode returns the texts of this package, in the order of its files.
func textsInCode(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	add := func(text string) {
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			function := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				function = f.Sel.Name
			case *ast.Ident:
				function = f.Name
			}
			for _, i := range textArguments[function] {
				if i >= len(call.Args) {
					continue
				}
				if text, ok := constant(call.Args[i]); ok {
					add(text)
				} else if _, plain := call.Args[i].(*ast.BinaryExpr); plain {
					t.Errorf("%s: a text that is put together cannot be translated", set.Position(call.Pos()))
				}
			}
			return true
		})
	}
	for _, f := range fieldWords {
		if f.words != "" {
			add(f.words)
		}
	}
	for _, state := range steps {
		add(string(state))
	}
	for _, text := range page.Texts() {
		add(text)
	}
	for _, reason := range slices.Sorted(maps.Keys(reasonWords())) {
		add(reasonWords()[reason])
	}
	for _, class := range slices.Sorted(maps.Keys(answerWords())) {
		add(answerWords()[class])
	}
	for _, class := range slices.Sorted(maps.Keys(sentWords())) {
		add(sentWords()[class])
	}
	for _, name := range layerNames {
		add(name)
	}
	for _, detail := range layerDetails {
		add(detail)
	}
	for _, format := range slices.Sorted(maps.Keys(formatWords())) {
		add(formatWords()[format])
	}
	for class := driver.ClassAccepted; class <= driver.ClassPartial; class++ {
		add(class.String())
	}
	for _, err := range []error{core.ErrOff, core.ErrLocal, core.ErrBusy} {
		add(err.Error())
	}
	return texts
}

// constant returns the string that is written down in an expression.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok1 := constant(e.X)
		right, ok2 := constant(e.Y)
		return left + right, ok1 && ok2 && e.Op == token.ADD
	case *ast.ParenExpr:
		return constant(e.X)
	}
	return "", false
}

func TestTheListOfTextsIsComplete(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, text := range textsInCode(t) {
		b.WriteString(strconv.Quote(text) + "\n")
	}
	if *update {
		if err := os.WriteFile("messages.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if allTexts != b.String() {
		t.Error("messages.txt is not what the code prints; go test ./core/console -run TestTheListOfTexts -update")
	}
}

func TestATableIsCheckedForWhatIsMissingAndWhatIsUnknown(t *testing.T) {
	t.Parallel()
	all := textsInCode(t)
	table := Messages{}
	for _, text := range all {
		table[text] = text
	}
	if missing, unknown := table.Check(); len(missing)+len(unknown) > 0 {
		t.Errorf("missing %q, unknown %q", missing, unknown)
	}
	delete(table, "Thank you.")
	table["Thanks."] = "Danke."
	table["To turn it off: %s"] = "Ausschalten: %d"
	table["Sent %[1]d event to %[2]s."] = "An %[2]s wurde %[1]d Ereignis gesendet."
	missing, unknown := table.Check()
	if !slices.Equal(missing, []string{"Thank you."}) || !slices.Equal(unknown, []string{"Thanks.", "To turn it off: %s"}) {
		t.Errorf("missing %q, unknown %q", missing, unknown)
	}
}

func TestTheNamesOfLayersAreInTheList(t *testing.T) {
	t.Parallel()
	d := consent.Decide(consent.Input{Tool: "mytool", Lookup: func(string) (string, bool) { return "", false }})
	var names []string
	for _, layer := range d.Layers {
		if strings.ToUpper(layer.Name) != layer.Name { // no variable
			names = append(names, layer.Name)
		}
	}
	nobody := consent.Decide(consent.Input{Feature: true, Tool: "mytool", Lookup: func(string) (string, bool) { return "", false }})
	if names = append(names, nobody.Decider); !slices.Equal(names, layerNames) {
		t.Errorf("layers are %q, listed %q", names, layerNames)
	}
}

// What is not in the list is printed in English to somebody who reads another language.
func TestTheDetailsOfLayersAreInTheList(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 2, 3, 14, 5, 6, 0, time.UTC)
	found := map[string]bool{}
	decide := func(in consent.Input, variables map[string]string) {
		in.Tool = "mytool"
		if in.Policy.Detail == "" {
			in.Policy = consent.ReadPolicies() // as without a file
		}
		in.Lookup = func(name string) (string, bool) { value, set := variables[name]; return value, set }
		for _, layer := range consent.Decide(in).Layers {
			detail := strings.ReplaceAll(layer.Detail, day.Format(time.DateOnly), "%s")
			found[detail] = true
			if !slices.Contains(layerDetails, detail) {
				t.Errorf("%q is not in the list", detail)
			}
		}
	}
	for _, answer := range []consent.Answer{consent.AnswerNone, consent.AnswerNo, consent.AnswerYes, consent.AnswerLocal} {
		decide(consent.Input{Feature: true, Stored: consent.Stored{Answer: answer, At: day}}, nil)
	}
	decide(consent.Input{Omitted: true, Stored: consent.Stored{Answer: consent.AnswerNo}}, nil)
	for _, value := range []string{"1", "0", "perhaps"} {
		decide(consent.Input{}, map[string]string{"DO_NOT_TRACK": value, consent.EnvName("mytool"): value, "TELEMETRY_LOCAL": value})
	}
	const receiver = "receiver httpjson https://collector.example.com/events"
	for _, text := range []string{"off", "on", "local", "perhaps", receiver, "on\n" + receiver} {
		path := filepath.Join(t.TempDir(), "policy")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		decide(consent.Input{Policy: consent.ReadPolicies(path)}, nil)
	}
	decide(consent.Input{Policy: consent.ReadPolicies(t.TempDir())}, nil)
	for _, detail := range layerDetails {
		if !found[detail] {
			t.Errorf("%q is listed, and found nowhere", detail)
		}
	}
}

func TestTheDayOfAnAnswerIsKeptInTheTranslation(t *testing.T) {
	t.Parallel()
	s := gather([]Option{WithMessages(Messages{"no, on %s": "Nein, am %s", "not set": "nicht gesetzt"})})
	for detail, want := range map[string]string{
		"no, on 2026-02-03":  "Nein, am 2026-02-03",
		"yes, on 2026-02-03": "yes, on 2026-02-03",
		"not set":            "nicht gesetzt",
		"100 %s of it":       "100 %s of it",
	} {
		if got := s.detailWords(detail); got != want {
			t.Errorf("%q is %q", detail, got)
		}
	}
}
