package plaintext_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

func TestWhatCommandsATerminalOrEndsALineIsReplaced(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text, ümläute, 漢字 👍": "plain text, ümläute, 漢字 👍",
		"a\nb\rc\td":                "a b c d",
		"\x1b[31mred":               " [31mred",
		"\u009b31mred":              " 31mred",
		"\x7f":                      " ",
		"a\u2028b\u2029c":           "a b c",
		"user\u202egnp.exe":         "user gnp.exe",
		"a\u2066b\u2069c\u061cd":    "a b c d",
		"\ufeffa\u200eb\u200fc":     " a b c",
		"\xff\xfe":                  "?",
	} {
		if got := plaintext.Clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestALineIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]string{0: "…", 1: "…", 2: "é…", 3: "é…", 4: "éé…", 6: "ééé"} {
		if got := plaintext.Line("ééé", limit); got != want {
			t.Errorf("%d bytes: %q, want %q", limit, got, want)
		}
	}
}

func TestATextOfSeveralLinesKeepsThem(t *testing.T) {
	t.Parallel()
	if got := plaintext.Lines("a\r\nb\u2028c\x1b[1m\n"); got != "a \nb c [1m\n" {
		t.Errorf("%q", got)
	}
}

func TestWhatIsNoProseIsCutWithoutASign(t *testing.T) {
	t.Parallel()
	if got := plaintext.Cut("éé\n", 3); got != "é" {
		t.Errorf("%q", got)
	}
}

func TestAnErrorIsShownWithoutItsPath(t *testing.T) {
	t.Parallel()
	_, missing := os.Open("/home/zoe/none")
	link := os.Rename("/home/zoe/none", "/home/zoe/other")
	for err, want := range map[error][2]string{
		fmt.Errorf("reading: %w", missing): {"open: " + fs.ErrNotExist.Error(), fs.ErrNotExist.Error()},
		link:                               {"rename: ", ""},
		io.ErrUnexpectedEOF:                {"unexpected EOF", "unexpected EOF"},
	} {
		bare, cause := plaintext.Bare(err).Error(), plaintext.Cause(err).Error()
		if !strings.HasPrefix(bare, want[0]) && !errors.Is(plaintext.Bare(err), fs.ErrNotExist) || !strings.HasSuffix(bare, cause) || strings.Contains(bare+cause, "zoe") {
			t.Errorf("%v: %q and %q", err, bare, cause)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\u009bb\xff", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(0, limit%1000)
		// What is cleaned is a copy, in which a byte may become three.
		fuzzing.Allocs(t, len(text), 1<<10, 16, func() { plaintext.Line(text, limit) })
		got := plaintext.Line(text, limit)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || len(got) > limit+len("…") {
			t.Errorf("%q", got)
		}
	})
}

func TestJSONKeepsItsMeaningAndCommandsNoTerminal(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", "ä日本", "del \x7f", "C1 \u009b31m", "lines \u2028\u2029", "turned \u202e\u2066\u200f\u061c", "\ufeff"} {
		encoded, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		escaped := plaintext.JSON(encoded)
		if plaintext.Clean(string(escaped)) != string(escaped) {
			t.Errorf("%q is still %q", text, escaped)
		}
		var back map[string]string
		if err := json.Unmarshal(escaped, &back); err != nil || back["text"] != text {
			t.Errorf("%q has become %q, %v", text, back["text"], err)
		}
	}
}
