package redact

import (
	"strings"
	"unicode/utf8"
)

// secretKind is what a name says of its value.
type secretKind uint8

const (
	noSecret secretKind = iota
	bareKey             // "key" alone: of a map, a table or the keyboard as often as not.
	aSecret
)

// maxName bounds what is looked at of a name; the telling word is mostly its last.
const maxName = 64

// secretName looks at the words of a name, which signs and capitals tell apart.
func secretName(name string) bool {
	for word := range nameWords(name) {
		if secretWord(word) {
			return true
		}
	}
	return false
}

// textSecret is secretName for a name that stands in a text, where more is known: it has
// a value, and nobody but us chooses whether that is kept.
func textSecret(name string) secretKind {
	kind, last, before := noSecret, "", ""
	for word := range nameWords(name) {
		before, last = last, word
		if secretWord(word) || oneOf(" csrf xsrf sessid phpsessid jsessionid sess assertion samlresponse ", word) {
			kind = aSecret
		}
	}
	if kind == aSecret && (oneOf(aboutSecrets, last) && !secretWord(last) || oneOf(" monkey turkey donkey hockey jockey whiskey ", last)) {
		return noSecret
	}
	if kind == aSecret && (equalFoldString("key", last) && (before == "" || oneOf(keysOfThings, before)) || equalFoldString("hotkey", last)) {
		return bareKey
	}
	return kind
}

// keysOfThings are words before "key" that make it one of a table or a keyboard.
const keysOfThings = " sort primary foreign cache hot partition routing map row object idempotency group unique index composite dict " +
	"config json short lookup translation message bucket natural schema sequence "

// aboutSecrets are last words of names that tell of a secret without being one.
const aboutSecrets = " type types count counts size length len method methods mode name names policy format version algorithm alg " +
	"status state used required enabled disabled expiry expires expired expiration ttl timeout limit usage rotation bucket field " +
	"fields column provider strategy prompt error errors exception failure "

// nameWords yields the words of the end of a name.
func nameWords(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		name := name[max(0, len(name)-maxName):]
		start := 0
		for i := 0; i <= len(name); i++ {
			if i < len(name) && (isAlnum(name[i]) || name[i] >= 0x80) && (i == start || !isUpper(name[i]) || !isLower(name[i-1])) {
				continue
			}
			if i > start && !yield(name[start:i]) {
				return
			}
			start = i
			if i < len(name) && !isAlnum(name[i]) && name[i] < 0x80 {
				start = i + 1
			}
		}
	}
}

// secretWord reports that one word of a name makes it a secret's.
func secretWord(word string) bool {
	if isDigit(word[0]) {
		return false
	}
	// Longer than any word here, so that what is cut off cannot matter.
	var folded [16]byte
	n := copy(folded[:], word[max(0, len(word)-len(folded)):])
	high := byte(0)
	for i := range n {
		high |= folded[i]
		folded[i] = lower(folded[i])
	}
	if high >= 0x80 {
		return passwordWord(word)
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
	if oneOf(passwordWords, w) {
		return true
	}
	w = strings.TrimSuffix(w, "s")
	for _, suffix := range [...]string{
		"password", "passwd", "pwd", "phrase", "passcode", "secret", "credential", "cookie", "signature", "passwort", "kennwort",
		"motdepasse", "wachtwoord",
	} {
		if strings.HasSuffix(w, suffix) {
			return true
		}
	}
	return false
}

// passwordWords are the word for password, or the last of its words, in languages that
// are written in ASCII or often are.
const passwordWords = " contrasena clave passe mdp senha sandi katasandi laluan sandhi sirri sifre parola haslo heslo losenord jelszo " +
	"adgangskode kodeord passord salasana lozinka nenosiri nywila khau matkhau wagwoord geslo contrasenya pasahitza parol "

// passwordScripts are the same in other scripts, in lower case.
var passwordScripts = [...]string{
	"contraseña", "密码", "密碼", "口令", "पासवर्ड", "कूटशब्द", "संकेतशब्द", "গুপ্তশব্দ", "পাসওয়ার্ড", "পাসওয়ার্ড",
	"المرور", "السر", "مرور", "пароль", "пароля", "паролем", "паролю", "ورڈ", "پاسورڈ", "パスワード", "暗証番号", "పాస్‌వర్డ్", "పాస్వర్డ్", "సంకేతపదం",
	"şifre", "şifresi", "khẩu", "கடவுச்சொல்", "비밀번호", "암호", "패스워드", "عبور", "گذرواژه", "رمز", "ਪਾਸਵਰਡ", "પાસવર્ડ",
	"ಪಾಸ್‌ವರ್ಡ್", "ಪಾಸ್ವರ್ಡ್", "ಗುಪ್ತಪದ", "รหัสผ่าน", "ቃል", "စကားဝှက်", "hasło", "parolă", "κωδικός", "συνθηματικό", "jelszó", "lösenord",
	"סיסמה", "סיסמא", "ססמה", "лозинка", "парола", "гасло", "šifra", "slaptažodis", "fjalëkalimi", "lykilorð", "şifrə", "պարոլ",
	"გასაღები", "პაროლი", "парол",
}

// passwordWord reports that a word of another script is, or ends in, one for password.
func passwordWord(word string) bool {
	for _, particle := range particles {
		word = strings.TrimSuffix(word, particle)
	}
	const ending = 8 // Bytes of a case or a person: "şifreniz".
	for _, p := range passwordScripts {
		if len(word) >= len(p) && (strings.EqualFold(word[len(word)-len(p):], p) ||
			len(word)-len(p) <= ending && strings.EqualFold(word[:len(p)], p)) {
			return true
		}
	}
	return false
}

// foreignPassword reports that a word, or the last of its parts, is one for password in a
// language other than English.
func foreignPassword(name string) bool {
	last := ""
	for word := range nameWords(name) {
		last = word
	}
	if last == "" {
		return false
	}
	return last[0] >= 0x80 && passwordWord(last) || oneOf(passwordWords, last) ||
		oneOf(" passwort kennwort motdepasse wachtwoord contraseña ", last)
}

// particles stand behind a word without a space, or are the signs between it and what it
// names.
var particles = [...]string{"是", "为", "為", "係", "は", "が", "：", "＝", "는", "은", "「", "『", "【", "（", "“"}

// unspaced returns where a password begins in a word of a script without spaces, which
// holds both its name and itself: "密码是hunter2", "密码：hunter2". It is 0 if there is none.
func unspaced(word string) int {
	for _, p := range passwordScripts {
		const firstUnspaced = 0xe3 // Of Chinese, Japanese and Korean in UTF-8.
		if p[0] < firstUnspaced {
			continue
		}
		k := strings.Index(word, p)
		if k < 0 {
			continue
		}
		k += len(p)
		for range 2 { // A particle or a verb, and a colon.
			for _, between := range particles {
				if strings.HasPrefix(word[k:], between) {
					k += len(between)
					break
				}
			}
		}
		if k < len(word) && word[k] < utf8.RuneSelf {
			return k
		}
	}
	return 0
}
