package conformance

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestAnAcceptanceThatLosesItsOneValueIsCertainlyNone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct{ certain, doubtful []string }{
		`{"status":"ok"}`:             {[]string{`{"status":""}`, `{"status":null}`}, []string{`{}`}},
		`{"status":-1}`:               {[]string{`{"status":1}`, `{"status":0}`}, []string{`{"status":1e30}`}},
		`{"error":false}`:             {[]string{`{"error":true}`}, nil},
		`{"failed":0}`:                {[]string{`{"failed":1e30}`, `{"failed":9223372036854775808}`}, []string{`{"failed":-1}`}},
		`{"took":3,"errors":[]}`:      {nil, []string{`{}`}},
		`{"took":3,"errors":false}`:   {nil, []string{`{}`}},
		`[{"status":{"code":"a<b"}}]`: {[]string{`[{"status":{"code":""}}]`}, []string{`{}`}},
		`ok`:                          {nil, nil},
		``:                            {nil, nil},
	} {
		certain, doubtful := lacking(body)
		for _, list := range [][]mutation{certain, doubtful} {
			for _, m := range list {
				if m.body == body {
					t.Errorf("%s: %s, it is what it was", body, m.how)
				}
			}
		}
		bodies := func(list []mutation) (texts []string) {
			for _, m := range list {
				texts = append(texts, m.body)
			}
			return texts
		}
		for _, w := range want.certain {
			if !slices.Contains(bodies(certain), w) {
				t.Errorf("%s: %s is not among what is certain: %q", body, w, bodies(certain))
			}
		}
		for _, w := range want.doubtful {
			if !slices.Contains(bodies(doubtful), w) {
				t.Errorf("%s: %s is not among what is doubtful: %q", body, w, bodies(doubtful))
			}
		}
		for _, m := range certain {
			if json.Valid([]byte(m.body)) && want.certain == nil && !strings.HasPrefix(m.body, "[[") {
				t.Errorf("%s: %s is certain, though nobody knows which of its values decides", body, m.body)
			}
		}
	}
}

func TestEveryValueOfAnAnswerIsMutated(t *testing.T) {
	t.Parallel()
	list := mutations(`{"items":[{"id":"x","status":400}],"ok":true}`, 1000, rand.New(rand.NewPCG(1, 1)))
	for _, want := range []string{
		`{"items":[{"id":"","status":400}],"ok":true}`, `{"items":[{"id":"x","status":-400}],"ok":true}`,
		`{"items":[{"id":"x","status":"400"}],"ok":true}`, `{"items":[{"id":"x"}],"ok":true}`, `{"items":[],"ok":true}`,
		`{"items":[{"id":"x","status":18446744073709551616}],"ok":true}`, `{"items":[{"id":"` + anotherID + `","status":400}],"ok":true}`,
		`{"items":null,"ok":true}`, `{"items":[{"id":"x","status":400}],"ok":false}`, `{"ok":true}`, `{"item`,
	} {
		found := slices.ContainsFunc(list, func(m mutation) bool {
			return m.body == want || want == `{"item` && strings.HasPrefix(m.how, "cut") && strings.HasPrefix(m.body, want)
		})
		if !found {
			t.Errorf("%s is not among them", want)
		}
	}
	if few := mutations(`{"a":[1,2,3],"b":"c"}`, 10, rand.New(rand.NewPCG(1, 1))); len(few) != 10 {
		t.Errorf("%d, want 10", len(few))
	}
}

func TestAVerdictForThreeIsNotTakenForAnswersToOthers(t *testing.T) {
	t.Parallel()
	second := modelSubject(model{}).Partial[0]
	if _, _, ok := second.of(make([]Received, 1)); ok {
		t.Error("an answer that names the second event was made for one")
	}
	if _, _, ok := second.of(make([]Received, 50)); !ok {
		t.Error("no answer was made for fifty")
	}
}
