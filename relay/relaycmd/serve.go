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
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/tty"
	"github.com/gotoolbase/telemetry/relay/erasures"
)

// answerTime is how long answers may take when the relay is to end. Run has its own grace,
// at the same time; both are over before process managers kill.
const answerTime = 15 * time.Second

const relayExample = `  listen: 127.0.0.1:8443            # where tools send their requests
  admin: 127.0.0.1:9090             # /healthz and /metrics; without it, at listen as well
  tls: {certificate: FILE, key: FILE}
  behind_proxy: false               # true: take the address for the limits from the last
                                    # entry of X-Forwarded-For, and do without tls
  ledger: /var/lib/erasures         # a directory of the relay's alone
  quiet: 24h                        # from a request to the first call of a vendor
  poll: 6h                          # between two looks at how far a vendor is
  limits:
    per_address: {per_second: 0.02, burst: 20}
    global: {per_second: 10, burst: 1000}
  tools:
    mytool:
      - {vendor: posthog, instance: eu, project: "12345", key_file: /run/secrets/posthog}
      - vendor: datadog
        site: eu1                   # a region or a site, or endpoint: URL
        service: mytool             # the tool's name if not given
        retention: 15d              # the longest time that logs are kept
        tiers: [indexes, flex]      # where logs are counted; indexes if not given
        api_key_file: /run/secrets/datadog-api
        application_key_env: DATADOG_APPLICATION_KEY`

func (s surroundings) serve() *cobra.Command {
	var path, format, logFormat string
	var check bool
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Take erasure requests of tools, and have the vendors erase",
		Long: "Take the erasure requests that people make with `mytool telemetry reset`, write them\n" +
			"into a ledger, and ask the vendors until each has shown that the data is gone.\n\n" +
			"It runs until SIGINT or SIGTERM, then ends the calls that are under way; a second\n" +
			"signal ends it at once. Nothing that was acknowledged is lost either way. SIGHUP\n" +
			"reads the certificate anew. The log goes to stderr and names no machine, no person\n" +
			"and no key.\n\n" +
			"The file is read strictly, and nothing in it is expanded. Keys are not in it but in\n" +
			"files, which their owner alone may read, or in variables. Files are found from the\n" +
			"folder of this one:\n\n" + relayExample + "\n\n" +
			"The exit code is 0 after a signal, 2 if the file or a key is wrong, and 1 if the\n" +
			"relay cannot run. With --check, whatever is wrong is 2.",
		Example:           "  " + program + " serve --config relay.yaml --check\n  " + program + " serve --config relay.yaml",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&path, "config", "", "the YAML file that says what the relay does")
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
	cmd.Flags().BoolVar(&check, "check", false, "look whether it would run, and start nothing, change nothing and contact nobody")
	addChoice(cmd, &logFormat, "log", "", "auto", "how to log; auto is text on a terminal and json elsewhere", "auto", "text", "json")
	addChoice(cmd, &format, "output", "o", "text", "what --check says: for people or for programs", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("output") && !check {
			return usage("--output goes with --check; what a relay says while it runs is its log, see --log")
		}
		c, err := loadConfig(path)
		if err != nil {
			return err
		}
		vendors, err := s.openAll(c)
		if err != nil {
			return err
		}
		cert, err := loadCertificate(c)
		if err != nil {
			return err
		}
		if check {
			return s.printCheck(cmd, c, cert, format)
		}
		return s.run(cmd.Context(), c, vendors, cert, logger(cmd.ErrOrStderr(), logFormat))
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
	forAdmin = "/healthz and /metrics"
	forAll   = forTools + ", " + forAdmin
)

// run is the relay until it is told to end.
func (s surroundings) run(parent context.Context, c *config, vendors map[string][]erasures.Vendor, cert *certificate, log *slog.Logger) (err error) {
	ctx, stop := stopping(parent)
	defer stop()

	ledger, err := erasures.OpenLedger(c.ledger)
	if err != nil {
		return ledgerProblem(err, c.ledger)
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	r, err := erasures.New(erasures.Config{
		Ledger: ledger, Tools: vendors, Quiet: c.quiet, Poll: c.poll, Limit: c.limit, TrustForwarded: c.behindProxy, Log: log, Now: s.now,
	})
	if err != nil {
		return relayMistake(err)
	}
	doors, err := c.open(r, cert)
	if err != nil {
		return err
	}
	defer watch(cert, log)()

	working := make(chan error, 1)
	workCtx, endWork := context.WithCancel(ctx)
	defer endWork()
	go func() { working <- r.Run(workCtx) }()
	failed := make(chan error, len(doors))
	for _, d := range doors {
		go func() {
			if err := d.serve(); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("taking %s at %s: %w", d.what, d.url(), err)
			}
		}()
		log.Info("listening", "url", d.url(), "for", d.what)
	}

	select {
	case <-ctx.Done():
		stop() // before it is said that a second signal counts
		log.Info("ending: answers and calls that are under way are waited for, unless a second signal comes")
	case err = <-failed:
		log.Error("ending, because no more requests can be taken", "error", err)
	}
	endWork()
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

// open listens.
func (c *config) open(r *erasures.Relay, cert *certificate) ([]door, error) {
	public := door{server: erasures.NewServer(r), tls: cert != nil, what: forAll}
	if c.admin != "" {
		public.server, public.what = erasures.NewServer(r.Public()), forTools
	}
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
	admin := door{server: erasures.NewServer(r.Admin()), what: forAdmin}
	if admin.listener, err = net.Listen("tcp", c.admin); err != nil {
		public.listener.Close()
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return []door{public, admin}, nil
}

// watch reads the certificate anew on a signal, until the function that it returns is
// called.
func watch(cert *certificate, log *slog.Logger) (end func()) {
	if cert == nil || len(reloads) == 0 {
		return func() {}
	}
	signals := make(chan os.Signal, 1)
	for _, s := range reloads {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				if err := cert.reload(); err != nil {
					log.Error("the certificate could not be read anew, and the one before stays in use", "error", err)
					continue
				}
				log.Info("the certificate is read anew", "until", cert.current.Load().Leaf.NotAfter)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// ledgerProblem adds the next step to what is wrong with a ledger.
func ledgerProblem(err error, dir string) error {
	dir = quote(dir)
	damage, damaged := errors.AsType[*erasures.DamageError](err)
	switch {
	case damaged:
		return fmt.Errorf("line %d of the ledger (at byte %d) is damaged: %w; restore it from a backup, or have the damaged lines set aside: telemetry-relay erasures repair --ledger %s",
			damage.Line, damage.Offset, damage.Err, dir)
	case errors.Is(err, erasures.ErrUnsafe):
		return fmt.Errorf("%w: chmod 700 %s", erasures.ErrUnsafe, dir)
	case errors.Is(err, erasures.ErrBusy):
		return fmt.Errorf("%w: a relay is at work in %s; there can be one, and only while it does not run can the ledger be repaired", erasures.ErrBusy, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the ledger in %s is another user's: run this as the one whom the relay runs as", dir)
	}
	return err
}
