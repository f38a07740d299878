//go:build !notelemetry

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// ofTheTool returns the help of the commands that every tool has, as a tool prints it that has
// nothing but package console.
func ofTheTool(string) (string, error) {
	m := core.NewManager(props.Tool{Name: "mytool"})
	open := func() (*core.Manager, error) { return m, nil }
	var w strings.Builder
	for _, c := range console.Commands(open) {
		if c.Hidden {
			continue
		}
		var out bytes.Buffer
		if err := console.Run(context.Background(), m, []string{c.Name, "--help"}, console.WithStreams(console.Streams{Out: &out})); err != nil {
			return "", err
		}
		block(&w, "mytool telemetry "+c.Name, out.String())
	}
	return w.String(), nil
}

// program returns the help of a program of cmd and of its commands: of those that are named, or
// of all.
func program(name string, only ...string) func(root string) (string, error) {
	return func(root string) (string, error) {
		dir, err := os.MkdirTemp("", "reference")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		binary := filepath.Join(dir, name)
		build := exec.Command("go", "build", "-o", binary, "./cmd/"+name)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		var w strings.Builder
		err = helpOf(&w, binary, []string{name}, only)
		return w.String(), err
	}
}

var commandLine = regexp.MustCompile(`(?m)^  (\S+) +\S`)

// helpOf writes the help of a command, and that of those below it.
func helpOf(w *strings.Builder, binary string, path, only []string) error {
	cmd := exec.Command(binary, append(slices.Clone(path[1:]), "--help")...)
	cmd.Env = []string{"HOME=/", "COLUMNS=100"} // nothing of this machine's
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s --help: %w", strings.Join(path, " "), err)
	}
	block(w, strings.Join(path, " "), string(out))
	_, list, found := strings.Cut(string(out), "\nAvailable Commands:\n")
	if !found {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range commandLine.FindAllStringSubmatch(list, -1) {
		if m[1] == "help" || m[1] == "completion" || only != nil && !slices.Contains(only, m[1]) {
			continue
		}
		if err := helpOf(w, binary, append(slices.Clone(path), m[1]), nil); err != nil {
			return err
		}
	}
	return nil
}

func block(w *strings.Builder, title, text string) {
	fmt.Fprintf(w, "### %s\n\n```text\n%s\n```\n\n", title, strings.TrimSpace(text))
}
