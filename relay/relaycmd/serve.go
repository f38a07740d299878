//go:build !notelemetry

package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/tty"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

// answerTime is how long answers may take when the relay is to end. Run has its own grace,
// at the same time; both are over before process managers kill.
const answerTime = 15 * time.Second

const relayExample = `  listen: 127.0.0.1:8443            # where tools send their requests
  admin: 127.0.0.1:9090             # /healthz, /metrics, /report; without it, nowhere
  tls: {certificate: FILE, key: FILE}
  proxies: [10.0.0.0/8]             # whose X-Forwarded-For is believed; with some, tls is theirs
  database: sqlite:/var/lib/telemetry/relay.db  # in a directory of the relay's alone; or
                                    # postgres://relay@db.example.com/relay, for several relays;
                                    # with a password in it, database_file: FILE or database_env
  quiet: 24h                        # from a request to the first call of a vendor
  poll: 6h                          # between two looks at how far a vendor is
  due: 30d                          # until when a deletion has to be done
  limits:
    per_address: {per_second: 0.02, burst: 20}
    global: {per_second: 10, burst: 1000}
    events: {per_address: {per_second: 20, burst: 1000}, memory: 64MiB, stored_bytes: 256MiB, stored_age: 7d}
  opendsr:                          # for privacy systems; docs/explanation/deletion.md
    domain: opendsr.example.com
    certificate: FILE
    key: FILE
    controllers: {acme: {token_file: FILE, callbacks: [dsr.acme.example]}}
  tools:
    mytool:
      schema: mytool.yaml           # what its author declares; else any event may come
      destinations:                 # where its events go; all of them get all
        - {backend: store, retention: 90d}
        - {backend: posthog, instance: eu, project_key_file: /run/secrets/posthog-project}
      deletions:                     # the vendors that hold its data
        - {vendor: store}
        - vendor: posthog
          instance: eu
          project: "12345"
          key_file: /run/secrets/posthog
          canary: 0b5cd8a7e3f14692b0c1d2e3f4a5b6c7  # the machine ID of an installation of yours that
                                    # is used: until it is found there, nothing is called verified
        - vendor: datadog
          site: eu1                 # a region or a site, or endpoint: URL
          service: mytool           # the tool's name if not given
          retention: 15d            # the longest time that logs are kept
          tiers: [indexes, flex]    # where logs are counted; everywhere if not given
          api_key_file: /run/secrets/datadog-api
          application_key_env: DATADOG_APPLICATION_KEY`

func (s surroundings) serve() *cobra.Command {
	var path, format, logFormat string
	var check bool
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Take what tools send, and work on it",
		Long: "Take the events that tools send, and hand them on to their destinations. Take the\n" +
			"deletion requests that people make with `mytool telemetry reset`, write them into a\n" +
			"ledger, and ask the vendors until each has shown that the data is gone.\n\n" +
			"It runs until SIGINT or SIGTERM, then ends the calls that are under way; a second\n" +
			"signal ends it at once. Nothing that was acknowledged is lost either way. Files of\n" +
			"keys and certificates that change are taken up within half a minute; SIGHUP reads\n" +
			"them and this file anew. The log goes to stderr and names no machine, no person and\n" +
			"no key.\n\n" +
			"The file is read strictly, and nothing in it is expanded. Keys are not in it but in\n" +
			"files, which their owner alone may read, or in variables. Files are found from the\n" +
			"folder of this one:\n\n" + relayExample + "\n\n" +
			"The exit code is 0 after a signal, 2 if the file or a key is wrong, and 1 if the\n" +
			"relay cannot run, or could not write at its end what it had counted for the report.\n" +
			"With --check, whatever is wrong is 2.",
		Example:           "  " + program + " serve --config relay.yaml --check\n  " + program + " serve --config relay.yaml",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&path, "config", "", "the YAML file that says what the relay does")
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
	cmd.Flags().BoolVar(&check, "check", false, "look whether it would run, and start nothing, change nothing and contact no vendor")
	addChoice(cmd, &logFormat, "log", "", "auto", "how to log; auto is text on a terminal and json elsewhere", "auto", "text", "json")
	addChoice(cmd, &format, "output", "o", "text", "what --check says: for people or for programs", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("output") && !check {
			return usage("--output goes with --check; what a relay says while it runs is its log, see --log")
		}
		c, err := s.loadConfig(path)
		if err != nil {
			return err
		}
		vendors, err := s.tryOpening(c)
		if err != nil {
			return err
		}
		cert, err := loadCertificate(c)
		if err != nil {
			return err
		}
		if check {
			return s.printCheck(cmd, c, vendors, cert, format)
		}
		return s.run(cmd.Context(), path, c, cert, logger(cmd.ErrOrStderr(), logFormat))
	}
	return cmd
}

func logger(w io.Writer, format string) *slog.Logger {
	if format == "text" || format == "auto" && tty.Is(w) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// stopping returns a context that ends with the first SIGINT or SIGTERM. The second one
// does what it does to any program.
func stopping(parent context.Context) (context.Context, context.CancelFunc) {
	var signals []os.Signal
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(s) { // as a shell has it for what it starts in the background
			signals = append(signals, s)
		}
	}
	ctx, stop := signal.NotifyContext(parent, signals...)
	if len(signals) == 0 {
		stop() // NotifyContext takes none for all
		return context.WithCancel(parent)
	}
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// door is where requests come in.
type door struct {
	listener net.Listener
	server   *http.Server
	tls      bool
	what     string
}

func (d door) url() string {
	if d.tls {
		return "https://" + d.listener.Addr().String()
	}
	return "http://" + d.listener.Addr().String()
}

func (d door) serve() error {
	if d.tls {
		return d.server.ServeTLS(d.listener, "", "")
	}
	return d.server.Serve(d.listener)
}

const (
	forTools = "requests of tools"
	forAdmin = "/healthz, /metrics and /report"
	// adminOpen is what is said of an admin address that other machines can reach.
	adminOpen = "admin is no address of this machine alone: whoever reaches it sees single installations at /report, and is asked for nothing"
)

// run is the relay until it is told to end.
func (s surroundings) run(parent context.Context, path string, c *config, cert *certificate, log *slog.Logger) (err error) {
	ctx, stop := stopping(parent)
	defer stop()

	v := &service{s: s, path: path, cert: cert, log: log}
	if err := v.start(ctx, c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	doors, err := c.open(v, cert)
	if err != nil {
		return errors.Join(err, v.stop())
	}
	endWatch := v.watch(ctx)
	defer endWatch()
	failed := make(chan error, len(doors))
	for _, d := range doors {
		go func() {
			if err := d.serve(); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("taking %s at %s: %w", d.what, d.url(), err)
			}
		}()
		log.Info("listening", "url", d.url(), "for", d.what)
	}
	if c.adminIsOpen() {
		log.Warn(adminOpen)
	}

	select {
	case <-ctx.Done():
		stop() // before it is said that a second signal counts
		log.Info("ending: answers and calls that are under way are waited for, unless a second signal comes")
	case err = <-failed:
		log.Error("ending, because no more requests can be taken", "error", err)
	}
	endWatch()
	working := make(chan error, 1)
	go func() { working <- v.stop() }()
	closing, cancel := context.WithTimeout(context.WithoutCancel(parent), answerTime)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, d := range doors {
			if d.server.Shutdown(closing) != nil {
				d.server.Close()
			}
		}
	}()
	if cut := <-working; cut != nil {
		log.Warn("the relay ended before its calls did", "error", cut)
	}
	<-closed
	log.Info("ended")
	return err
}

// adminIsOpen reports whether other machines can reach what is the operator's.
func (c *config) adminIsOpen() bool { return c.admin != "" && !isLoopback(c.admin) }

// open listens.
func (c *config) open(h *service, cert *certificate) ([]door, error) {
	public := door{server: deletions.NewServer(h.public()), tls: cert != nil, what: forTools}
	if cert != nil {
		public.server.TLSConfig = cert.config()
	}
	var err error
	if public.listener, err = net.Listen("tcp", c.listen); err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	if c.admin == "" {
		return []door{public}, nil
	}
	admin := door{server: deletions.NewServer(h.admin()), what: forAdmin}
	if admin.listener, err = net.Listen("tcp", c.admin); err != nil {
		public.listener.Close()
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return []door{public, admin}, nil
}

// closeFolder says how a database comes into a directory of its own. One that holds other things
// is theirs too, such as /tmp, and is not to be closed to them.
func closeFolder(file string) string {
	folder, name := filepath.Dir(file), filepath.Base(file)
	entries, err := os.ReadDir(folder)
	if err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), name) }) {
		return "chmod 700 " + quote(folder)
	}
	return "name one that is not there yet, such as sqlite:" + quote(filepath.Join(folder, "telemetry-relay", name)) + ", and it is made so"
}

// databaseProblem adds the next step to what is wrong with a database.
func databaseProblem(err error, at string) error {
	file, _ := store.File(at)
	switch {
	case errors.Is(err, store.ErrUnsafe):
		return fmt.Errorf("%w: %s", store.ErrUnsafe, closeFolder(file))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the database %s is another user's: run this as the one whom the relay runs as", quote(file))
	case errors.Is(err, store.ErrURL):
		return usage("%w", err)
	}
	return err
}
