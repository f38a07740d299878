package cli

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core/props"
)

// script is what track and exec have in common. Both stand in other people's scripts, often
// under `set -e`, and run on machines that their author never sees. So what depends on the
// machine or on the content of a variable never ends the script: it is one line on stderr, or
// nothing. How the command is called is the same in each run, so a mistake in that ends the
// first one, which is the author's.
type script struct {
	meta   []string
	strict bool
}

func (s *script) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.meta, "meta", nil, "a detail, as `key=value`; may be given several times")
	s.addStrict(cmd)
}

func (s *script) addStrict(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.strict, "strict", false, "end with exit code 2 where the file or the event is wrong, to try a script out")
}

// scriptHelp is what the help of both commands says.
const scriptHelp = "A script can leave it in place, under set -e too: a file that is missing or wrong and\n" +
	"an event that cannot be recorded are one line on stderr, and no matter for the exit\n" +
	"code. With --strict they are errors. A wrong flag always is one."

// tolerate returns err where the author wants to see it, and else says it and returns nil.
func (s *script) tolerate(err error) error {
	if err == nil || s.strict {
		return err
	}
	complain(err)
	return nil
}

// open returns the collector of the tool, which is never nil, and records nothing where the
// file is missing or wrong.
func (s *script) open(cmd *cobra.Command, p *program) (props.Collector, error) {
	if !cmd.Flags().Changed("config") {
		return props.Discard{}, telemetrycmd.UsageError(errNoConfig)
	}
	collector, err := p.collector()
	return collector, s.tolerate(err)
}

// metadata returns the pairs of --meta. What is no pair, or comes twice, is left out of it, and
// said without being repeated: a script may have put a secret into the wrong place.
func (s *script) metadata() (map[string]string, error) {
	pairs := make(map[string]string, len(s.meta))
	var problems []string
	for i, pair := range s.meta {
		key, value, found := strings.Cut(pair, "=")
		_, twice := pairs[key]
		switch {
		case !found || strings.TrimSpace(key) == "":
			problems = append(problems, fmt.Sprintf("--meta number %d is not key=value", i+1))
		case twice:
			problems = append(problems, fmt.Sprintf("--meta number %d has a key that was there before", i+1))
		default:
			pairs[key] = value
		}
	}
	if len(problems) == 0 {
		return pairs, nil
	}
	text := strings.Join(problems, "; ")
	if !s.strict {
		text += ", and is left out"
	}
	return pairs, s.tolerate(telemetrycmd.UsageError(errors.New(text)))
}

// unnamed is what a command is recorded as that is given as a file: people are told that no
// names of files are reported.
const unnamed = "command"

// nameOf is what a command is recorded as: the name of a program that is found through PATH,
// on Windows without what makes a file a program there.
func nameOf(child *exec.Cmd, command string) string {
	if filepath.Base(command) != command || !filepath.IsAbs(child.Path) {
		return unnamed
	}
	if runtime.GOOS == "windows" {
		switch ext := filepath.Ext(command); strings.ToLower(ext) {
		case ".exe", ".cmd", ".bat", ".com":
			return strings.TrimSuffix(command, ext)
		}
	}
	return command
}
