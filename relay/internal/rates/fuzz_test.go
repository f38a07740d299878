package rates_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
)

// Whatever proxies and clients write into X-Forwarded-For, a client has an address without a
// zone and in one form; and who comes past the proxies has the one of the connection.
func FuzzClient(f *testing.F) {
	for _, forwarded := range []string{"", "203.0.113.7", "203.0.113.7, 10.0.0.2", "::ffff:203.0.113.7", "[2001:db8::1%eth0]:443", "unknown", ",,,", "10.0.0.1,10.0.0.2"} {
		f.Add("10.0.0.1:1234", forwarded)
		f.Add("198.51.100.4:1234", forwarded)
	}
	f.Add("", "x")
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		req := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		var address netip.Addr
		var ok bool
		// An entry of one byte has a header of 16, and one that is no address an error for each of
		// two forms.
		fuzzing.Allocs(t, len(forwarded)+len(remote), 4<<10, 64, func() { address, ok = rates.Client(req, proxies) })
		if !ok {
			return
		}
		if address.Zone() != "" || address.Is4In6() || !address.IsValid() {
			t.Errorf("%q and %q are %v", remote, forwarded, address)
		}
		alone, _ := rates.Client(&http.Request{RemoteAddr: remote}, nil)
		if !proxies[0].Contains(alone) && address != alone {
			t.Errorf("%q and %q are %v, though nobody may say so", remote, forwarded, address)
		}
	})
}
