// Sbom writes what a program is made of, as a CycloneDX document in JSON: its modules with their
// versions and licences, and the Go that it was built with.
//
//	go run ./internal/sbom PROGRAM FILE
//
// All of it is read from the program itself, so it is true of that very file, and the same
// program gives the same bytes: there is no time and no random number in the document.
package main

import (
	"debug/buildinfo"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime/debug"
	"strings"
)

// licences has one line a module: its path and its licence. That they are what the modules say is
// held by release/check, which also rewrites it.
//
//go:embed licences.txt
var licences string

// What is linked and in no list of modules: this module's own licence and the one of Go.
const (
	ownLicence      = "Apache-2.0"
	standardLicence = "BSD-3-Clause"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: sbom PROGRAM FILE")
	}
	info, err := buildinfo.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("reading what Go wrote into the program: %w", err)
	}
	doc, err := describe(info)
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], append(content, '\n'), 0o666)
}

// The parts of CycloneDX 1.6 that are needed.
type (
	document struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		Licences   []licence  `json:"licenses"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	// licence has one of its fields: an SPDX expression is what a module of several parts has.
	licence struct {
		Licence    *licenceID `json:"license,omitempty"`
		Expression string     `json:"expression,omitempty"`
	}
	licenceID struct {
		ID string `json:"id"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn"`
	}
)

func describe(info *debug.BuildInfo) (*document, error) {
	known := map[string]string{}
	for line := range strings.Lines(licences) {
		if module, licence, ok := strings.Cut(strings.TrimSpace(line), " "); ok && module != "#" {
			known[module] = licence
		}
	}
	program := newComponent("application", info.Main.Path, info.Main.Version, ownLicence)
	program.Name = path.Base(info.Path)
	for _, setting := range info.Settings {
		switch setting.Key {
		case "GOOS", "GOARCH", "CGO_ENABLED", "-trimpath", "-tags", "vcs.revision", "vcs.modified":
			program.Properties = append(program.Properties, property{"go:build:" + setting.Key, setting.Value})
		}
	}
	doc := &document{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata:   metadata{program},
		Components: []component{newComponent("library", "std", strings.TrimPrefix(info.GoVersion, "go"), standardLicence)},
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			return nil, fmt.Errorf("%s is replaced by another module: a release has to be built of what go.mod names", module.Path)
		}
		licence, ok := known[module.Path]
		if !ok {
			return nil, fmt.Errorf("the licence of %s has not been reviewed: see release/check", module.Path)
		}
		c := newComponent("library", module.Path, module.Version, licence)
		c.Properties = []property{{"go:sum", module.Sum}}
		doc.Components = append(doc.Components, c)
	}
	all := dependency{Ref: program.Ref}
	for _, c := range doc.Components {
		all.On = append(all.On, c.Ref)
	}
	doc.Dependencies = []dependency{all}
	return doc, nil
}

func newComponent(kind, module, version, expression string) component {
	purl := "pkg:golang/" + strings.ToLower(module) // as the purl of Go is defined
	if version != "" {
		purl += "@" + strings.ReplaceAll(version, "+", "%2B")
	}
	c := component{Type: kind, Ref: purl, Name: module, Version: version, PURL: purl}
	if strings.Contains(expression, " ") {
		c.Licences = []licence{{Expression: expression}}
	} else {
		c.Licences = []licence{{Licence: &licenceID{expression}}}
	}
	return c
}
