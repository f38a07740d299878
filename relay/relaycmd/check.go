//go:build !notelemetry

package relaycmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
	"github.com/gotoolbase/telemetry/relay/erasures"
)

// checkJSON is what --check says. Its names are stable.
type checkJSON struct {
	Listen string `json:"listen"`
	Admin  string `json:"admin,omitempty"`
	TLS    bool   `json:"tls"`
	// CertificateUntil is when it ends.
	CertificateUntil time.Time  `json:"certificate_until,omitzero"`
	BehindProxy      bool       `json:"behind_proxy"`
	Ledger           ledgerJSON `json:"ledger"`
	Quiet            string     `json:"quiet"`
	Tools            []toolJSON `json:"tools"`
}

type ledgerJSON struct {
	Directory string `json:"directory"`
	// New says that there is none yet.
	New      bool   `json:"new"`
	Lines    int64  `json:"lines"`
	Head     string `json:"head,omitempty"`
	Erasures int    `json:"erasures"`
	Open     int    `json:"open"`
}

type toolJSON struct {
	Name    string           `json:"name"`
	Vendors []toolVendorJSON `json:"vendors"`
}

type toolVendorJSON struct {
	Name   string `json:"name"`
	Vendor string `json:"vendor"`
	Where  string `json:"where"`
	Keys   string `json:"keys"`
}

// printCheck says what would run. The file, the keys and the certificate have been read.
func (s surroundings) printCheck(cmd *cobra.Command, c *config, cert *certificate, format string) error {
	ledger, err := checkLedger(c.ledger)
	if err != nil {
		return telemetrycmd.UsageError(rootcmd.InFile(fmt.Errorf("ledger: %w", err)))
	}
	j := checkJSON{Listen: c.listen, Admin: c.admin, TLS: cert != nil, BehindProxy: c.behindProxy, Ledger: ledger, Quiet: c.quiet.String()}
	if c.quiet == 0 {
		j.Quiet = (24 * time.Hour).String()
	}
	if cert != nil {
		if j.CertificateUntil = cert.current.Load().Leaf.NotAfter.UTC(); s.now().After(j.CertificateUntil) {
			return rootcmd.InFile(strictyaml.Wrong(c.lines["tls"], "tls", "certificate: it ended on %s, so that no tool would take it", screen.When(j.CertificateUntil)))
		}
	}
	for _, t := range c.tools {
		tool := toolJSON{Name: t.name}
		for _, v := range t.vendors {
			tool.Vendors = append(tool.Vendors, toolVendorJSON{v.name, v.kind.name, v.kind.where(v.values), v.keyFrom()})
		}
		j.Tools = append(j.Tools, tool)
	}
	if format == "json" {
		return screen.WriteJSON(cmd.OutOrStdout(), j)
	}
	out := s.screen(cmd.OutOrStdout())
	fmt.Fprintf(out, "%s Nobody was contacted.\n", out.Paint(screen.Green, "The relay would run."))
	out.Table(j.rows())
	return nil
}

func (j checkJSON) rows() (rows []screen.Row) {
	add := func(label, format string, args ...any) {
		rows = append(rows, row(label, fmt.Sprintf(format, args...), screen.Plain))
	}
	scheme, what := "http", forAll
	if j.TLS {
		scheme = "https"
	}
	if j.Admin != "" {
		what = forTools
	}
	add("Listens", "%s://%s for %s", scheme, j.Listen, what)
	if j.Admin != "" {
		add("Listens", "http://%s for %s", j.Admin, forAdmin)
	}
	if j.TLS {
		add("Certificate", "until %s", screen.When(j.CertificateUntil))
	}
	if j.BehindProxy {
		add("Addresses", "as the proxy writes them into X-Forwarded-For")
	}
	if j.Ledger.New {
		add("Ledger", "%s, which is going to be made", j.Ledger.Directory)
	} else {
		add("Ledger", "%s: %s whole, %s, of which %d open", j.Ledger.Directory, screen.Count(j.Ledger.Lines, "line", "lines"),
			screen.Count(j.Ledger.Erasures, "erasure", "erasures"), j.Ledger.Open)
	}
	add("Vendors are asked", "%s after a request", j.Quiet)
	for _, t := range j.Tools {
		for _, v := range t.Vendors {
			name := v.Name
			if name != v.Vendor {
				name += " (" + v.Vendor + ")"
			}
			add("Erases "+t.Name, "%s at %s; %s", name, v.Where, v.Keys)
		}
	}
	return rows
}

// checkLedger holds a ledger against its chain, and changes nothing.
func checkLedger(dir string) (ledgerJSON, error) {
	j := ledgerJSON{Directory: dir}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		j.New = true
		return j, nil
	case err != nil:
		return j, fmt.Errorf("cannot look at the directory: %w", plaintext.Cause(err))
	case !info.IsDir():
		return j, errors.New("not a directory")
	case openToOthers(info):
		return j, ledgerProblem(erasures.ErrUnsafe, dir)
	}
	audit, err := erasures.Verify(dir)
	if errors.Is(err, fs.ErrNotExist) {
		j.New = true
		return j, nil
	}
	if err != nil {
		return j, ledgerProblem(err, dir)
	}
	list, err := erasures.ReadLedger(dir)
	if err != nil {
		return j, ledgerProblem(err, dir)
	}
	j.Lines, j.Head, j.Erasures = audit.Lines, audit.Head, len(list)
	for _, e := range list {
		if e.State != deletion.Verified {
			j.Open++
		}
	}
	return j, nil
}
