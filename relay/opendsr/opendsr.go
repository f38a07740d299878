//go:build !notelemetry

// Package opendsr lets a company's privacy system drive deletions: an endpoint of the gateway
// that speaks OpenDSR, version 2, of which the gateway is the processor and that system the
// controller. It is for people who run the gateway, and for who maintains it.
//
//	GET    /v2/discovery            what is supported, and where the certificate is
//	GET    /v2/certificate.pem      the certificate whose key signs
//	POST   /v2/requests             a deletion of machine IDs; 201
//	GET    /v2/requests/<id>        how far it is; 200
//	DELETE /v2/requests/<id>        takes it back, while it is pending; 202
//
// The specification was renamed twice. Under its earlier names the requests are at
// /v2/opendsr_requests and /v2/opengdpr_requests as well, and every header is sent under
// both of its names, as section 10.1 asks.
// Source: https://github.com/opengdpr/OpenDSR/blob/master/specification.md
//
// # What it does not do, in the specification's terms
//
//	access, portability    not among supported_subject_request_types: answered 400. What is
//	                       held of a machine is with the person: `telemetry export`
//	other identities       only controller_customer_id in the format raw, whose value is a
//	                       machine ID. Of a request with others too, ours are deleted, and the
//	                       answer names the types that were passed over in its extension
//	a refusal              there is no status for it: a vendor that refuses leaves the request
//	                       in_progress, and the extension says what a person has to do
//	processor_signature    is the header X-OpenDSR-Signature alone: inside the body that is
//	                       signed it could not be
//
// # Who may
//
// The specification leaves authentication to the processor. Here each controller has a
// token, sent as "Authorization: Bearer …", and names the hosts that its callbacks may go
// to: a request alone can have nothing called. A controller sees its own requests only. It
// vouches for the person, so no deletion key is asked for, and the ledger says whose word it
// was.
//
// # What is kept
//
// Of a request its ID, controller, times, callback URLs, the receipts of its deletions, and a hash
// of what is acted on, to know it again. Its body and identities of other types are not kept;
// machine IDs are in the ledger.
package opendsr

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	// minToken is what a token of 128 random bits takes in base64.
	minToken = 22
	// maxName bounds a controller's ID, which is in each answer.
	maxName = 64
)

// Config says what an endpoint does.
type Config struct {
	// DB holds the requests, and Relay has their deletions done.
	DB    *store.DB
	Relay *deletions.Relay
	// Tools are those whose data a request without an extension is about.
	Tools []string
	// Domain is the host at which controllers reach the endpoint, which the certificate is for.
	Domain string
	// Certificate signs what is answered and called. Its key is RSA or ECDSA, as FIPS 186-4
	// has them; the specification wants it to be of an authority that controllers trust.
	Certificate tls.Certificate
	// Controllers are those who may ask, at least one.
	Controllers []Controller
	// Due is how long a deletion may take, which is what controllers are told to expect.
	Due time.Duration
	// Transport carries callbacks. nil means driverhttp.NewTransport().
	Transport driver.RoundTripper
	// Log gets what an operator has to know, nil meaning that nobody does. No identity,
	// token or URL is in it.
	Log *slog.Logger
	// Now is the clock, nil meaning time.Now.
	Now func() time.Time
}

// Controller is a privacy system that may ask for deletions.
type Controller struct {
	// ID is its name here, which every answer repeats.
	ID string
	// Token is the secret that it shows, of at least 22 characters.
	Token string
	// CallbackHosts are those (host or host:port) that its callbacks may go to, over https.
	CallbackHosts []string
}

// Endpoint answers controllers and calls them back. Make one with New; it may be used by
// several goroutines at once.
type Endpoint struct {
	cfg         Config
	certificate []byte // the chain, in PEM
	signer      crypto.Signer
	client      *driverhttp.Client
	wake        chan struct{}
}

// New makes an endpoint. It contacts nobody. A mistake is a *driver.ConfigError.
func New(cfg Config) (*Endpoint, error) {
	if cfg.DB == nil || cfg.Relay == nil {
		return nil, &driver.ConfigError{Field: "opendsr.Relay", Problem: "there is none"}
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	e := &Endpoint{cfg: cfg, signer: cfg.Certificate.PrivateKey.(crypto.Signer), wake: make(chan struct{}, 1)}
	e.cfg.Tools, e.cfg.Controllers = slices.Clone(cfg.Tools), slices.Clone(cfg.Controllers)
	for _, der := range cfg.Certificate.Certificate {
		e.certificate = append(e.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	if e.cfg.Log == nil {
		e.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if e.cfg.Now == nil {
		e.cfg.Now = time.Now
	}
	e.client = driverhttp.NewClient(driver.Config{Tool: "telemetry-relay", Transport: cfg.Transport})
	return e, nil
}

// Close gives the connections of callbacks back.
func (e *Endpoint) Close() { e.client.Close() }

// Check returns the first mistake but that DB or Relay are missing, as a *driver.ConfigError.
func (cfg Config) Check() error {
	wrong := func(field, problem string, args ...any) error {
		return &driver.ConfigError{Field: "opendsr." + field, Problem: fmt.Sprintf(problem, args...)}
	}
	if len(cfg.Tools) == 0 {
		return wrong("Tools", "there are none")
	}
	if problem := certificateProblem(cfg.Certificate, cfg.Domain); problem != "" {
		return wrong("Certificate", "%s", problem)
	}
	if len(cfg.Controllers) == 0 {
		return wrong("Controllers", "there are none: nobody could ask for anything")
	}
	for i, c := range cfg.Controllers {
		field := fmt.Sprintf("Controllers[%d]", i)
		others := cfg.Controllers[:i]
		switch {
		case !isID(c.ID):
			return wrong(field+".ID", "not an ID: up to %d letters, digits, dots, dashes and underscores", maxName)
		case slices.ContainsFunc(others, func(o Controller) bool { return o.ID == c.ID }):
			return wrong(field+".ID", "is there twice")
		case len(c.Token) < minToken:
			return wrong(field+".Token", "has fewer than %d characters, and might be guessed: take 32 random ones", minToken)
		case slices.ContainsFunc(others, func(o Controller) bool { return o.Token == c.Token }):
			return wrong(field+".Token", "is another controller's too")
		}
		for _, host := range c.CallbackHosts {
			if name, _, err := net.SplitHostPort(host); host == "" || err == nil && name == "" || strings.ContainsAny(host, "/@?# ") {
				return wrong(field+".CallbackHosts", "each is a host, or a host with a port")
			}
		}
	}
	return nil
}

func isID(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	})
}

// certificateProblem is why a certificate cannot sign for a domain, empty if it can.
func certificateProblem(c tls.Certificate, domain string) string {
	if len(c.Certificate) == 0 {
		return "there is none"
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return "cannot be read"
	}
	if err := leaf.VerifyHostname(domain); err != nil {
		return "is not for the domain, which has to be one of its names"
	}
	switch c.PrivateKey.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
		return ""
	}
	return "its key is neither RSA nor ECDSA, which are what the specification has signatures made with"
}

// errUnknown says that a controller has no such request.
var errUnknown = errors.New("there is no such request")
