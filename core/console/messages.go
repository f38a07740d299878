package console

import (
	"fmt"
)

// Messages translates what is printed: each text by the English one, which may be a format of
// package fmt. A translation may take its arguments in another order, as in "%[2]s: %[1]s". A
// text that is not there stays English. MessageTexts lists all.
//
// What the author declares, such as the notice, and what a receiver answers is printed as it is.
type Messages map[string]string

// text returns a text in the author's language.
func (s *settings) text(format string, args ...any) string {
	if translated, ok := s.messages[format]; ok {
		format = translated
	}
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}
