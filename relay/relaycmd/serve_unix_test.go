//go:build !notelemetry && unix

package relaycmd

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stop ends a relay as a process manager does.
func (r *running) stop() {
	r.p.Helper()
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 || len(r.log.with(`ended`)) == 0 {
		r.p.Errorf("the relay ended with code %d:\n%s", code, strings.Join(r.log.with(""), "\n"))
	}
}

// halfAsked is a request of which the body is still to come.
func (r *running) halfAsked(who person) (finish func() (*http.Response, error)) {
	r.p.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.public, "http://"))
	if err != nil {
		r.p.Fatal(err)
	}
	r.p.Cleanup(func() { conn.Close() })
	content := body("mytool", who)
	fmt.Fprintf(conn, "POST /v1/deletions HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(content))
	// That it asks for the body says that it is at work on the request.
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		r.p.Fatalf("%q, %v", line, err)
	}
	_, _ = in.ReadString('\n')
	return func() (*http.Response, error) {
		fmt.Fprint(conn, content)
		return http.ReadResponse(in, nil)
	}
}

const ending = "ending: answers and calls"

func TestSIGTERMLetsAnswersFinishAndTakesNoMore(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := newPlace(t)
		p.declare()
		r := p.start()
		finish := r.halfAsked(somebody(1))
		r.signal(s)
		r.log.expect(t, 1, ending)
		resp, err := finish()
		if err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%v: answered %v, %v", s, resp, err)
		}
		resp.Body.Close()
		if code := r.wait(); code != 0 {
			t.Errorf("%v: exit code %d", s, code)
		}
		if conn, err := net.Dial("tcp", strings.TrimPrefix(r.public, "http://")); err == nil {
			conn.Close()
			t.Errorf("%v: somebody still listens", s)
		}
		if out := p.must("deletions", "list", "--database", "sqlite:data/relay.db"); strings.Count(out, "\n") != 1 {
			t.Errorf("%v: the ledger has %q", s, out)
		}
	}
}

func TestASecondSignalEndsItAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	r := p.start()
	r.halfAsked(somebody(1)) // which is waited for
	r.signal(syscall.SIGTERM)
	r.log.expect(t, 1, ending)
	r.signal(syscall.SIGTERM)
	r.wait()
	if status := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", r.cmd.ProcessState)
	}
	p.must("deletions", "verify", "--database", "sqlite:data/relay.db")
}

func TestSIGHUPTakesANewCertificate(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.selfSign(1, time.Now().Add(time.Hour))
	p.declare(withTLS)
	r := p.start()
	serial := func() int64 {
		t.Helper()
		conn, err := tls.Dial("tcp", strings.TrimPrefix(r.public, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d, want 1", n)
	}
	p.selfSign(2, time.Now().Add(time.Hour))
	r.signal(syscall.SIGHUP)
	r.log.expect(t, 1, "are read anew")
	if n := serial(); n != 2 {
		t.Errorf("certificate %d, want 2", n)
	}
	p.write("relay.key", "noise")
	r.signal(syscall.SIGHUP)
	r.log.expect(t, 1, "could not be read anew")
	if n := serial(); n != 2 {
		t.Errorf("certificate %d, want 2", n)
	}
	r.stop()
}

func TestALedgerThatOthersMayEnterIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	if err := os.Mkdir(p.path("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.path("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.fails(1, "chmod 700 "+p.path("data"), "serve", "--config", "relay.yaml")
	p.fails(2, "chmod 700 "+p.path("data"), "serve", "--config", "relay.yaml", "--check")
	// What is in it besides is somebody else's, as in /tmp.
	p.write("data/other", "theirs")
	for code, args := range map[int][]string{1: {"serve", "--config", "relay.yaml"}, 2: {"serve", "--config", "relay.yaml", "--check"}} {
		if said := p.fails(code, "sqlite:"+p.path("data/telemetry-relay/relay.db"), args...); strings.Contains(said, "chmod") {
			t.Errorf("a folder of others is to be closed: %s", said)
		}
	}
}

func TestAPrivateKeyThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.selfSign(1, time.Now().Add(time.Hour))
	p.declare(withTLS)
	if err := os.Chmod(p.path("relay.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.fails(2, "line 1: tls: key: others than its owner may get at it (mode 0644), which is no place for a key: chmod 600 "+p.path("relay.key"), "serve", "--config", "relay.yaml")
}
