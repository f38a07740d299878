package erasures

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	// defaultQuiet is for what is still on its way when a person asks: events that wait in
	// the queue of a process that runs on, or in a vendor's intake. Vendors erase what they
	// had when they were asked and pass over what comes in later.
	defaultQuiet = 24 * time.Hour
	// maxQuiet leaves some of the month that the law gives to the vendors.
	maxQuiet = 14 * 24 * time.Hour
)

// Config says what a relay does.
type Config struct {
	// Ledger is where it writes down everything. It belongs to one relay, and is closed by
	// whoever opened it, after Run has returned.
	Ledger *Ledger
	// Tools are those whose requests are taken, by name, each with all the vendors that
	// its data goes to. An erasure keeps the vendors that its tool had when it came in; of
	// those that are missing here later it waits for their return.
	Tools map[string][]Vendor
	// Quiet is the time between a request and the first call of a vendor, zero meaning
	// 24 hours. A shorter one spares what is still on its way.
	Quiet time.Duration
	// Poll is the least time between two looks at how far a vendor is, zero meaning 6
	// hours: vendors take days. The longer it takes, the rarer the looks, down to one a day.
	Poll time.Duration
	// Limit bounds how many requests are taken.
	Limit Limit
	// TrustForwarded takes the client's address from the last entry of X-Forwarded-For.
	// Set it behind one proxy that writes that header, or all tools share the proxy's
	// address and its limit; and never without, or anybody could escape the limit.
	TrustForwarded bool
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
	// is none took stays acknowledged for ever. It gets no erasure key, and may be the
	// same for several tools.
	Requestor deletion.Requestor
}

// Relay takes requests and works on them. Make one with New; it may be used by several
// goroutines at once.
type Relay struct {
	ledger         *Ledger
	tools          map[string][]Vendor
	quiet          time.Duration
	limiter        *limiter
	trustForwarded bool
	log            *slog.Logger
	now            func() time.Time
	pace           pace
	running        atomic.Bool
	wake           chan struct{}
	counters       counters
}

// New makes a relay. It asks nobody before Run. A mistake is a *driver.ConfigError.
func New(cfg Config) (*Relay, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Relay{
		ledger: cfg.Ledger, tools: map[string][]Vendor{}, quiet: cfg.Quiet, limiter: newLimiter(cfg.Limit),
		trustForwarded: cfg.TrustForwarded, log: cfg.Log, now: cfg.Now, pace: defaultPace, wake: make(chan struct{}, 1),
	}
	for tool, vendors := range cfg.Tools {
		r.tools[tool] = slices.Clone(vendors)
	}
	if r.quiet == 0 {
		r.quiet = defaultQuiet
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
	if err := r.ledger.begin(r.now, r.quiet/2, r.log); err != nil {
		return nil, &driver.ConfigError{Field: "relay.Config.Ledger", Problem: err.Error()}
	}
	return r, nil
}

func (cfg Config) check() error {
	wrong := func(field, problem string, args ...any) error {
		return &driver.ConfigError{Field: "relay.Config." + field, Problem: fmt.Sprintf(problem, args...)}
	}
	if cfg.Ledger == nil {
		return wrong("Ledger", "there is none: open one with OpenLedger")
	}
	if cfg.Quiet < 0 || cfg.Quiet > maxQuiet {
		return wrong("Quiet", "%v is not between 0 and %v", cfg.Quiet, maxQuiet)
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
			return wrong(field, "it has no vendor: an erasure would be verified without anybody having erased")
		}
		for i, v := range cfg.Tools[tool] {
			field := fmt.Sprintf("%s[%d]", field, i)
			switch {
			case !isName(v.Name):
				return wrong(field+".Name", "not a name: it has up to %d printable characters", maxName)
			case v.Requestor == nil:
				return wrong(field+".Requestor", "there is none")
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

func newReceiptID() (id receiptID) {
	rand.Read(id[:]) // it never fails
	return id
}

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
