package core

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/backends/stdout"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/core/internal/wire"
	"github.com/gotoolbase/telemetry/core/props"
)

// localDir is where the file backend writes, inside the state directory.
const localDir = "local"

// selection is the backend that a tool's events go to, before it is opened.
type selection struct {
	driver   driver.Driver
	settings map[string]string // resolved
}

// localLog is where events go that stay on this machine.
func localLog() selection { return selection{driver: file.Driver()} }

// selectBackend follows the order that TelemetryConfig documents. The error is the first
// mistake in it.
func (in *installation) selectBackend() (selection, error) {
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
	s := selection{d, resolved}
	if d.Check != nil {
		if err := d.Check(s.config(in)); err != nil {
			return selection{}, err
		}
	}
	if !d.Local && len(s.info().Hosts) == 0 {
		return selection{}, &driver.ConfigError{Field: field, Problem: fmt.Sprintf(
			"backend %q does not say which host it contacts, so nobody can be asked; mend the Hosts of its driver", name)}
	}
	return s, nil
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
	return driver.Config{
		Settings: s.settings,
		Headers:  in.tool.Telemetry.Headers,
		Insecure: in.tool.Telemetry.Insecure,
		Tool:     in.tool.Name,
		Version:  in.tool.Version,
		Dir:      in.dir.Join(localDir),
	}
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

// reachesNobody says that there is nobody to record for.
func (s selection) reachesNobody() bool { return s.driver.Name == "noop" }

func (s selection) info() props.BackendInfo {
	info := props.BackendInfo{Name: s.driver.Name, Local: s.driver.Local, Accepted: s.driver.Accepted, Warnings: s.driver.Warnings}
	if s.driver.Hosts != nil {
		info.Hosts = s.driver.Hosts(s.settings)
	}
	return info
}

// theNetwork is what carries a backend's requests. In a test binary that reaches only
// loopback: a test that forgot to replace its endpoint fails instead of reaching somebody's
// server.
func theNetwork() (http.RoundTripper, wire.DialFunc) {
	t := driverhttp.NewTransport()
	if !inTestBinary() {
		return t, new(net.Dialer).DialContext
	}
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
			return fmt.Errorf("a test binary reaches only loopback, not %s", address)
		}
		return nil
	}}
	t.Proxy = nil
	t.DialContext = dialer.DialContext
	return t, dialer.DialContext
}
