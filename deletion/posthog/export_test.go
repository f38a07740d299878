//go:build !notelemetry

package posthog

import (
	"net/http"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

var PersonUUID = personUUID

// Requestor is what the vendor opens.
type Requestor = requestor

// Config is the settings as fields.
type Config struct {
	Instance, Endpoint, Project, Key string
	Transport                        http.RoundTripper
	Now                              func() time.Time
}

// New opens the vendor as a program does.
func New(c Config) (*Requestor, error) {
	settings := map[string]string{}
	for name, value := range map[string]string{"instance": c.Instance, "endpoint": c.Endpoint, "project": c.Project, "key": c.Key} {
		if value != "" {
			settings[name] = value
		}
	}
	r, err := Vendor().Requestor(deletion.VendorConfig{Settings: settings, Tool: "mytool", Transport: c.Transport, Now: c.Now})
	if err != nil {
		return nil, err
	}
	return r.(*Requestor), nil
}
