package core_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// ended returns the event of a command of some tool that ended so.
func ended(t *testing.T, tool props.Tool, outcome props.Outcome) driver.Event {
	t.Helper()
	in := newIntake(t)
	tool.Telemetry.Endpoint = in.URL
	c := open(t, tool, enabled(t, tool, nil))
	c.Command("build").Done(outcome)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := in.received()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	return got[0]
}

// fails returns the error of a call that is to fail.
func fails(t *testing.T, call func() error) error {
	t.Helper()
	err := call()
	if err == nil {
		t.Fatal("it did not fail")
	}
	return err
}

// closedPort is an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

func get(ctx context.Context, address string, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

func readAfterDeadline(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil
	}
	defer conn.Close()
	if conn.SetDeadline(time.Unix(1, 0)) != nil {
		return nil
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// broken is an error whose methods all need what a nil pointer does not have.
type broken struct{ code int }

func (b *broken) Error() string          { return fmt.Sprint(b.code) }
func (b *broken) ExitCode() int          { return b.code }
func (b *broken) TelemetryClass() string { return fmt.Sprint(b.code) }
func (b *broken) Timeout() bool          { return b.code > 0 }
func (b *broken) Is(error) bool          { return b.code > 0 }
func (b *broken) Unwrap() error          { return errors.New(fmt.Sprint(b.code)) }

// brokenInside panics later, where it is asked what it wraps.
type brokenInside struct{ *broken }

func (brokenInside) Error() string          { return "x" }
func (brokenInside) TelemetryClass() string { return "quota" }

func TestAnErrorWhoseMethodsPanicIsRecordedAllTheSame(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.ExtendedCollection = true
	tool.Telemetry.ErrorClasses = []props.ErrorClass{"quota"}
	var none *broken
	var exit *exec.ExitError
	var path *fs.PathError
	for name, c := range map[string]struct {
		err  error
		want props.ErrorClass
	}{
		"a nil pointer":                 {none, props.ErrorOther},
		"a nil pointer, wrapped":        {errors.Join(none), props.ErrorOther},
		"a nil pointer of os/exec's":    {exit, props.ErrorOther},
		"a nil pointer of io/fs's":      {path, props.ErrorOther},
		"one that knows its class only": {brokenInside{}, "quota"},
	} {
		e := ended(t, tool, props.Outcome{Err: c.err})
		if e.ErrorClass != string(c.want) || e.ExitCode == nil || *e.ExitCode != 1 {
			t.Errorf("%s: class %q, want %q; %+v", name, e.ErrorClass, c.want, e)
		}
	}
}

// classed is an error of an author's.
type classed struct {
	class string
	code  int
}

func (c classed) Error() string          { return "canary " + c.class }
func (c classed) TelemetryClass() string { return c.class }
func (c classed) ExitCode() int          { return c.code }

func TestAnAuthorsClassIsFromTheirListOrElseOther(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.ErrorClasses = []props.ErrorClass{"quota_exceeded", "not_logged_in"}
	for name, c := range map[string]struct {
		outcome props.Outcome
		class   string
		code    int
	}{
		"one of theirs":             {props.Outcome{Err: classed{"quota_exceeded", 7}}, "quota_exceeded", 7},
		"one of theirs, wrapped":    {props.Outcome{Err: fmt.Errorf("x: %w", classed{"not_logged_in", 4})}, "not_logged_in", 4},
		"one of ours":               {props.Outcome{Err: classed{"usage", 2}}, "usage", 2},
		"one that is in no list":    {props.Outcome{Err: classed{"jane@example.com", 1}}, "other", 1},
		"one in another case":       {props.Outcome{Err: classed{"Quota_Exceeded", 1}}, "other", 1},
		"none":                      {props.Outcome{Err: classed{"", 1}}, "other", 1},
		"none, and no failure":      {props.Outcome{Err: classed{"", 0}}, "", 0},
		"said with the outcome":     {props.Outcome{Err: classed{"usage", 9}, Class: "not_logged_in"}, "not_logged_in", 9},
		"said, and in no list":      {props.Outcome{Class: "jane", ExitCode: 3}, "other", 3},
		"only a code":               {props.Outcome{ExitCode: 3}, "other", 3},
		"the code of the outcome":   {props.Outcome{Err: classed{"usage", 9}, ExitCode: 64}, "usage", 64},
		"a code that is none":       {props.Outcome{Err: classed{"usage", -1}}, "usage", 1},
		"a success":                 {props.Outcome{}, "", 0},
		"a success that has a word": {props.Outcome{Class: "quota_exceeded"}, "quota_exceeded", 0},
	} {
		e := ended(t, tool, c.outcome)
		if e.ErrorClass != c.class || *e.ExitCode != c.code || e.Error != "" {
			t.Errorf("%s: class %q, code %d, text %q; want %q, %d and no text", name, e.ErrorClass, *e.ExitCode, e.Error, c.class, c.code)
		}
	}
}

func TestAClassThatIsNoShortWordIsAMistakeOfTheAuthors(t *testing.T) {
	t.Parallel()
	for _, class := range []props.ErrorClass{"", "Quota", "quota exceeded", "quota/exceeded", "ключ", "a\n", props.ErrorClass(strings.Repeat("x", 65)), "usage", "other", "twice"} {
		tool := someTool()
		tool.Telemetry.ErrorClasses = []props.ErrorClass{"twice", "fine.as-it_is2", class}
		c, err := core.Open(tool, enabled(t, someTool(), nil)...)
		problem, ok := errors.AsType[*driver.ConfigError](err)
		if !ok || problem.Field != "Telemetry.ErrorClasses" || c.Enabled() {
			t.Errorf("%q: %v, enabled %v", class, err, c.Enabled())
		}
	}
	tool := someTool()
	tool.Telemetry.ErrorClasses = []props.ErrorClass{"a", "9", "quota_exceeded", "http.404", "not-found", props.ErrorClass(strings.Repeat("x", 64))}
	if c, err := core.Open(tool, enabled(t, tool, nil)...); err != nil || !c.Enabled() {
		t.Errorf("%v, enabled %v", err, c.Enabled())
	}
}
