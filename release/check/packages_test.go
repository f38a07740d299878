package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// systems are what is released for.
var systems = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// goreleaser itself takes too long to build for CI; what it would be told is looked at here.
func TestEveryProgramIsReleasedForEverySystemWithAllThatIsInstalled(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	type file struct{ Src, Dst string }
	var config struct {
		Builds []struct {
			Main, Binary             string
			Env, Flags, GOOS, GOARCH []string
		}
		Archives []struct {
			IDs   []string
			Files []file
		}
		NFPMs []struct {
			IDs, Formats []string
			Contents     []file
		}
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	var built []string
	for _, b := range config.Builds {
		built = append(built, b.Binary)
		var targets []string
		for _, goos := range b.GOOS {
			for _, goarch := range b.GOARCH {
				targets = append(targets, goos+"/"+goarch)
			}
		}
		if b.Main != "./cmd/"+b.Binary || !slices.Equal(targets, systems) {
			t.Errorf("%s is built from %s for %q", b.Binary, b.Main, targets)
		}
		if !slices.Contains(b.Env, "CGO_ENABLED=0") || !slices.Contains(b.Flags, "-trimpath") {
			t.Errorf("%s is not built as make install does", b.Binary)
		}
	}
	if !slices.Equal(built, programs) || len(config.Archives) != len(programs) || len(config.NFPMs) != len(programs) {
		t.Fatalf("built are %q, in %d archives and %d packages", built, len(config.Archives), len(config.NFPMs))
	}
	for i, program := range programs {
		for what, files := range map[string][]file{"archive": config.Archives[i].Files, "package": config.NFPMs[i].Contents} {
			for _, want := range []string{"man/man1/" + program + ".1", "bash-completion/completions/" + program,
				"zsh/site-functions/_" + program, "fish/vendor_completions.d/" + program + ".fish", "doc/telemetry/"} {
				want = ".cache/release/share/" + want
				if !slices.ContainsFunc(files, func(f file) bool { return strings.TrimSuffix(f.Src, "*") == want }) {
					t.Errorf("the %s of %s has no %s", what, program, want)
				}
			}
		}
		for _, c := range config.NFPMs[i].Contents {
			if inTree, ok := strings.CutPrefix(c.Src, ".cache/release/share/"); ok && !strings.HasPrefix(inTree, "doc/") && c.Dst != "/usr/share/"+inTree {
				t.Errorf("the package puts %s at %s", c.Src, c.Dst)
			}
		}
		if formats := config.NFPMs[i].Formats; !slices.Equal(formats, []string{"deb", "rpm", "apk"}) {
			t.Errorf("the packages of %s are %q", program, formats)
		}
	}
}
