package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/drivernet"
)

// syslog is a backend for receivers of RFC 5424: over TLS with octet counting (RFC 5425),
// or over TCP with line breaks (RFC 6587), which is for a relay on this machine. Mutants
// replace one of its parts.
type syslog struct {
	describe func(*driver.Driver)
	open     func(*driver.Config)
	host     func(driver.Event) string
	message  func(text string) string
	count    func(text string) int
	dial     func(b *syslogBackend, ctx context.Context) (net.Conn, error)
	write    func(ctx context.Context, conn net.Conn, text string) error
	send     func(b *syslogBackend, ctx context.Context, events []driver.Event) error
}

type syslogBackend struct {
	syslog
	config driver.Config
	addr   string
}

func (m syslog) driver() driver.Driver {
	d := driver.Driver{
		Name: "syslog", Doc: "writes events to a syslog receiver",
		Accepted: "syslog acknowledges nothing: a receiver may end a connection in order and lose what it read",
		Settings: []driver.Setting{{Name: "address", Doc: "tls://host:port, or tcp://host:port for a relay on this machine", Required: true}},
		Limits:   driver.Limits{Events: 100, Bytes: 500_000, EventBytes: 8_000},
		Hosts: func(s map[string]string) []string {
			u, err := drivernet.CheckAddress(s["address"], true)
			if err != nil {
				return nil
			}
			return []string{u.Host}
		},
		Check: checkSyslog,
		Open: func(c driver.Config) (driver.Backend, error) {
			if m.open != nil {
				m.open(&c)
			}
			if err := checkSyslog(c); err != nil {
				return nil, err
			}
			return &syslogBackend{syslog: m, config: c, addr: c.Settings["address"]}, nil
		},
	}
	if m.describe != nil {
		m.describe(&d)
	}
	return d
}

func checkSyslog(c driver.Config) error {
	if _, err := drivernet.CheckAddress(c.Settings["address"], c.Insecure); err != nil {
		return &driver.ConfigError{Field: "Telemetry.Settings[address]", Problem: err.Error()}
	}
	return nil
}

func (b *syslogBackend) Send(ctx context.Context, events []driver.Event) error {
	if b.send != nil {
		return b.send(b, ctx, events)
	}
	return b.deliver(ctx, events)
}

func (b *syslogBackend) deliver(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	var text strings.Builder
	for _, e := range events {
		text.WriteString(b.frame(b.encode(e)))
	}
	dial := func(b *syslogBackend, ctx context.Context) (net.Conn, error) {
		return drivernet.Dial(ctx, b.config, b.addr)
	}
	if b.dial != nil {
		dial = b.dial
	}
	conn, err := dial(b, ctx)
	if err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	write := func(ctx context.Context, conn net.Conn, text string) error {
		return drivernet.WriteStream(ctx, conn, []byte(text))
	}
	if b.write != nil {
		write = b.write
	}
	if err := write(ctx, conn, text.String()); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	return nil
}

// encode makes a message of an event. What syslog has a place for is there, and all of it
// in the text. The host is the pseudonym, never this machine's name, and there is no
// process.
func (b *syslogBackend) encode(e driver.Event) string {
	host := e.MachineID
	if b.host != nil {
		host = b.host(e)
	}
	if host == "" {
		host = "-"
	}
	text := fmt.Sprintf(`<14>1 %s %s - - - [event@32473 id="%s"] %s`, e.Time.Format("2006-01-02T15:04:05.000Z07:00"), host, e.ID, e.AppendJSON(nil))
	if b.message != nil {
		text = b.message(text)
	}
	return text
}

func (b *syslogBackend) frame(text string) string {
	if strings.HasPrefix(b.addr, "tcp:") {
		return text + "\n"
	}
	count := func(text string) int { return len(text) }
	if b.count != nil {
		count = b.count
	}
	return strconv.Itoa(count(text)) + " " + text
}

func (b *syslogBackend) Close() error { return nil }

// syslogSubject describes a receiver over TLS to the suite.
func syslogSubject(m syslog) Subject {
	return Subject{
		Driver: m.driver(),
		Settings: func(endpoint string) map[string]string {
			address := endpoint
			if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
				address = map[string]string{"https": "tls://", "http": "tcp://"}[u.Scheme] + u.Host + ":6514"
			}
			return map[string]string{"address": address}
		},
		Socket:    &Socket{Network: "tls", Split: ScanCounted, Decode: decodeSyslog, Unacknowledged: "RFC 5425 has no acknowledgements"},
		Constants: append([]string{"<14>1", "event@32473 id"}, httpSubject().Constants...),
	}
}

// relaySubject describes a relay on this machine.
func relaySubject(m syslog) Subject {
	s := syslogSubject(m)
	s.Settings = func(string) map[string]string { return map[string]string{"address": "tcp://127.0.0.1:601"} }
	s.FreeForm = []string{"address"}
	s.Socket = &Socket{Network: "tcp", Split: bufio.ScanLines, Decode: decodeSyslog, Unacknowledged: "RFC 6587 has no acknowledgements"}
	return s
}

var syslogMessage = regexp.MustCompile(`(?s)^<14>1 (\S+) (\S+) - - - \[event@32473 id="([^"]*)"\] (.*)$`)

func decodeSyslog(message []byte) (Received, error) {
	parts := syslogMessage.FindSubmatch(message)
	if parts == nil {
		return Received{}, fmt.Errorf("not a message of RFC 5424: %q", message)
	}
	list, err := decodeCanonical(parts[4])
	if err != nil || len(list) != 1 {
		return Received{}, fmt.Errorf("the text is not one event: %w", err)
	}
	r := list[0]
	r.ID, r.MachineID = string(parts[3]), strings.TrimPrefix(string(parts[2]), "-")
	r.Time, err = time.Parse(time.RFC3339, string(parts[1]))
	return r, err
}

// statsd is a backend for an agent on this machine that takes StatsD's counters with tags:
// a datagram an event, of at most 8192 bytes,
//
//	cli.event:1|c|#key:value,key:value
//
// in which % and two hexadecimal digits stand for what would end a key or a value.
type statsd struct {
	describe func(*driver.Driver)
	encode   func(driver.Event) string
	dial     func(b *statsdBackend, ctx context.Context) (net.Conn, error)
	write    func(conn net.Conn, line string) error
	done     func(net.Conn)
}

type statsdBackend struct {
	statsd
	config driver.Config
	addr   string
}

const statsdLimit = 8192

func (m statsd) driver() driver.Driver {
	d := driver.Driver{
		Name: "statsd", Doc: "counts events with a StatsD agent on this machine",
		Accepted: "nobody learns whether a datagram arrived, so events are lost while no agent runs",
		Settings: []driver.Setting{{Name: "address", Doc: "host:port of the agent", Default: "127.0.0.1:8125"}},
		// A third of a datagram: a comma takes three bytes there.
		Limits: driver.Limits{Events: 200, EventBytes: 2_600},
		Hosts:  func(s map[string]string) []string { return []string{s["address"]} },
		Check:  checkStatsd,
		Open: func(c driver.Config) (driver.Backend, error) {
			if err := checkStatsd(c); err != nil {
				return nil, err
			}
			return &statsdBackend{statsd: m, config: c, addr: "udp://" + c.Settings["address"]}, nil
		},
	}
	if m.describe != nil {
		m.describe(&d)
	}
	return d
}

func checkStatsd(c driver.Config) error {
	if _, err := drivernet.CheckAddress("udp://"+c.Settings["address"], c.Insecure); err != nil {
		return &driver.ConfigError{Field: "Telemetry.Settings[address]", Problem: err.Error()}
	}
	return nil
}

// Send stops at the first datagram that the system does not take. What went before it is
// settled, and what comes after it is kept with it.
func (b *statsdBackend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	dial := func(b *statsdBackend, ctx context.Context) (net.Conn, error) {
		return drivernet.Dial(ctx, b.config, b.addr)
	}
	if b.dial != nil {
		dial = b.dial
	}
	conn, err := dial(b, ctx)
	if err != nil {
		return fmt.Errorf("statsd: %w", err)
	}
	if b.done != nil {
		defer b.done(conn)
	} else {
		defer conn.Close()
	}
	write := func(conn net.Conn, line string) error {
		_, err := conn.Write([]byte(line))
		return err
	}
	if b.write != nil {
		write = b.write
	}
	encode := statsdLine
	if b.statsd.encode != nil {
		encode = b.statsd.encode
	}
	var accepted, rejected []string
	for _, e := range events {
		line := encode(e)
		if len(line) > statsdLimit {
			rejected = append(rejected, e.ID)
			continue
		}
		if err = ctx.Err(); err == nil {
			err = write(conn, line)
		}
		if err != nil {
			break
		}
		accepted = append(accepted, e.ID)
	}
	switch {
	case len(rejected) == 0 && err == nil:
		return nil
	case len(accepted)+len(rejected) == 0:
		return errors.New("statsd: the system takes no datagram")
	}
	return &driver.Partial{Accepted: accepted, Rejected: rejected, Err: errors.New("statsd: not every event went out")}
}

func (b *statsdBackend) Close() error { return nil }

var statsdEscapes = strings.NewReplacer("%", "%25", ",", "%2C", "|", "%7C", "\n", "%0A", "\r", "%0D")

func statsdLine(e driver.Event) string {
	var tags []string
	tag := func(key, value string) {
		key = strings.ReplaceAll(statsdEscapes.Replace(strings.ToValidUTF8(key, "\ufffd")), ":", "%3A")
		tags = append(tags, key+":"+statsdEscapes.Replace(strings.ToValidUTF8(value, "\ufffd")))
	}
	tag("id", e.ID)
	tag("type", e.Type)
	tag("name", e.Name)
	tag("at", e.Time.Format(time.RFC3339Nano))
	tag("tool", e.Tool)
	tag("os", e.OS)
	tag("arch", e.Arch)
	for _, optional := range [][2]string{{"version", e.Version}, {"os_version", e.OSVersion}, {"go", e.GoVersion}, {"machine", e.MachineID}, {"consent", e.ConsentID},
		{"class", e.ErrorClass}, {"provider", e.CIProvider}, {"agent", e.Agent}, {"run", e.RunID}} {
		if optional[1] != "" {
			tag(optional[0], optional[1])
		}
	}
	if e.DurationMS != nil {
		tag("ms", fmt.Sprint(*e.DurationMS))
	}
	if e.ExitCode != nil {
		tag("exit", fmt.Sprint(*e.ExitCode))
	}
	for name, number := range map[string]int{"cut": e.Truncated, "redacted": e.Redacted, "count": e.Count, "failures": e.Failures, "one_in": e.SampleRate} {
		if number != 0 {
			tag(name, fmt.Sprint(number))
		}
	}
	for name, truth := range map[string]bool{"ci": e.CI, "interactive": e.Interactive, "container": e.Container, "adjusted": e.TimeAdjusted} {
		if truth {
			tag(name, "yes")
		}
	}
	for key, value := range e.Metadata {
		tag("meta."+key, value)
	}
	slices.Sort(tags)
	return "cli.event:1|c|#" + strings.Join(tags, ",")
}

func statsdSubject(m statsd) Subject {
	return Subject{
		Driver:   m.driver(),
		Socket:   &Socket{Network: "udp", Decode: decodeStatsd, Unacknowledged: "StatsD is sent by datagrams, which nobody acknowledges"},
		FreeForm: []string{"address"},
		Limits:   driver.Limits{Bytes: statsdLimit},
		Constants: []string{"cli.event", "1", "c", "id", "type", "name", "at", "tool", "os", "arch", "version", "os_version", "go", "machine",
			"consent", "ms", "exit", "cut", "meta", "class", "provider", "agent", "run", "redacted", "count", "failures", "one_in",
			"ci", "interactive", "container", "adjusted", "yes"},
		Omits: map[string]string{"Args": "a tag is no place for a list", "Flags": "nor this one", "Durations": "nor this one",
			"Error": "every text would be a time series of its own"},
	}
}

func decodeStatsd(datagram []byte) (r Received, err error) {
	tags, ok := strings.CutPrefix(string(datagram), "cli.event:1|c|#")
	if !ok || strings.ContainsAny(tags, "|\n") {
		return r, errors.New("not one counter with tags")
	}
	number := func(s string) int64 {
		n, parseErr := strconv.ParseInt(s, 10, 64)
		err = errors.Join(err, parseErr)
		return n
	}
	texts := map[string]*string{"id": &r.ID, "type": &r.Type, "name": &r.Name, "tool": &r.Tool, "os": &r.OS, "arch": &r.Arch, "version": &r.Version,
		"os_version": &r.OSVersion, "go": &r.GoVersion, "machine": &r.MachineID, "consent": &r.ConsentID,
		"class": &r.ErrorClass, "provider": &r.CIProvider, "agent": &r.Agent, "run": &r.RunID}
	numbers := map[string]*int{"cut": &r.Truncated, "redacted": &r.Redacted, "count": &r.Count, "failures": &r.Failures, "one_in": &r.SampleRate}
	truths := map[string]*bool{"ci": &r.CI, "interactive": &r.Interactive, "container": &r.Container, "adjusted": &r.TimeAdjusted}
	r.Metadata = map[string]string{}
	for tag := range strings.SplitSeq(tags, ",") {
		key, value, _ := strings.Cut(tag, ":")
		key, keyErr := url.PathUnescape(key)
		value, valueErr := url.PathUnescape(value)
		err = errors.Join(err, keyErr, valueErr)
		meta, isMeta := strings.CutPrefix(key, "meta.")
		switch {
		case isMeta:
			r.Metadata[meta] = value
		case texts[key] != nil:
			*texts[key] = value
		case key == "at":
			var parseErr error
			r.Time, parseErr = time.Parse(time.RFC3339, value)
			err = errors.Join(err, parseErr)
		case key == "ms":
			n := number(value)
			r.DurationMS = &n
		case key == "exit":
			n := int(number(value))
			r.ExitCode = &n
		case numbers[key] != nil:
			*numbers[key] = int(number(value))
		case truths[key] != nil:
			*truths[key] = value == "yes"
		default:
			err = errors.Join(err, fmt.Errorf("an unknown tag %q", key))
		}
	}
	return r, err
}

func TestSyslogOverTLSKeepsTheContract(t *testing.T) {
	t.Parallel()
	Run(t, syslogSubject(syslog{}))
}

func TestSyslogOverTCPKeepsTheContract(t *testing.T) {
	t.Parallel()
	Run(t, relaySubject(syslog{}))
}

func TestStatsDKeepsTheContract(t *testing.T) {
	t.Parallel()
	Run(t, statsdSubject(statsd{}))
}

// dialWithout connects as Dial does, and knows of no deadline.
func dialWithout(b *syslogBackend, ctx context.Context) (net.Conn, error) {
	ctx = context.WithoutCancel(ctx)
	host := strings.TrimPrefix(b.addr, "tls://")
	conn, err := b.config.Dial(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	name, _, _ := net.SplitHostPort(host)
	secure := tls.Client(conn, &tls.Config{ServerName: name, RootCAs: b.config.RootCAs})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// believeTheSystem is what most clients of syslog do: what has been written is theirs no
// more. It looks how the connection ends, so that the suite sees the same every time, and
// does not care.
func believeTheSystem(ctx context.Context, conn net.Conn, text string) error {
	beneath := conn.(*tls.Conn).NetConn()
	defer beneath.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { beneath.Close() })
	defer stop()
	_ = conn.(*tls.Conn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	return nil
}

// Some listen for errors beside their writing, and must not take what the suite says to its
// own end.
func TestReadingFromADatagramSocketDisturbsNoWrite(t *testing.T) {
	t.Parallel()
	s := statsdSubject(statsd{})
	shared := &session{subject: &s, base: sampleBase}
	defer shared.cleanup()
	p, err := newProbe(shared)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	conn, err := p.wire.Dial(t.Context(), "udp", "127.0.0.1:8125")
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		read <- err
	}()
	for range 3 {
		if _, err := conn.Write([]byte(statsdLine(p.batch(1)[0]))); err != nil {
			t.Error(err)
		}
	}
	conn.Close()
	if err := <-read; err == nil {
		t.Error("something was read")
	}
	if n := len(p.server.seen()); n != 3 {
		t.Errorf("%d datagrams arrived", n)
	}
}

func socketMutants() []mutant {
	tlsSyslog := func(name string, m syslog, fails string) mutant {
		return mutant{name: name, subject: syslogSubject(m), fails: fails}
	}
	agent := func(name string, m statsd, fails string) mutant {
		return mutant{name: name, subject: statsdSubject(m), fails: fails}
	}
	return []mutant{
		tlsSyslog("syslog-believes-the-system", syslog{
			send: func(b *syslogBackend, ctx context.Context, events []driver.Event) error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return b.deliver(ctx, events)
			},
			dial: dialWithout, write: believeTheSystem,
		}, `
			collector/random-failures delivery/cancelled-during delivery/hang-before-answer delivery/hang-in-stream
			delivery/hang-while-connecting delivery/late-answer delivery/reset-before-answer delivery/reset-in-request
			lifecycle/close-during-send`),
		tlsSyslog("syslog-ignores-its-context", syslog{dial: dialWithout, write: func(ctx context.Context, conn net.Conn, text string) error {
			long, cancel := context.WithTimeout(context.WithoutCancel(ctx), patient(time.Minute)) // the check is over before
			defer cancel()
			return drivernet.WriteStream(long, conn, []byte(text))
		}}, `
			delivery/cancelled-before delivery/cancelled-during delivery/hang-before-answer delivery/hang-in-stream
			delivery/hang-while-connecting delivery/late-answer delivery/one-attempt-over-a-socket lifecycle/close-during-send`),
		tlsSyslog("syslog-trusts-anybody", syslog{dial: func(b *syslogBackend, ctx context.Context) (net.Conn, error) {
			conn, err := b.config.Dial(ctx, "tcp", strings.TrimPrefix(b.addr, "tls://"))
			if err != nil {
				return nil, err
			}
			return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}), nil
		}}, "delivery/certificate-of-another-host delivery/expired-certificate delivery/unknown-authority"),
		tlsSyslog("syslog-tries-again", syslog{send: func(b *syslogBackend, ctx context.Context, events []driver.Event) error {
			err := b.deliver(ctx, events)
			if err != nil && ctx.Err() == nil {
				err = b.deliver(ctx, events)
			}
			return err
		}}, "delivery/one-attempt-over-a-socket"),
		tlsSyslog("syslog-counts-characters", syslog{count: utf8.RuneCountInString}, `
			delivery/any-name-and-version delivery/escaped-batch fidelity/every-type fidelity/flags fidelity/longest fidelity/mixed-batch fidelity/unicode`),
		tlsSyslog("syslog-in-plain-text", syslog{open: func(c *driver.Config) { c.Insecure = true }}, "privacy/plain-socket-refused"),
		tlsSyslog("syslog-names-the-host", syslog{host: func(driver.Event) string { name, _ := os.Hostname(); return name }}, `
			privacy/everything-explained privacy/no-planted-value privacy/same-in-any-environment fidelity/*`),
		{name: "syslog-breaks-lines", subject: relaySubject(syslog{message: func(text string) string { return strings.ReplaceAll(text, `\n`, "\n") }}),
			fails: "delivery/control-character-in-version fidelity/unicode"},
		{name: "syslog-relay-tells-nobody", subject: relaySubject(syslog{describe: func(d *driver.Driver) { d.Accepted = "" }}), fails: "driver/says-what-is-unacknowledged"},
		agent("statsd-ignores-errors", statsd{write: func(conn net.Conn, line string) error {
			_, _ = conn.Write([]byte(line))
			return nil
		}}, "collector/random-failures delivery/datagram-not-taken"),
		agent("statsd-cuts-datagrams", statsd{
			describe: func(d *driver.Driver) { d.Limits.EventBytes = 64 << 10 },
			encode:   func(e driver.Event) string { line := statsdLine(e); return line[:min(len(line), statsdLimit)] },
		}, "fidelity/longest fidelity/metadata-empty-and-huge"),
		agent("statsd-leaves-sockets", statsd{done: func(net.Conn) {}}, "lifecycle/many-sends lifecycle/no-connection-left lifecycle/no-file-left-open"),
		agent("statsd-sends-elsewhere", statsd{dial: func(b *statsdBackend, ctx context.Context) (net.Conn, error) {
			return drivernet.Dial(ctx, driver.Config{Dial: b.config.Dial, Insecure: true}, "udp://metrics.vendor.test:8125")
		}}, "privacy/declared-hosts-only privacy/plain-socket-refused"),
	}
}
