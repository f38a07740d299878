package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/deletion"
)

// weakened returns everything that is done to a body. None of it says more than the body
// did: fields are left out, emptied, replaced by words that mean nothing or by values of
// another type, the text is cut or wrapped. Lists are not emptied, since an empty one can be
// an answer. With numbers, those are turned negative and made large as well.
func weakened(body string, numbers bool) []mutation {
	list := []mutation{
		{"nothing", ""}, {"null", "null"}, {"an empty object", "{}"}, {"wrapped in a list", "[" + body + "]"},
		{"wrapped in an object", `{"data":` + body + `}`}, {"more behind it", body + " x"}, {"a text", `"` + unknownWord + `"`},
	}
	for _, quarter := range []int{1, 2, 3} {
		list = append(list, mutation{fmt.Sprintf("cut after %d quarters", quarter), body[:len(body)*quarter/4]})
	}
	if body != "" {
		list = append(list, mutation{"cut before its last byte", body[:len(body)-1]})
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	var root any
	if decoder.Decode(&root) != nil {
		return list
	}
	// put stores another value in the place that is being looked at, drop removes it.
	var walk func(path string, v any, put func(any), drop func())
	add := func(how string) {
		text, err := json.Marshal(root)
		if err == nil {
			list = append(list, mutation{how, string(text)})
		}
	}
	walk = func(path string, v any, put func(any), drop func()) {
		if drop != nil {
			drop()
			add(path + " left out")
			put(v)
		}
		for _, other := range replacements(v, numbers) {
			put(other.value)
			add(path + " " + other.how)
			put(v)
		}
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				if namesMore.MatchString(key) {
					continue // without it the answer says that there is no more
				}
				walk(path+"."+key, v[key], func(to any) { v[key] = to }, func() { delete(v, key) })
			}
		case []any:
			for i := range v[:min(len(v), 3)] { // the rest is alike
				walk(fmt.Sprintf("%s[%d]", path, i), v[i], func(to any) { v[i] = to }, nil)
			}
		}
	}
	walk("", root, func(to any) { root = to }, nil)
	return list
}

// namesMore is what vendors call the place of what does not fit into an answer.
var namesMore = regexp.MustCompile(`(?i)next|cursor|page|after|more|link|offset|continu`)

// unknownWord is a word that no documentation has.
const unknownWord = "qzx-unheard-of"

type replacement struct {
	how   string
	value any
}

func replacements(v any, numbers bool) []replacement {
	other := []replacement{{"is an object", map[string]any{unknownWord: unknownWord}}}
	switch v := v.(type) {
	case string:
		return append(other, replacement{"is null", nil}, replacement{"is empty", ""}, replacement{"is an unknown word", unknownWord},
			replacement{"is a number", 7}, replacement{"is in a list", []any{v}})
	case json.Number:
		other = append(other, replacement{"is null", nil}, replacement{"is a text", unknownWord}, replacement{"is in a list", []any{v}})
		if numbers && strings.Trim(v.String(), "0.") != "" {
			other = append(other, replacement{"is negative", json.Number("-" + strings.TrimPrefix(v.String(), "-"))},
				replacement{"is beyond any integer", json.Number("92233720368547758079")})
		}
		return other
	case bool:
		return append(other, replacement{"is null", nil}, replacement{"is an unknown word", unknownWord}, replacement{"is in a list", []any{v}})
	case []any:
		return append(other, replacement{"is an unknown word", unknownWord}, replacement{"is a number", 7})
	case map[string]any:
		return append(other, replacement{"is null", nil}, replacement{"is an unknown word", unknownWord}, replacement{"is in a list", []any{v}})
	}
	return nil
}

// better reports whether a state claims more than another one. What refuses, waits for a
// person or is an error may be read as anything but done.
func better(got, than deletion.State) bool {
	rank := map[deletion.State]int{deletion.Delivered: 1, deletion.Acknowledged: 2, deletion.Verified: 3}
	if rank[than] == 0 {
		return got == deletion.Verified
	}
	return rank[got] > rank[than]
}

// marker is put into answers, in a field that nobody reads.
const marker = "raw-answer-of-the-suite"

// withField adds a field to a JSON object, false if the body is none.
func withField(body, name, value string) (string, bool) {
	trimmed := strings.TrimSpace(body)
	if !strings.HasPrefix(trimmed, "{") || !json.Valid([]byte(trimmed)) {
		return body, false
	}
	key, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		return body, false
	}
	rest := strings.TrimSpace(trimmed[1:])
	if rest == "}" {
		return string(key), true
	}
	return string(bytes.TrimSuffix(key, []byte("}"))) + "," + rest, true
}

// texts replaces each string of a JSON body in turn.
func texts(body string, with string) []mutation {
	var list []mutation
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	var root any
	if decoder.Decode(&root) != nil {
		return nil
	}
	var walk func(path string, v any, put func(any))
	walk = func(path string, v any, put func(any)) {
		switch v := v.(type) {
		case string:
			put(with)
			if text, err := json.Marshal(root); err == nil {
				list = append(list, mutation{path, string(text)})
			}
			put(v)
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(path+"."+key, v[key], func(to any) { v[key] = to })
			}
		case []any:
			for i := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), v[i], func(to any) { v[i] = to })
			}
		}
	}
	walk("", root, func(to any) { root = to })
	return list
}
