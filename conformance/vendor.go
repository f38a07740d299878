package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Vendor is what a vendor's documentation says, as data. [ReadVendor] reads it from a
// file, which WIRE.md describes, so that one table serves the test of a backend in Go and
// the program telemetry-conformance, which tests one in any language.
type Vendor struct {
	name, doc string
	settings  []vendorSetting
	hosts     []string
	request   requestForm
	// subject is all of a Subject that a file can say.
	subject Subject
}

type vendorSetting struct {
	name, doc, value string
	secret, freeForm bool
}

// Name returns the vendor's name.
func (v Vendor) Name() string { return v.name }

// Subject describes the backend that d opens. What the file cannot say, a test sets
// afterwards.
func (v Vendor) Subject(d driver.Driver) Subject {
	s := v.subject
	s.Driver = d
	s.Headers = maps.Clone(s.Headers)
	s.Statuses = maps.Clone(s.Statuses)
	s.Varies, s.Omits, s.KnownFailures = maps.Clone(s.Varies), maps.Clone(s.Omits), maps.Clone(s.KnownFailures)
	s.Constants = slices.Clone(s.Constants)
	s.Settings = v.values
	s.Decode = v.request.decode
	if v.request.noIP != nil {
		s.NoIP = v.request.switchedOff
	}
	for _, setting := range v.settings {
		if setting.freeForm {
			s.FreeForm = append(slices.Clone(s.FreeForm), setting.name)
		}
	}
	return s
}

// The words that stand in a file for what only the suite knows.
const (
	endpointWord = "{{endpoint}}"
	hostWord     = "{{host}}"
	countWord    = "{{count}}"
)

// values are the settings of a backend that is to reach endpoint.
func (v Vendor) values(endpoint string) map[string]string {
	values := map[string]string{}
	for _, s := range v.settings {
		values[s.name] = strings.ReplaceAll(s.value, endpointWord, endpoint)
	}
	return values
}

// contacted are the hosts that a backend may reach. The suite gives its own endpoint to
// those that are told one.
func (v Vendor) contacted() []string {
	list := slices.Clone(v.hosts)
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], hostWord, strings.TrimPrefix(endpoint, "https://"))
	}
	return list
}

// declared are the settings as a driver declares them. Which values are right is not
// said here: a misspelt one is for the backend to refuse.
func (v Vendor) declared() []driver.Setting {
	var list []driver.Setting
	for _, s := range v.settings {
		list = append(list, driver.Setting{Name: s.name, Doc: s.doc, Secret: s.secret})
	}
	return list
}

// choice picks events of a batch: by number from 1, or all that are not picked by
// another.
type choice struct {
	numbers []int
	others  bool
}

// of returns the IDs of the events that are picked. Numbers beyond a small batch are
// those of its last event.
func (c choice) of(batch []Received, other choice) []string {
	var ids []string
	for i, r := range batch {
		number := func(n int) bool { return min(n, len(batch)) == i+1 }
		if slices.ContainsFunc(c.numbers, number) || c.others && !slices.ContainsFunc(other.numbers, number) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// mixed is an answer with more than one verdict.
type mixed struct {
	name               string
	answer             Answer
	accepted, rejected choice
	unnamed            int
	sizes              []int
}

func (m mixed) verdicts() Verdicts {
	return Verdicts{
		Name: m.name, Sizes: m.sizes,
		Answer: func(batch []Received) Answer {
			a := m.answer
			a.Body = fill(a.Body, batch)
			a.Header = http.Header{}
			for name, values := range m.answer.Header {
				for _, value := range values {
					a.Header.Add(name, fill(value, batch))
				}
			}
			return a
		},
		Want: func(batch []Received) driver.Partial {
			return driver.Partial{
				Accepted: m.accepted.of(batch, m.rejected), Rejected: m.rejected.of(batch, m.accepted), Unnamed: m.unnamed,
			}
		},
	}
}

// fill replaces {{id 2}} by the ID of the second event, and {{count}} by how many there
// are.
func fill(text string, batch []Received) string {
	text = strings.ReplaceAll(text, countWord, fmt.Sprint(len(batch)))
	return idWord.ReplaceAllStringFunc(text, func(word string) string {
		var n int
		if _, err := fmt.Sscanf(word, "{{id %d}}", &n); err != nil || n < 1 || len(batch) == 0 {
			return word
		}
		return batch[min(n, len(batch))-1].ID
	})
}
