package screen_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/screen"
)

func TestLinesAreBrokenWhereAScriptBreaksThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text    string
		columns int
		want    []string
	}{
		"nothing":                               {"", 10, []string{""}},
		"words":                                 {"one two three", 7, []string{"one two", "three"}},
		"spaces in a row":                       {"  one   two  ", 80, []string{"one two"}},
		"a word that is longer stays whole":     {"see /home/somebody/.local/state now", 10, []string{"see", "/home/somebody/.local/state", "now"}},
		"no room at all":                        {"one two", 0, []string{"one", "two"}},
		"umlauts":                               {"Übergröße möglich", 9, []string{"Übergröße", "möglich"}},
		"between Japanese characters":           {"利用状況を送信しますか", 10, []string{"利用状況を", "送信します", "か"}},
		"a full stop begins no line":            {"送信しません。次に", 12, []string{"送信しませ", "ん。次に"}},
		"a small kana and a long mark stay too": {"データッ", 4, []string{"デー", "タッ"}},
		"an opening bracket ends no line":       {"送信「利用」", 6, []string{"送信", "「利", "用」"}},
		"a Latin word in Japanese stays whole":  {"設定mytoolの", 6, []string{"設定", "mytool", "の"}},
		"Japanese takes two columns, not one":   {"あいう", 5, []string{"あい", "う"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := screen.Wrap(test.text, test.columns); !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestHelpKeepsItsLinesWhereTheyFitAndIsSetAnewWhereNot(t *testing.T) {
	t.Parallel()
	const help = "Say yes to what\nis sent.\n\nUsage:\n  mytool enable [flags]\n\nFlags:\n" +
		"      --local         keep everything on this machine\n  -o, --output text|json   for people\n"
	const japanese = "利用状況を送信\nします。\n"
	for name, test := range map[string]struct {
		columns    int
		text, want string
	}{
		"a pipe":          {0, help, help},
		"a wide terminal": {80, help, help},
		"a narrow one": {14, help, "Say yes to\nwhat is sent.\n\nUsage:\n  mytool\n      enable\n      [flags]\n\nFlags:\n      --local\n" +
			"        keep\n        everything\n        on\n        this\n        machine\n  -o, --output\n      text|json\n        for\n        people\n"},
		"beside a name": {44, help, strings.Replace(help, " this machine", "\n"+strings.Repeat(" ", 22)+"this machine", 1)},
		"a list is of one kind": {40, "Flags:\n  -h, --help               help for log\n  -o, --output text|json   for people or for programs\n",
			"Flags:\n  -h, --help\n        help for log\n  -o, --output text|json\n        for people or for programs\n"},
		"the longest name, and what goes on with a line": {40, "Commands:\n  verify        Hold the ledger against its chain\n                of hashes, all of it, from the beginning\n  verify-export Check the signature of an export\n",
			"Commands:\n  verify        Hold the ledger against\n                its chain\n                of hashes, all of it,\n                from the beginning\n  verify-export Check the signature of\n                an export\n"},
		"a comment goes on as one": {40, "  quiet: 24h         # from a request to the first call\n                   # of a vendor\n  # where this program may not be installed\n",
			"  quiet: 24h\n        # from a request to the first\n        # call\n        # of a vendor\n  # where this program may not be\n  # installed\n"},
		"what is under a name goes on below": {40, "  --since time\n        only what was sent since then: a time such as 24h\n",
			"  --since time\n        only what was sent since then: a\n        time such as 24h\n"},
		"an example goes on further in": {40, "  mytool telemetry inspect --next --raw | gunzip\n  mytool telemetry inspect\n",
			"  mytool telemetry inspect --next --raw\n      | gunzip\n  mytool telemetry inspect\n"},
		"a script of no gaps": {12, japanese, "利用状況を送\n信します。\n"},
		"nothing":             {40, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := on(test.columns, false, func(s screen.Screen) { s.Help(test.text) }); got != test.want {
				t.Errorf("shows\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestWidthsAreThoseOfATerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "abc": 3, "ä": 1, "a\u0308": 1, "日本語": 6, "ｱｲｳ": 3, "ＡＢ": 4, "한국": 4, "…": 1, "🙂": 2, "a\u200bb": 2,
	} {
		if got := screen.Width(text); got != want {
			t.Errorf("%q is %d columns wide, want %d", text, got, want)
		}
	}
}

// on writes to a terminal of so many columns, 0 for a pipe.
func on(columns int, colour bool, do func(s screen.Screen)) string {
	var b bytes.Buffer
	do(screen.Screen{Writer: &b, Terminal: columns > 0, Colour: colour, Columns: columns})
	return b.String()
}

var rows = []screen.Row{
	{Label: "Telemetry of mytool", Value: "on", Colour: screen.Green},
	{Label: "Receiver", Value: "http (telemetry.example.com, telemetry.example.org)"},
	{Label: "Receiver", Value: "and another one"},
}

func TestATableStandsBesideItsLabelsUnderThemOrOnOneLineEach(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		columns int
		want    string
	}{
		"a wide terminal": {80, "" +
			"Telemetry of mytool  on\n" +
			"Receiver             http (telemetry.example.com, telemetry.example.org)\n" +
			"                     and another one\n"},
		"one of 50 columns": {50, "" +
			"Telemetry of mytool  on\n" +
			"Receiver             http (telemetry.example.com,\n" +
			"                     telemetry.example.org)\n" +
			"                     and another one\n"},
		"one of 40 columns": {40, "" +
			"Telemetry of mytool\n" +
			"  on\n" +
			"Receiver\n" +
			"  http (telemetry.example.com,\n" +
			"  telemetry.example.org)\n" +
			"  and another one\n"},
		"a pipe": {0, "" +
			"Telemetry of mytool: on\n" +
			"Receiver: http (telemetry.example.com, telemetry.example.org)\n" +
			"Receiver: and another one\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := on(test.columns, false, func(s screen.Screen) { s.Table(rows) }); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestAWordThatIsWholeOnlyUnderItsLabelStandsThere(t *testing.T) {
	t.Parallel()
	table := []screen.Row{
		{Label: "Decision", Value: "1"},
		{Label: "Receipt", Value: "0123456789abcdef0123456789abcdef"},
		{Label: "Kept in", Value: "/a/path/that/is/wider/than/the/terminal/anyhow"},
	}
	const want = "Decision  1\n" +
		"Receipt\n  0123456789abcdef0123456789abcdef\n" +
		"Kept in   /a/path/that/is/wider/than/the/terminal/anyhow\n"
	if got := on(40, false, func(s screen.Screen) { s.Table(table) }); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSentencesAreNoWiderOnAWideTerminal(t *testing.T) {
	t.Parallel()
	sentence := strings.Repeat("one more word ", 20)
	shown := on(200, false, func(s screen.Screen) {
		s.Line(screen.Plain, sentence)
		s.Table([]screen.Row{{Label: "Which means", Value: sentence}})
	})
	for line := range strings.Lines(shown) {
		if w := screen.Width(line); w > 100 {
			t.Errorf("a line of %d columns: %s", w, line)
		}
	}
}

func TestAGridThatIsTooWideIsStacked(t *testing.T) {
	t.Parallel()
	heading := []string{"REQUEST", "STATE", "SINCE"}
	grid := [][]screen.Cell{
		{screen.Same("0123456789abcdef", screen.Plain), screen.Same("verified", screen.Green), {Short: "yesterday", Full: "2026-01-02T03:04:05Z"}},
		{screen.Same("fedcba9876543210", screen.Plain), screen.Same("", screen.Plain), {Short: "today", Full: "2026-01-03T03:04:05Z"}},
	}
	draw := func(s screen.Screen) { s.Grid(heading, grid) }
	for columns, want := range map[int]string{
		80: "REQUEST           STATE     SINCE\n" + "0123456789abcdef  verified  yesterday\n" + "fedcba9876543210            today\n",
		30: "REQUEST\n  0123456789abcdef\nSTATE\n  verified\nSINCE\n  yesterday\n\n" + "REQUEST\n  fedcba9876543210\nSINCE\n  today\n",
		0:  "0123456789abcdef\tverified\t2026-01-02T03:04:05Z\nfedcba9876543210\t\t2026-01-03T03:04:05Z\n",
	} {
		if got := on(columns, false, draw); got != want {
			t.Errorf("in %d columns:\n%s\nwant\n%s", columns, got, want)
		}
	}
}

func TestSentencesInAGridAreBrokenInTheirColumn(t *testing.T) {
	t.Parallel()
	grid := [][]screen.Cell{
		{screen.Same("asking", screen.Plain), screen.Same("", screen.Plain)},
		{screen.Same("answered", screen.Plain), screen.Same(strings.TrimSpace(strings.Repeat("and so on ", 10)), screen.Plain)},
	}
	draw := func(s screen.Screen) { s.Grid([]string{"EVENT", "WHAT IT CAME TO"}, grid) }
	for columns, want := range map[int]string{
		40: "EVENT     WHAT IT CAME TO\nasking\nanswered  " + strings.Repeat("and so on and so on and so on\n          ", 3) + "and so on\n",
		200: "EVENT     WHAT IT CAME TO\nasking\nanswered  " +
			strings.Repeat("and so on ", 7) + "and so\n          on and so on and so on\n",
		29: "EVENT\n  asking\n\nEVENT\n  answered\nWHAT IT CAME TO\n  and so on",
	} {
		if got := on(columns, false, draw); !strings.HasPrefix(got, want) {
			t.Errorf("in %d columns:\n%s\nwant\n%s", columns, got, want)
		}
	}
}

func TestNoLineOfTextIsWiderThanTheTerminal(t *testing.T) {
	t.Parallel()
	text := "mytool can report how it is used, to show its authors what matters.\n" +
		"    • an item that somebody indented and that is longer than the terminal\n利用状況を送信すると、作者に何が大切かが伝わります。\n"
	for columns := 24; columns <= 80; columns++ {
		got := on(columns, false, func(s screen.Screen) {
			s.Text(text)
			s.Item("  - ", "what happened, such as which command ran and with which flags")
		})
		for line := range strings.Lines(got) {
			if w := screen.Width(strings.TrimSuffix(line, "\n")); w > columns {
				t.Errorf("%d columns, and a line of %d: %q", columns, w, line)
			}
		}
		if strings.ReplaceAll(strings.Join(strings.Fields(got), ""), "-", "") != strings.ReplaceAll(strings.Join(strings.Fields(text+"what happened, such as which command ran and with which flags"), ""), "-", "") {
			t.Fatalf("%d columns: something is missing:\n%s", columns, got)
		}
	}
}

func TestColourIsThereOnlyWhereItIsWanted(t *testing.T) {
	t.Parallel()
	plain := on(80, false, func(s screen.Screen) { s.Table(rows) })
	coloured := on(80, true, func(s screen.Screen) { s.Table(rows) })
	if strings.Contains(plain, "\x1b") || !strings.Contains(coloured, string(screen.Green)+"on\x1b[0m") {
		t.Errorf("plain %q, coloured %q", plain, coloured)
	}
}

func TestNothingIsDimmed(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{40, 80} {
		shown := on(columns, true, func(s screen.Screen) {
			s.Table(rows)
			s.Grid([]string{"STATE"}, [][]screen.Cell{{screen.Same("verified", screen.Green)}})
		})
		if strings.Contains(shown, "\x1b[2m") {
			t.Errorf("in %d columns: %q", columns, shown)
		}
	}
}
