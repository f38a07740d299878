//go:build notelemetry

package driver

import "errors"

// RoundTripper and CertPool are those of net/http and crypto/x509 in other builds. What is set
// to them here is never used.
type (
	RoundTripper = any
	CertPool     = struct{}
)

// Omitted stands for a driver in a build without telemetry: it has the name that an author
// writes, and no way to anybody.
func Omitted(name string) Driver {
	return Driver{
		Name: name, Doc: "left out of this build",
		Open: func(Config) (Backend, error) { return nil, errors.New("this build was made without telemetry") },
	}
}
