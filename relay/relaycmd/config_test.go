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
)

// good is a file without mistakes, to be spoilt.
const good = `listen: 127.0.0.1:0
ledger: ledger
tools:
  mytool:
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
		"unknown key":                    {"ledger:", "legder:", `line 2: legder: unknown key; did you mean "ledger"?`},
		"a word far from all":            {"ledger:", "erasures:", "line 2: erasures: unknown key; known here are listen, admin, tls, behind_proxy, ledger, quiet, poll, limits, tools"},
		"no mapping":                     {good, "- 1\n", `line 1: the file must hold keys with values, such as "listen: 127.0.0.1:8443"`},
		"empty setting":                  {"instance: eu", `instance: ""`, "line 5: tools.mytool[0].instance: has no value"},
		"almost a secret's name":         {"api_key_file: api.key", "api_kye: x", "line 9: tools.mytool[1].api_kye: unknown key; known here are vendor, name, site, endpoint, service, retention, tiers, api_key_file,"},
		"a setting with a slip":          {"application_key_file:", "applicaton_key_file:", `unknown key; did you mean "application_key_file"?`},
		"a sign at the start":            {"ledger: ledger", "ledger: @x", "quote a value that begins with @"},
		"key twice":                      {"ledger: ledger", "ledger: a\nledger: b", "line 3: ledger: stands here a second time; the first is in line 2"},
		"no listen":                      {"listen: 127.0.0.1:0\n", "", "listen: not set"},
		"no ledger":                      {"ledger: ledger\n", "", "ledger: not set"},
		"no port":                        {"127.0.0.1:0", "127.0.0.1", "line 1: listen: must be an address with a port"},
		"wrong port":                     {"127.0.0.1:0", "127.0.0.1:http", "line 1: listen: the port must be a number"},
		"plain to others":                {"127.0.0.1:0", "0.0.0.0:0", "line 1: listen: without TLS, erasure keys would cross the network"},
		"plain to all":                   {"127.0.0.1:0", ":8080", "line 1: listen: without TLS"},
		"half of tls":                    {"ledger:", "tls: {key: x}\nledger:", "line 2: tls: needs both certificate and key"},
		"no certificate":                 {"ledger:", "tls: {certificate: c, key: k}\nledger:", "line 2: tls: certificate: cannot read the file: "},
		"quiet without unit":             {"ledger:", "quiet: 24\nledger:", "line 2: quiet: must be a duration with its unit"},
		"no quiet":                       {"ledger:", "quiet: 0s\nledger:", "line 2: quiet: must be above zero"},
		"too quiet":                      {"ledger:", "quiet: 15d\nledger:", "line 2: quiet: must be above zero and at most 14d"},
		"no burst":                       {"ledger:", "limits: {global: {per_second: 1}}\nledger:", "line 2: limits.global: needs both per_second and burst"},
		"half a burst":                   {"ledger:", "limits: {global: {per_second: 1, burst: 1.5}}\nledger:", "line 2: limits.global: needs both"},
		"no rate":                        {"ledger:", "limits: {global: {per_second: 0, burst: 1}}\nledger:", "line 2: limits.global.per_second: must be a number above zero"},
		"not a word":                     {"ledger:", "behind_proxy: maybe\nledger:", "line 2: behind_proxy: must be true or false"},
		"no value":                       {"ledger: ledger", "ledger:", "line 2: ledger: has no value"},
		"rare looks":                     {"ledger:", "poll: 2d\nledger:", "line 2: poll: must be above zero and at most 24h"},
		"anchor":                         {"ledger: ledger", "ledger: &x ledger", "line 2: ledger: anchors and aliases"},
		"tag":                            {"ledger: ledger", "ledger: !x ledger", "line 2: ledger: tags (!) are not read here"},
		"syntax":                         {"ledger: ledger", "ledger: [", "not valid YAML"},
		"second document":                {"ledger:", "---\nledger:", "line 2: a second document begins here"},
		"odd tool":                       {"  mytool:", `  "my\ttool":`, "line 4: tools.my tool: not a tool's name"},
		"no vendors":                     {good[strings.Index(good, "    -"):], "    []\n", "line 5: tools.mytool: has no vendor"},
		"vendors are no list":            {good[strings.Index(good, "    -"):], "    {vendor: posthog}\n", "line 5: tools.mytool: must be a list, such as"},
		"no tools":                       {good[strings.Index(good, "tools:"):], "", "tools: there are none"},
		"no vendor":                      {"vendor: posthog, ", "", "line 5: tools.mytool[0]: needs a vendor: posthog or datadog"},
		"unknown vendor":                 {"vendor: posthog", "vendor: segment", "line 5: tools.mytool[0].vendor: not a vendor that can be asked here: posthog or datadog"},
		"another vendor's key":           {"instance: eu", "site: eu1", "line 5: tools.mytool[0].site: unknown key; known here are vendor, name, instance, endpoint, project, key_file, key_env"},
		"the same vendor twice":          {"    - vendor: datadog", "    - {vendor: posthog, instance: us, project: \"1\", key_env: X}\n    - vendor: datadog", "line 6: tools.mytool[1]: there is a posthog before it: give this one a name of its own, such as name: posthog-2"},
		"no instance":                    {"instance: eu, ", "", "line 5: tools.mytool[0].instance: not set: us or eu"},
		"no project":                     {`"12345"`, "mine", "line 5: tools.mytool[0].project: not a project ID"},
		"plain endpoint":                 {"instance: eu", "endpoint: http://posthog.example.com", "line 5: tools.mytool[0].endpoint: plain http:// to another machine would show the key"},
		"no retention":                   {"      retention: 15d\n", "", "line 6: tools.mytool[1].retention: not set"},
		"odd retention":                  {"15d", "a while", "line 8: tools.mytool[1].retention: must be a duration with its unit"},
		"short retention":                {"15d", "15m", "line 8: tools.mytool[1].retention: not between a day and ten years"},
		"unknown site":                   {"eu1", "eu9", "line 7: tools.mytool[1].site: not a region"},
		"unknown tier":                   {"retention: 15d", "retention: 15d\n      tiers: [attic]", "line 9: tools.mytool[1].tiers: not a place for logs"},
		"tiers are no list":              {"retention: 15d", "retention: 15d\n      tiers: flex", "line 9: tools.mytool[1].tiers: must be a list, such as [indexes, flex]"},
		"tool that is no service":        {"  mytool:", "  My Tool:", "line 6: tools.My Tool[1].service: not a service that can be searched for"},
		"a key in the file":              {"key_file: posthog.key", "key: " + postHogKey, "line 5: tools.mytool[0].key: no key stands in this file: name the file that holds it with key_file, or a variable of the environment with key_env"},
		"an API key in the file":         {"api_key_file: api.key", "api_key: " + apiKey, "line 9: tools.mytool[1].api_key: no key stands in this file: name the file that holds it with api_key_file"},
		"a key in place of its file":     {"key_file: posthog.key", "key_file: " + postHogKey, "line 5: tools.mytool[0].key_file: cannot read the file: "},
		"a key in place of its variable": {"key_file: posthog.key", "key_env: " + postHogKey, "line 5: tools.mytool[0].key_env: the environment has no such variable, or an empty one"},
		"no key":                         {", key_file: posthog.key", "", "line 5: tools.mytool[0].key_file: not set: name the file that holds the key"},
		"two keys":                       {"key_file: posthog.key", "key_file: posthog.key, key_env: POSTHOG_KEY", "line 5: tools.mytool[0].key_env: the key is to be in a file as well: keep one of them"},
		"empty key":                      {"posthog.key", "empty.key", "line 5: tools.mytool[0].key_file: the file is empty"},
		"wrong key":                      {"posthog.key", "api.key", "line 5: tools.mytool[0].key_file: not a personal API key"},
		"swapped keys":                   {"api_key_file: api.key", "api_key_file: swapped.key", "line 9: tools.mytool[1].api_key_file: an application key: is it the other one?"},
		"key is a directory":             {"posthog.key", ".", "line 5: tools.mytool[0].key_file: cannot read the file: "},
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
	p.fails(2, "line 5: tools.mytool[0].key_env: the environment has no such variable", "serve", "--config", file, "--check")
	p.write("relay.yaml", strings.Replace(good, "ledger: ledger", `ledger: "~/${HOME}"`, 1))
	if out := p.must("serve", "--config", file, "--check"); !strings.Contains(out, filepath.Join(p.dir, "~", "${HOME}")) {
		t.Errorf("it says %s", out)
	}
}

// The help is where operators copy their first file from.
func TestTheFileInTheHelpIsGood(t *testing.T) {
	t.Parallel()
	c, err := parseConfig([]byte(relayExample))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.tools) != 1 || len(c.tools[0].vendors) != 2 || c.limit.Global.Burst != 1000 || c.quiet.Hours() != 24 || c.certificate != "FILE" {
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
	for mode, taken := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o700: true, 0o640: false, 0o604: false, 0o620: false, 0o644: false, 0o601: false} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		out, errs, code := p.run("serve", "--config", file, "--check")
		if taken != (code == 0) {
			t.Errorf("%#o: code %d, %q, %q", mode, code, out, errs)
		}
		if !taken && !strings.Contains(errs, "line 5: tools.mytool[0].key_file: others than its owner may get at it") || !taken && !strings.Contains(errs, "chmod 600 "+key+"\n") {
			t.Errorf("%#o: it says %q", mode, errs)
		}
		args := []string{"erase", "--machine-id", somebody(1).id, "--backend", "posthog", "--endpoint", p.postHogURL, "--project", "12345", "--key-file", key, "--dry-run"}
		if _, errs, code := p.run(args...); taken != (code == 0) || !taken && !strings.Contains(errs, "--key-file: others than its owner may get at it") {
			t.Errorf("erase, %#o: code %d, %q", mode, code, errs)
		}
	}
}

func TestCheckSaysWhatWouldRunAndDoesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file := p.declare("admin: 127.0.0.1:0", "behind_proxy: true")
	golden(t, "check", p.transcript("serve", "--config", file, "--check"))
	golden(t, "check_json", p.transcript("serve", "--config", file, "--check", "--output", "json"))
	if _, err := os.Stat(p.path("ledger")); err == nil {
		t.Error("the ledger was made")
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
	for _, cmd := range (surroundings{lookup: os.LookupEnv, now: time.Now}).commands() {
		walk(cmd)
	}
	if flags < 30 {
		t.Errorf("only %d flags were looked at", flags)
	}
	for _, k := range kinds {
		for _, s := range k.settings {
			if strings.Contains(s.name, "key") && !s.secret {
				t.Errorf("%s.%s would be taken as it stands", k.name, s.name)
			}
		}
	}
}

func TestHelpAndCompletionAreAsReviewed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for name, line := range map[string]string{
		"help":                "help",
		"help_serve":          "serve --help",
		"help_erasures":       "erasures",
		"help_list":           "erasures list --help",
		"help_show":           "erasures show --help",
		"help_export":         "erasures export --help",
		"help_verify":         "erasures verify --help",
		"help_retry":          "erasures retry --help",
		"help_repair":         "erasures repair --help",
		"help_erase":          "erase --help",
		"complete_erasures":   "__complete erasures ",
		"complete_state":      "__complete erasures list --state ",
		"complete_format":     "__complete erasures export --format ",
		"complete_backend":    "__complete erase --backend ",
		"complete_site":       "__complete erase --site ",
		"complete_erase_flag": "__complete erase --key",
	} {
		args := strings.Split(line, " ")
		golden(t, name, p.transcript(args...))
	}
}

func TestWrongUseIsExitCodeTwo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for line, want := range map[string]string{
		"erasures lst":                               `unknown command "lst" for "telemetry-relay erasures"; did you mean list?`,
		"erasures list":                              "--ledger is required",
		"erasures list --ledger a --config b":        "--ledger and --config both name a ledger",
		"erasures list --config none.yaml":           "--config: cannot read the file",
		"erasures list --ledger none":                "there is no ledger in none: no relay has run there",
		"erasures list --ledger none x":              "takes no arguments",
		"erasures list --state gone":                 "must be acknowledged, verified or refused",
		"erasures show --ledger none":                "takes the ID of an erasure, but was given 0 words",
		"erasures show --ledger none abc":            "not an ID",
		"erasures show --ledger none ABCDEF":         "not an ID",
		"erasures show --ledger none abcdef":         "there is no ledger in none",
		"erasures verify --ledger none":              "there is no ledger in none",
		"erasures repair --ledger none --yes":        "there is no ledger in none",
		"erasures export --ledger none --format xml": "must be json or csv",
	} {
		if out := p.fails(2, want, strings.Fields(line)...); out != "" {
			t.Errorf("%s: printed %q", line, out)
		}
	}
	if _, err := os.Stat(p.path("none")); err == nil {
		t.Error("a directory was made by looking for it")
	}
}
