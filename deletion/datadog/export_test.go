//go:build !notelemetry

package datadog

import (
	"net/http"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// Requestor is what the vendor opens.
type Requestor = requestor

// Config is the settings as fields, and the tool.
type Config struct {
	Site, APIKey, ApplicationKey, Service, Endpoint, Tool string
	Retention                                             time.Duration
	Tiers                                                 []string
	Transport                                             http.RoundTripper
	Now                                                   func() time.Time
}

// New opens the vendor as a program does.
func New(c Config) (*Requestor, error) {
	settings := map[string]string{}
	for name, value := range map[string]string{
		"site": c.Site, "endpoint": c.Endpoint, "service": c.Service, "tiers": strings.Join(c.Tiers, ","),
		"api_key": c.APIKey, "application_key": c.ApplicationKey,
	} {
		if value != "" {
			settings[name] = value
		}
	}
	if c.Retention != 0 {
		settings["retention"] = c.Retention.String()
	}
	if c.Tool == "" {
		c.Tool = "mytool"
	}
	r, err := Vendor().Requestor(deletion.VendorConfig{Settings: settings, Tool: c.Tool, Transport: c.Transport, Now: c.Now})
	if err != nil {
		return nil, err
	}
	return r.(*Requestor), nil
}
