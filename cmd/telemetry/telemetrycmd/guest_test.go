package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core/props"
)

// answers are what a person may have said, by what they do to a home.
var answers = map[string]func(*home){
	"nobody asked": func(*home) {},
	"DO_NOT_TRACK": func(h *home) { h.env["DO_NOT_TRACK"] = "1" },
	"yes": func(h *home) {
		if err := h.manager().Enable(false, ""); err != nil {
			h.t.Fatal(err)
		}
	},
}

// oneCommand is a tool of one command that says which words it was given.
func oneCommand() *cobra.Command {
	root := &cobra.Command{Use: "mytool FILE...", Version: "1.2.3", SilenceUsage: true, RunE: func(cmd *cobra.Command, args []string) error {
		fmt.Fprintf(cmd.OutOrStdout(), "ran with %q\n", args)
		return nil
	}}
	root.Flags().BoolP("number", "n", false, "")
	root.PersistentFlags().String("from", "", "")
	return root
}

var oneCommandChanges = map[string]func(*cobra.Command){
	"as it is": func(*cobra.Command) {},
	"Run": func(root *cobra.Command) {
		root.Run, root.RunE = func(c *cobra.Command, a []string) { c.Println("ran", a) }, nil
	},
	"Args":      func(root *cobra.Command) { root.Args = cobra.ExactArgs(1) },
	"traverse":  func(root *cobra.Command) { root.TraverseChildren = true },
	"no parse":  func(root *cobra.Command) { root.DisableFlagParsing = true },
	"ValidArgs": func(root *cobra.Command) { root.ValidArgs = []string{"help", "tele"} },
	"completes": func(root *cobra.Command) {
		root.ValidArgsFunction = cobra.FixedCompletions([]string{"x", "y"}, cobra.ShellCompDirectiveKeepOrder)
	},
	"hook": func(root *cobra.Command) {
		root.PersistentPreRun = func(c *cobra.Command, _ []string) { c.Println("pre", c.Name()) }
	},
	"failing hook":  func(root *cobra.Command) { root.PersistentPreRunE = fails(coded(4)) },
	"no completion": func(root *cobra.Command) { root.CompletionOptions.DisableDefaultCmd = true },
	"required": func(root *cobra.Command) {
		if err := root.MarkPersistentFlagRequired("from"); err != nil {
			panic(err)
		}
	},
}

func TestAToolOfOneCommandTakesAllWordsAsBefore(t *testing.T) {
	t.Parallel()
	lines := []string{
		"", "file.txt", "a b", "help", "help me", "completion", "completion bash", "completion typo", "completion zsh --no-descriptions",
		"version", "telemetri", "x telemetry", "-- telemetry", "--from telemetry", "-n help", "--typo", "-n --from x y", "--version",
		"__complete ", "__complete t", "__complete h", "__complete x ", "__complete --", "__complete --from ", "__complete help ",
		"__complete comp", "__complete completion ", "__completeNoDesc ",
	}
	for name, change := range oneCommandChanges {
		for said, answer := range answers {
			h := newHome(t)
			answer(h)
			for _, line := range lines {
				plain := oneCommand()
				change(plain)
				wired := oneCommand()
				change(wired)
				if err := Wire(wired, props.New(h.tool), WithCore(h.core()...)); err != nil {
					t.Fatal(err)
				}
				want := perform(plain, line, withoutExecute)
				execute, runs := withoutExecute, 1
				if said == "yes" {
					execute = withExecute
				}
				if strings.HasPrefix(line, "__complete") {
					runs = 2 // some tools ask their tree themselves, again and again
				}
				for range runs {
					if got := perform(wired, line, execute); got != want {
						t.Errorf("%s, %s: %q: wired\n%+v\nplain\n%+v", name, said, line, got, want)
					}
				}
			}
		}
	}
}

func TestAToolOfOneCommandHasTheTelemetryCommandsAndItsHelpNoOthers(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	root := oneCommand()
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
		t.Fatal(err)
	}
	help := perform(root, "--help", withExecute).out
	if !strings.Contains(help, "\n  telemetry ") || strings.Contains(help, "\n  help ") || strings.Contains(help, "\n  completion ") || strings.Contains(help, nobody) {
		t.Errorf("the help is\n%s", help)
	}
	if p := perform(root, "__complete telemetry dis", withExecute); !strings.HasPrefix(p.out, "disable\t") {
		t.Errorf("completed as\n%s", p.out)
	}
	if p := perform(root, "telemetry disable", withExecute); p.code != 0 || h.isOn() {
		t.Errorf("a no ended with %d:\n%s", p.code, p.out)
	}
}

func TestAToolThatIsGivenCommandsAfterWireIsNoToolOfOneCommand(t *testing.T) {
	t.Parallel()
	plug := func(root *cobra.Command) { root.AddCommand(&cobra.Command{Use: "plug", Run: nothing}) }
	for _, line := range []string{"typo", "plug", "help plug", "help", "--help", "__complete ", "completion typo", "plu"} {
		plain := oneCommand()
		plug(plain)
		root := oneCommand()
		wiredHome(t, root, props.TelemetryConfig{})
		plug(root)
		group := child(root, groupName)
		want := perform(plain, line, withExecute)
		root.RemoveCommand(group) // help lists it, as it should
		if got := perform(root, line, withExecute); got != want {
			t.Errorf("%q: wired\n%+v\nplain\n%+v", line, got, want)
		}
	}
}

// unsorted is a tool whose commands are not in the order of their names, two of which
// answer to the same word.
func unsorted() *cobra.Command {
	says := func(name string, aliases ...string) *cobra.Command {
		return &cobra.Command{Use: name, Aliases: aliases, Run: func(cmd *cobra.Command, _ []string) { cmd.Println(name) }}
	}
	root := &cobra.Command{Use: "mytool"}
	for _, parent := range []*cobra.Command{root, {Use: "nested", SuggestionsMinimumDistance: 2, Args: func(cmd *cobra.Command, args []string) error {
		return fmt.Errorf("%q is none of these: %q", args, cmd.SuggestionsFor(args[0]))
	}, Run: nothing}} {
		hidden := says("omega", "h")
		hidden.Hidden = true
		parent.AddCommand(hidden, says("zeta", "x"), says("stop"), says("alpha", "x", "h"), says("start"), says("stat"))
		if parent != root {
			root.AddCommand(parent)
		}
	}
	return root
}

func TestNeitherWireNorExecuteSortsTheTree(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"x", "h", "sta", "stap", "nested x", "nested h", "nested sta"} {
		plain := perform(unsorted(), line, withoutExecute)
		if plain.panic != nil {
			t.Fatal(plain.panic)
		}
		for _, wire := range []bool{false, true} {
			for name, execute := range map[string]func(*cobra.Command) int{"root.Execute": withoutExecute, "Execute": withExecute} {
				root := unsorted()
				if wire {
					wiredHome(t, root, props.TelemetryConfig{})
				}
				if got := perform(root, line, execute); got != plain {
					t.Errorf("%q, %s, wired %v:\n%+v\nplain\n%+v", line, name, wire, got, plain)
				}
			}
		}
	}
}

func TestACommandWithTheAliasTelemetryIsAMistakeOfTheAuthor(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	root := endingsTool()
	root.AddCommand(&cobra.Command{Use: "stats", Aliases: []string{"s", "telemetry"}, Run: nothing})
	p := props.New(h.tool)
	if err := Wire(root, p, WithCore(h.core()...)); err == nil || !strings.Contains(err.Error(), `"stats"`) {
		t.Errorf("Wire: %v", err)
	}
	if p.Collector.Enabled() || child(root, groupName) != nil {
		t.Error("it is wired all the same")
	}
	root = endingsTool()
	child(root, "remote").AddCommand(&cobra.Command{Use: "x", Aliases: []string{"telemetry"}, Run: nothing})
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
		t.Errorf("an alias below: %v", err)
	}
}

func TestOurFlagsGiveWayToThoseThatAToolGivesAllCommands(t *testing.T) {
	t.Parallel()
	var ours []*pflag.Flag // of all commands, each once
	for _, c := range New(newHome(t).manager()).Commands() {
		c.InitDefaultHelpFlag()
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !slices.ContainsFunc(ours, func(o *pflag.Flag) bool { return o.Name == f.Name }) {
				ours = append(ours, f)
			}
		})
	}
	if len(ours) < 8 {
		t.Fatalf("there are only %d flags", len(ours))
	}
	check := func(what string, declare func(*pflag.FlagSet), after bool) {
		h := newHome(t)
		for _, line := range []string{"telemetry", "telemetry --help", "telemetry enable --local", "telemetry status --output=json --explain", "telemetry reset --status --output json", "telemetry flush --timeout 3s", "telemetry reset --yes", "telemetry disable --help", "telemetry disable"} {
			root := &cobra.Command{Use: "mytool", Run: nothing}
			if !after {
				declare(root.PersistentFlags())
			}
			if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
				t.Fatal(err)
			}
			if after {
				declare(root.PersistentFlags())
			}
			// There is nothing to flush, which is a 1 in a build without telemetry.
			if p := perform(root, line, withExecute); p.panic != nil || p.code != 0 && !strings.Contains(line, "flush") {
				t.Errorf("%s (after Wire: %v): %q ended with %d, panic %v\n%s", what, after, line, p.code, p.panic, p.out)
			}
		}
		if h.isOn() {
			t.Errorf("%s: after a no, telemetry is not off", what)
		}
	}
	for _, f := range ours {
		for _, after := range []bool{false, true} {
			check("--"+f.Name+" of another type", func(set *pflag.FlagSet) { set.IntSlice(f.Name, nil, "") }, after)
			check("--"+f.Name+" with another shorthand", func(set *pflag.FlagSet) { set.BoolP(f.Name, "j", false, "") }, after)
			if f.Shorthand != "" {
				check("-"+f.Shorthand, func(set *pflag.FlagSet) { set.StringP("tools-own", f.Shorthand, "", "") }, after)
				check("both", func(set *pflag.FlagSet) { set.BoolP(f.Name, f.Shorthand, false, "") }, after)
			}
		}
	}
}

func TestAShorthandThatTheToolTookIsTheToolsInOurCommandsToo(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	root := &cobra.Command{Use: "mytool"}
	out := root.PersistentFlags().StringP("out", "o", "", "")
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
		t.Fatal(err)
	}
	if p := perform(root, "telemetry status -o json --output json", withExecute); p.code != 0 || *out != "json" || !strings.HasPrefix(p.out, "{") {
		t.Errorf("-o is %q, and it ended with %d:\n%s", *out, p.code, p.out)
	}
	if p := perform(root, "__complete telemetry status --output j", withExecute); !strings.Contains(p.out, "\njson\t") {
		t.Errorf("completed as\n%s", p.out)
	}
}

func TestOurCommandsNeedNoFlagThatTheToolRequires(t *testing.T) {
	t.Parallel()
	for what, require := range map[string]func(*cobra.Command){
		"required":     func(root *cobra.Command) { _ = root.MarkPersistentFlagRequired("token") },
		"one required": func(root *cobra.Command) { root.MarkFlagsOneRequired("token", "user") },
		"together":     func(root *cobra.Command) { root.MarkFlagsRequiredTogether("token", "user") },
		"exclusive":    func(root *cobra.Command) { root.MarkFlagsMutuallyExclusive("password", "user") },
	} {
		h := newHome(t)
		root := &cobra.Command{Use: "mytool", SilenceUsage: true}
		root.AddCommand(&cobra.Command{Use: "build", Run: nothing})
		for _, name := range []string{"token", "user", "password"} {
			root.PersistentFlags().String(name, "", "")
		}
		require(root)
		if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
			t.Fatal(err)
		}
		flags := " --user x --password y"
		for _, line := range []string{"telemetry", "telemetry enable", "telemetry status", "telemetry schema", "telemetry share", "telemetry flush", "telemetry upload", "telemetry reset --yes", "telemetry disable"} {
			for range 2 {
				if p := perform(root, line, withExecute); strings.Contains(p.out, "required flag(s)") || strings.Contains(p.out, "flags in the group") {
					t.Errorf("%s: %q ended with %d:\n%s", what, line, p.code, p.out)
				}
			}
		}
		if h.isOn() {
			t.Errorf("%s: after a no, telemetry is not off", what)
		}
		if p := perform(root, "telemetry status typo", withExecute); p.code != exitUsage {
			t.Errorf("%s: a wrong argument ended with %d", what, p.code)
		}
		if what == "one required" || what == "required" {
			flags = ""
		}
		if p := perform(root, "build"+flags, withExecute); p.code == 0 {
			t.Errorf("%s: the tool's own command needs it no longer:\n%s", what, p.out)
		}
	}
}

func TestATelemetryCommandRunsNoHookOfTheToolAndNeedsNothingOfIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "TOOL_DIFFICULT=yes") // which says yes, and fails the test if it cannot
	for _, args := range [][]string{{"telemetry"}, {"telemetry", "status"}, {"telemetry", "flush"}, {"telemetry", "disable"}} {
		if out := p.must(args...); strings.Contains(out, "hook") {
			t.Errorf("%q printed %s", args, out)
		}
	}
	out, err := p.command("strict", "--token", "x").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the hook before asks to log in") {
		t.Errorf("the tool's own command does not run its hook: %v: %s", err, out)
	}
}

// rude is an error whose methods panic.
type rude struct{ asked *int }

func (r rude) Error() string { return "rude" }
func (r rude) TelemetryClass() string {
	*r.asked++
	panic("no class")
}

// silent is an error that can say nothing at all.
type silent struct{ text string }

func (s *silent) Error() string { return s.text }

func TestAPanicOfTheAuthorsWhereAnErrorIsClassedEndsNothing(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "root.Execute": withoutExecute} {
		asked := 0
		tool := func() *cobra.Command {
			root := &cobra.Command{Use: "mytool", SilenceErrors: true, SilenceUsage: true}
			root.AddCommand(
				&cobra.Command{Use: "class", RunE: fails(rude{&asked})},
				&cobra.Command{Use: "silent", RunE: fails((*silent)(nil))},
				&cobra.Command{Use: "rule", RunE: fails(errors.New("x"))},
				&cobra.Command{Use: "ruled", RunE: fails(context.DeadlineExceeded)},
			)
			return root
		}
		rule := WithErrorClass(func(err error) props.ErrorClass {
			asked++
			if err.Error() == "rude" {
				return ""
			}
			panic("the rule")
		})
		for line, class := range map[string]props.ErrorClass{"class": props.ErrorOther, "silent": props.ErrorOther, "rule": props.ErrorOther, "ruled": props.ErrorTimeout} {
			root := tool()
			home := wiredHome(t, root, props.TelemetryConfig{}, rule)
			if p := perform(root, line, execute); p.panic != nil || p.code != 1 {
				t.Fatalf("%s, %q: ended with %d, panic %v", name, line, p.code, p.panic)
			}
			checkEnding(t, home.Events(), &ending{name: line, code: 1, class: class})
		}
		if asked == 0 {
			t.Error("nobody was asked")
		}
		asked = 0
		for _, line := range []string{"class", "silent", "rule"} {
			root := tool()
			h := newHome(t)
			if err := Wire(root, props.New(h.tool), rule, WithCore(h.core()...)); err != nil {
				t.Fatal(err)
			}
			if p := perform(root, line, execute); p.panic != nil || p.code != 1 {
				t.Errorf("%s, %q, where nobody said yes: ended with %d, panic %v", name, line, p.code, p.panic)
			}
		}
		if asked > 0 {
			t.Errorf("%s: asked %d times where nothing is recorded", name, asked)
		}
	}
}

func TestWhereThereIsNoContextAnnotateDoesNothing(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{Use: "build", RunE: func(cmd *cobra.Command, _ []string) error {
		Annotate(cmd.Context(), "format", "json")
		return nil
	}}
	if err := cmd.RunE(cmd, nil); err != nil { // as a test of the tool's calls it
		t.Error(err)
	}
}
