package check

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Installing builds what a release is of, so what is installed is looked at in one test.
func TestWhatIsInstalledIsWholeAndIsAllUninstalled(t *testing.T) {
	t.Parallel()
	dest := t.TempDir()
	run := func(target string) { output(t, nil, "make", target, "DESTDIR="+dest, "PREFIX=/opt/of a test") }
	run("install")
	prefix := filepath.Join(dest, "opt", "of a test")

	var want []string
	for _, program := range programs {
		want = append(want, "bin/"+program, "share/bash-completion/completions/"+program, "share/fish/vendor_completions.d/"+program+".fish",
			"share/man/man1/"+program+".1", "share/zsh/site-functions/_"+program)
	}
	want = append(want, "share/doc/telemetry/LICENSE", "share/doc/telemetry/THIRD-PARTY-LICENCES")
	slices.Sort(want)
	if got := files(t, prefix); !slices.Equal(got, want) {
		t.Fatalf("installed are %q, not %q", got, want)
	}

	for _, program := range programs {
		t.Run(program, func(t *testing.T) { // one after the other: what comes last removes them
			file := filepath.Join(prefix, "bin", program)
			isTheProgram(t, file, program)
			hasAPageWithoutMistakes(t, filepath.Join(prefix, "share", "man", "man1", program+".1"), program)
			hasCompletions(t, prefix, program)
			isDescribed(t, file, program)
		})
	}
	notices, err := os.ReadFile(filepath.Join(prefix, "share", "doc", "telemetry", "THIRD-PARTY-LICENCES"))
	if err != nil {
		t.Fatal(err)
	}
	for module := range licences(t) {
		if !strings.Contains(string(notices), "\n"+module+" v") {
			t.Errorf("the licence of %s is not passed on", module)
		}
	}

	other := filepath.Join(prefix, "share", "man", "man1", "other.1")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run("uninstall")
	if got := files(t, prefix); !slices.Equal(got, []string{"share/man/man1/other.1"}) {
		t.Errorf("left is %q", got)
	}
}

func isTheProgram(t *testing.T, file, program string) {
	t.Helper()
	out := output(t, nil, file, "--version")
	if !strings.HasPrefix(out, program+" version ") || !strings.Contains(out, "go1.") {
		t.Errorf("--version prints %q", out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), here) {
		t.Error("it holds the path of the folder that it was built in")
	}
	if err := exec.Command(file, "manpage").Run(); err == nil {
		t.Error("it has the command that is for making its page")
	}
}

func hasAPageWithoutMistakes(t *testing.T, page, program string) {
	t.Helper()
	out, err := exec.Command("mandoc", "-T", "lint", "-W", "warning", page).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("mandoc, which reads manual pages, is not here: apt-get install mandoc")
	}
	for line := range strings.Lines(string(out)) {
		t.Error(line)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := strconv.ParseInt(strings.TrimSpace(output(t, nil, "git", "log", "-1", "--format=%ct")), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if day := time.Unix(committed, 0).UTC().Format(time.DateOnly); !strings.Contains(string(text), `1 "`+day+`"`) {
		t.Errorf("its page is not of %s, the day of the commit: %.80s", day, text)
	}
	for _, want := range map[string][]string{
		"telemetry":             {".SS exec\n", `\-\-exit\-code`},
		"telemetry-relay":       {".SS serve\n", ".SS deletions list\n"},
		"telemetry-conformance": {`.B \-\-vendor file`},
	}[program] {
		if !strings.Contains(string(text), want) {
			t.Errorf("its page does not have %q", want)
		}
	}
}

// bash is on every machine that has make as this project wants it; the other shells' scripts are
// cobra's as well, and looked at for being there.
func hasCompletions(t *testing.T, prefix, program string) {
	t.Helper()
	script := filepath.Join(prefix, "share", "bash-completion", "completions", program)
	if out, err := exec.Command("bash", "-c", `source "$1" && complete -p "$2"`, "bash", script, program).CombinedOutput(); err != nil {
		t.Errorf("bash takes no completion from it: %v, %s", err, out)
	}
	for _, other := range []string{"zsh/site-functions/_" + program, "fish/vendor_completions.d/" + program + ".fish"} {
		text, err := os.ReadFile(filepath.Join(prefix, "share", filepath.FromSlash(other)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), program) || strings.Contains(string(text), "manpage") {
			t.Errorf("%s is not that of the program", other)
		}
	}
}

// isDescribed holds the SBOM to its schema and to what Go says of the program.
func isDescribed(t *testing.T, file, program string) {
	t.Helper()
	document := filepath.Join(t.TempDir(), "sbom.json")
	output(t, nil, "go", "run", "./internal/sbom", file, document)
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	if err := schema(t).Validate(value); err != nil {
		t.Error(err)
	}
	bom := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(strings.NewReader(string(content)), cyclonedx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	if bom.Metadata.Component.Name != program {
		t.Errorf("the document is of %s", bom.Metadata.Component.Name)
	}
	var listed []string
	for _, c := range *bom.Components {
		if c.Name != "std" {
			listed = append(listed, c.Name+"@"+c.Version)
		}
	}
	var linked []string
	for line := range strings.Lines(output(t, nil, "go", "version", "-m", file)) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "dep" {
			linked = append(linked, fields[1]+"@"+fields[2])
		}
	}
	slices.Sort(listed)
	slices.Sort(linked)
	if !slices.Equal(listed, linked) || len(linked) == 0 {
		t.Errorf("it lists %q, but Go says %q", listed, linked)
	}
}

// schema is CycloneDX's own, which the module that reads such documents brings along.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema")
	compiler := jsonschema.NewCompiler()
	for address, name := range map[string]string{
		"http://cyclonedx.org/schema/bom-1.6.schema.json":  "bom-1.6.schema.json",
		"http://cyclonedx.org/schema/spdx.schema.json":     "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		value, err := jsonschema.UnmarshalJSON(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(address, value); err != nil {
			t.Fatal(err)
		}
	}
	compiled, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// licences are the reviewed ones, by module.
func licences(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "internal", "sbom", "licences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if module, kind, ok := strings.Cut(strings.TrimSpace(line), " "); ok && module != "#" {
			list[module] = kind
		}
	}
	return list
}

// files lists what is under a folder, with slashes and in order.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
