//go:build !notelemetry

package relaycmd

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// statement is what is signed: what was exported, from where. A signature's file has it as a
// line of JSON, and the Ed25519 signature of that line's bytes in base64 as the next one. So an
// export of any size is signed as it is written, and checked with sha256sum and openssl alone.
type statement struct {
	SHA256    string `json:"sha256"`
	Bytes     int64  `json:"bytes"`
	Deletions int64  `json:"deletions"`
	Format    string `json:"format"`
	// What was asked for, where it was not all.
	State      string    `json:"state,omitempty"`
	Tool       string    `json:"tool,omitempty"`
	MachineID  string    `json:"machine_id,omitempty"`
	ExportedAt time.Time `json:"exported_at"`
	// Lines and Head are of the ledger, when the export began: what verify says too.
	Lines int64  `json:"ledger_lines"`
	Head  string `json:"ledger_head"`
}

// which says which deletions were exported. One who was handed some must not take them for all.
func (s statement) which() string {
	var only []string
	for _, by := range []struct{ what, value string }{{"state", s.State}, {"tool", s.Tool}, {"machine ID", s.MachineID}} {
		if by.value != "" {
			only = append(only, "the "+by.what+" "+by.value)
		}
	}
	if only == nil {
		return "all that the ledger had"
	}
	return "only those with " + strings.Join(only, " and ")
}

// seal hashes what passes it.
type seal struct {
	hash.Hash
	size int64
	key  ed25519.PrivateKey
}

// newSeal reads the key that is signed with, if there is a file.
func newSeal(file string) (*seal, error) {
	s := &seal{Hash: sha256.New()}
	if file == "" {
		return s, nil
	}
	content, err := readSecret(file)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(content); block != nil {
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if private, is := key.(ed25519.PrivateKey); err == nil && is {
			s.key = private
			return s, nil
		}
	}
	return nil, errors.New("not a private key of the kind that keygen makes: Ed25519, as PKCS #8 in PEM")
}

func (s *seal) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	return s.Hash.Write(p)
}

// write writes what passed, as a statement with its signature.
func (s *seal) write(file string, says statement) error {
	says.SHA256, says.Bytes = hex.EncodeToString(s.Sum(nil)), s.size
	line, err := json.Marshal(says)
	if err != nil {
		return err
	}
	text := append(line, '\n')
	text = append(base64.StdEncoding.AppendEncode(text, ed25519.Sign(s.key, line)), '\n')
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("writing the signature: %w", plaintext.Cause(err))
	}
	return nil
}

func (s surroundings) keygen() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key to sign exports with",
		Long: "Make an Ed25519 key to sign exports with: FILE gets the private one, which its owner alone\n" +
			"may read, and FILE.pub the public one, for who checks. Neither may be there already.",
		Example: "  " + program + " deletions keygen audit.key",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			public, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return err
			}
			secret, err := x509.MarshalPKCS8PrivateKey(private)
			if err != nil {
				return err
			}
			open, err := x509.MarshalPKIXPublicKey(public)
			if err != nil {
				return err
			}
			if err := writeNew(args[0], pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})); err != nil {
				return err
			}
			if err := writeNew(args[0]+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open})); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Signs: %s\nChecks: %s\n", screen.Clean(args[0]), screen.Clean(args[0]+".pub"))
			return nil
		},
	}
}

// writeNew writes a file that must not be there.
func writeNew(file string, content []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", quote(file), plaintext.Cause(err))
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s takes the name of a file, but was given %d words", cmd.CommandPath(), len(args))
	}
	return nil
}

func (s surroundings) verifyExport() *cobra.Command {
	var signature, keyFile string
	cmd := &cobra.Command{
		Use:   "verify-export FILE",
		Short: "Check the signature of an export",
		Long: "Check that a file is what was exported, by its signature and the public key of who\n" +
			"exported it. The exit code is 1 if it is not. It needs no ledger.",
		Example: "  " + program + " deletions verify-export deletions.jsonl --signature deletions.sig --public-key-file audit.key.pub",
		Args:    oneFile,
	}
	cmd.Flags().StringVar(&signature, "signature", "", "the file with the signature")
	cmd.Flags().StringVar(&keyFile, "public-key-file", "", "the file with the public key")
	format := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if signature == "" || keyFile == "" {
			return usage("--signature and --public-key-file are required")
		}
		says, err := readStatement(signature, keyFile)
		if err != nil {
			return err
		}
		f, err := os.Open(args[0])
		if err != nil {
			return usage("cannot read %s: %w", quote(args[0]), plaintext.Cause(err))
		}
		defer f.Close()
		is := &seal{Hash: sha256.New()}
		if _, err := io.Copy(is, f); err != nil {
			return fmt.Errorf("cannot read %s: %w", quote(args[0]), plaintext.Cause(err))
		}
		if hex.EncodeToString(is.Sum(nil)) != says.SHA256 || is.size != says.Bytes {
			return fmt.Errorf("%s is not what was exported: it was changed, or the signature is another file's", quote(args[0]))
		}
		if *format == "json" {
			return screen.WriteJSON(cmd.OutOrStdout(), signedJSON{schemaVersion, says})
		}
		out := s.screen(cmd.OutOrStdout())
		out.Table([]screen.Row{
			row("Export", "as it was signed", screen.Green),
			row("Deletions", fmt.Sprint(says.Deletions), screen.Plain),
			row("Which", says.which(), screen.Plain),
			row("Exported", screen.When(says.ExportedAt), screen.Plain),
			row("Ledger", fmt.Sprintf("%s, with the head %s", screen.Count(says.Lines, "line", "lines"), says.Head), screen.Plain),
		})
		return nil
	}
	return cmd
}

// readStatement reads what a signature says, if it is that of a key.
func readStatement(file, keyFile string) (says statement, err error) {
	content, err := os.ReadFile(keyFile)
	if err != nil {
		return says, usage("--public-key-file: cannot read the file: %w", plaintext.Cause(err))
	}
	var public ed25519.PublicKey
	if block, _ := pem.Decode(content); block != nil {
		key, _ := x509.ParsePKIXPublicKey(block.Bytes)
		public, _ = key.(ed25519.PublicKey)
	}
	if public == nil {
		return says, usage("--public-key-file: not a public key of the kind that keygen makes: Ed25519, in PEM")
	}
	content, err = os.ReadFile(file)
	if err != nil {
		return says, usage("--signature: cannot read the file: %w", plaintext.Cause(err))
	}
	line, rest, _ := bytes.Cut(content, []byte{'\n'})
	signed, err := base64.StdEncoding.DecodeString(string(bytes.TrimRight(rest, "\n")))
	if err != nil || !ed25519.Verify(public, line, signed) || json.Unmarshal(line, &says) != nil {
		return statement{}, errors.New("the signature is not that of this key")
	}
	return says, nil
}
