//go:build !notelemetry

package events

import (
	"math"
	"regexp"
	"strings"
	"unicode"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
)

// otherWord stands for a word that is not in its list. A tool that is newer than the gateway has
// some that are not, and so has who makes up events: neither may put words into a report.
const otherWord = "other"

var (
	// systems and processors are those for which Go builds programs:
	// https://go.dev/doc/install/source#environment
	systems = setOf(strings.Fields(`aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris
		wasip1 windows`), otherWord)
	processors = setOf(strings.Fields(`386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x
		wasm`), otherWord)
	ciProviders = setOf(consent.CIProviders(), otherWord)
	agents      = setOf(consent.Agents(), otherWord)
)

// These match what may be kept of a text.
var (
	// systemVersion is a family and its number, as tools write it. The name of a host has dots
	// where a family has none.
	systemVersion = regexp.MustCompile(`^([a-z0-9_-]{1,32}( [0-9][a-z0-9.-]{0,31})?|[0-9][0-9.]{0,31})$`)
	// goVersion is a release; what a distributor or an experiment adds is left out.
	goVersion = regexp.MustCompile(`^go[0-9]{1,3}(\.[0-9]{1,3}){0,2}((rc|beta)[0-9]{1,3})?`)
	// toolVersion is an author's own text, in which no address, no path and no pair has room.
	toolVersion = regexp.MustCompile(`^[\pL\pN .,:;+~_()-]*$`)
)

func setOf(words []string, more string) map[string]bool {
	set := map[string]bool{more: true}
	for _, word := range words {
		set[word] = true
	}
	return set
}

// isFlagName reports whether a collector would record this as the name of a flag.
func isFlagName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:", r)
	}) < 0
}

// maxMended is more values than an event has that could be cut or scrubbed.
const maxMended = 1000

// countsAdd reports whether the numbers of an event can be: no part is larger than the whole,
// no sum over many events overflows, and none has room for one of another kind, such as somebody's
// telephone number. Exit codes have 32 bits, with a sign or, on Windows, without one.
func countsAdd(e *driver.Event) bool {
	if e.Truncated > maxMended || e.Redacted > maxMended || e.ExitCode != nil && (*e.ExitCode < math.MinInt32 || int64(*e.ExitCode) > math.MaxUint32) {
		return false
	}
	timed := 0
	for _, n := range e.Durations {
		timed += n
	}
	return e.Failures <= e.Count && timed <= e.Count &&
		int64(max(e.Count, 1))*int64(max(e.SampleRate, 1)) <= maxCount &&
		(e.DurationMS == nil || *e.DurationMS >= 0 && *e.DurationMS <= maxDuration)
}
