//go:build !plan9 && !notelemetry

package driverhttp_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// intake is a host that no name server knows: only a proxy can reach it, so an answer
// shows that the request took the way that it should.
const intake = "intake.invalid"

// relay is a proxy that takes its connections to one address, whatever it is asked for.
type relay struct {
	addr, target string
	user, pass   string // wanted, if user is not empty

	mu    sync.Mutex
	asked []string
}

func (r *relay) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, what)
}

func (r *relay) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

// listen serves connections until the test ends.
func (r *relay) listen(t *testing.T, serve func(net.Conn)) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	r.addr = l.Addr().String()
	return r
}

// splice joins two connections until either ends.
func (r *relay) splice(c net.Conn, head io.Reader) {
	out, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, head)
		out.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, out)
}

// socks5 is a proxy of RFC 1928, with the passwords of RFC 1929.
func socks5(t *testing.T, target string, user, pass string) *relay {
	r := &relay{target: target, user: user, pass: pass}
	return r.listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		field := func() string { // a byte of length, and that many
			n, err := in.ReadByte()
			if err != nil {
				return ""
			}
			text := make([]byte, n)
			_, _ = io.ReadFull(in, text)
			return string(text)
		}
		version, _ := in.ReadByte()
		methods := field()
		method := byte(0)
		if r.user != "" {
			method = 2
		}
		if version != 5 || !strings.Contains(methods, string(rune(method))) {
			r.note(fmt.Sprintf("version %d, methods %q", version, methods))
			_, _ = c.Write([]byte{5, 0xff})
			return
		}
		_, _ = c.Write([]byte{5, method})
		if method == 2 {
			_, _ = in.ReadByte()
			if user, pass := field(), field(); user != r.user || pass != r.pass {
				r.note("a wrong password")
				_, _ = c.Write([]byte{1, 1})
				return
			}
			_, _ = c.Write([]byte{1, 0})
		}
		var head [4]byte // version, command, reserved, kind of address
		if _, err := io.ReadFull(in, head[:]); err != nil || head[1] != 1 || head[3] != 3 {
			r.note(fmt.Sprintf("command %d with an address of kind %d", head[1], head[3]))
			_, _ = c.Write([]byte{5, 8, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		host := field()
		var port [2]byte
		_, _ = io.ReadFull(in, port[:])
		r.note(fmt.Sprintf("%s:%d", host, binary.BigEndian.Uint16(port[:])))
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		r.splice(c, in)
	})
}

// connect is a proxy that speaks HTTP: it takes CONNECT, and requests with a whole URL.
func connect(t *testing.T, target string) *relay {
	r := &relay{target: target}
	return r.listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if request.Method != http.MethodConnect {
			r.note(request.Method + " " + request.Host)
			_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
			return
		}
		r.note(request.Host)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		r.splice(c, in)
	})
}

// postedIn runs TestProxyChild with an environment of its own, since net/http reads the
// proxy variables once in the life of a process. It returns what became of the request,
// and which addresses were connected to.
func postedIn(t *testing.T, url, authority string, env ...string) (outcome string, dialled []string) {
	t.Helper()
	cmd := exec.CommandContext(patient(t), os.Args[0], "-test.run=^TestProxyChild$", "-test.v")
	cmd.Env = append([]string{"PROXY_CHILD_URL=" + url, "PROXY_CHILD_CA=" + authority}, env...)
	if dir := os.Getenv("SYSTEMROOT"); dir != "" { // Windows needs it for sockets
		cmd.Env = append(cmd.Env, "SYSTEMROOT="+dir)
	}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), canary) {
		t.Errorf("%v, or the canary, in\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if text, found := strings.CutPrefix(line, "outcome: "); found {
			outcome = strings.TrimSpace(text)
		}
		if text, found := strings.CutPrefix(line, "dialled: "); found {
			dialled = append(dialled, strings.TrimSpace(text))
		}
	}
	return outcome, dialled
}

func TestProxyChild(t *testing.T) {
	url := os.Getenv("PROXY_CHILD_URL")
	if url == "" {
		t.Skip("runs in a process of other tests only")
	}
	transport := driverhttp.NewTransport()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		fmt.Println("dialled:", addr)
		return dial(ctx, network, addr)
	}
	if authority := os.Getenv("PROXY_CHILD_CA"); authority != "" {
		text, err := os.ReadFile(authority)
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text)
		transport.TLSClientConfig.ServerName = "example.com" // which httptest's certificate names
	}
	c := newClient(t, driver.Config{Insecure: true, Transport: transport})
	answer, err := c.Post(patient(t), driverhttp.Request{URL: url, Body: []byte("x")})
	if err != nil {
		fmt.Printf("outcome: %v\n", err)
		return
	}
	fmt.Printf("outcome: answered %d\n", answer.Status)
}

// serveBoth starts the server behind the proxies, without TLS and with.
func serveBoth(t *testing.T) (plain, secure, authority string) {
	t.Helper()
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	p, s := httptest.NewServer(h), httptest.NewTLSServer(h)
	t.Cleanup(p.Close)
	t.Cleanup(s.Close)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return p.Listener.Addr().String(), s.Listener.Addr().String(), authority
}

func TestEveryProxyVariableIsHonoured(t *testing.T) {
	t.Parallel()
	plain, secure, authority := serveBoth(t)
	const http, https = "http://" + intake + "/" + canary, "https://" + intake + "/" + canary
	for name, tt := range map[string]struct {
		proxy func(t *testing.T) *relay
		url   string
		env   func(addr string) []string
		asked string
	}{
		"SOCKS, plain": {func(t *testing.T) *relay { return socks5(t, plain, "", "") }, http,
			func(a string) []string { return []string{"ALL_PROXY=socks5://" + a} }, intake + ":80"},
		"SOCKS, TLS": {func(t *testing.T) *relay { return socks5(t, secure, "", "") }, https,
			func(a string) []string { return []string{"ALL_PROXY=socks5h://" + a + "/"} }, intake + ":443"},
		"SOCKS, in small letters": {func(t *testing.T) *relay { return socks5(t, secure, "", "") }, https,
			func(a string) []string { return []string{"all_proxy=SOCKS5://" + a} }, intake + ":443"},
		"SOCKS with a password": {func(t *testing.T) *relay { return socks5(t, secure, "user", canary) }, https,
			func(a string) []string { return []string{"ALL_PROXY=socks5://user:" + canary + "@" + a} }, intake + ":443"},
		"SOCKS as HTTPS_PROXY": {func(t *testing.T) *relay { return socks5(t, secure, "", "") }, https,
			func(a string) []string { return []string{"HTTPS_PROXY=socks5://" + a} }, intake + ":443"},
		"HTTP, TLS": {func(t *testing.T) *relay { return connect(t, secure) }, https,
			func(a string) []string { return []string{"ALL_PROXY=http://" + a} }, intake + ":443"},
		"HTTP, plain": {func(t *testing.T) *relay { return connect(t, plain) }, http,
			func(a string) []string { return []string{"ALL_PROXY=http://" + a} }, "POST " + intake},
		"without a scheme": {func(t *testing.T) *relay { return connect(t, secure) }, https,
			func(a string) []string { return []string{"ALL_PROXY=" + a} }, intake + ":443"},
		"HTTP_PROXY": {func(t *testing.T) *relay { return connect(t, plain) }, http,
			func(a string) []string { return []string{"HTTP_PROXY=http://" + a, "ALL_PROXY=socks4://" + canary} }, "POST " + intake},
		"HTTPS_PROXY comes first": {func(t *testing.T) *relay { return connect(t, secure) }, https,
			func(a string) []string { return []string{"https_proxy=http://" + a, "ALL_PROXY=socks4://" + canary} }, intake + ":443"},
		"the other one's is not taken": {func(t *testing.T) *relay { return connect(t, secure) }, https,
			func(a string) []string { return []string{"HTTP_PROXY=http://" + canary, "ALL_PROXY=http://" + a} }, intake + ":443"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := tt.proxy(t)
			ca := ""
			if strings.HasPrefix(tt.url, "https") {
				ca = authority
			}
			outcome, dialled := postedIn(t, tt.url, ca, tt.env(r.addr)...)
			if asked := r.seen(); outcome != "answered 202" || !slices.Equal(asked, []string{tt.asked}) || !slices.Equal(dialled, []string{r.addr}) {
				t.Errorf("%s; the proxy was asked for %q, want %s; connected to %q", outcome, asked, tt.asked, dialled)
			}
		})
	}
}

func TestWhatNeedsNoProxyTakesNone(t *testing.T) {
	t.Parallel()
	plain, _, _ := serveBoth(t)
	for name, tt := range map[string]struct{ url, env, outcome string }{
		"a server on this machine": {"http://" + plain, "", "answered 202"},
		"NO_PROXY":                 {"http://" + intake, "NO_PROXY=example.com, " + intake, intake + ": the name cannot be resolved"},
		"no_proxy":                 {"http://" + intake, "no_proxy=*", intake + ": the name cannot be resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := socks5(t, plain, "", "")
			outcome, _ := postedIn(t, tt.url, "", "ALL_PROXY=socks5://"+r.addr, tt.env)
			if asked := r.seen(); outcome != tt.outcome || len(asked) > 0 {
				t.Errorf("%s, want %s; the proxy was asked for %q", outcome, tt.outcome, asked)
			}
		})
	}
}

func TestBehindAProxyThatIsOfNoUseNothingIsSent(t *testing.T) {
	t.Parallel()
	plain, secure, authority := serveBoth(t)
	locked := socks5(t, plain, "user", "other than "+canary)
	refuse := rawServer(t, func(_ int, c *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.1 407 "+canary+"\r\nContent-Length: 0\r\n\r\n")
		}
	})
	refuse = strings.Replace(refuse, "//", "//user:"+canary+"@", 1)
	silent := connect(t, secure) // must not be asked
	const https = "https://" + intake + "/" + canary
	for name, tt := range map[string]struct {
		env     []string
		want    string
		dialled bool
	}{
		"SOCKS 4": {[]string{"ALL_PROXY=socks4://" + canary + ":x@" + silent.addr},
			intake + ": nothing is sent: ALL_PROXY holds no proxy that can be used: write it like http://proxy.example.com:8080 or socks5://proxy.example.com:1080", false},
		"any SOCKS":            {[]string{"all_proxy=socks://" + silent.addr}, intake + ": nothing is sent: all_proxy holds", false},
		"no host":              {[]string{"ALL_PROXY=http://:8080"}, intake + ": nothing is sent: ALL_PROXY holds", false},
		"no URL":               {[]string{"ALL_PROXY=" + canary + " proxy"}, intake + ": nothing is sent: ALL_PROXY holds", false},
		"no URL, HTTPS_PROXY":  {[]string{"HTTPS_PROXY=http://" + canary + " proxy", "ALL_PROXY=http://" + silent.addr}, intake + ": nothing is sent: HTTPS_PROXY holds", false},
		"refused, HTTPS_PROXY": {[]string{"HTTPS_PROXY=" + refuse}, intake + ": the proxy answered 407: check HTTPS_PROXY", true},
		"refused, all_proxy":   {[]string{"all_proxy=" + refuse}, intake + ": the proxy answered 407: check all_proxy", true},
		"a wrong password":     {[]string{"ALL_PROXY=socks5://user:" + canary + "@" + locked.addr}, intake + ": through the proxy: no usable answer", true},
		"no password":          {[]string{"ALL_PROXY=socks5://" + locked.addr}, intake + ": through the proxy: no usable answer", true},
		"not there":            {[]string{"HTTPS_PROXY=http://user:" + canary + "@" + nobody(t)}, intake + ": through the proxy: connection refused", true},
		"no SOCKS there":       {[]string{"ALL_PROXY=socks5://user:" + canary + "@" + nobody(t)}, intake + ": through the proxy: connection refused", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := tt.want
			if runtime.GOOS == "windows" { // whose variables are the same in capitals, and whose words are others
				want = strings.TrimSuffix(strings.Replace(want, "all_proxy", "ALL_PROXY", 1), "connection refused")
			}
			outcome, dialled := postedIn(t, https, authority, tt.env...)
			if !strings.HasPrefix(outcome, want) || (len(dialled) > 0) != tt.dialled {
				t.Errorf("%s, want %s; connected to %q", outcome, want, dialled)
			}
		})
	}
	t.Cleanup(func() {
		if asked := silent.seen(); len(asked) > 0 {
			t.Errorf("a proxy was asked for %q", asked)
		}
	})
}

func TestTheProblemOfAProxyIsKnownBeforeASend(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  map[string]string
		host string
		says string // empty: no problem
	}{
		"nothing set":          {nil, intake, ""},
		"empty":                {map[string]string{"ALL_PROXY": "", "HTTPS_PROXY": ""}, intake, ""},
		"one of use":           {map[string]string{"ALL_PROXY": "socks5h://" + canary + ":1080"}, intake, ""},
		"one of no use":        {map[string]string{"ALL_PROXY": "socks4://" + canary}, intake + ":8443", "ALL_PROXY"},
		"in small letters":     {map[string]string{"all_proxy": "socks4://" + canary}, intake, "all_proxy"},
		"HTTPS_PROXY is meant": {map[string]string{"HTTPS_PROXY": "http:// " + canary, "ALL_PROXY": "http://proxy"}, intake, "HTTPS_PROXY"},
		"HTTP_PROXY is not":    {map[string]string{"HTTP_PROXY": "http:// " + canary}, intake, ""},
		"the host needs none":  {map[string]string{"ALL_PROXY": canary + "://x", "NO_PROXY": "." + "invalid:8443"}, intake + ":8443", ""},
		"this machine":         {map[string]string{"ALL_PROXY": canary + "://x"}, "[::1]:8443", ""},
		"no host at all":       {map[string]string{"ALL_PROXY": canary + "://x"}, "", "ALL_PROXY"},
	} {
		err := driverhttp.ProxyProblem(func(name string) (string, bool) { v, set := tt.env[name]; return v, set }, tt.host)
		if (err == nil) != (tt.says == "") || err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), canary)) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// exemptions are values of NO_PROXY, and which of these hosts each takes from the proxy.
var exemptions = map[string]string{
	"":                        "",
	"*":                       "a.test b.a.test xa.test 10.0.0.1 10.1.2.3 [2001:db8::1]",
	"x, * ,y":                 "a.test b.a.test xa.test 10.0.0.1 10.1.2.3 [2001:db8::1]",
	"a.test":                  "a.test b.a.test",
	" A.Test ":                "a.test b.a.test",
	".a.test":                 "b.a.test",
	"*.a.test":                "b.a.test",
	"*a.test":                 "",
	"a.test:443":              "a.test b.a.test",
	"a.test:80":               "",
	"10.0.0.1":                "10.0.0.1",
	"10.0.0.1:443":            "10.0.0.1",
	"10.0.0.1:80":             "",
	"10.0.0.0/8":              "10.0.0.1 10.1.2.3",
	"10.0.0.0/16,a.test":      "10.0.0.1 a.test b.a.test",
	"2001:db8::1":             "[2001:db8::1]",
	"[2001:db8::1]:443":       "[2001:db8::1]",
	"2001:db8::/32":           "[2001:db8::1]",
	"0.0.1":                   "",
	":443,,/8, ,test/,:,[]:1": "",
	"test":                    "a.test b.a.test xa.test",
}

var exemptionHosts = []string{"a.test", "b.a.test", "xa.test", "10.0.0.1", "10.1.2.3", "[2001:db8::1]"}

func TestNoProxyTakesHostsFromTheProxy(t *testing.T) {
	t.Parallel()
	for list, want := range exemptions {
		for _, host := range exemptionHosts {
			env := map[string]string{"ALL_PROXY": "no proxy at all", "NO_PROXY": list}
			err := driverhttp.ProxyProblem(func(name string) (string, bool) { v, set := env[name]; return v, set }, host)
			if taken := slices.Contains(strings.Fields(want), host); (err == nil) != taken {
				t.Errorf("NO_PROXY=%q, %s: %v, want taken from the proxy: %v", list, host, err, taken)
			}
		}
	}
}

// What net/http makes of the variables that it knows is what is made of them here: each
// environment in a process of its own, since net/http reads it once.
func TestNetHTTPSendsTheSameRequestsThroughTheSameProxies(t *testing.T) {
	urls := []string{"ftp://a.test", "http://localhost", "https://127.0.0.1:99", "https://[::1]", "http://a.test:8080", "https://a.test:443"}
	for _, host := range exemptionHosts {
		urls = append(urls, "http://"+host, "https://"+host)
	}
	if os.Getenv("PROXY_CHILD_COMPARES") != "" {
		transport := driverhttp.NewTransport()
		for _, raw := range urls {
			u, err := url.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{URL: u}
			theirs, theirErr := http.ProxyFromEnvironment(r)
			ours, err := transport.Proxy(r)
			if fmt.Sprint(ours) != fmt.Sprint(theirs) || (err == nil) != (theirErr == nil) {
				fmt.Printf("differs: %s through %v, %v; net/http: %v, %v\n", raw, ours, err, theirs, theirErr)
			}
		}
		fmt.Println("compared")
		return
	}
	t.Parallel()
	environments := [][]string{
		{}, {"HTTP_PROXY=p.test:1"}, {"http_proxy=http://p.test", "HTTPS_PROXY=https://q.test:2/path"}, {"https_proxy=socks5://u:w@p.test"},
		{"HTTP_PROXY=", "http_proxy=p.test", "HTTPS_PROXY=q.test", "https_proxy=r.test"}, {"HTTP_PROXY=p.test", "REQUEST_METHOD=GET"},
	}
	for list := range maps.Keys(exemptions) {
		environments = append(environments, []string{"HTTP_PROXY=p.test", "HTTPS_PROXY=q.test", "NO_PROXY=" + list})
	}
	for i, env := range environments {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(patient(t), os.Args[0], "-test.run=^"+"TestNetHTTPSendsTheSameRequestsThroughTheSameProxies"+"$", "-test.v")
			cmd.Env = append([]string{"PROXY_CHILD_COMPARES=1"}, env...)
			if dir := os.Getenv("SYSTEMROOT"); dir != "" {
				cmd.Env = append(cmd.Env, "SYSTEMROOT="+dir)
			}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "compared\n") || strings.Contains(string(out), "differs: ") {
				t.Errorf("%q: %v\n%s", env, err, out)
			}
		})
	}
}

func FuzzProxyProblem(f *testing.F) {
	for _, value := range []string{"http://proxy:8080", "socks5://u:p@[::1]:1", "socks4://h", "host:port", "%zz", "http://a b", ""} {
		f.Add(value, "a.test,10.0.0.0/8,*.b:1", "a.test:443")
	}
	f.Fuzz(func(t *testing.T, value, list, host string) {
		env := map[string]string{"ALL_PROXY": value, "NO_PROXY": list}
		lookup := func(name string) (string, bool) { v, set := env[name]; return v, set }
		// A URL and a list that is cut into its parts; an entry that is no network is an error.
		fuzzing.Allocs(t, len(value)+len(list)+len(host), 8<<10, 64, func() { _ = driverhttp.ProxyProblem(lookup, host) })
		err := driverhttp.ProxyProblem(lookup, host)
		const text = "ALL_PROXY holds no proxy that can be used: write it like http://proxy.example.com:8080 or socks5://proxy.example.com:1080"
		if err != nil && (err.Error() != text || value == "") {
			t.Errorf("%q is a problem: %v", value, err)
		}
	})
}
