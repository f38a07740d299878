//go:build !notelemetry

package opendsr

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// sign adds the headers by which the other side knows who wrote a body: section 8.3. An RSA
// signature is of PKCS #1 version 1.5, which is what controllers check.
func (e *Endpoint) sign(h http.Header, body []byte) error {
	digest := sha256.Sum256(body)
	signature, err := e.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(signature)
	for _, name := range []string{"OpenDSR", "OpenGDPR"} {
		h.Set("X-"+name+"-Processor-Domain", e.cfg.Domain)
		h.Set("X-"+name+"-Signature", text)
	}
	return nil
}
