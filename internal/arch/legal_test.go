package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Who answers for a tool shows these answers to others, so each that is about the code has its test.
func TestEachAnswerOfASecurityReviewNamesATestThatThereIs(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "legal", "security-review.md"))
	if err != nil {
		t.Fatal(err)
	}
	answers, _, _ := strings.Cut(string(page), "\n## What it does not do\n")
	named := 0
	test := regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`")
	for _, answer := range strings.Split(answers, "\n**")[1:] {
		question, _, _ := strings.Cut(answer, "**")
		tests := test.FindAllStringSubmatch(answer, -1)
		if len(tests) == 0 && !strings.Contains(answer, "](") {
			t.Errorf("no test shows the answer, and no page: %s", question)
		}
		for _, m := range tests {
			named++
			if !isThere(t, filepath.Join(root, filepath.FromSlash(m[1])), m[2]) {
				t.Errorf("%s has no %s", m[1], m[2])
			}
		}
	}
	if named < 20 {
		t.Errorf("the page names %d tests only", named)
	}
}

// isThere says that a package has a test of this name.
func isThere(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
