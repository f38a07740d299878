//go:build !notelemetry

package drivernet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/drivernet"
)

// patient ends a test that would hang. Nothing is ever measured against it.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// receiver hands every connection to serve and closes it after that.
func receiver(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// send connects to address and writes.
func send(ctx context.Context, c driver.Config, address string, b []byte) error {
	conn, err := drivernet.Dial(ctx, c, address)
	if err != nil {
		return err
	}
	return drivernet.WriteStream(ctx, conn, b)
}

// secret is in what must not be repeated.
const secret = "s3cr3t"

func TestCheckAddressSaysWhatIsWrongWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		address  string
		insecure bool
		says     string // empty: it is fine
	}{
		{"tls://logs.example.com:6514", false, ""},
		{"tcp://127.0.0.1:601", false, ""},
		{"tcp://[::1]:601", false, ""},
		{"udp://LocalHost:8125", false, ""},
		{"udp://10.0.0.7:8125", true, ""},
		{"", false, "not an address"},
		{"logs.example.com:6514", false, "not an address"},
		{"tls://" + secret + " x:1", false, "not an address"},
		{"https://logs.example.com:6514", false, "must begin with tls://"},
		{"unix://localhost:1", false, "must begin with tls://"},
		{"tls://" + secret + "@logs.example.com:6514", false, "more than a host and a port"},
		{"tls://logs.example.com:6514/" + secret, false, "more than a host and a port"},
		{"tls://logs.example.com:6514?k=" + secret, false, "more than a host and a port"},
		{"tls://logs.example.com:6514?", false, "more than a host and a port"},
		{"tls://logs.example.com:6514#" + secret, false, "more than a host and a port"},
		{"tls://:6514", false, "no host"},
		{"tls://logs.example.com", false, "no port"},
		{"tls://logs.example.com:", false, "no port"},
		{"tls://logs.example.com:0", false, "no port"},
		{"tls://logs.example.com:65536", false, "no port"},
		{"tcp://logs.example.com:601", false, "plain text"},
		{"udp://10.0.0.7:8125", false, "plain text"},
		{"tcp://localhost.example.com:601", false, "plain text"},
		{"tcp://0.0.0.0:601", false, "plain text"},
	} {
		_, err := drivernet.CheckAddress(tt.address, tt.insecure)
		if tt.says == "" && err != nil {
			t.Errorf("%q: %v", tt.address, err)
		}
		if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%q: got %v, want %q in it and no secret", tt.address, err, tt.says)
		}
	}
}

func TestNothingIsDialledInPlainTextToAnotherMachine(t *testing.T) {
	t.Parallel()
	dialled := ""
	c := driver.Config{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = address
		return nil, errors.New("unreachable")
	}}
	for _, address := range []string{"tcp://logs.example.com:601", "udp://logs.example.com:8125"} {
		if _, err := drivernet.Dial(t.Context(), c, address); err == nil || dialled != "" {
			t.Errorf("%s: %v, dialled %q", address, err, dialled)
		}
	}
	c.Insecure = true
	if _, err := drivernet.Dial(t.Context(), c, "tcp://logs.example.com:601"); err == nil || dialled != "logs.example.com:601" {
		t.Errorf("with Insecure: %v, dialled %q", err, dialled)
	}
}

func TestAStreamIsAcceptedWhenTheReceiverHasEndedIt(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	address := receiver(t, func(c *net.TCPConn) {
		text, _ := io.ReadAll(c)
		got <- string(text)
		_, _ = c.Write([]byte("bye\n")) // which some say, and nobody needs
	})
	if err := send(patient(t), driver.Config{}, "tcp://"+address, []byte("one\ntwo\n")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "one\ntwo\n" {
		t.Errorf("the receiver got %q", text)
	}
}

// All of these have taken the bytes, as far as the system knows.
func TestAStreamThatIsNotEndedInOrderIsNotAccepted(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(*net.TCPConn){
		"reset after everything was read": func(c *net.TCPConn) {
			_, _ = io.ReadAll(c)
			_ = c.SetLinger(0)
		},
		"closed in the middle": func(c *net.TCPConn) {
			_, _ = io.ReadFull(c, make([]byte, 3)) // what is left unread makes a reset of it
		},
		"talks without end": func(c *net.TCPConn) {
			for err := error(nil); err == nil; _, err = c.Write(make([]byte, 1024)) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := send(patient(t), driver.Config{}, "tcp://"+receiver(t, serve), []byte("one\ntwo\n")); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ca, certificate := authority(t)
	for _, over := range []string{"tcp", "tls"} {
		for _, reads := range []bool{true, false} {
			t.Run(over+map[bool]string{true: ", all is read", false: ", nothing is read"}[reads], func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(patient(t))
				over, done := over, make(chan struct{})
				address := receiver(t, func(c *net.TCPConn) {
					var conn net.Conn = c
					if over == "tls" {
						secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
						_ = secure.Handshake()
						conn = secure
					}
					if reads {
						_, _ = io.ReadAll(conn)
					} else {
						_ = c.SetReadBuffer(4096)
					}
					cancel()
					<-done
				})
				defer close(done)
				err := send(ctx, driver.Config{RootCAs: ca}, over+"://"+address, make([]byte, 8<<20))
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

func TestNothingIsSentUnderAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	got := make(chan int, 1)
	address := receiver(t, func(c *net.TCPConn) {
		text, _ := io.ReadAll(c)
		got <- len(text)
	})
	conn, err := drivernet.Dial(patient(t), driver.Config{}, "tcp://"+address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := drivernet.WriteStream(ctx, conn, []byte("one\n")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := <-got; n != 0 {
		t.Errorf("%d bytes arrived", n)
	}
	if _, err := drivernet.Dial(ctx, driver.Config{}, "tcp://"+address); !errors.Is(err, context.Canceled) {
		t.Errorf("connecting: got %v", err)
	}
}

func TestTLSTrustsWhomTheConfigurationSays(t *testing.T) {
	t.Parallel()
	ca, certificate := authority(t)
	address := receiver(t, func(c *net.TCPConn) {
		secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
		_, _ = io.ReadAll(secure)
		_ = secure.Close()
	})
	if err := send(patient(t), driver.Config{RootCAs: ca}, "tls://"+address, []byte("one\n")); err != nil {
		t.Error(err)
	}
	_, port, _ := net.SplitHostPort(address)
	for what, tt := range map[string]struct {
		roots *x509.CertPool
		host  string
	}{"a stranger": {x509.NewCertPool(), "127.0.0.1"}, "another host": {ca, "localhost"}} {
		err := send(patient(t), driver.Config{RootCAs: tt.roots}, "tls://"+tt.host+":"+port, []byte("one\n"))
		if err == nil || !strings.Contains(err.Error(), "not trusted") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestErrorsHoldNoAddressOfThisMachine(t *testing.T) {
	t.Parallel()
	local := &net.TCPAddr{IP: net.IPv4(192, 168, 77, 7), Port: 4711}
	for _, inner := range []error{
		&net.OpError{Op: "read", Net: "tcp", Source: local, Addr: local, Err: errors.New("connection reset by peer")},
		&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "logs.example.com", Server: "192.168.77.7:53"}},
	} {
		c := driver.Config{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, inner }}
		_, err := drivernet.Dial(t.Context(), c, "tls://logs.example.com:6514")
		if err == nil || strings.Contains(err.Error(), "192.168") || !strings.Contains(err.Error(), "logs.example.com:6514") {
			t.Errorf("got %v", err)
		}
	}
}

// authority makes a certificate for 127.0.0.1, and who trusts it.
func authority(t *testing.T) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{secret + ".example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
