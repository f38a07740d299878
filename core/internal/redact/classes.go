package redact

import "strings"

// windowsPath: a backslash occurs in paths, in DOMAIN\user and in escaped spaces, all of
// which go; "C:/" begins a path too.
func windowsPath(w string) bool {
	if strings.IndexByte(w, '\\') >= 0 {
		return true
	}
	for i := 1; i+1 < len(w); i++ {
		if w[i] == ':' && w[i+1] == '/' && isLower(w[i-1]|0x20) && (i == 1 || !isAlnum(w[i-2])) {
			return true
		}
	}
	return false
}

// absolute reports that w, which holds a slash or begins with a tilde, says where
// something is: from the root, from a home or from here. "linux/amd64" does not.
func absolute(w string) bool {
	if w[0] == '~' {
		return len(w) > 1 && (w[1] == '/' || isLetter(w[1]))
	}
	if strings.Trim(w, "/") == "" || w == "./..." {
		return false // "/" or "//" alone, and all packages of Go.
	}
	// $HOME/x, -I/x, ./x and ../x.
	if w[0] == '$' || w[0] == '-' || strings.HasPrefix(w, "./") || strings.HasPrefix(w, "../") || strings.Contains(w, "/../") {
		return true
	}
	for i := range len(w) {
		if w[i] != '/' {
			continue
		}
		if i == 0 {
			return true
		}
		switch before := w[i-1]; {
		case isAlnum(before), before == '_', before == '.', before == '-', before == '+', before == '/':
		case before >= 0x80 && (i+1 == len(w) || w[i+1] >= 0x80):
			// Two words of a script without spaces. An ASCII name would be a path.
		default:
			return true
		}
	}
	return false
}

// quotedPath reports that what stands in quotation marks is a path with spaces.
func quotedPath(w string) bool {
	switch {
	case strings.IndexByte(w, ' ') < 0:
		return false
	case w[0] == '/' || w[0] == '~':
		return len(w) > 2 && strings.IndexByte(w[1:], '/') >= 0
	case w[0] == '\\':
		return w[1] == '\\'
	}
	return len(w) > 3 && isLower(w[0]|0x20) && w[1] == ':' && (w[2] == '\\' || w[2] == '/')
}

// mailbox returns the end of a person's name at i that their address follows: "Zoe
// Canary <zoe@example.com>". It is 0 if there is none.
func mailbox(v string, i int) int {
	const most = 5 // Words of a name.
	if !isUpper(v[i]) && v[i] < 0x80 {
		return 0
	}
	for range most {
		for i < len(v) && (isLetter(v[i]) || strings.IndexByte(".-'", v[i]) >= 0) {
			i++
		}
		if i+1 >= len(v) || !isSpace(v[i]) {
			return 0
		}
		if v[i+1] == '<' {
			end := chunkEnd(v, i+2)
			if at := strings.IndexByte(v[i+2:end], '@'); at > 0 && hasAt(v, end, ">") {
				return i
			}
			return 0
		}
		i++
	}
	return 0
}

// userinfo reports that a chunk holds "user:password@host". A URL's is left to the
// rule for URLs, and "npm:name@1.2.3" is a package.
func userinfo(chunk string) bool {
	at := strings.IndexByte(chunk, '@')
	if at < 0 || at+1 == len(chunk) {
		return false
	}
	before := chunk[:at]
	for _, scheme := range [...]string{"npm:", "pkg:", "jsr:"} {
		if strings.HasPrefix(before, scheme) && version(chunk[at+1:]) {
			return false
		}
	}
	return strings.IndexByte(before, ':') >= 0 && !strings.Contains(before, "://")
}

// scp reports that a chunk is "user@host:path", as Git and rsync name a place.
func scp(chunk string) bool {
	chunk = strings.TrimLeft(chunk, "@")
	at := strings.IndexByte(chunk, '@')
	colon := strings.IndexByte(chunk[at+1:], ':')
	if colon < 1 {
		return false
	}
	host, path := chunk[at+1:][:colon], chunk[at+1:][colon+1:]
	if path == "" || !hasAlnum(path) || isDigit(path[0]) || path[0] == '/' && at < 0 {
		return false
	}
	if at < 0 { // Without a user, a host and a path must be plain.
		return strings.IndexByte(path, '/') > 0 && hostName(host)
	}
	return !version(host)
}

// pgpass reports that a chunk is a line of PostgreSQL's file of passwords:
// host:port:database:user:password.
func pgpass(chunk string) bool {
	if strings.Count(chunk, ":") != 4 {
		return false
	}
	host, rest, _ := strings.Cut(chunk, ":")
	port, rest, _ := strings.Cut(rest, ":")
	database, rest, _ := strings.Cut(rest, ":")
	user, password, _ := strings.Cut(rest, ":")
	return host != "" && user != "" && password != "" && (port == "*" || port != "" && digitsOnly(port)) &&
		(database == "*" || hostLike(database)) && (host == "*" || hostLike(host))
}

// locale reports that w is a language and a country, which "@euro" may follow.
func locale(w string) bool {
	return len(w) == len("de_DE") && w[2] == '_' && isLower(w[0]) && isLower(w[1]) && isUpper(w[3]) && isUpper(w[4])
}

// version reports that w may stand behind the @ of "tool@v1.2.3".
//
//go:noinline
func version(w string) bool {
	if w == "latest" {
		return true
	}
	if w[0] == 'v' {
		w = w[1:]
	}
	if w == "" || !isDigit(w[0]) || hasIPv4(w) {
		return false
	}
	for i := range len(w) {
		if !isAlnum(w[i]) && w[i] != '.' && w[i] != '-' && w[i] != '+' {
			return false
		}
	}
	return true
}

// hasIPv4 reports that w holds four numbers up to 255 joined by dots, neither part of
// more nor behind a letter: "v1.2.3.4" is a version. "1.2.3.4" may be one and is taken
// for an address.
//
//go:noinline
func hasIPv4(w string) bool {
	if strings.Count(w, ".") < 3 {
		return false
	}
	for i := range len(w) {
		if !isDigit(w[i]) || i > 0 && (isAlnum(w[i-1]) || w[i-1] == '.') {
			continue
		}
		if ipv4At(w[i:]) {
			return true
		}
	}
	return false
}

func ipv4At(w string) bool {
	for group := range 4 {
		if group > 0 {
			if w == "" || w[0] != '.' {
				return false
			}
			w = w[1:]
		}
		n, value := 0, 0
		for n < len(w) && n < 4 && isDigit(w[n]) {
			value = value*10 + int(w[n]-'0')
			n++
		}
		if n == 0 || n > 3 || value > 255 {
			return false
		}
		w = w[n:]
	}
	// "1.2.3.4." ends a sentence, "1.2.3.4.5" is something else.
	return w == "" || !isAlnum(w[0]) && (w[0] != '.' || len(w) == 1 || !isDigit(w[1]))
}

// colonAddress returns the marker of the address that w is, empty if it is none.
func colonAddress(w string) string {
	const shortestMAC = len("0:1:2:3:4:5")
	switch {
	case len(w) >= shortestMAC && (macAt(w, ':') || macAt(w, '-')):
		return markMAC
	case len(w) >= shortestMAC && ciscoMAC(w):
		return markMAC
	case isIPv6(w):
		return markIP
	}
	return ""
}

// macAt reports that w begins with six pairs of hexadecimal digits. Some systems leave
// out a leading zero between colons.
func macAt(w string, sep byte) bool {
	i := 0
	for group := range 6 {
		if group > 0 {
			if i == len(w) || w[i] != sep {
				return false
			}
			i++
		}
		n := 0
		for i < len(w) && n < 3 && isHex(w[i]) {
			i++
			n++
		}
		if n == 0 || n > 2 || n == 1 && sep == '-' {
			return false
		}
	}
	return i == len(w) || !isAlnum(w[i])
}

// ciscoMAC reports three groups of four hexadecimal digits between dots.
func ciscoMAC(w string) bool {
	if len(w) != len("0016.3eaa.bbcc") || w[4] != '.' || w[9] != '.' {
		return false
	}
	letters := false
	for i := range len(w) {
		if !isHex(w[i]) && i != 4 && i != 9 {
			return false
		}
		letters = letters || isLetter(w[i])
	}
	return letters
}

// isIPv6 is generous: hexadecimal groups with a gap "::" or eight of them, whatever
// zone, prefix or dotted end follows. Times such as 12:30:45 have neither.
func isIPv6(w string) bool {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") + len(":")
	colons, group, digits, gap := 0, 0, 0, false
	for i := range len(w) {
		c := w[i]
		if c == '%' || c == '/' {
			break
		}
		if i == longest {
			return false
		}
		switch {
		case c == ':':
			if gap && i > 1 && w[i-1] == ':' && w[i-2] == ':' {
				return false
			}
			colons++
			group = 0
			gap = gap || i > 0 && w[i-1] == ':'
		case c == '.':
			group = 0
		case isHex(c):
			group++
			digits++
			if group > 4 {
				return false
			}
		default:
			return false
		}
	}
	return digits > 0 && (colons >= 7 || colons >= 2 && gap)
}

// dotted reports that a dot stands before a letter, or before a digit where it is no
// number or version: names of files and hosts. "e.g" is too short for one.
//
//go:noinline
func dotted(w string) bool {
	if len(w) <= 3 || strings.IndexByte(w, '.') < 0 {
		return false
	}
	w = strings.TrimRight(w, ".")
	if len(w) <= 3 {
		return false
	}
	number := w
	if lower(number[0]) == 'v' {
		number = number[1:]
	}
	numeric := true // So far digits and dots only.
	for i := range len(number) {
		c := number[i]
		if c != '.' {
			numeric = numeric && isDigit(c)
			continue
		}
		if next := number[i+1]; isLetter(next) || isDigit(next) && !numeric {
			return true
		}
	}
	return false
}

// longNumber reports a run of seven digits: a telephone, account or customer number.
// Sizes, ports and years are shorter.
func longNumber(w string) bool {
	const long = 7
	run := 0
	for i := range len(w) {
		if !isDigit(w[i]) {
			run = 0
			continue
		}
		if run++; run == long {
			return true
		}
	}
	return false
}
