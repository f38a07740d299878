package arch

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// Each package's page shows how it is used before it lists what there is. One that prints
// nothing is compiled and not run, as where a person or a real program is needed; those are few,
// since only what runs stays right.
func TestEveryPublicPackageHasAnExampleAndMostOfThemRun(t *testing.T) {
	t.Parallel()
	all, err := graphs()
	if err != nil {
		t.Fatal(err)
	}
	var packages, run int
	for path, p := range all["linux"] {
		if !p.public() {
			continue
		}
		packages++
		examples := examplesOf(t, p.Dir)
		if len(examples) == 0 {
			t.Errorf("%s has no Example", path)
		}
		for _, example := range examples {
			if example.Output != "" {
				run++
				break
			}
		}
	}
	if packages == 0 || run < packages*3/4 {
		t.Errorf("%d of %d packages have an Example with // Output; it is to be three in four", run, packages)
	}
}

func examplesOf(t *testing.T, dir string) []*doc.Example {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return doc.Examples(files...)
}
