package conformance

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// canary is a value that must not be found on the wire.
type canary struct {
	// What says where it was planted, Value what was, Token the part of it that cannot be
	// there by chance.
	What, Value, Token string
}

// searcher looks for canaries in bytes, as they are and beneath every common wrapping.
// Its tables are made once: there are a dozen digests of each canary.
type searcher struct {
	canaries []canary
	tokens   [][]byte          // lower case
	digests  map[uint64]string // what the eight bytes are that a digest begins with
}

func newSearcher(canaries []canary) *searcher {
	s := &searcher{canaries: canaries, digests: map[uint64]string{}}
	for _, c := range canaries {
		s.tokens = append(s.tokens, bytes.ToLower([]byte(c.Token)))
		for name, digest := range c.digests() {
			// Eight bytes are what an identifier is commonly cut to.
			s.digests[binary.BigEndian.Uint64(digest)] = name + " of " + c.What
		}
	}
	return s
}

// search is a searcher's for one text.
func search(b []byte, canaries []canary) (plain, digests []string) {
	return newSearcher(canaries).search(b)
}

// search says which canaries it found and how they were hidden. The second list is of
// their digests.
func (s *searcher) search(b []byte) (plain, digests []string) {
	for _, layer := range unwrap(b) {
		if layer.unreadable != "" {
			plain = append(plain, layer.unreadable)
			continue
		}
		lower := bytes.ToLower(layer.bytes)
		for i, c := range s.canaries {
			if bytes.Contains(lower, s.tokens[i]) {
				plain = append(plain, fmt.Sprintf("%s (%q)%s", c.What, c.Token, layer.how))
			}
		}
		for _, found := range s.digestsIn(layer.bytes) {
			digests = append(digests, found+layer.how)
		}
		// A digest in hexadecimal may begin anywhere in a longer text of such digits.
		for _, token := range hexText.FindAll(layer.bytes, -1) {
			for _, digits := range [][]byte{token, token[1:]} {
				if raw, err := hex.DecodeString(string(digits[:len(digits)&^1])); err == nil {
					for _, found := range s.digestsIn(raw) {
						digests = append(digests, found+layer.how)
					}
				}
			}
		}
	}
	return unique(plain), unique(digests)
}

// digestsIn finds digests at any place of b.
func (s *searcher) digestsIn(b []byte) (found []string) {
	if len(b) < 8 {
		return nil
	}
	window := binary.BigEndian.Uint64(b)
	for at := 8; ; at++ {
		if what, known := s.digests[window]; known {
			found = append(found, what)
		}
		if at == len(b) {
			return found
		}
		window = window<<8 | uint64(b[at])
	}
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// digests are the common ones of the value and of its token, also as a file would have
// it, with a line break.
func (c canary) digests() map[string][]byte {
	found := map[string][]byte{}
	for whose, text := range map[string]string{"": c.Token, " (whole value)": c.Value} {
		for end, says := range map[string]string{"": "", "\n": " with a line break"} {
			for name, hash := range map[string]hash.Hash{
				"MD5": md5.New(), "SHA-1": sha1.New(), "SHA-256": sha256.New(), "SHA-512": sha512.New(), "FNV-1a": fnv.New64a(),
			} {
				hash.Write([]byte(text + end))
				found["the "+name+says+whose] = hash.Sum(nil)
			}
		}
	}
	return found
}

// layer is bytes beneath some wrappings.
type layer struct {
	bytes      []byte
	how        string // ", beneath gzip, base64"
	depth      int
	unreadable string
}

const (
	maxDepth  = 4       // nobody wraps more often by accident
	maxLayers = 3000    // of one request
	maxUnpack = 8 << 20 // bytes of one layer
)

var (
	base64Text  = regexp.MustCompile(`[A-Za-z0-9+/_-]{12,}={0,2}`)
	hexText     = regexp.MustCompile(`[0-9A-Fa-f]{16,}`)
	jsonEscape  = regexp.MustCompile(`\\u[0-9A-Fa-f]{4}|\\[/"\\bfnrt]`)
	percentCode = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
)

// unwrap returns b and all that can be unpacked from it.
func unwrap(b []byte) []layer {
	all := []layer{{bytes: b}}
	seen := map[string]bool{string(b): true}
	for i := 0; i < len(all) && len(all) < maxLayers; i++ {
		at := all[i]
		if at.depth == maxDepth || at.unreadable != "" {
			continue
		}
		add := func(b []byte, kind string) {
			if len(b) < 4 || seen[string(b)] || len(all) >= maxLayers {
				return
			}
			seen[string(b)] = true
			how := ", beneath " + kind
			if at.how != "" {
				how = at.how + ", " + kind
			}
			all = append(all, layer{bytes: b, how: how, depth: at.depth + 1})
		}
		for offset := range indexes(at.bytes, []byte{0x1f, 0x8b, 8}) {
			if r, err := gzip.NewReader(bytes.NewReader(at.bytes[offset:])); err == nil {
				plain, _ := io.ReadAll(io.LimitReader(r, maxUnpack)) // what comes before an error counts
				add(plain, "gzip")
			}
		}
		for _, magic := range [][]byte{{0x78, 0x01}, {0x78, 0x9c}, {0x78, 0xda}} {
			for offset := range indexes(at.bytes, magic) {
				if r, err := zlib.NewReader(bytes.NewReader(at.bytes[offset:])); err == nil {
					plain, _ := io.ReadAll(io.LimitReader(r, maxUnpack))
					add(plain, "zlib")
				}
			}
		}
		for offset := range indexes(at.bytes, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			plain, err := unzstd(at.bytes[offset:])
			add(plain, "zstd")
			// Deeper, the four bytes are there by accident: an escape undone within binary data.
			if err != nil && len(plain) == 0 && at.depth == 0 {
				all = append(all, layer{unreadable: "a part that looks like zstd and cannot be unpacked, and so not be searched" + at.how})
			}
		}
		for _, token := range base64Text.FindAll(at.bytes, -1) {
			token = bytes.TrimRight(token, "=")
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				if plain, err := encoding.DecodeString(string(token)); err == nil {
					add(plain, "base64")
				}
			}
		}
		for _, token := range hexText.FindAll(at.bytes, -1) {
			if plain, err := hex.DecodeString(string(token[:len(token)&^1])); err == nil {
				add(plain, "hex")
			}
		}
		if percentCode.Match(at.bytes) {
			add(percentCode.ReplaceAllFunc(at.bytes, func(code []byte) []byte {
				plain, _ := hex.DecodeString(string(code[1:]))
				return plain
			}), "URL escapes")
		}
		if jsonEscape.Match(at.bytes) {
			add(jsonEscape.ReplaceAllFunc(at.bytes, func(code []byte) []byte {
				var plain string
				_ = json.Unmarshal([]byte(`"`+string(code)+`"`), &plain) // a lone surrogate is U+FFFD
				return []byte(plain)
			}), "JSON escapes")
		}
	}
	return all
}

// unzstd unpacks what b begins with. What comes before an error counts.
func unzstd(b []byte) ([]byte, error) {
	// One at a time means no goroutine, which the checks for leaks would find.
	r, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpack))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxUnpack))
}

// indexes yields every place of sep in b.
func indexes(b, sep []byte) func(func(int) bool) {
	return func(yield func(int) bool) {
		for from := 0; ; {
			i := bytes.Index(b[from:], sep)
			if i < 0 || !yield(from+i) {
				return
			}
			from += i + 1
		}
	}
}

// canariesOf makes canaries of values that are known by themselves.
func canariesOf(what string, values []string) []canary {
	var list []canary
	for _, v := range values {
		if len(v) >= 6 { // shorter ones are there by chance
			list = append(list, canary{What: what, Value: v, Token: v})
		}
	}
	return list
}

// searchable is everything of a request in one piece.
func (x *exchange) searchable() []byte {
	var b bytes.Buffer
	b.Write(x.Raw)
	b.WriteByte('\n')
	b.Write(x.Body)
	if u, err := url.Parse(x.URL); err == nil {
		b.WriteString("\n" + u.Path + "\n" + strings.ReplaceAll(u.RawQuery, "+", " "))
	}
	return b.Bytes()
}
