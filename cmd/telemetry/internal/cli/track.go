package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
)

// eventTypes are those that completion offers. Authors may use others.
var eventTypes = []string{
	string(props.EventCommandInvocation) + "\ta command ran",
	string(props.EventCommandError) + "\ta command failed",
	string(props.EventFeatureUsed) + "\ta feature was used",
	string(props.EventUpdateCheck) + "\tan update was looked for",
	string(props.EventUpdateApplied) + "\tan update was installed",
}

// said is the event as it was typed.
type said struct {
	kind, name string
	duration   time.Duration
	exitCode   int
	timed      bool
	metadata   map[string]string
}

func (p *program) track() *cobra.Command {
	var (
		duration time.Duration
		exitCode int
		meta     []string
	)
	cmd := &cobra.Command{
		Use:   "track TYPE [NAME]",
		Short: "Record one event",
		Long: "Record one event. It is on disk when this returns, and sent later, in the\n" +
			"background. Where telemetry is off nothing is recorded and nothing is printed, and\n" +
			"the exit code is 0.\n\n" +
			"TYPE is command.invocation, command.error, feature.used, update.check,\n" +
			"update.applied or one of your own; NAME says which command or feature.\n" +
			"A type that the file declares without names has none.",
		Example: "  telemetry --config mytool.yaml track command.invocation build --duration 142ms --exit-code 0 --meta format=json\n" +
			"  telemetry --config mytool.yaml track feature.used dark-mode",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return eventTypes, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&duration, "duration", 0, "how long a command ran, such as 142ms; goes with --exit-code")
	flags.IntVar(&exitCode, "exit-code", 0, "what it ended with; goes with --duration")
	flags.StringArrayVar(&meta, "meta", nil, "a detail, as `key=value`; may be given several times")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		event := said{duration: duration, exitCode: exitCode}
		err := event.read(args, flags.Changed("duration"), flags.Changed("exit-code"), meta)
		if err != nil {
			return telemetrycmd.UsageError(err)
		}
		collector, err := p.collector()
		if err != nil {
			return err
		}
		event.record(collector)
		_ = collector.Close(cmd.Context()) // status tells what went wrong
		return nil
	}
	return cmd
}

// read checks what was typed. It repeats no value: a script may have put a secret into
// the wrong place.
func (s *said) read(args []string, hasDuration, hasExitCode bool, meta []string) error {
	if len(args) != 1 && len(args) != 2 {
		return fmt.Errorf("track takes a TYPE and a NAME, but was given %d words", len(args))
	}
	s.kind, s.name = strings.TrimSpace(args[0]), strings.TrimSpace(strings.Join(args[1:], ""))
	shared := slices.ContainsFunc(eventTypes, func(t string) bool { return strings.HasPrefix(t, s.kind+"\t") })
	s.timed = hasDuration && hasExitCode
	switch {
	case s.kind == "":
		return errors.New("TYPE is empty; an example is command.invocation")
	case s.name == "" && (shared || len(args) == 2):
		return errors.New("NAME is missing; it says which command or feature it was")
	case s.kind == string(props.EventDeletionRequest):
		return errors.New("a deletion request is made by reset, which alone can prove whose data it is")
	case strings.HasPrefix(s.kind, "telemetry."):
		return errors.New("types that begin with telemetry. are reported by telemetry itself")
	case hasDuration != hasExitCode:
		return errors.New("--duration and --exit-code go together: a run has both")
	case s.timed && s.kind != string(props.EventCommandInvocation):
		return errors.New("--duration and --exit-code belong to command.invocation; put other numbers into --meta")
	case s.duration < 0:
		return errors.New("--duration is negative")
	}
	s.metadata = make(map[string]string, len(meta))
	for i, pair := range meta {
		key, value, found := strings.Cut(pair, "=")
		if !found || strings.TrimSpace(key) == "" {
			return fmt.Errorf("--meta number %d is not key=value", i+1)
		}
		if _, twice := s.metadata[key]; twice {
			return fmt.Errorf("--meta number %d has a key that was there before", i+1)
		}
		s.metadata[key] = value
	}
	return nil
}

func (s *said) record(collector props.Collector) {
	if s.timed {
		collector.TrackCommand(s.name, s.duration.Milliseconds(), s.exitCode, s.metadata)
		return
	}
	collector.Track(props.EventType(s.kind), s.name, s.metadata)
}
