//go:build !notelemetry

package relaycmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/opendsr"
	"github.com/gotoolbase/telemetry/relay/store"
)

// checkJSON is what --check says. Its names are stable.
type checkJSON struct {
	SchemaVersion int    `json:"schema_version"`
	Listen        string `json:"listen"`
	Admin         string `json:"admin,omitempty"`
	// AdminWarning is why others than the operator may see what is there.
	AdminWarning string `json:"admin_warning,omitempty"`
	TLS          bool   `json:"tls"`
	// CertificateUntil is when it ends.
	CertificateUntil time.Time `json:"certificate_until,omitzero"`
	// Proxies are whose X-Forwarded-For is believed.
	Proxies  []netip.Prefix `json:"proxies,omitempty"`
	Database databaseJSON   `json:"database"`
	Quiet    string         `json:"quiet"`
	// OpenDSR is the domain of the endpoint for privacy systems.
	OpenDSR string     `json:"opendsr,omitempty"`
	Tools   []toolJSON `json:"tools"`
}

type databaseJSON struct {
	Engine string `json:"engine"`
	// File is that of an SQLite database.
	File string `json:"file,omitempty"`
	// New says that no gateway ran with it yet and nothing is in its ledger, and Missing that
	// there is no file yet either.
	New       bool   `json:"new"`
	Missing   bool   `json:"missing,omitempty"`
	Lines     int64  `json:"lines"`
	Head      string `json:"head,omitempty"`
	Deletions int64  `json:"deletions"`
	Open      int64  `json:"open"`
	// Due counts those that have to be done within a week, or had to be before.
	Due int64 `json:"due_within_a_week"`

	canaries map[[2]string]string // what is wrong with them
}

type toolJSON struct {
	Name         string                `json:"name"`
	Schema       string                `json:"schema,omitempty"`
	Destinations []toolDestinationJSON `json:"destinations,omitempty"`
	Vendors      []toolVendorJSON      `json:"vendors,omitempty"`
	// Warning says that nobody deletes what comes in.
	Warning string `json:"warning,omitempty"`
}

type toolDestinationJSON struct {
	Name    string `json:"name"`
	Backend string `json:"backend"`
	Where   string `json:"where"`
}

type toolVendorJSON struct {
	Name   string `json:"name"`
	Vendor string `json:"vendor"`
	Where  string `json:"where"`
	Keys   string `json:"keys"`
	Canary string `json:"canary,omitempty"`
	// Warning is why nothing will be called verified there.
	Warning string `json:"warning,omitempty"`
}

// notFound is why nothing is called verified at a vendor that has a canary, as far as a relay has
// found out.
func (d databaseJSON) notFound(tool string, v vendorConfig) string {
	problem := d.canaries[[2]string{tool, v.name}]
	if problem == "" || v.canary == "" {
		return ""
	}
	return "the canary was not found when it was looked up last, so that nothing is called verified there: " + problem
}

// printCheck says what would run. The file, the keys and the certificate have been read.
func (s surroundings) printCheck(cmd *cobra.Command, c *config, opened map[string][]deletions.Vendor, cert *certificate, format string) error {
	database, err := s.checkDatabase(cmd.Context(), c.database)
	if err != nil {
		return telemetrycmd.UsageError(rootcmd.InFile(fmt.Errorf("database: %w", err)))
	}
	j := checkJSON{SchemaVersion: schemaVersion, Listen: c.listen, Admin: c.admin, TLS: cert != nil, Proxies: c.proxies, Database: database, Quiet: c.quiet.String(), OpenDSR: c.opendsr.domain}
	if c.adminIsOpen() {
		j.AdminWarning = adminOpen
	}
	if c.quiet == 0 {
		j.Quiet = (24 * time.Hour).String()
	}
	if cert != nil {
		if j.CertificateUntil = cert.current.Load().Leaf.NotAfter.UTC(); s.now().After(j.CertificateUntil) {
			return rootcmd.InFile(strictyaml.Wrong(c.lines["tls"], "tls", "certificate: it ended on %s, so that no tool would take it", screen.When(j.CertificateUntil)))
		}
	}
	for _, t := range c.tools {
		tool := toolJSON{Name: t.name, Schema: t.schema}
		for _, d := range t.destinations {
			tool.Destinations = append(tool.Destinations, toolDestinationJSON{d.name, d.driver.Name, d.where(c, s)})
		}
		for i, v := range t.vendors {
			tool.Vendors = append(tool.Vendors, toolVendorJSON{v.name, v.vendor.Name, cmp.Or(where(v.vendor, v.values), ownDatabase), v.keyFrom(), v.canary, cmp.Or(opened[t.name][i].NoCanary(), database.notFound(t.name, v))})
		}
		if len(t.vendors) == 0 {
			tool.Warning = "nobody deletes its data, and who asks for that is answered 404: name the vendors under deletions"
		}
		j.Tools = append(j.Tools, tool)
	}
	if format == "json" {
		return screen.WriteJSON(cmd.OutOrStdout(), j)
	}
	out := s.screen(cmd.OutOrStdout())
	out.Line(screen.Green, "The relay would run. No vendor was contacted.")
	out.Table(j.rows())
	return nil
}

func (j checkJSON) rows() (rows []screen.Row) {
	add := func(label, format string, args ...any) {
		rows = append(rows, row(label, fmt.Sprintf(format, args...), screen.Plain))
	}
	scheme := "http"
	if j.TLS {
		scheme = "https"
	}
	add("Listens", "%s://%s for %s", scheme, j.Listen, forTools)
	if j.Admin != "" {
		add("Listens", "http://%s for %s", j.Admin, forAdmin)
		if j.AdminWarning != "" {
			rows = append(rows, row("Warning", j.AdminWarning, screen.Red))
		}
	} else {
		add("Nowhere", "are %s: set admin to have them", forAdmin)
	}
	if j.TLS {
		add("Certificate", "until %s", screen.When(j.CertificateUntil))
	}
	if len(j.Proxies) > 0 {
		var proxies []string
		for _, p := range j.Proxies {
			proxies = append(proxies, p.String())
		}
		add("Addresses", "as proxies in %s write them into X-Forwarded-For", strings.Join(proxies, ", "))
	}
	deletes := slices.ContainsFunc(j.Tools, func(t toolJSON) bool { return len(t.Vendors) > 0 })
	at := cmp.Or(j.Database.File, "PostgreSQL")
	switch {
	case j.Database.Missing:
		add("Database", "%s, which serve makes, with its folder where there is none", at)
	case j.Database.New:
		add("Database", "%s, which is empty", at)
	default:
		add("Database", "%s: %s, %s, of which %d open and %d due within a week", at, screen.Count(j.Database.Lines, "line", "lines"),
			screen.Count(j.Database.Deletions, "deletion", "deletions"), j.Database.Open, j.Database.Due)
	}
	if deletes {
		add("Vendors are asked", "%s after a request", j.Quiet)
	}
	if j.OpenDSR != "" {
		add("Privacy systems", "may have deleted, by OpenDSR 2 at https://%s%s", j.OpenDSR, opendsr.Path)
	}
	for _, t := range j.Tools {
		for _, d := range t.Destinations {
			name := d.Name
			if name != d.Backend {
				name += " (" + d.Backend + ")"
			}
			add("Events of "+t.Name, "go to %s at %s", name, d.Where)
		}
		if len(t.Destinations) > 0 && t.Schema == "" {
			add("Events of "+t.Name, "may hold anything that the closed list of fields has; schema would say less")
		}
		if t.Warning != "" {
			rows = append(rows, row("Warning", t.Name+": "+t.Warning, screen.Red))
		}
		for _, v := range t.Vendors {
			name := v.Name
			if name != v.Vendor {
				name += " (" + v.Vendor + ")"
			}
			text := fmt.Sprintf("%s at %s", name, v.Where)
			if v.Keys != "" {
				text += "; " + v.Keys
			}
			add("Deletes "+t.Name, "%s", text)
			if v.Warning != "" {
				rows = append(rows, row("Warning", name+": "+v.Warning, screen.Red))
			}
		}
	}
	return rows
}

// checkDatabase looks what is in a database. One that is not there is not made.
func (s surroundings) checkDatabase(ctx context.Context, at string) (databaseJSON, error) {
	j := databaseJSON{Engine: "postgres"}
	if file, is := store.File(at); is {
		j.Engine, j.File = "sqlite", file
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			j.New, j.Missing = true, true
			if dir, err := os.Stat(filepath.Dir(file)); err == nil && store.OpenToOthers(dir) {
				return j, databaseProblem(store.ErrUnsafe, at)
			}
			return j, nil
		}
	}
	db, err := store.Open(ctx, at, deletions.Schema())
	if err != nil {
		return j, databaseProblem(err, at)
	}
	ledger := deletions.NewLedger(db)
	audit, err := ledger.Head(ctx)
	canaries, unlooked := ledger.Canaries(ctx)
	j.canaries = canaries
	totals, due, failed := ledger.Totals(ctx, s.now().Add(7*24*time.Hour))
	served, unread := wasServed(ctx, db)
	if err := errors.Join(err, unlooked, failed, unread, db.Close()); err != nil {
		return j, err
	}
	j.Lines, j.Head, j.Due, j.New = audit.Lines, audit.Head, due, audit.Lines == 0 && !served
	for _, t := range totals {
		j.Deletions += t.N
		if t.State == deletion.Acknowledged || t.State == deletion.Refused {
			j.Open += t.N
		}
	}
	return j, nil
}

// wasServed says that a gateway ran with a database: it makes the tables of events, which a
// look into the ledger does not. There may be events in them though the ledger has no line.
func wasServed(ctx context.Context, db *store.DB) (served bool, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		var steps int
		served, err = tx.One(ctx, []any{&steps}, `SELECT steps FROM schemas WHERE name = ?`, events.Schema().Name)
		return err
	})
	return served, err
}
