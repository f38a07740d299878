package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/backends/stdout"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// localDir is where the file backend writes, inside the state directory.
const localDir = "local"

// selection is the backend that a tool's events go to, before it is opened.
type selection struct {
	driver   driver.Driver
	settings map[string]string // resolved
	pinned   bool              // by the administrator's policy: nothing else of what the author declares is for it
}

// localLog is where events go that stay on this machine.
func localLog() selection { return selection{driver: file.Driver()} }

// intoLocalLog says that an author chose that log, by naming the file backend and no path.
func (s selection) intoLocalLog() bool {
	return s.driver.Name == localLog().driver.Name && s.settings["path"] == ""
}

// selectBackend returns where events go: where the administrator's policy says or, without
// it, where the author does.
func (in *installation) selectBackend() (selection, error) {
	if pin := in.pin(); pin.named {
		return pin.selection, pin.err
	}
	return in.selectDeclared()
}

// declared is a selection, or the mistake in what was declared.
type declared struct {
	selection
	err error
}

// selectDeclared follows the order that TelemetryConfig documents. The error is the first
// mistake in it.
func (in *installation) selectDeclared() (selection, error) {
	if d := in.declared.Load(); d != nil {
		return d.selection, d.err
	}
	s, err := in.findDeclared()
	in.declared.Store(&declared{s, err})
	return s, err
}

func (in *installation) findDeclared() (selection, error) {
	if omitted { // then there is no host that this program could reach
		return selection{driver: noop.Driver()}, nil
	}
	config := in.tool.Telemetry
	drivers, err := linkedDrivers(config)
	if err != nil {
		return selection{}, err
	}
	name, field, endpoint := config.Backend, "Telemetry.Backend", ""
	settings := maps.Clone(config.Settings)
	switch {
	case name != "":
		switch name {
		case "http":
			endpoint = config.Endpoint
		case "otlp":
			endpoint = config.OTelEndpoint
		}
	case config.OTelEndpoint != "":
		name, field, endpoint = "otlp", "Telemetry.OTelEndpoint", config.OTelEndpoint
	case config.Endpoint != "":
		name, field, endpoint = "http", "Telemetry.Endpoint", config.Endpoint
	default:
		name = "noop"
	}
	if endpoint != "" {
		if _, err := driverhttp.CheckEndpoint(endpoint, config.Insecure); err != nil {
			return selection{}, &driver.ConfigError{Field: field, Problem: err.Error()}
		}
		if settings == nil {
			settings = map[string]string{}
		}
		if settings["endpoint"] == "" {
			settings["endpoint"] = endpoint
		}
	}
	d, linked := drivers[name]
	if !linked {
		problem := fmt.Sprintf("backend %q is not linked into this program, which has %s; add its driver to Telemetry.Drivers",
			name, strings.Join(slices.Sorted(maps.Keys(drivers)), ", "))
		return selection{}, &driver.ConfigError{Field: field, Problem: problem}
	}
	resolved, err := d.Resolve(settings)
	if err != nil {
		return selection{}, err
	}
	s := selection{driver: d, settings: resolved}
	if err := s.check(in, field); err != nil {
		return selection{}, err
	}
	return s, nil
}

// check returns the first mistake that no single setting shows. field is what named the
// driver.
func (s selection) check(in *installation, field string) error {
	if s.driver.Check != nil {
		if err := s.driver.Check(s.config(in)); err != nil {
			return err
		}
	}
	if !s.driver.Local && len(s.info().Hosts) == 0 {
		return &driver.ConfigError{Field: field, Problem: fmt.Sprintf(
			"backend %q does not say which host it contacts, so nobody can be asked; mend the Hosts of its driver", s.driver.Name)}
	}
	return nil
}

// linkedDrivers returns what this binary can reach, by name.
func linkedDrivers(config props.TelemetryConfig) (map[string]driver.Driver, error) {
	all := map[string]driver.Driver{}
	list := append([]driver.Driver{noop.Driver(), stdout.Driver(), file.Driver(), httpjson.Driver()}, config.Drivers...)
	for i, d := range list {
		if d.Name == "" || d.Open == nil {
			return nil, &driver.ConfigError{Field: "Telemetry.Drivers", Problem: fmt.Sprintf("driver %d has no Name or no Open", i-4)}
		}
		if _, twice := all[d.Name]; twice {
			return nil, &driver.ConfigError{Field: "Telemetry.Drivers", Problem: fmt.Sprintf("two drivers are named %q; rename one", d.Name)}
		}
		all[d.Name] = d
	}
	return all, nil
}

// config is what an author declared and where files go, without a way to anybody.
func (s selection) config(in *installation) driver.Config {
	// A driver is a stranger's, and may write to what it is given.
	config := driver.Config{Settings: maps.Clone(s.settings), Tool: in.tool.Name, Version: in.tool.Version, Dir: in.dir.Join(localDir)}
	if !s.pinned {
		config.Headers, config.Insecure = in.tool.Telemetry.Headers, in.tool.Telemetry.Insecure
	}
	return config
}

// open opens the backend for an installation. What leaves the machine is written down.
func (s selection) open(in *installation) (driver.Backend, error) {
	config := s.config(in)
	config.Stdout = in.stdout
	switch {
	case in.preview != nil:
		return in.preview.open(s, config)
	case s.driver.Local:
		return s.driver.Open(config)
	}
	config.Transport, config.Dial = theNetwork()
	return openLogged(in, s, config)
}

// reachesNobody says that there is no receiver to record for.
func (s selection) reachesNobody() bool { return s.driver.Name == "noop" }

func (s selection) info() props.BackendInfo {
	info := props.BackendInfo{Name: s.driver.Name, Local: s.driver.Local, Accepted: s.driver.Accepted, Warnings: s.driver.Warnings}
	if s.driver.Hosts != nil {
		for _, host := range s.driver.Hosts(s.settings) {
			info.Hosts = append(info.Hosts, plaintext.Clean(host)) // people are shown them, and asked
		}
	}
	return info
}
