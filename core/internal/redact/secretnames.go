package redact

import "strings"

// maxName bounds what is looked at of a name; the telling word is mostly its last.
const maxName = 64

// nextWord returns where the next word of a name is at or behind i: signs and capitals
// tell words apart. From the end of the name on, it is empty.
//
//go:noinline
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
// alone: it has a value, and only this package chooses whether that is kept.
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
	heads := headsOf(last)
	switch {
	case secret && heads == "":
	case !secret && among(wordHost, heads):
		return hostKind
	case !secret && (among(wordPhone, heads) || among(wordNumber, heads) && is(wordPhone, before)):
		return phoneKind
	case !secret && !among(wordWebSecret, heads), among(wordNoSecret, heads), among(wordAboutSecrets, heads) && !secretWord(last):
		return plainKind
	case equalFold("key", last) && (before == "" || is(wordKeyOf, before)):
		return keyKind
	}
	return secretKind
}

// secretWord reports that one word of a name makes it a secret's.
func secretWord(word string) bool {
	switch {
	case len(word) < 2, isDigit(word[0]), isDigit(word[len(word)-1]):
		return false
	case secretSuffix(word):
		return !equalFold("bypass", word) && !equalFold("compass", word)
	}
	heads := headsOf(word)
	return among(wordSecret, heads) || among(wordPassword, heads) || foreignSuffix(word)
}

// secretSuffix reports that a word ends as the names of secrets do. In the singular only:
// tokens and keys are also counted.
func secretSuffix(word string) bool {
	singular := word
	last := lower(word[len(word)-1])
	if last == 's' {
		singular = word[:len(word)-1]
		last = lower(singular[len(singular)-1])
	}
	switch last {
	case 'n':
		return endsIn(word, "token")
	case 'y':
		return endsIn(word, "key")
	case 'h':
		return endsIn(word, "auth")
	case 's':
		return endsIn(word, "pass")
	case 'd':
		return endsIn(singular, "password") || endsIn(singular, "passwd") || endsIn(singular, "pwd")
	case 'e':
		return endsIn(singular, "phrase") || endsIn(singular, "passcode") || endsIn(singular, "cookie") || endsIn(singular, "signature")
	case 't':
		return endsIn(singular, "secret")
	case 'l':
		return endsIn(singular, "credential")
	}
	return false
}

//go:noinline
func endsIn(word, suffix string) bool {
	return len(word) >= len(suffix) && equalFold(suffix, word[len(word)-len(suffix):])
}

// foreignPassword reports that a word is, or ends in, one for password in a language
// other than English: see words.txt and passwordScripts.
func foreignPassword(word string) bool { return is(wordPassword, word) || foreignSuffix(word) }

func foreignSuffix(word string) bool {
	for i := range len(word) {
		if word[i] >= 0x80 {
			return passwordWord(word)
		}
	}
	if len(word) < len("passwort") {
		return false
	}
	return endsIn(word, "passwort") || endsIn(word, "kennwort") || endsIn(word, "motdepasse") || endsIn(word, "wachtwoord")
}

// lastWord returns the last word of a name.
func lastWord(name string) (last string) {
	name = name[max(0, len(name)-maxName):]
	for start, end := nextWord(name, 0); start < end; start, end = nextWord(name, end) {
		last = name[start:end]
	}
	return last
}

// passwordScripts are the words for password in other scripts, in lower case: Chinese,
// Hindi and Marathi, Spanish, Arabic, Bengali, Russian, Urdu, Japanese, Telugu, Turkish,
// Tamil, Vietnamese, Korean, Persian, Punjabi, Gujarati, Kannada, Thai, Amharic, Burmese,
// Polish, Romanian, Greek, Hungarian, Swedish, Hebrew and others.
const passwordScripts = "contraseña 密码 密碼 口令 पासवर्ड कूटशब्द संकेतशब्द গুপ্তশব্দ পাসওয়ার্ড المرور السر مرور пароль " +
	"пароля паролем паролю ورڈ پاسورڈ パスワード 暗証番号 పాస్\u200cవర్డ్ పాస్వర్డ్ సంకేతపదం şifre şifresi khẩu " +
	"கடவுச்சொல் 비밀번호 암호 패스워드 عبور گذرواژه رمز কূটশব্দ ਪਾਸਵਰਡ પાસવર્ડ ಪಾಸ್\u200cವರ್ಡ್ ಪಾಸ್ವರ್ಡ್ ಗುಪ್ತಪದ รหัสผ่าน " +
	"ቃል စကားဝှက် hasło parolă κωδικός πρόσβασης συνθηματικό jelszó lösenord סיסמה סיסמא ססמה лозинка парола " +
	"гасло šifra slaptažodis fjalëkalimi lykilorð şifrə պարոլ გასაღები პაროლი парол "

// passwordWord reports that a word of another script is one for password, or ends or
// begins with one.
func passwordWord(word string) bool {
	const ending = 8 // Bytes of a case or a person: "şifreniz".
	for rest := particles; rest != ""; {
		particle, others, _ := strings.Cut(rest, " ")
		word = strings.TrimSuffix(word, particle)
		rest = others
	}
	for rest := passwordScripts; rest != ""; {
		p, others, _ := strings.Cut(rest, " ")
		if extra := len(word) - len(p); extra >= 0 && (strings.EqualFold(word[extra:], p) ||
			extra <= ending && strings.EqualFold(word[:len(p)], p)) {
			return true
		}
		rest = others
	}
	return false
}

// particles stand behind a word without a space, or are the signs between it and what it
// names.
const particles = "是 为 為 係 は が ： ＝ 는 은 「 『 【 （ “ "

// unspaced returns where a password begins in a word of a script without spaces, which
// holds both its name and itself: "密码是hunter2", "密码：hunter2". It is 0 if there is none.
func unspaced(word string) int {
	const firstUnspaced = 0xe3 // Of Chinese, Japanese and Korean in UTF-8.
	for rest := passwordScripts; rest != ""; {
		p, others, _ := strings.Cut(rest, " ")
		rest = others
		k := strings.Index(word, p)
		if k < 0 || p[0] < firstUnspaced {
			continue
		}
		k += len(p)
		for range 2 { // A particle or a verb, and a sign.
			for between := particles; between != ""; {
				particle, more, _ := strings.Cut(between, " ")
				if hasAt(word, k, particle) {
					k += len(particle)
					break
				}
				between = more
			}
		}
		if k < len(word) && word[k] < 0x80 {
			return k
		}
	}
	return 0
}
