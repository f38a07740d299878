//go:build !notelemetry

package relaycmd

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

const openDSRToken = "t0ken-t0ken-t0ken-t0ken-acme"

// withOpenDSR is a section without mistakes, to be spoilt.
const withOpenDSR = `opendsr:
  domain: 127.0.0.1
  certificate: relay.crt
  key: relay.key
  controllers:
    acme: {token_file: token, callbacks: [acme.example.com]}
`

func TestAPrivacySystemHasAMachineDeletedThroughTheRelay(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.selfSign(1, time.Now().Add(time.Hour))
	p.write("token", openDSRToken+"\n")
	p.declare(strings.Split(strings.TrimSpace(withOpenDSR), "\n")...)
	if said := p.must("serve", "--config", "relay.yaml", "--check"); !strings.Contains(said, "OpenDSR 2 at https://127.0.0.1/v2/") {
		t.Errorf("check says %s", said)
	}
	r := p.start()
	if code, said := get(t, http.DefaultClient, r.public+"/v2/discovery"); code != 200 || !strings.Contains(said, "controller_customer_id") {
		t.Errorf("discovery: %d %s", code, said)
	}
	const id = "a7551968-d5d6-44b2-9831-815ac9017798"
	content := `{"regulation":"gdpr","subject_request_id":"` + id + `","subject_request_type":"erasure","submitted_time":"2026-11-20T15:00:00Z",` +
		`"subject_identities":[{"identity_type":"controller_customer_id","identity_format":"raw","identity_value":"` + somebody(1).id + `"}],` +
		`"extensions":{"127.0.0.1":{"tool":"mytool"}}}`
	if a := r.do("POST", "/v2/requests", content, "Authorization", "Bearer "+openDSRToken); a.status != 201 {
		t.Fatalf("%+v", a)
	}
	var list struct {
		Deletions []struct {
			MachineID string `json:"machine_id"`
			Tool      string
		}
	}
	if err := json.Unmarshal([]byte(p.must("deletions", "list", "--config", "relay.yaml", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Deletions) != 1 || list.Deletions[0].MachineID != somebody(1).id || list.Deletions[0].Tool != "mytool" {
		t.Errorf("the ledger has %+v", list)
	}
	for _, line := range r.log.with("") {
		if strings.Contains(line, openDSRToken) || strings.Contains(line, somebody(1).id) {
			t.Errorf("the log says %s", line)
		}
	}
}

func TestAMistakeInWhatAFileSaysOfOpenDSRIsNamed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.selfSign(1, time.Now().Add(time.Hour))
	p.write("token", openDSRToken+"\n")
	p.write("short", "short\n")
	for name, test := range map[string]struct{ old, new, want string }{
		"no domain":       {"  domain: 127.0.0.1\n", "", "opendsr: needs domain, certificate, key and controllers"},
		"another domain":  {"127.0.0.1", "example.com", "opendsr.certificate: is not for the domain"},
		"no certificate":  {"certificate: relay.crt", "certificate: no.crt", "opendsr.certificate: cannot read the file"},
		"another key":     {"key: relay.key", "key: token", "not a certificate and its key"},
		"a token in it":   {"token_file: token", "token: " + openDSRToken, "opendsr.controllers.acme.token: no key stands in this file"},
		"no token":        {"token_file: token, ", "", "opendsr.controllers.acme.token_file: not set"},
		"a short token":   {"token_file: token", "token_file: short", "opendsr.controllers.acme.token: has fewer than 22 characters"},
		"a URL as a host": {"[acme.example.com]", `["https://acme.example.com"]`, "opendsr.controllers.acme.callbacks: each is a host"},
		"an unknown key":  {"domain:", "domian:", "opendsr.domian: unknown key"},
	} {
		p.declare(strings.Split(strings.TrimSpace(strings.Replace(withOpenDSR, test.old, test.new, 1)), "\n")...)
		if said := p.fails(2, test.want, "serve", "--config", "relay.yaml", "--check"); strings.Contains(said, openDSRToken) {
			t.Errorf("%s: %s", name, said)
		}
	}
}
