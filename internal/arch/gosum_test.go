package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What operators' programs need is in the same go.mod. A tool that imports core alone builds
// without a proxy and with no line of go.sum but this module's own two, which a replacement by a
// folder does without.
func TestAToolOfCoreAloneTakesNoModuleButThisOne(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module mytool\n\ngo 1.26.0\n\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n",
		"main.go": "package main\n\nimport (\n\t\"" + module + "/core\"\n\t\"" + module + "/core/props\"\n)\n\n" +
			"func main() { _, _ = core.Open(props.Tool{Name: \"mytool\"}) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-o", os.DevNull, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if sums, err := os.ReadFile(filepath.Join(dir, "go.sum")); err == nil && len(sums) > 0 {
		t.Errorf("go.sum has\n%s", sums)
	}
}
