package redact

import "strings"

// Secrets that are known by their own look, wherever they stand.

// alphabet is what a token is made of behind what it begins with: see tokens.txt.
type alphabet uint8

const (
	anyBody alphabet = iota
	urlBody
	alnumBody
	mixedBody
	capsBody
	hexBody
)

// minForm is the length of the shortest text that secretForm knows.
const minForm = len("ghp_") + 4

// secretForm reports that a known form of token begins in w, at its start or behind a
// sign.
func secretForm(w string) bool {
	for i := 0; i+minForm <= len(w); i++ {
		if i > 0 && isAlnum(w[i-1]) || w[i] >= 0x80 {
			continue
		}
		if formAt(tokenTable[w[i]], w[i:]) {
			return true
		}
	}
	return len(w) >= shortestInfix && infixForm(w)
}

// formAt reports that w begins with a token of one of the forms.
func formAt(forms, w string) bool {
	for len(forms) > 0 && len(w) >= int(forms[0]) { // The shorter ones come first.
		least, n, body := int(forms[0]), int(forms[1]), alphabet(forms[2])
		if w[1] == forms[4] && w[:n] == forms[3:3+n] && madeOf(w[n:least], body) {
			return true
		}
		forms = forms[3+n:]
	}
	return false
}

// madeOf reports that w is of the alphabet.
func madeOf(w string, body alphabet) bool {
	lowers, uppers := false, false
	for i := range len(w) {
		c := w[i]
		lowers, uppers = lowers || isLower(c), uppers || isUpper(c)
		sign := c == '-' || c == '_' && body != capsBody
		switch {
		case body == anyBody:
		case body == hexBody && !isHex(c),
			body == alnumBody && !isAlnum(c),
			body == capsBody && !isUpper(c) && !isDigit(c) && !sign,
			!isAlnum(c) && !sign:
			return false
		}
	}
	return body != mixedBody || lowers && uppers
}

// shortestInfix is the length of the shortest token that infixForm knows.
const shortestInfix = 20

// infixForm reports that w has what some issuers put into the middle or at the end.
func infixForm(w string) bool {
	if strings.IndexByte(w, '~') < 0 && strings.IndexByte(w, '.') < 0 && strings.IndexByte(w, '_') < 0 && strings.IndexByte(w, ':') < 0 {
		return false
	}
	for _, form := range [...]struct {
		infix          string
		before, behind int // Bytes of the token around it, at least.
	}{
		{".atlasv1.", 14, 8}, // HashiCorp Terraform: gitleaks
		{"_mmk", 20, 0},      // MaxMind: gitleaks
		{":AA", 8, 30},       // Telegram: gitleaks
		{"Q~", 4, 16},        // Microsoft Entra ID, with a digit before it: gitleaks
	} {
		k := strings.Index(w, form.infix)
		if k >= form.before && len(w)-k-len(form.infix) >= form.behind && (form.infix != "Q~" || isDigit(w[k-1])) {
			return true
		}
	}
	return discord(w)
}

// discord reports a bot's token: its number in base64, a time and a signature.
func discord(w string) bool {
	first, rest, _ := strings.Cut(w, ".")
	second, third, _ := strings.Cut(rest, ".")
	if len(first) < 23 || len(first) > 28 || len(second) != 6 || len(third) < 27 {
		return false
	}
	return strings.IndexByte("MNO", first[0]) >= 0
}

// kubeadm reports a token that a node joins a Kubernetes cluster with.
func kubeadm(w string) bool {
	w = strings.Trim(w, "$.")
	if len(w) != 6+1+16 || w[6] != '.' {
		return false
	}
	digits := 0
	for i := range len(w) {
		if i != 6 && !isLower(w[i]) && !isDigit(w[i]) {
			return false
		}
		if i > 6 && isDigit(w[i]) {
			digits++
		}
	}
	return digits > 1
}

// hashed reports that a chunk holds the hash of a password with its scheme and salt, of
// which signs between end the word.
func hashed(chunk string) bool {
	for rest := hashSchemes; rest != ""; {
		scheme, others, _ := strings.Cut(rest, " ")
		if strings.Contains(chunk, scheme) {
			return true
		}
		rest = others
	}
	return false
}

const hashSchemes = "$argon2 $pbkdf2 $scrypt$ $2a$ $2b$ $2y$ {SSHA {SHA {SMD5} {MD5} {CRYPT} {PBKDF2 "

// pem begins a block of a key or certificate, of which only its own end would tell how
// long it is.
const pem = "-----BEGIN"

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
	randomBase32   = 16 // capitals and digits
	randomHex      = 24 // digits and a to f; a number of 80 bits is nobody's name
	randomCapitals = 26 // capitals alone
	randomMixed    = 20 // letters and digits that change their kind at every other place
	randomBase64   = 28 // letters of both cases, digits, and + / - _ between them
	randomAlnum    = 32 // letters and digits, and hexadecimal of any kind: a UUID has 32
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

// run counts the letters and digits of a run, and how often they change their kind.
type run struct{ lower, upper, digits, changes int }

// count counts the letter or digit c, which stands behind the byte before.
func (r *run) count(c, before byte) {
	switch {
	case isDigit(c):
		r.digits++
		if isLower(before | 0x20) {
			r.changes++
		}
	case isUpper(c):
		r.upper++
		if isLower(before) || isDigit(before) {
			r.changes++
		}
	default:
		r.lower++
		if isUpper(before) || isDigit(before) {
			r.changes++
		}
	}
}

// jumbled reports that a run of length letters and digits has no words in it: a word has
// few capitals and changes seldom, and names are made of words.
func (r *run) jumbled(length int) bool {
	const third, quarter = 3, 4
	switch {
	case length < randomMixed:
		return false
	case 2*r.changes >= length && min(r.lower, r.upper, r.digits) >= 3:
		return true
	}
	return third*r.changes >= length && 100*r.upper >= 38*length && quarter*r.lower >= length
}

// randomRun looks at the run of base64 that w begins with, and returns its length.
//
// Names are joined by + / - _ as well, so a run of mixed signs is random only if a
// piece of it is no word: a capital behind a small letter, or a letter behind a digit.
func randomRun(w string) (n int, random bool) {
	var all, piece run // piece: since the last of + / - _
	length, total, hex, wordless := 0, 0, 0, false
	for ; n < len(w); n++ {
		c := w[n]
		if !isAlnum(c) {
			if c != '+' && c != '/' && c != '-' && c != '_' {
				break
			}
			piece, length = run{}, 0
			if c != '-' { // As in a UUID.
				hex = 0
			}
			continue
		}
		wordless = wordless || isUpper(c) && piece.lower+piece.digits > 0 || isLower(c) && piece.digits > 0
		before := byte(0)
		if length > 0 {
			before = w[n-1]
		}
		piece.count(c, before)
		all.count(c, before)
		length++
		total++
		hex++
		if !isHex(c) {
			hex = 0
		}
		if hex >= randomAlnum ||
			hex >= randomHex && length >= randomHex && piece.digits >= 4 && piece.lower+piece.upper >= 4 ||
			length >= randomCapitals && piece.upper == length ||
			length >= randomAlnum && piece.lower+piece.upper > 0 && piece.digits >= 4 ||
			length >= randomBase32 && piece.lower == 0 && piece.upper >= 4 && piece.digits > 0 {
			return n, true
		}
	}
	return n, n >= randomBase64 && wordless && all.lower > 0 && all.upper > 0 && all.digits > 0 || all.jumbled(total)
}

// basicCredentials reports that w is base64 of a user and a password, as in HTTP's basic
// authentication: words mean nothing in base64, let alone printable text with a colon.
func basicCredentials(w string) bool {
	const shortest = 8 // Of four bytes and more.
	w = strings.TrimRight(w, "=")
	if len(w) < shortest || len(w)%4 == 1 {
		return false
	}
	bits, n, colon, upper, lowers := uint(0), 0, false, false, false
	for i := range len(w) {
		c := w[i]
		var six uint
		switch {
		case isUpper(c):
			six, upper = uint(c-'A'), true
		case isLower(c):
			six, lowers = uint(c-'a')+26, true
		case isDigit(c):
			six = uint(c-'0') + 52
		case c == '+' || c == '-':
			six = 62
		case c == '/' || c == '_':
			six = 63
		default:
			return false
		}
		bits = bits<<6 | six
		if n += 6; n < 8 {
			continue
		}
		n -= 8
		switch b := byte(bits >> n); {
		case b < ' ' || b >= 0x7f:
			return false
		case b == ':':
			colon = colon || i > 1
		}
	}
	return colon && upper && lowers
}
