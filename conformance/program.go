package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Program is a backend in a process of its own, in any language, that speaks the protocol
// of WIRE.md.
type Program struct {
	// Command is the program and its arguments. Both are found from any directory: the
	// suite starts it in several.
	Command []string
	// Only selects checks by their IDs. nil means all.
	Only *regexp.Regexp
	// Seed replays the random failures of a run, 0 chooses one.
	Seed uint64
	// Patience multiplies every deadline, for a slow machine. 0 is 1.
	Patience float64
	// Report is a directory that gets the report as JSON. Empty means none.
	Report string
	// Again are the arguments that bring this executable, once more started, back to the
	// same call of VerifyProgram. It may be given one argument more than these.
	Again []string
}

// VerifyProgram verifies a program. Some checks run the executable that calls it again,
// as [Verify] does: it comes back to this call before it does anything else, and the call
// does not return then. When ctx ends, the processes of the program are killed and no check
// is begun; what the report says then is nothing about the program.
func VerifyProgram(ctx context.Context, v Vendor, p Program) Report {
	if p.Patience > 0 && p.Patience != *flags.patience {
		*flags.patience = p.Patience
	}
	report := verifyProgram(v, p.Command, options{ctx: ctx, reach: p.Again, seed: p.Seed, only: p.Only})
	if p.Report != "" && ctx.Err() == nil {
		if err := report.write(p.Report); err != nil {
			report.Problems = append(report.Problems, "the report could not be written: "+err.Error())
		}
	}
	return report
}

func verifyProgram(v Vendor, command []string, o options) Report {
	o.unshipped = true // a program is never given a Config.Transport
	p := &program{ctx: o.context(), command: command, vendor: v}
	s := v.Subject(p.driver())
	s.program = p
	if playing() {
		playChild(o.name, &s)
		return Report{Subject: s.Driver.Name}
	}
	problem := func(err error) Report {
		return Report{Subject: s.Driver.Name, Problems: []string{err.Error()}}
	}
	var err error
	if p.dir, err = os.MkdirTemp("", "conformance-program"); err != nil {
		return problem(err)
	}
	defer func() {
		p.wait()
		_ = os.RemoveAll(p.dir)
	}()
	if err := p.introduce(&s); err != nil {
		p.wait()
		said := strings.Join(p.noted(onStderr), "\n")
		return problem(fmt.Errorf("the program cannot be used with the settings of the vendor file: %w\n%s", err, said))
	}
	return verify(&s, o)
}

// introduce opens the program once, to learn what it says of itself and that it finds its way
// to the vendor.
func (p *program) introduce(s *Subject) error {
	shared := &session{subject: s, base: time.Now()}
	defer shared.cleanup()
	probe, err := newProbe(shared)
	if err != nil {
		return err
	}
	defer probe.close()
	settings, err := s.Driver.Resolve(s.settings(endpoint))
	if err != nil {
		return err
	}
	b, err := s.Driver.Open(probe.config(settings))
	if err != nil {
		return err
	}
	p.concurrent = b.(*process).concurrent
	l := b.(*process).limits
	s.Driver.Limits = driver.Limits{Events: l.Events, Bytes: l.Bytes, EventBytes: l.EventBytes}
	v := probe.send(b, probe.batch(1))
	if err := b.Close(); err != nil {
		return err
	}
	if !v.late && v.err != nil && probe.attempts() == 0 {
		// Nearly every check would say so in words of its own.
		return fmt.Errorf("no request came through the proxy that HTTPS_PROXY names; to one event the program says: %w", v.err)
	}
	return nil
}

// program is what all processes of a Program share.
type program struct {
	ctx     context.Context // ends them all
	command []string
	vendor  Vendor
	dir     string // for directories of theirs
	// concurrent is what the program says of itself: it reads while it sends.
	concurrent bool

	authority sync.Once
	pem       string // the file that holds the certificate of the suite's authority
	pemErr    error

	running sync.WaitGroup // processes

	mu     sync.Mutex
	lapses map[lapse][]string
}

// lapse is a way in which a process breaks the rules for processes.
type lapse int

const (
	offProtocol lapse = iota
	endedEarly
	notEnded
	onStderr
	leftFile
	leftEvent
	leftProcess
)

// note records a lapse.
func (p *program) note(kind lapse, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lapses == nil {
		p.lapses = map[lapse][]string{}
	}
	text := fmt.Sprintf(format, args...)
	if len(p.lapses[kind]) < enoughFindings && !slices.Contains(p.lapses[kind], text) {
		p.lapses[kind] = append(p.lapses[kind], text)
	}
}

func (p *program) noted(kind lapse) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lapses[kind])
}

// driver is the program as the suite knows backends.
func (p *program) driver() driver.Driver {
	return driver.Driver{
		Name: p.vendor.name, Doc: p.vendor.doc, Settings: p.vendor.declared(),
		Hosts: func(map[string]string) []string { return p.vendor.contacted() },
		Open:  p.open,
	}
}

// trusted returns the file with the certificate of the authority that the suite's vendor
// has its own from. In a child of the suite that is the parent's.
func (p *program) trusted() (string, error) {
	p.authority.Do(func() {
		dir, text := p.dir, []byte(nil)
		if playing() {
			var o orders
			if p.pemErr = json.Unmarshal([]byte(os.Getenv(childEnv)), &o); p.pemErr != nil {
				return
			}
			dir, text = filepath.Dir(o.Result), []byte(o.Roots)
		} else {
			a, err := trusted()
			if err != nil {
				p.pemErr = err
				return
			}
			text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
		}
		p.pem = filepath.Join(dir, "authority.pem")
		p.pemErr = os.WriteFile(p.pem, text, 0o600)
	})
	return p.pem, p.pemErr
}

// environment is all that a process has in its own: how to reach the vendor, and places
// for files. In a child of the suite everything that was planted stays.
func (p *program) environment(way *proxy, dir string) ([]string, error) {
	file, err := p.trusted()
	if err != nil {
		return nil, err
	}
	env := keptEnvironment()
	set := func(value string, names ...string) {
		for _, name := range names {
			env = slices.DeleteFunc(env, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
			env = append(env, name+"="+value)
		}
	}
	if dir != "" {
		set(filepath.Join(dir, "home"), "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
		set(filepath.Join(dir, "tmp"), "TMPDIR", "TMP", "TEMP")
	} else {
		env = slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, childEnv+"=") })
		// Interpreters write to standard error about a locale that there is none of. LANG
		// stays what was planted: nothing looks at it beneath this one.
		set("C", "LC_ALL")
	}
	// HTTP_PROXY is for what must not be sent: plain text to another machine, which the
	// proxy notes and does not carry.
	set(way.url(), "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
	set(file, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
	set("1", "NODE_USE_ENV_PROXY") // without which Node knows no HTTPS_PROXY
	return env, nil
}

// open starts a process and tells it its settings.
func (p *program) open(c driver.Config) (driver.Backend, error) {
	w, ok := c.Transport.(*wire)
	if !ok {
		return nil, errors.New("a program reaches the vendor by the suite's own transport only")
	}
	b := &process{
		program: p, answers: map[int]chan sentLine{}, turn: make(chan struct{}, 1),
		opened: make(chan fromProgram, 1), ended: make(chan struct{}),
	}
	if p.ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	if err := b.start(w); err != nil {
		return nil, fmt.Errorf("the program could not be started: %w", err)
	}
	go b.outlive(w.over)
	b.write(opening(c))
	var said fromProgram
	select {
	case said = <-b.opened:
	case <-b.ended:
		select {
		case said = <-b.opened:
		default:
			return nil, errors.New(b.fate())
		}
	case <-time.After(longTime()):
		b.kill()
		return nil, fmt.Errorf("the program had not said {\"opened\":…} after %v; does it empty its buffer after each line?", longTime())
	}
	if said.Error != nil {
		p.running.Go(func() { b.seeOff("it had said what is wrong with a setting") })
		return nil, &driver.ConfigError{Field: p.fieldName(said.Error.Field), Problem: said.Error.Problem}
	}
	b.concurrent, b.limits = said.Opened.Concurrent, said.Opened.Limits
	return b, nil
}

// fieldName is the name under which a tool's author knows a setting.
func (p *program) fieldName(name string) string {
	if slices.ContainsFunc(p.vendor.settings, func(s vendorSetting) bool { return s.name == name }) {
		return "Telemetry.Settings[" + name + "]"
	}
	return name
}

// process is one backend.
type process struct {
	program    *program
	concurrent bool
	limits     limitsLine
	cmd        *exec.Cmd
	stdin      io.WriteCloser
	dir        string        // of its own, empty where its surroundings are planted
	turn       chan struct{} // holds one send at a time, where the program does not take more
	opened     chan fromProgram
	ended      chan struct{} // closed when it is gone

	writing sync.Mutex // of whoever writes to stdin

	mu      sync.Mutex
	answers map[int]chan sentLine // that are waited for
	last    int                   // id of a send
	ids     []string              // of all events that it was told
	// It said {"opened":…} or {"error":…}, and that it was the latter, and {"closed":true}.
	spoke, failed, closed bool
	// told says that it may end: it was told to, or killed.
	told, killed bool
	how          string // it ended
	line         []byte // of its output, so far
	stderr       bytes.Buffer
}

// start starts the process.
func (b *process) start(w *wire) error {
	way, err := w.proxied()
	if err != nil {
		return err
	}
	if !playing() {
		if b.dir, err = os.MkdirTemp(b.program.dir, "process"); err != nil {
			return err
		}
		for _, name := range []string{"home", "tmp", "cwd"} {
			if err := os.Mkdir(filepath.Join(b.dir, name), 0o700); err != nil {
				return err
			}
		}
	}
	b.cmd = exec.Command(b.program.command[0], b.program.command[1:]...)
	if b.cmd.Env, err = b.program.environment(way, b.dir); err != nil {
		return err
	}
	b.cmd.Stdout, b.cmd.Stderr = stdoutOf{b}, stderrOf{b}
	if b.dir != "" {
		b.cmd.Dir = filepath.Join(b.dir, "cwd")
	} else {
		b.cmd.Stderr = os.Stderr // whose text is searched by the parent
	}
	b.cmd.WaitDelay = slack() // for one that leaves its output to another process
	ownGroup(b.cmd)
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	b.program.running.Add(1)
	go b.wait()
	return nil
}

// wait sees the process to its end.
func (b *process) wait() {
	err := b.cmd.Wait()
	b.mu.Lock()
	b.how = "it ended with exit code 0"
	if err != nil {
		b.how = "it ended: " + err.Error()
	}
	told, cut, rest, stderr := b.told, b.killed, b.line, printable(b.stderr.Bytes(), 2000)
	for _, answer := range b.answers {
		close(answer) // there will be none
	}
	b.answers = nil
	b.mu.Unlock()
	if len(rest) > 0 && !cut {
		b.program.note(offProtocol, "the last line on standard output has no end: %s", short(string(rest)))
	}
	if !told {
		b.program.note(endedEarly, "%s, and had not been told to\n%s", b.fate(), stderr)
	}
	if stderr != "" {
		b.program.note(onStderr, "on standard error was written:\n%s", stderr)
	}
	close(b.ended)
	b.leftovers()
	b.program.running.Done()
}

// outlive kills the process if the check that uses it is over and has not closed it.
func (b *process) outlive(over chan struct{}) {
	select {
	case <-b.ended:
	case <-b.program.ctx.Done():
		b.kill()
	case <-over:
		b.mu.Lock()
		told := b.told
		b.mu.Unlock()
		if !told {
			b.kill()
		}
	}
}

// leaveTime is how long a program may take to end: far more than it needs, because
// machines stall.
func leaveTime() time.Duration { return 3 * slack() }

// seeOff waits for the end of a process that was told to end.
func (b *process) seeOff(why string) {
	if _, ended := within(b.ended, leaveTime()); !ended {
		b.mu.Lock()
		busy := len(b.answers) > 0
		b.mu.Unlock()
		if !busy {
			b.program.note(notEnded, "the program still ran %v after %s, and was killed", leaveTime(), why)
		}
		b.kill()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.answers) == 0 && !b.killed && !b.failed && (!b.closed || !b.cmd.ProcessState.Success()) {
		b.program.note(notEnded, "told to close, the program says {\"closed\":true} and ends with exit code 0; it said so: %v, and %s", b.closed, b.how)
	}
}

// kill ends the process at once.
func (b *process) kill() {
	b.mu.Lock()
	b.told, b.killed = true, true
	b.mu.Unlock()
	select {
	case <-b.ended: // and its number may be another's
	default:
		endGroup(b.cmd)
	}
}

// fate says how the process ended.
func (b *process) fate() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return "the program is gone: " + b.how
}

// leftovers looks at what a process that is gone has left.
func (b *process) leftovers() {
	var daemons []int
	if !settles(func() bool { daemons = processesOf(b.dir); return !groupLives(b.cmd) && len(daemons) == 0 }) {
		b.program.note(leftProcess, "a process that the program started still runs after its end")
		endGroup(b.cmd)
		for _, pid := range daemons {
			if daemon, err := os.FindProcess(pid); err == nil {
				_ = daemon.Kill()
			}
		}
	}
	if b.dir == "" {
		return
	}
	b.mu.Lock()
	ids := b.ids
	b.mu.Unlock()
	_ = filepath.WalkDir(b.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(b.dir, path)
		if err != nil {
			return nil
		}
		b.program.note(leftFile, "the file %s is left", filepath.ToSlash(name))
		if text, err := os.ReadFile(path); err == nil {
			if i := slices.IndexFunc(ids, func(id string) bool { return bytes.Contains(text, []byte(id)) }); i >= 0 {
				b.program.note(leftEvent, "the file %s is left, and has event %s in it", filepath.ToSlash(name), ids[i])
			}
		}
		return nil
	})
	_ = os.RemoveAll(b.dir)
}

// Send implements driver.Backend.
func (b *process) Send(ctx context.Context, events []driver.Event) error {
	over := ctx.Err() != nil
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.give()
	id, answer, err := b.ask(events)
	if err != nil {
		return err
	}
	b.write(toProgram{Send: &sendLine{ID: id, DeadlineMS: remaining(ctx), Events: canonical(events)}})
	select {
	case said, there := <-answer:
		return b.verdict(said, there, len(events))
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.Canceled) && !over {
		if !b.concurrent {
			b.kill() // it does not read while it sends
			return errors.New("cancelled: the program was killed")
		}
		b.write(toProgram{Cancel: &cancelLine{ID: id}})
	}
	// Its deadline is known to it; how late it may be is for the check to judge, which waits
	// for less than this.
	said, ok := within(answer, 4*slack())
	if !ok {
		b.kill()
		return errors.New("the program did not answer, and was killed")
	}
	return b.verdict(said, said.ID == id, len(events))
}

// verdict is what a program has said of a batch of n events, if it lived to say it.
func (b *process) verdict(said sentLine, there bool, n int) error {
	if !there {
		<-b.ended
		return errors.New(b.fate())
	}
	return said.verdict(n)
}

// take waits for the turn of a send, where the program takes one at a time.
func (b *process) take(ctx context.Context) error {
	if b.concurrent {
		return nil
	}
	select {
	case b.turn <- struct{}{}: // also if ctx has ended: the program is to see that by itself
		return nil
	default:
	}
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errors.New("not sent: another send was under way until the deadline")
	case <-b.ended:
		return errors.New(b.fate())
	}
}

func (b *process) give() {
	if !b.concurrent {
		<-b.turn
	}
}

// ask makes room for the answer to a send.
func (b *process) ask(events []driver.Event) (int, chan sentLine, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told || b.how != "" {
		return 0, nil, errors.New("the program was closed, or is gone")
	}
	b.last++
	b.ids = append(b.ids, eventIDs(events)...)
	answer := make(chan sentLine, 1)
	b.answers[b.last] = answer
	return b.last, answer, nil
}

// remaining is how long a send may take, in milliseconds.
func remaining(ctx context.Context) int64 {
	if ctx.Err() != nil {
		return 0
	}
	deadline, limited := ctx.Deadline()
	if !limited {
		return longTime().Milliseconds()
	}
	return max(time.Until(deadline).Milliseconds(), 0)
}

// Close implements driver.Backend.
func (b *process) Close() error {
	b.mu.Lock()
	over := b.told || b.how != ""
	b.told = true
	b.mu.Unlock()
	if !over {
		b.write(toProgram{Close: true})
		b.program.running.Go(func() { b.seeOff("it was told to close") })
	}
	within(b.ended, slack()/2) // as a rule it is gone when Close returns, and what it left can be looked at
	return nil
}
