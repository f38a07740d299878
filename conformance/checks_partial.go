package conformance

import (
	"maps"
	"slices"

	"github.com/gotoolbase/telemetry/core/driver"
)

// three is the batch for which verdicts are made that do not say otherwise.
const three = 3

func partialAnswer(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.eachVerdict(b, p.compare)
	for _, mixed := range p.subject.Partial {
		if len(mixed.Sizes) == 0 {
			p.compareLarge(b, mixed)
		}
	}
}

// eachVerdict has the vendor answer in each way that the subject declares, to batches of the
// sizes that it is for, and looks at what became of them and what should have.
func (p *probe) eachVerdict(b driver.Backend, look func(name string, size int, v verdict, want driver.Partial)) {
	for _, mixed := range p.subject.Partial {
		sizes := mixed.Sizes
		if len(sizes) == 0 {
			sizes = []int{three}
		}
		for _, size := range sizes {
			if v, want, arrived := p.mixed(b, mixed, size); v.late || !arrived {
				p.failf("%s: the batch did not arrive", mixed.Name)
			} else {
				look(mixed.Name, size, v, want)
			}
		}
	}
}

// mixed sends size events and returns what became of them and what should have. Its last
// result is false where the batch did not arrive, or the subject has no answer to it.
func (p *probe) mixed(b driver.Backend, mixed Verdicts, size int) (v verdict, want driver.Partial, ok bool) {
	p.server.reactWith(func(x *exchange) bool {
		list, _ := p.decode(x)
		if len(list) != size {
			return drop(x)
		}
		var a Answer
		if a, want, ok = mixed.of(list); !ok {
			return drop(x)
		}
		return answer(a)(x)
	})
	v = p.send(b, p.batch(size))
	return v, want, ok
}

// of calls Answer and Want, which may have been written for three events and no others.
func (m Verdicts) of(list []Received) (a Answer, want driver.Partial, ok bool) {
	defer func() {
		if v := recover(); v != nil && len(list) != three {
			ok = false
		} else if v != nil {
			panic(v)
		}
	}()
	return m.Answer(list), m.Want(list), true
}

func (p *probe) compare(name string, size int, v verdict, want driver.Partial) {
	all := want.Unnamed == 0 && len(want.Accepted)+len(want.Rejected) == size
	if all && len(want.Rejected) == 0 && v.err == nil || all && len(want.Accepted) == 0 && v.class == driver.ClassPermanent {
		return
	}
	partial, named := asPartial(v.err)
	if !named || partial == nil {
		p.failf("%s, of %d: Send returned %v, want a driver.Partial", name, size, v)
		return
	}
	if !sameSet(partial.Accepted, want.Accepted) || !sameSet(partial.Rejected, want.Rejected) || partial.Unnamed != want.Unnamed {
		p.failf("%s, of %d: got accepted %q, rejected %q, %d unnamed; want accepted %q, rejected %q, %d unnamed", name, size,
			partial.Accepted, partial.Rejected, partial.Unnamed, want.Accepted, want.Rejected, want.Unnamed)
	}
}

// warningsCounted gives the answers with which a vendor remarks on what it accepts, and those
// without.
func warningsCounted(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.eachVerdict(b, func(name string, size int, v verdict, want driver.Partial) {
		var counted map[string]int
		if partial, named := asPartial(v.err); named && partial != nil {
			counted = partial.Warnings
		}
		if !maps.Equal(counted, want.Warnings) {
			p.failf("%s, of %d: got the warnings %v, want %v", name, size, counted, want.Warnings)
		}
		for warning := range counted {
			if !slices.ContainsFunc(p.subject.Driver.Warnings, func(w driver.Warning) bool { return w.Name == warning }) {
				p.failf("%s: the warning %q is none of Driver.Warnings, so people are not told what it means", name, warning)
			}
		}
		if len(want.Warnings) > 0 && len(want.Accepted) == size && !v.accepted() {
			p.failf("%s, of %d: Send returned %v, want an acceptance: a Partial without Err that names every event", name, size, v)
		}
	})
}

// compareLarge gives an answer that was made for three events to fifty. What it says of the
// others is not known (a list of those that were taken says no of them, a list of those that
// were not says yes), so only the events that it names are looked at.
func (p *probe) compareLarge(b driver.Backend, mixed Verdicts) {
	many := 50
	if limit := p.subject.Driver.Limits.Events; limit > 0 {
		many = min(many, limit)
	}
	v, want, ok := p.mixed(b, mixed, many)
	if !ok || v.late {
		return
	}
	partial, named := asPartial(v.err)
	overlap := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(id string) bool { return slices.Contains(b, id) })
	}
	switch {
	case v.class == driver.ClassAccepted && (len(want.Rejected) > 0 || want.Unnamed > 0):
		p.failf("%s, of %d: Send returned nil, want those that were rejected named", mixed.Name, many)
	case v.class == driver.ClassPermanent && len(want.Rejected) < three:
		p.failf("%s, of %d: Send returned %v, which loses also those that were not rejected", mixed.Name, many, v)
	case v.class == driver.ClassPartial && named && (overlap(partial.Accepted, want.Rejected) || overlap(partial.Rejected, want.Accepted)):
		p.failf("%s, of %d: got accepted %q, rejected %q; want accepted %q, rejected %q", mixed.Name, many,
			partial.Accepted, partial.Rejected, want.Accepted, want.Rejected)
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
