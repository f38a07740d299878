//go:build !notelemetry

package driverhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// Error says that no answer arrived. Its text is made of a host and of sentences
// written here, never of what a library or a server said: net/http's own errors hold
// the URL, local addresses, a proxy's password or a piece of the answer.
type Error struct {
	// Host is the host, with a port if the URL has one. Empty if the URL is not usable.
	Host string
	// Problem is what happened.
	Problem string
	// Cause is nil or one of [context.DeadlineExceeded] (any kind of time limit),
	// [context.Canceled], [io.ErrUnexpectedEOF], [net.ErrClosed] or a [syscall.Errno]:
	// values that hold nothing else.
	Cause error
}

func (e *Error) Error() string {
	if e.Host == "" {
		return e.Problem
	}
	return e.Host + ": " + e.Problem
}

func (e *Error) Unwrap() error { return e.Cause }

// proxyError is the status with which the proxy of a variable refused to connect.
type proxyError struct {
	status   int
	variable string
}

func (e proxyError) Error() string {
	return fmt.Sprintf("the proxy answered %d: check %s", e.status, e.variable)
}

// newError describes err, which ended an exchange with host under ctx.
func newError(ctx context.Context, host string, err error) *Error {
	e := &Error{Host: host}
	// AsType, unlike As, needs no reflection, which would cost every tool 20 KiB.
	proxy, isProxy := errors.AsType[proxyError](err)
	unusable, isUnusable := errors.AsType[proxyProblem](err)
	_, isUntrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, isNotTLS := errors.AsType[tls.RecordHeaderError](err)
	timeout, isTimeout := errors.AsType[net.Error](err)
	_, isName := errors.AsType[*net.DNSError](err)
	errno, isErrno := errors.AsType[systemError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Problem, e.Cause = "cancelled before an answer arrived", context.Canceled
	case ctx.Err() != nil:
		e.Problem, e.Cause = "no whole answer in time", context.DeadlineExceeded
	case isProxy:
		e.Problem = proxy.Error()
	case isUnusable:
		e.Problem = "nothing is sent: " + unusable.Error()
	case isUntrusted:
		e.Problem = "the server's certificate is not trusted: check the address, and the clock and certificates of this machine"
	case isNotTLS:
		e.Problem = "the server does not speak TLS: check scheme and port"
	case isTimeout && timeout.Timeout():
		e.Problem, e.Cause = "timed out", context.DeadlineExceeded
	case isName:
		e.Problem = "the name cannot be resolved"
	case isErrno:
		e.Problem, e.Cause = errno.Error(), errno
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		e.Problem, e.Cause = "the connection closed before a whole answer arrived", io.ErrUnexpectedEOF
	case isOp && (op.Op == "remote error" || op.Op == "local error"):
		e.Problem = "TLS could not be agreed on"
	default:
		e.Problem = "no usable answer"
	}
	if isOp && (op.Op == "proxyconnect" || op.Op == "socks connect") {
		e.Problem = "through the proxy: " + e.Problem
	}
	return e
}
