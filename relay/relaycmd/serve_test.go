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
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
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
const inHand = "a vendor has a deletion in hand"

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
	if a := r.do(http.MethodGet, "/v1/deletions/"+id, ""); a.status != http.StatusOK || a.ID != id || a.State != "acknowledged" {
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
	if code, _ := get(t, http.DefaultClient, admin+"/v1/deletions/"+id); code != http.StatusNotFound {
		t.Errorf("a receipt is %d where the operator looks", code)
	}

	// All this works while the relay does.
	ledger := "sqlite:data/relay.db"
	if out := p.must("deletions", "list", "--database", ledger); !strings.HasPrefix(out, id+"\tmytool\tacknowledged\t"+who.id+"\t") || !strings.HasSuffix(out, "\tposthog acknowledged\n") {
		t.Errorf("list: %q", out)
	}
	if out := p.must("deletions", "show", id[:4], "--config", "relay.yaml"); !strings.Contains(out, "Machine ID: "+who.id+"\n") || !strings.Contains(out, "Receipt: "+p.postHog.PersonUUID(who.id)) {
		t.Errorf("show: %s", out)
	}
	var exported struct {
		ID    string
		Steps []struct{ Event string }
	}
	if out := p.must("deletions", "export", "--database", ledger); json.Unmarshal([]byte(out), &exported) != nil || exported.ID != id || len(exported.Steps) != 3 {
		t.Errorf("export: %s", out)
	}
	if out := p.must("deletions", "verify", "--database", ledger); !strings.Contains(out, "Ledger: as it was written\nLines: 3\nDeletions: 1\nHead: ") {
		t.Errorf("verify: %s", out)
	}
	if out := p.must("deletions", "list", "--database", ledger, "--state", "verified"); out != "" {
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
	p.write("relay.yaml", "listen: 127.0.0.1:0\nproxies: [127.0.0.0/8]\ndatabase: sqlite:data/relay.db\nquiet: 24h\n"+
		"limits: {per_address: {per_second: 0.000001, burst: 1}}\ntools: {mytool: {deletions: ["+p.postHogVendor()+"]}}\n")
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
		if a := r.do(http.MethodPost, "/v1/deletions", body("mytool", somebody(i)), "X-Forwarded-For", test.forwarded); a.status != test.want {
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
	p.write("relay.yaml", "listen: 127.0.0.1:0\ndatabase: sqlite:data/relay.db\n"+
		"limits: {per_address: {per_second: 0.000001, burst: 1}}\ntools: {mytool: {deletions: ["+p.postHogVendor()+"]}}\n")
	r := p.start()
	for i, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		if a := r.do(http.MethodPost, "/v1/deletions", body("mytool", somebody(i)), "X-Forwarded-For", fmt.Sprint("192.0.2.", i)); a.status != want {
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
	if out := p.must("deletions", "list", "--database", "sqlite:data/relay.db"); strings.Count(out, "\n") != people {
		t.Errorf("after the kill there are\n%s", out)
	}
	p.must("deletions", "verify", "--database", "sqlite:data/relay.db")

	p.postHog.Repair(posthog.Persons)
	p.leasesEnd()
	again := p.start()
	again.log.expect(t, people, inHand)
	for id, who := range ids {
		if a := again.do(http.MethodGet, "/v1/deletions/"+id, ""); a.status != http.StatusOK || a.State != "acknowledged" {
			t.Errorf("answered %+v", a)
		}
		if p.postHog.HasProfile(who.id) {
			t.Error("a profile is still there")
		}
		// Who asks again gets the same receipt.
		if a := again.do(http.MethodPost, "/v1/deletions", body("mytool", who)); a.status != http.StatusOK || a.ID != id {
			t.Errorf("asked again, answered %+v", a)
		}
	}
	again.stop()
	p.must("deletions", "verify", "--database", "sqlite:data/relay.db")
}

// leasesEnd is ten minutes later: what a relay that was killed was at is anybody's again.
func (p *place) leasesEnd() {
	p.Helper()
	p.change(`UPDATE deletion_vendors SET next = 0 WHERE holder <> ''`)
}

// change changes the database by hand.
func (p *place) change(statement string) {
	p.Helper()
	db, err := store.Open(p.Context(), "sqlite:"+p.path("data/relay.db"), deletions.Schema())
	if err != nil {
		p.Fatal(err)
	}
	defer db.Close()
	if err := db.Write(p.Context(), func(tx *store.Tx) error {
		n, err := tx.Exec(p.Context(), statement)
		if err == nil && n == 0 {
			p.Errorf("%s changed nothing", statement)
		}
		return err
	}); err != nil {
		p.Fatal(err)
	}
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
	r.log.expect(t, 1, "a vendor has deleted")
	if a := r.do(http.MethodGet, "/v1/deletions/"+id, ""); a.State != "verified" {
		t.Errorf("answered %+v", a)
	}
	if out := p.must("deletions", "list", "--database", "sqlite:data/relay.db"); !strings.Contains(out, "\tverified\t") || !strings.HasSuffix(out, "\tdatadog verified\n") {
		t.Errorf("list: %s", out)
	}
	if len(p.dataDog.Stored(who.id)) > 0 {
		t.Error("the logs are still there")
	}
	r.stop()
}

// A key of another project finds nothing of anybody.
func TestCheckNamesACanaryThatWasNotFound(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file, err := os.ReadFile(p.declare())
	if err != nil {
		t.Fatal(err)
	}
	const says = "the canary was not found when it was looked up last"
	if said := p.must("serve", "--config", "relay.yaml", "--check"); strings.Contains(said, says) {
		t.Errorf("before it is looked up: %s", said)
	}
	p.write("relay.yaml", strings.ReplaceAll(string(file), canary().id, somebody(99).id))
	r := p.start()
	who := r.post("mytool", somebody(1))
	r.log.expect(t, 1, "nothing is called verified until the canary is found")
	r.stop()
	said := strings.Join(strings.Fields(p.must("serve", "--config", "relay.yaml", "--check")), " ")
	if !strings.Contains(said, "posthog: "+says) || strings.Contains(said, somebody(99).id) {
		t.Errorf("check says %s", said)
	}
	if shown := p.must("deletions", "show", who, "--config", "relay.yaml"); !strings.Contains(shown, "Canary") {
		t.Errorf("show says %s", shown)
	}
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
	r.log.expect(t, 1, "a vendor refuses a deletion")
	r.stop()
	if out := p.must("deletions", "list", "--database", "sqlite:data/relay.db", "--state", "refused"); !strings.HasPrefix(out, id) {
		t.Errorf("list: %q", out)
	}
	if out := p.must("deletions", "show", id, "--database", "sqlite:data/relay.db"); !strings.Contains(out, "telemetry-relay deletions retry "+id[:12]+" --database sqlite:data/relay.db") {
		t.Errorf("show: %s", out)
	}
	if out := p.completes("deletions", "retry", "--database", "sqlite:data/relay.db", ""); !strings.HasPrefix(out, id+"\tmytool, refused") {
		t.Errorf("completion: %s", out)
	}
	p.postHog.Repair(posthog.BulkDelete)
	if out := p.must("deletions", "retry", id[:6], "--database", "sqlite:data/relay.db"); !strings.HasPrefix(out, "posthog is asked again: within a minute if a relay runs, else when it starts.\n") {
		t.Errorf("retry: %s", out)
	}
	again := p.start()
	again.log.expect(t, 1, inHand)
	again.stop()
	if out := p.must("deletions", "list", "--database", "sqlite:data/relay.db"); !strings.Contains(out, "\tacknowledged\t") {
		t.Errorf("list: %s", out)
	}
	p.fails(1, "nothing is left to a person here: telemetry-relay deletions show "+id[:12]+" --database sqlite:data/relay.db", "deletions", "retry", id, "--database", "sqlite:data/relay.db")
}

func TestTwoRelaysShareALedger(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	one, other := p.start(), p.start()
	first := one.post("mytool", somebody(1))
	if a := other.do(http.MethodPost, "/v1/deletions", body("mytool", somebody(1))); a.ID != first {
		t.Errorf("the other answered %+v", a)
	}
	second := other.post("mytool", somebody(2))
	if a := one.do(http.MethodGet, "/v1/deletions/"+second, ""); a.status != http.StatusOK || a.ID != second {
		t.Errorf("the one answered %+v", a)
	}
	p.must("serve", "--config", "relay.yaml", "--check") // it only looks
	one.stop()
	other.stop()
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

func TestADamagedLedgerIsToldAndTheWorkGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	r := p.start()
	r.post("mytool", somebody(1))
	kept := r.post("mytool", somebody(2))
	r.stop()
	p.must("deletions", "verify", "--database", "sqlite:data/relay.db")
	p.change(`UPDATE deletion_steps SET line = REPLACE(line, 'mytool', 'mytoot') WHERE seq = 1`)
	const says = "the ledger is not as it was written"
	if out := p.fails(1, says, "deletions", "verify", "--database", "sqlite:data/relay.db"); !strings.Contains(out, "Ledger: DAMAGED, in 2 places\nDamage: line 2: it, or the line before it, is not as it was written\nDamage: deletion ") {
		t.Errorf("verify: %s", out)
	}
	if out := p.fails(1, says, "deletions", "verify", "--database", "sqlite:data/relay.db", "--output", "json"); !strings.Contains(out, `"damaged_places": 2`) {
		t.Errorf("verify: %s", out)
	}
	again := p.start()
	again.log.expect(t, 1, "the evidence is not as it was written")
	if a := again.do(http.MethodGet, "/v1/deletions/"+kept, ""); a.ID != kept {
		t.Errorf("answered %+v", a)
	}
	again.post("mytool", somebody(3))
	again.stop()
}

func TestACertificateThatEndedIsFoundByCheck(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.selfSign(1, time.Now().Add(-time.Minute))
	p.declare(withTLS)
	p.fails(2, "line 1: tls: certificate: it ended on ", "serve", "--config", "relay.yaml", "--check")
	p.selfSign(1, time.Now().Add(time.Hour))
	if out := p.must("serve", "--config", "relay.yaml", "--check"); !strings.Contains(out, "Listens: https://127.0.0.1:0 for requests of tools\nNowhere: are /healthz, /metrics and /report: set admin to have them\nCertificate: until ") {
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

// At /report are single installations, and nobody is asked for a password there.
func TestAnAdminAddressThatOtherMachinesReachIsWarnedOf(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare("admin: 0.0.0.0:0")
	r := p.start()
	r.log.expect(t, 1, `"WARN","msg":"admin is no address of this machine alone`)
}

// A page in a browser on this machine can have a name of its own lead to 127.0.0.1.
func TestTheAdminAddressOfThisMachineAnswersToNoOtherName(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare("admin: 127.0.0.1:0")
	r := p.start()
	for host, want := range map[string]int{"evil.example": http.StatusMisdirectedRequest, "evil.example:9090": http.StatusMisdirectedRequest, "localhost": http.StatusOK, "127.0.0.1:1": http.StatusOK, "[::1]:2": http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url("/healthz")+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("as %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}
