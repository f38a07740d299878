package redact

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// pieces are what rules look for, whole and in part. Texts made of them put every rule
// next to every other, which bytes chosen at random hardly ever do.
func pieces() []string {
	const long = 100 // Bytes: what repeats one thing makes many slow texts and few new ones.
	short := slices.DeleteFunc(seeds(), func(v string) bool { return len(v) > long })
	return append(short,
		" ", " ", " ", "  ", "\n", ":", "::", "=", ":=", "=>", "/", "//", "\\", "@", ".", "..", "-", "--", "_", "'", "\"", "`", "‘", "’",
		"“", "”", "«", "»", "<", ">", "(", ")", "[", "]", "{", "}", ",", ";", "&", "?", "%", "$", "~", "é", "日", "\xff", "\xe2\x80",
		"a", "Z", "1", "12", "255", "ab", "Key", "key", "token", "password", "pass", "session", "Authorization", "cookie", "bearer",
		"Basic", "--token", "-p", "http", "https://", "file://", "://", "C:", "C:/", "/etc", "~/", "./", "../", "10.0.0.1", "1.2.3",
		"v1", "fe80::1", "00:1a:2b:3c:4d:5e", "00-1a-2b-3c-4d-5e", "zoe", "zoe.canary", "zcanary", "canary-box", "vm", "example.com",
		"zoe@example.com", "ghp_", "abcd", "eyJhbGciOiJIUzI1NiJ9", "0123456789abcdef", "ABCDEFGH1", "aB3", "1234567", "i/o", "a/b",
		"<path>", "<url>", "<email>", "<ip>", "<mac>", "<secret>", "<user>", "<host>", "<quoted>", "<name>", "<number>", "<arg>",
		"<more>", "<cut>", "<pat", "path>", "password is ", "was set to ", "host ", "port 22", "server", "+49 30 1234567", "555-0199", "4111",
		"DE89", "%3D", "%", "&lt;", "&quot;", "\\u0022", " (at) ", "<password", "</password>", "-u ", "mysql ", "curl ", "vault login ", "密码", "：",
		"->", "values (", "code ", "123456", "hunter2", "buildbox", "Zoe ", "[1]", "VALUE", "name=", "for", "to ", "from ", "12:30:45 ",
	)
}

// randomTexts tests texts that are the same at every run.
func randomTexts(seed uint64, count int, test func(text string)) {
	random := rand.New(rand.NewPCG(seed, 0))
	all := pieces()
	for range count {
		var b strings.Builder
		for range 1 + random.IntN(8) {
			b.WriteString(all[random.IntN(len(all))])
		}
		test(b.String())
	}
}

const randomCount = 4_000

func TestScrubbingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	randomTexts(1, randomCount, func(text string) {
		s := zoe()
		if random.IntN(4) == 0 {
			all := pieces()
			s = New(all[random.IntN(len(all))], all[random.IntN(len(all))], all[random.IntN(len(all))])
		}
		limit := 1 + random.IntN(200)
		for how, scrub := range map[string]func(string, int) (string, bool){"Value": s.Value, "ErrorText": s.ErrorText} {
			out, _ := scrub(text, limit)
			if again, _ := scrub(out, limit); again != out {
				t.Errorf("%s(%q, %d) is %q, and scrubbed again %q", how, text, limit, out, again)
			}
			if again, _ := s.Value(out, limit); again != out {
				t.Errorf("%s(%q, %d) is %q, of which Value makes %q", how, text, limit, out, again)
			}
			if !utf8.ValidString(out) || len(out) > limit {
				t.Errorf("%s(%q, %d) is %q", how, text, limit, out)
			}
		}
	})
}

func TestFewTextsNeedAThirdPass(t *testing.T) {
	t.Parallel()
	most, which := 0, ""
	randomTexts(2, randomCount, func(text string) {
		for _, strict := range []bool{false, true} {
			passes, v := 1, plaintext.Clean(text)
			for {
				out := zoe().pass(v, strict)
				if out == v {
					break
				}
				v = out
				passes++
			}
			if passes > most {
				most, which = passes, text
			}
		}
	})
	if most > maxPasses/2 {
		t.Errorf("%q takes %d passes of at most %d", which, most, maxPasses)
	}
}

func TestAHarmlessWordIsOneThatNoRuleChanges(t *testing.T) {
	t.Parallel()
	names := zoe().names
	names.words = append(names.words, New("", "al", "vm").names.words...)
	judged := 0
	randomTexts(3, randomCount, func(text string) {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r >= 0x80 || !inWord(byte(r)) }) {
			if !harmless(&names, word) {
				continue
			}
			judged++
			pass := scanner{names: &names, v: word}
			pass.parts(word)
			if pass.dst != nil {
				t.Errorf("%q is called harmless and becomes %q", word, pass.dst)
			}
		}
	})
	if judged < randomCount/10 {
		t.Errorf("only %d words were judged", judged)
	}
}

func TestAPlainTextIsOneThatScrubbingKeeps(t *testing.T) {
	t.Parallel()
	s := zoe()
	keep := func(text string) {
		for _, strict := range []bool{false, true} {
			if out, _ := s.scrub(text, limit, strict); s.plain(text, strict) && out != text {
				t.Errorf("%q is called plain (strict %t) and becomes %q", text, strict, out)
			}
		}
	}
	randomTexts(4, randomCount, keep)
	for _, c := range append(mustGo(t), mustStay(t)...) {
		keep(c.text)
		keep("x " + c.text)
		keep(c.text + " x")
	}
}

func TestNoNeighbourHelpsACanary(t *testing.T) {
	t.Parallel()
	s := zoe()
	random := rand.New(rand.NewPCG(5, 5))
	all := canaries()
	between := []string{" ", "\n", "=", ": ", ":", ",", ";", "(", "[", "{", "'", "\"", "|", "&", "?", "!", "<", ">"}
	before := ""
	randomTexts(5, randomCount, func(after string) {
		c := all[random.IntN(len(all))]
		text := before + between[random.IntN(len(between))] + c.planted + " " + after
		others := strings.ToLower(before + after)
		before = after
		if strings.Contains(others, c.secret) {
			return
		}
		for how, scrub := range map[string]func(string, int) (string, bool){"Value": s.Value, "ErrorText": s.ErrorText} {
			if out, _ := scrub(text, 4*limit); strings.Contains(strings.ToLower(out), c.secret) {
				t.Errorf("%s(%q) is %q", how, text, out)
			}
		}
	})
}
