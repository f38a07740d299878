package redact

import "strings"

// The markers. None holds a space, so that each is part of one word only.
const (
	markPath   = "<path>"
	markURL    = "<url>"
	markEmail  = "<email>"
	markIP     = "<ip>"
	markMAC    = "<mac>"
	markSecret = "<secret>"
	markUser   = "<user>"
	markHost   = "<host>"
	markQuoted = "<quoted>"
	markName   = "<name>"
	markNumber = "<number>"
	markArg    = "<arg>"
	markMore   = "<more>"
	markCut    = "<cut>"
)

// marker returns the length of the marker that v begins with, 0 if there is none.
func marker(v string) int {
	for _, m := range [...]string{
		markPath, markURL, markEmail, markIP, markMAC, markSecret, markUser, markHost, markQuoted, markName, markNumber,
		markArg, markMore, markCut,
	} {
		if strings.HasPrefix(v, m) {
			return len(m)
		}
	}
	return 0
}

// scanner goes over a text once, from left to right.
//
// A text is read as chunks, which end at a space, a quotation mark, < or >; chunks as
// words, which also end at other signs that no path or address holds; words as parts
// between colons. A marker ends them all. What a URL or a secret is told by the chunk,
// the rest by the word or the part.
type scanner struct {
	names  *names
	strict bool   // An error text.
	lively int    // The next byte that is no letter, as far as it was looked for.
	host   string // A machine's name that came by: it is not told from words where it comes again.
	login  bool   // A command came by that is given a password: what looks like one is.
	paths  bool   // An absolute path came by: what has a slash may be its rest.
	v      string // The text.
	done   int    // How much of it is kept, as long as all is.
	dst    []byte // What is left of it, once something was taken out.
}

// keep passes on what comes next in the text.
//
//go:noinline
func (s *scanner) keep(text string) {
	if s.dst == nil {
		s.done += len(text)
		return
	}
	s.dst = append(s.dst, text...)
}

// mark puts a marker in the place of what comes next.
//
//go:noinline
func (s *scanner) mark(marker string) {
	if s.dst == nil {
		s.dst = make([]byte, 0, len(s.v)+spare)
		s.dst = append(s.dst, s.v[:s.done]...)
	}
	s.dst = append(s.dst, marker...)
}

// spare is room for the first markers that are longer than what they replace.
const spare = 32

// scan goes over the text and returns what is left of it.
func (s *scanner) scan() string {
	s.text(s.v)
	if s.dst == nil {
		return s.v
	}
	return string(s.dst)
}

func (s *scanner) text(v string) {
	chunk := 0 // The end of the last chunk that was looked at as a whole.
	for i := 0; i < len(v); {
		if isSpace(v[i]) {
			s.keep(v[i : i+1])
			i++
			continue
		}
		if !inWord(v[i]) || v[i] >= 0x80 || v[i] == '\\' {
			if end := s.between(v, i); end > 0 {
				i = end
				continue
			}
		}
		if len(s.names.phrases) > 0 {
			if n := s.names.phraseAt(v, i); n > 0 {
				s.mark(markUser)
				i += n
				continue
			}
		}
		if !isLower(v[i]) {
			if end := number(v, i); end > 0 {
				s.mark(markNumber)
				i = end
				continue
			}
			if end := mailbox(v, i); end > 0 {
				s.mark(markUser)
				i = end
				continue
			}
		}
		if s.login && (i == 0 || isSpace(v[i-1])) && v[i] != '-' && looksSecret(v, i) {
			s.mark(markSecret)
			i = runEnd(v, i)
			continue
		}
		if i >= chunk {
			m := ""
			if chunk, m = s.chunk(v, i); m != "" {
				s.mark(m)
				i = s.beyond(v, i, chunk)
				continue
			}
		}
		i = s.word(v, i, s.wordEnd(v, i))
	}
}

// between deals with what begins no word at i: a marker, a quotation, a sign. It
// returns where the text goes on, 0 if a word does begin.
func (s *scanner) between(v string, i int) int {
	switch {
	case v[i] == '<':
		if n := marker(v[i:]); n > 0 {
			return s.marker(v, i, n)
		}
		if closingTag(v, i) {
			s.keep(v[i : i+2])
			return i + 2
		}
	case v[i] == '(':
		if end := number(v, i); end > 0 {
			s.mark(markNumber)
			return end
		}
	case v[i] == '{', v[i] == '*':
		if end := runEnd(v, i); hashed(v[i:end]) || pgpass(v[i:end]) {
			s.mark(markSecret)
			return end
		}
	case s.strict:
		if end := quotation(v, i); end > 0 {
			s.mark(markQuoted)
			return s.beyond(v, i, end)
		}
	case isQuote(v[i]):
		if end := quotedAccount(v, i); end > 0 {
			s.mark(markEmail)
			return end
		}
		// A path in quotation marks may hold spaces.
		if end := quotation(v, i); end > i+2 && quotedPath(v[i+1:end-1]) {
			s.keep(v[i : i+1])
			s.mark(markPath)
			s.paths = true
			s.keep(v[end-1 : end])
			return end
		}
	}
	if !inWord(v[i]) || escapedQuote(v, i) {
		s.keep(v[i : i+1])
		return i + 1
	}
	return 0
}

// marker keeps the marker at i, of n bytes. In XML it may also be a tag: <host>…</host>.
func (s *scanner) marker(v string, i, n int) int {
	m := v[i : i+n]
	s.paths = s.paths || m == markPath
	s.keep(m)
	end := strings.IndexByte(v[i+n:], '<')
	if end > 0 && (m == markHost || m == markUser || m == markSecret || m == markEmail) && hasAt(v, i+n+end, "</"+m[1:]) {
		s.mark(m)
		return i + n + end
	}
	return i + n
}

// closingTag reports that </name> stands at i.
func closingTag(v string, i int) bool {
	if i+2 >= len(v) || v[i+1] != '/' || !isLetter(v[i+2]) {
		return false
	}
	for i += 2; i < len(v) && (inName(v[i]) || v[i] == ':'); i++ {
	}
	return i < len(v) && v[i] == '>'
}

// chunk returns the end of the chunk that begins at i, and the marker of what it is as a
// whole, "" if that is nothing.
func (s *scanner) chunk(v string, i int) (end int, marker string) {
	end = chunkEnd(v, i)
	if strings.IndexByte(v[i:end], ':') < 0 && strings.IndexByte(v[i:end], '$') < 0 {
		return end, ""
	}
	return end, whole(v[i:end])
}

func whole(chunk string) string {
	switch {
	case hashed(chunk):
		return markSecret
	case strings.IndexByte(chunk, ':') < 0:
		return ""
	case userinfo(chunk), pgpass(chunk):
		return markSecret
	case scp(chunk):
		return markURL
	}
	return ""
}

// word scrubs the word v[i:end], with what belongs to it behind, and returns where the
// text goes on.
func (s *scanner) word(v string, i, end int) int {
	word := v[i:end]
	if harmless(s.names, word) {
		if next := s.announcement(v, i, i, end); next > 0 {
			return next
		}
		s.harmless(v, i, end)
		return end
	}
	if strings.Contains(word, pem) {
		s.mark(markSecret)
		return len(v)
	}
	if next := s.dashed(v, i, end); next > 0 {
		return next
	}
	start := i
	for k := i; k <= end; k++ {
		if k < end && v[k] != ':' {
			continue
		}
		if next := s.announcement(v, i, start, k); next > 0 {
			return next
		}
		if k < end {
			if to := number(v, k+1); to > 0 {
				s.parts(v[i:k])
				s.keep(":")
				s.mark(markNumber)
				return to
			}
		}
		if hasAt(v, k, "://") {
			break
		}
		start = k + 1
	}
	if k := strings.Index(word, "://"); k >= 0 {
		begin := k
		for begin > 0 && inScheme(word[begin-1]) {
			begin--
		}
		s.parts(word[:begin])
		if strings.EqualFold(word[begin:k], "file") {
			s.mark(markPath)
		} else {
			s.mark(markURL)
		}
		return s.beyond(v, i, chunkEnd(v, end))
	}
	s.parts(word)
	return end
}

// harmless scrubs a word that no rule for a Value applies to by itself.
func (s *scanner) harmless(v string, i, end int) {
	word := v[i:end]
	switch {
	case (s.strict || s.paths) && s.isPath(word):
		s.mark(markPath) // In an error text, or behind another.
	case end+1 < len(v) && v[end] == ' ' && (v[end+1] == '(' || v[end+1] == '[') && resolved(v, i, end):
		s.host = word
		s.mark(markHost)
	case s.strict || s.host != "":
		s.rest(word)
	default:
		s.keep(word)
	}
}

// announcement scrubs v[i:to], a word or the begin of one, and what its part v[from:to]
// announces: "password=…". It returns where the text goes on, 0 if nothing is announced.
func (s *scanner) announcement(v string, i, from, to int) int {
	value := s.announced(v, from, to)
	if value.to == 0 {
		return 0
	}
	if value.marker == markHost {
		s.host = v[value.from:value.to]
	}
	s.parts(v[i:min(to, value.from)])
	s.keep(v[min(to, value.from):value.from])
	if value.from < value.to {
		s.mark(value.marker)
	}
	return s.beyond(v, value.from, value.to)
}

// beyond returns where to go on behind v[from:end], which is taken out whole: behind
// end, where its last word speaks of a value that follows, as in
// "https://example.com,password: …".
func (s *scanner) beyond(v string, from, end int) int {
	for {
		if from == end || v[end-1] == '>' {
			return end // A marker's last letters are no word.
		}
		to := end
		for to > from && (!inWord(v[to-1]) || v[to-1] == ':' || v[to-1] == '\\') {
			to--
		}
		start := to
		for start > from && inWord(v[start-1]) && v[start-1] != ':' {
			start--
		}
		value := s.announced(v, start, to)
		if value.to <= end || value.from < end {
			return end
		}
		from, end = end, value.to
	}
}

// dashed scrubs a flag of one letter that its value is joined to: "-pSECRET". It returns
// where the text goes on, 0 if the word is none.
func (s *scanner) dashed(v string, i, end int) int {
	if end-i < 3 || v[i] != '-' || !isLower(v[i+1]|0x20) || knownFlag(v[i:end]) {
		return 0
	}
	m := markArg
	switch {
	case joinedSecret(v, i, end):
		m = markSecret
	case !s.strict || counts(v[i:end]) || secretName(v[i:end]) || s.announced(v, i, end).to > 0:
		return 0
	}
	s.keep(v[i : i+2])
	s.mark(m)
	return s.beyond(v, i+2, chunkEnd(v, end))
}

// parts scrubs a word, or a piece of one, part by part.
func (s *scanner) parts(w string) {
	if windowsPath(w) {
		s.paths = true
		s.mark(markPath)
		return
	}
	if len(w) >= minForm && (secretForm(w) || random(w) || basicCredentials(w)) {
		s.mark(markSecret)
		return
	}
	for hasAt(w, 0, ":::") { // No address, as in ":::8080".
		s.keep(":::")
		w = w[3:]
	}
	for {
		// An address with colons may stand behind a part of another kind: "host:fe80::1".
		if m := colonAddress(w); m != "" {
			s.mark(m)
			return
		}
		k := strings.IndexByte(w, ':')
		if k < 0 {
			s.part(w)
			return
		}
		s.part(w[:k])
		s.keep(":")
		w = w[k+1:]
	}
}

// part scrubs what holds no colon.
func (s *scanner) part(w string) {
	for {
		k := strings.IndexByte(w, '@')
		if k < 0 || k+1 == len(w) {
			break
		}
		if k == 0 {
			if !hostName(w[1:]) {
				break // "@team", but "jdbc:oracle:thin:@db.example.com".
			}
			s.keep("@")
			s.mark(markHost)
			return
		}
		if !version(w[k+1:]) && !locale(w[:k]) {
			s.mark(markEmail)
			return
		}
		s.local(w[:k])
		s.keep("@")
		w = w[k+1:]
	}
	s.local(w)
}

// local scrubs what is no e-mail address either.
func (s *scanner) local(w string) {
	switch {
	case hasIPv4(w):
		s.mark(markIP)
		return
	case s.isPath(w):
		s.mark(markPath)
		return
	case kubeadm(w):
		s.mark(markSecret)
		return
	case len(w) >= minNumber && number(w, 0) == len(w):
		s.mark(markNumber)
		return
	}
	for w != "" {
		which, at := s.names.find(w)
		if at < 0 {
			break
		}
		s.rest(w[:at])
		s.mark(s.names.words[which].marker)
		w = w[at+len(s.names.words[which].text):]
	}
	s.rest(w)
}

// isPath reports that w is a path, or may be the rest of one.
func (s *scanner) isPath(w string) bool {
	slash := strings.IndexByte(w, '/') >= 0
	if !slash && (w == "" || w[0] != '~') {
		return false
	}
	if absolute(w) {
		s.paths = true
		return true
	}
	// Short ones are no paths but "i/o" and "n/a".
	if slash && len(w) > 3 && (s.strict || s.paths) {
		return strings.Trim(w, "/") != ""
	}
	_, at := s.names.find(w)
	return slash && at >= 0
}

// rest scrubs what no other rule applied to.
func (s *scanner) rest(w string) {
	switch {
	case s.strict && dotted(w):
		s.mark(markName)
	case s.strict && longNumber(w):
		s.mark(markNumber)
	case hostName(w), w == s.host && w != "":
		s.mark(markHost)
	default:
		s.keep(w)
	}
}

// wordEnd returns the end of the word that begins at i.
func (s *scanner) wordEnd(v string, i int) int {
	for i++; i < len(v) && inWord(v[i]); i++ {
		if v[i] == '\\' && escapedQuote(v, i) {
			break
		}
		// Other scripts' quotation marks count where quotations do.
		if s.strict && v[i] >= 0x80 && quotation(v, i) > 0 {
			break
		}
	}
	return i
}
