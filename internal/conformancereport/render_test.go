package main

import (
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/conformance"
)

func TestTheDocumentSaysWhatBecameOfEveryCheck(t *testing.T) {
	t.Parallel()
	result := func(id string, o conformance.Outcome, reason string) conformance.Result {
		return conformance.Result{ID: id, Level: conformance.Should, Outcome: o, Reason: reason}
	}
	reports := []conformance.Report{
		{Subject: "zulu", Kind: conformance.KindBackend, Results: []conformance.Result{
			result("a/one", conformance.Passed, ""), result("a/two", conformance.Passed, ""), result("b/three", conformance.Passed, "")}},
		{Subject: "acme", Kind: conformance.KindBackend, Declared: map[string]string{"omits Args": "no place"}, Results: []conformance.Result{
			result("a/one", conformance.Skipped, "it is local"), result("a/two", conformance.Known, "a bug of theirs"), result("b/three", conformance.Failed, "")}},
		{Subject: "deleter", Kind: conformance.KindRequestor, Results: []conformance.Result{
			result("c/four", conformance.Skipped, "it cannot"), result("c/five", conformance.Skipped, "it cannot")}},
		{Subject: "deleter by mail", Kind: conformance.KindRequestor, Results: []conformance.Result{
			result("c/four", conformance.Skipped, "it cannot"), result("c/five", conformance.Skipped, "it cannot")}},
	}
	text := render(reports, "delivery 3 of 4\n")
	rest := text
	for _, want := range []string{
		"version " + conformance.ContractVersion, "## Backends\n\n| | a | b |\n|---|---|---|\n",
		"| acme | 0, 1 skipped, 1 known failure | 0, 1 failed |\n", "| zulu | 2 | 1 |\n",
		"## Deletion requestors\n\n| | c |\n|---|---|\n| deleter | 0, 2 skipped |\n| deleter by mail | 0, 2 skipped |\n",
		"- acme: omits Args: no place\n", "- acme; skipped: it is local (`a/one`)\n- acme; known failure: a bug of theirs (`a/two`)\n",
		"- acme; failed, which is only a should (`b/three`)\n", "- deleter, deleter by mail; skipped: it cannot (`c/four`, `c/five`)\n",
		"| delivery | 3 | 4 |\n",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("it does not say %q in its place:\n%s", want, text)
		}
		rest = after
	}
	if strings.Contains(rest, "zulu") || strings.Count(text, "zulu") != 1 {
		t.Errorf("what passed everything is excused:\n%s", text)
	}
}
