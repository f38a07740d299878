package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// mutation is a body that was changed in one place.
type mutation struct {
	how, body string
}

// anotherID has the form of an event's ID and is none that was sent.
const anotherID = "01920000-dead-7bad-8bad-0123456789ab"

// mutations returns at most enough bodies that body becomes when something in it goes
// wrong. Where there are more, rng chooses.
func mutations(body string, enough int, rng *rand.Rand) []mutation {
	list := []mutation{
		{how: "sent twice", body: body + body},
		{how: "with bytes behind it", body: body + "\x00}]\xff"},
	}
	for at := range cuts(body) {
		list = append(list, mutation{how: fmt.Sprintf("cut after %d bytes", at), body: body[:at]})
	}
	if root, ok := parse(body); ok {
		const deep = 1000
		list = append(list,
			mutation{how: "nested 1000 deep", body: strings.Repeat("[", deep) + body + strings.Repeat("]", deep)},
			mutation{how: "1000 objects deep", body: strings.Repeat(`{"a":`, deep) + body + strings.Repeat("}", deep)},
			mutation{how: "of 100 000 brackets", body: strings.Repeat("[", 100_000)})
		list = append(list, changes("the body", root, func(v any) any { return v })...)
	} else {
		for at := range cuts(body) {
			for _, b := range []string{"\x00", "\x7f", "\xff"} { // in protobuf: no tag, a long field, a long number
				list = append(list, mutation{how: fmt.Sprintf("with %x as byte %d", b, at), body: body[:at] + b + body[at+1:]})
			}
		}
	}
	if len(list) > enough {
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:enough]
	}
	return list
}

// cuts yields a dozen places within a body.
func cuts(body string) func(func(int) bool) {
	return func(yield func(int) bool) {
		const places = 12
		for at := 1; at < len(body); at += 1 + len(body)/places {
			if !yield(at) {
				return
			}
		}
	}
}

// parse reads a JSON object or array, with its numbers as they are written.
func parse(body string) (any, bool) {
	if !json.Valid([]byte(body)) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil && err != io.EOF {
		return nil, false
	}
	switch root.(type) {
	case map[string]any, []any:
		return root, true
	}
	return nil, false
}

// changes returns what becomes of a JSON text when v, at path in it, or something beneath
// it is changed. whole puts another value in the place of v.
func changes(path string, v any, whole func(any) any) []mutation {
	var list []mutation
	put := func(how string, value any) {
		list = append(list, mutation{how: path + " " + how, body: encoded(whole(value))})
	}
	put("null", nil)
	put("[]", []any{})
	put("{}", map[string]any{})
	switch v := v.(type) {
	case json.Number:
		for _, n := range []json.Number{"1e30", "9223372036854775808", "18446744073709551616", negated(v)} {
			put(n.String(), n)
		}
		put("as a string", v.String())
	case string:
		put("empty", "")
		put("grown", strings.Repeat(v+" ", 1000))
		put("another ID", anotherID)
		put("a number", json.Number("-1"))
	case bool:
		put("reversed", !v)
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			without := maps.Clone(v)
			delete(without, key)
			put("without "+key, without)
			list = append(list, changes(path+"."+key, v[key], func(n any) any {
				changed := maps.Clone(v)
				changed[key] = n
				return whole(changed)
			})...)
		}
	case []any:
		put("with each item twice", slices.Concat(v, v))
		for i := range min(len(v), 3) { // the others are alike
			put(fmt.Sprint("without item ", i), slices.Delete(slices.Clone(v), i, i+1))
			list = append(list, changes(fmt.Sprintf("%s[%d]", path, i), v[i], func(n any) any {
				changed := slices.Clone(v)
				changed[i] = n
				return whole(changed)
			})...)
		}
	}
	return list
}

func negated(n json.Number) json.Number {
	if positive, negative := strings.CutPrefix(n.String(), "-"); negative {
		return json.Number(positive)
	}
	return "-" + n
}

func encoded(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // what was decoded can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// leaves returns the values of a JSON text that hold no others, each with what puts another
// one in its place.
func leaves(v any, whole func(any) any) []leaf {
	var list []leaf
	self := leaf{value: v, put: func(n any) string { return encoded(whole(n)) }}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return []leaf{self}
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			list = append(list, leaves(v[key], func(n any) any {
				changed := maps.Clone(v)
				changed[key] = n
				return whole(changed)
			})...)
		}
	case []any:
		if len(v) == 0 {
			return []leaf{self}
		}
		for i := range v {
			list = append(list, leaves(v[i], func(n any) any {
				changed := slices.Clone(v)
				changed[i] = n
				return whole(changed)
			})...)
		}
	default:
		list = append(list, self)
	}
	return list
}

type leaf struct {
	value any
	put   func(any) string
}

// affirms reports whether the leaf says something, so that an answer without it says less.
func (l leaf) affirms() bool {
	switch v := l.value.(type) {
	case string:
		return v != ""
	case bool:
		return v
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	}
	return false
}

// lacking returns what becomes of an acceptance that its body makes when it loses what makes
// it one. That is certain where the body can no longer be read, and where it says one thing
// only and says another. doubtful are bodies that a backend may take for an acceptance if it
// looks for what the vendor complains of.
func lacking(body string) (certain, doubtful []mutation) {
	root, ok := parse(body)
	if !ok {
		return nil, nil
	}
	for at := range cuts(strings.TrimSpace(body)) {
		certain = append(certain, mutation{how: fmt.Sprintf("cut after %d bytes", at), body: strings.TrimSpace(body)[:at]})
	}
	const deep = 1000
	certain = append(certain, mutation{how: "nested 1000 deep", body: strings.Repeat("[", deep) + body + strings.Repeat("]", deep)})
	doubtful = append(doubtful, mutation{how: "replaced by true", body: "true"}, mutation{how: "replaced by 1", body: "1"})
	all := leaves(root, func(v any) any { return v })
	if slices.ContainsFunc(all, leaf.affirms) {
		doubtful = append(doubtful, mutation{how: "emptied", body: "{}"})
	}
	if len(all) != 1 {
		return certain, doubtful
	}
	change := func(list *[]mutation, values ...any) {
		for _, v := range values {
			*list = append(*list, mutation{how: "changed in its one value", body: all[0].put(v)})
		}
	}
	affirms := all[0].affirms()
	if affirms {
		certain = append(certain, mutation{how: "within another object", body: `{"data":` + body + `}`})
		change(&certain, nil, []any{}, map[string]any{})
	}
	switch v := all[0].value.(type) {
	case bool:
		change(&certain, !v)
	case string:
		if affirms {
			change(&certain, "", false)
		}
	case json.Number:
		grown := []any{json.Number("1e30"), json.Number("9223372036854775808"), json.Number("18446744073709551616")}
		if affirms {
			change(&certain, json.Number("0"), negated(v))
			change(&doubtful, grown...)
		} else {
			change(&certain, grown...)
			change(&doubtful, json.Number("-1"))
		}
	}
	return certain, doubtful
}
