//go:build !notelemetry

package relaycmd

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/store"
)

// document is what is known of such files. 256 KiB is far above what a relay with a hundred
// tools takes.
var document = strictyaml.Document{
	Max:     256,
	Empty:   "the file is empty: a relay needs listen, database and tools",
	One:     "one file is one relay",
	Plain:   "not a plain file: other commands read it too, to find the database",
	Example: "listen: 127.0.0.1:8443",
}

// config is a relay's file.
type config struct {
	listen, admin    string
	certificate, key string // of TLS, empty without
	proxies          []netip.Prefix
	// database is the URL of one, which may hold a password where a file or a variable does.
	database         string
	quiet, poll, due time.Duration
	limit            deletions.Limit
	eventLimits      events.Limits
	tools            []toolConfig
	opendsr          opendsrConfig

	databases map[string]string // as the file names it
	folder    string
	lines     map[string]int
}

type toolConfig struct {
	name    string
	vendors []vendorConfig // of its deletions

	destinations []destinationConfig // of its events
	schema       string              // the tool's file
	schemaPath   string
	schemaLine   int
}

// vendorConfig is an item of a tool's list.
type vendorConfig struct {
	vendor deletion.Vendor
	name   string // in the ledger
	canary string
	values map[string]string

	path  string
	line  int
	lines map[string]int
}

// loadConfig reads a relay's file. Files that are named in it are found from its own
// folder, wherever the relay is started.
func (s surroundings) loadConfig(path string) (*config, error) {
	if path == "" {
		return nil, usage("--config is required: the YAML file that says what the relay does")
	}
	data, err := document.Read(path)
	if err != nil {
		return nil, rootcmd.InFile(err)
	}
	c, err := s.parseConfig(data)
	if err != nil {
		return nil, rootcmd.InFile(err)
	}
	if c.folder, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, rootcmd.InFile(errors.New("the working directory is gone, so name the file with its whole path"))
	}
	for _, file := range []*string{&c.certificate, &c.key} {
		*file = c.path(*file)
	}
	if err := s.findDatabase(c); err != nil {
		return nil, rootcmd.InFile(err)
	}
	return c, nil
}

// findDatabase reads the URL from where it is, and makes the path of a file one from here.
func (s surroundings) findDatabase(c *config) error {
	given, name := 0, "database"
	for _, key := range []string{"database", "database" + inFile, "database" + inEnv} {
		if c.databases[key] != "" {
			given, name = given+1, key
		}
	}
	var err error
	switch {
	case given == 0:
		return strictyaml.Wrong(0, name, "not set: where the record of all deletions is, and what is stored of events, such as sqlite:/var/lib/telemetry/relay.db")
	case given > 1:
		return strictyaml.Wrong(c.lines[name], name, "the database is named in another way as well: keep one of them")
	case name == "database":
		c.database = c.databases[name]
		if u, err := url.Parse(c.database); err == nil && u.User != nil {
			if _, has := u.User.Password(); has {
				return strictyaml.Wrong(c.lines[name], name, "no password stands in this file: name the file that holds the URL with database_file, or a variable of the environment with database_env")
			}
		}
	case name == "database"+inFile:
		c.database, err = keyFromFile(c.path(c.databases[name]))
	default:
		c.database, err = keyFromEnv(s.lookup, c.databases[name])
	}
	if err != nil {
		return strictyaml.Wrong(c.lines[name], name, "%s", err)
	}
	if file, is := store.File(c.database); is {
		c.database = "sqlite:" + c.path(file)
	}
	return nil
}

// terms are what a deletion of a tool is received on.
func (c *config) terms(tool string) (deletions.Terms, error) {
	i := slices.IndexFunc(c.tools, func(t toolConfig) bool { return t.name == tool })
	if i < 0 {
		return deletions.Terms{}, usage("--tool: the relay's file has no such tool")
	}
	t := deletions.Terms{Quiet: cmp.Or(c.quiet, 24*time.Hour), Due: cmp.Or(c.due, maxDue)}
	for _, v := range c.tools[i].vendors {
		t.Vendors = append(t.Vendors, v.name)
	}
	if c.tools[i].counted() {
		t.Vendors = append(t.Vendors, report.RequestorName)
	}
	return t, nil
}

// counted reports whether the report holds machines of the tool that are deleted like a vendor's.
func (t toolConfig) counted() bool { return len(t.vendors) > 0 && len(t.destinations) > 0 }

// path finds a file that is named in the configuration.
func (c *config) path(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(c.folder, file)
}

func (s surroundings) parseConfig(data []byte) (*config, error) {
	root, err := document.Parse(data)
	if err != nil {
		return nil, err
	}
	c := &config{lines: map[string]int{}, databases: map[string]string{}}
	err = strictyaml.Fields(root, "", []strictyaml.Field{
		{Name: "listen", Read: c.address(&c.listen)},
		{Name: "admin", Read: c.address(&c.admin)},
		{Name: "tls", Read: c.tls},
		{Name: "proxies", Read: prefixes(&c.proxies)},
		{Name: "behind_proxy", Why: "name the proxies: proxies: [10.0.0.0/8]"},
		{Name: "database", Read: c.readDatabase},
		{Name: "database" + inFile, Read: c.readDatabase},
		{Name: "database" + inEnv, Read: c.readDatabase},
		{Name: "ledger", Why: "the ledger is in a database now: write database: sqlite:FILE, and take over what is in the directory with telemetry-relay migrate"},
		{Name: "quiet", Read: pause(&c.quiet, maxQuiet, "at most 14d; without it, it is 24h")},
		{Name: "poll", Read: pause(&c.poll, maxPoll, "at most 24h; without it, it is 6h")},
		{Name: "due", Read: pause(&c.due, maxDue, "at most 30d; without it, it is 30d")},
		{Name: "limits", Read: func(n *strictyaml.Node, key string) error {
			return strictyaml.Fields(n, key, []strictyaml.Field{
				{Name: "per_address", Read: rate(&c.limit.PerAddress)},
				{Name: "global", Read: rate(&c.limit.Global)},
				{Name: "events", Read: eventLimits(&c.eventLimits)},
			})
		}},
		{Name: "opendsr", Read: c.opendsr.read},
		{Name: "tools", Read: func(n *strictyaml.Node, key string) error { return s.readTools(c, n, key) }},
	})
	if err != nil {
		return nil, err
	}
	return c, c.check()
}

// check finds what is wrong with the file as a whole.
func (c *config) check() error {
	switch {
	case c.listen == "":
		return strictyaml.Wrong(0, "listen", "not set: the address that requests come in at, such as 127.0.0.1:8443")
	case len(c.tools) == 0:
		return strictyaml.Wrong(c.lines["tools"], "tools", "there are none: name each tool whose requests are taken, with the vendors of its data")
	case c.certificate == "" && len(c.proxies) == 0 && !isLoopback(c.listen):
		return strictyaml.Wrong(c.lines["listen"], "listen", "without TLS, deletion keys would cross the network for all to read: set tls, "+
			"or proxies where one in front speaks TLS, or listen on 127.0.0.1")
	case overlap(c.listen, c.admin):
		return strictyaml.Wrong(c.lines["admin"], "admin", "listen has this port: give it another one, so that tools do not reach what is for you")
	}
	return nil
}

// deletes says that deletion requests are taken.
func (c *config) deletes() bool {
	return slices.ContainsFunc(c.tools, func(t toolConfig) bool { return len(t.vendors) > 0 })
}

func (c *config) readDatabase(n *strictyaml.Node, key string) error {
	value, err := word(n, key)
	c.databases[key], c.lines[key] = value, n.Line
	return err
}

// address reads where to listen.
func (c *config) address(to *string) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		value, err := strictyaml.Scalar(n, key)
		if err != nil {
			return err
		}
		_, port, err := net.SplitHostPort(value)
		if err != nil {
			return strictyaml.Wrong(n.Line, key, "must be an address with a port, such as 127.0.0.1:8443 or :8443 for all addresses")
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return strictyaml.Wrong(n.Line, key, "the port must be a number up to 65535; 0 takes a free one")
		}
		*to, c.lines[key] = value, n.Line
		return nil
	}
}

// overlap says that two addresses cannot both be listened at.
func overlap(one, other string) bool {
	host, port, err := net.SplitHostPort(one)
	otherHost, otherPort, failed := net.SplitHostPort(other)
	if err != nil || failed != nil || port != otherPort || port == "0" { // 0 takes a free one
		return false
	}
	everywhere := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.Unmap().IsUnspecified()
	}
	return host == otherHost || everywhere(host) || everywhere(otherHost)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || host == "localhost"
}

func (c *config) tls(n *strictyaml.Node, key string) error {
	c.lines[key] = n.Line
	err := strictyaml.Fields(n, key, []strictyaml.Field{
		{Name: "certificate", Read: strictyaml.Text(&c.certificate)},
		{Name: "key", Read: strictyaml.Text(&c.key)},
	})
	if err == nil && (c.certificate == "" || c.key == "") {
		return strictyaml.Wrong(n.Line, key, "needs both certificate and key, the names of two PEM files")
	}
	return err
}

// The most that the relay takes.
const (
	maxQuiet = 14 * 24 * time.Hour
	maxPoll  = 24 * time.Hour
	maxDue   = 30 * 24 * time.Hour
)

func pause(to *time.Duration, most time.Duration, says string) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		if err := strictyaml.Duration(to)(n, key); err != nil {
			return err
		}
		if *to <= 0 || *to > most {
			return strictyaml.Wrong(n.Line, key, "must be above zero and %s", says)
		}
		return nil
	}
}

func positive(to *float64) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		value, err := strictyaml.Scalar(n, key)
		if err != nil {
			return err
		}
		if *to, err = strconv.ParseFloat(value, 64); err != nil || !(*to > 0) || *to > 1e9 {
			return strictyaml.Wrong(n.Line, key, "must be a number above zero, such as 0.5 or 10")
		}
		return nil
	}
}

func rate(to *deletions.Rate) strictyaml.Reader { return readRate(&to.PerSecond, &to.Burst) }

func readRate(perSecond *float64, most *int) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		var burst float64
		err := strictyaml.Fields(n, key, []strictyaml.Field{
			{Name: "per_second", Read: positive(perSecond)},
			{Name: "burst", Read: positive(&burst)},
		})
		if err != nil {
			return err
		}
		if *most = int(burst); *most < 1 || float64(*most) != burst || *perSecond == 0 {
			return strictyaml.Wrong(n.Line, key, "needs both per_second and burst, the latter a whole number")
		}
		return nil
	}
}

// toolExample is how a tool is written.
const toolExample = `mytool: {deletions: [{vendor: posthog, instance: eu, project: "12345", key_file: FILE}]}`

func (s surroundings) readTools(c *config, n *strictyaml.Node, key string) error {
	c.lines[key] = n.Line
	return strictyaml.EachPair(n, key, func(name, value *strictyaml.Node) error {
		path := strictyaml.Join(key, strictyaml.Shown(name.Value))
		if !isName(name.Value) {
			return strictyaml.Wrong(name.Line, path, "not a tool's name: it has up to 64 printable characters")
		}
		if value.Kind == yaml.SequenceNode {
			return strictyaml.Wrong(value.Line, path, "holds keys, and the list belongs to deletions: %s", toolExample)
		}
		t := toolConfig{name: name.Value}
		err := strictyaml.Fields(value, path, []strictyaml.Field{
			{Name: "destinations", Read: func(n *strictyaml.Node, key string) error { return s.readDestinations(&t, n, key) }},
			{Name: "schema", Read: func(n *strictyaml.Node, key string) (err error) {
				t.schemaPath, t.schemaLine = key, n.Line
				t.schema, err = word(n, key)
				return err
			}},
			{Name: "deletions", Read: func(n *strictyaml.Node, key string) error { return s.readVendors(&t, n, key) }},
			{Name: "erasures", Why: "is called deletions now"},
		})
		switch {
		case err != nil:
		case len(t.vendors) == 0 && len(t.destinations) == 0:
			err = strictyaml.Wrong(name.Line, path, "needs deletions, the vendors of its data, or destinations, where its events go: %s", toolExample)
		case len(t.destinations) == 0 && t.schema != "":
			err = strictyaml.Wrong(t.schemaLine, t.schemaPath, "is for events, which this tool has no destinations for")
		}
		c.tools = append(c.tools, t)
		return err
	})
}

// readVendors reads the vendors that delete the data of a tool.
func (s surroundings) readVendors(t *toolConfig, n *strictyaml.Node, key string) error {
	err := strictyaml.EachItem(n, key, `[{vendor: posthog, instance: eu, project: "12345", key_file: FILE}]`, func(i int, item *strictyaml.Node) error {
		v, err := s.readVendor(item, fmt.Sprintf("%s[%d]", key, i))
		if err == nil && slices.ContainsFunc(t.vendors, func(o vendorConfig) bool { return o.name == v.name }) {
			err = strictyaml.Wrong(item.Line, v.path, "there is a %s before it: give this one a name of its own, such as name: %s-2", v.name, v.name)
		}
		t.vendors = append(t.vendors, v)
		return err
	})
	if err == nil && len(t.vendors) == 0 {
		err = strictyaml.Wrong(n.Line, key, "there is no vendor: a deletion would be done before anybody has deleted")
	}
	return err
}

// isName is the relay's rule for the names of tools and vendors.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && plaintext.Clean(s) == s
}

// noKey is why a key of a file is none.
const noKey = "no key stands in this file: name the file that holds it with %[1]s_file, or a variable of the environment with %[1]s_env"

func (s surroundings) readVendor(n *strictyaml.Node, path string) (vendorConfig, error) {
	v := vendorConfig{path: path, line: n.Line, values: map[string]string{}, lines: map[string]int{}}
	found := false
	if err := strictyaml.EachPair(n, path, func(name, value *strictyaml.Node) (err error) {
		if name.Value == "vendor" {
			var word string
			if word, err = strictyaml.Scalar(value, strictyaml.Join(path, "vendor")); err == nil {
				if v.vendor, found = s.vendorInFile(word, nil); !found {
					err = strictyaml.Wrong(value.Line, strictyaml.Join(path, "vendor"), "not a vendor that this program can reach: %s", either(s.namesInFile()))
				}
			}
		}
		return err
	}); err != nil {
		return v, err
	}
	if !found {
		return v, strictyaml.Wrong(n.Line, path, "needs a vendor: %s", either(s.namesInFile()))
	}
	v.name = v.vendor.Name
	return v, strictyaml.Fields(n, path, slices.Concat([]strictyaml.Field{
		{Name: "vendor", Read: func(*strictyaml.Node, string) error { return nil }},
		{Name: "name", Read: named(&v.name)},
		{Name: "canary", Read: func(n *strictyaml.Node, key string) (err error) {
			if v.canary, err = strictyaml.Scalar(n, key); err == nil && (deletion.Request{MachineID: v.canary}).Validate() != nil {
				err = strictyaml.Wrong(n.Line, key, "not a machine ID: it has 32 lower-case hexadecimal characters")
			}
			return err
		}},
	}, settingFields(v.vendor.Settings, v.values, v.lines)))
}

// word reads a setting's value, which says something: an empty one would mean the default,
// and nobody writes that down on purpose.
func word(n *strictyaml.Node, key string) (string, error) {
	content, err := strictyaml.Scalar(n, key)
	if err == nil && content == "" {
		err = strictyaml.Wrong(n.Line, key, "has no value; remove the key to leave it unset")
	}
	return content, err
}

// keyFrom says where the keys come from.
func (v vendorConfig) keyFrom() string {
	var from []string
	for _, set := range v.vendor.Settings {
		if !set.Secret {
			continue
		}
		if file := v.values[set.Name+inFile]; file != "" {
			from = append(from, set.Name+" from "+file)
		} else {
			from = append(from, set.Name+" from the environment")
		}
	}
	return strings.Join(from, ", ")
}

// openAll reads all keys and makes all vendors. db may be nil where nobody is to be asked.
func (s surroundings) openAll(c *config, db *store.DB) (map[string][]deletions.Vendor, error) {
	all := map[string][]deletions.Vendor{}
	for _, t := range c.tools {
		for _, v := range t.vendors {
			vendor, _ := s.vendorInFile(v.vendor.Name, db)
			r, err := s.open(vendor, source{
				tool: t.name, values: v.values, path: c.path,
				wrong: func(name, problem string) error {
					line, found := v.lines[name]
					if !found {
						line = v.line
					}
					return strictyaml.Wrong(line, strictyaml.Join(v.path, name), "%s", problem)
				},
			})
			if err != nil {
				return nil, rootcmd.InFile(err)
			}
			all[t.name] = append(all[t.name], deletions.Vendor{Name: v.name, Requestor: r, Canary: v.canary, Own: vendor.Name == events.StoreName})
		}
	}
	return all, nil
}

// relayMistake translates what only deletions.New finds wrong.
func relayMistake(err error) error {
	if _, ok := errors.AsType[*driver.ConfigError](err); ok {
		return rootcmd.InFile(err)
	}
	return err
}
