//go:build !notelemetry

package opendsr_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/opendsr"
	"github.com/gotoolbase/telemetry/relay/store"
)

// The endpoint goes beside the relay that does the deletions, in the same server and database.
func Example() {
	serve := func(ctx context.Context, mux *http.ServeMux, db *store.DB, relay *deletions.Relay) error {
		certificate, err := tls.LoadX509KeyPair("opendsr.crt", "opendsr.key")
		if err != nil {
			return err
		}
		endpoint, err := opendsr.New(opendsr.Config{
			DB: db, Relay: relay, // db was opened with opendsr.Schema() too
			Tools:       []string{"mytool"},
			Domain:      "telemetry.example.com",
			Certificate: certificate,
			Controllers: []opendsr.Controller{{
				ID: "acme", Token: "read from a file of the operator's", CallbackHosts: []string{"privacy.example.com"},
			}},
			Due: 30 * 24 * time.Hour,
		})
		if err != nil {
			return err
		}
		defer endpoint.Close()
		mux.Handle(opendsr.Path, endpoint)
		return endpoint.Run(ctx)
	}
	_ = serve
}

// A configuration is checked without a database.
func ExampleConfig_Check() {
	fmt.Println(opendsr.Config{Tools: []string{"mytool"}, Domain: "telemetry.example.com"}.Check())
	// Output: opendsr.Certificate: there is none
}
