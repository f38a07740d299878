package page_test

import (
	"context"
	stdhtml "html"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/console/internal/page/samples"
)

func look(t *testing.T, d page.Data, query string) string {
	t.Helper()
	s := serve(t, func(context.Context) (page.Data, error) { return d, nil })
	got := s.say("GET " + s.folder + query + " HTTP/1.1\nHost: HOST" + s.enter())
	if got.status != http.StatusOK {
		t.Fatalf("%d: %.200s", got.status, got.body)
	}
	return got.body
}

var element = regexp.MustCompile(`<(/?[a-z0-9]+)((?: [a-zA-Z-]+(?:="[^"<>]*")?)*) ?/?>`)

func TestHostileContentIsHarmlessBoundedAndSaidWhenCut(t *testing.T) {
	t.Parallel()
	d := samples.Hostile()
	for _, query := range []string{"", "?q=" + url.QueryEscape(samples.Evil)[:200], "?q=evil&sent=7&waiting=4000"} {
		got := look(t, d, query)
		if len(got) > 4<<20 {
			t.Errorf("%d bytes", len(got))
		}
		if !utf8.ValidString(got) {
			t.Error("it is not UTF-8")
		}
		if i := strings.IndexFunc(got, func(r rune) bool {
			return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
		}); i >= 0 {
			t.Errorf("it holds a control character: %q", got[max(0, i-20):i+20])
		}
		_, rest, _ := strings.Cut(got, "</style>") // the one of the head
		for _, found := range element.FindAllStringSubmatch(rest, -1) {
			names := regexp.MustCompile(`="[^"]*"`).ReplaceAllString(found[2], "")
			if slices.Contains([]string{"script", "img", "style", "/style", "object", "embed", "base", "link", "meta"}, found[1]) ||
				strings.Contains(names, " on") || strings.Contains(names, " style") || strings.Contains(found[2], `href="javascript:`) {
				t.Fatalf("an element of a text: %s", found[0])
			}
		}
		bare := element.ReplaceAllString(rest, "")
		if strings.ContainsAny(strings.ReplaceAll(bare, "<!doctype html>", ""), "<>") {
			i := strings.IndexAny(bare, "<>")
			t.Fatalf("something is no element of ours: %.80q", bare[max(0, i-20):])
		}
		for _, want := range []string{"Cut here: the first", "Shown here: 30 of 1\u202f000."} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not said", want)
			}
		}
	}
}

// Whatever is not marked by the translation was not translated, or is not the page's own.
func TestEveryTextCanBeTranslated(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]page.Data{"typical": samples.Typical(), "empty": samples.Empty()} {
		s := serveWith(t, func(context.Context) (page.Data, error) { return d, nil },
			page.Options{Language: "xx", Translate: func(text string) string { return "⟦" + text + "⟧" }})
		got := s.say("GET " + s.folder + "?q=build HTTP/1.1\nHost: HOST" + s.enter()).body
		if !strings.Contains(got, `<html lang="xx">`) {
			t.Errorf("%s: the language is not said", name)
		}
		_, visible, _ := strings.Cut(got, "</style>")
		visible = regexp.MustCompile(`(?s)<pre.*?</pre>|<code>.*?</code>|<time.*?</time>`).ReplaceAllString(visible, "")
		visible = regexp.MustCompile(`<title>[^⟦<]*</title>`).ReplaceAllString(visible, "") // a bar's, which is a date
		attributes := ""
		for _, a := range regexp.MustCompile(` (?:aria-label|title|alt|placeholder)="([^"]*)"`).FindAllStringSubmatch(visible, -1) {
			attributes += a[1] + "\n"
		}
		left := attributes + regexp.MustCompile(`<[^>]*>`).ReplaceAllString(visible, "\n")
		left = regexp.MustCompile(`(?s)⟦.*?⟧`).ReplaceAllString(left, "")
		for line := range strings.Lines(stdhtml.UnescapeString(left)) {
			line = strings.TrimSpace(line)
			if strings.ContainsFunc(line, unicode.IsLetter) && !holds(reflect.ValueOf(d), line) {
				t.Errorf("%s: %q is not translated", name, line)
			}
		}
	}
}

// holds reports whether one of the texts in v is, or holds, that text.
func holds(v reflect.Value, text string) bool {
	switch v.Kind() {
	case reflect.String:
		return strings.Contains(v.String(), text)
	case reflect.Slice:
		for i := range v.Len() {
			if holds(v.Index(i), text) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && holds(v.Field(i), text) {
				return true
			}
		}
	}
	return false
}
