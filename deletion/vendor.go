package deletion

import (
	"context"
	"fmt"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Vendor describes one kind of service that holds events of tools and can be asked to delete
// them, as driver.Driver describes one that takes events. It is a plain value: the list in
// the main function of an operator's program is the list of those that it can reach. It may
// be used by several goroutines at once.
type Vendor struct {
	// Name is what an operator writes as `vendor:` in the gateway's file: lower case, no spaces.
	Name string
	// Doc is one sentence for people choosing a vendor.
	Doc string
	// Settings declares what the file may hold for it. Anything else there is an error. Of a
	// secret one the file names a file or a variable that holds it, never the value. A list in
	// the file is handed over with commas between its items.
	Settings []driver.Setting
	// Hosts lists every host (host or host:port) that one opened with these settings may
	// contact. It is called with resolved settings, of which secret ones may be missing, and
	// returns none for those that Open refuses.
	Hosts func(settings map[string]string) []string
	// Open makes one that can be asked. It contacts nothing, starts no goroutine and reads no
	// environment variable and no file. A mistake in a setting is a *driver.ConfigError whose
	// Field is "Settings[name]". What it returns is a Follower where the vendor can tell what
	// became of a request, and may be a Bulk, a Finder, a Counter and a Canceller.
	Open func(VendorConfig) (Requestor, error)
}

// Resolve checks settings against the declaration and returns a new map with the defaults
// filled in. The error is a *driver.ConfigError whose Field is "Settings[name]".
func (v Vendor) Resolve(settings map[string]string) (map[string]string, error) {
	return driver.ResolveSettings(fmt.Sprintf("vendor %q", v.Name), v.Settings, settings)
}

// Requestor checks cfg.Settings as they were given, and opens one with them.
func (v Vendor) Requestor(cfg VendorConfig) (Requestor, error) {
	resolved, err := v.Resolve(cfg.Settings)
	if err != nil {
		return nil, err
	}
	cfg.Settings = resolved
	return v.Open(cfg)
}

// VendorConfig is what a vendor is opened with. The vendor copies what it keeps of the map.
type VendorConfig struct {
	// Settings are resolved: known names only, defaults filled in, values checked.
	Settings map[string]string
	// Tool is the one whose data is to be deleted.
	Tool string
	// Transport carries every request. nil means driverhttp.NewTransport().
	Transport driver.RoundTripper
	// Now is the clock, nil meaning time.Now.
	Now func() time.Time
}

// Bulk is a Requestor that asks for several machines in one call to the other side.
type Bulk interface {
	Requestor
	// MaxBulk is the greatest number of requests of one call, at least 1.
	MaxBulk() int
	// RequestDeletions is RequestDeletion for several requests of one tool. It returns an
	// outcome for each, in their order; an error says that this is so for all of them. Where
	// the other side asks to wait, those that it was not asked for any more have that error.
	RequestDeletions(ctx context.Context, requests []Request) ([]Outcome, error)
}

// Outcome is what RequestDeletion would have returned for one of several requests.
type Outcome struct {
	Receipt Receipt
	Err     error
}

// Finder can be asked what it has of a machine.
type Finder interface {
	// Find changes nothing there. Its errors are classed as those of RequestDeletion.
	Find(ctx context.Context, machineID string) (Found, error)
}

// Found is what a vendor has of a machine, as far as it tells.
type Found struct {
	// Nothing says that it has nothing.
	Nothing bool
	// Facts say more, in the order in which they are shown.
	Facts []Fact
	// Requests are those for this machine that the vendor has in hand, the newest first. nil
	// means that it does not tell: only with a receipt can be found out what becomes of a
	// request.
	Requests []Receipt
}

// Fact is a line of what was found.
type Fact struct {
	// Name is for programs, such as "other_ids", and Label for people, such as "Other IDs".
	Name, Label string
	// Value is a string, an int64 or a time.Time.
	Value any
	// Note says what Value means for a deletion, empty if it needs no word. Wrong says that
	// a person has to look at it.
	Note  string
	Wrong bool
}

// Counter can be asked how many events it has of a machine: over all time and in all places
// that it knows of. What cannot be counted is an error, never 0.
type Counter interface {
	Count(ctx context.Context, machineID string) (int64, error)
}

// Canceller can take a request back, until Receipt.CancelUntil. The receipt is then Refused.
type Canceller interface {
	Cancel(ctx context.Context, receipt Receipt) (Receipt, error)
}
