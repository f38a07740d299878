//go:build !plan9

package core_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/props"
)

func TestErrorsOfTheStandardLibraryHaveTheirClass(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none")
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithTimeout(t.Context(), 0)
	defer cancelLate()
	unclosed := "http://[::1"
	for name, c := range map[string]struct {
		err  error
		want props.ErrorClass
	}{
		"a context that was cancelled": {cancelled.Err(), props.ErrorInterrupted},
		"wrapped, with a cause":        {fmt.Errorf("the person pressed a key: %w", cancelled.Err()), props.ErrorInterrupted},
		"a request that was cancelled": {fails(t, func() error { return get(cancelled, "http://"+closedPort(t), http.DefaultClient) }), props.ErrorInterrupted},
		"a context that is over":       {late.Err(), props.ErrorTimeout},
		"a request that is over":       {fails(t, func() error { return get(late, "http://"+closedPort(t), http.DefaultClient) }), props.ErrorTimeout},
		"a client without patience": {fails(t, func() error {
			return get(t.Context(), "http://"+silent.Addr().String(), &http.Client{Timeout: 20 * time.Millisecond})
		}), props.ErrorTimeout},
		"a deadline of a connection":     {fails(t, func() error { return readAfterDeadline(silent.Addr().String()) }), props.ErrorTimeout},
		"a name server that is silent":   {&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "x", IsTimeout: true}}, props.ErrorTimeout},
		"ETIMEDOUT":                      {os.NewSyscallError("connect", syscall.ETIMEDOUT), props.ErrorTimeout},
		"a file that is not there":       {fails(t, func() error { _, err := os.Open(missing); return err }), props.ErrorNotFound},
		"a file of package fs":           {fails(t, func() error { _, err := fs.Stat(os.DirFS(t.TempDir()), "none"); return err }), props.ErrorNotFound},
		"ENOENT":                         {syscall.ENOENT, props.ErrorNotFound},
		"a program that is not there":    {fails(t, func() error { return exec.Command("no-such-program-here").Run() }), props.ErrorNotFound},
		"exec.ErrNotFound, wrapped":      {fmt.Errorf("git: %w", exec.ErrNotFound), props.ErrorNotFound},
		"a program by its path":          {fails(t, func() error { return exec.Command(missing).Run() }), props.ErrorNotFound},
		"EACCES":                         {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, props.ErrorPermission},
		"EPERM":                          {os.NewSyscallError("kill", syscall.EPERM), props.ErrorPermission},
		"EACCES, alone":                  {syscall.EACCES, props.ErrorPermission},
		"a socket that is not to be had": {&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}, props.ErrorPermission},
		"a port where nobody listens":    {fails(t, func() error { _, err := net.Dial("tcp", closedPort(t)); return err }), props.ErrorNetwork},
		"a request to such a port":       {fails(t, func() error { return get(t.Context(), "http://"+closedPort(t), http.DefaultClient) }), props.ErrorNetwork},
		"ECONNREFUSED":                   {os.NewSyscallError("connect", syscall.ECONNREFUSED), props.ErrorNetwork},
		"a host that nobody knows":       {&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, props.ErrorNetwork},
		"a certificate of nobody's":      {fails(t, func() error { return get(t.Context(), secure.URL, &http.Client{}) }), props.ErrorNetwork},
		"the same without HTTP":          {fails(t, func() error { _, err := tls.Dial("tcp", secure.Listener.Addr().String(), nil); return err }), props.ErrorNetwork},
		"TLS with what speaks none": {fails(t, func() error {
			return get(t.Context(), strings.Replace(plain.URL, "http:", "https:", 1), http.DefaultClient)
		}), props.ErrorNetwork},
		"an alert":                {tls.AlertError(40), props.ErrorNetwork},
		"a closed connection":     {net.ErrClosed, props.ErrorNetwork},
		"a certificate in a file": {x509.UnknownAuthorityError{}, props.ErrorOther},
		"EAGAIN of a file":        {&fs.PathError{Op: "read", Path: "x", Err: syscall.EAGAIN}, props.ErrorOther},
		"EAGAIN of a process":     {os.NewSyscallError("fork/exec", syscall.EAGAIN), props.ErrorOther},
		"EINTR":                   {syscall.EINTR, props.ErrorOther},
		"EINVAL of a file":        {&fs.PathError{Op: "read", Path: "x", Err: syscall.EINVAL}, props.ErrorOther},
		"a file that is there":    {fs.ErrExist, props.ErrorOther},
		"an address that is none": {fails(t, func() error { _, err := url.Parse(unclosed); return err }), props.ErrorOther},
		"a network that is none":  {fails(t, func() error { _, _, err := net.ParseCIDR("x"); return err }), props.ErrorOther},
		"a port that is missing":  {fails(t, func() error { _, _, err := net.SplitHostPort("x"); return err }), props.ErrorOther},
		"the end of a file":       {io.ErrUnexpectedEOF, props.ErrorOther},
		"an error of the tool's":  {errors.New("permission denied, timeout, network"), props.ErrorOther},
		"several":                 {errors.Join(errors.New("x"), &fs.PathError{Op: "read", Path: "x", Err: syscall.EINVAL}, &net.DNSError{Err: "x", IsTimeout: true}), props.ErrorTimeout},
		"several within several":  {fmt.Errorf("x: %w", errors.Join(io.EOF, fmt.Errorf("y: %w", syscall.ENOENT))), props.ErrorNotFound},
		"a success":               {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e := ended(t, someTool(), props.Outcome{Err: c.err}); e.ErrorClass != string(c.want) || e.Error != "" {
				t.Errorf("%v (%T): class %q and text %q, want %q and no text", c.err, c.err, e.ErrorClass, e.Error, c.want)
			}
		})
	}
}
