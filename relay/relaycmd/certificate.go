//go:build !notelemetry

package relaycmd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

// certificate is that of the relay, which can be read anew while it runs.
type certificate struct {
	certificate, key string
	current          atomic.Pointer[tls.Certificate]
}

// loadCertificate returns nil where there is to be none.
func loadCertificate(c *config) (*certificate, error) {
	if c.certificate == "" {
		return nil, nil
	}
	cert := &certificate{certificate: c.certificate, key: c.key}
	if err := cert.reload(); err != nil {
		return nil, rootcmd.InFile(strictyaml.Wrong(c.lines["tls"], "tls", "%v", err))
	}
	return cert, nil
}

// reload reads the files. If that fails, what was read before stays.
func (c *certificate) reload() error {
	public, err := os.ReadFile(c.certificate)
	if err != nil {
		return fmt.Errorf("certificate: cannot read the file: %w", plaintext.Cause(err))
	}
	private, err := readSecret(c.key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	pair, err := tls.X509KeyPair(public, private)
	if err != nil {
		return errors.New("the files are not a certificate and its key, both in PEM")
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
