package consent

import "testing"

// surroundings is an environment of name=value pairs.
func surroundings(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, pair := range pairs {
			if len(pair) > len(name) && pair[:len(name)] == name && pair[len(name)] == '=' {
				return pair[len(name)+1:], true
			}
		}
		return "", false
	}
}

func TestACodingAgentIsKnownByItsVariables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, ""},
		{[]string{"CLAUDECODE=1"}, "claude-code"},
		{[]string{"CURSOR_AGENT=1"}, "cursor"},
		{[]string{"GEMINI_CLI=1"}, "gemini-cli"},
		{[]string{"CODEX_SANDBOX=seatbelt"}, "codex"},
		{[]string{"CODEX_THREAD_ID=0199"}, "codex"},
		{[]string{"CODEX_CI=1"}, "codex"},
		{[]string{"OPENCODE=1", "AGENT=1"}, "opencode"},
		{[]string{"COPILOT_AGENT=1", "AI_AGENT=github_copilot_vscode_agent"}, "github-copilot"},
		{[]string{"CLINE_ACTIVE=true"}, "cline"},
		{[]string{"GOOSE_TERMINAL=1"}, "goose"},
		// Some set the variable of another one too.
		{[]string{"CLAUDECODE=1", "AGENT=amp"}, "amp"},
		{[]string{"OPENCODE=1", "AGENT=1", "KILO=1"}, "kilo-code"},
		{[]string{"GEMINI_CLI=1", "QWEN_CODE=1"}, "qwen-code"},
		// The general names say that there is one, and their text is not passed on.
		{[]string{"AI_AGENT=jane@example.com"}, "other"},
		{[]string{"AGENT=1"}, "other"},
		// What says no, nothing or something else says nothing.
		{[]string{"CLAUDECODE="}, ""},
		{[]string{"CLAUDECODE=0", "AGENT=false", "CURSOR_AGENT=off", "GEMINI_CLI=no"}, ""},
		// A person's own terminal and settings.
		{[]string{"CURSOR_TRACE_ID=ab12", "TERM_PROGRAM=kiro", "REPL_ID=7", "GOOSE_PROVIDER=openai"}, ""},
	} {
		name, ok := Agent(surroundings(c.env...))
		if name != c.want || ok != (c.want != "") {
			t.Errorf("%v: %q, %v; want %q", c.env, name, ok, c.want)
		}
	}
}

func TestEverySignOfAnAgentIsSeen(t *testing.T) {
	t.Parallel()
	for _, agent := range agents {
		for _, sign := range agent.signs {
			pair := sign
			if !shows(surroundings(pair), sign) {
				pair = sign + "=1"
			}
			if name, ok := Agent(surroundings(pair)); !ok || name != agent.name {
				t.Errorf("%s: %q, %v; want %q", pair, name, ok, agent.name)
			}
		}
	}
}

func TestContinuousIntegrationIsKnownAlsoWithoutCI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{nil, false},
		{[]string{"CI=true"}, true},
		{[]string{"CI=woodpecker"}, true},
		{[]string{"CI="}, false},
		{[]string{"CI=false"}, false},
		{[]string{"TF_BUILD=True"}, true},
		{[]string{"TEAMCITY_VERSION=2026.1"}, true},
		{[]string{"JENKINS_URL=https://ci.example.com/", "BUILD_ID=7"}, true},
		{[]string{"CODEBUILD_BUILD_ID=demo:7"}, true},
		{[]string{"bamboo_planKey=A-B"}, true},
		{[]string{"GO_PIPELINE_LABEL=7"}, true},
		{[]string{"CI=false", "TF_BUILD=True"}, false},
		{[]string{"CI=", "TF_BUILD=True"}, true},
		{[]string{"JENKINS_URL=https://ci.example.com/"}, false},
		{[]string{"BUILD_ID=7"}, false},
	} {
		if got := InCI(surroundings(c.env...)); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}
