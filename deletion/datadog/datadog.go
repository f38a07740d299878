//go:build !notelemetry

// Package datadog has a machine's logs deleted from Datadog. It is for operators, whose program
// lists [Vendor] (see package relaycmd): its keys can delete everybody's logs, so it is never
// linked into a tool that is handed out.
//
// The application key belongs best to a service account of its own, with the permissions
// logs_delete_data and logs_read_data and no restriction query: Datadog deletes and counts
// what the key's owner sees, and nothing else. An administrator has to switch on Logs Data
// Deletion under Organization Settings, Preferences.
//
// # How Datadog deletes
//
// A request names a search, "host:<machine ID> service:<service>", and a window of dates.
// The service is that of the settings, or the tool's name in lower case, which is what package
// backends/datadog sends; a test holds the two together. It waits for ten days, in which it
// can be cancelled, and cannot be undone after them. It reaches indexes, Flex and Online Archives; it does not reach
// metrics made of logs, nor, as far as is documented, archives in buckets of one's own.
//
//	Acknowledged   Datadog has the request, and has not said that it is done; or it has, and
//	               the key may not count
//	Verified       it is done, and no log of the machine is there, of ten years, under
//	               whichever service and in every tier
//	Refused        a user cancelled it, it failed, or logs are under another service or
//	               older than what the setting retention lets a request reach
//
// The window ends when Datadog is asked, since it is not documented that it may end later. Logs
// that come in after that, or are dated ahead of it, are found by the count: Status then
// returns a [deletion.RemainsError]: the request has to be made again. They are counted ten
// days after the request at the earliest, long after what was sent before it is visible.
//
// Datadog makes a request of each time it is asked. So what it has is looked through first,
// and one that reaches up to when the person asked is taken for theirs: one that waits or
// runs, or one that is done and left nothing. One that was cancelled or has failed is not.
// Two processes that ask in the same moment make two requests, of which one finds nothing
// to do.
//
// # What an answer means
//
//	200 201 202  what its JSON says. If that cannot be read after asking for a deletion,
//	             there may be a request: it is looked for, and not made again in that call
//	400 412      Permanent, where it is JSON
//	401 403      Throttled, 1 h, deletion.ErrKey; 403 for a count alone is no error of Status
//	408 429 5xx  Throttled, for Retry-After or X-Ratelimit-Reset
//	other        see package vendorhttp
//
// # Sources
//
//	docs.datadoghq.com/api/latest/data-deletion/         calls, permission
//	docs.datadoghq.com/account_management/delete_data/   ten days, the switch, what is reached
//	docs.datadoghq.com/api/latest/logs/                  counting
//	docs.datadoghq.com/getting_started/site/             sites
//	github.com/DataDog/datadog-api-client-go v2.67.0     hosts, headers, recorded bodies
//
// Not documented, and so not relied on: the words for a state, except pending and canceled;
// how the list compares a search; whether a search tells apart what differs in case only; the
// order in which it joins one; what displayed_total is for.
package datadog

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/internal/vendorhttp"
)

const (
	// cancelWindow is Datadog's.
	cancelWindow = 10 * 24 * time.Hour
	// margin is how much further back than the retention a window reaches: a day for logs
	// that were up to 18 h old when they came in, and one for a vendor that drops whole days.
	margin = 2 * 24 * time.Hour
	// minRetention and maxRetention are where a unit was mistaken: Datadog keeps logs for 3
	// days at least, and there were none ten years ago.
	minRetention, maxRetention = 24 * time.Hour, 10 * 366 * 24 * time.Hour
	// maxPages bounds a look through the list: 2000 requests at Datadog's 50 a page, those
	// of ten days if there are 200 a day.
	maxPages = 40
	// fewPages bounds it where a request that is not found is made again, which is harmless:
	// of its list by search Datadog documents no form, so all are looked through after it.
	fewPages = 4
	// ahead is how far a log's date may be in the future when it comes in.
	ahead = 2 * time.Hour
	// clockSlack is how far apart the clocks may be by which requests were dated.
	clockSlack = 24 * time.Hour
	// openFor is how old a request can be that is not done: ten days and a wide margin.
	openFor = 30 * 24 * time.Hour
)

// Vendor returns the vendor "datadog". What it opens is a deletion.Follower, a deletion.Finder,
// a deletion.Counter and a deletion.Canceller.
func Vendor() deletion.Vendor {
	return deletion.Vendor{
		Name: "datadog",
		Doc:  "deletes logs at Datadog",
		Settings: []driver.Setting{
			{Name: "api_key", Doc: "API key for Datadog", Required: true, Secret: true, Check: checkAPIKey},
			{Name: "application_key", Doc: "application key for Datadog", Required: true, Secret: true, Check: checkApplicationKey},
			{Name: "site", Doc: "region or site of the organisation, like eu1 or datadoghq.eu", Default: "us1", Values: sites},
			{Name: "endpoint", Doc: "instead of site: URL of a proxy in front of Datadog's API", Check: checkEndpoint},
			{Name: "service", Doc: "service of the logs, the tool's name if not given", Check: checkService},
			// There is no default: what is older than a guess would stay.
			{Name: "retention", Doc: "how long logs are kept in the longest of all places, such as 15d or 360h", Required: true, Check: checkRetention},
			{Name: "tiers", Doc: "where logs are counted, between commas", Default: strings.Join(allTiers, ","), Check: checkTiers},
		},
		Hosts: func(settings map[string]string) []string { return driverhttp.Hosts(address(settings)) },
		Open:  func(cfg deletion.VendorConfig) (deletion.Requestor, error) { return open(cfg) },
	}
}

// requestor has logs deleted. It may be used by several goroutines at once.
type requestor struct {
	*vendorhttp.Client
	service   string
	retention time.Duration
	tiers     []string

	mu   sync.Mutex
	busy map[subject]chan struct{}
}

var (
	_ deletion.Follower  = (*requestor)(nil)
	_ deletion.Finder    = (*requestor)(nil)
	_ deletion.Counter   = (*requestor)(nil)
	_ deletion.Canceller = (*requestor)(nil)
)

func open(cfg deletion.VendorConfig) (*requestor, error) {
	base, err := address(cfg.Settings)
	if err != nil {
		return nil, err
	}
	retention, err := parseRetention(cfg.Settings["retention"])
	if err != nil {
		return nil, vendorhttp.Mistake("retention", err.Error())
	}
	service := cmp.Or(cfg.Settings["service"], lowerCase(cfg.Tool))
	if !servicePattern.MatchString(service) {
		return nil, vendorhttp.Mistake("service", "not set, and the tool's name cannot be searched for as a service of Datadog: set the service that its logs have")
	}
	return &requestor{
		service: service, retention: retention, tiers: strings.Split(cfg.Settings["tiers"], ","), busy: map[subject]chan struct{}{},
		Client: vendorhttp.New(vendorhttp.Client{
			Vendor: "Datadog", Package: "datadog", Base: base,
			Header: http.Header{"Dd-Api-Key": {cfg.Settings["api_key"]}, "Dd-Application-Key": {cfg.Settings["application_key"]}},
			KeyHint: "check that both belong to this site, that the application key's owner has the permission logs_delete_data, " +
				"and that Logs Data Deletion is switched on in the organisation's preferences",
			// Datadog's own header for rate limits, in seconds.
			Reset: func(header http.Header, now time.Time) (time.Duration, bool) {
				return driverhttp.RetryAfter(http.Header{"Retry-After": header.Values("X-Ratelimit-Reset")}, now)
			},
		}, cfg),
	}, nil
}

func address(settings map[string]string) (*url.URL, error) {
	if endpoint := settings["endpoint"]; endpoint != "" {
		return vendorhttp.Endpoint(endpoint)
	}
	return &url.URL{Scheme: "https", Host: "api." + siteOf(settings["site"])}, nil
}

func checkEndpoint(endpoint string) error {
	_, err := vendorhttp.Endpoint(endpoint)
	if wrong, ok := errors.AsType[*driver.ConfigError](err); ok {
		return errors.New(wrong.Problem)
	}
	return err
}

func checkService(service string) error {
	if !servicePattern.MatchString(service) {
		return errors.New("not a service that can be searched for: use at most 100 lower case letters, digits and ._-/, a letter, a digit or _ first")
	}
	return nil
}

// parseRetention reads a number of days, such as 15d, or a duration of Go's, such as 360h.
func parseRetention(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int64
		if n, err = strconv.ParseInt(days, 10, 32); err == nil {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	switch {
	case err != nil:
		return 0, errors.New("not a time like 15d or 360h")
	case d < minRetention || d > maxRetention:
		return 0, errors.New("not between a day and ten years")
	}
	return d, nil
}

func checkRetention(text string) error {
	_, err := parseRetention(text)
	return err
}

// allTiers are where Datadog keeps logs.
var allTiers = []string{"indexes", "flex", "online-archives"}

func checkTiers(list string) error {
	for tier := range strings.SplitSeq(list, ",") {
		if !slices.Contains(allTiers, tier) {
			return errors.New("not a place for logs: indexes, flex or online-archives")
		}
	}
	return nil
}

// sites are the regions of Datadog's documentation and their sites.
var sites = []string{"us1", "us3", "us5", "eu1", "uk1", "ap1", "ap2", "gov", "us1-fed", "us2-fed", "datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com",
	"datadoghq.eu", "uk1.datadoghq.com", "ap1.datadoghq.com", "ap2.datadoghq.com", "ddog-gov.com", "us2.ddog-gov.com"}

// siteOf returns the site of a region.
func siteOf(name string) string {
	switch name {
	case "", "us1":
		return "datadoghq.com"
	case "us3", "us5", "uk1", "ap1", "ap2":
		return name + ".datadoghq.com"
	case "eu1":
		return "datadoghq.eu"
	case "gov", "us1-fed":
		return "ddog-gov.com"
	case "us2-fed":
		return "us2.ddog-gov.com"
	}
	return name
}

const hexDigits = "0123456789abcdef"

func isAPIKey(key string) bool { return len(key) == 32 && strings.Trim(key, hexDigits) == "" }

func isApplicationKey(key string) bool {
	return strings.HasPrefix(key, "ddapp_") || len(key) == 40 && strings.Trim(key, hexDigits) == ""
}

func checkAPIKey(key string) error {
	if isApplicationKey(key) {
		return errors.New("an application key: is it the other one?")
	}
	return checkKey(key)
}

func checkApplicationKey(key string) error {
	if isAPIKey(key) {
		return errors.New("an API key: is it the other one?")
	}
	return checkKey(key)
}

// checkKey says what is wrong with a key and repeats nothing of it. It is lenient on length
// and alphabet, which Datadog does not promise.
func checkKey(key string) error {
	switch {
	case strings.HasPrefix(key, "pub"):
		return errors.New("a client token (pub…), which can only send logs")
	case strings.HasPrefix(key, "ddpat_"):
		return errors.New("a personal access token, which this call does not take: use an API key and an application key")
	}
	return driverhttp.CheckKey(key)
}

// ErrFailing says that a request has failed for a reason that may pass.
var ErrFailing = errors.New("the request has failed, for a reason of Datadog's own")

const (
	willDelete = "Datadog deletes the logs after ten days, in which the request can be cancelled."
	deletes    = "Datadog is deleting the logs."
	unclear    = "Datadog has the request, in a state that it does not document: look at it there, under Data Deletion."
	cancelled  = "The request was cancelled at Datadog."
	hasFailed  = "Datadog could not carry out the request: look at it there, under Data Deletion."
	uncounted  = "Datadog says that the logs are deleted. They were not counted: the key has no permission logs_read_data."
	elsewhere  = "Datadog has done what was asked, but there are logs of this machine under another service: check which one the backend sets."
	older      = "Datadog has done what was asked, but there are logs of this machine from before the time that it was asked for: set retention longer."
	nothing    = "Datadog stores no logs of this machine."
)

// servicePattern is what is found without quotes and means nothing else in a search. It
// has all services that package backends/datadog sends.
var servicePattern = regexp.MustCompile(`\A[a-z0-9_][a-z0-9._/-]{0,99}\z`)

// lowerCase is what the backend makes of a tool's name: whether Datadog's search tells
// apart what differs in case only, it does not say.
func lowerCase(tool string) string {
	// Not strings.ToLower, which makes letters of a to z of others too.
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, tool)
}

// subject is whose logs a search finds. It is made by subjectOf and readQuery alone, which
// let nothing pass that could mean more in a search.
type subject struct{ host, service string }

func (r *requestor) subjectOf(machineID string) (subject, error) {
	return subject{host: machineID, service: r.service}, (deletion.Request{MachineID: machineID}).Validate()
}

// query is the search, in the order in which Datadog recorded one.
func (s subject) query() string { return "host:" + s.host + " service:" + s.service }

// RequestDeletion implements deletion.Requestor.
func (r *requestor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	s, err := r.subjectOf(req.MachineID)
	if err != nil {
		return deletion.Receipt{}, err
	}
	done, err := r.turn(ctx, s)
	if err != nil {
		return deletion.Receipt{}, err
	}
	defer done()
	now := r.Now()
	asked := reach(req.RequestedAt, now)
	e, err := r.covering(ctx, s, asked, now)
	if err != nil {
		return deletion.Receipt{}, err
	}
	var receipt deletion.Receipt
	if e != nil {
		receipt, err = r.tell(ctx, *e, now)
	}
	if e == nil || errors.Is(err, deletion.ErrUnknownReceipt) { // logs came in after the one that is done
		receipt, err = r.create(ctx, s, asked, now)
	}
	if err != nil {
		return deletion.Receipt{}, err
	}
	receipt.MachineID, receipt.At = req.MachineID, req.RequestedAt
	return receipt, nil
}

// turn waits until no other caller here asks for the same: between looking and asking there
// would be room for a second request.
func (r *requestor) turn(ctx context.Context, s subject) (done func(), err error) {
	for ctx.Err() == nil {
		r.mu.Lock()
		other := r.busy[s]
		if other == nil {
			mine := make(chan struct{})
			r.busy[s] = mine
			r.mu.Unlock()
			return func() {
				r.mu.Lock()
				delete(r.busy, s)
				r.mu.Unlock()
				close(mine)
			}, nil
		}
		r.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
		}
	}
	return nil, r.Errorf("waiting for another request for the same: %w", ctx.Err())
}

// reach returns up to when a window has to reach for a request. One without a time, or from
// a clock that is ahead, would never be covered, and each repetition of it make one more:
// any of the last day will do, and what came in since is counted in the end.
func reach(asked, now time.Time) time.Time {
	if asked.IsZero() || asked.After(now) {
		return now.Add(-clockSlack)
	}
	return asked.Truncate(time.Millisecond) // as windows are
}

// covering returns a request of Datadog's that does what is to be asked for, nil if there
// is none: rather one that is not done yet.
func (r *requestor) covering(ctx context.Context, s subject, asked, now time.Time) (*entry, error) {
	var open, done *entry
	look := func(e entry) bool {
		if e.subject != s || e.to.Before(asked) || e.from.After(now.Add(-r.retention)) {
			return false
		}
		switch e.stage() {
		case waiting, running, unknown:
			open = &e
		case completed:
			if done == nil {
				done = &e
			}
		}
		return open != nil
	}
	err := r.look(ctx, s, fewPages, look, func() bool { return done != nil }, func(e entry) bool { return e.before(asked.Add(-clockSlack)) })
	// Behind 200 newer ones none is looked for. A second request is harmless, and none is not.
	if err != nil && !errors.Is(err, errEndless) {
		return nil, err
	}
	if open != nil {
		return open, nil
	}
	return done, nil
}

// look goes through the requests for a subject, and then, unless one was found, through all:
// the search may be joined or compared in another way than it is written here.
func (r *requestor) look(ctx context.Context, s subject, pages int, each func(entry) (stop bool), found func() bool, past func(entry) bool) error {
	stopped := false
	visit := func(e entry) bool {
		stopped = each(e)
		return stopped
	}
	if err := r.walk(ctx, pages, url.Values{"product": {"logs"}, "query": {s.query()}}, visit, past); err != nil || stopped || found() {
		return err
	}
	return r.walk(ctx, pages, url.Values{"product": {"logs"}}, visit, past)
}

// create asks for a deletion.
func (r *requestor) create(ctx context.Context, s subject, asked, now time.Time) (deletion.Receipt, error) {
	const doing = "asking for the deletion"
	a, err := r.exchange(ctx, vendorhttp.Call{
		Doing: doing, Method: http.MethodPost, Path: "/api/v2/deletion/data/logs",
		Body: map[string]any{"data": map[string]any{
			"type": "create_deletion_req",
			"attributes": map[string]any{
				// What is shown to a person who deletes in the browser. No person is shown anything here.
				"displayed_total": 0,
				"from":            now.Add(-r.retention - margin).UnixMilli(),
				"to":              now.UnixMilli(),
				"query":           map[string]string{"host": s.host, "service": s.service},
			},
		}},
	})
	if err != nil {
		return deletion.Receipt{}, err
	}
	if e, ok := readOne(a); ok && e.subject == s {
		return r.tell(ctx, e, now)
	}
	// There is a request, and it is not known which.
	e, err := r.covering(ctx, s, asked, now)
	if err != nil || e == nil || e.stage() == completed {
		// Unmarked, whatever kept it from being found: the next attempt looks first.
		return deletion.Receipt{}, r.Errorf("%w", &deletion.AnswerError{Doing: doing, Status: a.Status,
			Problem: "not what Datadog documents; if it made a request, that will be found the next time"})
	}
	return r.tell(ctx, *e, now)
}

// Status implements deletion.Follower. Its error wraps deletion.ErrUnknownReceipt where
// Datadog does not list the request, and, as a [deletion.RemainsError], where logs came in after
// it.
func (r *requestor) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	if receipt.State == deletion.Verified {
		return receipt, nil // of what is deleted there is nothing left to ask about
	}
	id, err := r.check(receipt)
	if err != nil {
		return deletion.Receipt{}, err
	}
	var found *entry
	look := func(e entry) bool {
		if e.id == id {
			found = &e
		}
		return found != nil
	}
	err = r.look(ctx, subject{receipt.MachineID, r.service}, maxPages, look, func() bool { return false }, func(e entry) bool { return e.id < id })
	if err != nil {
		return deletion.Receipt{}, err
	}
	// A number of another organisation's, or of another machine's, is not this request.
	if found == nil || found.subject.host != receipt.MachineID {
		return deletion.Receipt{}, r.Errorf("Datadog lists no such request: %w", deletion.ErrUnknownReceipt)
	}
	now, err := r.tell(ctx, *found, r.Now())
	if err != nil {
		return deletion.Receipt{}, err
	}
	now.MachineID, now.At = receipt.MachineID, receipt.At
	return now, nil
}

// check returns the number in a receipt.
func (r *requestor) check(receipt deletion.Receipt) (int64, error) {
	if err := (deletion.Request{MachineID: receipt.MachineID}).Validate(); err != nil {
		return 0, err
	}
	id, ok := readID(receipt.ID)
	if !ok {
		return 0, r.Errorf("not the number of a request: %w", deletion.ErrUnknownReceipt)
	}
	return id, nil
}

// tell makes a receipt of a request in its present state.
func (r *requestor) tell(ctx context.Context, e entry, now time.Time) (deletion.Receipt, error) {
	receipt := deletion.Receipt{State: deletion.Acknowledged, ID: strconv.FormatInt(e.id, 10)}
	switch e.stage() {
	case waiting:
		receipt.Detail, receipt.CancelUntil = willDelete, e.cancelUntil()
	case running:
		receipt.Detail = deletes
	case undone:
		receipt.State, receipt.Detail = deletion.Refused, cancelled
	case failed:
		if e.mayPass() {
			return deletion.Receipt{}, r.Errorf("%w", ErrFailing)
		}
		receipt.State, receipt.Detail = deletion.Refused, hasFailed
	case completed:
		return r.verify(ctx, receipt, e, now)
	default:
		receipt.Detail = unclear
	}
	return receipt, nil
}

// verify counts what a request that is done has left.
func (r *requestor) verify(ctx context.Context, receipt deletion.Receipt, e entry, now time.Time) (deletion.Receipt, error) {
	// By host alone: under a wrong service a deletion finds nothing, and must not pass for one.
	all, err := r.Count(ctx, e.subject.host)
	if answer, ok := errors.AsType[*deletion.AnswerError](err); ok && answer.Status == http.StatusForbidden {
		receipt.Detail = uncounted
		return receipt, nil
	}
	if err != nil {
		return deletion.Receipt{}, err
	}
	if all == 0 {
		receipt.State, receipt.Detail = deletion.Verified, nothing
		return receipt, nil
	}
	receipt.State = deletion.Refused
	ours, err := r.count(ctx, e.subject.query(), now.Add(-maxRetention), now)
	if err != nil {
		return deletion.Receipt{}, err
	}
	if ours == 0 {
		receipt.Detail = elsewhere
		return receipt, nil
	}
	// What a repetition of the request would not reach either needs a person.
	from := now.Add(-r.retention - margin)
	if !e.from.IsZero() && e.from.Before(from) {
		from = e.from
	}
	late, err := r.count(ctx, e.subject.query(), from, now)
	switch {
	case err != nil:
		return deletion.Receipt{}, err
	case late > 0:
		return deletion.Receipt{}, r.Errorf("%w", &deletion.RemainsError{Events: late})
	}
	receipt.Detail = older
	return receipt, nil
}

// Find implements deletion.Finder.
func (r *requestor) Find(ctx context.Context, machineID string) (deletion.Found, error) {
	s, err := r.subjectOf(machineID)
	if err != nil {
		return deletion.Found{}, err
	}
	now := r.Now()
	logs, err := r.count(ctx, s.query(), now.Add(-maxRetention), now)
	if err != nil {
		return deletion.Found{}, err
	}
	all, err := r.Count(ctx, s.host)
	if err != nil {
		return deletion.Found{}, err
	}
	others := deletion.Fact{Name: "logs_of_other_services", Label: "Logs of other services", Value: max(all-logs, 0)} // some may have come in between the two
	if others.Wrong = all > logs; others.Wrong {
		others.Note = "of this machine, which are not deleted: check the service"
	}
	found := deletion.Found{
		Nothing: all == 0 && logs == 0,
		Facts: []deletion.Fact{
			{Name: "service", Label: "Service", Value: s.service},
			{Name: "logs", Label: "Logs", Value: logs},
			others,
			{Name: "from", Label: "Deleted from", Value: now.Add(-r.retention - margin)},
		},
		Requests: []deletion.Receipt{},
	}
	var open []entry
	look := func(e entry) bool {
		if stage := e.stage(); e.subject == s && (stage == waiting || stage == running || stage == unknown) {
			open = append(open, e)
		}
		return false
	}
	err = r.look(ctx, s, fewPages, look, func() bool { return len(open) > 0 }, func(e entry) bool { return e.before(now.Add(-openFor)) })
	if err != nil && !errors.Is(err, errEndless) {
		return deletion.Found{}, err
	}
	for _, e := range open {
		receipt, err := r.tell(ctx, e, now)
		if err != nil {
			return deletion.Found{}, err
		}
		receipt.MachineID = machineID
		found.Requests = append(found.Requests, receipt)
	}
	return found, nil
}

// Count implements deletion.Counter: logs of a machine under whichever service, of ten years
// and in all tiers, whatever is said of how long logs are kept and where.
func (r *requestor) Count(ctx context.Context, machineID string) (int64, error) {
	if err := (deletion.Request{MachineID: machineID}).Validate(); err != nil {
		return 0, err
	}
	now := r.Now()
	return r.count(ctx, "host:"+machineID, now.Add(-maxRetention), now.Add(ahead))
}

// Cancel implements deletion.Canceller.
func (r *requestor) Cancel(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	id, err := r.check(receipt)
	if err != nil {
		return deletion.Receipt{}, err
	}
	const doing = "cancelling the request"
	a, err := r.exchange(ctx, vendorhttp.Call{Doing: doing, Method: http.MethodPut, Cause: unknownID,
		Path: "/api/v2/deletion/requests/" + strconv.FormatInt(id, 10) + "/cancel"})
	if errors.Is(err, errUnknownID) {
		return deletion.Receipt{}, r.Errorf("Datadog knows no such request: %w", deletion.ErrUnknownReceipt)
	}
	if err != nil {
		return deletion.Receipt{}, err
	}
	if e, ok := readOne(a); !ok || e.id != id || e.stage() != undone {
		return deletion.Receipt{}, r.Undocumented(doing, a.Status)
	}
	return deletion.Receipt{State: deletion.Refused, ID: receipt.ID, Detail: cancelled, MachineID: receipt.MachineID, At: receipt.At}, nil
}

// count returns how many logs a search finds, in all tiers.
func (r *requestor) count(ctx context.Context, query string, from, to time.Time) (int64, error) {
	const doing = "counting the logs"
	var sum int64
	for _, tier := range r.tiers {
		a, err := r.exchange(ctx, vendorhttp.Call{
			Doing: doing, Method: http.MethodPost, Path: "/api/v2/logs/analytics/aggregate", KeyHint: readHint,
			Body: map[string]any{
				"compute": []any{map[string]string{"aggregation": "count", "type": "total"}},
				"filter": map[string]string{
					"query": query, "storage_tier": tier,
					"from": strconv.FormatInt(from.UnixMilli(), 10), "to": strconv.FormatInt(to.UnixMilli(), 10),
				},
			},
		})
		if err != nil {
			return 0, err
		}
		n, ok := readCount(a)
		if !ok {
			return 0, r.Undocumented(doing, a.Status)
		}
		sum += n
	}
	return sum, nil
}

// exchange makes a call once, with the statuses that all of Datadog's calls have.
func (r *requestor) exchange(ctx context.Context, call vendorhttp.Call) (vendorhttp.Answer, error) {
	call.Want = []int{http.StatusOK, http.StatusCreated, http.StatusAccepted}
	call.Refusals = []int{http.StatusPreconditionFailed}
	return r.Exchange(ctx, call)
}

// readHint is what to check where a count is refused.
const readHint = "check that both belong to this site, and that the application key's owner has the permission logs_read_data"

// errUnknownID says that Datadog knows no request of a number.
var errUnknownID = errors.New("there is no such request")

// unknownID finds that in a refusal.
func unknownID(body []byte) error {
	if slices.Contains(readErrors(body), "INVALID_ID") {
		return errUnknownID
	}
	return nil
}

// errEndless says that a list was left before its end.
var errEndless = errors.New("datadog deletion: there are more requests than are looked through")

// walk goes through the list, until a request is the one that was looked for, or the list is
// past where that can be.
func (r *requestor) walk(ctx context.Context, pages int, query url.Values, each func(entry) (stop bool), past func(entry) bool) error {
	const doing = "listing the requests"
	for range pages {
		a, err := r.exchange(ctx, vendorhttp.Call{Doing: doing, Method: http.MethodGet, Path: "/api/v2/deletion/requests", Query: query})
		if err != nil {
			return err
		}
		page, ok := readPage(a)
		if !ok {
			return r.Undocumented(doing, a.Status)
		}
		if slices.ContainsFunc(page.entries, each) || page.next == "" || len(page.entries) == 0 {
			return nil
		}
		// Datadog lists the newest first, but does not say so.
		newestFirst := slices.IsSortedFunc(page.entries, func(a, b entry) int { return cmp.Compare(b.id, a.id) })
		if newestFirst && past(page.entries[len(page.entries)-1]) {
			return nil
		}
		query = url.Values{"next_page": {page.next}} // beside which Datadog ignores the rest
	}
	return errEndless
}
