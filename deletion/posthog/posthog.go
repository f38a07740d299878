// Package posthog has a machine's data erased from PostHog. It is for operators, who run
// it behind deletion/relay or by hand: its key reads and erases everybody's data, so it is
// never linked into a tool that is handed out.
//
//	r, err := posthog.New(posthog.Config{Instance: "eu", Project: "12345", Key: os.Getenv("POSTHOG_KEY")})
//
// The key is a personal one (phx_) for this project alone, with the scopes person:read,
// person:write and query:read.
//
// # How PostHog erases
//
// One request deletes a profile within minutes and marks its events, which a sweep removes
// once a week: plan up to about 8 days. The sweep takes the events that were dated and
// stored before the request and passes over all others. So the states are:
//
//	Acknowledged   PostHog has the request; the sweep is to come
//	Verified       the sweep is over, and neither a profile nor an event is there
//
// Whatever is still there after the sweep came in too late. [Requestor.Status] then
// returns a [*RemainsError], which is a deletion.ErrUnknownReceipt: the request has to be
// made again, and the next sweep takes the rest. PostHog keeps one pending request for a
// person, with the time of the first, so asking more often is safe and makes nothing
// faster.
//
// # Where nobody has the ID
//
// PostHog finds events by their profile. If there is none, an earlier attempt may have
// deleted it, and its request is looked for; if there is no request either, the events are
// counted. None is Verified, some are a [*LeftoverError], for this API cannot reach them.
// Within an hour of the request it is a [*TooEarlyError] either way: what the tool sent last
// may not be visible yet.
//
// A key and a project that belong together but are the wrong ones also hold nothing of an
// ID. Look a known one up with [Requestor.Find] before trusting them.
//
// # What else the backend sends
//
// What the setting person_properties keeps on a profile goes with the profile. A group stays:
// it is the same for everybody who runs the tool, and the events in it go as all others.
//
// An event that PostHog took with the warning person_processing_disabled has no profile made
// for it. Whether the sweep takes such an event with the profile of its ID is not documented,
// so nothing here relies on it: Verified needs a count of no events by distinct_id. If some
// are left, Status returns a [*RemainsError], and the request that is made again a
// [*LeftoverError], because there is no profile any more to find them by. They are for
// PostHog's support. `status` and `reset` of the tool say how many events were taken like
// that; the rate of the backend is there so that none are.
//
// # What an answer means
//
//	202 that says one profile and its events    Acknowledged
//	202 that says anything else                 [*RefusedError], unmarked: ask again
//	400                                         Permanent
//	401 403                                     Throttled, 1 h, [ErrKey]
//	402 404, every other 4xx                    Throttled, 1 h: plan, project or address
//	408 425 429                                 Throttled, for Retry-After; 429 else for 1 min
//	5xx                                         unmarked, or Throttled for Retry-After
//	nobody has the ID, too early to say         unmarked, [*TooEarlyError]
//	other IDs, events without a profile         Permanent: somebody has to look
//	3xx, a web page, what is not documented     unmarked; a redirect is never followed
//	no answer                                   unmarked: repeating is safe
//
// # Sources
//
//   - https://posthog.com/docs/api/persons and /docs/privacy/data-deletion
//   - PostHog/posthog: posthog/api/person.py (calls, statuses), posthog/models/person/
//     bulk_delete.py (the order of what is deleted), posthog/models/async_deletion (rows,
//     their uniqueness, what the sweep takes)
package posthog

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
)

const (
	// skew is how much earlier than the request a row may be dated: the two times are of
	// two machines.
	skew = 5 * time.Second
	// settling is how long after a request what it concerns may still be invisible. PostHog
	// shows within minutes what it took; an hour covers its slower days.
	settling = time.Hour
	// stuck is when a sweep should have come twice over.
	stuck = 14 * 24 * time.Hour
	// chunk is how many IDs go into one request, of the 1000 that PostHog takes: each costs
	// a look-up first, and it allows 240 of those a minute.
	chunk = 100
	// rows and maxPages bound the list of one person's requests. There is one a week at
	// most, for the 90 days that PostHog remembers them.
	rows     = 100
	maxPages = 5
)

// Config says whom to ask and with which key.
type Config struct {
	// Instance is PostHog Cloud's region, "us" or "eu". There is no default: in the wrong
	// region nothing would be found.
	Instance string
	// Endpoint is the URL of a PostHog of one's own, instead of Instance.
	Endpoint string
	// Project is the project's ID, a number.
	Project string
	// Key is a personal API key, which begins with phx_.
	Key string
	// Transport carries the requests, driverhttp.NewTransport() if nil.
	Transport http.RoundTripper
	// Now is the time, time.Now if nil.
	Now func() time.Time
}

// Requestor has data erased. It may be used by several goroutines at once.
type Requestor struct {
	base, host, project, key string
	transport                http.RoundTripper
	now                      func() time.Time
}

var _ deletion.Follower = (*Requestor)(nil)

// New makes a requestor. It contacts nothing. A mistake is a [*driver.ConfigError].
func New(cfg Config) (*Requestor, error) {
	u, err := cfg.url()
	if err != nil {
		return nil, err
	}
	// PostHog's IDs have six digits by now; 18 are what every integer there can hold.
	if strings.Trim(cfg.Project, "0123456789") != "" || cfg.Project == "" || cfg.Project[0] == '0' || len(cfg.Project) > 18 {
		return nil, &driver.ConfigError{Field: "posthog.Config.Project", Problem: "not a project ID: it is a number, and is in PostHog under Settings, Project"}
	}
	if problem := keyProblem(cfg.Key); problem != "" {
		return nil, &driver.ConfigError{Field: "posthog.Config.Key", Problem: problem}
	}
	r := &Requestor{
		base: strings.TrimRight(u.String(), "/") + "/api/projects/" + cfg.Project + "/",
		host: u.Host, project: cfg.Project, key: cfg.Key, transport: cfg.Transport, now: cfg.Now,
	}
	if r.transport == nil {
		own := driverhttp.NewTransport()
		// A count over months of events takes longer than an intake may; callTime bounds it.
		own.ResponseHeaderTimeout = callTime
		r.transport = own
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}

func (cfg Config) url() (*url.URL, error) {
	fail := func(field, problem string) (*url.URL, error) {
		return nil, &driver.ConfigError{Field: "posthog.Config." + field, Problem: problem}
	}
	endpoint := cfg.Endpoint
	switch {
	case cfg.Instance != "" && endpoint != "":
		return fail("Endpoint", "Instance is set as well: keep one of them")
	case cfg.Instance == "us" || cfg.Instance == "eu":
		endpoint = "https://" + cfg.Instance + ".posthog.com"
	case cfg.Instance != "":
		return fail("Instance", "not a region of PostHog Cloud: us or eu")
	case endpoint == "":
		return fail("Instance", "not set: us or eu, or the Endpoint of a PostHog of your own")
	}
	if u, err := url.Parse(endpoint); err == nil && u.User != nil {
		return fail("Endpoint", "user name or password in the URL: the key is all that is needed")
	}
	u, err := driverhttp.CheckEndpoint(endpoint, true)
	if err != nil {
		return fail("Endpoint", err.Error())
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch _, plain := driverhttp.CheckEndpoint(endpoint, false); {
	case plain != nil:
		return fail("Endpoint", "plain http:// to another machine would show the key: use https://")
	case strings.HasSuffix(host, ".i.posthog.com"):
		return fail("Endpoint", "a host of PostHog's intake, where nothing can be erased: set Instance to us or eu instead")
	case u.RawQuery != "" || u.ForceQuery:
		return fail("Endpoint", "query in the URL: leave out ? and what follows")
	}
	return u, nil
}

// keyProblem says what is wrong with a key and repeats nothing of it.
func keyProblem(key string) string {
	switch {
	case strings.HasPrefix(key, "phc_"):
		return "a project's key (phc_), which can only send events: use a personal API key, which begins with phx_"
	case strings.HasPrefix(key, "phs_"):
		return "a project's secret key (phs_), which cannot erase: use a personal API key, which begins with phx_"
	case !strings.HasPrefix(key, "phx_") || len(key) == len("phx_"):
		return "not a personal API key: it begins with phx_ and is made in PostHog under Settings, Personal API keys"
	case strings.ContainsFunc(key, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-'
	}):
		return "not a personal API key: it has letters, digits and underscores only; was a space or a line break copied with it?"
	}
	return ""
}

// ErrKey is in the error where PostHog refuses the key.
var ErrKey = errors.New("the key is refused: check its scopes, and that it is for this project and region")

// ForeignIDsError says that the profile of an ID has other IDs too. Erasing it would
// erase their events, which nobody has asked for.
type ForeignIDsError struct {
	// Others is how many other IDs there are.
	Others int
}

func (e *ForeignIDsError) Error() string {
	return fmt.Sprintf("the profile has other IDs (%d), whose events would be erased as well: look at it in PostHog, and split it there or erase it by hand", e.Others)
}

// LeftoverError says that there are events of an ID and no profile by which PostHog could
// find them.
type LeftoverError struct {
	Events int64
}

func (e *LeftoverError) Error() string {
	return fmt.Sprintf("%d events have no profile, and PostHog's API erases events by their profile: ask PostHog's support to delete them by distinct_id", e.Events)
}

// RefusedError is a 202 with which PostHog did not take the whole request.
type RefusedError struct {
	// Asked is how many profiles were to be erased; the rest is PostHog's answer.
	Asked, Found, Deleted, Queued int
	// Events reports whether their events will be removed.
	Events bool
	// Errors is how many errors were listed.
	Errors int
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("of %d profiles %d were found, %d deleted and %d queued for deletion, with %d errors; events queued: %t",
		e.Asked, e.Found, e.Deleted, e.Queued, e.Errors, e.Events)
}

// RemainsError says that the sweep is over and something is there: it came in after the
// request, which has to be made again.
type RemainsError struct {
	Events  int64
	Profile bool
}

func (e *RemainsError) Error() string {
	return fmt.Sprintf("after the sweep there are %d events (profile: %t) that came in too late for it: the request has to be made again", e.Events, e.Profile)
}

// Unwrap makes it a deletion.ErrUnknownReceipt.
func (e *RemainsError) Unwrap() error { return deletion.ErrUnknownReceipt }

// TooEarlyError says that nothing can be said yet, because what the tool sent last may not
// be visible. It is not Throttled: a wait for one ID is none for the others.
type TooEarlyError struct {
	// Events is how many events were seen, none of which has a profile yet.
	Events int64
	// Wait is how long it is too early, an hour at most.
	Wait time.Duration
}

func (e *TooEarlyError) Error() string {
	return fmt.Sprintf("PostHog shows no profile and %d events, which may change within an hour of the request", e.Events)
}

const (
	willErase = "PostHog deletes the profile within minutes and its events in a weekly sweep, within about 8 days."
	notShown  = "PostHog has taken the request and does not list it yet."
	isStuck   = "PostHog has not removed the events for 14 days: ask its support about this person."
	// nothing names the project: with a key for the wrong one it is true of everybody.
	nothing = "PostHog's project %s stores nothing under this ID."
)

// RequestDeletion implements deletion.Requestor.
func (r *Requestor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	outcome := r.RequestAll(ctx, []deletion.Request{req})[0]
	return outcome.Receipt, outcome.Err
}

// Outcome is what became of one request of several.
type Outcome struct {
	Receipt deletion.Receipt
	Err     error
}

// RequestAll makes many requests in few calls. Each has an outcome of its own, in the same
// order, as if [Requestor.RequestDeletion] had been called for it. Once PostHog asks to
// wait, those that are left get the same error without being asked for.
func (r *Requestor) RequestAll(ctx context.Context, reqs []deletion.Request) []Outcome {
	outcomes := make([]Outcome, len(reqs))
	var wait error
	for from := 0; from < len(reqs); from += chunk {
		to := min(from+chunk, len(reqs))
		wait = r.requestChunk(ctx, reqs[from:to], outcomes[from:to], wait)
	}
	return outcomes
}

// requestChunk fills in the outcomes and returns the error with which PostHog asked to
// wait, if it did.
func (r *Requestor) requestChunk(ctx context.Context, reqs []deletion.Request, outcomes []Outcome, wait error) error {
	found := map[string]string{} // profiles by machine ID
	for i, req := range reqs {
		out := &outcomes[i]
		if out.Err = req.Validate(); out.Err != nil {
			continue
		}
		if out.Err = wait; wait != nil {
			continue
		}
		p, err := r.person(ctx, req.MachineID)
		switch {
		case err != nil:
			out.Err = err
		case p == nil:
			out.Receipt, out.Err = r.withoutProfile(ctx, req)
		case p.others > 0:
			out.Err = driver.Permanent(fmt.Errorf("posthog deletion: %w", &ForeignIDsError{p.others}))
		default:
			found[req.MachineID] = p.uuid
			out.Receipt = receipt(req, p.uuid, willErase)
		}
		if asksToWait(out.Err) {
			wait = out.Err
		}
	}
	failed := map[string]error{}
	if wait == nil {
		failed = r.erase(ctx, found)
	}
	for i, req := range reqs {
		if _, asked := found[req.MachineID]; !asked {
			continue
		}
		err := failed[req.MachineID]
		if wait != nil {
			err = wait
		}
		if err != nil {
			outcomes[i] = Outcome{Err: err}
		}
	}
	for _, err := range failed {
		if asksToWait(err) {
			wait = err
		}
	}
	return wait
}

// asksToWait reports whether err is about PostHog as a whole, and not about one ID.
func asksToWait(err error) bool { return driver.Classify(err) == driver.ClassThrottled }

func receipt(req deletion.Request, uuid, detail string) deletion.Receipt {
	return deletion.Receipt{State: deletion.Acknowledged, ID: uuid, Detail: detail, MachineID: req.MachineID, At: req.RequestedAt}
}

// erase asks for profiles, found by machine ID, to be deleted with their events. It returns
// an error for each that will not be.
func (r *Requestor) erase(ctx context.Context, found map[string]string) map[string]error {
	failed := map[string]error{}
	if len(found) == 0 {
		return failed
	}
	ids := slices.Sorted(maps.Keys(found))
	// By distinct_ids and not by the profiles' UUIDs: so the request cannot name anybody
	// else, whatever the look-up said.
	var said deleted
	err := r.do(ctx, call{
		doing: "asking for the deletion", method: http.MethodPost, path: "persons/bulk_delete/", want: http.StatusAccepted,
		body: map[string]any{"distinct_ids": ids, "delete_events": true, "delete_recordings": false, "keep_person": false},
	}, &said)
	if driver.Classify(err) == driver.ClassPermanent && len(ids) > 1 {
		// One of them spoils the request: each is asked for alone.
		for _, id := range ids {
			maps.Copy(failed, r.erase(ctx, map[string]string{id: found[id]}))
		}
		return failed
	}
	if err == nil {
		refused, whole := said.verdict(len(ids))
		if whole {
			return failed
		}
		err = fmt.Errorf("posthog deletion: %w", refused)
		if blamed := said.blamed(refused); blamed != nil {
			for _, id := range ids {
				if slices.Contains(blamed, found[id]) {
					failed[id] = err
				}
			}
			if len(failed) == len(blamed) {
				return failed
			}
		}
	}
	for _, id := range ids {
		failed[id] = err
	}
	return failed
}

// withoutProfile is what a request comes to where no profile has the ID.
func (r *Requestor) withoutProfile(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	uuid := personUUID(r.project, req.MachineID)
	list, err := r.deletions(ctx, uuid)
	if err != nil {
		return deletion.Receipt{}, err
	}
	// An attempt that was killed before its receipt was stored, or somebody else's request.
	// A pending one will be done, whenever it was made.
	if row := pending(list); row != nil {
		return receipt(req, uuid, r.detail(*row)), nil
	}
	events, err := r.count(ctx, req.MachineID)
	if err != nil {
		return deletion.Receipt{}, err
	}
	if wait := r.unsettled(req.RequestedAt); wait > 0 {
		return deletion.Receipt{}, fmt.Errorf("posthog deletion: %w", &TooEarlyError{events, wait})
	}
	if events > 0 {
		return deletion.Receipt{}, driver.Permanent(fmt.Errorf("posthog deletion: %w", &LeftoverError{events}))
	}
	done := receipt(req, uuid, fmt.Sprintf(nothing, r.project))
	done.State = deletion.Verified
	return done, nil
}

// Status implements deletion.Follower. Its error wraps deletion.ErrUnknownReceipt where
// PostHog shows no such request after an hour, and, as a [*RemainsError], where something
// came in after the request and outlived the sweep.
func (r *Requestor) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	if receipt.State == deletion.Verified {
		return receipt, nil // of what is erased there is nothing left to ask about
	}
	if err := (deletion.Request{MachineID: receipt.MachineID}).Validate(); err != nil {
		return deletion.Receipt{}, err
	}
	if !isUUID(receipt.ID) {
		return deletion.Receipt{}, fmt.Errorf("posthog deletion: not the UUID of a person: %w", deletion.ErrUnknownReceipt)
	}
	list, err := r.deletions(ctx, receipt.ID)
	if err != nil {
		return deletion.Receipt{}, err
	}
	receipt.State = deletion.Acknowledged
	if row := pending(list); row != nil {
		receipt.Detail = r.detail(*row)
		return receipt, nil
	}
	// A row that is older than the request says nothing about it.
	swept := slices.ContainsFunc(list, func(row row) bool { return !row.CreatedAt.Before(receipt.At.Add(-skew)) })
	settled := r.unsettled(receipt.At) == 0
	if !swept {
		if settled {
			return deletion.Receipt{}, fmt.Errorf("posthog deletion: PostHog lists no such request: %w", deletion.ErrUnknownReceipt)
		}
		receipt.Detail = notShown
		return receipt, nil
	}
	found, err := r.Find(ctx, receipt.MachineID)
	switch {
	case err != nil:
		return deletion.Receipt{}, err
	case found.Events > 0 || found.Person != "":
		return deletion.Receipt{}, fmt.Errorf("posthog deletion: %w", &RemainsError{found.Events, found.Person != ""})
	case settled: // or what was sent last may be on its way
		receipt.State, receipt.Detail = deletion.Verified, fmt.Sprintf(nothing, r.project)
	}
	return receipt, nil
}

// Found is what PostHog has under a machine ID.
type Found struct {
	// Person is the UUID of the profile, empty if there is none.
	Person string
	// OtherIDs is how many other IDs that profile has. It is not erased if there are any.
	OtherIDs int
	// Events is how many events there are under the ID, those included that wait for the
	// sweep.
	Events int64
}

// Find looks up what a request would erase. It changes nothing.
func (r *Requestor) Find(ctx context.Context, machineID string) (Found, error) {
	if err := (deletion.Request{MachineID: machineID}).Validate(); err != nil {
		return Found{}, err
	}
	var found Found
	p, err := r.person(ctx, machineID)
	if err != nil {
		return Found{}, err
	}
	if p != nil {
		found.Person, found.OtherIDs = p.uuid, p.others
	}
	found.Events, err = r.count(ctx, machineID)
	return found, err
}

// unsettled returns how long what a request concerns may still be invisible. The time of
// the request is from another machine: one that is far ahead says nothing.
func (r *Requestor) unsettled(at time.Time) time.Duration {
	since := r.now().Sub(at)
	if since.Abs() >= settling {
		return 0
	}
	return min(settling-since, settling)
}

func (r *Requestor) detail(pending row) string {
	if r.now().Sub(pending.CreatedAt) > stuck {
		return isStuck
	}
	return willErase
}

// person is a profile.
type person struct {
	uuid string
	// others is how many IDs it has besides the one it was looked up by.
	others int
}

// person looks a profile up, nil if there is none.
func (r *Requestor) person(ctx context.Context, machineID string) (*person, error) {
	var said struct {
		Results *[]struct {
			UUID        string   `json:"uuid"`
			DistinctIDs []string `json:"distinct_ids"`
		} `json:"results"`
		Next *string `json:"next"`
	}
	const doing = "looking up the profile"
	if err := r.do(ctx, call{
		doing: doing, method: http.MethodGet, path: "persons/", want: http.StatusOK,
		query: url.Values{"distinct_id": {machineID}},
	}, &said); err != nil {
		return nil, err
	}
	// That nobody is found may end in "nothing is stored", so it has to be said in so many
	// words; and one who is found must be the one that was asked for.
	switch {
	case said.Results == nil || said.Next != nil || len(*said.Results) > 1:
		return nil, undocumented(doing, http.StatusOK)
	case len(*said.Results) == 0:
		return nil, nil
	}
	one := (*said.Results)[0]
	if !isUUID(one.UUID) || !slices.Contains(one.DistinctIDs, machineID) {
		return nil, undocumented(doing, http.StatusOK)
	}
	return &person{uuid: strings.ToLower(one.UUID), others: len(one.DistinctIDs) - 1}, nil
}

// deleted is the answer to bulk_delete, in the generations that there have been: the
// newest queues profiles, an older one calls its errors so.
type deleted struct {
	Found     *int              `json:"persons_found"`
	Deleted   int               `json:"persons_deleted"`
	Queued    int               `json:"persons_queued_for_deletion"`
	Events    bool              `json:"events_queued_for_deletion"`
	Failed    []json.RawMessage `json:"deletion_errors"`
	OldFailed []json.RawMessage `json:"errors"`
}

// verdict reports whether all n profiles and their events will be erased.
func (d deleted) verdict(n int) (*RefusedError, bool) {
	e := &RefusedError{Asked: n, Deleted: d.Deleted, Queued: d.Queued, Events: d.Events, Errors: len(d.Failed) + len(d.OldFailed)}
	if d.Found != nil {
		e.Found = *d.Found
	}
	return e, e.Found == n && d.taken(n) && e.Events && e.Errors == 0
}

// taken reports whether n profiles are deleted or will be.
func (d deleted) taken(n int) bool {
	return d.Deleted >= 0 && d.Deleted <= n && d.Deleted+d.Queued == n
}

// blamed returns the profiles that the errors name, nil unless they account for all that
// is amiss.
func (d deleted) blamed(e *RefusedError) []string {
	if e.Found != e.Asked || !e.Events || !d.taken(e.Asked-e.Errors) {
		return nil
	}
	var uuids []string
	for _, raw := range slices.Concat(d.Failed, d.OldFailed) {
		var one struct {
			UUID string `json:"person_uuid"`
			ID   string `json:"person_id"`
		}
		if json.Unmarshal(raw, &one) != nil {
			return nil
		}
		uuids = append(uuids, strings.ToLower(cmp.Or(one.UUID, one.ID)))
	}
	return uuids
}

// row is a request that PostHog remembers.
type row struct {
	PersonUUID string     `json:"person_uuid"`
	CreatedAt  time.Time  `json:"created_at"`
	Status     string     `json:"status"`
	VerifiedAt *time.Time `json:"delete_verified_at"`
}

// pending returns the row whose sweep is to come, if there is one.
func pending(list []row) *row {
	if i := slices.IndexFunc(list, func(row row) bool { return row.Status == "pending" }); i >= 0 {
		return &list[i]
	}
	return nil
}

// deletions lists the requests about a person, pending and completed.
func (r *Requestor) deletions(ctx context.Context, uuid string) ([]row, error) {
	const doing = "asking for the status"
	var list []row
	for page := range maxPages {
		var said struct {
			Results *[]row  `json:"results"`
			Next    *string `json:"next"`
		}
		// The next page is asked for by number: an address in an answer gets no key.
		if err := r.do(ctx, call{
			doing: doing, method: http.MethodGet, path: "persons/deletion_status/", want: http.StatusOK,
			query: url.Values{"person_uuid": {uuid}, "status": {"all"}, "limit": {strconv.Itoa(rows)}, "offset": {strconv.Itoa(page * rows)}},
		}, &said); err != nil {
			return nil, err
		}
		if said.Results == nil {
			return nil, undocumented(doing, http.StatusOK)
		}
		for _, row := range *said.Results {
			completed := row.Status == "completed" && row.VerifiedAt != nil
			if row.CreatedAt.IsZero() || !completed && row.Status != "pending" {
				return nil, undocumented(doing, http.StatusOK)
			}
			if strings.EqualFold(row.PersonUUID, uuid) {
				list = append(list, row)
			}
		}
		if said.Next == nil {
			return list, nil
		}
	}
	return nil, undocumented(doing, http.StatusOK)
}

// count counts the events under an ID. It asks for them by distinct_id and not by person:
// those without a profile count as well.
func (r *Requestor) count(ctx context.Context, machineID string) (int64, error) {
	const doing = "counting the events"
	var said struct {
		Results [][]*int64 `json:"results"` // pointers, or null would be a count of zero
		Cached  bool       `json:"is_cached"`
	}
	if err := r.do(ctx, call{
		doing: doing, method: http.MethodPost, path: "query/", want: http.StatusOK,
		body: map[string]any{
			"query": map[string]any{
				"kind":   "HogQLQuery",
				"query":  "SELECT count() FROM events WHERE distinct_id = {machine_id}",
				"values": map[string]string{"machine_id": machineID},
			},
			"refresh": "force_blocking", // or the count may be from before the sweep
		},
	}, &said); err != nil {
		return 0, err
	}
	if said.Cached || len(said.Results) != 1 || len(said.Results[0]) != 1 {
		return 0, undocumented(doing, http.StatusOK)
	}
	n := said.Results[0][0]
	if n == nil || *n < 0 {
		return 0, undocumented(doing, http.StatusOK)
	}
	return *n, nil
}

// space is the UUID in which PostHog derives those of its persons.
var space = [16]byte{0x93, 0x29, 0x79, 0xb4, 0x65, 0xc3, 0x44, 0x24, 0x84, 0x67, 0x0b, 0x66, 0xec, 0x27, 0xbc, 0x22}

// personUUID returns the UUID that PostHog gives to a new profile: version 5 of RFC 9562,
// of project and ID.
func personUUID(project, machineID string) string {
	sum := sha1.Sum(append(space[:], project+":"+machineID...))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// isUUID reports whether s has a UUID's form of 36 characters.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}
