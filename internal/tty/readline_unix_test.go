//go:build linux || darwin

package tty_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/internal/ptytest"
	"github.com/gotoolbase/telemetry/internal/tty"
)

// readsSwitch makes the test binary a program that reads a line from its terminal with the
// patience that the variable says, and tells what came of it. Only the job in the foreground
// of a terminal is listened to, so it takes a process.
const readsSwitch = "TTY_READS"

func TestMain(m *testing.M) {
	patience, err := time.ParseDuration(os.Getenv(readsSwitch))
	if err != nil {
		os.Exit(m.Run())
	}
	fmt.Println("ready")
	line, err := tty.ReadLine(context.Background(), os.Stdin, patience)
	fmt.Printf("line %q, gave up %v, %v\n", line, errors.Is(err, os.ErrDeadlineExceeded), err)
	rest, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Printf("rest %q\n", rest)
}

func reads(t *testing.T, patience time.Duration) *ptytest.Terminal {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), readsSwitch+"="+patience.String())
	x := ptytest.Start(t, 200, cmd)
	x.Expect(1, "ready\n")
	return x
}

func TestALineIsReadAndNotAByteMore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keys []string // a part after the other
		want string
	}{
		"a line":              {[]string{"yes\n"}, `line "yes"`},
		"an empty line":       {[]string{"\n"}, `line ""`},
		"corrected":           {[]string{"yq\x7fes\n"}, `line "yes"`},
		"in two halves":       {[]string{"ye\x04", "s\n"}, `line "yes"`}, // ^D hands over what was typed
		"too long is cut off": {[]string{strings.Repeat("y", 3000) + "\n"}, `line "` + strings.Repeat("y", 80) + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := reads(t, time.Minute)
			for _, keys := range test.keys {
				x.Type(keys)
			}
			x.Expect(1, "gave up")
			x.Type("for the tool\n")
			if shown := x.End(); !strings.Contains(shown, test.want+", gave up false, <nil>\n") || !strings.Contains(shown, `rest "for the tool\n"`) {
				t.Errorf("shown:\n%s", shown)
			}
		})
	}
}

func TestWhereNoLineComesInTimeTheNextOneIsLeftToTheTool(t *testing.T) {
	t.Parallel()
	for name, half := range map[string]string{"nothing is typed": "", "half a line is typed": "ye\x04"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := reads(t, 300*time.Millisecond)
			x.Type(half)
			x.Expect(1, `line "", gave up true`)
			x.Type("for the tool\n")
			if shown := x.End(); !strings.Contains(shown, `rest "for the tool\n"`) {
				t.Errorf("shown:\n%s", shown)
			}
		})
	}
}

// A program that types without an end would hold the tool for ever, if each byte began the
// patience anew.
func TestALineThatNeverEndsIsGivenUp(t *testing.T) {
	t.Parallel()
	x := reads(t, 500*time.Millisecond)
	quit := make(chan struct{})
	typed := make(chan struct{})
	go func() {
		defer close(typed)
		for {
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
				_, _ = x.Keyboard.WriteString("y\x04")
			}
		}
	}()
	x.Expect(1, "gave up true")
	close(quit)
	<-typed
	x.Type("\n")
	x.End()
}

func TestTheEndOfTheInputAndOfTheContextEndAWait(t *testing.T) {
	t.Parallel()
	x := reads(t, time.Minute)
	x.Type("\x04")
	x.Expect(1, `line "", gave up false, EOF`)
	x.Type("\n")
	x.End()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, terminal := open(t)
	if _, err := tty.ReadLine(ended, terminal, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
