package manpage

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func tree() *cobra.Command {
	root := &cobra.Command{
		Use: "tool", Short: "Do things", Version: "1",
		Long:    "Do things that a path like C:\\x, '.profile' and --flags need.\n\n.dots begin this, and a list follows:\n  - one\n  - two\nand then more.",
		Example: "  tool make `this` ~/that",
	}
	sub := &cobra.Command{Use: "make [THING]", Short: "Make a thing", Run: func(*cobra.Command, []string) {}}
	sub.Flags().StringP("into", "i", "here", "the `folder` to make it in")
	sub.Flags().Bool("internal", false, "for ourselves")
	if err := sub.Flags().MarkHidden("internal"); err != nil {
		panic(err)
	}
	secret := &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}}
	root.AddCommand(sub, secret)
	return root
}

func TestAPageIsWhatTheHelpSays(t *testing.T) {
	t.Parallel()
	const want = `.TH TOOL 1 "2026-02-03" "" "User Commands"
.SH NAME
tool \- do things
.SH SYNOPSIS
tool COMMAND
.SH DESCRIPTION
Do things that a path like C:\ex, \(aq.profile\(aq and \-\-flags need.
.PP
\&.dots begin this, and a list follows:
.nf
  \- one
  \- two
.fi
and then more.
.SH OPTIONS
.TP
.B \-v, \-\-version
version for tool
.SH COMMANDS
.SS make
tool make [THING] [flags]
.PP
Make a thing
.TP
.B \-i, \-\-into folder
the folder to make it in (default here)
.SH EXAMPLES
.nf
  tool make \(gathis\(ga \(ti/that
.fi
`
	if got := string(Page(tree(), time.Date(2026, 2, 2, 23, 0, 0, 0, time.FixedZone("", -2*60*60)))); got != want {
		t.Errorf("the page is\n%s", got)
	}
}

func TestAProgramThatPeopleInstallHasNoCommandForItsPage(t *testing.T) {
	t.Parallel()
	root := tree()
	before := len(root.Commands())
	AddCommand(root)
	for _, cmd := range root.Commands()[min(before, len(root.Commands())):] {
		t.Errorf("it has %s", cmd.Name())
	}
	if strings.Contains(string(Page(root, time.Time{})), "secret") {
		t.Error("its page names a hidden command")
	}
}

func TestAPageOfNoKnownDayNamesNone(t *testing.T) {
	t.Parallel()
	if got := string(Page(tree(), time.Time{})); !strings.HasPrefix(got, ".TH TOOL 1 \"\" ") {
		t.Errorf("the page begins with %.40s", got)
	}
}
