package coretest

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestARowFailsByTheMedianOfItsDifferences(t *testing.T) {
	t.Parallel()
	ms := func(list ...int) []time.Duration {
		times := make([]time.Duration, len(list))
		for i, n := range list {
			times[i] = time.Duration(n) * time.Millisecond
		}
		return times
	}
	for _, tt := range []struct {
		without, with []time.Duration
		more          time.Duration
		over          bool
	}{
		{ms(5, 5, 5), ms(14, 15, 15), 10 * time.Millisecond, false},
		{ms(5, 5, 5), ms(14, 16, 16), 11 * time.Millisecond, true},
		{ms(5, 5, 5), ms(5, 5, 9000), 0, false},                                // once is chance
		{ms(5, 900, 900), ms(6, 901, 17), time.Millisecond, false},             // a slow pair is slow on both sides
		{ms(5, 5), ms(15, 16), 10*time.Millisecond + time.Millisecond/2, true}, // between the two in the middle
		{ms(9, 9, 9), ms(5, 6, 7), -3 * time.Millisecond, false},               // telemetry makes nothing faster, a machine does
	} {
		r := row{weather: "w", place: "p", allowed: 10 * time.Millisecond, without: tt.without, with: tt.with}
		text := Exit{Pairs: len(tt.with)}.table([]row{r})
		if r.more() != tt.more || r.over() != tt.over || strings.Contains(text, "FAILS") != tt.over {
			t.Errorf("%v and %v: %v more, over is %v:\n%s", tt.without, tt.with, r.more(), r.over(), text)
		}
	}
	if r := (row{untried: "there is no network here"}); r.over() {
		t.Error("what was not tried fails")
	}
	if longer(math.MaxInt64-1, time.Second) != math.MaxInt64 || longer(time.Second, time.Second) != 2*time.Second {
		t.Error("an unlimited budget has a limit")
	}
}
