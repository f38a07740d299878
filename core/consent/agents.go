package consent

import "strings"

// agents are the coding agents that tell the commands they run that they do. A sign is
// the name of a variable, or "NAME=value" where only that value tells; one is enough.
// The first agent with a sign is taken: some set the variable of another one too.
//
// Not here are CURSOR_TRACE_ID, TERM_PROGRAM and REPL_ID: the terminals of Cursor, Kiro
// and Replit set them for people as well. Nor is what only configures an agent, such as
// GOOSE_PROVIDER or COPILOT_MODEL, which stands in the profiles of people.
var agents = []struct {
	name  string
	signs []string
}{
	// https://ampcode.com/manual/appendix#permissions-delegation
	// https://github.com/microsoft/vscode/issues/311734 lists the thread's. Amp sets CLAUDECODE too.
	{"amp", []string{"AGENT=amp", "AMP_CURRENT_THREAD_ID"}},
	// https://github.com/aaif-goose/goose/pull/7017, https://github.com/aaif-goose/goose/pull/4205. The
	// observations below find neither in version 1.52.
	{"goose", []string{"AGENT=goose", "GOOSE_TERMINAL"}},
	// https://github.com/charmbracelet/crush/pull/2484
	{"crush", []string{"CRUSH"}},
	// https://github.com/sdairs/is-ai-agent/blob/main/tests/harnesses/inventory/README.md: observed,
	// as are QWEN_CODE, COPILOT_CLI and JUNIE_SHIM_PATH. Kilo sets OPENCODE too.
	{"kilo-code", []string{"KILO"}},
	// https://github.com/anomalyco/opencode/blob/fde201c286a83ff32dda9b41d61d734a4449fe70/packages/opencode/src/index.ts
	{"opencode", []string{"OPENCODE"}},
	// A fork of Gemini CLI.
	{"qwen-code", []string{"QWEN_CODE"}},
	// https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/shell.md
	{"gemini-cli", []string{"GEMINI_CLI"}},
	// https://github.com/openai/codex: codex-rs/core/src/spawn.rs, exec_env.rs, unified_exec/process_manager.rs
	{"codex", []string{"CODEX_THREAD_ID", "CODEX_CI", "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED"}},
	// https://cursor.com/docs/agent/terminal
	{"cursor", []string{"CURSOR_AGENT"}},
	// https://github.com/microsoft/vscode/pull/316267, https://github.com/dotnet/sdk/pull/54227
	{"github-copilot", []string{"COPILOT_AGENT", "COPILOT_CLI"}},
	// https://github.com/cline/cline/pull/5367
	{"cline", []string{"CLINE_ACTIVE"}},
	// https://github.com/earendil-works/pi: packages/coding-agent/docs/environment-variables.md
	{"pi", []string{"PI_CODING_AGENT"}},
	// https://docs.openclaw.ai/help/environment
	{"openclaw", []string{"OPENCLAW_SHELL"}},
	// https://github.com/cli/cli/blob/12fba3efeceae3d5d4940d4e5e8724c4dc85f1af/internal/agents/detect.go
	{"augment", []string{"AUGMENT_AGENT"}},
	{"antigravity", []string{"ANTIGRAVITY_AGENT"}},
	{"junie", []string{"JUNIE_SHIM_PATH"}},
	// https://code.claude.com/docs/en/env-vars
	{"claude-code", []string{"CLAUDECODE"}},
	// The names that agents agree on: https://github.com/agentsmd/agents.md/issues/136 and
	// https://github.com/vercel/detect-agent. The value is free text, so it names no agent here.
	{"other", []string{"AI_AGENT", "AGENT"}},
}

// Agent returns which coding agent runs this command, as far as its variables tell. The
// name is one of a fixed list, "other" for an agent that is not in it: nothing that
// stands in the environment is returned.
func Agent(lookup func(string) (string, bool)) (name string, ok bool) {
	for _, agent := range agents {
		for _, sign := range agent.signs {
			if shows(lookup, sign) {
				return agent.name, true
			}
		}
	}
	return "", false
}

// Agents returns the names that Agent knows.
func Agents() []string {
	names := make([]string, len(agents))
	for i, agent := range agents {
		names[i] = agent.name
	}
	return names
}

// shows reports whether a variable is set to something other than no, or, for a sign
// with a value, to that.
func shows(lookup func(string) (string, bool), sign string) bool {
	name, want, exact := strings.Cut(sign, "=")
	value, set := lookup(name)
	if exact {
		return set && value == want
	}
	return set && value != "" && !saysOff(value)
}

// Signs returns the names of all variables by which CI and Agent tell who runs a command, for
// tests that do without any.
func Signs() []string {
	names := []string{"CI"}
	add := func(signs []string) {
		for _, sign := range signs {
			name, _, _ := strings.Cut(sign, "=")
			names = append(names, name)
		}
	}
	for _, system := range ciSystems {
		add(system.signs)
	}
	for _, agent := range agents {
		add(agent.signs)
	}
	return names
}
