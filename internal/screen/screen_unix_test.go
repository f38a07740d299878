//go:build linux || darwin

package screen_test

import (
	"bytes"
	"testing"

	"github.com/creack/pty"

	"github.com/gotoolbase/telemetry/internal/screen"
)

func TestAScreenIsWhatTheTerminalAndTheEnvironmentSay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		columns uint16 // 0 for a terminal that does not tell them
		env     map[string]string
		want    screen.Screen
	}{
		"a terminal":            {43, map[string]string{"TERM": "xterm"}, screen.Screen{Colour: true, Columns: 43}},
		"NO_COLOR":              {43, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, screen.Screen{Columns: 43}},
		"an empty NO_COLOR":     {43, map[string]string{"TERM": "xterm", "NO_COLOR": ""}, screen.Screen{Colour: true, Columns: 43}},
		"TERM=dumb":             {43, map[string]string{"TERM": "dumb"}, screen.Screen{Columns: 43}},
		"COLUMNS is older":      {43, map[string]string{"COLUMNS": "120"}, screen.Screen{Colour: true, Columns: 43}},
		"only COLUMNS tells it": {0, map[string]string{"COLUMNS": "120"}, screen.Screen{Colour: true, Columns: 120}},
		"COLUMNS is nonsense":   {0, map[string]string{"COLUMNS": "wide"}, screen.Screen{Colour: true, Columns: 80}},
		"COLUMNS is negative":   {0, map[string]string{"COLUMNS": "-5"}, screen.Screen{Colour: true, Columns: 80}},
		"nothing tells it":      {0, nil, screen.Screen{Colour: true, Columns: 80}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keyboard, terminal, err := pty.Open()
			if err != nil {
				t.Skipf("no pseudo-terminal: %v", err)
			}
			defer keyboard.Close()
			defer terminal.Close()
			if test.columns > 0 {
				if err := pty.Setsize(keyboard, &pty.Winsize{Rows: 24, Cols: test.columns}); err != nil {
					t.Fatal(err)
				}
			}
			lookup := func(name string) (string, bool) { value, set := test.env[name]; return value, set }
			got := screen.New(terminal, lookup)
			if !got.Terminal || got.Colour != test.want.Colour || got.Columns != test.want.Columns {
				t.Errorf("terminal %v, colour %v, %d columns; want %v, %d", got.Terminal, got.Colour, got.Columns, test.want.Colour, test.want.Columns)
			}
			if pipe := screen.New(&bytes.Buffer{}, lookup); pipe.Terminal || pipe.Colour || pipe.Columns != 0 {
				t.Errorf("a pipe is %+v", pipe)
			}
		})
	}
}
