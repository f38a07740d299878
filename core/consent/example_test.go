package consent_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/core/consent"
)

// A variable that the person set for all tools is stronger than their earlier answer to this one.
func ExampleDecide() {
	variables := map[string]string{"DO_NOT_TRACK": "1"}
	terms := consent.Terms{Backend: "http", Hosts: []string{"telemetry.example.com"}}
	decision := consent.Decide(consent.Input{
		Feature: true,
		Tool:    "mytool",
		Lookup: func(name string) (string, bool) {
			value, set := variables[name]
			return value, set
		},
		Stored: consent.Stored{Answer: consent.AnswerYes},
		Terms:  terms,
	})
	fmt.Println(decision.Enabled, "by", decision.Decider)
	// Output: false by DO_NOT_TRACK
}

// A tool has a variable of its own.
func ExampleEnvName() {
	fmt.Println(consent.EnvName("my-tool"))
	// Output: MY_TOOL_TELEMETRY
}

// In continuous integration no person can be asked.
func ExampleCI() {
	variables := map[string]string{"CI": "true", "GITHUB_ACTIONS": "true"}
	provider, ok := consent.CI(func(name string) (string, bool) {
		value, set := variables[name]
		return value, set
	})
	fmt.Println(provider, ok)
	// Output: github-actions true
}
