package telemetrycmd

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// flagsTool has flags of every kind, declared in no alphabetical order.
func flagsTool(sorted bool) *cobra.Command {
	root := &cobra.Command{Use: "mytool"}
	root.PersistentFlags().Bool("zone", false, "")
	root.PersistentFlags().String("color", "", "")
	root.Flags().Bool("only-root", false, "")
	group := &cobra.Command{Use: "group"}
	group.PersistentFlags().Bool("wide", false, "")
	group.PersistentFlags().Bool("deep", false, "")
	sub := &cobra.Command{Use: "sub", Version: "1", Run: nothing}
	sub.PersistentFlags().Bool("own-persistent", false, "")
	sub.Flags().StringP("tag", "t", "", "")
	sub.Flags().BoolP("all", "a", false, "")
	sub.Flags().String("hidden", "", "")
	sub.Flags().String("old", "", "")
	sub.Flags().StringP("short", "s", "", "")
	sub.Flags().String("color", "", "another one than the root's")
	sub.Flags().Bool(skipFlag, false, "")
	_ = sub.Flags().MarkHidden("hidden")
	_ = sub.Flags().MarkDeprecated("old", "use --tag")
	_ = sub.Flags().MarkShorthandDeprecated("short", "use --short")
	for _, cmd := range []*cobra.Command{root, group, sub} {
		cmd.Flags().SortFlags, cmd.PersistentFlags().SortFlags = sorted, sorted
	}
	group.AddCommand(sub)
	root.AddCommand(group)
	return root
}

func TestFlagsAreRecordedByNameInTheOrderInWhichTheyAreDeclared(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"group sub": "",
		"group sub --all --tag x --deep --wide --zone":               "tag all wide deep zone",
		"group sub -at x --own-persistent --color red":               "tag all color own-persistent",
		"--zone group --deep sub -a":                                 "all deep zone",
		"group sub --hidden x --old x -s x":                          "short",
		"group sub --skip-telemetry --version=false --help=false -a": "all",
		"group sub --all --all --tag x --tag y":                      "tag all",
		"group sub --all=false":                                      "all",
		"--only-root group sub":                                      "only-root",
		"--color red group sub --tag --zone":                         "tag color",
		"group sub -- --all":                                         "",
		"group sub plain --all other":                                "all",
		"group sub --deep=false --zone=false --wide=false --tag=-a":  "tag wide deep zone",
	} {
		for _, sorted := range []bool{true, false} {
			root := flagsTool(sorted)
			root.TraverseChildren = strings.HasPrefix(line, "--")
			home := wiredHome(t, root, props.TelemetryConfig{})
			if o := perform(root, line, withExecute); o.code != 0 {
				t.Fatalf("%q: %s", line, o.out)
			}
			events := home.Events()
			if len(events) != 1 || strings.Join(events[0].Flags, " ") != want {
				t.Errorf("%q, sorted=%v: recorded %+v, want flags %q", line, sorted, events, want)
			}
			plain := flagsTool(sorted)
			plain.TraverseChildren = root.TraverseChildren
			perform(plain, line, withExecute)
			if got, want := usageOf(root), usageOf(plain); got != want {
				t.Errorf("the usage changed from\n%s\nto\n%s", want, got)
			}
		}
	}
}

func usageOf(root *cobra.Command) string {
	sub, _, _ := root.Find([]string{"group", "sub"})
	return sub.UsageString()
}

// A tool that fills its flags from a configuration file sets them too.
func TestAFlagThatTheToolSetsByItselfIsNotRecorded(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "without": withoutExecute} {
		root := flagsTool(true)
		root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return cmd.Flags().Set("tag", "from a file") }
		home := wiredHome(t, root, props.TelemetryConfig{})
		perform(root, "group sub", execute)
		if events := home.Events(); len(events) != 1 || len(events[0].Flags) > 0 {
			t.Errorf("%s: recorded %+v", name, events)
		}
	}
}

func TestExcludedFlagsAreLeftOutBelowWhereTheyAreExcluded(t *testing.T) {
	t.Parallel()
	root := flagsTool(true)
	group, _, _ := root.Find([]string{"group"})
	sub, _, _ := root.Find([]string{"group", "sub"})
	ExcludeFlags(root, "tag")
	ExcludeFlags(group, "zone", "deep")
	ExcludeFlags(group, "own-persistent")
	sibling := &cobra.Command{Use: "sibling", Run: nothing}
	root.AddCommand(sibling)
	home := wiredHome(t, root, props.TelemetryConfig{})
	perform(root, "group sub --all --tag x --zone --deep --wide --own-persistent", withExecute)
	perform(root, "sibling --zone", withExecute)
	events := home.Events()
	if len(events) != 2 || strings.Join(events[0].Flags, " ") != "all wide" || strings.Join(events[1].Flags, " ") != "zone" {
		t.Errorf("recorded %+v", events)
	}

	h := newHome(t)
	ExcludeFlags(sub, "tgx", "color")
	err := Wire(root, props.New(h.tool), WithCore(h.core()...))
	if err == nil || !strings.Contains(err.Error(), `"mytool group sub" has no flag --tgx`) || strings.Contains(err.Error(), "color") {
		t.Errorf("a name that no flag has: %v", err)
	}
}

func TestACommandIsNeverRecordedOrUnderAnotherName(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "without": withoutExecute} {
		root := endingsTool()
		remote, _, _ := root.Find([]string{"remote"})
		fails, _, _ := root.Find([]string{"fails"})
		hooked, _, _ := root.Find([]string{"hooked"})
		home := declared(t, root, false)
		NeverRecord(remote) // after Wire, too
		NeverRecord(hooked)
		RecordAs(fails, "tries")
		for _, line := range []string{"remote add x", "remote add", "remote", "hooked under --in=pre", "hooked under --in=run", "fails"} {
			perform(root, line, execute)
		}
		if events := home.Events(); len(events) != 1 || events[0].Name != "tries" {
			t.Errorf("%s: recorded %+v", name, events)
		}
	}
}

func TestNobodyIsAskedOrCountedByACommandThatIsNeverRecorded(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	root := endingsTool()
	fails, _, _ := root.Find([]string{"fails"})
	NeverRecord(fails)
	if err := Wire(root, &props.Props{Tool: newHome(t).tool, Collector: r}, WithCore(newHome(t).core()...)); err != nil {
		t.Fatal(err)
	}
	perform(root, "fails", withExecute)
	if len(r.runs) > 0 || r.closed > 0 {
		t.Errorf("recorded %+v, closed %d times", r.runs, r.closed)
	}
}

func TestAnnotationsAreOnTheEventOfTheirCommand(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "without": withoutExecute} {
		root := &cobra.Command{Use: "mytool"}
		inner := &cobra.Command{Use: "inner", Run: func(cmd *cobra.Command, _ []string) { Annotate(cmd.Context(), "who", "inner") }}
		outer := &cobra.Command{
			Use:              "outer",
			PersistentPreRun: func(cmd *cobra.Command, _ []string) { Annotate(cmd.Context(), "hook", "persistent") },
			PreRun:           func(cmd *cobra.Command, _ []string) { Annotate(cmd.Context(), "who", "pre") },
			RunE: func(cmd *cobra.Command, _ []string) error {
				inner.SetContext(cmd.Context())
				if err := inner.RunE(inner, nil); err != nil {
					return err
				}
				var wg sync.WaitGroup
				for _, key := range []string{"a", "b"} {
					wg.Go(func() { Annotate(context.WithoutCancel(cmd.Context()), key, key) })
				}
				wg.Wait()
				Annotate(cmd.Context(), "who", "outer")
				return nil
			},
			PostRun: func(cmd *cobra.Command, _ []string) { Annotate(cmd.Context(), "post", "yes") },
		}
		root.AddCommand(outer, inner)
		home := wiredHome(t, root, props.TelemetryConfig{})
		perform(root, "outer", execute)
		events := home.Events()
		if len(events) != 2 || len(events[0].Metadata) != 1 || events[0].Metadata["who"] != "inner" {
			t.Fatalf("%s: recorded %+v", name, events)
		}
		m := events[1].Metadata
		if m["hook"] != "persistent" || m["who"] != "outer" || m["a"] != "a" || m["b"] != "b" || (m["post"] == "yes") != (name == "Execute") {
			t.Errorf("%s: recorded %v", name, m)
		}
		Annotate(outer.Context(), "late", "x")
		Annotate(context.Background(), "nowhere", "x")
	}
}

// watcher is a collector that notes when it is told of a command.
type watcher struct {
	recorder
	begun []string
}

func (w *watcher) Command(name string) props.Invocation {
	w.begun = append(w.begun, name)
	return w.recorder.Command(name)
}

func TestExecuteSaysThatACommandBeginsBeforeItsFirstHook(t *testing.T) {
	t.Parallel()
	w := &watcher{}
	root := &cobra.Command{Use: "mytool"}
	sub := &cobra.Command{Use: "sub", Run: nothing, PreRun: func(*cobra.Command, []string) {
		if !slices.Equal(w.begun, []string{"sub"}) {
			t.Errorf("begun: %v", w.begun)
		}
	}}
	root.AddCommand(sub)
	h := newHome(t)
	if err := Wire(root, &props.Props{Tool: h.tool, Collector: w}, WithCore(core.WithStateDir(h.dir))); err != nil {
		t.Fatal(err)
	}
	perform(root, "sub", withExecute)
	if len(w.begun) != 1 || len(w.runs) != 1 || w.closed != 1 {
		t.Errorf("begun %v, recorded %+v, closed %d times", w.begun, w.runs, w.closed)
	}
}

func TestAToolWhoseOwnCommandIsNamedTelemetryGoesOnWithout(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	root := endingsTool()
	root.AddCommand(&cobra.Command{Use: "telemetry", Run: nothing})
	for range 2 {
		if err := Wire(root, &props.Props{Tool: newHome(t).tool, Collector: r}); err == nil {
			t.Error("the author is not told")
		}
	}
	if perform(root, "remote add x", withExecute); len(r.runs) > 0 {
		t.Errorf("recorded %+v", r.runs)
	}
}
