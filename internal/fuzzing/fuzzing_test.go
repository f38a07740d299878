package fuzzing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// told is a test that notes what it fails with.
type told struct {
	testing.TB
	errors []string
}

func (t *told) Helper() {}
func (t *told) Errorf(format string, args ...any) {
	t.errors = append(t.errors, fmt.Sprintf(format, args...))
}

var sink []byte

func TestOnlyWhatGoesBeyondTheBoundFails(t *testing.T) { // not parallel: all allocations count
	const size = 1 << 20
	mine := &told{TB: t}
	Allocs(mine, size, 0, 2, func() { sink = make([]byte, size) })
	Allocs(mine, 0, 2*size, 0, func() { sink = make([]byte, size) })
	if len(mine.errors) > 0 {
		t.Errorf("it fails with %q", mine.errors)
	}
	calls := 0
	Allocs(mine, size, 0, 1, func() {
		if calls++; calls == 1 {
			sink = make([]byte, 2*size)
		}
	})
	if len(mine.errors) > 0 || calls != 2 {
		t.Errorf("after %d calls it fails with %q", calls, mine.errors)
	}
	Allocs(mine, 10, 16, 1, func() { sink = make([]byte, size) })
	if len(mine.errors) != 1 || !strings.HasPrefix(mine.errors[0], "10 bytes of input make it allocate 1") ||
		!strings.HasSuffix(mine.errors[0], "; 16 and 1 for each byte is the bound") {
		t.Errorf("it fails with %q", mine.errors)
	}
}

func TestAVerdictThatTheCollectorCannotActOnFails(t *testing.T) {
	t.Parallel()
	batch := []driver.Event{{ID: "a"}, {ID: "b"}}
	server := strings.Repeat("what the server says ", 3)
	for name, err := range map[string]error{
		"of no event":  &driver.Partial{Accepted: []string{"c"}},
		"named twice":  &driver.Partial{Accepted: []string{"a"}, Rejected: []string{"a"}},
		"too many":     &driver.Partial{Unnamed: 3},
		"a long wait":  driver.Throttled(errors.New("busy"), 25*time.Hour),
		"an echo":      errors.New("answered 400: " + server),
		"a long story": errors.New(strings.Repeat("x", 501)),
	} {
		mine := &told{TB: t}
		if Verdict(mine, err, batch, server); len(mine.errors) != 1 {
			t.Errorf("%s: it fails with %q", name, mine.errors)
		}
	}
	for _, err := range []error{nil, errors.New("busy"), &driver.Partial{Accepted: []string{"b"}, Rejected: []string{"a"}}, driver.Throttled(errors.New("busy"), time.Hour)} {
		Verdict(t, err, batch, server)
	}
}
