//go:build !notelemetry

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// listChecks shows the checks: on a terminal as a table, in a pipe as lines with tabs.
func listChecks(out screen.Screen, only *regexp.Regexp) error {
	var rows [][]screen.Cell
	for _, c := range allChecks() {
		if only.MatchString(c.ID) {
			rows = append(rows, []screen.Cell{screen.Same(c.ID, screen.Bold), screen.Same(string(c.Level), screen.Plain), screen.Same(c.Sentence, screen.Plain)})
		}
	}
	out.Grid([]string{"CHECK", "LEVEL", "WHAT HOLDS"}, rows)
	return nil
}

// present prints a report and returns what it comes to.
func (o *options) present(w io.Writer, report conformance.Report) error {
	switch {
	case o.output == "json":
		if err := screen.WriteJSON(w, report); err != nil {
			return err
		}
	case len(report.Problems) == 0:
		write(screen.New(w, os.LookupEnv), report)
	}
	switch {
	case len(report.Problems) > 0:
		return errors.New(strings.Join(report.Problems, "\n"))
	case !report.OK():
		return errFound
	}
	return nil
}

// write is the report for people. In a pipe it is the one that the suite's tests print; a
// terminal gets what failed, and counts of the rest.
func write(out screen.Screen, report conformance.Report) {
	if !out.Terminal {
		fmt.Fprint(out, report)
		return
	}
	groups, heading := map[string]map[conformance.Outcome]int{}, []string{"CHECKS", "PASSED", "FAILED", "SKIPPED", "KNOWN"}
	var order []string
	for _, r := range report.Results {
		group, _, _ := strings.Cut(r.ID, "/")
		if groups[group] == nil {
			groups[group] = map[conformance.Outcome]int{}
			order = append(order, group)
		}
		groups[group][r.Outcome]++
		if r.Outcome == conformance.Failed || r.Outcome == conformance.Known {
			head, rest, _ := strings.Cut(r.String(), "\n")
			out.Line(colourOf(r), head)
			fmt.Fprintln(out, rest)
		}
	}
	var rows [][]screen.Cell
	for _, group := range order {
		row := []screen.Cell{screen.Same(group, screen.Bold)}
		for _, outcome := range []conformance.Outcome{conformance.Passed, conformance.Failed, conformance.Skipped, conformance.Known} {
			text, colour := "", screen.Plain
			if n := groups[group][outcome]; n > 0 {
				text = fmt.Sprint(n)
				if outcome == conformance.Failed {
					colour = screen.Red
				}
			}
			row = append(row, screen.Same(text, colour))
		}
		rows = append(rows, row)
	}
	out.Grid(heading, rows)
	for _, note := range report.Notes {
		out.Line(screen.Plain, note)
	}
	last, colour := "The program keeps the contract.", screen.Green
	if !report.OK() {
		last, colour = "The program does not keep the contract.", screen.Red
	}
	fmt.Fprintf(out, "\n%s %v, --seed %d\n", out.Paint(colour, last), report.Took.Round(100*time.Millisecond), report.Seed)
}

func colourOf(r conformance.Result) screen.Colour {
	if r.Outcome == conformance.Failed && r.Level == conformance.Must {
		return screen.Red
	}
	return screen.Bold
}
