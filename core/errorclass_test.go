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

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// ended returns the event of a command of some tool that ended so.
func ended(t *testing.T, tool props.Tool, outcome props.Outcome) driver.Event {
	t.Helper()
	in := newIntake(t)
	tool.Telemetry.Endpoint = in.URL
	c := open(t, tool, enabled(t, tool, nil))
	c.Command("build").Done(outcome)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := in.received()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	return got[0]
}

// fails returns the error of a call that is to fail.
func fails(t *testing.T, call func() error) error {
	t.Helper()
	err := call()
	if err == nil {
		t.Fatal("it did not fail")
	}
	return err
}

// closedPort is an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

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

func get(ctx context.Context, address string, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

func readAfterDeadline(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil
	}
	defer conn.Close()
	if conn.SetDeadline(time.Unix(1, 0)) != nil {
		return nil
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// broken is an error whose methods all need what a nil pointer does not have.
type broken struct{ code int }

func (b *broken) Error() string          { return fmt.Sprint(b.code) }
func (b *broken) ExitCode() int          { return b.code }
func (b *broken) TelemetryClass() string { return fmt.Sprint(b.code) }
func (b *broken) Timeout() bool          { return b.code > 0 }
func (b *broken) Is(error) bool          { return b.code > 0 }
func (b *broken) Unwrap() error          { return errors.New(fmt.Sprint(b.code)) }

// brokenInside panics later, where it is asked what it wraps.
type brokenInside struct{ *broken }

func (brokenInside) Error() string          { return "x" }
func (brokenInside) TelemetryClass() string { return "quota" }

func TestAnErrorWhoseMethodsPanicIsRecordedAllTheSame(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.ExtendedCollection = true
	tool.Telemetry.ErrorClasses = []props.ErrorClass{"quota"}
	var none *broken
	var exit *exec.ExitError
	var path *fs.PathError
	for name, c := range map[string]struct {
		err  error
		want props.ErrorClass
	}{
		"a nil pointer":                 {none, props.ErrorOther},
		"a nil pointer, wrapped":        {errors.Join(none), props.ErrorOther},
		"a nil pointer of os/exec's":    {exit, props.ErrorOther},
		"a nil pointer of io/fs's":      {path, props.ErrorOther},
		"one that knows its class only": {brokenInside{}, "quota"},
	} {
		e := ended(t, tool, props.Outcome{Err: c.err})
		if e.ErrorClass != string(c.want) || e.ExitCode == nil || *e.ExitCode != 1 {
			t.Errorf("%s: class %q, want %q; %+v", name, e.ErrorClass, c.want, e)
		}
	}
}

// classed is an error of an author's.
type classed struct {
	class string
	code  int
}

func (c classed) Error() string          { return "canary " + c.class }
func (c classed) TelemetryClass() string { return c.class }
func (c classed) ExitCode() int          { return c.code }

func TestAnAuthorsClassIsFromTheirListOrElseOther(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.ErrorClasses = []props.ErrorClass{"quota_exceeded", "not_logged_in"}
	for name, c := range map[string]struct {
		outcome props.Outcome
		class   string
		code    int
	}{
		"one of theirs":             {props.Outcome{Err: classed{"quota_exceeded", 7}}, "quota_exceeded", 7},
		"one of theirs, wrapped":    {props.Outcome{Err: fmt.Errorf("x: %w", classed{"not_logged_in", 4})}, "not_logged_in", 4},
		"one of ours":               {props.Outcome{Err: classed{"usage", 2}}, "usage", 2},
		"one that is in no list":    {props.Outcome{Err: classed{"jane@example.com", 1}}, "other", 1},
		"one in another case":       {props.Outcome{Err: classed{"Quota_Exceeded", 1}}, "other", 1},
		"none":                      {props.Outcome{Err: classed{"", 1}}, "other", 1},
		"none, and no failure":      {props.Outcome{Err: classed{"", 0}}, "", 0},
		"said with the outcome":     {props.Outcome{Err: classed{"usage", 9}, Class: "not_logged_in"}, "not_logged_in", 9},
		"said, and in no list":      {props.Outcome{Class: "jane", ExitCode: 3}, "other", 3},
		"only a code":               {props.Outcome{ExitCode: 3}, "other", 3},
		"the code of the outcome":   {props.Outcome{Err: classed{"usage", 9}, ExitCode: 64}, "usage", 64},
		"a code that is none":       {props.Outcome{Err: classed{"usage", -1}}, "usage", 1},
		"a success":                 {props.Outcome{}, "", 0},
		"a success that has a word": {props.Outcome{Class: "quota_exceeded"}, "quota_exceeded", 0},
	} {
		e := ended(t, tool, c.outcome)
		if e.ErrorClass != c.class || *e.ExitCode != c.code || e.Error != "" {
			t.Errorf("%s: class %q, code %d, text %q; want %q, %d and no text", name, e.ErrorClass, *e.ExitCode, e.Error, c.class, c.code)
		}
	}
}

func TestAClassThatIsNoShortWordIsAMistakeOfTheAuthors(t *testing.T) {
	t.Parallel()
	for _, class := range []props.ErrorClass{"", "Quota", "quota exceeded", "quota/exceeded", "ключ", "a\n", props.ErrorClass(strings.Repeat("x", 65)), "usage", "other", "twice"} {
		tool := someTool()
		tool.Telemetry.ErrorClasses = []props.ErrorClass{"twice", "fine.as-it_is2", class}
		c, err := core.Open(tool, enabled(t, someTool(), nil)...)
		problem, ok := errors.AsType[*driver.ConfigError](err)
		if !ok || problem.Field != "Telemetry.ErrorClasses" || c.Enabled() {
			t.Errorf("%q: %v, enabled %v", class, err, c.Enabled())
		}
	}
	tool := someTool()
	tool.Telemetry.ErrorClasses = []props.ErrorClass{"a", "9", "quota_exceeded", "http.404", "not-found", props.ErrorClass(strings.Repeat("x", 64))}
	if c, err := core.Open(tool, enabled(t, tool, nil)...); err != nil || !c.Enabled() {
		t.Errorf("%v, enabled %v", err, c.Enabled())
	}
}
