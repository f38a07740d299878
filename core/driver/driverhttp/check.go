package driverhttp

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CheckEndpoint parses the address of a server and says what is wrong with it: it is
// absolute, http or https, with a host and without user info or fragment. Plain http
// is for this machine only (localhost, 127.0.0.0/8, ::1), unless insecure is true. A
// query is allowed. The error repeats nothing of raw, which may hold a key.
func CheckEndpoint(raw string, insecure bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL: write it like https://telemetry.example.com/v1/events")
	}
	switch {
	case u.Scheme == "":
		return nil, errors.New("no scheme: write an absolute URL like https://telemetry.example.com/v1/events")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("not a web address: the URL must begin with https://")
	case u.User != nil:
		return nil, errors.New("user name or password in the URL: put credentials into Telemetry.Headers")
	case u.Hostname() == "":
		return nil, errors.New("no host: write it like https://telemetry.example.com/v1/events")
	case strings.Contains(raw, "#"):
		return nil, errors.New("fragment in the URL: leave out # and what follows, or write it as %23")
	case !validPort(u):
		return nil, errors.New("not a port: leave it out or use 1 to 65535")
	case u.Scheme == "http" && !insecure && !isLoopback(u.Hostname()):
		return nil, errors.New("plain http:// to another machine: use https://, or set Telemetry.Insecure for a network that is yours alone")
	}
	return u, nil
}

// CheckKey refuses a key that holds what no key does, such as a line break that was copied with it. A key of
// a vendor's is of printable ASCII; its length and alphabet no vendor promises. The error repeats nothing of it.
func CheckKey(key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("holds a space, a line break or another character that no key has: copy it once more")
	}
	return nil
}

// Hosts is what a driver's Hosts returns of the address that settings make: its host, or nothing where they
// make none.
func Hosts(u *url.URL, err error) []string {
	if err != nil {
		return nil
	}
	return []string{u.Host}
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// CutEnding returns u without the path that an author copied along with it, and reports
// whether it ended so: whatever the case of its letters, with slashes at its end, doubled
// or percent-encoded letters. The path of what is returned has no slash at its end, and
// none twice.
func CutEnding(u *url.URL, ending string) (*url.URL, bool) {
	clean := u.JoinPath() // without empty segments and dots
	segments, want := segments(clean.EscapedPath()), segments(ending)
	rest := len(segments) - len(want)
	if rest >= 0 && slices.EqualFunc(segments[rest:], want, func(s, want string) bool {
		plain, err := url.PathUnescape(s)
		return err == nil && strings.EqualFold(plain, want)
	}) {
		return withPath(clean, segments[:rest]), true
	}
	return withPath(clean, segments), false
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// withPath returns a copy of u with the path of these escaped segments.
func withPath(u *url.URL, segments []string) *url.URL {
	bare := *u
	bare.Path, bare.RawPath = "", ""
	if len(segments) == 0 {
		return &bare // to which JoinPath would add a slash
	}
	return bare.JoinPath(segments...)
}

// reserved are the headers that follow from the body and the connection. Set by an
// author they would garble the request.
var reserved = []string{"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect",
	"Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// CheckHeaders says what is wrong with Config.Headers. Drivers call it in Driver.Check, so
// that a mistake is one error at the author's desk and not a batch that never leaves. own
// are the headers that the driver sets itself, beside those that follow from the body and
// the connection: the author's would be dropped without a word. The error repeats no value,
// and a name only if that is well-formed.
func CheckHeaders(headers map[string]string, own ...string) error {
	if len(headers) == 0 {
		return nil
	}
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }) {
			return errors.New("a header name is not valid: use letters, digits and hyphens, and put the value into the map's value")
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case slices.Contains(reserved, canonical), slices.ContainsFunc(own, func(name string) bool { return strings.EqualFold(name, canonical) }):
			return fmt.Errorf("%s is set by the backend: leave it out", canonical)
		case seen[canonical]:
			return fmt.Errorf("%s is there twice, in different spellings: keep one", canonical)
		case strings.ContainsFunc(headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return fmt.Errorf("the value of %s holds a control character: was a line break copied with it?", canonical)
		}
		seen[canonical] = true
	}
	return nil
}

// HasHeader reports whether Config.Headers set a header, in whatever spelling.
func HasHeader(headers map[string]string, name string) bool {
	for given := range headers {
		if strings.EqualFold(given, name) {
			return true
		}
	}
	return false
}

// isToken reports whether RFC 9110, section 5.6.2, allows r in a token.
func isToken(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		r < 0x80 && strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
