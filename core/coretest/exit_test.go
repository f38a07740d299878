package coretest_test

import (
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/coretest"
)

// unlimited is a budget that no machine is too slow for.
const unlimited = time.Duration(math.MaxInt64)

// checked is what a test is told that has this budget.
func checked(t *testing.T, check func(testing.TB)) *told {
	t.Helper()
	mine := &told{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != any(mine) {
				panic(r)
			}
		}()
		check(mine)
	}()
	return mine
}

// That a weather came to the program is part of each row: it fails without a request.
func TestEveryWeatherIsTriedInEveryPlace(t *testing.T) {
	t.Parallel()
	binary := coretest.Build(t, "../../examples/mytool", "-ldflags=-X main.endpoint=https://receiver.invalid/events")
	mine := checked(t, coretest.Exit{Binary: binary, Args: []string{"fail"}, Code: 1, Budget: unlimited, Pairs: 1}.Check)
	if len(mine.errors) > 0 || len(mine.logs) != 1 {
		t.Fatalf("it failed with %q and logged %q", mine.errors, mine.logs)
	}
	for _, name := range coretest.Weathers() {
		for _, place := range []string{"terminal or script", "build job"} {
			row := regexp.MustCompile(`(?m)^  ` + name + ` +` + place + ` +(([0-9.]+ ms +){2}-?[0-9.]+ ms +any|not tried: \S)`)
			if !row.MatchString(mine.logs[0]) {
				t.Errorf("%s, %s is not in the table:\n%s", name, place, mine.logs[0])
			}
		}
	}
}

func TestAReceiverWithoutHTTPSIsReachedToo(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mine := checked(t, coretest.Exit{
		Binary: self, Env: []string{planted + "=posts"}, Budget: unlimited, Pairs: 1, Weathers: []string{"fails with 500"},
	}.Check)
	if len(mine.errors) > 0 {
		t.Error(mine.errors)
	}
}

func TestWhatIsWrongWithACommandIsSaid(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		planted string
		budget  time.Duration
		want    []string
	}{
		"it never ends with telemetry": {"stuck", 0, []string{"telemetry makes ", "answers at once ", "terminal or script ", "build job ", "FAILS: killed after 10s", "FAILS: killed after 11s"}},
		"it never ends at all":         {"never ends", 0, []string{"takes longer than 10s without telemetry"}},
		"it ends in another way":       {"fails", unlimited, []string{"FAILS: exit code 3, and 0 without telemetry"}},
		"it is another command":        {"misspelt", unlimited, []string{" ends with exit code 2, and not 0: is it spelt right"}},
		"it leaves what holds a pipe":  {"holds", 0, []string{"FAILS: killed after 10s"}},
		"it sends nothing":             {"silent", unlimited, []string{"nothing of ", " came to the proxy with TELEMETRY_ENABLED=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := checked(t, coretest.Exit{
				Binary: self, Env: []string{planted + "=" + tt.planted}, Budget: tt.budget, Pairs: 1, Weathers: []string{"answers at once"},
			}.CheckUnreached)
			if len(mine.errors) != 1 {
				t.Fatalf("it failed with %q and logged %q", mine.errors, mine.logs)
			}
			for _, want := range tt.want {
				if !strings.Contains(mine.errors[0], want) {
					t.Errorf("it does not say %q:\n%s", want, mine.errors[0])
				}
			}
		})
	}
}

func TestAWeatherThatThereIsNotIsRefused(t *testing.T) {
	t.Parallel()
	mine := checked(t, coretest.Exit{Binary: "none", Weathers: []string{"snow"}}.Check)
	if len(mine.errors) != 1 || !strings.HasPrefix(mine.errors[0], `coretest: there is no weather "snow", but "answers at once", `) {
		t.Errorf("%q", mine.errors)
	}
}
