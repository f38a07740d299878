//go:build !notelemetry

package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/store"
)

// reportOptions are the flags of report.
type reportOptions struct {
	from        []string
	database    string
	config      string
	out, csv    string
	tool        string
	k, weeks    int
	skipDamaged bool
}

func (s surroundings) report() *cobra.Command {
	o := &reportOptions{}
	cmd := &cobra.Command{
		Use:   "report {--from FILE... | --config FILE | --database URL} {--out FILE | --csv FOLDER}",
		Short: "Make a page of how a tool is used",
		Long: "Make a page of how a tool is used: active installations, commands, failures, durations,\n" +
			"versions, systems, who runs it and who comes back. It is one file with neither script\n" +
			"nor anything to load, and with the numbers of each chart as CSV.\n\n" +
			"The page can be published: a group of fewer than --k installations a week is put\n" +
			"together with others or left out, and days and weeks are shown once they are closed,\n" +
			"three days after their end. With --k 1 all is shown, for your eyes only.\n\n" +
			"Events come from files of the file backend, one JSON object a line, also compressed\n" +
			"with gzip, and - is stdin; or from what the gateway counted in its database, which\n" +
			"holds no machine ID.\n\n" +
			"The exit code is 0 if the page was written, 2 for a mistake in the command line or in a\n" +
			"file of events, and 1 for whatever else goes wrong.",
		Example: "  " + program + " report --from events.ndjson --out report.html --k 1\n" +
			"  " + program + " report --config relay.yaml --tool mytool --out report.html --csv numbers",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && len(o.from) == 0 {
				return usage("%q is no flag; files are named after --from", args[0])
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions([]string{"ndjson", "jsonl", "gz"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.from, "from", nil, "a file of events, and more after it; - is stdin")
	must(cmd.MarkFlagFilename("from", "ndjson", "jsonl", "gz"))
	flags.StringVar(&o.config, "config", "", "the relay's file, which says where its database is")
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
	flags.StringVar(&o.database, "database", "", "the gateway's database: sqlite:FILE or postgres://USER@HOST/NAME")
	complete(cmd, "database", "sqlite:", "postgres://")
	flags.StringVar(&o.out, "out", "", "the file that becomes the page; - is stdout")
	must(cmd.MarkFlagFilename("out", "html"))
	flags.StringVar(&o.csv, "csv", "", "a folder for the numbers of each chart")
	must(cmd.MarkFlagDirname("csv"))
	flags.StringVar(&o.tool, "tool", "", "which tool, where there are several")
	complete(cmd, "tool")
	// Completion takes a name of one letter for a short one, so it is both.
	flags.IntVarP(&o.k, "k", "k", report.DefaultK, "how many installations a group has at least; 1 shows all, not to be published")
	complete(cmd, "k", "1", "5", "10", "20")
	flags.IntVar(&o.weeks, "weeks", report.DefaultWeeks, "how many weeks are shown")
	complete(cmd, "weeks", "4", "12", "26", "53")
	flags.BoolVar(&o.skipDamaged, "skip-damaged", false, "leave out lines of a file that are no events, and count them")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.from = append(o.from, args...)
		if err := o.check(); err != nil {
			return err
		}
		if err := s.spareInputs(o); err != nil {
			return err
		}
		data, err := s.reportData(cmd, o)
		if err != nil {
			return err
		}
		return o.write(cmd, data.Page(report.PageOptions{K: o.k, FirstEvent: report.FirstEvent}))
	}
	return cmd
}

func (o *reportOptions) check() error {
	sources := 0
	for _, given := range []bool{len(o.from) > 0, o.config != "", o.database != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources == 0:
		return usage("--from, --config or --database is required: files of events, or the gateway's database")
	case sources > 1:
		return usage("--from, --config and --database all say where events come from: keep one of them")
	case o.out == "" && o.csv == "":
		return usage("--out or --csv is required: the file that becomes the page, or a folder for numbers")
	case o.k < 1 || o.k > report.MaxK:
		return usage("--k is a number from 1 to %d", report.MaxK)
	case o.weeks < 1 || o.weeks > report.MaxWeeks:
		return usage("--weeks is a number from 1 to %d", report.MaxWeeks)
	case o.skipDamaged && len(o.from) == 0:
		return usage("--skip-damaged goes with --from")
	}
	return nil
}

// spareInputs refuses a page that would be written over what it is made of.
func (s surroundings) spareInputs(o *reportOptions) error {
	reads := inputs{}
	for _, name := range o.from {
		reads["--from "+quote(name)] = name
	}
	if len(o.from) == 0 {
		place := ledgerPlace{database: o.database, config: o.config, load: s.loadConfig}
		at, err := place.url()
		if err != nil {
			return err
		}
		reads.addPlace(o.config, at)
	}
	if o.out == "-" || o.out == "" {
		return nil
	}
	return reads.spare("--out", o.out)
}

// reportData counts, or reads what was counted.
func (s surroundings) reportData(cmd *cobra.Command, o *reportOptions) (*report.Data, error) {
	q := report.Query{Tool: o.tool, Weeks: o.weeks, Now: s.now()}
	data, err := (*report.Data)(nil), error(nil)
	if len(o.from) == 0 {
		place := ledgerPlace{database: o.database, config: o.config, load: s.loadConfig}
		var at string
		if at, err = place.url(); err == nil {
			data, err = readCounts(cmd.Context(), at, q)
		}
	} else {
		data, err = o.count(cmd, q)
	}
	var many *report.TooManyError
	switch {
	case errors.As(err, &many):
		return nil, usage("--tool is required, as there are several: %s", strings.Join(many.Tools, ", "))
	case errors.Is(err, report.ErrNoTool) && o.tool != "" && len(data.Tools) > 0:
		return nil, usage("nothing was counted of --tool %q, but of %s", o.tool, strings.Join(data.Tools, ", "))
	case errors.Is(err, report.ErrNoTool):
		return data, nil // the page says how a first event comes in
	}
	return data, err
}

func readCounts(ctx context.Context, at string, q report.Query) (data *report.Data, err error) {
	// A name with a mistake in it would make a new database otherwise.
	if file, is := store.File(at); is {
		if _, err := os.Stat(file); err != nil {
			return nil, usage("there is no database %s: %w", quote(file), plaintext.Cause(err))
		}
	}
	db, err := store.Open(ctx, at, report.Schema())
	if err != nil {
		return nil, databaseProblem(err, at)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return report.Read(ctx, db, q)
}

// count counts the events of files.
func (o *reportOptions) count(cmd *cobra.Command, q report.Query) (*report.Data, error) {
	c := report.NewCounter(q)
	c.SkipDamaged = o.skipDamaged
	for _, name := range o.from {
		if err := countFile(c, name, cmd.InOrStdin()); err != nil {
			if errors.As(err, new(*report.LineError)) {
				err = fmt.Errorf("%w; --skip-damaged leaves such lines out", err)
			}
			return nil, &rootcmd.Mistake{Err: err} // also where a compressed file is cut off
		}
	}
	if c.Damaged > 0 {
		rootcmd.Complain(cmd.ErrOrStderr(), program, fmt.Errorf("left out: %d lines that are no events, beside %d that are", c.Damaged, c.Events))
	}
	return c.Data()
}

func countFile(c *report.Counter, name string, stdin io.Reader) error {
	if name == "-" {
		return c.Read("stdin", stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("--from: %s: %w", quote(name), plaintext.Cause(err))
	}
	defer f.Close() // which was only read
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("--from: %s is a folder", quote(name))
	}
	return c.Read(name, f)
}

// write writes the page and the numbers, and says so.
func (o *reportOptions) write(cmd *cobra.Command, page *report.Page) error {
	if o.csv != "" {
		if err := os.MkdirAll(o.csv, 0o755); err != nil {
			return fmt.Errorf("--csv: %w", plaintext.Cause(err))
		}
		for _, chart := range page.Charts {
			if err := writeFile(filepath.Join(o.csv, chart.Name+".csv"), page.Public, chart.WriteCSV); err != nil {
				return fmt.Errorf("--csv: %w", plaintext.Cause(err))
			}
		}
	}
	switch o.out {
	case "":
	case "-":
		if err := page.WriteHTML(cmd.OutOrStdout()); err != nil {
			return fmt.Errorf("writing the page: %w", plaintext.Cause(err))
		}
	default:
		if err := writeFile(o.out, page.Public, page.WriteHTML); err != nil {
			return fmt.Errorf("--out: %w", plaintext.Cause(err))
		}
	}
	switch {
	case len(page.Charts) > 0:
	case page.Waiting && page.Public:
		rootcmd.Complain(cmd.ErrOrStderr(), program, fmt.Errorf("nothing is on the page: no day that is closed had %d installations; --k 1 shows all, for your eyes only", page.K))
	default:
		rootcmd.Complain(cmd.ErrOrStderr(), program, errors.New("nothing is on the page: there was no event"))
	}
	return nil
}

// writeFile puts a file in place as a whole: whoever serves it meets no half of one. What is
// not to be published can be read by its owner alone.
func writeFile(path string, public bool, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is there, and no regular file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	temporary := f.Name()
	if public {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, write(f), f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(temporary))
	}
	return err
}
