package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// contextMutants break at what an event says beside what happened.
func contextMutants() []mutant {
	return slices.Concat(dropMutants(), runMutants(), surroundingsMutants(), flagMutants(), classMutants(), foldMutants())
}

// item is a backend that encodes events in another way.
func item(name string, change func(*modelItem), fails string) mutant {
	return broken(name, model{item: change}, fails)
}

// everySample are the checks that compare sample events, and otherSamples those that take
// less of them.
const (
	everySample = `
		delivery/same-content-again fidelity/every-field fidelity/every-type fidelity/invalid-utf8 fidelity/longest fidelity/mixed-batch
		fidelity/metadata-empty-and-huge fidelity/nothing-made-up fidelity/numbers fidelity/old-and-ahead fidelity/reserved-names
		fidelity/times fidelity/unicode fidelity/zero-and-absent `
	otherSamples = "fidelity/context fidelity/error-class fidelity/flags fidelity/folded"
)

// dropMutants leave out a field each.
func dropMutants() []mutant {
	return []mutant{
		item("drops-flags", func(i *modelItem) { i.Flags = nil }, everySample+"fidelity/flags"),
		item("drops-the-error-class", func(i *modelItem) { i.Class = "" }, everySample+"fidelity/error-class"),
		item("drops-ci", func(i *modelItem) { i.CI = false }, everySample+"fidelity/context"),
		item("drops-the-ci-provider", func(i *modelItem) { i.CIProvider = "" }, everySample+"fidelity/context"),
		item("drops-interactive", func(i *modelItem) { i.Interactive = false }, everySample+otherSamples),
		item("drops-the-agent", func(i *modelItem) { i.Agent = "" }, everySample+"fidelity/context"),
		item("drops-container", func(i *modelItem) { i.Container = false }, everySample+"fidelity/context"),
		item("drops-the-run-id", func(i *modelItem) { i.Run = "" }, everySample+otherSamples),
		item("drops-the-count", func(i *modelItem) { i.Count = 0 }, everySample+"fidelity/folded"),
		item("drops-failures", func(i *modelItem) { i.Failures = 0 }, everySample+"fidelity/folded"),
		item("drops-durations", func(i *modelItem) { i.Durations = nil }, everySample+"fidelity/folded"),
		item("drops-the-sample-rate", func(i *modelItem) { i.SampleRate = 0 }, everySample),
		item("drops-redacted", func(i *modelItem) { i.Redacted = 0 }, everySample),
		item("drops-time-adjusted", func(i *modelItem) { i.TimeAdjusted = false }, everySample),
	}
}

func runMutants() []mutant {
	return []mutant{
		item("swaps-ci-and-interactive", func(i *modelItem) { i.CI, i.Interactive = i.Interactive, i.CI }, `
			fidelity/context fidelity/error-class fidelity/every-type fidelity/flags fidelity/folded fidelity/mixed-batch
			fidelity/reserved-names`),
		item("every-ci-is-no-terminal", func(i *modelItem) { i.Interactive = i.Interactive && !i.CI }, everySample+"fidelity/context"),
		item("every-agent-is-no-person", func(i *modelItem) { i.Interactive = i.Interactive && i.Agent == "" }, everySample+"fidelity/context"),
		item("a-provider-means-ci", func(i *modelItem) { i.CI = i.CIProvider != "" }, "fidelity/context"),
		item("knows-three-providers", func(i *modelItem) {
			if !slices.Contains([]string{"", "github-actions", "gitlab-ci"}, i.CIProvider) {
				i.CIProvider = "other"
			}
		}, "fidelity/context fidelity/longest"),
		item("always-time-adjusted", func(i *modelItem) { i.TimeAdjusted = true }, `
			fidelity/context fidelity/error-class fidelity/every-type fidelity/flags fidelity/folded fidelity/mixed-batch
			fidelity/reserved-names fidelity/zero-and-absent`),
		item("run-id-for-the-machine-id", func(i *modelItem) { i.Machine = cmp.Or(i.Run, i.Machine) }, everySample+otherSamples),
		item("machine-id-for-a-run-id", func(i *modelItem) { i.Run = cmp.Or(i.Run, i.Machine) }, "fidelity/context fidelity/folded fidelity/mixed-batch fidelity/reserved-names fidelity/zero-and-absent"),
		item("a-run-id-for-each-event", func(i *modelItem) { i.Run = i.ID }, everySample+otherSamples),
		item("invents-a-run-id", func(i *modelItem) { i.Run = cmp.Or(i.Run, processRun) }, `
			fidelity/context fidelity/folded fidelity/mixed-batch fidelity/reserved-names fidelity/zero-and-absent
			privacy/everything-explained privacy/same-in-any-environment`),
		item("invents-a-session", func(i *modelItem) {
			if i.Run == "" {
				i.extra = map[string]any{"events": processRun} // a name that is declared
			}
		}, "privacy/everything-explained privacy/same-in-any-environment"),
		fromTheFirst("run-id-of-the-first", func(to, from *driver.Event) { to.RunID = from.RunID }, `
			fidelity/context fidelity/error-class fidelity/flags fidelity/folded fidelity/longest
			fidelity/metadata-empty-and-huge fidelity/mixed-batch fidelity/nothing-made-up fidelity/numbers
			fidelity/old-and-ahead fidelity/reserved-names fidelity/times fidelity/zero-and-absent`),
		fromTheFirst("context-of-the-first", func(to, from *driver.Event) {
			to.CI, to.CIProvider, to.Interactive, to.Agent, to.Container = from.CI, from.CIProvider, from.Interactive, from.Agent, from.Container
		}, "fidelity/context fidelity/every-type fidelity/longest fidelity/mixed-batch fidelity/reserved-names fidelity/zero-and-absent"),
	}
}

// processRun is a run that a process makes up.
var processRun = fmt.Sprintf("01920000-0000-7000-8000-%012x", os.Getpid())

// surroundingsMutants take from their own process what an event does not say. They do so in
// children alone: what the tests themselves run in is not known.
func surroundingsMutants() []mutant {
	variable := func(name string) string {
		if !playing() {
			return ""
		}
		return os.Getenv(name)
	}
	return []mutant{
		item("ci-of-the-sender", func(i *modelItem) { i.CI = i.CI || variable("CI") != "" }, "privacy/same-in-any-environment"),
		item("ci-provider-of-the-sender", func(i *modelItem) {
			if i.CIProvider == "" && variable("GITHUB_ACTIONS") == "true" {
				i.CI, i.CIProvider = true, "github-actions"
			}
		}, "privacy/same-in-any-environment"),
		item("agent-of-the-sender", func(i *modelItem) {
			if i.Agent == "" && variable("CLAUDECODE") == "1" {
				i.Agent = "claude-code"
			}
		}, "privacy/same-in-any-environment"),
		item("container-of-the-sender", func(i *modelItem) {
			i.Container = i.Container || variable("container") != "" || variable("KUBERNETES_SERVICE_HOST") != ""
		}, "privacy/same-in-any-environment"),
		item("run-of-the-sender", func(i *modelItem) { i.Run = cmp.Or(i.Run, variable(runVariable)) }, "privacy/no-planted-value privacy/same-in-any-environment"),
	}
}

func flagMutants() []mutant {
	return []mutant{
		item("sorts-flags", func(i *modelItem) { i.Flags = slices.Sorted(slices.Values(i.Flags)) }, "fidelity/flags fidelity/invalid-utf8"),
		item("joins-flags-with-commas", func(i *modelItem) {
			if len(i.Flags) > 0 {
				i.Flags = strings.Split(strings.Join(i.Flags, ","), ",")
			}
		}, "fidelity/flags"),
		item("flags-in-lower-case", func(i *modelItem) {
			i.Flags = slices.Clone(i.Flags)
			for j, name := range i.Flags {
				i.Flags[j] = strings.ToLower(name)
			}
		}, "fidelity/flags"),
		item("thirty-one-flags", func(i *modelItem) { i.Flags = i.Flags[:min(len(i.Flags), 31)] }, "fidelity/flags fidelity/longest"),
		item("flags-among-the-arguments", func(i *modelItem) { i.Args, i.Flags = slices.Concat(i.Args, i.Flags), nil }, everySample+"fidelity/flags"),
		item("flags-of-63-bytes", func(i *modelItem) {
			i.Flags = slices.Clone(i.Flags)
			for j, name := range i.Flags {
				i.Flags[j] = name[:min(len(name), 63)]
			}
		}, "fidelity/longest"),
		item("agents-of-32-bytes", func(i *modelItem) { i.Agent = i.Agent[:min(len(i.Agent), 32)] }, "fidelity/longest"),
	}
}

func classMutants() []mutant {
	return []mutant{
		item("class-before-the-text", func(i *modelItem) {
			if i.Error != "" && i.Class != "" {
				i.Error = i.Class + ": " + i.Error
			}
		}, everySample+"fidelity/error-class"),
		item("text-in-the-class", func(i *modelItem) { i.Class = cmp.Or(i.Class, i.Error) }, "fidelity/error-class fidelity/mixed-batch"),
		item("class-for-a-missing-text", func(i *modelItem) { i.Error = cmp.Or(i.Error, i.Class) }, "fidelity/error-class fidelity/mixed-batch"),
		item("class-only-beside-a-text", func(i *modelItem) {
			if i.Error == "" {
				i.Class = ""
			}
		}, "fidelity/error-class fidelity/mixed-batch"),
		item("knows-the-shared-classes", func(i *modelItem) {
			if i.Class != "" && !slices.Contains(props.ErrorClasses(), props.ErrorClass(i.Class)) {
				i.Class = "other"
			}
		}, `
			fidelity/error-class fidelity/longest fidelity/metadata-empty-and-huge fidelity/mixed-batch
			fidelity/nothing-made-up fidelity/numbers fidelity/old-and-ahead fidelity/reserved-names fidelity/times`),
		item("invents-a-class", func(i *modelItem) {
			if i.Class == "" && i.Exit != nil && *i.Exit != 0 {
				i.Class = "other"
			}
		}, "fidelity/error-class fidelity/mixed-batch"),
		item("interrupted-is-no-error", func(i *modelItem) {
			if i.Class == "interrupted" {
				i.Class = ""
			}
		}, "fidelity/error-class"),
	}
}

func foldMutants() []mutant {
	return []mutant{
		item("a-record-is-one-event", func(i *modelItem) {
			if i.Count > 0 {
				i.Count, i.Failures, i.Durations = 1, 0, nil
			}
		}, everySample+"fidelity/folded"),
		item("failures-beside-the-count", func(i *modelItem) { i.Count += i.Failures }, everySample+"fidelity/folded privacy/everything-explained"),
		item("a-count-of-one-is-none", func(i *modelItem) {
			if i.Count == 1 {
				i.Count = 0
			}
		}, "fidelity/folded"),
		item("counts-only-failures", func(i *modelItem) {
			if i.Failures == 0 {
				i.Count = 0
			}
		}, "fidelity/folded"),
		item("buckets-without-zeros", func(i *modelItem) {
			i.Durations = slices.DeleteFunc(slices.Clone(i.Durations), func(n int) bool { return n == 0 })
		}, everySample+"fidelity/folded"),
		item("buckets-without-zeros-before", func(i *modelItem) {
			for len(i.Durations) > 0 && i.Durations[0] == 0 {
				i.Durations = i.Durations[1:]
			}
		}, "fidelity/folded"),
		item("thirteen-buckets", func(i *modelItem) { i.Durations = i.Durations[:min(len(i.Durations), 13)] }, "fidelity/folded"),
		item("cumulative-buckets", func(i *modelItem) {
			i.Durations = slices.Clone(i.Durations)
			for j := range i.Durations {
				if j > 0 {
					i.Durations[j] += i.Durations[j-1]
				}
			}
		}, everySample+"fidelity/folded"),
		item("buckets-of-32-bits", func(i *modelItem) {
			i.Durations = slices.Clone(i.Durations)
			for j, n := range i.Durations {
				i.Durations[j] = int(float32(n))
			}
		}, "fidelity/numbers"),
		item("buckets-as-fractions", func(i *modelItem) {
			var list []json.Number
			for _, n := range i.Durations {
				list = append(list, json.Number(fmt.Sprintf("%d.0", n)))
			}
			i.extra = map[string]any{"durations": list}
		}, everySample+"delivery/any-name-and-version delivery/concurrent-sends delivery/control-character-in-version delivery/each-its-own-verdict delivery/equal-events delivery/escaped-batch delivery/every-event-once delivery/keeps-nothing delivery/largest-batch delivery/order-kept delivery/partial-names-events delivery/warnings-counted delivery/same-ids-again fidelity/folded lifecycle/config-copied lifecycle/instances-are-independent lifecycle/many-sends lifecycle/send-after-close"),
		item("counts-of-16-bits", func(i *modelItem) { i.Count = int(int16(i.Count)) }, "fidelity/numbers"),
		broken("folds-again", changing(func(events []driver.Event) []driver.Event {
			seen := map[string]bool{}
			return slices.DeleteFunc(events, func(e driver.Event) bool {
				key := fmt.Sprint(e.Type, e.Name, e.Time, e.MachineID)
				again := e.Count > 0 && seen[key]
				seen[key] = true
				return again
			})
		}), "delivery/equal-events fidelity/folded"),
		item("one-in-n-as-a-percentage", func(i *modelItem) {
			if i.SampleRate > 0 {
				i.SampleRate = 100 / i.SampleRate
			}
		}, everySample+"privacy/everything-explained"),
		item("redacted-among-the-truncated", func(i *modelItem) { i.Truncated, i.Redacted = i.Truncated+i.Redacted, 0 }, everySample+"privacy/everything-explained"),
		broken("refuses-records", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if slices.ContainsFunc(events, func(e driver.Event) bool { return e.Count > 0 && e.DurationMS == nil }) {
				return driver.Refused(errModel, len(events))
			}
			return b.deliver(ctx, events)
		}}, "fidelity/folded fidelity/mixed-batch"),
	}
}

// What is planted has to be what the collector itself goes by, or a backend that did as the
// collector does would not show.
func TestPlantedSurroundingsAreARunInCIByAnAgentInAContainer(t *testing.T) {
	t.Parallel()
	s := httpSubject()
	shared := &session{subject: &s, base: sampleBase}
	defer shared.cleanup()
	plants, err := shared.plantSurroundings("x")
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) {
		for _, pair := range plants.environment {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value, true
			}
		}
		return "", false
	}
	home := coretest.New(t, props.Tool{Name: toolName, Telemetry: props.TelemetryConfig{Endpoint: "https://never.example"}}, core.WithEnv(lookup))
	c := home.Collector()
	c.TrackCommand("count", 1, 0, nil)
	_ = c.Close(t.Context()) // in CI it sends by itself for a second, which a slow machine may need; Events sends the rest
	run, _ := lookup(runVariable)
	events := home.Events()
	if len(events) != 1 || !events[0].CI || events[0].CIProvider == "" || events[0].Agent == "" || !events[0].Container || events[0].RunID != run {
		t.Errorf("want an event of the run %s in CI, by an agent and in a container: %+v", run, events)
	}
}
