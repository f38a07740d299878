package redact

import "strings"

// minForm is the length of the shortest text that secretForm knows.
const minForm = len("ghp_") + 4

// secretForm reports that a known form of token begins in w, at its start or behind a
// sign. Forms that a plain word could have ask for more characters, or for a digit.
func secretForm(w string) bool {
	for i := 0; i+minForm <= len(w); i++ {
		if i > 0 && isAlnum(w[i-1]) {
			continue
		}
		if tokenAt(w[i:]) {
			return true
		}
	}
	return false
}

func tokenAt(w string) bool {
	switch w[0] {
	case 'g':
		return begins(w, "ghp_", 4) || begins(w, "gho_", 4) || begins(w, "ghu_", 4) || begins(w, "ghs_", 4) ||
			begins(w, "ghr_", 4) || begins(w, "github_pat_", 4) || begins(w, "glpat-", 4) || begins(w, "gldt-", 8) ||
			begins(w, "glrt-", 8)
	case 'x':
		return len(w) > 4 && w[1:3] == "ox" && w[4] == '-' && begins(w, w[:5], 4) || begins(w, "xapp-", 4)
	case 's', 'r', 'p':
		return begins(w, "sk_live_", 4) || begins(w, "sk_test_", 4) || begins(w, "rk_live_", 4) || begins(w, "rk_test_", 4) ||
			begins(w, "pk_live_", 4) || begins(w, "shpat_", 4) || begins(w, "shpss_", 4) || begins(w, "phc_", 8) ||
			begins(w, "phx_", 8) || begins(w, "phs_", 8) ||
			(begins(w, "sk-", 16) || begins(w, "pypi-", 16)) && strings.ContainsAny(w, "0123456789")
	case 'A':
		return begins(w, "AIza", 16) || (begins(w, "AKIA", 12) || begins(w, "ASIA", 12)) && capitals(w[:16])
	case 'e':
		return begins(w, "eyJ", 13) // {" in base64, as every JWT begins.
	case 'S':
		return begins(w, "SG.", 16)
	case '-':
		return begins(w, pem, 0)
	case 'd', 'h', 'n', 'y', 'k':
		return begins(w, "dop_v1_", 4) || begins(w, "ya29.", 8) ||
			(begins(w, "hf_", 16) || begins(w, "npm_", 16) || begins(w, "key-", 24)) && strings.ContainsAny(w, "0123456789")
	}
	return false
}

// pem begins a block of a key or certificate, of which only its own end would tell how
// long it is.
const pem = "-----BEGIN"

// begins reports that w is prefix and at least n more.
func begins(w, prefix string, n int) bool {
	return len(w) >= len(prefix)+n && w[:len(prefix)] == prefix
}

func capitals(w string) bool {
	for i := range len(w) {
		if !isUpper(w[i]) && !isDigit(w[i]) {
			return false
		}
	}
	return true
}

// How long a run must be to look random. Words and names of that kind are shorter;
// keys of 128 bits and more are longer in each of the alphabets.
const (
	randomBase32 = 16 // capitals and digits
	randomBase64 = 28 // letters of both cases, digits, and + / - _ between them
	randomAlnum  = 32 // letters and digits, and hexadecimal of any kind: a UUID has 32
)

// random reports that w holds a long run without a word's look.
func random(w string) bool {
	if len(w) < randomBase32 {
		return false
	}
	for i := 0; i < len(w); {
		if !isAlnum(w[i]) {
			i++
			continue
		}
		n, found := randomRun(w[i:])
		if found {
			return true
		}
		i += n
	}
	return false
}

// randomRun looks at the run of base64 that w begins with, and returns its length.
//
// Names are joined by + / - _ as well, so a run of mixed signs is random only if a
// piece of it is no word: a capital behind a small letter, or a letter behind a digit.
func randomRun(w string) (n int, random bool) {
	type count struct{ lower, upper, digits int }
	var run, piece count // piece: since the last of + / - _
	length, hex, wordless := 0, 0, false
	for ; n < len(w); n++ {
		c := w[n]
		switch {
		case isDigit(c):
			run.digits++
			piece.digits++
		case isUpper(c):
			wordless = wordless || piece.lower > 0 || piece.digits > 0
			run.upper++
			piece.upper++
		case isLower(c):
			wordless = wordless || piece.digits > 0
			run.lower++
			piece.lower++
		}
		if !isAlnum(c) {
			if c != '+' && c != '/' && c != '-' && c != '_' {
				break
			}
			piece, length = count{}, 0
			if c != '-' { // As in a UUID.
				hex = 0
			}
			continue
		}
		length++
		hex++
		if !isHex(c) {
			hex = 0
		}
		if hex >= randomAlnum ||
			length >= randomAlnum && piece.lower+piece.upper > 0 && piece.digits >= 4 ||
			length >= randomBase32 && piece.lower == 0 && piece.upper > 0 && piece.digits > 0 {
			return n, true
		}
	}
	return n, n >= randomBase64 && wordless && run.lower > 0 && run.upper > 0 && run.digits > 0
}

// secretValue returns where the secret begins that v[from:to] announces, 0 if it
// announces none: "password=", "token: ", "--api-key ", "Bearer ".
func secretValue(v string, from, to int) int {
	key := v[from:to]
	if key == "" || to == len(v) {
		return 0
	}
	// What stands behind the name is looked at first: it mostly settles the matter.
	i := to
	if isQuote(v[i]) {
		i++ // "password": …
	}
	i = afterSpaces(v, i)
	if i == len(v) || v[i] != '=' && v[i] != ':' {
		switch {
		case !isSpace(v[to]):
			return 0
		case key[0] == '-' && secretName(key): // --password …
			return i
		case strings.EqualFold(key, "bearer"):
			return i
		case strings.EqualFold(key, "basic") && credentials(v[i:runEnd(v, i)]): // Which is a word too.
			return i
		}
		return 0
	}
	if v[i] == ':' && (strings.HasPrefix(v[i:], "://") || strings.ContainsAny(key, `/\`)) {
		return 0 // A URL, or a path and what is wrong with it.
	}
	if !secretName(key) {
		return 0
	}
	for i < len(v) && (v[i] == '=' || v[i] == ':') {
		i++
	}
	if i < len(v) && v[i] == '>' && v[i-1] == '=' {
		i++ // password => …
	}
	return afterSpaces(v, i)
}

// secretEnd returns the end of the secret that begins at i: the next space behind it
// and behind its quotation marks or brackets. Some hold spaces without either.
func secretEnd(v string, i int, key string) int {
	if i >= len(v) || wordy(key) {
		return len(v)
	}
	if end := quotation(v, i); end > 0 {
		return beyond(v, i, runEnd(v, end))
	}
	for _, pair := range [...]string{"[]", "()", "{}"} {
		if v[i] != pair[0] {
			continue
		}
		end := strings.IndexByte(v[i:], pair[1])
		if end < 0 {
			return len(v)
		}
		return beyond(v, i, runEnd(v, i+end))
	}
	end := runEnd(v, i)
	for end < len(v) && scheme(v[i:end]) { // "token: Bearer …"
		i = afterSpaces(v, end)
		end = runEnd(v, i)
	}
	return beyond(v, i, end)
}

// beyond returns where to go on behind v[from:end], which is taken out whole: behind
// end, where its last word speaks of a secret that follows, as in
// "https://example.com,password: …".
func beyond(v string, from, end int) int {
	for {
		to := end
		for to > from && (!inWord(v[to-1]) || v[to-1] == ':') {
			to--
		}
		start := to
		for start > from && inWord(v[start-1]) && v[start-1] != ':' {
			start--
		}
		value := secretValue(v, start, to)
		if value < end || value == 0 {
			return end
		}
		from, end = end, secretEnd(v, value, v[start:to])
	}
}

// scheme reports that w names a way to log in, which credentials follow.
func scheme(w string) bool {
	switch len(w) {
	case len("basic"):
		return strings.EqualFold(w, "basic") || strings.EqualFold(w, "token")
	case len("bearer"):
		return strings.EqualFold(w, "bearer") || strings.EqualFold(w, "digest")
	case len("negotiate"):
		return strings.EqualFold(w, "negotiate")
	}
	return false
}

// credentials reports that w may be base64 rather than a word.
func credentials(w string) bool {
	for i := range len(w) {
		if isUpper(w[i]) || isDigit(w[i]) || w[i] == '=' {
			return true
		}
	}
	return false
}

// maxName bounds what is looked at of a name; the telling word is mostly its last.
const maxName = 64

// secretName looks at the words of a name, which signs and capitals tell apart.
func secretName(name string) bool {
	name = name[max(0, len(name)-maxName):]
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && isAlnum(name[i]) && (i == start || !isUpper(name[i]) || !isLower(name[i-1])) {
			continue
		}
		if i > start && secretWord(name[start:i]) {
			return true
		}
		start = i
		if i < len(name) && !isAlnum(name[i]) {
			start = i + 1
		}
	}
	return false
}

// wordy reports that the secret of this name may hold spaces.
func wordy(name string) bool {
	for _, word := range [...]string{"authorization", "cookie", "phrase", "mnemonic"} {
		if containsFold(name, word) {
			return true
		}
	}
	return false
}

// secretWord reports that one word of a name makes it a secret's.
func secretWord(word string) bool {
	if isDigit(word[0]) {
		return false
	}
	// Longer than any word here, so that what is cut off cannot matter.
	var folded [16]byte
	n := copy(folded[:], word[max(0, len(word)-len(folded)):])
	for i := range n {
		folded[i] = lower(folded[i])
	}
	w := string(folded[:n])
	switch w {
	case "authentication", "authorization", "cred", "creds", "dsn", "jwt", "mnemonic", "otp", "pat", "pin", "private", "psk",
		"pw", "sas", "session", "sessionid", "sid", "sig", "totp":
		return true
	case "bypass", "compass":
		return false
	}
	// In the singular only: tokens and keys are also counted.
	for _, suffix := range [...]string{"pass", "token", "key", "auth"} {
		if strings.HasSuffix(w, suffix) {
			return true
		}
	}
	w = strings.TrimSuffix(w, "s")
	for _, suffix := range [...]string{
		"password", "passwd", "pwd", "phrase", "passcode", "secret", "credential", "cookie", "signature",
	} {
		if strings.HasSuffix(w, suffix) {
			return true
		}
	}
	return false
}

func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
