//go:build linux || darwin

package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/ptytest"
	"github.com/gotoolbase/telemetry/internal/screen"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The variables make the test binary the tool.
const (
	asTool     = "HELLO_AS_TOOL" // the state directory
	asEndpoint = "HELLO_ENDPOINT"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(asTool)
	if dir == "" {
		os.Exit(m.Run())
	}
	declared := tool()
	if endpoint := os.Getenv(asEndpoint); endpoint != "" {
		declared.Telemetry.Endpoint = endpoint
	}
	err := run(context.Background(), core.NewManager(declared, core.WithStateDir(dir),
		core.WithPolicyFile(filepath.Join(dir, "no such policy")), core.WithUploadCommand("-test.run=^$")), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
	}
	os.Exit(core.ExitCode(err))
}

// person is somebody who uses the tool, in their language.
type person struct {
	t        *testing.T
	dir      string
	locale   string
	endpoint string
}

func newPerson(t *testing.T, locale string) *person {
	return &person{t: t, dir: filepath.Join(t.TempDir(), "state"), locale: locale}
}

func (p *person) start(columns int, args ...string) *ptytest.Terminal {
	p.t.Helper()
	return ptytest.Start(p.t, columns, p.command(args...))
}

func (p *person) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{
		asTool + "=" + p.dir, asEndpoint + "=" + p.endpoint, "LANG=" + p.locale, "HOME=" + p.t.TempDir(), "PATH=" + os.Getenv("PATH"),
		"TERM=xterm", "NO_COLOR=1", "TZ=UTC", "GORACE=atexit_sleep_ms=0",
	}
	return cmd
}

// locales are the languages with the words of the question and of a yes.
var locales = map[string]struct{ locale, question, yes, thanks string }{
	"german":   {"de_DE.UTF-8", "Nutzungsdaten senden? [j/N] ", "j", "Vielen Dank.\n\nHallo!\n"},
	"japanese": {"ja_JP.UTF-8", "利用状況を送信しますか？ [y/N] ", "はい", "ありがとうございます。\n\nこんにちは！\n"},
}

func TestThePersonIsAskedAndAnswersInTheirLanguage(t *testing.T) {
	t.Parallel()
	for name, l := range locales {
		for _, columns := range []int{40, 80} {
			t.Run(fmt.Sprintf("%s_%d", name, columns), func(t *testing.T) {
				t.Parallel()
				p := newPerson(t, l.locale)
				x := p.start(columns)
				x.Expect(1, l.question)
				x.Type(l.yes + "\n")
				shown := x.End()
				fits(t, shown, columns)
				if !strings.HasSuffix(shown, l.question+l.yes+"\n"+l.thanks) {
					t.Errorf("shown:\n%s", shown)
				}
				if answer := consent.NewStore(p.dir).Load().Answer; answer != consent.AnswerYes {
					t.Errorf("stored %q", answer)
				}
				golden(t, fmt.Sprintf("ask_%s_%d", name, columns), shown)
			})
		}
	}
}

func TestTheCommandsFitANarrowTerminal(t *testing.T) {
	t.Parallel()
	for name, l := range locales {
		for _, columns := range []int{40, 80} {
			t.Run(fmt.Sprintf("%s_%d", name, columns), func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
				defer server.Close()
				p := newPerson(t, l.locale)
				p.endpoint = server.URL + "/events"
				p.start(columns, "telemetry", "enable", "--local").End()
				p.start(columns).End()
				for _, command := range []string{"status --explain", "receipts", "inspect", "disable", "log"} {
					shown := p.start(columns, append([]string{"telemetry"}, strings.Fields(command)...)...).End()
					shown = p.scrub(shown)
					fits(t, shown, columns)
					golden(t, fmt.Sprintf("%s_%s_%d", strings.Fields(command)[0], name, columns), shown)
				}
			})
		}
	}
}

var (
	// english finds words of small letters after each other.
	english = regexp.MustCompile(`[A-Za-z]{2,}( [a-z]{2,})+`)
	// kept are commands, IDs, a request's first line, and what a driver says that a receiver's
	// yes means.
	kept = regexp.MustCompile(`hello telemetry( [a-z-]+)*|-{1,2}[a-z]+(-[a-z]+)*( [a-z|]+)*|[0-9a-f-]{8,}|POST http|` +
		strings.ReplaceAll(`the server at this address has answered that it took the events; what it then does with them is not known here`, " ", `\s+`))
)

// calls go through most of what the commands say. What core says of a single case, and the
// purposes of fields in schema, are English.
var calls = []string{
	"telemetry", "telemetry help status", "telemetry help log", "telemetry help inspect", "telemetry help receipts", "telemetry help enable",
	"telemetry help disable", "telemetry help reset", "telemetry help flush", "telemetry help export", "telemetry help schema", "telemetry help share",
	"telemetry statsu", "telemetry log 7", "telemetry log x", "telemetry receipts 9", "telemetry receipts x", "telemetry flush --timeout 0s",
	"telemetry inspect --raw", "telemetry status", "telemetry flush", "telemetry reset", "telemetry log", "telemetry receipts", "telemetry enable", "",
	"telemetry status --explain", "telemetry inspect", "telemetry flush", "telemetry log", "telemetry log 1", "telemetry log --verify", "telemetry receipts",
	"telemetry status", "telemetry reset --yes", "telemetry reset --status", "telemetry log", "telemetry status", "telemetry disable",
}

func TestNothingThatIsShownIsLeftInEnglish(t *testing.T) {
	t.Parallel()
	eachCall(t, 200, func(call, shown string) {
		for line := range strings.Lines(kept.ReplaceAllString(shown, "")) {
			if found := english.FindString(line); found != "" {
				t.Errorf("%q shows %q in\n%s", call, found, shown)
			}
		}
	})
}

func TestHelpAndAnswersFitANarrowTerminal(t *testing.T) {
	t.Parallel()
	eachCall(t, 40, func(call, shown string) {
		switch {
		case strings.HasPrefix(shown, "hello: "): // the tool's own line
		case call == "telemetry log 1": // a request, to the letter
		default:
			fits(t, shown, 40)
		}
	})
}

// eachCall makes the calls one after the other in Japanese.
func eachCall(t *testing.T, columns int, check func(call, shown string)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer server.Close()
	p := newPerson(t, locales["japanese"].locale)
	p.endpoint = server.URL + "/events"
	for _, call := range calls {
		shown := p.scrub(p.start(columns, strings.Fields(call)...).End())
		if shown == "" {
			t.Errorf("%q shows nothing", call)
		}
		check(call, shown)
	}
}

// What a script cuts out of a pipe must not depend on the language of whoever runs it. Sentences
// are for people there, too.
func TestColumnsInAPipeAreEnglishAndSentencesAreNot(t *testing.T) {
	t.Parallel()
	p := newPerson(t, locales["german"].locale)
	for call, want := range map[string]string{
		"disable":              "Die Telemetrie von hello ist aus.\n",
		"status":               "Telemetrie von hello: aus\n",
		"receipts":             "\tno\tyou, by a command\t",
		"status --output json": `"state": "off"`,
	} {
		if _, err := p.command("telemetry", "disable").Output(); err != nil {
			t.Fatal(err)
		}
		out, err := p.command(append([]string{"telemetry"}, strings.Fields(call)...)...).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, printed:\n%s", call, err, out)
		}
	}
}

// Labels and headings are as wide as the terminal draws them: the values stand in one column.
func TestTheValuesOfATableStandBelowEachOther(t *testing.T) {
	t.Parallel()
	for _, l := range locales {
		p := newPerson(t, l.locale)
		p.start(80, "telemetry", "enable", "--local").End()
		shown := p.scrub(p.start(80, "telemetry", "status").End())
		begins := map[int]bool{}
		for line := range strings.Lines(shown) {
			if label := regexp.MustCompile(`^\S+( \S+)*  +`).FindString(line); label != "" {
				begins[screen.Width(label)] = true
			}
		}
		if len(begins) != 1 || strings.Count(shown, "\n") < 5 {
			t.Errorf("values begin in the columns %v:\n%s", begins, shown)
		}
	}
}

var (
	times   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	minutes = regexp.MustCompile(`(\d{4}-\d\d-\d\d \d\d:\d\d)(\s)`)
	days    = regexp.MustCompile(`\d{4}-\d\d-\d\d`)
	moments = regexp.MustCompile(`\d\d-\d\d \d\d:\d\d:\d\d  `)
	longIDs = regexp.MustCompile(`[0-9a-f]{32}`)
	receipt = regexp.MustCompile(`\b[0-9a-f]{8}\b`)
	sizes   = regexp.MustCompile(`\b\d{3} (Bytes|バイト)`)
	took    = regexp.MustCompile(`\d+ ms`)
	hosts   = regexp.MustCompile(`127\.0\.0\.1:\d{5}`)
)

// scrub takes out what is other in each run, and leaves each text as wide as it was.
func (p *person) scrub(text string) string {
	text = strings.ReplaceAll(text, p.dir, "/home/ada/.local/state/hello")
	text = times.ReplaceAllString(text, "2026-02-03 14:05:06 UTC")
	text = minutes.ReplaceAllString(text, "2026-02-03 14:05$2")
	text = days.ReplaceAllString(text, "2026-02-03")
	text = moments.ReplaceAllString(text, "02-03 14:05:06  ")
	text = longIDs.ReplaceAllString(text, strings.Repeat("f", 32))
	text = receipt.ReplaceAllString(text, "ffffffff")
	text = sizes.ReplaceAllString(text, "333 $1")
	text = took.ReplaceAllString(text, "0 ms")
	return hosts.ReplaceAllString(text, "127.0.0.1:99999")
}

// fits reports lines that are wider than the terminal, unless they are one word such as a path,
// which is left in one piece, and lines that begin with a mark that ends something.
func fits(t *testing.T, shown string, columns int) {
	t.Helper()
	for line := range strings.Lines(shown) {
		line = strings.TrimSuffix(line, "\n")
		if screen.Width(line) > columns && len(strings.Fields(line)) > 1 {
			t.Errorf("%d columns: %s", screen.Width(line), line)
		}
		for _, mark := range "、。）」：？！" {
			if strings.HasPrefix(strings.TrimSpace(line), string(mark)) {
				t.Errorf("a line begins with %c: %s", mark, line)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -update accepts it.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
