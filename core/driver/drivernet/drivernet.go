//go:build !notelemetry

// Package drivernet connects drivers to vendors that do not speak HTTP, such as syslog
// over TCP and StatsD over UDP. Authors of such backends read it; authors and users of
// tools need none of it.
//
// # What it takes care of
//
//	plain text     for this machine only, unless the author set Insecure
//	trust          certificates are checked, for the host of the address
//	time           ends with the context, also while connecting and while the receiver
//	               does not read; after 30 s where the context has no deadline
//	acceptance     [WriteStream] believes what the receiver does, not what the system says
//	errors         hold no address of this machine and no text of the other side's
//
// Nothing is asked of the environment: there are no proxies for these protocols.
package drivernet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	// connectTime is enough for packets that are lost: a first one is sent again after 1, 3
	// and 7 s, and who has not answered after the third is not there.
	connectTime = 10 * time.Second
	// writeTime ends a WriteStream whose context has no deadline, as driverhttp does.
	writeTime = 30 * time.Second
	// maxTalk bounds what is read of a receiver that talks back. Nothing of it is used, and
	// greetings and farewells of such protocols are lines.
	maxTalk = 64 << 10
)

// CheckAddress parses the address of a receiver and says what is wrong with it: it has
// one of the schemes tls, tcp and udp, a host, a port, and nothing else. The last two are
// for this machine only (localhost, 127.0.0.0/8, ::1), unless insecure is true. The error
// repeats nothing of raw.
func CheckAddress(raw string, insecure bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, errors.New("not an address: write it like tls://logs.example.com:6514")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Scheme != "tls" && u.Scheme != "tcp" && u.Scheme != "udp":
		return nil, errors.New("not a kind of connection: the address must begin with tls://, tcp:// or udp://")
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return nil, errors.New("more than a host and a port: write it like tls://logs.example.com:6514")
	case u.Hostname() == "":
		return nil, errors.New("no host: write it like tls://logs.example.com:6514")
	case err != nil || port == 0:
		return nil, errors.New("no port: write one from 1 to 65535 after the host")
	case u.Scheme != "tls" && !insecure && !isLoopback(u.Hostname()):
		return nil, errors.New("plain text to another machine: use tls://, or set Telemetry.Insecure for a network that is yours alone")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Dial connects to an address that passes [CheckAddress], with Config.Dial, and with
// Config.RootCAs where the address says tls. The connection is the caller's to close.
func Dial(ctx context.Context, c driver.Config, address string) (net.Conn, error) {
	u, err := CheckAddress(address, c.Insecure)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	dial, network := c.Dial, u.Scheme
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	if u.Scheme == "tls" {
		network = "tcp"
	}
	conn, err := dial(ctx, network, u.Host)
	if err != nil {
		return nil, describe(ctx, u.Host, err)
	}
	if u.Scheme != "tls" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, describe(ctx, u.Host, err)
	}
	return secure, nil
}

// WriteStream writes b over a connection of TCP or TLS, ends the connection on this side
// and waits until the receiver has ended it in order as well. Only then it returns nil:
// that Write returned means no more than that the system has the bytes, and a reset or a
// connection that dies throws them away. It closes conn.
//
// A receiver that keeps the connection open after its end has no place here, nor has a
// protocol with answers of its own, which say more than this.
func WriteStream(ctx context.Context, conn net.Conn, b []byte) error {
	defer drop(conn)
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, writeTime)
		defer cancel()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// Whatever is under way ends with ctx, also where it is cancelled.
	stop := context.AfterFunc(ctx, func() { drop(conn) })
	defer stop()
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the connection cannot be ended on one side")
	}
	host := conn.RemoteAddr().String()
	if _, err := conn.Write(b); err != nil {
		return describe(ctx, host, err)
	}
	if err := half.CloseWrite(); err != nil {
		return describe(ctx, host, err)
	}
	switch _, err := io.CopyN(io.Discard, conn, maxTalk); {
	case err == nil:
		return fmt.Errorf("%s: the receiver talks and does not end the connection", host)
	case !errors.Is(err, io.EOF):
		return describe(ctx, host, err)
	}
	return ctx.Err()
}

// drop closes a connection at once. TLS would first say goodbye, and wait for 5 s until a
// receiver that does not read has taken it.
func drop(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	conn.Close()
}

// describe says what went wrong with host. Errors of package net hold the address of this
// machine or of its resolver, and those of a certificate what the other side wrote into
// it, so only the innermost is kept, where that is the system's own.
func describe(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", host, ctx.Err())
	}
	_, isName := errors.AsType[*net.DNSError](err)
	_, isUntrusted := errors.AsType[*tls.CertificateVerificationError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case isName:
		err = errors.New("the name cannot be resolved")
	case isUntrusted:
		err = errors.New("the certificate is not trusted: check the address, and the clock and certificates of this machine")
	case isOp:
		err = op.Err
	}
	return fmt.Errorf("%s: %w", host, err)
}
