package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	// took and ended are the values of --duration and --exit-code, which a script may have from
	// variables that are empty on a person's machine.
	took, ended string
	duration    time.Duration
	exitCode    int
	timed       bool
}

func (p *program) track() *cobra.Command {
	var event said
	var in script
	cmd := &cobra.Command{
		Use:   "track TYPE [NAME]",
		Short: "Record one event",
		Long: "Record one event. It is on disk when this returns, and sent later, in the\n" +
			"background. Where telemetry is off nothing is recorded and nothing is printed, and\n" +
			"the exit code is 0.\n\n" +
			"TYPE is command.invocation, command.error, feature.used, update.check,\n" +
			"update.applied or one of your own; NAME says which command or feature.\n" +
			"A type that the file declares without names has none.\n\n" + scriptHelp,
		Example: "  telemetry --config mytool.yaml track command.invocation build --duration 142ms --exit-code 0 --meta format=json\n" +
			"  telemetry --config mytool.yaml track feature.used dark-mode\n" +
			"  # where this program may not be installed\n" +
			"  command -v telemetry >/dev/null && telemetry --config mytool.yaml track feature.used dark-mode || true",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return telemetrycmd.UsageError(errors.New("track takes a TYPE and a NAME, but was given 0 words"))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return eventTypes, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&event.took, "duration", "", "how long a command ran, a `duration` such as 142ms; goes with --exit-code")
	flags.StringVar(&event.ended, "exit-code", "", "what it ended with, a `number`; goes with --duration")
	in.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if flags.Changed("duration") != flags.Changed("exit-code") {
			return telemetrycmd.UsageError(errors.New("--duration and --exit-code go together: a run has both"))
		}
		event.timed = flags.Changed("duration")
		if err := event.read(args); err != nil {
			return in.tolerate(telemetrycmd.UsageError(err))
		}
		collector, err := in.open(cmd, p)
		if err != nil {
			return err
		}
		metadata, err := in.metadata()
		if err != nil {
			return err
		}
		event.record(collector, metadata)
		_ = collector.Close(cmd.Context()) // status tells what went wrong
		return nil
	}
	return cmd
}

// read checks what was typed. It repeats no value: a script may have put a secret into
// the wrong place.
func (s *said) read(args []string) error {
	if len(args) > 2 {
		return fmt.Errorf("track takes a TYPE and a NAME, but was given %d words", len(args))
	}
	s.kind, s.name = strings.TrimSpace(args[0]), strings.TrimSpace(strings.Join(args[1:], ""))
	if s.timed {
		var errs [2]error
		s.duration, errs[0] = time.ParseDuration(s.took)
		s.exitCode, errs[1] = strconv.Atoi(s.ended)
		switch {
		case errs[0] != nil:
			return errors.New("--duration is no duration such as 142ms")
		case errs[1] != nil:
			return errors.New("--exit-code is no number")
		}
	}
	shared := slices.ContainsFunc(eventTypes, func(t string) bool { return strings.HasPrefix(t, s.kind+"\t") })
	switch {
	case s.kind == "":
		return errors.New("TYPE is empty; an example is command.invocation")
	case s.name == "" && (shared || len(args) == 2):
		return errors.New("NAME is missing; it says which command or feature it was")
	case s.kind == string(props.EventDeletionRequest):
		return errors.New("a deletion request is made by reset, which alone can prove whose data it is")
	case strings.HasPrefix(s.kind, "telemetry."):
		return errors.New("types that begin with telemetry. are reported by telemetry itself")
	case s.timed && s.kind != string(props.EventCommandInvocation):
		return errors.New("--duration and --exit-code belong to command.invocation; put other numbers into --meta")
	case s.duration < 0:
		return errors.New("--duration is negative")
	}
	return nil
}

func (s *said) record(collector props.Collector, metadata map[string]string) {
	if s.timed {
		collector.TrackCommand(s.name, s.duration.Milliseconds(), s.exitCode, metadata)
		return
	}
	collector.Track(props.EventType(s.kind), s.name, metadata)
}
