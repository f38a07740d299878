package core_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/props"
)

type exitsWith int

func (exitsWith) Error() string   { return "it failed" }
func (e exitsWith) ExitCode() int { return int(e) }

// byHand is an error that its author gave a class.
type byHand props.ErrorClass

func (byHand) Error() string            { return "unknown command quokkaharbour" }
func (b byHand) TelemetryClass() string { return string(b) }

// stopped is what signal.NotifyContext gives as the cause of its end.
type stopped string

func (s stopped) Error() string      { return string(s) + " signal received" }
func (stopped) Is(target error) bool { return target == context.Canceled }

func TestAnErrorTellsTheExitCodeAndTheClassOfItsCommand(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err   error
		code  int
		class props.ErrorClass
	}{
		"none":                 {nil, 0, ""},
		"any":                  {errors.New("x"), 1, props.ErrorOther},
		"its own code":         {fmt.Errorf("wrapped: %w", exitsWith(42)), 42, props.ErrorOther},
		"the code of success":  {exitsWith(0), 0, ""},
		"no code":              {exitsWith(-1), 1, props.ErrorOther},
		"the code of Ctrl-C":   {exitsWith(130), 130, props.ErrorInterrupted},
		"the code of a fault":  {exitsWith(139), 139, props.ErrorOther},
		"a fault of 32 bits":   {exitsWith(math.MinInt32 + 0x40000005), 1, props.ErrorOther},         // 0xC0000005, an access violation
		"Ctrl-C of 32 bits":    {exitsWith(math.MinInt32 + 0x4000013A), 130, props.ErrorInterrupted}, // 0xC000013A
		"cancelled":            {fmt.Errorf("wrapped: %w", context.Canceled), 130, props.ErrorInterrupted},
		"late":                 {context.DeadlineExceeded, 1, props.ErrorTimeout},
		"its class":            {byHand("usage"), 1, props.ErrorUsage},
		"a class of nobody's":  {byHand("quokkaharbour"), 1, props.ErrorOther},
		"only words of signal": {errors.New("terminated signal received"), 1, props.ErrorOther},
	}
	if strconv.IntSize == 64 {
		for code, class := range map[uint32]props.ErrorClass{0xC000013A: props.ErrorInterrupted, 0xC0000005: props.ErrorOther, 1<<32 - 1: props.ErrorOther} {
			cases[fmt.Sprintf("%#x of Windows", code)] = struct {
				err   error
				code  int
				class props.ErrorClass
			}{exitsWith(code), int(code), class}
		}
	}
	if runtime.GOOS != "windows" && runtime.GOOS != "plan9" {
		cases["SIGTERM"] = struct {
			err   error
			code  int
			class props.ErrorClass
		}{fmt.Errorf("wrapped: %w", stopped("terminated")), 143, props.ErrorInterrupted}
		for script, want := range map[string]int{"exit 3": 3, "kill -TERM $$": 143, "kill -KILL $$": 137, "kill -SEGV $$": 139} {
			class := props.ErrorOther
			if want == 143 {
				class = props.ErrorInterrupted
			}
			cases[script] = struct {
				err   error
				code  int
				class props.ErrorClass
			}{fmt.Errorf("wrapped: %w", exec.Command("sh", "-c", script).Run()), want, class}
		}
	}
	for name, test := range cases {
		if got := core.ExitCode(test.err); got != test.code {
			t.Errorf("%s: ExitCode is %d, want %d", name, got, test.code)
		}
		home := coretest.New(t, props.Tool{Name: "mytool"})
		c := home.Collector()
		c.Command("build").End(&test.err)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		events := home.Events()
		if len(events) != 1 || *events[0].ExitCode != test.code || events[0].ErrorClass != string(test.class) {
			t.Errorf("%s: recorded %+v, want %d and %q", name, events, test.code, test.class)
		}
	}
}

func TestNothingThatWasTypedIsRecordedOfAUsageError(t *testing.T) {
	t.Parallel()
	for class, kept := range map[props.ErrorClass]bool{props.ErrorUsage: false, props.ErrorOther: true} {
		home := coretest.New(t, props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{ExtendedCollection: true}})
		c := home.Collector()
		c.Command("build").Args("quokkaharbour").Done(props.Outcome{Err: byHand(""), Class: class})
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		e := home.Events()[0]
		if (e.Error != "") != kept || (len(e.Args) > 0) != kept || strings.Contains(fmt.Sprint(e.Args), "quokkaharbour") {
			t.Errorf("%s: recorded %q, %q", class, e.Args, e.Error)
		}
	}
}
