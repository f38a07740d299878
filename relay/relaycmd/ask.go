//go:build !notelemetry

package relaycmd

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/tty"
)

var errNothingChanged = errors.New("nothing was changed")

// confirm asks the person at the terminal. Where there is none, nobody has agreed.
func (s surroundings) confirm(cmd *cobra.Command, says, question string) error {
	in, out := cmd.InOrStdin(), cmd.ErrOrStderr()
	if !tty.Is(in) || !tty.Is(out) {
		return usage("there is no terminal to ask at: add --yes if this is meant")
	}
	terminal := s.screen(out)
	terminal.Line(screen.Plain, says)
	fmt.Fprintf(terminal, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(out)
		return errNothingChanged
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errNothingChanged
}
