//go:build !notelemetry

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/internal/cobrahelp"
	"github.com/gotoolbase/telemetry/internal/manpage"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/version"
)

// The exit codes.
const (
	exitKept  = 0 // the program keeps the contract
	exitFound = 1 // it does not
	exitUsage = 2 // it could not be found out: a mistake in the arguments or in the vendor file

	exitInterrupted = 130 // as shells have it
)

// errInterrupted says that nothing was found out.
var errInterrupted = errors.New("interrupted, so nothing can be said of the program")

// errFound says that there are findings, which have been printed.
var errFound = errors.New("the program does not keep the contract")

func run(args []string, stdout, stderr io.Writer) int {
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one ends this program at once
	err := cmd.ExecuteContext(ctx)
	switch {
	case errors.Is(err, errInterrupted):
		complain(stderr, err)
		return exitInterrupted
	case err == nil:
		return exitKept
	case errors.Is(err, errFound):
		return exitFound
	}
	complain(stderr, err)
	return exitUsage
}

// complain prints an error, which may be several joined ones.
func complain(stderr io.Writer, err error) {
	out := screen.New(stderr, os.LookupEnv)
	for line := range strings.Lines("telemetry-conformance: " + err.Error()) {
		out.Line(screen.Plain, strings.TrimSuffix(line, "\n"))
	}
}

// options are the flags.
type options struct {
	vendor, output, report, only string
	seed                         uint64
	patience                     float64
	list                         bool
	// words is how many of the arguments are the program's: the suite, which runs itself
	// again in planted surroundings, adds one to them.
	words int
}

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "telemetry-conformance --vendor FILE -- PROGRAM [ARGUMENT]...",
		Short: "Hold a backend in any language to the contract",
		Long: "Telemetry-conformance plays the vendor that FILE describes, hands PROGRAM batches of\n" +
			"events on its standard input, one JSON object a line, and reads from its standard\n" +
			"output what became of them. It takes some 20 seconds, and no request leaves this\n" +
			"machine.\n\n" +
			"The protocol and the file are described in conformance/WIRE.md. PROGRAM is started\n" +
			"some 300 times, in directories and environments of its own: arguments that name\n" +
			"files are made absolute, and what it needs to be built is built before.\n\n" +
			"The exit code is 0 if the program keeps the contract, 1 if it does not, 2 if that\n" +
			"could not be found out, and 130 if it was interrupted.",
		Example: "  telemetry-conformance --vendor acme.yaml -- ./acme\n" +
			"  telemetry-conformance --vendor acme.yaml --run 'delivery/' -- python3 acme.py\n" +
			"  telemetry-conformance --vendor acme.yaml --output json -- ./acme | jq .results",
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true, // run prints them
		Args:          cobra.ArbitraryArgs,
		RunE:          func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.vendor, "vendor", "", "the YAML `file` that says what the vendor's documentation says")
	f.StringVar(&o.only, "run", "", "make only the checks whose IDs match the regular `expression`")
	f.BoolVar(&o.list, "list", false, "list the checks, and make none")
	f.StringVar(&o.output, "output", "text", "`text` or json")
	f.StringVar(&o.report, "report", "", "write the report as JSON into the `directory` too")
	f.Uint64Var(&o.seed, "seed", 0, "replay the random failures of the run that printed the `number`")
	f.Float64Var(&o.patience, "patience", 1, "multiply every deadline by the `factor`, for a slow machine")
	f.IntVar(&o.words, "words", 0, "how many of the arguments are the program's")
	for _, err := range []error{
		f.MarkHidden("words"),
		cmd.MarkFlagFilename("vendor", "yaml", "yml"),
		cmd.MarkFlagDirname("report"),
		cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)),
		cmd.RegisterFlagCompletionFunc("run", completeChecks),
	} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
	cobrahelp.Fit(cmd)
	manpage.AddCommand(cmd)
	return cmd
}

func completeChecks(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	for _, c := range allChecks() {
		ids = append(ids, c.ID+"\t"+c.Sentence)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func allChecks() []conformance.Check {
	return append(conformance.Checks(), conformance.ProgramChecks()...)
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	only, err := regexp.Compile(o.only)
	switch {
	case err != nil:
		return fmt.Errorf("--run is no regular expression: %w", err)
	case o.output != "text" && o.output != "json":
		return fmt.Errorf("--output is %q, not text or json", o.output)
	case !(o.patience > 0) || math.IsInf(o.patience, 0): // NaN is none of them
		return errors.New("--patience is not above zero")
	case !slices.ContainsFunc(allChecks(), func(c conformance.Check) bool { return only.MatchString(c.ID) }):
		return fmt.Errorf("--run matches no check; --list shows them")
	case o.list:
		return listChecks(screen.New(cmd.OutOrStdout(), os.LookupEnv), only)
	case o.vendor == "":
		return errors.New("--vendor is required: the YAML file that says what the vendor's documentation says")
	case len(args) == 0:
		return errors.New("no program is named: write it last, after --")
	}
	if o.words > 0 && o.words < len(args) {
		args = args[:o.words]
	}
	vendor, err := conformance.ReadVendor(o.vendor)
	if err != nil {
		return err
	}
	command, err := absolute(args)
	if err != nil {
		return err
	}
	again, err := o.again(command)
	if err != nil {
		return err
	}
	report := conformance.VerifyProgram(cmd.Context(), vendor, conformance.Program{
		Command: command, Only: only, Seed: o.seed, Patience: o.patience, Report: o.report, Again: again,
	})
	if cmd.Context().Err() != nil {
		return errInterrupted
	}
	return o.present(cmd.OutOrStdout(), report)
}

// absolute makes a command one that can be started in any directory.
func absolute(args []string) ([]string, error) {
	command := slices.Clone(args)
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("the program cannot be started: %w", err)
	}
	if command[0], err = filepath.Abs(path); err != nil {
		return nil, err
	}
	for i, argument := range command[1:] {
		if info, err := os.Stat(argument); err == nil && info.Mode().IsRegular() {
			if command[i+1], err = filepath.Abs(argument); err != nil {
				return nil, err
			}
		}
	}
	return command, nil
}

// again are the arguments with which the suite runs this program once more.
func (o *options) again(command []string) ([]string, error) {
	vendor, err := filepath.Abs(o.vendor)
	if err != nil {
		return nil, err
	}
	flags := []string{
		"--vendor=" + vendor, "--patience=" + strconv.FormatFloat(o.patience, 'g', -1, 64),
		"--words=" + strconv.Itoa(len(command)), "--",
	}
	return append(flags, command...), nil
}
