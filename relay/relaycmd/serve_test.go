//go:build !notelemetry

package relaycmd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/internal/standin/datadog"
	"github.com/gotoolbase/telemetry/internal/standin/posthog"
)

// selfSign writes a certificate with its key, and has the client take it.
func (p *place) selfSign(serial int64, until time.Time) {
	p.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "serve"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		p.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.Fatal(err)
	}
	p.write("relay.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})))
	p.write("relay.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}))
	p.certificate = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

const withTLS = "tls: {certificate: relay.crt, key: relay.key}"

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// inHand is what the log says when a vendor took a request.
const inHand = "a vendor has an erasure in hand"

func TestARequestOverTLSIsTakenAskedForListedShownExportedAndVerified(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.selfSign(1, time.Now().Add(time.Hour))
	p.declare(withTLS, "admin: 127.0.0.1:0")
	who := somebody(1)
	p.postHog.Capture(who.id, time.Now())
	r := p.start()
	if !strings.HasPrefix(r.public, "https://127.0.0.1:") {
		t.Errorf("it listens at %s", r.public)
	}
	id := r.post("mytool", who)
	r.log.expect(t, 1, inHand)
	if a := r.do(http.MethodGet, "/v1/erasures/"+id, ""); a.status != http.StatusOK || a.ID != id || a.State != "acknowledged" {
		t.Errorf("answered %+v", a)
	}
	if p.postHog.HasProfile(who.id) {
		t.Error("the profile is still there")
	}

	admin := r.url("/healthz")
	if code, text := get(t, http.DefaultClient, admin+"/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d %s", code, text)
	}
	if code, text := get(t, http.DefaultClient, admin+"/metrics"); code != http.StatusOK || !strings.Contains(text, `tool="mytool"`) {
		t.Errorf("metrics: %d %s", code, text)
	}
	for _, path := range []string{"/healthz", "/metrics"} {
		if code, _ := get(t, p.client(), r.public+path); code != http.StatusNotFound {
			t.Errorf("%s is %d where the tools come in", path, code)
		}
	}
	if code, _ := get(t, http.DefaultClient, admin+"/v1/erasures/"+id); code != http.StatusNotFound {
		t.Errorf("a receipt is %d where the operator looks", code)
	}

	// All this works while the relay does.
	ledger := p.path("ledger")
	if out := p.must("erasures", "list", "--ledger", ledger); !strings.HasPrefix(out, id+"\tmytool\tacknowledged\t"+who.id+"\t") || !strings.HasSuffix(out, "\tposthog acknowledged\n") {
		t.Errorf("list: %q", out)
	}
	if out := p.must("erasures", "show", id[:4], "--config", "relay.yaml"); !strings.Contains(out, "Machine ID: "+who.id+"\n") || !strings.Contains(out, "Receipt: "+p.postHog.PersonUUID(who.id)) {
		t.Errorf("show: %s", out)
	}
	var exported struct {
		ID    string
		Steps []struct{ Event string }
	}
	if out := p.must("erasures", "export", "--ledger", ledger); json.Unmarshal([]byte(out), &exported) != nil || exported.ID != id || len(exported.Steps) != 3 {
		t.Errorf("export: %s", out)
	}
	if out := p.must("erasures", "verify", "--ledger", ledger); !strings.Contains(out, "Ledger: as it was written\nLines: 5\nHead: ") {
		t.Errorf("verify: %s", out)
	}
	if out := p.must("erasures", "list", "--ledger", ledger, "--state", "verified"); out != "" {
		t.Errorf("list of verified ones: %q", out)
	}

	log := strings.Join(r.log.with(""), "\n")
	if strings.Contains(log, who.id) || strings.Contains(log, who.key) {
		t.Errorf("the log knows who it was:\n%s", log)
	}
	for _, line := range r.log.with("") {
		if !json.Valid([]byte(line)) {
			t.Errorf("in a pipe the log has %q", line)
		}
	}
	r.stop()
}

func TestBehindAProxyTheAddressIsTheOneThatTheProxyWrote(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("relay.yaml", "listen: 127.0.0.1:0\nbehind_proxy: true\nledger: ledger\nquiet: 24h\n"+
		"limits: {per_address: {per_second: 0.000001, burst: 1}}\ntools: {mytool: ["+p.postHogVendor()+"]}\n")
	r := p.start()
	if !strings.HasPrefix(r.public, "http://") {
		t.Errorf("it listens at %s", r.public)
	}
	for i, test := range []struct {
		forwarded string
		want      int
	}{
		{"192.0.2.1", http.StatusAccepted},
		{"192.0.2.1", http.StatusTooManyRequests},
		{"192.0.2.7, 192.0.2.1", http.StatusTooManyRequests}, // the first entry is anybody's
		{"192.0.2.1, 192.0.2.2", http.StatusAccepted},
	} {
		if a := r.do(http.MethodPost, "/v1/erasures", body("mytool", somebody(i)), "X-Forwarded-For", test.forwarded); a.status != test.want {
			t.Errorf("%s: answered %+v, want %d", test.forwarded, a, test.want)
		}
	}
	if log := strings.Join(r.log.with(""), "\n"); strings.Contains(log, "192.0.2") {
		t.Errorf("the log has an address:\n%s", log)
	}
}

func TestWithoutAProxyNobodyChoosesTheirAddress(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("relay.yaml", "listen: 127.0.0.1:0\nledger: ledger\n"+
		"limits: {per_address: {per_second: 0.000001, burst: 1}}\ntools: {mytool: ["+p.postHogVendor()+"]}\n")
	r := p.start()
	for i, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		if a := r.do(http.MethodPost, "/v1/erasures", body("mytool", somebody(i)), "X-Forwarded-For", fmt.Sprint("192.0.2.", i)); a.status != want {
			t.Errorf("answered %+v, want %d", a, want)
		}
	}
}

// What was acknowledged is on the disk, whatever becomes of the process.
func TestAKilledRelayKeepsEverything(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	// The vendor does not answer: the relay is killed in the middle of its calls.
	p.postHog.Break(posthog.Persons, posthog.Fault{Hang: true})
	const people = 20
	ids := map[string]person{}
	r := p.start()
	for n := range people {
		who := somebody(n)
		p.postHog.Capture(who.id, time.Now())
		ids[r.post("mytool", who)] = who
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	if out := p.must("erasures", "list", "--ledger", "ledger"); strings.Count(out, "\n") != people {
		t.Errorf("after the kill there are\n%s", out)
	}
	p.must("erasures", "verify", "--ledger", "ledger")

	p.postHog.Repair(posthog.Persons)
	again := p.start()
	again.log.expect(t, people, inHand)
	for id, who := range ids {
		if a := again.do(http.MethodGet, "/v1/erasures/"+id, ""); a.status != http.StatusOK || a.State != "acknowledged" {
			t.Errorf("answered %+v", a)
		}
		if p.postHog.HasProfile(who.id) {
			t.Error("a profile is still there")
		}
		// Who asks again gets the same receipt.
		if a := again.do(http.MethodPost, "/v1/erasures", body("mytool", who)); a.status != http.StatusOK || a.ID != id {
			t.Errorf("asked again, answered %+v", a)
		}
	}
	again.stop()
	p.must("erasures", "verify", "--ledger", "ledger")
}

func TestOnceTheDataIsGoneTheReceiptSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare("poll: 5ms")
	who := somebody(1)
	p.dataDog.Store(datadog.Log{Host: who.id, Service: "mylogs"})
	r := p.start()
	id := r.post("mylogs", who)
	r.log.expect(t, 1, inHand)
	p.dataDog.Run()
	p.dataDog.Advance(datadog.CancelWindow)
	p.dataDog.Run()
	p.dataDog.Run()
	r.log.expect(t, 1, "a vendor has erased")
	if a := r.do(http.MethodGet, "/v1/erasures/"+id, ""); a.State != "verified" {
		t.Errorf("answered %+v", a)
	}
	if out := p.must("erasures", "list", "--ledger", "ledger"); !strings.Contains(out, "\tverified\t") || !strings.HasSuffix(out, "\tdatadog verified\n") {
		t.Errorf("list: %s", out)
	}
	if len(p.dataDog.Logs()) > 0 {
		t.Error("the logs are still there")
	}
	r.stop()
}

func TestWhatWasRefusedIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	who := somebody(1)
	p.postHog.Capture(who.id, time.Now())
	p.postHog.Break(posthog.BulkDelete, posthog.Fault{Status: http.StatusBadRequest, Body: `{"detail":"no"}`})
	r := p.start()
	id := r.post("mytool", who)
	r.log.expect(t, 1, "a vendor refuses an erasure")
	r.stop()
	if out := p.must("erasures", "list", "--ledger", "ledger", "--state", "refused"); !strings.HasPrefix(out, id) {
		t.Errorf("list: %q", out)
	}
	if out := p.must("erasures", "show", id, "--ledger", "ledger"); !strings.Contains(out, "telemetry-relay erasures retry "+id[:12]+" --ledger ledger") {
		t.Errorf("show: %s", out)
	}
	if out := p.completes("erasures", "retry", "--ledger", "ledger", ""); !strings.HasPrefix(out, id+"\tmytool, refused") {
		t.Errorf("completion: %s", out)
	}
	p.postHog.Repair(posthog.BulkDelete)
	if out := p.must("erasures", "retry", id[:6], "--ledger", "ledger"); !strings.HasPrefix(out, "posthog is asked again: within a minute if the relay runs, else when it starts.\n") {
		t.Errorf("retry: %s", out)
	}
	again := p.start()
	again.log.expect(t, 1, inHand)
	again.stop()
	if out := p.must("erasures", "list", "--ledger", "ledger"); !strings.Contains(out, "\tacknowledged\t") {
		t.Errorf("list: %s", out)
	}
	p.fails(1, "nothing is left to a person here: telemetry-relay erasures show "+id[:12]+" --ledger ledger", "erasures", "retry", id, "--ledger", "ledger")
}

func TestThereIsOneRelayForALedger(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	r := p.start()
	p.fails(1, "a relay is at work in "+p.path("ledger"), "serve", "--config", "relay.yaml")
	p.must("serve", "--config", "relay.yaml", "--check") // it only looks
	r.stop()
}

func TestAnAddressThatIsTakenIsSaidSo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p.declare()
	text, _ := os.ReadFile(p.path("relay.yaml"))
	p.write("relay.yaml", strings.Replace(string(text), "127.0.0.1:0", taken.Addr().String(), 1))
	p.fails(1, "telemetry-relay: cannot listen: ", "serve", "--config", "relay.yaml")
	p.write("relay.yaml", "admin: "+taken.Addr().String()+"\n"+string(text))
	p.fails(1, "telemetry-relay: cannot listen: ", "serve", "--config", "relay.yaml")
}

// damage changes a byte in the middle of the ledger.
func (p *place) damage() {
	p.Helper()
	file := p.path("ledger/ledger.jsonl")
	content, err := os.ReadFile(file)
	if err != nil {
		p.Fatal(err)
	}
	at := strings.Index(string(content), `"machine_id":"`) + len(`"machine_id":"`)
	content[at] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		p.Fatal(err)
	}
}

func TestADamagedLedgerStopsTheRelayUntilItIsRepaired(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	r := p.start()
	lost := r.post("mytool", somebody(1))
	kept := r.post("mytool", somebody(2))
	r.stop()
	p.must("erasures", "repair", "--ledger", "ledger", "--yes") // leaves it as it is
	p.must("erasures", "verify", "--ledger", "ledger")
	p.damage()

	const says = "line 3 of the ledger (at byte "
	const hint = "telemetry-relay erasures repair --ledger "
	if out := p.fails(1, says, "erasures", "verify", "--ledger", "ledger"); !strings.Contains(out, "Ledger: DAMAGED\nDamaged line: 3\nLines before it: 2\n") {
		t.Errorf("verify: %s", out)
	}
	if out := p.fails(1, hint+"ledger", "erasures", "verify", "--ledger", "ledger", "--output", "json"); !strings.Contains(out, `"damaged_line": 3`) {
		t.Errorf("verify: %s", out)
	}
	p.fails(1, says, "erasures", "list", "--ledger", "ledger")
	p.fails(1, says, "erasures", "export", "--ledger", "ledger")
	p.fails(1, hint+p.path("ledger"), "serve", "--config", "relay.yaml")
	p.fails(2, hint, "serve", "--config", "relay.yaml", "--check")
	p.fails(2, "there is no terminal to ask at: add --yes if this is meant", "erasures", "repair", "--ledger", "ledger")
	p.fails(1, says, "erasures", "verify", "--ledger", "ledger")

	out := p.must("erasures", "repair", "--ledger", "ledger", "--yes")
	if !strings.HasPrefix(out, "Ledger: usable again\n") || !strings.Contains(out, "As it was: "+"ledger") {
		t.Errorf("repair: %s", out)
	}
	p.must("erasures", "verify", "--ledger", "ledger")
	if out := p.must("erasures", "list", "--ledger", "ledger"); !strings.HasPrefix(out, kept) || strings.Contains(out, lost) {
		t.Errorf("list: %s", out)
	}
	again := p.start()
	again.post("mytool", somebody(1)) // a tool that does not find its receipt asks again
	p.fails(1, "a relay is at work in ledger", "erasures", "repair", "--ledger", "ledger", "--yes")
	again.stop()
}

func TestACertificateThatEndedIsFoundByCheck(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.selfSign(1, time.Now().Add(-time.Minute))
	p.declare(withTLS)
	p.fails(2, "line 1: tls: certificate: it ended on ", "serve", "--config", "relay.yaml", "--check")
	p.selfSign(1, time.Now().Add(time.Hour))
	if out := p.must("serve", "--config", "relay.yaml", "--check"); !strings.Contains(out, "Listens: https://127.0.0.1:0 for requests of tools, /healthz and /metrics\nCertificate: until ") {
		t.Errorf("check: %s", out)
	}
	p.write("relay.crt", "noise")
	p.fails(2, "line 1: tls: the files are not a certificate and its key", "serve", "--config", "relay.yaml", "--check")
}

func TestTheLogIsTextWhereItIsWanted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	r := &running{p: p, log: newLines(), ended: make(chan struct{})}
	r.cmd = p.command("serve", "--config", "relay.yaml", "--log", "text")
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.ended) }()
	if line := r.log.expect(t, 1, "listening")[0]; !strings.Contains(line, "level=INFO msg=listening url=http://127.0.0.1:") {
		t.Errorf("the log says %q", line)
	}
	r.stop()
}
