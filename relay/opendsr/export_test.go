//go:build !notelemetry

package opendsr

import (
	"context"
	"testing"
)

// Round does at once what Run does each minute.
func (e *Endpoint) Round(ctx context.Context) error { return e.round(ctx) }

// Read reads a body, and holds what comes of it to what the rest relies on.
func Read(t *testing.T, domain string, tools []string, body []byte) {
	e := &Endpoint{cfg: Config{Domain: domain, Tools: tools}}
	r, p := e.read(body, &Controller{CallbackHosts: []string{"acme.example"}})
	switch {
	case p == nil && (len(r.machines) == 0 || len(r.machines) > maxIdentities || len(r.tools) == 0 || len(r.Callbacks) > maxCallbacks):
		t.Errorf("%+v", r)
	case p != nil && (p.Message == "" || p.Reason == ""):
		t.Errorf("%+v", p)
	}
}
