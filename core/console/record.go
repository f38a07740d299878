package console

import (
	"context"
	"errors"
	"fmt"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// Record runs one of the tool's own commands. It puts the question first where [Ask] would,
// and with a yes records the command: how long it ran, its exit code as core.ExitCode has it,
// and the class of its error. name is the command's path without the tool's name, flags are the
// names of the flags that were set, as the author declared them; never give it what a person
// typed. do gets the collector, for what it reports besides.
//
// Record returns what do returned. Where the context ended at the question it returns an
// [*InterruptedError] and does not call do. Whatever else is wrong with telemetry, a mistake in
// the declaration or an answer that could not be stored, is a line on standard error.
func Record(ctx context.Context, m *core.Manager, name string, flags []string, do func(props.Collector) error, options ...Option) (err error) {
	s := gather(options)
	collector, wrong := m.Open()
	if collector.Enabled() {
		s.tell(m)
	} else {
		answered, err := Ask(ctx, m, options...)
		if _, interrupted := errors.AsType[*InterruptedError](err); interrupted {
			return err
		}
		if answered {
			collector, wrong = m.Open()
		}
		wrong = errors.Join(wrong, err)
	}
	if wrong != nil {
		fmt.Fprintf(s.streams.complete().Err, "%s: %v\n", m.Tool().Name, flat{wrong})
	}
	// What ended the context must not fail the upload; that has its own limit.
	defer func() { _ = collector.Close(context.WithoutCancel(ctx)) }()
	defer collector.Command(name).Flags(flags...).End(&err)
	return do(collector)
}
