package telemetrycmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/internal/guard"
)

// skipFlag is the flag of commands that ask by themselves; see AddSkipFlag.
const skipFlag = "skip-telemetry"

// AddSkipFlag gives a tool's `init` command the flag --skip-telemetry, which is true in
// continuous integration. A command that has it asks with Ask, when it sees fit; Wire
// leaves the question to it.
func AddSkipFlag(cmd *cobra.Command, m *core.Manager) {
	cmd.Flags().Bool(skipFlag, consent.InCI(m.Lookup), "do not ask whether usage data may be sent")
}

// Ask asks the person whether usage data may be sent, as console.Ask does, unless another
// program reads what the command prints, or --skip-telemetry is set.
//
// An error that wraps the one of the command's context says that the context ended
// while the question was waiting: return it, ExitCode knows it. Any other says that the answer
// could not be stored; the command can go on all the same, without telemetry.
func Ask(cmd *cobra.Command, m *core.Manager, list ...Option) error {
	if skip, err := cmd.Flags().GetBool(skipFlag); err == nil && skip {
		return nil
	}
	_, err := gather(list).ask(cmd, m)
	return err
}

// ask is Ask without the flag. It reports whether an answer was stored.
func (o *options) ask(cmd *cobra.Command, m *core.Manager) (answered bool, err error) {
	if o.machineReads(cmd) {
		return false, nil
	}
	answered, err = console.Ask(contextOf(cmd), m, o.with(cmd)...)
	if has[*console.InterruptedError](err) {
		cmd.SilenceUsage = true // it was called in the right way
	}
	return answered, err
}

// with are the console's options for a command.
func (o *options) with(cmd *cobra.Command) []console.Option {
	return append(slices.Clone(o.console), console.WithStreams(streamsOf(cmd)))
}

// machineReads reports whether another program reads what cmd prints, as far as its
// flags tell. The names are those in common use.
func (o *options) machineReads(cmd *cobra.Command) bool {
	if o.machineReadable != nil && guard.Ask(true, func() bool { return o.machineReadable(cmd) }) {
		return true
	}
	machine := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		machine = machine || machineFlag(f)
	})
	return machine
}

func machineFlag(f *pflag.Flag) bool {
	value := strings.ToLower(f.Value.String())
	isBool := f.Value.Type() == "bool"
	switch f.Name {
	case "json", "jq", "jsonpath", "template", "go-template":
		// A switch, or as with gh the fields to print.
		return isBool && value == "true" || !isBool && f.Changed
	case "yaml", "xml", "csv", "tsv", "ndjson", "porcelain", "quiet", "silent", "plain", "raw", "batch",
		"no-input", "non-interactive":
		return isBool && value == "true" || !isBool && f.Changed && value != ""
	case "interactive":
		return isBool && value == "false" && f.Changed
	}
	if !slices.Contains([]string{"output", "format", "output-format"}, f.Name) && f.Shorthand != "o" {
		return false
	}
	// "template={{.Name}}", "jsonpath='{.items}'", "custom-columns=…"
	kind, _, _ := strings.Cut(value, "=")
	switch kind {
	case "json", "jsonl", "ndjson", "json-pretty", "yaml", "yml", "xml", "toml", "csv", "tsv",
		"template", "go-template", "jsonpath", "jsonpath-as-json", "custom-columns", "name", "porcelain", "raw":
		return true
	}
	return false
}
