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
	if to < len(v) && isQuote(v[to]) && len(key) == len("-p") && key[0] == '-' && takesPassword(v, from, key[1]) {
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
		return s.assignedValue(v, from, to, at)
	case apart:
		return s.apartValue(v, from, to, at)
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
		if hasAt(v, to, "</") {
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
	if hasAt(v, at, "://") {
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
		if hasAt(v, 0, "->") {
			return 2
		}
		if hasAt(v, 0, "-->") {
			return 3
		}
	case 0xe2, 0xef:
		if len(v) >= len("→") && strings.Contains("→⇒➜➔➡↦：＝", v[:len("→")]) {
			return len("→")
		}
	}
	return 0
}

// assignedValue returns the value at at that v[from:to] names by "=" or ":".
func (s *scanner) assignedValue(v string, from, to, at int) value {
	key := v[from:to]
	if at == len(v) || v[to] == ':' && (strings.IndexByte(key, '/') >= 0 || strings.IndexByte(key, '\\') >= 0) &&
		!slashOption(v, from, to) && !strings.HasPrefix(key, "user") {
		return value{} // A path and what is wrong with it.
	}
	if s.strict && commandKey(v, from, to) {
		return value{at, len(v), markArg}
	}
	switch kind := kindOf(key); kind {
	case secretKind, keyKind:
		return secretValue(v, from, to, at, kind)
	case hostKind:
		return hostValue(v, at)
	case phoneKind:
		return phoneValue(v, at)
	}
	switch {
	case key == "/p" && strings.IndexByte(v[at:runEnd(v, at)], '=') < 0:
		return value{at, runEnd(v, at), markSecret}
	case codeKey(v, from, to):
		return codeValue(v, at)
	case hostPhrase(v, from, to), strings.HasSuffix(key, "UnknownHostException"):
		return hostValue(v, at)
	case key[0] == '-' && is(wordUserFlag, key) && credentialPair(v[at:runEnd(v, at)]):
		return value{at, runEnd(v, at), markSecret}
	case v[to] == ':' && (v[at] == '/' || v[at] == '~') && at == to+1 && evident(key) && copies(v):
		return value{from, to, markHost}
	case equalFold("ping", key):
		if h := hostValue(v, at); h.to > 0 && h.to < len(v) && v[h.to] == ':' {
			return h
		}
	}
	return value{}
}

// copies reports that a text begins with a program that names places as host:path.
func copies(v string) bool {
	return hasAt(v, 0, "scp ") || hasAt(v, 0, "rsync ") || hasAt(v, 0, "sftp ")
}

// secretValue returns the secret at at that v[from:to] names.
func secretValue(v string, from, to, at int, kind kind) value {
	key := v[from:to]
	if v[to] == ':' && key == "PASS" && from >= 4 && v[from-4:from] == "--- " {
		return value{} // Of go test.
	}
	at = afterIndicators(v, afterType(v, at))
	if at == len(v) || innocent(kind, key, v, at) {
		return value{}
	}
	end := secretEnd(v, at, key)
	if hasAt(v, end, " / ") {
		end = runEnd(v, end+len(" / ")) // user / password
	}
	return value{at, end, markSecret}
}

// commandKey reports that v[from:to] names a command line, of which nothing may stay.
func commandKey(v string, from, to int) bool {
	key := v[from:to]
	if is(wordCommand, key) {
		return true
	}
	start, end := wordBefore(v, from)
	return equalFold("command", v[start:end]) && (equalFold("failed", key) || equalFold("line", key))
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
	if next+1 >= len(v) || v[next] != '=' || !is(wordTypename, v[at:end]) {
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
	if hasAt(v, i, `"""`) || hasAt(v, i, "'''") {
		if k := strings.Index(v[i+3:], v[i:i+3]); k >= 0 {
			return i + k + 6
		}
		return len(v)
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
	for start, end := nextWord(name, 0); start < end; start, end = nextWord(name, end) {
		word := name[start:end]
		if endsIn(word, "authorization") || endsIn(word, "cookie") || endsIn(word, "cookies") || endsIn(word, "phrase") ||
			endsIn(word, "mnemonic") {
			return true
		}
	}
	return false
}

// taggedValue returns the value of a name that stands in a tag or an attribute, or is
// the first of a pair.
func taggedValue(v string, from, to int) value {
	kind := kindOf(v[from:to])
	if kind == plainKind || kind == phoneKind {
		return value{}
	}
	at, end := tagContent(v, from, to)
	switch {
	case end == 0:
		return value{}
	case kind == hostKind:
		return hostValue(v, at)
	case innocent(kind, v[from:to], v, at):
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
		if hasAt(v, to, "</") {
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
	if !is(wordValue, v[i:name]) || name == len(v) {
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
	if hasAt(v, i, cdata) {
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
	case hasAt(v, i, "<value>"):
		return element(v, i+len("<value>"))
	}
	if k == 0 {
		return 0, 0
	}
	return i, i + k
}

// apartValue returns the value at at that v[from:to] announces with a space between.
func (s *scanner) apartValue(v string, from, to, at int) value {
	key := v[from:to]
	if key[0] == '-' || key[0] == '/' && len(key) == len("/p") {
		return flagValue(v, from, to, at)
	}
	if inTag(v, from) {
		return attributed(v, from, to)
	}
	switch spoken(key) {
	case wordSaysScheme:
		return schemeValue(v, key, at)
	case wordSaysPassword:
		if password := prose(v, from, to, at, true); password.to > 0 {
			return password
		}
	case wordSaysHost:
		return s.hostApart(v, from, to, at)
	case wordSaysPhone:
		return phoneValue(v, at)
	case wordSaysCode:
		if codeKey(v, from, to) {
			return codeValue(v, at)
		}
	case wordSaysBy:
		if identified(v, from) {
			return value{at, secretEnd(v, at, ""), markSecret}
		}
		return s.hostApart(v, from, to, at)
	case wordSaysStored:
		next := v[at:runEnd(v, at)]
		s.login = s.login || v[at] == '-' || is(wordStore, next)
	case wordSaysEcho:
		s.login = s.login || strings.Contains(v[at:], "-stdin") || strings.Contains(v[at:], "passwd") || strings.Contains(v[at:], "sudo -S")
	case wordSaysValues:
		if secretColumn(v, from) {
			return value{at, len(v), markSecret}
		}
	case wordSaysLogin:
		if end := runEnd(v, at); strings.IndexByte(v[at:end], '/') > 0 || isQuote(v[at]) {
			return value{at, end, markSecret}
		}
	}
	if calledSecret(v, from, at) {
		return value{from, to, markSecret}
	}
	if syslogTime(v, from, to) && logs(v[at:]) || key == "for" && hasAt(v, from-len(keyFailed), keyFailed) {
		return hostValue(v, at)
	}
	if s.calm(at) {
		return value{}
	}
	return unspoken(v, from, to, at)
}

// secretColumn reports that SQL's VALUES at i follows a list of columns with a secret's name.
func secretColumn(v string, i int) bool {
	open := strings.LastIndexByte(v[:i], '(')
	return open >= 0 && secretName(v[open:i])
}

// calledSecret reports that what is said at at of the word at from is that it is a secret:
// "hunter2 is my password", "tried hunter2 as the password".
func calledSecret(v string, from, at int) bool {
	if !hasAt(v, at, "is ") && !hasAt(v, at, "as ") && !hasAt(v, at, "was ") || !looksSecret(v, from) {
		return false
	}
	for range 2 {
		at = afterSpaces(v, runEnd(v, at))
		if end := nameEnd(v, at); at < end && kindOf(v[at:end]) == secretKind {
			return true
		}
	}
	return false
}

// keyFailed stands before "for" in what ssh says of a host's key.
const keyFailed = "key verification failed "

// syslogTime reports that v[from:to] are the seconds of a time.
func syslogTime(v string, from, to int) bool {
	return to-from == 2 && from > 3 && v[from-1] == ':' && isDigit(v[from]) && isDigit(v[from-2])
}

// logs reports that two words as of syslog stand here: the machine and the program.
func logs(v string) bool {
	host := nameEnd(v, 0)
	if host == 0 || !hasAt(v, host, " ") {
		return false
	}
	program := nameEnd(v, host+1)
	return hasAt(v, program, "[") && program+1 < len(v) && isDigit(v[program+1])
}

// calm reports that nothing near at is more than a word: no digit and no sign by which a
// secret could be told. Mostly it is so, and the rest need not be looked at.
func (s *scanner) calm(at int) bool {
	const near = 48 // Bytes: two words.
	if s.lively < at {
		for s.lively = at; s.lively < len(s.v); s.lively++ {
			c := s.v[s.lively]
			if !isLetter(c) && c != ' ' && c != ',' && c != '.' && (c != '-' || s.lively == 0 || isSpace(s.v[s.lively-1])) {
				break
			}
		}
	}
	return s.lively >= min(at+near, len(s.v))
}

// unspoken returns the value at at of a name that no sentence speaks of, if it has the
// look of a secret or of an assignment.
func unspoken(v string, from, to, at int) value {
	key := v[from:to]
	first := runEnd(v, at)
	second := afterSpaces(v, first)
	secret := looksSecret(v, at)
	then := at
	if !secret {
		then = afterVerbs(v, at)
	}
	isSecret := then > at && looksSecret(v, then)
	if (isQuote(v[at]) || v[first-1] == ':' || secret || isSecret) && foreignPassword(lastWord(key)) {
		if password := prose(v, from, to, at, false); password.to > 0 {
			return password
		}
	}
	switch {
	case secret:
	case isSecret:
		at = then
	case second < len(v) && v[second] == '=':
		if at = afterType(v, at); at < second {
			return value{}
		}
	case v[at] == '-', v[at]|0x20 == 'v' && is(wordValue, v[at:nameEnd(v, at)]):
		if kindOf(key) == secretKind { // - name: PASSWORD, value: …
			at, first = valueField(v, at)
			return value{at, first, markSecret}
		}
		return value{}
	case len(key) == len("credentials") || len(key) == len("creds") || len(key) == len("for"):
		return spokenPair(v, from, to, at, first)
	default:
		return value{}
	}
	if kind := kindOf(key); kind != secretKind && kind != keyKind || at == len(v) {
		return value{}
	}
	return value{at, secretEnd(v, at, ""), markSecret}
}

// afterVerbs skips words such as "is", "was set to" and "is now" at i.
func afterVerbs(v string, i int) int {
	for range 4 {
		end := runEnd(v, i)
		next := afterSpaces(v, end)
		heads := headsOf(v[i:end])
		if next == len(v) || !among(wordIs, heads) && !among(wordBecomes, heads) {
			break
		}
		i = next
	}
	return i
}

// spokenPair returns the user and password at v[at:end], of which v[from:to] speaks:
// "credentials zoe:…", "authentication failed for zoe:…".
func spokenPair(v string, from, to, at, end int) value {
	key := v[from:to]
	if strings.IndexByte(v[at:end], ':') <= 0 || !credentialPair(v[at:end]) ||
		!equalFold("credentials", key) && !equalFold("creds", key) && !(equalFold("for", key) && authenticationBefore(v, from)) {
		return value{}
	}
	return value{at, end, markSecret}
}

// inTag reports that the word at i is the name of a tag, with or without a namespace.
func inTag(v string, i int) bool {
	if i > 0 && v[i-1] == ':' {
		for i--; i > 0 && inName(v[i-1]); i-- {
		}
	}
	return i > 0 && v[i-1] == '<'
}

// attributed returns what an element holds whose tag v[from:to] begins, and goes on:
// <password type="plain">…
func attributed(v string, from, to int) value {
	if kindOf(v[from:to]) != secretKind {
		return value{}
	}
	k := strings.IndexByte(v[to:], '>')
	if k < 0 {
		return value{}
	}
	at, end := element(v, to+k+1)
	return value{at, end, markSecret}
}

// identified reports that a word BY at i is SQL's: IDENTIFIED BY, IDENTIFIED WITH … BY.
func identified(v string, i int) bool {
	start, end := wordBefore(v, i)
	if equalFold("identified", v[start:end]) {
		return true
	}
	start, end = wordBefore(v, start)
	return equalFold("with", v[start:end])
}

// authenticationBefore reports that a word FOR at i belongs to "authentication failed for".
func authenticationBefore(v string, i int) bool {
	start, end := wordBefore(v, i)
	if !is(wordFailedBefore, v[start:end]) {
		return false
	}
	start, end = wordBefore(v, start)
	return is(wordCodeBefore, v[start:end])
}
