package screen_test

import (
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/screen"
)

func TestWhatATableOrASentenceSaysInAPipeIsOneCleanLine(t *testing.T) {
	t.Parallel()
	const hostile = "/home/a\nb\x1b[31m\u009b\u202e\u2028\x7f\xff"
	var b strings.Builder
	s := screen.Screen{Writer: &b}
	s.Table([]screen.Row{{Label: "Kept in", Value: hostile}})
	s.Line(screen.Plain, hostile)
	if lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"); len(lines) != 2 || screen.Clean(lines[0]+lines[1]) != lines[0]+lines[1] {
		t.Errorf("%q", b.String())
	}
}
