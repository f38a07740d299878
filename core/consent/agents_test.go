package consent

import (
	"slices"
	"strings"
	"testing"
)

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

// agentSigns is a copy of what the table must hold, in its order: one line a sign, as an
// agent sets it.
var agentSigns = []struct{ pair, want string }{
	{"AGENT=amp", "amp"},
	{"AMP_CURRENT_THREAD_ID=T-1", "amp"},
	{"AGENT=goose", "goose"},
	{"GOOSE_TERMINAL=1", "goose"},
	{"CRUSH=1", "crush"},
	{"KILO=1", "kilo-code"},
	{"OPENCODE=1", "opencode"},
	{"QWEN_CODE=1", "qwen-code"},
	{"GEMINI_CLI=1", "gemini-cli"},
	{"CODEX_THREAD_ID=0199a213", "codex"},
	{"CODEX_CI=1", "codex"},
	{"CODEX_SANDBOX=seatbelt", "codex"},
	{"CODEX_SANDBOX_NETWORK_DISABLED=1", "codex"},
	{"CURSOR_AGENT=1", "cursor"},
	{"COPILOT_AGENT=1", "github-copilot"},
	{"COPILOT_CLI=1", "github-copilot"},
	{"CLINE_ACTIVE=true", "cline"},
	{"PI_CODING_AGENT=true", "pi"},
	{"OPENCLAW_SHELL=exec", "openclaw"},
	{"AUGMENT_AGENT=1", "augment"},
	{"ANTIGRAVITY_AGENT=1", "antigravity"},
	{"JUNIE_SHIM_PATH=/opt/junie", "junie"},
	{"CLAUDECODE=1", "claude-code"},
	{"AI_AGENT=hermes-agent", "other"},
	{"AGENT=1", "other"},
}

func TestEverySignOfAnAgentIsSeenAndNoOther(t *testing.T) {
	t.Parallel()
	var signs []string
	for _, agent := range agents {
		for _, sign := range agent.signs {
			signs = append(signs, agent.name+" by "+sign)
		}
	}
	if len(signs) != len(agentSigns) {
		t.Errorf("%d signs, %d in the copy", len(signs), len(agentSigns))
	}
	for i, c := range agentSigns {
		if name, ok := Agent(surroundings(c.pair)); !ok || name != c.want {
			t.Errorf("%s: %q, %v; want %q", c.pair, name, ok, c.want)
		}
		if i < len(signs) && signs[i] != c.want+" by "+c.pair && signs[i] != c.want+" by "+c.pair[:strings.IndexByte(c.pair, '=')] {
			t.Errorf("sign %d is %q, in the copy %q", i, signs[i], c.pair)
		}
		// Any value but a no is as good, and none comes out.
		variable, _, _ := strings.Cut(c.pair, "=")
		if name, ok := Agent(surroundings(variable + "=" + canary)); ok && !slices.ContainsFunc(agentSigns, func(c struct{ pair, want string }) bool { return c.want == name }) {
			t.Errorf("%s with a text returns %q", variable, name)
		}
		for _, no := range []string{"", "0", "false", "no", "off"} {
			if name, ok := Agent(surroundings(variable + "=" + no)); ok {
				t.Errorf("%s=%q is %q", variable, no, name)
			}
		}
	}
}

const canary = "jane@example.com"

// ciSigns is a copy of what the table must hold, in its order, as the systems set it.
var ciSigns = []struct {
	env       []string
	want      string
	withoutCI bool
}{
	{[]string{"FORGEJO_ACTIONS=true", "GITHUB_ACTIONS=true"}, "forgejo-actions", false},
	{[]string{"GITEA_ACTIONS=true", "GITHUB_ACTIONS=true"}, "gitea-actions", false},
	{[]string{"GITHUB_ACTIONS=true"}, "github-actions", false},
	{[]string{"GITLAB_CI=true"}, "gitlab-ci", false},
	{[]string{"CIRCLECI=true"}, "circleci", false},
	{[]string{"BUILDKITE=true"}, "buildkite", false},
	{[]string{"BITBUCKET_BUILD_NUMBER=7"}, "bitbucket-pipelines", false},
	{[]string{"TF_BUILD=True"}, "azure-pipelines", true},
	{[]string{"TEAMCITY_VERSION=2026.1"}, "teamcity", true},
	{[]string{"JENKINS_URL=https://ci.example.com/", "BUILD_ID=7"}, "jenkins", true},
	{[]string{"CODEBUILD_BUILD_ID=demo:7"}, "aws-codebuild", true},
	{[]string{"bamboo_planKey=A-B"}, "bamboo", true},
	{[]string{"GO_PIPELINE_LABEL=7"}, "gocd", true},
	{[]string{"TRAVIS=true"}, "travis-ci", false},
	{[]string{"APPVEYOR=True"}, "appveyor", false},
	{[]string{"DRONE=true"}, "drone", false},
	{[]string{"CI=woodpecker"}, "woodpecker", false},
	{[]string{"SEMAPHORE=true"}, "semaphore", false},
	{[]string{"CIRRUS_CI=true"}, "cirrus-ci", false},
	{[]string{"CF_BUILD_ID=5f"}, "codefresh", false},
	{[]string{"BITRISE_IO=true"}, "bitrise", false},
	{[]string{"CM_BUILD_ID=5f"}, "codemagic", false},
	{[]string{"CI_XCODE_PROJECT=App.xcodeproj"}, "xcode-cloud", false},
	{[]string{"NETLIFY=true"}, "netlify", false},
	{[]string{"CF_PAGES=1"}, "cloudflare-pages", false},
}

func TestEverySystemIsKnownByItsNameAndNoOther(t *testing.T) {
	t.Parallel()
	if len(ciSystems) != len(ciSigns) {
		t.Errorf("%d systems, %d in the copy", len(ciSystems), len(ciSigns))
	}
	for i, c := range ciSigns {
		if i < len(ciSystems) && ciSystems[i].name != c.want {
			t.Errorf("system %d is %q, in the copy %q", i, ciSystems[i].name, c.want)
		}
		if name, ok := CI(surroundings(append(c.env, "CI=true")...)); name != c.want || !ok {
			t.Errorf("%v with CI: %q, %v; want %q", c.env, name, ok, c.want)
		}
		wantCI := c.withoutCI || c.want == "woodpecker"
		if name, ok := CI(surroundings(c.env...)); ok != wantCI || ok && name != c.want {
			t.Errorf("%v alone: %q, %v; want %v", c.env, name, ok, wantCI)
		}
		for _, no := range []string{"0", "false", "False", "no", "off"} {
			if name, ok := CI(surroundings(append([]string{"CI=" + no}, c.env...)...)); ok || name != "" {
				t.Errorf("%v with CI=%s: %q, %v; CI has the last word", c.env, no, name, ok)
			}
		}
		var texts []string
		for _, pair := range c.env {
			name, _, _ := strings.Cut(pair, "=")
			texts = append(texts, name+"="+canary)
		}
		if name, _ := CI(surroundings(append(texts, "CI="+canary)...)); strings.Contains(name, canary) {
			t.Errorf("%v returns %q", texts, name)
		}
	}
	if name, ok := CI(surroundings("CI=" + canary)); name != "" || !ok {
		t.Errorf("an unknown one: %q, %v", name, ok)
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
