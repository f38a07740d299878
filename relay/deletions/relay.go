//go:build !notelemetry

package deletions

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/relay/internal/metrics"
)

const (
	// defaultQuiet is for what is still on its way when a person asks: events that wait in
	// the queue of a process that runs on, or in a vendor's intake. Vendors delete what they
	// had when they were asked and pass over what comes in later.
	defaultQuiet = 24 * time.Hour
	// maxQuiet leaves some of the month that the law gives to the vendors.
	maxQuiet = 14 * 24 * time.Hour
	// maxDue is the month in which a person has to be answered.
	// https://eur-lex.europa.eu/eli/reg/2016/679/oj, Article 12(3)
	maxDue = 30 * 24 * time.Hour
	// openTime is how long the database may take to say where the ledger stands.
	openTime = 30 * time.Second
)

// Config says what a relay does.
type Config struct {
	// Ledger is where it writes down everything. It belongs to one relay of this process;
	// relays of other processes may use the same database.
	Ledger *Ledger
	// Tools are those whose requests are taken, by name, each with all the vendors that
	// its data goes to. A deletion keeps the vendors that its tool had when it came in; of
	// those that are missing here later it waits for their return.
	Tools map[string][]Vendor
	// Quiet is the time between a request and the first call of a vendor, zero meaning
	// 24 hours. A shorter one spares what is still on its way.
	Quiet time.Duration
	// Poll is the least time between two looks at how far a vendor is, zero meaning 6
	// hours: vendors take days. The longer it takes, the rarer the looks, down to one a day.
	Poll time.Duration
	// Due is the time after a request in which it is to be done, zero meaning 30 days.
	Due time.Duration
	// Limit bounds how many requests are taken.
	Limit Limit
	// Proxies are those whose entries of X-Forwarded-For say where a request comes from. Without
	// the one in front, all tools share its address and its limit.
	Proxies []netip.Prefix
	// Log gets what an operator has to know, nil meaning that nobody does. No machine ID,
	// key or address is in it.
	Log *slog.Logger
	// Now is the machine's clock, nil meaning time.Now. It dates lines, and no wait
	// depends on it while a relay runs.
	Now func() time.Time
}

// Vendor is somebody who holds data of a tool.
type Vendor struct {
	// Name is its name in the ledger. Under another one it would be another vendor.
	Name string
	// Requestor asks it, and follows up if it is a deletion.Follower. What a Requestor that
	// is none took stays acknowledged for ever. It gets no deletion key, and may be the
	// same for several tools. One that can find or count is believed to have deleted only
	// while it has something of Canary, and one that can count only if it counts nothing.
	Requestor deletion.Requestor
	// Canary is the ID of a machine of which the vendor has events of this tool, and keeps
	// some: a test machine of the operator's. It is looked up at the start and once a day, since
	// a key for the wrong project finds nothing of anybody.
	Canary string
	// Own says that the data is in a place of the relay's own, which cannot be the wrong one:
	// it needs no Canary.
	Own bool
}

// Relay takes requests and works on them. Make one with New; it may be used by several
// goroutines at once.
type Relay struct {
	ledger     *Ledger
	tools      map[string][]Vendor
	quiet, due time.Duration
	limiter    *limiter
	proxies    []netip.Prefix
	log        *slog.Logger
	now        func() time.Time
	pace       pace
	running    atomic.Bool
	wake       chan struct{}
	counters   metrics.Counters
	watched    watched
}

// New makes a relay. It asks nobody before Run. A mistake is a *driver.ConfigError, and an error
// of the database wraps store.ErrUnavailable.
func New(cfg Config) (*Relay, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Relay{
		ledger: cfg.Ledger, tools: map[string][]Vendor{}, quiet: cfg.Quiet, due: cfg.Due, limiter: newLimiter(cfg.Limit),
		proxies: slices.Clone(cfg.Proxies), log: cfg.Log, now: cfg.Now, pace: defaultPace, wake: make(chan struct{}, 1),
	}
	r.watched.canaries = map[[2]string]bool{}
	for tool, vendors := range cfg.Tools {
		r.tools[tool] = slices.Clone(vendors)
		for _, v := range vendors {
			if v.looks() {
				r.watched.canaries[[2]string{tool, v.Name}] = false
			}
		}
	}
	if r.quiet == 0 {
		r.quiet = defaultQuiet
	}
	if r.due == 0 {
		r.due = maxDue
	}
	if cfg.Poll != 0 {
		r.pace.firstPoll = cfg.Poll
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	for tool, vendors := range r.tools {
		for _, v := range vendors {
			if problem := v.NoCanary(); problem != "" {
				r.log.Warn(problem, "tool", tool, "vendor", v.Name)
			}
		}
	}
	if err := r.ledger.begin(ctx, r.now, r.quiet/2, r.log); err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return r, nil
}

func (cfg Config) check() error {
	wrong := func(field, problem string, args ...any) error {
		return &driver.ConfigError{Field: "deletions.Config." + field, Problem: fmt.Sprintf(problem, args...)}
	}
	if cfg.Ledger == nil {
		return wrong("Ledger", "there is none: make one with NewLedger")
	}
	if cfg.Quiet < 0 || cfg.Quiet > maxQuiet {
		return wrong("Quiet", "%v is not between 0 and %v", cfg.Quiet, maxQuiet)
	}
	if cfg.Due < 0 || cfg.Due > maxDue || cfg.Due != 0 && cfg.Due <= cmp.Or(cfg.Quiet, defaultQuiet) {
		return wrong("Due", "%v is not between the quiet period and %v", cfg.Due, maxDue)
	}
	if cfg.Poll < 0 || cfg.Poll > defaultPace.lastPoll {
		return wrong("Poll", "%v is not between 0 and %v", cfg.Poll, defaultPace.lastPoll)
	}
	for field, rate := range map[string]Rate{"Limit.PerAddress": cfg.Limit.PerAddress, "Limit.Global": cfg.Limit.Global} {
		if rate != (Rate{}) && (!(rate.PerSecond > 0) || rate.Burst < 1) {
			return wrong(field, "%v would take nothing: both numbers have to be above zero", rate)
		}
	}
	if len(cfg.Tools) == 0 {
		return wrong("Tools", "there are none: every request would be refused")
	}
	for _, tool := range slices.Sorted(maps.Keys(cfg.Tools)) {
		field := "Tools[" + tool + "]"
		if !isName(tool) {
			return wrong(field, "not a name: it has up to %d printable characters", maxName)
		}
		if len(cfg.Tools[tool]) == 0 {
			return wrong(field, "it has no vendor: a deletion would be verified without anybody having deleted")
		}
		for i, v := range cfg.Tools[tool] {
			field := fmt.Sprintf("%s[%d]", field, i)
			switch {
			case !isName(v.Name):
				return wrong(field+".Name", "not a name: it has up to %d printable characters", maxName)
			case v.Requestor == nil:
				return wrong(field+".Requestor", "there is none")
			case v.Canary != "" && !isID(v.Canary):
				return wrong(field+".Canary", "not a machine ID of 32 lower-case hexadecimal characters")
			case slices.ContainsFunc(cfg.Tools[tool][:i], func(o Vendor) bool { return o.Name == v.Name }):
				return wrong(field+".Name", "%q is there twice", v.Name)
			}
		}
	}
	return nil
}

// maxName bounds a tool's or vendor's name, which is in every line.
const maxName = 64

func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && oneLine(s) == s
}

// newReceiptID names a deletion. 128 random bits: who has not been told one finds none.
func newReceiptID() string {
	var id [16]byte
	rand.Read(id[:]) // it never fails
	return hex.EncodeToString(id[:])
}

// Request receives a request for a deletion; see Ledger.Add. Errors wrap ErrUnknownTool too.
// Who has gone by then, by ctx, is not written down.
func (r *Relay) Request(ctx context.Context, d Demand) (Receipt, error) {
	if err := ctx.Err(); err != nil {
		return Receipt{}, err
	}
	vendors, known := r.tools[d.Tool]
	if !known {
		return Receipt{}, ErrUnknownTool
	}
	t := Terms{Quiet: r.quiet, Due: r.due}
	for _, v := range vendors {
		t.Vendors = append(t.Vendors, v.Name)
	}
	receipt, err := r.ledger.Add(d, t)
	if receipt.New {
		r.poke()
	}
	return receipt, err
}

// Receipt returns how far a deletion is; see Ledger.Receipt.
func (r *Relay) Receipt(ctx context.Context, id string) (Receipt, error) {
	return r.ledger.Receipt(ctx, id)
}

// Cancel takes deletions back; see Ledger.Cancel.
func (r *Relay) Cancel(ids []string, by, why string) error { return r.ledger.Cancel(ids, by, why) }

// poke tells the worker that something came in.
func (r *Relay) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// maxText is two or three lines of a terminal: what is kept of a vendor's words.
const maxText = 300

// oneLine makes text fit for a line of a log or a terminal.
func oneLine(text string) string {
	return plaintext.Line(text, maxText)
}

// describe makes one line of a vendor's words, without the machine ID, which may be in the
// address that was called: the line goes to the log too.
func describe(text, machineID string) string {
	return oneLine(strings.ReplaceAll(text, machineID, "<the machine ID>"))
}
