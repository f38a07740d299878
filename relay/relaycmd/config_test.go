//go:build !notelemetry

package relaycmd

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// good is a file without mistakes, to be spoilt.
const good = `listen: 127.0.0.1:0
database: sqlite:data/relay.db
tools:
  mytool:
    deletions:
    - {vendor: posthog, instance: eu, project: "12345", key_file: posthog.key}
    - vendor: datadog
      site: eu1
      retention: 15d
      api_key_file: api.key
      application_key_file: application.key
`

func TestAMistakeInTheFileIsNamedWithItsLineAndRepeatsNoKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("empty.key", "\n")
	p.write("swapped.key", applicationKey)
	for name, test := range map[string]struct{ old, new, want string }{
		"unknown key":                    {"database:", "databse:", `line 2: databse: unknown key; did you mean "database"?`},
		"a word far from all":            {"database:", "deletions:", "line 2: deletions: unknown key; known here are listen, admin, tls, proxies, database, database_file, database_env, quiet, poll, due, limits, opendsr, tools"},
		"no mapping":                     {good, "- 1\n", `line 1: the file must hold keys with values, such as "listen: 127.0.0.1:8443"`},
		"empty setting":                  {"instance: eu", `instance: ""`, "line 6: tools.mytool.deletions[0].instance: has no value"},
		"almost a secret's name":         {"api_key_file: api.key", "api_kye: x", "line 10: tools.mytool.deletions[1].api_kye: unknown key; known here are vendor, name, canary, api_key_file,"},
		"the former name of deletions":   {"deletions:", "erasures:", "line 5: tools.mytool.erasures: is called deletions now"},
		"a setting with a slip":          {"application_key_file:", "applicaton_key_file:", `unknown key; did you mean "application_key_file"?`},
		"a sign at the start":            {"database: sqlite:data/relay.db", "database: @x", "quote a value that begins with @"},
		"key twice":                      {"database: sqlite:data/relay.db", "database: a\ndatabase: b", "line 3: database: stands here a second time; the first is in line 2"},
		"no listen":                      {"listen: 127.0.0.1:0\n", "", "listen: not set"},
		"no database":                    {"database: sqlite:data/relay.db\n", "", "database: not set"},
		"a ledger of files":              {"database: sqlite:data/relay.db", "ledger: /var/lib/deletions", "line 2: ledger: the ledger is in a database now"},
		"two databases":                  {"database:", "database_env: X\ndatabase:", "the database is named in another way as well"},
		"a password in the database":     {"sqlite:data/relay.db", "postgres://relay:5ec12e7a91@db/relay", "line 2: database: no password stands in this file"},
		"no such variable":               {"database: sqlite:data/relay.db", "database_env: NO_SUCH", "line 2: database_env: the environment has no such variable"},
		"no URL":                         {"sqlite:data/relay.db", "relay.db", "a database is sqlite:FILE or postgres://USER@HOST/NAME"},
		"a canary that is none":          {"key_file: posthog.key}", "key_file: posthog.key, canary: tweety}", "line 6: tools.mytool.deletions[0].canary: not a machine ID"},
		"overdue":                        {"database:", "due: 31d\ndatabase:", "line 2: due: must be above zero and at most 30d"},
		"no port":                        {"127.0.0.1:0", "127.0.0.1", "line 1: listen: must be an address with a port"},
		"wrong port":                     {"127.0.0.1:0", "127.0.0.1:http", "line 1: listen: the port must be a number"},
		"plain to others":                {"127.0.0.1:0", "0.0.0.0:0", "line 1: listen: without TLS, deletion keys would cross the network"},
		"plain to all":                   {"127.0.0.1:0", ":8080", "line 1: listen: without TLS"},
		"half of tls":                    {"database:", "tls: {key: x}\ndatabase:", "line 2: tls: needs both certificate and key"},
		"no certificate":                 {"database:", "tls: {certificate: c, key: k}\ndatabase:", "line 2: tls: certificate: cannot read the file: "},
		"quiet without unit":             {"database:", "quiet: 24\ndatabase:", "line 2: quiet: must be a duration with its unit"},
		"no quiet":                       {"database:", "quiet: 0s\ndatabase:", "line 2: quiet: must be above zero"},
		"too quiet":                      {"database:", "quiet: 15d\ndatabase:", "line 2: quiet: must be above zero and at most 14d"},
		"no burst":                       {"database:", "limits: {global: {per_second: 1}}\ndatabase:", "line 2: limits.global: needs both per_second and burst"},
		"half a burst":                   {"database:", "limits: {global: {per_second: 1, burst: 1.5}}\ndatabase:", "line 2: limits.global: needs both"},
		"no rate":                        {"database:", "limits: {global: {per_second: 0, burst: 1}}\ndatabase:", "line 2: limits.global.per_second: must be a number above zero"},
		"a proxy without an address":     {"database:", "behind_proxy: true\ndatabase:", "line 2: behind_proxy: name the proxies: proxies: [10.0.0.0/8]"},
		"everybody a proxy":              {"database:", "proxies: [0.0.0.0/0]\ndatabase:", "line 2: proxies[0]: must be a proxy's address, or a network that holds nothing but proxies"},
		"no value":                       {"database: sqlite:data/relay.db", "database:", "line 2: database: has no value"},
		"rare looks":                     {"database:", "poll: 2d\ndatabase:", "line 2: poll: must be above zero and at most 24h"},
		"anchor":                         {"database: sqlite:data/relay.db", "database: &x data", "line 2: database: anchors and aliases"},
		"tag":                            {"database: sqlite:data/relay.db", "database: !x data", "line 2: database: tags (!) are not read here"},
		"syntax":                         {"database: sqlite:data/relay.db", "database: [", "not valid YAML"},
		"second document":                {"database:", "---\ndatabase:", "line 2: a second document begins here"},
		"odd tool":                       {"  mytool:", `  "my\ttool":`, "line 4: tools.my tool: not a tool's name"},
		"no vendors":                     {good[strings.Index(good, "\n    -"):], " []\n", "line 5: tools.mytool.deletions: there is no vendor"},
		"vendors are no list":            {good[strings.Index(good, "\n    -"):], " {vendor: posthog}\n", "line 5: tools.mytool.deletions: must be a list, such as"},
		"a list as it was":               {"  mytool:\n    deletions:", "  mytool:", "line 5: tools.mytool: holds keys, and the list belongs to deletions: mytool: {deletions: [{vendor: posthog,"},
		"nothing for a tool":             {good[strings.Index(good, "    deletions:"):], "    {}\n", "line 4: tools.mytool: needs deletions, the vendors of its data"},
		"no tools":                       {good[strings.Index(good, "tools:"):], "", "tools: there are none"},
		"no vendor":                      {"vendor: posthog, ", "", "line 6: tools.mytool.deletions[0]: needs a vendor: amplitude, datadog, posthog, segment or store"},
		"unknown vendor":                 {"vendor: posthog", "vendor: mixpanel", "line 6: tools.mytool.deletions[0].vendor: not a vendor that this program can reach: amplitude, datadog, posthog, segment or store"},
		"another vendor's key":           {"instance: eu", "site: eu1", "line 6: tools.mytool.deletions[0].site: unknown key; known here are vendor, name, canary, key_file, key_env, instance, endpoint, project"},
		"the same vendor twice":          {"    - vendor: datadog", "    - {vendor: posthog, instance: us, project: \"1\", key_env: X}\n    - vendor: datadog", "line 7: tools.mytool.deletions[1]: there is a posthog before it: give this one a name of its own, such as name: posthog-2"},
		"no instance":                    {"instance: eu, ", "", "line 6: tools.mytool.deletions[0].instance: not set: us or eu"},
		"no project":                     {`"12345"`, "mine", "line 6: tools.mytool.deletions[0].project: not a project ID"},
		"plain endpoint":                 {"instance: eu", "endpoint: http://posthog.example.com", "line 6: tools.mytool.deletions[0].endpoint: plain http:// to another machine would show the key"},
		"no retention":                   {"      retention: 15d\n", "", "line 7: tools.mytool.deletions[1].retention: required by vendor"},
		"odd retention":                  {"15d", "a while", "line 9: tools.mytool.deletions[1].retention: not a time like 15d or 360h"},
		"short retention":                {"15d", "15m", "line 9: tools.mytool.deletions[1].retention: not between a day and ten years"},
		"unknown site":                   {"eu1", "eu9", "line 8: tools.mytool.deletions[1].site: \"eu9\" is not one of us1, us3,"},
		"unknown tier":                   {"retention: 15d", "retention: 15d\n      tiers: [attic]", "line 10: tools.mytool.deletions[1].tiers: not a place for logs"},
		"tiers that are none":            {"retention: 15d", "retention: 15d\n      tiers: flex,cellar", "line 10: tools.mytool.deletions[1].tiers: not a place for logs"},
		"tool that is no service":        {"  mytool:", "  My Tool:", "line 7: tools.My Tool.deletions[1].service: not set, and the tool's name cannot be searched for"},
		"a key in the file":              {"key_file: posthog.key", "key: " + postHogKey, "line 6: tools.mytool.deletions[0].key: no key stands in this file: name the file that holds it with key_file, or a variable of the environment with key_env"},
		"an API key in the file":         {"api_key_file: api.key", "api_key: " + apiKey, "line 10: tools.mytool.deletions[1].api_key: no key stands in this file: name the file that holds it with api_key_file"},
		"a key in place of its file":     {"key_file: posthog.key", "key_file: " + postHogKey, "line 6: tools.mytool.deletions[0].key_file: cannot read the file: "},
		"a key in place of its variable": {"key_file: posthog.key", "key_env: " + postHogKey, "line 6: tools.mytool.deletions[0].key_env: the environment has no such variable, or an empty one"},
		"no key":                         {", key_file: posthog.key", "", "line 6: tools.mytool.deletions[0].key_file: not set: name the file that holds the key"},
		"two keys":                       {"key_file: posthog.key", "key_file: posthog.key, key_env: POSTHOG_KEY", "line 6: tools.mytool.deletions[0].key_env: the key is to be in a file as well: keep one of them"},
		"empty key":                      {"posthog.key", "empty.key", "line 6: tools.mytool.deletions[0].key_file: the file is empty"},
		"wrong key":                      {"posthog.key", "api.key", "line 6: tools.mytool.deletions[0].key_file: not a personal API key"},
		"swapped keys":                   {"api_key_file: api.key", "api_key_file: swapped.key", "line 10: tools.mytool.deletions[1].api_key_file: an application key: is it the other one?"},
		"key is a directory":             {"posthog.key", ".", "line 6: tools.mytool.deletions[0].key_file: cannot read the file: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := *p
			p.T = t
			if !strings.Contains(good, test.old) {
				t.Fatalf("there is no %q to be spoilt", test.old)
			}
			file := p.write(strings.ReplaceAll(name, " ", "-")+".yaml", strings.Replace(good, test.old, test.new, 1))
			_, errs, code := p.inProcess(noon, nil, "serve", "--config", file, "--check")
			if code != 2 || !strings.Contains(errs, "telemetry-relay: --config: ") || !strings.Contains(errs, test.want) {
				t.Errorf("code %d, %q, want %q", code, errs, test.want)
			}
			if holdsKey(errs) || strings.Count(errs, "\n") != 1 {
				t.Errorf("it says %q", errs)
			}
		})
	}
}

func TestNothingInTheFileIsExpanded(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file := p.write("relay.yaml", strings.Replace(good, "key_file: posthog.key", "key_env: $POSTHOG_KEY", 1))
	p.fails(2, "line 6: tools.mytool.deletions[0].key_env: the environment has no such variable", "serve", "--config", file, "--check")
	p.write("relay.yaml", strings.Replace(good, "database: sqlite:data/relay.db", `database: "sqlite:~/${HOME}"`, 1))
	if out := p.must("serve", "--config", file, "--check"); !strings.Contains(out, filepath.Join(p.dir, "~", "${HOME}")) {
		t.Errorf("it says %s", out)
	}
}

// The help is where operators copy their first file from.
func TestTheFileInTheHelpIsGood(t *testing.T) {
	t.Parallel()
	c, err := (surroundings{drivers: []driver.Driver{posthog.Driver()}, vendors: reachable()}).parseConfig([]byte(relayExample))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.tools) != 1 || len(c.tools[0].vendors) != 3 || len(c.tools[0].destinations) != 2 || len(c.proxies) != 1 ||
		c.eventLimits.WaitingBytes != 256<<20 || c.limit.Global.Burst != 1000 || c.quiet.Hours() != 24 || c.certificate != "FILE" {
		t.Errorf("read as %+v", c)
	}
}

func TestAKeyThatOthersCanReadIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are access lists in place of modes")
	}
	p := newPlace(t)
	file := p.write("relay.yaml", good)
	key := p.path("posthog.key")
	// A group of the process's own may read it: so Kubernetes mounts a secret with fsGroup.
	for mode, taken := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o700: true, 0o640: true, 0o440: true, 0o604: false, 0o644: false, 0o601: false} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		out, errs, code := p.run("serve", "--config", file, "--check")
		if taken != (code == 0) {
			t.Errorf("%#o: code %d, %q, %q", mode, code, out, errs)
		}
		if !taken && !strings.Contains(errs, "line 6: tools.mytool.deletions[0].key_file: others than its owner may get at it") || !taken && !strings.Contains(errs, "chmod 600 "+key+", or give it the group of this process and chmod 440\n") {
			t.Errorf("%#o: it says %q", mode, errs)
		}
		args := []string{"delete", "--machine-id", somebody(1).id, "--vendor", "posthog", "--endpoint", p.postHogURL, "--project", "12345", "--key-file", key, "--dry-run"}
		if _, errs, code := p.run(args...); taken != (code == 0) || !taken && !strings.Contains(errs, "--key-file: others than its owner may get at it") {
			t.Errorf("delete, %#o: code %d, %q", mode, code, errs)
		}
	}
}

func TestCheckSaysWhatWouldRunAndDoesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file := p.declare("admin: 127.0.0.1:0", "proxies: [127.0.0.0/8]")
	golden(t, "check", p.transcript("serve", "--config", file, "--check"))
	golden(t, "check_json", p.transcript("serve", "--config", file, "--check", "--output", "json"))
	if _, err := os.Stat(p.path("data")); err == nil {
		t.Error("the database was made")
	}
	if n := len(p.postHog.Calls()) + len(p.dataDog.Calls()); n > 0 {
		t.Errorf("the vendors were called %d times", n)
	}
}

func TestARelayNeedsAFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.fails(2, "--config is required", "serve")
	p.fails(2, "telemetry-relay serve --help tells how it is used.", "serve")
	p.fails(2, "--config: cannot read the file: ", "serve", "--config", "none.yaml")
	p.fails(2, "takes no arguments", "serve", "x", "--config", "none.yaml")
	p.fails(2, "must be auto, text or json", "serve", "--log", "xml")
	p.fails(2, "--output goes with --check", "serve", "--output", "json")
}

// A key on a command line is in the list of processes and in the shell's history.
func TestNoFlagTakesASecret(t *testing.T) {
	t.Parallel()
	flags := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		each := func(f *pflag.Flag) {
			flags++
			for _, word := range []string{"key", "secret", "token", "password", "credential"} {
				if strings.Contains(f.Name, word) && !strings.HasSuffix(f.Name, "-file") && !strings.HasSuffix(f.Name, "-env") {
					t.Errorf("%s has the flag --%s", cmd.CommandPath(), f.Name)
				}
			}
		}
		cmd.Flags().VisitAll(each)
		cmd.PersistentFlags().VisitAll(each)
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	for _, cmd := range (surroundings{lookup: os.LookupEnv, now: time.Now, vendors: reachable()}).commands() {
		walk(cmd)
	}
	if flags < 30 {
		t.Errorf("only %d flags were looked at", flags)
	}
	for _, v := range reachable() {
		for _, s := range v.Settings {
			if strings.Contains(s.Name, "key") && !s.Secret {
				t.Errorf("%s.%s would be taken as it stands", v.Name, s.Name)
			}
		}
	}
}

func TestHelpAndCompletionAreAsReviewed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for name, line := range map[string]string{
		"help":                 "help",
		"help_serve":           "serve --help",
		"help_report":          "report --help",
		"help_deletions":       "deletions",
		"help_list":            "deletions list --help",
		"help_show":            "deletions show --help",
		"help_export":          "deletions export --help",
		"help_verify":          "deletions verify --help",
		"help_retry":           "deletions retry --help",
		"help_add":             "deletions add --help",
		"help_done":            "deletions done --help",
		"help_verify_export":   "deletions verify-export --help",
		"help_keygen":          "deletions keygen --help",
		"help_migrate":         "migrate --help",
		"help_delete":          "delete --help",
		"complete_deletions":   "__complete deletions ",
		"complete_state":       "__complete deletions list --state ",
		"complete_format":      "__complete deletions export --format ",
		"complete_vendor":      "__complete delete --vendor ",
		"complete_site":        "__complete delete --site ",
		"complete_delete_flag": "__complete delete --key",
		"complete_report":      "__complete report --k ",
	} {
		args := strings.Split(line, " ")
		golden(t, name, p.transcript(args...))
	}
}

func TestWrongUseIsExitCodeTwo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for line, want := range map[string]string{
		"deletions lst":                                                  `unknown command "lst" for "telemetry-relay deletions"; did you mean list?`,
		"deletions list":                                                 "--config is required",
		"deletions list --database a --config b":                         "--database and --config both name a ledger",
		"deletions list --config none.yaml":                              "--config: cannot read the file",
		"deletions list --database sqlite:none":                          "there is no ledger in none: no relay has run there",
		"deletions list --database sqlite:none x":                        "takes no arguments",
		"deletions list --state gone":                                    "must be acknowledged, verified, refused, done or cancelled",
		"deletions show --database sqlite:none":                          "takes the ID of a deletion, but was given 0 words",
		"deletions show --database sqlite:none abc":                      "not an ID",
		"deletions show --database sqlite:none ABCDEF":                   "not an ID",
		"deletions show --database sqlite:none abcdef":                   "there is no ledger in none",
		"deletions verify --database sqlite:none":                        "there is no ledger in none",
		"deletions list --database mysql:none":                           "a database is sqlite:FILE",
		"deletions list --database postgres://relay:secret@db/relay":     "--database: a password on a command line",
		"deletions done abcd --database sqlite:none --by me":             "--by and --why are required",
		"deletions add --database sqlite:none --by me --why letter":      "--config is required",
		"deletions export --database sqlite:none --sign x":               "--sign and --signature go together",
		"deletions export --database sqlite:none --sign x --signature y": "--sign: cannot read the file",
		"deletions verify-export x":                                      "--signature and --public-key-file are required",
		"deletions keygen":                                               "takes the name of a file",
		"migrate --database sqlite:none":                                 "--from-ledger is required",
		"migrate --from-ledger x":                                        "--config is required",
		"deletions export --database sqlite:none --format xml":           "must be json or csv",
	} {
		if out := p.fails(2, want, strings.Fields(line)...); out != "" {
			t.Errorf("%s: printed %q", line, out)
		}
	}
	if _, err := os.Stat(p.path("none")); err == nil {
		t.Error("a directory was made by looking for it")
	}
}

func TestTheCheckRefusesOnePortForToolsAndTheOperator(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, test := range []struct {
		listen, admin string
		taken         bool
	}{
		{"127.0.0.1:8443", "127.0.0.1:8443", false},
		{":8443", "127.0.0.1:8443", false},
		{"127.0.0.1:8443", "0.0.0.0:8443", false},
		{"127.0.0.1:8443", "[::]:8443", false},
		{"127.0.0.1:8443", "127.0.0.2:8443", true},
		{"127.0.0.1:8443", "127.0.0.1:9090", true},
		{"127.0.0.1:0", "127.0.0.1:0", true},
	} {
		file := p.write("relay.yaml", strings.Replace(good, "listen: 127.0.0.1:0", "listen: '"+test.listen+"'\nadmin: '"+test.admin+"'\nproxies: [127.0.0.0/8]", 1))
		if test.taken {
			p.must("serve", "--config", file, "--check")
		} else {
			p.fails(2, "line 2: admin: listen has this port", "serve", "--config", file, "--check")
		}
	}
}

func TestTheCheckWarnsOfAnAdminAddressThatOthersReach(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for admin, open := range map[string]bool{"127.0.0.1:9090": false, "localhost:9090": false, "'[::1]:9090'": false, "0.0.0.0:9090": true, "':9090'": true, "192.0.2.7:9090": true} {
		file := p.declare("admin: " + admin)
		warned := strings.Contains(p.must("serve", "--config", file, "--check"), "Warning: admin is no address of this machine alone")
		listed := strings.Contains(p.must("serve", "--config", file, "--check", "--output", "json"), `"admin_warning": "admin is no address of this machine alone`)
		if warned != open || listed != open {
			t.Errorf("%s: warned %v, in JSON %v", admin, warned, listed)
		}
	}
}

// A gateway without deletions has a ledger without lines.
func TestADatabaseThatAGatewayServedFromIsNotCalledNew(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file := p.declare()
	for _, schema := range []struct {
		of   []store.Schema
		want string
	}{
		{nil, "relay.db, which serve makes, with its folder where there is none\n"},
		{[]store.Schema{deletions.Schema()}, "relay.db, which is empty\n"},
		{[]store.Schema{deletions.Schema(), events.Schema()}, "relay.db: 0 lines, 0 deletions, of which 0 open and 0 due within a week\n"},
	} {
		if schema.of != nil {
			db, err := store.Open(t.Context(), "sqlite:"+p.path("data/relay.db"), schema.of...)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if said := p.must("serve", "--config", file, "--check"); !strings.Contains(said, schema.want) {
			t.Errorf("want %q in %s", schema.want, said)
		}
		if said := p.must("serve", "--config", file, "--check", "--output", "json"); strings.Contains(said, `"new": true`) == strings.Contains(schema.want, "0 lines") {
			t.Errorf("want %q, and in JSON it is %s", schema.want, said)
		}
	}
}
