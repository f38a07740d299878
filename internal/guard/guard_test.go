package guard

import "testing"

func TestAnAnswerIsPassedOnAndAPanicIsTheOther(t *testing.T) {
	t.Parallel()
	if got := Ask("other", func() string { return "mine" }); got != "mine" {
		t.Errorf("got %q", got)
	}
	var nobody error
	if got := Ask("other", func() string { return nobody.Error() }); got != "other" {
		t.Errorf("got %q", got)
	}
}
