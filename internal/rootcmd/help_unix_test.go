//go:build linux || darwin

package rootcmd

import (
	"io"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
)

func TestHelpFitsATerminal(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"help", "command"}, {"command", "--help"}} {
		root := &cobra.Command{Use: "program", Long: "What it does is told in lines that somebody broke at more than eighty columns,\nand in others."}
		Prepare(root)
		under := &cobra.Command{Use: "command", Short: "Do something of which more is said than fits", Run: func(*cobra.Command, []string) {}}
		under.Flags().Bool("flag", false, "what the flag is for, and what it is not for")
		root.AddCommand(under)
		ptmx, terminal, err := pty.Open()
		if err != nil {
			t.Skipf("no terminals here: %v", err)
		}
		defer ptmx.Close()
		if err := pty.Setsize(terminal, &pty.Winsize{Rows: 40, Cols: 40}); err != nil {
			t.Fatal(err)
		}
		shown := make(chan string, 1)
		go func() {
			all, _ := io.ReadAll(ptmx)
			shown <- strings.ReplaceAll(string(all), "\r\n", "\n")
		}()
		root.SetOut(terminal)
		root.SetArgs(args)
		if err := root.Execute(); err != nil {
			t.Error(err)
		}
		terminal.Close()
		text := <-shown
		if !strings.Contains(text, "Usage:") {
			t.Errorf("%q shows\n%s", args, text)
		}
		for line := range strings.Lines(text) {
			if len(line) > len("\n")+40 {
				t.Errorf("%q shows a line that is too wide: %q", args, line)
			}
		}
	}
}
