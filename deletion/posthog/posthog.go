//go:build !notelemetry

// Package posthog has a machine's data deleted from PostHog. It is for operators, whose
// program lists [Vendor] (see package relaycmd): its key reads and deletes everybody's data, so
// it is never linked into a tool that is handed out.
//
// The key is a personal one (phx_) for this project alone, with the scopes person:read,
// person:write and query:read.
//
// # How PostHog deletes
//
// One request deletes a profile within minutes and marks its events, which a sweep removes
// once a week: plan up to about 8 days. The sweep takes the events that were dated and
// stored before the request and passes over all others. So the states are:
//
//	Acknowledged   PostHog has the request; the sweep is to come
//	Verified       the sweep is over, and neither a profile nor an event is there
//
// What is still there after the sweep came in too late. Status then returns a
// [deletion.RemainsError]: the request has to be made again, and the next sweep takes the
// rest. PostHog keeps one pending request for a person, with the time of the first, so asking
// more often is safe and makes nothing faster.
//
// # Where no profile has the ID
//
// PostHog finds events by their profile. If there is none, an earlier attempt may have
// deleted it, and its request is looked for; if there is no request either, the events are
// counted. Some are a [LeftoverError], for this API cannot reach them; within an hour after
// PostHog took the last of them it is a [deletion.TooEarlyError], since their profile may be
// about to be made. None is Acknowledged, with a receipt that says when that was, and Verified
// if there are still none an hour later: what the tool sent last may not be visible before,
// whenever the person is said to have asked.
//
// A key and a project that belong together but are the wrong ones also hold nothing of an
// ID. Look a known one up before trusting them.
//
// # What else the backend sends
//
// What the setting person_properties keeps on a profile goes with the profile. A group stays:
// it is the same for everybody who runs the tool, and the events in it go as all others.
//
// An event that PostHog took with the warning person_processing_disabled has no profile made
// for it. Whether the sweep takes such an event with the profile of its ID is not documented,
// so nothing here relies on it: Verified needs a count of no events by distinct_id. If some
// are left, Status returns a [deletion.RemainsError], and the request that is made again a
// [LeftoverError], because there is no profile any more to find them by. They are for
// PostHog's support. `status` and `reset` of the tool say how many events were taken like
// that; the rate of the backend is there so that none are.
//
// # What an answer means
//
//	202 that says one profile and its events    Acknowledged
//	202 that says anything else                 [RefusedError], unmarked: ask again
//	400                                         Permanent
//	401 403                                     Throttled, 1 h, deletion.ErrKey
//	402 404, every other 4xx                    Throttled, 1 h: plan, project or address
//	408 425 429                                 Throttled, for Retry-After; 429 else for 1 min
//	5xx                                         unmarked, or Throttled for Retry-After
//	events without a profile, too early to say  unmarked, [deletion.TooEarlyError]
//	other IDs, events without a profile         Permanent: a person has to look
//	3xx, a web page, what is not documented     unmarked; a redirect is never followed
//	no answer                                   unmarked: repeating is safe
//
// # Sources
//
//	https://posthog.com/docs/api/persons and https://posthog.com/docs/privacy/data-deletion
//	https://github.com/PostHog/posthog: posthog/api/person.py (calls, statuses),
//	  posthog/models/person/bulk_delete.py (the order of what is deleted), posthog/models/
//	  async_deletion (rows, their uniqueness, what the sweep takes), posthog/hogql/database/
//	  schema/events.py (the columns of a query)
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
	"github.com/gotoolbase/telemetry/deletion/internal/vendorhttp"
)

const (
	// skew is how much earlier than the request a row may be dated: the two times are of
	// two machines.
	skew = 5 * time.Second
	// stuck is when a sweep should have come twice over.
	stuck = 14 * 24 * time.Hour
	// bulk is how many IDs go into one request, of the 1000 that PostHog takes: each costs
	// a look-up first, and it allows 240 of those a minute.
	bulk = 100
	// rows and maxPages bound the list of one person's requests. There is one a week at
	// most, for the 90 days that PostHog remembers them.
	rows     = 100
	maxPages = 5
)

// Vendor returns the vendor "posthog". What it opens is a deletion.Follower, a deletion.Bulk, a
// deletion.Finder and a deletion.Counter.
func Vendor() deletion.Vendor {
	return deletion.Vendor{
		Name: "posthog",
		Doc:  "deletes events and profiles at PostHog",
		Settings: []driver.Setting{
			{Name: "key", Doc: "personal API key for PostHog, which begins with phx_", Required: true, Secret: true, Check: checkKey},
			// There is no default: in the wrong region nothing would be found.
			{Name: "instance", Doc: "where PostHog keeps the project: us or eu", Values: []string{"us", "eu"}},
			{Name: "endpoint", Doc: "instead of instance: URL of a PostHog of your own"},
			{Name: "project", Doc: "number of the project at PostHog", Required: true, Check: checkProject},
		},
		Hosts: func(settings map[string]string) []string { return driverhttp.Hosts(address(settings)) },
		Open:  func(cfg deletion.VendorConfig) (deletion.Requestor, error) { return open(cfg) },
	}
}

// requestor has data deleted. It may be used by several goroutines at once.
type requestor struct {
	*vendorhttp.Client
	project string
}

var (
	_ deletion.Follower = (*requestor)(nil)
	_ deletion.Bulk     = (*requestor)(nil)
	_ deletion.Finder   = (*requestor)(nil)
	_ deletion.Counter  = (*requestor)(nil)
)

func open(cfg deletion.VendorConfig) (*requestor, error) {
	u, err := address(cfg.Settings)
	if err != nil {
		return nil, err
	}
	project := cfg.Settings["project"]
	return &requestor{project: project, Client: vendorhttp.New(vendorhttp.Client{
		Vendor: "PostHog", Package: "posthog", Base: u.JoinPath("api", "projects", project),
		Header:  http.Header{"Authorization": {"Bearer " + cfg.Settings["key"]}},
		KeyHint: "check its scopes, and that it is for this project and region",
	}, cfg)}, nil
}

var hosts = map[string]string{"us": "us.posthog.com", "eu": "eu.posthog.com"}

func address(settings map[string]string) (*url.URL, error) {
	u, err := vendorhttp.Address(settings, hosts)
	if err != nil {
		return nil, err
	}
	if host := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); strings.HasSuffix(host, ".i.posthog.com") {
		return nil, vendorhttp.Mistake("endpoint", "a host of PostHog's intake, where nothing can be deleted: set instance to us or eu instead")
	}
	return u, nil
}

func checkProject(id string) error {
	// PostHog's IDs have six digits by now; 18 are what every integer there can hold.
	if strings.Trim(id, "0123456789") != "" || id[0] == '0' || len(id) > 18 {
		return errors.New("not a project ID: it is a number, and is in PostHog under Settings, Project")
	}
	return nil
}

// checkKey says what is wrong with a key and repeats nothing of it.
func checkKey(key string) error {
	switch {
	case strings.HasPrefix(key, "phc_"):
		return errors.New("a project's key (phc_), which can only send events: use a personal API key, which begins with phx_")
	case strings.HasPrefix(key, "phs_"):
		return errors.New("a project's secret key (phs_), which cannot delete: use a personal API key, which begins with phx_")
	case !strings.HasPrefix(key, "phx_") || len(key) == len("phx_"):
		return errors.New("not a personal API key: it begins with phx_ and is made in PostHog under Settings, Personal API keys")
	case strings.ContainsFunc(key, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-'
	}):
		return errors.New("not a personal API key: it has letters, digits and underscores only; was a space or a line break copied with it?")
	}
	return nil
}

// LeftoverError says that there are events of an ID and no profile by which PostHog could
// find them.
type LeftoverError struct {
	Events int64
}

func (e *LeftoverError) Error() string {
	return fmt.Sprintf("%d events have no profile, and PostHog's API deletes events by their profile: ask PostHog's support to delete them by distinct_id", e.Events)
}

// RefusedError is a 202 with which PostHog did not take the whole request.
type RefusedError struct {
	// Asked is how many profiles were to be deleted; the rest is PostHog's answer.
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

const (
	willDelete = "PostHog deletes the profile within minutes and its events in a weekly sweep, within about 8 days."
	notShown   = "PostHog has taken the request and does not list it yet."
	isStuck    = "PostHog has not removed the events for 14 days: ask its support about this person."
	notThere   = "PostHog shows nothing under this ID. What was sent last may not be visible yet, so it is looked at once more."
	// nothing names the project: with a key for the wrong one it is true of everybody.
	nothing = "PostHog's project %s stores nothing under this ID."
)

// RequestDeletion implements deletion.Requestor.
func (r *requestor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	outcomes, err := r.RequestDeletions(ctx, []deletion.Request{req})
	if err != nil {
		return deletion.Receipt{}, err
	}
	return outcomes[0].Receipt, outcomes[0].Err
}

// MaxBulk implements deletion.Bulk.
func (r *requestor) MaxBulk() int { return bulk }

// RequestDeletions implements deletion.Bulk: each ID is looked up, and one request deletes all
// that have a profile.
func (r *requestor) RequestDeletions(ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
	outcomes := make([]deletion.Outcome, len(reqs))
	var wait error               // of PostHog as a whole
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
			out.Err = driver.Permanent(r.Errorf("%w", &deletion.ForeignIDsError{Others: p.others}))
		default:
			found[req.MachineID] = p.uuid
			out.Receipt = receipt(req, p.uuid, willDelete)
		}
		if asksToWait(out.Err) {
			wait = out.Err
		}
	}
	failed := map[string]error{}
	if wait == nil {
		failed = r.delete(ctx, found)
	}
	for i, req := range reqs {
		if _, asked := found[req.MachineID]; !asked {
			continue
		}
		if err := cmp.Or(wait, failed[req.MachineID]); err != nil {
			outcomes[i] = deletion.Outcome{Err: err}
		}
	}
	return outcomes, nil
}

// asksToWait reports whether err is about PostHog as a whole, and not about one ID.
func asksToWait(err error) bool { return driver.Classify(err) == driver.ClassThrottled }

func receipt(req deletion.Request, uuid, detail string) deletion.Receipt {
	return deletion.Receipt{State: deletion.Acknowledged, ID: uuid, Detail: detail, MachineID: req.MachineID, At: req.RequestedAt}
}

// delete asks for profiles, found by machine ID, to be deleted with their events. It returns
// an error for each that will not be.
func (r *requestor) delete(ctx context.Context, found map[string]string) map[string]error {
	failed := map[string]error{}
	if len(found) == 0 {
		return failed
	}
	ids := slices.Sorted(maps.Keys(found))
	// By distinct_ids and not by the profiles' UUIDs: so the request cannot name anybody
	// else, whatever the look-up said.
	var said deleted
	err := r.Do(ctx, vendorhttp.Call{
		Doing: "asking for the deletion", Method: http.MethodPost, Path: "/persons/bulk_delete/", Want: []int{http.StatusAccepted},
		Body: map[string]any{"distinct_ids": ids, "delete_events": true, "delete_recordings": false, "keep_person": false},
	}, &said)
	if driver.Classify(err) == driver.ClassPermanent && len(ids) > 1 {
		// One of them spoils the request: each is asked for alone.
		for _, id := range ids {
			maps.Copy(failed, r.delete(ctx, map[string]string{id: found[id]}))
		}
		return failed
	}
	if err == nil {
		refused, whole := said.verdict(len(ids))
		if whole {
			return failed
		}
		err = r.Errorf("%w", refused)
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
func (r *requestor) withoutProfile(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	uuid := personUUID(r.project, req.MachineID)
	list, err := r.deletions(ctx, uuid)
	if err != nil {
		return deletion.Receipt{}, err
	}
	// An attempt that was killed before its receipt was stored, or another operator's request.
	// A pending one will be done, whenever it was made.
	if row := pending(list); row != nil {
		return receipt(req, uuid, r.detail(*row)), nil
	}
	events, err := r.Count(ctx, req.MachineID)
	if err != nil {
		return deletion.Receipt{}, err
	}
	if events == 0 {
		// What the tool sent a moment ago is not visible yet, whenever the person asked.
		return receipt(req, vendorhttp.Looked(r.Now()), notThere), nil
	}
	last, err := r.last(ctx, req.MachineID)
	if err != nil {
		return deletion.Receipt{}, err
	}
	if wait := r.Unsettled(req.RequestedAt, last); wait > 0 {
		return deletion.Receipt{}, r.Errorf("%w", &deletion.TooEarlyError{Events: events, Wait: wait})
	}
	return deletion.Receipt{}, driver.Permanent(r.Errorf("%w", &LeftoverError{events}))
}

// Status implements deletion.Follower. Its error wraps deletion.ErrUnknownReceipt where
// PostHog shows no such request after an hour, and, as a [*deletion.RemainsError], where
// something came in after the request and outlived the sweep.
func (r *requestor) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	if receipt.State == deletion.Verified {
		return receipt, nil // of what is deleted there is nothing left to ask about
	}
	if err := (deletion.Request{MachineID: receipt.MachineID}).Validate(); err != nil {
		return deletion.Receipt{}, err
	}
	if looked, ok := vendorhttp.LookedAt(receipt.ID); ok {
		if looked.IsZero() {
			return deletion.Receipt{}, r.Errorf("not the time of a look: %w", deletion.ErrUnknownReceipt)
		}
		return r.verify(ctx, receipt, notThere, receipt.At, looked)
	}
	if !isUUID(receipt.ID) {
		return deletion.Receipt{}, r.Errorf("not the UUID of a person: %w", deletion.ErrUnknownReceipt)
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
	var asked time.Time
	for _, row := range list {
		if !row.CreatedAt.Before(receipt.At.Add(-skew)) && row.CreatedAt.After(asked) {
			asked = row.CreatedAt
		}
	}
	if asked.IsZero() {
		if r.Unsettled(receipt.At) == 0 {
			return deletion.Receipt{}, r.Errorf("PostHog lists no such request: %w", deletion.ErrUnknownReceipt)
		}
		receipt.Detail = notShown
		return receipt, nil
	}
	return r.verify(ctx, receipt, receipt.Detail, receipt.At, asked)
}

// verify looks whether everything is gone, and says so if nothing can be on its way any more
// since the given times.
func (r *requestor) verify(ctx context.Context, receipt deletion.Receipt, meanwhile string, since ...time.Time) (deletion.Receipt, error) {
	p, err := r.person(ctx, receipt.MachineID)
	if err != nil {
		return deletion.Receipt{}, err
	}
	events, err := r.Count(ctx, receipt.MachineID)
	switch {
	case err != nil:
		return deletion.Receipt{}, err
	case events > 0 || p != nil:
		return deletion.Receipt{}, r.Errorf("%w", &deletion.RemainsError{Events: events, Profile: p != nil})
	case r.Unsettled(since...) == 0:
		receipt.State, receipt.Detail = deletion.Verified, fmt.Sprintf(nothing, r.project)
	default:
		receipt.Detail = meanwhile
	}
	return receipt, nil
}

// Find implements deletion.Finder.
func (r *requestor) Find(ctx context.Context, machineID string) (deletion.Found, error) {
	if err := (deletion.Request{MachineID: machineID}).Validate(); err != nil {
		return deletion.Found{}, err
	}
	p, err := r.person(ctx, machineID)
	if err != nil {
		return deletion.Found{}, err
	}
	events, err := r.Count(ctx, machineID)
	if err != nil {
		return deletion.Found{}, err
	}
	profile, others := deletion.Fact{Name: "profile", Label: "Profile", Value: "none"}, deletion.Fact{Name: "other_ids", Label: "Other IDs", Value: int64(0)}
	if p != nil {
		profile.Value, others.Value = p.uuid, int64(p.others)
		if others.Wrong = p.others > 0; others.Wrong {
			others.Note = "on that profile: PostHog is not asked to delete it"
		}
	}
	return deletion.Found{
		Nothing: p == nil && events == 0,
		Facts:   []deletion.Fact{profile, others, {Name: "events", Label: "Events", Value: events}},
	}, nil
}

func (r *requestor) detail(pending row) string {
	if r.Now().Sub(pending.CreatedAt) > stuck {
		return isStuck
	}
	return willDelete
}

// person is a profile.
type person struct {
	uuid string
	// others is how many IDs it has besides the one it was looked up by.
	others int
}

// person looks a profile up, nil if there is none.
func (r *requestor) person(ctx context.Context, machineID string) (*person, error) {
	var said struct {
		Results *[]struct {
			UUID        string   `json:"uuid"`
			DistinctIDs []string `json:"distinct_ids"`
		} `json:"results"`
		Next *string `json:"next"`
	}
	const doing = "looking up the profile"
	if err := r.Do(ctx, vendorhttp.Call{
		Doing: doing, Method: http.MethodGet, Path: "/persons/", Want: vendorhttp.OK,
		Query: url.Values{"distinct_id": {machineID}},
	}, &said); err != nil {
		return nil, err
	}
	// That no profile is found may end in "nothing is stored", so it has to be said in so many
	// words; and one who is found must be the one that was asked for.
	switch {
	case said.Results == nil || said.Next != nil || len(*said.Results) > 1:
		return nil, r.Undocumented(doing, http.StatusOK)
	case len(*said.Results) == 0:
		return nil, nil
	}
	one := (*said.Results)[0]
	if !isUUID(one.UUID) || !slices.Contains(one.DistinctIDs, machineID) {
		return nil, r.Undocumented(doing, http.StatusOK)
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

// verdict reports whether all n profiles and their events will be deleted.
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
func (r *requestor) deletions(ctx context.Context, uuid string) ([]row, error) {
	const doing = "asking for the status"
	var list []row
	for page := range maxPages {
		var said struct {
			Results *[]row  `json:"results"`
			Next    *string `json:"next"`
		}
		// The next page is asked for by number: an address in an answer gets no key.
		if err := r.Do(ctx, vendorhttp.Call{
			Doing: doing, Method: http.MethodGet, Path: "/persons/deletion_status/", Want: vendorhttp.OK,
			Query: url.Values{"person_uuid": {uuid}, "status": {"all"}, "limit": {strconv.Itoa(rows)}, "offset": {strconv.Itoa(page * rows)}},
		}, &said); err != nil {
			return nil, err
		}
		if said.Results == nil {
			return nil, r.Undocumented(doing, http.StatusOK)
		}
		for _, row := range *said.Results {
			completed := row.Status == "completed" && row.VerifiedAt != nil
			if row.CreatedAt.IsZero() || !completed && row.Status != "pending" {
				return nil, r.Undocumented(doing, http.StatusOK)
			}
			if strings.EqualFold(row.PersonUUID, uuid) {
				list = append(list, row)
			}
		}
		if said.Next == nil {
			return list, nil
		}
	}
	return nil, r.Undocumented(doing, http.StatusOK)
}

// Count implements deletion.Counter, over all that PostHog has in its table of events. It
// counts by distinct_id and not by person: events without a profile count as well.
func (r *requestor) Count(ctx context.Context, machineID string) (int64, error) {
	const doing = "counting the events"
	var results [][]*int64 // pointers, or null would be a count of zero
	if err := r.query(ctx, doing, "SELECT count() FROM events WHERE distinct_id = {machine_id}", machineID, &results); err != nil {
		return 0, err
	}
	if len(results) != 1 || len(results[0]) != 1 || results[0][0] == nil || *results[0][0] < 0 {
		return 0, r.Undocumented(doing, http.StatusOK)
	}
	return *results[0][0], nil
}

// last returns when PostHog took the last event under an ID.
func (r *requestor) last(ctx context.Context, machineID string) (time.Time, error) {
	const doing = "looking up the last event"
	var results [][]time.Time
	if err := r.query(ctx, doing, "SELECT max(created_at) FROM events WHERE distinct_id = {machine_id}", machineID, &results); err != nil {
		return time.Time{}, err
	}
	if len(results) != 1 || len(results[0]) != 1 {
		return time.Time{}, r.Undocumented(doing, http.StatusOK)
	}
	return results[0][0], nil
}

// query makes a query about an ID, and takes no answer of an earlier one.
func (r *requestor) query(ctx context.Context, doing, query, machineID string, results any) error {
	if err := (deletion.Request{MachineID: machineID}).Validate(); err != nil {
		return err
	}
	var said struct {
		Results json.RawMessage `json:"results"`
		Cached  bool            `json:"is_cached"`
	}
	if err := r.Do(ctx, vendorhttp.Call{
		Doing: doing, Method: http.MethodPost, Path: "/query/", Want: vendorhttp.OK,
		Body: map[string]any{
			"query":   map[string]any{"kind": "HogQLQuery", "query": query, "values": map[string]string{"machine_id": machineID}},
			"refresh": "force_blocking", // or the answer may be from before the sweep
		},
	}, &said); err != nil {
		return err
	}
	if said.Cached || json.Unmarshal(said.Results, results) != nil {
		return r.Undocumented(doing, http.StatusOK)
	}
	return nil
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
