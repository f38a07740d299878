package conformance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Level says what a failed check means.
type Level string

const (
	// Must: a promise to the people who run a tool is broken. It fails the run.
	Must Level = "must"
	// Should: something costs them more than it need. It is reported and fails nothing.
	Should Level = "should"
)

// Outcome is how a check ended.
type Outcome string

// The outcomes. A known failure that fails is Known, one that passes is Failed.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
	Known   Outcome = "known failure"
)

// The kinds of subjects.
const (
	KindBackend   = "backend"
	KindRequestor = "requestor"
)

// Report is what a run found. As JSON it is described by report.schema.json beside this
// file.
type Report struct {
	// Subject is [Subject.Name], else the driver's.
	Subject string `json:"subject"`
	// Kind is KindBackend or KindRequestor.
	Kind string `json:"kind"`
	// Contract is the version of the contract that the subject was held to.
	Contract string `json:"contract"`
	// Suite is the code that judged, Driver that which was judged: the module of Driver.Open,
	// for a requestor that of [DeletionSubject.Open].
	Suite  Module `json:"suite"`
	Driver Module `json:"driver"`
	// Go, OS and Arch are those of the program that ran, Date when it began, in UTC.
	Go   string    `json:"go"`
	OS   string    `json:"os"`
	Arch string    `json:"arch"`
	Date time.Time `json:"date"`
	// Short says that checks that take long were left out, as -short asks. They are skipped.
	Short bool `json:"short,omitempty"`
	// Seed replays the random failures.
	Seed uint64 `json:"seed"`
	// Took is how long the run lasted.
	Took time.Duration `json:"took_ns"`
	// Problems are mistakes in the subject itself. With any of them nothing was run.
	Problems []string `json:"problems,omitempty"`
	// Declared lists what the subject asks to be excused from, with its reasons.
	Declared map[string]string `json:"declared,omitempty"`
	// Planted names what was planted around the backend to see whether it leaks, NotPlanted
	// what this machine did not let the suite plant.
	Planted    []string `json:"planted,omitempty"`
	NotPlanted []string `json:"not_planted,omitempty"`
	// Notes say what became of that.
	Notes []string `json:"notes,omitempty"`
	// Results are those of every check, in the order of the contract.
	Results []Result `json:"results"`
}

// newReport says what is going to be run. open is the function that makes the subject,
// seed that of the random failures unless there is a flag.
func newReport(kind, subject string, open any, seed uint64) Report {
	r := Report{
		Subject: subject, Kind: kind, Contract: ContractVersion, Suite: ownModule(), Driver: moduleOf(open),
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Date: time.Now().UTC().Truncate(time.Second),
		Seed: *flags.seed,
	}
	if r.Seed == 0 {
		r.Seed = seed
	}
	if r.Seed == 0 {
		r.Seed = rand.Uint64N(1<<32) + 1 // short enough to be typed
	}
	return r
}

// Result is what became of one check.
type Result struct {
	ID       string `json:"id"`
	Sentence string `json:"sentence"`
	Level    Level  `json:"level"`
	// Since is the version of the contract that brought the check.
	Since   string  `json:"since"`
	Outcome Outcome `json:"outcome"`
	// Reason says why a check was skipped, or why its failure is known.
	Reason   string        `json:"reason,omitempty"`
	Findings []Finding     `json:"findings,omitempty"`
	Took     time.Duration `json:"took_ns"`
}

// Finding is one thing that is wrong.
type Finding struct {
	Message string `json:"message"`
	// Exchange is what passed over the wire, bytes that cannot be printed as \xNN.
	Exchange string `json:"exchange,omitempty"`
}

// OK reports whether every check of level Must passed, was skipped for a declared
// reason, or is a known failure that still fails.
func (r Report) OK() bool {
	if len(r.Problems) > 0 {
		return false
	}
	for _, result := range r.Results {
		if result.Outcome == Failed && result.Level == Must {
			return false
		}
	}
	return true
}

// Failures returns the IDs of the checks that failed, of both levels, in order.
func (r Report) Failures() []string {
	var ids []string
	for _, result := range r.Results {
		if result.Outcome == Failed {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

// String is the report for people: a line for each check that did not pass, with what
// was found.
func (r Report) String() string {
	var b strings.Builder
	for _, problem := range r.Problems {
		fmt.Fprintf(&b, "%s: %s\n", r.Subject, problem)
	}
	count := map[Outcome]int{}
	for _, result := range r.Results {
		count[result.Outcome]++
		if result.Outcome != Passed {
			b.WriteString(result.String())
		}
	}
	fmt.Fprintf(&b, "%s: %d passed, %d failed, %d skipped, %d known failures in %v, contract %s, seed %d\n", r.Subject,
		count[Passed], count[Failed], count[Skipped], count[Known], r.Took.Round(time.Millisecond), r.Contract, r.Seed)
	return b.String()
}

// String says how a check ended, with everything that was found.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s): %s\n", r.Outcome, r.ID, r.Level, r.Sentence)
	if r.Reason != "" {
		fmt.Fprintf(&b, "    because %s\n", r.Reason)
	}
	for _, f := range r.Findings {
		b.WriteString(indent(f.Message, "    - "))
		if f.Exchange != "" {
			b.WriteString(indent(f.Exchange, "      | "))
		}
	}
	return b.String()
}

func indent(text, prefix string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if i > 0 && strings.HasSuffix(prefix, "- ") {
			prefix = strings.Repeat(" ", len(prefix))
		}
		b.WriteString(prefix + line + "\n")
	}
	return b.String()
}

// write stores the report as <dir>/<subject>.json.
func (r Report) write(dir string) error {
	workingCopy(&r.Suite, &r.Driver)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Subject+".json"), append(text, '\n'), 0o644)
}
