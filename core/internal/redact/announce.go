package redact

import "strings"

// value is a piece of a text of which a word before it says that it is a secret, a
// host's name or a number. Without an end it is none.
type value struct {
	from, to int
	marker   string
}

// announced returns the value that v[from:to] announces: "password=", "token: ",
// "--api-key ", "Bearer ", "the password is ", "<password>", "connect to host ".
func (s *scanner) announced(v string, from, to int) value {
	if from == to || from > 0 && v[from-1] == '<' && marker(v[from-1:]) > 0 {
		return value{}
	}
	key := v[from:to]
	if to < len(v) && isQuote(v[to]) && len(key) == len("-p") && strings.Contains(passwordLetters(v, from), key[1:]) {
		return value{to, secretEnd(v, to, ""), markSecret} // -p'…'
	}
	if key[0] >= 0x80 {
		if at := unspaced(key); at > 0 {
			return value{from + at, runEnd(v, from+at), markSecret}
		}
	}
	if to == len(v) {
		return value{}
	}
	at, how := separator(v, to)
	switch how {
	case assigned:
		return s.assigned(v, from, to, at)
	case apart:
		return s.apart(v, from, to, at)
	case tagged:
		return taggedValue(v, from, to)
	}
	return value{}
}

// How a word is joined to what follows it.
type joint uint8

const (
	loose    joint = iota
	assigned       // key=value, "key": value, key => value, key -> value
	apart          // key value
	tagged         // <key>value</key>, name="key" value="value", ('key', 'value')
)

// separator looks at what stands at to, behind a word, and returns where what it is
// joined to begins.
func separator(v string, to int) (at int, how joint) {
	switch c := v[to]; {
	case isAlnum(c):
		return to, loose
	case isSpace(c):
		at = afterSpaces(v, to)
		if at == len(v) {
			return at, loose
		}
		if sign(v[at:]) > 0 {
			break
		}
		return at, apart
	case c == '|', c == ',' && to+1 < len(v) && isSpace(v[to+1]):
		if at = afterSpaces(v, to+1); at < len(v) && looksSecret(v, at) {
			return at, apart
		}
		return to, loose
	case c == '>', c == ',', c == '&':
		return to, tagged
	case c == '<':
		if strings.HasPrefix(v[to:], "</") {
			return to, tagged
		}
		return to, loose
	case c == '(':
		return to, apart
	}
	// A name may be quoted, and in brackets: config["password"] =
	at = afterQuotes(v, to)
	if at < len(v) && v[at] == ']' {
		at++
	}
	quoted := at > to
	at = afterSpaces(v, at)
	if at == len(v) {
		return at, loose
	}
	if sign(v[at:]) == 0 {
		if quoted {
			return to, tagged
		}
		return at, loose
	}
	if strings.HasPrefix(v[at:], "://") {
		return at, loose // A URL.
	}
	for at < len(v) {
		n := sign(v[at:])
		if n == 0 {
			break
		}
		at += n
	}
	return afterSpaces(v, at), assigned
}

// sign returns the length of the sign of an assignment that v begins with.
func sign(v string) int {
	switch v[0] {
	case '=', ':':
		if len(v) > 1 && v[1] == '>' {
			return 2 // password => …
		}
		return 1
	case '-':
		if strings.HasPrefix(v, "->") {
			return 2
		}
		if strings.HasPrefix(v, "-->") {
			return 3
		}
	case 0xe2:
		for _, arrow := range [...]string{"→", "⇒", "➜", "➔", "➡", "↦"} {
			if strings.HasPrefix(v, arrow) {
				return len(arrow)
			}
		}
	case 0xef:
		if strings.HasPrefix(v, "：") || strings.HasPrefix(v, "＝") {
			return len("：")
		}
	}
	return 0
}

// assigned returns the value at at that v[from:to] names by "=" or ":".
func (s *scanner) assigned(v string, from, to, at int) value {
	key := v[from:to]
	if at == len(v) {
		return value{}
	}
	if v[to] == ':' && strings.ContainsAny(key, `/\`) && !slashOption(v, from, to) && !strings.HasPrefix(key, "user") {
		return value{} // A path and what is wrong with it.
	}
	if s.strict && commandKey(v, from, to) {
		return value{at, len(v), markArg}
	}
	if kind := textSecret(key); kind != noSecret || key == "/p" && strings.IndexByte(v[at:runEnd(v, at)], '=') < 0 {
		if v[to] == ':' && key == "PASS" && from >= 4 && v[from-4:from] == "--- " {
			return value{} // Of go test.
		}
		at = afterIndicators(v, afterType(v, at))
		if at == len(v) || innocent(kind, key, v, at) {
			return value{}
		}
		end := secretEnd(v, at, key)
		if strings.HasPrefix(v[end:], " / ") {
			end = runEnd(v, end+len(" / ")) // user / password
		}
		return value{at, end, markSecret}
	}
	switch {
	case codeKey(v, from, to):
		return codeValue(v, at)
	case hostKey(v, from, to):
		return hostValue(v, at)
	case phoneKey(key):
		return phoneValue(v, at)
	case userKey(key):
		if end := runEnd(v, at); credentialPair(v[at:end]) {
			return value{at, end, markSecret}
		}
	case strings.HasSuffix(key, "UnknownHostException"):
		return hostValue(v, at)
	case equalFoldString("ping", key):
		if h := hostValue(v, at); h.to > 0 && h.to < len(v) && v[h.to] == ':' {
			return h
		}
	}
	return value{}
}

// commandKey reports that v[from:to] names a command line, of which nothing may stay.
func commandKey(v string, from, to int) bool {
	key := v[from:to]
	if oneOf(" command cmd commandline cmdline executing running exec invocation argv ", key) {
		return true
	}
	start, end := wordBefore(v, from)
	return oneOf(" failed line ", key) && equalFoldString("command", v[start:end])
}

// slashOption reports that v[from:to] is an option as on Windows, with its value joined
// to it: "/password:SECRET". "/run/secrets/token: denied" is a path.
func slashOption(v string, from, to int) bool {
	return v[from] == '/' && strings.LastIndexByte(v[from:to], '/') == 0 && to+1 < len(v) && !isSpace(v[to+1])
}

// afterIndicators skips what may stand before a value in YAML and shells: | and > of a
// block, !tags and &anchors, and the backslash of a line that goes on.
func afterIndicators(v string, at int) int {
	for at < len(v) {
		end := runEnd(v, at)
		switch word := v[at:end]; {
		case word == `\`, word == "^", word[0] == '|' && len(word) <= 3, word[0] == '>' && len(word) <= 3:
		case word[0] == '!' && len(word) > 1 && isLower(word[len(word)-1]), word[0] == '&' && len(word) > 1 && end < len(v):
		default:
			return at
		}
		at = afterSpaces(v, end)
	}
	return at
}

// afterType skips the type that some languages put between a name and its value:
// "password string = …". Without one it returns at.
func afterType(v string, at int) int {
	end := runEnd(v, at)
	next := afterSpaces(v, end)
	if next+1 >= len(v) || v[next] != '=' || !oneOf(" string str &str text varchar char* string? secretstring ", v[at:end]) {
		return at
	}
	return afterSpaces(v, next+1)
}

// secretEnd returns the end of the secret that begins at i: the next space behind it
// and behind its quotation marks or brackets. Some hold spaces without either.
func secretEnd(v string, i int, key string) int {
	if i >= len(v) || wordy(key) {
		return len(v)
	}
	for _, mark := range [...]string{`"""`, "'''"} {
		if strings.HasPrefix(v[i:], mark) {
			if k := strings.Index(v[i+len(mark):], mark); k >= 0 {
				return i + k + 2*len(mark)
			}
			return len(v)
		}
	}
	if end := quotation(v, i); end > 0 {
		return runEnd(v, end)
	}
	for _, pair := range [...]string{"[]", "()", "{}"} {
		if v[i] != pair[0] {
			continue
		}
		end := strings.IndexByte(v[i:], pair[1])
		if end < 0 {
			return len(v)
		}
		return runEnd(v, i+end)
	}
	end := runEnd(v, i)
	for end < len(v) && scheme(v[i:end]) { // "token: Bearer …"
		i = afterSpaces(v, end)
		end = runEnd(v, i)
	}
	if strings.Contains(v[i:end], pem) {
		return len(v)
	}
	return max(end, fieldEnd(v, end))
}

// fieldEnd returns the end of a connection string's field that goes on behind the space
// at i: "Password=two words;Database=app". It is 0 if there is no such field.
func fieldEnd(v string, i int) int {
	const most = 64 // Longer than any password that a person makes up.
	for k := i; k < len(v) && k < i+most; k++ {
		switch v[k] {
		case '=', ':', '"', '<':
			return 0
		case ';':
			return k
		}
	}
	return 0
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

// taggedValue returns the value of a name that stands in a tag or an attribute, or is
// the first of a pair.
func taggedValue(v string, from, to int) value {
	kind := textSecret(v[from:to])
	host := kind == noSecret && hostKey(v, from, to)
	if kind == noSecret && !host {
		return value{}
	}
	at, end := tagContent(v, from, to)
	if end == 0 {
		return value{}
	}
	if host {
		return hostValue(v, at)
	}
	if innocent(kind, v[from:to], v, at) {
		return value{}
	}
	return value{at, end, markSecret}
}

func tagContent(v string, from, to int) (at, end int) {
	switch {
	case v[to] == '>':
		return element(v, to+1)
	case v[to] == ',':
		return 0, 0
	case v[to] == '<', v[to] == '&':
		// <key>password</key><string>…, and the same with &lt; for <.
		if strings.HasPrefix(v[to:], "</") {
			if k := strings.IndexByte(v[to:], '>'); k > 0 {
				next := afterSpaces(v, to+k+1)
				if next < len(v) && v[next] == '<' && marker(v[next:]) == 0 {
					if k := strings.IndexByte(v[next:], '>'); k > 0 {
						return element(v, next+k+1)
					}
				}
			}
		}
		return 0, 0
	}
	i := afterQuotes(v, to)
	if i == len(v) {
		return 0, 0
	}
	if v[i] == '>' {
		return element(v, i+1)
	}
	if v[i] == ',' && (opened(v, from) == '(' || v[from] == '-') {
		// define('DB_PASSWORD', '…')
		i = afterSpaces(v, i+1)
		if i < len(v) && isQuote(v[i]) {
			return i, quotation(v, i)
		}
		return 0, 0
	}
	return valueField(v, i)
}

// opened returns the byte before the quotation mark before i.
func opened(v string, i int) byte {
	for i > 0 && (isQuote(v[i-1]) || v[i-1] == '\\') {
		i--
	}
	if i == 0 {
		return 0
	}
	return v[i-1]
}

// valueField returns the value of a field called "value" that follows at i:
// name="password" value="…", {"name": "PASSWORD", "value": "…"}.
func valueField(v string, i int) (at, end int) {
	const most = 4 // Signs and spaces between the two fields.
	for n := 0; i < len(v) && !isLetter(v[i]); i++ {
		if n++; n > most || v[i] == '>' {
			return 0, 0
		}
	}
	name := nameEnd(v, i)
	if !oneOf(" value val content default stringvalue ", v[i:name]) || name == len(v) {
		return 0, 0
	}
	at, how := separator(v, name)
	if how != assigned && (how != apart || i == 0 || v[i-1] != '-') || at == len(v) {
		return 0, 0
	}
	return at, secretEnd(v, at, "")
}

// element returns what stands between the tag that ends before i and the next.
func element(v string, i int) (at, end int) {
	const cdata = "<![CDATA["
	i = afterSpaces(v, i)
	if strings.HasPrefix(v[i:], cdata) {
		i += len(cdata)
		if k := strings.Index(v[i:], "]]>"); k >= 0 {
			return i, i + k
		}
		return i, len(v)
	}
	k := strings.IndexByte(v[i:], '<')
	switch {
	case k < 0:
		k = len(v) - i
	case k > 0:
	case strings.HasPrefix(v[i:], "<value>"):
		return element(v, i+len("<value>"))
	}
	if k == 0 {
		return 0, 0
	}
	return i, i + k
}

// apart returns the value at at that v[from:to] announces with a space between.
func (s *scanner) apart(v string, from, to, at int) value {
	key := v[from:to]
	if key[0] == '-' || key[0] == '/' && len(key) == len("/p") {
		return flagValue(v, from, to, at)
	}
	if from > 0 && v[from-1] == '<' {
		if textSecret(key) != noSecret { // <password type="plain">…
			if k := strings.IndexByte(v[to:], '>'); k > 0 {
				if at, end := element(v, to+k+1); end > 0 {
					return value{at, end, markSecret}
				}
			}
		}
		return value{}
	}
	switch spoken(key) {
	case sayScheme:
		return schemeValue(v, key, at)
	case sayPassword:
		return prose(v, from, to, at, true)
	case sayHost:
		return s.hostApart(v, from, to, at)
	case sayPhone:
		return phoneValue(v, at)
	case saySQL:
		if identified(v, from) {
			return value{at, secretEnd(v, at, ""), markSecret}
		}
		return s.hostApart(v, from, to, at)
	case saySlash:
		if end := runEnd(v, at); strings.IndexByte(v[at:end], '/') > 0 || isQuote(v[at]) {
			return value{at, end, markSecret}
		}
	}
	if isQuote(v[at]) || key[0] >= 0x80 || oneOf(passwordWords, key) {
		if foreignPassword(key) {
			return prose(v, from, to, at, false)
		}
	}
	if codeKey(v, from, to) {
		return codeValue(v, at)
	}
	// Any other secret's name, if what follows has a secret's look.
	first := runEnd(v, at)
	second := afterSpaces(v, first)
	switch {
	case looksSecret(v, at):
	case first-at <= len("lautet") && looksSecret(v, second) && oneOf(isWords, v[at:first]):
		at = second
	case oneOf(" credentials creds for ", key) && strings.IndexByte(v[at:first], ':') > 0 && credentialPair(v[at:first]) &&
		(key[0]|0x20 == 'c' || authenticationBefore(v, from)):
		return value{at, first, markSecret}
	default:
		first = 0
	}
	if first > 0 && textSecret(key) != noSecret {
		return value{at, secretEnd(v, at, ""), markSecret}
	}
	if typed := afterType(v, at); typed > at && textSecret(key) != noSecret && typed < len(v) {
		return value{typed, secretEnd(v, typed, ""), markSecret}
	}
	if (v[at]|0x20 == 'v' || v[at] == '-') && textSecret(key) != noSecret { // - name: PASSWORD, value: …
		if at, end := valueField(v, at); end > 0 {
			return value{at, end, markSecret}
		}
	}
	return value{}
}

// identified reports that a word BY at i is SQL's: IDENTIFIED BY, IDENTIFIED WITH … BY.
func identified(v string, i int) bool {
	start, end := wordBefore(v, i)
	if equalFoldString("identified", v[start:end]) {
		return true
	}
	start, end = wordBefore(v, start)
	return equalFoldString("with", v[start:end])
}

// authenticationBefore reports that a word FOR at i belongs to "authentication failed for".
func authenticationBefore(v string, i int) bool {
	start, end := wordBefore(v, i)
	if !oneOf(" failed failure error denied refused rejected ", v[start:end]) {
		return false
	}
	start, end = wordBefore(v, start)
	return oneOf(" authentication login auth access logon ", v[start:end])
}
