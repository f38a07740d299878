//go:build !notelemetry

package relaycmd

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Whatever is in a relay's file, it is refused in one line or has all that a relay needs, and
// no key stands in it.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(relayExample))
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, "listen: 127.0.0.1:0", "listen: 0.0.0.0:443\ntls: {certificate: a, key: b}\nadmin: 127.0.0.1:9\nproxies: [10.0.0.0/8, ::1]", 1)))
	f.Add([]byte("listen: :0\ntools: {a: {events: {to: [{backend: posthog, project_key_file: x}]}}}\nopendsr: {domain: a.example}\n"))
	f.Add([]byte("a: &x [*x, *x]\n---\n- !!binary x\n"))
	f.Add(bytes.Repeat([]byte("["), 300))
	s := surroundings{
		lookup: func(string) (string, bool) { return "", false }, drivers: []driver.Driver{posthog.Driver()}, vendors: reachable(),
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c *config
		var err error
		// The YAML parser has buffers of some KiB and makes a node of 160 bytes of each two that
		// it reads, whose slices double.
		fuzzing.Allocs(t, len(data), 128<<10, 1<<10, func() { c, err = s.parseConfig(data) })
		if err != nil {
			if text := err.Error(); plaintext.Clean(text) != text || len(text) > 1500+len(data) {
				t.Errorf("%q is refused with %q", data, text)
			}
			return
		}
		if c.listen == "" || len(c.tools) == 0 || c.certificate == "" && len(c.proxies) == 0 && !isLoopback(c.listen) {
			t.Errorf("%q is read as %+v", data, c)
		}
	})
}

// Whatever stands under a statement, what is read of it was signed with that key.
func FuzzStatement(f *testing.F) {
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	private := ed25519.NewKeyFromSeed(seed)
	public, ok := private.Public().(ed25519.PublicKey)
	if !ok {
		f.Fatal("no public key")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		f.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	line, err := json.Marshal(statement{Deletions: 3, Format: "json", Lines: 9})
	if err != nil {
		f.Fatal(err)
	}
	signature := append(append(bytes.Clone(line), '\n'), base64.StdEncoding.EncodeToString(ed25519.Sign(private, line))...)
	f.Add(signature, key)
	f.Add(append(signature, '\n'), key)
	f.Add(bytes.Replace(signature, []byte("3"), []byte("4"), 1), key)
	f.Add([]byte("{}\n"), key[:40])
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, content, keyContent []byte) {
		p := &place{T: t, dir: t.TempDir()}
		file, keyFile := p.write("statement", string(content)), p.write("key", string(keyContent))
		var says statement
		var err error
		// Both files are read whole and decoded; reading a key takes some KiB.
		fuzzing.Allocs(t, len(content)+len(keyContent), 32<<10, 32, func() { says, err = readStatement(file, keyFile) })
		signed, _, _ := bytes.Cut(content, []byte{'\n'})
		switch {
		case err != nil && (says != statement{} || strings.Contains(err.Error(), filepath.Base(p.dir))):
			t.Errorf("%+v and %v", says, err)
		case err == nil && bytes.Equal(keyContent, key) && !bytes.Equal(signed, line):
			t.Errorf("%q passes for signed", content)
		}
	})
}
