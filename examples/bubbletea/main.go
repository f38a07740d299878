// Todo is a list of three things to do, on the whole screen. It is a tool with Bubble Tea and with
// telemetry, of which nothing is seen while the screen is up.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

var tool = props.Tool{
	Name:      "todo",
	Version:   "1.0.0",
	Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
	Telemetry: props.TelemetryConfig{Backend: "file"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, core.NewManager(tool), os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "todo:", err)
	}
	os.Exit(core.ExitCode(err))
}

func run(ctx context.Context, telemetry *core.Manager, args []string) error {
	if len(args) > 0 && args[0] == "telemetry" {
		return console.Run(ctx, telemetry, args[1:])
	}
	// Record asks and complains before the screen is up, and sends when it is gone.
	return console.Record(ctx, telemetry, "list", nil, func(c props.Collector) error {
		start := list{telemetry: c, things: []string{"wash", "cook", "sleep"}, done: make([]bool, 3)}
		_, err := tea.NewProgram(start, tea.WithContext(ctx), tea.WithInput(os.Stdin)).Run()
		return err
	})
}

// list is the screen.
type list struct {
	telemetry props.Collector
	things    []string
	done      []bool
	at        int
}

func (l list) Init() tea.Cmd { return nil }

func (l list) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	key, is := msg.(tea.KeyPressMsg)
	if !is {
		return l, nil
	}
	switch key.String() {
	case "q", "ctrl+c":
		return l, tea.Quit
	case "j", "down":
		l.at = (l.at + 1) % len(l.things)
	case "x", "space":
		l.done[l.at] = !l.done[l.at]
		// One short write to a file, and nothing on the screen: no need for a tea.Cmd.
		l.telemetry.Track(props.EventFeatureUsed, "mark", nil)
	}
	return l, nil
}

func (l list) View() tea.View {
	var s strings.Builder
	for i, thing := range l.things {
		cursor, mark := " ", " "
		if i == l.at {
			cursor = ">"
		}
		if l.done[i] {
			mark = "x"
		}
		fmt.Fprintf(&s, "%s [%s] %s\n", cursor, mark, thing)
	}
	view := tea.NewView(s.String() + "\nj next · x mark · q quit\n")
	view.AltScreen = true
	return view
}
