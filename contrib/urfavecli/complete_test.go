package urfavecli_test

import (
	"strings"
	"testing"
)

// urfave/cli's scripts for bash, zsh, fish and PowerShell all ask the tool this.
const ask = "--generate-shell-completion"

func TestCommandsFlagsAndTheValuesOfOutputComplete(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for args, want := range map[string]string{
		"telemetry":                 "enable: disable: status: schema: reset: flush: share:",
		"telemetry status -":        "--explain: --output:",
		"telemetry flush --":        "--timeout: --output:",
		"telemetry status --output": "text:for json:for",
		"telemetry status -o":       "text:for json:for",
		"telemetry schema --output": "text: json: markdown: jsonschema:",
	} {
		out, errs, code := p.run(append(strings.Fields(args), ask)...)
		for _, word := range strings.Fields(want) {
			if !strings.Contains("\n"+out, "\n"+word) {
				t.Errorf("%s: %q is not among (code %d, %s)\n%s", args, word, code, errs, out)
			}
		}
		if strings.Contains(out, "upload") {
			t.Errorf("%s: what is not for people is offered:\n%s", args, out)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh"} {
		if script, _, code := p.run("completion", shell); code != 0 || !strings.Contains(script, ask) {
			t.Errorf("%s: code %d, script:\n%s", shell, code, script)
		}
	}
}

func TestWhatThereIsToShowCompletes(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	if out, errs, code := p.run("telemetry", "enable"); code != 0 {
		t.Fatal(out, errs)
	}
	p.run("remote", "add", "origin")
	if out, errs, code := p.run("telemetry", "flush"); code != 0 {
		t.Fatal(out, errs)
	}
	for args, want := range map[string]string{
		"telemetry receipts":                 "1:",
		"telemetry log":                      "1:",
		"telemetry log --output json":        "1:",
		"telemetry log 1":                    "",
		"telemetry log --":                   "--verify",
		"telemetry receipts --output":        "json:",
		"telemetry receipts 1 --output text": "",
	} {
		out, errs, code := p.run(append(strings.Fields(args), ask)...)
		if code != 0 || !strings.Contains("\n"+out, "\n"+want) {
			t.Errorf("%s: %q is not among (code %d, %s)\n%s", args, want, code, errs, out)
		}
		if want != "1:" && strings.Contains("\n"+out, "\n1:") {
			t.Errorf("%s: a number is offered:\n%s", args, out)
		}
	}
}
