// Package detect finds out under what circumstances a command runs: who runs it, a person,
// a job or an agent, and where. What it returns is from closed lists. It looks up
// variables, and asks the system about two files and two descriptors.
package detect

import (
	"os"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/tty"
)

// Context is what is known of a run.
type Context struct {
	CI bool
	// CIProvider is one of a fixed list, "" for a system that is not in it.
	CIProvider  string
	Interactive bool
	// Agent is one of a fixed list, "" where no agent made itself known.
	Agent     string
	Container bool
}

// Detect returns the context of this process.
func Detect(lookup func(string) (string, bool)) Context {
	var c Context
	c.CIProvider, c.CI = consent.CI(lookup)
	c.Agent, _ = consent.Agent(lookup)
	c.Interactive = tty.Is(os.Stdin) && tty.Is(os.Stderr)
	c.Container = inContainer(lookup, containerFiles)
	return c
}

// containerVariables are set in containers, and not in the shell of a machine.
var containerVariables = []string{
	// https://systemd.io/CONTAINER_INTERFACE/: Podman, systemd-nspawn, LXC, Flatpak and others.
	"container",
	// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
	"KUBERNETES_SERVICE_HOST",
	// https://docs.github.com/en/codespaces/developing-in-a-codespace/default-environment-variables-for-your-codespace
	"CODESPACES",
	// https://github.com/microsoft/vscode-remote-release/issues/3517: VS Code's development containers.
	"REMOTE_CONTAINERS",
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html
	"ECS_CONTAINER_METADATA_URI_V4",
	// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
	"AWS_LAMBDA_FUNCTION_NAME",
	// https://cloud.google.com/run/docs/container-contract#env-vars
	"K_SERVICE",
}

// containerFiles are made by what sets no variable.
var containerFiles = []string{
	// https://github.com/moby/moby/blob/master/daemon/initlayer/setup_unix.go
	"/.dockerenv",
	// https://github.com/containers/podman/blob/main/docs/source/markdown/podman-run.1.md.in
	"/run/.containerenv",
}

func inContainer(lookup func(string) (string, bool), files []string) bool {
	for _, name := range containerVariables {
		if value, set := lookup(name); set && value != "" {
			return true
		}
	}
	for _, path := range files {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}
