package telemetrycmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// quota is an error that brings its class, locked one that cannot.
type quota struct{}

func (quota) Error() string          { return "no more of it" }
func (quota) TelemetryClass() string { return "quota" }

// undeclared brings a class that the author did not declare.
type undeclared struct{ quota }

func (undeclared) TelemetryClass() string { return "typo" }

var errLocked = errors.New("it is locked")

func fails(err error) hookE { return func(*cobra.Command, []string) error { return err } }

// endingsTool has a command for every way in which one can end.
func endingsTool() *cobra.Command {
	root := &cobra.Command{Use: "mytool", Version: "1.2.3"}
	root.PersistentFlags().CountP("verbose", "v", "")
	remote := &cobra.Command{Use: "remote", Aliases: []string{"r"}}
	remote.AddCommand(&cobra.Command{Use: "add NAME", Args: cobra.ExactArgs(1), Run: nothing})
	hooked := &cobra.Command{Use: "hooked"}
	hooked.PersistentFlags().String("in", "", "which hook fails")
	failsIn := func(name string) hookE {
		return func(cmd *cobra.Command, _ []string) error {
			switch in, _ := cmd.Flags().GetString("in"); in {
			case name:
				return coded(9)
			case name + " panic":
				panic("oh")
			}
			return nil
		}
	}
	hooked.PersistentPreRunE, hooked.PersistentPostRunE = failsIn("persistent-pre"), failsIn("persistent-post")
	under := &cobra.Command{Use: "under", PreRunE: failsIn("pre"), RunE: failsIn("run"), PostRunE: failsIn("post")}
	under.Flags().Bool("must", false, "")
	hooked.AddCommand(under)
	flags := &cobra.Command{Use: "flags", Run: nothing}
	flags.Flags().IntP("number", "n", 0, "")
	flags.Flags().Bool("a", false, "")
	flags.Flags().Bool("b", false, "")
	flags.MarkFlagsMutuallyExclusive("a", "b")
	required := &cobra.Command{Use: "required", PreRun: nothing, Run: nothing}
	required.Flags().String("must", "", "")
	if err := required.MarkFlagRequired("must"); err != nil {
		panic(err)
	}
	root.AddCommand(remote, hooked, flags, required,
		&cobra.Command{Use: "none", Args: cobra.NoArgs, Run: nothing},
		&cobra.Command{Use: "valid", ValidArgs: []string{"x"}, Args: cobra.OnlyValidArgs, Run: nothing},
		&cobra.Command{Use: "own-validator", Args: func(*cobra.Command, []string) error { return quota{} }, Run: nothing},
		&cobra.Command{Use: "wrong-use", RunE: fails(fmt.Errorf("wrapped: %w", UsageError(errors.New("no"))))},
		&cobra.Command{Use: "inner-tree", RunE: func(*cobra.Command, []string) error {
			inner := &cobra.Command{Use: "inner", SilenceErrors: true}
			inner.AddCommand(&cobra.Command{Use: "x", Run: nothing})
			inner.SetArgs([]string{"typo"})
			return inner.Execute()
		}},
		&cobra.Command{Use: "helps", RunE: fails(fmt.Errorf("see: %w", pflag.ErrHelp))},
		&cobra.Command{Use: "coded", RunE: fails(coded(42))},
		&cobra.Command{Use: "fails", RunE: fails(errors.New("it failed"))},
		&cobra.Command{Use: "quota", RunE: fails(fmt.Errorf("wrapped: %w", quota{}))},
		&cobra.Command{Use: "locked", RunE: fails(errLocked)},
		&cobra.Command{Use: "undeclared", RunE: fails(undeclared{})},
		&cobra.Command{Use: "denied", RunE: fails(&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission})},
		&cobra.Command{Use: "late", RunE: fails(context.DeadlineExceeded)},
		&cobra.Command{Use: "cancelled", RunE: fails(context.Canceled)},
		&cobra.Command{Use: "panics", Run: func(*cobra.Command, []string) { panic("oh") }},
		&cobra.Command{Use: "version", Run: nothing},
	)
	return root
}

// ending is how an invocation is recorded.
type ending struct {
	name  string
	code  int
	class props.ErrorClass
	flags string
	// blind says that without Execute nothing is seen of it, seen that something else is.
	blind bool
	seen  *ending
}

// endings is every way in which a call of endingsTool ends; nil is not recorded.
var endings = map[string]*ending{
	// It came to its end.
	"remote add origin":     {name: "remote add"},
	"r add origin -v":       {name: "remote add", flags: "verbose"},
	"flags -vn3 --b":        {name: "flags", flags: "number b verbose"},
	"flags --b=false":       {name: "flags", flags: "b"},
	"hooked under":          {name: "hooked under"},
	"required --must=x":     {name: "required", flags: "must"},
	"fails":                 {name: "fails", code: 1, class: props.ErrorOther},
	"coded":                 {name: "coded", code: 42, class: props.ErrorOther},
	"quota":                 {name: "quota", code: 1, class: "quota"},
	"locked":                {name: "locked", code: 1, class: "lock"},
	"undeclared":            {name: "undeclared", code: 1, class: props.ErrorOther},
	"denied":                {name: "denied", code: 1, class: props.ErrorPermission},
	"late":                  {name: "late", code: 1, class: props.ErrorTimeout},
	"cancelled":             {name: "cancelled", code: 130, class: props.ErrorInterrupted},
	"panics":                {name: "panics", code: 2, class: props.ErrorPanic},
	"wrong-use":             {name: "wrong-use", code: 2, class: props.ErrorUsage},
	"inner-tree":            {name: "inner-tree", code: 1, class: props.ErrorUsage},
	"helps":                 {name: "helps", class: props.ErrorUsage},
	"hooked under --in=run": {name: "hooked under", code: 9, class: props.ErrorOther, flags: "in"},

	// It failed before it ran.
	"typo":                             {name: "mytool", code: 1, class: props.ErrorUsage, blind: true},
	"--typo":                           {name: "mytool", code: 2, class: props.ErrorUsage, blind: true},
	"remote add":                       {name: "remote add", code: 1, class: props.ErrorUsage, blind: true},
	"remote add a b":                   {name: "remote add", code: 1, class: props.ErrorUsage, blind: true},
	"remote --typo":                    {name: "remote", code: 2, class: props.ErrorUsage, blind: true},
	"none typo":                        {name: "none", code: 1, class: props.ErrorUsage, blind: true},
	"valid typo":                       {name: "valid", code: 1, class: props.ErrorUsage, blind: true},
	"own-validator":                    {name: "own-validator", code: 1, class: "quota", blind: true},
	"flags -v --typo":                  {name: "flags", code: 2, class: props.ErrorUsage, flags: "verbose", blind: true},
	"flags -x":                         {name: "flags", code: 2, class: props.ErrorUsage, blind: true},
	"flags --number=typo":              {name: "flags", code: 2, class: props.ErrorUsage, blind: true},
	"flags --number":                   {name: "flags", code: 2, class: props.ErrorUsage, blind: true},
	"flags --a --b":                    {name: "flags", code: 1, class: props.ErrorUsage, flags: "a b", blind: true},
	"required":                         {name: "required", code: 1, class: props.ErrorUsage, blind: true},
	"hooked under --in=pre":            {name: "hooked under", code: 9, class: props.ErrorOther, flags: "in"},
	"hooked under --in=persistent-pre": {name: "hooked under", code: 9, class: props.ErrorOther, flags: "in"},
	"hooked under --in|pre panic":      {name: "hooked under", code: 2, class: props.ErrorPanic, flags: "in"},

	// What followed it failed.
	"hooked under --in=post": {
		name: "hooked under", code: 9, class: props.ErrorOther, flags: "in", seen: &ending{name: "hooked under", flags: "in"},
	},
	"hooked under --in=persistent-post": {
		name: "hooked under", code: 9, class: props.ErrorOther, flags: "in", seen: &ending{name: "hooked under", flags: "in"},
	},
	"hooked under --in|post panic": {
		name: "hooked under", code: 2, class: props.ErrorPanic, flags: "in", seen: &ending{name: "hooked under", flags: "in"},
	},

	// cobra answered it with help, though nobody asked for that.
	"":            {name: "mytool", class: props.ErrorUsage, blind: true},
	"remote":      {name: "remote", class: props.ErrorUsage, blind: true},
	"remote typo": {name: "remote", class: props.ErrorUsage, blind: true},

	// It says nothing about the tool's use.
	"--help": nil, "-h": nil, "--version": nil, "version": nil, "help": nil, "help remote": nil, "help typo": nil,
	"remote --help": nil, "remote add -h": nil, "completion bash": nil, "completion typo": nil,
	"__complete remote ": nil, "__completeNoDesc rem": nil,
	"telemetry": nil, "telemetry status": nil, "telemetry typo": nil, "telemetry status --typo": nil,
}

// performance is what is seen of a run from outside.
type performance struct {
	code  int
	out   string
	panic any
}

// perform runs a line of the tool with the exit code that main would end with.
func perform(root *cobra.Command, line string, execute func(*cobra.Command) int) (p performance) {
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	args := strings.Split(line, " ")
	for i := range args { // a value with a space in it
		if name, value, found := strings.Cut(args[i], "|"); found {
			args = slices.Replace(args, i, len(args), name, value+" "+strings.Join(args[i+1:], " "))
			break
		}
	}
	if line == "" {
		args = []string{}
	}
	root.SetArgs(args)
	defer func() {
		p.panic = recover()
		p.out = out.String()
	}()
	p.code = execute(root)
	return p
}

func withoutExecute(root *cobra.Command) int { return ExitCode(root.Execute()) }
func withExecute(root *cobra.Command) int    { return Execute(root) }

// wiredHome wires a tree for a person who said yes.
func wiredHome(t *testing.T, root *cobra.Command, config props.TelemetryConfig, list ...Option) *coretest.Home {
	t.Helper()
	tool := props.Tool{Name: "mytool", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)), Telemetry: config}
	home := coretest.New(t, tool, core.WithUploadCommand("-test.run=^$"))
	p := &props.Props{Tool: tool, Collector: home.Collector()}
	list = append(list, WithCore(core.WithStateDir(t.TempDir())))
	if err := Wire(root, p, list...); err != nil {
		t.Fatal(err)
	}
	return home
}

// declared is what the author of endingsTool declares of its errors.
func declared(t *testing.T, root *cobra.Command, extended bool) *coretest.Home {
	return wiredHome(t, root, props.TelemetryConfig{ErrorClasses: []props.ErrorClass{"quota", "lock"}, ExtendedCollection: extended},
		WithErrorClass(func(err error) props.ErrorClass {
			if errors.Is(err, errLocked) {
				return "lock"
			}
			return ""
		}))
}

func checkEnding(t *testing.T, events []driver.Event, want *ending) {
	t.Helper()
	if want == nil {
		if len(events) > 0 {
			t.Errorf("recorded %+v", events)
		}
		return
	}
	if len(events) != 1 {
		t.Fatalf("recorded %d events, want one: %+v", len(events), events)
	}
	e := events[0]
	got := ending{name: e.Name, code: *e.ExitCode, class: props.ErrorClass(e.ErrorClass), flags: strings.Join(e.Flags, " ")}
	if got.name != want.name || got.code != want.code || got.class != want.class || got.flags != want.flags {
		t.Errorf("recorded %+v, want %+v", got, *want)
	}
	if text := fmt.Sprintf("%+v", e); strings.Contains(text, "typo") {
		t.Errorf("what was typed is in %s", text)
	}
}

func TestWhatEndedACommandIsRecordedByExecute(t *testing.T) {
	t.Parallel()
	for line, want := range endings {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			for _, extended := range []bool{false, true} {
				root := endingsTool()
				home := declared(t, root, extended)
				o := perform(root, line, withExecute)
				checkEnding(t, home.Events(), want)
				if want != nil && o.panic == nil && o.code != want.code {
					t.Errorf("Execute returned %d, and %d was recorded", o.code, want.code)
				}
			}
		})
	}
}

// An author may class everything, also what cobra refuses: that vouches for no text.
func TestWhatWasTypedIsNotRecordedUnderAnyClassOfTheAuthors(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "no Execute": withoutExecute} {
		root := endingsTool()
		root.AddCommand(
			&cobra.Command{Use: "fewer", Args: func(_ *cobra.Command, args []string) error { return errors.New("not " + args[0]) }, Run: nothing},
			&cobra.Command{Use: "own-use", RunE: func(_ *cobra.Command, args []string) error { return UsageError(errors.New("not " + args[0])) }},
			&cobra.Command{Use: "fails-with", RunE: func(*cobra.Command, []string) error { return errors.New("out of reach") }})
		home := wiredHome(t, root, props.TelemetryConfig{ErrorClasses: []props.ErrorClass{"quota"}, ExtendedCollection: true},
			WithErrorClass(func(error) props.ErrorClass { return "quota" }))
		for _, line := range []string{"typo", "remote add typo typo", "none typo", "valid typo", "flags --typo", "flags --number=typo", "inner-tree", "fewer typo", "own-use typo"} {
			perform(root, line, execute)
		}
		for _, e := range home.Events() {
			if text := fmt.Sprintf("%+v", e); e.ErrorClass != "quota" || strings.Contains(text, "typo") {
				t.Errorf("%s: %s", name, text)
			}
		}
		perform(root, "fails-with", execute)
		if !slices.ContainsFunc(home.Events(), func(e driver.Event) bool { return strings.Contains(e.Error, "out of reach") }) {
			t.Errorf("%s: of what is no misuse the text is not recorded", name)
		}
	}
}

// As in a tool with a prompt of its own.
func TestAfterACallThatCobraRefusedTheNextIsRecordedToo(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"typo", "none typo", "quota", "version", "panics"} {
		root := endingsTool()
		home := declared(t, root, false)
		perform(root, first, withExecute)
		before := len(home.Events())
		perform(root, "hooked under", withoutExecute)
		if events := home.Events(); len(events) != before+1 || events[before].Name != "hooked under" {
			t.Errorf("after %q: %+v", first, events)
		}
	}
}

func TestWithoutExecuteACommandIsRecordedAtItsReturn(t *testing.T) {
	t.Parallel()
	for line, want := range endings {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			root := endingsTool()
			home := declared(t, root, false)
			perform(root, line, withoutExecute)
			if want != nil && want.blind {
				want = nil
			} else if want != nil && want.seen != nil {
				want = want.seen
			}
			checkEnding(t, home.Events(), want)
		})
	}
}

// What the person reads, what main sees and how it ends are the same without telemetry.
func TestNeitherWireNorExecuteChangesWhatAToolDoes(t *testing.T) {
	t.Parallel()
	lines := []string{"telemetri", "remote ad x", "__complete ", "__complete remote ", "__complete flags --", "help flags", "flags --help", "hooked under --in"}
	for line := range endings {
		lines = append(lines, line)
	}
	for _, line := range lines {
		for _, change := range []func(*cobra.Command){
			func(*cobra.Command) {},
			func(root *cobra.Command) { root.SilenceErrors, root.SilenceUsage = true, true },
			func(root *cobra.Command) { root.TraverseChildren = true },
			func(root *cobra.Command) { root.DisableSuggestions = true },
		} {
			if strings.HasPrefix(line, "telemetry") {
				continue // a tool without telemetry has no such command
			}
			result := func(wire bool, execute func(*cobra.Command) int) string {
				root := endingsTool()
				change(root)
				if wire {
					wiredHome(t, root, props.TelemetryConfig{ExtendedCollection: true})
					root.RemoveCommand(child(root, "telemetry")) // help lists it, as it should
				}
				o := perform(root, line, execute)
				return fmt.Sprintf("code %d, panic %v\n%s", o.code, o.panic, o.out)
			}
			plain := result(false, withoutExecute)
			for name, got := range map[string]string{
				"Execute without Wire": result(false, withExecute),
				"Wire":                 result(true, withoutExecute),
				"Wire and Execute":     result(true, withExecute),
			} {
				if got != plain {
					t.Errorf("%q: with %s\n%s\nwithout\n%s", line, name, got, plain)
				}
			}
		}
	}
}

func TestAnErrorIsReportedToTheAuthorBeforeItIsRecorded(t *testing.T) {
	t.Parallel()
	root := endingsTool()
	root.SilenceErrors = true
	home := declared(t, root, false)
	var reported error
	perform(root, "quota", func(root *cobra.Command) int {
		return Execute(root, func(err error) {
			reported = err
			if events := home.Events(); len(events) > 0 {
				t.Errorf("recorded before: %+v", events)
			}
		})
	})
	if !errors.Is(reported, quota{}) {
		t.Errorf("reported %v", reported)
	}
	if len(home.Events()) != 1 {
		t.Error("not recorded")
	}
	reported = nil
	perform(endingsTool(), "remote add x", func(root *cobra.Command) int {
		return Execute(root, func(err error) { t.Errorf("reported %v of a success", err) })
	})
}

func TestAPanicGoesThroughExecuteAsItWas(t *testing.T) {
	t.Parallel()
	root := bigTool()
	home := wiredHome(t, root, props.TelemetryConfig{})
	var stack string
	func() {
		defer func() {
			if recover() != "oh" {
				t.Error("the panic's value changed")
			}
			buffer := make([]byte, 64<<10)
			stack = string(buffer[:runtime.Stack(buffer, false)])
		}()
		root.SetArgs([]string{"panic"})
		root.SetOut(io.Discard)
		Execute(root)
	}()
	if !strings.Contains(stack, "bigTool.func") {
		t.Error("the stack does not lead to where the panic began")
	}
	checkEnding(t, home.Events(), &ending{name: "panic", code: 2, class: props.ErrorPanic})
}

func TestACommandThatAnotherOneCallsIsRecordedForItself(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "without": withoutExecute} {
		root := endingsTool()
		again := &cobra.Command{Use: "again", RunE: func(cmd *cobra.Command, _ []string) error {
			added, _, _ := root.Find([]string{"coded"})
			_ = added.RunE(added, nil)
			root.SetArgs([]string{"hooked", "under"})
			if err := root.Execute(); err != nil {
				t.Error(err)
			}
			root.SetArgs([]string{"typo"})
			_ = root.Execute()
			return errors.New("it failed")
		}}
		root.AddCommand(again)
		home := declared(t, root, false)
		perform(root, "again", execute)
		var got []string
		for _, e := range home.Events() {
			got = append(got, fmt.Sprint(e.Name, " ", *e.ExitCode))
		}
		if want := []string{"coded 42", "hooked under 0", "again 1"}; !slices.Equal(got, want) {
			t.Errorf("%s: recorded %v, want %v", name, got, want)
		}
	}
}

// A shell of the tool's own runs its tree again and again.
func TestATreeMayRunAgainAndItsContextsDoNotGrow(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "without": withoutExecute} {
		root := endingsTool()
		home := declared(t, root, false)
		add, _, _ := root.Find([]string{"remote", "add"})
		perform(root, "remote add x", execute)
		first := add.Context()
		for range 3 {
			perform(root, "remote add x", execute)
			perform(root, "typo", execute)
		}
		if add.Context() != first || runIn(first) != nil {
			t.Errorf("%s: the context of a command that is over is %v", name, add.Context())
		}
		adds := 0
		for _, e := range home.Events() {
			if e.Name == "remote add" {
				adds++
			}
		}
		if adds != 4 {
			t.Errorf("%s: %d of 4 runs recorded", name, adds)
		}
	}
}

func TestAContextOfTheToolsOwnLosesNothingAndRecordsNothingTwice(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "without": withoutExecute} {
		root := endingsTool()
		type key struct{}
		root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
			cmd.SetContext(context.WithValue(context.Background(), key{}, "mine"))
		}
		none, _, _ := root.Find([]string{"none"})
		none.PostRun = func(cmd *cobra.Command, _ []string) {
			if cmd.Context().Value(key{}) != "mine" {
				t.Errorf("%s: the tool's own context is gone", name)
			}
		}
		home := declared(t, root, false)
		root.SetContext(context.Background())
		perform(root, "none", execute)
		checkEnding(t, home.Events(), &ending{name: "none"})
	}
}

func TestWhatAHookWhichCallsItsParentsReturnsIsRecordedOnce(t *testing.T) {
	t.Parallel()
	for name, execute := range map[string]func(*cobra.Command) int{"Execute": withExecute, "without": withoutExecute} {
		root := &cobra.Command{Use: "mytool", PersistentPreRunE: fails(coded(3))}
		sub := &cobra.Command{Use: "sub", Run: nothing}
		sub.PersistentPreRunE = func(cmd *cobra.Command, args []string) error { return root.PersistentPreRunE(cmd, args) }
		forgiving := &cobra.Command{Use: "forgiving", Run: nothing}
		forgiving.PersistentPreRun = func(cmd *cobra.Command, args []string) { _ = root.PersistentPreRunE(cmd, args) }
		root.AddCommand(sub, forgiving)
		home := wiredHome(t, root, props.TelemetryConfig{})
		perform(root, "sub", execute)
		checkEnding(t, home.Events(), &ending{name: "sub", code: 3, class: props.ErrorOther})
		perform(root, "forgiving", execute)
		if events := home.Events(); len(events) != 2 || events[1].Name != "forgiving" || *events[1].ExitCode != 0 {
			t.Errorf("%s: recorded %+v", name, events)
		}
	}
}

func TestExecuteOfATreeThatIsOffRunsItAndRecordsNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.tool.Features = props.SetFeatures(props.Disable(props.TelemetryCmd))
	root := bigTool()
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
		t.Fatal(err)
	}
	if o := perform(root, "coded", withExecute); o.code != 42 {
		t.Errorf("exit code %d", o.code)
	}
	h = newHome(t) // nobody has said anything
	root = bigTool()
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"coded", "typo", "remote"} {
		perform(root, line, withExecute)
	}
	if _, err := os.Stat(h.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory: %v", err)
	}
}

func TestThePageSaysHowEachCallIsRecorded(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/reference/recording.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		call, rest, found := strings.Cut(line, "` | ")
		call, ours := strings.CutPrefix(call, "| `mytool ")
		if !found || !ours {
			continue
		}
		rows++
		want, known := endings[call]
		cells := "nothing | | | | nothing |"
		if want != nil {
			alone := "the same"
			if want.blind {
				alone = "nothing"
			} else if want.seen != nil {
				alone = "as a success"
			}
			cells = fmt.Sprintf("%s | %d | %s | %s | %s |", want.name, want.code, want.class, want.flags, alone)
		}
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
		if !known || squeeze(rest) != squeeze(cells) {
			t.Errorf("%q is said to be %s, and is %s", call, rest, cells)
		}
	}
	if rows < 25 {
		t.Errorf("%d rows", rows)
	}
}
