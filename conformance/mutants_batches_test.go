package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// changes sends a copy of the batch that was changed, whatever its size.
func changing(change func([]driver.Event) []driver.Event) model {
	return model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
		return b.deliver(ctx, change(slices.Clone(events)))
	}}
}

// batchMutants break at what a batch is made of.
func batchMutants() []mutant {
	return slices.Concat(sizeMutants(), contentMutants(), identityMutants(), programMutants(), repeatMutants())
}

func sizeMutants() []mutant {
	return []mutant{
		broken("drops-the-65th", changing(func(events []driver.Event) []driver.Event { return events[:min(len(events), 64)] }), "delivery/batch-sizes delivery/escaped-batch delivery/largest-batch"),
		broken("splits-above-50", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			for chunk := range slices.Chunk(events, 50) {
				if err := b.deliver(ctx, chunk); err != nil {
					return err
				}
			}
			return nil
		}}, "delivery/batch-sizes delivery/escaped-batch"),
		broken("escapes-for-web-pages", model{escape: true}, "delivery/escaped-batch"),
		broken("escapes-all-but-ascii", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			var ascii strings.Builder
			for _, c := range string(body) {
				if c < 0x80 {
					ascii.WriteRune(c)
				} else if c < 0x10000 {
					fmt.Fprintf(&ascii, `\u%04x`, c)
				} else {
					fmt.Fprintf(&ascii, `\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
				}
			}
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(ascii.String())), int64(ascii.Len())
			return b.client.Do(r)
		}}, "delivery/escaped-batch"),
		broken("loses-what-has-grown", model{escape: true, send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			for len(b.encode(events)) > 200_000 {
				events = events[:len(events)-1]
			}
			return b.deliver(ctx, events)
		}}, "delivery/escaped-batch"),
	}
}

func contentMutants() []mutant {
	return []mutant{
		broken("takes-equal-events-for-copies", changing(func(events []driver.Event) []driver.Event {
			seen := map[string]bool{}
			return slices.DeleteFunc(events, func(e driver.Event) bool {
				e.ID = ""
				key := string(e.AppendJSON(nil))
				again := seen[key]
				seen[key] = true
				return again
			})
		}), "delivery/equal-events fidelity/folded"),
		broken("drops-older-than-a-day", changing(func(events []driver.Event) []driver.Event {
			return slices.DeleteFunc(events, func(e driver.Event) bool { return time.Since(e.Time) > 24*time.Hour })
		}), "fidelity/old-and-ahead"),
		broken("clamps-the-future", model{item: func(i *modelItem) {
			if at, err := time.Parse(time.RFC3339Nano, i.Time); err == nil && time.Until(at) > 30*time.Second {
				i.Time = time.Now().UTC().Format(time.RFC3339Nano)
			}
		}}, "fidelity/old-and-ahead"),
		broken("drops-unknown-types", changing(func(events []driver.Event) []driver.Event {
			return slices.DeleteFunc(events, func(e driver.Event) bool {
				return !slices.Contains([]string{"command.invocation", "command.error", "feature.used", "update.check", "update.applied", "telemetry.loss", "data.deletion_request"}, e.Type)
			})
		}), "delivery/escaped-batch fidelity/every-type fidelity/longest fidelity/mixed-batch"),
		broken("names-of-255-bytes", model{item: func(i *modelItem) { i.Name = i.Name[:min(len(i.Name), 255)] }}, "fidelity/longest"),
		broken("thirty-two-arguments", model{item: func(i *modelItem) { i.Args = i.Args[:min(len(i.Args), 32)] }}, "fidelity/longest"),
		broken("exit-codes-of-32-bits", model{item: func(i *modelItem) {
			if i.Exit != nil {
				code := int(int32(*i.Exit))
				i.Exit = &code
			}
		}}, "fidelity/numbers"),
	}
}

// fromTheFirst is a backend that has one thing of the first event in all of them.
func fromTheFirst(name string, take func(to, from *driver.Event), fails string) mutant {
	return broken(name, changing(func(events []driver.Event) []driver.Event {
		for i := range events {
			take(&events[i], &events[0])
		}
		return events
	}), fails)
}

func identityMutants() []mutant {
	return []mutant{
		fromTheFirst("machine-id-of-the-first", func(to, from *driver.Event) { to.MachineID = from.MachineID }, "fidelity/mixed-batch fidelity/nothing-made-up"),
		fromTheFirst("version-of-the-first", func(to, from *driver.Event) { to.Version = from.Version }, "fidelity/reserved-names fidelity/longest fidelity/mixed-batch fidelity/zero-and-absent"),
		broken("hostname-for-an-empty-machine-id", model{item: func(i *modelItem) {
			if i.Machine == "" {
				i.Machine, _ = os.Hostname()
			}
		}}, "fidelity/nothing-made-up"),
		broken("session-for-an-empty-machine-id", model{item: func(i *modelItem) {
			if i.Machine == "" {
				i.extra = map[string]any{"event": i.Name, "subject": "", "consent": fmt.Sprint(os.Getpid(), "-", time.Now().UnixNano())}
			}
		}}, "fidelity/nothing-made-up"),
		broken("empty-machine-id-is-tried-for-ever", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if slices.ContainsFunc(events, func(e driver.Event) bool { return e.MachineID == "" }) {
				return errModel
			}
			return b.deliver(ctx, events)
		}}, "fidelity/nothing-made-up"),
	}
}

func programMutants() []mutant {
	return []mutant{
		broken("version-in-the-query-as-it-is", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			if b.version != "" {
				r.URL.RawQuery = "version=" + b.version
			}
			return b.client.Do(r)
		}}, "delivery/control-character-in-version delivery/any-name-and-version"),
		broken("version-as-it-is-in-a-header", model{opened: func(b *modelBackend) {
			b.request = func(r *http.Request) { r.Header.Set("User-Agent", b.tool+"/"+b.version) }
		}}, "delivery/control-character-in-version"),
		broken("sent-at-in-the-local-zone", model{body: func(b map[string]any, _ []driver.Event) {
			b["sent_at"] = time.Now().In(time.FixedZone("CET", 3600)).Format(time.RFC3339Nano) // as time.Now is where people live
		}}, "privacy/no-time-zone"),
	}
}

func repeatMutants() []mutant {
	return []mutant{
		broken("hundredth-send-adds-a-header", model{opened: func(b *modelBackend) {
			b.request = func(r *http.Request) {
				if n := b.state.n.Add(1); n%100 == 0 {
					r.Header.Set("X-Client-Stats", fmt.Sprint("sent=", n))
				}
			}
		}}, "lifecycle/many-sends"),
		broken("adds-its-key-once-more", model{opened: func(b *modelBackend) {
			header := http.Header{}
			b.request = func(r *http.Request) {
				b.state.mu.Lock()
				defer b.state.mu.Unlock()
				header.Add("X-Key", b.key) // to what all requests share
				r.Header["X-Key"] = slices.Clone(header["X-Key"])
			}
		}}, "lifecycle/many-sends delivery/only-the-moment-differs"),
		broken("keeps-a-buffer-that-grows", model{opened: func(b *modelBackend) {
			sent := ""
			b.body = func(body map[string]any, events []driver.Event) {
				b.state.mu.Lock()
				defer b.state.mu.Unlock()
				sent += body["sent_at"].(string) + "\n"
				body["sent_at"] = sent
			}
		}}, "lifecycle/many-sends"),
		broken("a-connection-a-send", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			dial := b.client.Transport.(*wire).base
			return (&http.Client{Transport: dial.Clone(), CheckRedirect: b.client.CheckRedirect}).Do(r)
		}}, "lifecycle/many-sends lifecycle/no-connection-left lifecycle/no-file-left-open lifecycle/no-goroutine-left privacy/declared-hosts-only"),
		broken("a-goroutine-a-send", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			go func() { time.Sleep(time.Minute) }() // to report on the batch then
			return b.deliver(ctx, events)
		}}, "lifecycle/many-sends lifecycle/no-goroutine-left"),
	}
}

// variations are further mistakes of the kinds that batchMutants make. They meet the checks
// of this file alone, which costs a tenth.
func variations() []mutant {
	return []mutant{
		broken("refuses-its-own-largest-batch", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if len(events) >= 100 {
				return driver.TooLarge(errModel)
			}
			return b.deliver(ctx, events)
		}}, "delivery/batch-sizes"),
		broken("asks-for-less-after-sending", model{escape: true, judge: func(b *modelBackend, e []driver.Event, r *http.Response, text []byte) error {
			if r.Request.ContentLength > 200_000 {
				return driver.Refused(errModel, len(e))
			}
			return b.verdict(e, r, text)
		}}, "delivery/escaped-batch"),
		broken("refuses-older-than-a-week", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if slices.ContainsFunc(events, func(e driver.Event) bool { return time.Since(e.Time) > 7*24*time.Hour }) {
				return driver.Refused(errModel, len(events))
			}
			return b.deliver(ctx, events)
		}}, "fidelity/old-and-ahead"),
		broken("keeps-losses-to-itself", changing(func(events []driver.Event) []driver.Event {
			return slices.DeleteFunc(events, func(e driver.Event) bool { return e.Type == "telemetry.loss" })
		}), "fidelity/every-type"),
		broken("types-as-slugs", model{item: func(i *modelItem) {
			i.Type = regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(strings.ToLower(i.Type), "-")
		}}, "fidelity/every-type"),
		broken("errors-of-256-bytes", model{item: func(i *modelItem) { i.Error = i.Error[:min(len(i.Error), 256)] }}, "fidelity/longest"),
		fromTheFirst("system-of-the-first", func(to, from *driver.Event) { to.OS, to.Arch, to.OSVersion = from.OS, from.Arch, from.OSVersion }, "fidelity/every-type fidelity/longest fidelity/mixed-batch"),
		broken("go-version-of-the-one-before", changing(func(events []driver.Event) []driver.Event {
			for i := range events {
				if i > 0 && events[i].GoVersion == "" { // the variable of the loop is not reset
					events[i].GoVersion = events[i-1].GoVersion
				}
			}
			return events
		}), "fidelity/mixed-batch"),
		broken("random-for-an-empty-machine-id", model{item: func(i *modelItem) {
			if i.Machine == "" {
				i.Machine = fmt.Sprintf("%032x", time.Now().UnixNano())
			}
		}}, "fidelity/nothing-made-up"),
		broken("empty-machine-id-is-lost", changing(func(events []driver.Event) []driver.Event {
			return slices.DeleteFunc(events, func(e driver.Event) bool { return e.MachineID == "" })
		}), "fidelity/nothing-made-up"),
		broken("semantic-versions-only", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			for _, e := range events {
				if e.Version != "" && !regexp.MustCompile(`^\(devel\)$|^v\d+\.\d+\.\d+`).MatchString(e.Version) {
					return driver.Refused(errModel, len(events))
				}
			}
			return b.deliver(ctx, events)
		}}, "delivery/control-character-in-version delivery/any-name-and-version fidelity/mixed-batch"),
		broken("version-up-to-a-space", model{item: func(i *modelItem) { i.Version, _, _ = strings.Cut(i.Version, " ") }}, "fidelity/mixed-batch"),
		broken("needs-a-version", model{open: func(c *driver.Config) error {
			if c.Version == "" {
				return &driver.ConfigError{Field: "Version", Problem: "is empty"}
			}
			return nil
		}}, "delivery/any-name-and-version"),
		broken("date-header-in-the-local-zone", model{request: func(r *http.Request) {
			// One moment: two that differ are one more thing that is made up.
			r.Header.Set("Sent_at", time.Unix(1_790_000_000, 0).In(time.FixedZone("PST", -8*3600)).Format(time.RFC1123))
		}}, "privacy/no-time-zone"),
		broken("event-time-in-the-local-zone", model{item: func(i *modelItem) {
			if at, err := time.Parse(time.RFC3339Nano, i.Time); err == nil {
				i.Time = at.In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339Nano)
			}
		}}, "fidelity/nothing-made-up privacy/no-time-zone"),
		broken("hundredth-send-reports-on-itself", model{opened: func(b *modelBackend) {
			b.body = func(body map[string]any, _ []driver.Event) {
				if n := b.state.n.Add(1); n > 100 {
					body["queue"] = map[string]any{"sent": n}
				}
			}
		}}, "lifecycle/many-sends"),
		broken("stops-after-a-hundred", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if b.state.n.Add(1) > 100 {
				return nil // the queue is full
			}
			return b.deliver(ctx, events)
		}}, "lifecycle/many-sends"),
	}
}

func TestVariationsFailExactlyTheirBatchChecks(t *testing.T) {
	t.Parallel()
	if playing() {
		return
	}
	for _, m := range variations() {
		t.Run(m.name, func(t *testing.T) {
			if got, want := failedBatchChecks(m.subject), expand(t, m.fails); !sameSet(got, want) {
				t.Errorf("fails %q, want %q", got, want)
			}
		})
	}
}

// failedBatchChecks runs the checks of batches alone.
func failedBatchChecks(s Subject) (failed []string) {
	alone := &session{subject: &s, base: baseOf(time.Now())}
	defer alone.cleanup()
	for _, c := range batchChecks() {
		if len(alone.make(c).Findings) > 0 {
			failed = append(failed, c.ID)
		}
	}
	return failed
}

// What looks like one of the mistakes, and is the right answer to a vendor's peculiarity.
func TestUnusualBackendsThatKeepTheContractPassTheBatchChecks(t *testing.T) {
	t.Parallel()
	if playing() {
		return
	}
	window := Window{Past: 18 * time.Hour, Ahead: 30 * time.Second, Reason: "the vendor takes no others"}
	lacking := func(e driver.Event) bool { return e.MachineID == "" || e.Name == "" }
	unusual := map[string]Subject{
		"an event without a machine ID is refused": modelSubject(model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if slices.ContainsFunc(events, lacking) {
				return driver.Refused(errModel, len(events))
			}
			return b.deliver(ctx, events)
		}}),
		"it is refused by name, and the others are sent": modelSubject(model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			fit := slices.DeleteFunc(slices.Clone(events), lacking)
			if err := b.deliver(ctx, fit); err != nil || len(fit) == len(events) {
				return err
			}
			unfit := slices.DeleteFunc(slices.Clone(events), func(e driver.Event) bool { return !lacking(e) })
			return &driver.Partial{Accepted: eventIDs(fit), Rejected: eventIDs(unfit), Err: errModel}
		}}),
		"its ID and type stand in": modelSubject(model{item: func(i *modelItem) {
			i.Machine, i.Name = cmp.Or(i.Machine, i.ID), cmp.Or(i.Name, i.Type)
		}}),
		"a batch that has grown is refused before it is sent": modelSubject(model{escape: true, send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			if len(b.encode(events)) > 200_000 {
				return driver.Refused(errModel, len(events))
			}
			return b.deliver(ctx, events)
		}}),
		"a connection is left after ten requests": modelSubject(model{opened: func(b *modelBackend) {
			b.request = func(r *http.Request) { r.Close = b.state.n.Add(1)%10 == 0 }
		}}),
		"times are moved into the vendor's window": modelSubject(model{item: func(i *modelItem) {
			at, _ := time.Parse(time.RFC3339Nano, i.Time)
			if now := time.Now(); now.Sub(at) > window.Past {
				i.Time = now.Add(-window.Past).UTC().Format(time.RFC3339Nano)
			} else if at.Sub(now) > window.Ahead {
				i.Time = now.Add(window.Ahead).UTC().Format(time.RFC3339Nano)
			}
		}}),
	}
	moved := unusual["times are moved into the vendor's window"]
	moved.Window = &window
	unusual["times are moved into the vendor's window"] = moved
	for name, s := range unusual {
		if failed := failedBatchChecks(s); len(failed) > 0 {
			t.Errorf("%s: fails %q", name, failed)
		}
	}
}

func TestADeclaredWindowExcusesNoLoss(t *testing.T) {
	t.Parallel()
	s := modelSubject(changing(func(events []driver.Event) []driver.Event {
		return slices.DeleteFunc(events, func(e driver.Event) bool { return time.Since(e.Time) > 24*time.Hour })
	}))
	s.Window = &Window{Past: 24 * time.Hour, Ahead: time.Hour, Reason: "the vendor takes no others"}
	if failed := failedBatchChecks(s); !slices.Equal(failed, []string{"fidelity/old-and-ahead"}) {
		t.Errorf("fails %q", failed)
	}
}

func TestATimeTellsItsZone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`"2026-11-26T02:32:12.123Z"`: 0, `2026-11-26T02:32:12+00:00`: 0, `Thu, 26 Nov 2026 02:32:12 GMT`: 0, `02:32:12.5 +0000 UTC`: 0,
		`1795660332`: 0, `at 02:32 it was late`: 0, `sha256:12:34+5`: 0,
		`2026-11-26T03:32:12+01:00`: 1, `2026-11-26 03:32:12.123456 +0530`: 1, `Thu Nov 26 03:32:12 CET 2026`: 1, `26 Nov 26 03:32 -0800, 03:32:12 PST`: 2,
		`2026-11-26T03:32:12-00:30`: 1,
	} {
		if got := zones(text); len(got) != want {
			t.Errorf("%s: got %q, want %d", text, got, want)
		}
	}
}

// The suite may not know of a cap of the collector's that has changed.
func TestTheLongestTextsAreThoseThatTheCollectorLetsThrough(t *testing.T) {
	t.Parallel()
	if playing() {
		return
	}
	tool := props.Tool{Name: strings.Repeat("t", longestTool), Telemetry: props.TelemetryConfig{ExtendedCollection: true}}
	if _, err := core.Open(props.Tool{Name: tool.Name + "t", Features: props.SetFeatures(props.Enable(props.TelemetryCmd))}); err == nil {
		t.Error("a tool may have a longer name")
	}
	record := func(pairs, more int) driver.Event {
		metadata := map[string]string{strings.Repeat("key ", longestKey/4) + strings.Repeat("y", more): longText(longestValue-1+more) + "x"}
		for i := range pairs - 1 {
			metadata[fmt.Sprint(i)] = "x"
		}
		flags := append([]string{strings.Repeat("f", longestFlag+more)}, slices.Repeat([]string{"v"}, mostFlags-1+more)...)
		home := coretest.New(t, tool)
		c := home.Collector()
		command := c.Command(longText(longestName-1+more) + "x").Flags(flags...).Args(slices.Repeat([]string{"-v"}, mostArgs-1+more)...)
		for key, value := range metadata {
			command.Annotate(key, value)
		}
		command.Done(props.Outcome{Err: errors.New(longText(longestError-1+more) + "x")})
		// Close gives an upload a second, which a busy machine may not have.
		if err := errors.Join(c.Flush(t.Context()), c.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		events := home.Events()
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		return events[0]
	}
	if e := record(mostPairs, 0); e.Truncated != 0 {
		t.Errorf("of the longest texts %d were cut: %s", e.Truncated, e.AppendJSON(nil))
	}
	// Name, argument, error, the pair of the long key and value, the long flag and the last one.
	if e := record(1, 1); e.Truncated != 6 || len(e.Args) != mostArgs || len(e.Flags) != mostFlags {
		t.Errorf("of texts that are one longer %d were cut, %d arguments and %d flags are left: %s", e.Truncated, len(e.Args), len(e.Flags), e.AppendJSON(nil))
	}
	if e := record(mostPairs+1, 0); e.Truncated != 1 || len(e.Metadata) != mostPairs {
		t.Errorf("of one pair too many %d were dropped", e.Truncated)
	}
}
