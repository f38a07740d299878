//go:build !notelemetry

package relaycmd

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
	"github.com/gotoolbase/telemetry/relay/opendsr"
)

// opendsrConfig is the section opendsr of a relay's file. Without a domain there is none.
type opendsrConfig struct {
	domain           string
	certificate, key string
	controllers      []controllerConfig

	line int
}

// controllerConfig is a privacy system that may ask.
type controllerConfig struct {
	id        string
	values    map[string]string // where its token is
	callbacks []string

	path string
	line int
}

// files are those that hold keys.
func (o *opendsrConfig) files() map[string]string {
	files := map[string]string{"certificate" + inFile: o.certificate, "key" + inFile: o.key}
	for i, c := range o.controllers {
		files[fmt.Sprint(i, inFile)] = c.values["token"+inFile]
	}
	return files
}

func (o *opendsrConfig) read(n *strictyaml.Node, key string) error {
	o.line = n.Line
	err := strictyaml.Fields(n, key, []strictyaml.Field{
		{Name: "domain", Read: strictyaml.Text(&o.domain)},
		{Name: "certificate", Read: strictyaml.Text(&o.certificate)},
		{Name: "key", Read: strictyaml.Text(&o.key)},
		{Name: "controllers", Read: o.readControllers},
	})
	if err == nil && (o.domain == "" || o.certificate == "" || o.key == "" || len(o.controllers) == 0) {
		err = strictyaml.Wrong(n.Line, key, "needs domain, certificate, key and controllers: {acme: {token_file: FILE, callbacks: [acme.example.com]}}")
	}
	return err
}

func (o *opendsrConfig) readControllers(n *strictyaml.Node, key string) error {
	return strictyaml.EachPair(n, key, func(name, value *strictyaml.Node) error {
		c := controllerConfig{id: name.Value, values: map[string]string{}, path: strictyaml.Join(key, strictyaml.Shown(name.Value)), line: value.Line}
		err := strictyaml.Fields(value, c.path, append(settingFields([]driver.Setting{{Name: "token", Secret: true}}, c.values, map[string]int{}),
			strictyaml.Field{Name: "callbacks", Read: func(n *strictyaml.Node, key string) error {
				return strictyaml.EachItem(n, key, "[acme.example.com]", func(_ int, item *strictyaml.Node) error {
					host, err := word(item, key)
					c.callbacks = append(c.callbacks, host)
					return err
				})
			}}))
		o.controllers = append(o.controllers, c)
		return err
	})
}

// named is what the file calls a field of opendsr.Config.
func (o *opendsrConfig) named(field string) string {
	i, rest := 0, ""
	if n, _ := fmt.Sscanf(field, "opendsr.Controllers[%d].%s", &i, &rest); n == 2 {
		return strictyaml.Join(o.controllers[i].path, map[string]string{"ID": "", "Token": "token", "CallbackHosts": "callbacks"}[rest])
	}
	return strings.ToLower(field)
}

// readOpenDSR reads the keys of the endpoint. ok says that the file speaks of one.
func (s surroundings) readOpenDSR(c *config) (cfg opendsr.Config, ok bool, err error) {
	o := &c.opendsr
	if o.domain == "" {
		return cfg, false, nil
	}
	wrong := func(line int, key, problem string) (opendsr.Config, bool, error) {
		return cfg, false, rootcmd.InFile(strictyaml.Wrong(line, key, "%s", problem))
	}
	if !c.deletes() {
		return wrong(o.line, "opendsr", "is for deletions, which no tool of this file has vendors for")
	}
	cfg = opendsr.Config{Domain: o.domain, Due: cmp.Or(c.due, maxDue), Now: s.now}
	for _, t := range c.tools {
		if len(t.vendors) > 0 {
			cfg.Tools = append(cfg.Tools, t.name)
		}
	}
	public, err := os.ReadFile(c.path(o.certificate))
	if err != nil {
		return wrong(o.line, "opendsr.certificate", "cannot read the file: "+plaintext.Cause(err).Error())
	}
	private, err := readSecret(c.path(o.key))
	if err != nil {
		return wrong(o.line, "opendsr.key", err.Error())
	}
	if cfg.Certificate, err = tls.X509KeyPair(public, private); err != nil {
		return wrong(o.line, "opendsr", "the files are not a certificate and its key, both in PEM")
	}
	for _, one := range o.controllers {
		name, token, err := s.secret("token", source{values: one.values, path: c.path})
		if err != nil {
			return wrong(one.line, strictyaml.Join(one.path, name), err.Error())
		}
		cfg.Controllers = append(cfg.Controllers, opendsr.Controller{ID: one.id, Token: token, CallbackHosts: one.callbacks})
	}
	if mistake, is := errors.AsType[*driver.ConfigError](cfg.Check()); is {
		return wrong(o.line, o.named(mistake.Field), mistake.Problem)
	}
	return cfg, true, nil
}
