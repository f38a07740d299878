package redact

import "strings"

// hostPhrase reports that v[from:to] is given to the name of a machine for what stands
// around it: "Data Source=", "Server=…;", "Could not resolve proxy:".
func hostPhrase(v string, from, to int) bool {
	switch key := v[from:to]; {
	case equalFoldString("proxy", key):
		start, end := wordBefore(v, from)
		return equalFoldString("resolve", v[start:end])
	case equalFoldString("source", key):
		start, end := wordBefore(v, from)
		return equalFoldString("data", v[start:end])
	case equalFoldString("server", key) && v[to] == '=':
		end := nameEnd(v, to+1)
		return end < len(v) && (v[end] == ';' || v[end] == ',')
	}
	return false
}

// hostValue returns the name of a machine that begins at i, in quotation marks or not.
func hostValue(v string, i int) value {
	i = afterQuotes(v, i)
	if i < len(v) && v[i] == '[' {
		i++
	}
	end := nameEnd(v, i)
	if !hostLike(v[i:end]) || oneOf(hostWords, v[i:end]) {
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
	if start < len(v) && v[start] == '[' || !hostLike(v[start:end]) || !s.hostExpected(v, from, to, start, end, start > at) ||
		oneOf(hostWords, v[start:end]) {
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
			oneOf(" to from on resolve unknown remote lost server for at with ", before) ||
			strings.HasPrefix(behind, " is ") || strings.HasPrefix(behind, " did ") ||
			behind == "" && (before == "" || before[len(before)-1] == ':')
	case 'n': // host name, nslookup
		return len(key) > len("name") || quoted && equalFoldString("host", before)
	case 'm': // machine … login, mosh
		return len(key) == len("mosh") || strings.HasPrefix(behind, " login ")
	case 'l': // lookup … on …:, lookup …: no such host
		return strings.HasPrefix(behind, " on ") || strings.HasPrefix(behind, ": no such host") || strings.HasPrefix(behind, ": server ")
	case 'e': // ENOTFOUND and its like
		return true
	case 'a': // server at "…", Permanently added '…'
		return quoted && oneOf(" server permanently ", before)
	case 'o': // server on '…'
		return quoted && equalFoldString("server", before)
	case 'b', 'f': // closed by …, connection from …
		return portBehind(behind)
	case 't', 'u': // to …, tcp …, udp …, telnet …, traceroute …
		return portBehind(behind) || strings.HasPrefix(behind, " closed by") || len(key) > len("udp4") && evident(name)
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

// hostWords follow the word "host" and its like where no name does.
const hostWords = " key keys key-verification name names not is are was were be been has had have did does do can could cannot will would " +
	"may might must should and or but if when while because by for from in into of on at to with without via as than then the a an " +
	"this that which who whose it its itself your our my no none null nil undefined empty true false yes machine machines system " +
	"systems process processes kernel os operating network networking networks unreachable down up unavailable unknown not-found " +
	"found closed close closes reset refused refuses disconnected error errors failed failure fails identification header headers " +
	"port ports address addresses ip file files entry entries alias aliases group groups path paths volume volumes mount mounts " +
	"platform platforms environment bridge mode list lists lookup resolution required missing invalid unspecified specified option " +
	"options flag flags argument arguments parameter parameters value values string pattern patterns field software controller " +
	"adapter configuration config variable variables requirements url urls uri domain domains interface interfaces limit timeout " +
	"timed unresponsive responded responding response returned rejected device devices memory cpu disk user users account compiler " +
	"toolchain triple tuple arch architecture certificate certificates cert name-resolution localhost local remote server servers " +
	"service services help flag port-forwarding country city lost left using used is-down connection connections keychain " +
	"broadcast specific header-only based side level function functions object objects prefix suffix verification authentication " +
	"agent table tables tunnel socket client clients command commands again deeper database cluster node nodes api proxy gateway " +
	"internet container containers docker peer any all each every some one two several multiple other another same different new " +
	"old first last next previous current default target source public private secure trusted untrusted valid success today now here there " +
	"add list get set show delete create update "

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
	switch lower(w[0]) {
	case 'i':
		return equalFold("ip-", w[:3]) && isDigit(w[3]) && strings.Count(w, "-") >= 4
	case 'd':
		return installerName(w, "DESKTOP-")
	case 'l':
		return installerName(w, "LAPTOP-")
	case 'w':
		return installerName(w, "WIN-")
	case 'e':
		return installerName(w, "EC2AMAZ-") || strings.HasPrefix(w, "ec2-") && isDigit(w[4])
	}
	return strings.Contains(w, "-MacBook") || strings.Contains(w, "-iMac") || strings.Contains(w, "-Mac-mini")
}

func installerName(w, prefix string) bool {
	return begins(w, prefix, 5) && capitals(w[len(prefix):])
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
	first := w[:strings.IndexByte(w, '.')]
	var room wordRoom
	switch string(folded(w[dot+1:], &room)) {
	case "corp", "lan", "internal", "intranet", "localdomain", "onion", "arpa":
		return true
	case "com", "org", "edu", "gov", "mil":
		return !reversed(first) && !publicHost(w)
	case "local":
		return labels > 2 || !oneOf(" settings appsettings config env application override values compose docker-compose ", first)
	// These end names that are hosts' if they have three labels: shorter ones are files and
	// fields.
	case "net", "io", "dev", "app", "cloud", "ai", "co", "tech", "online", "xyz", "home", "svc", "example", "de", "uk", "fr", "nl", "eu",
		"ch", "at", "es", "pt", "ru", "cn", "jp", "kr", "br", "au", "ca", "us", "se", "fi", "dk", "pl", "cz", "ie", "nz", "mx", "za", "tr",
		"gr", "hu", "ro", "sg", "hk", "tw", "th", "vn", "ph", "ua":
		return labels > 2 && !(upper && lowers) && !reversed(first) && !publicHost(w)
	// And these are words of programs, too, but not behind a first label like that.
	case "in", "it", "no", "id", "be", "me", "is", "to", "my", "do", "so", "am", "tv", "cc", "info", "biz":
		return labels > 2 && oneOf(" www mail smtp imap vpn ftp ", first)
	}
	return false
}

// reversed reports that a name that begins with this label is a package's, as in Java.
func reversed(first string) bool {
	switch first {
	case "com", "org", "net", "io", "edu", "gov", "de", "dev", "uk", "fr":
		return true
	}
	return false
}

// publicHost reports that w is a host that everybody uses, or belongs to its owner.
func publicHost(w string) bool {
	for range 3 {
		if oneOf(publicHosts, w) {
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

const publicHosts = " github.com githubusercontent.com gitlab.com bitbucket.org codeberg.org sr.ht golang.org go.dev gopkg.in k8s.io " +
	"kubernetes.io docker.io docker.com ghcr.io quay.io gcr.io mcr.microsoft.com registry.npmjs.org npmjs.org npmjs.com pypi.org " +
	"pythonhosted.org crates.io rubygems.org packagist.org nuget.org maven.org gradle.org apache.org debian.org ubuntu.com " +
	"fedoraproject.org archlinux.org alpinelinux.org kernel.org gnu.org rust-lang.org python.org nodejs.org mozilla.org w3.org " +
	"ietf.org openssl.org git-scm.com letsencrypt.org wikipedia.org stackoverflow.com npmmirror.com deb.debian.org "

// resolved reports that an address in brackets stands behind the name v[from:to]:
// "buildbox (10.0.0.1)".
func resolved(v string, from, to int) bool {
	end := to + len(" (")
	for end < len(v) && (isHex(v[end]) || v[end] == '.' || v[end] == ':') {
		end++
	}
	return (hasIPv4(v[to+2:end]) || isIPv6(v[to+2:end])) && hostLike(v[from:to]) && !oneOf(hostWords, v[from:to])
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
