//go:build !notelemetry

// Package relaycmd is the program of those who run a tool and answer for its data, but for
// the list of whom it can reach, which is main's: telemetry-relay, or one of your own with a
// vendor that is not in it.
//
//	serve      takes what tools send, and works on it
//	deletions   looks into the ledger of deletions
//	delete      has one machine's data deleted by hand
//	report     makes a page of how a tool is used
//	migrate    takes over a ledger of an earlier version
//
// The keys that these commands need can delete anybody's data. They are read from files and
// variables that the operator names; there is no flag and no key of a file to hold one, and
// no message repeats what might be one in the wrong place.
package relaycmd

import (
	"context"
	"io"
	"log"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// program is what messages call it, whatever the file is called.
const program = "telemetry-relay"

// Main runs the program and returns its exit code: 0, 2 for a mistake in the command line or
// in a file that it names, and 1 for whatever else goes wrong. Events can be passed on by the
// drivers, beside http and the gateway's own database, and the vendors can be asked to delete.
// Nobody else is reached.
func Main(drivers []driver.Driver, vendors []deletion.Vendor) int {
	// net/http says there what a server sends unasked, in its words.
	log.SetOutput(io.Discard)
	s := surroundings{lookup: os.LookupEnv, now: time.Now, drivers: drivers, vendors: vendors}
	return rootcmd.Report(s.root().ExecuteContextC(context.Background()))
}

// surroundings are what commands know of the world, but for files.
type surroundings struct {
	lookup  func(string) (string, bool)
	now     func() time.Time
	drivers []driver.Driver
	vendors []deletion.Vendor
}

func (s surroundings) screen(w io.Writer) screen.Screen { return screen.New(w, s.lookup) }

// commands is the one list of them. Each is in a file of its own.
func (s surroundings) commands() []*cobra.Command {
	return []*cobra.Command{s.serve(), s.deletions(), s.delete(), s.report(), s.migrate()}
}

func (s surroundings) root() *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Take what a tool sends, and have vendors delete what they hold",
		Long: "Take what a tool sends, and have vendors delete what they hold of a machine: for those\n" +
			"who run a tool and answer for its data.",
		Example: "  " + program + " serve --config relay.yaml --check\n" +
			"  " + program + " serve --config relay.yaml\n" +
			"  " + program + " deletions list --config relay.yaml",
	}
	rootcmd.Prepare(root)
	root.AddCommand(s.commands()...)
	return root
}
