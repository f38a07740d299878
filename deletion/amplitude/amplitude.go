//go:build !notelemetry

// Package amplitude has a machine's data deleted from Amplitude. It is for operators, whose
// program lists [Vendor] (see package relaycmd): its keys read and delete everybody's data, so
// they are never linked into a tool that is handed out.
//
// # Sources
//
//	[privacy]   https://amplitude.com/docs/apis/analytics/user-privacy
//	[v2]        https://amplitude.com/docs/apis/analytics/user-privacy-v2
//	[dashboard] https://amplitude.com/docs/apis/analytics/dashboard-rest, User search and User activity
//	[strings]   https://github.com/Amplitude-Developer-Docs/amplitude-dev-center/issues/696
//
// # How Amplitude deletes
//
// It deletes by its own number of a user, the Amplitude ID, or by user_id, and not by device_id
// [privacy], which is where the backend sends the machine ID. So the user of a device is searched
// for first [dashboard]; that it is the device's and has no other device nor a user_id is looked
// up, or another person's events would go as well.
//
// Requests go into a batch that runs 10 to 13 days after its first one; until three days before
// that day they can be taken back; within 30 days all is done [privacy]. The batch deletes what
// came in until it runs, and does not keep out what comes in later [privacy].
//
// The newer version of this API deletes from all projects of an organization, and has no other
// choice [v2]. What is asked here is about the project of the keys alone.
//
//	staging submitted   Acknowledged; staging can be cancelled
//	done                Verified, if no user has the device any more; else a
//	                    [deletion.RemainsError]: something came in later
//	nobody              Acknowledged, and Verified if there is still nobody an hour later: what
//	                    the tool sent last may not be visible before
//
// Asking again names the same user in the same batch or in the next one. What an earlier request
// came to is not looked up before: the deletion calls may be made once a second [privacy], and two
// in a row would fail for ever.
//
// Searches and look-ups may be made 360 times an hour [dashboard], two for each person: so about
// 180 deletions an hour.
//
// # What an answer means
//
//	200 that names the user and a day   Acknowledged
//	400                                 Permanent
//	401 403                             Throttled, 1 h, deletion.ErrKey
//	other                               see package vendorhttp
package amplitude

import (
	"cmp"
	"context"
	"encoding/base64"
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
	// bulk is how many users go into one request [privacy].
	bulk = 100
	// frozen is for how many days before its day a batch cannot be changed [privacy].
	frozen = 3
	// around is how many days before and after a batch's day the list is asked for, which may
	// be of six months [privacy]: a batch is 13 days away, and may be late.
	around = 60
	// requester is shown to the organization's administrators.
	requester = "telemetry-relay"
)

// Vendor returns the vendor "amplitude". What it opens is a deletion.Follower, a deletion.Bulk, a
// deletion.Finder, a deletion.Counter and a deletion.Canceller.
func Vendor() deletion.Vendor {
	return deletion.Vendor{
		Name: "amplitude",
		Doc:  "deletes users and their events at Amplitude",
		Settings: []driver.Setting{
			{Name: "api_key", Doc: "API key of the project at Amplitude", Required: true, Secret: true, Check: driverhttp.CheckKey},
			{Name: "secret_key", Doc: "secret key of the project at Amplitude", Required: true, Secret: true, Check: driverhttp.CheckKey},
			{Name: "instance", Doc: "where Amplitude keeps the project: us or eu", Values: []string{"us", "eu"}},
			{Name: "endpoint", Doc: "instead of instance: URL of a proxy in front of Amplitude's API"},
		},
		Hosts: func(settings map[string]string) []string {
			return driverhttp.Hosts(vendorhttp.Address(settings, hosts))
		},
		Open: func(cfg deletion.VendorConfig) (deletion.Requestor, error) {
			u, err := vendorhttp.Address(cfg.Settings, hosts)
			if err != nil {
				return nil, err
			}
			keys := base64.StdEncoding.EncodeToString([]byte(cfg.Settings["api_key"] + ":" + cfg.Settings["secret_key"]))
			return &requestor{vendorhttp.New(vendorhttp.Client{
				Vendor: "Amplitude", Package: "amplitude", Base: u.JoinPath("api", "2"),
				Header:  http.Header{"Authorization": {"Basic " + keys}},
				KeyHint: "check that both keys belong to the same project, and to this region",
			}, cfg)}, nil
		},
	}
}

var hosts = map[string]string{"us": "amplitude.com", "eu": "analytics.eu.amplitude.com"}

// requestor has data deleted. It may be used by several goroutines at once.
type requestor struct{ *vendorhttp.Client }

var (
	_ deletion.Follower  = (*requestor)(nil)
	_ deletion.Bulk      = (*requestor)(nil)
	_ deletion.Finder    = (*requestor)(nil)
	_ deletion.Counter   = (*requestor)(nil)
	_ deletion.Canceller = (*requestor)(nil)
)

const (
	willDelete = "Amplitude deletes the user and the events on %s."
	deletes    = "Amplitude is deleting the user and the events."
	cancelled  = "The request was taken back at Amplitude."
	notThere   = "Amplitude shows nothing of this device. What was sent last may not be visible yet, so it is looked at once more."
	// nothing names no project, of which only the keys are known here: with those of a wrong one
	// it is true of everybody.
	nothing = "Amplitude has no user of this device in the project of these keys."
)

// user is one of Amplitude's.
type user struct {
	id     int64
	events int64
	// others is how many other devices it has, and whether a user was identified with it.
	others int
}

// users looks up those that have a device.
func (r *requestor) users(ctx context.Context, machineID string) ([]user, error) {
	const doing = "searching for the user"
	if err := (deletion.Request{MachineID: machineID}).Validate(); err != nil {
		return nil, err
	}
	var said struct {
		Matches *[]struct {
			ID int64 `json:"amplitude_id"`
		} `json:"matches"`
	}
	if err := r.Do(ctx, vendorhttp.Call{Doing: doing, Path: "/usersearch", Query: url.Values{"user": {machineID}}, Want: vendorhttp.OK}, &said); err != nil {
		return nil, err
	}
	if said.Matches == nil { // that there is no user has to be said in so many words
		return nil, r.Undocumented(doing, http.StatusOK)
	}
	var list []user
	for _, match := range *said.Matches {
		if match.ID <= 0 || slices.ContainsFunc(list, func(u user) bool { return u.id == match.ID }) {
			return nil, r.Undocumented(doing, http.StatusOK)
		}
		u, err := r.activity(ctx, match.ID, machineID)
		if err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, nil
}

// activity looks a user up, who has to have the device: the search also finds user_ids, and the
// beginnings of some.
func (r *requestor) activity(ctx context.Context, id int64, machineID string) (user, error) {
	const doing = "looking up the user"
	var said struct {
		User *struct {
			UserID  *string  `json:"user_id"`
			Events  *int64   `json:"num_events"`
			Devices []string `json:"device_ids"`
		} `json:"userData"`
	}
	if err := r.Do(ctx, vendorhttp.Call{
		Doing: doing, Path: "/useractivity", Query: url.Values{"user": {strconv.FormatInt(id, 10)}, "limit": {"1"}}, Want: vendorhttp.OK,
	}, &said); err != nil {
		return user{}, err
	}
	u := said.User
	if u == nil || u.Events == nil || *u.Events < 0 || !slices.Contains(u.Devices, machineID) {
		return user{}, r.Undocumented(doing, http.StatusOK)
	}
	others := len(u.Devices) - 1
	if u.UserID != nil && *u.UserID != "" {
		others++
	}
	return user{id: id, events: *u.Events, others: others}, nil
}

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

// RequestDeletions implements deletion.Bulk: each device is searched for, and one request deletes
// the users of all.
func (r *requestor) RequestDeletions(ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
	outcomes := make([]deletion.Outcome, len(reqs))
	found := map[string][]int64{} // users by machine ID
	var wait error                // of Amplitude as a whole
	for i, req := range reqs {
		out := &outcomes[i]
		if out.Err = req.Validate(); out.Err != nil {
			continue
		}
		if out.Err = wait; wait != nil {
			continue
		}
		users, err := r.users(ctx, req.MachineID)
		others := 0
		for _, u := range users {
			others += u.others
		}
		switch {
		case err != nil:
			out.Err = err
		case others > 0:
			out.Err = driver.Permanent(r.Errorf("%w", &deletion.ForeignIDsError{Others: others}))
		case len(users) == 0:
			out.Receipt = deletion.Receipt{State: deletion.Acknowledged, ID: vendorhttp.Looked(r.Now()), Detail: notThere, MachineID: req.MachineID, At: req.RequestedAt}
		default:
			for _, u := range users {
				found[req.MachineID] = append(found[req.MachineID], u.id)
			}
		}
		if driver.Classify(out.Err) == driver.ClassThrottled {
			wait = out.Err
		}
	}
	if len(found) == 0 {
		return outcomes, nil
	}
	taken, err := job{}, wait
	if err == nil {
		taken, err = r.delete(ctx, slices.Concat(slices.Collect(maps.Values(found))...))
	}
	for i, req := range reqs {
		ids, asked := found[req.MachineID]
		switch {
		case !asked:
		case err != nil:
			outcomes[i] = deletion.Outcome{Err: err}
		case !taken.has(ids):
			outcomes[i] = deletion.Outcome{Err: r.Undocumented(asking, http.StatusOK)}
		default:
			receipt, err := r.tell(taken)
			if err == nil {
				receipt.ID, receipt.MachineID, receipt.At = receiptID(ids, taken.Day), req.MachineID, req.RequestedAt
			}
			outcomes[i] = deletion.Outcome{Receipt: receipt, Err: err}
		}
	}
	return outcomes, nil
}

// job is a batch.
type job struct {
	Day    string   `json:"day"`
	Status string   `json:"status"`
	Users  []member `json:"amplitude_ids"`
}

type member struct {
	ID int64 `json:"amplitude_id"`
}

func (j job) has(ids []int64) bool {
	for _, id := range ids {
		if !slices.Contains(j.Users, member{id}) {
			return false
		}
	}
	return len(ids) > 0
}

// receiptID names users and the day of their batch, as the call does that takes one out of it.
func receiptID(ids []int64, day string) string {
	slices.Sort(ids)
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(words, ",") + "/" + day
}

// parse reads a receipt's ID.
func parse(id string) (ids []int64, day time.Time, ok bool) {
	list, date, _ := strings.Cut(id, "/")
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil || n <= 0 || strconv.FormatInt(n, 10) != word {
			return nil, time.Time{}, false
		}
		ids = append(ids, n)
	}
	day, err := time.Parse(time.DateOnly, date)
	return ids, day, err == nil
}

const asking = "asking for the deletion"

// delete asks for users to be deleted.
func (r *requestor) delete(ctx context.Context, ids []int64) (job, error) {
	slices.Sort(ids)
	var j job
	return j, r.Do(ctx, vendorhttp.Call{
		Doing: asking, Method: http.MethodPost, Path: "/deletions/users", Want: vendorhttp.OK,
		Body: map[string]any{
			"amplitude_ids": ids, "requester": requester,
			// One that is gone by now would spoil the request of the others. It is a text [strings].
			"ignore_invalid_id": "true",
		},
	}, &j)
}

// tell makes a receipt of a batch that is not done.
func (r *requestor) tell(j job) (deletion.Receipt, error) {
	receipt := deletion.Receipt{State: deletion.Acknowledged}
	day, err := time.Parse(time.DateOnly, j.Day)
	switch status := strings.ToLower(j.Status); {
	case err != nil, day.Year() == 0: // days before that one are in no receipt
		return deletion.Receipt{}, r.Undocumented(asking, http.StatusOK)
	case status == "staging":
		receipt.Detail, receipt.CancelUntil = fmt.Sprintf(willDelete, j.Day), day.AddDate(0, 0, -frozen)
	case status == "submitted":
		receipt.Detail = deletes
	default:
		return deletion.Receipt{}, r.Undocumented(asking, http.StatusOK)
	}
	return receipt, nil
}

// jobs lists the batches around a day.
func (r *requestor) jobs(ctx context.Context, day time.Time) ([]job, error) {
	var list *[]job
	const doing = "asking for the status"
	err := r.Do(ctx, vendorhttp.Call{
		Doing: doing, Path: "/deletions/users", Want: vendorhttp.OK,
		Query: url.Values{"start_day": {day.AddDate(0, 0, -around).Format(time.DateOnly)}, "end_day": {day.AddDate(0, 0, around).Format(time.DateOnly)}},
	}, &list)
	if err == nil && list == nil {
		err = r.Undocumented(doing, http.StatusOK)
	}
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// Status implements deletion.Follower. Its error wraps deletion.ErrUnknownReceipt where no batch
// of that day has the user, and, as a [*deletion.RemainsError], where something came in later.
func (r *requestor) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	if receipt.State == deletion.Verified {
		return receipt, nil // of what is deleted there is nothing left to ask about
	}
	if err := (deletion.Request{MachineID: receipt.MachineID}).Validate(); err != nil {
		return deletion.Receipt{}, err
	}
	if looked, ok := vendorhttp.LookedAt(receipt.ID); ok && !looked.IsZero() {
		return r.verify(ctx, receipt, receipt.At, looked)
	}
	ids, day, ok := parse(receipt.ID)
	if !ok {
		return deletion.Receipt{}, r.Errorf("not the users and the day of a batch: %w", deletion.ErrUnknownReceipt)
	}
	list, err := r.jobs(ctx, day)
	if err != nil {
		return deletion.Receipt{}, err
	}
	i := slices.IndexFunc(list, func(j job) bool { return j.Day == day.Format(time.DateOnly) && j.has(ids) })
	if i < 0 {
		return deletion.Receipt{}, r.Errorf("Amplitude lists no such request: %w", deletion.ErrUnknownReceipt)
	}
	if strings.EqualFold(list[i].Status, "done") {
		receipt.CancelUntil = time.Time{}
		return r.verify(ctx, receipt, receipt.At)
	}
	now, err := r.tell(list[i])
	if err != nil {
		return deletion.Receipt{}, err
	}
	now.ID, now.MachineID, now.At = receipt.ID, receipt.MachineID, receipt.At
	return now, nil
}

// verify looks whether no user has the device, and says so if nothing can be on its way any more
// since the given times.
func (r *requestor) verify(ctx context.Context, receipt deletion.Receipt, since ...time.Time) (deletion.Receipt, error) {
	users, err := r.users(ctx, receipt.MachineID)
	if err != nil {
		return deletion.Receipt{}, err
	}
	if len(users) > 0 {
		remains := &deletion.RemainsError{Profile: true}
		for _, u := range users {
			remains.Events += u.events
		}
		return deletion.Receipt{}, r.Errorf("%w", remains)
	}
	receipt.State, receipt.Detail = deletion.Acknowledged, notThere
	if r.Unsettled(since...) == 0 {
		receipt.State, receipt.Detail = deletion.Verified, nothing
	}
	return receipt, nil
}

// Find implements deletion.Finder.
func (r *requestor) Find(ctx context.Context, machineID string) (deletion.Found, error) {
	users, err := r.users(ctx, machineID)
	if err != nil {
		return deletion.Found{}, err
	}
	list, err := r.jobs(ctx, r.Now().UTC())
	if err != nil {
		return deletion.Found{}, err
	}
	found := deletion.Found{Nothing: len(users) == 0, Requests: []deletion.Receipt{}}
	var events, others int64
	for _, u := range users {
		events, others = events+u.events, others+int64(u.others)
		found.Facts = append(found.Facts, deletion.Fact{Name: "amplitude_id", Label: "Amplitude ID", Value: strconv.FormatInt(u.id, 10)})
		for _, j := range list {
			receipt, err := r.tell(j)
			if !j.has([]int64{u.id}) || err != nil { // one that is done among them
				continue
			}
			receipt.ID, receipt.MachineID = receiptID([]int64{u.id}, j.Day), machineID
			found.Requests = append(found.Requests, receipt)
		}
	}
	more := deletion.Fact{Name: "other_ids", Label: "Other IDs", Value: others, Wrong: others > 0}
	if more.Wrong {
		more.Note = "of that user: Amplitude is not asked to delete it"
	}
	found.Facts = append(found.Facts, more, deletion.Fact{Name: "events", Label: "Events", Value: events})
	slices.SortStableFunc(found.Requests, func(a, b deletion.Receipt) int { return cmp.Compare(b.ID, a.ID) })
	return found, nil
}

// Count implements deletion.Counter, over all events of those who have the device.
func (r *requestor) Count(ctx context.Context, machineID string) (int64, error) {
	users, err := r.users(ctx, machineID)
	var sum int64
	for _, u := range users {
		sum += u.events
	}
	return sum, err
}

// Cancel implements deletion.Canceller.
func (r *requestor) Cancel(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	ids, day, ok := parse(receipt.ID)
	if !ok {
		return deletion.Receipt{}, r.Errorf("not the users and the day of a batch: %w", deletion.ErrUnknownReceipt)
	}
	for _, id := range ids {
		const doing = "taking the request back"
		var said map[string]any // of which only that it is an object is relied on
		if err := r.Do(ctx, vendorhttp.Call{
			Doing: doing, Method: http.MethodDelete, Want: vendorhttp.OK, Missing: true,
			Path: fmt.Sprintf("/deletions/users/%d/%s", id, day.Format(time.DateOnly)),
		}, &said); err != nil {
			return deletion.Receipt{}, err
		}
		if said == nil {
			return deletion.Receipt{}, r.Undocumented(doing, http.StatusOK)
		}
	}
	return deletion.Receipt{State: deletion.Refused, ID: receipt.ID, Detail: cancelled, MachineID: receipt.MachineID, At: receipt.At}, nil
}
