package core

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/wire"
)

// Masked stands in the place of a secret in what is shown of a request.
const Masked = "[secret]"

// Request is what goes out, or went, in one delivery. Secrets are masked in it: the values of
// TelemetryConfig.Headers, those of the backend's secret settings wherever they are, and what
// a header holds whose name tells that it is one.
type Request struct {
	// Local says that nothing leaves the machine: Body is then what is written, or printed.
	Local bool
	// Method, URL and Header are those of an HTTP request, with all headers that go out, Host
	// and Content-Length among them. The URL's path is masked where it is the author's secret.
	Method, URL string
	Header      textproto.MIMEHeader
	// Network and Address are those of a connection that is none of HTTP.
	Network, Address string
	// Body is the body as it goes over the wire. Where that holds a secret, BodyMasked is set
	// and Body is what it says, uncompressed and with the secret masked. It is empty where
	// NotKept says why.
	Body       []byte
	BodyMasked bool
	NotKept    string
	// Size and Digest, a SHA-256 in hexadecimal digits, are those of the body on the wire.
	Size   int
	Digest string
	// Events is how many events it holds, IDs are theirs. A record that others were added up
	// in is one.
	Events int
	IDs    []string
	// Momentary names the fields of the body and the headers that are not the same when it is
	// sent, because they are of that moment. It is empty in a request that was sent.
	Momentary []string
	// OfSending is how many of its events were recorded by a clock that was ahead, so that they
	// go out with the time of sending. In Momentary their time is called timestamp, whatever the
	// receiver calls it. It is 0 in a request that was sent.
	OfSending int
	// ExampleID is set where there is no machine ID yet: the first delivery makes it, and this
	// one stands in its place.
	ExampleID string

	machineID string
	readable  func([]byte) (string, error)
}

// errUnreadable says that a body cannot be made readable.
var errUnreadable = errors.New("the body is no text, and its backend does not say how to read it")

// Readable returns the body as text: uncompressed, and JSON where the backend can make that
// of it. The error says that this is not possible. The text is as it goes out, control
// characters included.
func (r Request) Readable() (string, error) {
	body := r.Body
	if !r.BodyMasked {
		var err error
		if body, err = uncompressed(r.Header, body); err != nil {
			return "", err
		}
	}
	if r.readable != nil && len(body) > 0 {
		return r.readable(body)
	}
	if !isText(body) {
		return "", errUnreadable
	}
	return string(body), nil
}

// isText reports whether a body is text, of one line or several.
func isText(body []byte) bool {
	return utf8.Valid(body) && !bytes.ContainsFunc(body, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
	})
}

// maxUnpacked bounds what a body may unpack to: a batch is a tenth of it.
const maxUnpacked = 16 << 20

var errEncoded = errors.New("the body has an encoding that is not known here")

// uncompressed undoes the Content-Encoding of a body.
func uncompressed(header textproto.MIMEHeader, body []byte) ([]byte, error) {
	switch strings.ToLower(header.Get("Content-Encoding")) {
	case "", "identity":
		return body, nil
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, errEncoded
		}
		plain, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
		if err != nil || len(plain) > maxUnpacked {
			return nil, errEncoded
		}
		return plain, nil
	}
	return nil, errEncoded
}

// newRequest is what is shown of an exchange.
func newRequest(x *wire.Exchange, s secrets, d driver.Driver) Request {
	r := Request{Method: x.Method, Network: x.Network, Address: x.Address, readable: d.Readable}
	if x.Method != "" {
		r.URL, r.Header = s.maskURL(x.URL), s.maskHeader(x.Header)
	}
	r.Body, r.Size, r.Digest = x.Body, len(x.Body), digestOf(x.Body)
	if x.Hidden {
		r.Digest, r.NotKept = "", "it is encrypted by the backend itself, or too large to be looked at"
	}
	plain, err := uncompressed(x.Header, x.Body)
	for _, name := range d.Momentary {
		if x.Header.Get(name) != "" || err == nil && bytes.Contains(plain, driver.AppendJSONString(nil, name)) {
			r.Momentary = append(r.Momentary, name)
		}
	}
	if err == nil {
		if masked := s.mask(string(plain)); masked != string(plain) {
			r.Body, r.BodyMasked = []byte(masked), true
		}
	}
	return r
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// secrets are what must not be shown of a backend's requests.
type secrets struct {
	texts   []string // wherever they are, longest first
	short   []string // where one is all of a text in quotes
	parts   []string // of a URL: a segment of its path, or a value of its query
	headers []string // names, in the canonical form
}

// minSecret is how long a text is that is masked wherever it stands. Shorter ones stand in much that is no
// secret; no key is as short.
const minSecret = 8

// secrets returns those of a backend, in each form that a request may have them in.
func (s selection) secrets(headers map[string]string) (all secrets) {
	for name, value := range headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		all.headers = append(all.headers, name)
		if len(value) >= minSecret && (namesSecret(name) || looksLikeKey(value)) {
			all.add(value)
			if _, token, scheme := strings.Cut(value, " "); scheme && len(token) >= minSecret { // of a Bearer, alone too
				all.add(token)
			}
		}
	}
	for _, setting := range s.driver.Settings {
		if value := s.settings[setting.Name]; setting.Secret && value != "" {
			all.addSetting(value)
		}
	}
	slices.SortFunc(all.texts, func(a, b string) int { return len(b) - len(a) })
	return all
}

// addSetting adds the value of a secret setting: of a URL what is more than the host, which
// everybody is told, and of a list of name=value also the values.
func (s *secrets) addSetting(value string) {
	if u, err := url.Parse(value); err == nil && u.Scheme != "" && u.Host != "" {
		for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
			if !slices.Contains(ordinarySegments, segment) {
				s.addPart(segment)
			}
		}
		if password, set := u.User.Password(); set {
			s.add(password)
		}
		for _, values := range u.Query() {
			for _, v := range values {
				s.addPart(url.QueryEscape(v))
			}
		}
		return
	}
	s.add(value)
	for pair := range strings.SplitSeq(value, ",") {
		if name, v, found := strings.Cut(pair, "="); found {
			s.headers = append(s.headers, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
			s.add(strings.TrimSpace(v))
			if plain, err := url.PathUnescape(strings.TrimSpace(v)); err == nil {
				s.add(plain)
			}
		}
	}
}

// ordinarySegments are the words that paths of intakes are made of. Any other one may be a key.
var ordinarySegments = []string{"", "analytics", "api", "batch", "capture", "collect", "e", "events", "i", "ingest", "intake", "logs",
	"otlp", "proxy", "relay", "telemetry", "track", "v0", "v1", "v2", "v3"}

// addPart adds a part of a URL: an answer may repeat it.
func (s *secrets) addPart(part string) {
	s.parts = append(s.parts, part)
	if plain, err := url.PathUnescape(part); err == nil && len(plain) >= minSecret {
		s.add(plain)
	}
}

func (s *secrets) add(text string) {
	quoted := string(driver.AppendJSONString(nil, text))
	switch {
	case text == "":
		return
	case len(text) < minSecret:
		s.short = append(s.short, quoted)
		return
	}
	for _, form := range []string{text, quoted[1 : len(quoted)-1], url.QueryEscape(text), url.PathEscape(text),
		base64.StdEncoding.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte(text + ":"))} {
		if !slices.Contains(s.texts, form) {
			s.texts = append(s.texts, form)
		}
	}
}

// with returns the secrets and some more texts.
func (s secrets) with(texts []string) secrets {
	s.texts, s.short = slices.Clone(s.texts), slices.Clone(s.short)
	for _, text := range texts {
		s.add(text)
	}
	return s
}

func (s *secrets) mask(text string) string {
	for _, secret := range s.texts {
		text = strings.ReplaceAll(text, secret, Masked)
	}
	for _, quoted := range s.short {
		text = strings.ReplaceAll(text, quoted, `"`+Masked+`"`)
	}
	return text
}

// maskURL leaves of a URL what is no secret: the host at least.
func (s *secrets) maskURL(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return s.mask(address)
	}
	host, path, hasPath := strings.Cut(rest, "/")
	if user := strings.LastIndexByte(host, '@'); user >= 0 {
		host = Masked + host[user:]
	}
	if !hasPath {
		return scheme + "://" + host
	}
	// What stands between these is a part of its own.
	var masked strings.Builder
	for len(path) > 0 {
		end := strings.IndexAny(path, "/?&=")
		if end < 0 {
			end = len(path)
		}
		part := path[:end]
		if slices.Contains(s.parts, part) {
			part = Masked
		}
		masked.WriteString(part + path[end:min(end+1, len(path))])
		path = path[min(end+1, len(path)):]
	}
	return scheme + "://" + host + "/" + s.mask(masked.String())
}

// secretWords are in the names of headers that hold a key.
var secretWords = []string{"auth", "cookie", "credential", "key", "password", "secret", "signature", "token"}

// namesSecret reports whether a header holds a key by its name.
func namesSecret(header string) bool {
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(strings.ToLower(header), word) })
}

// looksLikeKey reports whether a value is no word, such as a name or a version: those stand elsewhere for
// themselves.
func looksLikeKey(value string) bool {
	const short = 16
	return len(value) >= short && strings.ContainsAny(value, "0123456789") && !strings.ContainsAny(value, " /")
}

func (s *secrets) maskHeader(header textproto.MIMEHeader) textproto.MIMEHeader {
	masked := textproto.MIMEHeader{}
	for name, values := range header {
		isSecret := slices.Contains(s.headers, textproto.CanonicalMIMEHeaderKey(name)) || namesSecret(name)
		for _, value := range values {
			if isSecret {
				value = Masked
			}
			masked[name] = append(masked[name], s.mask(value))
		}
	}
	return masked
}
