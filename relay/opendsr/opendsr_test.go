//go:build !notelemetry

package opendsr_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
	"github.com/gotoolbase/telemetry/relay/opendsr"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	domain  = "opendsr.example.com"
	token   = "t0ken-t0ken-t0ken-t0ken-acme"
	other   = "t0ken-t0ken-t0ken-t0ken-else"
	machine = "0123456789abcdef0123456789abcdef"
	id      = "a7551968-d5d6-44b2-9831-815ac9017798"
)

// vendor deletes at once, or when it is let.
type vendor struct {
	let chan struct{}
	mu  sync.Mutex
	err error
	ids []string
}

func (v *vendor) RequestDeletion(ctx context.Context, r deletion.Request) (deletion.Receipt, error) {
	select {
	case <-v.let:
	case <-ctx.Done():
		return deletion.Receipt{}, ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ids = append(v.ids, r.Tool+" "+r.MachineID)
	return deletion.Receipt{State: deletion.Verified}, v.err
}

func (v *vendor) Status(_ context.Context, r deletion.Receipt) (deletion.Receipt, error) {
	return r, nil
}

// world is an endpoint with all that it needs, and a controller that is called back.
type world struct {
	*testing.T
	db       *store.DB
	relay    *deletions.Relay
	vendor   *vendor
	endpoint *opendsr.Endpoint
	url      string
	log      *bytes.Buffer
	now      time.Time

	controller *httptest.Server
	mu         sync.Mutex
	answer     int
	calls      []call
}

type call struct {
	header http.Header
	body   []byte
}

// newWorld makes one. A quiet period keeps the deletions waiting.
func newWorld(t *testing.T, url string, quiet time.Duration) *world {
	w := &world{T: t, vendor: &vendor{let: make(chan struct{})}, log: &bytes.Buffer{}, answer: http.StatusAccepted, now: time.Now()}
	var err error
	if w.db, err = store.Open(t.Context(), url, deletions.Schema(), opendsr.Schema()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	vendors := []deletions.Vendor{{Name: "vendor", Requestor: w.vendor}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	relay, err := deletions.New(deletions.Config{
		Ledger: deletions.NewLedger(w.db), Quiet: quiet,
		Tools: map[string][]deletions.Vendor{"mytool": vendors, "othertool": vendors},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.relay = relay
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- relay.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	w.controller = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, call{r.Header, body})
		rw.WriteHeader(w.answer)
	}))
	t.Cleanup(w.controller.Close)
	w.endpoint, err = opendsr.New(w.config(func(c *opendsr.Config) { c.Relay, c.Log = relay, log }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.endpoint.Close)
	server := httptest.NewServer(w.endpoint)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) config(change func(*opendsr.Config)) opendsr.Config {
	c := opendsr.Config{
		DB: w.db, Tools: []string{"mytool", "othertool"}, Domain: domain, Certificate: certificate(w.T, newECDSA(w.T)), Due: 30 * 24 * time.Hour,
		Controllers: []opendsr.Controller{
			{ID: "acme", Token: token, CallbackHosts: []string{strings.TrimPrefix(w.controller.URL, "https://")}},
			{ID: "else", Token: other},
		},
		Transport: w.controller.Client().Transport,
		Now:       func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
	}
	change(&c)
	return c
}

func newECDSA(t *testing.T) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certificate is one that an authority could have given to the domain.
func certificate(t *testing.T, key crypto.Signer) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// ask sends a request, and holds the answer to its signature.
func (w *world) ask(method, path, token, body string) (int, map[string]any) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	w.checkSignature(resp.Header, got)
	said := map[string]any{}
	if err := json.Unmarshal(got, &said); err != nil {
		w.Fatalf("%s %s: %v in %q", method, path, err, got)
	}
	return resp.StatusCode, said
}

// checkSignature does what a controller does: section 8.8 of the specification.
func (w *world) checkSignature(h http.Header, body []byte) {
	w.Helper()
	resp, err := http.Get(w.url + "/v2/certificate.pem")
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	block, _ := pem.Decode(text)
	if block == nil {
		w.Fatalf("no certificate but %q", text)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		w.Fatal(err)
	}
	for _, name := range []string{"X-OpenDSR-", "X-OpenGDPR-"} {
		if got := h.Get(name + "Processor-Domain"); got != domain || leaf.VerifyHostname(got) != nil {
			w.Errorf("%sProcessor-Domain is %q", name, got)
		}
		signature, err := base64.StdEncoding.DecodeString(h.Get(name + "Signature"))
		if err != nil {
			w.Error(err)
		}
		algorithm := map[x509.PublicKeyAlgorithm]x509.SignatureAlgorithm{x509.RSA: x509.SHA256WithRSA, x509.ECDSA: x509.ECDSAWithSHA256}[leaf.PublicKeyAlgorithm]
		if err := leaf.CheckSignature(algorithm, body, signature); err != nil {
			w.Errorf("%sSignature: %v", name, err)
		}
	}
}

// body is a request, with some of its fields changed or, where nil, removed.
func (w *world) body(changes map[string]any) string {
	fields := map[string]any{
		"regulation": "gdpr", "subject_request_id": id, "subject_request_type": "erasure", "submitted_time": "2026-11-20T15:00:00Z",
		"subject_identities": []any{map[string]any{"identity_type": "controller_customer_id", "identity_value": machine, "identity_format": "raw"}},
		"api_version":        "2.0",
		"extensions":         map[string]any{domain: map[string]any{"tool": "mytool"}, "other.example.com": "theirs"},
	}
	for name, value := range changes {
		if fields[name] = value; value == nil {
			delete(fields, name)
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

func (w *world) callback() map[string]any {
	return map[string]any{"status_callback_urls": []any{w.controller.URL + "/callbacks?for=us"}}
}

// until looks at a request until it has a status. The work behind it is other goroutines'.
func (w *world) until(status string) map[string]any {
	w.Helper()
	for {
		code, said := w.ask("GET", "/v2/requests/"+id, token, "")
		if code != http.StatusOK {
			w.Fatalf("%d %v", code, said)
		}
		if said["request_status"] == status {
			return said
		}
		select {
		case <-w.Context().Done():
			w.Fatalf("it stays %v", said)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// called returns the calls so far, whose signatures hold.
func (w *world) called() (statuses []string) {
	w.Helper()
	w.mu.Lock()
	calls := slices.Clone(w.calls)
	w.mu.Unlock()
	for _, c := range calls {
		w.checkSignature(c.header, c.body)
		var said map[string]string
		fields := map[string]any{}
		if err := json.Unmarshal(c.body, &fields); err != nil {
			w.Fatal(err)
		}
		said = map[string]string{}
		for name, v := range fields {
			said[name] = fmt.Sprint(v)
		}
		if said["controller_id"] != "acme" || said["subject_request_id"] != id || said["status_callback_url"] != w.controller.URL+"/callbacks?for=us" ||
			said["expected_completion_time"] == "" {
			w.Errorf("called with %s", c.body)
		}
		statuses = append(statuses, said["request_status"])
	}
	return statuses
}

func (w *world) round() {
	w.Helper()
	if err := w.endpoint.Round(w.Context()); err != nil {
		w.Error(err)
	}
}

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

func sqlite(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "db", "relay.db") }

// eachEngine runs a test on both databases.
func eachEngine(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); test(t, sqlite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); test(t, pgtest.Start(t).Database()) })
}

func TestDiscoverySaysWhatIsSupported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Hour)
	code, said := w.ask("GET", "/v2/discovery", "", "")
	text, _ := json.Marshal(said)
	want := `{"api_version":"2.0","processor_certificate":"https://opendsr.example.com/v2/certificate.pem",` +
		`"supported_identities":[{"identity_format":"raw","identity_type":"controller_customer_id"}],"supported_subject_request_types":["erasure"]}`
	if code != http.StatusOK || string(text) != want {
		t.Errorf("%d %s", code, text)
	}
}

func TestAControllerHasAMachineDeletedAndIsCalledAtEachChange(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, url string) {
		w := newWorld(t, url, time.Nanosecond)
		body := w.body(w.callback())
		code, said := w.ask("POST", "/v2/requests", token, body)
		encoded, _ := base64.StdEncoding.DecodeString(fmt.Sprint(said["encoded_request"]))
		if code != http.StatusCreated || said["controller_id"] != "acme" || said["subject_request_id"] != id || string(encoded) != body ||
			said["received_time"] == nil || said["expected_completion_time"] == nil {
			t.Fatalf("%d %v", code, said)
		}
		w.until("in_progress") // the vendor was called, and takes its time
		w.round()
		close(w.vendor.let)
		w.until("completed")
		w.pass(time.Minute)
		w.round()
		if got := w.called(); !slices.Equal(got, []string{"in_progress", "completed"}) && !slices.Equal(got, []string{"pending", "in_progress", "completed"}) {
			t.Errorf("called with %q", got)
		}
		w.vendor.mu.Lock()
		defer w.vendor.mu.Unlock()
		if !slices.Equal(w.vendor.ids, []string{"mytool " + machine}) {
			t.Errorf("the vendor was asked for %q", w.vendor.ids)
		}
	})
}

func TestARequestWithoutAToolIsAboutAllOfThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Nanosecond)
	close(w.vendor.let)
	if code, said := w.ask("POST", "/v2/requests", token, w.body(map[string]any{"extensions": nil})); code != http.StatusCreated {
		t.Fatalf("%d %v", code, said)
	}
	w.until("completed")
	w.vendor.mu.Lock()
	defer w.vendor.mu.Unlock()
	slices.Sort(w.vendor.ids)
	if !slices.Equal(w.vendor.ids, []string{"mytool " + machine, "othertool " + machine}) {
		t.Errorf("the vendor was asked for %q", w.vendor.ids)
	}
}

func TestARequestThatComesAgainIsTheSame(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, url string) {
		w := newWorld(t, url, time.Hour)
		_, first := w.ask("POST", "/v2/requests", token, w.body(nil))
		w.pass(time.Hour)
		code, again := w.ask("POST", "/v2/requests", token, w.body(nil))
		if code != http.StatusCreated || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("%d %v, first %v", code, again, first)
		}
		code, said := w.ask("POST", "/v2/requests", token, w.body(map[string]any{"submitted_time": "2026-11-21T15:00:00Z"}))
		if code != http.StatusBadRequest {
			t.Errorf("another request under the same ID: %d %v", code, said)
		}
	})
}

func TestWhatIsPendingCanBeTakenBackAndNothingElse(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, url string) {
		w := newWorld(t, url, time.Hour)
		w.ask("POST", "/v2/requests", token, w.body(w.callback()))
		w.round()
		code, said := w.ask("DELETE", "/v2/requests/"+id, token, "")
		if code != http.StatusAccepted || said["received_time"] == nil || said["subject_request_id"] != id {
			t.Fatalf("%d %v", code, said)
		}
		w.until("cancelled")
		w.round()
		if got := w.called(); !slices.Equal(got, []string{"pending", "cancelled"}) {
			t.Errorf("called with %q", got)
		}
		if code, _ := w.ask("DELETE", "/v2/requests/"+id, token, ""); code != http.StatusAccepted {
			t.Errorf("taken back again: %d", code)
		}
		if code, said := w.ask("POST", "/v2/requests", token, w.body(w.callback())); code != http.StatusBadRequest || !strings.Contains(fmt.Sprint(said), "cancelled") {
			t.Errorf("begun again: %d %v", code, said)
		}
		w.vendor.mu.Lock()
		defer w.vendor.mu.Unlock()
		if len(w.vendor.ids) > 0 {
			t.Error("the vendor was asked")
		}
	})
}

func TestWhatAVendorWasAskedForIsNotTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Nanosecond)
	w.ask("POST", "/v2/requests", token, w.body(nil))
	w.until("in_progress")
	if code, said := w.ask("DELETE", "/v2/requests/"+id, token, ""); code != http.StatusBadRequest || !strings.Contains(fmt.Sprint(said), "not pending") {
		t.Errorf("%d %v", code, said)
	}
	close(w.vendor.let)
	w.until("completed")
}

func TestAControllerDoesNotTakeBackWhatOthersAskedForToo(t *testing.T) {
	t.Parallel()
	key := [deletion.KeyBytes]byte{1}
	person := deletion.MachineID(key)
	mine := map[string]any{"subject_identities": []any{map[string]any{
		"identity_type": "controller_customer_id", "identity_value": person, "identity_format": "raw"}}}
	byPerson := func(w *world) {
		if _, err := w.relay.Request(w.Context(), deletions.Demand{Tool: "mytool", MachineID: person, DeletionKey: hex.EncodeToString(key[:])}); err != nil {
			w.Fatal(err)
		}
	}
	byAnother := func(w *world) { w.ask("POST", "/v2/requests", other, w.body(mine)) }
	byUs := func(w *world) { w.ask("POST", "/v2/requests", token, w.body(mine)) }
	byUsToo := func(w *world) {
		w.ask("POST", "/v2/requests", token, strings.Replace(w.body(mine), id, "b7551968-d5d6-44b2-9831-815ac9017798", 1))
	}
	for name, asked := range map[string][]func(*world){
		"a person before": {byPerson, byUs}, "a person later": {byUs, byPerson},
		"another before": {byAnother, byUs}, "another later": {byUs, byAnother},
		"another request of ours": {byUs, byUsToo},
	} {
		w := newWorld(t, sqlite(t), time.Hour)
		for _, ask := range asked {
			ask(w)
		}
		if code, said := w.ask("DELETE", "/v2/requests/"+id, token, ""); code != http.StatusBadRequest || !strings.Contains(fmt.Sprint(said), "Another request asks for the same deletion") {
			t.Errorf("%s: %d %v", name, code, said)
		}
		w.until("pending")
	}
}

func TestAVendorThatRefusesLeavesItInProgressAndTheExtensionSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Nanosecond)
	w.vendor.err = driver.Permanent(errors.New("no"))
	close(w.vendor.let)
	w.ask("POST", "/v2/requests", token, w.body(nil))
	for {
		said := w.until("in_progress")
		if strings.Contains(fmt.Sprint(said["extensions"]), "state:refused") {
			return
		}
		select {
		case <-w.Context().Done():
			t.Fatalf("%v", said)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestACallThatFailsIsMadeAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Hour)
	w.answer = http.StatusInternalServerError
	w.ask("POST", "/v2/requests", token, w.body(w.callback()))
	w.round()
	for i, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		w.pass(wait - time.Second)
		w.round()
		if got := len(w.called()); got != i+1 {
			t.Errorf("called %d times a second before call %d is due", got, i+2)
		}
		w.pass(time.Second)
		w.round()
		if got := len(w.called()); got != i+2 {
			t.Errorf("called %d times, not %d", got, i+2)
		}
	}
	w.mu.Lock()
	w.answer = http.StatusOK
	w.mu.Unlock()
	w.pass(8 * time.Minute)
	w.round()
	w.pass(365 * 24 * time.Hour)
	w.round()
	if got := len(w.called()); got != 5 {
		t.Errorf("called %d times, one of them after it was taken", got)
	}
}

func TestAHostThatIsNotNamedAnyMoreIsNotCalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Hour)
	w.ask("POST", "/v2/requests", token, w.body(w.callback()))
	e, err := opendsr.New(w.config(func(c *opendsr.Config) {
		c.Relay, c.Controllers[0].CallbackHosts = w.relay, []string{"new.example.com"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	w.round()
	if got := w.called(); len(got) > 0 {
		t.Errorf("called with %q", got)
	}
}

func TestNobodyElseSeesARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Hour)
	w.ask("POST", "/v2/requests", token, w.body(nil))
	for _, tt := range []struct {
		method, path, token string
		code                int
	}{
		{"GET", "/v2/requests/" + id, other, 404}, {"DELETE", "/v2/requests/" + id, other, 404},
		{"GET", "/v2/requests/" + id, "", 401}, {"DELETE", "/v2/requests/" + id, "", 401}, {"POST", "/v2/requests", "", 401},
		{"GET", "/v2/requests/" + id, token + "x", 401}, {"GET", "/v2/requests/" + id, strings.ToUpper(token), 401},
		{"GET", "/v2/requests/" + strings.ToUpper(id), token, 404}, {"GET", "/v2/requests/", token, 404}, {"GET", "/v2/else", token, 404},
		{"PUT", "/v2/requests/" + id, token, 405}, {"GET", "/v2/requests", token, 405}, {"POST", "/v2/discovery", token, 405},
		{"GET", "/v2/opendsr_requests/" + id, token, 200}, {"GET", "/v2/opengdpr_requests/" + id, token, 200},
	} {
		body := ""
		if tt.method == "POST" {
			body = w.body(nil)
		}
		code, said := w.ask(tt.method, tt.path, tt.token, body)
		if code != tt.code {
			t.Errorf("%s %s: %d %v, want %d", tt.method, tt.path, code, said, tt.code)
		}
		if detail, ok := said["error"].(map[string]any); (code >= 400) != ok || ok && fmt.Sprint(detail["code"]) != fmt.Sprint(code) {
			t.Errorf("%s %s: %v", tt.method, tt.path, said)
		}
	}
}

func TestAMistakeIsNamedAndNothingIsKeptOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Hour)
	identity := func(kind, value, format string) []any {
		return []any{map[string]any{"identity_type": kind, "identity_value": value, "identity_format": format}}
	}
	const canary = "c4n4ry@example.com"
	callback := func(url string) map[string]any { return map[string]any{"status_callback_urls": []any{url}} }
	for field, list := range map[string][]map[string]any{
		"regulation":           {{"regulation": nil}, {"regulation": canary}},
		"subject_request_id":   {{"subject_request_id": nil}, {"subject_request_id": strings.ToUpper(id)}, {"subject_request_id": "a7551968-d5d6-14b2-9831-815ac9017798"}, {"subject_request_id": canary}},
		"subject_request_type": {{"subject_request_type": nil}, {"subject_request_type": "access"}, {"subject_request_type": "portability"}, {"subject_request_type": canary}},
		"submitted_time":       {{"submitted_time": nil}, {"submitted_time": canary}},
		"api_version":          {{"api_version": "1.0"}, {"api_version": "20"}},
		"subject_identities": {{"subject_identities": nil}, {"subject_identities": []any{}}, {"subject_identities": identity("email", canary, "raw")},
			{"subject_identities": identity("controller_customer_id", machine, "sha256")}, {"subject_identities": slices.Repeat(identity("controller_customer_id", machine, "raw"), 101)}},
		"identity_value": {{"subject_identities": identity("controller_customer_id", canary, "raw")}, {"subject_identities": identity("controller_customer_id", strings.ToUpper(machine), "raw")}},
		"extensions": {{"extensions": map[string]any{domain: map[string]any{"tool": canary}}}, {"extensions": map[string]any{domain: canary}},
			{"extensions": map[string]any{domain: map[string]any{"tools": []any{"mytool"}}}}, {"extensions": map[string]any{domain: map[string]any{"tool": "mytool", "only": canary}}},
			{"extensions": map[string]any{strings.ToUpper(domain): map[string]any{"tool": canary}}},
			{"extensions": map[string]any{domain: map[string]any{"tool": "mytool"}, strings.ToUpper(domain): map[string]any{"tool": "mytool"}}}},
		"status_callback_urls": {callback("https://evil.example/" + canary), callback(strings.Replace(w.controller.URL, "https", "http", 1)), callback("https://127.0.0.1"), callback("https://user@" + strings.TrimPrefix(w.controller.URL, "https://")), callback(":" + canary)},
		"JSON":                 {{"subject_identities": canary}},
	} {
		for _, changes := range list {
			code, said := w.ask("POST", "/v2/requests", token, w.body(changes))
			text, _ := json.Marshal(said)
			if code != http.StatusBadRequest || !strings.Contains(string(text), field) || strings.Contains(string(text), canary) {
				t.Errorf("%v: %d %s", changes, code, text)
			}
		}
	}
	if code, _ := w.ask("POST", "/v2/requests", token, strings.Repeat(" ", 64<<10)+w.body(nil)); code != http.StatusBadRequest {
		t.Errorf("a large body: %d", code)
	}
	if code, _ := w.ask("GET", "/v2/requests/"+id, token, ""); code != http.StatusNotFound {
		t.Errorf("something was kept: %d", code)
	}
	if strings.Contains(w.log.String(), canary) {
		t.Errorf("the log has it: %s", w.log)
	}
}

func TestIdentitiesOfOthersArePassedOverAndNamedByTheirType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Hour)
	const canary = "c4n4ry@example.com"
	code, said := w.ask("POST", "/v2/requests", token, w.body(map[string]any{"subject_identities": []any{
		map[string]any{"identity_type": "email", "identity_value": canary, "identity_format": "raw"},
		map[string]any{"identity_type": "controller_customer_id", "identity_value": machine, "identity_format": "raw"},
	}}))
	if code != http.StatusCreated || !strings.Contains(fmt.Sprint(said["extensions"]), "identity_types_passed_over:[email]") {
		t.Errorf("%d %v", code, said)
	}
	for _, secret := range []string{canary, token} {
		for _, file := range databaseFiles(t, w.db) {
			if bytes.Contains(file, []byte(secret)) {
				t.Errorf("the database holds %q", secret)
			}
		}
	}
}

// databaseFiles is all that SQLite has on disk.
func databaseFiles(t *testing.T, db *store.DB) (all [][]byte) {
	t.Helper()
	var path string
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		_, err := tx.One(t.Context(), []any{&path}, `SELECT file FROM pragma_database_list WHERE name = 'main'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content)
	}
	return all
}

func TestAnRSAKeySignsTooAndNoOtherKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), time.Hour)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	relay := &deletions.Relay{}
	for name, change := range map[string]func(*opendsr.Config){
		"Certificate":    func(c *opendsr.Config) { c.Certificate = certificate(t, ed) },
		"Domain":         func(c *opendsr.Config) { c.Domain = "other.example.com" },
		"none":           func(c *opendsr.Config) { c.Certificate = tls.Certificate{} },
		"no controllers": func(c *opendsr.Config) { c.Controllers = nil },
		"no tools":       func(c *opendsr.Config) { c.Tools = nil },
		"short token":    func(c *opendsr.Config) { c.Controllers[0].Token = "short" },
		"same token":     func(c *opendsr.Config) { c.Controllers[1].Token = token },
		"same ID":        func(c *opendsr.Config) { c.Controllers[1].ID = "acme" },
		"no ID":          func(c *opendsr.Config) { c.Controllers[1].ID = "a b" },
		"a URL":          func(c *opendsr.Config) { c.Controllers[0].CallbackHosts = []string{"https://acme.example"} },
	} {
		_, err := opendsr.New(w.config(func(c *opendsr.Config) { c.Relay = relay; change(c) }))
		if _, ok := errors.AsType[*driver.ConfigError](err); !ok || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e, err := opendsr.New(w.config(func(c *opendsr.Config) { c.Relay, c.Certificate = relay, certificate(t, rsaKey) }))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e)
	defer server.Close()
	w.url = server.URL
	if code, said := w.ask("GET", "/v2/discovery", "", ""); code != http.StatusOK {
		t.Errorf("%d %v", code, said)
	}
}

func FuzzARequestIsReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"regulation":"gdpr","subject_request_id":"` + id + `","subject_request_type":"erasure","submitted_time":"2026-11-20T15:00:00Z",` +
		`"subject_identities":[{"identity_type":"controller_customer_id","identity_value":"` + machine + `","identity_format":"raw"}]}`))
	f.Add([]byte(`{"subject_identities":[{}],"extensions":{"` + domain + `":null}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		opendsr.Read(t, domain, []string{"mytool"}, body)
		// An identity of three bytes is a structure of 80, in a slice that doubles.
		fuzzing.Allocs(t, len(body), 64<<10, 256, func() { opendsr.Read(t, domain, []string{"mytool"}, body) })
	})
}
