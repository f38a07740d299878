//go:build !notelemetry

package pages

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTheCommandsOfEachPageDoWhatItSays(t *testing.T) {
	t.Parallel()
	for _, p := range read(t) {
		if !slices.ContainsFunc(p.blocks, p.run) {
			continue
		}
		t.Run(strings.ReplaceAll(p.path, "/", " "), func(t *testing.T) {
			t.Parallel()
			for _, wrong := range p.followed(t) {
				t.Error(wrong)
			}
		})
	}
}

// followed runs the commands of a page as a reader would, and returns what is not as it says.
func (p *page) followed(t *testing.T) []string {
	t.Helper()
	dir, err := os.MkdirTemp(place.dir, "page")
	if err != nil {
		t.Fatal(err)
	}
	work, home := filepath.Join(dir, "work"), filepath.Join(dir, "home")
	for _, d := range []string{work, home} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(dir, "page.sh")
	write(t, script, p.script(t, dir))
	// What the page starts and leaves running has the output open for longer than bash.
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := exec.Command("bash", script)
	cmd.Dir = work
	cmd.Env = append(settings(t), "PATH="+programs(t)+":"+os.Getenv("PATH"), "HOME="+home, "TMPDIR="+dir, "PWD="+work)
	cmd.Stdout, cmd.Stderr = output, output
	runs := cmd.Run()
	text, err := os.ReadFile(output.Name())
	if err != nil {
		t.Fatal(err)
	}
	return p.compare(string(text), runs)
}

// mark is what the script prints before block n.
func mark(n int) string { return fmt.Sprintf("\x02block %d\n", n) }

// script is the page as a program of bash.
func (p *page) script(t *testing.T, dir string) string {
	t.Helper()
	var s strings.Builder
	// Servers that the page does not end are ended with it.
	s.WriteString("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || :; wait || :' EXIT\n")
	for n, b := range p.blocks {
		if p.left(b) {
			continue
		}
		if name := p.file(b); name != "" && !p.run(b) {
			content := b.text()
			if b.language == "json" {
				_, content, _ = strings.Cut(content, "\n") // JSON has no comments
			}
			kept := filepath.Join(dir, fmt.Sprint("block", n))
			write(t, kept, content)
			if b.language == "sh" {
				fmt.Fprintf(&s, "chmod u+x '%s'\n", kept)
			}
			fmt.Fprintf(&s, "mkdir -p '%s' && cp '%s' '%s'\n", filepath.Dir(name), kept, name)
		}
		if !p.run(b) {
			continue
		}
		fmt.Fprintf(&s, "printf '%%s' '%s'\n", mark(n))
		for _, line := range b.lines {
			s.WriteString(p.command(t, line) + "\n")
		}
	}
	return p.ownPorts(t, dir, s.String())
}

// command is a line of a page, with the modules and programs of this repository in place of those
// that are published.
func (p *page) command(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "go" {
		return line
	}
	var all strings.Builder
	switch words[1] {
	case "install":
		for _, w := range words[2:] {
			name, _, _ := strings.Cut(w, "@")
			fmt.Fprintf(&all, "command -v %s >/dev/null\n", filepath.Base(name))
		}
		return all.String()
	case "get":
		return p.get(t, words[2:])
	}
	return line
}

// get says with `go mod edit` what `go get` would with modules that are published.
func (p *page) get(t *testing.T, packages []string) string {
	t.Helper()
	edits := []string{"-require=" + module + "@v0.0.0", "-replace=" + module + "=" + absolute(t, root)}
	mods := []string{root}
	for _, b := range p.blocks {
		if from := p.about(b, "from"); from != "" && b.whole() {
			mods = append(mods, moduleOf(from))
		}
	}
	for _, w := range packages {
		name, _, _ := strings.Cut(w, "@")
		folder, own := strings.CutPrefix(name, module+"/")
		if _, err := os.Stat(filepath.Join(root, folder, "go.mod")); own && err == nil {
			edits = append(edits, "-require="+name+"@v0.0.0", "-replace="+name+"="+absolute(t, filepath.Join(root, folder)))
			mods = append(mods, filepath.Join(root, folder))
			continue
		}
		for _, mod := range mods {
			content, err := os.ReadFile(filepath.Join(mod, "go.mod"))
			if err != nil {
				t.Fatal(err)
			}
			if m := regexp.MustCompile(`(?m)^\s*(?:require )?(` + regexp.QuoteMeta(name) + ` v\S+)`).FindSubmatch(content); m != nil {
				edits = append(edits, "-require="+strings.Replace(string(m[1]), " ", "@", 1))
				break
			}
		}
	}
	var sums []string
	for _, mod := range mods {
		sums = append(sums, "'"+absolute(t, filepath.Join(mod, "go.sum"))+"'")
	}
	return "[ -f go.mod ] || go mod init example.com/reader\n" +
		"go mod edit '" + strings.Join(edits, "' '") + "'\nsort -u " + strings.Join(sums, " ") + " >go.sum"
}

// moduleOf is the folder of the go.mod that a file is under.
func moduleOf(file string) string {
	for folder := filepath.Dir(filepath.Join(root, filepath.FromSlash(file))); ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil || folder == filepath.Clean(root) {
			return folder
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	whole, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

var address = regexp.MustCompile(`\b(127\.0\.0\.1|localhost):(\d{2,5})\b`)

// ownPorts gives each port of a page one that nobody listens at, in its files too.
func (p *page) ownPorts(t *testing.T, dir, script string) string {
	t.Helper()
	free := map[string]string{"": ""}
	replace := func(text string) string {
		return address.ReplaceAllStringFunc(text, func(at string) string {
			host, port, _ := strings.Cut(at, ":")
			if free[port] == "" {
				free[port] = freePort(t)
			}
			return host + ":" + free[port]
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "block*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, replace(string(content)))
	}
	return replace(script)
}

// ports counts what freePort gave.
var ports atomic.Int32

// freePort returns one that no other page gets, below those that systems give to who asks for
// none in particular: else a connection of any other test could have it by the time it is used.
func freePort(t *testing.T) string {
	t.Helper()
	const first, number = 12_000, 18_000
	for range number {
		port := strconv.Itoa(first + (os.Getpid()*7+int(ports.Add(1)))%number)
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no port is free")
	return ""
}

// compare holds what was printed to the page.
func (p *page) compare(output string, ended error) []string {
	var wrong []string
	printed := map[int]string{}
	last := -1
	for n, b := range p.blocks {
		if !p.run(b) {
			continue
		}
		_, rest, found := strings.Cut(output, mark(n))
		if !found {
			break
		}
		last = n
		printed[n], _, _ = strings.Cut(rest, "\x02block ")
	}
	if ended != nil {
		at := 0
		if last >= 0 {
			at = p.blocks[last].at
		}
		return []string{fmt.Sprintf("%s:%d: a command fails: %v\n%s", p.path, at, ended, printed[last])}
	}
	before := -1
	for n, b := range p.blocks {
		if p.run(b) {
			before = n
			continue
		}
		direct := b.language == "text" && b.follows && n == before+1
		if before < 0 || p.left(b) || b.language != "console" && !direct {
			continue
		}
		if !like(b.lines, strings.Split(printed[before], "\n")) {
			wrong = append(wrong, fmt.Sprintf("%s:%d: the commands before it print\n%s", p.path, b.at, printed[before]))
		}
	}
	return wrong
}

// volatile is what differs from one run to the next.
var volatile = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?`), "TIME"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`), "CLOCK"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{16,64}\b`), "ID"},
	{regexp.MustCompile(`\b(127\.0\.0\.1|localhost):\d+`), "HOST"},
	{regexp.MustCompile(`\b\d+(\.\d+)? ?(ns|µs|ms|s|seconds?|minutes?)\b`), "DURATION"},
	{regexp.MustCompile(`"duration_ms":\s*\d+`), `"duration_ms":N`},
}

// like compares lines without what is volatile, without spaces at their ends and without empty
// ones. "…" by itself is any lines, within a line it is any text.
func like(want, got []string) bool {
	want, got = steady(want), steady(got)
	// reached[j] says that what is wanted so far can be the first j lines of got.
	reached := make([]bool, len(got)+1)
	reached[0] = true
	for _, w := range want {
		next := make([]bool, len(got)+1)
		form := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(w), "…", ".*") + "$")
		for j := range reached {
			switch {
			case w == "…":
				next[j] = reached[j] || j > 0 && next[j-1]
			case j > 0:
				next[j] = reached[j-1] && form.MatchString(got[j-1])
			}
		}
		reached = next
	}
	return reached[len(got)]
}

func steady(lines []string) []string {
	var all []string
	for _, line := range lines {
		for _, v := range volatile {
			line = v.what.ReplaceAllString(line, v.name)
		}
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// settings are of this machine's Go, so that a page's commands find what is compiled already.
func settings(t *testing.T) []string {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOTOOLCHAIN"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"GOFLAGS=-mod=mod", "GOWORK=off", "LC_ALL=C.UTF-8"}
	for i, value := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		env = append(env, names[i]+"="+value)
	}
	return env
}

// place is where pages are followed and their programs are, until all tests have ended: a background
// process, which a page's command leaves behind as it should, may still write to its home.
var place struct {
	dir     string
	once    sync.Once // builds the programs
	problem string
}

func TestMain(m *testing.M) {
	var err error
	if place.dir, err = os.MkdirTemp("", "pages"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(place.dir)
	os.Exit(code)
}

// programs is a folder with the programs that pages use.
func programs(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(place.dir, "bin")
	place.once.Do(func() {
		build := exec.Command("go", "build", "-o", bin+"/", module+"/cmd/telemetry", module+"/cmd/telemetry-relay", module+"/examples/mytool")
		if out, err := build.CombinedOutput(); err != nil {
			place.problem = fmt.Sprintf("%v\n%s", err, out)
		}
	})
	if place.problem != "" {
		t.Fatal(place.problem)
	}
	return bin
}
