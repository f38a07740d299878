package redact

import (
	"strings"
	"unicode/utf8"
)

// maxName bounds what is looked at of a name; the telling word is mostly its last.
const maxName = 64

// nextWord returns where the next word of a name is at or behind i: signs and capitals
// tell words apart. From the end of the name on, it is empty.
func nextWord(name string, i int) (start, end int) {
	for i < len(name) && !isAlnum(name[i]) && name[i] < 0x80 {
		i++
	}
	start = i
	for i < len(name) && (isAlnum(name[i]) || name[i] >= 0x80) && (i == start || !isUpper(name[i]) || !isLower(name[i-1])) {
		i++
	}
	return start, i
}

// secretName reports that a name has a word that makes it a secret's.
func secretName(name string) bool {
	name = name[max(0, len(name)-maxName):]
	for start, end := nextWord(name, 0); start < end; start, end = nextWord(name, end) {
		if secretWord(name[start:end]) {
			return true
		}
	}
	return false
}

// kind is what a name in a text says of its value. There, more is known than of a name
// alone: it has a value, and nobody but us chooses whether that is kept.
type kind uint8

const (
	plainKind  kind = iota
	keyKind         // "key": of a map, a table or the keyboard as often as not
	secretKind      // any other secret
	hostKind
	phoneKind
)

// kindOf returns what the name says of its value.
func kindOf(name string) kind {
	name = name[max(0, len(name)-maxName):]
	secret, last, before := false, "", ""
	for start, end := nextWord(name, 0); start < end; start, end = nextWord(name, end) {
		before, last = last, name[start:end]
		secret = secret || secretWord(last)
	}
	if last == "" || isDigit(last[0]) && !secret {
		return plainKind
	}
	var room wordRoom
	switch string(folded(last, &room)) {
	case "monkey", "turkey", "donkey", "hockey", "jockey", "whiskey":
		return plainKind
	case "hotkey":
		return keyKind
	case "key":
		if before == "" || oneOf(keysOfThings, before) {
			return keyKind
		}
	case "csrf", "xsrf", "sessid", "phpsessid", "jsessionid", "sess", "assertion", "samlresponse":
		return secretKind
	case "host", "hostname", "pghost", "dbhost", "mysqlhost", "redishost", "smtphost", "sshhost":
		if !secret {
			return hostKind
		}
	case "tel", "phone", "telephone", "telefon", "telefono", "mobile", "cell", "fax", "handy", "msisdn", "phonenumber", "whatsapp":
		if !secret {
			return phoneKind
		}
	case "number", "nummer", "no":
		if oneOf(" phone telephone telefon tel mobile cell fax ", before) {
			return phoneKind
		}
	default:
		if secret && oneOf(aboutSecrets, last) && !secretWord(last) {
			return plainKind
		}
	}
	if secret {
		return secretKind
	}
	return plainKind
}

// keysOfThings are words before "key" that make it one of a table or a keyboard.
const keysOfThings = " sort primary foreign cache hot partition routing map row object idempotency group unique index composite dict " +
	"config json short lookup translation message bucket natural schema sequence "

// aboutSecrets are last words of names that tell of a secret without being one.
const aboutSecrets = " type types count counts size length len method methods mode name names policy format version algorithm alg " +
	"status state used required enabled disabled expiry expires expired expiration ttl timeout limit usage rotation bucket field " +
	"fields column provider strategy prompt error errors exception failure "

// secretWord reports that one word of a name makes it a secret's.
func secretWord(word string) bool {
	if isDigit(word[0]) || isDigit(word[len(word)-1]) || len(word) < 2 {
		return false
	}
	var room wordRoom
	w := folded(word, &room)
	for _, c := range w {
		if c >= 0x80 {
			return passwordWord(word)
		}
	}
	switch string(w) {
	case "authentication", "authorization", "cred", "creds", "dsn", "jwt", "mnemonic", "otp", "pat", "pin", "private", "psk",
		"pw", "sas", "session", "sessionid", "sid", "sig", "totp":
		return true
	case "bypass", "compass":
		return false
	default:
		return foreignWord(w) || secretSuffix(w)
	}
}

// secretSuffix reports that a word in lower case ends as the names of secrets do. In the
// singular only: tokens and keys are also counted.
func secretSuffix(w []byte) bool {
	switch w[len(w)-1] {
	case 's':
		if endsIn(w, "pass") {
			return true
		}
		w = w[:len(w)-1]
	case 'n':
		return endsIn(w, "token")
	case 'y':
		return endsIn(w, "key")
	case 'h':
		return endsIn(w, "auth")
	}
	if len(w) == 0 {
		return false
	}
	switch w[len(w)-1] {
	case 'd':
		return endsIn(w, "password") || endsIn(w, "passwd") || endsIn(w, "pwd") || endsIn(w, "wachtwoord")
	case 'e':
		return endsIn(w, "phrase") || endsIn(w, "passcode") || endsIn(w, "cookie") || endsIn(w, "signature") || endsIn(w, "motdepasse")
	case 't':
		return endsIn(w, "secret") || endsIn(w, "passwort") || endsIn(w, "kennwort")
	case 'l':
		return endsIn(w, "credential")
	}
	return false
}

func endsIn(w []byte, suffix string) bool {
	return len(w) >= len(suffix) && string(w[len(w)-len(suffix):]) == suffix
}

// foreignWord reports that a word in lower case is the one for password, or the last of
// its words, in a language that is written in ASCII or often is.
func foreignWord(w []byte) bool {
	switch string(w) {
	case "contrasena", "clave", "contrasenya", // Spanish, Catalan
		"passe", "mdp", // French: mot de passe
		"senha",                                      // Portuguese
		"sandi", "katasandi", "laluan", "katalaluan", // Indonesian and Malay: kata sandi
		"sandhi", "sirri", // Javanese, Hausa
		"sifre", "parola", "parol", // Turkish, Italian and Romanian, Uzbek
		"haslo", "heslo", "geslo", "lozinka", // Polish, Czech and Slovak, Slovenian, Croatian
		"losenord", "passord", "adgangskode", "kodeord", "salasana", "jelszo", // Swedish to Hungarian
		"nenosiri", "nywila", // Swahili
		"khau", "matkhau", // Vietnamese: mật khẩu
		"wagwoord", "pasahitza": // Afrikaans, Basque
		return true
	}
	return false
}

// passwordScripts are the words for password in other scripts, in lower case.
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

// foreignPassword reports that a name's last word is one for password in a language
// other than English.
func foreignPassword(name string) bool {
	name = name[max(0, len(name)-maxName):]
	last := ""
	for start, end := nextWord(name, 0); start < end; start, end = nextWord(name, end) {
		last = name[start:end]
	}
	var room wordRoom
	w := folded(last, &room)
	for _, c := range w {
		if c >= 0x80 {
			return passwordWord(last)
		}
	}
	switch string(w) {
	case "passwort", "kennwort", "motdepasse", "wachtwoord":
		return true
	}
	return foreignWord(w)
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
