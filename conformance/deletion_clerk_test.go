package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// clerk is a desk that a program lists as a vendor, and that does more: it asks for many at
// once, looks and counts. Mutants replace its parts.
//
//	POST /deletions/many   202 the same as of one
type clerk struct {
	*desk
	many  func(c *clerk, ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error)
	count func(c *clerk, ctx context.Context, id string) (int64, error)
	find  func(c *clerk, ctx context.Context, id string) (deletion.Found, error)
}

func (c *clerk) MaxBulk() int { return 20 }

func (c *clerk) RequestDeletions(ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
	return c.many(c, ctx, reqs)
}

func (c *clerk) Count(ctx context.Context, id string) (int64, error) { return c.count(c, ctx, id) }

func (c *clerk) Find(ctx context.Context, id string) (deletion.Found, error) {
	return c.find(c, ctx, id)
}

func (c *clerk) askMany(ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
	outcomes := make([]deletion.Outcome, len(reqs))
	var ids []string
	for i, req := range reqs {
		if outcomes[i].Err = req.Validate(); outcomes[i].Err == nil {
			ids = append(ids, req.MachineID)
		}
	}
	body, _ := json.Marshal(map[string][]string{"machine_ids": ids})
	a, err := c.exchange(c.desk, ctx, http.MethodPost, "/deletions/many", body)
	if err == nil {
		err = c.judge(a, http.StatusAccepted)
	}
	for i, req := range reqs {
		if outcomes[i].Err != nil {
			continue
		}
		if outcomes[i].Err = err; err == nil {
			outcomes[i].Receipt = c.receipt(req, a)
		}
	}
	return outcomes, nil
}

func (c *clerk) countLeft(ctx context.Context, id string) (int64, error) {
	if err := (deletion.Request{MachineID: id}).Validate(); err != nil {
		return 0, err
	}
	n, err := c.left(ctx, id)
	return int64(n), err
}

func (c *clerk) look(ctx context.Context, id string) (deletion.Found, error) {
	n, err := c.countLeft(ctx, id)
	return deletion.Found{Nothing: n == 0, Facts: []deletion.Fact{{Name: "records", Label: "Records", Value: n}}}, err
}

// clerkVendor is what a program would list.
func clerkVendor(change func(*clerk)) deletion.Vendor {
	return deletion.Vendor{
		Name: "clerk", Doc: "deletes records at the clerk's",
		Settings: []driver.Setting{
			{Name: "endpoint", Doc: "URL of the clerk"},
			{Name: "token", Doc: "token of the operator", Required: true, Secret: true},
		},
		Hosts: func(settings map[string]string) []string {
			return []string{strings.TrimPrefix(settings["endpoint"], "https://")}
		},
		Open: func(cfg deletion.VendorConfig) (deletion.Requestor, error) {
			switch {
			case cfg.Settings["endpoint"] == "":
				return nil, &driver.ConfigError{Field: "Settings[endpoint]", Problem: "not set"}
			case strings.ContainsAny(cfg.Settings["token"], " \n\x01"):
				return nil, &driver.ConfigError{Field: "Settings[token]", Problem: "holds what no token has"}
			}
			c := &clerk{desk: newDesk(cfg.Settings["endpoint"], cfg.Transport), many: (*clerk).askMany, count: (*clerk).countLeft, find: (*clerk).look}
			change(c)
			return c, nil
		},
	}
}

func clerkSubject(vendor deletion.Vendor) DeletionSubject {
	s := deskSubject(func(*desk) {})
	s.Name, s.Open, s.Hosts, s.Secrets = "", nil, nil, nil
	s.Vendor = vendor
	s.Settings = func(endpoint string) map[string]string {
		return map[string]string{"endpoint": endpoint, "token": operatorKey}
	}
	s.DecodeAll = func(r Request) ([]string, error) {
		if r.Method == http.MethodGet {
			return nil, nil
		}
		var body struct {
			ID   string   `json:"machine_id"`
			List []string `json:"machine_ids"`
		}
		err := json.Unmarshal(r.Body, &body)
		if body.ID != "" {
			body.List = append(body.List, body.ID)
		}
		return body.List, err
	}
	s.ofVendor()
	return s
}

func TestTheClerkKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := clerkSubject(clerkVendor(func(*clerk) {}))
	s.Open = nil // as a caller has it
	RunDeletion(t, s)
}

func clerkWith(name string, change func(*clerk), fails string) deletionMutant {
	return deletionMutant{name: name, subject: clerkSubject(clerkVendor(change)), fails: fails}
}

// clerkMutants are mistakes in what a vendor does beside asking and following.
func clerkMutants() []deletionMutant {
	opened := func(name string, open func(deletion.VendorConfig, func(deletion.VendorConfig) (deletion.Requestor, error)) (deletion.Requestor, error)) deletionMutant {
		v := clerkVendor(func(*clerk) {})
		honest := v.Open
		v.Open = func(cfg deletion.VendorConfig) (deletion.Requestor, error) { return open(cfg, honest) }
		return deletionMutant{name: name, subject: clerkSubject(v), fails: "vendor-mistakes-named"}
	}
	type openFunc = func(deletion.VendorConfig) (deletion.Requestor, error)
	return []deletionMutant{
		opened("a-mistake-without-its-setting", func(cfg deletion.VendorConfig, honest openFunc) (deletion.Requestor, error) {
			r, err := honest(cfg)
			if err != nil {
				err = errors.New("clerk: wrongly configured")
			}
			return r, err
		}),
		opened("a-mistake-that-repeats-the-token", func(cfg deletion.VendorConfig, honest openFunc) (deletion.Requestor, error) {
			r, err := honest(cfg)
			if err != nil {
				err = &driver.ConfigError{Field: "Settings[token]", Problem: "not a token: " + cfg.Settings["token"]}
			}
			return r, err
		}),
		opened("a-panic-without-an-endpoint", func(cfg deletion.VendorConfig, honest openFunc) (deletion.Requestor, error) {
			r, err := honest(cfg)
			if cfg.Settings["endpoint"] == "" {
				_ = cfg.Settings["endpoint"][0]
			}
			return r, err
		}),
		clerkWith("outcomes-in-another-order", func(c *clerk) {
			c.many = func(c *clerk, ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
				outcomes, err := c.askMany(ctx, reqs)
				slices.Reverse(outcomes)
				return outcomes, err
			}
		}, "bulk-each-its-own"),
		clerkWith("one-that-is-no-id-spoils-all", func(c *clerk) {
			c.many = func(c *clerk, ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
				for _, req := range reqs {
					if err := req.Validate(); err != nil {
						return nil, err
					}
				}
				return c.askMany(ctx, reqs)
			}
		}, "bulk-each-its-own"),
		clerkWith("several-one-by-one", func(c *clerk) {
			c.many = func(c *clerk, ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
				var all []deletion.Outcome
				for _, req := range reqs {
					receipt, err := c.RequestDeletion(ctx, req)
					all = append(all, deletion.Outcome{Receipt: receipt, Err: err})
				}
				return all, nil
			}
		}, "bulk-each-its-own"),
		clerkWith("forgets-the-last-of-several", func(c *clerk) {
			c.many = func(c *clerk, ctx context.Context, reqs []deletion.Request) ([]deletion.Outcome, error) {
				outcomes, err := c.askMany(ctx, reqs[:len(reqs)-1])
				return append(outcomes, outcomes[0]), err
			}
		}, "bulk-each-its-own"),
		clerkWith("a-count-that-fails-is-zero", func(c *clerk) {
			c.count = func(c *clerk, ctx context.Context, id string) (int64, error) {
				n, err := c.countLeft(ctx, id)
				if errors.Is(err, deletion.ErrInvalidID) {
					return n, err
				}
				return n, nil
			}
		}, "count-only-what-is-said"),
		clerkWith("counts-whoever-is-named", func(c *clerk) {
			c.count = func(c *clerk, ctx context.Context, id string) (int64, error) {
				n, err := c.left(ctx, id)
				return int64(n), err
			}
		}, "count-only-what-is-said"),
		clerkWith("counts-to-one", func(c *clerk) {
			c.count = func(c *clerk, ctx context.Context, id string) (int64, error) {
				n, err := c.countLeft(ctx, id)
				return max(n-1, 0), err
			}
		}, "count-only-what-is-said"),
		clerkWith("a-look-that-deletes", func(c *clerk) {
			c.find = func(c *clerk, ctx context.Context, id string) (deletion.Found, error) {
				if _, err := c.ask(ctx, deletion.Request{MachineID: id}); err != nil {
					return deletion.Found{}, err
				}
				return c.look(ctx, id)
			}
		}, "find-changes-nothing"),
		clerkWith("looks-for-everybody", func(c *clerk) {
			c.find = func(c *clerk, ctx context.Context, id string) (deletion.Found, error) {
				n, err := c.left(ctx, id)
				return deletion.Found{Nothing: n == 0}, err
			}
		}, "find-changes-nothing"),
	}
}
