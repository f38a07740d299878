package conformance

import (
	"crypto/md5"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

func privacyChecks() []Check {
	return []Check{
		{ID: "privacy/no-planted-value", Level: Must, where: here, watchdog: 4 * time.Minute,
			Sentence: "Nothing of the environment, arguments, working directory, host name, user, addresses or machine ID leaves the process, in any wrapping.", do: noPlantedValue},
		{ID: "privacy/no-digest-of-planted-value", Level: Must, where: here, watchdog: 4 * time.Minute,
			Sentence: "No MD5, SHA-1 or SHA-256 of such a value leaves the process, whole or cut to eight bytes.", do: noPlantedDigest},
		{ID: "privacy/same-in-any-environment", Level: Must, where: here, watchdog: 4 * time.Minute,
			Sentence: "The same events make the same request in any environment.", do: sameAnywhere},
		{ID: "privacy/everything-explained", Level: Must, needs: []need{keepsSomething},
			Sentence: "Every name and value that is sent comes from the event or from a declared constant.", do: everythingExplained},
		{ID: "privacy/ip-storage-off", Level: Must, needs: []need{network, ipSwitch},
			Sentence: "Where the vendor can be told not to store the sender's address, every request tells it, whatever the metadata says.", do: ipStorageOff},
		{ID: "privacy/no-secret-in-errors", Level: Must, where: here, last: true,
			Sentence: "No error holds a secret, also if the server repeats it.", do: noSecretInErrors},
		{ID: "privacy/no-event-in-errors", Level: Must, where: here, last: true,
			Sentence: "No error holds the content of an event, also if the server repeats it.", do: noEventInErrors},
		{ID: "privacy/prints-nothing", Level: Must, where: here, watchdog: 4 * time.Minute,
			Sentence: "Nothing is printed or logged to the terminal.", do: printsNothing},
		{ID: "privacy/declared-hosts-only", Level: Must, needs: []need{anyNetwork},
			Sentence: "Only the hosts that Driver.Hosts names are contacted.", do: declaredHostsOnly},
		{ID: "privacy/plain-text-refused", Level: Must, needs: []need{network},
			Sentence: "Nothing is sent over plain http to another machine, unless the author set Insecure.", do: plainTextRefused},
		{ID: "privacy/keys-stay-on-redirect", Level: Must, needs: []need{network},
			Sentence: "Neither keys nor events reach the target of a redirect.", do: keysStayOnRedirect},
		{ID: "privacy/no-cookies", Level: Must, needs: []need{network},
			Sentence: "What a server sets is not sent back: cookies would follow a person.", do: noCookies},
	}
}

// planting is one run of the backend in a process whose surroundings are planted, and
// one in this process, with the same events.
type planting struct {
	err            error
	canaries       []canary
	account        account
	stdout, stderr string
	// there and here are what the two runs sent in their first round.
	there, here []*exchange
	dir         string // the child's Config.Dir

	search         sync.Once
	plain, digests []Finding
}

// environment lists the variables that are planted: what shells, SDKs and libraries are
// known to read. The list is literal, since deriving it from a backend would find nothing.
var environment = []string{
	"USER", "LOGNAME", "USERNAME", "HOSTNAME", "HOST", "COMPUTERNAME", "USERDOMAIN", "NAME", "EMAIL", "LANG", "LC_ALL", "SHELL", "TERM",
	"SSH_CONNECTION", "SSH_CLIENT", "SUDO_USER", "PWD", "OLDPWD", "MACHINE_ID", "MACHTYPE", "SESSION_MANAGER", "DISPLAY",
	"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
	"OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_PROPAGATORS", "OTEL_SDK_DISABLED",
	"DD_API_KEY", "DD_APP_KEY", "DD_SITE", "DD_HOSTNAME", "DD_TAGS", "DD_ENV", "DD_SERVICE", "DD_VERSION", "DD_AGENT_HOST",
	"POSTHOG_API_KEY", "POSTHOG_HOST", "POSTHOG_PROJECT_API_KEY", "POSTHOG_PERSONAL_API_KEY",
	"SENTRY_DSN", "SEGMENT_WRITE_KEY", "AMPLITUDE_API_KEY", "MIXPANEL_TOKEN", "HONEYCOMB_API_KEY",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "GOOGLE_CLOUD_PROJECT", "AZURE_CLIENT_ID", "KUBERNETES_NAMESPACE",
	"GITHUB_TOKEN", "GITHUB_ACTOR", "GITHUB_REPOSITORY", "GITLAB_USER_EMAIL", "BUILD_URL", "HTTP_USER_AGENT", "NETRC",
}

// addresses are variables whose values have to be URLs, or a library that reads them
// fails in a way that hides whether it would have used them.
var addresses = []string{
	"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "DD_PROXY_HTTPS", "DD_TRACE_AGENT_URL",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
}

// signs are variables by which systems for continuous integration, coding agents and
// containers make themselves known, as they set them. None of the values is a person's, so
// nobody looks for them; what they change shows.
var signs = []string{
	"CI=true", "GITHUB_ACTIONS=true", "GITLAB_CI=true", "TF_BUILD=True", "BUILDKITE=true", "CIRCLECI=true", "JENKINS_URL=http://127.0.0.1:9/", "BUILD_ID=7",
	"CLAUDECODE=1", "CODEX_SANDBOX=seatbelt", "CURSOR_AGENT=1", "GEMINI_CLI=1", "AI_AGENT=1",
	"container=docker", "KUBERNETES_SERVICE_HOST=127.0.0.1", "CODESPACES=true", "AWS_LAMBDA_FUNCTION_NAME=f",
}

// runVariable is what the sample tool hands its own children: a backend has no more to do
// with it than with the others.
const runVariable = "SAMPLETOOL_TELEMETRY_RUN"

// places are variables that name a directory of the user's.
var places = []string{"HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "TMPDIR"}

// passedOn are variables without which a process does not start or a test binary cannot
// make files.
var passedOn = []string{"PATH", "SystemRoot", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "GOCOVERDIR", "TMP", "TEMP"}

func keptEnvironment() []string {
	var env []string
	for _, name := range passedOn {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// plant runs the backend twice, once in planted surroundings; the checks that ask share
// the result.
func (s *session) plant() *planting {
	s.once.Do(func() {
		s.planted = &planting{}
		s.planted.err = s.planted.run(s)
	})
	return s.planted
}

// surroundings of a process, every text of which can be recognised.
type surroundings struct {
	environment, folders    []string
	cwd, files              string // files is for Config.Dir
	argument, machine, host string
	canaries                []canary
}

// plantSurroundings makes surroundings for one process.
func (s *session) plantSurroundings(whose string) (*surroundings, error) {
	base, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	ps := &surroundings{environment: keptEnvironment(), files: filepath.Join(base, "files")}
	token := func(kind string) string { return fmt.Sprintf("cnry%s%06x", kind+whose, s.seed&0xffffff) }
	plantText := func(what, value, token string) string {
		ps.canaries = append(ps.canaries, canary{what, value, token})
		return value
	}
	for i, name := range environment {
		t := token(fmt.Sprintf("var%d", i))
		ps.environment = append(ps.environment, name+"="+plantText("the variable "+name, t, t))
	}
	ps.environment = append(ps.environment, signs...)
	digits := hexOf(md5Of(token("run")))
	began := time.Now().UnixMilli() // an older run is none that the collector would believe
	run := fmt.Sprintf("%08x-%04x-7%s-8%s-%s", began>>16, began&0xffff, digits[:3], digits[3:6], digits[6:18])
	ps.environment = append(ps.environment, runVariable+"="+plantText("the variable "+runVariable, run, run))
	for i, name := range addresses {
		t := token(fmt.Sprintf("url%d", i))
		// A port where nobody listens, on this machine.
		ps.environment = append(ps.environment, name+"="+plantText("the variable "+name, "http://"+t+":"+t+"@127.0.0.1:9/"+t, t))
	}
	for _, name := range append(slices.Clone(places), "cwd") {
		t := token("dir" + strings.ToLower(strings.TrimPrefix(name, "XDG_")[:3]))
		folder := filepath.Join(base, t)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		ps.folders = append(ps.folders, folder)
		plantText("the folder "+name, folder, t)
		if name == "cwd" {
			ps.cwd = folder
			continue
		}
		ps.environment = append(ps.environment, name+"="+folder)
		if name == "HOME" {
			ps.environment = append(ps.environment, "USERPROFILE="+folder)
		}
	}
	if runtime.GOOS != "windows" {
		// Programs that would be started if they were there, so that starting them shows.
		bin := filepath.Join(base, "bin")
		if err := os.MkdirAll(bin, 0o700); err != nil {
			return nil, err
		}
		for _, name := range []string{"xdg-open", "open", "sensible-browser", "git", "uname", "hostname", "lsb_release", "sw_vers", "notify-send"} {
			if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
				return nil, err
			}
		}
		ps.environment = append(ps.environment, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	ps.argument = token("arg")
	plantText("an argument", ps.argument, ps.argument)
	ps.machine = hexOf(md5Of(token("machine")))
	plantText("the machine ID", ps.machine, ps.machine)
	ps.host = token("host")
	plantText("the host name", ps.host, ps.host)
	return ps, nil
}

func (pl *planting) run(s *session) error {
	p, err := newProbe(s)
	if err != nil {
		return err
	}
	defer p.close()
	p.server.reactWith(p.plantedAnswers)
	if err := pl.child(p, "send"); err != nil {
		return err
	}
	pl.there = p.server.seen()

	// The same once more, without anything planted.
	q, err := newProbe(s)
	if err != nil {
		return err
	}
	defer q.close()
	q.server.reactWith(q.plantedAnswers)
	b, err := q.tryOpen(s.subject.settings(endpoint), func(*driver.Config) {})
	if err != nil {
		return err
	}
	defer b.Close()
	for i := range childBatches {
		q.send(b, childBatch(s.base, i))
	}
	pl.here = q.server.seen()
	return nil
}

// child runs a role in a process whose surroundings are planted.
func (pl *planting) child(p *probe, role string) error {
	s := p.session
	plants, err := s.plantSurroundings("")
	if err != nil {
		return err
	}
	pl.canaries, pl.dir = plants.canaries, plants.files
	pl.canaries = append(pl.canaries, canariesOf("the real machine ID", readMachineIDs())...)
	pl.canaries = append(pl.canaries, canariesOf("a real network address", networkAddresses())...)
	pl.canaries = append(pl.canaries, canariesOf("a path of the program's arguments", s.subject.program.paths())...)
	c, err := p.start(orders{Role: role, Dir: pl.dir, MachineID: plants.machine, Hostname: plants.host}, plants.environment, plants.cwd, plants.argument)
	if err != nil {
		return fmt.Errorf("a child process could not be started: %w", err)
	}
	limit := 2 * time.Minute
	if p.options.mayBeLost {
		limit = 15 * time.Second
	}
	pl.account, err = c.wait(patient(limit))
	pl.stdout, pl.stderr = c.stdout.String(), c.stderr.String()
	if err != nil {
		return err
	}
	if pl.account.Problem != "" {
		return fmt.Errorf("the child process could not use the subject: %s", pl.account.Problem)
	}
	switch {
	case runtime.GOOS != "linux":
		s.note("the host name and the machine ID cannot be planted on %s; the real ones were searched for", runtime.GOOS)
	case !slices.Contains(pl.account.Planted, "host name"):
		s.note("the system does not let a process have a host name of its own; the real one was searched for")
	case len(pl.account.Planted) == 1:
		s.note("the system does not let a process have a machine ID of its own; the real one was searched for")
	}
	if !slices.Contains(pl.account.Planted, "host name") {
		if name, err := os.Hostname(); err == nil && len(name) >= 8 {
			pl.canaries = append(pl.canaries, canariesOf("the real host name", []string{name})...)
		}
	}
	return nil
}

// names lists what was planted, and what this machine did not let the suite plant.
func (pl *planting) names() (planted, not []string) {
	host := slices.Contains(pl.account.Planted, "host name")
	machine := slices.ContainsFunc(pl.account.Planted, func(done string) bool { return strings.HasPrefix(done, "/") })
	for _, c := range pl.canaries {
		switch {
		case strings.Contains(c.What, " real "): // searched for, not planted
		case c.What == "the host name" && !host, c.What == "the machine ID" && !machine:
			not = append(not, c.What)
		default:
			planted = append(planted, c.What)
		}
	}
	return planted, not
}

// plantedAnswers are an acceptance, a failure and a refusal that repeats the request.
func (p *probe) plantedAnswers(x *exchange) bool {
	switch x.number % childBatches {
	case 1:
		return answer(p.answerWith(503))(x)
	case 2:
		return answer(p.echo(x, 400))(x)
	}
	return answer(p.subject.Accepted)(x)
}

// echo is an answer that repeats everything of the request.
func (p *probe) echo(x *exchange, status int) Answer {
	text := strings.ToValidUTF8(string(x.searchable()), "?")
	return Answer{Status: status, Type: "text/plain", Body: text,
		Header: http.Header{"X-Echo": {strings.Join(strings.Fields(text[:min(len(text), 2000)]), " ")}}}
}

func md5Of(s string) []byte { sum := md5.Sum([]byte(s)); return sum[:] }

func readMachineIDs() []string {
	var ids []string
	for _, name := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid"} {
		if text, err := os.ReadFile(name); err == nil {
			ids = append(ids, strings.TrimSpace(string(text)))
		}
	}
	return ids
}

func networkAddresses() []string {
	var list []string
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range interfaces {
		if mac := i.HardwareAddr.String(); mac != "" && strings.Trim(mac, "0:") != "" {
			list = append(list, mac, strings.ReplaceAll(mac, ":", ""), strings.ReplaceAll(mac, ":", "-"))
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() {
				list = append(list, ip.IP.String())
			}
		}
	}
	return list
}

// sent is everything that left the process: requests, or what was printed and written.
func (pl *planting) sent() map[string][]byte {
	all := map[string][]byte{}
	for i, x := range pl.there {
		all[fmt.Sprint("request ", i+1)] = x.searchable()
	}
	if len(pl.account.Stdout) > 0 {
		all["Config.Stdout"] = pl.account.Stdout
	}
	_ = filepath.WalkDir(pl.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if text, err := os.ReadFile(path); err == nil {
				all["the file "+d.Name()] = append(append(text, '\n'), d.Name()...)
			}
		}
		return nil
	})
	return all
}

// planted returns the shared run, or records why there is none.
func (p *probe) plantedRun() (*planting, bool) {
	pl := p.plant()
	if pl.err != nil {
		p.failOnly("%v", pl.err)
		return nil, false
	}
	if len(pl.there) == 0 && !p.subject.Driver.Local {
		p.failOnly("no request arrived from the planted process: %q", pl.account.Errors)
		return nil, false
	}
	return pl, true
}

// searched finds the canaries in what was sent, once for the checks that ask.
func (pl *planting) searched() (plain, digests []Finding) {
	pl.search.Do(func() {
		sent, searcher := pl.sent(), newSearcher(pl.canaries)
		for _, where := range slices.Sorted(maps.Keys(sent)) {
			inPlain, inDigests := searcher.search(sent[where])
			exchange := printable(sent[where], 3000)
			for _, found := range inPlain {
				pl.plain = append(pl.plain, Finding{where + " holds " + found, exchange})
			}
			for _, found := range inDigests {
				pl.digests = append(pl.digests, Finding{where + " holds " + found, exchange})
			}
		}
	})
	return pl.plain, pl.digests
}

func noPlantedValue(p *probe) {
	if pl, ok := p.plantedRun(); ok {
		plain, _ := pl.searched()
		for _, f := range plain {
			p.report(f)
		}
	}
}

func noPlantedDigest(p *probe) {
	if pl, ok := p.plantedRun(); ok {
		_, digests := pl.searched()
		for _, f := range digests {
			p.report(f)
		}
	}
}

// sameAnywhere compares what the two runs sent, but for what varies by declaration.
func sameAnywhere(p *probe) {
	pl, ok := p.plantedRun()
	if !ok {
		return
	}
	if p.subject.Driver.Local {
		b, ok := p.open()
		if !ok {
			return
		}
		for i := range childBatches {
			p.send(b, childBatch(p.base, i))
		}
		b.Close()
		if here, there := string(p.stdout.bytes()), string(pl.account.Stdout); here != there {
			p.failOnly("in the planted process was printed\n%s\nand here\n%s", printable([]byte(there), 2000), printable([]byte(here), 2000))
		}
		return
	}
	varies := func(name string) bool {
		_, varies := p.subject.Varies[name]
		return varies
	}
	for i := range min(len(pl.here), childBatches, len(pl.there)) {
		here, there := normal(pl.here[i].Request, varies), normal(pl.there[i].Request, varies)
		for _, line := range there {
			if !slices.Contains(here, line) {
				p.failOnly("request %d of the planted process has %s, which it has not here", i+1, short(line))
			}
		}
		for _, line := range here {
			if !slices.Contains(there, line) {
				p.failOnly("request %d here has %s, which it has not in the planted process", i+1, short(line))
			}
		}
	}
	if len(pl.there) < len(pl.here) {
		p.failOnly("the planted process made %d requests, this one %d", len(pl.there), len(pl.here))
	}
}

// normal lists everything of a request, but for what varies by declaration.
func normal(x Request, varies func(name string) bool) []string {
	list := []string{"the URL " + x.URL}
	for _, name := range slices.Sorted(maps.Keys(x.Header)) {
		if varies(name) || name == "Content-Length" {
			continue
		}
		list = append(list, fmt.Sprintf("the header %s: %q", name, x.Header[name]))
	}
	values, err := jsonValues(x.Body)
	if err != nil {
		return append(list, "the body "+string(x.Body))
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, item := range v {
				if !varies(key) {
					walk(path+"."+key, item)
				}
			}
		case []any:
			for i, item := range v {
				walk(fmt.Sprint(path, "[", i, "]"), item)
			}
		default:
			list = append(list, fmt.Sprintf("%s = %v", path, v))
		}
	}
	for _, v := range values {
		walk("body", v)
	}
	slices.Sort(list)
	return list
}

func everythingExplained(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	// An event alone, where a careless encoder fills in for what is missing, and several.
	bare := driver.Event{ID: sampleID(p.base, 99), Type: "feature.used", Name: "bare", Time: p.base, Tool: toolName, OS: "linux", Arch: "arm64",
		MachineID: p.batch(1)[0].MachineID}
	events := append(p.batch(3), bare)
	p.send(b, events[:3])
	p.send(b, events[3:])
	x := newExplainer(p.subject, events)
	for _, e := range p.server.seen() {
		p.explain(x, e)
	}
	if p.subject.Driver.Local {
		x.body(p.stdout.bytes())
		_ = filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if text, err := os.ReadFile(path); err == nil {
					x.body(text)
				}
			}
			return nil
		})
	}
	for _, strange := range x.strange {
		p.failf("%s", strange)
	}
}

func ipStorageOff(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, batch := range [][]driver.Event{p.batch(3), reservedEvents(p), {{ID: sampleID(p.base, 1), Name: "bare", Time: p.base}}} {
		p.send(b, batch)
	}
	for _, x := range p.server.seen() {
		if err := p.subject.NoIP(x.Request); err != nil {
			p.report(Finding{Message: err.Error(), Exchange: x.dump()})
		}
	}
}

// fail makes backends fail in every way, so that what their errors say is heard. The other
// checks add the errors that they meet.
func (s *session) fail() {
	s.failed.Do(func() {
		if s.subject.Driver.Local {
			s.failWith(func(p *probe, b driver.Backend) { p.send(b, p.batch(3)) })
			return
		}
		var all sync.WaitGroup
		const perBackend = 13 // so that one which waits after each failure is not waited for 85 times in a row
		for statuses := range slices.Chunk(everyStatus(), perBackend) {
			all.Go(func() {
				s.failWith(func(p *probe, b driver.Backend) {
					for _, status := range statuses {
						p.server.reactWith(p.echoes(status, func(x *exchange, rest string) bool { return x.write(rest) }))
						if v := p.sendWithin(b, p.batch(3), patient(2*time.Second)); v.late {
							return
						}
					}
				})
			})
		}
		for _, status := range []int{s.subject.Accepted.status(), http.StatusBadRequest} {
			all.Go(func() {
				s.failWith(func(p *probe, b driver.Backend) {
					p.server.reactWith(p.echoes(status, func(x *exchange, rest string) bool { return x.write(rest[:len(rest)/2]) && drop(x) }))
					p.send(b, p.batch(3))
					p.server.reactWith(p.echoes(status, func(x *exchange, rest string) bool { return x.write(rest[:len(rest)/2]) && hang(x) }))
					p.sendWithin(b, p.batch(3), shortTime())
				})
			})
		}
		for _, f := range faults() {
			all.Go(func() {
				s.failWith(func(p *probe, b driver.Backend) {
					f.arrange(p)
					p.sendWithin(b, p.batch(3), f.limit())
				})
			})
		}
		all.Wait()
	})
}

// failWith opens a backend, one that cannot write where it is local, and closes it again.
func (s *session) failWith(use func(*probe, driver.Backend)) {
	p, err := newProbe(s)
	if err != nil {
		s.note("the suite could not prepare a failure: %v", err)
		return
	}
	defer p.close()
	b, err := p.tryOpen(s.subject.settings(endpoint), func(c *driver.Config) {
		if s.subject.Driver.Local {
			p.stdout.fail, c.Dir = errFull, blocked(p.dir)
		}
	})
	if err != nil {
		return
	}
	use(p, b)
	p.closeInTime(b)
}

// echoes repeats everything of the request, and the secrets, wherever an answer has room:
// in its reason phrase, its headers, where it redirects to, and its body, which finish sends.
func (p *probe) echoes(status int, finish func(x *exchange, body string) bool) reaction {
	return func(x *exchange) bool {
		a := p.echo(x, status)
		echo := a.Header.Get("X-Echo")
		a.Header.Set("Location", elsewhere+"/?"+url.QueryEscape(strings.Join(p.subject.secrets(endpoint), " ")+echo))
		if status == http.StatusNoContent || status == http.StatusNotModified {
			a.Body = ""
		}
		return x.write(a.headSaying(printable([]byte(echo), len(echo)), len(a.Body))) && finish(x, a.Body)
	}
}

func noSecretInErrors(p *probe) {
	secrets := p.subject.secrets(endpoint)
	p.fail()
	said := p.heard()
	// What cannot be right is refused, but not repeated.
	const typo = "-s3cr3t-w1th-a-typ0"
	for _, declared := range p.subject.Driver.Settings {
		if !declared.Secret {
			continue
		}
		for _, wrong := range []string{"\x00 " + typo, "https://user:" + typo + "@" + "intake.vendor.test", typo + "\n", "%zz" + typo} {
			settings := maps.Clone(p.subject.settings(endpoint))
			if settings == nil {
				settings = map[string]string{}
			}
			settings[declared.Name] = wrong
			b, err := p.tryOpen(settings, func(*driver.Config) {})
			if err != nil {
				said = append(said, err.Error())
				continue
			}
			if v := p.sendWithin(b, p.batch(1), shortTime()); v.err != nil {
				said = append(said, v.err.Error())
			}
			b.Close()
		}
	}
	for name := range p.subject.Headers {
		wrong := maps.Clone(p.subject.Headers)
		wrong[name] = typo + "\n"
		b, err := p.tryOpen(p.subject.settings(endpoint), func(c *driver.Config) { c.Headers = wrong })
		if err != nil {
			said = append(said, err.Error())
			continue
		}
		if v := p.sendWithin(b, p.batch(1), shortTime()); v.err != nil {
			said = append(said, v.err.Error())
		}
		b.Close()
	}
	canaries := canariesOf("a secret", append(secrets, strings.Trim(typo, "-")))
	for _, text := range said {
		plain, digests := search([]byte(text), canaries)
		for _, found := range append(plain, digests...) {
			p.failOnly("an error holds %s: %s", found, printable([]byte(text), 500))
		}
	}
}

func noEventInErrors(p *probe) {
	var values []string
	for _, e := range p.batch(3) {
		values = append(values, e.Name, e.Args[1], e.Error, e.MachineID, e.ConsentID, e.Metadata["colour"])
	}
	canaries := canariesOf("an event's content", unique(values))
	p.fail()
	for _, text := range p.heard() {
		plain, _ := search([]byte(text), canaries)
		for _, found := range plain {
			p.failOnly("an error holds %s: %s", found, printable([]byte(text), 500))
		}
	}
}

func printsNothing(p *probe) {
	pl, ok := p.plantedRun()
	if !ok {
		return
	}
	for name, text := range map[string]string{"stdout": pl.stdout, "stderr": pl.stderr} {
		if text != "" {
			p.failOnly("the backend printed to the process's %s:\n%s", name, printable([]byte(text), 2000))
		}
	}
}

func declaredHostsOnly(p *probe) {
	settings, err := p.subject.Driver.Resolve(p.subject.settings(endpoint))
	if err != nil || p.subject.Driver.Hosts == nil {
		return // other checks say so
	}
	hosts := p.subject.Driver.Hosts(settings)
	b, ok := p.open()
	if !ok {
		return
	}
	for _, react := range []reaction{answer(p.subject.Accepted), answer(p.answerWith(503)), answer(p.answerWith(401)), drop} {
		p.server.reactWith(react)
		p.send(b, p.batch(2))
	}
	p.wire.dialWith(refuse)
	p.send(b, p.batch(2))
	p.closeInTime(b)
	for _, u := range p.wire.asked() {
		anyPort := p.subject.Socket != nil && slices.Contains(hosts, u.Hostname())
		if !slices.Contains(hosts, u.Host) && !anyPort {
			p.failf("%s was contacted; Hosts names %q", u.Host, hosts)
		}
	}
	if len(p.wire.asked()) == 0 {
		p.failOnly("no request was seen: the driver has a way of its own, past Config.Transport and past the proxy of the environment")
	}
}

func plainTextRefused(p *probe) {
	if p.subject.takesEndpoint() {
		b, err := p.tryOpen(p.subject.settings("http://intake.vendor.test"), func(*driver.Config) {})
		if err == nil {
			p.sendWithin(b, p.batch(2), 2*shortTime())
			b.Close()
			if len(p.wire.asked()) > 0 {
				p.failf("an http:// address of another machine was opened, and a request made")
			}
		}
		return
	}
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.send(b, p.batch(2))
	for _, u := range p.wire.asked() {
		if u.Scheme != "https" {
			p.failf("a request was made to %s://%s", u.Scheme, u.Host)
		}
	}
}

func keysStayOnRedirect(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		p.server.reactWith(func(x *exchange) bool {
			if strings.HasPrefix(x.URL, elsewhere) {
				return answer(p.subject.Accepted)(x)
			}
			return answer(Answer{Status: status, Header: http.Header{"Location": {elsewhere + "/here"}}})(x)
		})
		p.send(b, p.batch(2))
	}
	canaries := canariesOf("a secret", p.subject.secrets(endpoint))
	canaries = append(canaries, canariesOf("the machine ID", []string{p.batch(1)[0].MachineID})...)
	for _, x := range p.server.seen() {
		if strings.HasPrefix(x.URL, elsewhere) {
			plain, _ := search(x.searchable(), canaries)
			for _, found := range plain {
				p.report(Finding{Message: "the target of a redirect got " + found, Exchange: x.dump()})
			}
		}
	}
}

func noCookies(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	const mark = "c00k1e-0f-the-su1te"
	a := p.subject.Accepted
	a.Header = http.Header{"Set-Cookie": {"id=" + mark + "; Path=/"}, "Etag": {`"` + mark + `"`}}
	p.server.reactWith(answer(a))
	for range 3 {
		p.send(b, p.batch(2))
	}
	for _, x := range p.server.seen() {
		if strings.Contains(string(x.searchable()), mark) {
			p.report(Finding{Message: "a request holds what an earlier answer set", Exchange: x.dump()})
		}
	}
}
