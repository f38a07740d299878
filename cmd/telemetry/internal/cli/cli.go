// Package cli is the program cmd/telemetry but for the list of drivers, which is
// main's. It is for people who maintain that program.
package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/core/toolfile"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
)

// Main runs the program and returns its exit code. Where a command that it ran was
// ended by a signal, it ends the process by the same one.
func Main(drivers []driver.Driver) int {
	p := &program{drivers: drivers}
	root := p.root()
	cmd, err := root.ExecuteContextC(context.Background())
	var ended *endedError
	if errors.As(err, &ended) {
		return ended.end()
	}
	return rootcmd.Report(cmd, err)
}

// complain is how everything that goes wrong is said.
func complain(err error) { rootcmd.Complain(os.Stderr, "telemetry", err) }

// program is what the commands share.
type program struct {
	drivers []driver.Driver
	config  string
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "telemetry",
		Short: "Record and send usage events of scripts and other tools",
		Long: "Record and send usage events of scripts and other tools, if the person who runs\n" +
			"them has said yes.\n\n" +
			"The tool is declared in a YAML file. It is named with --config and found in no\n" +
			"other way: where events go is the author's word, so it comes neither from the\n" +
			"environment nor from the directory that somebody happens to be in.",
		Example: "  telemetry --config mytool.yaml enable\n" +
			"  telemetry --config mytool.yaml track command.invocation build --duration 142ms --exit-code 0\n" +
			"  telemetry --config mytool.yaml exec -- make all\n" +
			"  telemetry --config mytool.yaml status",
	}
	rootcmd.Prepare(root)
	root.PersistentFlags().StringVar(&p.config, "config", "", "the YAML file that declares the tool")
	if err := root.MarkPersistentFlagFilename("config", "yaml", "yml"); err != nil {
		panic(err) // the flag was added one line above
	}
	root.AddCommand(telemetrycmd.Commands(p.path, p.manager)...)
	root.AddCommand(telemetrycmd.CheckCommand(p.path, p.manager), p.ask(), p.track(), p.exec())
	root.AddCommand(moved("relay", "serve"), moved("erasures", "deletions"), moved("erase", "delete"))
	return root
}

// path is how people call the commands.
func (p *program) path() string {
	file := p.config
	if file == "" {
		file = "mytool.yaml"
	}
	if strings.ContainsAny(file, " \t\"'$&;|<>()*?[]#~\\`") {
		file = "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	return "telemetry --config " + file
}

var errNoConfig = errors.New("--config is required: the YAML file that declares the tool")

// load reads the file. The options have the background process read the same one,
// wherever it starts.
func (p *program) load() (props.Tool, []core.Option, error) {
	if p.config == "" {
		return props.Tool{}, nil, telemetrycmd.UsageError(errNoConfig)
	}
	path, err := filepath.Abs(p.config)
	if err != nil {
		return props.Tool{}, nil, rootcmd.InFile(errors.New("the working directory is gone, so name the file with its whole path"))
	}
	tool, err := toolfile.Load(path, p.drivers...)
	if err != nil {
		return props.Tool{}, nil, rootcmd.InFile(err)
	}
	return tool, []core.Option{core.WithUploadCommand("--config", path, "upload")}, nil
}

func (p *program) manager() (*core.Manager, error) {
	tool, options, err := p.load()
	if err != nil {
		return nil, err
	}
	return core.NewManager(tool, options...), nil
}

// collector is never nil.
func (p *program) collector() (props.Collector, error) {
	tool, options, err := p.load()
	if err != nil {
		return props.Discard{}, err
	}
	c, err := core.Open(tool, options...)
	if err != nil {
		return c, rootcmd.InFile(err)
	}
	return c, nil
}
