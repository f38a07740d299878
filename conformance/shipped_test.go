package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// at makes the model do something once it has read an answer with the status.
func at(status int, do func(b *modelBackend, resp *http.Response)) model {
	return model{judge: func(b *modelBackend, events []driver.Event, resp *http.Response, text []byte) error {
		if resp.StatusCode == status {
			do(b, resp)
		}
		return b.verdict(events, resp, text)
	}}
}

// inProduction makes the model do something with the transport that it has of its own,
// where Config has none.
func inProduction(do func(b *modelBackend, own *http.Transport)) model {
	return model{opened: func(b *modelBackend) {
		if b.client.Transport == nil {
			own := http.DefaultTransport.(*http.Transport).Clone()
			b.client.Transport = own
			do(b, own)
		}
	}}
}

// onOpen makes the model do something when it is opened.
func onOpen(do func()) model {
	return model{open: func(*driver.Config) error { do(); return nil }}
}

func shippedMutants() []mutant {
	late := func(b *modelBackend, r *http.Request, wait time.Duration) {
		again := r.Clone(context.WithoutCancel(r.Context()))
		time.AfterFunc(wait, func() {
			again.Body, again.ContentLength = http.NoBody, 0
			if resp, err := b.client.Do(again); err == nil {
				resp.Body.Close()
			}
		})
	}
	list := []mutant{
		broken("trusts-any-certificate-in-production", inProduction(func(_ *modelBackend, own *http.Transport) {
			own.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		}), "delivery/expired-certificate delivery/unknown-authority delivery/certificate-of-another-host"),
		broken("follows-redirects-in-production", inProduction(func(b *modelBackend, _ *http.Transport) {
			b.client.CheckRedirect = nil
		}), "delivery/redirect-not-followed privacy/keys-stay-on-redirect"),
		broken("starts-over-with-a-new-client-after-a-404", at(404, func(b *modelBackend, _ *http.Response) {
			b.client.Transport = http.DefaultTransport.(*http.Transport).Clone() // and who closes the connections of the old one?
		}), checkLeft),
		broken("goroutine-left-after-a-413", at(413, func(*modelBackend, *http.Response) {
			go func() { select {} }()
		}), checkLeft),
		broken("file-left-after-a-408", at(408, func(b *modelBackend, _ *http.Response) {
			if f, err := os.Open(os.DevNull); err == nil {
				b.state.mu.Lock()
				leaked.files = append(leaked.files, f) // or the collector of garbage closes it
				b.state.mu.Unlock()
			}
		}), checkLeft),
		broken("prints-at-a-404", at(404, func(*modelBackend, *http.Response) {
			fmt.Fprintln(os.Stderr, "model: is the address right?")
		}), checkPrints),
		broken("writes-a-report-at-a-502", at(502, func(*modelBackend, *http.Response) {
			_ = os.WriteFile(filepath.Join(os.TempDir(), "model-crash.txt"), []byte("502"), 0o600)
		}), checkBeside+" "+checkReads),
		broken("caches-in-the-home-directory", at(200, func(*modelBackend, *http.Response) {
			if dir, err := os.UserCacheDir(); err == nil {
				_ = os.MkdirAll(filepath.Join(dir, "model"), 0o700)
			}
		}), checkBeside+" "+checkReads),
		broken("asks-a-program-for-the-system", onOpen(func() {
			_ = exec.Command("/bin/true").Run()
		}), checkBeside+" "+checkReads),
		broken("looks-its-vendor-up", onOpen(func() {
			_, _ = net.LookupHost("eu.intake.example")
		}), checkBeside),
		broken("counts-its-own-errors-by-statsd", at(503, func(*modelBackend, *http.Response) {
			if c, err := net.Dial("udp", "127.0.0.1:8125"); err == nil {
				_, _ = c.Write([]byte("errors:1|c"))
				c.Close()
			}
		}), checkBeside),
		broken("connects-past-the-proxy", at(500, func(*modelBackend, *http.Response) {
			if c, err := net.DialTimeout("tcp", "192.0.2.1:443", 50*time.Millisecond); err == nil {
				c.Close()
			}
		}), checkBeside),
		broken("tries-again-a-second-later", model{broken: func(b *modelBackend, r *http.Request, err error) error {
			late(b, r, time.Second)
			late(b, r, 1500*time.Millisecond)
			return errModel
		}}, checkBackground),
		broken("knows-no-proxy", inProduction(func(_ *modelBackend, own *http.Transport) { own.Proxy = nil }), `
			delivery/http2 privacy/through-the-proxy `+checkLeft+" "+checkProcess+" "+checkBackground+" "+checkBeside+" "+checkReads),
		broken("goes-directly-where-the-proxy-does-not-let-it", inProduction(func(b *modelBackend, own *http.Transport) {
			direct := own.Clone()
			direct.Proxy = nil
			b.exchange = func(b *modelBackend, r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				resp, err := b.client.Do(r)
				if err != nil && strings.Contains(err.Error(), "Proxy Authentication Required") {
					r.Body = io.NopCloser(bytes.NewReader(body))
					return (&http.Client{Transport: direct}).Do(r)
				}
				return resp, err
			}
		}), checkBeside),
		broken("takes-a-proxys-refusal-for-the-vendors", model{broken: func(_ *modelBackend, _ *http.Request, err error) error {
			if strings.Contains(err.Error(), "Forbidden") {
				return driver.Permanent(errModel)
			}
			return errModel
		}}, "privacy/through-the-proxy"),
		broken("tells-the-password-of-the-proxy", model{broken: func(_ *modelBackend, r *http.Request, _ error) error {
			address, _ := http.ProxyFromEnvironment(r)
			return fmt.Errorf("model: no answer by %s", address)
		}}, checkSecrets),
		broken("ticks-on-after-a-503", at(503, func(b *modelBackend, _ *http.Response) {
			var tick func()
			tick = func() { time.AfterFunc(300*time.Millisecond, tick) }
			tick()
		}), checkLeft),
		broken("asks-again-where-a-stream-is-reset", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			resp, err := b.client.Do(r)
			if err != nil && strings.Contains(err.Error(), "stream error") {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
				return b.client.Do(r)
			}
			return resp, err
		}}, "delivery/http2"),
		broken("opens-a-browser-at-a-401", at(401, func(*modelBackend, *http.Response) {
			if err := exec.Command("xdg-open", "https://model.example/login").Start(); err != nil {
				return
			}
		}), checkBeside+" "+checkLeft+" "+checkReads), // and nobody waits for it
		broken("hurries-the-default-transport", onOpen(func() {
			http.DefaultTransport.(*http.Transport).ResponseHeaderTimeout = time.Minute
		}), checkProcess),
		broken("tries-again-until-three-seconds-after-a-504", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			err := b.deliver(ctx, events)
			if err != nil && strings.Contains(err.Error(), "504") {
				again := copyEvents(events)
				for n := range 6 { // one of them may meet a vendor that is just going away
					time.AfterFunc(time.Duration(n+1)*500*time.Millisecond, func() { _ = b.deliver(context.Background(), again) })
				}
			}
			return err
		}}, checkBackground),
		broken("limits-the-default-client", onOpen(func() { http.DefaultClient.Timeout = 5 * time.Second }), checkProcess),
		broken("reckons-in-universal-time", onOpen(func() { time.Local = time.UTC }), checkProcess),
		broken("sets-a-variable", onOpen(func() { os.Setenv("GODEBUG", "http2client=0") }), checkProcess),
		broken("goes-to-another-directory", onOpen(func() { _ = os.Chdir(os.TempDir()) }), checkProcess+" "+checkReads),
		broken("closes-on-a-signal", onOpen(func() { signal.Notify(make(chan os.Signal, 1), os.Interrupt) }), checkLeft),
		broken("reads-a-variable", onOpen(func() { _ = os.Getenv("MODEL_DEBUG") }), checkReads),
		broken("explains-itself-where-a-variable-is-set", at(200, func(*modelBackend, *http.Response) {
			if os.Getenv("MODEL_DEBUG") == "1" {
				fmt.Println("model: posted")
			}
		}), checkPrints+" "+checkReads),
		broken("takes-its-tool-from-a-variable", model{request: func(r *http.Request) {
			if name := os.Getenv("MODEL_AGENT"); name != "" {
				r.Header.Set("User-Agent", name)
			}
		}}, checkPlanted+" privacy/everything-explained "+checkReads),
		broken("tells-the-zone", model{item: func(i *modelItem) {
			if at, err := time.Parse(time.RFC3339Nano, i.Time); err == nil {
				i.Time = at.Local().Format(time.RFC3339Nano)
			}
		}}, "fidelity/nothing-made-up privacy/no-time-zone privacy/everything-explained"),
		broken("tells-the-user-after-a-429", model{exchange: func(b *modelBackend, r *http.Request) (*http.Response, error) {
			if b.state.n.Load() > 0 {
				r.Header.Set("X-Key", b.key+" "+os.Getenv("USER"))
			}
			resp, err := b.client.Do(r)
			if err == nil && resp.StatusCode == 429 {
				b.state.n.Store(1)
			}
			return resp, err
		}}, checkPlanted+" "+checkReads),
	}
	for i := range list {
		list[i].shipped = true
		list[i].meets = "delivery/other-2xx delivery/other-3xx delivery/other-4xx delivery/other-5xx delivery/401-as-documented delivery/404-as-documented delivery/408-as-documented " +
			"delivery/413-as-documented delivery/429-keeps-batch delivery/500-as-documented delivery/502-keeps-batch delivery/503-keeps-batch " +
			"delivery/redirect-not-followed delivery/reset-before-answer delivery/every-event-once privacy/through-the-proxy " + checkBackground
		if strings.HasPrefix(list[i].name, "tries-again-") {
			list[i].may = "collector/* delivery/* lifecycle/* privacy/* fidelity/*" // whatever is under way then
		}
	}
	return list
}

// firstWins makes every backend of a process send with the key of the first.
func firstWins() model {
	var first atomic.Pointer[string]
	return model{opened: func(b *modelBackend) {
		first.CompareAndSwap(nil, &b.key)
		b.key = *first.Load()
	}}
}

func takesItsOwnEndpoint(fails string) mutant {
	m := httpMutant("takes-its-own-endpoint-for-a-broken-one", func(c *driver.Config) {
		if u, err := url.Parse(c.Settings["endpoint"]); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			c.Settings["endpoint"] = "https://intake.model.example/v1"
		}
	}, fails)
	m.subject.Driver.Settings = slices.Clone(m.subject.Driver.Settings)
	for i := range m.subject.Driver.Settings {
		m.subject.Driver.Settings[i].Check = nil
	}
	return m
}

func instanceMutants() []mutant {
	var asked atomic.Pointer[[]string]
	var turn sync.Mutex
	list := []mutant{
		broken("does-not-name-the-time-of-sending", model{describe: func(d *driver.Driver) { d.Momentary = nil }}, "delivery/only-the-moment-differs"),
		broken("cannot-read-its-own-body", model{describe: func(d *driver.Driver) {
			d.Readable = func([]byte) (string, error) { return "", errModel }
		}}, "delivery/only-the-moment-differs"),
		broken("panics-without-a-name", model{open: func(c *driver.Config) error {
			if c.Tool[0] == '-' {
				return errModel
			}
			return nil
		}}, "driver/opens-with-little"),
		broken("remembers-its-hosts", model{describe: func(d *driver.Driver) {
			hosts := d.Hosts
			d.Hosts = func(s map[string]string) []string {
				list := hosts(s)
				asked.CompareAndSwap(nil, &list)
				return *asked.Load()
			}
		}}, "driver/hosts-follow-settings"),
		takesItsOwnEndpoint("driver/broken-endpoint-is-an-error"),
		broken("one-send-at-a-time", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			turn.Lock()
			defer turn.Unlock()
			return b.deliver(ctx, events)
		}}, "delivery/each-its-own-deadline"),
		broken("keeps-its-verdict-in-itself", model{send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
			b.state.n.Add(1)
			err := b.deliver(ctx, events)
			b.state.n.Add(-1)
			b.state.mu.Lock()
			defer b.state.mu.Unlock()
			b.state.last = err
			b.state.answers++
			// As where a line is written to a log, while which another one is answered.
			for mine, end := b.state.answers, time.Now().Add(patient(time.Second)); b.state.answers == mine && b.state.n.Load() > 0 && time.Now().Before(end); {
				b.state.mu.Unlock()
				time.Sleep(time.Millisecond)
				b.state.mu.Lock()
			}
			return b.state.last
		}}, "delivery/each-its-own-verdict"),
		broken("marks-what-it-sends-again", model{
			judge: func(b *modelBackend, events []driver.Event, resp *http.Response, text []byte) error {
				if resp.StatusCode == 500 {
					b.state.n.Store(1)
				}
				return b.verdict(events, resp, text)
			},
			send: func(b *modelBackend, ctx context.Context, events []driver.Event) error {
				if b.state.n.Load() == 1 {
					events = copyEvents(events)
					events[0].Name += " (again)"
				}
				return b.deliver(ctx, events)
			},
		}, "delivery/same-content-again"),
		broken("first-key-wins", firstWins(), "lifecycle/instances-have-their-own-secrets"),
	}
	for i := range list {
		list[i].serial = list[i].name != "keeps-its-verdict-in-itself"
	}
	return list
}

func TestWhatABinaryReadsIsFoundInItsLog(t *testing.T) {
	t.Parallel()
	const log = `# test log
getenv HOME
getenv CONFORMANCE_MARK_a/b
getenv HTTPS_PROXY
open /own/dir/roots.pem
open /etc/machine-id
stat /etc/ssl/certs
getenv MODEL_DEBUG
getenv CONFORMANCE_MARK_
open /proc/self/fd
getenv CONFORMANCE_MARK_collector/x
open /home/me
`
	found, variables := strayReads(log, "/own/dir")
	if !slices.Equal(variables, []string{"MODEL_DEBUG"}) {
		t.Errorf("the variables are %q", variables)
	}
	if len(found) != 2 || found[0].Message != "during a/b: the file machine-id was read" || found[1].Message != "during a/b: the variable MODEL_DEBUG was read" {
		t.Errorf("found %q", found)
	}
}
