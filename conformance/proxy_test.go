package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// proxiedClient is a client as production has it: no Config.Transport, but a proxy from
// the environment and a certificate authority that the system trusts.
func proxiedClient(t *testing.T, p *probe) *http.Client {
	t.Helper()
	way, err := p.wire.proxied()
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(way.url())
	if err != nil {
		t.Fatal(err)
	}
	roots, err := trustedRoots()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(address), TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func aProbe(t *testing.T) *probe {
	t.Helper()
	s := httpSubject()
	shared := &session{subject: &s, base: sampleBase}
	p, err := newProbe(shared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.close(); shared.cleanup() })
	return p
}

func TestTheProxyLeadsToTheVendorWhateverTheHost(t *testing.T) {
	t.Parallel()
	p := aProbe(t)
	p.server.reactWith(answer(Answer{Status: 202, Body: "taken"}))
	resp, err := proxiedClient(t, p).Post("https://any.vendor.test/in", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != "taken" || resp.StatusCode != 202 {
		t.Errorf("answered %d %q, %v", resp.StatusCode, text, err)
	}
	if seen := p.server.seen(); len(seen) != 1 || seen[0].URL != "https://any.vendor.test/in" || string(seen[0].Body) != "hello" {
		t.Errorf("the vendor saw %v", seen)
	}
	if asked := p.wire.asked(); len(asked) != 1 || asked[0].String() != "https://any.vendor.test" {
		t.Errorf("asked for %v", asked)
	}
}

func TestTheProxyCarriesNothingInPlainText(t *testing.T) {
	t.Parallel()
	p := aProbe(t)
	resp, err := proxiedClient(t, p).Get("http://any.vendor.test/in")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway || len(p.server.seen()) > 0 {
		t.Errorf("answered %d, and the vendor saw %d requests", resp.StatusCode, len(p.server.seen()))
	}
	if asked := p.wire.asked(); len(asked) != 1 || asked[0].Scheme != "http" {
		t.Errorf("asked for %v", asked)
	}
}

func TestWhatStrikesTheVendorStrikesThroughTheProxy(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(*probe){
		"reset instead of an answer": func(p *probe) { p.server.reactWith(drop) },
		"refused":                    func(p *probe) { p.wire.dialWith(refuse) },
		"expired certificate":        withCertificate(expired),
		"nobody answers":             func(p *probe) { p.wire.dialWith(p.wire.blackhole) },
	} {
		p := aProbe(t)
		arrange(p)
		limit := longTime()
		if name == "nobody answers" {
			limit = shortTime()
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://any.vendor.test/in", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := proxiedClient(t, p).Do(r)
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: answered %d", name, resp.StatusCode)
		}
		if errors.Is(err, context.DeadlineExceeded) != (name == "nobody answers") {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
