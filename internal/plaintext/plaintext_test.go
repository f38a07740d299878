package plaintext_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

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

func FuzzLine(f *testing.F) {
	f.Add("a\u009bb\xff", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(0, limit%1000)
		got := plaintext.Line(text, limit)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || len(got) > limit+len("…") {
			t.Errorf("%q", got)
		}
	})
}
