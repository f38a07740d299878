package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// pin is the receiver that the administrator's policy names in the place of the author's.
type pin struct {
	named     bool
	selection selection
	err       error // why it cannot be used; then there is no receiver, and telemetry is off
	// unknown says that there is a policy which cannot be read or understood: it may name one.
	unknown bool
}

// readPolicy reads the administrator's policy. The receiver that it names is that of
// selectBackend until the next call: what one decision leads to has one receiver.
func (in *installation) readPolicy() consent.Policy {
	policy := consent.ReadPolicies(in.policy...)
	switch {
	case omitted || !policy.Pinned && !policy.Unknown:
		in.pinned.Store(unpinned)
		return policy
	case !policy.Pinned:
		in.pinned.Store(&pin{unknown: true})
		return policy
	}
	p := &pin{named: true}
	if p.selection, p.err = in.selectPinned(policy.Receiver); p.err != nil {
		p.err = fmt.Errorf("the administrator's policy names a receiver that cannot be used: %w", p.err)
		if policy.Verdict != consent.No {
			policy = consent.Policy{Verdict: consent.No, Detail: "names a receiver that cannot be used, which counts as no"}
		}
	}
	in.pinned.Store(p)
	return policy
}

// unpinned is what nearly every command finds, so it is not made anew.
var unpinned = &pin{}

// pin returns what readPolicy found last.
func (in *installation) pin() *pin {
	p := in.pinned.Load()
	if p == nil {
		in.readPolicy()
		p = in.pinned.Load()
	}
	return p
}

var (
	errPinNotUnderstood = errors.New("the line is not like: receiver http https://collector.corp.example/v1/events")
	errPinAddress       = errors.New("its address is not an absolute https:// URL without user name, password and fragment " +
		"(http:// is for this machine only)")
)

// maxHost is what the names of hosts are limited to by RFC 1035.
const maxHost = 253

// selectPinned makes a selection of an address alone: what the author declared for another
// receiver, keys among it, is not for this one.
func (in *installation) selectPinned(r consent.Receiver) (selection, error) {
	if r.Backend == "" {
		return selection{}, errPinNotUnderstood
	}
	drivers, err := linkedDrivers(in.tool.Telemetry)
	if err != nil {
		return selection{}, err
	}
	const setting = "endpoint"
	d, linked := drivers[r.Backend]
	switch {
	case !linked:
		return selection{}, fmt.Errorf("the backend %q is not linked into %s, which has %s",
			r.Backend, in.tool.Name, strings.Join(slices.Sorted(maps.Keys(drivers)), ", "))
	case !slices.ContainsFunc(d.Settings, func(s driver.Setting) bool { return s.Name == setting }):
		return selection{}, fmt.Errorf("the backend %q takes no address", r.Backend)
	}
	if u, err := driverhttp.CheckEndpoint(r.Endpoint, false); err != nil || len(u.Hostname()) > maxHost {
		return selection{}, errPinAddress
	}
	s := selection{driver: d, pinned: true}
	if s.settings, err = d.Resolve(map[string]string{setting: r.Endpoint}); err == nil {
		err = s.check(in, "its line")
	}
	if err != nil {
		return selection{}, fmt.Errorf("the backend %q cannot be used with that address alone: %w", r.Backend, err)
	}
	return s, nil
}
