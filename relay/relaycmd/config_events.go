//go:build !notelemetry

package relaycmd

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/core/toolfile"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// destinationConfig is an item of a tool's destinations.
type destinationConfig struct {
	driver   driver.Driver
	name     string // in metrics, and of what is stored for it
	insecure bool
	values   map[string]string // settings, and where those are that are secret
	headers  map[string]string // where their values are

	path  string
	line  int
	lines map[string]int
}

// vendorInFile returns a vendor that a file may name: those of the program, and the gateway's own
// database. db may be nil where nobody is to be asked.
func (s surroundings) vendorInFile(name string, db *store.DB) (deletion.Vendor, bool) {
	if name == events.StoreName {
		return events.StoreVendor(db), true
	}
	return s.vendor(name)
}

func (s surroundings) namesInFile() []string { return append(s.vendorNames(), events.StoreName) }

// destinations are those to which events can be handed on. The drivers that tools always have are
// not among them but for http: noop, stdout and file keep nothing, or only the last of it.
func (s surroundings) destinations(db *store.DB) []driver.Driver {
	return slices.Concat([]driver.Driver{events.StoreDriver(db), httpjson.Driver()}, s.drivers)
}

func (s surroundings) destination(name string, db *store.DB) (driver.Driver, bool) {
	all := s.destinations(db)
	i := slices.IndexFunc(all, func(d driver.Driver) bool { return d.Name == name })
	if i < 0 {
		return driver.Driver{}, false
	}
	return all[i], true
}

func (s surroundings) destinationNames() []string {
	var names []string
	for _, d := range s.destinations(nil) {
		names = append(names, d.Name)
	}
	return names
}

// idleConnections is how many requests a destination gets at a time.
const idleConnections = 4

// idleTime is shorter than what load balancers keep a connection for, which is a minute or more:
// one that the other side has ended costs a batch another attempt.
const idleTime = 30 * time.Second

const destinationExample = `[{backend: store}, {backend: posthog, project_key_file: FILE, instance: eu}]`

// readDestinations reads where the events of a tool go.
func (s surroundings) readDestinations(t *toolConfig, n *strictyaml.Node, key string) error {
	err := strictyaml.EachItem(n, key, destinationExample, func(i int, item *strictyaml.Node) error {
		d, err := s.readDestination(item, fmt.Sprintf("%s[%d]", key, i))
		if err == nil && slices.ContainsFunc(t.destinations, func(o destinationConfig) bool { return o.name == d.name }) {
			err = strictyaml.Wrong(item.Line, d.path, "there is a %s before it: give this one a name of its own, such as name: %s-2", d.name, d.name)
		}
		t.destinations = append(t.destinations, d)
		return err
	})
	if err == nil && len(t.destinations) == 0 {
		err = strictyaml.Wrong(n.Line, key, "there is none: events would be lost")
	}
	return err
}

func (s surroundings) readDestination(n *strictyaml.Node, path string) (destinationConfig, error) {
	d := destinationConfig{path: path, line: n.Line, values: map[string]string{}, headers: map[string]string{}, lines: map[string]int{}}
	found := false
	if err := strictyaml.EachPair(n, path, func(name, value *strictyaml.Node) error {
		if name.Value != "backend" {
			return nil
		}
		word, err := strictyaml.Scalar(value, strictyaml.Join(path, "backend"))
		if err != nil {
			return err
		}
		if d.driver, found = s.destination(word, nil); !found {
			return strictyaml.Wrong(value.Line, strictyaml.Join(path, "backend"), "not a backend that this program can reach: %s", either(s.destinationNames()))
		}
		return nil
	}); err != nil {
		return d, err
	}
	if !found {
		return d, strictyaml.Wrong(n.Line, path, "needs a backend: %s", either(s.destinationNames()))
	}
	d.name = d.driver.Name
	return d, strictyaml.Fields(n, path, slices.Concat([]strictyaml.Field{
		{Name: "backend", Read: func(*strictyaml.Node, string) error { return nil }},
		{Name: "name", Read: named(&d.name)},
		{Name: "insecure", Read: strictyaml.Flag(&d.insecure)},
		{Name: "headers", Read: d.readHeaders},
	}, settingFields(d.driver.Settings, d.values, d.lines)))
}

// readHeaders reads where the values of headers are: all of them are secrets.
func (d *destinationConfig) readHeaders(n *strictyaml.Node, key string) error {
	return strictyaml.EachPair(n, key, func(name, value *strictyaml.Node) error {
		path := strictyaml.Join(key, strictyaml.Shown(name.Value))
		header, file := strings.CutSuffix(name.Value, inFile)
		if !file {
			var env bool
			if header, env = strings.CutSuffix(name.Value, inEnv); !env {
				return strictyaml.Wrong(name.Line, path, noKey, strictyaml.Shown(name.Value))
			}
		}
		if _, twice := d.headers[header+inFile]; twice || d.headers[header+inEnv] != "" {
			return strictyaml.Wrong(name.Line, path, "the header is there twice: keep one of them")
		}
		content, err := word(value, path)
		d.headers[name.Value], d.lines["headers."+name.Value] = content, value.Line
		return err
	})
}

// wrong is a mistake in one of the settings.
func (d destinationConfig) wrong(name, problem string) error {
	line, found := d.lines[name]
	if !found {
		line = d.line
	}
	return strictyaml.Wrong(line, strictyaml.Join(d.path, name), "%s", problem)
}

// openEvents makes all destinations of all tools, and what closes them. db may be nil where
// nothing is to be sent.
func (s surroundings) openEvents(c *config, db *store.DB) (tools map[string]events.Tool, end func(), err error) {
	tools = map[string]events.Tool{}
	end = func() {
		for _, t := range tools {
			for _, d := range t.Destinations {
				_ = d.Backend.Close() // it sends nothing, and nothing is under way
			}
		}
	}
	for _, t := range c.tools {
		if len(t.destinations) == 0 {
			continue
		}
		made := events.Tool{}
		if t.schema != "" {
			if made.Declared, err = c.loadSchema(t); err != nil {
				end()
				return nil, nil, rootcmd.InFile(err)
			}
		}
		for _, d := range t.destinations {
			opened, err := s.openDestination(c, t, d, db)
			if err != nil {
				end()
				return nil, nil, rootcmd.InFile(err)
			}
			made.Destinations = append(made.Destinations, opened)
		}
		tools[t.name] = made
	}
	return tools, end, nil
}

// loadSchema reads what a tool's author declares.
func (c *config) loadSchema(t toolConfig) (*props.Tool, error) {
	wrong := func(problem string) error {
		return strictyaml.Wrong(t.schemaLine, t.schemaPath, "%s", problem)
	}
	if info, err := os.Stat(c.path(t.schema)); err == nil && !info.Mode().IsRegular() {
		return nil, wrong("not a plain file: a reload reads it again")
	}
	declared, err := toolfile.Load(c.path(t.schema))
	if err != nil {
		return nil, wrong(err.Error())
	}
	if declared.Name != t.name {
		return nil, wrong("declares another tool")
	}
	return &declared, nil
}

func (s surroundings) openDestination(c *config, t toolConfig, d destinationConfig, db *store.DB) (events.Destination, error) {
	from := source{tool: t.name, values: d.values, path: c.path, wrong: d.wrong}
	settings, as, err := s.settings(d.driver.Settings, from)
	if err != nil {
		return events.Destination{}, err
	}
	headers := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(d.headers)) {
		header := strings.TrimSuffix(strings.TrimSuffix(key, inFile), inEnv)
		name, secret, err := s.secret(header, source{values: d.headers, path: c.path})
		if err != nil {
			return events.Destination{}, d.wrong("headers."+name, err.Error())
		}
		headers[header] = secret
	}
	made, _ := s.destination(d.driver.Name, db)
	// Tools keep no connection, for they send one batch; a gateway sends one after the other.
	transport := driverhttp.NewTransport()
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = idleConnections, idleTime
	cfg := driver.Config{Headers: headers, Insecure: d.insecure, Tool: t.name, Transport: transport}
	if cfg.Settings, err = made.Resolve(settings); err == nil {
		var opened driver.Backend
		if opened, err = made.Open(cfg); err == nil {
			return events.Destination{Name: d.name, Driver: made, Backend: opened}, nil
		}
	}
	if mistake, ok := errors.AsType[*driver.ConfigError](err); ok {
		field := strings.TrimPrefix(mistake.Field, "Telemetry.")
		if name, setting := strings.CutPrefix(field, "Settings["); setting {
			name = strings.TrimSuffix(name, "]")
			field = cmp.Or(as[name], name)
		}
		return events.Destination{}, d.wrong(strings.ToLower(field), mistake.Problem)
	}
	return events.Destination{}, err
}

// ownDatabase is where the store is, for people.
const ownDatabase = "the gateway's database"

// where says for people where events go.
func (d destinationConfig) where(c *config, s surroundings) string {
	settings, _, err := s.settings(d.driver.Settings, source{values: d.values, path: c.path, wrong: d.wrong})
	if err != nil || d.driver.Hosts == nil {
		return ownDatabase
	}
	if resolved, err := d.driver.Resolve(settings); err == nil {
		return strings.Join(d.driver.Hosts(resolved), ", ")
	}
	return ""
}

// prefixes reads the networks of proxies.
func prefixes(to *[]netip.Prefix) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		return strictyaml.EachItem(n, key, "[10.0.0.0/8, 192.0.2.7]", func(i int, item *strictyaml.Node) error {
			key := fmt.Sprintf("%s[%d]", key, i)
			text, err := strictyaml.Scalar(item, key)
			if err != nil {
				return err
			}
			network, err := netip.ParsePrefix(text)
			if one, bad := netip.ParseAddr(text); bad == nil {
				network, err = one.Unmap().Prefix(one.Unmap().BitLen())
			}
			if err != nil || network.Bits() == 0 {
				return strictyaml.Wrong(item.Line, key, "must be a proxy's address, or a network that holds nothing but proxies, such as 10.0.0.0/8")
			}
			*to = append(*to, network.Masked())
			return nil
		})
	}
}

// eventLimits reads limits.events.
func eventLimits(to *events.Limits) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		return strictyaml.Fields(n, key, []strictyaml.Field{
			{Name: "per_address", Read: readRate(&to.PerAddress.PerSecond, &to.PerAddress.Burst)},
			{Name: "memory", Read: mebibytes(&to.Memory)},
			{Name: "stored_bytes", Read: mebibytes(&to.WaitingBytes)},
			{Name: "stored_age", Read: pause(&to.WaitingAge, 90*24*time.Hour, "at most 90d; without it, it is 7d")},
		})
	}
}

// mebibytes reads a size.
func mebibytes(to *int64) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		value, err := strictyaml.Scalar(n, key)
		if err != nil {
			return err
		}
		number, isSize := strings.CutSuffix(value, "MiB")
		count, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
		if !isSize || err != nil || count < 1 {
			return strictyaml.Wrong(n.Line, key, "must be a size in whole MiB, such as 256MiB")
		}
		*to = count << 20
		return nil
	}
}

// named reads a name of the operator's own.
func named(to *string) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		if err := strictyaml.Text(to)(n, key); err != nil {
			return err
		}
		if !isName(*to) {
			return strictyaml.Wrong(n.Line, key, "not a name: it has up to 64 printable characters")
		}
		return nil
	}
}

// settingFields reads the settings of a vendor or a backend.
func settingFields(settings []driver.Setting, values map[string]string, lines map[string]int) []strictyaml.Field {
	var fields []strictyaml.Field
	for _, set := range settings {
		for _, name := range given(set) {
			fields = append(fields, strictyaml.Field{Name: name, Read: readSetting(name, values, lines)})
		}
		if set.Secret {
			fields = append(fields, strictyaml.Field{Name: set.Name, Why: fmt.Sprintf(noKey, set.Name)})
		}
	}
	return fields
}

// readSetting reads a setting: one word, or a list of some.
func readSetting(name string, values map[string]string, lines map[string]int) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		lines[name] = n.Line
		if n.Kind != yaml.SequenceNode {
			content, err := word(n, key)
			values[name] = content
			return err
		}
		var words []string
		err := strictyaml.EachItem(n, key, "[indexes, flex]", func(_ int, item *strictyaml.Node) error {
			content, err := word(item, key)
			words = append(words, content)
			return err
		})
		values[name] = strings.Join(words, ",")
		return err
	}
}
