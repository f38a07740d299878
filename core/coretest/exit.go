package coretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/detach"
)

// ExitBudget runs a command of the program as it is released under every weather of the
// network, as in a terminal and as in a build job, and fails the test with a table if
// telemetry makes the command longer than the budget. It is Exit with nothing else set.
func ExitBudget(t testing.TB, binary string, budget time.Duration, args ...string) {
	t.Helper()
	Exit{Binary: binary, Args: args, Budget: budget}.Check(t)
}

// Exit is how much longer a command may take for telemetry.
//
// Each weather is played by a proxy on loopback, which the program finds in HTTPS_PROXY, with
// a certificate that it finds in SSL_CERT_FILE: nothing leaves the machine, and the receiver
// is the one that is built in. So Exit measures what honours these variables, as all
// drivers of this module do, with a receiver that is not on loopback itself. A driver of
// the author's own that takes no proxy would go to its real receiver. On macOS and Windows, Go
// reads no SSL_CERT_FILE: there a receiver behind https fails at the certificate, in every
// weather that has a server.
//
// A receiver that answers says 200 and no more. Some drivers want to read more before they take
// events for accepted; how long a command takes is the same.
//
// Runs come in pairs, with TELEMETRY_ENABLED=1 and with 0, each in a new PlantedHome: so in
// each run with telemetry an upload is due, which for people is one in ten minutes. Of the
// differences within the pairs the median counts, so that what else the machine does
// disturbs little. The command runs many times: choose one that may.
//
// The program's output goes through a pipe, so a process that it leaves behind and that holds
// it open counts as well: who calls the program waits for that one, too.
type Exit struct {
	// Binary is the program, such as Build returns it, and Args is the command.
	Binary string
	Args   []string
	// Code is the exit code that the command ends with where all is well.
	Code int
	// Env is added to the planted environment, as NAME=value.
	Env []string
	// Budget is what telemetry may cost where a background process sends.
	Budget time.Duration
	// InCI is the same where the command itself sends: in a build job, and in a container whose
	// processes end with the command. 0 is Budget and the second that such an upload may
	// take, once in a minute: docs/explanation/exit.md.
	InCI time.Duration
	// Pairs is how many pairs of runs there are of each weather and place; 0 is 5.
	Pairs int
	// Weathers names those to try; nil is all of them, as Weathers returns them.
	Weathers []string
}

// uploadInside is how long core lets an upload last that a command makes itself.
const uploadInside = time.Second

const (
	// patience is what a run has beyond its budget before it is killed. No network that is only
	// slow makes a command of this module that late, and a machine that is busy hardly does.
	patience = 10 * time.Second
	// firstRequest is how long a background process may take to come to the proxy. That none
	// came has to be certain: it says that the test measures nothing.
	firstRequest = 30 * time.Second
)

// Check fails the test if the command takes longer.
func (e Exit) Check(t testing.TB) {
	t.Helper()
	e.check(t, firstRequest)
}

func (e Exit) check(t testing.TB, firstRequest time.Duration) {
	t.Helper()
	chosen, err := choose(e.Weathers)
	if err != nil {
		t.Fatal(err)
	}
	if e.Pairs == 0 {
		e.Pairs = 5
	}
	if e.InCI == 0 {
		e.InCI = longer(e.Budget, uploadInside)
	}
	root, err := os.MkdirTemp("", "coretest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(root) })
	authority, err := newAuthority(filepath.Join(root, "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for _, w := range chosen {
		for _, ci := range []bool{false, true} {
			r := row{weather: w.name, place: "terminal or script", allowed: e.Budget}
			if ci {
				r.place = "build job"
			}
			if ci || !detach.Outlives(os.LookupEnv) {
				r.allowed = e.InCI
			}
			e.measure(t, w, ci, root, authority, firstRequest, &r)
			rows = append(rows, r)
			if r.failed != "" && r.fatal {
				t.Errorf("%s\n%s", r.failed, e.table(rows))
				return
			}
		}
	}
	if text := e.table(rows); slices.ContainsFunc(rows, row.over) {
		t.Errorf("telemetry makes %s longer than it may\n%s", e.command(), text)
	} else {
		t.Logf("telemetry makes %s no longer than it may\n%s", e.command(), text)
	}
}

// row is what came of a weather in a place.
type row struct {
	weather, place string
	allowed        time.Duration
	without, with  []time.Duration // by pairs
	untried        string          // why it was not tried, "" if it was
	failed         string          // why it fails whatever the times are
	fatal          bool            // and all others would for the same reason
}

func (r row) more() time.Duration {
	differences := make([]time.Duration, len(r.with))
	for i := range r.with {
		differences[i] = r.with[i] - r.without[i]
	}
	return median(differences)
}

func (r row) over() bool {
	return r.failed != "" || r.untried == "" && r.more() > r.allowed
}

// measure runs the pairs of a row.
func (e Exit) measure(t testing.TB, w weather, ci bool, root string, authority *authority, firstRequest time.Duration, r *row) {
	t.Helper()
	s, err := w.play(authority)
	if untried, ok := errors.AsType[notHere](err); ok {
		r.untried = string(untried)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close) // and not before: what it ends would come back as another weather
	limit := longer(r.allowed, patience)
	for i := range e.Pairs {
		var took [2]time.Duration
		var codes [2]int
		for _, on := range []int{i % 2, 1 - i%2} { // neither is always the first
			env := append(s.env, fmt.Sprintf("TELEMETRY_ENABLED=%d", on))
			if ci {
				env = append(env, "CI=true")
			}
			home, err := os.MkdirTemp(root, "home-")
			if err != nil {
				t.Fatal(err)
			}
			cmd := e.cmd(s, append(plantIn(t, home).Environ(), append(env, e.Env...)...))
			var killed bool
			took[on], codes[on], killed, err = run(cmd, limit)
			switch {
			case err != nil:
				t.Fatal(err)
			case killed && on == 0:
				r.failed, r.fatal = fmt.Sprintf("%s takes longer than %v without telemetry", e.command(), limit), true
				return
			case killed:
				r.failed = fmt.Sprintf("killed after %v", limit.Round(time.Millisecond))
				return
			}
		}
		if codes[0] != codes[1] {
			r.failed = fmt.Sprintf("exit code %d, and %d without telemetry", codes[1], codes[0])
			return
		}
		if codes[0] != e.Code {
			r.failed, r.fatal = fmt.Sprintf("%s ends with exit code %d, and not %d: is it spelt right, and has it what it needs?",
				e.command(), codes[0], e.Code), true
			return
		}
		r.without, r.with = append(r.without, took[0]), append(r.with, took[1])
	}
	if s.reached != nil && !waitFor(s.reached, firstRequest) {
		r.failed, r.fatal = fmt.Sprintf("nothing of %s came to the proxy with TELEMETRY_ENABLED=1: it records nothing, or its receiver "+
			"is on loopback or reached without HTTPS_PROXY, and this test measures nothing", e.command()), true
	}
}

func (e Exit) cmd(s *stage, env []string) *exec.Cmd {
	line := append(append(slices.Clone(s.wrap), e.Binary), e.Args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = env
	return cmd
}

// command names the command in messages.
func (e Exit) command() string {
	name := strings.TrimSuffix(filepath.Base(e.Binary), ".exe")
	return fmt.Sprintf("%q", strings.Join(append([]string{name}, e.Args...), " "))
}

// run runs a command to its end, or kills it after limit.
func run(cmd *exec.Cmd, limit time.Duration) (took time.Duration, code int, killed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, false, fmt.Errorf("start the command: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // fails where it has ended
	cmd.WaitDelay = limit                                             // for what holds the pipe open
	err = cmd.Wait()
	took = time.Since(began)
	killed = !stop() || errors.Is(err, exec.ErrWaitDelay)
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended && !killed {
		return 0, 0, false, fmt.Errorf("wait for the command: %w", err)
	}
	return took, cmd.ProcessState.ExitCode(), killed, nil
}

// table shows the rows.
func (e Exit) table(rows []row) string {
	var text bytes.Buffer
	fmt.Fprintf(&text, "medians of %d pairs of runs\n", e.Pairs)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  network\twhere\twithout\twith\tmore\tallowed")
	for _, r := range rows {
		fmt.Fprintf(w, "  %s\t%s\t", r.weather, r.place)
		switch {
		case r.untried != "":
			fmt.Fprintf(w, "\t\t\t\tnot tried: %s\n", r.untried)
			continue
		case r.failed != "":
			fmt.Fprintf(w, "\t\t\t%s\tFAILS: %s\n", brief(r.allowed), r.failed)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t", brief(median(r.without)), brief(median(r.with)), brief(r.more()), brief(r.allowed))
		if r.over() {
			fmt.Fprint(w, "FAILS")
		}
		fmt.Fprintln(w)
	}
	w.Flush() //nolint:errcheck // into memory
	if slices.ContainsFunc(rows, func(r row) bool { return r.untried == "" }) && !detach.Outlives(os.LookupEnv) {
		text.WriteString("Here every process ends with the first one, as in a container: commands send what they recorded themselves.\n")
	}
	return text.String()
}

// brief is a duration in milliseconds.
func brief(d time.Duration) string {
	if d == math.MaxInt64 {
		return "any"
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// longer adds two durations, of which the first may be the longest there is.
func longer(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return sorted[middle-1] + (sorted[middle]-sorted[middle-1])/2
}

// waitFor reports whether a channel is closed within a time.
func waitFor(done <-chan struct{}, limit time.Duration) bool {
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

// remove removes the homes. Background processes may still be at work in them, and make a
// file between two of the calls.
func remove(root string) {
	for end := time.Now().Add(time.Minute); os.RemoveAll(root) != nil && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}
