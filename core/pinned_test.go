package core_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// counter takes everything, and notes each connection and what came over it.
type counter struct {
	*httptest.Server
	mu          sync.Mutex
	connections int
	heard       []string // method, path and headers of each request
}

func newCounter(t *testing.T) *counter {
	c := &counter{}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.heard = append(c.heard, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header))
	}))
	c.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.mu.Lock()
			c.connections++
			c.mu.Unlock()
		}
	}
	c.Start()
	t.Cleanup(c.Close)
	return c
}

// count returns the connections so far, and everything that was heard.
func (c *counter) count() (connections int, heard string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connections, strings.Join(c.heard, "\n")
}

// pinning is an installation whose administrator may name a receiver.
type pinning struct {
	t            *testing.T
	author, corp *counter
	office       *office
	tool         props.Tool
	options      []core.Option
	policy       string
}

func newPinning(t *testing.T) *pinning {
	p := &pinning{t: t, author: newCounter(t), corp: newCounter(t), office: &office{}, policy: filepath.Join(t.TempDir(), "policy")}
	p.tool = toolFor(p.author.URL)
	p.tool.Telemetry.Headers = map[string]string{"X-Key": "authors-key"}
	p.tool.Telemetry.Settings = map[string]string{"compression": "none"}
	p.tool.Telemetry.DeletionRequestor = p.office
	p.options = []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")), core.WithPolicyFile(p.policy), environment(nil)}
	return p
}

func (p *pinning) manager() *core.Manager { return core.NewManager(p.tool, p.options...) }

// says writes the policy, and removes it if it is empty.
func (p *pinning) says(policy string) {
	p.t.Helper()
	err := os.Remove(p.policy)
	if policy != "" {
		err = os.WriteFile(p.policy, []byte(policy), 0o600)
	} else if os.IsNotExist(err) {
		err = nil
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pinning) line() string { return "receiver http " + p.corp.URL + "/v1/events" }

// track records an event and sends what may be sent.
func (p *pinning) track(name string) {
	p.t.Helper()
	c := open(p.t, p.tool, p.options)
	c.Track("feature.used", name, nil)
	if err := c.Flush(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pinning) enable() {
	p.t.Helper()
	if err := p.manager().Enable(false, ""); err != nil {
		p.t.Fatal(err)
	}
}

// heard checks how many connections there were to the author and to the company.
func (p *pinning) heard(when string, author, corp int) {
	p.t.Helper()
	a, _ := p.author.count()
	c, _ := p.corp.count()
	if a != author || c != corp {
		p.t.Errorf("%s: %d connections to the author's receiver and %d to the company's, want %d and %d", when, a, c, author, corp)
	}
}

func TestAPinnedReceiverNeedsAYesOfItsOwnAndGetsNothingOfTheAuthors(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.enable()
	p.track("for the author")
	p.heard("before the policy", 1, 0)

	p.says(p.line())
	s := p.manager().Status()
	if !s.Decision.Undecided || s.Recording || len(s.Decision.Beyond) != 1 || !strings.Contains(s.Decision.Beyond[0], "set by the administrator's policy, not http") {
		t.Errorf("after a yes to the author: %+v", s.Decision)
	}
	if !s.Pinned || len(s.Backend.Hosts) != 1 || !strings.HasSuffix(p.corp.URL, s.Backend.Hosts[0]) || len(s.Faults) > 0 {
		t.Errorf("status says %+v", s)
	}
	p.track("for nobody")
	p.heard("before the person was asked again", 1, 0)

	p.enable()
	p.track("for the company")
	p.heard("after a yes to the company", 1, 1)
	_, heard := p.corp.count()
	if !strings.Contains(heard, "POST /v1/events") || strings.Contains(heard, "authors-key") || strings.Contains(heard, "X-Key") {
		t.Errorf("the company heard %s", heard)
	}
	if _, heard := p.author.count(); !strings.Contains(heard, "authors-key") {
		t.Errorf("the search finds nothing: the author heard %s", heard)
	}

	p.says("")
	if d := p.manager().Decision(); !d.Undecided || len(d.Beyond) != 1 {
		t.Errorf("without the policy: %+v", d)
	}
	p.track("for nobody")
	p.heard("without the policy", 1, 1)
}

// waits records an event that is not sent.
func (p *pinning) waits(name string) {
	p.t.Helper()
	c := open(p.t, p.tool, p.options)
	c.Track("feature.used", name, nil)
	ended, cancel := context.WithCancel(p.t.Context())
	cancel()
	_ = c.Flush(ended) // gives the slot back
	if n := p.manager().Status().Queue.Events; n == 0 {
		p.t.Fatal("nothing waits")
	}
}

func TestWhatWasRecordedForOneReceiverWaitsWhileAnotherIsNamed(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.enable()
	p.waits("for the author")
	p.says("on\n" + p.line())
	p.track("for the company") // the policy is the yes
	p.heard("while the policy stands", 0, 1)
	if s := p.manager().Status(); s.Queue.Elsewhere != 1 || s.Queue.Events != 1 || !strings.Contains(s.Left, "set by the administrator's policy") {
		t.Errorf("%+v, %q", s.Queue, s.Left)
	}
	p.waits("for the company, later")
	p.says("")
	if _, err := p.manager().Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	p.heard("when it is gone", 1, 1)
	if s := p.manager().Status(); s.Queue.Elsewhere != 1 || s.Queue.Events != 1 {
		t.Errorf("%+v", s.Queue)
	}
}

func TestAPinAloneIsNoYes(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.says(p.line())
	if d := p.manager().Decision(); d.Enabled || !d.Undecided {
		t.Errorf("nobody was asked: %+v", d)
	}
	p.says("off\n" + p.line())
	if d := p.manager().Decision(); d.Enabled || d.Undecided {
		t.Errorf("off: %+v", d)
	}
	p.says("local\n" + p.line())
	p.enable()
	p.track("here")
	if s := p.manager().Status(); s.Pinned || !s.Backend.Local || s.Stayed != 1 {
		t.Errorf("local: %+v", s)
	}
	p.heard("never", 0, 0)
}

func TestAReceiverThatCannotBeUsedTurnsTelemetryOffAndIsNamed(t *testing.T) {
	t.Parallel()
	keyed := driver.Driver{
		Name: "keyed", Settings: []driver.Setting{{Name: "endpoint"}, {Name: "key", Required: true, Secret: true}},
		Hosts: func(map[string]string) []string { return []string{"keyed.example"} },
		Open:  func(driver.Config) (driver.Backend, error) { panic("opened") },
	}
	for line, want := range map[string]string{
		"receiver posthog https://corp.example":             `the backend "posthog" is not linked into sometool, which has file, http, keyed, noop, stdout`,
		"receiver noop https://corp.example":                `the backend "noop" takes no address`,
		"receiver file https://corp.example":                `the backend "file" takes no address`,
		"receiver keyed https://corp.example":               `required by backend "keyed"`,
		"receiver http http://corp.example":                 "its address is not an absolute https:// URL",
		"receiver http corp.example":                        "its address is not an absolute https:// URL",
		"receiver http https://user:pa55@corp.example":      "its address is not an absolute https:// URL",
		"receiver http https://corp.example/#top":           "its address is not an absolute https:// URL",
		"receiver http https://" + strings.Repeat("a", 300): "its address is not an absolute https:// URL",
		"receiver http": "the line is not like",
	} {
		t.Run(line[:min(len(line), 40)], func(t *testing.T) {
			t.Parallel()
			p := newPinning(t)
			p.tool.Telemetry.Insecure = true // the author's word is not for this receiver
			p.tool.Telemetry.Drivers = []driver.Driver{keyed}
			p.enable()
			p.waits("before")
			p.says("on\n" + line)
			c := open(t, p.tool, p.options) // which tells the tool's user nothing
			if c.Enabled() || c.BackendInfo().Name != "noop" {
				t.Errorf("on, to %v", c.BackendInfo())
			}
			s := p.manager().Status()
			if s.Recording || s.Pinned || s.Backend.Name != "noop" || s.Decision.Enabled || s.Decision.Undecided ||
				!slices.ContainsFunc(s.Faults, func(f string) bool { return strings.Contains(f, want) }) {
				t.Errorf("%+v, faults %q", s.Decision, s.Faults)
			}
			if text := strings.Join(s.Faults, ""); strings.Contains(text, "pa55") || strings.Contains(text, "#top") {
				t.Errorf("the address is repeated: %s", text)
			}
			if _, err := p.manager().Flush(t.Context(), nil); err == nil {
				t.Error("flush sends")
			}
			if _, err := p.manager().Check(t.Context()); err == nil {
				t.Error("check sends")
			}
			if err := p.manager().Upload(t.Context()); err == nil {
				t.Error("upload sends")
			}
			p.heard(line, 0, 0)
		})
	}
}

// A policy may come while a command runs. What it recorded for the author before stays here.
func TestAPolicyThatComesWhileACommandRunsIsSeenBeforeAnAttempt(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.enable()
	c := open(t, p.tool, p.options)
	c.Track("feature.used", "for the author", nil)
	p.says(p.line())
	_ = c.Flush(t.Context())
	p.heard("after the policy came", 0, 0)
	if s := p.manager().Status(); s.Queue.Elsewhere != 1 {
		t.Errorf("%+v", s.Queue)
	}
}

func TestAPolicyThatComesBetweenTwoBatchesIsSeenBeforeTheSecond(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	var sent int
	p.tool.Telemetry = props.TelemetryConfig{Backend: "vendor", Drivers: []driver.Driver{{
		Name: "vendor", Limits: driver.Limits{Events: 1},
		Hosts: func(map[string]string) []string { return []string{"vendor.example"} },
		Open: func(driver.Config) (driver.Backend, error) {
			return sendFunc(func() {
				sent++
				p.says("on\n" + p.line())
			}), nil
		},
	}}}
	p.enable()
	c := open(p.t, p.tool, p.options)
	c.Track("feature.used", "first", nil)
	c.Track("feature.used", "second", nil)
	_ = c.Flush(t.Context())
	if sent != 1 {
		t.Errorf("the vendor was sent %d batches", sent)
	}
	if s := p.manager().Status(); s.Queue.Elsewhere != 1 {
		t.Errorf("%+v", s.Queue)
	}
}

// sendFunc takes everything and calls itself.
type sendFunc func()

func (f sendFunc) Send(context.Context, []driver.Event) error { f(); return nil }
func (f sendFunc) Close() error                               { return nil }

func TestWhatTheDiskDidNotTakeGoesToNobodyElse(t *testing.T) {
	t.Parallel()
	for policy, corp := range map[string]int{"": 0, "on": 1} {
		p := newPinning(t)
		p.options = append(p.options, environment(map[string]string{"CI": "true", "SOMETOOL_TELEMETRY": "on"}))
		p.says(policy)
		if policy != "" {
			p.says(policy + "\n" + p.line())
		}
		dir := p.manager().Status().StateDir
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "queue"), nil, 0o600); err != nil { // so there is no place for slots
			t.Fatal(err)
		}
		c := open(t, p.tool, p.options)
		c.Track("feature.used", "unstored", nil)
		p.says("on\n" + p.line())
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.heard("recorded under the policy "+policy, 0, corp)
	}
}

func TestAPolicyThatNamesTheAuthorsHostNamesAnotherReceiver(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.enable()
	p.says("receiver http " + p.author.URL + "/another-customer")
	if d := p.manager().Decision(); !d.Undecided || len(d.Beyond) != 1 {
		t.Errorf("%+v", d)
	}
}

func TestADeletionRequestIsMadeOnlyToWhomThePolicyLetsTheToolContact(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.office.say(deletion.Acknowledged, nil)
	p.enable()
	p.track("for the author")
	p.says(p.line())
	p.enable()
	p.track("for the company")
	p.heard("both have data", 1, 1)

	report, err := p.manager().Reset(t.Context(), nil)
	if err != nil || len(report.Requests) != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	e := report.Requests[0]
	if e.State != deletion.Requested || !strings.Contains(e.Problem, "which the administrator's policy does not let the tool contact now") {
		t.Errorf("the author's part: %s, %q", e.State, e.Problem)
	}
	if at, reached := e.Reached[deletion.Delivered]; reached {
		t.Errorf("it was not handed over to all, and was on %v", at)
	}
	if company := strings.TrimPrefix(p.corp.URL, "http://"); !e.Partly() || !strings.Contains(e.Receiver, company) || e.Receipt.State != deletion.Delivered {
		t.Errorf("that the company has taken it is not told: %+v", e)
	}
	if n := len(p.office.requests()); n != 0 {
		t.Errorf("the author was asked %d times", n)
	}
	p.heard("the company was asked for its part", 1, 2)

	if _, err := p.manager().Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	p.heard("the company has taken its part", 1, 2)

	p.says("recever http https://corp.example") // misspelt: it may have named one
	if _, err := p.manager().Resume(t.Context(), nil); err != nil || len(p.office.requests()) != 0 {
		t.Errorf("a policy that is not understood: %v, the author was asked %d times", err, len(p.office.requests()))
	}
	p.says("on\nreceiver nosuch https://corp.example")
	if _, err := p.manager().Resume(t.Context(), nil); err != nil || len(p.office.requests()) != 0 {
		t.Errorf("a receiver that cannot be used: %v, the author was asked %d times", err, len(p.office.requests()))
	}
	if e := only(t, p.manager()); !strings.Contains(e.Problem, "does not let the tool contact") {
		t.Errorf("a receiver that cannot be used: %q", e.Problem)
	}

	p.says("")
	if _, err := p.manager().Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := len(p.office.requests()); n != 1 || only(t, p.manager()).State != deletion.Acknowledged || only(t, p.manager()).Partly() {
		t.Errorf("without the policy the author was asked %d times: %+v", n, only(t, p.manager()))
	}
}

func TestTheAuthorIsNotAskedForWhatWentToTheCompany(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.office.say(deletion.Acknowledged, nil)
	p.says("on\n" + p.line())
	p.track("for the company")
	p.corp.Close() // so that it cannot be asked
	if _, err := p.manager().Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	p.says("")
	if _, err := p.manager().Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := len(p.office.requests()); n != 0 {
		t.Errorf("the author was asked %d times", n)
	}
	if e := only(t, p.manager()); e.State != deletion.Requested || !strings.Contains(e.Problem, "set by the administrator's policy") ||
		!strings.Contains(e.Problem, "named, and does not name now") {
		t.Errorf("%s, %q", e.State, e.Problem)
	}
}

func TestNobodyFollowsUpARequestOfTheAuthorsWhileThePolicyNamesAnother(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.office.say(deletion.Acknowledged, nil)
	p.enable()
	p.track("for the author")
	if _, err := p.manager().Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	p.says("off\n" + p.line())
	if _, err := p.manager().Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if p.office.polled != 0 {
		t.Error("the author was asked what became of it")
	}
	if e := only(t, p.manager()); e.State != deletion.Acknowledged || e.Next.IsZero() {
		t.Errorf("it is not followed up later: %+v", e)
	}
	p.says("")
	if _, err := p.manager().Resume(t.Context(), nil); err != nil || p.office.polled != 1 {
		t.Errorf("%v, asked %d times", err, p.office.polled)
	}
}

func TestTheReceiptSaysWhoSetTheReceiver(t *testing.T) {
	t.Parallel()
	p := newPinning(t)
	p.says(p.line())
	p.enable()
	if terms := p.manager().Stored().Terms; !terms.Pinned || terms.Backend != "http" || !strings.HasSuffix(terms.Receiver(), ", set by the administrator's policy") {
		t.Errorf("%+v", terms)
	}
	p.says("")
	if d := p.manager().Decision(); d.Source == consent.SourcePolicy || d.Enabled {
		t.Errorf("%+v", d)
	}
}

func TestUnderAPolicyThatCannotBeReadNobodyIsAskedForDeletionOrForWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		for _, policy := range []string{"recever http https://corp.example", "nonsense", " ", "on # comment", "\xff\xfe", "a directory"} {
			t.Run(fmt.Sprintf("%v/%q", own, policy), func(t *testing.T) {
				t.Parallel()
				p := newPinning(t)
				p.office.say(deletion.Acknowledged, nil)
				if !own {
					p.tool.Telemetry.DeletionRequestor = nil // then the author's receiver is asked
				}
				unreadable := func() {
					if p.says(policy); policy != "a directory" {
						return
					}
					p.says("")
					if err := os.Mkdir(p.policy, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				asked := func() int {
					connections, _ := p.author.count()
					return connections - 1 + len(p.office.requests()) + p.office.polled
				}
				p.enable()
				p.track("for the author")
				unreadable()
				if _, err := p.manager().Reset(t.Context(), nil); err != nil || asked() != 0 {
					t.Fatalf("asked %d times, %v", asked(), err)
				}
				if _, err := p.manager().Resume(t.Context(), nil); err != nil || asked() != 0 {
					t.Fatalf("asked %d times, %v", asked(), err)
				}
				if e := only(t, p.manager()); e.State != deletion.Requested || !e.Held || !strings.Contains(e.Problem, "the administrator's policy does not let") {
					t.Errorf("%+v", e)
				}
				p.says("")
				if _, err := p.manager().Resume(t.Context(), nil); err != nil || asked() != 1 || only(t, p.manager()).Open() {
					t.Errorf("after the policy was mended: asked %d times, %v, %+v", asked(), err, only(t, p.manager()))
				}
				unreadable()
				if _, err := p.manager().Resume(t.Context(), nil); err != nil || asked() != 1 {
					t.Errorf("what became of it was asked for: %d, %v", asked(), err)
				}
			})
		}
	}
}

func TestWhatWaitsForAnotherReceiverIsSaidToWaitForWhatWouldDeliverIt(t *testing.T) {
	t.Parallel()
	const policy, version = "until the administrator's policy changes", "an earlier version or other settings"
	wants := func(when string, p *pinning, want, not string, names ...string) {
		t.Helper()
		report, err := p.manager().Flush(t.Context(), nil)
		if err != nil || report.Kept != 1 {
			t.Errorf("%s: %+v, %v", when, report, err)
		}
		waiting, err := p.manager().Waiting(t.Context())
		if err != nil || len(waiting) != 1 {
			t.Fatalf("%s: %+v, %v", when, waiting, err)
		}
		held := p.manager().Status().Held
		for _, text := range []string{report.Left, waiting[0].Keep} {
			if !strings.Contains(text, want) || strings.Contains(text, not) || !strings.Contains(text, " sends to ") {
				t.Errorf("%s: %q", when, text)
			}
			for _, name := range names {
				if !strings.Contains(text, name) {
					t.Errorf("%s: %q does not name %q", when, text, name)
				}
			}
		}
		if len(held) != 1 || len(names) > 0 && !strings.Contains(held[0].Receiver, names[0]) {
			t.Errorf("%s: %+v", when, held)
		}
	}
	p := newPinning(t)
	p.enable()
	p.waits("for the author")
	p.says("on\n" + p.line())
	wants("another receiver", p, policy, version)
	p.says("on\nreceiver http " + p.author.URL + "/another-customer")
	wants("another place at the same host", p, policy, version)

	p = newPinning(t)
	p.enable()
	p.waits("for the author")
	p.tool.Telemetry.Endpoint = p.corp.URL
	p.enable()
	wants("another version", p, version, policy)

	p = newPinning(t)
	p.tool.Telemetry.Controller = "First Ltd"
	p.enable()
	p.waits("for the first")
	p.tool.Telemetry.Controller = "Second Ltd"
	p.enable()
	wants("another controller at the same host", p, version, policy, "of First Ltd", "of Second Ltd")
}
