package redact

import "strings"

// What is announced in sentences and on command lines, where only a space stands
// between a name and its value. Most words that follow "password" are none: "password
// expired". So either the sentence must say that one follows, or it must look like one.

// saying is what a word speaks of.
type saying uint8

const (
	sayNothing  saying = iota
	sayPassword        // A password: what follows "is" is one, too, if no other word.
	sayScheme          // A way to log in, with credentials behind.
	sayHost
	sayPhone
	sayCode  // A number that one logs in with.
	sayBy    // BY, of IDENTIFIED BY or closed by.
	sayLogin // A program whose arguments are user/password.
)

// spokenOf are the words that speak of what follows them, by their first letter.
var spokenOf = [26][]struct {
	word string
	says saying
}{
	'a' - 'a': {{"at", sayHost}, {"added", sayHost}},
	'b' - 'a': {{"by", sayBy}, {"bearer", sayScheme}, {"basic", sayScheme}},
	'c' - 'a': {{"call", sayPhone}, {"cell", sayPhone}, {"code", sayCode}, {"convertto-securestring", sayPassword}},
	'd' - 'a': {{"digest", sayScheme}},
	'e' - 'a': {
		{"enotfound", sayHost}, {"eai_again", sayHost}, {"econnrefused", sayHost}, {"econnreset", sayHost},
		{"etimedout", sayHost}, {"ehostunreach", sayHost}, {"expdp", sayLogin},
	},
	'f' - 'a': {{"fax", sayPhone}, {"from", sayHost}},
	'h' - 'a': {{"host", sayHost}, {"hostname", sayHost}},
	'i' - 'a': {{"impdp", sayLogin}},
	'l' - 'a': {{"lookup", sayHost}},
	'm' - 'a': {{"machine", sayHost}, {"mobile", sayPhone}, {"mosh", sayHost}},
	'n' - 'a': {{"name", sayHost}, {"nslookup", sayHost}},
	'o' - 'a': {{"on", sayHost}, {"otp", sayPassword}},
	'p' - 'a': {
		{"password", sayPassword}, {"passwd", sayPassword}, {"passphrase", sayPassword}, {"passcode", sayPassword},
		{"pwd", sayPassword}, {"phone", sayPhone}, {"ping", sayHost}, {"pin", sayPassword},
	},
	'r' - 'a': {{"rman", sayLogin}},
	's' - 'a': {{"ssh", sayHost}, {"sqlplus", sayLogin}},
	't' - 'a': {
		{"to", sayHost}, {"tcp", sayHost}, {"tcp4", sayHost}, {"tcp6", sayHost}, {"tel", sayPhone}, {"telefon", sayPhone},
		{"telephone", sayPhone}, {"telnet", sayHost}, {"traceroute", sayHost},
	},
	'u' - 'a': {{"udp", sayHost}, {"udp4", sayHost}, {"udp6", sayHost}},
}

// spoken returns what the word speaks of.
func spoken(word string) saying {
	first := word[0] | 0x20 - 'a'
	if first >= 26 {
		return sayNothing
	}
	for _, w := range spokenOf[first] {
		if len(w.word) == len(word) && equalFold(w.word, word) {
			return w.says
		}
	}
	if len(word) > 3 && word[len(word)-1] == '.' {
		return spoken(word[:len(word)-1]) // Tel.
	}
	return sayNothing
}

// schemeValue returns the credentials that follow "Bearer" and its like.
func schemeValue(v, key string, at int) value {
	end := runEnd(v, at)
	word := v[at:end]
	switch {
	case equalFoldString("bearer", key) && !oneOf(bearerWords, trimmed(word)):
	case equalFoldString("basic", key) && credentials(word) && !strings.HasPrefix(word, "realm="): // Which is a word too.
	default:
		return value{}
	}
	return value{at, secretEnd(v, at, ""), markSecret}
}

// bearerWords follow the word "bearer" where no token does.
const bearerWords = " of token tokens auth authentication authorization scheme bonds shares is was not or and in header the with " +
	"format value realm type credentials method required "

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

// prose returns the password that follows the word v[from:to] in a sentence. english says
// that the sentence's other words are known, so that what they are not is the password.
func prose(v string, from, to, at int, english bool) value {
	is := false
	for range 4 { // "is", "is:", "for zoe is"
		end := runEnd(v, at)
		word := strings.TrimRight(v[at:end], ":")
		next := afterSpaces(v, end)
		if next == len(v) {
			break
		}
		if oneOf(forWords, word) {
			// Whose it is, and then "is".
			if next = isWord(v, next); next == 0 {
				break
			}
			at = next
			continue
		}
		if !oneOf(isWords, word) {
			break
		}
		is = is || english || v[end-1] == ':'
		at = next
	}
	end := secretEnd(v, at, v[from:to])
	word := v[at:runEnd(v, at)]
	switch c := v[at]; {
	case marker(v[at:]) > 0:
		return value{}
	case isQuote(c), escapedQuote(v, at):
		if end := afterQuotes(v, at); end == len(v) || end > at+2 {
			return value{}
		}
	case looksSecret(v, at):
	case c == '(':
		return value{}
	case oneOf(" pin otp ", v[from:to]):
		if !isDigit(c) || len(trimmed(word)) < 4 {
			return value{}
		}
	case is, english && passwordExpected(v, from):
		if word = trimmed(word); oneOf(proseWords, word) || participle(word) || !hasAlnum(word) {
			return value{}
		}
	default:
		return value{}
	}
	return value{at, end, markSecret}
}

// isWord returns where the word "is" stands that one or two words at i are followed by,
// 0 if none does.
func isWord(v string, i int) int {
	for range 2 {
		i = afterSpaces(v, runEnd(v, i))
		if i < len(v) && oneOf(isWords, strings.TrimRight(v[i:runEnd(v, i)], ":")) {
			return i
		}
	}
	return 0
}

// codeKey reports that v[from:to] is the word "code" of a number that one logs in with.
func codeKey(v string, from, to int) bool {
	if !equalFoldString("code", v[from:to]) {
		return false
	}
	start, end := wordBefore(v, from)
	return oneOf(" pin 2fa mfa otp verification security sms auth authentication confirmation login access ", v[start:end])
}

// codeValue returns the code at i, which the word "is" may stand before.
func codeValue(v string, i int) value {
	if end := runEnd(v, i); oneOf(isWords, strings.TrimRight(v[i:end], ":")) {
		i = afterSpaces(v, end)
	}
	end := i
	for end < len(v) && isDigit(v[end]) {
		end++
	}
	if end-i < 4 {
		return value{}
	}
	return value{i, end, markSecret}
}

// passwordExpected reports that what stands before the word "password" at i makes its
// value follow: "with password …", "login zoe password …".
func passwordExpected(v string, i int) bool {
	start, end := wordBefore(v, i)
	if oneOf(" with using has mit con avec ", v[start:end]) {
		return true
	}
	if oneOf(" and und y et ", v[start:end]) {
		start, end = wordBefore(v, start)
	}
	start, end = wordBefore(v, start)
	return oneOf(" login user username account connect ", v[start:end])
}

// participle reports that a word has the end of what is said of things: "encrypted".
func participle(word string) bool {
	for _, end := range [...]string{"ed", "able", "ible", "ing"} {
		if strings.HasSuffix(word, end) && len(word) > len(end)+2 {
			return true
		}
	}
	return false
}

const (
	// isWords say that a value follows, in the languages whose word for password does.
	isWords = " is was are be = == : - -- — – es est ist lautet war é è eh adalah ialah là är er jest na ay to anda это هي هو 係 是 為 为 "
	// forWords say whose a password is.
	forWords = " for of to für pour para de per do "
	// proseWords follow "the password is" and "with password" where no password does.
	proseWords = statusWords + " not too in at on by for from of to as a an the this that these what why how when where if unless " +
		"only also still already always never now very so no longer being case-sensitive case visible encrypted hashed protected " +
		"stored kept sent shared generated same different identical long short weak strong good bad fine safe secure plain plaintext " +
		"your my his her our their its it he she they we you and or but authentication auth protection hashing reset policy manager file " +
		"prompt hash hint field fields input store vault grant flow login change changes length strength combination pair pairs must " +
		"should can cannot will may does do did has have had are is was were with without required optional mandatory blank null " +
		"given found sent written shown known taken lost broken chosen forgotten stolen typed put " +
		"there here then than therefore currently probably likely up down out over due ready about per via using falsch incorrecta " +
		"incorrecto incorrect correcta inválida invalida incorreta errata scaduta sbagliata onjuist nicht pas no não non "
)

// looksSecret reports that what begins at i looks like a secret rather than a word or a
// version: letters with digits or signs among them.
func looksSecret(v string, i int) bool {
	const shortest = 6 // "v1.2", "p50" and "md5" are none.
	letters, digits, signs, dots, start := 0, 0, 0, 0, i
	for ; i < len(v) && !isSpace(v[i]); i++ {
		switch c := v[i]; {
		case isDigit(c):
			digits++
		case isLetter(c):
			letters++
		case c == '!', c == '$', c == '*', c == '^', c == '#', c == '~', c == '&':
			signs++
		case c == '/', c == '<', c == '=', c == '[' && i > start, c == '{' && i > start:
			return false
		case c == '(' && i > start+1:
			return false
		case c == '.':
			dots++
		}
	}
	if letters == 0 || digits+signs == 0 {
		return false
	}
	w := trimmed(v[start:i])
	switch {
	case len(w) < shortest, digits == 0 && (w[0] == '$' || w[0] == '#' || strings.IndexByte("!*&", w[len(w)-1]) >= 0 && signs == 1):
		return false
	case isDigit(w[0]) && unit(w), oneOf(techWords, w), lower(w[0]) == 'v' && version(w):
		return false
	}
	return dots == 0 || !dotted(w) && !version(w)
}

// techWords have letters and digits and are nobody's secret.
const techWords = " sha256 sha512 sha-256 sha-512 base64 base32 ed25519 oauth2 oauth1 pkcs12 pkcs11 aes256 aes128 aes-256 rsa2048 " +
	"rsa4096 ecdsa256 bcrypt2 argon2 argon2id scrypt1 pbkdf2 ascii85 secp256k1 curve25519 x25519 "

// unit reports that w is a number and its unit: "100ms", "30days".
func unit(w string) bool {
	i := 0
	for i < len(w) && (isDigit(w[i]) || w[i] == '.' || w[i] == ',' || w[i] == ':' || w[i] == '-') {
		i++
	}
	return i > 0 && strings.IndexFunc(w[i:], func(r rune) bool { return r < 'a' || r > 'z' }) < 0
}

// trimmed returns a word without the signs of the sentence around it.
func trimmed(w string) string {
	for w != "" && ofSentence(w[0]) {
		w = w[1:]
	}
	for w != "" && ofSentence(w[len(w)-1]) {
		w = w[:len(w)-1]
	}
	return w
}

func ofSentence(c byte) bool {
	switch c {
	case '.', ',', ';', ':', '!', '?', '(', ')', '[', ']', '{', '}', '"', '\'', '`', '\\':
		return true
	}
	return false
}

func hasAlnum(w string) bool {
	for i := range len(w) {
		if isAlnum(w[i]) || w[i] >= 0x80 {
			return true
		}
	}
	return false
}

func equalFoldString(lowered, word string) bool {
	return len(lowered) == len(word) && equalFold(lowered, word)
}

// innocent reports that what a secret's name is given at i is none: its state, its
// type, a mask, a count.
func innocent(kind kind, key, v string, i int) bool {
	start := afterQuotes(v, i)
	end := start
	for end < len(v) && !isSpace(v[end]) && !isQuote(v[end]) && v[end] != '<' && v[end] != ';' && v[end] != '&' && v[end] != ',' {
		end++
	}
	w := v[start:end]
	if start == i && (w == "" || !hasAlnum(w)) && marker(v[i:]) == 0 {
		// Signs only. In brackets and in quotation marks there may be more.
		rest := runEnd(v, i)
		return w != "" && end == rest && w[0] != '[' && w[0] != '(' && w[0] != '{' && !isQuote(v[i])
	}
	if start == i+2 && !escapedQuote(v, i) {
		return true // An empty quotation.
	}
	plain := strings.TrimRight(w, ".,;)]}!?:")
	switch {
	case scheme(plain) && afterSpaces(v, end) < len(v): // Of an Authorization.
		return false
	case wordy(key) && end < len(v):
		return false
	case oneOf(statusWords, plain), masked(plain):
		return true
	case w != plain && w[len(w)-1] == ':' && oneOf(" value name data type from valuefrom username user optional ", plain):
		return true // A field of what is called secret.
	case kind == keyKind:
		return plainName(plain) || len(plain) <= 3 && digitsOnly(plain)
	case key[len(key)-1]|0x20 == 's':
		return len(plain) <= 3 && digitsOnly(plain) // A count.
	}
	return false
}

// statusWords are said of secrets, and are none.
const statusWords = " true false yes no none null nil undefined nan empty required missing invalid expired incorrect wrong denied " +
	"failed must cannot not is was has should too unset optional valid enabled disabled unknown mismatch mismatched string bool " +
	"boolean closed locked changed reset updated rotated revoked rejected accepted redacted hidden masked filtered removed " +
	"unsupported unavailable unauthorized forbidden malformed duplicate basic oauth oauth2 oidc saml ldap kerberos ok n/a on off " +
	"verified unverified mandatory blank the a an this that "

// masked reports that w only stands for a secret: "****", "xxxx".
func masked(w string) bool {
	if len(w) < 3 || w[0] != 'x' && w[0] != 'X' && w[0] != '*' {
		return false
	}
	return strings.Trim(w, w[:1]) == ""
}

// plainName reports that w may be a column, a field or a key on the keyboard.
func plainName(w string) bool {
	const longest = 24
	if w == "" || len(w) > longest {
		return false
	}
	caps := isUpper(w[0])
	for i := range len(w) {
		if !isLower(w[i]) && w[i] != '_' && w[i] != '.' && w[i] != '-' && (!caps || !isUpper(w[i])) {
			return false
		}
	}
	return true
}

func digitsOnly(w string) bool {
	for i := range len(w) {
		if !isDigit(w[i]) {
			return false
		}
	}
	return true
}
