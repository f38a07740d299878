//go:build !notelemetry

package relaycmd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/rootcmd"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
	"github.com/gotoolbase/telemetry/relay/erasures"
)

// document is what is known of such files. 256 KiB is far above what a relay with a hundred
// tools takes.
var document = strictyaml.Document{
	Max:     256,
	Empty:   "the file is empty: a relay needs listen, ledger and tools",
	One:     "one file is one relay",
	Plain:   "not a plain file: other commands read it too, to find the ledger",
	Example: "listen: 127.0.0.1:8443",
}

// config is a relay's file.
type config struct {
	listen, admin    string
	certificate, key string // of TLS, empty without
	behindProxy      bool
	ledger           string
	quiet, poll      time.Duration
	limit            erasures.Limit
	tools            []toolConfig

	folder string
	lines  map[string]int
}

type toolConfig struct {
	name    string
	vendors []vendorConfig
}

// vendorConfig is an item of a tool's list.
type vendorConfig struct {
	kind   *kind
	name   string // in the ledger
	values map[string]string

	path  string
	line  int
	lines map[string]int
}

// loadConfig reads a relay's file. Files that are named in it are found from its own
// folder, wherever the relay is started.
func loadConfig(path string) (*config, error) {
	if path == "" {
		return nil, usage("--config is required: the YAML file that says what the relay does")
	}
	data, err := document.Read(path)
	if err != nil {
		return nil, rootcmd.InFile(err)
	}
	c, err := parseConfig(data)
	if err != nil {
		return nil, rootcmd.InFile(err)
	}
	if c.folder, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, rootcmd.InFile(errors.New("the working directory is gone, so name the file with its whole path"))
	}
	for _, file := range []*string{&c.ledger, &c.certificate, &c.key} {
		*file = c.path(*file)
	}
	return c, nil
}

// path finds a file that is named in the configuration.
func (c *config) path(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(c.folder, file)
}

func parseConfig(data []byte) (*config, error) {
	root, err := document.Parse(data)
	if err != nil {
		return nil, err
	}
	c := &config{lines: map[string]int{}}
	err = strictyaml.Fields(root, "", []strictyaml.Field{
		{Name: "listen", Read: c.address(&c.listen)},
		{Name: "admin", Read: c.address(&c.admin)},
		{Name: "tls", Read: c.tls},
		{Name: "behind_proxy", Read: strictyaml.Flag(&c.behindProxy)},
		{Name: "ledger", Read: strictyaml.Text(&c.ledger)},
		{Name: "quiet", Read: pause(&c.quiet, maxQuiet, "at most 14d; without it, it is 24h")},
		{Name: "poll", Read: pause(&c.poll, maxPoll, "at most 24h; without it, it is 6h")},
		{Name: "limits", Read: func(n *strictyaml.Node, key string) error {
			return strictyaml.Fields(n, key, []strictyaml.Field{
				{Name: "per_address", Read: rate(&c.limit.PerAddress)},
				{Name: "global", Read: rate(&c.limit.Global)},
			})
		}},
		{Name: "tools", Read: c.readTools},
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
	case c.ledger == "":
		return strictyaml.Wrong(0, "ledger", "not set: the directory that holds the record of all erasures, such as /var/lib/erasures")
	case len(c.tools) == 0:
		return strictyaml.Wrong(c.lines["tools"], "tools", "there are none: name each tool whose requests are taken, with the vendors of its data")
	case c.certificate == "" && !c.behindProxy && !isLoopback(c.listen):
		return strictyaml.Wrong(c.lines["listen"], "listen", "without TLS, erasure keys would cross the network for all to read: set tls, "+
			"or behind_proxy: true where a proxy in front speaks TLS, or listen on 127.0.0.1")
	}
	return nil
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

func rate(to *erasures.Rate) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		var burst float64
		err := strictyaml.Fields(n, key, []strictyaml.Field{
			{Name: "per_second", Read: positive(&to.PerSecond)},
			{Name: "burst", Read: positive(&burst)},
		})
		if err != nil {
			return err
		}
		if to.Burst = int(burst); to.Burst < 1 || float64(to.Burst) != burst || to.PerSecond == 0 {
			return strictyaml.Wrong(n.Line, key, "needs both per_second and burst, the latter a whole number")
		}
		return nil
	}
}

func (c *config) readTools(n *strictyaml.Node, key string) error {
	c.lines[key] = n.Line
	return strictyaml.EachPair(n, key, func(name, list *strictyaml.Node) error {
		path := strictyaml.Join(key, strictyaml.Shown(name.Value))
		if !isName(name.Value) {
			return strictyaml.Wrong(name.Line, path, "not a tool's name: it has up to 64 printable characters")
		}
		t := toolConfig{name: name.Value}
		err := strictyaml.EachItem(list, path, `[{vendor: posthog, instance: eu, project: "12345", key_file: FILE}]`, func(i int, item *strictyaml.Node) error {
			v, err := readVendor(item, fmt.Sprintf("%s[%d]", path, i))
			if err == nil && slices.ContainsFunc(t.vendors, func(o vendorConfig) bool { return o.name == v.name }) {
				err = strictyaml.Wrong(item.Line, v.path, "there is a %s before it: give this one a name of its own, such as name: %s-2", v.name, v.name)
			}
			t.vendors = append(t.vendors, v)
			return err
		})
		if err == nil && len(t.vendors) == 0 {
			return strictyaml.Wrong(list.Line, path, "has no vendor: an erasure would be done before anybody has erased")
		}
		c.tools = append(c.tools, t)
		return err
	})
}

// isName is the relay's rule for the names of tools and vendors.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && plaintext.Clean(s) == s
}

// noKey is why a key of a file is none.
const noKey = "no key stands in this file: name the file that holds it with %[1]s_file, or a variable of the environment with %[1]s_env"

func readVendor(n *strictyaml.Node, path string) (vendorConfig, error) {
	v := vendorConfig{path: path, line: n.Line, values: map[string]string{}, lines: map[string]int{}}
	if err := strictyaml.EachPair(n, path, func(name, value *strictyaml.Node) (err error) {
		if name.Value == "vendor" {
			var word string
			if word, err = strictyaml.Scalar(value, strictyaml.Join(path, "vendor")); err == nil {
				if v.kind = kindNamed(word); v.kind == nil {
					err = strictyaml.Wrong(value.Line, strictyaml.Join(path, "vendor"), "not a vendor that can be asked here: %s", strings.Join(kindNames(), " or "))
				}
			}
		}
		return err
	}); err != nil {
		return v, err
	}
	if v.kind == nil {
		return v, strictyaml.Wrong(n.Line, path, "needs a vendor: %s", strings.Join(kindNames(), " or "))
	}
	v.name = v.kind.name
	fields := []strictyaml.Field{
		{Name: "vendor", Read: func(*strictyaml.Node, string) error { return nil }},
		{Name: "name", Read: func(n *strictyaml.Node, key string) error {
			if err := strictyaml.Text(&v.name)(n, key); err != nil {
				return err
			}
			if !isName(v.name) {
				return strictyaml.Wrong(n.Line, key, "not a name: it has up to 64 printable characters")
			}
			return nil
		}},
	}
	for _, s := range v.kind.settings {
		for _, name := range s.names() {
			fields = append(fields, strictyaml.Field{Name: name, Read: v.value(name, s.list)})
		}
		if s.secret {
			fields = append(fields, strictyaml.Field{Name: s.name, Why: fmt.Sprintf(noKey, s.name)})
		}
	}
	return v, strictyaml.Fields(n, path, fields)
}

// value reads a setting.
func (v *vendorConfig) value(name string, list bool) strictyaml.Reader {
	return func(n *strictyaml.Node, key string) error {
		v.lines[name] = n.Line
		if !list {
			content, err := word(n, key)
			v.values[name] = content
			return err
		}
		var words []string
		err := strictyaml.EachItem(n, key, "[indexes, flex]", func(_ int, item *strictyaml.Node) error {
			content, err := word(item, key)
			words = append(words, content)
			return err
		})
		v.values[name] = strings.Join(words, ",")
		return err
	}
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
	for _, s := range v.kind.settings {
		if !s.secret {
			continue
		}
		if file := v.values[s.name+inFile]; file != "" {
			from = append(from, s.name+" from "+file)
		} else {
			from = append(from, s.name+" from the environment")
		}
	}
	return strings.Join(from, ", ")
}

// openAll reads all keys and makes all vendors.
func (s surroundings) openAll(c *config) (map[string][]erasures.Vendor, error) {
	all := map[string][]erasures.Vendor{}
	for _, t := range c.tools {
		for _, v := range t.vendors {
			a, err := s.open(v.kind, source{
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
			all[t.name] = append(all[t.name], erasures.Vendor{Name: v.name, Requestor: a.Follower})
		}
	}
	return all, nil
}

// relayMistake translates what only erasures.New finds wrong.
func relayMistake(err error) error {
	if _, ok := errors.AsType[*driver.ConfigError](err); ok {
		return rootcmd.InFile(err)
	}
	return err
}
