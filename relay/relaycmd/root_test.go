//go:build !notelemetry

package relaycmd

import (
	"strings"
	"testing"
)

// Whoever knows the program for scripts knows this one.
func TestTheProgramIsUsedAsTheOneForScripts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for line, want := range map[string]string{
		"":                             "Available Commands:",
		"--help":                       "Available Commands:",
		"--version":                    "telemetry-relay version ",
		"completion bash":              "bash completion",
		"__complete ser":               "serve\t",
		"help":                         "Available Commands:",
		"help deletions show":          "telemetry-relay deletions show",
		"__complete help ser":          "serve\t",
		"__complete help deletions sh": "show\t",
	} {
		if out, _, code := p.run(strings.Fields(line)...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%q: code %d, %q", line, code, out)
		}
	}
	for line, want := range map[string]string{
		"sevre":                `unknown command "sevre"; did you mean serve?`,
		"help sevre":           `unknown command "sevre"; did you mean serve?`,
		"help deletions bogus": `unknown command "bogus"`,
		"--nosuch":             "unknown flag: --nosuch\ntelemetry-relay --help tells how it is used.\n",
		"serve --nosuch":       "unknown flag: --nosuch\ntelemetry-relay serve --help tells how it is used.\n",
		"serve --config \x1b":  "telemetry-relay: --config: cannot read the file",
		"delete --machine-id":  "flag needs an argument: --machine-id\n",
	} {
		out := p.fails(2, want, strings.Split(line, " ")...)
		if out != "" {
			t.Errorf("%q: printed %q", line, out)
		}
	}
}
