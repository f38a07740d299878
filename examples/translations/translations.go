// Package translations has what core/console prints in German and in Japanese, as an example
// of how an author translates it: docs/how-to/translate.md tells the rest. A tool takes what it wants
// of this into its own source.
package translations

import (
	"strings"

	"github.com/gotoolbase/telemetry/core/console"
)

// For returns the table of the language that the variables of a POSIX system name, nil for
// English, and where the terminal takes other bytes than UTF-8. lookup is os.LookupEnv.
// core/console asks no variable for this: a tool that is English for the rest of its output
// should not become half German.
func For(lookup func(string) (string, bool)) console.Messages {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		locale, _ := lookup(name)
		if locale == "" {
			continue // the next one has the say
		}
		locale, _, _ = strings.Cut(locale, "@")
		locale, charset, _ := strings.Cut(locale, ".")
		if charset != "" && !strings.EqualFold(strings.ReplaceAll(charset, "-", ""), "utf8") {
			return nil
		}
		switch language, _, _ := strings.Cut(locale, "_"); language {
		case "de":
			return German
		case "ja":
			return Japanese
		}
		return nil
	}
	return nil
}
