//go:build !notelemetry

package rates_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/relay/internal/rates"
)

func TestWhoComesTooOftenIsToldHowLongToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := rates.New(rates.Rate{PerSecond: 0.5, Burst: 3})
		for n := range 3 {
			if wait := table.Take("a"); wait != 0 {
				t.Fatalf("%d: %v", n, wait)
			}
		}
		wait := table.Take("a")
		if wait < 2*time.Second || wait > 2*time.Second+time.Millisecond {
			t.Errorf("got %v, want 2 s", wait)
		}
		if table.Take("b") != 0 {
			t.Error("another has to wait too")
		}
		time.Sleep(wait)
		if table.Take("a") != 0 || table.Take("a") == 0 {
			t.Error("after the wait there is room for one")
		}
	})
}

func TestNobodyWaitsForYears(t *testing.T) {
	t.Parallel()
	table := rates.New(rates.Rate{PerSecond: 1e-12, Burst: 1})
	table.Take("a")
	if wait := table.Take("a"); wait != time.Hour {
		t.Errorf("got %v", wait)
	}
}

func TestATableTakesNoMemoryForAnAddress(t *testing.T) {
	table := rates.New(rates.Rate{PerSecond: 1, Burst: 1})
	addresses := make([]string, 100_000)
	for i := range addresses {
		addresses[i] = fmt.Sprint(i)
	}
	if n := testing.AllocsPerRun(1, func() {
		for _, a := range addresses {
			table.Take(a)
		}
	}); n > 0 {
		t.Errorf("%v allocations for %d addresses", n, len(addresses))
	}
}

func TestNobodyChoosesWhomARequestCountsFor(t *testing.T) {
	t.Parallel()
	var proxies []netip.Prefix
	for _, network := range []string{"10.0.0.0/8", "2001:db8:ffff::/48"} {
		proxies = append(proxies, netip.MustParsePrefix(network))
	}
	for name, c := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"an address":                           {"192.0.2.1:1000", nil, "192.0.2.1"},
		"a header of somebody who is no proxy": {"192.0.2.1:1000", []string{"198.51.100.1"}, "192.0.2.1"},
		"a header of a proxy":                  {"10.0.0.1:1000", []string{"198.51.100.1"}, "198.51.100.1"},
		"what a client put before it":          {"10.0.0.1:1000", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		"what a client put in another line":    {"10.0.0.1:1000", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		"two proxies":                          {"10.0.0.1:1000", []string{"203.0.113.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"a proxy over IPv6":                    {"[2001:db8:ffff::1]:1000", []string{"198.51.100.1"}, "198.51.100.1"},
		"a proxy as IPv4 in IPv6":              {"[::ffff:10.0.0.1]:1000", []string{"198.51.100.1"}, "198.51.100.1"},
		"an address with a port":               {"10.0.0.1:1000", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		"no address":                           {"10.0.0.1:1000", []string{"unknown"}, "10.0.0.1"},
		"no address before a proxy":            {"10.0.0.1:1000", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		"an empty header":                      {"10.0.0.1:1000", []string{""}, "10.0.0.1"},
		"no header":                            {"10.0.0.1:1000", nil, "10.0.0.1"},
		"a network of IPv6":                    {"[2001:db8:1:2::3]:1000", nil, "2001:db8:1:2::/64"},
		"an IPv6 address from a proxy":         {"10.0.0.1:1000", []string{"[2001:db8:1:2::3]"}, "2001:db8:1:2::/64"},
		"a zone":                               {"[fe80::1%eth0]:1000", nil, "fe80::/64"},
		"a Unix socket":                        {"@", []string{"198.51.100.1"}, "@"},
	} {
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		req.RemoteAddr = c.remote
		req.Header["X-Forwarded-For"] = c.forwarded
		if got := rates.Address(req, proxies); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
