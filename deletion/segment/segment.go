//go:build !notelemetry

// Package segment has a machine's data deleted from Segment and, as far as Segment can, from the
// destinations that it passed the data on to. It is for operators, whose program lists
// [Vendor] (see package relaycmd): its token can delete everybody's data, so it is never linked
// into a tool that is handed out.
//
// # Sources
//
//	[api]     https://docs.segmentapis.com/tag/Deletion-and-Suppression, and what is generated of it:
//	          https://github.com/segmentio/public-api-sdk-python/blob/main/docs/DeletionAndSuppressionApi.md (calls, statuses, headers)
//	[models]  https://github.com/segmentio/public-api-sdk-go/tree/main/api: model_create_workspace_regulation_v1_input.go,
//	          model_create_source_regulation_v1_input.go, model_regulation.go, model_destination_status_v1.go
//	[guide]   https://www.twilio.com/docs/segment/privacy/user-deletion-and-suppression
//	[eu]      https://docs.datagrail.io/docs/integrations/api-documentation/segment_public (the hosts of both regions)
//
// # What is asked for
//
// A regulation of the workspace, by POST /regulations, with up to 5000 userIds [api, guide]. It
// is SUPPRESS_WITH_DELETE, which also keeps out what a forgotten process sends later, or
// DELETE_ONLY [guide]. Both go on to the destinations that can delete, for which these may
// charge [guide].
//
// Segment deletes by userId. By anonymousId it deletes for some workspaces alone, from one source
// alone, and from the archive alone (DELETE_ARCHIVE_ONLY) [models]. So the backend sends the
// machine ID as userId; events that an earlier one sent with it as anonymousId cannot be reached
// here, and are for Segment's support.
//
// Segment deletes within 30 days, up to 110 000 userIds a month [guide]. Asking again makes one
// regulation more, which costs a place of that number and changes nothing else; who was named in
// an earlier one is not told [models], so it cannot be looked for.
//
// # How far it is
//
//	INITIALIZED RUNNING                        Acknowledged
//	FINISHED                                   Manual: see below
//	FAILED INVALID NOT_SUPPORTED PARTIAL_SUCCESS   Refused: a person has to look; one destination
//	                                           that cannot delete is enough for FAILED [guide]
//	anything else                              an error
//
// Nothing here is ever Verified: Segment has no call that says how much it holds of a userId,
// and a word for "done" is no count. A person looks at the regulation in Segment, and closes the
// deletion by hand.
//
// A regulation of several people cannot be taken back for one of them, and the call that takes
// one back is deprecated [api], so there is none here.
//
// # What an answer means
//
//	200                what its JSON says
//	400 422            Permanent [api]
//	404                a deletion.ErrUnknownReceipt, for a regulation: after 90 days they are gone [api]
//	401 403            Throttled, 1 h, deletion.ErrKey
//	429                Throttled, until X-Regulation-RateLimit-Quota-Reset [api], for Retry-After, or 1 min
//	other              see package vendorhttp
package segment

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/internal/vendorhttp"
)

// bulk is how many userIds go into one regulation, of the 5000 that Segment takes [guide]: the
// fewer, the fewer are held up by one that fails.
const bulk = 1000

// Vendor returns the vendor "segment". What it opens is a deletion.Follower and a
// deletion.Bulk.
func Vendor() deletion.Vendor {
	return deletion.Vendor{
		Name: "segment",
		Doc:  "deletes events at Segment and at the destinations that it can ask to",
		Settings: []driver.Setting{
			{Name: "token", Doc: "token for Segment's Public API", Required: true, Secret: true, Check: driverhttp.CheckKey},
			{Name: "instance", Doc: "where Segment keeps the workspace: us or eu", Values: []string{"us", "eu"}},
			{Name: "endpoint", Doc: "instead of instance: URL of a proxy in front of Segment's Public API"},
			{Name: "regulation", Doc: "SUPPRESS_WITH_DELETE, which keeps out later events too, or DELETE_ONLY",
				Default: "SUPPRESS_WITH_DELETE", Values: []string{"SUPPRESS_WITH_DELETE", "DELETE_ONLY"}},
		},
		Hosts: func(settings map[string]string) []string {
			return driverhttp.Hosts(vendorhttp.Address(settings, hosts))
		},
		Open: func(cfg deletion.VendorConfig) (deletion.Requestor, error) {
			u, err := vendorhttp.Address(cfg.Settings, hosts)
			if err != nil {
				return nil, err
			}
			return &requestor{regulation: cfg.Settings["regulation"], Client: vendorhttp.New(vendorhttp.Client{
				Vendor: "Segment", Package: "segment", Base: u,
				Header:  http.Header{"Authorization": {"Bearer " + cfg.Settings["token"]}},
				KeyHint: "check that it is a token of the Public API, for this workspace and region",
				Reset: func(header http.Header, now time.Time) (time.Duration, bool) {
					at, err := time.Parse(time.RFC3339, header.Get("X-Regulation-RateLimit-Quota-Reset"))
					return at.Sub(now), err == nil && at.After(now)
				},
			}, cfg)}, nil
		},
	}
}

var hosts = map[string]string{"us": "api.segmentapis.com", "eu": "eu1.api.segmentapis.com"}

// requestor has data deleted. It may be used by several goroutines at once.
type requestor struct {
	*vendorhttp.Client
	regulation string
}

var (
	_ deletion.Follower = (*requestor)(nil)
	_ deletion.Bulk     = (*requestor)(nil)
)

const (
	willDelete = "Segment deletes within 30 days, and asks the destinations to."
	deletes    = "Segment is deleting."
	finished   = "Segment says that everything is deleted. It cannot be asked how much is left: look at the request there, and close it by hand."
	hasFailed  = "Segment could not delete everywhere: look at the request there, and at the destinations in it."
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

// RequestDeletions implements deletion.Bulk: one regulation for all.
func (r *requestor) RequestDeletions(ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
	outcomes := make([]deletion.Outcome, len(reqs))
	var ids []string
	for i, req := range reqs {
		if outcomes[i].Err = req.Validate(); outcomes[i].Err == nil {
			ids = append(ids, req.MachineID)
		}
	}
	if len(ids) == 0 {
		return outcomes, nil
	}
	id, err := r.regulate(ctx, ids)
	for i, req := range reqs {
		switch {
		case outcomes[i].Err != nil:
		case err != nil:
			outcomes[i].Err = err
		default:
			outcomes[i].Receipt = deletion.Receipt{State: deletion.Acknowledged, ID: id, Detail: willDelete, MachineID: req.MachineID, At: req.RequestedAt}
		}
	}
	return outcomes, nil
}

// regulate makes a regulation and returns its ID.
func (r *requestor) regulate(ctx context.Context, ids []string) (string, error) {
	const doing = "asking for the deletion"
	var said struct {
		Data struct {
			ID string `json:"regulateId"`
		} `json:"data"`
	}
	if err := r.Do(ctx, vendorhttp.Call{
		Doing: doing, Method: http.MethodPost, Path: "/regulations", Want: vendorhttp.OK, Refusals: []int{http.StatusUnprocessableEntity},
		Body: map[string]any{"regulationType": r.regulation, "subjectType": "USER_ID", "subjectIds": ids},
	}, &said); err != nil {
		return "", err
	}
	if !isID(said.Data.ID) {
		return "", r.Undocumented(doing, http.StatusOK)
	}
	return said.Data.ID, nil
}

// isID reports whether s is what Segment's IDs look like [api], and safe in a path.
func isID(s string) bool { return idPattern.MatchString(s) }

var idPattern = regexp.MustCompile(`\A[0-9A-Za-z_-]{1,128}\z`)

// Status implements deletion.Follower.
func (r *requestor) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	if receipt.State == deletion.Verified {
		return receipt, nil // a person closed it: there is nothing left to ask about
	}
	if !isID(receipt.ID) {
		return deletion.Receipt{}, r.Errorf("not the ID of a regulation: %w", deletion.ErrUnknownReceipt)
	}
	const doing = "asking for the status"
	var said struct {
		Data struct {
			Regulation struct {
				ID     string `json:"id"`
				Status string `json:"overallStatus"`
			} `json:"regulation"`
		} `json:"data"`
	}
	if err := r.Do(ctx, vendorhttp.Call{
		Doing: doing, Path: "/regulations/" + url.PathEscape(receipt.ID), Want: vendorhttp.OK, Refusals: []int{http.StatusUnprocessableEntity}, Missing: true,
	}, &said); err != nil {
		return deletion.Receipt{}, err
	}
	if said.Data.Regulation.ID != receipt.ID {
		return deletion.Receipt{}, r.Undocumented(doing, http.StatusOK)
	}
	switch said.Data.Regulation.Status {
	case "INITIALIZED":
		receipt.State, receipt.Detail = deletion.Acknowledged, willDelete
	case "RUNNING":
		receipt.State, receipt.Detail = deletion.Acknowledged, deletes
	case "FINISHED":
		receipt.State, receipt.Detail = deletion.Manual, finished
	case "FAILED", "INVALID", "NOT_SUPPORTED", "PARTIAL_SUCCESS":
		receipt.State, receipt.Detail = deletion.Refused, hasFailed
	default:
		return deletion.Receipt{}, r.Undocumented(doing, http.StatusOK)
	}
	return receipt, nil
}
