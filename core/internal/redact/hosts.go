package redact

import "strings"

// hostPhrase reports that v[from:to] is given to the name of a machine for what stands
// around it: "Data Source=", "Server=…;", "Could not resolve proxy:".
func hostPhrase(v string, from, to int) bool {
	key := v[from:to]
	start, end := wordBefore(v, from)
	if equalFold("server", key) && v[to] == '=' {
		end = nameEnd(v, to+1)
		return hasAt(v, end, ";") || hasAt(v, end, ",")
	}
	return equalFold("proxy", key) && equalFold("resolve", v[start:end]) || equalFold("source", key) && equalFold("data", v[start:end])
}

// hostValue returns the name of a machine that begins at i, in quotation marks or not.
func hostValue(v string, i int) value {
	i = afterQuotes(v, i)
	if i < len(v) && v[i] == '[' {
		i++
	}
	end := nameEnd(v, i)
	if !hostLike(v[i:end]) || is(wordNoHost, v[i:end]) {
		return value{}
	}
	return value{i, end, markHost}
}

// hostLike reports that w may be the name of a machine.
func hostLike(w string) bool {
	const longest = 253 // Of a name in DNS.
	if len(w) < 2 || len(w) > longest || !isAlnum(w[0]) {
		return false
	}
	for i := range len(w) {
		if isLower(w[i] | 0x20) {
			return true
		}
	}
	return false
}

// hostApart returns the name of a machine that the word v[from:to] is followed by in a
// sentence, as systems and programs word it.
func (s *scanner) hostApart(v string, from, to, at int) value {
	start := afterQuotes(v, at)
	end := nameEnd(v, start)
	if start < len(v) && v[start] == '[' || end < len(v) && v[end] == '@' || !hostLike(v[start:end]) || !s.hostExpected(v, from, to, start, end, start > at) ||
		is(wordNoHost, v[start:end]) {
		return value{}
	}
	return value{start, end, markHost}
}

// hostExpected reports that after v[from:to] the name of a machine is to be expected at
// v[start:end]. Some of the words before it are everyday's, so that what stands behind
// the name must tell.
func (s *scanner) hostExpected(v string, from, to, start, end int, quoted bool) bool {
	key, name, behind := v[from:to], v[start:end], v[end:]
	first, last := wordBefore(v, from)
	before := v[first:last]
	switch lower(key[0]) {
	case 'h': // host, hostname
		return s.strict || quoted || evident(name) || len(key) > len("host") || portBehind(behind) ||
			is(wordHostBefore, before) ||
			hasAt(v, end, " is ") || hasAt(v, end, " did ") ||
			behind == "" && (before == "" || before[len(before)-1] == ':')
	case 'n': // host name, nslookup
		return len(key) > len("name") || quoted && equalFold("host", before)
	case 'm': // machine … login, mosh
		return len(key) == len("mosh") || hasAt(v, end, " login ")
	case 'l': // lookup … on …:, lookup …: no such host
		return hasAt(v, end, " on ") || hasAt(v, end, ": no such host") || hasAt(v, end, ": server ")
	case 'e': // ENOTFOUND and its like
		return true
	case 'a': // server at "…", Permanently added '…'
		return quoted && (equalFold("server", before) || equalFold("permanently", before))
	case 'o': // server on '…'
		return quoted && equalFold("server", before)
	case 'b', 'f': // closed by …, connection from …
		return portBehind(behind)
	case 't', 'u': // to …, tcp …, udp …, telnet …, traceroute …
		return portBehind(behind) || hasAt(v, end, " closed by") || len(key) > len("udp4") && evident(name)
	}
	if len(key) == len("server") {
		return evident(name) && (hasAt(v, end, " is ") || hasAt(v, end, " did ") || portBehind(behind))
	}
	// ssh, ping
	return evident(name) || from == 0 && lower(key[0]) == 's' && strings.Count(v, " ") == 1
}

// portBehind reports that what stands behind a name is its port: ":22", " port 22",
// " 22 port".
func portBehind(behind string) bool {
	if len(behind) < 2 {
		return false
	}
	rest, port := strings.CutPrefix(behind, " port ")
	if port {
		return rest != "" && isDigit(rest[0])
	}
	digits := 1
	for digits < len(behind) && isDigit(behind[digits]) {
		digits++
	}
	return digits > 1 && (behind[0] == ':' || behind[0] == ' ' && strings.HasPrefix(behind[digits:], " port"))
}

// evident reports that a name has what the names of machines have and words have not.
func evident(w string) bool { return strings.ContainsAny(w, "0123456789.-") && !version(w) }

// hostName reports that w is the name of a machine by its own look: a domain's, or one
// that a system or a cloud gives.
func hostName(w string) bool {
	for w != "" && w[len(w)-1] == '.' {
		w = w[:len(w)-1]
	}
	if machineName(w) {
		return true
	}
	dot := strings.LastIndexByte(w, '.')
	if dot <= 0 || !isLower(w[len(w)-1]|0x20) {
		return false
	}
	return domain(w, dot)
}

// machineName knows what installers, clouds and systems call a machine.
func machineName(w string) bool {
	const shortest = len("ip-0-0-0-0")
	if len(w) < shortest {
		return false
	}
	prefix, rest, _ := strings.Cut(w, "-")
	switch {
	case prefix == "ip", prefix == "ec2":
		return isDigit(rest[0]) && strings.Count(rest, "-") >= 3
	case prefix == "DESKTOP", prefix == "LAPTOP", prefix == "WIN", prefix == "EC2AMAZ":
		return len(rest) >= 5 && capitals(rest)
	}
	return hasAt(rest, 0, "MacBook") || hasAt(rest, 0, "iMac") || hasAt(rest, 0, "Mac-mini")
}

// domain reports that w, whose last dot stands at dot, is the name of a domain or of a
// machine in one, and not of a file, a package or a field.
func domain(w string, dot int) bool {
	labels, upper, lowers := 1, false, false
	for i := range len(w) {
		switch c := w[i]; {
		case c == '.':
			if i == 0 || w[i-1] == '.' {
				return false
			}
			labels++
		case isUpper(c):
			upper = true
		case isLower(c):
			lowers = true
		case !isDigit(c) && c != '-':
			return false
		}
	}
	top, first := w[dot+1:], w[:strings.IndexByte(w, '.')]
	switch {
	case is(wordPrivateDomain, top):
		return true
	case equalFold("local", top):
		return labels > 2 || !is(wordLocalFile, first)
	case is(wordReversed, first), publicHost(w):
		return false
	case is(wordDomain, top):
		return true
	}
	return labels > 2 && (is(wordThirdLevel, top) && !(upper && lowers) || is(wordMailOnly, top) && is(wordMail, first))
}

// publicHost reports that w is a host that everybody uses, or belongs to its owner.
func publicHost(w string) bool {
	for range 3 {
		if is(wordPublicHost, w) {
			return true
		}
		k := strings.IndexByte(w, '.')
		if k < 0 {
			return false
		}
		w = w[k+1:]
	}
	return false
}

// resolved reports that an address in brackets stands behind the name v[from:to]:
// "buildbox (10.0.0.1)".
func resolved(v string, from, to int) bool {
	end := to + len(" (")
	for end < len(v) && (isHex(v[end]) || v[end] == '.' || v[end] == ':') {
		end++
	}
	return (hasIPv4(v[to+2:end]) || isIPv6(v[to+2:end])) && hostLike(v[from:to]) && !is(wordNoHost, v[from:to])
}

// quotedAccount returns the end of 'user'@'host' at i, as MySQL writes an account, 0 if
// none begins.
func quotedAccount(v string, i int) int {
	quote := v[i : i+1]
	user := nameEnd(v, i+1)
	at, ok := strings.CutPrefix(v[user:], quote+"@"+quote)
	if !ok || user == i+1 {
		return 0
	}
	host := strings.Index(at, quote)
	if host < 0 {
		return 0
	}
	return len(v) - len(at) + host + 1
}
